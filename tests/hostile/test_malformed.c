/*
 * Modules that are too large, too many, cut, bent or not modules at all, and modules that cannot be entered or linked.
 */
#include "hostile.h"

#define MALFORMED         REJECTED(MALFORMED, "failed to compile WASM module: ")
#define MALFORMED_FOR(of) REJECTED(MALFORMED, of)

enum {
    TYPE_SECTION = 1,
    IMPORT_SECTION = 2,
    FUNCTION_SECTION = 3,
    GLOBAL_SECTION = 6,
    EXPORT_SECTION = 7,
    CODE_SECTION = 10
};

#define MILLION 1000000u

/* ---- too much ----------------------------------------------------------------------------------------------------- */

static void test_code_above_the_maximum(void **state)
{
    static const adk_hostile_case too_large = {"64 MiB and a byte", REJECTED(TOO_LARGE, "67108865 bytes")};
    adk_shape code = {NULL, 0, 0};

    adk_shape_fill(&code, ' ', ADK_CODE_MAX_BYTES + 1);
    adk_hostile_attack_with(*state, &too_large, &code);
    adk_shape_header(&code);
    adk_shape_fill(&code, 0, ADK_CODE_MAX_BYTES - 7);
    adk_hostile_attack_with(*state, &too_large, &code);
}

/* A custom section fills a module to the last byte that is allowed. */
static void test_code_at_the_maximum(void **state)
{
    static const adk_hostile_case attack = {"64 MiB", EXITS(0)};
    adk_shape code = {NULL, 0, 0};
    adk_shape body = {NULL, 0, 0};
    size_t section;

    adk_shape_append(&body, "\0\x0b", 2);
    adk_shape_start_with(&code, &body);
    section = adk_shape_section(&code, 0);
    adk_shape_name(&code, "padding", 7);
    adk_shape_fill(&code, 0, ADK_CODE_MAX_BYTES - code.size);
    adk_shape_end(&code, section);
    adk_hostile_attack_with(*state, &attack, &code);
    adk_shape_free(&body);
}

static void types(adk_shape *code, uint32_t count)
{
    size_t section;

    adk_shape_header(code);
    section = adk_shape_section(code, TYPE_SECTION);
    adk_shape_u32(code, count);
    adk_shape_repeat(code, "\x60\0\0", 3, count);
    adk_shape_end(code, section);
    adk_shape_append(code, "\3\2\1\0\7\x0a\1\6_start\0\0\x0a\4\1\2\0\x0b", 22);
}

static void imports(adk_shape *code, uint32_t count)
{
    size_t section;

    adk_shape_header(code);
    adk_shape_append(code, "\1\4\1\x60\0\0", 6);
    section = adk_shape_section(code, IMPORT_SECTION);
    adk_shape_u32(code, count);
    adk_shape_repeat(code, "\1m\1n\0\0", 6, count);
    adk_shape_end(code, section);
}

static void exports(adk_shape *code, uint32_t count)
{
    size_t section;

    adk_shape_header(code);
    adk_shape_append(code, "\1\4\1\x60\0\0\3\2\1\0", 10);
    section = adk_shape_section(code, EXPORT_SECTION);
    adk_shape_u32(code, count);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), i == 0 ? "_start" : "%06x", i);
        adk_shape_name(code, name, 6);
        adk_shape_append(code, "\0\0", 2);
    }
    adk_shape_end(code, section);
    adk_shape_append(code, "\x0a\4\1\2\0\x0b", 6);
}

static void globals(adk_shape *code, uint32_t count)
{
    size_t section;

    adk_shape_header(code);
    adk_shape_append(code, "\1\4\1\x60\0\0\3\2\1\0", 10);
    section = adk_shape_section(code, GLOBAL_SECTION);
    adk_shape_u32(code, count);
    adk_shape_repeat(code, "\x7f\1\x41\0\x0b", 5, count);
    adk_shape_end(code, section);
    adk_shape_append(code, "\7\x0a\1\6_start\0\0\x0a\4\1\2\0\x0b", 18);
}

static void test_a_million_of_each(void **state)
{
    static const struct {
        adk_hostile_case attack;
        void (*make)(adk_shape *, uint32_t);
        uint32_t count;
    } many[] = {
        {{"a million types", EXITS(0)}, types, MILLION},
        {{"a million types and one", MALFORMED_FOR("types count exceeds limit")}, types, MILLION + 1},
        {{"fifty thousand imports", REJECTED(MISSING_IMPORT, "unknown import \"m\" \"n\"")}, imports, 50000},
        {{"a million imports", MALFORMED_FOR("effective type size exceeds the limit")}, imports, MILLION},
        {{"a million imports and one", MALFORMED_FOR("imports count exceeds limit")}, imports, MILLION + 1},
        {{"three hundred thousand exports", EXITS(0)}, exports, 300000},
        {{"a million exports", MALFORMED_FOR("effective type size exceeds the limit")}, exports, MILLION},
        {{"a million exports and one", MALFORMED_FOR("exports count exceeds limit")}, exports, MILLION + 1},
        {{"a million functions and one", MALFORMED_FOR("functions count exceeds limit")},
         adk_shape_functions,
         MILLION + 1},
        {{"a million globals", REJECTED(TOO_LARGE, "failed to compile")}, globals, MILLION},
        {{"a million globals and one", MALFORMED_FOR("globals count exceeds limit")}, globals, MILLION + 1},
        {{"a hundred thousand data segments", EXITS(0)}, adk_shape_segments, 100000},
        {{"a hundred thousand data segments and one", MALFORMED_FOR("data segments count exceeds limit")},
         adk_shape_segments,
         100001},
        {{"a million elements", EXITS(0)}, adk_shape_elements, MILLION},
        {{"5,000 blocks within each other", EXITS(0)}, adk_shape_nested_blocks, 5000},
    };

    for (size_t i = 0; i < COUNT_OF(many); i++) {
        adk_shape code = {NULL, 0, 0};

        /* what is compiled takes a second of plain time, and ten of a sanitizer's: less of it there */
        many[i].make(&code, adk_test_sanitized() && many[i].attack.outcome == ADK_OUTCOME_EXITED ? many[i].count / 10
                                                                                                 : many[i].count);
        adk_hostile_attack_with(*state, &many[i].attack, &code);
    }
}

/* ---- numbers and sizes that are not so ---------------------------------------------------------------------------- */

#define HEADER "\0asm\1\0\0\0"
#define TYPE   "\1\4\1\x60\0\0"
#define FUNC   "\3\2\1\0"
#define ENTRY  "\7\x0a\1\6_start\0\0"
#define CODE   "\x0a\4\1\2\0\x0b"

#define CASE_OF(what, literal)                                    \
    {                                                             \
        what, .code = {(literal), sizeof(literal) - 1}, MALFORMED \
    }

static void test_broken_binaries(void **state)
{
    static const adk_hostile_case attacks[] = {
        CASE_OF("the magic number", "\0asm"),
        CASE_OF("half a version", "\0asm\1\0"),
        CASE_OF("another version", "\0asm\xff\0\0\0" TYPE),
        CASE_OF("three bytes of the magic number", "\0as"),
        CASE_OF("an ELF file", "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0"),
        CASE_OF("a gzip file", "\x1f\x8b\x08\0\0\0\0\0"),
        CASE_OF("text in UTF-16", "\xff\xfe(\0m\0o\0d\0u\0l\0e\0)\0"),
        CASE_OF("NUL", "\0"),
        CASE_OF("a section of 1 GiB", HEADER "\1\x80\x80\x80\x80\x04"),
        CASE_OF("a custom section of 4 GiB", HEADER "\0\xff\xff\xff\xff\x0f"),
        CASE_OF("a code section of 1 GiB", HEADER TYPE FUNC ENTRY "\x0a\x80\x80\x80\x80\x04\1\2\0\x0b"),
        CASE_OF("a body of 4 GiB", HEADER TYPE FUNC ENTRY "\x0a\x08\1\xff\xff\xff\xff\x0f\0\x0b"),
        CASE_OF("a name of 4 GiB", HEADER TYPE FUNC "\7\x0a\1\xff\xff\xff\xff\x0f_st"),
        CASE_OF("a vector of 4 billion types", HEADER "\1\5\xff\xff\xff\xff\x0f"),
        CASE_OF("a vector of 4 billion locals twice",
                HEADER TYPE FUNC ENTRY "\x0a\x11\1\x0f\2\xff\xff\xff\xff\x0f\x7f\xff\xff\xff\xff\x0f\x7f\x0b"),
        CASE_OF("a size of six bytes", HEADER "\1\x84\x80\x80\x80\x80\0\1\x60\0\0"),
        CASE_OF("a size of ten bytes", HEADER "\1\x84\x80\x80\x80\x80\x80\x80\x80\x80\0\1\x60\0\0"),
        CASE_OF("a size with bits above 32", HEADER "\1\x84\x80\x80\x80\x10\1\x60\0\0"),
        CASE_OF("a size that never ends", HEADER "\1\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"),
        CASE_OF("a section that is shorter than it says", HEADER "\1\5\1\x60\0\0"),
        CASE_OF("a section that is longer than it says", HEADER "\1\3\1\x60\0\0"),
        CASE_OF("a section that does not exist", HEADER "\x7f\0"),
        CASE_OF("sections in the wrong order", HEADER FUNC TYPE ENTRY CODE),
        CASE_OF("a section twice", HEADER TYPE TYPE FUNC ENTRY CODE),
        CASE_OF("a function without a body", HEADER TYPE FUNC ENTRY),
        CASE_OF("a body without a function", HEADER TYPE "\x0a\4\1\2\0\x0b"),
        CASE_OF("two bodies for one function", HEADER TYPE FUNC ENTRY "\x0a\7\2\2\0\x0b\2\0\x0b"),
        CASE_OF("a function of a type that does not exist", HEADER TYPE "\3\2\1\7" ENTRY CODE),
        CASE_OF("an export of what does not exist", HEADER TYPE FUNC "\7\x0a\1\6_start\0\7" CODE),
        CASE_OF("an export of no kind", HEADER TYPE FUNC "\7\x0a\1\6_start\x09\0" CODE),
        CASE_OF("an export twice", HEADER TYPE FUNC "\7\x13\2\6_start\0\0\6_start\0\0" CODE),
        CASE_OF("an export whose name is not UTF-8", HEADER TYPE FUNC "\7\x0a\1\6_st\xff\xfet\0\0" CODE),
        CASE_OF("a start function that does not exist", HEADER TYPE FUNC ENTRY "\x08\1\7" CODE),
        CASE_OF("a body that does not end", HEADER TYPE FUNC ENTRY "\x0a\4\1\2\0\1"),
        CASE_OF("a body that ends twice", HEADER TYPE FUNC ENTRY "\x0a\5\1\3\0\x0b\x0b"),
        CASE_OF("an instruction that does not exist", HEADER TYPE FUNC ENTRY "\x0a\5\1\3\0\xff\x0b"),
        CASE_OF("a value out of nowhere", HEADER TYPE FUNC ENTRY "\x0a\5\1\3\0\x1a\x0b"),
        CASE_OF("a branch to nowhere", HEADER TYPE FUNC ENTRY "\x0a\x0a\1\x08\0\x0c\xff\xff\xff\xff\x0f\x0b"),
        CASE_OF("a branch table of 4 billion",
                HEADER TYPE FUNC ENTRY "\x0a\x0e\1\x0c\0\x41\0\x0e\xff\xff\xff\xff\x0f\0\0\x0b"),
        CASE_OF("a call of nobody", HEADER TYPE FUNC ENTRY "\x0a\x0a\1\x08\0\x10\xff\xff\xff\xff\x0f\x0b"),
        CASE_OF("a local that does not exist", HEADER TYPE FUNC ENTRY "\x0a\7\1\5\0\x20\x7f\x1a\x0b"),
        CASE_OF("an alignment of 2^31", HEADER TYPE FUNC "\5\3\1\0\1" ENTRY "\x0a\x0a\1\x08\0\x41\0\x28\x1f\0\x1a\x0b"),
        CASE_OF("a memory with a minimum above its maximum", HEADER TYPE FUNC "\5\4\1\1\2\1" ENTRY CODE),
        CASE_OF("a memory above 4 GiB", HEADER TYPE FUNC "\5\5\1\0\x81\x80\x04" ENTRY CODE),
        CASE_OF("a custom section without a name", HEADER TYPE FUNC ENTRY CODE "\0\0"),
        CASE_OF("something behind the end", HEADER TYPE FUNC ENTRY CODE "\0"),
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* Numbers may be written with more bytes than they need, up to five. */
static void test_padded_numbers(void **state)
{
    static const char padded[] = HEADER "\1\x88\x80\x80\x80\0\x81\x80\x80\x80\0\x60\0\0" FUNC ENTRY CODE;
    const adk_hostile_case attack = {"padded numbers", .code = BYTES(padded), EXITS(0)};

    adk_hostile_attack(*state, &attack);
}

/* ---- text --------------------------------------------------------------------------------------------------------- */

static void test_text(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a parenthesis", "(", MALFORMED},
        {"a closing parenthesis", ")", MALFORMED},
        {"an open module", "(module", MALFORMED},
        {"two modules", "(module) (module)", MALFORMED},
        {"a comment that does not end", "(module (; (; ;)", MALFORMED},
        {"a string that does not end", "(module (data \"", MALFORMED},
        {"a bad escape", "(module (memory 1) (data (i32.const 0) \"\\xzz\"))", MALFORMED},
        {"a character above Unicode", "(module (export \"\\u{110000}\" (func 0)))", MALFORMED},
        {"a number above 32 bits", "(module (func (drop (i32.const 4294967296))))", MALFORMED},
        {"a number of no end of digits", "(module (func (drop (f64.const 1e99999999999999999999999x))))", MALFORMED},
        {"a wrong instruction", "(module (func i32.frobnicate))", MALFORMED},
        {"an escape sequence", "\x1b[2J\x1b[H", MALFORMED},
        {"a quoted module", "(module quote \"(func\")", MALFORMED},
        {"a binary module in text, cut", "(module binary \"\\00asm\\01\\00\")", MALFORMED},
        {"a script", "(module) (assert_return (invoke \"f\"))", MALFORMED},
        {"an import behind a function", "(module (func) (import \"a\" \"b\" (func)))", MALFORMED},
        {"a name twice", "(module (func $f) (func $f))", MALFORMED},
        {"a type that is used by itself", "(module (func (type $t)))", MALFORMED},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* Text that nests deeper than any stack: a parser that recurses would take the host with it. */
static void test_text_that_nests_a_million_deep(void **state)
{
    static const char *const units[] = {"(", "(module ", "(;", "(func ", "(block ", "(@x "};
    static const char *const heads[] = {"", "(module (func ", "(module (memory 1) (data (offset ",
                                        "(module (global i32 ", "(component "};
    static const adk_hostile_case attack = {"text that nests a million deep", REJECTED(MALFORMED, "failed to compile")};

    for (size_t i = 0; i < COUNT_OF(units); i++) {
        for (size_t k = 0; k < COUNT_OF(heads); k++) {
            adk_shape code = {NULL, 0, 0};

            adk_shape_text(&code, heads[k]);
            adk_shape_repeat_text(&code, units[i], MILLION);
            adk_hostile_attack_with(*state, &attack, &code);
        }
    }
}

/* The same, closed properly: what the assembler takes, the compiler must stand. */
static void test_nested_text_that_is_closed(void **state)
{
    static const adk_hostile_case attack = {"folded blocks", EXITS(0)};
    adk_shape code = {NULL, 0, 0};

    adk_shape_nested_text(&code, 10000);
    adk_hostile_attack_with(*state, &attack, &code);
}

/* What test_bombs.c makes large is well-formed, and small it runs. */
static void test_shapes_of_bombs_made_small(void **state)
{
    static const struct {
        adk_hostile_case attack;
        void (*make)(adk_shape *, uint32_t);
        uint32_t size;
    } shapes[] = {
        {{"empty loops", EXITS(0)}, adk_shape_empty_loops, 10},
        {{"loops within each other", EXITS(0)}, adk_shape_nested_loops, 10},
        {{"live locals", EXITS(0)}, adk_shape_live_locals, 10},
        {{"blocks within each other", EXITS(0)}, adk_shape_nested_blocks, 10},
        {{"functions", EXITS(0)}, adk_shape_functions, 10},
        {{"data", EXITS(0)}, adk_shape_data, 1000},
        {{"segments", EXITS(0)}, adk_shape_segments, 10},
        {{"elements", EXITS(0)}, adk_shape_elements, 10},
        {{"constants", EXITS(0)}, adk_shape_constants, 10},
        {{"empty loops as text", EXITS(0)}, adk_shape_loops_text, 10},
        {{"functions as text", EXITS(0)}, adk_shape_functions_text, 10},
        {{"blocks as text", EXITS(0)}, adk_shape_nested_text, 10},
        {{"data as text", EXITS(0)}, adk_shape_data_text, 1000},
    };
    static const adk_hostile_case table = {"a branch table", EXITS(0)};
    adk_shape code = {NULL, 0, 0};

    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        shapes[i].make(&code, shapes[i].size);
        adk_hostile_attack_with(*state, &shapes[i].attack, &code);
    }
    adk_shape_br_table(&code, 100, 10);
    adk_hostile_attack_with(*state, &table, &code);
}

/* ---- entries ------------------------------------------------------------------------------------------------------ */

#define NO_ENTRY(part) REJECTED(NO_ENTRY, part)

static void test_entries_of_each_wrong_form(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"no module at all", .code = {NULL, 0}, REJECTED(MALFORMED, "the code is empty")},
        {"an empty module", "(module)", NO_ENTRY("has no _start function: it exports nothing of that name")},
        {"an entry that is not exported", "(module (func $_start))", NO_ENTRY("exports nothing of that name")},
        {"an entry in capitals", "(module (func (export \"_Start\")))", NO_ENTRY("exports nothing of that name")},
        {"an entry with a NUL behind it", "(module (func (export \"_start\\00\")))",
         NO_ENTRY("exports nothing of that name")},
        {"an entry with a space before it", "(module (func (export \" _start\")))",
         NO_ENTRY("exports nothing of that name")},
        {"an entry with a parameter", "(module (func (export \"_start\") (param i32)))", NO_ENTRY("is (i)->()")},
        {"an entry with a result", "(module (func (export \"_start\") (result i32) (i32.const 0)))",
         NO_ENTRY("is ()->(i)")},
        {"an entry with all of it",
         "(module (func (export \"_start\") (param i32 i64 f32 f64 v128 funcref) (result i64) (i64.const 0)))",
         NO_ENTRY("is (iIfFvr)->(I)")},
        {"an entry with a thousand results",
         "(module (func (export \"_start\") (result i32 i32 i32 i32 i32 i32 i32 i32) unreachable))",
         NO_ENTRY("is ()->(iiiiiiii)")},
        {"a global as the entry", "(module (global (export \"_start\") i32 (i32.const 0)))", NO_ENTRY("is global")},
        {"a memory as the entry", "(module (memory (export \"_start\") 1))", NO_ENTRY("is memory")},
        {"a table as the entry", "(module (table (export \"_start\") 1 funcref))", NO_ENTRY("is table")},
        {"an _initialize of another type", "(module (func (export \"_initialize\") (param i32)))",
         NO_ENTRY("has no _start function")},
        {"an _initialize of another type, and an entry that loops",
         "(module (func (export \"_initialize\") (param i32))" START LOOP "))", .timeout_ns = 100 * MS,
         TIMES_OUT_IN(RUN)},
        {"an _initialize that is a memory", "(module (memory (export \"_initialize\") 1)" START "))", EXITS(0)},
        {"an imported function as the entry",
         "(module (import \"" WASI "\" \"proc_exit\" (func $e (param i32))) (export \"_start\" (func $e)))",
         NO_ENTRY("is (i)->()")},
        {"a start section and no entry", "(module (func $s " LOOP ") (start $s))",
         NO_ENTRY("exports nothing of that name")},
        {"a start section that takes a parameter", "(module (func $s (param i32)) (start $s)" START "))", MALFORMED},
        {"the entry as the start section, too",
         "(module " IMPORT_EXIT "(global $g (mut i32) (i32.const 3))" START
         "(global.set $g (i32.add (global.get $g) (i32.const 1)))"
         "(if (i32.eq (global.get $g) (i32.const 5)) (then (call $exit (global.get $g))))) (start $start))",
         EXITS(5)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* The only imported function of type () -> () that there can be is the host's own; as the entry it is called. */
static int entry(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    (void)args;
    (void)results;
    ++*(unsigned *)data;
    adk_wasm_caller_exit(caller, 31);
    return 0;
}

static void test_an_imported_entry(void **state)
{
    unsigned calls = 0;
    const adk_wasm_host_function functions[] = {{"env", "entry", "", "", entry, &calls}};
    static const adk_hostile_case attack = {
        "a host function as the entry", "(module (import \"env\" \"entry\" (func $e)) (export \"_start\" (func $e)))",
        EXITS(31)};
    adk_wasm_options options = adk_test_options();
    adk_hostile hostile;

    (void)state;
    options.host_functions = functions;
    options.host_functions_count = 1;
    if (adk_test_refuses_host_functions(&options))
        return;
    options.slots = 4;
    options.cache_modules = 2;
    adk_hostile_begin(&hostile, &options);
    adk_hostile_attack(&hostile, &attack);
    assert_int_equal(calls, 1);
    adk_hostile_end(&hostile);
}

/* ---- imports ------------------------------------------------------------------------------------------------------ */

#define IMPORTS(import)    "(module (import " import ")" START LOOP "))"
#define MISSES(part)       REJECTED(MISSING_IMPORT, part)
#define WASI_IMPORT(named) "\"" WASI "\" \"" named "\""

static void test_imports_that_are_wrong(void **state)
{
    static const adk_hostile_case attacks[] = {
        {"a module that is not there", IMPORTS("\"env\" \"fd_write\" (func (param i32 i32 i32 i32) (result i32))"),
         MISSES("unknown import \"env\" \"fd_write\"")},
        {"a module of the next version", IMPORTS("\"wasi_snapshot_preview2\" \"proc_exit\" (func (param i32))"),
         MISSES("\"wasi_snapshot_preview2\"")},
        {"a function that is not there", IMPORTS(WASI_IMPORT("fd_frobnicate") " (func)"), MISSES("\"fd_frobnicate\"")},
        {"a function in capitals", IMPORTS(WASI_IMPORT("Proc_exit") " (func (param i32))"), MISSES("\"Proc_exit\"")},
        {"a function with a NUL behind it", IMPORTS(WASI_IMPORT("proc_exit\\00") " (func (param i32))"),
         MISSES("\"proc_exit\\x00\"")},
        {"a function with an empty name", IMPORTS("\"\" \"\" (func)"), MISSES("unknown import \"\" \"\"")},
        {"a function with one parameter less",
         IMPORTS(WASI_IMPORT("fd_write") " (func (param i32 i32 i32) (result i32))"),
         MISSES("the host offers (iiii)->(i)")},
        {"a function with one parameter more", IMPORTS(WASI_IMPORT("proc_exit") " (func (param i32 i32))"),
         MISSES("the host offers (i)->()")},
        {"a function without its result", IMPORTS(WASI_IMPORT("fd_close") " (func (param i32))"),
         MISSES("the host offers (i)->(i)")},
        {"a function with another result", IMPORTS(WASI_IMPORT("fd_close") " (func (param i32) (result i64))"),
         MISSES("of type (i)->(I)")},
        {"a long parameter that is short",
         IMPORTS(WASI_IMPORT("fd_seek") " (func (param i32 i32 i32 i32) (result i32))"),
         MISSES("the host offers (iIii)->(i)")},
        {"a short parameter that is long", IMPORTS(WASI_IMPORT("fd_close") " (func (param i64) (result i32))"),
         MISSES("of type (I)->(i)")},
        {"a floating-point parameter", IMPORTS(WASI_IMPORT("fd_close") " (func (param f32) (result i32))"),
         MISSES("of type (f)->(i)")},
        {"a reference as a parameter", IMPORTS(WASI_IMPORT("fd_close") " (func (param funcref) (result i32))"),
         MISSES("of type (r)->(i)")},
        {"a memory for a function", IMPORTS(WASI_IMPORT("proc_exit") " (memory 1)"), MISSES("of type memory")},
        {"a table for a function", IMPORTS(WASI_IMPORT("proc_exit") " (table 1 funcref)"), MISSES("of type table")},
        {"a global for a function", IMPORTS(WASI_IMPORT("proc_exit") " (global i32)"), MISSES("of type global")},
        {"the host's memory", IMPORTS("\"env\" \"memory\" (memory 1)"), MISSES("of type memory")},
        {"the host's table", IMPORTS("\"env\" \"__indirect_function_table\" (table 1 funcref)"),
         MISSES("of type table")},
        {"the host's global", IMPORTS("\"env\" \"__stack_pointer\" (global (mut i32))"), MISSES("of type global")},
        {"a good import and a bad", "(module " IMPORT_EXIT "(import \"env\" \"f\" (func)) " START LOOP "))",
         MISSES("unknown import \"env\" \"f\"")},
        {"an import twice",
         "(module " IMPORT_EXIT "(import \"" WASI "\" \"proc_exit\" (func $again (param i32)))" START
         "(call $again (i32.const 3))))",
         EXITS(3)},
    };

    adk_hostile_attacks(*state, attacks, COUNT_OF(attacks));
}

/* ---- cut and bent ------------------------------------------------------------------------------------------------- */

/* Between two sections what is left is a module, only without an entry; without its name section it is whole. */
static void test_a_module_cut_at_every_byte(void **state)
{
    adk_hostile *hostile = *state;
    adk_bytes binary = adk_test_assemble(GUEST_RICH);
    unsigned whole = 0;
    unsigned without_entry = 0;

    for (size_t size = 1; size < binary.size; size++) {
        adk_hostile_case attack = {"a cut module", MALFORMED};
        adk_request request;
        adk_result *result;

        attack.code = adk_bytes_make(binary.data, size);
        request = adk_hostile_request(&attack);
        result = adk_hostile_execute(hostile->backend, attack.name, &request);
        if (adk_result_reason(result) == ADK_REASON_NO_ENTRY)
            without_entry++;
        else if (adk_result_outcome(result) == ADK_OUTCOME_EXITED && adk_result_exit_code(result) == 15)
            whole++;
        else
            adk_hostile_expect(&attack, result);
        adk_result_free(result);
    }
    assert_int_equal(whole, 1);
    assert_int_equal(without_entry, 3); /* header, types, imports */
    free((void *)(uintptr_t)binary.data);
    adk_hostile_unharmed(hostile, "cut modules");
}

static void test_a_text_cut_at_every_byte(void **state)
{
    adk_hostile *hostile = *state;
    adk_hostile_case attack = {"a cut text", REJECTED(MALFORMED, "failed to compile")};

    for (size_t size = 1; size < strlen(GUEST_RICH); size++) {
        adk_request request;
        adk_result *result;

        attack.code = adk_bytes_make(GUEST_RICH, size);
        request = adk_hostile_request(&attack);
        result = adk_hostile_execute(hostile->backend, attack.name, &request);
        adk_hostile_expect(&attack, result);
        adk_result_free(result);
    }
    adk_hostile_unharmed(hostile, attack.name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_above_the_maximum),
        cmocka_unit_test(test_code_at_the_maximum),
        cmocka_unit_test(test_a_million_of_each),
        cmocka_unit_test(test_broken_binaries),
        cmocka_unit_test(test_padded_numbers),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_that_nests_a_million_deep),
        cmocka_unit_test(test_nested_text_that_is_closed),
        cmocka_unit_test(test_shapes_of_bombs_made_small),
        cmocka_unit_test(test_entries_of_each_wrong_form),
        cmocka_unit_test(test_an_imported_entry),
        cmocka_unit_test(test_imports_that_are_wrong),
        cmocka_unit_test(test_a_module_cut_at_every_byte),
        cmocka_unit_test(test_a_text_cut_at_every_byte),
    };

    return cmocka_run_group_tests_name("malformed", tests, adk_hostile_setup, adk_hostile_teardown);
}
