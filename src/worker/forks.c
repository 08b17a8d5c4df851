/*
 * Theory of operation. The library sends seats, each with two descriptors: R, the run's end of a channel, and N, on which
 * news of it go back. For a seat the worker forks; the child keeps R, closes all else, and returns from here into whatever
 * the worker was about to do. The worker keeps N, sends the child's pidfd on it, and how the child ended when it has; then N
 * is closed. Should the worker die, all its N close with it: so whoever waits for a run learns of its end in any case, and
 * nobody has to be told whose it was.
 *
 * The worker reads from `control` alone, where nothing but seats comes: no byte of a request passes through it. It has one
 * thread, and starts no other: so a fork is a whole copy, with no lock held by somebody who is not there.
 *
 * A session (worker/calls.c) forks itself, and its branch is the worker's child as it is one itself (CLONE_PARENT): so it is
 * collected here, and dies when the worker does. Which process it is the worker learns from the kernel: the library lends it
 * its end of the branch's channel, the branch says hello there, and the message comes with the sender's number. Only a child
 * that nobody knows yet is taken for a branch. Each child is a process group of its own, and a branch is moved into one of
 * its own when it is taken: what a session has forked beyond that is still in the session's group, which ends with it.
 *
 * This file holds all that runs between the fork and the run itself.
 */
#include "worker/forks.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/clock.h"
#include "worker/protocol.h"
#include "worker/walls.h"

/* Where a child finds its channel. */
#define RUN_FD 3

struct child {
    pid_t pid;
    int news;
};

/* A branch that has not said hello yet. */
struct branch {
    int hello;
    int news;
};

#define BRANCHES_MAX 16

static struct {
    int signals;
    struct child *children;
    size_t count;
    size_t capacity;
    struct branch branches[BRANCHES_MAX];
    size_t branch_count;
} server = {.signals = -1};

int adk__forks_begin(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return errno;
    server.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return server.signals < 0 ? errno : 0;
}

/* ---- in the child -------------------------------------------------------------------------------------------------- */

static int begin_child(int run, bool is_session)
{
    sigset_t none;

    if (run != RUN_FD && dup3(run, RUN_FD, 0) < 0)
        _exit(EXIT_FAILURE);
    (void)close_range(0, RUN_FD - 1, 0);
    (void)close_range(RUN_FD + 1, ~0U, 0);
    (void)setpgid(0, 0);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    adk__walls_begin_run(is_session);
    return RUN_FD;
}

/* ---- in the worker ------------------------------------------------------------------------------------------------- */

static void tell(int news, adk__worker_word word, const adk__worker_message *given, const int *fd)
{
    adk__worker_message message = *given;

    message.magic = ADK__WORKER_MAGIC;
    message.word = word;
    (void)adk__channel_send(news, &message, sizeof(message), fd, fd == NULL ? 0 : 1);
}

static bool make_room(void)
{
    size_t capacity = server.capacity == 0 ? 16 : server.capacity * 2;
    struct child *children;

    if (server.count < server.capacity)
        return true;
    children = realloc(server.children, capacity * sizeof(*children));
    if (children == NULL)
        return false;
    server.children = children;
    server.capacity = capacity;
    return true;
}

/* Takes the descriptors. Returns whether this is the child. A child whose pidfd cannot be had is of no use to anybody. */
static bool seat(const int fds[ADK__WORKER_SEAT_FDS])
{
    static const adk__worker_message nothing = {.word = 0};
    int news = fds[ADK__WORKER_SEAT_NEWS];
    int pidfd = -1;
    pid_t pid = make_room() ? fork() : -1;

    if (pid == 0)
        return true;
    if (pid > 0)
        pidfd = pidfd_open(pid, 0);
    (void)close(fds[ADK__WORKER_SEAT_RUN]); /* without a child, its channel is closed: that is seen */
    if (pid < 0) {
        (void)close(news);
        return false;
    }
    if (pidfd >= 0) {
        tell(news, ADK__WORKER_STARTED, &nothing, &pidfd);
        (void)close(pidfd);
    }
    server.children[server.count++] = (struct child){pid, news};
    return false;
}

/* ---- branches of sessions ------------------------------------------------------------------------------------------ */

static void await_branch(const int fds[ADK__WORKER_SEAT_FDS])
{
    if (server.branch_count < BRANCHES_MAX) {
        server.branches[server.branch_count++] = (struct branch){fds[ADK__WORKER_SEAT_RUN], fds[ADK__WORKER_SEAT_NEWS]};
        return;
    }
    (void)close(fds[ADK__WORKER_SEAT_RUN]);
    (void)close(fds[ADK__WORKER_SEAT_NEWS]);
}

/* Who says hello, by the kernel's word; 0: nobody, or something else was said. Descriptors that come along are dropped. */
static pid_t hear_hello(int channel)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    adk__worker_message message;
    struct iovec part = {&message, sizeof(message)};
    struct msghdr received = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t got = recvmsg(channel, &received, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&received);
    struct ucred sender;

    if (got < 0 || (received.msg_flags & MSG_TRUNC) != 0 || header == NULL || header->cmsg_level != SOL_SOCKET ||
        header->cmsg_type != SCM_CREDENTIALS || header->cmsg_len != CMSG_LEN(sizeof(sender)) ||
        !adk__worker_message_is(&message, (size_t)got, ADK__WORKER_HELLO))
        return 0;
    memcpy(&sender, CMSG_DATA(header), sizeof(sender));
    return sender.pid;
}

static bool is_known(pid_t pid)
{
    for (size_t i = 0; i < server.count; i++) {
        if (server.children[i].pid == pid)
            return true;
    }
    return false;
}

/* Takes the news. Changing its group succeeds for children alone. */
static void adopt(pid_t pid, int news)
{
    static const adk__worker_message nothing = {.word = 0};
    int pidfd = -1;

    if (pid > 0 && !is_known(pid) && make_room() && setpgid(pid, pid) == 0)
        pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        (void)close(news);
        return;
    }
    tell(news, ADK__WORKER_STARTED, &nothing, &pidfd);
    (void)close(pidfd);
    server.children[server.count++] = (struct child){pid, news};
}

/* Before children are collected: a number that has come with a hello is still that of who said it. */
static void meet_branches(void)
{
    for (size_t i = server.branch_count; i-- > 0;) {
        struct pollfd what[] = {{server.branches[i].hello, POLLIN, 0}, {server.branches[i].news, 0, 0}};

        if (poll(what, 2, 0) <= 0)
            continue;
        adopt(what[0].revents != 0 && what[1].revents == 0 ? hear_hello(what[0].fd) : 0, what[1].fd);
        (void)close(what[0].fd);
        server.branches[i] = server.branches[--server.branch_count];
    }
}

/* ---- the dead ------------------------------------------------------------------------------------------------------ */

static uint64_t nanoseconds(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * ADK__NS_PER_S + (uint64_t)time->tv_usec * 1000;
}

static void bury(pid_t pid, int status, const struct rusage *used)
{
    adk__worker_message message = {.cpu_ns = nanoseconds(&used->ru_utime) + nanoseconds(&used->ru_stime)};
    size_t i = 0;

    (void)kill(-pid, SIGKILL); /* what it may have left behind */
    while (i < server.count && server.children[i].pid != pid)
        i++;
    if (i == server.count)
        return;
    if (WIFSIGNALED(status))
        message.signal = WTERMSIG(status);
    else
        message.exit_status = WEXITSTATUS(status);
    tell(server.children[i].news, ADK__WORKER_ENDED, &message, NULL);
    (void)close(server.children[i].news);
    server.children[i] = server.children[--server.count];
}

static void collect(void)
{
    struct signalfd_siginfo info;
    struct rusage used;
    int status;
    pid_t pid;

    while (read(server.signals, &info, sizeof(info)) > 0)
        continue;
    while ((pid = wait4(-1, &status, WNOHANG, &used)) > 0)
        bury(pid, status, &used);
}

/* Where the kernel does not end the children with us, they asked to (walls.c). */
static void leave(void)
{
    _exit(EXIT_SUCCESS);
}

/* Returns whether this is a child, whose channel is then *ret_run; *is_session says what for. */
static bool listen_to(int control, int *ret_run, bool *is_session)
{
    adk__worker_message message;
    int fds[ADK__WORKER_SEAT_FDS];
    size_t size = 0;
    int failed =
        adk__channel_receive(control, MSG_DONTWAIT, &message, sizeof(message), &size, fds, ADK__WORKER_SEAT_FDS);

    if (failed == EAGAIN)
        return false;
    if (!failed && adk__worker_message_is(&message, size, ADK__WORKER_BRANCH)) {
        await_branch(fds);
        return false;
    }
    *is_session = !failed && adk__worker_message_is(&message, size, ADK__WORKER_ROOM);
    if (failed || (!*is_session && !adk__worker_message_is(&message, size, ADK__WORKER_SEAT)))
        leave();
    *ret_run = fds[ADK__WORKER_SEAT_RUN];
    if (seat(fds))
        return true;
    return false;
}

int adk__forks_serve(int control, bool *ret_is_session)
{
    struct pollfd what[2 + 2 * BRANCHES_MAX] = {{control, POLLIN, 0}, {server.signals, POLLIN, 0}};
    bool is_session = false;
    int run = -1;

    for (;;) {
        for (size_t i = 0; i < server.branch_count; i++) {
            what[2 + 2 * i] = (struct pollfd){server.branches[i].hello, POLLIN, 0};
            what[3 + 2 * i] = (struct pollfd){server.branches[i].news, 0, 0};
        }
        if (poll(what, 2 + 2 * server.branch_count, -1) < 0 && errno != EINTR)
            leave();
        meet_branches();
        if (what[1].revents != 0)
            collect();
        if (what[0].revents == 0 || !listen_to(control, &run, &is_session))
            continue;
        if (ret_is_session != NULL)
            *ret_is_session = is_session;
        else if (is_session)
            leave();
        return begin_child(run, is_session);
    }
}
