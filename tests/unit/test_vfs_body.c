/* File content: chunks, holes, sizes up to INT64_MAX, append, truncate, allocate, and what they cost. */
#include "vfs_model_fixture.h"

#define CHUNK 65536U

static void expect_bytes(adk__vfs_inode *file, uint64_t offset, size_t size, uint8_t value)
{
    uint8_t *buffer = malloc(size);
    size_t done = 0;

    memset(buffer, 0xee, size);
    assert_int_equal(adk__vfs_pread(file, buffer, size, offset, &done), 0);
    assert_int_equal(done, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(buffer[i], value);
    free(buffer);
}

static void write_bytes(adk__vfs_inode *file, uint64_t offset, size_t size, uint8_t value)
{
    uint8_t *buffer = malloc(size);
    size_t done = 0;

    memset(buffer, value, size);
    assert_int_equal(adk__vfs_pwrite(file, buffer, size, offset, &done), 0);
    assert_int_equal(done, size);
    free(buffer);
}

static void test_holes(void **state)
{
    fixture f = {0};
    adk__vfs_inode *file;
    uint64_t before;

    (void)state;
    fixture_begin(&f);
    file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
    before = f.used;
    assert_int_equal(adk__vfs_truncate(file, INT64_MAX), 0);
    assert_int_equal(f.used, before);
    assert_true(adk__vfs_size(file) == INT64_MAX);
    expect_bytes(file, INT64_MAX - 1000, 1000, 0);
    write_bytes(file, INT64_MAX - 10, 10, 7);
    write_bytes(file, UINT64_C(1) << 40, 10, 8);
    write_bytes(file, 3 * CHUNK - 5, 10, 9);
    assert_true(f.used - before <= 4 * CHUNK + 1024);
    expect_bytes(file, INT64_MAX - 10, 10, 7);
    expect_bytes(file, INT64_MAX - 100, 90, 0);
    expect_bytes(file, UINT64_C(1) << 40, 10, 8);
    expect_bytes(file, (UINT64_C(1) << 40) + 10, 2 * CHUNK, 0);
    expect_bytes(file, 3 * CHUNK - 5, 10, 9);
    expect_bytes(file, 0, 3 * CHUNK - 5, 0);
    expect_bytes(file, 3 * CHUNK + 5, CHUNK, 0);
    assert_int_equal(adk__vfs_truncate(file, 0), 0);
    assert_int_equal(f.used, before);
    adk__vfs_drop(file);
    fixture_end(&f);
}

static void test_too_big(void **state)
{
    fixture f = {0};
    adk__vfs_inode *file;
    uint64_t end = 0;
    size_t done = 99;

    (void)state;
    fixture_begin(&f);
    file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
    assert_int_equal(adk__vfs_truncate(file, (uint64_t)INT64_MAX + 1), -EFBIG);
    assert_int_equal(adk__vfs_truncate(file, UINT64_MAX), -EFBIG);
    assert_int_equal(adk__vfs_pwrite(file, "x", 1, INT64_MAX, &done), -EFBIG);
    assert_int_equal(adk__vfs_pwrite(file, "x", 1, UINT64_MAX, &done), -EFBIG);
    assert_int_equal(adk__vfs_allocate(file, UINT64_MAX, 1), -EFBIG);
    assert_int_equal(adk__vfs_allocate(file, 1, UINT64_MAX), -EFBIG);
    assert_int_equal(adk__vfs_truncate(file, INT64_MAX), 0);
    assert_int_equal(adk__vfs_append(file, "x", 1, &done, &end), -EFBIG);
    assert_int_equal(done, 99);
    assert_int_equal(adk__vfs_pread(file, &end, 1, INT64_MAX, &done), 0);
    assert_int_equal(done, 0);
    assert_int_equal(adk__vfs_pread(file, &end, 1, UINT64_MAX, &done), 0);
    assert_int_equal(done, 0);
    adk__vfs_drop(file);
    fixture_end(&f);
}

static void test_truncate_forgets(void **state)
{
    static const uint64_t cuts[] = {1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7};
    fixture f = {0};
    adk__vfs_inode *file;

    (void)state;
    fixture_begin(&f);
    file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        write_bytes(file, 0, 4 * CHUNK, 0xab);
        assert_int_equal(adk__vfs_truncate(file, cuts[i]), 0);
        assert_int_equal(adk__vfs_truncate(file, 5 * CHUNK), 0);
        expect_bytes(file, 0, (size_t)cuts[i], 0xab);
        expect_bytes(file, cuts[i], (size_t)(5 * CHUNK - cuts[i]), 0);
    }
    adk__vfs_drop(file);
    fixture_end(&f);
}

static void test_append(void **state)
{
    fixture f = {0};
    adk__vfs_inode *file;
    uint64_t end = 0;
    size_t done = 0;

    (void)state;
    fixture_begin(&f);
    file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
    for (uint64_t i = 1; i <= 30000; i++) {
        assert_int_equal(adk__vfs_append(file, "0123456789", 10, &done, &end), 0);
        assert_int_equal(end, i * 10);
    }
    expect_bytes(file, 299990, 1, '0');
    expect_bytes(file, CHUNK + 4, 1, '0'); /* 65,540 */
    adk__vfs_drop(file);
    fixture_end(&f);
}

/* Small files cost about their size, large ones at most a chunk more. */
static void test_cost(void **state)
{
    static const size_t sizes[] = {1, 100, 4096, 65536, 65537, 200000, 1000000};
    fixture f = {0};
    adk__vfs_inode *file;
    uint64_t before;

    (void)state;
    fixture_begin(&f);
    file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
    before = f.used;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t cost;

        write_bytes(file, 0, sizes[i], 1);
        cost = f.used - before;
        assert_true(cost >= sizes[i]);
        assert_true(cost <= sizes[i] + (sizes[i] > CHUNK ? CHUNK + 1024 : 128));
        assert_int_equal(adk__vfs_truncate(file, 0), 0);
        assert_int_equal(f.used, before);
    }
    adk__vfs_drop(file);
    fixture_end(&f);
}

static void test_allocate(void **state)
{
    fixture f = {0};
    adk__vfs_inode *file;
    uint64_t used;

    (void)state;
    fixture_begin(&f);
    file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
    assert_int_equal(adk__vfs_allocate(file, 0, 0), -EINVAL);
    assert_int_equal(adk__vfs_allocate(file, 0, 100), 0);
    assert_int_equal(adk__vfs_size(file), 100);
    assert_int_equal(adk__vfs_allocate(file, 10, 10), 0);
    assert_int_equal(adk__vfs_size(file), 100);
    assert_int_equal(adk__vfs_allocate(file, 90, 20), 0);
    assert_int_equal(adk__vfs_size(file), 110);
    expect_bytes(file, 0, 110, 0);
    assert_int_equal(adk__vfs_allocate(file, 100000, 200000), 0);
    assert_int_equal(adk__vfs_size(file), 300000);
    /* What was allocated is written without any further charge. */
    used = f.used;
    f.limit = f.used;
    write_bytes(file, 100000, 200000, 3);
    assert_int_equal(f.used, used);
    expect_bytes(file, 110, 100000 - 110, 0);
    expect_bytes(file, 100000, 200000, 3);
    /* A refusal leaves the size, and takes nothing beyond it. */
    f.limit = f.used + 150000;
    assert_int_equal(adk__vfs_allocate(file, 300000, 1000000), -ENOSPC);
    assert_int_equal(adk__vfs_size(file), 300000);
    assert_true(f.used <= used + 1024);
    expect_bytes(file, 100000, 200000, 3);
    adk__vfs_drop(file);
    fixture_end(&f);
}

static void test_wrong_type(void **state)
{
    fixture f = {0};
    adk__vfs_inode *link = NULL;
    uint64_t end;
    size_t done;

    (void)state;
    fixture_begin(&f);
    assert_int_equal(adk__vfs_symlink(P("x"), false, f.root, P("l")), 0);
    assert_int_equal(adk__vfs_resolve(f.root, P("l"), false, &link), 0);
    assert_int_equal(adk__vfs_pread(f.root, &end, 1, 0, &done), -EISDIR);
    assert_int_equal(adk__vfs_pwrite(f.root, "x", 1, 0, &done), -EISDIR);
    assert_int_equal(adk__vfs_append(f.root, "x", 1, &done, &end), -EISDIR);
    assert_int_equal(adk__vfs_truncate(f.root, 0), -EISDIR);
    assert_int_equal(adk__vfs_allocate(f.root, 0, 0), -EISDIR);
    assert_int_equal(adk__vfs_pread(link, &end, 1, 0, &done), -EINVAL);
    assert_int_equal(adk__vfs_pwrite(link, "x", 1, 0, &done), -EINVAL);
    assert_int_equal(adk__vfs_append(link, "x", 1, &done, &end), -EINVAL);
    assert_int_equal(adk__vfs_truncate(link, 0), -EINVAL);
    assert_int_equal(adk__vfs_allocate(link, 0, 1), -EINVAL);
    adk__vfs_drop(link);
    fixture_end(&f);
}

static void test_backwards(void **state)
{
    fixture f = {0};
    adk__vfs_inode *file;

    (void)state;
    fixture_begin(&f);
    file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
    for (uint64_t i = 500; i-- > 0;)
        write_bytes(file, i * CHUNK + 11, 3, (uint8_t)(1 + i % 200));
    for (uint64_t i = 0; i < 500; i++) {
        expect_bytes(file, i * CHUNK + 11, 3, (uint8_t)(1 + i % 200));
        expect_bytes(file, i * CHUNK, 11, 0);
    }
    adk__vfs_drop(file);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holes),      cmocka_unit_test(test_too_big),   cmocka_unit_test(test_truncate_forgets),
        cmocka_unit_test(test_append),     cmocka_unit_test(test_cost),      cmocka_unit_test(test_allocate),
        cmocka_unit_test(test_wrong_type), cmocka_unit_test(test_backwards),
    };

    return cmocka_run_group_tests_name("vfs body", tests, NULL, NULL);
}
