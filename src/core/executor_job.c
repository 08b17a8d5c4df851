/*
 * The job: made by a submission, shared by the executor and whoever kept it, and outliving both.
 *
 * It has a cancellation of its own, because the caller's may belong to many runs and cancelling one of them must not
 * touch the others; the caller's fires ours. That is one lock of adk_cancel taken within another: always in this order,
 * as ours is known to nobody else.
 */
#include "core/executor.h"

#include <stdlib.h>

#include "base/clock.h"
#include "core/error.h"
#include "core/request_copy.h"
#include "core/struct_size.h"

/* In a child the caller's cancellation may be locked for ever by a thread of the parent's: a job that it points to must
 * stay, without its bytes. */
static void destroy(adk_job *job)
{
    bool forked = job->executor->forked;

    free(adk__take_ptr(job->request));
    if (forked && job->given != NULL)
        return;
    adk_result_free(job->result);
    adk_error_free(job->error);
    adk_cancel_free(job->cancel);
    adk_cancel_free(job->given);
    if (!forked) /* it would wait for the parent's threads that wait on it */
        (void)pthread_cond_destroy(&job->finished);
    adk__executor_unref(job->executor);
    free(job);
}

adk_job *adk_job_ref(adk_job *job)
{
    if (job != NULL)
        (void)atomic_fetch_add_explicit(&job->references, 1, memory_order_relaxed);
    return job;
}

void adk_job_free(adk_job *job)
{
    if (job != NULL && atomic_fetch_sub_explicit(&job->references, 1, memory_order_acq_rel) == 1)
        destroy(job);
}
ADK_DEFINE_AUTO(adk_job, adk_job_free);

int adk__job_new(adk_executor *executor, const adk_submission *submission, uint64_t start_ns, adk_job **ret_job,
                 adk_error **ret_error)
{
    ADK_AUTO(adk_job_free) adk_job *job = calloc(1, sizeof(*job));
    adk_request request;
    int status;

    if (job == NULL)
        return adk__fail_nomem(ret_error);
    atomic_init(&job->references, 1);
    job->executor = executor;
    (void)atomic_fetch_add_explicit(&executor->references, 1, memory_order_relaxed);
    (void)pthread_cond_init(&job->finished, NULL);                          /* cannot fail without attributes */
    (void)adk__struct_read(&request, sizeof(request), submission->request); /* has been checked */
    job->start_ns = start_ns;
    job->timeout_ns = request.timeout_ns > INT64_MAX ? INT64_MAX : request.timeout_ns;
    job->deadline_ns = adk__add_saturated(start_ns, request.timeout_ns);
    job->backend = submission->backend;
    job->tenant_tag = submission->tenant;
    job->on_done = submission->on_done;
    job->data = submission->data;
    job->flags = submission->flags;
    status = adk_cancel_new(&job->cancel, ret_error);
    if (status == ADK_OK)
        status = adk__request_copy(&request, &job->request, ret_error);
    if (status != ADK_OK)
        return status;
    job->given = adk_cancel_ref(submission->cancel);
    *ret_job = adk__take_ptr(job);
    return ADK_OK;
}

/* ---- cancelling --------------------------------------------------------------------------------------------------- */

void adk_job_cancel(adk_job *job)
{
    if (job == NULL || job->executor->forked)
        return;
    adk_cancel_fire(job->cancel); /* first, so that a submission under way sees it under the lock */
    ADK__EXECUTOR_LOCKED(job->executor);
    if (job->state == ADK__JOB_QUEUED)
        adk__executor_end_queued(job->executor, job, ADK_OUTCOME_CANCELLED);
}

static void on_cancel(void *data)
{
    adk_job_cancel(data);
}

void adk__job_watch(adk_job *job)
{
    if (job->given != NULL)
        adk_cancel_add_watch(job->given, &job->watch, on_cancel, job);
}

void adk__job_unwatch(adk_job *job)
{
    if (job->given != NULL)
        adk_cancel_remove_watch(job->given, &job->watch);
}

/* ---- what its holders ask ----------------------------------------------------------------------------------------- */

void *adk_job_data(const adk_job *job)
{
    return job->data;
}

static bool is_finished(const adk_job *job)
{
    return job->state == ADK__JOB_COLLECTED || job->state == ADK__JOB_FINISHED;
}

int adk_job_wait(adk_job *job, uint64_t timeout_ns)
{
    uint64_t until_ns = adk__add_saturated(adk__now_ns(), timeout_ns);
    struct timespec until = adk__timespec_from_ns(until_ns);

    ADK__EXECUTOR_LOCKED(job->executor);
    while (!is_finished(job)) {
        if (job->executor->forked)
            return ADK_E_UNAVAILABLE;
        if (adk__now_ns() >= until_ns)
            return ADK_E_BUSY;
        (void)pthread_cond_clockwait(&job->finished, &job->executor->mutex, CLOCK_MONOTONIC, &until);
    }
    return ADK_OK;
}

int adk_job_take_result(adk_job *job, adk_result **ret_result, adk_error **ret_error)
{
    ADK__EXECUTOR_LOCKED(job->executor);
    if (job->state < ADK__JOB_ENDED) {
        if (job->executor->forked)
            return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the job is another process's and will not end here");
        return adk__fail(ret_error, ADK_E_BUSY, 0, "the job has not ended");
    }
    if (job->taken)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the job's result has been taken");
    job->taken = true;
    if (job->status == ADK_OK)
        *ret_result = adk__take_ptr(job->result);
    else if (ret_error != NULL)
        *ret_error = adk__take_ptr(job->error);
    return job->status;
}
