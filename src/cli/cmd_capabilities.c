/*
 * `adk-sandbox capabilities`: what each backend says that it enforces and speaks. Whether that holds on this machine is
 * tried by `doctor`.
 */
#include <adk/sandbox.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/compose.h"
#include "cli/message.h"
#include "cli/report.h"

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

static const struct cli_help help = {
    &cli_capabilities_table,
    "Usage: adk-sandbox capabilities [OPTION]...\n"
    "Says which limits each backend enforces and which languages it runs; doctor tries whether that holds.\n\n",
    "\nExamples:\n"
    "  adk-sandbox capabilities\n"
    "  adk-sandbox capabilities --json | jq '.backends[] | select(.enforces.fuel) | .name'\n",
};

static int make_wasm(uint32_t flags, adk_backend **ret_backend, adk_error **ret_error)
{
    adk_wasm_options wasm = ADK_WASM_OPTIONS_INIT;

    wasm.slots = 1;
    wasm.flags = flags;
    return adk_wasm_backend_new(&wasm, ret_backend, ret_error);
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

/* The backend of WebAssembly, or of a runtime. */
static int make(const adk_runtime *runtime, adk_backend **ret_backend, adk_error **ret_error)
{
    adk_runtime_options runtimes = ADK_RUNTIME_OPTIONS_INIT;
    adk_wasm_options wasm = ADK_WASM_OPTIONS_INIT;

    wasm.slots = 1;
    runtimes.wasm = &wasm;
    if (runtime == NULL)
        return make_wasm(0, ret_backend, ret_error);
    return adk_runtime_backend_new(runtime, &runtimes, ret_backend, ret_error);
}

/* One that cannot be had here is told of with the reason. */
static json_t *backend_to_json(const adk_runtime *runtime)
{
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_runtime_info info = ADK_RUNTIME_INFO_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    json_t *object = NULL;

    if (make(runtime, &backend, &error) != ADK_OK) {
        if (runtime != NULL)
            adk_runtime_describe(runtime, &info);
        object = json_pack("{ss sb ss}", "name", runtime == NULL ? "wasm" : info.name_cstr, "available", false,
                           "reason", error == NULL ? "out of memory" : adk_error_message_cstr(error));
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

/* ---- processes of their own -------------------------------------------------------------------------------------------- */

static json_t *walls_to_json(uint32_t walls)
{
    json_t *object = json_object();
    const char *word;

    for (uint32_t wall = 1; (word = adk_wall_cstr(wall)) != NULL; wall <<= 1) {
        if (json_object_set_new(object, word, json_boolean((walls & wall) != 0)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* What runs whose isolation is "wasm+process" are held by, as a worker says that is started for this. */
static json_t *processes_to_json(void)
{
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    json_t *object = NULL;
    uint32_t walls = 0;
    int failed = make_wasm(ADK_WASM_ARMOURED, &backend, &error);

    if (failed == ADK_OK)
        failed = adk_worker_walls(backend, &walls, &error);
    if (failed == ADK_OK)
        object = json_pack("{sb so}", "available", true, "walls", walls_to_json(walls));
    else
        object = json_pack("{sb ss}", "available", false, "reason",
                           error == NULL ? "out of memory" : adk_error_message_cstr(error));
    adk_error_free(error);
    adk_backend_free(backend);
    return object;
}

/* ---- all of them -------------------------------------------------------------------------------------------------- */

static json_t *all_to_json(void)
{
    json_t *list = json_array();
    const adk_runtime *runtime = NULL;

    for (size_t i = 0; i == 0 || runtime != NULL; i++) {
        if (json_array_append_new(list, backend_to_json(runtime)) != 0) {
            json_decref(list);
            return NULL;
        }
        runtime = adk_runtime_at(i);
    }
    return json_pack("{si ss ss so so}", "capabilities", CAPABILITIES_VERSION, "version", adk_version_cstr(), "engine",
                     adk_engine_version_cstr(), "backends", list, "processes", processes_to_json());
}

/* Those of the object's keys whose value is `wanted`, behind `before`; nothing where there is none. */
static void write_keys(const char *before, const json_t *object, bool wanted, FILE *out)
{
    const json_t *item = NULL;
    const char *word = NULL;

    json_object_foreach((json_t *)object, word, item)
    {
        if (json_is_true(item) != wanted)
            continue;
        (void)fprintf(out, "%s%s", before, word);
        before = ", ";
    }
}

static void write_words(const json_t *backend, FILE *out)
{
    const json_t *item = NULL;
    const char *comma = "";
    size_t i = 0;

    (void)fprintf(out, "%s, isolation %s\n  runs      ", json_string_value(json_object_get(backend, "name")),
                  json_string_value(json_object_get(backend, "isolation")));
    json_array_foreach(json_object_get(backend, "languages"), i, item)
    {
        (void)fprintf(out, "%s%s", comma, json_string_value(item));
        comma = ", ";
    }
    write_keys("\n  enforces  ", json_object_get(backend, "enforces"), true, out);
    write_keys("\n  not       ", json_object_get(backend, "enforces"), false, out);
    (void)fputc('\n', out);
}

static void write_processes(const json_t *processes, FILE *out)
{
    if (json_is_true(json_object_get(processes, "available"))) {
        (void)fputs("processes of their own, isolation wasm+process", out);
        write_keys("\n  walls     ", json_object_get(processes, "walls"), true, out);
        write_keys("\n  not       ", json_object_get(processes, "walls"), false, out);
        (void)fputc('\n', out);
    } else {
        (void)fprintf(out, "processes of their own, not available: %s\n",
                      json_string_value(json_object_get(processes, "reason")));
    }
}

/* The same, for people: nothing is said in one form that is not said in the other. */
static bool compose_text(FILE *out, const void *data)
{
    const json_t *backend = NULL;
    size_t i = 0;

    json_array_foreach(json_object_get(data, "backends"), i, backend)
    {
        if (json_is_true(json_object_get(backend, "available")))
            write_words(backend, out);
        else
            (void)fprintf(out, "%s, not available: %s\n", json_string_value(json_object_get(backend, "name")),
                          json_string_value(json_object_get(backend, "reason")));
    }
    write_processes(json_object_get(data, "processes"), out);
    return true;
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
        return cli_put_help(&help);
    if (failed == ADK_OK)
        failed = cli_options_end(&cli_capabilities_table, argc, argv, first, &error);
    if (failed == ADK_OK && (all = all_to_json()) == NULL)
        failed = cli_fail(&error, ADK_E_NOMEM, 0, "out of memory");
    if (failed != ADK_OK)
        return cli_tell_error(error,
                              settings.json || cli_options_have_flag(&cli_capabilities_table, argc, argv, "json"));
    status = settings.json ? cli_put_json(all) : cli_put_composed(compose_text, all);
    json_decref(all);
    return status;
}
