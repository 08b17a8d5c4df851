/*
 * JSON as text, on one line. Jansson's own writer looks for loops with a hash table for each container, and prints byte by
 * byte: measured, a report takes it three times as long as building the report does. What is written here are trees of our
 * own making, so neither is needed.
 */
#ifndef ADK_CORE_JSON_TEXT_H
#define ADK_CORE_JSON_TEXT_H

#include <jansson.h>

#include "base/buf.h"

/**
 * Appends a tree as jansson's JSON_COMPACT writes it. It must not contain itself, nor nest deeper than it was parsed or
 * built by us. Returns 0, -ENOMEM or -EFBIG; then what was appended is of no use.
 */
int adk__json_append(adk__buf *buf, const json_t *json);

#endif
