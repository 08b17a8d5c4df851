/*
 * What the tests of the executor share: a backend whose runs begin, are counted, and wait for a gate, so that a test knows
 * what runs and what waits without sleeping.
 *
 * The request's code says what a run does: "wait…" waits for the gate, its deadline or its cancellation; "fail" fails the
 * call; anything else ends at once. Standard output is the code again.
 */
#ifndef ADK_TEST_EXECUTOR_H
#define ADK_TEST_EXECUTOR_H

#include "support.h"

#include <pthread.h>

#include <adk/executor.h>

#define LOG_MAX 2048

typedef struct gate {
    adk_backend *backend;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool open;
    unsigned started;
    unsigned running;
    unsigned running_max;
    uint64_t seen_timeout_ns; /* of the run that started last */
    unsigned log_count;
    char log[LOG_MAX][16]; /* the codes of the runs, as they started */
} gate;

typedef struct gate_run {
    gate *gate;
    bool cancelled;
} gate_run;

static inline void gate_on_cancel(void *data)
{
    gate_run *run = data;

    (void)pthread_mutex_lock(&run->gate->mutex);
    run->cancelled = true;
    (void)pthread_cond_broadcast(&run->gate->changed);
    (void)pthread_mutex_unlock(&run->gate->mutex);
}

static inline bool gate_code_begins(const adk_request *request, const char *text)
{
    return request->code.size >= strlen(text) && memcmp(request->code.data, text, strlen(text)) == 0;
}

static inline adk_outcome gate_wait(gate *g, gate_run *run, uint64_t deadline_ns)
{
    adk_outcome outcome = ADK_OUTCOME_EXITED;
    struct timespec deadline = {(time_t)(deadline_ns / SECOND), (long)(deadline_ns % SECOND)};

    (void)pthread_mutex_lock(&g->mutex);
    while (!g->open && !run->cancelled && adk_test_now_ns() < deadline_ns)
        (void)pthread_cond_clockwait(&g->changed, &g->mutex, CLOCK_MONOTONIC, &deadline);
    if (run->cancelled)
        outcome = ADK_OUTCOME_CANCELLED;
    else if (!g->open)
        outcome = ADK_OUTCOME_TIMED_OUT;
    (void)pthread_mutex_unlock(&g->mutex);
    return outcome;
}

static inline void gate_enter(gate *g, const adk_request *request)
{
    size_t size = request->code.size < sizeof(g->log[0]) - 1 ? request->code.size : sizeof(g->log[0]) - 1;

    (void)pthread_mutex_lock(&g->mutex);
    g->started++;
    if (++g->running > g->running_max)
        g->running_max = g->running;
    g->seen_timeout_ns = request->timeout_ns;
    if (g->log_count < LOG_MAX) {
        memcpy(g->log[g->log_count], request->code.data, size);
        g->log[g->log_count++][size] = '\0';
    }
    (void)pthread_cond_broadcast(&g->changed);
    (void)pthread_mutex_unlock(&g->mutex);
}

static inline void gate_leave(gate *g)
{
    (void)pthread_mutex_lock(&g->mutex);
    g->running--;
    (void)pthread_cond_broadcast(&g->changed);
    (void)pthread_mutex_unlock(&g->mutex);
}

static inline int gate_execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                               adk_error **ret_error)
{
    gate *g = state;
    gate_run run = {g, false};
    adk_cancel_watch watch;
    uint64_t deadline_ns = adk_test_now_ns() + request->timeout_ns;
    adk_outcome outcome = ADK_OUTCOME_EXITED;
    adk_result *result = NULL;
    int status = ADK_OK;

    gate_enter(g, request);
    if (gate_code_begins(request, "wait")) {
        adk_cancel_add_watch(cancel, &watch, gate_on_cancel, &run);
        outcome = gate_wait(g, &run, deadline_ns);
        adk_cancel_remove_watch(cancel, &watch);
    }
    gate_leave(g);
    if (gate_code_begins(request, "fail")) {
        *ret_error = adk_error_new(ADK_E_SYSTEM, 5, "the mock fails");
        return ADK_E_SYSTEM;
    }
    status = adk_result_new(request, &result, ret_error);
    if (status != ADK_OK)
        return status;
    if (adk_result_set_outcome(result, outcome, ADK_PHASE_RUN, ADK_REASON_NONE, 0, BYTES("")) != ADK_OK ||
        adk_result_append_output(result, 1, request->code) != ADK_OK) {
        adk_result_free(result);
        return ADK_E_NOMEM;
    }
    *ret_result = result;
    return ADK_OK;
}

static inline gate *gate_new(void)
{
    static const adk_backend_ops ops = {sizeof(ops), gate_execute, NULL};
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    gate *g = calloc(1, sizeof(*g));

    assert_non_null(g);
    (void)pthread_mutex_init(&g->mutex, NULL);
    (void)pthread_cond_init(&g->changed, NULL);
    capabilities.enforced = ADK_ENFORCES_TIMEOUT;
    capabilities.languages = 1u << ADK_LANGUAGE_PYTHON;
    capabilities.isolation_cstr = "mocked";
    assert_int_equal(adk_backend_new(&ops, g, "gate", &capabilities, &g->backend, NULL), ADK_OK);
    return g;
}

static inline void gate_free(gate *g)
{
    adk_backend_free(g->backend);
    (void)pthread_cond_destroy(&g->changed);
    (void)pthread_mutex_destroy(&g->mutex);
    free(g);
}

static inline void gate_open(gate *g)
{
    (void)pthread_mutex_lock(&g->mutex);
    g->open = true;
    (void)pthread_cond_broadcast(&g->changed);
    (void)pthread_mutex_unlock(&g->mutex);
}

/** Waits until this many runs have started in all. */
static inline void gate_await(gate *g, unsigned started)
{
    uint64_t until_ns = adk_test_now_ns() + 20 * SECOND;
    struct timespec until = {(time_t)(until_ns / SECOND), (long)(until_ns % SECOND)};
    unsigned now;

    (void)pthread_mutex_lock(&g->mutex);
    while (g->started < started && adk_test_now_ns() < until_ns)
        (void)pthread_cond_clockwait(&g->changed, &g->mutex, CLOCK_MONOTONIC, &until);
    now = g->started;
    (void)pthread_mutex_unlock(&g->mutex);
    if (now < started)
        fail_msg("%u runs have started, not %u", now, started);
}

static inline adk_executor *executor_with(uint32_t threads, uint32_t queue_length, uint32_t tenant_running_max)
{
    adk_executor_options options = ADK_EXECUTOR_OPTIONS_INIT;
    adk_executor *executor = NULL;
    adk_error *error = NULL;

    options.threads = threads;
    options.queue_length = queue_length;
    options.tenant_running_max = tenant_running_max;
    if (adk_executor_new(&options, &executor, &error) != ADK_OK)
        fail_msg("no executor: %s", adk_error_message_cstr(error));
    return executor;
}

static inline adk_request request_for(const char *code, uint64_t timeout_ns)
{
    adk_request request = ADK_REQUEST_INIT;

    request.code = adk_bytes_from_cstr(code);
    request.timeout_ns = timeout_ns;
    return request;
}

/** Submits; the test fails where that does. */
static inline adk_job *submit(adk_executor *executor, const adk_submission *submission)
{
    adk_job *job = NULL;
    adk_error *error = NULL;

    if (adk_executor_submit(executor, submission, &job, &error) != ADK_OK)
        fail_msg("not submitted: %s", adk_error_message_cstr(error));
    assert_null(error);
    assert_non_null(job);
    return job;
}

static inline adk_job *submit_code(adk_executor *executor, adk_backend *backend, const char *code, uint64_t timeout_ns)
{
    adk_request request = request_for(code, timeout_ns);
    adk_submission submission = ADK_SUBMISSION_INIT;

    submission.backend = backend;
    submission.request = &request;
    return submit(executor, &submission);
}

/** Waits for a job that has to succeed as a call, and takes the result. */
static inline adk_result *result_of(adk_job *job)
{
    adk_result *result = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk_job_wait(job, UINT64_MAX), ADK_OK);
    if (adk_job_take_result(job, &result, &error) != ADK_OK)
        fail_msg("the run failed: %s", adk_error_message_cstr(error));
    return result;
}

/** Waits, checks how it ended, and frees the job. */
static inline void expect_end(adk_job *job, adk_outcome outcome, adk_phase phase)
{
    adk_result *result = result_of(job);

    adk_test_expect(result, outcome);
    assert_int_equal(adk_result_phase(result), phase);
    adk_result_free(result);
    adk_job_free(job);
}

#endif
