/*
 * The fork server: one process with one thread that forks a child for each seat it is sent.
 */
#ifndef ADK_WORKER_FORKS_H
#define ADK_WORKER_FORKS_H

#include <stdbool.h>

/** Gets ready to collect children. Returns 0 or an errno value. */
int adk__forks_begin(void);

/**
 * Serves the library's end of `control` until it is closed, and then ends this process and all it has forked. Returns only
 * in a forked child: with its end of its channel, and nothing else open. *ret_is_session says that it is to become one; where
 * that is NULL, none can.
 */
int adk__forks_serve(int control, bool *ret_is_session);

#endif
