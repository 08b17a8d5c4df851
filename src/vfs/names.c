/*
 * What is done to names: opening, making and removing. Each operation resolves its path, checks in the order in which
 * Linux checks (so that the errors agree), takes the memory it needs, and only then changes the tree.
 */
#include "vfs/tree.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- shared steps --------------------------------------------------------------------------------------------- */

/* 0 if the path's last component can be made: free, and no slash behind it unless `want_dir`. */
static int path_vacant(const adk__vfs_path *path, bool want_dir)
{
    adk__vfs_inode *there;
    int r;

    if (path->last != ADK__VFS_LAST_NAME)
        return -EEXIST;
    r = adk__vfs_path_last(path, &there);
    if (r == 0)
        return -EEXIST;
    if (r != -ENOENT)
        return r;
    if (path->slash && !want_dir)
        return -ENOENT;
    return path->dir->nlink == 0 ? -ENOENT : 0;
}

/* Enters `inode` as the path's last component; directories get their two links. */
static int enter(const adk__vfs_path *path, adk__vfs_inode *inode, uint64_t now_ns)
{
    int r;

    r = adk__vfs_dir_add(path->dir, path->name, path->name_size, inode);
    if (r < 0)
        return r;
    inode->nlink++;
    if (adk__vfs_is_dir(inode)) {
        inode->nlink++;
        inode->dir.parent = path->dir;
        path->dir->nlink++;
    }
    adk__vfs_touch_meta(inode, now_ns);
    adk__vfs_touch(path->dir, now_ns);
    return 0;
}

void adk__vfs_left(adk__vfs_inode *dir, adk__vfs_inode *inode, uint64_t now_ns)
{
    adk__vfs_touch(dir, now_ns);
    adk__vfs_touch_meta(inode, now_ns);
    if (adk__vfs_is_dir(inode)) {
        inode->nlink = 0;
        inode->dir.parent = NULL;
        dir->nlink--;
    } else {
        inode->nlink--;
    }
    adk__vfs_inode_collect(inode);
}

/* A new inode at a path where nothing is; held. */
static int make(const adk__vfs_path *path, adk__vfs_type type, adk__vfs_inode **ret_inode)
{
    adk__vfs *vfs = path->start->vfs;
    uint64_t now_ns = adk__vfs_now(vfs);
    adk__vfs_inode *inode;
    int r;

    r = adk__vfs_inode_new(vfs, type, now_ns, &inode);
    if (r < 0)
        return r;
    r = enter(path, inode, now_ns);
    if (r < 0) {
        adk__vfs_drop(inode);
        return r;
    }
    *ret_inode = inode;
    return 0;
}

/* Resolves a path whose last component is to be made. */
static int start_vacant(adk__vfs_path *path, adk__vfs_inode *dir, const char *text, size_t size, bool want_dir)
{
    int r;

    r = adk__vfs_path_start(path, dir, text, size);
    return r < 0 ? r : path_vacant(path, want_dir);
}

/* ---- open ----------------------------------------------------------------------------------------------------- */

static int check_open(const adk__vfs_inode *inode, uint32_t flags, bool slash)
{
    bool create = (flags & ADK__VFS_OPEN_CREATE) != 0;

    if (create && (flags & ADK__VFS_OPEN_EXCLUSIVE) != 0)
        return -EEXIST;
    if (adk__vfs_is_dir(inode))
        return create || (flags & (ADK__VFS_OPEN_WRITE | ADK__VFS_OPEN_TRUNCATE)) != 0 ? -EISDIR : 0;
    if (slash || (flags & ADK__VFS_OPEN_DIRECTORY) != 0)
        return -ENOTDIR;
    return inode->type == ADK__VFS_TYPE_SYMLINK ? -ELOOP : 0;
}

/* Goes on through links to the last component that open() means; no inode if it is not there and is to be made. */
static int find_open(adk__vfs_path *path, uint32_t flags, adk__vfs_inode **ret_inode)
{
    bool create = (flags & ADK__VFS_OPEN_CREATE) != 0;
    bool follow = (flags & ADK__VFS_OPEN_FOLLOW) != 0 && !(create && (flags & ADK__VFS_OPEN_EXCLUSIVE) != 0);
    adk__vfs_inode *inode;
    int r;

    for (;;) {
        if (create && path->slash && path->last == ADK__VFS_LAST_NAME)
            return -EISDIR;
        r = adk__vfs_path_last(path, &inode);
        if (r == -ENOENT && create) {
            *ret_inode = NULL;
            return path->dir->nlink == 0 ? -ENOENT : 0;
        }
        if (r < 0)
            return r;
        if (inode->type != ADK__VFS_TYPE_SYMLINK || !(follow || path->slash)) {
            *ret_inode = inode;
            return 0;
        }
        r = adk__vfs_path_follow(path, inode);
        if (r < 0)
            return r;
    }
}

int adk__vfs_open(adk__vfs_inode *dir, const char *text, size_t size, uint32_t flags, adk__vfs_inode **ret_inode)
{
    adk__vfs_path path;
    adk__vfs_inode *inode;
    int r;

    if ((flags & ADK__VFS_OPEN_CREATE) != 0 && (flags & ADK__VFS_OPEN_DIRECTORY) != 0)
        return -EINVAL;
    r = adk__vfs_path_start(&path, dir, text, size);
    if (r < 0)
        return r;
    r = find_open(&path, flags, &inode);
    if (r < 0)
        return r;
    if (inode == NULL)
        return make(&path, ADK__VFS_TYPE_FILE, ret_inode);
    r = check_open(inode, flags, path.slash);
    if (r < 0)
        return r;
    if ((flags & ADK__VFS_OPEN_TRUNCATE) != 0 && inode->type == ADK__VFS_TYPE_FILE) {
        r = adk__vfs_truncate(inode, 0);
        if (r < 0)
            return r;
    }
    *ret_inode = adk__vfs_hold(inode);
    return 0;
}

/* ---- making --------------------------------------------------------------------------------------------------- */

int adk__vfs_mkdir(adk__vfs_inode *dir, const char *text, size_t size)
{
    adk__vfs_path path;
    adk__vfs_inode *made;
    int r;

    r = start_vacant(&path, dir, text, size, true);
    if (r < 0)
        return r;
    r = make(&path, ADK__VFS_TYPE_DIRECTORY, &made);
    if (r < 0)
        return r;
    adk__vfs_drop(made);
    return 0;
}

/* From one level to the next, so that a path of many costs no more than its length. */
static int make_levels(adk__vfs_inode *dir, const char *text, size_t size)
{
    adk__vfs_inode *at = adk__vfs_hold(dir);
    adk__vfs_inode *next;
    size_t begin = 0;
    int r = 0;

    for (size_t end = 0; end <= size && r == 0; end++) {
        if (end < size && text[end] != '/')
            continue;
        if (end > begin) {
            r = adk__vfs_mkdir(at, text + begin, end - begin);
            if (r == 0 || r == -EEXIST)
                r = adk__vfs_open(at, text + begin, end - begin, ADK__VFS_OPEN_DIRECTORY | ADK__VFS_OPEN_FOLLOW, &next);
            if (r == 0) {
                adk__vfs_drop(at);
                at = next;
            }
        }
        begin = end + 1;
    }
    adk__vfs_drop(at);
    return r;
}

int adk__vfs_mkdir_all(adk__vfs_inode *dir, const char *text, size_t size)
{
    adk__vfs_inode *there;
    int r;

    /* Mostly it is there; and what is there may be anything. */
    r = adk__vfs_resolve(dir, text, size, true, &there);
    if (r == 0) {
        r = adk__vfs_is_dir(there) ? 0 : -EEXIST;
        adk__vfs_drop(there);
        return r;
    }
    if (r != -ENOENT)
        return r;
    return make_levels(dir, text, size);
}

int adk__vfs_add_borrowed(adk__vfs_inode *dir, const char *text, size_t size, const void *data, size_t data_size)
{
    adk__vfs_path path;
    adk__vfs_inode *made;
    int r;

    if (data_size > INT64_MAX)
        return -EFBIG;
    r = start_vacant(&path, dir, text, size, false);
    if (r < 0)
        return r;
    r = make(&path, ADK__VFS_TYPE_FILE, &made);
    if (r < 0)
        return r;
    made->body = (adk__vfs_body){.size = data_size, .base = data, .base_size = data_size};
    adk__vfs_drop(made);
    return 0;
}

int adk__vfs_mount(adk__vfs_inode *dir, const char *text, size_t size, adk__vfs_image *image)
{
    adk__vfs *vfs = dir->vfs;
    uint64_t now_ns = adk__vfs_now(vfs);
    adk__vfs_path path;
    adk__vfs_inode *made;
    int r;

    r = start_vacant(&path, dir, text, size, true);
    if (r < 0)
        return r;
    r = adk__vfs_inode_new(vfs, ADK__VFS_TYPE_DIRECTORY, now_ns, &made);
    if (r < 0)
        return r;
    /* In this order: an inode that shows an image can be dropped, one that has a name cannot lose it unfailingly. */
    r = adk__vfs_show_image(made, image);
    if (r == 0)
        r = enter(&path, made, now_ns);
    if (r == 0)
        made->nlink += image->nodes[0].subdirectories;
    adk__vfs_drop(made);
    return r;
}

/* ---- links ---------------------------------------------------------------------------------------------------- */

static int check_target(const char *target, size_t size, bool allow_absolute)
{
    if (size == 0)
        return -ENOENT;
    if (size > ADK__VFS_PATH_MAX)
        return -ENAMETOOLONG;
    if (memchr(target, 0, size) != NULL)
        return -EINVAL;
    return target[0] == '/' && !allow_absolute ? -EPERM : 0;
}

static int make_symlink(const adk__vfs_path *path, const char *target, size_t size)
{
    adk__vfs *vfs = path->start->vfs;
    uint64_t now_ns = adk__vfs_now(vfs);
    adk__vfs_inode *link;
    char *text;
    int r;

    r = adk__vfs_inode_new(vfs, ADK__VFS_TYPE_SYMLINK, now_ns, &link);
    if (r < 0)
        return r;
    text = adk__vfs_alloc(vfs, size);
    if (text == NULL) {
        r = vfs->cause;
    } else {
        memcpy(text, target, size);
        link->target = (adk__vfs_target){.text = text, .size = size, .owned = true};
        r = enter(path, link, now_ns);
    }
    adk__vfs_drop(link);
    return r;
}

int adk__vfs_symlink(const char *target, size_t target_size, bool allow_absolute, adk__vfs_inode *dir, const char *text,
                     size_t size)
{
    adk__vfs_path path;
    adk__vfs_inode *there;
    int r;

    r = check_target(target, target_size, allow_absolute);
    if (r < 0)
        return r;
    r = start_vacant(&path, dir, text, size, false);
    /* Linux says EEXIST; the public wasi-testsuite wants a file before a slash to be named for what it is not. */
    if (r == -EEXIST && path.slash && adk__vfs_path_last(&path, &there) == 0 && !adk__vfs_is_dir(there))
        return -ENOTDIR;
    return r < 0 ? r : make_symlink(&path, target, target_size);
}

int adk__vfs_readlink(adk__vfs_inode *dir, const char *text, size_t size, char *buffer, size_t buffer_size,
                      size_t *ret_size)
{
    adk__vfs_path path;
    adk__vfs_inode *link;
    size_t copied;
    int r;

    r = adk__vfs_path_start(&path, dir, text, size);
    if (r < 0)
        return r;
    r = adk__vfs_path_find(&path, false, &link);
    if (r < 0)
        return r;
    if (link->type != ADK__VFS_TYPE_SYMLINK)
        return -EINVAL;
    copied = link->target.size < buffer_size ? link->target.size : buffer_size;
    if (copied > 0)
        memcpy(buffer, link->target.text, copied);
    *ret_size = copied;
    return 0;
}

int adk__vfs_link(adk__vfs_inode *old_dir, const char *old_text, size_t old_size, bool follow, adk__vfs_inode *new_dir,
                  const char *new_text, size_t new_size)
{
    adk__vfs_path path;
    adk__vfs_inode *inode;
    int r;

    assert(old_dir->vfs == new_dir->vfs);
    r = adk__vfs_path_start(&path, old_dir, old_text, old_size);
    if (r < 0)
        return r;
    r = adk__vfs_path_find(&path, follow, &inode);
    if (r < 0)
        return r;
    r = start_vacant(&path, new_dir, new_text, new_size, false);
    if (r < 0)
        return r;
    if (adk__vfs_is_dir(inode))
        return -EPERM;
    return enter(&path, inode, adk__vfs_now(inode->vfs));
}

/* ---- removing ------------------------------------------------------------------------------------------------- */

static int remove_name(const adk__vfs_path *path, adk__vfs_inode *inode)
{
    int r;

    r = adk__vfs_dir_own(path->dir);
    if (r < 0)
        return r;
    adk__vfs_dir_remove(path->dir, path->name, path->name_size);
    adk__vfs_left(path->dir, inode, adk__vfs_now(inode->vfs));
    return 0;
}

int adk__vfs_rmdir(adk__vfs_inode *dir, const char *text, size_t size)
{
    adk__vfs_path path;
    adk__vfs_inode *inode;
    int r;

    r = adk__vfs_path_start(&path, dir, text, size);
    if (r < 0)
        return r;
    if (path.last != ADK__VFS_LAST_NAME)
        return path.last == ADK__VFS_LAST_DOT ? -EINVAL : -ENOTEMPTY;
    r = adk__vfs_path_last(&path, &inode);
    if (r < 0)
        return r;
    if (!adk__vfs_is_dir(inode))
        return -ENOTDIR;
    if (adk__vfs_dir_count(inode) > 0)
        return -ENOTEMPTY;
    return remove_name(&path, inode);
}

int adk__vfs_unlink(adk__vfs_inode *dir, const char *text, size_t size)
{
    adk__vfs_path path;
    adk__vfs_inode *inode;
    int r;

    r = adk__vfs_path_start(&path, dir, text, size);
    if (r < 0)
        return r;
    if (path.last != ADK__VFS_LAST_NAME)
        return -EISDIR;
    r = adk__vfs_path_last(&path, &inode);
    if (r < 0)
        return r;
    if (adk__vfs_is_dir(inode))
        return -EISDIR;
    return path.slash ? -ENOTDIR : remove_name(&path, inode);
}
