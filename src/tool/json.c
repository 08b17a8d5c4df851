#include "tool/json.h"

#include <string.h>

#include "base/text.h"
#include "core/error.h"

/*
 * Over a string, from behind its first quote to behind its last; or to the end. The next quote is looked for only when the
 * last one has been passed: else a string of nothing but escapes would be looked through once for each of them.
 */
static const char *skip_string(const char *at, const char *end)
{
    const char *quote = NULL;

    while (at < end) {
        const char *backslash;

        if (quote == NULL || quote < at)
            quote = memchr(at, '"', (size_t)(end - at));
        if (quote == NULL)
            return end;
        backslash = memchr(at, '\\', (size_t)(quote - at));
        if (backslash == NULL)
            return quote + 1;
        at = backslash + 2;
    }
    return end;
}

/* Counts at least as many values and levels as a parser will find; text that is no JSON is the parser's to refuse. */
static int measure(adk_bytes text, const adk__json_limits *limits, const char *what, adk_error **ret_error)
{
    const char *at = text.data;
    const char *end = at + text.size;
    uint64_t values = 1;
    uint32_t depth = 0;

    while (at < end && values <= limits->values && depth <= limits->depth) {
        char c = *at++;

        if (c == '"')
            at = skip_string(at, end);
        else if (c == '[' || c == '{') {
            depth++;
            values++;
        } else if (c == ']' || c == '}')
            depth -= depth > 0;
        else if (c == ',')
            values++;
    }
    if (depth > limits->depth)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%s nest more than %u levels deep", what, limits->depth);
    if (values > limits->values)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%s have more than %u values", what, limits->values);
    return ADK_OK;
}

/*
 * Jansson quotes what it did not understand, which may be anything. Without memory it says nothing, or takes a string for
 * which it has no room to be wrong: refused in either case.
 */
static int fail_parse(const char *what, const json_error_t *at, adk_error **ret_error)
{
    adk__buf shown = ADK__BUF_INIT(4 * JSON_ERROR_TEXT_LENGTH + 8);
    int failed = adk__text_append_escaped(&shown, at->text, strnlen(at->text, sizeof(at->text)), ADK__NAME_SHOWN);

    if (at->text[0] == '\0' || json_error_code(at) == json_error_out_of_memory || failed != 0)
        failed = adk__fail_nomem(ret_error);
    else
        failed = adk__fail(ret_error, ADK_E_INVALID, 0, "%s are not valid JSON: line %d, column %d: %.*s", what,
                           at->line, at->column, (int)shown.size, (const char *)shown.data);
    adk__buf_free(&shown);
    return failed;
}

int adk__json_read(adk_bytes text, const adk__json_limits *limits, const char *what, json_t **ret_json,
                   adk_error **ret_error)
{
    json_error_t at;
    json_t *json;
    int failed;

    if (text.size > limits->bytes)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%s have %zu bytes, more than the limit of %llu", what, text.size,
                         (unsigned long long)limits->bytes);
    if (text.size == 0) /* jansson takes NULL for a mistake of ours */
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%s are empty, not JSON", what);
    failed = measure(text, limits, what, ret_error);
    if (failed != ADK_OK)
        return failed;
    json = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &at);
    if (json == NULL)
        return fail_parse(what, &at, ret_error);
    *ret_json = json;
    return ADK_OK;
}

bool adk__json_is(const json_t *string, const char *text)
{
    adk_bytes bytes = adk__json_bytes(string);

    return json_is_string(string) && bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}
