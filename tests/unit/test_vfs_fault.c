/*
 * Every allocation refused in turn: first by the budget, then by malloc. Each operation that fails must fail with the
 * right error and leave its directories as they were; in the end every byte is back.
 *
 * Linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc.
 */
#include "vfs_model_fixture.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static uint64_t mallocs_left = UINT64_MAX;
static uint64_t charges_left = UINT64_MAX;
static bool failed; /* the one failure has happened */

static bool fails(uint64_t *left)
{
    if (*left == UINT64_MAX || --*left > 0)
        return false;
    *left = UINT64_MAX;
    failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails(&mallocs_left) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(&mallocs_left) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails(&mallocs_left) ? NULL : __real_realloc(block, size);
}

static bool charge_or_fail(void *data, uint64_t bytes)
{
    return fails(&charges_left) ? false : fixture_charge(data, bytes);
}

/* ---- the operations ------------------------------------------------------------------------------------------- */

typedef struct world {
    adk__vfs *vfs;
    adk__vfs_inode *root;
    uint64_t entries[3]; /* of /, lib and own */
    uint64_t inodes;
    int expected; /* the error that the failure makes */
} world;

static void observe(world *w)
{
    static const char *const dirs[] = {".", "lib", "own"};
    uint64_t bytes;

    for (size_t i = 0; i < 3; i++) {
        adk__vfs_stat st;

        w->entries[i] = look(w->root, dirs[i], false, &st) == 0 ? st.size : 0;
    }
    adk__vfs_usage(w->vfs, &bytes, &w->inodes);
}

/* After an operation: if it is the one that failed, then with that error and to no effect. */
static void check(world *w, bool failed_before, int r, const char *what)
{
    world after = *w;

    observe(&after);
    if (failed_before || !failed) {
        assert_int_equal(r, 0);
    } else if (r != 0) {
        if (r != w->expected)
            fail_msg("%s: %d", what, r);
        assert_memory_equal(after.entries, w->entries, sizeof(w->entries));
        assert_int_equal(after.inodes, w->inodes);
    }
    *w = after;
}

/* Once more if it failed: then it must work. */
#define TRY(w, call)                       \
    do {                                   \
        bool before_ = failed;             \
        int r_ = (call);                   \
        check(w, before_, r_, #call);      \
        if (r_ != 0)                       \
            check(w, true, (call), #call); \
    } while (0)

static int write_file(adk__vfs_inode *root, const char *path, size_t size, uint64_t offset)
{
    static const uint8_t data[150000];
    adk__vfs_inode *file = NULL;
    size_t done = 0;
    int r = adk__vfs_open(root, path, strlen(path), 0, &file);

    if (r == 0)
        r = adk__vfs_pwrite(file, data, size, offset, &done);
    if (r == 0 && done < size) /* cut short: the rest is for the next try */
        r = adk__vfs_pwrite(file, data, size - done, offset + done, &done);
    adk__vfs_drop(file);
    return r;
}

static int create(adk__vfs_inode *root, const char *path)
{
    adk__vfs_inode *file = NULL;
    int r = adk__vfs_open(root, path, strlen(path), ADK__VFS_OPEN_CREATE, &file);

    adk__vfs_drop(file);
    return r;
}

static int allocate(adk__vfs_inode *root, const char *path, uint64_t size)
{
    adk__vfs_inode *file = NULL;
    int r = adk__vfs_open(root, path, strlen(path), 0, &file);

    if (r == 0)
        r = adk__vfs_allocate(file, 100, size);
    adk__vfs_drop(file);
    return r;
}

static int seal_and_forget(adk__vfs *vfs)
{
    adk__vfs_image *image = NULL;
    int r = adk__vfs_seal(vfs, &image);

    adk__vfs_image_unref(image);
    return r;
}

static int count_visit(void *data, const char *path, size_t path_size, adk__vfs_inode *inode)
{
    (void)data;
    (void)path;
    (void)path_size;
    (void)inode;
    return 0;
}

static void do_all(world *w, adk__vfs_image *image)
{
    adk__vfs_inode *root = w->root;
    char name[32];

    TRY(w, adk__vfs_mkdir(root, P("own")));
    TRY(w, create(root, "own/file"));
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "own/n%d", i);
        TRY(w, adk__vfs_link(root, P("own/file"), false, root, name, strlen(name)));
    }
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "own/n%d", i);
        TRY(w, adk__vfs_unlink(root, name, strlen(name)));
    }
    TRY(w, write_file(root, "own/file", 10, 0));
    TRY(w, write_file(root, "own/file", 150000, 5));
    TRY(w, write_file(root, "lib/big", 10, 70000));
    TRY(w, allocate(root, "own/file", 200000));
    TRY(w, adk__vfs_symlink(P("target"), false, root, P("own/link")));
    TRY(w, adk__vfs_link(root, P("lib/a"), false, root, P("own/a")));
    TRY(w, adk__vfs_rename(root, P("lib/a"), root, P("own/b")));
    TRY(w, adk__vfs_rename(root, P("own/b"), root, P("lib/c")));
    TRY(w, adk__vfs_unlink(root, P("lib/b")));
    TRY(w, adk__vfs_add_borrowed(root, P("own/borrowed"), "abc", 3));
    TRY(w, adk__vfs_mount(root, P("own/mounted"), image));
    TRY(w, adk__vfs_rmdir(root, P("own/mounted/empty")));
    TRY(w, allocate(root, "own/file", 3000000));
    TRY(w, create(root, "own/from a slab"));
    TRY(w, write_file(root, "own/from a slab", 100, 0));
    TRY(w, seal_and_forget(w->vfs));
    TRY(w, adk__vfs_walk(root, false, count_visit, NULL, NULL));
}

static adk__vfs_image *make_image(void)
{
    static const uint8_t big[200000];
    fixture f = {0};
    adk__vfs_image *image = NULL;

    fixture_begin(&f);
    assert_int_equal(adk__vfs_mkdir(f.root, P("lib")), 0);
    assert_int_equal(adk__vfs_mkdir(f.root, P("empty")), 0);
    put(f.root, "lib/a", "a");
    put(f.root, "lib/b", "b");
    put(f.root, "lib/c", "c");
    assert_int_equal(adk__vfs_add_borrowed(f.root, P("lib/big"), big, sizeof(big)), 0);
    assert_int_equal(adk__vfs_seal(f.vfs, &image), 0);
    fixture_end(&f);
    return image;
}

/* One pass with the n-th request of `left` refused; false when there are fewer. */
static bool pass(adk__vfs_image *image, uint64_t *left, uint64_t n, int expected)
{
    fixture f = {.limit = UINT64_MAX};
    world w = {.expected = expected};

    f.options =
        (adk__vfs_options){.charge = charge_or_fail, .release = fixture_release, .budget_data = &f, .image = image};
    failed = false;
    *left = n;
    if (adk__vfs_new(&f.options, &w.vfs) < 0) {
        assert_true(failed);
        assert_int_equal(f.used, 0);
        assert_int_equal(adk__vfs_new(&f.options, &w.vfs), 0);
    }
    w.root = adk__vfs_root(w.vfs);
    *left = failed ? UINT64_MAX : *left;
    while (look(w.root, "lib", false, &(adk__vfs_stat){0}) != 0)
        assert_true(failed);
    observe(&w);
    do_all(&w, image);
    adk__vfs_free(w.vfs);
    assert_int_equal(f.used, 0);
    *left = UINT64_MAX;
    return failed;
}

static void run_all(uint64_t *left, int expected, const char *what)
{
    adk__vfs_image *image = make_image();
    uint64_t n = 1;

    while (pass(image, left, n, expected))
        n++;
    print_message("%llu %s refused in turn\n", (unsigned long long)n - 1, what);
    assert_true(n > 100); /* how many exactly depends on the hash key */
    adk__vfs_image_unref(image);
}

static void test_charges(void **state)
{
    (void)state;
    run_all(&charges_left, -ENOSPC, "charges");
}

static void test_allocations(void **state)
{
    (void)state;
    run_all(&mallocs_left, -ENOMEM, "allocations");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_charges),
        cmocka_unit_test(test_allocations),
    };

    return cmocka_run_group_tests_name("vfs faults", tests, NULL, NULL);
}
