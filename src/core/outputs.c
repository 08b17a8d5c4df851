/*
 * Files out. The guest decides about names, number and sizes (a sparse file may claim 8 EiB): all three are bounded
 * here, by what is kept, and the time it takes by whoever calls.
 */
#include "core/outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/glob.h"
#include "core/request.h"
#include "core/result.h"

#define COPY_BYTES ((uint64_t)1 << 20)

/* A guest can give one file many thousand names, each of 4 KiB. */
#define NAMES_BYTES ((uint64_t)16 << 20)

#define WORK_BYTES ((uint64_t)64 << 10)
#define ENTRY_WORK 256 /* what an entry costs beside its path */

/* Ends a walk. */
enum {
    WALK_STOP = 1,
    WALK_NOMEM = 2,
};

struct collection {
    adk_result *result;
    uint64_t left_bytes; /* of the limit on content */
    uint64_t left_names; /* of what all names may take, in bytes */
    uint64_t work;       /* done since time was last looked at, in bytes or what costs as much */
    adk__outputs_go_on go_on;
    void *go_on_data;
    uint32_t output;   /* index of the output being collected */
    adk_bytes base;    /* what the walk's paths are relative to */
    adk_bytes pattern; /* to be matched; nothing: all */
};

/* Looks at the time once so much work has been done; false where there is none left. */
static bool may_work(struct collection *c, uint64_t amount)
{
    c->work += amount;
    if (c->work < WORK_BYTES)
        return true;
    c->work = 0;
    return c->go_on(c->go_on_data);
}

static int new_file(struct collection *c, adk_bytes path, adk_file_out **ret_file)
{
    adk_result *result = c->result;
    size_t slash = c->base.size > 0 && path.size > 0 ? 1 : 0;
    size_t size = 1 + c->base.size + slash + path.size;
    char *full;

    if (size > c->left_names)
        return WALK_STOP;
    c->left_names -= size;
    if (result->file_count == result->file_capacity) {
        size_t capacity = result->file_capacity == 0 ? 16 : result->file_capacity * 2;
        adk_file_out *files = realloc(result->files, capacity * sizeof(*files));

        if (files == NULL)
            return WALK_NOMEM;
        result->files = files;
        result->file_capacity = capacity;
    }
    full = malloc(size);
    if (full == NULL)
        return WALK_NOMEM;
    full[0] = '/';
    if (c->base.size > 0)
        memcpy(full + 1, c->base.data, c->base.size);
    if (slash != 0)
        full[1 + c->base.size] = '/';
    if (path.size > 0)
        memcpy(full + 1 + c->base.size + slash, path.data, path.size);
    *ret_file = &result->files[result->file_count++];
    **ret_file = (adk_file_out){.path = {full, size}, .output = c->output};
    return 0;
}

static int read_content(struct collection *c, adk__vfs_inode *inode, adk_file_out *file)
{
    uint64_t wanted = file->size_bytes < c->left_bytes ? file->size_bytes : c->left_bytes;
    uint8_t *content = wanted == 0 ? NULL : malloc(wanted);
    uint64_t done = 0;

    if (wanted > 0 && content == NULL)
        return WALK_NOMEM;
    while (done < wanted) {
        size_t step = (size_t)(wanted - done < COPY_BYTES ? wanted - done : COPY_BYTES);
        size_t got = 0;

        if (!c->go_on(c->go_on_data) || adk__vfs_pread(inode, content + done, step, done, &got) != 0 || got == 0)
            break;
        done += got;
    }
    c->left_bytes -= done;
    file->content = adk_bytes_make(content, (size_t)done);
    file->truncated = done < file->size_bytes;
    return done < wanted ? WALK_STOP : 0;
}

static int read_target(struct collection *c, adk__vfs_inode *root, adk_file_out *file)
{
    const char *path = (const char *)file->path.data + 1;
    char *target;
    size_t wanted;
    size_t size = 0;
    int failed;

    wanted = (size_t)(file->size_bytes < c->left_bytes ? file->size_bytes : c->left_bytes);
    target = malloc(wanted + 1);
    if (target == NULL)
        return WALK_NOMEM;
    failed = adk__vfs_readlink(root, path, file->path.size - 1, target, wanted, &size);
    if (failed == -ENOMEM) {
        free(target);
        return WALK_NOMEM;
    }
    if (failed)
        size = 0;
    c->left_bytes -= size;
    file->truncated = size < file->size_bytes;
    file->content = adk_bytes_make(target, size);
    return 0;
}

static int add(struct collection *c, adk_bytes path, adk__vfs_inode *root, adk__vfs_inode *inode)
{
    adk__vfs_stat info;
    adk_file_out *file;
    int failed;

    if (c->result->file_count >= ADK_FILES_MAX || !may_work(c, ENTRY_WORK))
        return WALK_STOP;
    failed = new_file(c, path, &file);
    if (failed)
        return failed;
    adk__vfs_get_stat(inode, &info);
    file->type = info.type;
    if (info.type == ADK__VFS_TYPE_DIRECTORY)
        return 0;
    file->size_bytes = info.size;
    return info.type == ADK__VFS_TYPE_FILE ? read_content(c, inode, file) : read_target(c, root, file);
}

struct walk {
    struct collection *c;
    adk__vfs_inode *root;
};

static int visit(void *data, const char *path, size_t path_size, adk__vfs_inode *inode)
{
    struct walk *walk = data;
    const adk_bytes *pattern = &walk->c->pattern;
    int matches = 1;

    if (!may_work(walk->c, ENTRY_WORK + path_size * (pattern->size + 1)))
        return WALK_STOP;
    if (pattern->size > 0)
        matches = adk__glob_match(pattern->data, pattern->size, path, path_size);
    if (matches <= 0)
        return matches;
    return add(walk->c, adk_bytes_make(path, path_size), walk->root, inode);
}

static int collect_tree(struct collection *c, adk__vfs_inode *root, adk__vfs_inode *dir)
{
    struct walk walk = {c, root};
    uint64_t skipped = 0;
    int r = adk__vfs_walk(dir, false, visit, &walk, &skipped);

    if (skipped > 0)
        c->result->files_incomplete = true;
    return r;
}

/* What is not there does not come back: that is for the caller to see. */
static int collect_named(struct collection *c, adk__vfs_inode *root, adk_bytes path)
{
    adk__vfs_inode *inode;
    adk__vfs_stat info;
    int r;

    if (path.size == 0)
        return collect_tree(c, root, root);
    r = adk__vfs_resolve(root, path.data, path.size, true, &inode);
    if (r != 0)
        return r == -ENOMEM ? WALK_NOMEM : 0;
    adk__vfs_get_stat(inode, &info);
    c->base = path;
    r = add(c, adk_bytes_make(NULL, 0), root, inode);
    if (r == 0 && info.type == ADK__VFS_TYPE_DIRECTORY)
        r = collect_tree(c, root, inode);
    adk__vfs_drop(inode);
    return r;
}

int adk__outputs_collect(const adk_request *request, adk__vfs *vfs, adk__outputs_go_on go_on, void *go_on_data,
                         adk_result *result)
{
    struct collection c = {.result = result,
                           .left_bytes = request->outputs_limit_bytes,
                           .left_names = NAMES_BYTES,
                           .go_on = go_on,
                           .go_on_data = go_on_data};
    adk__vfs_inode *root = adk__vfs_root(vfs);
    int r = 0;

    adk__vfs_lift_limits(vfs);
    for (size_t i = 0; i < request->outputs_count && r == 0; i++) {
        adk_bytes path = adk__request_path(request->outputs[i]);

        c.output = (uint32_t)i;
        c.base = adk_bytes_make(NULL, 0);
        c.pattern = adk_bytes_make(NULL, 0);
        if (!go_on(go_on_data)) {
            r = WALK_STOP;
            break;
        }
        if (!adk__glob_is_pattern(path.data, path.size)) {
            r = collect_named(&c, root, path);
        } else {
            c.pattern = path;
            r = collect_tree(&c, root, root);
        }
    }
    if (r == WALK_NOMEM || r == -ENOMEM)
        return ADK_E_NOMEM;
    if (r != 0)
        result->files_incomplete = true;
    return ADK_OK;
}
