/*
 * Many at once: cancellations that race with the end of what they cancel, more runs than slots, and more modules than the
 * process may have descriptors for.
 */
#include "hostile.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* ---- cancellations that race with the end ------------------------------------------------------------------------- */

#define RACES 10000u

/* What the racing threads share: the cancellation of the round, which one fires and the other runs with. */
struct race {
    adk_backend *backend;
    pthread_barrier_t *barrier;
    adk_cancel *cancel; /* of this round; made and freed by the runner, between the barriers */
    unsigned rounds;
    unsigned cancelled;
    unsigned finished;
    const char *wrong;
};

static void *fire(void *data)
{
    struct race *race = data;
    uint64_t seed = 99;

    for (unsigned i = 0; i < race->rounds; i++) {
        uint64_t until;

        (void)pthread_barrier_wait(race->barrier);
        until = adk_test_now_ns() + adk_hostile_random(&seed) % 60000; /* about what a run takes */
        while (adk_test_now_ns() < until)
            continue;
        adk_cancel_fire(race->cancel);
        (void)pthread_barrier_wait(race->barrier);
    }
    return NULL;
}

/* One run that is cancelled at some moment: before, while, after; it ends one way or the other, and tells which. */
static void run_cancelled(struct race *race, const char *wat)
{
    adk_request request = adk_test_request(wat);
    adk_result *result = NULL;

    if (adk_backend_execute(race->backend, &request, race->cancel, &result, NULL) != ADK_OK) {
        race->wrong = "the call failed";
        return;
    }
    if (adk_hostile_contradiction(result) != NULL)
        race->wrong = adk_hostile_contradiction(result);
    if (adk_result_outcome(result) == ADK_OUTCOME_CANCELLED)
        race->cancelled++;
    else if (adk_result_outcome(result) == ADK_OUTCOME_EXITED &&
             adk_test_bytes_are(adk_result_stdout(result).head, "hello, world\n"))
        race->finished++;
    else
        race->wrong = "neither cancelled nor hello world";
    adk_result_free(result);
}

static void race_for(adk_backend *backend, const char *wat, struct race *race, unsigned rounds)
{
    pthread_barrier_t barrier;
    pthread_t thread;

    *race = (struct race){.backend = backend, .barrier = &barrier, .rounds = rounds};
    adk_test_compile(backend, wat);
    assert_int_equal(pthread_barrier_init(&barrier, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, fire, race), 0);
    for (unsigned i = 0; i < rounds; i++) {
        if (adk_cancel_new(&race->cancel, NULL) != ADK_OK)
            abort();
        (void)pthread_barrier_wait(&barrier);
        run_cancelled(race, wat);
        (void)pthread_barrier_wait(&barrier);
        adk_cancel_free(race->cancel);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)pthread_barrier_destroy(&barrier);
    if (race->wrong != NULL)
        fail_msg("a race: %s", race->wrong);
    assert_int_equal(race->cancelled + race->finished, rounds);
}

static void test_ten_thousand_cancellations_that_race(void **state)
{
    adk_hostile *hostile = *state;
    unsigned share = adk_test_sanitized() ? 4 : 1;
    struct race race;

    race_for(hostile->backend, GUEST_HELLO, &race, RACES / share);
    print_message("%u cancelled, %u finished\n", race.cancelled, race.finished);
    assert_true(race.cancelled > 0 && race.finished > 0); /* that it was a race */
    adk_hostile_unharmed(hostile, "cancellations that race");
}

static void test_cancellations_of_what_never_ends(void **state)
{
    adk_hostile *hostile = *state;
    struct race race;

    race_for(hostile->backend, GUEST_LOOP, &race, 500);
    assert_int_equal(race.cancelled, 500);
    race_for(hostile->backend, GUEST_SLEEPS("-1"), &race, 500);
    assert_int_equal(race.cancelled, 500);
    race_for(hostile->backend, "(module (func $s " LOOP ") (start $s)" START "))", &race, 500);
    assert_int_equal(race.cancelled, 500);
    adk_hostile_unharmed(hostile, "cancellations of what never ends");
}

/* ---- more than there are slots ------------------------------------------------------------------------------------ */

#define THREADS 200

struct crowd {
    adk_backend *backend;
    pthread_barrier_t *barrier;
    unsigned number;
    const char *wrong;
};

static const struct {
    const char *wat;
    uint64_t timeout_ns;
    adk_outcome outcome;
} crowd_guests[] = {
    {GUEST_HELLO, 60 * SECOND, ADK_OUTCOME_EXITED},
    {GUEST_SLEEPS("20000000"), 60 * SECOND, ADK_OUTCOME_EXITED},
    {GUEST_UNREACHABLE, 60 * SECOND, ADK_OUTCOME_TRAPPED},
    {GUEST_SLEEPS("-1"), 50 * MS, ADK_OUTCOME_TIMED_OUT},
    {"(module (memory 100)" START "(memory.fill (i32.const 0) (i32.const 255) (i32.const 6553600))))", 60 * SECOND,
     ADK_OUTCOME_EXITED},
    {"(module (memory 100)" START "(if (i32.load (i32.const 6553596)) (then unreachable))))", 60 * SECOND,
     ADK_OUTCOME_EXITED},
    {"(module " START "(call $start)))", 60 * SECOND, ADK_OUTCOME_TRAPPED},
    {"(module (memory 2000)" START "))", 60 * SECOND, ADK_OUTCOME_MEMORY_LIMIT},
    {"(module)", 60 * SECOND, ADK_OUTCOME_REJECTED},
};

static void *join_the_crowd(void *data)
{
    struct crowd *c = data;

    (void)pthread_barrier_wait(c->barrier);
    for (unsigned i = 0; i < COUNT_OF(crowd_guests); i++) {
        size_t which = (c->number + i) % COUNT_OF(crowd_guests);
        adk_request request = adk_test_request(crowd_guests[which].wat);
        adk_result *result = NULL;

        request.timeout_ns = crowd_guests[which].timeout_ns;
        if (adk_backend_execute(c->backend, &request, NULL, &result, NULL) != ADK_OK) {
            c->wrong = "the call failed";
            return NULL;
        }
        if (adk_hostile_contradiction(result) != NULL)
            c->wrong = adk_hostile_contradiction(result);
        if (adk_result_outcome(result) != crowd_guests[which].outcome)
            c->wrong = crowd_guests[which].wat;
        adk_result_free(result);
    }
    return NULL;
}

static void test_two_hundred_threads_and_four_slots(void **state)
{
    struct crowd crowd[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_t barrier;
    adk_wasm_options options = adk_test_options();
    adk_hostile hostile;

    (void)state;
    options.slots = 4;
    adk_hostile_begin(&hostile, &options);
    assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){hostile.backend, &barrier, i, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, join_the_crowd, &crowd[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        if (crowd[i].wrong != NULL)
            fail_msg("thread %u: %s", i, crowd[i].wrong);
    }
    (void)pthread_barrier_destroy(&barrier);
    assert_null(adk_hostile_hello(hostile.backend));
    adk_hostile_end(&hostile);
}

/* ---- more modules than descriptors -------------------------------------------------------------------------------- */

static unsigned descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count - 3; /* "." and "..", and the directory itself */
}

static void run_modules(adk_backend *backend, unsigned count, unsigned most)
{
    for (unsigned i = 0; i < count; i++) {
        char wat[400];
        adk_result *result;

        (void)snprintf(wat, sizeof(wat),
                       "(module " IMPORT_EXIT
                       "(memory 2) (data (i32.const 0) \"%08u\") (data (i32.const 70000) \"x\")" START
                       "(call $exit (i32.sub (i32.load8_u (i32.const 7)) (i32.const 48)))))",
                       i);
        result = adk_test_run(backend, wat);
        adk_test_expect(result, ADK_OUTCOME_EXITED);
        assert_int_equal(adk_result_exit_code(result), i % 10);
        adk_result_free(result);
        if (i % 50 == 0)
            assert_in_range(descriptors(), 0, most);
    }
}

static void test_five_thousand_modules_and_256_descriptors(void **state)
{
    struct rlimit before;
    struct rlimit few;
    adk_backend *backend;
    unsigned start = descriptors();

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 256;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    backend = adk_test_backend();
    run_modules(backend, adk_test_sanitized() ? 1000 : 5000, 200);
    adk_backend_free(backend);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_in_range(descriptors(), start, start + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ten_thousand_cancellations_that_race),
        cmocka_unit_test(test_cancellations_of_what_never_ends),
        cmocka_unit_test(test_two_hundred_threads_and_four_slots),
        cmocka_unit_test(test_five_thousand_modules_and_256_descriptors),
    };

    return cmocka_run_group_tests_name("concurrency", tests, adk_hostile_setup, adk_hostile_teardown);
}
