/**
 * Tracing: one span for each run, given to the request's `on_trace` when the run has ended.
 *
 * Spans never hold code, input, environment or output.
 */
#ifndef ADK_TRACE_H
#define ADK_TRACE_H

#include <adk/defs.h>
#include <adk/request.h>
#include <adk/result.h>

ADK_BEGIN_DECLS

/** A finished run. All strings are constants or borrowed until the callback returns. */
struct adk_span {
    size_t struct_size;
    const char *backend_cstr;
    const char *language_cstr;
    uint64_t start_ns; /**< wall clock, nanoseconds since 1970 */
    uint64_t duration_ns;
    uint64_t compile_ns;
    uint64_t instantiate_ns;
    uint64_t run_ns;
    int error; /**< ADK_OK, or the ADK_E_* of a call that failed; then `outcome` says nothing */
    adk_outcome outcome;
    adk_phase phase;
    uint32_t exit_code;
    const char
        *traceparent_cstr; /**< W3C trace context of who asked for the run (adk/tool.h); NULL where none was given */
};

ADK_END_DECLS

#endif
