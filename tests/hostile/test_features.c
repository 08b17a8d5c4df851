/*
 * Modules that want more of WebAssembly than is offered, each refused with the name of what it wants; and names that are
 * chosen to harm whoever reads them.
 */
#include "hostile.h"

#define NEEDS(feature) REJECTED(UNSUPPORTED_FEATURE, feature)
#define M(body)        "(module " body START "))"
#define MEMORY(body)   "(module (memory 1)" START body "))"

/* ---- features ----------------------------------------------------------------------------------------------------- */

static void test_memories_and_tables(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"two memories", M("(memory 1) (memory 1)"), NEEDS("multi-memory")},
        {"copying between memories",
         "(module (memory $a 1) (memory $b 1)" START "(memory.copy $a $b (i32.const 0) (i32.const 0) (i32.const 1))))",
         NEEDS("multi-memory")},
        {"an imported memory and another", M("(import \"env\" \"m\" (memory 1)) (memory 1)"), NEEDS("multi-memory")},
        {"a 64-bit memory", M("(memory i64 1)"), NEEDS("memory64")},
        {"a 64-bit memory of 2^48 pages", M("(memory i64 0x1000000000000)"), NEEDS("memory64")},
        {"a 64-bit table", M("(table i64 1 funcref)"), NEEDS("memory64")},
        {"a 64-bit memory and a 64-bit load", "(module (memory i64 1)" START "(drop (i32.load (i64.const 0)))))",
         NEEDS("memory64")},
        {"pages of a byte", M("(memory 1 (pagesize 1))"), NEEDS("custom-page-sizes")},
        {"shared memory", M("(memory 1 1 shared)"), NEEDS("threads")},
        {"imported shared memory", M("(import \"env\" \"m\" (memory 1 2 shared))"), NEEDS("threads")},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

static void test_threads(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"an atomic load", MEMORY("(drop (i32.atomic.load (i32.const 0)))"), NEEDS("threads")},
        {"an atomic addition", MEMORY("(drop (i64.atomic.rmw.add (i32.const 0) (i64.const 1)))"), NEEDS("threads")},
        {"an atomic exchange", MEMORY("(drop (i32.atomic.rmw.cmpxchg (i32.const 0) (i32.const 0) (i32.const 1)))"),
         NEEDS("threads")},
        {"an atomic wait for ever", MEMORY("(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))"),
         NEEDS("threads")},
        {"an atomic notice", MEMORY("(drop (memory.atomic.notify (i32.const 0) (i32.const -1)))"), NEEDS("threads")},
        {"an atomic fence", MEMORY("(atomic.fence)"), NEEDS("threads")},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

static void test_garbage_collection(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a table of externref", M("(table 1 externref)"), NEEDS("externref")},
        {"a parameter of externref", M("(func (param externref))"), NEEDS("externref")},
        {"a global of externref", M("(global externref (ref.null extern))"), NEEDS("externref")},
        {"a structure", M("(type $s (struct (field (mut i32))))"), NEEDS("gc")},
        {"a new structure", "(module (type $s (struct (field i32)))" START "(drop (struct.new $s (i32.const 1)))))",
         NEEDS("gc")},
        {"an array", M("(type $a (array (mut i64)))"), NEEDS("gc")},
        {"an array of 2^32 - 1",
         "(module (type $a (array (mut i64)))" START "(drop (array.new_default $a (i32.const -1)))))", NEEDS("gc")},
        {"a small number as a reference", "(module " START "(drop (ref.i31 (i32.const 1)))))", NEEDS("gc")},
        {"anyref", M("(global anyref (ref.null any))"), NEEDS("gc")},
        {"subtypes", M("(type $a (sub (func)))"), NEEDS("gc")},
        {"recursive types", M("(rec (type $a (func (param (ref null $b)))) (type $b (func (param (ref null $a)))))"),
         NEEDS("gc")},
        {"a cast", "(module " START "(drop (ref.test (ref i31) (ref.null any)))))", NEEDS("gc")},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

static void test_control_and_references(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a tag", M("(tag $t (param i32))"), NEEDS("exceptions")},
        {"a throw", "(module (tag $t)" START "(throw $t)))", NEEDS("exceptions")},
        {"a loop of throws",
         "(module (tag $t)" START "(loop $l (block $h (try_table (catch $t $h) (throw $t))) br $l)))",
         NEEDS("exceptions")},
        {"throw_ref", "(module " START "(throw_ref (ref.null exn))))", NEEDS("exceptions")},
        {"exnref", M("(global exnref (ref.null exn))"), NEEDS("exceptions")},
        {"an imported tag", M("(import \"env\" \"t\" (tag))"), NEEDS("exceptions")},
        {"a tail call", "(module " START "(return_call $start)))", NEEDS("tail-call")},
        {"an indirect tail call", "(module (table 1 funcref)" START "(return_call_indirect (i32.const 0))))",
         NEEDS("tail-call")},
        {"a typed reference", M("(type $f (func)) (func (param (ref $f)))"), NEEDS("function-references")},
        {"call_ref", "(module (type $f (func))" START "(call_ref $f (ref.null $f))))", NEEDS("function-references")},
        {"ref.as_non_null", "(module (type $f (func))" START "(drop (ref.as_non_null (ref.null func)))))",
         NEEDS("function-references")},
        {"br_on_null", "(module " START "(block $b (drop (br_on_null $b (ref.null func))))))",
         NEEDS("function-references")},
        {"a continuation",
         "(module (type $f (func)) (type $c (cont $f)) (elem declare func $start)" START
         "(drop (cont.new $c (ref.func $start)))))",
         NEEDS("stack-switching")},
        {"a relaxed vector instruction",
         "(module " START "(drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))",
         NEEDS("relaxed-simd")},
        {"a relaxed multiplication",
         "(module " START "(drop (f32x4.relaxed_madd (v128.const i64x2 0 0) "
         "(v128.const i64x2 0 0) (v128.const i64x2 0 0)))))",
         NEEDS("relaxed-simd")},
        {"a wide addition",
         "(module " START "(i64.add128 (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)) drop drop))",
         NEEDS("wide-arithmetic")},
        {"a wide multiplication", "(module " START "(i64.mul_wide_u (i64.const 1) (i64.const 1)) drop drop))",
         NEEDS("wide-arithmetic")},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* What there is no text for (any more). */
static void test_as_bytes(void **state)
{
    static const char legacy_try[] = "\0asm\1\0\0\0"
                                     "\x01\x04\x01\x60\0\0"
                                     "\x03\x02\x01\0"
                                     "\x07\x0a\x01\x06_start\0\0"
                                     "\x0a\x07\x01\x05\0\x06\x40\x0b\x0b";
    static const char legacy_catch_all[] = "\0asm\1\0\0\0"
                                           "\x01\x04\x01\x60\0\0"
                                           "\x03\x02\x01\0"
                                           "\x07\x0a\x01\x06_start\0\0"
                                           "\x0a\x08\x01\x06\0\x06\x40\x19\x0b\x0b";
    const adk_hostile_case attacks[] = {
        {"the old try", .code = BYTES(legacy_try), NEEDS("legacy-exceptions")},
        {"the old catch_all", .code = BYTES(legacy_catch_all), NEEDS("legacy-exceptions")},
        {"a component", .wat = "(component)", NEEDS("component-model")},
        {"a component with a module inside", .wat = "(component (core module (func)))", NEEDS("component-model")},
        {"a binary component", .code = BYTES("\0asm\x0d\0\1\0"), NEEDS("component-model")},
        {"a binary component of another version", .code = BYTES("\0asm\xff\xff\1\0"), NEEDS("component-model")},
        {"a module of version 2", .code = BYTES("\0asm\2\0\0\0"), REJECTED(MALFORMED, "failed to compile")},
        {"a module of layer 2", .code = BYTES("\0asm\1\0\2\0"), REJECTED(MALFORMED, "failed to compile")},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

static void test_several_features(void **state)
{
    static const char wants_both[] = "(module (memory 1) (memory 1)" START "(return_call $start)))";
    const adk_hostile_case attacks[] = {
        {"two features, of which one is named", wants_both, NEEDS("multi-memory")},
        {"two features, of which the other is named, too", wants_both, NEEDS("tail-call")},
        {"a feature and a loop in the start section", "(module (memory i64 1) (func $s " LOOP ") (start $s)" START "))",
         NEEDS("memory64")},
        {"a feature and a missing import", M("(import \"env\" \"f\" (func)) (memory 1) (memory 1)"),
         NEEDS("multi-memory")},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* What stays on: a guest of today's compilers. */
static void test_what_is_offered(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"vectors", "(module " START "(drop (i32x4.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4)))))",
         EXITS(0)},
        {"several results",
         "(module (func $f (result i32 i64) (i32.const 1) (i64.const 2))" START "(call $f) drop drop))", EXITS(0)},
        {"four tables", "(module (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref)" START "))",
         EXITS(0)},
        {"a computed initial value", "(module (global i32 (i32.add (i32.const 1) (i32.const 2)))" START "))", EXITS(0)},
        {"five tables",
         "(module (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) "
         "(table 1 funcref)" START "))",
         REJECTED(TOO_LARGE, "table")},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- names -------------------------------------------------------------------------------------------------------- */

enum { IMPORT_SECTION = 2, EXPORT_SECTION = 7 };

#define LONG_NAME ((size_t)100000)

/* 100 KB of what terminals obey: ESC ] 0 ; BEL, with a bidirectional override and a C1 control between. */
static char *evil_name(size_t size)
{
    static const char evil[] = "\x1b]0;owned\x07\xe2\x80\xae\xc2\x9b"
                               "31m\r\n";
    char *name = malloc(size + 1);

    assert_non_null(name);
    for (size_t i = 0; i + sizeof(evil) - 1 <= size; i += sizeof(evil) - 1)
        memcpy(name + i, evil, sizeof(evil) - 1);
    for (size_t i = size - size % (sizeof(evil) - 1); i < size; i++)
        name[i] = 'e';
    name[size] = '\0';
    return name;
}

/* Printable ASCII, but for the dots where a name was cut; and short: an escaped byte has four characters. */
static void check_harmless(const char *name, adk_bytes text, size_t most)
{
    static const char dots[] = "\xe2\x80\xa6";
    const char *bytes = text.data;

    for (size_t i = 0; i < text.size; i++) {
        if (text.size - i >= 3 && memcmp(bytes + i, dots, 3) == 0)
            i += 2;
        else if (bytes[i] < 0x20 || bytes[i] == 0x7f)
            fail_msg("%s: byte %02x in a message", name, (unsigned char)bytes[i]);
    }
    if (text.size > most)
        fail_msg("%s: a message of %zu bytes", name, text.size);
}

static void check_message(adk_hostile *hostile, const adk_hostile_case *attack)
{
    adk_request request = adk_hostile_request(attack);
    adk_result *result = adk_hostile_execute(hostile->backend, attack->name, &request);
    const adk_frame *frames;
    size_t count;
    char *report = NULL;

    adk_hostile_expect(attack, result);
    check_harmless(attack->name, adk_result_message(result), 3000);
    frames = adk_result_backtrace(result, &count);
    for (size_t i = 0; i < count; i++)
        check_harmless(attack->name, frames[i].function_name, 4 * 256);
    assert_int_equal(adk_report_json(result, NULL, &report, NULL), ADK_OK);
    check_harmless(attack->name, adk_bytes_from_cstr(report), 10000);
    adk_free(report);
    adk_result_free(result);
    adk_hostile_unharmed(hostile, attack->name);
}

/* A module up to its type section. */
static void begin_module(adk_shape *module)
{
    adk_shape_header(module);
    adk_shape_append(module, "\1\4\1\x60\0\0", 6);
}

static void end_module(adk_shape *module, unsigned start_index, const char *code, size_t size)
{
    size_t section;

    adk_shape_append(module, "\3\2\1\0", 4);
    section = adk_shape_section(module, EXPORT_SECTION);
    adk_shape_byte(module, 1);
    adk_shape_name(module, "_start", 6);
    adk_shape_byte(module, 0);
    adk_shape_u32(module, start_index);
    adk_shape_end(module, section);
    adk_shape_append(module, code, size);
}

static void importing(adk_shape *module, const char *from, size_t from_size, const char *name, size_t name_size)
{
    size_t section;

    begin_module(module);
    section = adk_shape_section(module, IMPORT_SECTION);
    adk_shape_byte(module, 1);
    adk_shape_name(module, from, from_size);
    adk_shape_name(module, name, name_size);
    adk_shape_append(module, "\0\0", 2);
    adk_shape_end(module, section);
    end_module(module, 1, "\x0a\4\1\2\0\x0b", 6);
}

static void test_names_of_imports(void **state)
{
    static const size_t sizes[] = {0, 1, 16, 200, 255, 256, 257, 1000, LONG_NAME};

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *evil = evil_name(sizes[i]);
        adk_shape module = {NULL, 0, 0};
        adk_hostile_case attack = {"an evil import", REJECTED(MISSING_IMPORT, "unknown import")};

        importing(&module, i % 2 == 0 ? evil : "env", i % 2 == 0 ? sizes[i] : 3, evil, sizes[i]);
        attack.code = adk_shape_bytes(&module);
        check_message(*state, &attack);
        adk_shape_free(&module);
        free(evil);
    }
}

/* A name of a function is in the name section, is shown in the backtrace of a trap, and need not be true. */
static void test_names_of_functions(void **state)
{
    char *evil = evil_name(LONG_NAME);
    adk_shape module = {NULL, 0, 0};
    adk_hostile_case attack = {"an evil function", TRAPS("unreachable")};
    size_t section;
    size_t sub;

    begin_module(&module);
    end_module(&module, 0, "\x0a\5\1\3\0\0\x0b", 7);
    section = adk_shape_section(&module, 0);
    adk_shape_name(&module, "name", 4);
    sub = adk_shape_section(&module, 1);
    adk_shape_append(&module, "\1\0", 2);
    adk_shape_name(&module, evil, LONG_NAME);
    adk_shape_end(&module, sub);
    adk_shape_end(&module, section);
    attack.code = adk_shape_bytes(&module);
    check_message(*state, &attack);
    adk_shape_free(&module);
    free(evil);
}

/* Sections that nobody needs: unknown, broken, many, large. They change nothing. */
static void test_custom_sections(void **state)
{
    char *evil = evil_name(LONG_NAME);
    adk_shape module = {NULL, 0, 0};
    adk_hostile_case attack = {"custom sections", EXITS(0)};

    begin_module(&module);
    end_module(&module, 0, "\x0a\4\1\2\0\x0b", 6);
    for (unsigned i = 0; i < 1000; i++) {
        size_t section = adk_shape_section(&module, 0);

        adk_shape_name(&module, i % 2 == 0 ? evil : "name", i % 2 == 0 ? 1000 : 4);
        adk_shape_fill(&module, 0xff, i);
        adk_shape_end(&module, section);
    }
    attack.code = adk_shape_bytes(&module);
    check_message(*state, &attack);
    adk_shape_free(&module);
    free(evil);
}

static void test_names_of_exports(void **state)
{
    char *evil = evil_name(LONG_NAME);
    adk_shape module = {NULL, 0, 0};
    adk_hostile_case attack = {"an evil export", REJECTED(NO_ENTRY, "exports nothing of that name")};
    size_t section;

    begin_module(&module);
    adk_shape_append(&module, "\3\2\1\0", 4);
    section = adk_shape_section(&module, EXPORT_SECTION);
    adk_shape_byte(&module, 1);
    adk_shape_name(&module, evil, LONG_NAME);
    adk_shape_append(&module, "\0\0", 2);
    adk_shape_end(&module, section);
    adk_shape_append(&module, "\x0a\4\1\2\0\x0b", 6);
    attack.code = adk_shape_bytes(&module);
    check_message(*state, &attack);
    adk_shape_free(&module);
    free(evil);
}

/* The text assembler quotes the source in its messages. */
static void test_names_in_text(void **state)
{
    static const char *const begins[] = {"(module (func (export \"_start\") (call $\"", "(module (func $\"",
                                         "(module (import \"env\" \"", "(module (global $\"", "(module \""};
    char *evil = evil_name(LONG_NAME);

    for (char *at = evil; (at = strpbrk(at, "\r\n\x1b\x07")) != NULL; at++)
        *at = '\t' - 1 + (char)(*at == '\x1b'); /* what may not stand in a string as it is */
    for (size_t i = 0; i < COUNT_OF(begins); i++) {
        adk_shape text = {NULL, 0, 0};
        adk_hostile_case attack = {begins[i], REJECTED(MALFORMED, "failed to compile WASM module: ")};

        adk_shape_text(&text, begins[i]);
        adk_shape_append(&text, evil, LONG_NAME);
        adk_shape_text(&text, "\" \x1b[31m");
        attack.code = adk_shape_bytes(&text);
        check_message(*state, &attack);
        adk_shape_free(&text);
    }
    free(evil);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memories_and_tables),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_garbage_collection),
        cmocka_unit_test(test_control_and_references),
        cmocka_unit_test(test_as_bytes),
        cmocka_unit_test(test_several_features),
        cmocka_unit_test(test_what_is_offered),
        cmocka_unit_test(test_names_of_imports),
        cmocka_unit_test(test_names_of_functions),
        cmocka_unit_test(test_custom_sections),
        cmocka_unit_test(test_names_of_exports),
        cmocka_unit_test(test_names_in_text),
    };

    return cmocka_run_group_tests_name("features", tests, adk_hostile_setup, adk_hostile_teardown);
}
