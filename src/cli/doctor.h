/*
 * What `doctor` finds out, apart from how it is told.
 */
#ifndef ADK_CLI_DOCTOR_H
#define ADK_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include <adk/backend.h>

enum cli_check_status {
    CLI_CHECK_OK,
    CLI_CHECK_REDUCED, /* works, at a price */
    CLI_CHECK_MISSING
};

/** One thing looked at. `detail` is owned: what was seen, or the reason and the remedy in one sentence. */
struct cli_check {
    const char *name;
    enum cli_check_status status;
    char *detail;
};

/** All that was looked at. Freed with cli_checks_free(). */
struct cli_checks {
    struct cli_check *items;
    size_t count;
    bool incomplete; /* memory ran out */
};

/** Adds a check. `name` is borrowed for good. */
void cli_checks_add(struct cli_checks *checks, const char *name, enum cli_check_status status, const char *format, ...)
    ADK_PRINTF(4, 5);

/** The same for something that is missing; takes the error (NULL: out of memory). */
void cli_checks_add_error(struct cli_checks *checks, const char *name, adk_error *error, const char *remedy);

/** Processes of their own, and the runtimes that are installed; a part of cli_checks_run(). */
void cli_checks_run_runtimes(struct cli_checks *checks);

/** Looks at everything; ADK_E_NOMEM. */
int cli_checks_run(struct cli_checks *checks, adk_error **ret_error);

/** Whether nothing is missing. */
bool cli_checks_all_there(const struct cli_checks *checks);

void cli_checks_free(struct cli_checks *checks);

#endif
