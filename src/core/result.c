/*
 * The result object: made by a backend, filled once, immutable from then on.
 */
#include "core/result.h"

#include <string.h>

#include "base/text.h"
#include "core/error.h"
#include "core/struct_size.h"

int adk_result_new(const adk_request *request, adk_result **ret_result, adk_error **ret_error)
{
    adk_result *result = malloc(sizeof(*result)); /* not calloc(): glibc's does not take from the thread's cache */
    adk_limits *limits;

    if (result == NULL)
        return adk__fail_nomem(ret_error);
    memset(result, 0, sizeof(*result));
    limits = &result->limits;
    limits->struct_size = sizeof(*limits);
    limits->timeout_ns = request->timeout_ns;
    limits->memory_limit_bytes = request->memory_limit_bytes;
    limits->output_limit_bytes = request->output_limit_bytes;
    limits->output_policy = request->output_policy;
    limits->fuel = request->fuel;
    limits->random_seed = request->random_seed;
    limits->clock_start_ns = request->clock_start_ns;
    limits->flags = request->flags;
    result->usage.struct_size = sizeof(result->usage);
    result->message.max = ADK__MESSAGE_MAX * 4 + 8; /* escaping makes four bytes of one */
    result->trap_message.max = ADK__MESSAGE_MAX * 4 + 8;
    result->frame_names.max = (size_t)1 << 20;
    for (int i = 0; i < 2; i++)
        adk__capture_init(&result->output[i], (size_t)request->output_limit_bytes);
    *ret_result = result;
    return ADK_OK;
}

void adk_result_free(adk_result *result)
{
    if (result == NULL)
        return;
    adk__buf_free(&result->message);
    adk__buf_free(&result->trap_message);
    adk__buf_free(&result->frame_names);
    free(result->frames);
    for (size_t i = 0; i < result->file_count; i++) {
        free((void *)(uintptr_t)result->files[i].path.data);
        free((void *)(uintptr_t)result->files[i].content.data);
    }
    free(result->files);
    adk__capture_free(&result->output[0]);
    adk__capture_free(&result->output[1]);
    free(result);
}

int adk__result_message(adk_result *result, const char *format, ...)
{
    va_list args;
    int failed;

    result->message.size = 0;
    va_start(args, format);
    failed = adk__buf_vprintf(&result->message, format, args);
    va_end(args);
    return failed ? ADK_E_NOMEM : ADK_OK;
}

/* As the original writes them: 30s, 500ms, 1.5s. */
int adk__result_timed_out_message(adk_result *result)
{
    static const struct {
        uint64_t ns;
        const char *unit;
    } units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "µs"}, {1, "ns"}};
    uint64_t ns = result->limits.timeout_ns;
    char fraction[16];
    size_t i = 0;
    size_t digits;

    while (i < ADK_COUNT(units) - 1 && ns < units[i].ns)
        i++;
    digits = (size_t)snprintf(fraction, sizeof(fraction), "%09llu",
                              (unsigned long long)(ns % units[i].ns * (1000000000 / units[i].ns)));
    while (digits > 0 && fraction[digits - 1] == '0')
        digits--;
    return adk__result_message(result, "execution timed out after %llu%s%.*s%s", (unsigned long long)(ns / units[i].ns),
                               digits > 0 ? "." : "", (int)digits, fraction, units[i].unit);
}

static void set_label(char label[ADK__LABEL_MAX], const char *text)
{
    size_t size = strnlen(text, ADK__LABEL_MAX - 1);

    memcpy(label, text, size);
    label[size] = '\0';
}

void adk__result_seal(adk_result *result, const char *backend, const char *language, const char *isolation)
{
    for (int i = 0; i < 2 && !result->is_sealed; i++) {
        const uint8_t *tail;
        size_t size;

        adk__capture_finish(&result->output[i], &tail, &size);
        result->tail[i] = adk_bytes_make(tail, size);
    }
    result->is_sealed = true;
    set_label(result->backend, backend);
    set_label(result->language, language);
    set_label(result->isolation, isolation);
}

int adk_result_set_outcome(adk_result *result, adk_outcome outcome, adk_phase phase, adk_reason reason, uint32_t code,
                           adk_bytes message)
{
    if ((message.data == NULL && message.size > 0) || adk_outcome_cstr(outcome) == NULL ||
        (phase != ADK_PHASE_NONE && adk_phase_cstr(phase) == NULL) ||
        (reason != ADK_REASON_NONE && adk_reason_cstr(reason) == NULL))
        return ADK_E_INVALID;
    result->message.size = 0;
    if (adk__text_append_escaped(&result->message, message.data, message.size, ADK__MESSAGE_MAX) != 0)
        return ADK_E_NOMEM;
    result->outcome = outcome;
    result->phase = phase;
    result->reason = reason;
    result->code = code;
    return ADK_OK;
}

int adk_result_set_usage(adk_result *result, const adk_usage *usage)
{
    return adk__struct_read(&result->usage, sizeof(result->usage), usage) ? ADK_OK : ADK_E_INVALID;
}

int adk_result_append_output(adk_result *result, int stream, adk_bytes bytes)
{
    if (stream != 1 && stream != 2)
        return ADK_E_INVALID;
    return adk__capture_append(&result->output[stream - 1], bytes.data, bytes.size) == 0 ? ADK_OK : ADK_E_NOMEM;
}

adk_outcome adk_result_outcome(const adk_result *result)
{
    return result->outcome;
}

adk_phase adk_result_phase(const adk_result *result)
{
    return result->phase;
}

uint32_t adk_result_exit_code(const adk_result *result)
{
    return result->code;
}

adk_reason adk_result_reason(const adk_result *result)
{
    return result->reason;
}

adk_bytes adk_result_message(const adk_result *result)
{
    return adk_bytes_make(result->message.data, result->message.size);
}

adk_bytes adk_result_trap_kind(const adk_result *result)
{
    return adk_bytes_from_cstr(result->trap_kind);
}

adk_bytes adk_result_trap_message(const adk_result *result)
{
    return adk_bytes_make(result->trap_message.data, result->trap_message.size);
}

const adk_frame *adk_result_backtrace(const adk_result *result, size_t *ret_count)
{
    *ret_count = result->frame_count;
    return result->frames;
}

static adk_output output_of(const adk_result *result, int stream)
{
    const adk__capture *capture = &result->output[stream];
    adk_output output = {adk_bytes_make(capture->head.data, capture->head.size), result->tail[stream], capture->written,
                         capture->written > capture->head.size, 0};

    return output;
}

adk_output adk_result_stdout(const adk_result *result)
{
    return output_of(result, 0);
}

adk_output adk_result_stderr(const adk_result *result)
{
    return output_of(result, 1);
}

const adk_file_out *adk_result_files(const adk_result *result, size_t *ret_count, int *ret_complete)
{
    *ret_count = result->file_count;
    if (ret_complete != NULL)
        *ret_complete = !result->files_incomplete;
    return result->files;
}

void adk_result_usage(const adk_result *result, adk_usage *ret_usage)
{
    adk__struct_write(ret_usage, &result->usage, sizeof(result->usage));
}

void adk_result_limits(const adk_result *result, adk_limits *ret_limits)
{
    adk__struct_write(ret_limits, &result->limits, sizeof(result->limits));
}
