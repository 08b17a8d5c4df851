/*
 * A request's program, as the files that the driver of a warm image reads (worker/image.h).
 */
#ifndef ADK_WORKER_PROGRAM_H
#define ADK_WORKER_PROGRAM_H

#include <adk/defs.h>
#include <adk/request.h>

#include <stdbool.h>

#include "vfs/vfs.h"

/**
 * Puts code, arguments and environment into the tree; of a session's call, a copy of them, and that it is one, and whether
 * its process is new. Otherwise the code is the request's own, and what else is made lasts as long as the process. Returns 0 or a
 * negative errno value.
 */
ADK_MUST_USE int adk__program_put(adk__vfs *vfs, const adk_request *request, bool is_session, bool is_new);

#endif
