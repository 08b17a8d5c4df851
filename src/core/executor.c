/*
 * The executor: what callers see of it. Submitting, taking, closing.
 *
 * A submission takes its place in the queue first and copies afterwards, so that a full queue costs nothing and memory
 * is bounded by the length of the queue.
 */
#include "core/executor.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utlist.h>

#include "base/clock.h"
#include "core/error.h"
#include "core/request.h"
#include "core/struct_size.h"

/* ---- making ------------------------------------------------------------------------------------------------------- */

static uint32_t usable_cpus(void)
{
    cpu_set_t cpus;
    long online;

    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
        return (uint32_t)CPU_COUNT(&cpus);
    online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than a cpu_set_t holds */
    return online < 1 ? 1 : (uint32_t)online;
}

static int read_options(const adk_executor_options *given, adk_executor_options *ret_options, adk_error **ret_error)
{
    static const adk_executor_options defaults = ADK_EXECUTOR_OPTIONS_INIT;
    adk_executor_options o;

    if (!adk__struct_read(&o, sizeof(o), given == NULL ? &defaults : given))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of the executor's options");
    if (o.threads > ADK_EXECUTOR_THREADS_MAX || o.queue_length > ADK_EXECUTOR_QUEUE_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%u threads, a queue of %u: at most %u and %u", o.threads,
                         o.queue_length, ADK_EXECUTOR_THREADS_MAX, ADK_EXECUTOR_QUEUE_MAX);
    if (o.reserved != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the reserved field is %u, not 0", o.reserved);
    if (o.stack_bytes != 0 &&
        (o.stack_bytes < ADK_EXECUTOR_STACK_MIN_BYTES || o.stack_bytes > ADK_EXECUTOR_STACK_MAX_BYTES))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "a stack of %llu bytes: %llu to %llu",
                         (unsigned long long)o.stack_bytes, (unsigned long long)ADK_EXECUTOR_STACK_MIN_BYTES,
                         (unsigned long long)ADK_EXECUTOR_STACK_MAX_BYTES);
    if (o.threads == 0)
        o.threads = usable_cpus();
    if (o.threads > ADK_EXECUTOR_THREADS_MAX)
        o.threads = ADK_EXECUTOR_THREADS_MAX;
    if (o.queue_length == 0)
        o.queue_length = ADK_EXECUTOR_QUEUE_DEFAULT;
    if (o.stack_bytes == 0)
        o.stack_bytes = ADK_EXECUTOR_STACK_DEFAULT_BYTES;
    *ret_options = o;
    return ADK_OK;
}

static void destroy(adk_executor *executor)
{
    adk__queue_destroy(&executor->queue);
    if (executor->fd >= 0)
        (void)close(executor->fd);
    if (!executor->forked) { /* they would wait for the parent's threads that wait on them */
        (void)pthread_cond_destroy(&executor->work);
        (void)pthread_cond_destroy(&executor->due);
    }
    (void)pthread_mutex_destroy(&executor->mutex);
    free(executor);
}

void adk__executor_unref(adk_executor *executor)
{
    if (atomic_fetch_sub_explicit(&executor->references, 1, memory_order_acq_rel) != 1)
        return;
    adk__executor_fork_remove(executor);
    destroy(executor);
}

static int build(const adk_executor_options *options, adk_executor **ret_executor, adk_error **ret_error)
{
    adk_executor *executor = calloc(1, sizeof(*executor) + options->threads * sizeof(*executor->threads));
    int status;

    if (executor == NULL)
        return adk__fail_nomem(ret_error);
    atomic_init(&executor->references, 1);
    (void)pthread_mutex_init(&executor->mutex, NULL); /* cannot fail without attributes, nor can the conditions */
    (void)pthread_cond_init(&executor->work, NULL);
    (void)pthread_cond_init(&executor->due, NULL);
    executor->queue_length = options->queue_length;
    executor->stack_bytes = (size_t)options->stack_bytes;
    executor->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (executor->fd < 0)
        status = adk__fail(ret_error, ADK_E_SYSTEM, errno, "eventfd");
    else if (adk__queue_init(&executor->queue, options->queue_length, options->tenant_running_max) != ADK_OK)
        status = adk__fail_nomem(ret_error);
    else
        status = adk__executor_fork_add(executor, ret_error);
    if (status != ADK_OK) {
        destroy(executor);
        return status;
    }
    *ret_executor = executor;
    return ADK_OK;
}

int adk_executor_new(const adk_executor_options *given, adk_executor **ret_executor, adk_error **ret_error)
{
    adk_executor_options options = ADK_EXECUTOR_OPTIONS_INIT;
    adk_executor *executor = NULL;
    int status;
    int failed;

    status = read_options(given, &options, ret_error);
    if (status == ADK_OK)
        status = build(&options, &executor, ret_error);
    if (status != ADK_OK)
        return status;
    failed = adk__executor_start(executor, options.threads);
    if (failed) {
        adk__executor_unref(executor);
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "start the threads of an executor");
    }
    *ret_executor = executor;
    return ADK_OK;
}

/* ---- submitting --------------------------------------------------------------------------------------------------- */

/* Everything that adk_backend_execute() would refuse is refused here. */
static int check_request(const adk_submission *s, adk_error **ret_error)
{
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_request request;
    int status;

    adk_backend_capabilities(s->backend, &capabilities);
    status = adk__request_read(s->request, capabilities.enforced, &request, ret_error);
    if (status != ADK_OK)
        return status;
    if (request.language != ADK_LANGUAGE_DEFAULT && (capabilities.languages >> request.language & 1) == 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "backend \"%s\" does not support language %s",
                         adk_backend_name_cstr(s->backend), adk_language_cstr(request.language));
    return ADK_OK;
}

static int read_submission(const adk_submission *given, bool kept, adk_submission *ret_submission,
                           adk_error **ret_error)
{
    adk_submission s;

    if (!adk__struct_read(&s, sizeof(s), given))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of the submission");
    if (s.backend == NULL || s.request == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the submission has no %s",
                         s.backend == NULL ? "backend" : "request");
    if ((s.flags & ~(uint32_t)ADK_SUBMISSION_COLLECT) != 0 || s.reserved != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "unknown submission flags 0x%x, or the reserved field is not 0",
                         s.flags);
    if (s.on_done == NULL && s.flags == 0 && !kept)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "nobody would learn how the job ends");
    *ret_submission = s;
    return check_request(&s, ret_error);
}

/* With the lock held. */
static int check_open(const adk_executor *executor, adk_error **ret_error)
{
    if (executor->forked)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the executor's threads are in the parent of this process");
    if (executor->closing)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the executor has been closed");
    return ADK_OK;
}

static int reserve(adk_executor *executor, adk_error **ret_error)
{
    int status;

    ADK__EXECUTOR_LOCKED(executor);
    status = check_open(executor, ret_error);
    if (status != ADK_OK)
        return status;
    if (executor->waiting >= executor->queue_length)
        return adk__fail(ret_error, ADK_E_BUSY, 0, "%u jobs are waiting, the queue is full", executor->waiting);
    executor->waiting++;
    return ADK_OK;
}

static void give_back(adk_executor *executor)
{
    ADK__EXECUTOR_LOCKED(executor);
    executor->waiting--;
}

/* From here on the job's first reference is the executor's. */
static int enqueue(adk_executor *executor, adk_job *job, adk_job **ret_job, adk_error **ret_error)
{
    int status;

    ADK__EXECUTOR_LOCKED(executor);
    status = check_open(executor, ret_error);
    if (status != ADK_OK)
        return status;
    if (adk__queue_add(&executor->queue, job) != ADK_OK)
        return adk__fail_nomem(ret_error);
    job->state = ADK__JOB_QUEUED;
    if (ret_job != NULL)
        *ret_job = adk_job_ref(job);
    if (adk_cancel_fired(job->cancel)) {
        adk__executor_end_queued(executor, job, ADK_OUTCOME_CANCELLED);
        return ADK_OK;
    }
    (void)pthread_cond_signal(&executor->work);
    if (job->deadline_ns < executor->watch_wake_ns)
        (void)pthread_cond_signal(&executor->due);
    return ADK_OK;
}

int adk_executor_submit(adk_executor *executor, const adk_submission *given, adk_job **ret_job, adk_error **ret_error)
{
    uint64_t start_ns = adk__now_ns();
    adk_submission submission = ADK_SUBMISSION_INIT;
    adk_job *job = NULL;
    int status;

    status = read_submission(given, ret_job != NULL, &submission, ret_error);
    if (status == ADK_OK)
        status = reserve(executor, ret_error);
    if (status != ADK_OK)
        return status;
    status = adk__job_new(executor, &submission, start_ns, &job, ret_error);
    if (status == ADK_OK) {
        adk__job_watch(job);
        status = enqueue(executor, job, ret_job, ret_error);
        if (status == ADK_OK)
            return ADK_OK;
        adk__job_unwatch(job);
        adk_job_free(job);
    }
    give_back(executor);
    return status;
}

/* ---- taking ------------------------------------------------------------------------------------------------------- */

int adk_executor_fd(const adk_executor *executor)
{
    return executor->fd;
}

adk_job *adk_executor_take(adk_executor *executor)
{
    eventfd_t count;
    adk_job *job;

    ADK__EXECUTOR_LOCKED(executor);
    job = executor->collected;
    if (job == NULL)
        return NULL;
    DL_DELETE(executor->collected, job);
    job->state = ADK__JOB_FINISHED;
    if (executor->collected == NULL && !executor->forked) /* the descriptor is the parent's too */
        (void)eventfd_read(executor->fd, &count);
    return job;
}

/* ---- closing ------------------------------------------------------------------------------------------------------ */

static void cancel_queued(adk_executor *executor)
{
    while (executor->queue.jobs != NULL)
        adk__executor_end_queued(executor, executor->queue.jobs, ADK_OUTCOME_CANCELLED);
}

static adk_job *find_uncancelled(adk_executor *executor)
{
    adk_job *job;

    ADK__EXECUTOR_LOCKED(executor);
    DL_FOREACH(executor->active, job)
    {
        if (!adk_cancel_fired(job->cancel))
            return adk_job_ref(job);
    }
    return NULL;
}

/* The queue is empty and stays so: no job becomes active any more but those that are ending. */
static void cancel_active(adk_executor *executor)
{
    adk_job *job;

    while ((job = find_uncancelled(executor)) != NULL) {
        adk_job_cancel(job);
        adk_job_free(job);
    }
}

static bool begin_closing(adk_executor *executor, adk_shutdown mode)
{
    ADK__EXECUTOR_LOCKED(executor);
    if (executor->closed || executor->forked)
        return false;
    executor->closing = true;
    if (mode != ADK_SHUTDOWN_WAIT)
        cancel_queued(executor);
    (void)pthread_cond_broadcast(&executor->work);
    return true;
}

void adk_executor_close(adk_executor *executor, adk_shutdown mode)
{
    if (!begin_closing(executor, mode))
        return;
    if (mode != ADK_SHUTDOWN_WAIT)
        cancel_active(executor);
    adk__executor_join(executor);
    executor->closed = true;
}

/* The first job of one of the lists, which it leaves; its reference is the caller's. */
static adk_job *drop(adk_executor *executor)
{
    adk_job **lists[] = {&executor->queue.jobs, &executor->ending, &executor->active, &executor->collected};
    adk_job *job;

    ADK__EXECUTOR_LOCKED(executor);
    for (size_t i = 0; i < ADK_COUNT(lists); i++) {
        job = *lists[i];
        if (job == NULL)
            continue;
        DL_DELETE(*lists[i], job);
        return job;
    }
    return NULL;
}

/* In a child all lists may have jobs; elsewhere only that of the finished ones. */
void adk_executor_free(adk_executor *executor, adk_shutdown mode)
{
    adk_job *job;

    if (executor == NULL)
        return;
    adk_executor_close(executor, mode);
    while ((job = drop(executor)) != NULL) {
        if (job->state == ADK__JOB_COLLECTED)
            job->state = ADK__JOB_FINISHED;
        adk_job_free(job);
    }
    adk__executor_unref(executor);
}
