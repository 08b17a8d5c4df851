/*
 * The queue: jobs in the order of their submission, seen in three ways: as one list, by tenant, and by deadline. Nothing
 * here is linear in its length, whoever submits and however much.
 *
 * All functions: under the executor's lock.
 */
#ifndef ADK_CORE_EXECUTOR_QUEUE_H
#define ADK_CORE_EXECUTOR_QUEUE_H

#include <stdint.h>

#include <adk/executor.h>

#include "core/executor_heap.h"

typedef struct adk__tenant adk__tenant;

typedef struct adk__queue {
    adk_job *jobs;        /* all that wait, the oldest first */
    adk__tenant *tenants; /* by tag: those who have jobs that wait or run */
    adk__heap runnable;   /* tenants who may run one more and have one that waits, by its number */
    adk__heap deadlines;  /* jobs that wait */
    uint32_t running_max; /* of one tenant; 0: no such limit, and no need to tell tenants apart */
    uint64_t next_number;
} adk__queue;

/** A job's place in a queue. All zero: none. */
typedef struct adk__queue_place {
    adk__tenant *tenant; /* while it waits and while it runs */
    adk_job *next;       /* of the same tenant, while it waits */
    adk_job *prev;
    uint64_t number;
    adk__heap_node deadline;
} adk__queue_place;

/** Makes a queue for at most `length` jobs. Returns ADK_OK or ADK_E_NOMEM. */
ADK_MUST_USE int adk__queue_init(adk__queue *queue, uint32_t length, uint32_t running_max);

/** Frees what is left, but not the jobs. */
void adk__queue_destroy(adk__queue *queue);

/** Appends a job. Returns ADK_OK or ADK_E_NOMEM. */
ADK_MUST_USE int adk__queue_add(adk__queue *queue, adk_job *job);

/** Takes out a job that waits; it will not run. */
void adk__queue_remove(adk__queue *queue, adk_job *job);

/** Takes out the oldest job whose tenant may run one more, and counts it as running; NULL where there is none. */
adk_job *adk__queue_next(adk__queue *queue);

/** A job of adk__queue_next() has ended. */
void adk__queue_done(adk__queue *queue, adk_job *job);

/** A job whose deadline has come; it stays where it is. NULL where there is none. */
adk_job *adk__queue_due(const adk__queue *queue, uint64_t now_ns);

/** The earliest deadline of all that wait; ADK__NEVER where nothing waits. */
uint64_t adk__queue_deadline(const adk__queue *queue);

#endif
