/*
 * Hosts that have signals, handlers, children and ends of their own. Each test has a process to itself, in which there
 * has never been a backend: what the engine does to signals it does once a process.
 */
#include "hostile.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUEST_OVERFLOWS "(module " START "(call $start)))"
#define GUEST_OUT       "(module (memory 1)" START "(drop (i32.load (i32.const -4)))))"
#define GUEST_DIVIDES   "(module " START "(drop (i32.div_u (i32.const 1) (i32.const 0)))))"

/* Guests of every ending, among them all that come by a signal. */
static const adk_hostile_case endings[] = {
    {"hello world", GUEST_HELLO, EXITS(0), .out = "hello, world\n"},
    {"exit", GUEST_EXITS("7"), EXITS(7)},
    {"unreachable", GUEST_UNREACHABLE, TRAPS("unreachable")},
    {"out of bounds", GUEST_OUT, TRAPS("memory_out_of_bounds")},
    {"division by zero", GUEST_DIVIDES, TRAPS("integer_division_by_zero")},
    {"stack overflow", GUEST_OVERFLOWS, TRAPS("stack_overflow")},
    {"a short sleep", GUEST_SLEEPS("2000000"), EXITS(0)},
    {"a deadline while it loops", GUEST_LOOP, .timeout_ns = 20 * MS, TIMES_OUT_IN(RUN)},
    {"a deadline while it sleeps", GUEST_SLEEPS("-1"), .timeout_ns = 20 * MS, TIMES_OUT_IN(HOST_CALL)},
};

static void compile_all(adk_backend *backend)
{
    for (size_t i = 0; i < COUNT_OF(endings); i++)
        adk_test_compile(backend, endings[i].wat);
}

static void run_all(adk_backend *backend, unsigned rounds)
{
    compile_all(backend);
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < COUNT_OF(endings); i++) {
            adk_request request = adk_hostile_request(&endings[i]);
            adk_result *result = adk_hostile_execute(backend, endings[i].name, &request);

            adk_hostile_expect(&endings[i], result);
            adk_result_free(result);
        }
    }
}

static void handle(int number, void (*handler)(int, siginfo_t *, void *), struct sigaction *ret_before)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};

    action.sa_sigaction = handler;
    assert_int_equal(sigaction(number, &action, ret_before), 0);
}

/* ---- storms ------------------------------------------------------------------------------------------------------- */

static atomic_uint signals_seen;

static void count_signal(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    atomic_fetch_add(&signals_seen, 1);
}

static void storm(int timer, int number, suseconds_t every_us)
{
    const struct itimerval often = {{0, every_us}, {0, every_us}};
    const struct itimerval never = {{0, 0}, {0, 0}};
    adk_backend *backend = adk_test_backend();

    handle(number, count_signal, NULL);
    assert_int_equal(setitimer((__itimer_which_t)timer, &often, NULL), 0);
    run_all(backend, adk_test_sanitized() ? 5 : 20);
    assert_int_equal(setitimer((__itimer_which_t)timer, &never, NULL), 0);
    if (timer != ITIMER_PROF || !adk_test_armoured()) /* guests take none of this process's CPU time there */
        assert_true(atomic_load(&signals_seen) > 10);
    assert_null(adk_hostile_hello(backend));
    adk_backend_free(backend);
}

static void test_a_storm_of_a_profilers_signals(void **state)
{
    (void)state;
    storm(ITIMER_PROF, SIGPROF, 1000);
}

static void test_a_storm_of_alarms(void **state)
{
    (void)state;
    storm(ITIMER_REAL, SIGALRM, 500);
}

struct bombardment {
    pthread_t target;
    atomic_bool over;
};

static void *bombard(void *data)
{
    struct bombardment *b = data;

    while (!atomic_load(&b->over)) {
        (void)pthread_kill(b->target, SIGUSR1);
        adk_test_sleep_ns(200000);
    }
    return NULL;
}

/* Without SA_RESTART every system call of the run's thread fails with EINTR: sleeps go on, and are not shorter. */
static void test_signals_that_interrupt_system_calls(void **state)
{
    struct bombardment b = {pthread_self(), false};
    adk_request request = adk_test_request(GUEST_SLEEPS("100000000"));
    adk_backend *backend = adk_test_backend();
    adk_result *result;
    pthread_t thread;

    (void)state;
    handle(SIGUSR1, count_signal, NULL);
    adk_test_compile(backend, GUEST_SLEEPS("100000000"));
    assert_int_equal(pthread_create(&thread, NULL, bombard, &b), 0);
    run_all(backend, 3);
    result = adk_hostile_execute(backend, "a sleep of 100 ms", &request);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_true(adk_test_usage(result).run_ns >= 100 * MS);
    adk_result_free(result);
    atomic_store(&b.over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&signals_seen) > 10);
    adk_backend_free(backend);
}

/* ---- handlers of the host's own ----------------------------------------------------------------------------------- */

static atomic_uint host_faults;
static sigjmp_buf after_fault;
static void *fault_at;
static struct sigaction handler_before;

/* The host's handler: it knows its own fault by the address, and leaves it by a jump. */
static void on_fault(int number, siginfo_t *info, void *context)
{
    if (info->si_addr == fault_at) {
        atomic_fetch_add(&host_faults, 1);
        siglongjmp(after_fault, 1);
    }
    if ((handler_before.sa_flags & SA_SIGINFO) != 0)
        handler_before.sa_sigaction(number, info, context);
    else
        _exit(99); /* what is not the host's came to it, and nobody was before it */
}

/* The host makes a fault of its own, as a garbage collector's barrier would. */
static void fault(void)
{
    unsigned before = atomic_load(&host_faults);

    if (sigsetjmp(after_fault, 1) == 0)
        *(volatile char *)fault_at = 1;
    assert_int_equal(atomic_load(&host_faults), before + 1);
}

static void run_with_handler(adk_backend *backend)
{
    fault();
    run_all(backend, 3);
    assert_int_equal(atomic_load(&host_faults), 1); /* no guest's */
    fault();
    run_all(backend, 1);
    assert_int_equal(atomic_load(&host_faults), 2);
    assert_null(adk_hostile_hello(backend));
    adk_backend_free(backend);
    fault();
}

static void make_fault(void)
{
    fault_at = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(fault_at, MAP_FAILED);
}

static void test_a_handler_from_before_the_backend(void **state)
{
    (void)state;
    make_fault();
    handle(SIGSEGV, on_fault, NULL);
    run_with_handler(adk_test_backend());
}

/* One that comes later stands before the engine's and must hand on what is not its own. */
static void test_a_handler_from_after_the_backend(void **state)
{
    adk_backend *backend = adk_test_backend();

    (void)state;
    make_fault();
    adk_test_run_traps(backend, GUEST_OUT, "memory_out_of_bounds"); /* the engine's handlers are there */
    handle(SIGSEGV, on_fault, &handler_before);
    if (adk_test_armoured()) /* and there they are not */
        assert_true((handler_before.sa_flags & SA_SIGINFO) == 0 && handler_before.sa_handler == SIG_DFL);
    else
        assert_true((handler_before.sa_flags & SA_SIGINFO) != 0);
    run_with_handler(backend);
}

/* A host whose thread blocks the signals of traps, or has an alternate stack of its own. */
static void test_a_thread_that_blocks_every_signal(void **state)
{
    adk_backend *backend = adk_test_backend();
    sigset_t all;
    sigset_t before;
    sigset_t after;

    (void)state;
    (void)sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
    run_all(backend, 3);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, &after), 0);
    assert_int_equal(sigismember(&after, SIGSEGV), 1);
    assert_int_equal(sigismember(&after, SIGTERM), 1);
    adk_backend_free(backend);
}

static void test_an_alternate_stack_of_the_hosts(void **state)
{
    stack_t own = {.ss_sp = malloc(65536), .ss_size = 65536};
    stack_t before;
    adk_backend *backend;

    (void)state;
    assert_non_null(own.ss_sp);
    assert_int_equal(sigaltstack(&own, &before), 0);
    backend = adk_test_backend();
    run_all(backend, 3);
    adk_backend_free(backend);
    assert_int_equal(sigaltstack(&before, NULL), 0);
    free(own.ss_sp);
}

/* ---- children ----------------------------------------------------------------------------------------------------- */

static void test_children_are_not_waited_for(void **state)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    adk_backend *backend;

    (void)state;
    assert_int_equal(sigaction(SIGCHLD, &ignore, NULL), 0);
    backend = adk_test_backend();
    run_all(backend, 3);
    assert_null(adk_hostile_hello(backend));
    adk_backend_free(backend);
}

/* 0, or what a child found. No assertions: those belong to the parent. */
static int run_in_child(adk_backend *backend, const char *wat, uint64_t timeout_ns, adk_outcome outcome)
{
    adk_request request = adk_test_request(wat);
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result = NULL;
    int bad = 0;

    request.timeout_ns = timeout_ns;
    if (adk_backend_execute(backend, &request, NULL, &result, NULL) != ADK_OK)
        return 1;
    if (adk_result_outcome(result) != outcome)
        bad = 2;
    else if (adk_test_now_ns() - start_ns > timeout_ns + adk_test_slack_ns())
        bad = 3;
    adk_result_free(result);
    return bad;
}

static void check_child(pid_t child, int expected)
{
    uint64_t until_ns = adk_test_now_ns() + 20 * SECOND;
    int status = 0;
    pid_t ended;

    assert_true(child > 0);
    while ((ended = waitpid(child, &status, WNOHANG)) == 0 && adk_test_now_ns() < until_ns)
        adk_test_sleep_ns(5 * MS);
    if (ended == 0) {
        (void)kill(child, SIGKILL);
        (void)waitpid(child, &status, 0);
        fail_msg("the child hangs");
    }
    assert_int_equal(ended, child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
        fail_msg("the child ended with status %x", (unsigned)status);
}

struct runner {
    adk_backend *backend;
    atomic_bool *over;
    const char *wrong;
};

static void *keep_running(void *data)
{
    static const char *const guests[] = {GUEST_HELLO, GUEST_UNREACHABLE, GUEST_LOOP, GUEST_SLEEPS("1000000")};
    struct runner *runner = data;

    for (unsigned i = 0; !atomic_load(runner->over); i++) {
        adk_request request = adk_test_request(guests[i % COUNT_OF(guests)]);
        adk_result *result = NULL;

        if (i % COUNT_OF(guests) == 2)
            request.timeout_ns = 3 * MS;
        if (adk_backend_execute(runner->backend, &request, NULL, &result, NULL) != ADK_OK)
            runner->wrong = "the call failed";
        else if (adk_hostile_contradiction(result) != NULL)
            runner->wrong = adk_hostile_contradiction(result);
        adk_result_free(result);
    }
    return NULL;
}

#define RUNNERS 4

static void start_runners(adk_backend *backend, atomic_bool *over, struct runner *runners, pthread_t *threads)
{
    for (size_t i = 0; i < RUNNERS; i++) {
        runners[i] = (struct runner){backend, over, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, keep_running, &runners[i]), 0);
    }
}

/* In the child its own endless loop ends at its deadline, traps are traps, and hello world is right. */
static void fork_children(adk_backend *backend)
{
    for (int i = 0; i < 20; i++) {
        pid_t child;

        adk_test_sleep_ns(3 * MS);
        child = fork();
        if (child == 0) {
            int bad = run_in_child(backend, GUEST_LOOP, 50 * MS, ADK_OUTCOME_TIMED_OUT);

            if (bad == 0)
                bad = run_in_child(backend, GUEST_UNREACHABLE, 20 * SECOND, ADK_OUTCOME_TRAPPED) << 2;
            if (bad == 0)
                bad = adk_hostile_hello(backend) == NULL ? 0 : 16;
            _exit(bad);
        }
        check_child(child, 0);
    }
}

static void test_forks_between_runs(void **state)
{
    adk_backend *backend = adk_test_backend();

    (void)state;
    run_all(backend, 1);
    fork_children(backend);
    run_all(backend, 1);
    adk_backend_free(backend);
}

/* Forks at any moment of other threads' runs, whatever locks they hold. */
static void test_forks_while_guests_run(void **state)
{
    adk_backend *backend;
    struct runner runners[RUNNERS];
    pthread_t threads[RUNNERS];
    atomic_bool over = false;

    (void)state;
    if (adk_test_sanitized()) {
        print_message("skipped: the sanitizer's own allocator may be locked in the child\n");
        return;
    }
    backend = adk_test_backend();
    adk_test_compile(backend, GUEST_LOOP);
    adk_test_compile(backend, GUEST_HELLO);
    start_runners(backend, &over, runners, threads);
    fork_children(backend);
    atomic_store(&over, true);
    for (size_t i = 0; i < RUNNERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_null(runners[i].wrong);
    }
    assert_null(adk_hostile_hello(backend));
    adk_backend_free(backend);
}

/* ---- ends --------------------------------------------------------------------------------------------------------- */

static void *run_for_ever(void *data)
{
    adk_request request = adk_test_request(GUEST_LOOP);
    adk_result *result = NULL;

    request.timeout_ns = 600 * SECOND;
    if (adk_backend_execute(data, &request, NULL, &result, NULL) == ADK_OK)
        adk_result_free(result);
    return NULL;
}

static void *sleep_for_ever(void *data)
{
    adk_request request = adk_test_request(GUEST_SLEEPS("-1"));
    adk_result *result = NULL;

    request.timeout_ns = 600 * SECOND;
    if (adk_backend_execute(data, &request, NULL, &result, NULL) == ADK_OK)
        adk_result_free(result);
    return NULL;
}

/* A program that leaves while guests loop, sleep and trap: its status is its own. */
static void test_a_program_that_exits_while_guests_run(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        pid_t child = fork();

        if (child == 0) {
            static struct runner runners[RUNNERS];
            static atomic_bool over;
            adk_backend *backend = adk_test_backend();
            pthread_t threads[RUNNERS + 2];
            int failed;

            start_runners(backend, &over, runners, threads);
            failed = pthread_create(&threads[RUNNERS], NULL, run_for_ever, backend);
            failed |= pthread_create(&threads[RUNNERS + 1], NULL, sleep_for_ever, backend);
            adk_test_sleep_ns((uint64_t)i * 3 * MS);
            exit(failed ? 1 : 42);
        }
        check_child(child, 42);
    }
}

/* Each test in a process of its own, made before anything else. */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_storm_of_a_profilers_signals),
        cmocka_unit_test(test_a_storm_of_alarms),
        cmocka_unit_test(test_signals_that_interrupt_system_calls),
        cmocka_unit_test(test_a_handler_from_before_the_backend),
        cmocka_unit_test(test_a_handler_from_after_the_backend),
        cmocka_unit_test(test_a_thread_that_blocks_every_signal),
        cmocka_unit_test(test_an_alternate_stack_of_the_hosts),
        cmocka_unit_test(test_children_are_not_waited_for),
        cmocka_unit_test(test_forks_between_runs),
        cmocka_unit_test(test_forks_while_guests_run),
        cmocka_unit_test(test_a_program_that_exits_while_guests_run),
    };
    int failures = 0;

    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        pid_t child = fork();
        int status = 0;

        if (child == 0) {
            const struct CMUnitTest one[] = {tests[i]};

            exit(cmocka_run_group_tests_name("signals", one, NULL, NULL) != 0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            print_error("%s: its process ended with status %x\n", tests[i].name, (unsigned)status);
            failures++;
        }
    }
    return failures;
}
