/*
 * The module cache: compiled modules by their source, in memory, bounded by count and by bytes, the least recently used
 * going first.
 */
#ifndef ADK_WASM_CACHE_H
#define ADK_WASM_CACHE_H

#include <pthread.h>

#include "wasm/compiler.h"
#include "wasm/disk.h"
#include "wasm/module.h"

typedef struct adk__cache_entry adk__cache_entry;

/** A module that did not compile in the time there was: asked for again with hardly more, it is not tried again. */
typedef struct adk__cache_slow {
    uint64_t hash;
    uint64_t flavour;
    size_t size;
    uint64_t ran_ns;   /* for so long it was compiled without an end */
    uint64_t until_ns; /* forgotten then; 0: nothing */
} adk__cache_slow;

typedef struct adk__cache {
    adk__engines *engines;
    adk__compilers *compilers;
    adk__disk *disk;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a compilation has ended */
    adk__cache_entry *by_key;
    adk__cache_entry *by_use; /* least recently used first */
    uint64_t seed;            /* of the hash, so that nobody can aim at collisions */
    uint64_t bytes;
    uint64_t max_bytes;
    uint32_t count;
    uint32_t max_count;
    uint32_t slow_next;
    adk__cache_slow slow[64];
    struct adk__cache *prev; /* all caches of the process, for fork() */
    struct adk__cache *next;
} adk__cache;

typedef struct adk__cache_setup {
    adk__engines *engines;
    adk__compilers *compilers;
    adk__disk *disk; /* or NULL */
    uint32_t max_count;
    uint64_t max_bytes;
} adk__cache_setup;

/** Makes a cache. adk__reaper_retain() must have been called: what is done at a fork() goes in that order. */
ADK_MUST_USE int adk__cache_init(adk__cache *cache, const adk__cache_setup *setup, adk_error **ret_error);
void adk__cache_destroy(adk__cache *cache);

/** What is looked for, and on whose behalf. */
typedef struct adk__cache_wish {
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

/** Keeps a module on disk as well, if it is not there yet; where there is no disk cache, or no room, nothing happens. */
void adk__cache_keep(adk__cache *cache, const adk__cache_wish *wish, adk__module *module);

#endif
