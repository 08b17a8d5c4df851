/*
 * What the files of src/vfs share among themselves: the structures of the tree, and the few functions by which they
 * reach each other. Nothing outside src/vfs includes it.
 *
 * Reading order: tree.c (inodes), memory.c (accounting, small pieces), blocks.c (large ones), body.c (file content),
 * index.c, cookies.c and dir.c (entries), path.c (resolution), names.c and rename.c (operations on names), image.c (shared content), walk.c (the host's visit).
 */
#ifndef ADK_VFS_TREE_H
#define ADK_VFS_TREE_H

#include "vfs/vfs.h"

/* What malloc and our own list keep beside a piece: charged too, so that a million tiny ones are no hole in the budget. */
#define ADK__VFS_BLOCK_OVERHEAD 48U

#define ADK__VFS_CHUNK_SIZE 65536U

/* 2 MiB of chunks, see blocks.c. */
typedef struct adk__vfs_block {
    struct adk__vfs_block *previous; /* of the tree's, either those that have room or those that have none */
    struct adk__vfs_block *next;
    uint8_t *data;
    uint32_t vacant; /* bit i: chunk i */
} adk__vfs_block;

typedef struct adk__vfs_chunk {
    uint64_t index; /* covers the bytes from index * 64 KiB on */
    uint8_t *data;
    adk__vfs_block *block; /* that it lies in; NULL: it is malloc's */
    uint32_t used;         /* bytes that were written; those behind are not initialised and mean zero */
    uint32_t capacity;     /* bytes allocated */
} adk__vfs_chunk;

typedef struct adk__vfs_body {
    uint64_t size;
    const uint8_t *base; /* shared content; means the bytes below base_size that no chunk covers */
    uint64_t base_size;
    adk__vfs_chunk *chunks; /* sorted by index */
    size_t chunk_count;
    size_t chunk_capacity;
} adk__vfs_body;

typedef struct adk__vfs_entry {
    struct adk__vfs_entry *chain; /* in its bucket */
    const char *name;             /* `text`, or the image's */
    uint64_t cookie;
    adk__vfs_inode *inode; /* NULL: still only the image's node */
    uint32_t node;
    uint32_t hash;
    uint16_t name_size;
    char text[];
} adk__vfs_entry;

#define ADK__VFS_INDEX_FEW      8U
#define ADK__VFS_INDEX_SEGMENTS 24U

/* Entries by name, see index.c. */
typedef struct adk__vfs_index {
    uint64_t count;
    uint32_t buckets;
    adk__vfs_entry *few[ADK__VFS_INDEX_FEW]; /* the first buckets; the others are in segments */
    adk__vfs_entry **segments[ADK__VFS_INDEX_SEGMENTS];
} adk__vfs_index;

/* 64 cookies in a row, of which one at least is alive. */
typedef struct adk__vfs_page {
    uint64_t first;         /* a multiple of 64 */
    uint64_t live;          /* bit i: slots[i] is an entry */
    adk__vfs_entry **slots; /* initialised where they are alive */
    uint32_t capacity;
} adk__vfs_page;

/* Entries by cookie, see cookies.c. */
typedef struct adk__vfs_order {
    adk__vfs_page *pages;
    size_t count;
    size_t capacity;
} adk__vfs_order;

/*
 * A directory is *shared* (its entries are those of an image's node, and `kids` holds the inodes made of them so far)
 * or *private* (it has entries of its own). The first change makes it private and keeps the cookies.
 */
typedef struct adk__vfs_dir {
    adk__vfs_inode *parent;      /* itself for the root; NULL once removed */
    const adk__vfs_image *image; /* where it came from, or NULL */
    uint32_t node;               /* its number in the image */
    bool shared;
    adk__vfs_inode **kids; /* shared: by child, NULL where none is made yet; itself NULL before the first */
    adk__vfs_index *index; /* private: by name; NULL while empty */
    adk__vfs_order order;  /* private: by cookie */
    uint64_t next_cookie;
} adk__vfs_dir;

typedef struct adk__vfs_target {
    const char *text;
    size_t size;
    bool owned; /* else an image's */
} adk__vfs_target;

struct adk__vfs_inode {
    adk__vfs *vfs;
    uint64_t ino;
    uint64_t refs;
    uint64_t nlink;
    uint64_t atime_ns;
    uint64_t mtime_ns;
    uint64_t ctime_ns;
    uint64_t era; /* of the last change, see adk__vfs_mark() */
    adk__vfs_type type;
    bool counted; /* against max_inodes; what an image brings is not */
    union {
        adk__vfs_body body;
        adk__vfs_dir dir;
        adk__vfs_target target;
    };
};

#define ADK__VFS_SLAB_CLASSES 36

typedef struct adk__vfs_slab adk__vfs_slab; /* memory.c */

struct adk__vfs {
    adk__vfs_options options; /* defaults filled in */
    uint64_t bytes;
    uint64_t inodes;
    uint64_t next_ino;
    uint64_t era;
    uint64_t own_before; /* what was last changed in an era before this is the host's own, see adk__vfs_own() */
    int cause;           /* why the last adk__vfs_alloc() returned NULL */
    bool lifted;
    adk__vfs_inode *root;
    struct adk__vfs_lone *lones;                 /* memory.c */
    adk__vfs_block *blocks;                      /* blocks.c: those that have room ... */
    adk__vfs_block *full;                        /* ... and those that have none */
    adk__vfs_slab *slabs[ADK__VFS_SLAB_CLASSES]; /* that have room, by the size of their pieces */
    adk__vfs_image **images;                     /* one reference each */
    size_t image_count;
};

typedef struct adk__vfs_node {
    char *name;
    const void *data; /* of a file or a link's target */
    uint64_t size;
    uint64_t atime_ns;
    uint64_t mtime_ns;
    uint64_t ctime_ns;
    uint32_t first; /* a directory's children are `count` nodes from here */
    uint32_t count;
    uint32_t subdirectories;
    uint16_t name_size;
    uint8_t type;
    bool owned; /* data is the image's own */
} adk__vfs_node;

struct adk__vfs_image {
    _Atomic uint64_t refs;
    uint64_t bytes;
    uint32_t count;
    adk__vfs_node *nodes; /* breadth first; 0 is the root */
    uint32_t *by_name;    /* the same ranges, each sorted by name */
};

/* ---- memory.c ------------------------------------------------------------------------------------------------- */

/** Charges `bytes`: 0 or -ENOSPC. */
int adk__vfs_charge(adk__vfs *vfs, uint64_t bytes);
void adk__vfs_uncharge(adk__vfs *vfs, uint64_t bytes);

/** Charged malloc, for what needs no alignment above 8. On NULL `vfs->cause` is -ENOSPC or -ENOMEM. */
void *adk__vfs_alloc(adk__vfs *vfs, size_t size);
/** Charged realloc; `block` may be NULL with old_size 0. On NULL the block is as it was. */
void *adk__vfs_realloc(adk__vfs *vfs, void *block, size_t old_size, size_t new_size);
void adk__vfs_release(adk__vfs *vfs, void *block, size_t size);
/** Frees all that the functions above and below gave. Charges are the caller's. */
void adk__vfs_release_all(adk__vfs *vfs);

/* ---- tree.c --------------------------------------------------------------------------------------------------- */

uint64_t adk__vfs_now(adk__vfs *vfs);
/** Content changed: modification and change time, and the mark. */
void adk__vfs_touch(adk__vfs_inode *inode, uint64_t now_ns);
/** Names or times changed: change time, and the mark. */
void adk__vfs_touch_meta(adk__vfs_inode *inode, uint64_t now_ns);

/** A new inode without a name, held once. Its body, directory or target is all zero. */
int adk__vfs_inode_new(adk__vfs *vfs, adk__vfs_type type, uint64_t now_ns, adk__vfs_inode **ret_inode);
/** The inode for an image's node, not held: the directory that it is in keeps it. */
int adk__vfs_inode_from_node(adk__vfs *vfs, const adk__vfs_image *image, uint32_t node, uint64_t ino,
                             adk__vfs_inode *parent, adk__vfs_inode **ret_inode);
/** Frees an inode that has neither names nor references. */
void adk__vfs_inode_collect(adk__vfs_inode *inode);

static inline bool adk__vfs_is_dir(const adk__vfs_inode *inode)
{
    return inode->type == ADK__VFS_TYPE_DIRECTORY;
}

/* ---- blocks.c ------------------------------------------------------------------------------------------------- */

/** A chunk of content memory, not cleared; NULL if there is none to be had or the tree is too small for blocks. */
uint8_t *adk__vfs_chunk_take(adk__vfs *vfs, adk__vfs_block **ret_block);
void adk__vfs_chunk_give(adk__vfs *vfs, adk__vfs_block *block, const uint8_t *data);
void adk__vfs_blocks_free(adk__vfs *vfs);

/* ---- body.c --------------------------------------------------------------------------------------------------- */

void adk__vfs_body_destroy(adk__vfs_inode *inode);

/* ---- index.c -------------------------------------------------------------------------------------------------- */

/** The entry of that name, or NULL; so for an index that is NULL. */
adk__vfs_entry *adk__vfs_index_find(adk__vfs_index *index, const char *name, size_t name_size);
/** Adds an entry whose name is set and vacant. The first makes *index, and removing the last frees it. */
int adk__vfs_index_add(adk__vfs *vfs, adk__vfs_index **index, adk__vfs_entry *entry);
void adk__vfs_index_remove(adk__vfs *vfs, adk__vfs_index **index, adk__vfs_entry *entry);
/** Frees the index, not the entries. NULL is fine. */
void adk__vfs_index_destroy(adk__vfs *vfs, adk__vfs_index **index);

/** Frees an entry. */
void adk__vfs_entry_free(adk__vfs *vfs, adk__vfs_entry *entry);

/* ---- cookies.c ------------------------------------------------------------------------------------------------ */

/** Adds an entry whose cookie is set and above all others. */
int adk__vfs_order_add(adk__vfs *vfs, adk__vfs_order *order, adk__vfs_entry *entry);
void adk__vfs_order_remove(adk__vfs *vfs, adk__vfs_order *order, const adk__vfs_entry *entry);
/** The first entry after `cookie`, or NULL. */
adk__vfs_entry *adk__vfs_order_next(const adk__vfs_order *order, uint64_t cookie);
/** Frees the order, with all entries in it. */
void adk__vfs_order_destroy(adk__vfs *vfs, adk__vfs_order *order);

/* ---- dir.c ---------------------------------------------------------------------------------------------------- */

typedef struct adk__vfs_child {
    uint64_t cookie;
    const char *name;
    size_t name_size;
    adk__vfs_entry *entry; /* NULL in a shared directory */
    uint32_t node;         /* of the image, where inode is NULL */
    adk__vfs_inode *inode; /* NULL: not made yet */
} adk__vfs_child;

/** The child after `cookie` (`.` and `..` left out): 1, or 0 at the end. */
int adk__vfs_dir_next(adk__vfs_inode *dir, uint64_t cookie, adk__vfs_child *ret_child);
/** The child's inode, made if need be; borrowed. */
int adk__vfs_dir_inode(adk__vfs_inode *dir, const adk__vfs_child *child, adk__vfs_inode **ret_inode);
/** The inode of that name, borrowed; -ENOENT, -ENAMETOOLONG. */
int adk__vfs_dir_find(adk__vfs_inode *dir, const char *name, size_t name_size, adk__vfs_inode **ret_inode);

/** Makes the directory private; add and remove do it themselves. On failure nothing has changed. */
int adk__vfs_dir_own(adk__vfs_inode *dir);
/** Adds an entry; the name must be vacant. Link counts and times are the caller's. */
int adk__vfs_dir_add(adk__vfs_inode *dir, const char *name, size_t name_size, adk__vfs_inode *inode);
/** Removes an entry that is there; the directory must be private. */
void adk__vfs_dir_remove(adk__vfs_inode *dir, const char *name, size_t name_size);
/** Makes an entry that is there mean another inode; the directory must be private. */
void adk__vfs_dir_replace(adk__vfs_inode *dir, const char *name, size_t name_size, adk__vfs_inode *inode);
uint64_t adk__vfs_dir_count(const adk__vfs_inode *dir);
void adk__vfs_dir_destroy(adk__vfs_inode *dir);

/* ---- path.c --------------------------------------------------------------------------------------------------- */

typedef enum adk__vfs_last {
    ADK__VFS_LAST_NAME,
    ADK__VFS_LAST_DOT,
    ADK__VFS_LAST_DOTDOT,
} adk__vfs_last;

typedef struct adk__vfs_rest {
    const char *text;
    size_t size;
} adk__vfs_rest;

/* A resolution under way. It stops before the last component, whose directory and name it then holds. */
typedef struct adk__vfs_path {
    adk__vfs_inode *start; /* and boundary */
    adk__vfs_inode *dir;
    const char *name;
    size_t name_size;
    adk__vfs_last last;
    bool slash; /* the last component is followed by one */
    uint32_t links;
    size_t linked;  /* bytes of their targets */
    uint32_t depth; /* of `rest`; what lies below the top has a component left, always */
    adk__vfs_rest rest[ADK__VFS_SYMLINKS_MAX + 1];
} adk__vfs_path;

/** Checks the path and resolves up to its last component. */
int adk__vfs_path_start(adk__vfs_path *path, adk__vfs_inode *dir, const char *text, size_t size);
/** The last component is the link `link`: goes on to the last component of its target. */
int adk__vfs_path_follow(adk__vfs_path *path, const adk__vfs_inode *link);
/** The inode of the last component, borrowed; links are not followed, slashes not looked at. */
int adk__vfs_path_last(const adk__vfs_path *path, adk__vfs_inode **ret_inode);
/** The same with links followed (on demand, or before a slash) and with a slash asking for a directory. */
int adk__vfs_path_find(adk__vfs_path *path, bool follow, adk__vfs_inode **ret_inode);

/* ---- names.c -------------------------------------------------------------------------------------------------- */

/** An inode lost a name in `dir`: counts, times, and its end if it was the last. */
void adk__vfs_left(adk__vfs_inode *dir, adk__vfs_inode *inode, uint64_t now_ns);

/* ---- image.c -------------------------------------------------------------------------------------------------- */

/** The child of directory `node` with that name: its node, or 0 (the root is nobody's child). */
uint32_t adk__vfs_image_find(const adk__vfs_image *image, uint32_t node, const char *name, size_t name_size);
/** Makes the new directory `inode`, which has no entries yet, show `image`. */
int adk__vfs_show_image(adk__vfs_inode *inode, adk__vfs_image *image);

#endif
