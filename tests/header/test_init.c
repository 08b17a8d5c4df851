/*
 * The initialisers: struct_size is the struct's own and everything else zero, byte for byte, by macro and by function.
 */
#include "support.h"

#include <adk/trace.h>

#define CHECK_INIT(type, init)                                               \
    do {                                                                     \
        static const type by_macro = init; /* static: padding is zero too */ \
        type expected;                                                       \
        memset(&expected, 0, sizeof(expected));                              \
        expected.struct_size = sizeof(expected);                             \
        assert_memory_equal(&by_macro, &expected, sizeof(expected));         \
    } while (0)

static void test_macros_give_size_and_zeros(void **state)
{
    (void)state;
    CHECK_INIT(adk_request, ADK_REQUEST_INIT);
    CHECK_INIT(adk_capabilities, ADK_CAPABILITIES_INIT);
    CHECK_INIT(adk_backend_ops, ADK_BACKEND_OPS_INIT);
    CHECK_INIT(adk_usage, ADK_USAGE_INIT);
    CHECK_INIT(adk_limits, ADK_LIMITS_INIT);
    CHECK_INIT(adk_wasm_options, ADK_WASM_OPTIONS_INIT);
    CHECK_INIT(adk_wasm_stats, ADK_WASM_STATS_INIT);
    CHECK_INIT(adk_executor_options, ADK_EXECUTOR_OPTIONS_INIT);
    CHECK_INIT(adk_submission, ADK_SUBMISSION_INIT);
    CHECK_INIT(adk_report_options, ADK_REPORT_OPTIONS_INIT);
    CHECK_INIT(adk_tool_options, ADK_TOOL_OPTIONS_INIT);
    CHECK_INIT(adk_tool_call_options, ADK_TOOL_CALL_OPTIONS_INIT);
}

static void test_request_init_agrees_with_its_macro(void **state)
{
    static const adk_request by_macro = ADK_REQUEST_INIT;
    adk_request by_function;

    (void)state;
    memset(&by_function, 0xa5, sizeof(by_function));
    adk_request_init(&by_function);
    assert_memory_equal(&by_function, &by_macro, sizeof(by_macro));
}

/* A struct whose fields leave holes would have padding that neither reads nor compares reliably. */
static void test_struct_size_comes_first(void **state)
{
    (void)state;
    assert_int_equal(offsetof(adk_request, struct_size), 0);
    assert_int_equal(offsetof(adk_capabilities, struct_size), 0);
    assert_int_equal(offsetof(adk_backend_ops, struct_size), 0);
    assert_int_equal(offsetof(adk_usage, struct_size), 0);
    assert_int_equal(offsetof(adk_limits, struct_size), 0);
    assert_int_equal(offsetof(adk_wasm_options, struct_size), 0);
    assert_int_equal(offsetof(adk_wasm_stats, struct_size), 0);
    assert_int_equal(offsetof(adk_span, struct_size), 0);
}

static void test_versions(void **state)
{
    char expected[32];

    (void)state;
    (void)snprintf(expected, sizeof(expected), "%d.%d.%d", ADK_VERSION_MAJOR, ADK_VERSION_MINOR, ADK_VERSION_PATCH);
    assert_string_equal(ADK_VERSION_CSTR, expected);
    assert_string_equal(adk_version_cstr(), expected);
    assert_non_null(strstr(adk_engine_version_cstr(), "wasmtime 48.0."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_macros_give_size_and_zeros),
        cmocka_unit_test(test_request_init_agrees_with_its_macro),
        cmocka_unit_test(test_struct_size_comes_first),
        cmocka_unit_test(test_versions),
    };

    return cmocka_run_group_tests_name("init", tests, NULL, NULL);
}
