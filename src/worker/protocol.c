/*
 * What can be said of a message without anything else: shared by both sides and by the fuzz target.
 */
#include "worker/protocol.h"

#include <stdio.h>
#include <string.h>

#include <adk/request.h>
#include <adk/version.h>

#include "wasm/engine.h"
#include "wasm/source.h"
#include "wasm/stack.h"

void adk__worker_version(char ret_version[ADK__WORKER_VERSION_MAX])
{
    memset(ret_version, 0, ADK__WORKER_VERSION_MAX);
    (void)snprintf(ret_version, ADK__WORKER_VERSION_MAX, "%s %s", adk_version_cstr(), adk_engine_version_cstr());
}

const char *adk__worker_job_problem(const adk__worker_job *job, size_t size)
{
    char version[ADK__WORKER_VERSION_MAX];

    if (size != sizeof(*job) || job->magic != ADK__WORKER_MAGIC || job->protocol != ADK__WORKER_PROTOCOL ||
        job->flavour >= ADK__FLAVOURS || (job->flags & ~(uint32_t)ADK__WORKER_NARROW) != 0 || job->source_bytes == 0 ||
        job->source_bytes > adk__source_max_bytes(job->flavour))
        return "the job makes no sense";
    adk__worker_version(version);
    if (memcmp(version, job->version, sizeof(version)) != 0)
        return "it is of another version than the library";
    return NULL;
}

const char *adk__worker_orders_problem(const adk__worker_orders *orders, size_t size)
{
    char version[ADK__WORKER_VERSION_MAX];

    if (size != sizeof(*orders) || orders->magic != ADK__WORKER_MAGIC || orders->protocol != ADK__WORKER_PROTOCOL ||
        orders->flavour >= ADK__FLAVOURS || (orders->flags & ~(uint32_t)ADK__WORKER_NARROW) != 0 ||
        orders->stack_bytes == 0 || orders->stack_bytes > ADK__GUEST_STACK_MAX_BYTES || orders->is_exact > 1 ||
        orders->entry[0] == '\0' || orders->entry[ADK__WORKER_ENTRY_MAX - 1] != '\0')
        return "its orders make no sense";
    adk__worker_version(version);
    if (memcmp(version, orders->version, sizeof(version)) != 0)
        return "it is of another version than the library";
    return NULL;
}

bool adk__worker_ready_is_sound(const adk__worker_ready *ready, size_t size)
{
    return size >= sizeof(*ready) && ready->magic == ADK__WORKER_MAGIC && ready->protocol == ADK__WORKER_PROTOCOL &&
           ready->is_ready <= 1 && ready->message_bytes == size - sizeof(*ready);
}

bool adk__worker_opening_is(const adk__worker_opening *opening, size_t size, adk__worker_word word)
{
    return size == sizeof(*opening) && opening->magic == ADK__WORKER_MAGIC && opening->word == word &&
           (opening->flags & ~(uint32_t)ADK__WORKER_FORKS) == 0 && opening->cpu_s > 0 && opening->memory_bytes > 0;
}

bool adk__worker_message_is(const adk__worker_message *message, size_t size, adk__worker_word word)
{
    return size == sizeof(*message) && message->magic == ADK__WORKER_MAGIC && message->word == word;
}

bool adk__worker_verdict_is_sound(const adk__worker_verdict *verdict, size_t size)
{
    return size >= sizeof(*verdict) && verdict->magic == ADK__WORKER_MAGIC &&
           verdict->protocol == ADK__WORKER_PROTOCOL && verdict->message_bytes == size - sizeof(*verdict);
}
