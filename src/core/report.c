/*
 * The report: the one place that knows its JSON. docs/report.schema.json is its description; keep the two in step.
 */
#include "core/report.h"

#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/result.h"
#include "core/struct_size.h"

#define FIRST_ROOM_BYTES ((size_t)1000) /* a usual report; below what malloc() tidies up for */

static void free_json(json_t *json)
{
    json_decref(json);
}
ADK_DEFINE_AUTO(json_t, free_json);

/*
 * This takes the value also on failure, and fails on NULL: a chain of these needs one check. Keys are ours, and text has
 * been checked before it becomes a string: jansson need not look at either again.
 */
static int set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new_nocheck(object, key, value);
}

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *number_if(bool known, uint64_t value)
{
    return known ? number(value) : json_null();
}

static json_t *escaped(adk_bytes bytes)
{
    adk__buf buf = ADK__BUF_INIT(bytes.size * 4 + 8);
    json_t *json = NULL;

    if (adk__text_append_escaped(&buf, bytes.data, bytes.size, bytes.size) == 0)
        json = json_stringn((const char *)buf.data, buf.size);
    adk__buf_free(&buf);
    return json;
}

/* Whatever is not UTF-8 by the time it comes here is written escaped, rather than not at all. */
json_t *adk__report_text(adk_bytes bytes)
{
    if (bytes.size == 0)
        return json_string("");
    return adk__utf8_valid(bytes.data, bytes.size) ? json_stringn_nocheck(bytes.data, bytes.size) : escaped(bytes);
}

static json_t *text(adk_bytes bytes)
{
    return adk__report_text(bytes);
}

static json_t *word(const char *of)
{
    return of == NULL ? json_null() : text(adk_bytes_from_cstr(of));
}

static json_t *text_or_null(adk_bytes bytes)
{
    return bytes.size == 0 ? json_null() : text(bytes);
}

/* 64 bits do not survive most JSON readers. */
static json_t *number_text(bool known, uint64_t value)
{
    return known ? json_sprintf("%llu", (unsigned long long)value) : json_null();
}

json_t *adk__report_base64(adk_bytes bytes)
{
    size_t size = sodium_base64_encoded_len(bytes.size, sodium_base64_VARIANT_ORIGINAL);
    ADK_AUTO_FREE char *encoded = malloc(size);

    if (encoded == NULL)
        return NULL;
    (void)sodium_bin2base64(encoded, size, bytes.data, bytes.size, sodium_base64_VARIANT_ORIGINAL);
    return json_string_nocheck(encoded);
}

static int set_bytes(json_t *object, const char *key, const char *encoding_key, adk_bytes bytes, adk_bytes as_text)
{
    if (adk__utf8_valid(as_text.data, as_text.size))
        return set(object, key, text(as_text));
    return set(object, key, adk__report_base64(bytes)) | set(object, encoding_key, json_string("base64"));
}

/*
 * A head that ends within a character gives that character's first bytes to the tail, where the rest of it is; behind a
 * gap they are left out, as what follows them was.
 */
static int set_truncated(json_t *report, const char *name, const char *encoding_key, adk_output output)
{
    bool gap = output.written_bytes > output.head.size + output.tail.size;
    size_t split = output.head.size - adk__report_whole_end(output.head).size;
    adk_bytes head = adk_bytes_make(output.head.data, output.head.size - split);
    adk__buf tail = ADK__BUF_INIT(output.tail.size + 4);
    char tail_key[32];
    char tail_encoding_key[40];
    adk_bytes text_tail;
    int failed;

    (void)snprintf(tail_key, sizeof(tail_key), "%s_tail", name);
    (void)snprintf(tail_encoding_key, sizeof(tail_encoding_key), "%s_tail_encoding", name);
    if (!adk__utf8_valid(head.data, head.size))
        split = 0; /* written as base64, whole */
    failed = set_bytes(report, name, encoding_key, output.head, head);
    if (gap || split == 0)
        return failed | set_bytes(report, tail_key, tail_encoding_key, output.tail,
                                  gap ? adk__report_whole_start(output.tail) : output.tail);
    failed |= adk__buf_append(&tail, (const char *)output.head.data + head.size, split);
    failed |= adk__buf_append(&tail, output.tail.data, output.tail.size);
    text_tail = adk_bytes_make(tail.data, tail.size);
    failed |= set_bytes(report, tail_key, tail_encoding_key, text_tail, text_tail);
    adk__buf_free(&tail);
    return failed;
}

static int set_output(json_t *report, const char *name, adk_output output)
{
    char encoding_key[32];

    (void)snprintf(encoding_key, sizeof(encoding_key), "%s_encoding", name);
    if (output.truncated)
        return set_truncated(report, name, encoding_key, output);
    return set_bytes(report, name, encoding_key, output.head, output.head);
}

static json_t *backtrace_json(const adk_result *result)
{
    json_t *list = json_array();
    int failed = list == NULL;

    for (size_t i = 0; !failed && i < result->frame_count; i++) {
        const adk_frame *frame = &result->frames[i];

        if (frame->function_name.size > 0)
            failed = json_array_append_new(list, text(frame->function_name));
        else
            failed = json_array_append_new(list, json_sprintf("function[%u]", frame->function_index));
    }
    if (failed) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *trap_json(const adk_result *result)
{
    json_t *trap;

    if (result->trap_kind == NULL)
        return json_null();
    trap = json_object();
    if (set(trap, "kind", json_string(result->trap_kind)) |
        set(trap, "message", text(adk_result_trap_message(result))) | set(trap, "backtrace", backtrace_json(result))) {
        json_decref(trap);
        return NULL;
    }
    return trap;
}

/*
 * Whether JSON writes it at least as shortly as base64 does: a control character takes six bytes there. A file of nothing
 * but zeros, which costs a guest nothing, would be six times as long.
 */
static bool is_compact_text(adk_bytes bytes)
{
    const unsigned char *data = bytes.data;
    size_t controls = 0;

    for (size_t i = 0; i < bytes.size; i++)
        controls += data[i] < 0x20 && data[i] != '\n' && data[i] != '\t' && data[i] != '\r';
    return controls <= bytes.size / 15 || bytes.size < 4096;
}

bool adk__report_is_text(adk_bytes bytes)
{
    return adk__utf8_valid(bytes.data, bytes.size) && is_compact_text(bytes);
}

static json_t *file_json(const adk_file_out *file, adk_bytes content, bool cut)
{
    bool is_text = adk__report_is_text(content);
    json_t *json = json_object();

    if (set(json, "path", text(file->path)) | set(json, "size", number(file->size_bytes)) |
        set(json, "content", is_text ? text(content) : adk__report_base64(content)) |
        set(json, "encoding", json_string(is_text ? "utf-8" : "base64")) |
        set(json, "truncated", json_boolean(file->truncated || cut))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* An image that stands apart has no content here, but its number there. */
static json_t *image_json(const adk_file_out *file, const char *type, bool apart, uint32_t number_of)
{
    json_t *json = json_object();

    if (set(json, "path", text(file->path)) | set(json, "size", number(file->size_bytes)) |
        set(json, "content", apart ? json_string("") : adk__report_base64(file->content)) |
        set(json, "encoding", json_string("base64")) | set(json, "truncated", json_false()) |
        set(json, "media_type", json_string(type)) | (apart ? set(json, "image", number(number_of)) : 0)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *viewed_file_json(const adk_file_out *file, const adk__report_view *view, adk__file_walk *walk,
                                adk__report_seen *seen)
{
    adk__file_view shown;

    if (!adk__report_walk_file(walk, view, file, &shown)) {
        seen->partial = true;
        return json_null();
    }
    if (shown.type_cstr != NULL) {
        seen->image_count = view->images_apart ? walk->images : 0;
        return image_json(file, shown.type_cstr, view->images_apart, walk->images - 1);
    }
    seen->partial |= shown.content.size < file->content.size;
    return file_json(file, shown.content, shown.content.size < file->content.size);
}

/* Directories come back so that a tree can be made again; in a report files speak for themselves. */
static json_t *files_json(const adk_result *result, const adk__report_view *view, adk__report_seen *seen, bool *ret_all)
{
    adk__file_walk walk = view == NULL ? (adk__file_walk){0} : adk__report_walk(view);
    json_t *list = json_array();
    int failed = list == NULL;

    *ret_all = true;
    for (size_t i = 0; !failed && i < result->file_count; i++) {
        const adk_file_out *file = &result->files[i];
        json_t *json;

        if (file->type != ADK_FILE_REGULAR)
            continue;
        json = view == NULL ? file_json(file, file->content, false) : viewed_file_json(file, view, &walk, seen);
        if (json_is_null(json))
            *ret_all = false;
        else
            failed = json_array_append_new(list, json);
    }
    if (failed) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static const char *cache_word(adk_cache_state cache)
{
    static const char *const words[] = {NULL, "hit", "disk", "miss"};

    return cache < ADK_COUNT(words) ? words[cache] : NULL;
}

static json_t *usage_json(const adk_usage *usage)
{
    json_t *json = json_object();

    if (set(json, "compile_ns", number(usage->compile_ns)) |
        set(json, "instantiate_ns", number(usage->instantiate_ns)) | set(json, "run_ns", number(usage->run_ns)) |
        set(json, "cpu_ns", number_if((usage->measured & ADK_USAGE_CPU) != 0, usage->cpu_ns)) |
        set(json, "cache", word(cache_word(usage->cache))) |
        set(json, "memory_peak_bytes", number(usage->memory_peak_bytes)) |
        set(json, "memory_denied", number(usage->memory_denied)) |
        set(json, "fuel", number_if((usage->measured & ADK_USAGE_FUEL) != 0, usage->fuel)) |
        set(json, "host_calls", number(usage->host_calls))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *limits_json(const adk_limits *limits, const adk__report_view *view)
{
    bool timeout_clamped = view != NULL && view->timeout_clamped;
    bool memory_clamped = view != NULL && view->memory_clamped;
    json_t *json = json_object();

    if (set(json, "timeout_ns", number(limits->timeout_ns)) |
        set(json, "memory_limit_bytes", number(limits->memory_limit_bytes)) |
        set(json, "output_limit_bytes", number(limits->output_limit_bytes)) |
        set(json, "output_policy", json_string(limits->output_policy == ADK_OUTPUT_STOP ? "stop" : "truncate")) |
        set(json, "fuel", number_if(limits->fuel != 0, limits->fuel)) |
        set(json, "random_seed", number_text((limits->flags & ADK_REQUEST_SEED) != 0, limits->random_seed)) |
        set(json, "clock_start_ns", number_if((limits->flags & ADK_REQUEST_CLOCK) != 0, limits->clock_start_ns)) |
        (timeout_clamped ? set(json, "timeout_clamped", json_true()) : 0) |
        (memory_clamped ? set(json, "memory_clamped", json_true()) : 0)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *pair_json(json_t *of_stdout, json_t *of_stderr)
{
    json_t *json = json_object();

    if (set(json, "stdout", of_stdout) | set(json, "stderr", of_stderr)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static int set_ending(json_t *report, const adk_result *r)
{
    bool has_code = r->outcome == ADK_OUTCOME_EXITED || r->outcome == ADK_OUTCOME_SIGNALED;

    return set(report, "report", json_integer(ADK_REPORT_VERSION)) |
           set(report, "status", word(adk_outcome_status_cstr(r->outcome))) |
           set(report, "outcome", word(adk_outcome_cstr(r->outcome))) |
           set(report, "phase", word(adk_phase_cstr(r->phase))) |
           set(report, "exit_code", number_if(has_code, r->code)) | set(report, "trap", trap_json(r)) |
           set(report, "reason", word(adk_reason_cstr(r->reason))) |
           set(report, "message", text_or_null(adk_result_message(r)));
}

static int set_streams(json_t *report, adk_output out, adk_output err)
{
    return set_output(report, "stdout", out) | set_output(report, "stderr", err) |
           set(report, "bytes", pair_json(number(out.written_bytes), number(err.written_bytes))) |
           set(report, "truncated", pair_json(json_boolean(out.truncated), json_boolean(err.truncated)));
}

static int set_viewed_streams(json_t *report, const adk_result *r, const adk__report_view *view, adk__report_seen *seen)
{
    bool says = view->message_in_stderr && r->outcome != ADK_OUTCOME_EXITED;
    adk__stream_view views[2];
    int failed =
        adk__report_view_streams(r, view->streams_bytes, says ? adk_result_message(r) : adk_bytes_make(NULL, 0), views);

    if (!failed)
        failed = set_streams(report, views[0].output, views[1].output);
    seen->partial = views[0].partial || views[1].partial;
    adk__report_view_free(views);
    return failed;
}

static int set_rest(json_t *report, const adk_result *r, const adk__report_view *view, adk__report_seen *seen)
{
    bool all_files = true;
    int failed = view == NULL ? set_streams(report, adk_result_stdout(r), adk_result_stderr(r))
                              : set_viewed_streams(report, r, view, seen);

    return failed | set(report, "duration_ms", number(r->usage.duration_ns / 1000000)) |
           set(report, "usage", usage_json(&r->usage)) | set(report, "limits", limits_json(&r->limits, view)) |
           set(report, "files", files_json(r, view, seen, &all_files)) |
           set(report, "files_complete", json_boolean(all_files && !r->files_incomplete)) |
           set(report, "backend", word(r->backend)) | set(report, "language", word(r->language)) |
           set(report, "isolation", word(r->isolation)) | set(report, "hint", word(adk__result_hint(r)));
}

/* Jansson leaves DEL as it is, which is ASCII and which terminals obey. */
static char *escape_del(char *dumped)
{
    adk__buf buf = ADK__BUF_INIT(SIZE_MAX / 2);
    const char *at = dumped;
    const char *del;
    int failed = 0;

    while (!failed && (del = strchr(at, 0x7f)) != NULL) {
        failed = adk__buf_append(&buf, at, (size_t)(del - at)) || adk__buf_append(&buf, "\\u007f", 6);
        at = del + 1;
    }
    if (!failed)
        failed = adk__buf_append(&buf, at, strlen(at) + 1);
    free(dumped);
    if (failed)
        adk__buf_free(&buf);
    return (char *)buf.data;
}

struct dump {
    adk__buf text;
    int failed;
};

/* Jansson (2.14) does not look at what this returns for a key: a failure must last. */
static int append_piece(const char *piece, size_t size, void *data)
{
    struct dump *d = data;

    if (!d->failed)
        d->failed = adk__buf_append(&d->text, piece, size);
    return d->failed ? -1 : 0;
}

static int dump_ascii(const json_t *report, struct dump *d)
{
    return json_dump_callback(report, append_piece, d, JSON_COMPACT | JSON_ENSURE_ASCII);
}

/*
 * Into a block of the very size in the end: one that is made large first, and shrunk, makes malloc() tidy up each time.
 */
static char *copy_text(const adk__buf *text)
{
    char *copy = malloc(text->size + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, text->data, text->size);
    copy[text->size] = '\0';
    return copy;
}

int adk__report_dump(const json_t *report, uint32_t flags, char **ret_text, adk_error **ret_error)
{
    bool ascii = (flags & ADK_REPORT_ASCII) != 0;
    struct dump d = {ADK__BUF_INIT(SIZE_MAX / 2), 0};
    char *dumped = NULL;
    int failed = ascii ? dump_ascii(report, &d) : adk__buf_reserve(&d.text, FIRST_ROOM_BYTES);

    if (!failed && !ascii)
        failed = adk__json_append(&d.text, report);
    if (!failed)
        dumped = copy_text(&d.text);
    adk__buf_free(&d.text);
    if (dumped != NULL && ascii && strchr(dumped, 0x7f) != NULL)
        dumped = escape_del(dumped);
    if (dumped == NULL)
        return adk__fail_nomem(ret_error);
    *ret_text = dumped;
    return ADK_OK;
}

json_t *adk__report_new(const adk_result *result, const adk__report_view *view, adk__report_seen *ret_seen)
{
    json_t *report = json_object();
    adk__report_seen seen = {false, 0};

    if (report == NULL || set_ending(report, result) != 0 || set_rest(report, result, view, &seen) != 0) {
        json_decref(report);
        return NULL;
    }
    if (ret_seen != NULL)
        *ret_seen = seen;
    return report;
}

json_t *adk__report_error_new(const adk_error *error, bool message_in_stderr, const char *hint_cstr)
{
    json_t *report = json_object();
    int code = adk_error_code(error);
    const char *message = adk_error_message_cstr(error);

    if (report == NULL || set(report, "report", json_integer(ADK_REPORT_VERSION)) |
                              set(report, "status", json_string("error")) | set(report, "outcome", json_null()) |
                              set(report, "phase", json_null()) | set(report, "exit_code", json_null()) |
                              set(report, "trap", json_null()) |
                              set(report, "reason", word(adk_error_name_cstr(code))) |
                              set(report, "code", word(adk_error_original_code_cstr(code))) |
                              set(report, "message", word(message)) | set(report, "stdout", json_string("")) |
                              set(report, "stderr", message_in_stderr ? word(message) : json_string("")) |
                              set(report, "bytes", pair_json(json_integer(0), json_integer(0))) |
                              set(report, "truncated", pair_json(json_false(), json_false())) |
                              set(report, "duration_ms", json_integer(0)) | set(report, "usage", json_null()) |
                              set(report, "limits", json_null()) | set(report, "files", json_array()) |
                              set(report, "files_complete", json_true()) | set(report, "backend", json_null()) |
                              set(report, "language", json_null()) | set(report, "isolation", json_null()) |
                              set(report, "hint", word(hint_cstr))) {
        json_decref(report);
        return NULL;
    }
    return report;
}

int adk_report_json(const adk_result *result, const adk_report_options *given, char **ret_text_cstr,
                    adk_error **ret_error)
{
    ADK_AUTO(free_json) json_t *report = NULL;
    adk_report_options options = ADK_REPORT_OPTIONS_INIT;

    if (given != NULL && !adk__struct_read(&options, sizeof(options), given))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of the report's options");
    report = adk__report_new(result, NULL, NULL);
    if (report == NULL)
        return adk__fail_nomem(ret_error);
    if (options.output_error_cstr != NULL && set(report, "output_error", word(options.output_error_cstr)) != 0)
        return adk__fail_nomem(ret_error);
    return adk__report_dump(report, options.flags, ret_text_cstr, ret_error);
}

int adk_report_error_json(const adk_error *error, char **ret_text_cstr, adk_error **ret_error)
{
    ADK_AUTO(free_json) json_t *report = adk__report_error_new(error, false, NULL);

    if (report == NULL)
        return adk__fail_nomem(ret_error);
    return adk__report_dump(report, 0, ret_text_cstr, ret_error);
}
