/**
 * The library's version, at compile time and at run time.
 */
#ifndef ADK_VERSION_H
#define ADK_VERSION_H

#include <adk/defs.h>

ADK_BEGIN_DECLS

#define ADK_VERSION_MAJOR 0
#define ADK_VERSION_MINOR 1
#define ADK_VERSION_PATCH 0
#define ADK_VERSION_CSTR  "0.1.0"

/**
 * The version of the library that runs, which may be newer than the headers a program was built with.
 *
 * Ownership: a constant; never freed.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_version_cstr(void);

/**
 * The name and version of the WebAssembly engine inside, for example "wasmtime 48.0.8".
 *
 * Ownership: a constant; never freed.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_engine_version_cstr(void);

ADK_END_DECLS

#endif
