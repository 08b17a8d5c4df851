/*
 * Fuzzes what a host hands over besides the module: arguments, environment, standard input, files (bytes, and copies of a
 * small tree of the host's in which links and a FIFO lie about), outputs, limits and the struct's own size. The guest is
 * always the same: it lists its directories and copies all it was given to where it can be seen.
 *
 * What must hold: a request is run or refused as invalid, and a refusal can be told; what is in support.c; and a copy of
 * the request, such as the executor makes, goes the same way.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/request.h"
#include "core/request_copy.h"
#include "support.h"

#define LIST_MAX 12

/*
 * Writes arguments, environment and the listings of descriptors 3 to 5 to standard output, standard input to a file
 * "/out/in", and reads "a" and "a/b" from each directory.
 */
static const char guest[] =
    "(module"
    "(import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))"
    "(import \"wasi_snapshot_preview1\" \"fd_read\" (func $read (param i32 i32 i32 i32) (result i32)))"
    "(import \"wasi_snapshot_preview1\" \"fd_readdir\" (func $list (param i32 i32 i32 i64 i32) (result i32)))"
    "(import \"wasi_snapshot_preview1\" \"args_sizes_get\" (func $args_sizes (param i32 i32) (result i32)))"
    "(import \"wasi_snapshot_preview1\" \"args_get\" (func $args (param i32 i32) (result i32)))"
    "(import \"wasi_snapshot_preview1\" \"environ_sizes_get\" (func $env_sizes (param i32 i32) (result i32)))"
    "(import \"wasi_snapshot_preview1\" \"environ_get\" (func $env (param i32 i32) (result i32)))"
    "(import \"wasi_snapshot_preview1\" \"fd_prestat_dir_name\" (func $name (param i32 i32 i32) (result i32)))"
    "(import \"wasi_snapshot_preview1\" \"path_create_directory\" (func $mkdir (param i32 i32 i32) (result i32)))"
    "(import \"wasi_snapshot_preview1\" \"path_open\""
    "        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"
    "(memory (export \"memory\") 2)"
    "(data (i32.const 32) \"a/b\") (data (i32.const 48) \"out/in\")"
    "(func $put (param $fd i32) (param $at i32) (param $size i32)"
    "  (i32.store (i32.const 0) (local.get $at)) (i32.store (i32.const 4) (local.get $size))"
    "  (drop (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))"
    "(func $copy (param $from i32) (param $to i32)"
    "  (i32.store (i32.const 0) (i32.const 70000)) (i32.store (i32.const 4) (i32.const 5000))"
    "  (drop (call $read (local.get $from) (i32.const 0) (i32.const 1) (i32.const 8)))"
    "  (call $put (local.get $to) (i32.const 70000) (i32.load (i32.const 8))))"
    "(func $try (param $dir i32) (param $path i32) (param $size i32) (param $flags i32) (result i32)"
    "  (if (result i32) (call $open (local.get $dir) (i32.const 1) (local.get $path) (local.get $size)"
    "      (local.get $flags) (i64.const 0x7e) (i64.const 0) (i32.const 0) (i32.const 16))"
    "    (then (i32.const -1)) (else (i32.load (i32.const 16)))))"
    "(func $look (param $dir i32)"
    "  (drop (call $name (local.get $dir) (i32.const 1000) (i32.const 20)))"
    "  (call $put (i32.const 2) (i32.const 1000) (i32.const 20))"
    "  (drop (call $list (local.get $dir) (i32.const 2000) (i32.const 3000) (i64.const 0) (i32.const 8)))"
    "  (call $put (i32.const 1) (i32.const 2000) (i32.load (i32.const 8)))"
    "  (call $copy (call $try (local.get $dir) (i32.const 32) (i32.const 1) (i32.const 0)) (i32.const 1))"
    "  (call $copy (call $try (local.get $dir) (i32.const 32) (i32.const 3) (i32.const 0)) (i32.const 1)))"
    "(func (export \"_start\")"
    "  (drop (call $args_sizes (i32.const 8) (i32.const 12)))"
    "  (if (i32.lt_u (i32.load (i32.const 12)) (i32.const 30000)) (then"
    "    (drop (call $args (i32.const 60000) (i32.const 5000)))"
    "    (call $put (i32.const 1) (i32.const 5000) (i32.load (i32.const 12)))))"
    "  (drop (call $env_sizes (i32.const 8) (i32.const 12)))"
    "  (if (i32.lt_u (i32.load (i32.const 12)) (i32.const 30000)) (then"
    "    (drop (call $env (i32.const 60000) (i32.const 5000)))"
    "    (call $put (i32.const 2) (i32.const 5000) (i32.load (i32.const 12)))))"
    "  (call $look (i32.const 3)) (call $look (i32.const 4)) (call $look (i32.const 5))"
    "  (drop (call $mkdir (i32.const 3) (i32.const 48) (i32.const 3)))"
    "  (call $copy (i32.const 0) (call $try (i32.const 3) (i32.const 48) (i32.const 6) (i32.const 1)))))";

/* ---- the host's tree ---------------------------------------------------------------------------------------------- */

static char tree[] = "/tmp/adk-fuzz-request-XXXXXX";
static char host_paths[8][64];

static int remove_entry(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    (void)info;
    (void)flag;
    (void)where;
    return remove(path);
}

static void remove_tree(void)
{
    (void)nftw(tree, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *path)
{
    FILE *file = fopen(path, "w");

    fuzz_require(file != NULL && fputs("content of the host's", file) >= 0 && fclose(file) == 0, "a file");
}

/* Paths 0 to 3 are copied without trouble, 4 and 5 for their links, 6 is refused, 7 does not exist. */
static void make_tree(void)
{
    static const char *const names[] = {"/t",       "/t/a",        "/t/file", "/t/a/b",
                                        "/t/links", "/t/links/up", "/fifo",   "/missing"};

    fuzz_require(mkdtemp(tree) != NULL, "a directory");
    (void)atexit(remove_tree);
    for (size_t i = 0; i < 8; i++)
        (void)snprintf(host_paths[i], sizeof(host_paths[i]), "%s%s", tree, names[i]);
    for (size_t i = 0; i < 8; i += i == 0 ? 1 : 3)
        fuzz_require(i == 7 || mkdir(host_paths[i], 0700) == 0, "directories");
    write_file(host_paths[2]);
    write_file(host_paths[3]);
    fuzz_require(symlink("..", host_paths[5]) == 0, "a link");
    fuzz_require(mkfifo(host_paths[6], 0600) == 0, "a FIFO");
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

typedef struct lists {
    adk_bytes args[LIST_MAX];
    adk_env env[LIST_MAX];
    adk_file files[LIST_MAX];
    adk_bytes outputs[LIST_MAX];
} lists;

static adk_bytes take_text(fuzz_input *in)
{
    return fuzz_take_bytes(in, fuzz_take(in, 1) % 24);
}

/* Of few names, so that they meet; or of whatever bytes. */
static adk_bytes take_path(fuzz_input *in)
{
    static const char *const paths[] = {"/",       "a",          "a/b", "/a",    "/a/b/",  "a/../b", "..",  ".",
                                        "./a",     "a//b",       "//",  "out",   "/out/*", "**",     "*",   "?",
                                        "a/**/b*", "/a/b/c/d/e", "/in", "links", "link",   "\xff",   "a b", "***",
                                        "dev/x",   "/out/",      "**/", "/a?b/", "[a]",    "\\*",    "...", "a/./b"};
    uint8_t sort = (uint8_t)fuzz_take(in, 1);

    return sort < 192 ? adk_bytes_from_cstr(paths[sort % 32]) : take_text(in);
}

static size_t take_count(fuzz_input *in)
{
    return fuzz_take(in, 1) % (LIST_MAX + 1);
}

static void take_lists(fuzz_input *in, lists *l, adk_request *r)
{
    r->args_count = take_count(in);
    r->env_count = take_count(in);
    r->files_count = take_count(in);
    r->outputs_count = take_count(in);
    for (size_t i = 0; i < r->args_count; i++)
        l->args[i] = take_text(in);
    for (size_t i = 0; i < r->env_count; i++)
        l->env[i] = (adk_env){take_text(in), take_text(in)};
    for (size_t i = 0; i < r->files_count; i++) {
        l->files[i].path = take_path(in);
        if ((fuzz_take(in, 1) & 3) == 0)
            l->files[i].host_path_cstr = host_paths[fuzz_take(in, 1) % 8];
        else
            l->files[i].content = take_text(in);
    }
    for (size_t i = 0; i < r->outputs_count; i++)
        l->outputs[i] = take_path(in);
    r->args = l->args;
    r->env = l->env;
    r->files = l->files;
    r->outputs = l->outputs;
}

/* What no list can be: too long, or nowhere. Counts are read before what they count. */
static void break_lists(fuzz_input *in, lists *l, adk_request *r)
{
    switch (fuzz_take(in, 1)) {
    case 1:
        r->args = NULL;
        break;
    case 2:
        r->env = NULL;
        break;
    case 3:
        r->files_count = SIZE_MAX;
        break;
    case 4:
        r->outputs_count = ADK_OUTPUTS_MAX + 1;
        break;
    case 5:
        l->args[0] = adk_bytes_make(NULL, 1);
        break;
    case 6:
        l->env[0].value = adk_bytes_make(NULL, 1);
        break;
    case 7:
        l->files[0].content = adk_bytes_make(NULL, SIZE_MAX);
        break;
    case 8:
        r->stdin_data = adk_bytes_make(NULL, 1);
        break;
    case 9:
        r->files = NULL;
        break;
    case 10:
        l->files[0] = (adk_file){adk_bytes_from_cstr("x"), adk_bytes_from_cstr("y"), host_paths[2]};
        break;
    case 11:
        r->struct_size = (size_t)fuzz_take(in, 1) * 2;
        break;
    default:
        break;
    }
}

/* Now and then a value that is out of its range, or close to that. */
static void break_values(fuzz_input *in, adk_request *r)
{
    static const uint64_t edges[] = {
        0, 1, INT64_MAX, (uint64_t)1 << 63, UINT64_MAX, (uint64_t)1 << 40, ((uint64_t)1 << 40) + 1, 70000};
    uint64_t value = edges[fuzz_take(in, 1) & 7];

    switch (fuzz_take(in, 1)) {
    case 1:
        r->timeout_ns = value;
        break;
    case 2:
        r->memory_limit_bytes = value;
        break;
    case 3:
        r->output_limit_bytes = value;
        break;
    case 4:
        r->outputs_limit_bytes = value;
        break;
    case 5:
        r->fuel = value;
        break;
    case 6:
        r->clock_start_ns = value;
        break;
    case 7:
        r->random_seed = value;
        break;
    case 8:
        r->language = (adk_language)value;
        break;
    case 9:
        r->flags = (uint32_t)value;
        break;
    case 10:
        r->output_policy = (adk_output_policy)value;
        break;
    case 11:
        r->reserved = (uint32_t)value;
        break;
    default:
        break;
    }
}

static int cancel_run(void *data, adk_bytes bytes)
{
    (void)data;
    return bytes.size > 3;
}

/* Returns the outcome, or the error's code. */
static int run(const adk_request *request)
{
    adk_result *result = NULL;
    adk_error *error = NULL;
    int status = adk_backend_execute(fuzz_backend(), request, NULL, &result, &error);

    if (status != ADK_OK) {
        fuzz_require(status == ADK_E_INVALID, "a request is run, or it is invalid");
        fuzz_check_error(status, error);
        adk_error_free(error);
        return status;
    }
    fuzz_check_result(request, result);
    status = (int)adk_result_outcome(result);
    adk_result_free(result);
    return status;
}

static void run_copy(const adk_request *request, int expected)
{
    adk_request read = ADK_REQUEST_INIT;
    adk_request *copy = NULL;
    bool timed = request->timeout_ns < UINT64_C(100000000);

    if (adk__request_read(request, UINT32_MAX, &read, NULL) != ADK_OK)
        return;
    fuzz_require(adk__request_copy(&read, &copy, NULL) == ADK_OK, "a request can be copied");
    fuzz_require(run(copy) == expected || timed, "a copy goes the same way");
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    union {
        adk_request request;
        uint8_t room[1024]; /* for a size that says there is more */
    } u = {ADK_REQUEST_INIT};
    lists l = {0};
    int status;

    if (host_paths[0][0] == '\0')
        make_tree();
    fuzz_choose(&in, &u.request);
    u.request.code = adk_bytes_make(guest, sizeof(guest) - 1);
    u.request.timeout_ns = UINT64_C(2000000000);
    u.request.fuel = u.request.fuel != 0 ? 200000 : 0;
    take_lists(&in, &l, &u.request);
    break_values(&in, &u.request);
    break_lists(&in, &l, &u.request);
    u.request.on_stdout = (fuzz_take(&in, 1) & 7) == 7 ? cancel_run : NULL;
    u.request.stdin_data = u.request.stdin_data.size > 0 ? u.request.stdin_data : adk_bytes_make(in.data, in.size);
    status = run(&u.request);
    run_copy(&u.request, status);
    return 0;
}
