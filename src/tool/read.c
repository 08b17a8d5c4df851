/*
 * Reading on in a result that was kept. A stream that was longer than what is captured has a gap between its head and its
 * tail: offsets count the guest's bytes, those in the gap cannot be read, and reading steps over it.
 */
#include <string.h>

#include "core/error.h"
#include "tool/tool.h"

#define SIZE_DEFAULT ((uint64_t)16 << 10)

/* What a reader asks for. */
struct wish {
    adk_bytes handle;
    const char *stream; /* "stdout", "stderr", or NULL: */
    adk_bytes file;
    uint64_t offset;
    uint64_t size;
};

/* Bytes that can be read, at places of their own. */
struct source {
    adk_bytes parts[2];
    uint64_t starts[2];
    uint64_t total;
};

static const char *const names[] = {"handle", "stream", "file", "offset", "size"};

static int take_number(const json_t *arguments, const char *name, uint64_t least, uint64_t *number,
                       adk_error **ret_error)
{
    const json_t *value = json_object_get(arguments, name);

    if (value == NULL)
        return ADK_OK;
    if (!json_is_integer(value) || json_integer_value(value) < (json_int_t)least)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"%s\" must be an integer of at least %llu", name,
                         (unsigned long long)least);
    *number = (uint64_t)json_integer_value(value);
    return ADK_OK;
}

static int take_source(const json_t *arguments, struct wish *wish, adk_error **ret_error)
{
    const json_t *stream = json_object_get(arguments, "stream");
    const json_t *file = json_object_get(arguments, "file");

    if ((stream == NULL) == (file == NULL))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "give either \"stream\" or \"file\"");
    if (file != NULL) {
        if (!json_is_string(file))
            return adk__fail(ret_error, ADK_E_INVALID, 0, "\"file\" must be a string");
        wish->file = adk__json_bytes(file);
        return ADK_OK;
    }
    wish->stream = adk__json_is(stream, "stdout") ? "stdout" : "stderr";
    if (!adk__json_is(stream, wish->stream))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"stream\" must be \"stdout\" or \"stderr\"");
    return ADK_OK;
}

static int read_wish(const json_t *arguments, struct wish *wish, adk_error **ret_error)
{
    const json_t *handle = json_object_get(arguments, "handle");
    int failed;

    if (!json_is_object(arguments))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the arguments must be an object");
    if (handle == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "missing required field \"handle\"");
    if (!json_is_string(handle))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"handle\" must be a string");
    wish->handle = adk__json_bytes(handle);
    failed = take_source(arguments, wish, ret_error);
    if (failed == ADK_OK)
        failed = take_number(arguments, "offset", 0, &wish->offset, ret_error);
    if (failed == ADK_OK)
        failed = take_number(arguments, "size", 4, &wish->size, ret_error); /* any character has room */
    if (wish->size > ADK_TOOL_READ_MAX_BYTES)
        wish->size = ADK_TOOL_READ_MAX_BYTES;
    if (failed == ADK_OK)
        failed = adk__tool_check_keys(arguments, "argument", names, ADK_COUNT(names), ret_error);
    return failed;
}

static struct source stream_source(const adk_result *result, const char *stream)
{
    adk_output output = strcmp(stream, "stdout") == 0 ? adk_result_stdout(result) : adk_result_stderr(result);

    return (struct source){
        {output.head, output.tail}, {0, output.written_bytes - output.tail.size}, output.written_bytes};
}

/* Names are compared as the answer shows them: what is not UTF-8 stands there escaped. */
static bool is_named(const adk_file_out *file, adk_bytes name)
{
    ADK_AUTO(adk__json_free) json_t *shown = NULL;

    if (file->path.size == name.size && (name.size == 0 || memcmp(file->path.data, name.data, name.size) == 0))
        return true;
    if (file->path.size >= name.size) /* escaping makes it longer */
        return false;
    shown = adk__report_text(file->path);
    return json_string_length(shown) == name.size && memcmp(json_string_value(shown), name.data, name.size) == 0;
}

static bool file_source(const adk_result *result, adk_bytes name, struct source *ret_source)
{
    size_t count;
    const adk_file_out *files = adk_result_files(result, &count, NULL);

    for (size_t i = 0; i < count; i++) {
        if (files[i].type == ADK_FILE_REGULAR && is_named(&files[i], name)) {
            *ret_source =
                (struct source){{files[i].content, {NULL, 0}}, {0, files[i].content.size}, files[i].size_bytes};
            return true;
        }
    }
    return false;
}

/* The piece at `offset`; behind a gap's beginning that is the gap's end. Empty where nothing follows. */
static adk_bytes piece_at(const struct source *source, const struct wish *wish, uint64_t *ret_offset)
{
    for (int i = 0; i < 2; i++) {
        uint64_t at = wish->offset > source->starts[i] ? wish->offset - source->starts[i] : 0;
        uint64_t left;

        if (at >= source->parts[i].size)
            continue;
        left = source->parts[i].size - at;
        *ret_offset = source->starts[i] + at;
        return adk_bytes_make((const char *)source->parts[i].data + at,
                              (size_t)(left < wish->size ? left : wish->size));
    }
    *ret_offset = wish->offset < source->total ? wish->offset : source->total;
    return adk_bytes_make(NULL, 0);
}

/* A character is not cut where more follows that has its rest. */
static adk_bytes whole(adk_bytes piece)
{
    adk_bytes cut = adk__report_whole_end(piece);

    return cut.size > 0 ? cut : piece;
}

/* Where to read on, and how much is missing before that; the end where nothing more can be read. */
static uint64_t next_offset(const struct source *source, uint64_t end, uint64_t *ret_dropped)
{
    struct wish next = {.offset = end, .size = 1};
    uint64_t at;
    adk_bytes more = piece_at(source, &next, &at);

    *ret_dropped = (more.size > 0 ? at : source->total) - end;
    return more.size > 0 ? at : source->total;
}

static int set_piece(json_t *answer, const struct source *source, const struct wish *wish)
{
    uint64_t offset;
    uint64_t dropped;
    adk_bytes piece = piece_at(source, wish, &offset);
    uint64_t next;
    bool is_text;

    piece = whole(piece);
    is_text = adk__report_is_text(piece);
    next = next_offset(source, offset + piece.size, &dropped);
    return json_object_set_new(answer, "content", is_text ? adk__report_text(piece) : adk__report_base64(piece)) |
           json_object_set_new(answer, "encoding", json_string(is_text ? "utf-8" : "base64")) |
           json_object_set_new(answer, "offset", json_integer((json_int_t)offset)) |
           json_object_set_new(answer, "size", json_integer((json_int_t)piece.size)) |
           json_object_set_new(answer, "total_bytes", json_integer((json_int_t)source->total)) |
           json_object_set_new(answer, "next_offset",
                               next < source->total ? json_integer((json_int_t)next) : json_null()) |
           json_object_set_new(answer, "dropped_bytes", json_integer((json_int_t)dropped));
}

json_t *adk__tool_read_refusal(const adk_error *error)
{
    return json_pack("{ssss}", "status", "error", "message", adk_error_message_cstr(error));
}

static int answer_wish(adk_tool *tool, const struct wish *wish, json_t *answer, adk_error **ret_error)
{
    const adk_result *result = adk__store_lock(&tool->store, wish->handle);
    struct source source;
    int failed;

    if (result == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "no result has this handle: it is wrong, or the result is no longer kept; run it again");
    if (wish->stream != NULL)
        source = stream_source(result, wish->stream);
    else if (!file_source(result, wish->file, &source)) {
        adk__store_unlock(&tool->store);
        return adk__fail(ret_error, ADK_E_INVALID, 0, "no such file came back from that run");
    }
    failed = json_object_set_new(answer, "status", json_string("success")) | set_piece(answer, &source, wish);
    adk__store_unlock(&tool->store);
    return failed ? adk__fail_nomem(ret_error) : ADK_OK;
}

json_t *adk__tool_read(adk_tool *tool, const json_t *arguments, bool *ret_is_error)
{
    struct wish wish = {.size = SIZE_DEFAULT};
    adk_error *error = NULL;
    json_t *answer = json_object();
    int failed = read_wish(arguments, &wish, &error);

    if (failed == ADK_OK && answer != NULL)
        failed = answer_wish(tool, &wish, answer, &error);
    if (failed != ADK_OK) {
        json_decref(answer);
        answer = failed == ADK_E_NOMEM ? NULL : adk__tool_read_refusal(error);
    }
    *ret_is_error = failed != ADK_OK;
    adk_error_free(error);
    return answer;
}

int adk__tool_answer_text(adk_tool *tool, adk_bytes text, adk__tool_answer_fn answer_to, char **ret_text_cstr,
                          adk_error **ret_error)
{
    adk__json_limits limits = {tool->options.arguments_max_bytes, ADK_TOOL_VALUES_MAX, ADK_TOOL_DEPTH_MAX};
    ADK_AUTO(adk__json_free) json_t *arguments = NULL;
    ADK_AUTO(adk__json_free) json_t *answer = NULL;
    adk_error *error = NULL;
    bool is_error;

    if (adk__json_read(text, &limits, "the arguments", &arguments, &error) == ADK_OK)
        answer = answer_to(tool, arguments, &is_error);
    else
        answer = adk__tool_read_refusal(error);
    adk_error_free(error);
    if (answer == NULL)
        return adk__fail_nomem(ret_error);
    return adk__report_dump(answer, ret_text_cstr, ret_error);
}

int adk_tool_read(adk_tool *tool, adk_bytes text, char **ret_text_cstr, adk_error **ret_error)
{
    return adk__tool_answer_text(tool, text, adk__tool_read, ret_text_cstr, ret_error);
}
