/*
 * From the command line to a request: the language, the guest's arguments and environment, and the bytes of the files
 * that were named. Everything in the request is borrowed from the run, which outlives it.
 */
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/run.h"
#include "cli/values.h"

/* More standard input than this is a mistake, not a tool call. */
#define INPUT_MAX_BYTES (UINT64_C(1) << 30)

static const struct {
    const char *ending;
    adk_language language;
} endings[] = {
    {".wasm", ADK_LANGUAGE_WASM},     {".wat", ADK_LANGUAGE_WASM},       {".py", ADK_LANGUAGE_PYTHON},
    {".js", ADK_LANGUAGE_JAVASCRIPT}, {".mjs", ADK_LANGUAGE_JAVASCRIPT}, {".cjs", ADK_LANGUAGE_JAVASCRIPT},
    {".ts", ADK_LANGUAGE_TYPESCRIPT}, {".mts", ADK_LANGUAGE_TYPESCRIPT}, {".rs", ADK_LANGUAGE_RUST},
    {".sh", ADK_LANGUAGE_COMMAND},
};

const char *cli_run_check_env(const char *text)
{
    if (*text == '=')
        return "has no name before its \"=\"";
    if (strchr(text, '=') == NULL)
        return "is not NAME=VALUE";
    return NULL;
}

const char *cli_run_check_language(const char *text)
{
    if (adk_language_from_word(adk_bytes_from_cstr(text)) == ADK_LANGUAGE_DEFAULT)
        return "is none of wasm, rust, python, javascript, typescript, command";
    return NULL;
}

const char *cli_run_check_output_policy(const char *text)
{
    if (strcmp(text, "truncate") != 0 && strcmp(text, "stop") != 0)
        return "is neither truncate nor stop";
    return NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static uint32_t languages_of(const char *runtime)
{
    adk_runtime_info info = ADK_RUNTIME_INFO_INIT;

    adk_runtime_describe(adk_runtime_find(runtime), &info);
    return info.languages;
}

static void set_language(struct cli_run *run, const char *path)
{
    const char *dot = path == NULL ? NULL : strrchr(base_name(path), '.');

    run->request.language = ADK_LANGUAGE_WASM;
    if (run->settings.language != NULL) {
        run->request.language = adk_language_from_word(adk_bytes_from_cstr(run->settings.language));
        return;
    }
    for (size_t i = 0; dot != NULL && i < ADK_COUNT(endings); i++) {
        if (strcasecmp(dot, endings[i].ending) == 0) {
            run->request.language = endings[i].language;
            return;
        }
    }
    if (run->settings.runtime != NULL)
        run->request.language = (adk_language)__builtin_ctz(languages_of(run->settings.runtime));
    else
        run->guessed = path == NULL ? "-c" : path;
}

int cli_run_check_backend(const struct cli_run *run, adk_error **ret_error)
{
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    char words[128] = "";

    adk_backend_capabilities(run->backend, &capabilities);
    if ((capabilities.languages >> run->request.language & 1) != 0)
        return ADK_OK;
    for (adk_language language = 1; adk_language_cstr(language) != NULL; language++) {
        size_t size = strlen(words);

        if ((capabilities.languages >> language & 1) != 0)
            (void)snprintf(words + size, sizeof(words) - size, "%s%s", size == 0 ? "" : ", ",
                           adk_language_cstr(language));
    }
    return cli_fail(ret_error, ADK_E_INVALID, 0, "run: --language: this version does not support language %s, only %s",
                    adk_language_cstr(run->request.language), words);
}

static int check_runtime(const struct cli_run_settings *settings, adk_language language, adk_error **ret_error)
{
    if (settings->runtime == NULL || (languages_of(settings->runtime) >> language & 1) != 0)
        return ADK_OK;
    return cli_fail(ret_error, ADK_E_INVALID, 0, "run: --runtime: \"%s\" does not run %s", settings->runtime,
                    adk_language_cstr(language));
}

/* argv of the guest: the program's name, then what is left of ours. */
static int set_args(struct cli_run *run, const char *name, int argc, char **argv, adk_error **ret_error)
{
    size_t count = 1 + (size_t)argc;

    run->args = calloc(count, sizeof(*run->args));
    if (run->args == NULL)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    run->args[0] = adk_bytes_from_cstr(name);
    for (size_t i = 1; i < count; i++)
        run->args[i] = adk_bytes_from_cstr(argv[i - 1]);
    run->request.args = run->args;
    run->request.args_count = count;
    return ADK_OK;
}

static adk_env split_env(const char *text)
{
    const char *equals = strchr(text, '=');

    return (adk_env){adk_bytes_make(text, (size_t)(equals - text)), adk_bytes_from_cstr(equals + 1)};
}

static int compare_names(const adk_env *a, const adk_env *b)
{
    size_t least = a->name.size < b->name.size ? a->name.size : b->name.size;
    int order = memcmp(a->name.data, b->name.data, least);

    if (order != 0)
        return order;
    return a->name.size < b->name.size ? -1 : a->name.size > b->name.size;
}

/* Orders indices by the names they stand for; of one name, as they were given. */
static int compare_indices(const void *a, const void *b, void *data)
{
    const adk_env *env = data;
    size_t i = *(const size_t *)a;
    size_t j = *(const size_t *)b;
    int order = compare_names(&env[i], &env[j]);

    if (order != 0)
        return order;
    return i < j ? -1 : i > j;
}

/*
 * Of a name given more than once the last value counts, in the place of the first. Doubles lie side by side in
 * `order`. Returns how many variables are left.
 */
static size_t merge_doubles(adk_env *env, size_t count, const size_t *order)
{
    adk_env *first = count == 0 ? NULL : &env[order[0]];
    size_t kept = 0;

    for (size_t i = 1; i < count; i++) {
        adk_env *next = &env[order[i]];

        if (compare_names(first, next) == 0) {
            first->value = next->value;
            next->name.size = 0; /* no name is empty: a mark */
        } else {
            first = next;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (env[i].name.size != 0)
            env[kept++] = env[i];
    }
    return kept;
}

static int set_env(struct cli_run *run, adk_error **ret_error)
{
    const struct cli_list *list = &run->settings.env;
    ADK_AUTO_FREE size_t *order = calloc(list->count + 1, sizeof(*order));

    run->env = calloc(list->count + 1, sizeof(*run->env));
    if (run->env == NULL || order == NULL)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    for (size_t i = 0; i < list->count; i++) {
        run->env[i] = split_env(list->items[i]);
        order[i] = i;
    }
    qsort_r(order, list->count, sizeof(*order), compare_indices, run->env);
    run->request.env = run->env;
    run->request.env_count = merge_doubles(run->env, list->count, order);
    return ADK_OK;
}

/* One byte more than is allowed is read, so that the library says "too large". */
static int read_code(struct cli_run *run, const char *path, adk_error **ret_error)
{
    adk_error *error = NULL;
    int failed = ADK_OK;

    if (path == NULL) {
        run->request.code = adk_bytes_from_cstr(run->settings.code);
        return ADK_OK;
    }
    failed = cli_input_read(path, ADK_CODE_MAX_BYTES + 1, run->signals.wake_fd, &run->code, &error);
    if (failed != ADK_OK)
        return failed == CLI_INTERRUPTED ? failed : cli_fail_about("run", failed, error, ret_error);
    run->request.code = adk_bytes_make(run->code.data, run->code.size);
    return failed;
}

static int read_stdin(struct cli_run *run, adk_error **ret_error)
{
    const char *path = run->settings.stdin_path;
    adk_error *error = NULL;
    struct cli_name name;
    int failed = ADK_OK;

    if (path == NULL)
        return ADK_OK;
    failed = cli_input_read(path, INPUT_MAX_BYTES + 1, run->signals.wake_fd, &run->input, &error);
    if (failed != ADK_OK)
        return failed == CLI_INTERRUPTED ? failed : cli_fail_about("run: --stdin", failed, error, ret_error);
    if (run->input.size > INPUT_MAX_BYTES)
        return cli_fail(ret_error, ADK_E_INVALID, 0, "run: --stdin: \"%s\" is larger than 1GiB",
                        cli_name_cstr(path, &name));
    run->request.stdin_data = adk_bytes_make(run->input.data, run->input.size);
    return failed;
}

static void set_limits(const struct cli_run_settings *settings, adk_request *request)
{
    request->timeout_ns = settings->timeout.value;
    request->memory_limit_bytes = settings->memory.value;
    request->output_limit_bytes = settings->output_limit.value;
    request->outputs_limit_bytes = settings->out_max.value;
    request->fuel = settings->fuel.value;
    request->random_seed = settings->seed.value;
    request->clock_start_ns = settings->clock.value;
    request->flags = ADK_REQUEST_CPU_TIME;
    if (settings->seed.given)
        request->flags |= ADK_REQUEST_SEED;
    if (settings->clock.given)
        request->flags |= ADK_REQUEST_CLOCK;
    if (settings->output_policy != NULL && strcmp(settings->output_policy, "stop") == 0)
        request->output_policy = ADK_OUTPUT_STOP;
}

/* FILE, or NULL where -c gave the program. */
static int find_program(const struct cli_run_settings *settings, int argc, char **argv, const char **ret_path,
                        adk_error **ret_error)
{
    const char *input = settings->stdin_path == NULL ? "" : settings->stdin_path;

    *ret_path = NULL;
    if (settings->code != NULL)
        return ADK_OK;
    if (argc == 0)
        return cli_fail(ret_error, ADK_E_INVALID, 0, "run: FILE is missing; see adk-sandbox run --help");
    if (strcmp(argv[0], "-") == 0 && strcmp(input, "-") == 0)
        return cli_fail(ret_error, ADK_E_INVALID, 0, "run: --stdin: \"-\" is already read for the program");
    *ret_path = argv[0];
    return ADK_OK;
}

int cli_run_request(struct cli_run *run, int argc, char **argv, adk_error **ret_error)
{
    const char *path = NULL;
    int used = 0;
    int failed = find_program(&run->settings, argc, argv, &path, ret_error);

    if (failed != ADK_OK)
        return failed;
    used = path == NULL ? 0 : 1;
    set_limits(&run->settings, &run->request);
    set_language(run, path);
    failed = check_runtime(&run->settings, run->request.language, ret_error);
    if (failed != ADK_OK)
        return failed;
    failed = set_args(run, path == NULL ? "-c" : base_name(path), argc - used, argv + used, ret_error);
    if (failed == ADK_OK)
        failed = set_env(run, ret_error);
    if (failed == ADK_OK)
        failed = cli_run_set_files(run, ret_error);
    if (failed == ADK_OK)
        failed = read_code(run, path, ret_error);
    if (failed == ADK_OK)
        failed = read_stdin(run, ret_error);
    return failed;
}
