/*
 * src/wasi: streams, reading and writing, and descriptors: their table, flags, rights, positions.
 */
#include "test_wasi.h"

/* ---- streams ------------------------------------------------------------------------------------------------------ */

static void test_write_reaches_the_output_per_buffer(void **state)
{
    guest *g = *state;

    memcpy(g->memory + AT_DATA, "hello, world", 12);
    put_iovec(g, 0, AT_DATA, 5);
    put_iovec(g, 1, AT_DATA, 0);
    put_iovec(g, 2, AT_DATA + 5, 7);
    put_iovec(g, 3, GUEST_SIZE, 0);
    OK(CALL(g, fd_write, 1, AT_IOVECS, 4, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 12);
    assert_int_equal(g->outputs, 2);
    assert_int_equal(g->output[0].size, 12);
    assert_memory_equal(g->output[0].data, "hello, world", 12);
    OK(CALL(g, fd_write, 2, AT_IOVECS, 1, AT_RESULT));
    assert_int_equal(g->output[1].size, 5);
    OK(CALL(g, fd_write, 1, AT_IOVECS, 0, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 0);
    assert_int_equal(g->outputs, 3);
}

static void test_write_checks_all_before_the_first_byte(void **state)
{
    guest *g = *state;

    put_iovec(g, 0, AT_DATA, 5);
    put_iovec(g, 1, (uint32_t)GUEST_SIZE - 4, 5);
    FAILS(ADK__WASI_EFAULT, CALL(g, fd_write, 1, AT_IOVECS, 2, AT_RESULT));
    put_iovec(g, 1, 0xFFFFFFFF, 0xFFFFFFFF);
    FAILS(ADK__WASI_EFAULT, CALL(g, fd_write, 1, AT_IOVECS, 2, AT_RESULT));
    FAILS(ADK__WASI_EFAULT, CALL(g, fd_write, 1, AT_IOVECS, 1, GUEST_SIZE - 3));
    FAILS(ADK__WASI_EFAULT, CALL(g, fd_write, 1, GUEST_SIZE - 8, 2, AT_RESULT));
    FAILS(ADK__WASI_EFAULT, CALL(g, fd_write, 1, AT_IOVECS, 0xFFFFFFFF, AT_RESULT));
    assert_int_equal(g->outputs, 0);
    assert_int_equal(get32(g, AT_RESULT), 0);
}

/* 20,000 buffers that overlap; and a sum that does not fit the result. */
static void test_write_of_many_buffers(void **state)
{
    guest *g = *state;
    uint32_t count = 20000;
    uint32_t list = 0x10000;

    for (uint32_t i = 0; i < count; i++) {
        put32(g, list + 8 * (uint64_t)i, i);
        put32(g, list + 8 * (uint64_t)i + 4, 3);
    }
    OK(CALL(g, fd_write, 1, list, count, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 3 * count);
    assert_int_equal(g->output[0].size, 3 * (size_t)count);
    for (uint32_t i = 0; i < count; i++) {
        put32(g, list + 8 * (uint64_t)i, 0);
        put32(g, list + 8 * (uint64_t)i + 4, (uint32_t)GUEST_SIZE);
    }
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_write, 1, list, count, AT_RESULT));
    assert_int_equal(g->outputs, count);
}

static void test_output_that_says_stop(void **state)
{
    guest *g = *state;

    g->output_answer = 1;
    put_iovec(g, 0, AT_DATA, 1);
    put_iovec(g, 1, AT_DATA, 1);
    (void)CALL(g, fd_write, 1, AT_IOVECS, 2, AT_RESULT);
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_OUTPUT);
    assert_int_equal(g->outputs, 1);
}

static void test_slow_output_is_followed_by_a_look_at_the_interrupt(void **state)
{
    guest *g = *state;

    adk__interrupt_cancel(&g->interrupt);
    OK(write_text(g, 1, "x", NULL));
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_GO_ON);
    guest_end(g);
    g->setup.output_may_block = true;
    guest_begin(g);
    (void)write_text(g, 1, "x", NULL);
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_INTERRUPT);
}

/* A call that is long in itself does not wait for the guest's next loop to be stopped. */
static void test_long_write_looks_at_the_interrupt(void **state)
{
    guest *g = *state;
    uint32_t list = 0x10000;

    for (uint32_t i = 0; i < 1000; i++) {
        put32(g, list + 8 * (uint64_t)i, 0);
        put32(g, list + 8 * (uint64_t)i + 4, 10000);
    }
    adk__interrupt_cancel(&g->interrupt);
    (void)CALL(g, fd_write, 1, list, 1000, AT_RESULT);
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_INTERRUPT);
    assert_true(g->outputs > 0 && g->outputs < 1000);
}

static void test_stdin(void **state)
{
    guest *g = *state;

    g->request.stdin_data = (adk_bytes){"0123456789", 10};
    guest_begin(g);
    put_iovec(g, 0, AT_DATA, 3);
    put_iovec(g, 1, AT_DATA + 100, 4);
    OK(CALL(g, fd_read, 0, AT_IOVECS, 2, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 7);
    assert_memory_equal(g->memory + AT_DATA, "012\0", 4);
    assert_memory_equal(g->memory + AT_DATA + 100, "3456\0", 5);
    OK(CALL(g, fd_read, 0, AT_IOVECS, 2, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 3);
    OK(CALL(g, fd_read, 0, AT_IOVECS, 2, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 0);
}

/* The list of buffers lies where the first buffer's bytes go: what follows of the list is checked again. */
static void test_read_over_its_own_list(void **state)
{
    static const uint8_t evil[] = {0, 0, 0, 0, 0, 0, 0, 0, 0xF0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, 2, 3};
    guest *g = *state;

    g->request.stdin_data = (adk_bytes){evil, sizeof evil};
    guest_begin(g);
    put_iovec(g, 0, AT_IOVECS, 16);
    put_iovec(g, 1, AT_DATA, 100);
    OK(CALL(g, fd_read, 0, AT_IOVECS, 2, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 16);
}

static void test_what_streams_are_not(void **state)
{
    guest *g = *state;

    put_iovec(g, 0, AT_DATA, 3);
    FAILS(ADK__WASI_EBADF, CALL(g, fd_write, 0, AT_IOVECS, 1, AT_RESULT));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_read, 1, AT_IOVECS, 1, AT_RESULT));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_read, 77, AT_IOVECS, 1, AT_RESULT));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_write, UINT32_MAX, AT_IOVECS, 1, AT_RESULT));
    FAILS(ADK__WASI_ESPIPE, CALL(g, fd_pread, 0, AT_IOVECS, 1, 0, AT_RESULT));
    FAILS(ADK__WASI_ESPIPE, CALL(g, fd_pwrite, 1, AT_IOVECS, 1, 0, AT_RESULT));
    for (uint32_t fd = 0; fd < 3; fd++) {
        FAILS(ADK__WASI_ESPIPE, CALL(g, fd_seek, fd, 0, 1, AT_RESULT));
        FAILS(ADK__WASI_ESPIPE, CALL(g, fd_tell, fd, AT_RESULT));
        FAILS(ADK__WASI_ESPIPE, CALL(g, fd_allocate, fd, 0, 1));
        FAILS(ADK__WASI_ESPIPE, CALL(g, fd_advise, fd, 0, 1, 0));
        FAILS(ADK__WASI_EINVAL, CALL(g, fd_filestat_set_size, fd, 1));
        FAILS(ADK__WASI_EINVAL, CALL(g, fd_sync, fd));
        FAILS(ADK__WASI_EINVAL, CALL(g, fd_datasync, fd));
        FAILS(ADK__WASI_ENOTCAPABLE, CALL(g, fd_filestat_set_times, fd, 0, 0, 0));
        FAILS(ADK__WASI_ENOTDIR, CALL(g, fd_readdir, fd, AT_DATA, 10, 0, AT_RESULT));
        FAILS(ADK__WASI_ENOTDIR, CALL(g, path_create_directory, fd, AT_PATH, path_at(g, AT_PATH, "d")));
        FAILS(ADK__WASI_EBADF, CALL(g, fd_prestat_get, fd, AT_RESULT));
    }
    assert_null(adk__wasi_files_made(g->wasi));
}

static void test_stats_of_streams(void **state)
{
    guest *g = *state;

    for (uint32_t fd = 0; fd < 3; fd++) {
        memset(g->memory + AT_RESULT, 0xAA, 80);
        OK(CALL(g, fd_fdstat_get, fd, AT_RESULT));
        assert_int_equal(g->memory[AT_RESULT], ADK__WASI_FILETYPE_UNKNOWN);
        assert_int_equal(get16(g, AT_RESULT + 2), 0);
        assert_true((get64(g, AT_RESULT + 8) & (ADK__WASI_RIGHT_FD_SEEK | ADK__WASI_RIGHT_FD_TELL)) == 0);
        assert_int_equal(g->memory[AT_RESULT + 24], 0xAA);
        memset(g->memory + AT_RESULT, 0xAA, 80);
        OK(CALL(g, fd_filestat_get, fd, AT_RESULT));
        assert_int_equal(g->memory[AT_RESULT + 16], ADK__WASI_FILETYPE_UNKNOWN);
        assert_true(get64(g, AT_RESULT + 24) == 1);
        assert_true(get64(g, AT_RESULT + 32) == 0);
        assert_int_equal(g->memory[AT_RESULT + 64], 0xAA);
        memset(g->memory + AT_RESULT, 0xAA, 80);
        OK(CALL_UNSTABLE(g, fd_filestat_get, fd, AT_RESULT));
        assert_int_equal(get32(g, AT_RESULT + 20), 1);
        assert_true(get64(g, AT_RESULT + 24) == 0);
        assert_int_equal(g->memory[AT_RESULT + 56], 0xAA);
        OK(CALL(g, fd_fdstat_set_flags, fd, ADK__WASI_FDFLAG_APPEND | ADK__WASI_FDFLAG_NONBLOCK));
        OK(CALL(g, fd_fdstat_get, fd, AT_RESULT));
        assert_int_equal(get16(g, AT_RESULT + 2), ADK__WASI_FDFLAG_APPEND | ADK__WASI_FDFLAG_NONBLOCK);
        FAILS(ADK__WASI_EINVAL, CALL(g, fd_fdstat_set_flags, fd, 32));
        FAILS(ADK__WASI_EINVAL, CALL(g, fd_fdstat_set_flags, fd, 0x10000));
    }
}

/* As wasi-testsuite's stdio: each stream is moved away, the lowest number becomes free for the next file. */
static void test_renumber_streams(void **state)
{
    guest *g = *state;
    uint32_t fd;

    for (uint32_t stream = 0; stream < 3; stream++) {
        fd = open_file(g, "f");
        OK(CALL(g, fd_renumber, stream, fd));
        OK(CALL(g, fd_fdstat_get, fd, AT_RESULT));
        assert_int_equal(g->memory[AT_RESULT], ADK__WASI_FILETYPE_UNKNOWN);
        FAILS(ADK__WASI_EBADF, CALL(g, fd_fdstat_get, stream, AT_RESULT));
    }
    OK(write_text(g, 0, "out", NULL)); /* stdout went to the number that stdin left */
    assert_int_equal(g->output[0].size, 3);
    OK(write_text(g, 1, "error", NULL));
    assert_int_equal(g->output[1].size, 5);
}

static void test_stdout_into_a_file(void **state)
{
    guest *g = *state;

    OK(CALL(g, fd_renumber, open_file(g, "log"), 1));
    OK(write_text(g, 1, "text", NULL));
    assert_int_equal(g->outputs, 0);
    assert_int_equal(read_some(g, open_file(g, "log"), 100), 4);
}

static void test_close_and_reuse(void **state)
{
    guest *g = *state;

    for (uint32_t fd = 0; fd < 4; fd++) {
        OK(CALL(g, fd_close, fd));
        FAILS(ADK__WASI_EBADF, CALL(g, fd_close, fd));
        FAILS(ADK__WASI_EBADF, CALL(g, fd_fdstat_get, fd, AT_RESULT));
    }
    FAILS(ADK__WASI_EBADF, CALL(g, fd_close, 4095));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_close, 4096));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_close, UINT32_MAX));
}

/* ---- the table ---------------------------------------------------------------------------------------------------- */

static void test_lowest_number_always(void **state)
{
    guest *g = *state;

    for (uint32_t fd = 4; fd < 300; fd++)
        assert_int_equal(open_file(g, "f"), fd);
    OK(CALL(g, fd_close, 200));
    OK(CALL(g, fd_close, 64));
    OK(CALL(g, fd_close, 63));
    assert_int_equal(open_file(g, "f"), 63);
    assert_int_equal(open_file(g, "f"), 64);
    assert_int_equal(open_file(g, "f"), 200);
    assert_int_equal(open_file(g, "f"), 300);
    OK(CALL(g, fd_renumber, 299, 5));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_close, 299));
    assert_int_equal(open_file(g, "f"), 299);
}

static void test_table_is_bounded(void **state)
{
    guest *g = *state;
    uint32_t fd = 0;
    uint64_t charged;

    for (uint32_t i = 4; i < 4096; i++)
        assert_int_equal(open_file(g, "f"), i);
    charged = g->charged;
    FAILS(ADK__WASI_EMFILE, open_with(g, 3, 0, "new", ADK__WASI_OFLAG_CREAT, 0, 0, 0, &fd));
    assert_true(g->charged == charged);
    FAILS(ADK__WASI_ENOENT,
          CALL(g, path_filestat_get, 3, 0, AT_PATH, path_at(g, AT_PATH, "new"), AT_RESULT)); /* it was not made */
    OK(CALL(g, fd_close, 4095));
    assert_int_equal(open_file(g, "new"), 4095);
}

static void test_table_limit_of_the_setup(void **state)
{
    guest *g = *state;
    uint32_t fd = 0;

    g->setup.files_open = 6;
    guest_begin(g);
    assert_int_equal(open_file(g, "f"), 4);
    assert_int_equal(open_file(g, "f"), 5);
    FAILS(ADK__WASI_EMFILE, open_with(g, 3, 0, "f", 0, 0, 0, 0, &fd));
}

static void test_table_is_charged(void **state)
{
    guest *g = *state;
    uint32_t fd = 0;
    uint64_t charged;

    (void)open_file(g, "f");
    charged = g->charged;
    for (uint32_t i = 5; i < 64; i++)
        assert_int_equal(open_file(g, "f"), i);
    assert_true(g->charged == charged);
    g->budget = g->charged + 100;
    FAILS(ADK__WASI_ENOMEM, open_with(g, 3, 0, "f", 0, 0, 0, 0, &fd));
    g->budget = g->charged + 100000;
    assert_int_equal(open_file(g, "f"), 64);
    assert_true(g->charged > charged);
}

static void test_renumber(void **state)
{
    guest *g = *state;
    uint32_t a = open_file(g, "a");
    uint32_t b = open_file(g, "b");

    OK(write_text(g, a, "aaa", NULL));
    OK(CALL(g, fd_renumber, a, a));
    OK(CALL(g, fd_renumber, a, b));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_close, a));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_renumber, b, a));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_renumber, a, b));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_renumber, b, UINT32_MAX));
    OK(CALL(g, fd_tell, b, AT_RESULT));
    assert_true(get64(g, AT_RESULT) == 3); /* the position moved with it */
    OK(CALL(g, fd_renumber, b, 3));        /* over the preopened directory */
    FAILS(ADK__WASI_EBADF, CALL(g, fd_prestat_get, 3, AT_RESULT));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_prestat_dir_name, 3, AT_RESULT, 1));
    FAILS(ADK__WASI_ENOTDIR, CALL(g, path_create_directory, 3, AT_PATH, path_at(g, AT_PATH, "d")));
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static void seek_is(guest *g, uint32_t fd, int64_t delta, uint32_t whence, uint64_t expected)
{
    OK(CALL(g, fd_seek, fd, (uint64_t)delta, whence, AT_RESULT));
    assert_true(get64(g, AT_RESULT) == expected);
    OK(CALL(g, fd_tell, fd, AT_RESULT));
    assert_true(get64(g, AT_RESULT) == expected);
}

static void test_seek_and_tell(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "f");

    OK(write_text(g, fd, "0123456789", NULL));
    seek_is(g, fd, 0, ADK__WASI_SEEK_CUR, 10);
    seek_is(g, fd, 0, ADK__WASI_SEEK_SET, 0);
    seek_is(g, fd, -3, ADK__WASI_SEEK_END, 7);
    seek_is(g, fd, 100, ADK__WASI_SEEK_CUR, 107);
    seek_is(g, fd, INT64_MAX, ADK__WASI_SEEK_SET, INT64_MAX);
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_seek, fd, 1, ADK__WASI_SEEK_CUR, AT_RESULT));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_seek, fd, UINT64_MAX, ADK__WASI_SEEK_SET, AT_RESULT));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_seek, fd, (uint64_t)INT64_MIN, ADK__WASI_SEEK_END, AT_RESULT));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_seek, fd, 0, 3, AT_RESULT));
    seek_is(g, fd, 0, ADK__WASI_SEEK_CUR, INT64_MAX);
    assert_int_equal(read_some(g, fd, 10), 0);
    FAILS(ADK__WASI_EFBIG, write_text(g, fd, "x", NULL));
    FAILS(ADK__WASI_EISDIR, CALL(g, fd_seek, 3, 0, 1, AT_RESULT));
    FAILS(ADK__WASI_EISDIR, CALL(g, fd_tell, 3, AT_RESULT));
}

static void test_seek_of_the_older_module(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "f");

    OK(write_text(g, fd, "0123456789", NULL));
    OK(CALL_UNSTABLE(g, fd_seek, fd, (uint64_t)-4, 0, AT_RESULT)); /* from here */
    assert_true(get64(g, AT_RESULT) == 6);
    OK(CALL_UNSTABLE(g, fd_seek, fd, (uint64_t)-1, 1, AT_RESULT)); /* from the end */
    assert_true(get64(g, AT_RESULT) == 9);
    OK(CALL_UNSTABLE(g, fd_seek, fd, 2, 2, AT_RESULT)); /* from the start */
    assert_true(get64(g, AT_RESULT) == 2);
    FAILS(ADK__WASI_EINVAL, CALL_UNSTABLE(g, fd_seek, fd, 2, 3, AT_RESULT));
}

static void test_append(void **state)
{
    guest *g = *state;
    uint32_t fd = 0;

    OK(open_with(g, 3, 0, "f", ADK__WASI_OFLAG_CREAT, ALL_FILE_RIGHTS, 0, ADK__WASI_FDFLAG_APPEND, &fd));
    OK(write_text(g, fd, "abc", NULL));
    seek_is(g, fd, 0, ADK__WASI_SEEK_SET, 0);
    OK(write_text(g, fd, "def", NULL));
    seek_is(g, fd, 0, ADK__WASI_SEEK_CUR, 6);
    put_iovec(g, 0, AT_DATA, 1);
    g->memory[AT_DATA] = 'X';
    OK(CALL(g, fd_pwrite, fd, AT_IOVECS, 1, 1, AT_RESULT)); /* at its offset, and the position stays */
    seek_is(g, fd, 0, ADK__WASI_SEEK_CUR, 6);
    OK(CALL(g, fd_fdstat_set_flags, fd, 0));
    seek_is(g, fd, 0, ADK__WASI_SEEK_SET, 0);
    OK(write_text(g, fd, "Y", NULL));
    seek_is(g, fd, 0, ADK__WASI_SEEK_SET, 0);
    assert_int_equal(read_some(g, fd, 100), 6);
    assert_memory_equal(g->memory + AT_DATA, "YXcdef", 6);
}

static void test_pread_pwrite(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "f");

    memcpy(g->memory + AT_DATA, "abcdef", 6);
    put_iovec(g, 0, AT_DATA, 2);
    put_iovec(g, 1, AT_DATA + 2, 4);
    OK(CALL(g, fd_pwrite, fd, AT_IOVECS, 2, 10, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 6);
    seek_is(g, fd, 0, ADK__WASI_SEEK_CUR, 0);
    seek_is(g, fd, 0, ADK__WASI_SEEK_END, 16);
    put_iovec(g, 0, AT_DATA + 100, 3);
    put_iovec(g, 1, AT_DATA + 200, 100);
    OK(CALL(g, fd_pread, fd, AT_IOVECS, 2, 8, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 8);
    assert_memory_equal(g->memory + AT_DATA + 100, "\0\0a\0", 4);
    assert_memory_equal(g->memory + AT_DATA + 200, "bcdef\0", 6);
    OK(CALL(g, fd_pread, fd, AT_IOVECS, 2, 16, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 0);
    OK(CALL(g, fd_pread, fd, AT_IOVECS, 2, INT64_MAX, AT_RESULT));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_pread, fd, AT_IOVECS, 2, UINT64_MAX, AT_RESULT));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_pwrite, fd, AT_IOVECS, 2, UINT64_C(1) << 63, AT_RESULT));
    FAILS(ADK__WASI_EFBIG, CALL(g, fd_pwrite, fd, AT_IOVECS, 2, INT64_MAX, AT_RESULT));
}

/* The budget ends in the middle of a write: what fits is written, then ENOSPC, and standard output goes on. */
static void test_full_budget(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "f");
    uint64_t written = 0;
    uint16_t failed;

    g->budget = g->charged + ((uint64_t)300 << 10);
    put_iovec(g, 0, 0x10000, 100000);
    do {
        failed = CALL(g, fd_write, fd, AT_IOVECS, 1, AT_RESULT);
        if (!failed)
            written += get32(g, AT_RESULT);
    } while (!failed && written < 1000000);
    assert_int_equal(failed, ADK__WASI_ENOSPC);
    assert_true(written > 100000 && written <= (uint64_t)300 << 10);
    seek_is(g, fd, 0, ADK__WASI_SEEK_END, written);
    OK(write_text(g, 1, "full", NULL));
    FAILS(ADK__WASI_ENOSPC, CALL(g, fd_allocate, fd, 0, 1 << 20));
    seek_is(g, fd, 0, ADK__WASI_SEEK_END, written);
    OK(CALL(g, fd_filestat_set_size, fd, 0));
    OK(write_text(g, fd, "again", NULL));
}

static void test_allocate(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "f");
    uint64_t charged = g->charged;

    OK(CALL(g, fd_allocate, fd, 0, 100));
    seek_is(g, fd, 0, ADK__WASI_SEEK_END, 100);
    assert_true(g->charged > charged);
    OK(CALL(g, fd_allocate, fd, 10, 10));
    seek_is(g, fd, 0, ADK__WASI_SEEK_END, 100);
    OK(CALL(g, fd_allocate, fd, 90, 20));
    seek_is(g, fd, 0, ADK__WASI_SEEK_END, 110);
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_allocate, fd, 0, 0));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_allocate, fd, UINT64_MAX, 1));
    FAILS(ADK__WASI_EFBIG, CALL(g, fd_allocate, fd, INT64_MAX, 1));
    FAILS(ADK__WASI_ENOSPC, CALL(g, fd_allocate, fd, 0, INT64_MAX));
    seek_is(g, fd, 0, ADK__WASI_SEEK_END, 110);
    FAILS(ADK__WASI_EISDIR, CALL(g, fd_allocate, 3, 0, 1));
}

static void test_allocate_larger_than_a_piece(void **state)
{
    guest *g = *state;
    uint32_t fd;

    g->budget = (uint64_t)200 << 20;
    fd = open_file(g, "f");
    OK(CALL(g, fd_allocate, fd, 5, (uint64_t)130 << 20));
    seek_is(g, fd, 0, ADK__WASI_SEEK_END, ((uint64_t)130 << 20) + 5);
    FAILS(ADK__WASI_ENOSPC, CALL(g, fd_allocate, fd, 0, (uint64_t)300 << 20));
    seek_is(g, fd, 0, ADK__WASI_SEEK_END, ((uint64_t)130 << 20) + 5);
    OK(CALL(g, fd_filestat_set_size, fd, 0));
    adk__interrupt_cancel(&g->interrupt);
    (void)CALL(g, fd_allocate, fd, 0, (uint64_t)130 << 20);
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_INTERRUPT);
}

static void test_advise_and_sync(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "f");

    for (uint32_t advice = 0; advice < 6; advice++)
        OK(CALL(g, fd_advise, fd, 10, 50, advice));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_advise, fd, 0, 0, 6));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_advise, fd, UINT64_MAX, 0, 0));
    FAILS(ADK__WASI_EISDIR, CALL(g, fd_advise, 3, 0, 0, 0));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_advise, 50, 0, 0, 0));
    OK(CALL(g, fd_sync, fd));
    OK(CALL(g, fd_datasync, fd));
    OK(CALL(g, fd_sync, 3));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_sync, 50));
}

static void test_directory_is_no_file(void **state)
{
    guest *g = *state;

    put_iovec(g, 0, AT_DATA, 10);
    FAILS(ADK__WASI_EISDIR, CALL(g, fd_read, 3, AT_IOVECS, 1, AT_RESULT));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_write, 3, AT_IOVECS, 1, AT_RESULT));
    FAILS(ADK__WASI_EISDIR, CALL(g, fd_pread, 3, AT_IOVECS, 1, 0, AT_RESULT));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_pwrite, 3, AT_IOVECS, 1, 0, AT_RESULT));
    FAILS(ADK__WASI_EISDIR, CALL(g, fd_filestat_set_size, 3, 0));
    FAILS(ADK__WASI_ENAMETOOLONG, CALL(g, fd_prestat_dir_name, 3, AT_RESULT, 0));
    OK(CALL(g, fd_prestat_dir_name, 3, AT_RESULT, 2));
}

/* ---- rights ------------------------------------------------------------------------------------------------------- */

static uint64_t rights_of(guest *g, uint32_t fd)
{
    OK(CALL(g, fd_fdstat_get, fd, AT_RESULT));
    return get64(g, AT_RESULT + 8);
}

static void test_rights_can_only_be_given_up(void **state)
{
    guest *g = *state;
    uint32_t fd = 0;
    uint64_t rights = ADK__WASI_RIGHT_FD_READ | ADK__WASI_RIGHT_FD_WRITE | ADK__WASI_RIGHT_FD_SEEK;

    OK(open_with(g, 3, 0, "f", ADK__WASI_OFLAG_CREAT, rights, 0, 0, &fd));
    assert_true(rights_of(g, fd) == rights);
    OK(CALL(g, fd_fdstat_set_rights, fd, rights, 0));
    OK(CALL(g, fd_fdstat_set_rights, fd, ADK__WASI_RIGHT_FD_SEEK, 0));
    FAILS(ADK__WASI_ENOTCAPABLE, CALL(g, fd_fdstat_set_rights, fd, rights, 0));
    FAILS(ADK__WASI_ENOTCAPABLE, CALL(g, fd_fdstat_set_rights, fd, 0, ADK__WASI_RIGHT_FD_READ));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_fdstat_set_rights, 99, 0, 0));
    assert_true(rights_of(g, fd) == ADK__WASI_RIGHT_FD_SEEK);
    put_iovec(g, 0, AT_DATA, 1);
    FAILS(ADK__WASI_EBADF, CALL(g, fd_read, fd, AT_IOVECS, 1, AT_RESULT));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_write, fd, AT_IOVECS, 1, AT_RESULT));
    OK(CALL(g, fd_seek, fd, 0, 0, AT_RESULT));
}

/* Each call on a file without the right it needs, all others present. */
static void test_each_right_of_a_file(void **state)
{
    guest *g = *state;
    uint32_t fd = 0;
    uint64_t all = ALL_FILE_RIGHTS;

#define WITHOUT(right, error, call)                                                                    \
    do {                                                                                               \
        OK(open_with(g, 3, 0, "f", ADK__WASI_OFLAG_CREAT, all & ~ADK__WASI_RIGHT_##right, 0, 0, &fd)); \
        FAILS(error, call);                                                                            \
        OK(CALL(g, fd_close, fd));                                                                     \
    } while (0)

    put_iovec(g, 0, AT_DATA, 1);
    WITHOUT(FD_READ, ADK__WASI_EBADF, CALL(g, fd_pread, fd, AT_IOVECS, 1, 0, AT_RESULT));
    WITHOUT(FD_WRITE, ADK__WASI_EBADF, CALL(g, fd_pwrite, fd, AT_IOVECS, 1, 0, AT_RESULT));
    WITHOUT(FD_SEEK, ADK__WASI_ENOTCAPABLE, CALL(g, fd_pread, fd, AT_IOVECS, 1, 0, AT_RESULT));
    WITHOUT(FD_SEEK, ADK__WASI_ENOTCAPABLE, CALL(g, fd_pwrite, fd, AT_IOVECS, 1, 0, AT_RESULT));
    WITHOUT(FD_SEEK, ADK__WASI_ENOTCAPABLE, CALL(g, fd_seek, fd, 1, 0, AT_RESULT));
    WITHOUT(FD_SEEK, ADK__WASI_SUCCESS, CALL(g, fd_seek, fd, 0, ADK__WASI_SEEK_CUR, AT_RESULT));
    WITHOUT(FD_TELL, ADK__WASI_SUCCESS, CALL(g, fd_tell, fd, AT_RESULT)); /* the right to seek comprises it */
    WITHOUT(FD_DATASYNC, ADK__WASI_ENOTCAPABLE, CALL(g, fd_datasync, fd));
    WITHOUT(FD_SYNC, ADK__WASI_ENOTCAPABLE, CALL(g, fd_sync, fd));
    WITHOUT(FD_FDSTAT_SET_FLAGS, ADK__WASI_ENOTCAPABLE, CALL(g, fd_fdstat_set_flags, fd, 0));
    WITHOUT(FD_ADVISE, ADK__WASI_ENOTCAPABLE, CALL(g, fd_advise, fd, 0, 0, 0));
    WITHOUT(FD_ALLOCATE, ADK__WASI_ENOTCAPABLE, CALL(g, fd_allocate, fd, 0, 1));
    WITHOUT(FD_FILESTAT_GET, ADK__WASI_ENOTCAPABLE, CALL(g, fd_filestat_get, fd, AT_RESULT));
    WITHOUT(FD_FILESTAT_SET_SIZE, ADK__WASI_ENOTCAPABLE, CALL(g, fd_filestat_set_size, fd, 0));
    WITHOUT(FD_FILESTAT_SET_TIMES, ADK__WASI_ENOTCAPABLE, CALL(g, fd_filestat_set_times, fd, 0, 0, 0));
    all = ADK__WASI_RIGHT_FD_READ;
    WITHOUT(FD_TELL, ADK__WASI_ENOTCAPABLE, CALL(g, fd_tell, fd, AT_RESULT));
#undef WITHOUT
}

int main(void)
{
#define TEST(name)         cmocka_unit_test_setup_teardown(name, guest_setup, guest_teardown)
#define TEST_UNBEGUN(name) cmocka_unit_test_setup_teardown(name, guest_setup_unbegun, guest_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_write_reaches_the_output_per_buffer),
        TEST(test_write_checks_all_before_the_first_byte),
        TEST(test_write_of_many_buffers),
        TEST(test_output_that_says_stop),
        TEST(test_slow_output_is_followed_by_a_look_at_the_interrupt),
        TEST(test_long_write_looks_at_the_interrupt),
        TEST_UNBEGUN(test_stdin),
        TEST_UNBEGUN(test_read_over_its_own_list),
        TEST(test_what_streams_are_not),
        TEST(test_stats_of_streams),
        TEST(test_renumber_streams),
        TEST(test_stdout_into_a_file),
        TEST(test_close_and_reuse),
        TEST(test_lowest_number_always),
        TEST(test_table_is_bounded),
        TEST_UNBEGUN(test_table_limit_of_the_setup),
        TEST(test_table_is_charged),
        TEST(test_renumber),
        TEST(test_seek_and_tell),
        TEST(test_seek_of_the_older_module),
        TEST(test_append),
        TEST(test_pread_pwrite),
        TEST(test_full_budget),
        TEST(test_allocate),
        TEST(test_allocate_larger_than_a_piece),
        TEST(test_advise_and_sync),
        TEST(test_directory_is_no_file),
        TEST(test_rights_can_only_be_given_up),
        TEST(test_each_right_of_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
