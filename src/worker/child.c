/*
 * Theory of operation. The process has one thread and one descriptor, its channel. It waits there for its order, maps the
 * file that it shares with the library, runs the guest, writes the report into the file, and exits. What the guest writes
 * goes straight into that file, so that it is there however this process ends; only a stream that somebody listens to also
 * goes over the channel, as it comes.
 *
 * Time: a POSIX timer fires at the deadline and every half millisecond from then on, and its handler moves the engine's
 * epoch, so that the guest is stopped. SIGUSR1 is the library's cancellation, and starts the same. The library relies on
 * neither: some milliseconds later it kills.
 *
 * Before the guest, the last filter goes up: nothing that is not executable can become so. In a fork of a warm image that is
 * before the order, while nobody waits. Whatever fails is reported, and what fails so early that it cannot be is this process's
 * exit without a report.
 *
 * In a session (worker/calls.c) the same goes on for each call, with a file of its own, of which nothing is left when the
 * next begins: what goes into the tree is copied.
 */
#include "worker/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "core/error.h"
#include "core/result.h"
#include "wasi/context.h"
#include "wasm/ending.h"
#include "wasm/files.h"
#include "wasm/live.h"
#include "wasm/source.h"
#include "worker/calls.h"
#include "worker/exchange.h"
#include "worker/image.h"
#include "worker/pages.h"
#include "worker/program.h"
#include "worker/protocol.h"
#include "worker/walls.h"

#define TICK_NS          500000
#define REHEARSAL_NS     ADK__NS_PER_S
#define REHEARSAL_MAX_NS (2 * REHEARSAL_NS)

static struct {
    int channel;
    adk__exchange_head *head;
    adk__exchange_request order;
    adk__run *run;
    wasm_engine_t *engine;
    timer_t timer;
    uint64_t load_ns;
    bool is_session;
    uint32_t call; /* of a session */
    volatile sig_atomic_t is_cancelled;
    volatile sig_atomic_t is_between; /* a session's calls: there is nothing to cancel */
    volatile sig_atomic_t is_waiting; /* for the next: what the timer ends is the process */
    bool is_rehearsal;
} child;

/* ---- time ---------------------------------------------------------------------------------------------------------- */

static void on_tick(int signal)
{
    (void)signal;
    if (child.is_waiting)
        _exit(ADK__WORKER_EXPIRED);
    wasmtime_engine_increment_epoch(child.engine); /* an atomic addition */
    if (child.is_rehearsal && adk__now_ns() > child.order.orders.soft_ns + REHEARSAL_MAX_NS)
        _exit(EXIT_FAILURE);
}

static void on_cancel(int signal)
{
    const struct itimerspec at_once = {.it_value = {0, 1}, .it_interval = {0, TICK_NS}};

    (void)signal;
    if (child.is_between)
        return;
    child.is_cancelled = true;
    atomic_store_explicit(&child.run->interrupt.cancelled, true, memory_order_release);
    (void)timer_settime(child.timer, 0, &at_once, NULL);
}

int adk__child_make_timer(adk__run *run, wasm_engine_t *engine)
{
    /* Not restarted: what sleeps or sends looks whether it must stop. */
    struct sigaction tick = {.sa_handler = on_tick};
    struct sigaction cancel = {.sa_handler = on_cancel};

    child.run = run;
    child.engine = engine;
    run->interrupt.is_lone = true;
    if (timer_create(CLOCK_MONOTONIC, NULL, &child.timer) != 0 || sigaction(SIGALRM, &tick, NULL) != 0 ||
        sigaction(SIGUSR1, &cancel, NULL) != 0)
        return errno;
    return 0;
}

/* The request's, from here on. */
static int begin_time(adk__run *run)
{
    struct itimerspec due = {.it_interval = {0, TICK_NS}};

    adk__interrupt_begin(&run->interrupt, child.order.orders.soft_ns);
    run->interrupt.waits = child.is_rehearsal ? NULL : &child.head->waits;
    run->last_ns = child.order.orders.last_ns;
    due.it_value = adk__timespec_from_ns(run->interrupt.deadline_ns);
    if (timer_settime(child.timer, TIMER_ABSTIME, &due, NULL) != 0)
        return errno;
    if (child.is_cancelled) /* before it began */
        on_cancel(SIGUSR1);
    return 0;
}

static int watch_time(adk__run *run, wasm_engine_t *engine)
{
    int failed = adk__child_make_timer(run, engine);

    return failed ? failed : begin_time(run);
}

void adk__child_wait_until(uint64_t until_ns)
{
    const struct itimerspec due = {.it_value = adk__timespec_from_ns(until_ns)};

    (void)timer_settime(child.timer, TIMER_ABSTIME, &due, NULL);
    child.is_waiting = true;
}

void adk__child_stop_waiting(void)
{
    const struct itimerspec never = {.it_value = {0, 0}};

    child.is_waiting = false;
    (void)timer_settime(child.timer, 0, &never, NULL);
}

/* ---- streams ------------------------------------------------------------------------------------------------------- */

static int send_piece(const void *data, size_t size)
{
    struct iovec part = {(void *)(uintptr_t)data, size};
    const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    while (sendmsg(child.channel, &message, MSG_NOSIGNAL) < 0) {
        if (errno != EINTR || adk__run_is_due(child.run, ADK_PHASE_HOST_CALL))
            return -1;
    }
    return 0;
}

static int stream(uint32_t number, adk_bytes bytes)
{
    struct {
        adk__worker_message message;
        uint8_t bytes[ADK__WORKER_STREAM_MAX];
    } piece = {
        .message = {.magic = ADK__WORKER_MAGIC, .word = ADK__WORKER_STREAM, .stream = number, .call = child.call}};
    const uint8_t *from = bytes.data;

    for (size_t left = bytes.size; left > 0;) {
        size_t size = left < ADK__WORKER_STREAM_MAX ? left : ADK__WORKER_STREAM_MAX;

        memcpy(piece.bytes, from, size);
        if (send_piece(&piece, sizeof(piece.message) + size) != 0)
            return -1;
        from += size;
        left -= size;
    }
    return 0;
}

static int stream_stdout(void *data, adk_bytes bytes)
{
    (void)data;
    return stream(1, bytes);
}

static int stream_stderr(void *data, adk_bytes bytes)
{
    (void)data;
    return stream(2, bytes);
}

static void publish_phase(void *data, uint32_t phase)
{
    (void)data;
    atomic_store(&child.head->phase, phase);
}

/* ---- the order ----------------------------------------------------------------------------------------------------- */

/* Without an order there is nobody to report to. Takes the descriptor. */
static void open_order(int channel, int fd)
{
    child.channel = channel;
    child.head = adk__exchange_map(fd);
    if (child.head == NULL || !adk__exchange_read_request(child.head, &child.order))
        _exit(EXIT_FAILURE);
    (void)close(fd);
    atomic_store(&child.head->phase, ADK_PHASE_INSTANTIATE);
    child.order.request.on_phase = publish_phase;
    if ((child.order.streams & 1) != 0)
        child.order.request.on_stdout = stream_stdout;
    if ((child.order.streams & 2) != 0)
        child.order.request.on_stderr = stream_stderr;
}

static void take_order(int channel, size_t fd_count, int *ret_fds)
{
    adk__worker_message message;
    size_t size = 0;

    if (adk__channel_receive(channel, 0, &message, sizeof(message), &size, ret_fds, fd_count) != 0 ||
        !adk__worker_message_is(&message, size, ADK__WORKER_RUN))
        _exit(EXIT_FAILURE);
    open_order(channel, ret_fds[ADK__WORKER_RUN_EXCHANGE]);
}

/* What was taken of it is let go of, for a process that will take another. */
static void close_order(adk__run *run)
{
    adk_result *result = run->result;

    for (int i = 0; i < 2; i++) { /* lent to it */
        result->output[i].head.data = NULL;
        result->output[i].tail = NULL;
    }
    adk_result_free(result);
    run->result = NULL;
    run->request = NULL;
    free(child.order.inputs);
    free((void *)(uintptr_t)child.order.request.args);
    free((void *)(uintptr_t)child.order.request.env);
    free((void *)(uintptr_t)child.order.request.outputs);
    child.run->interrupt.waits = NULL;
    (void)munmap(child.head, (size_t)child.head->layout.size);
    child.head = NULL;
    memset(&child.order, 0, sizeof(child.order));
}

static _Noreturn void fail(int status, const adk_error *error)
{
    if (child.is_rehearsal)
        _exit(EXIT_FAILURE);
    adk__exchange_fail(child.head, status, error);
    _exit(EXIT_SUCCESS);
}

static adk_result *new_result(void)
{
    adk_error *error = NULL;
    adk_result *result = NULL;
    int status = adk_result_new(&child.order.request, &result, &error);

    if (status != ADK_OK)
        fail(status, error);
    adk__exchange_lend(child.head, result);
    return result;
}

static void limit_memory(void)
{
    adk_error *error = NULL;
    const adk_request *request = &child.order.request;
    uint64_t files_bytes = request->outputs_count > 0 ? request->outputs_limit_bytes : 0;
    int failed = adk__walls_limit_memory(adk__add_saturated(request->memory_limit_bytes, files_bytes));

    if (failed)
        fail(adk__fail(&error, ADK_E_SYSTEM, failed, "limit a run's memory"), error);
}

/* ---- files --------------------------------------------------------------------------------------------------------- */

/* The tree of a session outlives the file that the call's inputs lie in; and what is brought again replaces what is there. */
static void copy_inputs(adk__vfs *vfs)
{
    for (size_t i = 0; i < child.order.inputs_count; i++) {
        adk__exchange_input *input = &child.order.inputs[i];

        if (input->kind == ADK__EXCHANGE_BORROWED)
            input->kind = ADK__EXCHANGE_COPIED;
        if (input->kind == ADK__EXCHANGE_COPIED || input->kind == ADK__EXCHANGE_LINK)
            (void)adk__vfs_unlink(adk__vfs_root(vfs), input->path.data, input->path.size);
    }
}

static int put_inputs(adk__run *run, adk__vfs *vfs, adk_error **ret_error)
{
    adk__buf shown = ADK__BUF_INIT((size_t)4 * ADK__NAME_SHOWN + 16);
    adk_bytes path;
    size_t at = 0;
    int failed;
    int status = ADK_OK;

    if (child.is_session)
        copy_inputs(vfs);
    failed = adk__exchange_load(&child.order, vfs, &at);
    if (failed == -ENOSPC) {
        adk__run_stop(run, ADK__CAUSE_MEMORY, ADK_PHASE_INSTANTIATE);
        return ADK_OK;
    }
    if (failed == -ENOMEM)
        return adk__fail_nomem(ret_error);
    if (failed) {
        path = child.order.inputs[at].path;
        (void)adk__text_append_escaped(&shown, path.data, path.size, ADK__NAME_SHOWN);
        status = adk__fail(ret_error, ADK_E_INVALID, -failed, "put the file \"/%.*s\" into the guest's tree",
                           (int)shown.size, (const char *)shown.data);
        adk__buf_free(&shown);
    }
    for (size_t i = 0; i < child.order.inputs_count && status == ADK_OK && run->cause == ADK__CAUSE_NONE; i++) {
        if (child.order.inputs[i].kind == ADK__EXCHANGE_PREOPEN && !child.is_session)
            status = adk__files_preopen(run, vfs, child.order.inputs[i].path, ret_error);
    }
    return status;
}

/* As adk__files_in() does. */
static int files_in(adk__run *run, adk_error **ret_error)
{
    adk__vfs *vfs = NULL;
    int status = ADK_OK;

    if (child.order.orders.inputs_stop == ADK__INPUTS_MEMORY) {
        run->budget.denied++;
        adk__run_stop(run, ADK__CAUSE_MEMORY, ADK_PHASE_INSTANTIATE);
    }
    if (child.order.inputs_count > 0 && run->cause == ADK__CAUSE_NONE)
        status = adk__files_tree(run, &vfs, ret_error);
    return status == ADK_OK && vfs != NULL ? put_inputs(run, vfs, ret_error) : status;
}

/* ---- the end ------------------------------------------------------------------------------------------------------- */

static void report(adk__run *run, int status, adk_error *error)
{
    adk_result *result = run->result;

    if (child.is_rehearsal && status == ADK_OK && result->outcome == ADK_OUTCOME_EXITED)
        adk__pages_end_rehearsal();
    if (child.is_rehearsal)
        _exit(EXIT_FAILURE);
    if (status == ADK_OK) {
        /* Of a run that was stopped it is known where; it may have no time for more. */
        publish_phase(NULL, result->outcome == ADK_OUTCOME_TIMED_OUT ? result->phase : ADK_PHASE_COLLECT);
        status = adk__files_out(run, &error);
    }
    if (status != ADK_OK) {
        adk__exchange_fail(child.head, status, error);
        return;
    }
    result->usage.memory_peak_bytes = run->budget.peak_bytes;
    result->usage.memory_denied = run->budget.denied;
    result->usage.host_calls = run->host_calls;
    adk__exchange_finish(child.head, result, child.load_ns);
}

void adk__child_finish(adk__run *run, int status, adk_error *error)
{
    if (run->result == NULL) /* a session that ends between two calls */
        _exit(EXIT_FAILURE);
    report(run, status, error);
    _exit(EXIT_SUCCESS);
}

/* ---- ordinary modules ---------------------------------------------------------------------------------------------- */

static void refuse(adk__run *run, const adk__refusal *refusal)
{
    adk_result *result = run->result;

    result->outcome = ADK_OUTCOME_REJECTED;
    result->reason = refusal->reason;
    if (adk__result_message(result, "%.*s", (int)refusal->message.size, (const char *)refusal->message.data) != ADK_OK)
        fail(ADK_E_NOMEM, NULL);
    adk__child_finish(run, ADK_OK, NULL);
}

/*
 * The limit on this process's memory (walls.c) may be in the way of a module's least memory before the budget is asked: the
 * pool maps first. If all of the budget can be had, it was more than that which was wanted.
 */
static bool wanted_too_much(const adk__run *run, int status, const adk_error *error)
{
    uint64_t size = run->request->memory_limit_bytes;
    void *all;

    if (status != ADK_E_SYSTEM || run->phase != ADK_PHASE_INSTANTIATE ||
        strstr(adk_error_message_cstr(error), "(os error 12)") == NULL)
        return false;
    all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED)
        return false;
    (void)munmap(all, size);
    return true;
}

static int live(adk__run *run, adk__module *module, adk__shard *shard, adk_error **ret_error)
{
    const wasmtime_instance_pre_t *pre = NULL;
    adk_error *error = NULL;
    int status = adk__module_in_shard(module, shard, &pre, ret_error);
    int failed;

    if (status == ADK_OK)
        status = files_in(run, ret_error);
    if (status != ADK_OK)
        return status;
    limit_memory();
    failed = adk__walls_seal_run();
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "set the system call filter of a run");
    status = adk__live(module->engines->options->entry_cstr, run, module, shard, pre,
                       wasmtime_store_new(shard->engine, run, NULL), &error);
    if (wanted_too_much(run, status, error)) {
        run->budget.denied++;
        adk__run_stop(run, ADK__CAUSE_MEMORY, ADK_PHASE_INSTANTIATE);
        return adk__ending_set(run, NULL, ret_error);
    }
    *ret_error = error;
    return status;
}

void adk__child_run(int channel, adk__engines *engines, uint32_t flavour)
{
    adk__refusal refusal = ADK__REFUSAL_INIT;
    adk__module *module = NULL;
    adk_error *error = NULL;
    adk__shard *shard = NULL;
    adk__run *run = NULL;
    int fds[ADK__WORKER_RUN_FDS];
    uint64_t start_ns;
    int status;

    take_order(channel, ADK__WORKER_RUN_FDS, fds);
    start_ns = adk__now_ns();
    status = adk__run_begin(&child.order.request, NULL, child.order.orders.started_ns, new_result(), &run, &error);
    if (status == ADK_OK)
        status = adk__engines_shard(engines, flavour, ADK__CHILD_SHARD, &shard, &error);
    if (status == ADK_OK && watch_time(run, shard->engine) != 0)
        status = adk__fail(&error, ADK_E_SYSTEM, errno, "make a timer for a run");
    if (status == ADK_OK)
        status = adk__module_load(engines, flavour, shard->index, fds[ADK__WORKER_RUN_CODE], &child.order.orders.split,
                                  &refusal, &module, &error);
    child.load_ns = adk__now_ns() - start_ns;
    if (status == ADK_OK && module == NULL)
        refuse(run, &refusal);
    if (status == ADK_OK)
        status = live(run, module, shard, &error);
    adk__child_finish(run, status, error);
}

/* ---- warm images --------------------------------------------------------------------------------------------------- */

static int put_tree(adk__run *run, adk_error **ret_error)
{
    adk__vfs *vfs = NULL;
    int status = adk__files_tree(run, &vfs, ret_error);
    int failed;

    if (status != ADK_OK || vfs == NULL)
        return status;
    adk__vfs_own(vfs); /* the image's: a run that asks for everything gets what is its own */
    failed =
        adk__program_put(vfs, &child.order.request, child.is_session, child.is_session && adk__calls_is_new_process());
    if (failed == -ENOSPC)
        adk__run_stop(run, ADK__CAUSE_MEMORY, ADK_PHASE_INSTANTIATE);
    else if (failed)
        return adk__fail(ret_error, failed == -ENOMEM ? ADK_E_NOMEM : ADK_E_SYSTEM, -failed,
                         "put a program into the guest's tree");
    status = run->cause == ADK__CAUSE_NONE ? files_in(run, ret_error) : ADK_OK;
    adk__vfs_mark(vfs);
    return status;
}

bool adk__child_take_budget(adk__run *run, uint64_t limit_bytes)
{
    adk__budget *budget = &run->budget;
    uint64_t used_bytes = budget->used_bytes;
    uint64_t elements = budget->table_elements;

    adk__budget_begin(budget, limit_bytes);
    budget->used_bytes = used_bytes;
    budget->peak_bytes = used_bytes;
    budget->table_elements = elements;
    if (used_bytes <= budget->limit_bytes)
        return true;
    budget->limit_bytes = used_bytes;
    return false;
}

static void take_budget(adk__run *run)
{
    if (adk__child_take_budget(run, run->request->memory_limit_bytes))
        return;
    run->budget.denied++;
    adk__run_stop(run, ADK__CAUSE_MEMORY, ADK_PHASE_INSTANTIATE);
}

/* Another request is the run's. */
static void begin_request(adk__run *run)
{
    run->request = &child.order.request;
    run->result = new_result();
    run->cause = ADK__CAUSE_NONE;
    run->host_calls = 0;
}

/* `run` goes on with the order. */
static bool resume(adk__run *run)
{
    adk_error *error = NULL;
    int status = ADK_OK;

    begin_request(run);
    take_budget(run);
    if (begin_time(run) != 0)
        fail(adk__fail(&error, ADK_E_SYSTEM, errno, "set the timer of a run"), error);
    adk__wasi_resume(run->wasi, run->request, child.order.orders.started_ns);
    if (run->cause == ADK__CAUSE_NONE)
        status = put_tree(run, &error);
    if (status == ADK_OK && run->request->fuel != 0)
        (void)wasmtime_context_set_fuel(wasmtime_store_context(run->store), run->request->fuel);
    if (status != ADK_OK)
        fail(status, error);
    if (!child.is_rehearsal) {
        limit_memory();
        publish_phase(NULL, ADK_PHASE_RUN);
    }
    run->ready_ns = adk__now_ns();
    child.load_ns = 0;
    return !adk__run_is_due(run, ADK_PHASE_INSTANTIATE);
}

bool adk__child_resume(int channel, adk__run *run, const adk__shard *shard)
{
    int fd;

    if (adk__child_make_timer(run, shard->engine) != 0 || adk__walls_seal_run() != 0)
        _exit(EXIT_FAILURE); /* there is no order yet, and nobody to tell */
    take_order(channel, 1, &fd);
    return resume(run);
}

bool adk__child_rehearse(adk__exchange_head *head, const adk__exchange_request *image, adk__run *run,
                         const adk__shard *shard)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    child.is_rehearsal = true;
    child.channel = -1;
    child.head = head;
    child.order = *image;
    child.order.inputs_count = 0;                  /* they are there already */
    child.order.request.flags |= ADK_REQUEST_SEED; /* the system's numbers could not be written to protected memory */
    child.order.orders.started_ns = adk__now_ns();
    child.order.orders.soft_ns = child.order.orders.started_ns + REHEARSAL_NS;
    return adk__child_make_timer(run, shard->engine) == 0 && resume(run);
}

/* ---- calls of a session -------------------------------------------------------------------------------------------- */

void adk__child_begin_session(void)
{
    child.is_session = true;
    child.is_between = true;
}

/* Nothing may be left of the call that has ended. */
static void end_call(adk__run *run, int status, adk_error *error)
{
    adk__vfs *vfs = adk__wasi_files_made(run->wasi);

    report(run, status, error);
    child.is_between = true;
    child.is_cancelled = false;
    adk__child_stop_waiting();
    adk_error_free(error);
    close_order(run);
    if (vfs != NULL)
        adk__vfs_restore_limits(vfs);
}

bool adk__child_begin_call(int channel, int fd, uint32_t call, adk__run *run)
{
    adk_error *error = NULL;
    int status = ADK_OK;

    child.call = call;
    open_order(channel, fd);
    begin_request(run);
    (void)adk__child_take_budget(run, run->budget.limit_bytes);
    child.load_ns = 0;
    child.is_between = false;
    if (begin_time(run) != 0)
        _exit(EXIT_FAILURE);
    adk__wasi_resume(run->wasi, run->request, child.order.orders.started_ns);
    status = put_tree(run, &error);
    run->ready_ns = adk__now_ns();
    if (status == ADK_OK && !adk__run_is_due_at(run, ADK_PHASE_INSTANTIATE, run->ready_ns)) {
        atomic_store(&child.head->phase, ADK_PHASE_RUN);
        return true;
    }
    if (status == ADK_OK)
        status = adk__ending_set(run, NULL, &error);
    end_call(run, status, error);
    return false;
}

void adk__child_end_call(adk__run *run, uint32_t code)
{
    run->result->outcome = ADK_OUTCOME_EXITED;
    run->result->code = code;
    run->result->usage.run_ns = adk__now_ns() - run->ready_ns;
    end_call(run, ADK_OK, NULL);
}
