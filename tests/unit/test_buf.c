/*
 * src/base/buf: growth, the maximum, and formatted text.
 */
#include "support.h"

#include <errno.h>

#include "base/buf.h"

static void test_begins_without_memory(void **state)
{
    adk__buf buf = ADK__BUF_INIT(100);

    (void)state;
    assert_null(buf.data);
    assert_int_equal(buf.size, 0);
    assert_int_equal(buf.capacity, 0);
    assert_int_equal(adk__buf_append(&buf, NULL, 0), 0);
    assert_null(buf.data);
    adk__buf_free(&buf);
}

static void test_appends_in_order_across_growth(void **state)
{
    adk__buf buf = ADK__BUF_INIT(100000);
    uint8_t bytes[997];
    size_t total = 0;

    (void)state;
    for (size_t size = 1; total + size <= 100000 && size < sizeof(bytes); size++) {
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(total + i);
        assert_int_equal(adk__buf_append(&buf, bytes, size), 0);
        total += size;
    }
    assert_int_equal(buf.size, total);
    assert_true(buf.capacity <= 2 * total + 64);
    for (size_t i = 0; i < total; i++) {
        if (buf.data[i] != (uint8_t)i)
            fail_msg("byte %zu is %u", i, buf.data[i]);
    }
    adk__buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.size, 0);
}

static void test_takes_exactly_its_maximum(void **state)
{
    static const size_t maxima[] = {0, 1, 2, 63, 64, 65, 127, 128, 129, 4096, 5000};
    static const uint8_t zeros[5001];

    (void)state;
    for (size_t i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
        adk__buf buf = ADK__BUF_INIT(maxima[i]);

        assert_int_equal(adk__buf_append(&buf, zeros, maxima[i] + 1), -EFBIG);
        assert_int_equal(buf.size, 0);
        assert_int_equal(adk__buf_append(&buf, zeros, maxima[i]), 0);
        assert_int_equal(buf.size, maxima[i]);
        assert_int_equal(adk__buf_append(&buf, zeros, 1), -EFBIG);
        assert_int_equal(buf.size, maxima[i]);
        adk__buf_free(&buf);
    }
}

static void test_takes_exactly_its_maximum_byte_by_byte(void **state)
{
    adk__buf buf = ADK__BUF_INIT(1000);

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(adk__buf_append(&buf, "x", 1), 0);
    assert_int_equal(adk__buf_append(&buf, "x", 1), -EFBIG);
    assert_int_equal(buf.size, 1000);
    adk__buf_free(&buf);
}

static void test_a_size_that_would_overflow_is_refused(void **state)
{
    adk__buf buf = ADK__BUF_INIT(1000);

    (void)state;
    assert_int_equal(adk__buf_append(&buf, "abc", 3), 0);
    assert_int_equal(adk__buf_append(&buf, "", SIZE_MAX), -EFBIG);
    assert_int_equal(adk__buf_append(&buf, "", SIZE_MAX - 2), -EFBIG);
    assert_int_equal(adk__buf_reserve(&buf, SIZE_MAX), -EFBIG);
    assert_int_equal(buf.size, 3);
    assert_memory_equal(buf.data, "abc", 3);
    adk__buf_free(&buf);
}

static void test_reserve_keeps_size(void **state)
{
    adk__buf buf = ADK__BUF_INIT(1000);

    (void)state;
    assert_int_equal(adk__buf_reserve(&buf, 1000), 0);
    assert_true(buf.capacity >= 1000);
    assert_int_equal(buf.size, 0);
    assert_int_equal(adk__buf_reserve(&buf, 1001), -EFBIG);
    adk__buf_free(&buf);
}

static void test_printf_appends(void **state)
{
    adk__buf buf = ADK__BUF_INIT(1000);

    (void)state;
    assert_int_equal(adk__buf_printf(&buf, "%s", ""), 0);
    assert_int_equal(buf.size, 0);
    assert_int_equal(adk__buf_printf(&buf, "a%db", 7), 0);
    assert_int_equal(adk__buf_printf(&buf, "%0200d", 1), 0);
    assert_int_equal(buf.size, 203);
    assert_memory_equal(buf.data, "a7b000", 6);
    assert_int_equal(buf.data[202], '1');
    adk__buf_free(&buf);
}

static void test_printf_above_the_maximum_appends_nothing(void **state)
{
    adk__buf buf = ADK__BUF_INIT(8);

    (void)state;
    assert_int_equal(adk__buf_printf(&buf, "123"), 0);
    assert_int_equal(adk__buf_printf(&buf, "456789"), -EFBIG);
    assert_int_equal(buf.size, 3);
    assert_memory_equal(buf.data, "123", 3);
    adk__buf_free(&buf);
}

/* The NUL that vsnprintf() writes is not the text's: "-EFBIG above the maximum". */
static void test_printf_may_fill_the_maximum(void **state)
{
    adk__buf buf = ADK__BUF_INIT(8);

    (void)state;
    assert_int_equal(adk__buf_printf(&buf, "12345678"), 0);
    assert_int_equal(buf.size, 8);
    adk__buf_free(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begins_without_memory),
        cmocka_unit_test(test_appends_in_order_across_growth),
        cmocka_unit_test(test_takes_exactly_its_maximum),
        cmocka_unit_test(test_takes_exactly_its_maximum_byte_by_byte),
        cmocka_unit_test(test_a_size_that_would_overflow_is_refused),
        cmocka_unit_test(test_reserve_keeps_size),
        cmocka_unit_test(test_printf_appends),
        cmocka_unit_test(test_printf_above_the_maximum_appends_nothing),
        cmocka_unit_test(test_printf_may_fill_the_maximum),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
