#include "base/channel.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr header; /* for its alignment (cmsg(3)) */
    char bytes[CMSG_SPACE(ADK__CHANNEL_FDS_MAX * sizeof(int))];
};

int adk__channel_send(int channel, const void *data, size_t size, const int *fds, size_t fd_count)
{
    union control control = {.bytes = {0}};
    struct iovec part = {(void *)(uintptr_t)data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct cmsghdr *header;
    ssize_t sent;

    if (fd_count > ADK__CHANNEL_FDS_MAX)
        return EINVAL;
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, fd_count * sizeof(int));
    }
    do
        sent = sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == ECONNRESET ? EPIPE : errno;
    return (size_t)sent == size ? 0 : EMSGSIZE;
}

/* Takes the descriptors out of a message, or closes them all where there are more than *count, or were more than fit. */
static int take_fds(struct msghdr *message, int *ret_fds, size_t *count)
{
    int fds[ADK__CHANNEL_FDS_MAX];
    size_t found = 0;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; CMSG_LEN((at + 1) * sizeof(int)) <= header->cmsg_len; at++) {
            int fd;

            memcpy(&fd, CMSG_DATA(header) + at * sizeof(int), sizeof(fd));
            if (found < ADK__CHANNEL_FDS_MAX)
                fds[found++] = fd;
            else
                (void)close(fd);
        }
    }
    if (found <= *count && (message->msg_flags & MSG_CTRUNC) == 0) {
        for (size_t i = 0; i < found; i++)
            ret_fds[i] = fds[i];
        *count = found;
        return 0;
    }
    for (size_t i = 0; i < found; i++)
        (void)close(fds[i]);
    return EBADMSG;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)close(fds[i]);
}

int adk__channel_receive_some(int channel, int flags, void *data, size_t capacity, size_t *ret_size, int *ret_fds,
                              size_t *fd_count)
{
    union control control;
    struct iovec part = {data, capacity};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t got;
    int failed;

    do
        got = recvmsg(channel, &message, flags | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == ECONNRESET ? EPIPE : errno;
    failed = take_fds(&message, ret_fds, fd_count);
    if (failed)
        return failed;
    if (got > 0 && (message.msg_flags & MSG_TRUNC) == 0) {
        *ret_size = (size_t)got;
        return 0;
    }
    close_all(ret_fds, *fd_count);
    if (got > 0)
        return EMSGSIZE;
    return *fd_count == 0 ? EPIPE : EBADMSG;
}

int adk__channel_receive(int channel, int flags, void *data, size_t capacity, size_t *ret_size, int *ret_fds,
                         size_t fd_count)
{
    int fds[ADK__CHANNEL_FDS_MAX];
    size_t count = fd_count;
    size_t size = 0;
    int failed = adk__channel_receive_some(channel, flags, data, capacity, &size, fds, &count);

    if (failed)
        return failed;
    if (count != fd_count) {
        close_all(fds, count);
        return EBADMSG;
    }
    *ret_size = size;
    for (size_t i = 0; i < count; i++)
        ret_fds[i] = fds[i];
    return 0;
}
