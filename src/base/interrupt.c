/*
 * The waiting half of an interrupt: a condition variable on CLOCK_MONOTONIC, so that neither a change of the wall clock
 * nor a missed wake-up lets a sleeping guest outlive its deadline. The deadline itself needs nobody to wake us: the
 * wait ends there by its own time-out.
 */
#include "base/interrupt.h"

int adk__interrupt_init(adk__interrupt *interrupt)
{
    int failed;

    interrupt->deadline_ns = ADK__NEVER;
    interrupt->is_lone = false;
    interrupt->waits = NULL;
    atomic_init(&interrupt->cancelled, false);
    failed = pthread_mutex_init(&interrupt->mutex, NULL);
    if (failed)
        return failed;
    failed = pthread_cond_init(&interrupt->changed, NULL);
    if (failed)
        (void)pthread_mutex_destroy(&interrupt->mutex);
    return failed;
}

void adk__interrupt_destroy(adk__interrupt *interrupt)
{
    (void)pthread_cond_destroy(&interrupt->changed);
    (void)pthread_mutex_destroy(&interrupt->mutex);
}

void adk__interrupt_cancel(adk__interrupt *interrupt)
{
    (void)pthread_mutex_lock(&interrupt->mutex);
    atomic_store_explicit(&interrupt->cancelled, true, memory_order_release);
    (void)pthread_cond_broadcast(&interrupt->changed);
    (void)pthread_mutex_unlock(&interrupt->mutex);
}

/*
 * A signal that comes between the look at the flag and the sleep does not end the sleep, but whoever cancels goes on sending
 * them (worker/child.c).
 */
static adk__interrupt_cause wait_alone(adk__interrupt *interrupt, uint64_t until_ns, const struct timespec *end)
{
    adk__interrupt_cause cause;

    if (interrupt->waits != NULL)
        atomic_store(interrupt->waits, 1);
    for (;;) {
        cause = adk__interrupt_check(interrupt);
        if (cause != ADK__INTERRUPT_NONE || adk__now_ns() >= until_ns)
            break;
        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, end, NULL);
    }
    if (interrupt->waits != NULL)
        atomic_store(interrupt->waits, 0);
    return cause;
}

adk__interrupt_cause adk__interrupt_wait(adk__interrupt *interrupt, uint64_t until_ns)
{
    uint64_t end_ns = until_ns < interrupt->deadline_ns ? until_ns : interrupt->deadline_ns;
    struct timespec end = adk__timespec_from_ns(end_ns);
    adk__interrupt_cause cause;

    if (interrupt->is_lone)
        return wait_alone(interrupt, until_ns, &end);
    (void)pthread_mutex_lock(&interrupt->mutex);
    for (;;) {
        cause = adk__interrupt_check(interrupt);
        if (cause != ADK__INTERRUPT_NONE || adk__now_ns() >= until_ns)
            break;
        (void)pthread_cond_clockwait(&interrupt->changed, &interrupt->mutex, CLOCK_MONOTONIC, &end);
    }
    (void)pthread_mutex_unlock(&interrupt->mutex);
    return cause;
}
