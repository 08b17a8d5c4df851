/**
 * Errors: why a *call* failed.
 *
 * A guest that fails is not an error: its outcome is in the result (adk/result.h). A function that can fail
 * returns ADK_OK or a negative ADK_E_* and, where its last parameter is `adk_error **ret_error`, stores there an
 * object that says what happened. `ret_error` may be NULL; it is untouched on success.
 */
#ifndef ADK_ERROR_H
#define ADK_ERROR_H

#include <adk/defs.h>

ADK_BEGIN_DECLS

/** Number, name, meaning, and the original's code for it. */
#define ADK_ERROR_MAP(X)                                                                    \
    X(INVALID, -1, "invalid", "invalid request", "code.sandbox_invalid_request")            \
    X(NOMEM, -2, "nomem", "out of memory", "code.sandbox_execution")                        \
    X(SYSTEM, -3, "system", "system call failed", "code.sandbox_execution")                 \
    X(UNAVAILABLE, -4, "unavailable", "backend unavailable", "code.sandbox_unavailable")    \
    X(BUSY, -5, "busy", "queue full", "code.sandbox_unavailable")                           \
    X(UNSUPPORTED, -6, "unsupported", "not supported", "code.sandbox_enforcer_unavailable") \
    X(INTERNAL, -7, "internal", "internal error", "code.sandbox_execution")

enum {
    ADK_OK = 0,
#define ADK_ERROR_ENUM(name, number, word, text, original) ADK_E_##name = (number),
    ADK_ERROR_MAP(ADK_ERROR_ENUM)
#undef ADK_ERROR_ENUM
};

/** Says why a call failed. Immutable once made. */
typedef struct adk_error adk_error;

/**
 * Makes an error; for backends written outside the library.
 *
 * `code` is one of ADK_E_*; `system_errno` an errno value or 0; the message is copied, and cut at 4 KiB.
 *
 * Ownership: the caller owns the error and frees it with adk_error_free(). NULL where there is no memory for it:
 *            every function that takes an error takes NULL for "out of memory".
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE adk_error *adk_error_new(int code, int system_errno, const char *message_cstr);

/**
 * The ADK_E_* of an error; ADK_E_NOMEM for NULL.
 *
 * Ownership: borrows `error`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API int adk_error_code(const adk_error *error);

/**
 * The errno value behind an error, or 0.
 *
 * Ownership: borrows `error`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API int adk_error_system(const adk_error *error);

/**
 * One line in lower case that names the call and the object; valid UTF-8, control characters escaped.
 *
 * Ownership: borrowed from `error`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_error_message_cstr(const adk_error *error);

/**
 * The word for an ADK_E_* ("invalid", "nomem", …), "ok" for ADK_OK, "unknown" for anything else.
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_error_name_cstr(int code);

/**
 * The code that the original adk-sandbox reports for an ADK_E_* ("code.sandbox_invalid_request", …).
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_error_original_code_cstr(int code);

/**
 * Frees an error.
 *
 * Ownership: takes `error`; NULL is fine.
 * Threads:   any thread, once.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_error_free(adk_error *error);

ADK_END_DECLS

#endif
