/*
 * fork(): every executor's lock is held across it, so that the child finds lists that are whole and locks that are free.
 * The threads are not in the child; `forked` says so, and from then on nothing there waits, signals, or touches what the
 * parent's threads may have held locked: the conditions, the cancellations, the descriptor that both processes share.
 */
#include "core/executor.h"

#include <utlist.h>

#include "base/thread.h"
#include "core/error.h"

static struct {
    pthread_mutex_t mutex; /* taken before any executor's */
    adk_executor *executors;
} registry = {PTHREAD_MUTEX_INITIALIZER, NULL};

static void before_fork(void)
{
    adk_executor *executor;

    (void)pthread_mutex_lock(&registry.mutex);
    DL_FOREACH2(registry.executors, executor, fork_next)
    (void)pthread_mutex_lock(&executor->mutex);
}

static void unlock_all(void)
{
    adk_executor *executor;

    DL_FOREACH2(registry.executors, executor, fork_next)
    (void)pthread_mutex_unlock(&executor->mutex);
    (void)pthread_mutex_unlock(&registry.mutex);
}

static void after_fork_in_child(void)
{
    adk_executor *executor;

    DL_FOREACH2(registry.executors, executor, fork_next)
    executor->forked = true;
    unlock_all();
}

int adk__executor_fork_add(adk_executor *executor, adk_error **ret_error)
{
    static bool handles_fork; /* under the lock */
    int failed;

    (void)pthread_mutex_lock(&registry.mutex);
    failed = adk__thread_at_fork(&handles_fork, before_fork, unlock_all, after_fork_in_child);
    if (!failed)
        DL_APPEND2(registry.executors, executor, fork_prev, fork_next);
    (void)pthread_mutex_unlock(&registry.mutex);
    return failed ? adk__fail(ret_error, ADK_E_SYSTEM, failed, "prepare for fork") : ADK_OK;
}

void adk__executor_fork_remove(adk_executor *executor)
{
    (void)pthread_mutex_lock(&registry.mutex);
    DL_DELETE2(registry.executors, executor, fork_prev, fork_next);
    (void)pthread_mutex_unlock(&registry.mutex);
}
