/*
 * Bounded reading. A file may be a pipe without a writer, a terminal, or a device without an end: every read is
 * preceded by a poll() that a signal can end, and nothing beyond the bound is read.
 */
#include "cli/input.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/escape.h"
#include "cli/message.h"

#define FIRST_ROOM_BYTES ((size_t)64 << 10)

struct reader {
    int fd;
    int wake_fd;
    size_t most_bytes;
    char *data;
    size_t size;
    size_t room;
};

static int fail_read(const char *path, int failed, adk_error **ret_error)
{
    int code = cli_code_of_path_error(failed);
    struct cli_name name;

    if (strcmp(path, "-") == 0)
        return cli_fail(ret_error, code, failed, "cannot read standard input: %s", strerror(failed));
    return cli_fail(ret_error, code, failed, "cannot read \"%s\": %s", cli_name_cstr(path, &name), strerror(failed));
}

/* O_NONBLOCK: opening a pipe must not wait for its writer, poll() does that. */
static int open_input(const char *path)
{
    if (strcmp(path, "-") == 0)
        return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

/*
 * Room for a regular file in one step: its size, and one byte more, for the read that finds its end. Those of /proc say
 * that they are empty and are not.
 */
static size_t first_room(const struct reader *reader)
{
    struct stat status;
    size_t room = FIRST_ROOM_BYTES;

    if (fstat(reader->fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
        room = (uint64_t)status.st_size < reader->most_bytes ? (size_t)status.st_size + 1 : reader->most_bytes;
    return room < reader->most_bytes ? room : reader->most_bytes;
}

static int make_room(struct reader *reader)
{
    size_t room = reader->room == 0 ? first_room(reader) : 2 * reader->room;
    char *data = NULL;

    if (reader->size < reader->room)
        return ADK_OK;
    if (room > reader->most_bytes || room < reader->room)
        room = reader->most_bytes;
    data = realloc(reader->data, room);
    if (data == NULL)
        return ADK_E_NOMEM;
    reader->data = data;
    reader->room = room;
    return ADK_OK;
}

/* Waits until something can be read, the end included. Returns 0, CLI_INTERRUPTED, or a negative errno value. */
static int wait_for_input(const struct reader *reader)
{
    struct pollfd fds[] = {{.fd = reader->fd, .events = POLLIN}, {.fd = reader->wake_fd, .events = POLLIN}};

    while (poll(fds, ADK_COUNT(fds), -1) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return fds[1].revents != 0 ? CLI_INTERRUPTED : 0;
}

/* Reads once. Returns how much, 0 at the end, or a negative errno value. */
static ssize_t read_some(struct reader *reader)
{
    ssize_t got = read(reader->fd, reader->data + reader->size, reader->room - reader->size);

    if (got < 0)
        return -errno;
    reader->size += (size_t)got;
    return got;
}

static int read_all(struct reader *reader, const char *path, adk_error **ret_error)
{
    while (reader->size < reader->most_bytes) {
        int waited = 0;
        ssize_t got = 0;

        if (make_room(reader) != ADK_OK)
            return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
        waited = wait_for_input(reader);
        if (waited == CLI_INTERRUPTED)
            return CLI_INTERRUPTED;
        if (waited < 0)
            return fail_read(path, -waited, ret_error);
        got = read_some(reader);
        if (got == 0)
            break;
        if (got < 0 && got != -EAGAIN && got != -EINTR)
            return fail_read(path, (int)-got, ret_error);
    }
    return ADK_OK;
}

int cli_input_read(const char *path, uint64_t most_bytes, int wake_fd, struct cli_input *ret_input,
                   adk_error **ret_error)
{
    ADK_AUTO_CLOSE int fd = open_input(path);
    struct reader reader = {.fd = fd, .wake_fd = wake_fd, .most_bytes = (size_t)most_bytes};
    int failed = ADK_OK;

    if (fd < 0)
        return fail_read(path, errno, ret_error);
    failed = read_all(&reader, path, ret_error);
    if (failed != ADK_OK) {
        free(reader.data);
        return failed;
    }
    *ret_input = (struct cli_input){reader.data, reader.size};
    return ADK_OK;
}
