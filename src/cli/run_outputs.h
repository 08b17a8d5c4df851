/*
 * What came back from a run, on its way to the host.
 */
#ifndef ADK_CLI_RUN_OUTPUTS_H
#define ADK_CLI_RUN_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include <adk/error.h>
#include <adk/result.h>

#include "cli/notes.h"
#include "cli/options.h"

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
