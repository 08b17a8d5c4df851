/*
 * Checking requests.
 */
#ifndef ADK_CORE_REQUEST_H
#define ADK_CORE_REQUEST_H

#include <adk/backend.h>
#include <adk/error.h>
#include <adk/request.h>

/**
 * Reads a caller's request of any version into *ret_request, checks all of it, and fills in the defaults. ADK_E_INVALID
 * names what is wrong, ADK_E_UNSUPPORTED what `enforced` (ADK_ENFORCES_* bits) lacks.
 */
ADK_MUST_USE int adk__request_read(const adk_request *given, uint32_t enforced, adk_request *ret_request,
                                   adk_error **ret_error);

/** The memory limit of a request in this language that names none. */
uint64_t adk__request_memory_default(adk_language language);

/** A guest's path as its tree wants it: relative to the root, without slashes at either end. Empty: the root. */
adk_bytes adk__request_path(adk_bytes path);

#endif
