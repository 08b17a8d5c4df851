/*
 * Engines side by side in one process: that of the static library, which this program is linked with; that of the shared
 * library, argv[1], loaded beside it; and, built with OTHER, a wasmtime that this program is linked with under the names
 * that the engines inside have as well. All of them handle the same signals.
 */
#include <adk/sandbox.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef OTHER
#include <wasm.h>
#include <wasmtime.h>
#endif

#define ROUNDS 50

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                        \
        }                                                                   \
    } while (0)

/* The functions of one copy of the library. */
struct copy {
    __typeof__(&adk_wasm_backend_new) backend_new;
    __typeof__(&adk_backend_free) backend_free;
    __typeof__(&adk_backend_execute) execute;
    __typeof__(&adk_result_outcome) outcome;
    __typeof__(&adk_result_trap_kind) trap_kind;
    __typeof__(&adk_result_free) result_free;
    adk_backend *backend;
};

static const struct {
    const char *code;
    const char *trap; /* NULL: times out */
} guests[] = {
    {"(module (memory 1) (func (export \"_start\") (drop (i32.load (i32.const -4)))))", "memory_out_of_bounds"},
    {"(module (func (export \"_start\") (drop (i32.div_u (i32.const 1) (i32.const 0)))))", "integer_division_by_zero"},
    {"(module (func $start (export \"_start\") (call $start)))", "stack_overflow"},
    {"(module (func (export \"_start\") (loop br 0)))", NULL},
};

static void run(const struct copy *copy, size_t i)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;

    request.code = adk_bytes_make(guests[i].code, strlen(guests[i].code));
    request.timeout_ns = guests[i].trap == NULL ? 3000000 : UINT64_C(60000000000);
    CHECK(copy->execute(copy->backend, &request, NULL, &result, NULL) == ADK_OK);
    if (guests[i].trap == NULL) {
        CHECK(copy->outcome(result) == ADK_OUTCOME_TIMED_OUT);
    } else {
        adk_bytes kind = copy->trap_kind(result);

        CHECK(kind.size == strlen(guests[i].trap) && memcmp(kind.data, guests[i].trap, kind.size) == 0);
    }
    copy->result_free(result);
}

#define FIND(name, symbol) CHECK((*(void **)&copy->name = dlsym(library, #symbol)) != NULL)

static void *load(struct copy *copy, const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    CHECK(library != NULL);
    FIND(backend_new, adk_wasm_backend_new);
    FIND(backend_free, adk_backend_free);
    FIND(execute, adk_backend_execute);
    FIND(outcome, adk_result_outcome);
    FIND(trap_kind, adk_result_trap_kind);
    FIND(result_free, adk_result_free);
    return library;
}

#ifdef OTHER
static const char other_guest[] = "(module (func (export \"f\") (drop (i32.div_u (i32.const 1) (i32.const 0)))))";

static void run_other(void)
{
    wasm_engine_t *engine = wasm_engine_new();
    wasmtime_store_t *store = wasmtime_store_new(engine, NULL, NULL);
    wasmtime_context_t *context = wasmtime_store_context(store);
    wasmtime_module_t *module = NULL;
    wasmtime_instance_t instance;
    wasmtime_extern_t f;
    wasm_trap_t *trap = NULL;
    wasmtime_trap_code_t code = 0;
    wasm_byte_vec_t binary;

    CHECK(wasmtime_wat2wasm(other_guest, strlen(other_guest), &binary) == NULL);
    CHECK(wasmtime_module_new(engine, (const uint8_t *)binary.data, binary.size, &module) == NULL);
    CHECK(wasmtime_instance_new(context, module, NULL, 0, &instance, &trap) == NULL && trap == NULL);
    CHECK(wasmtime_instance_export_get(context, &instance, "f", 1, &f));
    CHECK(wasmtime_func_call(context, &f.of.func, NULL, 0, NULL, 0, &trap) == NULL && trap != NULL);
    CHECK(wasmtime_trap_code(trap, &code) && code == WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO);
    wasm_trap_delete(trap);
    wasm_byte_vec_delete(&binary);
    wasmtime_module_delete(module);
    wasmtime_store_delete(store);
    wasm_engine_delete(engine);
}
#else
static void run_other(void)
{
}
#endif

int main(int argc, char **argv)
{
    struct copy here = {adk_wasm_backend_new,
                        adk_backend_free,
                        adk_backend_execute,
                        adk_result_outcome,
                        adk_result_trap_kind,
                        adk_result_free,
                        NULL};
    struct copy there = {0};
    void *library = NULL;

    CHECK(argc == 2);
    library = load(&there, argv[1]);
    CHECK((void *)there.execute != (void *)here.execute);
    run_other();
    CHECK(here.backend_new(NULL, &here.backend, NULL) == ADK_OK);
    CHECK(there.backend_new(NULL, &there.backend, NULL) == ADK_OK);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++) {
            run(&here, i);
            run(&there, i);
        }
        run_other();
    }
    there.backend_free(there.backend);
    /* Its threads and signal handlers live on, so it must stay. */
    CHECK(dlclose(library) == 0);
    CHECK(dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) == library);
    for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++)
        run(&here, i);
    here.backend_free(here.backend);
    puts("fine");
    return 0;
}
