/*
 * Modules that are always valid, from whatever bytes: fuzz_generated.c makes the module, generated_code.c the code in it.
 */
#ifndef ADK_FUZZ_GENERATED_H
#define ADK_FUZZ_GENERATED_H

#include "support.h"
#include "wasi/wasi.h"

#define MODULE_MAX    ((size_t)64 << 10)
#define NODES_MAX     300 /* of code, in a module */
#define DEPTH_MAX     7
#define NAMES_AT      0x100
#define BUFFERS_AT    0x400
#define IMPORTS_MAX   8
#define FUNCTIONS_MAX 4
#define GLOBALS       10 /* one of each type, mutable, then one of each that is not */
#define TABLES        2
#define VALUES_MAX    9 /* parameters or results of a function; imports have most */

enum { I32 = 0x7F, I64 = 0x7E, F32 = 0x7D, F64 = 0x7C, V128 = 0x7B, FUNCREF = 0x70, NOTHING = 0x40 };

typedef struct out {
    uint8_t *data;
    size_t size;
} out;

typedef struct signature {
    uint8_t params[VALUES_MAX];
    uint8_t results[VALUES_MAX];
    size_t params_count;
    size_t results_count;
} signature;

typedef struct generator {
    fuzz_input in;
    out code;                                     /* where code goes */
    signature types[IMPORTS_MAX + FUNCTIONS_MAX]; /* of each function its own */
    const adk__wasi_function *imports[IMPORTS_MAX];
    uint32_t imports_count;
    uint32_t functions_count; /* imports among them */
    const signature *self;    /* of the function being made */
    uint8_t locals[VALUES_MAX + 8];
    uint32_t locals_count;
    uint8_t labels[DEPTH_MAX + 2]; /* types that branches to them take; outermost first */
    uint32_t labels_count;
    unsigned depth;
    unsigned left; /* nodes */
} generator;

/** The types of values in the order in which bytes choose them. */
static const uint8_t number_types[] = {I32, I64, F32, F64, V128};

/** The next byte of the input, below that. */
uint32_t gen_take(generator *g, uint32_t below);

out gen_new_part(void);
void gen_put(out *o, uint64_t byte);
void gen_put_bytes(out *o, const void *data, size_t size);
void gen_put_unsigned(out *o, uint64_t value); /* LEB128 */
void gen_put_signed(out *o, int64_t value);

/** Appends a constant of a type to g->code. */
void gen_constant(generator *g, uint8_t type);

/** The body of a function, without its size. */
out gen_make_body(generator *g, uint32_t function);

#endif
