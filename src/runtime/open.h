/*
 * The two ways in which a runtime runs programs: in forks of a warm image, or each from the beginning in this process.
 */
#ifndef ADK_RUNTIME_OPEN_H
#define ADK_RUNTIME_OPEN_H

#include "runtime/manifest.h"
#include "runtime/settings.h"

/** As adk_runtime_backend_new(): warm where a worker is to be used, else cold. */
ADK_MUST_USE int adk__runtime_open(const adk_runtime *runtime, const adk__runtime_settings *settings,
                                   adk_backend **ret_backend, adk_error **ret_error);

ADK_MUST_USE int adk__warm_open(const adk_runtime *runtime, const adk__runtime_settings *settings,
                                adk_backend **ret_backend, adk_error **ret_error);
ADK_MUST_USE int adk__cold_open(const adk_runtime *runtime, const adk__runtime_settings *settings,
                                adk_backend **ret_backend, adk_error **ret_error);

#endif
