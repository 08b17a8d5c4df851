/*
 * Starting threads with the right signal mask: it is inherited, so it is set around the creation.
 */
#include "base/thread.h"

#include "base/cleanup.h"

static const int trap_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};

int adk__thread_at_fork(bool *installed, void (*before)(void), void (*in_parent)(void), void (*in_child)(void))
{
    int failed = 0;

    if (!*installed)
        failed = pthread_atfork(before, in_parent, in_child);
    *installed = failed == 0;
    return failed;
}

bool adk__thread_blocks_traps(void)
{
    sigset_t blocked;

    if (pthread_sigmask(SIG_SETMASK, NULL, &blocked) != 0)
        return true;
    for (size_t i = 0; i < ADK_COUNT(trap_signals); i++) {
        if (sigismember(&blocked, trap_signals[i]) != 0)
            return true;
    }
    return false;
}

int adk__thread_start(size_t stack_bytes, void *(*fn)(void *data), void *data, pthread_t *ret_thread)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t blocked;
    sigset_t before;
    int failed;

    failed = pthread_attr_init(&attributes);
    if (failed)
        return failed;
    failed = pthread_attr_setstacksize(&attributes, stack_bytes);
    (void)sigfillset(&blocked);
    for (size_t i = 0; i < ADK_COUNT(trap_signals); i++)
        (void)sigdelset(&blocked, trap_signals[i]);
    if (!failed) {
        (void)pthread_sigmask(SIG_SETMASK, &blocked, &before);
        failed = pthread_create(&thread, &attributes, fn, data);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    (void)pthread_attr_destroy(&attributes);
    if (!failed)
        *ret_thread = thread;
    return failed;
}
