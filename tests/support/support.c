/*
 * The tests' common ground; see support.h.
 */
#include "support.h"

#include <dirent.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "adk_engine.h"

/*
 * cmocka takes SIGSEGV, SIGILL, SIGFPE, SIGBUS and SIGSYS for itself with signal() while a test runs, and with them the
 * engine's traps. This one stands before the C library's and leaves them where they are; a crash then ends the program.
 */
__attribute__((visibility("default"))) void (*signal(int number, void (*handler)(int)))(int)
{
    (void)number;
    (void)handler;
    return SIG_DFL;
}

/* ---- the machine -------------------------------------------------------------------------------------------------- */

void adk_test_keep_report(const char *report)
{
    const char *path = getenv("ADK_TEST_REPORTS");
    FILE *out = path == NULL ? NULL : fopen(path, "a");

    if (path == NULL)
        return;
    assert_non_null(out);
    assert_true(fprintf(out, "%s\n", report) > 0);
    assert_int_equal(fclose(out), 0);
}

bool adk_test_under_valgrind(void)
{
    return RUNNING_ON_VALGRIND != 0;
}

bool adk_test_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

bool adk_test_under_tsan(void)
{
#if defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

uint64_t adk_test_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

void adk_test_sleep_ns(uint64_t ns)
{
    struct timespec left;

    left.tv_sec = (time_t)(ns / SECOND);
    left.tv_nsec = (long)(ns % SECOND);
    while (nanosleep(&left, &left) != 0)
        continue;
}

uint64_t adk_test_slack_ns(void)
{
    return adk_test_under_valgrind() ? 5 * SECOND : adk_test_sanitized() ? 500 * MS : 100 * MS;
}

static unsigned entries_of(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count - 2; /* "." and ".." */
}

static unsigned lines_of(const char *path)
{
    FILE *file = fopen(path, "re");
    unsigned count = 0;
    int byte;

    assert_non_null(file);
    while ((byte = getc(file)) != EOF)
        count += byte == '\n';
    (void)fclose(file);
    return count;
}

adk_test_census adk_test_count(void)
{
    adk_test_census census;
    unsigned long size = 0;
    unsigned long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    (void)fclose(file);
    census.descriptors = entries_of("/proc/self/fd");
    census.threads = entries_of("/proc/self/task");
    census.mappings = lines_of("/proc/self/maps");
    census.resident_bytes = (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
    return census;
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

/* The helper program is not beside the tests. Under valgrind, which knows no pidfd_open(2), there is none. */
__attribute__((constructor)) static void name_worker(void)
{
    (void)setenv("ADK_SANDBOX_WORKER", adk_test_under_valgrind() ? "/nonexistent/adk-worker" : ADK_TEST_WORKER, 0);
}

bool adk_test_armoured(void)
{
    return getenv("ADK_TEST_ARMOURED") != NULL;
}

bool adk_test_refuses_host_functions(const adk_wasm_options *options)
{
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    if (!adk_test_armoured())
        return false;
    assert_int_equal(adk_wasm_backend_new(options, &backend, &error), ADK_E_INVALID);
    assert_string_equal(adk_error_message_cstr(error), "host functions cannot be called from another process");
    assert_null(backend);
    adk_error_free(error);
    return true;
}

adk_wasm_options adk_test_options(void)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    const char *slots = getenv("ADK_TEST_SLOTS");

    if (slots != NULL)
        options.slots = (uint32_t)strtoul(slots, NULL, 10);
    if (adk_test_under_valgrind())
        options.flags |= ADK_WASM_ALLOW_UNBOUNDED_COMPILE;
    if (adk_test_armoured())
        options.flags |= ADK_WASM_ARMOURED;
    return options;
}

adk_backend *adk_test_backend_with(const adk_wasm_options *options)
{
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    if (adk_wasm_backend_new(options, &backend, &error) != ADK_OK)
        fail_msg("no backend: %s", adk_error_message_cstr(error));
    assert_null(error);
    return backend;
}

adk_backend *adk_test_backend(void)
{
    adk_wasm_options options = adk_test_options();

    return adk_test_backend_with(&options);
}

int adk_test_setup(void **state)
{
    *state = adk_test_backend();
    return 0;
}

int adk_test_teardown(void **state)
{
    adk_backend_free(*state);
    return 0;
}

adk_request adk_test_request(const char *wat)
{
    adk_request request = ADK_REQUEST_INIT;

    request.code = adk_bytes_from_cstr(wat);
    request.timeout_ns = 30 * SECOND;
    return request;
}

adk_result *adk_test_execute(adk_backend *backend, const adk_request *request, adk_cancel *cancel)
{
    adk_result *result = NULL;
    adk_error *error = NULL;

    if (adk_backend_execute(backend, request, cancel, &result, &error) != ADK_OK)
        fail_msg("the call failed: %s", adk_error_message_cstr(error));
    assert_null(error);
    assert_non_null(result);
    return result;
}

void adk_test_compile(adk_backend *backend, const char *wat)
{
    adk_wasm_module *module = NULL;
    adk_error *error = NULL;

    if (adk_wasm_module_new(backend, adk_bytes_from_cstr(wat), &module, &error) != ADK_OK)
        fail_msg("not prepared: %s", adk_error_message_cstr(error));
    adk_wasm_module_free(module);
}

adk_result *adk_test_run(adk_backend *backend, const char *wat)
{
    adk_request request = adk_test_request(wat);

    return adk_test_execute(backend, &request, NULL);
}

void adk_test_expect(const adk_result *result, adk_outcome outcome)
{
    adk_bytes message = adk_result_message(result);
    adk_bytes trap = adk_result_trap_kind(result);

    if (adk_result_outcome(result) == outcome)
        return;
    fail_msg("outcome %s, not %s (exit code %u, trap \"%.*s\", message \"%.*s\")",
             adk_outcome_cstr(adk_result_outcome(result)), adk_outcome_cstr(outcome), adk_result_exit_code(result),
             (int)trap.size, trap.size > 0 ? (const char *)trap.data : "", (int)message.size,
             message.size > 0 ? (const char *)message.data : "");
}

void adk_test_run_expect(adk_backend *backend, const char *wat, adk_outcome outcome)
{
    adk_result *result = adk_test_run(backend, wat);

    adk_test_expect(result, outcome);
    adk_result_free(result);
}

void adk_test_run_exits(adk_backend *backend, const char *wat, uint32_t exit_code)
{
    adk_result *result = adk_test_run(backend, wat);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), exit_code);
    adk_result_free(result);
}

void adk_test_run_traps(adk_backend *backend, const char *wat, const char *kind)
{
    adk_result *result = adk_test_run(backend, wat);

    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    assert_bytes_are(adk_result_trap_kind(result), kind);
    assert_true(adk_result_trap_message(result).size > 0);
    adk_result_free(result);
}

void adk_test_run_rejected(adk_backend *backend, adk_bytes code, adk_reason reason, const char *part)
{
    adk_request request = adk_test_request(NULL);
    adk_result *result;

    request.code = code;
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_REJECTED);
    assert_bytes_have(adk_result_message(result), part);
    if (adk_result_reason(result) != reason)
        fail_msg("reason %s, not %s", adk_reason_cstr(adk_result_reason(result)), adk_reason_cstr(reason));
    adk_result_free(result);
}

adk_usage adk_test_usage(const adk_result *result)
{
    adk_usage usage = ADK_USAGE_INIT;

    adk_result_usage(result, &usage);
    return usage;
}

bool adk_test_bytes_are(adk_bytes bytes, const char *text)
{
    return bytes.size == strlen(text) && (bytes.size == 0 || memcmp(bytes.data, text, bytes.size) == 0);
}

bool adk_test_bytes_have(adk_bytes bytes, const char *part)
{
    return bytes.size > 0 && memmem(bytes.data, bytes.size, part, strlen(part)) != NULL;
}

adk_bytes adk_test_assemble(const char *wat)
{
    wasm_byte_vec_t binary;
    wasmtime_error_t *error = adk_engine_parse_text((const uint8_t *)wat, strlen(wat), &binary);
    adk_bytes copy;
    void *data;

    if (error != NULL)
        fail_msg("no WAT: %s", wat);
    data = malloc(binary.size);
    assert_non_null(data);
    memcpy(data, binary.data, binary.size);
    copy = adk_bytes_make(data, binary.size);
    wasm_byte_vec_delete(&binary);
    return copy;
}
