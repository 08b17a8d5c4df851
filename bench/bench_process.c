/*
 * A process for each run, as a contender (figure.h says how it is called, but that the guest is a native program): started
 * by posix_spawn, its output read from a pipe. By itself it isolates nothing; with --bwrap first it runs under bubblewrap,
 * in namespaces of its own with the host's files read-only.
 */
#include "figure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESS_TIMES 3
#define THREAD_RUNS   200
#define OUTPUT_BYTES  (2 * FIGURE_ECHO_BYTES)

static const char *name = "process";
static const char *directory; /* where the program starts, or NULL */
static char *command[16];
extern char **environ;

/* A program that is running, with the ends of its pipes that are ours. */
typedef struct child {
    pid_t pid;
    int in;
    int out;
} child;

static void start(child *self)
{
    posix_spawn_file_actions_t actions;
    int in[2];
    int out[2];

    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
        figure_die("no pipe");
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    if (directory != NULL)
        (void)posix_spawn_file_actions_addchdir_np(&actions, directory);
    if (posix_spawnp(&self->pid, command[0], &actions, NULL, command, environ) != 0)
        figure_die("no process");
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(in[0]);
    (void)close(out[1]);
    self->in = in[1];
    self->out = out[0];
}

/* Feeds the program while it reads, and takes what it writes. Gives its size. */
static size_t talk(child *self, const uint8_t *data, size_t size, uint8_t *ret_output)
{
    struct pollfd polled[2] = {{self->in, POLLOUT, 0}, {self->out, POLLIN, 0}};
    size_t got = 0;
    size_t at = 0;

    (void)fcntl(self->in, F_SETFL, O_NONBLOCK);
    for (;;) {
        ssize_t done;

        if (at == size && polled[0].fd >= 0) {
            (void)close(self->in);
            polled[0].fd = -1;
        }
        (void)poll(polled, 2, -1);
        if (polled[0].fd >= 0 && (polled[0].revents & POLLOUT) != 0) {
            done = write(self->in, data + at, size - at);
            at += done > 0 ? (size_t)done : 0;
        }
        if ((polled[1].revents & (POLLIN | POLLHUP)) == 0)
            continue;
        done = read(self->out, ret_output + got, OUTPUT_BYTES - got);
        if (done <= 0)
            break;
        got += (size_t)done;
    }
    (void)close(self->out);
    return got;
}

static void finish(const child *self)
{
    int status;

    if (waitpid(self->pid, &status, 0) != self->pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        figure_die("the program did not exit with 0");
}

static void hello(void)
{
    uint8_t *output = malloc(OUTPUT_BYTES);
    child self;

    if (output == NULL)
        figure_die("no memory");
    start(&self);
    if (talk(&self, NULL, 0, output) != strlen(FIGURE_HELLO))
        figure_die("the program printed something else");
    finish(&self);
    free(output);
}

static void measure_hello(const char *figure)
{
    double us[FIGURE_BATCHES];

    for (int i = 0; i < FIGURE_BATCHES; i++) {
        double began = figure_now_ns();

        hello();
        us[i] = (figure_now_ns() - began) / 1e3;
    }
    figure_print(figure, name, figure_median(us, FIGURE_BATCHES), "us");
}

static void *work(void *data)
{
    unsigned times = *(const unsigned *)data;

    for (unsigned i = 0; i < times; i++)
        hello();
    return NULL;
}

static double threads_per_second(unsigned count)
{
    pthread_t threads[FIGURE_THREADS_MAX];
    unsigned times = THREAD_RUNS / count;
    double began = figure_now_ns();

    for (unsigned i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, work, &times) != 0)
            figure_die("no thread");
    }
    for (unsigned i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    return THREAD_RUNS / (figure_now_ns() - began) * 1e9;
}

static void measure_threads(void)
{
    for (unsigned count = 1; count <= FIGURE_THREADS_MAX; count *= 2) {
        double per_second[PROCESS_TIMES];
        char figure[32];

        for (int i = 0; i < PROCESS_TIMES; i++)
            per_second[i] = threads_per_second(count);
        (void)snprintf(figure, sizeof(figure), "threads_%u", count);
        figure_print(figure, name, figure_most(per_second, PROCESS_TIMES), "runs/s");
    }
}

static void measure_echo(void)
{
    static uint8_t data[FIGURE_ECHO_BYTES];
    static uint8_t output[OUTPUT_BYTES];
    double us[FIGURE_TIMES];

    memset(data, 'e', sizeof(data));
    for (int i = 0; i < FIGURE_TIMES; i++) {
        double began = figure_now_ns();
        child self;

        start(&self);
        if (talk(&self, data, sizeof(data), output) != sizeof(data) || memcmp(data, output, sizeof(data)) != 0)
            figure_die("the echo differs");
        finish(&self);
        us[i] = (figure_now_ns() - began) / 1e3;
    }
    figure_print("echo_1m", name, figure_median(us, FIGURE_TIMES), "us");
}

static void transfer(int at, const char *folder, int number, uint8_t *content, int flags)
{
    char path[32];
    ssize_t done;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%d", folder, number);
    fd = openat(at, path, flags, 0600);
    done = flags == O_RDONLY ? read(fd, content, FIGURE_FILE_BYTES) : write(fd, content, FIGURE_FILE_BYTES);
    if (done != FIGURE_FILE_BYTES)
        figure_die(path);
    (void)close(fd);
    if (flags == O_RDONLY)
        (void)unlinkat(at, path, 0);
}

/* Files go in and out through a directory in memory, made for the run and emptied after it. */
static void measure_files(void)
{
    static uint8_t content[FIGURE_FILE_BYTES];
    static uint8_t output[OUTPUT_BYTES];
    double us[FIGURE_TIMES];

    for (int i = 0; i < FIGURE_TIMES; i++) {
        char path[] = "/dev/shm/adk-bench-XXXXXX";
        double began = figure_now_ns();
        child self;
        int at;

        directory = mkdtemp(path);
        at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (at < 0 || mkdirat(at, "in", 0700) != 0)
            figure_die("no directory");
        for (int j = 0; j < FIGURE_FILES; j++)
            transfer(at, "in", j, content, O_WRONLY | O_CREAT | O_TRUNC);
        start(&self);
        (void)talk(&self, NULL, 0, output);
        finish(&self);
        for (int j = 0; j < FIGURE_FILES; j++) {
            transfer(at, "out", j, content, O_RDONLY);
            transfer(at, "in", j, content, O_RDONLY);
        }
        (void)unlinkat(at, "in", AT_REMOVEDIR);
        (void)unlinkat(at, "out", AT_REMOVEDIR);
        (void)close(at);
        (void)rmdir(path);
        us[i] = (figure_now_ns() - began) / 1e3;
    }
    figure_print("files_10", name, figure_median(us, FIGURE_TIMES), "us");
}

static void measure_limit(const char *figure)
{
    double began = figure_now_ns();
    struct pollfd polled = {-1, POLLIN, 0};
    child self;

    start(&self);
    polled.fd = (int)syscall(SYS_pidfd_open, self.pid, 0);
    if (polled.fd < 0 || poll(&polled, 1, FIGURE_LIMIT_MS) != 0)
        figure_die("the program ended by itself");
    (void)kill(self.pid, SIGKILL);
    (void)waitpid(self.pid, NULL, 0);
    (void)close(polled.fd);
    figure_print(figure, name, (figure_now_ns() - began) / 1e6, "ms");
}

static void measure_memory(void)
{
    child children[FIGURE_SLEEPERS];
    double before = figure_resident_bytes(0);
    double bytes = 0;

    for (int i = 0; i < FIGURE_SLEEPERS; i++)
        start(&children[i]);
    (void)usleep(600000);
    for (int i = 0; i < FIGURE_SLEEPERS; i++)
        bytes += figure_resident_bytes(children[i].pid);
    bytes += figure_resident_bytes(0) - before;
    figure_print("memory_per_run", name, bytes / FIGURE_SLEEPERS / 1024, "KiB");
    for (int i = 0; i < FIGURE_SLEEPERS; i++) {
        (void)kill(children[i].pid, SIGKILL);
        (void)waitpid(children[i].pid, NULL, 0);
    }
}

static void measure_cpu(const char *figure)
{
    static uint8_t output[OUTPUT_BYTES];
    double ms[3];

    for (int i = 0; i < 3; i++) {
        double began = figure_now_ns();
        child self;

        start(&self);
        if (talk(&self, NULL, 0, output) == 0)
            figure_die("the program printed nothing");
        finish(&self);
        ms[i] = (figure_now_ns() - began) / 1e6;
    }
    figure_print(figure, name, figure_least(ms, 3), "ms");
}

static void set_command(const char *program, int is_bwrap)
{
    static const char *const bwrap[] = {"bwrap",         "--ro-bind",         "/", "/", "--dev", "/dev",
                                        "--unshare-all", "--die-with-parent", "--"};
    size_t count = 0;

    if (is_bwrap) {
        name = "process, bwrap";
        count = sizeof(bwrap) / sizeof(bwrap[0]);
        memcpy(command, bwrap, sizeof(bwrap));
    }
    command[count] = realpath(program, NULL); /* it may start in another directory */
    if (command[count] == NULL)
        figure_die(program);
    command[count + 1] = NULL;
}

int main(int argc, char **argv)
{
    int is_bwrap = argc > 1 && strcmp(argv[1], "--bwrap") == 0;
    const char *figure;

    if (argc < 3 + is_bwrap)
        figure_die("usage: bench_process [--bwrap] FIGURE PROGRAM");
    (void)signal(SIGPIPE, SIG_IGN);
    figure = argv[1 + is_bwrap];
    set_command(argv[2 + is_bwrap], is_bwrap);
    if (strncmp(figure, "hello", 5) == 0)
        measure_hello(figure);
    else if (strcmp(figure, "threads") == 0)
        measure_threads();
    else if (strcmp(figure, "echo") == 0)
        measure_echo();
    else if (strcmp(figure, "files") == 0)
        measure_files();
    else if (strcmp(figure, "memory") == 0)
        measure_memory();
    else if (strncmp(figure, "limit_", 6) == 0)
        measure_limit(figure);
    else if (strncmp(figure, "cpu_", 4) == 0)
        measure_cpu(figure);
    else
        figure_die("no such figure");
    return 0;
}
