/*
 * Guests that want more memory than they may have, reach for what is not theirs, or count on what is no longer there.
 * Every kind of trap a guest can cause is here under its own name.
 */
#include "hostile.h"

#define OVER_AT_START      OVER_MEMORY_IN(INSTANTIATE, "memory limit exceeded: ")
#define OVER_WHILE_IT_RUNS OVER_MEMORY_IN(RUN, "memory limit exceeded: ")
#define TEN_PAGES          .memory_limit_bytes = 10 * PAGE

/* ---- minima ------------------------------------------------------------------------------------------------------- */

static void test_minima_above_the_limit(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a memory above the default limit", "(module (memory 1025)" START "))", OVER_AT_START, .denied_at_least = 1},
        {"a memory of 4 GiB", "(module (memory 65536)" START "))", OVER_AT_START},
        {"a memory one page above the limit", "(module (memory 11)" START "))", TEN_PAGES, OVER_AT_START},
        {"a memory at the limit", "(module (memory 10)" START "))", TEN_PAGES, EXITS(0)},
        {"a memory with a limit of a byte", "(module (memory 1)" START "))", .memory_limit_bytes = 1, OVER_AT_START},
        {"no memory with a limit of a byte", "(module" START "))", .memory_limit_bytes = 1, EXITS(0)},
        {"an empty memory with a limit of a byte", "(module (memory 0)" START "))", .memory_limit_bytes = 1, EXITS(0)},
        {"a table above the limit", "(module (table 100000 funcref)" START "))", TEN_PAGES, OVER_AT_START},
        {"a table at the limit", "(module (table 81920 funcref)" START "))", TEN_PAGES, EXITS(0)},
        {"a table one element above the limit", "(module (table 81921 funcref)" START "))", TEN_PAGES, OVER_AT_START},
        {"a table of ten million", "(module (table 10000000 funcref)" START "))", OVER_AT_START},
        {"a table of sixteen million, and memory that is copied",
         "(module (memory 1) (table 16777215 funcref)" START
         "(memory.copy (i32.const 0) (i32.const 9) (memory.size))))",
         OVER_MEMORY_IN(INSTANTIATE, "memory limit exceeded"), .denied_at_least = 1},
        {"a table of four billion", "(module (table 4294967295 funcref)" START "))",
         OVER_MEMORY_IN(INSTANTIATE, "memory limit exceeded"), .denied_at_least = 1},
        {"a table above what tables may have, under any limit", "(module (table 1000001 funcref)" START "))",
         .memory_limit_bytes = ADK_MEMORY_LIMIT_MAX_BYTES, OVER_MEMORY_IN(INSTANTIATE, "tables")},
        {"four tables above the limit together",
         "(module (table 30000 funcref) (table 30000 funcref) (table 30000 funcref) (table 1 funcref)" START "))",
         TEN_PAGES, OVER_AT_START},
        {"memory and table above the limit together", "(module (memory 10) (table 1 funcref)" START "))", TEN_PAGES,
         OVER_AT_START},
        {"a maximum that is far above the limit", "(module (memory 1 65536) (table 1 4294967295 funcref)" START "))",
         TEN_PAGES, EXITS(0)},
        {"a start section that never comes to run", "(module (memory 11) (func $s unreachable) (start $s)" START "))",
         TEN_PAGES, OVER_AT_START},
        {"a data segment that never comes to be copied", "(module (memory 11) (data (i32.const -1) \"x\")" START "))",
         TEN_PAGES, OVER_AT_START},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- growth ------------------------------------------------------------------------------------------------------- */

#define GROWS(end)                                                \
    "(module " IMPORT_EXIT "(memory (export \"memory\") 1)" START \
    "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) " end "))"
#define TABLE_GROWS(step, end)                                                                                       \
    "(module " IMPORT_EXIT "(table $t 1 funcref)" START                                                              \
    "(loop $again (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const " step ")) (i32.const -1)))) " end \
    "))"

static void test_growth(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"memory page by page, then giving up", GROWS("unreachable"), TEN_PAGES, OVER_WHILE_IT_RUNS,
         .trap = "unreachable", .denied_at_least = 1, .denied_at_most = 1},
        {"memory page by page, then past its end", GROWS("(i32.store (i32.const -4) (i32.const 1))"), TEN_PAGES,
         OVER_WHILE_IT_RUNS, .trap = "memory_out_of_bounds", .denied_at_least = 1},
        {"memory page by page, then a division by zero", GROWS("(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
         TEN_PAGES, TRAPS("integer_division_by_zero"), .denied_at_least = 1, .denied_at_most = 1},
        {"memory page by page, then a clean exit", GROWS("(call $exit (memory.size))"), TEN_PAGES, EXITS(10),
         .denied_at_least = 1, .denied_at_most = 1},
        {"memory page by page, then recursion", GROWS("(call $start)"), TEN_PAGES, TRAPS("stack_overflow"),
         .denied_at_least = 100},
        {"a table by thousands, then giving up", TABLE_GROWS("1000", "unreachable"), TEN_PAGES, OVER_WHILE_IT_RUNS,
         .trap = "unreachable", .denied_at_least = 1},
        {"a table by thousands, then past its end", TABLE_GROWS("1000", "(drop (table.get $t (i32.const -1)))"),
         TEN_PAGES, OVER_WHILE_IT_RUNS, .trap = "table_out_of_bounds", .denied_at_least = 1},
        {"a table by thousands, then a clean exit", TABLE_GROWS("1000", "(call $exit (table.size $t))"), TEN_PAGES,
         EXITS(81001), .denied_at_least = 1, .denied_at_most = 1},
        {"a table element by element", TABLE_GROWS("1", "(call $exit (table.size $t))"), .memory_limit_bytes = PAGE,
         EXITS(8192), .denied_at_least = 1, .denied_at_most = 1},
        {"a refusal, a growth, then a trap",
         "(module (memory 1)" START "(drop (memory.grow (i32.const 100))) (drop (memory.grow (i32.const 1))) "
         "unreachable))",
         TEN_PAGES, TRAPS("unreachable"), .denied_at_least = 1, .denied_at_most = 1},
        {"a growth, a refusal, then a trap",
         "(module (memory 1)" START "(drop (memory.grow (i32.const 1))) (drop (memory.grow (i32.const 100))) "
         "unreachable))",
         TEN_PAGES, OVER_WHILE_IT_RUNS, .trap = "unreachable", .denied_at_least = 1, .denied_at_most = 1},
        {"growth in the start section, then giving up",
         "(module (memory 1) (func $s (drop (memory.grow (i32.const 100))) unreachable) (start $s)" START "))",
         TEN_PAGES, OVER_AT_START, .trap = "unreachable", .denied_at_least = 1},
        {"growth in the start section, giving up in _start",
         "(module (memory 1) (func $s (drop (memory.grow (i32.const 100)))) (start $s)" START "unreachable))",
         TEN_PAGES, OVER_WHILE_IT_RUNS, .trap = "unreachable", .denied_at_least = 1},
        {"a table by twenty million, then giving up",
         "(module (table $t 1 funcref)" START
         "(drop (table.grow $t (ref.null func) (i32.const 20000000))) unreachable))",
         OVER_WHILE_IT_RUNS, .trap = "unreachable", .denied_at_least = 1},
        {"growth by 2^32 - 1 pages",
         "(module " IMPORT_EXIT "(memory 1)" START "(drop (memory.grow (i32.const -1))) (call $exit (memory.size))))",
         TEN_PAGES, EXITS(1)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* What is above the declared maximum was never to be had: nothing is charged for it, and it explains no trap. */
static void test_wishes_above_the_declared_maximum(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a table above its maximum a thousand times, then within it",
         "(module " IMPORT_EXIT "(table $t 1 100 funcref)" START "(local $i i32)"
         "(loop $again (if (i32.ne (table.grow $t (ref.null func) (i32.const 1000000)) (i32.const -1)) (then "
         "unreachable)) (local.set $i (i32.add (local.get $i) (i32.const 1))) "
         "(br_if $again (i32.lt_u (local.get $i) (i32.const 1000)))) "
         "(drop (table.grow $t (ref.null func) (i32.const 99))) (call $exit (table.size $t))))",
         .memory_limit_bytes = 800, EXITS(100), .denied_at_least = 0},
        {"a memory above its maximum a thousand times, then within it",
         "(module " IMPORT_EXIT "(memory 1 10)" START "(local $i i32)"
         "(loop $again (if (i32.ne (memory.grow (i32.const 10)) (i32.const -1)) (then unreachable)) "
         "(local.set $i (i32.add (local.get $i) (i32.const 1))) "
         "(br_if $again (i32.lt_u (local.get $i) (i32.const 1000)))) "
         "(drop (memory.grow (i32.const 9))) (call $exit (memory.size))))",
         TEN_PAGES, EXITS(10)},
        {"a memory above its maximum, then a trap",
         "(module (memory 1 2)" START "(drop (memory.grow (i32.const 2))) unreachable))", TEN_PAGES,
         TRAPS("unreachable")},
        {"a table above its maximum, then a trap",
         "(module (table $t 1 2 funcref)" START "(drop (table.grow $t (ref.null func) (i32.const 100))) unreachable))",
         TEN_PAGES, TRAPS("unreachable")},
    };
    adk_hostile *hostile = *state;

    for (size_t i = 0; i < COUNT_OF(attacks); i++) {
        adk_request request = adk_hostile_request(&attacks[i]);
        adk_result *result = adk_hostile_execute(hostile->backend, attacks[i].name, &request);

        adk_hostile_expect(&attacks[i], result);
        assert_int_equal(adk_test_usage(result).memory_denied, 0);
        adk_result_free(result);
        adk_hostile_unharmed(hostile, attacks[i].name);
    }
}

/* The memory may move or grow between two calls of the host, and a call must not know an older one. */
static void test_memory_that_grows_between_calls_of_the_host(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"random numbers where there was no memory yet",
         "(module " IMPORT_RANDOM IMPORT_EXIT "(memory (export \"memory\") 1)" START CHECK(
             "1", "(i32.eq (call $random (i32.const 65536) (i32.const 8)) (i32.const 21))") /* EFAULT */
         CHECK("2", "(i32.eq (memory.grow (i32.const 500)) (i32.const 1))")
             CHECK("3", "(i32.eqz (call $random (i32.const 65536) (i32.const 8)))")
                 CHECK("4", "(i64.ne (i64.load (i32.const 65536)) (i64.const 0))")
                     CHECK("5", "(i32.eqz (call $random (i32.const 32833528) (i32.const 8)))")
                         CHECK("6", "(i64.ne (i64.load (i32.const 32833528)) (i64.const 0))") CHECK(
                             "7", "(i32.eq (call $random (i32.const 32833529) (i32.const 8)) (i32.const 21))") "))",
         EXITS(0)},
        {"a result in memory that came by growing",
         "(module " IMPORT_CLOCK IMPORT_EXIT "(memory (export \"memory\") 0)" START CHECK(
             "1", "(i32.eq (call $clock (i32.const 1) (i64.const 0) (i32.const 0)) (i32.const "
                  "21))") "(drop (memory.grow (i32.const 1)))" CHECK("2", "(i32.eqz (call $clock (i32.const 1) "
                                                                          "(i64.const 0) (i32.const 65528)))")
             CHECK("3", "(i64.ne (i64.load (i32.const 65528)) (i64.const 0))")
                 CHECK("4", "(i32.eq (call $clock (i32.const 1) (i64.const 0) (i32.const 65529)) "
                            "(i32.const 21))") "))",
         EXITS(0)},
        {"output from memory that came by growing",
         "(module " IMPORT_WRITE IMPORT_EXIT "(memory (export \"memory\") 1)" START
         "(i32.store (i32.const 0) (i32.const 131070)) (i32.store (i32.const 4) (i32.const 2))" CHECK(
             "1", "(i32.eq (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const "
                  "21))") "(drop (memory.grow (i32.const 1))) (i32.store16 (i32.const 131070) (i32.const "
                          "0x6968))" CHECK("2", "(i32.eqz (call $write (i32.const 1) (i32.const 0) (i32.const "
                                                "1) (i32.const 8)))") "(drop (memory.grow (i32.const "
                                                                      "100)))" CHECK("3", "(i32.eqz (call $write "
                                                                                          "(i32.const 1) (i32.const "
                                                                                          "0) (i32.const 1) "
                                                                                          "(i32.const 8)))") "))",
         EXITS(0), .out = "hihi"},
        {"a refused growth between two calls",
         "(module " IMPORT_RANDOM IMPORT_EXIT
         "(memory (export \"memory\") 1)" START CHECK("1", "(i32.eqz (call $random (i32.const 65528) (i32.const 8)))")
             CHECK("2", "(i32.eq (memory.grow (i32.const 10)) (i32.const -1))")
                 CHECK("3", "(i32.eqz (call $random (i32.const 65528) (i32.const 8)))")
                     CHECK("4", "(i32.eq (call $random (i32.const 65536) (i32.const 1)) (i32.const 21))") "))",
         TEN_PAGES, EXITS(0), .denied_at_least = 1},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- segments ----------------------------------------------------------------------------------------------------- */

static void test_segments_out_of_bounds(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"data at the end of memory", "(module (memory 1) (data (i32.const 65536) \"x\")" START "))",
         TRAPS_IN(INSTANTIATE, "memory_out_of_bounds")},
        {"data over the end of memory", "(module (memory 1) (data (i32.const 65530) \"0123456789\")" START "))",
         TRAPS_IN(INSTANTIATE, "memory_out_of_bounds")},
        {"data at -1", "(module (memory 1) (data (i32.const -1) \"x\")" START "))",
         TRAPS_IN(INSTANTIATE, "memory_out_of_bounds")},
        {"data without memory to it", "(module (memory 0) (data (i32.const 0) \"x\")" START "))",
         TRAPS_IN(INSTANTIATE, "memory_out_of_bounds")},
        {"empty data behind the end of memory", "(module (memory 1) (data (i32.const 65537) \"\")" START "))",
         TRAPS_IN(INSTANTIATE, "memory_out_of_bounds")},
        {"empty data at the end of memory", "(module (memory 1) (data (i32.const 65536) \"\")" START "))", EXITS(0)},
        {"good data and bad",
         "(module (memory 1) (data (i32.const 0) \"good\") (data (i32.const -4) \"12345\")" START "))",
         TRAPS_IN(INSTANTIATE, "memory_out_of_bounds")},
        {"elements at the end of the table", "(module (table 2 funcref) (elem (i32.const 2) $start)" START "))",
         TRAPS_IN(INSTANTIATE, "table_out_of_bounds")},
        {"elements over the end of the table",
         "(module (table 2 funcref) (elem (i32.const 1) $start $start)" START "))",
         TRAPS_IN(INSTANTIATE, "table_out_of_bounds")},
        {"elements at -1", "(module (table 2 funcref) (elem (i32.const -1) $start)" START "))",
         TRAPS_IN(INSTANTIATE, "table_out_of_bounds")},
        {"bad elements and a start section that never comes to run",
         "(module (table 1 funcref) (elem (i32.const 1) $start) (func $s " LOOP ") (start $s)" START "))",
         TRAPS_IN(INSTANTIATE, "table_out_of_bounds")},
        {"memory.init past its segment",
         "(module (memory 1) (data $d \"abc\")" START "(memory.init $d (i32.const 0) (i32.const 1) (i32.const 3))))",
         TRAPS("memory_out_of_bounds")},
        {"memory.init from a dropped segment",
         "(module (memory 1) (data $d \"abc\")" START
         "(data.drop $d) (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))))",
         TRAPS("memory_out_of_bounds")},
        {"table.init past its segment",
         "(module (table 9 funcref) (elem $e func $start)" START
         "(table.init $e (i32.const 0) (i32.const 0) (i32.const 2))))",
         TRAPS("table_out_of_bounds")},
        {"table.init from a dropped segment",
         "(module (table 9 funcref) (elem $e func $start)" START
         "(elem.drop $e) (table.init $e (i32.const 0) (i32.const 0) (i32.const 1))))",
         TRAPS("table_out_of_bounds")},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- traps -------------------------------------------------------------------------------------------------------- */

#define DOES(body) "(module (memory 1)" START body "))"
#define CALLS(how) \
    "(module (type $other (func (param i64))) (table 3 funcref) (elem (i32.const 0) $start) " START how "))"

static void test_every_kind_of_trap(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"unreachable", GUEST_UNREACHABLE, TRAPS("unreachable"), .message_part = "unreachable"},
        {"unreachable in the start section", "(module (func $s unreachable) (start $s)" START "))",
         TRAPS_IN(INSTANTIATE, "unreachable")},
        {"unreachable in _initialize", "(module (func (export \"_initialize\") unreachable)" START "))",
         TRAPS("unreachable")},
        {"a load at the end of memory", DOES("(drop (i32.load8_u (i32.const 65536)))"), TRAPS("memory_out_of_bounds")},
        {"a load across the end of memory", DOES("(drop (i64.load (i32.const 65529)))"), TRAPS("memory_out_of_bounds")},
        {"a load at -1", DOES("(drop (i32.load8_u (i32.const -1)))"), TRAPS("memory_out_of_bounds")},
        {"a load with the largest offset", DOES("(drop (i64.load offset=4294967295 (i32.const -1)))"),
         TRAPS("memory_out_of_bounds")},
        {"a vector load across the end of memory", DOES("(drop (v128.load (i32.const 65521)))"),
         TRAPS("memory_out_of_bounds")},
        {"a store at the end of memory", DOES("(i32.store8 (i32.const 65536) (i32.const 0))"),
         TRAPS("memory_out_of_bounds")},
        {"a store with the largest offset", DOES("(i64.store offset=4294967288 (i32.const -1) (i64.const 0))"),
         TRAPS("memory_out_of_bounds")},
        {"memory.fill over the end", DOES("(memory.fill (i32.const 1) (i32.const 0) (i32.const 65536))"),
         TRAPS("memory_out_of_bounds")},
        {"memory.fill of 4 GiB", DOES("(memory.fill (i32.const 0) (i32.const 0) (i32.const -1))"),
         TRAPS("memory_out_of_bounds")},
        {"memory.copy from behind the end", DOES("(memory.copy (i32.const 0) (i32.const -1) (i32.const 2))"),
         TRAPS("memory_out_of_bounds")},
        {"memory.copy to behind the end", DOES("(memory.copy (i32.const -1) (i32.const 0) (i32.const 2))"),
         TRAPS("memory_out_of_bounds")},
        {"a load from a memory without pages", "(module (memory 0)" START "(drop (i32.load (i32.const 0)))))",
         TRAPS("memory_out_of_bounds")},
        {"table.get past the end", CALLS("(drop (table.get 0 (i32.const 3)))"), TRAPS("table_out_of_bounds")},
        {"table.set at -1", CALLS("(table.set 0 (i32.const -1) (ref.null func))"), TRAPS("table_out_of_bounds")},
        {"table.fill over the end", CALLS("(table.fill 0 (i32.const 1) (ref.null func) (i32.const 3))"),
         TRAPS("table_out_of_bounds")},
        {"table.copy over the end", CALLS("(table.copy (i32.const 0) (i32.const 1) (i32.const 3))"),
         TRAPS("table_out_of_bounds")},
        {"call_indirect past the end", CALLS("(call_indirect (i32.const 3))"), TRAPS("table_out_of_bounds")},
        {"call_indirect at -1", CALLS("(call_indirect (i32.const -1))"), TRAPS("table_out_of_bounds")},
        {"call_indirect of null", CALLS("(call_indirect (i32.const 1))"), TRAPS("indirect_call_to_null")},
        {"call_indirect of another type", CALLS("(call_indirect (type $other) (i64.const 0) (i32.const 0))"),
         TRAPS("bad_signature")},
        {"division of the least number by -1", DOES("(drop (i32.div_s (i32.const -2147483648) (i32.const -1)))"),
         TRAPS("integer_overflow")},
        {"division of the least long number by -1",
         DOES("(drop (i64.div_s (i64.const -9223372036854775808) (i64.const -1)))"), TRAPS("integer_overflow")},
        {"division by zero", DOES("(drop (i32.div_s (i32.const 1) (i32.const 0)))"), TRAPS("integer_division_by_zero")},
        {"long division by zero", DOES("(drop (i64.div_u (i64.const 1) (i64.const 0)))"),
         TRAPS("integer_division_by_zero")},
        {"remainder by zero", DOES("(drop (i32.rem_u (i32.const 1) (i32.const 0)))"),
         TRAPS("integer_division_by_zero")},
        {"the remainder of the least number by -1", DOES("(drop (i32.rem_s (i32.const -2147483648) (i32.const -1)))"),
         EXITS(0)},
        {"conversion of what is no number", DOES("(drop (i32.trunc_f32_s (f32.const nan)))"),
         TRAPS("bad_conversion_to_integer")},
        {"conversion of infinity", DOES("(drop (i32.trunc_f64_s (f64.const inf)))"), TRAPS("integer_overflow")},
        {"conversion of what is too large", DOES("(drop (i64.trunc_f64_u (f64.const 1e20)))"),
         TRAPS("integer_overflow")},
        {"conversion of what is negative", DOES("(drop (i32.trunc_f64_u (f64.const -1)))"), TRAPS("integer_overflow")},
        {"a trap in a called function", "(module (func $f (call $g)) (func $g unreachable)" START "(call $f)))",
         TRAPS("unreachable")},
        {"a trap in an indirectly called function",
         "(module (table 1 funcref) (elem (i32.const 0) $f) (func $f unreachable)" START
         "(call_indirect (i32.const 0))))",
         TRAPS("unreachable")},
        {"stack overflow", "(module " START "(call $start)))", TRAPS("stack_overflow")},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* One byte before each end is a guest's own. */
static void test_the_last_of_everything(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"the last byte",
         DOES("(i32.store8 (i32.const 65535) (i32.const 1)) (drop (i64.load (i32.const 65528)))"
              "(drop (v128.load (i32.const 65520)))"),
         EXITS(0)},
        {"nothing at the end",
         DOES("(memory.fill (i32.const 65536) (i32.const 1) (i32.const 0))"
              "(memory.copy (i32.const 65536) (i32.const 65536) (i32.const 0))"),
         EXITS(0)},
        {"the last element",
         CALLS("(table.set 0 (i32.const 2) (ref.null func))"
               "(table.fill 0 (i32.const 3) (ref.null func) (i32.const 0))"),
         EXITS(0)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* A thousand traps in a row: as quick and as clean as the first. */
static void test_a_thousand_traps(void **state)
{
    static const char *const guests[] = {GUEST_UNREACHABLE, DOES("(drop (i32.load (i32.const -4)))"),
                                         DOES("(drop (i32.div_s (i32.const 1) (i32.const 0)))"),
                                         "(module " START "(call $start)))"};
    adk_hostile *hostile = *state;

    for (size_t i = 0; i < COUNT_OF(guests); i++) {
        adk_request request = adk_test_request(guests[i]);

        for (int k = 0; k < 250; k++) {
            adk_result *result = adk_hostile_execute(hostile->backend, guests[i], &request);

            adk_test_expect(result, ADK_OUTCOME_TRAPPED);
            adk_result_free(result);
        }
        adk_hostile_unharmed(hostile, guests[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minima_above_the_limit),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_wishes_above_the_declared_maximum),
        cmocka_unit_test(test_memory_that_grows_between_calls_of_the_host),
        cmocka_unit_test(test_segments_out_of_bounds),
        cmocka_unit_test(test_every_kind_of_trap),
        cmocka_unit_test(test_the_last_of_everything),
        cmocka_unit_test(test_a_thousand_traps),
    };

    return cmocka_run_group_tests_name("memory", tests, adk_hostile_setup, adk_hostile_teardown);
}
