/*
 * What guests can import: the functions of WASI, and those the caller of the library adds.
 */
#ifndef ADK_WASM_HOST_H
#define ADK_WASM_HOST_H

#include "adk_engine.h"

#include <adk/error.h>
#include <adk/wasm.h>

#include "base/buf.h"

/** Checks the host functions of a backend's options. */
ADK_MUST_USE int adk__host_check(const adk_wasm_options *options, adk_error **ret_error);

/** Defines everything in a linker. `options` must outlive it. */
ADK_MUST_USE int adk__host_define(wasmtime_linker_t *linker, const adk_wasm_options *options, adk_error **ret_error);

/** 1 for an import that can be satisfied; 0 where it cannot and `problem` says why, as a sentence; or -ENOMEM. */
typedef struct adk__import {
    adk_bytes module;
    adk_bytes name;
    adk_bytes type; /* as adk_engine_imports() writes it */
} adk__import;

int adk__host_has(const adk_wasm_options *options, const adk__import *import, adk__buf *problem);

#endif
