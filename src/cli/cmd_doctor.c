/*
 * `adk-sandbox doctor`: tells a person, or with --json a machine, what can be enforced here.
 */
#include <string.h>

#include <adk/version.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/doctor.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/writer.h"

#define DOCTOR_VERSION 1

struct doctor_settings {
    bool json;
    bool help;
};

#define FIELD(name) offsetof(struct doctor_settings, name)

static const struct cli_option options[] = {
    {'\0', "json", NULL, CLI_FLAG, FIELD(json), .help = "print one JSON object on one line, nothing else"},
    {'h', "help", NULL, CLI_FLAG, FIELD(help), .help = "show this"},
};

const struct cli_option_table cli_doctor_table = {"doctor", options, ADK_COUNT(options)};

static const char *const status_words[] = {
    [CLI_CHECK_OK] = "ok",
    [CLI_CHECK_REDUCED] = "reduced",
    [CLI_CHECK_MISSING] = "missing",
};

static void write_help(FILE *out)
{
    (void)fputs("Usage: adk-sandbox doctor [OPTION]...\n"
                "Says what this machine can enforce. Each limit is tried by a small guest.\n\n",
                out);
    cli_options_print_help(&cli_doctor_table, out);
    (void)fputs("\nExit status: 0 when all that is needed is there, 1 when something is missing.\n"
                "\nExamples:\n"
                "  adk-sandbox doctor\n"
                "  adk-sandbox doctor --json | jq '.checks[] | select(.status != \"ok\")'\n",
                out);
}

static void write_text(const struct cli_checks *checks, FILE *out)
{
    (void)fprintf(out, "adk-sandbox %s (%s)\n", adk_version_cstr(), adk_engine_version_cstr());
    for (size_t i = 0; i < checks->count; i++)
        (void)fprintf(out, "  %-8s %-19s %s\n", status_words[checks->items[i].status], checks->items[i].name,
                      checks->items[i].detail);
}

/* One object on one line; nothing is written where memory runs out, which the caller sees by the size. */
static void write_json(const struct cli_checks *checks, FILE *out)
{
    json_t *list = json_array();
    json_t *object = NULL;

    for (size_t i = 0; i < checks->count; i++)
        (void)json_array_append_new(list, json_pack("{ssssss}", "name", checks->items[i].name, "status",
                                                    status_words[checks->items[i].status], "detail",
                                                    checks->items[i].detail));
    object = json_pack("{sisssssbso}", "doctor", DOCTOR_VERSION, "version", adk_version_cstr(), "engine",
                       adk_engine_version_cstr(), "ok", cli_checks_all_there(checks), "checks", list);
    if (object == NULL || json_array_size(list) != checks->count || json_dumpf(object, out, JSON_COMPACT) != 0)
        rewind(out);
    else
        (void)fputc('\n', out);
    json_decref(object);
}

/* Writes to standard output what `write_help`, … compose. */
static int put(const struct cli_checks *checks, bool json)
{
    ADK_AUTO_FREE char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return CLI_EXIT_FAILED;
    if (checks == NULL)
        write_help(out);
    else if (json)
        write_json(checks, out);
    else
        write_text(checks, out);
    if (fclose(out) != 0 || size == 0) {
        cli_message("out of memory");
        return CLI_EXIT_FAILED;
    }
    return cli_put_stdout(adk_bytes_make(text, size));
}

static int examine(bool json, adk_error **ret_error, int *ret_status)
{
    struct cli_checks checks;
    int failed = cli_checks_run(&checks, ret_error);

    if (failed == ADK_OK) {
        *ret_status = put(&checks, json);
        if (*ret_status == CLI_EXIT_OK && !cli_checks_all_there(&checks))
            *ret_status = CLI_EXIT_MISSING;
    }
    cli_checks_free(&checks);
    return failed;
}

int cli_cmd_doctor(int argc, char **argv)
{
    struct doctor_settings settings = {0};
    adk_error *error = NULL;
    int first = 0;
    int status = CLI_EXIT_OK;
    int failed = cli_options_parse(&cli_doctor_table, argc, argv, &settings, &first, &error);

    if (failed == ADK_OK && settings.help)
        return put(NULL, false);
    if (failed == ADK_OK && first < argc)
        failed = cli_fail(&error, ADK_E_INVALID, 0, "doctor: takes no arguments");
    if (failed == ADK_OK)
        failed = examine(settings.json, &error, &status);
    if (failed == ADK_OK)
        return status;
    return cli_tell_error(error, settings.json || cli_options_have_flag(&cli_doctor_table, argc, argv, "json"));
}
