/**
 * The report: a result as one JSON object on one line, the same behind every door. docs/report.schema.json describes
 * it; its keys never change meaning within ADK_REPORT_VERSION.
 */
#ifndef ADK_REPORT_H
#define ADK_REPORT_H

#include <adk/defs.h>
#include <adk/error.h>
#include <adk/result.h>

ADK_BEGIN_DECLS

#define ADK_REPORT_VERSION 1

/** What is added to a report. Zero means nothing. */
typedef struct adk_report_options {
    size_t struct_size;
    const char *output_error_cstr; /**< why files that came back could not be kept: the key `output_error` */
    uint32_t flags;                /**< ADK_REPORT_* bits */
    uint32_t reserved;             /**< 0 */
} adk_report_options;
#define ADK_REPORT_OPTIONS_INIT                \
    {                                          \
        sizeof(adk_report_options), NULL, 0, 0 \
    }

/** Bits of adk_report_options.flags. */
enum {
    ADK_REPORT_ASCII =
        1u << 0 /**< all but printable ASCII is escaped: for terminals, which obey more than C0 controls */
};

/**
 * Writes a result as JSON. `options` may be NULL.
 *
 * Output that is not valid UTF-8 is written as base64 and marked so (`stdout_encoding`, `stderr_encoding`).
 *
 * Ownership: the caller owns *ret_text_cstr and frees it with adk_free().
 * Threads:   any thread.
 * Errors:    ADK_E_NOMEM; ADK_E_INVALID for options from the future. On error *ret_text_cstr is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 3) int adk_report_json(const adk_result *result, const adk_report_options *options,
                                                           char **ret_text_cstr, adk_error **ret_error);

/**
 * Writes a failed call as JSON: the same keys, `outcome` null, `reason` the error's word (NULL: out of memory).
 *
 * Ownership: the caller owns *ret_text_cstr and frees it with adk_free().
 * Threads:   any thread.
 * Errors:    ADK_E_NOMEM. On error *ret_text_cstr is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(2) int adk_report_error_json(const adk_error *error, char **ret_text_cstr,
                                                              adk_error **ret_error);

ADK_END_DECLS

#endif
