/*
 * src/wasi: poll_oneoff over clocks, streams and files; real time, virtual time, and interruption.
 */
#include "test_wasi.h"

#include <pthread.h>
#include <unistd.h>

#define MS       UINT64_C(1000000)
#define AT_SUBS  0x10000
#define AT_EVENT 0x30000

/* Puts a subscription in place; `size` and `clock_at` are those of its import module. */
static void put_clock_as(guest *g, uint64_t size, uint64_t clock_at, uint32_t i, uint64_t user, uint32_t clock,
                         uint64_t timeout_ns, uint16_t flags)
{
    uint64_t at = AT_SUBS + i * size;

    memset(g->memory + at, 0, size);
    put64(g, at, user);
    put32(g, at + clock_at, clock);
    put64(g, at + clock_at + 8, timeout_ns);
    put64(g, at + clock_at + 16, UINT64_MAX); /* precision: of no account */
    memcpy(g->memory + at + clock_at + 24, &flags, sizeof flags);
}

static void put_clock(guest *g, uint32_t i, uint64_t user, uint32_t clock, uint64_t timeout_ns, uint16_t flags)
{
    put_clock_as(g, 48, 16, i, user, clock, timeout_ns, flags);
}

static void put_fd(guest *g, uint32_t i, uint64_t user, uint8_t tag, uint32_t fd)
{
    uint64_t at = AT_SUBS + (uint64_t)i * 48;

    memset(g->memory + at, 0xFF, 48); /* what the tag has no use for may be anything */
    put64(g, at, user);
    g->memory[at + 8] = tag;
    put32(g, at + 16, fd);
}

static uint32_t poll_now(guest *g, uint32_t count)
{
    OK(CALL(g, poll_oneoff, AT_SUBS, AT_EVENT, count, AT_RESULT));
    return get32(g, AT_RESULT);
}

static void event_is(guest *g, uint32_t i, uint64_t user, uint16_t error, uint8_t type, uint64_t bytes, uint16_t flags)
{
    uint64_t at = AT_EVENT + (uint64_t)i * 32;

    assert_true(get64(g, at) == user);
    assert_int_equal(get16(g, at + 8), error);
    assert_int_equal(g->memory[at + 10], type);
    assert_true(get64(g, at + 16) == bytes);
    assert_int_equal(get16(g, at + 24), flags);
}

static void test_sleep(void **state)
{
    guest *g = *state;
    uint64_t begin = adk__now_ns();

    put_clock(g, 0, 7, ADK__WASI_CLOCK_MONOTONIC, 20 * MS, 0);
    put_clock(g, 1, 8, ADK__WASI_CLOCK_REALTIME, 3600 * ADK__NS_PER_S, 0);
    assert_int_equal(poll_now(g, 2), 1);
    event_is(g, 0, 7, 0, ADK__WASI_EVENT_CLOCK, 0, 0);
    assert_true(adk__now_ns() - begin >= 20 * MS);
    assert_true(adk__now_ns() - begin < 2 * ADK__NS_PER_S);
}

static void test_absolute_times(void **state)
{
    guest *g = *state;
    uint64_t begin;

    OK(CALL(g, clock_time_get, ADK__WASI_CLOCK_MONOTONIC, 0, AT_RESULT));
    put_clock(g, 0, 1, ADK__WASI_CLOCK_MONOTONIC, get64(g, AT_RESULT) + 20 * MS, ADK__WASI_SUBCLOCK_ABSTIME);
    begin = adk__now_ns();
    assert_int_equal(poll_now(g, 1), 1);
    assert_true(adk__now_ns() - begin >= 10 * MS);
    OK(CALL(g, clock_time_get, ADK__WASI_CLOCK_REALTIME, 0, AT_RESULT));
    put_clock(g, 0, 1, ADK__WASI_CLOCK_REALTIME, get64(g, AT_RESULT) + 20 * MS, ADK__WASI_SUBCLOCK_ABSTIME);
    begin = adk__now_ns();
    assert_int_equal(poll_now(g, 1), 1);
    assert_true(adk__now_ns() - begin >= 10 * MS);
    put_clock(g, 0, 1, ADK__WASI_CLOCK_REALTIME, 1, ADK__WASI_SUBCLOCK_ABSTIME); /* long ago */
    begin = adk__now_ns();
    assert_int_equal(poll_now(g, 1), 1);
    assert_true(adk__now_ns() - begin < ADK__NS_PER_S);
}

static void test_streams_are_ready(void **state)
{
    guest *g = *state;

    g->request.stdin_data = (adk_bytes){"12345", 5};
    guest_begin(g);
    put_clock(g, 0, 1, ADK__WASI_CLOCK_MONOTONIC, 3600 * ADK__NS_PER_S, 0);
    put_fd(g, 1, 2, ADK__WASI_EVENT_FD_READ, 0);
    put_fd(g, 2, 3, ADK__WASI_EVENT_FD_WRITE, 1);
    put_fd(g, 3, 4, ADK__WASI_EVENT_FD_WRITE, 2);
    assert_int_equal(poll_now(g, 4), 3);
    event_is(g, 0, 2, 0, ADK__WASI_EVENT_FD_READ, 5, 0);
    event_is(g, 1, 3, 0, ADK__WASI_EVENT_FD_WRITE, 65536, 0);
    event_is(g, 2, 4, 0, ADK__WASI_EVENT_FD_WRITE, 65536, 0);
    assert_int_equal(read_some(g, 0, 100), 5);
    assert_int_equal(poll_now(g, 2), 1);
    event_is(g, 0, 2, 0, ADK__WASI_EVENT_FD_READ, 0, ADK__WASI_EVENT_HANGUP);
}

static void test_files_are_ready(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "f");
    uint32_t blind = 0;

    OK(write_text(g, fd, "0123456789", NULL));
    OK(CALL(g, fd_seek, fd, 4, 0, AT_RESULT));
    OK(open_with(g, 3, 0, "f", 0, ADK__WASI_RIGHT_FD_READ, 0, 0, &blind));
    put_fd(g, 0, 1, ADK__WASI_EVENT_FD_READ, fd);
    put_fd(g, 1, 2, ADK__WASI_EVENT_FD_WRITE, fd);
    put_fd(g, 2, 3, ADK__WASI_EVENT_FD_WRITE, blind);
    put_fd(g, 3, 4, ADK__WASI_EVENT_FD_READ, blind);
    put_clock(g, 4, 5, ADK__WASI_CLOCK_MONOTONIC, 0, 0);
    assert_int_equal(poll_now(g, 5), 5);
    event_is(g, 0, 1, 0, ADK__WASI_EVENT_FD_READ, 6, 0);
    event_is(g, 1, 2, 0, ADK__WASI_EVENT_FD_WRITE, 65536, 0);
    event_is(g, 2, 3, ADK__WASI_EBADF, ADK__WASI_EVENT_FD_WRITE, 0, 0);
    event_is(g, 3, 4, 0, ADK__WASI_EVENT_FD_READ, 10, 0);
    event_is(g, 4, 5, 0, ADK__WASI_EVENT_CLOCK, 0, 0);
    OK(CALL(g, fd_seek, fd, 400, 0, AT_RESULT));
    assert_int_equal(poll_now(g, 1), 1);
    event_is(g, 0, 1, 0, ADK__WASI_EVENT_FD_READ, 0, 0);
}

static void test_errors_are_events(void **state)
{
    guest *g = *state;

    put_fd(g, 0, 1, ADK__WASI_EVENT_FD_READ, 99);
    put_fd(g, 1, 2, ADK__WASI_EVENT_FD_READ, 1);
    put_fd(g, 2, 3, ADK__WASI_EVENT_FD_WRITE, 3);
    put_clock(g, 3, 4, 4, 0, 0);
    put_clock(g, 4, 5, ADK__WASI_CLOCK_PROCESS_CPUTIME, 0, 0);
    put_clock(g, 5, 6, ADK__WASI_CLOCK_MONOTONIC, 0, 2);
    assert_int_equal(poll_now(g, 6), 6);
    event_is(g, 0, 1, ADK__WASI_EBADF, ADK__WASI_EVENT_FD_READ, 0, 0);
    event_is(g, 1, 2, ADK__WASI_EBADF, ADK__WASI_EVENT_FD_READ, 0, 0);
    event_is(g, 2, 3, ADK__WASI_EBADF, ADK__WASI_EVENT_FD_WRITE, 0, 0);
    event_is(g, 3, 4, ADK__WASI_EINVAL, ADK__WASI_EVENT_CLOCK, 0, 0);
    event_is(g, 4, 5, ADK__WASI_ENOTSUP, ADK__WASI_EVENT_CLOCK, 0, 0);
    event_is(g, 5, 6, ADK__WASI_EINVAL, ADK__WASI_EVENT_CLOCK, 0, 0);
}

static void test_bad_calls(void **state)
{
    guest *g = *state;

    put_clock(g, 0, 1, ADK__WASI_CLOCK_MONOTONIC, 0, 0);
    FAILS(ADK__WASI_EINVAL, CALL(g, poll_oneoff, AT_SUBS, AT_EVENT, 0, AT_RESULT));
    FAILS(ADK__WASI_EFAULT, CALL(g, poll_oneoff, AT_SUBS, AT_EVENT, 0xFFFFFFFF, AT_RESULT));
    FAILS(ADK__WASI_EFAULT, CALL(g, poll_oneoff, GUEST_SIZE - 47, AT_EVENT, 1, AT_RESULT));
    FAILS(ADK__WASI_EFAULT, CALL(g, poll_oneoff, AT_SUBS, GUEST_SIZE - 31, 1, AT_RESULT));
    FAILS(ADK__WASI_EFAULT, CALL(g, poll_oneoff, AT_SUBS, AT_EVENT, 1, GUEST_SIZE - 3));
    put_fd(g, 1, 1, 3, 0);
    FAILS(ADK__WASI_EINVAL, CALL(g, poll_oneoff, AT_SUBS, AT_EVENT, 2, AT_RESULT));
    assert_true(get64(g, AT_EVENT) == 0); /* although the first had happened */
}

static void test_events_over_subscriptions(void **state)
{
    guest *g = *state;
    uint32_t offsets[] = {0, 16, 1000};

    for (size_t k = 0; k < 3; k++) {
        for (uint32_t i = 0; i < 100; i++)
            put_clock(g, i, i, ADK__WASI_CLOCK_MONOTONIC, i % 2 == 0 ? 0 : UINT64_MAX, 0);
        OK(CALL(g, poll_oneoff, AT_SUBS, AT_SUBS - offsets[k], 100, AT_RESULT));
        assert_int_equal(get32(g, AT_RESULT), 50);
        for (uint64_t i = 0; i < 50; i++)
            assert_true(get64(g, AT_SUBS - offsets[k] + i * 32) == 2 * i);
    }
    put_clock(g, 0, 0, ADK__WASI_CLOCK_MONOTONIC, 0, 0);
    put_clock(g, 1, 0, ADK__WASI_CLOCK_MONOTONIC, 0, 0);
    FAILS(ADK__WASI_EINVAL, CALL(g, poll_oneoff, AT_SUBS, AT_SUBS + 8, 2, AT_RESULT));
    OK(CALL(g, poll_oneoff, AT_SUBS, AT_SUBS + 96, 2, AT_RESULT));
}

static void test_many_subscriptions(void **state)
{
    guest *g = *state;
    uint32_t count = 2700; /* 10,000 and more are in the test below, over a larger memory */

    for (uint32_t i = 0; i < count; i++)
        put_clock(g, i, i, ADK__WASI_CLOCK_MONOTONIC, i % 3 == 0 ? i * 100 : UINT64_MAX - i, 0);
    OK(CALL(g, poll_oneoff, AT_SUBS, AT_SUBS, count, AT_RESULT));
    assert_true(get32(g, AT_RESULT) >= 1);
    assert_true(get64(g, AT_SUBS) == 0);
}

static void test_ten_thousand_subscriptions(void **state)
{
    guest *g = *state;
    uint32_t count = 10000;
    uint64_t size = (uint64_t)count * 80 + 4096;
    uint8_t *memory = calloc(1, size);

    assert_non_null(memory);
    adk__wasi_call_of(g->wasi)->memory = (adk__wasi_memory){memory, size};
    for (uint32_t i = 0; i < count; i++) {
        uint64_t user = i;
        uint32_t fd = i % 3;

        memcpy(memory + 48 * (uint64_t)i, &user, 8);
        memory[48 * (uint64_t)i + 8] = fd == 0 ? ADK__WASI_EVENT_FD_READ : ADK__WASI_EVENT_FD_WRITE;
        memcpy(memory + 48 * (uint64_t)i + 16, &fd, 4);
    }
    OK(CALL(g, poll_oneoff, 0, count * 48, count, size - 4));
    assert_int_equal(memory[size - 4] | memory[size - 3] << 8, count);
    free(memory);
}

static void test_older_module(void **state)
{
    guest *g = *state;
    uint64_t begin = adk__now_ns();

    put_clock_as(g, 56, 24, 0, 11, ADK__WASI_CLOCK_MONOTONIC, 20 * MS, 0);
    put_clock_as(g, 56, 24, 1, 12, ADK__WASI_CLOCK_REALTIME, 3600 * ADK__NS_PER_S, 0);
    put64(g, AT_SUBS + 16, UINT64_MAX); /* the field that nobody uses */
    OK(CALL_UNSTABLE(g, poll_oneoff, AT_SUBS, AT_EVENT, 2, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 1);
    event_is(g, 0, 11, 0, ADK__WASI_EVENT_CLOCK, 0, 0);
    assert_true(adk__now_ns() - begin >= 20 * MS);
}

/* ---- stopping ----------------------------------------------------------------------------------------------------- */

static void test_deadline_ends_a_sleep(void **state)
{
    guest *g = *state;
    uint64_t begin = adk__now_ns();

    adk__interrupt_begin(&g->interrupt, begin + 30 * MS);
    put_clock(g, 0, 1, ADK__WASI_CLOCK_MONOTONIC, UINT64_MAX, 0);
    (void)CALL(g, poll_oneoff, AT_SUBS, AT_EVENT, 1, AT_RESULT);
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_INTERRUPT);
    assert_true(adk__now_ns() - begin >= 30 * MS && adk__now_ns() - begin < 2 * ADK__NS_PER_S);
    assert_int_equal(get32(g, AT_RESULT), 0);
}

static void *cancel_soon(void *interrupt)
{
    (void)usleep(20000);
    adk__interrupt_cancel(interrupt);
    return NULL;
}

static void test_cancel_ends_a_sleep(void **state)
{
    guest *g = *state;
    uint64_t begin = adk__now_ns();
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &g->interrupt), 0);
    put_clock(g, 0, 1, ADK__WASI_CLOCK_REALTIME, UINT64_MAX, ADK__WASI_SUBCLOCK_ABSTIME);
    (void)CALL(g, poll_oneoff, AT_SUBS, AT_EVENT, 1, AT_RESULT);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_INTERRUPT);
    assert_true(adk__now_ns() - begin < 5 * ADK__NS_PER_S);
}

/* ---- virtual time ------------------------------------------------------------------------------------------------- */

static uint64_t now_of(guest *g, uint32_t clock)
{
    OK(CALL(g, clock_time_get, clock, 0, AT_RESULT));
    return get64(g, AT_RESULT);
}

static void test_virtual_sleep_takes_no_time(void **state)
{
    guest *g = *state;
    uint64_t begin = adk__now_ns();
    uint64_t hour = 3600 * ADK__NS_PER_S;
    uint64_t cpu;

    g->request.flags = ADK_REQUEST_CLOCK;
    g->request.clock_start_ns = 5 * hour;
    guest_begin(g);
    cpu = now_of(g, ADK__WASI_CLOCK_PROCESS_CPUTIME);
    put_clock(g, 0, 1, ADK__WASI_CLOCK_MONOTONIC, hour, 0);
    assert_int_equal(poll_now(g, 1), 1);
    /* Two readings before this one: the first line's, and the poll's own, from which the hour counts. */
    assert_true(now_of(g, ADK__WASI_CLOCK_REALTIME) == 6 * hour + 1000);
    assert_true(now_of(g, ADK__WASI_CLOCK_PROCESS_CPUTIME) - cpu < MS); /* a sleep uses none */
    put_clock(g, 0, 1, ADK__WASI_CLOCK_REALTIME, 9 * hour, ADK__WASI_SUBCLOCK_ABSTIME);
    assert_int_equal(poll_now(g, 1), 1);
    assert_true(now_of(g, ADK__WASI_CLOCK_REALTIME) >= 9 * hour);
    assert_true(now_of(g, ADK__WASI_CLOCK_REALTIME) < 9 * hour + MS);
    put_clock(g, 0, 1, ADK__WASI_CLOCK_MONOTONIC, UINT64_MAX, 0);
    assert_int_equal(poll_now(g, 1), 1);
    (void)now_of(g, ADK__WASI_CLOCK_REALTIME);
    assert_true(adk__now_ns() - begin < 5 * ADK__NS_PER_S);
}

static uint64_t hash_of_run(guest *g)
{
    uint64_t hash = 0xcbf29ce484222325;

    memset(g->memory, 0, GUEST_SIZE);
    g->request.flags = ADK_REQUEST_CLOCK | ADK_REQUEST_SEED;
    g->request.random_seed = 99;
    guest_begin(g);
    for (uint32_t i = 0; i < 50; i++) {
        uint32_t fd = open_file(g, i % 2 == 0 ? "a" : "b");

        put_clock(g, i, i, ADK__WASI_CLOCK_MONOTONIC, i * 777, 0);
        (void)poll_now(g, i + 1);
        OK(CALL(g, random_get, 0x20000 + 8 * i, i % 8));
        OK(CALL(g, clock_time_get, i % 4, 0, 0x21000 + 8 * i));
        OK(CALL(g, fd_filestat_get, fd, 0x22000 + 64 * i));
        OK(CALL(g, fd_readdir, 3, 0x24000 + 100 * i, 100, 0, AT_RESULT));
    }
    for (size_t i = 0; i < GUEST_SIZE; i++)
        hash = (hash ^ g->memory[i]) * 0x100000001b3;
    guest_end(g);
    return hash;
}

static void test_equal_runs_are_equal(void **state)
{
    guest *g = *state;
    uint64_t first = hash_of_run(g);

    assert_true(hash_of_run(g) == first);
    assert_true(hash_of_run(g) == first);
}

int main(void)
{
#define TEST(name)         cmocka_unit_test_setup_teardown(name, guest_setup, guest_teardown)
#define TEST_UNBEGUN(name) cmocka_unit_test_setup_teardown(name, guest_setup_unbegun, guest_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_sleep),
        TEST(test_absolute_times),
        TEST_UNBEGUN(test_streams_are_ready),
        TEST(test_files_are_ready),
        TEST(test_errors_are_events),
        TEST(test_bad_calls),
        TEST(test_events_over_subscriptions),
        TEST(test_many_subscriptions),
        TEST(test_ten_thousand_subscriptions),
        TEST(test_older_module),
        TEST(test_deadline_ends_a_sleep),
        TEST(test_cancel_ends_a_sleep),
        TEST_UNBEGUN(test_virtual_sleep_takes_no_time),
        TEST_UNBEGUN(test_equal_runs_are_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
