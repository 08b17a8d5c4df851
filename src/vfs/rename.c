/*
 * rename(2) in full. Both directories are made private and the memory for a new entry is taken before anything moves;
 * over an existing name the entry stays and means another inode from then on, so that a scan of the directory finds the
 * name exactly once.
 */
#include "vfs/tree.h"

#include <assert.h>
#include <errno.h>

/* Whether `inode` is `ancestor` or beneath it: 1, 0, or -ELOOP where that is too far to look. */
static int is_beneath(const adk__vfs_inode *inode, const adk__vfs_inode *ancestor)
{
    for (unsigned levels = 0; inode != ancestor; levels++) {
        if (inode->dir.parent == inode || inode->dir.parent == NULL)
            return 0;
        if (levels == ADK__VFS_RENAME_DEPTH_MAX)
            return -ELOOP;
        inode = inode->dir.parent;
    }
    return 1;
}

/* From one directory to another: neither may be moved into itself, or replaced by what is in it. */
static int check_loops(const adk__vfs_path *from, const adk__vfs_inode *source, const adk__vfs_path *to,
                       const adk__vfs_inode *target)
{
    int r = 0;

    if (adk__vfs_is_dir(source))
        r = is_beneath(to->dir, source);
    if (r != 0)
        return r < 0 ? r : -EINVAL;
    if (target != NULL && adk__vfs_is_dir(target) && adk__vfs_dir_count(target) > 0)
        r = is_beneath(from->dir, target);
    return r <= 0 ? r : -ENOTEMPTY;
}

/* The checks of Linux's do_renameat2() and vfs_rename(), in their order. `target` may be NULL. */
static int check_rename(const adk__vfs_path *from, const adk__vfs_inode *source, const adk__vfs_path *to,
                        const adk__vfs_inode *target)
{
    bool moves_dir = adk__vfs_is_dir(source);
    bool onto_dir = target != NULL && adk__vfs_is_dir(target);
    int r = 0;

    if (!moves_dir && (from->slash || to->slash))
        return -ENOTDIR;
    if (from->dir != to->dir)
        r = check_loops(from, source, to, target);
    if (r < 0 || target == NULL || source == target)
        return r;
    if (moves_dir && !onto_dir)
        return -ENOTDIR;
    if (!moves_dir && onto_dir)
        return -EISDIR;
    return onto_dir && adk__vfs_dir_count(target) > 0 ? -ENOTEMPTY : 0;
}

static int move(const adk__vfs_path *from, adk__vfs_inode *source, const adk__vfs_path *to, adk__vfs_inode *target)
{
    uint64_t now_ns;
    int r;

    r = adk__vfs_dir_own(from->dir);
    if (r < 0)
        return r;
    r = adk__vfs_dir_own(to->dir);
    if (r < 0)
        return r;
    if (target != NULL) {
        adk__vfs_dir_replace(to->dir, to->name, to->name_size, source);
    } else {
        r = adk__vfs_dir_add(to->dir, to->name, to->name_size, source);
        if (r < 0)
            return r;
    }
    adk__vfs_dir_remove(from->dir, from->name, from->name_size);
    now_ns = adk__vfs_now(source->vfs);
    if (target != NULL)
        adk__vfs_left(to->dir, target, now_ns);
    if (adk__vfs_is_dir(source)) {
        from->dir->nlink--;
        to->dir->nlink++;
        source->dir.parent = to->dir;
    }
    adk__vfs_touch(from->dir, now_ns);
    adk__vfs_touch(to->dir, now_ns);
    adk__vfs_touch_meta(source, now_ns);
    return 0;
}

int adk__vfs_rename(adk__vfs_inode *old_dir, const char *old_text, size_t old_size, adk__vfs_inode *new_dir,
                    const char *new_text, size_t new_size)
{
    adk__vfs_path from;
    adk__vfs_path to;
    adk__vfs_inode *source;
    adk__vfs_inode *target = NULL;
    int r;

    assert(old_dir->vfs == new_dir->vfs);
    r = adk__vfs_path_start(&from, old_dir, old_text, old_size);
    if (r < 0)
        return r;
    r = adk__vfs_path_start(&to, new_dir, new_text, new_size);
    if (r < 0)
        return r;
    if (from.last != ADK__VFS_LAST_NAME || to.last != ADK__VFS_LAST_NAME)
        return -EBUSY;
    r = adk__vfs_path_last(&from, &source);
    if (r < 0)
        return r;
    r = adk__vfs_path_last(&to, &target);
    if (r < 0 && (r != -ENOENT || to.dir->nlink == 0))
        return r;
    r = check_rename(&from, source, &to, target);
    if (r < 0 || source == target)
        return r;
    return move(&from, source, &to, target);
}
