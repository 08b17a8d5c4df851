/*
 * A run in a process of its own: from the fork to its end.
 */
#ifndef ADK_WORKER_CHILD_H
#define ADK_WORKER_CHILD_H

#include <stdbool.h>

#include "wasm/run.h"
#include "worker/exchange.h"

/** Where ordinary modules run: in a pool of one slot, whose bounds are those of modules in process. */
#define ADK__CHILD_SHARD UINT32_C(0)

/** A run of an ordinary module. Takes its order from `channel`, runs it, and ends the process. */
_Noreturn void adk__child_run(int channel, adk__engines *engines, uint32_t flavour);

/**
 * In a fork of a warm image, within the guest's call: gets ready, takes its order, and puts it into `run`, which goes on with
 * it. False where it is not to go on: its cause says why.
 */
bool adk__child_resume(int channel, adk__run *run, const adk__shard *shard);

/**
 * The same in a rehearsal (worker/pages.h): a run of the image's own request, with nobody to report to. Its end is
 * adk__child_finish() as well.
 */
bool adk__child_rehearse(adk__exchange_head *head, const adk__exchange_request *image, adk__run *run,
                         const adk__shard *shard);

/** The end of a run that was resumed, with what adk__live() returned. */
_Noreturn void adk__child_finish(adk__run *run, int status, adk_error *error);

/* ---- for sessions (calls.c) ---------------------------------------------------------------------------------------- */

void adk__child_begin_session(void);

/** Makes the timer, which a fork has not, and the handlers. Returns 0 or an errno value. */
int adk__child_make_timer(adk__run *run, wasm_engine_t *engine);

/** From here on the process ends at this time (CLOCK_MONOTONIC), with status ADK__WORKER_EXPIRED; or no longer does. */
void adk__child_wait_until(uint64_t until_ns);
void adk__child_stop_waiting(void);

/**
 * What the image has counts in a new budget; what it was refused, and how much it had at its highest, does not. False where
 * it has more than the limit.
 */
bool adk__child_take_budget(adk__run *run, uint64_t limit_bytes);

/**
 * Begins the call of this number, whose file `fd` is; takes that. False where the guest is not to go on: the call has then ended, and its
 * report is written.
 */
bool adk__child_begin_call(int channel, int fd, uint32_t call, adk__run *run);

/** Ends a call, with the guest's exit code, and writes its report. */
void adk__child_end_call(adk__run *run, uint32_t code);

#endif
