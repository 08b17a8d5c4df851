/*
 * Memory by cache lines: what different cores write at the same time lies on lines of its own.
 */
#ifndef ADK_BASE_LINES_H
#define ADK_BASE_LINES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/** Two cores that write within so many bytes of each other slow each other down. */
#define ADK__CACHE_LINE 64

/** Zeroed memory that begins at a line and shares its last with nobody; NULL where there is none. free() frees it. */
static inline void *adk__lines_new(size_t size)
{
    void *memory;

    if (size > SIZE_MAX - ADK__CACHE_LINE)
        return NULL;
    size = (size + ADK__CACHE_LINE - 1) / ADK__CACHE_LINE * ADK__CACHE_LINE;
    memory = aligned_alloc(ADK__CACHE_LINE, size);
    if (memory != NULL)
        memset(memory, 0, size);
    return memory;
}

#endif
