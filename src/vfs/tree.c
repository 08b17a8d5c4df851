/*
 * The tree as a whole: making and freeing it, and inodes with their lifetimes.
 */
#include "vfs/tree.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t system_clock_ns(void *data)
{
    struct timespec now = {0};

    (void)data;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t adk__vfs_now(adk__vfs *vfs)
{
    return vfs->options.clock_ns(vfs->options.clock_data);
}

void adk__vfs_touch(adk__vfs_inode *inode, uint64_t now_ns)
{
    inode->mtime_ns = now_ns;
    adk__vfs_touch_meta(inode, now_ns);
}

void adk__vfs_touch_meta(adk__vfs_inode *inode, uint64_t now_ns)
{
    inode->ctime_ns = now_ns;
    inode->era = inode->vfs->era;
}

/* ---- inodes --------------------------------------------------------------------------------------------------- */

static int inode_alloc(adk__vfs *vfs, adk__vfs_type type, uint64_t ino, adk__vfs_inode **ret_inode)
{
    adk__vfs_inode *inode = adk__vfs_alloc(vfs, sizeof(*inode));

    if (inode == NULL)
        return vfs->cause;
    memset(inode, 0, sizeof(*inode));
    inode->vfs = vfs;
    inode->type = type;
    inode->ino = ino;
    *ret_inode = inode;
    return 0;
}

int adk__vfs_inode_new(adk__vfs *vfs, adk__vfs_type type, uint64_t now_ns, adk__vfs_inode **ret_inode)
{
    adk__vfs_inode *inode = NULL;
    int r;

    if (vfs->inodes >= vfs->options.max_inodes && !vfs->lifted)
        return -ENOSPC;
    r = inode_alloc(vfs, type, vfs->next_ino, &inode);
    if (r < 0)
        return r;
    vfs->next_ino++;
    vfs->inodes++;
    inode->counted = true;
    inode->refs = 1;
    inode->atime_ns = now_ns;
    adk__vfs_touch(inode, now_ns);
    *ret_inode = inode;
    return 0;
}

int adk__vfs_inode_from_node(adk__vfs *vfs, const adk__vfs_image *image, uint32_t number, uint64_t ino,
                             adk__vfs_inode *parent, adk__vfs_inode **ret_inode)
{
    const adk__vfs_node *node = &image->nodes[number];
    adk__vfs_inode *inode = NULL;
    int r;

    r = inode_alloc(vfs, node->type, ino, &inode);
    if (r < 0)
        return r;
    inode->nlink = 1;
    inode->atime_ns = node->atime_ns;
    inode->mtime_ns = node->mtime_ns;
    inode->ctime_ns = node->ctime_ns;
    if (node->type == ADK__VFS_TYPE_FILE) {
        inode->body = (adk__vfs_body){.size = node->size, .base = node->data, .base_size = node->size};
    } else if (node->type == ADK__VFS_TYPE_SYMLINK) {
        inode->target = (adk__vfs_target){.text = node->data, .size = (size_t)node->size};
    } else {
        inode->nlink = UINT64_C(2) + node->subdirectories;
        inode->dir = (adk__vfs_dir){.parent = parent, .image = image, .node = number, .shared = true};
    }
    *ret_inode = inode;
    return 0;
}

static void inode_free(adk__vfs_inode *inode)
{
    adk__vfs *vfs = inode->vfs;

    if (inode->type == ADK__VFS_TYPE_FILE)
        adk__vfs_body_destroy(inode);
    else if (adk__vfs_is_dir(inode))
        adk__vfs_dir_destroy(inode);
    else if (inode->target.owned)
        adk__vfs_release(vfs, (char *)inode->target.text, inode->target.size);

    if (inode->counted)
        vfs->inodes--;
    adk__vfs_release(vfs, inode, sizeof(*inode));
}

void adk__vfs_inode_collect(adk__vfs_inode *inode)
{
    if (inode->refs == 0 && inode->nlink == 0)
        inode_free(inode);
}

adk__vfs_inode *adk__vfs_hold(adk__vfs_inode *inode)
{
    inode->refs++;
    return inode;
}

void adk__vfs_drop(adk__vfs_inode *inode)
{
    if (inode == NULL)
        return;
    assert(inode->refs > 0);
    inode->refs--;
    adk__vfs_inode_collect(inode);
}

uint64_t adk__vfs_size(const adk__vfs_inode *inode)
{
    if (inode->type == ADK__VFS_TYPE_FILE)
        return inode->body.size;
    return adk__vfs_is_dir(inode) ? adk__vfs_dir_count(inode) : inode->target.size;
}

void adk__vfs_get_stat(const adk__vfs_inode *inode, adk__vfs_stat *ret_stat)
{
    *ret_stat = (adk__vfs_stat){
        .ino = inode->ino,
        .size = adk__vfs_size(inode),
        .nlink = inode->nlink,
        .atime_ns = inode->atime_ns,
        .mtime_ns = inode->mtime_ns,
        .ctime_ns = inode->ctime_ns,
        .type = inode->type,
        .changed = inode->era == inode->vfs->era,
    };
}

int adk__vfs_set_times(adk__vfs_inode *inode, uint32_t which, uint64_t atime_ns, uint64_t mtime_ns)
{
    const uint32_t both_atimes = ADK__VFS_ATIME | ADK__VFS_ATIME_NOW;
    const uint32_t both_mtimes = ADK__VFS_MTIME | ADK__VFS_MTIME_NOW;
    uint64_t now_ns;

    if ((which & both_atimes) == both_atimes || (which & both_mtimes) == both_mtimes)
        return -EINVAL;
    if ((which & ~(both_atimes | both_mtimes)) != 0)
        return -EINVAL;
    if (which == 0)
        return 0;
    now_ns = adk__vfs_now(inode->vfs);
    if ((which & both_atimes) != 0)
        inode->atime_ns = (which & ADK__VFS_ATIME) != 0 ? atime_ns : now_ns;
    if ((which & both_mtimes) != 0)
        inode->mtime_ns = (which & ADK__VFS_MTIME) != 0 ? mtime_ns : now_ns;
    adk__vfs_touch_meta(inode, now_ns);
    return 0;
}

/* ---- the vfs -------------------------------------------------------------------------------------------------- */

static void fill_defaults(adk__vfs_options *options)
{
    if (options->max_bytes == 0)
        options->max_bytes = options->charge != NULL ? UINT64_MAX : ADK__VFS_DEFAULT_BYTES;
    if (options->max_inodes == 0)
        options->max_inodes = ADK__VFS_DEFAULT_INODES;
    if (options->max_symlinks == 0 || options->max_symlinks > ADK__VFS_SYMLINKS_MAX)
        options->max_symlinks = ADK__VFS_SYMLINKS_MAX;
    if (options->clock_ns == NULL)
        options->clock_ns = system_clock_ns;
}

static int make_root(adk__vfs *vfs)
{
    adk__vfs_inode *root;
    int r;

    r = adk__vfs_charge(vfs, sizeof(*vfs) + ADK__VFS_BLOCK_OVERHEAD);
    if (r < 0)
        return r;
    r = adk__vfs_inode_new(vfs, ADK__VFS_TYPE_DIRECTORY, adk__vfs_now(vfs), &root);
    if (r < 0)
        return r;
    root->nlink = 2;
    root->dir.parent = root;
    vfs->root = root;
    if (vfs->options.image == NULL)
        return 0;
    r = adk__vfs_show_image(root, vfs->options.image);
    if (r < 0)
        return r;
    root->nlink += vfs->options.image->nodes[0].subdirectories;
    return 0;
}

int adk__vfs_new(const adk__vfs_options *options, adk__vfs **ret_vfs)
{
    adk__vfs *vfs = calloc(1, sizeof(*vfs));
    int r;

    if (vfs == NULL)
        return -ENOMEM;
    if (options != NULL)
        vfs->options = *options;
    fill_defaults(&vfs->options);
    vfs->next_ino = 1;
    vfs->era = 1;
    r = make_root(vfs);
    if (r < 0) {
        adk__vfs_free(vfs);
        return r;
    }
    adk__vfs_mark(vfs);
    *ret_vfs = vfs;
    return 0;
}

void adk__vfs_free(adk__vfs *vfs)
{
    uint64_t bytes;

    if (vfs == NULL)
        return;
    /* One call to the budget for all that is charged, instead of one for each block. */
    bytes = vfs->bytes;
    vfs->lifted = true;
    for (size_t i = 0; i < vfs->image_count; i++)
        adk__vfs_image_unref(vfs->images[i]);
    adk__vfs_release_all(vfs);
    if (bytes > 0 && vfs->options.release != NULL)
        vfs->options.release(vfs->options.budget_data, bytes);
    free(vfs);
}

adk__vfs_inode *adk__vfs_root(adk__vfs *vfs)
{
    return vfs->root;
}

void adk__vfs_usage(const adk__vfs *vfs, uint64_t *ret_bytes, uint64_t *ret_inodes)
{
    *ret_bytes = vfs->bytes;
    *ret_inodes = vfs->inodes;
}

void adk__vfs_mark(adk__vfs *vfs)
{
    vfs->era++;
}

void adk__vfs_own(adk__vfs *vfs)
{
    vfs->own_before = ++vfs->era;
}

void adk__vfs_lift_limits(adk__vfs *vfs)
{
    vfs->lifted = true;
}

void adk__vfs_restore_limits(adk__vfs *vfs)
{
    vfs->lifted = false;
}
