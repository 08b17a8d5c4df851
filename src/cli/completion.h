/*
 * What shells complete the command by, written from the tables of commands and options.
 */
#ifndef ADK_CLI_COMPLETION_H
#define ADK_CLI_COMPLETION_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/command.h"

/** Each writes a whole file for its shell; false without memory. */
bool cli_complete_bash(const struct cli_command *commands, size_t count, FILE *out);
bool cli_complete_zsh(const struct cli_command *commands, size_t count, FILE *out);
bool cli_complete_fish(const struct cli_command *commands, size_t count, FILE *out);

/** The tables themselves as one JSON object on one line, of which the manual is made. */
bool cli_complete_json(const struct cli_command *commands, size_t count, FILE *out);

#endif
