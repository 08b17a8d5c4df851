/*
 * A full isolated run of "hello world": request to freed result, the module cached. One thread, with the module found by
 * its bytes and prepared; the median of batches, so that a busy neighbour does not count.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCHES 60
#define BATCH   2000

static double batch_us(adk_backend *backend, const adk_request *request)
{
    uint64_t start_ns = bench_now_ns();

    for (int i = 0; i < BATCH; i++)
        (void)bench_run(backend, request, ADK_OUTCOME_EXITED);
    return (double)(bench_now_ns() - start_ns) / BATCH / 1e3;
}

static void print(const char *name, double *us)
{
    double median = bench_percentile(us, BATCHES, 50);

    (void)printf("{\"bench\":\"%s\",\"us_per_run\":%.2f,\"us_p10\":%.2f,\"us_p90\":%.2f,\"runs_per_second\":%.0f}\n",
                 name, median, bench_percentile(us, BATCHES, 10), bench_percentile(us, BATCHES, 90), 1e6 / median);
}

int main(void)
{
    adk_backend *backend = bench_backend();
    adk_request by_bytes = ADK_REQUEST_INIT;
    adk_request prepared = ADK_REQUEST_INIT;
    adk_wasm_module *module = NULL;
    adk_error *error = NULL;
    double bytes_us[BATCHES];
    double prepared_us[BATCHES];

    by_bytes.code = adk_bytes_from_cstr(bench_hello_wat);
    by_bytes.timeout_ns = 10000000000u;
    if (adk_wasm_module_new(backend, by_bytes.code, &module, &error) != ADK_OK)
        bench_die("prepare the module", error);
    prepared.timeout_ns = by_bytes.timeout_ns;
    prepared.module = module;
    (void)batch_us(backend, &by_bytes);
    for (int i = 0; i < BATCHES; i++) {
        bytes_us[i] = batch_us(backend, &by_bytes);
        prepared_us[i] = batch_us(backend, &prepared);
    }
    print("hello_cached", bytes_us);
    print("hello_prepared", prepared_us);
    adk_wasm_module_free(module);
    adk_backend_free(backend);
    return 0;
}
