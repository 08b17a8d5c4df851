/*
 * Requests: defaults, and the check of everything in them before any work is done. A backend sees only requests that
 * have passed here.
 */
#include "core/request.h"

#include <stdbool.h>
#include <string.h>

#include "core/error.h"
#include "core/struct_size.h"
#include "vfs/vfs.h"

void adk_request_init(adk_request *request)
{
    static const adk_request defaults = ADK_REQUEST_INIT;

    *request = defaults;
}

const char *adk_language_cstr(adk_language language)
{
    switch (language) {
#define WORD_CASE(name, number, word) \
    case number:                      \
        return word;
        ADK_LANGUAGE_MAP(WORD_CASE)
#undef WORD_CASE
    default:
        return NULL;
    }
}

adk_language adk_language_from_word(adk_bytes given)
{
#define WORD_TEST(name, number, word)                                                        \
    if (given.size == sizeof(word) - 1 && memcmp(given.data, (word), sizeof(word) - 1) == 0) \
        return (number);
    ADK_LANGUAGE_MAP(WORD_TEST)
#undef WORD_TEST
    return ADK_LANGUAGE_DEFAULT;
}

static bool is_broken(adk_bytes bytes)
{
    return bytes.data == NULL && bytes.size > 0;
}

static int check_args(const adk_request *r, uint64_t *total, adk_error **ret_error)
{
    if (r->args == NULL && r->args_count > 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "args is NULL, args_count is %zu", r->args_count);
    for (size_t i = 0; i < r->args_count; i++) {
        if (is_broken(r->args[i]))
            return adk__fail(ret_error, ADK_E_INVALID, 0, "argument %zu has no data", i);
        if (r->args[i].size > 0 && memchr(r->args[i].data, 0, r->args[i].size) != NULL)
            return adk__fail(ret_error, ADK_E_INVALID, 0, "argument %zu has a NUL inside", i);
        *total += (uint64_t)r->args[i].size + 1;
        if (*total > ADK_ARGS_MAX_BYTES)
            break;
    }
    return ADK_OK;
}

static int check_variable(const adk_env *variable, size_t i, adk_error **ret_error)
{
    const adk_bytes *name = &variable->name;
    const adk_bytes *value = &variable->value;

    if (is_broken(*name) || is_broken(*value))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "environment variable %zu has no data", i);
    if (name->size == 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "environment variable %zu has an empty name", i);
    if (memchr(name->data, '=', name->size) != NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the name of environment variable %zu has a \"=\" inside", i);
    if (memchr(name->data, 0, name->size) != NULL || (value->size > 0 && memchr(value->data, 0, value->size) != NULL))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "environment variable %zu has a NUL inside", i);
    return ADK_OK;
}

static int check_env(const adk_request *r, uint64_t *total, adk_error **ret_error)
{
    if (r->env == NULL && r->env_count > 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "env is NULL, env_count is %zu", r->env_count);
    for (size_t i = 0; i < r->env_count && *total <= ADK_ARGS_MAX_BYTES; i++) {
        int status = check_variable(&r->env[i], i, ret_error);

        if (status != ADK_OK)
            return status;
        *total += (uint64_t)r->env[i].name.size + r->env[i].value.size + 2;
    }
    if (*total > ADK_ARGS_MAX_BYTES)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "arguments and environment have more than %llu bytes",
                         (unsigned long long)ADK_ARGS_MAX_BYTES);
    return ADK_OK;
}

static bool has_dot_dot(adk_bytes path)
{
    const char *at = path.data;
    const char *end = at + path.size;

    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const char *next = slash == NULL ? end : slash;

        if (next - at == 2 && at[0] == '.' && at[1] == '.')
            return true;
        at = next + 1;
    }
    return false;
}

static int check_path(const char *what, size_t i, adk_bytes path, adk_error **ret_error)
{
    if (path.data == NULL || path.size == 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%s %zu has no path", what, i);
    if (path.size > ADK__VFS_PATH_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the path of %s %zu has %zu bytes, more than %d", what, i,
                         path.size, ADK__VFS_PATH_MAX);
    if (memchr(path.data, 0, path.size) != NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the path of %s %zu has a NUL inside", what, i);
    if (has_dot_dot(path))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the path of %s %zu has a \"..\" inside: \"%.*s\"", what, i,
                         (int)path.size, (const char *)path.data);
    return ADK_OK;
}

static int check_file(const adk_file *file, size_t i, adk_error **ret_error)
{
    if (is_broken(file->content))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the content of file %zu is NULL, its size is not 0", i);
    if (file->host_path_cstr != NULL && file->content.size > 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "file %zu has both content and a path of the host's", i);
    return check_path("file", i, file->path, ret_error);
}

static int check_files(const adk_request *r, adk_error **ret_error)
{
    int status = ADK_OK;

    if ((r->files == NULL && r->files_count > 0) || (r->outputs == NULL && r->outputs_count > 0))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%s is NULL, its count is not 0",
                         r->files == NULL && r->files_count > 0 ? "files" : "outputs");
    if (r->files_count > ADK_FILES_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%zu files are more than %zu", r->files_count, ADK_FILES_MAX);
    if (r->outputs_count > ADK_OUTPUTS_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%zu outputs are more than %zu", r->outputs_count,
                         ADK_OUTPUTS_MAX);
    if (r->outputs_limit_bytes > ADK_OUTPUTS_LIMIT_MAX_BYTES)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the limit on outputs, %llu bytes, is above the maximum, %llu",
                         (unsigned long long)r->outputs_limit_bytes, (unsigned long long)ADK_OUTPUTS_LIMIT_MAX_BYTES);
    for (size_t i = 0; i < r->files_count && status == ADK_OK; i++)
        status = check_file(&r->files[i], i, ret_error);
    for (size_t i = 0; i < r->outputs_count && status == ADK_OK; i++)
        status = check_path("output", i, r->outputs[i], ret_error);
    return status;
}

static int check_limits(const adk_request *r, adk_error **ret_error)
{
    if (r->timeout_ns == 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "a timeout must be given: it is 0");
    if (r->memory_limit_bytes > ADK_MEMORY_LIMIT_MAX_BYTES)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the memory limit of %llu bytes is above the maximum, %llu",
                         (unsigned long long)r->memory_limit_bytes, (unsigned long long)ADK_MEMORY_LIMIT_MAX_BYTES);
    if (r->output_limit_bytes > ADK_OUTPUT_LIMIT_MAX_BYTES)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the output limit of %llu bytes is above the maximum, %llu",
                         (unsigned long long)r->output_limit_bytes, (unsigned long long)ADK_OUTPUT_LIMIT_MAX_BYTES);
    if (r->output_policy > ADK_OUTPUT_STOP)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "unknown output policy %u", r->output_policy);
    if (r->clock_start_ns > INT64_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the start of the clock, %llu ns, is above 2^63 - 1",
                         (unsigned long long)r->clock_start_ns);
    return ADK_OK;
}

static int check_values(const adk_request *r, adk_error **ret_error)
{
    const uint32_t known = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK | ADK_REQUEST_CPU_TIME;

    if (r->language != ADK_LANGUAGE_DEFAULT && adk_language_cstr(r->language) == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "unknown language %u", r->language);
    if ((r->flags & ~known) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "unknown request flags 0x%x", r->flags & ~known);
    if (r->reserved != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the reserved field is %u, not 0", r->reserved);
    if (is_broken(r->code) || is_broken(r->stdin_data))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%s is NULL, its size is not 0",
                         is_broken(r->code) ? "code" : "stdin");
    if (r->module != NULL && r->code.size > 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "both code and a prepared module are given");
    return ADK_OK;
}

static int check_enforced(const adk_request *r, uint32_t enforced, adk_error **ret_error)
{
    const char *lacks = NULL;

    if ((enforced & ADK_ENFORCES_TIMEOUT) == 0)
        lacks = "timeout_ns";
    else if (r->memory_limit_bytes != 0 && (enforced & ADK_ENFORCES_MEMORY) == 0)
        lacks = "memory_limit_bytes";
    else if (r->fuel != 0 && (enforced & ADK_ENFORCES_FUEL) == 0)
        lacks = "fuel";
    else if ((r->flags & ADK_REQUEST_SEED) != 0 && (enforced & ADK_ENFORCES_DETERMINISM) == 0)
        lacks = "random_seed";
    else if ((r->flags & ADK_REQUEST_CLOCK) != 0 && (enforced & ADK_ENFORCES_DETERMINISM) == 0)
        lacks = "clock_start_ns";
    else if (r->output_policy == ADK_OUTPUT_STOP && (enforced & ADK_ENFORCES_OUTPUT) == 0)
        lacks = "output_policy stop";
    else if ((r->files_count > 0 || r->outputs_count > 0) && (enforced & ADK_ENFORCES_FILES) == 0)
        lacks = "files";
    if (lacks != NULL)
        return adk__fail(ret_error, ADK_E_UNSUPPORTED, 0, "the backend cannot enforce %s", lacks);
    return ADK_OK;
}

uint64_t adk__request_memory_default(adk_language language)
{
    switch (language) {
    case ADK_LANGUAGE_PYTHON:
        return ADK_MEMORY_LIMIT_PYTHON_BYTES;
    case ADK_LANGUAGE_JAVASCRIPT:
    case ADK_LANGUAGE_TYPESCRIPT:
        return ADK_MEMORY_LIMIT_JAVASCRIPT_BYTES;
    default:
        return ADK_MEMORY_LIMIT_DEFAULT_BYTES;
    }
}

/* JSON's integers are signed: what is above 2^63 - 1 means "for ever" all the same. */
static void fill_defaults(adk_request *r)
{
    if (r->memory_limit_bytes == 0)
        r->memory_limit_bytes = adk__request_memory_default(r->language);
    if (r->output_limit_bytes == 0)
        r->output_limit_bytes = ADK_OUTPUT_LIMIT_DEFAULT_BYTES;
    if (r->outputs_limit_bytes == 0)
        r->outputs_limit_bytes = ADK_OUTPUTS_LIMIT_DEFAULT_BYTES;
    if (r->timeout_ns > INT64_MAX)
        r->timeout_ns = INT64_MAX;
    if (r->fuel > INT64_MAX)
        r->fuel = INT64_MAX;
}

int adk__request_read(const adk_request *given, uint32_t enforced, adk_request *ret_request, adk_error **ret_error)
{
    adk_request request;
    uint64_t total = 0;
    int status;

    if (!adk__struct_read(&request, sizeof(request), given))
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "the request's struct_size, %zu, is 0 or has fields this library does not know",
                         given->struct_size);
    status = check_values(&request, ret_error);
    if (status == ADK_OK)
        status = check_limits(&request, ret_error);
    if (status == ADK_OK)
        status = check_args(&request, &total, ret_error);
    if (status == ADK_OK)
        status = check_env(&request, &total, ret_error);
    if (status == ADK_OK)
        status = check_files(&request, ret_error);
    if (status == ADK_OK)
        status = check_enforced(&request, enforced, ret_error);
    if (status != ADK_OK)
        return status;
    fill_defaults(&request);
    *ret_request = request;
    return ADK_OK;
}

adk_bytes adk__request_path(adk_bytes path)
{
    const char *text = path.data;

    while (path.size > 0 && text[0] == '/') {
        text++;
        path.size--;
    }
    while (path.size > 0 && text[path.size - 1] == '/')
        path.size--;
    return adk_bytes_make(text, path.size);
}
