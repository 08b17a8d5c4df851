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

/* Prepares it and lets it go again: what is wanted is what the disk cache keeps of it. */
static int compile_code(adk_backend *backend, const char *path, adk_bytes code, adk_error **ret_error)
{
    struct cli_progress progress = {0};
    uint64_t start_ns = adk__now_ns();
    adk_wasm_module *module = NULL;
    adk_error *error = NULL;
    char took[CLI_FIGURE_SIZE];
    struct cli_name shown;
    int failed = 0;

    (void)cli_progress_start(&progress, "compiling", path);
    failed = adk_wasm_module_new(backend, code, &module, &error);
    cli_progress_stop(&progress);
    adk_wasm_module_free(module);
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
        failed = compile_code(backend, path, adk_bytes_make(input.data, input.size), ret_error);
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
