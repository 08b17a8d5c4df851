/*
 * Files in and out of a run, under its deadline and its budget. A run that names no files never has a tree.
 */
#include "wasm/files.h"

#include <errno.h>

#include "core/error.h"
#include "core/inputs.h"
#include "core/outputs.h"
#include "core/result.h"
#include "wasi/abi.h"
#include "wasm/ending.h"

/* What a run that was stopped has for collecting: little, as its time is up. */
#define GRACE_NS UINT64_C(10000000)

int adk__files_tree(adk__run *run, adk__vfs **ret_vfs, adk_error **ret_error)
{
    int failed = adk__wasi_files(run->wasi, ret_vfs);

    if (failed == -ENOSPC) {
        adk__run_stop(run, ADK__CAUSE_MEMORY, ADK_PHASE_INSTANTIATE);
        *ret_vfs = NULL;
        return ADK_OK;
    }
    return failed ? adk__fail_nomem(ret_error) : ADK_OK;
}

int adk__files_preopen(adk__run *run, adk__vfs *vfs, adk_bytes name, adk_error **ret_error)
{
    adk__vfs_inode *inode;
    adk__vfs_stat info;
    uint16_t failed = 0;

    if (*(const char *)name.data == '/' ||
        adk__vfs_resolve(adk__vfs_root(vfs), name.data, name.size, true, &inode) != 0)
        return ADK_OK;
    adk__vfs_get_stat(inode, &info);
    if (info.type == ADK__VFS_TYPE_DIRECTORY)
        failed = adk__wasi_preopen(run->wasi, name.data, (uint32_t)name.size, inode);
    adk__vfs_drop(inode);
    if (failed == ADK__WASI_ENOMEM)
        adk__run_stop(run, ADK__CAUSE_MEMORY, ADK_PHASE_INSTANTIATE);
    else if (failed)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "too many directories are given by relative paths");
    return ADK_OK;
}

int adk__files_in(adk__run *run, adk_error **ret_error)
{
    adk__inputs_stop stop = ADK__INPUTS_DONE;
    adk__vfs *vfs = NULL;
    int status;

    if (run->request->files_count == 0)
        return ADK_OK;
    status = adk__files_tree(run, &vfs, ret_error);
    if (status == ADK_OK && vfs != NULL)
        status = adk__inputs_load(run->request, vfs, &run->interrupt, &stop, ret_error);
    if (stop == ADK__INPUTS_MEMORY)
        adk__run_stop(run, ADK__CAUSE_MEMORY, ADK_PHASE_INSTANTIATE);
    else if (stop == ADK__INPUTS_INTERRUPTED)
        (void)adk__run_is_due(run, ADK_PHASE_INSTANTIATE);
    for (size_t i = 0; i < run->request->files_count && status == ADK_OK && run->cause == ADK__CAUSE_NONE; i++)
        status = adk__files_preopen(run, vfs, run->request->files[i].path, ret_error);
    return status;
}

struct patience {
    adk__run *run;
    uint64_t end_ns; /* of the grace; 0 for a run that ended by itself */
};

static bool may_go_on(void *data)
{
    struct patience *patience = data;

    if (patience->end_ns != 0)
        return adk__now_ns() < patience->end_ns;
    return !adk__run_is_due(patience->run, ADK_PHASE_COLLECT);
}

int adk__files_out(adk__run *run, adk_error **ret_error)
{
    bool stopped = run->result->outcome == ADK_OUTCOME_TIMED_OUT || run->result->outcome == ADK_OUTCOME_CANCELLED;
    uint64_t end_ns = run->last_ns != 0 ? run->last_ns : adk__now_ns() + GRACE_NS;
    struct patience patience = {run, stopped ? end_ns : 0};
    adk__vfs *vfs = adk__wasi_files_made(run->wasi);
    adk__cause ended = run->cause;

    if (run->request->outputs_count == 0 || vfs == NULL)
        return ADK_OK;
    if (!stopped)
        run->cause = ADK__CAUSE_NONE; /* why the guest ended is in the result by now */
    if (adk__outputs_collect(run->request, vfs, may_go_on, &patience, run->result) != ADK_OK)
        return adk__fail_nomem(ret_error);
    if (!stopped && run->cause != ADK__CAUSE_NONE && run->result->outcome == ADK_OUTCOME_EXITED) {
        run->result->code = 0;
        return adk__ending_set(run, NULL, ret_error);
    }
    run->cause = ended;
    return ADK_OK;
}
