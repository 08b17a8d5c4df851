/*
 * Modules that are made rather than written: a writer of the binary format, and shapes of programs that ask much of a
 * compiler for their size.
 */
#ifndef ADK_TESTS_SHAPES_H
#define ADK_TESTS_SHAPES_H

#include <adk/bytes.h>
#include <stdarg.h>

/** Bytes that grow. Zero is the empty one; adk_shape_free() frees it. A failing allocation fails the test. */
typedef struct adk_shape {
    uint8_t *data;
    size_t size;
    size_t room;
} adk_shape;

void adk_shape_free(adk_shape *shape);
adk_bytes adk_shape_bytes(const adk_shape *shape);

/* ---- the binary format -------------------------------------------------------------------------------------------- */

void adk_shape_byte(adk_shape *shape, unsigned byte);
void adk_shape_append(adk_shape *shape, const void *bytes, size_t size);
void adk_shape_fill(adk_shape *shape, unsigned byte, size_t count);
void adk_shape_repeat(adk_shape *shape, const void *bytes, size_t size, size_t count);
void adk_shape_u32(adk_shape *shape, uint32_t value); /**< LEB128 */
void adk_shape_i32(adk_shape *shape, int32_t value);  /**< signed LEB128 */
void adk_shape_name(adk_shape *shape, const void *bytes, size_t size);

/** What has its size before it (a section, a function's body): end() gets what begin() returned. */
size_t adk_shape_begin(adk_shape *shape);
void adk_shape_end(adk_shape *shape, size_t begun);

/** The first eight bytes of a module; and a section's number, after which adk_shape_begin() is called for you. */
void adk_shape_header(adk_shape *shape);
size_t adk_shape_section(adk_shape *shape, unsigned number);

/**
 * A module whose only function is `_start`, of type () -> (), with this body: its declarations of locals first, its `end`
 * last.
 */
void adk_shape_start_with(adk_shape *shape, const adk_shape *body);

/* ---- text --------------------------------------------------------------------------------------------------------- */

void adk_shape_text(adk_shape *shape, const char *text);
void adk_shape_printf(adk_shape *shape, const char *format, ...) ADK_PRINTF(2, 3);
void adk_shape_repeat_text(adk_shape *shape, const char *text, size_t count);

/* ---- shapes that keep a compiler busy: binary modules, all of them valid ------------------------------------------ */

void adk_shape_empty_loops(adk_shape *shape, uint32_t count);
void adk_shape_nested_loops(adk_shape *shape, uint32_t depth); /**< with a br_if to the outermost in each */
void adk_shape_live_locals(adk_shape *shape, uint32_t count);  /**< all set before, and used after, a loop of calls */
void adk_shape_br_table(adk_shape *shape, uint32_t targets, uint32_t blocks);
void adk_shape_nested_blocks(adk_shape *shape, uint32_t depth);
void adk_shape_functions(adk_shape *shape, uint32_t count);
void adk_shape_data(adk_shape *shape, uint32_t bytes);      /**< one segment */
void adk_shape_segments(adk_shape *shape, uint32_t count);  /**< of one byte each */
void adk_shape_elements(adk_shape *shape, uint32_t count);  /**< one segment of functions */
void adk_shape_constants(adk_shape *shape, uint32_t count); /**< 64-bit constants folded into one */

/* ---- the same as text --------------------------------------------------------------------------------------------- */

void adk_shape_loops_text(adk_shape *shape, uint32_t count);
void adk_shape_functions_text(adk_shape *shape, uint32_t count);
void adk_shape_nested_text(adk_shape *shape, uint32_t depth); /**< folded blocks */
void adk_shape_data_text(adk_shape *shape, uint32_t bytes);

#endif
