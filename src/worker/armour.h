/*
 * What a worker gives up before it touches a byte of a job: memory beyond its limit, and every system call that compiling
 * does not need.
 */
#ifndef ADK_WORKER_ARMOUR_H
#define ADK_WORKER_ARMOUR_H

#include <stdint.h>

/** No core file, no new privileges, not to be traced by others of the same user. Returns 0 or an errno value. */
int adk__armour_begin(void);

/** Limits the address space to what there is and `memory_bytes` more, files to that many. Returns 0 or an errno value. */
int adk__armour_limit(uint64_t memory_bytes);

/** Only the system calls of the list, from now on, for all threads. Returns 0 or an errno value. */
int adk__armour_seal(void);

#endif
