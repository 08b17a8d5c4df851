/*
 * Matching paths against patterns, in time that a hostile name cannot blow up (fnmatch(3) is exponential in the stars).
 */
#ifndef ADK_BASE_GLOB_H
#define ADK_BASE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/** Whether it is a pattern at all: has a `*` or a `?`. */
bool adk__glob_is_pattern(const char *pattern, size_t pattern_size);

/**
 * Whether the path, or a directory above it, matches: `?` matches a byte but '/', `*` any run of bytes without '/', `**`
 * any run of bytes, all else itself. Takes at most pattern_size * path_size steps. Returns 1 or 0, or -ENOMEM.
 */
int adk__glob_match(const char *pattern, size_t pattern_size, const char *path, size_t path_size);

#endif
