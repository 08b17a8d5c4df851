/*
 * Runs that have been taken over: code of an attacker's, natively in the run's own process (tests/programs/hijacked.c). It
 * finds nothing of the host's, can do nothing to anybody, and what it does to itself is an outcome.
 */
#include "worker.h"

#include <signal.h>

static adk_backend *backend;

static int begin(void **state)
{
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk_hijacked"));

    (void)state;
    options.flags |= ADK_WASM_ARMOURED;
    (void)setenv("ADK_TEST_SECRET", "of the host", 1);
    backend = adk_test_backend_with(&options);
    return 0;
}

static int end(void **state)
{
    (void)state;
    adk_backend_free(backend);
    return adk_test_children_become(0) ? 0 : -1;
}

static adk_result *attack(const char *what, uint64_t timeout_ns, adk_stream_fn on_stdout)
{
    const adk_bytes args[] = {adk_bytes_from_cstr(what)};
    adk_request request = adk_test_request(GUEST_HELLO);

    adk_test_compile(backend, GUEST_HELLO);
    request.args = args;
    request.args_count = 1;
    request.timeout_ns = timeout_ns;
    request.on_stdout = on_stdout;
    return adk_test_execute(backend, &request, NULL);
}

/* It comes through with nothing. */
static void test_what_is_refused(void **state)
{
    static const char *const attacks[] = {"system calls", "processes",  "descriptors", "flood",
                                          "code",         "odd memory", "much memory"};

    (void)state;
    for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        adk_result *result = attack(attacks[i], 30 * SECOND, NULL);

        if (adk_result_outcome(result) != ADK_OUTCOME_EXITED || adk_result_stdout(result).written_bytes != 0)
            print_message("%s:\n%.*s", attacks[i], (int)adk_result_stdout(result).head.size,
                          (const char *)adk_result_stdout(result).head.data);
        adk_test_expect(result, ADK_OUTCOME_EXITED);
        assert_bytes_are(adk_result_stdout(result).head, "");
        adk_result_free(result);
    }
}

static int hear(void *data, adk_bytes bytes)
{
    (void)data;
    (void)bytes;
    return 0;
}

/* The same where somebody listens. */
static void test_a_flood_that_is_heard(void **state)
{
    adk_result *result;
    unsigned descriptors;

    (void)state;
    adk_result_free(attack("nothing", 30 * SECOND, hear));
    descriptors = adk_test_count().descriptors;
    result = attack("flood", 30 * SECOND, hear);
    adk_test_expect(result, ADK_OUTCOME_SIGNALED);
    assert_int_equal(adk_result_reason(result), ADK_REASON_ENGINE_CRASH);
    assert_bytes_are(adk_result_message(result), "the run's process sent what makes no sense");
    adk_result_free(result);
    adk_result_free(attack("nothing", 30 * SECOND, hear));
    assert_true(adk_test_descriptors_become(descriptors));
}

/* A fault in the engine is an outcome: the host and the next run do not notice. */
static void test_crashes(void **state)
{
    static const struct {
        const char *what;
        uint32_t signal;
    } crashes[] = {{"segv", SIGSEGV}, {"fpe", SIGFPE}, {"ill", SIGILL}};

    (void)state;
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++) {
        adk_result *result;

        if (adk_test_sanitized()) /* which has handlers of its own for these */
            break;
        result = attack(crashes[i].what, 30 * SECOND, NULL);
        adk_test_expect(result, ADK_OUTCOME_SIGNALED);
        assert_int_equal(adk_result_reason(result), ADK_REASON_ENGINE_CRASH);
        assert_int_equal(adk_result_exit_code(result), crashes[i].signal);
        assert_bytes_are(adk_result_stdout(result).head, "so far\n");
        adk_result_free(result);
    }
}

#if defined(__x86_64__)
/* The calls of another machine have other numbers. */
static void test_another_way_in(void **state)
{
    adk_result *result = attack("x32", 30 * SECOND, NULL);

    (void)state;
    adk_test_expect(result, ADK_OUTCOME_SIGNALED);
    assert_int_equal(adk_result_exit_code(result), SIGSYS);
    adk_result_free(result);
}
#endif

static void test_one_that_says_nothing(void **state)
{
    adk_result *result = attack("silence", 30 * SECOND, NULL);

    (void)state;
    adk_test_expect(result, ADK_OUTCOME_SIGNALED);
    assert_bytes_are(adk_result_message(result), "the run's process ended with status 0 and without a report");
    adk_result_free(result);
}

/* It takes no signal that it can help. */
static void test_one_that_stays(void **state)
{
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result = attack("stay", 300 * MS, NULL);
    uint64_t took_ns = adk_test_now_ns() - start_ns;

    (void)state;
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_bytes_are(adk_result_stdout(result).head, "so far\n");
    assert_in_range(took_ns, 300 * MS, 300 * MS + 20 * MS + adk_test_slack_ns());
    adk_result_free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_a_flood_that_is_heard),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_one_that_says_nothing),
#if defined(__x86_64__)
        cmocka_unit_test(test_another_way_in),
#endif
        cmocka_unit_test(test_one_that_stays),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
