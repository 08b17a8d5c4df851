/*
 * A worker that does not serve as it should. What it does instead is in the name it was started by, which is a symbolic
 * link to it. Compiling it leaves to the real one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include <adk/result.h>

#include "base/channel.h"
#include "worker/exchange.h"
#include "worker/protocol.h"

#define CHANNEL 3

static const char *mode;

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static void wait_for_ever(void)
{
    for (;;)
        (void)pause();
}

static void say_ready(uint32_t is_ready, const char *text)
{
    struct {
        adk__worker_ready ready;
        char text[ADK__WORKER_MESSAGE_MAX];
    } answer = {.ready = {.magic = ADK__WORKER_MAGIC,
                          .protocol = ADK__WORKER_PROTOCOL,
                          .is_ready = is_ready,
                          .message_bytes = strlen(text)}};

    memcpy(answer.text, text, strlen(text));
    if (adk__channel_send(CHANNEL, &answer, sizeof(answer.ready) + strlen(text), NULL, 0) != 0)
        _exit(9);
}

static void tell(int news, adk__worker_word word, int with_fd)
{
    adk__worker_message message = {.magic = ADK__WORKER_MAGIC, .word = word};

    (void)adk__channel_send(news, &message, sizeof(message), &with_fd, with_fd < 0 ? 0 : 1);
}

static void end(int news)
{
    adk__worker_message message = {.magic = ADK__WORKER_MAGIC, .word = ADK__WORKER_ENDED};

    if (is("odd-end"))
        message.word = ADK__WORKER_SEAT;
    if (is("ends-by-signal"))
        message.signal = SIGSEGV;
    if (is("ends-with-status"))
        message.exit_status = 3;
    (void)adk__channel_send(news, &message, sizeof(message), NULL, 0);
}

/* ---- what a hostile run would write -------------------------------------------------------------------------------- */

static void say(adk__exchange_report *report, uint8_t *parts, const char *text)
{
    memcpy(parts, text, strlen(text));
    report->message_bytes = strlen(text);
    report->parts_bytes = strlen(text);
}

/* A regular file of that name, with so many bytes of whatever lies there. */
static void claim_file(adk__exchange_report *report, uint8_t *parts, const char *path, uint64_t bytes)
{
    const adk__exchange_file file = {
        .path_bytes = strlen(path), .content_bytes = bytes, .size_bytes = bytes, .type = ADK_FILE_REGULAR};

    memcpy(parts, &file, sizeof(file));
    memcpy(parts + sizeof(file), path, strlen(path));
    report->file_count = 1;
    report->parts_bytes = sizeof(file) + strlen(path) + bytes;
}

static void lie(adk__exchange_head *head)
{
    adk__exchange_report *report = &head->report;
    uint8_t *parts = (uint8_t *)head + head->layout.parts_at;

    report->outcome = ADK_OUTCOME_EXITED;
    if (is("lies-written")) {
        atomic_store(&head->written[0], UINT64_MAX);
        atomic_store(&head->written[1], (uint64_t)1 << 40);
    } else if (is("lies-parts")) {
        report->parts_bytes = UINT64_MAX;
    } else if (is("lies-message")) {
        report->message_bytes = UINT64_MAX - 3;
        report->parts_bytes = 16;
    } else if (is("lies-frames")) {
        report->frame_count = UINT64_MAX / 24;
        report->parts_bytes = 4096;
    } else if (is("lies-names")) {
        adk__exchange_frame frame = {.name_bytes = UINT64_MAX};

        memcpy(parts, &frame, sizeof(frame));
        report->frame_count = 1;
        report->frame_names_bytes = 8;
        report->parts_bytes = 4096;
    } else if (is("lies-files")) {
        report->file_count = 1000;
        report->parts_bytes = 64;
    } else if (is("lies-path")) {
        adk__exchange_file file = {.path_bytes = UINT64_MAX, .content_bytes = UINT64_MAX, .type = 1};

        memcpy(parts, &file, sizeof(file));
        report->file_count = 1;
        report->parts_bytes = 4096;
    } else if (is("lies-outcome")) {
        report->outcome = 77;
    } else if (is("lies-signal")) {
        report->outcome = ADK_OUTCOME_SIGNALED;
    } else if (is("lies-cancelled") || is("lies-late") || is("lies-fuel") || is("lies-full")) {
        report->outcome = is("lies-cancelled") ? ADK_OUTCOME_CANCELLED
                          : is("lies-late")    ? ADK_OUTCOME_TIMED_OUT
                          : is("lies-fuel")    ? ADK_OUTCOME_FUEL_EXHAUSTED
                                               : ADK_OUTCOME_OUTPUT_LIMIT;
        say(report, parts, "so it was");
    } else if (is("lies-phase")) {
        report->phase = ADK_PHASE_RUN;
    } else if (is("lies-silence")) {
        report->outcome = ADK_OUTCOME_TRAPPED;
        report->phase = ADK_PHASE_RUN;
        report->trap_kind[0] = 'x';
    } else if (is("lies-trap")) {
        report->trap_kind[0] = 'x';
    } else if (is("lies-code")) {
        report->outcome = ADK_OUTCOME_TRAPPED;
        report->phase = ADK_PHASE_RUN;
        report->trap_kind[0] = 'x';
        report->code = 1;
        say(report, parts, "it trapped");
    } else if (is("lies-figures")) {
        report->load_ns = report->instantiate_ns = report->run_ns = UINT64_MAX;
        report->memory_peak_bytes = report->fuel = UINT64_MAX;
        report->measured = UINT32_MAX;
    } else if (is("lies-climbing")) {
        claim_file(report, parts, "/../../etc/passwd", 0);
    } else if (is("lies-dot")) {
        claim_file(report, parts, "/a/./b", 0);
    } else if (is("lies-slashes")) {
        claim_file(report, parts, "/a//b", 0);
    } else if (is("lies-relative")) {
        claim_file(report, parts, "etc/passwd", 0);
    } else if (is("lies-longer")) {
        claim_file(report, parts, "/a", 2000);
    } else if (is("lies-status")) {
        static const char text[] = "it \x1b[31mburns\n";

        report->status = -12345;
        memcpy(parts, text, sizeof(text) - 1);
        report->message_bytes = sizeof(text) - 1;
        report->parts_bytes = sizeof(text) - 1;
    } else if (is("lies-text")) {
        static const char text[] = "\x1b]0;title\a";

        report->outcome = ADK_OUTCOME_TRAPPED;
        report->phase = ADK_PHASE_RUN;
        memcpy(parts, text, sizeof(text) - 1);
        report->message_bytes = sizeof(text) - 1;
        report->parts_bytes = sizeof(text) - 1;
        memset(report->trap_kind, 'x', sizeof(report->trap_kind));
    }
    report->done = ADK__EXCHANGE_DONE;
}

/* The library reads what it made: nobody can make it shorter or longer. */
static void resize(int fd)
{
    if (ftruncate(fd, 0) == 0 || ftruncate(fd, 1 << 30) == 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 1 << 30, 4096) == 0)
        _exit(8);
}

static void run(int channel, int news)
{
    adk__worker_message message;
    adk__exchange_head head;
    adk__exchange_head *map;
    int fds[ADK__WORKER_RUN_FDS];
    size_t size = 0;

    if (adk__channel_receive(channel, 0, &message, sizeof(message), &size, fds, ADK__WORKER_RUN_FDS) != 0 ||
        pread(fds[0], &head, sizeof(head), 0) != (ssize_t)sizeof(head))
        _exit(7);
    map = mmap(NULL, head.layout.size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    if (map == MAP_FAILED)
        _exit(6);
    if (is("resizes"))
        resize(fds[0]);
    if (is("vanishes"))
        _exit(0);
    if (is("never-ends"))
        wait_for_ever();
    if (is("streams-nonsense"))
        (void)adk__channel_send(channel, "nonsense", 8, NULL, 0);
    else if (is("streams-descriptors"))
        (void)adk__channel_send(channel, "nonsense", 8, (int[]){0, 1, channel, fds[0]}, 4);
    else
        lie(map);
    if (is("streams-nothing")) { /* hangs up, and lives on */
        (void)close(channel);
        wait_for_ever();
    }
    if (is("dies-after-report"))
        _exit(0);
    end(news);
    (void)close(news);
    (void)close(channel);
}

static void serve(void)
{
    for (;;) {
        adk__worker_message message;
        int fds[ADK__WORKER_SEAT_FDS];
        size_t size = 0;

        if (adk__channel_receive(CHANNEL, 0, &message, sizeof(message), &size, fds, ADK__WORKER_SEAT_FDS) != 0)
            _exit(0);
        if (is("dies-on-seat"))
            _exit(0);
        if (is("ignores-seats"))
            continue;
        if (is("odd-start")) {
            tell(fds[ADK__WORKER_SEAT_NEWS], ADK__WORKER_ENDED, -1);
            continue;
        }
        tell(fds[ADK__WORKER_SEAT_NEWS], ADK__WORKER_STARTED, pidfd_open(getpid(), 0));
        run(fds[ADK__WORKER_SEAT_RUN], fds[ADK__WORKER_SEAT_NEWS]);
    }
}

static void count_and_die(void)
{
    char path[4096];
    int length = snprintf(path, sizeof(path), "%s.starts", (const char *)(uintptr_t)getauxval(AT_EXECFN));
    int fd = length < (int)sizeof(path) ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

    _exit(fd >= 0 && write(fd, "x", 1) == 1 ? 3 : 9);
}

int main(int argc, char *argv[])
{
    adk__worker_orders orders;
    int fds[ADK__WORKER_IMAGE_FDS];
    size_t size = 0;
    char link[4096];

    if (argc == 2 && strcmp(argv[1], "compile") == 0) {
        (void)execv(ADK_TEST_WORKER, argv);
        _exit(5);
    }
    /* The name it was started by is in the auxiliary vector. */
    (void)snprintf(link, sizeof(link), "%s", (const char *)(uintptr_t)getauxval(AT_EXECFN));
    mode = strrchr(link, '/') == NULL ? link : strrchr(link, '/') + 1;
    if (is("dies-at-once"))
        _exit(3);
    if (is("counts-and-dies"))
        count_and_die();
    if (adk__channel_receive(CHANNEL, 0, &orders, sizeof(orders), &size, fds, 0) != 0)
        _exit(4);
    if (is("never-ready"))
        wait_for_ever();
    if (is("nonsense-ready")) {
        (void)adk__channel_send(CHANNEL, "nonsense", 8, NULL, 0);
        wait_for_ever();
    }
    if (is("not-ready")) {
        say_ready(0, "it \x1b[31mis not well");
        _exit(0);
    }
    say_ready(1, "");
    serve();
    return 0;
}
