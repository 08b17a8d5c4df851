/*
 * Directories: entries by name and by cookie, shared with an image until the first change.
 *
 * By name: uthash, with SipHash under a key of this process, because the guest chooses the names and must not be able
 * to choose collisions. By cookie: an array of slots in the order the entries were made. A cookie is a number that only
 * grows, so continuing is a binary search whether its entry still lives or not. A removed entry leaves a dead slot that
 * says where to look on; searches shorten these paths as they go (as union-find does), and when dead slots outnumber
 * the live ones the array is packed. Both are constant on average, so a guest that adds and removes in a loop neither
 * slows the directory down nor makes it grow.
 *
 * How many buckets uthash makes depends on the hash key, and what is charged must not (equal runs report equal memory
 * figures): the table is charged at a flat rate per directory and per entry that covers what it takes.
 */
#include "vfs/tree.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define HASH_NONFATAL_OOM        1
#define uthash_nonfatal_oom(obj) (added = false)
#include <uthash.h>

/* Most directories are small. */
#undef HASH_INITIAL_NUM_BUCKETS
#undef HASH_INITIAL_NUM_BUCKETS_LOG2
#define HASH_INITIAL_NUM_BUCKETS      8U
#define HASH_INITIAL_NUM_BUCKETS_LOG2 3U

#define TABLE_COST (sizeof(UT_hash_table) + 8 * sizeof(UT_hash_bucket) + 2 * ADK__VFS_BLOCK_OVERHEAD)
#define ENTRY_COST (2 * sizeof(UT_hash_bucket))

/* `.` and `..` have cookies 1 and 2; child i of an image has FIRST_COOKIE + i, before and after the directory is made
 * private. */
#define FIRST_COOKIE  3U
#define SLACK         32U /* dead slots that are not worth packing */
#define SLOTS_INITIAL 4U

typedef struct adk__vfs_entry {
    UT_hash_handle hh; /* its key is the name */
    uint64_t cookie;
    adk__vfs_inode *inode; /* NULL: still only the image's node */
    uint32_t node;
    char name[]; /* empty where the name is the image's */
} entry;

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

static unsigned hash_name(const char *name, size_t size)
{
    uint8_t hash[crypto_shorthash_BYTES];
    unsigned value;

    (void)pthread_once(&hash_once, hash_init);
    (void)crypto_shorthash(hash, (const uint8_t *)name, size, hash_key);
    memcpy(&value, hash, sizeof(value));
    return value;
}

static entry *find_entry(const adk__vfs_dir *dir, const char *name, size_t size)
{
    entry *found = NULL;

    if (dir->entries != NULL)
        HASH_FIND_BYHASHVALUE(hh, dir->entries, name, (unsigned)size, hash_name(name, size), found);
    return found;
}

/* ---- slots ---------------------------------------------------------------------------------------------------- */

/* The first slot whose cookie is above `cookie`. */
static size_t slot_after(const adk__vfs_dir *dir, uint64_t cookie)
{
    size_t low = 0;
    size_t high = dir->slot_count;

    /* Where nothing was removed, cookies and positions go together. */
    if (high > 0 && cookie >= dir->slots[0].cookie && cookie - dir->slots[0].cookie < high &&
        dir->slots[cookie - dir->slots[0].cookie].cookie == cookie)
        return (size_t)(cookie - dir->slots[0].cookie) + 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (dir->slots[middle].cookie <= cookie)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first live slot at or after `position`, or slot_count. */
static size_t live_slot(adk__vfs_dir *dir, size_t position)
{
    size_t found = position;

    while (found < dir->slot_count && dir->slots[found].entry == NULL)
        found = dir->slots[found].next;
    while (position < found && dir->slots[position].entry == NULL) {
        size_t next = dir->slots[position].next;

        dir->slots[position].next = found;
        position = next;
    }
    return found;
}

static int resize_slots(adk__vfs_inode *inode, size_t capacity)
{
    adk__vfs_dir *dir = &inode->dir;
    adk__vfs_slot *slots;

    slots = adk__vfs_realloc(inode->vfs, dir->slots, dir->slot_capacity * sizeof(*slots), capacity * sizeof(*slots));
    if (slots == NULL)
        return inode->vfs->cause;
    dir->slots = slots;
    dir->slot_capacity = capacity;
    return 0;
}

static void free_slots(adk__vfs_inode *inode)
{
    adk__vfs_dir *dir = &inode->dir;

    adk__vfs_release(inode->vfs, dir->slots, dir->slot_capacity * sizeof(*dir->slots));
    dir->slots = NULL;
    dir->slot_count = 0;
    dir->slot_capacity = 0;
}

static void pack_slots(adk__vfs_inode *inode)
{
    adk__vfs_dir *dir = &inode->dir;
    size_t kept = 0;

    if (dir->live == 0) {
        free_slots(inode);
        return;
    }
    if (dir->slot_count - dir->live <= dir->live + SLACK)
        return;
    for (size_t i = 0; i < dir->slot_count; i++) {
        if (dir->slots[i].entry != NULL)
            dir->slots[kept++] = dir->slots[i];
    }
    dir->slot_count = kept;
    if (dir->slot_capacity > 4 * kept + SLACK)
        (void)resize_slots(inode, 2 * kept); /* memory that cannot be given back is kept */
}

/* ---- entries -------------------------------------------------------------------------------------------------- */

static size_t entry_size(const entry *e)
{
    return sizeof(*e) + (e->hh.key == e->name ? e->hh.keylen : 0);
}

static void free_entry(adk__vfs *vfs, entry *e)
{
    adk__vfs_release(vfs, e, entry_size(e));
    adk__vfs_uncharge(vfs, ENTRY_COST);
}

static int new_entry(adk__vfs *vfs, size_t name_size, entry **ret_entry)
{
    entry *e = NULL;
    int r;

    r = adk__vfs_charge(vfs, ENTRY_COST);
    if (r < 0)
        return r;
    e = adk__vfs_alloc(vfs, sizeof(*e) + name_size);
    if (e == NULL) {
        r = vfs->cause;
        adk__vfs_uncharge(vfs, ENTRY_COST);
        return r;
    }
    memset(e, 0, sizeof(*e));
    *ret_entry = e;
    return 0;
}

static int hash_entry(adk__vfs_inode *inode, const char *name, size_t name_size, entry *e)
{
    adk__vfs_dir *dir = &inode->dir;
    bool added = true;
    int r;

    if (dir->entries == NULL) {
        r = adk__vfs_charge(inode->vfs, TABLE_COST);
        if (r < 0)
            return r;
    }
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, dir->entries, name, (unsigned)name_size, hash_name(name, name_size), e);
    if (added)
        return 0;
    if (dir->entries == NULL)
        adk__vfs_uncharge(inode->vfs, TABLE_COST);
    return -ENOMEM;
}

static void unhash_entry(adk__vfs_inode *inode, entry *e)
{
    adk__vfs_dir *dir = &inode->dir;

    HASH_DELETE(hh, dir->entries, e);
    if (dir->entries == NULL)
        adk__vfs_uncharge(inode->vfs, TABLE_COST);
}

/* Enters `e`, whose name must outlive it; there is a slot to spare. */
static int insert_entry(adk__vfs_inode *inode, const char *name, size_t name_size, uint64_t cookie, entry *e)
{
    adk__vfs_dir *dir = &inode->dir;
    int r;

    r = hash_entry(inode, name, name_size, e);
    if (r < 0)
        return r;
    e->cookie = cookie;
    dir->slots[dir->slot_count] = (adk__vfs_slot){.cookie = cookie, .entry = e, .next = dir->slot_count + 1};
    dir->slot_count++;
    dir->live++;
    return 0;
}

int adk__vfs_dir_add(adk__vfs_inode *inode, const char *name, size_t name_size, adk__vfs_inode *child)
{
    adk__vfs_dir *dir = &inode->dir;
    entry *e = NULL;
    int r;

    r = adk__vfs_dir_own(inode);
    if (r < 0)
        return r;
    if (dir->slot_count == dir->slot_capacity) {
        r = resize_slots(inode, dir->slot_capacity == 0 ? SLOTS_INITIAL : 2 * dir->slot_capacity);
        if (r < 0)
            return r;
    }
    r = new_entry(inode->vfs, name_size, &e);
    if (r == 0) {
        memcpy(e->name, name, name_size);
        e->inode = child;
        r = insert_entry(inode, e->name, name_size, dir->next_cookie, e);
        if (r < 0) {
            adk__vfs_release(inode->vfs, e, sizeof(*e) + name_size);
            adk__vfs_uncharge(inode->vfs, ENTRY_COST);
        }
    }
    if (r < 0) {
        pack_slots(inode); /* an empty directory keeps no slots */
        return r;
    }
    dir->next_cookie++;
    return 0;
}

void adk__vfs_dir_remove(adk__vfs_inode *inode, const char *name, size_t name_size)
{
    adk__vfs_dir *dir = &inode->dir;
    entry *e = find_entry(dir, name, name_size);
    size_t position;

    assert(!dir->shared && e != NULL);
    position = slot_after(dir, e->cookie - 1);
    dir->slots[position].entry = NULL;
    dir->slots[position].next = position + 1;
    dir->live--;
    unhash_entry(inode, e);
    free_entry(inode->vfs, e);
    pack_slots(inode);
}

void adk__vfs_dir_replace(adk__vfs_inode *inode, const char *name, size_t name_size, adk__vfs_inode *child)
{
    entry *e = find_entry(&inode->dir, name, name_size);

    assert(!inode->dir.shared && e != NULL);
    e->inode = child;
}

/* ---- shared and private --------------------------------------------------------------------------------------- */

static const adk__vfs_node *node_of(const adk__vfs_dir *dir)
{
    return &dir->image->nodes[dir->node];
}

static void free_entries(adk__vfs_inode *inode)
{
    adk__vfs_dir *dir = &inode->dir;

    if (dir->entries != NULL) {
        HASH_CLEAR(hh, dir->entries);
        adk__vfs_uncharge(inode->vfs, TABLE_COST);
    }
    for (size_t i = 0; i < dir->slot_count; i++) {
        if (dir->slots[i].entry != NULL)
            free_entry(inode->vfs, dir->slots[i].entry);
    }
    free_slots(inode);
    dir->live = 0;
}

static void free_kids(adk__vfs_inode *inode)
{
    adk__vfs_dir *dir = &inode->dir;

    if (dir->kids == NULL)
        return;
    adk__vfs_release(inode->vfs, dir->kids, node_of(dir)->count * sizeof(*dir->kids));
    dir->kids = NULL;
}

static int own_child(adk__vfs_inode *inode, uint32_t i)
{
    adk__vfs_dir *dir = &inode->dir;
    uint32_t number = node_of(dir)->first + i;
    const adk__vfs_node *node = &dir->image->nodes[number];
    entry *e = NULL;
    int r;

    r = new_entry(inode->vfs, 0, &e);
    if (r < 0)
        return r;
    e->node = number;
    e->inode = dir->kids == NULL ? NULL : dir->kids[i];
    r = insert_entry(inode, node->name, node->name_size, FIRST_COOKIE + (uint64_t)i, e);
    if (r < 0) {
        adk__vfs_release(inode->vfs, e, sizeof(*e));
        adk__vfs_uncharge(inode->vfs, ENTRY_COST);
    }
    return r;
}

int adk__vfs_dir_own(adk__vfs_inode *inode)
{
    adk__vfs_dir *dir = &inode->dir;
    uint32_t count;
    int r = 0;

    if (!dir->shared) {
        if (dir->next_cookie == 0)
            dir->next_cookie = FIRST_COOKIE;
        return 0;
    }
    count = node_of(dir)->count;
    if (count > 0)
        r = resize_slots(inode, count);
    for (uint32_t i = 0; r == 0 && i < count; i++)
        r = own_child(inode, i);
    if (r < 0) {
        free_entries(inode);
        return r;
    }
    free_kids(inode);
    dir->shared = false;
    dir->next_cookie = FIRST_COOKIE + (uint64_t)count;
    return 0;
}

void adk__vfs_dir_destroy(adk__vfs_inode *inode)
{
    if (inode->dir.shared)
        free_kids(inode);
    else
        free_entries(inode);
}

uint64_t adk__vfs_dir_count(const adk__vfs_inode *inode)
{
    return inode->dir.shared ? node_of(&inode->dir)->count : inode->dir.live;
}

/* ---- children ------------------------------------------------------------------------------------------------- */

static adk__vfs_child shared_child(const adk__vfs_dir *dir, uint32_t i)
{
    uint32_t number = node_of(dir)->first + i;
    const adk__vfs_node *node = &dir->image->nodes[number];

    return (adk__vfs_child){
        .cookie = FIRST_COOKIE + (uint64_t)i,
        .name = node->name,
        .name_size = node->name_size,
        .node = number,
        .inode = dir->kids == NULL ? NULL : dir->kids[i],
    };
}

static adk__vfs_child private_child(entry *e)
{
    return (adk__vfs_child){
        .cookie = e->cookie,
        .name = e->hh.key,
        .name_size = e->hh.keylen,
        .entry = e,
        .node = e->node,
        .inode = e->inode,
    };
}

int adk__vfs_dir_next(adk__vfs_inode *inode, uint64_t cookie, adk__vfs_child *ret_child)
{
    adk__vfs_dir *dir = &inode->dir;
    size_t position;

    if (dir->shared) {
        uint64_t i = cookie < FIRST_COOKIE ? 0 : cookie - FIRST_COOKIE + 1;

        if (i >= node_of(dir)->count)
            return 0;
        *ret_child = shared_child(dir, (uint32_t)i);
        return 1;
    }
    position = live_slot(dir, slot_after(dir, cookie));
    if (position >= dir->slot_count)
        return 0;
    *ret_child = private_child(dir->slots[position].entry);
    return 1;
}

int adk__vfs_dir_inode(adk__vfs_inode *inode, const adk__vfs_child *child, adk__vfs_inode **ret_inode)
{
    adk__vfs_dir *dir = &inode->dir;
    adk__vfs_inode **home;
    int r;

    if (child->inode != NULL) {
        *ret_inode = child->inode;
        return 0;
    }
    if (child->entry != NULL) {
        home = &child->entry->inode;
    } else {
        if (dir->kids == NULL) {
            size_t size = node_of(dir)->count * sizeof(*dir->kids);

            dir->kids = adk__vfs_alloc(inode->vfs, size);
            if (dir->kids == NULL)
                return inode->vfs->cause;
            memset(dir->kids, 0, size);
        }
        home = &dir->kids[child->node - node_of(dir)->first];
    }
    r = adk__vfs_inode_from_node(inode->vfs, dir->image, child->node, inode->ino - dir->node + child->node, inode,
                                 home);
    if (r < 0)
        return r;
    *ret_inode = *home;
    return 0;
}

int adk__vfs_dir_find(adk__vfs_inode *inode, const char *name, size_t name_size, adk__vfs_inode **ret_inode)
{
    adk__vfs_dir *dir = &inode->dir;
    adk__vfs_child child;

    /* Here and not as the path is read: so the errors come in Linux's order. */
    if (inode->nlink == 0)
        return -ENOENT;
    if (name_size > ADK__VFS_NAME_MAX)
        return -ENAMETOOLONG;
    if (dir->shared) {
        uint32_t number = adk__vfs_image_find(dir->image, dir->node, name, name_size);

        if (number == 0)
            return -ENOENT;
        child = shared_child(dir, number - node_of(dir)->first);
    } else {
        entry *e = find_entry(dir, name, name_size);

        if (e == NULL)
            return -ENOENT;
        child = private_child(e);
    }
    return adk__vfs_dir_inode(inode, &child, ret_inode);
}

/* ---- readdir -------------------------------------------------------------------------------------------------- */

int adk__vfs_readdir(adk__vfs_inode *inode, uint64_t cookie, adk__vfs_dirent *ret_entry)
{
    adk__vfs_dir *dir = &inode->dir;
    adk__vfs_child child;

    if (!adk__vfs_is_dir(inode))
        return -ENOTDIR;
    if (inode->nlink == 0)
        return -ENOENT;
    if (cookie == 0 || cookie == 1) {
        *ret_entry = (adk__vfs_dirent){
            .cookie = cookie + 1,
            .ino = cookie == 0 ? inode->ino : dir->parent->ino,
            .name = "..",
            .name_size = (size_t)cookie + 1,
            .type = ADK__VFS_TYPE_DIRECTORY,
        };
        return 1;
    }
    if (adk__vfs_dir_next(inode, cookie, &child) == 0)
        return 0;
    *ret_entry = (adk__vfs_dirent){
        .cookie = child.cookie,
        .ino = child.inode != NULL ? child.inode->ino : inode->ino - dir->node + child.node,
        .name = child.name,
        .name_size = child.name_size,
        .type = child.inode != NULL ? child.inode->type : dir->image->nodes[child.node].type,
    };
    return 1;
}
