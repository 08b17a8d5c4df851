/*
 * A server of the Model Context Protocol, without its descriptors: lines come in, lines go out into a buffer, and whoever
 * owns the session (src/cli/cmd_mcp.c) reads and writes. All functions are for one thread; what runs elsewhere are the
 * executor's jobs, which are collected here.
 *
 * Memory is bounded at each turn. A line has a maximum. Calls that are under way have a maximum, in number and in bytes.
 * Answers are made only while there is room for them in the output: mcp_session_is_open() is false otherwise, then no line
 * is to be brought; finished jobs wait where they are.
 */
#ifndef ADK_MCP_MCP_H
#define ADK_MCP_MCP_H

#include <stdbool.h>
#include <stdint.h>

#include <adk/bytes.h>
#include <adk/cancel.h>
#include <adk/executor.h>
#include <adk/tool.h>

typedef struct mcp_session mcp_session;

/** What a session works with; all borrowed for its life. */
struct mcp_options {
    adk_tool *tool;
    adk_executor *executor;
    adk_cancel *cancel;    /* ends all calls */
    adk_trace_fn on_trace; /* on the executor's threads; or NULL */
    void *trace_data;
    uint32_t calls_most; /* under way at once */
    uint64_t line_most;  /* bytes */
};

/** ADK_OK or ADK_E_NOMEM. */
int mcp_session_new(const struct mcp_options *options, mcp_session **ret_session);

/** The executor must have been closed. */
void mcp_session_free(mcp_session *session);

/** Takes one line, without its end. */
void mcp_session_line(mcp_session *session, adk_bytes line);

/** Answers a line that was longer than `line_most` and is left out. */
void mcp_session_too_long(mcp_session *session);

/** Answers calls that have ended, as long as there is room; when the executor's descriptor is readable. */
void mcp_session_collect(mcp_session *session);

/** Sends the progress that is due; returns when to come again, UINT64_MAX for never. By CLOCK_MONOTONIC. */
uint64_t mcp_session_tick(mcp_session *session, uint64_t now_ns);

/** Whether there is room for more answers. */
bool mcp_session_is_open(const mcp_session *session);

/** Calls that have not been answered. */
uint32_t mcp_session_calls(const mcp_session *session);

/** No memory was left for an answer: the client would wait for ever. */
bool mcp_session_failed(const mcp_session *session);

/** What is to be written, and how much of it has been. */
adk_bytes mcp_session_output(const mcp_session *session);
void mcp_session_wrote(mcp_session *session, size_t size);

#endif
