/*
 * Descriptors themselves: their kind, flags, rights, position; closing and renumbering; what the preopened directory is
 * called; and the calls that would matter to a disk.
 */
#include "wasi/context.h"

uint16_t adk__wasi_do_fd_close(adk__wasi *wasi, const uint64_t *args)
{
    if (adk__wasi_fd_get(wasi, (uint32_t)args[0]) == NULL)
        return ADK__WASI_EBADF;
    adk__wasi_fd_close_number(wasi, (uint32_t)args[0]);
    return ADK__WASI_SUCCESS;
}

/* Atomically moves one open descriptor onto another; both must be open, so that no number is made that was not. */
uint16_t adk__wasi_do_fd_renumber(adk__wasi *wasi, const uint64_t *args)
{
    if (adk__wasi_fd_get(wasi, (uint32_t)args[0]) == NULL || adk__wasi_fd_get(wasi, (uint32_t)args[1]) == NULL)
        return ADK__WASI_EBADF;
    adk__wasi_fd_move(wasi, (uint32_t)args[0], (uint32_t)args[1]);
    return ADK__WASI_SUCCESS;
}

static uint8_t filetype_of(const adk__wasi_fd *fd)
{
    if (fd->kind == ADK__WASI_FILE)
        return ADK__WASI_FILETYPE_REGULAR_FILE;
    if (fd->kind == ADK__WASI_DIRECTORY)
        return ADK__WASI_FILETYPE_DIRECTORY;
    return ADK__WASI_FILETYPE_UNKNOWN;
}

uint16_t adk__wasi_do_fd_fdstat_get(adk__wasi *wasi, const uint64_t *args)
{
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, (uint32_t)args[0]);
    uint32_t result = (uint32_t)args[1];
    uint8_t stat[ADK__WASI_FDSTAT_SIZE] = {0};

    if (fd == NULL)
        return ADK__WASI_EBADF;
    if (!adk__wasi_has_range(wasi, result, sizeof stat))
        return ADK__WASI_EFAULT;
    stat[0] = filetype_of(fd);
    adk__wasi_put16(stat + 2, fd->flags);
    adk__wasi_put64(stat + 8, fd->rights);
    adk__wasi_put64(stat + 16, fd->inheriting);
    memcpy(adk__wasi_at(&wasi->call.memory, result, sizeof stat), stat, sizeof stat);
    return ADK__WASI_SUCCESS;
}

/* The synchronous flags mean nothing here, where nothing reaches a disk: they are kept and shown. */
uint16_t adk__wasi_do_fd_fdstat_set_flags(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t flags = (uint32_t)args[1];
    adk__wasi_fd *fd;
    uint16_t failed = adk__wasi_fd_with(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_FDSTAT_SET_FLAGS, &fd);

    if (failed)
        return failed;
    if ((flags & ~(uint32_t)ADK__WASI_FDFLAGS_ALL) != 0)
        return ADK__WASI_EINVAL;
    fd->flags = (uint16_t)flags;
    return ADK__WASI_SUCCESS;
}

/* Rights can only be given up. */
uint16_t adk__wasi_do_fd_fdstat_set_rights(adk__wasi *wasi, const uint64_t *args)
{
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, (uint32_t)args[0]);

    if (fd == NULL)
        return ADK__WASI_EBADF;
    if ((args[1] & ~fd->rights) != 0 || (args[2] & ~fd->inheriting) != 0)
        return ADK__WASI_ENOTCAPABLE;
    fd->rights = args[1];
    fd->inheriting = args[2];
    return ADK__WASI_SUCCESS;
}

/* wasi-libc asks for descriptor after descriptor from 3 on until it gets EBADF; so any that is not preopened is that. */
uint16_t adk__wasi_do_fd_prestat_get(adk__wasi *wasi, const uint64_t *args)
{
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, (uint32_t)args[0]);
    uint32_t result = (uint32_t)args[1];
    uint8_t stat[ADK__WASI_PRESTAT_SIZE] = {0};

    if (fd == NULL || fd->preopen == NULL)
        return ADK__WASI_EBADF;
    if (!adk__wasi_has_range(wasi, result, sizeof stat))
        return ADK__WASI_EFAULT;
    adk__wasi_put32(stat + 4, fd->preopen_size);
    memcpy(adk__wasi_at(&wasi->call.memory, result, sizeof stat), stat, sizeof stat);
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_fd_prestat_dir_name(adk__wasi *wasi, const uint64_t *args)
{
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, (uint32_t)args[0]);
    uint32_t to = (uint32_t)args[1];
    uint32_t size = (uint32_t)args[2];

    if (fd == NULL || fd->preopen == NULL)
        return ADK__WASI_EBADF;
    if (!adk__wasi_has_range(wasi, to, size))
        return ADK__WASI_EFAULT;
    if (size < fd->preopen_size)
        return ADK__WASI_ENAMETOOLONG;
    memcpy(adk__wasi_at(&wasi->call.memory, to, fd->preopen_size), fd->preopen, fd->preopen_size);
    return ADK__WASI_SUCCESS;
}

/* An offset below 0, or above what 63 bits hold, is EINVAL. */
static uint16_t seek(adk__wasi_fd *fd, int64_t delta, uint32_t whence, uint64_t *ret_offset)
{
    uint64_t base;
    int64_t offset;

    switch (whence) {
    case ADK__WASI_SEEK_SET:
        base = 0;
        break;
    case ADK__WASI_SEEK_CUR:
        base = fd->offset;
        break;
    case ADK__WASI_SEEK_END:
        base = adk__vfs_size(fd->inode);
        break;
    default:
        return ADK__WASI_EINVAL;
    }
    if (__builtin_add_overflow((int64_t)base, delta, &offset) || offset < 0)
        return ADK__WASI_EINVAL;
    *ret_offset = (uint64_t)offset;
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_fd_seek(adk__wasi *wasi, const uint64_t *args)
{
    int64_t delta = (int64_t)args[1];
    uint32_t whence = (uint32_t)args[2];
    uint32_t result = (uint32_t)args[3];
    bool only_tells = delta == 0 && whence == ADK__WASI_SEEK_CUR;
    adk__wasi_fd *fd;
    uint64_t offset;
    uint16_t failed;

    /* Asking where one is needs the right to tell alone; the right to seek comprises it. */
    failed = adk__wasi_file_with(wasi, (uint32_t)args[0], 0, ADK__WASI_ESPIPE, &fd);
    if (failed)
        return failed;
    if ((fd->rights & (ADK__WASI_RIGHT_FD_SEEK | (only_tells ? ADK__WASI_RIGHT_FD_TELL : 0))) == 0)
        return ADK__WASI_ENOTCAPABLE;
    if (!adk__wasi_has_range(wasi, result, sizeof offset))
        return ADK__WASI_EFAULT;
    failed = seek(fd, delta, whence, &offset);
    if (failed)
        return failed;
    fd->offset = offset;
    adk__wasi_store64(&wasi->call.memory, result, offset);
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_unstable_fd_seek(adk__wasi *wasi, const uint64_t *args)
{
    static const uint64_t words[] = {ADK__WASI_SEEK_CUR, ADK__WASI_SEEK_END, ADK__WASI_SEEK_SET};
    uint32_t whence = (uint32_t)args[2];
    uint64_t translated[] = {args[0], args[1], whence < ADK_COUNT(words) ? words[whence] : UINT32_MAX, args[3]};

    return adk__wasi_do_fd_seek(wasi, translated);
}

uint16_t adk__wasi_do_fd_tell(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t result = (uint32_t)args[1];
    adk__wasi_fd *fd;
    uint16_t failed;

    failed = adk__wasi_file_with(wasi, (uint32_t)args[0], 0, ADK__WASI_ESPIPE, &fd);
    if (failed)
        return failed;
    if ((fd->rights & (ADK__WASI_RIGHT_FD_SEEK | ADK__WASI_RIGHT_FD_TELL)) == 0)
        return ADK__WASI_ENOTCAPABLE;
    if (!adk__wasi_has_range(wasi, result, sizeof fd->offset))
        return ADK__WASI_EFAULT;
    adk__wasi_store64(&wasi->call.memory, result, fd->offset);
    return ADK__WASI_SUCCESS;
}

/* Nothing here outlives the run, so everything is as safe as it will ever be. A stream cannot be synchronised. */
static uint16_t synchronise(adk__wasi *wasi, uint32_t number, uint64_t right)
{
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, number);

    if (fd != NULL && fd->kind != ADK__WASI_FILE && fd->kind != ADK__WASI_DIRECTORY)
        return ADK__WASI_EINVAL;
    return adk__wasi_fd_with(wasi, number, right, &fd);
}

uint16_t adk__wasi_do_fd_sync(adk__wasi *wasi, const uint64_t *args)
{
    return synchronise(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_SYNC);
}

uint16_t adk__wasi_do_fd_datasync(adk__wasi *wasi, const uint64_t *args)
{
    return synchronise(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_DATASYNC);
}

/* Advice is checked, then not needed: all of a file is in memory. */
uint16_t adk__wasi_do_fd_advise(adk__wasi *wasi, const uint64_t *args)
{
    uint64_t offset = args[1];
    uint64_t size = args[2];
    adk__wasi_fd *fd;
    uint16_t failed;

    failed = adk__wasi_file_with(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_ADVISE, ADK__WASI_ESPIPE, &fd);
    if (failed)
        return failed;
    if ((uint32_t)args[3] >= ADK__WASI_ADVICES || offset > INT64_MAX || size > INT64_MAX)
        return ADK__WASI_EINVAL;
    return ADK__WASI_SUCCESS;
}
