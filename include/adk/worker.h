/**
 * Runs in processes of their own: what stands between them and the host.
 *
 * A backend made with ADK_WASM_ARMOURED (adk/wasm.h) runs each module in a process forked from a worker, a helper program
 * without privileges. How many of its walls the system grants differs from machine to machine; what is there is said, and
 * nothing is claimed that is not.
 */
#ifndef ADK_WORKER_H
#define ADK_WORKER_H

#include <adk/backend.h>
#include <adk/defs.h>
#include <adk/error.h>

ADK_BEGIN_DECLS

/** Bits: what a run's process is held by, beside the guest's own sandbox. */
enum {
    ADK_WALL_NO_NEW_PRIVILEGES = 1u << 0, /**< no program can give it any, and it has none */
    ADK_WALL_SYSTEM_CALLS = 1u << 1,      /**< an allow-list (seccomp) */
    ADK_WALL_USER = 1u << 2,              /**< a user namespace of its own, as nobody */
    ADK_WALL_PROCESSES = 1u << 3,         /**< it sees no process of the host's, and dies with its worker */
    ADK_WALL_NETWORK = 1u << 4,           /**< a network namespace with nothing in it */
    ADK_WALL_FILES = 1u << 5,             /**< a mount namespace with an empty root */
    ADK_WALL_IPC = 1u << 6,               /**< System V and POSIX queues of its own */
    ADK_WALL_LIMITS = 1u << 7,            /**< resource limits: no files, no core, few descriptors */
    ADK_WALL_MEMORY = 1u << 8             /**< memory beyond the guest's budget is bounded by the kernel */
};

/**
 * The walls that the runs of a backend have on this machine; starts a worker where there is none yet.
 *
 * Ownership: borrows `backend`.
 * Threads:   any thread.
 * Errors:    ADK_E_INVALID where the backend's runs are not in processes of their own; ADK_E_UNAVAILABLE where no worker
 *            can be started, with the reason; ADK_E_NOMEM, ADK_E_SYSTEM. On error *ret_walls is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_worker_walls(adk_backend *backend, uint32_t *ret_walls,
                                                            adk_error **ret_error);

/**
 * The word for one wall's bit ("system_calls", …); NULL for anything else.
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_wall_cstr(uint32_t wall);

ADK_END_DECLS

#endif
