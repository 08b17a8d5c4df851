/*
 * Configuring engines and making shards.
 *
 * Address space is reserved, not used: a slot takes 4 GiB of it, so that a guest's every access lies inside its own
 * reservation or faults. Where the process may have less (RLIMIT_AS) pools make do with fewer slots, then with none; where
 * it is too short even for that, memories are checked in code. This last is decided once for all shards: code that was
 * compiled for the one does not load in the other.
 */
#include "wasm/engine.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/lines.h"
#include "base/text.h"
#include "core/error.h"
#include "wasm/host.h"
#include "wasm/reaper.h"
#include "wasm/stack.h"

#define GIB                       ((uint64_t)1 << 30)
#define SLOT_BYTES                (4 * GIB)
#define ADDRESS_SPACE             ((uint64_t)1 << 47)
#define NARROW_BELOW              (16 * SLOT_BYTES)
#define KEEP_RESIDENT_BYTES       ((size_t)1 << 20) /* of a slot's memory, set to zero by hand instead of by the kernel */
#define TABLE_KEEP_RESIDENT_BYTES ((size_t)64 << 10)
#define INSTANCE_BYTES_MAX        ((size_t)4 << 20) /* of globals and functions: not charged, so bounded here */

int adk__engine_fail(adk_error **ret_error, int code, const char *what, wasmtime_error_t *error)
{
    adk__buf text = ADK__BUF_INIT((size_t)16 << 10);
    wasm_byte_vec_t message;
    uint8_t trap;
    uint32_t kind = adk_engine_error_kind(error, &trap);

    if (kind == ADK_ENGINE_PANIC)
        code = ADK_E_INTERNAL;
    else if (kind == ADK_ENGINE_SYSTEM)
        code = ADK_E_SYSTEM; /* what the machine lacks is nobody's mistake, whatever was being done */
    adk_engine_error_text(error, &message);
    if (adk__text_append_escaped(&text, message.data, message.size, 1024) == 0)
        (void)adk__fail(ret_error, code, 0, "%s: %.*s", what, (int)text.size, (const char *)text.data);
    else
        code = adk__fail_nomem(ret_error);
    adk__buf_free(&text);
    wasm_byte_vec_delete(&message);
    wasmtime_error_delete(error);
    return code;
}

uint32_t adk__flavour_of(const adk_request *request)
{
    const uint32_t both = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    uint32_t flavour = 0;

    if (request->fuel != 0)
        flavour |= ADK__FLAVOUR_FUEL;
    if ((request->flags & both) == both)
        flavour |= ADK__FLAVOUR_DETERMINISTIC;
    return flavour;
}

/* Which features modules may use is decided in adk_engine_new(), but for installed runtimes. */
static wasm_config_t *new_config(uint32_t flavour, bool is_narrow)
{
    wasm_config_t *config = wasm_config_new();

    wasmtime_config_epoch_interruption_set(config, true);
    wasmtime_config_consume_fuel_set(config, (flavour & ADK__FLAVOUR_FUEL) != 0);
    wasmtime_config_cranelift_nan_canonicalization_set(config, (flavour & ADK__FLAVOUR_DETERMINISTIC) != 0);
    wasmtime_config_max_wasm_stack_set(config, ADK__GUEST_STACK_BYTES);
    wasmtime_config_native_unwind_info_set(config, false);
    wasmtime_config_parallel_compilation_set(config, false); /* would leave a pool of threads behind */
    wasmtime_config_memory_reservation_set(config, is_narrow ? 0 : SLOT_BYTES);
    if (is_narrow) {
        wasmtime_config_memory_guard_size_set(config, (uint64_t)64 << 10);
        wasmtime_config_memory_reservation_for_growth_set(config, (uint64_t)1 << 20);
    }
    return config;
}

/* The base, exceptions, and what these are made of: objects that the engine counts. */
static void set_features_of_installed(wasm_config_t *config)
{
    wasmtime_config_wasm_threads_set(config, false);
    wasmtime_config_wasm_tail_call_set(config, false);
    wasmtime_config_wasm_function_references_set(config, false);
    wasmtime_config_wasm_gc_set(config, false);
    wasmtime_config_wasm_relaxed_simd_set(config, false);
    wasmtime_config_wasm_multi_memory_set(config, false);
    wasmtime_config_wasm_memory64_set(config, false);
    wasmtime_config_wasm_exceptions_set(config, true);
    wasmtime_config_gc_support_set(config, true);
}

/*
 * Takes `config` and `trial`, which are the same. The C API's own function ends the process where an engine cannot be made:
 * so one is made of `trial` first, by way of the shim, which reports what is wrong.
 */
static wasmtime_error_t *new_engine_for_installed(wasm_config_t *config, wasm_config_t *trial,
                                                  wasm_engine_t **ret_engine)
{
    wasm_engine_t *first = NULL;
    wasmtime_error_t *error = adk_engine_new(trial, &first);

    if (error != NULL) {
        wasm_config_delete(config);
        return error;
    }
    wasm_engine_delete(first);
    set_features_of_installed(config);
    *ret_engine = wasm_engine_new_with_config(config);
    return NULL;
}

int adk__engine_for_compiling(uint32_t flavour, bool is_narrow, bool is_parallel, wasm_engine_t **ret_engine,
                              adk_error **ret_error)
{
    wasm_config_t *config = new_config(flavour, is_narrow);
    wasmtime_error_t *error;

    wasmtime_config_parallel_compilation_set(config, is_parallel);
    if ((flavour & ADK__FLAVOUR_INSTALLED) != 0)
        error = new_engine_for_installed(config, new_config(flavour, is_narrow), ret_engine);
    else
        error = adk_engine_new(config, ret_engine);
    return error == NULL ? ADK_OK : adk__engine_fail(ret_error, ADK_E_SYSTEM, "make the engine", error);
}

static void set_stack(wasm_config_t *config, const adk_wasm_options *options)
{
    if (options->stack_bytes != 0)
        wasmtime_config_max_wasm_stack_set(config, (size_t)options->stack_bytes);
}

static void set_pool(wasm_config_t *config, uint32_t slots)
{
    wasmtime_pooling_allocation_config_t *pool = wasmtime_pooling_allocation_config_new();

    wasmtime_pooling_allocation_config_total_core_instances_set(pool, slots);
    wasmtime_pooling_allocation_config_total_memories_set(pool, slots);
    wasmtime_pooling_allocation_config_total_tables_set(pool, slots * ADK__TABLES_MAX);
    wasmtime_pooling_allocation_config_max_tables_per_module_set(pool, ADK__TABLES_MAX);
    wasmtime_pooling_allocation_config_table_elements_set(pool, ADK__TABLE_ELEMENTS_MAX);
    wasmtime_pooling_allocation_config_max_memory_size_set(pool, SLOT_BYTES);
    wasmtime_pooling_allocation_config_max_core_instance_size_set(pool, INSTANCE_BYTES_MAX);
    wasmtime_pooling_allocation_config_max_unused_warm_slots_set(pool, slots);
    wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, KEEP_RESIDENT_BYTES);
    wasmtime_pooling_allocation_config_table_keep_resident_set(pool, TABLE_KEEP_RESIDENT_BYTES);
    wasmtime_pooling_allocation_strategy_set(config, pool);
    wasmtime_pooling_allocation_config_delete(pool);
}

/* Tries ever smaller pools, then none: also what the limit allows may not be there. */
static int new_engine(const adk__engines *engines, uint32_t flavour, uint32_t slots, adk__shard *shard,
                      adk_error **ret_error)
{
    wasmtime_error_t *error;
    wasm_config_t *config;

    for (; slots >= 1; slots /= 4) {
        config = new_config(flavour, engines->is_narrow);
        set_stack(config, engines->options);
        set_pool(config, slots);
        error = adk_engine_new(config, &shard->engine);
        shard->slots = slots;
        if (error == NULL)
            return ADK_OK;
        wasmtime_error_delete(error);
    }
    shard->slots = 0;
    config = new_config(flavour, engines->is_narrow);
    set_stack(config, engines->options);
    if ((flavour & ADK__FLAVOUR_INSTALLED) != 0)
        error = new_engine_for_installed(config, new_config(flavour, engines->is_narrow), &shard->engine);
    else
        error = adk_engine_new(config, &shard->engine);
    return error == NULL ? ADK_OK : adk__engine_fail(ret_error, ADK_E_SYSTEM, "make the engine", error);
}

static void free_shard(adk__shard *shard)
{
    if (shard == NULL)
        return;
    if (shard->linker != NULL)
        wasmtime_linker_delete(shard->linker);
    if (shard->engine != NULL)
        wasm_engine_delete(shard->engine);
    free(shard);
}
ADK_DEFINE_AUTO(adk__shard, free_shard);

static int new_shard(const adk__engines *engines, uint32_t flavour, uint32_t index, adk__shard **ret_shard,
                     adk_error **ret_error)
{
    ADK_AUTO(free_shard) adk__shard *shard = adk__lines_new(sizeof(*shard));
    bool is_pooled = index != adk__engines_spare(engines) && (flavour & ADK__FLAVOUR_INSTALLED) == 0;
    uint32_t slots = is_pooled ? engines->slots : 0;
    int status;

    if (shard == NULL)
        return adk__fail_nomem(ret_error);
    shard->index = index;
    status = new_engine(engines, flavour, slots, shard, ret_error);
    if (status != ADK_OK)
        return status;
    shard->linker = wasmtime_linker_new(shard->engine);
    status = adk__host_define(shard->linker, engines->options, ret_error);
    if (status != ADK_OK)
        return status;
    *ret_shard = adk__take_ptr(shard);
    return ADK_OK;
}

/* An eighth of the address space for the pools of all shards of a flavour: there are four flavours, and a host. */
static void set_room(adk__engines *engines)
{
    uint64_t room = ADDRESS_SPACE;
    uint64_t slots;
    struct rlimit limit;

    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur < room)
        room = limit.rlim_cur;
    slots = room / 8 / engines->shard_count / SLOT_BYTES;
    engines->slots = slots < engines->options->slots ? (uint32_t)slots : engines->options->slots;
    engines->is_narrow = room < NARROW_BELOW;
}

int adk__engines_init(adk__engines *engines, const adk_wasm_options *options, adk_error **ret_error)
{
    cpu_set_t cpus;
    int count = 1;
    int failed;

    memset(engines, 0, sizeof(*engines));
    engines->options = options;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        count = CPU_COUNT(&cpus);
    engines->shard_count = 1 + (uint32_t)(count < ADK__SHARDS_MAX - 1 ? count : ADK__SHARDS_MAX - 1);
    set_room(engines);
    failed = pthread_mutex_init(&engines->mutex, NULL);
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "make a lock");
    return ADK_OK;
}

void adk__engines_destroy(adk__engines *engines)
{
    for (uint32_t flavour = 0; flavour < ADK__FLAVOURS; flavour++) {
        for (uint32_t i = 0; i < engines->shard_count; i++)
            free_shard(atomic_load(&engines->shards[flavour][i]));
    }
    (void)pthread_mutex_destroy(&engines->mutex);
}

int adk__engines_shard(adk__engines *engines, uint32_t flavour, uint32_t index, adk__shard **ret_shard,
                       adk_error **ret_error)
{
    ADK_AUTO_UNLOCK pthread_mutex_t *locked = NULL;
    adk__shard *shard = atomic_load_explicit(&engines->shards[flavour][index], memory_order_acquire);
    int status;

    if (ADK_UNLIKELY(shard == NULL)) {
        (void)pthread_mutex_lock(&engines->mutex);
        locked = &engines->mutex;
        shard = atomic_load(&engines->shards[flavour][index]);
        if (shard == NULL) {
            status = new_shard(engines, flavour, index, &shard, ret_error);
            if (status != ADK_OK)
                return status;
            atomic_store(&engines->shards[flavour][index], shard);
        }
    }
    *ret_shard = shard;
    return ADK_OK;
}

adk__guests adk__engines_guests(const adk__engines *engines)
{
    adk__guests sum = {0, 0, 0};

    for (uint32_t flavour = 0; flavour < ADK__FLAVOURS; flavour++) {
        for (uint32_t i = 0; i < engines->shard_count; i++) {
            const adk__shard *shard = atomic_load_explicit(&engines->shards[flavour][i], memory_order_acquire);
            uint64_t guests = shard == NULL ? 0 : atomic_load_explicit(&shard->guests, memory_order_relaxed);

            sum.running += (uint32_t)(guests % ADK__SHARD_RUN);
            if (shard != NULL && shard->slots != 0)
                sum.pooled += guests / ADK__SHARD_RUN;
            else
                sum.unpooled += guests / ADK__SHARD_RUN;
        }
    }
    return sum;
}

uint32_t adk__engines_here(const adk__engines *engines)
{
    int cpu = sched_getcpu();

    return cpu < 0 ? 0 : (uint32_t)cpu % (engines->shard_count - 1);
}
