/*
 * The pages that a run will write to, known ahead.
 */
#ifndef ADK_WORKER_PAGES_H
#define ADK_WORKER_PAGES_H

#include <stdbool.h>
#include <stddef.h>

/** While there is a /proc: opens the list of what is mapped. */
void adk__pages_begin(void);

/**
 * In a worker at its checkpoint: forks the rehearsal and waits for it. True in the rehearsal itself, which runs a program as
 * a run would and then calls adk__pages_end_rehearsal(). `memory` is the guest's.
 */
bool adk__pages_rehearse(void *memory, size_t size);

/** The end of a rehearsal that went well; one that did not just exits. */
_Noreturn void adk__pages_end_rehearsal(void);

/** In a run's process, before its order: what the rehearsal wrote to is copied now. */
void adk__pages_touch(void);

#endif
