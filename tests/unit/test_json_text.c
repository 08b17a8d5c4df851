/*
 * src/core/json_text: what it writes is what jansson writes.
 */
#include "support.h"

#include "core/json_text.h"

static void check(const char *text)
{
    json_error_t why;
    json_t *json = json_loads(text, JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
    char *expected = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    adk__buf buf = ADK__BUF_INIT(1 << 20);

    assert_non_null(expected);
    assert_int_equal(adk__json_append(&buf, json), 0);
    assert_int_equal(buf.size, strlen(expected));
    assert_memory_equal(buf.data, expected, buf.size);
    adk__buf_free(&buf);
    free(expected);
    json_decref(json);
}

static void test_it_writes_what_jansson_writes(void **state)
{
    (void)state;
    check("{}");
    check("[]");
    check("[null,true,false,0,-1,1.5,-1e300,9223372036854775807,-9223372036854775808]");
    check("{\"a\":{\"b\":[{},[],{\"c\":\"\"}]},\"d\\n\\u0001\\\"\":1,\"\":2}");
    check("\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/\\u007f\\u0080\xc3\xa9\xf0\x9f\x98\x80\\u2028\"");
    check("[\"\\n\",\"a\\n\",\"\\na\",\"a\\nb\",[\"\\\\\\\\\"]]");
}

static void test_every_byte(void **state)
{
    char key[2] = "";
    adk__buf buf = ADK__BUF_INIT(1 << 20);

    (void)state;
    for (int c = 1; c < 128; c++) {
        json_t *json = json_object();
        char *expected;

        key[0] = (char)c;
        assert_int_equal(json_object_set_new(json, key, json_string(key)), 0);
        expected = json_dumps(json, JSON_COMPACT);
        buf.size = 0;
        assert_int_equal(adk__json_append(&buf, json), 0);
        assert_int_equal(buf.size, strlen(expected));
        assert_memory_equal(buf.data, expected, buf.size);
        free(expected);
        json_decref(json);
    }
    adk__buf_free(&buf);
}

static void test_the_buffers_maximum_holds(void **state)
{
    json_t *json = json_pack("{s[s]}", "key", "a \" long string");

    (void)state;
    for (size_t max = 0; max < 28; max++) {
        adk__buf buf = ADK__BUF_INIT(max);

        assert_int_not_equal(adk__json_append(&buf, json), 0);
        assert_true(buf.size <= max);
        adk__buf_free(&buf);
    }
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_writes_what_jansson_writes),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_the_buffers_maximum_holds),
    };

    return cmocka_run_group_tests_name("json_text", tests, NULL, NULL);
}
