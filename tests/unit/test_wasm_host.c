/*
 * src/wasm/host: functions that the library's user offers to guests; runs within runs.
 */
#include "support.h"

#include <errno.h>

/* ---- functions ---------------------------------------------------------------------------------------------------- */

struct record {
    unsigned calls;
    adk_wasm_value args[16];
    int answer;
    uint32_t exit_code;
    bool exits;
    uint64_t sleeps_ns;
    uint64_t memory_size;
    int memory_status;
};

static int mixed(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    struct record *record = data;

    (void)caller;
    record->calls++;
    memcpy(record->args, args, 4 * sizeof(*args));
    results[0].f64 = args[3].f64 * 2;
    results[1].i32 = args[0].i32 + 1;
    results[2].f32 = args[2].f32 * 2;
    results[3].i64 = args[1].i64 + 1;
    return 0;
}

static int simple(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    struct record *record = data;

    (void)args;
    (void)results;
    record->calls++;
    if (record->sleeps_ns > 0)
        adk_test_sleep_ns(record->sleeps_ns);
    if (record->exits)
        adk_wasm_caller_exit(caller, record->exit_code);
    return record->answer;
}

static int peek(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    struct record *record = data;
    uint8_t *memory = NULL;
    uint64_t size = 0;

    record->calls++;
    record->memory_status = adk_wasm_caller_memory(caller, &memory, &size);
    record->memory_size = size;
    if (record->memory_status == ADK_OK && (uint32_t)args[0].i32 < size) {
        results[0].i32 = memory[(uint32_t)args[0].i32];
        memory[(uint32_t)args[0].i32]++;
    }
    return 0;
}

static int sixteen(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    struct record *record = data;

    (void)caller;
    record->calls++;
    for (int i = 0; i < 16; i++)
        results[i].i64 = args[15 - i].i64;
    return 0;
}

static adk_backend *make(const adk_wasm_host_function *functions, size_t count)
{
    adk_wasm_options options = adk_test_options();

    options.host_functions = functions;
    options.host_functions_count = count;
    return adk_test_backend_with(&options);
}

static adk_backend *make_one(struct record *record, const char *params, const char *results, adk_wasm_host_fn fn)
{
    adk_wasm_host_function function = {"env", "f", params, results, fn, record}; /* copied: it may go */

    return make(&function, 1);
}

static void test_values_of_every_type_cross(void **state)
{
    struct record record = {0};
    adk_backend *backend = make_one(&record, "iIfF", "FifI", mixed);

    (void)state;
    adk_test_run_exits(backend,
                       "(module " IMPORT_EXIT
                       "(import \"env\" \"f\" (func $f (param i32 i64 f32 f64) (result f64 i32 f32 i64)))" START
                       "(local $d f64) (local $i i32) (local $s f32) (local $l i64)"
                       "(call $f (i32.const -7) (i64.const -5000000000) (f32.const 1.5) (f64.const -0.25))"
                       "(local.set $l) (local.set $s) (local.set $i) (local.set $d)"
                       "(if (f64.ne (local.get $d) (f64.const -0.5)) (then (call $exit (i32.const 1))))"
                       "(if (i32.ne (local.get $i) (i32.const -6)) (then (call $exit (i32.const 2))))"
                       "(if (f32.ne (local.get $s) (f32.const 3)) (then (call $exit (i32.const 3))))"
                       "(if (i64.ne (local.get $l) (i64.const -4999999999)) (then (call $exit (i32.const 4))))))",
                       0);
    assert_int_equal(record.calls, 1);
    assert_true(record.args[0].i32 == -7);
    assert_true(record.args[1].i64 == INT64_C(-5000000000));
    assert_true(record.args[2].f32 == 1.5f);
    assert_true(record.args[3].f64 == -0.25);
    adk_backend_free(backend);
}

static void test_sixteen_values_cross(void **state)
{
    struct record record = {0};
    adk_backend *backend = make_one(&record, "IIIIIIIIIIIIIIII", "IIIIIIIIIIIIIIII", sixteen);

    (void)state;
    adk_test_run_exits(backend,
                       "(module " IMPORT_EXIT "(type $t (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 "
                       "i64 i64 i64 i64) (result i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)))"
                       "(import \"env\" \"f\" (func $f (type $t)))" START
                       "(call $f (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) "
                       "(i64.const 7) (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11) (i64.const 12) "
                       "(i64.const 13) (i64.const 14) (i64.const 15) (i64.const 16))"
                       "(call $exit (i32.wrap_i64)) drop drop drop drop drop drop drop drop drop drop drop drop drop "
                       "drop drop))",
                       1);
    adk_backend_free(backend);
}

#define IMPORT_F      "(import \"env\" \"f\" (func $f))"
#define GUEST_CALLS_F "(module " IMPORT_F "(memory (export \"memory\") 1)" START "(call $f)))"

static void test_a_function_that_says_stop_is_a_trap_of_kind_host(void **state)
{
    struct record record = {.answer = -1};
    adk_backend *backend = make_one(&record, "", "", simple);
    adk_result *result = adk_test_run(backend, GUEST_CALLS_F);

    (void)state;
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    assert_bytes_are(adk_result_trap_kind(result), "host");
    assert_int_equal(adk_result_phase(result), ADK_PHASE_HOST_CALL);
    assert_int_equal(record.calls, 1);
    adk_result_free(result);
    adk_backend_free(backend);
}

static void test_a_function_can_exit(void **state)
{
    struct record record = {.exits = true, .exit_code = 4000000000u};
    adk_backend *backend = make_one(&record, "", "", simple);

    (void)state;
    adk_test_run_exits(backend, GUEST_CALLS_F, 4000000000u);
    record.answer = 1; /* the first cause wins: it said exit before it said stop */
    adk_test_run_exits(backend, GUEST_CALLS_F, 4000000000u);
    adk_backend_free(backend);
}

static void test_a_function_can_exit_from_the_start_section(void **state)
{
    struct record record = {.exits = true, .exit_code = 3};
    adk_backend *backend = make_one(&record, "", "", simple);

    (void)state;
    adk_test_run_exits(backend, "(module " IMPORT_F "(start $f)" START "unreachable))", 3);
    adk_backend_free(backend);
}

static void test_a_functions_time_is_the_runs(void **state)
{
    struct record record = {.sleeps_ns = 60 * MS};
    adk_backend *backend = make_one(&record, "", "", simple);
    adk_request request = adk_test_request("(module " IMPORT_F START "(loop $again (call $f) br $again)))");
    adk_result *result;

    (void)state;
    request.timeout_ns = 50 * MS;
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_true(record.calls <= 1); /* 0 where compiling took the time */
    adk_result_free(result);
    adk_backend_free(backend);
}

static void test_the_guests_memory(void **state)
{
    struct record record = {0};
    adk_backend *backend = make_one(&record, "i", "i", peek);

    (void)state;
    adk_test_run_exits(backend,
                       "(module " IMPORT_EXIT "(import \"env\" \"f\" (func $f (param i32) (result i32)))"
                       "(memory (export \"memory\") 1) (data (i32.const 100) \"\\2a\")" START
                       "(drop (call $f (i32.const 100))) (drop (memory.grow (i32.const 3)))"
                       "(call $exit (i32.add (i32.load8_u (i32.const 100)) (call $f (i32.const 200000))))))",
                       43);
    assert_int_equal(record.calls, 2);
    assert_int_equal(record.memory_status, ADK_OK);
    assert_int_equal(record.memory_size, 4 * 65536); /* asked again: it has grown */
    adk_backend_free(backend);
}

static void test_a_guest_without_a_memory(void **state)
{
    static const char *const guests[] = {
        "(module (import \"env\" \"f\" (func $f (param i32) (result i32)))" START "(drop (call $f (i32.const 0)))))",
        "(module (import \"env\" \"f\" (func $f (param i32) (result i32))) (memory 1)" START
        "(drop (call $f (i32.const 0)))))",
        "(module (import \"env\" \"f\" (func $f (param i32) (result i32))) (global (export \"memory\") i32 "
        "(i32.const 0))" START "(drop (call $f (i32.const 0)))))",
    };
    struct record record = {0};
    adk_backend *backend = make_one(&record, "i", "i", peek);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        adk_test_run_exits(backend, guests[i], 0);
        assert_int_equal(record.memory_status, ADK_E_INVALID);
    }
    adk_backend_free(backend);
}

static void test_wrong_types_of_an_import_are_told(void **state)
{
    struct record record = {0};
    adk_backend *backend = make_one(&record, "iI", "f", simple);

    (void)state;
    adk_test_run_rejected(backend, BYTES("(module (import \"env\" \"f\" (func (param i32)))" START "))"),
                          ADK_REASON_MISSING_IMPORT, "the host offers (iI)->(f)");
    adk_test_run_rejected(backend, BYTES("(module (import \"env\" \"g\" (func (param i32)))" START "))"),
                          ADK_REASON_MISSING_IMPORT, "\"g\"");
    adk_backend_free(backend);
}

static void test_names_with_odd_characters(void **state)
{
    struct record record = {0};
    adk_wasm_host_function function = {"my \"env\"", "f\n\xc3\xbc", "", "", simple, &record};
    adk_backend *backend = make(&function, 1);

    (void)state;
    adk_test_run_exits(backend, "(module (import \"my \\\"env\\\"\" \"f\\0a\\c3\\bc\" (func $f))" START "(call $f)))",
                       0);
    assert_int_equal(record.calls, 1);
    adk_backend_free(backend);
}

/* ---- options ------------------------------------------------------------------------------------------------------ */

static void check_refused(const adk_wasm_options *options)
{
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk_wasm_backend_new(options, &backend, &error), ADK_E_INVALID);
    assert_null(backend);
    assert_true(strlen(adk_error_message_cstr(error)) > 0);
    adk_error_free(error);
}

static void check_function(adk_wasm_host_function function)
{
    adk_wasm_options options = adk_test_options();

    options.host_functions = &function;
    options.host_functions_count = 1;
    check_refused(&options);
}

static void test_options_that_are_refused(void **state)
{
    adk_wasm_options options = adk_test_options();

    (void)state;
    options.struct_size = 0;
    check_refused(&options);
    options = adk_test_options();
    options.slots = 1025;
    check_refused(&options);
    options = adk_test_options();
    options.entry_cstr = "";
    check_refused(&options);
    options.entry_cstr = "\xff";
    check_refused(&options);
    options = adk_test_options();
    options.host_functions_count = 1;
    check_refused(&options);
    check_function((adk_wasm_host_function){NULL, "f", "", "", simple, NULL});
    check_function((adk_wasm_host_function){"env", NULL, "", "", simple, NULL});
    check_function((adk_wasm_host_function){"env", "f", NULL, "", simple, NULL});
    check_function((adk_wasm_host_function){"env", "f", "", NULL, simple, NULL});
    check_function((adk_wasm_host_function){"env", "f", "", "", NULL, NULL});
    check_function((adk_wasm_host_function){"env", "f", "x", "", simple, NULL});
    check_function((adk_wasm_host_function){"env", "f", "", "v", simple, NULL});
    check_function((adk_wasm_host_function){"env", "f", "iiiiiiiiiiiiiiiii", "", simple, NULL});
    check_function((adk_wasm_host_function){"\xff", "f", "", "", simple, NULL});
}

/* A function that is defined twice, or in place of one of WASI's, is refused when the backend is made or never counts. */
static void test_functions_that_clash(void **state)
{
    struct record record = {0};
    adk_wasm_host_function twice[] = {{"env", "f", "", "", simple, &record}, {"env", "f", "i", "", simple, &record}};
    adk_wasm_host_function wasi[] = {{WASI, "proc_exit", "i", "", simple, &record}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        adk_wasm_options options = adk_test_options();
        adk_backend *backend = NULL;
        adk_error *error = NULL;

        options.host_functions = i == 0 ? twice : wasi;
        options.host_functions_count = i == 0 ? 2 : 1;
        /* The place to say so is here: a backend that cannot run anything is of no use to anybody. */
        assert_int_equal(adk_wasm_backend_new(&options, &backend, &error), ADK_E_INVALID);
        adk_error_free(error);
    }
}

static void test_options_from_the_future(void **state)
{
    struct {
        adk_wasm_options known;
        uint64_t unknown;
    } later = {adk_test_options(), 0};
    adk_backend *backend = NULL;

    (void)state;
    later.known.struct_size = sizeof(later);
    assert_int_equal(adk_wasm_backend_new(&later.known, &backend, NULL), ADK_OK);
    adk_backend_free(backend);
    later.unknown = 1;
    check_refused(&later.known);
}

/* ---- runs within runs --------------------------------------------------------------------------------------------- */

struct nest {
    adk_backend *backend;
    unsigned depth;
    unsigned deepest;
    adk_outcome innermost;
    const char *inner;
    uint64_t inner_timeout_ns;
};

static int nest(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    struct nest *n = data;
    adk_request request = adk_test_request(n->depth + 1 < n->deepest ? GUEST_CALLS_F : n->inner);
    adk_result *result = NULL;
    int status;

    (void)caller;
    (void)args;
    (void)results;
    if (n->inner_timeout_ns != 0)
        request.timeout_ns = n->inner_timeout_ns;
    n->depth++;
    status = adk_backend_execute(n->backend, &request, NULL, &result, NULL);
    n->depth--;
    if (status != ADK_OK)
        return 1;
    if (n->depth + 1 == n->deepest)
        n->innermost = adk_result_outcome(result);
    status = n->depth + 1 < n->deepest && adk_result_outcome(result) != ADK_OUTCOME_EXITED;
    adk_result_free(result);
    return status;
}

static void check_nested(unsigned deepest, const char *inner, uint64_t inner_timeout_ns, adk_outcome innermost)
{
    struct nest n = {NULL, 0, deepest, UINT32_MAX, inner, inner_timeout_ns};
    adk_wasm_host_function function = {"env", "f", "", "", nest, &n};
    adk_backend *backend = make(&function, 1);

    n.backend = backend;
    for (int i = 0; i < 3; i++) {
        adk_test_run_exits(backend, GUEST_CALLS_F, 0); /* whatever became of those within */
        assert_int_equal(n.innermost, innermost);
    }
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    adk_backend_free(backend);
}

static void test_a_run_within_a_run(void **state)
{
    (void)state;
    check_nested(1, GUEST_HELLO, 0, ADK_OUTCOME_EXITED);
}

static void test_a_run_within_a_run_times_out_alone(void **state)
{
    (void)state;
    check_nested(1, GUEST_LOOP, 50 * MS, ADK_OUTCOME_TIMED_OUT);
    check_nested(1, GUEST_SLEEPS("20000000000"), 50 * MS, ADK_OUTCOME_TIMED_OUT);
}

static void test_a_run_within_a_run_traps_alone(void **state)
{
    (void)state;
    SKIP_TRAPS_UNDER_VALGRIND();
    check_nested(1, GUEST_UNREACHABLE, 0, ADK_OUTCOME_TRAPPED);
    check_nested(1, "(module " START "(call $start)))", 0, ADK_OUTCOME_TRAPPED);
}

static void test_ten_runs_within_each_other(void **state)
{
    (void)state;
    check_nested(10, GUEST_HELLO, 0, ADK_OUTCOME_EXITED);
}

/* The outer run's deadline passes while the inner one runs: it ends when the callback comes back, and not before. */
static void test_the_outer_deadline_passes_within_the_inner_run(void **state)
{
    struct nest n = {NULL, 0, 1, UINT32_MAX, GUEST_LOOP, 200 * MS};
    adk_wasm_host_function function = {"env", "f", "", "", nest, &n};
    adk_backend *backend = make(&function, 1);
    adk_request request = adk_test_request(GUEST_CALLS_F);
    adk_result *result;

    (void)state;
    n.backend = backend;
    adk_test_run_exits(backend, GUEST_CALLS_F, 0);
    request.timeout_ns = 100 * MS;
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_HOST_CALL);
    assert_int_equal(n.innermost, ADK_OUTCOME_TIMED_OUT);
    adk_result_free(result);
    adk_backend_free(backend);
}

struct streamed {
    adk_backend *backend;
    adk_outcome inner;
};

static int run_another(void *data, adk_bytes bytes)
{
    struct streamed *streamed = data;
    adk_result *result = adk_test_run(streamed->backend, GUEST_HELLO);

    (void)bytes;
    streamed->inner = adk_result_outcome(result);
    adk_result_free(result);
    return 0;
}

static void test_a_run_within_a_stream_callback(void **state)
{
    struct streamed streamed = {adk_test_backend(), UINT32_MAX};
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_result *result;

    (void)state;
    request.on_stdout = run_another;
    request.stream_data = &streamed;
    result = adk_test_execute(streamed.backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(streamed.inner, ADK_OUTCOME_EXITED);
    assert_bytes_are(adk_result_stdout(result).head, "hello, world\n");
    adk_result_free(result);
    adk_backend_free(streamed.backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_every_type_cross),
        cmocka_unit_test(test_sixteen_values_cross),
        cmocka_unit_test(test_a_function_that_says_stop_is_a_trap_of_kind_host),
        cmocka_unit_test(test_a_function_can_exit),
        cmocka_unit_test(test_a_function_can_exit_from_the_start_section),
        cmocka_unit_test(test_a_functions_time_is_the_runs),
        cmocka_unit_test(test_the_guests_memory),
        cmocka_unit_test(test_a_guest_without_a_memory),
        cmocka_unit_test(test_wrong_types_of_an_import_are_told),
        cmocka_unit_test(test_names_with_odd_characters),
        cmocka_unit_test(test_options_that_are_refused),
        cmocka_unit_test(test_functions_that_clash),
        cmocka_unit_test(test_options_from_the_future),
        cmocka_unit_test(test_a_run_within_a_run),
        cmocka_unit_test(test_a_run_within_a_run_times_out_alone),
        cmocka_unit_test(test_a_run_within_a_run_traps_alone),
        cmocka_unit_test(test_ten_runs_within_each_other),
        cmocka_unit_test(test_the_outer_deadline_passes_within_the_inner_run),
        cmocka_unit_test(test_a_run_within_a_stream_callback),
    };

    return cmocka_run_group_tests_name("wasm_host", tests, NULL, NULL);
}
