/*
 * src/wasi: every pointer and every length of every function, at the end of memory, beyond it, and at the end of the
 * address space: EFAULT, and nothing has changed, neither memory nor streams nor files nor descriptors.
 */
#include "test_wasi.h"

#include "wasi/context.h"

#define NO_LENGTH UINT32_MAX

/* A pointer among the arguments: to `size` bytes, or to as many times `size` bytes as argument `length` says. */
typedef struct pointer {
    uint32_t arg;
    uint32_t size;
    uint32_t length;
} pointer;

typedef struct row {
    const char *name;
    uint64_t args[ADK__WASI_PARAMS_MAX]; /* good ones; descriptor 3 is "/", 4 a file */
    pointer pointers[3];
    bool is_unstable;
} row;

static const row rows[] = {
    {"args_get", {AT_RESULT, AT_DATA}, {{0, 8, NO_LENGTH}, {1, 9, NO_LENGTH}}, false},
    {"args_sizes_get", {AT_RESULT, AT_DATA}, {{0, 4, NO_LENGTH}, {1, 4, NO_LENGTH}}, false},
    {"environ_get", {AT_RESULT, AT_DATA}, {{0, 4, NO_LENGTH}, {1, 4, NO_LENGTH}}, false},
    {"environ_sizes_get", {AT_RESULT, AT_DATA}, {{0, 4, NO_LENGTH}, {1, 4, NO_LENGTH}}, false},
    {"clock_res_get", {0, AT_RESULT}, {{1, 8, NO_LENGTH}}, false},
    {"clock_time_get", {0, 0, AT_RESULT}, {{2, 8, NO_LENGTH}}, false},
    {"fd_fdstat_get", {1, AT_RESULT}, {{1, 24, NO_LENGTH}}, false},
    {"fd_filestat_get", {1, AT_RESULT}, {{1, 64, NO_LENGTH}}, false},
    {"fd_filestat_get", {4, AT_RESULT}, {{1, 64, NO_LENGTH}}, false},
    {"fd_filestat_get", {4, AT_RESULT}, {{1, 56, NO_LENGTH}}, true},
    {"fd_pread", {4, AT_IOVECS, 1, 0, AT_RESULT}, {{1, 8, 2}, {4, 4, NO_LENGTH}}, false},
    {"fd_prestat_get", {3, AT_RESULT}, {{1, 8, NO_LENGTH}}, false},
    {"fd_prestat_dir_name", {3, AT_RESULT, 10}, {{1, 1, 2}}, false},
    {"fd_pwrite", {4, AT_IOVECS, 1, 0, AT_RESULT}, {{1, 8, 2}, {4, 4, NO_LENGTH}}, false},
    {"fd_read", {0, AT_IOVECS, 1, AT_RESULT}, {{1, 8, 2}, {3, 4, NO_LENGTH}}, false},
    {"fd_read", {4, AT_IOVECS, 1, AT_RESULT}, {{1, 8, 2}, {3, 4, NO_LENGTH}}, false},
    {"fd_readdir", {3, AT_DATA, 100, 0, AT_RESULT}, {{1, 1, 2}, {4, 4, NO_LENGTH}}, false},
    {"fd_seek", {4, 1, 0, AT_RESULT}, {{3, 8, NO_LENGTH}}, false},
    {"fd_seek", {4, 1, 2, AT_RESULT}, {{3, 8, NO_LENGTH}}, true},
    {"fd_tell", {4, AT_RESULT}, {{1, 8, NO_LENGTH}}, false},
    {"fd_write", {1, AT_IOVECS, 1, AT_RESULT}, {{1, 8, 2}, {3, 4, NO_LENGTH}}, false},
    {"fd_write", {4, AT_IOVECS, 1, AT_RESULT}, {{1, 8, 2}, {3, 4, NO_LENGTH}}, false},
    {"path_create_directory", {3, AT_PATH2, 3}, {{1, 1, 2}}, false},
    {"path_filestat_get", {3, 0, AT_PATH, 4, AT_RESULT}, {{2, 1, 3}, {4, 64, NO_LENGTH}}, false},
    {"path_filestat_get", {3, 0, AT_PATH, 4, AT_RESULT}, {{2, 1, 3}, {4, 56, NO_LENGTH}}, true},
    {"path_filestat_set_times", {3, 0, AT_PATH, 4, 0, 0, 1}, {{2, 1, 3}}, false},
    {"path_link", {3, 0, AT_PATH, 4, 3, AT_PATH2, 3}, {{2, 1, 3}, {5, 1, 6}}, false},
    {"path_open", {3, 0, AT_PATH2, 3, 1, 0, 0, 0, AT_RESULT}, {{2, 1, 3}, {8, 4, NO_LENGTH}}, false},
    {"path_readlink", {3, AT_PATH + 8, 4, AT_DATA, 100, AT_RESULT}, {{1, 1, 2}, {3, 1, 4}, {5, 4, NO_LENGTH}}, false},
    {"path_remove_directory", {3, AT_PATH + 16, 3}, {{1, 1, 2}}, false},
    {"path_rename", {3, AT_PATH, 4, 3, AT_PATH2, 3}, {{1, 1, 2}, {4, 1, 5}}, false},
    {"path_symlink", {AT_PATH, 4, 3, AT_PATH2, 3}, {{0, 1, 1}, {3, 1, 4}}, false},
    {"path_unlink_file", {3, AT_PATH, 4}, {{1, 1, 2}}, false},
    {"poll_oneoff", {0x10000, 0x20000, 2, AT_RESULT}, {{0, 48, 2}, {1, 32, 2}, {3, 4, NO_LENGTH}}, false},
    {"poll_oneoff", {0x10000, 0x20000, 2, AT_RESULT}, {{0, 56, 2}, {1, 32, 2}, {3, 4, NO_LENGTH}}, true},
    {"random_get", {AT_DATA, 100}, {{0, 1, 1}}, false},
};

static const adk__wasi_function *function_of(const row *r)
{
    return r->is_unstable ? guest_find(adk__wasi_unstable_functions, ADK__WASI_UNSTABLE_FUNCTIONS, r->name)
                          : guest_find(adk__wasi_functions, ADK__WASI_FUNCTIONS, r->name);
}

static const adk_bytes one_arg[] = {{"prog", 4}, {"abc", 3}};
static const adk_env one_var[] = {{{"A", 1}, {"1", 1}}};

/* A guest with a file, a link, an empty directory, their names in memory, and a buffer in the list. */
static guest *world(void)
{
    guest *g = guest_new();

    g->request.stdin_data = (adk_bytes){"input", 5};
    g->request.args = one_arg;
    g->request.args_count = 2;
    g->request.env = one_var;
    g->request.env_count = 1;
    guest_begin(g);
    assert_int_equal(open_file(g, "file"), 4);
    OK(write_text(g, 4, "0123456789", NULL));
    OK(CALL(g, fd_seek, 4, 2, 0, AT_RESULT));
    OK(CALL(g, path_symlink, AT_PATH, path_at(g, AT_PATH, "to"), 3, AT_PATH2, path_at(g, AT_PATH2, "link")));
    OK(CALL(g, path_create_directory, 3, AT_PATH2, path_at(g, AT_PATH2, "dir")));
    (void)path_at(g, AT_PATH, "file");
    (void)path_at(g, AT_PATH + 8, "link");
    (void)path_at(g, AT_PATH + 16, "dir");
    (void)path_at(g, AT_PATH2, "new");
    put_iovec(g, 0, AT_DATA, 3);
    return g;
}

/* What must not have changed. */
typedef struct picture {
    uint8_t memory[GUEST_SIZE];
    uint64_t charged;
    uint32_t open;
    uint64_t stdin_offset;
    uint64_t offset;
} picture;

static void take_picture(const guest *g, picture *p)
{
    memcpy(p->memory, g->memory, GUEST_SIZE);
    p->charged = g->charged;
    p->open = g->wasi->fds.open;
    p->stdin_offset = g->wasi->stdin_offset;
    p->offset = g->wasi->fds.first[4].offset;
}

static picture before;
static picture after;
static unsigned calls;

static void check_fault(guest *g, const row *r, const uint64_t *args)
{
    const adk__wasi_function *fn = function_of(r);
    uint16_t error;

    take_picture(g, &before);
    error = guest_call_in(g, fn, args, strlen(fn->params));
    calls++;
    if (error != ADK__WASI_EFAULT)
        fail_msg("%s: %u instead of EFAULT", r->name, error);
    take_picture(g, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(g->outputs, 0);
    assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_GO_ON);
}

static void check_no_fault(const row *r, const uint64_t *args)
{
    const adk__wasi_function *fn = function_of(r);
    guest *g = world();

    if (guest_call_in(g, fn, args, strlen(fn->params)) == ADK__WASI_EFAULT)
        fail_msg("%s: EFAULT within memory", r->name);
    calls++;
    guest_free(g);
}

static void check_addresses(guest *g, const row *r, const pointer *p)
{
    uint64_t args[ADK__WASI_PARAMS_MAX];
    uint64_t size = p->size * (p->length == NO_LENGTH ? 1 : r->args[p->length]);
    const uint64_t bad[] = {GUEST_SIZE - size + 1,
                            GUEST_SIZE - 1,
                            GUEST_SIZE,
                            GUEST_SIZE + 1,
                            0x7FFFFFFF,
                            0x80000000,
                            0xFFFFFFFF,
                            0xFFFFFFFF - size,
                            0xFFFFFFFF - size + 1,
                            0xFFFFFFFF - size + 2,
                            2 * GUEST_SIZE - 1};

    memcpy(args, r->args, sizeof args);
    args[p->arg] = GUEST_SIZE - size;
    check_no_fault(r, args);
    args[p->arg] = 0;
    check_no_fault(r, args);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (size == 1 && bad[i] == GUEST_SIZE - 1)
            continue;
        args[p->arg] = bad[i];
        check_fault(g, r, args);
    }
}

static void check_lengths(guest *g, const row *r, const pointer *p)
{
    uint64_t args[ADK__WASI_PARAMS_MAX];
    uint64_t fits = (GUEST_SIZE - r->args[p->arg]) / p->size;
    const uint64_t bad[] = {fits + 1, GUEST_SIZE, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF};

    memcpy(args, r->args, sizeof args);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        args[p->length] = bad[i];
        check_fault(g, r, args);
    }
}

static void test_every_pointer_and_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        guest *g = world();

        for (size_t k = 0; k < 3 && rows[i].pointers[k].size != 0; k++) {
            check_addresses(g, &rows[i], &rows[i].pointers[k]);
            if (rows[i].pointers[k].length != NO_LENGTH)
                check_lengths(g, &rows[i], &rows[i].pointers[k]);
        }
        check_no_fault(&rows[i], rows[i].args);
        guest_free(g);
    }
    print_message("%u calls\n", calls);
}

/* What buffers of a list point at; the good ones before the bad one must not have been used. */
static void test_every_buffer(void **state)
{
    static const struct {
        uint32_t buffer, size;
    } bad[] = {{(uint32_t)GUEST_SIZE - 2, 3}, {(uint32_t)GUEST_SIZE, 1},
               {(uint32_t)GUEST_SIZE + 1, 0}, {0xFFFFFFFF, 1},
               {0xFFFFFFFF, 0xFFFFFFFF},      {0, (uint32_t)GUEST_SIZE + 1},
               {1, (uint32_t)GUEST_SIZE},     {0x80000000, 0x80000000},
               {AT_DATA, 0xFFFFFFFF}};
    const char *names[] = {"fd_read", "fd_write", "fd_pread", "fd_pwrite"};
    guest *g = world();

    (void)state;
    for (size_t n = 0; n < 4; n++) {
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            row r = {names[n], {4, AT_IOVECS, 3, n < 2 ? AT_RESULT : 0, AT_RESULT}, {{0, 0, 0}}, false};

            put_iovec(g, 1, AT_DATA, 2);
            put_iovec(g, 2, bad[i].buffer, bad[i].size);
            check_fault(g, &r, r.args);
            if (n < 2) {
                r.args[0] = (uint32_t)n; /* the streams */
                check_fault(g, &r, r.args);
            }
        }
    }
    guest_free(g);
}

/* Memories smaller than anything: no call may find room in them. */
static void test_tiny_memories(void **state)
{
    guest *g = world();

    (void)state;
    for (uint64_t size = 0; size < 4; size++) {
        adk__wasi_call_of(g->wasi)->memory.size = size;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            check_fault(g, &rows[i], rows[i].args);
    }
    guest_free(g);
}

/* Every function with every descriptor that is not open, whatever the rest: EBADF, or EFAULT, or EINVAL; no change. */
static void test_bad_descriptors(void **state)
{
    static const uint32_t numbers[] = {5, 63, 64, 4095, 4096, 4097, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF};
    guest *g = world();

    (void)state;
    for (size_t i = 0; i < ADK__WASI_FUNCTIONS; i++) {
        const adk__wasi_function *fn = &adk__wasi_functions[i];

        if (strncmp(fn->name, "fd_", 3) != 0 && strncmp(fn->name, "path_", 5) != 0)
            continue;
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
            uint64_t args[ADK__WASI_PARAMS_MAX] = {numbers[k], 0, 0, 0, 0, 0, 0, 0, 0};

            if (strcmp(fn->name, "path_symlink") == 0) {
                args[0] = 0;
                args[2] = numbers[k];
            }
            take_picture(g, &before);
            assert_int_equal(guest_call_in(g, fn, args, strlen(fn->params)), ADK__WASI_EBADF);
            take_picture(g, &after);
            assert_memory_equal(&before, &after, sizeof before);
        }
    }
    guest_free(g);
}

/* Lists so long that going over them takes a while: the run can be stopped in the midst of it, at each stage. */
static void test_long_lists_look_at_the_interrupt(void **state)
{
    uint64_t size = (uint64_t)8 << 20;
    uint8_t *memory = calloc(1, size); /* zeros: empty buffers, and clocks that are due */
    guest *g = guest_new();

    (void)state;
    assert_non_null(memory);
    guest_begin(g);
    for (uint32_t count = 100000; count <= 145000; count += 45000) {
        adk__interrupt_begin(&g->interrupt, count == 100000 ? adk__now_ns() + 60 * ADK__NS_PER_S : 0);
        adk__wasi_call_of(g->wasi)->memory = (adk__wasi_memory){memory, size};
        assert_int_equal(CALL(g, fd_write, 1, 0, count, 4) == 0, count == 100000);
        assert_int_equal(adk__wasi_call_of(g->wasi)->stop, count == 100000 ? ADK__WASI_GO_ON : ADK__WASI_INTERRUPT);
    }
    guest_end(g);
    for (uint64_t stop_at = 20000; stop_at < 200000; stop_at += 20000) {
        guest_begin(g);
        adk__wasi_call_of(g->wasi)->memory = (adk__wasi_memory){memory, size};
        g->wasi->work = stop_at * 48 % ADK__WASI_WORK_MAX; /* so that the look comes at different places */
        adk__interrupt_cancel(&g->interrupt);
        (void)CALL(g, poll_oneoff, 0, 0, 100000, 4);
        assert_int_equal(adk__wasi_call_of(g->wasi)->stop, ADK__WASI_INTERRUPT);
        guest_end(g);
    }
    guest_free(g);
    free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pointer_and_length),
        cmocka_unit_test(test_every_buffer),
        cmocka_unit_test(test_tiny_memories),
        cmocka_unit_test(test_bad_descriptors),
        cmocka_unit_test(test_long_lists_look_at_the_interrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
