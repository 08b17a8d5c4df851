/*
 * Sessions: what a call takes, what a fork takes, and how that grows with what the session has. CPython with the library's
 * own driver, warm; the interpreter is that of build/programs (scripts/fetch).
 *
 *   bench_session [DIRECTORY]    where it is
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <adk/session.h>

#include "runtime/drivers.h"
#include "worker/image.h"

#define CALLS 2000
#define FORKS 300
#define OPENS 200

static double us[CALLS];

static adk_backend *new_backend(const char *directory)
{
    const adk_bytes args[] = {adk_bytes_from_cstr("python"), adk_bytes_from_cstr("-S"), adk_bytes_from_cstr("-I"),
                              adk_bytes_from_cstr("/.adk/driver.py")};
    const adk_file file = {adk_bytes_from_cstr("/.adk/driver.py"),
                           adk_bytes_make(adk__driver_python.data, adk__driver_python.size), NULL};
    char path[4096];
    const adk__runtime_image image = {.name_cstr = "python",
                                      .languages = 1u << ADK_LANGUAGE_PYTHON,
                                      .module_cstr = path,
                                      .args = args,
                                      .args_count = 4,
                                      .files = &file,
                                      .files_count = 1,
                                      .has_sessions = true,
                                      .memory_default_bytes = (uint64_t)1 << 30};
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    (void)snprintf(path, sizeof(path), "%s/python-3.12.0.wasm", directory);
    if (access(path, R_OK) != 0) {
        (void)fprintf(stderr, "%s is not there\n", path);
        exit(EXIT_SUCCESS);
    }
    if (adk__runtime_backend_new(&image, NULL, &backend, &error) != ADK_OK ||
        adk__runtime_warm(backend, &error) != ADK_OK)
        bench_die("no backend", error);
    return backend;
}

static adk_session *open_session(adk_backend *backend)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;
    adk_session *session = NULL;
    adk_error *error = NULL;

    options.flags = ADK_SESSION_FORKS;
    options.memory_limit_bytes = (uint64_t)1 << 30;
    if (adk_session_open(backend, &options, &session, &error) != ADK_OK)
        bench_die("no session", error);
    return session;
}

static double call(adk_session *session, const char *code)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;
    adk_error *error = NULL;
    uint64_t start_ns = bench_now_ns();
    uint64_t took_ns;

    request.code = adk_bytes_from_cstr(code);
    request.timeout_ns = UINT64_C(30000000000);
    if (adk_session_execute(session, &request, NULL, &result, &error) != ADK_OK)
        bench_die(code, error);
    took_ns = bench_now_ns() - start_ns;
    if (adk_result_outcome(result) != ADK_OUTCOME_EXITED || adk_result_exit_code(result) != 0)
        bench_die(code, NULL);
    adk_result_free(result);
    return (double)took_ns / 1000;
}

static void print(const char *what, unsigned mib, size_t count)
{
    double least = bench_percentile(us, count, 0);
    double p50 = bench_percentile(us, count, 50);

    (void)printf("{\"bench\": \"session\", \"what\": \"%s\", \"data_mib\": %u, \"least_us\": %.1f, \"p50_us\": %.1f, "
                 "\"p99_us\": %.1f}\n",
                 what, mib, least, p50, bench_percentile(us, count, 99));
    (void)fflush(stdout);
}

static void measure_calls(adk_session *session, const char *what, const char *code)
{
    for (size_t i = 0; i < CALLS / 10; i++)
        (void)call(session, code);
    for (size_t i = 0; i < CALLS; i++)
        us[i] = call(session, code);
    print(what, 0, CALLS);
}

static void measure_open(adk_backend *backend)
{
    for (size_t i = 0; i < OPENS; i++) {
        uint64_t start_ns = bench_now_ns();
        adk_session *session = open_session(backend);

        us[i] = (double)(bench_now_ns() - start_ns) / 1000;
        adk_session_close(session);
    }
    print("open", 0, OPENS);
}

/* The fork by itself, and the first call of a branch, which copies what it writes to. */
static void measure_forks(adk_session *session, unsigned mib)
{
    static double first[FORKS];
    adk_error *error = NULL;

    for (size_t i = 0; i < FORKS; i++) {
        adk_session *branch = NULL;
        uint64_t start_ns = bench_now_ns();

        if (adk_session_fork(session, &branch, &error) != ADK_OK)
            bench_die("no fork", error);
        us[i] = (double)(bench_now_ns() - start_ns) / 1000;
        first[i] = call(branch, "print(6*7)");
        adk_session_close(branch);
    }
    print("fork", mib, FORKS);
    memcpy(us, first, sizeof(first));
    print("first_call_of_a_fork", mib, FORKS);
}

int main(int argc, char *argv[])
{
    static const unsigned sizes[] = {0, 16, 64, 256, 512};
    adk_backend *backend = new_backend(argc > 1 ? argv[1] : "build/programs");
    adk_session *session = open_session(backend);
    char code[64];

    measure_calls(session, "call_pass", "pass");
    measure_calls(session, "call_print", "print(6*7)");
    measure_open(backend);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        (void)snprintf(code, sizeof(code), "data = b'x' * (%u << 20)", sizes[i]);
        (void)call(session, code);
        measure_forks(session, sizes[i]);
    }
    adk_session_close(session);
    adk_backend_free(backend);
    return 0;
}
