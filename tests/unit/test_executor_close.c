/*
 * src/core/executor: the end. Closing in both ways with jobs in every state, jobs that outlive their executor, and
 * children of fork that free, exit, or never touch it.
 */
#include "test_executor.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_uint callbacks;
static atomic_uint cancelled;

static void count_ends(void *data, adk_job *job)
{
    adk_result *result = NULL;

    (void)data;
    (void)atomic_fetch_add(&callbacks, 1);
    if (adk_job_take_result(job, &result, NULL) == ADK_OK && adk_result_outcome(result) == ADK_OUTCOME_CANCELLED)
        (void)atomic_fetch_add(&cancelled, 1);
    adk_result_free(result);
}

/* Finished and not taken: 2, one of them held; running: 2; waiting: 5, one of them held. */
struct scene {
    gate *gate;
    adk_executor *executor;
    adk_job *finished;
    adk_job *running;
    adk_job *waiting;
    adk_cancel *cancel;
};

static struct scene set(void)
{
    struct scene scene = {gate_new(), executor_with(2, 16, 0), NULL, NULL, NULL, NULL};
    adk_request request = request_for("x", 60 * SECOND);
    adk_submission s = {sizeof(s), scene.gate->backend, &request, NULL, 0, NULL, NULL, ADK_SUBMISSION_COLLECT, 0};
    adk_job *job;

    atomic_store(&callbacks, 0);
    atomic_store(&cancelled, 0);
    assert_int_equal(adk_cancel_new(&scene.cancel, NULL), ADK_OK);
    s.cancel = scene.cancel;
    scene.finished = submit(scene.executor, &s);
    job = submit(scene.executor, &s);
    assert_int_equal(adk_job_wait(scene.finished, UINT64_MAX), ADK_OK);
    assert_int_equal(adk_job_wait(job, UINT64_MAX), ADK_OK);
    adk_job_free(job);
    request.code = BYTES("wait");
    s.flags = 0;
    s.on_done = count_ends;
    scene.running = submit(scene.executor, &s);
    assert_int_equal(adk_executor_submit(scene.executor, &s, NULL, NULL), ADK_OK);
    gate_await(scene.gate, 4);
    scene.waiting = submit(scene.executor, &s);
    for (int i = 0; i < 4; i++)
        assert_int_equal(adk_executor_submit(scene.executor, &s, NULL, NULL), ADK_OK);
    return scene;
}

static void strike(struct scene *scene)
{
    expect_end(scene->finished, ADK_OUTCOME_EXITED, ADK_PHASE_RUN);
    assert_int_equal(adk_job_wait(scene->running, 0), ADK_OK); /* jobs may outlive their executor */
    assert_int_equal(adk_job_wait(scene->waiting, 0), ADK_OK);
    adk_job_cancel(scene->running);
    adk_cancel_fire(scene->cancel);
    adk_job_free(scene->running);
    adk_job_free(scene->waiting);
    adk_cancel_free(scene->cancel);
    gate_free(scene->gate);
}

static void *open_later(void *data)
{
    adk_test_sleep_ns(30 * MS);
    gate_open(data);
    return NULL;
}

static void test_free_waits(void **state)
{
    struct scene scene = set();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, open_later, scene.gate), 0);
    adk_executor_free(scene.executor, ADK_SHUTDOWN_WAIT);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&callbacks), 7);
    assert_int_equal(atomic_load(&cancelled), 0);
    assert_int_equal(scene.gate->started, 9);
    strike(&scene);
}

static void test_free_cancels(void **state)
{
    struct scene scene = set();
    uint64_t start_ns = adk_test_now_ns();

    (void)state;
    adk_executor_free(scene.executor, ADK_SHUTDOWN_CANCEL);
    assert_true(adk_test_now_ns() - start_ns < adk_test_slack_ns());
    assert_int_equal(atomic_load(&callbacks), 7);
    assert_int_equal(atomic_load(&cancelled), 7);
    assert_int_equal(scene.gate->started, 4);
    strike(&scene);
}

static void test_close_leaves_what_can_be_taken(void **state)
{
    struct scene scene = set();
    adk_request request = request_for("x", SECOND);
    adk_submission s = {sizeof(s), scene.gate->backend, &request, NULL, 0, count_ends, NULL, 0, 0};
    adk_error *error = NULL;
    adk_job *job;

    (void)state;
    adk_executor_close(scene.executor, ADK_SHUTDOWN_CANCEL);
    adk_executor_close(scene.executor, ADK_SHUTDOWN_WAIT); /* nothing is left to do */
    assert_int_equal(atomic_load(&callbacks), 7);
    assert_int_equal(adk_executor_submit(scene.executor, &s, NULL, &error), ADK_E_UNAVAILABLE);
    adk_error_free(error);
    for (int i = 0; i < 2; i++) {
        job = adk_executor_take(scene.executor);
        assert_non_null(job);
        adk_job_free(job);
    }
    assert_null(adk_executor_take(scene.executor));
    adk_executor_free(scene.executor, ADK_SHUTDOWN_WAIT);
    strike(&scene);
}

static void test_waiting_ends_at_the_deadlines(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 16, 0);
    adk_job *jobs[3];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        jobs[i] = submit_code(executor, g->backend, "wait", i == 0 ? 400 * MS : 60 * MS);
    gate_await(g, 1);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT); /* the gate never opens */
    expect_end(jobs[0], ADK_OUTCOME_TIMED_OUT, ADK_PHASE_RUN);
    expect_end(jobs[1], ADK_OUTCOME_TIMED_OUT, ADK_PHASE_QUEUE);
    expect_end(jobs[2], ADK_OUTCOME_TIMED_OUT, ADK_PHASE_QUEUE);
    gate_free(g);
}

struct closing {
    adk_executor *executor;
    adk_backend *backend;
};

static void submit_while_closing(void *data, adk_job *job)
{
    struct closing *closing = data;
    adk_request request = request_for("x", SECOND);
    adk_submission s = {sizeof(s), closing->backend, &request, NULL, 0, count_ends, NULL, 0, 0};

    (void)job;
    if (adk_executor_submit(closing->executor, &s, NULL, NULL) == ADK_E_UNAVAILABLE)
        (void)atomic_fetch_add(&callbacks, 1);
}

static void test_a_callback_cannot_submit_while_closing(void **state)
{
    gate *g = gate_new();
    struct closing closing = {executor_with(1, 16, 0), g->backend};
    adk_request request = request_for("wait", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, submit_while_closing, &closing, 0, 0};

    (void)state;
    atomic_store(&callbacks, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(adk_executor_submit(closing.executor, &s, NULL, NULL), ADK_OK);
    adk_executor_free(closing.executor, ADK_SHUTDOWN_CANCEL);
    assert_int_equal(atomic_load(&callbacks), 3);
    gate_free(g);
}

static void test_nothing_stays_behind(void **state)
{
    adk_test_census before;
    adk_test_census after;

    (void)state;
    adk_executor_free(executor_with(3, 0, 0), ADK_SHUTDOWN_WAIT);
    before = adk_test_count();
    for (int i = 0; i < 20; i++)
        adk_executor_free(executor_with(3, 0, 0), (adk_shutdown)i % 2);
    after = adk_test_count();
    assert_int_equal(after.threads, before.threads);
    assert_int_equal(after.descriptors, before.descriptors);
}

/* ---- fork --------------------------------------------------------------------------------------------------------- */

enum child { CHILD_FREES, CHILD_EXITS, CHILD_UNTOUCHED, CHILD_USES };

static void use_in_child(struct scene *scene)
{
    adk_request request = request_for("x", SECOND);
    adk_submission s = {sizeof(s), scene->gate->backend, &request, NULL, 0, count_ends, NULL, 0, 0};
    adk_result *result = NULL;
    adk_job *job;

    if (adk_executor_submit(scene->executor, &s, NULL, NULL) != ADK_E_UNAVAILABLE)
        _exit(10);
    if (adk_job_wait(scene->running, UINT64_MAX) != ADK_E_UNAVAILABLE ||
        adk_job_take_result(scene->waiting, &result, NULL) != ADK_E_UNAVAILABLE)
        _exit(11);
    if (adk_job_wait(scene->finished, 0) != ADK_OK || adk_job_take_result(scene->finished, &result, NULL) != ADK_OK)
        _exit(12);
    adk_result_free(result);
    adk_job_cancel(scene->running);
    adk_cancel_fire(scene->cancel);
    while ((job = adk_executor_take(scene->executor)) != NULL)
        adk_job_free(job);
    adk_executor_close(scene->executor, ADK_SHUTDOWN_WAIT);
}

static void free_in_child(struct scene *scene)
{
    adk_executor_free(scene->executor, ADK_SHUTDOWN_WAIT);
    adk_cancel_fire(scene->cancel); /* jobs that have gone are not called */
    adk_job_free(scene->finished);
    adk_job_free(scene->running);
    adk_job_free(scene->waiting);
    adk_cancel_free(scene->cancel);
}

static void fork_with(enum child kind)
{
    struct scene scene = set();
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        (void)alarm(20); /* a child that hangs dies of it */
        if (kind == CHILD_USES)
            use_in_child(&scene);
        if (kind == CHILD_USES || kind == CHILD_FREES)
            free_in_child(&scene);
        if (kind == CHILD_EXITS)
            exit(0); /* with its handlers */
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with status 0x%x", (unsigned)status);
    gate_open(scene.gate); /* and the parent goes on */
    adk_executor_free(scene.executor, ADK_SHUTDOWN_WAIT);
    assert_int_equal(atomic_load(&callbacks), 7);
    assert_int_equal(atomic_load(&cancelled), 0);
    strike(&scene);
}

static void test_a_child_frees(void **state)
{
    (void)state;
    fork_with(CHILD_FREES);
}

static void test_a_child_exits(void **state)
{
    (void)state;
    if (adk_test_sanitized())
        skip(); /* their leak check at exit counts the parent's memory */
    fork_with(CHILD_EXITS);
}

static void test_a_child_never_touches_it(void **state)
{
    (void)state;
    fork_with(CHILD_UNTOUCHED);
}

static void test_a_child_uses_it(void **state)
{
    (void)state;
    fork_with(CHILD_USES);
}

static void *fire(void *cancel)
{
    adk_cancel_fire(cancel);
    adk_cancel_free(cancel);
    return NULL;
}

/* Forks at any moment of a busy executor, with a cancellation that is being fired; the child makes one of its own. */
static void fork_in_the_middle(adk_executor *executor, adk_submission *s, unsigned *accepted)
{
    pthread_t thread;
    int status = 0;
    pid_t child;

    assert_int_equal(adk_cancel_new(&s->cancel, NULL), ADK_OK);
    for (unsigned k = 0; k < 50; k++) {
        s->tenant = k % 3;
        *accepted += adk_executor_submit(executor, s, NULL, NULL) == ADK_OK;
    }
    assert_int_equal(pthread_create(&thread, NULL, fire, s->cancel), 0);
    child = fork();
    if (child == 0) {
        (void)alarm(20);
        adk_executor_free(executor, ADK_SHUTDOWN_CANCEL);
        adk_executor_free(executor_with(2, 8, 0), ADK_SHUTDOWN_WAIT);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_forks_in_the_middle(void **state)
{
    gate *g;
    adk_executor *executor;
    adk_request request = request_for("x", 60 * SECOND);
    adk_submission s = {sizeof(s), NULL, &request, NULL, 0, count_ends, NULL, 0, 0};
    unsigned accepted = 0;

    (void)state;
    if (adk_test_sanitized() || adk_test_under_valgrind())
        skip(); /* a sanitizer's allocator is locked as a fork found it; valgrind takes the parent's memory for a leak */
    g = gate_new();
    executor = executor_with(2, 4096, 1);
    s.backend = g->backend;
    atomic_store(&callbacks, 0);
    for (int i = 0; i < 50; i++)
        fork_in_the_middle(executor, &s, &accepted);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    assert_int_equal(atomic_load(&callbacks), accepted);
    gate_free(g);
}

static void fork_here(void *data, adk_job *job)
{
    (void)job;
    *(pid_t *)data = fork();
    if (*(pid_t *)data == 0)
        (void)alarm(20);
}

/* The child has that one thread of the executor's, which finds nothing to do there and ends, and the process with it. */
static void test_a_callback_that_forks(void **state)
{
    gate *g;
    adk_executor *executor;
    pid_t child = -1;
    adk_request request = request_for("x", 60 * SECOND);
    adk_submission s = {sizeof(s), NULL, &request, NULL, 0, fork_here, &child, 0, 0};
    int status = 0;

    (void)state;
    if (adk_test_sanitized() || adk_test_under_valgrind())
        skip(); /* their leak check at exit counts the parent's memory */
    (void)fflush(NULL);
    g = gate_new();
    executor = executor_with(2, 16, 0);
    s.backend = g->backend;
    assert_int_equal(adk_executor_submit(executor, &s, NULL, NULL), ADK_OK);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    gate_free(g);
}

/* The process ends while threads run and jobs wait: nothing to see. */
static void test_exit_while_threads_run(void **state)
{
    pid_t child;
    int status = 0;

    (void)state;
    if (adk_test_sanitized() || adk_test_under_valgrind())
        skip(); /* as above */
    child = fork();
    if (child == 0) {
        (void)alarm(20);
        (void)set();
        exit(3);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
}

static int mask_execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                        adk_error **ret_error)
{
    (void)cancel;
    (void)pthread_sigmask(SIG_SETMASK, NULL, state);
    return adk_result_new(request, ret_result, ret_error);
}

static void test_threads_leave_signals_alone(void **state)
{
    static const adk_backend_ops ops = {sizeof(ops), mask_execute, NULL};
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_executor *executor = executor_with(1, 4, 0);
    adk_backend *backend = NULL;
    sigset_t mask;

    (void)state;
    (void)sigemptyset(&mask);
    capabilities.enforced = ADK_ENFORCES_TIMEOUT;
    capabilities.languages = 1u << ADK_LANGUAGE_PYTHON;
    capabilities.isolation_cstr = "mocked";
    assert_int_equal(adk_backend_new(&ops, &mask, "mask", &capabilities, &backend, NULL), ADK_OK);
    adk_job_free(submit_code(executor, backend, "x", SECOND));
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    assert_true(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGCHLD) && sigismember(&mask, SIGALRM));
    assert_false(sigismember(&mask, SIGSEGV) || sigismember(&mask, SIGILL) || sigismember(&mask, SIGFPE) ||
                 sigismember(&mask, SIGBUS));
    adk_backend_free(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_free_waits),
        cmocka_unit_test(test_free_cancels),
        cmocka_unit_test(test_close_leaves_what_can_be_taken),
        cmocka_unit_test(test_waiting_ends_at_the_deadlines),
        cmocka_unit_test(test_a_callback_cannot_submit_while_closing),
        cmocka_unit_test(test_nothing_stays_behind),
        cmocka_unit_test(test_a_child_frees),
        cmocka_unit_test(test_a_child_exits),
        cmocka_unit_test(test_a_child_never_touches_it),
        cmocka_unit_test(test_a_child_uses_it),
        cmocka_unit_test(test_forks_in_the_middle),
        cmocka_unit_test(test_a_callback_that_forks),
        cmocka_unit_test(test_exit_while_threads_run),
        cmocka_unit_test(test_threads_leave_signals_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
