/*
 * Deterministic mode: with a seed and a clock given, equal requests give equal reports but for the time they took.
 */
#include "support.h"

#include <jansson.h>

/* Writes 64 random bytes, then what two clocks show before and after a sleep, then a NaN's bits. */
#define GUEST_CURIOUS                                                                                   \
    "(module " IMPORT_WRITE IMPORT_RANDOM IMPORT_CLOCK IMPORT_POLL "(memory (export \"memory\") 1)"     \
    "(func $time (param i32 i32) (drop (call $clock (local.get 0) (i64.const 1) (local.get 1))))" START \
    "(drop (call $random (i32.const 1024) (i32.const 64)))"                                             \
    "(call $time (i32.const 0) (i32.const 1088)) (call $time (i32.const 1) (i32.const 1096))"           \
    "(i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const 3600000000000))"     \
    "(drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))"                    \
    "(call $time (i32.const 0) (i32.const 1104)) (call $time (i32.const 1) (i32.const 1112))"           \
    "(call $time (i32.const 2) (i32.const 1120))"                                                       \
    "(f32.store (i32.const 1128) (f32.div (f32.const 0) (f32.const 0)))"                                \
    "(f32.store (i32.const 1132) (f32.sqrt (f32.neg (f32.load (i32.const 1128)))))"                     \
    "(i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 112))"              \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"

#define START_NS UINT64_C(1700000000000000000)

static adk_request deterministic(const char *wat, uint64_t seed, uint64_t clock_start_ns)
{
    adk_request request = adk_test_request(wat);

    request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    request.random_seed = seed;
    request.clock_start_ns = clock_start_ns;
    request.fuel = 10000000;
    return request;
}

static json_t *report_of(adk_backend *backend, const adk_request *request)
{
    adk_result *result = adk_test_execute(backend, request, NULL);
    json_t *usage;
    char *text = NULL;
    json_t *json;

    assert_int_equal(adk_report_json(result, NULL, &text, NULL), ADK_OK);
    adk_test_keep_report(text);
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    (void)json_object_del(json, "duration_ms"); /* time is all that may differ, and what the cache held */
    usage = json_object_get(json, "usage");
    (void)json_object_del(usage, "compile_ns");
    (void)json_object_del(usage, "instantiate_ns");
    (void)json_object_del(usage, "run_ns");
    (void)json_object_del(usage, "cache");
    adk_free(text);
    adk_result_free(result);
    return json;
}

static void check_equal_reports(adk_backend *backend, const char *wat)
{
    adk_request request = deterministic(wat, 42, START_NS);
    json_t *first = report_of(backend, &request);

    for (int i = 0; i < 3; i++) {
        adk_backend *another = adk_test_backend();
        json_t *again = report_of(i < 2 ? backend : another, &request);

        assert_true(json_equal(first, again));
        json_decref(again);
        adk_backend_free(another);
    }
    json_decref(first);
}

static void test_row_18_equal_requests_give_equal_reports(void **state)
{
    check_equal_reports(*state, GUEST_CURIOUS);
    check_equal_reports(*state, GUEST_HELLO);
    check_equal_reports(*state, GUEST_EXITS("300"));
    check_equal_reports(*state, "(module " IMPORT_EXIT "(memory 1)" START
                                "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))"
                                "(call $exit (memory.size))))");
}

static void test_row_18_traps_and_fuel_are_equal_too(void **state)
{
    SKIP_TRAPS_UNDER_VALGRIND();
    check_equal_reports(*state, GUEST_UNREACHABLE);
    check_equal_reports(*state, GUEST_LOOP);
    check_equal_reports(*state, "(module (func $f (param i64) (call $f (i64.add (local.get 0) (i64.const 1))))" START
                                "(call $f (i64.const 0))))");
}

static adk_result *run_curious(adk_backend *backend, uint64_t seed, uint64_t clock_start_ns)
{
    adk_request request = deterministic(GUEST_CURIOUS, seed, clock_start_ns);
    adk_result *result = adk_test_execute(backend, &request, NULL);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_stdout(result).head.size, 112);
    return result;
}

static uint64_t word_at(const adk_result *result, size_t at)
{
    uint64_t word;

    memcpy(&word, (const char *)adk_result_stdout(result).head.data + at, sizeof(word));
    return word;
}

static void test_row_18_the_clock_starts_where_it_is_told_and_sleeps_at_once(void **state)
{
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result = run_curious(*state, 0, START_NS);

    assert_true(adk_test_now_ns() - start_ns < 20 * SECOND); /* an hour was slept */
    assert_int_equal(word_at(result, 64), START_NS);
    assert_int_equal(word_at(result, 80), START_NS + 3600 * SECOND + 2000); /* 1 us a reading */
    assert_int_equal(word_at(result, 88) - word_at(result, 72), 3600 * SECOND + 2000);
    assert_true(word_at(result, 96) < SECOND); /* CPU time: sleeping takes none */
    adk_result_free(result);
}

static void test_row_18_the_clock_takes_any_start(void **state)
{
    static const uint64_t starts[] = {0, 1, INT64_MAX};

    for (size_t i = 0; i < 3; i++) {
        adk_result *result = run_curious(*state, 0, starts[i]);

        assert_int_equal(word_at(result, 64), starts[i]);
        adk_result_free(result);
    }
}

static void test_row_18_other_seeds_give_other_numbers(void **state)
{
    static const uint64_t seeds[] = {0, 1, 2, UINT64_MAX, UINT64_C(1) << 63};
    adk_result *results[5];

    for (size_t i = 0; i < 5; i++)
        results[i] = run_curious(*state, seeds[i], START_NS);
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(adk_result_stdout(results[i]).head.data, adk_result_stdout(results[k]).head.data,
                                    64);
    }
    for (size_t i = 0; i < 5; i++)
        adk_result_free(results[i]);
}

static void test_nan_is_the_canonical_one(void **state)
{
    adk_result *result = run_curious(*state, 0, START_NS);
    uint32_t nan;

    memcpy(&nan, (const char *)adk_result_stdout(result).head.data + 104, sizeof(nan));
    assert_int_equal(nan & 0x7fffffff, 0x7fc00000);
    memcpy(&nan, (const char *)adk_result_stdout(result).head.data + 108, sizeof(nan));
    assert_int_equal(nan & 0x7fffffff, 0x7fc00000);
    adk_result_free(result);
}

static void test_without_a_seed_numbers_differ(void **state)
{
    adk_request request = adk_test_request(GUEST_CURIOUS);
    adk_result *first;
    adk_result *second;

    request.flags = ADK_REQUEST_CLOCK; /* so that the hour is not slept */
    first = adk_test_execute(*state, &request, NULL);
    second = adk_test_execute(*state, &request, NULL);
    assert_memory_not_equal(adk_result_stdout(first).head.data, adk_result_stdout(second).head.data, 64);
    assert_int_equal(word_at(first, 64), 0); /* 1970 */
    adk_result_free(first);
    adk_result_free(second);
}

/* Only wall time bounds it: a virtual sleep in a loop must not outlive the deadline. */
static void test_virtual_sleeps_do_not_escape_the_deadline(void **state)
{
    adk_request request =
        adk_test_request("(module " IMPORT_POLL "(memory (export \"memory\") 1)" START
                         "(i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const 1000000000))"
                         "(loop $again (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))"
                         " br $again)))");
    adk_result *result;

    request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    request.timeout_ns = 100 * MS;
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    adk_result_free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_18_equal_requests_give_equal_reports),
        cmocka_unit_test(test_row_18_traps_and_fuel_are_equal_too),
        cmocka_unit_test(test_row_18_the_clock_starts_where_it_is_told_and_sleeps_at_once),
        cmocka_unit_test(test_row_18_the_clock_takes_any_start),
        cmocka_unit_test(test_row_18_other_seeds_give_other_numbers),
        cmocka_unit_test(test_nan_is_the_canonical_one),
        cmocka_unit_test(test_without_a_seed_numbers_differ),
        cmocka_unit_test(test_virtual_sleeps_do_not_escape_the_deadline),
    };

    return cmocka_run_group_tests_name("wasm_determinism", tests, adk_test_setup, adk_test_teardown);
}
