/*
 * The subcommands: one file each, listed in main.c, and the exit statuses they share.
 */
#ifndef ADK_CLI_COMMAND_H
#define ADK_CLI_COMMAND_H

/** Exit statuses of the command itself; adk_result_exit_status() has those of a run. */
enum {
    CLI_EXIT_OK = 0,
    CLI_EXIT_MISSING = 1,       /* doctor: something that is needed is not there */
    CLI_EXIT_USAGE = 2,         /* the user can mend it */
    CLI_EXIT_FAILED = 125,      /* the sandbox itself failed */
    CLI_EXIT_READER_GONE = 141, /* as a shell reports SIGPIPE */
    CLI_EXIT_SIGNAL = 128       /* plus the signal's number */
};

/** A subcommand. Its arguments begin behind its name; it returns the exit status. */
struct cli_command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
};

int cli_cmd_run(int argc, char **argv);
int cli_cmd_compile(int argc, char **argv);
int cli_cmd_doctor(int argc, char **argv);

#endif
