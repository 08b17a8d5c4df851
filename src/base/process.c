#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The order matters: the channel may be one of the descriptors that the standard streams will take. */
static int set_descriptors(posix_spawn_file_actions_t *actions, int channel)
{
    int failed = posix_spawn_file_actions_adddup2(actions, channel, ADK__PROCESS_CHANNEL_FD);

    for (int fd = 0; fd <= 2 && !failed; fd++)
        failed = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
    return failed ? failed : posix_spawn_file_actions_addclosefrom_np(actions, ADK__PROCESS_CHANNEL_FD + 1);
}

static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t set;
    int failed;

    (void)sigfillset(&set);
    failed = posix_spawnattr_setsigdefault(attributes, &set);
    (void)sigemptyset(&set);
    if (!failed)
        failed = posix_spawnattr_setsigmask(attributes, &set);
    if (!failed)
        failed = posix_spawnattr_setpgroup(attributes, 0);
    if (!failed)
        failed = posix_spawnattr_setflags(attributes,
                                          POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    return failed;
}

static int spawn(const char *path, char *const argv[], int channel, pid_t *ret_pid)
{
    char *const environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&actions);

    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (!failed) {
        failed = set_descriptors(&actions, channel);
        if (!failed)
            failed = set_attributes(&attributes);
        if (!failed)
            failed = posix_spawn(ret_pid, path, &actions, &attributes, argv, environment);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/*
 * A helper waits for its first message, so it is still there when it is looked for. Another program may have ended, and
 * where the host collects or ignores its children, its number may be somebody else's by now.
 */
static bool is_child(int pidfd)
{
    siginfo_t info;

    return waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* Without a descriptor to know it by: there was none to be had, and it waits for its first message. */
static void end_unknown(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

int adk__process_start(const char *path, char *const argv[], adk__process *ret_process)
{
    int pair[2];
    pid_t pid;
    int pidfd;
    int failed;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return errno;
    failed = spawn(path, argv, pair[1], &pid);
    (void)close(pair[1]);
    if (failed) {
        (void)close(pair[0]);
        return failed;
    }
    pidfd = pidfd_open(pid, 0);
    failed = pidfd < 0 ? errno : is_child(pidfd) ? 0 : ESRCH;
    if (failed) {
        if (pidfd >= 0)
            (void)close(pidfd);
        else if (failed != ESRCH)
            end_unknown(pid);
        (void)close(pair[0]);
        return failed;
    }
    ret_process->pidfd = pidfd;
    ret_process->channel = pair[0];
    return 0;
}

void adk__process_kill(const adk__process *process)
{
    (void)pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
}

bool adk__process_reap(const adk__process *process, adk__process_end *ret_end)
{
    struct pollfd ended = {process->pidfd, POLLIN, 0};
    siginfo_t info;

    memset(ret_end, 0, sizeof(*ret_end));
    if (poll(&ended, 1, 0) != 1)
        return false;
    memset(&info, 0, sizeof(info));
    if (waitid(P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG) != 0)
        return true; /* somebody else collected it */
    if (info.si_pid == 0)
        return false;
    ret_end->known = true;
    if (info.si_code == CLD_EXITED)
        ret_end->exit_status = info.si_status;
    else
        ret_end->signal = info.si_status;
    return true;
}

void adk__process_close(adk__process *process)
{
    if (process->pidfd >= 0)
        (void)close(process->pidfd);
    if (process->channel >= 0)
        (void)close(process->channel);
    process->pidfd = -1;
    process->channel = -1;
}
