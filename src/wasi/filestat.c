/*
 * What is known of a file: size, times, links; and changing size and times.
 */
#include "wasi/path.h"

#define STREAMS_DEVICE 0 /* the three streams */
#define TREE_DEVICE    1 /* all files */

/* The most that is allocated between two looks at the interrupt. */
#define ALLOCATE_PIECE ((uint64_t)64 << 20)

/* What is told of a stream does not change: no size, no times, one name. */
static void stat_stream(const adk__wasi_fd *fd, uint8_t *to, bool is_unstable)
{
    memset(to, 0, ADK__WASI_FILESTAT_SIZE);
    adk__wasi_put64(to, STREAMS_DEVICE);
    adk__wasi_put64(to + 8, fd->stream);
    to[16] = ADK__WASI_FILETYPE_UNKNOWN;
    to[is_unstable ? 20 : 24] = 1;
}

static void stat_inode(const adk__vfs_inode *inode, uint8_t *to, bool is_unstable)
{
    uint8_t *rest = to + (is_unstable ? 24 : 32); /* after the count of links */
    adk__vfs_stat stat;

    adk__vfs_get_stat(inode, &stat);
    memset(to, 0, ADK__WASI_FILESTAT_SIZE);
    adk__wasi_put64(to, TREE_DEVICE);
    adk__wasi_put64(to + 8, stat.ino);
    to[16] = adk__wasi_filetype(stat.type);
    if (is_unstable)
        adk__wasi_put32(to + 20, (uint32_t)stat.nlink);
    else
        adk__wasi_put64(to + 24, stat.nlink);
    adk__wasi_put64(rest, stat.size);
    adk__wasi_put64(rest + 8, stat.atime_ns);
    adk__wasi_put64(rest + 16, stat.mtime_ns);
    adk__wasi_put64(rest + 24, stat.ctime_ns);
}

static uint64_t size_of_stat(bool is_unstable)
{
    return is_unstable ? ADK__WASI_UNSTABLE_FILESTAT_SIZE : ADK__WASI_FILESTAT_SIZE;
}

static uint16_t fd_filestat_get(adk__wasi *wasi, const uint64_t *args, bool is_unstable)
{
    uint32_t result = (uint32_t)args[1];
    uint64_t size = size_of_stat(is_unstable);
    uint8_t stat[ADK__WASI_FILESTAT_SIZE];
    adk__vfs_inode *inode;
    adk__wasi_fd *fd;
    uint16_t failed;

    failed = adk__wasi_fd_with(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_FILESTAT_GET, &fd);
    if (failed)
        return failed;
    if (!adk__wasi_has_range(wasi, result, size))
        return ADK__WASI_EFAULT;
    if (fd->kind == ADK__WASI_FILE || fd->kind == ADK__WASI_DIRECTORY) {
        failed = adk__wasi_fd_inode(wasi, fd, &inode);
        if (failed)
            return failed;
        stat_inode(inode, stat, is_unstable);
    } else {
        stat_stream(fd, stat, is_unstable);
    }
    memcpy(adk__wasi_at(&wasi->call.memory, result, size), stat, size);
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_fd_filestat_get(adk__wasi *wasi, const uint64_t *args)
{
    return fd_filestat_get(wasi, args, false);
}

uint16_t adk__wasi_unstable_fd_filestat_get(adk__wasi *wasi, const uint64_t *args)
{
    return fd_filestat_get(wasi, args, true);
}

/* Finds what a path names, for the two functions below. The caller drops *ret_inode. */
static uint16_t resolve(adk__wasi *wasi, const uint64_t *args, uint64_t right, adk__vfs_inode **ret_inode)
{
    uint32_t lookup = (uint32_t)args[1];
    bool follow = (lookup & ADK__WASI_LOOKUP_SYMLINK_FOLLOW) != 0;
    adk__wasi_place place;
    uint16_t failed;

    failed = adk__wasi_place_of(wasi, (uint32_t)args[0], right, (uint32_t)args[2], (uint32_t)args[3], &place);
    if (failed)
        return failed;
    if ((lookup & ~(uint32_t)ADK__WASI_LOOKUP_SYMLINK_FOLLOW) != 0)
        return ADK__WASI_EINVAL;
    return adk__wasi_errno(adk__vfs_resolve(place.dir, place.path, place.size, follow, ret_inode));
}

static uint16_t path_filestat_get(adk__wasi *wasi, const uint64_t *args, bool is_unstable)
{
    uint32_t result = (uint32_t)args[4];
    uint64_t size = size_of_stat(is_unstable);
    uint8_t stat[ADK__WASI_FILESTAT_SIZE];
    adk__vfs_inode *inode;
    uint16_t failed;

    if (!adk__wasi_has_range(wasi, result, size))
        return ADK__WASI_EFAULT;
    failed = resolve(wasi, args, ADK__WASI_RIGHT_PATH_FILESTAT_GET, &inode);
    if (failed)
        return failed;
    stat_inode(inode, stat, is_unstable);
    adk__vfs_drop(inode);
    memcpy(adk__wasi_at(&wasi->call.memory, result, size), stat, size);
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_path_filestat_get(adk__wasi *wasi, const uint64_t *args)
{
    return path_filestat_get(wasi, args, false);
}

uint16_t adk__wasi_unstable_path_filestat_get(adk__wasi *wasi, const uint64_t *args)
{
    return path_filestat_get(wasi, args, true);
}

/* Both forms of one time at once are EINVAL, as is a bit without a meaning. */
static bool are_fstflags(uint32_t flags)
{
    uint32_t atime = ADK__WASI_FST_ATIM | ADK__WASI_FST_ATIM_NOW;
    uint32_t mtime = ADK__WASI_FST_MTIM | ADK__WASI_FST_MTIM_NOW;

    return (flags & ~(uint32_t)ADK__WASI_FST_ALL) == 0 && (flags & atime) != atime && (flags & mtime) != mtime;
}

static uint16_t set_times(adk__vfs_inode *inode, uint32_t flags, uint64_t atime_ns, uint64_t mtime_ns)
{
    uint32_t which = 0;

    if ((flags & ADK__WASI_FST_ATIM) != 0)
        which |= ADK__VFS_ATIME;
    if ((flags & ADK__WASI_FST_ATIM_NOW) != 0)
        which |= ADK__VFS_ATIME_NOW;
    if ((flags & ADK__WASI_FST_MTIM) != 0)
        which |= ADK__VFS_MTIME;
    if ((flags & ADK__WASI_FST_MTIM_NOW) != 0)
        which |= ADK__VFS_MTIME_NOW;
    return adk__wasi_errno(adk__vfs_set_times(inode, which, atime_ns, mtime_ns));
}

uint16_t adk__wasi_do_fd_filestat_set_times(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t flags = (uint32_t)args[3];
    adk__vfs_inode *inode;
    adk__wasi_fd *fd;
    uint16_t failed;

    failed = adk__wasi_fd_with(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_FILESTAT_SET_TIMES, &fd);
    if (failed)
        return failed;
    if (!are_fstflags(flags))
        return ADK__WASI_EINVAL;
    failed = adk__wasi_fd_inode(wasi, fd, &inode);
    if (failed)
        return failed;
    return set_times(inode, flags, args[1], args[2]);
}

uint16_t adk__wasi_do_path_filestat_set_times(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t flags = (uint32_t)args[6];
    adk__vfs_inode *inode;
    uint16_t failed;

    if (!are_fstflags(flags))
        return ADK__WASI_EINVAL;
    failed = resolve(wasi, args, ADK__WASI_RIGHT_PATH_FILESTAT_SET_TIMES, &inode);
    if (failed)
        return failed;
    failed = set_times(inode, flags, args[4], args[5]);
    adk__vfs_drop(inode);
    return failed;
}

uint16_t adk__wasi_do_fd_filestat_set_size(adk__wasi *wasi, const uint64_t *args)
{
    adk__wasi_fd *fd;
    uint16_t failed;

    failed = adk__wasi_file_with(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_FILESTAT_SET_SIZE, ADK__WASI_EINVAL, &fd);
    if (failed)
        return failed;
    return adk__wasi_errno(adk__vfs_truncate(fd->inode, args[1]));
}

/* In pieces, so that a large budget does not make for a long call; if memory ends midway, the size is as before. */
static uint16_t allocate(adk__wasi *wasi, adk__vfs_inode *inode, uint64_t offset, uint64_t size)
{
    uint64_t size_before = adk__vfs_size(inode);
    uint64_t done = 0;
    int failed;

    while (size - done > 0) {
        uint64_t piece = size - done < ALLOCATE_PIECE ? size - done : ALLOCATE_PIECE;

        failed = adk__vfs_allocate(inode, offset + done, piece);
        if (failed) {
            if (adk__vfs_size(inode) > size_before)
                (void)adk__vfs_truncate(inode, size_before);
            return adk__wasi_errno(failed);
        }
        done += piece;
        if (adk__wasi_worked(wasi, piece))
            return ADK__WASI_EINTR;
    }
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_fd_allocate(adk__wasi *wasi, const uint64_t *args)
{
    uint64_t offset = args[1];
    uint64_t size = args[2];
    adk__wasi_fd *fd;
    uint16_t failed;

    failed = adk__wasi_file_with(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_ALLOCATE, ADK__WASI_ESPIPE, &fd);
    if (failed)
        return failed;
    if (size == 0 || offset > INT64_MAX || size > INT64_MAX)
        return ADK__WASI_EINVAL;
    if (offset + size > INT64_MAX)
        return ADK__WASI_EFBIG;
    return allocate(wasi, fd->inode, offset, size);
}
