/*
 * Modules that are hard on a compiler. Most are one function that repeats a few operators, written in hexadecimal; those
 * made of sections are written by functions.
 */
#include "shapes.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bytes -------------------------------------------------------------------------------------------------------- */

static void append(bench_code *code, const void *data, size_t size)
{
    if (code->room - code->size < size) {
        size_t room = 2 * (code->size + size);
        uint8_t *grown = realloc(code->data, room);

        if (grown == NULL) {
            (void)fprintf(stderr, "out of memory\n");
            exit(1);
        }
        code->data = grown;
        code->room = room;
    }
    if (size > 0)
        memcpy(code->data + code->size, data, size);
    code->size += size;
}

static void append_byte(bench_code *code, uint32_t value)
{
    const uint8_t byte = (uint8_t)value;

    append(code, &byte, 1);
}

/* Unsigned LEB128; below 64 it is the signed one as well. */
static void append_leb(bench_code *code, uint32_t value)
{
    for (; value >= 0x80; value >>= 7)
        append_byte(code, value | 0x80);
    append_byte(code, value);
}

static uint32_t hex_digit(char digit)
{
    return digit >= 'a' ? (uint32_t)(digit - 'a') + 10 : (uint32_t)(digit - '0');
}

static void append_text(bench_code *code, const char *text, uint32_t i, uint32_t n)
{
    for (; text != NULL && *text != '\0'; text += 2) {
        while (*text == ' ')
            text++;
        if (text[0] != '%')
            append_byte(code, hex_digit(text[0]) << 4 | hex_digit(text[1]));
        else if (text[1] == 'i')
            append_leb(code, i);
        else
            append_leb(code, (7 * i + 1) % n);
    }
}

/* A section, or anything else that begins with its size. Frees `content`. */
static void append_sized(bench_code *code, bench_code *content)
{
    append_leb(code, (uint32_t)content->size);
    append(code, content->data, content->size);
    free(content->data);
    *content = (bench_code){0};
}

static void append_section(bench_code *module, uint32_t id, bench_code *content)
{
    append_byte(module, id);
    append_sized(module, content);
}

/* ---- modules ------------------------------------------------------------------------------------------------------ */

static void section(bench_code *module, uint32_t id, const char *text)
{
    bench_code content = {0};

    append_text(&content, text, 0, 1);
    append_section(module, id, &content);
}

static void begin(bench_code *module)
{
    append(module, "\0asm\1\0\0\0", 8);
}

/* Type 0: (i32) -> (i32), 1: () -> (), 2: () -> (i32 i32 i32 i32 i32 i32 i32 i32) and back, 3. */
static const char types[] = "04 60 01 7f 01 7f  60 00 00  60 00 08 7f7f7f7f7f7f7f7f  60 08 7f7f7f7f7f7f7f7f 00";

/* Function 0 is what the shape says, 1 to 3 are there to be called. */
static void one_function(const bench_shape *shape, bench_code *module, uint32_t n)
{
    uint32_t locals = shape->locals == BENCH_SHAPE_N ? n : shape->locals;
    bench_code content = {0};
    bench_code body = {0};

    begin(module);
    section(module, 1, types);
    section(module, 3, "04 00 00 02 03");
    section(module, 4, "01 70 00 05");
    section(module, 5, "01 00 01");
    section(module, 6, "01 7f 01 41 00 0b");
    append_byte(&body, 1);
    append_leb(&body, locals);
    append_byte(&body, 0x7f);
    append_text(&body, shape->head, 0, n);
    for (uint32_t i = 0; i < n; i++)
        append_text(&body, shape->first, i, n);
    for (uint32_t i = n; i > 0 && shape->second != NULL; i--)
        append_text(&body, shape->second, i - 1, n);
    append_text(&body, shape->tail, 0, n);
    append_text(&body, "20 00 0b", 0, n);
    append_byte(&content, 4);
    append_sized(&content, &body);
    append_text(&content, "04 00 20 00 0b  12 00 4100 4100 4100 4100 4100 4100 4100 4100 0b  02 00 0b", 0, n);
    append_section(module, 10, &content);
}

/* A count and n times a text, as one section. */
static void repeated(bench_code *module, uint32_t id, const char *text, uint32_t n)
{
    bench_code content = {0};

    append_leb(&content, n);
    for (uint32_t i = 0; i < n; i++)
        append_text(&content, text, i, n);
    append_section(module, id, &content);
}

static void functions(const bench_shape *shape, bench_code *module, uint32_t n)
{
    begin(module);
    section(module, 1, types);
    repeated(module, 3, "00", n);
    section(module, 5, "01 00 01");
    repeated(module, 10, shape->first, n);
}

/* Each of them also in the table. */
static void table_functions(const bench_shape *shape, bench_code *module, uint32_t n)
{
    bench_code content = {0};

    begin(module);
    section(module, 1, types);
    repeated(module, 3, "00", n);
    append_text(&content, "01 70 00 %i", n, 1);
    append_section(module, 4, &content);
    append_text(&content, "01 00 41 00 0b %i", n, 1);
    for (uint32_t i = 0; i < n; i++)
        append_leb(&content, i);
    append_section(module, 9, &content);
    repeated(module, 10, shape->first, n);
}

/* Types that all differ, with as many parameters as there are bits in i. */
static void many_types(const bench_shape *shape, bench_code *module, uint32_t n)
{
    bench_code content = {0};

    (void)shape;
    begin(module);
    append_leb(&content, n + 1);
    append_text(&content, "60 00 00", 0, 1);
    for (uint32_t i = 0; i < n; i++) {
        append_text(&content, "60 14", 0, 1);
        for (uint32_t bit = 0; bit < 20; bit++)
            append_byte(&content, i >> bit & 1 ? 0x7f : 0x7e);
        append_byte(&content, 0);
    }
    append_section(module, 1, &content);
    section(module, 3, "01 00");
    section(module, 10, "01 02 00 0b");
}

/* Segments in different pages, so that memory has no one first image. */
static void segments(const bench_shape *shape, bench_code *module, uint32_t n)
{
    begin(module);
    section(module, 1, types);
    section(module, 2, "01 01 61 01 62 03 7f 00");
    section(module, 3, "01 01");
    section(module, 5, "01 00 01");
    section(module, 10, "01 02 00 0b");
    repeated(module, 11, shape->first, n);
}

/* ---- the shapes --------------------------------------------------------------------------------------------------- */

#define ONE(name, head, first, second, tail, locals)          \
    {                                                         \
        name, one_function, head, first, second, tail, locals \
    }

const bench_shape bench_shapes[] = {
    ONE("blocks", NULL, "0240 0b", NULL, NULL, 0),
    ONE("nested_blocks", NULL, "0240", "0b", NULL, 0),
    ONE("loops", NULL, "0340 0b", NULL, NULL, 0),
    ONE("loops_branch", NULL, "0340 2000 0d00 0b", NULL, NULL, 0),
    ONE("nested_loops", NULL, "0340", "0b", NULL, 0),
    ONE("nested_loops_branch", NULL, "0340", "2000 0d00 0b", NULL, 0),
    ONE("nested_loops_branch_out", NULL, "0340", "2000 0d%i 0b", NULL, 0),
    ONE("nested_loops_set", "2000 280200 2100", "0340 20%i 4101 6a 21%i", "2000 0d00 0b", NULL, BENCH_SHAPE_N),
    ONE("ifs", NULL, "2000 0440 0b", NULL, NULL, 0),
    ONE("nested_ifs", NULL, "2000 0440", "0b", NULL, 0),
    ONE("if_else_set", NULL, "2000 0440 2001 4101 6a 2101 05 2001 4102 6a 2101 0b", NULL, NULL, 1),
    ONE("ifs_locals", NULL, "2000 0440 20%i 4101 6a 21%7 0b", NULL, NULL, BENCH_SHAPE_N),
    ONE("ifs_locals_loop", "0340", "2000 0440 20%i 4101 6a 21%7 0b", NULL, "2000 0d00 0b", BENCH_SHAPE_N),
    ONE("loop_locals", "0340", "20%i 20%7 6a 21%i", NULL, "2000 0d00 0b", BENCH_SHAPE_N),
    ONE("branches_out", "0240", "2000 0d00 2000 4101 6a 2100", NULL, "0b", 0),
    ONE("branches_out_locals", "0240", "2000 0d00 2000 4101 6a 21%i", "2000 20%i 6a 2100", "0b", BENCH_SHAPE_N),
    ONE("blocks_of_values", NULL, "0202 2000 2000 2000 2000 2000 2000 2000 2000 2000 0d00 0b 1003", NULL, NULL, 0),
    ONE("adds", "2000", "2000 6a 2200 2000 73", NULL, "2100", 0),
    ONE("deep_stack", "2000", "2000 410d 6a", "6c", "1a", 0),
    ONE("deep_stack_loads", "2001", "2000 2802%i", "6a", "2100", 1),
    ONE("deep_stack_ifs", "2001", "2000 280200 2000 0440 2000 4101 6a 2100 0b", "6a", "2100", 1),
    ONE("deep_stack_loops", "2001", "2000 280200 0340 2000 4101 6a 2200 0d00 0b", "6a", "2100", 1),
    ONE("loads_kept", NULL, "2000 2802%i 2001 6a 2101", NULL, "2001 2100", 1),
    ONE("stores", NULL, "2000 2001 3602%i", NULL, NULL, 1),
    ONE("globals", NULL, "2300 2000 6a 2400", NULL, NULL, 0),
    ONE("divisions", "2001", "2000 6d", NULL, "2100", 1),
    ONE("truncations", "2000", "b7 aa", NULL, "2100", 0),
    ONE("doubles", "2000 b7", "2000 b7 a2 2000 b7 a0", NULL, "aa 2100", 0),
    ONE("vectors", "2000 fd11", "2000 fd11 fdb501 2000 fd11 fdd501", NULL, "fd1b00 2100", 0),
    ONE("calls", NULL, "2000 1001 2100", NULL, NULL, 0),
    ONE("calls_of_values", NULL, "1002 1003", NULL, NULL, 0),
    ONE("indirect_calls", NULL, "2000 2000 110000 2100", NULL, NULL, 0),
    ONE("memory_grows", NULL, "2000 4000 2100", NULL, NULL, 0),
    ONE("memory_fills", NULL, "2000 2000 2000 fc0b00", NULL, NULL, 0),
    ONE("table_copies", NULL, "2000 2000 2000 fc0e0000", NULL, NULL, 0),
    ONE("table_gets", NULL, "2000 2500 d1 2100", NULL, NULL, 0),
    ONE("branch_tables", NULL, "0240 0240 2000 0e04 00 01 00 01 00 0b 2000 4101 6a 2100 0b", NULL, NULL, 0),
    ONE("unreachable", "00", "0240 4101 1a 0b", NULL, NULL, 0),
    ONE("declared_locals", NULL, NULL, NULL, NULL, BENCH_SHAPE_N),
    {"functions", functions, NULL, "04 00 20 00 0b", NULL, NULL, 0},
    {"table_functions", table_functions, NULL, "04 00 20 00 0b", NULL, NULL, 0},
    {"types", many_types, NULL, NULL, NULL, NULL, 0},
    {"segments", segments, NULL, "00 23 00 0b 01 61", NULL, NULL, 0},
};

const size_t bench_shape_count = sizeof(bench_shapes) / sizeof(bench_shapes[0]);

void bench_shape_make(const bench_shape *shape, uint32_t n, bench_code *ret_module)
{
    *ret_module = (bench_code){0};
    shape->make(shape, ret_module, n);
}
