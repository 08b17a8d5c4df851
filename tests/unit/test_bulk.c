/*
 * engine/src/bulk.rs: bulk memory instructions that are done in pieces. What a module does must not change by it, what a
 * backtrace says neither; a deadline must be kept.
 */
#include "support.h"

#include "adk_engine.h"

#define CHUNK  ((uint32_t)ADK_ENGINE_CHUNK_BYTES)
#define PAGES  24
#define MEMORY ((uint32_t)PAGES << 16)
#define LARGE  (3 * CHUNK + 17) /* a segment */

static wasm_engine_t *engine;

static int make_engine(void **state)
{
    wasm_config_t *config = wasm_config_new();

    (void)state;
    wasmtime_config_epoch_interruption_set(config, true);
    assert_null(adk_engine_new(config, &engine));
    return adk_test_setup(state);
}

static int drop_engine(void **state)
{
    wasm_engine_delete(engine);
    return adk_test_teardown(state);
}

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t end)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % end);
}

/* ---- building ----------------------------------------------------------------------------------------------------- */

/* Bytes in the making. */
struct bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

static void add(struct bytes *to, const void *data, size_t size)
{
    if (to->size + size > to->capacity) {
        to->capacity = (to->size + size) * 2;
        to->data = realloc(to->data, to->capacity);
        assert_non_null(to->data);
    }
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static void add_text(struct bytes *to, const char *text)
{
    add(to, text, strlen(text));
}

static void add_many(struct bytes *to, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_text(to, text);
}

static void add_leb(struct bytes *to, uint32_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));

        add(to, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static void add_section(struct bytes *to, uint8_t id, const struct bytes *content)
{
    add(to, &id, 1);
    add_leb(to, (uint32_t)content->size);
    add(to, content->data, content->size);
}

static adk_bytes assemble(struct bytes *text)
{
    adk_bytes binary;

    add(text, "", 1);
    binary = adk_test_assemble((const char *)text->data);
    free(text->data);
    return binary;
}

/* ---- splitting ---------------------------------------------------------------------------------------------------- */

struct split {
    wasm_byte_vec_t binary;
    adk_engine_split how;
};

static struct split split(adk_bytes binary)
{
    struct split s;
    wasmtime_error_t *error = adk_engine_split_bulk(binary.data, binary.size, &s.binary, &s.how);
    wasm_byte_vec_t text;

    if (error != NULL) {
        adk_engine_error_text(error, &text);
        fail_msg("%.*s", (int)text.size, text.data);
    }
    return s;
}

static adk_bytes bytes_of(const struct split *s)
{
    return adk_bytes_make(s->binary.data, s->binary.size);
}

static void expect_no_room(adk_bytes binary, const char *what)
{
    wasm_byte_vec_t out = {0, NULL};
    wasm_byte_vec_t text;
    adk_engine_split how;
    wasmtime_error_t *error = adk_engine_split_bulk(binary.data, binary.size, &out, &how);

    assert_non_null(error);
    assert_null(out.data);
    adk_engine_error_text(error, &text);
    assert_bytes_have(adk_bytes_make(text.data, text.size), what);
    wasm_byte_vec_delete(&text);
    wasmtime_error_delete(error);
}

static bool is_valid(adk_bytes binary)
{
    wasmtime_error_t *error = wasmtime_module_validate(engine, binary.data, binary.size);

    if (error == NULL)
        return true;
    wasmtime_error_delete(error);
    return false;
}

static void expect_untouched(adk_bytes binary)
{
    struct split s = split(binary);

    assert_int_equal(s.binary.size, 0);
    assert_int_equal(s.how.code_shift, 0);
    assert_int_equal(s.how.first_helper, UINT32_MAX);
    assert_true(s.how.is_exact);
    wasm_byte_vec_delete(&s.binary);
}

static void expect_untouched_text(const char *wat)
{
    adk_bytes binary = adk_test_assemble(wat);

    expect_untouched(binary);
    free((void *)binary.data);
}

/* ---- running without the library ---------------------------------------------------------------------------------- */

struct guest {
    wasmtime_module_t *module;
    wasmtime_store_t *store;
    wasmtime_context_t *context;
    wasmtime_instance_t instance;
};

static void begin_guest(struct guest *guest, adk_bytes binary)
{
    wasm_trap_t *trap = NULL;

    assert_null(adk_engine_compile(engine, binary.data, binary.size, &guest->module));
    guest->store = wasmtime_store_new(engine, NULL, NULL);
    guest->context = wasmtime_store_context(guest->store);
    wasmtime_context_set_epoch_deadline(guest->context, UINT64_C(1) << 40);
    assert_null(wasmtime_instance_new(guest->context, guest->module, NULL, 0, &guest->instance, &trap));
    assert_null(trap);
}

static void end_guest(struct guest *guest)
{
    wasmtime_store_delete(guest->store);
    wasmtime_module_delete(guest->module);
}

static uint8_t *memory_of(const struct guest *guest)
{
    wasmtime_extern_t item;

    assert_true(wasmtime_instance_export_get(guest->context, &guest->instance, "memory", 6, &item));
    return wasmtime_memory_data(guest->context, &item.of.memory);
}

/* The trap's code, or 255. */
static uint8_t call(const struct guest *guest, const char *name, const uint32_t *values)
{
    wasmtime_val_t arguments[3];
    wasmtime_extern_t item;
    wasm_trap_t *trap = NULL;
    uint8_t code = 255;

    for (int i = 0; i < 3; i++)
        arguments[i] = (wasmtime_val_t){.kind = WASMTIME_I32, .of.i32 = (int32_t)values[i]};
    assert_true(wasmtime_instance_export_get(guest->context, &guest->instance, name, strlen(name), &item));
    assert_null(wasmtime_func_call(guest->context, &item.of.func, arguments, 3, NULL, 0, &trap));
    if (trap != NULL) {
        assert_true(wasmtime_trap_code(trap, &code));
        wasm_trap_delete(trap);
    }
    return code;
}

/* ---- the same results --------------------------------------------------------------------------------------------- */

/* Exports of type (i32 i32 i32) -> (); all instructions, also twice in a function, and such as stay what they are. */
static void add_operations(struct bytes *text)
{
    char line[256];

    (void)snprintf(line, sizeof(line), "(memory (export \"memory\") %d %d) (data $large \"", PAGES, PAGES);
    add_text(text, line);
    for (uint32_t i = 0; i < LARGE; i++) {
        char letter = (char)('a' + random_below(26));

        add(text, &letter, 1);
    }
    add_text(text, "\") (data $small \"0123456789\") (data $active (i32.const 77) \"");
    add_many(text, "A", CHUNK + 3);
    add_text(text,
             "\")(global $g (mut i32) (i32.const 0))"
             "(func $fill (export \"fill\") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 memory.fill)"
             "(func $copy (export \"copy\") (param i32 i32 i32) (block local.get 0 local.get 1 local.get 2 memory.copy)"
             "(global.set $g (i32.add (global.get $g) (i32.const 1))))"
             "(func $init (export \"init\") (param i32 i32 i32) "
             "local.get 0 local.get 1 local.get 2 memory.init $large)"
             "(func (export \"init_small\") (param i32 i32 i32) "
             "local.get 0 local.get 1 local.get 2 memory.init $small)"
             "(func (export \"init_active\") (param i32 i32 i32) "
             "local.get 0 local.get 1 local.get 2 memory.init $active)"
             "(func (export \"drop\") (param i32 i32 i32) data.drop $large)"
             "(func (export \"all\") (param i32 i32 i32) (loop "
             "(memory.fill (local.get 0) (local.get 1) (local.get 2)) (memory.copy (i32.const 5) (local.get 1) "
             "(local.get 2)) (memory.init $large (local.get 0) (i32.const 1) (i32.const 131073))"
             "(memory.fill (i32.const 9) (i32.const 8) (i32.const 131072)) (memory.copy (local.get 0) (i32.const 8) "
             "(i32.const 131073)) (memory.fill (local.get 0) (i32.const 3) (i32.const 131073))))");
}

static uint32_t some_size(void)
{
    const uint32_t sizes[] = {0,     1,         CHUNK - 1,     CHUNK,  CHUNK + 1,  2 * CHUNK,  2 * CHUNK + 1,
                              LARGE, LARGE + 1, LARGE - CHUNK, MEMORY, MEMORY + 1, UINT32_MAX, UINT32_MAX - CHUNK,
                              100,   4 * CHUNK};
    uint32_t which = random_below(20);

    return which < 16 ? sizes[which] : random_below(MEMORY);
}

static uint32_t some_place(uint32_t end, uint32_t size)
{
    switch (random_below(9)) {
    case 0:
        return 0;
    case 1:
        return end - size; /* wraps, where it does not fit */
    case 2:
        return end - size + 1;
    case 3:
        return end;
    case 4:
        return UINT32_MAX - random_below(3);
    case 5:
        return 0 - size;
    default:
        return random_below(end);
    }
}

/* A place near the other: overlapping from either side. */
static uint32_t near_place(uint32_t place)
{
    const uint32_t distances[] = {0, 1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK / 2};
    uint32_t distance = distances[random_below(7)];

    return random_below(2) == 0 ? place + distance : place - distance;
}

static void one_step(const struct guest *guests, unsigned *traps, unsigned *done)
{
    static const char *const names[] = {"fill", "copy", "init",       "fill",        "copy", "copy",
                                        "init", "all",  "init_small", "init_active", "copy", "drop"};
    const char *name = names[random_below(random_below(8) == 0 ? 12 : 11)];
    bool is_init = strncmp(name, "init", 4) == 0;
    uint32_t size = some_size();
    uint32_t to = some_place(MEMORY, size);
    uint32_t from = is_init                ? some_place(LARGE, size)
                    : random_below(3) != 0 ? near_place(to)
                                           : some_place(MEMORY, size);
    const uint32_t values[3] = {to, from, size};
    uint8_t codes[2];

    codes[0] = call(&guests[0], name, values);
    codes[1] = call(&guests[1], name, values);
    if (codes[0] != codes[1] || memcmp(memory_of(&guests[0]), memory_of(&guests[1]), MEMORY) != 0)
        fail_msg("%s(%u, %u, %u) differs: %u and %u", name, to, from, size, codes[0], codes[1]);
    if (codes[0] == 255)
        (*done)++;
    else
        (*traps)++;
}

static void compare(adk_bytes binary, unsigned rounds, unsigned steps)
{
    struct split s = split(binary);
    struct guest guests[2];
    unsigned traps = 0;
    unsigned done = 0;

    assert_true(s.binary.size > binary.size);
    for (unsigned round = 0; round < rounds; round++) {
        begin_guest(&guests[0], binary);
        begin_guest(&guests[1], bytes_of(&s));
        for (uint32_t i = 0; i < MEMORY; i++)
            memory_of(&guests[0])[i] = (uint8_t)random_below(256);
        memcpy(memory_of(&guests[1]), memory_of(&guests[0]), MEMORY);
        for (unsigned step = 0; step < steps; step++)
            one_step(guests, &traps, &done);
        end_guest(&guests[0]);
        end_guest(&guests[1]);
    }
    assert_true(traps > rounds * steps / 8);
    assert_true(done > rounds * steps / 8);
    wasm_byte_vec_delete(&s.binary);
}

static void test_a_split_module_does_the_same(void **state)
{
    struct bytes text = {0};
    adk_bytes binary;
    bool slow = adk_test_sanitized();

    (void)state;
    SKIP_TRAPS_UNDER_VALGRIND();
    add_text(&text, "(module ");
    add_operations(&text);
    add_text(&text, ")");
    binary = assemble(&text);
    compare(binary, slow ? 2 : 8, 300);
    free((void *)binary.data);
}

/* A call of so high an index is longer than memory.fill. */
static void test_calls_that_are_longer_do_the_same(void **state)
{
    struct bytes text = {0};
    struct split s;
    adk_bytes binary;

    (void)state;
    SKIP_TRAPS_UNDER_VALGRIND();
    add_text(&text, "(module ");
    add_many(&text, "(func)", 16384);
    add_operations(&text);
    add_text(&text, "(func (drop (i32.const 1)))(func (param i32 i32 i32) local.get 0 local.get 1 local.get 2 "
                    "memory.fill))");
    binary = assemble(&text);
    s = split(binary);
    assert_false(s.how.is_exact);
    assert_int_equal(s.how.first_helper, 16384 + 9);
    wasm_byte_vec_delete(&s.binary);
    compare(binary, 1, 200);
    free((void *)binary.data);
}

/* ---- what is changed ---------------------------------------------------------------------------------------------- */

static void test_what_needs_no_splitting_stays_as_it_is(void **state)
{
    (void)state;
    expect_untouched_text("(module)");
    expect_untouched_text("(module (memory 1) (func (drop (i32.const 0xb))))");
    expect_untouched_text("(module (memory 1) (data \"0123\") (func "
                          "(memory.fill (i32.const 0) (i32.const 0) (i32.const 131072))"
                          "(memory.copy (i32.const 0) (i32.const 0) (i32.const 0))"
                          "(memory.init 0 (i32.const 0) (i32.const 0) (i32.const 200000)) (data.drop 0)))");
    expect_untouched_text(
        "(module (table 1 funcref) (func (table.copy (i32.const 0) (i32.const 0) (i32.const 900000))))");
}

static void test_lengths_that_are_not_known_to_be_small_are_split(void **state)
{
    static const char *const lengths[] = {
        "i32.const 131073",        "i32.const -1",        "i32.const 1 nop",
        "i32.const 1 memory.grow", "i32.const 1 i32.eqz", "(block (result i32) i32.const 1)",
        "i32.const 1 local.tee 0",
    };
    char wat[256];

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        adk_bytes binary;
        struct split s;

        (void)snprintf(wat, sizeof(wat),
                       "(module (memory 1) (func (local i32) i32.const 0 i32.const 0 %s memory.fill "
                       "i32.const 0 i32.const 0 %s memory.copy))",
                       lengths[i], lengths[i]);
        binary = adk_test_assemble(wat);
        s = split(binary);
        assert_true(is_valid(bytes_of(&s)));
        assert_true(s.how.is_exact);
        assert_int_equal(s.how.first_helper, 1);
        wasm_byte_vec_delete(&s.binary);
        free((void *)binary.data);
    }
}

/* With `body`, a function without parameters, written out with its own size and the locals' count. */
static adk_bytes raw_module(const struct bytes *functions, const struct bytes *code)
{
    static const uint8_t head[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 0x84, 0x80, 0x80, 0, 1, 0x60, 0, 0};
    static const uint8_t memory[] = {5, 3, 1, 0, 1};
    struct bytes module = {0};

    add(&module, head, sizeof(head));
    add_section(&module, 3, functions);
    add(&module, memory, sizeof(memory));
    add_section(&module, 10, code);
    return adk_bytes_make(module.data, module.size);
}

/* The binary format lets integers be written longer than they need be. */
static void test_instructions_written_long_keep_their_length(void **state)
{
    static const uint8_t body[] = {0x00, 0x41, 0,    0x41, 0,    0x20, 0,    0xfc, 0x8b, 0x80, 0x80,
                                   0x80, 0x00, 0x80, 0x80, 0x80, 0x80, 0x00, 0x41, 0,    0x41, 0,
                                   0x20, 0,    0xfc, 0x8a, 0x00, 0x80, 0x00, 0x80, 0x00, 0x0b};
    static const uint8_t local[] = {1, 1, 0x7f};
    struct bytes functions = {0};
    struct bytes code = {0};
    struct split s;
    adk_bytes binary;

    (void)state;
    add(&functions, "\1\0", 2);
    add(&code, "\1", 1);
    add_leb(&code, (uint32_t)(sizeof(body) - 1 + sizeof(local)));
    add(&code, local, sizeof(local));
    add(&code, body + 1, sizeof(body) - 1);
    binary = raw_module(&functions, &code);
    assert_true(is_valid(binary));
    s = split(binary);
    assert_true(s.binary.size > 0);
    assert_true(is_valid(bytes_of(&s)));
    assert_true(s.how.is_exact);
    /* what comes behind the second instruction stands where it stood, but for the shift */
    assert_int_equal((uint8_t)s.binary.data[binary.size - 1 + s.how.code_shift], 0x0b);
    assert_int_equal((uint8_t)s.binary.data[binary.size - 2 + s.how.code_shift], 0x01);
    wasm_byte_vec_delete(&s.binary);
    free((void *)binary.data);
    free(functions.data);
    free(code.data);
}

static void test_modules_with_everything_stay_valid(void **state)
{
    static const char *const modules[] = {
        /* the type is there, in the middle */
        "(module (type (func)) (type (func (param i32 i32 i32))) (type (func (result i64))) (memory 1)"
        "(func (param i32) (memory.fill (i32.const 0) (i32.const 0) (local.get 0))))",
        /* other types of the same parameters */
        "(module (type (func (param i32 i32 i32) (result i32))) (memory 1)"
        "(func (param i32) (memory.fill (i32.const 0) (i32.const 0) (local.get 0))))",
        "(module (import \"a\" \"f\" (func (param i32))) (import \"a\" \"g\" (global i32)) (import \"a\" \"m\" (memory "
        "1))"
        "(import \"a\" \"t\" (table 1 funcref)) (@custom \"x\" (before first) \"12345\") (@custom \"y\" \"6\")"
        "(func $s (memory.copy (i32.const 0) (i32.const 0) (memory.size))) (start $s) (table 2 funcref)"
        "(elem (table 1) (i32.const 0) func $s 0) (elem declare func $s) (global funcref (ref.func $s))"
        "(export \"s\" (func $s)) (data (i32.const 0) \"abc\") (@custom \"name\" \"\") (@custom \"z\" (after last) "
        "\"9\"))",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++) {
        adk_bytes binary = adk_test_assemble(modules[i]);
        struct split s = split(binary);

        assert_true(is_valid(binary));
        assert_true(s.binary.size > binary.size);
        assert_true(s.binary.size < binary.size + 256);
        assert_true(is_valid(bytes_of(&s)));
        wasm_byte_vec_delete(&s.binary);
        free((void *)binary.data);
    }
}

/* The compiler says what they lack. */
static void test_modules_that_are_refused_anyway_stay_as_they_are(void **state)
{
    (void)state;
    expect_untouched(BYTES(""));
    expect_untouched(BYTES("no module"));
    expect_untouched(BYTES("\0asm\1\0\0\0\1\1"));
    expect_untouched_text("(module (memory 1) (memory 1) (func (param i32) "
                          "(memory.fill 1 (i32.const 0) (i32.const 0) (local.get 0))))");
    expect_untouched_text("(module (type (struct)) (memory 1) (func (param i32) "
                          "(memory.fill (i32.const 0) (i32.const 0) (local.get 0))))");
    expect_untouched_text("(module (rec (type (func)) (type (func (param i32)))) (memory 1) (func (param i32) "
                          "(memory.fill (i32.const 0) (i32.const 0) (local.get 0))))");
}

static void test_no_room_is_an_error(void **state)
{
    static const uint8_t fill[] = {0x0a, 0x00, 0x41, 0x00, 0x41, 0x00, 0x3f, 0x00, 0xfc, 0x0b, 0x00};
    uint32_t body_sizes[] = {7654320, 7654321};
    struct bytes functions = {0};
    struct bytes code = {0};
    adk_bytes binary;

    add_leb(&functions, 1000000);
    add_leb(&code, 1000000);
    add(&functions, "\0", 1);
    add(&code, "\xb", 1);
    add(&code, fill + 1, sizeof(fill) - 1);
    add(&code, "\xb", 1);
    for (int i = 1; i < 1000000; i++) {
        add(&functions, "\0", 1);
        add(&code, "\2\0\xb", 3);
    }
    binary = raw_module(&functions, &code);
    assert_true(is_valid(binary));
    expect_no_room(binary, "too many functions");
    free((void *)binary.data);
    for (int i = 0; i < 2; i++) { /* a body that becomes one byte longer */
        functions.size = 0;
        code.size = 0;
        add_leb(&functions, 16384);
        add_leb(&code, 16384);
        for (int f = 0; f < 16384; f++)
            add(&functions, "\0", 1);
        for (int f = 1; f < 16384; f++)
            add(&code, "\2\0\xb", 3);
        add_leb(&code, body_sizes[i]);
        add(&code, fill + 1, sizeof(fill) - 1);
        add_many(&code, "\1", body_sizes[i] - sizeof(fill));
        add(&code, "\xb", 1);
        binary = raw_module(&functions, &code);
        assert_true(is_valid(binary));
        if (i == 0) {
            struct split s = split(binary);

            assert_true(is_valid(bytes_of(&s)));
            assert_false(s.how.is_exact);
            wasm_byte_vec_delete(&s.binary);
        } else {
            expect_no_room(binary, "too many bytes in a function");
            adk_test_run_rejected(*state, binary, ADK_REASON_TOO_LARGE, "too many bytes in a function");
        }
        free((void *)binary.data);
    }
    free(functions.data);
    free(code.data);
}

/* ---- garbage ------------------------------------------------------------------------------------------------------ */

static void expect_sound(adk_bytes binary, unsigned *valid)
{
    struct split s = split(binary);

    if (is_valid(binary)) {
        if (s.binary.size > 0) {
            wasmtime_module_t *module = NULL;

            assert_null(adk_engine_compile(engine, (const uint8_t *)s.binary.data, s.binary.size, &module));
            wasmtime_module_delete(module);
        }
        (*valid)++;
    }
    wasm_byte_vec_delete(&s.binary);
}

static void test_garbage_is_no_danger_and_valid_modules_stay_valid(void **state)
{
    struct bytes text = {0};
    unsigned mutations = adk_test_under_valgrind() ? 200 : adk_test_sanitized() ? 4000 : 20000;
    unsigned valid = 0;
    adk_bytes binary;
    uint8_t *copy;

    (void)state;
    add_text(&text, "(module (import \"a\" \"f\" (func)) (memory (export \"memory\") 2) (data \"abc\")"
                    "(func $f (param i32 i32 i32) (memory.init 0 (local.get 0) (local.get 1) (local.get 2)) "
                    "(memory.fill (local.get 0) (local.get 1) (local.get 2)) (memory.copy (local.get 0) (local.get 1) "
                    "(local.get 2))) (table funcref (elem $f)) (global $g i32 (i32.const 4)) (start 0)"
                    "(func (export \"x\") (memory.fill (i32.const 1) (i32.const 2) (global.get $g))"
                    "(memory.copy (i32.const 1) (i32.const 2) (i32.const 4)) (drop (i64.const 0xbfc))))");
    binary = assemble(&text);
    copy = malloc(binary.size);
    assert_non_null(copy);
    for (size_t size = 0; size <= binary.size; size++) {
        memcpy(copy, binary.data, size);
        expect_sound(adk_bytes_make(copy, size), &valid);
    }
    assert_true(valid >= 1);
    for (unsigned i = 0; i < mutations; i++) {
        memcpy(copy, binary.data, binary.size);
        for (uint32_t n = 1 + random_below(3); n > 0; n--)
            copy[8 + random_below((uint32_t)binary.size - 8)] = (uint8_t)random_below(256);
        expect_sound(adk_bytes_make(copy, binary.size), &valid);
    }
    assert_true(valid > mutations / 50);
    free(copy);
    free((void *)binary.data);
}

/* ---- backtraces --------------------------------------------------------------------------------------------------- */

/* What the engine says of the module as it is: its export "_start" traps. */
static wasm_trap_t *trap_without_splitting(struct guest *guest, adk_bytes binary)
{
    wasmtime_extern_t item;
    wasm_trap_t *trap = NULL;

    begin_guest(guest, binary);
    assert_true(wasmtime_instance_export_get(guest->context, &guest->instance, "_start", 6, &item));
    assert_null(wasmtime_func_call(guest->context, &item.of.func, NULL, 0, NULL, 0, &trap));
    assert_non_null(trap);
    return trap;
}

static void compare_backtrace(adk_backend *backend, adk_bytes binary, bool is_exact)
{
    adk_request request = ADK_REQUEST_INIT;
    struct guest guest;
    wasm_frame_vec_t frames;
    const adk_frame *shown;
    adk_result *result;
    wasm_trap_t *trap = trap_without_splitting(&guest, binary);
    size_t count;

    request.code = binary;
    request.timeout_ns = 30 * SECOND;
    wasm_trap_trace(trap, &frames);
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    shown = adk_result_backtrace(result, &count);
    assert_int_equal(count, frames.size < 64 ? frames.size : 64);
    for (size_t i = 0; i < count; i++) {
        const wasm_name_t *name = wasmtime_frame_func_name(frames.data[i]);

        assert_int_equal(shown[i].function_index, wasm_frame_func_index(frames.data[i]));
        assert_non_null(name);
        assert_int_equal(shown[i].function_name.size, name->size);
        assert_memory_equal(shown[i].function_name.data, name->data, name->size);
        assert_int_equal(shown[i].module_offset, is_exact ? wasm_frame_module_offset(frames.data[i]) : UINT64_MAX);
    }
    adk_result_free(result);
    wasm_frame_vec_delete(&frames);
    wasm_trap_delete(trap);
    end_guest(&guest);
}

/* With so many functions more, and the first so many of the traps. */
static void compare_backtraces(adk_backend *backend, unsigned more, size_t traps_count, bool is_exact)
{
    static const char *const traps[] = {
        "(memory.fill (i32.const 1) (i32.const 7) (i32.const 200000))",
        "(memory.fill (i32.const 65536) (i32.const 7) (local.get 0))",
        "(memory.copy (i32.const 1) (i32.const 2) (i32.const 65536))",
        "(memory.copy (i32.const 1) (i32.const 2) (i32.const 200000))",
        "(memory.init $large (i32.const 0) (i32.const 0) (i32.const 131074))",
        "unreachable",
        "(local.set 0 (i32.sub (local.get 0) (i32.const 1))) (memory.fill (i32.const 0) (i32.const 0) (local.get 0))"
        "(if (local.get 0) (then (call $inner (local.get 0)))) unreachable",
    };
    static const char *const arguments[] = {"1", "1", "1", "1", "1", "1", "100"};

    for (size_t i = 0; i < traps_count; i++) {
        struct bytes text = {0};
        adk_bytes binary;

        add_text(&text, "(module ");
        if (i == 4) {
            add_text(&text, "(data $large \"");
            add_many(&text, "x", CHUNK + 1);
            add_text(&text, "\")");
        }
        add_text(&text, "(memory (export \"memory\") 1) (func $inner (param i32) "
                        "(memory.fill (i32.const 0) (i32.const 0) (local.get 0)) nop ");
        add_text(&text, traps[i]);
        add_text(&text, " nop) (func $middle (param i32) (memory.copy (i32.const 0) (i32.const 0) (local.get 0)) "
                        "(call $inner (local.get 0))) (func $outer (export \"_start\") (call $middle (i32.const ");
        add_text(&text, arguments[i]);
        add_text(&text, ")))");
        add_many(&text, "(func)", more);
        add_text(&text, ")");
        binary = assemble(&text);
        compare_backtrace(backend, binary, is_exact);
        free((void *)binary.data);
    }
}

static void test_backtraces_are_those_of_the_module_as_it_was(void **state)
{
    SKIP_TRAPS_UNDER_VALGRIND();
    compare_backtraces(*state, 0, 7, true);
    compare_backtraces(*state, 124, 7, true);  /* the functions' count becomes longer */
    compare_backtraces(*state, 1000, 7, true); /* compiled by the helper program */
}

static void test_offsets_are_unknown_where_calls_are_longer(void **state)
{
    SKIP_TRAPS_UNDER_VALGRIND();
    compare_backtraces(*state, 16384, 1, false);
}

/* ---- refusals ----------------------------------------------------------------------------------------------------- */

static void test_refusals_speak_of_the_module_as_it_was(void **state)
{
    /* a call of a function that is not there, of the index that the first helper gets */
    static const uint8_t body[] = "\x0d\0\x41\0\x41\0\x3f\0\xfc\x0b\0\x10\1\xb";
    struct bytes functions = {0};
    struct bytes code = {0};
    adk_bytes binary;

    add(&functions, "\1\0", 2);
    add(&code, "\1", 1);
    add(&code, body, sizeof(body) - 1);
    binary = raw_module(&functions, &code);
    adk_test_run_rejected(*state, binary, ADK_REASON_MALFORMED, "unknown function 1");
    free((void *)binary.data);
    free(functions.data);
    free(code.data);
}

/* ---- deadlines ---------------------------------------------------------------------------------------------------- */

static void expect_in_time(adk_backend *backend, const char *instruction)
{
    adk_request request;
    adk_result *result;
    uint64_t took_ns;
    char wat[256];

    (void)snprintf(wat, sizeof(wat), "(module (memory 8192) " START "(loop %s br 0)))", instruction);
    request = adk_test_request(wat);
    request.memory_limit_bytes = UINT64_C(1) << 30;
    adk_test_compile(backend, wat);
    request.timeout_ns = 30 * MS;
    took_ns = adk_test_now_ns();
    result = adk_test_execute(backend, &request, NULL);
    took_ns = adk_test_now_ns() - took_ns;
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_phase(result), ADK_PHASE_RUN);
    assert_true(took_ns >= request.timeout_ns);
    if (took_ns > request.timeout_ns + adk_test_slack_ns())
        fail_msg("took %llu ms, not 30", (unsigned long long)(took_ns / MS));
    adk_result_free(result);
}

static void test_half_a_gigabyte_does_not_outlast_the_deadline(void **state)
{
    expect_in_time(*state, "(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x20000000))");
    expect_in_time(*state, "(memory.copy (i32.const 0) (i32.const 0x10000000) (i32.const 0x10000000))");
    expect_in_time(*state, "(memory.copy (i32.const 0x10000000) (i32.const 1) (i32.const 0x10000000))");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_split_module_does_the_same),
        cmocka_unit_test(test_calls_that_are_longer_do_the_same),
        cmocka_unit_test(test_what_needs_no_splitting_stays_as_it_is),
        cmocka_unit_test(test_lengths_that_are_not_known_to_be_small_are_split),
        cmocka_unit_test(test_instructions_written_long_keep_their_length),
        cmocka_unit_test(test_modules_with_everything_stay_valid),
        cmocka_unit_test(test_modules_that_are_refused_anyway_stay_as_they_are),
        cmocka_unit_test(test_no_room_is_an_error),
        cmocka_unit_test(test_garbage_is_no_danger_and_valid_modules_stay_valid),
        cmocka_unit_test(test_backtraces_are_those_of_the_module_as_it_was),
        cmocka_unit_test(test_offsets_are_unknown_where_calls_are_longer),
        cmocka_unit_test(test_refusals_speak_of_the_module_as_it_was),
        cmocka_unit_test(test_half_a_gigabyte_does_not_outlast_the_deadline),
    };

    return cmocka_run_group_tests(tests, make_engine, drop_engine);
}
