/*
 * src/wasm/compiler: modules that may take long compile in the helper program, which a deadline, a cancellation or a limit
 * ends; what it says of a module is what is said where it is compiled in place.
 */
#include "worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static adk_bytes bomb;

static int make_bomb(void **state)
{
    (void)state;
    bomb = adk_test_loops(BOMB_LOOPS, 0);
    return 0;
}

static int free_bomb(void **state)
{
    (void)state;
    free((void *)(uintptr_t)bomb.data);
    return 0;
}

static adk_request request_for(adk_bytes code, uint64_t timeout_ns)
{
    adk_request request = adk_test_request(NULL);

    request.code = code;
    request.timeout_ns = timeout_ns;
    return request;
}

/* Runs it and checks that it came back when its time was over, in the phase of compiling. */
static void check_times_out(adk_backend *backend, adk_bytes code, uint64_t timeout_ns)
{
    adk_request request = request_for(code, timeout_ns);
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result = adk_test_execute(backend, &request, NULL);
    uint64_t took_ns = adk_test_now_ns() - start_ns;

    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_COMPILE);
    adk_result_free(result);
    assert_in_range(took_ns, timeout_ns, timeout_ns + adk_test_slack_ns());
}

/* ---- deadlines ---------------------------------------------------------------------------------------------------- */

static void test_bomb_times_out(void **state)
{
    check_times_out(*state, bomb, 200 * MS);
    assert_true(adk_test_children_become(0));
    adk_test_run_exits(*state, GUEST_HELLO, 0);
}

struct canceller {
    adk_cancel *cancel;
    atomic_ullong cancelled_ns;
};

static void *cancel_when_it_compiles(void *data)
{
    struct canceller *canceller = data;

    if (adk_test_children_become(1)) {
        atomic_store(&canceller->cancelled_ns, adk_test_now_ns());
        adk_cancel_fire(canceller->cancel);
    }
    return NULL;
}

static void test_bomb_is_cancelled(void **state)
{
    adk_request request = request_for(bomb, 0);
    struct canceller canceller = {NULL, 0};
    adk_result *result;
    pthread_t thread;
    uint64_t took_ns;

    request.timeout_ns = 60 * SECOND;
    assert_int_equal(adk_cancel_new(&canceller.cancel, NULL), ADK_OK);
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_it_compiles, &canceller), 0);
    result = adk_test_execute(*state, &request, canceller.cancel);
    took_ns = adk_test_now_ns() - atomic_load(&canceller.cancelled_ns);
    assert_int_equal(pthread_join(thread, NULL), 0);
    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    assert_in_range(took_ns, 0, 20 * MS + adk_test_slack_ns());
    adk_result_free(result);
    adk_cancel_free(canceller.cancel);
    assert_true(adk_test_children_become(0));
}

static void test_preparing_times_out(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_wasm_module *module = NULL;
    adk_error *error = NULL;
    adk_backend *backend;
    uint64_t start_ns;

    (void)state;
    options.prepare_timeout_ns = 100 * MS;
    backend = adk_test_backend_with(&options);
    start_ns = adk_test_now_ns();
    assert_int_equal(adk_wasm_module_new(backend, bomb, &module, &error), ADK_E_INVALID);
    assert_in_range(adk_test_now_ns() - start_ns, 100 * MS, 100 * MS + adk_test_slack_ns());
    assert_null(module);
    assert_non_null(strstr(adk_error_message_cstr(error), "did not compile within 100 ms"));
    adk_error_free(error);
    error = NULL;
    assert_int_equal(adk_wasm_module_new(backend, bomb, &module, &error), ADK_E_INVALID);
    assert_non_null(strstr(adk_error_message_cstr(error), "when it was last tried"));
    adk_error_free(error);
    adk_backend_free(backend);
    assert_true(adk_test_children_become(0));
}

/* ---- memory ------------------------------------------------------------------------------------------------------- */

/* To assemble so many functions takes more than 64 MiB. */
static char *large_text(void)
{
    static const char function[] = "(func)";
    const unsigned count = 1000000;
    char *fields = malloc(count * (sizeof(function) - 1) + 1);
    char *text;

    assert_non_null(fields);
    for (unsigned i = 0; i < count; i++)
        memcpy(fields + i * (sizeof(function) - 1), function, sizeof(function));
    text = adk_test_loops_text(fields, 0, "");
    free(fields);
    return text;
}

static void test_memory_limit(void **state)
{
    adk_wasm_options options = adk_test_options();
    char *text = large_text();
    adk_backend *backend;

    (void)state;
    if (adk_test_sanitized()) {
        print_message("skipped: under a sanitizer the helper has no limit on its memory\n");
        free(text);
        skip();
    }
    options.compile_memory_bytes = (uint64_t)64 << 20;
    backend = adk_test_backend_with(&options);
    adk_test_run_rejected(backend, adk_bytes_from_cstr(text), ADK_REASON_COMPILER_MEMORY,
                          "failed to compile WASM module: the compiler needs more than 64 MiB of memory");
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    adk_backend_free(backend);
    free(text);
    assert_true(adk_test_children_become(0));
}

/* The largest number is no limit, rather than one that wrapped around. */
static void test_no_memory_limit(void **state)
{
    adk_wasm_options options = adk_test_options();
    char *text = adk_test_padded_text(GUEST_HELLO, 70000);
    adk_backend *backend;

    (void)state;
    options.compile_memory_bytes = UINT64_MAX;
    backend = adk_test_backend_with(&options);
    adk_test_run_exits(backend, text, 0);
    adk_backend_free(backend);
    free(text);
}

static void check_options_refused(const adk_wasm_options *options, const char *part)
{
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk_wasm_backend_new(options, &backend, &error), ADK_E_INVALID);
    assert_null(backend);
    assert_non_null(strstr(adk_error_message_cstr(error), part));
    adk_error_free(error);
}

static void test_options(void **state)
{
    adk_wasm_options options = adk_test_options();

    (void)state;
    options.compile_memory_bytes = ((uint64_t)64 << 20) - 1;
    check_options_refused(&options, "at least 67108864");
    options = adk_test_options();
    options.workers = 257;
    check_options_refused(&options, "more than 256");
    options = adk_test_options();
    options.flags = 4;
    check_options_refused(&options, "unknown flags 0x4");
}

/* ---- the helper is not there -------------------------------------------------------------------------------------- */

static void check_unavailable(const char *worker, const char *part)
{
    adk_wasm_options options = adk_test_options_with(worker);
    adk_backend *backend = adk_test_backend_with(&options);
    unsigned descriptors = adk_test_count().descriptors;
    adk_request request = request_for(bomb, 30 * SECOND);
    adk_wasm_module *module = NULL;
    adk_result *result = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk_backend_execute(backend, &request, NULL, &result, &error), ADK_E_UNAVAILABLE);
    assert_null(result);
    assert_non_null(strstr(adk_error_message_cstr(error), worker));
    assert_non_null(strstr(adk_error_message_cstr(error), part));
    adk_error_free(error);
    error = NULL;
    assert_int_equal(adk_wasm_module_new(backend, bomb, &module, &error), ADK_E_UNAVAILABLE);
    adk_error_free(error);
    assert_true(adk_test_descriptors_become(descriptors));
    adk_test_run_exits(backend, GUEST_HELLO, 0); /* which is quick */
    adk_backend_free(backend);
    assert_true(adk_test_children_become(0));
}

static void test_no_helper(void **state)
{
    (void)state;
    check_unavailable("/nowhere/adk-worker", "install it, or name it in the environment's ADK_SANDBOX_WORKER");
}

static void test_helper_is_no_program(void **state)
{
    char path[] = "/tmp/adk-test-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "this is text\n", 13), 13);
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(close(fd), 0);
    check_unavailable(path, "it is not there");
    assert_int_equal(chmod(path, 0700), 0);
    check_unavailable(path, "start the compiling helper");
    assert_int_equal(unlink(path), 0);
    check_unavailable("/tmp", "start the compiling helper /tmp");
}

static void test_helper_goes_away(void **state)
{
    char path[] = "/tmp/adk-test-XXXXXX";
    adk_wasm_options options;
    adk_request request = request_for(bomb, 30 * SECOND);
    adk_result *result = NULL;
    adk_backend *backend;
    adk_error *error = NULL;

    (void)state;
    assert_non_null(mkdtemp(path));
    (void)rmdir(path);
    assert_int_equal(symlink(adk_test_program("adk-worker"), path), 0);
    options = adk_test_options_with(path);
    backend = adk_test_backend_with(&options);
    check_times_out(backend, bomb, 50 * MS);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(adk_backend_execute(backend, &request, NULL, &result, &error), ADK_E_UNAVAILABLE);
    assert_non_null(strstr(adk_error_message_cstr(error), path));
    adk_error_free(error);
    adk_backend_free(backend);
}

static void test_helper_is_another_program(void **state)
{
    adk_wasm_options options = adk_test_options_with("/bin/true");
    adk_backend *backend = adk_test_backend_with(&options);

    (void)state;
    for (int i = 0; i < 5; i++)
        adk_test_run_rejected(backend, bomb, ADK_REASON_COMPILER_FAILED,
                              "the compiler ended with status 0 without an answer");
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    adk_backend_free(backend);
}

static adk_backend *in_place(void)
{
    adk_wasm_options options = adk_test_options_with("/nowhere/adk-worker");

    options.flags = ADK_WASM_ALLOW_UNBOUNDED_COMPILE;
    return adk_test_backend_with(&options);
}

static void test_unbounded_in_place(void **state)
{
    adk_bytes slow = adk_test_loops(1000, 42);
    adk_request request = request_for(slow, 30 * SECOND);
    adk_backend *backend = in_place();
    adk_result *result = adk_test_execute(backend, &request, NULL);

    (void)state;
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 42);
    adk_result_free(result);
    adk_backend_free(backend);
    free((void *)(uintptr_t)slow.data);
}

/* ---- what it compiles --------------------------------------------------------------------------------------------- */

static void check_exits(adk_backend *backend, const adk_request *request, uint32_t exit_code, adk_cache_state cache)
{
    adk_result *result = adk_test_execute(backend, request, NULL);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), exit_code);
    assert_int_equal(adk_test_usage(result).cache, cache);
    if (request->fuel != 0)
        assert_in_range(adk_test_usage(result).fuel, 1, request->fuel);
    adk_result_free(result);
}

static void test_flavours(void **state)
{
    adk_bytes slow = adk_test_loops(700, 300);
    adk_request plain = request_for(slow, 30 * SECOND);
    adk_request metered = plain;
    adk_request deterministic = plain;
    adk_request dry = plain;
    adk_result *result;

    metered.fuel = 1000000;
    deterministic.flags |= ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    dry.fuel = 1;
    for (int i = 0; i < 2; i++) {
        adk_cache_state cache = i == 0 ? ADK_CACHE_MISS : ADK_CACHE_HIT;

        check_exits(*state, &plain, 300, cache);
        check_exits(*state, &metered, 300, cache);
        check_exits(*state, &deterministic, 300, cache);
    }
    result = adk_test_execute(*state, &dry, NULL);
    adk_test_expect(result, ADK_OUTCOME_FUEL_EXHAUSTED);
    adk_result_free(result);
    free((void *)(uintptr_t)slow.data);
}

/* A prepared module's other flavours are compiled when they are asked for. */
static void test_prepared(void **state)
{
    adk_bytes slow = adk_test_loops(600, 7);
    adk_request request = adk_test_request(NULL);
    adk_wasm_module *module = NULL;
    adk_error *error = NULL;

    if (adk_wasm_module_new(*state, slow, &module, &error) != ADK_OK)
        fail_msg("not prepared: %s", adk_error_message_cstr(error));
    request.code = adk_bytes_make(NULL, 0);
    request.module = module;
    check_exits(*state, &request, 7, ADK_CACHE_HIT);
    request.fuel = 1000000;
    check_exits(*state, &request, 7, ADK_CACHE_MISS);
    adk_wasm_module_free(module);
    free((void *)(uintptr_t)slow.data);
}

/* Data in memory: the pages of a module that came from a file are that file's. */
static void test_data(void **state)
{
    char *text = adk_test_padded_text(GUEST_HELLO, 70000);
    adk_request request = adk_test_request(text);

    for (int i = 0; i < 3; i++) {
        adk_result *result = adk_test_execute(*state, &request, NULL);

        adk_test_expect(result, ADK_OUTCOME_EXITED);
        assert_bytes_are(adk_result_stdout(result).head, "hello, world\n");
        adk_result_free(result);
    }
    free(text);
}

/* ---- what it refuses ---------------------------------------------------------------------------------------------- */

/* Both say the same, to the letter. */
static void check_same(adk_backend *here, adk_backend *helped, adk_bytes code, adk_outcome outcome, adk_reason reason)
{
    adk_request request = request_for(code, 30 * SECOND);
    adk_result *a = adk_test_execute(here, &request, NULL);
    adk_result *b = adk_test_execute(helped, &request, NULL);
    adk_bytes message = adk_result_message(a);
    char text[20000];

    adk_test_expect(a, outcome);
    adk_test_expect(b, outcome);
    assert_int_equal(adk_result_reason(a), reason);
    assert_int_equal(adk_result_reason(b), reason);
    assert_int_equal(adk_result_phase(a), adk_result_phase(b));
    assert_in_range(message.size, 1, sizeof(text) - 1);
    (void)snprintf(text, sizeof(text), "%.*s", (int)message.size, (const char *)message.data);
    assert_bytes_are(adk_result_message(b), text);
    adk_result_free(a);
    adk_result_free(b);
}

static void check_same_text(adk_backend *here, adk_backend *helped, const char *wat, adk_outcome outcome,
                            adk_reason reason)
{
    char *text = adk_test_padded_text(wat, 70000);

    check_same(here, helped, adk_bytes_from_cstr(text), outcome, reason);
    free(text);
}

static void test_refusals_are_the_same(void **state)
{
    static const struct {
        const char *wat;
        adk_reason reason;
    } cases[] = {
        {"(module " START "drop))", ADK_REASON_MALFORMED},
        {"(module (memory i64 1)" START "))", ADK_REASON_UNSUPPORTED_FEATURE},
        {"(module (memory 1) (memory 1)" START "(return_call $start)))", ADK_REASON_UNSUPPORTED_FEATURE},
        {"(component)", ADK_REASON_UNSUPPORTED_FEATURE},
        {"(module (import \"a\" \"b\" (func))" START "))", ADK_REASON_MISSING_IMPORT},
        {"(module (func (export \"_start\") (param i32)))", ADK_REASON_NO_ENTRY},
        {"(module (func))", ADK_REASON_NO_ENTRY},
        /* what only the pool's slots are too small for */
        {"(module (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref)" START "))",
         ADK_REASON_TOO_LARGE},
        {"(module (func (export \"a\\1b[31m\\\\\\c2\\85\")) (func (export \"a\\1b[31m\\\\\\c2\\85\")))",
         ADK_REASON_MALFORMED},
        {"(module (import \"\\1b\\n\\\\x\" \"%s\" (func))" START "))", ADK_REASON_MISSING_IMPORT},
    };
    adk_backend *here = in_place();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_same_text(here, *state, cases[i].wat, ADK_OUTCOME_REJECTED, cases[i].reason);
    check_same_text(here, *state, "(module (table 10000001 funcref)" START "))", ADK_OUTCOME_MEMORY_LIMIT,
                    ADK_REASON_NONE);
    adk_backend_free(here);
    assert_true(adk_test_children_become(0));
}

static void test_refused_binaries_and_texts(void **state)
{
    adk_backend *here = in_place();
    char *text = adk_test_padded_text("(module " START "))", 80000);
    unsigned char *junk = calloc(1, 100000);
    adk_bytes broken = adk_test_loops(BOMB_LOOPS * 5 / 3, 1); /* 100 KB */
    unsigned char *bytes = (unsigned char *)(uintptr_t)broken.data;

    assert_non_null(junk);
    assert_true(broken.size > 100000);
    bytes[broken.size - 5000] = 0xff;
    check_same(here, *state, broken, ADK_OUTCOME_REJECTED, ADK_REASON_MALFORMED);
    check_same(here, *state, adk_bytes_make(broken.data, broken.size - 1), ADK_OUTCOME_REJECTED, ADK_REASON_MALFORMED);
    memcpy(junk, "\0asm\1\0\0\0", 8);
    junk[50000] = 1;
    check_same(here, *state, adk_bytes_make(junk, 100000), ADK_OUTCOME_REJECTED, ADK_REASON_MALFORMED);
    text[79999] = '('; /* an error at the end of the text, with its place */
    check_same(here, *state, adk_bytes_from_cstr(text), ADK_OUTCOME_REJECTED, ADK_REASON_MALFORMED);
    text[79999] = '\xff';
    check_same(here, *state, adk_bytes_from_cstr(text), ADK_OUTCOME_REJECTED, ADK_REASON_MALFORMED);
    free(text);
    free(junk);
    free(bytes);
    adk_backend_free(here);
}

/* ---- what is remembered ------------------------------------------------------------------------------------------- */

static void test_slow_is_remembered(void **state)
{
    adk_backend *backend = adk_test_backend();
    adk_request request = request_for(bomb, 200 * MS);
    adk_result *result;
    uint64_t start_ns;

    (void)state;
    check_times_out(backend, bomb, 200 * MS);
    assert_true(adk_test_children_become(0));
    start_ns = adk_test_now_ns();
    result = adk_test_execute(backend, &request, NULL);
    assert_in_range(adk_test_now_ns() - start_ns, 0, adk_test_slack_ns());
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_COMPILE);
    assert_bytes_have(adk_result_message(result), "compiling it had not ended after ");
    adk_result_free(result);
    request.fuel = 1000; /* another flavour is another matter */
    start_ns = adk_test_now_ns();
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_true(adk_test_now_ns() - start_ns >= 200 * MS);
    adk_result_free(result);
    check_times_out(backend, bomb, 2 * SECOND);
    adk_backend_free(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bomb_times_out, adk_test_setup, adk_test_teardown),
        cmocka_unit_test_setup_teardown(test_bomb_is_cancelled, adk_test_setup, adk_test_teardown),
        cmocka_unit_test(test_preparing_times_out),
        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_no_memory_limit),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_no_helper),
        cmocka_unit_test(test_helper_is_no_program),
        cmocka_unit_test(test_helper_goes_away),
        cmocka_unit_test(test_helper_is_another_program),
        cmocka_unit_test(test_unbounded_in_place),
        cmocka_unit_test_setup_teardown(test_flavours, adk_test_setup, adk_test_teardown),
        cmocka_unit_test_setup_teardown(test_prepared, adk_test_setup, adk_test_teardown),
        cmocka_unit_test_setup_teardown(test_data, adk_test_setup, adk_test_teardown),
        cmocka_unit_test_setup_teardown(test_refusals_are_the_same, adk_test_setup, adk_test_teardown),
        cmocka_unit_test_setup_teardown(test_refused_binaries_and_texts, adk_test_setup, adk_test_teardown),
        cmocka_unit_test(test_slow_is_remembered),
    };

    return cmocka_run_group_tests(tests, make_bomb, free_bomb);
}
