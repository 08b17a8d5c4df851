/*
 * The tool, over a backend without an engine: every allocation fails, jansson's included, and there is no randomness.
 */
#include "fault.h"

#include <jansson.h>

static char flood[40000];

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    int status = adk_result_new(request, ret_result, ret_error);

    (void)state;
    (void)cancel;
    if (status == ADK_OK)
        status = adk_result_append_output(*ret_result, 1, adk_bytes_make(flood, sizeof(flood)));
    if (status == ADK_OK)
        status = adk_result_set_outcome(*ret_result, ADK_OUTCOME_TRAPPED, ADK_PHASE_RUN, ADK_REASON_NONE, 0,
                                        BYTES("it trapped"));
    return status;
}

static adk_backend *backend;

static void make_backend(void)
{
    adk_backend_ops ops = ADK_BACKEND_OPS_INIT;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;

    memset(flood, 'x', sizeof(flood));
    ops.execute = execute;
    capabilities.enforced = 0x3ff;
    capabilities.languages = 1u << ADK_LANGUAGE_WASM;
    capabilities.isolation_cstr = "none";
    assert_int_equal(adk_backend_new(&ops, NULL, "test", &capabilities, &backend, NULL), ADK_OK);
}

static const char arguments[] =
    "{\"language\":\"wasm\",\"code\":\"YWJj\",\"code_encoding\":\"base64\",\"args\":[\"a\"],\"env\":{\"A\":\"1\"},"
    "\"files\":[{\"path\":\"/a\",\"content\":\"YQ==\",\"encoding\":\"base64\"}],\"outputs\":[\"/a\"],\"stdin\":\"in\"}";

/*
 * The answer is what it should be, or says that there was no memory, or that the arguments are no JSON: for that jansson
 * takes it when its lexer gets none. Takes the answer.
 */
static int judge(char *answer, const char *part)
{
    bool right = strstr(answer, part) != NULL;
    bool nomem = strstr(answer, "out of memory") != NULL || strstr(answer, "not valid JSON") != NULL;
    int status = right ? ADK_OK : nomem && fault_fired() ? ADK_E_NOMEM : FAULT_WRONG;

    if (status == FAULT_WRONG)
        (void)fault_wrong(__FILE__, __LINE__, "\"%.300s\" has no \"%s\"", answer, part);
    adk_free(answer);
    return status;
}

static int call(adk_tool *tool, const char *given, const char *part)
{
    adk_error *error = UNWRITTEN(adk_error);
    char *answer = UNWRITTEN(char);
    int status = fault_status(adk_tool_call(tool, adk_bytes_from_cstr(given), NULL, &answer, &error), &error);

    if (status != ADK_OK) {
        EXPECT(answer == UNWRITTEN(char));
        return status;
    }
    return judge(answer, part);
}

static int read_wrong_handle(adk_tool *tool)
{
    adk_error *error = UNWRITTEN(adk_error);
    char *answer = UNWRITTEN(char);
    int status =
        fault_status(adk_tool_read(tool, BYTES("{\"handle\":\"0\",\"stream\":\"stdout\"}"), &answer, &error), &error);

    return status == ADK_OK ? judge(answer, "no result has this handle") : status;
}

static int describe(adk_tool *tool)
{
    adk_error *error = UNWRITTEN(adk_error);
    char *text = UNWRITTEN(char);
    int status = fault_status(adk_tool_schema(tool, &text, &error), &error);

    if (status == ADK_OK)
        status = judge(text, "\"outputSchema\"");
    error = UNWRITTEN(adk_error);
    if (status == ADK_OK)
        status = fault_status(adk_tool_capabilities(tool, &text, &error), &error);
    return status == ADK_OK ? judge(text, "\"modules\":[]") : status;
}

static int use(void *unused)
{
    adk_error *error = UNWRITTEN(adk_error);
    adk_tool *tool = UNWRITTEN(adk_tool);
    int status = fault_status(adk_tool_new(backend, NULL, &tool, &error), &error);

    (void)unused;
    if (status != ADK_OK) {
        EXPECT(tool == UNWRITTEN(adk_tool));
        return status;
    }
    status = call(tool, arguments, "it trapped");
    if (status == ADK_OK)
        status = call(tool, "{\"language\":\"wasm\",\"code\":\"\",\"wrong\":1}", "unknown argument");
    if (status == ADK_OK)
        status = call(tool, "{", "not valid JSON");
    if (status == ADK_OK)
        status = read_wrong_handle(tool);
    if (status == ADK_OK)
        status = describe(tool);
    adk_tool_free(tool);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    fault_sweep_memory("the tool", use, NULL, 300);
}

/* Without randomness there is no handle; nothing else is missing. */
static int call_without_handle(void *unused)
{
    adk_tool *tool = NULL;
    char *answer = NULL;
    int status = adk_tool_new(backend, NULL, &tool, NULL);

    (void)unused;
    if (status == ADK_OK)
        status = adk_tool_call(tool, BYTES(arguments), NULL, &answer, NULL);
    adk_tool_free(tool);
    return status == ADK_OK ? judge(answer, fault_fired() ? "\"handle\":null" : "\"handle\":\"") : status;
}

static void test_randomness(void **state)
{
    const fault_scenario scenario = {
        .name = "a handle", .run = call_without_handle, .kind = FAULT_RANDOM, .mode = FAULT_ONCE, .least = 1};

    (void)state;
    fault_sweep(&scenario, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_randomness),
    };

    make_backend();
    return fault_main("fault_tool", tests);
}
