/*
 * The WebAssembly backend whose guests run in processes of their own.
 */
#ifndef ADK_WORKER_ARMOURED_H
#define ADK_WORKER_ARMOURED_H

#include <stdbool.h>

#include <adk/wasm.h>

#include "worker/pool.h"

/** Makes one; `options` have been read, not checked. */
ADK_MUST_USE int adk__armoured_backend_new(const adk_wasm_options *options, adk_backend **ret_backend,
                                           adk_error **ret_error);

bool adk__armoured_is(const adk_backend *backend);

/** As adk_wasm_module_new(). */
ADK_MUST_USE int adk__armoured_module_new(adk_backend *backend, adk_bytes code, adk_wasm_module **ret_module,
                                          adk_error **ret_error);

/** The walls of a backend of this kind, or of a runtime (runtime.c). */
ADK_MUST_USE int adk__armoured_walls(adk_backend *backend, adk__interrupt *interrupt, uint32_t *ret_walls,
                                     adk_error **ret_error);

#endif
