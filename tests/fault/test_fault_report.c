/*
 * Results, reports, errors and copies of requests, without an engine; jansson's allocations fail as ours do.
 */
#include "fault.h"

#include "core/request_copy.h"
#include "core/result.h"

/* ---- results of other backends ------------------------------------------------------------------------------------ */

static const char flood[200000] = "\xff\xfe the head";

/* What a backend written outside the library does. Standard error is text, cut within a character. */
static int fill(adk_result *result, size_t size)
{
    adk_usage usage = ADK_USAGE_INIT;
    int status = adk_result_append_output(result, 1, adk_bytes_make(flood, size));

    usage.measured = ADK_USAGE_CPU | ADK_USAGE_FUEL;
    usage.fuel = UINT64_MAX;
    for (int i = 0; i < 600 && status == ADK_OK; i++)
        status = adk_result_append_output(result, 2, BYTES("\xc3\xa9"));
    if (status == ADK_OK)
        status = adk_result_set_outcome(result, ADK_OUTCOME_TRAPPED, ADK_PHASE_RUN, ADK_REASON_NONE, 0,
                                        BYTES("it \x1b trapped"));
    if (status == ADK_OK)
        status = adk_result_set_usage(result, &usage);
    return status;
}

static int new_result(size_t size, adk_result **ret_result)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_error *error = UNWRITTEN(adk_error);
    adk_result *result = UNWRITTEN(adk_result);
    int status;

    request.output_limit_bytes = 1001;
    request.timeout_ns = SECOND;
    request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    status = fault_status(adk_result_new(&request, &result, &error), &error);
    if (status != ADK_OK) {
        EXPECT(result == UNWRITTEN(adk_result));
        return status;
    }
    status = fill(result, size);
    if (status != ADK_OK) {
        adk_result_free(result);
        return status;
    }
    adk__result_seal(result, "test", "wasm", "none");
    *ret_result = result;
    return ADK_OK;
}

static int make_result(void *unused)
{
    adk_result *result;
    adk_output out;
    int status = new_result(sizeof(flood), &result);

    (void)unused;
    if (status != ADK_OK)
        return status;
    out = adk_result_stdout(result);
    EXPECT(out.head.size == 1001 && out.tail.size == ADK_OUTPUT_TAIL_BYTES && out.written_bytes == sizeof(flood));
    out = adk_result_stderr(result);
    EXPECT(out.head.size == 1001 && out.tail.size == 199);
    EXPECT_HAS(adk_result_message(result), " trapped");
    adk_result_free(result);
    return ADK_OK;
}

static void test_result(void **state)
{
    (void)state;
    fault_sweep_memory("a result", make_result, NULL, 4);
}

/* ---- reports ------------------------------------------------------------------------------------------------------ */

typedef struct report {
    adk_result *result; /* NULL: of an error */
    adk_error *error;
    adk_report_options options;
    char *first; /* as it was without a fault */
} report;

static int write_report(void *data)
{
    report *r = data;
    char *text = UNWRITTEN(char);
    adk_error *error = UNWRITTEN(adk_error);
    int status;

    if (r->result != NULL)
        status = fault_status(adk_report_json(r->result, &r->options, &text, &error), &error);
    else
        status = fault_status(adk_report_error_json(r->error, &text, &error), &error);
    if (status != ADK_OK) {
        EXPECT(text == UNWRITTEN(char));
        return status;
    }
    if (r->first == NULL)
        r->first = strdup(text);
    EXPECT_BYTES(adk_bytes_from_cstr(text), r->first);
    adk_free(text);
    return ADK_OK;
}

static void sweep_report(const char *name, report *r, const char *part, unsigned least)
{
    fault_sweep_memory(name, write_report, r, least);
    assert_non_null(strstr(r->first, part));
    free(r->first);
    r->first = NULL;
}

/* Content as text, as base64, of a directory; and a trap with frames, named and not. */
static void add_details(adk_result *result)
{
    static const char *const contents[] = {"text \x7f", "\xff\xfe", ""};

    result->trap_kind = "unreachable";
    assert_int_equal(adk__buf_append(&result->trap_message, "\xff no text", 9), 0);
    result->frames = adk_fault_malloc(2 * sizeof(*result->frames));
    assert_non_null(result->frames);
    result->frames[0] = (adk_frame){.function_name = BYTES("inner"), .function_index = 1, .module_offset = 7};
    result->frames[1] = (adk_frame){.function_index = 2, .module_offset = UINT64_MAX};
    result->frame_count = 2;
    result->files = adk_fault_malloc(3 * sizeof(*result->files));
    assert_non_null(result->files);
    for (size_t i = 0; i < 3; i++) {
        size_t size = strlen(contents[i]);
        char *path = adk_fault_malloc(2);
        char *content = adk_fault_malloc(size + 1);

        assert_non_null(path);
        assert_non_null(content);
        memcpy(path, "/\xff", 2);
        memcpy(content, contents[i], size + 1);
        result->files[i] = (adk_file_out){.path = {path, 2}, .content = {content, size}, .size_bytes = size};
        result->files[i].type = i == 2 ? ADK_FILE_DIRECTORY : ADK_FILE_REGULAR;
    }
    result->file_count = 3;
}

static void test_report(void **state)
{
    report r = {.options = ADK_REPORT_OPTIONS_INIT};

    (void)state;
    assert_int_equal(new_result(3000, &r.result), ADK_OK);
    sweep_report("a report", &r, "\"stdout_encoding\":\"base64\"", 5);
    add_details(r.result);
    r.options.output_error_cstr = "no \x7f place";
    sweep_report("a report of a trap, with files", &r, "function[2]", 8);
    r.options.flags = ADK_REPORT_ASCII;
    sweep_report("the same in ASCII", &r, "no \\u007F place", 8);
    adk_result_free(r.result);
}

static void test_error_report(void **state)
{
    report r = {.options = ADK_REPORT_OPTIONS_INIT};

    (void)state;
    sweep_report("a report of an error that had no memory", &r, "out of memory", 2);
    r.error = adk_error_new(ADK_E_SYSTEM, 5, "open \"\x1b\"");
    assert_non_null(r.error);
    sweep_report("a report of an error", &r, "\"reason\":\"system\"", 2);
    adk_error_free(r.error);
}

/* ---- errors ------------------------------------------------------------------------------------------------------- */

/* The call returns its code, whether or not there is memory to say why. */
static int make_errors(void *unused)
{
    adk_error *error = adk_error_new(ADK_E_BUSY, 7, "a line\nand \xff another");
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_backend_ops ops = ADK_BACKEND_OPS_INIT;
    adk_backend *backend = UNWRITTEN(adk_backend);
    adk_error *refused = UNWRITTEN(adk_error);
    int status;

    (void)unused;
    EXPECT(adk_error_code(error) == (error == NULL ? ADK_E_NOMEM : ADK_E_BUSY));
    EXPECT(adk_error_system(error) == (error == NULL ? 0 : 7));
    EXPECT(strstr(adk_error_message_cstr(error), error == NULL ? "out of memory" : "another") != NULL);
    EXPECT(error != NULL || fault_fired());
    adk_error_free(error);
    status = adk_backend_new(&ops, NULL, "test", &capabilities, &backend, &refused);
    EXPECT(backend == UNWRITTEN(adk_backend));
    EXPECT(status == ADK_E_INVALID || (status == ADK_E_NOMEM && fault_fired()));
    EXPECT(fault_status(status, &refused) == status);
    return status == ADK_E_INVALID ? ADK_OK : status;
}

static void test_errors(void **state)
{
    (void)state;
    fault_sweep_memory("errors", make_errors, NULL, 6);
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

static int copy_request(void *unused)
{
    const adk_bytes args[] = {BYTES("prog"), BYTES("")};
    const adk_env env[] = {{BYTES("A"), BYTES("1")}};
    const adk_file files[] = {{BYTES("/in"), BYTES("content"), NULL}, {BYTES("data"), {NULL, 0}, "/tmp"}};
    adk_request request = ADK_REQUEST_INIT;
    adk_request *copy = UNWRITTEN(adk_request);
    adk_error *error = UNWRITTEN(adk_error);
    int status;

    (void)unused;
    request.code = BYTES("(module)");
    request.args = args;
    request.args_count = 2;
    request.env = env;
    request.env_count = 1;
    request.files = files;
    request.files_count = 2;
    status = fault_status(adk__request_copy(&request, &copy, &error), &error);
    if (status != ADK_OK) {
        EXPECT(copy == UNWRITTEN(adk_request));
        return status;
    }
    EXPECT_BYTES(copy->args[0], "prog");
    EXPECT_BYTES(copy->files[0].content, "content");
    EXPECT(strcmp(copy->files[1].host_path_cstr, "/tmp") == 0);
    adk_fault_free(copy);
    return ADK_OK;
}

static void test_request_copy(void **state)
{
    (void)state;
    fault_sweep_memory("a copy of a request", copy_request, NULL, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result), cmocka_unit_test(test_report),       cmocka_unit_test(test_error_report),
        cmocka_unit_test(test_errors), cmocka_unit_test(test_request_copy),
    };

    return fault_main("fault report", tests);
}
