/*
 * Helper processes: a program started with nothing of ours but one end of a channel.
 *
 * They are known by a pidfd, so that no other process can ever be meant. The host may ignore SIGCHLD or collect children
 * itself; then how the helper ended is not known, and that is said.
 */
#ifndef ADK_BASE_PROCESS_H
#define ADK_BASE_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/** The channel's descriptor in the helper. */
#define ADK__PROCESS_CHANNEL_FD 3

typedef struct adk__process {
    int pidfd;
    int channel;
} adk__process;
#define ADK__PROCESS_NONE \
    {                     \
        -1, -1            \
    }

/** How a process ended. */
typedef struct adk__process_end {
    bool known;
    int exit_status; /* where signal is 0 */
    int signal;
} adk__process_end;

/**
 * Starts the program at `path`, with an empty environment, default signals, standard streams that lead nowhere, a process
 * group of its own, and the channel. Returns 0 or an errno value: then nothing was started, or (ESRCH) it has ended and
 * the host has collected it already.
 */
int adk__process_start(const char *path, char *const argv[], adk__process *ret_process);

/** SIGKILL. The process may take a while to go: adk__process_reap(). */
void adk__process_kill(const adk__process *process);

/** Whether it has ended; then it is collected, and *ret_end says how it ended. Does not block. */
bool adk__process_reap(const adk__process *process, adk__process_end *ret_end);

/** Closes both descriptors. Does not end the process. */
void adk__process_close(adk__process *process);

#endif
