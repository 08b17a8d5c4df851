/*
 * The session's inside, for the files of this directory: session.c understands messages, calls.c runs what they ask for,
 * output.c writes.
 */
#ifndef ADK_MCP_SESSION_H
#define ADK_MCP_SESSION_H

#include "mcp/mcp.h"

#include "base/buf.h"
#include "tool/tool.h"

/** Revisions of the protocol, oldest first. The last is agreed on with each request, the others by `initialize`. */
enum mcp_revision { MCP_NONE = -1, MCP_2024_11_05, MCP_2025_03_26, MCP_2025_06_18, MCP_2025_11_25, MCP_2026_07_28 };

/** Error codes of JSON-RPC, and those that the protocol adds. */
enum {
    MCP_PARSE_ERROR = -32700,
    MCP_INVALID_REQUEST = -32600,
    MCP_METHOD_NOT_FOUND = -32601,
    MCP_INVALID_PARAMS = -32602,
    MCP_INTERNAL_ERROR = -32603,
    MCP_BUSY = -31000, /* our own, and outside of what is reserved: clients take -32000 for a lost connection */
    MCP_UNSUPPORTED_REVISION = -32022
};

/** How long a client may take what it was told of us for true: as long as we live. */
#define MCP_TTL_MS 300000

/** Answers to a batch, which go out together when the last is there. */
struct mcp_batch {
    adk__buf answers; /* written, with commas between them */
    uint32_t pending; /* requests without an answer, and one as long as the batch is being read */
};

/** A request. `id` is borrowed from the message. */
struct mcp_request {
    json_t *id;
    const json_t *params; /* an object, or NULL */
    const json_t *meta;   /* an object, or NULL */
    enum mcp_revision revision;
    struct mcp_batch *batch; /* or NULL */
};

/** A call that is under way. */
struct mcp_call {
    adk__tool_call *call;
    adk_job *job;
    json_t *id;
    json_t *token; /* for progress, or NULL */
    uint64_t start_ns;
    uint64_t tick_ns;
    int64_t timeout_s;
    enum mcp_revision revision;
    struct mcp_batch *batch;
    uint64_t bytes; /* of the request, as it waits */
    bool cancelled; /* by the client: no answer */
    struct mcp_call *prev;
    struct mcp_call *next;
};

struct mcp_session {
    struct mcp_options options;
    enum mcp_revision revision;
    struct mcp_call *calls;
    uint32_t call_count;
    uint64_t call_bytes;
    adk__buf out;
    size_t out_at; /* what stands before has been written */
    bool failed;
};

/* ---- output.c: each takes the tree it is given; NULL means no memory ----------------------------------------------- */

void mcp_answer(mcp_session *session, const struct mcp_request *request, json_t *result);
void mcp_fail(mcp_session *session, const json_t *id, struct mcp_batch *batch, int code, const char *message,
              json_t *data);
void mcp_notify(mcp_session *session, const char *method, json_t *params);

/** The answer of a tool, as text that is a JSON object. Takes nothing; `images` may be NULL for none. */
void mcp_answer_tool(mcp_session *session, const struct mcp_request *request, adk_bytes structure, const json_t *images,
                     bool is_error);

/** A batch that is being read; NULL without memory. */
struct mcp_batch *mcp_batch_new(void);

/** A request of the batch will get no (further) answer: the last of them sends the batch, and frees it. */
void mcp_batch_end(mcp_session *session, struct mcp_batch *batch);

/** The same when nothing is sent any more. */
void mcp_batch_drop(struct mcp_batch *batch);

/** session.c: who we are; NULL without memory. */
json_t *mcp_server_info(void);

/** session.c: whether this can name a request. */
bool mcp_is_id(const json_t *id);

/* ---- calls.c ------------------------------------------------------------------------------------------------------ */

void mcp_tools_list(mcp_session *session, const struct mcp_request *request);
void mcp_tools_call(mcp_session *session, const struct mcp_request *request);
void mcp_cancel(mcp_session *session, const json_t *id);
void mcp_call_free(mcp_session *session, struct mcp_call *call);

#endif
