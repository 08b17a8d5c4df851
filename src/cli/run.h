/*
 * The command `run`, in pieces: settings (cmd_run.c) become a request (run_request.c, run_files.c), which gives a result,
 * of which files are saved (run_outputs.c) and the rest is told (run_report.c).
 */
#ifndef ADK_CLI_RUN_H
#define ADK_CLI_RUN_H

#include <stdbool.h>

#include <adk/sandbox.h>

#include "cli/input.h"
#include "cli/notes.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/run_streams.h"
#include "cli/run_trace.h"
#include "cli/signals.h"

/** What the command line says. Texts are borrowed from argv. */
struct cli_run_settings {
    const char *code;
    const char *language;
    const char *runtime;
    const char *stdin_path;
    const char *output_policy;
    const char *trace_path;
    const char *isolation;
    struct cli_list env;
    struct cli_list files;
    struct cli_list outs;
    struct cli_figure timeout;
    struct cli_figure memory;
    struct cli_figure output_limit;
    struct cli_figure out_max;
    struct cli_figure fuel;
    struct cli_figure seed;
    struct cli_figure clock;
    bool json;
    bool verbose;
    bool help;
};

/** A run and all it owns; zero to begin with, but for the signals and the trace. */
struct cli_run {
    struct cli_run_settings settings;
    adk_request request;
    struct cli_input code;
    struct cli_input input;
    adk_env *env;
    adk_bytes *args;
    adk_file *files;
    adk_bytes *outputs;
    adk_cancel *cancel;
    adk_backend *backend;
    adk_result *result;
    const char *guessed;    /* the program, where neither --language nor its ending said what it is; else NULL */
    struct cli_notes notes; /* on what did not come back */
    int save_failed;        /* ADK_OK, or why something that came back could not be written */
    adk_error *save_error;
    struct cli_signals signals;
    struct cli_streams streams;
    struct cli_trace trace;
    struct cli_progress progress;
};

/** What is wrong with a text given to -e, -l, --output-policy; NULL where nothing is. */
const char *cli_run_check_env(const char *text);
const char *cli_run_check_language(const char *text);
const char *cli_run_check_output_policy(const char *text);

/**
 * Fills run->request from run->settings and the arguments: FILE and what follows, or, with code given, the guest's
 * arguments alone. Reads the files, so it may return CLI_INTERRUPTED.
 */
int cli_run_request(struct cli_run *run, int argc, char **argv, adk_error **ret_error);

/** ADK_E_INVALID where the backend does not run the request's language at all. */
int cli_run_check_backend(const struct cli_run *run, adk_error **ret_error);

/** Sets the request's files and outputs, after a look at the host's side of them: part of cli_run_request(). */
int cli_run_set_files(struct cli_run *run, adk_error **ret_error);

/** Says how the run ended, without --json; the streams are finished with. Returns the exit status. */
int cli_run_tell(struct cli_run *run);

/** Whether that ends with a summary: on a terminal, for a run that did not simply succeed. Then cli_run_summary() writes it. */
bool cli_run_summarises(const struct cli_run *run);
void cli_run_summary(const struct cli_run *run);

/** The same as a report. */
int cli_run_report(struct cli_run *run);

#endif
