/*
 * Modules that are hard on a compiler, in sizes to order: one shape each for what makes compiling slow.
 */
#ifndef ADK_BENCH_SHAPES_H
#define ADK_BENCH_SHAPES_H

#include <stddef.h>
#include <stdint.h>

/** Bytes that grow. Begin with zeros; free() `data`. Out of memory ends the program. */
typedef struct bench_code {
    uint8_t *data;
    size_t size;
    size_t room;
} bench_code;

typedef struct bench_shape {
    const char *name;
    void (*make)(const struct bench_shape *shape, bench_code *module, uint32_t n);
    /* For shapes of one function: what comes once, n times, n times after that (i runs backwards), and once at the end.
     * In these, %i stands for i as an index and %7 for (7 i + 1) mod n, both in LEB128; other bytes are hexadecimal. */
    const char *head;
    const char *first;
    const char *second;
    const char *tail;
    uint32_t locals; /* i32, beyond the one parameter; BENCH_SHAPE_N: n of them */
} bench_shape;

#define BENCH_SHAPE_N UINT32_MAX

extern const bench_shape bench_shapes[];
extern const size_t bench_shape_count;

/** Makes the shape's module with `n` of whatever it is made of. */
void bench_shape_make(const bench_shape *shape, uint32_t n, bench_code *ret_module);

#endif
