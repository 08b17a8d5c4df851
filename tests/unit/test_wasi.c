/*
 * src/wasi: tables, arguments and environment, clocks, random numbers, the process, sockets, and the life of a context.
 */
#include "test_wasi.h"

#include <errno.h>
#include <sodium/crypto_stream_chacha20.h>
#include <unistd.h>

#include "wasi/context.h"

/* ---- tables ------------------------------------------------------------------------------------------------------- */

static void test_tables_are_complete_and_sorted(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADK__WASI_FUNCTIONS; i++) {
        const adk__wasi_function *fn = &adk__wasi_functions[i];

        assert_non_null(fn->name);
        assert_non_null(fn->fn);
        assert_true(strlen(fn->params) <= ADK__WASI_PARAMS_MAX);
        assert_int_equal(strspn(fn->params, "iI"), strlen(fn->params));
        assert_int_equal(fn->has_result, strcmp(fn->name, "proc_exit") != 0);
        if (i > 0)
            assert_true(strcmp(adk__wasi_functions[i - 1].name, fn->name) < 0);
    }
    for (size_t i = 0; i < ADK__WASI_UNSTABLE_FUNCTIONS; i++) {
        const adk__wasi_function *old = &adk__wasi_unstable_functions[i];
        const adk__wasi_function *fn = guest_find(adk__wasi_functions, ADK__WASI_FUNCTIONS, old->name);

        assert_string_equal(old->params, fn->params);
        assert_int_equal(old->has_result, fn->has_result);
        assert_string_not_equal(old->name, "sock_accept");
    }
}

/* ---- arguments and environment ------------------------------------------------------------------------------------ */

static const adk_bytes three_args[] = {{"prog", 4}, {NULL, 0}, {"last one", 8}};
static const adk_env two_vars[] = {{{"A", 1}, {"1", 1}}, {{"EMPTY", 5}, {NULL, 0}}};

static void test_args(void **state)
{
    guest *g = *state;

    g->request.args = three_args;
    g->request.args_count = 3;
    guest_begin(g);
    OK(CALL(g, args_sizes_get, AT_RESULT, AT_RESULT + 4));
    assert_int_equal(get32(g, AT_RESULT), 3);
    assert_int_equal(get32(g, AT_RESULT + 4), 5 + 1 + 9);
    memset(g->memory + AT_DATA, 0xAA, 64);
    OK(CALL(g, args_get, AT_RESULT, AT_DATA));
    assert_int_equal(get32(g, AT_RESULT), AT_DATA);
    assert_int_equal(get32(g, AT_RESULT + 4), AT_DATA + 5);
    assert_int_equal(get32(g, AT_RESULT + 8), AT_DATA + 6);
    assert_memory_equal(g->memory + AT_DATA, "prog\0\0last one\0\xAA", 16);
}

static void test_env(void **state)
{
    guest *g = *state;

    g->request.env = two_vars;
    g->request.env_count = 2;
    guest_begin(g);
    OK(CALL(g, environ_sizes_get, AT_RESULT, AT_RESULT + 4));
    assert_int_equal(get32(g, AT_RESULT), 2);
    assert_int_equal(get32(g, AT_RESULT + 4), 4 + 7);
    OK(CALL(g, environ_get, AT_RESULT, AT_DATA));
    assert_int_equal(get32(g, AT_RESULT), AT_DATA);
    assert_int_equal(get32(g, AT_RESULT + 4), AT_DATA + 4);
    assert_memory_equal(g->memory + AT_DATA, "A=1\0EMPTY=\0", 11);
}

static void test_no_args_at_all(void **state)
{
    guest *g = *state;

    put64(g, AT_RESULT, UINT64_MAX);
    OK(CALL(g, args_sizes_get, AT_RESULT, AT_RESULT + 4));
    assert_true(get64(g, AT_RESULT) == 0);
    OK(CALL(g, args_get, GUEST_SIZE, GUEST_SIZE));
    OK(CALL(g, environ_sizes_get, AT_RESULT, AT_RESULT + 4));
    assert_true(get64(g, AT_RESULT) == 0);
    FAILS(ADK__WASI_EFAULT, CALL(g, args_get, GUEST_SIZE + 1, 0));
}

/* Sizes are added up in 64 bits; nobody has that much text, so the views lie about theirs. */
static void test_args_that_do_not_fit_32_bits(void **state)
{
    static const adk_bytes huge[] = {{"", (size_t)3 << 30}, {"", (size_t)3 << 30}};
    guest *g = *state;

    g->request.args = huge;
    g->request.args_count = 2;
    guest_begin(g);
    FAILS(ADK__WASI_EOVERFLOW, CALL(g, args_sizes_get, AT_RESULT, AT_RESULT + 4));
    assert_true(get64(g, AT_RESULT) == 0);
    FAILS(ADK__WASI_EFAULT, CALL(g, args_get, AT_RESULT, AT_DATA));
}

static void test_args_end_where_memory_ends(void **state)
{
    guest *g = *state;

    g->request.args = three_args;
    g->request.args_count = 3;
    guest_begin(g);
    OK(CALL(g, args_get, GUEST_SIZE - 12, AT_DATA));
    OK(CALL(g, args_get, AT_RESULT, GUEST_SIZE - 15));
    FAILS(ADK__WASI_EFAULT, CALL(g, args_get, GUEST_SIZE - 11, AT_DATA));
    FAILS(ADK__WASI_EFAULT, CALL(g, args_get, AT_RESULT, GUEST_SIZE - 14));
}

/* ---- clocks ------------------------------------------------------------------------------------------------------- */

static uint64_t now_of(guest *g, uint32_t clock)
{
    OK(CALL(g, clock_time_get, clock, 0, AT_RESULT));
    return get64(g, AT_RESULT);
}

static void test_real_clocks(void **state)
{
    guest *g = *state;
    uint64_t before = adk__clock_ns(CLOCK_REALTIME);
    uint64_t first = now_of(g, ADK__WASI_CLOCK_MONOTONIC);
    uint64_t real = now_of(g, ADK__WASI_CLOCK_REALTIME);
    uint64_t cpu = now_of(g, ADK__WASI_CLOCK_PROCESS_CPUTIME);

    assert_true(real >= before && real <= adk__clock_ns(CLOCK_REALTIME));
    assert_true(first == ADK__NS_PER_S); /* nothing of the host's uptime */
    assert_true(now_of(g, ADK__WASI_CLOCK_MONOTONIC) > first);
    assert_true(cpu <= now_of(g, ADK__WASI_CLOCK_MONOTONIC) - first);
    for (volatile int i = 0; i < 100000; i++)
        continue;
    assert_true(now_of(g, ADK__WASI_CLOCK_THREAD_CPUTIME) > cpu);
    for (uint32_t clock = 0; clock < 4; clock++) {
        OK(CALL(g, clock_res_get, clock, AT_RESULT));
        assert_true(get64(g, AT_RESULT) == 1);
    }
}

static void test_monotonic_counts_from_the_begin_given(void **state)
{
    guest *g = *state;
    uint64_t now;

    g->setup.began_ns = adk__now_ns() - 5 * ADK__NS_PER_S;
    guest_begin(g);
    now = now_of(g, ADK__WASI_CLOCK_MONOTONIC);
    assert_true(now >= 6 * ADK__NS_PER_S && now < 16 * ADK__NS_PER_S);
    assert_true(now_of(g, ADK__WASI_CLOCK_THREAD_CPUTIME) > 0);
}

static void test_unknown_clock(void **state)
{
    guest *g = *state;

    FAILS(ADK__WASI_EINVAL, CALL(g, clock_time_get, 4, 0, AT_RESULT));
    FAILS(ADK__WASI_EINVAL, CALL(g, clock_time_get, UINT32_MAX, 0, AT_RESULT));
    FAILS(ADK__WASI_EINVAL, CALL(g, clock_res_get, 4, AT_RESULT));
}

static void test_virtual_clock(void **state)
{
    guest *g = *state;

    g->request.flags = ADK_REQUEST_CLOCK;
    g->request.clock_start_ns = 1000000;
    guest_begin(g);
    assert_true(now_of(g, ADK__WASI_CLOCK_REALTIME) == 1000000);
    assert_true(now_of(g, ADK__WASI_CLOCK_REALTIME) == 1001000);
    assert_true(now_of(g, ADK__WASI_CLOCK_MONOTONIC) == ADK__NS_PER_S + 2000);
    assert_true(now_of(g, ADK__WASI_CLOCK_PROCESS_CPUTIME) == 3000);
    OK(CALL(g, clock_res_get, 0, AT_RESULT));
    assert_true(get64(g, AT_RESULT) == 1000);
}

static void test_virtual_clock_from_zero_and_at_its_end(void **state)
{
    guest *g = *state;

    g->request.flags = ADK_REQUEST_CLOCK;
    guest_begin(g);
    assert_true(now_of(g, ADK__WASI_CLOCK_REALTIME) == 0);
    guest_end(g);
    g->request.clock_start_ns = UINT64_MAX - 500;
    guest_begin(g);
    assert_true(now_of(g, ADK__WASI_CLOCK_REALTIME) == UINT64_MAX - 500);
    assert_true(now_of(g, ADK__WASI_CLOCK_REALTIME) == UINT64_MAX);
    assert_true(now_of(g, ADK__WASI_CLOCK_REALTIME) == UINT64_MAX);
}

/* ---- random numbers ----------------------------------------------------------------------------------------------- */

static void test_random_is_random(void **state)
{
    guest *g = *state;

    OK(CALL(g, random_get, AT_DATA, 64));
    OK(CALL(g, random_get, AT_DATA + 64, 64));
    assert_memory_not_equal(g->memory + AT_DATA, g->memory + AT_DATA + 64, 64);
    assert_true(get64(g, AT_DATA + 128) == 0);
    OK(CALL(g, random_get, AT_DATA, 0));
    OK(CALL(g, random_get, GUEST_SIZE, 0));
    OK(CALL(g, random_get, 0, GUEST_SIZE));
}

static void begin_seeded(guest *g, uint64_t seed)
{
    g->request.flags = ADK_REQUEST_SEED;
    g->request.random_seed = seed;
    guest_begin(g);
}

static void test_seeded_stream_does_not_depend_on_chunks(void **state)
{
    static const uint32_t chunks[] = {1, 63, 64, 65, 127, 128, 129, 4096, 7, 200000, 3};
    guest *g = *state;
    size_t size = (size_t)200 << 10;
    uint8_t *whole = malloc(size);

    assert_non_null(whole);
    begin_seeded(g, 42);
    OK(CALL(g, random_get, 0, size));
    memcpy(whole, g->memory, size);
    for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
        guest_end(g);
        begin_seeded(g, 42);
        memset(g->memory, 0xEE, GUEST_SIZE);
        for (size_t at = 0; at < size; at += chunks[c]) {
            size_t rest = size - at;

            OK(CALL(g, random_get, at, chunks[c] < rest ? chunks[c] : rest));
        }
        assert_memory_equal(g->memory, whole, size);
    }
    guest_end(g);
    begin_seeded(g, 43);
    OK(CALL(g, random_get, 0, 64));
    assert_memory_not_equal(g->memory, whole, 64);
    free(whole);
}

/* What a seed gives is kept for good: recorded seeds must go on giving what they gave. */
static void test_seeded_stream_is_the_documented_one(void **state)
{
    guest *g = *state;
    uint8_t key[32] = {0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01};
    uint8_t nonce[8] = {0};
    uint8_t expected[256];

    memcpy(key + 8, "adk-sandbox random_get 1", 24);
    assert_int_equal(crypto_stream_chacha20(expected, sizeof expected, nonce, key), 0);
    begin_seeded(g, 0x0102030405060708);
    OK(CALL(g, random_get, 0, sizeof expected));
    assert_memory_equal(g->memory, expected, sizeof expected);
}

static void test_random_looks_at_the_interrupt(void **state)
{
    guest *g = *state;

    adk__interrupt_cancel(&g->interrupt);
    (void)CALL(g, random_get, 0, GUEST_SIZE);
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_INTERRUPT);
}

/* ---- process and sockets ------------------------------------------------------------------------------------------ */

static void test_exit_keeps_32_bits(void **state)
{
    guest *g = *state;

    (void)CALL(g, proc_exit, 0xFFFFFFF0);
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_EXIT);
    assert_int_equal(adk__wasi_call_of(g->wasi)->exit_code, 0xFFFFFFF0);
    guest_end(g);
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_GO_ON);
    assert_int_equal(adk__wasi_call_of(g->wasi)->exit_code, 0);
}

static void test_raise_and_yield(void **state)
{
    guest *g = *state;

    FAILS(ADK__WASI_ENOSYS, CALL(g, proc_raise, 9));
    OK(guest_call(g, "sched_yield", NULL, 0));
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_GO_ON);
}

static void test_sockets(void **state)
{
    guest *g = *state;

    for (uint32_t fd = 0; fd < 4; fd++) {
        FAILS(ADK__WASI_ENOTSOCK, CALL(g, sock_accept, fd, 0, AT_RESULT));
        FAILS(ADK__WASI_ENOTSOCK, CALL(g, sock_recv, fd, AT_IOVECS, 0, 0, AT_RESULT, AT_RESULT + 4));
        FAILS(ADK__WASI_ENOTSOCK, CALL(g, sock_send, fd, AT_IOVECS, 0, 0, AT_RESULT));
        FAILS(ADK__WASI_ENOTSOCK, CALL(g, sock_shutdown, fd, 3));
    }
    FAILS(ADK__WASI_EBADF, CALL(g, sock_accept, 4, 0, AT_RESULT));
    FAILS(ADK__WASI_EBADF, CALL(g, sock_recv, UINT32_MAX, AT_IOVECS, 0, 0, AT_RESULT, AT_RESULT + 4));
    FAILS(ADK__WASI_EBADF, CALL(g, sock_send, 4096, AT_IOVECS, 0, 0, AT_RESULT));
    FAILS(ADK__WASI_EBADF, CALL(g, sock_shutdown, 4, 3));
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

static void test_without_memory_all_is_a_fault(void **state)
{
    guest *g = *state;

    adk__wasi_call_of(g->wasi)->memory = (adk__wasi_memory){NULL, 0};
    FAILS(ADK__WASI_EFAULT, CALL(g, fd_write, 1, 0, 0, 0));
    FAILS(ADK__WASI_EFAULT, CALL(g, random_get, 0, 0));
    FAILS(ADK__WASI_EFAULT, CALL(g, args_get, 0, 0));
    FAILS(ADK__WASI_EFAULT, CALL(g, clock_time_get, 0, 0, 0));
    FAILS(ADK__WASI_EFAULT, CALL(g, poll_oneoff, 0, 0, 1, 0));
    FAILS(ADK__WASI_EFAULT, CALL(g, path_open, 3, 0, 0, 0, 0, 0, 0, 0, 0));
}

/* A run that uses no file makes no tree, even if it does what wasi-libc does as a program starts. */
static void test_no_tree_unless_it_is_used(void **state)
{
    guest *g = *state;
    uint8_t name[1];

    OK(CALL(g, fd_prestat_get, 3, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 0);
    assert_int_equal(get32(g, AT_RESULT + 4), 1);
    OK(CALL(g, fd_prestat_dir_name, 3, AT_RESULT, 1));
    memcpy(name, g->memory + AT_RESULT, 1);
    assert_int_equal(name[0], '/');
    FAILS(ADK__WASI_EBADF, CALL(g, fd_prestat_get, 4, AT_RESULT));
    OK(CALL(g, fd_fdstat_get, 3, AT_RESULT));
    OK(write_text(g, 1, "x", NULL));
    assert_int_equal(read_some(g, 0, 10), 0);
    assert_null(adk__wasi_files_made(g->wasi));
    assert_true(g->charged == 0);
    OK(CALL(g, fd_filestat_get, 3, AT_RESULT));
    assert_non_null(adk__wasi_files_made(g->wasi));
}

static void test_budget_that_refuses_even_the_root(void **state)
{
    guest *g = *state;

    g->budget = 10;
    FAILS(ADK__WASI_ENOSPC, CALL(g, path_create_directory, 3, AT_PATH, path_at(g, AT_PATH, "d")));
    assert_null(adk__wasi_files_made(g->wasi));
    OK(write_text(g, 1, "x", NULL));
}

/* Input files, an image, the walk after the run, and the accounting of it. */
static int count_visit(void *data, const char *path, size_t size, adk__vfs_inode *inode)
{
    (void)path;
    (void)size;
    (void)inode;
    ++*(unsigned *)data;
    return 0;
}

static void test_host_puts_files_in_and_takes_them_out(void **state)
{
    guest *g = *state;
    adk__vfs *vfs = NULL;
    unsigned seen = 0;
    uint32_t fd;

    assert_int_equal(adk__wasi_files(g->wasi, &vfs), 0);
    assert_int_equal(adk__vfs_add_borrowed(adk__vfs_root(vfs), "in", 2, "hello", 5), 0);
    adk__vfs_mark(vfs);
    fd = open_file(g, "in");
    assert_int_equal(read_some(g, fd, 100), 5);
    assert_memory_equal(g->memory + AT_DATA, "hello", 5);
    OK(write_text(g, open_file(g, "out"), "result", NULL));
    assert_ptr_equal(adk__wasi_files_made(g->wasi), vfs);
    assert_int_equal(adk__vfs_walk(adk__vfs_root(vfs), true, count_visit, &seen, NULL), 0);
    assert_true(seen >= 1);
    assert_true(g->charged > 0);
    guest_end(g);
    assert_null(adk__wasi_files_made(g->wasi));
}

static void test_image_is_shown(void **state)
{
    guest *g = *state;
    adk__vfs *vfs = NULL;

    assert_int_equal(adk__vfs_new(NULL, &vfs), 0);
    assert_int_equal(adk__vfs_mkdir_all(adk__vfs_root(vfs), "usr/lib", 7), 0);
    assert_int_equal(adk__vfs_add_borrowed(adk__vfs_root(vfs), "usr/lib/x", 9, "abc", 3), 0);
    assert_int_equal(adk__vfs_seal(vfs, &g->setup.image), 0);
    adk__vfs_free(vfs);
    guest_begin(g);
    assert_int_equal(read_some(g, open_file(g, "usr/lib/x"), 10), 3);
    guest_end(g);
    adk__vfs_image_unref(g->setup.image);
}

/* Nothing of a run is left in the context: byte for byte it is as if it were new. */
static void test_end_leaves_nothing(void **state)
{
    guest *g = *state;
    adk__wasi *fresh = adk__wasi_new();
    uint32_t fd = 0;

    assert_non_null(fresh);
    g->request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    g->request.random_seed = UINT64_C(0xC5C5C5C5C5C5C5C5);
    g->request.stdin_data = (adk_bytes){"input", 5};
    guest_begin(g);
    for (int i = 0; i < 200; i++)
        fd = open_file(g, "canary");
    assert_int_equal(fd, 203);
    OK(CALL(g, random_get, 0, 77));
    assert_int_equal(read_some(g, 0, 3), 3);
    OK(CALL(g, fd_close, 1));
    (void)CALL(g, proc_exit, 7);
    guest_end(g);
    assert_memory_equal(g->wasi, fresh, sizeof(adk__wasi));
    g->request.flags = 0;
    guest_begin(g);
    FAILS(ADK__WASI_EBADF, CALL(g, fd_close, 4));
    OK(CALL(g, fd_fdstat_get, 1, AT_RESULT));
    assert_int_equal(read_some(g, 0, 100), 5);
    FAILS(ADK__WASI_ENOENT, open_with(g, 3, 0, "canary", 0, 0, 0, 0, &fd));
    adk__wasi_free(fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_complete_and_sorted),
        cmocka_unit_test_setup_teardown(test_args, guest_setup_unbegun, guest_teardown),
        cmocka_unit_test_setup_teardown(test_env, guest_setup_unbegun, guest_teardown),
        cmocka_unit_test_setup_teardown(test_no_args_at_all, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_args_that_do_not_fit_32_bits, guest_setup_unbegun, guest_teardown),
        cmocka_unit_test_setup_teardown(test_args_end_where_memory_ends, guest_setup_unbegun, guest_teardown),
        cmocka_unit_test_setup_teardown(test_real_clocks, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_monotonic_counts_from_the_begin_given, guest_setup_unbegun,
                                        guest_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_clock, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_virtual_clock, guest_setup_unbegun, guest_teardown),
        cmocka_unit_test_setup_teardown(test_virtual_clock_from_zero_and_at_its_end, guest_setup_unbegun,
                                        guest_teardown),
        cmocka_unit_test_setup_teardown(test_random_is_random, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_seeded_stream_does_not_depend_on_chunks, guest_setup_unbegun,
                                        guest_teardown),
        cmocka_unit_test_setup_teardown(test_seeded_stream_is_the_documented_one, guest_setup_unbegun, guest_teardown),
        cmocka_unit_test_setup_teardown(test_random_looks_at_the_interrupt, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_exit_keeps_32_bits, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_raise_and_yield, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_sockets, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_without_memory_all_is_a_fault, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_no_tree_unless_it_is_used, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_budget_that_refuses_even_the_root, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_host_puts_files_in_and_takes_them_out, guest_setup, guest_teardown),
        cmocka_unit_test_setup_teardown(test_image_is_shown, guest_setup_unbegun, guest_teardown),
        cmocka_unit_test_setup_teardown(test_end_leaves_nothing, guest_setup_unbegun, guest_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
