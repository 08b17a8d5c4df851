/*
 * What the command says on standard error, and the errors it makes itself.
 */
#ifndef ADK_CLI_MESSAGE_H
#define ADK_CLI_MESSAGE_H

#include <stdbool.h>

#include <adk/defs.h>
#include <adk/error.h>

/**
 * Writes "adk-sandbox: …" and a newline to standard error, in one write. Names that come from outside go through
 * cli_name() first. A reader that does not read is given up after a moment: the exit status says enough. Main thread only.
 */
void cli_message(const char *format, ...) ADK_PRINTF(1, 2);

/** The same without the prefix: a line that belongs to the message before it. */
void cli_message_more(const char *format, ...) ADK_PRINTF(1, 2);

/** Whether standard error is a terminal that understands control sequences. */
bool cli_has_controls(void);

/** Whether messages have colours: on a terminal that has them, unless NO_COLOR says otherwise. */
bool cli_has_colour(void);

/** Makes an error and returns its code. */
int cli_fail(adk_error **ret_error, int code, int system_errno, const char *format, ...) ADK_PRINTF(4, 5);

/**
 * Hands an error on with what it is about before it, "run: --stdin", and returns `code`. Takes `error`; NULL stands for
 * "out of memory".
 */
int cli_fail_about(const char *what, int code, adk_error *error, adk_error **ret_error);

/** ADK_E_INVALID for what is wrong with a path that the user gave; what the machine lacks is not the user's to mend. */
int cli_code_of_path_error(int system_errno);

/** The exit status for an ADK_E_*: 2 where the user can mend it, 125 elsewhere. */
int cli_exit_status_of_error(int code);

#endif
