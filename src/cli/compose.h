/*
 * Texts for standard output that are composed first and written at once: help, lists, what doctor found. None is written
 * in part because there was no memory for the rest.
 */
#ifndef ADK_CLI_COMPOSE_H
#define ADK_CLI_COMPOSE_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "cli/options.h"

/** Writes a text made of `data`; false where there is no memory for it. What printf and its kin fail at need not be looked at. */
typedef bool cli_compose_fn(FILE *out, const void *data);

/** Composes a text and writes it to standard output. Returns the exit status that follows; 125 after a message where it could not. */
int cli_put_composed(cli_compose_fn *compose, const void *data);

/** The same for a JSON value, on a line of its own; NULL stands for "out of memory". The value stays the caller's. */
int cli_put_json(const json_t *value);

/** What --help of a command shows: a text, the options, a text. Each ends with its newline. */
struct cli_help {
    const struct cli_option_table *table;
    const char *before;
    const char *behind;
};

/** Writes it to standard output, and returns the exit status. */
int cli_put_help(const struct cli_help *help);

#endif
