/*
 * Engines: how wasmtime is configured, and the shards in which it is kept.
 *
 * A *flavour* is a configuration of the compiler (plain, metered, deterministic). A flavour has one *shard* for each CPU
 * the process may use, with an engine, a linker and a pool of slots of its own, so that threads on different cores share
 * nothing; and one more shard without a pool, for guests that find every slot taken. Shards are made on first use.
 */
#ifndef ADK_WASM_ENGINE_H
#define ADK_WASM_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "adk_engine.h"

#include <adk/error.h>
#include <adk/request.h>
#include <adk/wasm.h>

/** Bits of a flavour. */
enum {
    ADK__FLAVOUR_FUEL = 1u << 0,
    ADK__FLAVOUR_DETERMINISTIC = 1u << 1,
    ADK__FLAVOUR_INSTALLED =
        1u << 2, /* an installed runtime that needs more than guests may have: docs/decisions/019 */
    ADK__FLAVOURS = 8,
};

/** The flavour that a request needs: never that of installed runtimes. */
uint32_t adk__flavour_of(const adk_request *request);

/** CPUs beyond this share shards. */
#define ADK__SHARDS_MAX 65

/** The engine's tables can have this many elements, the most that validation lets pass: it never answers for us. */
#define ADK__TABLE_ELEMENTS_MAX 10000000
#define ADK__TABLES_MAX         4

/** What a guest's tables may have together. Table instructions cannot be interrupted: this is what one takes at most. */
#define ADK__TABLE_ELEMENTS_GRANTED 1000000

typedef struct adk__shard {
    wasm_engine_t *engine;
    wasmtime_linker_t *linker;
    uint32_t index;
    uint32_t slots;          /* 0: no pool, as many guests as memory allows */
    _Atomic uint64_t guests; /* those there are now, and times ADK__SHARD_RUN those there have been: one addition */
} adk__shard;

#define ADK__SHARD_RUN (UINT64_C(1) << 20)

typedef struct adk__engines {
    const adk_wasm_options *options; /* the backend's copy */
    uint32_t shard_count;            /* the last is the one without a pool */
    uint32_t slots;                  /* of a pool, as address space allows */
    bool is_narrow;                  /* address space is so short that memories are checked in code */
    pthread_mutex_t mutex;           /* of making shards, and modules available in them */
    struct adk__module *modules;     /* all there are, for fork() */
    _Atomic(adk__shard *) shards[ADK__FLAVOURS][ADK__SHARDS_MAX];
} adk__engines;

ADK_MUST_USE int adk__engines_init(adk__engines *engines, const adk_wasm_options *options, adk_error **ret_error);

/** Frees all shards. No run is under way and no module is left. */
void adk__engines_destroy(adk__engines *engines);

/** An engine that only compiles: what it makes loads in the shards of that flavour. Where it compiles functions in parallel,
 * a pool of threads stays behind: for processes that end with it. */
ADK_MUST_USE int adk__engine_for_compiling(uint32_t flavour, bool is_narrow, bool is_parallel,
                                           wasm_engine_t **ret_engine, adk_error **ret_error);

/** The shard of a flavour and an index below shard_count; made where it is not there yet. */
ADK_MUST_USE int adk__engines_shard(adk__engines *engines, uint32_t flavour, uint32_t index, adk__shard **ret_shard,
                                    adk_error **ret_error);

/** The index of the shard that belongs to the CPU the thread is on. */
uint32_t adk__engines_here(const adk__engines *engines);

/** Guests by where they have their memory. */
typedef struct adk__guests {
    uint64_t pooled; /* there have been, in slots */
    uint64_t unpooled;
    uint32_t running; /* now, of both */
} adk__guests;

adk__guests adk__engines_guests(const adk__engines *engines);

/** The index of the shard without a pool. */
static inline uint32_t adk__engines_spare(const adk__engines *engines)
{
    return engines->shard_count - 1;
}

/** The text of an engine's error, escaped and on one line; frees `error`. ADK_E_INTERNAL for a panic, ADK_E_SYSTEM
 * where the machine lacks something, else `code`. */
int adk__engine_fail(adk_error **ret_error, int code, const char *what, wasmtime_error_t *error);

#endif
