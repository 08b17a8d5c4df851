/*
 * What the tests of the helper program share: modules that take long to compile, the children of this process, and small
 * programs that stand in for the helper.
 */
#ifndef ADK_TESTS_WORKER_H
#define ADK_TESTS_WORKER_H

#include <sys/types.h>

#include "support.h"

/** So many empty loops take the compiler more than ten seconds: its work is quadratic in them. */
#define BOMB_LOOPS 20000

/** Text of a module: `fields`, then a `_start` of so many empty loops and `body`. The caller frees it. */
char *adk_test_loops_text(const char *fields, unsigned loops, const char *body);

/** The binary of such a module, which ends with `exit_code`. The caller frees ret.data. */
adk_bytes adk_test_loops(unsigned loops, unsigned exit_code);

/** `wat` made `size` bytes long with spaces: text of more than 64 KiB is always the helper's. The caller frees it. */
char *adk_test_padded_text(const char *wat, size_t size);

#define CHILDREN_MAX 64

/** The children of this process, those that have ended and are not collected included. */
size_t adk_test_children(pid_t ret_pids[CHILDREN_MAX]);

/** Waits until there are so many children, up to some seconds. Returns whether it came to that. */
bool adk_test_children_become(size_t count);

/** Waits until this process has so many descriptors: those of a helper are closed when it has been collected. */
bool adk_test_descriptors_become(unsigned count);

/** Waits until a process is gone, or is another's to collect. Returns whether it came to that. */
bool adk_test_gone(pid_t pid);

/** The path of one of the programs of tests/programs, or of the real helper where the name is "adk-worker". */
const char *adk_test_program(const char *name);

/** Options with a helper of one's own. */
adk_wasm_options adk_test_options_with(const char *worker);

#endif
