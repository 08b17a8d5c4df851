/*
 * What the benchmarks share: timing, medians, and one JSON line a figure.
 */
#ifndef ADK_BENCH_H
#define ADK_BENCH_H

#include <adk/sandbox.h>

#include <stdint.h>

uint64_t bench_now_ns(void);

/** Sorts `values` and gives the one at `percent` of them. */
double bench_percentile(double *values, size_t count, double percent);

/** Ends the program with a message. */
__attribute__((noreturn)) void bench_die(const char *what, const adk_error *error);

/** A backend with default options, or the end of the program. */
adk_backend *bench_backend(void);

/** Runs a request and checks the outcome; the result is freed. Returns the time the call took. */
uint64_t bench_run(adk_backend *backend, const adk_request *request, adk_outcome outcome);

/** The guest that writes "hello world", as WebAssembly text. */
extern const char bench_hello_wat[];

#endif
