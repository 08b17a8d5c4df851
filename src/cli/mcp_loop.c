/*
 * Theory of operation: one thread polls standard input, standard output, the executor's descriptor and that of the
 * signals. Nothing here waits for anything else: a client that does not read is no longer read from either, once a
 * mebibyte of answers waits for it; finished jobs stay in the executor meanwhile.
 *
 * When input has ended the calls under way have LAST_CALLS_NS to end by themselves, so that requests piped in get their
 * answers; then all are cancelled, and LAST_WORDS_NS later the process leaves, whether its last words were read or not.
 */
#include "cli/mcp_loop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/writer.h"

#define CHUNK_BYTES   ((size_t)64 << 10)
#define LAST_CALLS_NS (ADK__NS_PER_S / 10)
#define LAST_WORDS_NS ADK__NS_PER_S

/* Bytes of standard input that are no whole line yet. */
struct lines {
    adk__buf buf;
    size_t searched; /* no line ends before this */
    bool skipping;   /* the line is too long: what is left of it is dropped */
};

struct loop {
    const struct cli_mcp *mcp;
    struct cli_writer out;
    struct lines lines;
    bool ended;     /* no more input */
    bool cancelled; /* all calls have been */
    uint64_t last_ns;
    int status;
    bool done;
};

enum { POLL_IN, POLL_OUT, POLL_JOBS, POLL_SIGNAL, POLL_COUNT };

static void stop(struct loop *loop, int status)
{
    loop->status = status;
    loop->done = true;
}

/* ---- input -------------------------------------------------------------------------------------------------------- */

/* Brings whole lines while the session takes them; a long line's memory is given back with it. */
static void feed(struct loop *loop)
{
    struct lines *lines = &loop->lines;
    size_t at = 0;

    while (mcp_session_is_open(loop->mcp->session)) {
        const char *data = (const char *)lines->buf.data;
        const char *end = lines->searched >= lines->buf.size
                              ? NULL
                              : memchr(data + lines->searched, '\n', lines->buf.size - lines->searched);

        if (end == NULL) {
            lines->searched = lines->buf.size;
            break;
        }
        if (!lines->skipping)
            mcp_session_line(loop->mcp->session, adk_bytes_make(data + at, (size_t)(end - data) - at));
        lines->skipping = false;
        at = (size_t)(end - data) + 1;
        lines->searched = at;
    }
    if (at > 0) {
        memmove(lines->buf.data, lines->buf.data + at, lines->buf.size - at);
        lines->buf.size -= at;
        lines->searched -= at;
    }
    if (lines->searched == lines->buf.size && (lines->skipping || lines->buf.size > loop->mcp->line_most)) {
        if (!lines->skipping)
            mcp_session_too_long(loop->mcp->session);
        lines->skipping = true;
        lines->buf.size = 0;
        lines->searched = 0;
    }
    if (lines->buf.size == 0 && lines->buf.capacity > CHUNK_BYTES) {
        adk__buf_free(&lines->buf);
        lines->buf = (adk__buf)ADK__BUF_INIT(SIZE_MAX / 2);
    }
}

/* Whether there is a line that the session has not been brought yet. */
static bool has_line(const struct loop *loop)
{
    const struct lines *lines = &loop->lines;

    return lines->searched < lines->buf.size;
}

static void end_input(struct loop *loop)
{
    loop->ended = true;
    loop->last_ns = adk__now_ns() + LAST_CALLS_NS;
}

/* Standard input may be shared with others and is left as it is: after poll() a read does not wait. */
static void read_input(struct loop *loop)
{
    adk__buf *buf = &loop->lines.buf;
    ssize_t got;

    if (adk__buf_reserve(buf, buf->size + CHUNK_BYTES) != 0) {
        cli_message("out of memory");
        stop(loop, CLI_EXIT_FAILED);
        return;
    }
    got = read(STDIN_FILENO, buf->data + buf->size, CHUNK_BYTES);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got < 0) { /* a terminal or a socket whose other end is gone: the end of input */
        if (errno != EIO && errno != ECONNRESET) {
            cli_message("cannot read standard input: %s", strerror(errno));
            stop(loop, CLI_EXIT_FAILED);
            return;
        }
        got = 0;
    }
    if (got == 0) {
        if (buf->size > 0 && adk__buf_append(buf, "\n", 1) == 0) /* the last line may lack its end */
            loop->lines.searched = loop->lines.searched < buf->size ? loop->lines.searched : buf->size - 1;
        end_input(loop);
    } else {
        buf->size += (size_t)got;
    }
    feed(loop);
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

static void write_output(struct loop *loop)
{
    adk_bytes output = mcp_session_output(loop->mcp->session);
    ssize_t written = output.size == 0 ? -EAGAIN : cli_writer_try(&loop->out, output);

    if (written > 0)
        mcp_session_wrote(loop->mcp->session, (size_t)written);
    else if (written == -EPIPE || written == -ECONNRESET)
        stop(loop, loop->ended ? CLI_EXIT_OK : CLI_EXIT_READER_GONE);
    else if (written != -EAGAIN && written != 0) {
        cli_message("cannot write standard output: %s", strerror((int)-written));
        stop(loop, CLI_EXIT_FAILED);
    }
}

/* ---- the loop ----------------------------------------------------------------------------------------------------- */

static bool is_idle(const struct loop *loop)
{
    const mcp_session *session = loop->mcp->session;

    return !has_line(loop) && mcp_session_calls(session) == 0 && mcp_session_output(session).size == 0;
}

/* After the end of input: first patience, then none. */
static void wind_up(struct loop *loop, uint64_t now_ns)
{
    if (!loop->ended)
        return;
    if (is_idle(loop)) {
        stop(loop, CLI_EXIT_OK);
    } else if (now_ns >= loop->last_ns) {
        if (loop->cancelled) {
            stop(loop, CLI_EXIT_OK);
            return;
        }
        adk_cancel_fire(loop->mcp->cancel);
        loop->cancelled = true;
        loop->last_ns = now_ns + LAST_WORDS_NS;
    }
}

static void choose(const struct loop *loop, struct pollfd fds[POLL_COUNT])
{
    bool open = mcp_session_is_open(loop->mcp->session);
    bool has_output = mcp_session_output(loop->mcp->session).size > 0;

    fds[POLL_IN] = (struct pollfd){.fd = open && !loop->ended ? STDIN_FILENO : -1, .events = POLLIN};
    fds[POLL_OUT] = (struct pollfd){.fd = has_output ? loop->out.fd : -1, .events = POLLOUT};
    fds[POLL_JOBS] = (struct pollfd){.fd = open ? adk_executor_fd(loop->mcp->executor) : -1, .events = POLLIN};
    fds[POLL_SIGNAL] = (struct pollfd){.fd = loop->ended ? -1 : loop->mcp->signals->wake_fd, .events = POLLIN};
}

static void turn(struct loop *loop)
{
    struct pollfd fds[POLL_COUNT];
    uint64_t now_ns = adk__now_ns();
    uint64_t until_ns = mcp_session_tick(loop->mcp->session, now_ns);
    struct timespec timeout;

    choose(loop, fds);
    if (loop->ended && loop->last_ns < until_ns)
        until_ns = loop->last_ns;
    timeout = adk__timespec_from_ns(until_ns > now_ns ? until_ns - now_ns : 0);
    if (ppoll(fds, POLL_COUNT, until_ns == UINT64_MAX ? NULL : &timeout, NULL) < 0) {
        if (errno != EINTR) {
            cli_message("cannot wait for input: %s", strerror(errno));
            stop(loop, CLI_EXIT_FAILED);
        }
        return;
    }
    if (fds[POLL_SIGNAL].revents != 0) {
        loop->cancelled = true; /* by whoever heard the signal */
        end_input(loop);
        loop->last_ns = adk__now_ns() + LAST_WORDS_NS;
    }
    if (fds[POLL_OUT].revents != 0)
        write_output(loop);
    if (fds[POLL_JOBS].revents != 0)
        mcp_session_collect(loop->mcp->session);
    if (fds[POLL_IN].revents != 0 && !loop->ended)
        read_input(loop);
    if (has_line(loop))
        feed(loop);
    if (!loop->done && mcp_session_failed(loop->mcp->session)) {
        cli_message("out of memory");
        stop(loop, CLI_EXIT_FAILED);
    }
    if (!loop->done)
        wind_up(loop, adk__now_ns());
}

int cli_mcp_serve(const struct cli_mcp *mcp)
{
    struct loop loop = {.mcp = mcp, .lines.buf = ADK__BUF_INIT(SIZE_MAX / 2)};

    cli_writer_open(&loop.out, STDOUT_FILENO, -1);
    while (!loop.done)
        turn(&loop);
    adk__buf_free(&loop.lines.buf);
    cli_writer_close(&loop.out);
    return loop.status;
}
