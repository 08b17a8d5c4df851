/* Bounded reading, and writing that no reader can hold up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "cli/input.h"
#include "cli/writer.h"

#define MS UINT64_C(1000000)

/* More than any pipe or socket holds. */
static char much[16 << 20];

/* How the writer gets at the descriptor: by its own way, or by poll() and small pieces. */
enum way { WAY_OWN, WAY_POLL };

static void open_writer(struct cli_writer *writer, enum way way, int fd, int wake_fd)
{
    cli_writer_open(writer, fd, wake_fd);
    if (way == WAY_POLL)
        cli_writer_close(writer);
}

/* The reader never reads: the writer gives up at its deadline, not before and not much later. */
static void check_stalled(enum way way, int fd)
{
    struct cli_writer writer;
    uint64_t start = cli_now_ns();
    uint64_t took = 0;

    open_writer(&writer, way, fd, -1);
    assert_int_equal(cli_writer_put(&writer, adk_bytes_make(much, sizeof(much)), cli_deadline_in(50 * MS)), ETIMEDOUT);
    took = cli_now_ns() - start;
    assert_true(took >= 50 * MS);
    assert_true(took < 1000 * MS);
    /* The descriptor itself has not become non-blocking: others share it. */
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    cli_writer_close(&writer);
}

static void test_stalled_reader(void **state)
{
    (void)state;
    for (enum way way = WAY_OWN; way <= WAY_POLL; way++) {
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        check_stalled(way, fds[1]);
        (void)close(fds[0]);
        (void)close(fds[1]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        check_stalled(way, fds[1]);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
}

static void test_woken(void **state)
{
    (void)state;
    for (enum way way = WAY_OWN; way <= WAY_POLL; way++) {
        struct cli_writer writer;
        int fds[2];
        int wake = eventfd(1, EFD_CLOEXEC);

        assert_int_equal(pipe(fds), 0);
        open_writer(&writer, way, fds[1], wake);
        assert_int_equal(cli_writer_put(&writer, adk_bytes_from_cstr("there is room"), CLI_NO_DEADLINE), 0);
        assert_int_equal(cli_writer_put(&writer, adk_bytes_make(much, sizeof(much)), CLI_NO_DEADLINE), ECANCELED);
        cli_writer_close(&writer);
        (void)close(fds[0]);
        (void)close(fds[1]);
        (void)close(wake);
    }
}

static void test_reader_gone(void **state)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN}; /* the tests' own signal() does nothing */

    (void)state;
    assert_int_equal(sigaction(SIGPIPE, &ignore, NULL), 0);
    for (enum way way = WAY_OWN; way <= WAY_POLL; way++) {
        struct cli_writer writer;
        int fds[2];

        assert_int_equal(pipe(fds), 0);
        open_writer(&writer, way, fds[1], -1);
        (void)close(fds[0]);
        assert_int_equal(cli_writer_put(&writer, adk_bytes_from_cstr("x"), CLI_NO_DEADLINE), EPIPE);
        cli_writer_close(&writer);
        (void)close(fds[1]);
    }
}

static void test_failing_descriptors(void **state)
{
    ADK_AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ADK_AUTO_CLOSE int wrong = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct cli_writer writer;

    (void)state;
    cli_writer_open(&writer, full, -1);
    assert_int_equal(cli_writer_put(&writer, adk_bytes_from_cstr("x"), CLI_NO_DEADLINE), ENOSPC);
    cli_writer_open(&writer, wrong, -1);
    assert_int_equal(cli_writer_put(&writer, adk_bytes_from_cstr("x"), CLI_NO_DEADLINE), EBADF);
    cli_writer_open(&writer, 12345, -1);
    assert_int_equal(cli_writer_put(&writer, adk_bytes_from_cstr("x"), CLI_NO_DEADLINE), EBADF);
    assert_int_equal(cli_writer_put(&writer, adk_bytes_make(NULL, 0), CLI_NO_DEADLINE), 0);
}

static void test_deadline_arithmetic(void **state)
{
    (void)state;
    assert_true(cli_deadline_in(UINT64_MAX) == CLI_NO_DEADLINE);
    assert_true(cli_deadline_in(0) <= cli_now_ns());
}

static int read_path(const char *path, uint64_t most, struct cli_input *input, adk_error **error)
{
    return cli_input_read(path, most, -1, input, error);
}

static void test_reading(void **state)
{
    char path[] = "/tmp/test_cli_io.XXXXXX";
    ADK_AUTO_CLOSE int fd = mkstemp(path);
    struct cli_input input = {0};

    (void)state;
    memset(much, 'x', sizeof(much));
    assert_int_equal(read_path(path, 100, &input, NULL), ADK_OK);
    assert_int_equal(input.size, 0);
    free(input.data);
    assert_int_equal(write(fd, much, 300000), 300000);
    for (uint64_t most = 299999; most <= 300001; most++) {
        assert_int_equal(read_path(path, most, &input, NULL), ADK_OK);
        assert_int_equal(input.size, most < 300000 ? most : 300000);
        assert_memory_equal(input.data, much, input.size);
        free(input.data);
    }
    assert_int_equal(read_path("/dev/zero", 1000000, &input, NULL), ADK_OK);
    assert_int_equal(input.size, 1000000);
    free(input.data);
    (void)unlink(path);
}

static void refuse(const char *path, const char *message)
{
    struct cli_input input = {0};
    adk_error *error = NULL;

    assert_int_equal(read_path(path, 100, &input, &error), ADK_E_INVALID);
    assert_string_equal(adk_error_message_cstr(error), message);
    assert_null(input.data);
    adk_error_free(error);
}

static void test_unreadable(void **state)
{
    (void)state;
    refuse("/nonexistent", "cannot read \"/nonexistent\": No such file or directory");
    refuse("/tmp", "cannot read \"/tmp\": Is a directory");
    refuse("", "cannot read \"\": No such file or directory");
    refuse("/no\x1b", "cannot read \"/no\\x1B\": No such file or directory");
}

static void test_interrupted_reading(void **state)
{
    char path[32];
    struct cli_input input = {0};
    int fds[2];
    int wake = eventfd(1, EFD_CLOEXEC);

    (void)state;
    assert_int_equal(pipe(fds), 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
    assert_int_equal(cli_input_read(path, 100, wake, &input, NULL), CLI_INTERRUPTED);
    assert_null(input.data);
    (void)close(wake);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    (void)close(fds[1]);
    assert_int_equal(cli_input_read(path, 100, -1, &input, NULL), ADK_OK);
    assert_int_equal(input.size, 3);
    free(input.data);
    (void)close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stalled_reader),      cmocka_unit_test(test_woken),
        cmocka_unit_test(test_reader_gone),         cmocka_unit_test(test_failing_descriptors),
        cmocka_unit_test(test_deadline_arithmetic), cmocka_unit_test(test_reading),
        cmocka_unit_test(test_unreadable),          cmocka_unit_test(test_interrupted_reading),
    };

    return cmocka_run_group_tests_name("cli_io", tests, NULL, NULL);
}
