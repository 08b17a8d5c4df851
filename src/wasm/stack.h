/*
 * Threads that guests can run on: the guest runs on the calling thread's stack, and an overflow there must be the engine's
 * trap, never the host's crash.
 */
#ifndef ADK_WASM_STACK_H
#define ADK_WASM_STACK_H

#include <stdbool.h>
#include <stddef.h>

/** What the guest may use of the stack; the engine traps beyond it. */
#define ADK__GUEST_STACK_BYTES ((size_t)512 << 10)

/** What a run needs: the guest's part and room for host calls. */
#define ADK__RUN_STACK_BYTES (ADK__GUEST_STACK_BYTES + ((size_t)256 << 10))

/** What compiling in place needs; the compiler's recursion is bounded by the validator's limits on nesting. */
#define ADK__COMPILE_STACK_BYTES ((size_t)2 << 20)

/**
 * Whether the calling thread has that much stack left. False also where it is not on its own stack (a coroutine), or
 * blocked, when it first came here, the signals by which the engine learns of a trap.
 */
bool adk__stack_has(size_t bytes);

/** Runs `fn(data)` on a new thread with enough stack for everything, and waits for it. Returns 0 or an errno value. */
int adk__stack_run(void (*fn)(void *data), void *data);

#endif
