/* The command's values: durations, sizes, numbers and times, from text and to text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/values.h"

#define UNTOUCHED UINT64_C(0xABCDEF)

typedef const char *(*parser)(const char *text, uint64_t *ret_value);

static void expect(parser parse, const char *text, uint64_t expected)
{
    uint64_t value = UNTOUCHED;

    if (parse(text, &value) != NULL || value != expected)
        fail_msg("\"%s\" gave %llu", text, (unsigned long long)value);
}

static void refuse(parser parse, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = UNTOUCHED;

        if (parse(texts[i], &value) == NULL)
            fail_msg("\"%s\" was taken for %llu", texts[i], (unsigned long long)value);
        assert_int_equal(value, UNTOUCHED);
    }
}

static void test_numbers(void **state)
{
    static const char *const wrong[] = {
        "", " ", "-1", "+1", "1 ", " 1", "0x1", "1e3", "1.", "١", "18446744073709551616", "99999999999999999999999"};

    (void)state;
    expect(cli_number_from_text, "0", 0);
    expect(cli_number_from_text, "007", 7);
    expect(cli_number_from_text, "18446744073709551615", UINT64_MAX);
    refuse(cli_number_from_text, wrong, ADK_COUNT(wrong));
}

static void test_durations(void **state)
{
    static const char *const wrong[] = {
        "",
        "5",
        "s",
        "-1s",
        "+1s",
        "1 s",
        "1s ",
        " 1s",
        "1S",
        "1h",
        "1sec",
        "1.s",
        ".5s",
        "1..5s",
        "1.5",
        "1,5s",
        "0.5ns",
        "1e3s",
        "0x1s",
        "1.0000000001s",
        "18446744073709551616ns",
        "18446744074s",
        "307445735m",
        "nans",
        "18446744073.709551616s",
    };

    (void)state;
    expect(cli_duration_from_text, "0s", 0);
    expect(cli_duration_from_text, "1ns", 1);
    expect(cli_duration_from_text, "5us", 5000);
    expect(cli_duration_from_text, "500ms", 500000000);
    expect(cli_duration_from_text, "2s", 2000000000);
    expect(cli_duration_from_text, "1m", UINT64_C(60000000000));
    expect(cli_duration_from_text, "1.5s", 1500000000);
    expect(cli_duration_from_text, "0.5m", UINT64_C(30000000000));
    expect(cli_duration_from_text, "0.000000001s", 1);
    expect(cli_duration_from_text, "0.1ms", 100000);
    expect(cli_duration_from_text, "1.000000000000000s", 1000000000);
    expect(cli_duration_from_text, "2.0ns", 2);
    expect(cli_duration_from_text, "18446744073.709551615s", UINT64_MAX);
    expect(cli_duration_from_text, "18446744073709551615ns", UINT64_MAX);
    refuse(cli_duration_from_text, wrong, ADK_COUNT(wrong));
}

static void test_sizes(void **state)
{
    static const char *const wrong[] = {"",
                                        "B",
                                        "MiB",
                                        "-1",
                                        "+1",
                                        "1 MiB",
                                        "1MB",
                                        "1mib",
                                        "1M",
                                        "1.5MiB",
                                        "1K",
                                        "64MiBx",
                                        "64MiB ",
                                        "17179869184GiB",
                                        "18446744073709551616"};

    (void)state;
    expect(cli_size_from_text, "0", 0);
    expect(cli_size_from_text, "100", 100);
    expect(cli_size_from_text, "100B", 100);
    expect(cli_size_from_text, "1KiB", 1024);
    expect(cli_size_from_text, "64MiB", UINT64_C(64) << 20);
    expect(cli_size_from_text, "2GiB", UINT64_C(2) << 30);
    expect(cli_size_from_text, "17179869183GiB", UINT64_C(17179869183) << 30);
    expect(cli_size_from_text, "18446744073709551615", UINT64_MAX);
    refuse(cli_size_from_text, wrong, ADK_COUNT(wrong));
}

static void test_times(void **state)
{
    static const char *const wrong[] = {
        "",
        "now",
        "-1",
        "9223372036854775808",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00z ",
        "2024-01-01 00:00:00Z",
        "24-01-01T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-01-00T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.0000000001Z",
        "2024-01-01T00:00:00+1:00",
        "2024-01-01T00:00:00+0100",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+01:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "2262-04-11T23:47:16.854775808Z",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
    };

    (void)state;
    expect(cli_time_from_text, "0", 0);
    expect(cli_time_from_text, "9223372036854775807", INT64_MAX);
    expect(cli_time_from_text, "1970-01-01T00:00:00Z", 0);
    expect(cli_time_from_text, "1970-01-01t00:00:00.000000001z", 1);
    expect(cli_time_from_text, "1969-12-31T23:59:00-00:01", 0);
    expect(cli_time_from_text, "2000-02-29T00:00:00Z", UINT64_C(951782400000000000));
    expect(cli_time_from_text, "2024-02-29T12:00:00.5+01:00", UINT64_C(1709204400500000000));
    expect(cli_time_from_text, "2024-12-31T23:59:59-05:30", UINT64_C(1735709399000000000));
    expect(cli_time_from_text, "2262-04-11T23:47:16.854775807Z", INT64_MAX);
    refuse(cli_time_from_text, wrong, ADK_COUNT(wrong));
}

static void test_formatting(void **state)
{
    char text[CLI_FIGURE_SIZE];

    (void)state;
    assert_string_equal(cli_duration_to_text(0, text), "0ns");
    assert_string_equal(cli_duration_to_text(999, text), "999ns");
    assert_string_equal(cli_duration_to_text(1000, text), "1us");
    assert_string_equal(cli_duration_to_text(1500, text), "1.5us");
    assert_string_equal(cli_duration_to_text(500000000, text), "500ms");
    assert_string_equal(cli_duration_to_text(UINT64_C(30000000000), text), "30s");
    assert_string_equal(cli_duration_to_text(UINT64_C(90000000000), text), "90s");
    assert_string_equal(cli_duration_to_text(1500000000, text), "1.5s");
    assert_string_equal(cli_duration_to_text(1000000001, text), "1.000000001s");
    assert_string_equal(cli_duration_to_text(UINT64_MAX, text), "18446744073.709551615s");
    assert_string_equal(cli_duration_to_short_text(1234567, text), "1.23ms");
    assert_string_equal(cli_duration_to_short_text(12, text), "12ns");
    assert_string_equal(cli_duration_to_short_text(UINT64_MAX, text), "18400000000s");
    assert_string_equal(cli_size_to_text(0, text), "0B");
    assert_string_equal(cli_size_to_text(1023, text), "1023B");
    assert_string_equal(cli_size_to_text(65536, text), "64KiB");
    assert_string_equal(cli_size_to_text(UINT64_C(64) << 20, text), "64MiB");
    assert_string_equal(cli_size_to_text(UINT64_MAX, text), "18446744073709551615B");
}

/* What is written can be read again, and is the same. */
static void test_round_trip(void **state)
{
    char text[CLI_FIGURE_SIZE];
    uint64_t value = 1;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        uint64_t figure = value >> (value % 61);

        value = value * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        expect(cli_duration_from_text, cli_duration_to_text(figure, text), figure);
        expect(cli_size_from_text, cli_size_to_text(figure, text), figure);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_durations),  cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_times),   cmocka_unit_test(test_formatting), cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests_name("cli_values", tests, NULL, NULL);
}
