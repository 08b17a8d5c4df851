/*
 * The result's inside, for the backends of the library. They fill it in place; nothing is copied on the way to the
 * caller.
 */
#ifndef ADK_CORE_RESULT_H
#define ADK_CORE_RESULT_H

#include <stdbool.h>

#include <adk/backend.h>
#include <adk/result.h>

#include "base/capture.h"
#include "base/cleanup.h"

#define ADK__LABEL_MAX 32

struct adk_result {
    adk_outcome outcome;
    adk_phase phase;
    adk_reason reason;
    uint32_t code;
    adk__buf message;
    const char *trap_kind; /* a constant, or NULL */
    adk__buf trap_message;
    adk_frame *frames;
    size_t frame_count;
    adk__buf frame_names; /* what the frames' names point into */
    adk__capture output[2];
    adk_bytes tail[2];   /* of each output, once the result is sealed */
    adk_file_out *files; /* each owns its path and content */
    size_t file_count;
    size_t file_capacity;
    bool files_incomplete;
    bool tables_too_large; /* memory_limit: it was the tables' own limit */
    bool is_sealed;
    adk_usage usage;
    adk_limits limits;
    char backend[ADK__LABEL_MAX];
    char language[ADK__LABEL_MAX];
    char isolation[ADK__LABEL_MAX];
};

ADK_DEFINE_AUTO(adk_result, adk_result_free);

#define ADK__MESSAGE_MAX ((size_t)4096)

/** Sets the message from a format; untrusted names in it must have been escaped. Returns ADK_OK or ADK_E_NOMEM. */
ADK_MUST_USE int adk__result_message(adk_result *result, const char *format, ...) ADK_PRINTF(2, 3);

/** The message of a run that timed out, in the original's words. Returns ADK_OK or ADK_E_NOMEM. */
ADK_MUST_USE int adk__result_timed_out_message(adk_result *result);

/** The end of filling: turns the output's rings and labels the result for the report. */
void adk__result_seal(adk_result *result, const char *backend, const char *language, const char *isolation);

/** A sentence that somebody, a model too, can act on; NULL where there is nothing to say. */
const char *adk__result_hint(const adk_result *result);

#endif
