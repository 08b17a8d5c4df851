/*
 * The fronts of the module cache: a table for each shard, in which a module has one place, given by its hash.
 */
#include "wasm/front.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

int adk__fronts_new(uint32_t count, adk__front **ret_fronts, adk_error **ret_error)
{
    adk__front *fronts = adk__lines_new(count * sizeof(*fronts));
    int failed = 0;

    if (fronts == NULL)
        return adk__fail_nomem(ret_error);
    for (uint32_t i = 0; i < count; i++) {
        fronts[i].shard = i;
        failed = pthread_mutex_init(&fronts[i].mutex, NULL);
        if (failed) {
            adk__fronts_free(fronts, i);
            return adk__fail(ret_error, ADK_E_SYSTEM, failed, "make a lock");
        }
    }
    *ret_fronts = fronts;
    return ADK_OK;
}

void adk__fronts_free(adk__front *fronts, uint32_t count)
{
    for (uint32_t i = 0; fronts != NULL && i < count; i++)
        (void)pthread_mutex_destroy(&fronts[i].mutex);
    free(fronts);
}

static adk__front_slot *slot_of(adk__front *front, const adk__front_key *key)
{
    return &front->slots[(key->hash + key->flavour) % ADK__FRONT_SLOTS];
}

static bool is_it(const adk__front_slot *slot, uint64_t flavour, adk_bytes source)
{
    return slot->module != NULL && slot->key.flavour == flavour && slot->key.source.size == source.size &&
           memcmp(slot->key.source.data, source.data, source.size) == 0;
}

/* With the lock held. */
static adk__module *give(adk__front *front, adk__front_slot *slot)
{
    adk__module_hold_again(slot->module, front->shard);
    slot->used = true;
    front->hits++;
    return slot->module;
}

adk__module *adk__front_guess(adk__front *front, uint64_t flavour, adk_bytes source)
{
    adk__module *module = NULL;
    adk__front_slot *slot;

    (void)pthread_mutex_lock(&front->mutex);
    slot = front->guesses[source.size % ADK__FRONT_GUESSES];
    if (slot != NULL && is_it(slot, flavour, source))
        module = give(front, slot);
    (void)pthread_mutex_unlock(&front->mutex);
    return module;
}

adk__module *adk__front_get(adk__front *front, const adk__front_key *key)
{
    adk__front_slot *slot = slot_of(front, key);
    adk__module *module = NULL;

    (void)pthread_mutex_lock(&front->mutex);
    if (slot->key.hash == key->hash && is_it(slot, key->flavour, key->source)) {
        module = give(front, slot);
        front->guesses[key->source.size % ADK__FRONT_GUESSES] = slot;
    }
    (void)pthread_mutex_unlock(&front->mutex);
    return module;
}

static void empty(adk__front *front, adk__front_slot *slot)
{
    if (slot->module != NULL)
        adk__module_release(slot->module, front->shard);
    memset(slot, 0, sizeof(*slot));
}

void adk__front_put(adk__front *front, const adk__front_key *key, adk__module *module)
{
    adk__front_slot *slot = slot_of(front, key);

    (void)pthread_mutex_lock(&front->mutex);
    empty(front, slot);
    slot->key = *key;
    slot->module = module;
    adk__module_hold(module, front->shard);
    (void)pthread_mutex_unlock(&front->mutex);
}

void adk__front_drop(adk__front *front, const adk__front_key *key, const adk__module *module)
{
    adk__front_slot *slot = slot_of(front, key);

    (void)pthread_mutex_lock(&front->mutex);
    if (slot->module == module)
        empty(front, slot);
    (void)pthread_mutex_unlock(&front->mutex);
}

uint64_t adk__front_hits(adk__front *front)
{
    uint64_t hits;

    (void)pthread_mutex_lock(&front->mutex);
    hits = front->hits;
    (void)pthread_mutex_unlock(&front->mutex);
    return hits;
}

bool adk__front_was_used(adk__front *front, const adk__front_key *key, const adk__module *module)
{
    adk__front_slot *slot = slot_of(front, key);
    bool used;

    (void)pthread_mutex_lock(&front->mutex);
    used = slot->module == module && slot->used;
    if (used)
        slot->used = false;
    (void)pthread_mutex_unlock(&front->mutex);
    return used;
}
