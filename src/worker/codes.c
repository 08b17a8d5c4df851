/*
 * The code cache. A module is found by a fast hash and compared byte for byte with the source that was kept; the least
 * recently used go when there are too many. Two threads that want the same module for the first time have it compiled
 * twice: that is rare, bounded by how many helpers there may be, and needs nobody to wait for another's deadline. What did
 * not compile in its time is remembered, as in the module cache.
 *
 * fork(): the locks are held across it, so that the child finds lists that are whole. Who compiled is not in the child, and
 * the helpers are the parent's.
 */
#include "worker/codes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sodium.h>
#include <utlist.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/thread.h"
#include "core/error.h"
#include "wasm/compiler.h"
#include "wasm/disk.h"
#include "wasm/engine.h"
#include "wasm/slow.h"

#define MODULES_DEFAULT 256
#define BYTES_DEFAULT   ((uint64_t)256 << 20)
#define DISK_BYTES      ((uint64_t)1 << 30)

struct entry {
    adk__code code; /* first: references are to this */
    atomic_uint references;
    uint64_t hash;
    uint64_t bytes; /* of source and code */
    uint32_t flavour;
    size_t size;
    struct entry *prev; /* by use, the most recent first */
    struct entry *next;
    uint8_t source[];
};

struct adk__codes {
    adk_wasm_options options; /* for the compilers: nothing it points to is looked at later */
    adk__engines engines;     /* none is ever made: for what they would be like */
    adk__compilers compilers;
    adk__disk *disk;
    pthread_mutex_t mutex;
    struct entry *entries;
    uint64_t seed;
    uint64_t bytes;
    uint64_t bytes_max;
    uint32_t count;
    uint32_t count_max;
    adk__slow slow;
    struct adk__codes *prev; /* the registry's */
    struct adk__codes *next;
};

/* ---- references ---------------------------------------------------------------------------------------------------- */

void adk__code_unref(adk__code *code)
{
    struct entry *entry = (struct entry *)code;

    if (code == NULL || atomic_fetch_sub(&entry->references, 1) != 1)
        return;
    (void)close(code->fd);
    free(entry);
}

/* ---- the cache ----------------------------------------------------------------------------------------------------- */

static struct entry *find(adk__codes *codes, const adk__codes_wish *wish, uint64_t hash)
{
    struct entry *entry;

    DL_FOREACH(codes->entries, entry)
    {
        if (entry->hash == hash && entry->flavour == wish->flavour && entry->size == wish->source.size &&
            memcmp(entry->source, wish->source.data, entry->size) == 0)
            return entry;
    }
    return NULL;
}

/* With the lock held. */
static void drop(adk__codes *codes, struct entry *entry)
{
    DL_DELETE(codes->entries, entry);
    codes->bytes -= entry->bytes;
    codes->count--;
    adk__code_unref(&entry->code);
}

static adk__code *look_up(adk__codes *codes, const adk__codes_wish *wish, uint64_t hash)
{
    struct entry *entry;

    (void)pthread_mutex_lock(&codes->mutex);
    entry = find(codes, wish, hash);
    if (entry != NULL) {
        (void)atomic_fetch_add(&entry->references, 1);
        DL_DELETE(codes->entries, entry);
        DL_PREPEND(codes->entries, entry);
    }
    (void)pthread_mutex_unlock(&codes->mutex);
    return entry == NULL ? NULL : &entry->code;
}

/* Takes `fd`, also on failure. */
static int keep(adk__codes *codes, const adk__codes_wish *wish, uint64_t hash, int fd, const adk_engine_split *split,
                adk__code **ret_code, adk_error **ret_error)
{
    struct entry *entry = malloc(sizeof(*entry) + wish->source.size);
    off_t size = lseek(fd, 0, SEEK_END);

    if (entry == NULL) {
        (void)close(fd);
        return adk__fail_nomem(ret_error);
    }
    entry->code = (adk__code){fd, *split};
    entry->hash = hash;
    entry->flavour = wish->flavour;
    entry->size = wish->source.size;
    entry->bytes = wish->source.size + (size > 0 ? (uint64_t)size : 0);
    atomic_init(&entry->references, 2);
    if (entry->size > 0) /* of what is known by its hash alone nothing is there */
        memcpy(entry->source, wish->source.data, entry->size);
    (void)pthread_mutex_lock(&codes->mutex);
    DL_PREPEND(codes->entries, entry);
    codes->bytes += entry->bytes;
    codes->count++;
    while (codes->count > 1 && (codes->count > codes->count_max || codes->bytes > codes->bytes_max))
        drop(codes, codes->entries->prev);
    (void)pthread_mutex_unlock(&codes->mutex);
    *ret_code = &entry->code;
    return ADK_OK;
}

/* ---- on disk ------------------------------------------------------------------------------------------------------- */

/* As the module cache names and notes it: the two share what they keep. */
static bool name_on_disk(const adk__codes *codes, const adk__codes_wish *wish, adk__disk_name *ret_name)
{
    uint64_t configuration = wish->compatibility ^ wish->flavour;

    if (codes->disk == NULL || wish->compatibility == 0)
        return false;
    if (wish->source_hash == NULL)
        return adk__disk_name_of(wish->source, configuration, wish->interrupt, ret_name);
    adk__disk_name_for(wish->source_hash, configuration, ret_name);
    return true;
}

static int find_on_disk(const adk__codes *codes, const adk__codes_wish *wish, adk_engine_split *ret_split)
{
    adk__disk_name name;
    adk__disk_notes notes;
    int fd;

    if (!name_on_disk(codes, wish, &name))
        return -1;
    fd = adk__disk_get(codes->disk, &name, wish->interrupt, &notes);
    if (fd >= 0)
        *ret_split = (adk_engine_split){notes.words[0], (uint32_t)notes.words[1], notes.words[2] != 0};
    return fd;
}

static void keep_on_disk(const adk__codes *codes, const adk__codes_wish *wish, int fd, const adk_engine_split *split)
{
    const adk__disk_notes notes = {{split->code_shift, split->first_helper, split->is_exact, 0}};
    adk__disk_name name;

    if (name_on_disk(codes, wish, &name))
        (void)adk__disk_put(codes->disk, &name, fd, &notes);
}

/* ---- what is not tried again --------------------------------------------------------------------------------------- */

static adk__front_key key_of(const adk__codes_wish *wish, uint64_t hash)
{
    return (adk__front_key){hash, wish->flavour, wish->source};
}

static bool is_known_as_slow(adk__codes *codes, const adk__codes_wish *wish, uint64_t hash, adk__refusal *refusal)
{
    const adk__front_key key = key_of(wish, hash);
    uint64_t ran_ns;

    (void)pthread_mutex_lock(&codes->mutex);
    ran_ns = adk__slow_ran_ns(&codes->slow, &key, wish->interrupt->deadline_ns);
    (void)pthread_mutex_unlock(&codes->mutex);
    if (ran_ns == 0)
        return false;
    refusal->out_of_time = true;
    (void)adk__buf_printf(&refusal->message, "compiling it had not ended after %llu ms when it was last tried",
                          (unsigned long long)(ran_ns / UINT64_C(1000000)));
    return true;
}

/* A job that was given up at the deadline, and whose work is lost. */
static void remember(adk__codes *codes, const adk__codes_wish *wish, const adk__compilation *job)
{
    const adk__front_key key = key_of(wish, XXH3_64bits_withSeed(wish->source.data, wish->source.size, codes->seed));

    if (adk__interrupt_check(wish->interrupt) != ADK__INTERRUPT_DEADLINE)
        return;
    (void)pthread_mutex_lock(&codes->mutex);
    adk__slow_remember(&codes->slow, &key, adk__compilation_ran_ns(job));
    (void)pthread_mutex_unlock(&codes->mutex);
}

/* ---- compiling ----------------------------------------------------------------------------------------------------- */

/* *ret_fd stays -1 where the module was refused, or time was up. */
static int compile(adk__codes *codes, const adk__codes_wish *wish, adk__refusal *refusal, int *ret_fd,
                   adk_engine_split *ret_split, adk_error **ret_error)
{
    const adk__compilation_wish job_wish = {wish->flavour, codes->engines.is_narrow, wish->source};
    adk__compilation_end end = {-1, {0, UINT32_MAX, true}, refusal, ret_error};
    adk__compilation *job = wish->job == NULL ? NULL : *wish->job;
    bool done = false;
    int status = job != NULL ? ADK_OK : adk__compilation_new(&codes->compilers, &job_wish, &job, ret_error);

    while (status == ADK_OK && !done && adk__interrupt_check(wish->interrupt) == ADK__INTERRUPT_NONE)
        status = adk__compilation_step(job, wish->interrupt, &end, &done);
    if (wish->job == NULL && status == ADK_OK && !done)
        remember(codes, wish, job);
    if (wish->job != NULL)
        *wish->job = status == ADK_OK && !done ? job : NULL;
    if (wish->job == NULL || *wish->job == NULL)
        adk__compilation_free(job);
    *ret_fd = end.code_fd;
    *ret_split = end.split;
    if (status == ADK_OK && refusal->nomem)
        return adk__fail_nomem(ret_error);
    return status;
}

int adk__codes_get(adk__codes *codes, const adk__codes_wish *wish, adk__refusal *ret_refusal, adk__code **ret_code,
                   adk_cache_state *ret_state, adk_error **ret_error)
{
    uint64_t hash = XXH3_64bits_withSeed(wish->source.data, wish->source.size, codes->seed);
    adk_engine_split split;
    int status = ADK_OK;
    int fd;

    *ret_state = ADK_CACHE_HIT;
    *ret_code = look_up(codes, wish, hash);
    if (*ret_code != NULL)
        return ADK_OK;
    *ret_state = ADK_CACHE_MISS;
    adk__source_check_size(wish->source, wish->flavour, ret_refusal);
    if (ret_refusal->reason != ADK_REASON_NONE)
        return ADK_OK;
    fd = find_on_disk(codes, wish, &split);
    if (fd >= 0) {
        *ret_state = ADK_CACHE_DISK;
    } else if (!is_known_as_slow(codes, wish, hash, ret_refusal)) {
        status = compile(codes, wish, ret_refusal, &fd, &split, ret_error);
        if (status == ADK_OK && fd >= 0)
            keep_on_disk(codes, wish, fd, &split);
    }
    return status == ADK_OK && fd >= 0 ? keep(codes, wish, hash, fd, &split, ret_code, ret_error) : status;
}

int adk__codes_find_known(adk__codes *codes, const adk__codes_wish *wish, adk__code **ret_code, adk_error **ret_error)
{
    adk_engine_split split;
    int fd = find_on_disk(codes, wish, &split);

    *ret_code = NULL;
    return fd < 0 ? ADK_OK : keep(codes, wish, 0, fd, &split, ret_code, ret_error);
}

/* ---- fork ---------------------------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t mutex; /* taken before any cache's */
    adk__codes *all;
} registry = {PTHREAD_MUTEX_INITIALIZER, NULL};

static void before_fork(void)
{
    adk__codes *codes;

    (void)pthread_mutex_lock(&registry.mutex);
    DL_FOREACH(registry.all, codes)
    (void)pthread_mutex_lock(&codes->mutex);
}

static void unlock_all(void)
{
    adk__codes *codes;

    DL_FOREACH(registry.all, codes)
    (void)pthread_mutex_unlock(&codes->mutex);
    (void)pthread_mutex_unlock(&registry.mutex);
}

static void after_fork_in_child(void)
{
    adk__codes *codes;

    DL_FOREACH(registry.all, codes)
    atomic_store(&codes->compilers.used, 0);
    unlock_all();
}

static int enter_registry(adk__codes *codes, adk_error **ret_error)
{
    static bool handles_fork; /* under the lock */
    int failed;

    (void)pthread_mutex_lock(&registry.mutex);
    failed = adk__thread_at_fork(&handles_fork, before_fork, unlock_all, after_fork_in_child);
    if (!failed)
        DL_APPEND(registry.all, codes);
    (void)pthread_mutex_unlock(&registry.mutex);
    return failed ? adk__fail(ret_error, ADK_E_SYSTEM, failed, "prepare for fork") : ADK_OK;
}

static void leave_registry(adk__codes *codes)
{
    (void)pthread_mutex_lock(&registry.mutex);
    DL_DELETE(registry.all, codes);
    (void)pthread_mutex_unlock(&registry.mutex);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

bool adk__codes_is_narrow(const adk__codes *codes)
{
    return codes->engines.is_narrow;
}

bool adk__codes_use_disk(const adk__codes *codes)
{
    return codes->disk != NULL;
}

void adk__codes_clear(adk__codes *codes)
{
    (void)pthread_mutex_lock(&codes->mutex);
    while (codes->entries != NULL)
        drop(codes, codes->entries);
    (void)pthread_mutex_unlock(&codes->mutex);
}

static int open_parts(adk__codes *codes, const adk_wasm_options *options, adk_error **ret_error)
{
    uint64_t disk_bytes = options->disk_cache_bytes == 0 ? DISK_BYTES : options->disk_cache_bytes;
    int status = adk__engines_init(&codes->engines, &codes->options, ret_error);

    if (status != ADK_OK)
        return status;
    status = adk__compilers_init(&codes->compilers, options, ret_error);
    if (status == ADK_OK && options->disk_cache_cstr != NULL && options->disk_key_cstr == NULL)
        status = adk__fail(ret_error, ADK_E_INVALID, 0, "a disk cache needs the path of its key (disk_key_cstr)");
    if (status == ADK_OK && options->disk_cache_cstr != NULL)
        status = adk__disk_open(options->disk_cache_cstr, options->disk_key_cstr, disk_bytes, &codes->disk, ret_error);
    if (status != ADK_OK)
        adk__engines_destroy(&codes->engines);
    return status;
}

static void free_parts(adk__codes *codes)
{
    adk__codes_clear(codes);
    adk__compilers_destroy(&codes->compilers);
    adk__disk_close(codes->disk);
    adk__engines_destroy(&codes->engines);
    (void)pthread_mutex_destroy(&codes->mutex);
    free(codes);
}

/* Each holds a descriptor: together a quarter of what the process may open. */
static uint32_t count_for_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 4 >= UINT32_MAX)
        return UINT32_MAX;
    return limit.rlim_cur / 4 < 1 ? 1 : (uint32_t)(limit.rlim_cur / 4);
}

int adk__codes_new(const adk_wasm_options *options, adk__codes **ret_codes, adk_error **ret_error)
{
    adk__codes *codes = calloc(1, sizeof(*codes));
    uint32_t most = count_for_descriptors();
    int status;

    if (codes == NULL)
        return adk__fail_nomem(ret_error);
    if (sodium_init() < 0 || pthread_mutex_init(&codes->mutex, NULL) != 0) {
        free(codes);
        return adk__fail(ret_error, ADK_E_SYSTEM, 0, "make the code cache");
    }
    codes->options = *options;
    randombytes_buf(&codes->seed, sizeof(codes->seed));
    codes->count_max = options->cache_modules == 0 ? MODULES_DEFAULT : options->cache_modules;
    if (codes->count_max > most)
        codes->count_max = most;
    codes->bytes_max = options->cache_bytes == 0 ? BYTES_DEFAULT : options->cache_bytes;
    status = open_parts(codes, options, ret_error);
    if (status != ADK_OK) {
        adk__compilers_destroy(&codes->compilers);
        (void)pthread_mutex_destroy(&codes->mutex);
        free(codes);
        return status;
    }
    status = enter_registry(codes, ret_error);
    if (status != ADK_OK)
        free_parts(codes);
    else
        *ret_codes = codes;
    return status;
}

void adk__codes_free(adk__codes *codes)
{
    if (codes == NULL)
        return;
    leave_registry(codes);
    free_parts(codes);
}
