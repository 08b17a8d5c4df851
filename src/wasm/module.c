/*
 * Compiling modules and finding out why one is refused.
 *
 * A module is compiled once, in the shard of whoever was first; other shards load its code. The code needs no check
 * then: it never left this process.
 */
#include "wasm/module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "core/error.h"
#include "wasm/host.h"

/* ---- references --------------------------------------------------------------------------------------------------- */

adk__module *adk__module_ref(adk__module *module)
{
    (void)atomic_fetch_add_explicit(&module->references, 1, memory_order_relaxed);
    return module;
}

void adk__module_unref(adk__module *module)
{
    if (module == NULL || atomic_fetch_sub_explicit(&module->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < module->engines->shard_count; i++) {
        wasmtime_instance_pre_t *pre = atomic_load_explicit(&module->shards[i].pre, memory_order_relaxed);

        if (pre != NULL)
            wasmtime_instance_pre_delete(pre);
        if (module->shards[i].module != NULL)
            wasmtime_module_delete(module->shards[i].module);
    }
    if (module->code_fd >= 0)
        (void)close(module->code_fd);
    (void)pthread_mutex_lock(&module->engines->mutex);
    DL_DELETE(module->engines->modules, module);
    (void)pthread_mutex_unlock(&module->engines->mutex);
    free(module);
}

void adk__module_hold(adk__module *module, uint32_t shard)
{
    if (atomic_fetch_add_explicit(&module->shards[shard].holders, 1, memory_order_relaxed) == 0)
        (void)adk__module_ref(module);
}

void adk__module_hold_again(adk__module *module, uint32_t shard)
{
    (void)atomic_fetch_add_explicit(&module->shards[shard].holders, 1, memory_order_relaxed);
}

void adk__module_release(adk__module *module, uint32_t shard)
{
    if (module != NULL && atomic_fetch_sub_explicit(&module->shards[shard].holders, 1, memory_order_acq_rel) == 1)
        adk__module_unref(module);
}

static int new_module(adk__engines *engines, uint32_t flavour, adk__module **ret_module, adk_error **ret_error)
{
    adk__module *module = adk__lines_new(sizeof(*module) + engines->shard_count * sizeof(module->shards[0]));

    if (module == NULL)
        return adk__fail_nomem(ret_error);
    atomic_init(&module->references, 1);
    module->engines = engines;
    module->flavour = flavour;
    module->code_fd = -1;
    (void)pthread_mutex_lock(&engines->mutex);
    DL_APPEND(engines->modules, module);
    (void)pthread_mutex_unlock(&engines->mutex);
    *ret_module = module;
    return ADK_OK;
}

/* ---- checks --------------------------------------------------------------------------------------------------------- */

struct import_check {
    const adk_wasm_options *options;
    adk__refusal *refusal;
};

static bool check_import(void *data, const char *module, size_t module_size, const char *name, size_t name_size,
                         const char *type, size_t type_size)
{
    struct import_check *check = data;
    adk__import import = {adk_bytes_make(module, module_size), adk_bytes_make(name, name_size),
                          adk_bytes_make(type, type_size)};
    adk__buf problem = ADK__BUF_INIT((size_t)8 << 10);
    int has = adk__host_has(check->options, &import, &problem);

    if (has < 0)
        check->refusal->nomem = true;
    if (has <= 0)
        adk__refuse(check->refusal, ADK_REASON_MISSING_IMPORT, "failed to instantiate WASM module: %.*s",
                    (int)problem.size, (const char *)problem.data);
    adk__buf_free(&problem);
    return has > 0;
}

/* Returns whether there is a function of that type and name. *ret_other says that something else bears it. */
static bool has_function(const wasmtime_module_t *module, const char *wanted, const char *name, adk__refusal *refusal,
                         adk__buf *ret_other)
{
    wasm_byte_vec_t type;
    wasmtime_error_t *error = adk_engine_export_type(module, name, strlen(name), &type);
    bool has;

    if (error != NULL) {
        wasmtime_error_delete(error);
        return false;
    }
    has = type.size == strlen(wanted) && memcmp(type.data, wanted, type.size) == 0;
    if (!has && adk__text_append_escaped(ret_other, type.data, type.size, ADK__NAME_SHOWN) != 0)
        refusal->nomem = true;
    wasm_byte_vec_delete(&type);
    return has;
}

static void check_module(const adk_wasm_options *options, adk__module *module, const wasmtime_module_t *compiled,
                         adk__refusal *refusal)
{
    struct import_check check = {options, refusal};
    adk__buf other = ADK__BUF_INIT((size_t)4 << 10);
    wasmtime_error_t *error = adk_engine_imports(compiled, check_import, &check);

    if (error != NULL)
        adk__refuse_with_error(refusal, ADK_REASON_COMPILER_FAILED, ADK__COMPILE_FAILED, error);
    if (refusal->reason != ADK_REASON_NONE)
        return;
    module->gives_code = (module->flavour & ADK__FLAVOUR_INSTALLED) != 0 &&
                         has_function(compiled, "()->(i)", options->entry_cstr, refusal, &other);
    other.size = 0;
    module->has_entry = module->gives_code || has_function(compiled, "()->()", options->entry_cstr, refusal, &other);
    if (!module->has_entry && other.size > 0)
        adk__refuse(refusal, ADK_REASON_NO_ENTRY,
                    "WASM module has no %s function: its export of that name is %.*s, not a function ()->()",
                    options->entry_cstr, (int)other.size, (const char *)other.data);
    other.size = 0;
    module->has_initialize = has_function(compiled, "()->()", "_initialize", refusal, &other);
    if (refusal->reason == ADK_REASON_NONE && !module->has_entry && !module->has_initialize)
        adk__refuse(refusal, ADK_REASON_NO_ENTRY, "WASM module has no %s function: it exports nothing of that name",
                    options->entry_cstr);
    adk__buf_free(&other);
}

static uint64_t cost_of(const wasmtime_module_t *module)
{
    void *start;
    void *end;

    wasmtime_module_image_range(module, &start, &end);
    return (uint64_t)((char *)end - (char *)start);
}

/* ---- making modules ----------------------------------------------------------------------------------------------- */

/* Takes `compiled`. */
static int take_compiled(adk__engines *engines, adk__module *module, adk__shard *shard, wasmtime_module_t *compiled,
                         adk__refusal *refusal, adk_error **ret_error)
{
    const wasmtime_instance_pre_t *pre;

    module->shards[shard->index].module = compiled;
    module->cost_bytes = cost_of(compiled);
    check_module(engines->options, module, compiled, refusal);
    if (refusal->reason != ADK_REASON_NONE)
        return ADK_OK;
    return adk__module_in_shard(module, shard, &pre, ret_error);
}

/* The binary is split up and compiled, or refused. */
static int compile_binary(adk__engines *engines, adk__module *module, adk__shard *shard, adk_bytes binary,
                          adk__interrupt *interrupt, adk__refusal *refusal, adk_error **ret_error)
{
    wasmtime_module_t *compiled = NULL;
    wasmtime_error_t *error;
    adk__split split;
    int status = adk__source_split(binary, interrupt, refusal, &split, ret_error);

    if (status == ADK_OK && refusal->reason == ADK_REASON_NONE) {
        module->split = split.how;
        error = adk_engine_compile(shard->engine, split.binary.data, split.binary.size, &compiled);
        status = error != NULL ? adk__split_explain(shard->engine, &split, binary, interrupt, refusal, error, ret_error)
                               : take_compiled(engines, module, shard, compiled, refusal, ret_error);
    }
    adk__split_free(&split);
    return status;
}

int adk__module_compile(adk__engines *engines, uint32_t flavour, uint32_t shard_index, adk_bytes code,
                        adk__interrupt *interrupt, adk__refusal *ret_refusal, adk__module **ret_module,
                        adk_error **ret_error)
{
    ADK_AUTO(adk__module_unref) adk__module *module = NULL;
    wasm_byte_vec_t text = {0, NULL};
    adk__shard *shard;
    adk_bytes binary;
    int status;

    status = adk__engines_shard(engines, flavour, shard_index, &shard, ret_error);
    if (status == ADK_OK)
        status = new_module(engines, flavour, &module, ret_error);
    if (status != ADK_OK)
        return status;
    adk__source_to_binary(code, flavour, ret_refusal, &text, &binary);
    if (ret_refusal->reason == ADK_REASON_NONE)
        status = compile_binary(engines, module, shard, binary, interrupt, ret_refusal, ret_error);
    if (text.data != NULL)
        wasm_byte_vec_delete(&text);
    if (status == ADK_OK && ret_refusal->nomem)
        return adk__fail_nomem(ret_error);
    if (status == ADK_OK && ret_refusal->reason == ADK_REASON_NONE)
        *ret_module = adk__take_ptr(module);
    return status;
}

/* The engine closes the descriptor it is given. */
static int try_file(int fd, adk__shard *shard, wasmtime_module_t **ret_compiled, wasmtime_error_t **ret_problem,
                    adk_error **ret_error)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    *ret_problem = NULL;
    if (own < 0)
        return adk__fail(ret_error, ADK_E_SYSTEM, errno, "load a module's code");
    *ret_problem = adk_engine_load_file(shard->engine, own, ret_compiled);
    return ADK_OK;
}

/*
 * Whether a module fits a pool's slots is found out only here, not by the helper, which has no pool. Code that loads where
 * there is none is in order, and then it is the module that is too large. Takes `problem`.
 */
static int explain_load(adk__engines *engines, uint32_t flavour, int fd, adk__refusal *refusal,
                        wasmtime_error_t *problem, adk_error **ret_error)
{
    wasmtime_module_t *compiled = NULL;
    wasmtime_error_t *again = NULL;
    adk__shard *spare;
    int status = adk__engines_shard(engines, flavour, adk__engines_spare(engines), &spare, ret_error);

    if (status == ADK_OK)
        status = try_file(fd, spare, &compiled, &again, ret_error);
    if (status != ADK_OK) {
        wasmtime_error_delete(problem);
        return status;
    }
    if (again != NULL) {
        wasmtime_error_delete(again);
        return adk__engine_fail(ret_error, ADK_E_INTERNAL, "load a module's code", problem);
    }
    wasmtime_module_delete(compiled);
    adk__refuse_with_error(refusal, ADK_REASON_TOO_LARGE, ADK__COMPILE_FAILED, problem);
    return ADK_OK;
}

int adk__module_load(adk__engines *engines, uint32_t flavour, uint32_t shard_index, int code_fd,
                     const adk_engine_split *split, adk__refusal *ret_refusal, adk__module **ret_module,
                     adk_error **ret_error)
{
    ADK_AUTO_CLOSE int fd = code_fd;
    ADK_AUTO(adk__module_unref) adk__module *module = NULL;
    wasmtime_module_t *compiled = NULL;
    wasmtime_error_t *problem = NULL;
    adk__shard *shard;
    int status;

    status = adk__engines_shard(engines, flavour, shard_index, &shard, ret_error);
    if (status == ADK_OK)
        status = new_module(engines, flavour, &module, ret_error);
    if (status == ADK_OK)
        status = try_file(fd, shard, &compiled, &problem, ret_error);
    if (problem != NULL)
        return explain_load(engines, flavour, fd, ret_refusal, problem, ret_error);
    if (status == ADK_OK) {
        module->code_fd = adk__take_fd(&fd);
        module->split = *split;
        status = take_compiled(engines, module, shard, compiled, ret_refusal, ret_error);
    }
    if (status == ADK_OK && ret_refusal->nomem)
        return adk__fail_nomem(ret_error);
    if (status == ADK_OK && ret_refusal->reason == ADK_REASON_NONE)
        *ret_module = adk__take_ptr(module);
    return status;
}

/* One of the module's compiled forms; they are all the same code. */
static const wasmtime_module_t *any_form(const adk__module *module)
{
    size_t from = 0;

    if (module->origin != NULL)
        return module->origin;
    while (module->shards[from].module == NULL)
        from++;
    return module->shards[from].module;
}

int adk__module_code(const adk__module *module)
{
    wasmtime_error_t *error;
    wasm_byte_vec_t code;
    int fd;

    if (module->code_fd >= 0)
        return fcntl(module->code_fd, F_DUPFD_CLOEXEC, 3);
    fd = memfd_create("adk-code", MFD_CLOEXEC);
    error = wasmtime_module_serialize(any_form(module), &code);
    if (error != NULL)
        wasmtime_error_delete(error);
    if (fd >= 0 && (error != NULL || adk__write_all(fd, code.data, code.size) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    if (error == NULL)
        wasm_byte_vec_delete(&code);
    return fd;
}

/* ---- shards ------------------------------------------------------------------------------------------------------- */

/* From the code in whichever shard has it, into this one. With the lock held. */
static int load(adk__module *module, adk__shard *shard, adk_error **ret_error)
{
    wasmtime_module_t **compiled = &module->shards[shard->index].module;
    wasmtime_error_t *problem;
    wasm_byte_vec_t code;
    int status;

    if (module->code_fd >= 0) {
        status = try_file(module->code_fd, shard, compiled, &problem, ret_error);
        if (status != ADK_OK)
            return status;
    } else {
        problem = wasmtime_module_serialize(any_form(module), &code);
        if (problem != NULL)
            return adk__engine_fail(ret_error, ADK_E_INTERNAL, "copy a module's code", problem);
        problem = adk_engine_load(shard->engine, (const uint8_t *)code.data, code.size, compiled);
        wasm_byte_vec_delete(&code);
    }
    return problem == NULL ? ADK_OK : adk__engine_fail(ret_error, ADK_E_INTERNAL, "load a module's code", problem);
}

int adk__module_in_shard(adk__module *module, adk__shard *shard, const wasmtime_instance_pre_t **ret_pre,
                         adk_error **ret_error)
{
    ADK_AUTO_UNLOCK pthread_mutex_t *locked = NULL;
    wasmtime_instance_pre_t *pre = atomic_load_explicit(&module->shards[shard->index].pre, memory_order_acquire);
    wasmtime_error_t *error;
    int status;

    *ret_pre = pre;
    if (ADK_LIKELY(pre != NULL))
        return ADK_OK;
    (void)pthread_mutex_lock(&module->engines->mutex);
    locked = &module->engines->mutex;
    pre = atomic_load(&module->shards[shard->index].pre);
    if (pre == NULL) {
        status = module->shards[shard->index].module == NULL ? load(module, shard, ret_error) : ADK_OK;
        if (status != ADK_OK)
            return status;
        error = wasmtime_linker_instantiate_pre(shard->linker, module->shards[shard->index].module, &pre);
        if (error != NULL)
            return adk__engine_fail(ret_error, ADK_E_INTERNAL, "link a module", error);
        atomic_store(&module->shards[shard->index].pre, pre);
    }
    *ret_pre = pre;
    return ADK_OK;
}

void adk__modules_forked(adk__engines *engines)
{
    adk__module *module;

    DL_FOREACH(engines->modules, module)
    {
        for (size_t i = 0; i < module->engines->shard_count; i++) {
            if (module->origin == NULL)
                module->origin = module->shards[i].module;
            module->shards[i].module = NULL;
            atomic_store(&module->shards[i].pre, NULL);
        }
    }
    for (uint32_t flavour = 0; flavour < ADK__FLAVOURS; flavour++) {
        for (uint32_t i = 0; i < engines->shard_count; i++)
            atomic_store(&engines->shards[flavour][i], NULL);
    }
}
