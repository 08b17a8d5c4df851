/*
 * The host's way to see all of a tree, to collect what a run left behind. The tree may be anything a guest could make,
 * so the walk does not recurse: it keeps a stack that the limit on path lengths bounds.
 */
#include "vfs/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A level takes two bytes of path at least. */
#define DEPTH_MAX (ADK__VFS_PATH_MAX / 2 + 1)

typedef struct level {
    adk__vfs_inode *dir;
    uint64_t cookie;  /* of the entry that is being looked at */
    size_t path_size; /* of the directory's path, its slash included */
} level;

typedef struct walk {
    bool changed_only;
    adk__vfs_visit visit;
    void *data;
    uint64_t skipped;
    size_t depth;
    level levels[DEPTH_MAX];
    char path[ADK__VFS_PATH_MAX + 1]; /* and a slash */
} walk;

static int visit_child(walk *w, const adk__vfs_child *child)
{
    level *top = &w->levels[w->depth - 1];
    size_t path_size = top->path_size + child->name_size;
    adk__vfs_inode *inode;
    int r;

    if (w->changed_only && child->inode == NULL)
        return 0;
    if (path_size > ADK__VFS_PATH_MAX) {
        w->skipped++;
        return 0;
    }
    r = adk__vfs_dir_inode(top->dir, child, &inode);
    if (r < 0)
        return r;
    memcpy(w->path + top->path_size, child->name, child->name_size);
    if (w->changed_only ? inode->era == inode->vfs->era : inode->era >= inode->vfs->own_before) {
        r = w->visit(w->data, w->path, path_size, inode);
        if (r != 0)
            return r;
    }
    if (adk__vfs_is_dir(inode)) {
        w->path[path_size] = '/';
        w->levels[w->depth++] = (level){.dir = inode, .path_size = path_size + 1};
    }
    return 0;
}

static int walk_all(walk *w)
{
    adk__vfs_child child;
    int r = 0;

    while (r == 0 && w->depth > 0) {
        level *top = &w->levels[w->depth - 1];

        if (adk__vfs_dir_next(top->dir, top->cookie, &child) == 0) {
            w->depth--;
            continue;
        }
        top->cookie = child.cookie;
        r = visit_child(w, &child);
    }
    return r;
}

int adk__vfs_walk(adk__vfs_inode *dir, bool changed_only, adk__vfs_visit visit, void *data, uint64_t *ret_skipped)
{
    walk *w;
    int r;

    if (!adk__vfs_is_dir(dir))
        return -ENOTDIR;
    w = malloc(sizeof(*w));
    if (w == NULL)
        return -ENOMEM;
    w->changed_only = changed_only;
    w->visit = visit;
    w->data = data;
    w->skipped = 0;
    w->depth = 1;
    w->levels[0] = (level){.dir = dir};
    r = walk_all(w);
    if (r == 0 && ret_skipped != NULL)
        *ret_skipped = w->skipped;
    free(w);
    return r;
}
