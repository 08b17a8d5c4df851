/**
 * The executor: runs requests on threads of its own, for programs that must not wait.
 *
 * A *submission* says what is to be run and how the end is to be learned; it becomes a *job*, which waits in a bounded
 * queue, runs on one of a fixed set of threads, and finishes. Three ways lead to the end of a job, alone or together:
 * a callback; adk_executor_take(), with a descriptor for the event loop that is readable while there is something to
 * take; adk_job_wait(), for whoever kept the job. Then adk_job_take_result() gives what adk_backend_execute() would
 * have given.
 *
 * Lifetimes:
 *
 * 1. The request is copied when it is submitted, all bytes of it. What is not bytes is borrowed until the job is
 *    finished: the backend, a prepared module, the data of callbacks, the files of the host's that it names.
 * 2. A job is finished when its callback has returned: what the callback uses may be freed by who has waited for it.
 * 3. Every job accepted finishes, exactly once, shutting down included.
 * 4. A job is reference-counted. Freeing a job that is not finished lets go of it; it goes on, and is not cancelled.
 *    A job may be freed after its executor.
 *
 * The deadline, `timeout_ns` from the submission, covers the queue: a job whose deadline comes while it waits finishes
 * then, busy threads or not, with outcome timed_out in phase queue; one that starts late has what is left. A job that is
 * cancelled while it waits finishes at once: cancelled, phase queue. Jobs start in the order of their submission, but
 * that those of a tenant who has as many running as he may are passed over until one of these has finished.
 *
 * Callbacks (of the end, of streams and traces) run on the executor's threads. They may submit, cancel and take; they
 * must not wait for a job, nor close or free the executor. One that is slow holds up a thread; that of a job that ended
 * in the queue holds up the other jobs that end there.
 *
 * fork(): the executor's threads stay with the parent. In the child submitting fails, no job of the parent's finishes,
 * and freeing works and waits for nothing (memory of jobs that were under way with the caller's cancellation is kept, as
 * that still points to it). A child that touches nothing of it and exits is fine too.
 */
#ifndef ADK_EXECUTOR_H
#define ADK_EXECUTOR_H

#include <adk/backend.h>
#include <adk/cancel.h>
#include <adk/defs.h>
#include <adk/error.h>
#include <adk/request.h>
#include <adk/result.h>

ADK_BEGIN_DECLS

typedef struct adk_executor adk_executor;
typedef struct adk_job adk_job;

#define ADK_EXECUTOR_THREADS_MAX         ((uint32_t)1024)
#define ADK_EXECUTOR_QUEUE_DEFAULT       ((uint32_t)1024)
#define ADK_EXECUTOR_QUEUE_MAX           ((uint32_t)1 << 20)
#define ADK_EXECUTOR_STACK_MIN_BYTES     ((uint64_t)1 << 20)
#define ADK_EXECUTOR_STACK_DEFAULT_BYTES ((uint64_t)4 << 20)
#define ADK_EXECUTOR_STACK_MAX_BYTES     ((uint64_t)1 << 30)

/** What an executor is made with. Zero means the default everywhere. */
typedef struct adk_executor_options {
    size_t struct_size;
    uint32_t threads;            /**< runs at once; default: the CPUs that this process may use; at most 1,024 */
    uint32_t queue_length;       /**< jobs that wait; default 1,024, at most 1,048,576 */
    uint32_t tenant_running_max; /**< jobs of one tenant that run at once; default: as many as there are threads */
    uint32_t reserved;           /**< 0 */
    uint64_t stack_bytes; /**< of each thread; default 4 MiB, 1 MiB to 1 GiB. Guests that recurse without end trap
                                      whatever it is; with less than 3 MiB a compilation takes a thread of its own */
} adk_executor_options;
#define ADK_EXECUTOR_OPTIONS_INIT                   \
    {                                               \
        sizeof(adk_executor_options), 0, 0, 0, 0, 0 \
    }

/**
 * Called when a job has ended, on one of the executor's threads. `job` is borrowed until it returns; its result can be
 * taken. Must not throw or longjmp; see above for what else it must not.
 */
typedef void (*adk_job_fn)(void *data, adk_job *job);

/** Bits of adk_submission.flags. */
enum {
    ADK_SUBMISSION_COLLECT = 1u << 0 /**< when finished, the job waits for adk_executor_take() */
};

/** What is to be run. Start from ADK_SUBMISSION_INIT, set `backend` and `request`, and how the end is learned. */
typedef struct adk_submission {
    size_t struct_size;
    adk_backend *backend;       /**< must be given; borrowed until the job is finished */
    const adk_request *request; /**< must be given; copied */
    adk_cancel *cancel;         /**< or NULL; the job takes a reference of its own */
    uint64_t tenant;            /**< for whom this runs: any number, compared and nothing else */
    adk_job_fn on_done;         /**< or NULL */
    void *data;                 /**< for on_done and adk_job_data() */
    uint32_t flags;             /**< ADK_SUBMISSION_* bits */
    uint32_t reserved;          /**< 0 */
} adk_submission;
#define ADK_SUBMISSION_INIT                                           \
    {                                                                 \
        sizeof(adk_submission), NULL, NULL, NULL, 0, NULL, NULL, 0, 0 \
    }

/** What becomes of the jobs that are not finished when an executor is closed. */
typedef uint32_t adk_shutdown;
enum {
    ADK_SHUTDOWN_WAIT = 0,  /**< all of them run and end by themselves, at the latest at their deadlines */
    ADK_SHUTDOWN_CANCEL = 1 /**< all of them are cancelled, those in the queue and those that run */
};

/**
 * Makes an executor and starts its threads: `threads` of them, and one that watches the queue. They block all signals but
 * those by which the engine learns of a trap. `options` may be NULL: all defaults.
 *
 * Ownership: options are copied. The caller owns *ret_executor and frees it with adk_executor_free().
 * Threads:   any thread.
 * Errors:    ADK_E_INVALID, ADK_E_NOMEM, ADK_E_SYSTEM. On error *ret_executor is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(2) int adk_executor_new(const adk_executor_options *options,
                                                         adk_executor **ret_executor, adk_error **ret_error);

/**
 * Ends all jobs as `mode` says, their callbacks included, and the threads; nothing can be submitted from the moment of
 * the call. Finished jobs can still be taken. Does nothing the second time.
 *
 * Ownership: borrows `executor`.
 * Threads:   one thread at a time, and none of the executor's own.
 * Errors:    none. An unknown `mode` is taken for ADK_SHUTDOWN_CANCEL.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) void adk_executor_close(adk_executor *executor, adk_shutdown mode);

/**
 * Closes an executor, where that has not been done, and frees it, with the jobs that nobody has taken. Jobs that callers
 * hold stay theirs.
 *
 * Ownership: takes `executor`; NULL is fine. Its descriptor is closed.
 * Threads:   any thread, once, and none of the executor's own.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_executor_free(adk_executor *executor, adk_shutdown mode);

/**
 * Submits a request. It is checked here as adk_backend_execute() checks it, and refused at once where the queue is full.
 *
 * Somebody must learn of the end: a callback, ADK_SUBMISSION_COLLECT or `ret_job` must be given, or several of them.
 *
 * Ownership: `submission` is borrowed for the call; see above for what it points to. With `ret_job` (which may be
 *            NULL) the caller owns a reference to the job, frees it with adk_job_free(); *ret_job is written
 *            before the callback is called.
 * Threads:   any thread, the executor's own included.
 * Errors:    ADK_E_INVALID, ADK_E_UNSUPPORTED, ADK_E_NOMEM, ADK_E_SYSTEM; ADK_E_BUSY where the queue is full;
 *            ADK_E_UNAVAILABLE where the executor has been closed, or belongs to the parent of this process. On error
 *            *ret_job is not written, and the callback is not called.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_executor_submit(adk_executor *executor, const adk_submission *submission,
                                                               adk_job **ret_job, adk_error **ret_error);

/**
 * A descriptor that is readable while adk_executor_take() has something to give: for poll(2), select(2) and epoll(7), by
 * edge or by level. It is not to be read, written or closed.
 *
 * Ownership: the executor's.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) int adk_executor_fd(const adk_executor *executor);

/**
 * The job that finished first of those submitted with ADK_SUBMISSION_COLLECT; NULL where there is none at present. Never
 * waits.
 *
 * Ownership: the caller owns the reference and frees it with adk_job_free().
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1) adk_job *adk_executor_take(adk_executor *executor);

/**
 * The `data` of the submission.
 *
 * Ownership: the submitter's.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) void *adk_job_data(const adk_job *job);

/**
 * Waits until a job is finished, for `timeout_ns` at most; 0 only looks, UINT64_MAX waits as long as it takes.
 *
 * Ownership: borrows `job`.
 * Threads:   any thread but the executor's own.
 * Errors:    ADK_E_BUSY where it is not finished by then; ADK_E_UNAVAILABLE where it is the parent's of this process and
 *            will not finish here.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1) int adk_job_wait(adk_job *job, uint64_t timeout_ns);

/**
 * Cancels one job, waiting or running. Does nothing to one that has ended. What else has its adk_cancel goes on.
 *
 * Ownership: borrows `job`; NULL is fine.
 * Threads:   any thread, the executor's own included.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_job_cancel(adk_job *job);

/**
 * Takes what adk_backend_execute() would have given: its return value, and the result or the error. From the callback
 * on, once.
 *
 * In the result the timeout is the submission's and `duration_ns` counts from the submission, so that it has the time in
 * the queue in it; the other figures are the run's own.
 *
 * Ownership: the caller owns *ret_result or *ret_error, and frees it.
 * Threads:   any thread.
 * Errors:    those of the run (adk_backend_execute()); ADK_E_BUSY where the job has not ended; ADK_E_INVALID where the
 *            result has been taken; ADK_E_UNAVAILABLE where it will not end in this process. On error *ret_result is
 *            not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_job_take_result(adk_job *job, adk_result **ret_result,
                                                               adk_error **ret_error);

/**
 * Takes one more reference.
 *
 * Ownership: the caller owns the reference and frees it with adk_job_free(). NULL gives NULL.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API adk_job *adk_job_ref(adk_job *job);

/**
 * Gives one reference back; the last one frees, with a result that nobody has taken. The job goes on.
 *
 * Ownership: takes the reference; NULL is fine.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_job_free(adk_job *job);

ADK_END_DECLS

#endif
