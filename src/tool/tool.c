/*
 * The tool object: the operator's limits, complete and checked, and what the backend can run.
 */
#include "tool/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/backend.h"
#include "core/error.h"
#include "core/struct_size.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define MIB           ((uint64_t)1 << 20)

/* In the original's order. */
static const adk_language languages[] = {ADK_LANGUAGE_RUST,       ADK_LANGUAGE_PYTHON, ADK_LANGUAGE_JAVASCRIPT,
                                         ADK_LANGUAGE_TYPESCRIPT, ADK_LANGUAGE_WASM,   ADK_LANGUAGE_COMMAND};

static int check(const char *name, uint64_t *value, uint64_t fallback, uint64_t least, uint64_t most,
                 adk_error **ret_error)
{
    if (*value == 0)
        *value = fallback;
    if (*value < least || *value > most)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the tool's %s is %llu, not between %llu and %llu", name,
                         (unsigned long long)*value, (unsigned long long)least, (unsigned long long)most);
    return ADK_OK;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static int check_times(adk_tool_options *o, adk_error **ret_error)
{
    int failed = check("timeout_max_ns", &o->timeout_max_ns, ADK_TOOL_TIMEOUT_MAX_DEFAULT_NS, NS_PER_SECOND,
                       ADK_TOOL_TIMEOUT_MAX_NS, ret_error);

    if (failed == ADK_OK)
        failed = check("timeout_default_ns", &o->timeout_default_ns,
                       least_of(ADK_TOOL_TIMEOUT_DEFAULT_NS, o->timeout_max_ns), NS_PER_SECOND, o->timeout_max_ns,
                       ret_error);
    if (failed == ADK_OK && (o->timeout_max_ns % NS_PER_SECOND != 0 || o->timeout_default_ns % NS_PER_SECOND != 0))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the tool's timeouts must be whole seconds");
    return failed;
}

/* No default is the library's own, or the backend's, as long as the ceiling is not below it. */
static int check_memory(adk_tool_options *o, adk_error **ret_error)
{
    int failed = check("memory_max_bytes", &o->memory_max_bytes, ADK_TOOL_MEMORY_MAX_DEFAULT_BYTES, MIB,
                       ADK_MEMORY_LIMIT_MAX_BYTES, ret_error);

    if (failed == ADK_OK && o->memory_default_bytes > o->memory_max_bytes)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the tool's memory_default_bytes is above memory_max_bytes");
    if (failed == ADK_OK && o->memory_default_bytes == 0 && o->memory_max_bytes < ADK_MEMORY_LIMIT_DEFAULT_BYTES)
        o->memory_default_bytes = o->memory_max_bytes;
    return failed;
}

static int check_options(adk_tool_options *o, adk_error **ret_error)
{
    const uint64_t gib = (uint64_t)1 << 30;
    uint64_t kept = o->kept;
    int failed = check_times(o, ret_error);

    if (failed == ADK_OK)
        failed = check_memory(o, ret_error);
    if (failed == ADK_OK)
        failed = check("output_limit_bytes", &o->output_limit_bytes, ADK_OUTPUT_LIMIT_DEFAULT_BYTES, 1,
                       ADK_OUTPUT_LIMIT_MAX_BYTES, ret_error);
    if (failed == ADK_OK)
        failed = check("files_max_bytes", &o->files_max_bytes, ADK_TOOL_FILES_DEFAULT_BYTES, 1,
                       ADK_OUTPUTS_LIMIT_MAX_BYTES, ret_error);
    if (failed == ADK_OK)
        failed = check("arguments_max_bytes", &o->arguments_max_bytes, ADK_TOOL_ARGUMENTS_DEFAULT_BYTES, 1,
                       ADK_TOOL_ARGUMENTS_MAX_BYTES, ret_error);
    if (failed == ADK_OK)
        failed = check("shown_bytes", &o->shown_bytes, ADK_TOOL_SHOWN_DEFAULT_BYTES, 256, gib, ret_error);
    if (failed == ADK_OK)
        failed = check("shown_files_bytes", &o->shown_files_bytes, ADK_TOOL_SHOWN_FILES_BYTES, 1, gib, ret_error);
    if (failed == ADK_OK)
        failed = check("kept_bytes", &o->kept_bytes, ADK_TOOL_KEPT_DEFAULT_BYTES, 1, UINT64_MAX / 4, ret_error);
    if (failed == ADK_OK)
        failed = check("kept", &kept, ADK_TOOL_KEPT_DEFAULT, 1, ADK_TOOL_KEPT_MAX, ret_error);
    o->kept = (uint32_t)kept;
    return failed;
}

static void name_languages(adk_tool *tool)
{
    for (size_t i = 0; i < ADK_COUNT(languages); i++) {
        size_t size = strlen(tool->languages);

        if ((tool->capabilities.languages >> languages[i] & 1) != 0)
            (void)snprintf(tool->languages + size, sizeof(tool->languages) - size, "%s%s", size == 0 ? "" : ", ",
                           adk_language_cstr(languages[i]));
    }
    (void)snprintf(tool->languages_hint, sizeof(tool->languages_hint), "This sandbox can run: %s.", tool->languages);
}

/* Those that are not offered are as if the backend did not have them. */
static int choose_languages(adk_tool *tool, adk_error **ret_error)
{
    uint32_t offered = tool->options.languages;

    if ((offered & ~tool->capabilities.languages) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the tool offers languages that its backend does not have");
    if (offered != 0)
        tool->capabilities.languages = offered;
    name_languages(tool);
    return ADK_OK;
}

/* Where any of the languages has them, unless the operator wants none. */
static int make_sessions(adk_tool *tool, adk_error **ret_error)
{
    adk__backend_sessions offered;

    if (tool->options.sessions == ADK_TOOL_SESSIONS_NONE)
        return ADK_OK;
    if (tool->options.sessions == 0)
        tool->options.sessions = ADK_TOOL_SESSIONS_DEFAULT;
    if (tool->options.sessions > ADK_TOOL_SESSIONS_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the tool's sessions are more than %u", ADK_TOOL_SESSIONS_MAX);
    adk__backend_get_sessions(tool->backend, &offered);
    tool->session_languages = offered.session_languages & tool->capabilities.languages;
    return adk__tool_sessions_init(&tool->sessions, tool->options.sessions, ret_error);
}

static int open_modules(adk_tool *tool, adk_error **ret_error)
{
    const char *path = adk__take_ptr(tool->options.modules_cstr);

    if (path == NULL)
        return ADK_OK;
    tool->modules_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tool->modules_fd >= 0)
        return ADK_OK;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
        return adk__fail(ret_error, ADK_E_SYSTEM, errno, "open the directory of modules");
    return adk__fail(ret_error, ADK_E_INVALID, errno, "open the directory of modules");
}

int adk_tool_new(adk_backend *backend, const adk_tool_options *options, adk_tool **ret_tool, adk_error **ret_error)
{
    static const adk_capabilities unknown = ADK_CAPABILITIES_INIT;
    static const adk_tool_options defaults = ADK_TOOL_OPTIONS_INIT;
    adk_tool *tool = calloc(1, sizeof(*tool));
    int failed = ADK_OK;

    if (tool == NULL)
        return adk__fail_nomem(ret_error);
    tool->modules_fd = -1;
    tool->backend = backend;
    tool->capabilities = unknown;
    tool->options = defaults;
    adk_backend_capabilities(backend, &tool->capabilities);
    if (options != NULL && !adk__struct_read(&tool->options, sizeof(tool->options), options))
        failed = adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of the tool's options");
    if (failed == ADK_OK)
        failed = check_options(&tool->options, ret_error);
    if (failed == ADK_OK)
        failed = choose_languages(tool, ret_error);
    if (failed == ADK_OK)
        failed = open_modules(tool, ret_error);
    if (failed == ADK_OK)
        failed = adk__store_init(&tool->store, tool->options.kept, tool->options.kept_bytes, ret_error);
    if (failed == ADK_OK)
        failed = make_sessions(tool, ret_error);
    if (failed != ADK_OK) {
        adk_tool_free(tool);
        return failed;
    }
    *ret_tool = tool;
    return ADK_OK;
}

void adk_tool_free(adk_tool *tool)
{
    if (tool == NULL)
        return;
    adk__tool_sessions_free(&tool->sessions);
    adk__auto_close(&tool->modules_fd);
    adk__store_free(&tool->store);
    free(tool);
}
