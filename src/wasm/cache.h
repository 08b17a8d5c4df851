/*
 * The module cache: compiled modules by their source, in memory, bounded by count and by bytes, the least recently used
 * going first.
 */
#ifndef ADK_WASM_CACHE_H
#define ADK_WASM_CACHE_H

#include <pthread.h>

#include "wasm/module.h"

typedef struct adk__cache_entry adk__cache_entry;

typedef struct adk__cache {
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a compilation has ended */
    adk__cache_entry *by_key;
    adk__cache_entry *by_use; /* least recently used first */
    uint64_t seed;            /* of the hash, so that nobody can aim at collisions */
    uint64_t bytes;
    uint64_t max_bytes;
    uint32_t count;
    uint32_t max_count;
} adk__cache;

ADK_MUST_USE int adk__cache_init(adk__cache *cache, uint32_t max_count, uint64_t max_bytes, adk_error **ret_error);
void adk__cache_destroy(adk__cache *cache);

/** What is looked for, and on whose behalf. */
typedef struct adk__cache_wish {
    adk__engines *engines;
    uint32_t flavour;
    uint32_t shard; /* where it is compiled if need be */
    adk_bytes code;
    adk__interrupt *interrupt;
} adk__cache_wish;

/**
 * Finds a module or compiles it; several who want the same at once compile it once. On success *ret_module is a reference
 * of the caller's, or NULL: then it was refused (see ret_refusal), or the run must stop.
 */
ADK_MUST_USE int adk__cache_get(adk__cache *cache, const adk__cache_wish *wish, adk__refusal *ret_refusal,
                                adk__module **ret_module, adk_cache_state *ret_state, adk_error **ret_error);

#endif
