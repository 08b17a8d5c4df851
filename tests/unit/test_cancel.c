/*
 * src/core/cancel: a one-shot flag, its watches, its references, its threads.
 */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

static adk_cancel *make(void)
{
    adk_cancel *cancel = NULL;

    assert_int_equal(adk_cancel_new(&cancel, NULL), ADK_OK);
    assert_non_null(cancel);
    return cancel;
}

static void count(void *data)
{
    (void)atomic_fetch_add((atomic_int *)data, 1);
}

static void test_fires_once_and_for_ever(void **state)
{
    adk_cancel *cancel = make();

    (void)state;
    assert_int_equal(adk_cancel_fired(cancel), 0);
    adk_cancel_fire(cancel);
    assert_int_equal(adk_cancel_fired(cancel), 1);
    adk_cancel_fire(cancel);
    assert_int_equal(adk_cancel_fired(cancel), 1);
    adk_cancel_free(cancel);
}

static void test_null_is_fine(void **state)
{
    (void)state;
    adk_cancel_fire(NULL);
    assert_int_equal(adk_cancel_fired(NULL), 0);
    assert_null(adk_cancel_ref(NULL));
    adk_cancel_free(NULL);
}

static void test_references(void **state)
{
    adk_cancel *cancel = make();

    (void)state;
    assert_ptr_equal(adk_cancel_ref(cancel), cancel);
    adk_cancel_free(cancel);
    adk_cancel_fire(cancel); /* still there: the sanitizers would say otherwise */
    assert_int_equal(adk_cancel_fired(cancel), 1);
    adk_cancel_free(cancel);
}

static void test_watches_are_called_once_each(void **state)
{
    adk_cancel *cancel = make();
    adk_cancel_watch watches[3];
    atomic_int calls[3] = {0, 0, 0};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        adk_cancel_add_watch(cancel, &watches[i], count, &calls[i]);
    adk_cancel_fire(cancel);
    adk_cancel_fire(cancel);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(calls[i], 1);
        adk_cancel_remove_watch(cancel, &watches[i]);
    }
    adk_cancel_free(cancel);
}

static void test_a_watch_on_what_has_fired_is_called_at_once(void **state)
{
    adk_cancel *cancel = make();
    adk_cancel_watch watch;
    atomic_int calls = 0;

    (void)state;
    adk_cancel_fire(cancel);
    adk_cancel_add_watch(cancel, &watch, count, &calls);
    assert_int_equal(calls, 1);
    adk_cancel_remove_watch(cancel, &watch);
    adk_cancel_free(cancel);
}

static void test_a_removed_watch_is_not_called(void **state)
{
    static const size_t orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}};

    (void)state;
    for (size_t o = 0; o < 4; o++) {
        adk_cancel *cancel = make();
        adk_cancel_watch watches[3];
        atomic_int calls[3] = {0, 0, 0};

        for (size_t i = 0; i < 3; i++)
            adk_cancel_add_watch(cancel, &watches[i], count, &calls[i]);
        adk_cancel_remove_watch(cancel, &watches[orders[o][0]]);
        adk_cancel_remove_watch(cancel, &watches[orders[o][1]]);
        adk_cancel_fire(cancel);
        assert_int_equal(calls[orders[o][0]], 0);
        assert_int_equal(calls[orders[o][1]], 0);
        assert_int_equal(calls[orders[o][2]], 1);
        adk_cancel_remove_watch(cancel, &watches[orders[o][2]]);
        adk_cancel_free(cancel);
    }
}

struct shared {
    adk_cancel *cancel;
    atomic_int after; /* calls that came after the watch was removed */
    atomic_int seen;
    atomic_bool go;
};

struct place {
    struct shared *shared;
    atomic_bool gone;
};

static void called(void *data)
{
    struct place *place = data;

    (void)atomic_fetch_add(&place->shared->seen, 1);
    if (atomic_load(&place->gone))
        (void)atomic_fetch_add(&place->shared->after, 1);
}

static void *watch_again_and_again(void *data)
{
    struct shared *shared = data;

    while (!atomic_load(&shared->go))
        continue;
    for (int i = 0; i < 2000; i++) {
        struct place place = {shared, false};
        adk_cancel_watch watch;

        adk_cancel_add_watch(shared->cancel, &watch, called, &place);
        adk_cancel_remove_watch(shared->cancel, &watch);
        atomic_store(&place.gone, true);
    }
    adk_cancel_free(shared->cancel);
    return NULL;
}

static void test_threads(void **state)
{
    struct shared shared = {make(), 0, 0, false};
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        (void)adk_cancel_ref(shared.cancel);
        assert_int_equal(pthread_create(&threads[i], NULL, watch_again_and_again, &shared), 0);
    }
    atomic_store(&shared.go, true);
    adk_test_sleep_ns(MS);
    adk_cancel_fire(shared.cancel);
    adk_cancel_free(shared.cancel); /* the last of the threads frees it */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(shared.after, 0);
    assert_true(shared.seen <= 4 * 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fires_once_and_for_ever),
        cmocka_unit_test(test_null_is_fine),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_watches_are_called_once_each),
        cmocka_unit_test(test_a_watch_on_what_has_fired_is_called_at_once),
        cmocka_unit_test(test_a_removed_watch_is_not_called),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests_name("cancel", tests, NULL, NULL);
}
