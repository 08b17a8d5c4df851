/*
 * Compiling modules ahead of time, for `compile` and for `runtime install`.
 */
#ifndef ADK_CLI_COMPILE_H
#define ADK_CLI_COMPILE_H

#include <stdint.h>

#include <adk/error.h>
#include <adk/runtime.h>

#define CLI_COMPILE_TIMEOUT_NS UINT64_C(300000000000)

#define CLI_COMPILE_RUNTIME_TIMEOUT_NS UINT64_C(1800000000000)

/** Compiles a runtime's module, of whatever size, into the user's cache, by running an empty program in it. */
int cli_compile_runtime(const adk_runtime *runtime, const char *directory, adk_error **ret_error);

/** Compiles each file into the user's cache, and says on a terminal how long that has been going on. */
int cli_compile_files(uint64_t timeout_ns, int count, char *const *paths, adk_error **ret_error);

#endif
