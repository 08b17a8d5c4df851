/*
 * The executor's inside: its state, the jobs, and what the files of the module share.
 *
 *   executor.c        the public functions
 *   executor_queue.c  which job is next, which is due
 *   executor_threads.c the threads and what they do with a job
 *   executor_job.c    the job object
 *   executor_result.c results of jobs that end in the queue, and what the queue changes in those that do not
 *   executor_fork.c   what a child finds
 *
 * One lock guards the executor and all of its jobs. It is never held while foreign code runs (a backend, a callback, a
 * cancellation's watches), nor while one of the locks of adk_cancel is taken; it may be taken within those, because the
 * caller's cancellation calls us locked.
 */
#ifndef ADK_CORE_EXECUTOR_H
#define ADK_CORE_EXECUTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <adk/executor.h>

#include "base/cleanup.h"
#include "core/executor_heap.h"
#include "core/executor_queue.h"

/** Where a job is. But for the first and the last it is in one of the executor's lists. */
typedef enum adk__job_state {
    ADK__JOB_NEW = 0,
    ADK__JOB_QUEUED,
    ADK__JOB_ENDING,    /* has left the queue without running; the watching thread will say so */
    ADK__JOB_RUNNING,   /* a thread has it */
    ADK__JOB_ENDED,     /* the same, but the result is there and the callback runs */
    ADK__JOB_COLLECTED, /* finished, and waits to be taken */
    ADK__JOB_FINISHED,
} adk__job_state;

struct adk_job {
    adk_executor *executor; /* a reference */
    atomic_uint references;
    adk__job_state state;
    adk_job *next; /* in the list of its state */
    adk_job *prev;
    adk__queue_place place;
    uint64_t tenant_tag;
    uint64_t start_ns;
    uint64_t deadline_ns;
    uint64_t timeout_ns; /* of the request, as the result will say it */
    adk_backend *backend;
    adk_request *request; /* the copy; NULL from ENDED on */
    adk_cancel *cancel;   /* of this job alone */
    adk_cancel *given;    /* the caller's, a reference; with `watch` in its list. NULL from ENDED on */
    adk_cancel_watch watch;
    adk_job_fn on_done;
    void *data;
    uint32_t flags;
    adk_outcome queue_outcome; /* from ENDING on: why */
    bool taken;                /* the result is, or the error */
    int status;                /* from ENDED on */
    adk_result *result;
    adk_error *error;
    pthread_cond_t finished;
};

struct adk_executor {
    atomic_uint references; /* one of the owner's and one for each job */
    pthread_mutex_t mutex;
    adk__queue queue;
    uint32_t queue_length;
    uint32_t waiting;       /* places in the queue that are taken: queued, ending, and being submitted */
    adk_job *ending;        /* lists: first come, first served */
    adk_job *active;        /* RUNNING and ENDED */
    adk_job *collected;     /* finished and not taken */
    pthread_cond_t work;    /* for the threads that run */
    pthread_cond_t due;     /* for the thread that watches */
    uint64_t watch_wake_ns; /* when that will look again by itself; 0 while it looks */
    bool closing;           /* nothing is submitted any more */
    bool closed;            /* and the threads have ended */
    bool watch_stop;
    bool forked;             /* this is a child's copy: the threads are not here. Set while there is but one thread */
    int fd;                  /* an eventfd: 1 while `collected` is not empty */
    adk_executor *fork_next; /* fork's list of all executors */
    adk_executor *fork_prev;
    size_t stack_bytes;
    uint32_t thread_count; /* started and not joined */
    pthread_t watcher;
    pthread_t threads[];
};

static inline pthread_mutex_t *adk__executor_lock(adk_executor *executor)
{
    (void)pthread_mutex_lock(&executor->mutex);
    return &executor->mutex;
}

/** Holds the lock until the end of the block. */
#define ADK__EXECUTOR_LOCKED(executor) \
    ADK_AUTO_UNLOCK __attribute__((unused)) pthread_mutex_t *locked_ = adk__executor_lock(executor)

/* ---- executor.c --------------------------------------------------------------------------------------------------- */

/** Gives a reference back; the last one frees. No lock is held. */
void adk__executor_unref(adk_executor *executor);

/* ---- executor_queue.c, with the lock held ------------------------------------------------------------------------- */

/** Takes a job out of the queue and leaves it to the watching thread to end it with this outcome. */
void adk__executor_end_queued(adk_executor *executor, adk_job *job, adk_outcome outcome);

/* ---- executor_threads.c ------------------------------------------------------------------------------------------- */

/** Starts the threads: all, or none. Returns 0 or an errno value. */
ADK_MUST_USE int adk__executor_start(adk_executor *executor, uint32_t threads);

/** Waits until they have ended, which they do when the executor is closing and nothing is left. */
void adk__executor_join(adk_executor *executor);

/* ---- executor_job.c ----------------------------------------------------------------------------------------------- */

/** Makes a job with one reference, out of a submission that has been checked. Copies the request. */
ADK_MUST_USE int adk__job_new(adk_executor *executor, const adk_submission *submission, uint64_t start_ns,
                              adk_job **ret_job, adk_error **ret_error);

/** Begins to look at the caller's cancellation, and ends it. No lock is held. */
void adk__job_watch(adk_job *job);
void adk__job_unwatch(adk_job *job);

/* ---- executor_result.c -------------------------------------------------------------------------------------------- */

/** What adk_backend_execute() and its like give. */
typedef struct adk__ending {
    int status;
    adk_result *result;
    adk_error *error;
} adk__ending;

/** Runs a job on the calling thread, with what is left of its time. */
adk__ending adk__job_execute(adk_job *job);

/** The ending of a job that has not run: timed_out or cancelled, phase queue. */
adk__ending adk__job_end_in_queue(const adk_job *job, adk_outcome outcome);

/* ---- executor_fork.c ---------------------------------------------------------------------------------------------- */

/** Enters an executor into the list of those that a fork has to care for, and takes it out. No lock is held. */
ADK_MUST_USE int adk__executor_fork_add(adk_executor *executor, adk_error **ret_error);
void adk__executor_fork_remove(adk_executor *executor);

#endif
