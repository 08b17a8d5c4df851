/*
 * A session in its process: what happens between two calls.
 */
#ifndef ADK_WORKER_CALLS_H
#define ADK_WORKER_CALLS_H

#include <stdbool.h>

#include "wasm/run.h"
#include "worker/protocol.h"

/**
 * In a fork of a warm image, within the guest's call: makes it the session that it is told, and waits for the first call.
 * Returns true, as the guest is to go on with that; or does not return.
 */
bool adk__calls_begin(int channel, adk__run *run, const adk__shard *shard);

/** Whether the call that begins is the first of its process: of a session's, or of a branch's. */
bool adk__calls_is_new_process(void);

#endif
