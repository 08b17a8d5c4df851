/*
 * The module cache.
 *
 * An entry is found by a keyed hash and then compared byte for byte with the source it keeps: a collision costs a
 * compilation, it cannot run the wrong program. While an entry is compiled others wait for it, each until its own
 * deadline. That a module was refused is kept like a module, so that refusing it again costs nothing. If the one who
 * compiled ran out of time over it, nothing was found out, and one of the others begins anew.
 */
#include "wasm/cache.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/thread.h"
#include "core/error.h"
#include "wasm/stack.h"

/* How long a waiter sleeps before it looks at its cancellation. */
#define WAIT_NS UINT64_C(5000000)

/* What may be compiled in place, since it cannot be stopped there, in time of a slow core: 20 ms on the machine that it was
 * measured on (decision 007). */
#define QUICK_NS UINT64_C(40000000)

/* Larger sources that were refused are refused anew. */
#define REFUSED_MAX_BYTES ((size_t)64 << 10)

/* Of a key, what the table finds it by: whether the source is the same is looked at then. */
#define HASHED_BYTES offsetof(adk__front_key, source)

struct adk__cache_entry {
    adk__front_key key; /* with the source below */
    UT_hash_handle hh;
    adk__cache_entry *prev; /* in by_use */
    adk__cache_entry *next;
    unsigned references; /* the cache's own, and those of who compiles or waits; under the lock */
    unsigned waiters;    /* who would have the job's end */
    bool ready;
    bool kept;   /* in the cache */
    bool driven; /* one of the waiters carries the job on */
    adk__compilation *job;
    adk__refusal refusal;
    adk__module *module;
    uint64_t cost_bytes;
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
    for (uint32_t shard = 0; entry->module != NULL && shard < cache->engines->shard_count; shard++)
        adk__front_drop(&cache->fronts[shard], &entry->key, entry->module);
    HASH_DELETE(hh, cache->by_key, entry);
    DL_DELETE(cache->by_use, entry);
    entry->kept = false;
    cache->count--;
    cache->bytes -= entry->cost_bytes;
    unref(entry);
}

static void touch(adk__cache *cache, adk__cache_entry *entry)
{
    DL_DELETE(cache->by_use, entry);
    DL_APPEND(cache->by_use, entry);
}

/* Whether some front has given the module out since this was last asked. */
static bool was_used_in_front(adk__cache *cache, const adk__cache_entry *entry)
{
    bool used = false;

    for (uint32_t shard = 0; entry->module != NULL && shard < cache->engines->shard_count; shard++)
        used = adk__front_was_used(&cache->fronts[shard], &entry->key, entry->module) || used;
    return used;
}

/* What the fronts give out is not put at the end of the list each time, but only when its turn to go has come. */
static void shrink(adk__cache *cache, const adk__cache_entry *but)
{
    uint32_t spared = cache->count;
    adk__cache_entry *entry;
    adk__cache_entry *next;

    DL_FOREACH_SAFE(cache->by_use, entry, next)
    {
        if (cache->count <= cache->max_count && cache->bytes <= cache->max_bytes)
            return;
        if (entry == but || !entry->ready)
            continue;
        if (spared > 0 && was_used_in_front(cache, entry)) {
            spared--;
            touch(cache, entry);
            next = next == NULL ? entry : next;
        } else {
            forget(cache, entry);
            cache->counts.evicted++;
        }
    }
}

static adk__front_key key_of(const adk__cache *cache, const adk__cache_wish *wish)
{
    adk__front_key key = {XXH3_64bits_withSeed(wish->code.data, wish->code.size, cache->seed), wish->flavour,
                          wish->code};

    return key;
}

static adk__cache_entry *find(adk__cache *cache, const adk__cache_wish *wish, const adk__front_key *key,
                              bool *ret_collision)
{
    adk__cache_entry *entry;

    HASH_FIND(hh, cache->by_key, key, HASHED_BYTES, entry);
    *ret_collision = entry != NULL && (entry->key.source.size != wish->code.size ||
                                       memcmp(entry->source, wish->code.data, wish->code.size) != 0);
    return *ret_collision ? NULL : entry;
}

/* The caller's reference is the first; the cache has another where the entry is kept. */
static adk__cache_entry *add(adk__cache *cache, const adk__cache_wish *wish, const adk__front_key *key, bool keep)
{
    adk__cache_entry *entry = calloc(1, sizeof(*entry) + wish->code.size);

    if (entry == NULL)
        return NULL;
    entry->key = *key;
    if (wish->code.size > 0)
        memcpy(entry->source, wish->code.data, wish->code.size);
    entry->key.source = adk_bytes_make(entry->source, wish->code.size);
    entry->cost_bytes = sizeof(*entry) + wish->code.size;
    entry->refusal = (adk__refusal)ADK__REFUSAL_INIT;
    entry->references = 1;
    if (!keep)
        return entry;
    HASH_ADD(hh, cache->by_key, key, HASHED_BYTES, entry);
    if (entry->hh.tbl == NULL)
        return entry; /* no memory for the table: then it is not kept */
    DL_APPEND(cache->by_use, entry);
    entry->references = 2;
    entry->kept = true;
    cache->count++;
    cache->bytes += entry->cost_bytes;
    return entry;
}

/* ---- what is not tried again -------------------------------------------------------------------------------------- */

static bool is_known_as_slow(adk__cache *cache, const adk__front_key *key, const adk__cache_wish *wish,
                             adk__refusal *refusal)
{
    uint64_t ran_ns = adk__slow_ran_ns(&cache->slow, key, wish->interrupt->deadline_ns);

    if (ran_ns == 0)
        return false;
    refusal->out_of_time = true;
    (void)adk__buf_printf(&refusal->message, "compiling it had not ended after %llu ms when it was last tried",
                          (unsigned long long)(ran_ns / UINT64_C(1000000)));
    return true;
}

/* ---- compiling in place ------------------------------------------------------------------------------------------- */

struct compilation {
    adk__cache *cache;
    const adk__cache_wish *wish;
    adk_bytes code;
    adk__refusal *refusal;
    adk__module *module;
    adk_error **ret_error;
    int status;
};

static void compile(void *data)
{
    struct compilation *c = data;

    c->status = adk__module_compile(c->cache->engines, c->wish->flavour, c->wish->shard, c->code, c->wish->interrupt,
                                    c->refusal, &c->module, c->ret_error);
}

static int compile_here(adk__cache *cache, const adk__cache_wish *wish, adk_bytes code, adk__refusal *refusal,
                        adk__module **ret_module, adk_error **ret_error)
{
    struct compilation c = {cache, wish, code, refusal, NULL, ret_error, ADK_OK};
    int failed = 0;

    if (adk__stack_has(ADK__COMPILE_STACK_BYTES))
        compile(&c);
    else
        failed = adk__stack_run(0, compile, &c);
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "start a thread to compile on");
    *ret_module = c.module;
    return c.status;
}

/* What is quick is compiled here, if there is time for it; the rest where it can be stopped. */
static bool is_for_here(const adk__cache *cache, const adk__cache_wish *wish, const adk__source *source)
{
    uint64_t end_ns = adk__add_saturated(adk__now_ns(), source->work_ns);
    bool is_quick = source->work_ns <= QUICK_NS;

    if (!cache->compilers->is_there)
        return is_quick || (cache->engines->options->flags & ADK_WASM_ALLOW_UNBOUNDED_COMPILE) != 0;
    return is_quick && end_ns <= wish->interrupt->deadline_ns;
}

/* Compiles, or makes the job that will. Without the lock. */
static int compile_or_begin(adk__cache *cache, const adk__cache_wish *wish, adk__refusal *refusal,
                            adk__module **ret_module, adk__compilation **ret_job, adk_cache_state *ret_state,
                            adk_error **ret_error)
{
    adk__source source;
    int status = ADK_OK;

    *ret_module = adk__cache_find_on_disk(cache, wish, refusal);
    if (*ret_module != NULL || refusal->reason != ADK_REASON_NONE) {
        *ret_state = ADK_CACHE_DISK;
        return ADK_OK;
    }
    adk__source_look(wish->code, refusal, &source);
    if (refusal->reason == ADK_REASON_NONE && is_for_here(cache, wish, &source)) {
        status = compile_here(cache, wish, source.code, refusal, ret_module, ret_error);
    } else if (refusal->reason == ADK_REASON_NONE) {
        const adk__compilation_wish job = {wish->flavour, cache->engines->is_narrow, source.code};

        status = adk__compilation_new(cache->compilers, &job, ret_job, ret_error);
    }
    adk__source_free(&source);
    if (status == ADK_OK && refusal->nomem)
        status = adk__fail_nomem(ret_error);
    return status;
}

/* ---- one compiles, the others wait -------------------------------------------------------------------------------- */

static int copy_refusal(const adk__refusal *from, adk__refusal *to, adk_error **ret_error)
{
    to->reason = from->reason;
    to->needs_memory = from->needs_memory;
    if (adk__buf_append(&to->message, from->message.data, from->message.size) != 0)
        return adk__fail_nomem(ret_error);
    to->reason = from->reason; /* without its message it is none: whoever waits begins anew */
    return ADK_OK;
}

/* Whether a refusal is worth keeping: it is the module's fault for ever, and the source does not crowd others out. */
static bool is_lasting(const adk__cache_entry *entry, const adk__refusal *refusal)
{
    return entry->key.source.size <= REFUSED_MAX_BYTES && refusal->reason != ADK_REASON_COMPILER_MEMORY &&
           refusal->reason != ADK_REASON_COMPILER_FAILED;
}

/* What was found out, if anything was: takes `module`. */
static void publish(adk__cache *cache, adk__cache_entry *entry, adk__module *module, const adk__refusal *refusal)
{
    uint64_t cost_bytes = module == NULL ? 0 : module->cost_bytes;
    bool keep = module != NULL;

    entry->ready = true;
    entry->module = module;
    if (module == NULL && refusal != NULL && refusal->reason != ADK_REASON_NONE &&
        copy_refusal(refusal, &entry->refusal, NULL) == ADK_OK) {
        keep = is_lasting(entry, refusal);
        cost_bytes = entry->refusal.message.capacity;
    }
    if (keep) {
        entry->cost_bytes += cost_bytes;
        if (entry->kept)
            cache->bytes += cost_bytes;
        shrink(cache, entry);
    } else {
        forget(cache, entry);
    }
    (void)pthread_cond_broadcast(&cache->changed);
}

/* The job has ended with a file of code, which is loaded, or with a refusal. Without the lock. */
static int finish_job(const adk__cache *cache, const adk__cache_wish *wish, adk__compilation_end *end,
                      adk__module **ret_module)
{
    if (end->code_fd < 0)
        return ADK_OK;
    return adk__module_load(cache->engines, wish->flavour, wish->shard, end->code_fd, &end->split, end->refusal,
                            ret_module, end->ret_error);
}

/* A waiter carries the job on until it has ended or the waiter must leave. */
static int drive(adk__cache *cache, adk__cache_entry *entry, const adk__cache_wish *wish, adk_error **ret_error)
{
    adk__refusal refusal = ADK__REFUSAL_INIT;
    adk__compilation_end end = {.code_fd = -1, .refusal = &refusal, .ret_error = ret_error};
    adk__compilation *job = entry->job;
    adk__module *module = NULL;
    bool done = false;
    int status = ADK_OK;

    entry->driven = true;
    (void)pthread_mutex_unlock(&cache->mutex);
    while (!done && adk__interrupt_check(wish->interrupt) == ADK__INTERRUPT_NONE)
        status = adk__compilation_step(job, wish->interrupt, &end, &done);
    if (done && status == ADK_OK)
        status = finish_job(cache, wish, &end, &module);
    if (status == ADK_OK && refusal.nomem)
        status = adk__fail_nomem(ret_error);
    (void)pthread_mutex_lock(&cache->mutex);
    entry->driven = false;
    if (done) { /* with the lock held: a child that is forked finds a job in the entry or in its grave, not in both */
        adk__compilation_free(adk__take_ptr(entry->job));
        cache->counts.compiled_by_helper += module != NULL;
        publish(cache, entry, module, status == ADK_OK ? &refusal : NULL);
    }
    adk__buf_free(&refusal.message);
    return status;
}

static void sleep_a_while(adk__cache *cache, const adk__interrupt *interrupt)
{
    uint64_t end_ns = adk__add_saturated(adk__now_ns(), WAIT_NS);
    struct timespec end = adk__timespec_from_ns(end_ns < interrupt->deadline_ns ? end_ns : interrupt->deadline_ns);

    (void)pthread_cond_clockwait(&cache->changed, &cache->mutex, CLOCK_MONOTONIC, &end);
}

/* The last who waited for a job has left. */
static void give_up(adk__cache *cache, adk__cache_entry *entry, adk__interrupt_cause cause)
{
    adk__compilation *job = adk__take_ptr(entry->job);

    if (cause == ADK__INTERRUPT_DEADLINE)
        adk__slow_remember(&cache->slow, &entry->key, adk__compilation_ran_ns(job));
    publish(cache, entry, NULL, NULL);
    adk__compilation_free(job);
}

/* Waits for an entry, as long as this run may. */
static int wait_for(adk__cache *cache, adk__cache_entry *entry, const adk__cache_wish *wish, adk_error **ret_error)
{
    adk__interrupt_cause cause = ADK__INTERRUPT_NONE;
    int status = ADK_OK;

    entry->waiters++;
    while (!entry->ready && status == ADK_OK) {
        cause = adk__interrupt_check(wish->interrupt);
        if (cause != ADK__INTERRUPT_NONE)
            break;
        if (entry->job != NULL && !entry->driven)
            status = drive(cache, entry, wish, ret_error);
        else
            sleep_a_while(cache, wish->interrupt);
    }
    entry->waiters--;
    if (entry->job != NULL && !entry->driven) {
        if (entry->waiters == 0)
            give_up(cache, entry, cause);
        else
            (void)pthread_cond_broadcast(&cache->changed); /* somebody must drive it now */
    }
    return status;
}

/* What was found out. *ret_done is false where that is nothing, and the run may go on: one has to look again. */
static int share(const adk__cache_entry *entry, const adk__cache_wish *wish, adk__refusal *ret_refusal,
                 adk__module **ret_module, bool *ret_done, adk_error **ret_error)
{
    *ret_done = true;
    *ret_module = entry->module;
    if (entry->module != NULL)
        adk__module_hold(entry->module, wish->shard);
    else if (entry->refusal.reason != ADK_REASON_NONE)
        return copy_refusal(&entry->refusal, ret_refusal, ret_error);
    else
        *ret_done = adk__interrupt_check(wish->interrupt) != ADK__INTERRUPT_NONE;
    return ADK_OK;
}

/* With an entry in hand that was there already. */
static int take(adk__cache *cache, adk__cache_entry *entry, const adk__cache_wish *wish, adk__refusal *ret_refusal,
                adk__module **ret_module, bool *ret_done, adk_error **ret_error)
{
    int status;

    *ret_done = true;
    if (ADK_LIKELY(entry->ready)) {
        touch(cache, entry);
        if (entry->module != NULL)
            adk__front_put(&cache->fronts[wish->shard], &entry->key, entry->module);
        return share(entry, wish, ret_refusal, ret_module, ret_done, ret_error);
    }
    entry->references++;
    status = wait_for(cache, entry, wish, ret_error);
    if (status == ADK_OK)
        status = share(entry, wish, ret_refusal, ret_module, ret_done, ret_error);
    unref(entry);
    return status;
}

/* For an entry that this thread has just made. */
static int fill(adk__cache *cache, adk__cache_entry *entry, const adk__cache_wish *wish, adk__refusal *ret_refusal,
                adk__module **ret_module, adk_cache_state *ret_state, adk_error **ret_error)
{
    adk__module *module = NULL;
    adk__compilation *job = NULL;
    bool done;
    int status;

    (void)pthread_mutex_unlock(&cache->mutex);
    status = compile_or_begin(cache, wish, ret_refusal, &module, &job, ret_state, ret_error);
    (void)pthread_mutex_lock(&cache->mutex);
    if (*ret_state == ADK_CACHE_DISK) {
        cache->counts.disk_hits++;
    } else {
        cache->counts.misses++;
        cache->counts.compiled_here += module != NULL;
    }
    if (job != NULL) {
        entry->job = job;
        status = wait_for(cache, entry, wish, ret_error);
        if (status == ADK_OK)
            status = share(entry, wish, ret_refusal, ret_module, &done, ret_error);
    } else {
        if (module != NULL)
            adk__module_hold(module, wish->shard);
        *ret_module = module;
        /* An explanation that the deadline cut short is not for others. */
        publish(cache, entry, module,
                status == ADK_OK && adk__interrupt_check(wish->interrupt) == ADK__INTERRUPT_NONE ? ret_refusal : NULL);
    }
    unref(entry);
    return status;
}

/* How a search ended. */
static void count(adk__cache *cache, const adk__cache_wish *wish, adk_cache_state state, const adk__module *module,
                  const adk__refusal *refusal)
{
    adk__cache_counts *counts = &cache->counts;

    counts->hits += state == ADK_CACHE_HIT && (module != NULL || refusal->reason != ADK_REASON_NONE);
    if (ADK_LIKELY(module != NULL))
        return;
    if (refusal->out_of_time)
        counts->known_as_slow++;
    else if (refusal->reason != ADK_REASON_NONE)
        counts->refused++;
    else if (adk__interrupt_check(wish->interrupt) == ADK__INTERRUPT_DEADLINE)
        counts->timed_out++;
}

void adk__cache_stats(adk__cache *cache, adk_wasm_stats *stats)
{
    const adk__cache_counts *counts = &cache->counts;

    (void)pthread_mutex_lock(&cache->mutex);
    stats->cache_hits = counts->hits;
    stats->disk_hits = counts->disk_hits;
    stats->cache_misses = counts->misses;
    stats->compiled_here = counts->compiled_here;
    stats->compiled_by_helper = counts->compiled_by_helper;
    stats->refused = counts->refused;
    stats->compile_timeouts = counts->timed_out;
    stats->known_as_slow = counts->known_as_slow;
    stats->evictions = counts->evicted;
    stats->modules = cache->count;
    stats->modules_bytes = cache->bytes;
    for (uint32_t shard = 0; shard < cache->engines->shard_count; shard++)
        stats->cache_hits += adk__front_hits(&cache->fronts[shard]);
    (void)pthread_mutex_unlock(&cache->mutex);
    stats->helpers = atomic_load(&cache->compilers->used);
}

/* For what the front of this CPU does not have. */
static int get_from_all(adk__cache *cache, const adk__cache_wish *wish, const adk__front_key *key,
                        adk__refusal *ret_refusal, adk__module **ret_module, adk_cache_state *ret_state,
                        adk_error **ret_error)
{
    adk__cache_entry *entry;
    bool collision;
    bool done = false;
    int status = ADK_OK;

    *ret_state = ADK_CACHE_MISS;
    adk__source_check_size(wish->code, wish->flavour, ret_refusal);
    (void)pthread_mutex_lock(&cache->mutex);
    done = ret_refusal->reason != ADK_REASON_NONE;
    while (!done && (entry = find(cache, wish, key, &collision)) != NULL) {
        *ret_state = ADK_CACHE_HIT;
        status = take(cache, entry, wish, ret_refusal, ret_module, &done, ret_error);
    }
    if (!done && !is_known_as_slow(cache, key, wish, ret_refusal)) {
        *ret_state = ADK_CACHE_MISS;
        entry = add(cache, wish, key, !collision);
        status = entry == NULL ? adk__fail_nomem(ret_error)
                               : fill(cache, entry, wish, ret_refusal, ret_module, ret_state, ret_error);
    }
    if (status == ADK_OK)
        count(cache, wish, *ret_state, *ret_module, ret_refusal);
    (void)pthread_mutex_unlock(&cache->mutex);
    return status;
}

int adk__cache_get(adk__cache *cache, const adk__cache_wish *wish, adk__refusal *ret_refusal, adk__module **ret_module,
                   adk_cache_state *ret_state, adk_error **ret_error)
{
    adk__front *front = &cache->fronts[wish->shard];
    adk__front_key key;

    *ret_state = ADK_CACHE_HIT;
    *ret_module = adk__front_guess(front, wish->flavour, wish->code);
    if (ADK_LIKELY(*ret_module != NULL))
        return ADK_OK;
    key = key_of(cache, wish);
    *ret_module = adk__front_get(front, &key);
    if (*ret_module != NULL)
        return ADK_OK;
    return get_from_all(cache, wish, &key, ret_refusal, ret_module, ret_state, ret_error);
}

/* ---- fork --------------------------------------------------------------------------------------------------------- */

/*
 * The locks are held across fork(), so that the child finds tables that are whole. The threads that compiled or waited are
 * not in the child: what they were at is forgotten there, without touching the processes, which are the parent's.
 */
static struct {
    pthread_mutex_t mutex;
    adk__cache *caches;
} registry = {PTHREAD_MUTEX_INITIALIZER, NULL};

static void before_fork(void)
{
    adk__cache *cache;

    (void)pthread_mutex_lock(&registry.mutex);
    DL_FOREACH(registry.caches, cache)
    {
        (void)pthread_mutex_lock(&cache->mutex);
        for (uint32_t shard = 0; shard < cache->engines->shard_count; shard++)
            (void)pthread_mutex_lock(&cache->fronts[shard].mutex);
        (void)pthread_mutex_lock(&cache->engines->mutex);
    }
}

static void unlock_all(void)
{
    adk__cache *cache;

    DL_FOREACH(registry.caches, cache)
    {
        (void)pthread_mutex_unlock(&cache->engines->mutex);
        for (uint32_t shard = 0; shard < cache->engines->shard_count; shard++)
            (void)pthread_mutex_unlock(&cache->fronts[shard].mutex);
        (void)pthread_mutex_unlock(&cache->mutex);
    }
    (void)pthread_mutex_unlock(&registry.mutex);
}

static void after_fork_in_child(void)
{
    adk__cache *cache;

    DL_FOREACH(registry.caches, cache)
    {
        adk__cache_entry *entry;
        adk__cache_entry *next;

        DL_FOREACH_SAFE(cache->by_use, entry, next)
        {
            if (entry->ready)
                continue;
            if (entry->job != NULL)
                adk__compilation_forget(adk__take_ptr(entry->job));
            entry->ready = true;
            forget(cache, entry); /* which is in no front: it has no module */
        }
        adk__modules_forked(cache->engines); /* whose shards count anew */
        cache->counts = (adk__cache_counts){0};
        for (uint32_t shard = 0; shard < cache->engines->shard_count; shard++)
            cache->fronts[shard].hits = 0;
        atomic_store(&cache->compilers->used, 0);
        (void)pthread_cond_init(&cache->changed, NULL);
    }
    unlock_all();
}

static int enter_registry(adk__cache *cache, adk_error **ret_error)
{
    static bool handles_fork; /* under the lock */
    int failed;

    (void)pthread_mutex_lock(&registry.mutex);
    failed = adk__thread_at_fork(&handles_fork, before_fork, unlock_all, after_fork_in_child);
    if (!failed)
        DL_APPEND(registry.caches, cache);
    (void)pthread_mutex_unlock(&registry.mutex);
    return failed ? adk__fail(ret_error, ADK_E_SYSTEM, failed, "prepare for fork") : ADK_OK;
}

static void leave_registry(adk__cache *cache)
{
    (void)pthread_mutex_lock(&registry.mutex);
    DL_DELETE(registry.caches, cache);
    (void)pthread_mutex_unlock(&registry.mutex);
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

int adk__cache_init(adk__cache *cache, const adk__cache_setup *setup, adk_error **ret_error)
{
    int failed;
    int status;

    memset(cache, 0, sizeof(*cache));
    cache->engines = setup->engines;
    cache->compilers = setup->compilers;
    cache->disk = setup->disk;
    cache->max_count = setup->max_count;
    cache->max_bytes = setup->max_bytes;
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
    status = adk__fronts_new(cache->engines->shard_count, &cache->fronts, ret_error);
    if (status == ADK_OK)
        status = enter_registry(cache, ret_error);
    if (status != ADK_OK) {
        adk__fronts_free(cache->fronts, cache->engines->shard_count);
        (void)pthread_cond_destroy(&cache->changed);
        (void)pthread_mutex_destroy(&cache->mutex);
    }
    return status;
}

void adk__cache_destroy(adk__cache *cache)
{
    leave_registry(cache);
    while (cache->by_use != NULL)
        forget(cache, cache->by_use);
    adk__fronts_free(cache->fronts, cache->engines->shard_count);
    (void)pthread_cond_destroy(&cache->changed);
    (void)pthread_mutex_destroy(&cache->mutex);
}
