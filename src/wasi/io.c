/*
 * Reading and writing: fd_read, fd_write, fd_pread, fd_pwrite.
 *
 * Each goes over the guest's list of buffers twice. The first time everything is checked and nothing moved. The second
 * time the data moves, and each entry is checked again: the list itself may lie where a read has just put data, and a
 * copy of it would cost memory in proportion to what was asked.
 */
#include "wasi/context.h"

#define PIECE ((uint64_t)1 << 20) /* between two looks at the interrupt */

/* A transfer under way. */
typedef struct transfer {
    adk__wasi_fd *fd;
    adk__vfs_inode *inode; /* of a file */
    uint64_t offset;       /* in the file */
    bool append;
    uint64_t piece; /* the most that is moved at once */
} transfer;

/* Moves bytes between one buffer and the descriptor; *ret_moved below `size` ends the whole transfer. */
typedef uint16_t (*step_fn)(adk__wasi *wasi, transfer *t, uint8_t *bytes, size_t size, size_t *ret_moved);

static uint16_t check_buffers(adk__wasi *wasi, uint32_t list, uint32_t count, uint64_t *ret_total)
{
    uint64_t total = 0;

    if (!adk__wasi_has_range(wasi, list, (uint64_t)count * ADK__WASI_IOVEC_SIZE))
        return ADK__WASI_EFAULT;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t entry = list + (uint64_t)i * ADK__WASI_IOVEC_SIZE;
        uint32_t size = adk__wasi_load32(&wasi->call.memory, entry + 4);

        if (!adk__wasi_has_range(wasi, adk__wasi_load32(&wasi->call.memory, entry), size))
            return ADK__WASI_EFAULT;
        total += size;
        if (adk__wasi_worked(wasi, ADK__WASI_IOVEC_SIZE))
            return ADK__WASI_EINTR;
    }
    if (total > UINT32_MAX)
        return ADK__WASI_EINVAL;
    *ret_total = total;
    return ADK__WASI_SUCCESS;
}

/* Moves one buffer, piece by piece. *ret_short: no more came or went, so that the transfer ends with what was moved. */
static uint16_t move_buffer(adk__wasi *wasi, transfer *t, step_fn step, uint32_t address, uint64_t size,
                            uint64_t *moved_in_all, bool *ret_short)
{
    uint64_t done = 0;
    uint16_t failed;

    while (done < size) {
        uint64_t piece = size - done < t->piece ? size - done : t->piece;
        size_t moved = 0;

        failed = step(wasi, t, adk__wasi_at(&wasi->call.memory, address + done, piece), (size_t)piece, &moved);
        if (failed)
            return failed;
        done += moved;
        *moved_in_all += moved;
        *ret_short = moved < piece;
        if (adk__wasi_worked(wasi, moved))
            return ADK__WASI_EINTR;
        if (*ret_short)
            break;
    }
    return ADK__WASI_SUCCESS;
}

static uint16_t move_buffers(adk__wasi *wasi, transfer *t, step_fn step, uint32_t list, uint32_t count, uint64_t total,
                             uint64_t *ret_moved)
{
    uint64_t moved = 0;
    bool is_short = false;
    uint16_t failed = ADK__WASI_SUCCESS;

    for (uint32_t i = 0; i < count && moved < total && !is_short && !failed; i++) {
        uint64_t entry = list + (uint64_t)i * ADK__WASI_IOVEC_SIZE;
        uint32_t address = adk__wasi_load32(&wasi->call.memory, entry);
        uint64_t size = adk__wasi_load32(&wasi->call.memory, entry + 4);

        size = size < total - moved ? size : total - moved;
        if (!adk__wasi_has_range(wasi, address, size))
            break; /* the read has overwritten its own list */
        failed = move_buffer(wasi, t, step, address, size, &moved, &is_short);
        if (!failed && adk__wasi_worked(wasi, ADK__WASI_IOVEC_SIZE))
            failed = ADK__WASI_EINTR;
    }
    *ret_moved = moved;
    return moved > 0 && wasi->call.stop == ADK__WASI_GO_ON ? ADK__WASI_SUCCESS : failed;
}

/* args: descriptor, list, its length, [offset,] where the count goes. The descriptor is in `t`. */
static uint16_t run(adk__wasi *wasi, transfer *t, step_fn step, const uint64_t *args, uint32_t result)
{
    uint32_t list = (uint32_t)args[1];
    uint32_t count = (uint32_t)args[2];
    uint64_t total;
    uint64_t moved;
    uint16_t failed;

    if (!adk__wasi_has_range(wasi, result, 4))
        return ADK__WASI_EFAULT;
    failed = check_buffers(wasi, list, count, &total);
    if (failed)
        return failed;
    failed = move_buffers(wasi, t, step, list, count, total, &moved);
    if (failed)
        return failed;
    adk__wasi_store32(&wasi->call.memory, result, (uint32_t)moved);
    return ADK__WASI_SUCCESS;
}

static uint16_t read_stdin(adk__wasi *wasi, transfer *t, uint8_t *bytes, size_t size, size_t *ret_moved)
{
    adk_bytes input = wasi->setup.request->stdin_data;
    size_t rest = input.size - (size_t)wasi->stdin_offset;

    (void)t;
    size = size < rest ? size : rest;
    if (size > 0)
        memcpy(bytes, (const uint8_t *)input.data + wasi->stdin_offset, size);
    wasi->stdin_offset += size;
    *ret_moved = size;
    return ADK__WASI_SUCCESS;
}

static uint16_t write_stream(adk__wasi *wasi, transfer *t, uint8_t *bytes, size_t size, size_t *ret_moved)
{
    if (wasi->setup.output(wasi->setup.output_data, t->fd->stream, bytes, size) != 0) {
        wasi->call.stop = ADK__WASI_OUTPUT;
        return ADK__WASI_EIO;
    }
    *ret_moved = size;
    if (wasi->setup.output_may_block && adk__wasi_interrupted(wasi))
        return ADK__WASI_EINTR;
    return ADK__WASI_SUCCESS;
}

static uint16_t read_file(adk__wasi *wasi, transfer *t, uint8_t *bytes, size_t size, size_t *ret_moved)
{
    int failed = adk__vfs_pread(t->inode, bytes, size, t->offset, ret_moved);

    (void)wasi;
    if (failed)
        return adk__wasi_errno(failed);
    t->offset += *ret_moved;
    return ADK__WASI_SUCCESS;
}

static uint16_t write_file(adk__wasi *wasi, transfer *t, uint8_t *bytes, size_t size, size_t *ret_moved)
{
    int failed;

    (void)wasi;
    if (t->append) {
        failed = adk__vfs_append(t->inode, bytes, size, ret_moved, &t->offset);
        return adk__wasi_errno(failed);
    }
    failed = adk__vfs_pwrite(t->inode, bytes, size, t->offset, ret_moved);
    if (failed)
        return adk__wasi_errno(failed);
    t->offset += *ret_moved;
    return ADK__WASI_SUCCESS;
}

/*
 * Finds what to read from or write to. A descriptor that may not be read, or written, is EBADF as in POSIX, where other
 * rights that are missing are ENOTCAPABLE.
 */
static uint16_t begin(adk__wasi *wasi, uint32_t number, uint64_t right, transfer *t)
{
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, number);

    if (fd == NULL)
        return ADK__WASI_EBADF;
    if (fd->kind == ADK__WASI_DIRECTORY) /* open for reading only, as a directory always is in POSIX */
        return right == ADK__WASI_RIGHT_FD_READ ? ADK__WASI_EISDIR : ADK__WASI_EBADF;
    if ((fd->rights & right) == 0)
        return ADK__WASI_EBADF;
    t->fd = fd;
    t->inode = fd->inode;
    t->offset = fd->offset;
    t->piece = PIECE;
    return ADK__WASI_SUCCESS;
}

static uint16_t begin_at(adk__wasi *wasi, const uint64_t *args, uint64_t right, transfer *t)
{
    uint16_t failed = begin(wasi, (uint32_t)args[0], right, t);

    if (failed)
        return failed;
    if (t->fd->kind != ADK__WASI_FILE)
        return ADK__WASI_ESPIPE;
    if ((t->fd->rights & ADK__WASI_RIGHT_FD_SEEK) == 0)
        return ADK__WASI_ENOTCAPABLE;
    t->offset = args[3];
    return t->offset > INT64_MAX ? ADK__WASI_EINVAL : ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_fd_read(adk__wasi *wasi, const uint64_t *args)
{
    transfer t = {0};
    uint16_t failed = begin(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_READ, &t);

    if (failed)
        return failed;
    if (t.fd->kind == ADK__WASI_STDIN)
        return run(wasi, &t, read_stdin, args, (uint32_t)args[3]);
    failed = run(wasi, &t, read_file, args, (uint32_t)args[3]);
    t.fd->offset = t.offset;
    return failed;
}

uint16_t adk__wasi_do_fd_write(adk__wasi *wasi, const uint64_t *args)
{
    transfer t = {0};
    uint16_t failed = begin(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_WRITE, &t);

    if (failed)
        return failed;
    if (t.fd->kind == ADK__WASI_OUTPUT_STREAM) {
        if (wasi->setup.output_may_block)
            t.piece = UINT64_MAX; /* a callback gets each buffer whole */
        return run(wasi, &t, write_stream, args, (uint32_t)args[3]);
    }
    t.append = (t.fd->flags & ADK__WASI_FDFLAG_APPEND) != 0;
    failed = run(wasi, &t, write_file, args, (uint32_t)args[3]);
    t.fd->offset = t.offset;
    return failed;
}

uint16_t adk__wasi_do_fd_pread(adk__wasi *wasi, const uint64_t *args)
{
    transfer t = {0};
    uint16_t failed = begin_at(wasi, args, ADK__WASI_RIGHT_FD_READ, &t);

    return failed ? failed : run(wasi, &t, read_file, args, (uint32_t)args[4]);
}

/* Writes at the offset given, in append mode as well: so POSIX has it, where Linux appends. */
uint16_t adk__wasi_do_fd_pwrite(adk__wasi *wasi, const uint64_t *args)
{
    transfer t = {0};
    uint16_t failed = begin_at(wasi, args, ADK__WASI_RIGHT_FD_WRITE, &t);

    return failed ? failed : run(wasi, &t, write_file, args, (uint32_t)args[4]);
}
