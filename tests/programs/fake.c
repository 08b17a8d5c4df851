/*
 * A compiling helper that does not do what it should. What it does instead is in the name it was started by, which is a
 * symbolic link to it: arguments and environment are the library's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <adk/result.h>

#include "base/channel.h"
#include "worker/protocol.h"

#define CHANNEL 3

static struct {
    adk__worker_verdict verdict;
    char message[1 << 16];
} answer;

static const char *mode;
static int fds[ADK__WORKER_JOB_FDS];

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static void wait_for_ever(void)
{
    for (;;)
        (void)pause();
}

static void send_bytes(size_t size)
{
    if (adk__channel_send(CHANNEL, &answer, size, NULL, 0) != 0)
        _exit(9);
}

static void send_verdict(uint32_t status, uint32_t reason, uint64_t code_bytes, const char *text)
{
    answer.verdict.status = status;
    answer.verdict.reason = reason;
    answer.verdict.code_bytes = code_bytes;
    answer.verdict.message_bytes = strlen(text);
    memcpy(answer.message, text, strlen(text));
    send_bytes(sizeof(answer.verdict) + strlen(text));
}

static void write_code(const char *data, size_t size)
{
    if (write(fds[ADK__WORKER_CODE], data, size) != (ssize_t)size)
        _exit(9);
}

/* Messages that are none. */
static void speak_nonsense(void)
{
    if (is("garbage")) {
        memset(&answer, 0xaa, 48);
        send_bytes(48);
    } else if (is("short")) {
        send_bytes(4);
    } else if (is("large")) {
        send_bytes(sizeof(answer));
    } else if (is("magic")) {
        answer.verdict.magic++;
        send_verdict(ADK__WORKER_REFUSED, ADK_REASON_MALFORMED, 0, "x");
    } else if (is("protocol")) {
        answer.verdict.protocol++;
        send_verdict(ADK__WORKER_REFUSED, ADK_REASON_MALFORMED, 0, "x");
    } else if (is("status")) {
        send_verdict(77, ADK_REASON_MALFORMED, 0, "x");
    } else if (is("reason")) {
        send_verdict(ADK__WORKER_REFUSED, ADK_REASON_MISSING_IMPORT, 0, "x");
    } else if (is("length")) {
        answer.verdict.status = ADK__WORKER_REFUSED;
        answer.verdict.reason = ADK_REASON_MALFORMED;
        answer.verdict.message_bytes = UINT64_MAX;
        send_bytes(sizeof(answer.verdict) + 8);
    } else if (is("descriptors")) {
        answer.verdict.status = ADK__WORKER_DONE;
        (void)adk__channel_send(CHANNEL, &answer, sizeof(answer.verdict), (int[]){0, 1, CHANNEL, fds[0]}, 4);
    } else if (is("flood")) {
        do
            memset(&answer, 0x55, 48);
        while (adk__channel_send(CHANNEL, &answer, 48, (int[]){CHANNEL}, 1) == 0 || errno == EAGAIN);
    }
}

/* Verdicts that are in order, about files that are not. */
static void lie_about_code(void)
{
    static char junk[8192];
    const size_t size = sizeof(junk);

    memset(junk, 0x5a, size);
    if (is("no-code")) {
        send_verdict(ADK__WORKER_DONE, 0, 0, "");
    } else if (is("less-code")) {
        write_code(junk, size);
        send_verdict(ADK__WORKER_DONE, 0, size + 1, "");
    } else if (is("huge-code")) {
        write_code(junk, size);
        send_verdict(ADK__WORKER_DONE, 0, UINT64_MAX, "");
    } else if (is("mapped")) {
        write_code(junk, size);
        if (mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[ADK__WORKER_CODE], 0) == MAP_FAILED)
            _exit(9);
        send_verdict(ADK__WORKER_DONE, 0, size, "");
    } else if (is("sealed")) {
        write_code(junk, size);
        (void)fcntl(fds[ADK__WORKER_CODE], F_ADD_SEALS, F_SEAL_SEAL);
        send_verdict(ADK__WORKER_DONE, 0, size, "");
    } else if (is("junk")) {
        write_code(junk, size);
        send_verdict(ADK__WORKER_DONE, 0, size, "");
    } else if (is("half-elf")) {
        write_code("\177ELF\2\1\1\310", 8);
        send_verdict(ADK__WORKER_DONE, 0, 8, "");
    }
}

/* Ends, but for a child that has the channel until the library closes it. */
static void leave_an_heir(void)
{
    struct pollfd closed = {CHANNEL, 0, 0};

    if (fork() != 0)
        _exit(7);
    (void)poll(&closed, 1, 60000);
    _exit(0);
}

static void behave_badly(void)
{
    if (is("hangup")) {
        (void)close(CHANNEL);
    } else if (is("hangup-after")) {
        send_verdict(ADK__WORKER_REFUSED, ADK_REASON_MALFORMED, 0, "then it hung up");
        (void)close(CHANNEL);
    } else if (is("text")) {
        send_verdict(ADK__WORKER_REFUSED, ADK_REASON_MALFORMED, 0, "a\33[2Jb\nc\377d\302\205e%s%n");
    } else if (is("needs-memory")) {
        answer.verdict.needs_memory = 1;
        send_verdict(ADK__WORKER_REFUSED, ADK_REASON_MALFORMED, 0, "tables");
    } else if (is("failed")) {
        send_verdict(ADK__WORKER_FAILED, 0, 0, "no\7bell");
    } else if (is("dies")) {
        (void)raise(SIGKILL);
    } else if (is("exits")) {
        _exit(7);
    } else if (is("heir")) {
        leave_an_heir();
    } else if (is("stops")) {
        (void)raise(SIGSTOP);
    }
}

int main(void)
{
    adk__worker_job job;
    size_t size;

    mode = strrchr((const char *)(uintptr_t)getauxval(AT_EXECFN), '/') + 1;
    if (adk__channel_receive(CHANNEL, 0, &job, sizeof(job), &size, fds, ADK__WORKER_JOB_FDS) != 0)
        return 8;
    answer.verdict.magic = ADK__WORKER_MAGIC;
    answer.verdict.protocol = ADK__WORKER_PROTOCOL;
    speak_nonsense();
    lie_about_code();
    behave_badly();
    wait_for_ever();
}
