/*
 * src/wasm: limits. Deadlines in every phase, memory and tables under one budget, output by both policies, fuel,
 * cancellation, callbacks.
 */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- deadlines ---------------------------------------------------------------------------------------------------- */

/* Runs with a deadline and checks that it came in time. */
static adk_result *run_until(adk_backend *backend, const char *wat, uint64_t timeout_ns, adk_phase phase)
{
    adk_request request = adk_test_request(wat);
    uint64_t start_ns;
    uint64_t took_ns;
    adk_result *result;

    adk_test_compile(backend, wat);
    if (adk_test_under_valgrind())
        timeout_ns *= 5; /* another CPU's engine is made within it, which takes long there */
    start_ns = adk_test_now_ns();
    request.timeout_ns = timeout_ns;
    result = adk_test_execute(backend, &request, NULL);
    took_ns = adk_test_now_ns() - start_ns;
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), phase);
    assert_true(took_ns >= timeout_ns);
    if (took_ns > timeout_ns + adk_test_slack_ns())
        fail_msg("took %llu ms, not %llu", (unsigned long long)(took_ns / MS), (unsigned long long)(timeout_ns / MS));
    return result;
}

static void test_row_5_a_sleeping_guest_wakes_at_its_deadline(void **state)
{
    adk_result_free(run_until(*state, GUEST_SLEEPS("3000000000"), 300 * MS, ADK_PHASE_HOST_CALL));
}

static void test_row_5_a_sleep_of_2_to_the_64th_wakes_at_its_deadline(void **state)
{
    adk_result_free(run_until(*state, GUEST_SLEEPS("-1"), 100 * MS, ADK_PHASE_HOST_CALL));
}

static void test_a_sleep_within_the_deadline_is_slept(void **state)
{
    uint64_t start_ns = adk_test_now_ns();

    adk_test_run_exits(*state, GUEST_SLEEPS("50000000"), 0);
    assert_true(adk_test_now_ns() - start_ns >= 50 * MS);
}

static void test_row_13_output_before_a_timeout_is_kept(void **state)
{
    adk_result *result =
        run_until(*state,
                  "(module " IMPORT_WRITE "(memory (export \"memory\") 1)"
                  "(data (i32.const 0) \"\\10\\00\\00\\00\\06\\00\\00\\00\") (data (i32.const 16) \"before\")" START
                  "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))" LOOP "))",
                  100 * MS, ADK_PHASE_RUN);

    assert_bytes_are(adk_result_stdout(result).head, "before");
    adk_result_free(result);
}

/* One long instruction after the other: the engine looks at its epoch within bulk operations too. */
static void test_bulk_memory_does_not_outlive_the_deadline(void **state)
{
    adk_result_free(run_until(*state,
                              "(module (memory 512)" START "(loop $again (memory.fill (i32.const 0) (i32.const 1) "
                              "(i32.const 33554432)) br $again)))",
                              100 * MS, ADK_PHASE_RUN));
}

static void test_calls_without_loops_end_too(void **state)
{
    /* f calls itself twice, 40 deep: 2^40 calls, no loop */
    adk_result_free(run_until(*state,
                              "(module (func $f (param i32) (if (local.get 0) (then "
                              "(call $f (i32.sub (local.get 0) (i32.const 1))) "
                              "(call $f (i32.sub (local.get 0) (i32.const 1)))))) " START "(call $f (i32.const 40))))",
                              100 * MS, ADK_PHASE_RUN));
}

static void test_a_loop_of_host_calls_ends_too(void **state)
{
    adk_request request = adk_test_request("(module " IMPORT_CLOCK "(memory (export \"memory\") 1)" START
                                           "(loop $again (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 0)))"
                                           " br $again)))");
    adk_result *result;

    request.timeout_ns = adk_test_under_valgrind() ? 2 * SECOND : 100 * MS;
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_true(adk_test_usage(result).host_calls > 100);
    adk_result_free(result);
}

static void test_a_deadline_of_1_ns_is_over_before_any_guest_code(void **state)
{
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_result *result;

    for (int i = 0; i < 2; i++) { /* not compiled yet, and compiled */
        request.timeout_ns = 1;
        result = adk_test_execute(*state, &request, NULL);
        adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
        assert_int_equal(adk_result_phase(result), ADK_PHASE_COMPILE);
        assert_bytes_are(adk_result_message(result), "execution timed out after 1ns");
        assert_int_equal(adk_result_stdout(result).written_bytes, 0);
        assert_int_equal(adk_test_usage(result).host_calls, 0);
        adk_result_free(result);
        adk_test_run_exits(*state, GUEST_HELLO, 0);
    }
}

static void test_a_deadline_of_2_to_the_64th_never_comes(void **state)
{
    static const uint64_t far[] = {UINT64_MAX, UINT64_MAX - 1, (uint64_t)INT64_MAX, (uint64_t)INT64_MAX + 1};

    for (size_t i = 0; i < 4; i++) {
        adk_request request = adk_test_request(GUEST_SLEEPS("5000000"));
        adk_result *result;

        request.timeout_ns = far[i];
        result = adk_test_execute(*state, &request, NULL);
        adk_test_expect(result, ADK_OUTCOME_EXITED);
        adk_result_free(result);
    }
}

static void check_message(adk_backend *backend, uint64_t timeout_ns, const char *message)
{
    adk_request request = adk_test_request(GUEST_LOOP);
    adk_result *result;

    request.timeout_ns = timeout_ns;
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_bytes_are(adk_result_message(result), message);
    adk_result_free(result);
}

static void test_messages_of_timeouts(void **state)
{
    check_message(*state, SECOND, "execution timed out after 1s");
    check_message(*state, 1100 * MS, "execution timed out after 1.1s");
    check_message(*state, 20 * MS, "execution timed out after 20ms");
    check_message(*state, 20500000, "execution timed out after 20.5ms");
    check_message(*state, 5000, "execution timed out after 5\xc2\xb5s");
    check_message(*state, 5250, "execution timed out after 5.25\xc2\xb5s");
    check_message(*state, 7, "execution timed out after 7ns");
}

/* ---- memory ------------------------------------------------------------------------------------------------------- */

static adk_result *run_within(adk_backend *backend, const char *wat, uint64_t memory_limit_bytes)
{
    adk_request request = adk_test_request(wat);

    request.memory_limit_bytes = memory_limit_bytes;
    return adk_test_execute(backend, &request, NULL);
}

#define PAGE ((uint64_t)65536)

/* Grows until it is refused, then `end`. */
#define GUEST_GROWS(end)                                          \
    "(module " IMPORT_EXIT "(memory (export \"memory\") 1)" START \
    "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) " end "))"

static void test_row_10_running_out_of_memory_is_memory_limit(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = run_within(*state, GUEST_GROWS("unreachable"), 100 * PAGE);
    adk_test_expect(result, ADK_OUTCOME_MEMORY_LIMIT);
    assert_bytes_are(adk_result_trap_kind(result), "unreachable"); /* the trap is attached */
    assert_int_equal(adk_test_usage(result).memory_denied, 1);
    assert_int_equal(adk_test_usage(result).memory_peak_bytes, 100 * PAGE);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_RUN);
    adk_result_free(result);
}

static void test_row_10_an_access_past_the_end_after_a_refusal_is_memory_limit(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = run_within(*state, GUEST_GROWS("(i32.store (i32.const -4) (i32.const 1))"), 10 * PAGE);
    adk_test_expect(result, ADK_OUTCOME_MEMORY_LIMIT);
    assert_bytes_are(adk_result_trap_kind(result), "memory_out_of_bounds");
    adk_result_free(result);
}

static void test_a_refusal_then_division_by_zero_is_trapped(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = run_within(*state, GUEST_GROWS("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), 10 * PAGE);
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    assert_bytes_are(adk_result_trap_kind(result), "integer_division_by_zero");
    assert_int_equal(adk_test_usage(result).memory_denied, 1);
    adk_result_free(result);
}

static void test_a_refusal_then_a_growth_then_a_trap_is_trapped(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = run_within(*state,
                        "(module (memory 1)" START "(drop (memory.grow (i32.const 100)))"
                        "(drop (memory.grow (i32.const 1))) unreachable))",
                        10 * PAGE);
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    assert_int_equal(adk_test_usage(result).memory_denied, 1);
    assert_int_equal(adk_test_usage(result).memory_peak_bytes, 2 * PAGE);
    adk_result_free(result);
}

static void test_a_refusal_then_a_clean_exit_is_exited(void **state)
{
    adk_result *result = run_within(*state, GUEST_GROWS("(call $exit (memory.size))"), 10 * PAGE);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 10);
    assert_int_equal(adk_test_usage(result).memory_denied, 1);
    adk_result_free(result);
}

static void test_a_wish_above_the_memorys_own_maximum_costs_nothing(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = run_within(*state,
                        "(module (memory 1 2)" START "(drop (memory.grow (i32.const 2)))"
                        "(drop (memory.grow (i32.const 60000))) unreachable))",
                        10 * PAGE);
    adk_test_expect(result, ADK_OUTCOME_TRAPPED); /* not memory_limit: it was not the budget that refused */
    assert_int_equal(adk_test_usage(result).memory_denied, 0);
    assert_int_equal(adk_test_usage(result).memory_peak_bytes, PAGE);
    adk_result_free(result);
}

static void test_a_wish_above_a_tables_own_maximum_costs_nothing(void **state)
{
    adk_result *result = run_within(*state,
                                    "(module " IMPORT_EXIT "(table $t 1 2 funcref) (memory 1)" START
                                    "(drop (table.grow $t (ref.null func) (i32.const 100000)))"
                                    "(drop (table.grow $t (ref.null func) (i32.const 1)))"
                                    "(call $exit (table.size $t))))",
                                    10 * PAGE);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 2);
    assert_int_equal(adk_test_usage(result).memory_denied, 0);
    assert_int_equal(adk_test_usage(result).memory_peak_bytes, PAGE + 16);
    adk_result_free(result);
}

static void test_row_11_memory_and_tables_share_one_budget(void **state)
{
    adk_result *result = run_within(*state,
                                    "(module " IMPORT_EXIT "(memory 1) (table $t 8192 funcref) (global $n (mut i32) "
                                    "(i32.const 0))" START "(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) "
                                    "(then (global.set $n (i32.const 1))))" /* 2 pages and the table's: full */
                                    "(if (i32.eq (table.grow $t (ref.null func) (i32.const 1)) (i32.const -1)) "
                                    "(then (global.set $n (i32.add (global.get $n) (i32.const 2)))))"
                                    "(call $exit (global.get $n))))",
                                    3 * PAGE);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 2);
    assert_int_equal(adk_test_usage(result).memory_peak_bytes, 3 * PAGE);
    assert_int_equal(adk_test_usage(result).memory_denied, 1);
    adk_result_free(result);
}

static void test_row_11_a_tables_minimum_above_the_limit_is_memory_limit(void **state)
{
    adk_result *result = run_within(*state, "(module (table 100000 funcref)" START "))", 10 * PAGE);

    adk_test_expect(result, ADK_OUTCOME_MEMORY_LIMIT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_INSTANTIATE);
    adk_result_free(result);
}

/* A table instruction cannot be interrupted: tables are kept small, whatever the memory limit. */
static void test_tables_have_a_limit_of_their_own(void **state)
{
    adk_result *result = run_within(*state, "(module (table 1000001 funcref)" START "))", (uint64_t)1 << 30);

    adk_test_expect(result, ADK_OUTCOME_MEMORY_LIMIT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_INSTANTIATE);
    adk_result_free(result);
    result = run_within(
        *state,
        "(module " IMPORT_EXIT "(table $t 500000 funcref) (table $u 0 funcref)" START
        "(if (i32.ne (table.grow $u (ref.null func) (i32.const 500001)) (i32.const -1)) (then (unreachable)))"
        "(if (i32.eq (table.grow $u (ref.null func) (i32.const 500000)) (i32.const -1)) (then (unreachable)))"
        "(call $exit (i32.const 7))))",
        (uint64_t)1 << 30);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 7);
    adk_result_free(result);
}

static void test_row_11_several_tables_are_added_up(void **state)
{
    adk_result *result =
        run_within(*state, "(module (table 3000 funcref) (table 3000 funcref) (table 3000 funcref)" START "))", PAGE);

    adk_test_expect(result, ADK_OUTCOME_MEMORY_LIMIT); /* 72,000 bytes */
    adk_result_free(result);
}

static void test_row_11_the_limit_is_on_by_default(void **state)
{
    adk_result *result = adk_test_run(*state, GUEST_GROWS("(call $exit (memory.size))"));

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 1024);
    assert_int_equal(adk_test_usage(result).memory_peak_bytes, 64 << 20);
    adk_result_free(result);
    adk_test_run_expect(*state, "(module (memory 1025)" START "))", ADK_OUTCOME_MEMORY_LIMIT);
}

static void test_the_largest_memory_there_is(void **state)
{
    adk_result *result;

    if (adk_test_sanitized() || adk_test_under_valgrind())
        skip();
    result = run_within(*state, GUEST_GROWS("(call $exit (memory.size))"), (uint64_t)16 << 30);
    adk_test_expect(result, ADK_OUTCOME_EXITED); /* 4 GiB, not touched: the module's kind has no more */
    assert_int_equal(adk_result_exit_code(result), 65536);
    adk_result_free(result);
}

static void test_minimum_of_4_gib_above_the_limit_is_memory_limit(void **state)
{
    adk_test_run_expect(*state, "(module (memory 65536)" START "))", ADK_OUTCOME_MEMORY_LIMIT);
}

static void test_a_limit_below_a_page(void **state)
{
    adk_result *result = run_within(*state, "(module (memory 0)" START "))", 1);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    adk_result_free(result);
    result = run_within(*state, "(module (memory 1)" START "))", PAGE - 1);
    adk_test_expect(result, ADK_OUTCOME_MEMORY_LIMIT);
    assert_bytes_are(adk_result_message(result), "memory limit exceeded: 65535 bytes");
    adk_result_free(result);
}

/* Captured output has limits of its own and is never charged. */
static void test_a_full_guest_can_still_say_so(void **state)
{
    adk_result *result = run_within(*state, GUEST_HELLO, PAGE);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_stdout(result).written_bytes, 13);
    adk_result_free(result);
}

/* A slot is used again and again: what one guest left in memory and tables the next must not see. */
static void test_memory_and_tables_are_fresh_every_time(void **state)
{
    for (int i = 0; i < 20; i++) {
        adk_test_run_exits(*state,
                           "(module " IMPORT_EXIT "(memory 40) (table $t 1000 funcref) (elem declare func $start)" START
                           "(if (i32.or (i32.load (i32.const 2000000)) (i32.load (i32.const 8))) "
                           "(then (call $exit (i32.const 1))))"
                           "(if (i32.eqz (ref.is_null (table.get $t (i32.const 999)))) "
                           "(then (call $exit (i32.const 2))))"
                           "(memory.fill (i32.const 0) (i32.const 255) (i32.const 2621440))"
                           "(table.set $t (i32.const 999) (ref.func $start))"
                           "(drop (memory.grow (i32.const 10)))"
                           "(i32.store (i32.const 2700000) (i32.const -1))))",
                           0);
        adk_test_run_exits(*state,
                           "(module " IMPORT_EXIT "(memory 1)" START "(drop (memory.grow (i32.const 60)))"
                           "(if (i32.or (i32.load (i32.const 2700000)) (i32.load (i32.const 2621436))) "
                           "(then (call $exit (i32.const 3))))))",
                           0);
    }
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

/* Writes `count` numbers as 8 hexadecimal digits each, one call a number; exits 1 where a write fails or is short. */
#define GUEST_NUMBERS(count)                                                                                       \
    "(module " IMPORT_WRITE IMPORT_EXIT "(memory (export \"memory\") 1)"                                           \
    "(data (i32.const 0) \"\\10\\00\\00\\00\\08\\00\\00\\00\") (global $n (mut i32) (i32.const 0))"                \
    "(func $digit (param $i i32) (i32.store8 offset=16 (local.get $i) (i32.add (i32.const 97) (i32.and "           \
    "(i32.shr_u (global.get $n) (i32.mul (i32.sub (i32.const 7) (local.get $i)) (i32.const 4))) "                  \
    "(i32.const 15)))))" START "(local $i i32) (loop $again (local.set $i (i32.const 0))"                          \
    "(loop $digits (call $digit (local.get $i)) (local.set $i (i32.add (local.get $i) (i32.const 1)))"             \
    "(br_if $digits (i32.lt_u (local.get $i) (i32.const 8))))"                                                     \
    "(if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 1))))" \
    "(if (i32.ne (i32.load (i32.const 8)) (i32.const 8)) (then (call $exit (i32.const 1))))"                       \
    "(global.set $n (i32.add (global.get $n) (i32.const 1)))"                                                      \
    "(br_if $again (i32.lt_u (global.get $n) (i32.const " count "))))))"

#define NUMBERS 40000u /* 320,000 bytes */

static char *numbers(void)
{
    char *text = malloc(NUMBERS * 8);

    assert_non_null(text);
    for (uint32_t n = 0; n < NUMBERS; n++) {
        for (uint32_t i = 0; i < 8; i++)
            text[n * 8 + i] = (char)('a' + (n >> (7 - i) * 4 & 15));
    }
    return text;
}

static void check_bytes(adk_bytes bytes, const char *expected, size_t size)
{
    assert_int_equal(bytes.size, size);
    if (size > 0 && memcmp(bytes.data, expected, size) != 0)
        fail_msg("other bytes than expected, of %zu", size);
}

static void check_truncation(adk_backend *backend, const char *all, uint64_t limit)
{
    const size_t total = NUMBERS * 8;
    adk_request request = adk_test_request(GUEST_NUMBERS("40000"));
    size_t head = limit < total ? (size_t)limit : total;
    size_t tail = total - head < ADK_OUTPUT_TAIL_BYTES ? total - head : ADK_OUTPUT_TAIL_BYTES;
    adk_result *result;
    adk_output output;

    request.output_limit_bytes = limit;
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 0); /* every write went on succeeding */
    output = adk_result_stdout(result);
    assert_int_equal(output.written_bytes, total);
    assert_int_equal(output.truncated, limit < total);
    check_bytes(output.head, all, head);
    check_bytes(output.tail, all + total - tail, tail);
    adk_result_free(result);
}

static void test_row_12_output_beyond_the_limit_is_truncated_to_the_byte(void **state)
{
    static const uint64_t limits[] = {1,      7,      8,      100,    65536,  100001, 254463,
                                      254464, 254465, 319999, 320000, 320001, 1 << 20};
    char *all = numbers();

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        check_truncation(*state, all, limits[i]);
    free(all);
}

static void test_row_12_the_default_limit_is_1_mib_a_stream(void **state)
{
    adk_result *result = adk_test_run(*state, GUEST_NUMBERS("140000"));

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 0);
    assert_int_equal(adk_result_stdout(result).head.size, 1 << 20);
    assert_int_equal(adk_result_stdout(result).tail.size, 64 << 10);
    assert_int_equal(adk_result_stdout(result).written_bytes, 140000 * 8);
    assert_int_equal(adk_result_stdout(result).truncated, 1);
    assert_int_equal(adk_result_stderr(result).truncated, 0);
    adk_result_free(result);
}

static void check_stop(adk_backend *backend, const char *all, uint64_t limit)
{
    const size_t total = NUMBERS * 8;
    adk_request request = adk_test_request(GUEST_NUMBERS("40000"));
    adk_result *result;
    adk_output output;

    request.output_limit_bytes = limit;
    request.output_policy = ADK_OUTPUT_STOP;
    result = adk_test_execute(backend, &request, NULL);
    output = adk_result_stdout(result);
    adk_test_expect(result, limit < total ? ADK_OUTCOME_OUTPUT_LIMIT : ADK_OUTCOME_EXITED);
    check_bytes(output.head, all, limit < total ? (size_t)limit : total);
    assert_int_equal(output.tail.size, 0);
    assert_int_equal(output.truncated, limit < total);
    if (limit < total) {
        assert_int_equal(output.written_bytes, (limit / 8 + 1) * 8); /* the write that went beyond counts in full */
        assert_int_equal(adk_result_exit_status(result), 141);
        assert_true(adk_result_message(result).size > 0);
    }
    adk_result_free(result);
}

static void test_policy_stop_ends_the_run_at_the_limit_to_the_byte(void **state)
{
    static const uint64_t limits[] = {1, 8, 9, 100, 65537, 319999, 320000, 320001};
    char *all = numbers();

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        check_stop(*state, all, limits[i]);
    free(all);
}

/* ---- streams by callback ------------------------------------------------------------------------------------------ */

struct listener {
    char *bytes;
    size_t size;
    size_t stop_at; /* says stop when it has got that many bytes; 0: never */
    unsigned calls;
    adk_cancel *cancel;
    uint64_t sleeps_ns;
};

static int listen(void *data, adk_bytes bytes)
{
    struct listener *l = data;

    l->calls++;
    memcpy(l->bytes + l->size, bytes.data, bytes.size);
    l->size += bytes.size;
    if (l->sleeps_ns > 0)
        adk_test_sleep_ns(l->sleeps_ns);
    if (l->cancel != NULL)
        adk_cancel_fire(l->cancel);
    return l->stop_at != 0 && l->size >= l->stop_at;
}

static struct listener listener(void)
{
    struct listener l = {malloc(NUMBERS * 8), 0, 0, 0, NULL, 0};

    assert_non_null(l.bytes);
    return l;
}

static void test_row_17_a_callback_gets_every_byte(void **state)
{
    adk_request request = adk_test_request(GUEST_NUMBERS("40000"));
    struct listener l = listener();
    char *all = numbers();
    adk_result *result;

    request.output_limit_bytes = 10;
    request.on_stdout = listen;
    request.stream_data = &l;
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(l.size, NUMBERS * 8);
    assert_int_equal(l.calls, NUMBERS);
    assert_memory_equal(l.bytes, all, NUMBERS * 8);
    assert_int_equal(adk_result_stdout(result).head.size, 10);
    adk_result_free(result);
    free(l.bytes);
    free(all);
}

static void test_row_17_with_policy_stop_a_callback_gets_the_head(void **state)
{
    adk_request request = adk_test_request(GUEST_NUMBERS("40000"));
    struct listener l = listener();
    adk_result *result;

    request.output_limit_bytes = 1001;
    request.output_policy = ADK_OUTPUT_STOP;
    request.on_stdout = listen;
    request.stream_data = &l;
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_OUTPUT_LIMIT);
    assert_int_equal(l.size, 1001);
    adk_result_free(result);
    free(l.bytes);
}

static void test_row_17_a_callback_can_cancel_by_its_answer(void **state)
{
    adk_request request = adk_test_request(GUEST_NUMBERS("40000"));
    struct listener l = listener();
    adk_result *result;

    l.stop_at = 80;
    request.on_stdout = listen;
    request.stream_data = &l;
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_HOST_CALL);
    assert_int_equal(adk_result_stdout(result).written_bytes, 80);
    assert_int_equal(adk_result_exit_status(result), 130);
    adk_result_free(result);
    free(l.bytes);
}

static void test_row_17_a_callback_can_fire_the_cancellation(void **state)
{
    adk_request request = adk_test_request(GUEST_NUMBERS("40000"));
    struct listener l = listener();
    adk_result *result;

    assert_int_equal(adk_cancel_new(&l.cancel, NULL), ADK_OK);
    request.on_stdout = listen;
    request.stream_data = &l;
    result = adk_test_execute(*state, &request, l.cancel);
    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    assert_true(l.size >= 8);
    adk_result_free(result);
    adk_cancel_free(l.cancel);
    free(l.bytes);
}

/* A callback's time is the run's; the run ends when it comes back. */
static void test_a_slow_callback_is_the_runs_time(void **state)
{
    adk_request request = adk_test_request(GUEST_NUMBERS("40000"));
    struct listener l = listener();
    adk_result *result;

    l.sleeps_ns = 100 * MS;
    request.timeout_ns = 50 * MS;
    request.on_stdout = listen;
    request.stream_data = &l;
    adk_test_run_exits(*state, GUEST_NUMBERS("40000"), 0); /* compiled, so that the deadline is the callback's */
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_HOST_CALL);
    assert_int_equal(l.calls, 1);
    adk_result_free(result);
    free(l.bytes);
}

/* ---- fuel --------------------------------------------------------------------------------------------------------- */

static adk_result *run_with_fuel(adk_backend *backend, const char *wat, uint64_t fuel)
{
    adk_request request = adk_test_request(wat);

    request.fuel = fuel;
    return adk_test_execute(backend, &request, NULL);
}

static void test_row_18_fuel_ends_a_loop(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = run_with_fuel(*state, GUEST_LOOP, 1000000);
    adk_test_expect(result, ADK_OUTCOME_FUEL_EXHAUSTED);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_RUN);
    assert_bytes_are(adk_result_message(result), "fuel exhausted: 1000000 units");
    assert_true(adk_test_usage(result).fuel >= 999000 && adk_test_usage(result).fuel <= 1000000);
    assert_int_equal(adk_test_usage(result).measured, ADK_USAGE_FUEL);
    assert_int_equal(adk_result_trap_kind(result).size, 0);
    assert_int_equal(adk_result_exit_status(result), 124);
    adk_result_free(result);
}

static void test_row_18_fuel_is_counted_alike_every_time(void **state)
{
    uint64_t first = 0;

    for (int i = 0; i < 3; i++) {
        adk_result *result = run_with_fuel(*state, GUEST_NUMBERS("100"), 10000000);

        adk_test_expect(result, ADK_OUTCOME_EXITED);
        if (i == 0)
            first = adk_test_usage(result).fuel;
        assert_true(adk_test_usage(result).fuel > 100);
        assert_int_equal(adk_test_usage(result).fuel, first);
        adk_result_free(result);
    }
}

static void test_fuel_in_the_start_section(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = run_with_fuel(*state, "(module (func $init " LOOP ") (start $init)" START "))", 1000);
    adk_test_expect(result, ADK_OUTCOME_FUEL_EXHAUSTED);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_INSTANTIATE);
    adk_result_free(result);
}

static void test_fuel_of_2_to_the_64th(void **state)
{
    adk_result *result = run_with_fuel(*state, GUEST_HELLO, UINT64_MAX);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    adk_result_free(result);
}

static void test_metered_runs_have_deadlines_too(void **state)
{
    adk_request request = adk_test_request(GUEST_LOOP);
    adk_result *result;

    request.fuel = INT64_MAX;
    request.timeout_ns = 100 * MS;
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    adk_result_free(result);
}

/* ---- cancellation ------------------------------------------------------------------------------------------------- */

struct firing {
    adk_cancel *cancel;
    uint64_t after_ns;
    _Atomic uint64_t fired_at_ns;
};

static void *fire(void *data)
{
    struct firing *firing = data;

    adk_test_sleep_ns(firing->after_ns);
    atomic_store(&firing->fired_at_ns, adk_test_now_ns());
    adk_cancel_fire(firing->cancel);
    return NULL;
}

static void check_cancelled(adk_backend *backend, const char *wat, adk_phase phase)
{
    adk_request request = adk_test_request(wat);
    struct firing firing = {NULL, 100 * MS, 0};
    pthread_t thread;
    adk_result *result;
    uint64_t now_ns;

    adk_test_compile(backend, wat);
    assert_int_equal(adk_cancel_new(&firing.cancel, NULL), ADK_OK);
    assert_int_equal(pthread_create(&thread, NULL, fire, &firing), 0);
    result = adk_test_execute(backend, &request, firing.cancel);
    now_ns = adk_test_now_ns();
    assert_int_equal(pthread_join(thread, NULL), 0);
    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    assert_int_equal(adk_result_phase(result), phase);
    assert_bytes_are(adk_result_message(result), "cancelled");
    assert_true(now_ns < firing.fired_at_ns + adk_test_slack_ns());
    adk_result_free(result);
    result = adk_test_execute(backend, &request, firing.cancel); /* it stays fired */
    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    adk_result_free(result);
    adk_cancel_free(firing.cancel);
}

static void test_row_17_cancel_a_loop(void **state)
{
    check_cancelled(*state, GUEST_LOOP, ADK_PHASE_RUN);
}

static void test_row_17_cancel_a_start_section(void **state)
{
    check_cancelled(*state, "(module (func $init " LOOP ") (start $init)" START "))", ADK_PHASE_INSTANTIATE);
}

static void test_row_17_cancel_a_sleep(void **state)
{
    check_cancelled(*state, GUEST_SLEEPS("25000000000"), ADK_PHASE_HOST_CALL);
}

static void test_row_17_cancel_before_the_start(void **state)
{
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_cancel *cancel = NULL;
    adk_result *result;

    assert_int_equal(adk_cancel_new(&cancel, NULL), ADK_OK);
    adk_cancel_fire(cancel);
    result = adk_test_execute(*state, &request, cancel);
    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_COMPILE);
    assert_int_equal(adk_result_stdout(result).written_bytes, 0);
    adk_result_free(result);
    adk_cancel_free(cancel);
    adk_test_run_exits(*state, GUEST_HELLO, 0);
}

static void test_row_17_cancel_after_the_end_touches_nothing(void **state)
{
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_cancel *cancel = NULL;
    adk_result *result;

    assert_int_equal(adk_cancel_new(&cancel, NULL), ADK_OK);
    result = adk_test_execute(*state, &request, cancel);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    adk_cancel_fire(cancel);
    adk_result_free(result);
    adk_test_run_exits(*state, GUEST_SLEEPS("5000000"), 0); /* the same thread's next run */
    adk_cancel_free(cancel);
}

/* Fired at any moment of short runs: each ends one way or the other, none hangs. */
static void test_row_17_cancel_at_any_moment(void **state)
{
    adk_test_run_exits(*state, GUEST_HELLO, 0);
    for (unsigned i = 0; i < 300; i++) {
        adk_request request = adk_test_request(i % 2 == 0 ? GUEST_LOOP : GUEST_SLEEPS("25000000000"));
        struct firing firing = {NULL, i * 300, 0};
        pthread_t thread;
        adk_result *result;

        assert_int_equal(adk_cancel_new(&firing.cancel, NULL), ADK_OK);
        assert_int_equal(pthread_create(&thread, NULL, fire, &firing), 0);
        result = adk_test_execute(*state, &request, firing.cancel);
        adk_test_expect(result, ADK_OUTCOME_CANCELLED);
        assert_int_equal(pthread_join(thread, NULL), 0);
        adk_result_free(result);
        adk_cancel_free(firing.cancel);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row_5_a_sleeping_guest_wakes_at_its_deadline),
        cmocka_unit_test(test_row_5_a_sleep_of_2_to_the_64th_wakes_at_its_deadline),
        cmocka_unit_test(test_a_sleep_within_the_deadline_is_slept),
        cmocka_unit_test(test_row_13_output_before_a_timeout_is_kept),
        cmocka_unit_test(test_bulk_memory_does_not_outlive_the_deadline),
        cmocka_unit_test(test_calls_without_loops_end_too),
        cmocka_unit_test(test_a_loop_of_host_calls_ends_too),
        cmocka_unit_test(test_a_deadline_of_1_ns_is_over_before_any_guest_code),
        cmocka_unit_test(test_a_deadline_of_2_to_the_64th_never_comes),
        cmocka_unit_test(test_messages_of_timeouts),
        cmocka_unit_test(test_row_10_running_out_of_memory_is_memory_limit),
        cmocka_unit_test(test_row_10_an_access_past_the_end_after_a_refusal_is_memory_limit),
        cmocka_unit_test(test_a_refusal_then_division_by_zero_is_trapped),
        cmocka_unit_test(test_a_refusal_then_a_growth_then_a_trap_is_trapped),
        cmocka_unit_test(test_a_refusal_then_a_clean_exit_is_exited),
        cmocka_unit_test(test_a_wish_above_the_memorys_own_maximum_costs_nothing),
        cmocka_unit_test(test_a_wish_above_a_tables_own_maximum_costs_nothing),
        cmocka_unit_test(test_row_11_memory_and_tables_share_one_budget),
        cmocka_unit_test(test_row_11_a_tables_minimum_above_the_limit_is_memory_limit),
        cmocka_unit_test(test_row_11_several_tables_are_added_up),
        cmocka_unit_test(test_row_11_the_limit_is_on_by_default),
        cmocka_unit_test(test_the_largest_memory_there_is),
        cmocka_unit_test(test_minimum_of_4_gib_above_the_limit_is_memory_limit),
        cmocka_unit_test(test_a_limit_below_a_page),
        cmocka_unit_test(test_a_full_guest_can_still_say_so),
        cmocka_unit_test(test_memory_and_tables_are_fresh_every_time),
        cmocka_unit_test(test_row_12_output_beyond_the_limit_is_truncated_to_the_byte),
        cmocka_unit_test(test_row_12_the_default_limit_is_1_mib_a_stream),
        cmocka_unit_test(test_policy_stop_ends_the_run_at_the_limit_to_the_byte),
        cmocka_unit_test(test_row_17_a_callback_gets_every_byte),
        cmocka_unit_test(test_row_17_with_policy_stop_a_callback_gets_the_head),
        cmocka_unit_test(test_row_17_a_callback_can_cancel_by_its_answer),
        cmocka_unit_test(test_row_17_a_callback_can_fire_the_cancellation),
        cmocka_unit_test(test_a_slow_callback_is_the_runs_time),
        cmocka_unit_test(test_row_18_fuel_ends_a_loop),
        cmocka_unit_test(test_row_18_fuel_is_counted_alike_every_time),
        cmocka_unit_test(test_fuel_in_the_start_section),
        cmocka_unit_test(test_fuel_of_2_to_the_64th),
        cmocka_unit_test(test_metered_runs_have_deadlines_too),
        cmocka_unit_test(test_row_17_cancel_a_loop),
        cmocka_unit_test(test_row_17_cancel_a_start_section),
        cmocka_unit_test(test_row_17_cancel_a_sleep),
        cmocka_unit_test(test_row_17_cancel_before_the_start),
        cmocka_unit_test(test_row_17_cancel_after_the_end_touches_nothing),
        cmocka_unit_test(test_row_17_cancel_at_any_moment),
        cmocka_unit_test(test_tables_have_a_limit_of_their_own),
    };

    return cmocka_run_group_tests_name("wasm_limits", tests, adk_test_setup, adk_test_teardown);
}
