/*
 * The command `adk-sandbox`: runs untrusted programs within limits. This file finds the subcommand; each of them is a
 * file of its own and uses nothing but the public headers.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <adk/version.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/compose.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/options.h"

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

/* `adk-sandbox hello.wasm`, `adk-sandbox -t 2s run …`: what was meant is known. */
static const char *way_out(const char *name, char text[sizeof(struct cli_name) + 64])
{
    const char *names[ADK_COUNT(commands)];
    const char *nearest = NULL;
    struct cli_name shown;

    for (size_t i = 0; i < ADK_COUNT(commands); i++)
        names[i] = commands[i].name;
    if (name[0] == '-')
        return "; options stand behind the COMMAND, see adk-sandbox --help";
    nearest = cli_nearest_name(name, names, ADK_COUNT(names));
    if (nearest != NULL)
        (void)snprintf(text, sizeof(shown) + 64, "; did you mean \"%s\"?", nearest);
    else if (name[0] != '\0' && access(name, F_OK) == 0)
        (void)snprintf(text, sizeof(shown) + 64, "; to run it: adk-sandbox run %s", cli_name_cstr(name, &shown));
    else
        return "; see adk-sandbox --help";
    return text;
}

static int refuse_command(const char *name)
{
    char text[sizeof(struct cli_name) + 64];
    struct cli_name shown;

    cli_message("unknown %s \"%s\"%s", name[0] == '-' ? "option" : "command", cli_name_cstr(name, &shown),
                way_out(name, text));
    return CLI_EXIT_USAGE;
}

static bool compose_overview(FILE *out, const void *data)
{
    (void)data;
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
    return true;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* The overview is the help of `help` and `version` as well, which have no options of their own. */
static int cmd_help(int argc, char **argv)
{
    static char help[] = "--help";
    char *arguments[] = {help, NULL};
    const struct cli_command *command = NULL;

    if (argc > 1) {
        cli_message("help: takes one COMMAND at most; see adk-sandbox --help");
        return CLI_EXIT_USAGE;
    }
    if (argc == 0 || is_help(argv[0]))
        return cli_put_composed(compose_overview, NULL);
    command = find_command(argv[0]);
    if (command == NULL)
        return refuse_command(argv[0]);
    return command->run(1, arguments);
}

static bool compose_version(FILE *out, const void *data)
{
    (void)data;
    return fprintf(out, "adk-sandbox %s (%s)\n", adk_version_cstr(), adk_engine_version_cstr()) > 0;
}

static int cmd_version(int argc, char **argv)
{
    struct cli_name shown;

    if (argc == 1 && is_help(argv[0]))
        return cli_put_composed(compose_overview, NULL);
    if (argc > 0) {
        cli_message("version: takes no arguments, and \"%s\" is one", cli_name_cstr(argv[0], &shown));
        return CLI_EXIT_USAGE;
    }
    return cli_put_composed(compose_version, NULL);
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
    if (is_help(argv[1]))
        return cmd_help(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return cmd_version(argc - 2, argv + 2);
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
