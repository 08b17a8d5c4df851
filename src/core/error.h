/*
 * Making errors inside the library.
 */
#ifndef ADK_CORE_ERROR_H
#define ADK_CORE_ERROR_H

#include <adk/error.h>

/**
 * Stores a new error in *ret_error (which may be NULL) and returns `code`, so that a failure is one statement. With a
 * `system_errno` its text is appended to the message. Untrusted bytes must be escaped before they come here.
 */
int adk__fail(adk_error **ret_error, int code, int system_errno, const char *format, ...) ADK_PRINTF(4, 5);

/** As adk__fail(ADK_E_NOMEM): no memory is needed, an absent error means "out of memory". */
int adk__fail_nomem(adk_error **ret_error);

#endif
