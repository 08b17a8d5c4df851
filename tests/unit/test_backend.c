/*
 * src/core/backend and the public half of src/core/result, with backends written as a user of the library would write
 * them.
 */
#include "support.h"

#include <adk/trace.h>

/* ---- a backend ---------------------------------------------------------------------------------------------------- */

struct mock {
    adk_request seen;
    adk_cancel *cancel;
    unsigned executed;
    unsigned freed;
    int fails;      /* this ADK_E_*, with an error */
    bool no_result; /* says ADK_OK and gives nothing */
    adk_outcome outcome;
};

static int mock_execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                        adk_error **ret_error)
{
    struct mock *mock = state;
    adk_usage usage = ADK_USAGE_INIT;
    adk_result *result = NULL;

    mock->seen = *request;
    mock->cancel = cancel;
    mock->executed++;
    if (mock->no_result)
        return ADK_OK;
    if (mock->fails != 0) {
        if (ret_error != NULL)
            *ret_error = adk_error_new(mock->fails, 0, "the mock fails");
        return mock->fails;
    }
    if (adk_result_new(request, &result, ret_error) != ADK_OK)
        return ADK_E_NOMEM;
    usage.compile_ns = 11;
    usage.instantiate_ns = 22;
    usage.run_ns = 33;
    usage.cache = ADK_CACHE_DISK;
    if (adk_result_set_outcome(result, mock->outcome, ADK_PHASE_RUN, ADK_REASON_NONE, 77, BYTES("a \n message")) != 0 ||
        adk_result_set_usage(result, &usage) != 0 || adk_result_append_output(result, 1, BYTES("out")) != 0 ||
        adk_result_append_output(result, 2, BYTES("error")) != 0) {
        adk_result_free(result);
        return ADK_E_NOMEM;
    }
    *ret_result = result;
    return ADK_OK;
}

static void mock_free(void *state)
{
    ((struct mock *)state)->freed++;
}

static const adk_backend_ops mock_ops = {sizeof(mock_ops), mock_execute, mock_free};

static adk_capabilities everything(void)
{
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;

    capabilities.enforced = 0x1ff;
    capabilities.languages = 1u << ADK_LANGUAGE_PYTHON | 1u << ADK_LANGUAGE_COMMAND;
    capabilities.isolation_cstr = "mocked";
    return capabilities;
}

static adk_backend *make(struct mock *mock, const adk_capabilities *capabilities)
{
    adk_backend *backend = NULL;

    assert_int_equal(adk_backend_new(&mock_ops, mock, "mock", capabilities, &backend, NULL), ADK_OK);
    return backend;
}

static adk_request valid(void)
{
    adk_request request = ADK_REQUEST_INIT;

    request.code = BYTES("print(1)");
    request.timeout_ns = SECOND;
    return request;
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static void check_refused(const adk_backend_ops *ops, const char *name, const adk_capabilities *capabilities,
                          const char *part)
{
    struct mock mock = {0};
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk_backend_new(ops, &mock, name, capabilities, &backend, &error), ADK_E_INVALID);
    assert_null(backend);
    if (strstr(adk_error_message_cstr(error), part) == NULL)
        fail_msg("\"%s\" has no \"%s\"", adk_error_message_cstr(error), part);
    assert_int_equal(mock.freed, 0); /* the state stays the caller's */
    adk_error_free(error);
}

static void test_new_refuses(void **state)
{
    adk_capabilities capabilities = everything();
    adk_backend_ops ops = mock_ops;

    (void)state;
    check_refused(&mock_ops, "", &capabilities, "name");
    check_refused(&mock_ops, "a-name-that-is-thirty-two-bytes!", &capabilities, "name");
    ops.execute = NULL;
    check_refused(&ops, "mock", &capabilities, "execute");
    ops = mock_ops;
    ops.struct_size = 0;
    check_refused(&ops, "mock", &capabilities, "struct_size");
    capabilities.isolation_cstr = NULL;
    check_refused(&mock_ops, "mock", &capabilities, "isolation");
    capabilities = everything();
    capabilities.struct_size = 0;
    check_refused(&mock_ops, "mock", &capabilities, "struct_size");
}

/* Bits of languages that do not exist would have runs that no word describes: refused when made, or when run. */
static void check_languages(uint32_t languages)
{
    adk_capabilities capabilities = everything();
    struct mock mock = {0};
    adk_backend *backend = NULL;
    adk_request request = valid();
    adk_result *result = NULL;
    adk_error *error = NULL;
    char *text = NULL;

    capabilities.languages = languages;
    if (adk_backend_new(&mock_ops, &mock, "mock", &capabilities, &backend, &error) != ADK_OK) {
        assert_int_equal(adk_error_code(error), ADK_E_INVALID);
    } else if (adk_backend_execute(backend, &request, NULL, &result, &error) == ADK_OK) {
        assert_int_equal(adk_report_json(result, NULL, &text, NULL), ADK_OK);
        adk_test_keep_report(text);
        adk_free(text);
    } else {
        assert_int_equal(adk_error_code(error), ADK_E_INVALID);
        assert_null(strstr(adk_error_message_cstr(error), "(null)"));
    }
    adk_result_free(result);
    adk_backend_free(backend);
    adk_error_free(error);
}

static void test_no_language_at_all(void **state)
{
    (void)state;
    check_languages(0);
}

static void test_the_language_that_means_default(void **state)
{
    (void)state;
    check_languages(1u << ADK_LANGUAGE_DEFAULT);
}

static void test_a_language_that_does_not_exist(void **state)
{
    (void)state;
    check_languages(1u << 7);
    check_languages(1u << 31);
}

static void test_name_and_capabilities_are_copied(void **state)
{
    char name[] = "thirty-one-bytes-are-a-name-too";
    char isolation[] = "process";
    adk_capabilities capabilities = everything();
    adk_capabilities seen = ADK_CAPABILITIES_INIT;
    adk_backend_ops ops = mock_ops;
    struct mock mock = {0};
    adk_backend *backend = NULL;

    (void)state;
    capabilities.isolation_cstr = isolation;
    assert_int_equal(adk_backend_new(&ops, &mock, name, &capabilities, &backend, NULL), ADK_OK);
    memset(name, 'x', sizeof(name) - 1);
    memset(isolation, 'x', sizeof(isolation) - 1);
    memset(&ops, 0, sizeof(ops));
    assert_string_equal(adk_backend_name_cstr(backend), "thirty-one-bytes-are-a-name-too");
    adk_backend_capabilities(backend, &seen);
    assert_int_equal(seen.struct_size, sizeof(seen));
    assert_int_equal(seen.enforced, 0x1ff);
    assert_int_equal(seen.languages, capabilities.languages);
    assert_string_equal(seen.isolation_cstr, "process");
    seen.struct_size = offsetof(adk_capabilities, languages); /* an older caller's */
    seen.languages = 12345;
    adk_backend_capabilities(backend, &seen);
    assert_int_equal(seen.languages, 12345);
    adk_backend_free(backend);
    assert_int_equal(mock.freed, 1);
}

static void test_freeing(void **state)
{
    adk_capabilities capabilities = everything();
    adk_backend_ops ops = mock_ops;
    adk_backend *backend = NULL;
    struct mock mock = {0};

    (void)state;
    adk_backend_free(NULL);
    ops.free = NULL;
    assert_int_equal(adk_backend_new(&ops, &mock, "mock", &capabilities, &backend, NULL), ADK_OK);
    adk_backend_free(backend);
    assert_int_equal(mock.freed, 0);
}

/* ---- executing ---------------------------------------------------------------------------------------------------- */

static void test_execute(void **state)
{
    adk_capabilities capabilities = everything();
    struct mock mock = {.outcome = ADK_OUTCOME_EXITED};
    adk_backend *backend = make(&mock, &capabilities);
    adk_request request = valid();
    adk_limits limits = ADK_LIMITS_INIT;
    adk_cancel *cancel = NULL;
    adk_result *result;

    (void)state;
    assert_int_equal(adk_cancel_new(&cancel, NULL), ADK_OK);
    result = adk_test_execute(backend, &request, cancel);
    assert_ptr_equal(mock.cancel, cancel);
    assert_int_equal(mock.seen.language, ADK_LANGUAGE_PYTHON); /* the first of its languages is its own */
    assert_int_equal(mock.seen.memory_limit_bytes, ADK_MEMORY_LIMIT_PYTHON_BYTES);
    assert_int_equal(adk_result_exit_code(result), 77);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_RUN);
    assert_bytes_are(adk_result_message(result), "a \\x0a message");
    assert_bytes_are(adk_result_stdout(result).head, "out");
    assert_bytes_are(adk_result_stderr(result).head, "error");
    assert_int_equal(adk_test_usage(result).compile_ns, 11);
    assert_int_equal(adk_test_usage(result).cache, ADK_CACHE_DISK);
    assert_true(adk_test_usage(result).duration_ns > 0);
    adk_result_limits(result, &limits);
    assert_int_equal(limits.timeout_ns, SECOND);
    assert_int_equal(limits.output_limit_bytes, ADK_OUTPUT_LIMIT_DEFAULT_BYTES);
    adk_result_free(result);
    adk_cancel_free(cancel);
    adk_backend_free(backend);
}

static void check_fails(adk_backend *backend, const adk_request *request, int code, const char *part)
{
    adk_result *result = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk_backend_execute(backend, request, NULL, &result, &error), code);
    assert_null(result);
    assert_int_equal(adk_error_code(error), code);
    if (strstr(adk_error_message_cstr(error), part) == NULL)
        fail_msg("\"%s\" has no \"%s\"", adk_error_message_cstr(error), part);
    adk_error_free(error);
    assert_int_equal(adk_backend_execute(backend, request, NULL, &result, NULL), code);
}

static void test_a_bad_request_never_reaches_it(void **state)
{
    adk_capabilities capabilities = everything();
    struct mock mock = {0};
    adk_backend *backend = make(&mock, &capabilities);
    adk_request request = valid();

    (void)state;
    request.timeout_ns = 0;
    check_fails(backend, &request, ADK_E_INVALID, "timeout");
    request = valid();
    request.language = ADK_LANGUAGE_WASM;
    check_fails(backend, &request, ADK_E_INVALID, "backend \"mock\" does not support language wasm");
    assert_int_equal(mock.executed, 0);
    request.language = ADK_LANGUAGE_COMMAND;
    adk_result_free(adk_test_execute(backend, &request, NULL));
    assert_int_equal(mock.executed, 1);
    adk_backend_free(backend);
}

static void test_what_it_cannot_enforce_is_refused(void **state)
{
    adk_capabilities capabilities = everything();
    struct mock mock = {0};
    adk_request request = valid();
    adk_backend *backend;

    (void)state;
    capabilities.enforced = ADK_ENFORCES_TIMEOUT;
    backend = make(&mock, &capabilities);
    request.fuel = 1;
    check_fails(backend, &request, ADK_E_UNSUPPORTED, "the backend cannot enforce fuel");
    request.fuel = 0;
    adk_result_free(adk_test_execute(backend, &request, NULL));
    adk_backend_free(backend);
}

static void test_its_failures_are_passed_on(void **state)
{
    adk_capabilities capabilities = everything();
    struct mock mock = {.fails = ADK_E_UNAVAILABLE};
    adk_backend *backend = make(&mock, &capabilities);
    adk_request request = valid();
    adk_result *result = NULL;
    adk_error *error = NULL;

    (void)state;
    assert_int_equal(adk_backend_execute(backend, &request, NULL, &result, &error), ADK_E_UNAVAILABLE);
    assert_string_equal(adk_error_message_cstr(error), "the mock fails");
    adk_error_free(error);
    mock.no_result = true;
    check_fails(backend, &request, ADK_E_INTERNAL, "gave no result");
    adk_backend_free(backend);
}

/* ---- tracing ------------------------------------------------------------------------------------------------------ */

struct traced {
    unsigned spans;
    adk_span span;
};

static void on_trace(void *data, const adk_span *span)
{
    struct traced *traced = data;

    traced->spans++;
    traced->span = *span;
}

static void test_one_span_a_run(void **state)
{
    adk_capabilities capabilities = everything();
    struct mock mock = {.outcome = ADK_OUTCOME_TIMED_OUT};
    adk_backend *backend = make(&mock, &capabilities);
    adk_request request = valid();
    struct traced traced = {0};

    (void)state;
    request.on_trace = on_trace;
    request.trace_data = &traced;
    adk_result_free(adk_test_execute(backend, &request, NULL));
    assert_int_equal(traced.spans, 1);
    assert_int_equal(traced.span.struct_size, sizeof(adk_span));
    assert_string_equal(traced.span.backend_cstr, "mock");
    assert_string_equal(traced.span.language_cstr, "python");
    assert_int_equal(traced.span.error, ADK_OK);
    assert_int_equal(traced.span.outcome, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(traced.span.phase, ADK_PHASE_RUN);
    assert_int_equal(traced.span.exit_code, 77);
    assert_int_equal(traced.span.compile_ns, 11);
    assert_int_equal(traced.span.instantiate_ns, 22);
    assert_int_equal(traced.span.run_ns, 33);
    assert_true(traced.span.duration_ns > 0);
    assert_true(traced.span.start_ns > UINT64_C(1600000000) * SECOND);
    adk_backend_free(backend);
}

static void test_a_span_for_a_failed_call(void **state)
{
    adk_capabilities capabilities = everything();
    struct mock mock = {.fails = ADK_E_SYSTEM};
    adk_backend *backend = make(&mock, &capabilities);
    adk_request request = valid();
    struct traced traced = {0};

    (void)state;
    request.on_trace = on_trace;
    request.trace_data = &traced;
    check_fails(backend, &request, ADK_E_SYSTEM, "mock");
    assert_int_equal(traced.spans, 2); /* check_fails() calls twice */
    assert_int_equal(traced.span.error, ADK_E_SYSTEM);
    adk_backend_free(backend);
}

/* ---- results ------------------------------------------------------------------------------------------------------ */

/* A backend that gives a result and fails all the same: the result is not leaked (the sanitizer looks) nor given out. */
static int confused_execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                            adk_error **ret_error)
{
    (void)state;
    (void)cancel;
    assert_int_equal(adk_result_new(request, ret_result, ret_error), ADK_OK);
    return ADK_E_SYSTEM;
}

static void test_a_failed_call_gives_no_result(void **state)
{
    const adk_backend_ops ops = {sizeof(ops), confused_execute, NULL};
    adk_capabilities capabilities = everything();
    adk_request request = valid();
    adk_backend *backend = NULL;
    adk_result *result = NULL;

    (void)state;
    assert_int_equal(adk_backend_new(&ops, NULL, "confused", &capabilities, &backend, NULL), ADK_OK);
    assert_int_equal(adk_backend_execute(backend, &request, NULL, &result, NULL), ADK_E_SYSTEM);
    assert_null(result);
    adk_backend_free(backend);
}

static void test_result_setters_refuse(void **state)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_usage usage = ADK_USAGE_INIT;
    adk_bytes none = {NULL, 0};
    adk_result *result = NULL;

    (void)state;
    assert_int_equal(adk_result_new(&request, &result, NULL), ADK_OK);
    assert_int_equal(adk_result_set_outcome(result, 9, 0, 0, 0, none), ADK_E_INVALID);
    assert_int_equal(adk_result_set_outcome(result, 0, 7, 0, 0, none), ADK_E_INVALID);
    assert_int_equal(adk_result_set_outcome(result, 0, 0, 9, 0, none), ADK_E_INVALID);
    assert_int_equal(adk_result_append_output(result, 0, none), ADK_E_INVALID);
    assert_int_equal(adk_result_append_output(result, 3, none), ADK_E_INVALID);
    assert_int_equal(adk_result_append_output(result, -1, none), ADK_E_INVALID);
    usage.struct_size = 0;
    assert_int_equal(adk_result_set_usage(result, &usage), ADK_E_INVALID);
    assert_int_equal(adk_result_outcome(result), ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 0);
    adk_result_free(result);
    adk_result_free(NULL);
}

static void test_result_usage_from_the_future(void **state)
{
    struct {
        adk_usage known;
        uint64_t unknown;
    } later = {ADK_USAGE_INIT, 0};
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;

    (void)state;
    assert_int_equal(adk_result_new(&request, &result, NULL), ADK_OK);
    later.known.struct_size = sizeof(later);
    later.known.fuel = 5;
    assert_int_equal(adk_result_set_usage(result, &later.known), ADK_OK);
    assert_int_equal(adk_test_usage(result).fuel, 5);
    later.unknown = 1;
    assert_int_equal(adk_result_set_usage(result, &later.known), ADK_E_INVALID);
    adk_result_free(result);
}

static void test_result_message_is_cut_at_4_kib(void **state)
{
    char text[10000];
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;

    (void)state;
    memset(text, '\x01', sizeof(text));
    assert_int_equal(adk_result_new(&request, &result, NULL), ADK_OK);
    assert_int_equal(adk_result_set_outcome(result, 0, 0, 0, 0, adk_bytes_make(text, sizeof(text))), ADK_OK);
    assert_int_equal(adk_result_message(result).size, 4 * 4096 + 3);
    adk_result_free(result);
}

static void test_an_empty_result(void **state)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;
    size_t count = 1;

    (void)state;
    assert_int_equal(adk_result_new(&request, &result, NULL), ADK_OK);
    assert_int_equal(adk_result_message(result).size, 0);
    assert_int_equal(adk_result_trap_kind(result).size, 0);
    assert_int_equal(adk_result_trap_message(result).size, 0);
    (void)adk_result_backtrace(result, &count);
    assert_int_equal(count, 0);
    assert_int_equal(adk_result_stdout(result).head.size, 0);
    assert_int_equal(adk_result_stdout(result).truncated, 0);
    assert_int_equal(adk_result_reason(result), ADK_REASON_NONE);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_NONE);
    adk_result_free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_refuses),
        cmocka_unit_test(test_name_and_capabilities_are_copied),
        cmocka_unit_test(test_freeing),
        cmocka_unit_test(test_execute),
        cmocka_unit_test(test_a_bad_request_never_reaches_it),
        cmocka_unit_test(test_what_it_cannot_enforce_is_refused),
        cmocka_unit_test(test_its_failures_are_passed_on),
        cmocka_unit_test(test_one_span_a_run),
        cmocka_unit_test(test_a_span_for_a_failed_call),
        cmocka_unit_test(test_result_setters_refuse),
        cmocka_unit_test(test_result_usage_from_the_future),
        cmocka_unit_test(test_result_message_is_cut_at_4_kib),
        cmocka_unit_test(test_an_empty_result),
        cmocka_unit_test(test_no_language_at_all),
        cmocka_unit_test(test_the_language_that_means_default),
        cmocka_unit_test(test_a_language_that_does_not_exist),
        cmocka_unit_test(test_a_failed_call_gives_no_result),
    };

    return cmocka_run_group_tests_name("backend", tests, NULL, NULL);
}
