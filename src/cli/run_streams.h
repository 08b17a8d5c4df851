/*
 * A run's live output: what the guest writes goes on to our own streams as it comes.
 */
#ifndef ADK_CLI_RUN_STREAMS_H
#define ADK_CLI_RUN_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include <adk/request.h>

#include "cli/escape.h"
#include "cli/writer.h"

struct cli_stream {
    struct cli_writer writer;
    struct cli_visible visible; /* on a terminal: what cannot be shown yet */
    bool terminal;
    uint64_t limit_bytes; /* what is beyond it is counted, not printed; UINT64_MAX: no limit */
    uint64_t seen_bytes;
    uint64_t dropped_bytes;
    bool given_up;  /* time was up with something unwritten: nothing more, or the stream would have a hole */
    bool line_open; /* something was printed, and not to the end of a line */
    int failed;     /* errno value of the write that failed; EPIPE: the reader has gone away */
};

struct cli_streams {
    struct cli_stream out;
    struct cli_stream err;
    uint64_t deadline_ns;
};

/** Opens both streams; `limit_bytes` 0 is no limit. Closed with cli_streams_close(). */
void cli_streams_open(struct cli_streams *streams, uint64_t limit_bytes, int wake_fd);

/** Makes the request's output go through them. The request's deadline must be set: it is taken from now on. */
void cli_streams_attach(struct cli_streams *streams, adk_request *request);

/** Writes what a terminal has not been shown yet, and ends an open line on standard error if `end_line`. */
void cli_streams_finish(struct cli_streams *streams, bool end_line);

void cli_streams_close(struct cli_streams *streams);

#endif
