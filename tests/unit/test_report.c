/*
 * src/core/report: the JSON, read back with a parser. Every key, text and base64, cuts within a character, big numbers.
 */
#include "support.h"

#include <jansson.h>
#include <sodium.h>

#include "core/result.h"

static adk_result *make(const adk_request *given)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;

    request.timeout_ns = 1;
    request.memory_limit_bytes = 1;
    request.output_limit_bytes = 10;
    assert_int_equal(adk_result_new(given == NULL ? &request : given, &result, NULL), ADK_OK);
    return result;
}

/* Seals, writes, checks that it is one line, parses. */
static json_t *report_of(adk_result *result)
{
    char *text = NULL;
    json_error_t why;
    json_t *json;

    adk__result_seal(result, "wasm", "wasm", "wasm");
    assert_int_equal(adk_report_json(result, NULL, &text, NULL), ADK_OK);
    assert_null(strchr(text, '\n'));
    adk_test_keep_report(text);
    json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (json == NULL)
        fail_msg("no JSON: %s: %s", why.text, text);
    adk_free(text);
    return json;
}

static const char *string_of(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    if (!json_is_string(value))
        fail_msg("\"%s\" is no string", key);
    return json_string_value(value);
}

static int64_t integer_of(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);

    if (!json_is_integer(value))
        fail_msg("\"%s\" is no integer", key);
    return json_integer_value(value);
}

static void check_null(const json_t *json, const char *key)
{
    if (!json_is_null(json_object_get(json, key)))
        fail_msg("\"%s\" is missing or not null", key);
}

static const char *const keys[] = {"report",      "status",    "outcome", "phase",  "exit_code",      "trap",
                                   "reason",      "message",   "stdout",  "stderr", "bytes",          "truncated",
                                   "duration_ms", "usage",     "limits",  "files",  "files_complete", "backend",
                                   "language",    "isolation", "hint"};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static void test_every_key_is_there(void **state)
{
    static const char *const usage_keys[] = {"compile_ns", "instantiate_ns", "run_ns",     "cpu_ns",
                                             "cache",      "memory_denied",  "host_calls", "memory_peak_bytes",
                                             "fuel"};
    static const char *const limit_keys[] = {"timeout_ns", "memory_limit_bytes", "output_limit_bytes", "output_policy",
                                             "fuel",       "random_seed",        "clock_start_ns"};
    adk_result *result = make(NULL);
    json_t *json = report_of(result);

    (void)state;
    for (size_t i = 0; i < KEYS; i++)
        assert_non_null(json_object_get(json, keys[i]));
    assert_int_equal(json_object_size(json), KEYS);
    for (size_t i = 0; i < 9; i++)
        assert_non_null(json_object_get(json_object_get(json, "usage"), usage_keys[i]));
    for (size_t i = 0; i < 7; i++)
        assert_non_null(json_object_get(json_object_get(json, "limits"), limit_keys[i]));
    assert_int_equal(integer_of(json, "report"), 1);
    assert_string_equal(string_of(json, "status"), "success");
    assert_string_equal(string_of(json, "outcome"), "exited");
    assert_int_equal(integer_of(json, "exit_code"), 0);
    check_null(json, "phase");
    check_null(json, "trap");
    check_null(json, "reason");
    check_null(json, "message");
    check_null(json, "hint");
    assert_string_equal(string_of(json, "stdout"), "");
    assert_string_equal(string_of(json, "backend"), "wasm");
    assert_true(json_is_array(json_object_get(json, "files")));
    check_null(json_object_get(json, "usage"), "cpu_ns");
    check_null(json_object_get(json, "usage"), "fuel");
    check_null(json_object_get(json, "usage"), "cache");
    check_null(json_object_get(json, "limits"), "fuel");
    check_null(json_object_get(json, "limits"), "random_seed");
    check_null(json_object_get(json, "limits"), "clock_start_ns");
    assert_string_equal(string_of(json_object_get(json, "limits"), "output_policy"), "truncate");
    json_decref(json);
    adk_result_free(result);
}

static void test_every_outcome(void **state)
{
    (void)state;
    for (adk_outcome outcome = 0; outcome <= ADK_OUTCOME_SIGNALED; outcome++) {
        adk_result *result = make(NULL);
        bool has_code = outcome == ADK_OUTCOME_EXITED || outcome == ADK_OUTCOME_SIGNALED;
        json_t *json;

        assert_int_equal(adk_result_set_outcome(result, outcome, ADK_PHASE_HOST_CALL, ADK_REASON_NO_ENTRY, UINT32_MAX,
                                                BYTES("a \"message\"")),
                         ADK_OK);
        json = report_of(result);
        assert_string_equal(string_of(json, "outcome"), adk_outcome_cstr(outcome));
        assert_string_equal(string_of(json, "status"), adk_outcome_status_cstr(outcome));
        assert_string_equal(string_of(json, "phase"), "host_call");
        assert_string_equal(string_of(json, "reason"), "no_entry");
        assert_string_equal(string_of(json, "message"), "a \"message\"");
        if (has_code)
            assert_true(integer_of(json, "exit_code") == UINT32_MAX);
        else
            check_null(json, "exit_code");
        json_decref(json);
        adk_result_free(result);
    }
}

static void append(adk_result *result, int stream, adk_bytes bytes)
{
    assert_int_equal(adk_result_append_output(result, stream, bytes), ADK_OK);
}

static void check_text(adk_bytes written, const char *head, const char *tail)
{
    adk_result *result = make(NULL);
    json_t *json;

    append(result, 2, written);
    json = report_of(result);
    assert_string_equal(string_of(json, "stderr"), head);
    assert_null(json_object_get(json, "stderr_encoding"));
    assert_null(json_object_get(json, "stderr_tail_encoding"));
    assert_int_equal(integer_of(json_object_get(json, "bytes"), "stderr"), (int64_t)written.size);
    assert_int_equal(integer_of(json_object_get(json, "bytes"), "stdout"), 0);
    assert_true(json_is_false(json_object_get(json_object_get(json, "truncated"), "stdout")));
    if (tail == NULL) {
        assert_null(json_object_get(json, "stderr_tail"));
        assert_true(json_is_false(json_object_get(json_object_get(json, "truncated"), "stderr")));
    } else {
        assert_string_equal(string_of(json, "stderr_tail"), tail);
        assert_true(json_is_true(json_object_get(json_object_get(json, "truncated"), "stderr")));
        assert_non_null(strstr(string_of(json, "hint"), "output"));
    }
    json_decref(json);
    adk_result_free(result);
}

/* The limit is 10 bytes. */
static void test_text_output(void **state)
{
    (void)state;
    check_text(BYTES("0123456789"), "0123456789", NULL);
    check_text(BYTES("0123456789a"), "0123456789", "a");
    check_text(BYTES("gr\xc3\xbc\xc3\x9f\n\x1b[m"), "gr\xc3\xbc\xc3\x9f\n\x1b[m", NULL);
}

/* A cut within a character leaves text text: its first bytes go to the tail, where the rest of it is. */
static void test_a_cut_within_a_character(void **state)
{
    (void)state;
    check_text(BYTES("012345678\xc3\xbcz"), "012345678", "\xc3\xbcz");
    check_text(BYTES("012345678\xe2\x82\xacz"), "012345678", "\xe2\x82\xacz");
    check_text(BYTES("01234567\xe2\x82\xacz"), "01234567", "\xe2\x82\xacz");
    check_text(BYTES("0123456\xe2\x82\xacz"), "0123456\xe2\x82\xac", "z");
    check_text(BYTES("012345678\xf0\x9f\x98\x80z"), "012345678", "\xf0\x9f\x98\x80z");
    check_text(BYTES("01234567\xf0\x9f\x98\x80z"), "01234567", "\xf0\x9f\x98\x80z");
    check_text(BYTES("0123456\xf0\x9f\x98\x80z"), "0123456", "\xf0\x9f\x98\x80z");
    check_text(BYTES("012345\xf0\x9f\x98\x80z"), "012345\xf0\x9f\x98\x80", "z");
}

/* Where there is a gap between the two, what is left of a character on either side of it goes. */
static void test_a_gap_within_characters(void **state)
{
    for (size_t shift = 0; shift < 3; shift++) {
        adk_result *result = make(NULL);
        json_t *json;
        const char *tail;

        for (size_t i = 0; i < shift; i++)
            append(result, 1, BYTES("a"));
        for (size_t i = 0; i < 40000; i++)
            append(result, 1, BYTES("\xe2\x82\xac"));
        json = report_of(result);
        tail = string_of(json, "stdout_tail");
        assert_null(json_object_get(json, "stdout_encoding"));
        assert_null(json_object_get(json, "stdout_tail_encoding"));
        assert_int_equal(strlen(string_of(json, "stdout")), shift + (10 - shift) / 3 * 3);
        assert_int_equal(strlen(tail), ADK_OUTPUT_TAIL_BYTES / 3 * 3);
        assert_memory_equal(tail, "\xe2\x82\xac", 3);
        json_decref(json);
        adk_result_free(result);
    }
    (void)state;
}

/* The guest was stopped within a character: there is nothing after the head. */
static void test_a_stop_within_a_character(void **state)
{
    adk_result *result = make(NULL);
    json_t *json;

    (void)state;
    append(result, 1, BYTES("01234567\xe2\x82"));
    adk__capture_drop(&result->output[0], 1);
    json = report_of(result);
    assert_string_equal(string_of(json, "stdout"), "01234567");
    assert_string_equal(string_of(json, "stdout_tail"), "");
    json_decref(json);
    adk_result_free(result);
}

static void check_base64(const json_t *json, const char *key, const char *encoding_key, const void *bytes, size_t size)
{
    const char *text = string_of(json, key);
    unsigned char decoded[100];
    size_t decoded_size = 0;

    assert_string_equal(string_of(json, encoding_key), "base64");
    assert_int_equal(sodium_base642bin(decoded, sizeof(decoded), text, strlen(text), NULL, &decoded_size, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    assert_int_equal(decoded_size, size);
    assert_memory_equal(decoded, bytes, size);
}

static void test_row_19_what_is_not_text_comes_as_base64(void **state)
{
    adk_result *result = make(NULL);
    json_t *json;

    (void)state;
    append(result, 1, BYTES("ab\xff"));
    append(result, 2, BYTES("text"));
    json = report_of(result);
    check_base64(json, "stdout", "stdout_encoding", "ab\xff", 3);
    assert_string_equal(string_of(json, "stderr"), "text");
    assert_null(json_object_get(json, "stderr_encoding"));
    json_decref(json);
    adk_result_free(result);
}

/* Without a cut the end of the output is the guest's: half a character there is not text. */
static void test_half_a_character_without_a_cut_is_not_text(void **state)
{
    adk_result *result = make(NULL);
    json_t *json;

    (void)state;
    append(result, 1, BYTES("ab\xe2\x82"));
    json = report_of(result);
    check_base64(json, "stdout", "stdout_encoding", "ab\xe2\x82", 4);
    json_decref(json);
    adk_result_free(result);
}

static void test_base64_keeps_every_byte_of_head_and_tail(void **state)
{
    adk_result *result = make(NULL);
    json_t *json;

    (void)state;
    append(result, 1,
           BYTES("\xff"
                 "12345678\xe2\x82\xac\xff"));
    json = report_of(result);
    check_base64(json, "stdout", "stdout_encoding",
                 "\xff"
                 "12345678\xe2",
                 10);
    check_base64(json, "stdout_tail", "stdout_tail_encoding", "\x82\xac\xff", 3);
    json_decref(json);
    adk_result_free(result);
}

/* Half of the ring's first character was overwritten, perhaps; a tail of nothing but continuation bytes is not text. */
static void test_a_tail_of_continuation_bytes(void **state)
{
    adk_result *result = make(NULL);
    json_t *json;

    (void)state;
    append(result, 1, BYTES("0123456789\x80\x80\x80\x80"));
    json = report_of(result);
    check_base64(json, "stdout_tail", "stdout_tail_encoding", "\x80\x80\x80\x80", 4);
    json_decref(json);
    adk_result_free(result);
}

static void test_nul_is_text(void **state)
{
    adk_result *result = make(NULL);
    json_t *json;

    (void)state;
    append(result, 1, adk_bytes_make("a\0b", 3));
    json = report_of(result);
    assert_int_equal(json_string_length(json_object_get(json, "stdout")), 3);
    assert_memory_equal(string_of(json, "stdout"), "a\0b", 3);
    json_decref(json);
    adk_result_free(result);
}

/* The output stopped at its limit has a head and no tail. */
static void test_stopped_output(void **state)
{
    adk_result *result = make(NULL);
    json_t *json;

    (void)state;
    append(result, 1, BYTES("0123456789"));
    adk__capture_drop(&result->output[0], 5);
    json = report_of(result);
    assert_string_equal(string_of(json, "stdout"), "0123456789");
    assert_string_equal(string_of(json, "stdout_tail"), "");
    assert_int_equal(integer_of(json_object_get(json, "bytes"), "stdout"), 15);
    json_decref(json);
    adk_result_free(result);
}

static void test_numbers_above_2_to_the_53rd(void **state)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_usage usage = ADK_USAGE_INIT;
    adk_result *result;
    const json_t *limits;
    json_t *json;

    (void)state;
    request.timeout_ns = 1;
    request.memory_limit_bytes = 1;
    request.output_limit_bytes = 10;
    request.output_policy = ADK_OUTPUT_STOP;
    request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    request.random_seed = UINT64_MAX;
    request.clock_start_ns = INT64_MAX;
    request.timeout_ns = INT64_MAX;
    request.fuel = INT64_MAX;
    result = make(&request);
    usage.measured = ADK_USAGE_CPU | ADK_USAGE_FUEL;
    usage.cpu_ns = UINT64_MAX;
    usage.fuel = 7;
    usage.cache = ADK_CACHE_HIT;
    assert_int_equal(adk_result_set_usage(result, &usage), ADK_OK);
    json = report_of(result);
    limits = json_object_get(json, "limits");
    assert_string_equal(string_of(limits, "random_seed"), "18446744073709551615"); /* text: JSON readers use doubles */
    assert_true(integer_of(limits, "clock_start_ns") == INT64_MAX);
    assert_true(integer_of(limits, "timeout_ns") == INT64_MAX);
    assert_true(integer_of(limits, "fuel") == INT64_MAX);
    assert_string_equal(string_of(limits, "output_policy"), "stop");
    assert_true(integer_of(json_object_get(json, "usage"), "cpu_ns") == INT64_MAX);
    assert_int_equal(integer_of(json_object_get(json, "usage"), "fuel"), 7);
    assert_string_equal(string_of(json_object_get(json, "usage"), "cache"), "hit");
    json_decref(json);
    adk_result_free(result);
}

static void test_a_seed_of_0_is_reported(void **state)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result;
    json_t *json;

    (void)state;
    request.timeout_ns = 1;
    request.memory_limit_bytes = 1;
    request.output_limit_bytes = 10;
    request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    result = make(&request);
    json = report_of(result);
    assert_string_equal(string_of(json_object_get(json, "limits"), "random_seed"), "0");
    assert_int_equal(integer_of(json_object_get(json, "limits"), "clock_start_ns"), 0);
    json_decref(json);
    adk_result_free(result);
}

static void test_error_reports(void **state)
{
    adk_error *error = adk_error_new(ADK_E_INVALID, 0, "what \"was\" wrong\n");
    char *text = NULL;
    json_t *json;

    (void)state;
    assert_int_equal(adk_report_error_json(error, &text, NULL), ADK_OK);
    adk_test_keep_report(text);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    for (size_t i = 0; i < KEYS; i++)
        assert_non_null(json_object_get(json, keys[i]));
    check_null(json, "outcome");
    assert_string_equal(string_of(json, "status"), "error");
    assert_string_equal(string_of(json, "reason"), "invalid");
    assert_string_equal(string_of(json, "code"), "code.sandbox_invalid_request");
    assert_string_equal(string_of(json, "message"), "what \"was\" wrong\\x0a");
    json_decref(json);
    adk_free(text);
    adk_error_free(error);
}

/* Names of files and of backends are bytes: what is not UTF-8 in them is escaped, and the report is made all the same. */
static void test_words_that_are_not_text(void **state)
{
    adk_report_options options = ADK_REPORT_OPTIONS_INIT;
    adk_result *result = make(NULL);
    char *text = NULL;
    json_t *json;

    (void)state;
    options.output_error_cstr = "cannot write \"a\xff\"";
    adk__result_seal(result, "back\xc3", "wasm", "wasm");
    assert_int_equal(adk_report_json(result, &options, &text, NULL), ADK_OK);
    adk_test_keep_report(text);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_string_equal(string_of(json, "output_error"), "cannot write \"a\\xff\"");
    assert_string_equal(string_of(json, "backend"), "back\\xc3");
    json_decref(json);
    adk_free(text);
    adk_result_free(result);
}

static void test_an_error_report_without_an_error(void **state)
{
    char *text = NULL;
    json_t *json;

    (void)state;
    assert_int_equal(adk_report_error_json(NULL, &text, NULL), ADK_OK);
    adk_test_keep_report(text);
    json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_string_equal(string_of(json, "reason"), "nomem");
    assert_string_equal(string_of(json, "message"), "out of memory");
    json_decref(json);
    adk_free(text);
}

/* A trap, as the engine's backend sets it. */
static void test_traps(void **state)
{
    adk_result *result = make(NULL);
    const json_t *trap;
    json_t *json;

    (void)state;
    result->outcome = ADK_OUTCOME_TRAPPED;
    result->trap_kind = "unreachable";
    assert_int_equal(adk__buf_printf(&result->trap_message, "why"), 0);
    result->frames = calloc(2, sizeof(*result->frames));
    assert_non_null(result->frames);
    result->frame_count = 2;
    result->frames[0].function_name = BYTES("main");
    result->frames[1].function_index = 7;
    json = report_of(result);
    trap = json_object_get(json, "trap");
    assert_string_equal(string_of(trap, "kind"), "unreachable");
    assert_string_equal(string_of(trap, "message"), "why");
    assert_string_equal(json_string_value(json_array_get(json_object_get(trap, "backtrace"), 0)), "main");
    assert_string_equal(json_string_value(json_array_get(json_object_get(trap, "backtrace"), 1)), "function[7]");
    assert_int_equal(json_array_size(json_object_get(trap, "backtrace")), 2);
    assert_string_equal(string_of(json, "status"), "error");
    json_decref(json);
    adk_result_free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_is_there),
        cmocka_unit_test(test_every_outcome),
        cmocka_unit_test(test_text_output),
        cmocka_unit_test(test_a_cut_within_a_character),
        cmocka_unit_test(test_a_gap_within_characters),
        cmocka_unit_test(test_a_stop_within_a_character),
        cmocka_unit_test(test_row_19_what_is_not_text_comes_as_base64),
        cmocka_unit_test(test_half_a_character_without_a_cut_is_not_text),
        cmocka_unit_test(test_base64_keeps_every_byte_of_head_and_tail),
        cmocka_unit_test(test_a_tail_of_continuation_bytes),
        cmocka_unit_test(test_nul_is_text),
        cmocka_unit_test(test_stopped_output),
        cmocka_unit_test(test_numbers_above_2_to_the_53rd),
        cmocka_unit_test(test_a_seed_of_0_is_reported),
        cmocka_unit_test(test_error_reports),
        cmocka_unit_test(test_words_that_are_not_text),
        cmocka_unit_test(test_an_error_report_without_an_error),
        cmocka_unit_test(test_traps),
    };

    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
