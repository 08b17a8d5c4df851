/*
 * Progress: on a terminal, from the second second on, a line that says how long something has been going on.
 */
#ifndef ADK_CLI_PROGRESS_H
#define ADK_CLI_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>

/** Zero to begin with. */
struct cli_progress {
    const char *doing;
    const char *name;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t done_changed;
    bool started;
    bool done;
};

/**
 * Begins to wait: "compiling", and what. Both texts stay until the end. False where standard error is no terminal that can
 * take a line back, or there is no thread for it: then nothing is said.
 */
bool cli_progress_start(struct cli_progress *progress, const char *doing, const char *name);

/** Ends it and takes the line away. Fine more than once, and where nothing was started. */
void cli_progress_stop(struct cli_progress *progress);

#endif
