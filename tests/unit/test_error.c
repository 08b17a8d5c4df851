/*
 * src/core/error: the error object, with and without memory for it.
 */
#include "support.h"

#include <errno.h>

#include "core/error.h"

static void test_null_means_out_of_memory(void **state)
{
    (void)state;
    assert_int_equal(adk_error_code(NULL), ADK_E_NOMEM);
    assert_int_equal(adk_error_system(NULL), 0);
    assert_string_equal(adk_error_message_cstr(NULL), "out of memory");
    adk_error_free(NULL);
}

static void test_new(void **state)
{
    adk_error *error = adk_error_new(ADK_E_SYSTEM, ENOENT, "open \"x\"");

    (void)state;
    assert_non_null(error);
    assert_int_equal(adk_error_code(error), ADK_E_SYSTEM);
    assert_int_equal(adk_error_system(error), ENOENT);
    assert_string_equal(adk_error_message_cstr(error), "open \"x\"");
    adk_error_free(error);
    error = adk_error_new(ADK_E_BUSY, 0, NULL);
    assert_string_equal(adk_error_message_cstr(error), "");
    adk_error_free(error);
}

static void test_messages_are_one_harmless_line(void **state)
{
    adk_error *error = adk_error_new(ADK_E_INVALID, 0, "a\nb\x1b[2J\xff");

    (void)state;
    assert_string_equal(adk_error_message_cstr(error), "a\\x0ab\\x1b[2J\\xff");
    adk_error_free(error);
}

static void test_messages_are_cut_at_4_kib(void **state)
{
    char *text = malloc(100001);
    adk_error *error;
    size_t size;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    error = adk_error_new(ADK_E_INVALID, 0, text);
    size = strlen(adk_error_message_cstr(error));
    assert_int_equal(size, 4096 + strlen("\xe2\x80\xa6"));
    assert_string_equal(adk_error_message_cstr(error) + 4096, "\xe2\x80\xa6");
    adk_error_free(error);
    memset(text, '\n', 100000); /* worst case: each byte becomes four */
    error = adk_error_new(ADK_E_INVALID, 0, text);
    assert_non_null(error);
    assert_int_equal(strlen(adk_error_message_cstr(error)), 4 * 4096 + 3);
    adk_error_free(error);
    free(text);
}

static void test_fail_returns_the_code_and_stores_an_error(void **state)
{
    adk_error *error = NULL;

    (void)state;
    assert_int_equal(adk__fail(&error, ADK_E_SYSTEM, EACCES, "open \"%s\"", "f"), ADK_E_SYSTEM);
    assert_int_equal(adk_error_code(error), ADK_E_SYSTEM);
    assert_int_equal(adk_error_system(error), EACCES);
    assert_string_equal(adk_error_message_cstr(error), "open \"f\": Permission denied");
    adk_error_free(error);
    assert_int_equal(adk__fail(NULL, ADK_E_INVALID, 0, "nobody listens"), ADK_E_INVALID);
    error = (adk_error *)&error; /* whatever was there is overwritten */
    assert_int_equal(adk__fail_nomem(&error), ADK_E_NOMEM);
    assert_null(error);
    assert_int_equal(adk__fail_nomem(NULL), ADK_E_NOMEM);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(adk_error_name_cstr(ADK_OK), "ok");
    assert_string_equal(adk_error_name_cstr(ADK_E_INVALID), "invalid");
    assert_string_equal(adk_error_name_cstr(ADK_E_NOMEM), "nomem");
    assert_string_equal(adk_error_name_cstr(ADK_E_SYSTEM), "system");
    assert_string_equal(adk_error_name_cstr(ADK_E_UNAVAILABLE), "unavailable");
    assert_string_equal(adk_error_name_cstr(ADK_E_BUSY), "busy");
    assert_string_equal(adk_error_name_cstr(ADK_E_UNSUPPORTED), "unsupported");
    assert_string_equal(adk_error_name_cstr(ADK_E_INTERNAL), "internal");
    assert_string_equal(adk_error_name_cstr(1), "unknown");
    assert_string_equal(adk_error_name_cstr(-8), "unknown");
    assert_string_equal(adk_error_name_cstr(INT32_MIN), "unknown");
}

static void test_original_codes(void **state)
{
    (void)state;
    assert_string_equal(adk_error_original_code_cstr(ADK_E_INVALID), "code.sandbox_invalid_request");
    assert_string_equal(adk_error_original_code_cstr(ADK_E_NOMEM), "code.sandbox_execution");
    assert_string_equal(adk_error_original_code_cstr(ADK_E_SYSTEM), "code.sandbox_execution");
    assert_string_equal(adk_error_original_code_cstr(ADK_E_UNAVAILABLE), "code.sandbox_unavailable");
    assert_string_equal(adk_error_original_code_cstr(ADK_E_BUSY), "code.sandbox_unavailable");
    assert_string_equal(adk_error_original_code_cstr(ADK_E_UNSUPPORTED), "code.sandbox_enforcer_unavailable");
    assert_string_equal(adk_error_original_code_cstr(ADK_E_INTERNAL), "code.sandbox_execution");
    assert_non_null(adk_error_original_code_cstr(12345));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_means_out_of_memory),
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_messages_are_one_harmless_line),
        cmocka_unit_test(test_messages_are_cut_at_4_kib),
        cmocka_unit_test(test_fail_returns_the_code_and_stores_an_error),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_original_codes),
    };

    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
