/*
 * The order of jobs. Each tenant has a list of his own; a heap holds the tenants who may run one more, by the number of
 * their oldest job. So the oldest job of them all that may run is at hand, and a tenant who may not run is not even
 * looked at until one of his jobs ends.
 */
#include "core/executor_queue.h"

#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "base/clock.h"
#include "core/executor.h"

struct adk__tenant {
    uint64_t tag;
    uint32_t running;
    adk_job *jobs;
    adk__heap_node runnable;
    UT_hash_handle hh;
};

#define CONTAINER(node, type, member) ((type *)(void *)((unsigned char *)(node)-offsetof(type, member)))

int adk__queue_init(adk__queue *queue, uint32_t length, uint32_t running_max)
{
    queue->running_max = running_max;
    queue->runnable.nodes = calloc(length, sizeof(*queue->runnable.nodes));
    queue->deadlines.nodes = calloc(length, sizeof(*queue->deadlines.nodes));
    return queue->runnable.nodes == NULL || queue->deadlines.nodes == NULL ? ADK_E_NOMEM : ADK_OK;
}

void adk__queue_destroy(adk__queue *queue)
{
    adk__tenant *tenant;
    adk__tenant *next;

    HASH_ITER(hh, queue->tenants, tenant, next)
    {
        HASH_DEL(queue->tenants, tenant);
        free(tenant);
    }
    free(queue->runnable.nodes);
    free(queue->deadlines.nodes);
}

static adk__tenant *find_tenant(adk__queue *queue, uint64_t tag)
{
    uint64_t key = queue->running_max == 0 ? 0 : tag;
    adk__tenant *tenant = NULL;

    HASH_FIND(hh, queue->tenants, &key, sizeof(key), tenant);
    if (tenant != NULL)
        return tenant;
    tenant = calloc(1, sizeof(*tenant));
    if (tenant == NULL)
        return NULL;
    tenant->tag = key;
    HASH_ADD(hh, queue->tenants, tag, sizeof(tenant->tag), tenant);
    if (tenant->hh.tbl == NULL) {
        free(tenant);
        return NULL;
    }
    return tenant;
}

/* After each change to a tenant: he stands where he belongs, or is forgotten. */
static void settle(adk__queue *queue, adk__tenant *tenant)
{
    if (tenant->jobs != NULL && (queue->running_max == 0 || tenant->running < queue->running_max))
        adk__heap_set(&queue->runnable, &tenant->runnable, tenant->jobs->place.number);
    else
        adk__heap_remove(&queue->runnable, &tenant->runnable);
    if (tenant->jobs != NULL || tenant->running > 0)
        return;
    HASH_DEL(queue->tenants, tenant);
    free(tenant);
}

static void unlink_job(adk__queue *queue, adk_job *job)
{
    DL_DELETE(queue->jobs, job);
    DL_DELETE2(job->place.tenant->jobs, job, place.prev, place.next);
    adk__heap_remove(&queue->deadlines, &job->place.deadline);
}

int adk__queue_add(adk__queue *queue, adk_job *job)
{
    adk__tenant *tenant = find_tenant(queue, job->tenant_tag);

    if (tenant == NULL)
        return ADK_E_NOMEM;
    job->place.tenant = tenant;
    job->place.number = queue->next_number++;
    DL_APPEND(queue->jobs, job);
    DL_APPEND2(tenant->jobs, job, place.prev, place.next);
    adk__heap_set(&queue->deadlines, &job->place.deadline, job->deadline_ns);
    settle(queue, tenant);
    return ADK_OK;
}

void adk__queue_remove(adk__queue *queue, adk_job *job)
{
    adk__tenant *tenant = job->place.tenant;

    unlink_job(queue, job);
    job->place.tenant = NULL;
    settle(queue, tenant);
}

adk_job *adk__queue_next(adk__queue *queue)
{
    adk__heap_node *first = adk__heap_first(&queue->runnable);
    adk__tenant *tenant;
    adk_job *job;

    if (first == NULL)
        return NULL;
    tenant = CONTAINER(first, adk__tenant, runnable);
    job = tenant->jobs;
    unlink_job(queue, job);
    tenant->running++;
    settle(queue, tenant);
    return job;
}

void adk__queue_done(adk__queue *queue, adk_job *job)
{
    adk__tenant *tenant = job->place.tenant;

    job->place.tenant = NULL;
    tenant->running--;
    settle(queue, tenant);
}

adk_job *adk__queue_due(const adk__queue *queue, uint64_t now_ns)
{
    adk__heap_node *first = adk__heap_first(&queue->deadlines);

    return first == NULL || first->key > now_ns ? NULL : CONTAINER(first, adk_job, place.deadline);
}

uint64_t adk__queue_deadline(const adk__queue *queue)
{
    const adk__heap_node *first = adk__heap_first(&queue->deadlines);

    return first == NULL ? ADK__NEVER : first->key;
}

void adk__executor_end_queued(adk_executor *executor, adk_job *job, adk_outcome outcome)
{
    adk__queue_remove(&executor->queue, job);
    job->queue_outcome = outcome;
    job->state = ADK__JOB_ENDING;
    DL_APPEND(executor->ending, job);
    (void)pthread_cond_signal(&executor->due);
    if (executor->closing && executor->queue.jobs == NULL)
        (void)pthread_cond_broadcast(&executor->work);
}
