#include "cli/compose.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/writer.h"

int cli_put_composed(cli_compose_fn *compose, const void *data)
{
    ADK_AUTO_FREE char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool complete = false;

    if (out != NULL) {
        complete = compose(out, data) && ferror(out) == 0; /* closing does not tell of an earlier write that failed */
        complete = fclose(out) == 0 && complete;
    }
    if (!complete) {
        cli_message("out of memory");
        return CLI_EXIT_FAILED;
    }
    return cli_put_stdout(adk_bytes_make(text, size));
}

static bool compose_json(FILE *out, const void *data)
{
    return data != NULL && json_dumpf(data, out, JSON_COMPACT) == 0 && fputc('\n', out) != EOF;
}

int cli_put_json(const json_t *value)
{
    return cli_put_composed(compose_json, value);
}

static bool compose_help(FILE *out, const void *data)
{
    const struct cli_help *help = data;

    (void)fputs(help->before, out);
    cli_options_print_help(help->table, out);
    (void)fputs(help->behind, out);
    return true;
}

int cli_put_help(const struct cli_help *help)
{
    return cli_put_composed(compose_help, help);
}
