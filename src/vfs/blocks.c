/*
 * Memory for large files and for slabs: 64 KiB chunks out of blocks of 2 MiB, which are one huge page each where the
 * kernel has them. Filling fresh memory costs more in page faults than in copying, so this is what makes writing fast.
 *
 * A block is charged whole before it is taken, because a huge page is taken whole. A tree that holds little, or whose
 * budget has no room for a block, does with single chunks from malloc: body.c knows to. A block goes back, charge and
 * all, with the last chunk in it.
 *
 * Blocks given back are kept for the next tree or the next write of this one, at most SPARES in the whole process. They
 * are charged to nobody, so the kernel is told that it may take their pages whenever it wants them (MADV_FREE). They
 * are not cleared: a chunk's content ends where writing it ended, and nothing behind that is ever read. The spares are
 * an array of atomic pointers and no lock, so that a process forked at any moment can go on with them.
 */
#include "vfs/tree.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define BLOCK_SIZE   ((size_t)2 << 20)
#define BLOCK_COST   (BLOCK_SIZE + sizeof(adk__vfs_block) + ADK__VFS_BLOCK_OVERHEAD)
#define BLOCK_CHUNKS (BLOCK_SIZE / ADK__VFS_CHUNK_SIZE)
#define WORTH_BLOCKS (UINT64_C(1) << 20) /* what a tree holds before it gets its first */
#define SPARES       (ADK__VFS_DEFAULT_BYTES / BLOCK_SIZE)

_Static_assert(BLOCK_CHUNKS == 32, "a bit for each chunk in `vacant`");

static _Atomic(uint8_t *) spares[SPARES];

/* ---- pages from the kernel ------------------------------------------------------------------------------------ */

static uint8_t *map(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return pages == MAP_FAILED ? NULL : pages;
}

static size_t misaligned_by(const uint8_t *pages)
{
    return (uintptr_t)pages % BLOCK_SIZE;
}

static uint8_t *map_block(void)
{
    uint8_t *pages = map(BLOCK_SIZE);
    size_t head;

    /* Kernels since 6.7 align such mappings themselves. */
    if (pages != NULL && misaligned_by(pages) != 0) {
        (void)munmap(pages, BLOCK_SIZE);
        pages = map(2 * BLOCK_SIZE);
        if (pages == NULL)
            return NULL;
        head = BLOCK_SIZE - misaligned_by(pages);
        (void)munmap(pages + head + BLOCK_SIZE, BLOCK_SIZE - head);
        (void)munmap(pages, head);
        pages += head;
    }
    if (pages != NULL)
        (void)madvise(pages, BLOCK_SIZE, MADV_HUGEPAGE); /* small pages do as well */
    return pages;
}

static uint8_t *take_spare(void)
{
    for (size_t i = 0; i < SPARES; i++) {
        uint8_t *pages = NULL;

        if (atomic_load_explicit(&spares[i], memory_order_relaxed) != NULL)
            pages = atomic_exchange_explicit(&spares[i], NULL, memory_order_acquire);
        if (pages != NULL)
            return pages;
    }
    return NULL;
}

static bool keep_spare(uint8_t *pages)
{
    if (madvise(pages, BLOCK_SIZE, MADV_FREE) < 0)
        return false;
    for (size_t i = 0; i < SPARES; i++) {
        uint8_t *none = NULL;

        if (atomic_compare_exchange_strong_explicit(&spares[i], &none, pages, memory_order_release,
                                                    memory_order_relaxed))
            return true;
    }
    return false;
}

/* ---- blocks --------------------------------------------------------------------------------------------------- */

static void link_block(adk__vfs_block **list, adk__vfs_block *block)
{
    block->previous = NULL;
    block->next = *list;
    if (block->next != NULL)
        block->next->previous = block;
    *list = block;
}

static void unlink_block(adk__vfs_block **list, adk__vfs_block *block)
{
    if (block->previous != NULL)
        block->previous->next = block->next;
    else
        *list = block->next;
    if (block->next != NULL)
        block->next->previous = block->previous;
}

static adk__vfs_block *new_block(adk__vfs *vfs)
{
    adk__vfs_block *block;

    if (adk__vfs_charge(vfs, BLOCK_COST) < 0)
        return NULL;
    block = malloc(sizeof(*block));
    if (block != NULL)
        block->data = take_spare();
    if (block != NULL && block->data == NULL)
        block->data = map_block();
    if (block == NULL || block->data == NULL) {
        free(block);
        adk__vfs_uncharge(vfs, BLOCK_COST);
        return NULL;
    }
    block->vacant = UINT32_MAX;
    link_block(&vfs->blocks, block);
    return block;
}

static void free_block(adk__vfs *vfs, adk__vfs_block *block)
{
    if (!keep_spare(block->data))
        (void)munmap(block->data, BLOCK_SIZE);
    free(block);
    adk__vfs_uncharge(vfs, BLOCK_COST);
}

uint8_t *adk__vfs_chunk_take(adk__vfs *vfs, adk__vfs_block **ret_block)
{
    adk__vfs_block *block = vfs->blocks;
    unsigned i;

    if (block == NULL && vfs->bytes >= WORTH_BLOCKS)
        block = new_block(vfs);
    if (block == NULL)
        return NULL;
    i = (unsigned)__builtin_ctz(block->vacant);
    block->vacant &= block->vacant - 1;
    if (block->vacant == 0) {
        unlink_block(&vfs->blocks, block);
        link_block(&vfs->full, block);
    }
    *ret_block = block;
    return block->data + (size_t)i * ADK__VFS_CHUNK_SIZE;
}

void adk__vfs_chunk_give(adk__vfs *vfs, adk__vfs_block *block, const uint8_t *data)
{
    size_t i = (size_t)(data - block->data) / ADK__VFS_CHUNK_SIZE;

    if (block->vacant == 0) {
        unlink_block(&vfs->full, block);
        link_block(&vfs->blocks, block);
    }
    block->vacant |= UINT32_C(1) << i;
    if (block->vacant != UINT32_MAX)
        return;
    unlink_block(&vfs->blocks, block);
    free_block(vfs, block);
}

static void free_list(adk__vfs *vfs, adk__vfs_block *block)
{
    while (block != NULL) {
        adk__vfs_block *next = block->next;

        free_block(vfs, block);
        block = next;
    }
}

void adk__vfs_blocks_free(adk__vfs *vfs)
{
    free_list(vfs, vfs->blocks);
    free_list(vfs, vfs->full);
    vfs->blocks = NULL;
    vfs->full = NULL;
}
