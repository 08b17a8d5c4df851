/*
 * One run: the state that the engine's callbacks, the host functions and the outcome share.
 */
#ifndef ADK_WASM_RUN_H
#define ADK_WASM_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "adk_engine.h"

#include <adk/cancel.h>
#include <adk/request.h>
#include <adk/result.h>

#include "base/interrupt.h"
#include "wasi/wasi.h"
#include "wasm/budget.h"
#include "wasm/engine.h"
#include "wasm/reaper.h"

/** Why a guest was stopped. The first cause wins. */
typedef enum adk__cause {
    ADK__CAUSE_NONE = 0,
    ADK__CAUSE_EXIT,
    ADK__CAUSE_DEADLINE,
    ADK__CAUSE_CANCEL,
    ADK__CAUSE_OUTPUT_LIMIT,
    ADK__CAUSE_MEMORY,    /* the files that go in do not fit the budget */
    ADK__CAUSE_HOST_TRAP, /* a host function of the caller's said stop */
    ADK__CAUSE_NOMEM,     /* ours ran out, not the guest's */
} adk__cause;

struct adk__module;

/** Lives with a thread and is used again and again; what is of one run is set by adk__run_begin(). */
typedef struct adk__run {
    adk__watched watched;
    adk__interrupt interrupt;
    adk_engine_hooks hooks;
    adk__wasi *wasi;
    bool in_use;

    const adk_request *request;
    adk_cancel *cancel;
    adk_cancel_watch cancel_watch;
    adk_result *result;
    const struct adk__module *module; /* whose code runs; NULL before that */
    adk__budget budget;
    adk__cause cause;
    uint32_t exit_code;
    adk_phase phase;         /* where the run is: compile, instantiate, run */
    adk_phase stopped_phase; /* where it was when `cause` was set */
    uint64_t host_calls;
    uint64_t last_ns; /* where not 0: until when a run that was stopped may collect its files */
    wasmtime_memory_t memory;
    bool has_memory;         /* `memory` is set */
    wasmtime_store_t *store; /* while the guest lives */
    uint64_t ready_ns;       /* when it was instantiated, or left its checkpoint */
    adk__wasi_memory view;   /* of it, until it grows; data is NULL where it has to be asked for */
} adk__run;

/**
 * The calling thread's run, begun: the deadline is watched from adk__reaper_arm() on, the cancellation from now.
 * Fails with ADK_E_NOMEM or ADK_E_SYSTEM.
 */
ADK_MUST_USE int adk__run_begin(const adk_request *request, adk_cancel *cancel, uint64_t start_ns, adk_result *result,
                                adk__run **ret_run, adk_error **ret_error);

/** Ends it: nothing of it can reach the next. */
void adk__run_end(adk__run *run);

/** Notes that the run goes on to `phase`, and tells who wants to know. */
void adk__run_enter(adk__run *run, adk_phase phase);

/** Sets the cause, unless there is one already. */
void adk__run_stop(adk__run *run, adk__cause cause, adk_phase phase);

/** Looks at deadline and cancellation; true if the run must stop (and its cause is set). */
bool adk__run_is_due(adk__run *run, adk_phase phase);

/** The same by a clock that was just read. */
bool adk__run_is_due_at(adk__run *run, adk_phase phase, uint64_t now_ns);

#endif
