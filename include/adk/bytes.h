/**
 * Borrowed bytes: how the library takes and gives everything of variable length.
 *
 * Nothing in the library is NUL-terminated unless its name says `_cstr`.
 */
#ifndef ADK_BYTES_H
#define ADK_BYTES_H

#include <adk/defs.h>
#include <string.h>

ADK_BEGIN_DECLS

/** A view of `size` bytes that somebody else owns. `data` may be NULL only where `size` is 0. */
typedef struct adk_bytes {
    const void *data;
    size_t size;
} adk_bytes;

/**
 * Views the bytes at `data`.
 *
 * Ownership: the result borrows `data`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
static inline adk_bytes adk_bytes_make(const void *data, size_t size)
{
    adk_bytes bytes;

    bytes.data = data;
    bytes.size = size;
    return bytes;
}

/**
 * Views a NUL-terminated string, without its NUL. NULL gives the empty view.
 *
 * Ownership: the result borrows `text`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
static inline adk_bytes adk_bytes_from_cstr(const char *text)
{
    return adk_bytes_make(text, text == NULL ? 0 : strlen(text));
}

/**
 * Frees memory that a function of the library gave to the caller and that has no function of its own for it.
 *
 * Ownership: takes `memory`; NULL is fine.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_free(void *memory);

ADK_END_DECLS

#endif
