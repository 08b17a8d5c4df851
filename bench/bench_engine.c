/*
 * The engine's C API without our layers, as a contender (figure.h says how it is called). Two programs come of this file.
 *
 * bench_engine links our engine archive, configured as the library configures it (epochs, a pool): what is left when all of
 * ours is taken away. The guest gets the two functions of WASI that it cannot do without and nothing is checked, so this is
 * a bound, not a sandbox.
 *
 * With BENCH_STOCK it is bench_wasmtime, against the shared library of PyPI's wasmtime package: an embedding as the
 * documentation shows it: engine, module and linker made once, WASI by wasmtime itself, a store for each run, instantiated by
 * the linker. With --tuned it does what else its interface offers: instances from a pool, imports resolved once.
 */
#include "figure.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi.h>
#include <wasm.h>
#include <wasmtime.h>

#ifdef BENCH_STOCK
#define NAME        (is_tuned ? "wasmtime, tuned" : "wasmtime")
#define HELLO_TIMES 20
#else
#define NAME        "engine alone"
#define HELLO_TIMES 100
#endif

static int is_tuned; /* imports resolved once; with BENCH_STOCK only by --tuned */

/* What a run has written. */
typedef struct output {
    uint8_t *data;
    size_t size;
    size_t room;
} output;

typedef struct embedding {
    wasm_engine_t *engine;
    wasmtime_linker_t *linker;
    wasmtime_module_t *module;
    wasmtime_instance_pre_t *pre;
} embedding;

/* What a run is given. */
typedef struct input {
    const uint8_t *stdin_data;
    size_t stdin_size;
    const char *directory_cstr; /* the guest's root, where there is one */
    uint64_t epochs;            /* how many may pass */
} input;

static const input plain = {NULL, 0, NULL, UINT64_C(1) << 40};

static void check(const char *what, wasmtime_error_t *error)
{
    wasm_byte_vec_t message;

    if (error == NULL)
        return;
    wasmtime_error_message(error, &message);
    (void)fprintf(stderr, "%s: %s: %.*s\n", NAME, what, (int)message.size, message.data);
    exit(1);
}

static ptrdiff_t append(void *data, const unsigned char *bytes, size_t size)
{
    output *out = data;

    if (out->size + size > out->room) {
        out->room = 2 * (out->size + size);
        out->data = realloc(out->data, out->room);
        if (out->data == NULL)
            figure_die("no memory");
    }
    memcpy(out->data + out->size, bytes, size);
    out->size += size;
    return (ptrdiff_t)size;
}

static void set_pool(wasm_config_t *config)
{
    wasmtime_pooling_allocation_config_t *pool = wasmtime_pooling_allocation_config_new();

    wasmtime_pooling_allocation_config_total_core_instances_set(pool, 64);
    wasmtime_pooling_allocation_config_total_memories_set(pool, 64);
    wasmtime_pooling_allocation_config_total_tables_set(pool, 64);
    wasmtime_pooling_allocation_config_max_unused_warm_slots_set(pool, 64);
    wasmtime_pooling_allocation_config_max_memory_size_set(pool, (size_t)4 << 30);
    wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, (size_t)1 << 20);
    wasmtime_pooling_allocation_config_table_keep_resident_set(pool, (size_t)64 << 10);
    wasmtime_pooling_allocation_strategy_set(config, pool);
    wasmtime_pooling_allocation_config_delete(pool);
}

#ifdef BENCH_STOCK

static void define_host(embedding *self)
{
    self->linker = wasmtime_linker_new(self->engine);
    check("define WASI", wasmtime_linker_define_wasi(self->linker));
}

static void set_host(wasmtime_context_t *context, const input *in, output *out)
{
    wasi_config_t *wasi = wasi_config_new();
    wasm_byte_vec_t bytes;

    if (in->stdin_size > 0) {
        wasm_byte_vec_new(&bytes, in->stdin_size, (const char *)in->stdin_data);
        wasi_config_set_stdin_bytes(wasi, &bytes);
    }
    if (in->directory_cstr != NULL && !wasi_config_preopen_dir(wasi, in->directory_cstr, "/", true))
        figure_die("no directory for the guest");
    wasi_config_set_stdout_custom(wasi, append, out, NULL);
    check("set WASI", wasmtime_context_set_wasi(context, wasi));
}

static void configure(wasm_config_t *config)
{
    wasmtime_config_epoch_interruption_set(config, true);
    if (is_tuned)
        set_pool(config);
}

#else

enum { ERRNO_BADF = 8, ERRNO_FAULT = 21 };

static wasm_trap_t *fd_write(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *args, size_t count)
{
    wasmtime_context_t *context = wasmtime_caller_context(caller);
    output *out = wasmtime_context_get_data(context);
    wasmtime_extern_t memory;
    uint32_t iovs = (uint32_t)args[1].i32;
    uint32_t iovs_count = (uint32_t)args[2].i32;
    uint32_t ret = (uint32_t)args[3].i32;
    uint32_t total = 0;
    uint8_t *bytes;
    size_t size;

    (void)data;
    (void)count;
    if (!wasmtime_caller_export_get(caller, "memory", 6, &memory))
        return wasmtime_trap_new("no memory", 9);
    bytes = wasmtime_memory_data(context, &memory.of.memory);
    size = wasmtime_memory_data_size(context, &memory.of.memory);
    args[0].i32 = ERRNO_FAULT;
    if (iovs + UINT64_C(8) * iovs_count > size || ret + UINT64_C(4) > size)
        return NULL;
    for (uint32_t i = 0; i < iovs_count; i++) {
        uint32_t iov[2];

        memcpy(iov, bytes + iovs + 8 * i, sizeof(iov));
        if ((uint64_t)iov[0] + iov[1] > size)
            return NULL;
        (void)append(out, bytes + iov[0], iov[1]);
        total += iov[1];
    }
    memcpy(bytes + ret, &total, sizeof(total));
    args[0].i32 = 0;
    return NULL;
}

static wasm_trap_t *absent(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *args, size_t count)
{
    (void)data;
    (void)caller;
    (void)count;
    args[0].i32 = ERRNO_BADF;
    return NULL;
}

static wasm_trap_t *proc_exit(void *data, wasmtime_caller_t *caller, wasmtime_val_raw_t *args, size_t count)
{
    (void)data;
    (void)caller;
    (void)args;
    (void)count;
    return wasmtime_trap_new("exit", 4);
}

/* All that the module imports; called when there is one. */
static void define_host(embedding *self)
{
    wasm_importtype_vec_t imports;

    self->linker = wasmtime_linker_new(self->engine);
    wasmtime_module_imports(self->module, &imports);
    for (size_t i = 0; i < imports.size; i++) {
        const wasm_name_t *module = wasm_importtype_module(imports.data[i]);
        const wasm_name_t *name = wasm_importtype_name(imports.data[i]);
        const wasm_externtype_t *type = wasm_importtype_type(imports.data[i]);
        wasmtime_func_unchecked_callback_t function = absent;

        if (name->size == 8 && memcmp(name->data, "fd_write", 8) == 0)
            function = fd_write;
        else if (name->size == 9 && memcmp(name->data, "proc_exit", 9) == 0)
            function = proc_exit;
        check("define a function",
              wasmtime_linker_define_func_unchecked(self->linker, module->data, module->size, name->data, name->size,
                                                    wasm_externtype_as_functype_const(type), function, NULL, NULL));
    }
    wasm_importtype_vec_delete(&imports);
}

static void set_host(wasmtime_context_t *context, const input *in, output *out)
{
    (void)in;
    wasmtime_context_set_data(context, out);
}

static void configure(wasm_config_t *config)
{
    wasmtime_config_epoch_interruption_set(config, true);
    wasmtime_config_native_unwind_info_set(config, false);
    wasmtime_config_parallel_compilation_set(config, false);
    wasmtime_config_memory_reservation_set(config, UINT64_C(4) << 30);
    set_pool(config);
}

#endif

static wasm_engine_t *new_engine(void)
{
    wasm_config_t *config = wasm_config_new();
    wasm_engine_t *engine;

    configure(config);
    engine = wasm_engine_new_with_config(config);
    if (engine == NULL)
        figure_die("no engine");
    return engine;
}

static void embed(embedding *self, wasmtime_module_t *module)
{
    self->module = module;
    define_host(self);
    check("link", wasmtime_linker_instantiate_pre(self->linker, self->module, &self->pre));
}

static wasmtime_module_t *compile(wasm_engine_t *engine, const uint8_t *code, size_t size)
{
    wasmtime_module_t *module;

    check("compile", wasmtime_module_new(engine, code, size, &module));
    return module;
}

static wasmtime_module_t *compile_text(wasm_engine_t *engine, const char *text)
{
    wasm_byte_vec_t code;
    wasmtime_module_t *module;

    check("read the text", wasmtime_wat2wasm(text, strlen(text), &code));
    module = compile(engine, (const uint8_t *)code.data, code.size);
    wasm_byte_vec_delete(&code);
    return module;
}

static void close_embedding(embedding *self)
{
    wasmtime_instance_pre_delete(self->pre);
    wasmtime_linker_delete(self->linker);
    wasmtime_module_delete(self->module);
}

/* A run, from its store to its end, as isolated as the engine has it. What it wrote is in `out`. */
static void run(const embedding *self, const input *in, output *out)
{
    wasmtime_store_t *store = wasmtime_store_new(self->engine, NULL, NULL);
    wasmtime_context_t *context = wasmtime_store_context(store);
    wasmtime_instance_t instance;
    wasmtime_error_t *error;
    wasmtime_extern_t start;
    wasm_trap_t *trap = NULL;

    out->size = 0;
    wasmtime_store_limiter(store, (int64_t)256 << 20, 20000, 1, 1, 1);
    wasmtime_context_set_epoch_deadline(context, in->epochs);
    set_host(context, in, out);
    if (is_tuned)
        check("instantiate", wasmtime_instance_pre_instantiate(self->pre, context, &instance, &trap));
    else
        check("instantiate", wasmtime_linker_instantiate(self->linker, context, self->module, &instance, &trap));
    if (trap != NULL || !wasmtime_instance_export_get(context, &instance, "_start", 6, &start))
        figure_die("no start");
    error = wasmtime_func_call(context, &start.of.func, NULL, 0, NULL, 0, &trap);
    if (error != NULL)
        wasmtime_error_delete(error); /* an exit */
    if (trap != NULL)
        wasm_trap_delete(trap);
    wasmtime_store_delete(store);
}

static void run_hello(const embedding *self, output *out)
{
    run(self, &plain, out);
    if (out->size != strlen(FIGURE_HELLO) || memcmp(out->data, FIGURE_HELLO, out->size) != 0)
        figure_die("hello world printed something else");
}

static double hello_us(const embedding *self, unsigned times)
{
    output out = {0};
    double start = figure_now_ns();

    for (unsigned i = 0; i < times; i++)
        run_hello(self, &out);
    start = figure_now_ns() - start;
    free(out.data);
    return start / times / 1e3;
}

static void measure_hello(const char *figure, const embedding *self)
{
    double us[FIGURE_BATCHES];

    (void)hello_us(self, HELLO_TIMES);
    for (int i = 0; i < FIGURE_BATCHES; i++)
        us[i] = hello_us(self, HELLO_TIMES);
    figure_print(figure, NAME, figure_median(us, FIGURE_BATCHES), "us");
}

static pthread_barrier_t barrier;
static unsigned thread_runs;

static void *work(void *data)
{
    (void)pthread_barrier_wait(&barrier);
    (void)hello_us(data, thread_runs);
    return NULL;
}

static double threads_per_second(embedding *self, unsigned count)
{
    pthread_t threads[FIGURE_THREADS_MAX];
    double start;

    thread_runs = HELLO_TIMES * 40 / count;
    (void)pthread_barrier_init(&barrier, NULL, count + 1);
    for (unsigned i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, work, self) != 0)
            figure_die("no thread");
    }
    (void)pthread_barrier_wait(&barrier);
    start = figure_now_ns();
    for (unsigned i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    start = figure_now_ns() - start;
    (void)pthread_barrier_destroy(&barrier);
    return thread_runs * count / start * 1e9;
}

static void measure_threads(embedding *self)
{
    static const unsigned counts[3] = {1, 2, 4};
    double per_second[3][FIGURE_THREAD_TIMES];

    for (int i = 0; i < FIGURE_THREAD_TIMES; i++) {
        for (int j = 0; j < 3; j++)
            per_second[j][i] = threads_per_second(self, counts[j]);
    }
    for (int j = 0; j < 3; j++) {
        char figure[32];

        (void)snprintf(figure, sizeof(figure), "threads_%u", counts[j]);
        figure_print(figure, NAME, figure_most(per_second[j], FIGURE_THREAD_TIMES), "runs/s");
    }
}

static void measure_cpu(const char *figure, const embedding *self)
{
    output out = {0};
    double ms[3];

    for (int i = 0; i < 3; i++) {
        double start = figure_now_ns();

        run(self, &plain, &out);
        ms[i] = (figure_now_ns() - start) / 1e6;
        if (out.size == 0)
            figure_die("the guest printed nothing");
    }
    figure_print(figure, NAME, figure_least(ms, 3), "ms");
    free(out.data);
}

#ifdef BENCH_STOCK

static void measure_echo(const embedding *self)
{
    static uint8_t data[FIGURE_ECHO_BYTES];
    const input in = {data, sizeof(data), NULL, UINT64_C(1) << 40};
    double us[FIGURE_TIMES];

    memset(data, 'e', sizeof(data));
    for (int i = -3; i < FIGURE_TIMES; i++) {
        double start = figure_now_ns();
        output out = {0};

        run(self, &in, &out);
        if (out.size != sizeof(data) || memcmp(out.data, data, out.size) != 0)
            figure_die("the echo differs");
        free(out.data);
        if (i >= 0)
            us[i] = (figure_now_ns() - start) / 1e3;
    }
    figure_print("echo_1m", NAME, figure_median(us, FIGURE_TIMES), "us");
}

static void transfer(const char *directory, const char *name, int number, uint8_t *content, const char *mode)
{
    char path[128];
    FILE *file;
    size_t done;

    (void)snprintf(path, sizeof(path), "%s/%s/%d", directory, name, number);
    file = fopen(path, mode);
    if (file == NULL)
        figure_die(path);
    done = *mode == 'w' ? fwrite(content, 1, FIGURE_FILE_BYTES, file) : fread(content, 1, FIGURE_FILE_BYTES, file);
    if (done != FIGURE_FILE_BYTES || fclose(file) != 0)
        figure_die(path);
    if (*mode == 'r')
        (void)unlink(path);
}

/* Files go in and out through a directory in memory, made for the run and emptied after it. */
static void measure_files(const embedding *self)
{
    static uint8_t content[FIGURE_FILE_BYTES];
    double us[FIGURE_TIMES];
    output out = {0};

    for (int i = -3; i < FIGURE_TIMES; i++) {
        char directory[] = "/dev/shm/adk-bench-XXXXXX";
        const input in = {NULL, 0, directory, UINT64_C(1) << 40};
        double start = figure_now_ns();
        char path[64];

        if (mkdtemp(directory) == NULL)
            figure_die("no directory");
        (void)snprintf(path, sizeof(path), "%s/in", directory);
        (void)mkdir(path, 0700);
        for (int j = 0; j < FIGURE_FILES; j++)
            transfer(directory, "in", j, content, "wb");
        run(self, &in, &out);
        for (int j = 0; j < FIGURE_FILES; j++) {
            transfer(directory, "out", j, content, "rb");
            (void)snprintf(path, sizeof(path), "%s/in/%d", directory, j);
            (void)unlink(path);
        }
        (void)snprintf(path, sizeof(path), "%s/in", directory);
        (void)rmdir(path);
        (void)snprintf(path, sizeof(path), "%s/out", directory);
        (void)rmdir(path);
        (void)rmdir(directory);
        if (i >= 0)
            us[i] = (figure_now_ns() - start) / 1e3;
    }
    figure_print("files_10", NAME, figure_median(us, FIGURE_TIMES), "us");
    free(out.data);
}

/* The first run of a module: compiled; of what was compiled before, by a file. */
static void measure_start(wasm_engine_t *engine, figure_blob *blob)
{
    char path[] = "/tmp/adk-bench-XXXXXX";
    double ms[3][9];
    output out = {0};
    int fd = mkstemp(path);

    if (fd < 0)
        figure_die("no file");
    (void)close(fd);
    for (uint64_t i = 0; i < 9; i++) {
        embedding self = {engine, NULL, NULL, NULL};
        wasmtime_module_t *module;
        wasm_byte_vec_t code;
        double start;
        FILE *file;

        figure_mark(blob, i, i == 0);
        start = figure_now_ns();
        embed(&self, compile(engine, blob->data, blob->size));
        run(&self, &plain, &out);
        ms[0][i] = (figure_now_ns() - start) / 1e6;
        start = figure_now_ns();
        run(&self, &plain, &out);
        ms[1][i] = (figure_now_ns() - start) / 1e6;
        check("serialize", wasmtime_module_serialize(self.module, &code));
        file = fopen(path, "wb");
        if (file == NULL || fwrite(code.data, 1, code.size, file) != code.size || fclose(file) != 0)
            figure_die(path);
        wasm_byte_vec_delete(&code);
        close_embedding(&self);
        start = figure_now_ns();
        check("deserialize", wasmtime_module_deserialize_file(engine, path, &module));
        embed(&self, module);
        run(&self, &plain, &out);
        ms[2][i] = (figure_now_ns() - start) / 1e6;
        close_embedding(&self);
    }
    figure_print("first_run_cold", NAME, figure_median(ms[0], 9), "ms");
    figure_print("first_run_prepared", NAME, figure_median(ms[1], 9), "ms");
    figure_print("first_run_disk", NAME, figure_median(ms[2], 9), "ms");
    (void)unlink(path);
    free(out.data);
}

static void *tick(void *data)
{
    const struct timespec time = {.tv_nsec = FIGURE_LIMIT_MS * 1000000L};

    (void)nanosleep(&time, NULL);
    wasmtime_engine_increment_epoch(data);
    return NULL;
}

/* The documented way: a thread moves the epoch on when the time is over. */
static void measure_limit(const char *figure, wasm_engine_t *engine, const char *wat)
{
    const input in = {NULL, 0, NULL, 1};
    embedding self = {engine, NULL, NULL, NULL};
    output out = {0};
    pthread_t ticker;
    double start;

    embed(&self, compile_text(engine, wat));
    start = figure_now_ns();
    if (pthread_create(&ticker, NULL, tick, engine) != 0)
        figure_die("no thread");
    run(&self, &in, &out);
    figure_print(figure, NAME, (figure_now_ns() - start) / 1e6, "ms");
    (void)pthread_join(ticker, NULL);
    close_embedding(&self);
}

static void *sleeper(void *data)
{
    output out = {0};

    run(data, &plain, &out);
    return NULL;
}

static void measure_memory(wasm_engine_t *engine)
{
    static embedding modules[FIGURE_IDLE_MODULES];
    embedding sleeping = {engine, NULL, NULL, NULL};
    pthread_t threads[FIGURE_SLEEPERS];
    char wat[FIGURE_MODULE_BYTES];
    output out = {0};
    double before;

    figure_hello_wat(wat, sizeof(wat), FIGURE_IDLE_MODULES);
    modules[0].engine = engine;
    embed(&modules[0], compile_text(engine, wat));
    run_hello(&modules[0], &out);
    before = figure_resident_bytes(0);
    for (unsigned i = 0; i < FIGURE_IDLE_MODULES; i++) {
        modules[i].engine = engine;
        figure_hello_wat(wat, sizeof(wat), i);
        modules[i].module = compile_text(engine, wat);
    }
    figure_print("memory_per_module", NAME, (figure_resident_bytes(0) - before) / FIGURE_IDLE_MODULES / 1024, "KiB");
    embed(&sleeping, compile_text(engine, FIGURE_SLEEP_WAT("1")));
    run(&sleeping, &plain, &out);
    before = figure_resident_bytes(0);
    for (unsigned i = 0; i < FIGURE_SLEEPERS; i++) {
        if (pthread_create(&threads[i], NULL, sleeper, &sleeping) != 0)
            figure_die("no thread");
    }
    (void)usleep(600000);
    figure_print("memory_per_run", NAME, (figure_resident_bytes(0) - before) / FIGURE_SLEEPERS / 1024, "KiB");
    for (unsigned i = 0; i < FIGURE_SLEEPERS; i++)
        (void)pthread_join(threads[i], NULL);
}

static void measure_distinct(wasm_engine_t *engine)
{
    static double us[FIGURE_DISTINCT];
    embedding self = {engine, NULL, NULL, NULL};
    char wat[FIGURE_MODULE_BYTES];
    output out = {0};

    for (unsigned i = 0; i < FIGURE_DISTINCT; i++) {
        double start = figure_now_ns();

        figure_hello_wat(wat, sizeof(wat), i);
        embed(&self, compile_text(engine, wat));
        run_hello(&self, &out);
        close_embedding(&self);
        us[i] = (figure_now_ns() - start) / 1e3;
    }
    figure_print("distinct_1000", NAME, figure_median(us, FIGURE_DISTINCT), "us");
    free(out.data);
}

static int measure_stock(const char *figure, wasm_engine_t *engine, figure_blob *blob)
{
    embedding self = {engine, NULL, NULL, NULL};

    if (strcmp(figure, "start") == 0) {
        measure_start(engine, blob);
    } else if (strcmp(figure, "limit") == 0) {
        measure_limit("limit_sleep", engine, FIGURE_SLEEP_WAT("3"));
        measure_limit("limit_loop", engine, FIGURE_LOOP_WAT);
    } else if (strcmp(figure, "memory") == 0) {
        measure_memory(engine);
    } else if (strcmp(figure, "distinct") == 0) {
        measure_distinct(engine);
    } else if (strcmp(figure, "echo") == 0 || strcmp(figure, "files") == 0) {
        embed(&self, compile(engine, blob->data, blob->size));
        if (*figure == 'e')
            measure_echo(&self);
        else
            measure_files(&self);
    } else {
        return 0;
    }
    return 1;
}

#endif

int main(int argc, char **argv)
{
    embedding self = {NULL, NULL, NULL, NULL};
    figure_blob blob = {NULL, 0};
    char wat[FIGURE_MODULE_BYTES];
    wasm_engine_t *engine;
    const char *figure;

#ifdef BENCH_STOCK
    is_tuned = argc > 1 && strcmp(argv[1], "--tuned") == 0;
    argc -= is_tuned;
    argv += is_tuned;
#else
    is_tuned = 1;
#endif
    figure = argc > 1 ? argv[1] : "";
    engine = new_engine();
    self.engine = engine;
    if (argc > 2)
        blob = figure_read(argv[2], FIGURE_MARK_BYTES);
    figure_hello_wat(wat, sizeof(wat), 0);
#ifdef BENCH_STOCK
    if (measure_stock(figure, engine, &blob))
        return 0;
#endif
    if (strcmp(figure, "hello") == 0 || strcmp(figure, "threads") == 0)
        embed(&self, compile_text(engine, wat));
    else if (blob.data != NULL)
        embed(&self, compile(engine, blob.data, blob.size));
    if (strcmp(figure, "threads") == 0)
        measure_threads(&self);
    else if (strncmp(figure, "cpu_", 4) == 0 && blob.data != NULL)
        measure_cpu(figure, &self);
    else if (strncmp(figure, "hello", 5) == 0 && self.module != NULL)
        measure_hello(figure, &self);
    else
        figure_die("usage: bench_engine FIGURE [GUEST.wasm]");
    close_embedding(&self);
    wasm_engine_delete(engine);
    free(blob.data);
    return 0;
}
