/*
 * src/base/text: UTF-8 by table 3-7 of the Unicode standard, and names made harmless.
 */
#include "support.h"

#include <errno.h>

#include "base/text.h"

/* Counts the valid sequences of a length whose third and later bytes are taken from the edges of 80..BF. */
static unsigned count_sequences(size_t length)
{
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
    unsigned count = 0;

    for (unsigned lead = 0; lead < 256; lead++) {
        for (unsigned second = 0; second < 256; second++) {
            for (size_t third = 0; third < 6; third++) {
                for (size_t fourth = 0; fourth < 6; fourth++) {
                    unsigned char bytes[4] = {(unsigned char)lead, (unsigned char)second, edges[third], edges[fourth]};

                    count += adk__utf8_sequence(bytes, 4) == length;
                }
            }
        }
    }
    return count;
}

static void test_utf8_table_3_7_has_these_rows_and_no_others(void **state)
{
    (void)state;
    assert_int_equal(count_sequences(1), 128 * 256 * 36);
    assert_int_equal(count_sequences(2), (0xe0 - 0xc2) * 64 * 36);
    /* E0 A0..BF, E1..EC and EE..EF 80..BF, ED 80..9F; two third bytes of the six */
    assert_int_equal(count_sequences(3), (32 + 14 * 64 + 32) * 2 * 6);
    /* F0 90..BF, F1..F3 80..BF, F4 80..8F */
    assert_int_equal(count_sequences(4), (48 + 3 * 64 + 16) * 2 * 2);
}

static size_t encode(uint32_t point, unsigned char *to)
{
    if (point < 0x80) {
        to[0] = (unsigned char)point;
        return 1;
    }
    if (point < 0x800) {
        to[0] = (unsigned char)(0xc0 | point >> 6);
        to[1] = (unsigned char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        to[0] = (unsigned char)(0xe0 | point >> 12);
        to[1] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
        to[2] = (unsigned char)(0x80 | (point & 0x3f));
        return 3;
    }
    to[0] = (unsigned char)(0xf0 | point >> 18);
    to[1] = (unsigned char)(0x80 | (point >> 12 & 0x3f));
    to[2] = (unsigned char)(0x80 | (point >> 6 & 0x3f));
    to[3] = (unsigned char)(0x80 | (point & 0x3f));
    return 4;
}

static void test_utf8_every_code_point(void **state)
{
    unsigned char bytes[4];

    (void)state;
    for (uint32_t point = 0; point < 0x120000; point++) {
        bool legal = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
        size_t length = encode(point, bytes);

        if (adk__utf8_sequence(bytes, length) != (legal ? length : 0))
            fail_msg("U+%04X", point);
        for (size_t cut = 1; cut < length; cut++) {
            if (adk__utf8_sequence(bytes, cut) != 0)
                fail_msg("U+%04X cut to %zu bytes", point, cut);
        }
    }
}

static void test_utf8_valid(void **state)
{
    (void)state;
    assert_true(adk__utf8_valid("", 0));
    assert_true(adk__utf8_valid("a\0b", 3));
    assert_true(adk__utf8_valid("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", 15));
    assert_false(adk__utf8_valid("a\x80", 2));
    assert_false(adk__utf8_valid("a\xc3", 2));
    assert_false(adk__utf8_valid("\xc0\xaf", 2));
    assert_false(adk__utf8_valid("\xed\xa0\x80", 3));
    assert_false(adk__utf8_valid("\xf5\x80\x80\x80", 4));
    assert_int_equal(adk__utf8_sequence((const unsigned char *)"", 0), 0);
}

static void check_escaped(adk_bytes from, size_t shown, const char *expected)
{
    adk__buf buf = ADK__BUF_INIT(10000);

    assert_int_equal(adk__text_append_escaped(&buf, from.data, from.size, shown), 0);
    assert_bytes_are(adk_bytes_make(buf.data, buf.size), expected);
    adk__buf_free(&buf);
}

static void test_escape_leaves_text_alone(void **state)
{
    (void)state;
    check_escaped(BYTES(""), 100, "");
    check_escaped(BYTES("plain \"text\" \\ here~"), 100, "plain \"text\" \\ here~");
    check_escaped(BYTES("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"), 100, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
}

static void test_escape_controls(void **state)
{
    (void)state;
    check_escaped(adk_bytes_make("\0\x01\n\t\r\x1b[0m\x7f", 10), 100, "\\x00\\x01\\x0a\\x09\\x0d\\x1b[0m\\x7f");
    check_escaped(BYTES("\xc2\x80\xc2\x9b\xc2\x9f"), 100, "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f"); /* C1 */
    check_escaped(BYTES("\xc2\xa0"), 100, "\xc2\xa0");
}

static void test_escape_what_is_not_utf8(void **state)
{
    (void)state;
    check_escaped(BYTES("a\x80\xff"
                        "b"),
                  100, "a\\x80\\xffb");
    check_escaped(BYTES("\xe2\x82"), 100, "\\xe2\\x82");
    check_escaped(BYTES("\xed\xa0\x80"), 100, "\\xed\\xa0\\x80");
}

static void test_escape_what_cannot_be_seen(void **state)
{
    (void)state;
    check_escaped(BYTES("\xe2\x80\x8b"), 100, "\\xe2\\x80\\x8b"); /* zero width space */
    check_escaped(BYTES("\xe2\x80\x8f"), 100, "\\xe2\\x80\\x8f"); /* right-to-left mark */
    check_escaped(BYTES("\xe2\x80\xa8"), 100, "\\xe2\\x80\\xa8"); /* line separator */
    check_escaped(BYTES("\xe2\x80\xae"), 100, "\\xe2\\x80\\xae"); /* right-to-left override */
    check_escaped(BYTES("\xe2\x81\xa6"), 100, "\\xe2\\x81\\xa6"); /* left-to-right isolate */
    check_escaped(BYTES("\xef\xbb\xbf"), 100, "\\xef\\xbb\\xbf"); /* byte order mark */
    check_escaped(BYTES("\xe2\x80\x90"), 100, "\xe2\x80\x90");    /* hyphen: to be seen */
}

/* U+061C is in Unicode's Bidi_Control with the marks above; the tags U+E0000… spell text that nobody sees. */
static void test_escape_other_format_characters(void **state)
{
    (void)state;
    check_escaped(BYTES("\xd8\x9c"), 100, "\\xd8\\x9c");
    check_escaped(BYTES("\xf3\xa0\x81\x81"), 100, "\\xf3\\xa0\\x81\\x81");
}

static void test_escape_cuts_between_characters(void **state)
{
    (void)state;
    check_escaped(BYTES("abcdef"), 6, "abcdef");
    check_escaped(BYTES("abcdef"), 5, "abcde\xe2\x80\xa6");
    check_escaped(BYTES("abc\xe2\x82\xac"), 6, "abc\xe2\x82\xac");
    check_escaped(BYTES("abc\xe2\x82\xac"), 5, "abc\xe2\x80\xa6");
    check_escaped(BYTES("abc"), 0, "\xe2\x80\xa6");
}

static void test_escape_reports_a_full_buffer(void **state)
{
    adk__buf buf = ADK__BUF_INIT(10);

    (void)state;
    assert_int_equal(adk__text_append_escaped(&buf, "\x01\x01\x01", 3, 100), -EFBIG);
    assert_true(buf.size <= 10);
    adk__buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_table_3_7_has_these_rows_and_no_others),
        cmocka_unit_test(test_utf8_every_code_point),
        cmocka_unit_test(test_utf8_valid),
        cmocka_unit_test(test_escape_leaves_text_alone),
        cmocka_unit_test(test_escape_controls),
        cmocka_unit_test(test_escape_what_is_not_utf8),
        cmocka_unit_test(test_escape_what_cannot_be_seen),
        cmocka_unit_test(test_escape_other_format_characters),
        cmocka_unit_test(test_escape_cuts_between_characters),
        cmocka_unit_test(test_escape_reports_a_full_buffer),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
