/*
 * A run in a process of its own: from the fork to its end.
 */
#ifndef ADK_WORKER_CHILD_H
#define ADK_WORKER_CHILD_H

#include <stdbool.h>

#include "wasm/run.h"

/** Where ordinary modules run: in a pool of one slot, whose bounds are those of modules in process. */
#define ADK__CHILD_SHARD UINT32_C(0)

/** A run of an ordinary module. Takes its order from `channel`, runs it, and ends the process. */
_Noreturn void adk__child_run(int channel, adk__engines *engines, uint32_t flavour);

/**
 * In a fork of a warm image, within the guest's call: takes its order and puts it into `run`, which goes on with it. False
 * where it is not to go on: its cause says why.
 */
bool adk__child_resume(int channel, adk__run *run, const adk__shard *shard);

/** The end of a run that was resumed, with what adk__live() returned. */
_Noreturn void adk__child_finish(adk__run *run, int status, adk_error *error);

#endif
