/*
 * Outcomes in words: for the report, for the original's tool, for the shell, and as advice.
 */
#include "core/result.h"

#include <string.h>

const char *adk_outcome_cstr(adk_outcome outcome)
{
    switch (outcome) {
#define WORD_CASE(name, number, word, status, exit_status) \
    case number:                                           \
        return word;
        ADK_OUTCOME_MAP(WORD_CASE)
#undef WORD_CASE
    default:
        return NULL;
    }
}

const char *adk_outcome_status_cstr(adk_outcome outcome)
{
    switch (outcome) {
#define STATUS_CASE(name, number, word, status, exit_status) \
    case number:                                             \
        return status;
        ADK_OUTCOME_MAP(STATUS_CASE)
#undef STATUS_CASE
    default:
        return NULL;
    }
}

const char *adk_outcome_original_code_cstr(adk_outcome outcome)
{
    switch (outcome) {
    case ADK_OUTCOME_EXITED:
        return NULL;
    case ADK_OUTCOME_TIMED_OUT:
        return "code.sandbox_timeout";
    case ADK_OUTCOME_MEMORY_LIMIT:
        return "code.sandbox_memory";
    default:
        return adk_outcome_cstr(outcome) == NULL ? NULL : "code.sandbox_execution";
    }
}

const char *adk_phase_cstr(adk_phase phase)
{
    switch (phase) {
#define PHASE_CASE(name, number, word) \
    case number:                       \
        return word;
        ADK_PHASE_MAP(PHASE_CASE)
#undef PHASE_CASE
    default:
        return NULL;
    }
}

const char *adk_reason_cstr(adk_reason reason)
{
    switch (reason) {
#define REASON_CASE(name, number, word) \
    case number:                        \
        return word;
        ADK_REASON_MAP(REASON_CASE)
#undef REASON_CASE
    default:
        return NULL;
    }
}

/* A shell sees 8 bits. A code whose low bits are 0 although it is not must not look like success. */
static int low_bits(uint32_t code)
{
    int low = (int)(code & 0xff);

    return low == 0 && code != 0 ? 1 : low;
}

int adk_result_exit_status(const adk_result *result)
{
    switch (result->outcome) {
    case ADK_OUTCOME_EXITED:
        return low_bits(result->code);
    case ADK_OUTCOME_SIGNALED:
        return 128 + (int)(result->code & 0x7f);
#define STATUS_CASE(name, number, word, status, exit_status) \
    case number:                                             \
        if ((exit_status) != 0)                              \
            return (exit_status);                            \
        break;
    default:
        switch (result->outcome) {
            ADK_OUTCOME_MAP(STATUS_CASE)
        default:
            break;
        }
#undef STATUS_CASE
    }
    return 125;
}

static const char *phase_hint(adk_phase phase)
{
    switch (phase) {
    case ADK_PHASE_COMPILE:
        return "The time ran out while the module was compiled: give a longer timeout or a smaller module.";
    case ADK_PHASE_HOST_CALL:
        return "The program was waiting (sleeping, or for its output to be read) when the time ran out: wait less or "
               "give a longer timeout.";
    case ADK_PHASE_QUEUE:
        return "The time ran out before a thread was free: run fewer at once or give a longer timeout.";
    default:
        return "The program was still computing when the time ran out: look for an endless loop or give a longer "
               "timeout.";
    }
}

static const char *reason_hint(adk_reason reason)
{
    switch (reason) {
    case ADK_REASON_MALFORMED:
        return "The code is neither a valid WebAssembly binary nor valid WebAssembly text.";
    case ADK_REASON_UNSUPPORTED_FEATURE:
        return "Compile the program again without that WebAssembly feature, for target wasm32-wasi.";
    case ADK_REASON_MISSING_IMPORT:
        return "Only WASI preview 1 (wasi_snapshot_preview1) can be imported; compile for target wasm32-wasi.";
    case ADK_REASON_NO_ENTRY:
        return "Export a function _start without parameters and results; compile as a command, not as a library.";
    case ADK_REASON_TOO_LARGE:
        return "Give a smaller module.";
    default:
        return NULL;
    }
}

static const char *trap_hint(const char *kind)
{
    if (kind == NULL)
        return NULL;
    if (strcmp(kind, "unreachable") == 0)
        return "The program stopped itself, as after a panic, a failed assertion or abort(): see stderr and the "
               "backtrace.";
    if (strcmp(kind, "stack_overflow") == 0)
        return "The program called itself too deeply: look for recursion without an end.";
    if (strcmp(kind, "memory_out_of_bounds") == 0)
        return "The program used a bad pointer: see the backtrace.";
    return "The program did what WebAssembly forbids: see the backtrace.";
}

const char *adk__result_hint(const adk_result *result)
{
    switch (result->outcome) {
    case ADK_OUTCOME_TRAPPED:
        return trap_hint(result->trap_kind);
    case ADK_OUTCOME_TIMED_OUT:
        return phase_hint(result->phase);
    case ADK_OUTCOME_MEMORY_LIMIT:
        if (result->tables_too_large)
            return "The program's tables are larger than any guest's may be: use smaller ones.";
        return "The program needs more memory than its limit: use less or give a higher memory limit.";
    case ADK_OUTCOME_FUEL_EXHAUSTED:
        return "The program used up its fuel: look for an endless loop or give more fuel.";
    case ADK_OUTCOME_OUTPUT_LIMIT:
        return "The program wrote more than its output limit: write less or give a higher output limit.";
    case ADK_OUTCOME_REJECTED:
        return reason_hint(result->reason);
    default:
        break;
    }
    if (adk_result_stdout(result).truncated || adk_result_stderr(result).truncated)
        return "The output was longer than its limit: its middle is missing.";
    return NULL;
}
