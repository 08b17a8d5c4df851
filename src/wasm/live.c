/*
 * Entering a guest. What is in the run may be another after each call into it, since a checkpoint exchanges request and
 * result: nothing of them is kept in locals across one.
 */
#include "wasm/live.h"

#include <string.h>

#include "core/result.h"
#include "wasm/ending.h"

/* The entry of an installed runtime, which returns its exit code. An error's box and a trap's are alike (engine/src). */
static wasmtime_error_t *call_for_code(const char *entry, adk__run *run, const wasmtime_instance_t *instance)
{
    wasmtime_context_t *context = wasmtime_store_context(run->store);
    wasm_trap_t *trap = NULL;
    wasmtime_error_t *error;
    wasmtime_extern_t found;
    wasmtime_val_t code;

    if (!wasmtime_instance_export_get(context, instance, entry, strlen(entry), &found))
        return adk_engine_call(run->store, instance, entry, strlen(entry)); /* that has words for it */
    error = wasmtime_func_call(context, &found.of.func, NULL, 0, &code, 1, &trap);
    if (error == NULL && trap == NULL && run->cause == ADK__CAUSE_NONE) {
        run->exit_code = (uint32_t)code.of.i32;
        adk__run_stop(run, ADK__CAUSE_EXIT, ADK_PHASE_RUN);
    }
    return error == NULL ? (wasmtime_error_t *)trap : error;
}

/* NULL, or the engine's error. */
static wasmtime_error_t *enter(const char *entry, adk__run *run, const adk__module *module,
                               const wasmtime_instance_pre_t *pre, uint64_t start_ns)
{
    wasmtime_instance_t instance;
    wasmtime_error_t *error;

    adk__run_enter(run, ADK_PHASE_INSTANTIATE);
    error = adk_engine_instantiate(pre, run->store, &instance);
    run->ready_ns = adk__now_ns();
    run->result->usage.instantiate_ns = run->ready_ns - start_ns;
    if (error != NULL)
        return error;
    adk__run_enter(run, ADK_PHASE_RUN);
    if (module->has_initialize)
        error = adk_engine_call(run->store, &instance, "_initialize", strlen("_initialize"));
    if (error == NULL && module->gives_code)
        error = call_for_code(entry, run, &instance);
    else if (error == NULL && module->has_entry)
        error = adk_engine_call(run->store, &instance, entry, strlen(entry));
    run->result->usage.run_ns = adk__now_ns() - run->ready_ns;
    return error;
}

int adk__live(const char *entry, adk__run *run, const adk__module *module, const adk__shard *shard,
              const wasmtime_instance_pre_t *pre, wasmtime_store_t *store, adk_error **ret_error)
{
    wasmtime_context_t *context = wasmtime_store_context(store);
    wasmtime_error_t *error = NULL;
    uint64_t start_ns;
    uint64_t fuel = 0;
    int status;

    run->module = module;
    run->store = store;
    adk_engine_store_hooks(store, &run->hooks);
    wasmtime_context_set_epoch_deadline(context, 1);
    adk__reaper_arm(&run->watched, shard->engine, run->interrupt.deadline_ns);
    if (run->request->fuel != 0)
        error = wasmtime_context_set_fuel(context, run->request->fuel);
    start_ns = adk__now_ns();
    if (error == NULL && !adk__run_is_due_at(run, ADK_PHASE_INSTANTIATE, start_ns))
        error = enter(entry, run, module, pre, start_ns);
    if (run->request->fuel != 0 && wasmtime_context_get_fuel(context, &fuel) == NULL) {
        run->result->usage.fuel = run->request->fuel - fuel;
        run->result->usage.measured |= ADK_USAGE_FUEL;
    }
    status = adk__ending_set(run, error, ret_error);
    run->store = NULL;
    return status;
}
