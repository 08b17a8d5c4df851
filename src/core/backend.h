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

#endif
