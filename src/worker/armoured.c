/*
 * Ordinary modules in processes of their own: the code is found or compiled, then a worker's child runs it. There is a pool
 * of workers for each flavour of the engine, whose workers are started when a request first asks for it.
 */
#include "worker/armoured.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/backend.h"
#include "core/error.h"
#include "core/result.h"
#include "wasm/engine.h"
#include "wasm/prepared.h"
#include "wasm/reaper.h"
#include "worker/runner.h"

#define RENEW_RUNS 10000
#define STOCK      3
#define WARMUP_NS  (UINT64_C(10) * ADK__NS_PER_S)

struct armoured {
    adk__codes *codes;
    char *path;
    char *entry;
    uint64_t stack_bytes;
    uint64_t prepare_timeout_ns;
    adk__pool *pools[ADK__FLAVOURS];
};

static int make_pools(struct armoured *armoured, adk_error **ret_error)
{
    int status = ADK_OK;

    for (uint32_t flavour = 0; flavour < ADK__FLAVOURS && status == ADK_OK; flavour++) {
        const adk__pool_setup setup = {.path_cstr = armoured->path,
                                       .entry_cstr = armoured->entry,
                                       .stack_bytes = armoured->stack_bytes,
                                       .flavour = flavour,
                                       .is_narrow = adk__codes_is_narrow(armoured->codes),
                                       .exchange_fd = -1,
                                       .code_fd = -1,
                                       .warmup_ns = WARMUP_NS,
                                       .renew_runs = RENEW_RUNS,
                                       .stock = STOCK};

        status = adk__pool_new(&setup, &armoured->pools[flavour], ret_error);
    }
    return status;
}

/* ---- one run ------------------------------------------------------------------------------------------------------- */

/* Only where something is kept on disk does the engine's number matter; a worker has to be asked for it. */
static int find_code(struct armoured *armoured, adk__pool *pool, adk__codes_wish *wish, adk__refusal *refusal,
                     adk__code **ret_code, adk_cache_state *ret_state, adk_error **ret_error)
{
    uint32_t walls;
    int status = ADK_OK;

    if (adk__codes_use_disk(armoured->codes))
        status = adk__pool_describe(pool, wish->interrupt, &walls, &wish->compatibility, ret_error);
    return status == ADK_OK ? adk__codes_get(armoured->codes, wish, refusal, ret_code, ret_state, ret_error) : status;
}

static int run_code(adk__runner *runner, struct armoured *armoured, adk__pool *pool, uint32_t flavour,
                    adk_error **ret_error)
{
    const adk_wasm_module *prepared = runner->request->module;
    adk__codes_wish wish = {.flavour = flavour, .source = runner->request->code, .interrupt = &runner->interrupt};
    adk__refusal refusal = ADK__REFUSAL_INIT;
    adk_usage *usage = &runner->result->usage;
    adk__code *found = NULL;
    bool stopped = false;
    int status = ADK_OK;

    if (prepared != NULL)
        wish.source = adk_bytes_make(prepared->source, prepared->size);
    if (prepared != NULL && flavour == 0)
        usage->cache = ADK_CACHE_HIT;
    else
        status = find_code(armoured, pool, &wish, &refusal, &found, &usage->cache, ret_error);
    usage->compile_ns = adk__now_ns() - runner->start_ns;
    if (status == ADK_OK)
        status = adk__runner_check(runner, ADK_PHASE_COMPILE, &stopped, ret_error);
    if (status == ADK_OK && !stopped) {
        if (prepared != NULL && flavour == 0)
            status = adk__runner_run(runner, pool, prepared->code, ret_error);
        else if (found != NULL)
            status = adk__runner_run(runner, pool, found, ret_error);
        else
            status = adk__runner_refuse(runner, &refusal, ret_error);
    }
    adk__code_unref(found);
    adk__buf_free(&refusal.message);
    return status;
}

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    struct armoured *armoured = state;
    ADK_AUTO(adk_result_free) adk_result *result = NULL;
    uint32_t flavour = adk__flavour_of(request);
    adk__pool *pool = armoured->pools[flavour];
    adk__runner runner;
    bool stopped;
    int status;

    if (request->module != NULL && request->module->owner != state)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the prepared module belongs to another backend");
    status = adk_result_new(request, &result, ret_error);
    if (status == ADK_OK)
        status = adk__runner_begin(&runner, request, cancel, false, result, ret_error);
    if (status != ADK_OK)
        return status;
    status = adk__runner_check(&runner, ADK_PHASE_COMPILE, &stopped, ret_error);
    if (status == ADK_OK && !stopped)
        status = run_code(&runner, armoured, pool, flavour, ret_error);
    adk__runner_end(&runner);
    if (status == ADK_OK)
        *ret_result = adk__take_ptr(result);
    return status;
}

/* ---- prepared modules ---------------------------------------------------------------------------------------------- */

bool adk__armoured_is(const adk_backend *backend)
{
    return adk__backend_state(backend, execute) != NULL;
}

static int prepare(struct armoured *armoured, adk_bytes source, adk__interrupt *interrupt, adk__code **ret_code,
                   adk_error **ret_error)
{
    adk__codes_wish wish = {.source = source, .interrupt = interrupt};
    adk__refusal refusal = ADK__REFUSAL_INIT;
    adk_cache_state state;
    int status = find_code(armoured, armoured->pools[0], &wish, &refusal, ret_code, &state, ret_error);

    if (status == ADK_OK && *ret_code == NULL && refusal.reason != ADK_REASON_NONE)
        status = adk__fail(ret_error, ADK_E_INVALID, 0, "%.*s", (int)refusal.message.size,
                           (const char *)refusal.message.data);
    else if (status == ADK_OK && *ret_code == NULL)
        status = adk__fail(ret_error, ADK_E_INVALID, 0, "the module did not compile within %llu ms",
                           (unsigned long long)(armoured->prepare_timeout_ns / UINT64_C(1000000)));
    adk__buf_free(&refusal.message);
    return status;
}

int adk__armoured_module_new(adk_backend *backend, adk_bytes code, adk_wasm_module **ret_module, adk_error **ret_error)
{
    struct armoured *armoured = adk__backend_state(backend, execute);
    adk_wasm_module *module;
    adk__interrupt deadline;
    int status;

    if (code.data == NULL || code.size == 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the code is empty");
    module = malloc(sizeof(*module) + code.size);
    if (module == NULL || adk__interrupt_init(&deadline) != 0) {
        free(module);
        return adk__fail_nomem(ret_error);
    }
    *module = (adk_wasm_module){.owner = armoured, .size = code.size};
    memcpy(module->source, code.data, code.size);
    adk__interrupt_begin(&deadline, adk__add_saturated(adk__now_ns(), armoured->prepare_timeout_ns));
    status = prepare(armoured, code, &deadline, &module->code, ret_error);
    adk__interrupt_destroy(&deadline);
    if (status != ADK_OK) {
        free(module);
        return status;
    }
    *ret_module = module;
    return ADK_OK;
}

int adk__armoured_walls(adk_backend *backend, adk__interrupt *interrupt, uint32_t *ret_walls, adk_error **ret_error)
{
    struct armoured *armoured = adk__backend_state(backend, execute);
    uint64_t compatibility;

    return adk__pool_describe(armoured->pools[0], interrupt, ret_walls, &compatibility, ret_error);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static void destroy(void *state)
{
    struct armoured *armoured = state;

    for (size_t i = 0; i < ADK__FLAVOURS; i++)
        adk__pool_free(armoured->pools[i]);
    adk__codes_free(armoured->codes);
    adk__reaper_release();
    free(armoured->entry);
    free(armoured->path);
    free(armoured);
}

static int open_parts(struct armoured *armoured, const adk_wasm_options *options, adk_error **ret_error)
{
    if (options->host_functions_count > 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "host functions cannot be called from another process");
    armoured->stack_bytes = options->stack_bytes;
    armoured->prepare_timeout_ns = options->prepare_timeout_ns;
    armoured->entry = strdup(options->entry_cstr);
    if (armoured->entry == NULL || adk__worker_find(options->worker_cstr, &armoured->path) != 0)
        return adk__fail_nomem(ret_error);
    if (armoured->path == NULL)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0,
                         "the helper program adk-worker is not there: install it, or name it in the environment's "
                         "ADK_SANDBOX_WORKER");
    return adk__codes_new(options, &armoured->codes, ret_error);
}

int adk__armoured_backend_new(const adk_wasm_options *given, adk_backend **ret_backend, adk_error **ret_error)
{
    const adk_backend_ops ops = {sizeof(ops), execute, destroy};
    const adk_capabilities capabilities = {sizeof(capabilities),
                                           ADK_ENFORCES_TIMEOUT | ADK_ENFORCES_MEMORY | ADK_ENFORCES_NETWORK |
                                               ADK_ENFORCES_FILE_READ | ADK_ENFORCES_FILE_WRITE |
                                               ADK_ENFORCES_ENVIRONMENT | ADK_ENFORCES_OUTPUT | ADK_ENFORCES_FUEL |
                                               ADK_ENFORCES_DETERMINISM | ADK_ENFORCES_FILES,
                                           1u << ADK_LANGUAGE_WASM, "wasm+process"};
    struct armoured *armoured = calloc(1, sizeof(*armoured));
    adk_wasm_options options = *given;
    int status;

    if (armoured == NULL)
        return adk__fail_nomem(ret_error);
    status = adk__reaper_retain(ret_error);
    if (status != ADK_OK) {
        free(armoured);
        return status;
    }
    status = adk__wasm_set_defaults(&options, ret_error);
    if (status == ADK_OK)
        status = open_parts(armoured, &options, ret_error);
    if (status == ADK_OK)
        status = make_pools(armoured, ret_error);
    if (status == ADK_OK)
        status = adk_backend_new(&ops, armoured, "wasm", &capabilities, ret_backend, ret_error);
    if (status != ADK_OK)
        destroy(armoured);
    return status;
}
