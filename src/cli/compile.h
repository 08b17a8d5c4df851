/*
 * Compiling modules ahead of time, for `compile` and for `runtime install`.
 */
#ifndef ADK_CLI_COMPILE_H
#define ADK_CLI_COMPILE_H

#include <stdint.h>

#include <adk/error.h>

#define CLI_COMPILE_TIMEOUT_NS UINT64_C(300000000000)

/** Compiles each file into the user's cache, and says on a terminal how long that has been going on. */
int cli_compile_files(uint64_t timeout_ns, int count, char *const *paths, adk_error **ret_error);

#endif
