/*
 * fork(): every executor's lock is held across it, so that the child finds lists that are whole and locks that are free.
 * The threads are not in the child; `forked` says so, and from then on nothing there waits, signals, or touches what the
 * parent's threads may have held locked: the conditions, the cancellations, the descriptor that both processes share.
 */
#include "core/executor.h"

#include <utlist.h>

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

/* Where there was no memory for the handlers, the next executor tries again. */
static int install_fork_handlers(void)
{
    static bool installed; /* under the registry's lock */
    int failed = 0;

    if (!installed)
        failed = pthread_atfork(before_fork, unlock_all, after_fork_in_child);
    installed = failed == 0;
    return failed;
}

int adk__executor_fork_add(adk_executor *executor, adk_error **ret_error)
{
    int failed;

    (void)pthread_mutex_lock(&registry.mutex);
    failed = install_fork_handlers();
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
