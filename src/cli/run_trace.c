/*
 * Spans of runs. The line is composed when the run has ended, on its thread, and written when its time is over.
 */
#include "cli/run_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/writer.h"

#define TRACE_VERSION 1

/* How long a line waits for a reader that does not read. */
#define TRACE_PATIENCE_NS UINT64_C(1000000000)

/* ---- the context -------------------------------------------------------------------------------------------------- */

/* Takes `count` lower-case hexadecimal digits and what must follow them. */
static bool take_digits(const char **text, size_t count, const char *behind, char *ret_digits)
{
    if (strspn(*text, "0123456789abcdef") != count || strchr(behind, (*text)[count]) == NULL)
        return false;
    memcpy(ret_digits, *text, count);
    ret_digits[count] = '\0';
    *text += count + ((*text)[count] == '\0' ? 0 : 1);
    return true;
}

static bool all_zero(const char *digits)
{
    return digits[strspn(digits, "0")] == '\0';
}

bool cli_traceparent_read(const char *text, struct cli_trace_context *ret_context)
{
    struct cli_trace_context context = *ret_context;
    char version[3];

    /* version "-" trace-id "-" parent-id "-" flags; a later version may have more behind a "-". */
    if (!take_digits(&text, 2, "-", version) || !take_digits(&text, 32, "-", context.trace_id) ||
        !take_digits(&text, 16, "-", context.parent_id) || *text == '\0' || strcmp(version, "ff") == 0)
        return false;
    if (!take_digits(&text, 2, strcmp(version, "00") == 0 ? "" : "-", context.flags))
        return false;
    if (all_zero(context.trace_id) || all_zero(context.parent_id))
        return false;
    *ret_context = context;
    return true;
}

/* An identifier that nobody else has: `size` digits and a NUL. */
static bool make_id(char *ret_id, size_t size)
{
    unsigned char bytes[16];

    do {
        if (getrandom(bytes, size / 2, 0) != (ssize_t)(size / 2))
            return false;
        for (size_t i = 0; i < size / 2; i++)
            (void)snprintf(ret_id + 2 * i, 3, "%02x", bytes[i]);
    } while (all_zero(ret_id));
    return true;
}

static bool make_context(struct cli_trace_context *context)
{
    const char *given = secure_getenv("TRACEPARENT");

    *context = (struct cli_trace_context){.flags = "01"};
    if ((given == NULL || !cli_traceparent_read(given, context)) &&
        !make_id(context->trace_id, sizeof(context->trace_id) - 1))
        return false;
    return make_id(context->span_id, sizeof(context->span_id) - 1);
}

/* ---- the span ----------------------------------------------------------------------------------------------------- */

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *span_to_json(const struct cli_trace_context *context, const adk_span *span)
{
    bool ended = span->error == ADK_OK;
    bool has_code = ended && (span->outcome == ADK_OUTCOME_EXITED || span->outcome == ADK_OUTCOME_SIGNALED);

    return json_pack("{si ss ss ss ss? ss ss ss ss? ss? so ss? so so so so so}", "trace", TRACE_VERSION, "name",
                     "adk-sandbox run", "trace_id", context->trace_id, "span_id", context->span_id, "parent_span_id",
                     context->parent_id[0] == '\0' ? NULL : context->parent_id, "trace_flags", context->flags,
                     "backend", span->backend_cstr, "language", span->language_cstr, "outcome",
                     ended ? adk_outcome_cstr(span->outcome) : NULL, "phase",
                     ended ? adk_phase_cstr(span->phase) : NULL, "exit_code",
                     has_code ? json_integer(span->exit_code) : json_null(), "error",
                     ended ? NULL : adk_error_name_cstr(span->error), "start_ns", number(span->start_ns), "duration_ns",
                     number(span->duration_ns), "compile_ns", number(span->compile_ns), "instantiate_ns",
                     number(span->instantiate_ns), "run_ns", number(span->run_ns));
}

static void take_span(void *data, const adk_span *span)
{
    struct cli_trace *trace = data;
    json_t *object = span_to_json(&trace->context, span);

    free(trace->line);
    trace->line = object == NULL ? NULL : json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    trace->failed = trace->line == NULL;
    json_decref(object);
}

/* ---- where it goes ------------------------------------------------------------------------------------------------ */

int cli_trace_open(struct cli_trace *trace, const char *path, adk_error **ret_error)
{
    struct cli_name name;

    if (strcmp(path, "-") == 0) {
        trace->fd = STDERR_FILENO;
    } else {
        /* Not to wait for somebody to open a FIFO's other end. */
        trace->own_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
        if (trace->own_fd < 0)
            return cli_fail(ret_error, cli_code_of_path_error(errno), errno, "run: --trace: cannot open \"%s\": %s",
                            cli_name_cstr(path, &name), errno == ENXIO ? "nobody reads from it" : strerror(errno));
        trace->fd = trace->own_fd;
    }
    if (!make_context(&trace->context))
        return cli_fail(ret_error, ADK_E_SYSTEM, errno, "run: --trace: no random numbers: %s", strerror(errno));
    return ADK_OK;
}

void cli_trace_attach(struct cli_trace *trace, adk_request *request)
{
    if (trace->fd < 0)
        return;
    request->on_trace = take_span;
    request->trace_data = trace;
}

int cli_trace_write(struct cli_trace *trace, adk_error **ret_error)
{
    ADK_AUTO_FREE char *line = NULL;
    struct cli_writer writer;
    int size = 0;
    int failed = 0;

    if (trace->failed)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    if (trace->line == NULL)
        return ADK_OK;                           /* the run did not come so far as to have a span */
    size = asprintf(&line, "%s\n", trace->line); /* in one write: others may append to the same file */
    if (size < 0) {
        line = NULL;
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    }
    cli_writer_open(&writer, trace->fd, -1);
    failed = cli_writer_put(&writer, adk_bytes_make(line, (size_t)size), cli_deadline_in(TRACE_PATIENCE_NS));
    cli_writer_close(&writer);
    if (failed != 0)
        return cli_fail(ret_error, ADK_E_SYSTEM, failed, "run: --trace: cannot write it: %s", strerror(failed));
    return ADK_OK;
}

void cli_trace_close(struct cli_trace *trace)
{
    free(trace->line);
    trace->line = NULL;
    adk__auto_close(&trace->own_fd);
    trace->own_fd = -1;
    trace->fd = -1;
}
