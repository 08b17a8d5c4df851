/**
 * The WebAssembly backend: runs modules in process, under WASI preview 1.
 *
 * A module sees its arguments, environment, standard streams, clocks, random numbers, and a private file tree in
 * memory; nothing of the host. It is entered through the export `_start` (after `_initialize`, where it has that too).
 *
 * A module that proves to compile quickly, within 20 ms, is compiled in this process. Any other is compiled by the helper
 * program adk-worker, a process without privileges that is killed when the run's deadline has come.
 *
 * The engine inside installs process-wide handlers for SIGSEGV, SIGILL and SIGFPE when the first backend is made, and
 * hands signals that are not its own to the handlers it found. The backends of a process share two threads that sleep
 * while nothing runs: one watches deadlines, the other gives back the memory of large runs when they have returned. After
 * fork() a child may go on using a backend; it starts its own such threads.
 */
#ifndef ADK_WASM_H
#define ADK_WASM_H

#include <adk/backend.h>
#include <adk/bytes.h>
#include <adk/defs.h>
#include <adk/error.h>
#include <adk/request.h>

ADK_BEGIN_DECLS

/** A value that crosses between guest and host function. */
typedef union adk_wasm_value {
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
} adk_wasm_value;

/** The guest that is calling a host function. Valid during the call. */
typedef struct adk_wasm_caller adk_wasm_caller;

/**
 * A host function's body. It runs on the run's thread, its time is the run's, and it must not throw or longjmp.
 * Returning anything but 0 stops the guest: outcome trapped, kind "host".
 */
typedef int (*adk_wasm_host_fn)(void *data, adk_wasm_caller *caller, const adk_wasm_value *args,
                                adk_wasm_value *results);

/** A function that guests may import. Types are letters: i (i32), I (i64), f (f32), F (f64); at most 16 of each.
 * No two have the same module and name, and none those of a function of WASI; at most 1,024. */
typedef struct adk_wasm_host_function {
    const char *module_cstr;
    const char *name_cstr;
    const char *params_cstr;
    const char *results_cstr;
    adk_wasm_host_fn fn;
    void *data;
} adk_wasm_host_function;

/** What a backend is made with. Zero means the default everywhere. */
typedef struct adk_wasm_options {
    size_t struct_size;
    uint32_t slots;         /**< of each engine, of which there is one for each CPU (and for each kind of code that is
                                  in use: plain, metered, deterministic): guests that have their memory at hand at once; more
                                  are run, at a higher price. default 64, at most 1,024; fewer where address space is
                                  short */
    uint32_t cache_modules; /**< compiled modules kept; default 256 */
    uint64_t cache_bytes;   /**< of source and code kept, roughly; default 256 MiB */
    const char *entry_cstr; /**< the export to call; default "_start" */
    const adk_wasm_host_function *host_functions;
    size_t host_functions_count;
    const char *worker_cstr; /**< the helper program; default: the environment's ADK_SANDBOX_WORKER, else adk-worker
                                        beside the program, in ../libexec/adk-sandbox, or where it was installed */
    uint32_t workers;        /**< helpers that compile at once, at most 256; default: the number of CPUs, at least 2 */
    uint32_t flags;          /**< ADK_WASM_* bits */
    uint64_t compile_memory_bytes; /**< what a helper may take; at least 64 MiB, default 1 GiB */
    uint64_t prepare_timeout_ns;   /**< how long adk_wasm_module_new() may take; default 5 minutes */
    const char *disk_cache_cstr; /**< a directory for compiled modules, made (mode 0700) where it is not there; default:
                                        none. adk_wasm_module_new() writes to it, runs find what is there */
    const char *disk_key_cstr;   /**< a file with the key that these are checked by, made (mode 0600) where it is not
                                        there; not in that directory. Must be given with it */
    uint64_t disk_cache_bytes;   /**< of the directory, the oldest files going first; default 1 GiB */
    uint64_t
        stack_bytes; /**< how much of a thread's stack a guest's calls may take before it traps with stack_overflow;
                                        default 512 KiB, at most 2 MiB. On a thread that has not that much left, and 256 KiB
                                        more, a run moves to one of its own */
} adk_wasm_options;
#define ADK_WASM_OPTIONS_INIT                                                                \
    {                                                                                        \
        sizeof(adk_wasm_options), 0, 0, 0, NULL, NULL, 0, NULL, 0, 0, 0, 0, NULL, NULL, 0, 0 \
    }

/** Bits of adk_wasm_options.flags. */
enum {
    /** Where there is no helper program, compile in this process what may take long: it cannot be stopped there, and a
     * hostile module of 100 KB takes a minute. Without this such modules are refused with ADK_E_UNAVAILABLE. */
    ADK_WASM_ALLOW_UNBOUNDED_COMPILE = 1u << 0,
    /** Runs each guest in a process of its own, forked from a worker without privileges (adk/worker.h), instead of in this
     * one; isolation "wasm+process". No engine is made in this process: its signal handlers stay as they are, and a crash of
     * the engine is the outcome signaled, with reason engine_crash and what was written until then. A run costs some tenths
     * of a millisecond more; what does not stop at its deadline is killed up to 10 ms later (15 ms where files come back);
     * callbacks get what was written a little later than it was. Needs the helper program; host functions cannot be
     * offered. */
    ADK_WASM_ARMOURED = 1u << 1
};

/**
 * Makes a WebAssembly backend. `options` may be NULL: all defaults.
 *
 * Ownership: options are copied (host functions' `data` is borrowed for the backend's life). The caller owns
 *            *ret_backend, frees it with adk_backend_free().
 * Threads:   any thread.
 * Errors:    ADK_E_INVALID, ADK_E_NOMEM, ADK_E_SYSTEM, ADK_E_INTERNAL. On error *ret_backend is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(2) int adk_wasm_backend_new(const adk_wasm_options *options, adk_backend **ret_backend,
                                                             adk_error **ret_error);

/**
 * Prepares a module, so that runs with it (adk_request.module) need not even look it up. A prepared module is valid for
 * the backend that made it.
 *
 * Ownership: `code` is borrowed for the call. The caller owns *ret_module, frees it with adk_wasm_module_free(), before
 *            the backend.
 * Threads:   any thread; a module may be used by many runs at once.
 * Errors:    ADK_E_INVALID where the module would be rejected (the message says why), did not compile in time
 *            (adk_wasm_options.prepare_timeout_ns), or `backend` is of another kind; ADK_E_UNAVAILABLE where it needs the
 *            helper program and there is none; ADK_E_NOMEM, ADK_E_SYSTEM, ADK_E_INTERNAL. On error *ret_module is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 3) int adk_wasm_module_new(adk_backend *backend, adk_bytes code,
                                                               adk_wasm_module **ret_module, adk_error **ret_error);

/**
 * Frees a prepared module. Runs under way with it go on.
 *
 * Ownership: takes `module`; NULL is fine.
 * Threads:   any thread, once.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_wasm_module_free(adk_wasm_module *module);

/**
 * What a backend has done since it was made, and what it holds. A child of fork() counts anew.
 *
 * Modules are looked for by runs whose module is not prepared (or prepared for another kind of run), and by
 * adk_wasm_module_new(). A search is a hit, finds the module on disk, or misses it; how it ended is counted besides. One that
 * waited in vain for another's compilation, or was answered without any, is counted by how it ended alone.
 */
typedef struct adk_wasm_stats {
    size_t struct_size;
    uint64_t runs;               /**< that came as far as a guest; those that found no module are not among them */
    uint64_t runs_without_slot;  /**< of these, found every slot taken (or there are none): the higher price */
    uint64_t cache_hits;         /**< found in memory, or compiled by another search that was waited for */
    uint64_t disk_hits;          /**< found in the disk cache */
    uint64_t cache_misses;       /**< in neither; a compilation begins */
    uint64_t compiled_here;      /**< compilations that gave a module, in this process */
    uint64_t compiled_by_helper; /**< and by adk-worker */
    uint64_t refused;            /**< searches whose module was refused */
    uint64_t compile_timeouts;   /**< searches whose time ran out while the module was compiled */
    uint64_t known_as_slow;      /**< searches answered at once: it did not compile in such a time lately */
    uint64_t evictions;          /**< modules that others have driven out of memory */
    uint64_t modules;            /**< in memory now, those being compiled and remembered refusals included */
    uint64_t modules_bytes;      /**< of source and code, roughly */
    uint32_t helpers;            /**< processes of adk-worker now, those that are ending included */
    uint32_t running;            /**< guests now */
} adk_wasm_stats;
#define ADK_WASM_STATS_INIT                                                 \
    {                                                                       \
        sizeof(adk_wasm_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
    }

/**
 * What a backend has done. Set struct_size first. Numbers that other threads are just changing need not agree with each
 * other; each by itself is exact.
 *
 * Ownership: borrows `backend`; fills *ret_stats.
 * Threads:   any thread.
 * Errors:    ADK_E_INVALID where `backend` is of another kind. On error *ret_stats is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_wasm_backend_stats(adk_backend *backend, adk_wasm_stats *ret_stats);

/**
 * The guest's linear memory, from within a host function. It may move or grow when the guest next runs: ask again.
 *
 * Ownership: borrowed for the call of the host function. Every offset the guest gives is hostile: check it
 *            against *ret_size in 64-bit arithmetic.
 * Threads:   the thread of the host function.
 * Errors:    ADK_E_INVALID where the module exports no memory named "memory".
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2, 3) int adk_wasm_caller_memory(adk_wasm_caller *caller, uint8_t **ret_data,
                                                                     uint64_t *ret_size);

/**
 * Stops the guest with an exit code, as proc_exit does. Takes effect when the host function returns 0.
 *
 * Ownership: borrows `caller`.
 * Threads:   the thread of the host function.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) void adk_wasm_caller_exit(adk_wasm_caller *caller, uint32_t exit_code);

ADK_END_DECLS

#endif
