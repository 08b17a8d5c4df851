/*
 * Compiled code for processes that are not this one: by its source, in sealed files in memory.
 *
 * Everything is compiled by the helper program, so that no engine is ever made in this process: its signal handlers stay as
 * they are, and no byte of a module is looked at.
 */
#ifndef ADK_WORKER_CODES_H
#define ADK_WORKER_CODES_H

#include <adk/bytes.h>
#include <adk/error.h>
#include <adk/result.h>
#include <adk/wasm.h>

#include "base/interrupt.h"
#include "wasm/source.h"

typedef struct adk__codes adk__codes;

/** A module's code; reference-counted and immutable. */
typedef struct adk__code {
    int fd; /* sealed */
    adk_engine_split split;
} adk__code;

/** adk__reaper_retain() must have been called. */
ADK_MUST_USE int adk__codes_new(const adk_wasm_options *options, adk__codes **ret_codes, adk_error **ret_error);

/** No call is under way; references to code may be left. */
void adk__codes_free(adk__codes *codes);

/** Whether engines here would check memories in code (wasm/engine.c). */
bool adk__codes_is_narrow(const adk__codes *codes);

/** Whether code is kept on disk. */
bool adk__codes_use_disk(const adk__codes *codes);

/** Forgets what is kept in memory. */
void adk__codes_clear(adk__codes *codes);

typedef struct adk__codes_wish {
    uint32_t flavour;
    uint64_t compatibility; /* as workers report it; 0: unknown, then nothing is looked for or kept on disk */
    adk_bytes source;
    const uint8_t *source_hash; /* of adk__source_hash(), where it is known: then it is not computed; or NULL */
    adk__interrupt *interrupt;
    struct adk__compilation *
        *job; /* or NULL; where a compilation that takes longer than this run is left for the next one:
                                      the caller frees it with adk__compilation_free() when nobody will come any more */
} adk__codes_wish;

/**
 * Finds a module's code or has it compiled. On success *ret_code is a reference of the caller's, or NULL: then it was
 * refused (see ret_refusal), or the run must stop.
 */
ADK_MUST_USE int adk__codes_get(adk__codes *codes, const adk__codes_wish *wish, adk__refusal *ret_refusal,
                                adk__code **ret_code, adk_cache_state *ret_state, adk_error **ret_error);

/**
 * The same for a source that is known by its hash alone: what lies on disk, or NULL in *ret_code. The disk's MAC says that
 * the code was put there under this name by us.
 */
ADK_MUST_USE int adk__codes_find_known(adk__codes *codes, const adk__codes_wish *wish, adk__code **ret_code,
                                       adk_error **ret_error);

void adk__code_unref(adk__code *code);

#endif
