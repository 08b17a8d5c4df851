/*
 * Messages between this process and a helper program: whole ones, with descriptors, over a SOCK_SEQPACKET pair (unix(7)).
 * Nothing here trusts the other side: a message that is longer than asked for, or brings more descriptors, is refused and
 * what it brought is closed.
 */
#ifndef ADK_BASE_CHANNEL_H
#define ADK_BASE_CHANNEL_H

#include <stddef.h>

/** How many descriptors a message can bring. */
#define ADK__CHANNEL_FDS_MAX 4

/**
 * Sends a message; does not block, raises no SIGPIPE. The descriptors stay the caller's. Returns 0 or an errno value:
 * EPIPE where the other side has gone.
 */
int adk__channel_send(int channel, const void *data, size_t size, const int *fds, size_t fd_count);

/**
 * Receives a message of at most `capacity` bytes with exactly `fd_count` descriptors, which are then the caller's and are
 * closed on exec. `flags` are those of recvmsg(2), such as MSG_DONTWAIT. Returns 0 or an errno value: EPIPE where the other
 * side has gone, EMSGSIZE and EBADMSG for messages of another kind.
 */
int adk__channel_receive(int channel, int flags, void *data, size_t capacity, size_t *ret_size, int *ret_fds,
                         size_t fd_count);

/** The same where the message may bring any number of descriptors up to *fd_count; there were *fd_count of them. */
int adk__channel_receive_some(int channel, int flags, void *data, size_t capacity, size_t *ret_size, int *ret_fds,
                              size_t *fd_count);

#endif
