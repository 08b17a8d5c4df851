/*
 * The C side of engine/src/lib.rs: what wasmtime's C API lacks. Keep the two in step.
 *
 * Functions that can fail return NULL, or an error that the caller frees with wasmtime_error_delete(). Panics inside the
 * engine come back as errors.
 */
#ifndef ADK_ENGINE_H
#define ADK_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <wasm.h>
#include <wasmtime.h>

enum {
    ADK_ENGINE_MEMORY = 0,
    ADK_ENGINE_TABLE = 1,
};

/** What a store asks while it runs, on the thread that runs it. */
typedef struct adk_engine_hooks {
    void *data;
    /** May a memory (bytes) or table (elements) grow? Asked before `maximum`, the declared one or UINT64_MAX, is. */
    bool (*grow)(void *data, uint32_t kind, uint64_t current, uint64_t desired, uint64_t maximum);
    /** A growth that was allowed has failed all the same. */
    void (*grow_failed)(void *data, uint32_t kind);
    /** The epoch has moved: go on with the guest, or stop it? */
    bool (*go_on)(void *data);
    size_t instances;
    size_t tables;
    size_t memories;
} adk_engine_hooks;

/** Makes an engine with the base features. Takes `config`, also on failure. */
wasmtime_error_t *adk_engine_new(wasm_config_t *config, wasm_engine_t **ret_engine);

wasmtime_error_t *adk_engine_compile(const wasm_engine_t *engine, const uint8_t *data, size_t size,
                                     wasmtime_module_t **ret_module);

/** Loads what adk_engine_compile() made and wasmtime_module_serialize() wrote; the caller vouches for the bytes. */
wasmtime_error_t *adk_engine_load(const wasm_engine_t *engine, const uint8_t *data, size_t size,
                                  wasmtime_module_t **ret_module);

/** A number that differs between engines whose code does not load in one another: version, configuration, CPU. */
uint64_t adk_engine_compatibility(const wasm_engine_t *engine);

/** As adk_engine_load() from the file behind `fd`, which is mapped. Takes `fd`, also on failure. */
wasmtime_error_t *adk_engine_load_file(const wasm_engine_t *engine, int fd, wasmtime_module_t **ret_module);

/** Where a module's machine code lies: whole pages from its beginning on, which the engine never writes to again. */
const void *adk_engine_text(const wasmtime_module_t *module, size_t *ret_size);

/** Compiles to what the two above load, and no more. The caller frees *ret_code with wasm_byte_vec_delete(). */
wasmtime_error_t *adk_engine_precompile(const wasm_engine_t *engine, const uint8_t *data, size_t size,
                                        wasm_byte_vec_t *ret_code);

/** Has `fn` called, on any thread, when the engine finds no memory: most often it ends the process then. */
void adk_engine_on_no_memory(void (*fn)(void));

/** Assembles WebAssembly text. The caller frees *ret_binary with wasm_byte_vec_delete(). */
wasmtime_error_t *adk_engine_parse_text(const uint8_t *data, size_t size, wasm_byte_vec_t *ret_binary);

/** Sets limiter and epoch callback. `hooks` is borrowed for the store's life. */
void adk_engine_store_hooks(wasmtime_store_t *store, adk_engine_hooks *hooks);

wasmtime_error_t *adk_engine_instantiate(const wasmtime_instance_pre_t *pre, wasmtime_store_t *store,
                                         wasmtime_instance_t *ret_instance);

/** Calls an export of type () -> (). */
wasmtime_error_t *adk_engine_call(wasmtime_store_t *store, const wasmtime_instance_t *instance, const char *name,
                                  size_t name_size);

/** Takes `store`. */
wasmtime_error_t *adk_engine_store_delete(wasmtime_store_t *store);

/** What a host function returns to end the guest. */
wasm_trap_t *adk_engine_stop(void);

typedef enum adk_engine_error {
    ADK_ENGINE_TEXT = 0,
    ADK_ENGINE_TRAP = 1, /* *ret_code is a wasmtime_trap_code_t */
    ADK_ENGINE_STOP = 2,
    ADK_ENGINE_PANIC = 3,
    ADK_ENGINE_SYSTEM = 4, /* a system call failed, or there was no memory: not the module's fault */
} adk_engine_error;

uint32_t adk_engine_error_kind(const wasmtime_error_t *error, uint8_t *ret_code);

/** The innermost cause, without a backtrace. The caller frees *ret_text with wasm_byte_vec_delete(). */
void adk_engine_error_text(const wasmtime_error_t *error, wasm_byte_vec_t *ret_text);

/**
 * Says of a module that was refused what it needs beyond the base: names of features, ", " between them. *ret_valid says
 * that it is well-formed within the base: then it was refused for something else. As above for freeing.
 */
wasmtime_error_t *adk_engine_missing_features(const uint8_t *data, size_t size, bool (*go_on)(void *data),
                                              void *go_on_data, bool *ret_valid, wasm_byte_vec_t *ret_names);

/** Gets an import's module, name and type ("(iI)->(i)", "memory", ...). Returns false to end the enumeration. */
typedef bool (*adk_engine_import_fn)(void *data, const char *module, size_t module_size, const char *name,
                                     size_t name_size, const char *type, size_t type_size);

wasmtime_error_t *adk_engine_imports(const wasmtime_module_t *module, adk_engine_import_fn fn, void *data);

/** The type of an export, written as above; empty where there is none of that name. As above for freeing. */
wasmtime_error_t *adk_engine_export_type(const wasmtime_module_t *module, const char *name, size_t name_size,
                                         wasm_byte_vec_t *ret_type);

/** What adk_engine_survey_module() found. */
typedef struct adk_engine_survey {
    uint64_t work_ns; /* what compiling takes at most, on a slow core; UINT64_MAX: not looked through, far from quick */
    uint64_t memory_bytes;   /* the memories' declared minima together, saturated */
    uint64_t table_elements; /* the tables' declared minima together, saturated */
    uint64_t functions;
    uint64_t operators; /* counted as far as it was looked through */
    uint64_t loops;
} adk_engine_survey;

/** What of a bulk memory instruction is done before the deadline is looked at again. */
#define ADK_ENGINE_CHUNK_BYTES 131072

/** How a module was rewritten; where it was not: 0, UINT32_MAX, true. */
typedef struct adk_engine_split {
    uint64_t code_shift;   /* how far functions have moved: what is at x was at x - code_shift */
    uint32_t first_helper; /* functions from this index on are not the module's own */
    bool is_exact;         /* false: instructions have become longer, and nothing is known of offsets */
} adk_engine_split;

/**
 * Rewrites a binary so that memory.fill, memory.copy and memory.init are interrupted where they take long. *ret_binary is
 * empty where nothing had to be changed, or the binary is not a module that the compiler takes: that will say why. An
 * error where a module has no room for it, which then must not be compiled. The caller frees *ret_binary with
 * wasm_byte_vec_delete().
 */
wasmtime_error_t *adk_engine_split_bulk(const uint8_t *data, size_t size, wasm_byte_vec_t *ret_binary,
                                        adk_engine_split *ret_split);

/**
 * Looks over a binary module, in time linear to its size and little of it; nothing is validated and nothing fails. What
 * does not parse is described as far as it was read: compiling refuses it there, so work_ns is what comes before that.
 */
void adk_engine_survey_module(const uint8_t *data, size_t size, adk_engine_survey *ret_survey);

#endif
