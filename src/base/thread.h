/*
 * Threads of our own, in a process that is somebody else's: the host's signals are for the host's threads.
 */
#ifndef ADK_BASE_THREAD_H
#define ADK_BASE_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/**
 * Starts a thread that takes no signals but those that its own instructions raise: by these the engine learns of a trap,
 * and blocked they would end the process (signal(7)). Returns 0 or an errno value; then *ret_thread is not written.
 */
int adk__thread_start(size_t stack_bytes, void *(*fn)(void *data), void *data, pthread_t *ret_thread);

/**
 * Registers what is done around fork(), once: *installed is the caller's and under a lock of its own. Returns 0 or an errno
 * value; where it fails, the next call tries again.
 */
int adk__thread_at_fork(bool *installed, void (*before)(void), void (*in_parent)(void), void (*in_child)(void));

/** Whether the calling thread blocks one of those signals. Costs a system call. */
bool adk__thread_blocks_traps(void);

#endif
