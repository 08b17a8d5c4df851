/*
 * Fuzzes src/wasi without an engine: the input is a sequence of calls, each with a function, arguments that are for the
 * most part sensible (addresses in memory, descriptors that may be open, small lengths) and now and then anything, and
 * bytes to put into memory first. Several runs follow each other in one context.
 *
 * What must hold: no finding of the sanitizers; nothing outside memory is written; a call that fails with EFAULT writes
 * nothing; the budget is never exceeded and is back at zero when a run has ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasi/abi.h"
#include "wasi/wasi.h"

#define MEMORY (16U << 10)
#define CANARY 256U
#define BUDGET ((uint64_t)4 << 20)
#define CALLS  400 /* in one input, at most */

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

static uint8_t *block;
static uint8_t *memory;
static uint8_t before[MEMORY]; /* a call */
static adk__wasi *wasi;
static adk__interrupt interrupt;
static uint64_t charged;
static unsigned long long calls_made;

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "fuzz_wasi: %s\n", what);
    abort();
}

static bool charge(void *data, uint64_t bytes)
{
    (void)data;
    if (bytes > BUDGET - charged)
        return false;
    charged += bytes;
    return true;
}

static void release(void *data, uint64_t bytes)
{
    (void)data;
    require(bytes <= charged, "more was released than charged");
    charged -= bytes;
}

/* Looks at each byte, so that the sanitizer sees what the host would read. */
static int output(void *data, int stream, const void *bytes, size_t size)
{
    static volatile uint8_t sum;
    const uint8_t *at = bytes;

    (void)data;
    require(stream == 1 || stream == 2, "no such stream");
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + at[i]);
    return 0;
}

static void report_calls(void)
{
    (void)fprintf(stderr, "fuzz_wasi: %llu calls\n", calls_made);
}

static void set_up(void)
{
    block = malloc(MEMORY + 2 * CANARY);
    require(block != NULL, "no memory");
    memset(block, 0xC5, MEMORY + 2 * CANARY);
    memory = block + CANARY;
    wasi = adk__wasi_new();
    require(wasi != NULL, "no context");
    require(adk__interrupt_init(&interrupt) == 0, "no interrupt");
    (void)atexit(report_calls);
}

static uint8_t take8(input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

static uint64_t take64(input *in)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | take8(in);
    return value;
}

/* An argument: the first byte says of which sort it is. */
static uint64_t take_argument(input *in)
{
    static const uint64_t edges[] = {MEMORY,     MEMORY - 1, MEMORY - 4, MEMORY - 8,        MEMORY + 1,
                                     0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (uint64_t)1 << 63, (uint64_t)1 << 32,
                                     INT64_MAX,  UINT64_MAX};
    uint8_t sort = take8(in);

    switch (sort >> 5) {
    case 0: /* a descriptor, a flag, a small count */
    case 1:
        return sort & 31;
    case 2: /* where names are */
    case 3:
        return 0x100 + (uint64_t)(take8(in) & 15) * 16;
    case 4: /* anywhere */
        return ((uint64_t)take8(in) << 8 | take8(in)) % ((sort & 7) != 0 ? MEMORY : 4 * MEMORY);
    case 5: /* at the edge of something */
        return edges[(sort & 31) % (sizeof edges / sizeof edges[0])];
    case 6: /* rights, as often as not all of them */
        return (sort & 1) != 0 ? ADK__WASI_RIGHTS_FILE | ADK__WASI_RIGHTS_DIRECTORY : take64(in);
    default:
        return take64(in);
    }
}

/* Names that meet again: a few short ones, at fixed places, so that paths lead somewhere. */
static void put_names(void)
{
    static const char *names[16] = {"a",  "b",  "c",      "d", "a/b",   "c/d",  "../a", ".",
                                    "..", "a/", "b/../c", "",  "x/y/z", "link", "a//b", "\xFF"};

    for (size_t i = 0; i < 16; i++) {
        memset(memory + 0x100 + i * 16, 0, 16);
        memcpy(memory + 0x100 + i * 16, names[i], strlen(names[i]));
    }
}

static void write_memory(input *in)
{
    uint64_t at = ((uint64_t)take8(in) << 8 | take8(in)) % MEMORY;
    size_t size = take8(in) & 63;

    for (size_t i = 0; i < size && at + i < MEMORY; i++)
        memory[at + i] = take8(in);
}

/* A list of buffers at a fixed place, for reads and writes that get further than the check. */
static void write_buffers(input *in)
{
    for (size_t i = 0; i < 4; i++) {
        uint32_t entry[2] = {(uint32_t)take8(in) << 6, (uint32_t)take8(in) << 4};

        memcpy(memory + 0x400 + 8 * i, entry, sizeof entry);
    }
}

static void call_one(input *in)
{
    uint8_t which = take8(in);
    const adk__wasi_function *fn = (which & 0x80) != 0
                                       ? &adk__wasi_unstable_functions[(which & 0x7F) % ADK__WASI_UNSTABLE_FUNCTIONS]
                                       : &adk__wasi_functions[which % ADK__WASI_FUNCTIONS];
    uint64_t args[ADK__WASI_PARAMS_MAX] = {0};
    uint16_t error;

    for (size_t i = 0; fn->params[i] != '\0'; i++) {
        args[i] = take_argument(in);
        if (fn->params[i] == 'i')
            args[i] = (uint32_t)args[i];
    }
    memcpy(before, memory, MEMORY);
    error = fn->fn(wasi, args);
    calls_made++;
    require(error != ADK__WASI_EFAULT || memcmp(before, memory, MEMORY) == 0,
            "a call wrote to memory and failed with EFAULT");
    require(charged <= BUDGET, "the budget was exceeded");
}

/* The clock is virtual for the most part, so that nobody sleeps; else the run's deadline has passed already. */
static void begin_run(input *in, adk_request *request)
{
    uint8_t how = take8(in);
    adk__wasi_setup setup = {.request = request,
                             .interrupt = &interrupt,
                             .output = output,
                             .charge = charge,
                             .release = release,
                             .files_inodes = 200,
                             .files_open = (how & 8) != 0 ? 80 : 0};

    request->flags = (how & 3) != 0 ? ADK_REQUEST_CLOCK : 0;
    request->flags |= (how & 4) != 0 ? ADK_REQUEST_SEED : 0;
    adk__interrupt_begin(&interrupt, (how & 3) != 0 ? ADK__NEVER : 0);
    adk__wasi_begin(wasi, &setup);
    adk__wasi_call_of(wasi)->memory = (adk__wasi_memory){memory, (how & 0xF0) == 0xF0 ? how & 7 : MEMORY};
}

/* A directory, a file in it, a link, and both open, so that most inputs get beyond an empty tree. */
static void furnish(void)
{
    static const char *names[] = {"path_create_directory", "path_open", "path_open", "path_symlink"};
    const uint64_t all = ADK__WASI_RIGHTS_FILE | ADK__WASI_RIGHTS_DIRECTORY;
    const uint64_t args[][ADK__WASI_PARAMS_MAX] = {
        {3, 0x100, 1},                                               /* a */
        {3, 0, 0x140, 3, ADK__WASI_OFLAG_CREAT, all, all, 0, 0x800}, /* a/b, as descriptor 4 */
        {3, 0, 0x100, 1, ADK__WASI_OFLAG_DIRECTORY, all & ~ADK__WASI_RIGHT_FD_WRITE, all, 0, 0x800}, /* a, as 5 */
        {0x100, 1, 3, 0x1D0, 4},                                                                     /* link, to a */
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (size_t k = 0; k < ADK__WASI_FUNCTIONS; k++)
            if (strcmp(adk__wasi_functions[k].name, names[i]) == 0)
                (void)adk__wasi_functions[k].fn(wasi, args[i]);
}

static void one_run(input *in)
{
    static const adk_bytes arguments[] = {{"guest", 5}, {"argument", 8}};
    static const adk_env environment[] = {{{"HOME", 4}, {"/", 1}}};
    adk_request request = ADK_REQUEST_INIT;
    uint8_t todo;

    request.args = arguments;
    request.args_count = 2;
    request.env = environment;
    request.env_count = 1;
    request.stdin_data = (adk_bytes){"some input for the guest", 24};
    begin_run(in, &request);
    put_names();
    if ((take8(in) & 3) != 0)
        furnish();
    for (int i = 0; i < CALLS && in->size > 0 && adk__wasi_call_of(wasi)->stop == ADK__WASI_GO_ON; i++) {
        todo = take8(in);
        if ((todo & 7) == 0)
            write_memory(in);
        if ((todo & 7) == 1)
            write_buffers(in);
        if ((todo & 7) == 2)
            put_names();
        call_one(in);
    }
    adk__wasi_end(wasi);
    require(charged == 0, "the budget is not back at zero");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, size};

    if (block == NULL)
        set_up();
    memset(memory, 0, MEMORY);
    for (int run = 0; run < 4 && in.size > 0; run++)
        one_run(&in);
    for (size_t i = 0; i < CANARY; i++)
        require(block[i] == 0xC5 && block[CANARY + MEMORY + i] == 0xC5, "bytes outside memory were written");
    return 0;
}
