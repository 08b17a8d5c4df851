/*
 * src/wasm: many runs at once, each with its own right outcome; forks; and a process that is, after ten thousand runs,
 * what it was before.
 */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- many at once ------------------------------------------------------------------------------------------------- */

struct job {
    adk_backend *backend;
    const char *wat;
    uint64_t timeout_ns;
    uint64_t fuel;
    adk_cancel *cancel;
    adk_outcome expected;
    uint32_t exit_code;
    /* what came of it */
    int status;
    adk_outcome outcome;
    uint32_t got_code;
    uint64_t took_ns;
};

static void *do_job(void *data)
{
    struct job *job = data;
    adk_request request = adk_test_request(job->wat);
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result = NULL;

    if (job->timeout_ns != 0)
        request.timeout_ns = job->timeout_ns;
    request.fuel = job->fuel;
    job->status = adk_backend_execute(job->backend, &request, job->cancel, &result, NULL);
    job->took_ns = adk_test_now_ns() - start_ns;
    if (job->status == ADK_OK) {
        job->outcome = adk_result_outcome(result);
        job->got_code = adk_result_exit_code(result);
        adk_result_free(result);
    }
    return NULL;
}

static void check_job(const struct job *job, size_t i)
{
    if (job->status != ADK_OK)
        fail_msg("job %zu: the call failed: %s", i, adk_error_name_cstr(job->status));
    if (job->outcome != job->expected || job->got_code != job->exit_code)
        fail_msg("job %zu: %s %u, not %s %u", i, adk_outcome_cstr(job->outcome), job->got_code,
                 adk_outcome_cstr(job->expected), job->exit_code);
    if (job->expected == ADK_OUTCOME_TIMED_OUT && job->took_ns < job->timeout_ns)
        fail_msg("job %zu: ended before its deadline", i);
}

#define JOBS 100

/* Kinds of jobs, by turns. Deadlines are all different. */
static struct job job_of(adk_backend *backend, unsigned i, adk_cancel *cancel)
{
    struct job job = {backend, GUEST_HELLO, 0, 0, NULL, ADK_OUTCOME_EXITED, 0, 0, 0, 0, 0};

    switch (i % 10) {
    case 0:
    case 1:
        job.wat = GUEST_LOOP;
        job.timeout_ns = (50 + i * 7) * MS;
        job.expected = ADK_OUTCOME_TIMED_OUT;
        break;
    case 2:
    case 3:
        job.wat = GUEST_SLEEPS("20000000000");
        job.timeout_ns = (40 + i * 5) * MS;
        job.expected = ADK_OUTCOME_TIMED_OUT;
        break;
    case 4:
        job.wat = GUEST_SLEEPS("300000000"); /* longer than many a deadline of the others */
        break;
    case 5:
        job.wat = GUEST_EXITS("300");
        job.exit_code = 300;
        break;
    case 6:
        job.wat = adk_test_under_valgrind() ? GUEST_HELLO : GUEST_UNREACHABLE;
        job.expected = adk_test_under_valgrind() ? ADK_OUTCOME_EXITED : ADK_OUTCOME_TRAPPED;
        break;
    case 7:
        job.wat = "(module (memory 2000)" START "))";
        job.expected = ADK_OUTCOME_MEMORY_LIMIT;
        break;
    case 8:
        job.wat = GUEST_LOOP;
        job.cancel = cancel;
        job.expected = ADK_OUTCOME_CANCELLED;
        break;
    default:
        break;
    }
    return job;
}

static void run_jobs(adk_backend *backend, unsigned count)
{
    struct job jobs[JOBS];
    pthread_t threads[JOBS];
    adk_cancel *cancel = NULL;

    assert_int_equal(adk_cancel_new(&cancel, NULL), ADK_OK);
    for (unsigned i = 0; i < count; i++) {
        jobs[i] = job_of(backend, i, cancel);
        assert_int_equal(pthread_create(&threads[i], NULL, do_job, &jobs[i]), 0);
    }
    adk_test_sleep_ns(400 * MS);
    adk_cancel_fire(cancel);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < count; i++)
        check_job(&jobs[i], i);
    adk_cancel_free(cancel);
}

static void test_row_1_a_hundred_runs_at_once_each_with_its_own_deadline(void **state)
{
    run_jobs(*state, adk_test_under_valgrind() ? 30 : JOBS);
}

static void test_row_1_more_runs_than_slots(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_backend *backend;

    (void)state;
    options.slots = 2;
    backend = adk_test_backend_with(&options);
    run_jobs(backend, adk_test_under_valgrind() ? 30 : JOBS);
    run_jobs(backend, 20); /* and the slots are there again */
    adk_backend_free(backend);
}

/* Runs that are over in no time must never be touched by the deadlines of those that are over too. */
struct shorts {
    adk_backend *backend;
    unsigned failures;
};

static void *run_short_ones(void *data)
{
    struct shorts *shorts = data;

    for (unsigned i = 0; i < 300; i++) {
        adk_request request = adk_test_request(i % 3 == 0 ? GUEST_LOOP : GUEST_EXITS("9"));
        adk_result *result = NULL;

        request.timeout_ns = i % 3 == 0 ? MS : 20 * SECOND;
        if (adk_backend_execute(shorts->backend, &request, NULL, &result, NULL) != ADK_OK) {
            shorts->failures++;
            continue;
        }
        if (adk_result_outcome(result) != (i % 3 == 0 ? ADK_OUTCOME_TIMED_OUT : ADK_OUTCOME_EXITED))
            shorts->failures++;
        adk_result_free(result);
    }
    return NULL;
}

static void test_row_1_a_finished_runs_deadline_never_touches_another(void **state)
{
    struct shorts shorts[4];
    pthread_t threads[4];

    for (size_t i = 0; i < 4; i++) {
        shorts[i] = (struct shorts){*state, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, run_short_ones, &shorts[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(shorts[i].failures, 0);
    }
}

static void test_two_backends_at_once(void **state)
{
    adk_backend *other = adk_test_backend();
    struct job jobs[2];
    pthread_t thread;

    jobs[0] = job_of(*state, 0, NULL);
    jobs[1] = job_of(other, 0, NULL);
    assert_int_equal(pthread_create(&thread, NULL, do_job, &jobs[1]), 0);
    (void)do_job(&jobs[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    check_job(&jobs[0], 0);
    check_job(&jobs[1], 1);
    adk_backend_free(other);
}

/* The reaper goes with the last backend and comes with the next. */
static void test_backends_come_and_go(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        adk_backend *backend = adk_test_backend();
        struct job job = {backend, GUEST_LOOP, 5 * MS, 0, NULL, ADK_OUTCOME_TIMED_OUT, 0, 0, 0, 0, 0};

        (void)do_job(&job);
        check_job(&job, (size_t)i);
        adk_backend_free(backend);
    }
}

/* A run on every CPU: each has a shard of its own. */
static void test_every_cpu(void **state)
{
    cpu_set_t all;

    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        cpu_set_t one;

        if (!CPU_ISSET(cpu, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
        adk_test_run_exits(*state, GUEST_EXITS("12"), 12);
        adk_test_run_expect(*state, GUEST_HELLO, ADK_OUTCOME_EXITED);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

/* ---- waiting for another's compilation ---------------------------------------------------------------------------- */

/* A module that takes the compiler a good while: many functions of some size. The caller frees it. */
static char *slow_module(unsigned functions)
{
    size_t room = (size_t)functions * 1000 + 200;
    char *wat = malloc(room);
    size_t size;

    assert_non_null(wat);
    size = (size_t)snprintf(wat, room, "(module " START ")");
    for (unsigned i = 0; i < functions; i++) {
        size += (size_t)snprintf(wat + size, room - size, "(func (param i64) (result i64) (local.get 0)");
        for (unsigned k = 0; k < 15; k++)
            size +=
                (size_t)snprintf(wat + size, room - size, "(i64.mul (i64.const %u)) (i64.xor (i64.const 3))", i + k);
        size += (size_t)snprintf(wat + size, room - size, ")");
    }
    (void)snprintf(wat + size, room - size, ")");
    return wat;
}

static void test_row_4_one_waiters_deadline_only_detaches_that_waiter(void **state)
{
    char *wat = adk_test_under_valgrind() ? NULL : slow_module(1500);
    struct job patient = {*state, wat, 0, 0, NULL, ADK_OUTCOME_EXITED, 0, 0, 0, 0, 0};
    struct job hasty = {*state, wat, 10 * MS, 0, NULL, ADK_OUTCOME_TIMED_OUT, 0, 0, 0, 0, 0};
    struct job cancelled = {*state, wat, 0, 0, NULL, ADK_OUTCOME_CANCELLED, 0, 0, 0, 0, 0};
    pthread_t threads[3];

    if (wat == NULL) {
        print_message("skipped: the compiler's time is all different under valgrind\n");
        skip();
    }
    assert_int_equal(adk_cancel_new(&cancelled.cancel, NULL), ADK_OK);
    assert_int_equal(pthread_create(&threads[0], NULL, do_job, &patient), 0);
    adk_test_sleep_ns(20 * MS);
    assert_int_equal(pthread_create(&threads[1], NULL, do_job, &hasty), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, do_job, &cancelled), 0);
    adk_test_sleep_ns(20 * MS);
    adk_cancel_fire(cancelled.cancel);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    check_job(&patient, 0);
    check_job(&hasty, 1);
    check_job(&cancelled, 2);
    assert_true(hasty.took_ns < patient.took_ns + adk_test_slack_ns());
    adk_cancel_free(cancelled.cancel);
    free(wat);
}

/* The one who compiles is timed out; those who wait for it have time and get what they wanted, in the right words. */
static void test_row_4_the_compiling_runs_deadline_does_not_spoil_it_for_the_others(void **state)
{
    char *wat = adk_test_under_valgrind() ? NULL : slow_module(1500);
    struct job hasty = {*state, wat, 30 * MS, 0, NULL, ADK_OUTCOME_TIMED_OUT, 0, 0, 0, 0, 0};
    struct job patient = {*state, wat, 0, 0, NULL, ADK_OUTCOME_EXITED, 0, 0, 0, 0, 0};
    pthread_t threads[2];

    if (wat == NULL) {
        print_message("skipped: the compiler's time is all different under valgrind\n");
        skip();
    }
    (void)memcpy(wat + strlen(wat) - 1, " )", 3); /* not the same source as in other tests */
    assert_int_equal(pthread_create(&threads[0], NULL, do_job, &hasty), 0);
    adk_test_sleep_ns(10 * MS);
    assert_int_equal(pthread_create(&threads[1], NULL, do_job, &patient), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    check_job(&hasty, 0);
    check_job(&patient, 1);
    free(wat);
}

/* Two of the tools do not follow a process with several threads into its child, where it starts more. */
#define SKIP_FORKS()                                                                                      \
    do {                                                                                                  \
        if (adk_test_under_valgrind() || adk_test_under_tsan()) {                                         \
            print_message("skipped: valgrind and the thread sanitizer do not follow fork and threads\n"); \
            skip();                                                                                       \
        }                                                                                                 \
    } while (0)

/* ---- fork --------------------------------------------------------------------------------------------------------- */

/* Waits for a child that says by its exit status what it found; kills it when it hangs. */
static void check_child(pid_t child)
{
    int status = 0;

    assert_true(child > 0);
    for (int i = 0; i < 1000; i++) {
        pid_t ended = waitpid(child, &status, WNOHANG);

        assert_true(ended >= 0);
        if (ended == child) {
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 0);
            return;
        }
        adk_test_sleep_ns(20 * MS);
    }
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    fail_msg("the child hangs");
}

static void test_a_forked_child_has_its_own_reaper(void **state)
{
    SKIP_FORKS();
    adk_test_run_exits(*state, GUEST_HELLO, 0);
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();

        if (child == 0) {
            struct job loop = {*state, GUEST_LOOP, 50 * MS, 0, NULL, ADK_OUTCOME_TIMED_OUT, 0, 0, 0, 0, 0};
            struct job hello = {*state, GUEST_HELLO, 0, 0, NULL, ADK_OUTCOME_EXITED, 0, 0, 0, 0, 0};
            int bad;

            (void)do_job(&loop);
            (void)do_job(&hello);
            bad = loop.status != ADK_OK || loop.outcome != ADK_OUTCOME_TIMED_OUT;
            bad |= hello.status != ADK_OK || hello.outcome != ADK_OUTCOME_EXITED ? 2 : 0;
            adk_backend_free(*state);
            _exit(bad);
        }
        check_child(child);
        adk_test_run_expect(*state, GUEST_HELLO, ADK_OUTCOME_EXITED);
    }
}

static atomic_int child_of_callback;

/* Forks in the middle of a run; the child comes back into its guest, which then loops for ever. */
static int fork_once(void *data, adk_bytes bytes)
{
    (void)data;
    (void)bytes;
    if (atomic_load(&child_of_callback) == 0)
        atomic_store(&child_of_callback, fork());
    return 0;
}

static void test_a_fork_in_the_middle_of_a_run(void **state)
{
    adk_request request =
        adk_test_request("(module " IMPORT_WRITE "(memory (export \"memory\") 1)"
                         "(data (i32.const 0) \"\\10\\00\\00\\00\\01\\00\\00\\00x\")" START
                         "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))" LOOP "))");
    adk_result *result = NULL;
    int status;
    pid_t child;

    SKIP_FORKS();
    request.timeout_ns = 300 * MS;
    request.on_stdout = fork_once;
    atomic_store(&child_of_callback, 0);
    status = adk_backend_execute(*state, &request, NULL, &result, NULL);
    child = atomic_load(&child_of_callback);
    if (child == 0) /* here the child comes out, stopped by its own reaper */
        _exit(status != ADK_OK || adk_result_outcome(result) != ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(status, ADK_OK);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    adk_result_free(result);
    check_child(child);
}

static void *keep_running(void *data)
{
    struct shorts *shorts = data;

    while (atomic_load(&child_of_callback) == 0)
        adk_test_run_expect(shorts->backend, GUEST_SLEEPS("1000000"), ADK_OUTCOME_EXITED);
    return NULL;
}

static void test_a_fork_while_others_run(void **state)
{
    struct shorts shorts = {*state, 0};
    pthread_t thread;

    SKIP_FORKS();
    atomic_store(&child_of_callback, 0);
    assert_int_equal(pthread_create(&thread, NULL, keep_running, &shorts), 0);
    for (int i = 0; i < 10; i++) {
        pid_t child;

        adk_test_sleep_ns(3 * MS);
        child = fork();
        if (child == 0) {
            struct job loop = {*state, GUEST_LOOP, 20 * MS, 0, NULL, ADK_OUTCOME_TIMED_OUT, 0, 0, 0, 0, 0};

            (void)do_job(&loop);
            _exit(loop.status != ADK_OK || loop.outcome != ADK_OUTCOME_TIMED_OUT);
        }
        check_child(child);
    }
    atomic_store(&child_of_callback, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* ---- as it was before --------------------------------------------------------------------------------------------- */

static void run_ten_thousand(adk_backend *backend, unsigned count)
{
    static const char *const guests[] = {GUEST_HELLO,
                                         GUEST_EXITS("7"),
                                         "(module (memory 100)" START
                                         "(memory.fill (i32.const 0) (i32.const 1) (i32.const 6553600))))",
                                         GUEST_EMPTY,
                                         GUEST_UNREACHABLE,
                                         "(module " START "(call $start)))",
                                         "(module)",
                                         "(module (memory 2000)" START "))"};
    size_t kinds = sizeof(guests) / sizeof(guests[0]);

    for (unsigned i = 0; i < count; i++) {
        adk_request request = adk_test_request(guests[i % kinds]);

        if (adk_test_under_valgrind() && (i % kinds == 4 || i % kinds == 5))
            continue;
        adk_result_free(adk_test_execute(backend, &request, NULL));
    }
}

/* On one CPU, so that no further shard comes into use between the two counts. */
static int pin(void **state)
{
    cpu_set_t one;

    (void)state;
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    return sched_setaffinity(0, sizeof(one), &one);
}

static int unpin(void **state)
{
    cpu_set_t all;

    (void)state;
    memset(&all, 0xff, sizeof(all)); /* the kernel takes away what the process may not have */
    return sched_setaffinity(0, sizeof(all), &all);
}

static void check_unchanged(adk_test_census before, adk_test_census after)
{
    print_message("descriptors %u -> %u, threads %u -> %u, mappings %u -> %u, resident %llu -> %llu KiB\n",
                  before.descriptors, after.descriptors, before.threads, after.threads, before.mappings, after.mappings,
                  (unsigned long long)(before.resident_bytes >> 10), (unsigned long long)(after.resident_bytes >> 10));
    assert_int_equal(after.descriptors, before.descriptors);
    assert_int_equal(after.threads, before.threads);
    assert_true(after.mappings <= before.mappings + 8);
    assert_true(after.resident_bytes <= before.resident_bytes + ((uint64_t)16 << 20));
}

static void test_row_7_ten_thousand_runs_leave_nothing_behind(void **state)
{
    adk_test_census before;

    run_ten_thousand(*state, 1000);
    before = adk_test_count();
    run_ten_thousand(*state, adk_test_under_valgrind() ? 200 : adk_test_sanitized() ? 2000 : 10000);
    if (adk_test_sanitized() || adk_test_under_valgrind())
        return; /* their own bookkeeping grows */
    check_unchanged(before, adk_test_count());
}

/* Modules that never come again: the cache is bounded, and so is what it takes. */
static void test_ten_thousand_modules_leave_nothing_behind(void **state)
{
    adk_wasm_options options = adk_test_options();
    unsigned count = adk_test_under_valgrind() ? 50 : adk_test_sanitized() ? 500 : 3000;
    adk_test_census before = {0, 0, 0, 0};
    adk_backend *backend;
    char wat[200];

    (void)state;
    options.cache_modules = 8;
    backend = adk_test_backend_with(&options);
    for (unsigned i = 0; i < count; i++) {
        if (i == count / 3)
            before = adk_test_count();
        (void)snprintf(wat, sizeof(wat), "(module (memory 1) (data (i32.const 0) \"%u\") (func $n%u)" START "))", i, i);
        adk_test_run_exits(backend, wat, 0);
    }
    if (!adk_test_sanitized() && !adk_test_under_valgrind())
        check_unchanged(before, adk_test_count());
    adk_backend_free(backend);
}

/* Threads come and go: what a run keeps with its thread goes with it. */
static void test_threads_leave_nothing_behind(void **state)
{
    unsigned rounds = adk_test_under_valgrind() ? 20 : adk_test_sanitized() ? 200 : 1000;
    adk_test_census before = {0, 0, 0, 0};

    for (unsigned i = 0; i < rounds; i++) {
        struct job job = {*state, GUEST_HELLO, 0, 0, NULL, ADK_OUTCOME_EXITED, 0, 0, 0, 0, 0};
        pthread_t thread;

        if (i == rounds / 3)
            before = adk_test_count();
        assert_int_equal(pthread_create(&thread, NULL, do_job, &job), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        check_job(&job, i);
    }
    if (!adk_test_sanitized() && !adk_test_under_valgrind())
        check_unchanged(before, adk_test_count());
}

static void test_row_7_nothing_is_left_when_the_last_backend_goes(void **state)
{
    adk_test_census census;

    (void)state; /* the group's own backend is there: one thread for both */
    for (int i = 0; i < 3; i++) {
        adk_backend *backend = adk_test_backend();

        adk_test_run_exits(backend, GUEST_HELLO, 0);
        adk_backend_free(backend);
    }
    census = adk_test_count();
    if (!adk_test_sanitized())
        assert_int_equal(census.threads, 3); /* this one, the reaper, the janitor */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_1_a_hundred_runs_at_once_each_with_its_own_deadline),
        cmocka_unit_test(test_row_1_more_runs_than_slots),
        cmocka_unit_test(test_row_1_a_finished_runs_deadline_never_touches_another),
        cmocka_unit_test(test_two_backends_at_once),
        cmocka_unit_test(test_backends_come_and_go),
        cmocka_unit_test(test_every_cpu),
        cmocka_unit_test(test_row_4_one_waiters_deadline_only_detaches_that_waiter),
        cmocka_unit_test(test_row_4_the_compiling_runs_deadline_does_not_spoil_it_for_the_others),
        cmocka_unit_test(test_a_forked_child_has_its_own_reaper),
        cmocka_unit_test(test_a_fork_in_the_middle_of_a_run),
        cmocka_unit_test(test_a_fork_while_others_run),
        cmocka_unit_test_setup_teardown(test_row_7_ten_thousand_runs_leave_nothing_behind, pin, unpin),
        cmocka_unit_test_setup_teardown(test_ten_thousand_modules_leave_nothing_behind, pin, unpin),
        cmocka_unit_test_setup_teardown(test_threads_leave_nothing_behind, pin, unpin),
        cmocka_unit_test(test_row_7_nothing_is_left_when_the_last_backend_goes),
    };

    return cmocka_run_group_tests_name("wasm_concurrent", tests, adk_test_setup, adk_test_teardown);
}
