/*
 * Writing without being held up. A reader that stops reading must not carry a run past its deadline, so no write may
 * block: pipes and terminals are opened a second time through /proc, non-blocking, which leaves alone the descriptor
 * that other processes share with us; sockets take MSG_DONTWAIT. Where neither works, poll() says that there is room
 * and at most PIPE_BUF bytes are written at a time, which then go through at once. Regular files just take it.
 */
#include "cli/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/message.h"

#define NS_PER_SECOND UINT64_C(1000000000)

uint64_t cli_now_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t cli_deadline_in(uint64_t ns)
{
    uint64_t deadline = 0;

    if (__builtin_add_overflow(cli_now_ns(), ns, &deadline))
        return CLI_NO_DEADLINE;
    return deadline;
}

/* Opens the pipe or terminal behind `fd` once more. -1 where that makes no sense or does not work: no matter. */
static int open_again(int fd, const struct stat *status)
{
    char path[sizeof("/proc/self/fd/") + 3 * sizeof(fd)];
    int flags = fcntl(fd, F_GETFL);

    if (!S_ISFIFO(status->st_mode) && !(S_ISCHR(status->st_mode) && isatty(fd)))
        return -1;
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return -1;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

void cli_writer_open(struct cli_writer *writer, int fd, int wake_fd)
{
    struct stat status;

    *writer = (struct cli_writer){.fd = fd, .own_fd = -1, .wake_fd = wake_fd};
    if (fstat(fd, &status) < 0)
        return;
    writer->is_socket = S_ISSOCK(status.st_mode);
    writer->own_fd = open_again(fd, &status);
}

void cli_writer_close(struct cli_writer *writer)
{
    adk__auto_close(&writer->own_fd);
    writer->own_fd = -1;
}

/* Waits until there is room. Returns 0, ETIMEDOUT, ECANCELED, or what poll says. */
static int wait_for_room(const struct cli_writer *writer, int fd, uint64_t deadline_ns)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLOUT}, {.fd = writer->wake_fd, .events = POLLIN}};

    for (;;) {
        uint64_t now = cli_now_ns();
        uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
        struct timespec timeout = {(time_t)(left / NS_PER_SECOND), (long)(left % NS_PER_SECOND)};
        int ready = ppoll(fds, ADK_COUNT(fds), deadline_ns == CLI_NO_DEADLINE ? NULL : &timeout, NULL);

        if (ready < 0 && errno != EINTR)
            return errno;
        if (ready == 0)
            return ETIMEDOUT;
        if (ready > 0)
            return fds[0].revents != 0 ? 0 : ECANCELED; /* what there is room for is still written */
    }
}

/* One attempt at writing; never waits, but for a file's own time. */
static ssize_t write_some(const struct cli_writer *writer, const void *data, size_t size)
{
    if (writer->is_socket)
        return send(writer->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (writer->own_fd >= 0)
        return write(writer->own_fd, data, size);
    return write(writer->fd, data, size < PIPE_BUF ? size : PIPE_BUF);
}

int cli_writer_put(struct cli_writer *writer, adk_bytes bytes, uint64_t deadline_ns)
{
    const char *at = bytes.data;
    size_t left = bytes.size;
    int fd = writer->own_fd >= 0 ? writer->own_fd : writer->fd;
    bool may_block = writer->own_fd < 0 && !writer->is_socket;
    bool wait = may_block;

    while (left > 0) {
        ssize_t written = 0;
        int failed = wait ? wait_for_room(writer, fd, deadline_ns) : 0;

        if (failed != 0)
            return failed;
        written = write_some(writer, at, left);
        if (written < 0 && errno != EAGAIN && errno != EINTR)
            return errno;
        wait = may_block || written < 0;
        at += written > 0 ? written : 0;
        left -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

ssize_t cli_writer_try(struct cli_writer *writer, adk_bytes bytes)
{
    struct pollfd fd = {.fd = writer->fd, .events = POLLOUT};
    ssize_t written;

    if (writer->own_fd < 0 && !writer->is_socket && poll(&fd, 1, 0) <= 0)
        return -EAGAIN;
    written = write_some(writer, bytes.data, bytes.size);
    if (written < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    return written;
}

int cli_put_stdout(adk_bytes bytes)
{
    struct cli_writer writer;
    int failed = 0;

    cli_writer_open(&writer, STDOUT_FILENO, -1);
    failed = cli_writer_put(&writer, bytes, CLI_NO_DEADLINE);
    cli_writer_close(&writer);
    if (failed == 0)
        return CLI_EXIT_OK;
    if (failed == EPIPE)
        return CLI_EXIT_READER_GONE;
    cli_message("cannot write standard output: %s", strerror(failed));
    return CLI_EXIT_FAILED;
}
