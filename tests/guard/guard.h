/*
 * What the guards count: runs as a host makes them, warm, one after the other on one thread. Each case is a guest and a
 * request; the guards count what such a run takes in instructions, system calls and allocations.
 */
#ifndef ADK_TESTS_GUARD_H
#define ADK_TESTS_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include <adk/sandbox.h>

typedef struct guard_case {
    const char *name;
    const char *wat;
    bool prepared;
    bool files; /* three in, one out */
} guard_case;

extern const guard_case guard_cases[];
extern const size_t guard_case_count;

/** Ends the program with status 1. */
_Noreturn void guard_die(const char *what, const adk_error *error);

/** A backend with few slots: valgrind cannot map more. */
adk_backend *guard_backend(void);

/** A module prepared for the case, or NULL where the case does without. */
adk_wasm_module *guard_prepare(adk_backend *backend, const guard_case *which);

/** Runs it so many times. Anything but an exit with 0, and the output that is due, ends the program. */
void guard_run(adk_backend *backend, const guard_case *which, const adk_wasm_module *module, unsigned count);

#endif
