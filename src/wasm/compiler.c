/*
 * Jobs of the compiling helper: started, listened to, killed.
 *
 * What comes from the helper is checked like anything else from outside, but for the code itself: compiled code is code,
 * and as trusted as a compilation in place. It is written to a file in memory that is sealed before it is looked at.
 */
#include "wasm/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/process.h"
#include "base/text.h"
#include "core/error.h"
#include "wasm/engine.h"
#include "wasm/reaper.h"
#include "worker/protocol.h"

#define MEMORY_DEFAULT ((uint64_t)1 << 30)
#define MEMORY_MIN     ((uint64_t)64 << 20)
#define WORKERS_MAX    256

/* How long a step lasts: a cancellation is seen between two. */
#define STEP_NS UINT64_C(2000000)

struct adk__compilation {
    adk__grave grave; /* where its process is to be collected; first, so that the grave is the job */
    adk__compilers *compilers;
    adk__worker_job message;
    int source_fd;
    int code_fd;
    uint64_t started_ns; /* 0: it has not */
    bool is_silent;      /* it hung up or ended without a verdict: only its end is waited for */
};

/* ---- making and ending -------------------------------------------------------------------------------------------- */

/* The program's process has gone. On the reaper's thread. */
static void collected(adk__grave *grave)
{
    adk__compilation *job = (adk__compilation *)grave;

    (void)atomic_fetch_sub(&job->compilers->used, 1);
    free(job);
}

static void close_files(adk__compilation *job)
{
    if (job->source_fd >= 0)
        (void)close(job->source_fd);
    if (job->code_fd >= 0)
        (void)close(job->code_fd);
    job->source_fd = -1;
    job->code_fd = -1;
}

void adk__compilation_free(adk__compilation *job)
{
    if (job == NULL)
        return;
    close_files(job);
    if (job->started_ns == 0) {
        free(job);
        return;
    }
    adk__process_kill(&job->grave.process);
    adk__reaper_bury(&job->grave);
}
ADK_DEFINE_AUTO(adk__compilation, adk__compilation_free);

void adk__compilation_forget(adk__compilation *job)
{
    close_files(job);
    adk__process_close(&job->grave.process);
    free(job);
}

int adk__compilation_code_fd(const adk__compilation *job)
{
    return job->code_fd;
}

uint64_t adk__compilation_ran_ns(const adk__compilation *job)
{
    return job->started_ns == 0 ? 0 : adk__now_ns() - job->started_ns;
}

static int make_files(adk__compilation *job, adk_bytes code, adk_error **ret_error)
{
    int failed;

    job->source_fd = memfd_create("adk-source", MFD_CLOEXEC);
    job->code_fd = memfd_create("adk-code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (job->source_fd < 0 || job->code_fd < 0)
        return adk__fail(ret_error, ADK_E_SYSTEM, errno, "memfd_create for compiling a module");
    failed = adk__write_all(job->source_fd, code.data, code.size);
    return failed ? adk__fail(ret_error, ADK_E_SYSTEM, failed, "copy a module's source for the compiler") : ADK_OK;
}

int adk__compilation_new(adk__compilers *compilers, const adk__compilation_wish *wish, adk__compilation **ret_job,
                         adk_error **ret_error)
{
    ADK_AUTO(adk__compilation_free) adk__compilation *job = NULL;
    int status;

    if (!compilers->is_there)
        return adk__fail(
            ret_error, ADK_E_UNAVAILABLE, 0,
            "this module may take long to compile, which the helper program %s would do, but it is not there: "
            "install it, or name it in the environment's ADK_SANDBOX_WORKER",
            compilers->path == NULL ? "adk-worker" : compilers->path);
    job = calloc(1, sizeof(*job));
    if (job == NULL)
        return adk__fail_nomem(ret_error);
    job->compilers = compilers;
    job->grave.process = (adk__process)ADK__PROCESS_NONE;
    job->grave.collected = collected;
    job->source_fd = -1;
    job->code_fd = -1;
    job->message.magic = ADK__WORKER_MAGIC;
    job->message.protocol = ADK__WORKER_PROTOCOL;
    job->message.flavour = wish->flavour;
    job->message.flags = wish->is_narrow ? ADK__WORKER_NARROW : 0;
    job->message.source_bytes = wish->code.size;
    job->message.memory_bytes = compilers->memory_bytes;
    adk__worker_version(job->message.version);
    status = make_files(job, wish->code, ret_error);
    if (status == ADK_OK)
        *ret_job = adk__take_ptr(job);
    return status;
}

/* ---- the process -------------------------------------------------------------------------------------------------- */

static bool take_place(adk__compilers *compilers)
{
    unsigned used = atomic_load(&compilers->used);

    while (used < compilers->max) {
        if (atomic_compare_exchange_weak(&compilers->used, &used, used + 1))
            return true;
    }
    return false;
}

static int start(adk__compilation *job, adk_error **ret_error)
{
    char name[] = "adk-worker";
    char what[] = "compile";
    char *const argv[] = {name, what, NULL};
    const int fds[ADK__WORKER_JOB_FDS] = {job->source_fd, job->code_fd};
    adk__process *process = &job->grave.process;
    int failed = adk__process_start(job->compilers->path, argv, process);
    int code = ADK_E_SYSTEM;

    if (failed) {
        (void)atomic_fetch_sub(&job->compilers->used, 1);
        if (failed == ENOENT || failed == EACCES || failed == ENOEXEC || failed == ENOTDIR || failed == EPERM ||
            failed == ESRCH)
            code = ADK_E_UNAVAILABLE;
        return adk__fail(ret_error, code, failed, "start the compiling helper %s", job->compilers->path);
    }
    job->started_ns = adk__now_ns();
    failed = adk__channel_send(process->channel, &job->message, sizeof(job->message), fds, ADK__WORKER_JOB_FDS);
    (void)close(job->source_fd);
    job->source_fd = -1;
    /* If it has gone already, that shows where the verdict is waited for; else it would wait for its job for ever. */
    if (failed && failed != EPIPE)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "send a job to the compiling helper");
    return ADK_OK;
}

/* ---- its answer --------------------------------------------------------------------------------------------------- */

static bool is_reason(uint32_t reason)
{
    return reason == ADK_REASON_MALFORMED || reason == ADK_REASON_UNSUPPORTED_FEATURE ||
           reason == ADK_REASON_TOO_LARGE || reason == ADK_REASON_COMPILER_MEMORY ||
           reason == ADK_REASON_COMPILER_FAILED;
}

/* The worker may hold the file still, but it can no longer change it. */
static bool seal_code(const adk__compilation *job, uint64_t size)
{
    struct stat status;

    return fcntl(job->code_fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0 &&
           fstat(job->code_fd, &status) == 0 && size > 0 && status.st_size >= 0 && (uint64_t)status.st_size == size;
}

/* Whatever the numbers are, they only shift what a backtrace shows: they are to be such as can be. */
static bool take_split(const adk__worker_verdict *verdict, adk_engine_split *ret_split)
{
    *ret_split = (adk_engine_split){verdict->code_shift, verdict->first_helper, verdict->is_exact != 0};
    return verdict->code_shift <= ADK_CODE_MAX_BYTES && verdict->is_exact <= 1;
}

static int refuse_odd(adk__compilation_end *end)
{
    adk__refuse(end->refusal, ADK_REASON_COMPILER_FAILED,
                ADK__COMPILE_FAILED "the compiling helper gave an answer that makes no sense");
    return ADK_OK;
}

int adk__compilation_judge(adk__compilation *job, const adk__worker_verdict *verdict, size_t size,
                           adk__compilation_end *end)
{
    adk__buf text = ADK__BUF_INIT((size_t)4 * ADK__WORKER_MESSAGE_MAX + 16);
    int status = ADK_OK;

    if (!adk__worker_verdict_is_sound(verdict, size) || verdict->message_bytes > ADK__WORKER_MESSAGE_MAX)
        return refuse_odd(end);
    if (verdict->status == ADK__WORKER_DONE) {
        if (!seal_code(job, verdict->code_bytes) || !take_split(verdict, &end->split))
            return refuse_odd(end);
        end->code_fd = adk__take_fd(&job->code_fd);
        return ADK_OK;
    }
    if (adk__text_append_escaped(&text, verdict + 1, verdict->message_bytes, ADK__WORKER_MESSAGE_MAX) != 0)
        status = adk__fail_nomem(end->ret_error);
    else if (verdict->status == ADK__WORKER_REFUSED && is_reason(verdict->reason))
        adk__refuse(end->refusal, verdict->reason, "%.*s", (int)text.size, (const char *)text.data);
    else if (verdict->status == ADK__WORKER_FAILED)
        status = adk__fail(end->ret_error, ADK_E_UNAVAILABLE, 0, "the compiling helper %s cannot work: %.*s",
                           job->compilers->path, (int)text.size, (const char *)text.data);
    else
        status = refuse_odd(end);
    if (status == ADK_OK)
        end->refusal->needs_memory = verdict->needs_memory != 0;
    adk__buf_free(&text);
    return status;
}

/* `has_ended`: it has, so that what it said, if it said anything, is there to be read. */
static int listen_to(adk__compilation *job, bool has_ended, adk__compilation_end *end, bool *ret_done)
{
    struct {
        adk__worker_verdict verdict;
        char message[ADK__WORKER_MESSAGE_MAX];
    } answer;
    size_t size = 0;
    int failed =
        adk__channel_receive(job->grave.process.channel, MSG_DONTWAIT, &answer, sizeof(answer), &size, NULL, 0);

    if (failed == EAGAIN && !has_ended)
        return ADK_OK;
    if (failed == EPIPE || failed == EAGAIN) {
        job->is_silent = true;
        adk__process_kill(&job->grave.process);
        return ADK_OK;
    }
    *ret_done = true;
    return failed ? refuse_odd(end) : adk__compilation_judge(job, &answer.verdict, size, end);
}

/* It ended without a word. */
static void explain_death(const adk__process_end *how, adk__refusal *refusal)
{
    if (how->known && how->signal != 0)
        adk__refuse(refusal, ADK_REASON_COMPILER_FAILED, ADK__COMPILE_FAILED "the compiler died of signal %d",
                    how->signal);
    else if (how->known)
        adk__refuse(refusal, ADK_REASON_COMPILER_FAILED,
                    ADK__COMPILE_FAILED "the compiler ended with status %d without an answer", how->exit_status);
    else
        adk__refuse(refusal, ADK_REASON_COMPILER_FAILED, ADK__COMPILE_FAILED "the compiler ended without an answer");
}

/*
 * Returns whether the process has ended. Its end of the channel may outlive it, in the hands of a process that the host
 * forked while this one was started.
 */
static bool wait_a_step(const adk__compilation *job, const adk__interrupt *interrupt)
{
    const adk__process *process = &job->grave.process;
    struct pollfd what[] = {{process->pidfd, POLLIN, 0}, {job->is_silent ? -1 : process->channel, POLLIN, 0}};
    uint64_t now_ns = adk__now_ns();
    uint64_t left_ns = interrupt->deadline_ns > now_ns ? interrupt->deadline_ns - now_ns : 0;
    struct timespec time = adk__timespec_from_ns(left_ns < STEP_NS ? left_ns : STEP_NS);

    return ppoll(what, ADK_COUNT(what), &time, NULL) > 0 && what[0].revents != 0;
}

int adk__compilation_step(adk__compilation *job, adk__interrupt *interrupt, adk__compilation_end *end, bool *ret_done)
{
    adk__process_end how;
    bool has_ended;

    *ret_done = false;
    if (job->started_ns == 0) {
        if (take_place(job->compilers)) {
            int status = start(job, end->ret_error);

            *ret_done = status != ADK_OK;
            return status;
        }
        (void)adk__interrupt_wait(interrupt, adk__add_saturated(adk__now_ns(), STEP_NS));
        return ADK_OK;
    }
    has_ended = wait_a_step(job, interrupt);
    if (!job->is_silent)
        return listen_to(job, has_ended, end, ret_done);
    if (adk__process_reap(&job->grave.process, &how)) {
        explain_death(&how, end->refusal);
        *ret_done = true;
    }
    return ADK_OK;
}

/* ---- all of them -------------------------------------------------------------------------------------------------- */

int adk__compilers_init(adk__compilers *compilers, const adk_wasm_options *options, adk_error **ret_error)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    memset(compilers, 0, sizeof(*compilers));
    atomic_init(&compilers->used, 0);
    if (options->workers > WORKERS_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%u compiling helpers at once are more than %d", options->workers,
                         WORKERS_MAX);
    compilers->max = options->workers;
    if (compilers->max == 0)
        compilers->max = cpus < 2 ? 2 : cpus > WORKERS_MAX ? WORKERS_MAX : (uint32_t)cpus;
    compilers->memory_bytes = options->compile_memory_bytes == 0 ? MEMORY_DEFAULT : options->compile_memory_bytes;
    if (compilers->memory_bytes < MEMORY_MIN)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "%llu bytes are not enough to compile in: at least %llu",
                         (unsigned long long)compilers->memory_bytes, (unsigned long long)MEMORY_MIN);
    if (adk__worker_find(options->worker_cstr, &compilers->path) != 0)
        return adk__fail_nomem(ret_error);
    compilers->is_there = compilers->path != NULL && access(compilers->path, X_OK) == 0;
    return ADK_OK;
}

void adk__compilers_destroy(adk__compilers *compilers)
{
    const struct timespec moment = {0, 500000};

    while (atomic_load(&compilers->used) != 0)
        (void)nanosleep(&moment, NULL);
    free(compilers->path);
    compilers->path = NULL;
}
