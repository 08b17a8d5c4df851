/*
 * src/core/outcome: outcomes in words and as exit statuses.
 */
#include "support.h"

#include "core/result.h"

static adk_result *make(adk_outcome outcome, uint32_t code)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;

    assert_int_equal(adk_result_new(&request, &result, NULL), ADK_OK);
    assert_int_equal(
        adk_result_set_outcome(result, outcome, ADK_PHASE_NONE, ADK_REASON_NONE, code, adk_bytes_make(NULL, 0)),
        ADK_OK);
    return result;
}

static int status_of(adk_outcome outcome, uint32_t code)
{
    adk_result *result = make(outcome, code);
    int status = adk_result_exit_status(result);

    adk_result_free(result);
    return status;
}

static void test_exit_codes_keep_their_low_bits(void **state)
{
    (void)state;
    assert_int_equal(status_of(ADK_OUTCOME_EXITED, 0), 0);
    assert_int_equal(status_of(ADK_OUTCOME_EXITED, 1), 1);
    assert_int_equal(status_of(ADK_OUTCOME_EXITED, 42), 42);
    assert_int_equal(status_of(ADK_OUTCOME_EXITED, 125), 125);
    assert_int_equal(status_of(ADK_OUTCOME_EXITED, 255), 255);
    assert_int_equal(status_of(ADK_OUTCOME_EXITED, 256), 1); /* not success */
    assert_int_equal(status_of(ADK_OUTCOME_EXITED, 300), 44);
    assert_int_equal(status_of(ADK_OUTCOME_EXITED, 512), 1);
    assert_int_equal(status_of(ADK_OUTCOME_EXITED, 0x80000000u), 1);
    assert_int_equal(status_of(ADK_OUTCOME_EXITED, UINT32_MAX), 255);
}

static void test_exit_statuses(void **state)
{
    (void)state;
    assert_int_equal(status_of(ADK_OUTCOME_TRAPPED, 0), 134);
    assert_int_equal(status_of(ADK_OUTCOME_TIMED_OUT, 0), 124);
    assert_int_equal(status_of(ADK_OUTCOME_MEMORY_LIMIT, 0), 137);
    assert_int_equal(status_of(ADK_OUTCOME_FUEL_EXHAUSTED, 0), 124);
    assert_int_equal(status_of(ADK_OUTCOME_OUTPUT_LIMIT, 0), 141);
    assert_int_equal(status_of(ADK_OUTCOME_CANCELLED, 0), 130);
    assert_int_equal(status_of(ADK_OUTCOME_REJECTED, 0), 126);
    assert_int_equal(status_of(ADK_OUTCOME_SIGNALED, 9), 137);
    assert_int_equal(status_of(ADK_OUTCOME_SIGNALED, 11), 139);
}

static void check_words(adk_outcome outcome, const char *word, const char *status)
{
    assert_string_equal(adk_outcome_cstr(outcome), word);
    assert_string_equal(adk_outcome_status_cstr(outcome), status);
}

static void test_outcome_words(void **state)
{
    (void)state;
    check_words(ADK_OUTCOME_EXITED, "exited", "success");
    check_words(ADK_OUTCOME_TRAPPED, "trapped", "error");
    check_words(ADK_OUTCOME_TIMED_OUT, "timed_out", "timeout");
    check_words(ADK_OUTCOME_MEMORY_LIMIT, "memory_limit", "memory_exceeded");
    check_words(ADK_OUTCOME_FUEL_EXHAUSTED, "fuel_exhausted", "error");
    check_words(ADK_OUTCOME_OUTPUT_LIMIT, "output_limit", "error");
    check_words(ADK_OUTCOME_CANCELLED, "cancelled", "error");
    check_words(ADK_OUTCOME_REJECTED, "rejected", "error");
    check_words(ADK_OUTCOME_SIGNALED, "signaled", "error");
    assert_null(adk_outcome_cstr(9));
    assert_null(adk_outcome_cstr(UINT32_MAX));
    assert_null(adk_outcome_status_cstr(9));
}

static void test_phase_words(void **state)
{
    (void)state;
    assert_null(adk_phase_cstr(ADK_PHASE_NONE));
    assert_string_equal(adk_phase_cstr(ADK_PHASE_QUEUE), "queue");
    assert_string_equal(adk_phase_cstr(ADK_PHASE_COMPILE), "compile");
    assert_string_equal(adk_phase_cstr(ADK_PHASE_INSTANTIATE), "instantiate");
    assert_string_equal(adk_phase_cstr(ADK_PHASE_RUN), "run");
    assert_string_equal(adk_phase_cstr(ADK_PHASE_HOST_CALL), "host_call");
    assert_string_equal(adk_phase_cstr(ADK_PHASE_COLLECT), "collect");
    assert_null(adk_phase_cstr(7));
}

static void test_reason_words(void **state)
{
    (void)state;
    assert_null(adk_reason_cstr(ADK_REASON_NONE));
    assert_string_equal(adk_reason_cstr(ADK_REASON_MALFORMED), "malformed");
    assert_string_equal(adk_reason_cstr(ADK_REASON_UNSUPPORTED_FEATURE), "unsupported_feature");
    assert_string_equal(adk_reason_cstr(ADK_REASON_MISSING_IMPORT), "missing_import");
    assert_string_equal(adk_reason_cstr(ADK_REASON_NO_ENTRY), "no_entry");
    assert_string_equal(adk_reason_cstr(ADK_REASON_TOO_LARGE), "too_large");
    assert_string_equal(adk_reason_cstr(ADK_REASON_COMPILER_MEMORY), "compiler_memory");
    assert_string_equal(adk_reason_cstr(ADK_REASON_COMPILER_FAILED), "compiler_failed");
    assert_string_equal(adk_reason_cstr(ADK_REASON_ENGINE_CRASH), "engine_crash");
    assert_null(adk_reason_cstr(9));
}

/* Whatever went wrong and whatever was cut has a sentence; a clean end has none. */
static void test_hints(void **state)
{
    (void)state;
    for (adk_outcome outcome = ADK_OUTCOME_TIMED_OUT; outcome <= ADK_OUTCOME_OUTPUT_LIMIT; outcome++) {
        adk_result *result = make(outcome, 0);
        const char *hint = adk__result_hint(result);

        assert_non_null(hint);
        assert_int_equal(hint[strlen(hint) - 1], '.');
        adk_result_free(result);
    }
    for (uint32_t code = 0; code < 2; code++) {
        adk_result *result = make(ADK_OUTCOME_EXITED, code);

        assert_null(adk__result_hint(result));
        adk_result_free(result);
    }
}

static void test_the_originals_codes(void **state)
{
    (void)state;
    assert_null(adk_outcome_original_code_cstr(ADK_OUTCOME_EXITED));
    assert_string_equal(adk_outcome_original_code_cstr(ADK_OUTCOME_TIMED_OUT), "code.sandbox_timeout");
    assert_string_equal(adk_outcome_original_code_cstr(ADK_OUTCOME_MEMORY_LIMIT), "code.sandbox_memory");
    assert_string_equal(adk_outcome_original_code_cstr(ADK_OUTCOME_REJECTED), "code.sandbox_execution");
    assert_string_equal(adk_outcome_original_code_cstr(ADK_OUTCOME_TRAPPED), "code.sandbox_execution");
    assert_null(adk_outcome_original_code_cstr(99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes_keep_their_low_bits),
        cmocka_unit_test(test_exit_statuses),
        cmocka_unit_test(test_outcome_words),
        cmocka_unit_test(test_phase_words),
        cmocka_unit_test(test_reason_words),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_the_originals_codes),
    };

    return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
