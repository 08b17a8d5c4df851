/*
 * Files of a run: --file and --out, from the command line to the request, and what came back from the result to the
 * host. The pieces are put together here so that the tests can give results that no guest would.
 */
#ifndef ADK_CLI_RUN_FILES_H
#define ADK_CLI_RUN_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include <adk/error.h>
#include <adk/request.h>
#include <adk/result.h>

#include "cli/notes.h"
#include "cli/options.h"

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

/** What a run brought back. */
struct cli_files {
    const adk_file_out *items; /* in the order of the outputs */
    size_t count;
    bool complete;
};

/**
 * Writes to the host what came back for the outputs (texts of the form GUEST=HOST). What could not be brought back is
 * noted. What could not be written is an error, after the rest has been: ADK_E_SYSTEM, with the first failure.
 */
int cli_files_save(const struct cli_list *outs, const struct cli_files *files, struct cli_notes *notes,
                   adk_error **ret_error);

#endif
