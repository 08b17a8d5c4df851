/*
 * Fetching packages with the system's own clients of public registries, without running anything of them.
 */
#ifndef ADK_CLI_FETCH_H
#define ADK_CLI_FETCH_H

#include <adk/error.h>
#include <adk/runtime.h>

/** A package's archive in a directory of its own; zero to begin with. */
struct cli_fetched {
    char *directory;
    char *archive;
};

/**
 * Downloads a runtime's package. What came is not looked at: that is adk_runtime_install()'s. ADK_E_UNAVAILABLE with the
 * client's own words, or where there is no client; a signal ends the process, after what was fetched is deleted.
 */
int cli_fetch(const adk_runtime_info *info, struct cli_fetched *ret_fetched, adk_error **ret_error);

/** Deletes it. */
void cli_fetched_free(struct cli_fetched *fetched);

#endif
