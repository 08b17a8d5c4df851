/*
 * Reports on standard output, for the subcommands that have --json.
 */
#ifndef ADK_CLI_REPORT_H
#define ADK_CLI_REPORT_H

#include <stdbool.h>

#include <adk/error.h>

/** Writes a report and its newline to standard output. Returns 0, or the exit status of the failure. */
int cli_put_report(const char *text);

/** Tells a failed call, on standard error or, with `json`, as a report. Takes `error`; returns the exit status. */
int cli_tell_error(adk_error *error, bool json);

#endif
