/*
 * src/core/request: everything that is checked in a request, and the defaults that are filled in.
 */
#include "support.h"

#include "core/request.h"

#define ALL UINT32_MAX

static adk_request valid(void)
{
    adk_request request = ADK_REQUEST_INIT;

    request.code = BYTES("(module)");
    request.timeout_ns = SECOND;
    return request;
}

static void check_refused_by(const adk_request *request, uint32_t enforced, int code, const char *part)
{
    adk_request read;
    adk_request before;
    adk_error *error = NULL;

    memset(&read, 0x5a, sizeof(read));
    memset(&before, 0x5a, sizeof(before));
    assert_int_equal(adk__request_read(request, enforced, &read, &error), code);
    assert_non_null(error);
    assert_int_equal(adk_error_code(error), code);
    if (strstr(adk_error_message_cstr(error), part) == NULL)
        fail_msg("\"%s\" has no \"%s\"", adk_error_message_cstr(error), part);
    assert_memory_equal(&read, &before, sizeof(read)); /* not written on error */
    adk_error_free(error);
    assert_int_equal(adk__request_read(request, enforced, &read, NULL), code);
}

static void check_refused(const adk_request *request, const char *part)
{
    check_refused_by(request, ALL, ADK_E_INVALID, part);
}

static adk_request check_read(const adk_request *request)
{
    adk_request read;
    adk_error *error = NULL;

    if (adk__request_read(request, ALL, &read, &error) != ADK_OK)
        fail_msg("refused: %s", adk_error_message_cstr(error));
    assert_null(error);
    return read;
}

static void test_defaults_are_filled_in(void **state)
{
    adk_request request = valid();
    adk_request read = check_read(&request);

    (void)state;
    assert_int_equal(read.struct_size, sizeof(read));
    assert_int_equal(read.memory_limit_bytes, 64 << 20);
    assert_int_equal(read.output_limit_bytes, 1 << 20);
    assert_int_equal(read.output_policy, ADK_OUTPUT_TRUNCATE);
    assert_int_equal(read.outputs_limit_bytes, 64 << 20);
    assert_int_equal(read.fuel, 0);
    assert_int_equal(read.timeout_ns, SECOND);
    assert_int_equal(read.language, ADK_LANGUAGE_DEFAULT);
    assert_ptr_equal(read.code.data, request.code.data);
}

static void test_what_is_given_is_kept(void **state)
{
    static const adk_bytes args[] = {{"a", 1}};
    static const adk_env env[] = {{{"N", 1}, {"v", 1}}};
    adk_request request = valid();
    adk_request read;

    (void)state;
    request.args = args;
    request.args_count = 1;
    request.env = env;
    request.env_count = 1;
    request.memory_limit_bytes = 1;
    request.output_limit_bytes = 2;
    request.output_policy = ADK_OUTPUT_STOP;
    request.fuel = 3;
    request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK | ADK_REQUEST_CPU_TIME;
    request.random_seed = UINT64_MAX;
    request.clock_start_ns = INT64_MAX;
    request.outputs_limit_bytes = 4;
    read = check_read(&request);
    assert_memory_equal(&read, &request, sizeof(read));
}

static void test_times_and_fuel_are_clamped_to_63_bits(void **state)
{
    adk_request request = valid();
    adk_request read;

    (void)state;
    request.timeout_ns = UINT64_MAX;
    request.fuel = UINT64_MAX;
    read = check_read(&request);
    assert_true(read.timeout_ns == INT64_MAX);
    assert_true(read.fuel == INT64_MAX);
    request.timeout_ns = 1;
    request.fuel = 1;
    read = check_read(&request);
    assert_int_equal(read.timeout_ns, 1);
    assert_int_equal(read.fuel, 1);
}

static void test_row_21_a_timeout_of_0_is_refused(void **state)
{
    adk_request request = valid();

    (void)state;
    request.timeout_ns = 0;
    check_refused(&request, "timeout");
}

static void test_struct_size(void **state)
{
    adk_request request = valid();
    struct {
        adk_request known;
        uint64_t unknown[2];
    } later = {valid(), {0, 0}};
    adk_request read;

    (void)state;
    for (size_t size = 0; size < sizeof(size_t); size++) {
        request.struct_size = size;
        check_refused(&request, "struct_size");
    }
    later.known.struct_size = sizeof(later);
    read = check_read(&later.known);
    assert_int_equal(read.struct_size, sizeof(read));
    later.unknown[1] = (uint64_t)1 << 56;
    check_refused(&later.known, "struct_size");
    later.unknown[1] = 0;
    later.unknown[0] = 1;
    check_refused(&later.known, "struct_size");
}

/* An older caller's request ends before the fields that came later. */
static void test_shorter_structs_have_defaults_for_the_rest(void **state)
{
    adk_request request = valid();
    adk_request read;

    (void)state;
    request.fuel = 7;
    request.module = (const adk_wasm_module *)&request;
    request.struct_size = offsetof(adk_request, fuel);
    read = check_read(&request);
    assert_int_equal(read.fuel, 0);
    assert_null(read.module);
    assert_int_equal(read.struct_size, sizeof(read));
    request.struct_size = offsetof(adk_request, timeout_ns); /* so old that it has no timeout */
    check_refused(&request, "timeout");
}

static void test_numbers_that_mean_nothing_are_refused(void **state)
{
    adk_request request = valid();

    (void)state;
    request.language = ADK_LANGUAGE_COMMAND + 1;
    check_refused(&request, "language 7");
    request.language = UINT32_MAX;
    check_refused(&request, "language");
    request = valid();
    request.output_policy = ADK_OUTPUT_STOP + 1;
    check_refused(&request, "output policy 2");
    request = valid();
    request.flags = ADK_REQUEST_CPU_TIME << 1;
    check_refused(&request, "flags 0x8");
    request.flags = UINT32_MAX;
    check_refused(&request, "flags");
    request = valid();
    request.clock_start_ns = (uint64_t)INT64_MAX + 1;
    check_refused(&request, "clock");
}

/* What is wrong must be named: it is the field `reserved`, not a flag. */
static void test_the_reserved_field_must_be_0(void **state)
{
    adk_request request = valid();

    (void)state;
    request.reserved = 1;
    check_refused(&request, "reserved");
}

static void test_limits_above_their_maximum_are_refused(void **state)
{
    adk_request request = valid();

    (void)state;
    request.memory_limit_bytes = ADK_MEMORY_LIMIT_MAX_BYTES;
    request.output_limit_bytes = ADK_OUTPUT_LIMIT_MAX_BYTES;
    (void)check_read(&request);
    request.memory_limit_bytes++;
    check_refused(&request, "memory limit");
    request.memory_limit_bytes = UINT64_MAX;
    check_refused(&request, "memory limit");
    request = valid();
    request.output_limit_bytes = ADK_OUTPUT_LIMIT_MAX_BYTES + 1;
    check_refused(&request, "output limit");
}

static void test_null_with_a_size_is_refused(void **state)
{
    static const adk_bytes broken_arg[] = {{"a", 1}, {NULL, 1}};
    static const adk_env broken_name[] = {{{NULL, 1}, {"v", 1}}};
    static const adk_env broken_value[] = {{{"N", 1}, {NULL, 1}}};
    adk_request request = valid();

    (void)state;
    request.code = adk_bytes_make(NULL, 1);
    check_refused(&request, "code is NULL");
    request = valid();
    request.stdin_data = adk_bytes_make(NULL, 1);
    check_refused(&request, "stdin is NULL");
    request = valid();
    request.args_count = 1;
    check_refused(&request, "args is NULL");
    request.args = broken_arg;
    request.args_count = 2;
    check_refused(&request, "argument 1");
    request = valid();
    request.env_count = 1;
    check_refused(&request, "env is NULL");
    request.env = broken_name;
    check_refused(&request, "variable 0");
    request.env = broken_value;
    check_refused(&request, "variable 0");
}

static void test_nul_in_arguments_is_refused(void **state)
{
    static const adk_bytes nul[] = {{"a\0b", 3}};
    static const adk_bytes last[] = {{"ab\0", 3}};
    static const adk_bytes empty[] = {{NULL, 0}, {"", 0}};
    adk_request request = valid();

    (void)state;
    request.args = nul;
    request.args_count = 1;
    check_refused(&request, "argument 0 has a NUL");
    request.args = last;
    check_refused(&request, "argument 0 has a NUL");
    request.args = empty;
    request.args_count = 2;
    (void)check_read(&request);
}

static void check_variable(adk_bytes name, adk_bytes value, const char *part)
{
    adk_env env[2] = {{{"OK", 2}, {"1", 1}}, {{NULL, 0}, {NULL, 0}}};
    adk_request request = valid();

    env[1].name = name;
    env[1].value = value;
    request.env = env;
    request.env_count = 2;
    if (part == NULL)
        (void)check_read(&request);
    else
        check_refused(&request, part);
}

static void test_environment_variables(void **state)
{
    (void)state;
    check_variable(BYTES("N"), BYTES("v"), NULL);
    check_variable(BYTES("N"), BYTES("a=b"), NULL);
    check_variable(BYTES("N"), adk_bytes_make(NULL, 0), NULL);
    check_variable(BYTES("N\xff"), BYTES("\xff"), NULL);
    check_variable(BYTES(""), BYTES("v"), "empty name");
    check_variable(adk_bytes_make(NULL, 0), BYTES("v"), "empty name");
    check_variable(BYTES("="), BYTES("v"), "\"=\"");
    check_variable(BYTES("A=B"), BYTES("v"), "\"=\"");
    check_variable(BYTES("A="), BYTES("v"), "\"=\"");
    check_variable(adk_bytes_make("A\0", 2), BYTES("v"), "NUL");
    check_variable(BYTES("A"), adk_bytes_make("\0", 1), "NUL");
}

static void test_arguments_and_environment_are_bounded_together(void **state)
{
    size_t half = ADK_ARGS_MAX_BYTES / 2;
    char *text = malloc(half);
    adk_bytes args[1];
    adk_env env[1];
    adk_request request = valid();

    (void)state;
    assert_non_null(text);
    memset(text, 'x', half);
    args[0] = adk_bytes_make(text, half - 1); /* and its NUL */
    env[0].name = adk_bytes_make(text, 10);
    env[0].value = adk_bytes_make(text, half - 12); /* and '=' and NUL */
    request.args = args;
    request.args_count = 1;
    request.env = env;
    request.env_count = 1;
    (void)check_read(&request);
    args[0].size++;
    check_refused(&request, "arguments and environment");
    args[0].size--;
    env[0].value.size++;
    check_refused(&request, "arguments and environment");
    free(text);
}

static void test_many_empty_arguments_are_bounded(void **state)
{
    size_t count = ADK_ARGS_MAX_BYTES + 1;
    adk_bytes *args = calloc(count, sizeof(*args));
    adk_request request = valid();

    (void)state;
    assert_non_null(args);
    request.args = args;
    request.args_count = count;
    check_refused(&request, "arguments and environment");
    request.args_count = count - 1;
    (void)check_read(&request);
    free(args);
}

static void test_code_or_a_module_but_not_both(void **state)
{
    adk_request request = valid();

    (void)state;
    request.module = (const adk_wasm_module *)&request;
    check_refused(&request, "both");
    request.code = adk_bytes_make(NULL, 0);
    (void)check_read(&request);
}

static void test_what_is_not_enforced_is_refused(void **state)
{
    const uint32_t timeout = ADK_ENFORCES_TIMEOUT;
    adk_request request = valid();
    adk_request read;

    (void)state;
    check_refused_by(&request, 0, ADK_E_UNSUPPORTED, "timeout_ns");
    check_refused_by(&request, ALL & ~timeout, ADK_E_UNSUPPORTED, "timeout_ns");
    assert_int_equal(adk__request_read(&request, timeout, &read, NULL), ADK_OK);
    request.memory_limit_bytes = 1;
    check_refused_by(&request, timeout, ADK_E_UNSUPPORTED, "memory_limit_bytes");
    assert_int_equal(adk__request_read(&request, timeout | ADK_ENFORCES_MEMORY, &read, NULL), ADK_OK);
    request = valid();
    request.fuel = 1;
    check_refused_by(&request, timeout, ADK_E_UNSUPPORTED, "fuel");
    assert_int_equal(adk__request_read(&request, timeout | ADK_ENFORCES_FUEL, &read, NULL), ADK_OK);
    request = valid();
    request.flags = ADK_REQUEST_SEED;
    check_refused_by(&request, timeout, ADK_E_UNSUPPORTED, "random_seed");
    assert_int_equal(adk__request_read(&request, timeout | ADK_ENFORCES_DETERMINISM, &read, NULL), ADK_OK);
    request.flags = ADK_REQUEST_CLOCK;
    check_refused_by(&request, timeout, ADK_E_UNSUPPORTED, "clock_start_ns");
    request = valid();
    request.output_policy = ADK_OUTPUT_STOP;
    check_refused_by(&request, timeout, ADK_E_UNSUPPORTED, "output_policy");
    assert_int_equal(adk__request_read(&request, timeout | ADK_ENFORCES_OUTPUT, &read, NULL), ADK_OK);
}

static void test_files_and_outputs(void **state)
{
    adk_file file = {BYTES("/in"), {NULL, 0}, NULL};
    adk_bytes output = BYTES("/out");
    adk_request request = valid();

    (void)state;
    request.files = &file;
    request.files_count = 1;
    request.outputs = &output;
    request.outputs_count = 1;
    (void)check_read(&request);
    check_refused_by(&request, ADK_ENFORCES_TIMEOUT, ADK_E_UNSUPPORTED, "files");
    file.content = adk_bytes_make(NULL, 1);
    check_refused(&request, "file 0");
    file.content = BYTES("x");
    file.host_path_cstr = "/etc/hostname";
    check_refused(&request, "file 0");
    file.host_path_cstr = NULL;
    file.path = adk_bytes_make(NULL, 0);
    check_refused(&request, "file 0");
    file.path = adk_bytes_make("a\0b", 3);
    check_refused(&request, "file 0");
    file.path = BYTES("/in");
    output = adk_bytes_make(NULL, 0);
    check_refused(&request, "output 0");
    output = BYTES("/out");
    request.files_count = ADK_FILES_MAX + 1;
    check_refused(&request, "files");
    request.files_count = 1;
    request.outputs_count = ADK_OUTPUTS_MAX + 1;
    check_refused(&request, "outputs");
    request.outputs_count = 1;
    request.outputs_limit_bytes = ADK_OUTPUTS_LIMIT_MAX_BYTES + 1;
    check_refused(&request, "outputs");
    request.outputs_limit_bytes = ADK_OUTPUTS_LIMIT_MAX_BYTES;
    (void)check_read(&request);
    request.files = NULL;
    check_refused(&request, "files");
}

static void test_languages(void **state)
{
    static const char *const words[] = {"wasm", "rust", "python", "javascript", "typescript", "command"};

    (void)state;
    for (adk_language language = 1; language <= 6; language++) {
        assert_string_equal(adk_language_cstr(language), words[language - 1]);
        assert_int_equal(adk_language_from_word(adk_bytes_from_cstr(words[language - 1])), language);
    }
    assert_null(adk_language_cstr(0));
    assert_null(adk_language_cstr(7));
    assert_int_equal(adk_language_from_word(BYTES("Wasm")), 0);
    assert_int_equal(adk_language_from_word(BYTES("was")), 0);
    assert_int_equal(adk_language_from_word(BYTES("wasm2")), 0);
    assert_int_equal(adk_language_from_word(adk_bytes_make("wasm\0", 5)), 0);
    assert_int_equal(adk_language_from_word(adk_bytes_make(NULL, 0)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_filled_in),
        cmocka_unit_test(test_what_is_given_is_kept),
        cmocka_unit_test(test_times_and_fuel_are_clamped_to_63_bits),
        cmocka_unit_test(test_row_21_a_timeout_of_0_is_refused),
        cmocka_unit_test(test_struct_size),
        cmocka_unit_test(test_shorter_structs_have_defaults_for_the_rest),
        cmocka_unit_test(test_numbers_that_mean_nothing_are_refused),
        cmocka_unit_test(test_the_reserved_field_must_be_0),
        cmocka_unit_test(test_limits_above_their_maximum_are_refused),
        cmocka_unit_test(test_null_with_a_size_is_refused),
        cmocka_unit_test(test_nul_in_arguments_is_refused),
        cmocka_unit_test(test_environment_variables),
        cmocka_unit_test(test_arguments_and_environment_are_bounded_together),
        cmocka_unit_test(test_many_empty_arguments_are_bounded),
        cmocka_unit_test(test_code_or_a_module_but_not_both),
        cmocka_unit_test(test_what_is_not_enforced_is_refused),
        cmocka_unit_test(test_files_and_outputs),
        cmocka_unit_test(test_languages),
    };

    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
