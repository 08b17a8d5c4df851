/*
 * Warm runtimes: a language's interpreter, started once in a worker process up to its *checkpoint*, and forked there for
 * each run.
 *
 * An image says what is warmed: a module, its arguments, environment and files, one of them the driver, a script of ours.
 * The driver prepares what every run needs, then opens ADK__CHECKPOINT_PATH. That call returns in a fork, once for each
 * run, with the run's request around it:
 *
 *   /.adk/run    the file just opened: the request's code
 *   /.adk/words  each followed by a NUL: a seed of 32 hexadecimal digits, for what cannot ask random_get (equal requests that
 *                have a seed find the same one, all others a new one); marks, below; the number of the request's arguments;
 *                those; its environment, NAME=VALUE
 *
 * Standard input, output and error are the request's, clocks are read anew, random_get gives other bytes in each fork (or
 * those of the request's seed), and the request's files lie in the tree beside the image's. What the driver does not do is
 * not done: it reseeds whatever made itself a seed before the checkpoint, sets argv and the environment, runs the code,
 * flushes, and ends with proc_exit.
 *
 * A driver may leave a file before it gets there, which is gone after that:
 *
 *   /.adk/pins   32-bit words as they lie in memory: a value, and the addresses in the guest's memory that it is stored at
 *                (worker/pins.c says what for)
 *
 * The checkpoint works once, in the warm-up: afterwards, and in any ordinary module, the path is a path like any other.
 *
 * A driver that can do so keeps *sessions*: where the marks have an `s` the program is not the last, and with an `n` the
 * process is a new one since the call before, or from the beginning. There it does not end with the program, but opens ADK__CHECKPOINT_PATH, a slash and the program's exit status in decimal digits.
 * That ends the call, and returns in the next one, with all of the above for it. What was written is to be flushed before;
 * random numbers are to be seeded again where the process is a new one, and only there.
 */
#ifndef ADK_WORKER_IMAGE_H
#define ADK_WORKER_IMAGE_H

#include <adk/backend.h>
#include <adk/bytes.h>
#include <adk/error.h>
#include <adk/request.h>
#include <adk/wasm.h>

#include "wasm/disk.h"

#define ADK__CHECKPOINT_DIR   "/.adk"
#define ADK__CHECKPOINT_PATH  "/.adk/run"
#define ADK__CHECKPOINT_WORDS "/.adk/words"
#define ADK__CHECKPOINT_PINS  "/.adk/pins"

/** Features of an image's module: such a module may also be larger than a guest's, and its entry return an exit code. */
#define ADK__IMAGE_EXCEPTIONS (1u << 0)

/** What is warmed. All of it is copied by adk__runtime_backend_new(); paths of the host's are read when it is warmed. */
typedef struct adk__runtime_image {
    const char *name_cstr;   /* "python": the backend's name; at most 31 bytes */
    uint32_t languages;      /* bit 1u << ADK_LANGUAGE_X for each */
    uint32_t features;       /* what its module needs beyond the base: 0 or ADK__IMAGE_EXCEPTIONS */
    const char *entry_cstr;  /* the export that is called; NULL: "_start". "_initialize" is called before it */
    const char *module_cstr; /* the module's file. It is compiled by the helper program, ahead of the first run */
    const uint8_t
        *module_hash; /* adk__source_hash() of what must be in that file; NULL: whatever is in it. With a hash, code
                                 * that lies on disk is used without reading the file at all */
    const adk_bytes *args; /* argv of the warm-up */
    size_t args_count;
    const adk_env *env;
    size_t env_count;
    const adk_file
        *files; /* the tree: the driver, libraries. A directory by a relative path is preopened by that name */
    size_t files_count;
    adk_bytes
        rehearsal; /* a short program like others, which shows what memory they write to (worker/pages.h); or empty */
    uint64_t memory_default_bytes; /* of a run whose request names no limit; what warming took counts in it */
    uint64_t warmup_timeout_ns;    /* 0: 30 s */
    bool has_sessions;             /* its driver keeps them */
    uint32_t renew_runs;           /* after so many runs the image is warmed anew; 0: 1,000 */
    uint32_t stock;                /* children forked ahead of need, at most 16; 0: 3 */
} adk__runtime_image;

/**
 * Makes a backend that runs programs in forks of a warm image; isolation "wasm+process".
 *
 * The image is warmed by the first run that needs it, or by adk__runtime_warm(). Options are those of the WebAssembly
 * backend: the helper program (worker_cstr, compile_memory_bytes), where compiled code is kept (disk_cache_cstr with
 * disk_key_cstr: what makes a cold start quick), the time that preparing may take; host functions and entry do not apply.
 *
 * Ownership: everything is copied. The caller owns *ret_backend.
 * Errors:    ADK_E_INVALID, ADK_E_NOMEM, ADK_E_SYSTEM (the module or a file cannot be read), ADK_E_UNAVAILABLE (there is
 *            no helper program).
 */
ADK_MUST_USE int adk__runtime_backend_new(const adk__runtime_image *image, const adk_wasm_options *options,
                                          adk_backend **ret_backend, adk_error **ret_error);

/**
 * Warms the image ahead of the first run: compiles the module (and keeps the code on disk), starts a worker, runs the
 * driver to its checkpoint. ADK_E_UNAVAILABLE with the reason where that fails.
 */
ADK_MUST_USE int adk__runtime_warm(adk_backend *backend, adk_error **ret_error);

#endif
