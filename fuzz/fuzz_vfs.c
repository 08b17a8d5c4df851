/*
 * Fuzzes the vfs: bytes become operations on one tree that shows an image, under a small quota and a budget. What must
 * hold whatever the guest does: the budget never exceeds its limit, agrees with what the tree says of itself, and is
 * back at zero in the end; reads stay within sizes; a scan of a directory ends and finds as many entries as there are.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/vfs.h"

#define LIMIT   (UINT64_C(512) * 1024)
#define BALLAST (UINT64_C(1300) * 1024) /* enough for slabs and blocks from the beginning */
#define ROOM    (UINT64_C(2500) * 1024) /* beside it: one block, and a little */
#define HANDLES 8

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

typedef struct budget {
    uint64_t used;
    uint64_t limit;
} budget;

static const char borrowed[100000] = "borrowed content";

static uint64_t take(input *in, size_t bytes)
{
    uint64_t value = 0;

    for (; bytes > 0 && in->size > 0; bytes--) {
        value = value << 8 | *in->data++;
        in->size--;
    }
    return value;
}

/* A path, mostly of few names, so that operations meet. */
static size_t take_path(input *in, char path[ADK__VFS_PATH_MAX + 64])
{
    static const char *const parts[] = {"a", "b", "c", "d", "lib", "big", "link", "..", ".", "", "/", "a/b", "c/"};
    size_t count = take(in, 1) % 5;
    size_t size = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t kind = take(in, 1);
        const char *part = parts[kind % (sizeof(parts) / sizeof(parts[0]))];

        if (kind == 255) {
            size_t run = (size_t)take(in, 2) % 4200;

            if (size + run > ADK__VFS_PATH_MAX + 32)
                break;
            memset(path + size, (int)take(in, 1), run);
            size += run;
            continue;
        }
        if (size > ADK__VFS_PATH_MAX)
            break;
        if (i > 0)
            path[size++] = '/';
        memcpy(path + size, part, strlen(part));
        size += strlen(part);
    }
    return size;
}

static uint64_t take_offset(input *in)
{
    uint64_t kind = take(in, 1);

    if (kind < 200)
        return take(in, 2);
    return kind < 240 ? take(in, 3) : take(in, 8);
}

static bool charge(void *data, uint64_t bytes)
{
    budget *b = data;

    assert(b->used <= b->limit);
    if (bytes > b->limit - b->used)
        return false;
    b->used += bytes;
    return true;
}

static void release(void *data, uint64_t bytes)
{
    budget *b = data;

    assert(bytes <= b->used);
    b->used -= bytes;
}

static uint64_t ticks(void *data)
{
    return ++*(uint64_t *)data;
}

static adk__vfs_image *make_image(void)
{
    adk__vfs *vfs = NULL;
    adk__vfs_image *image = NULL;
    adk__vfs_inode *root;

    if (adk__vfs_new(NULL, &vfs) < 0)
        abort();
    root = adk__vfs_root(vfs);
    if (adk__vfs_mkdir_all(root, "lib/a/b", 7) < 0 || adk__vfs_mkdir(root, "d", 1) < 0 ||
        adk__vfs_add_borrowed(root, "lib/big", 7, borrowed, sizeof(borrowed)) < 0 ||
        adk__vfs_add_borrowed(root, "lib/a/c", 7, borrowed, 10) < 0 ||
        adk__vfs_symlink("lib/a", 5, false, root, "link", 4) < 0 ||
        adk__vfs_symlink("../big", 6, false, root, "lib/a/link", 10) < 0 || adk__vfs_seal(vfs, &image) < 0)
        abort();
    adk__vfs_free(vfs);
    return image;
}

static void keep(adk__vfs_inode *handles[HANDLES], input *in, adk__vfs_inode *inode)
{
    size_t i = 1 + take(in, 1) % (HANDLES - 1);

    adk__vfs_drop(handles[i]);
    handles[i] = inode;
}

static void scan(adk__vfs_inode *dir)
{
    adk__vfs_dirent e = {0};
    uint64_t entries = 0;
    uint64_t before = 0;
    int r;

    while ((r = adk__vfs_readdir(dir, e.cookie, &e)) == 1) {
        assert(e.cookie > before);
        assert(e.name_size > 0 && e.name_size <= ADK__VFS_NAME_MAX);
        before = e.cookie;
        entries++;
    }
    assert(r != 0 || entries == adk__vfs_size(dir) + 2);
}

static int visit(void *data, const char *path, size_t path_size, adk__vfs_inode *inode)
{
    adk__vfs_inode *found = NULL;

    /* What the walk names, resolution finds. */
    assert(path_size <= ADK__VFS_PATH_MAX);
    assert(adk__vfs_resolve(data, path, path_size, false, &found) == 0);
    assert(found == inode);
    adk__vfs_drop(found);
    return 0;
}

static void on_file(input *in, uint64_t op, adk__vfs_inode *inode)
{
    static uint8_t data[70000];
    uint64_t offset = take_offset(in);
    size_t size = (size_t)take(in, 3) % sizeof(data);
    uint64_t end = 0;
    size_t done = 0;

    if (op == 0 && adk__vfs_pwrite(inode, data, size, offset, &done) == 0)
        assert(done <= size && (done == 0 || adk__vfs_size(inode) >= offset + done));
    if (op == 1 && adk__vfs_append(inode, data, size, &done, &end) == 0)
        assert(done <= size && end == adk__vfs_size(inode));
    if (op == 2 && adk__vfs_truncate(inode, offset) == 0)
        assert(adk__vfs_size(inode) == offset);
    if (op == 3)
        (void)adk__vfs_allocate(inode, offset, size);
    if (op == 4 && adk__vfs_pread(inode, data, size, offset, &done) == 0)
        assert(done <= size && (done == 0 || offset + done <= adk__vfs_size(inode)));
}

static void on_names(input *in, uint64_t op, adk__vfs_inode *handles[HANDLES], adk__vfs_inode *dir)
{
    char path[ADK__VFS_PATH_MAX + 64];
    char other[ADK__VFS_PATH_MAX + 64];
    size_t size = take_path(in, path);
    size_t other_size = op >= 5 ? take_path(in, other) : 0;
    adk__vfs_inode *second = handles[take(in, 1) % HANDLES];
    adk__vfs_inode *opened;

    second = second == NULL ? dir : second;
    if (op == 0 && adk__vfs_open(dir, path, size, (uint32_t)take(in, 1) & 63U, &opened) == 0)
        keep(handles, in, opened);
    if (op == 1)
        (void)adk__vfs_mkdir(dir, path, size);
    if (op == 2)
        (void)adk__vfs_rmdir(dir, path, size);
    if (op == 3)
        (void)adk__vfs_unlink(dir, path, size);
    if (op == 4 && adk__vfs_resolve(dir, path, size, take(in, 1) & 1U, &opened) == 0)
        keep(handles, in, opened);
    if (op == 5)
        (void)adk__vfs_rename(dir, path, size, second, other, other_size);
    if (op == 6)
        (void)adk__vfs_link(dir, path, size, take(in, 1) & 1U, second, other, other_size);
    if (op == 7)
        (void)adk__vfs_symlink(other, other_size, false, dir, path, size);
    if (op == 8)
        (void)adk__vfs_readlink(dir, path, size, other, sizeof(other), &other_size);
    if (op == 9)
        (void)adk__vfs_add_borrowed(dir, path, size, borrowed, sizeof(borrowed));
    if (op == 10)
        (void)adk__vfs_set_times(dir, (uint32_t)take(in, 1), 1, 2);
}

/* A file without a name that makes the tree a large one. */
static void load(adk__vfs *vfs)
{
    adk__vfs_inode *root = adk__vfs_root(vfs);
    adk__vfs_inode *file;

    if (adk__vfs_open(root, "ballast", 7, ADK__VFS_OPEN_CREATE, &file) < 0)
        abort();
    if (adk__vfs_allocate(file, 0, BALLAST) < 0 || adk__vfs_unlink(root, "ballast", 7) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static adk__vfs_image *image;
    input in = {data, size};
    budget b = {.limit = LIMIT};
    uint64_t kind;
    uint64_t clock = 0;
    adk__vfs_options options = {.max_inodes = 200,
                                .charge = charge,
                                .release = release,
                                .budget_data = &b,
                                .clock_ns = ticks,
                                .clock_data = &clock};
    adk__vfs_inode *handles[HANDLES] = {NULL};
    adk__vfs *vfs = NULL;
    uint64_t bytes;
    uint64_t inodes;

    if (image == NULL)
        image = make_image();
    kind = take(&in, 1);
    options.image = kind % 4 != 0 ? image : NULL;
    if (kind / 4 % 2 != 0)
        b.limit = BALLAST + ROOM;
    if (adk__vfs_new(&options, &vfs) < 0)
        abort();
    if (kind / 4 % 2 != 0)
        load(vfs);
    handles[0] = adk__vfs_hold(adk__vfs_root(vfs));
    while (in.size > 0) {
        uint64_t op = take(&in, 1) % 20;
        adk__vfs_inode *inode = handles[take(&in, 1) % HANDLES];

        inode = inode == NULL ? handles[0] : inode;
        if (op < 5)
            on_file(&in, op, inode);
        else if (op < 16)
            on_names(&in, op - 5, handles, inode);
        else if (op == 16)
            scan(inode);
        else if (op == 17)
            keep(handles, &in, NULL);
        else if (op == 18)
            (void)adk__vfs_walk(inode, take(&in, 1) & 1U, visit, inode, NULL);
        else if (take(&in, 1) == 0)
            (void)adk__vfs_mount(inode, "mnt", 3, image);
        adk__vfs_usage(vfs, &bytes, &inodes);
        assert(bytes == b.used && bytes <= b.limit && inodes <= options.max_inodes);
    }
    for (size_t i = 1; i < HANDLES; i++) {
        adk__vfs_drop(handles[i]);
    }
    adk__vfs_free(vfs);
    assert(b.used == 0);
    return 0;
}
