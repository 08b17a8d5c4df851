/*
 * Sessions (include/adk/session.h): an interpreter that keeps its state between calls. A small module plays one; CPython is
 * asked where it has been fetched.
 */
#include "worker.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <adk/session.h>
#include <adk/tool.h>
#include <adk/worker.h>

#include "runtime/drivers.h"
#include "worker/image.h"

/*
 * An interpreter with one variable, which each program counts up. A program is one letter and a digit: the digit is its exit
 * status; of the letters, `x` leaves by proc_exit(7), `t` traps, `s` spins, `m` takes a mebibyte of memory (and its status is 1
 * where it gets none), all others do nothing more. What it writes: the variable, 16 random bytes, the program, standard input.
 */
#define IMAGE                                                                                                      \
    "(module " IMPORT_WRITE IMPORT_READ IMPORT_RANDOM IMPORT_EXIT "(import \"" WASI                                \
    "\" \"path_open\" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"                      \
    "(import \"" WASI "\" \"fd_close\" (func $close (param i32) (result i32)))"                                    \
    "(memory (export \"memory\") 2) (data (i32.const 1024) \".adk/run/0\") (data (i32.const 2000) \"\\08\")" START \
    "(i32.store8 (i32.const 100) (i32.const 64))"                                                                  \
    "(loop $next"                                                                                                  \
    "  (if (call $open (i32.const 3) (i32.const 1) (i32.const 1024) (i32.load (i32.const 2000)) (i32.const 0)"     \
    "    (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 40)) (then (call $exit (i32.const 99))))"            \
    "  (i32.store (i32.const 2000) (i32.const 10))"                                                                \
    "  (i32.store8 (i32.const 100) (i32.add (i32.load8_u (i32.const 100)) (i32.const 1)))"                         \
    "  (drop (call $random (i32.const 101) (i32.const 16)))"                                                       \
    "  (i32.store (i32.const 0) (i32.const 117)) (i32.store (i32.const 4) (i32.const 400))"                        \
    "  (drop (call $read (i32.load (i32.const 40)) (i32.const 0) (i32.const 1) (i32.const 8)))"                    \
    "  (drop (call $close (i32.load (i32.const 40))))"                                                             \
    "  (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.add (i32.const 17) (i32.load "      \
    "(i32.const "                                                                                                  \
    "8))))"                                                                                                        \
    "  (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"                               \
    "  (i32.store (i32.const 0) (i32.const 600)) (i32.store (i32.const 4) (i32.const 400))"                        \
    "  (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))"                                \
    "  (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"                               \
    "  (i32.store8 (i32.const 1033) (i32.load8_u (i32.const 118)))"                                                \
    "  (if (i32.eq (i32.load8_u (i32.const 117)) (i32.const 120)) (then (call $exit (i32.const 7))))"              \
    "  (if (i32.eq (i32.load8_u (i32.const 117)) (i32.const 116)) (then unreachable))"                             \
    "  (if (i32.eq (i32.load8_u (i32.const 117)) (i32.const 115)) (then " LOOP "))"                                \
    "  (if (i32.eq (i32.load8_u (i32.const 117)) (i32.const 109)) (then"                                           \
    "    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (i32.store8 (i32.const 1033) (i32.const "  \
    "49))))))"                                                                                                     \
    "  (br $next))))"

struct answer {
    char count;
    uint8_t random[16];
    char rest[64];
};

static char directory[] = "/tmp/adk-session-XXXXXX";
static char module_path[64];
static adk_backend *small; /* of the small interpreter, for all tests that do not harm it */

/* ---- backends ------------------------------------------------------------------------------------------------------ */

static adk_backend *new_backend(adk__runtime_image *image)
{
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    if (adk_test_sanitized())
        options.prepare_timeout_ns = 600 * SECOND;
    image->has_sessions = true;
    if (adk__runtime_backend_new(image, &options, &backend, &error) != ADK_OK ||
        adk__runtime_warm(backend, &error) != ADK_OK)
        fail_msg("no runtime: %s", adk_error_message_cstr(error));
    return backend;
}

static adk_backend *new_small(void)
{
    adk__runtime_image image = {
        .name_cstr = "small", .languages = 1u << ADK_LANGUAGE_PYTHON, .module_cstr = module_path};

    return new_backend(&image);
}

static int begin(void **state)
{
    adk_bytes binary = adk_test_assemble(IMAGE);
    int fd;

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(module_path, sizeof(module_path), "%s/image.wasm", directory);
    fd = open(module_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, binary.data, binary.size), (ssize_t)binary.size);
    (void)close(fd);
    free((void *)(uintptr_t)binary.data);
    small = new_small();
    return 0;
}

static int end(void **state)
{
    (void)state;
    adk_backend_free(small);
    return unlink(module_path) != 0 || rmdir(directory) != 0 || !adk_test_children_become(0);
}

/* ---- sessions ------------------------------------------------------------------------------------------------------ */

static adk_session *open_with(adk_backend *backend, const adk_session_options *options)
{
    adk_session *session = NULL;
    adk_error *error = NULL;

    if (adk_session_open(backend, options, &session, &error) != ADK_OK)
        fail_msg("no session: %s", adk_error_message_cstr(error));
    return session;
}

static adk_session *open_session(adk_backend *backend)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;

    options.flags = ADK_SESSION_FORKS;
    return open_with(backend, &options);
}

static adk_session *fork_session(adk_session *session)
{
    adk_session *made = NULL;
    adk_error *error = NULL;

    if (adk_session_fork(session, &made, &error) != ADK_OK)
        fail_msg("no fork: %s", adk_error_message_cstr(error));
    return made;
}

static adk_result *ask_request(adk_session *session, const adk_request *request)
{
    adk_result *result = NULL;
    adk_error *error = NULL;

    if (adk_session_execute(session, request, NULL, &result, &error) != ADK_OK)
        fail_msg("no call: %s", adk_error_message_cstr(error));
    return result;
}

static adk_result *ask(adk_session *session, const char *code)
{
    adk_request request = adk_test_request(code);

    return ask_request(session, &request);
}

static void expect_exit(adk_result *result, uint32_t code)
{
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), code);
    adk_result_free(result);
}

/* One program of the small interpreter, which ends by itself with status 0. */
static struct answer count(adk_session *session)
{
    adk_result *result = ask(session, "c0");
    adk_bytes head = adk_result_stdout(result).head;
    struct answer answer = {0, {0}, ""};

    assert_true(head.size >= 19 && head.size < sizeof(answer));
    memcpy(&answer.count, head.data, 1);
    memcpy(answer.random, (const uint8_t *)head.data + 1, 16);
    memcpy(answer.rest, (const uint8_t *)head.data + 17, head.size - 17);
    expect_exit(result, 0);
    return answer;
}

static int count_char(adk_session *session)
{
    return count(session).count;
}

static adk_session_info describe(adk_session *session)
{
    adk_session_info info = ADK_SESSION_INFO_INIT;

    adk_session_describe(session, &info);
    return info;
}

static void expect_failure(adk_session *session, int code, const char *part)
{
    adk_request request = adk_test_request("c0");
    adk_result *result = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk_session_execute(session, &request, NULL, &result, &error), code);
    assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), part);
    adk_error_free(error);
}

static void expect_ended(adk_session *session, adk_session_end how, const char *part)
{
    expect_failure(session, ADK_E_UNAVAILABLE, part);
    assert_string_equal(adk_session_end_cstr(describe(session).end), adk_session_end_cstr(how));
    expect_failure(session, ADK_E_UNAVAILABLE, "the session has ended: ");
}

/* ---- state --------------------------------------------------------------------------------------------------------- */

static void test_state_is_kept(void **state)
{
    adk_session *one = open_session(small);
    adk_session *other = open_session(small);

    (void)state;
    for (char expected = 'A'; expected < 'J'; expected++)
        assert_int_equal(count(one).count, expected);
    assert_int_equal(count(other).count, 'A');
    assert_int_equal(describe(one).calls, 9);
    assert_int_equal(describe(one).end, ADK_SESSION_END_NONE);
    assert_int_equal(describe(one).language, ADK_LANGUAGE_PYTHON);
    adk_session_close(one);
    assert_int_equal(count(other).count, 'B');
    adk_session_close(other);
    adk_session_close(NULL);
}

/* A call's status, input and output are its own. */
static void test_calls_are_their_own(void **state)
{
    adk_session *session = open_session(small);
    adk_request request = adk_test_request("c5");
    adk_result *result;

    (void)state;
    request.stdin_data = BYTES("input");
    result = ask_request(session, &request);
    assert_int_equal(adk_result_stdout(result).head.size, 17 + 2 + 5);
    assert_memory_equal((const char *)adk_result_stdout(result).head.data + 17, "c5input", 7);
    assert_int_equal(adk_result_stdout(result).written_bytes, 24);
    assert_true(adk_test_usage(result).memory_peak_bytes >= 2 * 65536);
    assert_true((adk_test_usage(result).measured & ADK_USAGE_CPU) != 0);
    expect_exit(result, 5);
    assert_string_equal(count(session).rest, "c0");
    expect_exit(ask(session, "c3"), 3);
    adk_session_close(session);
}

/* ---- forks --------------------------------------------------------------------------------------------------------- */

/* Two that go on from the same state, each by itself, with random numbers of its own. */
static void test_fork(void **state)
{
    adk_session *one = open_session(small);
    adk_session *two;
    adk_session *three;
    struct answer of_one;
    struct answer of_two;
    struct answer of_three;

    (void)state;
    assert_int_equal(count(one).count, 'A');
    assert_int_equal(count(one).count, 'B');
    two = fork_session(one);
    three = fork_session(two);
    of_one = count(one);
    of_two = count(two);
    of_three = count(three);
    assert_int_equal(of_one.count, 'C');
    assert_int_equal(of_two.count, 'C');
    assert_int_equal(of_three.count, 'C');
    assert_memory_not_equal(of_one.random, of_two.random, 16);
    assert_memory_not_equal(of_two.random, of_three.random, 16);
    assert_int_equal(count(two).count, 'D');
    adk_session_close(one);
    assert_int_equal(count(two).count, 'E');
    adk_session_close(two);
    assert_int_equal(count(three).count, 'D');
    assert_int_equal(describe(three).calls, 2);
    adk_session_close(three);
}

/* Before the first call as well; and many of one. */
static void test_many_forks(void **state)
{
    adk_session *root = open_session(small);
    adk_session *branches[8];

    (void)state;
    for (size_t i = 0; i < 8; i++)
        branches[i] = fork_session(i % 2 == 0 ? root : branches[i - 1]);
    for (size_t i = 0; i < 8; i++) {
        for (size_t k = 0; k <= i; k++)
            assert_int_equal(count(branches[i]).count, 'A' + (int)k);
        adk_session_close(branches[i]);
    }
    assert_int_equal(count(root).count, 'A');
    adk_session_close(root);
}

static void test_fork_must_be_asked_for(void **state)
{
    adk_session *session = open_with(small, NULL);
    adk_session *made = NULL;
    adk_error *error = NULL;

    (void)state;
    assert_int_equal(count(session).count, 'A');
    assert_int_equal(adk_session_fork(session, &made, &error), ADK_E_UNSUPPORTED);
    assert_null(made);
    adk_error_free(error);
    assert_int_equal(count(session).count, 'B');
    adk_session_close(session);
}

/* What ends one of two is nothing to the other. */
static void test_fork_survives(void **state)
{
    adk_session *one = open_session(small);
    adk_session *two;

    (void)state;
    assert_int_equal(count(one).count, 'A');
    two = fork_session(one);
    adk_result_free(ask(one, "t0"));
    expect_ended(one, ADK_SESSION_END_STOPPED, "a call was stopped (trapped)");
    assert_int_equal(count(two).count, 'B');
    adk_session_close(two);
    adk_session_close(one);
}

/* ---- how sessions end ---------------------------------------------------------------------------------------------- */

static void test_exit_ends(void **state)
{
    adk_session *session = open_session(small);
    adk_session *made = NULL;
    adk_error *error = NULL;

    (void)state;
    expect_exit(ask(session, "x0"), 7);
    assert_int_equal(describe(session).end, ADK_SESSION_END_EXITED);
    assert_int_equal(describe(session).outcome, ADK_OUTCOME_EXITED);
    expect_ended(session, ADK_SESSION_END_EXITED, "the program has ended its interpreter");
    assert_int_equal(adk_session_fork(session, &made, &error), ADK_E_UNAVAILABLE);
    adk_error_free(error);
    adk_session_close(session);
}

static void test_trap_ends(void **state)
{
    adk_session *session = open_session(small);
    adk_result *result = ask(session, "t0");

    (void)state;
    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    assert_int_equal(adk_result_stdout(result).head.size, 19);
    adk_result_free(result);
    expect_ended(session, ADK_SESSION_END_STOPPED, "a call was stopped (trapped)");
    adk_session_close(session);
}

static void test_deadline_ends(void **state)
{
    adk_session *session = open_session(small);
    adk_request request = adk_test_request("s0");
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result;

    (void)state;
    request.timeout_ns = 50 * MS;
    result = ask_request(session, &request);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_int_equal(adk_result_stdout(result).head.size, 19);
    adk_result_free(result);
    assert_true(adk_test_now_ns() - start_ns < 50 * MS + adk_test_slack_ns());
    expect_ended(session, ADK_SESSION_END_STOPPED, "a call was stopped (timed_out)");
    adk_session_close(session);
}

static void *fire_soon(void *data)
{
    adk_test_sleep_ns(30 * MS);
    adk_cancel_fire(data);
    return NULL;
}

static void test_cancel_ends(void **state)
{
    adk_session *session = open_session(small);
    adk_request request = adk_test_request("s0");
    adk_cancel *cancel = NULL;
    adk_result *result = NULL;
    pthread_t thread;

    (void)state;
    assert_int_equal(adk_cancel_new(&cancel, NULL), ADK_OK);
    assert_int_equal(pthread_create(&thread, NULL, fire_soon, cancel), 0);
    assert_int_equal(adk_session_execute(session, &request, cancel, &result, NULL), ADK_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    adk_result_free(result);
    expect_ended(session, ADK_SESSION_END_STOPPED, "a call was stopped (cancelled)");
    adk_cancel_free(cancel);
    adk_session_close(session);
}

static void test_output_policy_ends(void **state)
{
    adk_session *session = open_session(small);
    adk_request request = adk_test_request("c0");
    adk_result *result;

    (void)state;
    request.output_limit_bytes = 10;
    result = ask_request(session, &request);
    assert_int_equal(adk_result_stdout(result).head.size, 10);
    assert_int_equal(adk_result_stdout(result).tail.size, 9);
    expect_exit(result, 0);
    request.output_policy = ADK_OUTPUT_STOP;
    result = ask_request(session, &request);
    adk_test_expect(result, ADK_OUTCOME_OUTPUT_LIMIT);
    adk_result_free(result);
    expect_ended(session, ADK_SESSION_END_STOPPED, "a call was stopped (output_limit)");
    adk_session_close(session);
}

/* ---- limits -------------------------------------------------------------------------------------------------------- */

/* What one call takes is missing in the next. */
static void test_memory_is_the_sessions(void **state)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;
    adk_session *session = NULL;
    adk_error *error = NULL;

    (void)state;
    options.memory_limit_bytes = (uint64_t)3 << 20;
    session = open_with(small, &options);
    expect_exit(ask(session, "m0"), 0);
    expect_exit(ask(session, "m0"), 0);
    expect_exit(ask(session, "m0"), 1);
    assert_int_equal(count(session).count, 'D');
    adk_session_close(session);
    options.memory_limit_bytes = 65536;
    assert_int_equal(adk_session_open(small, &options, &session, &error), ADK_E_INVALID);
    assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), "the memory limit");
    adk_error_free(error);
}

static void test_calls_are_counted(void **state)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;
    adk_session *session;
    adk_session *branch;

    (void)state;
    options.calls_max = 2;
    options.flags = ADK_SESSION_FORKS;
    session = open_with(small, &options);
    assert_int_equal(count(session).count, 'A');
    branch = fork_session(session);
    assert_int_equal(count(session).count, 'B');
    expect_ended(session, ADK_SESSION_END_SPENT, "used up");
    assert_int_equal(count(branch).count, 'B');
    assert_int_equal(count(branch).count, 'C');
    expect_ended(branch, ADK_SESSION_END_SPENT, "used up");
    adk_session_close(branch);
    adk_session_close(session);
}

static void test_lifetime(void **state)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;
    adk_session *session;
    adk_result *result;

    (void)state;
    options.lifetime_ns = 400 * MS;
    session = open_with(small, &options);
    assert_true(describe(session).left_ns <= 400 * MS);
    result = ask(session, "s0"); /* its own deadline is far */
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    adk_result_free(result);
    expect_failure(session, ADK_E_UNAVAILABLE, "the session has ended");
    adk_session_close(session);
}

static void test_idle_sessions_expire(void **state)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;
    adk_session *session;

    (void)state;
    options.idle_ns = 300 * MS;
    session = open_with(small, &options);
    assert_int_equal(count(session).count, 'A');
    assert_true(describe(session).idle_left_ns <= 300 * MS);
    adk_test_sleep_ns(400 * MS);
    assert_int_equal(describe(session).end, ADK_SESSION_END_EXPIRED);
    assert_int_equal(describe(session).idle_left_ns, 0);
    expect_ended(session, ADK_SESSION_END_EXPIRED, "for too long");
    adk_session_close(session);
}

/* The kernel counts: a second is the least. */
static void test_cpu_time(void **state)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;
    adk_session *session;
    adk_result *result;

    (void)state;
    options.cpu_ns = 1;
    session = open_with(small, &options);
    result = ask(session, "s0");
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_bytes_have(adk_result_message(result), "CPU time is used up");
    adk_result_free(result);
    expect_ended(session, ADK_SESSION_END_SPENT, "used up");
    adk_session_close(session);
}

static void test_bad_options(void **state)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;
    adk_backend *wasm = adk_test_backend();
    adk_session *session = NULL;

    (void)state;
    assert_int_equal(adk_session_open(wasm, NULL, &session, NULL), ADK_E_UNSUPPORTED);
    options.language = ADK_LANGUAGE_JAVASCRIPT;
    assert_int_equal(adk_session_open(small, &options, &session, NULL), ADK_E_UNSUPPORTED);
    options = (adk_session_options)ADK_SESSION_OPTIONS_INIT;
    options.flags = 2;
    assert_int_equal(adk_session_open(small, &options, &session, NULL), ADK_E_INVALID);
    options = (adk_session_options)ADK_SESSION_OPTIONS_INIT;
    options.idle_ns = ADK_SESSION_NS_MAX + 1;
    assert_int_equal(adk_session_open(small, &options, &session, NULL), ADK_E_INVALID);
    options = (adk_session_options)ADK_SESSION_OPTIONS_INIT;
    options.struct_size = 0;
    assert_int_equal(adk_session_open(small, &options, &session, NULL), ADK_E_INVALID);
    assert_null(session);
    adk_backend_free(wasm);
}

static void expect_refused(adk_session *session, const adk_request *request)
{
    adk_result *result = NULL;

    assert_int_equal(adk_session_execute(session, request, NULL, &result, NULL), ADK_E_INVALID);
    assert_null(result);
}

static void test_bad_requests(void **state)
{
    adk_session *session = open_session(small);
    adk_request request = adk_test_request("c0");

    (void)state;
    request.memory_limit_bytes = (uint64_t)64 << 20;
    expect_refused(session, &request);
    request = adk_test_request("c0");
    request.fuel = 1;
    expect_refused(session, &request);
    request = adk_test_request("c0");
    request.flags = ADK_REQUEST_SEED;
    expect_refused(session, &request);
    request = adk_test_request("c0");
    request.language = ADK_LANGUAGE_WASM;
    expect_refused(session, &request);
    request = adk_test_request("c0");
    request.outputs_limit_bytes = ADK_OUTPUTS_LIMIT_MAX_BYTES;
    expect_refused(session, &request);
    request = adk_test_request("c0");
    request.timeout_ns = 0;
    expect_refused(session, &request);
    assert_int_equal(count(session).count, 'A');
    adk_session_close(session);
}

/* ---- threads ------------------------------------------------------------------------------------------------------- */

struct caller {
    adk_session *session;
    adk_request request;
    int status;
    adk_result *result;
};

static void *call(void *data)
{
    struct caller *caller = data;

    caller->status = adk_session_execute(caller->session, &caller->request, NULL, &caller->result, NULL);
    return NULL;
}

static void wait_until_busy(adk_session *session)
{
    while (describe(session).is_busy == 0)
        adk_test_sleep_ns(MS);
}

static void test_one_call_at_a_time(void **state)
{
    struct caller caller = {open_session(small), adk_test_request("s0"), 0, NULL};
    adk_session *made = NULL;
    pthread_t thread;

    (void)state;
    caller.request.timeout_ns = 300 * MS;
    assert_int_equal(pthread_create(&thread, NULL, call, &caller), 0);
    wait_until_busy(caller.session);
    expect_failure(caller.session, ADK_E_BUSY, "under way");
    assert_int_equal(adk_session_fork(caller.session, &made, NULL), ADK_E_BUSY);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(caller.status, ADK_OK);
    adk_test_expect(caller.result, ADK_OUTCOME_TIMED_OUT);
    adk_result_free(caller.result);
    adk_session_close(caller.session);
}

/* The call that is under way is cancelled, long before its deadline. */
static void test_close_during_a_call(void **state)
{
    struct caller caller = {open_session(small), adk_test_request("s0"), 0, NULL};
    uint64_t start_ns;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, call, &caller), 0);
    wait_until_busy(caller.session);
    start_ns = adk_test_now_ns();
    adk_session_close(caller.session);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(adk_test_now_ns() - start_ns < 100 * MS + adk_test_slack_ns());
    assert_int_equal(caller.status, ADK_OK);
    adk_test_expect(caller.result, ADK_OUTCOME_CANCELLED);
    adk_result_free(caller.result);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static void test_backend_goes_first(void **state)
{
    adk_backend *backend = new_small();
    adk_session *session = open_session(backend);
    adk_session *branch;

    (void)state;
    assert_int_equal(count(session).count, 'A');
    branch = fork_session(session);
    adk_backend_free(backend);
    expect_ended(session, ADK_SESSION_END_BACKEND, "its backend was freed");
    adk_session_close(session);
    adk_session_close(branch);
}

static void test_worker_dies(void **state)
{
    pid_t before[CHILDREN_MAX];
    pid_t after[CHILDREN_MAX];
    size_t count_before = adk_test_children(before);
    adk_backend *backend = new_small();
    size_t count_after = adk_test_children(after);
    adk_session *session = open_session(backend);
    adk_session *branch = fork_session(session);
    adk_request request = adk_test_request("c0");
    uint64_t end_ns = adk_test_now_ns() + 5 * SECOND;
    adk_result *result = NULL;

    (void)state;
    assert_int_equal(count(session).count, 'A');
    for (size_t i = 0; i < count_after; i++) {
        bool is_old = false;

        for (size_t k = 0; k < count_before; k++)
            is_old = is_old || before[k] == after[i];
        if (!is_old)
            assert_int_equal(kill(after[i], SIGKILL), 0);
    }
    for (int i = 0; i < 2; i++) {
        while (adk_session_execute(i == 0 ? session : branch, &request, NULL, &result, NULL) == ADK_OK) {
            adk_result_free(result); /* it takes a moment to die */
            assert_true(adk_test_now_ns() < end_ns);
        }
    }
    expect_ended(session, ADK_SESSION_END_DIED, "died");
    expect_ended(branch, ADK_SESSION_END_DIED, "died");
    adk_session_close(session);
    adk_session_close(branch);
    session = open_session(backend); /* with another worker */
    assert_int_equal(count(session).count, 'A');
    adk_session_close(session);
    adk_backend_free(backend);
}

/* In a process that the host forked, sessions are the parent's, and closing one does not end it. */
static void test_host_forks(void **state)
{
    adk_session *session = open_session(small);
    adk_request request = adk_test_request("c0");
    adk_result *result = NULL;
    int status = 0;
    pid_t pid;

    (void)state;
    assert_int_equal(count(session).count, 'A');
    pid = fork();
    if (pid == 0) {
        int code = adk_session_execute(session, &request, NULL, &result, NULL);

        adk_session_close(session);
        _exit(code == ADK_E_UNAVAILABLE ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(count(session).count, 'B');
    adk_session_close(session);
}

/* Nothing is left: no descriptor here, no process there. */
static void test_nothing_is_left(void **state)
{
    adk_backend *backend = new_small();
    unsigned before;

    (void)state;
    adk_session_close(open_session(backend));
    before = adk_test_count().descriptors;
    for (int i = 0; i < 20; i++) {
        adk_session *session = open_session(backend);
        adk_session *branch = fork_session(session);

        assert_int_equal(count(branch).count, 'A');
        adk_session_close(session);
        assert_int_equal(count(branch).count, 'B');
        adk_session_close(branch);
    }
    assert_true(adk_test_descriptors_become(before));
    adk_backend_free(backend);
}

/* ---- processes ----------------------------------------------------------------------------------------------------- */

#define FAMILY_MAX 64

static pid_t parent_of(const char *name)
{
    char path[300];
    char line[512] = "";
    const char *after;
    int parent = 0;
    char state = 0;
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%s/stat", name);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fgets(line, sizeof(line), file) == NULL)
        line[0] = '\0';
    (void)fclose(file);
    after = strrchr(line, ')'); /* the name may itself have one */
    return after != NULL && sscanf(after, ") %c %d", &state, &parent) == 2 ? parent : 0;
}

/* Appends the processes that descend from `pids[from]` and those behind it, level by level. */
static size_t add_descendants(pid_t pids[FAMILY_MAX], size_t from, size_t count)
{
    for (size_t i = from; i < count; i++) {
        DIR *dir = opendir("/proc");
        const struct dirent *entry;

        assert_non_null(dir);
        while ((entry = readdir(dir)) != NULL) {
            if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || parent_of(entry->d_name) != pids[i])
                continue;
            assert_true(count < FAMILY_MAX);
            pids[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
        }
        (void)closedir(dir);
    }
    return count;
}

/* A host that is killed takes its sessions and their branches with it. */
static void test_host_dies(void **state)
{
    pid_t pids[FAMILY_MAX];
    size_t count;
    int ready[2];
    char byte;

    (void)state;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pids[0] = fork();
    if (pids[0] == 0) {
        adk_session *session = open_session(new_small());
        adk_session *branch = fork_session(session);

        if (count_char(session) != 'A' || count_char(branch) != 'A' || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void)close(ready[0]);
    count = add_descendants(pids, 0, 1);
    assert_true(count >= 4); /* the worker, the session, its branch */
    assert_int_equal(kill(pids[0], SIGKILL), 0);
    assert_int_equal(waitpid(pids[0], NULL, 0), pids[0]);
    for (size_t i = 1; i < count; i++)
        assert_true(adk_test_gone(pids[i]));
}

/* ---- streams ------------------------------------------------------------------------------------------------------- */

static int append(void *data, adk_bytes bytes)
{
    char *text = data;
    size_t size = strlen(text);

    assert_true(size + bytes.size < 200);
    for (size_t i = 0; i < bytes.size; i++)
        text[size + i] = ((const char *)bytes.data)[i] == '\0' ? '0' : ((const char *)bytes.data)[i];
    text[size + bytes.size] = '\0';
    return 0;
}

static int refuse(void *data, adk_bytes bytes)
{
    (void)data;
    (void)bytes;
    return 1;
}

static void test_streams(void **state)
{
    adk_session *session = open_session(small);
    adk_request request = adk_test_request("c0");
    char text[256] = "";
    adk_result *result;

    (void)state;
    request.on_stdout = append;
    request.stream_data = text;
    expect_exit(ask_request(session, &request), 0);
    assert_int_equal(strlen(text), 19);
    assert_int_equal(text[0], 'A');
    expect_exit(ask_request(session, &request), 0);
    assert_int_equal(text[19], 'B');
    request.on_stdout = refuse;
    result = ask_request(session, &request);
    adk_test_expect(result, ADK_OUTCOME_CANCELLED);
    adk_result_free(result);
    expect_ended(session, ADK_SESSION_END_STOPPED, "a call was stopped (cancelled)");
    adk_session_close(session);
}

/* ---- the tool ------------------------------------------------------------------------------------------------------ */

static void tool_says(adk_tool *tool, const char *arguments, const char *part)
{
    char *text = NULL;

    assert_int_equal(adk_tool_call(tool, adk_bytes_from_cstr(arguments), NULL, &text, NULL), ADK_OK);
    assert_bytes_have(adk_bytes_from_cstr(text), part);
    adk_free(text);
}

static void sessions_say(adk_tool *tool, const char *arguments, const char *part)
{
    char *text = NULL;

    assert_int_equal(adk_tool_session(tool, adk_bytes_from_cstr(arguments), &text, NULL), ADK_OK);
    assert_bytes_have(adk_bytes_from_cstr(text), part);
    adk_free(text);
}

#define CALL(code, name) "{\"language\": \"python\", \"code\": \"" code "\", \"session\": \"" name "\"}"

/* What a program says is no text, but ends with its own text: the exit code tells them apart. */
static void test_tool(void **state)
{
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    adk_tool *tool = NULL;

    (void)state;
    options.sessions = 2;
    assert_int_equal(adk_tool_new(small, &options, &tool, NULL), ADK_OK);
    sessions_say(tool, "{\"action\": \"list\"}", "\"sessions\":[]");
    tool_says(tool, CALL("c3", "one"), "\"exit_code\":3");
    tool_says(tool, CALL("c4", "one"), "\"session\":{\"name\":\"one\",\"open\":true,\"end\":null}");
    sessions_say(tool, "{\"action\": \"list\"}", "\"name\":\"one\",\"language\":\"python\",\"open\":true,\"calls\":2");
    sessions_say(tool, "{\"action\": \"fork\", \"session\": \"one\", \"as\": \"two\"}", "\"success\"");
    sessions_say(tool, "{\"action\": \"fork\", \"session\": \"one\", \"as\": \"two\"}", "already");
    tool_says(tool, CALL("c5", "two"), "\"exit_code\":5");
    tool_says(tool, CALL("c0", "three"), "2 sessions are open");
    tool_says(tool, CALL("t0", "two"), "\"open\":false,\"end\":\"stopped\"");
    sessions_say(tool, "{\"action\": \"close\", \"session\": \"two\"}", "there is no session of this name");
    tool_says(tool, CALL("c6", "two"), "\"exit_code\":6");
    sessions_say(tool, "{\"action\": \"close\", \"session\": \"two\"}", "\"success\"");
    tool_says(tool, CALL("c0", "three"), "\"exit_code\":0");
    adk_tool_free(tool);
}

static void test_tool_refuses(void **state)
{
    adk_tool *tool = NULL;

    (void)state;
    assert_int_equal(adk_tool_new(small, NULL, &tool, NULL), ADK_OK);
    tool_says(tool, CALL("c0", ""), "must be a name of 1 to 64");
    tool_says(tool, CALL("c0", "a b"), "must be a name of 1 to 64");
    tool_says(tool, "{\"language\": \"python\", \"code\": \"c0\", \"session\": 1}", "must be a name of 1 to 64");
    tool_says(tool, CALL("c1", "one"), "\"exit_code\":1");
    tool_says(tool, "{\"language\": \"python\", \"code\": \"c0\", \"session\": \"one\", \"memory_limit_mb\": 64}",
              "goes with the first call");
    sessions_say(tool, "{\"action\": \"end\"}", "must be \\\"list\\\"");
    sessions_say(tool, "{\"action\": \"close\"}", "must be a name of 1 to 64");
    sessions_say(tool, "{\"action\": \"fork\", \"session\": \"one\"}", "must be a name of 1 to 64");
    sessions_say(tool, "{\"action\": \"list\", \"more\": 1}", "unknown argument");
    sessions_say(tool, "[]", "must be an object");
    sessions_say(tool, "{", "\"status\":\"error\"");
    adk_tool_free(tool);
}

/* Where there are none, the argument is as unknown as any. */
static void test_tool_without_sessions(void **state)
{
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    adk_tool *tool = NULL;
    char *text = NULL;

    (void)state;
    options.sessions = ADK_TOOL_SESSIONS_NONE;
    assert_int_equal(adk_tool_new(small, &options, &tool, NULL), ADK_OK);
    tool_says(tool, CALL("c0", "one"), "unknown argument \\\"session\\\"");
    assert_int_equal(adk_tool_schema(tool, &text, NULL), ADK_OK);
    assert_null(strstr(text, "session"));
    adk_free(text);
    adk_tool_free(tool);
    assert_int_equal(adk_tool_new(small, NULL, &tool, NULL), ADK_OK);
    assert_int_equal(adk_tool_schema(tool, &text, NULL), ADK_OK);
    assert_non_null(strstr(text, "\"session\":{"));
    adk_free(text);
    assert_int_equal(adk_tool_session_schema(tool, &text, NULL), ADK_OK);
    assert_non_null(strstr(text, "\"name\":\"sandbox_session\""));
    adk_free(text);
    adk_tool_free(tool);
}

/* ---- Python -------------------------------------------------------------------------------------------------------- */

static adk_backend *python;

static int begin_python(void **state)
{
    const adk_bytes args[] = {BYTES("python"), BYTES("-S"), BYTES("-I"), BYTES("/.adk/driver.py")};
    const adk_file file = {BYTES("/.adk/driver.py"), adk_bytes_make(adk__driver_python.data, adk__driver_python.size),
                           NULL};
    adk__runtime_image image = {.name_cstr = "python",
                                .languages = 1u << ADK_LANGUAGE_PYTHON,
                                .module_cstr = ADK_TEST_FETCHED "/python-3.12.0.wasm",
                                .args = args,
                                .args_count = 4,
                                .files = &file,
                                .files_count = 1,
                                .memory_default_bytes = (uint64_t)256 << 20};

    (void)state;
    if (python == NULL && access(image.module_cstr, R_OK) == 0)
        python = new_backend(&image);
    return 0;
}

static void need_python(void)
{
    if (python != NULL)
        return;
    print_message("skipped: python-3.12.0.wasm has not been fetched\n");
    skip();
}

static void expect_says(adk_session *session, const char *code, const char *said)
{
    adk_result *result = ask(session, code);

    if (adk_result_stderr(result).head.size > 0)
        print_message("%.*s\n", (int)adk_result_stderr(result).head.size,
                      (const char *)adk_result_stderr(result).head.data);
    assert_bytes_are(adk_result_stdout(result).head, said);
    expect_exit(result, 0);
}

static size_t file_count(const adk_result *result)
{
    size_t count = 0;

    (void)adk_result_files(result, &count, NULL);
    return count;
}

static const adk_file_out *file_at(const adk_result *result, size_t i)
{
    size_t count = 0;
    const adk_file_out *files = adk_result_files(result, &count, NULL);

    assert_true(i < count);
    return &files[i];
}

static void test_python_state(void **state)
{
    adk_session *session;

    (void)state;
    need_python();
    session = open_session(python);
    expect_says(session, "x = 1\ndef f(): return x + 1\n", "");
    expect_says(session, "print(x, f())", "1 2\n");
    expect_says(session, "import json; x = 41", "");
    expect_says(session, "print(f(), json.dumps([1]), __name__)", "42 [1] __main__\n");
    expect_says(session, "open('note', 'w').write('kept')", "");
    expect_says(session, "import os; print(open('note').read(), sorted(os.listdir('/')))", "kept ['note']\n");
    adk_session_close(session);
}

static void test_python_fork(void **state)
{
    adk_session *one;
    adk_session *two;
    adk_result *results[2];

    (void)state;
    need_python();
    one = open_session(python);
    expect_says(one, "from random import random; x = [1]; open('f', 'w').write('before')", "");
    two = fork_session(one);
    expect_says(one, "x.append(2); open('f', 'w').write('one')", "");
    expect_says(two, "x.append(3)", "");
    expect_says(one, "print(x, open('f').read())", "[1, 2] one\n");
    expect_says(two, "print(x, open('f').read())", "[1, 3] before\n");
    results[0] = ask(one, "print(random())");
    results[1] = ask(two, "print(random())");
    assert_false(adk_result_stdout(results[0]).head.size == adk_result_stdout(results[1]).head.size &&
                 memcmp(adk_result_stdout(results[0]).head.data, adk_result_stdout(results[1]).head.data,
                        adk_result_stdout(results[0]).head.size) == 0);
    expect_exit(results[0], 0);
    expect_exit(results[1], 0);
    adk_session_close(one);
    expect_says(two, "print(len(x))", "2\n");
    adk_session_close(two);
}

/* Neither an error nor sys.exit() ends a session; and random numbers go on where they were. */
static void test_python_errors(void **state)
{
    adk_session *session;
    adk_result *result;

    (void)state;
    need_python();
    session = open_session(python);
    expect_says(session, "x = 5\ndef fail():\n    raise ValueError('here')\n", "");
    result = ask(session, "print('before')\nfail()\n");
    assert_bytes_are(adk_result_stdout(result).head, "before\n");
    assert_bytes_have(adk_result_stderr(result).head, "Traceback (most recent call last):");
    assert_bytes_have(adk_result_stderr(result).head, "    raise ValueError('here')\n");
    assert_bytes_have(adk_result_stderr(result).head, "    fail()\n");
    expect_exit(result, 1);
    expect_exit(ask(session, "x +"), 1);
    expect_exit(ask(session, "import sys; x = 6; sys.exit(3)"), 3);
    result = ask(session, "sys.exit('a word')");
    assert_bytes_are(adk_result_stderr(result).head, "a word\n");
    expect_exit(result, 1);
    expect_says(session, "print(x)", "6\n");
    expect_says(session, "import random; random.seed(7); a = random.random(); random.seed(7)", "");
    expect_says(session, "print(random.random() == a)", "True\n");
    result = ask(session, "import os\nprint('last', flush=True)\nos._exit(9)");
    assert_bytes_are(adk_result_stdout(result).head, "last\n");
    expect_exit(result, 9);
    expect_ended(session, ADK_SESSION_END_EXITED, "the program has ended its interpreter");
    adk_session_close(session);
}

static void test_python_requests(void **state)
{
    const adk_bytes args[] = {BYTES("prog.py"), BYTES("b c")};
    const adk_env env = {BYTES("NAME"), BYTES("value")};
    const adk_file files[] = {{BYTES("/in/data"), BYTES("first"), NULL}};
    const adk_file again[] = {{BYTES("/in/data"), BYTES("second one"), NULL}};
    const adk_bytes output = BYTES("/out");
    adk_request request = adk_test_request("import sys, os\nprint(sys.argv, dict(os.environ), input())\n"
                                           "os.makedirs('/out', exist_ok=True)\n"
                                           "with open('/out/copy', 'w') as f: f.write(open('/in/data').read())\n");
    adk_session *session;
    adk_result *result;

    (void)state;
    need_python();
    session = open_session(python);
    request.args = args;
    request.args_count = 2;
    request.env = &env;
    request.env_count = 1;
    request.stdin_data = BYTES("line 1\nline 2\n");
    request.files = files;
    request.files_count = 1;
    request.outputs = &output;
    request.outputs_count = 1;
    result = ask_request(session, &request);
    assert_bytes_are(adk_result_stdout(result).head, "['prog.py', 'b c'] {'NAME': 'value'} line 1\n");
    assert_int_equal(file_count(result), 2);
    assert_bytes_are(file_at(result, 1)->path, "/out/copy");
    assert_bytes_are(file_at(result, 1)->content, "first");
    expect_exit(result, 0);
    request.args_count = 0;
    request.env_count = 0;
    request.stdin_data = BYTES("other\n");
    request.files = again;
    result = ask_request(session, &request);
    assert_bytes_are(adk_result_stdout(result).head, "[''] {} other\n");
    assert_bytes_are(file_at(result, 1)->content, "second one");
    expect_exit(result, 0);
    expect_says(session, "print(open('/in/data').read(), open('/out/copy').read())", "second one second one\n");
    adk_session_close(session);
}

/* The tree's quota holds after files have come back, too. */
static void test_python_memory(void **state)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;
    const adk_bytes output = BYTES("/big");
    adk_request request = adk_test_request("f = open('/big', 'wb')\n"
                                           "try:\n    while True: f.write(bytes(1 << 20)); f.flush()\n"
                                           "except OSError as e: print(e.errno)\n"
                                           "import os\nprint(os.stat('/big').st_size < 96 << 20)\n"
                                           "f = None\nos.truncate('/big', 1)\n");
    adk_session *session;
    adk_result *result;

    (void)state;
    need_python();
    options.memory_limit_bytes = (uint64_t)96 << 20;
    session = open_with(python, &options);
    request.outputs = &output;
    request.outputs_count = 1;
    for (int i = 0; i < 3; i++) {
        result = ask_request(session, &request);
        assert_bytes_are(adk_result_stdout(result).head, "51\nTrue\n");
        assert_int_equal(file_count(result), 1);
        expect_exit(result, 0);
    }
    adk_session_close(session);
}

static int end_python(void **state)
{
    (void)state;
    adk_backend_free(python);
    python = NULL;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_is_kept),
        cmocka_unit_test(test_calls_are_their_own),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_many_forks),
        cmocka_unit_test(test_fork_must_be_asked_for),
        cmocka_unit_test(test_fork_survives),
        cmocka_unit_test(test_exit_ends),
        cmocka_unit_test(test_trap_ends),
        cmocka_unit_test(test_deadline_ends),
        cmocka_unit_test(test_cancel_ends),
        cmocka_unit_test(test_output_policy_ends),
        cmocka_unit_test(test_memory_is_the_sessions),
        cmocka_unit_test(test_calls_are_counted),
        cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_idle_sessions_expire),
        cmocka_unit_test(test_cpu_time),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_one_call_at_a_time),
        cmocka_unit_test(test_close_during_a_call),
        cmocka_unit_test(test_backend_goes_first),
        cmocka_unit_test(test_worker_dies),
        cmocka_unit_test(test_host_forks),
        cmocka_unit_test(test_nothing_is_left),
        cmocka_unit_test(test_host_dies),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_tool),
        cmocka_unit_test(test_tool_refuses),
        cmocka_unit_test(test_tool_without_sessions),
        cmocka_unit_test_setup(test_python_state, begin_python),
        cmocka_unit_test(test_python_fork),
        cmocka_unit_test(test_python_errors),
        cmocka_unit_test(test_python_requests),
        cmocka_unit_test_teardown(test_python_memory, end_python),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
