/*
 * The report: the one place that knows its JSON. docs/report.schema.json is its description; keep the two in step.
 */
#include <adk/report.h>

#include <jansson.h>
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/error.h"
#include "core/result.h"
#include "core/struct_size.h"

static void free_json(json_t *json)
{
    json_decref(json);
}
ADK_DEFINE_AUTO(json_t, free_json);

/* json_object_set_new() takes the value also on failure, and fails on NULL: a chain of these needs one check. */
static int set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value);
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
static json_t *text(adk_bytes bytes)
{
    if (bytes.size == 0)
        return json_string("");
    return adk__utf8_valid(bytes.data, bytes.size) ? json_stringn(bytes.data, bytes.size) : escaped(bytes);
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

static json_t *base64(adk_bytes bytes)
{
    size_t size = sodium_base64_encoded_len(bytes.size, sodium_base64_VARIANT_ORIGINAL);
    ADK_AUTO_FREE char *encoded = malloc(size);

    if (encoded == NULL)
        return NULL;
    (void)sodium_bin2base64(encoded, size, bytes.data, bytes.size, sodium_base64_VARIANT_ORIGINAL);
    return json_string(encoded);
}

/* How many bytes at the end are the beginning of a character that is cut off. */
static size_t split_at_end(adk_bytes bytes)
{
    const unsigned char *data = bytes.data;

    for (size_t cut = 1; cut <= 3 && cut <= bytes.size; cut++) {
        if ((data[bytes.size - cut] & 0xc0) == 0xc0)
            return adk__utf8_sequence(data + bytes.size - cut, cut) == 0 ? cut : 0;
    }
    return 0;
}

static adk_bytes without_split_start(adk_bytes bytes)
{
    const unsigned char *data = bytes.data;
    size_t cut = 0;

    while (cut < 3 && cut < bytes.size && (data[cut] & 0xc0) == 0x80)
        cut++;
    return cut == 0 ? bytes : adk_bytes_make(data + cut, bytes.size - cut);
}

static int set_bytes(json_t *object, const char *key, const char *encoding_key, adk_bytes bytes, adk_bytes as_text)
{
    if (adk__utf8_valid(as_text.data, as_text.size))
        return set(object, key, text(as_text));
    return set(object, key, base64(bytes)) | set(object, encoding_key, json_string("base64"));
}

/*
 * A head that ends within a character gives that character's first bytes to the tail, where the rest of it is; behind a
 * gap they are left out, as what follows them was.
 */
static int set_truncated(json_t *report, const char *name, const char *encoding_key, adk_output output)
{
    bool gap = output.written_bytes > output.head.size + output.tail.size;
    size_t split = split_at_end(output.head);
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
                                  gap ? without_split_start(output.tail) : output.tail);
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

/* Directories come back so that a tree can be made again; in a report files speak for themselves. */
static json_t *file_json(const adk_file_out *file)
{
    bool is_text = adk__utf8_valid(file->content.data, file->content.size) && is_compact_text(file->content);
    json_t *json = json_object();

    if (set(json, "path", text(file->path)) | set(json, "size", number(file->size_bytes)) |
        set(json, "content", is_text ? text(file->content) : base64(file->content)) |
        set(json, "encoding", json_string(is_text ? "utf-8" : "base64")) |
        set(json, "truncated", json_boolean(file->truncated))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *files_json(const adk_result *result)
{
    json_t *list = json_array();
    int failed = list == NULL;

    for (size_t i = 0; !failed && i < result->file_count; i++) {
        if (result->files[i].type == ADK_FILE_REGULAR)
            failed = json_array_append_new(list, file_json(&result->files[i]));
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

static json_t *limits_json(const adk_limits *limits)
{
    json_t *json = json_object();

    if (set(json, "timeout_ns", number(limits->timeout_ns)) |
        set(json, "memory_limit_bytes", number(limits->memory_limit_bytes)) |
        set(json, "output_limit_bytes", number(limits->output_limit_bytes)) |
        set(json, "output_policy", json_string(limits->output_policy == ADK_OUTPUT_STOP ? "stop" : "truncate")) |
        set(json, "fuel", number_if(limits->fuel != 0, limits->fuel)) |
        set(json, "random_seed", number_text((limits->flags & ADK_REQUEST_SEED) != 0, limits->random_seed)) |
        set(json, "clock_start_ns", number_if((limits->flags & ADK_REQUEST_CLOCK) != 0, limits->clock_start_ns))) {
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

static int set_rest(json_t *report, const adk_result *r)
{
    adk_output out = adk_result_stdout(r);
    adk_output err = adk_result_stderr(r);

    return set_output(report, "stdout", out) | set_output(report, "stderr", err) |
           set(report, "bytes", pair_json(number(out.written_bytes), number(err.written_bytes))) |
           set(report, "truncated", pair_json(json_boolean(out.truncated), json_boolean(err.truncated))) |
           set(report, "duration_ms", number(r->usage.duration_ns / 1000000)) |
           set(report, "usage", usage_json(&r->usage)) | set(report, "limits", limits_json(&r->limits)) |
           set(report, "files", files_json(r)) | set(report, "files_complete", json_boolean(!r->files_incomplete)) |
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

static int dump(const json_t *report, uint32_t flags, char **ret_text, adk_error **ret_error)
{
    bool ascii = (flags & ADK_REPORT_ASCII) != 0;
    struct dump d = {ADK__BUF_INIT(SIZE_MAX / 2), 0};
    int failed = json_dump_callback(report, append_piece, &d, JSON_COMPACT | (ascii ? JSON_ENSURE_ASCII : 0));
    char *dumped;

    if (failed || append_piece("", 1, &d) != 0) {
        adk__buf_free(&d.text);
        return adk__fail_nomem(ret_error);
    }
    dumped = (char *)d.text.data;
    if (ascii && strchr(dumped, 0x7f) != NULL)
        dumped = escape_del(dumped);
    if (dumped == NULL)
        return adk__fail_nomem(ret_error);
    *ret_text = dumped;
    return ADK_OK;
}

int adk_report_json(const adk_result *result, const adk_report_options *given, char **ret_text_cstr,
                    adk_error **ret_error)
{
    ADK_AUTO(free_json) json_t *report = json_object();
    adk_report_options options = ADK_REPORT_OPTIONS_INIT;

    if (given != NULL && !adk__struct_read(&options, sizeof(options), given))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of the report's options");
    if (report == NULL || set_ending(report, result) != 0 || set_rest(report, result) != 0)
        return adk__fail_nomem(ret_error);
    if (options.output_error_cstr != NULL && set(report, "output_error", word(options.output_error_cstr)) != 0)
        return adk__fail_nomem(ret_error);
    return dump(report, options.flags, ret_text_cstr, ret_error);
}

int adk_report_error_json(const adk_error *error, char **ret_text_cstr, adk_error **ret_error)
{
    ADK_AUTO(free_json) json_t *report = json_object();
    int code = adk_error_code(error);

    if (report == NULL ||
        set(report, "report", json_integer(ADK_REPORT_VERSION)) | set(report, "status", json_string("error")) |
            set(report, "outcome", json_null()) | set(report, "phase", json_null()) |
            set(report, "exit_code", json_null()) | set(report, "trap", json_null()) |
            set(report, "reason", word(adk_error_name_cstr(code))) |
            set(report, "code", word(adk_error_original_code_cstr(code))) |
            set(report, "message", word(adk_error_message_cstr(error))) | set(report, "stdout", json_string("")) |
            set(report, "stderr", json_string("")) | set(report, "bytes", pair_json(json_integer(0), json_integer(0))) |
            set(report, "truncated", pair_json(json_false(), json_false())) |
            set(report, "duration_ms", json_integer(0)) | set(report, "usage", json_null()) |
            set(report, "limits", json_null()) | set(report, "files", json_array()) |
            set(report, "files_complete", json_true()) | set(report, "backend", json_null()) |
            set(report, "language", json_null()) | set(report, "isolation", json_null()) |
            set(report, "hint", json_null()))
        return adk__fail_nomem(ret_error);
    return dump(report, 0, ret_text_cstr, ret_error);
}
