/*
 * Threads that guests can run on: the guest runs on the calling thread's stack, and an overflow there must be the engine's
 * trap, never the host's crash.
 */
#ifndef ADK_WASM_STACK_H
#define ADK_WASM_STACK_H

#include <stdbool.h>
#include <stddef.h>

/** What the guest may use of the stack, unless the backend's options say otherwise; the engine traps beyond it. */
#define ADK__GUEST_STACK_BYTES     ((size_t)512 << 10)
#define ADK__GUEST_STACK_MAX_BYTES ((size_t)2 << 20) /* the engine takes no more */

/** What a run needs besides: room for host calls. */
#define ADK__HOST_STACK_BYTES ((size_t)256 << 10)
#define ADK__RUN_STACK_BYTES  (ADK__GUEST_STACK_BYTES + ADK__HOST_STACK_BYTES)

/** What compiling in place needs; the compiler's recursion is bounded by the validator's limits on nesting. */
#define ADK__COMPILE_STACK_BYTES ((size_t)2 << 20)

/**
 * Whether the calling thread has that much stack left. False also where it is not on its own stack (a coroutine), or
 * blocked, when it first came here, the signals by which the engine learns of a trap.
 */
bool adk__stack_has(size_t bytes);

/**
 * Runs `fn(data)` on a new thread with enough stack for everything, or for `bytes` where that is more, and waits for it.
 * Returns 0 or an errno value.
 */
int adk__stack_run(size_t bytes, void (*fn)(void *data), void *data);

#endif
