/*
 * A shard's own view of the module cache: the modules that have lately been run more than once on that CPU. Runs on different
 * cores find them here without touching a lock or a count that they share.
 *
 * What is in a front is in the cache as well, which takes it out of here before it forgets it; that is why a front borrows
 * the cache's copy of the source. The cache's lock is taken before a front's.
 */
#ifndef ADK_WASM_FRONT_H
#define ADK_WASM_FRONT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/lines.h"
#include "wasm/module.h"

#define ADK__FRONT_SLOTS   64
#define ADK__FRONT_GUESSES 64

/** What a module is found by. */
typedef struct adk__front_key {
    uint64_t hash;
    uint64_t flavour;
    adk_bytes source;
} adk__front_key;

typedef struct adk__front_slot {
    adk__front_key key;
    adk__module *module; /* held for the shard; NULL: nothing here */
    bool used;           /* since adk__front_was_used() was last asked */
} adk__front_slot;

typedef struct adk__front {
    _Alignas(ADK__CACHE_LINE) pthread_mutex_t mutex;
    uint32_t shard;
    uint64_t hits;
    adk__front_slot slots[ADK__FRONT_SLOTS];
    adk__front_slot *guesses[ADK__FRONT_GUESSES]; /* by the source's size: what was found last */
} adk__front;

/** Makes `count` fronts, of the shards 0 to count - 1. */
ADK_MUST_USE int adk__fronts_new(uint32_t count, adk__front **ret_fronts, adk_error **ret_error);

/** Frees fronts, which are empty; NULL is fine. */
void adk__fronts_free(adk__front *fronts, uint32_t count);

/**
 * The module, held for the front's shard on the caller's behalf, or NULL. Where it is the one that was found last for a source
 * of that size, comparing the two is all: adk__front_guess() needs no hash.
 */
adk__module *adk__front_guess(adk__front *front, uint64_t flavour, adk_bytes source);
adk__module *adk__front_get(adk__front *front, const adk__front_key *key);

/** Puts a module in, in place of one that may be where it belongs. key->source is borrowed until it is dropped. */
void adk__front_put(adk__front *front, const adk__front_key *key, adk__module *module);

/** Takes a module out, if it is here. */
void adk__front_drop(adk__front *front, const adk__front_key *key, const adk__module *module);

/** How many modules were found here. */
uint64_t adk__front_hits(adk__front *front);

/** Whether a module was found here since this was last asked. */
bool adk__front_was_used(adk__front *front, const adk__front_key *key, const adk__module *module);

#endif
