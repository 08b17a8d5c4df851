/* The memory of trees large enough for slabs and blocks: content, charges, refusals, what comes back, threads, forks. */
#include "vfs_model_fixture.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK 65536U
#define MIB   (UINT64_C(1) << 20)
#define FILES 4U
#define LARGE (6U * MIB)

static uint64_t pick(uint64_t *random, uint64_t below)
{
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (*random >> 33) % below;
}

static void fill(adk__vfs_inode *file, uint64_t size, uint8_t value)
{
    uint8_t data[CHUNK];
    size_t done = 0;

    memset(data, value, CHUNK);
    for (uint64_t at = 0; at < size; at += CHUNK) {
        assert_int_equal(adk__vfs_pwrite(file, data, CHUNK, at, &done), 0);
        assert_int_equal(done, CHUNK);
    }
}

static void expect_all(adk__vfs_inode *file, uint64_t size, uint8_t value)
{
    uint8_t expected[CHUNK];
    uint8_t data[CHUNK];
    size_t done = 0;

    memset(expected, value, CHUNK);
    for (uint64_t at = 0; at < size; at += CHUNK) {
        assert_int_equal(adk__vfs_pread(file, data, CHUNK, at, &done), 0);
        assert_int_equal(done, CHUNK);
        assert_memory_equal(data, expected, CHUNK);
    }
}

/* ---- content -------------------------------------------------------------------------------------------------- */

typedef struct shadow {
    adk__vfs_inode *file;
    uint64_t size;
    uint8_t *bytes; /* LARGE of them */
} shadow;

static void change(shadow *s, uint64_t *random, uint8_t *scratch)
{
    uint64_t offset = pick(random, LARGE - 3 * CHUNK);
    uint64_t size = pick(random, 4) == 0 ? pick(random, 3 * CHUNK) : CHUNK;
    size_t done = 0;

    offset -= pick(random, 2) == 0 ? offset % CHUNK : 0;
    if (pick(random, 6) == 0) {
        if (offset < s->size)
            memset(s->bytes + offset, 0, s->size - offset);
        s->size = offset;
        assert_int_equal(adk__vfs_truncate(s->file, offset), 0);
        return;
    }
    memset(scratch, (int)pick(random, 255) + 1, size);
    memcpy(s->bytes + offset, scratch, size);
    if (size > 0)
        s->size = s->size > offset + size ? s->size : offset + size;
    assert_int_equal(adk__vfs_pwrite(s->file, scratch, size, offset, &done), 0);
    assert_int_equal(done, size);
}

static void compare(const shadow *s, uint8_t *scratch)
{
    size_t done = 0;

    assert_int_equal(adk__vfs_size(s->file), s->size);
    assert_int_equal(adk__vfs_pread(s->file, scratch, LARGE, 0, &done), 0);
    assert_int_equal(done, s->size);
    assert_memory_equal(scratch, s->bytes, s->size);
}

static void test_random_content(void **state)
{
    fixture f = {0};
    shadow files[FILES];
    uint8_t *scratch = malloc(LARGE);
    uint64_t random = 1;
    uint64_t before;

    (void)state;
    fixture_begin(&f);
    for (size_t i = 0; i < FILES; i++) {
        const char name[2] = {(char)('a' + (char)i), 0};

        files[i] = (shadow){.file = open_at(f.root, name, ADK__VFS_OPEN_CREATE), .bytes = calloc(1, LARGE)};
    }
    before = f.used;
    for (int step = 0; step < 3000; step++) {
        change(&files[pick(&random, FILES)], &random, scratch);
        if (step % 100 == 0)
            compare(&files[pick(&random, FILES)], scratch);
    }
    for (size_t i = 0; i < FILES; i++) {
        compare(&files[i], scratch);
        assert_int_equal(adk__vfs_truncate(files[i].file, 0), 0);
        adk__vfs_drop(files[i].file);
        free(files[i].bytes);
    }
    assert_int_equal(f.used, before);
    fixture_end(&f);
    free(scratch);
}

/* Memory comes back from another tree as it was; nothing of it may be seen. */
static void test_nothing_of_a_former_tree(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        fixture f = {0};
        adk__vfs_inode *file;
        uint64_t size = 8 * MIB;
        size_t done = 0;

        fixture_begin(&f);
        file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
        assert_int_equal(adk__vfs_allocate(file, 0, size), 0);
        expect_all(file, size, 0);
        for (uint64_t at = CHUNK / 2; at < size; at += CHUNK)
            assert_int_equal(adk__vfs_pwrite(file, "", 1, at, &done), 0);
        expect_all(file, size, 0);
        fill(file, size, 0xab);
        adk__vfs_drop(file);
        fixture_end(&f);
    }
}

/* ---- charges -------------------------------------------------------------------------------------------------- */

static void test_honest(void **state)
{
    fixture f = {0};
    adk__vfs_inode *file;

    (void)state;
    fixture_begin(&f);
    file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
    for (uint64_t size = 0; size <= 16 * MIB; size += MIB) {
        fill(file, size, 1);
        assert_true(f.used >= size);
        assert_true(f.used <= size + 2 * MIB + CHUNK);
    }
    adk__vfs_drop(file);
    fixture_end(&f);
}

/* Where a block is refused, single chunks go on to the end of the budget. */
static void test_no_room_for_a_block(void **state)
{
    (void)state;
    for (uint64_t limit = 2 * MIB; limit < 8 * MIB; limit += 300000) {
        static const uint8_t data[CHUNK];
        fixture f = {.limit = limit};
        adk__vfs_inode *file;
        uint64_t end = 0;
        size_t done = 0;

        fixture_begin(&f);
        file = open_at(f.root, "f", ADK__VFS_OPEN_CREATE);
        while (adk__vfs_append(file, data, sizeof(data), &done, &end) == 0) {
        }
        assert_true(f.peak <= limit);
        assert_true(end > limit - 2 * CHUNK - 8192);
        adk__vfs_drop(file);
        fixture_end(&f);
    }
}

/* Slabs go back with the last piece in them, in whatever order that is. */
static void test_small_pieces_come_back(void **state)
{
    const int count = 40000;
    fixture f = {0};
    uint64_t before;
    char name[32];

    (void)state;
    fixture_begin(&f);
    before = f.used;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < count; i++) {
            (void)snprintf(name, sizeof(name), "%d", i);
            put(f.root, name, i % 3 == 0 ? "" : "content");
        }
        assert_int_equal(adk__vfs_size(f.root), count);
        for (int i = 0; i < count; i++) {
            int which = round == 0 ? i : (i * 7919 + round) % count;

            (void)snprintf(name, sizeof(name), "%d", which);
            assert_int_equal(adk__vfs_unlink(f.root, name, strlen(name)), 0);
        }
        assert_int_equal(f.used, before);
    }
    fixture_end(&f);
}

/* Freed with everything in it: held files, deep and wide directories, all kinds of pieces. */
static void test_freed_as_it_is(void **state)
{
    fixture f = {0};
    char name[32];

    (void)state;
    fixture_begin(&f);
    for (int i = 0; i < 5000; i++) {
        adk__vfs_inode *file;
        size_t done = 0;

        (void)snprintf(name, sizeof(name), "%d", i);
        file = open_at(f.root, name, ADK__VFS_OPEN_CREATE);
        assert_int_equal(adk__vfs_pwrite(file, name, 1, (uint64_t)i * 20, &done), 0);
        if (i % 5 != 0)
            adk__vfs_drop(file);
        if (i % 7 == 0)
            assert_int_equal(adk__vfs_unlink(f.root, name, strlen(name)), 0);
    }
    fixture_end(&f);
}

/* ---- threads and forks ---------------------------------------------------------------------------------------- */

static void *write_and_check(void *data)
{
    uint8_t value = *(const uint8_t *)data;

    for (int round = 0; round < 10; round++) {
        adk__vfs *vfs = NULL;
        adk__vfs_inode *file;

        assert_int_equal(adk__vfs_new(NULL, &vfs), 0);
        file = open_at(adk__vfs_root(vfs), "f", ADK__VFS_OPEN_CREATE);
        fill(file, 8 * MIB, value);
        expect_all(file, 8 * MIB, value);
        adk__vfs_drop(file);
        adk__vfs_free(vfs);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    uint8_t values[4] = {1, 2, 3, 4};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_and_check, &values[i]), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void test_fork(void **state)
{
    uint8_t values[2] = {5, 6};
    int status = -1;
    pid_t child;

    (void)state;
    (void)write_and_check(&values[0]);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)write_and_check(&values[1]);
        _exit(0);
    }
    (void)write_and_check(&values[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_content),
        cmocka_unit_test(test_nothing_of_a_former_tree),
        cmocka_unit_test(test_honest),
        cmocka_unit_test(test_no_room_for_a_block),
        cmocka_unit_test(test_small_pieces_come_back),
        cmocka_unit_test(test_freed_as_it_is),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_fork),
    };

    return cmocka_run_group_tests_name("vfs memory", tests, NULL, NULL);
}
