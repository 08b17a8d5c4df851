/*
 * How a run ended, told to a person on standard error or to a machine as JSON. Everything that may come from the guest
 * is escaped, also where the library has done so: this is the last gate before a terminal.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/values.h"

#define FRAMES_MAX 16

/* What is said of an outcome: ": " and a word, ": " and a text, where there are any. */
static void tell_detail(const char *what, const char *word, adk_bytes text)
{
    struct cli_text shown;

    cli_message("%s%s%s%s%s", what, word == NULL ? "" : ": ", word == NULL ? "" : word, text.size == 0 ? "" : ": ",
                cli_text(text, &shown));
}

static void tell_frames(const adk_result *result)
{
    size_t count = 0;
    const adk_frame *frames = adk_result_backtrace(result, &count);
    struct cli_name name;

    for (size_t i = 0; i < count && i < FRAMES_MAX; i++) {
        const char *shown = frames[i].function_name.size == 0 ? "?" : cli_name(frames[i].function_name, &name);

        if (frames[i].module_offset == UINT64_MAX)
            cli_message_more("  %zu: %s (function %" PRIu32 ")", i, shown, frames[i].function_index);
        else
            cli_message_more("  %zu: %s (function %" PRIu32 ", offset 0x%" PRIx64 ")", i, shown,
                             frames[i].function_index, frames[i].module_offset);
    }
    if (count > FRAMES_MAX)
        cli_message_more("  and %zu more", count - FRAMES_MAX);
}

static void tell_trap(const adk_result *result, const char *what)
{
    adk_bytes kind = adk_result_trap_kind(result);
    struct cli_name name;

    tell_detail(what, kind.size == 0 ? NULL : cli_name(kind, &name), adk_result_trap_message(result));
    tell_frames(result);
}

/* " in run", for the phase in which a run was stopped. */
static const char *in_phase(const adk_result *result, char text[CLI_FIGURE_SIZE])
{
    const char *phase = adk_phase_cstr(adk_result_phase(result));

    (void)snprintf(text, CLI_FIGURE_SIZE, "%s%s", phase == NULL ? "" : " in ", phase == NULL ? "" : phase);
    return text;
}

/* With the trap, where a refused growth led to one. Tables have a limit of their own, of which the library tells. */
static void tell_memory_limit(const adk_result *result, const adk_limits *limits)
{
    adk_bytes message = adk_result_message(result);
    char what[4 * CLI_FIGURE_SIZE];
    char size[CLI_FIGURE_SIZE];

    if (memmem(message.data, message.size, "tables", 6) != NULL)
        (void)snprintf(what, sizeof(what), "%.*s", (int)message.size, (const char *)message.data);
    else
        (void)snprintf(what, sizeof(what), "memory limit of %s exceeded",
                       cli_size_to_text(limits->memory_limit_bytes, size));
    tell_trap(result, what);
}

/* Of a run that did not come to an end of its own: one line. */
static void tell_stopped(const adk_result *result, const adk_limits *limits)
{
    char figure[CLI_FIGURE_SIZE];
    char phase[CLI_FIGURE_SIZE];

    switch (adk_result_outcome(result)) {
    case ADK_OUTCOME_TIMED_OUT:
        cli_message("timed out after %s%s", cli_duration_to_text(limits->timeout_ns, figure), in_phase(result, phase));
        return;
    case ADK_OUTCOME_FUEL_EXHAUSTED:
        cli_message("fuel exhausted after %" PRIu64 " units%s", limits->fuel, in_phase(result, phase));
        return;
    case ADK_OUTCOME_OUTPUT_LIMIT:
        cli_message("stopped at the output limit of %s", cli_size_to_text(limits->output_limit_bytes, figure));
        return;
    case ADK_OUTCOME_CANCELLED:
        cli_message("cancelled%s", in_phase(result, phase));
        return;
    default:
        cli_message("died by signal %" PRIu32, adk_result_exit_code(result));
    }
}

/* `briefly`: what the summary says is left to it. */
static void tell_outcome(const adk_result *result, bool briefly)
{
    adk_limits limits = ADK_LIMITS_INIT;

    adk_result_limits(result, &limits);
    switch (adk_result_outcome(result)) {
    case ADK_OUTCOME_EXITED:
        return;
    case ADK_OUTCOME_TIMED_OUT:
    case ADK_OUTCOME_FUEL_EXHAUSTED:
    case ADK_OUTCOME_OUTPUT_LIMIT:
    case ADK_OUTCOME_CANCELLED:
    case ADK_OUTCOME_SIGNALED:
        if (!briefly)
            tell_stopped(result, &limits);
        return;
    case ADK_OUTCOME_TRAPPED:
        tell_trap(result, "trapped");
        return;
    case ADK_OUTCOME_MEMORY_LIMIT:
        tell_memory_limit(result, &limits);
        return;
    default:
        tell_detail(adk_outcome_cstr(adk_result_outcome(result)), adk_reason_cstr(adk_result_reason(result)),
                    adk_result_message(result));
        return;
    }
}

static const char *cache_word(adk_cache_state cache)
{
    static const char *const words[] = {"none", "hit", "disk", "miss"};

    return cache < ADK_COUNT(words) ? words[cache] : "unknown";
}

/* "exited with 3 after ", or "took ": how the line with the figures begins. */
static const char *lead_in(const adk_result *result, char text[2 * CLI_FIGURE_SIZE])
{
    if (adk_result_outcome(result) != ADK_OUTCOME_EXITED)
        return "took ";
    (void)snprintf(text, (size_t)2 * CLI_FIGURE_SIZE, "exited with %" PRIu32 " after ", adk_result_exit_code(result));
    return text;
}

static void tell_usage(const adk_result *result)
{
    adk_usage usage = ADK_USAGE_INIT;
    char total[CLI_FIGURE_SIZE], compile[CLI_FIGURE_SIZE], instantiate[CLI_FIGURE_SIZE], run[CLI_FIGURE_SIZE];
    char cpu[CLI_FIGURE_SIZE], memory[CLI_FIGURE_SIZE];
    char lead[2 * CLI_FIGURE_SIZE];
    char fuel[2 * CLI_FIGURE_SIZE] = "";

    adk_result_usage(result, &usage);
    if ((usage.measured & ADK_USAGE_FUEL) != 0)
        (void)snprintf(fuel, sizeof(fuel), ", fuel %" PRIu64, usage.fuel);
    cli_message("%s%s: compile %s, instantiate %s, run %s; cpu %s, peak memory %s, growths denied %" PRIu64
                ", host calls %" PRIu64 "%s, cache %s",
                lead_in(result, lead), cli_duration_to_short_text(usage.duration_ns, total),
                cli_duration_to_short_text(usage.compile_ns, compile),
                cli_duration_to_short_text(usage.instantiate_ns, instantiate),
                cli_duration_to_short_text(usage.run_ns, run),
                (usage.measured & ADK_USAGE_CPU) != 0 ? cli_duration_to_short_text(usage.cpu_ns, cpu) : "unknown",
                cli_size_to_text(usage.memory_peak_bytes, memory), usage.memory_denied, usage.host_calls, fuel,
                cache_word(usage.cache));
}

static void tell_dropped(const struct cli_stream *stream, const char *name)
{
    char limit[CLI_FIGURE_SIZE];

    if (stream->dropped_bytes > 0)
        cli_message("%s cut at %s: %" PRIu64 " bytes dropped", name, cli_size_to_text(stream->limit_bytes, limit),
                    stream->dropped_bytes);
}

/* The exit status that a stream which could not be written asks for; 0 where all is well. */
static int tell_failed_stream(const struct cli_stream *stream, const char *name)
{
    if (stream->failed == 0)
        return 0;
    if (stream->failed == EPIPE)
        return CLI_EXIT_READER_GONE;
    cli_message("cannot write %s: %s", name, strerror(stream->failed));
    return CLI_EXIT_FAILED;
}

/* The exit status of files that came back and could not be written; 0 where all is well. */
static int tell_save_error(struct cli_run *run)
{
    if (run->save_failed == ADK_OK)
        return 0;
    return cli_tell_error(adk__take_ptr(run->save_error), run->settings.json);
}

/* Whether anything is to be said at all. */
static bool has_messages(const struct cli_run *run)
{
    return adk_result_outcome(run->result) != ADK_OUTCOME_EXITED || cli_run_summarises(run) || run->settings.verbose ||
           run->notes.count > 0 || run->save_failed != ADK_OK || run->streams.out.dropped_bytes > 0 ||
           run->streams.err.dropped_bytes > 0;
}

/* The exit status that the streams ask for; 0 where all is well, and then how the run ended has been told. */
static int tell_run(struct cli_run *run)
{
    int failed = tell_failed_stream(&run->streams.out, "standard output");

    if (failed == 0)
        failed = tell_failed_stream(&run->streams.err, "standard error");
    if (failed != 0)
        return failed;
    tell_outcome(run->result, cli_run_summarises(run));
    tell_dropped(&run->streams.out, "standard output");
    tell_dropped(&run->streams.err, "standard error");
    return 0;
}

/* Somebody's script, most likely. */
static void tell_guess(const struct cli_run *run)
{
    struct cli_name shown;

    if (run->guessed == NULL || adk_result_reason(run->result) != ADK_REASON_MALFORMED)
        return;
    cli_message("\"%s\" was taken for WebAssembly: --language names another", cli_name_cstr(run->guessed, &shown));
}

int cli_run_tell(struct cli_run *run)
{
    int failed = 0;
    int save_failed = 0;

    cli_streams_finish(&run->streams, has_messages(run));
    failed = tell_run(run);
    if (failed == 0)
        tell_guess(run);
    cli_notes_tell(&run->notes);
    save_failed = tell_save_error(run);
    if (failed == 0 && run->settings.verbose)
        tell_usage(run->result);
    if (failed == 0 && cli_run_summarises(run))
        cli_run_summary(run);
    if (save_failed != 0)
        return save_failed;
    return failed != 0 ? failed : adk_result_exit_status(run->result);
}

int cli_run_report(struct cli_run *run)
{
    adk_error *error = NULL;
    char *text = NULL;
    int status = 0;
    adk_report_options options = ADK_REPORT_OPTIONS_INIT;

    options.flags = isatty(STDOUT_FILENO) ? ADK_REPORT_ASCII : 0;
    if (run->save_failed != ADK_OK)
        options.output_error_cstr = adk_error_message_cstr(run->save_error);
    if (adk_report_json(run->result, &options, &text, &error) != ADK_OK)
        return cli_tell_error(error, true);
    status = cli_put_report(text);
    adk_free(text);
    if (status == 0)
        status = run->save_failed == ADK_OK ? adk_result_exit_status(run->result)
                                            : cli_exit_status_of_error(run->save_failed);
    adk_error_free(adk__take_ptr(run->save_error));
    return status;
}
