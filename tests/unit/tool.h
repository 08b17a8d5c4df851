/*
 * What the tests of the tool share: a backend that does what its code says, and answers read back with a parser.
 */
#ifndef ADK_TESTS_UNIT_TOOL_H
#define ADK_TESTS_UNIT_TOOL_H

#include "support.h"

#include <jansson.h>

#include "core/result.h"

/*
 * A backend for wasm and python. The code is a word: "show" writes the request to standard output; "flood" 100,000 bytes;
 * "timeout", "memory", "trap" end so; "binary" writes bytes that are no text; "files" brings files back; "busy" and
 * "unsupported" fail the call.
 */
adk_backend *tool_backend(void);

/** Calls, checks that the answer is one line of JSON, parses it. The caller frees it. */
json_t *tool_call(adk_tool *tool, const char *arguments);
json_t *tool_read(adk_tool *tool, const char *arguments);

/** The string, or the test fails. */
const char *tool_string(const json_t *json, const char *key);
int64_t tool_integer(const json_t *json, const char *key);

/** Calls, and expects an error with this message, in `message` and in `stderr`. */
void tool_refuses(adk_tool *tool, const char *arguments, const char *message);

/** A string of the answer, which must be this. */
#define assert_string_at(json, key, text) assert_string_equal(tool_string((json), (key)), (text))

#endif
