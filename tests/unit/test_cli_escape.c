/* Escaping: names in messages, and guest output on its way to a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/escape.h"

static void expect_name(const char *name, const char *expected)
{
    struct cli_name shown;

    assert_string_equal(cli_name_cstr(name, &shown), expected);
}

static void test_names(void **state)
{
    struct cli_name shown;

    (void)state;
    expect_name("", "");
    expect_name("plain.wasm", "plain.wasm");
    expect_name("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    expect_name("\x1b[31m\n\t\r\x7f", "\\x1B[31m\\x0A\\x09\\x0D\\x7F");
    expect_name("\xff\xfe", "\\xFF\\xFE");
    expect_name("\xc2\x9b", "\\xC2\\x9B");                   /* C1: CSI */
    expect_name("\xc0\xaf", "\\xC0\\xAF");                   /* overlong */
    expect_name("\xe0\x80\xaf", "\\xE0\\x80\\xAF");          /* overlong */
    expect_name("\xed\xa0\x80", "\\xED\\xA0\\x80");          /* surrogate */
    expect_name("\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"); /* above U+10FFFF */
    expect_name("\xe2\x82", "\\xE2\\x82");                   /* cut off */
    expect_name("a\xe2\x80\xae"
                "fdp",
                "a\\xE2\\x80\\xAE"
                "fdp"); /* right to left */
    expect_name("\xe2\x80\x8b\xc2\xad\xef\xbb\xbf", "\\xE2\\x80\\x8B\\xC2\\xAD\\xEF\\xBB\\xBF");
    expect_name("\xf3\xa0\x80\x81\xf3\xa0\x82\x80", "\\xF3\\xA0\\x80\\x81\xf3\xa0\x82\x80"); /* tags end at U+E007F */
    expect_name("\xe2\x80\x90\xd7\x90", "\xe2\x80\x90\xd7\x90");
    assert_string_equal(cli_name(adk_bytes_make("a\0b", 3), &shown), "a\\x00b");
    assert_string_equal(cli_name(adk_bytes_make(NULL, 0), &shown), "");
}

static void test_cutting(void **state)
{
    char long_name[CLI_NAME_MAX + 2];
    struct cli_name shown;

    (void)state;
    memset(long_name, 'a', sizeof(long_name));
    assert_int_equal(strlen(cli_name(adk_bytes_make(long_name, CLI_NAME_MAX), &shown)), CLI_NAME_MAX);
    (void)cli_name(adk_bytes_make(long_name, CLI_NAME_MAX + 1), &shown);
    assert_int_equal(strlen(shown.text), CLI_NAME_MAX + 3);
    assert_string_equal(shown.text + CLI_NAME_MAX, "...");
    memset(long_name, 1, sizeof(long_name));
    assert_int_equal(strlen(cli_name(adk_bytes_make(long_name, sizeof(long_name)), &shown)), CLI_NAME_MAX + 3);
    /* Never in the middle of a character. */
    memset(long_name, 'a', sizeof(long_name));
    memcpy(long_name + CLI_NAME_MAX - 1, "\xc3\xa9", 2);
    (void)cli_name(adk_bytes_make(long_name, CLI_NAME_MAX + 1), &shown);
    assert_string_equal(shown.text + CLI_NAME_MAX - 1, "...");
}

/* Feeds `input` in pieces of `step` bytes and with little room for what comes out. */
static void expect_visible(const char *input, size_t size, size_t step, const char *expected)
{
    struct cli_visible visible = {0};
    char shown[512];
    size_t used = 0;

    for (size_t at = 0; at < size; at += step) {
        adk_bytes piece = adk_bytes_make(input + at, size - at < step ? size - at : step);

        while (piece.size > 0) {
            assert_true(sizeof(shown) - used > CLI_VISIBLE_ROOM + 2);
            used += cli_visible_fill(&visible, &piece, shown + used, CLI_VISIBLE_ROOM + 2);
        }
    }
    used += cli_visible_finish(&visible, shown + used);
    shown[used] = '\0';
    assert_string_equal(shown, expected);
}

static void test_visible(void **state)
{
    static const struct {
        const char *input;
        size_t size;
        const char *expected;
    } cases[] = {
#define CASE(input, expected) {input, sizeof(input) - 1, expected}
        CASE("", ""),
        CASE("a\tb\n", "a\tb\n"),
        CASE("\x1b[31mred\x1b[0m", "^[[31mred^[[0m"),
        CASE("\0\a\b\x7f", "^@^G^H^?"),
        CASE("one\r\ntwo\rthree\r", "one\r\ntwo^Mthree^M"),
        CASE("\r\r\n\r", "^M\r\n^M"),
        CASE("\r\x1b", "^M^["),
        CASE("\r\xe2\x82\xac", "^M\xe2\x82\xac"),
        CASE("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
        CASE("\xc2\x9b"
             "31m",
             "\\xC2\\x9B"
             "31m"),
        CASE("\xff\xe2\x82x\xe2", "\\xFF\\xE2\\x82x\\xE2"),
        CASE("\xe2\r\n", "\\xE2\r\n"),
        CASE("\xf0\x9f\x98\r", "\\xF0\\x9F\\x98^M"),
        CASE("\xf0\x9f\x98\xf0\x9f\x98\x80", "\\xF0\\x9F\\x98\xf0\x9f\x98\x80"),
        CASE("\xed\xa0\x80", "\\xED\\xA0\\x80"),
        CASE("\xe2\x82", "\\xE2\\x82"),
#undef CASE
    };

    (void)state;
    for (size_t i = 0; i < ADK_COUNT(cases); i++) {
        for (size_t step = 1; step < 8; step++)
            expect_visible(cases[i].input, cases[i].size, step, cases[i].expected);
        expect_visible(cases[i].input, cases[i].size, 1000, cases[i].expected);
    }
}

/* Whatever comes, nothing but text goes out, and no unit is larger than the room that is asked for. */
static void test_noise(void **state)
{
    struct cli_visible visible = {0};
    uint64_t seed = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        char shown[CLI_VISIBLE_ROOM];
        uint8_t byte = 0;
        adk_bytes input = adk_bytes_make(&byte, 1);
        size_t size = 0;

        seed = seed * UINT64_C(6364136223846793005) + 1;
        byte = (uint8_t)(seed >> (i % 3 == 0 ? 56 : 40));
        size = cli_visible_fill(&visible, &input, shown, sizeof(shown));
        assert_int_equal(input.size, 0);
        for (size_t j = 0; j < size; j++)
            assert_true((uint8_t)shown[j] >= 0x20 || shown[j] == '\n' || shown[j] == '\t' ||
                        (shown[j] == '\r' && j + 1 < size && shown[j + 1] == '\n'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_cutting),
        cmocka_unit_test(test_visible),
        cmocka_unit_test(test_noise),
    };

    return cmocka_run_group_tests_name("cli_escape", tests, NULL, NULL);
}
