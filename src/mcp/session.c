/*
 * Messages: telling requests, notifications and answers apart, agreeing on a revision of the protocol, and finding who is
 * to do what is asked for.
 */
#include "mcp/session.h"

#include <stdlib.h>
#include <string.h>

#include <adk/error.h>
#include <adk/version.h>

#define DEPTH_MAX      (ADK_TOOL_DEPTH_MAX + 4) /* arguments stand in a message of their own */
#define BATCH_MAX      ((size_t)16)             /* their answers are held until the last is there */
#define ID_MAX_BYTES   ((size_t)1024)
#define OUT_HIGH_BYTES ((size_t)1 << 20)

#define META_REVISION     "io.modelcontextprotocol/protocolVersion"
#define META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"

static const char *const revisions[] = {
    [MCP_2024_11_05] = "2024-11-05", [MCP_2025_03_26] = "2025-03-26", [MCP_2025_06_18] = "2025-06-18",
    [MCP_2025_11_25] = "2025-11-25", [MCP_2026_07_28] = "2026-07-28",
};

static const char instructions[] = "sandbox_exec runs code that nobody has reviewed: no network, no files of this "
                                   "machine, bounded time and memory. Each "
                                   "run starts afresh.";

/* ---- agreeing on a revision --------------------------------------------------------------------------------------- */

static enum mcp_revision find_revision(const json_t *word)
{
    for (size_t i = 0; i < ADK_COUNT(revisions); i++) {
        if (adk__json_is(word, revisions[i]))
            return (enum mcp_revision)i;
    }
    return MCP_NONE;
}

json_t *mcp_server_info(void)
{
    return json_pack("{ssssss}", "name", "adk-sandbox", "title", "adk-sandbox", "version", adk_version_cstr());
}

static json_t *capabilities(void)
{
    return json_pack("{s{sb}}", "tools", "listChanged", 0);
}

static void initialize(mcp_session *session, const struct mcp_request *request)
{
    const json_t *wanted = json_object_get(request->params, "protocolVersion");
    enum mcp_revision revision = find_revision(wanted);

    if (!json_is_string(wanted)) {
        mcp_fail(session, request->id, request->batch, MCP_INVALID_PARAMS, "\"protocolVersion\" must be a string",
                 NULL);
        return;
    }
    if (session->revision != MCP_NONE || request->batch != NULL) {
        mcp_fail(session, request->id, request->batch, MCP_INVALID_REQUEST, "the session has been initialized", NULL);
        return;
    }
    if (revision == MCP_NONE || revision > MCP_2025_11_25)
        revision = MCP_2025_11_25; /* the latest that is agreed on like this; the client may leave */
    session->revision = revision;
    mcp_answer(session, request,
               json_pack("{sssososs}", "protocolVersion", revisions[revision], "capabilities", capabilities(),
                         "serverInfo", mcp_server_info(), "instructions", instructions));
}

static json_t *revisions_json(void)
{
    json_t *list = json_array();

    for (size_t i = ADK_COUNT(revisions); i > 0; i--) {
        if (json_array_append_new(list, json_string(revisions[i - 1])) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static void discover(mcp_session *session, const struct mcp_request *request)
{
    mcp_answer(session, request,
               json_pack("{so so ss si ss}", "supportedVersions", revisions_json(), "capabilities", capabilities(),
                         "instructions", instructions, "ttlMs", MCP_TTL_MS, "cacheScope", "private"));
}

static void ping(mcp_session *session, const struct mcp_request *request)
{
    mcp_answer(session, request, json_object());
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

static const struct method {
    const char *name;
    void (*handle)(mcp_session *session, const struct mcp_request *request);
    enum mcp_revision first; /* MCP_NONE: before a revision has been agreed on, too */
    enum mcp_revision last;
} methods[] = {
    {"initialize", initialize, MCP_NONE, MCP_2025_11_25},
    {"ping", ping, MCP_NONE, MCP_2025_11_25},
    {"server/discover", discover, MCP_2026_07_28, MCP_2026_07_28},
    {"tools/list", mcp_tools_list, MCP_2024_11_05, MCP_2026_07_28},
    {"tools/call", mcp_tools_call, MCP_2024_11_05, MCP_2026_07_28},
};

static const struct method *find_method(const json_t *name)
{
    for (size_t i = 0; i < ADK_COUNT(methods); i++) {
        if (adk__json_is(name, methods[i].name))
            return &methods[i];
    }
    return NULL;
}

/* The request's own revision, if it names one; else the session's. False where it has been refused. */
static bool read_revision(mcp_session *session, struct mcp_request *request)
{
    const json_t *wanted = json_object_get(request->meta, META_REVISION);

    request->revision = session->revision;
    if (wanted == NULL)
        return true;
    if (!json_is_string(wanted)) {
        mcp_fail(session, request->id, request->batch, MCP_INVALID_PARAMS, "\"" META_REVISION "\" must be a string",
                 NULL);
        return false;
    }
    request->revision = find_revision(wanted);
    if (request->revision == MCP_2026_07_28 && !json_is_object(json_object_get(request->meta, META_CAPABILITIES))) {
        mcp_fail(session, request->id, request->batch, MCP_INVALID_PARAMS,
                 "\"" META_CAPABILITIES "\" must be an object", NULL);
        return false;
    }
    if (request->revision == MCP_2026_07_28 ||
        (request->revision != MCP_NONE && request->revision == session->revision))
        return true;
    mcp_fail(session, request->id, request->batch, MCP_UNSUPPORTED_REVISION, "Unsupported protocol version",
             json_pack("{sosO}", "supported", revisions_json(), "requested", wanted));
    return false;
}

static void handle_request(mcp_session *session, const json_t *name, struct mcp_request *request)
{
    const struct method *method = find_method(name);

    if (!read_revision(session, request))
        return;
    if (method == NULL || request->revision > method->last ||
        (request->revision < method->first && request->revision != MCP_NONE))
        mcp_fail(session, request->id, request->batch, MCP_METHOD_NOT_FOUND, "Method not found", NULL);
    else if (request->revision < method->first)
        mcp_fail(session, request->id, request->batch, MCP_INVALID_PARAMS,
                 "not initialized: send \"initialize\" first, or name a protocol version with each request", NULL);
    else
        method->handle(session, request);
}

static void handle_notification(mcp_session *session, const json_t *name, const json_t *params)
{
    if (adk__json_is(name, "notifications/cancelled"))
        mcp_cancel(session, json_object_get(params, "requestId"));
}

bool mcp_is_id(const json_t *id)
{
    return json_is_integer(id) || (json_is_string(id) && json_string_length(id) <= ID_MAX_BYTES);
}

/* A message that is no answer to us; we ask nothing, so answers are nobody's. */
static void handle_message(mcp_session *session, json_t *message, struct mcp_batch *batch)
{
    json_t *id = json_object_get(message, "id");
    const json_t *name = json_object_get(message, "method");
    const json_t *params = json_object_get(message, "params");
    struct mcp_request request = {mcp_is_id(id) ? id : NULL, params, NULL, MCP_NONE, batch};

    if (name == NULL && (json_object_get(message, "result") != NULL || json_object_get(message, "error") != NULL)) {
        mcp_batch_end(session, batch);
        return;
    }
    if (!json_is_object(message) || !adk__json_is(json_object_get(message, "jsonrpc"), "2.0") ||
        !json_is_string(name) || (id != NULL && !mcp_is_id(id))) {
        mcp_fail(session, request.id, batch, MCP_INVALID_REQUEST, "Invalid Request", NULL);
        return;
    }
    if (id == NULL) {
        handle_notification(session, name, params);
        mcp_batch_end(session, batch);
        return;
    }
    if (params != NULL && !json_is_object(params)) {
        mcp_fail(session, id, batch, MCP_INVALID_PARAMS, "\"params\" must be an object", NULL);
        return;
    }
    request.meta = json_object_get(params, "_meta");
    if (request.meta != NULL && !json_is_object(request.meta)) {
        mcp_fail(session, id, batch, MCP_INVALID_PARAMS, "\"_meta\" must be an object", NULL);
        return;
    }
    handle_request(session, name, &request);
}

/* Only one revision has batches. */
static void handle_batch(mcp_session *session, const json_t *messages)
{
    size_t count = json_array_size(messages);
    struct mcp_batch *batch;

    if (session->revision != MCP_2025_03_26 || count == 0 || count > BATCH_MAX) {
        mcp_fail(session, NULL, NULL, MCP_INVALID_REQUEST,
                 count == 0 || count > BATCH_MAX ? "a batch must have 1 to 16 messages"
                                                 : "batches are not part of this revision of the protocol",
                 NULL);
        return;
    }
    batch = mcp_batch_new();
    if (batch == NULL) {
        session->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        batch->pending++;
        handle_message(session, json_array_get(messages, i), batch);
    }
    mcp_batch_end(session, batch);
}

/* ---- the session -------------------------------------------------------------------------------------------------- */

static bool is_blank(adk_bytes line)
{
    const char *text = line.data;

    for (size_t i = 0; i < line.size; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    }
    return true;
}

void mcp_session_line(mcp_session *session, adk_bytes line)
{
    adk__json_limits limits = {session->options.line_most, ADK_TOOL_VALUES_MAX, DEPTH_MAX};
    adk_error *error = NULL;
    json_t *message = NULL;

    if (is_blank(line))
        return;
    if (adk__json_read(line, &limits, "the contents of the message", &message, &error) != ADK_OK)
        mcp_fail(session, NULL, NULL, adk_error_code(error) == ADK_E_INVALID ? MCP_PARSE_ERROR : MCP_INTERNAL_ERROR,
                 adk_error_message_cstr(error), NULL);
    else if (json_is_array(message))
        handle_batch(session, message);
    else
        handle_message(session, message, NULL);
    adk_error_free(error);
    json_decref(message);
}

void mcp_session_too_long(mcp_session *session)
{
    char text[100];

    (void)snprintf(text, sizeof(text), "the message has more than %llu bytes",
                   (unsigned long long)session->options.line_most);
    mcp_fail(session, NULL, NULL, MCP_INVALID_REQUEST, text, NULL);
}

int mcp_session_new(const struct mcp_options *options, mcp_session **ret_session)
{
    mcp_session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return ADK_E_NOMEM;
    session->options = *options;
    session->revision = MCP_NONE;
    session->out.max = SIZE_MAX / 2; /* bounded by mcp_session_is_open() */
    *ret_session = session;
    return ADK_OK;
}

void mcp_session_free(mcp_session *session)
{
    if (session == NULL)
        return;
    while (session->calls != NULL)
        mcp_call_free(session, session->calls);
    adk__buf_free(&session->out);
    free(session);
}

bool mcp_session_is_open(const mcp_session *session)
{
    return session->out.size - session->out_at < OUT_HIGH_BYTES;
}

uint32_t mcp_session_calls(const mcp_session *session)
{
    return session->call_count;
}

bool mcp_session_failed(const mcp_session *session)
{
    return session->failed;
}

adk_bytes mcp_session_output(const mcp_session *session)
{
    if (session->out.size == session->out_at)
        return adk_bytes_make(NULL, 0);
    return adk_bytes_make(session->out.data + session->out_at, session->out.size - session->out_at);
}

/* A large answer's memory is given back with its last byte. */
void mcp_session_wrote(mcp_session *session, size_t size)
{
    session->out_at += size;
    if (session->out_at < session->out.size) {
        if (session->out_at >= session->out.size / 2) {
            memmove(session->out.data, session->out.data + session->out_at, session->out.size - session->out_at);
            session->out.size -= session->out_at;
            session->out_at = 0;
        }
        return;
    }
    session->out.size = 0;
    session->out_at = 0;
    if (session->out.capacity > OUT_HIGH_BYTES) {
        adk__buf_free(&session->out);
        session->out = (adk__buf)ADK__BUF_INIT(SIZE_MAX / 2);
    }
}
