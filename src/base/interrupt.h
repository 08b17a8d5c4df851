/*
 * Why a run must stop: its deadline has come, or somebody cancelled it. Also how a run waits for time to pass without
 * missing either.
 *
 * One run owns an interrupt and checks it; any thread may cancel it. The object is reused from run to run.
 */
#ifndef ADK_BASE_INTERRUPT_H
#define ADK_BASE_INTERRUPT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

typedef enum adk__interrupt_cause {
    ADK__INTERRUPT_NONE = 0,
    ADK__INTERRUPT_DEADLINE,
    ADK__INTERRUPT_CANCEL,
} adk__interrupt_cause;

typedef struct adk__interrupt {
    uint64_t deadline_ns; /* CLOCK_MONOTONIC */
    atomic_bool cancelled;
    pthread_mutex_t mutex; /* of the wait alone */
    pthread_cond_t changed;
    bool is_lone; /* the process has one thread: what cancels is a signal's handler, which ends a sleep by itself */
    _Atomic uint32_t *waits; /* of a lone one: where others see whether it sleeps; or NULL */
} adk__interrupt;

/** Makes an interrupt. Returns 0 or an errno value. */
int adk__interrupt_init(adk__interrupt *interrupt);
void adk__interrupt_destroy(adk__interrupt *interrupt);

/** Begins a run: nothing is cancelled, the deadline is as given. */
static inline void adk__interrupt_begin(adk__interrupt *interrupt, uint64_t deadline_ns)
{
    interrupt->deadline_ns = deadline_ns;
    atomic_store_explicit(&interrupt->cancelled, false, memory_order_relaxed);
}

/** Raises the cancel flag and ends a wait. Any thread. */
void adk__interrupt_cancel(adk__interrupt *interrupt);

/** Whether the run must stop, and why, by a clock that was just read. A cancellation comes before a deadline that has
 * passed as well. */
static inline adk__interrupt_cause adk__interrupt_check_at(adk__interrupt *interrupt, uint64_t now_ns)
{
    if (atomic_load_explicit(&interrupt->cancelled, memory_order_acquire))
        return ADK__INTERRUPT_CANCEL;
    return now_ns >= interrupt->deadline_ns ? ADK__INTERRUPT_DEADLINE : ADK__INTERRUPT_NONE;
}

static inline adk__interrupt_cause adk__interrupt_check(adk__interrupt *interrupt)
{
    return adk__interrupt_check_at(interrupt, adk__now_ns());
}

/** Sleeps until `until_ns` (CLOCK_MONOTONIC) unless the run must stop earlier; says which it was. */
adk__interrupt_cause adk__interrupt_wait(adk__interrupt *interrupt, uint64_t until_ns);

#endif
