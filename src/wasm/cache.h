/*
 * The module cache: compiled modules by their source, in memory, bounded by count and by bytes, the least recently used
 * going first.
 */
#ifndef ADK_WASM_CACHE_H
#define ADK_WASM_CACHE_H

#include <pthread.h>

#include "wasm/compiler.h"
#include "wasm/disk.h"
#include "wasm/front.h"
#include "wasm/module.h"
#include "wasm/slow.h"

typedef struct adk__cache_entry adk__cache_entry;

/** What has happened, under the cache's lock. */
typedef struct adk__cache_counts {
    uint64_t hits; /* but for those in fronts */
    uint64_t disk_hits;
    uint64_t misses;
    uint64_t compiled_here;
    uint64_t compiled_by_helper;
    uint64_t refused;
    uint64_t timed_out;
    uint64_t known_as_slow;
    uint64_t evicted;
} adk__cache_counts;

typedef struct adk__cache {
    adk__engines *engines;
    adk__compilers *compilers;
    adk__disk *disk;
    adk__front *fronts; /* of the shards */
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a compilation has ended */
    adk__cache_entry *by_key;
    adk__cache_entry *by_use; /* least recently used first */
    uint64_t seed;            /* of the hash, so that nobody can aim at collisions */
    uint64_t bytes;
    uint64_t max_bytes;
    uint32_t count;
    uint32_t max_count;
    adk__slow slow;
    adk__cache_counts counts;
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
 * Finds a module or compiles it; several who want the same at once compile it once. On success *ret_module is held for
 * wish->shard on the caller's behalf (adk__module_release()), or NULL: then it was refused (see ret_refusal), or the run must
 * stop.
 */
ADK_MUST_USE int adk__cache_get(adk__cache *cache, const adk__cache_wish *wish, adk__refusal *ret_refusal,
                                adk__module **ret_module, adk_cache_state *ret_state, adk_error **ret_error);

/** Fills in what the cache and its compilers know. */
void adk__cache_stats(adk__cache *cache, adk_wasm_stats *stats);

/** The module from the disk cache; NULL where it is not there, or does not load: that is no reason to fail. */
adk__module *adk__cache_find_on_disk(adk__cache *cache, const adk__cache_wish *wish, adk__refusal *refusal);

/** Keeps a module on disk as well, if it is not there yet; where there is no disk cache, or no room, nothing happens. */
void adk__cache_keep(adk__cache *cache, const adk__cache_wish *wish, adk__module *module);

#endif
