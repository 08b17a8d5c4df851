/*
 * The report as a JSON value, and views of it: what somebody with little room is shown of a result.
 */
#ifndef ADK_CORE_REPORT_H
#define ADK_CORE_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include <adk/error.h>
#include <adk/report.h>
#include <adk/result.h>

#include "base/buf.h"
#include "core/json_text.h"

/** What is shown, and what is said beyond the result. */
typedef struct adk__report_view {
    uint64_t streams_bytes; /* of both streams together: of each its head and its tail */
    uint64_t files_bytes;   /* of the content of files that are no images, together */
    uint64_t images_bytes;  /* of images together; what is beyond counts as any other file */
    uint32_t files_most;    /* how many files are listed */
    bool images_apart;      /* their content is not in the report: adk__report_image() has it */
    bool message_in_stderr; /* in every outcome but exited the message stands at the end of stderr, on its own line */
    bool timeout_clamped;   /* said in `limits` */
    bool memory_clamped;
} adk__report_view;

/** Of a view: what it left out, and the images it left to the caller. */
typedef struct adk__report_seen {
    bool partial;         /* something captured is not in the report, nor is it an image */
    uint32_t image_count; /* images left apart; files[].image counts them from 0 */
} adk__report_seen;

/** How many images a view shows as such. */
#define ADK__REPORT_IMAGES_MOST 16

/**
 * Writes the report of a result, but for its closing bracket: more keys may follow. `view` may be NULL: all of it.
 * `ret_seen` may be NULL.
 */
void adk__report_begin(adk__json_out *out, const adk_result *result, const adk__report_view *view,
                       adk__report_seen *ret_seen);

/** Writes the report of a failed call, all of it; `hint_cstr` may be NULL. */
void adk__report_error(adk__json_out *out, const adk_error *error, bool message_in_stderr, const char *hint_cstr);

/** What has been written, as a string of the caller's; frees the rest. ADK_OK or ADK_E_NOMEM. */
int adk__report_take(adk__json_out *out, uint32_t flags, char **ret_text_cstr, adk_error **ret_error);

/** Writes a tree as the report is written. */
int adk__report_dump(const json_t *json, char **ret_text_cstr, adk_error **ret_error);

/** Bytes as a JSON string: text where they are UTF-8, escaped where they are not. NULL without memory. */
json_t *adk__report_text(adk_bytes bytes);

/** Bytes as base64. NULL without memory. */
json_t *adk__report_base64(adk_bytes bytes);

/** Whether JSON writes these bytes as text without making them much longer. */
bool adk__report_is_text(adk_bytes bytes);

/* ---- report_view.c: pieces of streams and files ------------------------------------------------------------------- */

/** A stream as it is shown: `output` points into the result or into the buffers. */
typedef struct adk__stream_view {
    adk_output output;
    adk__buf head;
    adk__buf tail;
    bool partial;
} adk__stream_view;

/** Makes the views of both streams; `line` (or nothing) is added to the second. Returns 0 or -ENOMEM; free them in any case. */
int adk__report_view_streams(const adk_result *result, uint64_t streams_bytes, adk_bytes line,
                             adk__stream_view ret_views[2]);
void adk__report_view_free(adk__stream_view views[2]);

/** Cuts what begins a character that the end splits; and, for the start, what ends one. */
adk_bytes adk__report_whole_end(adk_bytes bytes);
adk_bytes adk__report_whole_start(adk_bytes bytes);

/** The media type of an image that clients show, by its first bytes; NULL for anything else. */
const char *adk__report_image_type(adk_bytes content);

/** The image number `index` of those that this view leaves apart; false where there is none. */
bool adk__report_image(const adk_result *result, const adk__report_view *view, uint32_t index, adk_bytes *ret_content,
                       const char **ret_type);

/** How a view shows the next of a result's files: begin with zeros. */
typedef struct adk__file_walk {
    uint64_t files_left;
    uint64_t paths_left;
    uint64_t images_left;
    uint32_t listed;
    uint32_t images;
} adk__file_walk;

/** Of one file: what is shown of it. `type_cstr` is NULL where it is not shown as an image. */
typedef struct adk__file_view {
    adk_bytes content;
    const char *type_cstr;
} adk__file_view;

adk__file_walk adk__report_walk(const adk__report_view *view);

/** False where this file is not even listed. */
bool adk__report_walk_file(adk__file_walk *walk, const adk__report_view *view, const adk_file_out *file,
                           adk__file_view *ret_file);

#endif
