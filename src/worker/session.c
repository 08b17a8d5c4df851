/*
 * Theory of operation. A session holds a seat from its opening to its end, and calls go over the seat's channel one after
 * the other (runner.c, calls.c). Nothing watches it between two calls: its process expires by itself, dies with its worker,
 * or has died; whichever it was is learned when the next call is made. Closing it is killing its process.
 *
 * A branch is a seat like any other: the worker that has made the session collects it too, and says how it ended.
 *
 * Who frees what: a session may outlive its backend. All of a backend's are in a list, whose lock covers giving a seat back,
 * so that it is done once: by the session, or by the backend that is freed before it.
 *
 * After a fork() of the host the child has copies of all this, and the processes are the parent's: the child closes its
 * descriptors and kills nobody.
 */
#include "worker/session.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "core/error.h"
#include "core/result.h"
#include "core/words.h"
#include "worker/runner.h"

#define FORK_NS UINT64_C(10000000000) /* a large one takes its time, on a machine with much else to do */

struct session {
    adk__sessions *family;
    adk__pool *pool;
    adk__seat seat; /* no worker: it has been given back */
    adk__worker_opening opening;
    uint32_t calls;
    bool is_stopped;
    adk__runner *runner; /* of the call that is under way, or NULL */
    struct session *next;
    struct session *prev;
};

/* The lock covers the list, and of each session what more than one thread uses: seat.worker, is_stopped, runner. */
struct adk__sessions {
    pthread_mutex_t mutex;
    pid_t owner;
    size_t holders; /* the backend, and each session */
    struct session *list;
};

static const adk__session_ops session_ops;

/* ---- the family ---------------------------------------------------------------------------------------------------- */

int adk__sessions_new(adk__sessions **ret_sessions, adk_error **ret_error)
{
    adk__sessions *sessions = calloc(1, sizeof(*sessions));

    if (sessions == NULL || pthread_mutex_init(&sessions->mutex, NULL) != 0) {
        free(sessions);
        return adk__fail_nomem(ret_error);
    }
    sessions->owner = getpid();
    sessions->holders = 1;
    *ret_sessions = sessions;
    return ADK_OK;
}

/* With the lock held, which is let go of. */
static void let_go(adk__sessions *sessions)
{
    bool is_last = --sessions->holders == 0;

    (void)pthread_mutex_unlock(&sessions->mutex);
    if (!is_last)
        return;
    (void)pthread_mutex_destroy(&sessions->mutex);
    free(sessions);
}

/* With the lock held. */
static void give_back(struct session *session, adk__seat_end end)
{
    adk__seat *seat = &session->seat;

    if (seat->worker == NULL)
        return;
    if (session->family->owner == getpid()) {
        if (end == ADK__SEAT_WELL)
            adk__seat_kill(seat);
        adk__pool_give(session->pool, seat, end);
    } else {
        adk__seat_close(seat);
    }
    seat->worker = NULL;
    DL_DELETE(session->family->list, session);
}

void adk__sessions_free(adk__sessions *sessions)
{
    if (sessions == NULL)
        return;
    (void)pthread_mutex_lock(&sessions->mutex);
    while (sessions->list != NULL)
        give_back(sessions->list, ADK__SEAT_WELL);
    let_go(sessions);
}

static int join(adk__sessions *sessions, adk__pool *pool, const adk__seat *seat, const adk__worker_opening *opening,
                struct session **ret_session, adk_error **ret_error)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return adk__fail_nomem(ret_error);
    session->family = sessions;
    session->pool = pool;
    session->seat = *seat;
    session->opening = *opening;
    (void)pthread_mutex_lock(&sessions->mutex);
    sessions->holders++;
    DL_APPEND(sessions->list, session);
    (void)pthread_mutex_unlock(&sessions->mutex);
    *ret_session = session;
    return ADK_OK;
}

/* ---- opening and forking ------------------------------------------------------------------------------------------- */

static uint32_t whole_seconds(uint64_t ns)
{
    uint64_t s = (ns + ADK__NS_PER_S - 1) / ADK__NS_PER_S;

    return s > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)s;
}

int adk__sessions_open(adk__sessions *sessions, adk__pool *pool, const adk_session_options *options, uint64_t until_ns,
                       adk__interrupt *deadline, adk__session_new *ret_new, adk_error **ret_error)
{
    const adk__worker_opening opening = {.magic = ADK__WORKER_MAGIC,
                                         .word = ADK__WORKER_OPEN,
                                         .flags = (options->flags & ADK_SESSION_FORKS) != 0 ? ADK__WORKER_FORKS : 0,
                                         .cpu_s = whole_seconds(options->cpu_ns),
                                         .memory_bytes = options->memory_limit_bytes,
                                         .outputs_bytes = options->outputs_limit_bytes,
                                         .idle_ns = options->idle_ns,
                                         .until_ns = until_ns};
    struct session *session = NULL;
    adk__seat seat;
    int status = adk__pool_take(pool, true, deadline, &seat, ret_error);

    if (status == ADK_OK && seat.worker == NULL)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the interpreter was not warm in time");
    if (status != ADK_OK)
        return status;
    status = adk__runner_open(deadline, &seat, &opening, ret_error);
    if (status == ADK_OK)
        status = join(sessions, pool, &seat, &opening, &session, ret_error);
    if (status != ADK_OK) {
        adk__seat_kill(&seat);
        adk__pool_give(pool, &seat, ADK__SEAT_WELL);
        return status;
    }
    *ret_new = (adk__session_new){&session_ops, session};
    return ADK_OK;
}

static int branch(struct session *session, const adk__worker_opening *opening, void **ret_body, adk_error **ret_error)
{
    struct session *made = NULL;
    adk__interrupt deadline;
    adk__seat seat;
    int status;

    if (adk__interrupt_init(&deadline) != 0)
        return adk__fail_nomem(ret_error);
    adk__interrupt_begin(&deadline, adk__now_ns() + FORK_NS);
    status = adk__pool_branch(session->pool, &session->seat, opening, &deadline, &seat, ret_error);
    adk__interrupt_destroy(&deadline);
    if (status == ADK_OK && seat.worker == NULL)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the session's process was not forked in time");
    if (status != ADK_OK)
        return status;
    status = join(session->family, session->pool, &seat, opening, &made, ret_error);
    if (status != ADK_OK) {
        adk__seat_kill(&seat);
        adk__pool_give(session->pool, &seat, ADK__SEAT_WELL);
        return status;
    }
    *ret_body = made;
    return ADK_OK;
}

/* ---- calls --------------------------------------------------------------------------------------------------------- */

static void set_runner(struct session *session, adk__runner *runner)
{
    (void)pthread_mutex_lock(&session->family->mutex);
    session->runner = runner;
    if (runner != NULL && session->is_stopped)
        adk__runner_cancel(runner);
    (void)pthread_mutex_unlock(&session->family->mutex);
}

static void stop(void *body)
{
    struct session *session = body;

    (void)pthread_mutex_lock(&session->family->mutex);
    session->is_stopped = true;
    if (session->runner != NULL)
        adk__runner_cancel(session->runner);
    (void)pthread_mutex_unlock(&session->family->mutex);
}

static adk_session_end end_of(const adk__runner_left *left, int status, const adk_result *result)
{
    if (!left->has_ended)
        return ADK_SESSION_END_NONE;
    if (left->has_expired)
        return ADK_SESSION_END_EXPIRED;
    if (left->has_spent_cpu)
        return ADK_SESSION_END_SPENT;
    if (status != ADK_OK || result->outcome == ADK_OUTCOME_SIGNALED)
        return ADK_SESSION_END_DIED;
    return result->outcome == ADK_OUTCOME_EXITED ? ADK_SESSION_END_EXITED : ADK_SESSION_END_STOPPED;
}

static int execute(void *body, const adk_request *request, adk_cancel *cancel, adk_session_end *ret_end,
                   adk_result **ret_result, adk_error **ret_error)
{
    struct session *session = body;
    ADK_AUTO(adk_result_free) adk_result *result = NULL;
    adk__runner_left left;
    adk__runner runner;
    int status;

    if (session->seat.worker == NULL) {
        *ret_end = ADK_SESSION_END_BACKEND;
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the session has ended: its backend was freed");
    }
    status = adk__words_check_files(request, ret_error);
    if (status == ADK_OK)
        status = adk_result_new(request, &result, ret_error);
    if (status == ADK_OK)
        status = adk__runner_begin(&runner, request, cancel, true, result, ret_error);
    if (status != ADK_OK)
        return status;
    set_runner(session, &runner);
    status = adk__runner_call(&runner, &session->seat, ++session->calls, &left, ret_error);
    set_runner(session, NULL);
    adk__runner_end(&runner);
    *ret_end = end_of(&left, status, result);
    if (left.has_ended) {
        (void)pthread_mutex_lock(&session->family->mutex);
        give_back(session, left.end);
        (void)pthread_mutex_unlock(&session->family->mutex);
    }
    if (status == ADK_OK)
        *ret_result = adk__take_ptr(result);
    return status;
}

static int fork_session(void *body, uint64_t until_ns, void **ret_body, adk_session_end *ret_end, adk_error **ret_error)
{
    struct session *session = body;
    adk__worker_opening opening = session->opening;

    if (session->seat.worker == NULL) {
        *ret_end = ADK_SESSION_END_BACKEND;
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the session has ended: its backend was freed");
    }
    opening.word = ADK__WORKER_FORK;
    opening.until_ns = until_ns;
    return branch(session, &opening, ret_body, ret_error);
}

/* ---- the end ------------------------------------------------------------------------------------------------------- */

static void end(void *body)
{
    struct session *session = body;

    (void)pthread_mutex_lock(&session->family->mutex);
    give_back(session, ADK__SEAT_WELL);
    (void)pthread_mutex_unlock(&session->family->mutex);
}

static void free_session(void *body)
{
    struct session *session = body;
    adk__sessions *family = session->family;

    (void)pthread_mutex_lock(&family->mutex);
    give_back(session, ADK__SEAT_WELL);
    free(session);
    let_go(family);
}

static const adk__session_ops session_ops = {
    .execute = execute, .fork = fork_session, .stop = stop, .end = end, .free = free_session};
