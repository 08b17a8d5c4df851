/*
 * What can be said of a message without anything else: shared by both sides and by the fuzz target.
 */
#include "worker/protocol.h"

#include <stdio.h>
#include <string.h>

#include <adk/request.h>
#include <adk/version.h>

#include "wasm/engine.h"

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
        job->source_bytes > ADK_CODE_MAX_BYTES)
        return "the job makes no sense";
    adk__worker_version(version);
    if (memcmp(version, job->version, sizeof(version)) != 0)
        return "it is of another version than the library";
    return NULL;
}

bool adk__worker_verdict_is_sound(const adk__worker_verdict *verdict, size_t size)
{
    return size >= sizeof(*verdict) && verdict->magic == ADK__WORKER_MAGIC &&
           verdict->protocol == ADK__WORKER_PROTOCOL && verdict->message_bytes == size - sizeof(*verdict);
}
