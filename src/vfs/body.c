/*
 * File content: sparse, in chunks of 64 KiB, copied from shared content piece by piece as it is written.
 *
 * A body is a sorted array of the chunks that exist. What no chunk covers is the shared base below base_size, and zeros
 * elsewhere; so a hole costs nothing, wherever it ends, and a size of INT64_MAX is a number. Within a chunk only the
 * first `used` bytes were ever written, the others mean zero: a new chunk need not be cleared, sequential writing
 * touches each byte once, and nothing uninitialised is ever copied out.
 *
 * The first chunk grows with its content (exactly at first, then by doubling), so a small file costs about its size;
 * the chunks behind it are whole at once, which wastes less than half of any file that has them. An array, not a tree:
 * appending is a store at its end, a lookup in a file without holes is one comparison, and the worst case (filling a
 * sparse file from the back) moves 32 bytes for every 64 KiB the guest pays for.
 */
#include "vfs/tree.h"

#include <errno.h>
#include <string.h>

#define CHUNK_SIZE    ADK__VFS_CHUNK_SIZE
#define FILE_SIZE_MAX ((uint64_t)INT64_MAX)

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int check_file(const adk__vfs_inode *inode)
{
    if (adk__vfs_is_dir(inode))
        return -EISDIR;
    return inode->type == ADK__VFS_TYPE_FILE ? 0 : -EINVAL;
}

/* The first chunk whose index is not below `index`. */
static size_t chunk_position(const adk__vfs_body *body, uint64_t index)
{
    size_t low = 0;
    size_t high = body->chunk_count;

    if (index < high && body->chunks[index].index == index)
        return (size_t)index;
    if (high > 0 && body->chunks[high - 1].index < index)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (body->chunks[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many bytes of the shared base lie in the chunk `index`. */
static uint32_t base_in_chunk(const adk__vfs_body *body, uint64_t index)
{
    uint64_t start = index * CHUNK_SIZE;

    if (body->base_size <= start)
        return 0;
    return (uint32_t)min_u64(body->base_size - start, CHUNK_SIZE);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* Copies `size` bytes from `from` on out of a piece that has `used` bytes at `data` and zeros behind them. */
static void copy_piece(uint8_t *to, const uint8_t *data, uint64_t used, uint64_t from, uint64_t size)
{
    uint64_t real = from < used ? min_u64(used - from, size) : 0;

    if (real > 0)
        memcpy(to, data + from, (size_t)real);
    if (real < size)
        memset(to + real, 0, (size_t)(size - real));
}

int adk__vfs_pread(const adk__vfs_inode *inode, void *buffer, size_t size, uint64_t offset, size_t *ret_read)
{
    const adk__vfs_body *body = &inode->body;
    uint8_t *to = buffer;
    uint64_t at = offset;
    uint64_t end;
    size_t position;
    int r;

    r = check_file(inode);
    if (r < 0)
        return r;
    if (size == 0 || offset >= body->size) {
        *ret_read = 0;
        return 0;
    }
    end = offset + min_u64(size, body->size - offset);
    position = chunk_position(body, at / CHUNK_SIZE);
    while (at < end) {
        uint64_t index = at / CHUNK_SIZE;
        uint64_t within = at % CHUNK_SIZE;
        uint64_t step = min_u64(CHUNK_SIZE - within, end - at);

        if (position < body->chunk_count && body->chunks[position].index == index) {
            copy_piece(to, body->chunks[position].data, body->chunks[position].used, within, step);
            position++;
        } else {
            uint32_t based = base_in_chunk(body, index);

            copy_piece(to, based == 0 ? NULL : body->base + index * CHUNK_SIZE, based, within, step);
        }
        to += step;
        at += step;
    }
    *ret_read = (size_t)(end - offset);
    return 0;
}

/* ---- chunks --------------------------------------------------------------------------------------------------- */

static void chunk_free(adk__vfs *vfs, const adk__vfs_chunk *chunk)
{
    if (chunk->block != NULL)
        adk__vfs_chunk_give(vfs, chunk->block, chunk->data);
    else
        adk__vfs_release(vfs, chunk->data, chunk->capacity);
}

/* Whole chunks are taken from blocks where there are any; what comes from a block or goes there is copied. */
static int chunk_resize(adk__vfs *vfs, adk__vfs_chunk *chunk, uint32_t capacity)
{
    adk__vfs_chunk moved = {.index = chunk->index, .used = chunk->used, .capacity = capacity};

    if (capacity == CHUNK_SIZE)
        moved.data = adk__vfs_chunk_take(vfs, &moved.block);
    if (moved.data == NULL && chunk->block != NULL)
        moved.data = adk__vfs_alloc(vfs, capacity);
    else if (moved.data == NULL)
        moved.data = adk__vfs_realloc(vfs, chunk->data, chunk->capacity, capacity);
    if (moved.data == NULL)
        return vfs->cause;
    if (moved.block != NULL || chunk->block != NULL) {
        if (chunk->used > 0)
            memcpy(moved.data, chunk->data, chunk->used);
        chunk_free(vfs, chunk);
    }
    *chunk = moved;
    return 0;
}

/* Room for `need` bytes: generously, and if that is refused, exactly. */
static int chunk_reserve(adk__vfs *vfs, adk__vfs_chunk *chunk, uint32_t need)
{
    uint64_t want = CHUNK_SIZE;

    if (chunk->capacity >= need)
        return 0;
    if (chunk->index == 0)
        want = min_u64(max_u64(need, UINT64_C(2) * chunk->capacity), CHUNK_SIZE);
    if (chunk_resize(vfs, chunk, (uint32_t)want) == 0)
        return 0;
    return want == need ? vfs->cause : chunk_resize(vfs, chunk, need);
}

static int reserve_table(adk__vfs_inode *inode)
{
    adk__vfs_body *body = &inode->body;
    size_t capacity = body->chunk_capacity == 0 ? 1 : body->chunk_capacity * 2;
    adk__vfs_chunk *chunks;

    if (body->chunk_count < body->chunk_capacity)
        return 0;
    chunks =
        adk__vfs_realloc(inode->vfs, body->chunks, body->chunk_capacity * sizeof(*chunks), capacity * sizeof(*chunks));
    if (chunks == NULL)
        return inode->vfs->cause;
    body->chunks = chunks;
    body->chunk_capacity = capacity;
    return 0;
}

/*
 * The chunk `index`, made if need be, with room for `need` bytes. A new one takes over what the base has there, unless
 * the first `overwritten` bytes, which the caller is about to write, are all of it.
 */
static int chunk_prepare(adk__vfs_inode *inode, uint64_t index, uint32_t need, uint32_t overwritten,
                         adk__vfs_chunk **ret_chunk)
{
    adk__vfs_body *body = &inode->body;
    size_t position = chunk_position(body, index);
    uint32_t based = base_in_chunk(body, index);
    adk__vfs_chunk fresh = {.index = index};
    int r;

    if (position < body->chunk_count && body->chunks[position].index == index) {
        *ret_chunk = &body->chunks[position];
        return chunk_reserve(inode->vfs, *ret_chunk, need);
    }
    r = reserve_table(inode);
    if (r < 0)
        return r;
    r = chunk_reserve(inode->vfs, &fresh, need > based ? need : based);
    if (r < 0)
        return r;
    if (based > overwritten) {
        memcpy(fresh.data, body->base + index * CHUNK_SIZE, based);
        fresh.used = based;
    }
    memmove(&body->chunks[position + 1], &body->chunks[position],
            (body->chunk_count - position) * sizeof(body->chunks[0]));
    body->chunks[position] = fresh;
    body->chunk_count++;
    *ret_chunk = &body->chunks[position];
    return 0;
}

/* Frees what lies at and beyond `size`, so that growing again finds zeros there. */
static void cut(adk__vfs_inode *inode, uint64_t size)
{
    adk__vfs_body *body = &inode->body;
    adk__vfs_chunk *last;
    uint32_t tail = (uint32_t)(size % CHUNK_SIZE);

    body->base_size = min_u64(body->base_size, size);
    while (body->chunk_count > 0 && body->chunks[body->chunk_count - 1].index * CHUNK_SIZE >= size) {
        last = &body->chunks[--body->chunk_count];
        chunk_free(inode->vfs, last);
    }
    if (body->chunk_count == 0) {
        adk__vfs_release(inode->vfs, body->chunks, body->chunk_capacity * sizeof(body->chunks[0]));
        body->chunks = NULL;
        body->chunk_capacity = 0;
        return;
    }
    last = &body->chunks[body->chunk_count - 1];
    if (tail == 0 || last->index != size / CHUNK_SIZE)
        return;
    last->used = last->used < tail ? last->used : tail;
    if (last->capacity > tail)
        (void)chunk_resize(inode->vfs, last, tail); /* a block that cannot shrink stays as it is */
}

void adk__vfs_body_destroy(adk__vfs_inode *inode)
{
    cut(inode, 0);
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

static int write_piece(adk__vfs_inode *inode, const uint8_t *from, uint32_t size, uint64_t offset)
{
    uint32_t within = (uint32_t)(offset % CHUNK_SIZE);
    uint32_t end = within + size;
    adk__vfs_chunk *chunk;
    int r;

    r = chunk_prepare(inode, offset / CHUNK_SIZE, end, within == 0 ? size : 0, &chunk);
    if (r < 0)
        return r;
    if (within > chunk->used)
        memset(chunk->data + chunk->used, 0, within - chunk->used);
    memcpy(chunk->data + within, from, size);
    chunk->used = end > chunk->used ? end : chunk->used;
    return 0;
}

int adk__vfs_pwrite(adk__vfs_inode *inode, const void *data, size_t size, uint64_t offset, size_t *ret_written)
{
    const uint8_t *from = data;
    size_t done = 0;
    int r;

    r = check_file(inode);
    if (r < 0)
        return r;
    if (size > FILE_SIZE_MAX || offset > FILE_SIZE_MAX - size)
        return -EFBIG;
    while (done < size) {
        uint64_t at = offset + done;
        uint32_t step = (uint32_t)min_u64(CHUNK_SIZE - at % CHUNK_SIZE, size - done);

        r = write_piece(inode, from + done, step, at);
        if (r < 0)
            break;
        done += step;
    }
    if (done == 0 && size > 0) {
        cut(inode, inode->body.size); /* a chunk table made in vain */
        return r;
    }
    if (done > 0) {
        inode->body.size = max_u64(inode->body.size, offset + done);
        adk__vfs_touch(inode, adk__vfs_now(inode->vfs));
    }
    *ret_written = done;
    return 0;
}

int adk__vfs_append(adk__vfs_inode *inode, const void *data, size_t size, size_t *ret_written, uint64_t *ret_offset)
{
    size_t written;
    int r;

    r = check_file(inode);
    if (r < 0)
        return r;
    r = adk__vfs_pwrite(inode, data, size, inode->body.size, &written);
    if (r < 0)
        return r;
    *ret_written = written;
    *ret_offset = inode->body.size;
    return 0;
}

int adk__vfs_truncate(adk__vfs_inode *inode, uint64_t size)
{
    int r;

    r = check_file(inode);
    if (r < 0)
        return r;
    if (size > FILE_SIZE_MAX)
        return -EFBIG;
    if (size < inode->body.size)
        cut(inode, size);
    inode->body.size = size;
    adk__vfs_touch(inode, adk__vfs_now(inode->vfs));
    return 0;
}

int adk__vfs_allocate(adk__vfs_inode *inode, uint64_t offset, uint64_t size)
{
    uint64_t at = offset;
    uint64_t end;
    int r;

    r = check_file(inode);
    if (r < 0)
        return r;
    if (size == 0)
        return -EINVAL;
    if (size > FILE_SIZE_MAX || offset > FILE_SIZE_MAX - size)
        return -EFBIG;
    if (size > inode->vfs->options.max_bytes)
        return -ENOSPC;
    end = offset + size;
    while (at < end) {
        uint64_t within = at % CHUNK_SIZE;
        uint32_t step = (uint32_t)min_u64(CHUNK_SIZE - within, end - at);
        adk__vfs_chunk *chunk;

        r = chunk_prepare(inode, at / CHUNK_SIZE, (uint32_t)within + step, 0, &chunk);
        if (r < 0) {
            cut(inode, inode->body.size);
            return r;
        }
        at += step;
    }
    inode->body.size = max_u64(inode->body.size, end);
    adk__vfs_touch(inode, adk__vfs_now(inode->vfs));
    return 0;
}
