/*
 * Live output. The callbacks run on the run's thread and their time is the run's, so they never wait beyond its
 * deadline or a cancellation: they give up and say "fine", and the library finds the deadline passed. Only a stream
 * that can take no more at all (its reader gone, its disk full) stops the run by itself.
 *
 * Bytes pass unchanged, but for a terminal, where control sequences are made visible.
 */
#include "cli/run_streams.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

/* The library's clock starts a little after ours; giving up before its deadline would let the guest go on. */
#define DEADLINE_SLACK_NS UINT64_C(500000)

/* How long the last bytes wait for a reader, when the run is over. */
#define FINISH_PATIENCE_NS UINT64_C(100000000)

static void open_stream(struct cli_stream *stream, int fd, uint64_t limit_bytes, int wake_fd)
{
    *stream = (struct cli_stream){.limit_bytes = limit_bytes == 0 ? UINT64_MAX : limit_bytes};
    stream->terminal = isatty(fd) != 0;
    cli_writer_open(&stream->writer, fd, wake_fd);
}

/* Returns 0 where the run may go on. */
static int put(struct cli_stream *stream, adk_bytes bytes, uint64_t deadline_ns)
{
    int failed = stream->given_up ? 0 : cli_writer_put(&stream->writer, bytes, deadline_ns);

    if (failed == 0)
        return 0;
    if (failed == ETIMEDOUT || failed == ECANCELED) {
        stream->given_up = true;
        return 0;
    }
    stream->failed = failed;
    return 1;
}

static int put_visible(struct cli_stream *stream, adk_bytes bytes, uint64_t deadline_ns)
{
    char piece[4096];
    int stop = 0;

    while (bytes.size > 0 && stop == 0) {
        size_t size = cli_visible_fill(&stream->visible, &bytes, piece, sizeof(piece));

        stop = put(stream, adk_bytes_make(piece, size), deadline_ns);
    }
    return stop;
}

/* Counts, and cuts off what is beyond the limit. */
static adk_bytes within_limit(struct cli_stream *stream, adk_bytes bytes)
{
    uint64_t left = stream->limit_bytes - (stream->seen_bytes - stream->dropped_bytes);
    size_t kept = bytes.size < left ? bytes.size : (size_t)left;

    stream->seen_bytes += bytes.size;
    stream->dropped_bytes += bytes.size - kept;
    return adk_bytes_make(bytes.data, kept);
}

static int receive(struct cli_stream *stream, adk_bytes bytes, uint64_t deadline_ns)
{
    if (stream->failed != 0)
        return 1;
    bytes = within_limit(stream, bytes);
    if (bytes.size == 0)
        return 0;
    stream->line_open = ((const char *)bytes.data)[bytes.size - 1] != '\n';
    return stream->terminal ? put_visible(stream, bytes, deadline_ns) : put(stream, bytes, deadline_ns);
}

static int receive_stdout(void *data, adk_bytes bytes)
{
    struct cli_streams *streams = data;

    return receive(&streams->out, bytes, streams->deadline_ns);
}

static int receive_stderr(void *data, adk_bytes bytes)
{
    struct cli_streams *streams = data;

    return receive(&streams->err, bytes, streams->deadline_ns);
}

void cli_streams_open(struct cli_streams *streams, uint64_t limit_bytes, int wake_fd)
{
    streams->deadline_ns = CLI_NO_DEADLINE;
    open_stream(&streams->out, STDOUT_FILENO, limit_bytes, wake_fd);
    open_stream(&streams->err, STDERR_FILENO, limit_bytes, wake_fd);
}

void cli_streams_attach(struct cli_streams *streams, adk_request *request)
{
    uint64_t timeout_ns = 0;

    if (__builtin_add_overflow(request->timeout_ns, DEADLINE_SLACK_NS, &timeout_ns))
        timeout_ns = UINT64_MAX;
    streams->deadline_ns = cli_deadline_in(timeout_ns);
    request->on_stdout = receive_stdout;
    request->on_stderr = receive_stderr;
    request->stream_data = streams;
}

static void finish_stream(struct cli_stream *stream)
{
    char rest[CLI_VISIBLE_ROOM];
    size_t size = cli_visible_finish(&stream->visible, rest);

    /* A cancelled run has woken the writer for good; its last bytes may be shown all the same. */
    stream->writer.wake_fd = -1;
    if (stream->failed == 0 && size > 0)
        (void)put(stream, adk_bytes_make(rest, size), cli_deadline_in(FINISH_PATIENCE_NS));
}

void cli_streams_finish(struct cli_streams *streams, bool end_line)
{
    bool same_terminal = streams->out.terminal && streams->err.terminal;
    bool line_open = streams->err.line_open || (same_terminal && streams->out.line_open);

    finish_stream(&streams->out);
    finish_stream(&streams->err);
    if (end_line && line_open && streams->err.failed == 0)
        (void)put(&streams->err, adk_bytes_from_cstr("\n"), cli_deadline_in(FINISH_PATIENCE_NS));
}

void cli_streams_close(struct cli_streams *streams)
{
    cli_writer_close(&streams->out.writer);
    cli_writer_close(&streams->err.writer);
}
