/*
 * Sessions, as far as they are the same whatever runs them: who may call when, what a session may have in all, and why it
 * has ended. The process is the backend's affair (adk__session_ops).
 *
 * A session is held by its owner and by whoever is in a call of it; the last frees it. So it can be closed while another
 * thread is in a call: that is told to stop, and frees the session when it returns.
 */
#include "core/session.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <adk/trace.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "core/backend.h"
#include "core/error.h"
#include "core/request.h"
#include "core/result.h"
#include "core/struct_size.h"

struct adk_session {
    adk__session_new inner;
    adk_session_options options; /* complete */
    uint32_t enforced;
    char backend[ADK__LABEL_MAX];
    char isolation[ADK__LABEL_MAX];
    pid_t owner;
    uint64_t until_ns; /* CLOCK_MONOTONIC */

    pthread_mutex_t mutex; /* of what follows */
    uint32_t holders;
    bool is_busy;
    bool is_closed;
    adk_session_end end;
    adk_outcome outcome;
    uint64_t calls;
    uint64_t rested_ns; /* since when it is idle */
};

const char *adk_session_end_cstr(adk_session_end end)
{
    static const char *const words[] = {
#define WORD(name, number, word) [number] = (word),
        ADK_SESSION_END_MAP(WORD)
#undef WORD
    };

    return end < ADK_COUNT(words) ? words[end] : NULL;
}

/* ---- options ------------------------------------------------------------------------------------------------------- */

static int set_time(uint64_t *ns, uint64_t default_ns, const char *name, adk_error **ret_error)
{
    if (*ns == 0)
        *ns = default_ns;
    if (*ns > ADK_SESSION_NS_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%s is more than a year", name);
    return ADK_OK;
}

static int set_defaults(adk_session_options *o, adk_error **ret_error)
{
    int status = set_time(&o->cpu_ns, ADK_SESSION_CPU_DEFAULT_NS, "cpu_ns", ret_error);

    if (status == ADK_OK)
        status = set_time(&o->lifetime_ns, ADK_SESSION_LIFETIME_DEFAULT_NS, "lifetime_ns", ret_error);
    if (status == ADK_OK)
        status = set_time(&o->idle_ns, ADK_SESSION_IDLE_DEFAULT_NS, "idle_ns", ret_error);
    if (status == ADK_OK)
        status = set_time(&o->open_timeout_ns, ADK_SESSION_OPEN_DEFAULT_NS, "open_timeout_ns", ret_error);
    if (status != ADK_OK)
        return status;
    if (o->calls_max == 0)
        o->calls_max = ADK_SESSION_CALLS_DEFAULT;
    if (o->calls_max > UINT32_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "calls_max is more than %u", UINT32_MAX);
    if (o->outputs_limit_bytes == 0)
        o->outputs_limit_bytes = ADK_OUTPUTS_LIMIT_DEFAULT_BYTES;
    if (o->outputs_limit_bytes > ADK_OUTPUTS_LIMIT_MAX_BYTES || o->memory_limit_bytes > ADK_MEMORY_LIMIT_MAX_BYTES)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "memory_limit_bytes or outputs_limit_bytes is out of range");
    if ((o->flags & ~(uint32_t)ADK_SESSION_FORKS) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "flags 0x%x are not those of a session", o->flags);
    return ADK_OK;
}

static int read_options(const adk_session_options *given, adk_session_options *options, adk_error **ret_error)
{
    static const adk_session_options defaults = ADK_SESSION_OPTIONS_INIT;

    if (!adk__struct_read(options, sizeof(*options), given == NULL ? &defaults : given))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of the session's options");
    return set_defaults(options, ret_error);
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

/* The backend that is to have it: behind a router, that of the language. */
static int find_backend(adk_backend *backend, adk_session_options *options, adk__backend_sessions *ret,
                        adk_error **ret_error)
{
    int status = ADK_OK;

    adk__backend_get_sessions(backend, ret);
    if (options->language == ADK_LANGUAGE_DEFAULT)
        options->language = (adk_language)__builtin_ctz(ret->languages);
    if (options->language >= 32 || (ret->languages >> options->language & 1) == 0)
        return adk__fail(ret_error, ADK_E_UNSUPPORTED, 0, "backend \"%s\" does not support language %s", ret->name,
                         adk_language_cstr(options->language) == NULL ? "?" : adk_language_cstr(options->language));
    if (ret->route != NULL) {
        status = ret->route(ret->state, options->language, &backend, ret_error);
        if (status == ADK_OK)
            adk__backend_get_sessions(backend, ret);
    }
    if (status == ADK_OK && ret->open == NULL)
        return adk__fail(ret_error, ADK_E_UNSUPPORTED, 0, "backend \"%s\" keeps no sessions", ret->name);
    if (options->memory_limit_bytes == 0)
        options->memory_limit_bytes =
            ret->memory_default_bytes != 0 ? ret->memory_default_bytes : adk__request_memory_default(options->language);
    return status;
}

static adk_session *new_session(const adk_session_options *options)
{
    adk_session *session = calloc(1, sizeof(*session));

    if (session == NULL || pthread_mutex_init(&session->mutex, NULL) != 0) {
        free(session);
        return NULL;
    }
    session->options = *options;
    session->owner = getpid();
    session->holders = 1;
    session->rested_ns = adk__now_ns();
    session->until_ns = adk__add_saturated(session->rested_ns, options->lifetime_ns);
    return session;
}

static void free_session(adk_session *session)
{
    if (session->inner.body != NULL)
        session->inner.ops->free(session->inner.body);
    (void)pthread_mutex_destroy(&session->mutex);
    free(session);
}

int adk_session_open(adk_backend *backend, const adk_session_options *given, adk_session **ret_session,
                     adk_error **ret_error)
{
    adk_session_options options;
    adk__backend_sessions sessions;
    adk_session *session;
    int status = read_options(given, &options, ret_error);

    if (status == ADK_OK)
        status = find_backend(backend, &options, &sessions, ret_error);
    if (status != ADK_OK)
        return status;
    session = new_session(&options);
    if (session == NULL)
        return adk__fail_nomem(ret_error);
    session->enforced = sessions.enforced;
    (void)memccpy(session->backend, sessions.name, 0, sizeof(session->backend));
    (void)memccpy(session->isolation, sessions.isolation, 0, sizeof(session->isolation));
    status = sessions.open(sessions.state, &session->options, session->until_ns, &session->inner, ret_error);
    session->rested_ns = adk__now_ns();
    if (status == ADK_OK)
        *ret_session = session;
    else
        free_session(session);
    return status;
}

/* ---- who may call -------------------------------------------------------------------------------------------------- */

static int fail_ended(const adk_session *session, adk_error **ret_error)
{
    static const char *const reasons[] = {
        [ADK_SESSION_END_EXITED] = "the program has ended its interpreter",
        [ADK_SESSION_END_STOPPED] = "a call was stopped",
        [ADK_SESSION_END_EXPIRED] = "nothing was asked of it for too long",
        [ADK_SESSION_END_SPENT] = "what it may have in all is used up",
        [ADK_SESSION_END_DIED] = "its process died",
        [ADK_SESSION_END_BACKEND] = "its backend was freed",
    };

    if (session->end == ADK_SESSION_END_STOPPED)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the session has ended: a call was stopped (%s)",
                         adk_outcome_cstr(session->outcome));
    return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the session has ended: %s", reasons[session->end]);
}

/* With the lock held. Whether it has come to its end by itself. */
static adk_session_end is_due(const adk_session *session)
{
    uint64_t now_ns = adk__now_ns();

    if (session->end != ADK_SESSION_END_NONE || session->is_busy)
        return session->end;
    if (now_ns >= session->until_ns || session->calls >= session->options.calls_max)
        return ADK_SESSION_END_SPENT;
    if (now_ns - session->rested_ns >= session->options.idle_ns)
        return ADK_SESSION_END_EXPIRED;
    return ADK_SESSION_END_NONE;
}

/* Makes the session this thread's, until leave(). */
static int enter(adk_session *session, bool is_call, adk_error **ret_error)
{
    ADK_AUTO_UNLOCK pthread_mutex_t *lock = &session->mutex;

    (void)pthread_mutex_lock(lock);
    if (session->owner != getpid())
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the session belongs to the process that opened it");
    if (session->is_closed)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the session is closed");
    if (session->is_busy)
        return adk__fail(ret_error, ADK_E_BUSY, 0, "another call of the session is under way");
    if (session->end == ADK_SESSION_END_NONE) {
        session->end = is_due(session);
        if (session->end != ADK_SESSION_END_NONE)
            session->inner.ops->end(session->inner.body);
    }
    if (session->end != ADK_SESSION_END_NONE)
        return fail_ended(session, ret_error);
    session->is_busy = true;
    session->holders++;
    session->calls += is_call;
    return ADK_OK;
}

static void release(adk_session *session)
{
    bool is_last;

    (void)pthread_mutex_lock(&session->mutex);
    is_last = --session->holders == 0;
    (void)pthread_mutex_unlock(&session->mutex);
    if (is_last)
        free_session(session);
}

static void leave(adk_session *session, adk_session_end end, const adk_result *result)
{
    (void)pthread_mutex_lock(&session->mutex);
    session->is_busy = false;
    session->rested_ns = adk__now_ns();
    session->end = end;
    if (end != ADK_SESSION_END_NONE && result != NULL)
        session->outcome = result->outcome;
    (void)pthread_mutex_unlock(&session->mutex);
    release(session);
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

static int check_request(const adk_session *session, const adk_request *r, adk_error **ret_error)
{
    const adk_session_options *o = &session->options;

    if (r->language != ADK_LANGUAGE_DEFAULT && r->language != o->language)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the session's language is %s", adk_language_cstr(o->language));
    if (r->module != NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "a session runs programs, not modules");
    if (r->fuel != 0 || (r->flags & (ADK_REQUEST_SEED | ADK_REQUEST_CLOCK)) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "a session's call has no fuel, no seed and no clock of its own");
    return ADK_OK;
}

static int read_request(const adk_session *session, const adk_request *given, adk_request *request,
                        adk_error **ret_error)
{
    const adk_session_options *o = &session->options;
    bool has_memory = given->struct_size >= offsetof(adk_request, memory_limit_bytes) + sizeof(uint64_t) &&
                      given->memory_limit_bytes != 0;
    bool has_outputs = given->struct_size >= offsetof(adk_request, outputs_limit_bytes) + sizeof(uint64_t) &&
                       given->outputs_limit_bytes != 0;
    int status = adk__request_read(given, session->enforced, request, ret_error);

    if (status == ADK_OK)
        status = check_request(session, request, ret_error);
    if (status != ADK_OK)
        return status;
    if (has_memory)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "memory_limit_bytes is the session's, not a call's");
    if (has_outputs && request->outputs_limit_bytes > o->outputs_limit_bytes)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "outputs_limit_bytes is more than the session's");
    request->language = o->language;
    request->memory_limit_bytes = o->memory_limit_bytes;
    if (!has_outputs)
        request->outputs_limit_bytes = o->outputs_limit_bytes;
    return ADK_OK;
}

static void trace(const adk_session *session, const adk_request *request, uint64_t duration_ns, int status,
                  const adk_result *result)
{
    adk_span span = {.struct_size = sizeof(span),
                     .backend_cstr = session->backend,
                     .language_cstr = adk_language_cstr(request->language),
                     .start_ns = adk__clock_ns(CLOCK_REALTIME) - duration_ns,
                     .duration_ns = duration_ns,
                     .error = status};

    if (status == ADK_OK) {
        span.run_ns = result->usage.run_ns;
        span.outcome = result->outcome;
        span.phase = result->phase;
        span.exit_code = result->code;
    }
    request->on_trace(request->trace_data, &span);
}

/* The session is entered. What is left of its lifetime bounds the call. */
static int call(adk_session *session, adk_request *request, adk_cancel *cancel, adk_session_end *ret_end,
                adk_result **ret_result, adk_error **ret_error)
{
    uint64_t timeout_ns = request->timeout_ns;
    uint64_t now_ns = adk__now_ns();
    uint64_t left_ns = session->until_ns > now_ns ? session->until_ns - now_ns : 1;
    int status;

    if (request->timeout_ns > left_ns)
        request->timeout_ns = left_ns;
    status = session->inner.ops->execute(session->inner.body, request, cancel, ret_end, ret_result, ret_error);
    if (status == ADK_OK)
        (*ret_result)->limits.timeout_ns = timeout_ns;
    return status;
}

int adk_session_execute(adk_session *session, const adk_request *given, adk_cancel *cancel, adk_result **ret_result,
                        adk_error **ret_error)
{
    uint64_t start_ns = adk__now_ns();
    adk_session_end end = ADK_SESSION_END_NONE;
    adk_result *result = NULL;
    adk_request request;
    int status = read_request(session, given, &request, ret_error);

    if (status == ADK_OK)
        status = enter(session, true, ret_error);
    if (status != ADK_OK)
        return status;
    status = call(session, &request, cancel, &end, &result, ret_error);
    if (status == ADK_OK) {
        result->usage.duration_ns = adk__now_ns() - start_ns;
        adk__result_seal(result, session->backend, adk_language_cstr(request.language), session->isolation);
    }
    if (request.on_trace != NULL)
        trace(session, &request, adk__now_ns() - start_ns, status, result);
    leave(session, end, result);
    if (status == ADK_OK)
        *ret_result = result;
    return status;
}

int adk_session_fork(adk_session *session, adk_session **ret_session, adk_error **ret_error)
{
    adk_session_end end = ADK_SESSION_END_NONE;
    adk_session *made;
    int status;

    if ((session->options.flags & ADK_SESSION_FORKS) == 0)
        return adk__fail(ret_error, ADK_E_UNSUPPORTED, 0, "the session was not opened to be forked");
    made = new_session(&session->options);
    if (made == NULL)
        return adk__fail_nomem(ret_error);
    made->enforced = session->enforced;
    made->inner.ops = session->inner.ops;
    memcpy(made->backend, session->backend, sizeof(made->backend));
    memcpy(made->isolation, session->isolation, sizeof(made->isolation));
    status = enter(session, false, ret_error);
    if (status == ADK_OK) {
        status = session->inner.ops->fork(session->inner.body, made->until_ns, &made->inner.body, &end, ret_error);
        leave(session, end, NULL);
    }
    if (status == ADK_OK)
        *ret_session = made;
    else
        free_session(made);
    return status;
}

/* ---- the rest ------------------------------------------------------------------------------------------------------ */

void adk_session_describe(adk_session *session, adk_session_info *ret_info)
{
    adk_session_info info = ADK_SESSION_INFO_INIT;
    uint64_t now_ns = adk__now_ns();
    uint64_t expiry_ns;

    (void)pthread_mutex_lock(&session->mutex);
    expiry_ns = adk__add_saturated(session->is_busy ? now_ns : session->rested_ns, session->options.idle_ns);
    info.language = session->options.language;
    info.end = is_due(session);
    info.outcome = session->outcome;
    info.is_busy = session->is_busy;
    info.calls = session->calls;
    if (info.end == ADK_SESSION_END_NONE) {
        info.left_ns = session->until_ns > now_ns ? session->until_ns - now_ns : 0;
        info.idle_left_ns = expiry_ns > now_ns ? expiry_ns - now_ns : 0;
    }
    (void)pthread_mutex_unlock(&session->mutex);
    adk__struct_write(ret_info, &info, sizeof(info));
}

void adk_session_close(adk_session *session)
{
    if (session == NULL)
        return;
    (void)pthread_mutex_lock(&session->mutex);
    session->is_closed = true;
    if (session->is_busy && session->owner == getpid())
        session->inner.ops->stop(session->inner.body);
    (void)pthread_mutex_unlock(&session->mutex);
    release(session);
}
