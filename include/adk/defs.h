/**
 * Compiler attributes used by every header of the library. Nothing here is meant for callers.
 */
#ifndef ADK_DEFS_H
#define ADK_DEFS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define ADK_BEGIN_DECLS extern "C" {
#define ADK_END_DECLS   }
#else
#define ADK_BEGIN_DECLS
#define ADK_END_DECLS
#endif

#if defined(__GNUC__) || defined(__clang__)
#define ADK_API                      __attribute__((visibility("default")))
#define ADK_MUST_USE                 __attribute__((warn_unused_result))
#define ADK_NONNULL(...)             __attribute__((nonnull(__VA_ARGS__)))
#define ADK_PRINTF(format_at, first) __attribute__((__format__(__printf__, format_at, first)))
#else
#define ADK_API
#define ADK_MUST_USE
#define ADK_NONNULL(...)
#define ADK_PRINTF(format_at, first)
#endif

#endif
