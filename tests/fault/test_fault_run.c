/*
 * Runs of modules that are compiled already, in each outcome: every allocation fails once, and every one from the n-th on.
 */
#include "fault.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault_guests.h"

static adk_backend *backend;

/* ---- plain -------------------------------------------------------------------------------------------------------- */

static int judge_hello(const adk_result *result)
{
    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_EXITED);
    EXPECT(adk_result_exit_code(result) == 0);
    EXPECT_BYTES(adk_result_stdout(result).head, "hello, world\n");
    EXPECT_BYTES(adk_result_message(result), "");
    return ADK_OK;
}

static int run_hello(void *unused)
{
    adk_request request = adk_test_request(GUEST_HELLO);

    (void)unused;
    return fault_run(backend, &request, NULL, judge_hello);
}

static void test_hello(void **state)
{
    (void)state;
    fault_sweep_memory("hello", run_hello, NULL, 4);
}

/* Nobody wants to know. */
static int run_without_error(void *unused)
{
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_result *result = UNWRITTEN(adk_result);
    int status = adk_backend_execute(backend, &request, NULL, &result, NULL);

    (void)unused;
    EXPECT(status == ADK_OK || result == UNWRITTEN(adk_result));
    if (status == ADK_OK)
        adk_result_free(result);
    return status;
}

static void test_without_error(void **state)
{
    (void)state;
    fault_sweep_memory("hello, without an error", run_without_error, NULL, 4);
}

/* A thread that has run before allocates for its result alone. */
static int run_twice(void *unused)
{
    int status = run_hello(unused);

    return status == ADK_OK ? run_hello(unused) : status;
}

static void test_twice(void **state)
{
    (void)state;
    fault_sweep_memory("hello, twice on a thread", run_twice, NULL, 6);
}

/* ---- with everything ---------------------------------------------------------------------------------------------- */

static char host_dir[] = "/tmp/adk_fault_run.XXXXXX";
static char guest_uses[8192];

static void put_host_file(const char *name, const char *text)
{
    char path[64];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", host_dir, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const adk_file_out *find_file(const adk_result *result, const char *path)
{
    size_t count;
    const adk_file_out *files = adk_result_files(result, &count, NULL);

    for (size_t i = 0; i < count; i++) {
        if (adk_test_bytes_are(files[i].path, path))
            return &files[i];
    }
    return NULL;
}

/* A guest that is told that there is no memory may end otherwise, as long as it is told so. */
static int judge_uses(const adk_result *result)
{
    static const char expected[] = "prog\0one\0A=1\0input;in;aaa;";
    adk_bytes out = adk_result_stdout(result).head;
    const adk_file_out *file;
    size_t count;
    int complete;

    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_EXITED);
    if (adk_result_exit_code(result) == GUEST_SAW_ENOMEM && fault_fired())
        return ADK_E_NOMEM;
    EXPECT(adk_result_exit_code(result) == 0);
    EXPECT(out.size == sizeof(expected) - 1 && memcmp(out.data, expected, out.size) == 0);
    (void)adk_result_files(result, &count, &complete);
    EXPECT(count == 6 && complete == 1); /* "sub" with what is in it, and that once more */
    file = find_file(result, "/out/copy");
    EXPECT(file != NULL);
    EXPECT_BYTES(file->content, "copied");
    file = find_file(result, "/data/sub/b");
    EXPECT(file != NULL);
    EXPECT_BYTES(file->content, "bbb");
    file = find_file(result, "/data/link");
    EXPECT(file != NULL && file->type == ADK_FILE_SYMLINK);
    EXPECT_BYTES(file->content, "sub/b");
    file = find_file(result, "/data/a");
    EXPECT(file != NULL);
    EXPECT_BYTES(file->content, "aaa;");
    return ADK_OK;
}

static int run_uses(void *unused)
{
    const adk_bytes args[] = {BYTES("prog"), BYTES("one")};
    const adk_env env[] = {{BYTES("A"), BYTES("1")}};
    const adk_file files[] = {{BYTES("/in.txt"), BYTES("in;"), NULL}, {BYTES("data"), {NULL, 0}, host_dir}};
    const adk_bytes outputs[] = {BYTES("/out/copy"), BYTES("data/*"), BYTES("data/sub/?"), BYTES("nothing")};
    adk_request request = adk_test_request(guest_uses);

    (void)unused;
    request.args = args;
    request.args_count = 2;
    request.env = env;
    request.env_count = 1;
    request.stdin_data = BYTES("input;");
    request.files = files;
    request.files_count = 2;
    request.outputs = outputs;
    request.outputs_count = 4;
    return fault_run(backend, &request, NULL, judge_uses);
}

static void test_uses(void **state)
{
    (void)state;
    fault_sweep_memory("files in and out", run_uses, NULL, 30);
}

static void test_uses_descriptors(void **state)
{
    fault_scenario scenario = {.name = "files in, descriptors",
                               .run = run_uses,
                               .kind = FAULT_DESCRIPTOR,
                               .mode = FAULT_ONCE,
                               .may_fail = FAULT_SYSTEM,
                               .least = 4};

    (void)state;
    fault_sweep(&scenario, NULL);
    scenario.mode = FAULT_FROM;
    fault_sweep(&scenario, NULL);
}

/* ---- output ------------------------------------------------------------------------------------------------------- */

#define FLOOD ((uint64_t)4 << 16)

static int judge_flood(const adk_result *result)
{
    adk_output out = adk_result_stdout(result);

    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_EXITED);
    EXPECT(out.written_bytes == FLOOD && out.truncated == 1);
    EXPECT(out.head.size == 1000 && ((const char *)out.head.data)[999] == 'x');
    EXPECT(out.tail.size == ADK_OUTPUT_TAIL_BYTES && ((const char *)out.tail.data)[0] == 'x');
    return ADK_OK;
}

static int run_flood(void *unused)
{
    adk_request request = adk_test_request(GUEST_FLOODS);

    (void)unused;
    request.output_limit_bytes = 1000;
    return fault_run(backend, &request, NULL, judge_flood);
}

static int judge_stopped(const adk_result *result)
{
    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_OUTPUT_LIMIT);
    EXPECT(adk_result_stdout(result).head.size == 100000);
    EXPECT_BYTES(adk_result_message(result), "output limit exceeded: 100000 bytes");
    return ADK_OK;
}

static int run_stopped(void *unused)
{
    adk_request request = adk_test_request(GUEST_FLOODS);

    (void)unused;
    request.output_limit_bytes = 100000;
    request.output_policy = ADK_OUTPUT_STOP;
    return fault_run(backend, &request, NULL, judge_stopped);
}

static int count_stream(void *data, adk_bytes bytes)
{
    *(uint64_t *)data += bytes.size;
    return 0;
}

static int run_streams(void *unused)
{
    adk_request request = adk_test_request(GUEST_FLOODS);
    uint64_t seen = 0;
    int status;

    (void)unused;
    request.output_limit_bytes = 1000;
    request.on_stdout = count_stream;
    request.stream_data = &seen;
    status = fault_run(backend, &request, NULL, judge_flood);
    EXPECT(status != ADK_OK || seen == FLOOD);
    return status;
}

static void test_output(void **state)
{
    (void)state;
    fault_sweep_memory("more output than is kept", run_flood, NULL, 5);
    fault_sweep_memory("stopped at the output limit", run_stopped, NULL, 5);
    fault_sweep_memory("output through callbacks", run_streams, NULL, 5);
}

/* ---- other endings ------------------------------------------------------------------------------------------------ */

static int judge_trap(const adk_result *result)
{
    size_t count;
    const adk_frame *frames = adk_result_backtrace(result, &count);

    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_TRAPPED);
    EXPECT_BYTES(adk_result_trap_kind(result), "unreachable");
    EXPECT_HAS(adk_result_trap_message(result), "unreachable");
    EXPECT_HAS(adk_result_message(result), "unreachable");
    EXPECT(count == 3);
    EXPECT_BYTES(frames[0].function_name, "inner");
    EXPECT_BYTES(frames[1].function_name, "outer");
    EXPECT_BYTES(frames[2].function_name, "start");
    return ADK_OK;
}

static int run_trap(void *unused)
{
    adk_request request = adk_test_request(GUEST_TRAPS);

    (void)unused;
    return fault_run(backend, &request, NULL, judge_trap);
}

static void test_trap(void **state)
{
    (void)state;
    SKIP_TRAPS_UNDER_VALGRIND();
    fault_sweep_memory("trapped", run_trap, NULL, 7);
}

static int judge_memory(const adk_result *result)
{
    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_MEMORY_LIMIT);
    EXPECT_BYTES(adk_result_message(result), "memory limit exceeded: 1 MB");
    return ADK_OK;
}

static int run_memory(void *unused)
{
    adk_request request = adk_test_request(GUEST_GROWS);

    (void)unused;
    request.memory_limit_bytes = 1 << 20;
    return fault_run(backend, &request, NULL, judge_memory);
}

static void test_memory(void **state)
{
    (void)state;
    SKIP_TRAPS_UNDER_VALGRIND();
    fault_sweep_memory("memory limit", run_memory, NULL, 7);
}

static int judge_timeout(const adk_result *result)
{
    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_TIMED_OUT);
    EXPECT_BYTES(adk_result_message(result), "execution timed out after 5ms");
    return ADK_OK;
}

static int run_timeout(void *unused)
{
    adk_request request = adk_test_request(GUEST_LOOP);

    (void)unused;
    request.timeout_ns = 5 * MS;
    return fault_run(backend, &request, NULL, judge_timeout);
}

static void test_timeout(void **state)
{
    (void)state;
    adk_test_compile(backend, GUEST_LOOP);
    fault_sweep_memory("timed out", run_timeout, NULL, 4);
}

static int judge_cancelled(const adk_result *result)
{
    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_CANCELLED);
    EXPECT_BYTES(adk_result_message(result), "cancelled");
    return ADK_OK;
}

static int run_cancelled(void *unused)
{
    adk_request request = adk_test_request(GUEST_LOOP);
    adk_cancel *cancel = UNWRITTEN(adk_cancel);
    adk_error *error = UNWRITTEN(adk_error);
    int status = fault_status(adk_cancel_new(&cancel, &error), &error);

    (void)unused;
    if (status != ADK_OK) {
        EXPECT(cancel == UNWRITTEN(adk_cancel));
        return status;
    }
    adk_cancel_fire(cancel);
    status = fault_run(backend, &request, cancel, judge_cancelled);
    adk_cancel_free(cancel);
    return status;
}

static int refuse_stream(void *data, adk_bytes bytes)
{
    (void)data;
    (void)bytes;
    return 1;
}

static int run_refused(void *unused)
{
    adk_request request = adk_test_request(GUEST_FLOODS);

    (void)unused;
    request.on_stdout = refuse_stream;
    return fault_run(backend, &request, NULL, judge_cancelled);
}

static void test_cancelled(void **state)
{
    (void)state;
    fault_sweep_memory("cancelled", run_cancelled, NULL, 5);
    fault_sweep_memory("cancelled by a callback", run_refused, NULL, 4);
}

/* ---- the same every time ------------------------------------------------------------------------------------------ */

static adk_request fixed_request(const char *wat)
{
    adk_request request = adk_test_request(wat);

    request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    request.random_seed = 7;
    request.clock_start_ns = UINT64_C(0x0807060504030201);
    request.fuel = 100000;
    return request;
}

static int judge_fixed(const adk_result *result)
{
    static uint8_t first[16];
    static bool has_first;
    adk_bytes out = adk_result_stdout(result).head;
    adk_usage usage = adk_test_usage(result);

    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_EXITED);
    EXPECT(out.size == sizeof(first));
    EXPECT((usage.measured & ADK_USAGE_FUEL) != 0 && usage.fuel > 0);
    if (!has_first)
        memcpy(first, out.data, sizeof(first));
    has_first = true;
    EXPECT(memcmp(first, out.data, sizeof(first)) == 0);
    return ADK_OK;
}

static int run_fixed(void *unused)
{
    adk_request request = fixed_request(GUEST_ASKS);

    (void)unused;
    return fault_run(backend, &request, NULL, judge_fixed);
}

static int judge_fuel(const adk_result *result)
{
    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_FUEL_EXHAUSTED);
    EXPECT_BYTES(adk_result_message(result), "fuel exhausted: 100000 units");
    return ADK_OK;
}

static int run_fuel(void *unused)
{
    adk_request request = fixed_request(GUEST_LOOP);

    (void)unused;
    return fault_run(backend, &request, NULL, judge_fuel);
}

static void test_deterministic(void **state)
{
    (void)state;
    fault_sweep_memory("deterministic, with fuel", run_fixed, NULL, 4);
    SKIP_TRAPS_UNDER_VALGRIND();
    fault_sweep_memory("fuel exhausted", run_fuel, NULL, 4);
}

/* ---- what else can fail ------------------------------------------------------------------------------------------- */

#define BIG_SIZE ((size_t)5 << 20)

static char big_path[64];

static int judge_big(const adk_result *result)
{
    const adk_file_out *file = find_file(result, "/big");

    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_EXITED);
    EXPECT(file != NULL && file->content.size == BIG_SIZE && !file->truncated);
    EXPECT(((const char *)file->content.data)[BIG_SIZE - 1] == 'z');
    return ADK_OK;
}

static int run_big(void *unused)
{
    const adk_file files[] = {{BYTES("/big"), {NULL, 0}, big_path}};
    const adk_bytes outputs[] = {BYTES("/big")};
    adk_request request = adk_test_request(GUEST_EMPTY);

    (void)unused;
    request.files = files;
    request.files_count = 1;
    request.outputs = outputs;
    request.outputs_count = 1;
    return fault_run(backend, &request, NULL, judge_big);
}

/* One attempt in a process of its own, as mappings are kept for the next run. Its exit status: what became of it. */
enum { CHILD_ABSORBED, CHILD_FAILED, CHILD_UNTOUCHED, CHILD_WRONG };

static int attempt_in_child(fault_mode mode, unsigned n)
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        fault_arm(FAULT_MAPPING, mode, n, 0);
        status = run_big(NULL);
        if (!fault_disarm())
            _exit(status == ADK_OK ? CHILD_UNTOUCHED : CHILD_WRONG);
        if ((status != ADK_OK && status != ADK_E_NOMEM) || run_big(NULL) != ADK_OK)
            _exit(CHILD_WRONG);
        _exit(status == ADK_OK ? CHILD_ABSORBED : CHILD_FAILED);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void sweep_mappings(fault_mode mode)
{
    unsigned ended[4] = {0};
    unsigned n = 0;

    while (ended[CHILD_UNTOUCHED] == 0)
        ended[attempt_in_child(mode, ++n)]++;
    print_message("a large file, mappings: %u, %u of them absorbed\n", n - 1, ended[CHILD_ABSORBED]);
    assert_int_equal(ended[CHILD_WRONG], 0);
    assert_true(n > 2);
}

/* The bytes of large files are mapped. */
static void test_mappings(void **state)
{
    FILE *file;

    (void)state;
    if (adk_test_under_tsan())
        skip(); /* which allows no threads after fork() */
    (void)snprintf(big_path, sizeof(big_path), "%s.big", host_dir);
    file = fopen(big_path, "we");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)BIG_SIZE - 1, SEEK_SET), 0);
    assert_int_equal(fputc('z', file), 'z');
    assert_int_equal(fclose(file), 0);
    sweep_mappings(FAULT_ONCE);
    sweep_mappings(FAULT_FROM);
    (void)unlink(big_path);
}

/* A lock, and the place that a thread keeps its state in. */
static void test_locks(void **state)
{
    fault_scenario scenario = {.name = "hello, locks",
                               .run = run_twice,
                               .kind = FAULT_PTHREAD,
                               .mode = FAULT_ONCE,
                               .may_fail = FAULT_NOMEM | FAULT_SYSTEM,
                               .least = 3};

    (void)state;
    fault_sweep(&scenario, NULL);
    scenario.mode = FAULT_FROM;
    fault_sweep(&scenario, NULL);
}

static int setup(void **state)
{
    size_t size = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(fault_guest_parts) / sizeof(*fault_guest_parts); i++)
        size += (size_t)snprintf(guest_uses + size, sizeof(guest_uses) - size, "%s", fault_guest_parts[i]);
    assert_true(size < sizeof(guest_uses));
    assert_non_null(mkdtemp(host_dir));
    put_host_file("a", "aaa;");
    assert_int_equal(chdir(host_dir), 0);
    assert_int_equal(mkdir("sub", 0777), 0);
    put_host_file("sub/b", "bbb");
    assert_int_equal(symlink("sub/b", "link"), 0);
    backend = adk_test_backend();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    adk_backend_free(backend);
    (void)unlink("link");
    (void)unlink("sub/b");
    (void)rmdir("sub");
    (void)unlink("a");
    assert_int_equal(chdir("/"), 0);
    (void)rmdir(host_dir);
    assert_int_equal(fault_count().blocks, 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),     cmocka_unit_test(test_without_error),    cmocka_unit_test(test_twice),
        cmocka_unit_test(test_uses),      cmocka_unit_test(test_uses_descriptors), cmocka_unit_test(test_output),
        cmocka_unit_test(test_trap),      cmocka_unit_test(test_memory),           cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_cancelled), cmocka_unit_test(test_deterministic),    cmocka_unit_test(test_mappings),
        cmocka_unit_test(test_locks),
    };

    fault_begin();
    return cmocka_run_group_tests_name("fault run", tests, setup, teardown);
}
