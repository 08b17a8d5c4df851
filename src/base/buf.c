/*
 * The growing buffer. Capacity doubles, so that appending is linear in all, and stops at the buffer's maximum.
 */
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void adk__buf_free(adk__buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->size = 0;
    buf->capacity = 0;
}

/* The maximum is of bytes held; the NUL that vsnprintf() adds is not one of them. */
static int grow(adk__buf *buf, size_t size, size_t max)
{
    size_t capacity = buf->capacity < 64 ? 64 : buf->capacity;
    uint8_t *data;

    if (size > max) /* although there may be room: the first block is larger than a small maximum */
        return -EFBIG;
    if (size <= buf->capacity)
        return 0;
    while (capacity < size)
        capacity = capacity > max / 2 ? max : capacity * 2;
    data = realloc(buf->data, capacity);
    if (data == NULL)
        return -ENOMEM;
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int adk__buf_reserve(adk__buf *buf, size_t size)
{
    return grow(buf, size, buf->max);
}

int adk__buf_append(adk__buf *buf, const void *data, size_t size)
{
    int failed;

    if (size == 0)
        return 0;
    if (size > buf->max - buf->size)
        return -EFBIG;
    failed = adk__buf_reserve(buf, buf->size + size);
    if (failed)
        return failed;
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return 0;
}

int adk__buf_vprintf(adk__buf *buf, const char *format, va_list args)
{
    va_list again;
    int length;
    int failed;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        return -EINVAL;
    if ((size_t)length > buf->max - buf->size)
        return -EFBIG;
    failed = grow(buf, buf->size + (size_t)length + 1, buf->max + 1);
    if (failed)
        return failed;
    (void)vsnprintf((char *)buf->data + buf->size, (size_t)length + 1, format, args);
    buf->size += (size_t)length;
    return 0;
}

int adk__buf_printf(adk__buf *buf, const char *format, ...)
{
    va_list args;
    int failed;

    va_start(args, format);
    failed = adk__buf_vprintf(buf, format, args);
    va_end(args);
    return failed;
}
