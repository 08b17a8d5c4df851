/*
 * No signal handlers: what must be done on a signal (fire a cancellation, which takes locks) is not async-signal-safe.
 * The signals are blocked in every thread, and one small thread reads them from a descriptor.
 */
#include "cli/signals.h"

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/message.h"

static void raise_event(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) < 0)
        return; /* cannot fail: the counter is far from full, and a full one is readable too */
}

static void *wait_for_signals(void *data)
{
    struct cli_signals *signals = data;
    struct pollfd fds[] = {{.fd = signals->signal_fd, .events = POLLIN}, {.fd = signals->stop_fd, .events = POLLIN}};
    bool cancelled = false;

    for (;;) {
        struct signalfd_siginfo info;

        if (poll(fds, ADK_COUNT(fds), -1) < 0)
            continue;
        if (fds[1].revents != 0)
            return NULL;
        if (read(signals->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
            continue;
        if (cancelled || atomic_load(&signals->run_over))
            _exit(CLI_EXIT_SIGNAL + (int)info.ssi_signo);
        cancelled = true;
        adk_cancel_fire(signals->cancel);
        raise_event(signals->wake_fd);
    }
}

static void choose_signals(sigset_t *set)
{
    struct sigaction hangup;

    (void)sigemptyset(set);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGTERM);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        (void)sigaddset(set, SIGHUP);
}

int cli_signals_start(struct cli_signals *signals, adk_cancel *cancel, adk_error **ret_error)
{
    sigset_t set;
    int failed = 0;

    choose_signals(&set);
    failed = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failed != 0)
        return cli_fail(ret_error, ADK_E_SYSTEM, failed, "block signals");
    signals->cancel = cancel;
    signals->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    signals->stop_fd = eventfd(0, EFD_CLOEXEC);
    signals->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (signals->signal_fd < 0 || signals->stop_fd < 0 || signals->wake_fd < 0)
        return cli_fail(ret_error, ADK_E_SYSTEM, errno, "open descriptors for signals: %s", strerror(errno));
    failed = pthread_create(&signals->thread, NULL, wait_for_signals, signals);
    if (failed != 0)
        return cli_fail(ret_error, ADK_E_SYSTEM, failed, "start thread for signals: %s", strerror(failed));
    signals->started = true;
    return ADK_OK;
}

void cli_signals_run_over(struct cli_signals *signals)
{
    atomic_store(&signals->run_over, true);
}

void cli_signals_stop(struct cli_signals *signals)
{
    if (signals->started) {
        raise_event(signals->stop_fd);
        (void)pthread_join(signals->thread, NULL);
    }
    adk__auto_close(&signals->signal_fd);
    adk__auto_close(&signals->stop_fd);
    adk__auto_close(&signals->wake_fd);
    signals->started = false;
}
