/*
 * The processes that descend from this one: a worker of the library is two, and its runs are theirs.
 */
#ifndef ADK_TESTS_PROCESSES_H
#define ADK_TESTS_PROCESSES_H

#include <sys/types.h>

#include "support.h"

#define PROCESSES_MAX 2048

typedef struct adk_test_process {
    pid_t pid;
    pid_t parent;
    bool is_ours; /**< a descendant of this process */
    bool is_leaf;
} adk_test_process;

typedef struct adk_test_processes {
    adk_test_process all[PROCESSES_MAX];
    size_t count;
} adk_test_processes;

/** All processes but those that have ended, and which of them descend from this one: a tree of three or four levels. */
void adk_test_look_around(adk_test_processes *processes);

/** NULL where there is none. */
adk_test_process *adk_test_find_process(adk_test_processes *processes, pid_t pid);

/** Sends a signal to all runs, and children that stand ready; or to those that forked them. Returns to how many. */
unsigned adk_test_hit(bool runs, int signal);

/** Waits until no process descends from this one, and none is left to be collected. Returns whether it came to that. */
bool adk_test_nobody_is_left(void);

#endif
