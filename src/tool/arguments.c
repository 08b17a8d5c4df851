/*
 * Arguments, from JSON to a request. A table says which there are and who reads each; the first of them, in the order of
 * the table, that is wrong is what the caller is told. The sentences of the original are kept to the letter.
 *
 * A reader gets the value of its argument, or NULL where that is missing.
 */
#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "core/error.h"
#include "tool/tool.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define MIB           ((uint64_t)1 << 20)

/* Shows what a caller wrote, harmlessly. */
struct shown {
    char text[4 * ADK__NAME_SHOWN + 8];
};

static const char *show(adk_bytes bytes, struct shown *ret_shown)
{
    adk__buf buf = ADK__BUF_INIT(sizeof(ret_shown->text) - 1);

    ret_shown->text[0] = '\0';
    if (adk__text_append_escaped(&buf, bytes.data, bytes.size, ADK__NAME_SHOWN) == 0 && buf.size > 0)
        memcpy(ret_shown->text, buf.data, buf.size);
    ret_shown->text[buf.size] = '\0';
    adk__buf_free(&buf);
    return ret_shown->text;
}

static bool has_nul(const json_t *string)
{
    return strlen(json_string_value(string)) != json_string_length(string);
}

int adk__tool_check_keys(const json_t *object, const char *what, const char *const *names, size_t count,
                         adk_error **ret_error)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        ADK_AUTO_FREE char *known = NULL;
        struct shown shown;
        size_t i = 0;

        while (i < count && strcmp(names[i], key) != 0)
            i++;
        if (i < count)
            continue;
        for (i = 0; i < count; i++) {
            char *longer = NULL;

            if (asprintf(&longer, "%s%s%s", known == NULL ? "" : known, i == 0 ? "" : ", ", names[i]) < 0)
                return adk__fail_nomem(ret_error);
            free(known);
            known = longer;
        }
        return adk__fail(ret_error, ADK_E_INVALID, 0, "unknown %s \"%s\"; expected: %s", what,
                         show(adk_bytes_from_cstr(key), &shown), known);
    }
    return ADK_OK;
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

static int take_string(const json_t *value, const char *name, adk_bytes *ret_bytes, adk_error **ret_error)
{
    if (!json_is_string(value))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"%s\" must be a string", name);
    *ret_bytes = adk__json_bytes(value);
    return ADK_OK;
}

/* As take_string(), of what the system will take for the end of the string at a NUL. */
static int take_name(const json_t *value, const char *name, adk_bytes *ret_bytes, adk_error **ret_error)
{
    int failed = take_string(value, name, ret_bytes, ret_error);

    if (failed == ADK_OK && has_nul(value))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"%s\" must not contain NUL characters", name);
    return failed;
}

/* Whether the encoding is base64; `value` may be NULL: text. */
static int take_encoding(const json_t *value, const char *name, bool *ret_base64, adk_error **ret_error)
{
    *ret_base64 = false;
    if (value == NULL)
        return ADK_OK;
    if (!json_is_string(value))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"%s\" must be a string", name);
    *ret_base64 = adk__json_is(value, "base64");
    if (!*ret_base64 && !adk__json_is(value, "text") && !adk__json_is(value, "utf-8"))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"%s\" must be \"text\" or \"base64\"", name);
    return ADK_OK;
}

static int decode(adk_bytes text, const char *name, void **ret_data, adk_bytes *ret_bytes, adk_error **ret_error)
{
    ADK_AUTO_FREE unsigned char *data = malloc(text.size / 4 * 3 + 3);
    size_t size = 0;

    if (data == NULL)
        return adk__fail_nomem(ret_error);
    if (sodium_base642bin(data, text.size / 4 * 3 + 3, text.data, text.size, "\r\n", &size, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"%s\" is not valid base64", name);
    *ret_bytes = adk_bytes_make(data, size);
    *ret_data = adk__take_ptr(data);
    return ADK_OK;
}

/* An array of `size`-byte items, one for each of the JSON array's, and at least one. */
static int take_array(const json_t *value, const char *name, size_t most, size_t size, void *ret_items,
                      adk_error **ret_error)
{
    size_t count = json_array_size(value);

    if (!json_is_array(value))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"%s\" must be an array", name);
    if (count > most)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"%s\" has %zu items, more than the limit of %zu", name, count,
                         most);
    *(void **)ret_items = calloc(count + 1, size);
    return *(void **)ret_items == NULL ? adk__fail_nomem(ret_error) : ADK_OK;
}

/* ---- the arguments ------------------------------------------------------------------------------------------------ */

struct reading {
    adk__tool_call *call;
    const char *hint;
};

static int read_language(struct reading *r, const json_t *value, adk_error **ret_error)
{
    const adk_tool *tool = r->call->tool;
    adk_language language;
    struct shown shown;

    if (value == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "missing required field \"language\"");
    if (!json_is_string(value))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"language\" must be a string");
    language = adk_language_from_word(adk__json_bytes(value));
    if (language == ADK_LANGUAGE_DEFAULT) {
        r->hint = tool->languages_hint;
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "unsupported language \"%s\". Expected one of: rust, python, javascript, typescript, wasm, "
                         "command",
                         show(adk__json_bytes(value), &shown));
    }
    if ((tool->capabilities.languages >> language & 1) == 0) {
        r->hint = tool->languages_hint;
        return adk__fail(ret_error, ADK_E_INVALID, 0, "language \"%s\" is not installed here; use one of: %s",
                         adk_language_cstr(language), tool->languages);
    }
    r->call->request.language = language;
    return ADK_OK;
}

static int read_module(adk__tool_call *call, const json_t *value, adk_error **ret_error)
{
    adk_bytes name;
    size_t size;
    int failed = take_name(value, "module", &name, ret_error);

    if (failed != ADK_OK)
        return failed;
    if (call->request.language != ADK_LANGUAGE_WASM)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"module\" can only be used with language \"wasm\"");
    failed = adk__tool_read_module(call->tool, name, &call->code, &size, ret_error);
    if (failed != ADK_OK)
        return failed;
    call->request.code = adk_bytes_make(call->code, size);
    call->program = name;
    return ADK_OK;
}

/* Code comes in one of two ways; without the second one the sentence is the original's. */
static int read_code(struct reading *r, const json_t *value, adk_error **ret_error)
{
    adk__tool_call *call = r->call;
    const json_t *module = json_object_get(call->arguments, "module");
    const json_t *encoding = json_object_get(call->arguments, "code_encoding");
    bool base64;
    adk_bytes code;
    int failed;

    if (value == NULL && module == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "missing required field \"code\"");
    if (value != NULL && module != NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "give \"code\" or \"module\", not both");
    if (module != NULL && encoding != NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"code_encoding\" cannot be used with \"module\"");
    if (module != NULL)
        return read_module(call, module, ret_error);
    failed = take_string(value, "code", &code, ret_error);
    if (failed == ADK_OK)
        failed = take_encoding(encoding, "code_encoding", &base64, ret_error);
    if (failed != ADK_OK)
        return failed;
    call->request.code = code;
    return base64 ? decode(code, "code", &call->code, &call->request.code, ret_error) : ADK_OK;
}

static int read_nothing(struct reading *r, const json_t *value, adk_error **ret_error)
{
    (void)r;
    (void)value;
    (void)ret_error;
    return ADK_OK; /* read with another */
}

static int read_stdin(struct reading *r, const json_t *value, adk_error **ret_error)
{
    return value == NULL ? ADK_OK : take_string(value, "stdin", &r->call->request.stdin_data, ret_error);
}

/* The program's own name comes first, whatever else there is. */
static int read_args(struct reading *r, const json_t *value, adk_error **ret_error)
{
    adk__tool_call *call = r->call;
    size_t count = json_array_size(value);
    int failed;

    call->request.args = &call->program;
    call->request.args_count = 1;
    if (value == NULL)
        return ADK_OK;
    failed = take_array(value, "args", ADK_TOOL_VALUES_MAX, sizeof(*call->args), &call->args, ret_error);
    if (failed != ADK_OK)
        return failed;
    call->args[0] = call->program;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(value, i);

        if (!json_is_string(item) || has_nul(item))
            return adk__fail(ret_error, ADK_E_INVALID, 0, "\"args\" must be strings without NUL characters");
        call->args[i + 1] = adk__json_bytes(item);
    }
    call->request.args = call->args;
    call->request.args_count = count + 1;
    return ADK_OK;
}

static int read_env(struct reading *r, const json_t *value, adk_error **ret_error)
{
    adk__tool_call *call = r->call;
    const char *name;
    json_t *item;
    size_t i = 0;

    if (value == NULL)
        return ADK_OK;
    if (!json_is_object(value))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"env\" must be an object of strings");
    call->env = calloc(json_object_size(value) + 1, sizeof(*call->env));
    if (call->env == NULL)
        return adk__fail_nomem(ret_error);
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
    {
        if (name[0] == '\0' || strchr(name, '=') != NULL)
            return adk__fail(ret_error, ADK_E_INVALID, 0, "names in \"env\" must not be empty nor contain '='");
        if (!json_is_string(item) || has_nul(item))
            return adk__fail(ret_error, ADK_E_INVALID, 0, "values in \"env\" must be strings without NUL characters");
        call->env[i++] = (adk_env){adk_bytes_from_cstr(name), adk__json_bytes(item)};
    }
    call->request.env = call->env;
    call->request.env_count = i;
    return ADK_OK;
}

/* Above the ceiling is the ceiling, and that is said in the answer. */
static int read_timeout(struct reading *r, const json_t *value, adk_error **ret_error)
{
    adk__tool_call *call = r->call;
    uint64_t most_ns = call->tool->options.timeout_max_ns;

    call->request.timeout_ns = call->tool->options.timeout_default_ns;
    if (value == NULL)
        return ADK_OK;
    if (!json_is_integer(value))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"timeout_secs\" must be an integer");
    if (json_integer_value(value) < 1)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"timeout_secs\" must be at least 1");
    call->view.timeout_clamped = (uint64_t)json_integer_value(value) > most_ns / NS_PER_SECOND;
    call->request.timeout_ns =
        call->view.timeout_clamped ? most_ns : (uint64_t)json_integer_value(value) * NS_PER_SECOND;
    return ADK_OK;
}

static int read_memory(struct reading *r, const json_t *value, adk_error **ret_error)
{
    adk__tool_call *call = r->call;
    uint64_t most = call->tool->options.memory_max_bytes;

    call->request.memory_limit_bytes = call->tool->options.memory_default_bytes;
    if (value == NULL)
        return ADK_OK;
    if (!json_is_integer(value))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"memory_limit_mb\" must be an integer");
    if (json_integer_value(value) < 1)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"memory_limit_mb\" must be at least 1");
    call->view.memory_clamped = (uint64_t)json_integer_value(value) > most / MIB;
    call->request.memory_limit_bytes = call->view.memory_clamped ? most : (uint64_t)json_integer_value(value) * MIB;
    return ADK_OK;
}

static int read_file(adk__tool_call *call, size_t index, const json_t *item, adk_error **ret_error)
{
    static const char *const names[] = {"path", "content", "encoding"};
    adk_file *file = &call->files[index];
    bool base64;
    int failed;

    if (!json_is_object(item))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"files\" must be objects with \"path\" and \"content\"");
    failed = adk__tool_check_keys(item, "field of a file", names, ADK_COUNT(names), ret_error);
    if (failed == ADK_OK)
        failed = take_name(json_object_get(item, "path"), "path", &file->path, ret_error);
    if (failed == ADK_OK)
        failed = take_string(json_object_get(item, "content"), "content", &file->content, ret_error);
    if (failed == ADK_OK)
        failed = take_encoding(json_object_get(item, "encoding"), "encoding", &base64, ret_error);
    if (failed == ADK_OK && base64)
        failed = decode(file->content, "content", &call->decoded[index], &file->content, ret_error);
    return failed;
}

static int read_files(struct reading *r, const json_t *value, adk_error **ret_error)
{
    adk__tool_call *call = r->call;
    size_t count = json_array_size(value);
    int failed;

    if (value == NULL)
        return ADK_OK;
    failed = take_array(value, "files", ADK_FILES_MAX, sizeof(*call->files), &call->files, ret_error);
    if (failed == ADK_OK)
        failed = take_array(value, "files", ADK_FILES_MAX, sizeof(*call->decoded), &call->decoded, ret_error);
    if (failed != ADK_OK)
        return failed;
    call->request.files = call->files;
    call->request.files_count = count;
    for (size_t i = 0; i < count && failed == ADK_OK; i++)
        failed = read_file(call, i, json_array_get(value, i), ret_error);
    return failed;
}

static int read_outputs(struct reading *r, const json_t *value, adk_error **ret_error)
{
    adk__tool_call *call = r->call;
    size_t count = json_array_size(value);
    int failed;

    if (value == NULL)
        return ADK_OK;
    failed = take_array(value, "outputs", ADK_OUTPUTS_MAX, sizeof(*call->outputs), &call->outputs, ret_error);
    for (size_t i = 0; i < count && failed == ADK_OK; i++)
        failed = take_name(json_array_get(value, i), "outputs", &call->outputs[i], ret_error);
    if (failed != ADK_OK)
        return failed;
    call->request.outputs = call->outputs;
    call->request.outputs_count = count;
    return ADK_OK;
}

static int read_session(struct reading *r, const json_t *value, adk_error **ret_error)
{
    if (value == NULL)
        return ADK_OK;
    if (!json_is_string(value) || !adk__tool_session_name_is_good(adk__json_bytes(value)))
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "\"session\" must be a name of 1 to 64 letters, digits, \".\", \"_\" and \"-\"");
    r->call->session_name = adk__json_bytes(value);
    return ADK_OK;
}

static const struct argument {
    const char *name;
    int (*read)(struct reading *r, const json_t *value, adk_error **ret_error);
} arguments[] = {
    {"language", read_language},
    {"code", read_code},
    {"code_encoding", read_nothing},
    {"module", read_nothing},
    {"args", read_args},
    {"env", read_env},
    {"stdin", read_stdin},
    {"files", read_files},
    {"outputs", read_outputs},
    {"timeout_secs", read_timeout},
    {"memory_limit_mb", read_memory},
    {"session", read_session}, /* the last: not every tool has it */
};

int adk__tool_arguments(adk__tool_call *call, const char **ret_hint, adk_error **ret_error)
{
    const size_t count = ADK_COUNT(arguments) - (call->tool->session_languages == 0 ? 1 : 0);
    const char *names[ADK_COUNT(arguments)];
    struct reading r = {call, NULL};
    int failed = ADK_OK;

    if (!json_is_object(call->arguments))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the arguments must be an object");
    for (size_t i = 0; i < count && failed == ADK_OK; i++) {
        names[i] = arguments[i].name;
        failed = arguments[i].read(&r, json_object_get(call->arguments, arguments[i].name), ret_error);
    }
    if (failed == ADK_OK)
        failed = adk__tool_check_keys(call->arguments, "argument", names, count, ret_error);
    *ret_hint = r.hint;
    return failed;
}
