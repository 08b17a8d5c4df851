/*
 * Writing to descriptors that the command was given, and whose other end may be slow, stalled or gone.
 */
#ifndef ADK_CLI_WRITER_H
#define ADK_CLI_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <adk/bytes.h>

#define CLI_NO_DEADLINE UINT64_MAX

/** A descriptor to write to. It is borrowed; `own_fd` is ours, or -1. */
struct cli_writer {
    int fd;
    int own_fd;  /* a second, non-blocking way to the same pipe or terminal */
    int wake_fd; /* readable when writing shall be given up; -1 for none */
    bool is_socket;
};

/** The clock of deadlines: nanoseconds of CLOCK_MONOTONIC. */
uint64_t cli_now_ns(void);

/** A point in time that far from now; CLI_NO_DEADLINE where there is no such number. */
uint64_t cli_deadline_in(uint64_t ns);

void cli_writer_open(struct cli_writer *writer, int fd, int wake_fd);
void cli_writer_close(struct cli_writer *writer);

/**
 * Writes all of `bytes`. Returns 0, or an errno value: ETIMEDOUT when the deadline came first, ECANCELED when the wake
 * descriptor did, EPIPE when the reader has gone away, ENOSPC, …
 */
int cli_writer_put(struct cli_writer *writer, adk_bytes bytes, uint64_t deadline_ns);

/** Writes what there is room for and does not wait. Returns how much that was, or a negative errno value: -EAGAIN for nothing. */
ssize_t cli_writer_try(struct cli_writer *writer, adk_bytes bytes);

/**
 * Writes all of `bytes` to standard output and waits for it as long as it takes. Returns the exit status that follows:
 * 0, 141 when the reader has gone away, 125 after a message otherwise.
 */
int cli_put_stdout(adk_bytes bytes);

#endif
