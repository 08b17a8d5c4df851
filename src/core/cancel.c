/*
 * Cancellation: an atomic flag for those who look, and a list of watches for those who sleep. The list is touched only by
 * runs that have been given a cancellation, under its own lock.
 */
#include <adk/cancel.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/error.h"

struct adk_cancel {
    atomic_uint references;
    atomic_bool fired;
    pthread_mutex_t mutex; /* of the list */
    adk_cancel_watch *watches;
};

int adk_cancel_new(adk_cancel **ret_cancel, adk_error **ret_error)
{
    ADK_AUTO_FREE adk_cancel *cancel = calloc(1, sizeof(*cancel));
    int failed;

    if (cancel == NULL)
        return adk__fail_nomem(ret_error);
    atomic_init(&cancel->references, 1);
    atomic_init(&cancel->fired, false);
    failed = pthread_mutex_init(&cancel->mutex, NULL);
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "make the lock of a cancellation");
    *ret_cancel = adk__take_ptr(cancel);
    return ADK_OK;
}

adk_cancel *adk_cancel_ref(adk_cancel *cancel)
{
    if (cancel != NULL)
        (void)atomic_fetch_add_explicit(&cancel->references, 1, memory_order_relaxed);
    return cancel;
}

void adk_cancel_free(adk_cancel *cancel)
{
    if (cancel == NULL || atomic_fetch_sub_explicit(&cancel->references, 1, memory_order_acq_rel) != 1)
        return;
    (void)pthread_mutex_destroy(&cancel->mutex);
    free(cancel);
}

void adk_cancel_fire(adk_cancel *cancel)
{
    if (cancel == NULL)
        return;
    (void)pthread_mutex_lock(&cancel->mutex);
    if (!atomic_exchange(&cancel->fired, true)) {
        for (adk_cancel_watch *watch = cancel->watches; watch != NULL; watch = watch->next)
            watch->fn(watch->data);
    }
    (void)pthread_mutex_unlock(&cancel->mutex);
}

int adk_cancel_fired(const adk_cancel *cancel)
{
    return cancel != NULL && atomic_load(&cancel->fired);
}

void adk_cancel_add_watch(adk_cancel *cancel, adk_cancel_watch *watch, void (*fn)(void *data), void *data)
{
    watch->fn = fn;
    watch->data = data;
    watch->prev = NULL;
    (void)pthread_mutex_lock(&cancel->mutex);
    watch->next = cancel->watches;
    if (watch->next != NULL)
        watch->next->prev = watch;
    cancel->watches = watch;
    if (atomic_load(&cancel->fired))
        fn(data);
    (void)pthread_mutex_unlock(&cancel->mutex);
}

void adk_cancel_remove_watch(adk_cancel *cancel, adk_cancel_watch *watch)
{
    (void)pthread_mutex_lock(&cancel->mutex);
    if (watch->prev != NULL)
        watch->prev->next = watch->next;
    else
        cancel->watches = watch->next;
    if (watch->next != NULL)
        watch->next->prev = watch->prev;
    (void)pthread_mutex_unlock(&cancel->mutex);
}
