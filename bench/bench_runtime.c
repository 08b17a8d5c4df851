/*
 * Programs through the public door: print(6*7) in each language that can be installed from the files of build/programs
 * (scripts/fetch-programs), by adk_auto_backend_new(), in a process that stays: fresh state each time, as agents' calls come.
 * First the very first run, which warms an image from code on disk; then many, on one thread and on two.
 *
 *   bench_runtime [DIRECTORY [RUNS]]    where the files are; runs of each thread, by default 500
 */
#include "bench.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MAX 2
#define WARM_RUNS   20
#define TIMEOUT_NS  UINT64_C(600000000000)

static char directory[] = "/tmp/adk-bench-runtime-XXXXXX";
static size_t runs = 500;

static const struct {
    const char *runtime;
    const char *file;
    adk_language language;
    const char *code;
} programs[] = {
    {"python", "python-3.12.0.wasm", ADK_LANGUAGE_PYTHON, "print(6*7)"},
    {"javascript", "quickjs.wasm", ADK_LANGUAGE_JAVASCRIPT, "console.log(6*7)"},
    {"typescript", "sucrase-3.35.1.tgz", ADK_LANGUAGE_TYPESCRIPT, "const n: number = 6*7; console.log(n)"},
};

struct work {
    adk_backend *backend;
    adk_request request;
    double *us;
};

static void *work(void *data)
{
    struct work *w = data;

    for (size_t i = 0; i < WARM_RUNS; i++)
        (void)bench_run(w->backend, &w->request, ADK_OUTCOME_EXITED);
    for (size_t i = 0; i < runs; i++)
        w->us[i] = (double)bench_run(w->backend, &w->request, ADK_OUTCOME_EXITED) / 1000;
    return NULL;
}

static void measure(const char *name, adk_backend *backend, const adk_request *request, unsigned threads)
{
    struct work works[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    double *all = calloc(threads * runs, sizeof(*all));
    uint64_t start_ns = bench_now_ns();
    double p50;

    if (all == NULL)
        bench_die("out of memory", NULL);
    for (unsigned i = 0; i < threads; i++) {
        works[i] = (struct work){backend, *request, all + i * runs};
        if (pthread_create(&ids[i], NULL, work, &works[i]) != 0)
            bench_die("no thread", NULL);
    }
    for (unsigned i = 0; i < threads; i++)
        (void)pthread_join(ids[i], NULL);
    start_ns = bench_now_ns() - start_ns;
    p50 = bench_percentile(all, threads * runs, 50);
    (void)printf("{\"bench\": \"runtime\", \"what\": \"%s\", \"threads\": %u, \"p50_us\": %.1f, \"p99_us\": %.1f, "
                 "\"runs_per_s\": %.0f}\n",
                 name, threads, p50, bench_percentile(all, threads * runs, 99),
                 (double)(runs + WARM_RUNS) * threads * 1e9 / (double)start_ns);
    (void)fflush(stdout);
    free(all);
}

static adk_backend *open_backend(void)
{
    adk_runtime_options options = ADK_RUNTIME_OPTIONS_INIT;
    adk_wasm_options wasm = ADK_WASM_OPTIONS_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    char cache[128];
    char key[128];

    (void)snprintf(cache, sizeof(cache), "%s/cache", directory);
    (void)snprintf(key, sizeof(key), "%s/key", directory);
    wasm.disk_cache_cstr = cache;
    wasm.disk_key_cstr = key;
    options.directory_cstr = directory;
    options.wasm = &wasm;
    if (adk_auto_backend_new(&options, &backend, &error) != ADK_OK)
        bench_die("no backend", error);
    return backend;
}

/* The first backend compiles and keeps the code; the second finds it. */
static void measure_language(size_t which)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_backend *backend = open_backend();
    double first_ms;

    request.language = programs[which].language;
    request.code = adk_bytes_from_cstr(programs[which].code);
    request.timeout_ns = TIMEOUT_NS;
    (void)bench_run(backend, &request, ADK_OUTCOME_EXITED);
    adk_backend_free(backend);
    backend = open_backend();
    first_ms = (double)bench_run(backend, &request, ADK_OUTCOME_EXITED) / 1e6;
    (void)printf("{\"bench\": \"runtime\", \"what\": \"%s_first\", \"ms\": %.1f}\n", programs[which].runtime, first_ms);
    for (unsigned threads = 1; threads <= THREADS_MAX; threads++)
        measure(programs[which].runtime, backend, &request, threads);
    adk_backend_free(backend);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

int main(int argc, char *argv[])
{
    const char *files = argc > 1 ? argv[1] : "build/programs";
    adk_error *error = NULL;
    char path[4096];

    if (argc > 2)
        runs = strtoul(argv[2], NULL, 10);
    if (runs == 0 || mkdtemp(directory) == NULL)
        bench_die("a number of runs, and a directory below /tmp", NULL);
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", files, programs[i].file);
        if (access(path, R_OK) != 0) {
            (void)fprintf(stderr, "%s: %s is not there\n", programs[i].runtime, path);
            continue;
        }
        if (adk_runtime_install(adk_runtime_find(programs[i].runtime), directory, path, &error) != ADK_OK)
            bench_die(programs[i].runtime, error);
        measure_language(i);
    }
    (void)nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}
