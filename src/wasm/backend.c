/*
 * The WebAssembly backend: from a checked request to a result.
 *
 * One direction: the module is found or compiled, a slot is taken, the guest is instantiated and run, the outcome is set.
 * Deadline and cancellation are looked at between the steps; within the guest the engine's epoch does it, within host
 * calls these do themselves.
 */
#include <adk/version.h>
#include <adk/wasm.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/backend.h"
#include "core/error.h"
#include "core/result.h"
#include "core/struct_size.h"
#include "wasm/cache.h"
#include "wasm/ending.h"
#include "wasm/files.h"
#include "wasm/host.h"
#include "wasm/janitor.h"
#include "wasm/live.h"
#include "wasm/prepared.h"
#include "wasm/run.h"
#include "wasm/stack.h"
#include "worker/armoured.h"

#define SLOTS_DEFAULT         64
#define SLOTS_MAX             1024
#define CACHE_MODULES_DEFAULT 256
#define CACHE_BYTES_DEFAULT   ((uint64_t)256 << 20)
#define DISK_BYTES_DEFAULT    ((uint64_t)1 << 30)
#define JANITOR_MIN_BYTES     ((uint64_t)4 << 20)
#define JANITOR_MIN_RUN_NS    UINT64_C(1000000)

#define PREPARE_TIMEOUT_DEFAULT (UINT64_C(300) * ADK__NS_PER_S)

struct wasm {
    adk_wasm_options options;
    char *entry;
    adk_wasm_host_function *host_functions;
    char *worker;
    adk__engines engines;
    adk__compilers compilers;
    adk__disk *disk;
    adk__cache cache;
};

/* ---- one run ------------------------------------------------------------------------------------------------------ */

static int find_module(struct wasm *wasm, adk__run *run, uint32_t shard, adk__refusal *refusal,
                       adk__module **ret_module, adk_error **ret_error)
{
    const adk_request *request = run->request;
    adk__cache_wish wish = {adk__flavour_of(request), shard, request->code, &run->interrupt};
    const adk_wasm_module *prepared = request->module;

    if (prepared != NULL) {
        if (wish.flavour == prepared->plain->flavour) {
            run->result->usage.cache = ADK_CACHE_HIT;
            *ret_module = prepared->plain;
            adk__module_hold_again(prepared->plain, shard); /* the prepared module holds it in every shard */
            return ADK_OK;
        }
        wish.code = adk_bytes_make(prepared->source, prepared->size);
    }
    return adk__cache_get(&wasm->cache, &wish, refusal, ret_module, &run->result->usage.cache, ret_error);
}

/* Counts a guest in; false where every slot is taken. */
static bool enter(adk__shard *shard)
{
    uint64_t before = atomic_fetch_add_explicit(&shard->guests, ADK__SHARD_RUN + 1, memory_order_relaxed);

    if (ADK_LIKELY(shard->slots == 0 || before % ADK__SHARD_RUN < shard->slots))
        return true;
    (void)atomic_fetch_sub_explicit(&shard->guests, ADK__SHARD_RUN + 1, memory_order_relaxed);
    return false;
}

/* A slot in the shard of this CPU, or failing that a place in the shard without a pool. */
static int take_slot(struct wasm *wasm, uint32_t flavour, uint32_t index, adk__shard **ret_shard, adk_error **ret_error)
{
    adk__shard *shard;
    int status = adk__engines_shard(&wasm->engines, flavour, index, &shard, ret_error);

    if (status == ADK_OK && !enter(shard)) {
        status = adk__engines_shard(&wasm->engines, flavour, adk__engines_spare(&wasm->engines), &shard, ret_error);
        if (status == ADK_OK)
            (void)enter(shard); /* it has no slots, so none can be taken */
    }
    if (status == ADK_OK)
        *ret_shard = shard;
    return status;
}

static void give_slot(void *data)
{
    adk__shard *shard = data;

    (void)atomic_fetch_sub_explicit(&shard->guests, 1, memory_order_relaxed);
}

/*
 * Deletes a store and gives its slot back. What may have touched much memory is left to the janitor: who ran for less than a
 * millisecond has not, and would only wait for the thread to wake.
 */
static int clean_up(const adk__run *run, adk__shard *shard, wasmtime_store_t *store, adk_error **ret_error)
{
    wasmtime_error_t *error;

    if (run->budget.peak_bytes >= JANITOR_MIN_BYTES && run->result->usage.run_ns >= JANITOR_MIN_RUN_NS &&
        adk__janitor_take(store, give_slot, shard))
        return ADK_OK;
    error = adk_engine_store_delete(store);
    give_slot(shard);
    return error == NULL ? ADK_OK : adk__engine_fail(ret_error, ADK_E_INTERNAL, "clean up after a module", error);
}

/* Gives the slot back as well. */
static int run_in_store(const struct wasm *wasm, adk__run *run, const adk__module *module, adk__shard *shard,
                        const wasmtime_instance_pre_t *pre, adk_error **ret_error)
{
    wasmtime_store_t *store = wasmtime_store_new(shard->engine, run, NULL);
    int status = adk__live(wasm->options.entry_cstr, run, module, shard, pre, store, ret_error);
    int cleaned = clean_up(run, shard, store, status == ADK_OK ? ret_error : NULL);

    return status == ADK_OK ? cleaned : status;
}

static int run_module(struct wasm *wasm, adk__run *run, adk__module *module, uint32_t index, adk_error **ret_error)
{
    const wasmtime_instance_pre_t *pre = NULL;
    adk__shard *shard;
    int status;

    status = take_slot(wasm, module->flavour, index, &shard, ret_error);
    if (status != ADK_OK)
        return status;
    status = adk__module_in_shard(module, shard, &pre, ret_error);
    if (status == ADK_OK)
        status = adk__files_in(run, ret_error);
    if (status == ADK_OK)
        return run_in_store(wasm, run, module, shard, pre, ret_error);
    give_slot(shard);
    return status;
}

static int refuse_text(adk_result *result, const adk__refusal *refusal, adk_error **ret_error)
{
    if (adk__result_message(result, "%.*s", (int)refusal->message.size, (const char *)refusal->message.data) != ADK_OK)
        return adk__fail_nomem(ret_error);
    return ADK_OK;
}

/* There is no module to run. */
static int end_without_module(adk__run *run, const adk__refusal *refusal, adk_error **ret_error)
{
    adk_result *result = run->result;

    if (refusal->out_of_time) {
        result->outcome = ADK_OUTCOME_TIMED_OUT;
        result->phase = ADK_PHASE_COMPILE;
        return refuse_text(result, refusal, ret_error);
    }
    if (refusal->needs_memory) {
        run->budget.denied++;
        run->budget.tables_refused = true;
        adk__run_stop(run, ADK__CAUSE_MEMORY, ADK_PHASE_INSTANTIATE);
        return adk__ending_set(run, NULL, ret_error);
    }
    result->outcome = ADK_OUTCOME_REJECTED;
    result->reason = refusal->reason;
    return refuse_text(result, refusal, ret_error);
}

static int run_request(struct wasm *wasm, adk__run *run, uint64_t start_ns, adk_error **ret_error)
{
    adk__refusal refusal = ADK__REFUSAL_INIT;
    adk__module *module = NULL;
    uint32_t index = adk__engines_here(&wasm->engines);
    uint64_t now_ns;
    int status = ADK_OK;

    if (!adk__run_is_due_at(run, ADK_PHASE_COMPILE, start_ns))
        status = find_module(wasm, run, index, &refusal, &module, ret_error);
    now_ns = adk__now_ns();
    run->result->usage.compile_ns = now_ns - start_ns;
    if (status == ADK_OK) {
        if (adk__run_is_due_at(run, ADK_PHASE_COMPILE, now_ns))
            status = adk__ending_set(run, NULL, ret_error);
        else if (module == NULL)
            status = end_without_module(run, &refusal, ret_error);
        else
            status = run_module(wasm, run, module, index, ret_error);
    }
    if (status == ADK_OK)
        status = adk__files_out(run, ret_error);
    adk__module_release(module, index);
    adk__buf_free(&refusal.message);
    return status;
}

static int execute_here(struct wasm *wasm, const adk_request *request, adk_cancel *cancel, uint64_t start_ns,
                        adk_result **ret_result, adk_error **ret_error)
{
    bool cpu = (request->flags & ADK_REQUEST_CPU_TIME) != 0;
    uint64_t cpu_start_ns = cpu ? adk__clock_ns(CLOCK_THREAD_CPUTIME_ID) : 0;
    ADK_AUTO(adk_result_free) adk_result *result = NULL;
    adk__run *run;
    int status;

    status = adk_result_new(request, &result, ret_error);
    if (status == ADK_OK)
        status = adk__run_begin(request, cancel, start_ns, result, &run, ret_error);
    if (status != ADK_OK)
        return status;
    status = run_request(wasm, run, start_ns, ret_error);
    result->usage.memory_peak_bytes = run->budget.peak_bytes;
    result->usage.memory_denied = run->budget.denied;
    result->usage.host_calls = run->host_calls;
    adk__run_end(run);
    if (status != ADK_OK)
        return status;
    if (cpu) {
        result->usage.cpu_ns = adk__clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_start_ns;
        result->usage.measured |= ADK_USAGE_CPU;
    }
    *ret_result = adk__take_ptr(result);
    return ADK_OK;
}

struct call {
    struct wasm *wasm;
    const adk_request *request;
    adk_cancel *cancel;
    uint64_t start_ns;
    adk_result **ret_result;
    adk_error **ret_error;
    int status;
};

static void execute_call(void *data)
{
    struct call *c = data;

    c->status = execute_here(c->wasm, c->request, c->cancel, c->start_ns, c->ret_result, c->ret_error);
}

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    struct call c = {state, request, cancel, adk__now_ns(), ret_result, ret_error, ADK_OK};
    size_t stack_bytes = (size_t)c.wasm->options.stack_bytes + ADK__HOST_STACK_BYTES;
    int failed;

    if (request->module != NULL && request->module->owner != state)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the prepared module belongs to another backend");
    if (ADK_LIKELY(adk__stack_has(stack_bytes))) {
        execute_call(&c);
        return c.status;
    }
    failed = adk__stack_run(stack_bytes, execute_call, &c);
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "start a thread to run on, the caller's stack being short");
    return c.status;
}

/* ---- prepared modules --------------------------------------------------------------------------------------------- */

struct preparation {
    struct wasm *wasm;
    adk_bytes code;
    adk__interrupt *interrupt;
    uint32_t shard;
    adk__refusal refusal;
    adk__module *module; /* held for that shard */
};

static int refuse_preparation(const struct preparation *p, adk_error **ret_error)
{
    if (p->module == NULL && p->refusal.reason == ADK_REASON_NONE && !p->refusal.out_of_time)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the module did not compile within %llu ms",
                         (unsigned long long)(p->wasm->options.prepare_timeout_ns / UINT64_C(1000000)));
    return adk__fail(ret_error, ADK_E_INVALID, 0, "%.*s", (int)p->refusal.message.size,
                     (const char *)p->refusal.message.data);
}

static int prepare(struct preparation *p, adk_error **ret_error)
{
    adk__cache_wish wish = {0, p->shard, p->code, p->interrupt};
    adk_cache_state state;
    int status = adk__cache_get(&p->wasm->cache, &wish, &p->refusal, &p->module, &state, ret_error);

    if (status == ADK_OK && p->module == NULL)
        status = refuse_preparation(p, ret_error);
    if (status == ADK_OK && state != ADK_CACHE_DISK)
        adk__cache_keep(&p->wasm->cache, &wish, p->module);
    adk__buf_free(&p->refusal.message);
    return status;
}

int adk_wasm_module_new(adk_backend *backend, adk_bytes code, adk_wasm_module **ret_module, adk_error **ret_error)
{
    struct wasm *wasm = adk__backend_state(backend, execute);
    adk__interrupt deadline;
    struct preparation p = {wasm, code, &deadline, 0, ADK__REFUSAL_INIT, NULL};
    adk_wasm_module *module;
    int status;

    if (wasm == NULL && adk__armoured_is(backend))
        return adk__armoured_module_new(backend, code, ret_module, ret_error);
    if (wasm == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the backend \"%s\" is not the library's WebAssembly backend",
                         adk_backend_name_cstr(backend));
    if (code.data == NULL || code.size == 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the code is empty");
    if (adk__interrupt_init(&deadline) != 0)
        return adk__fail_nomem(ret_error);
    adk__interrupt_begin(&deadline, adk__add_saturated(adk__now_ns(), wasm->options.prepare_timeout_ns));
    p.shard = adk__engines_here(&wasm->engines);
    status = prepare(&p, ret_error);
    adk__interrupt_destroy(&deadline);
    if (status != ADK_OK)
        return status;
    module = malloc(sizeof(*module) + code.size);
    for (uint32_t shard = 0; module != NULL && shard < wasm->engines.shard_count; shard++)
        adk__module_hold(p.module, shard);
    adk__module_release(p.module, p.shard);
    if (module == NULL)
        return adk__fail_nomem(ret_error);
    module->owner = wasm;
    module->plain = p.module;
    module->code = NULL;
    module->size = code.size;
    memcpy(module->source, code.data, code.size);
    *ret_module = module;
    return ADK_OK;
}

void adk_wasm_module_free(adk_wasm_module *module)
{
    uint32_t shards;

    if (module == NULL)
        return;
    shards = module->plain == NULL ? 0 : module->plain->engines->shard_count; /* with the last it may be gone */
    for (uint32_t shard = 0; shard < shards; shard++)
        adk__module_release(module->plain, shard);
    adk__code_unref(module->code);
    free(module);
}

/* ---- statistics --------------------------------------------------------------------------------------------------- */

int adk_wasm_backend_stats(adk_backend *backend, adk_wasm_stats *ret_stats)
{
    struct wasm *wasm = adk__backend_state(backend, execute);
    adk_wasm_stats stats = ADK_WASM_STATS_INIT;
    adk__guests guests;

    if (wasm == NULL)
        return ADK_E_INVALID;
    adk__cache_stats(&wasm->cache, &stats);
    guests = adk__engines_guests(&wasm->engines);
    stats.runs = guests.pooled + guests.unpooled;
    stats.runs_without_slot = guests.unpooled;
    stats.running = guests.running;
    adk__struct_write(ret_stats, &stats, sizeof(stats));
    return ADK_OK;
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

/* A module with data holds a descriptor per shard, one that the helper compiled also its code: together they may take a
 * quarter of what the process may open. */
static uint32_t modules_for_descriptors(uint32_t shards)
{
    struct rlimit limit;
    rlim_t modules;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT32_MAX;
    modules = limit.rlim_cur / 4 / (shards + 1);
    return modules < 1 ? 1 : modules > UINT32_MAX ? UINT32_MAX : (uint32_t)modules;
}

int adk__wasm_set_defaults(adk_wasm_options *options, adk_error **ret_error)
{
    if (options->slots > SLOTS_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%u slots are more than %d", options->slots, SLOTS_MAX);
    if (options->slots == 0)
        options->slots = SLOTS_DEFAULT;
    if (options->cache_modules == 0)
        options->cache_modules = CACHE_MODULES_DEFAULT;
    if (options->cache_bytes == 0)
        options->cache_bytes = CACHE_BYTES_DEFAULT;
    if (options->stack_bytes > ADK__GUEST_STACK_MAX_BYTES)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "a stack of %llu bytes is more than %zu",
                         (unsigned long long)options->stack_bytes, ADK__GUEST_STACK_MAX_BYTES);
    if (options->stack_bytes == 0)
        options->stack_bytes = ADK__GUEST_STACK_BYTES;
    if (options->prepare_timeout_ns == 0)
        options->prepare_timeout_ns = PREPARE_TIMEOUT_DEFAULT;
    if ((options->flags & ~(uint32_t)(ADK_WASM_ALLOW_UNBOUNDED_COMPILE | ADK_WASM_ARMOURED)) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "unknown flags %#x in the options", options->flags);
    if (options->entry_cstr == NULL)
        options->entry_cstr = "_start";
    if (options->entry_cstr[0] == '\0' || strlen(options->entry_cstr) > ADK__NAME_SHOWN ||
        !adk__utf8_valid(options->entry_cstr, strlen(options->entry_cstr)))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the entry's name must be UTF-8 of 1 to %d bytes",
                         ADK__NAME_SHOWN);
    return adk__host_check(options, ret_error);
}

static int copy_options(struct wasm *wasm, const adk_wasm_options *options, adk_error **ret_error)
{
    size_t size = options->host_functions_count * sizeof(*options->host_functions);
    int status;

    wasm->options = *options;
    status = adk__wasm_set_defaults(&wasm->options, ret_error);
    if (status != ADK_OK)
        return status;
    wasm->entry = strdup(wasm->options.entry_cstr);
    wasm->options.entry_cstr = wasm->entry;
    if (size > 0) {
        wasm->host_functions = malloc(size);
        if (wasm->host_functions != NULL)
            memcpy(wasm->host_functions, options->host_functions, size);
        wasm->options.host_functions = wasm->host_functions;
    }
    if (wasm->options.worker_cstr != NULL) {
        wasm->worker = strdup(wasm->options.worker_cstr);
        wasm->options.worker_cstr = wasm->worker;
        if (wasm->worker == NULL)
            return adk__fail_nomem(ret_error);
    }
    if (wasm->entry == NULL || (size > 0 && wasm->host_functions == NULL))
        return adk__fail_nomem(ret_error);
    return ADK_OK;
}

static void free_wasm(struct wasm *wasm)
{
    if (wasm == NULL)
        return;
    free(wasm->entry);
    free(wasm->worker);
    adk__disk_close(wasm->disk);
    free(wasm->host_functions);
    free(wasm);
}
ADK_DEFINE_AUTO(struct wasm, free_wasm);

static void destroy(void *state)
{
    struct wasm *wasm = state;

    adk__janitor_release();
    adk__reaper_barrier();
    adk__cache_destroy(&wasm->cache);
    adk__compilers_destroy(&wasm->compilers);
    adk__engines_destroy(&wasm->engines);
    adk__reaper_release();
    free_wasm(wasm);
}

static int open_cache(struct wasm *wasm, adk_error **ret_error)
{
    uint32_t descriptors = modules_for_descriptors(wasm->engines.shard_count);
    uint32_t modules = wasm->options.cache_modules;
    const adk__cache_setup setup = {&wasm->engines, &wasm->compilers, wasm->disk,
                                    modules < descriptors ? modules : descriptors, wasm->options.cache_bytes};

    return adk__cache_init(&wasm->cache, &setup, ret_error);
}

static int open_disk(struct wasm *wasm, adk_error **ret_error)
{
    const adk_wasm_options *options = &wasm->options;
    uint64_t max_bytes = options->disk_cache_bytes == 0 ? DISK_BYTES_DEFAULT : options->disk_cache_bytes;

    if (options->disk_cache_cstr == NULL)
        return ADK_OK;
    if (options->disk_key_cstr == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "a disk cache needs the path of its key (disk_key_cstr)");
    return adk__disk_open(options->disk_cache_cstr, options->disk_key_cstr, max_bytes, &wasm->disk, ret_error);
}

static int retain_threads(adk_error **ret_error)
{
    int status = adk__reaper_retain(ret_error);

    if (status != ADK_OK)
        return status;
    status = adk__janitor_retain(ret_error);
    if (status != ADK_OK)
        adk__reaper_release();
    return status;
}

static void release_threads(void)
{
    adk__janitor_release();
    adk__reaper_release();
}

/* With engines that are there. */
static int open_on_engines(struct wasm *wasm, adk_error **ret_error)
{
    int status = adk__compilers_init(&wasm->compilers, &wasm->options, ret_error);

    if (status != ADK_OK)
        return status;
    status = retain_threads(ret_error);
    if (status == ADK_OK) {
        status = open_cache(wasm, ret_error);
        if (status == ADK_OK)
            return ADK_OK;
        release_threads();
    }
    adk__compilers_destroy(&wasm->compilers);
    return status;
}

static int open_wasm(struct wasm *wasm, adk_error **ret_error)
{
    int status = open_disk(wasm, ret_error);

    /* The paths are the caller's, and no longer needed. */
    wasm->options.disk_cache_cstr = NULL;
    wasm->options.disk_key_cstr = NULL;
    if (status == ADK_OK)
        status = adk__engines_init(&wasm->engines, &wasm->options, ret_error);
    if (status != ADK_OK)
        return status;
    status = open_on_engines(wasm, ret_error);
    if (status != ADK_OK)
        adk__engines_destroy(&wasm->engines);
    return status;
}

int adk_wasm_backend_new(const adk_wasm_options *given, adk_backend **ret_backend, adk_error **ret_error)
{
    static const adk_wasm_options defaults = ADK_WASM_OPTIONS_INIT;
    const adk_backend_ops ops = {sizeof(ops), execute, destroy};
    const adk_capabilities capabilities = {sizeof(capabilities),
                                           ADK_ENFORCES_TIMEOUT | ADK_ENFORCES_MEMORY | ADK_ENFORCES_NETWORK |
                                               ADK_ENFORCES_FILE_READ | ADK_ENFORCES_FILE_WRITE |
                                               ADK_ENFORCES_ENVIRONMENT | ADK_ENFORCES_OUTPUT | ADK_ENFORCES_FUEL |
                                               ADK_ENFORCES_DETERMINISM | ADK_ENFORCES_FILES,
                                           1u << ADK_LANGUAGE_WASM, "wasm"};
    ADK_AUTO(free_wasm) struct wasm *wasm = calloc(1, sizeof(*wasm));
    adk_wasm_options options;
    int status;

    if (wasm == NULL)
        return adk__fail_nomem(ret_error);
    if (sodium_init() < 0) /* chooses the fastest ciphers; any thread, any number of times */
        return adk__fail(ret_error, ADK_E_SYSTEM, 0, "libsodium's sodium_init");
    if (!adk__struct_read(&options, sizeof(options), given == NULL ? &defaults : given))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of the options");
    if ((options.flags & ADK_WASM_ARMOURED) != 0)
        return adk__armoured_backend_new(&options, ret_backend, ret_error);
    status = copy_options(wasm, &options, ret_error);
    if (status == ADK_OK)
        status = open_wasm(wasm, ret_error);
    if (status != ADK_OK)
        return status;
    status = adk_backend_new(&ops, wasm, "wasm", &capabilities, ret_backend, ret_error);
    if (status != ADK_OK) {
        destroy(adk__take_ptr(wasm));
        return status;
    }
    wasm = NULL;
    return ADK_OK;
}

const char *adk_engine_version_cstr(void)
{
    return "wasmtime " WASMTIME_VERSION;
}
