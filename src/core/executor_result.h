/*
 * The message of a run whose time is up, for the executor and for backends.
 */
#ifndef ADK_CORE_EXECUTOR_RESULT_H
#define ADK_CORE_EXECUTOR_RESULT_H

#include <adk/result.h>

/** Sets the message: "execution timed out after 1.5s", from the result's limits. Returns ADK_OK or ADK_E_NOMEM. */
ADK_MUST_USE int adk__result_timed_out_message(adk_result *result);

#endif
