/*
 * src/mcp: a session, line by line, over a backend that waits until it is told to go on. No descriptors, no clock.
 */
#include "support.h"

#include <jansson.h>
#include <poll.h>
#include <pthread.h>

#include "base/clock.h"
#include "mcp/mcp.h"

#define CALLS_MOST 60
#define LINE_MOST  ((uint64_t)1 << 20)

/* ---- the backend: "wait" waits for the gate or its cancel, anything else ends at once ------------------------------ */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned started;
    bool open;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};

static void open_gate(bool open)
{
    (void)pthread_mutex_lock(&gate.mutex);
    gate.open = open;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.mutex);
}

static void wait_for_started(unsigned count)
{
    (void)pthread_mutex_lock(&gate.mutex);
    while (gate.started < count)
        (void)pthread_cond_wait(&gate.changed, &gate.mutex);
    (void)pthread_mutex_unlock(&gate.mutex);
}

static void wait_for_gate(adk_cancel *cancel)
{
    (void)pthread_mutex_lock(&gate.mutex);
    gate.started++;
    (void)pthread_cond_broadcast(&gate.changed);
    while (!gate.open && !adk_cancel_fired(cancel)) {
        struct timespec until;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        (void)pthread_cond_timedwait(&gate.changed, &gate.mutex, &until);
    }
    (void)pthread_mutex_unlock(&gate.mutex);
}

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    int status;

    (void)state;
    if (adk_test_bytes_are(request->code, "wait"))
        wait_for_gate(cancel);
    status = adk_result_new(request, ret_result, ret_error);
    if (status != ADK_OK)
        return status;
    if (adk_cancel_fired(cancel))
        return adk_result_set_outcome(*ret_result, ADK_OUTCOME_CANCELLED, ADK_PHASE_RUN, ADK_REASON_NONE, 0,
                                      BYTES("cancelled"));
    return adk_result_append_output(*ret_result, 1, BYTES("said \"\xc3\xa9\"\n"));
}

/* ---- the session -------------------------------------------------------------------------------------------------- */

typedef struct fixture {
    adk_backend *backend;
    struct mcp_options options;
    mcp_session *session;
} fixture;

static fixture made;

static void start(uint32_t threads, const char *revision)
{
    adk_backend_ops ops = ADK_BACKEND_OPS_INIT;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_executor_options executor = ADK_EXECUTOR_OPTIONS_INIT;

    gate.started = 0;
    gate.open = false;
    ops.execute = execute;
    capabilities.enforced = 0x3ff;
    capabilities.languages = 1u << ADK_LANGUAGE_WASM;
    capabilities.isolation_cstr = "none";
    executor.threads = threads;
    executor.queue_length = CALLS_MOST;
    made = (fixture){.options = {.calls_most = CALLS_MOST, .line_most = LINE_MOST}};
    assert_int_equal(adk_backend_new(&ops, NULL, "fake", &capabilities, &made.backend, NULL), ADK_OK);
    assert_int_equal(adk_tool_new(made.backend, NULL, &made.options.tool, NULL), ADK_OK);
    assert_int_equal(adk_executor_new(&executor, &made.options.executor, NULL), ADK_OK);
    assert_int_equal(adk_cancel_new(&made.options.cancel, NULL), ADK_OK);
    assert_int_equal(mcp_session_new(&made.options, &made.session), ADK_OK);
    if (revision != NULL) {
        char line[200];

        (void)snprintf(line, sizeof(line),
                       "{\"jsonrpc\":\"2.0\",\"id\":\"init\",\"method\":\"initialize\",\"params\":{"
                       "\"protocolVersion\":\"%s\",\"capabilities\":{},\"clientInfo\":{}}}",
                       revision);
        mcp_session_line(made.session, adk_bytes_from_cstr(line));
        assert_true(mcp_session_output(made.session).size > 0);
        mcp_session_wrote(made.session, mcp_session_output(made.session).size);
    }
}

static int stop(void **state)
{
    (void)state;
    if (made.options.executor != NULL)
        adk_executor_close(made.options.executor, ADK_SHUTDOWN_CANCEL);
    mcp_session_free(made.session);
    adk_executor_free(made.options.executor, ADK_SHUTDOWN_CANCEL);
    adk_tool_free(made.options.tool);
    adk_backend_free(made.backend);
    adk_cancel_free(made.options.cancel);
    made = (fixture){0};
    return 0;
}

static void say(const char *line)
{
    mcp_session_line(made.session, adk_bytes_from_cstr(line));
}

/* The next line that waits to be written, parsed; NULL where there is none. The caller frees it. */
static json_t *hear(void)
{
    adk_bytes out = mcp_session_output(made.session);
    const char *end = out.size == 0 ? NULL : memchr(out.data, '\n', out.size);
    size_t size;
    json_t *message;

    assert_false(mcp_session_failed(made.session));
    if (out.size == 0)
        return NULL;
    assert_non_null(end);
    size = (size_t)(end - (const char *)out.data);
    message = json_loadb(out.data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    assert_non_null(message);
    mcp_session_wrote(made.session, size + 1);
    return message;
}

static void hear_nothing(void)
{
    assert_int_equal(mcp_session_output(made.session).size, 0);
}

/* As hear(), of a run that may not have ended yet. */
static json_t *hear_end(void)
{
    struct pollfd fd = {.fd = adk_executor_fd(made.options.executor), .events = POLLIN};

    while (mcp_session_output(made.session).size == 0) {
        assert_int_equal(poll(&fd, 1, 60000), 1);
        mcp_session_collect(made.session);
    }
    return hear();
}

static void expect_error(const char *line, int code, const char *id)
{
    json_t *message;
    char *seen;

    say(line);
    message = hear();
    if (message == NULL || json_object_get(message, "error") == NULL)
        fail_msg("no error for %s", line);
    seen = json_dumps(json_object_get(message, "id"), JSON_ENCODE_ANY);
    if (json_integer_value(json_object_get(json_object_get(message, "error"), "code")) != code)
        fail_msg("%s: %s", line, json_dumps(message, 0));
    assert_string_equal(seen, id);
    free(seen);
    json_decref(message);
    hear_nothing();
}

static void expect_pong(const char *id)
{
    json_t *message;
    char *seen;
    char line[100];

    (void)snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"ping\"}", id);
    say(line);
    message = hear();
    assert_non_null(message);
    assert_int_equal(json_object_size(json_object_get(message, "result")), 0);
    assert_non_null(json_object_get(message, "result"));
    seen = json_dumps(json_object_get(message, "id"), JSON_ENCODE_ANY);
    assert_string_equal(seen, id);
    free(seen);
    json_decref(message);
    hear_nothing();
}

static void call(const char *id, const char *code, const char *meta)
{
    char line[400];

    (void)snprintf(line, sizeof(line),
                   "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"tools/call\",\"params\":{\"name\":\"sandbox_exec\","
                   "\"arguments\":{\"language\":\"wasm\",\"code\":\"%s\"}%s}}",
                   id, code, meta);
    say(line);
}

static void cancel(const char *id)
{
    char line[200];

    (void)snprintf(line, sizeof(line),
                   "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":%s}}", id);
    say(line);
}

static const char *outcome_of(const json_t *message)
{
    const json_t *structure = json_object_get(json_object_get(message, "result"), "structuredContent");

    return json_string_value(json_object_get(structure, "outcome"));
}

static void expect_outcome(json_t *message, int64_t id, const char *outcome)
{
    assert_int_equal(json_integer_value(json_object_get(message, "id")), id);
    assert_string_equal(outcome_of(message), outcome);
    json_decref(message);
}

/* ---- framing ------------------------------------------------------------------------------------------------------ */

static void test_what_is_no_message(void **state)
{
    char *id = malloc(1100);
    json_t *message;

    (void)state;
    start(1, "2025-11-25");
    assert_non_null(id);
    mcp_session_line(made.session, BYTES("{\"jsonrpc\":\"2.0\",\0\"id\":1,\"method\":\"ping\"}"));
    message = hear();
    assert_int_equal(json_integer_value(json_object_get(json_object_get(message, "error"), "code")), -32700);
    json_decref(message);
    hear_nothing();
    expect_error("\xff\xfe", -32700, "null");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":\"\\ud800\",\"method\":\"ping\"}", -32700, "null");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":\"\xed\xa0\x80\",\"method\":\"ping\"}", -32700, "null");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}", -32700, "null");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":9223372036854775808,\"method\":\"ping\"}", -32700, "null");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}{}", -32700, "null");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1.0,\"method\":\"ping\"}", -32600, "null");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"ping\"}", -32600, "null");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":null}", -32600, "1");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1}", -32600, "1");
    expect_error("null", -32600, "null");
    (void)snprintf(id, 1100, "{\"jsonrpc\":\"2.0\",\"id\":\"%01025d\",\"method\":\"ping\"}", 7);
    expect_error(id, -32600, "null");
    free(id);
    mcp_session_too_long(made.session);
    json_decref(hear());
    say("");
    say(" \t\r");
    say("{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}");
    say("{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":1,\"message\":\"\"}}");
    say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
    say("{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":7}"); /* a notification, whatever it names */
    hear_nothing();
    expect_pong("1");
}

static void test_ids_come_back_as_they_are(void **state)
{
    (void)state;
    start(1, "2025-11-25");
    expect_pong("0");
    expect_pong("-1");
    expect_pong("9007199254740993"); /* no double has it */
    expect_pong("9223372036854775807");
    expect_pong("\"\"");
    expect_pong("\"1\"");
    expect_pong("\"a\\u0000\\n\\\"\"");
}

/* ---- agreeing ----------------------------------------------------------------------------------------------------- */

static void test_nothing_before_a_revision(void **state)
{
    (void)state;
    start(1, NULL);
    expect_pong("1");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}", -32602, "1");
    expect_error("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", -32600, "null");
    call("2", "x", "");
    json_decref(hear());
    assert_int_equal(mcp_session_calls(made.session), 0);
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":1}}", -32602,
                 "1");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}", -32602, "1");
}

static void test_one_handshake(void **state)
{
    (void)state;
    start(1, "2024-11-05");
    expect_error(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\"}}",
        -32600, "1");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\"}", -32601, "1");
    expect_error("[]", -32600, "null");
}

/* ---- cancelling --------------------------------------------------------------------------------------------------- */

static void test_cancel_while_it_waits(void **state)
{
    (void)state;
    start(1, "2025-11-25");
    call("1", "wait", "");
    wait_for_started(1);
    call("2", "wait", "");
    cancel("2");
    call("3", "x", "");
    open_gate(true);
    expect_outcome(hear_end(), 1, "exited");
    expect_outcome(hear_end(), 3, "exited");
    while (mcp_session_calls(made.session) > 0)
        mcp_session_collect(made.session);
    hear_nothing();
    assert_int_equal(gate.started, 1);
}

static void test_cancel_while_it_runs(void **state)
{
    uint64_t start_ns;

    (void)state;
    start(1, "2025-11-25");
    call("1", "wait", "");
    wait_for_started(1);
    start_ns = adk_test_now_ns();
    cancel("1");
    cancel("1");
    call("2", "x", "");
    expect_outcome(hear_end(), 2, "exited");
    assert_in_range(adk_test_now_ns() - start_ns, 0, 20 * MS + adk_test_slack_ns());
    assert_int_equal(mcp_session_calls(made.session), 0);
    hear_nothing();
    call("1", "x", ""); /* the id is free again */
    expect_outcome(hear_end(), 1, "exited");
}

static void test_cancel_of_what_is_not_there(void **state)
{
    (void)state;
    start(1, "2025-11-25");
    cancel("1");
    call("1", "wait", "");
    wait_for_started(1);
    cancel("\"1\"");
    cancel("2");
    cancel("1.0");
    cancel("null");
    cancel("[1]");
    open_gate(true);
    expect_outcome(hear_end(), 1, "exited");
    cancel("1"); /* too late */
    hear_nothing();
    expect_pong("1");
}

/* The job has ended, but its answer has not been made. */
static void test_cancel_between_end_and_answer(void **state)
{
    struct pollfd fd;

    (void)state;
    start(1, "2025-11-25");
    call("1", "x", "");
    fd = (struct pollfd){.fd = adk_executor_fd(made.options.executor), .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 60000), 1);
    cancel("1");
    mcp_session_collect(made.session);
    assert_int_equal(mcp_session_calls(made.session), 0);
    hear_nothing();
}

/* ---- many --------------------------------------------------------------------------------------------------------- */

static void test_fifty_run_at_once(void **state)
{
    bool seen[50] = {false};

    (void)state;
    start(50, "2025-11-25");
    for (int i = 0; i < 50; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "%d", i);
        call(id, "wait", "");
    }
    wait_for_started(50); /* none has ended: all of them run */
    assert_int_equal(mcp_session_calls(made.session), 50);
    hear_nothing();
    open_gate(true);
    for (int i = 0; i < 50; i++) {
        json_t *message = hear_end();
        int64_t id = json_integer_value(json_object_get(message, "id"));

        assert_in_range(id, 0, 49);
        assert_false(seen[id]);
        seen[id] = true;
        expect_outcome(message, id, "exited");
    }
    assert_int_equal(mcp_session_calls(made.session), 0);
}

static void test_more_than_may_wait(void **state)
{
    (void)state;
    start(1, "2025-11-25");
    for (int i = 0; i < CALLS_MOST; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "%d", i);
        call(id, "wait", "");
    }
    hear_nothing();
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":99,\"method\":\"tools/call\",\"params\":{\"name\":\"sandbox_exec\","
                 "\"arguments\":{\"language\":\"wasm\",\"code\":\"x\"}}}",
                 -31000, "99");
    expect_error("{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\",\"params\":{\"name\":\"sandbox_exec\","
                 "\"arguments\":{\"language\":\"wasm\",\"code\":\"x\"}}}",
                 -32600, "5");
    expect_pong("5"); /* what needs no room is answered */
    assert_int_equal(mcp_session_calls(made.session), CALLS_MOST);
}

/* ---- a client that does not read ---------------------------------------------------------------------------------- */

static void test_nothing_is_answered_without_room(void **state)
{
    adk_bytes first;
    size_t size;
    unsigned lines = 0;

    (void)state;
    start(1, "2025-11-25");
    call("1", "x", "");
    while (mcp_session_is_open(made.session)) {
        say("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}");
        lines++;
    }
    size = mcp_session_output(made.session).size;
    for (int i = 0; i < 3; i++) {
        mcp_session_collect(made.session);
        (void)mcp_session_tick(made.session, UINT64_MAX / 2);
    }
    assert_int_equal(mcp_session_output(made.session).size, size);
    assert_int_equal(mcp_session_calls(made.session), 1);
    assert_true(size < ((size_t)2 << 20));
    for (; lines > 1; lines--) { /* in two pieces each: a reader takes what it takes */
        first = mcp_session_output(made.session);
        size = (size_t)((const char *)memchr(first.data, '\n', first.size) - (const char *)first.data) + 1;
        mcp_session_wrote(made.session, size / 2);
        mcp_session_wrote(made.session, size - size / 2);
    }
    json_decref(hear());
    expect_outcome(hear_end(), 1, "exited");
    hear_nothing();
}

/* ---- batches ------------------------------------------------------------------------------------------------------ */

#define RUN(id, code)                                                                                     \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"tools/call\",\"params\":{\"name\":\"sandbox_exec\"," \
    "\"arguments\":{\"language\":\"wasm\",\"code\":\"" code "\"}}}"
#define PING(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"ping\"}"
#define NOTE     "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}"

static void test_a_batch_is_answered_when_its_last_is(void **state)
{
    json_t *answers;

    (void)state;
    start(2, "2025-03-26");
    say("[" RUN("1", "wait") "," PING("2") "," NOTE ",7," RUN("3", "wait") "]");
    hear_nothing();
    wait_for_started(2);
    cancel("3");
    open_gate(true);
    answers = hear_end();
    assert_int_equal(json_array_size(answers), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(answers, 0), "id")), 2);
    assert_true(json_is_null(json_object_get(json_array_get(answers, 1), "id")));
    assert_int_equal(json_integer_value(json_object_get(json_array_get(answers, 2), "id")), 1);
    json_decref(answers);
    say("[" NOTE "," NOTE "]");
    hear_nothing();
    expect_error("[" NOTE "," NOTE "," NOTE "," NOTE "," NOTE "," NOTE "," NOTE "," NOTE "," NOTE "," NOTE "," NOTE
                 "," NOTE "," NOTE "," NOTE "," NOTE "," NOTE "," NOTE "]",
                 -32600, "null");
}

/* ---- progress ----------------------------------------------------------------------------------------------------- */

static void expect_progress(int64_t token, int64_t progress)
{
    json_t *message = hear();
    const json_t *params = json_object_get(message, "params");

    assert_non_null(params);
    assert_null(json_object_get(message, "id"));
    assert_string_equal(json_string_value(json_object_get(message, "method")), "notifications/progress");
    assert_int_equal(json_integer_value(json_object_get(params, "progressToken")), token);
    assert_int_equal(json_integer_value(json_object_get(params, "progress")), progress);
    assert_int_equal(json_integer_value(json_object_get(params, "total")), 30);
    json_decref(message);
}

static void test_progress_is_sent_to_those_who_want_it(void **state)
{
    uint64_t now_ns;

    (void)state;
    start(2, "2025-11-25");
    call("1", "wait", ",\"_meta\":{\"progressToken\":7}");
    call("2", "wait", "");
    call("3", "wait", ",\"_meta\":{\"progressToken\":[]}");
    now_ns = adk__now_ns();
    assert_true(mcp_session_tick(made.session, now_ns) > now_ns);
    hear_nothing();
    (void)mcp_session_tick(made.session, now_ns + SECOND);
    expect_progress(7, 1);
    hear_nothing();
    (void)mcp_session_tick(made.session, now_ns + SECOND);
    hear_nothing();
    (void)mcp_session_tick(made.session, now_ns + 5 * SECOND);
    expect_progress(7, 5);
    cancel("1");
    assert_int_equal(mcp_session_tick(made.session, now_ns + 9 * SECOND), UINT64_MAX);
    hear_nothing();
}

/* ---- answers ------------------------------------------------------------------------------------------------------ */

static void test_the_text_is_the_structure(void **state)
{
    const json_t *result;
    const json_t *content;
    json_t *message;
    json_t *text;

    (void)state;
    start(1, "2025-06-18");
    call("1", "x", "");
    message = hear_end();
    result = json_object_get(message, "result");
    content = json_array_get(json_object_get(result, "content"), 0);
    assert_string_equal(json_string_value(json_object_get(content, "type")), "text");
    text = json_loads(json_string_value(json_object_get(content, "text")), JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_equal(text, json_object_get(result, "structuredContent")));
    assert_string_equal(json_string_value(json_object_get(text, "stdout")), "said \"\xc3\xa9\"\n");
    assert_true(json_is_false(json_object_get(result, "isError")));
    assert_null(json_object_get(result, "resultType"));
    json_decref(text);
    json_decref(message);
    call("1", "x\",\"stdin\":7,\"code_encoding\":\"text", ""); /* refused: said in the result, for the model */
    message = hear();
    assert_true(json_is_true(json_object_get(json_object_get(message, "result"), "isError")));
    json_decref(message);
    assert_int_equal(mcp_session_calls(made.session), 0);
}

/* ---- the end ------------------------------------------------------------------------------------------------------ */

/* Runs under way, runs that wait, a batch half answered, and output nobody has read: stop() leaves none of it. */
static void test_a_session_ends_in_the_middle(void **state)
{
    (void)state;
    start(1, "2025-03-26");
    call("1", "wait", ",\"_meta\":{\"progressToken\":\"t\"}");
    wait_for_started(1);
    call("2", "wait", "");
    say("[" RUN("3", "wait") "," PING("4") "," RUN("5", "x") "]");
    say(PING("6"));
    assert_int_equal(mcp_session_calls(made.session), 4);
    assert_true(mcp_session_output(made.session).size > 0);
}

static void test_the_sessions_cancel_ends_all(void **state)
{
    (void)state;
    start(2, "2025-11-25");
    for (int i = 1; i <= 4; i++) {
        char id[16];

        (void)snprintf(id, sizeof(id), "%d", i);
        call(id, "wait", "");
    }
    wait_for_started(2);
    adk_cancel_fire(made.options.cancel);
    for (int i = 0; i < 4; i++) {
        json_t *message = hear_end();

        assert_string_equal(outcome_of(message), "cancelled");
        json_decref(message);
    }
    assert_int_equal(mcp_session_calls(made.session), 0);
    hear_nothing();
}

#define TEST(function) cmocka_unit_test_teardown(function, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_no_message),
        TEST(test_ids_come_back_as_they_are),
        TEST(test_nothing_before_a_revision),
        TEST(test_one_handshake),
        TEST(test_cancel_while_it_waits),
        TEST(test_cancel_while_it_runs),
        TEST(test_cancel_of_what_is_not_there),
        TEST(test_cancel_between_end_and_answer),
        TEST(test_fifty_run_at_once),
        TEST(test_more_than_may_wait),
        TEST(test_nothing_is_answered_without_room),
        TEST(test_a_batch_is_answered_when_its_last_is),
        TEST(test_progress_is_sent_to_those_who_want_it),
        TEST(test_the_text_is_the_structure),
        TEST(test_a_session_ends_in_the_middle),
        TEST(test_the_sessions_cancel_ends_all),
    };

    return cmocka_run_group_tests_name("mcp", tests, NULL, NULL);
}
