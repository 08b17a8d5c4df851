/*
 * src/core/json_text: what it writes is what jansson writes.
 */
#include "support.h"

#include <errno.h>

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

static void test_what_needs_no_tree(void **state)
{
    adk__json_out out = ADK__JSON_OUT_INIT;
    json_t *tree = json_pack("{s[i]}", "t", 1);
    static const char expected[] =
        "{\"a\":\"x\\\"y\",\"n\":-5,\"list\":[1,\"\",{},[],{\"t\":[1]},null,\"\",\"YQ==\",\"YWI=\","
        "\"YWJj\"],\"o\":{\"k\":2},\"z\":0}";

    (void)state;
    adk__json_open(&out, '{');
    adk__json_key(&out, "a");
    adk__json_put_text(&out, BYTES("x\"y"));
    adk__json_key(&out, "n");
    adk__json_put_number(&out, -5);
    adk__json_key(&out, "list");
    adk__json_open(&out, '[');
    adk__json_put_number(&out, 1);
    adk__json_put_text(&out, adk_bytes_make(NULL, 0));
    adk__json_open(&out, '{');
    adk__json_close(&out, '}');
    adk__json_open(&out, '[');
    adk__json_close(&out, ']');
    adk__json_put_tree(&out, tree);
    adk__json_put_json(&out, BYTES("null"));
    for (size_t size = 0; size <= 3; size++)
        adk__json_put_base64(&out, adk_bytes_make("abc", size));
    adk__json_close(&out, ']');
    adk__json_key(&out, "o");
    adk__json_open(&out, '{');
    adk__json_key(&out, "k");
    adk__json_put_number(&out, 2);
    adk__json_close(&out, '}');
    adk__json_key(&out, "z");
    adk__json_put_number(&out, 0);
    adk__json_close(&out, '}');
    assert_int_equal(out.failed, 0);
    assert_int_equal(out.buf.size, sizeof(expected) - 1);
    assert_memory_equal(out.buf.data, expected, sizeof(expected) - 1);
    adk__buf_free(&out.buf);
    json_decref(tree);
}

static void test_the_first_failure_lasts(void **state)
{
    adk__json_out out = {ADK__BUF_INIT(8), 0, false};

    (void)state;
    adk__json_open(&out, '[');
    adk__json_put_text(&out, BYTES("too long for it"));
    assert_int_equal(out.failed, -EFBIG);
    adk__json_put_number(&out, 1);
    adk__json_put_tree(&out, NULL);
    adk__json_put_base64(&out, BYTES("x"));
    adk__json_key(&out, "k");
    adk__json_close(&out, ']');
    assert_int_equal(out.failed, -EFBIG);
    assert_true(out.buf.size <= 8);
    adk__buf_free(&out.buf);
    out = (adk__json_out)ADK__JSON_OUT_INIT;
    adk__json_put_tree(&out, NULL);
    assert_int_equal(out.failed, -ENOMEM);
    adk__buf_free(&out.buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_writes_what_jansson_writes), cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_the_buffers_maximum_holds),     cmocka_unit_test(test_what_needs_no_tree),
        cmocka_unit_test(test_the_first_failure_lasts),
    };

    return cmocka_run_group_tests_name("json_text", tests, NULL, NULL);
}
