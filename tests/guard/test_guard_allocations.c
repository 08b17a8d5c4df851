/*
 * Allocations of a warm run. What our own objects ask for is counted in a copy of the library whose calls of malloc() and
 * its like are renamed (see tests/fault); what all do, the engine included, by the linker's --wrap.
 */
#include "guard.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARM 50
#define RUNS 1000

/* A run's, at most: ours, and all. With less of ours there is less to do for everybody: lower the number. */
static const struct budget {
    const char *name;
    unsigned ours;
    unsigned all;
} budgets[] = {
    {"cached", 2, 21}, {"prepared", 2, 21}, {"empty", 1, 18}, {"libc", 2, 28}, {"files", 23, 42},
};

static _Thread_local uint64_t ours;
static _Thread_local uint64_t all;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
int __real_posix_memalign(void **block, size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
int __wrap_posix_memalign(void **block, size_t alignment, size_t size);
void *adk_guard_malloc(size_t size);
void *adk_guard_calloc(size_t count, size_t size);
void *adk_guard_realloc(void *block, size_t size);
int adk_guard_posix_memalign(void **block, size_t alignment, size_t size);
char *adk_guard_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    all++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    all++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    all++;
    return __real_realloc(block, size);
}

int __wrap_posix_memalign(void **block, size_t alignment, size_t size)
{
    all++;
    return __real_posix_memalign(block, alignment, size);
}

void *adk_guard_malloc(size_t size)
{
    ours++;
    return malloc(size);
}

void *adk_guard_calloc(size_t count, size_t size)
{
    ours++;
    return calloc(count, size);
}

void *adk_guard_realloc(void *block, size_t size)
{
    ours++;
    return realloc(block, size);
}

int adk_guard_posix_memalign(void **block, size_t alignment, size_t size)
{
    ours++;
    return posix_memalign(block, alignment, size);
}

char *adk_guard_strdup(const char *text)
{
    ours++;
    return strdup(text);
}

static const struct budget *budget_of(const guard_case *which)
{
    for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
        if (strcmp(budgets[i].name, which->name) == 0)
            return &budgets[i];
    }
    guard_die("a case without a budget", NULL);
}

int main(void)
{
    adk_backend *backend = guard_backend();
    bool good = true;

    for (size_t i = 0; i < guard_case_count; i++) {
        const struct budget *budget = budget_of(&guard_cases[i]);
        adk_wasm_module *module = guard_prepare(backend, &guard_cases[i]);

        guard_run(backend, &guard_cases[i], module, WARM);
        ours = 0;
        all = 0;
        guard_run(backend, &guard_cases[i], module, RUNS);
        (void)printf("%-9s %.3f allocations a run (at most %u), %.3f with the engine's (at most %u)\n", budget->name,
                     (double)ours / RUNS, budget->ours, (double)all / RUNS, budget->all);
        good &= ours > 0 && all > ours; /* else nothing was counted */
        good &= ours <= (uint64_t)budget->ours * RUNS && all <= (uint64_t)budget->all * RUNS;
        adk_wasm_module_free(module);
    }
    adk_backend_free(backend);
    return good ? 0 : 1;
}
