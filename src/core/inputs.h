/*
 * Files in: what a request names is put into a run's tree before the guest starts.
 */
#ifndef ADK_CORE_INPUTS_H
#define ADK_CORE_INPUTS_H

#include <adk/error.h>
#include <adk/request.h>

#include "base/interrupt.h"
#include "vfs/vfs.h"

/** Why not all of the files were put in, though nothing failed. */
typedef enum adk__inputs_stop {
    ADK__INPUTS_DONE = 0,
    ADK__INPUTS_INTERRUPTED, /* deadline or cancellation */
    ADK__INPUTS_MEMORY,      /* the copies do not fit the memory limit */
} adk__inputs_stop;

/**
 * Puts the request's files into a tree. Content is borrowed, copies of host files are charged to the tree's budget.
 * ADK_E_INVALID names the file: it is missing, twice there, unreadable, or neither file nor directory. ADK_E_SYSTEM,
 * ADK_E_NOMEM otherwise.
 */
ADK_MUST_USE int adk__inputs_load(const adk_request *request, adk__vfs *vfs, adk__interrupt *interrupt,
                                  adk__inputs_stop *ret_stop, adk_error **ret_error);

#endif
