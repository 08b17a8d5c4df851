/*
 * What the benchmarks share.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const char bench_hello_wat[] =
    "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))"
    "(memory (export \"memory\") 1) (data (i32.const 8) \"hello world\\n\")"
    "(func (export \"_start\") (i32.store (i32.const 0) (i32.const 8)) (i32.store (i32.const 4) (i32.const 12))"
    "(drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 24)))))";

uint64_t bench_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_percentile(double *values, size_t count, double percent)
{
    size_t at = (size_t)((double)(count - 1) * percent / 100 + 0.5);

    qsort(values, count, sizeof(*values), compare);
    return values[at];
}

void bench_die(const char *what, const adk_error *error)
{
    (void)fprintf(stderr, "%s: %s\n", what, adk_error_message_cstr(error));
    exit(1);
}

adk_backend *bench_backend(void)
{
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    if (adk_wasm_backend_new(NULL, &backend, &error) != ADK_OK)
        bench_die("make a backend", error);
    return backend;
}

uint64_t bench_run(adk_backend *backend, const adk_request *request, adk_outcome outcome)
{
    adk_result *result = NULL;
    adk_error *error = NULL;
    uint64_t start_ns = bench_now_ns();
    uint64_t taken_ns;

    if (adk_backend_execute(backend, request, NULL, &result, &error) != ADK_OK)
        bench_die("run", error);
    taken_ns = bench_now_ns() - start_ns;
    if (adk_result_outcome(result) != outcome) {
        (void)fprintf(stderr, "the outcome is %s, not %s\n", adk_outcome_cstr(adk_result_outcome(result)),
                      adk_outcome_cstr(outcome));
        exit(1);
    }
    adk_result_free(result);
    return taken_ns;
}
