/*
 * A guest without an engine, for the tests of src/wasi: a context, a plain array as its memory with canaries around it,
 * and calls by name through the same table that the engine uses.
 */
#ifndef ADK_TEST_WASI_H
#define ADK_TEST_WASI_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "wasi/abi.h"
#include "wasi/wasi.h"

#define GUEST_SIZE   ((uint64_t)256 << 10)
#define GUEST_CANARY ((uint64_t)4096)
#define CANARY       0xC5

typedef struct guest {
    adk__wasi *wasi;
    adk__wasi_setup setup;
    adk_request request;
    adk__interrupt interrupt;
    uint8_t *block;  /* canary, memory, canary */
    uint8_t *memory; /* GUEST_SIZE bytes */
    adk__buf output[2];
    unsigned outputs;  /* calls of the output function */
    int output_answer; /* what it returns */
    uint64_t charged;
    uint64_t budget;
    bool begun;
} guest;

static inline int guest_output(void *data, int stream, const void *bytes, size_t size)
{
    guest *g = data;

    assert_true(stream == 1 || stream == 2);
    assert_true(size > 0);
    g->outputs++;
    assert_int_equal(adk__buf_append(&g->output[stream - 1], bytes, size), 0);
    return g->output_answer;
}

static inline bool guest_charge(void *data, uint64_t bytes)
{
    guest *g = data;

    if (bytes > g->budget - g->charged)
        return false;
    g->charged += bytes;
    return true;
}

static inline void guest_release(void *data, uint64_t bytes)
{
    guest *g = data;

    assert_true(bytes <= g->charged);
    g->charged -= bytes;
}

/* Begins a run with what g->request and g->setup say. */
static inline void guest_begin(guest *g)
{
    adk__wasi_begin(g->wasi, &g->setup);
    adk__wasi_call_of(g->wasi)->memory = (adk__wasi_memory){g->memory, GUEST_SIZE};
    g->begun = true;
}

static inline void guest_end(guest *g)
{
    adk__wasi_end(g->wasi);
    g->begun = false;
    assert_true(g->charged == 0);
}

static inline guest *guest_new(void)
{
    guest *g = calloc(1, sizeof *g);

    assert_non_null(g);
    g->block = malloc(GUEST_SIZE + 2 * GUEST_CANARY);
    assert_non_null(g->block);
    memset(g->block, CANARY, GUEST_SIZE + 2 * GUEST_CANARY);
    g->memory = g->block + GUEST_CANARY;
    memset(g->memory, 0, GUEST_SIZE);
    assert_int_equal(adk__interrupt_init(&g->interrupt), 0);
    adk__interrupt_begin(&g->interrupt, adk__now_ns() + 60 * ADK__NS_PER_S);
    adk_request plain = ADK_REQUEST_INIT;
    g->request = plain;
    g->budget = (uint64_t)64 << 20;
    g->output[0] = (adk__buf)ADK__BUF_INIT((size_t)64 << 20);
    g->output[1] = (adk__buf)ADK__BUF_INIT((size_t)64 << 20);
    g->setup.request = &g->request;
    g->setup.interrupt = &g->interrupt;
    g->setup.output = guest_output;
    g->setup.output_data = g;
    g->setup.charge = guest_charge;
    g->setup.release = guest_release;
    g->setup.budget_data = g;
    g->wasi = adk__wasi_new();
    assert_non_null(g->wasi);
    return g;
}

static inline void guest_check_canaries(const guest *g)
{
    for (size_t i = 0; i < GUEST_CANARY; i++) {
        assert_int_equal(g->block[i], CANARY);
        assert_int_equal(g->block[GUEST_CANARY + GUEST_SIZE + i], CANARY);
    }
}

static inline void guest_free(guest *g)
{
    if (g->begun)
        guest_end(g);
    guest_check_canaries(g);
    adk__wasi_free(g->wasi);
    adk__interrupt_destroy(&g->interrupt);
    adk__buf_free(&g->output[0]);
    adk__buf_free(&g->output[1]);
    free(g->block);
    free(g);
}

/* cmocka's fixture: a guest whose run has begun. */
static inline int guest_setup(void **state)
{
    guest *g = guest_new();

    guest_begin(g);
    *state = g;
    return 0;
}

/* The same, for tests that begin the run themselves. */
static inline int guest_setup_unbegun(void **state)
{
    *state = guest_new();
    return 0;
}

static inline int guest_teardown(void **state)
{
    guest_free(*state);
    return 0;
}

static inline const adk__wasi_function *guest_find(const adk__wasi_function *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    fail_msg("no function %s", name);
    return NULL;
}

static inline uint16_t guest_call_in(guest *g, const adk__wasi_function *fn, const uint64_t *given, size_t count)
{
    uint64_t args[ADK__WASI_PARAMS_MAX] = {0};

    assert_int_equal(strlen(fn->params), count);
    for (size_t i = 0; i < count; i++)
        args[i] = fn->params[i] == 'i' ? (uint32_t)given[i] : given[i];
    return fn->fn(g->wasi, args);
}

static inline uint16_t guest_call(guest *g, const char *name, const uint64_t *given, size_t count)
{
    return guest_call_in(g, guest_find(adk__wasi_functions, ADK__WASI_FUNCTIONS, name), given, count);
}

static inline uint16_t guest_call_unstable(guest *g, const char *name, const uint64_t *given, size_t count)
{
    return guest_call_in(g, guest_find(adk__wasi_unstable_functions, ADK__WASI_UNSTABLE_FUNCTIONS, name), given, count);
}

#define ARGS(...)                   ((const uint64_t[]){__VA_ARGS__}), sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t)
#define CALL(g, name, ...)          guest_call((g), #name, ARGS(__VA_ARGS__))
#define CALL_UNSTABLE(g, name, ...) guest_call_unstable((g), #name, ARGS(__VA_ARGS__))
#define OK(call)                    assert_int_equal((call), ADK__WASI_SUCCESS)
#define FAILS(error, call)          assert_int_equal((call), (error))

static inline void put32(guest *g, uint64_t at, uint32_t value)
{
    memcpy(g->memory + at, &value, sizeof value);
}

static inline void put64(guest *g, uint64_t at, uint64_t value)
{
    memcpy(g->memory + at, &value, sizeof value);
}

static inline uint16_t get16(const guest *g, uint64_t at)
{
    uint16_t value;

    memcpy(&value, g->memory + at, sizeof value);
    return value;
}

static inline uint32_t get32(const guest *g, uint64_t at)
{
    uint32_t value;

    memcpy(&value, g->memory + at, sizeof value);
    return value;
}

static inline uint64_t get64(const guest *g, uint64_t at)
{
    uint64_t value;

    memcpy(&value, g->memory + at, sizeof value);
    return value;
}

/* Where things lie in the guest's memory. */
enum {
    AT_RESULT = 0x100, /* results, and small structs */
    AT_IOVECS = 0x200,
    AT_PATH = 0x1000,
    AT_PATH2 = 0x3000,
    AT_DATA = 0x8000,
};

/* Puts a path at `at`; gives its length. */
static inline uint32_t path_at(guest *g, uint64_t at, const char *path)
{
    size_t size = strlen(path);

    memcpy(g->memory + at, path, size);
    return (uint32_t)size;
}

static inline void put_iovec(guest *g, uint32_t i, uint32_t buffer, uint32_t size)
{
    put32(g, AT_IOVECS + 8 * (uint64_t)i, buffer);
    put32(g, AT_IOVECS + 8 * (uint64_t)i + 4, size);
}

#define ALL_FILE_RIGHTS ADK__WASI_RIGHTS_FILE
#define ALL_DIR_RIGHTS  ADK__WASI_RIGHTS_DIRECTORY
#define ALL_RIGHTS      (ALL_FILE_RIGHTS | ALL_DIR_RIGHTS)

static inline uint16_t open_with(guest *g, uint32_t dir, uint32_t lookup, const char *path, uint32_t oflags,
                                 uint64_t rights, uint64_t inheriting, uint32_t fdflags, uint32_t *ret_fd)
{
    uint32_t size = path_at(g, AT_PATH, path);
    uint16_t failed = CALL(g, path_open, dir, lookup, AT_PATH, size, oflags, rights, inheriting, fdflags, AT_RESULT);

    if (!failed)
        *ret_fd = get32(g, AT_RESULT);
    return failed;
}

/* Opens a file with all rights, making it if it is not there. */
static inline uint32_t open_file(guest *g, const char *path)
{
    uint32_t fd = 0;

    OK(open_with(g, 3, 0, path, ADK__WASI_OFLAG_CREAT, ALL_FILE_RIGHTS, 0, 0, &fd));
    return fd;
}

static inline uint32_t open_dir(guest *g, const char *path)
{
    uint32_t fd = 0;

    OK(open_with(g, 3, 0, path, ADK__WASI_OFLAG_DIRECTORY, ALL_DIR_RIGHTS, ALL_RIGHTS, 0, &fd));
    return fd;
}

/* Writes text; gives the errno, and in *ret_written how much went out. */
static inline uint16_t write_text(guest *g, uint32_t fd, const char *text, uint32_t *ret_written)
{
    uint32_t size = (uint32_t)strlen(text);
    uint16_t failed;

    memcpy(g->memory + AT_DATA, text, size);
    put_iovec(g, 0, AT_DATA, size);
    failed = CALL(g, fd_write, fd, AT_IOVECS, 1, AT_RESULT);
    if (!failed && ret_written != NULL)
        *ret_written = get32(g, AT_RESULT);
    return failed;
}

/* Reads at most `size` bytes to AT_DATA; gives how many. */
static inline uint32_t read_some(guest *g, uint32_t fd, uint32_t size)
{
    put_iovec(g, 0, AT_DATA, size);
    OK(CALL(g, fd_read, fd, AT_IOVECS, 1, AT_RESULT));
    return get32(g, AT_RESULT);
}

#endif
