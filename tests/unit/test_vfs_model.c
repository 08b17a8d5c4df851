/*
 * The model test: random sequences of operations, done to a vfs and to a real directory on tmpfs, must agree in
 * every errno and result, and the two trees must be the same now and then and at the end. Seeds that are odd begin
 * with a tree shown from an image, so that every copy on write is checked as well; every other pair of seeds with so
 * much in the tree, out of sight, that memory comes from slabs and blocks.
 *
 * Usage: test_vfs_model [OPERATIONS [SEED]], or ADK_MODEL_OPS and ADK_MODEL_SEED. A failure prints seed and step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vfs/vfs.h"
#include "vfs_model_real.h"

#define DIRS     6
#define FILES    6
#define NAMES    MODEL_NAMES
#define BUF_SIZE (160 * 1024)
#define FAR      (UINT64_C(1) << 40)
#define INOS     (1U << 22)

typedef struct pair {
    adk__vfs_inode *inode;
    int fd;
} pair;

/* A scan under way: names that have been there since it began, and how often each was returned. */
typedef struct scan {
    bool on;
    size_t dir;
    uint64_t cookie;
    size_t count;
    struct {
        char name[ADK__VFS_NAME_MAX + 1];
        bool there;
        int seen;
    } names[NAMES];
} scan;

typedef struct model {
    uint64_t random;
    unsigned long step;
    unsigned long seed;
    adk__vfs *vfs;
    char root[64];
    pair dirs[DIRS]; /* 0 is the root */
    pair files[FILES];
    scan scan;
    uint64_t *inos; /* real number by ours */
    unsigned long agreed[2];
    uint8_t content[BUF_SIZE]; /* what an image's files borrow */
} model;

static uint8_t buffer_a[BUF_SIZE];
static uint8_t buffer_b[BUF_SIZE];

static uint64_t pick(model *m, uint64_t below)
{
    uint64_t z = (m->random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

static void differ(const model *m, const char *what, const char *path, long long ours, long long real)
{
    fail_msg("seed %lu step %lu: %s \"%.200s\": vfs %lld, kernel %lld", m->seed, m->step, what, path, ours, real);
}

static void agree(model *m, const char *what, const char *path, long long ours, long long real)
{
    if (ours != real)
        differ(m, what, path, ours, real);
    m->agreed[ours < 0]++;
}

/* ---- generators ----------------------------------------------------------------------------------------------- */

static void pick_component(model *m, char *text)
{
    uint64_t kind = pick(m, 40);

    if (kind < 3)
        (void)strcpy(text, "..");
    else if (kind < 5)
        (void)strcpy(text, ".");
    else if (kind < 6)
        text[0] = 0;
    else if (kind == 6 && pick(m, 8) == 0) {
        size_t size = 255 + (size_t)pick(m, 2);

        memset(text, 'x', size);
        text[size] = 0;
    } else {
        text[0] = (char)('a' + (char)pick(m, 6));
        text[1] = 0;
    }
}

static void pick_path(model *m, char *path)
{
    uint64_t depth = 1 + pick(m, 3) * pick(m, 2);
    size_t size = 0;

    path[0] = 0;
    if (pick(m, 200) == 0)
        size += (size_t)sprintf(path, "/");
    for (uint64_t i = 0; i < depth; i++) {
        if (i > 0)
            size += (size_t)sprintf(path + size, "/");
        pick_component(m, path + size);
        size += strlen(path + size);
    }
    if (pick(m, 12) == 0)
        size += (size_t)sprintf(path + size, pick(m, 2) == 0 ? "/" : "//");
    if (pick(m, 500) == 0) {
        size_t long_size = ADK__VFS_PATH_MAX - 1 + 2 * (size_t)pick(m, 2);

        memset(path, 'y', long_size);
        for (size_t i = 100; i < long_size; i += 100)
            path[i] = '/';
        path[long_size] = 0;
    }
}

static pair *pick_dir(model *m)
{
    return &m->dirs[pick(m, 2) == 0 ? 0 : pick(m, DIRS)];
}

static uint64_t pick_offset(model *m)
{
    if (pick(m, 16) == 0)
        return FAR + pick(m, 70000);
    return pick(m, pick(m, 2) == 0 ? 300 : 300000);
}

static size_t pick_size(model *m)
{
    return (size_t)pick(m, pick(m, 4) == 0 ? BUF_SIZE : 700);
}

/* ---- comparing ------------------------------------------------------------------------------------------------ */

static void same_stat(model *m, const char *path, adk__vfs_inode *inode, int fd)
{
    adk__vfs_stat ours;
    struct stat real;
    adk__vfs_type type;

    adk__vfs_get_stat(inode, &ours);
    assert_int_equal(fstatat(fd, "", &real, AT_EMPTY_PATH), 0);
    type = S_ISDIR(real.st_mode)   ? ADK__VFS_TYPE_DIRECTORY
           : S_ISLNK(real.st_mode) ? ADK__VFS_TYPE_SYMLINK
                                   : ADK__VFS_TYPE_FILE;
    agree(m, "type", path, ours.type, type);
    agree(m, "nlink", path, (long long)ours.nlink, (long long)real.st_nlink);
    if (type != ADK__VFS_TYPE_DIRECTORY)
        agree(m, "size", path, (long long)ours.size, (long long)real.st_size);
    assert_true(ours.ino < INOS);
    if (m->inos[ours.ino] == 0)
        m->inos[ours.ino] = real.st_ino;
    agree(m, "identity", path, (long long)m->inos[ours.ino], (long long)real.st_ino);
}

static void same_bytes(model *m, const char *path, adk__vfs_inode *inode, int fd, uint64_t offset, size_t size)
{
    size_t ours;
    ssize_t real = pread(fd, buffer_b, size, (off_t)offset);

    memset(buffer_a, 0xee, size);
    assert_int_equal(adk__vfs_pread(inode, buffer_a, size, offset, &ours), 0);
    agree(m, "bytes read", path, (long long)ours, real);
    if (memcmp(buffer_a, buffer_b, ours) != 0)
        differ(m, "content", path, (long long)offset, (long long)size);
}

static size_t list_ours(adk__vfs_inode *dir, model_name *names)
{
    adk__vfs_dirent e = {0};
    size_t count = 0;

    while (adk__vfs_readdir(dir, e.cookie, &e) == 1) {
        assert_true(count < NAMES);
        memcpy(names[count], e.name, e.name_size);
        names[count++][e.name_size] = 0;
    }
    qsort(names, count, sizeof(names[0]), compare_cstr);
    return count;
}

static void same_tree(model *m, adk__vfs_inode *dir, int fd, int depth);

static void same_entry(model *m, adk__vfs_inode *dir, int fd, const char *name, int depth)
{
    adk__vfs_inode *inode = NULL;
    int child = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int file;
    char text_a[ADK__VFS_PATH_MAX + 1];
    char text_b[ADK__VFS_PATH_MAX + 1];
    size_t size;
    adk__vfs_stat st;

    assert_true(child >= 0);
    assert_int_equal(adk__vfs_resolve(dir, name, strlen(name), false, &inode), 0);
    same_stat(m, name, inode, child);
    adk__vfs_get_stat(inode, &st);
    if (st.type == ADK__VFS_TYPE_DIRECTORY) {
        same_tree(m, inode, child, depth + 1);
    } else if (st.type == ADK__VFS_TYPE_SYMLINK) {
        assert_int_equal(adk__vfs_readlink(dir, name, strlen(name), text_a, sizeof(text_a), &size), 0);
        agree(m, "readlink", name, (long long)size, readlinkat(fd, name, text_b, sizeof(text_b)));
        assert_memory_equal(text_a, text_b, size);
    } else {
        file = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        for (uint64_t at = 0; at < 480000 && at < st.size; at += BUF_SIZE)
            same_bytes(m, name, inode, file, at, BUF_SIZE);
        if (st.size > FAR)
            same_bytes(m, name, inode, file, FAR - 1000, BUF_SIZE);
        close(file);
    }
    adk__vfs_drop(inode);
    close(child);
}

static void same_tree(model *m, adk__vfs_inode *dir, int fd, int depth)
{
    model_name *names = calloc(2 * NAMES, sizeof(*names));
    size_t ours = list_ours(dir, names);
    size_t real = list_real(fd, names + NAMES);

    agree(m, "entries", "", (long long)ours, (long long)real);
    for (size_t i = 0; i < ours; i++) {
        if (strcmp(names[i], names[NAMES + i]) != 0)
            differ(m, "name", names[i], (long long)i, depth);
        if (strcmp(names[i], ".") != 0 && strcmp(names[i], "..") != 0)
            same_entry(m, dir, fd, names[i], depth);
    }
    free(names);
}

/* ---- scans that go on while the directory changes ------------------------------------------------------------- */

static void scan_watch(model *m)
{
    model_name *names;
    size_t count;

    if (!m->scan.on)
        return;
    names = calloc(NAMES, sizeof(*names));
    count = list_real(m->dirs[m->scan.dir].fd, names);
    for (size_t i = 0; i < m->scan.count; i++) {
        if (bsearch(m->scan.names[i].name, names, count, sizeof(names[0]), compare_cstr) == NULL)
            m->scan.names[i].there = false;
    }
    free(names);
}

static void scan_step(model *m)
{
    adk__vfs_dirent e;
    int r;

    if (!m->scan.on) {
        model_name *names = calloc(NAMES, sizeof(*names));

        memset(&m->scan, 0, sizeof(m->scan));
        m->scan.dir = (size_t)pick(m, DIRS);
        m->scan.count = list_real(m->dirs[m->scan.dir].fd, names);
        for (size_t i = 0; i < m->scan.count; i++) {
            (void)strcpy(m->scan.names[i].name, names[i]);
            m->scan.names[i].there = true;
        }
        m->scan.on = m->scan.count > 0;
        free(names);
        return;
    }
    r = adk__vfs_readdir(m->dirs[m->scan.dir].inode, m->scan.cookie, &e);
    for (size_t i = 0; r == 1 && i < m->scan.count; i++) {
        if (strlen(m->scan.names[i].name) == e.name_size && memcmp(m->scan.names[i].name, e.name, e.name_size) == 0)
            m->scan.names[i].seen++;
    }
    if (r == 1) {
        m->scan.cookie = e.cookie;
        return;
    }
    for (size_t i = 0; r == 0 && i < m->scan.count; i++) {
        if (m->scan.names[i].there)
            agree(m, "seen in scan", m->scan.names[i].name, m->scan.names[i].seen, 1);
    }
    m->scan.on = false;
}

/* ---- operations ----------------------------------------------------------------------------------------------- */

static void op_open(model *m, const char *path)
{
    static const uint64_t real_flags[] = {O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, 0, O_RDWR};
    pair *dir = pick_dir(m);
    pair opened = {NULL, -1};
    uint32_t flags = (uint32_t)pick(m, 64);
    uint64_t real = 0;
    adk__vfs_stat st;
    pair *place;
    int r;

    if ((flags & ADK__VFS_OPEN_CREATE) == 0)
        flags &= ~(uint32_t)ADK__VFS_OPEN_EXCLUSIVE;
    if (pick(m, 4) != 0)
        flags &= ~(uint32_t)(ADK__VFS_OPEN_DIRECTORY | ADK__VFS_OPEN_TRUNCATE);
    for (size_t i = 0; i < 6; i++)
        real |= (flags & (1U << i)) != 0 ? real_flags[i] : 0;
    if ((flags & ADK__VFS_OPEN_FOLLOW) == 0)
        real |= O_NOFOLLOW;
    r = adk__vfs_open(dir->inode, path, strlen(path), flags, &opened.inode);
    opened.fd = (flags & ADK__VFS_OPEN_CREATE) != 0 && (flags & ADK__VFS_OPEN_DIRECTORY) != 0
                    ? -EINVAL
                    : real_openat2(dir->fd, path, real);
    agree(m, "open", path, r, opened.fd < 0 ? opened.fd : 0);
    if (r < 0)
        return;
    same_stat(m, path, opened.inode, opened.fd);
    adk__vfs_get_stat(opened.inode, &st);
    place = st.type == ADK__VFS_TYPE_DIRECTORY ? &m->dirs[1 + pick(m, DIRS - 1)] : &m->files[pick(m, FILES)];
    if (m->scan.on && place == &m->dirs[m->scan.dir])
        m->scan.on = false;
    if (st.type == ADK__VFS_TYPE_FILE && (flags & ADK__VFS_OPEN_WRITE) == 0) {
        char proc[32];

        (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", opened.fd);
        r = open(proc, O_RDWR | O_CLOEXEC); /* kept files are written */
        close(opened.fd);
        opened.fd = r;
    }
    adk__vfs_drop(place->inode);
    if (place->fd >= 0)
        close(place->fd);
    *place = opened;
}

static void op_name(model *m, const char *path, name_op op)
{
    static const char *const names[] = {"mkdir", "rmdir", "unlink"};
    pair *dir = pick_dir(m);
    size_t size = strlen(path);
    int r;

    if (op == OP_MKDIR)
        r = adk__vfs_mkdir(dir->inode, path, size);
    else
        r = op == OP_RMDIR ? adk__vfs_rmdir(dir->inode, path, size) : adk__vfs_unlink(dir->inode, path, size);
    agree(m, names[op], path, r, real_name_op(dir->fd, path, op));
}

static void op_two(model *m, const char *path, const char *other, uint64_t op)
{
    pair *a = pick_dir(m);
    pair *b = pick_dir(m);
    size_t path_size = strlen(path);
    size_t other_size = strlen(other);
    bool follow = pick(m, 2) == 0;
    int real;
    int r;

    if (op == 0) {
        r = adk__vfs_rename(a->inode, path, path_size, b->inode, other, other_size);
        agree(m, "rename", path, r, real_rename(a->fd, path, b->fd, other));
    } else if (op == 1) {
        r = adk__vfs_link(a->inode, path, path_size, follow, b->inode, other, other_size);
        agree(m, "link", path, r, real_link(a->fd, path, follow, b->fd, other));
    } else if (other_size < ADK__VFS_PATH_MAX) {
        r = adk__vfs_symlink(other, other_size, true, a->inode, path, path_size);
        real = real_symlink(other, a->fd, path);
        if (r == -ENOTDIR && real == -EEXIST && path[path_size - 1] == '/')
            real = -ENOTDIR; /* the documented difference */
        agree(m, "symlink", path, r, real);
    }
}

static void op_look(model *m, const char *path)
{
    pair *dir = pick_dir(m);
    bool follow = pick(m, 2) == 0;
    adk__vfs_inode *inode = NULL;
    char text_a[50];
    char text_b[50];
    size_t size = 0;
    ssize_t real_size;
    int r = adk__vfs_resolve(dir->inode, path, strlen(path), follow, &inode);
    int fd = real_openat2(dir->fd, path, O_PATH | (follow ? 0U : O_NOFOLLOW));

    agree(m, "resolve", path, r, fd < 0 ? fd : 0);
    if (r == 0) {
        same_stat(m, path, inode, fd);
        real_size = readlinkat(fd, "", text_b, sizeof(text_b));
        if (!follow) {
            r = adk__vfs_readlink(dir->inode, path, strlen(path), text_a, sizeof(text_a), &size);
            agree(m, "readlink", path, r < 0 ? -1 : (long long)size, real_size);
            assert_true(r < 0 || memcmp(text_a, text_b, size) == 0);
        }
        adk__vfs_drop(inode);
    }
    if (fd >= 0)
        close(fd);
}

static void op_file(model *m)
{
    pair *file = &m->files[pick(m, FILES)];
    uint64_t offset = pick_offset(m);
    size_t size = pick_size(m);
    uint64_t end = 0;
    size_t ours = 0;

    if (file->inode == NULL)
        return;
    memset(buffer_a, (int)(1 + m->step % 255), size);
    switch (pick(m, 6)) {
    case 0:
        assert_int_equal(adk__vfs_pwrite(file->inode, buffer_a, size, offset, &ours), 0);
        agree(m, "pwrite", "", (long long)ours, pwrite(file->fd, buffer_a, size, (off_t)offset));
        break;
    case 1:
        assert_int_equal(adk__vfs_append(file->inode, buffer_a, size, &ours, &end), 0);
        assert_true(lseek(file->fd, 0, SEEK_END) >= 0);
        agree(m, "append", "", (long long)ours, write(file->fd, buffer_a, size));
        agree(m, "offset", "", (long long)end, lseek(file->fd, 0, SEEK_CUR));
        break;
    case 2:
        agree(m, "truncate", "", adk__vfs_truncate(file->inode, offset), ftruncate(file->fd, (off_t)offset));
        break;
    case 3:
        agree(m, "allocate", "", adk__vfs_allocate(file->inode, offset, size + 1),
              -posix_fallocate(file->fd, (off_t)offset, (off_t)size + 1));
        break;
    default:
        same_bytes(m, "pread", file->inode, file->fd, offset, size);
        break;
    }
    same_stat(m, "file", file->inode, file->fd);
}

static void one_step(model *m)
{
    static char path[ADK__VFS_PATH_MAX + 512];
    static char other[ADK__VFS_PATH_MAX + 512];
    uint64_t op = pick(m, 16);

    pick_path(m, path);
    pick_path(m, other);
    if (op < 3)
        op_open(m, path);
    else if (op < 5)
        op_name(m, path, OP_MKDIR);
    else if (op < 7)
        op_name(m, path, op == 5 ? OP_RMDIR : OP_UNLINK);
    else if (op < 10)
        op_two(m, path, other, op - 7);
    else if (op == 10)
        op_look(m, path);
    else if (op < 14)
        op_file(m);
    else
        scan_step(m);
    scan_watch(m);
}

/* ---- the run -------------------------------------------------------------------------------------------------- */

static unsigned long chosen_ops = 20000;
static unsigned long chosen_seed = 1;
static bool skipped;

/* The same small tree on both sides. */
static void plant(model *m, adk__vfs_inode *root, int fd)
{
    static const char *const dirs[] = {"a", "b", "a/b", "a/c", "b/d", "a/b/e", "f"};
    static const char *const files[] = {"a/a", "a/d", "b/a", "a/b/a", "c"};
    static const char *const links[][2] = {{"a", "d"}, {"../b", "a/e"}, {"../../a/a", "b/d/a"}, {"none", "b/e"}};

    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        assert_int_equal(adk__vfs_mkdir(root, dirs[i], strlen(dirs[i])), 0);
        assert_int_equal(real_name_op(fd, dirs[i], OP_MKDIR), 0);
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        int file = real_openat2(fd, files[i], O_CREAT | O_WRONLY);
        size_t size = i * i * 9973;

        assert_int_equal(write(file, m->content, size), (ssize_t)size);
        assert_int_equal(adk__vfs_add_borrowed(root, files[i], strlen(files[i]), m->content, size), 0);
        close(file);
    }
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        assert_int_equal(
            adk__vfs_symlink(links[i][0], strlen(links[i][0]), true, root, links[i][1], strlen(links[i][1])), 0);
        assert_int_equal(real_symlink(links[i][0], fd, links[i][1]), 0);
    }
}

static adk__vfs_image *plant_image(model *m, int fd)
{
    adk__vfs *vfs = NULL;
    adk__vfs_image *image = NULL;

    assert_int_equal(adk__vfs_new(NULL, &vfs), 0);
    plant(m, adk__vfs_root(vfs), fd);
    assert_int_equal(adk__vfs_seal(vfs, &image), 0);
    adk__vfs_free(vfs);
    return image;
}

/* A file without a name, which nobody sees; it goes with the tree. */
static void load(adk__vfs *vfs)
{
    adk__vfs_inode *root = adk__vfs_root(vfs);
    adk__vfs_inode *file = NULL;

    assert_int_equal(adk__vfs_open(root, "ballast", 7, ADK__VFS_OPEN_CREATE, &file), 0);
    assert_int_equal(adk__vfs_allocate(file, 0, UINT64_C(2) << 20), 0);
    assert_int_equal(adk__vfs_unlink(root, "ballast", 7), 0);
}

static bool model_begin(model *m)
{
    adk__vfs_options options = {.max_bytes = UINT64_C(1) << 32};
    int probe;

    m->seed = chosen_seed;
    m->random = chosen_seed;
    for (size_t i = 0; i < sizeof(m->content); i++)
        m->content[i] = (uint8_t)(i * 31 + i / 256);
    (void)strcpy(m->root, "/dev/shm/adk-vfs-XXXXXX");
    if (mkdtemp(m->root) == NULL) {
        (void)strcpy(m->root, "/tmp/adk-vfs-XXXXXX");
        assert_non_null(mkdtemp(m->root));
    }
    for (size_t i = 0; i < DIRS; i++)
        m->dirs[i].fd = open(m->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < FILES; i++)
        m->files[i].fd = -1;
    probe = real_openat2(m->dirs[0].fd, ".", O_PATH);
    if (probe < 0)
        return false;
    close(probe);
    m->inos = calloc(INOS, sizeof(*m->inos));
    if (m->seed % 2 != 0)
        options.image = plant_image(m, m->dirs[0].fd);
    assert_int_equal(adk__vfs_new(&options, &m->vfs), 0);
    adk__vfs_image_unref(options.image);
    if (m->seed / 2 % 2 != 0)
        load(m->vfs);
    for (size_t i = 0; i < DIRS; i++)
        m->dirs[i].inode = adk__vfs_hold(adk__vfs_root(m->vfs));
    return true;
}

static void model_end(model *m)
{
    int status;

    for (size_t i = 0; i < DIRS; i++)
        close(m->dirs[i].fd);
    for (size_t i = 0; i < FILES; i++) {
        if (m->files[i].fd >= 0)
            close(m->files[i].fd);
    }
    adk__vfs_free(m->vfs);
    free(m->inos);
    if (fork() == 0) {
        execlp("rm", "rm", "-rf", "--", m->root, (char *)NULL);
        _exit(127);
    }
    (void)wait(&status);
}

static int setup(void **state)
{
    *state = calloc(1, sizeof(model));
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    model_end(*state);
    free(*state);
    return 0;
}

static void test_model(void **state)
{
    model *m = *state;

    if (!model_begin(m)) {
        print_message("skipped: this machine has no openat2\n");
        skipped = true;
        skip();
    }
    for (m->step = 1; m->step <= chosen_ops; m->step++) {
        one_step(m);
        if (m->step % 500 == 0)
            same_tree(m, m->dirs[0].inode, m->dirs[0].fd, 0);
    }
    same_tree(m, m->dirs[0].inode, m->dirs[0].fd, 0);
    print_message("%lu operations, seed %lu: %lu results and %lu errors agreed\n", chosen_ops, chosen_seed,
                  m->agreed[0], m->agreed[1]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_model, setup, teardown)};
    const char *ops = argc > 1 ? argv[1] : getenv("ADK_MODEL_OPS");
    const char *seed = argc > 2 ? argv[2] : getenv("ADK_MODEL_SEED");
    int failed;

    if (ops != NULL)
        chosen_ops = strtoul(ops, NULL, 0);
    if (seed != NULL)
        chosen_seed = strtoul(seed, NULL, 0);
    failed = cmocka_run_group_tests_name("vfs model", tests, NULL, NULL);
    return failed == 0 && skipped ? 77 : failed;
}
