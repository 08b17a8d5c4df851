/*
 * Messages. A message is composed first and written at once, so that it stays whole among the lines of others.
 */
#include "cli/message.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/writer.h"

/* How long a message waits for a reader of standard error that has stopped reading. */
#define MESSAGE_PATIENCE_NS UINT64_C(100000000)

/* It has stopped: no further message waits for it. */
static bool reader_stalled;

bool cli_has_controls(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) == 1 && term != NULL && strcmp(term, "dumb") != 0;
}

bool cli_has_colour(void)
{
    const char *no_color = getenv("NO_COLOR");

    return (no_color == NULL || *no_color == '\0') && cli_has_controls();
}

static void put_line(const char *prefix, const char *text)
{
    ADK_AUTO_FREE char *line = NULL;
    struct cli_writer writer;
    int size = asprintf(&line, "%s%s\n", prefix, text);

    if (size < 0) {
        line = NULL;
        return;
    }
    cli_writer_open(&writer, STDERR_FILENO, -1);
    if (cli_writer_put(&writer, adk_bytes_make(line, (size_t)size),
                       cli_deadline_in(reader_stalled ? 0 : MESSAGE_PATIENCE_NS)) == ETIMEDOUT)
        reader_stalled = true;
    cli_writer_close(&writer);
}

static void put_formatted(const char *prefix, const char *format, va_list args) ADK_PRINTF(2, 0);

static void put_formatted(const char *prefix, const char *format, va_list args)
{
    ADK_AUTO_FREE char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    put_line(prefix, text == NULL ? "out of memory" : text);
}

void cli_message(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_formatted(cli_has_colour() ? "\033[1madk-sandbox:\033[0m " : "adk-sandbox: ", format, args);
    va_end(args);
}

void cli_message_more(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_formatted("", format, args);
    va_end(args);
}

int cli_fail(adk_error **ret_error, int code, int system_errno, const char *format, ...)
{
    ADK_AUTO_FREE char *text = NULL;
    va_list args;
    int size = 0;

    if (ret_error == NULL)
        return code;
    va_start(args, format);
    size = vasprintf(&text, format, args);
    va_end(args);
    if (size < 0) {
        text = NULL;
        *ret_error = NULL; /* stands for "out of memory" */
        return ADK_E_NOMEM;
    }
    *ret_error = adk_error_new(code, system_errno, text);
    return code;
}

int cli_fail_about(const char *what, int code, adk_error *error, adk_error **ret_error)
{
    int failed = cli_fail(ret_error, code, error == NULL ? 0 : adk_error_system(error), "%s: %s", what,
                          error == NULL ? "out of memory" : adk_error_message_cstr(error));

    adk_error_free(error);
    return failed;
}

int cli_code_of_path_error(int system_errno)
{
    if (system_errno == ENOMEM)
        return ADK_E_NOMEM;
    return system_errno == EMFILE || system_errno == ENFILE ? ADK_E_SYSTEM : ADK_E_INVALID;
}

int cli_exit_status_of_error(int code)
{
    return code == ADK_E_INVALID ? CLI_EXIT_USAGE : CLI_EXIT_FAILED;
}
