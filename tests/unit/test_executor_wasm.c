/*
 * src/core/executor with the library's own backend: guests that print, loop, sleep and recurse.
 */
#include "test_executor.h"

#include <stdatomic.h>

#include "wasm/stack.h"

#define GUEST_RECURSES "(module (func $f (export \"_start\") (call $f)))"

/* The least stack carries a run with room for what lies below it; the default also a compilation. */
_Static_assert(ADK_EXECUTOR_STACK_MIN_BYTES >= ADK__RUN_STACK_BYTES + (128u << 10), "runs fit the least stack");
_Static_assert(ADK_EXECUTOR_STACK_DEFAULT_BYTES >= ADK__COMPILE_STACK_BYTES + (1u << 20), "compilations fit");

static void test_hello(void **state)
{
    adk_executor *executor = executor_with(2, 0, 0);
    adk_job *jobs[20];

    for (size_t i = 0; i < 20; i++)
        jobs[i] = submit_code(executor, *state, GUEST_HELLO, 30 * SECOND);
    for (size_t i = 0; i < 20; i++) {
        adk_result *result = result_of(jobs[i]);

        adk_test_expect(result, ADK_OUTCOME_EXITED);
        assert_bytes_are(adk_result_stdout(result).head, "hello, world\n");
        adk_result_free(result);
        adk_job_free(jobs[i]);
    }
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
}

static void recurse_with(adk_backend *backend, uint64_t stack_bytes)
{
    adk_executor_options options = ADK_EXECUTOR_OPTIONS_INIT;
    adk_executor *executor = NULL;
    adk_result *result;
    adk_job *job;

    options.threads = 1;
    options.stack_bytes = stack_bytes;
    assert_int_equal(adk_executor_new(&options, &executor, NULL), ADK_OK);
    for (int i = 0; i < 3; i++) {
        job = submit_code(executor, backend, GUEST_RECURSES, 30 * SECOND);
        result = result_of(job);
        adk_test_expect(result, ADK_OUTCOME_TRAPPED);
        assert_bytes_are(adk_result_trap_kind(result), "stack_overflow");
        adk_result_free(result);
        adk_job_free(job);
    }
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
}

static void test_deep_recursion_traps(void **state)
{
    SKIP_TRAPS_UNDER_VALGRIND();
    recurse_with(*state, 0);
    recurse_with(*state, ADK_EXECUTOR_STACK_MIN_BYTES);
    recurse_with(*state, (uint64_t)16 << 20);
}

static void test_a_loop_ends_at_the_submissions_deadline(void **state)
{
    adk_executor *executor;
    uint64_t start_ns;
    adk_job *first;
    adk_job *second;
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    executor = executor_with(1, 0, 0);
    adk_test_compile(*state, GUEST_LOOP);
    start_ns = adk_test_now_ns();
    first = submit_code(executor, *state, GUEST_LOOP, 100 * MS);
    second = submit_code(executor, *state, GUEST_LOOP, 200 * MS); /* has the half of it left when it starts */
    expect_end(first, ADK_OUTCOME_TIMED_OUT, ADK_PHASE_RUN);
    result = result_of(second);
    assert_true(adk_test_now_ns() - start_ns >= 200 * MS);
    assert_true(adk_test_now_ns() - start_ns < 200 * MS + adk_test_slack_ns());
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_RUN);
    assert_bytes_are(adk_result_message(result), "execution timed out after 200ms");
    assert_true(adk_test_usage(result).duration_ns >= 200 * MS);
    adk_result_free(result);
    adk_job_free(second);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
}

/* Writes a byte, so that the test knows, and sleeps for a minute. */
#define GUEST_SLEEPER                                                                                            \
    "(module " IMPORT_WRITE IMPORT_POLL "(memory (export \"memory\") 1)"                                         \
    "(data (i32.const 0) \"\\10\\00\\00\\00\\01\\00\\00\\00\") (data (i32.const 80) \"\\01\\00\\00\\00\")" START \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"                               \
    "(i64.store (i32.const 88) (i64.const 60000000000))"                                                         \
    "(drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 192)))))"

static int count_writes(void *data, adk_bytes bytes)
{
    (void)bytes;
    (void)atomic_fetch_add((atomic_uint *)data, 1);
    return 0;
}

static void test_sleepers_hold_threads_and_deadlines_pass(void **state)
{
    adk_executor *executor = executor_with(2, 0, 0);
    adk_request request = request_for(GUEST_SLEEPER, 120 * SECOND);
    adk_submission s = {sizeof(s), *state, &request, NULL, 0, NULL, NULL, 0, 0};
    atomic_uint asleep = 0;
    adk_job *sleepers[2];
    uint64_t start_ns;

    request.on_stdout = count_writes;
    request.stream_data = &asleep;
    sleepers[0] = submit(executor, &s);
    sleepers[1] = submit(executor, &s);
    while (atomic_load(&asleep) < 2)
        adk_test_sleep_ns(MS);
    start_ns = adk_test_now_ns();
    expect_end(submit_code(executor, *state, GUEST_EMPTY, 50 * MS), ADK_OUTCOME_TIMED_OUT, ADK_PHASE_QUEUE);
    assert_true(adk_test_now_ns() - start_ns < 50 * MS + adk_test_slack_ns());
    adk_job_cancel(sleepers[0]);
    expect_end(sleepers[0], ADK_OUTCOME_CANCELLED, ADK_PHASE_HOST_CALL);
    start_ns = adk_test_now_ns();
    adk_executor_free(executor, ADK_SHUTDOWN_CANCEL);
    assert_true(adk_test_now_ns() - start_ns < adk_test_slack_ns());
    expect_end(sleepers[1], ADK_OUTCOME_CANCELLED, ADK_PHASE_HOST_CALL);
}

static void test_a_rejected_module(void **state)
{
    adk_executor *executor = executor_with(1, 0, 0);

    expect_end(submit_code(executor, *state, "(module", 30 * SECOND), ADK_OUTCOME_REJECTED, ADK_PHASE_NONE);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_deep_recursion_traps),
        cmocka_unit_test(test_a_loop_ends_at_the_submissions_deadline),
        cmocka_unit_test(test_sleepers_hold_threads_and_deadlines_pass),
        cmocka_unit_test(test_a_rejected_module),
    };

    return cmocka_run_group_tests(tests, adk_test_setup, adk_test_teardown);
}
