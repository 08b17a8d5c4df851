/*
 * src/wasm: what a run is. The pins of the original (compat §2), exit codes, traps and their backtraces, the start
 * section, standard streams, arguments, the module cache and prepared modules.
 */
#include "support.h"

#include <pthread.h>

#include <adk/trace.h>

/* ---- the original's pins ------------------------------------------------------------------------------------------ */

static void test_pin_hello_prints_and_exits_0(void **state)
{
    adk_result *result = adk_test_run(*state, GUEST_HELLO);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 0);
    assert_bytes_are(adk_result_stdout(result).head, "hello, world\n");
    assert_int_equal(adk_result_stdout(result).written_bytes, 13);
    assert_int_equal(adk_result_stdout(result).truncated, 0);
    assert_int_equal(adk_result_stderr(result).written_bytes, 0);
    assert_int_equal(adk_result_message(result).size, 0);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_NONE);
    assert_int_equal(adk_result_exit_status(result), 0);
    adk_result_free(result);
}

static void test_pin_proc_exit_42_gives_42(void **state)
{
    adk_test_run_exits(*state, GUEST_EXITS("42"), 42);
}

static void test_pin_an_endless_loop_times_out(void **state)
{
    adk_request request = adk_test_request(GUEST_LOOP);
    uint64_t start_ns;
    adk_result *result;

    adk_test_compile(*state, GUEST_LOOP);
    start_ns = adk_test_now_ns();
    request.timeout_ns = 500 * MS;
    result = adk_test_execute(*state, &request, NULL);
    assert_true(adk_test_now_ns() - start_ns >= 500 * MS);
    assert_true(adk_test_now_ns() - start_ns < 500 * MS + adk_test_slack_ns());
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_RUN);
    assert_bytes_are(adk_result_message(result), "execution timed out after 500ms");
    assert_int_equal(adk_result_exit_status(result), 124);
    adk_result_free(result);
}

static void test_pin_initial_memory_above_the_limit_is_refused(void **state)
{
    adk_request request = adk_test_request("(module (memory (export \"memory\") 17)" START "))");
    adk_result *result;

    request.memory_limit_bytes = 1 << 20;
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_MEMORY_LIMIT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_INSTANTIATE);
    assert_bytes_are(adk_result_message(result), "memory limit exceeded: 1 MB");
    assert_int_equal(adk_test_usage(result).memory_denied, 1);
    assert_int_equal(adk_result_exit_status(result), 137);
    adk_result_free(result);
}

static void test_pin_growth_above_the_limit_gives_minus_1(void **state)
{
    adk_request request = adk_test_request("(module " IMPORT_EXIT "(memory (export \"memory\") 1)" START
                                           "(call $exit (memory.grow (i32.const 16)))))");
    adk_result *result;

    request.memory_limit_bytes = 1 << 20;
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_true(adk_result_exit_code(result) == UINT32_MAX);
    assert_int_equal(adk_test_usage(result).memory_denied, 1);
    assert_int_equal(adk_test_usage(result).memory_peak_bytes, 1 << 16);
    adk_result_free(result);
}

static void test_pin_garbage_fails_cleanly(void **state)
{
    adk_test_run_rejected(*state, BYTES("this is not WebAssembly"), ADK_REASON_MALFORMED,
                          "failed to compile WASM module: ");
    adk_test_run_rejected(*state, BYTES("\xff\xfe\xfd"), ADK_REASON_MALFORMED, "failed to compile WASM module: ");
    adk_test_run_rejected(*state, adk_bytes_make("\0asm\1\0\0\0\xff\xff\xff", 11), ADK_REASON_MALFORMED,
                          "failed to compile WASM module: ");
}

static void test_pin_a_wrong_language_is_an_invalid_request(void **state)
{
    static const char *const messages[] = {"WasmBackend only supports Language::Wasm, got rust",
                                           "WasmBackend only supports Language::Wasm, got python",
                                           "WasmBackend only supports Language::Wasm, got javascript",
                                           "WasmBackend only supports Language::Wasm, got typescript",
                                           "WasmBackend only supports Language::Wasm, got command"};

    for (adk_language language = ADK_LANGUAGE_RUST; language <= ADK_LANGUAGE_COMMAND; language++) {
        adk_request request = adk_test_request(GUEST_EMPTY);
        adk_result *result = NULL;
        adk_error *error = NULL;

        request.language = language;
        assert_int_equal(adk_backend_execute(*state, &request, NULL, &result, &error), ADK_E_INVALID);
        assert_null(result);
        assert_string_equal(adk_error_message_cstr(error), messages[language - 2]);
        assert_string_equal(adk_error_original_code_cstr(adk_error_code(error)), "code.sandbox_invalid_request");
        adk_error_free(error);
    }
}

/* Copies standard input to standard output, 64 KiB at a time. */
#define GUEST_CAT                                                                                         \
    "(module " IMPORT_READ IMPORT_WRITE "(memory (export \"memory\") 2)" START "(block $end (loop $again" \
    "  (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 65536))"            \
    "  (br_if $end (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))"                 \
    "  (br_if $end (i32.eqz (i32.load (i32.const 4))))"                                                   \
    "  (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"                      \
    "  (br $again)))))"

static void test_pin_stdin_reaches_the_guest(void **state)
{
    adk_request request = adk_test_request(GUEST_CAT);
    adk_result *result;

    request.stdin_data = BYTES("a line\nand another");
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_bytes_are(adk_result_stdout(result).head, "a line\nand another");
    adk_result_free(result);
    request.stdin_data = adk_bytes_make(NULL, 0);
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_stdout(result).written_bytes, 0);
    adk_result_free(result);
}

static void test_pin_capabilities_and_name(void **state)
{
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;

    assert_string_equal(adk_backend_name_cstr(*state), "wasm");
    adk_backend_capabilities(*state, &capabilities);
    assert_string_equal(capabilities.isolation_cstr, "wasm");
    assert_int_equal(capabilities.languages, 1u << ADK_LANGUAGE_WASM);
    for (uint32_t bit = ADK_ENFORCES_TIMEOUT; bit <= ADK_ENFORCES_DETERMINISM; bit <<= 1)
        assert_int_equal(capabilities.enforced & bit, bit);
}

static void test_pin_a_default_backend_exists(void **state)
{
    adk_backend *backend = NULL;

    (void)state;
    if (adk_test_under_valgrind())
        skip();
    assert_int_equal(adk_wasm_backend_new(NULL, &backend, NULL), ADK_OK);
    adk_test_run_exits(backend, GUEST_EMPTY, 0);
    adk_backend_free(backend);
}

static void test_pin_a_finished_runs_timer_never_kills_a_later_run(void **state)
{
    adk_request first = adk_test_request(GUEST_EMPTY);
    adk_request later = adk_test_request(GUEST_LOOP);
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result;

    first.timeout_ns = 50 * MS;
    later.timeout_ns = 300 * MS;
    adk_result_free(adk_test_execute(*state, &first, NULL));
    result = adk_test_execute(*state, &later, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_true(adk_test_now_ns() - start_ns >= 300 * MS);
    adk_result_free(result);
}

/* ---- exit codes --------------------------------------------------------------------------------------------------- */

static void test_row_15_exit_codes_have_32_bits(void **state)
{
    adk_test_run_exits(*state, GUEST_EXITS("0"), 0);
    adk_test_run_exits(*state, GUEST_EXITS("125"), 125);
    adk_test_run_exits(*state, GUEST_EXITS("126"), 126);
    adk_test_run_exits(*state, GUEST_EXITS("255"), 255);
    adk_test_run_exits(*state, GUEST_EXITS("256"), 256);
    adk_test_run_exits(*state, GUEST_EXITS("300"), 300);
    adk_test_run_exits(*state, GUEST_EXITS("-1"), UINT32_MAX);
    adk_test_run_exits(*state, GUEST_EXITS("-2147483648"), 0x80000000u);
}

static void test_output_before_an_exit_is_kept(void **state)
{
    adk_result *result = adk_test_run(
        *state, "(module " IMPORT_WRITE IMPORT_EXIT "(memory (export \"memory\") 1)"
                "(data (i32.const 0) \"\\10\\00\\00\\00\\03\\00\\00\\00\") (data (i32.const 16) \"bye\")" START
                "(drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))"
                "(call $exit (i32.const 3))))");

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 3);
    assert_bytes_are(adk_result_stderr(result).head, "bye");
    adk_result_free(result);
}

/* ---- traps -------------------------------------------------------------------------------------------------------- */

#define MEMORY "(memory 1)"
#define TABLE  "(table 1 funcref) (type $void (func)) (type $other (func (param i32)))"

static void test_row_9_every_trap_has_its_kind(void **state)
{
    static const char *const traps[][2] = {
        {"unreachable", START "unreachable)"},
        {"memory_out_of_bounds", MEMORY START "(drop (i32.load (i32.const 65533))))"},
        {"memory_out_of_bounds", MEMORY START "(i32.store (i32.const -1) (i32.const 0)))"},
        {"memory_out_of_bounds", MEMORY START "(drop (i64.load offset=4294967295 (i32.const -1))))"},
        {"memory_out_of_bounds", MEMORY START "(memory.fill (i32.const 65536) (i32.const 0) (i32.const 1)))"},
        {"memory_out_of_bounds", MEMORY START "(memory.copy (i32.const 65535) (i32.const 0) (i32.const 2)))"},
        {"memory_out_of_bounds",
         MEMORY "(data $d \"abc\")" START "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 4)))"},
        {"table_out_of_bounds", TABLE START "(call_indirect (type $void) (i32.const 1)))"},
        {"table_out_of_bounds", TABLE START "(drop (table.get (i32.const 1))))"},
        {"table_out_of_bounds", TABLE START "(table.fill (i32.const 1) (ref.null func) (i32.const 1)))"},
        {"indirect_call_to_null", TABLE START "(call_indirect (type $void) (i32.const 0)))"},
        {"bad_signature",
         TABLE "(elem (i32.const 0) $start)" START "(call_indirect (type $other) (i32.const 0) (i32.const 0)))"},
        {"integer_overflow", START "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))"},
        {"integer_overflow", START "(drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1))))"},
        {"integer_overflow", START "(drop (i32.trunc_f32_s (f32.const 1e30))))"},
        {"integer_division_by_zero", START "(drop (i32.div_s (i32.const 1) (i32.const 0))))"},
        {"integer_division_by_zero", START "(drop (i64.rem_u (i64.const 1) (i64.const 0))))"},
        {"bad_conversion_to_integer", START "(drop (i32.trunc_f64_s (f64.const nan))))"},
        {"stack_overflow", START "(call $start))"},
    };
    char wat[512];

    SKIP_TRAPS_UNDER_VALGRIND();
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
        (void)snprintf(wat, sizeof(wat), "(module %s)", traps[i][1]);
        adk_test_run_traps(*state, wat, traps[i][0]);
    }
}

static void test_row_9_a_trap_is_not_a_success(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = adk_test_run(*state, GUEST_UNREACHABLE);
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    assert_string_equal(adk_outcome_status_cstr(adk_result_outcome(result)), "error");
    assert_int_equal(adk_result_exit_status(result), 134);
    assert_int_equal(adk_result_exit_code(result), 0);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_RUN);
    assert_int_equal(adk_result_stderr(result).written_bytes, 0); /* byte-exact: nothing of ours in it */
    assert_bytes_have(adk_result_message(result), "unreachable");
    adk_result_free(result);
}

/* The host's own constants and the engine's are told apart in a segment at instantiation. */
static void test_a_data_segment_out_of_bounds_is_a_trap(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = adk_test_run(*state, "(module (memory 1) (data (i32.const 65535) \"ab\")" START "))");
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    assert_bytes_are(adk_result_trap_kind(result), "memory_out_of_bounds");
    assert_int_equal(adk_result_phase(result), ADK_PHASE_INSTANTIATE);
    adk_result_free(result);
}

static void test_row_9_backtraces_name_functions(void **state)
{
    const adk_frame *frames;
    adk_result *result;
    size_t count;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = adk_test_run(*state, "(module (func $inner unreachable) (func $middle (call $inner)) "
                                  "(func $outer (export \"_start\") (call $middle)))");
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    frames = adk_result_backtrace(result, &count);
    assert_int_equal(count, 3);
    assert_bytes_are(frames[0].function_name, "inner");
    assert_bytes_are(frames[1].function_name, "middle");
    assert_bytes_are(frames[2].function_name, "outer");
    assert_int_equal(frames[0].function_index, 0);
    assert_int_equal(frames[2].function_index, 2);
    assert_true(frames[0].module_offset < frames[1].module_offset);
    adk_result_free(result);
}

static void test_backtraces_without_names(void **state)
{
    const adk_frame *frames;
    adk_result *result;
    size_t count;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = adk_test_run(*state, "(module (func) (func (export \"_start\") unreachable))");
    frames = adk_result_backtrace(result, &count);
    assert_int_equal(count, 1);
    assert_int_equal(frames[0].function_name.size, 0);
    assert_int_equal(frames[0].function_index, 1);
    assert_true(frames[0].module_offset != UINT64_MAX);
    adk_result_free(result);
}

static void test_backtraces_are_cut_and_their_names_escaped(void **state)
{
    const adk_frame *frames;
    adk_result *result;
    size_t count;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = adk_test_run(*state, "(module (func $\"a\\1b[31m\\n\" (param i32) "
                                  "(if (local.get 0) (then (call 0 (i32.sub (local.get 0) (i32.const 1)))) "
                                  "(else unreachable))) (func (export \"_start\") (call 0 (i32.const 500))))");
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    frames = adk_result_backtrace(result, &count);
    assert_int_equal(count, 64);
    for (size_t i = 0; i < 64; i++)
        assert_bytes_are(frames[i].function_name, "a\\x1b[31m\\x0a");
    adk_result_free(result);
}

static void test_row_8_a_name_with_allocat_means_nothing(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    adk_test_run_exits(*state,
                       "(module " IMPORT_EXIT "(func $allocate_memory (call $exit (i32.const 1)))" START
                       "(call $allocate_memory)))",
                       1);
    result = adk_test_run(*state, "(module (func $allocation_failed unreachable)" START "(call $allocation_failed)))");
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    adk_result_free(result);
}

static void test_row_13_output_before_a_trap_is_kept(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = adk_test_run(
        *state, "(module " IMPORT_WRITE "(memory (export \"memory\") 1)"
                "(data (i32.const 0) \"\\10\\00\\00\\00\\04\\00\\00\\00\") (data (i32.const 16) \"last\")" START
                "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) unreachable))");
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    assert_bytes_are(adk_result_stdout(result).head, "last");
    adk_result_free(result);
}

/* ---- the start section -------------------------------------------------------------------------------------------- */

static void test_row_14_a_looping_start_section_times_out(void **state)
{
    static const char wat[] = "(module (func $init " LOOP ") (start $init)" START "))";
    adk_request request = adk_test_request(wat);
    adk_result *result;

    adk_test_compile(*state, wat);
    request.timeout_ns = 100 * MS;
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_INSTANTIATE);
    adk_result_free(result);
}

static void test_row_14_an_exit_in_the_start_section_is_an_exit(void **state)
{
    adk_test_run_exits(
        *state, "(module " IMPORT_EXIT "(func $init (call $exit (i32.const 7))) (start $init)" START "unreachable))",
        7);
}

static void test_row_14_a_trap_in_the_start_section_is_a_trap(void **state)
{
    adk_result *result;

    SKIP_TRAPS_UNDER_VALGRIND();
    result = adk_test_run(*state, "(module (func $init unreachable) (start $init)" START "))");
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    assert_bytes_are(adk_result_trap_kind(result), "unreachable");
    assert_int_equal(adk_result_phase(result), ADK_PHASE_INSTANTIATE);
    adk_result_free(result);
}

static void test_the_start_section_may_write(void **state)
{
    adk_result *result = adk_test_run(*state, "(module " IMPORT_WRITE "(memory (export \"memory\") 1)"
                                              "(data (i32.const 0) \"\\10\\00\\00\\00\\02\\00\\00\\00hi\")"
                                              "(data (i32.const 16) \"hi\")"
                                              "(func $init (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1)"
                                              " (i32.const 64)))) (start $init)" START "(call $init)))");

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_bytes_are(adk_result_stdout(result).head, "hihi");
    adk_result_free(result);
}

/* ---- entries ------------------------------------------------------------------------------------------------------ */

#define COUNTING                                                  \
    "(global $n (mut i32) (i32.const 0)) (func $add (param i32) " \
    "(global.set $n (i32.add (i32.mul (global.get $n) (i32.const 10)) (local.get 0))))"

static void test_initialize_comes_before_start(void **state)
{
    adk_test_run_exits(*state,
                       "(module " IMPORT_EXIT COUNTING "(func $init (call $add (i32.const 1))) (start $init)"
                       "(func (export \"_initialize\") (call $add (i32.const 2)))" START
                       "(call $add (i32.const 3)) (call $exit (global.get $n))))",
                       123);
}

static void test_initialize_alone_is_an_entry(void **state)
{
    adk_test_run_exits(*state, "(module " IMPORT_EXIT "(func (export \"_initialize\") (call $exit (i32.const 5))))", 5);
}

static void test_another_entry(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_backend *backend;

    (void)state;
    options.entry_cstr = "main loop";
    backend = adk_test_backend_with(&options);
    adk_test_run_exits(
        backend,
        "(module " IMPORT_EXIT "(func (export \"main loop\") (call $exit (i32.const 9)))" START "unreachable))", 9);
    adk_test_run_rejected(backend, BYTES(GUEST_EMPTY), ADK_REASON_NO_ENTRY, "no main loop function");
    adk_backend_free(backend);
}

/* ---- streams ------------------------------------------------------------------------------------------------------ */

static void test_row_19_output_is_bytes(void **state)
{
    adk_request request = adk_test_request(GUEST_CAT);
    uint8_t all[256];
    adk_result *result;

    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)(255 - i);
    request.stdin_data = adk_bytes_make(all, sizeof(all));
    result = adk_test_execute(*state, &request, NULL);
    assert_int_equal(adk_result_stdout(result).head.size, sizeof(all));
    assert_memory_equal(adk_result_stdout(result).head.data, all, sizeof(all));
    adk_result_free(result);
}

static void test_row_3_a_binary_module_is_bytes(void **state)
{
    adk_bytes binary = adk_test_assemble(GUEST_HELLO);
    adk_request request = adk_test_request(NULL);
    adk_result *result;

    request.code = binary;
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_bytes_are(adk_result_stdout(result).head, "hello, world\n");
    adk_result_free(result);
    free((void *)(uintptr_t)binary.data);
}

/* Gives the count of arguments and the bytes they take as the exit code: 1000 * count + bytes. */
#define GUEST_COUNTS(what)                                                                                         \
    "(module " IMPORT_EXIT "(import \"" WASI "\" \"" what "_sizes_get\" (func $get (param i32 i32) (result i32)))" \
    "(memory (export \"memory\") 1)" START "(drop (call $get (i32.const 0) (i32.const 4)))"                        \
    "(call $exit (i32.add (i32.mul (i32.load (i32.const 0)) (i32.const 1000)) (i32.load (i32.const 4))))))"

static void test_row_6_arguments_and_environment_arrive(void **state)
{
    static const adk_bytes args[] = {{"prog", 4}, {"-x", 2}, {"", 0}};
    static const adk_env env[] = {{{"HOME", 4}, {"/", 1}}, {{"EMPTY", 5}, {NULL, 0}}};
    adk_request request = adk_test_request(GUEST_COUNTS("args"));
    adk_result *result;

    request.args = args;
    request.args_count = 3;
    request.env = env;
    request.env_count = 2;
    result = adk_test_execute(*state, &request, NULL);
    assert_int_equal(adk_result_exit_code(result), 3000 + 5 + 3 + 1);
    adk_result_free(result);
    request.code = adk_bytes_from_cstr(GUEST_COUNTS("environ"));
    result = adk_test_execute(*state, &request, NULL);
    assert_int_equal(adk_result_exit_code(result), 2000 + 7 + 7);
    adk_result_free(result);
}

static void test_nothing_of_the_hosts_environment_is_there(void **state)
{
    assert_int_equal(setenv("ADK_TEST_SECRET", "x", 1), 0);
    adk_test_run_exits(*state, GUEST_COUNTS("environ"), 0);
    adk_test_run_exits(*state, GUEST_COUNTS("args"), 0);
}

/* ---- cache and prepared modules ----------------------------------------------------------------------------------- */

static adk_cache_state cache_state_of(adk_backend *backend, const adk_request *request)
{
    adk_result *result = adk_test_execute(backend, request, NULL);
    adk_cache_state state = adk_test_usage(result).cache;

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    adk_result_free(result);
    return state;
}

static void test_row_2_a_module_is_compiled_once(void **state)
{
    adk_request request = adk_test_request("(module (func $only_here)" START "))");
    adk_request metered = request;

    assert_int_equal(cache_state_of(*state, &request), ADK_CACHE_MISS);
    assert_int_equal(cache_state_of(*state, &request), ADK_CACHE_HIT);
    metered.fuel = 1000; /* another code is made for it */
    assert_int_equal(cache_state_of(*state, &metered), ADK_CACHE_MISS);
    assert_int_equal(cache_state_of(*state, &metered), ADK_CACHE_HIT);
    assert_int_equal(cache_state_of(*state, &request), ADK_CACHE_HIT);
}

static void test_a_rejected_module_is_rejected_again(void **state)
{
    for (int i = 0; i < 3; i++)
        adk_test_run_rejected(*state, BYTES("(module (func $x))"), ADK_REASON_NO_ENTRY, "no _start function");
}

static void numbered(char *wat, size_t size, unsigned n)
{
    (void)snprintf(wat, size, "(module (func $n%u)" START "))", n);
}

static void test_the_cache_is_bounded_by_count(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_backend *backend;
    char wat[6][100];
    adk_request request[6];

    (void)state;
    options.cache_modules = 4;
    backend = adk_test_backend_with(&options);
    for (unsigned i = 0; i < 6; i++) {
        numbered(wat[i], sizeof(wat[i]), i);
        request[i] = adk_test_request(wat[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(cache_state_of(backend, &request[i]), ADK_CACHE_MISS);
    assert_int_equal(cache_state_of(backend, &request[0]), ADK_CACHE_HIT); /* 1 is now the least recently used */
    assert_int_equal(cache_state_of(backend, &request[4]), ADK_CACHE_MISS);
    assert_int_equal(cache_state_of(backend, &request[0]), ADK_CACHE_HIT);
    assert_int_equal(cache_state_of(backend, &request[2]), ADK_CACHE_HIT);
    assert_int_equal(cache_state_of(backend, &request[3]), ADK_CACHE_HIT);
    assert_int_equal(cache_state_of(backend, &request[4]), ADK_CACHE_HIT);
    assert_int_equal(cache_state_of(backend, &request[1]), ADK_CACHE_MISS);
    adk_backend_free(backend);
}

static void test_the_cache_is_bounded_by_bytes(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_request other = adk_test_request(GUEST_EMPTY);
    adk_backend *backend;

    (void)state;
    options.cache_bytes = 1; /* nothing fits: the last one is kept all the same */
    backend = adk_test_backend_with(&options);
    assert_int_equal(cache_state_of(backend, &request), ADK_CACHE_MISS);
    assert_int_equal(cache_state_of(backend, &request), ADK_CACHE_HIT);
    assert_int_equal(cache_state_of(backend, &other), ADK_CACHE_MISS);
    assert_int_equal(cache_state_of(backend, &request), ADK_CACHE_MISS);
    adk_backend_free(backend);
}

struct starter {
    adk_backend *backend;
    pthread_barrier_t *barrier;
    const char *wat;
    adk_outcome outcome;
    adk_cache_state cache;
};

static void *start_together(void *data)
{
    struct starter *starter = data;
    adk_request request = adk_test_request(starter->wat);
    adk_result *result = NULL;

    (void)pthread_barrier_wait(starter->barrier);
    starter->outcome = UINT32_MAX;
    if (adk_backend_execute(starter->backend, &request, NULL, &result, NULL) == ADK_OK) {
        starter->outcome = adk_result_outcome(result);
        starter->cache = adk_test_usage(result).cache;
        adk_result_free(result);
    }
    return NULL;
}

#define TOGETHER 8

static void run_together(adk_backend *backend, const char *wat, struct starter *starters)
{
    pthread_t threads[TOGETHER];
    pthread_barrier_t barrier;

    assert_int_equal(pthread_barrier_init(&barrier, NULL, TOGETHER), 0);
    for (size_t i = 0; i < TOGETHER; i++) {
        starters[i] = (struct starter){backend, &barrier, wat, 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, start_together, &starters[i]), 0);
    }
    for (size_t i = 0; i < TOGETHER; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    (void)pthread_barrier_destroy(&barrier);
}

static void test_many_who_want_the_same_compile_it_once(void **state)
{
    struct starter starters[TOGETHER];
    char wat[100];

    for (unsigned round = 0; round < 20; round++) {
        unsigned misses = 0;

        numbered(wat, sizeof(wat), 1000 + round);
        run_together(*state, wat, starters);
        for (size_t i = 0; i < TOGETHER; i++) {
            assert_int_equal(starters[i].outcome, ADK_OUTCOME_EXITED);
            misses += starters[i].cache == ADK_CACHE_MISS;
        }
        assert_int_equal(misses, 1);
    }
}

static void test_many_who_want_the_same_bad_module(void **state)
{
    struct starter starters[TOGETHER];
    char wat[100];

    for (unsigned round = 0; round < 20; round++) {
        (void)snprintf(wat, sizeof(wat), "(module (func $n%u))", round);
        run_together(*state, wat, starters);
        for (size_t i = 0; i < TOGETHER; i++)
            assert_int_equal(starters[i].outcome, ADK_OUTCOME_REJECTED);
    }
}

static void test_a_prepared_module(void **state)
{
    adk_wasm_module *module = NULL;
    adk_request request = adk_test_request(NULL);
    adk_result *result;

    assert_int_equal(adk_wasm_module_new(*state, BYTES(GUEST_HELLO), &module, NULL), ADK_OK);
    request.module = module;
    for (int i = 0; i < 2; i++) {
        request.fuel = i == 0 ? 0 : 100000; /* metered ones are found by the source */
        result = adk_test_execute(*state, &request, NULL);
        adk_test_expect(result, ADK_OUTCOME_EXITED);
        assert_bytes_are(adk_result_stdout(result).head, "hello, world\n");
        assert_int_equal(adk_test_usage(result).cache, i == 0 ? ADK_CACHE_HIT : ADK_CACHE_MISS);
        adk_result_free(result);
    }
    adk_wasm_module_free(module);
    adk_wasm_module_free(NULL);
}

static void test_a_prepared_module_outlives_the_cache(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_wasm_module *module = NULL;
    adk_request request = adk_test_request(NULL);
    adk_backend *backend;

    (void)state;
    options.cache_modules = 1;
    backend = adk_test_backend_with(&options);
    assert_int_equal(adk_wasm_module_new(backend, BYTES(GUEST_HELLO), &module, NULL), ADK_OK);
    adk_test_run_exits(backend, GUEST_EMPTY, 0);
    request.module = module;
    assert_int_equal(cache_state_of(backend, &request), ADK_CACHE_HIT);
    adk_wasm_module_free(module);
    adk_backend_free(backend);
}

static void test_a_prepared_module_of_another_backend_is_refused(void **state)
{
    adk_backend *other = adk_test_backend();
    adk_wasm_module *module = NULL;
    adk_request request = adk_test_request(NULL);
    adk_result *result = NULL;

    assert_int_equal(adk_wasm_module_new(other, BYTES(GUEST_HELLO), &module, NULL), ADK_OK);
    request.module = module;
    assert_int_equal(adk_backend_execute(*state, &request, NULL, &result, NULL), ADK_E_INVALID);
    adk_wasm_module_free(module);
    adk_backend_free(other);
}

static void test_preparing_a_bad_module_says_why(void **state)
{
    adk_wasm_module *module = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk_wasm_module_new(*state, BYTES("(module)"), &module, &error), ADK_E_INVALID);
    assert_null(module);
    assert_non_null(strstr(adk_error_message_cstr(error), "no _start function"));
    adk_error_free(error);
    error = NULL;
    assert_int_equal(adk_wasm_module_new(*state, adk_bytes_make(NULL, 0), &module, &error), ADK_E_INVALID);
    assert_non_null(strstr(adk_error_message_cstr(error), "empty"));
    adk_error_free(error);
    assert_int_equal(adk_wasm_module_new(*state, BYTES("(module"), &module, NULL), ADK_E_INVALID);
}

/* ---- figures ------------------------------------------------------------------------------------------------------ */

static void test_row_18_and_23_usage(void **state)
{
    adk_request request = adk_test_request("(module (memory 3) (table 10 funcref) " IMPORT_EXIT START
                                           "(drop (memory.grow (i32.const 2))) (call $exit (i32.const 0))))");
    adk_result *result;
    adk_usage usage;

    request.code = BYTES("(module " IMPORT_EXIT "(memory 3) (table 10 funcref) " START
                         "(drop (memory.grow (i32.const 2))) (call $exit (i32.const 0))))");
    request.flags = ADK_REQUEST_CPU_TIME;
    result = adk_test_execute(*state, &request, NULL);
    usage = adk_test_usage(result);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(usage.memory_peak_bytes, 5 * 65536 + 10 * 8);
    assert_int_equal(usage.memory_denied, 0);
    assert_int_equal(usage.host_calls, 1);
    assert_int_equal(usage.measured, ADK_USAGE_CPU);
    assert_true(usage.cpu_ns > 0 && usage.compile_ns > 0 && usage.instantiate_ns > 0 && usage.run_ns > 0);
    assert_true(usage.duration_ns >= usage.compile_ns + usage.instantiate_ns + usage.run_ns); /* the whole call */
    adk_result_free(result);
}

struct traced {
    unsigned spans;
    adk_span span;
};

static void on_trace(void *data, const adk_span *span)
{
    struct traced *traced = data;

    traced->spans++;
    traced->span = *span;
}

static void test_tracing(void **state)
{
    adk_request request = adk_test_request(GUEST_EXITS("42"));
    struct traced traced = {0};

    request.on_trace = on_trace;
    request.trace_data = &traced;
    adk_result_free(adk_test_execute(*state, &request, NULL));
    assert_int_equal(traced.spans, 1);
    assert_string_equal(traced.span.backend_cstr, "wasm");
    assert_string_equal(traced.span.language_cstr, "wasm");
    assert_int_equal(traced.span.exit_code, 42);
    assert_int_equal(traced.span.outcome, ADK_OUTCOME_EXITED);
    assert_true(traced.span.duration_ns >= traced.span.run_ns);
}

struct phases {
    uint32_t seen[8];
    size_t count;
};

static void on_phase(void *data, uint32_t phase)
{
    struct phases *phases = data;

    assert_true(phases->count < 8);
    phases->seen[phases->count++] = phase;
}

static void test_phases(void **state)
{
    static const struct {
        const char *code;
        size_t count;
    } cases[] = {
        {GUEST_EXITS("42"), 2},
        {"(module (memory 1) (data (i32.const 70000) \"x\") (func (export \"_start\")))", 1}, /* while instantiated */
        {"nonsense", 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        adk_request request = adk_test_request(cases[i].code);
        struct phases phases = {0};

        request.on_phase = on_phase;
        request.phase_data = &phases;
        adk_result_free(adk_test_execute(*state, &request, NULL));
        assert_int_equal(phases.count, cases[i].count);
        assert_true(phases.count < 1 || phases.seen[0] == ADK_PHASE_INSTANTIATE);
        assert_true(phases.count < 2 || phases.seen[1] == ADK_PHASE_RUN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pin_hello_prints_and_exits_0),
        cmocka_unit_test(test_pin_proc_exit_42_gives_42),
        cmocka_unit_test(test_pin_an_endless_loop_times_out),
        cmocka_unit_test(test_pin_initial_memory_above_the_limit_is_refused),
        cmocka_unit_test(test_pin_growth_above_the_limit_gives_minus_1),
        cmocka_unit_test(test_pin_garbage_fails_cleanly),
        cmocka_unit_test(test_pin_a_wrong_language_is_an_invalid_request),
        cmocka_unit_test(test_pin_stdin_reaches_the_guest),
        cmocka_unit_test(test_pin_capabilities_and_name),
        cmocka_unit_test(test_pin_a_default_backend_exists),
        cmocka_unit_test(test_pin_a_finished_runs_timer_never_kills_a_later_run),
        cmocka_unit_test(test_row_15_exit_codes_have_32_bits),
        cmocka_unit_test(test_output_before_an_exit_is_kept),
        cmocka_unit_test(test_row_9_every_trap_has_its_kind),
        cmocka_unit_test(test_row_9_a_trap_is_not_a_success),
        cmocka_unit_test(test_a_data_segment_out_of_bounds_is_a_trap),
        cmocka_unit_test(test_row_9_backtraces_name_functions),
        cmocka_unit_test(test_backtraces_without_names),
        cmocka_unit_test(test_backtraces_are_cut_and_their_names_escaped),
        cmocka_unit_test(test_row_8_a_name_with_allocat_means_nothing),
        cmocka_unit_test(test_row_13_output_before_a_trap_is_kept),
        cmocka_unit_test(test_row_14_a_looping_start_section_times_out),
        cmocka_unit_test(test_row_14_an_exit_in_the_start_section_is_an_exit),
        cmocka_unit_test(test_row_14_a_trap_in_the_start_section_is_a_trap),
        cmocka_unit_test(test_the_start_section_may_write),
        cmocka_unit_test(test_initialize_comes_before_start),
        cmocka_unit_test(test_initialize_alone_is_an_entry),
        cmocka_unit_test(test_another_entry),
        cmocka_unit_test(test_row_19_output_is_bytes),
        cmocka_unit_test(test_row_3_a_binary_module_is_bytes),
        cmocka_unit_test(test_row_6_arguments_and_environment_arrive),
        cmocka_unit_test(test_nothing_of_the_hosts_environment_is_there),
        cmocka_unit_test(test_row_2_a_module_is_compiled_once),
        cmocka_unit_test(test_a_rejected_module_is_rejected_again),
        cmocka_unit_test(test_the_cache_is_bounded_by_count),
        cmocka_unit_test(test_the_cache_is_bounded_by_bytes),
        cmocka_unit_test(test_many_who_want_the_same_compile_it_once),
        cmocka_unit_test(test_many_who_want_the_same_bad_module),
        cmocka_unit_test(test_a_prepared_module),
        cmocka_unit_test(test_a_prepared_module_outlives_the_cache),
        cmocka_unit_test(test_a_prepared_module_of_another_backend_is_refused),
        cmocka_unit_test(test_preparing_a_bad_module_says_why),
        cmocka_unit_test(test_row_18_and_23_usage),
        cmocka_unit_test(test_tracing),
        cmocka_unit_test(test_phases),
    };

    return cmocka_run_group_tests_name("wasm_run", tests, adk_test_setup, adk_test_teardown);
}
