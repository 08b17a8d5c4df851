/*
 * How a run ended: from the engine's error and the run's cause to the result's outcome.
 */
#ifndef ADK_WASM_ENDING_H
#define ADK_WASM_ENDING_H

#include "wasm/run.h"

/**
 * Sets the outcome. Takes `error`, the engine's failure or NULL. ADK_E_NOMEM or ADK_E_INTERNAL where it was ours that
 * failed, not the guest.
 */
ADK_MUST_USE int adk__ending_set(adk__run *run, wasmtime_error_t *error, adk_error **ret_error);

/** The kind of trap that a word of at most `size` bytes means, as a constant; "unknown" for any other word. */
const char *adk__ending_kind(const char *word, size_t size);

#endif
