/*
 * The backend object, for the backends of the library.
 */
#ifndef ADK_CORE_BACKEND_H
#define ADK_CORE_BACKEND_H

#include <adk/backend.h>

/** The state of a backend made with exactly these ops, or NULL where it is somebody else's. */
void *adk__backend_state(const adk_backend *backend,
                         int (*execute)(void *, const adk_request *, adk_cancel *, adk_result **, adk_error **));

/**
 * Makes a backend one that hands its requests on: a result stays labelled by the backend that made it. To be called before
 * anybody else has the backend.
 */
void adk__backend_set_router(adk_backend *backend);

/** What a run of this backend may take where the request names no limit; 0: what its language may. */
void adk__backend_set_memory_default(adk_backend *backend, uint64_t bytes);

/** Sets in a request that has been read the backend's own defaults, where the one that the caller gave says nothing. */
void adk__backend_fill(const adk_backend *backend, const adk_request *given, adk_request *request);

#endif
