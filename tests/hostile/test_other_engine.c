/*
 * A host program with a wasmtime of its own: both engines install signal handlers and keep state for the process. The
 * other one is the shared library of a public package, which scripts/fetch-programs brings; without it the test is skipped.
 */
#include "hostile.h"

#include <dlfcn.h>
#include <unistd.h>

#include <wasm.h>
#include <wasmtime.h>

#define ROUNDS 200

/* The functions of the other engine, by the names that ours has as well. */
static struct other {
    void *library;
    __typeof__(&wasm_engine_new) engine_new;
    __typeof__(&wasm_engine_delete) engine_delete;
    __typeof__(&wasmtime_wat2wasm) wat2wasm;
    __typeof__(&wasm_byte_vec_delete) byte_vec_delete;
    __typeof__(&wasmtime_module_new) module_new;
    __typeof__(&wasmtime_module_delete) module_delete;
    __typeof__(&wasmtime_store_new) store_new;
    __typeof__(&wasmtime_store_delete) store_delete;
    __typeof__(&wasmtime_store_context) store_context;
    __typeof__(&wasmtime_instance_new) instance_new;
    __typeof__(&wasmtime_instance_export_get) export_get;
    __typeof__(&wasmtime_func_call) func_call;
    __typeof__(&wasmtime_trap_code) trap_code;
    __typeof__(&wasm_trap_delete) trap_delete;
} other;

static const char guest[] = "(module (memory 1)"
                            "(func (export \"out\") (drop (i32.load (i32.const -4))))"
                            "(func (export \"divide\") (drop (i32.div_u (i32.const 1) (i32.const 0))))"
                            "(func $deep (export \"deep\") (call $deep))"
                            "(func (export \"fine\")))";

static wasm_engine_t *other_engine;
static wasmtime_module_t *other_module;

#define FIND(name, symbol)                                     \
    do {                                                       \
        *(void **)&other.name = dlsym(other.library, #symbol); \
        assert_non_null(other.name);                           \
    } while (0)

static void find_functions(void)
{
    FIND(engine_new, wasm_engine_new);
    FIND(engine_delete, wasm_engine_delete);
    FIND(wat2wasm, wasmtime_wat2wasm);
    FIND(byte_vec_delete, wasm_byte_vec_delete);
    FIND(module_new, wasmtime_module_new);
    FIND(module_delete, wasmtime_module_delete);
    FIND(store_new, wasmtime_store_new);
    FIND(store_delete, wasmtime_store_delete);
    FIND(store_context, wasmtime_store_context);
    FIND(instance_new, wasmtime_instance_new);
    FIND(export_get, wasmtime_instance_export_get);
    FIND(func_call, wasmtime_func_call);
    FIND(trap_code, wasmtime_trap_code);
    FIND(trap_delete, wasm_trap_delete);
}

static void make_other_engine(void)
{
    wasm_byte_vec_t binary;

    other_engine = other.engine_new();
    assert_non_null(other_engine);
    assert_null(other.wat2wasm(guest, strlen(guest), &binary));
    assert_null(other.module_new(other_engine, (const uint8_t *)binary.data, binary.size, &other_module));
    other.byte_vec_delete(&binary);
}

static void free_other_engine(void)
{
    other.module_delete(other_module);
    other.engine_delete(other_engine);
}

/* Calls a function of the other engine's guest; `trap` is the code it must trap with, or -1. */
static void call_other(const char *name, int trap)
{
    wasmtime_store_t *store = other.store_new(other_engine, NULL, NULL);
    wasmtime_context_t *context = other.store_context(store);
    wasmtime_instance_t instance;
    wasmtime_extern_t function;
    wasm_trap_t *trapped = NULL;
    wasmtime_trap_code_t code = 0;

    assert_null(other.instance_new(context, other_module, NULL, 0, &instance, &trapped));
    assert_true(other.export_get(context, &instance, name, strlen(name), &function));
    assert_null(other.func_call(context, &function.of.func, NULL, 0, NULL, 0, &trapped));
    assert_int_equal(trapped != NULL, trap >= 0);
    if (trapped != NULL) {
        assert_true(other.trap_code(trapped, &code));
        assert_int_equal(code, trap);
        other.trap_delete(trapped);
    }
    other.store_delete(store);
}

static void call_everything(adk_backend *backend)
{
    call_other("out", WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS);
    adk_test_run_traps(backend, "(module (memory 1)" START "(drop (i32.load (i32.const -4)))))",
                       "memory_out_of_bounds");
    call_other("divide", WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO);
    adk_test_run_traps(backend, "(module" START "(drop (i32.div_u (i32.const 1) (i32.const 0)))))",
                       "integer_division_by_zero");
    call_other("deep", WASMTIME_TRAP_CODE_STACK_OVERFLOW);
    adk_test_run_traps(backend, "(module" START "(call $start)))", "stack_overflow");
    call_other("fine", -1);
    assert_null(adk_hostile_hello(backend));
}

static void test_ours_first(void **state)
{
    adk_backend *backend = adk_test_backend();

    (void)state;
    assert_null(adk_hostile_hello(backend));
    make_other_engine();
    for (int i = 0; i < ROUNDS; i++)
        call_everything(backend);
    free_other_engine();
    assert_null(adk_hostile_hello(backend));
    adk_test_run_traps(backend, GUEST_UNREACHABLE, "unreachable");
    adk_backend_free(backend);
}

static void test_ours_last(void **state)
{
    adk_backend *backend;

    (void)state;
    make_other_engine();
    call_other("out", WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS);
    backend = adk_test_backend();
    for (int i = 0; i < ROUNDS; i++)
        call_everything(backend);
    adk_backend_free(backend);
    call_other("out", WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS);
    free_other_engine();
}

static int load(void **state)
{
    (void)state;
    other.library = dlopen(ADK_TEST_FETCHED "/libwasmtime.so", RTLD_NOW | RTLD_LOCAL);
    if (other.library == NULL)
        return -1;
    find_functions();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ours_first),
        cmocka_unit_test(test_ours_last),
    };

    if (access(ADK_TEST_FETCHED "/libwasmtime.so", R_OK) != 0) {
        print_message("skipped: libwasmtime.so is not there: scripts/fetch-programs brings it\n");
        return 77;
    }
    return cmocka_run_group_tests_name("other_engine", tests, load, NULL);
}
