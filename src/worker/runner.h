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

/**
 * Begins to watch for the deadline and the cancellation; and, where it is `cancellable`, for adk__runner_cancel(). Undone by
 * adk__runner_end().
 */
ADK_MUST_USE int adk__runner_begin(adk__runner *runner, const adk_request *request, adk_cancel *cancel,
                                   bool cancellable, adk_result *result, adk_error **ret_error);
void adk__runner_end(adk__runner *runner);

/** As a cancellation. Any thread, while the call lasts. */
void adk__runner_cancel(adk__runner *runner);

/** Where the run must stop, sets its outcome in this phase and returns true; or fails. */
ADK_MUST_USE int adk__runner_check(adk__runner *runner, adk_phase phase, bool *ret_stopped, adk_error **ret_error);

/** Sets the outcome of a module that was refused. */
ADK_MUST_USE int adk__runner_refuse(adk__runner *runner, const adk__refusal *refusal, adk_error **ret_error);

/** Runs the request in a seat of the pool, and completes the result. `code` is NULL where the image has it. */
ADK_MUST_USE int adk__runner_run(adk__runner *runner, adk__pool *pool, const adk__code *code, adk_error **ret_error);

/** How a session's call has left its process. */
typedef struct adk__runner_left {
    bool has_ended; /* and the seat is to be given back with `end` */
    adk__seat_end end;
    bool has_expired;   /* before the call: it had waited too long */
    bool has_spent_cpu; /* during it, or before */
} adk__runner_left;

/** Opens a seat's child as a session. Where that fails the seat is to be given back as an orphan's. */
ADK_MUST_USE int adk__runner_open(adk__interrupt *interrupt, const adk__seat *seat, const adk__worker_opening *opening,
                                  adk_error **ret_error);

/**
 * Runs the request as call number `call` of a session, and completes the result. ADK_E_UNAVAILABLE where its process has
 * ended by itself, between two calls.
 */
ADK_MUST_USE int adk__runner_call(adk__runner *runner, adk__seat *seat, uint32_t call, adk__runner_left *ret_left,
                                  adk_error **ret_error);

#endif
