/*
 * Warm runtimes as backends, beyond what image.h says to those who describe them.
 */
#ifndef ADK_WORKER_RUNTIME_H
#define ADK_WORKER_RUNTIME_H

#include "base/interrupt.h"
#include "worker/image.h"

bool adk__runtime_is(const adk_backend *backend);

/** As adk__armoured_walls(). */
ADK_MUST_USE int adk__runtime_walls(adk_backend *backend, adk__interrupt *interrupt, uint32_t *ret_walls,
                                    adk_error **ret_error);

#endif
