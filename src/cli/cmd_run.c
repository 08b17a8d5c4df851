/*
 * `adk-sandbox run`: one program, one run. This file has the options and the order of things; the pieces are beside
 * it (run.h).
 */
#include <string.h>

#include "base/cleanup.h"
#include "cli/cache.h"
#include "cli/command.h"
#include "cli/compose.h"
#include "cli/message.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/run_files.h"
#include "cli/run_outputs.h"

#define TIMEOUT_DEFAULT_NS UINT64_C(30000000000)

#define FIELD(name) offsetof(struct cli_run_settings, name)

static const struct cli_option options[] = {
    {'c', "code", "CODE", CLI_TEXT, FIELD(code), .ends_options = true,
     .help = "run CODE instead of a file; ends the options"},
    {'l', "language", "WORD", CLI_TEXT, FIELD(language), .check = cli_run_check_language,
     .choices = "wasm rust python javascript typescript command",
     .help = "wasm, python, ...; default: by the file's ending"},
    {'\0', "runtime", "NAME", CLI_TEXT, FIELD(runtime), .check = cli_check_runtime,
     .choices = "python python-science javascript typescript", .help = "what runs the language: python-science"},
    {'t', "timeout", "TIME", CLI_DURATION, FIELD(timeout), .least = 1,
     .help = "deadline: 1ns 5us 500ms 2s 1m; default: 30s"},
    {'m', "memory", "SIZE", CLI_SIZE, FIELD(memory), .least = 1, .most = ADK_MEMORY_LIMIT_MAX_BYTES,
     .help = "memory limit; default: 64MiB or the language's own"},
    {'e', "env", "NAME=VALUE", CLI_LIST, FIELD(env), .check = cli_run_check_env,
     .help = "set a variable for the guest; repeatable"},
    {'i', "stdin", "FILE|-", CLI_TEXT, FIELD(stdin_path), .help = "the guest's standard input; default: empty"},
    {'f', "file", "GUEST=HOST", CLI_LIST, FIELD(files), .check = cli_run_check_file,
     .help = "copy a file or directory in; repeatable"},
    {'o', "out", "GUEST=HOST", CLI_LIST, FIELD(outs), .check = cli_run_check_out,
     .help = "bring a file, directory or * back; repeatable"},
    {'\0', "out-max", "SIZE", CLI_SIZE, FIELD(out_max), .least = 1, .most = ADK_OUTPUTS_LIMIT_MAX_BYTES,
     .help = "what --out may bring in all; default: 64MiB"},
    {'\0', "output-limit", "SIZE", CLI_SIZE, FIELD(output_limit), .least = 1, .most = ADK_OUTPUT_LIMIT_MAX_BYTES,
     .help = "what each stream may bring; --json: 1MiB"},
    {'\0', "output-policy", "WORD", CLI_TEXT, FIELD(output_policy), .check = cli_run_check_output_policy,
     .choices = "truncate stop", .help = "beyond it: truncate (default) or stop"},
    {'\0', "fuel", "N", CLI_NUMBER, FIELD(fuel), .least = 1, .help = "stop after N units of work"},
    {'\0', "seed", "N", CLI_NUMBER, FIELD(seed), .help = "random numbers are a stream from N"},
    {'\0', "clock", "TIME", CLI_TIME, FIELD(clock), .help = "clocks are virtual, from RFC 3339 TIME or ns"},
    {'\0', "isolation", "WORD", CLI_TEXT, FIELD(isolation), .check = cli_check_isolation,
     .choices = "wasm wasm+process", .help = "wasm: here; wasm+process: in a process too"},
    {'\0', "json", NULL, CLI_FLAG, FIELD(json), .help = "print a report, one JSON object, nothing else"},
    {'\0', "trace", "FILE|-", CLI_TEXT, FIELD(trace_path), .help = "append the run's span, a line of JSON"},
    {'v', "verbose", NULL, CLI_FLAG, FIELD(verbose), .help = "say what the run used"},
    {'h', "help", NULL, CLI_FLAG, FIELD(help), .help = "show this"},
};

const struct cli_option_table cli_run_table = {"run", options, ADK_COUNT(options)};

static const struct cli_help help = {
    &cli_run_table,
    "Usage: adk-sandbox run [OPTION]... FILE|- [ARG]...   or: ... -c CODE [ARG]...\n"
    "Run a program that nobody has reviewed, within limits. Options end at FILE.\n\n",
    "Examples:\n"
    "  adk-sandbox run -t 500ms -f /in.csv=data.csv -o /out=results stats.wasm\n"
    "  adk-sandbox run --json --seed 7 --clock 2024-01-01T00:00:00Z - < hello.wat\n",
};

static int make_backend(struct cli_run *run, adk_error **ret_error)
{
    adk_wasm_options wasm = ADK_WASM_OPTIONS_INIT;

    wasm.slots = 1;
    wasm.cache_modules = 1;
    return cli_cache_backend(&wasm, run->settings.isolation, run->settings.runtime, ADK_RUNTIME_ONCE, &run->backend,
                             ret_error);
}

/*
 * A signal came while the input was still being read. The run takes place all the same, with its cancellation fired,
 * so that it is reported like any other; where there is no program yet, an empty one stands in.
 */
static void make_interrupted_request(struct cli_run *run)
{
    if (run->request.code.size == 0)
        run->request.code = adk_bytes_from_cstr("(module (func (export \"_start\")))");
}

/* The program is compiled: what comes now is its own. */
static void end_progress(void *data, uint32_t phase)
{
    (void)phase;
    cli_progress_stop(data);
}

static int execute_request(struct cli_run *run, const char *name, adk_error **ret_error)
{
    int failed = ADK_OK;

    cli_trace_attach(&run->trace, &run->request);
    if (!run->settings.json && cli_progress_start(&run->progress, "compiling", name)) {
        run->request.on_phase = end_progress;
        run->request.phase_data = &run->progress;
    }
    failed = adk_backend_execute(run->backend, &run->request, run->cancel, &run->result, ret_error);
    cli_progress_stop(&run->progress);
    return failed;
}

/* From settings to result. */
static int execute(struct cli_run *run, int argc, char **argv, adk_error **ret_error)
{
    int failed = adk_cancel_new(&run->cancel, ret_error);

    if (failed != ADK_OK)
        return failed;
    failed = cli_signals_start(&run->signals, run->cancel, ret_error);
    if (failed != ADK_OK)
        return failed;
    cli_streams_open(&run->streams, run->settings.output_limit.value, run->signals.wake_fd);
    if (run->settings.trace_path != NULL)
        failed = cli_trace_open(&run->trace, run->settings.trace_path, ret_error);
    if (failed == ADK_OK)
        failed = cli_run_request(run, argc, argv, ret_error);
    if (failed == CLI_INTERRUPTED)
        make_interrupted_request(run);
    else if (failed != ADK_OK)
        return failed;
    failed = make_backend(run, ret_error);
    if (failed == ADK_OK)
        failed = cli_run_check_backend(run, ret_error);
    if (failed != ADK_OK)
        return failed;
    if (!run->settings.json)
        cli_streams_attach(&run->streams, &run->request);
    return execute_request(run, argc > 0 && run->settings.code == NULL ? argv[0] : "-c", ret_error);
}

/* Brings the files back, however the run ended. */
static void save(struct cli_run *run)
{
    struct cli_files files = {0};
    int complete = 1;

    files.items = adk_result_files(run->result, &files.count, &complete);
    files.complete = complete != 0;
    run->save_failed = cli_files_save(&run->settings.outs, &files, &run->notes, &run->save_error);
}

static void dispose(struct cli_run *run)
{
    cli_signals_stop(&run->signals);
    cli_streams_close(&run->streams);
    cli_trace_close(&run->trace);
    adk_result_free(run->result);
    adk_backend_free(run->backend);
    adk_cancel_free(run->cancel);
    cli_list_free(&run->settings.env);
    cli_list_free(&run->settings.files);
    cli_list_free(&run->settings.outs);
    cli_notes_free(&run->notes);
    adk_error_free(run->save_error); /* nobody came to tell it */
    free(run->code.data);
    free(run->input.data);
    free(run->env);
    free(run->args);
    free(run->files);
    free(run->outputs);
}

/* The exit status: that of the run, unless its trace could not be written, which even a report cannot hold. */
static int put_trace(struct cli_run *run, int status)
{
    adk_error *error = NULL;

    if (cli_trace_write(&run->trace, &error) == ADK_OK)
        return status;
    return cli_tell_error(error, false);
}

static int run_and_tell(struct cli_run *run, int argc, char **argv)
{
    adk_error *error = NULL;
    int failed = execute(run, argc, argv, &error);
    int status = 0;

    cli_signals_run_over(&run->signals);
    if (failed != ADK_OK)
        return put_trace(run, cli_tell_error(error, run->settings.json));
    save(run);
    status = run->settings.json ? cli_run_report(run) : cli_run_tell(run);
    return put_trace(run, status);
}

int cli_cmd_run(int argc, char **argv)
{
    struct cli_run run = {
        .request = ADK_REQUEST_INIT,
        .signals = CLI_SIGNALS_INIT,
        .trace = CLI_TRACE_INIT,
        .settings.timeout.value = TIMEOUT_DEFAULT_NS,
        .streams = {.out.writer.own_fd = -1, .err.writer.own_fd = -1},
    };
    adk_error *error = NULL;
    int first = 0;
    int status = 0;
    int failed = cli_options_parse(&cli_run_table, argc, argv, &run.settings, &first, &error);

    if (failed != ADK_OK)
        status = cli_tell_error(error, cli_options_have_flag(&cli_run_table, argc, argv, "json"));
    else if (run.settings.help)
        status = cli_put_help(&help);
    else
        status = run_and_tell(&run, argc - first, argv + first);
    dispose(&run);
    return status;
}
