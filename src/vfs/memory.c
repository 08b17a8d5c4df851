/*
 * The memory of a tree: every byte a guest can cause to be kept is charged here, to the tree's own quota and to the
 * shared budget, before it is taken.
 *
 * A small tree takes its memory from malloc, piece by piece. One that holds more takes its small pieces (inodes,
 * entries, names, the content of small files) from slabs: 64 KiB that are cut into pieces of one size, charged whole,
 * and given back when the last piece is. That is not for the sake of malloc's speed but of its manners: it collects
 * freed pieces until some later call has to sort all of them, which took 18 ms where a guest had made half a million.
 *
 * For the same reason a tree is not taken apart in the end: slabs and blocks go as a whole, and what malloc gave stands
 * on a list. No walk of the tree, so neither its depth nor the number of its inodes matters.
 */
#include "vfs/tree.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_MAX   8192U                 /* in class ADK__VFS_SLAB_CLASSES, the last */
#define WORTH_SLABS (UINT64_C(256) << 10) /* what a tree holds before it gets its first */

/* Before each piece lies the slab it is from. In a slab that is all, and a vacant piece is on a list: */
typedef struct vacancy {
    adk__vfs_slab *slab;
    struct vacancy *next;
} vacancy;

/* Before a piece from malloc, so that `slab` is at the same place and the piece aligned as malloc aligns: */
typedef struct adk__vfs_lone {
    uint64_t padding;
    struct adk__vfs_lone *previous;
    struct adk__vfs_lone *next;
    adk__vfs_slab *slab; /* NULL */
} lone;

struct adk__vfs_slab {
    adk__vfs_slab *previous; /* those of a class that have room */
    adk__vfs_slab *next;
    adk__vfs_block *block; /* that it lies in; NULL: it is malloc's */
    vacancy *vacant;       /* pieces that were given back */
    uint32_t used;
    uint32_t fresh; /* offset of what was never handed out */
};

_Static_assert(ADK__VFS_BLOCK_OVERHEAD >= sizeof(lone) + 16, "what malloc adds, and we");
_Static_assert(offsetof(lone, slab) + sizeof(adk__vfs_slab *) == sizeof(lone), "right before the piece");
_Static_assert(sizeof(lone) % _Alignof(max_align_t) == 0, "for the sake of memcpy");

static adk__vfs_slab *slab_of(const void *piece)
{
    return ((adk__vfs_slab *const *)piece)[-1];
}

/* ---- accounting ----------------------------------------------------------------------------------------------- */

int adk__vfs_charge(adk__vfs *vfs, uint64_t bytes)
{
    if (vfs->lifted)
        return 0;
    if (bytes > vfs->options.max_bytes || vfs->bytes > vfs->options.max_bytes - bytes)
        return -ENOSPC;
    if (vfs->options.charge != NULL && !vfs->options.charge(vfs->options.budget_data, bytes))
        return -ENOSPC;
    vfs->bytes += bytes;
    return 0;
}

void adk__vfs_uncharge(adk__vfs *vfs, uint64_t bytes)
{
    /* Once limits are lifted nobody knows what was charged: all of it is given back at the end. */
    if (vfs->lifted)
        return;
    assert(bytes <= vfs->bytes);
    vfs->bytes -= bytes;
    if (vfs->options.release != NULL)
        vfs->options.release(vfs->options.budget_data, bytes);
}

/* ---- pieces from malloc --------------------------------------------------------------------------------------- */

static void link_lone(adk__vfs *vfs, lone *piece)
{
    piece->previous = NULL;
    piece->next = vfs->lones;
    if (piece->next != NULL)
        piece->next->previous = piece;
    vfs->lones = piece;
}

static void unlink_lone(adk__vfs *vfs, const lone *piece)
{
    if (piece->previous != NULL)
        piece->previous->next = piece->next;
    else
        vfs->lones = piece->next;
    if (piece->next != NULL)
        piece->next->previous = piece->previous;
}

static void *lone_alloc(adk__vfs *vfs, size_t size)
{
    lone *piece;

    vfs->cause = adk__vfs_charge(vfs, (uint64_t)size + ADK__VFS_BLOCK_OVERHEAD);
    if (vfs->cause < 0)
        return NULL;
    piece = malloc(sizeof(*piece) + size);
    if (piece == NULL) {
        vfs->cause = -ENOMEM;
        adk__vfs_uncharge(vfs, (uint64_t)size + ADK__VFS_BLOCK_OVERHEAD);
        return NULL;
    }
    piece->slab = NULL;
    link_lone(vfs, piece);
    return piece + 1;
}

static void lone_release(adk__vfs *vfs, lone *piece, size_t size)
{
    unlink_lone(vfs, piece);
    free(piece);
    adk__vfs_uncharge(vfs, (uint64_t)size + ADK__VFS_BLOCK_OVERHEAD);
}

static void *lone_realloc(adk__vfs *vfs, lone *piece, size_t old_size, size_t new_size)
{
    lone *moved;

    if (new_size > PTRDIFF_MAX - ADK__VFS_BLOCK_OVERHEAD) {
        vfs->cause = -ENOMEM;
        return NULL;
    }
    if (new_size > old_size) {
        vfs->cause = adk__vfs_charge(vfs, new_size - old_size);
        if (vfs->cause < 0)
            return NULL;
    }
    unlink_lone(vfs, piece);
    moved = realloc(piece, sizeof(*piece) + new_size);
    if (moved == NULL) {
        link_lone(vfs, piece);
        vfs->cause = -ENOMEM;
        if (new_size > old_size)
            adk__vfs_uncharge(vfs, new_size - old_size);
        return NULL;
    }
    link_lone(vfs, moved);
    if (new_size < old_size)
        adk__vfs_uncharge(vfs, old_size - new_size);
    return moved + 1;
}

/* ---- pieces of slabs ------------------------------------------------------------------------------------------ */

/* Sizes are rounded up to 16, and above 256 to a quarter of a power of two. The classes are numbered from 1. */
static unsigned class_of(size_t size)
{
    unsigned power;

    if (size <= 16)
        return 1;
    if (size <= 256)
        return (unsigned)(size + 15) / 16;
    power = 31U - (unsigned)__builtin_clz((unsigned)size - 1);
    return 4 * (power - 4) - 3 + (unsigned)((size - 1) >> (power - 2));
}

static uint32_t piece_size(unsigned class)
{
    unsigned above = class - 17;

    if (class <= 16)
        return (uint32_t)sizeof(adk__vfs_slab *) + 16 * class;
    return (uint32_t)sizeof(adk__vfs_slab *) + ((5 + above % 4) << (6 + above / 4));
}

static void link_slab(adk__vfs_slab **list, adk__vfs_slab *slab)
{
    slab->previous = NULL;
    slab->next = *list;
    if (slab->next != NULL)
        slab->next->previous = slab;
    *list = slab;
}

static void unlink_slab(adk__vfs_slab **list, adk__vfs_slab *slab)
{
    if (slab->previous != NULL)
        slab->previous->next = slab->next;
    else
        *list = slab->next;
    if (slab->next != NULL)
        slab->next->previous = slab->previous;
}

static bool has_room(const adk__vfs_slab *slab, unsigned class)
{
    return slab->vacant != NULL || slab->fresh + piece_size(class) <= ADK__VFS_CHUNK_SIZE;
}

static adk__vfs_slab *new_slab(adk__vfs *vfs)
{
    adk__vfs_block *block = NULL;
    adk__vfs_slab *slab;

    if (vfs->bytes < WORTH_SLABS)
        return NULL;
    slab = (void *)adk__vfs_chunk_take(vfs, &block);
    if (slab == NULL)
        slab = lone_alloc(vfs, ADK__VFS_CHUNK_SIZE);
    if (slab != NULL)
        *slab = (adk__vfs_slab){.block = block, .fresh = sizeof(*slab)};
    return slab;
}

static void *slab_alloc(adk__vfs *vfs, unsigned class)
{
    adk__vfs_slab **list = &vfs->slabs[class - 1];
    adk__vfs_slab *slab = *list;
    vacancy *home;

    if (slab == NULL) {
        slab = new_slab(vfs);
        if (slab == NULL)
            return NULL;
        link_slab(list, slab);
    }
    home = slab->vacant;
    if (home != NULL) {
        slab->vacant = home->next;
    } else {
        home = (void *)((uint8_t *)slab + slab->fresh);
        slab->fresh += piece_size(class);
    }
    home->slab = slab;
    slab->used++;
    if (!has_room(slab, class))
        unlink_slab(list, slab);
    return &home->next;
}

static void slab_release(adk__vfs *vfs, adk__vfs_slab *slab, void *piece, unsigned class)
{
    vacancy *home = (void *)((uint8_t *)piece - offsetof(vacancy, next));

    if (!has_room(slab, class))
        link_slab(&vfs->slabs[class - 1], slab);
    home->next = slab->vacant;
    slab->vacant = home;
    slab->used--;
    if (slab->used > 0)
        return;
    unlink_slab(&vfs->slabs[class - 1], slab);
    if (slab->block != NULL)
        adk__vfs_chunk_give(vfs, slab->block, (uint8_t *)slab);
    else
        lone_release(vfs, (lone *)slab - 1, ADK__VFS_CHUNK_SIZE);
}

/* ---- either --------------------------------------------------------------------------------------------------- */

void *adk__vfs_alloc(adk__vfs *vfs, size_t size)
{
    void *piece = NULL;

    if (size > PTRDIFF_MAX - ADK__VFS_BLOCK_OVERHEAD) {
        vfs->cause = -ENOMEM;
        return NULL;
    }
    if (size <= SMALL_MAX)
        piece = slab_alloc(vfs, class_of(size));
    return piece != NULL ? piece : lone_alloc(vfs, size);
}

void *adk__vfs_realloc(adk__vfs *vfs, void *block, size_t old_size, size_t new_size)
{
    void *moved;

    if (block == NULL)
        return adk__vfs_alloc(vfs, new_size);
    if (slab_of(block) == NULL)
        return lone_realloc(vfs, (lone *)block - 1, old_size, new_size);
    if (new_size <= SMALL_MAX && class_of(old_size) == class_of(new_size))
        return block;
    moved = adk__vfs_alloc(vfs, new_size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    slab_release(vfs, slab_of(block), block, class_of(old_size));
    return moved;
}

void adk__vfs_release(adk__vfs *vfs, void *block, size_t size)
{
    if (block == NULL)
        return;
    if (slab_of(block) == NULL)
        lone_release(vfs, (lone *)block - 1, size);
    else
        slab_release(vfs, slab_of(block), block, class_of(size));
}

void adk__vfs_release_all(adk__vfs *vfs)
{
    lone *piece = NULL;

    adk__vfs_blocks_free(vfs);
    /* The oldest first: glibc gives the top of its heap back each time that what lies there is freed. */
    while (vfs->lones != NULL) {
        lone *next = vfs->lones->next;

        vfs->lones->next = piece;
        piece = vfs->lones;
        vfs->lones = next;
    }
    while (piece != NULL) {
        lone *next = piece->next;

        free(piece);
        piece = next;
    }
}
