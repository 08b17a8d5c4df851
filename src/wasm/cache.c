/*
 * The module cache.
 *
 * An entry is found by a keyed hash and then compared byte for byte with the source it keeps: a collision costs a
 * compilation, it cannot run the wrong program. While an entry is compiled others wait for it, each until its own
 * deadline. A refused module is told to those who wait and then forgotten: refusing again is cheap. If the one who
 * compiled ran out of time over it, nothing was found out, and one of the others begins anew.
 */
#include "wasm/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/cleanup.h"
#include "core/error.h"
#include "wasm/stack.h"

/* How long a waiter sleeps before it looks at its cancellation. */
#define WAIT_NS UINT64_C(5000000)

struct key {
    uint64_t hash;
    uint64_t flavour;
};

struct adk__cache_entry {
    struct key key;
    UT_hash_handle hh;
    adk__cache_entry *prev; /* in by_use */
    adk__cache_entry *next;
    unsigned references; /* the cache's own, and those of who compiles or waits; under the lock */
    bool ready;
    bool kept; /* in the cache */
    adk__refusal refusal;
    adk__module *module;
    uint64_t cost_bytes;
    size_t size;
    uint8_t source[];
};

static void unref(adk__cache_entry *entry)
{
    if (--entry->references != 0)
        return;
    adk__module_unref(entry->module);
    adk__buf_free(&entry->refusal.message);
    free(entry);
}

/* With the lock held, as all that follows. */
static void forget(adk__cache *cache, adk__cache_entry *entry)
{
    if (!entry->kept)
        return;
    HASH_DELETE(hh, cache->by_key, entry);
    DL_DELETE(cache->by_use, entry);
    entry->kept = false;
    cache->count--;
    cache->bytes -= entry->cost_bytes;
    unref(entry);
}

static void shrink(adk__cache *cache, const adk__cache_entry *but)
{
    adk__cache_entry *entry;
    adk__cache_entry *next;

    DL_FOREACH_SAFE(cache->by_use, entry, next)
    {
        if (cache->count <= cache->max_count && cache->bytes <= cache->max_bytes)
            return;
        if (entry != but && entry->ready)
            forget(cache, entry);
    }
}

static struct key key_of(const adk__cache *cache, const adk__cache_wish *wish)
{
    struct key key = {XXH3_64bits_withSeed(wish->code.data, wish->code.size, cache->seed), wish->flavour};

    return key;
}

static adk__cache_entry *find(adk__cache *cache, const adk__cache_wish *wish, const struct key *key,
                              bool *ret_collision)
{
    adk__cache_entry *entry;

    HASH_FIND(hh, cache->by_key, key, sizeof(*key), entry);
    *ret_collision = entry != NULL &&
                     (entry->size != wish->code.size || memcmp(entry->source, wish->code.data, wish->code.size) != 0);
    return *ret_collision ? NULL : entry;
}

static adk__cache_entry *add(adk__cache *cache, const adk__cache_wish *wish, const struct key *key)
{
    adk__cache_entry *entry = calloc(1, sizeof(*entry) + wish->code.size);

    if (entry == NULL)
        return NULL;
    entry->key = *key;
    entry->size = wish->code.size;
    if (entry->size > 0)
        memcpy(entry->source, wish->code.data, entry->size);
    entry->cost_bytes = sizeof(*entry) + wish->code.size;
    entry->refusal = (adk__refusal)ADK__REFUSAL_INIT;
    HASH_ADD(hh, cache->by_key, key, sizeof(*key), entry);
    if (entry->hh.tbl == NULL) {
        free(entry);
        return NULL;
    }
    DL_APPEND(cache->by_use, entry);
    entry->references = 2; /* the cache's and the compiler's */
    entry->kept = true;
    cache->count++;
    cache->bytes += entry->cost_bytes;
    return entry;
}

/* ---- compiling ---------------------------------------------------------------------------------------------------- */

struct compilation {
    const adk__cache_wish *wish;
    adk__refusal *refusal;
    adk__module *module;
    adk_error **ret_error;
    int status;
};

static void compile(void *data)
{
    struct compilation *c = data;

    c->status = adk__module_compile(c->wish->engines, c->wish->flavour, c->wish->shard, c->wish->code,
                                    c->wish->interrupt, c->refusal, &c->module, c->ret_error);
}

static int compile_somewhere(const adk__cache_wish *wish, adk__refusal *refusal, adk__module **ret_module,
                             adk_error **ret_error)
{
    struct compilation c = {wish, refusal, NULL, ret_error, ADK_OK};
    int failed = 0;

    if (adk__stack_has(ADK__COMPILE_STACK_BYTES))
        compile(&c);
    else
        failed = adk__stack_run(compile, &c);
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "start a thread to compile on");
    *ret_module = c.module;
    return c.status;
}

static int copy_refusal(const adk__refusal *from, adk__refusal *to, adk_error **ret_error)
{
    to->reason = from->reason;
    if (adk__buf_append(&to->message, from->message.data, from->message.size) != 0)
        return adk__fail_nomem(ret_error);
    return ADK_OK;
}

/* Compiles for an entry that this thread has just added, with the lock released meanwhile. */
static int fill(adk__cache *cache, adk__cache_entry *entry, const adk__cache_wish *wish, adk__refusal *ret_refusal,
                adk__module **ret_module, adk_error **ret_error)
{
    adk__module *module = NULL;
    int status;

    (void)pthread_mutex_unlock(&cache->mutex);
    status = compile_somewhere(wish, ret_refusal, &module, ret_error);
    (void)pthread_mutex_lock(&cache->mutex);
    entry->ready = true;
    if (status == ADK_OK && module != NULL) {
        entry->module = module;
        entry->cost_bytes += module->cost_bytes;
        if (entry->kept)
            cache->bytes += module->cost_bytes;
        *ret_module = adk__module_ref(module);
        shrink(cache, entry);
    } else {
        if (status == ADK_OK && adk__interrupt_check(wish->interrupt) == ADK__INTERRUPT_NONE)
            (void)copy_refusal(ret_refusal, &entry->refusal, NULL);
        forget(cache, entry);
    }
    (void)pthread_cond_broadcast(&cache->changed);
    unref(entry);
    return status;
}

/* Waits for another's compilation; false where this run must stop. */
static bool wait_for(adk__cache *cache, const adk__cache_entry *entry, adk__interrupt *interrupt)
{
    while (!entry->ready) {
        uint64_t end_ns = adk__add_saturated(adk__now_ns(), WAIT_NS);
        struct timespec end;

        if (adk__interrupt_check(interrupt) != ADK__INTERRUPT_NONE)
            return false;
        end = adk__timespec_from_ns(end_ns < interrupt->deadline_ns ? end_ns : interrupt->deadline_ns);
        (void)pthread_cond_clockwait(&cache->changed, &cache->mutex, CLOCK_MONOTONIC, &end);
    }
    return true;
}

/* What another found out. *ret_done is false where that is nothing. */
static int share(adk__cache_entry *entry, adk__refusal *ret_refusal, adk__module **ret_module, bool *ret_done,
                 adk_error **ret_error)
{
    *ret_done = true;
    if (entry->module != NULL) {
        *ret_module = adk__module_ref(entry->module);
        return ADK_OK;
    }
    if (entry->refusal.reason != ADK_REASON_NONE)
        return copy_refusal(&entry->refusal, ret_refusal, ret_error);
    *ret_done = false;
    return ADK_OK;
}

/* With an entry in hand. *ret_done is false where one has to look again. */
static int take(adk__cache *cache, adk__cache_entry *entry, const adk__cache_wish *wish, adk__refusal *ret_refusal,
                adk__module **ret_module, bool *ret_done, adk_error **ret_error)
{
    int status = ADK_OK;

    *ret_done = true;
    if (ADK_LIKELY(entry->ready)) {
        DL_DELETE(cache->by_use, entry);
        DL_APPEND(cache->by_use, entry);
        *ret_module = adk__module_ref(entry->module);
        return ADK_OK;
    }
    entry->references++;
    if (wait_for(cache, entry, wish->interrupt))
        status = share(entry, ret_refusal, ret_module, ret_done, ret_error);
    unref(entry);
    return status;
}

int adk__cache_get(adk__cache *cache, const adk__cache_wish *wish, adk__refusal *ret_refusal, adk__module **ret_module,
                   adk_cache_state *ret_state, adk_error **ret_error)
{
    struct key key = key_of(cache, wish);
    adk__cache_entry *entry;
    bool collision;
    bool done;
    int status;

    *ret_module = NULL;
    (void)pthread_mutex_lock(&cache->mutex);
    while ((entry = find(cache, wish, &key, &collision)) != NULL) {
        *ret_state = ADK_CACHE_HIT;
        status = take(cache, entry, wish, ret_refusal, ret_module, &done, ret_error);
        if (done) {
            (void)pthread_mutex_unlock(&cache->mutex);
            return status;
        }
    }
    *ret_state = ADK_CACHE_MISS;
    /* What is too large is refused before it is copied. */
    if (!collision && wish->code.size <= ADK_CODE_MAX_BYTES)
        entry = add(cache, wish, &key);
    if (entry != NULL) {
        status = fill(cache, entry, wish, ret_refusal, ret_module, ret_error);
        (void)pthread_mutex_unlock(&cache->mutex);
        return status;
    }
    (void)pthread_mutex_unlock(&cache->mutex);
    return compile_somewhere(wish, ret_refusal, ret_module, ret_error);
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

int adk__cache_init(adk__cache *cache, uint32_t max_count, uint64_t max_bytes, adk_error **ret_error)
{
    int failed;

    memset(cache, 0, sizeof(*cache));
    cache->max_count = max_count;
    cache->max_bytes = max_bytes;
    if (getrandom(&cache->seed, sizeof(cache->seed), 0) != (ssize_t)sizeof(cache->seed))
        return adk__fail(ret_error, ADK_E_SYSTEM, errno, "getrandom for the seed of the module cache");
    failed = pthread_mutex_init(&cache->mutex, NULL);
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "make a lock");
    failed = pthread_cond_init(&cache->changed, NULL);
    if (failed) {
        (void)pthread_mutex_destroy(&cache->mutex);
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "make a condition variable");
    }
    return ADK_OK;
}

void adk__cache_destroy(adk__cache *cache)
{
    while (cache->by_use != NULL)
        forget(cache, cache->by_use);
    (void)pthread_cond_destroy(&cache->changed);
    (void)pthread_mutex_destroy(&cache->mutex);
}
