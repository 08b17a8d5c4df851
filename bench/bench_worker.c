/*
 * Runs in processes of their own: what they cost. Armoured hello against hello in this process; `print(6*7)` in Python and
 * JavaScript through a warm image, on one thread and on two, against the native interpreters where there are some. The
 * guests are those of build/programs (scripts/fetch); what is not there is left out.
 *
 *   bench_worker [DIRECTORY]    where the guests are
 */
#include "bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/image.h"

#define RUNS        1000
#define NATIVE_RUNS 20
#define WARM_RUNS   20

extern char **environ;

struct worker {
    adk_backend *backend;
    const adk_request *request;
    double us[RUNS];
};

static void *work(void *data)
{
    struct worker *w = data;

    for (size_t i = 0; i < WARM_RUNS; i++)
        (void)bench_run(w->backend, w->request, ADK_OUTCOME_EXITED);
    for (size_t i = 0; i < RUNS; i++)
        w->us[i] = (double)bench_run(w->backend, w->request, ADK_OUTCOME_EXITED) / 1000;
    return NULL;
}

static void print(const char *name, unsigned threads, double *us, size_t count, double runs_per_s)
{
    double p50 = bench_percentile(us, count, 50);

    (void)printf("{\"bench\": \"worker\", \"what\": \"%s\", \"threads\": %u, \"p50_us\": %.1f, \"p99_us\": %.1f, "
                 "\"runs_per_s\": %.0f}\n",
                 name, threads, p50, bench_percentile(us, count, 99), runs_per_s);
}

static void measure(const char *name, adk_backend *backend, const adk_request *request)
{
    static struct worker workers[2];
    static double all[2 * RUNS];

    for (unsigned threads = 1; threads <= 2; threads++) {
        pthread_t ids[2];
        uint64_t start_ns = bench_now_ns();

        for (unsigned i = 0; i < threads; i++) {
            workers[i].backend = backend;
            workers[i].request = request;
            if (pthread_create(&ids[i], NULL, work, &workers[i]) != 0)
                bench_die("no thread", NULL);
        }
        for (unsigned i = 0; i < threads; i++) {
            (void)pthread_join(ids[i], NULL);
            memcpy(all + (size_t)i * RUNS, workers[i].us, sizeof(workers[i].us));
        }
        print(name, threads, all, (size_t)threads * RUNS,
              (RUNS + WARM_RUNS) * threads * 1e9 / (double)(bench_now_ns() - start_ns));
    }
}

/* ---- hello --------------------------------------------------------------------------------------------------------- */

static void measure_hello(uint32_t flags, const char *name)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    adk_request request = ADK_REQUEST_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    options.flags = flags;
    if (adk_wasm_backend_new(&options, &backend, &error) != ADK_OK)
        bench_die("no backend", error);
    request.code = adk_bytes_from_cstr(bench_hello_wat);
    request.timeout_ns = UINT64_C(30000000000);
    measure(name, backend, &request);
    adk_backend_free(backend);
}

/* ---- interpreters -------------------------------------------------------------------------------------------------- */

static const char python_driver[] = "import sys, os, random\n"
                                    "f = open('/.adk/run')\n"
                                    "code = f.read()\n"
                                    "random.seed()\n"
                                    "exec(code)\n"
                                    "sys.stdout.flush()\n"
                                    "os._exit(0)\n";

static const char javascript_driver[] =
    "const code = std.loadFile('/.adk/run'); (0, eval)(code); std.out.flush(); std.exit(0);";

static void measure_image(const char *name, const adk__runtime_image *image, const char *code)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    if (access(image->module_cstr, R_OK) != 0) {
        (void)fprintf(stderr, "%s: %s is not there\n", name, image->module_cstr);
        return;
    }
    if (adk__runtime_backend_new(image, NULL, &backend, &error) != ADK_OK ||
        adk__runtime_warm(backend, &error) != ADK_OK)
        bench_die(name, error);
    request.code = adk_bytes_from_cstr(code);
    request.timeout_ns = UINT64_C(30000000000);
    measure(name, backend, &request);
    adk_backend_free(backend);
}

static void measure_python(const char *directory)
{
    const adk_bytes args[] = {adk_bytes_from_cstr("python"), adk_bytes_from_cstr("-I"), adk_bytes_from_cstr("-S"),
                              adk_bytes_from_cstr("/driver.py")};
    const adk_file file = {adk_bytes_from_cstr("/driver.py"), adk_bytes_from_cstr(python_driver), NULL};
    char path[4096];
    adk__runtime_image image = {.name_cstr = "python",
                                .languages = 1u << ADK_LANGUAGE_PYTHON,
                                .module_cstr = path,
                                .args = args,
                                .args_count = 4,
                                .files = &file,
                                .files_count = 1,
                                .memory_default_bytes = (uint64_t)256 << 20};

    (void)snprintf(path, sizeof(path), "%s/python-3.12.0.wasm", directory);
    measure_image("python_warm", &image, "print(6*7)");
}

static void measure_javascript(const char *directory)
{
    const adk_bytes args[] = {adk_bytes_from_cstr("qjs"), adk_bytes_from_cstr("--std"),
                              adk_bytes_from_cstr("/driver.js")};
    const adk_file file = {adk_bytes_from_cstr("/driver.js"), adk_bytes_from_cstr(javascript_driver), NULL};
    char path[4096];
    adk__runtime_image image = {.name_cstr = "javascript",
                                .languages = 1u << ADK_LANGUAGE_JAVASCRIPT,
                                .module_cstr = path,
                                .args = args,
                                .args_count = 3,
                                .files = &file,
                                .files_count = 1};

    (void)snprintf(path, sizeof(path), "%s/quickjs.wasm", directory);
    measure_image("javascript_warm", &image, "console.log(6*7)");
}

/* ---- native -------------------------------------------------------------------------------------------------------- */

static void measure_native(const char *name, char *const command[])
{
    static double us[NATIVE_RUNS];
    posix_spawn_file_actions_t actions;
    uint64_t begin_ns = bench_now_ns();

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    for (size_t i = 0; i < NATIVE_RUNS; i++) {
        uint64_t start_ns = bench_now_ns();
        int status = 0;
        pid_t pid;

        if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0 || waitpid(pid, &status, 0) != pid ||
            status != 0) {
            (void)fprintf(stderr, "%s: %s does not run here\n", name, command[0]);
            (void)posix_spawn_file_actions_destroy(&actions);
            return;
        }
        us[i] = (double)(bench_now_ns() - start_ns) / 1000;
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    print(name, 1, us, NATIVE_RUNS, NATIVE_RUNS * 1e9 / (double)(bench_now_ns() - begin_ns));
}

int main(int argc, char *argv[])
{
    const char *directory = argc > 1 ? argv[1] : "build/programs";
    char *const python[] = {(char[]){"python3"}, (char[]){"-I"},         (char[]){"-S"},
                            (char[]){"-c"},      (char[]){"print(6*7)"}, NULL};
    char *const node[] = {(char[]){"node"}, (char[]){"-e"}, (char[]){"console.log(6*7)"}, NULL};

    measure_hello(0, "hello_in_process");
    measure_hello(ADK_WASM_ARMOURED, "hello_armoured");
    measure_javascript(directory);
    measure_python(directory);
    measure_native("python_native", python);
    measure_native("node_native", node);
    return 0;
}
