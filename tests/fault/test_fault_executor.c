/*
 * The executor with a backend of the test's own: everything it allocates, its threads, its descriptor.
 */
#include "fault.h"

#include <poll.h>
#include <pthread.h>

#include <adk/executor.h>

/* ---- a backend ---------------------------------------------------------------------------------------------------- */

/* Runs of "wait" begin, and end when they are cancelled; "fail" fails the call; all others give their code back. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned waiting;
    unsigned ended; /* callbacks */
} stage = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

static void on_cancel(void *data)
{
    (void)pthread_mutex_lock(&stage.mutex);
    *(bool *)data = true;
    (void)pthread_cond_broadcast(&stage.changed);
    (void)pthread_mutex_unlock(&stage.mutex);
}

static void wait_for_cancel(adk_cancel *cancel)
{
    adk_cancel_watch watch;
    bool cancelled = false;

    adk_cancel_add_watch(cancel, &watch, on_cancel, &cancelled);
    (void)pthread_mutex_lock(&stage.mutex);
    stage.waiting++;
    (void)pthread_cond_broadcast(&stage.changed);
    while (!cancelled)
        (void)pthread_cond_wait(&stage.changed, &stage.mutex);
    stage.waiting--;
    (void)pthread_mutex_unlock(&stage.mutex);
    adk_cancel_remove_watch(cancel, &watch);
}

/* Waits until one runs, or until it has ended, which only a fault makes it do. */
static bool wait_for_waiting(unsigned ended_before)
{
    bool waiting;

    (void)pthread_mutex_lock(&stage.mutex);
    while (stage.waiting == 0 && stage.ended == ended_before)
        (void)pthread_cond_wait(&stage.changed, &stage.mutex);
    waiting = stage.waiting > 0;
    (void)pthread_mutex_unlock(&stage.mutex);
    return waiting;
}

static unsigned count_ended(void)
{
    unsigned ended;

    (void)pthread_mutex_lock(&stage.mutex);
    ended = stage.ended;
    (void)pthread_mutex_unlock(&stage.mutex);
    return ended;
}

static int fill(adk_result *result, const adk_request *request, adk_cancel *cancel)
{
    if (!adk_test_bytes_are(request->code, "wait"))
        return adk_result_append_output(result, 1, request->code);
    wait_for_cancel(cancel);
    return adk_result_set_outcome(result, ADK_OUTCOME_CANCELLED, ADK_PHASE_RUN, ADK_REASON_NONE, 0, BYTES("stop"));
}

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    adk_result *result;
    int status;

    (void)state;
    if (adk_test_bytes_are(request->code, "fail")) {
        *ret_error = adk_error_new(ADK_E_UNAVAILABLE, 0, "not today");
        return ADK_E_UNAVAILABLE;
    }
    status = adk_result_new(request, &result, ret_error);
    if (status != ADK_OK)
        return status;
    status = fill(result, request, cancel);
    if (status != ADK_OK) {
        adk_result_free(result);
        return status;
    }
    *ret_result = result;
    return ADK_OK;
}

static adk_backend *backend;

static int setup(void **state)
{
    adk_backend_ops ops = ADK_BACKEND_OPS_INIT;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;

    (void)state;
    ops.execute = execute;
    capabilities.enforced = UINT32_MAX;
    capabilities.languages = 1u << ADK_LANGUAGE_WASM;
    capabilities.isolation_cstr = "none";
    return adk_backend_new(&ops, NULL, "test", &capabilities, &backend, NULL);
}

static int teardown(void **state)
{
    (void)state;
    adk_backend_free(backend);
    return fault_count().blocks == 0 ? 0 : -1;
}

/* ---- a world ------------------------------------------------------------------------------------------------------ */

static int make(const adk_executor_options *options, adk_executor **ret_executor)
{
    adk_executor *executor = UNWRITTEN(adk_executor);
    adk_error *error = UNWRITTEN(adk_error);
    int status = fault_status(adk_executor_new(options, &executor, &error), &error);

    if (status == ADK_OK)
        *ret_executor = executor;
    else
        EXPECT(executor == UNWRITTEN(adk_executor));
    return status;
}

static void on_done(void *data, adk_job *job)
{
    (void)data;
    (void)job;
    (void)pthread_mutex_lock(&stage.mutex);
    stage.ended++;
    (void)pthread_cond_broadcast(&stage.changed);
    (void)pthread_mutex_unlock(&stage.mutex);
}

/* The job's reference is the caller's. */
static int submit(adk_executor *executor, const char *code, uint64_t timeout_ns, adk_cancel *cancel, adk_job **ret_job)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_submission submission = ADK_SUBMISSION_INIT;
    adk_job *job = UNWRITTEN(adk_job);
    adk_error *error = UNWRITTEN(adk_error);
    int status;

    request.code = adk_bytes_from_cstr(code);
    request.timeout_ns = timeout_ns;
    submission.backend = backend;
    submission.request = &request;
    submission.cancel = cancel;
    submission.on_done = on_done;
    status = fault_status(adk_executor_submit(executor, &submission, &job, &error), &error);
    if (status == ADK_OK)
        *ret_job = job;
    else
        EXPECT(job == UNWRITTEN(adk_job));
    return status;
}

/* Waits for a job, takes its result, and gives the reference back. */
static int take(adk_job *job, adk_outcome outcome, const char *out, const char *message)
{
    adk_result *result = UNWRITTEN(adk_result);
    adk_error *error = UNWRITTEN(adk_error);
    int status = adk_job_wait(job, UINT64_MAX);

    EXPECT(status == ADK_OK);
    status = fault_status(adk_job_take_result(job, &result, &error), &error);
    adk_job_free(job);
    if (status != ADK_OK) {
        EXPECT(result == UNWRITTEN(adk_result));
        return status;
    }
    EXPECT(adk_result_outcome(result) == outcome);
    EXPECT_BYTES(adk_result_stdout(result).head, out);
    EXPECT_BYTES(adk_result_message(result), message);
    adk_result_free(result);
    return ADK_OK;
}

/* ---- what is done with it ----------------------------------------------------------------------------------------- */

static int finish_one(adk_executor *executor)
{
    adk_job *job;
    int status = submit(executor, "one", SECOND * 30, NULL, &job);

    return status == ADK_OK ? take(job, ADK_OUTCOME_EXITED, "one", "") : status;
}

static int fail_one(adk_executor *executor)
{
    adk_job *job;
    int status = submit(executor, "fail", SECOND * 30, NULL, &job);

    if (status == ADK_OK)
        status = take(job, ADK_OUTCOME_EXITED, "", "");
    return status == ADK_E_UNAVAILABLE ? ADK_OK : status;
}

static int collect_one(adk_executor *executor)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_submission submission = ADK_SUBMISSION_INIT;
    struct pollfd ready = {.fd = adk_executor_fd(executor), .events = POLLIN};
    adk_error *error = UNWRITTEN(adk_error);
    adk_job *job;
    int status;

    request.code = BYTES("collected");
    request.timeout_ns = SECOND * 30;
    submission.backend = backend;
    submission.request = &request;
    submission.flags = ADK_SUBMISSION_COLLECT;
    status = fault_status(adk_executor_submit(executor, &submission, NULL, &error), &error);
    if (status != ADK_OK)
        return status;
    EXPECT(poll(&ready, 1, -1) == 1);
    job = adk_executor_take(executor);
    EXPECT(job != NULL);
    EXPECT(adk_executor_take(executor) == NULL);
    return take(job, ADK_OUTCOME_EXITED, "collected", "");
}

/* Its time is up before anybody can look at it. */
static int late_one(adk_executor *executor)
{
    adk_job *job;
    int status = submit(executor, "late", 1, NULL, &job);

    return status == ADK_OK ? take(job, ADK_OUTCOME_TIMED_OUT, "", "execution timed out after 1ns") : status;
}

/* One runs, and of the same tenant one waits: that is cancelled first. */
static int cancel_behind(adk_executor *executor, adk_job *running, adk_cancel *cancel)
{
    adk_job *queued;
    int status = submit(executor, "queued", SECOND * 30, NULL, &queued);
    int ended;

    if (status == ADK_OK) {
        adk_job_cancel(queued);
        status = take(queued, ADK_OUTCOME_CANCELLED, "", "cancelled");
    }
    adk_cancel_fire(cancel);
    ended = take(running, ADK_OUTCOME_CANCELLED, "", "stop");
    return status == ADK_OK ? ended : status;
}

static int cancel_two(adk_executor *executor)
{
    adk_cancel *cancel;
    adk_error *error = UNWRITTEN(adk_error);
    adk_job *running;
    unsigned ended = count_ended();
    int status = fault_status(adk_cancel_new(&cancel, &error), &error);

    if (status != ADK_OK)
        return status;
    status = submit(executor, "wait", SECOND * 30, cancel, &running);
    if (status == ADK_OK && wait_for_waiting(ended))
        status = cancel_behind(executor, running, cancel);
    else if (status == ADK_OK)
        status = take(running, ADK_OUTCOME_CANCELLED, "", "stop");
    adk_cancel_free(cancel);
    return status;
}

static int use_executor(void *unused)
{
    static int (*const steps[])(adk_executor *) = {finish_one, fail_one, collect_one, late_one, cancel_two, finish_one};
    adk_executor_options options = ADK_EXECUTOR_OPTIONS_INIT;
    adk_executor *executor;
    int first = ADK_OK;
    int status;

    (void)unused;
    options.threads = 2;
    options.queue_length = 8;
    options.tenant_running_max = 1;
    status = make(&options, &executor);
    if (status != ADK_OK)
        return status;
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        status = steps[i](executor); /* after one that failed the next go on */
        if (first == ADK_OK || status == FAULT_WRONG)
            first = status;
    }
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    return first;
}

static void sweep_other(const char *name, fault_kind kind, uint32_t may_fail, unsigned least)
{
    fault_scenario scenario = {
        .name = name, .run = use_executor, .kind = kind, .mode = FAULT_ONCE, .may_fail = may_fail, .least = least};

    fault_sweep(&scenario, NULL);
    scenario.mode = FAULT_FROM;
    fault_sweep(&scenario, NULL);
}

static void test_memory(void **state)
{
    (void)state;
    fault_sweep_memory("an executor", use_executor, NULL, 30);
}

static void test_other_calls(void **state)
{
    (void)state;
    sweep_other("an executor, threads", FAULT_THREAD, FAULT_SYSTEM, 3);
    sweep_other("an executor, descriptors", FAULT_DESCRIPTOR, FAULT_SYSTEM, 1);
    sweep_other("an executor, locks", FAULT_PTHREAD, FAULT_SYSTEM | FAULT_NOMEM, 9);
}

/* ---- closed with jobs in every state ------------------------------------------------------------------------------ */

/* Each is told of its end, and those that were not taken have none. */
static int submit_many(adk_executor *executor, unsigned *ret_submitted)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_submission submission = ADK_SUBMISSION_INIT;
    int status = ADK_OK;

    request.code = BYTES("wait");
    request.timeout_ns = SECOND * 30;
    submission.backend = backend;
    submission.request = &request;
    submission.on_done = on_done;
    *ret_submitted = 0;
    for (; submission.tenant < 700 && status == ADK_OK; submission.tenant++) {
        adk_error *error = UNWRITTEN(adk_error);

        status = fault_status(adk_executor_submit(executor, &submission, NULL, &error), &error);
        *ret_submitted += status == ADK_OK;
    }
    return status;
}

static int close_full(void *unused)
{
    adk_executor_options options = ADK_EXECUTOR_OPTIONS_INIT;
    adk_executor *executor;
    unsigned ended = count_ended();
    unsigned submitted;
    int status;

    (void)unused;
    options.threads = 1;
    options.tenant_running_max = 1;
    status = make(&options, &executor);
    if (status != ADK_OK)
        return status;
    status = submit_many(executor, &submitted);
    adk_executor_free(executor, ADK_SHUTDOWN_CANCEL);
    EXPECT(count_ended() - ended == submitted);
    EXPECT(status != ADK_OK || submitted == 700);
    return status;
}

/* So many tenants that their table grows; what is smaller than that has its turn above. */
static void test_growing_table(void **state)
{
    fault_scenario scenario = {.name = "an executor with many tenants, tables",
                               .run = close_full,
                               .kind = FAULT_MEMORY,
                               .mode = FAULT_ONCE,
                               .may_fail = FAULT_NOMEM,
                               .least = 4,
                               .size = 1000};

    (void)state;
    fault_sweep(&scenario, NULL);
    scenario.mode = FAULT_FROM;
    fault_sweep(&scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_other_calls),
        cmocka_unit_test(test_growing_table),
    };

    fault_begin();
    return cmocka_run_group_tests_name("fault executor", tests, setup, teardown);
}
