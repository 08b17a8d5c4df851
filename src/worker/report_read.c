/*
 * The library's side of a report. The process that wrote it is gone, and may have been anybody's: each number is checked
 * against what it can be at all, each size against what is left, each text made harmless once more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/error.h"
#include "core/result.h"
#include "wasm/ending.h"
#include "worker/exchange.h"

/* Escaped text is at most this long, and escaping it again changes nothing. */
#define TEXT_MAX   (ADK__MESSAGE_MAX * 4 + 8)
#define FRAMES_MAX 64
#define NAMES_MAX  (FRAMES_MAX * (4 * ADK__NAME_SHOWN + 16))
/* Of the tree's paths, and the slash before them. */
#define PATH_BYTES_MAX (ADK__VFS_PATH_MAX + 1)

struct reader {
    const uint8_t *at;
    uint64_t left;
};

/* NULL where there is less. */
static const void *take(struct reader *r, uint64_t size)
{
    const void *at = r->at;

    if (size > r->left)
        return NULL;
    r->at += size;
    r->left -= size;
    return at;
}

/* All of a range of the file. Returns 0 or an errno value. */
static int read_range(int fd, uint64_t at, void *to, uint64_t size)
{
    uint8_t *into = to;

    while (size > 0) {
        ssize_t got = pread(fd, into, (size_t)size, (off_t)at);

        if (got == 0)
            return EIO;
        if (got < 0 && errno != EINTR)
            return errno;
        if (got > 0) {
            into += got;
            at += (uint64_t)got;
            size -= (uint64_t)got;
        }
    }
    return 0;
}

/* ---- output -------------------------------------------------------------------------------------------------------- */

/* Returns 0 or an errno value. */
static int read_output(int fd, const adk__exchange_layout *layout, int stream, uint64_t written, bool stops,
                       adk__capture *capture)
{
    uint64_t limit = layout->output_limit;
    uint64_t head = written < limit ? written : limit;
    int failed;

    if (adk__buf_reserve(&capture->head, (size_t)head) != 0)
        return ENOMEM;
    failed = read_range(fd, layout->output_at[stream], capture->head.data, head);
    if (failed)
        return failed;
    capture->head.size = (size_t)head;
    capture->written = written;
    if (written == head || stops)
        return 0;
    capture->tail = calloc(1, ADK__CAPTURE_TAIL_BYTES);
    if (capture->tail == NULL)
        return ENOMEM;
    return read_range(fd, layout->output_at[stream] + limit, capture->tail, ADK__CAPTURE_TAIL_BYTES);
}

/* ---- parts --------------------------------------------------------------------------------------------------------- */

/* 1: taken, 0: makes no sense, -ENOMEM. */
static int take_text(struct reader *r, uint64_t size, adk__buf *to)
{
    const void *text = take(r, size);

    if (text == NULL || size > TEXT_MAX)
        return 0;
    to->max = (size_t)4 * TEXT_MAX; /* of one that was not as it should be */
    to->size = 0;
    return adk__text_append_escaped(to, text, (size_t)size, TEXT_MAX) == 0 ? 1 : -ENOMEM;
}

static int name_frames(adk_result *result, const adk__exchange_frame *records, const uint8_t *names, uint64_t size)
{
    uint64_t at = 0;

    for (size_t i = 0; i < result->frame_count; i++) {
        uint64_t length = records[i].name_bytes;

        if (length > size - at || !adk__utf8_valid(names + at, (size_t)length))
            return 0;
        result->frames[i] =
            (adk_frame){adk_bytes_make(length == 0 ? NULL : result->frame_names.data + at, (size_t)length),
                        records[i].function_index, 0, records[i].module_offset};
        at += length;
    }
    return 1;
}

static int take_frames(struct reader *r, const adk__exchange_report *report, adk_result *result)
{
    adk__exchange_frame records[FRAMES_MAX];
    const void *from;
    const uint8_t *names;
    adk__buf clean;
    size_t size;
    int taken;

    if (report->frame_count > FRAMES_MAX || report->frame_names_bytes > NAMES_MAX)
        return 0;
    size = (size_t)report->frame_count * sizeof(*records);
    from = take(r, size);
    names = take(r, report->frame_names_bytes);
    if (from == NULL || names == NULL)
        return 0;
    if (size == 0)
        return 1;
    memcpy(records, from, size);
    result->frames = calloc((size_t)report->frame_count, sizeof(*result->frames));
    if (result->frames == NULL || adk__buf_append(&result->frame_names, names, (size_t)report->frame_names_bytes) != 0)
        return -ENOMEM;
    /* What escaping would change is not what an honest run sends. */
    clean = (adk__buf)ADK__BUF_INIT((size_t)4 * NAMES_MAX);
    taken = adk__text_append_escaped(&clean, names, (size_t)report->frame_names_bytes, SIZE_MAX) != 0 ? -ENOMEM
            : clean.size != report->frame_names_bytes                                                 ? 0
                                                                                                      : 1;
    adk__buf_free(&clean);
    result->frame_count = (size_t)report->frame_count;
    return taken > 0 ? name_frames(result, records, names, report->frame_names_bytes) : taken;
}

static bool is_file(const adk__exchange_file *record, const adk_request *request)
{
    return record->type >= ADK_FILE_REGULAR && record->type <= ADK_FILE_SYMLINK && record->truncated <= 1 &&
           record->output < request->outputs_count && record->path_bytes > 0 && record->path_bytes <= PATH_BYTES_MAX &&
           record->content_bytes <= record->size_bytes &&
           record->truncated == (record->content_bytes < record->size_bytes);
}

/* Absolute, and as the run's tree has them: whoever puts the files somewhere may rely on it that no name leads out. */
static bool is_plain_path(const char *path, size_t size)
{
    const char *end = path + size;

    if (*path != '/' || memchr(path, 0, size) != NULL)
        return false;
    for (const char *name = path + 1; size > 1 && name <= end;) {
        const char *slash = name == end ? NULL : memchr(name, '/', (size_t)(end - name));
        size_t length = (size_t)((slash == NULL ? end : slash) - name);

        if (length == 0 || length > ADK__VFS_NAME_MAX || (length == 1 && name[0] == '.') ||
            (length == 2 && name[0] == '.' && name[1] == '.'))
            return false;
        name += length + 1;
    }
    return true;
}

static int copy(struct reader *r, uint64_t size, adk_bytes *ret_copy)
{
    const void *from = take(r, size);
    void *to;

    if (from == NULL)
        return 0;
    if (size == 0)
        return 1;
    to = malloc((size_t)size);
    if (to == NULL)
        return -ENOMEM;
    memcpy(to, from, (size_t)size);
    *ret_copy = adk_bytes_make(to, (size_t)size);
    return 1;
}

static int take_file(struct reader *r, const adk__exchange_file *record, const adk_request *request, adk_result *result)
{
    adk_file_out *file = &result->files[result->file_count];
    int taken;

    if (!is_file(record, request))
        return 0;
    *file = (adk_file_out){.size_bytes = record->size_bytes,
                           .type = record->type,
                           .truncated = record->truncated,
                           .output = record->output};
    result->file_count++;
    taken = copy(r, record->path_bytes, &file->path);
    if (taken > 0 && !is_plain_path(file->path.data, file->path.size))
        taken = 0;
    return taken > 0 ? copy(r, record->content_bytes, &file->content) : taken;
}

static int take_files(struct reader *r, const adk__exchange_report *report, const adk_request *request,
                      adk_result *result)
{
    uint64_t left_bytes = request->outputs_limit_bytes;
    const uint8_t *records;
    int taken = 1;

    if (report->file_count > ADK_FILES_MAX || report->files_incomplete > 1)
        return 0;
    result->files_incomplete = report->files_incomplete != 0;
    records = take(r, report->file_count * sizeof(adk__exchange_file));
    if (records == NULL)
        return 0;
    if (report->file_count == 0)
        return 1;
    result->files = calloc((size_t)report->file_count, sizeof(*result->files));
    if (result->files == NULL)
        return -ENOMEM;
    result->file_capacity = (size_t)report->file_count;
    for (size_t i = 0; i < report->file_count && taken > 0; i++) {
        adk__exchange_file record;

        memcpy(&record, records + i * sizeof(record), sizeof(record));
        taken = record.content_bytes > left_bytes ? 0 : take_file(r, &record, request, result);
        left_bytes -= taken > 0 ? record.content_bytes : 0;
    }
    return taken;
}

/* ---- the report ---------------------------------------------------------------------------------------------------- */

/* Whether a run that stopped so could have: what the library knows by itself is not left to the report. */
static bool may_have_ended_so(const adk__exchange_report *report, const adk__exchange_wish *wish)
{
    const adk_request *request = wish->request;

    switch (report->outcome) {
    case ADK_OUTCOME_CANCELLED:
        return wish->was_cancelled;
    case ADK_OUTCOME_TIMED_OUT:
        return wish->is_late;
    case ADK_OUTCOME_FUEL_EXHAUSTED:
        return request->fuel != 0;
    case ADK_OUTCOME_OUTPUT_LIMIT:
        return request->output_policy == ADK_OUTPUT_STOP;
    default:
        return report->outcome <= ADK_OUTCOME_REJECTED;
    }
}

/* Phase, reason, trap, code and message against the outcome, as every result of ours has them. */
static bool contradicts_itself(const adk__exchange_report *report)
{
    bool has_trap = report->trap_kind[0] != '\0';
    bool has_exited = report->outcome == ADK_OUTCOME_EXITED;
    bool was_rejected = report->outcome == ADK_OUTCOME_REJECTED;

    return has_exited != (report->message_bytes == 0) || (has_exited && report->phase != ADK_PHASE_NONE) ||
           (report->code != 0 && !has_exited) || was_rejected != (report->reason != ADK_REASON_NONE) ||
           (has_trap != (report->outcome == ADK_OUTCOME_TRAPPED) && report->outcome != ADK_OUTCOME_MEMORY_LIMIT) ||
           ((report->frame_count != 0 || report->trap_message_bytes != 0) && !has_trap) ||
           (!has_exited && !was_rejected && report->phase == ADK_PHASE_NONE);
}

static bool is_sound(const adk__exchange_report *report, const adk__exchange_wish *wish)
{
    return may_have_ended_so(report, wish) && !contradicts_itself(report) &&
           (report->phase == ADK_PHASE_NONE || adk_phase_cstr(report->phase) != NULL) &&
           (report->reason == ADK_REASON_NONE || adk_reason_cstr(report->reason) != NULL) &&
           report->tables_too_large <= 1;
}

static uint64_t at_most(uint64_t figure, uint64_t most)
{
    return figure < most ? figure : most;
}

/* Nothing took longer than the whole, or more than there was; an image may have more than its run was given. */
static void take_figures(const adk__exchange_report *report, const adk__exchange_wish *wish, adk_result *result)
{
    const adk_request *request = wish->request;
    bool is_over = report->outcome == ADK_OUTCOME_MEMORY_LIMIT;
    uint64_t most_bytes = is_over ? UINT64_MAX : request->memory_limit_bytes;

    result->outcome = report->outcome;
    result->phase = report->phase;
    result->reason = report->reason;
    result->code = report->code;
    result->tables_too_large = report->tables_too_large != 0;
    result->usage.compile_ns += at_most(report->load_ns, wish->elapsed_ns);
    result->usage.instantiate_ns = at_most(report->instantiate_ns, wish->elapsed_ns);
    result->usage.run_ns = at_most(report->run_ns, wish->elapsed_ns);
    result->usage.memory_peak_bytes = at_most(report->memory_peak_bytes, most_bytes);
    result->usage.memory_denied = report->memory_denied;
    result->usage.fuel = at_most(report->fuel, request->fuel);
    result->usage.host_calls = report->host_calls;
    result->usage.measured |= report->measured & ADK_USAGE_FUEL;
}

static int take_parts(struct reader *r, const adk__exchange_report *report, const adk_request *request,
                      adk_result *result)
{
    int taken = take_text(r, report->message_bytes, &result->message);

    if (taken > 0)
        taken = take_text(r, report->trap_message_bytes, &result->trap_message);
    if (taken > 0)
        taken = take_frames(r, report, result);
    return taken > 0 ? take_files(r, report, request, result) : taken;
}

/* What was taken of a report that turned out to make no sense is dropped again. */
static void forget_parts(adk_result *result)
{
    result->message.size = 0;
    result->trap_message.size = 0;
    result->frame_names.size = 0;
    free(result->frames);
    result->frames = NULL;
    result->frame_count = 0;
    for (size_t i = 0; i < result->file_count; i++) {
        free((void *)(uintptr_t)result->files[i].path.data);
        free((void *)(uintptr_t)result->files[i].content.data);
    }
    free(result->files);
    result->files = NULL;
    result->file_count = 0;
    result->file_capacity = 0;
}

static int take_failure(const adk__exchange_report *report, struct reader *r, adk_error **ret_error)
{
    adk__buf text = ADK__BUF_INIT(TEXT_MAX * 4);
    int taken = take_text(r, report->message_bytes, &text);
    int status = report->status;

    if (status != ADK_E_NOMEM && status != ADK_E_SYSTEM && status != ADK_E_INVALID)
        status = ADK_E_INTERNAL; /* others say something of the library, or of its callers */
    if (taken < 0 || status == ADK_E_NOMEM)
        status = adk__fail_nomem(ret_error);
    else
        status = adk__fail(ret_error, status, 0, "%.*s", (int)text.size, (const char *)text.data);
    adk__buf_free(&text);
    return status;
}

/* The report's parts, copied once, so that they are the same at every look. */
static int read_report(const adk__exchange_wish *wish, const adk__exchange_report *report, adk_result *result,
                       adk__exchange_found *ret_found, adk_error **ret_error)
{
    ADK_AUTO_FREE uint8_t *parts = NULL;
    struct reader r = {NULL, report->parts_bytes};
    int taken;

    if (report->parts_bytes > wish->layout->parts_max)
        return ADK_OK;
    parts = malloc((size_t)report->parts_bytes + 1);
    if (parts == NULL)
        return adk__fail_nomem(ret_error);
    taken = read_range(wish->fd, wish->layout->parts_at, parts, report->parts_bytes);
    if (taken != 0)
        return adk__fail(ret_error, ADK_E_SYSTEM, taken, "read a run's report");
    r.at = parts;
    if (report->status != ADK_OK) {
        *ret_found = ADK__EXCHANGE_FAILURE;
        return take_failure(report, &r, ret_error);
    }
    if (!is_sound(report, wish))
        return ADK_OK;
    taken = take_parts(&r, report, wish->request, result);
    if (taken < 0)
        return adk__fail_nomem(ret_error);
    if (taken > 0)
        take_figures(report, wish, result);
    else
        forget_parts(result);
    if (taken > 0 && report->trap_kind[0] != '\0')
        result->trap_kind = adk__ending_kind(report->trap_kind, sizeof(report->trap_kind));
    if (taken > 0)
        *ret_found = ADK__EXCHANGE_REPORT;
    return ADK_OK;
}

int adk__exchange_read(const adk__exchange_wish *wish, adk_result *result, adk__exchange_found *ret_found,
                       adk_error **ret_error)
{
    bool stops = wish->request->output_policy == ADK_OUTPUT_STOP;
    adk__exchange_head head;
    int failed = read_range(wish->fd, 0, &head, sizeof(head));
    uint32_t phase;

    *ret_found = ADK__EXCHANGE_NOTHING;
    for (int i = 0; i < 2 && !failed; i++)
        failed = read_output(wish->fd, wish->layout, i, atomic_load(&head.written[i]), stops, &result->output[i]);
    if (failed == ENOMEM)
        return adk__fail_nomem(ret_error);
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "read a run's output");
    phase = atomic_load(&head.phase);
    result->phase = adk_phase_cstr(phase) == NULL ? ADK_PHASE_INSTANTIATE : phase;
    if (result->phase == ADK_PHASE_RUN && atomic_load(&head.waits) != 0)
        result->phase = ADK_PHASE_HOST_CALL;
    if (!wish->with_report || head.report.done != ADK__EXCHANGE_DONE)
        return ADK_OK;
    return read_report(wish, &head.report, result, ret_found, ret_error);
}
