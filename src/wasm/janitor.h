/*
 * The janitor: gives back what large runs have used, on a thread of its own, so that a run does not return late for it:
 * freeing 64 MiB of touched memory takes milliseconds.
 *
 * One thread per process, while a backend exists. It has room for a few stores; beyond them, and where the thread could not
 * be started, runs clean up after themselves: memory does not pile up behind it.
 */
#ifndef ADK_WASM_JANITOR_H
#define ADK_WASM_JANITOR_H

#include <stdbool.h>

#include "adk_engine.h"

#include <adk/error.h>

/** For a backend's life. */
ADK_MUST_USE int adk__janitor_retain(adk_error **ret_error);

/** Waits until what it has been given so far is given back. */
void adk__janitor_release(void);

/**
 * Takes the store of a run that has ended; when it is deleted `done(data)` is called, on the janitor's thread. False where
 * it has enough to do already: then the store stays the caller's.
 */
bool adk__janitor_take(wasmtime_store_t *store, void (*done)(void *data), void *data);

#endif
