/*
 * Asking for the calling thread's stack and signal mask, once per thread, and running elsewhere when they do not serve.
 */
#include "wasm/stack.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "base/cleanup.h"

#define OWN_STACK_BYTES ((size_t)8 << 20)

static _Thread_local uintptr_t stack_low; /* 0: not asked yet */
static _Thread_local uintptr_t stack_high;

/* A trap is one of these, raised by the guest's own instruction; blocked, it ends the process (signal(7)). */
static const int trap_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};

static bool blocks_trap_signals(void)
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

/* For the main thread glibc takes the size from RLIMIT_STACK (pthread_getattr_np(3)). */
static void ask(void)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    size_t guard = 0;

    stack_low = UINTPTR_MAX;
    if (blocks_trap_signals() || pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    if (pthread_attr_getstack(&attributes, &low, &size) == 0 && pthread_attr_getguardsize(&attributes, &guard) == 0) {
        stack_low = (uintptr_t)low + guard;
        stack_high = (uintptr_t)low + size;
    }
    (void)pthread_attr_destroy(&attributes);
}

bool adk__stack_has(size_t bytes)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (stack_low == 0)
        ask();
    return here > stack_low && here <= stack_high && here - stack_low >= bytes;
}

struct call {
    void (*fn)(void *data);
    void *data;
};

static void *run_call(void *data)
{
    struct call *call = data;

    call->fn(call->data);
    return NULL;
}

int adk__stack_run(void (*fn)(void *data), void *data)
{
    struct call call = {fn, data};
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    int failed;

    failed = pthread_attr_init(&attributes);
    if (failed)
        return failed;
    (void)pthread_attr_setstacksize(&attributes, OWN_STACK_BYTES);
    (void)sigfillset(&all); /* the host's signals are for the host's threads */
    for (size_t i = 0; i < ADK_COUNT(trap_signals); i++)
        (void)sigdelset(&all, trap_signals[i]);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread, &attributes, run_call, &call);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (failed)
        return failed;
    return pthread_join(thread, NULL);
}
