/*
 * What goes out: messages of JSON-RPC, one on a line.
 */
#include "mcp/session.h"

#include <stdlib.h>

#include "core/json_text.h"

#define META_SERVER_INFO "io.modelcontextprotocol/serverInfo"

static void put(mcp_session *session, const json_t *message)
{
    if (message == NULL || adk__json_append(&session->out, message) != 0 ||
        adk__buf_append(&session->out, "\n", 1) != 0)
        session->failed = true;
}

/* Takes the message. */
static void send_message(mcp_session *session, struct mcp_batch *batch, json_t *message)
{
    if (batch == NULL)
        put(session, message);
    else if (json_array_append(batch->answers, message) != 0)
        session->failed = true;
    json_decref(message);
    mcp_batch_end(session, batch);
}

static json_t *new_message(json_t *id)
{
    json_t *message = json_object();

    if (json_object_set_new(message, "jsonrpc", json_string("2.0")) |
        (id == NULL ? json_object_set_new(message, "id", json_null()) : json_object_set(message, "id", id))) {
        json_decref(message);
        return NULL;
    }
    return message;
}

/* What each result of the latest revision has. Returns nonzero without memory. */
static int complete(json_t *result)
{
    return json_object_set_new(result, "resultType", json_string("complete")) |
           json_object_set_new(result, "_meta", json_pack("{so}", META_SERVER_INFO, mcp_server_info()));
}

void mcp_answer(mcp_session *session, const struct mcp_request *request, json_t *result)
{
    json_t *message = new_message(request->id);
    bool is_complete = request->revision < MCP_2026_07_28 || complete(result) == 0;

    if (json_object_set_new(message, "result", result) != 0 || !is_complete) {
        json_decref(message);
        message = NULL;
    }
    send_message(session, request->batch, message);
}

void mcp_fail(mcp_session *session, json_t *id, struct mcp_batch *batch, int code, const char *text, json_t *data)
{
    json_t *message = new_message(id);
    json_t *error = json_object();

    if (json_object_set_new(error, "code", json_integer(code)) |
        json_object_set_new(error, "message", json_string(text)) |
        (data == NULL ? 0 : json_object_set_new(error, "data", data)) | json_object_set_new(message, "error", error)) {
        json_decref(message);
        message = NULL;
    }
    send_message(session, batch, message);
}

void mcp_notify(mcp_session *session, const char *method, json_t *params)
{
    json_t *message = json_object();

    if (json_object_set_new(message, "jsonrpc", json_string("2.0")) |
        json_object_set_new(message, "method", json_string(method)) | json_object_set_new(message, "params", params))
        session->failed = true;
    else
        put(session, message);
    json_decref(message);
}

void mcp_batch_end(mcp_session *session, struct mcp_batch *batch)
{
    if (batch == NULL || --batch->pending > 0)
        return;
    if (json_array_size(batch->answers) > 0)
        put(session, batch->answers);
    json_decref(batch->answers);
    free(batch);
}
