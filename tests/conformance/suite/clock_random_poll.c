/* Clocks, random numbers, polling and yielding. */
#include "check.h"

static __wasi_timestamp_t now(__wasi_clockid_t clock)
{
    __wasi_timestamp_t time = 0;

    OK(__wasi_clock_time_get(clock, 1, &time));
    return time;
}

int main(void)
{
    static uint8_t random[100000];
    __wasi_timestamp_t began = now(__WASI_CLOCKID_MONOTONIC), resolution = 0;
    __wasi_subscription_t wanted[3];
    __wasi_event_t events[3];
    __wasi_size_t count = 0;
    unsigned zeros = 0;

    CHECK(now(__WASI_CLOCKID_REALTIME) > 1600000000000000000ULL);
    CHECK(now(__WASI_CLOCKID_MONOTONIC) >= began);
    OK(__wasi_clock_res_get(__WASI_CLOCKID_MONOTONIC, &resolution));
    CHECK(resolution > 0);
    OK(__wasi_clock_res_get(__WASI_CLOCKID_REALTIME, &resolution));
    FAILS(__wasi_clock_time_get(77, 1, &resolution), INVAL);
    FAILS(__wasi_clock_res_get(77, &resolution), INVAL);

    OK(__wasi_random_get(random, sizeof(random)));
    for (size_t i = 0; i < sizeof(random); i++)
        zeros += random[i] == 0;
    CHECK(zeros > 200 && zeros < 800);
    OK(__wasi_random_get(random, 0));
    FAILS(__wasi_random_get((uint8_t *)0x7FFFFFFF, 100), FAULT);

    memset(wanted, 0, sizeof(wanted));
    FAILS(__wasi_poll_oneoff(wanted, events, 0, &count), INVAL);
    wanted[0].userdata = 11;
    wanted[0].u.tag = __WASI_EVENTTYPE_CLOCK;
    wanted[0].u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
    wanted[0].u.u.clock.timeout = 30000000;
    OK(__wasi_poll_oneoff(wanted, events, 1, &count));
    CHECK(count == 1 && events[0].userdata == 11 && events[0].error == 0 && events[0].type == __WASI_EVENTTYPE_CLOCK);
    CHECK(now(__WASI_CLOCKID_MONOTONIC) - began >= 30000000);

    /* An absolute time that has passed is due at once. */
    wanted[0].u.u.clock.timeout = began;
    wanted[0].u.u.clock.flags = __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME;
    OK(__wasi_poll_oneoff(wanted, events, 1, &count));
    CHECK(count == 1);

    /* Streams are ready; the long clock beside them does not hold them up. */
    wanted[0].u.u.clock.flags = 0;
    wanted[0].u.u.clock.timeout = 20000000000ULL;
    wanted[1].userdata = 22;
    wanted[1].u.tag = __WASI_EVENTTYPE_FD_WRITE;
    wanted[1].u.u.fd_write.file_descriptor = 1;
    wanted[2].userdata = 33;
    wanted[2].u.tag = __WASI_EVENTTYPE_FD_READ;
    wanted[2].u.u.fd_read.file_descriptor = 77;
    OK(__wasi_poll_oneoff(wanted, events, 3, &count));
    CHECK(count == 2);
    for (__wasi_size_t i = 0; i < count; i++)
        CHECK((events[i].userdata == 22 && events[i].error == 0) ||
              (events[i].userdata == 33 && events[i].error == __WASI_ERRNO_BADF));
    CHECK(now(__WASI_CLOCKID_MONOTONIC) - began < 15000000000ULL);
    OK(__wasi_sched_yield());
    return 0;
}
