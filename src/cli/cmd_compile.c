/*
 * `adk-sandbox compile`: compiles modules ahead of time, so that `run` finds them ready.
 */
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/cache.h"
#include "cli/command.h"
#include "cli/compile.h"
#include "cli/compose.h"
#include "cli/escape.h"
#include "cli/input.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/values.h"

struct compile_settings {
    struct cli_figure timeout;
    bool help;
};

#define FIELD(name) offsetof(struct compile_settings, name)

static const struct cli_option options[] = {
    {'t', "timeout", "TIME", CLI_DURATION, FIELD(timeout), .least = 1000000, .help = "for each module; default: 5m"},
    {'h', "help", NULL, CLI_FLAG, FIELD(help), .help = "show this"},
};

const struct cli_option_table cli_compile_table = {"compile", options, ADK_COUNT(options)};

static const struct cli_help help = {
    &cli_compile_table,
    "Usage: adk-sandbox compile [OPTION]... FILE...\n"
    "Compile modules ahead of time: \"run\" then finds them ready, which for large ones saves seconds.\n\n",
    "\nWhat is compiled lies in $XDG_CACHE_HOME/adk-sandbox/modules (by default below ~/.cache), checked by\n"
    "a key in $XDG_DATA_HOME/adk-sandbox/cache.key (below ~/.local/share). Both can be deleted at any time.\n"
    "\nExample:\n"
    "  adk-sandbox compile python.wasm && adk-sandbox run python.wasm -c 'print(1)'\n",
};

/* ---- one module --------------------------------------------------------------------------------------------------- */

/* A program that does nothing: what can be wrong with a runtime that is large shows here, and not in the first run. */
static int run_nothing(adk_backend *backend, adk_language language, adk_bytes code, adk_error **ret_error)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;
    struct cli_text shown;
    int failed;

    request.language = language;
    request.code = code;
    request.timeout_ns = CLI_COMPILE_RUNTIME_TIMEOUT_NS;
    failed = adk_backend_execute(backend, &request, NULL, &result, ret_error);
    if (failed == ADK_OK && (adk_result_outcome(result) != ADK_OUTCOME_EXITED || adk_result_exit_code(result) != 0))
        failed = cli_fail(ret_error, ADK_E_UNAVAILABLE, 0, "an empty program ended as \"%s\": %s",
                          adk_outcome_cstr(adk_result_outcome(result)), cli_text(adk_result_message(result), &shown));
    adk_result_free(result);
    return failed;
}

/* Prepares it and lets it go again: what is wanted is what the disk cache keeps of it. */
static int prepare(adk_backend *backend, adk_bytes code, adk_error **ret_error)
{
    adk_wasm_module *module = NULL;
    int failed = adk_wasm_module_new(backend, code, &module, ret_error);

    adk_wasm_module_free(module);
    return failed;
}

/* With a language, the code is a program that is run, so that its runtime is compiled; else it is a module. */
static int compile_code(adk_backend *backend, adk_language language, const char *path, adk_bytes code,
                        adk_error **ret_error)
{
    struct cli_progress progress = {0};
    uint64_t start_ns = adk__now_ns();
    adk_error *error = NULL;
    char took[CLI_FIGURE_SIZE];
    struct cli_name shown;
    int failed = 0;

    (void)cli_progress_start(&progress, "compiling", path);
    failed = language == ADK_LANGUAGE_DEFAULT ? prepare(backend, code, &error)
                                              : run_nothing(backend, language, code, &error);
    cli_progress_stop(&progress);
    (void)cli_name_cstr(path, &shown);
    if (failed != ADK_OK)
        return cli_fail_about(shown.text, failed, error, ret_error);
    if (isatty(STDERR_FILENO) == 1)
        cli_message("%s: ready after %s", shown.text, cli_duration_to_short_text(adk__now_ns() - start_ns, took));
    return ADK_OK;
}

static int compile_file(adk_backend *backend, const char *path, adk_error **ret_error)
{
    struct cli_input input = {0};
    struct cli_name shown;
    int failed = cli_input_read(path, ADK_CODE_MAX_BYTES + 1, -1, &input, ret_error);

    if (failed == ADK_OK && input.size > ADK_CODE_MAX_BYTES)
        failed = cli_fail(ret_error, ADK_E_INVALID, 0, "%s: it is larger than 64MiB", cli_name_cstr(path, &shown));
    if (failed == ADK_OK)
        failed = compile_code(backend, ADK_LANGUAGE_DEFAULT, path, adk_bytes_make(input.data, input.size), ret_error);
    free(input.data);
    return failed;
}

/* ---- all of them -------------------------------------------------------------------------------------------------- */

static int open_backend(const struct cli_cache *cache, uint64_t timeout_ns, adk_backend **ret_backend,
                        adk_error **ret_error)
{
    adk_wasm_options wasm = ADK_WASM_OPTIONS_INIT;
    int failed = cli_cache_make_parents(cache, ret_error);

    if (failed != ADK_OK)
        return failed;
    wasm.slots = 1;
    wasm.cache_modules = 1;
    wasm.prepare_timeout_ns = timeout_ns;
    wasm.disk_cache_cstr = cache->directory;
    wasm.disk_key_cstr = cache->key;
    return adk_wasm_backend_new(&wasm, ret_backend, ret_error);
}

int cli_compile_files(uint64_t timeout_ns, int count, char *const *paths, adk_error **ret_error)
{
    struct cli_cache cache;
    adk_backend *backend = NULL;
    int failed = cli_cache_find(&cache, ret_error);

    if (failed != ADK_OK)
        return failed;
    failed = open_backend(&cache, timeout_ns, &backend, ret_error);
    for (int i = 0; i < count && failed == ADK_OK; i++)
        failed = compile_file(backend, paths[i], ret_error);
    adk_backend_free(backend);
    cli_cache_free(&cache);
    return failed;
}

int cli_compile_runtime(const adk_runtime *runtime, const char *directory, adk_error **ret_error)
{
    adk_runtime_info info = ADK_RUNTIME_INFO_INIT;
    adk_runtime_options runtimes = ADK_RUNTIME_OPTIONS_INIT;
    adk_wasm_options wasm = ADK_WASM_OPTIONS_INIT;
    struct cli_cache cache;
    adk_backend *backend = NULL;
    int failed = cli_cache_find(&cache, ret_error);

    if (failed != ADK_OK)
        return failed;
    adk_runtime_describe(runtime, &info);
    wasm.disk_cache_cstr = cache.directory;
    wasm.disk_key_cstr = cache.key;
    runtimes.directory_cstr = directory;
    runtimes.wasm = &wasm;
    failed = cli_cache_make_parents(&cache, ret_error);
    if (failed == ADK_OK)
        failed = adk_runtime_backend_new(runtime, &runtimes, &backend, ret_error);
    if (failed == ADK_OK)
        failed = compile_code(backend, (adk_language)__builtin_ctz(info.languages), info.name_cstr,
                              adk_bytes_from_cstr("\n"), ret_error);
    adk_backend_free(backend);
    cli_cache_free(&cache);
    return failed;
}

int cli_cmd_compile(int argc, char **argv)
{
    struct compile_settings settings = {.timeout.value = CLI_COMPILE_TIMEOUT_NS};
    adk_error *error = NULL;
    int first = 0;
    int failed = cli_options_parse(&cli_compile_table, argc, argv, &settings, &first, &error);

    if (failed == ADK_OK && settings.help)
        return cli_put_help(&help);
    if (failed == ADK_OK && first == argc)
        failed = cli_fail(&error, ADK_E_INVALID, 0, "compile: which file? Name at least one");
    if (failed == ADK_OK)
        failed = cli_compile_files(settings.timeout.value, argc - first, argv + first, &error);
    return failed == ADK_OK ? CLI_EXIT_OK : cli_tell_error(error, false);
}
