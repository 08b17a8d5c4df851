/*
 * `adk-sandbox doctor`: tells a person, or with --json a machine, what can be enforced here.
 */
#include <adk/version.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/compose.h"
#include "cli/doctor.h"
#include "cli/report.h"

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

static const struct cli_help help = {
    &cli_doctor_table,
    "Usage: adk-sandbox doctor [OPTION]...\n"
    "Says what this machine can enforce. Each limit is tried by a small guest.\n\n",
    "\nExit status: 0 when all that is needed is there, 1 when something is missing.\n"
    "\nExamples:\n"
    "  adk-sandbox doctor\n"
    "  adk-sandbox doctor --json | jq '.checks[] | select(.status != \"ok\")'\n",
};

static bool compose_text(FILE *out, const void *data)
{
    const struct cli_checks *checks = data;

    (void)fprintf(out, "adk-sandbox %s (%s)\n", adk_version_cstr(), adk_engine_version_cstr());
    for (size_t i = 0; i < checks->count; i++)
        (void)fprintf(out, "  %-8s %-19s %s\n", status_words[checks->items[i].status], checks->items[i].name,
                      checks->items[i].detail);
    return true;
}

/* NULL where memory ran out. */
static json_t *checks_to_json(const struct cli_checks *checks)
{
    json_t *list = json_array();

    for (size_t i = 0; i < checks->count; i++) {
        json_t *check = json_pack("{ssssss}", "name", checks->items[i].name, "status",
                                  status_words[checks->items[i].status], "detail", checks->items[i].detail);

        if (json_array_append_new(list, check) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return json_pack("{sisssssbso}", "doctor", DOCTOR_VERSION, "version", adk_version_cstr(), "engine",
                     adk_engine_version_cstr(), "ok", cli_checks_all_there(checks), "checks", list);
}

static int put(const struct cli_checks *checks, bool json)
{
    json_t *object = NULL;
    int status = 0;

    if (!json)
        return cli_put_composed(compose_text, checks);
    object = checks_to_json(checks);
    status = cli_put_json(object);
    json_decref(object);
    return status;
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
        return cli_put_help(&help);
    if (failed == ADK_OK)
        failed = cli_options_end(&cli_doctor_table, argc, argv, first, &error);
    if (failed == ADK_OK)
        failed = examine(settings.json, &error, &status);
    if (failed == ADK_OK)
        return status;
    return cli_tell_error(error, settings.json || cli_options_have_flag(&cli_doctor_table, argc, argv, "json"));
}
