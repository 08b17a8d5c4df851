/*
 * The subcommands: one file each, listed in main.c, and the exit statuses they share.
 */
#ifndef ADK_CLI_COMMAND_H
#define ADK_CLI_COMMAND_H

#include "cli/options.h"

/** Exit statuses of the command itself; adk_result_exit_status() has those of a run. */
enum {
    CLI_EXIT_OK = 0,
    CLI_EXIT_MISSING = 1,       /* doctor: something that is needed is not there */
    CLI_EXIT_USAGE = 2,         /* the user can mend it */
    CLI_EXIT_FAILED = 125,      /* the sandbox itself failed */
    CLI_EXIT_READER_GONE = 141, /* as a shell reports SIGPIPE */
    CLI_EXIT_SIGNAL = 128       /* plus the signal's number */
};

/**
 * A subcommand. Its arguments begin behind its name; it returns the exit status.
 *
 * Its help, the completion of shells and the manual are made of this and of its options.
 */
struct cli_command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
    const struct cli_option_table *table; /* its options; NULL: none */
    const char *operands;                 /* "FILE": files; "a|b": one of these words; NULL: none */
};

int cli_cmd_run(int argc, char **argv);
int cli_cmd_compile(int argc, char **argv);
int cli_cmd_mcp(int argc, char **argv);
int cli_cmd_runtime(int argc, char **argv);
int cli_cmd_doctor(int argc, char **argv);
int cli_cmd_capabilities(int argc, char **argv);

extern const struct cli_option_table cli_run_table;
extern const struct cli_option_table cli_compile_table;
extern const struct cli_option_table cli_mcp_table;
extern const struct cli_option_table cli_runtime_table;
extern const struct cli_option_table cli_doctor_table;
extern const struct cli_option_table cli_capabilities_table;
extern const struct cli_option_table cli_completion_table;

/** `completion`, which writes down all the others. */
int cli_cmd_completion(const struct cli_command *commands, size_t count, int argc, char **argv);

#endif
