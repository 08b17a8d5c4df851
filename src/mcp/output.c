/*
 * What goes out: messages of JSON-RPC, one on a line, written into the session's output as they are made. Those of a batch
 * are written into the batch, with commas between them.
 */
#include "mcp/session.h"

#include <errno.h>
#include <stdlib.h>

#define META_SERVER_INFO "io.modelcontextprotocol/serverInfo"

static void put_cstr(adk__json_out *out, const char *key, const char *text)
{
    adk__json_key(out, key);
    adk__json_put_text(out, adk_bytes_from_cstr(text));
}

/* Takes the value, which may be NULL: there was no memory for it. */
static void put_tree(adk__json_out *out, const char *key, json_t *value)
{
    adk__json_key(out, key);
    adk__json_put_tree(out, value);
    json_decref(value);
}

static void put_json(adk__json_out *out, const char *key, adk_bytes json)
{
    adk__json_key(out, key);
    adk__json_put_json(out, json);
}

static adk__buf *target_of(mcp_session *session, struct mcp_batch *batch)
{
    return batch == NULL ? &session->out : &batch->answers;
}

/* The buffer is the message's until close_message(). */
static adk__json_out open_message(mcp_session *session, struct mcp_batch *batch)
{
    adk__buf *target = target_of(session, batch);
    adk__json_out out = {*target, 0, batch != NULL && target->size > 0};

    *target = (adk__buf)ADK__BUF_INIT(SIZE_MAX / 2); /* bounded by mcp_session_is_open() */
    adk__json_open(&out, '{');
    put_cstr(&out, "jsonrpc", "2.0");
    return out;
}

static adk__json_out open_answer(mcp_session *session, struct mcp_batch *batch, const json_t *id)
{
    adk__json_out out = open_message(session, batch);

    adk__json_key(&out, "id");
    adk__json_put_tree(&out, id == NULL ? json_null() : id);
    return out;
}

static void close_message(mcp_session *session, struct mcp_batch *batch, adk__json_out *out)
{
    adk__json_close(out, '}');
    if (batch == NULL && out->failed == 0)
        out->failed = adk__buf_append(&out->buf, "\n", 1);
    *target_of(session, batch) = out->buf;
    session->failed |= out->failed != 0;
}

/* What each result of the latest revision has. */
static void put_completion(adk__json_out *out, const struct mcp_request *request)
{
    if (request->revision < MCP_2026_07_28)
        return;
    put_cstr(out, "resultType", "complete");
    put_tree(out, "_meta", json_pack("{so}", META_SERVER_INFO, mcp_server_info()));
}

void mcp_answer(mcp_session *session, const struct mcp_request *request, json_t *result)
{
    adk__json_out out = open_answer(session, request->batch, request->id);
    const char *key;
    json_t *value;

    out.failed = out.failed == 0 && result == NULL ? -ENOMEM : out.failed;
    adk__json_key(&out, "result");
    adk__json_open(&out, '{');
    json_object_foreach(result, key, value)
    {
        adk__json_key(&out, key);
        adk__json_put_tree(&out, value);
    }
    put_completion(&out, request);
    adk__json_close(&out, '}');
    json_decref(result);
    close_message(session, request->batch, &out);
    mcp_batch_end(session, request->batch);
}

/* The structure as text, for the model, and the images. */
static void put_content(adk__json_out *out, adk_bytes structure, const json_t *images)
{
    const json_t *image;
    size_t i;

    adk__json_key(out, "content");
    adk__json_open(out, '[');
    adk__json_open(out, '{');
    put_cstr(out, "type", "text");
    adk__json_key(out, "text");
    adk__json_put_text(out, structure);
    adk__json_close(out, '}');
    json_array_foreach(images, i, image) adk__json_put_tree(out, image);
    adk__json_close(out, ']');
}

void mcp_answer_tool(mcp_session *session, const struct mcp_request *request, adk_bytes structure, const json_t *images,
                     bool is_error)
{
    adk__json_out out = open_answer(session, request->batch, request->id);

    adk__json_key(&out, "result");
    adk__json_open(&out, '{');
    put_content(&out, structure, images);
    put_json(&out, "isError", adk_bytes_from_cstr(is_error ? "true" : "false"));
    if (request->revision >= MCP_2025_06_18)
        put_json(&out, "structuredContent", structure);
    put_completion(&out, request);
    adk__json_close(&out, '}');
    close_message(session, request->batch, &out);
    mcp_batch_end(session, request->batch);
}

void mcp_fail(mcp_session *session, const json_t *id, struct mcp_batch *batch, int code, const char *text, json_t *data)
{
    adk__json_out out = open_answer(session, batch, id);

    adk__json_key(&out, "error");
    adk__json_open(&out, '{');
    adk__json_key(&out, "code");
    adk__json_put_number(&out, code);
    put_cstr(&out, "message", text);
    if (data != NULL)
        put_tree(&out, "data", data);
    adk__json_close(&out, '}');
    close_message(session, batch, &out);
    mcp_batch_end(session, batch);
}

void mcp_notify(mcp_session *session, const char *method, json_t *params)
{
    adk__json_out out = open_message(session, NULL);

    put_cstr(&out, "method", method);
    put_tree(&out, "params", params);
    close_message(session, NULL, &out);
}

struct mcp_batch *mcp_batch_new(void)
{
    struct mcp_batch *batch = calloc(1, sizeof(*batch));

    if (batch != NULL) {
        batch->answers.max = SIZE_MAX / 2;
        batch->pending = 1;
    }
    return batch;
}

static void free_batch(struct mcp_batch *batch)
{
    adk__buf_free(&batch->answers);
    free(batch);
}

void mcp_batch_drop(struct mcp_batch *batch)
{
    if (batch != NULL && --batch->pending == 0)
        free_batch(batch);
}

void mcp_batch_end(mcp_session *session, struct mcp_batch *batch)
{
    adk__buf *out = &session->out;

    if (batch == NULL || --batch->pending > 0)
        return;
    if (batch->answers.size > 0 &&
        (adk__buf_append(out, "[", 1) != 0 || adk__buf_append(out, batch->answers.data, batch->answers.size) != 0 ||
         adk__buf_append(out, "]\n", 2) != 0))
        session->failed = true;
    free_batch(batch);
}
