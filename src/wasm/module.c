/*
 * Compiling modules and finding out why one is refused.
 *
 * A module is compiled once, in the shard of whoever was first; other shards load its code. The code needs no check
 * then: it never left this process.
 */
#include "wasm/module.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/error.h"
#include "wasm/host.h"

static const char wasm_magic[4] = {'\0', 'a', 's', 'm'};

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
    for (size_t i = 0; i < ADK__SHARDS_MAX; i++) {
        wasmtime_instance_pre_t *pre = atomic_load_explicit(&module->shards[i].pre, memory_order_relaxed);

        if (pre != NULL)
            wasmtime_instance_pre_delete(pre);
        if (module->shards[i].module != NULL)
            wasmtime_module_delete(module->shards[i].module);
    }
    (void)pthread_mutex_destroy(&module->mutex);
    free(module);
}

static int new_module(uint32_t flavour, adk__module **ret_module, adk_error **ret_error)
{
    adk__module *module = calloc(1, sizeof(*module));
    int failed;

    if (module == NULL)
        return adk__fail_nomem(ret_error);
    failed = pthread_mutex_init(&module->mutex, NULL);
    if (failed) {
        free(module);
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "make a lock");
    }
    atomic_init(&module->references, 1);
    module->flavour = flavour;
    *ret_module = module;
    return ADK_OK;
}

/* ---- refusals ----------------------------------------------------------------------------------------------------- */

static int refuse(adk__refusal *refusal, adk_reason reason, const char *format, ...) ADK_PRINTF(3, 4);

static int refuse(adk__refusal *refusal, adk_reason reason, const char *format, ...)
{
    va_list args;

    refusal->reason = reason;
    va_start(args, format);
    (void)adk__buf_vprintf(&refusal->message, format, args);
    va_end(args);
    return ADK_OK;
}

/* The text assembler draws the line with an arrow beneath it: of that, its first line and the position are kept. */
static int append_text(adk__buf *message, const wasm_byte_vec_t *text)
{
    static const char arrow[] = "--> <anon>:";
    const char *line = memchr(text->data, '\n', text->size);
    size_t first = line == NULL ? text->size : (size_t)(line - text->data);
    const char *at = line == NULL ? NULL : memmem(line, text->size - first, arrow, sizeof(arrow) - 1);
    size_t digits = 0;
    int failed = adk__text_append_escaped(message, text->data, first, 1024);

    if (failed || at == NULL)
        return failed;
    at += sizeof(arrow) - 1;
    while (at + digits < text->data + text->size && digits < 24 && strchr("0123456789:", at[digits]) != NULL &&
           at[digits] != '\0')
        digits++;
    return adk__buf_printf(message, " (at %.*s)", (int)digits, at);
}

/* Takes `error`. A panic of the compiler is not the module's fault alone, but it is the module that is refused. */
static int refuse_with_error(adk__refusal *refusal, adk_reason reason, const char *what, wasmtime_error_t *error)
{
    wasm_byte_vec_t text;
    uint8_t trap;

    if (adk_engine_error_kind(error, &trap) == ADK_ENGINE_PANIC)
        reason = ADK_REASON_COMPILER_FAILED;
    adk_engine_error_text(error, &text);
    refusal->reason = reason;
    if (adk__buf_printf(&refusal->message, "%s", what) == 0)
        (void)append_text(&refusal->message, &text);
    wasm_byte_vec_delete(&text);
    wasmtime_error_delete(error);
    return ADK_OK;
}

static bool may_go_on(void *interrupt)
{
    return adk__interrupt_check(interrupt) == ADK__INTERRUPT_NONE;
}

#define COMPILE_FAILED "failed to compile WASM module: "

static bool is_systems(const wasmtime_error_t *error)
{
    uint8_t trap;

    return adk_engine_error_kind(error, &trap) == ADK_ENGINE_SYSTEM;
}

/* Cold: the engine gives text only. Takes `error`. */
static int explain(adk_bytes binary, adk__interrupt *interrupt, adk__refusal *refusal, wasmtime_error_t *error,
                   adk_error **ret_error)
{
    wasm_byte_vec_t names;
    bool valid = false;
    wasmtime_error_t *again;

    if (is_systems(error))
        return adk__engine_fail(ret_error, ADK_E_SYSTEM, "compile a module", error);
    again = adk_engine_missing_features(binary.data, binary.size, may_go_on, interrupt, &valid, &names);
    if (again != NULL) {
        wasmtime_error_delete(again);
        return refuse_with_error(refusal, ADK_REASON_COMPILER_FAILED, COMPILE_FAILED, error);
    }
    if (names.size > 0) {
        (void)refuse(refusal, ADK_REASON_UNSUPPORTED_FEATURE,
                     "%sit needs %.*s, which is not supported: ", COMPILE_FAILED, (int)names.size, names.data);
        wasm_byte_vec_delete(&names);
        return refuse_with_error(refusal, ADK_REASON_UNSUPPORTED_FEATURE, "", error);
    }
    wasm_byte_vec_delete(&names);
    return refuse_with_error(refusal, valid ? ADK_REASON_TOO_LARGE : ADK_REASON_MALFORMED, COMPILE_FAILED, error);
}

/* ---- from source to code ------------------------------------------------------------------------------------------ */

/* Bytes 4 to 7 are version and layer: 1 and 0 for a module; a component's layer is 1 (component model, Binary.md). */
static bool is_component(adk_bytes binary)
{
    const unsigned char *bytes = binary.data;

    return binary.size >= 8 && bytes[6] == 1 && bytes[7] == 0;
}

static bool is_binary(adk_bytes code)
{
    return code.size >= sizeof(wasm_magic) && memcmp(code.data, wasm_magic, sizeof(wasm_magic)) == 0;
}

/* *text owns the binary where the code was text. */
static int to_binary(adk_bytes code, adk__refusal *refusal, wasm_byte_vec_t *text, adk_bytes *ret_binary)
{
    wasmtime_error_t *error;

    *ret_binary = code;
    if (code.size == 0)
        return refuse(refusal, ADK_REASON_MALFORMED, COMPILE_FAILED "the code is empty");
    if (code.size > ADK_CODE_MAX_BYTES)
        return refuse(refusal, ADK_REASON_TOO_LARGE, COMPILE_FAILED "the code has %zu bytes, more than %llu", code.size,
                      (unsigned long long)ADK_CODE_MAX_BYTES);
    if (!is_binary(code)) {
        if (!adk__utf8_valid(code.data, code.size))
            return refuse(refusal, ADK_REASON_MALFORMED,
                          COMPILE_FAILED
                          "the code is neither a binary module (it does not begin with \\0asm) nor text");
        error = adk_engine_parse_text(code.data, code.size, text);
        if (error != NULL)
            return refuse_with_error(refusal, ADK_REASON_MALFORMED, COMPILE_FAILED, error);
        *ret_binary = adk_bytes_make(text->data, text->size);
    }
    if (ret_binary->size > ADK_CODE_MAX_BYTES)
        return refuse(refusal, ADK_REASON_TOO_LARGE, COMPILE_FAILED "the assembled text has more than %llu bytes",
                      (unsigned long long)ADK_CODE_MAX_BYTES);
    if (is_component(*ret_binary))
        return refuse(refusal, ADK_REASON_UNSUPPORTED_FEATURE,
                      COMPILE_FAILED "it is a component, and the component-model is not supported");
    return ADK_OK;
}

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
    bool has = adk__host_has(check->options, &import, &problem);

    if (!has)
        (void)refuse(check->refusal, ADK_REASON_MISSING_IMPORT, "failed to instantiate WASM module: %.*s",
                     (int)problem.size, (const char *)problem.data);
    adk__buf_free(&problem);
    return has;
}

/* Returns whether there is a function () -> () of that name. *ret_other says that something else bears it. */
static bool has_entry(const wasmtime_module_t *module, const char *name, adk__buf *ret_other)
{
    wasm_byte_vec_t type;
    wasmtime_error_t *error = adk_engine_export_type(module, name, strlen(name), &type);
    bool has;

    if (error != NULL) {
        wasmtime_error_delete(error);
        return false;
    }
    has = type.size == 6 && memcmp(type.data, "()->()", 6) == 0;
    if (!has && type.size > 0)
        (void)adk__text_append_escaped(ret_other, type.data, type.size, ADK__NAME_SHOWN);
    wasm_byte_vec_delete(&type);
    return has;
}

static int check_module(const adk_wasm_options *options, adk__module *module, const wasmtime_module_t *compiled,
                        adk__refusal *refusal)
{
    struct import_check check = {options, refusal};
    adk__buf other = ADK__BUF_INIT((size_t)4 << 10);
    wasmtime_error_t *error = adk_engine_imports(compiled, check_import, &check);

    if (error != NULL)
        return refuse_with_error(refusal, ADK_REASON_COMPILER_FAILED, COMPILE_FAILED, error);
    if (refusal->reason != ADK_REASON_NONE)
        return ADK_OK;
    module->has_entry = has_entry(compiled, options->entry_cstr, &other);
    if (!module->has_entry && other.size > 0)
        (void)refuse(refusal, ADK_REASON_NO_ENTRY,
                     "WASM module has no %s function: its export of that name is %.*s, not a function ()->()",
                     options->entry_cstr, (int)other.size, (const char *)other.data);
    other.size = 0;
    module->has_initialize = has_entry(compiled, "_initialize", &other);
    if (refusal->reason == ADK_REASON_NONE && !module->has_entry && !module->has_initialize)
        (void)refuse(refusal, ADK_REASON_NO_ENTRY, "WASM module has no %s function: it exports nothing of that name",
                     options->entry_cstr);
    adk__buf_free(&other);
    return ADK_OK;
}

static uint64_t cost_of(const wasmtime_module_t *module)
{
    void *start;
    void *end;

    wasmtime_module_image_range(module, &start, &end);
    return (uint64_t)((char *)end - (char *)start);
}

static int compile_binary(adk__engines *engines, adk__module *module, adk__shard *shard, adk_bytes binary,
                          adk__interrupt *interrupt, adk__refusal *refusal, adk_error **ret_error)
{
    wasmtime_module_t *compiled = NULL;
    const wasmtime_instance_pre_t *pre;
    wasmtime_error_t *error = adk_engine_compile(shard->engine, binary.data, binary.size, &compiled);

    if (error != NULL)
        return explain(binary, interrupt, refusal, error, ret_error);
    module->shards[shard->index].module = compiled;
    module->cost_bytes = cost_of(compiled);
    (void)check_module(engines->options, module, compiled, refusal);
    if (refusal->reason != ADK_REASON_NONE)
        return ADK_OK;
    return adk__module_in_shard(module, shard, &pre, ret_error);
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
        status = new_module(flavour, &module, ret_error);
    if (status != ADK_OK)
        return status;
    (void)to_binary(code, ret_refusal, &text, &binary);
    if (ret_refusal->reason == ADK_REASON_NONE)
        status = compile_binary(engines, module, shard, binary, interrupt, ret_refusal, ret_error);
    if (text.data != NULL)
        wasm_byte_vec_delete(&text);
    if (status == ADK_OK && ret_refusal->reason == ADK_REASON_NONE)
        *ret_module = adk__take_ptr(module);
    return status;
}

/* ---- shards ------------------------------------------------------------------------------------------------------- */

/* From the code in whichever shard has it, into this one. With the module's lock held. */
static int load(adk__module *module, adk__shard *shard, adk_error **ret_error)
{
    wasmtime_error_t *error;
    wasm_byte_vec_t code;
    size_t from = 0;

    while (module->shards[from].module == NULL)
        from++;
    error = wasmtime_module_serialize(module->shards[from].module, &code);
    if (error != NULL)
        return adk__engine_fail(ret_error, ADK_E_INTERNAL, "copy a module's code", error);
    error = adk_engine_load(shard->engine, (const uint8_t *)code.data, code.size, &module->shards[shard->index].module);
    wasm_byte_vec_delete(&code);
    return error == NULL ? ADK_OK : adk__engine_fail(ret_error, ADK_E_INTERNAL, "load a module's code", error);
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
    (void)pthread_mutex_lock(&module->mutex);
    locked = &module->mutex;
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
