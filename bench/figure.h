/*
 * What every program of the comparison shares, also those that do not link the library: the figures, timing, and the JSON
 * line. A contender is run as `program FIGURE [GUEST]` and prints one line a figure, several for some. It checks what its
 * guests print, so that nobody is quick by doing nothing.
 */
#ifndef ADK_BENCH_FIGURE_H
#define ADK_BENCH_FIGURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIGURE_BATCHES      200 /* short ones, so that most are not interrupted */
#define FIGURE_TIMES        30
#define FIGURE_FILES        10
#define FIGURE_FILE_BYTES   4096
#define FIGURE_ECHO_BYTES   ((size_t)1 << 20)
#define FIGURE_LIMIT_MS     300
#define FIGURE_SLEEPERS     50
#define FIGURE_IDLE_MODULES 200
#define FIGURE_DISTINCT     1000
#define FIGURE_THREADS_MAX  4
#define FIGURE_THREAD_TIMES 20 /* how often each number of threads is measured, in turn; the best counts */
#define FIGURE_HELLO        "hello world\n"
#define FIGURE_WASI         "(import \"wasi_snapshot_preview1\" "
#define FIGURE_MODULE_BYTES 1024

typedef struct figure_blob {
    uint8_t *data;
    size_t size;
} figure_blob;

/* Waits for the clock: `seconds` in poll_oneoff. */
#define FIGURE_SLEEP_WAT(seconds)                                                            \
    "(module " FIGURE_WASI "\"poll_oneoff\" (func $p (param i32 i32 i32 i32) (result i32)))" \
    "(memory (export \"memory\") 1)"                                                         \
    "(func (export \"_start\") (i32.store (i32.const 16) (i32.const 1))"                     \
    "(i64.store (i32.const 24) (i64.const " seconds "000000000))"                            \
    "(drop (call $p (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 200)))))"

#define FIGURE_LOOP_WAT "(module (memory (export \"memory\") 1) (func (export \"_start\") (loop br 0)))"

static inline double figure_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline int figure__compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline double figure_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), figure__compare);
    return values[count / 2];
}

static inline double figure_least(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), figure__compare);
    return values[0];
}

static inline double figure_most(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), figure__compare);
    return values[count - 1];
}

static inline void figure_print(const char *figure, const char *contender, double value, const char *unit)
{
    (void)printf("{\"figure\":\"%s\",\"contender\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n", figure, contender, value,
                 unit);
    (void)fflush(stdout);
}

__attribute__((noreturn)) static inline void figure_die(const char *what)
{
    (void)fprintf(stderr, "%s\n", what);
    exit(1);
}

/* The whole of a file, with `spare` bytes of room behind it. The caller frees `data`. */
static inline figure_blob figure_read(const char *path, size_t spare)
{
    FILE *file = fopen(path, "rb");
    figure_blob blob;
    long size;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        figure_die(path);
    size = ftell(file);
    rewind(file);
    blob.size = size < 0 ? 0 : (size_t)size;
    blob.data = (uint8_t *)malloc(blob.size + spare);
    if (blob.data == NULL || fread(blob.data, 1, blob.size, file) != blob.size)
        figure_die(path);
    (void)fclose(file);
    return blob;
}

/* Makes a module that no cache has seen: it adds a section of ours, with a number, or changes the number that is there.
 * The room has been left by figure_read(). */
#define FIGURE_MARK_BYTES 16
static inline void figure_mark(figure_blob *module, uint64_t number, int is_first)
{
    static const uint8_t head[8] = {0, 14, 5, 'b', 'e', 'n', 'c', 'h'};

    if (is_first) {
        memcpy(module->data + module->size, head, sizeof(head));
        module->size += FIGURE_MARK_BYTES;
    }
    memcpy(module->data + module->size - sizeof(number), &number, sizeof(number));
}

/* The text of the hello world, another module for each number. */
static inline void figure_hello_wat(char *text, size_t size, unsigned number)
{
    (void)snprintf(text, size,
                   "(module " FIGURE_WASI "\"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))"
                   "(memory (export \"memory\") 1) (data (i32.const 8) \"hello world\\n\") (data (i32.const 64) \"%u\")"
                   "(func (export \"_start\") (i32.store (i32.const 0) (i32.const 8))"
                   "(i32.store (i32.const 4) (i32.const 12))"
                   "(drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 24)))))",
                   number);
}

/* What of this process, or with `pid` of another, is in memory: what it shares counted in proportion, in bytes. */
static inline double figure_resident_bytes(int pid)
{
    char path[64];
    char line[256];
    double kib = 0;
    FILE *file;

    if (pid == 0)
        (void)snprintf(path, sizeof(path), "/proc/self/smaps_rollup");
    else
        (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
    file = fopen(path, "r");
    if (file == NULL)
        figure_die(path);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "Pss:", 4) == 0)
            kib = strtod(line + 4, NULL);
    }
    (void)fclose(file);
    return kib * 1024;
}

#endif
