/*
 * Host functions as the engine calls them. There are two trampolines, one for WASI and one for the functions of the
 * library's caller; which function is meant comes with the call as `env`.
 */
#include "wasm/host.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/error.h"
#include "wasm/run.h"

#define TYPES_MAX          16
#define HOST_FUNCTIONS_MAX 1024

struct adk_wasm_caller {
    wasmtime_caller_t *caller;
    adk__run *run;
};

/* ---- calls -------------------------------------------------------------------------------------------------------- */

static bool find_memory(adk__run *run, wasmtime_caller_t *caller)
{
    wasmtime_extern_t found;

    if (!wasmtime_caller_export_get(caller, "memory", 6, &found))
        return false;
    if (found.kind != WASMTIME_EXTERN_MEMORY) {
        wasmtime_extern_delete(&found);
        return false;
    }
    run->memory = found.of.memory;
    run->has_memory = true;
    return true;
}

/* Where the memory lies and how large it is changes only when it grows, and then the limiter is asked first: it makes
 * the view void. An empty memory has no data and is asked for each time. */
static void look_at_memory(adk__run *run, wasmtime_caller_t *caller)
{
    wasmtime_context_t *context;

    if (!run->has_memory && !find_memory(run, caller))
        return;
    context = wasmtime_caller_context(caller);
    run->view.data = wasmtime_memory_data(context, &run->memory);
    run->view.size = wasmtime_memory_data_size(context, &run->memory);
}

static inline adk__wasi_memory memory_of(adk__run *run, wasmtime_caller_t *caller)
{
    if (ADK_UNLIKELY(run->view.data == NULL))
        look_at_memory(run, caller);
    return run->view;
}

static wasm_trap_t *stop_of(adk__run *run, const adk__wasi_call *call)
{
    switch (call->stop) {
    case ADK__WASI_EXIT:
        if (run->cause == ADK__CAUSE_NONE)
            run->exit_code = call->exit_code;
        adk__run_stop(run, ADK__CAUSE_EXIT, ADK_PHASE_HOST_CALL);
        break;
    case ADK__WASI_INTERRUPT:
        (void)adk__run_is_due(run, ADK_PHASE_HOST_CALL);
        break;
    default:
        break; /* the output function has set the cause */
    }
    return adk_engine_stop();
}

static wasm_trap_t *call_wasi(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *raw, size_t count)
{
    const adk__wasi_function *function = env;
    adk__run *run = wasmtime_context_get_data(wasmtime_caller_context(caller));
    adk__wasi_call *call = adk__wasi_call_of(run->wasi);
    uint64_t args[ADK__WASI_PARAMS_MAX];
    uint16_t error;

    (void)count;
    run->host_calls++;
    for (size_t i = 0; function->params[i] != '\0'; i++)
        args[i] = function->params[i] == 'i' ? (uint32_t)raw[i].i32 : (uint64_t)raw[i].i64;
    call->memory = memory_of(run, caller);
    error = function->fn(run->wasi, args);
    if (ADK_UNLIKELY(call->stop != ADK__WASI_GO_ON))
        return stop_of(run, call);
    if (function->has_result)
        raw[0].i32 = error;
    return NULL;
}

static adk_wasm_value value_of(wasmtime_val_raw_t raw, char type)
{
    adk_wasm_value value;

    if (type == 'i')
        value.i32 = raw.i32;
    else if (type == 'I')
        value.i64 = raw.i64;
    else if (type == 'f')
        value.f32 = raw.f32;
    else
        value.f64 = raw.f64;
    return value;
}

static void set_raw(wasmtime_val_raw_t *raw, adk_wasm_value value, char type)
{
    if (type == 'i')
        raw->i32 = value.i32;
    else if (type == 'I')
        raw->i64 = value.i64;
    else if (type == 'f')
        raw->f32 = value.f32;
    else
        raw->f64 = value.f64;
}

static wasm_trap_t *call_host(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *raw, size_t count)
{
    const adk_wasm_host_function *function = env;
    adk__run *run = wasmtime_context_get_data(wasmtime_caller_context(caller));
    adk_wasm_caller view = {caller, run};
    adk_wasm_value args[TYPES_MAX];
    adk_wasm_value results[TYPES_MAX];

    (void)count;
    run->host_calls++;
    memset(results, 0, sizeof(results));
    for (size_t i = 0; function->params_cstr[i] != '\0'; i++)
        args[i] = value_of(raw[i], function->params_cstr[i]);
    if (function->fn(function->data, &view, args, results) != 0)
        adk__run_stop(run, ADK__CAUSE_HOST_TRAP, ADK_PHASE_HOST_CALL);
    adk__reaper_check_fork(&run->watched);
    if (adk__run_is_due(run, ADK_PHASE_HOST_CALL))
        return adk_engine_stop();
    for (size_t i = 0; function->results_cstr[i] != '\0'; i++)
        set_raw(&raw[i], results[i], function->results_cstr[i]);
    return NULL;
}

int adk_wasm_caller_memory(adk_wasm_caller *view, uint8_t **ret_data, uint64_t *ret_size)
{
    adk__wasi_memory memory = memory_of(view->run, view->caller);

    if (!view->run->has_memory)
        return ADK_E_INVALID;
    *ret_data = memory.data;
    *ret_size = memory.size;
    return ADK_OK;
}

void adk_wasm_caller_exit(adk_wasm_caller *view, uint32_t exit_code)
{
    if (view->run->cause == ADK__CAUSE_NONE)
        view->run->exit_code = exit_code;
    adk__run_stop(view->run, ADK__CAUSE_EXIT, ADK_PHASE_HOST_CALL);
}

/* ---- definitions -------------------------------------------------------------------------------------------------- */

static bool same(adk_bytes bytes, const char *text)
{
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

static const adk__wasi_function *find_wasi(adk_bytes module, adk_bytes name)
{
    bool unstable = same(module, "wasi_unstable");
    const adk__wasi_function *functions = unstable ? adk__wasi_unstable_functions : adk__wasi_functions;
    size_t count = unstable ? ADK__WASI_UNSTABLE_FUNCTIONS : ADK__WASI_FUNCTIONS;

    if (!unstable && !same(module, "wasi_snapshot_preview1"))
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (same(name, functions[i].name))
            return &functions[i];
    }
    return NULL;
}

static const char *check_types(const char *types)
{
    if (types == NULL)
        return "are NULL";
    if (strspn(types, "iIfF") != strlen(types))
        return "have a letter other than i, I, f, F";
    return strlen(types) > TYPES_MAX ? "are more than 16" : NULL;
}

/* By WASI, or by one of the functions before it. */
static bool is_taken(const adk_wasm_host_function *functions, size_t i)
{
    adk_bytes module = adk_bytes_from_cstr(functions[i].module_cstr);
    adk_bytes name = adk_bytes_from_cstr(functions[i].name_cstr);

    for (size_t k = 0; k < i; k++) {
        if (same(module, functions[k].module_cstr) && same(name, functions[k].name_cstr))
            return true;
    }
    return find_wasi(module, name) != NULL;
}

int adk__host_check(const adk_wasm_options *options, adk_error **ret_error)
{
    if (options->host_functions == NULL && options->host_functions_count > 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "host_functions is NULL, its count is not 0");
    if (options->host_functions_count > HOST_FUNCTIONS_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%zu host functions are more than %d",
                         options->host_functions_count, HOST_FUNCTIONS_MAX);
    for (size_t i = 0; i < options->host_functions_count; i++) {
        const adk_wasm_host_function *f = &options->host_functions[i];
        const char *problem;

        if (f->module_cstr == NULL || f->name_cstr == NULL || f->fn == NULL)
            return adk__fail(ret_error, ADK_E_INVALID, 0, "host function %zu has no module, name or fn", i);
        if (!adk__utf8_valid(f->module_cstr, strlen(f->module_cstr)) ||
            !adk__utf8_valid(f->name_cstr, strlen(f->name_cstr)))
            return adk__fail(ret_error, ADK_E_INVALID, 0, "host function %zu: its name is not UTF-8", i);
        problem = check_types(f->params_cstr);
        if (problem == NULL)
            problem = check_types(f->results_cstr);
        if (problem != NULL)
            return adk__fail(ret_error, ADK_E_INVALID, 0, "host function \"%s\": its types %s", f->name_cstr, problem);
        if (is_taken(options->host_functions, i))
            return adk__fail(ret_error, ADK_E_INVALID, 0, "host function \"%s\" \"%s\" is there already",
                             f->module_cstr, f->name_cstr);
    }
    return ADK_OK;
}

static void types_of(const char *letters, wasm_valtype_vec_t *ret_types)
{
    wasm_valtype_t *types[TYPES_MAX];
    size_t count = strlen(letters);

    for (size_t i = 0; i < count; i++)
        types[i] = wasm_valtype_new(letters[i] == 'i'   ? WASM_I32
                                    : letters[i] == 'I' ? WASM_I64
                                    : letters[i] == 'f' ? WASM_F32
                                                        : WASM_F64);
    wasm_valtype_vec_new(ret_types, count, types);
}

static int define(wasmtime_linker_t *linker, const char *module, const char *name, const char *params,
                  const char *results, wasmtime_func_unchecked_callback_t callback, const void *env,
                  adk_error **ret_error)
{
    wasm_valtype_vec_t param_types;
    wasm_valtype_vec_t result_types;
    wasm_functype_t *type;
    wasmtime_error_t *error;

    types_of(params, &param_types);
    types_of(results, &result_types);
    type = wasm_functype_new(&param_types, &result_types);
    error = wasmtime_linker_define_func_unchecked(linker, module, strlen(module), name, strlen(name), type, callback,
                                                  (void *)(uintptr_t)env, NULL);
    wasm_functype_delete(type);
    return error == NULL ? ADK_OK : adk__engine_fail(ret_error, ADK_E_INVALID, "define a host function", error);
}

static int define_wasi(wasmtime_linker_t *linker, const char *module, const adk__wasi_function *functions, size_t count,
                       adk_error **ret_error)
{
    int status = ADK_OK;

    for (size_t i = 0; i < count && status == ADK_OK; i++)
        status = define(linker, module, functions[i].name, functions[i].params, functions[i].has_result ? "i" : "",
                        call_wasi, &functions[i], ret_error);
    return status;
}

int adk__host_define(wasmtime_linker_t *linker, const adk_wasm_options *options, adk_error **ret_error)
{
    int status = define_wasi(linker, "wasi_snapshot_preview1", adk__wasi_functions, ADK__WASI_FUNCTIONS, ret_error);

    if (status == ADK_OK)
        status =
            define_wasi(linker, "wasi_unstable", adk__wasi_unstable_functions, ADK__WASI_UNSTABLE_FUNCTIONS, ret_error);
    for (size_t i = 0; i < options->host_functions_count && status == ADK_OK; i++) {
        const adk_wasm_host_function *f = &options->host_functions[i];

        status = define(linker, f->module_cstr, f->name_cstr, f->params_cstr, f->results_cstr, call_host, f, ret_error);
    }
    return status;
}

/* ---- imports ------------------------------------------------------------------------------------------------------ */

static bool find_type(const adk_wasm_options *options, const adk__import *import, char *type, size_t size)
{
    const adk__wasi_function *wasi = find_wasi(import->module, import->name);

    if (wasi != NULL) {
        (void)snprintf(type, size, "(%s)->(%s)", wasi->params, wasi->has_result ? "i" : "");
        return true;
    }
    for (size_t i = 0; i < options->host_functions_count; i++) {
        const adk_wasm_host_function *f = &options->host_functions[i];

        if (same(import->module, f->module_cstr) && same(import->name, f->name_cstr)) {
            (void)snprintf(type, size, "(%s)->(%s)", f->params_cstr, f->results_cstr);
            return true;
        }
    }
    return false;
}

int adk__host_has(const adk_wasm_options *options, const adk__import *import, adk__buf *problem)
{
    char type[2 * TYPES_MAX + 8];
    bool found = find_type(options, import, type, sizeof(type));

    if (found && same(import->type, type))
        return 1;
    if (adk__buf_printf(problem, found ? "incompatible import \"" : "unknown import \"") ||
        adk__text_append_escaped(problem, import->module.data, import->module.size, ADK__NAME_SHOWN) ||
        adk__buf_printf(problem, "\" \"") ||
        adk__text_append_escaped(problem, import->name.data, import->name.size, ADK__NAME_SHOWN) ||
        adk__buf_printf(problem, "\" of type ") ||
        adk__text_append_escaped(problem, import->type.data, import->type.size, ADK__NAME_SHOWN) ||
        (found && adk__buf_printf(problem, ": the host offers %s", type)))
        return -ENOMEM;
    return 0;
}
