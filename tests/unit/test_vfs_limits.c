/* Quotas and the budget: refused at the exact byte, counted in full, given back to the last byte. */
#include "vfs_model_fixture.h"

typedef int (*step)(adk__vfs_inode *root);

static int step_mkdir(adk__vfs_inode *root)
{
    return adk__vfs_mkdir(root, P("directory"));
}

static int step_create(adk__vfs_inode *root)
{
    adk__vfs_inode *file = NULL;
    int r = adk__vfs_open(root, P("file"), ADK__VFS_OPEN_CREATE, &file);

    adk__vfs_drop(file);
    return r;
}

static int step_write(adk__vfs_inode *root)
{
    static const uint8_t data[100000];
    adk__vfs_inode *file = NULL;
    size_t done = 0;
    int r = adk__vfs_open(root, P("file"), 0, &file);

    if (r == 0)
        r = adk__vfs_pwrite(file, data, sizeof(data), 0, &done);
    adk__vfs_drop(file);
    return r == 0 && done < sizeof(data) ? -ENOSPC : r;
}

static int step_symlink(adk__vfs_inode *root)
{
    return adk__vfs_symlink(P("some target"), false, root, P("symlink"));
}

static int step_link(adk__vfs_inode *root)
{
    return adk__vfs_link(root, P("file"), false, root, P("directory/link"));
}

static int step_rename(adk__vfs_inode *root)
{
    return adk__vfs_rename(root, P("directory"), root, P("renamed to a longer name"));
}

static int step_borrow(adk__vfs_inode *root)
{
    return adk__vfs_add_borrowed(root, P("borrowed"), "abc", 3);
}

static const step steps[] = {step_mkdir, step_create, step_write, step_symlink, step_link, step_rename, step_borrow};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

/* The most that is held on the way: what a limit must allow. */
static uint64_t need_of(size_t count)
{
    fixture f = {0};

    fixture_begin(&f);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(steps[i](f.root), 0);
    fixture_end(&f);
    return f.peak;
}

static void test_exact_byte(void **state)
{
    (void)state;
    for (size_t count = 0; count <= STEPS; count++) {
        uint64_t need = need_of(count);
        fixture quota = {.options = {.max_bytes = need}};
        fixture budget = {.limit = need};

        fixture_begin(&quota);
        fixture_begin(&budget);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(steps[i](quota.root), 0);
            assert_int_equal(steps[i](budget.root), 0);
        }
        assert_true(quota.peak <= need);
        fixture_end(&quota);
        fixture_end(&budget);
    }
}

static void test_one_byte_less(void **state)
{
    (void)state;
    for (size_t count = 1; count <= STEPS; count++) {
        uint64_t need = need_of(count);
        fixture quota = {.options = {.max_bytes = need - 1}};
        fixture budget = {.limit = need - 1};
        bool refused[2] = {false, false};

        if (need == need_of(count - 1))
            continue; /* this step fits into what a former one gave back */
        fixture_begin(&quota);
        fixture_begin(&budget);
        for (size_t i = 0; i < count; i++) {
            refused[0] |= steps[i](quota.root) == -ENOSPC;
            refused[1] |= steps[i](budget.root) == -ENOSPC;
        }
        /* The write alone may do with less: it falls back from a whole chunk to what it needs. */
        assert_true(refused[0] == refused[1]);
        assert_true(refused[0] || steps[count - 1] == step_write);
        fixture_end(&quota);
        fixture_end(&budget);
    }
}

static void test_not_even_a_root(void **state)
{
    const adk__vfs_options options = {.max_bytes = 100};
    adk__vfs *vfs = NULL;

    (void)state;
    assert_int_equal(adk__vfs_new(&options, &vfs), -ENOSPC);
    assert_null(vfs);
}

/* Every allocation in a row is refused once: nothing leaks, nothing is half done. */
static void test_write_until_full(void **state)
{
    static const uint8_t data[10000] = {1};
    fixture f = {.limit = 1000000};
    adk__vfs_inode *file;
    uint64_t end = 0;
    uint64_t before;
    size_t done = 0;
    int r;

    (void)state;
    fixture_begin(&f);
    file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
    before = f.used;
    while ((r = adk__vfs_append(file, data, sizeof(data), &done, &end)) == 0)
        assert_int_equal(adk__vfs_size(file), end);
    assert_int_equal(r, -ENOSPC);
    assert_true(f.used <= f.limit);
    assert_true(end > 900000); /* nearly all of it went into content */
    assert_int_equal(adk__vfs_size(file), end);
    assert_int_equal(adk__vfs_truncate(file, 0), 0);
    assert_int_equal(f.used, before);
    adk__vfs_drop(file);
    fixture_end(&f);
}

static void test_inodes(void **state)
{
    fixture f = {.options = {.max_inodes = 4}};
    adk__vfs_inode *held;
    uint64_t bytes;
    uint64_t inodes;

    (void)state;
    fixture_begin(&f);
    put(f.root, "a", "");
    assert_int_equal(adk__vfs_mkdir(f.root, P("b")), 0);
    assert_int_equal(adk__vfs_symlink(P("x"), false, f.root, P("c")), 0);
    assert_int_equal(adk__vfs_mkdir(f.root, P("d")), -ENOSPC);
    assert_int_equal(adk__vfs_link(f.root, P("a"), false, f.root, P("d")), 0);
    held = open_at(f.root, "a", 0);
    assert_int_equal(adk__vfs_unlink(f.root, P("a")), 0);
    assert_int_equal(adk__vfs_unlink(f.root, P("d")), 0);
    assert_int_equal(adk__vfs_mkdir(f.root, P("d")), -ENOSPC); /* an open file counts */
    adk__vfs_drop(held);
    assert_int_equal(adk__vfs_mkdir(f.root, P("d")), 0);
    adk__vfs_usage(f.vfs, &bytes, &inodes);
    assert_int_equal(inodes, 4);
    assert_int_equal(bytes, f.used);
    fixture_end(&f);
}

static void test_symlink_quota(void **state)
{
    fixture f = {.options = {.max_symlinks = 1}};
    adk__vfs_stat st;

    (void)state;
    fixture_begin(&f);
    put(f.root, "f", "");
    assert_int_equal(adk__vfs_symlink(P("f"), false, f.root, P("l1")), 0);
    assert_int_equal(adk__vfs_symlink(P("l1"), false, f.root, P("l2")), 0);
    assert_int_equal(look(f.root, "l1", true, &st), 0);
    assert_int_equal(look(f.root, "l2", true, &st), -ELOOP);
    fixture_end(&f);
}

/* Targets add up: forty links of four thousand components each would be a slow path. */
static void test_long_targets(void **state)
{
    fixture f = {0};
    char target[ADK__VFS_PATH_MAX];
    adk__vfs_stat st;

    (void)state;
    fixture_begin(&f);
    put(f.root, "f", "");
    for (size_t i = 0; i < sizeof(target) - 2; i += 2)
        memcpy(target + i, "./", 2);
    memcpy(target + sizeof(target) - 2, "l3", 2);
    for (char i = '0'; i < '3'; i++) {
        const char name[2] = {'l', i};

        target[sizeof(target) - 1] = (char)(i + 1);
        assert_int_equal(adk__vfs_symlink(target, sizeof(target), false, f.root, name, sizeof(name)), 0);
    }
    assert_int_equal(adk__vfs_symlink(P("f"), false, f.root, P("l3")), 0);
    assert_int_equal(look(f.root, "l2", true, &st), 0);
    assert_int_equal(look(f.root, "l1", true, &st), -ELOOP);
    assert_int_equal(look(f.root, "l0", true, &st), -ELOOP);
    fixture_end(&f);
}

static void test_lift(void **state)
{
    fixture f = {0};
    uint64_t used;

    (void)state;
    fixture_begin(&f);
    put(f.root, "f", "content");
    f.limit = f.used;
    assert_int_equal(adk__vfs_mkdir(f.root, P("d")), -ENOSPC);
    adk__vfs_lift_limits(f.vfs);
    used = f.used;
    assert_int_equal(adk__vfs_mkdir(f.root, P("d")), 0);
    assert_int_equal(adk__vfs_unlink(f.root, P("f")), 0);
    assert_int_equal(f.used, used);
    fixture_end(&f);
}

/* All figures are the same in every run, whatever the hash key: equal requests report equal memory. */
static void test_names_are_paid_for(void **state)
{
    fixture f = {0};
    char name[255];
    uint64_t before;

    (void)state;
    fixture_begin(&f);
    put(f.root, "f", "");
    before = f.used;
    for (int i = 0; i < 1000; i++) {
        memset(name, 'x', sizeof(name));
        (void)snprintf(name, sizeof(name), "%d", i);
        name[strlen(name)] = '-';
        assert_int_equal(adk__vfs_link(f.root, P("f"), false, f.root, name, sizeof(name)), 0);
    }
    assert_true(f.used - before >= 1000 * (sizeof(name) + 80));
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_byte),
        cmocka_unit_test(test_one_byte_less),
        cmocka_unit_test(test_not_even_a_root),
        cmocka_unit_test(test_write_until_full),
        cmocka_unit_test(test_inodes),
        cmocka_unit_test(test_symlink_quota),
        cmocka_unit_test(test_long_targets),
        cmocka_unit_test(test_lift),
        cmocka_unit_test(test_names_are_paid_for),
    };

    return cmocka_run_group_tests_name("vfs limits", tests, NULL, NULL);
}
