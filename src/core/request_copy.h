/*
 * Requests that outlive their call.
 */
#ifndef ADK_CORE_REQUEST_COPY_H
#define ADK_CORE_REQUEST_COPY_H

#include <stddef.h>

#include <adk/error.h>
#include <adk/request.h>

/** The size of the block that a copy of such a request takes; SIZE_MAX where the sizes add up to more than there is. */
size_t adk__request_size(const adk_request *request);

/**
 * Copies a request, with every byte it points to, into one block that free() frees. The request is of this version and
 * has passed adk__request_read(). What is not bytes stays where it is: `module`, callbacks and their data. Fails with
 * ADK_E_NOMEM, also where the sizes add up to more than there is.
 */
ADK_MUST_USE int adk__request_copy(const adk_request *request, adk_request **ret_copy, adk_error **ret_error);

#endif
