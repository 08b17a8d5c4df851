/*
 * src/tool: arguments and answers, over a backend that does what it is told.
 */
#include "tool.h"

#include <adk/trace.h>

typedef struct fixture {
    adk_backend *backend;
    adk_tool *tool;
} fixture;

static int set_up(void **state)
{
    static fixture f;

    f.backend = tool_backend();
    assert_int_equal(adk_tool_new(f.backend, NULL, &f.tool, NULL), ADK_OK);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    adk_tool_free(f->tool);
    adk_backend_free(f->backend);
    return 0;
}

#define TOOL(state) (((fixture *)*(state))->tool)

static adk_tool *tool_with(fixture *f, const adk_tool_options *options)
{
    adk_tool *tool = NULL;

    assert_int_equal(adk_tool_new(f->backend, options, &tool, NULL), ADK_OK);
    return tool;
}

/* ---- the original's words ----------------------------------------------------------------------------------------- */

static void test_the_originals_messages(void **state)
{
    adk_tool *tool = TOOL(state);
    json_t *answer;

    tool_refuses(tool, "{}", "missing required field \"language\"");
    tool_refuses(tool, "{\"language\":7,\"code\":\"show\"}", "\"language\" must be a string");
    tool_refuses(tool, "{\"language\":\"ruby\"}",
                 "unsupported language \"ruby\". Expected one of: rust, python, javascript, typescript, wasm, command");
    tool_refuses(tool, "{\"language\":\"wasm\"}", "missing required field \"code\"");
    tool_refuses(tool, "{\"language\":\"rust\",\"code\":\"\"}",
                 "language \"rust\" is not installed here; use one of: python, wasm");
    tool_refuses(
        tool, "{\"language\":\"wasm\\u0000\",\"code\":\"\"}",
        "unsupported language \"wasm\\x00\". Expected one of: rust, python, javascript, typescript, wasm, command");
    answer = tool_call(tool, "{\"language\":\"Ruby\"}");
    assert_string_at(answer, "hint", "This sandbox can run: python, wasm.");
    json_decref(answer);
}

static void test_status_words_and_messages_in_stderr(void **state)
{
    static const struct {
        const char *code;
        const char *status;
        const char *error;
    } cases[] = {
        {"timeout", "timeout", "no end of line\nexecution timed out after 30s"},
        {"memory", "memory_exceeded", "no end of line\nmemory limit exceeded: 64 MB"},
        {"trap", "error", "no end of line\nwasm trap: unreachable"},
    };

    for (size_t i = 0; i < 3; i++) {
        char arguments[100];
        json_t *answer;

        (void)snprintf(arguments, sizeof(arguments), "{\"language\":\"wasm\",\"code\":\"%s\"}", cases[i].code);
        answer = tool_call(TOOL(state), arguments);
        assert_string_at(answer, "status", cases[i].status);
        assert_string_at(answer, "stdout", "so far\n");
        assert_string_at(answer, "stderr", cases[i].error);
        assert_int_equal(tool_integer(json_object_get(answer, "bytes"), "stderr"), 14);
        assert_true(json_is_null(json_object_get(answer, "handle")));
        assert_true(json_is_null(json_object_get(answer, "exit_code")));
        json_decref(answer);
    }
}

static void test_errors_of_the_backend_are_answers(void **state)
{
    json_t *answer = tool_call(TOOL(state), "{\"language\":\"wasm\",\"code\":\"busy\"}");

    assert_string_at(answer, "status", "error");
    assert_string_at(answer, "stderr", "the queue is full");
    assert_string_at(answer, "reason", "busy");
    assert_string_at(answer, "code", "code.sandbox_unavailable");
    json_decref(answer);
}

/* ---- arguments ---------------------------------------------------------------------------------------------------- */

static void test_everything_arrives(void **state)
{
    json_t *answer =
        tool_call(TOOL(state), "{\"language\":\"python\",\"code\":\"c2hv\\ndw==\",\"code_encoding\":\"base64\","
                               "\"args\":[\"one\",\"\"],\"env\":{\"A\":\"1\",\"B\":\"=\"},"
                               "\"stdin\":\"a\\u0000b\",\"files\":[{\"path\":\"/in/a\",\"content\":\"text\"},"
                               "{\"path\":\"b\",\"content\":\"/w==\",\"encoding\":\"base64\"}],"
                               "\"outputs\":[\"/out/*\"],\"timeout_secs\":7,\"memory_limit_mb\":33}");

    assert_string_at(answer, "stdout_encoding", "base64"); /* for the byte 0xff of the file */
    assert_int_equal(
        tool_integer(json_object_get(answer, "bytes"), "stdout"),
        strlen("limits 7000000000 ns, 34603008 bytes, output 1048576, outputs 16777216\narg program\narg one\n"
               "arg \nname A\nvalue 1\nname B\nvalue =\nfile /in/a\ncontent text\nfile b\ncontent x\n"
               "output /out/*\nstdin a_b\n"));
    assert_string_at(answer, "language", "python");
    json_decref(answer);
}

static void test_defaults(void **state)
{
    json_t *answer = tool_call(TOOL(state), " {\"language\":\"wasm\",\"code\":\"show\"}\n");

    assert_string_at(answer, "stdout",
                     "limits 30000000000 ns, 67108864 bytes, output 1048576, outputs 16777216\narg program\nstdin \n");
    assert_null(json_object_get(json_object_get(answer, "limits"), "timeout_clamped"));
    assert_null(json_object_get(json_object_get(answer, "limits"), "memory_clamped"));
    json_decref(answer);
}

static void test_wrong_types_and_unknown_arguments(void **state)
{
    static const struct {
        const char *more;
        const char *message;
    } cases[] = {
        {"\"code_encoding\":\"hex\"", "\"code_encoding\" must be \"text\" or \"base64\""},
        {"\"code_encoding\":1", "\"code_encoding\" must be a string"},
        {"\"code_encoding\":\"base64\",\"stdin\":\"\"", "\"code\" is not valid base64"},
        {"\"module\":\"x\"", "give \"code\" or \"module\", not both"},
        {"\"stdin\":null", "\"stdin\" must be a string"},
        {"\"args\":\"x\"", "\"args\" must be an array"},
        {"\"args\":[1]", "\"args\" must be strings without NUL characters"},
        {"\"args\":[\"a\\u0000\"]", "\"args\" must be strings without NUL characters"},
        {"\"env\":[]", "\"env\" must be an object of strings"},
        {"\"env\":{\"A\":1}", "values in \"env\" must be strings without NUL characters"},
        {"\"env\":{\"A=\":\"\"}", "names in \"env\" must not be empty nor contain '='"},
        {"\"env\":{\"\":\"\"}", "names in \"env\" must not be empty nor contain '='"},
        {"\"files\":[1]", "\"files\" must be objects with \"path\" and \"content\""},
        {"\"files\":[{\"path\":\"a\"}]", "\"content\" must be a string"},
        {"\"files\":[{\"path\":\"a\\u0000\",\"content\":\"\"}]", "\"path\" must not contain NUL characters"},
        {"\"files\":[{\"path\":\"a\",\"content\":\"\",\"mode\":1}]",
         "unknown field of a file \"mode\"; expected: path, content, encoding"},
        {"\"outputs\":[1]", "\"outputs\" must be a string"},
        {"\"timeout_secs\":0", "\"timeout_secs\" must be at least 1"},
        {"\"timeout_secs\":-5", "\"timeout_secs\" must be at least 1"},
        {"\"timeout_secs\":1.0", "\"timeout_secs\" must be an integer"},
        {"\"timeout_secs\":\"5\"", "\"timeout_secs\" must be an integer"},
        {"\"timeout_secs\":true", "\"timeout_secs\" must be an integer"},
        {"\"memory_limit_mb\":0", "\"memory_limit_mb\" must be at least 1"},
        {"\"memory_limit_mb\":null", "\"memory_limit_mb\" must be an integer"},
        {"\"timeout\":5",
         "unknown argument \"timeout\"; expected: language, code, code_encoding, module, args, env, stdin, "
         "files, outputs, timeout_secs, memory_limit_mb"},
        {"\"x\\u001b[2J\":5",
         "unknown argument \"x\\x1b[2J\"; expected: language, code, code_encoding, module, args, env, "
         "stdin, files, outputs, timeout_secs, memory_limit_mb"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char arguments[400];

        (void)snprintf(arguments, sizeof(arguments), "{\"language\":\"wasm\",\"code\":\"show!\",%s}", cases[i].more);
        tool_refuses(TOOL(state), arguments, cases[i].message);
    }
}

static void test_what_is_no_object(void **state)
{
    tool_refuses(TOOL(state), "[]", "the arguments must be an object");
    tool_refuses(TOOL(state), "null", "the arguments must be an object");
    tool_refuses(TOOL(state), "", "the arguments are empty, not JSON");
    tool_refuses(TOOL(state), "{\"a\":1,\"a\":2}",
                 "the arguments are not valid JSON: line 1, column 10: duplicate object key near '\"a\"'");
    tool_refuses(TOOL(state), "{\"a\":1} x",
                 "the arguments are not valid JSON: line 1, column 9: end of file expected near 'x'");
    tool_refuses(TOOL(state), "\"\xff\"",
                 "the arguments are not valid JSON: line 1, column 1: unable to decode byte 0xff near '\"'");
}

static void test_size_depth_and_count_are_bounded(void **state)
{
    static char text[400000];
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    adk_tool *small;

    memset(text, '[', 33);
    text[33] = '\0';
    tool_refuses(TOOL(state), text, "the arguments nest more than 32 levels deep");
    memset(text, '[', 32);
    memset(text + 32, ']', 32);
    text[64] = '\0';
    tool_refuses(TOOL(state), text, "the arguments must be an object");
    for (size_t i = 0; i < 65536; i++)
        memcpy(text + 2 * i, "0,", 2);
    memcpy(text + 131072, "0]", 3);
    text[0] = '[';
    tool_refuses(TOOL(state), text, "the arguments have more than 65536 values");
    memset(text, '[', 200);
    text[0] = text[199] = '"'; /* in a string they are only text */
    text[200] = '\0';
    tool_refuses(TOOL(state), text, "the arguments must be an object");
    tool_refuses(TOOL(state), "\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"", "the arguments must be an object");
    options.arguments_max_bytes = 10;
    small = tool_with(*state, &options);
    tool_refuses(small, "{\"a\":\"123\"}", "the arguments have 11 bytes, more than the limit of 10");
    adk_tool_free(small);
}

/* Measuring it took hours. */
static void test_a_string_of_escapes_is_measured_in_one_go(void **state)
{
    const size_t size = (size_t)8 << 20;
    uint64_t start_ns = adk_test_now_ns();
    char *text = malloc(size + 2);
    char *answer = NULL;

    assert_non_null(text);
    for (size_t i = 0; i < size; i += 2)
        memcpy(text + i, "\\n", 2);
    text[0] = text[size + 1] = '"';
    text[1] = text[size] = ' ';
    assert_int_equal(adk_tool_call(TOOL(state), adk_bytes_make(text, size + 2), NULL, &answer, NULL), ADK_OK);
    assert_non_null(strstr(answer, "the arguments must be an object"));
    /* Looking for the end anew from each of them took hours; under valgrind once takes half a minute. */
    assert_in_range(adk_test_now_ns() - start_ns, 0, 300 * SECOND);
    adk_free(answer);
    free(text);
}

/* ---- ceilings ----------------------------------------------------------------------------------------------------- */

static void test_the_ceilings_clamp_and_say_so(void **state)
{
    json_t *answer = tool_call(TOOL(state), "{\"language\":\"wasm\",\"code\":\"show\",\"timeout_secs\":301,"
                                            "\"memory_limit_mb\":9223372036854775807}");
    const json_t *limits = json_object_get(answer, "limits");

    assert_int_equal(tool_integer(limits, "timeout_ns"), 300000000000);
    assert_int_equal(tool_integer(limits, "memory_limit_bytes"), (int64_t)1 << 30);
    assert_true(json_is_true(json_object_get(limits, "timeout_clamped")));
    assert_true(json_is_true(json_object_get(limits, "memory_clamped")));
    json_decref(answer);
    answer = tool_call(TOOL(state),
                       "{\"language\":\"wasm\",\"code\":\"show\",\"timeout_secs\":300,\"memory_limit_mb\":1024}");
    limits = json_object_get(answer, "limits");
    assert_int_equal(tool_integer(limits, "timeout_ns"), 300000000000);
    assert_null(json_object_get(limits, "timeout_clamped"));
    assert_null(json_object_get(limits, "memory_clamped"));
    json_decref(answer);
}

static void test_ceilings_bound_the_defaults(void **state)
{
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    adk_tool *tool;
    json_t *answer;

    options.timeout_max_ns = 5 * SECOND;
    options.memory_max_bytes = 8 << 20;
    options.output_limit_bytes = 1000;
    options.files_max_bytes = 2000;
    tool = tool_with(*state, &options);
    answer = tool_call(tool, "{\"language\":\"wasm\",\"code\":\"show\"}");
    assert_string_at(answer, "stdout",
                     "limits 5000000000 ns, 8388608 bytes, output 1000, outputs 2000\narg program\nstdin \n");
    json_decref(answer);
    adk_tool_free(tool);
}

static void test_options_are_checked(void **state)
{
    const fixture *f = *state;
    static const struct {
        size_t offset;
        uint64_t value;
    } cases[] = {
        {offsetof(adk_tool_options, timeout_max_ns), 1},
        {offsetof(adk_tool_options, timeout_max_ns), SECOND + 1},
        {offsetof(adk_tool_options, timeout_max_ns), 90000 * SECOND},
        {offsetof(adk_tool_options, timeout_default_ns), 301 * SECOND},
        {offsetof(adk_tool_options, memory_max_bytes), 1},
        {offsetof(adk_tool_options, memory_default_bytes), (uint64_t)2 << 30},
        {offsetof(adk_tool_options, output_limit_bytes), (uint64_t)2 << 30},
        {offsetof(adk_tool_options, arguments_max_bytes), (uint64_t)1 << 30},
        {offsetof(adk_tool_options, shown_bytes), 1},
        {offsetof(adk_tool_options, kept_bytes), UINT64_MAX},
        {offsetof(adk_tool_options, kept), 5000},
        {offsetof(adk_tool_options, languages), 1u << 31},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
        adk_tool *tool = NULL;
        adk_error *error = NULL;
        size_t size = cases[i].offset >= offsetof(adk_tool_options, kept) ? sizeof(uint32_t) : sizeof(uint64_t);

        memcpy((char *)&options + cases[i].offset, &cases[i].value, size);
        assert_int_equal(adk_tool_new(f->backend, &options, &tool, &error), ADK_E_INVALID);
        assert_null(tool);
        adk_error_free(error);
    }
}

static void test_a_directory_that_is_none(void **state)
{
    const fixture *f = *state;
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    adk_tool *tool = NULL;

    options.modules_cstr = "/nonexistent";
    assert_int_equal(adk_tool_new(f->backend, &options, &tool, NULL), ADK_E_INVALID);
    options.modules_cstr = "/dev/null";
    assert_int_equal(adk_tool_new(f->backend, &options, &tool, NULL), ADK_E_INVALID);
}

/* ---- what goes with a call ---------------------------------------------------------------------------------------- */

static void test_a_cancelled_call(void **state)
{
    adk_tool_call_options options = ADK_TOOL_CALL_OPTIONS_INIT;
    char *text = NULL;

    assert_int_equal(adk_cancel_new(&options.cancel, NULL), ADK_OK);
    adk_cancel_fire(options.cancel);
    assert_int_equal(
        adk_tool_call(TOOL(state), BYTES("{\"language\":\"wasm\",\"code\":\"show\"}"), &options, &text, NULL), ADK_OK);
    assert_non_null(strstr(text, "\"outcome\":\"cancelled\""));
    assert_non_null(strstr(text, "no end of line\\ncancelled\""));
    adk_free(text);
    adk_cancel_free(options.cancel);
}

static char seen_parent[80];

static void keep_parent(void *data, const adk_span *span)
{
    assert_ptr_equal(data, seen_parent);
    assert_string_equal(span->backend_cstr, "fake");
    (void)snprintf(seen_parent, sizeof(seen_parent), "%s",
                   span->traceparent_cstr == NULL ? "none" : span->traceparent_cstr);
}

static void test_trace_context(void **state)
{
#define IDS "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    static const struct {
        const char *given;
        const char *kept;
    } cases[] = {
        {"00-" IDS, "00-" IDS},
        {"cc-" IDS, "cc-" IDS},
        {"cc-" IDS "-what the future brings", "cc-" IDS},
        {"", "none"},
        {"00-" IDS "-", "none"},
        {"cc-" IDS "x", "none"},
        {"ff-" IDS, "none"},
        {"0x-" IDS, "none"},
        {"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "none"},
        {"00-00000000000000000000000000000000-b7ad6b7169203331-01", "none"},
        {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "none"},
        {"00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01", "none"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        adk_tool_call_options options = ADK_TOOL_CALL_OPTIONS_INIT;
        char *text = NULL;

        options.on_trace = keep_parent;
        options.trace_data = seen_parent;
        options.traceparent = adk_bytes_from_cstr(cases[i].given);
        assert_int_equal(
            adk_tool_call(TOOL(state), BYTES("{\"language\":\"wasm\",\"code\":\"show\"}"), &options, &text, NULL),
            ADK_OK);
        assert_string_equal(seen_parent, cases[i].kept);
        adk_free(text);
    }
}

/* ---- what models are told ----------------------------------------------------------------------------------------- */

static void test_the_schema_tells_what_is_here(void **state)
{
    char *text = NULL;
    json_t *schema;
    const json_t *properties;
    const json_t *language;

    assert_int_equal(adk_tool_schema(TOOL(state), &text, NULL), ADK_OK);
    schema = json_loads(text, 0, NULL);
    assert_string_at(schema, "name", "sandbox_exec");
    assert_string_equal(ADK_TOOL_SCOPE_CSTR, "code:execute");
    properties = json_object_get(json_object_get(schema, "inputSchema"), "properties");
    language = json_object_get(json_object_get(properties, "language"), "enum");
    assert_int_equal(json_array_size(language), 2);
    assert_string_equal(json_string_value(json_array_get(language, 0)), "python");
    assert_string_equal(json_string_value(json_array_get(language, 1)), "wasm");
    assert_null(json_object_get(properties, "module"));
    assert_int_equal(json_object_size(properties), 10);
    assert_int_equal(tool_integer(json_object_get(properties, "timeout_secs"), "minimum"), 1);
    assert_int_equal(tool_integer(json_object_get(properties, "timeout_secs"), "maximum"), 300);
    assert_int_equal(tool_integer(json_object_get(properties, "timeout_secs"), "default"), 30);
    assert_true(json_is_object(json_object_get(schema, "outputSchema")));
    json_decref(schema);
    adk_free(text);
    assert_int_equal(adk_tool_read_schema(TOOL(state), &text, NULL), ADK_OK);
    schema = json_loads(text, 0, NULL);
    assert_string_at(schema, "name", "sandbox_read");
    json_decref(schema);
    adk_free(text);
}

static void test_capabilities(void **state)
{
    char *text = NULL;
    json_t *json;

    assert_int_equal(adk_tool_capabilities(TOOL(state), &text, NULL), ADK_OK);
    json = json_loads(text, 0, NULL);
    assert_string_at(json, "backend", "fake");
    assert_string_at(json, "version", ADK_VERSION_CSTR);
    assert_int_equal(json_array_size(json_object_get(json, "languages")), 2);
    assert_int_equal(json_array_size(json_object_get(json, "enforces")), 9);
    assert_int_equal(json_array_size(json_object_get(json, "modules")), 0);
    assert_int_equal(tool_integer(json_object_get(json, "limits"), "memory_limit_mb_max"), 1024);
    json_decref(json);
    adk_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_originals_messages),
        cmocka_unit_test(test_status_words_and_messages_in_stderr),
        cmocka_unit_test(test_errors_of_the_backend_are_answers),
        cmocka_unit_test(test_everything_arrives),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_wrong_types_and_unknown_arguments),
        cmocka_unit_test(test_what_is_no_object),
        cmocka_unit_test(test_size_depth_and_count_are_bounded),
        cmocka_unit_test(test_a_string_of_escapes_is_measured_in_one_go),
        cmocka_unit_test(test_the_ceilings_clamp_and_say_so),
        cmocka_unit_test(test_ceilings_bound_the_defaults),
        cmocka_unit_test(test_options_are_checked),
        cmocka_unit_test(test_a_directory_that_is_none),
        cmocka_unit_test(test_a_cancelled_call),
        cmocka_unit_test(test_trace_context),
        cmocka_unit_test(test_the_schema_tells_what_is_here),
        cmocka_unit_test(test_capabilities),
    };

    return cmocka_run_group_tests_name("tool", tests, set_up, tear_down);
}
