/*
 * src/wasm: modules that are refused, each for its reason and with the name of what is wrong; and modules that are
 * broken on purpose, of which none may do more than be refused or run.
 */
#include "support.h"

#define BAD(text) adk_bytes_from_cstr(text)

/* ---- features ----------------------------------------------------------------------------------------------------- */

static void test_features_are_named(void **state)
{
    static const char *const features[][2] = {
        {"memory64", "(module (memory i64 1)" START "))"},
        {"memory64", "(module (table i64 1 funcref)" START "))"},
        {"multi-memory", "(module (memory 1) (memory 1)" START "))"},
        {"threads", "(module (memory 1 1 shared)" START "))"},
        {"threads", "(module (memory 1)" START "(drop (i32.atomic.load (i32.const 0)))))"},
        {"tail-call", "(module " START "(return_call $start)))"},
        {"exceptions", "(module (tag $t)" START "(throw $t)))"},
        {"exceptions", "(module " START "(block $h (try_table (catch_all $h)))))"},
        {"gc", "(module (type $s (struct (field i32)))" START "))"},
        {"gc", "(module " START "(drop (ref.i31 (i32.const 1)))))"},
        {"relaxed-simd", "(module " START "(drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0)))))"},
        {"wide-arithmetic", "(module " START "(i64.add128 (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)) "
                            "drop drop))"},
        {"custom-page-sizes", "(module (memory 1 (pagesize 1))" START "))"},
        {"function-references", "(module (type $f (func)) (func (param (ref $f)))" START "))"},
        {"externref", "(module (table 1 externref)" START "))"},
        {"stack-switching", "(module (type $f (func)) (type $c (cont $f))" START "))"},
    };

    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        adk_test_run_rejected(*state, BAD(features[i][1]), ADK_REASON_UNSUPPORTED_FEATURE, features[i][0]);
}

/* There is no text for them any more. */
static void test_legacy_exceptions_are_named(void **state)
{
    static const char module[] = "\0asm\1\0\0\0"
                                 "\x01\x04\x01\x60\x00\x00"
                                 "\x03\x02\x01\x00"
                                 "\x07\x0a\x01\x06_start\x00\x00"
                                 "\x0a\x07\x01\x05\x00\x06\x40\x0b\x0b"; /* try end */

    adk_test_run_rejected(*state, adk_bytes_make(module, sizeof(module) - 1), ADK_REASON_UNSUPPORTED_FEATURE,
                          "legacy-exceptions");
}

/* The message names what is needed and nothing else. */
static void test_features_that_are_not_needed_are_not_named(void **state)
{
    adk_request request = adk_test_request("(module (memory i64 1)" START "))");
    adk_result *result = adk_test_execute(*state, &request, NULL);

    assert_bytes_have(adk_result_message(result), "it needs memory64, which is not supported");
    adk_result_free(result);
    request.code = BAD("(module (memory 1) (memory 1)" START "(return_call $start)))");
    result = adk_test_execute(*state, &request, NULL);
    assert_bytes_have(adk_result_message(result), "multi-memory");
    assert_bytes_have(adk_result_message(result), "tail-call");
    assert_false(adk_test_bytes_have(adk_result_message(result), "threads"));
    adk_result_free(result);
}

static void test_features_that_are_there(void **state)
{
    adk_test_run_exits(*state,
                       "(module " START "(drop (i32x4.add (v128.const i32x4 1 2 3 4) "
                       "(v128.const i32x4 1 2 3 4)))))",
                       0);
    adk_test_run_exits(*state, "(module (memory 1)" START "(memory.fill (i32.const 0) (i32.const 1) (i32.const 8))))",
                       0);
    adk_test_run_exits(
        *state, "(module (func $two (result i32 i32) (i32.const 1) (i32.const 2))" START "(call $two) drop drop))", 0);
    adk_test_run_exits(*state, "(module (table 1 funcref)" START "(table.set 0 (i32.const 0) (ref.null func))))", 0);
    adk_test_run_exits(*state, "(module " START "(drop (i32.trunc_sat_f32_s (f32.const nan)))))", 0);
    adk_test_run_exits(*state, "(module " START "(drop (i32.extend8_s (i32.const 200)))))", 0);
    adk_test_run_exits(*state,
                       "(module (global $g (mut i32) (i32.add (i32.const 1) (i32.const 2)))"
                       "(export \"g\" (global $g))" START "))",
                       0);
}

static void test_components(void **state)
{
    adk_test_run_rejected(*state, BAD("(component)"), ADK_REASON_UNSUPPORTED_FEATURE, "component-model");
    adk_test_run_rejected(*state, adk_bytes_make("\0asm\x0d\0\1\0", 8), ADK_REASON_UNSUPPORTED_FEATURE,
                          "component-model");
    adk_test_run_rejected(*state, adk_bytes_make("\0asm\x0e\0\1\0", 8), ADK_REASON_UNSUPPORTED_FEATURE,
                          "component-model");
}

static void test_more_tables_than_there_may_be(void **state)
{
    adk_request request = adk_test_request("(module (table 1 funcref) (table 1 funcref) (table 1 funcref) "
                                           "(table 1 funcref)" START "))");

    adk_result_free(adk_test_execute(*state, &request, NULL));
    adk_test_run_rejected(*state,
                          BAD("(module (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) "
                              "(table 1 funcref)" START "))"),
                          ADK_REASON_TOO_LARGE, "table");
}

/* ---- entries ------------------------------------------------------------------------------------------------------ */

static void test_wrong_entries(void **state)
{
    static const char *const wrong[] = {
        "(module)",
        "(module (func $_start))",
        "(module (func (export \"start\")))",
        "(module (func (export \"_start\") (param i32)))",
        "(module (func (export \"_start\") (result i32) (i32.const 0)))",
        "(module (memory (export \"_start\") 1))",
        "(module (global (export \"_start\") i32 (i32.const 0)))",
        "(module (table (export \"_start\") 1 funcref))",
        "(module (memory (export \"_start\") 1) (func (export \"_initialize\")))",
        "(module (func (export \"_initialize\") (param i64)))",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        adk_test_run_rejected(*state, BAD(wrong[i]), ADK_REASON_NO_ENTRY, "WASM module has no _start function");
}

static void test_the_type_of_a_wrong_entry_is_told(void **state)
{
    adk_test_run_rejected(*state, BAD("(module (func (export \"_start\") (param i32 i64) (result f64) f64.const 0))"),
                          ADK_REASON_NO_ENTRY, "(iI)->(F)");
    adk_test_run_rejected(*state, BAD("(module (memory (export \"_start\") 1))"), ADK_REASON_NO_ENTRY, "memory");
}

/* ---- imports ------------------------------------------------------------------------------------------------------ */

#define WITH_IMPORT(import) BAD("(module (import " import ")" START "))")

static void test_unknown_imports_are_named(void **state)
{
    adk_test_run_rejected(*state, WITH_IMPORT("\"env\" \"puts\" (func (param i32))"), ADK_REASON_MISSING_IMPORT,
                          "failed to instantiate WASM module: unknown import \"env\" \"puts\"");
    adk_test_run_rejected(*state, WITH_IMPORT("\"" WASI "\" \"fd_frobnicate\" (func)"), ADK_REASON_MISSING_IMPORT,
                          "\"fd_frobnicate\"");
    adk_test_run_rejected(*state, WITH_IMPORT("\"wasi_unstable\" \"sock_accept\" (func)"), ADK_REASON_MISSING_IMPORT,
                          "\"sock_accept\"");
    adk_test_run_rejected(*state, WITH_IMPORT("\"\" \"\" (func)"), ADK_REASON_MISSING_IMPORT, "\"\" \"\"");
    adk_test_run_rejected(*state, WITH_IMPORT("\"env\" \"memory\" (memory 1)"), ADK_REASON_MISSING_IMPORT,
                          "of type memory");
    adk_test_run_rejected(*state, WITH_IMPORT("\"env\" \"t\" (table 1 funcref)"), ADK_REASON_MISSING_IMPORT,
                          "of type table");
    adk_test_run_rejected(*state, WITH_IMPORT("\"env\" \"g\" (global i32)"), ADK_REASON_MISSING_IMPORT,
                          "of type global");
}

static void test_names_of_imports_are_escaped_and_cut(void **state)
{
    char wat[1000];
    char name[600];
    adk_request request = adk_test_request(NULL);
    adk_result *result;

    adk_test_run_rejected(*state, WITH_IMPORT("\"e\\1b[31m\" \"\\0a\\e2\\80\\aeevil\" (func)"),
                          ADK_REASON_MISSING_IMPORT, "\"e\\x1b[31m\" \"\\x0a\\xe2\\x80\\xaeevil\"");
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(wat, sizeof(wat), "(module (import \"env\" \"%s\" (func))" START "))", name);
    request.code = BAD(wat);
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_REJECTED);
    name[257] = '\0';
    assert_false(adk_test_bytes_have(adk_result_message(result), name));
    name[256] = '\0';
    assert_bytes_have(adk_result_message(result), name);
    adk_result_free(result);
}

static void test_wrong_signatures_are_told(void **state)
{
    adk_test_run_rejected(*state, WITH_IMPORT("\"" WASI "\" \"fd_write\" (func (param i32) (result i32))"),
                          ADK_REASON_MISSING_IMPORT, "of type (i)->(i): the host offers (iiii)->(i)");
    adk_test_run_rejected(*state, WITH_IMPORT("\"" WASI "\" \"proc_exit\" (func (param i32) (result i32))"),
                          ADK_REASON_MISSING_IMPORT, "the host offers (i)->()");
    adk_test_run_rejected(*state, WITH_IMPORT("\"" WASI "\" \"fd_seek\" (func (param i32 i32 i32 i32) (result i32))"),
                          ADK_REASON_MISSING_IMPORT, "the host offers (iIii)->(i)");
    adk_test_run_rejected(*state, WITH_IMPORT("\"" WASI "\" \"proc_exit\" (memory 1)"), ADK_REASON_MISSING_IMPORT,
                          "proc_exit");
}

/* A guest whose import takes more than the message's room is refused all the same. */
static void test_a_signature_of_a_thousand_parameters(void **state)
{
    char *wat = malloc(20000);
    size_t size;

    assert_non_null(wat);
    size = (size_t)snprintf(wat, 20000, "(module (import \"env\" \"f\" (func (param");
    for (int i = 0; i < 1000; i++)
        size += (size_t)snprintf(wat + size, 20000 - size, " i64");
    (void)snprintf(wat + size, 20000 - size, ")))" START "))");
    adk_test_run_rejected(*state, BAD(wat), ADK_REASON_MISSING_IMPORT, "(IIIIIIII");
    free(wat);
}

/* ---- code --------------------------------------------------------------------------------------------------------- */

static void test_empty_code(void **state)
{
    adk_test_run_rejected(*state, adk_bytes_make(NULL, 0), ADK_REASON_MALFORMED, "the code is empty");
    adk_test_run_rejected(*state, BYTES(""), ADK_REASON_MALFORMED, "the code is empty");
    adk_test_run_rejected(*state, BYTES(" "), ADK_REASON_MALFORMED, "failed to compile WASM module: ");
}

static void test_malformed_code(void **state)
{
    static const char *const bad[] = {
        "(",
        "(module",
        "(module))",
        "(modul)",
        "(module (func (export \"_start\") (i32.const 1)))",
        "(module (func (export \"_start\") i32.add drop))",
        "(module (func (export \"_start\") (call 7)))",
        "(module (func (export \"_start\")) (func (export \"_start\")))",
        "(module (func (export \"_start\") (i32.const 99999999999)))",
        "\x1b[31m",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        adk_test_run_rejected(*state, BAD(bad[i]), ADK_REASON_MALFORMED, "failed to compile WASM module: ");
    adk_test_run_rejected(*state, adk_bytes_make("\0asm", 4), ADK_REASON_MALFORMED, "failed to compile WASM module: ");
    adk_test_run_rejected(*state, adk_bytes_make("\0asm\2\0\0\0", 8), ADK_REASON_MALFORMED,
                          "failed to compile WASM module: ");
    adk_test_run_rejected(*state, adk_bytes_make("\0as", 3), ADK_REASON_MALFORMED, "failed to compile WASM module: ");
}

/* One line, harmless: parts of the source come along in the parser's messages. */
static void test_messages_are_one_harmless_line(void **state)
{
    adk_request request = adk_test_request("(module\n (func $\"\x1b[31m\" (export \"_start\")\n  i32.addd \n \x07))");
    adk_result *result = adk_test_execute(*state, &request, NULL);
    adk_bytes message = adk_result_message(result);

    adk_test_expect(result, ADK_OUTCOME_REJECTED);
    for (size_t i = 0; i < message.size; i++)
        assert_true(((const unsigned char *)message.data)[i] >= 0x20);
    adk_result_free(result);
}

/* What looks like the assembler's arrow may be the guest's own text. */
static void test_positions_cannot_be_forged(void **state)
{
    static const char *const codes[] = {
        "(module (func (export \"_start\") (call $\"--> <anon>:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\c3\\a9bbb\")))",
        "(module (func (export \"_start\") (call $\"--> <anon>:\\1b]0;PWNED\\07\")))",
    };

    for (size_t i = 0; i < 2; i++) {
        adk_request request = adk_test_request(codes[i]);
        adk_result *result = adk_test_execute(*state, &request, NULL);
        adk_bytes message = adk_result_message(result);
        char *report = NULL;

        adk_test_expect(result, ADK_OUTCOME_REJECTED);
        for (size_t k = 0; k < message.size; k++)
            assert_true(((const unsigned char *)message.data)[k] >= 0x20);
        assert_int_equal(adk_report_json(result, NULL, &report, NULL), ADK_OK);
        adk_test_keep_report(report);
        assert_non_null(strstr(report, "\"reason\":\"malformed\""));
        adk_free(report);
        adk_result_free(result);
    }
}

static void test_code_above_the_maximum(void **state)
{
    size_t size = ADK_CODE_MAX_BYTES + 1;
    char *text = malloc(size);

    assert_non_null(text);
    memset(text, ' ', size);
    adk_test_run_rejected(*state, adk_bytes_make(text, size), ADK_REASON_TOO_LARGE, "67108865 bytes");
    memcpy(text, "\0asm\1\0\0\0", 8);
    adk_test_run_rejected(*state, adk_bytes_make(text, size), ADK_REASON_TOO_LARGE, "67108865 bytes");
    free(text);
}

static void test_a_refusal_has_no_trap_and_no_exit_code(void **state)
{
    adk_result *result = adk_test_run(*state, "(module)");

    adk_test_expect(result, ADK_OUTCOME_REJECTED);
    assert_int_equal(adk_result_trap_kind(result).size, 0);
    assert_int_equal(adk_result_exit_code(result), 0);
    assert_int_equal(adk_result_exit_status(result), 126);
    adk_result_free(result);
}

/* Text that nests deeper than any stack. */
static void test_text_that_nests_without_end(void **state)
{
    const size_t depth = 1000000;
    char *text = malloc(2 * depth + 100);
    size_t size;
    adk_request request = adk_test_request(NULL);
    adk_result *result;

    assert_non_null(text);
    memset(text, '(', depth);
    request.code = adk_bytes_make(text, depth);
    result = adk_test_execute(*state, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_REJECTED);
    adk_result_free(result);
    size = (size_t)snprintf(text, 100, "(module (func (export \"_start\") ");
    for (size_t i = 0; i < depth / 8; i++)
        memcpy(text + size + i * 7, "(block ", 7);
    size += depth / 8 * 7;
    memset(text + size, ')', depth / 8 + 2);
    size += depth / 8 + 2;
    request.code = adk_bytes_make(text, size);
    result = adk_test_execute(*state, &request, NULL); /* whatever it is, it is typed */
    assert_non_null(adk_outcome_cstr(adk_result_outcome(result)));
    adk_result_free(result);
    free(text);
}

/* ---- broken on purpose -------------------------------------------------------------------------------------------- */

/* A bit of everything: imports, memory, table, elements, data, globals, a start section, names. */
#define GUEST_RICH                                                                                                 \
    "(module $rich " IMPORT_WRITE IMPORT_EXIT "(memory (export \"memory\") 1 10) (table 4 8 funcref)"              \
    "(global $g (mut i64) (i64.const 5)) (elem (i32.const 1) $a $b) (type $t (func (param i32) (result i32)))"     \
    "(data (i32.const 0) \"\\10\\00\\00\\00\\02\\00\\00\\00\") (data (i32.const 16) \"hi\") (data $p \"passive\")" \
    "(func $a (type $t) (i32.add (local.get 0) (i32.const 1)))"                                                    \
    "(func $b (type $t) (local f64 v128) (block $x (result i32) (br_table $x $x (local.get 0) (i32.const 1))))"    \
    "(func $init (global.set $g (i64.mul (global.get $g) (i64.const 3)))) (start $init)" START                     \
    "(drop (call_indirect (type $t) (i32.const 3) (i32.const 1)))"                                                 \
    "(memory.init $p (i32.const 100) (i32.const 0) (i32.const 7))"                                                 \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"                                 \
    "(call $exit (i32.wrap_i64 (global.get $g)))))"

static void run_broken(adk_backend *backend, const uint8_t *code, size_t size)
{
    adk_request request = adk_test_request(NULL);
    adk_result *result;

    request.code = adk_bytes_make(code, size);
    request.timeout_ns = 50 * MS;
    request.memory_limit_bytes = 4 << 20;
    result = adk_test_execute(backend, &request, NULL);
    assert_non_null(adk_outcome_cstr(adk_result_outcome(result)));
    assert_true(adk_result_outcome(result) != ADK_OUTCOME_SIGNALED);
    adk_result_free(result);
}

static void test_a_rich_module_runs(void **state)
{
    adk_result *result = adk_test_run(*state, GUEST_RICH);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), 15);
    assert_bytes_are(adk_result_stdout(result).head, "hi");
    adk_result_free(result);
}

static void test_a_module_cut_at_every_byte(void **state)
{
    adk_bytes binary;

    SKIP_TRAPS_UNDER_VALGRIND();
    binary = adk_test_assemble(GUEST_RICH);
    for (size_t size = 0; size <= binary.size; size++)
        run_broken(*state, binary.data, size);
    free((void *)(uintptr_t)binary.data);
    adk_test_run_exits(*state, GUEST_RICH, 15);
}

static void test_a_text_cut_at_every_byte(void **state)
{
    for (size_t size = 0; size < strlen(GUEST_HELLO); size++) {
        adk_request request = adk_test_request(NULL);
        adk_result *result;

        request.code = adk_bytes_make(GUEST_HELLO, size);
        result = adk_test_execute(*state, &request, NULL);
        adk_test_expect(result, ADK_OUTCOME_REJECTED);
        adk_result_free(result);
    }
}

static uint64_t next_random(uint64_t *seed) /* splitmix64 */
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void test_two_thousand_bit_flips(void **state)
{
    uint64_t seed = 42;
    adk_bytes binary;
    uint8_t *broken;

    SKIP_TRAPS_UNDER_VALGRIND();
    binary = adk_test_assemble(GUEST_RICH);
    broken = malloc(binary.size);
    assert_non_null(broken);
    for (int i = 0; i < 2000; i++) {
        uint64_t flips = 1 + next_random(&seed) % 3;

        memcpy(broken, binary.data, binary.size);
        while (flips-- > 0) {
            uint64_t bit = next_random(&seed) % (binary.size * 8);

            broken[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        run_broken(*state, broken, binary.size);
    }
    free(broken);
    free((void *)(uintptr_t)binary.data);
    adk_test_run_exits(*state, GUEST_RICH, 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_are_named),
        cmocka_unit_test(test_legacy_exceptions_are_named),
        cmocka_unit_test(test_features_that_are_not_needed_are_not_named),
        cmocka_unit_test(test_features_that_are_there),
        cmocka_unit_test(test_components),
        cmocka_unit_test(test_more_tables_than_there_may_be),
        cmocka_unit_test(test_wrong_entries),
        cmocka_unit_test(test_the_type_of_a_wrong_entry_is_told),
        cmocka_unit_test(test_unknown_imports_are_named),
        cmocka_unit_test(test_names_of_imports_are_escaped_and_cut),
        cmocka_unit_test(test_wrong_signatures_are_told),
        cmocka_unit_test(test_a_signature_of_a_thousand_parameters),
        cmocka_unit_test(test_empty_code),
        cmocka_unit_test(test_malformed_code),
        cmocka_unit_test(test_messages_are_one_harmless_line),
        cmocka_unit_test(test_code_above_the_maximum),
        cmocka_unit_test(test_a_refusal_has_no_trap_and_no_exit_code),
        cmocka_unit_test(test_text_that_nests_without_end),
        cmocka_unit_test(test_a_rich_module_runs),
        cmocka_unit_test(test_a_module_cut_at_every_byte),
        cmocka_unit_test(test_a_text_cut_at_every_byte),
        cmocka_unit_test(test_two_thousand_bit_flips),
        cmocka_unit_test(test_positions_cannot_be_forged),
    };

    return cmocka_run_group_tests_name("wasm_reject", tests, adk_test_setup, adk_test_teardown);
}
