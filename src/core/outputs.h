/*
 * Files out: what a request names is copied from a run's tree into its result.
 */
#ifndef ADK_CORE_OUTPUTS_H
#define ADK_CORE_OUTPUTS_H

#include <adk/request.h>
#include <adk/result.h>

#include "vfs/vfs.h"

/** Whether collecting may go on; asked now and then. */
typedef bool (*adk__outputs_go_on)(void *data);

/**
 * Collects the request's outputs into `result`, as far as limits and time allow; what is missing is marked there.
 * ADK_E_NOMEM where the host has none.
 */
ADK_MUST_USE int adk__outputs_collect(const adk_request *request, adk__vfs *vfs, adk__outputs_go_on go_on,
                                      void *go_on_data, adk_result *result);

#endif
