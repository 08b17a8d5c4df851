/*
 * Asking for the calling thread's stack and signal mask, once per thread, and running elsewhere when they do not serve.
 */
#include "wasm/stack.h"

#include <pthread.h>
#include <stdint.h>

#include "base/thread.h"

#define OWN_STACK_BYTES ((size_t)8 << 20)
#define SPARE_BYTES     ((size_t)256 << 10) /* of a thread that is to have so much: what comes before it is asked */

static _Thread_local uintptr_t stack_low; /* 0: not asked yet */
static _Thread_local uintptr_t stack_high;

/* For the main thread glibc takes the size from RLIMIT_STACK (pthread_getattr_np(3)). */
static void ask(void)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    size_t guard = 0;

    stack_low = UINTPTR_MAX;
    if (adk__thread_blocks_traps() || pthread_getattr_np(pthread_self(), &attributes) != 0)
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

int adk__stack_run(size_t bytes, void (*fn)(void *data), void *data)
{
    struct call call = {fn, data};
    pthread_t thread;
    int failed = adk__thread_start(bytes + SPARE_BYTES > OWN_STACK_BYTES ? bytes + SPARE_BYTES : OWN_STACK_BYTES,
                                   run_call, &call, &thread);

    return failed ? failed : pthread_join(thread, NULL);
}
