/*
 * Canaries: what one run leaves in memory, tables, globals and files no other may find, be it of the same module or of
 * another, in the same slot or in any.
 */
#include "hostile.h"

#include <pthread.h>

#define CANARY "0x5eedcafe"

/* Looks at all of `pages` of memory; exits with 1 if there is anything but nothing. */
#define LOOKS(pages)                                                                                               \
    "(local $at i32) (loop $l (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (call $exit (i32.const " \
    "1))))"                                                                                                        \
    "(br_if $l (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const " pages "))))"

#define FILLS(bytes) "(memory.fill (i32.const 0) (i32.const 0xa5) (i32.const " bytes "))"

/* Each first looks for what another may have left, then leaves all it can. 1310720 is 20 pages, 2621440 is 40. */
static const char *const guests[] = {
    /* memory of its minimum, and of what came by growing */
    "(module " IMPORT_EXIT "(memory 20)" START LOOKS(
        "1310720") "(drop (memory.grow (i32.const 20))) (local.set $at (i32.const 1310720))"
                   "(loop $m (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (call $exit (i32.const 2))))"
                   "(br_if $m (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const "
                   "2621440))))" FILLS("2621440") "))",
    "(module " IMPORT_EXIT "(memory 40)" START LOOKS("2621440") FILLS("2621440") "))",
    "(module " IMPORT_EXIT "(memory 1)" START LOOKS("65536") FILLS("65536") "))",
    /* data around what must be nothing */
    "(module " IMPORT_EXIT "(memory 20) (data (i32.const 0) \"head\") (data (i32.const 1310716) \"tail\")" START
    "(local $at i32) (if (i32.ne (i32.load (i32.const 0)) (i32.const 0x64616568)) (then (call $exit (i32.const 3))))"
    "(if (i32.ne (i32.load (i32.const 1310716)) (i32.const 0x6c696174)) (then (call $exit (i32.const 4))))"
    "(local.set $at (i32.const 8))"
    "(loop $m (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (call $exit (i32.const 5))))"
    "(br_if $m (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 1310712))))" FILLS(
        "1310720") "))",
    /* tables */
    "(module " IMPORT_EXIT "(table $t 10000 funcref) (table $u 3 funcref) (elem declare func $start) (elem (table $u) "
    "(i32.const 1) func $start)" START "(local $i i32)"
    "(loop $l (if (i32.eqz (ref.is_null (table.get $t (local.get $i)))) (then (call $exit (i32.const 6))))"
    "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))"
    "(if (i32.or (i32.eqz (ref.is_null (table.get $u (i32.const 0)))) (ref.is_null (table.get $u (i32.const 1)))) "
    "(then (call $exit (i32.const 7))))"
    "(table.fill $t (i32.const 0) (ref.func $start) (i32.const 10000))"
    "(table.fill $u (i32.const 0) (ref.func $start) (i32.const 3)) (table.set $u (i32.const 1) (ref.null func))"
    "(drop (table.grow $t (ref.func $start) (i32.const 10000)))))",
    "(module " IMPORT_EXIT "(table $t 20000 funcref)" START "(local $i i32)"
    "(loop $l (if (i32.eqz (ref.is_null (table.get $t (local.get $i)))) (then (call $exit (i32.const 8))))"
    "(br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000))))))",
    /* globals, of every type */
    "(module " IMPORT_EXIT
    "(global $a (mut i32) (i32.const 0)) (global $b (mut i64) (i64.const 7)) (global $c (mut v128)"
    "(v128.const i64x2 0 0)) (global $d (mut funcref) (ref.null func)) (elem declare func $start)" START
    "(if (i32.or (global.get $a) (i64.ne (global.get $b) (i64.const 7))) (then (call $exit (i32.const 9))))"
    "(if (i32.or (v128.any_true (global.get $c)) (i32.eqz (ref.is_null (global.get $d)))) "
    "(then (call $exit (i32.const 10))))"
    "(global.set $a (i32.const " CANARY ")) (global.set $b (i64.const -1)) (global.set $c (v128.const i64x2 -1 -1))"
    "(global.set $d (ref.func $start))))",
    /* passive segments that were dropped */
    "(module " IMPORT_EXIT "(memory 1) (table 2 funcref) (data $d \"abcd\") (elem $e func $start)" START
    "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 4)) (table.init $e (i32.const 0) (i32.const 0) "
    "(i32.const 1)) (data.drop $d) (elem.drop $e)))",
};

static void run_all(adk_hostile *hostile, const char *end, adk_outcome outcome)
{
    for (size_t i = 0; i < COUNT_OF(guests); i++) {
        adk_hostile_case attack = {"a canary", guests[i], EXITS(0)};
        adk_request request = adk_hostile_request(&attack);
        adk_result *result = adk_hostile_execute(hostile->backend, guests[i], &request);

        adk_hostile_expect(&attack, result);
        adk_result_free(result);
        if (end != NULL)
            adk_test_run_expect(hostile->backend, end, outcome);
    }
}

static void test_the_same_module_and_others(void **state)
{
    for (int i = 0; i < 10; i++)
        run_all(*state, NULL, ADK_OUTCOME_EXITED);
    adk_hostile_unharmed(*state, "canaries");
}

/* Runs that end badly leave their slots as they are; the next must not see it. */
static void test_after_every_bad_end(void **state)
{
    static const char fills_and_traps[] =
        "(module (memory 40) (table $t 10000 funcref) (elem declare func $start)" START
        "(memory.fill (i32.const 0) (i32.const 255) (i32.const 2621440))"
        "(table.fill $t (i32.const 0) (ref.func $start) (i32.const 10000))"
        "unreachable))";
    static const char fills_and_overflows[] = "(module (memory 40) (func $f (call $f))" START
                                              "(memory.fill (i32.const 0) (i32.const 255) (i32.const 2621440)) "
                                              "(call $f)))";
    static const char fills_at_the_start[] = "(module (memory 40) (data (i32.const 0) \"canary\") (data (i32.const -1) "
                                             "\"x\")" START "))";

    run_all(*state, fills_and_traps, ADK_OUTCOME_TRAPPED);
    run_all(*state, fills_and_overflows, ADK_OUTCOME_TRAPPED);
    run_all(*state, fills_at_the_start, ADK_OUTCOME_TRAPPED);
    adk_hostile_unharmed(*state, "canaries of those that trapped");
}

static void test_after_a_timeout(void **state)
{
    adk_hostile *hostile = *state;
    adk_hostile_case attack = {"a canary until the deadline",
                               "(module (memory 40)" START "(loop $l (memory.fill (i32.const 0) (i32.const 255) "
                               "(i32.const 2621440)) br $l)))",
                               .timeout_ns = 20 * MS, TIMES_OUT_IN(RUN)};

    for (int i = 0; i < 3; i++) {
        adk_hostile_attack(hostile, &attack);
        run_all(hostile, NULL, ADK_OUTCOME_EXITED);
    }
    adk_hostile_unharmed(hostile, "canaries of those that were timed out");
}

/* ---- all slots, and beyond ---------------------------------------------------------------------------------------- */

#define AT_ONCE 80 /* more than the 64 slots that are the default */

struct occupant {
    adk_backend *backend;
    pthread_barrier_t *barrier;
    unsigned number;
    const char *wrong;
};

/* Called by a guest that has left its canary: all guests wait here for each other, so that all slots are in use. */
static int meet(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    (void)caller;
    (void)args;
    (void)results;
    (void)pthread_barrier_wait(data);
    return 0;
}

static void *occupy(void *data)
{
    static const char guest[] =
        "(module (import \"env\" \"meet\" (func $meet))" IMPORT_EXIT
        "(memory 4) (table $t 100 funcref) (elem declare func $start)" START LOOKS(
            "262144") "(if (i32.eqz (ref.is_null (table.get $t (i32.const 99)))) (then (call $exit "
                      "(i32.const 2))))" FILLS(
                          "262144") "(table.fill $t (i32.const 0) (ref.func $start) (i32.const 100)) (call $meet)))";
    struct occupant *o = data;

    for (int round = 0; round < 3; round++) {
        adk_request request = adk_test_request(guest);
        adk_result *result = NULL;

        if (adk_backend_execute(o->backend, &request, NULL, &result, NULL) != ADK_OK) {
            o->wrong = "the call failed";
            return NULL;
        }
        if (adk_result_outcome(result) != ADK_OUTCOME_EXITED || adk_result_exit_code(result) != 0)
            o->wrong = "it found a canary";
        adk_result_free(result);
    }
    return NULL;
}

static void test_all_slots_at_once(void **state)
{
    struct occupant occupants[AT_ONCE];
    pthread_t threads[AT_ONCE];
    pthread_barrier_t barrier;
    const adk_wasm_host_function functions[] = {{"env", "meet", "", "", meet, &barrier}};
    adk_wasm_options options = adk_test_options();
    adk_backend *backend;

    (void)state;
    options.host_functions = functions;
    options.host_functions_count = 1;
    if (adk_test_refuses_host_functions(&options))
        return;
    assert_int_equal(pthread_barrier_init(&barrier, NULL, AT_ONCE), 0);
    backend = adk_test_backend_with(&options);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        occupants[i] = (struct occupant){backend, &barrier, i, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, occupy, &occupants[i]), 0);
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        if (occupants[i].wrong != NULL)
            fail_msg("run %u: %s", i, occupants[i].wrong);
    }
    (void)pthread_barrier_destroy(&barrier);
    adk_backend_free(backend);
    adk_hostile_unharmed(*state, "all slots");
}

/* ---- files, environment, random numbers --------------------------------------------------------------------------- */

#define IMPORT_OPEN \
    "(import \"" WASI "\" \"path_open\" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"

/* Exits with the errno of making a file that must not be there. */
static void test_files(void **state)
{
    static const adk_hostile_case attack = {
        "a file as a canary",
        "(module " IMPORT_OPEN IMPORT_EXIT "(memory (export \"memory\") 1) (data (i32.const 64) \"canary\")" START
        "(call $exit (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 6) (i32.const 5) "
        "(i64.const 0x600166) (i64.const 0) (i32.const 0) (i32.const 12)))))",
        EXITS(0)};

    for (int i = 0; i < 20; i++)
        adk_hostile_attack(*state, &attack);
}

/* Inputs are copies: what a guest makes of them no other sees, and the caller's bytes stay as they were. */
static void test_inputs(void **state)
{
    static const adk_hostile_case attack = {
        "an input as a canary",
        "(module " IMPORT_OPEN IMPORT_WRITE IMPORT_READ IMPORT_EXIT "(memory (export \"memory\") 1) "
        "(data (i32.const 64) \"in\")" START "(if (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 2) "
        "(i32.const 0) (i64.const 0x600166) (i64.const 0) (i32.const 0) (i32.const 12)) (then (call $exit "
        "(i32.const 1))))"
        "(i32.store (i32.const 0) (i32.const 128)) (i32.store (i32.const 4) (i32.const 8))"
        "(drop (call $read (i32.load (i32.const 12)) (i32.const 0) (i32.const 1) (i32.const 8)))"
        "(if (i64.ne (i64.load (i32.const 128)) (i64.const 0x37363534333231)) (then (call $exit (i32.const 2))))"
        "(drop (call $write (i32.load (i32.const 12)) (i32.const 0) (i32.const 1) (i32.const 8)))))",
        EXITS(0)};
    static const char content[] = "1234567";
    const adk_file file = {adk_bytes_from_cstr("/in"), adk_bytes_make(content, 7), NULL};
    adk_hostile *hostile = *state;

    for (int i = 0; i < 10; i++) {
        adk_request request = adk_hostile_request(&attack);
        adk_result *result;

        request.files = &file;
        request.files_count = 1;
        result = adk_hostile_execute(hostile->backend, attack.name, &request);
        adk_hostile_expect(&attack, result);
        adk_result_free(result);
    }
    assert_string_equal(content, "1234567");
    adk_hostile_unharmed(hostile, attack.name);
}

/* Arguments, environment and standard input of one run are not those of the next. */
static void test_what_a_request_brings(void **state)
{
    static const char guest[] =
        "(module (import \"" WASI "\" \"args_sizes_get\" (func $args (param i32 i32) (result i32)))"
        "(import \"" WASI "\" \"environ_sizes_get\" (func $env (param i32 i32) (result i32)))" IMPORT_READ IMPORT_EXIT
        "(memory (export \"memory\") 1)" START
        "(drop (call $args (i32.const 0) (i32.const 4))) (drop (call $env (i32.const 8) "
        "(i32.const 12)))"
        "(i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 64))"
        "(drop (call $read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)))"
        "(call $exit (i32.add (i32.add (i32.load (i32.const 0)) (i32.load (i32.const 8))) "
        "(i32.load (i32.const 24))))))";
    const adk_bytes args[] = {adk_bytes_from_cstr("secret")};
    const adk_env env[] = {{adk_bytes_from_cstr("SECRET"), adk_bytes_from_cstr("secret")}};
    adk_hostile *hostile = *state;

    for (int i = 0; i < 10; i++) {
        adk_request request = adk_test_request(guest);
        adk_result *result;

        if (i % 2 == 0) {
            request.args = args;
            request.args_count = 1;
            request.env = env;
            request.env_count = 1;
            request.stdin_data = adk_bytes_from_cstr("secret");
        }
        result = adk_hostile_execute(hostile->backend, "what a request brings", &request);
        adk_test_expect(result, ADK_OUTCOME_EXITED);
        assert_int_equal(adk_result_exit_code(result), i % 2 == 0 ? 8 : 0);
        adk_result_free(result);
    }
    adk_hostile_unharmed(hostile, "what a request brings");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_module_and_others),
        cmocka_unit_test(test_after_every_bad_end),
        cmocka_unit_test(test_after_a_timeout),
        cmocka_unit_test(test_all_slots_at_once),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_what_a_request_brings),
    };

    return cmocka_run_group_tests_name("isolation", tests, adk_hostile_setup, adk_hostile_teardown);
}
