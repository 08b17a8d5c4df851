/*
 * A worker whose children do not keep sessions as they should. What they do instead is in the name it was started by, which is
 * a symbolic link to it. Compiling it leaves to the real one.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <adk/result.h>

#include "base/channel.h"
#include "worker/exchange.h"
#include "worker/protocol.h"

#define CHANNEL 3

static const char *mode;

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static void wait_for_ever(void)
{
    for (;;)
        (void)pause();
}

static void say(int channel, adk__worker_word word, int status, uint32_t call)
{
    const adk__worker_message message = {
        .magic = ADK__WORKER_MAGIC, .word = word, .exit_status = status, .stream = 1, .call = call};

    (void)adk__channel_send(channel, &message, sizeof(message), NULL, 0);
}

/* An honest report of a program that wrote nothing. */
static void report(int fd)
{
    adk__exchange_head *head = mmap(NULL, sizeof(*head), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (head == MAP_FAILED)
        _exit(6);
    head->report.outcome = ADK_OUTCOME_EXITED;
    head->report.done = ADK__EXCHANGE_DONE;
}

static void answer(int channel, int fd, uint32_t call)
{
    static bool was_ahead; /* what it then says to have done, it has not */

    if (is("never-returns"))
        wait_for_ever();
    if (is("leaves"))
        _exit(0);
    if (is("expires"))
        _exit(ADK__WORKER_EXPIRED);
    if (is("streams"))
        say(channel, ADK__WORKER_STREAM, 0, call);
    if (!is("has-no-report") && !was_ahead)
        report(fd);
    say(channel, ADK__WORKER_RETURNED, 0, is("returns-another") ? call + 1 : call);
    if (is("returns-twice"))
        say(channel, ADK__WORKER_RETURNED, 0, call);
    if (is("returns-ahead")) {
        say(channel, ADK__WORKER_RETURNED, 0, call + 1);
        was_ahead = true;
    }
}

static void play(int channel)
{
    for (;;) {
        union {
            adk__worker_message message;
            adk__worker_opening opening;
        } order;
        size_t size = 0;
        size_t count = 1;
        int fd = -1;

        if (adk__channel_receive_some(channel, 0, &order, sizeof(order), &size, &fd, &count) != 0)
            _exit(0);
        if (order.opening.word == ADK__WORKER_FORK)
            (void)close(fd);
        else if (order.message.word == ADK__WORKER_CALL)
            answer(channel, fd, order.message.call);
        else if (order.opening.word != ADK__WORKER_OPEN || is("opens-never"))
            wait_for_ever();
        else
            say(channel, is("opens-oddly") ? ADK__WORKER_RETURNED : ADK__WORKER_OPENED, is("opens-badly") ? EPERM : 0,
                0);
    }
}

/* As a worker does; waits for the child. What is asked for meanwhile: branches are refused, seats come to nothing. */
static void attend(pid_t pid, int news)
{
    adk__worker_message end = {.magic = ADK__WORKER_MAGIC, .word = ADK__WORKER_ENDED};
    const adk__worker_message start = {.magic = ADK__WORKER_MAGIC, .word = ADK__WORKER_STARTED};
    int pidfd = pidfd_open(pid, 0);
    struct pollfd what[] = {{pidfd, POLLIN, 0}, {CHANNEL, POLLIN, 0}};
    int status = 0;

    (void)adk__channel_send(news, &start, sizeof(start), &pidfd, 1);
    while (poll(what, 2, -1) > 0 && what[0].revents == 0) {
        adk__worker_message message;
        int fds[ADK__WORKER_SEAT_FDS];
        size_t size = 0;

        if (adk__channel_receive(CHANNEL, 0, &message, sizeof(message), &size, fds, ADK__WORKER_SEAT_FDS) != 0)
            _exit(0);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
    (void)close(pidfd);
    (void)waitpid(pid, &status, 0);
    end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    end.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    (void)adk__channel_send(news, &end, sizeof(end), NULL, 0);
}

static void serve(void)
{
    for (;;) {
        adk__worker_message message = {.word = 0};
        int fds[ADK__WORKER_SEAT_FDS];
        size_t size = 0;
        pid_t pid;

        if (adk__channel_receive(CHANNEL, 0, &message, sizeof(message), &size, fds, ADK__WORKER_SEAT_FDS) != 0)
            _exit(0);
        pid = fork();
        if (pid == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            (void)close(fds[ADK__WORKER_SEAT_NEWS]);
            play(fds[ADK__WORKER_SEAT_RUN]);
        }
        (void)close(fds[ADK__WORKER_SEAT_RUN]);
        if (pid > 0)
            attend(pid, fds[ADK__WORKER_SEAT_NEWS]);
        (void)close(fds[ADK__WORKER_SEAT_NEWS]);
    }
}

int main(int argc, char *argv[])
{
    const adk__worker_ready ready = {.magic = ADK__WORKER_MAGIC, .protocol = ADK__WORKER_PROTOCOL, .is_ready = 1};
    adk__worker_orders orders;
    int fds[ADK__WORKER_IMAGE_FDS];
    size_t size = 0;

    if (argc == 2 && strcmp(argv[1], "compile") == 0) {
        (void)execv(ADK_TEST_WORKER, argv);
        _exit(5);
    }
    /* The name it was started by is in the auxiliary vector. */
    mode = strrchr((const char *)(uintptr_t)getauxval(AT_EXECFN), '/') + 1;
    if (adk__channel_receive(CHANNEL, 0, &orders, sizeof(orders), &size, fds, ADK__WORKER_IMAGE_FDS) != 0 ||
        adk__channel_send(CHANNEL, &ready, sizeof(ready), NULL, 0) != 0)
        _exit(4);
    serve();
    return 0;
}
