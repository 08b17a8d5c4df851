/*
 * Theory of operation. The library starts one process, P. P moves into namespaces of its own and forks W, which is the
 * first process of the new process namespace and serves; P waits for it with nothing open. The library knows P by its
 * pidfd: when P is killed W is too (PR_SET_PDEATHSIG), and when W dies the kernel kills all that it has forked, since they
 * live in its namespace. Where there is no such namespace, each run asks to die with W.
 *
 * The order matters: namespaces while /proc is there and we may still do things; then no privileges; then the filter.
 */
#include "worker/walls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/filter.h>

#include <adk/worker.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "worker/armour.h"
#include "worker/pages.h"

#define NOBODY          65534
#define RUN_DESCRIPTORS 32
#define PAGE_BYTES      4096
#define MEMORY_SLACK    ((uint64_t)256 << 20)
#define SPACE_SLACK     ((uint64_t)64 << 30) /* of addresses: code, what is shared with the library */
#define STACK_BYTES     ((uint64_t)64 << 20) /* where the host has no limit */
#define FAMILY_MAX      1024                 /* processes of a worker's user, where a session asks for one more */

/* ---- namespaces ---------------------------------------------------------------------------------------------------- */

/* Its own figures, opened while there is a /proc; -1 where there is none. */
static int figures = -1;

static bool write_file(const char *path, const char *text)
{
    ADK_AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && adk__write_all(fd, text, strlen(text)) == 0;
}

/* As nobody, whoever we were: the namespace knows no other user. */
static bool enter_user(void)
{
    char users[64];
    char groups[64];

    (void)snprintf(users, sizeof(users), "%d %u 1\n", NOBODY, (unsigned)geteuid());
    (void)snprintf(groups, sizeof(groups), "%d %u 1\n", NOBODY, (unsigned)getegid());
    if (unshare(CLONE_NEWUSER) != 0)
        return false;
    (void)write_file("/proc/self/setgroups", "deny");
    return write_file("/proc/self/uid_map", users) && write_file("/proc/self/gid_map", groups);
}

/* The root becomes an empty directory that cannot be written; what was mounted is gone. */
static bool enter_empty_root(void)
{
    static const char *const places[] = {"/tmp", "/run", "/proc"};
    bool is_mounted = false;

    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    for (size_t i = 0; i < ADK_COUNT(places) && !is_mounted; i++)
        is_mounted = mount("adk", places[i], "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=2") == 0 &&
                     chdir(places[i]) == 0;
    if (!is_mounted || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
        return false;
    return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0;
}

/* The process that was started: it only waits. */
static void wait_for(pid_t worker)
{
    int status = 0;

    (void)close_range(0, ~0U, 0);
    while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFSIGNALED(status))
        (void)kill(getpid(), WTERMSIG(status));
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

/* Where the process cannot be split in two, it goes on alone: then the namespace would hold its children only. */
static bool become_first(int channel)
{
    pid_t worker = fork();

    if (worker < 0)
        return false;
    if (worker > 0)
        wait_for(worker);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)channel;
    return true;
}

uint32_t adk__walls_enter(int channel)
{
    uint32_t walls = 0;

    if (enter_user())
        walls |= ADK_WALL_USER;
    if (unshare(CLONE_NEWNET) == 0)
        walls |= ADK_WALL_NETWORK;
    if (unshare(CLONE_NEWIPC | CLONE_NEWUTS) == 0)
        walls |= ADK_WALL_IPC;
    (void)unshare(CLONE_NEWCGROUP);
    if (unshare(CLONE_NEWPID) == 0 && become_first(channel))
        walls |= ADK_WALL_PROCESSES;
    figures = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    adk__pages_begin();
    if (enter_empty_root())
        walls |= ADK_WALL_FILES;
    return walls;
}

/* ---- privileges ---------------------------------------------------------------------------------------------------- */

int adk__walls_drop(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

    memset(none, 0, sizeof(none));
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) != 0)
        return errno;
    return adk__armour_begin();
}

/* ---- filters ------------------------------------------------------------------------------------------------------- */

/* What a run needs: memory, time, random numbers, its end of a channel. */
static const int run_calls[] = {
    SCMP_SYS(brk),          SCMP_SYS(clock_getres),  SCMP_SYS(clock_gettime),   SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),        SCMP_SYS(exit),          SCMP_SYS(exit_group),      SCMP_SYS(fstat),
    SCMP_SYS(getpid),       SCMP_SYS(getrandom),     SCMP_SYS(getrusage),       SCMP_SYS(gettid),
    SCMP_SYS(munmap),       SCMP_SYS(recvmsg),       SCMP_SYS(restart_syscall), SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigreturn),  SCMP_SYS(rt_sigprocmask),  SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),  SCMP_SYS(sendmsg),       SCMP_SYS(set_robust_list), SCMP_SYS(sigaltstack),
    SCMP_SYS(timer_delete), SCMP_SYS(timer_settime),
};

/* What the worker needs beside that: forking and collecting, and what a run does before it seals itself. */
static const int worker_calls[] = {
    SCMP_SYS(close_range),  SCMP_SYS(dup3),       SCMP_SYS(ftruncate),       SCMP_SYS(lseek),
    SCMP_SYS(memfd_create), SCMP_SYS(mmap),       SCMP_SYS(mprotect),        SCMP_SYS(pidfd_open),
    SCMP_SYS(poll),         SCMP_SYS(ppoll),      SCMP_SYS(pread64),         SCMP_SYS(prlimit64),
    SCMP_SYS(read),         SCMP_SYS(seccomp),    SCMP_SYS(set_tid_address), SCMP_SYS(setrlimit),
    SCMP_SYS(signalfd4),    SCMP_SYS(statx),      SCMP_SYS(timer_create),    SCMP_SYS(wait4),
    SCMP_SYS(write),        SCMP_SYS(newfstatat), SCMP_SYS(futex),           SCMP_SYS(madvise),
    SCMP_SYS(mremap),       SCMP_SYS(getppid),    SCMP_SYS(setpgid),
};

static int allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    int failed = 0;

    for (size_t i = 0; i < count && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return failed;
}

static int allow_file_commands(scmp_filter_ctx filter)
{
    static const int commands[] = {F_GETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS};
    int failed = 0;

    for (size_t i = 0; i < ADK_COUNT(commands) && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                                  SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i], 0));
    return failed;
}

/*
 * The limit on data counts what is private, can be written and is no stack: what is not of that kind could be had without
 * end. So memory that is shared without a file, stacks and huge pages are refused, and mremap(2), which makes a stack longer.
 */
static int allow_private_memory(scmp_filter_ctx filter)
{
    const scmp_datum_t kinds = MAP_TYPE | MAP_GROWSDOWN | MAP_HUGETLB | MAP_LOCKED;
    int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                  SCMP_A3(SCMP_CMP_MASKED_EQ, kinds, MAP_PRIVATE));

    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                  SCMP_A3(SCMP_CMP_MASKED_EQ, kinds | MAP_ANONYMOUS, MAP_SHARED));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_GROWSDOWN | PROT_GROWSUP, 0));
    return failed;
}

/* Of two calls that do many things, those that are needed: waiting and waking, and giving memory back. */
static int allow_some_kinds(scmp_filter_ctx filter)
{
    static const int waits[] = {FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET};
    static const int advice[] = {MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE};
    const scmp_datum_t kind = ~(scmp_datum_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME) & UINT32_MAX;
    int failed = 0;

    for (size_t i = 0; i < ADK_COUNT(waits) && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(futex), 1,
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, kind, (scmp_datum_t)waits[i]));
    for (size_t i = 0; i < ADK_COUNT(advice) && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(madvise), 1,
                                  SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)advice[i], 0));
    return failed;
}

/* Taking an order: the limits of its own memory, to lower them. */
static int allow_order(scmp_filter_ctx filter)
{
    static const int limits[] = {RLIMIT_DATA, RLIMIT_AS, RLIMIT_STACK};
    int failed = 0;

    for (size_t i = 0; i < ADK_COUNT(limits) && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0, 0),
                                  SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)limits[i], 0));
    return failed;
}

static int allow_for_run(scmp_filter_ctx filter)
{
    int failed = allow(filter, run_calls, ADK_COUNT(run_calls));

    if (!failed)
        failed = allow_private_memory(filter);
    if (!failed)
        failed = allow_some_kinds(filter);
    if (!failed)
        failed = allow_order(filter);
    return failed;
}

/* And a session that may be forked: its fork, and what the branch then does before it waits. */
static int allow_for_family(scmp_filter_ctx filter)
{
    int failed = allow_for_run(filter);

    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)ADK__WALLS_FORK_FLAGS, 0));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(timer_create), 0);
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 2, SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0),
                                  SCMP_A1(SCMP_CMP_EQ, SIGKILL, 0));
    return failed;
}

/* Only processes, as fork(2) makes them: no threads, no namespaces. clone3() has its flags in memory, out of sight. */
static int allow_for_worker(scmp_filter_ctx filter)
{
    static const scmp_datum_t as_fork = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
    int failed = allow(filter, run_calls, ADK_COUNT(run_calls));

    if (!failed)
        failed = allow(filter, worker_calls, ADK_COUNT(worker_calls));
    if (!failed)
        failed = allow_file_commands(filter);
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_EQ, as_fork, 0));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)ADK__WALLS_FORK_FLAGS, 0));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A1(SCMP_CMP_EQ, SIGKILL, 0));
    if (!failed)
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (!failed)
        failed =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0));
    return failed;
}

static struct sock_fprog run_program;
static pid_t server_pid;
static struct sock_fprog family_program;

/* Making a filter takes longer than a run may: it is made once, and kept as the kernel takes it. */
static int keep_filter(int (*fill)(scmp_filter_ctx filter), struct sock_fprog *ret_program)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    ADK_AUTO_CLOSE int fd = memfd_create("adk-filter", MFD_CLOEXEC);
    struct stat status;
    int failed;

    if (filter == NULL || fd < 0)
        return ENOMEM;
    failed = -fill(filter);
    if (!failed)
        failed = -seccomp_export_bpf(filter, fd);
    seccomp_release(filter);
    if (failed || fstat(fd, &status) != 0)
        return failed ? failed : errno;
    ret_program->len = (unsigned short)((size_t)status.st_size / sizeof(*ret_program->filter));
    ret_program->filter = malloc((size_t)status.st_size);
    if (ret_program->filter == NULL)
        return ENOMEM;
    return pread(fd, ret_program->filter, (size_t)status.st_size, 0) == status.st_size ? 0 : EIO;
}

int adk__walls_seal(void)
{
    scmp_filter_ctx filter;
    int failed = keep_filter(allow_for_run, &run_program);

    server_pid = getpid();
    if (!failed)
        failed = keep_filter(allow_for_family, &family_program);
    if (failed)
        return failed;
    filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return ENOMEM;
    failed = allow_for_worker(filter);
    if (!failed)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    return -failed;
}

static uint64_t worker_bytes; /* of data, as RLIMIT_DATA counts it; 0: not known */
static uint64_t worker_space; /* of addresses, as RLIMIT_AS does */

uint32_t adk__walls_measure(void)
{
    char text[128] = "";
    unsigned long long space = 0;
    unsigned long long data = 0;

    if (figures < 0 || pread(figures, text, sizeof(text) - 1, 0) <= 0 ||
        sscanf(text, "%llu %*u %*u %*u %*u %llu", &space, &data) != 2)
        return 0;
    worker_bytes = data * (uint64_t)PAGE_BYTES;
    worker_space = space * (uint64_t)PAGE_BYTES;
    return ADK_WALL_MEMORY;
}

/* Lowers a limit; one that is lower already stays. Returns 0 or an errno value. */
static int lower(int resource, uint64_t value)
{
    struct rlimit limit;

    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
        return errno;
    limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
    limit.rlim_max = limit.rlim_cur;
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0 ? 0 : errno;
}

/*
 * The guest's budget counts what the guest has; what it costs to have that comes on top. Addresses are limited for what they
 * cost the kernel: tables for pages that are only ever read count as nobody's data.
 */
int adk__walls_limit_memory(uint64_t memory_bytes)
{
    int failed;

    if (worker_bytes == 0)
        return 0;
    failed = lower(RLIMIT_DATA, adk__add_saturated(adk__add_saturated(worker_bytes, memory_bytes), MEMORY_SLACK));
    if (!failed)
        failed = lower(RLIMIT_AS, adk__add_saturated(adk__add_saturated(worker_space, memory_bytes), SPACE_SLACK));
    return failed ? failed : lower(RLIMIT_STACK, STACK_BYTES);
}

static int seal(struct sock_fprog *program)
{
    const struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_FSIZE, &none) != 0)
        return errno;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) == 0 ? 0 : errno;
}

int adk__walls_seal_run(void)
{
    return seal(&run_program);
}

int adk__walls_seal_session(uint64_t memory_bytes, uint32_t cpu_s, bool forks)
{
    const struct rlimit cpu = {cpu_s,
                               (rlim_t)cpu_s + 1}; /* a signal that tells why, and a second later the other one */
    struct rlimit family;
    int failed = adk__walls_limit_memory(memory_bytes);

    if (failed)
        return failed;
    if (setrlimit(RLIMIT_CPU, &cpu) != 0)
        return errno;
    if (!forks)
        return seal(&run_program);
    if (getrlimit(RLIMIT_NPROC, &family) != 0)
        return errno;
    family.rlim_cur = family.rlim_max;
    if (setrlimit(RLIMIT_NPROC, &family) != 0)
        return errno;
    return seal(&family_program);
}

/* ---- runs ---------------------------------------------------------------------------------------------------------- */

void adk__walls_begin_run(bool session)
{
    const struct rlimit descriptors = {RUN_DESCRIPTORS, RUN_DESCRIPTORS};
    struct rlimit family;

    /* Where there is no process namespace it may have been too late for that; nobody waits for such a run. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != server_pid)
        _exit(EXIT_FAILURE);
    (void)setrlimit(RLIMIT_NOFILE, &descriptors);
    if (getrlimit(RLIMIT_NPROC, &family) != 0)
        return;
    family.rlim_cur = 0;
    if (!session)
        family.rlim_max = 0;
    else if (family.rlim_max > FAMILY_MAX)
        family.rlim_max = FAMILY_MAX; /* for one that becomes a session; no other can raise it again */
    (void)setrlimit(RLIMIT_NPROC, &family);
}

void adk__walls_begin_branch(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}
