/*
 * JSON that others wrote. It is measured before it is parsed: nesting uses the stack, and a value of two bytes takes a
 * hundred once it is parsed, so both are bounded by a look at the text alone.
 */
#ifndef ADK_TOOL_JSON_H
#define ADK_TOOL_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include <adk/bytes.h>
#include <adk/error.h>

#include "base/cleanup.h"

static inline void adk__json_free(json_t *json)
{
    json_decref(json);
}
ADK_DEFINE_AUTO(json_t, adk__json_free);

typedef struct adk__json_limits {
    uint64_t bytes;
    uint32_t values;
    uint32_t depth;
} adk__json_limits;

/**
 * Parses one JSON value. Keys that come twice are refused, NUL characters in strings are not: json_string_length() tells.
 * `what` names it in messages ("the arguments"). ADK_E_INVALID with a sentence that says what is wrong; ADK_E_NOMEM.
 */
int adk__json_read(adk_bytes text, const adk__json_limits *limits, const char *what, json_t **ret_json,
                   adk_error **ret_error);

/** A JSON string as bytes, NUL characters included. */
static inline adk_bytes adk__json_bytes(const json_t *string)
{
    return adk_bytes_make(json_string_value(string), json_string_length(string));
}

/** Whether a JSON string is this text. */
bool adk__json_is(const json_t *string, const char *text);

#endif
