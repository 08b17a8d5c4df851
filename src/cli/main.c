/*
 * The command `adk-sandbox`: runs untrusted programs within limits. This file finds the subcommand; each of them is a
 * file of its own and uses nothing but the public headers.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include <adk/version.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/writer.h"

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);
static int cmd_completion(int argc, char **argv);

static const struct cli_command commands[] = {
    {"run", "run a program within limits", cli_cmd_run, &cli_run_table, "FILE"},
    {"compile", "compile modules ahead of time", cli_cmd_compile, &cli_compile_table, "FILE"},
    {"runtime", "install, list and remove languages", cli_cmd_runtime, &cli_runtime_table, "install|list|info|remove"},
    {"mcp", "serve agents over the Model Context Protocol", cli_cmd_mcp, &cli_mcp_table, NULL},
    {"doctor", "say what this machine can enforce", cli_cmd_doctor, &cli_doctor_table, NULL},
    {"capabilities", "say what each backend enforces and runs", cli_cmd_capabilities, &cli_capabilities_table, NULL},
    {"completion", "write what a shell completes this command by", cmd_completion, &cli_completion_table,
     "bash|zsh|fish|json"},
    {"help", "show this, or a command's own help", cmd_help, NULL, "COMMAND"},
    {"version", "show the version and that of the engine", cmd_version, NULL, NULL},
};

static const struct cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < ADK_COUNT(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int refuse_command(const char *name)
{
    const char *names[ADK_COUNT(commands)];
    const char *nearest = NULL;
    struct cli_name shown;

    for (size_t i = 0; i < ADK_COUNT(commands); i++)
        names[i] = commands[i].name;
    (void)cli_name_cstr(name, &shown);
    if (name[0] == '-')
        cli_message("unknown option \"%s\"; see adk-sandbox --help", shown.text);
    else if ((nearest = cli_nearest_name(name, names, ADK_COUNT(names))) != NULL)
        cli_message("unknown command \"%s\"; did you mean \"%s\"?", shown.text, nearest);
    else
        cli_message("unknown command \"%s\"; see adk-sandbox --help", shown.text);
    return CLI_EXIT_USAGE;
}

static int print_help(void)
{
    ADK_AUTO_FREE char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return CLI_EXIT_FAILED;
    (void)fputs("Usage: adk-sandbox COMMAND [OPTION]...\n"
                "Runs code that nobody has reviewed, and reports truthfully what happened.\n\nCommands:\n",
                out);
    for (size_t i = 0; i < ADK_COUNT(commands); i++)
        (void)fprintf(out, "  %-12s %s\n", commands[i].name, commands[i].summary);
    (void)fputs("\nExamples:\n"
                "  adk-sandbox run hello.wasm one two\n"
                "  adk-sandbox run --json -t 2s -m 32MiB hello.wat\n"
                "  adk-sandbox runtime install python && adk-sandbox run script.py\n"
                "  adk-sandbox doctor\n"
                "\nEach command has its own --help. adk-sandbox(1) is the manual.\n",
                out);
    if (fclose(out) != 0)
        return CLI_EXIT_FAILED;
    return cli_put_stdout(adk_bytes_make(text, size));
}

static int cmd_help(int argc, char **argv)
{
    static char help[] = "--help";
    char *arguments[] = {help, NULL};
    const struct cli_command *command = argc == 0 ? NULL : find_command(argv[0]);

    if (argc == 0 || (command != NULL && (command->run == cmd_help || command->run == cmd_version)))
        return print_help();
    if (command == NULL)
        return refuse_command(argv[0]);
    return command->run(1, arguments);
}

static int cmd_version(int argc, char **argv)
{
    ADK_AUTO_FREE char *text = NULL;
    int size = 0;

    (void)argv;
    if (argc > 0) {
        cli_message("version: takes no arguments");
        return CLI_EXIT_USAGE;
    }
    size = asprintf(&text, "adk-sandbox %s (%s)\n", adk_version_cstr(), adk_engine_version_cstr());
    if (size < 0) {
        text = NULL;
        return CLI_EXIT_FAILED;
    }
    return cli_put_stdout(adk_bytes_make(text, (size_t)size));
}

static int cmd_completion(int argc, char **argv)
{
    return cli_cmd_completion(commands, ADK_COUNT(commands), argc, argv);
}

/*
 * A standard descriptor that was closed gets /dev/null, so that no file of ours lands there; opened the wrong way
 * round, so that using it fails as it would have.
 */
static void occupy_standard_descriptors(void)
{
    static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", flags[fd]) != fd)
            _exit(CLI_EXIT_FAILED); /* there is nowhere to say why */
    }
}

/* Some file systems tell of a full disk only now. */
static int close_standard_output(int status)
{
    if (close(STDOUT_FILENO) == 0)
        return status;
    cli_message("cannot write standard output: %s", strerror(errno));
    return CLI_EXIT_FAILED;
}

static int dispatch(int argc, char **argv)
{
    const struct cli_command *command = NULL;

    if (argc < 2) {
        cli_message("COMMAND is missing; see adk-sandbox --help");
        return CLI_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help();
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return cmd_version(0, NULL);
    command = find_command(argv[1]);
    if (command == NULL)
        return refuse_command(argv[1]);
    return command->run(argc - 2, argv + 2);
}

int main(int argc, char **argv)
{
    occupy_standard_descriptors();
    (void)signal(SIGPIPE, SIG_IGN); /* writes fail with EPIPE instead, which is reported as exit status 141 */
    (void)signal(SIGXFSZ, SIG_IGN); /* and with EFBIG, 125, where files may not become that large */
    return close_standard_output(dispatch(argc, argv));
}
