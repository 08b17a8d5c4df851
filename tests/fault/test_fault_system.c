/*
 * A machine that has no more: descriptors, address space; and what is made once for the process, failing the first time.
 */
#include "fault.h"

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <adk/executor.h>

#include "core/request_copy.h"
#include "core/result.h"
#include "fault_guests.h"

static adk_backend *backend;

static int judge_hello(const adk_result *result)
{
    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_EXITED);
    EXPECT_BYTES(adk_result_stdout(result).head, "hello, world\n");
    return ADK_OK;
}

static int run_hello(void *unused)
{
    adk_request request = adk_test_request(GUEST_HELLO);

    (void)unused;
    return fault_run(backend, &request, NULL, judge_hello);
}

/* A new backend for each, so that the module is new to it. */
static int run_first(void *unused)
{
    adk_wasm_options options = adk_test_options();
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_backend *own = UNWRITTEN(adk_backend);
    adk_error *error = UNWRITTEN(adk_error);
    int status;

    (void)unused;
    options.slots = 1;
    status = fault_status(adk_wasm_backend_new(&options, &own, &error), &error);
    if (status != ADK_OK) {
        EXPECT(own == UNWRITTEN(adk_backend));
        return status;
    }
    status = fault_run(own, &request, NULL, judge_hello);
    adk_backend_free(own);
    return status;
}

/* A queue as long as can be: two arrays of 8 MiB. */
static int make_executor(void *unused)
{
    adk_executor_options options = ADK_EXECUTOR_OPTIONS_INIT;
    adk_executor *executor = UNWRITTEN(adk_executor);
    adk_error *error = UNWRITTEN(adk_error);
    int status;

    (void)unused;
    options.threads = 2;
    options.queue_length = ADK_EXECUTOR_QUEUE_MAX;
    status = fault_status(adk_executor_new(&options, &executor, &error), &error);
    if (status != ADK_OK)
        EXPECT(executor == UNWRITTEN(adk_executor));
    else
        adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    return status;
}

static int judge_file(const adk_result *result)
{
    size_t count;
    const adk_file_out *files = adk_result_files(result, &count, NULL);

    EXPECT(adk_result_outcome(result) == ADK_OUTCOME_EXITED);
    EXPECT(count == 1 && files[0].content.size > 0);
    return ADK_OK;
}

static int run_with_file(void *unused)
{
    const adk_file files[] = {{BYTES("/in"), {NULL, 0}, "/proc/self/exe"}};
    const adk_bytes outputs[] = {BYTES("/in")};
    adk_request request = adk_test_request(GUEST_EMPTY);

    (void)unused;
    request.files = files;
    request.files_count = 1;
    request.outputs = outputs;
    request.outputs_count = 1;
    request.outputs_limit_bytes = 1 << 20;
    request.memory_limit_bytes = (uint64_t)1 << 30;
    return fault_run(backend, &request, NULL, judge_file);
}

/* ---- descriptors -------------------------------------------------------------------------------------------------- */

static struct rlimit descriptors;

/* What is open stays so; the next would have a number that is not allowed. */
static void use_up_descriptors(void)
{
    struct rlimit none;
    int next = dup(STDIN_FILENO);

    assert_true(next > 0);
    (void)close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
    none = (struct rlimit){(rlim_t)next, descriptors.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(dup(STDIN_FILENO), -1);
}

static void give_descriptors(void)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
}

static void test_descriptors(void **state)
{
    const uint32_t first = FAULT_SYSTEM | FAULT_ERROR(ADK_E_UNAVAILABLE); /* a compiler may need some */
    const fault_scenario scenarios[] = {
        {.name = "no descriptors: a module that is there", .run = run_hello},
        {.name = "no descriptors: a new backend and module", .run = run_first, .may_fail = first},
        {.name = "no descriptors: an executor", .run = make_executor, .may_fail = FAULT_SYSTEM},
        {.name = "no descriptors: a file of the host's", .run = run_with_file, .may_fail = FAULT_SYSTEM},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++)
        fault_use_up(&scenarios[i], NULL, use_up_descriptors, give_descriptors);
}

/* ---- address space ------------------------------------------------------------------------------------------------ */

/* A large output, and the report of it as base64. */
static int report_large(void *unused)
{
    static uint8_t piece[1 << 20] = {0xff};
    adk_request request = ADK_REQUEST_INIT;
    adk_error *error = UNWRITTEN(adk_error);
    adk_result *result;
    char *text = UNWRITTEN(char);
    int status;

    (void)unused;
    request.output_limit_bytes = sizeof(piece) * 4;
    status = fault_status(adk_result_new(&request, &result, &error), &error);
    if (status != ADK_OK)
        return status;
    for (int i = 0; i < 4 && status == ADK_OK; i++)
        status = adk_result_append_output(result, 1, adk_bytes_make(piece, sizeof(piece)));
    if (status == ADK_OK) {
        adk__result_seal(result, "test", "wasm", "none");
        status = fault_status(adk_report_json(result, NULL, &text, &error), &error);
    }
    if (status == ADK_OK) {
        EXPECT(strstr(text, "\"stdout_encoding\":\"base64\"") != NULL && text[strlen(text) - 1] == '}');
        adk_free(text);
    }
    adk_result_free(result);
    return status;
}

static int copy_large(void *unused)
{
    static const uint8_t code[8 << 20];
    adk_request request = ADK_REQUEST_INIT;
    adk_request *copy;
    adk_error *error = UNWRITTEN(adk_error);
    int status;

    (void)unused;
    request.code = adk_bytes_make(code, sizeof(code));
    status = fault_status(adk__request_copy(&request, &copy, &error), &error);
    if (status == ADK_OK)
        adk_free(copy);
    return status;
}

enum { CHILD_RIGHT, CHILD_FAILED, CHILD_WRONG, CHILD_ABORTED, CHILD_ENDINGS };

static struct rlimit with_space(uint64_t bytes)
{
    struct rlimit before;
    struct rlimit limit;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL || fscanf(file, "%lu", &pages) != 1 || getrlimit(RLIMIT_AS, &before) != 0)
        _exit(CHILD_WRONG);
    (void)fclose(file);
    limit = (struct rlimit){pages * (rlim_t)sysconf(_SC_PAGESIZE) + bytes, before.rlim_max};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(CHILD_WRONG);
    return before;
}

static int run_with_space(int (*run)(void *data), uint64_t bytes)
{
    struct rlimit before;
    int status;
    int next;

    (void)malloc_trim(0);
    before = with_space(bytes);
    fault_claim();
    status = run(NULL);
    (void)fault_disarm();
    if (setrlimit(RLIMIT_AS, &before) != 0)
        return CHILD_WRONG;
    next = run(NULL);
    if (next == ADK_OK && (status == ADK_E_NOMEM || status == ADK_E_SYSTEM))
        return CHILD_FAILED;
    if (next == ADK_OK && status == ADK_OK)
        return CHILD_RIGHT;
    print_message("with %llu bytes: %s; next: %s\n", (unsigned long long)bytes, fault_why(status), fault_why(next));
    return CHILD_WRONG;
}

/* In a process of its own. An abort is the engine's answer to want of memory; nobody may crash. */
static int attempt_with_space(int (*run)(void *data), uint64_t bytes)
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* the engine's last words */
        _exit(run_with_space(run, bytes));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
        return CHILD_ABORTED;
    if (!WIFEXITED(status))
        fail_msg("killed by signal %d with %llu bytes left", WTERMSIG(status), (unsigned long long)bytes);
    return WEXITSTATUS(status);
}

static void sweep_space(const char *name, int (*run)(void *data), bool engine)
{
    unsigned ended[CHILD_ENDINGS] = {0};

    for (uint64_t bytes = 0; bytes <= (uint64_t)256 << 20; bytes = bytes == 0 ? 64 << 10 : bytes * 2)
        ended[attempt_with_space(run, bytes)]++;
    print_message("little address space: %s: %u right, %u failed, %u aborted by the engine\n", name, ended[CHILD_RIGHT],
                  ended[CHILD_FAILED], ended[CHILD_ABORTED]);
    assert_int_equal(ended[CHILD_WRONG], 0);
    assert_true(engine || ended[CHILD_ABORTED] == 0);
    assert_true(engine || (ended[CHILD_FAILED] > 0 && ended[CHILD_RIGHT] > 0));
}

static void test_space(void **state)
{
    (void)state;
    if (adk_test_sanitized() || adk_test_under_valgrind()) {
        print_message("skipped: the tool itself takes address space\n");
        skip();
    }
    assert_int_equal(run_hello(NULL), ADK_OK); /* children find it compiled */
    sweep_space("a report of a large output", report_large, false);
    sweep_space("a copy of a large request", copy_large, false);
    sweep_space("an executor", make_executor, false);
    sweep_space("a module that is there", run_hello, true);
    sweep_space("a file of the host's", run_with_file, true);
    sweep_space("a new backend and module", run_first, true);
}

/* ---- once for the process ----------------------------------------------------------------------------------------- */

static int use_both(void *unused)
{
    int status = run_first(unused);

    return status == ADK_OK ? make_executor(unused) : status;
}

/* In a process where nothing of it has been made yet. What failed the first time works the second. */
static int attempt_first_use(fault_kind kind, unsigned n)
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        bool fired;

        fault_arm(kind, FAULT_ONCE, n, 0);
        status = use_both(NULL);
        fired = fault_disarm();
        if (status != ADK_OK && status != ADK_E_NOMEM && status != ADK_E_SYSTEM)
            _exit(CHILD_WRONG);
        if (use_both(NULL) != ADK_OK)
            _exit(CHILD_WRONG);
        _exit(fired ? CHILD_FAILED : CHILD_RIGHT);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void sweep_first_use(const char *name, fault_kind kind, unsigned least)
{
    unsigned n = 1;
    int ended;

    while ((ended = attempt_first_use(kind, n)) == CHILD_FAILED)
        n++;
    print_message("first use in a process: %s 1 to %u\n", name, n - 1);
    if (ended != CHILD_RIGHT)
        fail_msg("%s, fault %u: not right the second time", name, n);
    assert_true(n - 1 >= least);
}

/* Before any other test: after it, this process has it all. */
static void test_first_use(void **state)
{
    (void)state;
    if (adk_test_under_tsan())
        skip(); /* which allows no threads after fork() */
    sweep_first_use("locks, keys, handlers", FAULT_PTHREAD, 20);
    sweep_first_use("allocations", FAULT_MEMORY, 15);
}

static int setup(void **state)
{
    backend = adk_test_backend();
    *state = backend;
    return 0;
}

int main(void)
{
    const struct CMUnitTest first[] = {cmocka_unit_test(test_first_use)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_space, setup, adk_test_teardown),
        cmocka_unit_test_setup_teardown(test_descriptors, setup, adk_test_teardown),
    };
    int failed;

    fault_begin();
    failed = cmocka_run_group_tests_name("fault first use", first, NULL, NULL);
    return failed + cmocka_run_group_tests_name("fault system", tests, NULL, NULL);
}
