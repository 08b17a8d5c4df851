/*
 * A guest's life in a store, from its instantiation to its outcome.
 */
#ifndef ADK_WASM_LIVE_H
#define ADK_WASM_LIVE_H

#include "wasm/module.h"
#include "wasm/run.h"

/**
 * Instantiates a module, calls `_initialize` and `entry` where it has them, and sets the outcome and what was used. `store`
 * belongs to the shard's engine and stays the caller's. Fails where it was ours that failed.
 *
 * In a runtime's warm-up this is entered with one request and left, in a fork, with another: see adk__run.
 */
ADK_MUST_USE int adk__live(const char *entry, adk__run *run, const adk__module *module, const adk__shard *shard,
                           const wasmtime_instance_pre_t *pre, wasmtime_store_t *store, adk_error **ret_error);

#endif
