/*
 * src/wasi where the host fails: each allocation of a run in turn, and getrandom(2).
 */
#include "test_wasi.h"

#include <errno.h>
#include <sys/random.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
ssize_t __real_getrandom(void *buffer, size_t size, unsigned flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags);

static bool armed;
static unsigned left;           /* allocations that succeed before one fails */
static const int *random_fails; /* errno values that getrandom fails with, one after the other; 0 ends them */

static bool fails(void)
{
    if (!armed)
        return false;
    if (left-- > 0)
        return false;
    armed = false;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags)
{
    if (random_fails != NULL && *random_fails != 0) {
        errno = *random_fails++;
        return -1;
    }
    return __real_getrandom(buffer, size < 7 ? size : 7, flags); /* and never all at once */
}

static void is_ok_or_nomem(uint16_t error)
{
    assert_true(error == ADK__WASI_SUCCESS || error == ADK__WASI_ENOMEM || error == ADK__WASI_ENOENT ||
                error == ADK__WASI_EBADF);
}

/* Something of everything that allocates; an allocation that fails is ENOMEM to the guest, which goes on. */
static void use_files(guest *g)
{
    uint32_t fd = 0;

    is_ok_or_nomem(CALL(g, path_create_directory, 3, AT_PATH2, path_at(g, AT_PATH2, "dir")));
    for (int i = 0; i < 70; i++)
        is_ok_or_nomem(open_with(g, 3, 0, "dir/file", ADK__WASI_OFLAG_CREAT, ALL_FILE_RIGHTS, 0, 0, &fd));
    put_iovec(g, 0, 0, 200000);
    is_ok_or_nomem(CALL(g, fd_write, fd, AT_IOVECS, 1, AT_RESULT));
    is_ok_or_nomem(CALL(g, path_symlink, AT_PATH, path_at(g, AT_PATH, "to"), 3, AT_PATH2, path_at(g, AT_PATH2, "l")));
    is_ok_or_nomem(
        CALL(g, path_rename, 3, AT_PATH2, path_at(g, AT_PATH2, "l"), 3, AT_PATH, path_at(g, AT_PATH, "dir/m")));
    is_ok_or_nomem(CALL(g, fd_readdir, 3, AT_DATA, 1000, 0, AT_RESULT));
    is_ok_or_nomem(CALL(g, fd_filestat_get, 3, AT_DATA));
}

static void test_each_allocation(void **state)
{
    guest *g = *state;
    unsigned n = 0;
    bool reached;

    do {
        guest_begin(g);
        left = n++;
        armed = true;
        use_files(g);
        reached = !armed;
        armed = false;
        guest_end(g); /* asserts that the budget is back at zero */
    } while (reached);
    assert_true(n > 5);
}

static void test_no_context(void **state)
{
    (void)state;
    left = 0;
    armed = true;
    assert_null(adk__wasi_new());
    armed = false;
    adk__wasi_free(NULL);
}

static void test_random_that_is_interrupted_or_fails(void **state)
{
    static const int interrupted[] = {EINTR, EINTR, 0};
    static const int broken[] = {ENOSYS, 0};
    guest *g = *state;

    random_fails = interrupted;
    OK(CALL(g, random_get, AT_DATA, 100));
    assert_int_equal(*random_fails, 0);
    random_fails = broken;
    FAILS(ADK__WASI_EIO, CALL(g, random_get, AT_DATA, 100));
    random_fails = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_allocation, guest_setup_unbegun, guest_teardown),
        cmocka_unit_test(test_no_context),
        cmocka_unit_test_setup_teardown(test_random_that_is_interrupted_or_fails, guest_setup, guest_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
