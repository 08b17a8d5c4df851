/*
 * The run's side of a report: what the result holds, laid out among the exchange's parts.
 */
#include <string.h>

#include "core/error.h"
#include "core/result.h"
#include "worker/exchange.h"

struct parts {
    uint8_t *at;
    uint64_t left;
};

/* Whether it was there to be written: what does not fit is left out. */
static bool put(struct parts *parts, const void *data, size_t size)
{
    if (size > parts->left)
        return false;
    if (size > 0)
        memcpy(parts->at, data, size);
    parts->at += size;
    parts->left -= size;
    return true;
}

static struct parts parts_of(adk__exchange_head *head)
{
    return (struct parts){(uint8_t *)head + head->layout.parts_at, head->layout.parts_max};
}

static void put_frames(struct parts *parts, const adk_result *result, adk__exchange_report *report)
{
    for (size_t i = 0; i < result->frame_count; i++) {
        const adk_frame *frame = &result->frames[i];
        const adk__exchange_frame record = {frame->function_name.size, frame->module_offset, frame->function_index, 0};

        if (!put(parts, &record, sizeof(record)))
            return;
        report->frame_count++;
    }
    if (put(parts, result->frame_names.data, result->frame_names.size))
        report->frame_names_bytes = result->frame_names.size;
}

/* Records first, then names and content; as many files as fit. */
static void put_files(struct parts *parts, const adk_result *result, adk__exchange_report *report)
{
    uint64_t needed = 0;
    size_t count = 0;

    for (; count < result->file_count; count++) {
        const adk_file_out *file = &result->files[count];
        uint64_t more = sizeof(adk__exchange_file) + file->path.size + file->content.size;

        if (more > parts->left - needed)
            break;
        needed += more;
    }
    report->files_incomplete = result->files_incomplete || count < result->file_count;
    report->file_count = count;
    for (size_t i = 0; i < count; i++) {
        const adk_file_out *file = &result->files[i];
        const adk__exchange_file record = {
            file->path.size, file->content.size, file->size_bytes, file->type, file->truncated, file->output, 0};

        (void)put(parts, &record, sizeof(record));
    }
    for (size_t i = 0; i < count; i++) {
        (void)put(parts, result->files[i].path.data, result->files[i].path.size);
        (void)put(parts, result->files[i].content.data, result->files[i].content.size);
    }
}

static void set_figures(const adk_result *result, adk__exchange_report *report)
{
    report->outcome = result->outcome;
    report->phase = result->phase;
    report->reason = result->reason;
    report->code = result->code;
    report->measured = result->usage.measured;
    report->tables_too_large = result->tables_too_large;
    report->instantiate_ns = result->usage.instantiate_ns;
    report->run_ns = result->usage.run_ns;
    report->memory_peak_bytes = result->usage.memory_peak_bytes;
    report->memory_denied = result->usage.memory_denied;
    report->fuel = result->usage.fuel;
    report->host_calls = result->usage.host_calls;
    if (result->trap_kind != NULL)
        (void)strncpy(report->trap_kind, result->trap_kind, ADK__EXCHANGE_KIND_MAX - 1);
}

/* The library reads it when this process has ended, so that the order of the writes is nobody's concern but ours. */
static void finish(adk__exchange_head *head, const struct parts *parts, adk__exchange_report *report)
{
    report->parts_bytes = head->layout.parts_max - parts->left;
    report->done = 0;
    head->report = *report;
    atomic_signal_fence(memory_order_release);
    head->report.done = ADK__EXCHANGE_DONE;
}

void adk__exchange_finish(adk__exchange_head *head, const adk_result *result, uint64_t load_ns)
{
    struct parts parts = parts_of(head);
    adk__exchange_report report = {.load_ns = load_ns};

    set_figures(result, &report);
    if (put(&parts, result->message.data, result->message.size))
        report.message_bytes = result->message.size;
    if (put(&parts, result->trap_message.data, result->trap_message.size))
        report.trap_message_bytes = result->trap_message.size;
    put_frames(&parts, result, &report);
    put_files(&parts, result, &report);
    finish(head, &parts, &report);
}

void adk__exchange_fail(adk__exchange_head *head, int status, const adk_error *error)
{
    struct parts parts = parts_of(head);
    const char *message = error == NULL ? "" : adk_error_message_cstr(error);
    adk__exchange_report report = {.status = status, .failure = adk_error_system(error)};

    if (put(&parts, message, strlen(message)))
        report.message_bytes = strlen(message);
    finish(head, &parts, &report);
}
