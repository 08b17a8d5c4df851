/*
 * A program in Python or JavaScript through the library, in forks of a warm image, as bench/languages.py asks for it; or any
 * command line as a process, for comparison. Told on standard input what to measure, a line each, so that contenders can take
 * turns; answers with a line of JSON each:
 *
 *   run N              the microseconds of N runs one after the other
 *   rate THREADS N     runs per second of as many threads with N runs each
 *   hold N             N runs that sleep until `drop`, so that somebody can look at their memory
 *
 *   bench_language python|javascript GUESTS CACHE    the guests are those of build/programs (scripts/fetch)
 *   bench_language process COMMAND...
 */
#include "bench.h"

#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/manifest.h"
#include "worker/image.h"

#define RUNS_MAX    10000
#define THREADS_MAX 64
#define TIMEOUT_NS  UINT64_C(60000000000)
#define ANSWER      "42\n"

extern char **environ;

static const struct language {
    const char *name;
    adk_language language;
    const char *module;
    const char *code;
    const char *sleep; /* prints, so that it is known to be there */
} languages[] = {
    {"python", ADK_LANGUAGE_PYTHON, "python-3.12.0.wasm", "print(6*7)",
     "import time\nprint(42, flush=True)\ntime.sleep(50)"},
    {"javascript", ADK_LANGUAGE_JAVASCRIPT, "quickjs.wasm", "console.log(6*7)",
     "std.out.puts('42\\n'); std.out.flush(); os.sleep(50000)"},
};

static const struct language *language;
static adk_backend *backend;
static char *const *command; /* of a process; NULL: the library */

/* ---- the library --------------------------------------------------------------------------------------------------- */

static void open_backend(const char *name, const char *guests, const char *cache)
{
    adk_bytes args[ADK__RUNTIME_ARGS_MAX + 1];
    char path[4096];
    char directory[4096];
    char key[4096];
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    adk__runtime_image image = {.module_cstr = path, .args = args};
    adk_error *error = NULL;
    const adk_runtime *manifest;
    adk_file driver;

    for (size_t i = 0; i < sizeof(languages) / sizeof(*languages); i++) {
        if (strcmp(languages[i].name, name) == 0)
            language = &languages[i];
    }
    manifest = language == NULL ? NULL : adk__runtime_for(language->language);
    if (manifest == NULL)
        bench_die(name, NULL);
    (void)snprintf(path, sizeof(path), "%s/%s", guests, language->module);
    (void)snprintf(directory, sizeof(directory), "%s/code", cache);
    (void)snprintf(key, sizeof(key), "%s/key", cache);
    driver = (adk_file){adk_bytes_from_cstr(manifest->driver_path_cstr),
                        adk_bytes_make(manifest->driver->data, manifest->driver->size), NULL};
    while (image.args_count < ADK__RUNTIME_ARGS_MAX && manifest->args[image.args_count] != NULL) {
        args[image.args_count] = adk_bytes_from_cstr(manifest->args[image.args_count]);
        image.args_count++;
    }
    args[image.args_count++] = driver.path;
    image.name_cstr = name;
    image.languages = manifest->info.languages;
    image.files = &driver;
    image.files_count = 1;
    image.rehearsal = adk_bytes_from_cstr(manifest->rehearsal_cstr);
    image.memory_default_bytes = manifest->info.memory_default_bytes;
    options.disk_cache_cstr = directory;
    options.disk_key_cstr = key;
    if (adk__runtime_backend_new(&image, &options, &backend, &error) != ADK_OK ||
        adk__runtime_warm(backend, &error) != ADK_OK)
        bench_die(name, error);
}

static adk_request make_request(const char *code, const adk_bytes args[2])
{
    adk_request request = ADK_REQUEST_INIT;

    request.language = language->language;
    request.code = adk_bytes_from_cstr(code);
    request.args = args;
    request.args_count = 2;
    request.timeout_ns = TIMEOUT_NS;
    return request;
}

static double run_guest(void)
{
    static const char digits[] = "0123456789abcdef";
    char seed[33];
    const adk_bytes args[2] = {adk_bytes_make(seed, 32), adk_bytes_from_cstr("program")};
    adk_request request = make_request(language->code, args);
    uint64_t start_ns = bench_now_ns();
    adk_result *result = NULL;
    adk_error *error = NULL;
    double us;
    adk_output output;

    for (size_t i = 0; i < 32; i++)
        seed[i] = digits[(start_ns >> (i % 16)) & 15];
    if (adk_backend_execute(backend, &request, NULL, &result, &error) != ADK_OK)
        bench_die("run", error);
    us = (double)(bench_now_ns() - start_ns) / 1000;
    output = adk_result_stdout(result);
    if (adk_result_outcome(result) != ADK_OUTCOME_EXITED || output.head.size != strlen(ANSWER) ||
        memcmp(output.head.data, ANSWER, strlen(ANSWER)) != 0) {
        (void)fprintf(stderr, "%s: %s, %.*s\n", language->name, adk_outcome_cstr(adk_result_outcome(result)),
                      (int)adk_result_stderr(result).head.size, (const char *)adk_result_stderr(result).head.data);
        exit(1);
    }
    adk_result_free(result);
    return us;
}

/* ---- a process ----------------------------------------------------------------------------------------------------- */

static double run_process(void)
{
    posix_spawn_file_actions_t actions;
    uint64_t start_ns = bench_now_ns();
    char answer[sizeof(ANSWER)];
    int ends[2];
    int status = 0;
    pid_t pid;
    ssize_t got;

    if (pipe(ends) != 0 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1) != 0 ||
        posix_spawn_file_actions_addclose(&actions, ends[0]) != 0 ||
        posix_spawn_file_actions_addclose(&actions, ends[1]) != 0 ||
        posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0)
        bench_die(command[0], NULL);
    (void)close(ends[1]);
    got = read(ends[0], answer, sizeof(answer));
    if (waitpid(pid, &status, 0) != pid || status != 0 || got != (ssize_t)strlen(ANSWER) ||
        memcmp(answer, ANSWER, strlen(ANSWER)) != 0)
        bench_die(command[0], NULL);
    (void)close(ends[0]);
    (void)posix_spawn_file_actions_destroy(&actions);
    return (double)(bench_now_ns() - start_ns) / 1000;
}

/* ---- what is asked for --------------------------------------------------------------------------------------------- */

static double one(void)
{
    return command == NULL ? run_guest() : run_process();
}

static void run(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        (void)printf("%s%.1f", i == 0 ? "[" : ", ", one());
    (void)printf("]\n");
}

static void *work(void *data)
{
    for (unsigned i = 0; i < *(const unsigned *)data; i++)
        (void)one();
    return NULL;
}

static void rate(unsigned threads, unsigned count)
{
    pthread_t ids[THREADS_MAX];
    uint64_t start_ns = bench_now_ns();

    for (unsigned i = 0; i < threads; i++) {
        if (pthread_create(&ids[i], NULL, work, &count) != 0)
            bench_die("no thread", NULL);
    }
    for (unsigned i = 0; i < threads; i++)
        (void)pthread_join(ids[i], NULL);
    (void)printf("%.1f\n", (double)threads * count * 1e9 / (double)(bench_now_ns() - start_ns));
}

static struct {
    pthread_t ids[THREADS_MAX];
    unsigned count;
    adk_cancel *cancel;
    sem_t there;
} held;

static int on_stdout(void *data, adk_bytes bytes)
{
    (void)data;
    (void)bytes;
    (void)sem_post(&held.there);
    return 0;
}

static void *sleep_guest(void *data)
{
    const adk_bytes args[2] = {adk_bytes_from_cstr("0123456789abcdef0123456789abcdef"), adk_bytes_from_cstr("program")};
    adk_request request = make_request(language->sleep, args);
    adk_result *result = NULL;

    (void)data;
    request.on_stdout = on_stdout;
    if (adk_backend_execute(backend, &request, held.cancel, &result, NULL) == ADK_OK)
        adk_result_free(result);
    return NULL;
}

static void hold(unsigned count)
{
    if (adk_cancel_new(&held.cancel, NULL) != ADK_OK || sem_init(&held.there, 0, 0) != 0)
        bench_die("hold", NULL);
    held.count = count;
    for (unsigned i = 0; i < count; i++) {
        if (pthread_create(&held.ids[i], NULL, sleep_guest, NULL) != 0)
            bench_die("no thread", NULL);
    }
    for (unsigned i = 0; i < count; i++)
        (void)sem_wait(&held.there);
    (void)printf("%u\n", count);
}

static void drop(void)
{
    adk_cancel_fire(held.cancel);
    for (unsigned i = 0; i < held.count; i++)
        (void)pthread_join(held.ids[i], NULL);
    adk_cancel_free(held.cancel);
    (void)sem_destroy(&held.there);
    (void)printf("0\n");
}

int main(int argc, char *argv[])
{
    char line[64];

    if (argc == 4 && strcmp(argv[1], "process") != 0)
        open_backend(argv[1], argv[2], argv[3]);
    else if (argc > 2 && strcmp(argv[1], "process") == 0)
        command = argv + 2;
    else
        return 2;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char word[8] = "";
        unsigned a = 0;
        unsigned b = 0;
        int count = sscanf(line, "%7s %u %u", word, &a, &b); /* NOLINT: numbers of ours */

        if (strcmp(word, "run") == 0 && count == 2 && a <= RUNS_MAX)
            run(a);
        else if (strcmp(word, "rate") == 0 && count == 3 && a <= THREADS_MAX)
            rate(a, b);
        else if (strcmp(word, "hold") == 0 && count == 2 && a <= THREADS_MAX && command == NULL)
            hold(a);
        else if (strcmp(word, "drop") == 0 && held.cancel != NULL)
            drop();
        else
            return 2;
        (void)fflush(stdout);
    }
    adk_backend_free(backend);
    return 0;
}
