/**
 * Backends: what turns a request into a result.
 *
 * A backend is a vtable with a name and capabilities. The library brings its own (adk/wasm.h); anyone may write
 * another with adk_backend_new() and the adk_result_new() family below.
 */
#ifndef ADK_BACKEND_H
#define ADK_BACKEND_H

#include <adk/bytes.h>
#include <adk/cancel.h>
#include <adk/defs.h>
#include <adk/error.h>
#include <adk/request.h>
#include <adk/result.h>

ADK_BEGIN_DECLS

typedef struct adk_backend adk_backend;

/** Bits: what a backend enforces. A request that asks for what is not enforced is refused, not run without it. */
enum {
    ADK_ENFORCES_TIMEOUT = 1u << 0,
    ADK_ENFORCES_MEMORY = 1u << 1,
    ADK_ENFORCES_NETWORK = 1u << 2,     /**< no network */
    ADK_ENFORCES_FILE_READ = 1u << 3,   /**< no file of the host's can be read */
    ADK_ENFORCES_FILE_WRITE = 1u << 4,  /**< no file of the host's can be written */
    ADK_ENFORCES_ENVIRONMENT = 1u << 5, /**< the request's environment and nothing else */
    ADK_ENFORCES_OUTPUT = 1u << 6,
    ADK_ENFORCES_FUEL = 1u << 7,
    ADK_ENFORCES_DETERMINISM = 1u << 8, /**< random_seed and clock_start_ns are obeyed */
    ADK_ENFORCES_FILES = 1u << 9        /**< files go in and come back as copies */
};

/** What a backend can do. */
typedef struct adk_capabilities {
    size_t struct_size;
    uint32_t enforced;          /**< ADK_ENFORCES_* bits */
    uint32_t languages;         /**< bit 1u << ADK_LANGUAGE_X for each */
    const char *isolation_cstr; /**< class of isolation: "wasm", "process", … */
} adk_capabilities;
#define ADK_CAPABILITIES_INIT                \
    {                                        \
        sizeof(adk_capabilities), 0, 0, NULL \
    }

/** What a backend is made of. */
typedef struct adk_backend_ops {
    size_t struct_size;
    /**
     * Runs a request that has been checked and whose defaults have been filled in, on the calling thread. As
     * adk_backend_execute() in everything else, but that ret_error is never NULL; may be called by many threads at once.
     */
    int (*execute)(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error);
    /** Frees `state`, when the backend is freed. May be NULL. */
    void (*free)(void *state);
} adk_backend_ops;
#define ADK_BACKEND_OPS_INIT                \
    {                                       \
        sizeof(adk_backend_ops), NULL, NULL \
    }

/**
 * Makes a backend out of functions.
 *
 * Ownership: `ops`, `name_cstr` and `capabilities` are copied. `state` is the backend's from success on (ops->free
 *            frees it) and stays the caller's on failure. The caller owns *ret_backend, frees it with
 *            adk_backend_free().
 * Threads:   any thread.
 * Errors:    ADK_E_INVALID, ADK_E_NOMEM. On error *ret_backend is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 3, 4, 5) int adk_backend_new(const adk_backend_ops *ops, void *state,
                                                                 const char *name_cstr,
                                                                 const adk_capabilities *capabilities,
                                                                 adk_backend **ret_backend, adk_error **ret_error);

/**
 * Frees a backend. No run of it may be under way.
 *
 * Ownership: takes `backend`; NULL is fine.
 * Threads:   any thread, once.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_backend_free(adk_backend *backend);

/**
 * The backend's name ("wasm").
 *
 * Ownership: borrowed from `backend`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) const char *adk_backend_name_cstr(const adk_backend *backend);

/**
 * What the backend enforces and speaks. Writes no more than ret_capabilities->struct_size bytes.
 *
 * Ownership: strings inside are borrowed from `backend`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1, 2) void adk_backend_capabilities(const adk_backend *backend, adk_capabilities *ret_capabilities);

/**
 * Runs one request on the calling thread and waits for it.
 *
 * A guest that fails is not an error: look at adk_result_outcome(). The deadline, `timeout_ns` from the moment of the
 * call, covers everything: compiling, instantiating, the guest's code, every host call.
 *
 * Ownership: the caller owns *ret_result and frees it with adk_result_free(). `request` and all it points to
 *            are borrowed until the call returns; nothing of them is kept. `cancel` may be NULL.
 * Threads:   any thread; a backend may run many requests at once.
 * Errors:    ADK_E_INVALID, ADK_E_NOMEM, ADK_E_SYSTEM, ADK_E_UNAVAILABLE, ADK_E_UNSUPPORTED, ADK_E_INTERNAL. On error
 *            *ret_result is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2, 4) int adk_backend_execute(adk_backend *backend, const adk_request *request,
                                                                  adk_cancel *cancel, adk_result **ret_result,
                                                                  adk_error **ret_error);

/**
 * Makes an empty result with outcome exited and exit code 0, limits taken from `request`; for backends written outside
 * the library. The setters below complete it, before it is given to anybody.
 *
 * Ownership: the caller owns *ret_result and frees it with adk_result_free(). Borrows `request` for the call.
 * Threads:   one thread at a time.
 * Errors:    ADK_E_NOMEM.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_result_new(const adk_request *request, adk_result **ret_result,
                                                          adk_error **ret_error);

/**
 * Sets how the run ended. `code` is the exit code (exited) or the signal's number (signaled), else 0.
 *
 * Ownership: borrows `result`; `message` is copied, cut at 4 KiB, and made valid UTF-8 without control characters.
 * Threads:   one thread at a time.
 * Errors:    ADK_E_INVALID for a number that is none, ADK_E_NOMEM.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1) int adk_result_set_outcome(adk_result *result, adk_outcome outcome, adk_phase phase,
                                                               adk_reason reason, uint32_t code, adk_bytes message);

/**
 * Sets what the run used.
 *
 * Ownership: borrows both.
 * Threads:   one thread at a time.
 * Errors:    ADK_E_INVALID for a struct from the future with more than this library knows.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_result_set_usage(adk_result *result, const adk_usage *usage);

/**
 * Captures bytes written to standard output (`stream` 1) or standard error (2), under the result's limits.
 *
 * Ownership: the bytes are copied.
 * Threads:   one thread at a time.
 * Errors:    ADK_E_INVALID for another stream, ADK_E_NOMEM.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1) int adk_result_append_output(adk_result *result, int stream, adk_bytes bytes);

ADK_END_DECLS

#endif
