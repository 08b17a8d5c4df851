/**
 * The tool: what an agent framework offers a model as `sandbox_exec`. JSON in, JSON out, over any backend.
 *
 * A framework gives the model adk_tool_schema(), passes the model's arguments to adk_tool_call() as they come, and gives
 * the answer back as it is. Arguments are checked strictly, and what is wrong with them is said in a sentence that a
 * model can act on. The answer is always the report (adk/report.h): bad arguments, too, are a report with status "error".
 *
 * The operator's limits are in adk_tool_options: what a caller asks for beyond them is clamped, and the answer says so in
 * `limits.timeout_clamped` and `limits.memory_clamped`; sizes beyond them are refused.
 *
 * What a model sees is short: of each stream the head and the tail, of files as much as there is room for. Where that is
 * not all that was captured, or files came back, the answer has a `handle`, with which adk_tool_read() gives the rest. The
 * tool keeps results for that, within bounds, the oldest going first. Handles cannot be guessed.
 */
#ifndef ADK_TOOL_H
#define ADK_TOOL_H

#include <adk/backend.h>
#include <adk/bytes.h>
#include <adk/cancel.h>
#include <adk/defs.h>
#include <adk/error.h>
#include <adk/request.h>

ADK_BEGIN_DECLS

typedef struct adk_tool adk_tool;

#define ADK_TOOL_NAME_CSTR              "sandbox_exec"
#define ADK_TOOL_READ_NAME_CSTR         "sandbox_read"
#define ADK_TOOL_CAPABILITIES_NAME_CSTR "sandbox_capabilities"
#define ADK_TOOL_SESSION_NAME_CSTR      "sandbox_session"

/** What the original wants a caller of sandbox_exec to be allowed; a framework's to ask for. */
#define ADK_TOOL_SCOPE_CSTR "code:execute"

#define ADK_TOOL_TIMEOUT_DEFAULT_NS       UINT64_C(30000000000)
#define ADK_TOOL_TIMEOUT_MAX_DEFAULT_NS   UINT64_C(300000000000)
#define ADK_TOOL_TIMEOUT_MAX_NS           UINT64_C(86400000000000)
#define ADK_TOOL_MEMORY_MAX_DEFAULT_BYTES ((uint64_t)1 << 30)
#define ADK_TOOL_ARGUMENTS_DEFAULT_BYTES  ((uint64_t)16 << 20)
#define ADK_TOOL_ARGUMENTS_MAX_BYTES      ((uint64_t)128 << 20)
#define ADK_TOOL_FILES_DEFAULT_BYTES      ((uint64_t)16 << 20)
#define ADK_TOOL_SHOWN_DEFAULT_BYTES      ((uint64_t)16 << 10)
#define ADK_TOOL_SHOWN_FILES_BYTES        ((uint64_t)64 << 10)
#define ADK_TOOL_KEPT_DEFAULT             ((uint32_t)64)
#define ADK_TOOL_KEPT_MAX                 ((uint32_t)4096)
#define ADK_TOOL_KEPT_DEFAULT_BYTES       ((uint64_t)64 << 20)
#define ADK_TOOL_SESSIONS_DEFAULT         ((uint32_t)8)
#define ADK_TOOL_SESSIONS_MAX             ((uint32_t)1024)
#define ADK_TOOL_SESSIONS_NONE            UINT32_MAX
#define ADK_TOOL_READ_MAX_BYTES           ((uint64_t)64 << 10)
#define ADK_TOOL_VALUES_MAX               ((uint32_t)65536)
#define ADK_TOOL_DEPTH_MAX                ((uint32_t)32)

/** The operator's defaults and ceilings. Zero means the default everywhere. */
typedef struct adk_tool_options {
    size_t struct_size;
    const char *modules_cstr; /**< a directory whose modules callers may run by name; default: none */
    uint64_t
        timeout_default_ns;  /**< where the caller gives none; whole seconds; default 30 s, or the ceiling if lower */
    uint64_t timeout_max_ns; /**< ceiling; whole seconds, 1 s to 24 h; default 300 s */
    uint64_t memory_default_bytes; /**< where the caller gives none; default: the library's 64 MiB, or the ceiling */
    uint64_t memory_max_bytes;     /**< ceiling; 1 MiB to 1 TiB; default 1 GiB */
    uint64_t output_limit_bytes;   /**< captured of each stream; default 1 MiB, at most 1 GiB */
    uint64_t files_max_bytes;      /**< content of files that come back, together; default 16 MiB, at most 4 GiB */
    uint64_t arguments_max_bytes;  /**< of the JSON of a call; default 16 MiB, at most 128 MiB */
    uint64_t shown_bytes;          /**< of both streams in an answer; default 16 KiB, 256 to 1 GiB */
    uint64_t shown_files_bytes;    /**< of files but images; default 64 KiB, at most 1 GiB */
    uint64_t kept_bytes;           /**< of results kept for adk_tool_read(); default 64 MiB */
    uint32_t kept;                 /**< results kept; default 64, at most 4,096 */
    uint32_t languages;            /**< of the backend's, those offered: 1u << ADK_LANGUAGE_X for each; default all */
    uint32_t sessions;             /**< open at once; default 8, at most 1,024; ADK_TOOL_SESSIONS_NONE: not offered */
    uint32_t reserved;             /**< 0 */
} adk_tool_options;
#define ADK_TOOL_OPTIONS_INIT                                                    \
    {                                                                            \
        sizeof(adk_tool_options), NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
    }

/** What goes with one call, beside its arguments. Zero means nothing. */
typedef struct adk_tool_call_options {
    size_t struct_size;
    adk_cancel *cancel;      /**< or NULL */
    adk_stream_fn on_stdout; /**< as in adk_request: all that the guest writes, as it writes it */
    adk_stream_fn on_stderr;
    void *stream_data;
    adk_trace_fn on_trace; /**< the run's span, with the caller's trace context (adk/trace.h) */
    void *trace_data;
    adk_bytes traceparent; /**< W3C trace context of the caller; what is not valid is ignored, as the standard wants */
} adk_tool_call_options;
#define ADK_TOOL_CALL_OPTIONS_INIT                                         \
    {                                                                      \
        sizeof(adk_tool_call_options), NULL, NULL, NULL, NULL, NULL, NULL, \
        {                                                                  \
            NULL, 0                                                        \
        }                                                                  \
    }

/**
 * Makes a tool over a backend. `options` may be NULL: all defaults.
 *
 * Ownership: options are copied, the directory of modules is opened. `backend` is borrowed for the tool's life. The
 *            caller owns *ret_tool, frees it with adk_tool_free().
 * Threads:   any thread.
 * Errors:    ADK_E_INVALID for an option that is out of its range, or a directory that is none; ADK_E_NOMEM,
 *            ADK_E_SYSTEM. On error *ret_tool is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 3) int adk_tool_new(adk_backend *backend, const adk_tool_options *options,
                                                        adk_tool **ret_tool, adk_error **ret_error);

/**
 * Frees a tool and the results it keeps. No call of it may be under way.
 *
 * Ownership: takes `tool`; NULL is fine.
 * Threads:   any thread, once.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_tool_free(adk_tool *tool);

/**
 * The tool for a model, as one JSON object: `name`, `description`, `inputSchema`, `outputSchema`. It says what this tool's
 * backend can run and what its limits are.
 *
 * Ownership: the caller owns *ret_text_cstr and frees it with adk_free().
 * Threads:   any thread.
 * Errors:    ADK_E_NOMEM. On error *ret_text_cstr is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_tool_schema(const adk_tool *tool, char **ret_text_cstr,
                                                           adk_error **ret_error);

/**
 * The same for the tool that adk_tool_read() is.
 *
 * Ownership: the caller owns *ret_text_cstr and frees it with adk_free().
 * Threads:   any thread.
 * Errors:    ADK_E_NOMEM. On error *ret_text_cstr is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_tool_read_schema(const adk_tool *tool, char **ret_text_cstr,
                                                                adk_error **ret_error);

/**
 * What the backend can run and enforce, the limits, and the modules that can be run by name, as one JSON object.
 *
 * Ownership: the caller owns *ret_text_cstr and frees it with adk_free().
 * Threads:   any thread.
 * Errors:    ADK_E_NOMEM. On error *ret_text_cstr is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_tool_capabilities(const adk_tool *tool, char **ret_text_cstr,
                                                                 adk_error **ret_error);

/**
 * Runs what the arguments say, on the calling thread, and answers with a report. `options` may be NULL.
 *
 * What is wrong with the arguments, and what the backend refuses, is in the answer as well: only the tool's own failures
 * are errors. Whoever has no memory for an answer gets ADK_E_NOMEM.
 *
 * Ownership: `arguments` (JSON in UTF-8) and `options` are borrowed for the call. The caller owns *ret_text_cstr, one
 *            line of JSON, and frees it with adk_free().
 * Threads:   any thread; a tool may run many calls at once.
 * Errors:    ADK_E_NOMEM; ADK_E_INVALID for options from the future. On error *ret_text_cstr is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 4) int adk_tool_call(adk_tool *tool, adk_bytes arguments,
                                                         const adk_tool_call_options *options, char **ret_text_cstr,
                                                         adk_error **ret_error);

/**
 * Reads on in what an earlier call captured. Arguments: `handle`, from that call's answer; `stream` ("stdout", "stderr") or
 * `file`, a path from the answer; `offset` and `size` in bytes, of which the defaults are 0 and 16 KiB, and the most 64 KiB.
 *
 * The answer is JSON in every case: `status`, and with "success" `content` and `encoding` ("utf-8" or "base64"), `offset`,
 * `size` (how many bytes of the stream or file the content is), `total_bytes`, `next_offset` (null at the end) and
 * `dropped_bytes`: how many bytes before `next_offset` were not kept because the guest wrote too much.
 *
 * Ownership: `arguments` are borrowed for the call. The caller owns *ret_text_cstr and frees it with adk_free().
 * Threads:   any thread.
 * Errors:    ADK_E_NOMEM. On error *ret_text_cstr is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 3) int adk_tool_read(adk_tool *tool, adk_bytes arguments, char **ret_text_cstr,
                                                         adk_error **ret_error);

/**
 * The sessions (adk/session.h) that calls have opened: a call whose arguments have `session`, a name, runs in the session of
 * that name, which the first such call opens; it may be forked. Arguments: `action`, one of "list", "close" (with `session`)
 * and "fork" (with `session` and `as`, the new one's name).
 *
 * The answer is JSON in every case: `status`, `message` where that is "error", and for "list" `sessions`. A session that is
 * closed while a call of it is under way ends with that call.
 *
 * Ownership: `arguments` are borrowed for the call. The caller owns *ret_text_cstr and frees it with adk_free().
 * Threads:   any thread.
 * Errors:    ADK_E_NOMEM. On error *ret_text_cstr is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 3) int adk_tool_session(adk_tool *tool, adk_bytes arguments, char **ret_text_cstr,
                                                            adk_error **ret_error);

/**
 * As adk_tool_schema(), for the tool that adk_tool_session() is.
 *
 * Ownership: the caller owns *ret_text_cstr and frees it with adk_free().
 * Threads:   any thread.
 * Errors:    ADK_E_NOMEM. On error *ret_text_cstr is not written.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1, 2) int adk_tool_session_schema(const adk_tool *tool, char **ret_text_cstr,
                                                                   adk_error **ret_error);

ADK_END_DECLS

#endif
