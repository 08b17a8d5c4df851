/* Names: paths, opening, making, removing, renaming, links, times, and what may not leave the root. */
#include "vfs_model_fixture.h"

static void test_empty(void **state)
{
    fixture f = {0};
    adk__vfs_dirent e = {0};
    adk__vfs_stat st;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(look(f.root, ".", false, &st), 0);
    assert_int_equal(st.type, ADK__VFS_TYPE_DIRECTORY);
    assert_int_equal(st.nlink, 2);
    assert_false(st.changed);
    assert_int_equal(adk__vfs_readdir(f.root, 0, &e), 1);
    assert_memory_equal(e.name, ".", e.name_size);
    assert_int_equal(adk__vfs_readdir(f.root, e.cookie, &e), 1);
    assert_int_equal(e.name_size, 2);
    assert_int_equal(e.ino, st.ino);
    assert_int_equal(adk__vfs_readdir(f.root, e.cookie, &e), 0);
    assert_int_equal(adk__vfs_readdir(f.root, UINT64_MAX, &e), 0);
    fixture_end(&f);
    adk__vfs_free(NULL);
    adk__vfs_drop(NULL);
}

static void test_default_options(void **state)
{
    adk__vfs *vfs = NULL;
    adk__vfs_stat st;

    (void)state;
    assert_int_equal(adk__vfs_new(NULL, &vfs), 0);
    put(adk__vfs_root(vfs), "f", "x");
    assert_int_equal(look(adk__vfs_root(vfs), "f", false, &st), 0);
    assert_true(st.mtime_ns > UINT64_C(1500000000000000000));
    adk__vfs_free(vfs);
}

static void test_path_errors(void **state)
{
    fixture f = {0};
    adk__vfs_inode *inode = NULL;
    adk__vfs_inode *file;
    char path[ADK__VFS_PATH_MAX + 1];

    (void)state;
    fixture_begin(&f);
    put(f.root, "file", "x");
    assert_int_equal(adk__vfs_mkdir(f.root, P("d")), 0);
    assert_int_equal(exists(f.root, ""), -ENOENT);
    assert_int_equal(exists(f.root, "none"), -ENOENT);
    assert_int_equal(exists(f.root, "none/x"), -ENOENT);
    assert_int_equal(exists(f.root, "file/x"), -ENOTDIR);
    assert_int_equal(exists(f.root, "file/"), -ENOTDIR);
    assert_int_equal(exists(f.root, "file/."), -ENOTDIR);
    assert_int_equal(exists(f.root, "d/.//../d///"), 0);
    assert_int_equal(adk__vfs_resolve(f.root, P("d\0x"), true, &inode), -EINVAL);
    assert_int_equal(adk__vfs_mkdir(f.root, P("d2\0")), -EINVAL);
    memset(path, 'n', sizeof(path));
    assert_int_equal(adk__vfs_mkdir(f.root, path, 256), -ENAMETOOLONG);
    assert_int_equal(adk__vfs_mkdir(f.root, path, 255), 0);
    for (size_t i = 0; i < sizeof(path); i += 2)
        memcpy(path + i, "./", sizeof(path) - i < 2 ? 1 : 2);
    assert_int_equal(adk__vfs_resolve(f.root, path, ADK__VFS_PATH_MAX + 1, true, &inode), -ENAMETOOLONG);
    assert_int_equal(adk__vfs_resolve(f.root, path, ADK__VFS_PATH_MAX, true, &inode), 0);
    assert_ptr_equal(inode, f.root);
    adk__vfs_drop(inode);
    file = open_at(f.root, "file", 0);
    assert_int_equal(adk__vfs_resolve(file, P("x"), true, &inode), -ENOTDIR);
    adk__vfs_drop(file);
    fixture_end(&f);
}

static void test_no_escape(void **state)
{
    static const char *const out[] = {"..",  "../x",         "/",        "/d",       "d/../..", "d/../../d",
                                      "out", "out/d",        "abs",      "abs/d",    "d/up2",   "d/up2/d",
                                      "up/", "d/e/../../..", "../root/", "d/abs2/.."};
    fixture f = {0};
    adk__vfs_inode *d;
    adk__vfs_inode *opened = NULL;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(adk__vfs_mkdir_all(f.root, P("d/e")), 0);
    assert_int_equal(adk__vfs_symlink(P("../d"), false, f.root, P("out")), 0);
    assert_int_equal(adk__vfs_symlink(P(".."), false, f.root, P("up")), 0);
    assert_int_equal(adk__vfs_symlink(P("../../d"), false, f.root, P("d/up2")), 0);
    assert_int_equal(adk__vfs_symlink(P(".."), false, f.root, P("d/up1")), 0);
    assert_int_equal(adk__vfs_symlink(P("/d"), false, f.root, P("abs")), -EPERM);
    assert_int_equal(adk__vfs_symlink(P("/d"), true, f.root, P("abs")), 0);
    assert_int_equal(adk__vfs_symlink(P("/d"), true, f.root, P("d/abs2")), 0);
    for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
        size_t size = strlen(out[i]);

        assert_int_equal(adk__vfs_resolve(f.root, out[i], size, true, &opened), -EPERM);
        assert_int_equal(adk__vfs_open(f.root, out[i], size, ADK__VFS_OPEN_FOLLOW, &opened), -EPERM);
    }
    assert_int_equal(adk__vfs_mkdir(f.root, P("..")), -EPERM);
    assert_int_equal(adk__vfs_rmdir(f.root, P("../d")), -EPERM);
    assert_int_equal(adk__vfs_unlink(f.root, P("/d")), -EPERM);
    assert_int_equal(adk__vfs_rename(f.root, P("../a"), f.root, P("b")), -EPERM);
    assert_int_equal(adk__vfs_rename(f.root, P("d"), f.root, P("/d")), -EPERM);
    assert_int_equal(adk__vfs_link(f.root, P("up1"), false, f.root, P("../x")), -ENOENT);
    /* The directory a path starts in is the boundary, also where it is not the root. */
    d = open_at(f.root, "d", ADK__VFS_OPEN_DIRECTORY);
    assert_int_equal(exists(d, ".."), -EPERM);
    assert_int_equal(exists(d, "e/../../d"), -EPERM);
    assert_int_equal(exists(d, "up1/d"), -EPERM);
    assert_int_equal(exists(f.root, "d/up1/d/e"), 0);
    assert_int_equal(exists(d, "e/.."), 0);
    adk__vfs_drop(d);
    fixture_end(&f);
}

static void test_open_flags(void **state)
{
    const uint32_t create = ADK__VFS_OPEN_CREATE;
    const uint32_t exclusive = create | ADK__VFS_OPEN_EXCLUSIVE;
    fixture f = {0};
    adk__vfs_inode *o = NULL;

    (void)state;
    fixture_begin(&f);
    put(f.root, "file", "content");
    assert_int_equal(adk__vfs_mkdir(f.root, P("d")), 0);
    assert_int_equal(adk__vfs_symlink(P("file"), false, f.root, P("link")), 0);
    assert_int_equal(adk__vfs_symlink(P("made"), false, f.root, P("dangling")), 0);
    assert_int_equal(adk__vfs_symlink(P("d"), false, f.root, P("dlink")), 0);
    assert_int_equal(adk__vfs_open(f.root, P("none"), 0, &o), -ENOENT);
    assert_int_equal(adk__vfs_open(f.root, P("file"), exclusive, &o), -EEXIST);
    assert_int_equal(adk__vfs_open(f.root, P("dangling"), exclusive | ADK__VFS_OPEN_FOLLOW, &o), -EEXIST);
    assert_int_equal(adk__vfs_open(f.root, P("file"), ADK__VFS_OPEN_DIRECTORY, &o), -ENOTDIR);
    assert_int_equal(adk__vfs_open(f.root, P("link"), 0, &o), -ELOOP);
    assert_int_equal(adk__vfs_open(f.root, P("link"), ADK__VFS_OPEN_DIRECTORY, &o), -ENOTDIR);
    assert_int_equal(adk__vfs_open(f.root, P("link/"), 0, &o), -ENOTDIR);
    assert_int_equal(adk__vfs_open(f.root, P("d"), ADK__VFS_OPEN_WRITE, &o), -EISDIR);
    assert_int_equal(adk__vfs_open(f.root, P("d"), ADK__VFS_OPEN_TRUNCATE, &o), -EISDIR);
    assert_int_equal(adk__vfs_open(f.root, P("d"), create, &o), -EISDIR);
    assert_int_equal(adk__vfs_open(f.root, P("."), create, &o), -EISDIR);
    assert_int_equal(adk__vfs_open(f.root, P("new/"), create, &o), -EISDIR);
    assert_int_equal(adk__vfs_open(f.root, P("new"), create | ADK__VFS_OPEN_DIRECTORY, &o), -EINVAL);
    assert_int_equal(adk__vfs_open(f.root, P("none/new"), create, &o), -ENOENT);
    adk__vfs_drop(open_at(f.root, "dlink/", 0));
    adk__vfs_drop(open_at(f.root, "dlink", ADK__VFS_OPEN_FOLLOW | ADK__VFS_OPEN_DIRECTORY));
    expect_text(f.root, "link", "content");
    adk__vfs_drop(open_at(f.root, "dangling", create | ADK__VFS_OPEN_FOLLOW));
    assert_int_equal(exists(f.root, "made"), 0);
    adk__vfs_drop(open_at(f.root, "link", ADK__VFS_OPEN_FOLLOW | ADK__VFS_OPEN_TRUNCATE));
    expect_text(f.root, "file", "");
    fixture_end(&f);
}

static void test_symlink_limits(void **state)
{
    fixture f = {0};
    char name[32];
    char target[16];
    char longest[ADK__VFS_PATH_MAX + 1];
    size_t size = 0;

    (void)state;
    fixture_begin(&f);
    put(f.root, "l0", "end");
    for (int i = 1; i <= 41; i++) {
        (void)snprintf(name, sizeof(name), "l%d", i);
        (void)snprintf(target, sizeof(target), "l%d", i - 1);
        assert_int_equal(adk__vfs_symlink(target, strlen(target), false, f.root, name, strlen(name)), 0);
    }
    expect_text(f.root, "l40", "end");
    assert_int_equal(adk__vfs_symlink(P("self"), false, f.root, P("self")), 0);
    adk__vfs_stat st;
    assert_int_equal(look(f.root, "l41", true, &st), -ELOOP);
    assert_int_equal(look(f.root, "l41", false, &st), 0);
    assert_int_equal(look(f.root, "self", true, &st), -ELOOP);
    assert_int_equal(look(f.root, "self/x", false, &st), -ELOOP);
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(adk__vfs_symlink(longest, sizeof(longest), false, f.root, P("s")), -ENAMETOOLONG);
    assert_int_equal(adk__vfs_symlink(longest, sizeof(longest) - 1, false, f.root, P("s")), 0);
    assert_int_equal(look(f.root, "s", false, &st), 0);
    assert_int_equal(st.size, ADK__VFS_PATH_MAX);
    assert_int_equal(adk__vfs_symlink(P(""), false, f.root, P("t")), -ENOENT);
    assert_int_equal(adk__vfs_symlink(P("a\0b"), false, f.root, P("t")), -EINVAL);
    assert_int_equal(adk__vfs_readlink(f.root, P("l12"), name, 2, &size), 0);
    assert_int_equal(size, 2);
    assert_memory_equal(name, "l1", 2);
    assert_int_equal(adk__vfs_readlink(f.root, P("l0"), name, 2, &size), -EINVAL);
    assert_int_equal(adk__vfs_readlink(f.root, P("l12"), NULL, 0, &size), 0);
    assert_int_equal(size, 0);
    fixture_end(&f);
}

/* What the public wasi-testsuite asks of path_symlink with a slash at the end. */
static void test_symlink_slash(void **state)
{
    fixture f = {0};

    (void)state;
    fixture_begin(&f);
    assert_int_equal(adk__vfs_symlink(P("source"), false, f.root, P("target/")), -ENOENT);
    assert_int_equal(adk__vfs_mkdir(f.root, P("target")), 0);
    assert_int_equal(adk__vfs_symlink(P("source"), false, f.root, P("target/")), -EEXIST);
    assert_int_equal(adk__vfs_symlink(P("source"), false, f.root, P("target")), -EEXIST);
    assert_int_equal(adk__vfs_rmdir(f.root, P("target/")), 0);
    put(f.root, "target", "");
    assert_int_equal(adk__vfs_symlink(P("source"), false, f.root, P("target/")), -ENOTDIR);
    assert_int_equal(adk__vfs_symlink(P("source"), false, f.root, P("target")), -EEXIST);
    fixture_end(&f);
}

static void test_remove(void **state)
{
    fixture f = {0};
    adk__vfs_stat st;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(adk__vfs_mkdir_all(f.root, P("d/e")), 0);
    assert_int_equal(adk__vfs_mkdir(f.root, P("d")), -EEXIST);
    assert_int_equal(adk__vfs_mkdir(f.root, P(".")), -EEXIST);
    put(f.root, "file", "x");
    assert_int_equal(adk__vfs_mkdir_all(f.root, P("file/x")), -ENOTDIR);
    assert_int_equal(adk__vfs_mkdir_all(f.root, P("file")), -EEXIST);
    assert_int_equal(adk__vfs_rmdir(f.root, P("d")), -ENOTEMPTY);
    assert_int_equal(adk__vfs_rmdir(f.root, P("d/.")), -EINVAL);
    assert_int_equal(adk__vfs_rmdir(f.root, P("d/e/..")), -ENOTEMPTY);
    assert_int_equal(adk__vfs_rmdir(f.root, P(".")), -EINVAL);
    assert_int_equal(adk__vfs_rmdir(f.root, P("file")), -ENOTDIR);
    assert_int_equal(adk__vfs_rmdir(f.root, P("none")), -ENOENT);
    assert_int_equal(adk__vfs_unlink(f.root, P("d")), -EISDIR);
    assert_int_equal(adk__vfs_unlink(f.root, P("d/")), -EISDIR);
    assert_int_equal(adk__vfs_unlink(f.root, P("file/")), -ENOTDIR);
    assert_int_equal(look(f.root, "d", false, &st), 0);
    assert_int_equal(st.nlink, 3);
    assert_int_equal(adk__vfs_rmdir(f.root, P("d/e/")), 0);
    assert_int_equal(look(f.root, "d", false, &st), 0);
    assert_int_equal(st.nlink, 2);
    assert_int_equal(adk__vfs_rmdir(f.root, P("d")), 0);
    assert_int_equal(adk__vfs_unlink(f.root, P("file")), 0);
    assert_int_equal(exists(f.root, "file"), -ENOENT);
    fixture_end(&f);
}

static void test_unlinked_lives_on(void **state)
{
    fixture f = {0};
    adk__vfs_inode *file;
    adk__vfs_inode *dir;
    adk__vfs_dirent e;
    adk__vfs_stat st;
    uint64_t before;
    size_t done = 0;
    char text[8];

    (void)state;
    fixture_begin(&f);
    assert_int_equal(adk__vfs_mkdir(f.root, P("keep")), 0);
    assert_int_equal(adk__vfs_rmdir(f.root, P("keep")), 0);
    before = f.used;
    put(f.root, "file", "content");
    assert_int_equal(adk__vfs_mkdir(f.root, P("dir")), 0);
    file = open_at(f.root, "file", 0);
    dir = open_at(f.root, "dir", ADK__VFS_OPEN_DIRECTORY);
    assert_int_equal(adk__vfs_unlink(f.root, P("file")), 0);
    assert_int_equal(adk__vfs_rmdir(f.root, P("dir")), 0);
    assert_int_equal(adk__vfs_pread(file, text, sizeof(text), 0, &done), 0);
    assert_int_equal(done, 7);
    assert_int_equal(adk__vfs_pwrite(file, "more", 4, 7, &done), 0);
    adk__vfs_get_stat(file, &st);
    assert_int_equal(st.nlink, 0);
    assert_int_equal(st.size, 11);
    assert_int_equal(adk__vfs_mkdir(dir, P("x")), -ENOENT);
    assert_int_equal(adk__vfs_open(dir, P("x"), ADK__VFS_OPEN_CREATE, &file), -ENOENT);
    assert_int_equal(adk__vfs_readdir(dir, 0, &e), -ENOENT);
    assert_int_equal(exists(dir, "."), 0);
    assert_int_equal(exists(dir, ".."), -EPERM);
    assert_true(f.used > before);
    adk__vfs_drop(adk__vfs_hold(file));
    adk__vfs_drop(file);
    adk__vfs_drop(dir);
    assert_int_equal(f.used, before);
    fixture_end(&f);
}

static void test_hard_links(void **state)
{
    fixture f = {0};
    adk__vfs_stat a;
    adk__vfs_stat b;

    (void)state;
    fixture_begin(&f);
    put(f.root, "a", "shared");
    assert_int_equal(adk__vfs_mkdir(f.root, P("d")), 0);
    assert_int_equal(adk__vfs_symlink(P("a"), false, f.root, P("s")), 0);
    assert_int_equal(adk__vfs_link(f.root, P("a"), false, f.root, P("d/b")), 0);
    assert_int_equal(look(f.root, "a", false, &a), 0);
    assert_int_equal(look(f.root, "d/b", false, &b), 0);
    assert_int_equal(a.ino, b.ino);
    assert_int_equal(b.nlink, 2);
    assert_int_equal(adk__vfs_link(f.root, P("s"), false, f.root, P("s2")), 0);
    assert_int_equal(look(f.root, "s2", false, &b), 0);
    assert_int_equal(b.type, ADK__VFS_TYPE_SYMLINK);
    assert_int_equal(adk__vfs_link(f.root, P("s"), true, f.root, P("a2")), 0);
    assert_int_equal(look(f.root, "a2", false, &b), 0);
    assert_int_equal(b.ino, a.ino);
    assert_int_equal(adk__vfs_link(f.root, P("d"), false, f.root, P("d2")), -EPERM);
    assert_int_equal(adk__vfs_link(f.root, P("d"), false, f.root, P("a")), -EEXIST);
    assert_int_equal(adk__vfs_link(f.root, P("a"), false, f.root, P("a")), -EEXIST);
    assert_int_equal(adk__vfs_link(f.root, P("a"), false, f.root, P("n/")), -ENOENT);
    assert_int_equal(adk__vfs_link(f.root, P("none"), false, f.root, P("n")), -ENOENT);
    assert_int_equal(adk__vfs_unlink(f.root, P("a")), 0);
    assert_int_equal(adk__vfs_unlink(f.root, P("a2")), 0);
    expect_text(f.root, "d/b", "shared");
    fixture_end(&f);
}

static void test_rename(void **state)
{
    fixture f = {0};
    adk__vfs_stat before;
    adk__vfs_stat after;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(adk__vfs_mkdir_all(f.root, P("d/e/f")), 0);
    assert_int_equal(adk__vfs_mkdir(f.root, P("empty")), 0);
    put(f.root, "a", "a");
    put(f.root, "b", "b");
    assert_int_equal(look(f.root, "a", false, &before), 0);
    assert_int_equal(adk__vfs_rename(f.root, P("a"), f.root, P("b")), 0);
    assert_int_equal(exists(f.root, "a"), -ENOENT);
    expect_text(f.root, "b", "a");
    assert_int_equal(look(f.root, "b", false, &after), 0);
    assert_int_equal(after.ino, before.ino);
    assert_int_equal(adk__vfs_link(f.root, P("b"), false, f.root, P("c")), 0);
    assert_int_equal(adk__vfs_rename(f.root, P("b"), f.root, P("c")), 0); /* the same inode: nothing happens */
    assert_int_equal(exists(f.root, "b"), 0);
    assert_int_equal(adk__vfs_rename(f.root, P("none"), f.root, P("x")), -ENOENT);
    assert_int_equal(adk__vfs_rename(f.root, P("d"), f.root, P("d/e/x")), -EINVAL);
    assert_int_equal(adk__vfs_rename(f.root, P("d"), f.root, P("d/x")), -EINVAL);
    assert_int_equal(adk__vfs_rename(f.root, P("d"), f.root, P("d")), 0);
    assert_int_equal(adk__vfs_rename(f.root, P("d/e"), f.root, P("d")), -ENOTEMPTY);
    assert_int_equal(adk__vfs_rename(f.root, P("b"), f.root, P("empty")), -EISDIR);
    assert_int_equal(adk__vfs_rename(f.root, P("empty"), f.root, P("b")), -ENOTDIR);
    assert_int_equal(adk__vfs_rename(f.root, P("empty"), f.root, P("d")), -ENOTEMPTY);
    assert_int_equal(adk__vfs_rename(f.root, P("b"), f.root, P("x/")), -ENOTDIR);
    assert_int_equal(adk__vfs_rename(f.root, P("b/"), f.root, P("x")), -ENOTDIR);
    assert_int_equal(adk__vfs_rename(f.root, P("."), f.root, P("x")), -EBUSY);
    assert_int_equal(adk__vfs_rename(f.root, P("d"), f.root, P("d/..")), -EBUSY);
    assert_int_equal(adk__vfs_rename(f.root, P("d/e/"), f.root, P("empty/")), 0);
    assert_int_equal(exists(f.root, "empty/f/../../d"), 0);
    assert_int_equal(look(f.root, "d", false, &after), 0);
    assert_int_equal(after.nlink, 2);
    assert_int_equal(look(f.root, ".", false, &after), 0);
    assert_int_equal(after.nlink, 4);
    fixture_end(&f);
}

static void test_times(void **state)
{
    fixture f = {0};
    adk__vfs_inode *file;
    adk__vfs_stat st;
    adk__vfs_stat later;
    size_t done;

    (void)state;
    fixture_begin(&f);
    put(f.root, "f", "x");
    file = open_at(f.root, "f", 0);
    adk__vfs_get_stat(file, &st);
    assert_int_equal(adk__vfs_set_times(file, ADK__VFS_ATIME | ADK__VFS_MTIME, 5, UINT64_MAX), 0);
    adk__vfs_get_stat(file, &later);
    assert_int_equal(later.atime_ns, 5);
    assert_true(later.mtime_ns == UINT64_MAX);
    assert_true(later.ctime_ns > st.ctime_ns);
    assert_int_equal(adk__vfs_set_times(file, ADK__VFS_MTIME_NOW, 0, 0), 0);
    adk__vfs_get_stat(file, &later);
    assert_int_equal(later.atime_ns, 5);
    assert_int_equal(later.mtime_ns, f.clock);
    assert_int_equal(adk__vfs_set_times(file, ADK__VFS_ATIME | ADK__VFS_ATIME_NOW, 0, 0), -EINVAL);
    assert_int_equal(adk__vfs_set_times(file, ADK__VFS_MTIME | ADK__VFS_MTIME_NOW, 0, 0), -EINVAL);
    assert_int_equal(adk__vfs_set_times(file, 16, 0, 0), -EINVAL);
    assert_int_equal(adk__vfs_set_times(file, 0, 0, 0), 0);
    assert_int_equal(adk__vfs_pwrite(file, "y", 1, 0, &done), 0);
    adk__vfs_get_stat(file, &later);
    assert_int_equal(later.mtime_ns, f.clock);
    assert_int_equal(adk__vfs_pwrite(file, "", 0, 100, &done), 0);
    adk__vfs_get_stat(file, &later);
    assert_int_equal(later.size, 1);
    adk__vfs_drop(file);
    fixture_end(&f);
}

static int count_visit(void *data, const char *path, size_t path_size, adk__vfs_inode *inode)
{
    char *seen = data;

    (void)inode;
    (void)strncat(seen, path, path_size);
    (void)strcat(seen, " ");
    return strncmp(path, "stop", 4) == 0 ? 7 : 0;
}

static void test_walk_and_mark(void **state)
{
    fixture f = {0};
    char seen[256] = "";
    uint64_t skipped = 9;
    adk__vfs_inode *file;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(adk__vfs_mkdir_all(f.root, P("d/e")), 0);
    put(f.root, "d/e/x", "1");
    put(f.root, "y", "2");
    adk__vfs_mark(f.vfs);
    assert_int_equal(adk__vfs_walk(f.root, true, count_visit, seen, &skipped), 0);
    assert_string_equal(seen, "");
    put(f.root, "d/e/x", "3");
    assert_int_equal(adk__vfs_walk(f.root, true, count_visit, seen, &skipped), 0);
    assert_string_equal(seen, "d/e/x ");
    seen[0] = 0;
    assert_int_equal(adk__vfs_walk(f.root, false, count_visit, seen, &skipped), 0);
    assert_string_equal(seen, "d d/e d/e/x y ");
    assert_int_equal(skipped, 0);
    put(f.root, "stop", "");
    assert_int_equal(adk__vfs_walk(f.root, false, count_visit, seen, NULL), 7);
    file = open_at(f.root, "y", 0);
    assert_int_equal(adk__vfs_walk(file, false, count_visit, seen, NULL), -ENOTDIR);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_default_options),
        cmocka_unit_test(test_path_errors),
        cmocka_unit_test(test_no_escape),
        cmocka_unit_test(test_open_flags),
        cmocka_unit_test(test_symlink_limits),
        cmocka_unit_test(test_symlink_slash),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_unlinked_lives_on),
        cmocka_unit_test(test_hard_links),
        cmocka_unit_test(test_rename),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_walk_and_mark),
    };

    return cmocka_run_group_tests_name("vfs", tests, NULL, NULL);
}
