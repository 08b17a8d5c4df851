/*
 * `adk-sandbox completion`: writes the file by which a shell completes this command's arguments.
 */
#include <string.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/completion.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/report.h"
#include "cli/writer.h"

struct completion_settings {
    bool help;
};

static const struct cli_option options[] = {
    {'h', "help", NULL, CLI_FLAG, offsetof(struct completion_settings, help), .help = "show this"},
};

const struct cli_option_table cli_completion_table = {"completion", options, ADK_COUNT(options)};

typedef void write_fn(const struct cli_command *commands, size_t count, FILE *out);

static const struct {
    const char *name;
    write_fn *write;
} formats[] = {
    {"bash", cli_complete_bash},
    {"zsh", cli_complete_zsh},
    {"fish", cli_complete_fish},
    {"json", cli_complete_json},
};

static void write_help(const struct cli_command *commands, size_t count, FILE *out)
{
    (void)commands;
    (void)count;
    (void)fputs("Usage: adk-sandbox completion bash|zsh|fish|json\n"
                "Writes what a shell completes this command by. json: all commands and options as one object.\n\n",
                out);
    cli_options_print_help(&cli_completion_table, out);
    (void)fputs("\nExamples:\n"
                "  source <(adk-sandbox completion bash)\n"
                "  adk-sandbox completion zsh > ~/.zfunc/_adk-sandbox\n"
                "  adk-sandbox completion fish > ~/.config/fish/completions/adk-sandbox.fish\n",
                out);
}

static int find_format(int argc, char **argv, write_fn **ret_write, adk_error **ret_error)
{
    struct cli_name name;

    if (argc != 1)
        return cli_fail(ret_error, ADK_E_INVALID, 0, "completion: for which shell? One of bash, zsh, fish, or json");
    for (size_t i = 0; i < ADK_COUNT(formats); i++) {
        if (strcmp(argv[0], formats[i].name) == 0) {
            *ret_write = formats[i].write;
            return ADK_OK;
        }
    }
    return cli_fail(ret_error, ADK_E_INVALID, 0, "completion: \"%s\" is none of bash, zsh, fish, json",
                    cli_name_cstr(argv[0], &name));
}

static int put(write_fn *write, const struct cli_command *commands, size_t count)
{
    ADK_AUTO_FREE char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out != NULL)
        write(commands, count, out);
    if (out == NULL || fclose(out) != 0 || size == 0) {
        cli_message("out of memory");
        return CLI_EXIT_FAILED;
    }
    return cli_put_stdout(adk_bytes_make(text, size));
}

int cli_cmd_completion(const struct cli_command *commands, size_t count, int argc, char **argv)
{
    struct completion_settings settings = {0};
    write_fn *write = write_help;
    adk_error *error = NULL;
    int first = 0;
    int failed = cli_options_parse(&cli_completion_table, argc, argv, &settings, &first, &error);

    if (failed == ADK_OK && !settings.help)
        failed = find_format(argc - first, argv + first, &write, &error);
    if (failed != ADK_OK)
        return cli_tell_error(error, false);
    return put(write, commands, count);
}
