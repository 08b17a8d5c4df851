/*
 * Making modules; see shapes.h.
 */
#include "shapes.h"

#include "support.h"

enum {
    SECTION_TYPE = 1,
    SECTION_FUNCTION = 3,
    SECTION_TABLE = 4,
    SECTION_MEMORY = 5,
    SECTION_EXPORT = 7,
    SECTION_ELEMENT = 9,
    SECTION_CODE = 10,
    SECTION_DATA = 11
};

/* ---- bytes -------------------------------------------------------------------------------------------------------- */

static uint8_t *add(adk_shape *shape, size_t size)
{
    uint8_t *at;

    if (size > shape->room - shape->size) {
        shape->room = 2 * (shape->size + size) + 256;
        shape->data = realloc(shape->data, shape->room);
        assert_non_null(shape->data);
    }
    at = shape->data + shape->size;
    shape->size += size;
    return at;
}

void adk_shape_free(adk_shape *shape)
{
    free(shape->data);
    *shape = (adk_shape){NULL, 0, 0};
}

adk_bytes adk_shape_bytes(const adk_shape *shape)
{
    return adk_bytes_make(shape->data, shape->size);
}

void adk_shape_byte(adk_shape *shape, unsigned byte)
{
    *add(shape, 1) = (uint8_t)byte;
}

void adk_shape_append(adk_shape *shape, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(add(shape, size), bytes, size);
}

void adk_shape_fill(adk_shape *shape, unsigned byte, size_t count)
{
    memset(add(shape, count), (int)byte, count);
}

void adk_shape_repeat(adk_shape *shape, const void *bytes, size_t size, size_t count)
{
    uint8_t *at = add(shape, size * count);

    for (size_t i = 0; i < count; i++)
        memcpy(at + i * size, bytes, size);
}

void adk_shape_u32(adk_shape *shape, uint32_t value)
{
    do {
        adk_shape_byte(shape, (value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value != 0);
}

void adk_shape_i32(adk_shape *shape, int32_t value)
{
    bool more = true;

    while (more) {
        unsigned low = (unsigned)value & 0x7f;

        value >>= 7;
        more = !((value == 0 && (low & 0x40) == 0) || (value == -1 && (low & 0x40) != 0));
        adk_shape_byte(shape, low | (more ? 0x80 : 0));
    }
}

void adk_shape_name(adk_shape *shape, const void *bytes, size_t size)
{
    adk_shape_u32(shape, (uint32_t)size);
    adk_shape_append(shape, bytes, size);
}

/* ---- the binary format -------------------------------------------------------------------------------------------- */

/* Sizes are written with five bytes, which is legal, so that they can be filled in later. */
size_t adk_shape_begin(adk_shape *shape)
{
    (void)add(shape, 5);
    return shape->size;
}

void adk_shape_end(adk_shape *shape, size_t begun)
{
    size_t size = shape->size - begun;

    for (size_t i = 0; i < 5; i++)
        shape->data[begun - 5 + i] = (uint8_t)((size >> 7 * i & 0x7f) | (i < 4 ? 0x80 : 0));
}

void adk_shape_header(adk_shape *shape)
{
    adk_shape_append(shape, "\0asm\1\0\0\0", 8);
}

size_t adk_shape_section(adk_shape *shape, unsigned number)
{
    adk_shape_byte(shape, number);
    return adk_shape_begin(shape);
}

/* Type 0 is () -> (). */
static void type_section(adk_shape *shape)
{
    adk_shape_append(shape, "\1\4\1\x60\0\0", 6);
}

/* `count` functions of type 0. */
static void function_section(adk_shape *shape, uint32_t count)
{
    size_t section = adk_shape_section(shape, SECTION_FUNCTION);

    adk_shape_u32(shape, count);
    adk_shape_fill(shape, 0, count);
    adk_shape_end(shape, section);
}

/* Function 0 is `_start`. */
static void export_section(adk_shape *shape)
{
    size_t section = adk_shape_section(shape, SECTION_EXPORT);

    adk_shape_byte(shape, 1);
    adk_shape_name(shape, "_start", 6);
    adk_shape_append(shape, "\0\0", 2);
    adk_shape_end(shape, section);
}

static void code_section(adk_shape *shape, const adk_shape *body)
{
    size_t section = adk_shape_section(shape, SECTION_CODE);

    adk_shape_byte(shape, 1);
    adk_shape_name(shape, body->data, body->size);
    adk_shape_end(shape, section);
}

void adk_shape_start_with(adk_shape *shape, const adk_shape *body)
{
    adk_shape_header(shape);
    type_section(shape);
    function_section(shape, 1);
    export_section(shape);
    code_section(shape, body);
}

/* Takes `body`, which is freed. */
static void finish(adk_shape *shape, adk_shape *body)
{
    adk_shape_start_with(shape, body);
    adk_shape_free(body);
}

/* ---- text --------------------------------------------------------------------------------------------------------- */

void adk_shape_text(adk_shape *shape, const char *text)
{
    adk_shape_append(shape, text, strlen(text));
}

void adk_shape_repeat_text(adk_shape *shape, const char *text, size_t count)
{
    adk_shape_repeat(shape, text, strlen(text), count);
}

void adk_shape_printf(adk_shape *shape, const char *format, ...)
{
    char text[1024];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert_true(size >= 0 && (size_t)size < sizeof(text));
    adk_shape_append(shape, text, (size_t)size);
}

/* ---- shapes ------------------------------------------------------------------------------------------------------- */

#define OP_BLOCK     0x02
#define OP_LOOP      0x03
#define OP_END       0x0b
#define OP_BR_IF     0x0d
#define OP_BR_TABLE  0x0e
#define OP_CALL      0x10
#define OP_DROP      0x1a
#define OP_LOCAL_GET 0x20
#define OP_LOCAL_SET 0x21
#define OP_I32_CONST 0x41
#define OP_I64_CONST 0x42
#define OP_I64_XOR   0x85
#define OP_I64_EQZ   0x50
#define TYPE_I64     0x7e
#define NO_RESULT    0x40
#define NO_LOCALS    0x00

void adk_shape_empty_loops(adk_shape *shape, uint32_t count)
{
    static const uint8_t loop[] = {OP_LOOP, NO_RESULT, OP_END};
    adk_shape body = {NULL, 0, 0};

    adk_shape_byte(&body, NO_LOCALS);
    adk_shape_repeat(&body, loop, sizeof(loop), count);
    adk_shape_byte(&body, OP_END);
    finish(shape, &body);
}

void adk_shape_nested_loops(adk_shape *shape, uint32_t depth)
{
    static const uint8_t loop[] = {OP_LOOP, NO_RESULT};
    adk_shape body = {NULL, 0, 0};

    adk_shape_byte(&body, NO_LOCALS);
    adk_shape_repeat(&body, loop, sizeof(loop), depth);
    for (uint32_t i = 0; i < depth; i++) {
        adk_shape_append(&body, (const uint8_t[]){OP_I32_CONST, 0, OP_BR_IF}, 3);
        adk_shape_u32(&body, depth - 1 - i);
        adk_shape_byte(&body, OP_END);
    }
    adk_shape_byte(&body, OP_END);
    finish(shape, &body);
}

void adk_shape_live_locals(adk_shape *shape, uint32_t count)
{
    adk_shape body = {NULL, 0, 0};

    adk_shape_byte(&body, 1);
    adk_shape_u32(&body, count);
    adk_shape_byte(&body, TYPE_I64);
    for (uint32_t i = 0; i < count; i++) {
        adk_shape_byte(&body, OP_I64_CONST);
        adk_shape_i32(&body, (int32_t)i * 977);
        adk_shape_byte(&body, OP_LOCAL_SET);
        adk_shape_u32(&body, i);
    }
    adk_shape_append(&body, (const uint8_t[]){OP_LOOP, NO_RESULT}, 2);
    for (uint32_t i = 0; i < count; i++) { /* each becomes itself and its neighbour */
        adk_shape_byte(&body, OP_LOCAL_GET);
        adk_shape_u32(&body, i);
        adk_shape_byte(&body, OP_LOCAL_GET);
        adk_shape_u32(&body, (i + 1) % count);
        adk_shape_append(&body, (const uint8_t[]){OP_I64_XOR, OP_LOCAL_SET}, 2);
        adk_shape_u32(&body, i);
    }
    adk_shape_append(&body, (const uint8_t[]){OP_LOCAL_GET, 0, OP_I64_EQZ, OP_BR_IF, 0, OP_END, OP_END}, 7);
    finish(shape, &body);
}

void adk_shape_br_table(adk_shape *shape, uint32_t targets, uint32_t blocks)
{
    static const uint8_t block[] = {OP_BLOCK, NO_RESULT};
    adk_shape body = {NULL, 0, 0};

    adk_shape_byte(&body, NO_LOCALS);
    adk_shape_repeat(&body, block, sizeof(block), blocks);
    adk_shape_append(&body, (const uint8_t[]){OP_I32_CONST, 1, OP_BR_TABLE}, 3);
    adk_shape_u32(&body, targets);
    for (uint32_t i = 0; i <= targets; i++)
        adk_shape_u32(&body, i % blocks);
    adk_shape_fill(&body, OP_END, blocks + 1);
    finish(shape, &body);
}

void adk_shape_nested_blocks(adk_shape *shape, uint32_t depth)
{
    static const uint8_t block[] = {OP_BLOCK, NO_RESULT};
    adk_shape body = {NULL, 0, 0};

    adk_shape_byte(&body, NO_LOCALS);
    adk_shape_repeat(&body, block, sizeof(block), depth);
    adk_shape_fill(&body, OP_END, (size_t)depth + 1);
    finish(shape, &body);
}

void adk_shape_functions(adk_shape *shape, uint32_t count)
{
    static const uint8_t body[] = {2, NO_LOCALS, OP_END};
    size_t section;

    adk_shape_header(shape);
    type_section(shape);
    function_section(shape, count);
    export_section(shape);
    section = adk_shape_section(shape, SECTION_CODE);
    adk_shape_u32(shape, count);
    adk_shape_repeat(shape, body, sizeof(body), count);
    adk_shape_end(shape, section);
}

/* All of a module up to its code, with `pages` of memory; the caller adds data. */
static void with_memory(adk_shape *shape, uint32_t pages)
{
    size_t section;

    adk_shape_header(shape);
    type_section(shape);
    function_section(shape, 1);
    section = adk_shape_section(shape, SECTION_MEMORY);
    adk_shape_append(shape, "\1\0", 2);
    adk_shape_u32(shape, pages);
    adk_shape_end(shape, section);
    export_section(shape);
    adk_shape_append(shape, "\x0a\4\1\2\0\x0b", 6);
}

void adk_shape_data(adk_shape *shape, uint32_t bytes)
{
    size_t section;

    with_memory(shape, bytes / 65536 + 1);
    section = adk_shape_section(shape, SECTION_DATA);
    adk_shape_append(shape, (const uint8_t[]){1, 0, OP_I32_CONST, 0, OP_END}, 5);
    adk_shape_u32(shape, bytes);
    for (uint32_t i = 0; i < bytes; i++)
        adk_shape_byte(shape, i * 7 + 1);
    adk_shape_end(shape, section);
}

void adk_shape_segments(adk_shape *shape, uint32_t count)
{
    size_t section;

    with_memory(shape, 1);
    section = adk_shape_section(shape, SECTION_DATA);
    adk_shape_u32(shape, count);
    for (uint32_t i = 0; i < count; i++) {
        adk_shape_append(shape, (const uint8_t[]){0, OP_I32_CONST}, 2);
        adk_shape_i32(shape, (int32_t)(i * 31 % 65536));
        adk_shape_append(shape, (const uint8_t[]){OP_END, 1, 0xaa}, 3);
    }
    adk_shape_end(shape, section);
}

void adk_shape_elements(adk_shape *shape, uint32_t count)
{
    size_t section;

    adk_shape_header(shape);
    type_section(shape);
    function_section(shape, 1);
    section = adk_shape_section(shape, SECTION_TABLE);
    adk_shape_append(shape, (const uint8_t[]){1, 0x70, 0}, 3);
    adk_shape_u32(shape, count);
    adk_shape_end(shape, section);
    export_section(shape);
    section = adk_shape_section(shape, SECTION_ELEMENT);
    adk_shape_append(shape, (const uint8_t[]){1, 0, OP_I32_CONST, 0, OP_END}, 5);
    adk_shape_u32(shape, count);
    adk_shape_fill(shape, 0, count);
    adk_shape_end(shape, section);
    adk_shape_append(shape, "\x0a\4\1\2\0\x0b", 6);
}

void adk_shape_constants(adk_shape *shape, uint32_t count)
{
    adk_shape body = {NULL, 0, 0};

    adk_shape_append(&body, (const uint8_t[]){NO_LOCALS, OP_I64_CONST, 1}, 3);
    for (uint32_t i = 0; i < count; i++) {
        adk_shape_byte(&body, OP_I64_CONST);
        adk_shape_i32(&body, (int32_t)(i * 2654435761u));
        adk_shape_byte(&body, OP_I64_XOR);
    }
    adk_shape_append(&body, (const uint8_t[]){OP_DROP, OP_END}, 2);
    finish(shape, &body);
}

/* ---- shapes as text ----------------------------------------------------------------------------------------------- */

void adk_shape_loops_text(adk_shape *shape, uint32_t count)
{
    adk_shape_text(shape, "(module " START);
    adk_shape_repeat_text(shape, "(loop)", count);
    adk_shape_text(shape, "))");
}

void adk_shape_functions_text(adk_shape *shape, uint32_t count)
{
    adk_shape_text(shape, "(module " START ")");
    for (uint32_t i = 0; i < count; i++)
        adk_shape_printf(shape, "(func $a_function_with_a_name_%u (param i32) (result i32) local.get 0)", i);
    adk_shape_text(shape, ")");
}

void adk_shape_nested_text(adk_shape *shape, uint32_t depth)
{
    adk_shape_text(shape, "(module " START);
    adk_shape_repeat_text(shape, "(block ", depth);
    adk_shape_fill(shape, ')', (size_t)depth + 2);
}

void adk_shape_data_text(adk_shape *shape, uint32_t bytes)
{
    adk_shape_printf(shape, "(module (memory %u) (data (i32.const 0) \"", bytes / 65536 + 1);
    adk_shape_repeat_text(shape, "\\a7", bytes);
    adk_shape_text(shape, "\")" START "))");
}
