/*
 * `adk-sandbox capabilities`: what each backend says that it enforces and speaks. Whether that holds on this machine is
 * tried by `doctor`.
 */
#include <string.h>

#include <adk/sandbox.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/report.h"
#include "cli/writer.h"

#define CAPABILITIES_VERSION 1

struct capabilities_settings {
    bool json;
    bool help;
};

#define FIELD(name) offsetof(struct capabilities_settings, name)

static const struct cli_option options[] = {
    {'\0', "json", NULL, CLI_FLAG, FIELD(json), .help = "print one JSON object on one line, nothing else"},
    {'h', "help", NULL, CLI_FLAG, FIELD(help), .help = "show this"},
};

const struct cli_option_table cli_capabilities_table = {"capabilities", options, ADK_COUNT(options)};

static const struct {
    const char *word;
    uint32_t bit;
} limits[] = {
    {"timeout", ADK_ENFORCES_TIMEOUT},         {"memory", ADK_ENFORCES_MEMORY},
    {"network", ADK_ENFORCES_NETWORK},         {"file_read", ADK_ENFORCES_FILE_READ},
    {"file_write", ADK_ENFORCES_FILE_WRITE},   {"environment", ADK_ENFORCES_ENVIRONMENT},
    {"output", ADK_ENFORCES_OUTPUT},           {"fuel", ADK_ENFORCES_FUEL},
    {"determinism", ADK_ENFORCES_DETERMINISM}, {"files", ADK_ENFORCES_FILES},
};

static int make_wasm(adk_backend **ret_backend, adk_error **ret_error)
{
    adk_wasm_options wasm = ADK_WASM_OPTIONS_INIT;

    wasm.slots = 1;
    return adk_wasm_backend_new(&wasm, ret_backend, ret_error);
}

/* All the backends there are; one that cannot be had here is told of with the reason. */
static const struct {
    const char *name;
    int (*make)(adk_backend **ret_backend, adk_error **ret_error);
} makers[] = {
    {"wasm", make_wasm},
};

static void write_help(FILE *out)
{
    (void)fputs(
        "Usage: adk-sandbox capabilities [OPTION]...\n"
        "Says which limits each backend enforces and which languages it runs; doctor tries whether that holds.\n\n",
        out);
    cli_options_print_help(&cli_capabilities_table, out);
    (void)fputs("\nExamples:\n"
                "  adk-sandbox capabilities\n"
                "  adk-sandbox capabilities --json | jq '.backends[] | select(.enforces.fuel) | .name'\n",
                out);
}

/* ---- one backend -------------------------------------------------------------------------------------------------- */

static json_t *languages_to_json(uint32_t languages)
{
    json_t *list = json_array();

    for (adk_language language = 1; language < 32; language++) {
        if ((languages >> language & 1) != 0 &&
            json_array_append_new(list, json_string(adk_language_cstr(language))) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *limits_to_json(uint32_t enforced)
{
    json_t *object = json_object();

    for (size_t i = 0; i < ADK_COUNT(limits); i++) {
        if (json_object_set_new(object, limits[i].word, json_boolean((enforced & limits[i].bit) != 0)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *backend_to_json(size_t which)
{
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    json_t *object = NULL;

    if (makers[which].make(&backend, &error) != ADK_OK) {
        object = json_pack("{ss sb ss}", "name", makers[which].name, "available", false, "reason",
                           error == NULL ? "out of memory" : adk_error_message_cstr(error));
        adk_error_free(error);
        return object;
    }
    adk_backend_capabilities(backend, &capabilities);
    object = json_pack("{ss sb ss so so}", "name", adk_backend_name_cstr(backend), "available", true, "isolation",
                       capabilities.isolation_cstr, "languages", languages_to_json(capabilities.languages), "enforces",
                       limits_to_json(capabilities.enforced));
    adk_backend_free(backend);
    return object;
}

/* ---- all of them -------------------------------------------------------------------------------------------------- */

static json_t *all_to_json(void)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ADK_COUNT(makers); i++) {
        if (json_array_append_new(list, backend_to_json(i)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return json_pack("{si ss ss so}", "capabilities", CAPABILITIES_VERSION, "version", adk_version_cstr(), "engine",
                     adk_engine_version_cstr(), "backends", list);
}

static void write_words(const json_t *backend, FILE *out)
{
    const json_t *item = NULL;
    const char *word = NULL;
    const char *comma = "";
    size_t i = 0;

    (void)fprintf(out, "%s, isolation %s\n  runs      ", json_string_value(json_object_get(backend, "name")),
                  json_string_value(json_object_get(backend, "isolation")));
    json_array_foreach(json_object_get(backend, "languages"), i, item)
    {
        (void)fprintf(out, "%s%s", comma, json_string_value(item));
        comma = ", ";
    }
    for (int wanted = 1; wanted >= 0; wanted--) {
        comma = wanted ? "\n  enforces  " : "\n  not       ";
        json_object_foreach((json_t *)json_object_get(backend, "enforces"), word, item)
        {
            if (json_is_true(item) != (wanted == 1))
                continue;
            (void)fprintf(out, "%s%s", comma, word);
            comma = ", ";
        }
    }
    (void)fputc('\n', out);
}

/* The same, for people: nothing is said in one form that is not said in the other. */
static void write_text(const json_t *all, FILE *out)
{
    const json_t *backend = NULL;
    size_t i = 0;

    json_array_foreach(json_object_get(all, "backends"), i, backend)
    {
        if (json_is_true(json_object_get(backend, "available")))
            write_words(backend, out);
        else
            (void)fprintf(out, "%s, not available: %s\n", json_string_value(json_object_get(backend, "name")),
                          json_string_value(json_object_get(backend, "reason")));
    }
}

static int put(const json_t *all, bool json)
{
    ADK_AUTO_FREE char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out != NULL && all == NULL)
        write_help(out);
    else if (out != NULL && !json)
        write_text(all, out);
    else if (out != NULL && json_dumpf(all, out, JSON_COMPACT) == 0)
        (void)fputc('\n', out);
    if (out == NULL || fclose(out) != 0 || size == 0) {
        cli_message("out of memory");
        return CLI_EXIT_FAILED;
    }
    return cli_put_stdout(adk_bytes_make(text, size));
}

int cli_cmd_capabilities(int argc, char **argv)
{
    struct capabilities_settings settings = {0};
    adk_error *error = NULL;
    json_t *all = NULL;
    int first = 0;
    int status = 0;
    int failed = cli_options_parse(&cli_capabilities_table, argc, argv, &settings, &first, &error);

    if (failed == ADK_OK && settings.help)
        return put(NULL, false);
    if (failed == ADK_OK && first < argc)
        failed = cli_fail(&error, ADK_E_INVALID, 0, "capabilities: takes no arguments");
    if (failed == ADK_OK && (all = all_to_json()) == NULL)
        failed = cli_fail(&error, ADK_E_NOMEM, 0, "out of memory");
    if (failed != ADK_OK)
        return cli_tell_error(error,
                              settings.json || cli_options_have_flag(&cli_capabilities_table, argc, argv, "json"));
    status = put(all, settings.json);
    json_decref(all);
    return status;
}
