/*
 * Sessions whose process is not what it should be: whatever it says, writes or leaves out, the call ends in time with an
 * outcome or an error of its kind, and nothing of one call passes for another's. See tests/programs/fake_session.c.
 */
#include "worker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <adk/session.h>

#include "worker/image.h"

static char directory[] = "/tmp/adk-session-XXXXXX";
static char module_path[64];
static char worker_path[128];

static int begin(void **state)
{
    adk_bytes binary = adk_test_assemble(GUEST_EMPTY);
    int fd;

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(module_path, sizeof(module_path), "%s/image.wasm", directory);
    fd = open(module_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, binary.data, binary.size), (ssize_t)binary.size);
    (void)close(fd);
    free((void *)(uintptr_t)binary.data);
    return 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(module_path) != 0 || rmdir(directory) != 0;
}

static adk_backend *backend_with(const char *mode)
{
    adk__runtime_image image = {.name_cstr = "fake",
                                .languages = 1u << ADK_LANGUAGE_PYTHON,
                                .module_cstr = module_path,
                                .has_sessions = true,
                                .stock = 1};
    adk_wasm_options options;
    adk_backend *backend = NULL;

    (void)snprintf(worker_path, sizeof(worker_path), "%s/%s", directory, mode);
    assert_int_equal(symlink(adk_test_program("adk_fake_session"), worker_path), 0);
    options = adk_test_options_with(worker_path);
    assert_int_equal(adk__runtime_backend_new(&image, &options, &backend, NULL), ADK_OK);
    return backend;
}

static void free_backend(adk_backend *backend)
{
    adk_backend_free(backend);
    assert_int_equal(unlink(worker_path), 0);
    assert_true(adk_test_children_become(0));
}

static int open_session(adk_backend *backend, adk_session **ret_session, adk_error **ret_error)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;

    options.flags = ADK_SESSION_FORKS;
    options.open_timeout_ns = adk_test_sanitized() ? 10 * SECOND : 3 * SECOND;
    return adk_session_open(backend, &options, ret_session, ret_error);
}

static void test_opening(void **state)
{
    static const struct {
        const char *mode;
        int code;
        const char *part;
    } cases[] = {{"opens-never", ADK_E_UNAVAILABLE, "open a session"},
                 {"opens-oddly", ADK_E_UNAVAILABLE, "does not answer"},
                 {"opens-badly", ADK_E_SYSTEM, "set the limits of a session"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        adk_backend *backend = backend_with(cases[i].mode);
        adk_session *session = NULL;
        adk_error *error = NULL;

        assert_int_equal(open_session(backend, &session, &error), cases[i].code);
        assert_null(session);
        assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), cases[i].part);
        adk_error_free(error);
        free_backend(backend);
    }
}

static adk_session_end end_of(adk_session *session)
{
    adk_session_info info = ADK_SESSION_INFO_INIT;

    adk_session_describe(session, &info);
    return info.end;
}

/* `honest` calls end as they should, the next one as what it is: a process that nobody believes any more. */
static void check_crash(const char *mode, int honest, const char *part)
{
    adk_backend *backend = backend_with(mode);
    adk_request request = adk_test_request("x");
    adk_session *session = NULL;
    adk_result *result = NULL;

    assert_int_equal(open_session(backend, &session, NULL), ADK_OK);
    for (int i = 0; i < honest; i++) {
        assert_int_equal(adk_session_execute(session, &request, NULL, &result, NULL), ADK_OK);
        adk_test_expect(result, ADK_OUTCOME_EXITED);
        adk_result_free(result);
    }
    assert_int_equal(adk_session_execute(session, &request, NULL, &result, NULL), ADK_OK);
    adk_test_expect(result, ADK_OUTCOME_SIGNALED);
    assert_int_equal(adk_result_reason(result), ADK_REASON_ENGINE_CRASH);
    assert_bytes_have(adk_result_message(result), part);
    adk_result_free(result);
    assert_int_equal(end_of(session), ADK_SESSION_END_DIED);
    assert_int_equal(adk_session_execute(session, &request, NULL, &result, NULL), ADK_E_UNAVAILABLE);
    adk_session_close(session);
    free_backend(backend);
}

static void test_lies(void **state)
{
    (void)state;
    check_crash("has-no-report", 0, "makes no sense");
    check_crash("returns-another", 0, "makes no sense");
    check_crash("streams", 0, "makes no sense");
    check_crash("returns-twice", 1, "makes no sense");
    check_crash("returns-ahead", 1, "makes no sense");
    check_crash("leaves", 0, "without a report");
}

static void test_silence(void **state)
{
    adk_backend *backend = backend_with("never-returns");
    adk_request request = adk_test_request("x");
    uint64_t start_ns = adk_test_now_ns();
    adk_session *session = NULL;
    adk_result *result = NULL;

    (void)state;
    assert_int_equal(open_session(backend, &session, NULL), ADK_OK);
    request.timeout_ns = 200 * MS;
    start_ns = adk_test_now_ns();
    assert_int_equal(adk_session_execute(session, &request, NULL, &result, NULL), ADK_OK);
    assert_true(adk_test_now_ns() - start_ns < request.timeout_ns + SECOND + adk_test_slack_ns());
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    adk_result_free(result);
    assert_int_equal(end_of(session), ADK_SESSION_END_STOPPED);
    adk_session_close(session);
    free_backend(backend);
}

/* Its time was up just as it was asked: that is no outcome of a call that nobody has begun. */
static void test_expiry_meets_a_call(void **state)
{
    adk_backend *backend = backend_with("expires");
    adk_request request = adk_test_request("x");
    adk_session *session = NULL;
    adk_result *result = NULL;

    (void)state;
    assert_int_equal(open_session(backend, &session, NULL), ADK_OK);
    assert_int_equal(adk_session_execute(session, &request, NULL, &result, NULL), ADK_E_UNAVAILABLE);
    assert_null(result);
    assert_int_equal(end_of(session), ADK_SESSION_END_EXPIRED);
    adk_session_close(session);
    free_backend(backend);
}

/* Nobody says hello: the session goes on. */
static void test_no_branch(void **state)
{
    adk_backend *backend = backend_with("honest");
    adk_request request = adk_test_request("x");
    adk_session *session = NULL;
    adk_session *branch = NULL;
    adk_result *result = NULL;
    adk_error *error = NULL;

    (void)state;
    assert_int_equal(open_session(backend, &session, NULL), ADK_OK);
    assert_int_equal(adk_session_execute(session, &request, NULL, &result, NULL), ADK_OK);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    adk_result_free(result);
    assert_int_equal(adk_session_fork(session, &branch, &error), ADK_E_UNAVAILABLE);
    assert_null(branch);
    assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), "could not be forked");
    adk_error_free(error);
    assert_int_equal(end_of(session), ADK_SESSION_END_NONE);
    adk_session_close(session);
    free_backend(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opening),   cmocka_unit_test(test_lies),
        cmocka_unit_test(test_silence),   cmocka_unit_test(test_expiry_meets_a_call),
        cmocka_unit_test(test_no_branch),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
