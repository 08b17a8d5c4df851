/*
 * src/wasm/cache and compiler together: several who want the same module, or many different ones; hosts with ways of their
 * own with children; fork(); and the death of the host.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wasm/compiler.h"

struct run {
    adk_backend *backend;
    adk_bytes code;
    uint64_t timeout_ns;
    adk_cancel *cancel;
    /* what came of it */
    int status;
    adk_outcome outcome;
    uint32_t exit_code;
    adk_cache_state cache;
    uint64_t took_ns;
};

static void *do_run(void *data)
{
    struct run *run = data;
    adk_request request = adk_test_request(NULL);
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result = NULL;

    request.code = run->code;
    request.timeout_ns = run->timeout_ns;
    run->status = adk_backend_execute(run->backend, &request, run->cancel, &result, NULL);
    run->took_ns = adk_test_now_ns() - start_ns;
    if (run->status == ADK_OK) {
        run->outcome = adk_result_outcome(result);
        run->exit_code = adk_result_exit_code(result);
        run->cache = adk_test_usage(result).cache;
        adk_result_free(result);
    }
    return NULL;
}

static struct run run_of(adk_backend *backend, adk_bytes code, uint64_t timeout_ns)
{
    struct run run = {backend, code, timeout_ns, NULL, 0, ADK_OUTCOME_REJECTED, 0, ADK_CACHE_MISS, 0};

    return run;
}

static void check_timed_out(const struct run *run)
{
    assert_int_equal(run->status, ADK_OK);
    assert_int_equal(run->outcome, ADK_OUTCOME_TIMED_OUT);
    assert_in_range(run->took_ns, run->timeout_ns, run->timeout_ns + adk_test_slack_ns());
}

static void check_exited(const struct run *run, uint32_t exit_code)
{
    assert_int_equal(run->status, ADK_OK);
    assert_int_equal(run->outcome, ADK_OUTCOME_EXITED);
    assert_int_equal(run->exit_code, exit_code);
}

static void free_code(adk_bytes code)
{
    free((void *)(uintptr_t)code.data);
}

static pthread_t start_run(struct run *run)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, do_run, run), 0);
    return thread;
}

static void join(pthread_t thread)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- the same module ---------------------------------------------------------------------------------------------- */

/* Each is back at its own deadline; the one process lasts until the last. */
static void test_one_bomb_and_four_deadlines(void **state)
{
    adk_bytes bomb = adk_test_loops(BOMB_LOOPS, 1);
    struct run runs[4];
    pthread_t threads[4];
    pid_t pids[CHILDREN_MAX];
    pid_t first;

    for (unsigned i = 0; i < 4; i++) {
        runs[i] = run_of(*state, bomb, (i + 1) * 250 * MS);
        threads[i] = start_run(&runs[i]);
    }
    assert_true(adk_test_children_become(1));
    assert_int_equal(adk_test_children(pids), 1);
    first = pids[0];
    for (unsigned i = 0; i < 4; i++) {
        join(threads[i]);
        check_timed_out(&runs[i]);
        if (i == 3)
            continue;
        assert_int_equal(adk_test_children(pids), 1);
        assert_int_equal(pids[0], first);
    }
    assert_true(adk_test_children_become(0));
    free_code(bomb);
}

#define SAME 8

static void test_one_module_for_many(void **state)
{
    adk_bytes code = adk_test_loops(1000, 77);
    struct run runs[SAME];
    pthread_t threads[SAME];
    unsigned misses = 0;

    for (size_t i = 0; i < SAME; i++) {
        runs[i] = run_of(*state, code, 30 * SECOND);
        threads[i] = start_run(&runs[i]);
    }
    for (size_t i = 0; i < SAME; i++) {
        join(threads[i]);
        check_exited(&runs[i], 77);
        misses += runs[i].cache == ADK_CACHE_MISS;
    }
    assert_int_equal(misses, 1);
    free_code(code);
    assert_true(adk_test_children_become(0));
}

/* Whoever came first, and started it, may leave: the same process goes on for the others. */
static void check_first_leaves(adk_backend *backend, bool by_cancel, unsigned salt)
{
    adk_bytes code = adk_test_loops(1500, salt);
    struct run first = run_of(backend, code, by_cancel ? 30 * SECOND : 100 * MS);
    struct run others[2] = {run_of(backend, code, 30 * SECOND), run_of(backend, code, 30 * SECOND)};
    pthread_t threads[3];
    pid_t pids[CHILDREN_MAX];
    pid_t process;

    assert_int_equal(adk_cancel_new(&first.cancel, NULL), ADK_OK);
    threads[0] = start_run(&first);
    assert_true(adk_test_children_become(1));
    assert_int_equal(adk_test_children(pids), 1);
    process = pids[0];
    threads[1] = start_run(&others[0]);
    threads[2] = start_run(&others[1]);
    adk_test_sleep_ns(20 * MS); /* for both to wait; if they do not yet, they start a process of their own below */
    if (by_cancel)
        adk_cancel_fire(first.cancel);
    join(threads[0]);
    assert_int_equal(first.outcome, by_cancel ? ADK_OUTCOME_CANCELLED : ADK_OUTCOME_TIMED_OUT);
    if (adk_test_children(pids) == 1)
        assert_int_equal(pids[0], process);
    for (size_t i = 0; i < 2; i++) {
        join(threads[i + 1]);
        check_exited(&others[i], salt);
    }
    adk_cancel_free(first.cancel);
    free_code(code);
    assert_true(adk_test_children_become(0));
}

static void test_the_first_leaves(void **state)
{
    check_first_leaves(*state, true, 11);
    check_first_leaves(*state, false, 12);
}

/* ---- different modules -------------------------------------------------------------------------------------------- */

static void test_one_place_for_two(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_bytes bombs[2] = {adk_test_loops(BOMB_LOOPS, 2), adk_test_loops(BOMB_LOOPS, 3)};
    adk_bytes small = adk_test_loops(600, 4);
    pid_t pids[CHILDREN_MAX];
    adk_backend *backend;
    pthread_t thread;
    struct run first;
    struct run second;

    (void)state;
    options.workers = 1;
    backend = adk_test_backend_with(&options);
    first = run_of(backend, bombs[0], 800 * MS);
    second = run_of(backend, bombs[1], 200 * MS);
    thread = start_run(&first);
    assert_true(adk_test_children_become(1));
    (void)do_run(&second);
    check_timed_out(&second);
    assert_int_equal(adk_test_children(pids), 1);
    second = run_of(backend, small, 30 * SECOND); /* gets the place when it is free */
    (void)do_run(&second);
    check_exited(&second, 4);
    join(thread);
    check_timed_out(&first);
    /* What never had a place is not known as slow. */
    second = run_of(backend, bombs[1], 200 * MS);
    (void)do_run(&second);
    check_timed_out(&second);
    adk_backend_free(backend);
    for (size_t i = 0; i < 2; i++)
        free_code(bombs[i]);
    free_code(small);
    assert_true(adk_test_children_become(0));
}

#define BOMBERS         16
#define BOMBS_OF_BOMBER 7

struct bomber {
    adk_backend *backend;
    unsigned number;
    unsigned bad;
};

static void *throw_bombs(void *data)
{
    struct bomber *bomber = data;

    for (unsigned i = 0; i < BOMBS_OF_BOMBER; i++) {
        adk_bytes bomb = adk_test_loops(BOMB_LOOPS, 1000 + bomber->number * BOMBS_OF_BOMBER + i);
        struct run run = run_of(bomber->backend, bomb, (20 + 10 * i) * MS);

        (void)do_run(&run);
        bomber->bad += run.status != ADK_OK || run.outcome != ADK_OUTCOME_TIMED_OUT || run.took_ns < run.timeout_ns;
        free_code(bomb);
    }
    return NULL;
}

static void test_a_hundred_bombs(void **state)
{
    adk_test_census before;
    adk_test_census after;
    struct bomber bombers[BOMBERS];
    pthread_t threads[BOMBERS];
    adk_backend *backend;

    (void)state;
    adk_backend_free(adk_test_backend()); /* whatever is made once */
    before = adk_test_count();
    backend = adk_test_backend();
    for (unsigned i = 0; i < BOMBERS; i++) {
        bombers[i] = (struct bomber){backend, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, throw_bombs, &bombers[i]), 0);
    }
    for (size_t i = 0; i < BOMBERS; i++) {
        join(threads[i]);
        assert_int_equal(bombers[i].bad, 0);
    }
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    adk_backend_free(backend);
    assert_true(adk_test_children_become(0));
    assert_true(adk_test_descriptors_become(before.descriptors));
    after = adk_test_count();
    assert_int_equal(after.threads, before.threads);
}

/* ---- hosts -------------------------------------------------------------------------------------------------------- */

static void compile_and_bomb(unsigned salt)
{
    adk_backend *backend = adk_test_backend();
    unsigned descriptors = adk_test_count().descriptors;
    adk_bytes code = adk_test_loops(500, salt);
    adk_bytes bomb = adk_test_loops(BOMB_LOOPS, salt);
    struct run run = run_of(backend, bomb, 100 * MS);

    (void)do_run(&run);
    check_timed_out(&run);
    assert_true(adk_test_children_become(0));
    assert_true(adk_test_descriptors_become(descriptors));
    run = run_of(backend, code, 30 * SECOND);
    (void)do_run(&run);
    check_exited(&run, salt);
    adk_backend_free(backend);
    assert_true(adk_test_children_become(0));
    free_code(code);
    free_code(bomb);
}

static void test_a_host_that_ignores_children(void **state)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;

    (void)state;
    assert_int_equal(sigaction(SIGCHLD, &ignore, &before), 0);
    compile_and_bomb(21);
    assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
}

static atomic_bool stop_collecting;

static void *collect_all(void *data)
{
    (void)data;
    while (!atomic_load(&stop_collecting)) {
        if (waitpid(-1, NULL, WNOHANG) <= 0)
            (void)sched_yield();
    }
    return NULL;
}

static void test_a_host_that_collects_all_children(void **state)
{
    pthread_t thread;

    (void)state;
    atomic_store(&stop_collecting, false);
    assert_int_equal(pthread_create(&thread, NULL, collect_all, NULL), 0);
    compile_and_bomb(22);
    atomic_store(&stop_collecting, true);
    join(thread);
}

/* ---- fork --------------------------------------------------------------------------------------------------------- */

/* Two of the tools do not follow a process with several threads into its child, where it starts more. */
#define SKIP_FORKS()                                                                                      \
    do {                                                                                                  \
        if (adk_test_under_valgrind() || adk_test_under_tsan()) {                                         \
            print_message("skipped: valgrind and the thread sanitizer do not follow fork and threads\n"); \
            skip();                                                                                       \
        }                                                                                                 \
    } while (0)

/* Waits for a child that says by its exit status what it found. */
static void check_child(pid_t child)
{
    uint64_t end_ns = adk_test_now_ns() + 30 * SECOND;
    int status = 0;

    assert_true(child > 0);
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (adk_test_now_ns() > end_ns) {
            (void)kill(child, SIGKILL);
            (void)waitpid(child, &status, 0);
            fail_msg("the child hangs");
        }
        adk_test_sleep_ns(5 * MS);
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child that was forked while its parent compiled `bomb`: nothing asserts here, that is for the parent. */
static int use_in_child(adk_backend *backend, adk_bytes bomb, adk_bytes code, uint32_t exit_code)
{
    struct run same = run_of(backend, bomb, 60 * MS);
    struct run other = run_of(backend, code, 20 * SECOND);
    pid_t pids[CHILDREN_MAX];

    if (adk_test_children(pids) != 0)
        return 1;
    (void)do_run(&same);
    if (same.status != ADK_OK || same.outcome != ADK_OUTCOME_TIMED_OUT || same.took_ns < 60 * MS)
        return 2;
    (void)do_run(&other);
    if (other.status != ADK_OK || other.outcome != ADK_OUTCOME_EXITED || other.exit_code != exit_code)
        return 3;
    adk_backend_free(backend);
    return adk_test_children_become(0) ? 0 : 4;
}

static void test_a_fork_while_a_bomb_compiles(void **state)
{
    adk_bytes bomb = adk_test_loops(BOMB_LOOPS, 31);
    adk_bytes code = adk_test_loops(500, 32);
    struct run run = run_of(*state, bomb, 30 * SECOND);
    pid_t pids[CHILDREN_MAX];
    pthread_t thread;
    pid_t helper;
    pid_t child;

    SKIP_FORKS();
    assert_int_equal(adk_cancel_new(&run.cancel, NULL), ADK_OK);
    thread = start_run(&run);
    assert_true(adk_test_children_become(1));
    assert_int_equal(adk_test_children(pids), 1);
    helper = pids[0];
    child = fork();
    if (child == 0)
        _exit(use_in_child(*state, bomb, code, 32));
    check_child(child);
    assert_int_equal(kill(helper, 0), 0); /* the child has not killed what was the parent's */
    adk_cancel_fire(run.cancel);
    join(thread);
    assert_int_equal(run.outcome, ADK_OUTCOME_CANCELLED);
    adk_cancel_free(run.cancel);
    assert_true(adk_test_children_become(0));
    run = run_of(*state, code, 30 * SECOND);
    (void)do_run(&run);
    check_exited(&run, 32);
    free_code(bomb);
    free_code(code);
}

/* Set: who ends a job lingers there, for the moment in which another thread forks. */
static atomic_bool linger;
static atomic_bool lingers;

void __wrap_adk__compilation_free(adk__compilation *job);
void __real_adk__compilation_free(adk__compilation *job);

void __wrap_adk__compilation_free(adk__compilation *job)
{
    __real_adk__compilation_free(job);
    if (job != NULL && atomic_exchange(&linger, false)) {
        atomic_store(&lingers, true);
        adk_test_sleep_ns(100 * MS);
    }
}

/* A child finds the job where it was, or not at all: not one that has been freed. */
static void test_a_fork_when_a_job_has_just_ended(void **state)
{
    char *text = adk_test_padded_text("(module " START "drop))", 70000);

    SKIP_FORKS();
    for (unsigned i = 0; i < 3; i++) {
        struct run run = run_of(*state, adk_bytes_from_cstr(text), 30 * SECOND);
        pthread_t thread;
        pid_t child;

        atomic_store(&lingers, false);
        atomic_store(&linger, true);
        thread = start_run(&run);
        while (!atomic_load(&lingers))
            adk_test_sleep_ns(MS);
        child = fork();
        if (child == 0) {
            adk_backend_free(*state);
            _exit(0);
        }
        check_child(child);
        join(thread);
        assert_int_equal(run.outcome, ADK_OUTCOME_REJECTED);
    }
    free(text);
    assert_true(adk_test_children_become(0));
}

struct churn {
    adk_backend *backend;
    atomic_bool stop;
};

/* Jobs that end all the time, one way or the other: refused, and out of time. */
static void *churn_on(void *data)
{
    struct churn *churn = data;
    char *text = adk_test_padded_text("(module " START "drop))", 70000);

    while (!atomic_load(&churn->stop)) {
        struct run run = run_of(churn->backend, adk_bytes_from_cstr(text), 30 * SECOND);

        (void)do_run(&run);
        run = run_of(churn->backend, adk_bytes_from_cstr(text), 3 * MS);
        (void)do_run(&run);
    }
    free(text);
    return NULL;
}

static void test_forks_while_jobs_end(void **state)
{
    struct churn churn = {*state, false};
    pthread_t threads[2];

    SKIP_FORKS();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn_on, &churn), 0);
    for (unsigned i = 0; i < 60; i++) {
        pid_t child;

        adk_test_sleep_ns((1 + i % 7) * MS / 2);
        child = fork();
        if (child == 0) {
            adk_backend_free(*state);
            _exit(0);
        }
        check_child(child);
    }
    atomic_store(&churn.stop, true);
    for (size_t i = 0; i < 2; i++)
        join(threads[i]);
    assert_true(adk_test_children_become(0));
}

/* ---- the host's death --------------------------------------------------------------------------------------------- */

/* A process of its own that compiles a bomb until it is killed. It says which its helper is. */
static void bomb_for_ever(int out)
{
    adk_bytes bomb = adk_test_loops(BOMB_LOOPS * 2, 41);
    struct run run = run_of(adk_test_backend(), bomb, 60 * SECOND);
    pid_t pids[CHILDREN_MAX];

    (void)start_run(&run);
    if (!adk_test_children_become(1) || adk_test_children(pids) != 1 ||
        write(out, &pids[0], sizeof(pids[0])) != (ssize_t)sizeof(pids[0]))
        _exit(1);
    for (;;)
        (void)pause();
}

/* At different times after the helper's start: before it has its job, and while it works. */
static void test_the_host_is_killed(void **state)
{
    static const uint64_t after_ns[] = {0, MS, 5 * MS, 20 * MS, 200 * MS};

    (void)state;
    SKIP_FORKS();
    for (size_t i = 0; i < sizeof(after_ns) / sizeof(after_ns[0]); i++) {
        uint64_t killed_ns;
        int ends[2];
        pid_t helper = 0;
        pid_t host;

        assert_int_equal(pipe(ends), 0);
        host = fork();
        if (host == 0)
            bomb_for_ever(ends[1]);
        assert_true(host > 0);
        (void)close(ends[1]);
        assert_int_equal(read(ends[0], &helper, sizeof(helper)), sizeof(helper));
        (void)close(ends[0]);
        adk_test_sleep_ns(after_ns[i]);
        assert_int_equal(kill(helper, 0), 0);
        killed_ns = adk_test_now_ns();
        assert_int_equal(kill(host, SIGKILL), 0);
        assert_int_equal(waitpid(host, NULL, 0), host);
        assert_true(adk_test_gone(helper));
        assert_in_range(adk_test_now_ns() - killed_ns, 0, 2 * SECOND);
    }
}

#define WITH_BACKEND(name) cmocka_unit_test_setup_teardown(name, adk_test_setup, adk_test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_host_is_killed), /* forks before there are threads */
        WITH_BACKEND(test_one_bomb_and_four_deadlines),
        WITH_BACKEND(test_one_module_for_many),
        WITH_BACKEND(test_the_first_leaves),
        cmocka_unit_test(test_one_place_for_two),
        cmocka_unit_test(test_a_hundred_bombs),
        cmocka_unit_test(test_a_host_that_ignores_children),
        cmocka_unit_test(test_a_host_that_collects_all_children),
        WITH_BACKEND(test_a_fork_while_a_bomb_compiles),
        WITH_BACKEND(test_a_fork_when_a_job_has_just_ended),
        WITH_BACKEND(test_forks_while_jobs_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
