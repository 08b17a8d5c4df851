/*
 * The error object: a code, an errno value and one line of text. There may be no memory for it: then its place stays
 * NULL, and the accessors take NULL for "out of memory".
 */
#include "core/error.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define MESSAGE_MAX 4096

struct adk_error {
    int code;
    int system_errno;
    char message[]; /* NUL-terminated */
};

static adk_error *new_error(int code, int system_errno, const void *message, size_t size)
{
    adk__buf text = ADK__BUF_INIT((size_t)4 * MESSAGE_MAX + 8);
    adk_error *error = NULL;

    if (adk__text_append_escaped(&text, message, size, MESSAGE_MAX) == 0)
        error = malloc(sizeof(*error) + text.size + 1);
    if (error != NULL) {
        error->code = code;
        error->system_errno = system_errno;
        if (text.size > 0)
            memcpy(error->message, text.data, text.size);
        error->message[text.size] = '\0';
    }
    adk__buf_free(&text);
    return error;
}

adk_error *adk_error_new(int code, int system_errno, const char *message_cstr)
{
    const char *message = message_cstr == NULL ? "" : message_cstr;

    return new_error(code, system_errno, message, strlen(message));
}

int adk__fail(adk_error **ret_error, int code, int system_errno, const char *format, ...)
{
    adk__buf text = ADK__BUF_INIT((size_t)64 << 10);
    char reason[128];
    va_list args;
    int failed;

    if (ret_error == NULL)
        return code;
    va_start(args, format);
    failed = adk__buf_vprintf(&text, format, args);
    va_end(args);
    if (!failed && system_errno != 0)
        failed = adk__buf_printf(&text, ": %s", strerror_r(system_errno, reason, sizeof(reason)));
    *ret_error = failed ? NULL : new_error(code, system_errno, text.data, text.size);
    adk__buf_free(&text);
    return code;
}

int adk__fail_nomem(adk_error **ret_error)
{
    if (ret_error != NULL)
        *ret_error = NULL;
    return ADK_E_NOMEM;
}

int adk_error_code(const adk_error *error)
{
    return error == NULL ? ADK_E_NOMEM : error->code;
}

int adk_error_system(const adk_error *error)
{
    return error == NULL ? 0 : error->system_errno;
}

const char *adk_error_message_cstr(const adk_error *error)
{
    return error == NULL ? "out of memory" : error->message;
}

const char *adk_error_name_cstr(int code)
{
    switch (code) {
#define NAME_CASE(name, number, word, text, original) \
    case number:                                      \
        return word;
        ADK_ERROR_MAP(NAME_CASE)
#undef NAME_CASE
    case ADK_OK:
        return "ok";
    default:
        return "unknown";
    }
}

const char *adk_error_original_code_cstr(int code)
{
    switch (code) {
#define ORIGINAL_CASE(name, number, word, text, original) \
    case number:                                          \
        return original;
        ADK_ERROR_MAP(ORIGINAL_CASE)
#undef ORIGINAL_CASE
    default:
        return "code.sandbox_execution";
    }
}

void adk_error_free(adk_error *error)
{
    free(error);
}
