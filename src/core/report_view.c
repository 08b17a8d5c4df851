/*
 * What a view shows: of each stream its head and its tail, within a bound for both together; of files as much as there is
 * room for, in their order; images as such.
 */
#include "core/report.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define PATHS_BYTES ((uint64_t)32 << 10) /* of names that are listed */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- characters at the edges -------------------------------------------------------------------------------------- */

adk_bytes adk__report_whole_end(adk_bytes bytes)
{
    const unsigned char *data = bytes.data;

    for (size_t cut = 1; cut <= 3 && cut <= bytes.size; cut++) {
        if ((data[bytes.size - cut] & 0xc0) == 0xc0) {
            if (adk__utf8_sequence(data + bytes.size - cut, cut) == 0)
                bytes.size -= cut;
            break;
        }
    }
    return bytes;
}

adk_bytes adk__report_whole_start(adk_bytes bytes)
{
    const unsigned char *data = bytes.data;
    size_t cut = 0;

    while (cut < 3 && cut < bytes.size && (data[cut] & 0xc0) == 0x80)
        cut++;
    return cut == 0 ? bytes : adk_bytes_make(data + cut, bytes.size - cut);
}

/* ---- streams ------------------------------------------------------------------------------------------------------ */

/* The last `size` bytes of what was captured, which may lie in both parts. */
static int append_last(adk__buf *to, adk_output output, size_t size)
{
    size_t of_tail = least(size, output.tail.size);
    size_t of_head = least(size - of_tail, output.head.size);
    bool gap = output.written_bytes > output.head.size + output.tail.size;

    if (gap)
        of_head = 0; /* what stands before a gap is no part of a tail */
    if (of_head > 0 && adk__buf_append(to, (const char *)output.head.data + output.head.size - of_head, of_head) != 0)
        return -ENOMEM;
    if (of_tail > 0 && adk__buf_append(to, (const char *)output.tail.data + output.tail.size - of_tail, of_tail) != 0)
        return -ENOMEM;
    return 0;
}

/* The line ends the last part that is shown. */
static int append_line(adk__stream_view *view, adk_bytes line)
{
    adk_bytes *last = view->output.truncated ? &view->output.tail : &view->output.head;
    adk__buf *buf = view->output.truncated ? &view->tail : &view->head;
    const char *text = last->data;

    if (buf->data == NULL && last->size > 0 && adk__buf_append(buf, last->data, last->size) != 0)
        return -ENOMEM;
    if (last->size > 0 && text[last->size - 1] != '\n' && adk__buf_append(buf, "\n", 1) != 0)
        return -ENOMEM;
    if (adk__buf_append(buf, line.data, line.size) != 0)
        return -ENOMEM;
    *last = adk_bytes_make(buf->data, buf->size);
    return 0;
}

static int view_stream(adk_output output, uint64_t bytes, adk_bytes line, adk__stream_view *view)
{
    *view = (adk__stream_view){output, ADK__BUF_INIT(SIZE_MAX / 2), ADK__BUF_INIT(SIZE_MAX / 2), false};
    if (output.head.size + output.tail.size > bytes) {
        size_t half = (size_t)bytes / 2;

        view->partial = true;
        view->output.truncated = 1;
        view->output.head = adk__report_whole_end(adk_bytes_make(output.head.data, least(half, output.head.size)));
        if (append_last(&view->tail, output, half) != 0)
            return -ENOMEM;
        view->output.tail = adk__report_whole_start(adk_bytes_make(view->tail.data, view->tail.size));
        if (view->output.tail.data != view->tail.data) { /* so that a line can be added to it */
            memmove(view->tail.data, view->output.tail.data, view->output.tail.size);
            view->tail.size = view->output.tail.size;
            view->output.tail.data = view->tail.data;
        }
    }
    return line.size > 0 ? append_line(view, line) : 0;
}

int adk__report_view_streams(const adk_result *result, uint64_t streams_bytes, adk_bytes line,
                             adk__stream_view ret_views[2])
{
    adk_output out = adk_result_stdout(result);
    adk_output err = adk_result_stderr(result);
    uint64_t out_size = out.head.size + out.tail.size;
    uint64_t err_size = err.head.size + err.tail.size;
    uint64_t half = streams_bytes / 2;
    uint64_t of_out = least(out_size, half);
    uint64_t of_err = least(err_size, streams_bytes - of_out);

    of_out = least(out_size, streams_bytes - of_err); /* what one does not need is the other's */
    memset(ret_views, 0, 2 * sizeof(*ret_views));
    if (view_stream(out, of_out, adk_bytes_make(NULL, 0), &ret_views[0]) != 0)
        return -ENOMEM;
    return view_stream(err, of_err, line, &ret_views[1]);
}

void adk__report_view_free(adk__stream_view views[2])
{
    for (int i = 0; i < 2; i++) {
        adk__buf_free(&views[i].head);
        adk__buf_free(&views[i].tail);
    }
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

const char *adk__report_image_type(adk_bytes content)
{
    static const struct {
        const char *type;
        size_t at;
        size_t size;
        const char *magic;
    } known[] = {
        {"image/png", 0, 8, "\x89PNG\r\n\x1a\n"},
        {"image/jpeg", 0, 3, "\xff\xd8\xff"},
        {"image/gif", 0, 6, "GIF87a"},
        {"image/gif", 0, 6, "GIF89a"},
        {"image/webp", 8, 4, "WEBP"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (content.size >= known[i].at + known[i].size &&
            memcmp((const char *)content.data + known[i].at, known[i].magic, known[i].size) == 0 &&
            (known[i].at == 0 || memcmp(content.data, "RIFF", 4) == 0))
            return known[i].type;
    }
    return NULL;
}

adk__file_walk adk__report_walk(const adk__report_view *view)
{
    return (adk__file_walk){view->files_bytes, PATHS_BYTES, view->images_bytes, 0, 0};
}

bool adk__report_walk_file(adk__file_walk *walk, const adk__report_view *view, const adk_file_out *file,
                           adk__file_view *ret_file)
{
    const char *type = file->truncated ? NULL : adk__report_image_type(file->content);
    size_t shown;

    *ret_file = (adk__file_view){file->content, NULL};
    if (walk->listed >= view->files_most || file->path.size > walk->paths_left)
        return false;
    walk->listed++;
    walk->paths_left -= file->path.size;
    if (type != NULL && file->content.size <= walk->images_left && walk->images < ADK__REPORT_IMAGES_MOST) {
        walk->images_left -= file->content.size;
        walk->images++;
        ret_file->type_cstr = type;
        return true;
    }
    shown = (size_t)least(walk->files_left, file->content.size);
    walk->files_left -= shown;
    if (shown < file->content.size)
        ret_file->content = adk__report_whole_end(adk_bytes_make(file->content.data, shown));
    return true;
}

bool adk__report_image(const adk_result *result, const adk__report_view *view, uint32_t index, adk_bytes *ret_content,
                       const char **ret_type)
{
    adk__file_walk walk = adk__report_walk(view);
    size_t count;
    const adk_file_out *files = adk_result_files(result, &count, NULL);

    for (size_t i = 0; i < count; i++) {
        adk__file_view shown;

        if (files[i].type != ADK_FILE_REGULAR || !adk__report_walk_file(&walk, view, &files[i], &shown))
            continue;
        if (shown.type_cstr != NULL && walk.images == index + 1) {
            *ret_content = shown.content;
            *ret_type = shown.type_cstr;
            return true;
        }
    }
    return false;
}
