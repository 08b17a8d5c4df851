/*
 * One call: its arguments become a request, what comes of that an answer. The result is kept where the answer does not
 * have all of it.
 */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/struct_size.h"
#include "tool/tool.h"

#define IMAGES_MAX_BYTES ((uint64_t)8 << 20)
#define FILES_LISTED_MAX ((uint32_t)256)

static void set_options(adk__tool_call *call, const adk_tool_call_options *options)
{
    adk_request *request = &call->request;

    request->on_stdout = options->on_stdout;
    request->on_stderr = options->on_stderr;
    request->stream_data = options->stream_data;
    if (options->on_trace == NULL)
        return;
    adk__tool_traceparent(options->traceparent, call->traceparent);
    call->on_trace = options->on_trace;
    call->trace_data = options->trace_data;
    request->on_trace = adk__tool_trace;
    request->trace_data = call;
}

int adk__tool_call_new(adk_tool *tool, json_t *arguments, const adk_tool_call_options *options, bool images_apart,
                       adk__tool_call **ret_call, const char **ret_hint, adk_error **ret_error)
{
    static const adk_request fresh = ADK_REQUEST_INIT;
    ADK_AUTO(adk__tool_call_free) adk__tool_call *call = calloc(1, sizeof(*call));
    const adk_tool_options *limits = &tool->options;
    int failed;

    *ret_hint = NULL;
    if (call == NULL)
        return adk__fail_nomem(ret_error);
    call->tool = tool;
    call->arguments = json_incref(arguments);
    call->request = fresh;
    call->request.output_limit_bytes = limits->output_limit_bytes;
    call->request.outputs_limit_bytes = limits->files_max_bytes;
    call->program = adk_bytes_from_cstr("program");
    call->view = (adk__report_view){.streams_bytes = limits->shown_bytes,
                                    .files_bytes = limits->shown_files_bytes,
                                    .images_bytes = IMAGES_MAX_BYTES,
                                    .files_most = FILES_LISTED_MAX,
                                    .images_apart = images_apart,
                                    .message_in_stderr = true};
    if (options != NULL)
        set_options(call, options);
    failed = adk__tool_arguments(call, ret_hint, ret_error);
    if (failed == ADK_OK && call->session_name.size > 0)
        failed = adk__tool_session_use(call, call->session_name, ret_error);
    if (failed == ADK_OK)
        *ret_call = adk__take_ptr(call);
    return failed;
}

void adk__tool_call_drop_inputs(adk__tool_call *call)
{
    for (size_t i = 0; call->decoded != NULL && i < call->request.files_count; i++)
        free(call->decoded[i]);
    free(adk__take_ptr(call->decoded));
    free(adk__take_ptr(call->files));
    free(adk__take_ptr(call->outputs));
    free(adk__take_ptr(call->env));
    free(adk__take_ptr(call->args));
    free(adk__take_ptr(call->code));
    json_decref(call->arguments);
    call->arguments = NULL;
    memset(&call->request, 0, sizeof(call->request));
}

void adk__tool_call_free(adk__tool_call *call)
{
    if (call == NULL)
        return;
    adk__tool_call_drop_inputs(call);
    adk__tool_session_let_go(call->session);
    free(call);
}

adk_backend *adk__tool_call_backend(const adk__tool_call *call)
{
    return call->session == NULL ? call->tool->backend : adk__tool_session_backend(call->session);
}

void adk__tool_answer_free(adk__tool_answer *answer)
{
    adk__buf_free(&answer->report.buf);
    json_decref(answer->images);
}

void adk__tool_refusal(const adk_error *error, const char *hint, adk__tool_answer *answer)
{
    answer->is_error = true;
    adk__report_error(&answer->report, error, true, hint);
}

static json_t *images_json(const adk_result *result, const adk__report_view *view, uint32_t count)
{
    json_t *list = json_array();
    int failed = list == NULL;

    for (uint32_t i = 0; !failed && i < count; i++) {
        json_t *image = json_object();
        const char *type = NULL;
        adk_bytes content;

        if (!adk__report_image(result, view, i, &content, &type))
            content = adk_bytes_make("", 0);
        failed = json_object_set_new(image, "type", json_string("image")) |
                 json_object_set_new(image, "data", adk__report_base64(content)) |
                 json_object_set_new(image, "mimeType", json_string(type == NULL ? "" : type));
        failed |= json_array_append_new(list, image);
    }
    if (failed) {
        json_decref(list);
        return NULL;
    }
    return list;
}

/* Takes the result. What is all in the answer need not be kept. */
static void set_handle(adk__tool_call *call, adk__json_out *report, adk_result *result, bool partial)
{
    char handle[ADK__HANDLE_SIZE];
    size_t files;

    (void)adk_result_files(result, &files, NULL);
    adk__json_key(report, "handle");
    if ((partial || files > 0) && adk__store_put(&call->tool->store, result, handle)) {
        adk__json_put_text(report, adk_bytes_from_cstr(handle));
        return;
    }
    adk_result_free(result);
    adk__json_put_json(report, adk_bytes_from_cstr("null"));
}

static const char *hint_for(const adk__tool_call *call, int status)
{
    if (call->session == NULL || status != ADK_E_UNAVAILABLE)
        return NULL;
    return "Its state is lost. The next call with this name begins a new session.";
}

static void set_session(const adk__tool_call *call, adk__json_out *report)
{
    json_t *session;

    if (call->session == NULL)
        return;
    session = adk__tool_session_json(call->session);
    adk__json_key(report, "session");
    adk__json_put_tree(report, session);
    json_decref(session);
}

void adk__tool_call_answer(adk__tool_call *call, int status, adk_result *result, const adk_error *error,
                           adk__tool_answer *answer)
{
    adk__json_out *report = &answer->report;
    adk__report_seen seen;

    if (status != ADK_OK) {
        adk__tool_refusal(error, hint_for(call, status), answer);
        return;
    }
    answer->is_error = false;
    adk__report_begin(report, result, &call->view, &seen);
    if (seen.image_count > 0) {
        answer->images = images_json(result, &call->view, seen.image_count);
        if (answer->images == NULL)
            report->failed = -ENOMEM;
    }
    if (report->failed != 0) {
        adk_result_free(result);
        return;
    }
    set_handle(call, report, result, seen.partial || seen.image_count > 0);
    set_session(call, report);
    adk__json_close(report, '}');
}

/* ---- on the caller's thread --------------------------------------------------------------------------------------- */

static void run(adk_tool *tool, json_t *arguments, const adk_tool_call_options *options, adk__tool_answer *answer)
{
    ADK_AUTO(adk__tool_call_free) adk__tool_call *call = NULL;
    adk_error *error = NULL;
    adk_result *result = NULL;
    const char *hint = NULL;
    int status = adk__tool_call_new(tool, arguments, options, false, &call, &hint, &error);

    if (status == ADK_OK)
        status = adk_backend_execute(adk__tool_call_backend(call), &call->request, options->cancel, &result, &error);
    if (call != NULL)
        adk__tool_call_answer(call, status, result, error, answer);
    else
        adk__tool_refusal(error, hint, answer);
    adk_error_free(error);
}

int adk_tool_call(adk_tool *tool, adk_bytes text, const adk_tool_call_options *given, char **ret_text_cstr,
                  adk_error **ret_error)
{
    adk__json_limits limits = {tool->options.arguments_max_bytes, ADK_TOOL_VALUES_MAX, ADK_TOOL_DEPTH_MAX};
    ADK_AUTO(adk__json_free) json_t *arguments = NULL;
    adk_tool_call_options options = ADK_TOOL_CALL_OPTIONS_INIT;
    adk__tool_answer answer = ADK__TOOL_ANSWER_INIT;
    adk_error *error = NULL;
    int status;

    if (given != NULL && !adk__struct_read(&options, sizeof(options), given))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of the call's options");
    if (adk__json_read(text, &limits, "the arguments", &arguments, &error) == ADK_OK)
        run(tool, arguments, &options, &answer);
    else
        adk__tool_refusal(error, NULL, &answer);
    adk_error_free(error);
    status = adk__report_take(&answer.report, 0, ret_text_cstr, ret_error);
    adk__tool_answer_free(&answer);
    return status;
}
