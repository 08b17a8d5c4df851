/*
 * Images: frozen trees that many vfs show at once.
 *
 * An image is one array of nodes, breadth first, so that the children of a directory are a range; a second array holds
 * each range sorted by name. A vfs that shows an image costs one inode; others come into being as they are looked up,
 * with the number of their node added to the number of the first. Nothing in an image changes after adk__vfs_seal() but
 * the reference count, so threads share it without locks.
 */
#include "vfs/tree.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- showing -------------------------------------------------------------------------------------------------- */

static int compare_names(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

    if (order != 0)
        return order;
    return (a_size > b_size) - (a_size < b_size);
}

uint32_t adk__vfs_image_find(const adk__vfs_image *image, uint32_t number, const char *name, size_t name_size)
{
    const adk__vfs_node *dir = &image->nodes[number];
    const uint32_t *sorted = image->by_name + dir->first;
    uint32_t low = 0;
    uint32_t high = dir->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const adk__vfs_node *node = &image->nodes[sorted[middle]];
        int order = compare_names(name, name_size, node->name, node->name_size);

        if (order == 0)
            return sorted[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return 0;
}

int adk__vfs_show_image(adk__vfs_inode *inode, adk__vfs_image *image)
{
    adk__vfs *vfs = inode->vfs;
    adk__vfs_image **images;

    /* The inode is the newest: the numbers behind its own become the image's. */
    assert(vfs->next_ino == inode->ino + 1);
    images = adk__vfs_realloc(vfs, vfs->images, vfs->image_count * sizeof(*images),
                              (vfs->image_count + 1) * sizeof(*images));
    if (images == NULL)
        return vfs->cause;
    vfs->images = images;
    vfs->images[vfs->image_count++] = adk__vfs_image_ref(image);
    vfs->next_ino = inode->ino + image->count;
    inode->dir = (adk__vfs_dir){.parent = inode->dir.parent, .image = image, .shared = true};
    return 0;
}

/* ---- sealing -------------------------------------------------------------------------------------------------- */

/* An image in the making: `inodes[i]` is what nodes[i] is made from. */
typedef struct seal {
    adk__vfs_image *image;
    adk__vfs_inode **inodes;
    size_t capacity;
} seal;

static int reserve_node(seal *s)
{
    size_t capacity = s->capacity == 0 ? 64 : 2 * s->capacity;
    adk__vfs_node *nodes;
    adk__vfs_inode **inodes;

    if (s->image->count == UINT32_MAX - 1)
        return -EOVERFLOW;
    if (s->image->count < s->capacity)
        return 0;
    nodes = realloc(s->image->nodes, capacity * sizeof(*nodes));
    if (nodes == NULL)
        return -ENOMEM;
    s->image->nodes = nodes;
    inodes = realloc(s->inodes, capacity * sizeof(adk__vfs_inode *));
    if (inodes == NULL)
        return -ENOMEM;
    s->inodes = inodes;
    s->capacity = capacity;
    return 0;
}

static int copy_content(seal *s, adk__vfs_node *node, const adk__vfs_inode *inode)
{
    const adk__vfs_body *body = &inode->body;
    char *copy;
    size_t copied;

    /* Untouched borrowed content stays borrowed. A vfs that shows images does not lend theirs on: who would keep it? */
    if (body->size == 0 || (inode->counted && body->chunk_count == 0 && body->base_size == body->size)) {
        node->data = body->base;
        return 0;
    }
    copy = malloc((size_t)body->size);
    if (copy == NULL)
        return -ENOMEM;
    (void)adk__vfs_pread(inode, copy, (size_t)body->size, 0, &copied);
    node->data = copy;
    node->owned = true;
    s->image->bytes += body->size;
    return 0;
}

static int copy_target(seal *s, adk__vfs_node *node, const adk__vfs_inode *inode)
{
    char *copy = malloc(inode->target.size);

    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, inode->target.text, inode->target.size);
    node->data = copy;
    node->owned = true;
    s->image->bytes += inode->target.size;
    return 0;
}

static int add_node(seal *s, const char *name, size_t name_size, adk__vfs_inode *inode)
{
    adk__vfs_node *node;
    int r;

    r = reserve_node(s);
    if (r < 0)
        return r;
    node = &s->image->nodes[s->image->count];
    *node = (adk__vfs_node){
        .size = adk__vfs_size(inode),
        .atime_ns = inode->atime_ns,
        .mtime_ns = inode->mtime_ns,
        .ctime_ns = inode->ctime_ns,
        .name_size = (uint16_t)name_size,
        .type = (uint8_t)inode->type,
    };
    node->name = malloc(name_size + 1); /* never 0: the root has no name */
    if (node->name == NULL)
        return -ENOMEM;
    memcpy(node->name, name, name_size);
    s->inodes[s->image->count++] = inode;
    s->image->bytes += name_size + 1;
    if (inode->type == ADK__VFS_TYPE_FILE)
        return copy_content(s, node, inode);
    return inode->type == ADK__VFS_TYPE_SYMLINK ? copy_target(s, node, inode) : 0;
}

static int add_children(seal *s, uint32_t number)
{
    adk__vfs_inode *dir = s->inodes[number];
    uint32_t first = s->image->count;
    uint32_t subdirectories = 0;
    adk__vfs_child child = {0};
    int r;

    while (adk__vfs_dir_next(dir, child.cookie, &child) == 1) {
        adk__vfs_inode *inode;

        r = adk__vfs_dir_inode(dir, &child, &inode);
        if (r < 0)
            return r;
        r = add_node(s, child.name, child.name_size, inode);
        if (r < 0)
            return r;
        subdirectories += adk__vfs_is_dir(inode) ? 1 : 0;
    }
    s->image->nodes[number].first = first;
    s->image->nodes[number].count = s->image->count - first;
    s->image->nodes[number].subdirectories = subdirectories;
    return 0;
}

static int order_by_name(const void *a, const void *b, void *nodes_of_image)
{
    const adk__vfs_node *nodes = nodes_of_image;
    const adk__vfs_node *x = &nodes[*(const uint32_t *)a];
    const adk__vfs_node *y = &nodes[*(const uint32_t *)b];

    return compare_names(x->name, x->name_size, y->name, y->name_size);
}

static int sort_names(adk__vfs_image *image)
{
    image->by_name = malloc(image->count * sizeof(*image->by_name));
    if (image->by_name == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < image->count; i++)
        image->by_name[i] = i;
    for (uint32_t i = 0; i < image->count; i++) {
        const adk__vfs_node *node = &image->nodes[i];

        if (node->count > 1)
            qsort_r(image->by_name + node->first, node->count, sizeof(*image->by_name), order_by_name, image->nodes);
    }
    image->bytes += sizeof(*image) + image->count * (sizeof(*image->nodes) + sizeof(*image->by_name));
    return 0;
}

static int build(seal *s, adk__vfs_inode *root)
{
    int r;

    r = add_node(s, "", 0, root);
    for (uint32_t i = 0; r == 0 && i < s->image->count; i++) {
        if (s->image->nodes[i].type == ADK__VFS_TYPE_DIRECTORY)
            r = add_children(s, i);
    }
    return r < 0 ? r : sort_names(s->image);
}

int adk__vfs_seal(adk__vfs *vfs, adk__vfs_image **ret_image)
{
    seal s = {0};
    int r;

    s.image = calloc(1, sizeof(*s.image));
    if (s.image == NULL)
        return -ENOMEM;
    atomic_init(&s.image->refs, 1);
    r = build(&s, vfs->root);
    free(s.inodes);
    if (r < 0) {
        adk__vfs_image_unref(s.image);
        return r;
    }
    *ret_image = s.image;
    return 0;
}

/* ---- lifetime ------------------------------------------------------------------------------------------------- */

adk__vfs_image *adk__vfs_image_ref(adk__vfs_image *image)
{
    (void)atomic_fetch_add_explicit(&image->refs, 1, memory_order_relaxed);
    return image;
}

void adk__vfs_image_unref(adk__vfs_image *image)
{
    if (image == NULL || atomic_fetch_sub_explicit(&image->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t i = 0; i < image->count; i++) {
        free(image->nodes[i].name);
        if (image->nodes[i].owned)
            free((void *)image->nodes[i].data);
    }
    free(image->nodes);
    free(image->by_name);
    free(image);
}

uint64_t adk__vfs_image_bytes(const adk__vfs_image *image)
{
    return image->bytes;
}
