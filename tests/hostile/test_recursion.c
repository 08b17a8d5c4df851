/*
 * Guests that call without end, with frames of every size and from callers with little stack: a trap, never a crash. And
 * hosts that run the sandbox from within the sandbox.
 */
#include "hostile.h"

#include <pthread.h>

#define OVERFLOWS           TRAPS("stack_overflow")
#define OVERFLOWS_IN(where) TRAPS_IN(where, "stack_overflow")

/* ---- shapes of recursion ------------------------------------------------------------------------------------------ */

static const adk_hostile_case recursions[] = {
    {"recursion without locals", "(module " START "(call $start)))", OVERFLOWS, .message_part = "call stack exhausted"},
    {"mutual recursion", "(module (func $a (call $b)) (func $b (call $c)) (func $c (call $a))" START "(call $a)))",
     OVERFLOWS},
    {"recursion through call_indirect",
     "(module (table 1 funcref) (elem (i32.const 0) $start)" START "(call_indirect (i32.const 0))))", OVERFLOWS},
    {"recursion in the start section", "(module (func $s (call $s)) (start $s)" START "))", OVERFLOWS_IN(INSTANTIATE)},
    {"recursion in _initialize", "(module (func $i (export \"_initialize\") (call $i))" START "))", OVERFLOWS},
    {"recursion with values on the stack",
     "(module (func $f (param i64) (result i64) (i64.add (call $f (i64.add (local.get 0) (i64.const 1))) "
     "(i64.mul (local.get 0) (call $f (local.get 0)))))" START "(drop (call $f (i64.const 1)))))",
     OVERFLOWS},
    {"recursion with vectors",
     "(module (func $f (param v128 v128 v128 v128 v128 v128 v128 v128) (result v128) "
     "(i8x16.add (local.get 0) (call $f (local.get 7) (local.get 6) (local.get 5) (local.get 4) (local.get 3) "
     "(local.get 2) (local.get 1) (local.get 0))))" START
     "(drop (call $f (v128.const i64x2 0 0) (v128.const i64x2 0 0) "
     "(v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) "
     "(v128.const i64x2 0 0) (v128.const i64x2 0 0)))))",
     OVERFLOWS},
    {"recursion with many results",
     "(module (func $f (result i64 i64 i64 i64 i64 i64 i64 i64) (call $f))" START
     "(call $f) drop drop drop drop drop drop drop drop))",
     OVERFLOWS},
    {"recursion that calls the host all the way",
     "(module " IMPORT_CLOCK "(memory (export \"memory\") 1)" START
     "(drop (call $clock (i32.const 1) (i64.const 0) (i32.const 0))) (call $start)"
     "(drop (call $clock (i32.const 1) (i64.const 0) (i32.const 0)))))",
     OVERFLOWS},
    {"recursion into memory that grows",
     "(module (memory 1)" START "(drop (memory.grow (i32.const 1))) (call $start) (drop (memory.size))))", OVERFLOWS,
     .memory_limit_bytes = 10 * PAGE},
    {"recursion with a wide frame for one call",
     "(module (func $wide (param i32) (local v128 v128 v128 v128) (if (local.get 0) (then (call $f))))"
     "(func $f (call $wide (i32.const 1)))" START "(call $f)))",
     OVERFLOWS},
};

static void test_recursion(void **state)
{
    adk_hostile_attacks(*state, recursions, COUNT_OF(recursions));
}

/* A function whose `locals` are all set before its call of itself and all used after, so that its frame holds them. */
static void live_frame(adk_shape *text, unsigned locals)
{
    adk_shape_text(text, "(module (global $g (mut i64) (i64.const 1)) (func $f (local");
    adk_shape_repeat_text(text, " i64", locals);
    adk_shape_text(text, ")");
    for (unsigned i = 0; i < locals; i++)
        adk_shape_printf(text, "(local.set %u (global.get $g))(global.set $g (i64.const %u))", i, i);
    adk_shape_text(text, "(call $f)");
    for (unsigned i = 0; i < locals; i++)
        adk_shape_printf(text, "(global.set $g (local.get %u))", i);
    adk_shape_text(text, ")" START "(call $f)))");
}

/* A function with parameters beyond what registers hold. */
static void wide_call(adk_shape *text, unsigned params)
{
    adk_shape_text(text, "(module (func $f (param");
    adk_shape_repeat_text(text, " i64", params);
    adk_shape_text(text, ")(call $f");
    for (unsigned i = 0; i < params; i++)
        adk_shape_printf(text, "(local.get %u)", (i + 1) % params);
    adk_shape_text(text, "))" START "(call $f");
    adk_shape_repeat_text(text, "(i64.const 1)", params);
    adk_shape_text(text, ")))");
}

/* Locals that nothing uses, as many as there may be. */
static void dead_locals(adk_shape *text, unsigned locals)
{
    adk_shape_text(text, "(module (func $f (local");
    adk_shape_repeat_text(text, " v128", locals);
    adk_shape_text(text, ")(call $f))" START "(call $f)))");
}

static void attack_with(adk_hostile *hostile, const char *name, void (*shape)(adk_shape *, unsigned), unsigned count)
{
    adk_shape text = {NULL, 0, 0};
    adk_hostile_case attack = {name, OVERFLOWS};

    shape(&text, count);
    adk_hostile_attack_with(hostile, &attack, &text);
}

static void test_frames_of_every_size(void **state)
{
    static const unsigned live[] = {1, 2, 5, 10, 50, 100, 500, 1000, 2000};
    static const unsigned params[] = {1, 6, 7, 100, 1000};
    static const unsigned dead[] = {1, 1000, 49999};

    for (size_t i = 0; i < COUNT_OF(live); i++)
        attack_with(*state, "recursion with live locals", live_frame, live[i]);
    for (size_t i = 0; i < COUNT_OF(params); i++)
        attack_with(*state, "recursion with parameters", wide_call, params[i]);
    for (size_t i = 0; i < COUNT_OF(dead); i++)
        attack_with(*state, "recursion with dead locals", dead_locals, dead[i]);
}

/* A frame that is larger than the whole stack there is for guests. */
static void test_a_frame_larger_than_the_stack(void **state)
{
    adk_shape text = {NULL, 0, 0};
    adk_hostile_case attack = {"a frame larger than the stack", OVERFLOWS};

    adk_shape_text(&text, "(module (func $f (param");
    adk_shape_repeat_text(&text, " v128", 1000);
    adk_shape_text(&text, ")(call $f");
    for (unsigned i = 0; i < 1000; i++)
        adk_shape_printf(&text, "(local.get %u)", i);
    adk_shape_text(&text, "))" START "(call $f");
    adk_shape_repeat_text(&text, "(v128.const i64x2 1 2)", 1000);
    adk_shape_text(&text, ")))");
    adk_hostile_attack_with(*state, &attack, &text);
}

/* ---- small stacks ------------------------------------------------------------------------------------------------- */

struct caller {
    adk_backend *backend;
    const adk_hostile_case *attack;
    adk_result *result;
    int status;
    const char *hello;
};

static void *call(void *data)
{
    struct caller *caller = data;
    adk_request request = adk_hostile_request(caller->attack);

    caller->status = adk_backend_execute(caller->backend, &request, NULL, &caller->result, NULL);
    caller->hello = adk_hostile_hello(caller->backend);
    return NULL;
}

static void attack_from(adk_hostile *hostile, size_t stack_bytes, const adk_hostile_case *attack)
{
    struct caller caller = {hostile->backend, attack, NULL, ADK_OK, NULL};
    pthread_attr_t attributes;
    pthread_t thread;

    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, stack_bytes), 0);
    assert_int_equal(pthread_create(&thread, &attributes, call, &caller), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)pthread_attr_destroy(&attributes);
    assert_int_equal(caller.status, ADK_OK);
    adk_hostile_expect(attack, caller.result);
    assert_null(adk_hostile_contradiction(caller.result));
    adk_result_free(caller.result);
    if (caller.hello != NULL)
        fail_msg("%s, on %zu KiB: hello world: %s", attack->name, stack_bytes >> 10, caller.hello);
    adk_hostile_unharmed(hostile, attack->name);
}

static void test_recursion_on_small_stacks(void **state)
{
    static const size_t stacks[] = {64 << 10, 128 << 10, 256 << 10, 512 << 10, 768 << 10, 800 << 10, 1 << 20, 2 << 20};

    for (size_t i = 0; i < COUNT_OF(stacks); i++) {
        for (size_t k = 0; k < COUNT_OF(recursions); k++)
            attack_from(*state, stacks[i], &recursions[k]);
    }
}

static void test_wide_frames_on_small_stacks(void **state)
{
    static const size_t stacks[] = {64 << 10, 256 << 10, 512 << 10, 1 << 20};
    static const unsigned locals[] = {100, 1000};

    for (size_t i = 0; i < COUNT_OF(locals); i++) {
        adk_shape text = {NULL, 0, 0};
        adk_hostile_case attack = {"recursion with live locals on a small stack", OVERFLOWS};

        live_frame(&text, locals[i]);
        attack.code = adk_shape_bytes(&text);
        for (size_t k = 0; k < COUNT_OF(stacks); k++)
            attack_from(*state, stacks[k], &attack);
        adk_shape_free(&text);
    }
}

/* ---- runs within runs --------------------------------------------------------------------------------------------- */

struct nest {
    adk_backend *backend;
    unsigned depth;           /**< how many runs are open */
    unsigned most;            /**< how many there may be */
    const char *innermost;    /**< what runs at the bottom */
    uint64_t innermost_ns;    /**< for how long, 0: plenty */
    uint32_t exit_with;       /**< the outer guests are ended with this code, 0: they go on */
    adk_outcome outcomes[64]; /**< at which depth what came of it */
    uint32_t codes[64];
    unsigned failures;
};

#define GUEST_NESTS                                                                                                  \
    "(module (import \"env\" \"nest\" (func $nest (result i32)))" IMPORT_EXIT "(memory (export \"memory\") 1)" START \
    "(i32.store (i32.const 0) (i32.const 77)) (call $nest) drop"                                                     \
    "(if (i32.ne (i32.load (i32.const 0)) (i32.const 77)) (then (unreachable)))"                                     \
    "(call $exit (i32.const 5))))"

/* A host function that runs the sandbox on its own guest, until it is `most` deep. */
static int nest(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    struct nest *n = data;
    unsigned depth = n->depth++;
    adk_request request = adk_test_request(n->depth < n->most ? GUEST_NESTS : n->innermost);
    adk_result *result = NULL;

    (void)args;
    if (n->depth >= n->most && n->innermost_ns != 0)
        request.timeout_ns = n->innermost_ns;
    if (adk_backend_execute(n->backend, &request, NULL, &result, NULL) != ADK_OK) {
        n->failures++;
    } else {
        n->outcomes[depth] = adk_result_outcome(result);
        n->codes[depth] = adk_result_exit_code(result);
        n->failures += adk_hostile_contradiction(result) != NULL;
        adk_result_free(result);
    }
    n->depth = depth;
    results[0].i32 = 0;
    if (n->exit_with != 0)
        adk_wasm_caller_exit(caller, n->exit_with);
    return 0;
}

static void nest_runs(struct nest *n, adk_outcome innermost, uint32_t innermost_code)
{
    const adk_wasm_host_function functions[] = {{"env", "nest", "", "i", nest, n}};
    adk_wasm_options options = adk_test_options();
    adk_hostile_case outer = {"runs within runs", GUEST_NESTS, EXITS(n->exit_with != 0 ? n->exit_with : 5)};
    adk_hostile hostile;

    options.slots = 4;
    options.cache_modules = 2;
    options.host_functions = functions;
    options.host_functions_count = 1;
    if (adk_test_refuses_host_functions(&options))
        return;
    adk_hostile_begin(&hostile, &options);
    n->backend = hostile.backend;
    adk_hostile_attack(&hostile, &outer);
    assert_int_equal(n->failures, 0);
    assert_int_equal(n->outcomes[n->most - 1], innermost);
    assert_int_equal(n->codes[n->most - 1], innermost_code);
    for (unsigned i = 0; i + 1 < n->most; i++) {
        assert_int_equal(n->outcomes[i], ADK_OUTCOME_EXITED);
        assert_int_equal(n->codes[i], outer.exit_code);
    }
    adk_hostile_end(&hostile);
}

static void test_runs_within_runs(void **state)
{
    struct nest deep = {.most = 40, .innermost = GUEST_EXITS("9")};
    struct nest traps = {.most = 10, .innermost = GUEST_UNREACHABLE};
    struct nest overflows = {.most = 10, .innermost = "(module " START "(call $start)))"};
    struct nest loops = {.most = 10, .innermost = GUEST_LOOP, .innermost_ns = 50 * MS};
    struct nest exits = {.most = 10, .innermost = GUEST_EXITS("-1"), .exit_with = 4294967295u};
    struct nest grows = {.most = 3, .innermost = "(module (memory 2000)" START "))"};
    struct nest broken = {.most = 5, .innermost = "(module"};

    (void)state;
    nest_runs(&deep, ADK_OUTCOME_EXITED, 9);
    nest_runs(&traps, ADK_OUTCOME_TRAPPED, 0);
    nest_runs(&overflows, ADK_OUTCOME_TRAPPED, 0);
    nest_runs(&loops, ADK_OUTCOME_TIMED_OUT, 0);
    nest_runs(&exits, ADK_OUTCOME_EXITED, 4294967295u);
    nest_runs(&grows, ADK_OUTCOME_MEMORY_LIMIT, 0);
    nest_runs(&broken, ADK_OUTCOME_REJECTED, 0);
}

/* The outer run's deadline passes while the inner run has time: both get their own. */
static void test_the_outer_deadline_passes_within_the_inner_run(void **state)
{
    struct nest n = {.most = 1, .innermost = GUEST_SLEEPS("150000000")};
    const adk_wasm_host_function functions[] = {{"env", "nest", "", "i", nest, &n}};
    adk_wasm_options options = adk_test_options();
    adk_hostile_case outer = {"an outer deadline", GUEST_NESTS, .timeout_ns = 100 * MS, TIMES_OUT_IN(HOST_CALL)};
    adk_hostile hostile;

    (void)state;
    options.slots = 4;
    options.cache_modules = 3;
    options.host_functions = functions;
    options.host_functions_count = 1;
    if (adk_test_refuses_host_functions(&options))
        return;
    adk_hostile_begin(&hostile, &options);
    n.backend = hostile.backend;
    adk_hostile_attack(&hostile, &outer);
    assert_int_equal(n.failures, 0);
    assert_int_equal(n.outcomes[0], ADK_OUTCOME_EXITED);
    adk_hostile_end(&hostile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recursion),
        cmocka_unit_test(test_frames_of_every_size),
        cmocka_unit_test(test_a_frame_larger_than_the_stack),
        cmocka_unit_test(test_recursion_on_small_stacks),
        cmocka_unit_test(test_wide_frames_on_small_stacks),
        cmocka_unit_test(test_runs_within_runs),
        cmocka_unit_test(test_the_outer_deadline_passes_within_the_inner_run),
    };

    return cmocka_run_group_tests_name("recursion", tests, adk_hostile_setup, adk_hostile_teardown);
}
