/*
 * One job: received and checked, then the armour, then the work, then one verdict.
 *
 * The library kills the process when nobody waits any more. Should the library itself die, its end of the channel closes,
 * and the signal that comes of that ends this process: SIGIO, which nobody handles (fcntl(2), O_ASYNC).
 */
#include "worker/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "wasm/engine.h"
#include "wasm/source.h"
#include "wasm/stack.h"
#include "worker/armour.h"
#include "worker/protocol.h"

/* Smaller modules are compiled before a second thread has begun. */
#define PARALLEL_MIN_BYTES ((uint64_t)16 << 10)
#define THREADS_MAX        8

/* Under the thread sanitizer, behind the filter, a pool of threads comes to no end; why has not been found out. */
#if defined(__SANITIZE_THREAD__)
#define HAS_POOL false
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_POOL false
#endif
#endif
#ifndef HAS_POOL
#define HAS_POOL true
#endif

struct work {
    adk__worker_job job;
    int fds[ADK__WORKER_JOB_FDS];
    adk_bytes source;
    wasm_engine_t *engine;
    adk__refusal refusal;
    uint64_t code_bytes;
    adk_engine_split split; /* of the code */
    int failed;             /* an errno value: the machine's fault */
};

/* ---- the verdict -------------------------------------------------------------------------------------------------- */

static int verdict_channel = -1;
static uint64_t memory_limit_bytes;

static void send_verdict(adk__worker_verdict *verdict, const void *message, size_t size)
{
    struct {
        adk__worker_verdict verdict;
        char message[ADK__WORKER_MESSAGE_MAX];
    } answer;

    if (size > sizeof(answer.message))
        size = sizeof(answer.message);
    verdict->magic = ADK__WORKER_MAGIC;
    verdict->protocol = ADK__WORKER_PROTOCOL;
    verdict->message_bytes = size;
    answer.verdict = *verdict;
    if (size > 0)
        memcpy(answer.message, message, size);
    (void)fcntl(verdict_channel, F_SETFL, 0); /* no SIGIO when the other side reads this */
    (void)adk__channel_send(verdict_channel, &answer, sizeof(answer.verdict) + size, NULL, 0);
}

static int cannot_begin(const char *what, int failed)
{
    adk__worker_verdict verdict = {.status = ADK__WORKER_FAILED};
    char text[256];
    int size = snprintf(text, sizeof(text), "%s%s%s", what, failed ? ": " : "", failed ? strerrordesc_np(failed) : "");

    send_verdict(&verdict, text, size < 0 ? 0 : (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1);
    return EXIT_FAILURE;
}

/* On whichever thread found no memory, which most often would end the process next: so it does here. */
static void out_of_memory(void)
{
    adk__worker_verdict verdict = {.status = ADK__WORKER_REFUSED, .reason = ADK_REASON_COMPILER_MEMORY};
    char text[128];
    int size = snprintf(text, sizeof(text), ADK__COMPILE_FAILED "the compiler needs more than %llu MiB of memory",
                        (unsigned long long)(memory_limit_bytes >> 20));

    send_verdict(&verdict, text, size < 0 ? 0 : (size_t)size);
    _exit(EXIT_SUCCESS);
}

/* ---- the job ------------------------------------------------------------------------------------------------------ */

/* The source cannot be larger than its file: touching what is beyond that would end the process. */
static const char *map_source(struct work *work)
{
    struct stat status;
    void *source;

    if (fstat(work->fds[ADK__WORKER_SOURCE], &status) != 0 || status.st_size < 0 ||
        (uint64_t)status.st_size != work->job.source_bytes)
        return "the source is not as large as the job says";
    source =
        mmap(NULL, work->job.source_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, work->fds[ADK__WORKER_SOURCE], 0);
    if (source == MAP_FAILED)
        return "the source cannot be mapped";
    work->source = adk_bytes_make(source, work->job.source_bytes);
    return NULL;
}

/* NULL, or why the job cannot be taken. */
static const char *take_job(struct work *work, int channel)
{
    const char *problem;
    size_t size = 0;

    if (adk__channel_receive(channel, 0, &work->job, sizeof(work->job), &size, work->fds, ADK__WORKER_JOB_FDS) != 0)
        return "there is no job";
    problem = adk__worker_job_problem(&work->job, size);
    return problem != NULL ? problem : map_source(work);
}

/* The library's death is noticed from now on. One that came earlier has left the other end closed already. */
static int watch_library(int channel)
{
    struct pollfd gone = {channel, POLLRDHUP, 0};

    if (fcntl(channel, F_SETOWN, getpid()) != 0 || fcntl(channel, F_SETFL, O_ASYNC) != 0)
        return errno;
    return poll(&gone, 1, 0) != 0 ? EPIPE : 0;
}

/*
 * What is large is compiled on several CPUs. The compiler's pool of threads (the crate rayon) has a thread for each, which
 * on a large machine would be more than there are functions, and stacks for all of them.
 */
static int make_engine(struct work *work)
{
    bool is_parallel = HAS_POOL && work->job.source_bytes >= PARALLEL_MIN_BYTES;
    char threads[16];
    cpu_set_t cpus;
    int count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;

    if (is_parallel) {
        (void)snprintf(threads, sizeof(threads), "%d", count < THREADS_MAX ? count : THREADS_MAX);
        if (setenv("RAYON_NUM_THREADS", threads, 1) != 0)
            return ADK_E_NOMEM;
    }
    return adk__engine_for_compiling(work->job.flavour, (work->job.flags & ADK__WORKER_NARROW) != 0, is_parallel,
                                     &work->engine, NULL);
}

/* ---- the work ----------------------------------------------------------------------------------------------------- */

static void take_code(struct work *work, adk_bytes binary, const wasm_byte_vec_t *code)
{
    adk_engine_survey survey;

    adk_engine_survey_module(binary.data, binary.size, &survey);
    if (survey.table_elements > ADK__TABLE_ELEMENTS_MAX) {
        adk__refuse(&work->refusal, ADK_REASON_TOO_LARGE, ADK__COMPILE_FAILED "its tables have %llu elements",
                    (unsigned long long)survey.table_elements);
        work->refusal.needs_memory = true;
        return;
    }
    work->failed = adk__write_all(work->fds[ADK__WORKER_CODE], code->data, code->size);
    work->code_bytes = code->size;
}

static void compile_binary(struct work *work, adk_bytes binary)
{
    adk__interrupt never = {.deadline_ns = ADK__NEVER};
    wasm_byte_vec_t code;
    wasmtime_error_t *error;
    adk__split split;
    int status = adk__source_split(binary, &never, &work->refusal, &split, NULL);

    if (status == ADK_OK && work->refusal.reason == ADK_REASON_NONE) {
        work->split = split.how;
        error = adk_engine_precompile(work->engine, split.binary.data, split.binary.size, &code);
        if (error != NULL) {
            status = adk__split_explain(work->engine, &split, binary, &never, &work->refusal, error, NULL);
        } else {
            take_code(work, binary, &code);
            wasm_byte_vec_delete(&code);
        }
    }
    if (status != ADK_OK)
        work->failed = ENOMEM;
    adk__split_free(&split);
}

static void compile(void *data)
{
    struct work *work = data;
    wasm_byte_vec_t text = {0, NULL};
    adk_bytes binary;

    adk__source_to_binary(work->source, work->job.flavour, &work->refusal, &text, &binary);
    if (work->refusal.reason == ADK_REASON_NONE)
        compile_binary(work, binary);
    if (text.data != NULL)
        wasm_byte_vec_delete(&text);
}

static int answer(const struct work *work)
{
    adk__worker_verdict verdict = {.status = ADK__WORKER_DONE,
                                   .code_bytes = work->code_bytes,
                                   .code_shift = work->split.code_shift,
                                   .first_helper = work->split.first_helper,
                                   .is_exact = work->split.is_exact};

    if (work->refusal.nomem || work->failed == ENOMEM || work->failed == EFBIG || work->failed == ENOSPC)
        out_of_memory();
    if (work->failed)
        return cannot_begin("writing the code", work->failed);
    if (work->refusal.reason != ADK_REASON_NONE) {
        verdict.status = ADK__WORKER_REFUSED;
        verdict.reason = work->refusal.reason;
        verdict.needs_memory = work->refusal.needs_memory;
    }
    send_verdict(&verdict, work->refusal.message.data, work->refusal.message.size);
    return EXIT_SUCCESS;
}

int adk__worker_compile(int channel)
{
    struct work work = {.refusal = ADK__REFUSAL_INIT};
    const char *problem;
    int failed;

    verdict_channel = channel;
    failed = adk__armour_begin();
    if (failed)
        return cannot_begin("privileges cannot be dropped", failed);
    problem = take_job(&work, channel);
    if (problem != NULL)
        return cannot_begin(problem, 0);
    failed = watch_library(channel);
    if (failed)
        return cannot_begin("the library's death could not be noticed", failed);
    memory_limit_bytes = work.job.memory_bytes;
    if (make_engine(&work) != ADK_OK)
        return cannot_begin("the engine cannot be made", 0);
    failed = adk__armour_limit(work.job.memory_bytes);
    if (!failed)
        failed = adk__armour_seal();
    if (failed)
        return cannot_begin("the system call filter or a limit cannot be set", failed);
    adk_engine_on_no_memory(out_of_memory);
    failed = adk__stack_run(0, compile, &work);
    if (failed)
        return cannot_begin("a thread cannot be started", failed);
    return answer(&work);
}
