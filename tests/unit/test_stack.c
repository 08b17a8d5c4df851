/*
 * src/wasm/stack: a guest's stack overflow is a trap on every thread, however small its stack.
 */
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#include "wasm/stack.h"

static void test_the_main_thread_has_enough(void **state)
{
    (void)state;
    assert_true(adk__stack_has(0));
    assert_true(adk__stack_has(ADK__RUN_STACK_BYTES));
    assert_true(adk__stack_has(ADK__COMPILE_STACK_BYTES));
    assert_false(adk__stack_has((size_t)1 << 40));
    assert_false(adk__stack_has(SIZE_MAX));
}

static void on_thread(size_t stack_bytes, void *(*fn)(void *), void *data)
{
    pthread_attr_t attributes;
    pthread_t thread;

    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, stack_bytes), 0);
    assert_int_equal(pthread_create(&thread, &attributes, fn, data), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)pthread_attr_destroy(&attributes);
}

struct answers {
    bool a_kib;
    bool run;
    bool compile;
    bool whole;
    size_t stack_bytes;
};

static void *ask(void *data)
{
    struct answers *answers = data;

    answers->a_kib = adk__stack_has(1024);
    answers->run = adk__stack_has(ADK__RUN_STACK_BYTES);
    answers->compile = adk__stack_has(ADK__COMPILE_STACK_BYTES);
    answers->whole = adk__stack_has(answers->stack_bytes);
    return NULL;
}

static void test_threads_know_what_they_have(void **state)
{
    static const struct {
        size_t bytes;
        bool run;
        bool compile;
    } stacks[] = {{128 << 10, false, false}, {512 << 10, false, false}, {768 << 10, false, false},
                  {1 << 20, true, false},    {2 << 20, true, false},    {4 << 20, true, true}};

    (void)state;
    for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        struct answers answers = {.stack_bytes = stacks[i].bytes};

        on_thread(stacks[i].bytes, ask, &answers);
        assert_true(answers.a_kib);
        if (!adk_test_sanitized()) { /* a sanitizer gives threads more than they ask for */
            assert_int_equal(answers.run, stacks[i].run);
            assert_int_equal(answers.compile, stacks[i].compile);
        }
        if (!adk_test_sanitized())
            assert_false(answers.whole); /* some of it is used */
    }
}

struct elsewhere {
    pthread_t caller;
    bool another_thread;
    bool has_enough;
    bool blocks_term;
    bool blocks_segv;
};

static void look(void *data)
{
    struct elsewhere *e = data;
    sigset_t blocked;

    e->another_thread = !pthread_equal(e->caller, pthread_self());
    e->has_enough = adk__stack_has(ADK__COMPILE_STACK_BYTES) && adk__stack_has(ADK__RUN_STACK_BYTES);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    e->blocks_term = sigismember(&blocked, SIGTERM) == 1;
    e->blocks_segv =
        sigismember(&blocked, SIGSEGV) == 1 || sigismember(&blocked, SIGILL) == 1 || sigismember(&blocked, SIGFPE) == 1;
}

static void test_a_thread_of_our_own(void **state)
{
    struct elsewhere e = {.caller = pthread_self()};
    sigset_t before;
    sigset_t after;

    (void)state;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &before);
    assert_int_equal(adk__stack_run(0, look, &e), 0);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_true(e.another_thread);
    assert_true(e.has_enough);
    assert_true(e.blocks_term); /* the host's signals are the host's */
    assert_false(e.blocks_segv);
    assert_int_equal(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}

/* ---- guests ------------------------------------------------------------------------------------------------------- */

struct deep {
    adk_backend *backend;
    const char *wat;
    int status;
    adk_outcome outcome;
    char kind[32];
};

static void *run_deep(void *data)
{
    struct deep *deep = data;
    adk_request request = adk_test_request(deep->wat);
    adk_result *result = NULL;

    deep->status = adk_backend_execute(deep->backend, &request, NULL, &result, NULL);
    if (deep->status != ADK_OK)
        return NULL;
    deep->outcome = adk_result_outcome(result);
    (void)snprintf(deep->kind, sizeof(deep->kind), "%.*s", (int)adk_result_trap_kind(result).size,
                   (const char *)adk_result_trap_kind(result).data);
    adk_result_free(result);
    return NULL;
}

static const size_t stacks[] = {64 << 10,  128 << 10, 256 << 10, 512 << 10, 600 << 10, 768 << 10,
                                800 << 10, 1 << 20,   2 << 20,   3 << 20,   8 << 20};

/* Frames of every size: small ones, ones with many locals, and one that calls a host function at the bottom. */
static void test_deep_recursion_is_a_trap_on_every_stack(void **state)
{
    static const char *const guests[] = {
        "(module " START "(call $start)))",
        "(module (func $f (param i64 i64 i64 i64) (result i64) (local v128 v128 v128 v128)"
        "(i64.add (call $f (local.get 3) (local.get 2) (local.get 1) (i64.add (local.get 0) (i64.const 1))) "
        "(local.get 0)))" START "(drop (call $f (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))))",
        "(module " IMPORT_CLOCK "(memory (export \"memory\") 1) (func $f "
        "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 0))) (call $f))" START "(call $f)))",
        "(module (table 1 funcref) (elem (i32.const 0) $start)" START "(call_indirect (i32.const 0))))",
    };

    SKIP_TRAPS_UNDER_VALGRIND();
    for (size_t g = 0; g < 4; g++) {
        for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
            struct deep deep = {*state, guests[g], 0, 0, ""};

            on_thread(stacks[i] + (adk_test_sanitized() ? 64 << 10 : 0), run_deep, &deep);
            assert_int_equal(deep.status, ADK_OK);
            assert_int_equal(deep.outcome, ADK_OUTCOME_TRAPPED);
            assert_string_equal(deep.kind, "stack_overflow");
        }
    }
}

static void test_ordinary_runs_on_every_stack(void **state)
{
    for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        struct deep deep = {*state, GUEST_HELLO, 0, UINT32_MAX, ""};

        on_thread(stacks[i] + (adk_test_sanitized() ? 64 << 10 : 0), run_deep, &deep);
        assert_int_equal(deep.status, ADK_OK);
        assert_int_equal(deep.outcome, ADK_OUTCOME_EXITED);
    }
}

/* A new module is compiled there too: on a thread that has room for it. */
static void test_compiling_on_every_stack(void **state)
{
    char wat[200];

    for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
        struct deep deep = {*state, wat, 0, UINT32_MAX, ""};

        (void)snprintf(wat, sizeof(wat), "(module (func $on_stack_%zu)" START "))", i);
        on_thread(stacks[i] + (adk_test_sanitized() ? 64 << 10 : 0), run_deep, &deep);
        assert_int_equal(deep.status, ADK_OK);
        assert_int_equal(deep.outcome, ADK_OUTCOME_EXITED);
    }
}

/* What prepares a module may have as little stack as what runs it. */
static void *prepare(void *data)
{
    struct deep *deep = data;
    adk_wasm_module *module = NULL;

    deep->status = adk_wasm_module_new(deep->backend, adk_bytes_from_cstr(deep->wat), &module, NULL);
    adk_wasm_module_free(module);
    return NULL;
}

static void test_preparing_on_a_small_stack(void **state)
{
    struct deep deep = {*state, "(module (func $prepared_small)" START "))", 1, 0, ""};

    on_thread(128 << 10, prepare, &deep);
    assert_int_equal(deep.status, ADK_OK);
}

/* A thread that blocks the signals of traps would die of one: its guests run elsewhere. */
static void *run_with_signals_blocked(void *data)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    return run_deep(data);
}

static void test_a_thread_that_blocks_all_signals(void **state)
{
    static const char *const guests[][2] = {{"(module " START "(call $start)))", "stack_overflow"},
                                            {GUEST_UNREACHABLE, "unreachable"}};

    SKIP_TRAPS_UNDER_VALGRIND();
    for (size_t i = 0; i < 2; i++) {
        struct deep deep = {*state, guests[i][0], 0, 0, ""};

        on_thread(8 << 20, run_with_signals_blocked, &deep);
        assert_int_equal(deep.status, ADK_OK);
        assert_string_equal(deep.kind, guests[i][1]);
    }
}

/* ---- coroutines --------------------------------------------------------------------------------------------------- */

static ucontext_t back;
static struct deep *coroutine_job;

static void coroutine(void)
{
    (void)run_deep(coroutine_job);
}

/* On a stack that the thread library knows nothing of nobody can tell what is left: the run goes elsewhere. */
static void test_a_coroutine(void **state)
{
    static char stack[64 << 10];
    struct deep deep = {*state, "(module " START "(call $start)))", 0, 0, ""};
    ucontext_t there;

    SKIP_TRAPS_UNDER_VALGRIND();
    if (adk_test_sanitized()) {
        print_message("skipped: the sanitizers do not follow a change of stacks\n");
        skip();
    }
    coroutine_job = &deep;
    assert_int_equal(getcontext(&there), 0);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof(stack);
    there.uc_link = &back;
    makecontext(&there, coroutine, 0);
    assert_int_equal(swapcontext(&back, &there), 0);
    assert_int_equal(deep.status, ADK_OK);
    assert_int_equal(deep.outcome, ADK_OUTCOME_TRAPPED);
    assert_string_equal(deep.kind, "stack_overflow");
}

/* ---- from below --------------------------------------------------------------------------------------------------- */

/* Goes down the stack until little is left, then runs. */
static int descend(struct deep *deep, size_t bytes)
{
    volatile char room[4096];

    room[0] = (char)bytes;
    if (bytes < sizeof(room)) {
        (void)run_deep(deep);
        return room[0];
    }
    return descend(deep, bytes - sizeof(room)) + room[0];
}

static void *run_from_below(void *data)
{
    (void)descend(data, (size_t)1800 << 10);
    return NULL;
}

static void test_what_counts_is_what_is_left(void **state)
{
    struct deep deep = {*state, "(module " START "(call $start)))", 0, 0, ""};

    SKIP_TRAPS_UNDER_VALGRIND();
    on_thread(adk_test_sanitized() ? 4 << 20 : 2 << 20, run_from_below, &deep);
    assert_int_equal(deep.status, ADK_OK);
    assert_string_equal(deep.kind, "stack_overflow");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_main_thread_has_enough),
        cmocka_unit_test(test_threads_know_what_they_have),
        cmocka_unit_test(test_a_thread_of_our_own),
        cmocka_unit_test(test_deep_recursion_is_a_trap_on_every_stack),
        cmocka_unit_test(test_ordinary_runs_on_every_stack),
        cmocka_unit_test(test_compiling_on_every_stack),
        cmocka_unit_test(test_preparing_on_a_small_stack),
        cmocka_unit_test(test_a_thread_that_blocks_all_signals),
        cmocka_unit_test(test_a_coroutine),
        cmocka_unit_test(test_what_counts_is_what_is_left),
    };

    return cmocka_run_group_tests_name("stack", tests, adk_test_setup, adk_test_teardown);
}
