/*
 * --file and --out: the texts taken apart, and the host looked at before a run.
 */
#ifndef ADK_CLI_RUN_FILES_H
#define ADK_CLI_RUN_FILES_H

#include <stdbool.h>

#include <adk/bytes.h>
#include <adk/error.h>

/** GUEST=HOST, split at the first "=". Borrowed from the text. */
struct cli_pair {
    adk_bytes guest; /* without slashes at either end: nothing is the root */
    const char *host;
};

struct cli_pair cli_pair_of(const char *text);

/** What is wrong with a text given to --file, --out; NULL where nothing is. The host is not looked at. */
const char *cli_run_check_file(const char *text);
const char *cli_run_check_out(const char *text);

/** A pattern, or the root: comes back as a directory, whatever the guest does. */
bool cli_pair_is_tree(const struct cli_pair *pair);

/**
 * Whether an output can probably be written, so that a long run is not for nothing. ADK_E_INVALID says what is wrong with
 * HOST.
 */
int cli_out_check(const struct cli_pair *out, adk_error **ret_error);

#endif
