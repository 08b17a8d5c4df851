/*
 * An agent's loop with the tool: a model asks for runs, the tool answers, the model reads the answer and goes on. The
 * model is pretended: a list of what one would send. A real one gets adk_tool_schema() and is asked over its own wire.
 */
#include <adk/sandbox.h>

#include <jansson.h>
#include <stdio.h>

/* Writes "0123456789" 2,000 times: more than an answer shows. */
#define CHATTY                                                                                                      \
    "(module (import \\\"wasi_snapshot_preview1\\\" \\\"fd_write\\\" (func $write (param i32 i32 i32 i32) (result " \
    "i32)))"                                                                                                        \
    " (memory (export \\\"memory\\\") 1) (data (i32.const 0) "                                                      \
    "\\\"\\\\10\\\\00\\\\00\\\\00\\\\0a\\\\00\\\\00\\\\00\\\")"                                                     \
    " (data (i32.const 16) \\\"0123456789\\\") (global $left (mut i32) (i32.const 2000))"                           \
    " (func (export \\\"_start\\\") (loop $again"                                                                   \
    "  (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"                                \
    "  (global.set $left (i32.sub (global.get $left) (i32.const 1))) (br_if $again (global.get $left)))))"

/* What the model sends: a mistake, one that never ends, and one that writes a lot. */
static const char *const calls[] = {
    "{\"language\": \"cobol\", \"code\": \"DISPLAY 1.\"}",
    "{\"language\": \"wasm\", \"code\": \"(module (func (export \\\"_start\\\") (loop br 0)))\", \"timeout_secs\": 1}",
    "{\"language\": \"wasm\", \"code\": \"" CHATTY "\"}",
};

static const char *text_of(const json_t *answer, const char *key)
{
    const char *text = json_string_value(json_object_get(answer, key));

    return text == NULL ? "null" : text;
}

/* The last bytes of a long output, by the handle of the answer. */
static int read_end(adk_tool *tool, const char *handle, adk_error **ret_error)
{
    char arguments[256];
    char *text = NULL;
    json_t *answer;
    int status;

    snprintf(arguments, sizeof(arguments), "{\"handle\": \"%s\", \"stream\": \"stdout\", \"offset\": 19995}", handle);
    status = adk_tool_read(tool, adk_bytes_from_cstr(arguments), &text, ret_error);
    if (status != ADK_OK)
        return status;
    answer = json_loads(text, 0, NULL);
    printf("  read on: %s, %s\n", text_of(answer, "status"), text_of(answer, "content"));
    json_decref(answer);
    adk_free(text);
    return ADK_OK;
}

static int turn(adk_tool *tool, const char *arguments, adk_error **ret_error)
{
    adk_tool_call_options options = ADK_TOOL_CALL_OPTIONS_INIT; /* here go cancellation, streams, trace context */
    char *text = NULL;
    json_t *answer;
    int status;

    status = adk_tool_call(tool, adk_bytes_from_cstr(arguments), &options, &text, ret_error);
    if (status != ADK_OK)
        return status;
    answer = json_loads(text, 0, NULL); /* a framework hands `text` to the model as it is */
    printf("%s, %s: %s\n", text_of(answer, "status"), text_of(answer, "outcome"), text_of(answer, "message"));
    if (json_is_string(json_object_get(answer, "handle"))) /* there is more than the answer shows */
        status = read_end(tool, text_of(answer, "handle"), ret_error);
    json_decref(answer);
    adk_free(text);
    return status;
}

int main(void)
{
    adk_backend *backend = NULL;
    adk_tool *tool = NULL;
    adk_error *error = NULL;
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    size_t i;
    int status;

    options.timeout_max_ns = 10000000000; /* the operator's ceilings, whatever a model asks for */
    options.memory_max_bytes = (uint64_t)128 << 20;
    status = adk_wasm_backend_new(NULL, &backend, &error);
    if (status == ADK_OK)
        status = adk_tool_new(backend, &options, &tool, &error);
    for (i = 0; status == ADK_OK && i < sizeof(calls) / sizeof(calls[0]); i++)
        status = turn(tool, calls[i], &error);
    if (status != ADK_OK)
        fprintf(stderr, "%s\n", adk_error_message_cstr(error));
    adk_tool_free(tool);
    adk_backend_free(backend);
    adk_error_free(error);
    return status == ADK_OK ? 0 : 1;
}
