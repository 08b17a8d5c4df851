/*
 * Backends, modules and their refusals: from the first call to the last, each attempt with a backend of its own.
 */
#include "fault.h"

#include <pthread.h>

#include "fault_guests.h"
#include "worker.h"

static int judge_hello(const adk_result *result)
{
    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_EXITED);
    EXPECT_BYTES(adk_result_stdout(result).head, "hello, world\n");
    return ADK_OK;
}

/* ---- a backend's whole life --------------------------------------------------------------------------------------- */

typedef struct use {
    adk_wasm_options options;
    int (*with)(adk_backend *backend);
} use;

static int use_backend(void *data)
{
    const use *u = data;
    adk_backend *backend = UNWRITTEN(adk_backend);
    adk_error *error = UNWRITTEN(adk_error);
    int status = fault_status(adk_wasm_backend_new(&u->options, &backend, &error), &error);

    if (status != ADK_OK) {
        EXPECT(status == FAULT_WRONG || backend == UNWRITTEN(adk_backend));
        return status;
    }
    status = u->with(backend);
    adk_backend_free(backend);
    return status;
}

static use use_of(int (*with)(adk_backend *backend))
{
    use u = {adk_test_options(), with};

    u.options.slots = 1;
    return u;
}

static void sweep_use(const char *name, int (*with)(adk_backend *backend), unsigned least)
{
    use u = use_of(with);

    fault_sweep_memory(name, use_backend, &u, least);
}

static int run_hello(adk_backend *backend)
{
    adk_request request = adk_test_request(GUEST_HELLO);

    return fault_run(backend, &request, NULL, judge_hello);
}

static void test_first_run(void **state)
{
    (void)state;
    sweep_use("first run, of text", run_hello, 10);
}

/* Text that is too long to be assembled here goes to the helper program. */
static char *long_hello;

static int run_long_hello(adk_backend *backend)
{
    adk_request request = adk_test_request(long_hello);

    return fault_run(backend, &request, NULL, judge_hello);
}

static void test_first_run_by_the_helper(void **state)
{
    (void)state;
    long_hello = adk_test_padded_text(GUEST_HELLO, 20000);
    sweep_use("first run, compiled by the helper", run_long_hello, 10);
    free(long_hello);
    assert_true(adk_test_children_become(0));
}

static adk_bytes binary;

static int run_binary(adk_backend *backend)
{
    adk_request request = adk_test_request(NULL);

    request.code = binary;
    return fault_run(backend, &request, NULL, judge_hello);
}

static void test_binary(void **state)
{
    (void)state;
    binary = adk_test_assemble(GUEST_HELLO);
    sweep_use("first run, of a binary", run_binary, 10);
    free((void *)(uintptr_t)binary.data);
}

/* One module is kept: each goes for the other. */
static int judge_exit(const adk_result *result)
{
    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_EXITED && adk_result_exit_code(result) == 3);
    return ADK_OK;
}

static int run_evicting(adk_backend *backend)
{
    adk_request other = adk_test_request(GUEST_EXITS("3"));
    int status = run_hello(backend);

    if (status == ADK_OK)
        status = fault_run(backend, &other, NULL, judge_exit);
    if (status == ADK_OK)
        status = run_hello(backend);
    return status;
}

static void test_eviction(void **state)
{
    use u = use_of(run_evicting);

    (void)state;
    u.options.cache_modules = 1;
    fault_sweep_memory("eviction", use_backend, &u, 15);
}

/* ---- prepared modules --------------------------------------------------------------------------------------------- */

/* In two flavours, of which the second is found by the source. */
static int run_prepared(adk_backend *backend)
{
    adk_wasm_module *module = UNWRITTEN(adk_wasm_module);
    adk_error *error = UNWRITTEN(adk_error);
    adk_request request = adk_test_request("");
    int status;

    status = fault_status(adk_wasm_module_new(backend, adk_bytes_from_cstr(GUEST_HELLO), &module, &error), &error);
    if (status != ADK_OK) {
        EXPECT(status == FAULT_WRONG || module == UNWRITTEN(adk_wasm_module));
        return status;
    }
    request.module = module;
    status = fault_run(backend, &request, NULL, judge_hello);
    request.fuel = 1000;
    if (status == ADK_OK)
        status = fault_run(backend, &request, NULL, judge_hello);
    adk_wasm_module_free(module);
    return status;
}

static void test_prepared(void **state)
{
    (void)state;
    sweep_use("a prepared module", run_prepared, 15);
}

/* ---- refusals ----------------------------------------------------------------------------------------------------- */

typedef struct refusal {
    adk_backend *backend;
    adk_bytes code;
    adk_reason reason;
    char message[512]; /* as it was the first time, without a fault */
} refusal;

static int run_refused(void *data)
{
    refusal *r = data;
    adk_request request = adk_test_request(NULL);
    adk_result *result;
    adk_bytes message;
    int status;

    request.code = r->code;
    status = fault_execute(r->backend, &request, NULL, &result);
    if (status != ADK_OK)
        return status;
    message = adk_result_message(result);
    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_REJECTED);
    EXPECT(adk_result_reason(result) == r->reason);
    EXPECT(message.size > 0 && message.size < sizeof(r->message));
    if (r->message[0] == '\0')
        memcpy(r->message, message.data, message.size);
    EXPECT_BYTES(message, r->message);
    adk_result_free(result);
    return ADK_OK;
}

/* The same through adk_wasm_module_new(), where it is an error. */
static int prepare_refused(void *data)
{
    const refusal *r = data;
    adk_wasm_module *module = UNWRITTEN(adk_wasm_module);
    adk_error *error = UNWRITTEN(adk_error);
    int status = adk_wasm_module_new(r->backend, r->code, &module, &error);

    EXPECT(status < 0 && module == UNWRITTEN(adk_wasm_module));
    if (status != ADK_E_INVALID)
        return fault_status(status, &error);
    if (error != NULL)
        EXPECT(strcmp(adk_error_message_cstr(error), r->message) == 0);
    status = fault_status(status, &error);
    return status == ADK_E_INVALID ? ADK_OK : status;
}

static refusal current;

static int refused_by(adk_backend *backend)
{
    current.backend = backend;
    return run_refused(&current);
}

static int prepared_by(adk_backend *backend)
{
    current.backend = backend;
    return prepare_refused(&current);
}

/* With a backend of its own for each attempt: a refusal is kept. */
static void sweep_refusal(adk_bytes code, adk_reason reason)
{
    current = (refusal){NULL, code, reason, ""};
    sweep_use(adk_reason_cstr(reason), refused_by, 12);
    sweep_use("the same, prepared", prepared_by, 12);
}

static void test_malformed_text(void **state)
{
    (void)state;
    sweep_refusal(BYTES("(module (fnc))"), ADK_REASON_MALFORMED);
}

static void test_malformed_binary(void **state)
{
    (void)state;
    sweep_refusal(BYTES("\0asm\1\0\0\0\1\2\3"), ADK_REASON_MALFORMED);
}

static void test_not_text(void **state)
{
    (void)state;
    sweep_refusal(BYTES("\xff\xfe"), ADK_REASON_MALFORMED);
}

static void test_unsupported_feature(void **state)
{
    (void)state;
    sweep_refusal(BYTES("(module (memory i64 1))"), ADK_REASON_UNSUPPORTED_FEATURE);
}

static void test_missing_import(void **state)
{
    (void)state;
    sweep_refusal(BYTES("(module (import \"env\" \"\\01missing\" (func)) " START "))"), ADK_REASON_MISSING_IMPORT);
}

static void test_no_entry(void **state)
{
    (void)state;
    sweep_refusal(BYTES("(module)"), ADK_REASON_NO_ENTRY);
}

static void test_other_entry(void **state)
{
    (void)state;
    sweep_refusal(BYTES("(module (global (export \"_start\") i32 (i32.const 1)))"), ADK_REASON_NO_ENTRY);
}

/* ---- host functions, and runs within runs ------------------------------------------------------------------------- */

#define GUEST_CALLS                                                               \
    "(module (import \"env\" \"add\" (func $add (param i32 i64) (result i32)))"   \
    "(import \"env\" \"stop\" (func $stop)) (memory (export \"memory\") 1)" START \
    "(if (i32.ne (call $add (i32.const 2) (i64.const 3)) (i32.const 5)) (then unreachable)) (call $stop)))"

static int host_add(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    (void)data;
    (void)caller;
    results[0].i32 = args[0].i32 + (int32_t)args[1].i64;
    return 0;
}

static int host_stop(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    (void)args;
    (void)results;
    adk_wasm_caller_exit(caller, *(const uint32_t *)data);
    return 0;
}

static int run_calls(adk_backend *backend)
{
    adk_request request = adk_test_request(GUEST_CALLS);

    return fault_run(backend, &request, NULL, judge_exit);
}

static void test_host_functions(void **state)
{
    static uint32_t code = 3;
    const adk_wasm_host_function functions[] = {
        {"env", "add", "iI", "i", host_add, NULL},
        {"env", "stop", "", "", host_stop, &code},
    };
    use u = use_of(run_calls);

    (void)state;
    u.options.host_functions = functions;
    u.options.host_functions_count = 2;
    fault_sweep_memory("host functions", use_backend, &u, 10);
}

struct nested {
    adk_backend *backend;
    int status;
};

static int run_nested(void *data, adk_bytes bytes)
{
    struct nested *nested = data;

    (void)bytes;
    nested->status = run_hello(nested->backend);
    return 0;
}

/* The one slot is the outer run's. What fails within is that run's alone. */
static int run_outer(adk_backend *backend)
{
    struct nested nested = {backend, ADK_E_INTERNAL};
    adk_request request = adk_test_request(GUEST_HELLO);
    int status;

    request.on_stdout = run_nested;
    request.stream_data = &nested;
    status = fault_run(backend, &request, NULL, judge_hello);
    return status == ADK_OK ? nested.status : status;
}

static void test_nested(void **state)
{
    (void)state;
    sweep_use("a run within a run, without a slot", run_outer, 15);
}

/* ---- what else a backend asks for --------------------------------------------------------------------------------- */

static void sweep_other_use(const char *name, int (*with)(adk_backend *backend), fault_kind kind, uint32_t may_fail,
                            unsigned least)
{
    use u = use_of(with);
    fault_scenario scenario = {
        .name = name, .run = use_backend, .kind = kind, .mode = FAULT_ONCE, .may_fail = may_fail, .least = least};

    fault_sweep(&scenario, &u);
    scenario.mode = FAULT_FROM;
    fault_sweep(&scenario, &u);
}

static void sweep_other(const char *name, fault_kind kind, uint32_t may_fail, unsigned least)
{
    sweep_other_use(name, run_hello, kind, may_fail, least);
}

static void test_other_calls(void **state)
{
    (void)state;
    sweep_other("first run, threads", FAULT_THREAD, FAULT_SYSTEM | FAULT_NOMEM, 1);
    sweep_other("first run, locks", FAULT_PTHREAD, FAULT_SYSTEM | FAULT_NOMEM, 5);
    sweep_other("first run, random numbers", FAULT_RANDOM, FAULT_SYSTEM, 1);
}

static void test_other_calls_for_the_helper(void **state)
{
    const uint32_t may_fail = FAULT_SYSTEM | FAULT_NOMEM | FAULT_ERROR(ADK_E_UNAVAILABLE);

    (void)state;
    long_hello = adk_test_padded_text(GUEST_HELLO, 20000);
    sweep_other_use("the helper, spawning", run_long_hello, FAULT_SPAWN, may_fail, 1);
    sweep_other_use("the helper, memory files", run_long_hello, FAULT_MEMFD, may_fail, 2);
    sweep_other_use("the helper, descriptors", run_long_hello, FAULT_DESCRIPTOR, may_fail, 3);
    sweep_other_use("the helper, mappings", run_long_hello, FAULT_MAPPING, may_fail, 0);
    free(long_hello);
    assert_true(adk_test_children_become(0));
}

/* ---- short stacks ------------------------------------------------------------------------------------------------- */

#define SHORT_STACK_BYTES ((size_t)256 << 10)

struct on_short_stack {
    adk_backend *backend;
    int status;
};

static void *run_on_short_stack(void *data)
{
    struct on_short_stack *call = data;

    call->status = run_hello(call->backend);
    return NULL;
}

/* Guests run and are compiled on threads that the library makes, each of which may be denied. */
static int run_short(adk_backend *backend)
{
    struct on_short_stack call = {backend, FAULT_WRONG};
    pthread_attr_t attributes;
    pthread_t thread;

    EXPECT(pthread_attr_init(&attributes) == 0);
    EXPECT(pthread_attr_setstacksize(&attributes, SHORT_STACK_BYTES) == 0);
    EXPECT(pthread_create(&thread, &attributes, run_on_short_stack, &call) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    (void)pthread_attr_destroy(&attributes);
    return call.status;
}

static void test_short_stack(void **state)
{
    use u = use_of(run_short);
    fault_scenario scenario = {.name = "on a short stack, threads",
                               .run = use_backend,
                               .kind = FAULT_THREAD,
                               .mode = FAULT_ONCE,
                               .may_fail = FAULT_SYSTEM,
                               .least = 2};

    (void)state;
    fault_sweep(&scenario, &u);
    scenario.mode = FAULT_FROM;
    fault_sweep(&scenario, &u);
    scenario.name = "on a short stack, locks";
    scenario.kind = FAULT_PTHREAD;
    scenario.may_fail = FAULT_SYSTEM | FAULT_NOMEM;
    fault_sweep(&scenario, &u);
    sweep_use("on a short stack", run_short, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_run),      cmocka_unit_test(test_binary),
        cmocka_unit_test(test_eviction),       cmocka_unit_test(test_prepared),
        cmocka_unit_test(test_malformed_text), cmocka_unit_test(test_malformed_binary),
        cmocka_unit_test(test_not_text),       cmocka_unit_test(test_unsupported_feature),
        cmocka_unit_test(test_missing_import), cmocka_unit_test(test_no_entry),
        cmocka_unit_test(test_other_entry),    cmocka_unit_test(test_host_functions),
        cmocka_unit_test(test_nested),         cmocka_unit_test(test_first_run_by_the_helper),
        cmocka_unit_test(test_other_calls),    cmocka_unit_test(test_other_calls_for_the_helper),
        cmocka_unit_test(test_short_stack),
    };

    return fault_main("fault module", tests);
}
