/*
 * The functions that name things by path: making, opening, removing, renaming, linking.
 *
 * Finding the way, with all its rules for links, dots and slashes, is the tree's affair; this file checks what the guest
 * said and may do, all of it before the tree is touched.
 */
#include <string.h>

#include "wasi/path.h"

#include "base/text.h"

uint16_t adk__wasi_path(adk__wasi *wasi, uint32_t address, uint32_t size, const char **ret_path)
{
    const char *path;

    if (!adk__wasi_has_range(wasi, address, size))
        return ADK__WASI_EFAULT;
    if (size > ADK__VFS_PATH_MAX)
        return ADK__WASI_ENAMETOOLONG;
    path = (const char *)adk__wasi_at(&wasi->call.memory, address, size);
    if (!adk__utf8_valid(path, size))
        return ADK__WASI_EILSEQ;
    *ret_path = path;
    return ADK__WASI_SUCCESS;
}

static uint16_t directory_with(adk__wasi *wasi, uint32_t number, uint64_t rights, adk__wasi_fd **ret_fd)
{
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, number);

    if (fd == NULL)
        return ADK__WASI_EBADF;
    if (fd->kind != ADK__WASI_DIRECTORY)
        return ADK__WASI_ENOTDIR;
    return adk__wasi_fd_with(wasi, number, rights, ret_fd);
}

uint16_t adk__wasi_place_of(adk__wasi *wasi, uint32_t number, uint64_t rights, uint32_t address, uint32_t size,
                            adk__wasi_place *ret_place)
{
    adk__wasi_fd *fd;
    uint16_t failed;

    failed = directory_with(wasi, number, rights, &fd);
    if (failed)
        return failed;
    failed = adk__wasi_path(wasi, address, size, &ret_place->path);
    if (failed)
        return failed;
    ret_place->size = size;
    return adk__wasi_fd_inode(wasi, fd, &ret_place->dir);
}

uint16_t adk__wasi_do_path_create_directory(adk__wasi *wasi, const uint64_t *args)
{
    adk__wasi_place place;
    uint16_t failed;

    failed = adk__wasi_place_of(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_PATH_CREATE_DIRECTORY, (uint32_t)args[1],
                                (uint32_t)args[2], &place);
    if (failed)
        return failed;
    return adk__wasi_errno(adk__vfs_mkdir(place.dir, place.path, place.size));
}

uint16_t adk__wasi_do_path_remove_directory(adk__wasi *wasi, const uint64_t *args)
{
    adk__wasi_place place;
    uint16_t failed;

    failed = adk__wasi_place_of(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_PATH_REMOVE_DIRECTORY, (uint32_t)args[1],
                                (uint32_t)args[2], &place);
    if (failed)
        return failed;
    return adk__wasi_errno(adk__vfs_rmdir(place.dir, place.path, place.size));
}

uint16_t adk__wasi_do_path_unlink_file(adk__wasi *wasi, const uint64_t *args)
{
    adk__wasi_place place;
    uint16_t failed;

    failed = adk__wasi_place_of(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_PATH_UNLINK_FILE, (uint32_t)args[1],
                                (uint32_t)args[2], &place);
    if (failed)
        return failed;
    return adk__wasi_errno(adk__vfs_unlink(place.dir, place.path, place.size));
}

uint16_t adk__wasi_do_path_rename(adk__wasi *wasi, const uint64_t *args)
{
    adk__wasi_place from;
    adk__wasi_place to;
    uint16_t failed;

    failed = adk__wasi_place_of(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_PATH_RENAME_SOURCE, (uint32_t)args[1],
                                (uint32_t)args[2], &from);
    if (failed)
        return failed;
    failed = adk__wasi_place_of(wasi, (uint32_t)args[3], ADK__WASI_RIGHT_PATH_RENAME_TARGET, (uint32_t)args[4],
                                (uint32_t)args[5], &to);
    if (failed)
        return failed;
    return adk__wasi_errno(adk__vfs_rename(from.dir, from.path, from.size, to.dir, to.path, to.size));
}

uint16_t adk__wasi_do_path_link(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t lookup = (uint32_t)args[1];
    bool follow = (lookup & ADK__WASI_LOOKUP_SYMLINK_FOLLOW) != 0;
    adk__wasi_place from;
    adk__wasi_place to;
    uint16_t failed;

    failed = adk__wasi_place_of(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_PATH_LINK_SOURCE, (uint32_t)args[2],
                                (uint32_t)args[3], &from);
    if (failed)
        return failed;
    failed = adk__wasi_place_of(wasi, (uint32_t)args[4], ADK__WASI_RIGHT_PATH_LINK_TARGET, (uint32_t)args[5],
                                (uint32_t)args[6], &to);
    if (failed)
        return failed;
    if ((lookup & ~(uint32_t)ADK__WASI_LOOKUP_SYMLINK_FOLLOW) != 0)
        return ADK__WASI_EINVAL;
    return adk__wasi_errno(adk__vfs_link(from.dir, from.path, from.size, follow, to.dir, to.path, to.size));
}

uint16_t adk__wasi_do_path_symlink(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t target_size = (uint32_t)args[1];
    const char *target;
    adk__wasi_place place;
    uint16_t failed;

    failed = adk__wasi_place_of(wasi, (uint32_t)args[2], ADK__WASI_RIGHT_PATH_SYMLINK, (uint32_t)args[3],
                                (uint32_t)args[4], &place);
    if (failed)
        return failed;
    failed = adk__wasi_path(wasi, (uint32_t)args[0], target_size, &target);
    if (failed)
        return failed;
    return adk__wasi_errno(adk__vfs_symlink(target, target_size, false, place.dir, place.path, place.size));
}

uint16_t adk__wasi_do_path_readlink(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t to = (uint32_t)args[3];
    uint32_t size = (uint32_t)args[4];
    uint32_t result = (uint32_t)args[5];
    adk__wasi_place place;
    size_t used;
    uint16_t failed;

    failed = adk__wasi_place_of(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_PATH_READLINK, (uint32_t)args[1],
                                (uint32_t)args[2], &place);
    if (failed)
        return failed;
    if (!adk__wasi_has_range(wasi, to, size) || !adk__wasi_has_range(wasi, result, 4))
        return ADK__WASI_EFAULT;
    failed = adk__wasi_errno(adk__vfs_readlink(place.dir, place.path, place.size,
                                               (char *)adk__wasi_at(&wasi->call.memory, to, size), size, &used));
    if (failed)
        return failed;
    adk__wasi_store32(&wasi->call.memory, result, (uint32_t)used);
    return ADK__WASI_SUCCESS;
}

/* What path_open was asked for. */
typedef struct opening {
    uint32_t lookup;
    uint32_t oflags;
    uint32_t fdflags;
    uint64_t rights;
    uint64_t inheriting;
} opening;

/* What the directory must permit; the rights of the new descriptor come from what it passes on. */
static uint64_t rights_to_open(const opening *o)
{
    uint64_t rights = ADK__WASI_RIGHT_PATH_OPEN;

    if ((o->oflags & ADK__WASI_OFLAG_CREAT) != 0)
        rights |= ADK__WASI_RIGHT_PATH_CREATE_FILE;
    if ((o->oflags & ADK__WASI_OFLAG_TRUNC) != 0)
        rights |= ADK__WASI_RIGHT_PATH_FILESTAT_SET_SIZE;
    return rights;
}

static uint32_t tree_flags(const opening *o)
{
    static const struct {
        uint32_t oflag, flag;
    } pairs[] = {
        {ADK__WASI_OFLAG_CREAT, ADK__VFS_OPEN_CREATE},
        {ADK__WASI_OFLAG_EXCL, ADK__VFS_OPEN_EXCLUSIVE},
        {ADK__WASI_OFLAG_TRUNC, ADK__VFS_OPEN_TRUNCATE},
        {ADK__WASI_OFLAG_DIRECTORY, ADK__VFS_OPEN_DIRECTORY},
    };
    uint32_t flags = 0;

    for (size_t i = 0; i < ADK_COUNT(pairs); i++)
        if ((o->oflags & pairs[i].oflag) != 0)
            flags |= pairs[i].flag;
    if ((o->lookup & ADK__WASI_LOOKUP_SYMLINK_FOLLOW) != 0)
        flags |= ADK__VFS_OPEN_FOLLOW;
    if ((o->rights & ADK__WASI_RIGHT_FD_WRITE) != 0)
        flags |= ADK__VFS_OPEN_WRITE;
    return flags;
}

/*
 * Rights that nothing here has, those of sockets and bits without a meaning, are passed over: programs ask for "all".
 * Rights that do not fit the kind of what was opened are dropped, as the witx permits.
 */
static uint16_t check_opening(const adk__wasi_fd *dir, const opening *o)
{
    uint64_t wanted = (o->rights | o->inheriting) & (ADK__WASI_RIGHTS_FILE | ADK__WASI_RIGHTS_DIRECTORY);

    if ((o->lookup & ~(uint32_t)ADK__WASI_LOOKUP_SYMLINK_FOLLOW) != 0 ||
        (o->oflags & ~(uint32_t)ADK__WASI_OFLAGS_ALL) != 0 || (o->fdflags & ~(uint32_t)ADK__WASI_FDFLAGS_ALL) != 0)
        return ADK__WASI_EINVAL;
    return (wanted & ~dir->inheriting) != 0 ? ADK__WASI_ENOTCAPABLE : ADK__WASI_SUCCESS;
}

static void fill_fd(adk__wasi_fd *fd, adk__vfs_inode *inode, const opening *o)
{
    adk__vfs_stat stat;

    adk__vfs_get_stat(inode, &stat);
    fd->inode = inode;
    fd->flags = (uint16_t)o->fdflags;
    if (stat.type == ADK__VFS_TYPE_DIRECTORY) {
        fd->kind = ADK__WASI_DIRECTORY;
        fd->rights = o->rights & ADK__WASI_RIGHTS_DIRECTORY;
        fd->inheriting = o->inheriting & (ADK__WASI_RIGHTS_DIRECTORY | ADK__WASI_RIGHTS_FILE);
    } else {
        fd->kind = ADK__WASI_FILE;
        fd->rights = o->rights & ADK__WASI_RIGHTS_FILE;
        fd->inheriting = o->inheriting & ADK__WASI_RIGHTS_FILE;
    }
}

/* The descriptor comes first: a full table must not be found after the file was made or truncated. */
static uint16_t open_place(adk__wasi *wasi, const adk__wasi_place *place, const opening *o, uint32_t *ret_number)
{
    adk__wasi_fd *fd;
    adk__vfs_inode *inode;
    uint16_t failed;

    failed = adk__wasi_fd_open(wasi, ret_number, &fd);
    if (failed)
        return failed;
    failed = adk__wasi_errno(adk__vfs_open(place->dir, place->path, place->size, tree_flags(o), &inode));
    if (failed) {
        adk__wasi_fd_close_number(wasi, *ret_number);
        return failed;
    }
    fill_fd(fd, inode, o);
    return ADK__WASI_SUCCESS;
}

/* A slash and a decimal number of 32 bits. */
static bool read_number(const char *text, size_t size, uint32_t *ret_number)
{
    uint64_t number = 0;

    if (size < 2 || size > 11 || text[0] != '/')
        return false;
    for (size_t i = 1; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_number = (uint32_t)number;
    return number <= UINT32_MAX;
}

/* The path is compared as the guest wrote it. */
static bool is_checkpoint(adk__wasi *wasi, uint32_t fd, uint32_t path, uint32_t size)
{
    adk__wasi_setup *setup = &wasi->setup;
    size_t length = strlen(setup->checkpoint_path);
    const char *text;

    if (fd != ADK__WASI_ROOT_FD || size < length || !adk__wasi_has_range(wasi, path, size))
        return false;
    text = (const char *)adk__wasi_at(&wasi->call.memory, path, size);
    if (memcmp(text, setup->checkpoint_path, length) != 0)
        return false;
    if (!setup->checkpoint_numbered)
        return size == length;
    return read_number(text + length, size - length, &setup->checkpoint_number);
}

/* True if the run must stop. */
static bool pass_checkpoint(adk__wasi *wasi)
{
    bool (*checkpoint)(void *data) = wasi->setup.checkpoint;

    wasi->setup.checkpoint = NULL;
    if (checkpoint(wasi->setup.checkpoint_data))
        return false;
    wasi->call.stop = ADK__WASI_INTERRUPT;
    return true;
}

uint16_t adk__wasi_do_path_open(adk__wasi *wasi, const uint64_t *args)
{
    opening o = {(uint32_t)args[1], (uint32_t)args[4], (uint32_t)args[7], args[5], args[6]};
    uint32_t result = (uint32_t)args[8];
    uint32_t size = (uint32_t)args[3];
    adk__wasi_place place;
    uint32_t number;
    uint16_t failed;

    if (ADK_UNLIKELY(wasi->setup.checkpoint != NULL) &&
        is_checkpoint(wasi, (uint32_t)args[0], (uint32_t)args[2], size)) {
        if (pass_checkpoint(wasi))
            return ADK__WASI_EINTR;
        size = (uint32_t)strlen(wasi->setup.checkpoint_path);
    }
    failed = adk__wasi_place_of(wasi, (uint32_t)args[0], rights_to_open(&o), (uint32_t)args[2], size, &place);
    if (failed)
        return failed;
    if (!adk__wasi_has_range(wasi, result, sizeof number))
        return ADK__WASI_EFAULT;
    failed = check_opening(adk__wasi_fd_get(wasi, (uint32_t)args[0]), &o);
    if (failed)
        return failed;
    failed = open_place(wasi, &place, &o, &number);
    if (failed)
        return failed;
    adk__wasi_store32(&wasi->call.memory, result, number);
    return ADK__WASI_SUCCESS;
}
