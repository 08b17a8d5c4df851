/*
 * Runs in processes of their own, with a worker that lies: whatever it says, writes or leaves out, the call ends in time
 * with an outcome or an error of its kind, and nothing is left of it. See tests/programs/fake_server.c.
 */
#include "worker.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char directory[] = "/tmp/adk-test-XXXXXX";

static int begin(void **state)
{
    (void)state;
    return mkdtemp(directory) == NULL;
}

static int end(void **state)
{
    (void)state;
    return rmdir(directory);
}

static adk_backend *backend_with(const char *mode, char path[200])
{
    adk_wasm_options options;

    (void)snprintf(path, 200, "%s/%s", directory, mode);
    assert_int_equal(symlink(adk_test_program("adk_fake_server"), path), 0);
    options = adk_test_options_with(path);
    options.flags |= ADK_WASM_ARMOURED;
    return adk_test_backend_with(&options);
}

static void free_backend(adk_backend *backend, const char *path)
{
    adk_backend_free(backend);
    assert_int_equal(unlink(path), 0);
    assert_true(adk_test_children_become(0));
}

/* ---- workers that do not serve ------------------------------------------------------------------------------------- */

static void check_unavailable(const char *mode, const char *part)
{
    char path[200];
    adk_backend *backend = backend_with(mode, path);
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_result *result = NULL;
    adk_error *error = NULL;

    for (int i = 0; i < 3; i++) {
        uint64_t start_ns = adk_test_now_ns();

        assert_int_equal(adk_backend_execute(backend, &request, NULL, &result, &error), ADK_E_UNAVAILABLE);
        assert_true(adk_test_now_ns() - start_ns < 5 * SECOND + adk_test_slack_ns());
        assert_null(result);
        assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), part);
        adk_error_free(error);
        error = NULL;
    }
    free_backend(backend, path);
}

static void test_no_service(void **state)
{
    (void)state;
    check_unavailable("dies-at-once", "it ended before it was ready");
    check_unavailable("nonsense-ready", "its answer makes no sense");
    check_unavailable("not-ready", "it \\x1b[31mis not well");
    check_unavailable("dies-on-seat", "it died");
    check_unavailable("odd-start", "it died");
}

/* It is waited for as long as the run has time. */
static void test_silence(void **state)
{
    static const char *const modes[] = {"never-ready", "ignores-seats", "never-ends"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char path[200];
        adk_backend *backend = backend_with(modes[i], path);
        adk_request request = adk_test_request(GUEST_HELLO);
        uint64_t start_ns = adk_test_now_ns();
        adk_result *result;

        adk_test_compile(backend, GUEST_HELLO);
        request.timeout_ns = 300 * MS;
        start_ns = adk_test_now_ns();
        result = adk_test_execute(backend, &request, NULL);
        adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
        assert_true(adk_test_now_ns() - start_ns < SECOND + request.timeout_ns + adk_test_slack_ns());
        adk_result_free(result);
        free_backend(backend, path);
    }
}

/* ---- reports ------------------------------------------------------------------------------------------------------- */

static void check_crash(const char *mode, const char *part)
{
    char path[200];
    adk_backend *backend = backend_with(mode, path);
    adk_result *result = adk_test_run(backend, GUEST_HELLO);

    if (adk_result_outcome(result) != ADK_OUTCOME_SIGNALED)
        print_message("mode %s\n", mode);
    adk_test_expect(result, ADK_OUTCOME_SIGNALED);
    assert_int_equal(adk_result_reason(result), ADK_REASON_ENGINE_CRASH);
    assert_bytes_have(adk_result_message(result), part);
    adk_result_free(result);
    free_backend(backend, path);
}

static void test_reports_without_sense(void **state)
{
    static const char *const modes[] = {"lies-parts",    "lies-message",   "lies-frames", "lies-names", "lies-files",
                                        "lies-path",     "lies-outcome",   "lies-signal", "lies-phase", "lies-silence",
                                        "lies-trap",     "lies-cancelled", "lies-late",   "lies-fuel",  "lies-full",
                                        "lies-climbing", "lies-code"};

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        check_crash(modes[i], "without a report");
}

/* What it left says that it exited with 0; but how its process ended is not known, or is not like that. */
static void test_reports_of_the_dead(void **state)
{
    (void)state;
    check_crash("vanishes", "died with its worker");
    check_crash("dies-after-report", "died with its worker");
    check_crash("odd-end", "died with its worker");
    check_crash("ends-by-signal", "died of signal 11 (SEGV)");
    check_crash("ends-with-status", "ended with status 3 and without a report");
}

/* The library knows better what can have been. */
static void test_figures_without_sense(void **state)
{
    char path[200];
    adk_backend *backend = backend_with("lies-figures", path);
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result = adk_test_run(backend, GUEST_HELLO);
    uint64_t took_ns = adk_test_now_ns() - start_ns;
    adk_usage usage = adk_test_usage(result);
    adk_limits limits = ADK_LIMITS_INIT;

    (void)state;
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    adk_result_limits(result, &limits);
    assert_true(usage.instantiate_ns <= took_ns && usage.run_ns <= took_ns && usage.compile_ns <= 2 * took_ns);
    assert_int_equal(usage.memory_peak_bytes, limits.memory_limit_bytes);
    assert_int_equal(usage.fuel, 0);
    assert_int_equal(usage.measured & ~(uint32_t)(ADK_USAGE_FUEL | ADK_USAGE_CPU), 0);
    adk_result_free(result);
    free_backend(backend, path);
}

/* Whoever writes the files somewhere relies on their names. */
static void test_files_without_sense(void **state)
{
    static const char *const modes[] = {"lies-climbing", "lies-dot", "lies-slashes", "lies-relative", "lies-longer"};
    const adk_bytes outputs[] = {BYTES("/a")};

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        char path[200];
        adk_backend *backend = backend_with(modes[i], path);
        adk_request request = adk_test_request(GUEST_HELLO);
        adk_result *result;
        size_t count = 1;

        request.outputs = outputs;
        request.outputs_count = 1;
        request.outputs_limit_bytes = 1000;
        result = adk_test_execute(backend, &request, NULL);
        adk_test_expect(result, ADK_OUTCOME_SIGNALED);
        (void)adk_result_files(result, &count, NULL);
        assert_int_equal(count, 0);
        adk_result_free(result);
        free_backend(backend, path);
    }
}

static void test_wild_output(void **state)
{
    char path[200];
    adk_backend *backend = backend_with("lies-written", path);
    adk_result *result = adk_test_run(backend, GUEST_HELLO);

    (void)state;
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_stdout(result).head.size, ADK_OUTPUT_LIMIT_DEFAULT_BYTES);
    assert_int_equal(adk_result_stdout(result).tail.size, ADK_OUTPUT_TAIL_BYTES);
    assert_int_equal(adk_result_stdout(result).written_bytes, UINT64_MAX);
    assert_int_equal(adk_result_stderr(result).written_bytes, (uint64_t)1 << 40);
    adk_result_free(result);
    free_backend(backend, path);
}

static void test_sizes_are_sealed(void **state)
{
    char path[200];
    adk_backend *backend = backend_with("resizes", path);

    (void)state;
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    free_backend(backend, path);
}

static void test_texts_are_made_harmless(void **state)
{
    char path[200];
    adk_backend *backend = backend_with("lies-text", path);
    adk_result *result = adk_test_run(backend, GUEST_HELLO);
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_error *error = NULL;

    (void)state;
    assert_bytes_are(adk_result_message(result), "\\x1b]0;title\\x07");
    assert_bytes_are(adk_result_trap_kind(result), "unknown");
    adk_result_free(result);
    free_backend(backend, path);
    backend = backend_with("lies-status", path);
    result = NULL;
    assert_int_equal(adk_backend_execute(backend, &request, NULL, &result, &error), ADK_E_INTERNAL);
    assert_string_equal(adk_error_message_cstr(error), "it \\x1b[31mburns\\x0a");
    adk_error_free(error);
    free_backend(backend, path);
}

static int hear(void *data, adk_bytes bytes)
{
    (void)data;
    (void)bytes;
    return 0;
}

static void test_streams_without_sense(void **state)
{
    static const char *const modes[] = {"streams-nonsense", "streams-descriptors"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char path[200];
        adk_backend *backend = backend_with(modes[i], path);
        adk_request request = adk_test_request(GUEST_HELLO);
        unsigned descriptors;
        adk_result *result;

        request.on_stdout = hear;
        adk_test_compile(backend, GUEST_HELLO);
        descriptors = adk_test_count().descriptors;
        result = adk_test_execute(backend, &request, NULL);
        adk_test_expect(result, ADK_OUTCOME_SIGNALED);
        assert_bytes_have(adk_result_message(result), "sent what makes no sense");
        adk_result_free(result);
        adk_backend_free(backend);
        assert_true(adk_test_count().descriptors <= descriptors); /* what it sent along has been closed */
        assert_int_equal(unlink(path), 0);
        assert_true(adk_test_children_become(0));
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec used;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), 0);
    return (uint64_t)used.tv_sec * SECOND + (uint64_t)used.tv_nsec;
}

/* Nobody spins while a run that has hung up goes on. */
static void test_a_stream_that_hung_up(void **state)
{
    char path[200];
    adk_backend *backend = backend_with("streams-nothing", path);
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_result *result;
    uint64_t before_ns;

    (void)state;
    request.on_stdout = hear;
    adk_test_compile(backend, GUEST_HELLO);
    request.timeout_ns = SECOND;
    before_ns = cpu_ns();
    result = adk_test_execute(backend, &request, NULL);
    assert_true(cpu_ns() - before_ns < 300 * MS);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    adk_result_free(result);
    free_backend(backend, path);
}

/* ---- one that dies again and again --------------------------------------------------------------------------------- */

/* How often it was started: each start leaves a byte beside its name. */
static unsigned starts_of(const char *path)
{
    char name[220];
    struct stat status;

    (void)snprintf(name, sizeof(name), "%s.starts", path);
    return stat(name, &status) == 0 ? (unsigned)status.st_size : 0;
}

static int run_once(adk_backend *backend, const char *part)
{
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_result *result = NULL;
    adk_error *error = NULL;
    int status = adk_backend_execute(backend, &request, NULL, &result, &error);

    if (status != ADK_OK)
        assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), part);
    adk_error_free(error);
    adk_result_free(result);
    return status;
}

/* It is not started for each call: the pauses grow. When it is well again, so are the runs. */
static void test_a_crash_loop(void **state)
{
    char path[200];
    char name[220];
    adk_backend *backend = backend_with("counts-and-dies", path);
    uint64_t start_ns = adk_test_now_ns();
    unsigned calls = 0;
    unsigned starts;

    (void)state;
    adk_test_compile(backend, GUEST_HELLO);
    do {
        assert_int_equal(run_once(backend, "does not serve: it ended before it was ready"), ADK_E_UNAVAILABLE);
        calls++;
    } while (adk_test_now_ns() - start_ns < SECOND);
    starts = starts_of(path);
    print_message("%u calls in a second, %u starts\n", calls, starts);
    /* Three without a pause, then pauses of 50, 100, 200, 400, 800 ms; a call may begin in each. */
    assert_in_range(starts, 4, 10);
    assert_true(calls > 10 * starts);
    (void)snprintf(name, sizeof(name), "%s.starts", path);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(adk_test_program("adk-worker"), path), 0);
    start_ns = adk_test_now_ns();
    while (run_once(backend, "does not serve") != ADK_OK) {
        assert_true(adk_test_now_ns() - start_ns < 20 * SECOND);
        adk_test_sleep_ns(5 * MS);
    }
    free_backend(backend, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_service),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_reports_without_sense),
        cmocka_unit_test(test_reports_of_the_dead),
        cmocka_unit_test(test_figures_without_sense),
        cmocka_unit_test(test_files_without_sense),
        cmocka_unit_test(test_wild_output),
        cmocka_unit_test(test_sizes_are_sealed),
        cmocka_unit_test(test_texts_are_made_harmless),
        cmocka_unit_test(test_streams_without_sense),
        cmocka_unit_test(test_a_stream_that_hung_up),
        cmocka_unit_test(test_a_crash_loop),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
