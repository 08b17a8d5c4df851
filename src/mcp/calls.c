/*
 * The tools, and calls that are under way. A call of sandbox_exec becomes a job of the executor and is answered when that
 * is collected; the others are answered at once.
 *
 * A call that its client cancels gets no answer, as the protocol wants it; it counts until its job has ended.
 */
#include "mcp/session.h"

#include <stdlib.h>
#include <string.h>

#include <adk/error.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/text.h"
#include "core/request_copy.h"

#define BYTES_LEAST ((uint64_t)64 << 20)

/* ---- what there is ------------------------------------------------------------------------------------------------ */

/* What a revision does not know is left out. Takes `tool`. */
static json_t *describe(json_t *tool, enum mcp_revision revision, bool only_reads)
{
    if (tool == NULL)
        return NULL;
    if (revision < MCP_2025_06_18) {
        (void)json_object_del(tool, "title");
        (void)json_object_del(tool, "outputSchema");
    }
    if (revision >= MCP_2025_03_26 &&
        json_object_set_new(tool, "annotations",
                            json_pack("{sbsbsbsb}", "readOnlyHint", only_reads, "destructiveHint", 0, "idempotentHint",
                                      only_reads, "openWorldHint", 0)) != 0) {
        json_decref(tool);
        return NULL;
    }
    return tool;
}

void mcp_tools_list(mcp_session *session, const struct mcp_request *request)
{
    enum mcp_revision revision = request->revision;
    json_t *tools;
    json_t *result;

    if (json_object_get(request->params, "cursor") != NULL) {
        mcp_fail(session, request->id, request->batch, MCP_INVALID_PARAMS, "no list has this cursor", NULL);
        return;
    }
    tools = json_array();
    result = json_object();
    if (json_array_append_new(tools, describe(adk__tool_schema(session->options.tool), revision, false)) |
        json_array_append_new(tools, describe(adk__tool_read_schema(), revision, true)) |
        json_array_append_new(tools, describe(adk__tool_capabilities_schema(), revision, true)) |
        (session->options.tool->session_languages == 0
             ? 0
             : json_array_append_new(tools, describe(adk__tool_session_schema(), revision, false))) |
        json_object_set_new(result, "tools", tools) |
        (revision < MCP_2026_07_28 ? 0
                                   : json_object_set_new(result, "ttlMs", json_integer(MCP_TTL_MS)) |
                                         json_object_set_new(result, "cacheScope", json_string("private")))) {
        json_decref(result);
        result = NULL;
    }
    mcp_answer(session, request, result);
}

/* ---- results ------------------------------------------------------------------------------------------------------ */

/* Takes `structure`; NULL: there was no memory for it. */
static void answer_tree(mcp_session *session, const struct mcp_request *request, json_t *structure, bool is_error)
{
    adk__json_out text = ADK__JSON_OUT_INIT;

    adk__json_put_tree(&text, structure);
    session->failed |= text.failed != 0;
    mcp_answer_tool(session, request, adk_bytes_make(text.buf.data, text.buf.size), NULL, is_error);
    adk__buf_free(&text.buf);
    json_decref(structure);
}

static void answer_run(mcp_session *session, const struct mcp_request *request, const adk__tool_answer *answer)
{
    const adk__buf *text = &answer->report.buf;

    session->failed |= answer->report.failed != 0;
    mcp_answer_tool(session, request, adk_bytes_make(text->data, text->size), answer->images, answer->is_error);
}

/* ---- sandbox_exec ------------------------------------------------------------------------------------------------- */

static struct mcp_call *find_call(const mcp_session *session, const json_t *id)
{
    struct mcp_call *call;

    DL_FOREACH(session->calls, call)
    {
        if (json_equal(call->id, id))
            return call;
    }
    return NULL;
}

void mcp_call_free(mcp_session *session, struct mcp_call *call)
{
    DL_DELETE(session->calls, call);
    session->call_count--;
    session->call_bytes -= call->bytes;
    adk_job_free(call->job);
    adk__tool_call_free(call->call);
    json_decref(call->id);
    json_decref(call->token);
    mcp_batch_drop(call->batch);
    free(call);
}

static void answer_refusal(mcp_session *session, const struct mcp_request *request, const adk_error *error,
                           const char *hint)
{
    adk__tool_answer answer = ADK__TOOL_ANSWER_INIT;

    adk__tool_refusal(error, hint, &answer);
    answer_run(session, request, &answer);
    adk__tool_answer_free(&answer);
}

static bool refuse_id(mcp_session *session, const struct mcp_request *request)
{
    if (find_call(session, request->id) == NULL)
        return false;
    mcp_fail(session, request->id, request->batch, MCP_INVALID_REQUEST, "a request with this id is under way", NULL);
    return true;
}

/* Whether one more, of so many bytes, is too many. Then it has been answered. One alone may have any size. */
static bool refuse_more(mcp_session *session, const struct mcp_request *request, uint64_t bytes)
{
    uint64_t most_bytes = 4 * session->options.line_most > BYTES_LEAST ? 4 * session->options.line_most : BYTES_LEAST;
    uint64_t left = session->call_bytes < most_bytes ? most_bytes - session->call_bytes : 0;
    char text[160];

    if (session->call_count < session->options.calls_most && (bytes <= left || session->call_count == 0))
        return false;
    (void)snprintf(text, sizeof(text),
                   "too many calls are under way (%u, with %llu bytes; at most %u, with %llu): wait for an answer",
                   session->call_count, (unsigned long long)session->call_bytes, session->options.calls_most,
                   (unsigned long long)most_bytes);
    mcp_fail(session, request->id, request->batch, MCP_BUSY, text, NULL);
    return true;
}

static int submit(mcp_session *session, struct mcp_call *call, adk_error **ret_error)
{
    adk_submission submission = ADK_SUBMISSION_INIT;

    submission.backend = adk__tool_call_backend(call->call);
    submission.request = &call->call->request;
    submission.cancel = session->options.cancel;
    submission.flags = ADK_SUBMISSION_COLLECT;
    submission.data = call;
    return adk_executor_submit(session->options.executor, &submission, &call->job, ret_error);
}

/* The call's own notes, but for the job. */
static void note_request(struct mcp_call *call, const struct mcp_request *request)
{
    json_t *token = json_object_get(request->meta, "progressToken");

    call->id = json_incref(request->id);
    if (mcp_is_id(token)) /* they are of the same kind; nobody must be sent progress */
        call->token = json_incref(token);
    call->start_ns = adk__now_ns();
    call->tick_ns = call->start_ns + ADK__NS_PER_S;
    call->timeout_s = (int64_t)(call->call->request.timeout_ns / ADK__NS_PER_S);
    call->revision = request->revision;
    call->batch = request->batch;
    call->bytes = adk__request_size(&call->call->request);
}

/* Of a call that is not among the session's. */
static void drop_call(struct mcp_call *call)
{
    if (call == NULL)
        return;
    adk__tool_call_free(call->call);
    json_decref(call->id);
    json_decref(call->token);
    free(call);
}

static void start(mcp_session *session, const struct mcp_request *request, json_t *arguments)
{
    const json_t *parent = json_object_get(request->meta, "traceparent");
    adk_tool_call_options options = ADK_TOOL_CALL_OPTIONS_INIT;
    struct mcp_call *call = calloc(1, sizeof(*call));
    adk_error *error = NULL;
    const char *hint = NULL;
    int failed = call == NULL ? ADK_E_NOMEM : ADK_OK;

    options.on_trace = session->options.on_trace;
    options.trace_data = session->options.trace_data;
    if (json_is_string(parent))
        options.traceparent = adk__json_bytes(parent);
    if (failed == ADK_OK)
        failed = adk__tool_call_new(session->options.tool, arguments, &options, true, &call->call, &hint, &error);
    if (failed == ADK_OK) {
        note_request(call, request);
        if (refuse_more(session, request, call->bytes)) {
            drop_call(call);
            return;
        }
        failed = submit(session, call, &error);
    }
    if (failed == ADK_OK) {
        adk__tool_call_drop_inputs(call->call);
        DL_APPEND(session->calls, call);
        session->call_count++;
        session->call_bytes += call->bytes;
        return;
    }
    answer_refusal(session, request, error, hint);
    adk_error_free(error);
    drop_call(call);
}

static void finish(mcp_session *session, struct mcp_call *call)
{
    adk__tool_answer answer = ADK__TOOL_ANSWER_INIT;
    adk_result *result = NULL;
    adk_error *error = NULL;
    int status = adk_job_take_result(call->job, &result, &error);
    struct mcp_request request = {.id = call->id, .revision = call->revision, .batch = adk__take_ptr(call->batch)};

    if (call->cancelled) {
        adk_result_free(result);
        mcp_batch_end(session, request.batch);
    } else {
        adk__tool_call_answer(call->call, status, result, error, &answer);
        answer_run(session, &request, &answer);
        adk__tool_answer_free(&answer);
    }
    adk_error_free(error);
    mcp_call_free(session, call);
}

void mcp_session_collect(mcp_session *session)
{
    while (mcp_session_is_open(session)) {
        adk_job *job = adk_executor_take(session->options.executor);

        if (job == NULL)
            return;
        finish(session, adk_job_data(job));
        adk_job_free(job);
    }
}

void mcp_cancel(mcp_session *session, const json_t *id)
{
    struct mcp_call *call = id == NULL ? NULL : find_call(session, id);

    if (call == NULL)
        return; /* it may have been answered meanwhile */
    call->cancelled = true;
    adk_job_cancel(call->job);
}

uint64_t mcp_session_tick(mcp_session *session, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    struct mcp_call *call;

    DL_FOREACH(session->calls, call)
    {
        int64_t elapsed_s = (int64_t)((now_ns - call->start_ns) / ADK__NS_PER_S);

        if (call->token == NULL || call->cancelled)
            continue;
        if (now_ns >= call->tick_ns) {
            call->tick_ns = call->start_ns + (uint64_t)(elapsed_s + 1) * ADK__NS_PER_S;
            if (mcp_session_is_open(session))
                mcp_notify(session, "notifications/progress",
                           json_pack("{sOsIsIss}", "progressToken", call->token, "progress", (json_int_t)elapsed_s,
                                     "total", (json_int_t)call->timeout_s, "message", "running"));
        }
        if (call->tick_ns < next_ns)
            next_ns = call->tick_ns;
    }
    return next_ns;
}

/* ---- tools/call --------------------------------------------------------------------------------------------------- */

static void capabilities(mcp_session *session, const struct mcp_request *request, const json_t *arguments)
{
    if (json_object_size(arguments) > 0)
        mcp_fail(session, request->id, request->batch, MCP_INVALID_PARAMS, "sandbox_capabilities takes no arguments",
                 NULL);
    else
        answer_tree(session, request, adk__tool_capabilities(session->options.tool), false);
}

static void fail_name(mcp_session *session, const struct mcp_request *request, const json_t *name)
{
    adk__buf shown = ADK__BUF_INIT(4 * ADK__NAME_SHOWN + 64);
    adk_bytes bytes = adk__json_bytes(name);

    if (adk__buf_append(&shown, "Unknown tool: ", 14) != 0 ||
        adk__text_append_escaped(&shown, bytes.data, bytes.size, ADK__NAME_SHOWN) != 0 ||
        adk__buf_append(&shown, "", 1) != 0)
        session->failed = true;
    else
        mcp_fail(session, request->id, request->batch, MCP_INVALID_PARAMS, (const char *)shown.data, NULL);
    adk__buf_free(&shown);
}

static void call_named(mcp_session *session, const struct mcp_request *request, const json_t *name, json_t *arguments)
{
    bool is_error = true;
    json_t *answer;

    if (adk__json_is(name, ADK_TOOL_NAME_CSTR)) {
        if (!refuse_id(session, request) && !refuse_more(session, request, 0))
            start(session, request, arguments);
    } else if (adk__json_is(name, ADK_TOOL_READ_NAME_CSTR)) {
        answer = adk__tool_read(session->options.tool, arguments, &is_error);
        answer_tree(session, request, answer, is_error);
    } else if (adk__json_is(name, ADK_TOOL_SESSION_NAME_CSTR) && session->options.tool->session_languages != 0) {
        answer = adk__tool_session_act(session->options.tool, arguments, &is_error);
        answer_tree(session, request, answer, is_error);
    } else if (adk__json_is(name, ADK_TOOL_CAPABILITIES_NAME_CSTR)) {
        capabilities(session, request, arguments);
    } else {
        fail_name(session, request, name);
    }
}

void mcp_tools_call(mcp_session *session, const struct mcp_request *request)
{
    const json_t *name = json_object_get(request->params, "name");
    json_t *arguments = json_incref(json_object_get(request->params, "arguments"));

    if (arguments == NULL)
        arguments = json_object();
    if (arguments == NULL)
        session->failed = true;
    else if (!json_is_string(name) || !json_is_object(arguments))
        mcp_fail(session, request->id, request->batch, MCP_INVALID_PARAMS,
                 "\"name\" must be a string and \"arguments\" an object", NULL);
    else
        call_named(session, request, name, arguments);
    json_decref(arguments);
}
