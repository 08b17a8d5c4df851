/*
 * The report: the one place that knows its JSON. docs/report.schema.json is its description; keep the two in step.
 */
#include "core/report.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "core/error.h"
#include "core/json_text.h"
#include "core/result.h"
#include "core/struct_size.h"

#define FIRST_ROOM_BYTES ((size_t)1000) /* a usual report; below what malloc() tidies up for */

/* ---- keys and values ---------------------------------------------------------------------------------------------- */

static json_t *escaped(adk_bytes bytes)
{
    adk__buf buf = ADK__BUF_INIT(bytes.size * 4 + 8);
    json_t *json = NULL;

    if (adk__text_append_escaped(&buf, bytes.data, bytes.size, bytes.size) == 0)
        json = json_stringn((const char *)buf.data, buf.size);
    adk__buf_free(&buf);
    return json;
}

json_t *adk__report_text(adk_bytes bytes)
{
    if (bytes.size == 0)
        return json_string("");
    return adk__utf8_valid(bytes.data, bytes.size) ? json_stringn_nocheck(bytes.data, bytes.size) : escaped(bytes);
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

/* Whatever is not UTF-8 by the time it comes here is written escaped, rather than not at all. */
static void put_text(adk__json_out *out, adk_bytes bytes)
{
    adk__buf buf = ADK__BUF_INIT(SIZE_MAX / 2);

    if (adk__utf8_valid(bytes.data, bytes.size)) {
        adk__json_put_text(out, bytes);
        return;
    }
    if (adk__text_append_escaped(&buf, bytes.data, bytes.size, bytes.size) != 0)
        out->failed = -ENOMEM;
    adk__json_put_text(out, adk_bytes_make(buf.data, buf.size));
    adk__buf_free(&buf);
}

static void put_literal(adk__json_out *out, const char *literal)
{
    adk__json_put_json(out, adk_bytes_make(literal, strlen(literal)));
}

static void set_null(adk__json_out *out, const char *key)
{
    adk__json_key(out, key);
    put_literal(out, "null");
}

static void set_bool(adk__json_out *out, const char *key, bool value)
{
    adk__json_key(out, key);
    put_literal(out, value ? "true" : "false");
}

static void set_number(adk__json_out *out, const char *key, uint64_t value)
{
    adk__json_key(out, key);
    adk__json_put_number(out, value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static void set_number_if(adk__json_out *out, const char *key, bool known, uint64_t value)
{
    if (known)
        set_number(out, key, value);
    else
        set_null(out, key);
}

static void set_text(adk__json_out *out, const char *key, adk_bytes bytes)
{
    adk__json_key(out, key);
    put_text(out, bytes);
}

static void set_text_or_null(adk__json_out *out, const char *key, adk_bytes bytes)
{
    if (bytes.size == 0)
        set_null(out, key);
    else
        set_text(out, key, bytes);
}

static void set_word(adk__json_out *out, const char *key, const char *word)
{
    if (word == NULL)
        set_null(out, key);
    else
        set_text(out, key, adk_bytes_from_cstr(word));
}

static void set_base64(adk__json_out *out, const char *key, adk_bytes bytes)
{
    adk__json_key(out, key);
    adk__json_put_base64(out, bytes);
}

/* ---- streams ------------------------------------------------------------------------------------------------------ */

static void set_bytes(adk__json_out *out, const char *key, const char *encoding_key, adk_bytes bytes, adk_bytes as_text)
{
    if (adk__utf8_valid(as_text.data, as_text.size)) {
        adk__json_key(out, key);
        adk__json_put_text(out, as_text);
        return;
    }
    set_base64(out, key, bytes);
    set_word(out, encoding_key, "base64");
}

/*
 * A head that ends within a character gives that character's first bytes to the tail, where the rest of it is; behind a
 * gap they are left out, as what follows them was.
 */
static void set_truncated(adk__json_out *out, const char *name, const char *encoding_key, adk_output output)
{
    bool gap = output.written_bytes > output.head.size + output.tail.size;
    size_t split = output.head.size - adk__report_whole_end(output.head).size;
    adk_bytes head = adk_bytes_make(output.head.data, output.head.size - split);
    adk__buf tail = ADK__BUF_INIT(output.tail.size + 4);
    char tail_key[32];
    char tail_encoding_key[40];
    adk_bytes text_tail;

    (void)snprintf(tail_key, sizeof(tail_key), "%s_tail", name);
    (void)snprintf(tail_encoding_key, sizeof(tail_encoding_key), "%s_tail_encoding", name);
    if (!adk__utf8_valid(head.data, head.size))
        split = 0; /* written as base64, whole */
    set_bytes(out, name, encoding_key, output.head, head);
    if (gap || split == 0) {
        text_tail = gap ? adk__report_whole_start(output.tail) : output.tail;
        set_bytes(out, tail_key, tail_encoding_key, output.tail, text_tail);
        return;
    }
    if (adk__buf_append(&tail, (const char *)output.head.data + head.size, split) != 0 ||
        adk__buf_append(&tail, output.tail.data, output.tail.size) != 0)
        out->failed = -ENOMEM;
    text_tail = adk_bytes_make(tail.data, tail.size);
    set_bytes(out, tail_key, tail_encoding_key, text_tail, text_tail);
    adk__buf_free(&tail);
}

static void set_output(adk__json_out *out, const char *name, const char *encoding_key, adk_output output)
{
    if (output.truncated)
        set_truncated(out, name, encoding_key, output);
    else
        set_bytes(out, name, encoding_key, output.head, output.head);
}

static void set_streams(adk__json_out *out, adk_output of_stdout, adk_output of_stderr)
{
    set_output(out, "stdout", "stdout_encoding", of_stdout);
    set_output(out, "stderr", "stderr_encoding", of_stderr);
    adk__json_key(out, "bytes");
    adk__json_open(out, '{');
    set_number(out, "stdout", of_stdout.written_bytes);
    set_number(out, "stderr", of_stderr.written_bytes);
    adk__json_close(out, '}');
    adk__json_key(out, "truncated");
    adk__json_open(out, '{');
    set_bool(out, "stdout", of_stdout.truncated != 0);
    set_bool(out, "stderr", of_stderr.truncated != 0);
    adk__json_close(out, '}');
}

static void set_viewed_streams(adk__json_out *out, const adk_result *r, const adk__report_view *view,
                               adk__report_seen *seen)
{
    bool says = view->message_in_stderr && r->outcome != ADK_OUTCOME_EXITED;
    adk__stream_view views[2];

    if (adk__report_view_streams(r, view->streams_bytes, says ? adk_result_message(r) : adk_bytes_make(NULL, 0),
                                 views) != 0)
        out->failed = -ENOMEM;
    else
        set_streams(out, views[0].output, views[1].output);
    seen->partial = views[0].partial || views[1].partial;
    adk__report_view_free(views);
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

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

static void put_file(adk__json_out *out, const adk_file_out *file, adk_bytes content, bool cut)
{
    bool is_text = adk__report_is_text(content);

    adk__json_open(out, '{');
    set_text(out, "path", file->path);
    set_number(out, "size", file->size_bytes);
    adk__json_key(out, "content");
    if (is_text)
        adk__json_put_text(out, content);
    else
        adk__json_put_base64(out, content);
    set_word(out, "encoding", is_text ? "utf-8" : "base64");
    set_bool(out, "truncated", file->truncated || cut);
    adk__json_close(out, '}');
}

/* An image that stands apart has no content here, but its number there. */
static void put_image(adk__json_out *out, const adk_file_out *file, const char *type, bool apart, uint32_t number_of)
{
    adk__json_open(out, '{');
    set_text(out, "path", file->path);
    set_number(out, "size", file->size_bytes);
    set_base64(out, "content", apart ? adk_bytes_make(NULL, 0) : file->content);
    set_word(out, "encoding", "base64");
    set_bool(out, "truncated", false);
    set_word(out, "media_type", type);
    if (apart)
        set_number(out, "image", number_of);
    adk__json_close(out, '}');
}

/* False where it is not listed. */
static bool put_viewed_file(adk__json_out *out, const adk_file_out *file, const adk__report_view *view,
                            adk__file_walk *walk, adk__report_seen *seen)
{
    adk__file_view shown;

    if (!adk__report_walk_file(walk, view, file, &shown)) {
        seen->partial = true;
        return false;
    }
    if (shown.type_cstr != NULL) {
        seen->image_count = view->images_apart ? walk->images : 0;
        put_image(out, file, shown.type_cstr, view->images_apart, walk->images - 1);
        return true;
    }
    seen->partial |= shown.content.size < file->content.size;
    put_file(out, file, shown.content, shown.content.size < file->content.size);
    return true;
}

/* Directories come back so that a tree can be made again; in a report files speak for themselves. */
static void set_files(adk__json_out *out, const adk_result *result, const adk__report_view *view,
                      adk__report_seen *seen)
{
    adk__file_walk walk = view == NULL ? (adk__file_walk){0} : adk__report_walk(view);
    bool all = true;

    adk__json_key(out, "files");
    adk__json_open(out, '[');
    for (size_t i = 0; i < result->file_count; i++) {
        const adk_file_out *file = &result->files[i];

        if (file->type != ADK_FILE_REGULAR)
            continue;
        if (view == NULL)
            put_file(out, file, file->content, false);
        else
            all &= put_viewed_file(out, file, view, &walk, seen);
    }
    adk__json_close(out, ']');
    set_bool(out, "files_complete", all && !result->files_incomplete);
}

/* ---- the rest ----------------------------------------------------------------------------------------------------- */

static void set_trap(adk__json_out *out, const adk_result *result)
{
    if (result->trap_kind == NULL) {
        set_null(out, "trap");
        return;
    }
    adk__json_key(out, "trap");
    adk__json_open(out, '{');
    set_word(out, "kind", result->trap_kind);
    set_text(out, "message", adk_result_trap_message(result));
    adk__json_key(out, "backtrace");
    adk__json_open(out, '[');
    for (size_t i = 0; i < result->frame_count; i++) {
        const adk_frame *frame = &result->frames[i];
        char number[40];

        (void)snprintf(number, sizeof(number), "function[%u]", frame->function_index);
        put_text(out, frame->function_name.size > 0 ? frame->function_name : adk_bytes_from_cstr(number));
    }
    adk__json_close(out, ']');
    adk__json_close(out, '}');
}

static const char *cache_word(adk_cache_state cache)
{
    static const char *const words[] = {NULL, "hit", "disk", "miss"};

    return cache < ADK_COUNT(words) ? words[cache] : NULL;
}

static void set_usage(adk__json_out *out, const adk_usage *usage)
{
    adk__json_key(out, "usage");
    adk__json_open(out, '{');
    set_number(out, "compile_ns", usage->compile_ns);
    set_number(out, "instantiate_ns", usage->instantiate_ns);
    set_number(out, "run_ns", usage->run_ns);
    set_number_if(out, "cpu_ns", (usage->measured & ADK_USAGE_CPU) != 0, usage->cpu_ns);
    set_word(out, "cache", cache_word(usage->cache));
    set_number(out, "memory_peak_bytes", usage->memory_peak_bytes);
    set_number(out, "memory_denied", usage->memory_denied);
    set_number_if(out, "fuel", (usage->measured & ADK_USAGE_FUEL) != 0, usage->fuel);
    set_number(out, "host_calls", usage->host_calls);
    adk__json_close(out, '}');
}

/* 64 bits do not survive most JSON readers: the seed is text. */
static void set_limits(adk__json_out *out, const adk_limits *limits, const adk__report_view *view)
{
    char seed[24];

    (void)snprintf(seed, sizeof(seed), "%llu", (unsigned long long)limits->random_seed);
    adk__json_key(out, "limits");
    adk__json_open(out, '{');
    set_number(out, "timeout_ns", limits->timeout_ns);
    set_number(out, "memory_limit_bytes", limits->memory_limit_bytes);
    set_number(out, "output_limit_bytes", limits->output_limit_bytes);
    set_word(out, "output_policy", limits->output_policy == ADK_OUTPUT_STOP ? "stop" : "truncate");
    set_number_if(out, "fuel", limits->fuel != 0, limits->fuel);
    set_word(out, "random_seed", (limits->flags & ADK_REQUEST_SEED) != 0 ? seed : NULL);
    set_number_if(out, "clock_start_ns", (limits->flags & ADK_REQUEST_CLOCK) != 0, limits->clock_start_ns);
    if (view != NULL && view->timeout_clamped)
        set_bool(out, "timeout_clamped", true);
    if (view != NULL && view->memory_clamped)
        set_bool(out, "memory_clamped", true);
    adk__json_close(out, '}');
}

static void set_ending(adk__json_out *out, const adk_result *r)
{
    bool has_code = r->outcome == ADK_OUTCOME_EXITED || r->outcome == ADK_OUTCOME_SIGNALED;

    set_word(out, "status", adk_outcome_status_cstr(r->outcome));
    set_word(out, "outcome", adk_outcome_cstr(r->outcome));
    set_word(out, "phase", adk_phase_cstr(r->phase));
    set_number_if(out, "exit_code", has_code, r->code);
    set_trap(out, r);
    set_word(out, "reason", adk_reason_cstr(r->reason));
    set_text_or_null(out, "message", adk_result_message(r));
}

static void begin(adk__json_out *out)
{
    if (out->failed == 0)
        out->failed = adk__buf_reserve(&out->buf, FIRST_ROOM_BYTES);
    adk__json_open(out, '{');
    set_number(out, "report", ADK_REPORT_VERSION);
}

void adk__report_begin(adk__json_out *out, const adk_result *r, const adk__report_view *view,
                       adk__report_seen *ret_seen)
{
    adk__report_seen seen = {false, 0};

    begin(out);
    set_ending(out, r);
    if (view == NULL)
        set_streams(out, adk_result_stdout(r), adk_result_stderr(r));
    else
        set_viewed_streams(out, r, view, &seen);
    set_number(out, "duration_ms", r->usage.duration_ns / 1000000);
    set_usage(out, &r->usage);
    set_limits(out, &r->limits, view);
    set_files(out, r, view, &seen);
    set_word(out, "backend", r->backend);
    set_word(out, "language", r->language);
    set_word(out, "isolation", r->isolation);
    set_word(out, "hint", adk__result_hint(r));
    if (ret_seen != NULL)
        *ret_seen = seen;
}

void adk__report_error(adk__json_out *out, const adk_error *error, bool message_in_stderr, const char *hint_cstr)
{
    adk_bytes message = adk_bytes_from_cstr(adk_error_message_cstr(error));
    int code = adk_error_code(error);

    begin(out);
    set_word(out, "status", "error");
    set_null(out, "outcome");
    set_null(out, "phase");
    set_null(out, "exit_code");
    set_null(out, "trap");
    set_word(out, "reason", adk_error_name_cstr(code));
    set_word(out, "code", adk_error_original_code_cstr(code));
    set_text(out, "message", message);
    set_streams(out, (adk_output){0}, (adk_output){.head = message_in_stderr ? message : adk_bytes_make(NULL, 0)});
    set_number(out, "duration_ms", 0);
    set_null(out, "usage");
    set_null(out, "limits");
    adk__json_key(out, "files");
    adk__json_open(out, '[');
    adk__json_close(out, ']');
    set_bool(out, "files_complete", true);
    set_null(out, "backend");
    set_null(out, "language");
    set_null(out, "isolation");
    set_word(out, "hint", hint_cstr);
    adk__json_close(out, '}');
}

/* ---- as text ------------------------------------------------------------------------------------------------------ */

/* A character of UTF-8, as JSON escapes it. */
static int append_unicode(adk__buf *buf, const uint8_t *at, size_t size)
{
    uint32_t point = size == 1 ? at[0] : at[0] & (0x7fu >> size);

    for (size_t i = 1; i < size; i++)
        point = point << 6 | (at[i] & 0x3fu);
    if (point < 0x10000)
        return adk__buf_printf(buf, "\\u%04X", point);
    point -= 0x10000;
    return adk__buf_printf(buf, "\\u%04X\\u%04X", 0xd800 + (point >> 10), 0xdc00 + (point & 0x3ff));
}

/* What is not ASCII stands in strings only; and DEL, which is ASCII, but which terminals obey. */
static int make_ascii(adk__buf *text)
{
    adk__buf ascii = ADK__BUF_INIT(SIZE_MAX / 2);
    int failed = adk__buf_reserve(&ascii, text->size + 1);

    for (size_t at = 0; at < text->size && !failed;) {
        size_t size = adk__utf8_sequence(text->data + at, text->size - at);

        if (size == 1 && text->data[at] != 0x7f)
            failed = adk__buf_append(&ascii, text->data + at, 1);
        else
            failed = append_unicode(&ascii, text->data + at, size == 0 ? 1 : size);
        at += size == 0 ? 1 : size;
    }
    adk__buf_free(text);
    *text = ascii;
    return failed;
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

int adk__report_take(adk__json_out *out, uint32_t flags, char **ret_text, adk_error **ret_error)
{
    char *text = NULL;

    if (out->failed == 0 && (flags & ADK_REPORT_ASCII) != 0)
        out->failed = make_ascii(&out->buf);
    if (out->failed == 0)
        text = copy_text(&out->buf);
    adk__buf_free(&out->buf);
    if (text == NULL)
        return adk__fail_nomem(ret_error);
    *ret_text = text;
    return ADK_OK;
}

int adk__report_dump(const json_t *json, char **ret_text, adk_error **ret_error)
{
    adk__json_out out = ADK__JSON_OUT_INIT;

    out.failed = adk__json_append(&out.buf, json);
    return adk__report_take(&out, 0, ret_text, ret_error);
}

int adk_report_json(const adk_result *result, const adk_report_options *given, char **ret_text_cstr,
                    adk_error **ret_error)
{
    adk_report_options options = ADK_REPORT_OPTIONS_INIT;
    adk__json_out out = ADK__JSON_OUT_INIT;

    if (given != NULL && !adk__struct_read(&options, sizeof(options), given))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of the report's options");
    adk__report_begin(&out, result, NULL, NULL);
    if (options.output_error_cstr != NULL)
        set_word(&out, "output_error", options.output_error_cstr);
    adk__json_close(&out, '}');
    return adk__report_take(&out, options.flags, ret_text_cstr, ret_error);
}

int adk_report_error_json(const adk_error *error, char **ret_text_cstr, adk_error **ret_error)
{
    adk__json_out out = ADK__JSON_OUT_INIT;

    adk__report_error(&out, error, false, NULL);
    return adk__report_take(&out, 0, ret_text_cstr, ret_error);
}
