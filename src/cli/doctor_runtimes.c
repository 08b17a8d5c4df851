/*
 * The doctor's look at processes of their own, and at each runtime: what is installed runs a program, and how long that takes
 * is said.
 */
#include <stdio.h>

#include <adk/sandbox.h>

#include "cli/cache.h"
#include "cli/doctor.h"
#include "cli/escape.h"
#include "cli/values.h"

#define PATIENCE_NS UINT64_C(60000000000) /* an interpreter may have to be compiled */
#define WORDS_SIZE  256

/* Those of the walls that are there, or are not. */
static const char *words_of(uint32_t walls, bool wanted, char text[WORDS_SIZE])
{
    const char *word;
    size_t size = 0;

    text[0] = '\0';
    for (uint32_t wall = 1; (word = adk_wall_cstr(wall)) != NULL; wall <<= 1) {
        if (((walls & wall) != 0) != wanted)
            continue;
        if (size < WORDS_SIZE)
            size += (size_t)snprintf(text + size, WORDS_SIZE - size, "%s%s", size == 0 ? "" : ", ", word);
    }
    return text;
}

static void check_processes(struct cli_checks *checks)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    char there[WORDS_SIZE];
    char missing[WORDS_SIZE];
    struct cli_name shown;
    uint32_t walls = 0;
    int failed;

    options.flags = ADK_WASM_ARMOURED;
    failed = adk_wasm_backend_new(&options, &backend, &error);
    if (failed == ADK_OK)
        failed = adk_worker_walls(backend, &walls, &error);
    if (failed != ADK_OK)
        cli_checks_add(checks, "processes", CLI_CHECK_REDUCED,
                       "%s: until then every run is in this process alone (isolation wasm)",
                       error == NULL ? "out of memory" : cli_name_cstr(adk_error_message_cstr(error), &shown));
    else if (*words_of(walls, false, missing) == '\0')
        cli_checks_add(checks, "processes", CLI_CHECK_OK, "%s", words_of(walls, true, there));
    else
        cli_checks_add(checks, "processes", CLI_CHECK_REDUCED, "%s; this system does not grant: %s",
                       words_of(walls, true, there), missing);
    adk_error_free(error);
    adk_backend_free(backend);
}

static void check_program(struct cli_checks *checks, adk_backend *backend, const adk_runtime_info *info,
                          const char *isolation)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_usage usage = ADK_USAGE_INIT;
    adk_result *result = NULL;
    adk_error *error = NULL;
    char took[CLI_FIGURE_SIZE];

    request.language = (adk_language)__builtin_ctz(info->languages);
    request.code = adk_bytes_from_cstr(" ");
    request.timeout_ns = PATIENCE_NS;
    if (adk_backend_execute(backend, &request, NULL, &result, &error) != ADK_OK) {
        cli_checks_add_error(checks, info->name_cstr, error, "adk-sandbox runtime info says more");
        return;
    }
    adk_result_usage(result, &usage);
    if (adk_result_outcome(result) == ADK_OUTCOME_EXITED && adk_result_exit_code(result) == 0)
        cli_checks_add(checks, info->name_cstr, CLI_CHECK_OK, "%s, isolation %s; a first run after %s",
                       info->summary_cstr, isolation, cli_duration_to_short_text(usage.duration_ns, took));
    else
        cli_checks_add(checks, info->name_cstr, CLI_CHECK_MISSING, "an empty program ended as %s: install it again",
                       adk_outcome_cstr(adk_result_outcome(result)));
    adk_result_free(result);
}

static void check_runtime(struct cli_checks *checks, const adk_runtime *runtime)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    adk_runtime_info info = ADK_RUNTIME_INFO_INIT;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_backend *backend = NULL;
    adk_backend *own = NULL;
    adk_error *error = NULL;

    adk_runtime_describe(runtime, &info);
    if (!cli_runtime_is_installed(runtime)) {
        cli_checks_add(checks, info.name_cstr, CLI_CHECK_OK, "not installed; adk-sandbox runtime install %s does",
                       info.name_cstr);
        return;
    }
    options.slots = 1;
    if (cli_cache_backend(&options, NULL, info.name_cstr, ADK_RUNTIME_ONCE, &backend, &error) != ADK_OK) {
        cli_checks_add_error(checks, info.name_cstr, error, "install a build of adk-sandbox that passes its tests");
        return;
    }
    if (adk_runtime_backend_new(runtime, NULL, &own, NULL) == ADK_OK)
        adk_backend_capabilities(own, &capabilities);
    check_program(checks, backend, &info,
                  capabilities.isolation_cstr == NULL ? "unknown" : capabilities.isolation_cstr);
    adk_backend_free(own);
    adk_backend_free(backend);
}

void cli_checks_run_runtimes(struct cli_checks *checks)
{
    check_processes(checks);
    for (size_t i = 0; adk_runtime_at(i) != NULL; i++)
        check_runtime(checks, adk_runtime_at(i));
}
