/*
 * Time as 64-bit nanoseconds. CLOCK_MONOTONIC and CLOCK_REALTIME are read through the vDSO, without a system call.
 */
#ifndef ADK_BASE_CLOCK_H
#define ADK_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define ADK__NS_PER_S UINT64_C(1000000000)

/** A moment that never comes. */
#define ADK__NEVER UINT64_MAX

static inline uint64_t adk__clock_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now); /* cannot fail for the clocks we use (clock_gettime(2)) */
    return (uint64_t)now.tv_sec * ADK__NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t adk__now_ns(void)
{
    return adk__clock_ns(CLOCK_MONOTONIC);
}

/** a + b, or ADK__NEVER where that is more than 64 bits hold. */
static inline uint64_t adk__add_saturated(uint64_t a, uint64_t b)
{
    uint64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? ADK__NEVER : sum;
}

static inline struct timespec adk__timespec_from_ns(uint64_t ns)
{
    struct timespec t;

    t.tv_sec = (time_t)(ns / ADK__NS_PER_S);
    t.tv_nsec = (long)(ns % ADK__NS_PER_S);
    return t;
}

#endif
