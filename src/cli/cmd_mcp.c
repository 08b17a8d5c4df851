/*
 * `adk-sandbox mcp`: a server of the Model Context Protocol on standard input and output, for agents that start their
 * tools themselves. Nothing but the protocol goes to standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include <adk/sandbox.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/cache.h"
#include "cli/command.h"
#include "cli/compose.h"
#include "cli/escape.h"
#include "cli/mcp_loop.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/report.h"
#include "cli/values.h"

#define MIB           ((uint64_t)1 << 20)
#define THREADS_LEAST 4
#define CALLS_DEFAULT 64 /* what they have captured may wait for a client that does not read */
#define CALLS_MOST    65536
#define MESSAGE_MOST  (ADK_TOOL_ARGUMENTS_MAX_BYTES)
#define SLOTS_MOST    1024

struct mcp_settings {
    const char *modules;
    const char *isolation;
    const char *runtime;
    struct cli_figure timeout;
    struct cli_figure max_timeout;
    struct cli_figure memory;
    struct cli_figure max_memory;
    struct cli_figure output_limit;
    struct cli_figure max_files;
    struct cli_figure max_message;
    struct cli_figure max_calls;
    struct cli_figure threads;
    bool verbose;
    bool help;
};

#define FIELD(name) offsetof(struct mcp_settings, name)

static const struct cli_option options[] = {
    {'\0', "modules", "DIR", CLI_TEXT, FIELD(modules), .help = "callers may run the modules in DIR by name"},
    {'\0', "isolation", "WORD", CLI_TEXT, FIELD(isolation), .check = cli_check_isolation,
     .choices = "wasm wasm+process", .help = "wasm: here; wasm+process: in processes too"},
    {'\0', "runtime", "NAME", CLI_TEXT, FIELD(runtime), .check = cli_check_runtime,
     .choices = "python python-science javascript typescript", .help = "what runs its language: python-science"},
    {'t', "timeout", "TIME", CLI_DURATION, FIELD(timeout), .least = ADK__NS_PER_S, .most = ADK_TOOL_TIMEOUT_MAX_NS,
     .help = "of a call that asks for none; default: 30s"},
    {'\0', "max-timeout", "TIME", CLI_DURATION, FIELD(max_timeout), .least = ADK__NS_PER_S,
     .most = ADK_TOOL_TIMEOUT_MAX_NS, .help = "the most a call gets; default: 5m"},
    {'m', "memory", "SIZE", CLI_SIZE, FIELD(memory), .least = MIB, .most = ADK_MEMORY_LIMIT_MAX_BYTES,
     .help = "of a call that asks for none; default: 64MiB"},
    {'\0', "max-memory", "SIZE", CLI_SIZE, FIELD(max_memory), .least = MIB, .most = ADK_MEMORY_LIMIT_MAX_BYTES,
     .help = "the most a call gets; default: 1GiB"},
    {'\0', "output-limit", "SIZE", CLI_SIZE, FIELD(output_limit), .least = 1, .most = ADK_OUTPUT_LIMIT_MAX_BYTES,
     .help = "what is captured of each stream; default: 1MiB"},
    {'\0', "max-files", "SIZE", CLI_SIZE, FIELD(max_files), .least = 1, .most = ADK_OUTPUTS_LIMIT_MAX_BYTES,
     .help = "files that come back, in all; default: 16MiB"},
    {'\0', "max-message", "SIZE", CLI_SIZE, FIELD(max_message), .least = 1024, .most = MESSAGE_MOST,
     .help = "longest line of the client; default: 16MiB"},
    {'\0', "max-calls", "N", CLI_NUMBER, FIELD(max_calls), .least = 1, .most = CALLS_MOST,
     .help = "calls that run and wait; default: 64"},
    {'\0', "threads", "N", CLI_NUMBER, FIELD(threads), .least = 1, .most = ADK_EXECUTOR_THREADS_MAX,
     .help = "calls that run; default: two for each CPU"},
    {'v', "verbose", NULL, CLI_FLAG, FIELD(verbose), .help = "a line on standard error for each run"},
    {'h', "help", NULL, CLI_FLAG, FIELD(help), .help = "show this"},
};

const struct cli_option_table cli_mcp_table = {"mcp", options, ADK_COUNT(options)};

static const struct cli_help help = {
    &cli_mcp_table,
    "Usage: adk-sandbox mcp [OPTION]...\n"
    "Serve an agent over the Model Context Protocol on standard input and output: the tools sandbox_exec,\n"
    "sandbox_read and sandbox_capabilities. Ends with its input.\n\n",
    "\nExample, in the configuration of a client:\n"
    "  {\"mcpServers\": {\"sandbox\": {\"command\": \"adk-sandbox\", \"args\": [\"mcp\", \"--max-timeout\", "
    "\"60s\"]}}}\n",
};

/* A line is lost rather than that a run waits for somebody to read it: a pipe that is ready has room for one. */
static void tell_line(const char *line, size_t size)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

    (void)pthread_mutex_lock(&mutex);
    if (poll(&fd, 1, 0) == 1 && (fd.revents & POLLOUT) != 0 && write(STDERR_FILENO, line, size) < 0)
        fd.revents = 0; /* nobody is there to be told */
    (void)pthread_mutex_unlock(&mutex);
}

/* Comes from whichever thread. No code, no input, no output. */
static void tell_span(void *data, const adk_span *span)
{
    char line[400];
    const char *outcome = span->error != ADK_OK ? adk_error_name_cstr(span->error) : adk_outcome_cstr(span->outcome);
    int size = snprintf(line, sizeof(line),
                        "adk-sandbox: run backend=%s language=%s outcome=%s exit_code=%" PRIu32 " start_ns=%" PRIu64
                        " duration_ns=%" PRIu64 "%s%s\n",
                        span->backend_cstr, span->language_cstr, outcome == NULL ? "?" : outcome, span->exit_code,
                        span->start_ns, span->duration_ns, span->traceparent_cstr == NULL ? "" : " traceparent=",
                        span->traceparent_cstr == NULL ? "" : span->traceparent_cstr);

    (void)data;
    if (size > 0 && (size_t)size < sizeof(line))
        tell_line(line, (size_t)size);
}

/* ---- what a session works with ------------------------------------------------------------------------------------ */

struct server {
    struct mcp_settings settings;
    adk_backend *backend;
    adk_tool *tool;
    adk_executor *executor;
    adk_cancel *cancel;
    mcp_session *session;
    struct cli_signals signals;
};

static uint32_t thread_count(const struct mcp_settings *settings)
{
    cpu_set_t cpus;
    uint32_t count = THREADS_LEAST;

    if (settings->threads.given)
        return (uint32_t)settings->threads.value;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > THREADS_LEAST / 2)
        count = 2 * (uint32_t)CPU_COUNT(&cpus);
    return count > ADK_EXECUTOR_THREADS_MAX ? ADK_EXECUTOR_THREADS_MAX : count;
}

static int make_backend(struct server *server, adk_error **ret_error)
{
    adk_wasm_options wasm = ADK_WASM_OPTIONS_INIT;
    uint32_t threads = thread_count(&server->settings);

    wasm.slots = threads < SLOTS_MOST ? threads : SLOTS_MOST;
    return cli_cache_backend(&wasm, server->settings.isolation, server->settings.runtime, 0, &server->backend,
                             ret_error);
}

/* What a call gets that asks for nothing may not be more than what any call gets. */
static int check_default(const char *name, const struct cli_figure *given, const struct cli_figure *ceiling,
                         uint64_t ceiling_default, const char *(*to_text)(uint64_t value, char text[CLI_FIGURE_SIZE]),
                         adk_error **ret_error)
{
    uint64_t most = ceiling->given ? ceiling->value : ceiling_default;
    char value[CLI_FIGURE_SIZE];
    char bound[CLI_FIGURE_SIZE];

    if (!given->given || given->value <= most)
        return ADK_OK;
    return cli_fail(ret_error, ADK_E_INVALID, 0,
                    "mcp: --%s: \"%s\" must be at most %s, which no call gets more than: --max-%s raises it", name,
                    to_text(given->value, value), to_text(most, bound), name);
}

static int check_modules(const char *path, adk_error **ret_error)
{
    ADK_AUTO_CLOSE int fd = path == NULL ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = errno;
    struct cli_name shown;

    if (path == NULL || fd >= 0)
        return ADK_OK;
    return cli_fail(ret_error, cli_code_of_path_error(failed), failed, "mcp: --modules: cannot open \"%s\": %s",
                    cli_name_cstr(path, &shown), strerror(failed));
}

static int check(const struct mcp_settings *s, adk_error **ret_error)
{
    int failed = check_default("timeout", &s->timeout, &s->max_timeout, ADK_TOOL_TIMEOUT_MAX_DEFAULT_NS,
                               cli_duration_to_text, ret_error);

    if (failed == ADK_OK)
        failed = check_default("memory", &s->memory, &s->max_memory, ADK_TOOL_MEMORY_MAX_DEFAULT_BYTES,
                               cli_size_to_text, ret_error);
    return failed == ADK_OK ? check_modules(s->modules, ret_error) : failed;
}

static int make_tool(struct server *server, adk_error **ret_error)
{
    const struct mcp_settings *s = &server->settings;
    adk_tool_options tool = ADK_TOOL_OPTIONS_INIT;

    tool.languages = cli_installed_languages(server->settings.runtime);
    tool.modules_cstr = s->modules;
    tool.timeout_default_ns = s->timeout.value;
    tool.timeout_max_ns = s->max_timeout.value;
    tool.memory_default_bytes = s->memory.value;
    tool.memory_max_bytes = s->max_memory.value;
    tool.output_limit_bytes = s->output_limit.value;
    tool.files_max_bytes = s->max_files.value;
    tool.arguments_max_bytes = s->max_message.value;
    return adk_tool_new(server->backend, &tool, &server->tool, ret_error);
}

static int make_executor(struct server *server, adk_error **ret_error)
{
    adk_executor_options executor = ADK_EXECUTOR_OPTIONS_INIT;

    executor.threads = thread_count(&server->settings);
    executor.queue_length = (uint32_t)server->settings.max_calls.value;
    return adk_executor_new(&executor, &server->executor, ret_error);
}

static int make(struct server *server, adk_error **ret_error)
{
    int failed = check(&server->settings, ret_error);

    if (failed == ADK_OK)
        failed = adk_cancel_new(&server->cancel, ret_error);
    if (failed == ADK_OK)
        failed = cli_signals_start(&server->signals, server->cancel, ret_error);
    if (failed == ADK_OK)
        failed = make_backend(server, ret_error);
    if (failed == ADK_OK)
        failed = make_tool(server, ret_error);
    if (failed == ADK_OK)
        failed = make_executor(server, ret_error);
    return failed;
}

static int serve(struct server *server, adk_error **ret_error, int *ret_status)
{
    struct mcp_options session = {
        .on_trace = server->settings.verbose ? tell_span : NULL,
        .calls_most = (uint32_t)server->settings.max_calls.value,
        .line_most = server->settings.max_message.value,
    };
    struct cli_mcp loop = {.signals = &server->signals, .line_most = server->settings.max_message.value};
    int failed = make(server, ret_error);

    if (failed != ADK_OK)
        return failed;
    session.tool = server->tool;
    session.executor = server->executor;
    session.cancel = server->cancel;
    if (mcp_session_new(&session, &server->session) != ADK_OK)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    loop.session = server->session;
    loop.executor = server->executor;
    loop.cancel = server->cancel;
    if (isatty(STDIN_FILENO) == 1)
        cli_message("mcp: an agent is expected on standard input; Ctrl-D ends this, adk-sandbox mcp --help says more");
    *ret_status = cli_mcp_serve(&loop);
    return ADK_OK;
}

static void dispose(struct server *server)
{
    cli_signals_run_over(&server->signals);
    if (server->executor != NULL)
        adk_executor_close(server->executor, ADK_SHUTDOWN_CANCEL);
    cli_signals_stop(&server->signals);
    mcp_session_free(server->session);
    adk_executor_free(server->executor, ADK_SHUTDOWN_CANCEL);
    adk_tool_free(server->tool);
    adk_backend_free(server->backend);
    adk_cancel_free(server->cancel);
}

int cli_cmd_mcp(int argc, char **argv)
{
    struct server server = {
        .signals = CLI_SIGNALS_INIT,
        .settings.max_calls.value = CALLS_DEFAULT,
        .settings.max_message.value = ADK_TOOL_ARGUMENTS_DEFAULT_BYTES,
    };
    adk_error *error = NULL;
    int first = 0;
    int status = CLI_EXIT_OK;
    int failed = cli_options_parse(&cli_mcp_table, argc, argv, &server.settings, &first, &error);

    if (failed == ADK_OK && server.settings.help)
        return cli_put_help(&help);
    if (failed == ADK_OK)
        failed = cli_options_end(&cli_mcp_table, argc, argv, first, &error);
    if (failed == ADK_OK)
        failed = serve(&server, &error, &status);
    dispose(&server);
    return failed == ADK_OK ? status : cli_tell_error(error, false);
}
