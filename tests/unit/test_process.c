/*
 * src/base/process: helper processes are given nothing but a channel, and are collected whatever the host does with its
 * children.
 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/process.h"

static unsigned descriptors;

static int begin(void **state)
{
    (void)state;
    descriptors = adk_test_count().descriptors;
    return 0;
}

static int end(void **state)
{
    (void)state;
    return adk_test_count().descriptors == descriptors && adk_test_children_become(0) ? 0 : -1;
}

static adk__process start(const char *what)
{
    char name[] = "name of it";
    char argument[16];
    char *argv[] = {name, argument, NULL};
    adk__process process = ADK__PROCESS_NONE;

    (void)snprintf(argument, sizeof(argument), "%s", what);
    assert_int_equal(adk__process_start(adk_test_program("adk_probe"), argv, &process), 0);
    assert_true(process.pidfd >= 0 && process.channel >= 0);
    return process;
}

static void wait_for_end(const adk__process *process)
{
    struct pollfd ended = {process->pidfd, POLLIN, 0};

    assert_int_equal(poll(&ended, 1, 30000), 1);
}

static adk__process_end finish(adk__process *process)
{
    adk__process_end how;

    wait_for_end(process);
    assert_true(adk__process_reap(process, &how));
    adk__process_close(process);
    assert_int_equal(process->pidfd, -1);
    assert_int_equal(process->channel, -1);
    return how;
}

static void check_report(adk__process *process)
{
    static const char expected[] = "descriptors 0:null 1:null 2:null 3:socket\n"
                                   "SigBlk 0\n"
                                   "SigIgn 0\n"
                                   "environment 0\n"
                                   "arguments name of it report\n"
                                   "group own\n";
    char report[4097];
    size_t size = 0;
    adk__process_end how;

    assert_int_equal(adk__channel_receive(process->channel, 0, report, sizeof(report) - 1, &size, NULL, 0), 0);
    report[size] = '\0';
    assert_string_equal(report, expected);
    how = finish(process);
    assert_true(how.known);
    assert_int_equal(how.signal, 0);
    assert_int_equal(how.exit_status, 0);
}

/* ---- what it is given --------------------------------------------------------------------------------------------- */

/* Neither descriptors, be they to be closed on exec or not, nor signals, nor the environment. */
static void test_nothing_is_inherited(void **state)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before[3];
    static const int numbers[] = {SIGPIPE, SIGUSR1, SIGIO};
    adk__process process;
    sigset_t all;
    sigset_t mask;
    int leaks[40];

    (void)state;
    for (size_t i = 0; i < 40; i++)
        leaks[i] = open("/etc/passwd", O_RDONLY); /* NOLINT: without O_CLOEXEC */
    assert_true(dup2(leaks[0], 200) == 200);
    assert_int_equal(setenv("ADK_TEST_SECRET", "1", 1), 0);
    (void)sigfillset(&all);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &all, &mask), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(sigaction(numbers[i], &ignore, &before[i]), 0);
    process = start("report");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(sigaction(numbers[i], &before[i], NULL), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
    check_report(&process);
    assert_int_equal(unsetenv("ADK_TEST_SECRET"), 0);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(close(leaks[i]), 0);
    assert_int_equal(close(200), 0);
}

/* The channel then is one of the descriptors that the standard streams take in the helper. */
static void test_standard_streams_closed(void **state)
{
    (void)state;
    for (unsigned closed = 1; closed < 16; closed++) {
        int saved[4];
        adk__process process;

        (void)fflush(stdout);
        for (int fd = 0; fd < 4; fd++) {
            saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
            if ((closed & (1u << fd)) != 0)
                (void)close(fd);
        }
        process = start("report");
        for (int fd = 0; fd < 4; fd++) {
            bool was_closed = (closed & (1u << fd)) != 0;

            if (was_closed && fd == process.channel)
                process.channel = fcntl(fd, F_DUPFD_CLOEXEC, 100);
            if (was_closed && fd == process.pidfd)
                process.pidfd = fcntl(fd, F_DUPFD_CLOEXEC, 100);
            if (was_closed)
                (void)close(fd);
            if (saved[fd] >= 0) {
                (void)dup2(saved[fd], fd);
                (void)close(saved[fd]);
            }
        }
        check_report(&process);
    }
}

/* ---- what cannot be started ---------------------------------------------------------------------------------------- */

static int start_fails(const char *path)
{
    char name[] = "x";
    char *argv[] = {name, NULL};
    adk__process process = {-7, -7};
    int failed = adk__process_start(path, argv, &process);

    assert_int_equal(process.pidfd, -7);
    assert_int_equal(process.channel, -7);
    return failed;
}

static void test_what_cannot_be_started(void **state)
{
    char path[] = "/tmp/adk-test-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "this is text\n", 13), 13);
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(start_fails("/nowhere/adk-worker"), ENOENT);
    assert_int_equal(start_fails("/dev/null/adk-worker"), ENOTDIR);
    assert_int_equal(start_fails(""), ENOENT);
    assert_int_equal(start_fails("/tmp"), EACCES);
    assert_int_equal(start_fails(path), EACCES);
    assert_int_equal(chmod(path, 0700), 0);
    assert_int_equal(start_fails(path), ENOEXEC); /* no shell is asked */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(adk_test_count().descriptors, descriptors);
}

/* ---- how it ends -------------------------------------------------------------------------------------------------- */

static void test_exit_status(void **state)
{
    adk__process process = start("exit");
    adk__process_end how = finish(&process);

    (void)state;
    assert_true(how.known);
    assert_int_equal(how.signal, 0);
    assert_int_equal(how.exit_status, 7);
}

static void test_signal(void **state)
{
    adk__process process = start("abort");
    adk__process_end how = finish(&process);

    (void)state;
    assert_true(how.known);
    assert_int_equal(how.signal, SIGABRT);
}

static void test_kill(void **state)
{
    adk__process process = start("wait");
    adk__process_end how;

    (void)state;
    assert_false(adk__process_reap(&process, &how));
    assert_true(adk_test_children_become(1));
    adk__process_kill(&process);
    wait_for_end(&process);
    assert_true(adk__process_reap(&process, &how));
    assert_true(how.known);
    assert_int_equal(how.signal, SIGKILL);
    /* Once more, of a process that is no longer there. */
    adk__process_kill(&process);
    assert_true(adk__process_reap(&process, &how));
    assert_false(how.known);
    adk__process_close(&process);
    adk__process_close(&process);
}

static void test_children_are_ignored(void **state)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;
    adk__process process;
    adk__process_end how;

    (void)state;
    assert_int_equal(sigaction(SIGCHLD, &ignore, &before), 0);
    process = start("wait");
    assert_false(adk__process_reap(&process, &how));
    adk__process_kill(&process);
    how = finish(&process);
    assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
    assert_false(how.known);
}

/* It may have gone before it is looked for: either way nothing else is taken for it. */
static void test_children_are_ignored_and_short(void **state)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction before;

    (void)state;
    assert_int_equal(sigaction(SIGCHLD, &ignore, &before), 0);
    for (int i = 0; i < 20; i++) {
        char name[] = "x";
        char what[] = "exit";
        char *argv[] = {name, what, NULL};
        adk__process process = ADK__PROCESS_NONE;
        int failed = adk__process_start(adk_test_program("adk_probe"), argv, &process);

        if (failed)
            assert_int_equal(failed, ESRCH);
        else
            assert_false(finish(&process).known);
    }
    assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
}

static void test_somebody_else_collects(void **state)
{
    adk__process process = start("exit");
    adk__process_end how;
    int status = 0;

    (void)state;
    while (waitpid(-1, &status, 0) < 0 && errno == EINTR)
        continue;
    assert_int_equal(WEXITSTATUS(status), 7);
    how = finish(&process);
    assert_false(how.known);
}

/* ---- many --------------------------------------------------------------------------------------------------------- */

static void *start_many(void *data)
{
    (void)data;
    for (int i = 0; i < 10; i++) {
        adk__process process = start("report");

        check_report(&process);
    }
    return NULL;
}

/* One thread's pair of sockets is not inherited by another's helper. */
static void test_many_at_once(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_many, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_inherited),
        TEST(test_standard_streams_closed),
        TEST(test_what_cannot_be_started),
        TEST(test_exit_status),
        TEST(test_signal),
        TEST(test_kill),
        TEST(test_children_are_ignored),
        TEST(test_children_are_ignored_and_short),
        TEST(test_somebody_else_collects),
        TEST(test_many_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
