/*
 * One run in a process of its own, from the library's side.
 */
#ifndef ADK_WORKER_RUNNER_H
#define ADK_WORKER_RUNNER_H

#include <adk/cancel.h>
#include <adk/request.h>
#include <adk/result.h>

#include "worker/codes.h"
#include "worker/pool.h"

/** A run's call: what ends it early. */
typedef struct adk__runner {
    const adk_request *request;
    adk_cancel *cancel;
    adk_cancel_watch watch;
    adk__interrupt interrupt;
    int alarm; /* an eventfd that a cancellation raises, or -1 */
    uint64_t start_ns;
    adk_result *result;
} adk__runner;

/** Begins to watch for the deadline and the cancellation. Undone by adk__runner_end(). */
ADK_MUST_USE int adk__runner_begin(adk__runner *runner, const adk_request *request, adk_cancel *cancel,
                                   adk_result *result, adk_error **ret_error);
void adk__runner_end(adk__runner *runner);

/** Where the run must stop, sets its outcome in this phase and returns true; or fails. */
ADK_MUST_USE int adk__runner_check(adk__runner *runner, adk_phase phase, bool *ret_stopped, adk_error **ret_error);

/** Sets the outcome of a module that was refused. */
ADK_MUST_USE int adk__runner_refuse(adk__runner *runner, const adk__refusal *refusal, adk_error **ret_error);

/** Runs the request in a seat of the pool, and completes the result. `code` is NULL where the image has it. */
ADK_MUST_USE int adk__runner_run(adk__runner *runner, adk__pool *pool, const adk__code *code, adk_error **ret_error);

#endif
