/*
 * src/base/channel: whole messages with exactly the descriptors that are expected, and nothing left behind by others.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/channel.h"

static int pair[2];
static unsigned descriptors;

static int make_pair(void **state)
{
    (void)state;
    descriptors = adk_test_count().descriptors;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

/* Whatever a test did, no descriptor is left of it. */
static int close_pair(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        if (pair[i] >= 0)
            (void)close(pair[i]);
    }
    return adk_test_count().descriptors == descriptors ? 0 : -1;
}

static void check_descriptors(unsigned more)
{
    assert_int_equal(adk_test_count().descriptors, descriptors + 2 + more);
}

static void test_message(void **state)
{
    char data[16] = "................";
    size_t size = 99;

    (void)state;
    assert_int_equal(adk__channel_send(pair[0], "hello", 5, NULL, 0), 0);
    assert_int_equal(adk__channel_send(pair[0], "you", 3, NULL, 0), 0);
    assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, NULL, 0), 0);
    assert_int_equal(size, 5);
    assert_memory_equal(data, "hello.", 6);
    assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, NULL, 0), 0);
    assert_int_equal(size, 3);
    assert_int_equal(adk__channel_receive(pair[1], MSG_DONTWAIT, data, sizeof(data), &size, NULL, 0), EAGAIN);
}

static void test_descriptors_cross(void **state)
{
    int fds[ADK__CHANNEL_FDS_MAX] = {-1, -1, -1, -1};
    int files[2];
    char byte;
    size_t size;

    (void)state;
    assert_int_equal(pipe2(files, O_CLOEXEC), 0);
    assert_int_equal(adk__channel_send(pair[0], "x", 1, (int[]){files[0], files[1], 0, 1}, 4), 0);
    assert_int_equal(adk__channel_receive(pair[1], 0, &byte, 1, &size, fds, 4), 0);
    assert_int_equal(size, 1);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(fds[1], "y", 1), 1);
    assert_int_equal(read(files[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(close(fds[i]), 0);
    assert_int_equal(close(files[0]), 0);
    assert_int_equal(close(files[1]), 0);
    check_descriptors(0);
}

static void test_too_many_to_send(void **state)
{
    const int fds[ADK__CHANNEL_FDS_MAX + 1] = {0};

    (void)state;
    assert_int_equal(adk__channel_send(pair[0], "x", 1, fds, ADK__CHANNEL_FDS_MAX + 1), EINVAL);
    assert_int_equal(adk__channel_send(pair[0], "x", 1, (int[]){1000000}, 1), EBADF);
}

/* As another side would that keeps to no rule. */
static void send_raw(size_t size, size_t count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(250 * sizeof(int))];
    } control;
    static char data[1 << 16];
    struct iovec part = {data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memset(&control, 0, sizeof(control));
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    }
    assert_int_equal(sendmsg(pair[0], &message, 0), size); /* all of them descriptor 0 */
}

static void test_wrong_number_of_descriptors(void **state)
{
    static const size_t numbers[][2] = {{0, 2}, {1, 2}, {3, 2}, {4, 2},   {5, 2},   {250, 2}, {1, 0},
                                        {4, 0}, {5, 0}, {5, 4}, {250, 4}, {250, 0}, {0, 1}};
    int fds[ADK__CHANNEL_FDS_MAX] = {-7, -7, -7, -7};
    char data[8];
    size_t size = 99;

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        send_raw(8, numbers[i][0]);
        assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, fds, numbers[i][1]), EBADMSG);
        assert_int_equal(size, 99);
        assert_int_equal(fds[0], -7);
        check_descriptors(0);
    }
}

static void test_too_long(void **state)
{
    int fds[2] = {-7, -7};
    char data[8];
    size_t size = 99;

    (void)state;
    send_raw(9, 0);
    assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, NULL, 0), EMSGSIZE);
    send_raw(1 << 16, 2);
    assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, fds, 2), EMSGSIZE);
    send_raw(9, 250);
    assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, fds, 2), EBADMSG);
    check_descriptors(0);
    send_raw(8, 0);
    assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, NULL, 0), 0);
    assert_int_equal(size, 8);
}

/* It cannot be told from a hangup; what it brings is closed all the same. */
static void test_nothing_is_a_hangup(void **state)
{
    int fds[1];
    char byte;
    size_t size;

    (void)state;
    send_raw(0, 1);
    assert_int_equal(adk__channel_receive(pair[1], 0, &byte, 1, &size, fds, 1), EBADMSG);
    send_raw(0, 0);
    assert_int_equal(adk__channel_receive(pair[1], 0, &byte, 1, &size, fds, 1), EPIPE);
    check_descriptors(0);
}

static void test_peer_gone(void **state)
{
    char data[8];
    size_t size;

    (void)state;
    assert_int_equal(adk__channel_send(pair[0], "last", 4, NULL, 0), 0);
    assert_int_equal(adk__channel_send(pair[1], "unread", 6, NULL, 0), 0);
    assert_int_equal(close(pair[0]), 0);
    pair[0] = -1;
    assert_int_equal(adk__channel_send(pair[1], "x", 1, NULL, 0), EPIPE); /* and no SIGPIPE */
    assert_int_equal(adk__channel_send(pair[1], "x", 1, NULL, 0), EPIPE);
    assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, NULL, 0), 0);
    assert_int_equal(size, 4);
    assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, NULL, 0), EPIPE);
}

/* What it left unread makes the kernel report a reset, once; that is a hangup, too. */
static void test_peer_gone_without_reading(void **state)
{
    char data[8];
    size_t size;

    (void)state;
    assert_int_equal(adk__channel_send(pair[1], "unread", 6, NULL, 0), 0);
    assert_int_equal(close(pair[0]), 0);
    pair[0] = -1;
    assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, NULL, 0), EPIPE);
    assert_int_equal(adk__channel_receive(pair[1], 0, data, sizeof(data), &size, NULL, 0), EPIPE);
}

static void test_full(void **state)
{
    static char data[1 << 16];
    int failed = 0;

    (void)state;
    for (int i = 0; i < 1000 && !failed; i++)
        failed = adk__channel_send(pair[0], data, sizeof(data), NULL, 0);
    assert_int_equal(failed, EAGAIN);
}

/* ---- signals ------------------------------------------------------------------------------------------------------ */

static atomic_uint signals;

static void count_signal(int number)
{
    (void)number;
    (void)atomic_fetch_add(&signals, 1);
}

static void *receive_one(void *data)
{
    size_t size = 0;
    char byte = 0;

    *(int *)data = adk__channel_receive(pair[1], 0, &byte, 1, &size, NULL, 0);
    return NULL;
}

static void test_signals_do_not_interrupt(void **state)
{
    const struct sigaction action = {.sa_handler = count_signal}; /* without SA_RESTART */
    struct sigaction before;
    pthread_t thread;
    int failed = -1;

    (void)state;
    atomic_store(&signals, 0);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_int_equal(pthread_create(&thread, NULL, receive_one, &failed), 0);
    for (unsigned i = 1; i <= 20; i++) {
        assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
        while (atomic_load(&signals) < i)
            adk_test_sleep_ns(MS / 10);
    }
    assert_int_equal(adk__channel_send(pair[0], "x", 1, NULL, 0), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(failed, 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_message),
        TEST(test_descriptors_cross),
        TEST(test_too_many_to_send),
        TEST(test_wrong_number_of_descriptors),
        TEST(test_too_long),
        TEST(test_nothing_is_a_hangup),
        TEST(test_peer_gone),
        TEST(test_peer_gone_without_reading),
        TEST(test_full),
        TEST(test_signals_do_not_interrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
