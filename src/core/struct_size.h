/*
 * Plain structs across versions, as the kernel reads those of openat2(2): a shorter one is completed with zeros, a
 * longer one is refused unless what we do not know is zero.
 */
#ifndef ADK_CORE_STRUCT_SIZE_H
#define ADK_CORE_STRUCT_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/** No struct of ours will ever be as large: what says so was not initialised. */
#define ADK__STRUCT_SIZE_MAX ((size_t)4096)

/** Copies a caller's struct, whose first field is its size, into ours. False where it is from the future or has none. */
static inline bool adk__struct_read(void *to, size_t to_size, const void *from)
{
    size_t from_size;
    size_t known;

    memcpy(&from_size, from, sizeof(from_size));
    if (from_size < sizeof(from_size) || from_size > ADK__STRUCT_SIZE_MAX)
        return false;
    for (size_t i = to_size; i < from_size; i++) {
        if (((const unsigned char *)from)[i] != 0)
            return false;
    }
    known = from_size < to_size ? from_size : to_size;
    memcpy(to, from, known);
    memset((unsigned char *)to + known, 0, to_size - known);
    memcpy(to, &to_size, sizeof(to_size));
    return true;
}

/** Fills a caller's struct, whose first field says how much it takes; that field stays as it is. */
static inline void adk__struct_write(void *to, const void *from, size_t from_size)
{
    size_t to_size;
    size_t known;

    memcpy(&to_size, to, sizeof(to_size));
    if (to_size < sizeof(to_size) || to_size > ADK__STRUCT_SIZE_MAX)
        return;
    known = to_size < from_size ? to_size : from_size;
    memcpy((unsigned char *)to + sizeof(to_size), (const unsigned char *)from + sizeof(to_size),
           known - sizeof(to_size));
    memset((unsigned char *)to + known, 0, to_size - known);
}

#endif
