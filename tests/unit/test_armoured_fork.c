/*
 * fork() in a host whose runs are in processes of their own: the child can use the library at once, whatever the parent's
 * other threads were at, and starts workers of its own; what is the parent's stays the parent's.
 */
#include "processes.h"
#include "worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define FORKS   25

static adk_backend *armoured(void)
{
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));

    options.flags |= ADK_WASM_ARMOURED;
    return adk_test_backend_with(&options);
}

/* What a child's exit status says. */
enum {
    FINE = 0,
    NO_CALL = 11,
    NO_EXIT,
    NO_OUTPUT,
    NO_WORKER,
    NO_REFUSAL,
};

/* In a child: without the test framework, whose failures are for the parent. */
static int use(adk_backend *backend)
{
    adk_request request = adk_test_request(GUEST_HELLO);

    for (int i = 0; i < 2; i++) {
        adk_result *result = NULL;
        int wrong = FINE;

        if (adk_backend_execute(backend, &request, NULL, &result, NULL) != ADK_OK)
            return NO_CALL;
        if (adk_result_outcome(result) != ADK_OUTCOME_EXITED)
            wrong = NO_EXIT;
        else if (!adk_test_bytes_are(adk_result_stdout(result).head, "hello, world\n"))
            wrong = NO_OUTPUT;
        adk_result_free(result);
        if (wrong != FINE)
            return wrong;
    }
    return FINE;
}

/* One that hangs is ended, and told by its signal. */
static int status_of(pid_t pid)
{
    uint64_t end_ns = adk_test_now_ns() + 60 * SECOND;
    int status = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (adk_test_now_ns() > end_ns)
            (void)kill(pid, SIGKILL);
        adk_test_sleep_ns(MS);
    }
    return status;
}

/* ---- in the middle of it all --------------------------------------------------------------------------------------- */

struct busy {
    adk_backend *backend;
    atomic_bool stop;
    atomic_uint runs;
};

/* Modules of its own, so that somebody compiles, looks up, drops, takes and gives at every moment. */
static void *be_busy(void *data)
{
    struct busy *busy = data;
    static atomic_uint number;

    while (!atomic_load(&busy->stop)) {
        char wat[200];
        adk_result *result = NULL;
        adk_request request = adk_test_request(wat);

        (void)snprintf(wat, sizeof(wat), "(module " IMPORT_EXIT START "(call $exit (i32.const %u))))",
                       atomic_fetch_add(&number, 1) / 8 % 100);
        request.code = adk_bytes_from_cstr(wat);
        result = adk_test_execute(busy->backend, &request, NULL);
        adk_test_expect(result, ADK_OUTCOME_EXITED);
        adk_result_free(result);
        (void)atomic_fetch_add(&busy->runs, 1);
    }
    return NULL;
}

static void test_a_child_of_a_busy_parent(void **state)
{
    struct busy busy = {.backend = NULL};
    pthread_t threads[THREADS];

    (void)state;
    if (adk_test_sanitized()) {
        print_message("skipped: the sanitizer's own allocator may be locked in the child\n");
        return;
    }
    busy.backend = armoured();
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, be_busy, &busy), 0);
    for (unsigned i = 0; i < FORKS; i++) {
        pid_t child;

        adk_test_sleep_ns((uint64_t)(i * 7919 % 100) * 50000);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            int wrong = use(busy.backend);

            if (wrong == FINE)
                adk_backend_free(busy.backend); /* waits for its workers, and for nobody else's */
            _exit(wrong);
        }
        assert_int_equal(status_of(child), 0);
    }
    atomic_store(&busy.stop, true);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    print_message("%u runs beside %d forks\n", atomic_load(&busy.runs), FORKS);
    adk_test_run_exits(busy.backend, GUEST_HELLO, 0);
    adk_backend_free(busy.backend);
    assert_true(adk_test_nobody_is_left());
}

/* ---- in a callback ------------------------------------------------------------------------------------------------- */

static pid_t forked = -1;

static int fork_once(void *data, adk_bytes bytes)
{
    (void)data;
    (void)bytes;
    if (forked < 0)
        forked = fork();
    return 0;
}

static int go_on_in_child(adk_backend *backend, int status, const adk_error *error)
{
    int wrong;

    if (status != ADK_E_UNAVAILABLE || strstr(adk_error_message_cstr(error), "belongs to the process") == NULL)
        return NO_REFUSAL;
    wrong = use(backend);
    if (wrong == FINE)
        adk_backend_free(backend);
    return wrong;
}

/* The run stays the parent's, and takes no harm; the child is told so, and makes runs of its own. */
static void test_a_fork_in_a_callback(void **state)
{
    adk_backend *backend = armoured();
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_result *result = NULL;
    adk_error *error = NULL;
    int status;

    (void)state;
    request.on_stdout = fork_once;
    forked = -1;
    status = adk_backend_execute(backend, &request, NULL, &result, &error);
    if (forked == 0)
        _exit(go_on_in_child(backend, status, error));
    assert_true(forked > 0);
    assert_int_equal(status, ADK_OK);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_bytes_are(adk_result_stdout(result).head, "hello, world\n");
    adk_result_free(result);
    assert_int_equal(status_of(forked), 0);
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    adk_backend_free(backend);
    assert_true(adk_test_nobody_is_left());
}

/* ---- a child that does nothing ------------------------------------------------------------------------------------- */

/* A host that has a child, and says so; both wait to be killed. */
static void be_host(int told)
{
    adk_backend *backend = armoured();
    pid_t idle;

    if (use(backend) != FINE)
        _exit(NO_CALL);
    idle = fork();
    if (idle != 0 && write(told, &idle, sizeof(idle)) != (ssize_t)sizeof(idle))
        _exit(NO_WORKER);
    for (;;)
        (void)pause();
}

/* The workers learn of the host's death by a channel that closes: the child, who lives on, holds no end of it. */
static void test_an_idle_child_keeps_no_worker(void **state)
{
    uint64_t end_ns = adk_test_now_ns() + 10 * SECOND;
    static adk_test_processes p;
    pid_t idle = -1;
    pid_t host;
    int pair[2];
    unsigned left;

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    assert_int_equal(pipe(pair), 0);
    host = fork();
    assert_true(host >= 0);
    if (host == 0)
        be_host(pair[1]);
    assert_int_equal(read(pair[0], &idle, sizeof(idle)), sizeof(idle));
    adk_test_look_around(&p);
    left = 0;
    for (size_t i = 0; i < p.count; i++)
        left += p.all[i].is_ours ? 1 : 0;
    assert_true(left > 3); /* host and child, worker and runs */
    assert_int_equal(kill(host, SIGKILL), 0);
    do {
        const adk_test_process *child;

        assert_true(adk_test_now_ns() < end_ns);
        adk_test_sleep_ns(2 * MS);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        adk_test_look_around(&p);
        child = adk_test_find_process(&p, idle);
        assert_non_null(child);
        left = child->parent == getpid() ? 0 : 1; /* it comes to us when the host has gone */
        for (size_t i = 0; i < p.count; i++)
            left += p.all[i].is_ours && p.all[i].pid != idle ? 1 : 0;
    } while (left != 0);
    assert_int_equal(kill(idle, SIGKILL), 0); /* it was there until now */
    assert_int_equal(waitpid(idle, NULL, 0), idle);
    while (!adk_test_nobody_is_left()) { /* who died just now may still have to be collected */
        assert_true(adk_test_now_ns() < end_ns);
        (void)waitpid(-1, NULL, WNOHANG);
        adk_test_sleep_ns(2 * MS);
    }
    (void)close(pair[0]);
    (void)close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_child_of_a_busy_parent),
        cmocka_unit_test(test_a_fork_in_a_callback),
        cmocka_unit_test(test_an_idle_child_keeps_no_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
