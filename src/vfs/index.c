/*
 * The entries of a directory by name: linear hashing (Litwin 1980), so that no single insertion pays for the growth of
 * the whole table. There is never a moment when it is rebuilt: each insertion into a full table splits one bucket in
 * two, each removal from a sparse one joins two. Buckets lie in segments that double in size and stay where they are;
 * a bucket is first written when it is split off, so a new segment need not be cleared.
 *
 * The hash is SipHash under a key of this process, because the guest chooses the names and must not be able to choose
 * collisions. What is charged depends on the number of entries alone and not on the key: equal runs report equal memory
 * figures.
 */
#include "vfs/tree.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define BUCKETS_MIN ADK__VFS_INDEX_FEW
#define BUCKETS_MAX ((uint32_t)BUCKETS_MIN << ADK__VFS_INDEX_SEGMENTS)

typedef struct adk__vfs_entry entry;

/* ---- hashing -------------------------------------------------------------------------------------------------- */

static uint8_t hash_key[crypto_shorthash_KEYBYTES];
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

static void hash_init(void)
{
    struct timespec now = {0};

    if (getrandom(hash_key, sizeof(hash_key), GRND_NONBLOCK) == (ssize_t)sizeof(hash_key))
        return;
    /* No randomness yet (early boot): the clock is what a guest cannot know to the nanosecond. */
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    memcpy(hash_key, &now.tv_nsec, sizeof(now.tv_nsec));
}

static uint32_t hash_name(const char *name, size_t size)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint32_t value;

    (void)pthread_once(&hash_once, hash_init);
    (void)crypto_shorthash(hash, (const uint8_t *)name, size, hash_key);
    memcpy(&value, hash, sizeof(value));
    return value;
}

/* ---- buckets -------------------------------------------------------------------------------------------------- */

/* Segment k holds as many buckets as lie before it, and that is where it begins. */
static uint32_t segment_start(uint32_t k)
{
    return (uint32_t)BUCKETS_MIN << k;
}

static uint32_t segment_of(uint32_t bucket)
{
    return (uint32_t)__builtin_clz(BUCKETS_MIN) - (uint32_t)__builtin_clz(bucket);
}

static entry **bucket_at(adk__vfs_index *index, uint32_t bucket)
{
    uint32_t k;

    if (bucket < BUCKETS_MIN)
        return &index->few[bucket];
    k = segment_of(bucket);
    return &index->segments[k][bucket - segment_start(k)];
}

/* The number of buckets, rounded down to a power of two. */
static uint32_t level_of(uint32_t buckets)
{
    return UINT32_C(1) << (31 - __builtin_clz(buckets));
}

static entry **bucket_of(adk__vfs_index *index, uint32_t hash)
{
    uint32_t level = level_of(index->buckets);
    uint32_t bucket = hash & (2 * level - 1);

    return bucket_at(index, bucket < index->buckets ? bucket : bucket - level);
}

/* One bucket more. Where memory is refused the chains stay longer instead. */
static void split(adk__vfs *vfs, adk__vfs_index *index)
{
    uint32_t level = level_of(index->buckets);
    uint32_t k = segment_of(index->buckets);
    entry **from = bucket_at(index, index->buckets - level);
    entry **to;

    if (index->buckets == BUCKETS_MAX)
        return;
    if (index->buckets == segment_start(k)) {
        index->segments[k] = adk__vfs_alloc(vfs, segment_start(k) * sizeof(entry *));
        if (index->segments[k] == NULL)
            return;
    }
    to = bucket_at(index, index->buckets++);
    *to = NULL;
    while (*from != NULL) {
        entry *e = *from;

        if ((e->hash & level) == 0) {
            from = &e->chain;
            continue;
        }
        *from = e->chain;
        e->chain = *to;
        *to = e;
    }
}

/* One bucket less. */
static void join(adk__vfs *vfs, adk__vfs_index *index)
{
    uint32_t last = index->buckets - 1;
    uint32_t k = segment_of(last);
    entry **to = bucket_at(index, last - level_of(last));

    while (*to != NULL)
        to = &(*to)->chain;
    *to = *bucket_at(index, last);
    index->buckets = last;
    if (last == segment_start(k))
        adk__vfs_release(vfs, index->segments[k], segment_start(k) * sizeof(entry *));
}

/* ---- the index ------------------------------------------------------------------------------------------------ */

entry *adk__vfs_index_find(adk__vfs_index *index, const char *name, size_t size)
{
    uint32_t hash;
    entry *e;

    if (index == NULL)
        return NULL;
    hash = hash_name(name, size);
    for (e = *bucket_of(index, hash); e != NULL; e = e->chain) {
        if (e->hash == hash && e->name_size == size && memcmp(e->name, name, size) == 0)
            return e;
    }
    return NULL;
}

int adk__vfs_index_add(adk__vfs *vfs, adk__vfs_index **index_home, entry *e)
{
    adk__vfs_index *index = *index_home;
    entry **bucket;

    if (index == NULL) {
        index = adk__vfs_alloc(vfs, sizeof(*index));
        if (index == NULL)
            return vfs->cause;
        index->count = 0;
        index->buckets = BUCKETS_MIN;
        memset(index->few, 0, sizeof(index->few));
        *index_home = index;
    }
    if (index->count >= index->buckets)
        split(vfs, index);
    e->hash = hash_name(e->name, e->name_size);
    bucket = bucket_of(index, e->hash);
    e->chain = *bucket;
    *bucket = e;
    index->count++;
    return 0;
}

void adk__vfs_index_remove(adk__vfs *vfs, adk__vfs_index **index_home, entry *e)
{
    adk__vfs_index *index = *index_home;
    entry **link = bucket_of(index, e->hash);

    while (*link != e)
        link = &(*link)->chain;
    *link = e->chain;
    index->count--;
    if (index->count == 0) {
        adk__vfs_index_destroy(vfs, index_home);
        return;
    }
    /* Two for one entry, so that the table keeps up with a directory that is emptied. */
    for (int i = 0; i < 2 && index->buckets > BUCKETS_MIN && index->buckets / 2 > index->count; i++)
        join(vfs, index);
}

void adk__vfs_index_destroy(adk__vfs *vfs, adk__vfs_index **index_home)
{
    adk__vfs_index *index = *index_home;

    if (index == NULL)
        return;
    for (uint32_t k = 0; segment_start(k) < index->buckets; k++)
        adk__vfs_release(vfs, index->segments[k], segment_start(k) * sizeof(entry *));
    adk__vfs_release(vfs, index, sizeof(*index));
    *index_home = NULL;
}
