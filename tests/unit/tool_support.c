#include "tool.h"

static void put(adk_result *result, int stream, adk_bytes bytes)
{
    assert_int_equal(adk_result_append_output(result, stream, bytes), ADK_OK);
}

static void put_line(adk_result *result, const char *what, adk_bytes bytes)
{
    put(result, 1, adk_bytes_from_cstr(what));
    put(result, 1, bytes);
    put(result, 1, BYTES("\n"));
}

static void show(adk_result *result, const adk_request *request)
{
    char text[200];

    (void)snprintf(text, sizeof(text), "%llu ns, %llu bytes, output %llu, outputs %llu",
                   (unsigned long long)request->timeout_ns, (unsigned long long)request->memory_limit_bytes,
                   (unsigned long long)request->output_limit_bytes, (unsigned long long)request->outputs_limit_bytes);
    put_line(result, "limits ", adk_bytes_from_cstr(text));
    for (size_t i = 0; i < request->args_count; i++)
        put_line(result, "arg ", request->args[i]);
    for (size_t i = 0; i < request->env_count; i++) {
        put_line(result, "name ", request->env[i].name);
        put_line(result, "value ", request->env[i].value);
    }
    for (size_t i = 0; i < request->files_count; i++) {
        put_line(result, "file ", request->files[i].path);
        put_line(result, "content ", request->files[i].content);
    }
    for (size_t i = 0; i < request->outputs_count; i++)
        put_line(result, "output ", request->outputs[i]);
    put_line(result, "stdin ", request->stdin_data);
}

static void add_file(adk_result *result, const char *path, const char *content, size_t size, uint64_t size_bytes)
{
    adk_file_out *file;
    char *copy = malloc(size + 1);

    result->files = reallocarray(result->files, result->file_count + 1, sizeof(*result->files));
    assert_non_null(result->files);
    assert_non_null(copy);
    memcpy(copy, content, size);
    file = &result->files[result->file_count++];
    *file = (adk_file_out){.path = adk_bytes_from_cstr(strdup(path)),
                           .content = adk_bytes_make(copy, size),
                           .size_bytes = size_bytes,
                           .type = ADK_FILE_REGULAR,
                           .truncated = size < size_bytes};
}

static const char png[] = "\x89PNG\r\n\x1a\n and so on";

static void add_files(adk_result *result)
{
    static char large[200000];

    memset(large, 'x', sizeof(large));
    add_file(result, "/out/text", "h\xc3\xa9llo", 6, 6);
    add_file(result, "/out/plot.png", png, sizeof(png) - 1, sizeof(png) - 1);
    add_file(result, "/out/bin", "\xff\0\xfe", 3, 3);
    add_file(result, "/out/large", large, sizeof(large), sizeof(large) + 5);
    add_file(result, "/out/\xff", "name", 4, 4);
}

static void flood(adk_result *result)
{
    for (int i = 0; i < 10000; i++) {
        char line[16];

        (void)snprintf(line, sizeof(line), "%08d ", i);
        put(result, 1, adk_bytes_make(line, 9));
        put(result, 1, BYTES("\n"));
    }
}

static int end(adk_result *result, adk_outcome outcome, const char *message)
{
    put(result, 1, BYTES("so far\n"));
    put(result, 2, BYTES("no end of line"));
    return adk_result_set_outcome(result, outcome, ADK_PHASE_RUN, ADK_REASON_NONE, 0, adk_bytes_from_cstr(message));
}

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    adk_result *result = NULL;
    int status = ADK_OK;

    (void)state;
    if (adk_test_bytes_are(request->code, "busy")) {
        *ret_error = adk_error_new(ADK_E_BUSY, 0, "the queue is full");
        return ADK_E_BUSY;
    }
    status = adk_result_new(request, &result, ret_error);
    if (status != ADK_OK)
        return status;
    if (adk_cancel_fired(cancel))
        status = end(result, ADK_OUTCOME_CANCELLED, "cancelled");
    else if (adk_test_bytes_are(request->code, "show"))
        show(result, request);
    else if (adk_test_bytes_are(request->code, "flood"))
        flood(result);
    else if (adk_test_bytes_are(request->code, "binary"))
        put(result, 1, BYTES("\xff\xfe\0"));
    else if (adk_test_bytes_are(request->code, "timeout"))
        status = end(result, ADK_OUTCOME_TIMED_OUT, "execution timed out after 30s");
    else if (adk_test_bytes_are(request->code, "memory"))
        status = end(result, ADK_OUTCOME_MEMORY_LIMIT, "memory limit exceeded: 64 MB");
    else if (adk_test_bytes_are(request->code, "trap"))
        status = end(result, ADK_OUTCOME_TRAPPED, "wasm trap: unreachable");
    else if (adk_test_bytes_are(request->code, "files"))
        add_files(result);
    *ret_result = result;
    return status;
}

adk_backend *tool_backend(void)
{
    adk_backend_ops ops = ADK_BACKEND_OPS_INIT;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_backend *backend = NULL;

    ops.execute = execute;
    capabilities.enforced = 0x3ff & ~(uint32_t)ADK_ENFORCES_FUEL;
    capabilities.languages = 1u << ADK_LANGUAGE_WASM | 1u << ADK_LANGUAGE_PYTHON;
    capabilities.isolation_cstr = "none";
    assert_int_equal(adk_backend_new(&ops, NULL, "fake", &capabilities, &backend, NULL), ADK_OK);
    return backend;
}

static json_t *parse(char *text)
{
    json_error_t why;
    json_t *json;

    assert_null(strchr(text, '\n'));
    json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (json == NULL)
        fail_msg("no JSON: %s: %s", why.text, text);
    adk_free(text);
    return json;
}

json_t *tool_call(adk_tool *tool, const char *arguments)
{
    char *text = NULL;

    assert_int_equal(adk_tool_call(tool, adk_bytes_from_cstr(arguments), NULL, &text, NULL), ADK_OK);
    adk_test_keep_report(text);
    return parse(text);
}

json_t *tool_read(adk_tool *tool, const char *arguments)
{
    char *text = NULL;

    assert_int_equal(adk_tool_read(tool, adk_bytes_from_cstr(arguments), &text, NULL), ADK_OK);
    return parse(text);
}

const char *tool_string(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    if (!json_is_string(value))
        fail_msg("\"%s\" is no string", key);
    return json_string_value(value);
}

int64_t tool_integer(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    if (!json_is_integer(value))
        fail_msg("\"%s\" is no integer", key);
    return json_integer_value(value);
}

void tool_refuses(adk_tool *tool, const char *arguments, const char *message)
{
    json_t *answer = tool_call(tool, arguments);

    assert_string_at(answer, "message", message);
    assert_string_at(answer, "stderr", message);
    assert_string_at(answer, "status", "error");
    assert_string_at(answer, "code", "code.sandbox_invalid_request");
    assert_true(json_is_null(json_object_get(answer, "outcome")));
    json_decref(answer);
}
