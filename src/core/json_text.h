/*
 * JSON as text, on one line: trees of jansson's, and what has no need of a tree, because it is only written. Both by the
 * same few functions.
 *
 * Jansson's own writer looks for loops with a hash table for each container, and prints byte by byte: measured, a report
 * takes it three times as long as building the report's tree does, and that takes four times as long as writing the report
 * at once, for each of its hundred keys and values is allocated, and freed.
 */
#ifndef ADK_CORE_JSON_TEXT_H
#define ADK_CORE_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>

#include <adk/bytes.h>

#include "base/buf.h"

/**
 * Appends a tree as jansson's JSON_COMPACT writes it. It must not contain itself, nor nest deeper than it was parsed or
 * built by us. Returns 0, -ENOMEM or -EFBIG; then what was appended is of no use.
 */
int adk__json_append(adk__buf *buf, const json_t *json);

/** Text that is being written. The first failure lasts, so that one look at the end is enough. */
typedef struct adk__json_out {
    adk__buf buf;
    int failed; /* 0, -ENOMEM or -EFBIG */
    bool comma; /* something stands before what comes */
} adk__json_out;
#define ADK__JSON_OUT_INIT                    \
    {                                         \
        ADK__BUF_INIT(SIZE_MAX / 2), 0, false \
    }

/** Begins and ends an object or an array, by its bracket. */
void adk__json_open(adk__json_out *out, char bracket);
void adk__json_close(adk__json_out *out, char bracket);

/** The key of what comes next: one of ours, in which nothing is to be escaped. */
void adk__json_key(adk__json_out *out, const char *key_cstr);

/** Values: text in UTF-8, a number, a tree (NULL: there was no memory for it), or what is JSON already. */
void adk__json_put_text(adk__json_out *out, adk_bytes text);
void adk__json_put_number(adk__json_out *out, json_int_t number);
void adk__json_put_tree(adk__json_out *out, const json_t *json);
void adk__json_put_json(adk__json_out *out, adk_bytes json);

/** Bytes as a string of base64. */
void adk__json_put_base64(adk__json_out *out, adk_bytes bytes);

#endif
