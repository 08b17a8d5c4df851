/*
 * The library's part of the comparison (figure.h says how it is called). Everything goes through the public functions, a
 * whole run each time: request, isolated guest, checked result, freed.
 */
#include "bench.h"
#include "figure.h"

#include <pthread.h>
#include <unistd.h>

#define OURS     "ours"
#define CACHED   "ours, cached"
#define PREPARED "ours, prepared"
#define MINUTE   UINT64_C(60000000000)

static adk_request new_request(void)
{
    adk_request request = ADK_REQUEST_INIT;

    request.timeout_ns = MINUTE;
    request.memory_limit_bytes = UINT64_C(256) << 20;
    request.output_limit_bytes = UINT64_C(4) << 20;
    return request;
}

static adk_wasm_module *prepare(adk_backend *backend, adk_bytes code)
{
    adk_wasm_module *module = NULL;
    adk_error *error = NULL;

    if (adk_wasm_module_new(backend, code, &module, &error) != ADK_OK)
        bench_die("prepare the module", error);
    return module;
}

static adk_bytes blob_bytes(const figure_blob *blob)
{
    return adk_bytes_make(blob->data, blob->size);
}

/* Runs a request that must exit with 0; the caller frees the result. */
static adk_result *run(adk_backend *backend, const adk_request *request)
{
    adk_result *result = NULL;
    adk_error *error = NULL;

    if (adk_backend_execute(backend, request, NULL, &result, &error) != ADK_OK)
        bench_die("run", error);
    if (adk_result_outcome(result) != ADK_OUTCOME_EXITED || adk_result_exit_code(result) != 0)
        figure_die("a run of ours did not exit with 0");
    return result;
}

static void run_hello(adk_backend *backend, const adk_request *request)
{
    adk_result *result = run(backend, request);
    adk_bytes out = adk_result_stdout(result).head;

    if (out.size != strlen(FIGURE_HELLO) || memcmp(out.data, FIGURE_HELLO, out.size) != 0)
        figure_die("a run of ours printed something else");
    adk_result_free(result);
}

static double hello_us(adk_backend *backend, const adk_request *request, unsigned times)
{
    double start = figure_now_ns();

    for (unsigned i = 0; i < times; i++)
        run_hello(backend, request);
    return (figure_now_ns() - start) / times / 1e3;
}

/* Also of the guest in C. */
static void measure_hello(const char *figure, adk_bytes code)
{
    adk_backend *backend = bench_backend();
    adk_request cached = new_request();
    adk_request prepared = new_request();
    adk_wasm_module *module = prepare(backend, code);
    double cached_us[FIGURE_BATCHES];
    double prepared_us[FIGURE_BATCHES];

    cached.code = code;
    prepared.module = module;
    (void)hello_us(backend, &cached, 1000);
    for (int i = 0; i < FIGURE_BATCHES; i++) {
        cached_us[i] = hello_us(backend, &cached, 100);
        prepared_us[i] = hello_us(backend, &prepared, 100);
    }
    figure_print(figure, CACHED, figure_median(cached_us, FIGURE_BATCHES), "us");
    figure_print(figure, PREPARED, figure_median(prepared_us, FIGURE_BATCHES), "us");
    adk_wasm_module_free(module);
    adk_backend_free(backend);
}

typedef struct worker {
    adk_backend *backend;
    const adk_request *request;
    pthread_barrier_t *barrier;
    unsigned times;
} worker;

static void *work(void *data)
{
    const worker *self = data;

    (void)pthread_barrier_wait(self->barrier);
    (void)hello_us(self->backend, self->request, self->times);
    return NULL;
}

/* CPU time of the process, which a busy machine hardly changes. */
static double cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double threads_per_second(adk_backend *backend, const adk_request *request, unsigned count, double *ret_cpu_us)
{
    pthread_barrier_t barrier;
    pthread_t threads[FIGURE_THREADS_MAX];
    worker self = {backend, request, &barrier, 8000 / count};
    double start;
    double cpu;

    (void)pthread_barrier_init(&barrier, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, work, &self) != 0)
            figure_die("no thread");
    }
    (void)pthread_barrier_wait(&barrier);
    start = figure_now_ns();
    cpu = cpu_ns();
    for (unsigned i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    start = figure_now_ns() - start;
    *ret_cpu_us = (cpu_ns() - cpu) / (self.times * count) / 1e3;
    (void)pthread_barrier_destroy(&barrier);
    return self.times * count / start * 1e9;
}

static void measure_threads(void)
{
    static const unsigned counts[3] = {1, 2, 4};
    adk_backend *backend = bench_backend();
    adk_request request = new_request();
    adk_wasm_module *module = prepare(backend, adk_bytes_from_cstr(bench_hello_wat));
    double per_second[3][FIGURE_THREAD_TIMES];
    double cpu_us[3][FIGURE_THREAD_TIMES];

    request.module = module;
    (void)threads_per_second(backend, &request, FIGURE_THREADS_MAX, &cpu_us[0][0]);
    for (int i = 0; i < FIGURE_THREAD_TIMES; i++) {
        for (int j = 0; j < 3; j++)
            per_second[j][i] = threads_per_second(backend, &request, counts[j], &cpu_us[j][i]);
    }
    for (int j = 0; j < 3; j++) {
        char figure[32];

        (void)snprintf(figure, sizeof(figure), "threads_%u", counts[j]);
        figure_print(figure, OURS, figure_most(per_second[j], FIGURE_THREAD_TIMES), "runs/s");
        (void)snprintf(figure, sizeof(figure), "threads_cpu_%u", counts[j]);
        figure_print(figure, OURS, figure_least(cpu_us[j], FIGURE_THREAD_TIMES), "us");
    }
    adk_wasm_module_free(module);
    adk_backend_free(backend);
}

static void measure_echo(const char *guest)
{
    static uint8_t data[FIGURE_ECHO_BYTES];
    figure_blob blob = figure_read(guest, 0);
    adk_backend *backend = bench_backend();
    adk_request request = new_request();
    adk_wasm_module *module = prepare(backend, blob_bytes(&blob));
    double us[FIGURE_TIMES];

    memset(data, 'e', sizeof(data));
    request.module = module;
    request.stdin_data = adk_bytes_make(data, sizeof(data));
    for (int i = -3; i < FIGURE_TIMES; i++) {
        double start = figure_now_ns();
        adk_result *result = run(backend, &request);
        adk_bytes out = adk_result_stdout(result).head;

        if (out.size != sizeof(data) || memcmp(out.data, data, out.size) != 0)
            figure_die("the echo differs");
        adk_result_free(result);
        if (i >= 0)
            us[i] = (figure_now_ns() - start) / 1e3;
    }
    figure_print("echo_1m", OURS, figure_median(us, FIGURE_TIMES), "us");
    adk_wasm_module_free(module);
    adk_backend_free(backend);
    free(blob.data);
}

static void measure_files(const char *guest)
{
    static const char *const names[FIGURE_FILES] = {"in/0", "in/1", "in/2", "in/3", "in/4",
                                                    "in/5", "in/6", "in/7", "in/8", "in/9"};
    static uint8_t content[FIGURE_FILE_BYTES];
    figure_blob blob = figure_read(guest, 0);
    adk_backend *backend = bench_backend();
    adk_request request = new_request();
    adk_wasm_module *module = prepare(backend, blob_bytes(&blob));
    adk_bytes outputs = adk_bytes_from_cstr("out/*");
    adk_file files[FIGURE_FILES];
    double us[FIGURE_TIMES];

    memset(files, 0, sizeof(files));
    for (int i = 0; i < FIGURE_FILES; i++) {
        files[i].path = adk_bytes_from_cstr(names[i]);
        files[i].content = adk_bytes_make(content, sizeof(content));
    }
    request.module = module;
    request.files = files;
    request.files_count = FIGURE_FILES;
    request.outputs = &outputs;
    request.outputs_count = 1;
    for (int i = -3; i < FIGURE_TIMES; i++) {
        double start = figure_now_ns();
        adk_result *result = run(backend, &request);
        size_t count;
        const adk_file_out *out = adk_result_files(result, &count, NULL);

        if (count != FIGURE_FILES || out[FIGURE_FILES - 1].content.size != FIGURE_FILE_BYTES)
            figure_die("not all files came back");
        adk_result_free(result);
        if (i >= 0)
            us[i] = (figure_now_ns() - start) / 1e3;
    }
    figure_print("files_10", OURS, figure_median(us, FIGURE_TIMES), "us");
    adk_wasm_module_free(module);
    adk_backend_free(backend);
    free(blob.data);
}

static double run_ms(adk_backend *backend, const adk_request *request, adk_cache_state cache)
{
    double start = figure_now_ns();
    adk_result *result = run(backend, request);
    adk_usage usage = ADK_USAGE_INIT;
    double ms;

    ms = (figure_now_ns() - start) / 1e6;
    adk_result_usage(result, &usage);
    if (usage.cache != cache)
        figure_die("the module came from elsewhere");
    adk_result_free(result);
    return ms;
}

static adk_backend *disk_backend(const char *directory, const char *key)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    options.disk_cache_cstr = directory;
    options.disk_key_cstr = key;
    if (adk_wasm_backend_new(&options, &backend, &error) != ADK_OK)
        bench_die("make a backend", error);
    return backend;
}

/* A backend's first run of a module that the directory has. */
static double disk_ms(const adk_request *request, const char *directory, const char *key)
{
    adk_request small = new_request();
    adk_backend *backend = disk_backend(directory, key);
    double ms;

    adk_wasm_module_free(prepare(backend, request->code));
    adk_backend_free(backend);
    backend = disk_backend(directory, key);
    small.code = adk_bytes_from_cstr("(module (func (export \"_start\")))");
    adk_result_free(run(backend, &small)); /* the engine is there */
    ms = run_ms(backend, request, ADK_CACHE_DISK);
    adk_backend_free(backend);
    return ms;
}

/* How long the first run of a module takes, by where its code comes from. */
static void measure_start(const char *guest)
{
    char directory[] = "/tmp/adk-bench-XXXXXX";
    figure_blob blob = figure_read(guest, FIGURE_MARK_BYTES);
    adk_backend *backend = bench_backend();
    adk_request request = new_request();
    adk_request prepared = new_request();
    adk_wasm_module *module;
    double ms[4][9];
    char key[64];

    if (mkdtemp(directory) == NULL)
        figure_die("no directory");
    (void)snprintf(key, sizeof(key), "%s.key", directory);
    for (uint64_t i = 0; i < 9; i++) {
        figure_mark(&blob, (uint64_t)getpid() << 32 | i, i == 0);
        request.code = blob_bytes(&blob);
        ms[0][i] = run_ms(backend, &request, ADK_CACHE_MISS);
        ms[1][i] = run_ms(backend, &request, ADK_CACHE_HIT);
        module = prepare(backend, request.code);
        prepared.module = module;
        ms[2][i] = run_ms(backend, &prepared, ADK_CACHE_HIT);
        adk_wasm_module_free(module);
        ms[3][i] = disk_ms(&request, directory, key);
    }
    figure_print("first_run_cold", OURS, figure_median(ms[0], 9), "ms");
    figure_print("first_run_cached", OURS, figure_median(ms[1], 9), "ms");
    figure_print("first_run_prepared", OURS, figure_median(ms[2], 9), "ms");
    figure_print("first_run_disk", OURS, figure_median(ms[3], 9), "ms");
    adk_backend_free(backend);
    free(blob.data);
    (void)unlink(key);
    (void)execlp("rm", "rm", "-rf", directory, (char *)NULL);
}

static void measure_limit(void)
{
    adk_backend *backend = bench_backend();
    adk_request request = new_request();

    request.timeout_ns = FIGURE_LIMIT_MS * UINT64_C(1000000);
    request.code = adk_bytes_from_cstr(FIGURE_SLEEP_WAT("3"));
    figure_print("limit_sleep", OURS, (double)bench_run(backend, &request, ADK_OUTCOME_TIMED_OUT) / 1e6, "ms");
    request.code = adk_bytes_from_cstr(FIGURE_LOOP_WAT);
    figure_print("limit_loop", OURS, (double)bench_run(backend, &request, ADK_OUTCOME_TIMED_OUT) / 1e6, "ms");
    adk_backend_free(backend);
}

static void *sleeper(void *data)
{
    const worker *self = data;

    adk_result_free(run(self->backend, self->request));
    return NULL;
}

/* Memory per prepared module, and per run that is under way, its thread included. */
static void measure_memory(void)
{
    static adk_wasm_module *modules[FIGURE_IDLE_MODULES];
    adk_backend *backend = bench_backend();
    adk_request request = new_request();
    worker self = {backend, &request, NULL, 0};
    pthread_t threads[FIGURE_SLEEPERS];
    char wat[FIGURE_MODULE_BYTES];
    double before;

    request.code = adk_bytes_from_cstr(bench_hello_wat);
    adk_result_free(run(backend, &request));
    before = figure_resident_bytes(0);
    for (unsigned i = 0; i < FIGURE_IDLE_MODULES; i++) {
        figure_hello_wat(wat, sizeof(wat), i);
        modules[i] = prepare(backend, adk_bytes_from_cstr(wat));
    }
    figure_print("memory_per_module", OURS, (figure_resident_bytes(0) - before) / FIGURE_IDLE_MODULES / 1024, "KiB");
    request.code = adk_bytes_from_cstr(FIGURE_SLEEP_WAT("1"));
    adk_result_free(run(backend, &request));
    before = figure_resident_bytes(0);
    for (unsigned i = 0; i < FIGURE_SLEEPERS; i++) {
        if (pthread_create(&threads[i], NULL, sleeper, &self) != 0)
            figure_die("no thread");
    }
    (void)usleep(600000);
    figure_print("memory_per_run", OURS, (figure_resident_bytes(0) - before) / FIGURE_SLEEPERS / 1024, "KiB");
    for (unsigned i = 0; i < FIGURE_SLEEPERS; i++)
        (void)pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < FIGURE_IDLE_MODULES; i++)
        adk_wasm_module_free(modules[i]);
    adk_backend_free(backend);
}

static void measure_cpu(const char *figure, const char *guest)
{
    figure_blob blob = figure_read(guest, 0);
    adk_backend *backend = bench_backend();
    adk_request request = new_request();
    adk_wasm_module *module = prepare(backend, blob_bytes(&blob));
    double ms[3];

    request.module = module;
    for (int i = 0; i < 3; i++)
        ms[i] = run_ms(backend, &request, ADK_CACHE_HIT);
    figure_print(figure, OURS, figure_least(ms, 3), "ms");
    adk_wasm_module_free(module);
    adk_backend_free(backend);
    free(blob.data);
}

static void measure_distinct(void)
{
    static double us[FIGURE_DISTINCT];
    adk_backend *backend = bench_backend();
    adk_request request = new_request();
    char wat[FIGURE_MODULE_BYTES];

    request.code = adk_bytes_from_cstr(bench_hello_wat);
    run_hello(backend, &request);
    for (unsigned i = 0; i < FIGURE_DISTINCT; i++) {
        double start = figure_now_ns();

        figure_hello_wat(wat, sizeof(wat), i);
        request.code = adk_bytes_from_cstr(wat);
        run_hello(backend, &request);
        us[i] = (figure_now_ns() - start) / 1e3;
    }
    figure_print("distinct_1000", OURS, figure_median(us, FIGURE_DISTINCT), "us");
    adk_backend_free(backend);
}

int main(int argc, char **argv)
{
    const char *figure = argc > 1 ? argv[1] : "";
    const char *guest = argc > 2 ? argv[2] : "";

    if (strcmp(figure, "hello") == 0) {
        measure_hello(figure, adk_bytes_from_cstr(bench_hello_wat));
    } else if (strcmp(figure, "hello_c") == 0) {
        figure_blob blob = figure_read(guest, 0);

        measure_hello(figure, blob_bytes(&blob));
        free(blob.data);
    } else if (strcmp(figure, "threads") == 0) {
        measure_threads();
    } else if (strcmp(figure, "echo") == 0) {
        measure_echo(guest);
    } else if (strcmp(figure, "files") == 0) {
        measure_files(guest);
    } else if (strcmp(figure, "start") == 0) {
        measure_start(guest);
    } else if (strcmp(figure, "limit") == 0) {
        measure_limit();
    } else if (strcmp(figure, "memory") == 0) {
        measure_memory();
    } else if (strcmp(figure, "distinct") == 0) {
        measure_distinct();
    } else if (strncmp(figure, "cpu_", 4) == 0) {
        measure_cpu(figure, guest);
    } else {
        figure_die("usage: bench_ours FIGURE [GUEST.wasm]");
    }
    return 0;
}
