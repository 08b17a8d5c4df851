/*
 * Theory of operation. The request goes into a shared file, the file to a child that waits; from there on this thread only
 * listens: to the worker, which says how the child has ended, and to the child where somebody listens to its streams. The
 * child stops its guest by itself at the deadline, and has a few milliseconds from then on for its report; after these it
 * is killed (docs/decisions/020). Whatever comes, the end is one of two: the worker says so, or its end of the channel
 * closes because it has died. When either has come the file is read; the report in it counts only where the worker has said
 * that the process ended by itself and well.
 *
 * After a kill the worker has a second to say so. One that does not is killed as well.
 *
 * A session's call ends in a third way, and that one leaves its process alive: it says that the call is done. It may write to
 * the call's file even then, so that what is read from there is copied before it is looked at. What it says bears the call's
 * number: nothing of one call can pass for another's. After any other end, and after an answer that makes no sense, the
 * process is gone.
 */
#include "worker/runner.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "core/error.h"
#include "core/result.h"
#include "wasm/engine.h"
#include "worker/exchange.h"

#define GRACE_NS        UINT64_C(5000000)  /* from when the guest must stop to the kill: for the report */
#define FILES_GRACE_NS  UINT64_C(15000000) /* the same where files come back: for them ten, as in process */
#define REPORT_NS       UINT64_C(5000000)  /* of it, what the report has after the files */
#define AFTERLIFE_NS    UINT64_C(1000000000)
#define OPENING_STEP_NS UINT64_C(2000000) /* between two looks at the interrupt */
#define NEWS_PATIENCE   100               /* ms: how long a worker may take to see that a child has died */
#define ATTEMPTS        (ADK__POOL_STOCK_MAX + 2)

struct watch {
    adk__runner *runner;
    adk__seat *seat;
    uint64_t kill_ns;    /* when the child is killed next */
    uint64_t give_up_ns; /* when the worker is; ADK__NEVER before the kill */
    bool was_killed;     /* by us */
    bool is_cancelled;   /* the child has been told */
    bool is_deaf;        /* a callback has said no more */
    bool has_hung_up;    /* nothing more will come of its streams */
    bool is_false;       /* it sent what no run of ours would */
    bool is_foreign;     /* a callback forked, and this is the child: the run is the parent's */
    unsigned generation;
    uint32_t call;   /* of a session; else 0 */
    bool is_done;    /* the call is, and the session goes on */
    uint64_t cpu_ns; /* of the call that is done */
    uint64_t streamed[2];
    bool has_ended;
    bool is_orphan;
    adk__worker_message end;
};

/* ---- beginning and ending ------------------------------------------------------------------------------------------ */

void adk__runner_cancel(adk__runner *runner)
{
    const uint64_t one = 1;

    adk__interrupt_cancel(&runner->interrupt);
    (void)!write(runner->alarm, &one, sizeof(one));
}

static void on_cancel(void *data)
{
    adk__runner_cancel(data);
}

int adk__runner_begin(adk__runner *runner, const adk_request *request, adk_cancel *cancel, bool cancellable,
                      adk_result *result, adk_error **ret_error)
{
    *runner = (adk__runner){.request = request, .cancel = cancel, .alarm = -1, .result = result};
    runner->start_ns = adk__now_ns();
    if (adk__interrupt_init(&runner->interrupt) != 0)
        return adk__fail_nomem(ret_error);
    adk__interrupt_begin(&runner->interrupt, adk__add_saturated(runner->start_ns, request->timeout_ns));
    if (cancel == NULL && !cancellable)
        return ADK_OK;
    runner->alarm = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (runner->alarm < 0) {
        int failed = errno;

        adk__interrupt_destroy(&runner->interrupt);
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "make an eventfd");
    }
    if (cancel != NULL)
        adk_cancel_add_watch(cancel, &runner->watch, on_cancel, runner);
    return ADK_OK;
}

void adk__runner_end(adk__runner *runner)
{
    if (runner->cancel != NULL)
        adk_cancel_remove_watch(runner->cancel, &runner->watch);
    if (runner->alarm >= 0)
        (void)close(runner->alarm);
    adk__interrupt_destroy(&runner->interrupt);
}

/* ---- outcomes ------------------------------------------------------------------------------------------------------ */

static int end_early(adk_result *result, bool cancelled, adk_phase phase, adk_error **ret_error)
{
    int status;

    result->outcome = cancelled ? ADK_OUTCOME_CANCELLED : ADK_OUTCOME_TIMED_OUT;
    result->phase = phase;
    status = cancelled ? adk__result_message(result, "cancelled") : adk__result_timed_out_message(result);
    return status == ADK_OK ? ADK_OK : adk__fail_nomem(ret_error);
}

int adk__runner_check(adk__runner *runner, adk_phase phase, bool *ret_stopped, adk_error **ret_error)
{
    adk__interrupt_cause cause = adk__interrupt_check(&runner->interrupt);

    *ret_stopped = cause != ADK__INTERRUPT_NONE;
    if (!*ret_stopped)
        return ADK_OK;
    return end_early(runner->result, cause == ADK__INTERRUPT_CANCEL, phase, ret_error);
}

/* The least that its tables want is beyond any budget. */
static int end_for_tables(adk_result *result, adk_error **ret_error)
{
    result->outcome = ADK_OUTCOME_MEMORY_LIMIT;
    result->phase = ADK_PHASE_INSTANTIATE;
    result->usage.memory_denied = 1;
    result->tables_too_large = true;
    if (adk__result_message(result, "memory limit exceeded: tables may have %d elements together",
                            ADK__TABLE_ELEMENTS_GRANTED) != ADK_OK)
        return adk__fail_nomem(ret_error);
    return ADK_OK;
}

int adk__runner_refuse(adk__runner *runner, const adk__refusal *refusal, adk_error **ret_error)
{
    adk_result *result = runner->result;

    if (refusal->needs_memory)
        return end_for_tables(result, ret_error);
    result->outcome = refusal->out_of_time ? ADK_OUTCOME_TIMED_OUT : ADK_OUTCOME_REJECTED;
    result->phase = refusal->out_of_time ? ADK_PHASE_COMPILE : ADK_PHASE_NONE;
    result->reason = refusal->out_of_time ? ADK_REASON_NONE : refusal->reason;
    if (adk__result_message(result, "%.*s", (int)refusal->message.size, (const char *)refusal->message.data) != ADK_OK)
        return adk__fail_nomem(ret_error);
    return ADK_OK;
}

/* Only then is what it left a report: a process that died may have been at anything when it wrote it. */
static bool has_ended_well(const struct watch *w)
{
    return !w->is_orphan && !w->is_false && w->end.signal == 0 && w->end.exit_status == 0;
}

/* A cancellation may reach a child that is not ready for it, and then ends it. */
static bool was_ended_by_us(const struct watch *w)
{
    if (w->is_orphan)
        return w->was_killed;
    return (w->was_killed && w->end.signal == SIGKILL) || (w->is_cancelled && w->end.signal == SIGUSR1);
}

/* There is no report. */
static int end_without_report(const struct watch *w, adk_error **ret_error)
{
    adk_result *result = w->runner->result;
    int status;

    if (was_ended_by_us(w) && !w->is_false)
        return end_early(result, w->is_cancelled || w->is_deaf, result->phase, ret_error);
    result->outcome = ADK_OUTCOME_SIGNALED;
    result->reason = ADK_REASON_ENGINE_CRASH;
    result->phase = ADK_PHASE_NONE;
    result->code = w->is_orphan ? SIGKILL : (uint32_t)w->end.signal;
    if (w->is_false)
        status = adk__result_message(result, "the run's process sent what makes no sense");
    else if (w->is_orphan)
        status = adk__result_message(result, "the run's process died with its worker");
    else if (w->end.signal != 0)
        status = adk__result_message(result, "the run's process died of signal %d (%s)", w->end.signal,
                                     sigabbrev_np(w->end.signal) == NULL ? "?" : sigabbrev_np(w->end.signal));
    else
        status = adk__result_message(result, "the run's process ended with status %d and without a report",
                                     w->end.exit_status);
    return status == ADK_OK ? ADK_OK : adk__fail_nomem(ret_error);
}

/* ---- watching ------------------------------------------------------------------------------------------------------ */

static void send_signal(const struct watch *w, int signal)
{
    (void)pidfd_send_signal(w->seat->pidfd, signal, NULL, 0);
}

static void kill_run(struct watch *w)
{
    send_signal(w, SIGKILL);
    w->was_killed = true;
    w->kill_ns = ADK__NEVER;
    w->give_up_ns = adk__now_ns() + AFTERLIFE_NS;
}

static uint64_t grace_of(const adk_request *request)
{
    return request->outputs_count > 0 ? FILES_GRACE_NS : GRACE_NS;
}

static void kill_soon(struct watch *w)
{
    uint64_t then_ns = adk__now_ns() + grace_of(w->runner->request);

    if (then_ns < w->kill_ns)
        w->kill_ns = then_ns;
}

static void pass_on_cancel(struct watch *w)
{
    uint64_t count;

    (void)!read(w->runner->alarm, &count, sizeof(count));
    if (!atomic_load_explicit(&w->runner->interrupt.cancelled, memory_order_acquire))
        return; /* it was raised in a process that the host forked: there it ends nothing of ours */
    w->is_cancelled = true;
    send_signal(w, SIGUSR1);
    kill_soon(w);
}

/* Who sends what no run of ours would gets no further. */
static void disbelieve(struct watch *w)
{
    w->is_false = true;
    kill_run(w);
}

static bool has_streams(const adk_request *request)
{
    return request->on_stdout != NULL || request->on_stderr != NULL;
}

/* A piece of a stream. */
static void take_piece(struct watch *w, const adk__worker_message *piece, size_t size)
{
    const adk_request *request = w->runner->request;
    size_t bytes = size - sizeof(*piece);
    adk_stream_fn fn;

    if (w->call != 0 && adk__worker_message_is(piece, size, ADK__WORKER_RETURNED) && piece->call == w->call) {
        w->is_done = true;
        w->cpu_ns = piece->cpu_ns;
        return;
    }
    if (size < sizeof(*piece) || piece->magic != ADK__WORKER_MAGIC || piece->word != ADK__WORKER_STREAM ||
        piece->call != w->call || !has_streams(request) || (piece->stream != 1 && piece->stream != 2)) {
        disbelieve(w);
        return;
    }
    fn = piece->stream == 1 ? request->on_stdout : request->on_stderr;
    w->streamed[piece->stream - 1] += bytes;
    if (request->output_policy == ADK_OUTPUT_STOP && w->streamed[piece->stream - 1] > request->output_limit_bytes) {
        disbelieve(w);
    } else if (fn != NULL && bytes > 0) {
        int stops = fn(request->stream_data, adk_bytes_make(piece + 1, bytes));

        w->is_foreign = adk__pool_generation() != w->generation;
        if (stops != 0 && !w->is_foreign) {
            w->is_deaf = true; /* its next write fails, and ends it */
            (void)shutdown(w->seat->run, SHUT_RDWR);
            kill_soon(w);
        }
    }
}

/* Returns whether there was a piece. */
static bool take_stream(struct watch *w)
{
    struct {
        adk__worker_message message;
        uint8_t bytes[ADK__WORKER_STREAM_MAX];
    } piece;
    size_t size = 0;
    int failed;

    if (w->is_deaf || w->was_killed || w->has_hung_up || w->is_foreign || w->is_done)
        return false;
    failed = adk__channel_receive(w->seat->run, MSG_DONTWAIT, &piece, sizeof(piece), &size, NULL, 0);
    if (failed == EBADMSG || failed == EMSGSIZE)
        disbelieve(w); /* it is too long, or brings descriptors */
    else if (failed != 0)
        w->has_hung_up = failed != EAGAIN;
    else
        take_piece(w, &piece.message, size);
    return failed == 0;
}

static void take_news(struct watch *w)
{
    size_t size = 0;
    int failed = adk__channel_receive(w->seat->news, MSG_DONTWAIT, &w->end, sizeof(w->end), &size, NULL, 0);

    if (failed == EAGAIN)
        return;
    w->has_ended = true;
    w->is_orphan = failed != 0 || !adk__worker_message_is(&w->end, size, ADK__WORKER_ENDED);
}

static void pass_time(struct watch *w)
{
    uint64_t now_ns = adk__now_ns();

    if (now_ns >= w->kill_ns)
        kill_run(w);
    if (now_ns < w->give_up_ns)
        return;
    w->has_ended = true;
    w->is_orphan = true;
}

/* Nobody says how it ended, so that is seen to here: nothing is to be written or sent any more. */
static void end_orphan(const struct watch *w)
{
    struct pollfd gone = {w->seat->pidfd, POLLIN, 0};
    const struct timespec time = {1, 0};

    send_signal(w, SIGKILL);
    (void)ppoll(&gone, 1, &time, NULL);
}

static void wait_for_end(struct watch *w)
{
    bool streams = has_streams(w->runner->request);

    while (!w->has_ended && !w->is_done) {
        bool listens = (streams || w->call != 0) && !w->is_deaf && !w->was_killed && !w->has_hung_up;
        struct pollfd what[] = {{w->seat->news, POLLIN, 0},
                                {listens ? w->seat->run : -1, POLLIN, 0},
                                {w->is_cancelled ? -1 : w->runner->alarm, POLLIN, 0}};
        uint64_t until_ns = w->kill_ns < w->give_up_ns ? w->kill_ns : w->give_up_ns;
        uint64_t now_ns = adk__now_ns();
        struct timespec time = adk__timespec_from_ns(until_ns > now_ns ? until_ns - now_ns : 0);

        (void)ppoll(what, ADK_COUNT(what), &time, NULL);
        if ((what[1].revents & POLLIN) != 0)
            (void)take_stream(w);
        else if (what[1].revents != 0)
            w->has_hung_up = true;
        if (w->is_foreign)
            return;
        if (what[2].revents != 0)
            pass_on_cancel(w);
        if (w->is_done)
            break; /* what becomes of a session's process from here on is the next call's to learn */
        if (what[0].revents != 0)
            take_news(w);
        pass_time(w);
    }
    if (w->is_orphan)
        end_orphan(w);
    while (streams && take_stream(w))
        continue;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

/* The guest has all of its time; its process a little more, for what it has to say. */
static void set_times(const adk__runner *runner, adk__exchange_orders *orders)
{
    uint64_t grace_ns = grace_of(runner->request);

    orders->started_ns = runner->start_ns;
    orders->soft_ns = runner->interrupt.deadline_ns;
    orders->last_ns = adk__add_saturated(orders->soft_ns, grace_ns - REPORT_NS);
    orders->hard_ns = adk__add_saturated(orders->soft_ns, grace_ns);
}

/* Returns 0, or an errno value where the child could not be told: it has gone, and has run nothing. */
static int send_order(const adk__seat *seat, int exchange_fd, const adk__code *code)
{
    const adk__worker_message message = {.magic = ADK__WORKER_MAGIC, .word = ADK__WORKER_RUN};
    const int fds[ADK__WORKER_RUN_FDS] = {exchange_fd, code == NULL ? -1 : code->fd};

    return adk__channel_send(seat->run, &message, sizeof(message), fds, code == NULL ? 1 : 2);
}

/* It could not be told. A child that died while it stood ready says nothing against its worker, which knows of it. */
static adk__seat_end end_before_order(const adk__seat *seat)
{
    struct pollfd what = {seat->news, POLLIN, 0};
    adk__worker_message message;
    size_t size = 0;

    if (poll(&what, 1, NEWS_PATIENCE) == 1 &&
        adk__channel_receive(seat->news, MSG_DONTWAIT, &message, sizeof(message), &size, NULL, 0) == 0 &&
        adk__worker_message_is(&message, size, ADK__WORKER_ENDED))
        return ADK__SEAT_WELL;
    return ADK__SEAT_ORPHAN;
}

/* A seat whose child has taken the order; no worker where the run must stop before that. */
static int place_order(adk__runner *runner, adk__pool *pool, int exchange_fd, const adk__code *code,
                       adk__seat *ret_seat, adk_error **ret_error)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        int status = adk__pool_take(pool, false, &runner->interrupt, ret_seat, ret_error);

        if (status != ADK_OK || ret_seat->worker == NULL || send_order(ret_seat, exchange_fd, code) == 0)
            return status;
        adk__pool_give(pool, ret_seat, end_before_order(ret_seat));
    }
    return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the worker's processes die before they are used");
}

/* A call of a session says itself that it is done, and its process goes on. */
static int read_exchange(const struct watch *w, int fd, const adk__exchange_layout *layout,
                         adk__exchange_found *ret_found, adk_error **ret_error)
{
    uint64_t now_ns = adk__now_ns();
    const adk__exchange_wish wish = {
        .fd = fd,
        .layout = layout,
        .request = w->runner->request,
        .elapsed_ns = now_ns - w->runner->start_ns,
        .with_report = w->is_done || has_ended_well(w),
        .was_cancelled = w->is_cancelled || w->is_deaf,
        .is_late = now_ns >= w->runner->interrupt.deadline_ns,
    };

    return adk__exchange_read(&wish, w->runner->result, ret_found, ret_error);
}

static int complete(struct watch *w, int fd, const adk__exchange_layout *layout, adk_error **ret_error)
{
    adk_result *result = w->runner->result;
    adk__exchange_found found;
    int status = read_exchange(w, fd, layout, &found, ret_error);

    if (!w->is_orphan) {
        result->usage.cpu_ns = w->end.cpu_ns;
        result->usage.measured |= ADK_USAGE_CPU;
    }
    if (status == ADK_OK && found == ADK__EXCHANGE_NOTHING)
        status = end_without_report(w, ret_error);
    return status;
}

/* A run that came to an end of its own may have learned what its image looks like. */
static adk__seat_end end_of(const struct watch *w)
{
    if (w->is_orphan)
        return ADK__SEAT_ORPHAN;
    return w->runner->result->outcome == ADK_OUTCOME_SIGNALED ? ADK__SEAT_CRASH : ADK__SEAT_WELL;
}

static void tell_phase(const adk__runner *runner, adk_phase phase)
{
    if (runner->request->on_phase != NULL)
        runner->request->on_phase(runner->request->phase_data, phase);
}

int adk__runner_run(adk__runner *runner, adk__pool *pool, const adk__code *code, adk_error **ret_error)
{
    adk__seat seat = {NULL, -1, -1, -1};
    struct watch w = {.runner = runner, .seat = &seat, .give_up_ns = ADK__NEVER};
    ADK_AUTO_CLOSE int fd = -1;
    adk__exchange_orders orders = {.inputs_stop = 0};
    adk_request request = *runner->request;
    adk__exchange_layout layout;
    bool stopped;
    int status;

    tell_phase(runner, ADK_PHASE_INSTANTIATE);
    set_times(runner, &orders);
    if (code != NULL) {
        orders.split = code->split;
        request.code = adk_bytes_make(NULL, 0); /* what it compiled to is sent instead */
    }
    status = adk__exchange_make(&request, &orders, &runner->interrupt, &layout, &fd, ret_error);
    if (status == ADK_OK)
        status = place_order(runner, pool, fd, code, &seat, ret_error);
    if (status != ADK_OK)
        return status;
    if (seat.worker == NULL)
        return adk__runner_check(runner, ADK_PHASE_INSTANTIATE, &stopped, ret_error);
    w.generation = adk__pool_generation();
    tell_phase(runner, ADK_PHASE_RUN); /* as far as that can be said from here */
    w.is_foreign = adk__pool_generation() != w.generation;
    w.kill_ns = orders.hard_ns;
    if (!w.is_foreign)
        wait_for_end(&w);
    if (w.is_foreign)
        status = adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the run belongs to the process that forked this one");
    else
        status = complete(&w, fd, &layout, ret_error);
    adk__pool_give(pool, &seat, end_of(&w));
    return status;
}

/* ---- sessions ------------------------------------------------------------------------------------------------------ */

int adk__runner_open(adk__interrupt *interrupt, const adk__seat *seat, const adk__worker_opening *opening,
                     adk_error **ret_error)
{
    struct pollfd what = {seat->run, POLLIN, 0};
    adk__worker_message answer;
    size_t size = 0;
    int failed = adk__channel_send(seat->run, opening, sizeof(*opening), NULL, 0);

    while (!failed) {
        const uint64_t step_ns = OPENING_STEP_NS;
        const struct timespec time = adk__timespec_from_ns(step_ns);

        failed = adk__channel_receive(seat->run, MSG_DONTWAIT, &answer, sizeof(answer), &size, NULL, 0);
        if (failed != EAGAIN)
            break;
        failed = 0;
        if (adk__interrupt_check(interrupt) != ADK__INTERRUPT_NONE)
            return adk__fail(ret_error, ADK_E_UNAVAILABLE, ETIMEDOUT, "open a session");
        (void)ppoll(&what, 1, &time, NULL);
    }
    if (failed || !adk__worker_message_is(&answer, size, ADK__WORKER_OPENED))
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, failed, "the session's process does not answer");
    if (answer.exit_status == ENOSPC)
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "the memory limit, %llu bytes, is less than what the interpreter has when it is warm",
                         (unsigned long long)opening->memory_bytes);
    if (answer.exit_status != 0)
        return adk__fail(ret_error, ADK_E_SYSTEM, answer.exit_status, "set the limits of a session");
    return ADK_OK;
}

/* The process has ended by itself: nobody has taken the order. */
static int fail_gone(struct watch *w, adk__runner_left *ret_left, adk_error **ret_error)
{
    w->kill_ns = adk__now_ns();
    wait_for_end(w);
    ret_left->has_ended = true;
    ret_left->has_expired = !w->is_orphan && w->end.signal == 0 && w->end.exit_status == ADK__WORKER_EXPIRED;
    ret_left->has_spent_cpu = !w->is_orphan && w->end.signal == SIGXCPU;
    ret_left->end = w->is_orphan ? ADK__SEAT_ORPHAN : ADK__SEAT_WELL;
    return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "%s",
                     ret_left->has_expired     ? "the session has ended: nothing was asked of it for too long"
                     : ret_left->has_spent_cpu ? "the session has ended: its CPU time is used up"
                     : w->is_orphan            ? "the session has ended: its process died with its worker"
                                               : "the session has ended: its process died");
}

/* What it says to have done makes no sense: it is to be gone before it is told so. */
static void kill_false(struct watch *w)
{
    w->is_done = false;
    w->is_false = true;
    kill_run(w);
    wait_for_end(w);
}

static int end_for_cpu(const struct watch *w, adk_error **ret_error)
{
    adk_result *result = w->runner->result;

    result->outcome = ADK_OUTCOME_TIMED_OUT;
    if (adk__result_message(result, "the session's CPU time is used up") != ADK_OK)
        return adk__fail_nomem(ret_error);
    return ADK_OK;
}

static int complete_call(struct watch *w, int fd, const adk__exchange_layout *layout, adk__runner_left *ret_left,
                         adk_error **ret_error)
{
    adk_result *result = w->runner->result;
    adk__exchange_found found;
    int status = read_exchange(w, fd, layout, &found, ret_error);

    if (w->is_done && status == ADK_OK && found == ADK__EXCHANGE_NOTHING)
        kill_false(w);
    ret_left->has_ended = w->has_ended;
    if (w->is_done) {
        result->usage.cpu_ns = w->cpu_ns;
        result->usage.measured |= ADK_USAGE_CPU;
        return status;
    }
    ret_left->has_spent_cpu = !w->is_orphan && w->end.signal == SIGXCPU;
    ret_left->end = w->is_orphan ? ADK__SEAT_ORPHAN
                    : w->is_false || (w->end.signal != 0 && !was_ended_by_us(w) && !ret_left->has_spent_cpu)
                        ? ADK__SEAT_CRASH
                        : ADK__SEAT_WELL;
    if (w->is_orphan)
        end_orphan(w);
    if (status == ADK_OK && w->is_deaf && result->outcome == ADK_OUTCOME_EXITED && !w->is_false)
        return end_early(result, true, ADK_PHASE_HOST_CALL, ret_error); /* it had nothing more to write */
    if (status != ADK_OK || (found != ADK__EXCHANGE_NOTHING && !w->is_false))
        return status;
    return ret_left->has_spent_cpu ? end_for_cpu(w, ret_error) : end_without_report(w, ret_error);
}

int adk__runner_call(adk__runner *runner, adk__seat *seat, uint32_t call, adk__runner_left *ret_left,
                     adk_error **ret_error)
{
    const adk__worker_message message = {.magic = ADK__WORKER_MAGIC, .word = ADK__WORKER_CALL, .call = call};
    struct watch w = {.runner = runner, .seat = seat, .call = call, .give_up_ns = ADK__NEVER};
    adk__exchange_orders orders = {.inputs_stop = 0};
    ADK_AUTO_CLOSE int fd = -1;
    adk__exchange_layout layout;
    int status;

    *ret_left = (adk__runner_left){.has_ended = false};
    set_times(runner, &orders);
    status = adk__exchange_make(runner->request, &orders, &runner->interrupt, &layout, &fd, ret_error);
    if (status != ADK_OK)
        return status;
    if (adk__channel_send(seat->run, &message, sizeof(message), &fd, 1) != 0)
        return fail_gone(&w, ret_left, ret_error);
    w.kill_ns = orders.hard_ns;
    w.generation = adk__pool_generation();
    wait_for_end(&w);
    if (w.is_foreign) {
        *ret_left = (adk__runner_left){.has_ended = true, .end = ADK__SEAT_ORPHAN};
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the call belongs to the process that forked this one");
    }
    if (w.has_ended && !w.is_done && !w.is_orphan && w.end.signal == 0 && w.end.exit_status == ADK__WORKER_EXPIRED)
        return fail_gone(&w, ret_left, ret_error); /* as it was being asked */
    return complete_call(&w, fd, &layout, ret_left, ret_error);
}
