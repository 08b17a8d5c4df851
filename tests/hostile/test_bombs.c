/*
 * Modules that keep the compiler busy. With the deadline of a fifth of a second each ends at that deadline, in the phase
 * compile, or sooner where it is legitimately quick; other runs keep their speed meanwhile; a cancellation is answered at
 * once; those who wait for the same bomb come back each at their own deadline; and what did not compile in its time is
 * remembered, so that the same bomb asked again costs nothing.
 */
#include "hostile.h"

#include <pthread.h>
#include <stdatomic.h>

#define DEADLINE   (200 * MS)
#define PROMPT_NS  (adk_test_sanitized() ? 200 * MS : 20 * MS) /* "at once", and a cancellation */
#define SPEED_LOSS 3u                                          /* how much slower others may be, by the median */
#define FORK_LOSS  6u /* the same where each is a process, among those of compilers */

/* How a bomb may end within the deadline. */
enum {
    MUST_TIME_OUT = 0,
    MAY_EXIT = 1,   /* it is quick enough on a quick machine */
    MAY_REJECT = 2, /* it is above some count that the compiler's pre-pass or the engine refuses */
};

struct bomb {
    const char *name;
    void (*make)(adk_shape *, uint32_t);
    uint32_t size;
    unsigned may;
};

static void br_table_wide(adk_shape *shape, uint32_t targets)
{
    adk_shape_br_table(shape, targets, 100);
}

static void br_table_deep(adk_shape *shape, uint32_t blocks)
{
    adk_shape_br_table(shape, 65000, blocks);
}

static const struct bomb bombs[] = {
    {"20,000 empty loops", adk_shape_empty_loops, 20000, MUST_TIME_OUT},
    {"3,000 loops within each other", adk_shape_nested_loops, 3000, MUST_TIME_OUT},
    {"8,000 live locals", adk_shape_live_locals, 8000, MUST_TIME_OUT},
    {"a branch table of 65,000, a hundred blocks deep", br_table_wide, 65000, MAY_EXIT},
    {"a branch table a thousand blocks deep", br_table_deep, 1000, MAY_EXIT},
    {"50,000 blocks within each other", adk_shape_nested_blocks, 50000, MAY_EXIT},
    {"100,000 functions", adk_shape_functions, 100000, MUST_TIME_OUT},
    {"a million functions", adk_shape_functions, 1000000, MUST_TIME_OUT},
    {"10 MB of data", adk_shape_data, 10 << 20, MAY_EXIT},
    {"100,000 segments of data", adk_shape_segments, 100000, MAY_EXIT},
    {"a table of a million elements", adk_shape_elements, 1000000, MAY_EXIT},
    {"a million constants", adk_shape_constants, 1000000, MUST_TIME_OUT},
    {"100,000 empty loops as text", adk_shape_loops_text, 100000, MUST_TIME_OUT},
    {"100,000 functions as text", adk_shape_functions_text, 100000, MUST_TIME_OUT},
    {"text of blocks a million deep", adk_shape_nested_text, 1000000, MAY_REJECT},
    {"text of 12 MB of data", adk_shape_data_text, 4 << 20, MAY_EXIT},
};

/* ---- one bomb ----------------------------------------------------------------------------------------------------- */

static bool ended_as_it_may(const struct bomb *bomb, const adk_result *result)
{
    switch (adk_result_outcome(result)) {
    case ADK_OUTCOME_TIMED_OUT:
        if (adk_test_armoured() && bomb->may == MAY_EXIT && adk_result_phase(result) == ADK_PHASE_INSTANTIATE)
            return true; /* it was compiled, and on its way to a process */
        return adk_result_phase(result) == ADK_PHASE_COMPILE;
    case ADK_OUTCOME_EXITED:
        return bomb->may == MAY_EXIT;
    case ADK_OUTCOME_REJECTED:
        return bomb->may == MAY_REJECT;
    default:
        return false;
    }
}

/* Returns whether it was timed out, and not quick. */
static bool drop(adk_backend *backend, const struct bomb *bomb, const adk_shape *code, uint64_t timeout_ns,
                 uint64_t at_most_ns)
{
    adk_request request = ADK_REQUEST_INIT;
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result;
    bool timed_out;
    uint64_t took_ns;

    request.code = adk_shape_bytes(code);
    request.timeout_ns = timeout_ns;
    result = adk_test_execute(backend, &request, NULL);
    took_ns = adk_test_now_ns() - start_ns;
    if (!ended_as_it_may(bomb, result))
        fail_msg("%s: %s in phase %s", bomb->name, adk_outcome_cstr(adk_result_outcome(result)),
                 adk_phase_cstr(adk_result_phase(result)));
    if (took_ns > at_most_ns)
        fail_msg("%s: took %llu ms", bomb->name, (unsigned long long)(took_ns / MS));
    timed_out = adk_result_outcome(result) == ADK_OUTCOME_TIMED_OUT;
    adk_result_free(result);
    return timed_out;
}

static void test_every_bomb_ends_at_its_deadline(void **state)
{
    adk_hostile *hostile = *state;

    for (size_t i = 0; i < COUNT_OF(bombs); i++) {
        adk_shape code = {NULL, 0, 0};

        bombs[i].make(&code, bombs[i].size);
        (void)drop(hostile->backend, &bombs[i], &code, DEADLINE, DEADLINE + adk_test_slack_ns());
        adk_shape_free(&code);
        adk_hostile_unharmed(hostile, bombs[i].name);
    }
}

/* Asked again with the same time, a bomb is known; with more time it gets a fair try and comes back at that deadline. */
static void test_a_bomb_is_remembered(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_hostile hostile;

    (void)state;
    options.slots = 4;
    adk_hostile_begin(&hostile, &options);
    for (size_t i = 0; i < 3; i++) {
        adk_shape code = {NULL, 0, 0};

        bombs[i].make(&code, bombs[i].size);
        assert_true(drop(hostile.backend, &bombs[i], &code, DEADLINE, DEADLINE + adk_test_slack_ns()));
        assert_true(drop(hostile.backend, &bombs[i], &code, DEADLINE, PROMPT_NS));
        assert_true(drop(hostile.backend, &bombs[i], &code, DEADLINE / 2, PROMPT_NS));
        adk_shape_free(&code);
    }
    assert_null(adk_hostile_hello(hostile.backend));
    adk_hostile_end(&hostile);
}

/* ---- others meanwhile --------------------------------------------------------------------------------------------- */

#define SAMPLES 2000

struct others {
    adk_backend *backend;
    atomic_bool over;
    uint64_t took_ns[SAMPLES];
    unsigned count;
    const char *wrong;
};

static void *say_hello(void *data)
{
    struct others *others = data;

    while (!atomic_load(&others->over)) {
        uint64_t start_ns = adk_test_now_ns();
        const char *wrong = adk_hostile_hello(others->backend);

        others->took_ns[others->count % SAMPLES] = adk_test_now_ns() - start_ns;
        others->count++;
        if (wrong != NULL)
            others->wrong = wrong;
        adk_test_sleep_ns(100000);
    }
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static uint64_t median(struct others *others)
{
    unsigned count = others->count < SAMPLES ? others->count : SAMPLES;

    assert_true(count > 20);
    qsort(others->took_ns, count, sizeof(others->took_ns[0]), by_value);
    return others->took_ns[count / 2];
}

/* The median of a run of hello world while bombs fall, or while nothing does. */
static uint64_t speed_of_others(adk_backend *backend, bool bombed)
{
    struct others *others = calloc(1, sizeof(*others));
    pthread_t thread;
    uint64_t result;

    assert_non_null(others);
    others->backend = backend;
    assert_int_equal(pthread_create(&thread, NULL, say_hello, others), 0);
    if (!bombed)
        adk_test_sleep_ns(500 * MS);
    for (size_t i = 0; bombed && i < 3; i++) {
        adk_shape code = {NULL, 0, 0};

        bombs[i].make(&code, bombs[i].size + 1); /* not one that is remembered */
        (void)drop(backend, &bombs[i], &code, DEADLINE, DEADLINE + adk_test_slack_ns());
        adk_shape_free(&code);
    }
    atomic_store(&others->over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(others->wrong);
    result = median(others);
    free(others);
    return result;
}

static void test_others_keep_their_speed(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_backend *backend;
    uint64_t alone_ns;
    uint64_t bombed_ns;

    (void)state;
    backend = adk_test_backend_with(&options);
    assert_null(adk_hostile_hello(backend));
    alone_ns = speed_of_others(backend, false);
    bombed_ns = speed_of_others(backend, true);
    print_message("hello world: %llu ns alone, %llu ns while bombs fall\n", (unsigned long long)alone_ns,
                  (unsigned long long)bombed_ns);
    assert_true(bombed_ns <= (adk_test_armoured() ? FORK_LOSS : SPEED_LOSS) * alone_ns);
    adk_backend_free(backend);
}

/* ---- cancellation and waiting ------------------------------------------------------------------------------------- */

struct waiter {
    adk_backend *backend;
    adk_bytes code;
    uint64_t timeout_ns;
    adk_cancel *cancel;
    uint64_t took_ns;
    uint64_t ended_ns;
    adk_outcome outcome;
    adk_phase phase;
    int status;
};

static void *wait_for_a_bomb(void *data)
{
    struct waiter *w = data;
    adk_request request = ADK_REQUEST_INIT;
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result = NULL;

    request.code = w->code;
    request.timeout_ns = w->timeout_ns;
    w->status = adk_backend_execute(w->backend, &request, w->cancel, &result, NULL);
    w->ended_ns = adk_test_now_ns();
    w->took_ns = w->ended_ns - start_ns;
    if (w->status != ADK_OK)
        return NULL;
    w->outcome = adk_result_outcome(result);
    w->phase = adk_result_phase(result);
    adk_result_free(result);
    return NULL;
}

static void test_a_cancellation_while_it_compiles(void **state)
{
    adk_hostile *hostile = *state;

    for (size_t i = 0; i < 3; i++) {
        adk_shape code = {NULL, 0, 0};
        struct waiter w = {.backend = hostile->backend, .timeout_ns = 60 * SECOND};
        pthread_t thread;
        uint64_t fired_ns;

        bombs[i].make(&code, bombs[i].size + 2);
        w.code = adk_shape_bytes(&code);
        assert_int_equal(adk_cancel_new(&w.cancel, NULL), ADK_OK);
        assert_int_equal(pthread_create(&thread, NULL, wait_for_a_bomb, &w), 0);
        adk_test_sleep_ns(50 * MS); /* so that it compiles, and does not wait to */
        fired_ns = adk_test_now_ns();
        adk_cancel_fire(w.cancel);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(w.status, ADK_OK);
        assert_int_equal(w.outcome, ADK_OUTCOME_CANCELLED);
        assert_int_equal(w.phase, ADK_PHASE_COMPILE);
        if (w.ended_ns > fired_ns + PROMPT_NS)
            fail_msg("%s: cancelled after %llu ms", bombs[i].name, (unsigned long long)((w.ended_ns - fired_ns) / MS));
        adk_cancel_free(w.cancel);
        adk_shape_free(&code);
        adk_hostile_unharmed(hostile, "a cancelled bomb");
    }
}

#define WAITERS 4

static void test_four_who_want_the_same_bomb(void **state)
{
    adk_hostile *hostile = *state;
    struct waiter waiters[WAITERS];
    pthread_t threads[WAITERS];
    adk_shape code = {NULL, 0, 0};

    adk_shape_empty_loops(&code, 30001);
    for (size_t i = 0; i < WAITERS; i++) {
        waiters[i] = (struct waiter){
            .backend = hostile->backend, .code = adk_shape_bytes(&code), .timeout_ns = (i + 1) * 100 * MS};
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_a_bomb, &waiters[i]), 0);
    }
    for (size_t i = 0; i < WAITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    adk_shape_free(&code);
    for (size_t i = 0; i < WAITERS; i++) {
        assert_int_equal(waiters[i].status, ADK_OK);
        assert_int_equal(waiters[i].outcome, ADK_OUTCOME_TIMED_OUT);
        assert_int_equal(waiters[i].phase, ADK_PHASE_COMPILE);
        assert_in_range(waiters[i].took_ns, waiters[i].timeout_ns, waiters[i].timeout_ns + adk_test_slack_ns());
    }
    adk_hostile_unharmed(hostile, "four who wanted the same bomb");
}

/* More bombs at once than there may be compilers: waiting counts, nobody comes back late. */
static void test_a_shower_of_bombs(void **state)
{
    adk_hostile *hostile = *state;
    struct waiter waiters[32];
    pthread_t threads[32];
    adk_shape codes[32];

    for (uint32_t i = 0; i < 32; i++) {
        codes[i] = (adk_shape){NULL, 0, 0};
        adk_shape_empty_loops(&codes[i], 40000 + i);
        waiters[i] =
            (struct waiter){.backend = hostile->backend, .code = adk_shape_bytes(&codes[i]), .timeout_ns = DEADLINE};
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_a_bomb, &waiters[i]), 0);
    }
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        adk_shape_free(&codes[i]);
    }
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(waiters[i].status, ADK_OK);
        assert_int_equal(waiters[i].outcome, ADK_OUTCOME_TIMED_OUT);
        assert_int_equal(waiters[i].phase, ADK_PHASE_COMPILE);
        assert_in_range(waiters[i].took_ns, DEADLINE, DEADLINE + adk_test_slack_ns());
    }
    adk_hostile_unharmed(hostile, "a shower of bombs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_bomb_ends_at_its_deadline), cmocka_unit_test(test_a_bomb_is_remembered),
        cmocka_unit_test(test_others_keep_their_speed),         cmocka_unit_test(test_a_cancellation_while_it_compiles),
        cmocka_unit_test(test_four_who_want_the_same_bomb),     cmocka_unit_test(test_a_shower_of_bombs),
    };

    return cmocka_run_group_tests_name("bombs", tests, adk_hostile_setup, adk_hostile_teardown);
}
