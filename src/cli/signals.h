/*
 * Signals that end a run: SIGINT, SIGTERM and, unless it is ignored (nohup), SIGHUP. The first cancels the run, which
 * still ends in order and is reported; the next, and any that comes when the run is over, ends the process at once
 * with exit status 128 + n.
 */
#ifndef ADK_CLI_SIGNALS_H
#define ADK_CLI_SIGNALS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <adk/cancel.h>
#include <adk/error.h>

struct cli_signals {
    adk_cancel *cancel;
    pthread_t thread;
    bool started;
    int signal_fd;        /* where the signals arrive */
    int stop_fd;          /* tells the thread to end */
    int wake_fd;          /* readable from the first signal on */
    atomic_bool run_over; /* nothing is left to cancel */
};

/** Nothing started yet; cli_signals_stop() is fine then. */
#define CLI_SIGNALS_INIT                              \
    {                                                 \
        .signal_fd = -1, .stop_fd = -1, .wake_fd = -1 \
    }

/**
 * Blocks the signals for this thread and all it starts from now on, and starts the thread that waits for them.
 * `signals` and `cancel` must stay until cli_signals_stop().
 */
int cli_signals_start(struct cli_signals *signals, adk_cancel *cancel, adk_error **ret_error);

/** From now on the first signal ends the process. */
void cli_signals_run_over(struct cli_signals *signals);

/** Ends the thread. The signals stay blocked. */
void cli_signals_stop(struct cli_signals *signals);

#endif
