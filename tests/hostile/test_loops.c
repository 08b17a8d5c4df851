/*
 * Guests that never end: in every kind of code there is, and in calls of the host. Each ends at its deadline.
 */
#include "hostile.h"

#define IN_100_MS .timeout_ns = 100 * MS

#define FOREVER(body)   "(module " START "(loop $again " body " br $again)))"
#define IN_MEMORY(body) "(module (memory 512) (data $d \"some bytes\")" START "(loop $again " body " br $again)))"
#define WITH(imports, body) \
    "(module " imports "(memory (export \"memory\") 1)" START "(loop $again " body " br $again)))"
#define IN_TABLES(body)                                                                                     \
    "(module (table $t 100000 100000 funcref) (table $u 100000 funcref) (elem $e funcref (ref.func $start)" \
    " (ref.null func))" START "(loop $again " body " br $again)))"

/* ---- code --------------------------------------------------------------------------------------------------------- */

static void test_loops_in_code(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"an empty loop", GUEST_LOOP, IN_100_MS, TIMES_OUT_IN(RUN)},
        {"a loop in the start section", "(module (func $s " LOOP ") (start $s)" START "))", IN_100_MS,
         TIMES_OUT_IN(INSTANTIATE)},
        {"a loop in _initialize", "(module (func (export \"_initialize\") " LOOP ")" START "))", IN_100_MS,
         TIMES_OUT_IN(RUN)},
        {"a loop behind a branch table", "(module " START "(loop $a (loop $b (br_table $a $b $a $b (i32.const 7))))))",
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"a loop that always may end",
         "(module (global $g (mut i32) (i32.const 1))" START "(loop $a (br_if $a (global.get $g)))))", IN_100_MS,
         TIMES_OUT_IN(RUN)},
        {"loops in loops",
         "(module " START "(loop $a (loop $b (loop $c (br_if $c (i32.const 0))) "
         "(br_if $b (i32.const 0))) br $a)))",
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"a loop of calls", "(module (func $f)" START "(loop $a (call $f) br $a)))", IN_100_MS, TIMES_OUT_IN(RUN)},
        {"a loop through call_indirect",
         "(module (table 1 funcref) (elem (i32.const 0) $f) (func $f)" START
         "(loop $a (call_indirect (i32.const 0)) br $a)))",
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"a loop inside call_indirect",
         "(module (table 1 funcref) (elem (i32.const 0) $f) (func $f " LOOP ")" START "(call_indirect (i32.const 0))))",
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"a loop through call_indirect in the start section",
         "(module (table 1 funcref) (elem (i32.const 0) $f) (func $f " LOOP ") (func $s "
         "(call_indirect (i32.const 0))) (start $s)" START "))",
         IN_100_MS, TIMES_OUT_IN(INSTANTIATE)},
        {"2^40 calls and no loop",
         "(module (func $f (param i32) (if (local.get 0) (then "
         "(call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 1))))))" START
         "(call $f (i32.const 40))))",
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"2^40 indirect calls and no loop",
         "(module (type $p (func (param i32))) (table 1 funcref) (elem (i32.const 0) $f) (func $f (type $p) "
         "(if (local.get 0) (then "
         "(call_indirect (type $p) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)) "
         "(call_indirect (type $p) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))" START
         "(call $f (i32.const 40))))",
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"slow instructions",
         FOREVER("(drop (i64.rem_s (i64.const -1) (i64.const 7))) "
                 "(drop (f64.sqrt (f64.const 2)))"),
         IN_100_MS, TIMES_OUT_IN(RUN)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- bulk operations ---------------------------------------------------------------------------------------------- */

static void test_bulk_operations(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"memory.fill of 32 MiB", IN_MEMORY("(memory.fill (i32.const 0) (i32.const 1) (i32.const 33554432))"),
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"memory.fill of nothing", IN_MEMORY("(memory.fill (i32.const 0) (i32.const 1) (i32.const 0))"), IN_100_MS,
         TIMES_OUT_IN(RUN)},
        {"memory.copy over itself", IN_MEMORY("(memory.copy (i32.const 1) (i32.const 0) (i32.const 33554431))"),
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"memory.copy downwards", IN_MEMORY("(memory.copy (i32.const 0) (i32.const 1) (i32.const 33554431))"),
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"memory.init", IN_MEMORY("(memory.init $d (i32.const 0) (i32.const 0) (i32.const 10))"), IN_100_MS,
         TIMES_OUT_IN(RUN)},
        {"data.drop", IN_MEMORY("(data.drop $d)"), IN_100_MS, TIMES_OUT_IN(RUN)},
        {"memory.grow by nothing", IN_MEMORY("(drop (memory.grow (i32.const 0)))"), IN_100_MS, TIMES_OUT_IN(RUN)},
        {"table.fill", IN_TABLES("(table.fill $t (i32.const 0) (ref.func $start) (i32.const 100000))"), IN_100_MS,
         TIMES_OUT_IN(RUN)},
        {"table.copy over itself", IN_TABLES("(table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 99999))"),
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"table.copy to another", IN_TABLES("(table.copy $t $u (i32.const 0) (i32.const 0) (i32.const 100000))"),
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"table.init", IN_TABLES("(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 2))"), IN_100_MS,
         TIMES_OUT_IN(RUN)},
        {"elem.drop", IN_TABLES("(elem.drop $e)"), IN_100_MS, TIMES_OUT_IN(RUN)},
        {"table.grow by nothing", IN_TABLES("(drop (table.grow $t (ref.null func) (i32.const 0)))"), IN_100_MS,
         TIMES_OUT_IN(RUN)},
        {"table.grow above the table's own maximum", IN_TABLES("(drop (table.grow $t (ref.null func) (i32.const 1)))"),
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"table.set", IN_TABLES("(table.set $t (i32.const 7) (ref.func $start))"), IN_100_MS, TIMES_OUT_IN(RUN)},
        {"memory.fill in the start section",
         "(module (memory 512) (func $s (loop $a (memory.fill (i32.const 0) (i32.const 1) (i32.const 33554432)) "
         "br $a)) (start $s)" START "))",
         IN_100_MS, TIMES_OUT_IN(INSTANTIATE)},
        {"growth that is always refused", IN_MEMORY("(drop (memory.grow (i32.const 1000)))"), IN_100_MS,
         TIMES_OUT_IN(RUN), .denied_at_least = 100},
        {"growth of a table that is always refused",
         IN_TABLES("(drop (table.grow $u (ref.null func) (i32.const 2000000)))"), IN_100_MS, TIMES_OUT_IN(RUN),
         .denied_at_least = 100},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* A table instruction cannot be interrupted: the longest there may be is still short. */
static void test_the_longest_table_operations(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"table.fill of a million",
         "(module (table $t 1000000 funcref) (elem declare func $start)" START
         "(loop $a (table.fill $t (i32.const 0) (ref.func $start) (i32.const 1000000)) br $a)))",
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"table.copy of a million",
         "(module (table $t 1000000 funcref)" START
         "(loop $a (table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 999999)) br $a)))",
         IN_100_MS, TIMES_OUT_IN(RUN)},
        {"table.grow to a million, then for ever",
         "(module (table $t 0 funcref)" START
         "(loop $a (drop (table.grow $t (ref.null func) (i32.const 1000000))) br $a)))",
         IN_100_MS, TIMES_OUT_IN(RUN), .denied_at_least = 1},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- calls of the host -------------------------------------------------------------------------------------------- */

#define IMPORT_YIELD "(import \"" WASI "\" \"sched_yield\" (func $yield (result i32)))"
#define IMPORT_SEEK  "(import \"" WASI "\" \"fd_seek\" (func $seek (param i32 i64 i32 i32) (result i32)))"
#define BOTH_PHASES  .outcome = ADK_OUTCOME_TIMED_OUT, .phase = ADK_PHASE_RUN, .or_phase = ADK_PHASE_HOST_CALL

static void test_loops_of_host_calls(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"reading the clock", WITH(IMPORT_CLOCK, "(drop (call $clock (i32.const 1) (i64.const 0) (i32.const 0)))"),
         IN_100_MS, BOTH_PHASES},
        {"yielding", WITH(IMPORT_YIELD, "(drop (call $yield))"), IN_100_MS, BOTH_PHASES},
        {"writing nothing",
         WITH(IMPORT_WRITE, "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 0) "
                            "(i32.const 0)))"),
         IN_100_MS, BOTH_PHASES, .out = ""},
        {"failing to write",
         WITH(IMPORT_WRITE, "(drop (call $write (i32.const 99) (i32.const 0) (i32.const 0) "
                            "(i32.const 0)))"),
         IN_100_MS, BOTH_PHASES},
        {"reading the end of a file",
         WITH(IMPORT_READ, "(i32.store (i32.const 4) (i32.const 9)) (drop (call $read "
                           "(i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))"),
         IN_100_MS, BOTH_PHASES},
        {"sleeping no time",
         WITH(IMPORT_POLL, "(i32.store (i32.const 16) (i32.const 1)) (drop (call $poll "
                           "(i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))"),
         IN_100_MS, BOTH_PHASES},
        {"polling nothing",
         WITH(IMPORT_POLL, "(drop (call $poll (i32.const 0) (i32.const 64) (i32.const 0) "
                           "(i32.const 128)))"),
         IN_100_MS, BOTH_PHASES},
        {"a page of random numbers", WITH(IMPORT_RANDOM, "(drop (call $random (i32.const 0) (i32.const 65536)))"),
         IN_100_MS, BOTH_PHASES},
        {"seeking", WITH(IMPORT_SEEK, "(drop (call $seek (i32.const 3) (i64.const 1) (i32.const 1) (i32.const 0)))"),
         IN_100_MS, BOTH_PHASES},
        {"sleeping in the start section",
         "(module " IMPORT_POLL "(memory (export \"memory\") 1) (func $s (i32.store (i32.const 16) (i32.const 1)) "
         "(i64.store (i32.const 24) (i64.const -1)) (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) "
         "(i32.const 128)))) (start $s)" START "))",
         IN_100_MS, .outcome = ADK_OUTCOME_TIMED_OUT, .phase = ADK_PHASE_HOST_CALL},
        {"sleeping for ever", GUEST_SLEEPS("-1"), IN_100_MS, TIMES_OUT_IN(HOST_CALL)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- deadlines that are odd --------------------------------------------------------------------------------------- */

static void test_odd_deadlines(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"1 ns", GUEST_HELLO, .timeout_ns = 1, TIMES_OUT_IN(COMPILE), .message_part = "after 1ns"},
        {"1 ns and a loop", GUEST_LOOP, .timeout_ns = 1, TIMES_OUT_IN(COMPILE)},
        {"half a tick of the epoch", GUEST_LOOP, .timeout_ns = 250000, .outcome = ADK_OUTCOME_TIMED_OUT,
         .phase = ADK_PHASE_RUN, .or_phase = ADK_PHASE_INSTANTIATE},
        {"a tick of the epoch", GUEST_LOOP, .timeout_ns = 500000, .outcome = ADK_OUTCOME_TIMED_OUT,
         .phase = ADK_PHASE_RUN, .or_phase = ADK_PHASE_INSTANTIATE},
        {"a tick of the epoch in the start section", "(module (func $s " LOOP ") (start $s)" START "))",
         .timeout_ns = 500000, TIMES_OUT_IN(INSTANTIATE)},
        {"2^64 - 1 ns", GUEST_HELLO, .timeout_ns = UINT64_MAX, EXITS(0), .out = "hello, world\n"},
        {"2^64 - 1 ns and a short sleep", GUEST_SLEEPS("1000000"), .timeout_ns = UINT64_MAX, EXITS(0)},
        {"2^63 ns and a short sleep", GUEST_SLEEPS("1000000"), .timeout_ns = (uint64_t)1 << 63, EXITS(0)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* Two hundred deadlines of a microsecond to two ticks: whatever is reached until then, it is the deadline that ends it. */
static void test_every_short_deadline(void **state)
{
    adk_hostile *hostile = *state;
    adk_request request = adk_test_request(GUEST_LOOP);

    adk_test_compile(hostile->backend, GUEST_LOOP);
    for (uint64_t i = 1; i <= 200; i++) {
        adk_result *result;

        request.timeout_ns = i * 5000;
        result = adk_hostile_execute(hostile->backend, "a short deadline", &request);
        adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
        adk_result_free(result);
    }
    adk_hostile_unharmed(hostile, "short deadlines");
}

/* Fuel ends a loop where it stands, in any phase. */
static void test_fuel(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a loop with fuel", GUEST_LOOP, .fuel = 100000, .outcome = ADK_OUTCOME_FUEL_EXHAUSTED, .phase = ADK_PHASE_RUN,
         .message_part = "fuel exhausted: 100000 units"},
        {"a loop with a unit of fuel", GUEST_LOOP, .fuel = 1, .outcome = ADK_OUTCOME_FUEL_EXHAUSTED,
         .phase = ADK_PHASE_RUN},
        {"a start section with fuel", "(module (func $s " LOOP ") (start $s)" START "))", .fuel = 1000,
         .outcome = ADK_OUTCOME_FUEL_EXHAUSTED, .phase = ADK_PHASE_INSTANTIATE},
        {"a loop with all the fuel there is", GUEST_LOOP, .fuel = UINT64_MAX, IN_100_MS, TIMES_OUT_IN(RUN)},
        {"recursion with fuel", "(module " START "(call $start)))", .fuel = 1000, .outcome = ADK_OUTCOME_FUEL_EXHAUSTED,
         .phase = ADK_PHASE_RUN},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loops_in_code),
        cmocka_unit_test(test_bulk_operations),
        cmocka_unit_test(test_the_longest_table_operations),
        cmocka_unit_test(test_loops_of_host_calls),
        cmocka_unit_test(test_odd_deadlines),
        cmocka_unit_test(test_every_short_deadline),
        cmocka_unit_test(test_fuel),
    };

    return cmocka_run_group_tests_name("loops", tests, adk_hostile_setup, adk_hostile_teardown);
}
