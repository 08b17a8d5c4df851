/*
 * `adk-sandbox compile`: compiles modules ahead of time, so that `run` finds them ready.
 *
 * The compiling is done on a thread of its own, so that this one can say how long it has been going on.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/thread.h"
#include "cli/cache.h"
#include "cli/command.h"
#include "cli/compile.h"
#include "cli/escape.h"
#include "cli/input.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/values.h"
#include "cli/writer.h"

#define STACK_BYTES ((size_t)4 << 20)

struct compile_settings {
    struct cli_figure timeout;
    bool help;
};

#define FIELD(name) offsetof(struct compile_settings, name)

static const struct cli_option options[] = {
    {'t', "timeout", "TIME", CLI_DURATION, FIELD(timeout), .least = 1, .help = "for each module; default: 5m"},
    {'h', "help", NULL, CLI_FLAG, FIELD(help), .help = "show this"},
};

const struct cli_option_table cli_compile_table = {"compile", options, ADK_COUNT(options)};

static int print_help(void)
{
    ADK_AUTO_FREE char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return CLI_EXIT_FAILED;
    (void)fputs("Usage: adk-sandbox compile [OPTION]... FILE...\n"
                "Compile modules ahead of time: \"run\" then finds them ready, which for large ones saves seconds.\n\n",
                out);
    cli_options_print_help(&cli_compile_table, out);
    (void)fputs(
        "\nWhat is compiled lies in $XDG_CACHE_HOME/adk-sandbox/modules (by default below ~/.cache), checked by\n"
        "a key in $XDG_DATA_HOME/adk-sandbox/cache.key (below ~/.local/share). Both can be deleted at any time.\n"
        "\nExample:\n"
        "  adk-sandbox compile python.wasm && adk-sandbox run python.wasm -c 'print(1)'\n",
        out);
    if (fclose(out) != 0)
        return CLI_EXIT_FAILED;
    return cli_put_stdout(adk_bytes_make(text, size));
}

/* ---- one module --------------------------------------------------------------------------------------------------- */

struct compilation {
    adk_backend *backend;
    adk_bytes code;
    pthread_mutex_t mutex;
    pthread_cond_t done_changed;
    bool done;
    int failed;
    adk_error *error;
};

static void *compile(void *data)
{
    struct compilation *c = data;
    adk_wasm_module *module = NULL;
    int failed = adk_wasm_module_new(c->backend, c->code, &module, &c->error);

    adk_wasm_module_free(module);
    (void)pthread_mutex_lock(&c->mutex);
    c->failed = failed;
    c->done = true;
    (void)pthread_cond_signal(&c->done_changed);
    (void)pthread_mutex_unlock(&c->mutex);
    return NULL;
}

/* Every second, on a terminal, in the same line. */
static void watch(struct compilation *c, const char *path)
{
    bool on_terminal = isatty(STDERR_FILENO) == 1;
    uint64_t start_ns = adk__now_ns();
    struct cli_name shown;
    unsigned seconds = 0;

    (void)cli_name_cstr(path, &shown);
    (void)pthread_mutex_lock(&c->mutex);
    while (!c->done) {
        struct timespec next = adk__timespec_from_ns(start_ns + (seconds + 1) * ADK__NS_PER_S);

        if (pthread_cond_clockwait(&c->done_changed, &c->mutex, CLOCK_MONOTONIC, &next) != ETIMEDOUT)
            continue;
        seconds++;
        if (on_terminal)
            (void)fprintf(stderr, "\radk-sandbox: compiling %s: %u s ", shown.text, seconds);
    }
    (void)pthread_mutex_unlock(&c->mutex);
    if (on_terminal && seconds > 0)
        (void)fputs("\r\033[K", stderr);
}

static int compile_code(adk_backend *backend, const char *path, adk_bytes code, adk_error **ret_error)
{
    struct compilation c = {
        .backend = backend, .code = code, .mutex = PTHREAD_MUTEX_INITIALIZER, .done_changed = PTHREAD_COND_INITIALIZER};
    uint64_t start_ns = adk__now_ns();
    char took[CLI_FIGURE_SIZE];
    struct cli_name shown;
    pthread_t thread;
    int failed = adk__thread_start(STACK_BYTES, compile, &c, &thread);

    if (failed)
        return cli_fail(ret_error, ADK_E_SYSTEM, failed, "start a thread");
    watch(&c, path);
    (void)pthread_join(thread, NULL);
    if (c.failed != ADK_OK) {
        failed = cli_fail(ret_error, c.failed, 0, "%s: %s", cli_name_cstr(path, &shown),
                          c.error == NULL ? "out of memory" : adk_error_message_cstr(c.error));
        adk_error_free(c.error);
        return failed;
    }
    if (isatty(STDERR_FILENO) == 1)
        cli_message("%s: ready after %s", cli_name_cstr(path, &shown),
                    cli_duration_to_short_text(adk__now_ns() - start_ns, took));
    return ADK_OK;
}

static int compile_file(adk_backend *backend, const char *path, adk_error **ret_error)
{
    struct cli_input input = {0};
    int failed = cli_input_read(path, ADK_CODE_MAX_BYTES + 1, -1, &input, ret_error);

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
        return print_help();
    if (failed == ADK_OK && first == argc)
        failed = cli_fail(&error, ADK_E_INVALID, 0, "compile: which file? Name at least one");
    if (failed == ADK_OK)
        failed = cli_compile_files(settings.timeout.value, argc - first, argv + first, &error);
    return failed == ADK_OK ? CLI_EXIT_OK : cli_tell_error(error, false);
}
