/*
 * Text that others wrote: telling UTF-8 from bytes, and making names from guests harmless in our own messages.
 */
#ifndef ADK_BASE_TEXT_H
#define ADK_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/** How many bytes of an untrusted name a message shows. */
#define ADK__NAME_SHOWN 256

/** The length of the valid UTF-8 sequence (Unicode 15, table 3-7) at the start of `data`, or 0. */
size_t adk__utf8_sequence(const unsigned char *data, size_t size);

bool adk__utf8_valid(const void *data, size_t size);

/**
 * Appends bytes as harmless text: control characters and what is not UTF-8 as \xNN, C1 controls and the like too; at most
 * `shown` bytes of the input, then "…". Returns 0, -ENOMEM or -EFBIG.
 */
int adk__text_append_escaped(adk__buf *buf, const void *data, size_t size, size_t shown);

#endif
