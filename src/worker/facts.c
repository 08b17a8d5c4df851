/*
 * What is said about processes of their own: which walls they have.
 */
#include <adk/worker.h>

#include "base/interrupt.h"
#include "core/error.h"
#include "worker/armoured.h"
#include "worker/runtime.h"

#define PATIENCE_NS (UINT64_C(60) * ADK__NS_PER_S)

int adk_worker_walls(adk_backend *backend, uint32_t *ret_walls, adk_error **ret_error)
{
    adk__interrupt deadline;
    int status;

    if (adk__interrupt_init(&deadline) != 0)
        return adk__fail_nomem(ret_error);
    adk__interrupt_begin(&deadline, adk__add_saturated(adk__now_ns(), PATIENCE_NS));
    if (adk__armoured_is(backend))
        status = adk__armoured_walls(backend, &deadline, ret_walls, ret_error);
    else if (adk__runtime_is(backend))
        status = adk__runtime_walls(backend, &deadline, ret_walls, ret_error);
    else
        status = adk__fail(ret_error, ADK_E_INVALID, 0, "the backend \"%s\" runs nothing in processes of their own",
                           adk_backend_name_cstr(backend));
    adk__interrupt_destroy(&deadline);
    return status;
}

const char *adk_wall_cstr(uint32_t wall)
{
    switch (wall) {
    case ADK_WALL_NO_NEW_PRIVILEGES:
        return "no_new_privileges";
    case ADK_WALL_SYSTEM_CALLS:
        return "system_calls";
    case ADK_WALL_USER:
        return "user";
    case ADK_WALL_PROCESSES:
        return "processes";
    case ADK_WALL_NETWORK:
        return "network";
    case ADK_WALL_FILES:
        return "files";
    case ADK_WALL_IPC:
        return "ipc";
    case ADK_WALL_LIMITS:
        return "limits";
    case ADK_WALL_MEMORY:
        return "memory";
    default:
        return NULL;
    }
}
