/*
 * --trace: the run's span as one line of JSON. It says what ran, how it ended and how long it took, and never holds code,
 * input, environment or output.
 *
 * The environment's TRACEPARENT (W3C Trace Context) makes the span a child of the caller's; without one that is valid the
 * span begins a trace of its own.
 */
#ifndef ADK_CLI_RUN_TRACE_H
#define ADK_CLI_RUN_TRACE_H

#include <stdbool.h>

#include <adk/error.h>
#include <adk/request.h>
#include <adk/trace.h>

#define CLI_TRACE_ID_SIZE 33 /* 16 bytes as hexadecimal digits, and a NUL */
#define CLI_SPAN_ID_SIZE  17

/** Where a span stands among others. `parent_id` is empty for the first of a trace. */
struct cli_trace_context {
    char trace_id[CLI_TRACE_ID_SIZE];
    char parent_id[CLI_SPAN_ID_SIZE];
    char span_id[CLI_SPAN_ID_SIZE];
    char flags[3];
};

struct cli_trace {
    int fd;     /* -1: no trace is wanted */
    int own_fd; /* the same where it was opened here, else -1 */
    struct cli_trace_context context;
    char *line; /* the span, when the run has ended; NULL: there was none */
    bool failed;
};

/** Nothing opened yet; cli_trace_close() is fine then. */
#define CLI_TRACE_INIT         \
    {                          \
        .fd = -1, .own_fd = -1 \
    }

/** Whether `text` is a traceparent that can be continued; then the trace's and parent's id and the flags are set. */
bool cli_traceparent_read(const char *text, struct cli_trace_context *ret_context);

/** Opens the file at `path`, to which lines are appended; "-" is standard error. */
int cli_trace_open(struct cli_trace *trace, const char *path, adk_error **ret_error);

/** Asks for the run's span. `trace` stays where it is until the run has ended. */
void cli_trace_attach(struct cli_trace *trace, adk_request *request);

/** Writes the line. ADK_E_SYSTEM where it could not be. */
int cli_trace_write(struct cli_trace *trace, adk_error **ret_error);

void cli_trace_close(struct cli_trace *trace);

#endif
