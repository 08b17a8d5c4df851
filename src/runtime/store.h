/*
 * The directory of runtimes: where it is, and files in it that are whole or not there.
 */
#ifndef ADK_RUNTIME_STORE_H
#define ADK_RUNTIME_STORE_H

#include <adk/bytes.h>
#include <adk/error.h>

#include "base/buf.h"
#include "runtime/manifest.h"

/** The directory, `given` or the default. The caller frees *ret_path with free(). ADK_E_INVALID, ADK_E_NOMEM. */
ADK_MUST_USE int adk__store_directory(const char *given, char **ret_path, adk_error **ret_error);

/**
 * Reads a runtime's installed file into `content`, made for the purpose. Its owner, mode and size are looked at; its bytes are
 * not hashed. ADK_E_UNAVAILABLE where it is not there or not as it should be: the message names the command that mends it.
 */
ADK_MUST_USE int adk__store_read(const adk_runtime *runtime, const char *directory, adk__buf *content,
                                 adk_error **ret_error);

/** The same, and each byte is as pinned: by BLAKE2b-256, which is quicker than what a person compares. */
ADK_MUST_USE int adk__store_read_pinned(const adk_runtime *runtime, const char *directory, adk__buf *content,
                                        adk_error **ret_error);

/** Looks at owner, mode and size alone. The caller frees *ret_path with free(). As adk__store_read(). */
ADK_MUST_USE int adk__store_find(const adk_runtime *runtime, const char *directory, char **ret_path,
                                 adk_error **ret_error);

/** Keeps a runtime's file, in one step. ADK_E_SYSTEM, ADK_E_NOMEM. */
ADK_MUST_USE int adk__store_write(const adk_runtime *runtime, const char *directory, adk_bytes content,
                                  adk_error **ret_error);

/** Reads a file of the user's of at most `most` bytes. ADK_E_INVALID with its name, ADK_E_SYSTEM, ADK_E_NOMEM. */
ADK_MUST_USE int adk__store_read_given(const char *path, uint64_t most, adk__buf *content, adk_error **ret_error);

#endif
