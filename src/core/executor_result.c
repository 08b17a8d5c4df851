/*
 * Endings of jobs, so that a result says the same whether the run began at once, late, or never: the limit on time is
 * the submission's, and so is the moment from which the duration counts.
 */
#include "core/backend.h"
#include "core/executor.h"

#include <stdio.h>
#include <string.h>

#include <adk/trace.h>

#include "base/clock.h"
#include "core/executor_result.h"
#include "core/request.h"
#include "core/result.h"

/* ---- runs that begin late ----------------------------------------------------------------------------------------- */

static bool message_begins(const adk_result *result, const char *text)
{
    return result->message.size >= strlen(text) && memcmp(result->message.data, text, strlen(text)) == 0;
}

/* The backend knew only what was left of the time. A message of its own stays. */
static int restore_limits(const adk_job *job, adk_result *result)
{
    result->limits.timeout_ns = job->timeout_ns;
    result->usage.duration_ns = adk__now_ns() - job->start_ns;
    if (result->outcome == ADK_OUTCOME_TIMED_OUT && message_begins(result, "execution timed out after "))
        return adk__result_timed_out_message(result);
    return ADK_OK;
}

adk__ending adk__job_execute(adk_job *job)
{
    adk__ending ending = {ADK_OK, NULL, NULL};
    uint64_t now_ns = adk__now_ns();

    if (adk_cancel_fired(job->cancel))
        return adk__job_end_in_queue(job, ADK_OUTCOME_CANCELLED);
    if (now_ns >= job->deadline_ns)
        return adk__job_end_in_queue(job, ADK_OUTCOME_TIMED_OUT);
    job->request->timeout_ns = job->deadline_ns - now_ns;
    ending.status = adk_backend_execute(job->backend, job->request, job->cancel, &ending.result, &ending.error);
    if (ending.status == ADK_OK && restore_limits(job, ending.result) != ADK_OK) {
        adk_result_free(adk__take_ptr(ending.result));
        ending.status = ADK_E_NOMEM;
    }
    return ending;
}

/* ---- runs that never begin ---------------------------------------------------------------------------------------- */

static void trace(const adk_job *job, const adk_result *result)
{
    const adk_request *request = job->request;
    adk_span span = {.struct_size = sizeof(span),
                     .backend_cstr = result->backend,
                     .language_cstr = result->language,
                     .start_ns = adk__clock_ns(CLOCK_REALTIME) - result->usage.duration_ns,
                     .duration_ns = result->usage.duration_ns,
                     .error = ADK_OK,
                     .outcome = result->outcome,
                     .phase = result->phase};

    if (request->on_trace != NULL)
        request->on_trace(request->trace_data, &span);
}

static int make(const adk_job *job, adk_outcome outcome, adk_result **ret_result, adk_error **ret_error)
{
    ADK_AUTO(adk_result_free) adk_result *result = NULL;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_request request;
    int status;

    adk_backend_capabilities(job->backend, &capabilities);
    status = adk__request_read(job->request, capabilities.enforced, &request, ret_error); /* for the defaults */
    if (status == ADK_OK)
        adk__backend_fill(job->backend, job->request, &request);
    if (status == ADK_OK)
        status = adk_result_new(&request, &result, ret_error);
    if (status != ADK_OK)
        return status;
    result->outcome = outcome;
    result->phase = ADK_PHASE_QUEUE;
    result->usage.duration_ns = adk__now_ns() - job->start_ns;
    if (outcome == ADK_OUTCOME_TIMED_OUT)
        status = adk__result_timed_out_message(result);
    else
        status = adk__result_message(result, "cancelled");
    if (status != ADK_OK)
        return status;
    adk__result_seal(result, adk_backend_name_cstr(job->backend), adk_language_cstr(request.language),
                     capabilities.isolation_cstr);
    *ret_result = adk__take_ptr(result);
    return ADK_OK;
}

adk__ending adk__job_end_in_queue(const adk_job *job, adk_outcome outcome)
{
    adk__ending ending = {ADK_OK, NULL, NULL};

    ending.status = make(job, outcome, &ending.result, &ending.error);
    if (ending.status == ADK_OK)
        trace(job, ending.result);
    return ending;
}
