/*
 * The backend object, for the backends of the library.
 */
#ifndef ADK_CORE_BACKEND_H
#define ADK_CORE_BACKEND_H

#include <adk/backend.h>

#include "core/session.h"

/** The state of a backend made with exactly these ops, or NULL where it is somebody else's. */
void *adk__backend_state(const adk_backend *backend,
                         int (*execute)(void *, const adk_request *, adk_cancel *, adk_result **, adk_error **));

/**
 * Makes a backend one that hands its requests on: a result stays labelled by the backend that made it. To be called before
 * anybody else has the backend.
 */
void adk__backend_set_router(adk_backend *backend);

/** Which backend a router's sessions in a language are of. ADK_E_* as for a run in it. */
typedef int (*adk__backend_route_fn)(void *state, adk_language language, adk_backend **ret_backend,
                                     adk_error **ret_error);

/** What a backend is for sessions. The strings are the backend's. */
typedef struct adk__backend_sessions {
    void *state;
    adk__session_open_fn open;   /* NULL: it keeps none */
    adk__backend_route_fn route; /* of a router; else NULL */
    uint32_t enforced;
    uint32_t languages;
    uint32_t session_languages;    /* of them, those with sessions */
    uint64_t memory_default_bytes; /* 0: the language's */
    const char *name;
    const char *isolation;
} adk__backend_sessions;

/** Makes a backend one that keeps sessions, or that hands them on. To be called before anybody else has the backend. */
void adk__backend_set_sessions(adk_backend *backend, adk__session_open_fn open);
void adk__backend_set_route(adk_backend *backend, adk__backend_route_fn route, uint32_t languages);

void adk__backend_get_sessions(const adk_backend *backend, adk__backend_sessions *ret_sessions);

/** What a run of this backend may take where the request names no limit; 0: what its language may. */
void adk__backend_set_memory_default(adk_backend *backend, uint64_t bytes);

/** The same for one language of the backend's only. */
void adk__backend_set_memory_default_of(adk_backend *backend, adk_language language, uint64_t bytes);

/** Sets in a request that has been read the backend's own defaults, where the one that the caller gave says nothing. */
void adk__backend_fill(const adk_backend *backend, const adk_request *given, adk_request *request);

#endif
