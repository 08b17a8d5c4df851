/**
 * Sessions: an interpreter that keeps its state between calls.
 *
 * A run begins with a fresh interpreter and ends with it. A *session* is one interpreter for many calls: what a program
 * defines, imports and writes to its files is there for the next one. It is a process of its own, forked from a warm image
 * as a run is, with the same two walls around it. It can itself be forked: then there are two sessions that have all up to
 * then in common, and nothing from then on.
 *
 * A call is a request like any other, with code, arguments, environment, standard input, files and a deadline of its own, and
 * its result is its own: exit code, output, files. An error that the program does not catch ends the call (exit code 1, the
 * trace on standard error), and so does sys.exit() in Python; neither ends the session. What does end it is what leaves an
 * interpreter in the middle of something, or without one: a deadline, a cancellation, a limit, a trap, an exit that bypasses
 * the interpreter (os._exit(); in JavaScript std.exit(), and a rejection that nobody handles). The result of that call says how it came, adk_session_describe()
 * says that the session has ended and why, and further calls get ADK_E_UNAVAILABLE.
 *
 * What stays between calls: the interpreter with all its objects, and the private tree of files. What does not: arguments,
 * environment and standard input, which are each call's own, and callbacks of the host's. Files that a call brings replace
 * those of the same name. Exit functions that a program registers do not run.
 *
 * Random numbers go on from call to call; in a fork, and at the beginning, they start anew, so that no two sessions draw the
 * same ones.
 */
#ifndef ADK_SESSION_H
#define ADK_SESSION_H

#include <adk/backend.h>
#include <adk/cancel.h>
#include <adk/defs.h>
#include <adk/error.h>
#include <adk/request.h>
#include <adk/result.h>

ADK_BEGIN_DECLS

typedef struct adk_session adk_session;

/** Bits of adk_session_options.flags. */
enum {
    /** It may be forked. Its process keeps the one system call for that, which takes a little off its outer wall. */
    ADK_SESSION_FORKS = 1u << 0
};

#define ADK_SESSION_OPEN_DEFAULT_NS     UINT64_C(30000000000)
#define ADK_SESSION_IDLE_DEFAULT_NS     UINT64_C(600000000000)
#define ADK_SESSION_LIFETIME_DEFAULT_NS UINT64_C(3600000000000)
#define ADK_SESSION_CPU_DEFAULT_NS      UINT64_C(600000000000)
#define ADK_SESSION_CALLS_DEFAULT       UINT64_C(10000)
#define ADK_SESSION_NS_MAX              UINT64_C(31536000000000000) /* a year */

/** What a session may have in all. Zero means the default everywhere. A fork has the same anew, counted from its beginning. */
typedef struct adk_session_options {
    size_t struct_size;
    adk_language language;        /**< default: the backend's own */
    uint32_t flags;               /**< ADK_SESSION_* bits */
    uint64_t memory_limit_bytes;  /**< of interpreter and files, at any time; default as for a run in the language */
    uint64_t outputs_limit_bytes; /**< content of files that comes back from one call, at most; default 64 MiB */
    uint64_t calls_max;           /**< default 10,000 */
    uint64_t cpu_ns;              /**< CPU time of all calls; rounded up to whole seconds; default 600 s */
    uint64_t lifetime_ns;         /**< wall time from opening to its end; default 1 h */
    uint64_t idle_ns;             /**< wall time that may pass between two calls; default 10 min */
    uint64_t open_timeout_ns;     /**< for opening, which may have to warm the image first; default 30 s */
} adk_session_options;
#define ADK_SESSION_OPTIONS_INIT                               \
    {                                                          \
        sizeof(adk_session_options), 0, 0, 0, 0, 0, 0, 0, 0, 0 \
    }

/** Why a session has ended: number and word. */
#define ADK_SESSION_END_MAP(X) \
    X(NONE, 0, "none")         \
    X(EXITED, 1, "exited")     \
    X(STOPPED, 2, "stopped")   \
    X(EXPIRED, 3, "expired")   \
    X(SPENT, 4, "spent")       \
    X(DIED, 5, "died")         \
    X(BACKEND, 6, "backend")

typedef uint32_t adk_session_end;
enum {
#define ADK_SESSION_END_ENUM(name, number, word) ADK_SESSION_END_##name = (number),
    ADK_SESSION_END_MAP(ADK_SESSION_END_ENUM)
#undef ADK_SESSION_END_ENUM
};

/** How a session is. Filled by adk_session_describe(); set struct_size first. */
typedef struct adk_session_info {
    size_t struct_size;
    adk_language language;
    adk_session_end
        end; /**< ADK_SESSION_END_NONE: it goes on. exited: the program ended the interpreter; stopped: a call was
                              (see `outcome`); expired: nothing was asked of it for too long; spent: its calls, its CPU time or
                              its lifetime are used up; died: its process did; backend: that was freed */
    adk_outcome outcome;   /**< of the call that ended it */
    uint32_t is_busy;      /**< 1: a call is under way */
    uint64_t calls;        /**< begun */
    uint64_t left_ns;      /**< of its lifetime */
    uint64_t idle_left_ns; /**< until it expires */
} adk_session_info;
#define ADK_SESSION_INFO_INIT                         \
    {                                                 \
        sizeof(adk_session_info), 0, 0, 0, 0, 0, 0, 0 \
    }

/**
 * Opens a session on a backend that runs the language in warm processes. `options` may be NULL: all defaults.
 *
 * Ownership: options are copied. The caller owns *ret_session and ends it with adk_session_close(). A session may outlive
 *            its backend, but has then ended.
 * Threads:   any thread.
 * Errors:    ADK_E_UNSUPPORTED where the backend keeps no sessions in that language, ADK_E_INVALID, ADK_E_NOMEM,
 *            ADK_E_SYSTEM, ADK_E_UNAVAILABLE. On error *ret_session is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 3) int adk_session_open(adk_backend *backend, const adk_session_options *options,
                                                            adk_session **ret_session, adk_error **ret_error);

/**
 * Runs one request in a session on the calling thread and waits for it.
 *
 * As adk_backend_execute() in what it takes and gives, but that `memory_limit_bytes`, `fuel`, ADK_REQUEST_SEED and
 * ADK_REQUEST_CLOCK are not a call's to set, and outputs_limit_bytes is at most the session's. The deadline is the request's,
 * or the end of the session's lifetime where that comes first.
 *
 * Ownership: as adk_backend_execute().
 * Threads:   any thread; one call at a time: another one meanwhile gets ADK_E_BUSY at once.
 * Errors:    ADK_E_UNAVAILABLE where the session has ended (the message says why), ADK_E_BUSY, and those of
 *            adk_backend_execute(). On error *ret_result is not written; the session goes on unless it is said to have ended.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2, 4) int adk_session_execute(adk_session *session, const adk_request *request,
                                                                  adk_cancel *cancel, adk_result **ret_result,
                                                                  adk_error **ret_error);

/**
 * Forks a session: *ret_session is another with the same state. Both go on independently; the session must have been opened
 * with ADK_SESSION_FORKS, and its fork may be forked as well. Takes at most ten seconds: the more memory it has, the longer (docs/decisions/018).
 *
 * Ownership: the caller owns *ret_session and ends it with adk_session_close().
 * Threads:   any thread; not while a call is under way (ADK_E_BUSY).
 * Errors:    ADK_E_UNSUPPORTED where it was not opened for that, ADK_E_UNAVAILABLE where the session has ended or its process
 *            could not be forked, ADK_E_BUSY, ADK_E_NOMEM, ADK_E_SYSTEM. On error *ret_session is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_session_fork(adk_session *session, adk_session **ret_session,
                                                            adk_error **ret_error);

/**
 * How a session is. Writes no more than ret_info->struct_size bytes. What ends by itself is noticed when the next call is
 * made, so that a session which is said to go on may have died.
 *
 * Ownership: borrows both.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1, 2) void adk_session_describe(adk_session *session, adk_session_info *ret_info);

/**
 * Ends a session and frees it. A call that is under way on another thread is cancelled, and returns; nobody may begin one
 * from here on.
 *
 * Ownership: takes `session`; NULL is fine.
 * Threads:   any thread, once.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_session_close(adk_session *session);

/**
 * The word for the end of a session ("none", "stopped", …), or NULL for a number that is none.
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_session_end_cstr(adk_session_end end);

ADK_END_DECLS

#endif
