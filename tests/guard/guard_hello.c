/*
 * Runs each case, under valgrind's callgrind, which is started with --instr-atstart=no: what is made once and the first
 * runs are not counted. One dump a case; its trigger names the case and the number of runs. See instructions.py.
 */
#include <stdio.h>

#include "guard.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#endif

#define WARM  200
#define COUNT 2000

int main(void)
{
#ifdef CALLGRIND_DUMP_STATS_AT
    adk_backend *backend = guard_backend();

    for (size_t i = 0; i < guard_case_count; i++) {
        adk_wasm_module *module = guard_prepare(backend, &guard_cases[i]);
        char label[64];

        (void)snprintf(label, sizeof(label), "%s %u", guard_cases[i].name, COUNT);
        guard_run(backend, &guard_cases[i], module, WARM);
        CALLGRIND_START_INSTRUMENTATION;
        CALLGRIND_ZERO_STATS;
        guard_run(backend, &guard_cases[i], module, COUNT);
        CALLGRIND_DUMP_STATS_AT(label);
        CALLGRIND_STOP_INSTRUMENTATION;
        adk_wasm_module_free(module);
    }
    adk_backend_free(backend);
    return 0;
#else
    (void)fprintf(stderr, "skipped: built without valgrind's headers\n");
    return 77;
#endif
}
