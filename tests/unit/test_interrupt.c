/*
 * src/base/interrupt and src/base/clock: deadline, cancellation, and waiting for whichever comes first.
 */
#include "support.h"

#include "base/interrupt.h"

static void test_times_saturate(void **state)
{
    (void)state;
    assert_true(adk__add_saturated(1, 2) == 3);
    assert_true(adk__add_saturated(UINT64_MAX, 0) == UINT64_MAX);
    assert_true(adk__add_saturated(UINT64_MAX, 1) == ADK__NEVER);
    assert_true(adk__add_saturated(UINT64_MAX - 1, UINT64_MAX) == ADK__NEVER);
    assert_int_equal(adk__timespec_from_ns(1999999999).tv_sec, 1);
    assert_int_equal(adk__timespec_from_ns(1999999999).tv_nsec, 999999999);
}

static void test_check(void **state)
{
    adk__interrupt interrupt;

    (void)state;
    assert_int_equal(adk__interrupt_init(&interrupt), 0);
    assert_int_equal(adk__interrupt_check(&interrupt), ADK__INTERRUPT_NONE);
    adk__interrupt_begin(&interrupt, adk__now_ns() + 100 * SECOND);
    assert_int_equal(adk__interrupt_check(&interrupt), ADK__INTERRUPT_NONE);
    adk__interrupt_begin(&interrupt, adk__now_ns());
    assert_int_equal(adk__interrupt_check(&interrupt), ADK__INTERRUPT_DEADLINE);
    adk__interrupt_cancel(&interrupt); /* comes before a deadline that has passed as well */
    assert_int_equal(adk__interrupt_check(&interrupt), ADK__INTERRUPT_CANCEL);
    adk__interrupt_begin(&interrupt, ADK__NEVER); /* the next run knows nothing of it */
    assert_int_equal(adk__interrupt_check(&interrupt), ADK__INTERRUPT_NONE);
    adk__interrupt_destroy(&interrupt);
}

static void test_wait_lasts_as_long_as_it_should(void **state)
{
    adk__interrupt interrupt;
    uint64_t start_ns = adk__now_ns();

    (void)state;
    assert_int_equal(adk__interrupt_init(&interrupt), 0);
    adk__interrupt_begin(&interrupt, ADK__NEVER);
    assert_int_equal(adk__interrupt_wait(&interrupt, start_ns + 20 * MS), ADK__INTERRUPT_NONE);
    assert_true(adk__now_ns() >= start_ns + 20 * MS);
    assert_true(adk__now_ns() < start_ns + 20 * MS + adk_test_slack_ns());
    start_ns = adk__now_ns();
    assert_int_equal(adk__interrupt_wait(&interrupt, 0), ADK__INTERRUPT_NONE);
    assert_true(adk__now_ns() < start_ns + adk_test_slack_ns());
    adk__interrupt_destroy(&interrupt);
}

static void test_wait_ends_at_the_deadline(void **state)
{
    adk__interrupt interrupt;
    uint64_t start_ns = adk__now_ns();

    (void)state;
    assert_int_equal(adk__interrupt_init(&interrupt), 0);
    adk__interrupt_begin(&interrupt, start_ns + 20 * MS);
    assert_int_equal(adk__interrupt_wait(&interrupt, ADK__NEVER), ADK__INTERRUPT_DEADLINE);
    assert_true(adk__now_ns() >= start_ns + 20 * MS);
    assert_true(adk__now_ns() < start_ns + 20 * MS + adk_test_slack_ns());
    assert_int_equal(adk__interrupt_wait(&interrupt, ADK__NEVER), ADK__INTERRUPT_DEADLINE);
    adk__interrupt_destroy(&interrupt);
}

static void *cancel_soon(void *data)
{
    adk_test_sleep_ns(20 * MS);
    adk__interrupt_cancel(data);
    return NULL;
}

static void test_wait_ends_with_a_cancellation(void **state)
{
    adk__interrupt interrupt;
    uint64_t start_ns = adk__now_ns();
    pthread_t thread;

    (void)state;
    assert_int_equal(adk__interrupt_init(&interrupt), 0);
    adk__interrupt_begin(&interrupt, ADK__NEVER);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &interrupt), 0);
    assert_int_equal(adk__interrupt_wait(&interrupt, ADK__NEVER), ADK__INTERRUPT_CANCEL);
    assert_true(adk__now_ns() < start_ns + 20 * MS + adk_test_slack_ns());
    assert_int_equal(pthread_join(thread, NULL), 0);
    adk__interrupt_destroy(&interrupt);
}

static void test_wait_for_ever_takes_any_time(void **state)
{
    static const uint64_t far[] = {ADK__NEVER, ADK__NEVER - 1, (uint64_t)INT64_MAX, (uint64_t)INT64_MAX + 1};
    adk__interrupt interrupt;

    (void)state;
    assert_int_equal(adk__interrupt_init(&interrupt), 0);
    for (size_t i = 0; i < 4; i++) {
        uint64_t start_ns = adk__now_ns();
        pthread_t thread;

        adk__interrupt_begin(&interrupt, far[i]);
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &interrupt), 0);
        assert_int_equal(adk__interrupt_wait(&interrupt, far[i]), ADK__INTERRUPT_CANCEL);
        assert_true(adk__now_ns() - start_ns >= 20 * MS);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    adk__interrupt_destroy(&interrupt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_saturate),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_wait_lasts_as_long_as_it_should),
        cmocka_unit_test(test_wait_ends_at_the_deadline),
        cmocka_unit_test(test_wait_ends_with_a_cancellation),
        cmocka_unit_test(test_wait_for_ever_takes_any_time),
    };

    return cmocka_run_group_tests_name("interrupt", tests, NULL, NULL);
}
