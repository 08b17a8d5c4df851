/*
 * Theory of operation: N threads run jobs, and one more watches the queue.
 *
 * The one that watches is needed because deadlines come while all others are busy with guests: it sleeps until the
 * earliest deadline of the queue (for good while nothing waits) and is woken only for an earlier one, for a job
 * cancelled in the queue, and at the end. It ends those jobs and calls their callbacks; so a busy executor still answers
 * in time. A timer descriptor would need a thread to read it as well, and a thread for each deadline would be one a job.
 *
 * A job in a thread's hands is in `active` and belongs to that thread; the lock is let go meanwhile. When it has ended:
 * first the caller's cancellation forgets it (its watch would otherwise outlive the job), then the result is published,
 * then the callback runs, then waiters and takers are told. Each step can be interrupted by a fork in another thread
 * without confusing the child: what it finds under the lock is whole.
 *
 * Threads end when the executor is closing and the queue is empty; the watching one last, when no job can end any more.
 */
#include "core/executor.h"

#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/thread.h"

/* ---- a job's end -------------------------------------------------------------------------------------------------- */

static void announce(adk_executor *executor, adk_job *job)
{
    job->state = ADK__JOB_COLLECTED;
    if (executor->collected == NULL)
        (void)eventfd_write(executor->fd, 1);
    DL_APPEND(executor->collected, job);
}

static void publish(adk_executor *executor, adk_job *job, const adk__ending *ending)
{
    adk_cancel *given;
    adk_request *request;

    adk__job_unwatch(job);
    (void)pthread_mutex_lock(&executor->mutex);
    given = adk__take_ptr(job->given);
    request = adk__take_ptr(job->request);
    job->status = ending->status;
    job->result = ending->result;
    job->error = ending->error;
    job->state = ADK__JOB_ENDED;
    (void)pthread_mutex_unlock(&executor->mutex);
    adk_cancel_free(given);
    free(request);
}

/* Returns with the lock held. */
static void finish(adk_executor *executor, adk_job *job)
{
    bool collect = (job->flags & ADK_SUBMISSION_COLLECT) != 0;

    (void)pthread_mutex_lock(&executor->mutex);
    if (job->place.tenant != NULL)
        adk__queue_done(&executor->queue, job);
    DL_DELETE(executor->active, job);
    job->state = ADK__JOB_FINISHED;
    if (collect)
        announce(executor, job);
    (void)pthread_cond_broadcast(&job->finished);
    if (collect)
        return;
    (void)pthread_mutex_unlock(&executor->mutex);
    adk_job_free(job);
    (void)pthread_mutex_lock(&executor->mutex);
}

/*
 * Takes a job from the queue to its end. The lock is held at both ends. False where foreign code forked and this is the
 * child: the thread, the only one there, has to end.
 */
static bool process(adk_executor *executor, adk_job *job)
{
    bool run = job->state == ADK__JOB_QUEUED;
    adk__ending ending;

    executor->waiting--;
    job->state = ADK__JOB_RUNNING;
    DL_APPEND(executor->active, job);
    (void)pthread_mutex_unlock(&executor->mutex);
    ending = run ? adk__job_execute(job) : adk__job_end_in_queue(job, job->queue_outcome);
    if (executor->forked)
        return false;
    publish(executor, job, &ending);
    if (job->on_done != NULL)
        job->on_done(job->data, job);
    if (executor->forked)
        return false;
    finish(executor, job);
    return true;
}

/* ---- threads ------------------------------------------------------------------------------------------------------ */

static void *run_jobs(void *data)
{
    adk_executor *executor = data;

    (void)prctl(PR_SET_NAME, "adk-executor");
    (void)pthread_mutex_lock(&executor->mutex);
    for (;;) {
        adk_job *job = adk__queue_next(&executor->queue);

        if (job == NULL && executor->closing && executor->queue.jobs == NULL)
            break;
        if (job == NULL)
            (void)pthread_cond_wait(&executor->work, &executor->mutex);
        else if (!process(executor, job))
            return NULL;
    }
    (void)pthread_cond_broadcast(&executor->work); /* the others see it too */
    (void)pthread_mutex_unlock(&executor->mutex);
    return NULL;
}

static void sleep_until_due(adk_executor *executor)
{
    uint64_t wake_ns = adk__queue_deadline(&executor->queue);
    struct timespec wake = adk__timespec_from_ns(wake_ns);

    executor->watch_wake_ns = wake_ns;
    if (wake_ns == ADK__NEVER)
        (void)pthread_cond_wait(&executor->due, &executor->mutex);
    else
        (void)pthread_cond_clockwait(&executor->due, &executor->mutex, CLOCK_MONOTONIC, &wake);
    executor->watch_wake_ns = 0;
}

static void *watch_queue(void *data)
{
    adk_executor *executor = data;

    (void)prctl(PR_SET_NAME, "adk-queue");
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* nanosecond: the default of 50 µs would be added to every deadline */
    (void)pthread_mutex_lock(&executor->mutex);
    for (;;) {
        adk_job *job;

        while ((job = adk__queue_due(&executor->queue, adk__now_ns())) != NULL)
            adk__executor_end_queued(executor, job, ADK_OUTCOME_TIMED_OUT);
        job = executor->ending;
        if (job == NULL && executor->watch_stop)
            break;
        if (job == NULL) {
            sleep_until_due(executor);
            continue;
        }
        DL_DELETE(executor->ending, job);
        if (!process(executor, job))
            return NULL;
    }
    (void)pthread_mutex_unlock(&executor->mutex);
    return NULL;
}

int adk__executor_start(adk_executor *executor, uint32_t threads)
{
    int failed = adk__thread_start(executor->stack_bytes, watch_queue, executor, &executor->watcher);

    if (failed)
        return failed;
    while (executor->thread_count < threads && !failed) {
        pthread_t *thread = &executor->threads[executor->thread_count];

        failed = adk__thread_start(executor->stack_bytes, run_jobs, executor, thread);
        if (!failed)
            executor->thread_count++;
    }
    if (failed)
        adk_executor_close(executor, ADK_SHUTDOWN_CANCEL);
    return failed;
}

void adk__executor_join(adk_executor *executor)
{
    for (uint32_t i = 0; i < executor->thread_count; i++)
        (void)pthread_join(executor->threads[i], NULL);
    executor->thread_count = 0;
    (void)pthread_mutex_lock(&executor->mutex);
    executor->watch_stop = true;
    (void)pthread_cond_signal(&executor->due);
    (void)pthread_mutex_unlock(&executor->mutex);
    (void)pthread_join(executor->watcher, NULL);
}
