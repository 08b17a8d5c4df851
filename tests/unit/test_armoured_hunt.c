/*
 * Runs in processes of their own while runs, workers and hosts are killed at random moments, under load: no call is stuck,
 * each ends with an outcome or an error of its kind, output that was written is there, and no process is left, not even
 * one that has ended.
 *
 * ADK_TEST_LONG=1 in the environment has each a thousand times over.
 */
#include "processes.h"
#include "worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 6

/* Writes "so far" and goes on for ever. */
#define GUEST_STUCK                                                                                    \
    "(module " IMPORT_WRITE "(memory (export \"memory\") 1)"                                           \
    "(data (i32.const 0) \"\\10\\00\\00\\00\\06\\00\\00\\00\") (data (i32.const 16) \"so far\")" START \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))" LOOP "))"

static adk_backend *armoured(void)
{
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));

    options.flags |= ADK_WASM_ARMOURED;
    return adk_test_backend_with(&options);
}

static unsigned rounds(unsigned few)
{
    return getenv("ADK_TEST_LONG") != NULL ? 1000 : few;
}

/* ---- load ---------------------------------------------------------------------------------------------------------- */

struct load {
    adk_backend *backend;
    atomic_bool stop;
    atomic_uint exited;
    atomic_uint timed_out;
    atomic_uint crashed;
    atomic_uint unavailable;
    atomic_uint wrong;
    atomic_ullong longest_ns;
    const char *_Atomic what; /* of the last that was wrong */
};

struct listener {
    struct load *load;
    size_t heard;
};

static int hear(void *data, adk_bytes bytes)
{
    ((struct listener *)data)->heard += bytes.size;
    return 0;
}

static void is_wrong(struct load *load, const char *what)
{
    atomic_store(&load->what, what);
    (void)atomic_fetch_add(&load->wrong, 1);
}

/* Which of the kinds it was; 3 of 4 end by themselves. */
static adk_request request_of(unsigned kind, struct listener *listener)
{
    adk_request request = adk_test_request(kind % 4 == 0 ? GUEST_STUCK : GUEST_HELLO);

    if (kind % 4 == 0)
        request.timeout_ns = (5 + kind % 20) * MS;
    if (kind % 4 == 1) {
        request.on_stdout = hear;
        request.stream_data = listener;
    }
    return request;
}

static void judge(struct load *load, unsigned kind, const adk_result *result, const struct listener *listener)
{
    const char *expected = kind % 4 == 0 ? "so far" : "hello, world\n";
    adk_bytes out = adk_result_stdout(result).head;

    switch (adk_result_outcome(result)) {
    case ADK_OUTCOME_EXITED:
        (void)atomic_fetch_add(&load->exited, 1);
        if (kind % 4 == 0 || !adk_test_bytes_are(out, expected) || adk_result_exit_code(result) != 0)
            is_wrong(load, "it exited otherwise than it can");
        if (kind % 4 == 1 && listener->heard != strlen(expected))
            is_wrong(load, "it was not heard to the end");
        break;
    case ADK_OUTCOME_TIMED_OUT:
        (void)atomic_fetch_add(&load->timed_out, 1);
        if (kind % 4 != 0 || (out.size > 0 && !adk_test_bytes_are(out, expected)))
            is_wrong(load, "it was timed out with all the time there is");
        break;
    case ADK_OUTCOME_SIGNALED:
        (void)atomic_fetch_add(&load->crashed, 1);
        if (adk_result_reason(result) != ADK_REASON_ENGINE_CRASH || adk_result_exit_code(result) != SIGKILL ||
            (out.size > 0 && !adk_test_bytes_are(out, expected)))
            is_wrong(load, "it died of something else");
        break;
    default:
        is_wrong(load, "an outcome that cannot be");
    }
}

static void run_one(struct load *load, unsigned kind)
{
    struct listener listener = {load, 0};
    adk_request request = request_of(kind, &listener);
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result = NULL;
    adk_error *error = NULL;
    int status = adk_backend_execute(load->backend, &request, NULL, &result, &error);
    unsigned long long took_ns = adk_test_now_ns() - start_ns;

    if (took_ns > atomic_load(&load->longest_ns))
        atomic_store(&load->longest_ns, took_ns);
    if (status == ADK_OK) {
        judge(load, kind, result, &listener);
    } else {
        (void)atomic_fetch_add(&load->unavailable, 1);
        if (status != ADK_E_UNAVAILABLE)
            is_wrong(load, "another error");
        adk_test_sleep_ns(MS);
    }
    adk_result_free(result);
    adk_error_free(error);
}

static void *bear(void *data)
{
    struct load *load = data;

    for (unsigned kind = 0; !atomic_load(&load->stop); kind++)
        run_one(load, kind);
    return NULL;
}

/* ---- runs and workers ---------------------------------------------------------------------------------------------- */

/* How many generations lie between this process and its runs: a worker is two processes where it has a namespace for them. */
static unsigned run_depth;

static unsigned depth_of(adk_test_processes *p, const adk_test_process *process)
{
    unsigned depth = 1;

    while (process->parent != getpid()) {
        process = adk_test_find_process(p, process->parent);
        if (process == NULL)
            return 0;
        depth++;
    }
    return depth;
}

/* A run or a child that stands ready, a worker (what forks runs), or what started it and waits: levels above a run. */
static void kill_one(unsigned above, uint64_t chance)
{
    static adk_test_processes p;
    const adk_test_process *runs[PROCESSES_MAX];
    const adk_test_process *chosen;
    unsigned count = 0;

    adk_test_look_around(&p);
    for (size_t i = 0; i < p.count; i++) {
        if (p.all[i].is_ours && depth_of(&p, &p.all[i]) == run_depth)
            runs[count++] = &p.all[i];
    }
    if (count == 0)
        return;
    chosen = runs[chance % count];
    for (; above > 0 && chosen != NULL; above--)
        chosen = adk_test_find_process(&p, chosen->parent);
    if (chosen != NULL && chosen->is_ours)
        (void)kill(chosen->pid, SIGKILL);
}

static void hunt(unsigned above, unsigned count)
{
    struct load load = {.backend = armoured()};
    pthread_t threads[THREADS];
    uint64_t random = above;
    uint32_t walls = 0;
    uint64_t end_ns;
    unsigned before;

    assert_int_equal(adk_worker_walls(load.backend, &walls, NULL), ADK_OK);
    run_depth = (walls & ADK_WALL_PROCESSES) != 0 ? 3 : 2;
    adk_test_compile(load.backend, GUEST_STUCK); /* compilers are not what is hunted */
    adk_test_compile(load.backend, GUEST_HELLO);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, bear, &load), 0);
    for (unsigned i = 0; i < count; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        adk_test_sleep_ns((random >> 33) % (8 * MS));
        kill_one(above, random >> 40);
    }
    /* It recovers by itself, however many died. */
    before = atomic_load(&load.exited);
    end_ns = adk_test_now_ns() + 30 * SECOND;
    while (atomic_load(&load.exited) == before && adk_test_now_ns() < end_ns)
        adk_test_sleep_ns(5 * MS);
    atomic_store(&load.stop, true);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    print_message(
        "%u killed: %u runs ended well, %u at their deadline, %u crashed, %u found no worker; the longest %llu ms\n",
        count, atomic_load(&load.exited), atomic_load(&load.timed_out), atomic_load(&load.crashed),
        atomic_load(&load.unavailable), atomic_load(&load.longest_ns) / MS);
    if (atomic_load(&load.wrong) != 0)
        fail_msg("%u were wrong: %s", atomic_load(&load.wrong), atomic_load(&load.what));
    assert_true(atomic_load(&load.exited) > before);
    assert_true(atomic_load(&load.longest_ns) < 30 * SECOND);
    adk_backend_free(load.backend);
    assert_true(adk_test_nobody_is_left());
}

static void test_runs(void **state)
{
    (void)state;
    hunt(0, rounds(60));
}

static void test_workers(void **state)
{
    (void)state;
    hunt(1, rounds(30));
}

static void test_those_who_wait_for_workers(void **state)
{
    (void)state;
    hunt(2, rounds(30));
}

/* ---- hosts --------------------------------------------------------------------------------------------------------- */

/* Under load, until it is killed; says so when the first runs have ended. */
static void be_host(int told)
{
    struct load load = {.backend = armoured()};
    pthread_t threads[THREADS];
    char byte = 1;

    run_one(&load, 2);
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, bear, &load) != 0)
            _exit(9);
    }
    if (write(told, &byte, 1) != 1)
        _exit(9);
    for (;;)
        (void)pause();
}

/* Everything that descends from the host comes to this process when it has gone, and must end by itself. */
static void collect_all(void)
{
    uint64_t end_ns = adk_test_now_ns() + 20 * SECOND;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
        assert_true(adk_test_now_ns() < end_ns);
        if (pid == 0)
            adk_test_sleep_ns(MS);
    }
}

static void test_hosts(void **state)
{
    unsigned count = rounds(15);
    uint64_t random = 4;
    uint64_t start_ns = adk_test_now_ns();

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    for (unsigned i = 0; i < count; i++) {
        int pair[2];
        pid_t host;
        char byte;

        assert_int_equal(pipe(pair), 0);
        host = fork();
        assert_true(host >= 0);
        if (host == 0)
            be_host(pair[1]);
        assert_int_equal(read(pair[0], &byte, 1), 1);
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        adk_test_sleep_ns((random >> 33) % (10 * MS));
        assert_int_equal(kill(host, SIGKILL), 0);
        collect_all();
        (void)close(pair[0]);
        (void)close(pair[1]);
    }
    print_message("%u hosts killed under load in %llu ms\n", count,
                  (unsigned long long)((adk_test_now_ns() - start_ns) / MS));
    assert_true(adk_test_nobody_is_left());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_workers),
        cmocka_unit_test(test_those_who_wait_for_workers),
        cmocka_unit_test(test_hosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
