/*
 * Directories: shared with an image until the first change, with entries of their own from then on. Those are found by
 * name in index.c and by cookie in cookies.c; neither has an operation that costs in proportion to the directory.
 *
 * What does is the first change to a directory of an image, which makes an entry of each of its nodes: 0.2 microseconds
 * apiece, a millisecond for 5,000. How large those are is the host's choice and not the guest's.
 */
#include "vfs/tree.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* `.` and `..` have cookies 1 and 2; child i of an image has FIRST_COOKIE + i, before and after the directory is made
 * private. */
#define FIRST_COOKIE 3U

typedef struct adk__vfs_entry entry;

/* ---- entries -------------------------------------------------------------------------------------------------- */

/* How much memory an entry takes that has `text_size` bytes of name in it. */
static size_t entry_size(size_t text_size)
{
    size_t size = offsetof(entry, text) + text_size;

    return size < sizeof(entry) ? sizeof(entry) : size;
}

static int new_entry(adk__vfs *vfs, const char *name, size_t name_size, bool copy_name, entry **ret_entry)
{
    entry *e = adk__vfs_alloc(vfs, entry_size(copy_name ? name_size : 0));

    if (e == NULL)
        return vfs->cause;
    *e = (entry){.name = name, .name_size = (uint16_t)name_size};
    if (copy_name) {
        memcpy(e->text, name, name_size);
        e->name = e->text;
    }
    *ret_entry = e;
    return 0;
}

void adk__vfs_entry_free(adk__vfs *vfs, entry *e)
{
    adk__vfs_release(vfs, e, entry_size(e->name == e->text ? e->name_size : 0));
}

/* Enters `e` under its name and cookie. */
static int insert_entry(adk__vfs_inode *inode, entry *e)
{
    adk__vfs_dir *dir = &inode->dir;
    int r;

    r = adk__vfs_order_add(inode->vfs, &dir->order, e);
    if (r < 0)
        return r;
    r = adk__vfs_index_add(inode->vfs, &dir->index, e);
    if (r < 0)
        adk__vfs_order_remove(inode->vfs, &dir->order, e);
    return r;
}

int adk__vfs_dir_add(adk__vfs_inode *inode, const char *name, size_t name_size, adk__vfs_inode *child)
{
    adk__vfs_dir *dir = &inode->dir;
    entry *e = NULL;
    int r;

    r = adk__vfs_dir_own(inode);
    if (r < 0)
        return r;
    r = new_entry(inode->vfs, name, name_size, true, &e);
    if (r < 0)
        return r;
    e->inode = child;
    e->cookie = dir->next_cookie;
    r = insert_entry(inode, e);
    if (r < 0) {
        adk__vfs_entry_free(inode->vfs, e);
        return r;
    }
    dir->next_cookie++;
    return 0;
}

void adk__vfs_dir_remove(adk__vfs_inode *inode, const char *name, size_t name_size)
{
    adk__vfs_dir *dir = &inode->dir;
    entry *e = adk__vfs_index_find(dir->index, name, name_size);

    assert(!dir->shared && e != NULL);
    adk__vfs_order_remove(inode->vfs, &dir->order, e);
    adk__vfs_index_remove(inode->vfs, &dir->index, e);
    adk__vfs_entry_free(inode->vfs, e);
}

void adk__vfs_dir_replace(adk__vfs_inode *inode, const char *name, size_t name_size, adk__vfs_inode *child)
{
    entry *e = adk__vfs_index_find(inode->dir.index, name, name_size);

    assert(!inode->dir.shared && e != NULL);
    e->inode = child;
}

/* ---- shared and private --------------------------------------------------------------------------------------- */

static const adk__vfs_node *node_of(const adk__vfs_dir *dir)
{
    return &dir->image->nodes[dir->node];
}

static void free_entries(adk__vfs_inode *inode)
{
    adk__vfs_index_destroy(inode->vfs, &inode->dir.index);
    adk__vfs_order_destroy(inode->vfs, &inode->dir.order);
}

static void free_kids(adk__vfs_inode *inode)
{
    adk__vfs_dir *dir = &inode->dir;

    if (dir->kids == NULL)
        return;
    adk__vfs_release(inode->vfs, dir->kids, node_of(dir)->count * sizeof(*dir->kids));
    dir->kids = NULL;
}

static int own_child(adk__vfs_inode *inode, uint32_t i)
{
    adk__vfs_dir *dir = &inode->dir;
    uint32_t number = node_of(dir)->first + i;
    const adk__vfs_node *node = &dir->image->nodes[number];
    entry *e = NULL;
    int r;

    r = new_entry(inode->vfs, node->name, node->name_size, false, &e);
    if (r < 0)
        return r;
    e->node = number;
    e->inode = dir->kids == NULL ? NULL : dir->kids[i];
    e->cookie = FIRST_COOKIE + (uint64_t)i;
    r = insert_entry(inode, e);
    if (r < 0)
        adk__vfs_entry_free(inode->vfs, e);
    return r;
}

int adk__vfs_dir_own(adk__vfs_inode *inode)
{
    adk__vfs_dir *dir = &inode->dir;
    uint32_t count;
    int r = 0;

    if (!dir->shared) {
        if (dir->next_cookie == 0)
            dir->next_cookie = FIRST_COOKIE;
        return 0;
    }
    count = node_of(dir)->count;
    for (uint32_t i = 0; r == 0 && i < count; i++)
        r = own_child(inode, i);
    if (r < 0) {
        free_entries(inode);
        return r;
    }
    free_kids(inode);
    dir->shared = false;
    dir->next_cookie = FIRST_COOKIE + (uint64_t)count;
    return 0;
}

void adk__vfs_dir_destroy(adk__vfs_inode *inode)
{
    if (inode->dir.shared)
        free_kids(inode);
    else
        free_entries(inode);
}

uint64_t adk__vfs_dir_count(const adk__vfs_inode *inode)
{
    const adk__vfs_dir *dir = &inode->dir;

    if (dir->shared)
        return node_of(dir)->count;
    return dir->index == NULL ? 0 : dir->index->count;
}

/* ---- children ------------------------------------------------------------------------------------------------- */

static adk__vfs_child shared_child(const adk__vfs_dir *dir, uint32_t i)
{
    uint32_t number = node_of(dir)->first + i;
    const adk__vfs_node *node = &dir->image->nodes[number];

    return (adk__vfs_child){
        .cookie = FIRST_COOKIE + (uint64_t)i,
        .name = node->name,
        .name_size = node->name_size,
        .node = number,
        .inode = dir->kids == NULL ? NULL : dir->kids[i],
    };
}

static adk__vfs_child private_child(entry *e)
{
    return (adk__vfs_child){
        .cookie = e->cookie,
        .name = e->name,
        .name_size = e->name_size,
        .entry = e,
        .node = e->node,
        .inode = e->inode,
    };
}

int adk__vfs_dir_next(adk__vfs_inode *inode, uint64_t cookie, adk__vfs_child *ret_child)
{
    adk__vfs_dir *dir = &inode->dir;
    entry *e;

    if (dir->shared) {
        uint64_t i = cookie < FIRST_COOKIE ? 0 : cookie - FIRST_COOKIE + 1;

        if (i >= node_of(dir)->count)
            return 0;
        *ret_child = shared_child(dir, (uint32_t)i);
        return 1;
    }
    e = adk__vfs_order_next(&dir->order, cookie);
    if (e == NULL)
        return 0;
    *ret_child = private_child(e);
    return 1;
}

int adk__vfs_dir_inode(adk__vfs_inode *inode, const adk__vfs_child *child, adk__vfs_inode **ret_inode)
{
    adk__vfs_dir *dir = &inode->dir;
    adk__vfs_inode **home;
    int r;

    if (child->inode != NULL) {
        *ret_inode = child->inode;
        return 0;
    }
    if (child->entry != NULL) {
        home = &child->entry->inode;
    } else {
        if (dir->kids == NULL) {
            size_t size = node_of(dir)->count * sizeof(*dir->kids);

            dir->kids = adk__vfs_alloc(inode->vfs, size);
            if (dir->kids == NULL)
                return inode->vfs->cause;
            memset(dir->kids, 0, size);
        }
        home = &dir->kids[child->node - node_of(dir)->first];
    }
    r = adk__vfs_inode_from_node(inode->vfs, dir->image, child->node, inode->ino - dir->node + child->node, inode,
                                 home);
    if (r < 0)
        return r;
    *ret_inode = *home;
    return 0;
}

int adk__vfs_dir_find(adk__vfs_inode *inode, const char *name, size_t name_size, adk__vfs_inode **ret_inode)
{
    adk__vfs_dir *dir = &inode->dir;
    adk__vfs_child child;

    /* Here and not as the path is read: so the errors come in Linux's order. */
    if (inode->nlink == 0)
        return -ENOENT;
    if (name_size > ADK__VFS_NAME_MAX)
        return -ENAMETOOLONG;
    if (dir->shared) {
        uint32_t number = adk__vfs_image_find(dir->image, dir->node, name, name_size);

        if (number == 0)
            return -ENOENT;
        child = shared_child(dir, number - node_of(dir)->first);
    } else {
        entry *e = adk__vfs_index_find(dir->index, name, name_size);

        if (e == NULL)
            return -ENOENT;
        child = private_child(e);
    }
    return adk__vfs_dir_inode(inode, &child, ret_inode);
}

/* ---- readdir -------------------------------------------------------------------------------------------------- */

int adk__vfs_readdir(adk__vfs_inode *inode, uint64_t cookie, adk__vfs_dirent *ret_entry)
{
    adk__vfs_dir *dir = &inode->dir;
    adk__vfs_child child;

    if (!adk__vfs_is_dir(inode))
        return -ENOTDIR;
    if (inode->nlink == 0)
        return -ENOENT;
    if (cookie == 0 || cookie == 1) {
        *ret_entry = (adk__vfs_dirent){
            .cookie = cookie + 1,
            .ino = cookie == 0 ? inode->ino : dir->parent->ino,
            .name = "..",
            .name_size = (size_t)cookie + 1,
            .type = ADK__VFS_TYPE_DIRECTORY,
        };
        return 1;
    }
    if (adk__vfs_dir_next(inode, cookie, &child) == 0)
        return 0;
    *ret_entry = (adk__vfs_dirent){
        .cookie = child.cookie,
        .ino = child.inode != NULL ? child.inode->ino : inode->ino - dir->node + child.node,
        .name = child.name,
        .name_size = child.name_size,
        .type = child.inode != NULL ? child.inode->type : dir->image->nodes[child.node].type,
    };
    return 1;
}
