/*
 * Outcomes. The cause is a flag in the run's state, and the first one wins: what comes back from the engine after a
 * proc_exit, a failing epoch callback or a full output is an error without a code, and says nothing.
 */
#include "wasm/ending.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/error.h"
#include "core/result.h"
#include "wasm/module.h"

#define FRAMES_MAX 64

/* ---- traps -------------------------------------------------------------------------------------------------------- */

static const struct {
    uint8_t code;
    const char *kind;
} trap_kinds[] = {
    {WASMTIME_TRAP_CODE_STACK_OVERFLOW, "stack_overflow"},
    {WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS, "memory_out_of_bounds"},
    {WASMTIME_TRAP_CODE_HEAP_MISALIGNED, "heap_misaligned"},
    {WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS, "table_out_of_bounds"},
    {WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL, "indirect_call_to_null"},
    {WASMTIME_TRAP_CODE_BAD_SIGNATURE, "bad_signature"},
    {WASMTIME_TRAP_CODE_INTEGER_OVERFLOW, "integer_overflow"},
    {WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO, "integer_division_by_zero"},
    {WASMTIME_TRAP_CODE_BAD_CONVERSION_TO_INTEGER, "bad_conversion_to_integer"},
    {WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED, "unreachable"},
    {WASMTIME_TRAP_CODE_INTERRUPT, "interrupt"},
    {WASMTIME_TRAP_CODE_OUT_OF_FUEL, "out_of_fuel"},
    {WASMTIME_TRAP_CODE_NULL_REFERENCE, "null_reference"},
    {WASMTIME_TRAP_CODE_ARRAY_OUT_OF_BOUNDS, "array_out_of_bounds"},
    {WASMTIME_TRAP_CODE_ALLOCATION_TOO_LARGE, "allocation_too_large"},
    {WASMTIME_TRAP_CODE_CAST_FAILURE, "cast_failure"},
};

static const char *trap_kind(uint8_t code)
{
    for (size_t i = 0; i < ADK_COUNT(trap_kinds); i++) {
        if (trap_kinds[i].code == code)
            return trap_kinds[i].kind;
    }
    return "unknown";
}

const char *adk__ending_kind(const char *word, size_t size)
{
    static const char *const others[] = {"host", "uncaught_exception"};
    size_t length = strnlen(word, size);

    for (size_t i = 0; i < ADK_COUNT(others); i++) {
        if (length == strlen(others[i]) && memcmp(word, others[i], length) == 0)
            return others[i];
    }
    for (size_t i = 0; i < ADK_COUNT(trap_kinds); i++) {
        if (strlen(trap_kinds[i].kind) == length && memcmp(trap_kinds[i].kind, word, length) == 0)
            return trap_kinds[i].kind;
    }
    return "unknown";
}

/* The name goes to frame_names now, and the view of it is made when that no longer moves. */
static int add_frame(adk_result *result, const adk_engine_split *split, const wasm_frame_t *frame)
{
    const wasm_name_t *name = wasmtime_frame_func_name(frame);
    adk_frame *to = &result->frames[result->frame_count];
    size_t at = result->frame_names.size;
    size_t offset = wasm_frame_module_offset(frame);
    bool is_known = split->is_exact && offset != SIZE_MAX && offset >= split->code_shift;

    if (name != NULL && adk__text_append_escaped(&result->frame_names, name->data, name->size, ADK__NAME_SHOWN) != 0)
        return ADK_E_NOMEM;
    to->function_name = adk_bytes_make(NULL, result->frame_names.size - at);
    to->function_index = wasm_frame_func_index(frame);
    to->module_offset = is_known ? offset - split->code_shift : UINT64_MAX;
    result->frame_count++;
    return ADK_OK;
}

/* Without the frame of a helper, which does a bulk instruction in pieces: what has trapped is the instruction. */
static int set_backtrace(const adk__run *run, const wasmtime_error_t *error)
{
    const adk_engine_split *split = &run->module->split;
    adk_result *result = run->result;
    wasm_frame_vec_t trace;
    size_t count;
    size_t first = 0;
    size_t at = 0;
    int status = ADK_OK;

    wasmtime_error_wasm_trace(error, &trace);
    if (trace.size > 0 && wasm_frame_func_index(trace.data[0]) >= split->first_helper)
        first = 1;
    count = trace.size - first < FRAMES_MAX ? trace.size - first : FRAMES_MAX;
    if (count > 0) {
        result->frames = calloc(count, sizeof(*result->frames));
        status = result->frames == NULL ? ADK_E_NOMEM : ADK_OK;
    }
    for (size_t i = 0; i < count && status == ADK_OK; i++)
        status = add_frame(result, split, trace.data[first + i]);
    for (size_t i = 0; i < result->frame_count; i++) {
        if (result->frames[i].function_name.size == 0)
            continue; /* and where no frame has a name, there are no names to point into */
        result->frames[i].function_name.data = result->frame_names.data + at;
        at += result->frames[i].function_name.size;
    }
    wasm_frame_vec_delete(&trace);
    return status;
}

static int set_trap(const adk__run *run, const char *kind, const wasmtime_error_t *error)
{
    adk_result *result = run->result;
    wasm_byte_vec_t text;
    int failed;

    result->trap_kind = kind;
    adk_engine_error_text(error, &text);
    failed = adk__text_append_escaped(&result->trap_message, text.data, text.size, ADK__MESSAGE_MAX);
    wasm_byte_vec_delete(&text);
    if (failed)
        return ADK_E_NOMEM;
    return set_backtrace(run, error);
}

/* ---- outcomes ----------------------------------------------------------------------------------------------------- */

static int end(adk_result *result, adk_outcome outcome, adk_phase phase)
{
    result->outcome = outcome;
    result->phase = phase;
    return ADK_OK;
}

static int memory_message(const adk__run *run)
{
    adk_result *result = run->result;
    uint64_t limit = result->limits.memory_limit_bytes;

    result->tables_too_large = run->budget.tables_refused;
    if (result->tables_too_large)
        return adk__result_message(result, "memory limit exceeded: tables may have %d elements together",
                                   ADK__TABLE_ELEMENTS_GRANTED);

    if (limit % ((uint64_t)1 << 20) == 0)
        return adk__result_message(result, "memory limit exceeded: %llu MB", (unsigned long long)(limit >> 20));
    return adk__result_message(result, "memory limit exceeded: %llu bytes", (unsigned long long)limit);
}

static int end_by_cause(adk__run *run, const wasmtime_error_t *error, adk_error **ret_error)
{
    adk_result *result = run->result;

    switch (run->cause) {
    case ADK__CAUSE_EXIT:
        result->code = run->exit_code;
        return end(result, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    case ADK__CAUSE_DEADLINE:
        (void)end(result, ADK_OUTCOME_TIMED_OUT, run->stopped_phase);
        return adk__result_timed_out_message(result);
    case ADK__CAUSE_CANCEL:
        (void)end(result, ADK_OUTCOME_CANCELLED, run->stopped_phase);
        return adk__result_message(result, "cancelled");
    case ADK__CAUSE_MEMORY:
        (void)end(result, ADK_OUTCOME_MEMORY_LIMIT, run->stopped_phase);
        return memory_message(run);
    case ADK__CAUSE_OUTPUT_LIMIT:
        (void)end(result, ADK_OUTCOME_OUTPUT_LIMIT, run->stopped_phase);
        return adk__result_message(result, "output limit exceeded: %llu bytes",
                                   (unsigned long long)result->limits.output_limit_bytes);
    case ADK__CAUSE_HOST_TRAP:
        (void)end(result, ADK_OUTCOME_TRAPPED, run->stopped_phase);
        if (error != NULL && set_trap(run, "host", error) != ADK_OK)
            return ADK_E_NOMEM;
        return adk__result_message(result, "a host function stopped the guest");
    default:
        return adk__fail_nomem(ret_error);
    }
}

/* The budget explains a trap only if its last answer was no, and the guest stopped as one does that gives up. */
static bool is_for_want_of_memory(const adk__budget *budget, uint8_t trap)
{
    return budget->last_growth_refused &&
           (trap == WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED || trap == WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS ||
            trap == WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS);
}

static int end_by_trap(adk__run *run, uint8_t trap, const wasmtime_error_t *error)
{
    adk_result *result = run->result;
    int status;

    if (trap == WASMTIME_TRAP_CODE_OUT_OF_FUEL) {
        (void)end(result, ADK_OUTCOME_FUEL_EXHAUSTED, run->phase);
        return adk__result_message(result, "fuel exhausted: %llu units", (unsigned long long)result->limits.fuel);
    }
    status = set_trap(run, trap_kind(trap), error);
    if (status != ADK_OK)
        return status;
    if (is_for_want_of_memory(&run->budget, trap)) {
        (void)end(result, ADK_OUTCOME_MEMORY_LIMIT, run->phase);
        return memory_message(run);
    }
    (void)end(result, ADK_OUTCOME_TRAPPED, run->phase);
    return adk__result_message(result, "%.*s", (int)result->trap_message.size, (const char *)result->trap_message.data);
}

/* What no function of the guest's caught, of those few modules that may throw. */
static int end_by_exception(adk__run *run, const wasmtime_error_t *error)
{
    (void)end(run->result, ADK_OUTCOME_TRAPPED, run->phase);
    if (set_trap(run, "uncaught_exception", error) != ADK_OK)
        return ADK_E_NOMEM;
    return adk__result_message(run->result, "an exception that nothing caught");
}

int adk__ending_set(adk__run *run, wasmtime_error_t *error, adk_error **ret_error)
{
    uint8_t trap = 0;
    uint32_t kind;
    int status;

    if (run->cause != ADK__CAUSE_NONE) {
        status = end_by_cause(run, error, ret_error);
    } else if (error == NULL) {
        status = end(run->result, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    } else {
        kind = adk_engine_error_kind(error, &trap);
        if (kind == ADK_ENGINE_TRAP) {
            status = end_by_trap(run, trap, error);
        } else if (kind == ADK_ENGINE_TEXT && run->budget.last_growth_refused) {
            (void)end(run->result, ADK_OUTCOME_MEMORY_LIMIT, run->phase); /* the module's own minimum */
            status = memory_message(run);
        } else if (kind == ADK_ENGINE_TEXT && (run->module->flavour & ADK__FLAVOUR_INSTALLED) != 0) {
            status = end_by_exception(run, error);
        } else {
            return adk__engine_fail(ret_error, ADK_E_SYSTEM, "run a module", error);
        }
    }
    if (error != NULL)
        wasmtime_error_delete(error);
    return status == ADK_E_NOMEM ? adk__fail_nomem(ret_error) : status;
}
