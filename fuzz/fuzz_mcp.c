/*
 * Fuzzes a session of the Model Context Protocol: lines of a client, over a backend that costs nothing. The first byte
 * chooses whether the session has been initialized, and with which revision.
 *
 * What must hold: every line that goes out is JSON-RPC; a request has one answer with its id at most; when all calls have
 * ended none is left over, and the session still answers a ping.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mcp/mcp.h"
#include "support.h"

#define LINES_MAX 12

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    int status = adk_result_new(request, ret_result, ret_error);

    (void)state;
    (void)cancel;
    return status == ADK_OK ? adk_result_append_output(*ret_result, 1, request->code) : status;
}

static struct mcp_options made;

static void make(void)
{
    adk_backend *backend = NULL;
    adk_backend_ops ops = ADK_BACKEND_OPS_INIT;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_executor_options executor = ADK_EXECUTOR_OPTIONS_INIT;

    ops.execute = execute;
    capabilities.enforced = 0x3ff;
    capabilities.languages = 1u << ADK_LANGUAGE_WASM;
    capabilities.isolation_cstr = "none";
    executor.threads = 1;
    made.calls_most = 4;
    made.line_most = 4096;
    fuzz_require(adk_backend_new(&ops, NULL, "fake", &capabilities, &backend, NULL) == ADK_OK &&
                     adk_tool_new(backend, NULL, &made.tool, NULL) == ADK_OK &&
                     adk_executor_new(&executor, &made.executor, NULL) == ADK_OK &&
                     adk_cancel_new(&made.cancel, NULL) == ADK_OK,
                 "what a session needs");
}

static void check_message(const json_t *message)
{
    const json_t *item;
    size_t i;

    if (json_is_array(message)) {
        fuzz_require(json_array_size(message) > 0, "a batch has answers");
        json_array_foreach(message, i, item) check_message(item);
        return;
    }
    fuzz_require(json_is_object(message) && json_is_string(json_object_get(message, "jsonrpc")),
                 "a message is JSON-RPC");
    fuzz_require((json_object_get(message, "result") != NULL) + (json_object_get(message, "error") != NULL) +
                         (json_object_get(message, "method") != NULL) ==
                     1,
                 "a message is one of three things");
}

static void read_output(mcp_session *session)
{
    for (adk_bytes out = mcp_session_output(session); out.size > 0; out = mcp_session_output(session)) {
        const char *end = memchr(out.data, '\n', out.size);
        json_t *message;

        fuzz_require(end != NULL, "a line ends");
        message =
            json_loadb(out.data, (size_t)(end - (const char *)out.data), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        check_message(message);
        json_decref(message);
        mcp_session_wrote(session, (size_t)(end - (const char *)out.data) + 1);
    }
}

static void finish_calls(mcp_session *session)
{
    struct pollfd fd = {.fd = adk_executor_fd(made.executor), .events = POLLIN};

    while (mcp_session_calls(session) > 0) {
        int ready = poll(&fd, 1, 20000);

        fuzz_require(ready == 1 || (ready < 0 && errno == EINTR), "calls end"); /* the fuzzer has a timer */
        mcp_session_collect(session);
        read_output(session);
    }
}

static void line(mcp_session *session, adk_bytes bytes)
{
    mcp_session_line(session, bytes);
    fuzz_require(!mcp_session_failed(session), "a session goes on");
    read_output(session);
}

static void initialize(mcp_session *session, uint8_t choice)
{
    static const char *const revisions[] = {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"};
    char text[200];

    (void)snprintf(text, sizeof(text),
                   "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"%s\"}}",
                   revisions[choice & 3]);
    line(session, adk_bytes_from_cstr(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    uint8_t choice = (uint8_t)fuzz_take(&in, 1);
    mcp_session *session = NULL;

    if (made.tool == NULL)
        make();
    fuzz_require(mcp_session_new(&made, &session) == ADK_OK, "a session");
    if ((choice & 4) == 0)
        initialize(session, choice);
    for (int i = 0; in.size > 0 && i < LINES_MAX; i++) {
        const uint8_t *end = memchr(in.data, '\n', in.size);

        line(session, fuzz_take_bytes(&in, end == NULL ? in.size : (size_t)(end - in.data)));
        (void)fuzz_take_bytes(&in, 1);
        if ((choice & 8) != 0)
            finish_calls(session);
    }
    (void)mcp_session_tick(session, UINT64_MAX / 2);
    finish_calls(session);
    line(session, adk_bytes_from_cstr("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"));
    mcp_session_free(session);
    return 0;
}
