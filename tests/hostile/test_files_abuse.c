/*
 * Guests that abuse the file tree they have: too many of everything, names of every length, ways out that do not lead
 * out, and files of eight exbibytes. All of it ends in an errno that the guest is told, within its budget.
 */
#include "hostile.h"

#define CALL(name, as, parameters) \
    "(import \"" WASI "\" \"" name "\" (func $" as " (param " parameters ") (result i32)))"

/* $open(path, size, oflags): errno, the descriptor lands at 12. $number writes seven digits to 1024, and $try ends the
 * guest with the errno of the first call that fails. */
#define FILES                                                                                                          \
    "(module " IMPORT_EXIT CALL("path_open", "path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32") CALL(                 \
        "path_create_directory", "mkdir",                                                                              \
        "i32 i32 i32") CALL("path_symlink", "symlink",                                                                 \
                            "i32 i32 i32 i32 i32") CALL("path_link", "link",                                           \
                                                        "i32 i32 i32 i32 i32 i32 i32") CALL("path_rename", "rename",   \
                                                                                            "i32 i32 i32 i32 i32 i32") \
        CALL("path_unlink_file", "unlink", "i32 i32 i32") CALL("fd_filestat_set_size", "resize", "i32 i64") CALL(      \
            "fd_allocate", "allocate", "i32 i64 i64") CALL("fd_pwrite", "pwrite", "i32 i32 i32 i64 i32")               \
            CALL("fd_close", "close", "i32") CALL("fd_seek", "seek", "i32 i64 i32 i32") CALL(                          \
                "fd_readdir", "readdir",                                                                               \
                "i32 i32 i32 i64 i32") "(memory (export \"memory\") 2)"                                                \
                                       "(func $open_in (param $fd i32) (param $path i32) (param $size i32) (param "    \
                                       "$flags i32) (result i32)"                                                      \
                                       "(call $path_open (local.get $fd) (i32.const 1) (local.get $path) (local.get "  \
                                       "$size) (local.get $flags)"                                                     \
                                       "(i64.const 0x600166) (i64.const 0x600166) (i32.const 0) (i32.const 12)))"      \
                                       "(func $open (param i32 i32 i32) (result i32)"                                  \
                                       "(call $open_in (i32.const 3) (local.get 0) (local.get 1) (local.get 2)))"      \
                                       "(func $open_dir (param $fd i32) (param $path i32) (param $size i32) (result "  \
                                       "i32)"                                                                          \
                                       "(call $path_open (local.get $fd) (i32.const 1) (local.get $path) (local.get "  \
                                       "$size) (i32.const 2)"                                                          \
                                       "(i64.const 0x1fbffebf) (i64.const 0x1fffffff) (i32.const 0) (i32.const 12)))"  \
                                       "(func $try (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))"  \
                                       "(func $number (param $n i32) (local $at i32) (local.set $at (i32.const 1030))" \
                                       "(loop $l (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u "      \
                                       "(local.get $n) (i32.const 10))))"                                              \
                                       "(local.set $n (i32.div_u (local.get $n) (i32.const 10)))"                      \
                                       "(br_if $l (i32.ge_u (local.tee $at (i32.sub (local.get $at) (i32.const 1))) "  \
                                       "(i32.const 1024)))))"

#define FILE_F "(data (i32.const 512) \"f\") (data (i32.const 516) \"g\")"
#define FD     "(i32.load (i32.const 12))"
#define OPEN_F "(call $try (call $open (i32.const 512) (i32.const 1) (i32.const 1)))"

/* A million times with $i counting, `first` before. */
#define A_MILLION(first, body)                                                                 \
    FILES FILE_F START                                                                         \
        "(local $i i32) (local $fd i32) " first "(loop $l (call $number (local.get $i)) " body \
        "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000))))))"

#define NUMBER "(i32.const 1024) (i32.const 7)"
#define ENOSPC 51
#define EMFILE 33
#define LITTLE .memory_limit_bytes = 16 * MIB

/* ---- too many ----------------------------------------------------------------------------------------------------- */

static void test_a_million_of_everything(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a million open files", A_MILLION("", "(call $try (call $open (i32.const 512) (i32.const 1) (i32.const 1)))"),
         LITTLE, EXITS(EMFILE)},
        {"a million open directories",
         A_MILLION("(call $try (call $mkdir (i32.const 3) (i32.const 512) (i32.const 1)))",
                   "(call $try (call $open_dir (i32.const 3) (i32.const 512) (i32.const 1)))"),
         LITTLE, EXITS(EMFILE)},
        {"a million times opened and closed", A_MILLION("", OPEN_F "(call $try (call $close " FD "))"), LITTLE,
         EXITS(0)},
        {"a million files",
         A_MILLION("", "(call $try (call $open " NUMBER " (i32.const 1))) (call $try (call $close " FD "))"), LITTLE,
         EXITS(ENOSPC), .denied_at_least = 1},
        {"a million directories", A_MILLION("", "(call $try (call $mkdir (i32.const 3) " NUMBER "))"), LITTLE,
         EXITS(ENOSPC), .denied_at_least = 1},
        {"a million symbolic links",
         A_MILLION("", "(call $try (call $symlink (i32.const 512) (i32.const 1) (i32.const 3) " NUMBER "))"), LITTLE,
         EXITS(ENOSPC), .denied_at_least = 1},
        {"a million hard links",
         A_MILLION(OPEN_F, "(call $try (call $link (i32.const 3) (i32.const 0) (i32.const 512) (i32.const 1) "
                           "(i32.const 3) " NUMBER "))"),
         LITTLE, EXITS(ENOSPC), .denied_at_least = 1},
        {"a million times made and removed",
         A_MILLION("", OPEN_F "(call $try (call $close " FD ")) (call $try (call $unlink (i32.const 3) (i32.const 512) "
                              "(i32.const 1)))"),
         LITTLE, EXITS(0)},
        {"a million times renamed",
         A_MILLION(OPEN_F, "(call $try (call $rename (i32.const 3) (i32.const 512) (i32.const 1) (i32.const 3) "
                           "(i32.const 516) (i32.const 1))) (call $try (call $rename (i32.const 3) (i32.const 516) "
                           "(i32.const 1) (i32.const 3) (i32.const 512) (i32.const 1)))"),
         LITTLE, EXITS(0)},
        {"files that have no name any more",
         A_MILLION("", "(call $try (call $open " NUMBER
                       " (i32.const 1))) (call $try (call $unlink (i32.const 3) " NUMBER "))"),
         LITTLE, EXITS(EMFILE)},
        {"a million directories within each other",
         A_MILLION("(local.set $fd (i32.const 3))",
                   "(call $try (call $mkdir (local.get $fd) (i32.const 512) (i32.const 1)))"
                   "(call $try (call $open_dir (local.get $fd) (i32.const 512) (i32.const 1)))"
                   "(if (i32.ne (local.get $fd) (i32.const 3)) (then (call $try (call $close (local.get $fd)))))"
                   "(local.set $fd " FD ")"),
         LITTLE, EXITS(ENOSPC), .denied_at_least = 1},
        {"a million sparse pages",
         A_MILLION(OPEN_F "(i32.store (i32.const 0) (i32.const 512)) (i32.store (i32.const 4) (i32.const 1))",
                   "(call $try (call $pwrite " FD " (i32.const 0) (i32.const 1) (i64.mul (i64.extend_i32_u "
                   "(local.get $i)) (i64.const 1048576)) (i32.const 8)))"),
         LITTLE, EXITS(ENOSPC), .denied_at_least = 1},
        {"a million files until the deadline, in a budget of a gibibyte",
         A_MILLION("", "(loop $a (call $try (call $open (i32.const 512) (i32.const 1) (i32.const 1)))"
                       "(call $try (call $close " FD ")) (br $a))"),
         LITTLE, .timeout_ns = 200 * MS, .outcome = ADK_OUTCOME_TIMED_OUT, .phase = ADK_PHASE_RUN,
         .or_phase = ADK_PHASE_HOST_CALL},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- names -------------------------------------------------------------------------------------------------------- */

/* Names of every length from 0 to 5,000: made, or refused with the errno that says why. */
static void test_names_of_every_length(void **state)
{
    static const adk_hostile_case attack = {
        "names of every length",
        FILES START "(local $n i32) (local $err i32)"
                    "(memory.fill (i32.const 1024) (i32.const 110) (i32.const 6000))"
                    "(loop $l (local.set $err (call $open (i32.const 1024) (local.get $n) (i32.const 1)))"
                    "(if (i32.eqz (local.get $err)) (then (call $try (call $close " FD "))))"
                    "(if (i32.ne (local.get $err) (if (result i32) (i32.eqz (local.get $n)) (then (i32.const 44)) "
                    "(else (if (result i32) (i32.le_u (local.get $n) (i32.const 255)) (then (i32.const 0)) "
                    "(else (i32.const 37)))))) (then (call $exit (i32.add (i32.const 10000) (local.get $n)))))"
                    "(br_if $l (i32.le_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5000))))))",
        EXITS(0)};

    adk_hostile_attack(*state, &attack);
}

/* Attacks with a guest that opens `path` (as the text format writes bytes) and exits with the errno. */
static void open_path(adk_hostile *hostile, const char *path, unsigned size, uint32_t errno_expected, unsigned flags)
{
    adk_shape text = {NULL, 0, 0};
    adk_hostile_case attack = {path, EXITS(errno_expected)};

    adk_shape_text(&text, FILES FILE_F "(data (i32.const 600) \"d\") (data (i32.const 604) \"l\")"
                                       "(data (i32.const 608) \"..\") (data (i32.const 612) \"m\")"
                                       "(data (i32.const 616) \"/etc\") (data (i32.const 620) \"s\")");
    adk_shape_printf(&text, "(data (i32.const 1024) \"%s\") %s", path, START);
    /* a file f, a directory d (opened for writing: EISDIR), l -> .., m -> s, s -> m; g, a link to /etc, is refused */
    adk_shape_text(&text, OPEN_F "(call $try (call $mkdir (i32.const 3) (i32.const 600) (i32.const 1)))"
                                 "(drop (call $symlink (i32.const 608) (i32.const 2) (i32.const 3) (i32.const 604) "
                                 "(i32.const 1)))"
                                 "(drop (call $symlink (i32.const 612) (i32.const 1) (i32.const 3) (i32.const 620) "
                                 "(i32.const 1)))"
                                 "(drop (call $symlink (i32.const 620) (i32.const 1) (i32.const 3) (i32.const 612) "
                                 "(i32.const 1)))"
                                 "(drop (call $symlink (i32.const 616) (i32.const 4) (i32.const 3) (i32.const 516) "
                                 "(i32.const 1)))");
    adk_shape_printf(&text, "(call $exit (call $open (i32.const 1024) (i32.const %u) (i32.const %u)))))", size, flags);
    adk_hostile_attack_with(hostile, &attack, &text);
}

static void test_ways_out(void **state)
{
    static const struct {
        const char *path;
        unsigned size;
        uint32_t error;
    } ways[] = {
        {"..", 2, 63},
        {"../", 3, 63},
        {"../..", 5, 63},
        {"d/../..", 7, 63},
        {"d/../../f", 9, 63},
        {"./../f", 6, 63},
        {"d/../f", 6, 0},
        {"d/..", 4, 31},
        {"/", 1, 63},
        {"/f", 2, 63},
        {"//f", 3, 63},
        {"/etc/passwd", 11, 63},
        {"l", 1, 63},
        {"l/", 2, 63},
        {"l/etc/passwd", 12, 63},
        {"d/../l/f", 8, 63},
        {"g", 1, 44},
        {"g/passwd", 8, 44},
        {"m", 1, 32},
        {"m/x", 3, 32},
        {"f/", 2, 54},
        {"f/.", 3, 54},
        {"f/..", 4, 54},
        {"f/x", 3, 54},
        {"d/", 2, 31},
        {"d//", 3, 31},
        {"d/./././", 8, 31},
        {"nothing", 7, 44},
        {"nothing/", 8, 44},
        {"nothing/../f", 12, 44},
        {"", 0, 44},
        {"f\\00", 2, 28},
        {"\\00", 1, 28},
        {"d/\\00/../f", 8, 28},
        {"\\ff\\fe", 2, 25},
        {"d/\\c0\\af..", 6, 25}, /* a slash in two bytes */
        {"\\c0\\ae\\c0\\ae/f", 6, 25},
        {"\\ed\\a0\\80", 3, 25},
        {"\\e2\\80\\ae", 3, 44},
        {"\\1b[2J", 4, 44},
    };

    for (size_t i = 0; i < COUNT_OF(ways); i++)
        open_path(*state, ways[i].path, ways[i].size, ways[i].error, 0);
    open_path(*state, "../new", 6, 63, 1);
    open_path(*state, "/new", 4, 63, 1);
    open_path(*state, "l/new", 5, 63, 1);
    open_path(*state, "new/", 4, 31, 1);
}

/* ---- sizes -------------------------------------------------------------------------------------------------------- */

#define WITH_F(body)                                                                                \
    FILES FILE_F START OPEN_F "(i32.store (i32.const 0) (i32.const 512)) (i32.store (i32.const 4) " \
                              "(i32.const 1))" body "))"
#define MUST(code, call, errno) CHECK(code, "(i32.eq " call " (i32.const " errno "))")
#define RESIZE(size)            "(call $resize " FD " (i64.const " size "))"
#define ALLOCATE(at, size)      "(call $allocate " FD " (i64.const " at ") (i64.const " size "))"
#define PWRITE(at)              "(call $pwrite " FD " (i32.const 0) (i32.const 1) (i64.const " at ") (i32.const 8))"
#define SEEK(at, whence)        "(call $seek " FD " (i64.const " at ") (i32.const " whence ") (i32.const 16))"
#define FAR                     "9223372036854775807"

static void test_files_of_eight_exbibytes(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a size of 2^63 - 1, which costs nothing",
         WITH_F(MUST("1", RESIZE(FAR), "0") MUST("2", SEEK("0", "2"), "0")
                    CHECK("3", "(i64.eq (i64.load (i32.const 16)) (i64.const " FAR "))")),
         LITTLE, EXITS(0)},
        {"a size of 2^63", WITH_F(CHECK("1", RESIZE("-9223372036854775808"))), LITTLE, EXITS(0)},
        {"a size of 2^64 - 1", WITH_F(CHECK("1", RESIZE("-1"))), LITTLE, EXITS(0)},
        {"a byte at 2^63 - 1", WITH_F(MUST("1", PWRITE(FAR), "22")), LITTLE, EXITS(0)},
        {"a byte at 2^63 - 2", WITH_F(MUST("1", PWRITE("9223372036854775806"), "0")), LITTLE, EXITS(0)},
        {"a byte at 2^63", WITH_F(CHECK("1", PWRITE("-9223372036854775808"))), LITTLE, EXITS(0)},
        {"room for 2^63 - 1 bytes", WITH_F(CHECK("1", ALLOCATE("0", FAR))), LITTLE, EXITS(0)},
        {"room at 2^63 - 1", WITH_F(CHECK("1", ALLOCATE(FAR, "1"))), LITTLE, EXITS(0)},
        {"room whose end overflows", WITH_F(CHECK("1", ALLOCATE(FAR, FAR))), LITTLE, EXITS(0)},
        {"room at 2^64 - 1", WITH_F(CHECK("1", ALLOCATE("-1", "-1"))), LITTLE, EXITS(0)},
        {"room for nothing", WITH_F(MUST("1", ALLOCATE("0", "0"), "28")), LITTLE, EXITS(0)},
        {"a position before the beginning", WITH_F(MUST("1", SEEK("-1", "0"), "28")), LITTLE, EXITS(0)},
        {"a position that overflows", WITH_F(MUST("1", SEEK(FAR, "0"), "0") CHECK("2", SEEK(FAR, "1"))), LITTLE,
         EXITS(0)},
        {"eight exbibytes up and down a hundred thousand times",
         FILES FILE_F START "(local $i i32)" OPEN_F "(loop $l (call $try " RESIZE(FAR) ") (call $try " RESIZE(
             "0") ") (br_if $l (i32.lt_u "
                  "(local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000))))))",
         LITTLE, EXITS(0)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* A file of eight exbibytes that is asked for comes back cut at the limit on what comes back. */
static void test_a_file_of_eight_exbibytes_that_comes_back(void **state)
{
    static const adk_hostile_case attack = {"eight exbibytes that come back", WITH_F("(call $try " RESIZE(FAR) ")"),
                                            EXITS(0)};
    adk_bytes output = adk_bytes_from_cstr("/f");
    adk_hostile *hostile = *state;
    adk_request request = adk_hostile_request(&attack);
    const adk_file_out *files;
    adk_result *result;
    size_t count;

    request.outputs = &output;
    request.outputs_count = 1;
    request.outputs_limit_bytes = MIB;
    result = adk_hostile_execute(hostile->backend, attack.name, &request);
    adk_hostile_expect(&attack, result);
    files = adk_result_files(result, &count, NULL);
    assert_int_equal(count, 1);
    assert_int_equal(files[0].size_bytes, INT64_MAX);
    assert_int_equal(files[0].content.size, MIB);
    assert_int_equal(files[0].truncated, 1);
    adk_result_free(result);
    adk_hostile_unharmed(hostile, attack.name);
}

/* ---- reading directories ------------------------------------------------------------------------------------------ */

#define READDIR(at, size, cookie) \
    "(call $readdir (i32.const 3) (i32.const " at ") (i32.const " size ") (i64.const " cookie ") (i32.const 8))"

static void test_reading_directories(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a cookie of 2^64 - 1", WITH_F("(drop " READDIR("4096", "1000", "-1") ")"), EXITS(0)},
        {"a buffer over the end", WITH_F(MUST("1", READDIR("131070", "100", "0"), "21")), EXITS(0)},
        {"a buffer of 4 GiB", WITH_F(MUST("1", READDIR("4096", "-1", "0"), "21")), EXITS(0)},
        {"a buffer of a byte",
         WITH_F(MUST("1", READDIR("4096", "1", "0"), "0")
                    CHECK("2", "(i32.le_u (i32.load (i32.const 8)) (i32.const 1))")),
         EXITS(0)},
        {"no buffer", WITH_F(MUST("1", READDIR("4096", "0", "0"), "0")), EXITS(0)},
        {"a directory that grows while it is read",
         A_MILLION("", "(call $try (call $open " NUMBER " (i32.const 1))) (call $try (call $close " FD
                       ")) (call $try (call $readdir (i32.const 3) (i32.const 4096) (i32.const 4096) "
                       "(i64.extend_i32_u (local.get $i)) (i32.const 8)))"),
         LITTLE, EXITS(ENOSPC), .denied_at_least = 1},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_million_of_everything),
        cmocka_unit_test(test_names_of_every_length),
        cmocka_unit_test(test_ways_out),
        cmocka_unit_test(test_files_of_eight_exbibytes),
        cmocka_unit_test(test_a_file_of_eight_exbibytes_that_comes_back),
        cmocka_unit_test(test_reading_directories),
    };

    return cmocka_run_group_tests_name("files_abuse", tests, adk_hostile_setup, adk_hostile_teardown);
}
