/*
 * What jobs cost in memory: one that waits its copied request and 4 KiB, one that runs its guest's memory and 64 KiB, with
 * a thousand waiting.
 */
#include "test_executor.h"

#include <malloc.h>
#include <sched.h>
#include <unistd.h>

#define QUEUED  1000
#define RUNNING 8

#define QUEUED_BYTES  ((size_t)4 << 10)
#define RUNNING_BYTES ((size_t)64 << 10)

#define CODE_BYTES 3000
#define ARGS       16

#define GUEST_BYTES ((size_t)1 << 20)

static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* From smaps, which counts pages: statm may be behind by as much as is measured here. */
static size_t resident(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    char line[128];
    unsigned long kib = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "Rss: %lu kB", &kib) != 1)
        continue;
    (void)fclose(file);
    assert_true(kib > 0);
    return (size_t)kib << 10;
}

static bool is_measurable(void)
{
    if (!adk_test_sanitized() && !adk_test_under_valgrind())
        return true;
    print_message("skipped: the tool has memory of its own\n");
    return false;
}

/* ---- waiting ------------------------------------------------------------------------------------------------------ */

/* Submits jobs that have to wait, each for a tenant of its own, and checks what they take. The caller frees them. */
static void fill_queue(adk_executor *executor, adk_backend *backend, adk_job *jobs[QUEUED])
{
    static char code[CODE_BYTES];
    const size_t copy = sizeof(adk_request) + ARGS * (sizeof(adk_bytes) + 4) + CODE_BYTES;
    adk_request request = request_for("", 60 * SECOND);
    adk_submission s = ADK_SUBMISSION_INIT;
    adk_bytes args[ARGS];
    size_t allocated_bytes;
    size_t resident_bytes;

    memset(code, 'x', sizeof(code));
    for (size_t i = 0; i < ARGS; i++)
        args[i] = BYTES("four");
    request.code = adk_bytes_make(code, sizeof(code));
    request.args = args;
    request.args_count = ARGS;
    s.backend = backend;
    s.request = &request;
    allocated_bytes = allocated();
    resident_bytes = resident();
    for (size_t i = 0; i < QUEUED; i++) {
        s.tenant = i + 1;
        jobs[i] = submit(executor, &s);
    }
    allocated_bytes = allocated() - allocated_bytes;
    resident_bytes = resident() - resident_bytes;
    print_message("a copy of %zu bytes; a waiting job: %zu allocated, %zu resident\n", copy, allocated_bytes / QUEUED,
                  resident_bytes / QUEUED);
    assert_in_range(allocated_bytes, copy * QUEUED, (copy + QUEUED_BYTES) * QUEUED);
    assert_in_range(resident_bytes, 0, (copy + QUEUED_BYTES) * QUEUED);
}

static void cancel_queue(adk_job *jobs[QUEUED])
{
    for (size_t i = 0; i < QUEUED; i++) {
        adk_job_cancel(jobs[i]);
        expect_end(jobs[i], ADK_OUTCOME_CANCELLED, ADK_PHASE_QUEUE);
    }
}

static void test_a_thousand_wait(void **state)
{
    static adk_job *jobs[QUEUED];
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, QUEUED, 1);

    (void)state;
    adk_job_free(submit_code(executor, g->backend, "wait", 60 * SECOND));
    gate_await(g, 1);
    fill_queue(executor, g->backend, jobs);
    cancel_queue(jobs);
    gate_open(g);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

struct hold {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned there;
    bool open;
};

/* While nobody is let through, a guest's memory is written to, all of it. */
static int wait_within(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    struct hold *hold = data;
    uint8_t *memory;
    uint64_t size;

    (void)args;
    (void)results;
    if (adk_wasm_caller_memory(caller, &memory, &size) != ADK_OK)
        return -1;
    (void)pthread_mutex_lock(&hold->mutex);
    if (!hold->open)
        memset(memory, 1, (size_t)size);
    hold->there++;
    (void)pthread_cond_broadcast(&hold->changed);
    while (!hold->open)
        (void)pthread_cond_wait(&hold->changed, &hold->mutex);
    (void)pthread_mutex_unlock(&hold->mutex);
    return 0;
}

static void await(struct hold *hold, unsigned there)
{
    struct timespec until;
    int failed = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 20;
    (void)pthread_mutex_lock(&hold->mutex);
    while (hold->there < there && !failed)
        failed = pthread_cond_clockwait(&hold->changed, &hold->mutex, CLOCK_MONOTONIC, &until);
    (void)pthread_mutex_unlock(&hold->mutex);
    assert_int_equal(failed, 0);
}

static const char guest[] = "(module (import \"host\" \"wait\" (func $wait)) (memory (export \"memory\") 16)"
                            "(func (export \"_start\") (call $wait)))";

static void set_open(struct hold *hold, bool open)
{
    (void)pthread_mutex_lock(&hold->mutex);
    hold->there = 0;
    hold->open = open;
    (void)pthread_cond_broadcast(&hold->changed);
    (void)pthread_mutex_unlock(&hold->mutex);
}

/* Returns the CPUs that there were before. */
static cpu_set_t stay_on_one_cpu(void)
{
    cpu_set_t before;
    cpu_set_t one;

    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    return before;
}

/*
 * On one CPU, so that there is one pool, and in it one slot that a guest has been in: its memory stays resident when that
 * has gone. The executor's threads have done nothing before: what they keep counts.
 */
static void test_many_run_and_a_thousand_wait(void **state)
{
    static struct hold hold = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, true};
    const adk_wasm_host_function function = {"host", "wait", "", "", wait_within, &hold};
    adk_wasm_options options = adk_test_options();
    adk_request request = adk_test_request(guest);
    adk_submission s = ADK_SUBMISSION_INIT;
    static adk_job *waiting[QUEUED];
    adk_job *jobs[RUNNING];
    adk_executor *executor;
    cpu_set_t cpus;
    size_t taken;

    (void)state;
    cpus = stay_on_one_cpu();
    options.host_functions = &function;
    options.host_functions_count = 1;
    s.backend = adk_test_backend_with(&options);
    s.request = &request;
    executor = executor_with(RUNNING, QUEUED, RUNNING);
    for (int i = 0; i < 4; i++)
        adk_test_run_exits(s.backend, guest, 0);
    set_open(&hold, false);
    taken = resident();
    for (size_t i = 0; i < RUNNING; i++)
        jobs[i] = submit(executor, &s);
    await(&hold, RUNNING);
    taken = (resident() - taken + GUEST_BYTES) / RUNNING;
    print_message("guests of %zu bytes; a running job: %zu resident\n", GUEST_BYTES, taken);
    fill_queue(executor, s.backend, waiting);
    cancel_queue(waiting);
    set_open(&hold, true);
    for (size_t i = 0; i < RUNNING; i++)
        expect_end(jobs[i], ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    adk_backend_free(s.backend);
    assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
    assert_in_range(taken, GUEST_BYTES, GUEST_BYTES + RUNNING_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_wait),
        cmocka_unit_test(test_many_run_and_a_thousand_wait),
    };

    if (!is_measurable())
        return 77;
    return cmocka_run_group_tests_name("executor footprint", tests, NULL, NULL);
}
