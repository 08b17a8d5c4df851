/*
 * A growing buffer of bytes that states its maximum when it is made, in curl's manner.
 */
#ifndef ADK_BASE_BUF_H
#define ADK_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <adk/defs.h>

typedef struct adk__buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t max; /* never holds more bytes than this */
} adk__buf;

#define ADK__BUF_INIT(max_) \
    {                       \
        NULL, 0, 0, (max_)  \
    }

void adk__buf_free(adk__buf *buf);

/** Makes room for `size` bytes in all. Returns 0, -ENOMEM, or -EFBIG above the maximum. */
ADK_MUST_USE int adk__buf_reserve(adk__buf *buf, size_t size);

/** Appends bytes: all of them, or none. Returns 0, -ENOMEM, or -EFBIG above the maximum. */
ADK_MUST_USE int adk__buf_append(adk__buf *buf, const void *data, size_t size);

/**
 * Appends formatted text, without a NUL. Returns 0, -ENOMEM, or -EFBIG above the maximum; a message that may be cut short
 * need not look at it.
 */
int adk__buf_printf(adk__buf *buf, const char *format, ...) ADK_PRINTF(2, 3);
int adk__buf_vprintf(adk__buf *buf, const char *format, va_list args) ADK_PRINTF(2, 0);

#endif
