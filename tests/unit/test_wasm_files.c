/*
 * Files in and out of a run. There is one guest: it does what a script on its standard input says, step by step, and
 * exits with 1000 + errno where a step does not end as the script expects.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <adk/cancel.h>

/* ---- the guest ---------------------------------------------------------------------------------------------------- */

#define GUEST_PAGES 32
#define GUEST_BYTES ((uint64_t)GUEST_PAGES << 16)

#define IMPORT(name, parameters) \
    "(import \"" WASI "\" \"" #name "\" (func $" #name " (param " parameters ") (result i32)))"

/* At 0: an iovec, a count, a descriptor; at 16: a subscription; at 1024: a name; at 16384: a buffer; at 65536: the script. */
/* In parts, as C promises 4,095 bytes of a literal and no more. */
static const char *const guest_parts[] = {
    "(module " IMPORT_WRITE IMPORT_READ IMPORT_EXIT IMPORT_POLL IMPORT(fd_pwrite, "i32 i32 i32 i64 i32")
        IMPORT(fd_close, "i32") IMPORT(fd_filestat_set_size, "i32 i64") IMPORT(fd_prestat_get, "i32 i32")
            IMPORT(fd_prestat_dir_name, "i32 i32 i32") IMPORT(path_create_directory, "i32 i32 i32")
                IMPORT(path_open, "i32 i32 i32 i32 i32 i64 i64 i32 i32") IMPORT(path_symlink, "i32 i32 i32 i32 i32")
                    IMPORT(path_readlink, "i32 i32 i32 i32 i32 i32") //
    "(memory (export \"memory\") 32)"
    "(func $iovec (param i32 i32)"
    "  (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)))"
    "(func $print (param i32 i32)"
    "  (call $iovec (local.get 0) (local.get 1))"
    "  (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"
    "(func $open (param $fd i32) (param $path i32) (param $size i32) (param $flags i32) (result i32)"
    "  (call $path_open (local.get $fd) (i32.const 1) (local.get $path) (local.get $size) (local.get $flags)"
    "    (i64.const 0x600166) (i64.const 0) (i32.const 0) (i32.const 12)))"
    "(func $put (param $path i32) (param $size i32) (param $data i32) (param $data_size i32) (param $flags i32)"
    "    (param $at i64) (result i32) (local $err i32)"
    "  (local.set $err (call $open (i32.const 3) (local.get $path) (local.get $size) (local.get $flags)))"
    "  (if (local.get $err) (then (return (local.get $err))))"
    "  (if (local.get $data_size) (then"
    "    (call $iovec (local.get $data) (local.get $data_size))"
    "    (local.set $err (call $fd_pwrite (i32.load (i32.const 12)) (i32.const 0) (i32.const 1) (local.get $at)"
    "      (i32.const 8)))))"
    "  (drop (call $fd_close (i32.load (i32.const 12)))) (local.get $err))"
    "(func $size (param $path i32) (param $size i32) (param $to i64) (result i32) (local $err i32)"
    "  (local.set $err (call $open (i32.const 3) (local.get $path) (local.get $size) (i32.const 1)))"
    "  (if (local.get $err) (then (return (local.get $err))))"
    "  (local.set $err (call $fd_filestat_set_size (i32.load (i32.const 12)) (local.get $to)))"
    "  (drop (call $fd_close (i32.load (i32.const 12)))) (local.get $err))",
    "(func $show (param $fd i32) (param $path i32) (param $size i32) (result i32) (local $err i32)"
    "  (local.set $err (call $open (local.get $fd) (local.get $path) (local.get $size) (i32.const 0)))"
    "  (if (local.get $err) (then (return (local.get $err))))"
    "  (loop $more"
    "    (call $iovec (i32.const 16384) (i32.const 16384))"
    "    (local.set $err (call $read (i32.load (i32.const 12)) (i32.const 0) (i32.const 1) (i32.const 8)))"
    "    (if (local.get $err) (then (return (local.get $err))))"
    "    (if (i32.load (i32.const 8)) (then"
    "      (call $print (i32.const 16384) (i32.load (i32.const 8))) (br $more))))"
    "  (call $fd_close (i32.load (i32.const 12))))"
    "(func $link_of (param $path i32) (param $size i32) (result i32) (local $err i32)"
    "  (local.set $err (call $path_readlink (i32.const 3) (local.get $path) (local.get $size) (i32.const 16384)"
    "    (i32.const 16384) (i32.const 8)))"
    "  (if (i32.eqz (local.get $err)) (then (call $print (i32.const 16384) (i32.load (i32.const 8)))))"
    "  (local.get $err))"
    "(func $name_of (param $fd i32) (result i32) (local $err i32)"
    "  (local.set $err (call $fd_prestat_get (local.get $fd) (i32.const 16)))"
    "  (if (local.get $err) (then (return (local.get $err))))"
    "  (local.set $err (call $fd_prestat_dir_name (local.get $fd) (i32.const 16384) (i32.load (i32.const 20))))"
    "  (call $print (i32.const 16384) (i32.load (i32.const 20))) (local.get $err))"
    /* Files, or links to what `data` says, with six digits behind their name. */
    "(func $many (param $path i32) (param $size i32) (param $data i32) (param $data_size i32) (param $count i32)"
    "    (result i32) (local $i i32) (local $digit i32) (local $left i32) (local $err i32)"
    "  (memory.copy (i32.const 1024) (local.get $path) (local.get $size))"
    "  (loop $more"
    "    (local.set $left (local.get $i)) (local.set $digit (i32.add (i32.const 1029) (local.get $size)))"
    "    (loop $digits"
    "      (i32.store8 (local.get $digit) (i32.add (i32.const 48) (i32.rem_u (local.get $left) (i32.const 10))))"
    "      (local.set $left (i32.div_u (local.get $left) (i32.const 10)))"
    "      (local.set $digit (i32.sub (local.get $digit) (i32.const 1)))"
    "      (br_if $digits (i32.ge_u (local.get $digit) (i32.add (i32.const 1024) (local.get $size)))))"
    "    (if (local.get $data_size)"
    "      (then (local.set $err (call $path_symlink (local.get $data) (local.get $data_size) (i32.const 3)"
    "        (i32.const 1024) (i32.add (local.get $size) (i32.const 6)))))"
    "      (else (local.set $err (call $put (i32.const 1024) (i32.add (local.get $size) (i32.const 6))"
    "        (i32.const 0) (i32.const 0) (i32.const 1) (i64.const 0)))))"
    "    (if (local.get $err) (then (return (local.get $err))))"
    "    (local.set $i (i32.add (local.get $i) (i32.const 1)))"
    "    (br_if $more (i32.lt_u (local.get $i) (local.get $count))))"
    "  (i32.const 0))"
    "(func $sleep (param $ns i64)"
    "  (i32.store8 (i32.const 24) (i32.const 0)) (i32.store (i32.const 32) (i32.const 1))"
    "  (i64.store (i32.const 40) (local.get $ns)) (i64.store (i32.const 48) (i64.const 0)) (i32.store16 (i32.const 56) "
    "(i32.const 0))"
    "  (drop (call $poll (i32.const 16) (i32.const 128) (i32.const 1) (i32.const 8))))",
    "(func $do (param $op i32) (param $a i32) (param $na i32) (param $b i32) (param $nb i32) (param $n i64) (result "
    "i32)"
#define DO(op, body) "(if (i32.eq (local.get $op) (i32.const " op ")) (then " body "))"
#define A            "(local.get $a) (local.get $na)"
#define B            "(local.get $b) (local.get $nb)"
#define N32          "(i32.wrap_i64 (local.get $n))"
    DO("100", "(return (call $path_create_directory (i32.const 3) " A "))") /* d */
    DO("119", "(return (call $put " A B "(i32.const 9) (local.get $n)))")   /* w */
    DO("112", "(return (call $put " A B "(i32.const 1) (local.get $n)))")   /* p */
    DO("116", "(return (call $size " A "(local.get $n)))")                  /* t */
    DO("108", "(return (call $path_symlink " B "(i32.const 3) " A "))")     /* l */
    DO("114", "(return (call $show " N32 A "))")                            /* r */
    DO("107", "(return (call $link_of " A "))")                             /* k */
    DO("102", "(return (call $name_of " N32 "))")                           /* f */
    DO("110", "(return (call $many " A B N32 "))")                          /* n */
    DO("111", "(call $print " A ")")                                        /* o */
    DO("115", "(call $sleep (local.get $n))")                               /* s */
    DO("103", "(drop (memory.grow " N32 "))")                               /* g */
    DO("120", "(call $exit " N32 ")")                                       /* x */
    DO("117", "(unreachable)")                                              /* u */
    DO("101", "(loop $for_ever (br $for_ever))")                            /* e */
    "  (i32.const 0))",
    "(func (export \"_start\") (local $at i32) (local $end i32) (local $err i32) (local $a i32) (local $b i32)"
    "  (local.set $end (i32.const 65536))"
    "  (loop $more"
    "    (call $iovec (local.get $end) (i32.const 1048576))"
    "    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))"
    "    (local.set $end (i32.add (local.get $end) (i32.load (i32.const 8))))"
    "    (br_if $more (i32.load (i32.const 8))))"
    "  (local.set $b (i32.const 65536))"
    "  (loop $next (if (i32.lt_u (local.get $b) (local.get $end)) (then"
    "    (local.set $at (local.get $b)) (local.set $a (i32.add (local.get $at) (i32.const 16)))"
    "    (local.set $b (i32.add (local.get $a) (i32.load16_u offset=2 (local.get $at))))"
    "    (local.set $err (call $do (i32.load8_u (local.get $at)) (local.get $a) (i32.load16_u offset=2 (local.get $at))"
    "      (local.get $b) (i32.load offset=4 (local.get $at)) (i64.load offset=8 (local.get $at))))"
    "    (if (i32.ne (local.get $err) (i32.load8_u offset=1 (local.get $at)))"
    "      (then (call $exit (i32.add (i32.const 1000) (local.get $err)))))"
    "    (local.set $b (i32.add (local.get $b) (i32.load offset=4 (local.get $at))))"
    "    (br $next)))))"
    ")",
};
static char guest[16384];

enum step {
    MAKE_DIR = 'd',
    WRITE = 'w',     /* a new file */
    WRITE_AT = 'p',  /* into a file */
    SET_SIZE = 't',  /* of a file, made if there is none */
    LINK = 'l',      /* data: its target */
    SHOW = 'r',      /* prints a file, found from descriptor `number` */
    SHOW_LINK = 'k', /* prints a target */
    SHOW_NAME = 'f', /* prints the name of a preopened descriptor */
    MANY = 'n',      /* files, or links to `data` */
    PRINT = 'o',
    SLEEP = 's',
    GROW = 'g',
    EXIT = 'x',
    TRAP = 'u',
    SPIN = 'e',
};

/* errno of WASI */
enum {
    NO_ENTRY = 44,
    NOT_PERMITTED = 63,
    NO_SPACE = 51,
    ILLEGAL_BYTES = 25,
    TOO_LONG = 37,
    BAD_FD = 8,
};

static uint8_t script[1 << 20];
static size_t script_size;

static void step_sized(enum step step, uint8_t expected, adk_bytes path, adk_bytes data, uint64_t number)
{
    uint16_t path_size = (uint16_t)path.size;
    uint32_t data_size = (uint32_t)data.size;
    uint8_t *at = script + script_size;

    assert_true(script_size + 16 + path.size + data.size <= sizeof(script));
    at[0] = (uint8_t)step;
    at[1] = expected;
    memcpy(at + 2, &path_size, 2);
    memcpy(at + 4, &data_size, 4);
    memcpy(at + 8, &number, 8);
    if (path.size > 0)
        memcpy(at + 16, path.data, path.size);
    if (data.size > 0)
        memcpy(at + 16 + path.size, data.data, data.size);
    script_size += 16 + path.size + data.size;
}

static void step(enum step what, const char *path, const char *data, uint64_t number)
{
    step_sized(what, 0, adk_bytes_from_cstr(path), adk_bytes_from_cstr(data), number);
}

static void step_fails(enum step what, uint8_t expected, const char *path, const char *data, uint64_t number)
{
    step_sized(what, expected, adk_bytes_from_cstr(path), adk_bytes_from_cstr(data), number);
}

/* ---- the host's directory ----------------------------------------------------------------------------------------- */

static char top[64];

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static int begin(void **state)
{
    (void)state;
    script_size = 0;
    (void)snprintf(top, sizeof(top), "/tmp/test_wasm_files.XXXXXX");
    return mkdtemp(top) == NULL || chdir(top) != 0;
}

static int end(void **state)
{
    (void)state;
    return chdir("/") != 0 || nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0;
}

static void put_host(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_host_dir(const char *path)
{
    assert_int_equal(mkdir(path, 0755), 0);
}

static void link_host(const char *target, const char *path)
{
    assert_int_equal(symlink(target, path), 0);
}

static void size_host(const char *path, off_t size)
{
    put_host(path, "");
    assert_int_equal(truncate(path, size), 0);
}

static void socket_host(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(fd);
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

static adk_file files[64];
static adk_bytes outputs[ADK_OUTPUTS_MAX];

/* The guest with the script; later calls add to what the request has. */
static adk_request scripted(void)
{
    adk_request request = adk_test_request(guest);

    request.stdin_data = adk_bytes_make(script, script_size);
    request.files = files;
    request.outputs = outputs;
    return request;
}

static void give(adk_request *request, const char *path, const char *content)
{
    files[request->files_count++] = (adk_file){adk_bytes_from_cstr(path), adk_bytes_from_cstr(content), NULL};
}

static void give_host(adk_request *request, const char *path, const char *host)
{
    files[request->files_count++] = (adk_file){adk_bytes_from_cstr(path), {NULL, 0}, host};
}

static void want(adk_request *request, const char *path)
{
    outputs[request->outputs_count++] = adk_bytes_from_cstr(path);
}

static void expect_exit(const adk_result *result)
{
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 0);
}

/* Runs it to its good end, and checks what it printed. */
static void expect_prints(adk_backend *backend, const adk_request *request, const char *text)
{
    adk_result *result = adk_test_execute(backend, request, NULL);

    expect_exit(result);
    assert_bytes_are(adk_result_stdout(result).head, text);
    adk_result_free(result);
}

static void expect_refused(adk_backend *backend, const adk_request *request, const char *part)
{
    adk_result *result = NULL;
    adk_error *error = NULL;
    uint64_t start = adk_test_now_ns();
    int status = adk_backend_execute(backend, request, NULL, &result, &error);

    if (status != ADK_E_INVALID)
        fail_msg("%s is not refused: %d", part, status);
    assert_null(result);
    if (strstr(adk_error_message_cstr(error), part) == NULL)
        fail_msg("\"%s\" has no \"%s\"", adk_error_message_cstr(error), part);
    adk_error_free(error);
    assert_true(adk_test_now_ns() - start < 10 * SECOND);
}

static void refuse_host(adk_backend *backend, const char *path, const char *host, const char *part)
{
    adk_request request = scripted();

    give_host(&request, path, host);
    expect_refused(backend, &request, part);
}

/* ---- in: content and host files ----------------------------------------------------------------------------------- */

static void test_content_goes_in(void **state)
{
    adk_request request;

    step(SHOW, "a", "", 3);
    step(SHOW, "d/e/f", "", 3);
    step(SHOW, "rel/g", "", 3);
    step(SHOW, "empty", "", 3);
    step_fails(SHOW_NAME, BAD_FD, "", "", 4); /* only directories are preopened */
    request = scripted();
    give(&request, "/a", "one ");
    give(&request, "//d/e/f", "two ");
    give(&request, "rel/g", "three");
    give(&request, "/empty", "");
    expect_prints(*state, &request, "one two three");
}

static void test_content_is_bytes(void **state)
{
    static const char bytes[] = "\0\xff\n\x80";
    adk_request request;
    adk_result *result;

    step(SHOW, "a", "", 3);
    request = scripted();
    give(&request, "/a", "");
    files[0].content = adk_bytes_make(bytes, 4);
    result = adk_test_execute(*state, &request, NULL);
    expect_exit(result);
    assert_int_equal(adk_result_stdout(result).head.size, 4);
    assert_memory_equal(adk_result_stdout(result).head.data, bytes, 4);
    adk_result_free(result);
}

static void test_a_guest_changes_its_own_content(void **state)
{
    static char content[200000];
    adk_request request;

    memset(content, 'c', sizeof(content));
    put_host("host", "of the host");
    step(WRITE_AT, "given", "xyz", 100000);
    step(SET_SIZE, "given", "", 150000);
    step(WRITE, "copied", "gone", 0);
    step(SHOW, "copied", "", 3);
    request = scripted();
    give(&request, "/given", "");
    files[0].content = adk_bytes_make(content, sizeof(content));
    give_host(&request, "/copied", "host");
    for (int i = 0; i < 3; i++)
        expect_prints(*state, &request, "gone");
    for (size_t i = 0; i < sizeof(content); i++)
        assert_int_equal(content[i], 'c');
    files[0] = files[1];
    request.files_count = 1;
    script_size = 0;
    step(SHOW, "copied", "", 3);
    request.stdin_data = adk_bytes_make(script, script_size);
    expect_prints(*state, &request, "of the host");
}

static void test_host_files_go_in(void **state)
{
    adk_request request;

    put_host("a", "one ");
    put_host("b", "two");
    link_host("b", "link"); /* the caller's own path may be a link */
    put_host("nothing", "");
    step(SHOW, "x", "", 3);
    step(SHOW, "deep/y", "", 3);
    step(SHOW, "nothing", "", 3);
    request = scripted();
    give_host(&request, "/x", "a");
    give_host(&request, "/deep/y", "link");
    give_host(&request, "/nothing", "nothing");
    expect_prints(*state, &request, "one two");
}

static void test_a_large_host_file_is_whole(void **state)
{
    size_t size = 1 << 20;
    char *text = malloc(size + 1);
    adk_request request;

    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + (i + i / 4096) % 26);
    text[size] = '\0';
    put_host("big", text);
    step(SHOW, "big", "", 3);
    request = scripted();
    request.output_limit_bytes = 2 << 20;
    give_host(&request, "/big", "big");
    expect_prints(*state, &request, text);
    free(text);
}

static void test_trees_go_in(void **state)
{
    char name[256];
    char path[300];
    adk_request request;

    memset(name, 'n', 255);
    name[255] = '\0';
    make_host_dir("tree");
    make_host_dir("tree/sub");
    make_host_dir("tree/sub/empty");
    put_host("tree/a", "1");
    put_host("tree/sub/b", "2");
    (void)snprintf(path, sizeof(path), "tree/sub/%s", name);
    put_host(path, "3");
    put_host("tree/\xff\xfe", "bytes");
    put_host("tree/new\nline\x1b", "4");
    step(SHOW, "t/a", "", 3);
    step(SHOW, "t/sub/b", "", 3);
    (void)snprintf(path, sizeof(path), "t/sub/%s", name);
    step(SHOW, path, "", 3);
    step(SHOW, "t/new\nline\x1b", "", 3);
    step_fails(MAKE_DIR, 20 /* EXIST */, "t/sub/empty", "", 0);
    step_fails(SHOW_NAME, BAD_FD, "", "", 4); /* an absolute path */
    request = scripted();
    give_host(&request, "/t", "tree");
    expect_prints(*state, &request, "1234");
}

static void test_trees_are_merged(void **state)
{
    adk_request request;

    make_host_dir("one");
    make_host_dir("one/d");
    put_host("one/d/a", "1");
    make_host_dir("two");
    make_host_dir("two/d");
    put_host("two/d/b", "2");
    step(SHOW, "d/a", "", 3);
    step(SHOW, "d/b", "", 3);
    step(SHOW, "d/c", "", 3);
    request = scripted();
    give_host(&request, "/", "one");
    give_host(&request, "/", "two");
    give(&request, "/d/c", "3");
    expect_prints(*state, &request, "123");
}

static void test_links_in_trees_are_links(void **state)
{
    adk_request request;

    put_host("secret", "SECRET");
    make_host_dir("outside");
    put_host("outside/secret", "SECRET");
    make_host_dir("tree");
    put_host("tree/a", "a");
    link_host("a", "tree/good");
    link_host("/etc/passwd", "tree/absolute");
    link_host("../secret", "tree/out");
    link_host("../outside", "tree/outdir");
    link_host("loop", "tree/loop");
    link_host("nowhere", "tree/dangling");
    step(SHOW, "good", "", 3);
    step(SHOW_LINK, "absolute", "", 0);
    step(SHOW_LINK, "out", "", 0);
    step(SHOW_LINK, "dangling", "", 0);
    step_fails(SHOW, NOT_PERMITTED, "absolute", "", 3);
    step_fails(SHOW, NOT_PERMITTED, "out", "", 3);
    step_fails(SHOW, NOT_PERMITTED, "outdir/secret", "", 3);
    step_fails(SHOW, NO_ENTRY, "dangling", "", 3);
    step_fails(SHOW, 32 /* LOOP */, "loop", "", 3);
    request = scripted();
    give_host(&request, "/", "tree");
    expect_prints(*state, &request, "a/etc/passwd../secretnowhere");
}

/* ---- in: what is refused ------------------------------------------------------------------------------------------ */

static void test_what_is_no_file_is_refused(void **state)
{
    make_host_dir("tree");
    assert_int_equal(mkfifo("fifo", 0644), 0);
    socket_host("socket");
    refuse_host(*state, "/x", "fifo", "\"fifo\"");
    refuse_host(*state, "/x", "socket", "\"socket\"");
    refuse_host(*state, "/x", "/dev/zero", "\"/dev/zero\"");
    refuse_host(*state, "/x", "missing", "\"missing\"");
    refuse_host(*state, "/x", "fifo/x", "\"fifo/x\"");
    refuse_host(*state, "/x", "", "\"\"");
    assert_int_equal(mkfifo("tree/pipe", 0644), 0);
    refuse_host(*state, "/", "tree", "tree/pipe");
    assert_int_equal(unlink("tree/pipe"), 0);
    socket_host("tree/sock");
    refuse_host(*state, "/", "tree", "tree/sock");
    assert_int_equal(unlink("tree/sock"), 0);
    if (mknod("tree/null", S_IFCHR | 0666, 0x103) == 0) {
        refuse_host(*state, "/", "tree", "tree/null");
        assert_int_equal(unlink("tree/null"), 0);
    }
    link_host("fifo", "to-fifo");
    refuse_host(*state, "/x", "to-fifo", "to-fifo");
}

static void test_names_in_messages_are_escaped(void **state)
{
    make_host_dir("tree");
    assert_int_equal(mkfifo("tree/\x1b[2J\n\xff", 0644), 0);
    refuse_host(*state, "/", "tree", "\\x1b[2J\\");
}

static void test_an_unreadable_file_is_refused(void **state)
{
    put_host("secret", "x");
    assert_int_equal(chmod("secret", 0), 0);
    if (access("secret", R_OK) == 0) {
        print_message("skipped: nothing is unreadable for this user\n");
        skip();
    }
    refuse_host(*state, "/x", "secret", "secret");
    make_host_dir("tree");
    assert_int_equal(rename("secret", "tree/secret"), 0);
    refuse_host(*state, "/", "tree", "tree/secret");
}

static void refuse_two(adk_backend *backend, const char *first, const char *second)
{
    adk_request request = scripted();

    give(&request, first, "1");
    give(&request, second, "2");
    expect_refused(backend, &request, "put the file");
}

static void test_paths_in_each_others_way(void **state)
{
    adk_request request;

    refuse_two(*state, "/a", "/a");
    refuse_two(*state, "/a", "a");
    refuse_two(*state, "/a", "/a/b");
    refuse_two(*state, "/a/b", "/a");
    refuse_two(*state, "/a/b", "/./a//b");
    refuse_two(*state, "/a", "/");
    refuse_two(*state, "/a", "/.");
    make_host_dir("tree");
    put_host("tree/a", "");
    put_host("file", "");
    request = scripted();
    give(&request, "/a", "");
    give_host(&request, "/", "tree");
    expect_refused(*state, &request, "\"/a\"");
    request.files_count = 0;
    give(&request, "/a", "");
    give_host(&request, "/a", "tree");
    expect_refused(*state, &request, "\"/a\"");
    refuse_host(*state, "/", "file", "\"file\"");
    refuse_host(*state, "//", "file", "\"file\"");
}

static void test_dot_dot_is_refused(void **state)
{
    static const char *const paths[] = {"..", "/..", "../a", "/a/../b", "a/..", "/a/../"};
    adk_request request = scripted();

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        request.files_count = 0;
        give(&request, paths[i], "");
        expect_refused(*state, &request, "\"..\"");
        request.files_count = request.outputs_count = 0;
        want(&request, paths[i]);
        expect_refused(*state, &request, "\"..\"");
        request.outputs_count = 0;
    }
    give(&request, "/..a/b../...", "");
    expect_prints(*state, &request, "");
}

/* A link of the host's tree leads no later file out of the guest's. */
static void test_a_path_through_a_link(void **state)
{
    adk_request request;

    make_host_dir("tree");
    make_host_dir("tree/d");
    link_host("d", "tree/in");
    link_host("/tmp", "tree/out");
    step(SHOW, "d/a", "", 3);
    request = scripted();
    give_host(&request, "/", "tree");
    give(&request, "/in/a", "inside");
    expect_prints(*state, &request, "inside");
    give(&request, "/out/a", "outside");
    expect_refused(*state, &request, "\"/out/a\"");
}

static void make_levels(unsigned levels)
{
    for (unsigned i = 0; i < levels; i++) {
        make_host_dir("d");
        assert_int_equal(chdir("d"), 0);
    }
    put_host("file", "bottom");
    assert_int_equal(chdir(top), 0);
}

static void test_the_depth_is_bounded(void **state)
{
    char path[300] = "";
    adk_request request;
    unsigned before = adk_test_count().descriptors;

    make_levels(128);
    for (unsigned i = 0; i < 127; i++)
        memcpy(path + (size_t)2 * i, "d/", 3);
    memcpy(path + 254, "file", 5);
    step(SHOW, path, "", 3);
    request = scripted();
    give_host(&request, "/", "d"); /* 128 directories, "d" itself among them */
    expect_prints(*state, &request, "bottom");
    request.files_count = 0;
    give_host(&request, "/", ".");
    expect_refused(*state, &request, "deeper than 128");
    assert_int_equal(adk_test_count().descriptors, before);
}

static void test_long_paths_are_refused(void **state)
{
    char name[257];
    char path[5000];
    adk_request request = scripted();

    memset(name, 'n', 256);
    name[256] = '\0';
    give(&request, name, "");
    expect_refused(*state, &request, "too long");
    memset(path, 'a', 4097);
    path[4097] = '\0';
    request.files_count = 0;
    give(&request, path, "");
    expect_refused(*state, &request, "4097 bytes");
    make_host_dir("tree");
    put_host("tree/file", "");
    for (size_t i = 0; i < 4094; i++)
        path[i] = i % 2 == 0 ? 'd' : '/';
    path[4094] = '\0';
    request.files_count = 0;
    give_host(&request, path, "tree"); /* there is no room for "/file" */
    expect_refused(*state, &request, "too long");
    refuse_host(*state, "/x", strcat(path, "/dddd"), "too long");
}

/* ---- in: while the host changes it -------------------------------------------------------------------------------- */

struct vandal {
    pthread_t thread;
    bool stop;
};

static void *change_all_the_time(void *data)
{
    struct vandal *vandal = data;
    int failed = 0; /* of no interest */

    for (unsigned i = 0; !__atomic_load_n(&vandal->stop, __ATOMIC_RELAXED); i++) {
        (void)unlink("tree/changing");
        if (i % 4 == 0)
            failed += mkfifo("tree/changing", 0644);
        else if (i % 4 == 1)
            failed += symlink("/etc/passwd", "tree/changing");
        else if (i % 4 == 2)
            failed += close(open("tree/changing", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        failed += truncate("tree/growing", (off_t)(i % 64) << 14);
    }
    return failed == 0 ? NULL : data;
}

static void test_a_tree_that_changes(void **state)
{
    struct vandal vandal = {.stop = false};
    unsigned counts[2] = {0, 0};
    adk_request request;

    make_host_dir("tree");
    put_host("tree/growing", "x");
    step_fails(SHOW, NO_ENTRY, "neither", "", 3);
    request = scripted();
    give_host(&request, "/", "tree");
    assert_int_equal(pthread_create(&vandal.thread, NULL, change_all_the_time, &vandal), 0);
    for (unsigned i = 0; i < 300; i++) {
        adk_result *result = NULL;
        adk_error *error = NULL;
        int status = adk_backend_execute(*state, &request, NULL, &result, &error);

        if (status != ADK_OK && status != ADK_E_INVALID)
            fail_msg("%d: %s", status, adk_error_message_cstr(error));
        counts[status == ADK_OK]++;
        adk_error_free(error);
        if (status == ADK_OK)
            expect_exit(result);
        adk_result_free(result);
    }
    __atomic_store_n(&vandal.stop, true, __ATOMIC_RELAXED);
    assert_int_equal(pthread_join(vandal.thread, NULL), 0);
    print_message("%u went in, %u were refused\n", counts[1], counts[0]);
    (void)unlink("tree/changing");
    expect_prints(*state, &request, "");
}

/* ---- in: names ---------------------------------------------------------------------------------------------------- */

static void test_relative_directories_are_preopened(void **state)
{
    adk_request request;

    make_host_dir("tree");
    put_host("tree/a", "content");
    step(SHOW_NAME, "", "", 3);
    step(PRINT, " ", "", 0);
    step(SHOW_NAME, "", "", 4);
    step(PRINT, " ", "", 0);
    step(SHOW_NAME, "", "", 5);
    step(PRINT, " ", "", 0);
    step(SHOW, "a", "", 4);
    step(PRINT, " ", "", 0);
    step(SHOW, "a", "", 5);
    step(SHOW, "data/a", "", 3);
    step_fails(SHOW_NAME, BAD_FD, "", "", 6);
    step_fails(SHOW, NOT_PERMITTED, "../data/a", "", 4);
    request = scripted();
    give(&request, "relative/file", "");
    give_host(&request, "/absolute", "tree");
    give_host(&request, "data", "tree");
    give_host(&request, "deep/er", "tree");
    expect_prints(*state, &request, "/ data deep/er content contentcontent");
}

/* ---- in: budget and time ------------------------------------------------------------------------------------------ */

static uint64_t peak_of(adk_backend *backend, const adk_request *request)
{
    adk_result *result = adk_test_execute(backend, request, NULL);
    uint64_t peak = adk_test_usage(result).memory_peak_bytes;

    expect_exit(result);
    adk_result_free(result);
    return peak;
}

static void expect_memory_limit(adk_backend *backend, const adk_request *request)
{
    adk_result *result = adk_test_execute(backend, request, NULL);

    adk_test_expect(result, ADK_OUTCOME_MEMORY_LIMIT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_INSTANTIATE);
    assert_true(adk_test_usage(result).memory_denied > 0);
    assert_true(adk_test_usage(result).memory_peak_bytes <= request->memory_limit_bytes);
    assert_true(adk_result_message(result).size > 0);
    adk_result_free(result);
}

static void test_no_files_no_tree(void **state)
{
    adk_request request = adk_test_request(GUEST_EMPTY);

    assert_int_equal(peak_of(*state, &request), 0);
    request.outputs = outputs;
    want(&request, "/");
    want(&request, "/**");
    want(&request, "/a");
    assert_int_equal(peak_of(*state, &request), 0);
    request.files = files;
    give(&request, "/a", "");
    assert_true(peak_of(*state, &request) > 0);
}

static void test_copies_count(void **state)
{
    adk_request request = scripted();
    uint64_t peak;

    size_host("big", 4 << 20);
    give_host(&request, "/big", "big");
    peak = peak_of(*state, &request);
    assert_true(peak >= GUEST_BYTES + (4 << 20));
    assert_true(peak < GUEST_BYTES + (8 << 20));
    request.memory_limit_bytes = peak;
    assert_int_equal(peak_of(*state, &request), peak);
    request.memory_limit_bytes = GUEST_BYTES + (4 << 20); /* the memory does not fit any more */
    expect_memory_limit(*state, &request);
    request.memory_limit_bytes = 2 << 20; /* the file does not */
    expect_memory_limit(*state, &request);
    request.memory_limit_bytes = 1; /* not even the root does */
    expect_memory_limit(*state, &request);
}

static void test_names_count(void **state)
{
    adk_request request = scripted();
    char path[32];

    make_host_dir("tree");
    for (unsigned i = 0; i < 3000; i++) {
        (void)snprintf(path, sizeof(path), "tree/file-%u", i);
        put_host(path, "");
    }
    give_host(&request, "/", "tree");
    assert_true(peak_of(*state, &request) > GUEST_BYTES + 3000 * 32);
    request.memory_limit_bytes = 3000 * 32;
    expect_memory_limit(*state, &request);
}

static void test_borrowed_content_counts_when_written(void **state)
{
    static char content[16 << 20];
    adk_request request = scripted();

    give(&request, "/big", "");
    files[0].content = adk_bytes_make(content, sizeof(content));
    assert_true(peak_of(*state, &request) < GUEST_BYTES + (1 << 20));
    step(WRITE_AT, "big", "x", 1000);
    step(WRITE_AT, "big", "x", 9000000);
    request.stdin_data = adk_bytes_make(script, script_size);
    assert_true(peak_of(*state, &request) >= GUEST_BYTES + 2 * 65536);
    assert_true(peak_of(*state, &request) < GUEST_BYTES + (4 << 20));
}

/* More than any machine copies in time; without a deadline it would end at the memory limit. */
static adk_request large_input(void)
{
    adk_request request = scripted();

    make_host_dir("tree");
    size_host("tree/large", (off_t)64 << 30);
    request.memory_limit_bytes = (uint64_t)8 << 30;
    give_host(&request, "/", "tree");
    return request;
}

static void expect_stopped(const adk_result *result, adk_outcome outcome, adk_phase phase)
{
    adk_test_expect(result, outcome);
    if (adk_result_phase(result) != phase)
        fail_msg("phase %s, not %s", adk_phase_cstr(adk_result_phase(result)), adk_phase_cstr(phase));
}

static void test_a_deadline_while_copying(void **state)
{
    adk_request request = large_input();
    uint64_t start = adk_test_now_ns();
    adk_result *result;

    adk_test_compile(*state, guest);
    request.timeout_ns = 100 * MS;
    result = adk_test_execute(*state, &request, NULL);
    expect_stopped(result, ADK_OUTCOME_TIMED_OUT, ADK_PHASE_INSTANTIATE);
    assert_true(adk_test_now_ns() - start < 3 * SECOND + adk_test_slack_ns());
    adk_result_free(result);
}

static void test_a_deadline_while_copying_many(void **state)
{
    adk_request request = scripted();
    char paths[64][8];
    char path[32];
    adk_result *result;

    make_host_dir("tree");
    for (unsigned i = 0; i < 2000; i++) {
        (void)snprintf(path, sizeof(path), "tree/file-%u", i);
        put_host(path, "");
    }
    for (unsigned i = 0; i < 64; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "/%u", i);
        give_host(&request, paths[i], "tree"); /* 128,000 copies */
    }
    adk_test_compile(*state, guest);
    request.memory_limit_bytes = 256 << 20;
    request.timeout_ns = 100 * MS;
    result = adk_test_execute(*state, &request, NULL);
    expect_stopped(result, ADK_OUTCOME_TIMED_OUT, ADK_PHASE_INSTANTIATE);
    adk_result_free(result);
}

struct canceller {
    pthread_t thread;
    adk_cancel *cancel;
    uint64_t after_ns;
};

static void *cancel_later(void *data)
{
    struct canceller *canceller = data;

    adk_test_sleep_ns(canceller->after_ns);
    adk_cancel_fire(canceller->cancel);
    return NULL;
}

static adk_result *execute_cancelled(adk_backend *backend, const adk_request *request, uint64_t after_ns)
{
    struct canceller canceller = {.after_ns = after_ns};
    adk_result *result;

    adk_test_compile(backend, guest);
    assert_int_equal(adk_cancel_new(&canceller.cancel, NULL), ADK_OK);
    assert_int_equal(pthread_create(&canceller.thread, NULL, cancel_later, &canceller), 0);
    result = adk_test_execute(backend, request, canceller.cancel);
    assert_int_equal(pthread_join(canceller.thread, NULL), 0);
    adk_cancel_free(canceller.cancel);
    return result;
}

static void test_a_cancellation_while_copying(void **state)
{
    adk_request request = large_input();
    adk_result *result = execute_cancelled(*state, &request, 100 * MS);

    expect_stopped(result, ADK_OUTCOME_CANCELLED, ADK_PHASE_INSTANTIATE);
    adk_result_free(result);
}

/* ---- out ---------------------------------------------------------------------------------------------------------- */

/* One line a file: type, path, content (or how many bytes it has), output, mark where it is cut. */
static void describe(const adk_result *result, char *text, size_t size)
{
    const adk_file_out *file;
    size_t count;
    size_t at = 0;

    file = adk_result_files(result, &count, NULL);
    text[0] = '\0';
    for (; count > 0 && at < size; count--, file++)
        at += (size_t)snprintf(text + at, size - at, "%c %.*s=%.*s@%u%s\n",
                               file->type == ADK_FILE_REGULAR     ? 'f'
                               : file->type == ADK_FILE_DIRECTORY ? 'd'
                                                                  : 'l',
                               (int)file->path.size, (const char *)file->path.data, (int)file->content.size,
                               file->content.size > 0 ? (const char *)file->content.data : "", file->output,
                               file->truncated ? " cut" : "");
}

static bool is_complete(const adk_result *result)
{
    size_t count;
    int complete = -1;

    (void)adk_result_files(result, &count, &complete);
    assert_true(complete == 0 || complete == 1);
    return complete == 1;
}

static void expect_files(const adk_result *result, const char *expected)
{
    char text[8192];

    describe(result, text, sizeof(text));
    assert_string_equal(text, expected);
    assert_true(is_complete(result));
}

static void expect_out(adk_backend *backend, const adk_request *request, const char *expected)
{
    adk_result *result = adk_test_execute(backend, request, NULL);

    expect_exit(result);
    expect_files(result, expected);
    adk_result_free(result);
}

static void make_some(void)
{
    step(MAKE_DIR, "d", "", 0);
    step(WRITE, "d/a.txt", "A", 0);
    step(WRITE, "d/b.png", "B", 0);
    step(MAKE_DIR, "d/e", "", 0);
    step(WRITE, "d/e/c.png", "C", 0);
    step(LINK, "d/l", "a.txt", 0);
    step(WRITE, "top", "T", 0);
}

static void test_names_directories_and_patterns(void **state)
{
    static const struct {
        const char *output;
        const char *files;
    } cases[] = {
        {"/top", "f /top=T@0\n"},
        {"top", "f /top=T@0\n"},
        {"//top/", "f /top=T@0\n"},
        {"/d/e", "d /d/e=@0\nf /d/e/c.png=C@0\n"},
        {"/d/e/", "d /d/e=@0\nf /d/e/c.png=C@0\n"},
        {"/d", "d /d=@0\nf /d/a.txt=A@0\nf /d/b.png=B@0\nd /d/e=@0\nf /d/e/c.png=C@0\nl /d/l=a.txt@0\n"},
        {"/", "d /d=@0\nf /d/a.txt=A@0\nf /d/b.png=B@0\nd /d/e=@0\nf /d/e/c.png=C@0\nl /d/l=a.txt@0\nf /top=T@0\n"},
        {"/d/*.png", "f /d/b.png=B@0\n"},
        {"d/*.png", "f /d/b.png=B@0\n"},
        {"/**.png", "f /d/b.png=B@0\nf /d/e/c.png=C@0\n"},
        {"/d/?", "d /d/e=@0\nf /d/e/c.png=C@0\nl /d/l=a.txt@0\n"},
        {"/*p", "f /top=T@0\n"},
        {"/missing", ""},
        {"/d/missing", ""},
        {"/top/x", ""},
        {"/*.gif", ""},
    };

    make_some();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        adk_request request = scripted();

        want(&request, cases[i].output);
        expect_out(*state, &request, cases[i].files);
    }
}

static void test_many_outputs(void **state)
{
    adk_request request;
    adk_result *result;
    size_t count;

    make_some();
    request = scripted();
    want(&request, "/top");
    want(&request, "/missing");
    want(&request, "/*");
    want(&request, "/d/e/c.png");
    want(&request, "/top");
    expect_out(*state, &request,
               "f /top=T@0\nd /d=@2\nf /d/a.txt=A@2\nf /d/b.png=B@2\nd /d/e=@2\nf /d/e/c.png=C@2\nl /d/l=a.txt@2\n"
               "f /top=T@2\nf /d/e/c.png=C@3\nf /top=T@4\n");
    request.outputs_count = 0;
    while (request.outputs_count < ADK_OUTPUTS_MAX)
        want(&request, "/top");
    result = adk_test_execute(*state, &request, NULL);
    assert_int_equal(adk_result_files(result, &count, NULL)[ADK_OUTPUTS_MAX - 1].output, ADK_OUTPUTS_MAX - 1);
    assert_int_equal(count, ADK_OUTPUTS_MAX);
    adk_result_free(result);
}

/* What was given comes back if it is asked for, changed or not. */
static void test_inputs_come_back(void **state)
{
    adk_request request;

    put_host("host", "copied");
    step(WRITE_AT, "b", "X", 1);
    request = scripted();
    give(&request, "/a", "given");
    give(&request, "/b", "abc");
    give_host(&request, "/c", "host");
    want(&request, "/");
    expect_out(*state, &request, "f /a=given@0\nf /b=aXc@0\nf /c=copied@0\n");
}

static void test_links_come_back_as_links(void **state)
{
    adk_request request;

    make_host_dir("tree");
    link_host("/etc/passwd", "tree/absolute");
    step(LINK, "d/dangling", "nowhere", 0);
    step(LINK, "d/self", "self", 0);
    step(LINK, "d/up", "..", 0);
    request = scripted();
    give_host(&request, "/d", "tree");
    want(&request, "/d");
    want(&request, "/d/abs*");
    expect_out(*state, &request,
               "d /d=@0\nl /d/absolute=/etc/passwd@0\nl /d/dangling=nowhere@0\nl /d/self=self@0\nl /d/up=..@0\n"
               "l /d/absolute=/etc/passwd@1\n");
}

/* ---- out: every outcome ------------------------------------------------------------------------------------------- */

static void expect_out_in(adk_backend *backend, adk_request *request, adk_outcome outcome)
{
    adk_result *result = adk_test_execute(backend, request, NULL);

    adk_test_expect(result, outcome);
    expect_files(result, "d /out=@0\nf /out/a=saved@0\n");
    adk_result_free(result);
}

static adk_request saves_and(enum step last, const char *text, uint64_t number)
{
    adk_request request;

    script_size = 0;
    step(MAKE_DIR, "out", "", 0);
    step(WRITE, "out/a", "saved", 0);
    if (last == TRAP && number > 0)
        step(GROW, "", "", number);
    step(last, text, "", number);
    request = scripted();
    want(&request, "/out");
    return request;
}

static void test_files_come_back_from_stopped_runs(void **state)
{
    adk_request request = saves_and(EXIT, "", 0xFFFFFFFF);

    expect_out_in(*state, &request, ADK_OUTCOME_EXITED);
    request = saves_and(SPIN, "", 0);
    adk_test_compile(*state, guest);
    request.timeout_ns = 100 * MS;
    expect_out_in(*state, &request, ADK_OUTCOME_TIMED_OUT);
    request = saves_and(SLEEP, "", 3600 * SECOND);
    request.timeout_ns = 100 * MS;
    expect_out_in(*state, &request, ADK_OUTCOME_TIMED_OUT);
    request = saves_and(SPIN, "", 0);
    request.fuel = 1000000;
    expect_out_in(*state, &request, ADK_OUTCOME_FUEL_EXHAUSTED);
    request = saves_and(PRINT, "more than that", 0);
    request.output_policy = ADK_OUTPUT_STOP;
    request.output_limit_bytes = 4;
    expect_out_in(*state, &request, ADK_OUTCOME_OUTPUT_LIMIT);
}

static void test_files_come_back_from_a_cancelled_run(void **state)
{
    adk_request request = saves_and(SPIN, "", 0);
    adk_result *result = execute_cancelled(*state, &request, 100 * MS);

    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    expect_files(result, "d /out=@0\nf /out/a=saved@0\n");
    adk_result_free(result);
}

static void test_files_come_back_from_a_trap(void **state)
{
    adk_request request = saves_and(TRAP, "", 0);

    SKIP_TRAPS_UNDER_VALGRIND();
    expect_out_in(*state, &request, ADK_OUTCOME_TRAPPED);
    request = saves_and(TRAP, "", 60000);
    expect_out_in(*state, &request, ADK_OUTCOME_MEMORY_LIMIT);
}

static void test_files_come_back_when_memory_is_used_up(void **state)
{
    adk_request request;
    adk_result *result;
    size_t count;

    step(WRITE, "a", "saved", 0);
    step_sized(MANY, NO_SPACE, BYTES("f"), adk_bytes_make(NULL, 0), 1000000);
    request = scripted();
    request.memory_limit_bytes = GUEST_BYTES + (1 << 20);
    want(&request, "/a");
    want(&request, "/");
    result = adk_test_execute(*state, &request, NULL);
    expect_exit(result);
    assert_bytes_are(adk_result_files(result, &count, NULL)[0].content, "saved");
    assert_true(count > 100);
    assert_true(is_complete(result));
    assert_true(adk_test_usage(result).memory_denied > 0);
    adk_result_free(result);
}

/* ---- out: hostile guests ------------------------------------------------------------------------------------------ */

static void test_hostile_names(void **state)
{
    static const char *const names[] = {"new\nline", "\x1b[2J", "\x01\x7f", "*",        "?",
                                        " ",         "-rf",     "\\",       "\xc3\xa4", "..."};
    char name[257];
    adk_request request;
    adk_result *result;
    const adk_file_out *file;
    size_t count;

    memset(name, 'n', 256);
    name[256] = '\0';
    step_fails(WRITE, TOO_LONG, name, "", 0);
    name[255] = '\0';
    step(WRITE, name, "255", 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        step(WRITE, names[i], names[i], 0);
    step_fails(WRITE, ILLEGAL_BYTES, "\xff", "", 0);
    step_fails(WRITE, ILLEGAL_BYTES, "a\xc3", "", 0);
    step_fails(MAKE_DIR, ILLEGAL_BYTES, "\xed\xa0\x80", "", 0);
    request = scripted();
    want(&request, "/");
    result = adk_test_execute(*state, &request, NULL);
    expect_exit(result);
    file = adk_result_files(result, &count, NULL);
    assert_int_equal(count, 1 + sizeof(names) / sizeof(names[0]));
    assert_int_equal(file[0].path.size, 256);
    for (size_t i = 1; i < count; i++) {
        assert_bytes_are(file[i].content, names[i - 1]);
        assert_int_equal(((const char *)file[i].path.data)[0], '/');
        assert_int_equal(file[i].path.size, 1 + strlen(names[i - 1]));
        assert_memory_equal((const char *)file[i].path.data + 1, names[i - 1], strlen(names[i - 1]));
    }
    adk_result_free(result);
}

static void test_a_sparse_file_of_8_eib(void **state)
{
    adk_request request;
    adk_result *result;
    const adk_file_out *file;
    size_t count;

    step(SET_SIZE, "huge", "", INT64_MAX);
    step(WRITE, "more", "after it", 0);
    request = scripted();
    request.outputs_limit_bytes = 1 << 20;
    want(&request, "/huge");
    want(&request, "/more");
    result = adk_test_execute(*state, &request, NULL);
    expect_exit(result);
    file = adk_result_files(result, &count, NULL);
    assert_int_equal(count, 2);
    assert_true(file[0].size_bytes == INT64_MAX && file[0].truncated == 1);
    assert_int_equal(file[0].content.size, 1 << 20);
    assert_true(file[1].size_bytes == 8 && file[1].truncated == 1 && file[1].content.size == 0);
    assert_true(is_complete(result)); /* none is missing */
    adk_result_free(result);
}

static void test_the_limit_is_for_all_content(void **state)
{
    adk_request request;

    step(WRITE, "a", "12345", 0);
    step(WRITE, "b", "67890", 0);
    step(WRITE, "c", "", 0);
    request = scripted();
    want(&request, "/");
    request.outputs_limit_bytes = 10;
    expect_out(*state, &request, "f /a=12345@0\nf /b=67890@0\nf /c=@0\n");
    request.outputs_limit_bytes = 9;
    expect_out(*state, &request, "f /a=12345@0\nf /b=6789@0 cut\nf /c=@0\n");
    request.outputs_limit_bytes = 5;
    expect_out(*state, &request, "f /a=12345@0\nf /b=@0 cut\nf /c=@0\n");
    request.outputs_limit_bytes = 1;
    expect_out(*state, &request, "f /a=1@0 cut\nf /b=@0 cut\nf /c=@0\n");
}

static void test_more_files_than_come_back(void **state)
{
    adk_request request;
    adk_result *result;
    const adk_file_out *file;
    size_t count;

    step(MAKE_DIR, "d", "", 0);
    step(MANY, "d/", "", 100000);
    request = scripted();
    request.memory_limit_bytes = 256 << 20;
    want(&request, "/d/00000?");
    want(&request, "/d");
    result = adk_test_execute(*state, &request, NULL);
    expect_exit(result);
    file = adk_result_files(result, &count, NULL);
    assert_int_equal(count, ADK_FILES_MAX);
    assert_false(is_complete(result));
    assert_bytes_are(file[9].path, "/d/000009");
    assert_bytes_are(file[10].path, "/d");
    assert_bytes_are(file[ADK_FILES_MAX - 1].path, "/d/065524");
    adk_result_free(result);
}

/* 60,000 short targets: they take what they have, not 4 KiB each, and what comes back counts in the limit on it. */
static void test_many_links(void **state)
{
    uint64_t before = adk_test_count().resident_bytes;
    adk_request request;
    adk_result *result;
    size_t count;

    step(MANY, "l", "target", 60000);
    request = scripted();
    request.memory_limit_bytes = 256 << 20;
    want(&request, "/");
    result = adk_test_execute(*state, &request, NULL);
    expect_exit(result);
    assert_bytes_are(adk_result_files(result, &count, NULL)[59999].content, "target");
    assert_int_equal(count, 60000);
    if (!adk_test_sanitized() && !adk_test_under_valgrind())
        assert_true(adk_test_count().resident_bytes < before + (160 << 20));
    adk_result_free(result);
}

static void test_links_count_in_the_limit(void **state)
{
    adk_request request;
    adk_result *result;
    const adk_file_out *file;
    size_t count;
    size_t total = 0;

    step(MANY, "l", "0123456789", 100);
    request = scripted();
    request.outputs_limit_bytes = 95;
    want(&request, "/");
    result = adk_test_execute(*state, &request, NULL);
    expect_exit(result);
    file = adk_result_files(result, &count, NULL);
    for (size_t i = 0; i < count; i++) {
        total += file[i].content.size;
        assert_int_equal(file[i].truncated, file[i].content.size < file[i].size_bytes);
    }
    assert_true(total <= 95);
    adk_result_free(result);
}

/* ---- out: in time ------------------------------------------------------------------------------------------------- */

#define LONG_NAMES 15

/* Files whose paths have nearly 4,096 bytes, and patterns that have to look at all of them. */
static adk_request slow_to_match(unsigned count, size_t patterns, enum step last, const char *text)
{
    static char path[LONG_NAMES * 256 + 1];
    static char pattern[201];
    adk_request request;

    memset(path, 'a', sizeof(path));
    for (size_t i = 1; i <= LONG_NAMES; i++) {
        path[i * 256 - 1] = '\0';
        step(MAKE_DIR, path, "", 0);
        path[i * 256 - 1] = '/';
    }
    path[LONG_NAMES * 256] = '\0';
    step(MANY, path, "", count);
    step(last, text, "", 0);
    for (size_t i = 0; i < 200; i++)
        pattern[i] = i % 3 == 2 ? 'a' : '*';
    pattern[199] = 'b';
    request = scripted();
    for (size_t i = 0; i < patterns; i++)
        want(&request, pattern);
    return request;
}

static void expect_in_time(adk_backend *backend, const adk_request *request)
{
    uint64_t start = adk_test_now_ns();
    adk_result *result;

    result = adk_test_execute(backend, request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    if (adk_test_now_ns() - start > request->timeout_ns + 500 * MS + 2 * adk_test_slack_ns())
        fail_msg("%llu ms after a deadline of %llu ms",
                 (unsigned long long)((adk_test_now_ns() - start - request->timeout_ns) / MS),
                 (unsigned long long)(request->timeout_ns / MS));
    assert_false(is_complete(result));
    adk_result_free(result);
}

static void test_patterns_after_the_deadline(void **state)
{
    adk_request request = slow_to_match(250, 8, SPIN, "");

    adk_test_compile(*state, guest);
    request.timeout_ns = 500 * MS;
    expect_in_time(*state, &request);
}

static void test_content_after_the_deadline(void **state)
{
    adk_request request;

    if (adk_test_under_tsan()) {
        print_message("skipped: the thread sanitizer takes half a minute for content that takes milliseconds\n");
        skip();
    }
    adk_test_compile(*state, guest);
    step(SET_SIZE, "huge", "", INT64_MAX);
    step(SPIN, "", "", 0);
    request = scripted();
    request.timeout_ns = 100 * MS;
    request.outputs_limit_bytes = 512 << 20;
    want(&request, "/huge");
    expect_in_time(*state, &request);
}

static void test_files_after_the_deadline(void **state)
{
    adk_request request;

    adk_test_compile(*state, guest);
    step(MANY, "f", "", 60000);
    step(SPIN, "", "", 0);
    request = scripted();
    request.memory_limit_bytes = 256 << 20;
    request.timeout_ns = SECOND;
    for (unsigned i = 0; i < 100; i++)
        want(&request, "/*x"); /* 6,000,000 looks */
    expect_in_time(*state, &request);
}

static void test_a_deadline_while_collecting(void **state)
{
    adk_request request = slow_to_match(2000, 100, PRINT, "done");
    uint64_t start = adk_test_now_ns();
    adk_result *result;

    if (adk_test_under_valgrind() || adk_test_under_tsan()) {
        print_message("skipped: the guest is too slow for its own deadline under this tool\n");
        skip();
    }
    adk_test_compile(*state, guest);
    request.timeout_ns = SECOND;
    result = adk_test_execute(*state, &request, NULL);
    expect_stopped(result, ADK_OUTCOME_TIMED_OUT, ADK_PHASE_COLLECT);
    assert_int_equal(adk_result_exit_code(result), 0);
    assert_bytes_are(adk_result_stdout(result).head, "done");
    assert_false(is_complete(result));
    assert_true(adk_test_now_ns() - start < 4 * SECOND + 4 * adk_test_slack_ns());
    adk_result_free(result);
}

static void test_a_cancellation_while_collecting(void **state)
{
    adk_request request = slow_to_match(2000, 100, PRINT, "done");
    adk_result *result;

    if (adk_test_under_valgrind() || adk_test_under_tsan()) {
        print_message("skipped: the guest is too slow for its own deadline under this tool\n");
        skip();
    }
    result = execute_cancelled(*state, &request, SECOND);
    expect_stopped(result, ADK_OUTCOME_CANCELLED, ADK_PHASE_COLLECT);
    assert_bytes_are(adk_result_stdout(result).head, "done");
    adk_result_free(result);
}

/* ---- nothing is left ---------------------------------------------------------------------------------------------- */

static void test_the_next_run_sees_nothing_of_it(void **state)
{
    adk_request request;
    adk_test_census before;
    adk_test_census after;

    make_host_dir("tree");
    put_host("tree/in", "x");
    step(WRITE, "a", "secret", 0);
    request = scripted();
    give_host(&request, "d", "tree");
    want(&request, "/");
    expect_out(*state, &request, "d /d=@0\nf /d/in=x@0\nf /a=secret@0\n");
    before = adk_test_count();
    for (int i = 0; i < 50; i++)
        expect_out(*state, &request, "d /d=@0\nf /d/in=x@0\nf /a=secret@0\n");
    after = adk_test_count();
    assert_int_equal(before.descriptors, after.descriptors);
    assert_int_equal(before.threads, after.threads);
    script_size = 0;
    step_fails(SHOW, NO_ENTRY, "a", "", 3);
    step_fails(SHOW, NO_ENTRY, "d/in", "", 3);
    step_fails(SHOW_NAME, BAD_FD, "", "", 4);
    request = scripted();
    want(&request, "/");
    expect_out(*state, &request, "");
}

static int setup(void **state)
{
    size_t size = 0;

    for (size_t i = 0; i < sizeof(guest_parts) / sizeof(guest_parts[0]); i++)
        size += (size_t)snprintf(guest + size, sizeof(guest) - size, "%s", guest_parts[i]);
    return size < sizeof(guest) ? adk_test_setup(state) : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(content_goes_in),
        TEST(content_is_bytes),
        TEST(a_guest_changes_its_own_content),
        TEST(host_files_go_in),
        TEST(a_large_host_file_is_whole),
        TEST(trees_go_in),
        TEST(trees_are_merged),
        TEST(links_in_trees_are_links),
        TEST(what_is_no_file_is_refused),
        TEST(names_in_messages_are_escaped),
        TEST(an_unreadable_file_is_refused),
        TEST(paths_in_each_others_way),
        TEST(dot_dot_is_refused),
        TEST(a_path_through_a_link),
        TEST(the_depth_is_bounded),
        TEST(long_paths_are_refused),
        TEST(a_tree_that_changes),
        TEST(relative_directories_are_preopened),
        TEST(no_files_no_tree),
        TEST(copies_count),
        TEST(names_count),
        TEST(borrowed_content_counts_when_written),
        TEST(a_deadline_while_copying),
        TEST(a_deadline_while_copying_many),
        TEST(a_cancellation_while_copying),
        TEST(names_directories_and_patterns),
        TEST(many_outputs),
        TEST(inputs_come_back),
        TEST(links_come_back_as_links),
        TEST(files_come_back_from_stopped_runs),
        TEST(files_come_back_from_a_cancelled_run),
        TEST(files_come_back_from_a_trap),
        TEST(files_come_back_when_memory_is_used_up),
        TEST(hostile_names),
        TEST(a_sparse_file_of_8_eib),
        TEST(the_limit_is_for_all_content),
        TEST(more_files_than_come_back),
        TEST(many_links),
        TEST(links_count_in_the_limit),
        TEST(patterns_after_the_deadline),
        TEST(content_after_the_deadline),
        TEST(files_after_the_deadline),
        TEST(a_deadline_while_collecting),
        TEST(a_cancellation_while_collecting),
        TEST(the_next_run_sees_nothing_of_it),
    };

    return cmocka_run_group_tests_name("wasm_files", tests, setup, adk_test_teardown);
}
