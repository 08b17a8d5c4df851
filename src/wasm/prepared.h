/*
 * Prepared modules, of both kinds of WebAssembly backend, and the options that they share.
 */
#ifndef ADK_WASM_PREPARED_H
#define ADK_WASM_PREPARED_H

#include <adk/wasm.h>

#include "wasm/module.h"
#include "worker/codes.h"

struct adk_wasm_module {
    const void *owner;  /* the state of the backend that it is for */
    adk__module *plain; /* in this process: the plain flavour; the others are found by the source */
    adk__code *code;    /* in processes of their own: the same */
    size_t size;
    uint8_t source[];
};

/** Checks a backend's options and sets what they leave open. */
ADK_MUST_USE int adk__wasm_set_defaults(adk_wasm_options *options, adk_error **ret_error);

#endif
