/*
 * The loop of `adk-sandbox mcp`: standard input to a session, the session's output to standard output.
 */
#ifndef ADK_CLI_MCP_LOOP_H
#define ADK_CLI_MCP_LOOP_H

#include "cli/signals.h"
#include "mcp/mcp.h"

struct cli_mcp {
    mcp_session *session;
    adk_executor *executor;
    adk_cancel *cancel;
    const struct cli_signals *signals;
    uint64_t line_most;
};

/**
 * Serves until standard input ends, a signal comes, or the reader of standard output has gone away. Calls under way are
 * given a moment to end, then cancelled; what they have given is still written, if somebody reads it. Returns the exit
 * status: 0, 141 where the reader went first, 125 after a message.
 */
int cli_mcp_serve(const struct cli_mcp *mcp);

#endif
