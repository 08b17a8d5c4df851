/*
 * The message of a run whose time is up, for the executor and for backends.
 */
#ifndef ADK_CORE_EXECUTOR_RESULT_H
#define ADK_CORE_EXECUTOR_RESULT_H

#include <adk/result.h>

#endif
