/* Directories: cookies while entries come and go, many entries, deep trees, hostile loops. */
#include "vfs_model_fixture.h"

#include <time.h>

static size_t number_name(char name[32], uint64_t i)
{
    return (size_t)snprintf(name, 32, "n%llu", (unsigned long long)i);
}

static void make_numbers(adk__vfs_inode *dir, uint64_t from, uint64_t to)
{
    char name[32];

    for (uint64_t i = from; i < to; i++)
        assert_int_equal(adk__vfs_symlink(P("t"), false, dir, name, number_name(name, i)), 0);
}

static void remove_number(adk__vfs_inode *dir, uint64_t i)
{
    char name[32];

    assert_int_equal(adk__vfs_unlink(dir, name, number_name(name, i)), 0);
}

static double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_order(void **state)
{
    fixture f = {0};
    adk__vfs_dirent e = {0};
    char name[32];

    (void)state;
    fixture_begin(&f);
    make_numbers(f.root, 0, 100);
    assert_int_equal(adk__vfs_readdir(f.root, 0, &e), 1);
    assert_int_equal(adk__vfs_readdir(f.root, e.cookie, &e), 1);
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(adk__vfs_readdir(f.root, e.cookie, &e), 1);
        assert_int_equal(e.name_size, number_name(name, i));
        assert_memory_equal(e.name, name, e.name_size);
        assert_int_equal(e.type, ADK__VFS_TYPE_SYMLINK);
    }
    assert_int_equal(adk__vfs_readdir(f.root, e.cookie, &e), 0);
    fixture_end(&f);
}

/* Remove each entry as it is read; the cookie of a removed entry goes on. */
static void test_delete_while_reading(void **state)
{
    fixture f = {0};
    adk__vfs_dirent e = {.cookie = 2};
    uint64_t count = 0;

    (void)state;
    fixture_begin(&f);
    make_numbers(f.root, 0, 1000);
    while (adk__vfs_readdir(f.root, e.cookie, &e) == 1) {
        assert_int_equal(adk__vfs_unlink(f.root, e.name, e.name_size), 0);
        count++;
    }
    assert_int_equal(count, 1000);
    assert_int_equal(adk__vfs_size(f.root), 0);
    fixture_end(&f);
}

/* What stays is seen exactly once while others are removed and added around every step. */
static void test_churn_while_reading(void **state)
{
    fixture f = {0};
    adk__vfs_dirent e = {.cookie = 2};
    uint8_t seen[300] = {0};
    uint64_t removed = 0;
    uint64_t added = 100000;

    (void)state;
    fixture_begin(&f);
    make_numbers(f.root, 0, 300);
    /* Of 0..299 those that 3 divides stay. */
    while (adk__vfs_readdir(f.root, e.cookie, &e) == 1) {
        char name[32] = "";
        uint64_t i;

        memcpy(name, e.name, e.name_size); /* it is not NUL-terminated */
        i = strtoull(name + 1, NULL, 10);
        if (i < 300)
            seen[i]++;
        for (int k = 0; k < 2 && removed < 300; removed++) {
            if (removed % 3 != 0) {
                remove_number(f.root, removed);
                k++;
            }
        }
        if (added < 100200) {
            make_numbers(f.root, added, added + 1);
            added++;
        }
    }
    for (size_t i = 0; i < 300; i += 3)
        assert_int_equal(seen[i], 1);
    fixture_end(&f);
}

static void test_rename_over_keeps_the_place(void **state)
{
    fixture f = {0};
    adk__vfs_dirent e = {0};
    uint64_t used;

    (void)state;
    fixture_begin(&f);
    put(f.root, "a", "1");
    put(f.root, "b", "2");
    put(f.root, "c", "3");
    used = f.used;
    f.limit = f.used; /* replacing takes no memory */
    assert_int_equal(adk__vfs_rename(f.root, P("c"), f.root, P("a")), 0);
    assert_true(f.used < used);
    assert_int_equal(adk__vfs_readdir(f.root, 2, &e), 1);
    assert_memory_equal(e.name, "a", 1);
    assert_int_equal(adk__vfs_readdir(f.root, e.cookie, &e), 1);
    assert_memory_equal(e.name, "b", 1);
    assert_int_equal(adk__vfs_readdir(f.root, e.cookie, &e), 0);
    fixture_end(&f);
}

/* Adding and removing for ever neither grows a directory nor slows it down. */
static void test_hostile_loop(void **state)
{
    fixture f = {0};
    adk__vfs_dirent e = {0};
    uint64_t used;

    (void)state;
    fixture_begin(&f);
    make_numbers(f.root, 0, 10);
    used = f.used;
    for (uint64_t i = 10; i < 300000; i++) {
        make_numbers(f.root, i, i + 1);
        remove_number(f.root, i);
    }
    assert_true(f.used <= used + 4096);
    assert_true(f.peak <= used + 8192);
    for (uint64_t i = 0; i < 10; i++)
        remove_number(f.root, i);
    assert_int_equal(adk__vfs_readdir(f.root, 2, &e), 0);
    make_numbers(f.root, 0, 1);
    assert_int_equal(adk__vfs_readdir(f.root, 2, &e), 1);
    assert_true(e.cookie > 300000);
    fixture_end(&f);
}

/* A million entries, of which half a million are removed: continuing from an old cookie must not walk over them. */
static void test_million(void **state)
{
    const uint64_t many = 1000000;
    fixture f = {.options = {.max_inodes = 2000000}};
    adk__vfs_dirent e = {0};
    double began;

    (void)state;
    fixture_begin(&f);
    put(f.root, "one", "");
    for (uint64_t i = 0; i < many; i++) {
        char name[32];

        assert_int_equal(adk__vfs_link(f.root, P("one"), false, f.root, name, number_name(name, i)), 0);
    }
    assert_int_equal(adk__vfs_size(f.root), many + 1);
    for (uint64_t i = 0; i < many / 2 - 2; i++)
        remove_number(f.root, i);
    began = seconds();
    for (int i = 0; i < 100000; i++)
        assert_int_equal(adk__vfs_readdir(f.root, 3, &e), 1);
    assert_true(seconds() - began < 5.0); /* a walk over the dead slots would take minutes */
    assert_memory_equal(e.name, "n499998", 7);
    for (uint64_t i = many / 2 - 2; i < many; i++)
        remove_number(f.root, i);
    assert_int_equal(adk__vfs_size(f.root), 1);
    assert_int_equal(adk__vfs_readdir(f.root, 3, &e), 0);
    fixture_end(&f);
}

static int count_visit(void *data, const char *path, size_t path_size, adk__vfs_inode *inode)
{
    (void)path;
    (void)inode;
    assert_true(path_size <= ADK__VFS_PATH_MAX);
    ++*(uint64_t *)data;
    return 0;
}

/* A hundred thousand levels, made by handles; freed without a stack in proportion, renamed without a walk of them all. */
static void test_deep(void **state)
{
    fixture f = {0};
    adk__vfs_inode *at;
    adk__vfs_inode *below;
    uint64_t visited = 0;
    uint64_t skipped = 0;

    (void)state;
    fixture_begin(&f);
    at = adk__vfs_hold(f.root);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(adk__vfs_mkdir(at, P("d")), 0);
        below = open_at(at, "d", ADK__VFS_OPEN_DIRECTORY);
        adk__vfs_drop(at);
        at = below;
    }
    assert_int_equal(adk__vfs_mkdir(at, P("x")), 0);
    assert_int_equal(adk__vfs_mkdir(f.root, P("x")), 0);
    assert_int_equal(adk__vfs_rename(f.root, P("d"), at, P("y")), -ELOOP);
    assert_int_equal(adk__vfs_rename(f.root, P("x"), at, P("y")), -ELOOP);
    assert_int_equal(adk__vfs_rename(at, P("x"), at, P("y")), 0);
    assert_int_equal(adk__vfs_rename(at, P("y"), f.root, P("x")), 0);
    assert_int_equal(adk__vfs_rename(f.root, P("d"), f.root, P("x/d")), 0);
    adk__vfs_drop(at);
    at = open_at(f.root, "x/d/d/d", ADK__VFS_OPEN_DIRECTORY);
    assert_int_equal(adk__vfs_rename(f.root, P("x"), at, P("y")), -EINVAL);
    adk__vfs_lift_limits(f.vfs);
    assert_int_equal(adk__vfs_walk(f.root, false, count_visit, &visited, &skipped), 0);
    assert_int_equal(visited, ADK__VFS_PATH_MAX / 2);
    assert_int_equal(skipped, 1);
    adk__vfs_drop(at);
    fixture_end(&f);
}

static void test_numbers_are_never_reused(void **state)
{
    fixture f = {0};
    adk__vfs_stat st;
    uint64_t last = 0;

    (void)state;
    fixture_begin(&f);
    for (int i = 0; i < 1000; i++) {
        put(f.root, "f", "");
        assert_int_equal(look(f.root, "f", false, &st), 0);
        assert_true(st.ino > last);
        last = st.ino;
        assert_int_equal(adk__vfs_unlink(f.root, P("f")), 0);
    }
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_delete_while_reading),
        cmocka_unit_test(test_churn_while_reading),
        cmocka_unit_test(test_rename_over_keeps_the_place),
        cmocka_unit_test(test_hostile_loop),
        cmocka_unit_test(test_million),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_numbers_are_never_reused),
    };

    return cmocka_run_group_tests_name("vfs directories", tests, NULL, NULL);
}
