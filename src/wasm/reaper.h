/*
 * The reaper: one thread per process that watches the deadlines of all runs and moves an engine's epoch when one of its
 * runs is due. It exists while a backend does, and sleeps for good while nothing runs.
 *
 * A run publishes its deadline in a slot of its own: two stores and a load, no lock, no system call, unless the reaper
 * would sleep past the deadline and has to be woken.
 */
#ifndef ADK_WASM_REAPER_H
#define ADK_WASM_REAPER_H

#include <stdatomic.h>
#include <stdint.h>

#include <wasm.h>

#include <adk/error.h>

#include "base/process.h"

typedef struct adk__watched {
    _Atomic uint64_t due_ns;         /* CLOCK_MONOTONIC; 0 while nothing runs */
    _Atomic(wasm_engine_t *) engine; /* whose epoch moves when that time has come; NULL before the guest starts */
    struct adk__watched *next;       /* the reaper's list, under its lock */
    struct adk__watched *prev;
    struct adk__watched *outer; /* the run in whose callback this one began, on the same thread */
} adk__watched;

/** Starts the reaper with the first backend; each call is undone by one of adk__reaper_release(). */
ADK_MUST_USE int adk__reaper_retain(adk_error **ret_error);

/**
 * Ends the reaper with the last backend. Also a barrier: when it has returned, the reaper touches no engine whose runs
 * have all been left.
 */
void adk__reaper_release(void);

/** Waits until the reaper touches no engine whose runs have all been left. */
void adk__reaper_barrier(void);

/** Enters a slot into the reaper's list, and takes it out. It lives with a thread, not with a run. */
void adk__reaper_add(adk__watched *slot);
void adk__reaper_remove(adk__watched *slot);

/** A run begins and ends on this thread. Runs nest where a callback runs a sandbox itself: last in, first out. */
void adk__reaper_enter(adk__watched *slot);
void adk__reaper_leave(adk__watched *slot);

/** Within a run: from `due_ns` on, the epoch of `engine` moves at every tick until the run is left. */
void adk__reaper_arm(adk__watched *slot, wasm_engine_t *engine, uint64_t due_ns);

/** Makes a run due at once. Any thread, while the run lasts. */
void adk__reaper_expire(adk__watched *slot);

/** To be called on the run's thread after foreign code ran on it: in a child that it forked, the reaper is started. */
void adk__reaper_check_fork(adk__watched *slot);

/** A helper process that was killed or has done its work, to be collected once it has gone. */
typedef struct adk__grave {
    adk__process process;
    void (*collected)(struct adk__grave *grave); /* takes the grave; on the reaper's thread, with its lock held */
    struct adk__grave *next;
} adk__grave;

/** Has a process collected, without waiting: a large one takes its time to die. */
void adk__reaper_bury(adk__grave *grave);

#endif
