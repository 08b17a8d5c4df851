/*
 * Reports on standard output, and errors told as the caller asked: a line for people, or a report.
 */
#include "cli/report.h"

#include <adk/bytes.h>
#include <adk/report.h>

#include "cli/command.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/writer.h"

int cli_put_report(const char *text)
{
    int status = cli_put_stdout(adk_bytes_from_cstr(text));

    return status != 0 ? status : cli_put_stdout(adk_bytes_from_cstr("\n"));
}

/* Writes the report of a call that failed; with no memory even for that, a constant. */
static int put_error_report(const adk_error *error)
{
    static const char out_of_memory[] =
        "{\"report\":1,\"status\":\"error\",\"outcome\":null,\"phase\":null,\"exit_code\":null,\"trap\":null,"
        "\"reason\":\"nomem\",\"message\":\"out of memory\",\"stdout\":\"\",\"stderr\":\"\","
        "\"bytes\":{\"stdout\":0,\"stderr\":0},\"truncated\":{\"stdout\":false,\"stderr\":false},\"duration_ms\":0,"
        "\"usage\":null,\"limits\":null,\"files\":[],\"files_complete\":true,\"backend\":null,\"language\":null,"
        "\"isolation\":null,\"hint\":null}";
    char *text = NULL;
    int status = 0;

    if (adk_report_error_json(error, &text, NULL) != ADK_OK)
        return cli_put_report(out_of_memory);
    status = cli_put_report(text);
    adk_free(text);
    return status;
}

int cli_tell_error(adk_error *error, bool json)
{
    int status = cli_exit_status_of_error(adk_error_code(error));
    struct cli_text shown;
    int failed = 0;

    if (json)
        failed = put_error_report(error);
    else
        cli_message("%s", cli_text(adk_bytes_from_cstr(error == NULL ? "out of memory" : adk_error_message_cstr(error)),
                                   &shown));
    adk_error_free(error);
    return failed != 0 ? failed : status;
}
