/*
 * The last line on a terminal when a run did not simply succeed: how it ended, at a glance, with what it took.
 *
 *     ✗ timed out after 2s in run · 3.1 MiB peak
 *
 * Every word in it is ours or has been escaped.
 */
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/message.h"
#include "cli/run.h"
#include "cli/values.h"

#define WORDS_MAX (4 * CLI_FIGURE_SIZE + CLI_NAME_MAX)

/* Whether the terminal shows more than ASCII, by the variables that say so, in the order in which they count. */
static bool shows_unicode(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < ADK_COUNT(names); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && *value != '\0')
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

/* "3.1 MiB": a figure to be read, not to be given back to an option. */
static const char *rounded(uint64_t bytes, char text[CLI_FIGURE_SIZE])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;

    for (; value >= 1024 && unit + 1 < ADK_COUNT(units); unit++)
        value /= 1024;
    (void)snprintf(text, CLI_FIGURE_SIZE, "%.*f %s", value < 100 && unit > 0 ? 1 : 0, value, units[unit]);
    return text;
}

/* How it ended, in a few words; what can be said without a time or a limit is the library's own word. */
static void describe(const adk_result *result, char words[WORDS_MAX])
{
    adk_limits limits = ADK_LIMITS_INIT;
    const char *reason = adk_reason_cstr(adk_result_reason(result));
    char figure[CLI_FIGURE_SIZE];
    struct cli_name kind;

    adk_result_limits(result, &limits);
    switch (adk_result_outcome(result)) {
    case ADK_OUTCOME_EXITED:
        (void)snprintf(words, WORDS_MAX, "exited with %" PRIu32, adk_result_exit_code(result));
        break;
    case ADK_OUTCOME_TRAPPED:
        (void)snprintf(words, WORDS_MAX, "trapped: %s", cli_name(adk_result_trap_kind(result), &kind));
        break;
    case ADK_OUTCOME_TIMED_OUT:
        (void)snprintf(words, WORDS_MAX, "timed out after %s", cli_duration_to_text(limits.timeout_ns, figure));
        break;
    case ADK_OUTCOME_MEMORY_LIMIT:
        (void)snprintf(words, WORDS_MAX, "memory limit of %s exceeded",
                       cli_size_to_text(limits.memory_limit_bytes, figure));
        break;
    case ADK_OUTCOME_FUEL_EXHAUSTED:
        (void)snprintf(words, WORDS_MAX, "fuel exhausted after %" PRIu64 " units", limits.fuel);
        break;
    case ADK_OUTCOME_OUTPUT_LIMIT:
        (void)snprintf(words, WORDS_MAX, "stopped at the output limit of %s",
                       cli_size_to_text(limits.output_limit_bytes, figure));
        break;
    case ADK_OUTCOME_SIGNALED:
        (void)snprintf(words, WORDS_MAX, "died by signal %" PRIu32, adk_result_exit_code(result));
        break;
    default:
        (void)snprintf(words, WORDS_MAX, "%s%s%s", adk_outcome_cstr(adk_result_outcome(result)),
                       reason == NULL ? "" : ": ", reason == NULL ? "" : reason);
    }
}

bool cli_run_summarises(const struct cli_run *run)
{
    bool succeeded = adk_result_outcome(run->result) == ADK_OUTCOME_EXITED && adk_result_exit_code(run->result) == 0;

    return run->streams.err.terminal && !succeeded;
}

void cli_run_summary(const struct cli_run *run)
{
    const char *phase = adk_phase_cstr(adk_result_phase(run->result));
    const char *dot = shows_unicode() ? "\u00b7" : "-";
    const char *cross = shows_unicode() ? "\u2717" : "x";
    adk_usage usage = ADK_USAGE_INIT;
    char words[WORDS_MAX], took[CLI_FIGURE_SIZE], peak[CLI_FIGURE_SIZE];
    bool colour = cli_has_colour();
    bool timed_out = adk_result_outcome(run->result) == ADK_OUTCOME_TIMED_OUT;

    adk_result_usage(run->result, &usage);
    describe(run->result, words);
    /* Of one that timed out the deadline has been named, which is as long as it took. */
    cli_message_more("%s%s%s %s%s%s%s%s %s %s peak", colour ? "\033[1;31m" : "", cross, colour ? "\033[0m" : "", words,
                     phase == NULL ? "" : " in ", phase == NULL ? "" : phase, timed_out ? "" : " after ",
                     timed_out ? "" : cli_duration_to_short_text(usage.duration_ns, took), dot,
                     rounded(usage.memory_peak_bytes, peak));
}
