/*
 * Sessions, from the library's side: a session is a seat whose child was not given back after its first call.
 */
#ifndef ADK_WORKER_SESSION_H
#define ADK_WORKER_SESSION_H

#include "base/interrupt.h"
#include "core/session.h"
#include "worker/pool.h"

/** All sessions of a backend. */
typedef struct adk__sessions adk__sessions;

ADK_MUST_USE int adk__sessions_new(adk__sessions **ret_sessions, adk_error **ret_error);

/** Ends them all, before their pools are freed: whoever has one finds that it has ended. NULL is fine. */
void adk__sessions_free(adk__sessions *sessions);

/** Opens one in a child of the pool. */
ADK_MUST_USE int adk__sessions_open(adk__sessions *sessions, adk__pool *pool, const adk_session_options *options,
                                    uint64_t until_ns, adk__interrupt *deadline, adk__session_new *ret_new,
                                    adk_error **ret_error);

#endif
