/*
 * What the first run of a module takes, by its size and by where its code comes from. One JSON line a module, in
 * milliseconds:
 *
 *   compile_1_ms  compiled where the process may use one CPU
 *   compile_ms    and where it may use all of them
 *   disk_ms       found on disk by a backend whose engine is there: read, MAC checked, loaded. The median, as all but the
 *                 compilations
 *   shard_ms      the first run on a further CPU, whose shard takes the code over in its serialised form
 *   warm_ms       a run after that, of which the others hold as much
 *
 *   bench_sizes MODULE.wasm...
 *
 * Neither of the last two has in it what the guest itself took.
 */
#include "bench.h"
#include "figure.h"

#include <ftw.h>
#include <sched.h>
#include <unistd.h>

#define HOUR   UINT64_C(3600000000000)
#define MINUTE UINT64_C(60000000000)
#define SHORT  UINT64_C(200000000)
#define TIMES  9

typedef struct place {
    char directory[32];
    char key[40];
} place;

static void run_on(const cpu_set_t *cpus)
{
    if (sched_setaffinity(0, sizeof(*cpus), cpus) != 0)
        figure_die("the CPUs cannot be chosen");
}

static cpu_set_t one_cpu(const cpu_set_t *all, unsigned which)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, all) && which-- == 0)
            CPU_SET(cpu, &one);
    }
    return one;
}

static adk_backend *new_backend(const place *at)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    options.prepare_timeout_ns = HOUR;
    options.disk_cache_cstr = at != NULL ? at->directory : NULL;
    options.disk_key_cstr = at != NULL ? at->key : NULL;
    if (adk_wasm_backend_new(&options, &backend, &error) != ADK_OK)
        bench_die("make a backend", error);
    return backend;
}

static double prepare_ms(adk_backend *backend, const figure_blob *code, adk_wasm_module **ret_module)
{
    double start = figure_now_ns();
    adk_error *error = NULL;

    if (adk_wasm_module_new(backend, adk_bytes_make(code->data, code->size), ret_module, &error) != ADK_OK)
        bench_die("prepare the module", error);
    return (figure_now_ns() - start) / 1e6;
}

/* The engine is there afterwards. */
static void warm(adk_backend *backend)
{
    adk_request request = ADK_REQUEST_INIT;

    request.timeout_ns = MINUTE;
    request.code = adk_bytes_from_cstr(bench_hello_wat);
    (void)bench_run(backend, &request, ADK_OUTCOME_EXITED);
}

/* A run without input, less what the guest itself took: Python looks for its library for a while, and QuickJS waits for a
 * line until it is stopped. */
static double run_ms(adk_backend *backend, const adk_wasm_module *module)
{
    static const char name[] = "program";
    adk_bytes args[] = {adk_bytes_make(name, sizeof(name) - 1)};
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;
    adk_error *error = NULL;
    adk_usage usage = ADK_USAGE_INIT;
    double start = figure_now_ns();

    request.module = module;
    request.args = args;
    request.args_count = 1;
    request.timeout_ns = SHORT;
    if (adk_backend_execute(backend, &request, NULL, &result, &error) != ADK_OK)
        bench_die("run", error);
    start = (figure_now_ns() - start) / 1e6;
    adk_result_usage(result, &usage);
    if (usage.run_ns == 0)
        figure_die("a guest did not begin");
    start -= (double)usage.run_ns / 1e6;
    adk_result_free(result);
    return start;
}

static double compiled_ms(const figure_blob *code, const cpu_set_t *cpus)
{
    adk_wasm_module *module = NULL;
    adk_backend *backend;
    double ms;

    run_on(cpus);
    backend = new_backend(NULL);
    warm(backend);
    ms = prepare_ms(backend, code, &module);
    adk_wasm_module_free(module);
    adk_backend_free(backend);
    return ms;
}

static double disk_ms(const figure_blob *code, const place *at)
{
    adk_wasm_module *module = NULL;
    adk_backend *backend = new_backend(at);
    double ms;

    warm(backend);
    ms = prepare_ms(backend, code, &module);
    adk_wasm_module_free(module);
    adk_backend_free(backend);
    return ms;
}

static double shard_ms(const figure_blob *code, const place *at, const cpu_set_t *all, double *ret_warm_ms)
{
    cpu_set_t first = one_cpu(all, 0);
    cpu_set_t second = one_cpu(all, 1);
    adk_wasm_module *module = NULL;
    adk_backend *backend;
    double ms;

    run_on(all);
    backend = new_backend(at);
    run_on(&second);
    warm(backend);
    run_on(&first);
    warm(backend);
    (void)prepare_ms(backend, code, &module);
    (void)run_ms(backend, module);
    run_on(&second);
    ms = run_ms(backend, module);
    *ret_warm_ms = run_ms(backend, module);
    run_on(all);
    adk_wasm_module_free(module);
    adk_backend_free(backend);
    return ms;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void measure(const char *path)
{
    place at = {"/tmp/adk-bench-XXXXXX", ""};
    figure_blob code = figure_read(path, 0);
    int times = code.size < (size_t)1 << 20 ? TIMES : 1;
    double compile_1_ms[TIMES];
    double compile_ms[TIMES];
    double from_disk_ms[TIMES];
    double on_shard_ms[TIMES];
    double warm_ms[TIMES];
    cpu_set_t all;
    cpu_set_t one;

    if (mkdtemp(at.directory) == NULL || sched_getaffinity(0, sizeof(all), &all) != 0)
        figure_die("no directory");
    (void)snprintf(at.key, sizeof(at.key), "%s.key", at.directory);
    one = one_cpu(&all, 0);
    for (int i = 0; i < times; i++) {
        compile_1_ms[i] = compiled_ms(&code, &one);
        compile_ms[i] = compiled_ms(&code, &all);
    }
    run_on(&all);
    (void)disk_ms(&code, &at); /* compiled, and kept */
    for (int i = 0; i < TIMES; i++) {
        from_disk_ms[i] = disk_ms(&code, &at);
        on_shard_ms[i] = CPU_COUNT(&all) > 1 ? shard_ms(&code, &at, &all, &warm_ms[i]) : 0;
    }
    (void)printf("{\"bench\":\"sizes\",\"module\":\"%s\",\"bytes\":%zu,\"compile_1_ms\":%.2f,\"compile_ms\":%.2f,"
                 "\"disk_ms\":%.2f,\"shard_ms\":%.3f,\"warm_ms\":%.3f}\n",
                 strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path, code.size,
                 figure_median(compile_1_ms, (size_t)times), figure_median(compile_ms, (size_t)times),
                 figure_median(from_disk_ms, TIMES), figure_median(on_shard_ms, TIMES), figure_median(warm_ms, TIMES));
    (void)fflush(stdout);
    free(code.data);
    (void)nftw(at.directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    (void)unlink(at.key);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        figure_die("usage: bench_sizes MODULE.wasm...");
    for (int i = 1; i < argc; i++)
        measure(argv[i]);
    return 0;
}
