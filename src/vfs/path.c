/*
 * Path resolution. It stands on one rule: the walk starts in a directory and only ever enters the children of where it
 * is, or the parent when it is not where it started; so it cannot leave the tree beneath the start. `..` at the start,
 * absolute paths and absolute link targets are -EPERM, wherever in the walk they turn up.
 *
 * Links are followed as the Linux kernel does it: no recursion and no copying, but a stack of what is left of each
 * path. A text is popped when its last component is taken, so what lies below the top always has a component left, and
 * the very last component is one taken from the only text there is. The texts are the caller's and the link inodes'
 * own; nothing is changed during a walk, so they stay.
 */
#include "vfs/tree.h"

#include <errno.h>
#include <string.h>

/* Takes the next component off the top text; says whether it is the path's last. */
static bool take(adk__vfs_path *path)
{
    adk__vfs_rest *rest = &path->rest[path->depth - 1];
    const char *text = rest->text;
    size_t size = rest->size;
    size_t name_size = 0;
    bool slash = false;
    bool last;

    for (; size > 0 && *text == '/'; size--)
        text++;
    while (name_size < size && text[name_size] != '/')
        name_size++;
    path->name = text;
    path->name_size = name_size;
    text += name_size;
    size -= name_size;
    for (; size > 0 && *text == '/'; size--) {
        slash = true;
        text++;
    }
    *rest = (adk__vfs_rest){.text = text, .size = size};
    last = size == 0 && path->depth == 1;
    if (last)
        path->slash |= slash;
    else if (size == 0)
        path->depth--;

    path->last = ADK__VFS_LAST_NAME;
    if (path->name_size == 1 && path->name[0] == '.')
        path->last = ADK__VFS_LAST_DOT;
    else if (path->name_size == 2 && path->name[0] == '.' && path->name[1] == '.')
        path->last = ADK__VFS_LAST_DOTDOT;
    return last;
}

/* Puts a link's target on top. */
static int push_target(adk__vfs_path *path, const adk__vfs_inode *link)
{
    const adk__vfs_target *target = &link->target;

    if (path->links >= link->vfs->options.max_symlinks)
        return -ELOOP;
    path->links++;
    if (target->text[0] == '/')
        return -EPERM;
    path->linked += target->size;
    if (path->linked > ADK__VFS_LINKED_MAX)
        return -ELOOP;
    path->rest[path->depth++] = (adk__vfs_rest){.text = target->text, .size = target->size};
    return 0;
}

static int enter_parent(adk__vfs_path *path)
{
    if (path->dir == path->start)
        return -EPERM;
    path->dir = path->dir->dir.parent;
    return 0;
}

static int enter_child(adk__vfs_path *path)
{
    adk__vfs_inode *child;
    int r;

    r = adk__vfs_dir_find(path->dir, path->name, path->name_size, &child);
    if (r < 0)
        return r;
    if (child->type == ADK__VFS_TYPE_SYMLINK)
        return push_target(path, child);
    if (!adk__vfs_is_dir(child))
        return -ENOTDIR;
    path->dir = child;
    return 0;
}

static int go_to_last(adk__vfs_path *path)
{
    int r = 0;

    while (!take(path)) {
        if (path->last == ADK__VFS_LAST_DOTDOT)
            r = enter_parent(path);
        else if (path->last == ADK__VFS_LAST_NAME)
            r = enter_child(path);
        if (r < 0)
            return r;
    }
    return path->last == ADK__VFS_LAST_DOTDOT && path->dir == path->start ? -EPERM : 0;
}

int adk__vfs_path_start(adk__vfs_path *path, adk__vfs_inode *dir, const char *text, size_t size)
{
    if (size == 0)
        return -ENOENT;
    if (size > ADK__VFS_PATH_MAX)
        return -ENAMETOOLONG;
    if (memchr(text, 0, size) != NULL)
        return -EINVAL;
    if (!adk__vfs_is_dir(dir))
        return -ENOTDIR;
    if (text[0] == '/')
        return -EPERM;
    path->start = dir;
    path->dir = dir;
    path->slash = false;
    path->links = 0;
    path->linked = 0;
    path->depth = 1;
    path->rest[0] = (adk__vfs_rest){.text = text, .size = size};
    return go_to_last(path);
}

int adk__vfs_path_follow(adk__vfs_path *path, const adk__vfs_inode *link)
{
    int r;

    path->depth = 0;
    r = push_target(path, link);
    if (r < 0)
        return r;
    return go_to_last(path);
}

int adk__vfs_path_last(const adk__vfs_path *path, adk__vfs_inode **ret_inode)
{
    if (path->last == ADK__VFS_LAST_NAME)
        return adk__vfs_dir_find(path->dir, path->name, path->name_size, ret_inode);
    /* A `..` here is not at the boundary: go_to_last() has seen to that. */
    *ret_inode = path->last == ADK__VFS_LAST_DOT ? path->dir : path->dir->dir.parent;
    return 0;
}

int adk__vfs_path_find(adk__vfs_path *path, bool follow, adk__vfs_inode **ret_inode)
{
    adk__vfs_inode *inode;
    int r;

    for (;;) {
        r = adk__vfs_path_last(path, &inode);
        if (r < 0)
            return r;
        if (inode->type != ADK__VFS_TYPE_SYMLINK || !(follow || path->slash))
            break;
        r = adk__vfs_path_follow(path, inode);
        if (r < 0)
            return r;
    }
    if (path->slash && !adk__vfs_is_dir(inode))
        return -ENOTDIR;
    *ret_inode = inode;
    return 0;
}

int adk__vfs_resolve(adk__vfs_inode *dir, const char *text, size_t size, bool follow, adk__vfs_inode **ret_inode)
{
    adk__vfs_path path;
    adk__vfs_inode *inode;
    int r;

    r = adk__vfs_path_start(&path, dir, text, size);
    if (r < 0)
        return r;
    r = adk__vfs_path_find(&path, follow, &inode);
    if (r < 0)
        return r;
    *ret_inode = adk__vfs_hold(inode);
    return 0;
}
