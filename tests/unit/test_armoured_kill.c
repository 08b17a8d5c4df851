/*
 * Runs in processes of their own that are killed, and workers that are: at chosen moments and at random ones. Each call
 * ends with an outcome or an error of its kind, output that was written is there, and no process is left.
 *
 * ADK_TEST_LONG=1 in the environment has the random ones a thousand times over.
 */
#include "processes.h"
#include "worker.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *worker_path;

static adk_backend *armoured(void)
{
    adk_wasm_options options;

    worker_path = adk_test_program("adk-worker");
    options = adk_test_options_with(worker_path);
    options.flags |= ADK_WASM_ARMOURED;
    return adk_test_backend_with(&options);
}

static void free_backend(adk_backend *backend)
{
    adk_backend_free(backend);
    assert_true(adk_test_nobody_is_left());
}

/* ---- at a chosen moment -------------------------------------------------------------------------------------------- */

/* Writes "so far" and goes on for ever. */
#define GUEST_STUCK                                                                                    \
    "(module " IMPORT_WRITE "(memory (export \"memory\") 1)"                                           \
    "(data (i32.const 0) \"\\10\\00\\00\\00\\06\\00\\00\\00\") (data (i32.const 16) \"so far\")" START \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))" LOOP "))"

struct stuck {
    adk_backend *backend;
    sem_t has_written;
    adk_result *result;
    bool listens;
};

static int on_output(void *data, adk_bytes bytes)
{
    (void)bytes;
    (void)sem_post(&((struct stuck *)data)->has_written);
    return 0;
}

static void *run_stuck(void *data)
{
    struct stuck *stuck = data;
    adk_request request = adk_test_request(GUEST_STUCK);

    request.on_stdout = on_output;
    request.stream_data = stuck;
    stuck->result = adk_test_execute(stuck->backend, &request, NULL);
    return NULL;
}

static adk_result *kill_in_the_middle(adk_backend *backend, bool run, int signal)
{
    struct stuck stuck = {.backend = backend};
    pthread_t thread;

    assert_int_equal(sem_init(&stuck.has_written, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_stuck, &stuck), 0);
    while (sem_wait(&stuck.has_written) != 0)
        continue;
    assert_true(adk_test_hit(run, signal) > 0);
    if (signal ==
        SIGSEGV) { /* the engine passes on what is not a guest's, and a signal that was sent does not come back */
        adk_test_sleep_ns(20 * MS);
        (void)adk_test_hit(run, signal);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)sem_destroy(&stuck.has_written);
    return stuck.result;
}

static void check_crash(adk_backend *backend, bool run, int signal, int expected)
{
    adk_result *result = kill_in_the_middle(backend, run, signal);

    adk_test_expect(result, ADK_OUTCOME_SIGNALED);
    assert_int_equal(adk_result_reason(result), ADK_REASON_ENGINE_CRASH);
    assert_int_equal(adk_result_exit_code(result), expected);
    assert_int_equal(adk_result_exit_status(result), 128 + expected);
    assert_bytes_are(adk_result_stdout(result).head, "so far");
    adk_result_free(result);
    adk_test_run_exits(backend, GUEST_HELLO, 0);
}

static void test_a_run_dies(void **state)
{
    adk_backend *backend = armoured();
    static const int signals[] = {SIGSEGV, SIGKILL, SIGABRT, SIGSYS};

    (void)state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (signals[i] != SIGSEGV || !adk_test_sanitized()) /* which has a handler of its own for it */
            check_crash(backend, true, signals[i], signals[i]);
    }
    free_backend(backend);
}

static void test_a_worker_dies(void **state)
{
    adk_backend *backend = armoured();

    (void)state;
    for (int i = 0; i < 3; i++)
        check_crash(backend, false, SIGKILL, SIGKILL);
    free_backend(backend);
}

/* It sleeps for ever: the run has ended, but nobody says so. */
static void test_a_worker_stops(void **state)
{
    adk_backend *backend = armoured();
    adk_request request = adk_test_request(GUEST_HELLO);
    uint64_t start_ns;
    adk_result *result;

    (void)state;
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    assert_true(adk_test_hit(false, SIGSTOP) > 0);
    request.timeout_ns = 200 * MS;
    start_ns = adk_test_now_ns();
    result = adk_test_execute(backend, &request, NULL);
    assert_true(adk_test_now_ns() - start_ns < 2 * SECOND + adk_test_slack_ns());
    assert_true(adk_result_outcome(result) == ADK_OUTCOME_EXITED ||
                adk_result_outcome(result) == ADK_OUTCOME_TIMED_OUT);
    adk_result_free(result);
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    free_backend(backend);
}

/* ---- at random moments --------------------------------------------------------------------------------------------- */

struct hunted {
    adk_backend *backend;
    unsigned exited;
    unsigned crashed;
    unsigned unavailable;
};

static void *run_hunted(void *data)
{
    struct hunted *hunted = data;
    adk_request request = adk_test_request(GUEST_WRITES("1", "all of it", "\\09"));
    adk_result *result = NULL;
    adk_error *error = NULL;
    int status = adk_backend_execute(hunted->backend, &request, NULL, &result, &error);

    if (status != ADK_OK) {
        assert_int_equal(status, ADK_E_UNAVAILABLE);
        adk_error_free(error);
        hunted->unavailable++;
        return NULL;
    }
    if (adk_result_outcome(result) == ADK_OUTCOME_EXITED) {
        assert_bytes_are(adk_result_stdout(result).head, "all of it");
        hunted->exited++;
    } else {
        adk_test_expect(result, ADK_OUTCOME_SIGNALED);
        hunted->crashed++;
    }
    adk_result_free(result);
    return NULL;
}

/* Until one succeeds: workers that die are started again, after a pause where they die again and again. */
static void recover(struct hunted *hunted)
{
    unsigned before = hunted->exited;
    uint64_t end_ns = adk_test_now_ns() + 20 * SECOND;

    while (hunted->exited == before) {
        assert_true(adk_test_now_ns() < end_ns);
        (void)run_hunted(hunted);
        if (hunted->exited == before)
            adk_test_sleep_ns(5 * MS);
    }
}

static void hunt(bool runs)
{
    struct hunted hunted = {armoured(), 0, 0, 0};
    int rounds = getenv("ADK_TEST_LONG") != NULL ? 1000 : 50;

    recover(&hunted);
    for (int i = 0; i < rounds; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, run_hunted, &hunted), 0);
        adk_test_sleep_ns((uint64_t)(i * 7919 % 1000) * 2000);
        (void)adk_test_hit(runs, SIGKILL);
        assert_int_equal(pthread_join(thread, NULL), 0);
        recover(&hunted);
    }
    print_message("%d rounds: %u ended well, %u crashed, %u found no worker\n", rounds, hunted.exited, hunted.crashed,
                  hunted.unavailable);
    free_backend(hunted.backend);
}

static void test_runs_at_random(void **state)
{
    (void)state;
    hunt(true);
}

static void test_workers_at_random(void **state)
{
    (void)state;
    hunt(false);
}

/* ---- what a run has ------------------------------------------------------------------------------------------------ */

/* Descriptors that are neither a socket nor the guest's own code, or what lies in its root. */
static unsigned count_strange(pid_t pid, const char *what)
{
    char link[128];
    char path[300];
    const struct dirent *entry;
    unsigned count = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
    dir = opendir(path);
    if (dir == NULL)
        return 999;
    while ((entry = readdir(dir)) != NULL) {
        ssize_t length;

        if (entry->d_name[0] == '.')
            continue;
        count++;
        length = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
        link[length < 0 ? 0 : length] = '\0';
        if (strncmp(link, "socket:", 7) == 0 || strncmp(link, "/memfd:adk-code", 15) == 0)
            count--;
    }
    (void)closedir(dir);
    return count;
}

static unsigned long long status_of(pid_t pid, const char *field)
{
    char path[64];
    char line[256];
    unsigned long long value = 999;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
            value = strtoull(line + strlen(field) + 1, NULL, strncmp(field, "Cap", 3) == 0 ? 16 : 10);
    }
    (void)fclose(file);
    return value;
}

/* Whether a process is in another namespace of a kind than this one. */
static bool is_elsewhere(pid_t pid, const char *kind)
{
    char path[64];
    struct stat here;
    struct stat there;

    (void)snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
    assert_int_equal(stat(path, &here), 0);
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
    assert_int_equal(stat(path, &there), 0);
    return here.st_ino != there.st_ino;
}

/* A hard limit; UINT64_MAX: none. */
static unsigned long long limit_of(pid_t pid, const char *name)
{
    unsigned long long limit = UINT64_MAX;
    char path[64];
    char line[256];
    FILE *file;
    bool is_there = false;

    (void)snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) != 0)
            continue;
        is_there = true;
        (void)sscanf(line + strlen(name), " %*s %llu", &limit);
    }
    (void)fclose(file);
    assert_true(is_there);
    return limit;
}

/* What is said to be there is there. */
static void check_claims(pid_t pid, uint32_t walls)
{
    static const struct {
        uint32_t wall;
        const char *kind;
    } claims[] = {{ADK_WALL_USER, "user"},
                  {ADK_WALL_PROCESSES, "pid"},
                  {ADK_WALL_NETWORK, "net"},
                  {ADK_WALL_FILES, "mnt"},
                  {ADK_WALL_IPC, "ipc"}};

    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        if ((walls & claims[i].wall) != 0)
            assert_true(is_elsewhere(pid, claims[i].kind));
    }
    assert_int_equal(limit_of(pid, "Max core file size"), 0);
    assert_int_equal(limit_of(pid, "Max open files"), 32);
    assert_int_equal(limit_of(pid, "Max processes"), 0);
    assert_in_range(limit_of(pid, "Max cpu time"), 1, 3600);
}

/* What comes last, with the guest. */
static void check_limits(pid_t pid, uint32_t walls)
{
    assert_int_equal(limit_of(pid, "Max file size"), 0);
    if ((walls & ADK_WALL_MEMORY) == 0)
        return;
    /* What the worker had, the default of 64 MiB, what that costs; a sanitizer has terabytes of its own. */
    assert_true(limit_of(pid, "Max data size") < (adk_test_sanitized() ? UINT64_MAX : UINT64_C(1) << 30));
    assert_true(limit_of(pid, "Max address space") != UINT64_MAX);
    assert_true(limit_of(pid, "Max stack size") <= 64 << 20);
}

static void check_walls(pid_t pid, uint32_t walls)
{
    char path[64];
    FILE *environment;

    assert_int_equal(count_strange(pid, "fd"), 0);
    assert_int_equal(status_of(pid, "NoNewPrivs"), 1);
    assert_int_equal(status_of(pid, "Seccomp"), 2);
    assert_int_equal(status_of(pid, "CapEff"), 0);
    assert_int_equal(status_of(pid, "CapPrm"), 0);
    assert_int_equal(status_of(pid, "Threads"), 1);
    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    environment = fopen(path, "re");
    assert_non_null(environment);
    assert_int_equal(fgetc(environment), EOF);
    (void)fclose(environment);
    if ((walls & ADK_WALL_FILES) != 0)
        assert_int_equal(count_strange(pid, "root"), 0);
    check_claims(pid, walls);
}

static void look_and_kill(struct stuck *stuck)
{
    static adk_test_processes p;
    unsigned ours = (unsigned)status_of(getpid(), "Seccomp_filters");
    unsigned filters_most = 0;
    uint32_t walls = 0;

    while (sem_wait(&stuck->has_written) != 0)
        continue;
    assert_int_equal(adk_worker_walls(stuck->backend, &walls, NULL), ADK_OK);
    adk_test_look_around(&p);
    for (size_t i = 0; i < p.count; i++) {
        unsigned filters;

        if (!p.all[i].is_ours || !p.all[i].is_leaf)
            continue;
        check_walls(p.all[i].pid, walls);
        filters = (unsigned)status_of(p.all[i].pid, "Seccomp_filters");
        if (filters > filters_most) /* those who stand ready have the worker's alone */
            filters_most = filters;
        if (filters == ours + 2)
            check_limits(p.all[i].pid, walls);
    }
    assert_int_equal(filters_most, ours + 2);
    (void)adk_test_hit(true, SIGKILL);
}

static void test_what_a_run_has(void **state)
{
    struct stuck stuck = {.backend = armoured()};
    pthread_t thread;

    (void)state;
    if (geteuid() != 0) { /* they are not to be looked at by anybody else */
        adk_backend_free(stuck.backend);
        print_message("skipped: only root can look at these processes\n");
        skip();
    }
    assert_int_equal(sem_init(&stuck.has_written, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_stuck, &stuck), 0);
    look_and_kill(&stuck);
    assert_int_equal(pthread_join(thread, NULL), 0);
    adk_test_expect(stuck.result, ADK_OUTCOME_SIGNALED);
    adk_result_free(stuck.result);
    (void)sem_destroy(&stuck.has_written);
    free_backend(stuck.backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_dies),        cmocka_unit_test(test_a_worker_dies),
        cmocka_unit_test(test_a_worker_stops),    cmocka_unit_test(test_runs_at_random),
        cmocka_unit_test(test_workers_at_random), cmocka_unit_test(test_what_a_run_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
