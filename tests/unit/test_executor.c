/*
 * src/core/executor: submitting, waiting, cancelling, deadlines, callbacks, the descriptor, tenants; with a backend that
 * waits where a test wants it to.
 */
#include "test_executor.h"

#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>

#include <adk/trace.h>

/* ---- making ------------------------------------------------------------------------------------------------------- */

static void check_options_refused(const adk_executor_options *options)
{
    adk_executor *executor = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk_executor_new(options, &executor, &error), ADK_E_INVALID);
    assert_null(executor);
    adk_error_free(error);
}

static void test_options_are_checked(void **state)
{
    const adk_executor_options defaults = ADK_EXECUTOR_OPTIONS_INIT;
    adk_executor_options options = defaults;

    (void)state;
    options.struct_size = 0;
    check_options_refused(&options);
    options = defaults;
    options.threads = ADK_EXECUTOR_THREADS_MAX + 1;
    check_options_refused(&options);
    options = defaults;
    options.queue_length = ADK_EXECUTOR_QUEUE_MAX + 1;
    check_options_refused(&options);
    options = defaults;
    options.reserved = 1;
    check_options_refused(&options);
    options = defaults;
    options.stack_bytes = ADK_EXECUTOR_STACK_MIN_BYTES - 1;
    check_options_refused(&options);
    options.stack_bytes = ADK_EXECUTOR_STACK_MAX_BYTES + 1;
    check_options_refused(&options);
}

static void test_defaults(void **state)
{
    adk_executor *executor = NULL;
    unsigned threads = adk_test_count().threads;

    (void)state;
    assert_int_equal(adk_executor_new(NULL, &executor, NULL), ADK_OK);
    assert_true(adk_test_count().threads >= threads + 2); /* one that runs, one that watches */
    assert_true(adk_executor_fd(executor) >= 0);
    assert_true((fcntl(adk_executor_fd(executor), F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(adk_executor_fd(executor), F_GETFL) & O_NONBLOCK) != 0);
    assert_null(adk_executor_take(executor));
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    adk_executor_free(NULL, ADK_SHUTDOWN_WAIT);
    adk_job_free(NULL);
    adk_job_cancel(NULL);
    assert_null(adk_job_ref(NULL));
}

/* ---- submitting --------------------------------------------------------------------------------------------------- */

static void check_refused(adk_executor *executor, const adk_submission *submission, int status)
{
    adk_job *job = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk_executor_submit(executor, submission, &job, &error), status);
    assert_int_equal(adk_error_code(error), status);
    assert_null(job);
    adk_error_free(error);
}

static void test_submissions_are_checked(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 4, 0);
    adk_request request = request_for("x", SECOND);
    const adk_submission valid = {sizeof(valid), g->backend, &request, NULL, 0, NULL, NULL, 0, 0};
    adk_submission s = valid;

    (void)state;
    s.struct_size = 4;
    check_refused(executor, &s, ADK_E_INVALID);
    s = valid;
    s.backend = NULL;
    check_refused(executor, &s, ADK_E_INVALID);
    s = valid;
    s.request = NULL;
    check_refused(executor, &s, ADK_E_INVALID);
    s = valid;
    s.flags = 2;
    check_refused(executor, &s, ADK_E_INVALID);
    s = valid;
    s.reserved = 1;
    check_refused(executor, &s, ADK_E_INVALID);
    assert_int_equal(adk_executor_submit(executor, &valid, NULL, NULL), ADK_E_INVALID); /* nobody would learn */
    request.timeout_ns = 0;
    check_refused(executor, &valid, ADK_E_INVALID);
    request.timeout_ns = SECOND;
    request.language = ADK_LANGUAGE_WASM;
    check_refused(executor, &valid, ADK_E_INVALID);
    request.language = ADK_LANGUAGE_DEFAULT;
    request.fuel = 1;
    check_refused(executor, &valid, ADK_E_UNSUPPORTED);
    assert_int_equal(g->started, 0);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static void test_results_come_back(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(2, 64, 0);
    adk_job *jobs[50];
    char code[24];

    (void)state;
    for (size_t i = 0; i < 50; i++) {
        (void)snprintf(code, sizeof(code), "code %zu", i);
        jobs[i] = submit_code(executor, g->backend, code, 10 * SECOND);
        memset(code, 'x', sizeof(code)); /* it has been copied */
    }
    for (size_t i = 0; i < 50; i++) {
        adk_result *result = result_of(jobs[i]);
        adk_limits limits = ADK_LIMITS_INIT;

        (void)snprintf(code, sizeof(code), "code %zu", i);
        assert_bytes_are(adk_result_stdout(result).head, code);
        adk_result_limits(result, &limits);
        assert_int_equal(limits.timeout_ns, 10 * SECOND);
        adk_result_free(result);
        adk_job_free(jobs[i]);
    }
    assert_int_equal(g->running_max <= 2, 1);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static void test_a_failed_call_comes_back(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 4, 0);
    adk_job *job = submit_code(executor, g->backend, "fail", SECOND);
    adk_result *result = NULL;
    adk_error *error = NULL;

    (void)state;
    assert_int_equal(adk_job_wait(job, UINT64_MAX), ADK_OK);
    assert_int_equal(adk_job_take_result(job, &result, &error), ADK_E_SYSTEM);
    assert_null(result);
    assert_string_equal(adk_error_message_cstr(error), "the mock fails");
    assert_int_equal(adk_error_system(error), 5);
    adk_error_free(error);
    error = NULL;
    assert_int_equal(adk_job_take_result(job, &result, &error), ADK_E_INVALID); /* once */
    adk_error_free(error);
    adk_job_free(job);
    adk_job_free(submit_code(executor, g->backend, "fail", SECOND)); /* nobody takes that one */
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static void test_jobs_start_in_order(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 2000, 0);
    char code[24];

    (void)state;
    adk_job_free(submit_code(executor, g->backend, "wait", 60 * SECOND));
    gate_await(g, 1);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(code, sizeof(code), "%d", i);
        adk_job_free(submit_code(executor, g->backend, code, (uint64_t)(60 + i % 7) * SECOND));
    }
    gate_open(g);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    assert_int_equal(g->log_count, 1001);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(code, sizeof(code), "%d", i);
        assert_string_equal(g->log[i + 1], code);
    }
    gate_free(g);
}

static void test_full_queue_is_busy_at_once(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(2, 3, 0);
    adk_request request = request_for("x", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, NULL, NULL, 0, 0};
    adk_job *jobs[5];
    uint64_t start_ns;

    (void)state;
    jobs[0] = submit_code(executor, g->backend, "wait", 60 * SECOND);
    jobs[1] = submit_code(executor, g->backend, "wait", 60 * SECOND);
    gate_await(g, 2);
    for (size_t i = 2; i < 5; i++)
        jobs[i] = submit(executor, &s);
    start_ns = adk_test_now_ns();
    check_refused(executor, &s, ADK_E_BUSY);
    assert_true(adk_test_now_ns() - start_ns < adk_test_slack_ns());
    adk_job_cancel(jobs[3]); /* one place is free again */
    expect_end(jobs[3], ADK_OUTCOME_CANCELLED, ADK_PHASE_QUEUE);
    jobs[3] = submit(executor, &s);
    check_refused(executor, &s, ADK_E_BUSY);
    gate_open(g);
    for (size_t i = 0; i < 5; i++)
        expect_end(jobs[i], ADK_OUTCOME_EXITED, ADK_PHASE_RUN);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static atomic_uint callbacks;

static void count_callback(void *data, adk_job *job)
{
    (void)data;
    (void)job;
    (void)atomic_fetch_add(&callbacks, 1);
}

static void test_a_thousand_jobs_on_two_threads(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(2, 1000, 0);
    adk_request request = request_for("x", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, count_callback, NULL, 0, 0};

    (void)state;
    atomic_store(&callbacks, 0);
    for (unsigned i = 0; i < 1000; i++) {
        s.tenant = i % 10;
        assert_int_equal(adk_executor_submit(executor, &s, NULL, NULL), ADK_OK);
    }
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    assert_int_equal(atomic_load(&callbacks), 1000);
    assert_int_equal(g->started, 1000);
    gate_free(g);
}

/* ---- deadlines ---------------------------------------------------------------------------------------------------- */

static void check_labels(const adk_result *result, uint64_t timeout_ns)
{
    adk_limits limits = ADK_LIMITS_INIT;
    char *report = NULL;

    adk_result_limits(result, &limits);
    assert_int_equal(limits.timeout_ns, timeout_ns);
    assert_int_equal(limits.memory_limit_bytes, ADK_MEMORY_LIMIT_PYTHON_BYTES);
    assert_int_equal(adk_report_json(result, NULL, &report, NULL), ADK_OK);
    adk_test_keep_report(report);
    if (strstr(report, "\"gate\"") == NULL || strstr(report, "\"python\"") == NULL ||
        strstr(report, "\"mocked\"") == NULL)
        fail_msg("no labels in %s", report);
    adk_free(report);
}

static void test_deadline_in_the_queue(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(2, 8, 0);
    adk_job *busy[2] = {submit_code(executor, g->backend, "wait", 60 * SECOND),
                        submit_code(executor, g->backend, "wait", 60 * SECOND)};
    uint64_t start_ns;
    adk_job *later;
    adk_job *first;
    adk_result *result;

    (void)state;
    gate_await(g, 2);
    start_ns = adk_test_now_ns();
    later = submit_code(executor, g->backend, "x", 120 * MS);
    first = submit_code(executor, g->backend, "x", 60 * MS);
    result = result_of(first);
    assert_true(adk_test_now_ns() - start_ns >= 60 * MS);
    assert_true(adk_test_now_ns() - start_ns < 60 * MS + adk_test_slack_ns());
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_QUEUE);
    assert_bytes_are(adk_result_message(result), "execution timed out after 60ms");
    assert_true(adk_test_usage(result).duration_ns >= 60 * MS);
    check_labels(result, 60 * MS);
    adk_result_free(result);
    adk_job_free(first);
    expect_end(later, ADK_OUTCOME_TIMED_OUT, ADK_PHASE_QUEUE);
    assert_true(adk_test_now_ns() - start_ns >= 120 * MS);
    assert_int_equal(g->started, 2);
    gate_open(g);
    expect_end(busy[0], ADK_OUTCOME_EXITED, ADK_PHASE_RUN);
    expect_end(busy[1], ADK_OUTCOME_EXITED, ADK_PHASE_RUN);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static void test_time_in_the_queue_counts(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 8, 0);
    adk_job *busy = submit_code(executor, g->backend, "wait", 60 * SECOND);
    adk_job *late;
    adk_result *result;

    (void)state;
    gate_await(g, 1);
    late = submit_code(executor, g->backend, "x", 60 * SECOND);
    assert_int_equal(adk_job_wait(late, 50 * MS), ADK_E_BUSY);
    gate_open(g);
    result = result_of(late);
    assert_true(g->seen_timeout_ns <= 60 * SECOND - 50 * MS);
    assert_true(adk_test_usage(result).duration_ns >= 50 * MS);
    check_labels(result, 60 * SECOND);
    adk_result_free(result);
    adk_job_free(late);
    expect_end(busy, ADK_OUTCOME_EXITED, ADK_PHASE_RUN);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static void test_far_deadlines(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 8, 0);
    adk_job *job = submit_code(executor, g->backend, "x", UINT64_MAX);
    adk_result *result = result_of(job);

    (void)state;
    check_labels(result, INT64_MAX);
    adk_result_free(result);
    adk_job_free(job);
    job = submit_code(executor, g->backend, "x", 1); /* over before anybody could take it up */
    expect_end(job, ADK_OUTCOME_TIMED_OUT, ADK_PHASE_QUEUE);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

/* ---- cancelling --------------------------------------------------------------------------------------------------- */

static void test_cancel_a_queued_and_a_running_job(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 8, 0);
    adk_job *running = submit_code(executor, g->backend, "wait", 60 * SECOND);
    adk_job *queued = submit_code(executor, g->backend, "x", 60 * SECOND);
    adk_job *stays = submit_code(executor, g->backend, "stays", 60 * SECOND);
    adk_result *result;

    (void)state;
    gate_await(g, 1);
    adk_job_cancel(queued);
    result = result_of(queued);
    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_QUEUE);
    assert_bytes_are(adk_result_message(result), "cancelled");
    check_labels(result, 60 * SECOND);
    adk_result_free(result);
    adk_job_cancel(queued); /* too late: nothing */
    adk_job_free(queued);
    adk_job_cancel(running);
    expect_end(running, ADK_OUTCOME_CANCELLED, ADK_PHASE_RUN);
    expect_end(stays, ADK_OUTCOME_EXITED, ADK_PHASE_RUN);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static void test_the_callers_cancel(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 8, 0);
    adk_request request = request_for("wait", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, NULL, NULL, 0, 0};
    adk_cancel *cancel = NULL;
    adk_job *jobs[4];

    (void)state;
    assert_int_equal(adk_cancel_new(&cancel, NULL), ADK_OK);
    s.cancel = cancel;
    for (size_t i = 0; i < 3; i++)
        jobs[i] = submit(executor, &s);
    gate_await(g, 1);
    adk_cancel_fire(cancel);
    jobs[3] = submit(executor, &s); /* fired before */
    expect_end(jobs[0], ADK_OUTCOME_CANCELLED, ADK_PHASE_RUN);
    for (size_t i = 1; i < 4; i++)
        expect_end(jobs[i], ADK_OUTCOME_CANCELLED, ADK_PHASE_QUEUE);
    assert_int_equal(g->started, 1);
    adk_cancel_free(cancel);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static void test_cancelling_one_leaves_the_others(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(2, 8, 0);
    adk_request request = request_for("wait", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, NULL, NULL, 0, 0};
    adk_job *jobs[2];

    (void)state;
    assert_int_equal(adk_cancel_new(&s.cancel, NULL), ADK_OK);
    jobs[0] = submit(executor, &s);
    jobs[1] = submit(executor, &s);
    adk_cancel_free(s.cancel); /* the jobs have references of their own */
    gate_await(g, 2);
    adk_job_cancel(jobs[0]);
    expect_end(jobs[0], ADK_OUTCOME_CANCELLED, ADK_PHASE_RUN);
    assert_int_equal(adk_job_wait(jobs[1], 0), ADK_E_BUSY);
    gate_open(g);
    expect_end(jobs[1], ADK_OUTCOME_EXITED, ADK_PHASE_RUN);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

/* One thread fires while others submit, run and finish: nothing is lost and nothing is ended twice. */
struct storm {
    adk_executor *executor;
    adk_submission submission;
    adk_cancel *cancels[200];
};

static void *fire_all(void *data)
{
    struct storm *storm = data;

    for (size_t i = 0; i < 200; i++) {
        adk_cancel_fire(storm->cancels[i]);
        if (i % 16 == 0)
            (void)sched_yield();
    }
    return NULL;
}

static void test_cancelling_races_with_everything(void **state)
{
    gate *g = gate_new();
    adk_request request = request_for("x", 60 * SECOND);
    struct storm storm = {executor_with(2, 1000, 1),
                          {sizeof(adk_submission), g->backend, &request, NULL, 0, count_callback, NULL, 0, 0},
                          {NULL}};
    pthread_t thread;

    (void)state;
    atomic_store(&callbacks, 0);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(adk_cancel_new(&storm.cancels[i], NULL), ADK_OK);
    assert_int_equal(pthread_create(&thread, NULL, fire_all, &storm), 0);
    for (size_t i = 0; i < 1000; i++) {
        storm.submission.cancel = storm.cancels[i % 200];
        storm.submission.tenant = i % 3;
        while (adk_executor_submit(storm.executor, &storm.submission, NULL, NULL) == ADK_E_BUSY)
            (void)sched_yield();
    }
    adk_executor_close(storm.executor, ADK_SHUTDOWN_WAIT);
    assert_int_equal(atomic_load(&callbacks), 1000);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (size_t i = 0; i < 200; i++)
        adk_cancel_free(storm.cancels[i]);
    adk_executor_free(storm.executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

/* ---- callbacks ---------------------------------------------------------------------------------------------------- */

struct chain {
    adk_executor *executor;
    adk_backend *backend;
    unsigned left;
    unsigned exited;
};

static void submit_next(void *data, adk_job *job)
{
    struct chain *chain = data;
    adk_request request = request_for("x", 10 * SECOND);
    adk_submission s = {sizeof(s), chain->backend, &request, NULL, 0, submit_next, chain, 0, 0};
    adk_result *result = NULL;

    assert_ptr_equal(adk_job_data(job), chain);
    assert_int_equal(adk_job_take_result(job, &result, NULL), ADK_OK);
    chain->exited += adk_result_outcome(result) == ADK_OUTCOME_EXITED;
    adk_result_free(result);
    s.flags = chain->left == 1 ? ADK_SUBMISSION_COLLECT : 0;
    if (chain->left-- > 0)
        assert_int_equal(adk_executor_submit(chain->executor, &s, NULL, NULL), ADK_OK);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, timeout_ms) == 1;
}

static void test_a_callback_submits_again(void **state)
{
    gate *g = gate_new();
    struct chain chain = {executor_with(1, 4, 0), g->backend, 100, 0};
    adk_request request = request_for("x", 10 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, submit_next, &chain, 0, 0};
    adk_result *result = NULL;
    adk_job *job;

    (void)state;
    assert_int_equal(adk_executor_submit(chain.executor, &s, NULL, NULL), ADK_OK);
    assert_true(readable(adk_executor_fd(chain.executor), 20000));
    job = adk_executor_take(chain.executor);
    assert_non_null(job);
    assert_int_equal(adk_job_wait(job, 0), ADK_OK);
    assert_int_equal(adk_job_take_result(job, &result, NULL), ADK_E_INVALID); /* the callback has it */
    adk_job_free(job);
    assert_int_equal(chain.exited, 101);
    adk_executor_free(chain.executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static atomic_bool callback_over;

static void slow_callback(void *data, adk_job *job)
{
    (void)data;
    assert_int_equal(adk_job_wait(job, 0), ADK_E_BUSY); /* not finished before it returns */
    adk_test_sleep_ns(30 * MS);
    atomic_store(&callback_over, true);
}

static void test_finished_means_that_the_callback_has_returned(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 4, 0);
    adk_request request = request_for("x", 10 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, slow_callback, NULL, 0, 0};
    adk_job *job;

    (void)state;
    atomic_store(&callback_over, false);
    job = submit(executor, &s);
    assert_int_equal(adk_job_wait(job, UINT64_MAX), ADK_OK);
    assert_true(atomic_load(&callback_over));
    adk_job_free(job);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static void keep_span(void *data, const adk_span *span)
{
    *(adk_span *)data = *span;
}

static void test_a_job_that_ends_in_the_queue_is_traced(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 4, 0);
    adk_request request = request_for("x", 20 * MS);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, NULL, NULL, 0, 0};
    adk_job *busy = submit_code(executor, g->backend, "wait", 60 * SECOND);
    adk_span span = {0};

    (void)state;
    request.on_trace = keep_span;
    request.trace_data = &span;
    expect_end(submit(executor, &s), ADK_OUTCOME_TIMED_OUT, ADK_PHASE_QUEUE);
    assert_int_equal(span.outcome, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(span.phase, ADK_PHASE_QUEUE);
    assert_true(span.duration_ns >= 20 * MS);
    gate_open(g);
    adk_job_free(busy);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

/* ---- the descriptor ----------------------------------------------------------------------------------------------- */

static void test_the_descriptor(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 16, 0);
    int fd = adk_executor_fd(executor);
    adk_request request = request_for("wait", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, NULL, NULL, ADK_SUBMISSION_COLLECT, 0};
    int numbers[10];

    (void)state;
    for (int i = 0; i < 10; i++) {
        numbers[i] = i;
        s.data = &numbers[i];
        assert_int_equal(adk_executor_submit(executor, &s, NULL, NULL), ADK_OK);
    }
    gate_await(g, 1);
    assert_false(readable(fd, 0));
    assert_null(adk_executor_take(executor));
    gate_open(g);
    for (int i = 0; i < 10; i++) {
        adk_result *result = NULL;
        adk_job *job;

        assert_true(readable(fd, 20000));
        job = adk_executor_take(executor);
        assert_non_null(job);
        assert_int_equal(*(int *)adk_job_data(job), i);
        assert_int_equal(adk_job_wait(job, 0), ADK_OK);
        assert_int_equal(adk_job_take_result(job, &result, NULL), ADK_OK);
        adk_result_free(result);
        adk_job_free(job);
    }
    assert_false(readable(fd, 0));
    assert_null(adk_executor_take(executor));
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

/* ---- tenants ------------------------------------------------------------------------------------------------------ */

static void test_a_tenant_over_its_cap_lets_others_pass(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(3, 64, 2);
    adk_request request = request_for("", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, count_callback, NULL, 0, 0};
    char code[24];

    (void)state;
    for (int i = 0; i < 10; i++) { /* tenant 1 comes first, with more than it may run */
        (void)snprintf(code, sizeof(code), "wait 1.%d", i);
        request.code = adk_bytes_from_cstr(code);
        s.tenant = 1;
        assert_int_equal(adk_executor_submit(executor, &s, NULL, NULL), ADK_OK);
    }
    gate_await(g, 2);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(code, sizeof(code), "2.%d", i);
        request.code = adk_bytes_from_cstr(code);
        s.tenant = UINT64_MAX;
        assert_int_equal(adk_executor_submit(executor, &s, NULL, NULL), ADK_OK);
    }
    gate_await(g, 5);
    assert_string_equal(g->log[2], "2.0");
    assert_string_equal(g->log[3], "2.1");
    assert_string_equal(g->log[4], "2.2");
    assert_int_equal(g->started, 5);
    gate_open(g);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    assert_int_equal(g->started, 13);
    assert_true(g->running_max <= 3);
    gate_free(g);
}

static void test_order_within_a_tenant_and_among_them(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 64, 1);
    adk_request request = request_for("", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, count_callback, NULL, 0, 0};
    adk_job *cancelled = NULL;
    char code[24];

    (void)state;
    adk_job_free(submit_code(executor, g->backend, "wait", 60 * SECOND));
    gate_await(g, 1);
    for (unsigned i = 0; i < 30; i++) {
        (void)snprintf(code, sizeof(code), "%u", i);
        request.code = adk_bytes_from_cstr(code);
        s.tenant = 1 + i * 7 % 5;
        assert_int_equal(adk_executor_submit(executor, &s, i == 0 ? &cancelled : NULL, NULL), ADK_OK);
    }
    adk_job_cancel(cancelled); /* the head of a tenant, and of all */
    adk_job_free(cancelled);
    gate_open(g);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    assert_int_equal(g->log_count, 30);
    for (int i = 1; i < 30; i++) {
        (void)snprintf(code, sizeof(code), "%d", i);
        assert_string_equal(g->log[i], code);
    }
    gate_free(g);
}

static void test_jobs_of_a_capped_tenant_time_out(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(2, 64, 1);
    adk_job *busy = submit_code(executor, g->backend, "wait", 60 * SECOND);

    (void)state;
    gate_await(g, 1);
    expect_end(submit_code(executor, g->backend, "x", 20 * MS), ADK_OUTCOME_TIMED_OUT, ADK_PHASE_QUEUE);
    gate_open(g);
    expect_end(busy, ADK_OUTCOME_EXITED, ADK_PHASE_RUN);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_are_checked),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_submissions_are_checked),
        cmocka_unit_test(test_results_come_back),
        cmocka_unit_test(test_a_failed_call_comes_back),
        cmocka_unit_test(test_jobs_start_in_order),
        cmocka_unit_test(test_full_queue_is_busy_at_once),
        cmocka_unit_test(test_a_thousand_jobs_on_two_threads),
        cmocka_unit_test(test_deadline_in_the_queue),
        cmocka_unit_test(test_time_in_the_queue_counts),
        cmocka_unit_test(test_far_deadlines),
        cmocka_unit_test(test_cancel_a_queued_and_a_running_job),
        cmocka_unit_test(test_the_callers_cancel),
        cmocka_unit_test(test_cancelling_one_leaves_the_others),
        cmocka_unit_test(test_cancelling_races_with_everything),
        cmocka_unit_test(test_a_callback_submits_again),
        cmocka_unit_test(test_finished_means_that_the_callback_has_returned),
        cmocka_unit_test(test_a_job_that_ends_in_the_queue_is_traced),
        cmocka_unit_test(test_the_descriptor),
        cmocka_unit_test(test_a_tenant_over_its_cap_lets_others_pass),
        cmocka_unit_test(test_order_within_a_tenant_and_among_them),
        cmocka_unit_test(test_jobs_of_a_capped_tenant_time_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
