/*
 * `adk-sandbox completion`: writes the file by which a shell completes this command's arguments.
 */
#include <string.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/completion.h"
#include "cli/compose.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/report.h"

struct completion_settings {
    bool help;
};

static const struct cli_option options[] = {
    {'h', "help", NULL, CLI_FLAG, offsetof(struct completion_settings, help), .help = "show this"},
};

const struct cli_option_table cli_completion_table = {"completion", options, ADK_COUNT(options)};

static const struct cli_help help = {
    &cli_completion_table,
    "Usage: adk-sandbox completion bash|zsh|fish|json\n"
    "Writes what a shell completes this command by. json: all commands and options as one object.\n\n",
    "\nExamples:\n"
    "  source <(adk-sandbox completion bash)\n"
    "  adk-sandbox completion zsh > ~/.zfunc/_adk-sandbox\n"
    "  adk-sandbox completion fish > ~/.config/fish/completions/adk-sandbox.fish\n",
};

typedef bool write_fn(const struct cli_command *commands, size_t count, FILE *out);

static const struct {
    const char *name;
    write_fn *write;
} formats[] = {
    {"bash", cli_complete_bash},
    {"zsh", cli_complete_zsh},
    {"fish", cli_complete_fish},
    {"json", cli_complete_json},
};

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

struct completion {
    const struct cli_command *commands;
    size_t count;
    write_fn *write;
};

static bool compose(FILE *out, const void *data)
{
    const struct completion *completion = data;

    return completion->write(completion->commands, completion->count, out);
}

int cli_cmd_completion(const struct cli_command *commands, size_t count, int argc, char **argv)
{
    struct completion_settings settings = {0};
    struct completion completion = {commands, count, NULL};
    adk_error *error = NULL;
    int first = 0;
    int failed = cli_options_parse(&cli_completion_table, argc, argv, &settings, &first, &error);

    if (failed == ADK_OK && settings.help)
        return cli_put_help(&help);
    if (failed == ADK_OK)
        failed = find_format(argc - first, argv + first, &completion.write, &error);
    if (failed != ADK_OK)
        return cli_tell_error(error, false);
    return cli_put_composed(compose, &completion);
}
