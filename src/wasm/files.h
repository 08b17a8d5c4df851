/*
 * A run's files: in before the guest starts, out after it has ended.
 */
#ifndef ADK_WASM_FILES_H
#define ADK_WASM_FILES_H

#include "wasm/run.h"

/** Puts the request's files into the run's tree. Where that must stop early, the run's cause says why. */
ADK_MUST_USE int adk__files_in(adk__run *run, adk_error **ret_error);

/**
 * Collects the request's outputs, in every outcome. A run that ended by itself has until its deadline for it (then it is
 * timed out in phase collect); one that was stopped has a few milliseconds more.
 */
ADK_MUST_USE int adk__files_out(adk__run *run, adk_error **ret_error);

/** The run's tree. Where there is no memory for it the run is stopped, and *ret_vfs is NULL. */
ADK_MUST_USE int adk__files_tree(adk__run *run, adk__vfs **ret_vfs, adk_error **ret_error);

/** A directory given by a path that does not begin with a slash is preopened under that very name as well. */
ADK_MUST_USE int adk__files_preopen(adk__run *run, adk__vfs *vfs, adk_bytes name, adk_error **ret_error);

#endif
