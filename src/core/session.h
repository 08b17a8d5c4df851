/*
 * Sessions, for the backends of the library: what the public functions (adk/session.h) do is done here for all of them, a
 * backend brings the process.
 */
#ifndef ADK_CORE_SESSION_H
#define ADK_CORE_SESSION_H

#include <adk/session.h>

/** A session's process. No two of execute and fork are called at once. */
typedef struct adk__session_ops {
    /**
     * As a backend's execute: the request has been checked and is complete. ret_left says whether the session has ended,
     * also on failure.
     */
    int (*execute)(void *body, const adk_request *request, adk_cancel *cancel, adk_session_end *ret_end,
                   adk_result **ret_result, adk_error **ret_error);
    /** A branch with the same options, but for the time when it ends (CLOCK_MONOTONIC). */
    int (*fork)(void *body, uint64_t until_ns, void **ret_body, adk_session_end *ret_end, adk_error **ret_error);
    /** Has the call that is under way, if there is one, return soon. Any thread. */
    void (*stop)(void *body);
    /** Ends the process, where it has not ended yet; then frees the body. Nothing is under way. */
    void (*end)(void *body);
    void (*free)(void *body);
} adk__session_ops;

/** What a backend makes a session of. */
typedef struct adk__session_new {
    const adk__session_ops *ops;
    void *body;
} adk__session_new;

/** Opens a session's process. Options are checked and complete. */
typedef int (*adk__session_open_fn)(void *state, const adk_session_options *options, uint64_t until_ns,
                                    adk__session_new *ret_new, adk_error **ret_error);

#endif
