/*
 * Runs in processes of their own (src/worker): they end as runs in this process do, to the byte; a crash of theirs is an
 * outcome; nothing of the host is with them, and nothing of one run is with the next.
 */
#include "worker.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

struct pair {
    adk_backend *here;
    adk_backend *there;
};

static int begin(void **state)
{
    static struct pair pair;
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));

    pair.here = adk_test_backend_with(&options);
    options.flags |= ADK_WASM_ARMOURED;
    pair.there = adk_test_backend_with(&options);
    *state = &pair;
    return 0;
}

static int end(void **state)
{
    struct pair *pair = *state;

    adk_backend_free(pair->here);
    adk_backend_free(pair->there);
    return adk_test_children_become(0) ? 0 : -1;
}

/* ---- the same results ---------------------------------------------------------------------------------------------- */

static void same_bytes(const char *what, adk_bytes a, adk_bytes b)
{
    if (a.size != b.size || (a.size > 0 && memcmp(a.data, b.data, a.size) != 0))
        fail_msg("%s: \"%.*s\" here, \"%.*s\" there", what, (int)(a.size < 300 ? a.size : 300),
                 a.size > 0 ? (const char *)a.data : "", (int)(b.size < 300 ? b.size : 300),
                 b.size > 0 ? (const char *)b.data : "");
}

static void same_output(const char *what, adk_output a, adk_output b)
{
    same_bytes(what, a.head, b.head);
    same_bytes(what, a.tail, b.tail);
    assert_int_equal(a.written_bytes, b.written_bytes);
    assert_int_equal(a.truncated, b.truncated);
}

static void same_files(const adk_result *a, const adk_result *b)
{
    size_t counts[2];
    int complete[2];
    const adk_file_out *files[] = {adk_result_files(a, &counts[0], &complete[0]),
                                   adk_result_files(b, &counts[1], &complete[1])};

    assert_int_equal(counts[0], counts[1]);
    assert_int_equal(complete[0], complete[1]);
    for (size_t i = 0; i < counts[0]; i++) {
        same_bytes("path", files[0][i].path, files[1][i].path);
        same_bytes("content", files[0][i].content, files[1][i].content);
        assert_int_equal(files[0][i].size_bytes, files[1][i].size_bytes);
        assert_int_equal(files[0][i].type, files[1][i].type);
        assert_int_equal(files[0][i].truncated, files[1][i].truncated);
        assert_int_equal(files[0][i].output, files[1][i].output);
    }
}

static void same_backtrace(const adk_result *a, const adk_result *b)
{
    size_t counts[2];
    const adk_frame *frames[] = {adk_result_backtrace(a, &counts[0]), adk_result_backtrace(b, &counts[1])};

    assert_int_equal(counts[0], counts[1]);
    for (size_t i = 0; i < counts[0]; i++) {
        same_bytes("function", frames[0][i].function_name, frames[1][i].function_name);
        assert_int_equal(frames[0][i].function_index, frames[1][i].function_index);
        assert_int_equal(frames[0][i].module_offset, frames[1][i].module_offset);
    }
}

static void same_usage(const adk_result *a, const adk_result *b)
{
    adk_usage here = adk_test_usage(a);
    adk_usage there = adk_test_usage(b);

    assert_int_equal(here.memory_peak_bytes, there.memory_peak_bytes);
    assert_int_equal(here.memory_denied, there.memory_denied);
    assert_int_equal(here.fuel, there.fuel);
    assert_int_equal(here.host_calls, there.host_calls);
    assert_int_equal(here.measured & ADK_USAGE_FUEL, there.measured & ADK_USAGE_FUEL);
    assert_true((there.measured & ADK_USAGE_CPU) != 0 || adk_result_outcome(b) == ADK_OUTCOME_REJECTED);
}

static void same_result(const adk_result *a, const adk_result *b)
{
    adk_test_expect(b, adk_result_outcome(a));
    assert_int_equal(adk_result_phase(a), adk_result_phase(b));
    assert_int_equal(adk_result_reason(a), adk_result_reason(b));
    assert_int_equal(adk_result_exit_code(a), adk_result_exit_code(b));
    same_bytes("message", adk_result_message(a), adk_result_message(b));
    same_bytes("trap kind", adk_result_trap_kind(a), adk_result_trap_kind(b));
    same_bytes("trap message", adk_result_trap_message(a), adk_result_trap_message(b));
    same_output("stdout", adk_result_stdout(a), adk_result_stdout(b));
    same_output("stderr", adk_result_stderr(a), adk_result_stderr(b));
    same_files(a, b);
    same_backtrace(a, b);
}

/* Counts of host calls and memory are compared where time does not decide them. */
static void compare(const struct pair *pair, const adk_request *request)
{
    adk_result *here = adk_test_execute(pair->here, request, NULL);
    adk_result *there = adk_test_execute(pair->there, request, NULL);

    same_result(here, there);
    if (adk_result_outcome(here) != ADK_OUTCOME_TIMED_OUT)
        same_usage(here, there);
    adk_result_free(here);
    adk_result_free(there);
}

/* Writes a kibibyte, over and over: so many times. */
#define GUEST_WRITES_MUCH(times)                                                                                       \
    "(module " IMPORT_WRITE "(memory (export \"memory\") 1) (data (i32.const 0) \"\\10\\00\\00\\00\\00\\04\\00\\00\")" \
    "(data (i32.const 16) \"the beginning\")" START "(local $i i32) (loop $again "                                     \
    "(i32.store (i32.const 100) (local.get $i))"                                                                       \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"                                     \
    "(br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const " times "))))))"

/* Copies standard input to standard output. */
#define GUEST_CAT                                                                              \
    "(module " IMPORT_READ IMPORT_WRITE "(memory (export \"memory\") 1)" START "(loop $again " \
    "(i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))"    \
    "(drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))"              \
    "(i32.store (i32.const 4) (i32.load (i32.const 8)))"                                       \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))"            \
    "(br_if $again (i32.load (i32.const 8))))))"

/* Writes arguments and environment as they lie in memory. */
#define GUEST_ARGS                                                                                         \
    "(module " IMPORT_WRITE "(import \"" WASI "\" \"args_get\" (func $args (param i32 i32) (result i32)))" \
    "(import \"" WASI "\" \"environ_get\" (func $env (param i32 i32) (result i32)))"                       \
    "(memory (export \"memory\") 1)" START "(drop (call $args (i32.const 256) (i32.const 1024)))"          \
    "(drop (call $env (i32.const 512) (i32.const 2048)))"                                                  \
    "(i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 2048))"                \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"

/* Writes 32 random bytes and two readings of the clock. */
#define GUEST_CHANCE                                                                          \
    "(module " IMPORT_WRITE IMPORT_RANDOM IMPORT_CLOCK "(memory (export \"memory\") 1)" START \
    "(drop (call $random (i32.const 16) (i32.const 32)))"                                     \
    "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 48)))"                         \
    "(drop (call $clock (i32.const 1) (i64.const 0) (i32.const 56)))"                         \
    "(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 48))"       \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"

#define GUEST_RANDOM                                                                    \
    "(module " IMPORT_WRITE IMPORT_RANDOM "(memory (export \"memory\") 1)" START        \
    "(drop (call $random (i32.const 16) (i32.const 32)))"                               \
    "(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 32))" \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"

/* Grows as far as it can, then gives up as programs do. */
#define GUEST_GREEDY                                                             \
    "(module (memory (export \"memory\") 1)" START "(loop $again (br_if $again " \
    "(i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable))"

static void test_plain_guests(void **state)
{
    static const char *const guests[] = {
        GUEST_EMPTY,
        GUEST_HELLO,
        GUEST_EXITS("7"),
        GUEST_EXITS("-1"),
        GUEST_WRITES("2", "complaint", "\\09"),
        GUEST_UNREACHABLE,
        "(module (func $deeper (call $deeper)) " START "(call $deeper)))",
        "(module (func $divide (param i32) (drop (i32.div_u (i32.const 1) (local.get 0))))" START
        "(call $divide (i32.const 0))))",
        "(module (memory 1)" START "(drop (i32.load (i32.const 65536)))))",
        GUEST_GREEDY,
        "(module (memory 4096)" START "))",
        "(module (import \"host\" \"call\" (func))" START "))",
        "(module (func))",
        "(module (func $start (export \"_start\") (param i32)))",
        "(module (memory 1) (start 0) (func unreachable)" START "))",
        "this is no module",
        GUEST_WRITES_MUCH("100"),
        GUEST_WRITES_MUCH("3000"),
    };

    SKIP_TRAPS_UNDER_VALGRIND();
    for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++) {
        adk_request request = adk_test_request(guests[i]);

        compare(*state, &request);
    }
}

static void test_output_limits(void **state)
{
    static const char *const guests[] = {GUEST_WRITES_MUCH("10"), GUEST_WRITES_MUCH("64"), GUEST_WRITES_MUCH("65"),
                                         GUEST_WRITES_MUCH("1000")};

    for (size_t i = 0; i < 2 * sizeof(guests) / sizeof(guests[0]); i++) {
        adk_request request = adk_test_request(guests[i / 2]);

        request.output_limit_bytes = 1000;
        request.output_policy = i % 2 == 0 ? ADK_OUTPUT_TRUNCATE : ADK_OUTPUT_STOP;
        compare(*state, &request);
    }
}

static void test_what_goes_in(void **state)
{
    static char input[300000];
    const adk_bytes args[] = {BYTES("program"), BYTES("two words"), BYTES("")};
    const adk_env env[] = {{BYTES("NAME"), BYTES("value")}, {BYTES("EMPTY"), BYTES("")}};
    adk_request cat = adk_test_request(GUEST_CAT);
    adk_request list = adk_test_request(GUEST_ARGS);

    for (size_t i = 0; i < sizeof(input); i++)
        input[i] = (char)(i * 7 + i / 251);
    cat.stdin_data = adk_bytes_make(input, sizeof(input));
    compare(*state, &cat);
    list.args = args;
    list.args_count = 3;
    list.env = env;
    list.env_count = 2;
    compare(*state, &list);
}

static void test_deterministic(void **state)
{
    adk_request request = adk_test_request(GUEST_CHANCE);

    request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    request.random_seed = 42;
    request.clock_start_ns = UINT64_C(1700000000000000000);
    request.fuel = 100000;
    compare(*state, &request);
    request.fuel = 10;
    compare(*state, &request);
}

static void test_fuel(void **state)
{
    adk_request request = adk_test_request(GUEST_LOOP);

    request.fuel = 100000;
    compare(*state, &request);
}

static void write_text(int dir, const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

static void test_files(void **state)
{
    static char large[200000];
    char directory[] = "/tmp/adk-armoured-XXXXXX";
    const adk_file files[] = {
        {BYTES("/in/a.txt"), BYTES("inline"), NULL},
        {BYTES("in/large"), {large, sizeof(large)}, NULL},
        {BYTES("tree"), {NULL, 0}, directory},
    };
    const adk_bytes outputs[] = {BYTES("/in"), BYTES("**/b*"), BYTES("/nothing")};
    adk_request request = adk_test_request(GUEST_EMPTY);
    int dir;

    memset(large, 'x', sizeof(large));
    assert_non_null(mkdtemp(directory));
    dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    assert_int_equal(mkdirat(dir, "below", 0700), 0);
    write_text(dir, "below/b.txt", "content of b");
    write_text(dir, "c", "");
    assert_int_equal(symlinkat("below/b.txt", dir, "blink"), 0);
    request.files = files;
    request.files_count = 3;
    request.outputs = outputs;
    request.outputs_count = 3;
    compare(*state, &request);
    request.outputs_limit_bytes = 8;
    compare(*state, &request);
    assert_int_equal(unlinkat(dir, "below/b.txt", 0), 0);
    assert_int_equal(unlinkat(dir, "below", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(dir, "blink", 0), 0);
    assert_int_equal(unlinkat(dir, "c", 0), 0);
    (void)close(dir);
    assert_int_equal(rmdir(directory), 0);
}

static void test_files_in_the_way(void **state)
{
    const struct pair *pair = *state;
    const adk_file twice[] = {{BYTES("/a"), BYTES("1"), NULL}, {BYTES("/a"), BYTES("2"), NULL}};
    const adk_file missing[] = {{BYTES("/a"), {NULL, 0}, "/nowhere/at/all"}};
    adk_request request = adk_test_request(GUEST_EMPTY);

    for (int i = 0; i < 2; i++) {
        adk_error *errors[2] = {NULL, NULL};
        adk_result *result = NULL;

        request.files = i == 0 ? twice : missing;
        request.files_count = i == 0 ? 2 : 1;
        assert_int_equal(adk_backend_execute(pair->here, &request, NULL, &result, &errors[0]), ADK_E_INVALID);
        assert_int_equal(adk_backend_execute(pair->there, &request, NULL, &result, &errors[1]), ADK_E_INVALID);
        assert_string_equal(adk_error_message_cstr(errors[0]), adk_error_message_cstr(errors[1]));
        adk_error_free(errors[0]);
        adk_error_free(errors[1]);
    }
}

/* ---- time ---------------------------------------------------------------------------------------------------------- */

static void test_deadlines(void **state)
{
    static const char *const guests[] = {GUEST_LOOP, GUEST_SLEEPS("5000000000")};
    const struct pair *pair = *state;

    for (size_t i = 0; i < 2; i++) {
        adk_request request = adk_test_request(guests[i]);
        uint64_t start_ns;
        adk_result *result;

        adk_test_compile(pair->there, guests[i]);
        request.timeout_ns = 300 * MS;
        start_ns = adk_test_now_ns();
        result = adk_test_execute(pair->there, &request, NULL);
        adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
        assert_true(adk_test_now_ns() - start_ns >= request.timeout_ns);
        assert_true(adk_test_now_ns() - start_ns < request.timeout_ns + adk_test_slack_ns());
        assert_bytes_are(adk_result_message(result), "execution timed out after 300ms");
        adk_result_free(result);
    }
}

static void *cancel_soon(void *cancel)
{
    adk_test_sleep_ns(50 * MS);
    adk_cancel_fire(cancel);
    return NULL;
}

static void test_cancel(void **state)
{
    static const char *const guests[] = {GUEST_LOOP, GUEST_SLEEPS("5000000000")};
    const struct pair *pair = *state;

    for (size_t i = 0; i < 2; i++) {
        adk_request request = adk_test_request(guests[i]);
        adk_cancel *cancel = NULL;
        uint64_t start_ns;
        adk_result *result;
        pthread_t thread;

        assert_int_equal(adk_cancel_new(&cancel, NULL), ADK_OK);
        adk_test_compile(pair->there, guests[i]);
        start_ns = adk_test_now_ns();
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, cancel), 0);
        result = adk_test_execute(pair->there, &request, cancel);
        assert_true(adk_test_now_ns() - start_ns < SECOND + adk_test_slack_ns());
        assert_int_equal(pthread_join(thread, NULL), 0);
        adk_test_expect(result, ADK_OUTCOME_CANCELLED);
        adk_result_free(result);
        result = adk_test_execute(pair->there, &request, cancel); /* it has been fired already */
        adk_test_expect(result, ADK_OUTCOME_CANCELLED);
        adk_result_free(result);
        adk_cancel_free(cancel);
    }
}

/* ---- streams ------------------------------------------------------------------------------------------------------- */

struct heard {
    size_t size;
    size_t stop_at;
    char bytes[200000];
};

static int hear(void *data, adk_bytes bytes)
{
    struct heard *heard = data;

    assert_true(bytes.size <= sizeof(heard->bytes) - heard->size);
    memcpy(heard->bytes + heard->size, bytes.data, bytes.size);
    heard->size += bytes.size;
    return heard->stop_at != 0 && heard->size >= heard->stop_at;
}

static void test_streams(void **state)
{
    static struct heard heard;
    const struct pair *pair = *state;
    adk_request request = adk_test_request(GUEST_WRITES_MUCH("100"));
    adk_result *result;

    request.on_stdout = hear;
    request.stream_data = &heard;
    request.output_limit_bytes = 4096;
    heard = (struct heard){0, 0, ""};
    result = adk_test_execute(pair->there, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(heard.size, 100 * 1024); /* beyond the limit, too */
    assert_memory_equal(heard.bytes, adk_result_stdout(result).head.data, 4096);
    assert_memory_equal(heard.bytes + heard.size - 1024,
                        (const char *)adk_result_stdout(result).tail.data + 65536 - 1024, 1024);
    adk_result_free(result);
    request.output_policy = ADK_OUTPUT_STOP;
    heard.size = 0;
    result = adk_test_execute(pair->there, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_OUTPUT_LIMIT);
    assert_int_equal(heard.size, 4096);
    adk_result_free(result);
    heard = (struct heard){0, 1, ""};
    request = adk_test_request(GUEST_WRITES_MUCH("1000000000"));
    request.on_stdout = hear;
    request.stream_data = &heard;
    result = adk_test_execute(pair->there, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    assert_int_equal(heard.size, 1024);
    adk_result_free(result);
}

static void note_phase(void *data, uint32_t phase)
{
    uint32_t *phases = data;

    *phases = *phases << 8 | phase;
}

static void test_phases(void **state)
{
    const struct pair *pair = *state;
    adk_backend *const backends[] = {pair->here, pair->there};

    for (size_t i = 0; i < 2; i++) {
        adk_request request = adk_test_request(GUEST_HELLO);
        uint32_t phases = 0;

        request.on_phase = note_phase;
        request.phase_data = &phases;
        adk_result_free(adk_test_execute(backends[i], &request, NULL));
        assert_int_equal(phases, ADK_PHASE_INSTANTIATE << 8 | ADK_PHASE_RUN);
    }
}

/* The guest has all of its time, as in process: one that ends shortly before its deadline has ended. */
static void test_the_last_moment(void **state)
{
    static const char guest[] = GUEST_SLEEPS("290000000");
    const struct pair *pair = *state;
    unsigned exited = 0;

    adk_test_compile(pair->there, guest);
    for (int i = 0; i < 5; i++) {
        adk_request request = adk_test_request(guest);
        adk_result *result;

        request.timeout_ns = 292 * MS + (uint64_t)i * 2 * adk_test_slack_ns() / 10; /* the longer, the surer */
        result = adk_test_execute(pair->there, &request, NULL);
        if (adk_result_outcome(result) == ADK_OUTCOME_TIMED_OUT)
            assert_true(adk_test_usage(result).duration_ns >= request.timeout_ns);
        else
            exited++;
        adk_result_free(result);
    }
    assert_true(exited > 0);
}

/* ---- one run and the next ------------------------------------------------------------------------------------------ */

static void test_random_differs(void **state)
{
    const struct pair *pair = *state;
    uint8_t seen[8][32];

    for (size_t i = 0; i < 8; i++) {
        adk_result *result = adk_test_run(pair->there, GUEST_RANDOM);

        assert_int_equal(adk_result_stdout(result).head.size, 32);
        memcpy(seen[i], adk_result_stdout(result).head.data, 32);
        adk_result_free(result);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(seen[i], seen[k], 32);
    }
}

static void test_prepared(void **state)
{
    const struct pair *pair = *state;
    adk_wasm_module *module = NULL;
    adk_error *error = NULL;
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_result *result = NULL;

    assert_int_equal(adk_wasm_module_new(pair->there, request.code, &module, &error), ADK_OK);
    request.code = adk_bytes_make(NULL, 0);
    request.module = module;
    result = adk_test_execute(pair->there, &request, NULL);
    assert_bytes_are(adk_result_stdout(result).head, "hello, world\n");
    assert_int_equal(adk_test_usage(result).cache, ADK_CACHE_HIT);
    adk_result_free(result);
    result = NULL;
    assert_int_equal(adk_backend_execute(pair->here, &request, NULL, &result, &error), ADK_E_INVALID);
    adk_error_free(error);
    error = NULL;
    adk_wasm_module_free(module);
    assert_int_equal(adk_wasm_module_new(pair->there, BYTES("nonsense"), &module, &error), ADK_E_INVALID);
    adk_error_free(error);
}

/* What has to be there wherever tests run; namespaces are the system's to grant. */
static void test_walls(void **state)
{
    const uint32_t least = ADK_WALL_NO_NEW_PRIVILEGES | ADK_WALL_SYSTEM_CALLS | ADK_WALL_LIMITS | ADK_WALL_MEMORY;
    const struct pair *pair = *state;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_error *error = NULL;
    uint32_t walls = 0;

    assert_int_equal(adk_worker_walls(pair->there, &walls, &error), ADK_OK);
    assert_int_equal(walls & least, least);
    for (uint32_t wall = 1; wall <= ADK_WALL_MEMORY; wall <<= 1) {
        assert_non_null(adk_wall_cstr(wall));
        print_message("%s: %s\n", adk_wall_cstr(wall), (walls & wall) != 0 ? "yes" : "no");
    }
    assert_null(adk_wall_cstr(0));
    assert_int_equal(adk_worker_walls(pair->here, &walls, &error), ADK_E_INVALID);
    adk_error_free(error);
    adk_backend_capabilities(pair->there, &capabilities);
    assert_string_equal(capabilities.isolation_cstr, "wasm+process");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_guests),
        cmocka_unit_test(test_output_limits),
        cmocka_unit_test(test_what_goes_in),
        cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_fuel),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_files_in_the_way),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_phases),
        cmocka_unit_test(test_the_last_moment),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_random_differs),
        cmocka_unit_test(test_prepared),
        cmocka_unit_test(test_walls),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
