/* Images: shared content, private copies of what is written, borrowed content, mounts, many threads. */
#include "vfs_model_fixture.h"

#include <pthread.h>

#define BIG 300000

static uint8_t big[BIG];

static adk__vfs_image *make_image(void)
{
    fixture f = {0};
    adk__vfs_image *image = NULL;

    for (size_t i = 0; i < BIG; i++)
        big[i] = (uint8_t)(i * 7 + i / 251);
    fixture_begin(&f);
    assert_int_equal(adk__vfs_mkdir_all(f.root, P("lib/python/json")), 0);
    assert_int_equal(adk__vfs_mkdir(f.root, P("empty")), 0);
    put(f.root, "lib/python/os.py", "import sys");
    put(f.root, "lib/python/json/x.py", "x = 1");
    put(f.root, "lib/zero", "");
    assert_int_equal(adk__vfs_add_borrowed(f.root, P("lib/big"), big, sizeof(big)), 0);
    assert_int_equal(adk__vfs_symlink(P("lib/python"), false, f.root, P("py")), 0);
    assert_int_equal(adk__vfs_symlink(P("/etc"), true, f.root, P("abs")), 0);
    assert_int_equal(adk__vfs_link(f.root, P("lib/python/os.py"), false, f.root, P("lib/os2.py")), 0);
    assert_int_equal(adk__vfs_seal(f.vfs, &image), 0);
    fixture_end(&f);
    return image;
}

static void test_reads(void **state)
{
    adk__vfs_image *image = make_image();
    fixture f = {.options = {.image = image}};
    adk__vfs_stat st;
    adk__vfs_inode *dir;

    (void)state;
    assert_true(adk__vfs_image_bytes(image) < 10000); /* the borrowed file is not in it */
    fixture_begin(&f);
    adk__vfs_image_unref(image); /* the vfs keeps it */
    assert_true(f.used < 1024);
    expect_text(f.root, "py/os.py", "import sys");
    expect_text(f.root, "lib/os2.py", "import sys");
    assert_int_equal(look(f.root, "abs", true, &st), -EPERM);
    assert_int_equal(exists(f.root, "lib/none"), -ENOENT);
    assert_int_equal(look(f.root, ".", false, &st), 0);
    assert_int_equal(st.nlink, 4);
    assert_int_equal(st.size, 4);
    assert_int_equal(look(f.root, "lib/python", false, &st), 0);
    assert_int_equal(st.nlink, 3);
    assert_int_equal(look(f.root, "lib/python/os.py", false, &st), 0);
    assert_int_equal(st.nlink, 1);
    assert_false(st.changed);
    dir = open_at(f.root, "lib/python/json", ADK__VFS_OPEN_DIRECTORY);
    assert_int_equal(exists(dir, ".."), -EPERM);
    adk__vfs_drop(dir);
    fixture_end(&f);
}

/* The numbers and cookies of a scan are the same before and after the directory becomes private. */
static void test_readdir_goes_on(void **state)
{
    adk__vfs_image *image = make_image();
    fixture f = {.options = {.image = image}};
    adk__vfs_dirent shared[4];
    adk__vfs_dirent e = {.cookie = 2};
    adk__vfs_stat st;
    char name[32];

    (void)state;
    fixture_begin(&f);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(adk__vfs_readdir(f.root, i == 0 ? 2 : shared[i - 1].cookie, &shared[i]), 1);
        memcpy(name, shared[i].name, shared[i].name_size);
        name[shared[i].name_size] = 0;
        if (i % 2 == 0) { /* made before */
            assert_int_equal(look(f.root, name, false, &st), 0);
            assert_int_equal(st.ino, shared[i].ino);
        }
    }
    assert_int_equal(adk__vfs_readdir(f.root, shared[3].cookie, &e), 0);
    put(f.root, "new", "");
    e.cookie = 2;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(adk__vfs_readdir(f.root, e.cookie, &e), 1);
        assert_int_equal(e.cookie, shared[i].cookie);
        assert_int_equal(e.ino, shared[i].ino);
        assert_int_equal(e.type, shared[i].type);
        memcpy(name, e.name, e.name_size);
        name[e.name_size] = 0;
        assert_int_equal(look(f.root, name, false, &st), 0);
        assert_int_equal(st.ino, e.ino); /* made after */
    }
    assert_int_equal(adk__vfs_readdir(f.root, e.cookie, &e), 1);
    assert_memory_equal(e.name, "new", 3);
    assert_true(e.ino > shared[3].ino);
    fixture_end(&f);
    adk__vfs_image_unref(image);
}

/* A write copies the chunk it touches, the others stay shared; another vfs sees nothing of it. */
static void test_copy_on_write(void **state)
{
    adk__vfs_image *image = make_image();
    fixture a = {.options = {.image = image}};
    fixture b = {.options = {.image = image}};
    adk__vfs_inode *file;
    adk__vfs_inode *other;
    uint8_t *copy = malloc(BIG);
    uint64_t before;
    size_t done = 0;

    (void)state;
    fixture_begin(&a);
    fixture_begin(&b);
    file = open_at(a.root, "lib/big", ADK__VFS_OPEN_WRITE);
    other = open_at(b.root, "lib/big", 0);
    before = a.used;
    assert_int_equal(adk__vfs_pwrite(file, "HERE", 4, 70000, &done), 0);
    assert_true(a.used - before >= 65536 && a.used - before < 65536 + 256);
    assert_int_equal(adk__vfs_pread(file, copy, BIG, 0, &done), 0);
    assert_int_equal(done, BIG);
    assert_memory_equal(copy, big, 70000);
    assert_memory_equal(copy + 70000, "HERE", 4);
    assert_memory_equal(copy + 70004, big + 70004, BIG - 70004);
    assert_int_equal(adk__vfs_pread(other, copy, BIG, 0, &done), 0);
    assert_memory_equal(copy, big, BIG);
    /* Cut and grown again, what was shared does not come back. */
    assert_int_equal(adk__vfs_truncate(file, 200000), 0);
    assert_int_equal(adk__vfs_truncate(file, BIG), 0);
    assert_int_equal(adk__vfs_pread(file, copy, BIG, 0, &done), 0);
    assert_memory_equal(copy + 100000, big + 100000, 100000);
    for (size_t i = 200000; i < BIG; i++)
        assert_int_equal(copy[i], 0);
    assert_int_equal(adk__vfs_truncate(file, 0), 0);
    assert_int_equal(a.used, before);
    adk__vfs_drop(file);
    adk__vfs_drop(other);
    fixture_end(&a);
    fixture_end(&b);
    free(copy);
    adk__vfs_image_unref(image);
}

static void test_changes_of_names(void **state)
{
    adk__vfs_image *image = make_image();
    fixture f = {.options = {.image = image}};
    adk__vfs_stat st;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(adk__vfs_unlink(f.root, P("lib/python/os.py")), 0);
    assert_int_equal(exists(f.root, "lib/python/os.py"), -ENOENT);
    expect_text(f.root, "lib/os2.py", "import sys");
    put(f.root, "lib/python/os.py", "mine");
    expect_text(f.root, "py/os.py", "mine");
    assert_int_equal(adk__vfs_rename(f.root, P("lib/python"), f.root, P("empty")), 0);
    expect_text(f.root, "empty/json/x.py", "x = 1");
    assert_int_equal(look(f.root, "lib", false, &st), 0);
    assert_int_equal(st.nlink, 2);
    assert_true(st.changed);
    assert_int_equal(adk__vfs_link(f.root, P("empty/json/x.py"), false, f.root, P("x")), 0);
    assert_int_equal(look(f.root, "empty/json/x.py", false, &st), 0);
    assert_int_equal(st.nlink, 2);
    assert_int_equal(adk__vfs_rmdir(f.root, P("lib")), -ENOTEMPTY);
    assert_int_equal(adk__vfs_unlink(f.root, P("abs")), 0);
    fixture_end(&f);
    adk__vfs_image_unref(image);
}

static void test_mount_and_seal_again(void **state)
{
    adk__vfs_image *image = make_image();
    adk__vfs_image *second = NULL;
    fixture f = {0};
    fixture g = {0};
    adk__vfs_stat a;
    adk__vfs_stat b;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(adk__vfs_mkdir(f.root, P("usr")), 0);
    assert_int_equal(adk__vfs_mount(f.root, P("usr/one"), image), 0);
    assert_int_equal(adk__vfs_mount(f.root, P("usr/two/"), image), 0);
    assert_int_equal(adk__vfs_mount(f.root, P("usr/two"), image), -EEXIST);
    assert_int_equal(adk__vfs_mount(f.root, P("none/two"), image), -ENOENT);
    assert_int_equal(look(f.root, "usr/one/lib/big", false, &a), 0);
    assert_int_equal(look(f.root, "usr/two/lib/big", false, &b), 0);
    assert_true(a.ino != b.ino);
    assert_int_equal(look(f.root, "usr/one", false, &a), 0);
    assert_int_equal(a.nlink, 4);
    put(f.root, "usr/one/lib/zero", "not any more");
    assert_int_equal(adk__vfs_seal(f.vfs, &second), 0);
    fixture_end(&f);
    adk__vfs_image_unref(image); /* the second needs nothing of the first */
    g.options.image = second;
    fixture_begin(&g);
    expect_text(g.root, "usr/one/lib/zero", "not any more");
    expect_text(g.root, "usr/two/lib/zero", "");
    expect_text(g.root, "usr/two/py/os.py", "import sys");
    assert_int_equal(look(g.root, "usr/two/lib/big", false, &b), 0);
    assert_int_equal(b.size, BIG);
    fixture_end(&g);
    adk__vfs_image_unref(second);
    adk__vfs_image_unref(NULL);
}

static int count_visit(void *data, const char *path, size_t path_size, adk__vfs_inode *inode)
{
    (void)path;
    (void)path_size;
    (void)inode;
    ++*(int *)data;
    return 0;
}

static void test_walk(void **state)
{
    adk__vfs_image *image = make_image();
    fixture f = {.options = {.image = image}};
    uint64_t used;
    int visited = 0;

    (void)state;
    fixture_begin(&f);
    put(f.root, "lib/python/json/x.py", "x = 2");
    used = f.used;
    assert_int_equal(adk__vfs_walk(f.root, true, count_visit, &visited, NULL), 0);
    assert_int_equal(visited, 1);
    assert_int_equal(f.used, used); /* nothing was made for what nobody touched */
    visited = 0;
    assert_int_equal(adk__vfs_walk(f.root, false, count_visit, &visited, NULL), 0);
    assert_int_equal(visited, 11);
    fixture_end(&f);
    adk__vfs_image_unref(image);
}

static void test_large_directory(void **state)
{
    fixture f = {0};
    fixture g = {0};
    adk__vfs_image *image = NULL;
    adk__vfs_dirent e = {.cookie = 2};
    char name[32];
    int count = 0;

    (void)state;
    fixture_begin(&f);
    for (int i = 0; i < 20000; i++) {
        (void)snprintf(name, sizeof(name), "%d", (i * 7919) % 20000);
        assert_int_equal(adk__vfs_add_borrowed(f.root, name, strlen(name), name, 0), 0);
    }
    assert_int_equal(adk__vfs_seal(f.vfs, &image), 0);
    fixture_end(&f);
    g.options.image = image;
    fixture_begin(&g);
    for (int i = 0; i < 20000; i += 13) {
        (void)snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(exists(g.root, name), 0);
    }
    assert_int_equal(exists(g.root, "20000"), -ENOENT);
    for (int i = 0; i < 20000; i += 2) {
        (void)snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(adk__vfs_unlink(g.root, name, strlen(name)), 0);
    }
    for (; adk__vfs_readdir(g.root, e.cookie, &e) == 1; count++)
        assert_int_equal((e.name[e.name_size - 1] - '0') % 2, 1);
    assert_int_equal(count, 10000);
    fixture_end(&g);
    adk__vfs_image_unref(image);
}

static void *one_thread(void *data)
{
    adk__vfs_options options = {.image = data};
    uint8_t byte = 0;

    for (int i = 0; i < 300; i++) {
        adk__vfs *vfs = NULL;
        adk__vfs_inode *file = NULL;
        size_t done = 0;

        if (adk__vfs_new(&options, &vfs) < 0 ||
            adk__vfs_open(adk__vfs_root(vfs), P("lib/big"), ADK__VFS_OPEN_WRITE, &file) < 0 ||
            adk__vfs_pread(file, &byte, 1, 99999, &done) < 0 || byte != big[99999] ||
            adk__vfs_pwrite(file, &byte, 1, 99998, &done) < 0 || adk__vfs_unlink(adk__vfs_root(vfs), P("lib/zero")) < 0)
            return data;
        adk__vfs_free(vfs);
    }
    return NULL;
}

static void test_threads(void **state)
{
    adk__vfs_image *image = make_image();
    pthread_t threads[4];
    void *failed = NULL;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_thread, image), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    adk__vfs_image_unref(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_readdir_goes_on),
        cmocka_unit_test(test_copy_on_write),
        cmocka_unit_test(test_changes_of_names),
        cmocka_unit_test(test_mount_and_seal_again),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_large_directory),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests_name("vfs images", tests, NULL, NULL);
}
