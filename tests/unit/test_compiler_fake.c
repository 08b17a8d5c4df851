/*
 * src/wasm/compiler with a helper that lies: whatever it says or does not say, the run ends in time, with an outcome or an
 * error of its kind, and nothing is left of it. See tests/programs/fake.c.
 */
#include "worker.h"

#include <unistd.h>

#define NO_SENSE "failed to compile WASM module: the compiling helper gave an answer that makes no sense"

static char directory[] = "/tmp/adk-test-XXXXXX";
static char *code;

static int begin(void **state)
{
    (void)state;
    code = adk_test_padded_text(GUEST_EMPTY, 70000); /* not to be compiled in place */
    return mkdtemp(directory) == NULL;
}

static int end(void **state)
{
    (void)state;
    free(code);
    return rmdir(directory);
}

/* The helper that behaves in such a way. */
static adk_backend *backend_with(const char *mode)
{
    char path[200];
    adk_wasm_options options;
    adk_backend *backend;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, mode);
    assert_int_equal(symlink(adk_test_program("adk_fake"), path), 0);
    options = adk_test_options_with(path);
    backend = adk_test_backend_with(&options);
    adk_test_run_exits(backend, GUEST_EMPTY, 0);
    return backend;
}

static void free_backend(adk_backend *backend, const char *mode)
{
    char path[200];

    adk_test_run_exits(backend, GUEST_HELLO, 0);
    adk_backend_free(backend);
    (void)snprintf(path, sizeof(path), "%s/%s", directory, mode);
    assert_int_equal(unlink(path), 0);
    assert_true(adk_test_children_become(0));
}

/* Runs it some times, while nothing accumulates. */
static void check_rejected(const char *mode, adk_reason reason, const char *message)
{
    adk_backend *backend = backend_with(mode);
    unsigned descriptors = adk_test_count().descriptors;

    for (int i = 0; i < 3; i++) {
        adk_request request = adk_test_request(code);
        adk_result *result = adk_test_execute(backend, &request, NULL);

        if (adk_result_outcome(result) != ADK_OUTCOME_REJECTED || adk_result_reason(result) != reason)
            print_message("mode %s\n", mode);
        adk_test_expect(result, ADK_OUTCOME_REJECTED);
        assert_int_equal(adk_result_reason(result), reason);
        assert_bytes_are(adk_result_message(result), message);
        adk_result_free(result);
    }
    assert_true(adk_test_children_become(0));
    assert_true(adk_test_descriptors_become(descriptors));
    free_backend(backend, mode);
}

static void check_error(const char *mode, int expected, const char *part)
{
    adk_backend *backend = backend_with(mode);
    unsigned descriptors = adk_test_count().descriptors;

    for (int i = 0; i < 3; i++) {
        adk_request request = adk_test_request(code);
        adk_result *result = NULL;
        adk_error *error = NULL;

        assert_int_equal(adk_backend_execute(backend, &request, NULL, &result, &error), expected);
        assert_null(result);
        if (strstr(adk_error_message_cstr(error), part) == NULL)
            fail_msg("mode %s: \"%s\"", mode, adk_error_message_cstr(error));
        adk_error_free(error);
        assert_true(adk_test_children_become(0));
        assert_true(adk_test_descriptors_become(descriptors));
    }
    free_backend(backend, mode);
}

static void check_times_out(const char *mode)
{
    adk_backend *backend = backend_with(mode);
    unsigned descriptors = adk_test_count().descriptors;
    adk_request request = adk_test_request(code);
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result;

    request.timeout_ns = 150 * MS;
    result = adk_test_execute(backend, &request, NULL);
    assert_in_range(adk_test_now_ns() - start_ns, 150 * MS, 150 * MS + adk_test_slack_ns());
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_COMPILE);
    adk_result_free(result);
    assert_true(adk_test_children_become(0));
    assert_true(adk_test_descriptors_become(descriptors));
    free_backend(backend, mode);
}

static void test_nonsense(void **state)
{
    static const char *const modes[] = {"garbage", "short",  "large",  "magic",       "protocol",
                                        "status",  "reason", "length", "descriptors", "flood"};

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        check_rejected(modes[i], ADK_REASON_COMPILER_FAILED, NO_SENSE);
}

static void test_lies_about_code(void **state)
{
    static const char *const modes[] = {"no-code", "less-code", "huge-code", "mapped", "sealed"};

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        check_rejected(modes[i], ADK_REASON_COMPILER_FAILED, NO_SENSE);
    check_error("junk", ADK_E_INTERNAL, "load a module's code");
    check_error("half-elf", ADK_E_INTERNAL, "load a module's code");
}

/* Everything that could move a cursor or end a line is shown as what it is. */
static void test_messages(void **state)
{
    (void)state;
    check_rejected("text", ADK_REASON_MALFORMED, "a\\x1b[2Jb\\x0ac\\xffd\\xc2\\x85e%s%n");
    check_rejected("hangup-after", ADK_REASON_MALFORMED, "then it hung up");
    check_error("failed", ADK_E_UNAVAILABLE, "/failed cannot work: no\\x07bell");
}

static void test_needs_memory(void **state)
{
    adk_backend *backend = backend_with("needs-memory");
    adk_request request = adk_test_request(code);
    adk_result *result = adk_test_execute(backend, &request, NULL);

    (void)state;
    adk_test_expect(result, ADK_OUTCOME_MEMORY_LIMIT);
    adk_result_free(result);
    free_backend(backend, "needs-memory");
}

static void test_ends(void **state)
{
    (void)state;
    check_rejected("dies", ADK_REASON_COMPILER_FAILED, "failed to compile WASM module: the compiler died of signal 9");
    check_rejected("hangup", ADK_REASON_COMPILER_FAILED,
                   "failed to compile WASM module: the compiler died of signal 9"); /* ours */
    check_rejected("heir", ADK_REASON_COMPILER_FAILED,
                   "failed to compile WASM module: the compiler ended with status 7 without an answer");
    check_rejected("exits", ADK_REASON_COMPILER_FAILED,
                   "failed to compile WASM module: the compiler ended with status 7 without an answer");
}

static void test_silence(void **state)
{
    (void)state;
    check_times_out("silent");
    check_times_out("stops");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonsense), cmocka_unit_test(test_lies_about_code),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_needs_memory),
        cmocka_unit_test(test_ends),     cmocka_unit_test(test_silence),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
