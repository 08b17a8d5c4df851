/*
 * Fuzzes what models and clients write: the JSON of calls and of reads, over a backend that costs nothing and brings back
 * what it was given. The first byte chooses the operator's limits; then lines: the first is a call's arguments, the others
 * are those of reads, with the handle that the call's answer has in the place of each `$`.
 *
 * What must hold: every call has an answer, which is one line of JSON with a status, and not longer than the limits say;
 * what is written by core/json_text.c is what jansson writes.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/json_text.h"
#include "core/result.h"
#include "support.h"
#include "tool/tool.h"

#define SHOWN_BYTES ((size_t)300)

/* Brings back files as they were given, standard input as output, and the code as errors; its first letter is the outcome. */
static int give_back(const adk_request *request, adk_result *result)
{
    const char *code = request->code.data;
    int status = adk_result_append_output(result, 1, request->stdin_data);

    for (size_t i = 0; i < request->args_count && status == ADK_OK; i++)
        status = adk_result_append_output(result, 1, request->args[i]);
    if (status == ADK_OK)
        status = adk_result_append_output(result, 2, request->code);
    result->files = calloc(request->files_count + 1, sizeof(*result->files));
    for (size_t i = 0; i < request->files_count && request->outputs_count > 0 && result->files != NULL; i++) {
        const adk_file *from = &request->files[i];
        adk_file_out *file = &result->files[result->file_count++];
        char *path = malloc(from->path.size + 1);
        char *content = malloc(from->content.size + 1);

        memcpy(path, from->path.data, from->path.size);
        if (from->content.size > 0)
            memcpy(content, from->content.data, from->content.size);
        *file = (adk_file_out){adk_bytes_make(path, from->path.size),
                               adk_bytes_make(content, from->content.size),
                               from->content.size + (i & 1),
                               ADK_FILE_REGULAR,
                               i & 1,
                               0,
                               0};
    }
    if (status == ADK_OK && request->code.size > 0)
        status = adk_result_set_outcome(result, (adk_outcome)(code[0] & 7), ADK_PHASE_RUN, ADK_REASON_NONE, 0,
                                        adk_bytes_make(code, request->code.size < 40 ? request->code.size : 40));
    return status;
}

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    int status = adk_result_new(request, ret_result, ret_error);

    (void)state;
    (void)cancel;
    return status == ADK_OK ? give_back(request, *ret_result) : status;
}

static adk_backend *backend(void)
{
    static adk_backend *made;
    adk_backend_ops ops = ADK_BACKEND_OPS_INIT;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;

    ops.execute = execute;
    capabilities.enforced = 0x3ff;
    capabilities.languages = 1u << ADK_LANGUAGE_WASM | 1u << ADK_LANGUAGE_PYTHON;
    capabilities.isolation_cstr = "none";
    if (made == NULL)
        fuzz_require(adk_backend_new(&ops, NULL, "fake", &capabilities, &made, NULL) == ADK_OK, "a backend");
    return made;
}

static adk_tool *new_tool(uint8_t choice)
{
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    adk_tool *tool = NULL;

    options.modules_cstr = (choice & 1) != 0 ? "/proc/self/fdinfo" : NULL; /* small files that are always there */
    options.shown_bytes = (choice & 2) != 0 ? SHOWN_BYTES : 0;
    options.shown_files_bytes = (choice & 2) != 0 ? 20 : 0;
    options.output_limit_bytes = (choice & 4) != 0 ? 100 : 0;
    options.kept = (choice & 8) != 0 ? 1 : 0;
    options.kept_bytes = (choice & 16) != 0 ? 5000 : 0;
    options.arguments_max_bytes = (choice & 32) != 0 ? 200 : 0;
    fuzz_require(adk_tool_new(backend(), &options, &tool, NULL) == ADK_OK, "a tool");
    return tool;
}

/* Parses an answer and checks what holds of each. */
static json_t *check_answer(char *text)
{
    json_error_t why;
    json_t *answer = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    char *again;

    fuzz_require(strchr(text, '\n') == NULL, "an answer is one line");
    fuzz_require(json_is_object(answer), "an answer is JSON");
    fuzz_require(json_is_string(json_object_get(answer, "status")), "an answer has a status");
    again = json_dumps(answer, JSON_COMPACT);
    fuzz_require(again != NULL && strcmp(again, text) == 0, "it is written as jansson writes it");
    free(again);
    adk_free(text);
    return answer;
}

static void check_report(const json_t *report, uint8_t choice)
{
    const json_t *outcome = json_object_get(report, "outcome");
    const json_t *out = json_object_get(report, "stdout");
    const json_t *tail = json_object_get(report, "stdout_tail");

    fuzz_require(json_is_array(json_object_get(report, "files")), "a report has files");
    fuzz_require(json_is_string(out) && json_is_string(json_object_get(report, "stderr")), "a report has streams");
    fuzz_require(outcome != NULL, "a report has an outcome");
    if ((choice & 2) != 0) /* base64 makes four of three */
        fuzz_require(json_string_length(out) + json_string_length(tail) <= SHOWN_BYTES * 4 / 3 + 8,
                     "what is shown is bounded");
    if (json_is_null(outcome))
        fuzz_require(json_string_length(json_object_get(report, "message")) > 0, "an error has a message");
}

/* A line with the handle in the place of `$`. */
static void read_line(adk_tool *tool, adk_bytes line, const char *handle)
{
    adk__buf text = ADK__BUF_INIT(1 << 20);
    char *answer = NULL;

    for (size_t i = 0; i < line.size; i++) {
        const char *c = (const char *)line.data + i;
        int failed = *c == '$' ? adk__buf_append(&text, handle, strlen(handle)) : adk__buf_append(&text, c, 1);

        fuzz_require(failed == 0, "room for a line");
    }
    fuzz_require(adk_tool_read(tool, adk_bytes_make(text.data, text.size), &answer, NULL) == ADK_OK,
                 "a read is answered");
    json_decref(check_answer(answer));
    adk__buf_free(&text);
}

/* Up to the next newline, which is taken with it. */
static adk_bytes take_line(fuzz_input *in)
{
    const uint8_t *end = in->size == 0 ? NULL : memchr(in->data, '\n', in->size);
    adk_bytes line = fuzz_take_bytes(in, end == NULL ? in->size : (size_t)(end - in->data));

    (void)fuzz_take_bytes(in, 1);
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    uint8_t choice = (uint8_t)fuzz_take(&in, 1);
    adk_tool *tool = new_tool(choice);
    adk_bytes arguments = take_line(&in);
    adk_tool_call_options options = ADK_TOOL_CALL_OPTIONS_INIT;
    char *text = NULL;
    char handle[ADK__HANDLE_SIZE] = "";
    json_t *report;

    options.traceparent = arguments;
    fuzz_require(adk_tool_call(tool, arguments, &options, &text, NULL) == ADK_OK, "a call is answered");
    report = check_answer(text);
    check_report(report, choice);
    if (json_is_string(json_object_get(report, "handle")))
        memcpy(handle, json_string_value(json_object_get(report, "handle")), ADK__HANDLE_SIZE);
    json_decref(report);
    for (int i = 0; in.size > 0 && i < 8; i++)
        read_line(tool, take_line(&in), handle);
    adk_tool_free(tool);
    return 0;
}
