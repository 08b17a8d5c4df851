/* --trace: which traceparents are continued, and what is left of a context by one that is not. */
#include "support.h"

#include "cli/run_trace.h"

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static void test_taken(void **state)
{
    static const struct {
        const char *text;
        const char *flags;
    } cases[] = {
        {"00-" TRACE "-" PARENT "-01", "01"},
        {"00-" TRACE "-" PARENT "-00", "00"},
        {"00-" TRACE "-" PARENT "-ff", "ff"},
        {"01-" TRACE "-" PARENT "-01", "01"},
        {"cc-" TRACE "-" PARENT "-01-what the future brings", "01"},
        {"cc-" TRACE "-" PARENT "-01-", "01"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cli_trace_context context = {.span_id = "0123456789abcdef"};

        assert_true(cli_traceparent_read(cases[i].text, &context));
        assert_string_equal(context.trace_id, TRACE);
        assert_string_equal(context.parent_id, PARENT);
        assert_string_equal(context.flags, cases[i].flags);
        assert_string_equal(context.span_id, "0123456789abcdef");
    }
}

static void test_not_taken(void **state)
{
    static const char *const cases[] = {
        "",
        "0",
        "00",
        "00-",
        "00-" TRACE,
        "00-" TRACE "-",
        "00-" TRACE "-" PARENT,
        "00-" TRACE "-" PARENT "-",
        "00-" TRACE "-" PARENT "-0",
        "00-" TRACE "-" PARENT "-011",
        "00-" TRACE "-" PARENT "-01-",
        "00-" TRACE "-" PARENT "-01-more",
        "00-" TRACE "-" PARENT "-01 ",
        " 00-" TRACE "-" PARENT "-01",
        "ff-" TRACE "-" PARENT "-01",
        "0-" TRACE "-" PARENT "-01",
        "000-" TRACE "-" PARENT "-01",
        "00_" TRACE "-" PARENT "-01",
        "00-" TRACE "_" PARENT "-01",
        "00-0" TRACE "-" PARENT "-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
        "00-0af7651916cd43dd8448eb211c80319g-" PARENT "-01",
        "00-" TRACE "-" PARENT "-0x",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "cc-" TRACE "-" PARENT "-01more",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cli_trace_context context = {.trace_id = "trace", .parent_id = "parent", .flags = "fl"};

        if (cli_traceparent_read(cases[i], &context))
            fail_msg("\"%s\" was taken", cases[i]);
        assert_string_equal(context.trace_id, "trace");
        assert_string_equal(context.parent_id, "parent");
        assert_string_equal(context.flags, "fl");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_not_taken),
    };

    return cmocka_run_group_tests_name("cli_trace", tests, NULL, NULL);
}
