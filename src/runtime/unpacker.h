/*
 * libarchive, loaded when a package is first unpacked. It brings a dozen libraries along, of which a program that runs guests
 * needs none: linked, they were more than half of the time in which the command starts.
 */
#ifndef ADK_RUNTIME_UNPACKER_H
#define ADK_RUNTIME_UNPACKER_H

#include <adk/error.h>

#include <archive.h>
#include <archive_entry.h>

/** What we use of it. */
#define ADK__UNPACKER_MAP(X)    \
    X(entry_filetype)           \
    X(entry_hardlink)           \
    X(entry_is_encrypted)       \
    X(entry_pathname)           \
    X(entry_symlink)            \
    X(errno)                    \
    X(error_string)             \
    X(read_data)                \
    X(read_free)                \
    X(read_new)                 \
    X(read_next_header)         \
    X(read_open_memory)         \
    X(read_support_filter_gzip) \
    X(read_support_format_tar)  \
    X(read_support_format_zip_seekable)

#define ADK__UNPACKER_MEMBER(name) __typeof__(archive_##name) *name##_;
typedef struct adk__unpacker {
    void *library;
    ADK__UNPACKER_MAP(ADK__UNPACKER_MEMBER)
} adk__unpacker;
#undef ADK__UNPACKER_MEMBER

/** ADK_E_UNAVAILABLE where the library, or one of its functions, is not there. adk__unpacker_close() then is not needed. */
ADK_MUST_USE int adk__unpacker_open(adk__unpacker *ret_unpacker, adk_error **ret_error);
void adk__unpacker_close(adk__unpacker *unpacker);

#endif
