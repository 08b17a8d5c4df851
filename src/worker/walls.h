/*
 * The walls around a worker that serves, and around its runs: namespaces of their own, no privileges, few system calls.
 *
 * What the system does not grant is left out, and said (include/adk/worker.h).
 */
#ifndef ADK_WORKER_WALLS_H
#define ADK_WORKER_WALLS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Goes into namespaces of its own, where that is granted, and into a process that is the first of its kind there: whoever
 * called is that process from here on, the one before waits for its end, with nothing open, and ends as it does. `channel`
 * is kept. Returns ADK_WALL_* bits.
 */
uint32_t adk__walls_enter(int channel);

/** Gives up what is left of privileges. To be called before a byte of anybody's is read. Returns 0 or an errno value. */
int adk__walls_drop(void);

/** The worker's own filter, and the one that its runs will add, made ahead. Returns 0 or an errno value. */
int adk__walls_seal(void);

/** Measures how much memory the worker has, once it serves. Returns ADK_WALL_MEMORY where runs can be bounded, or 0. */
uint32_t adk__walls_measure(void);

/** In a run's process, right after the fork: it dies with the worker, opens next to nothing, and may, as a `session`, fork. */
void adk__walls_begin_run(bool session);

/**
 * In a run's process, before the guest: it writes no files, nothing new is executable, and limits can only be lowered.
 * Returns 0 or an errno value.
 */
int adk__walls_seal_run(void);

/** The same: it may have `memory_bytes` more than the worker had. */
int adk__walls_limit_memory(uint64_t memory_bytes);

/**
 * Both for a session, whose process may have `cpu_s` seconds of a processor's time, and, where `forks`, may fork itself: as a
 * child of its own parent, by the one call that does just that.
 */
int adk__walls_seal_session(uint64_t memory_bytes, uint32_t cpu_s, bool forks);

/** In a session's branch, right after the fork: it dies with the worker. */
void adk__walls_begin_branch(void);

/** What a session forks itself with (clone(2)): the branch is the worker's child, as the session is. */
#define ADK__WALLS_FORK_FLAGS (CLONE_PARENT | SIGCHLD)

#endif
