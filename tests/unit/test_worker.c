/*
 * src/worker: the helper program by itself: what it says by hand, what it makes of jobs that are none, and what it has
 * given up while it compiles.
 */
#include "worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/process.h"
#include "wasm/engine.h"
#include "worker/protocol.h"

/* ---- by hand ------------------------------------------------------------------------------------------------------ */

/* Runs a program with these arguments and takes what it says; returns what waitpid() told. */
static int run_by_hand(const char *program, const char *const argv[], char *ret_out, size_t out_size, char *ret_err,
                       size_t err_size)
{
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    int status = 0;
    pid_t child;

    assert_non_null(out);
    assert_non_null(err);
    child = fork();
    if (child == 0) {
        if (dup2(fileno(out), 1) == 1 && dup2(fileno(err), 2) == 2)
            (void)execv(program, (char *const *)(uintptr_t)argv);
        _exit(99);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    rewind(out);
    rewind(err);
    ret_out[fread(ret_out, 1, out_size - 1, out)] = '\0';
    ret_err[fread(ret_err, 1, err_size - 1, err)] = '\0';
    (void)fclose(out);
    (void)fclose(err);
    return status;
}

static void test_by_hand(void **state)
{
    static const char *const words[][4] = {
        {"adk-worker", NULL},
        {"adk-worker", "", NULL},
        {"adk-worker", "explode", NULL},
        {"adk-worker", "compile", NULL}, /* without a channel */
        {"adk-worker", "compile", "more", NULL},
        {"adk-worker", "--help", NULL},
        {NULL},
    };
    char out[500];
    char err[500];

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        int status = run_by_hand(adk_test_program("adk-worker"), words[i], out, sizeof(out), err, sizeof(err));

        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 2);
        assert_string_equal(out, "");
        assert_string_equal(err, "adk-worker is started by adk-sandbox and its library; it is of no use by hand.\n");
    }
}

static void test_version(void **state)
{
    static const char *const words[] = {"adk-worker", "--version", NULL};
    char expected[200];
    char out[500];
    char err[500];
    int status = run_by_hand(adk_test_program("adk-worker"), words, out, sizeof(out), err, sizeof(err));

    (void)state;
    (void)snprintf(expected, sizeof(expected), "adk-worker %s %s\n", adk_version_cstr(), adk_engine_version_cstr());
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(out, expected);
    assert_string_equal(err, "");
}

/* ---- jobs --------------------------------------------------------------------------------------------------------- */

struct answer {
    adk__worker_verdict verdict;
    char message[ADK__WORKER_MESSAGE_MAX + 1];
};

static adk__process start_worker(void)
{
    char name[] = "adk-worker";
    char what[] = "compile";
    char *argv[] = {name, what, NULL};
    adk__process process = ADK__PROCESS_NONE;

    assert_int_equal(adk__process_start(adk_test_program("adk-worker"), argv, &process), 0);
    return process;
}

/* It ends by itself, by no signal, soon. */
static void check_ends(adk__process *process, int exit_status)
{
    struct pollfd ended = {process->pidfd, POLLIN, 0};
    adk__process_end how;

    assert_int_equal(poll(&ended, 1, 20000), 1);
    assert_true(adk__process_reap(process, &how));
    assert_true(how.known);
    assert_int_equal(how.signal, 0);
    assert_int_equal(how.exit_status, exit_status);
    adk__process_close(process);
}

/* Waits for the verdict. */
static void listen_to(const adk__process *process, struct answer *ret_answer)
{
    struct pollfd readable = {process->channel, POLLIN, 0};
    size_t size = 0;

    memset(ret_answer, 0, sizeof(*ret_answer));
    assert_int_equal(poll(&readable, 1, 20000), 1);
    assert_int_equal(adk__channel_receive(process->channel, 0, ret_answer, sizeof(*ret_answer), &size, NULL, 0), 0);
    assert_true(size >= sizeof(ret_answer->verdict));
    assert_int_equal(ret_answer->verdict.magic, ADK__WORKER_MAGIC);
    assert_int_equal(ret_answer->verdict.protocol, ADK__WORKER_PROTOCOL);
    assert_int_equal(ret_answer->verdict.message_bytes, size - sizeof(ret_answer->verdict));
}

static int memory_file(const void *data, size_t size)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    if (size > 0)
        assert_int_equal(write(fd, data, size), size);
    return fd;
}

static adk__worker_job job_for(size_t size)
{
    adk__worker_job job = {.magic = ADK__WORKER_MAGIC,
                           .protocol = ADK__WORKER_PROTOCOL,
                           .source_bytes = size,
                           .memory_bytes = (uint64_t)1 << 30};

    adk__worker_version(job.version);
    return job;
}

static void check_job(const void *job, size_t size, const int *fds, size_t fd_count, uint32_t status, const char *text)
{
    adk__process process = start_worker();
    struct answer answer;

    assert_int_equal(adk__channel_send(process.channel, job, size, fds, fd_count), 0);
    listen_to(&process, &answer);
    if (answer.verdict.status != status || strcmp(answer.message, text) != 0)
        fail_msg("status %u, \"%s\", not %u, \"%s\"", answer.verdict.status, answer.message, status, text);
    check_ends(&process, status == ADK__WORKER_FAILED ? EXIT_FAILURE : EXIT_SUCCESS);
}

static const char source[] = "(module (func (export \"_start\")))";
#define SOURCE_SIZE (sizeof(source) - 1)

static void test_a_job(void **state)
{
    const int fds[2] = {memory_file(source, SOURCE_SIZE), memory_file(NULL, 0)};
    adk__worker_job job = job_for(SOURCE_SIZE);

    (void)state;
    for (job.flavour = 0; job.flavour < ADK__FLAVOURS; job.flavour++) {
        adk__process process = start_worker();
        struct answer answer;

        assert_int_equal(ftruncate(fds[1], 0), 0);
        assert_int_equal(lseek(fds[1], 0, SEEK_SET), 0);
        assert_int_equal(adk__channel_send(process.channel, &job, sizeof(job), fds, 2), 0);
        listen_to(&process, &answer);
        assert_int_equal(answer.verdict.status, ADK__WORKER_DONE);
        assert_true(answer.verdict.code_bytes > 0);
        assert_int_equal(lseek(fds[1], 0, SEEK_END), answer.verdict.code_bytes);
        check_ends(&process, EXIT_SUCCESS);
    }
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void test_jobs_that_make_no_sense(void **state)
{
    const int fds[2] = {memory_file(source, SOURCE_SIZE), memory_file(NULL, 0)};
    const adk__worker_job good = job_for(SOURCE_SIZE);
    adk__worker_job jobs[9];
    char longer[sizeof(good) + 1] = {0};

    (void)state;
    for (size_t i = 0; i < 9; i++)
        jobs[i] = good;
    jobs[0].magic++;
    jobs[1].protocol++;
    jobs[2].flavour = ADK__FLAVOURS;
    jobs[3].flavour = UINT32_MAX;
    jobs[4].flags = 2;
    jobs[5].source_bytes = 0;
    jobs[6].source_bytes = (uint64_t)1 << 63;
    jobs[7].source_bytes = UINT64_MAX;
    memset(&jobs[8], 0xff, sizeof(jobs[8]));
    for (size_t i = 0; i < 9; i++)
        check_job(&jobs[i], sizeof(jobs[i]), fds, 2, ADK__WORKER_FAILED, "the job makes no sense");
    check_job(&good, sizeof(good) - 1, fds, 2, ADK__WORKER_FAILED, "the job makes no sense");
    check_job(&good, 1, fds, 2, ADK__WORKER_FAILED, "the job makes no sense");
    memcpy(longer, &good, sizeof(good));
    check_job(longer, sizeof(longer), fds, 2, ADK__WORKER_FAILED, "there is no job");
    check_job(&good, sizeof(good), fds, 0, ADK__WORKER_FAILED, "there is no job");
    check_job(&good, sizeof(good), fds, 1, ADK__WORKER_FAILED, "there is no job");
    check_job(&good, sizeof(good), (int[]){fds[0], fds[1], 0}, 3, ADK__WORKER_FAILED, "there is no job");
    jobs[0] = good;
    jobs[0].version[0]++;
    check_job(&jobs[0], sizeof(jobs[0]), fds, 2, ADK__WORKER_FAILED, "it is of another version than the library");
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void check_source(int fd, uint64_t size, const char *text)
{
    const int fds[2] = {fd, memory_file(NULL, 0)};
    adk__worker_job job = job_for(size);

    assert_true(fd >= 0);
    check_job(&job, sizeof(job), fds, 2, ADK__WORKER_FAILED, text);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void test_sources_that_are_none(void **state)
{
    static const char size_differs[] = "the source is not as large as the job says";
    struct stat status;
    int ends[2];

    (void)state;
    check_source(memory_file(source, SOURCE_SIZE), SOURCE_SIZE + 1, size_differs);
    check_source(memory_file(source, SOURCE_SIZE), SOURCE_SIZE - 1, size_differs);
    check_source(memory_file(source, SOURCE_SIZE), ADK_CODE_MAX_BYTES, size_differs);
    check_source(memory_file(NULL, 0), 1, size_differs);
    check_source(open("/dev/null", O_RDONLY | O_CLOEXEC), 1, size_differs);
    check_source(open("/dev/zero", O_RDONLY | O_CLOEXEC), 4096, size_differs);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], source, SOURCE_SIZE), SOURCE_SIZE);
    check_source(ends[0], SOURCE_SIZE, size_differs);
    (void)close(ends[1]);
    assert_int_equal(stat("/", &status), 0);
    if (status.st_size > 0) /* there are file systems whose directories have none */
        check_source(open("/", O_RDONLY | O_CLOEXEC), (uint64_t)status.st_size, "the source cannot be mapped");
    assert_int_equal(stat(adk_test_program("adk-worker"), &status), 0);
    check_source(open(adk_test_program("adk-worker"), O_PATH | O_CLOEXEC), (uint64_t)status.st_size,
                 "the source cannot be mapped");
}

static void test_code_that_cannot_be_written(void **state)
{
    int fds[2] = {memory_file(source, SOURCE_SIZE), open("/dev/null", O_RDONLY | O_CLOEXEC)};
    adk__worker_job job = job_for(SOURCE_SIZE);

    (void)state;
    check_job(&job, sizeof(job), fds, 2, ADK__WORKER_FAILED, "writing the code: Bad file descriptor");
    (void)close(fds[1]);
    fds[1] = open("/dev/full", O_WRONLY | O_CLOEXEC);
    check_job(&job, sizeof(job), fds, 2, ADK__WORKER_REFUSED,
              "failed to compile WASM module: the compiler needs more than 1024 MiB of memory");
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void test_no_memory(void **state)
{
    const int fds[2] = {memory_file(source, SOURCE_SIZE), memory_file(NULL, 0)};
    adk__worker_job job = job_for(SOURCE_SIZE);

    (void)state;
    job.memory_bytes = 0;
    check_job(&job, sizeof(job), fds, 2, adk_test_sanitized() ? ADK__WORKER_REFUSED : ADK__WORKER_FAILED,
              adk_test_sanitized() ? "failed to compile WASM module: the compiler needs more than 0 MiB of memory"
                                   : "a thread cannot be started: Resource temporarily unavailable");
    job.memory_bytes = UINT64_MAX;
    check_job(&job, sizeof(job), fds, 2, ADK__WORKER_DONE, "");
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void test_no_job(void **state)
{
    adk__process process = start_worker();
    struct answer answer;

    (void)state;
    assert_int_equal(shutdown(process.channel, SHUT_WR), 0); /* it hears of no more, but can answer */
    listen_to(&process, &answer);
    assert_int_equal(answer.verdict.status, ADK__WORKER_FAILED);
    assert_string_equal(answer.message, "there is no job");
    check_ends(&process, EXIT_FAILURE);
    process = start_worker();
    (void)close(process.channel);
    process.channel = -1;
    check_ends(&process, EXIT_FAILURE);
}

/* The library may die at any time: also when the job is sent and nothing else has happened yet. */
static void test_hangup_after_the_job(void **state)
{
    adk_bytes bomb = adk_test_loops(BOMB_LOOPS, 1);
    const int fds[2] = {memory_file(bomb.data, bomb.size), memory_file(NULL, 0)};
    adk__worker_job job = job_for(bomb.size);

    (void)state;
    for (uint64_t i = 0; i < 20; i++) {
        adk__process process = start_worker();
        struct pollfd ended = {process.pidfd, POLLIN, 0};
        adk__process_end how;

        assert_int_equal(adk__channel_send(process.channel, &job, sizeof(job), fds, 2), 0);
        adk_test_sleep_ns(i * MS / 2);
        (void)close(process.channel);
        process.channel = -1;
        assert_int_equal(poll(&ended, 1, 5000), 1);
        assert_true(adk__process_reap(&process, &how));
        assert_true(how.known);
        assert_true(how.signal == SIGIO || (how.signal == 0 && how.exit_status == EXIT_FAILURE));
        adk__process_close(&process);
    }
    (void)close(fds[0]);
    (void)close(fds[1]);
    free((void *)(uintptr_t)bomb.data);
}

/* ---- confinement -------------------------------------------------------------------------------------------------- */

/* A line of /proc/PID/FILE that begins with `key`. */
static bool line_of(pid_t pid, const char *file, const char *key, char *ret_line, size_t size)
{
    char path[100];
    FILE *stream;
    bool found = false;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    stream = fopen(path, "re");
    if (stream == NULL)
        return false;
    while (!found && fgets(ret_line, (int)size, stream) != NULL)
        found = strncmp(ret_line, key, strlen(key)) == 0;
    (void)fclose(stream);
    return found;
}

static unsigned long status_of(pid_t pid, const char *key)
{
    char line[256];

    assert_true(line_of(pid, "status", key, line, sizeof(line)));
    return strtoul(line + strlen(key), NULL, 10);
}

static void check_limit(pid_t pid, const char *key, uint64_t expected_soft)
{
    char line[256];
    char wanted[40];
    char soft[40];
    char hard[40];

    assert_true(line_of(pid, "limits", key, line, sizeof(line)));
    assert_int_equal(sscanf(line + 26, "%39s %39s", soft, hard), 2);
    (void)snprintf(wanted, sizeof(wanted), "%llu", (unsigned long long)expected_soft);
    assert_string_equal(soft, wanted);
    assert_string_equal(hard, wanted);
}

/* The address space it had, and what it may have more. */
static void check_address_space(pid_t pid, uint64_t more)
{
    char line[256];

    if (adk_test_sanitized())
        return;
    assert_true(line_of(pid, "limits", "Max address space", line, sizeof(line)));
    assert_in_range(strtoull(line + 26, NULL, 10), more, more + ((uint64_t)512 << 20));
}

/* Its descriptors are its owner's to see, who is root now that it cannot be dumped (proc(5)). */
static void check_descriptors(pid_t pid)
{
    static const char *const expected[] = {"/dev/null", "/dev/null",         "/dev/null",
                                           "socket:",   "/memfd:adk-source", "/memfd:adk-code"};
    char path[100];
    const struct dirent *entry;
    size_t count = 0;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    if (dir == NULL) {
        assert_int_equal(errno, EACCES);
        return;
    }
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    (void)closedir(dir);
    assert_int_equal(count, 6);
    for (size_t fd = 0; fd < 6; fd++) {
        char target[200] = "";

        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%zu", (int)pid, fd);
        assert_true(readlink(path, target, sizeof(target) - 1) > 0);
        if (strncmp(target, expected[fd], strlen(expected[fd])) != 0)
            fail_msg("descriptor %zu is %s, not %s", fd, target, expected[fd]);
    }
}

struct background {
    adk_backend *backend;
    adk_bytes code;
    adk_cancel *cancel;
    adk_outcome outcome;
};

static void *compile_in_background(void *data)
{
    struct background *background = data;
    adk_request request = adk_test_request(NULL);
    adk_result *result = NULL;

    request.code = background->code;
    if (adk_backend_execute(background->backend, &request, background->cancel, &result, NULL) == ADK_OK)
        background->outcome = adk_result_outcome(result);
    adk_result_free(result);
    return NULL;
}

static void test_a_helper_at_work(void **state)
{
    adk_wasm_options options = adk_test_options();
    struct background background = {NULL, adk_test_loops(BOMB_LOOPS, 5), NULL, ADK_OUTCOME_EXITED};
    uint64_t end_ns = adk_test_now_ns() + 10 * SECOND;
    pid_t pids[CHILDREN_MAX];
    pthread_t thread;

    (void)state;
    options.compile_memory_bytes = (uint64_t)256 << 20;
    background.backend = adk_test_backend_with(&options);
    assert_int_equal(adk_cancel_new(&background.cancel, NULL), ADK_OK);
    assert_int_equal(pthread_create(&thread, NULL, compile_in_background, &background), 0);
    assert_true(adk_test_children_become(1));
    assert_int_equal(adk_test_children(pids), 1);
    while (status_of(pids[0], "Seccomp:") != 2) { /* when it has put everything on */
        assert_true(adk_test_now_ns() < end_ns);
        adk_test_sleep_ns(MS);
    }
    assert_int_equal(status_of(pids[0], "NoNewPrivs:"), 1);
    check_descriptors(pids[0]);
    check_limit(pids[0], "Max core file size", 0);
    check_limit(pids[0], "Max cpu time", 3600);
    check_limit(pids[0], "Max file size", (uint64_t)256 << 20);
    check_address_space(pids[0], (uint64_t)256 << 20);
    adk_cancel_fire(background.cancel);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(background.outcome, ADK_OUTCOME_CANCELLED);
    adk_cancel_free(background.cancel);
    adk_backend_free(background.backend);
    free((void *)(uintptr_t)background.code.data);
    assert_true(adk_test_children_become(0));
}

/* A host may live under limits itself, which nobody but root may raise: they stay, and the helper works. */
static void test_limits_of_the_host(void **state)
{
    const int fds[2] = {memory_file(source, SOURCE_SIZE), memory_file(NULL, 0)};
    adk__worker_job job = job_for(SOURCE_SIZE);
    int status = 0;
    pid_t child;

    (void)state;
    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        const struct rlimit cpu = {100, 100};
        const struct rlimit file = {(rlim_t)1 << 20, (rlim_t)1 << 20};
        const struct rlimit space = {(rlim_t)900 << 20, (rlim_t)900 << 20};
        adk__process process;
        struct answer answer;
        char line[256];

        if (setrlimit(RLIMIT_CPU, &cpu) != 0 || setrlimit(RLIMIT_FSIZE, &file) != 0 ||
            (!adk_test_sanitized() && setrlimit(RLIMIT_AS, &space) != 0) || (getuid() == 0 && setuid(65534) != 0))
            _exit(1);
        process = start_worker();
        if (!line_of(getpid(), "limits", "Max cpu time", line, sizeof(line)) ||
            adk__channel_send(process.channel, &job, sizeof(job), fds, 2) != 0)
            _exit(2);
        listen_to(&process, &answer);
        if (answer.verdict.status != ADK__WORKER_DONE)
            (void)fprintf(stderr, "%s\n", answer.message);
        _exit(answer.verdict.status == ADK__WORKER_DONE ? 0 : 3);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* Its inside: tests/programs/armoured.c. */
static void test_armour(void **state)
{
    static const char *const words[] = {"adk_armoured", NULL};
    char out[4000];
    char err[4000];
    int status = run_by_hand(adk_test_program("adk_armoured"), words, out, sizeof(out), err, sizeof(err));

    (void)state;
    assert_string_equal(err, "");
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_a_job),
        cmocka_unit_test(test_jobs_that_make_no_sense),
        cmocka_unit_test(test_sources_that_are_none),
        cmocka_unit_test(test_code_that_cannot_be_written),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_job),
        cmocka_unit_test(test_hangup_after_the_job),
        cmocka_unit_test(test_a_helper_at_work),
        cmocka_unit_test(test_limits_of_the_host),
        cmocka_unit_test(test_armour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
