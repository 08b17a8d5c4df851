/*
 * The list of system calls is what allocating, threads, time and writing the code take; anything else fails with EPERM, so
 * that a C library that tries something new goes on without. Memory cannot be made executable: compiled code is written to
 * a file, not run. See seccomp(2), seccomp_rule_add(3).
 */
#include "worker/armour.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* The sanitizers reserve terabytes of address space for themselves. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMITS_ADDRESS_SPACE false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LIMITS_ADDRESS_SPACE false
#endif
#endif
#ifndef LIMITS_ADDRESS_SPACE
#define LIMITS_ADDRESS_SPACE true
#endif

/* Beyond this a compilation is not the work of anybody who waits for it. */
#define CPU_SECONDS_MAX 3600

/* Never more than there is already: the library's process may live under a limit of its own. */
static int set_limit(int resource, uint64_t value)
{
    struct rlimit limit;

    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
        return errno;
    if (value < limit.rlim_cur)
        limit.rlim_cur = value;
    limit.rlim_max = limit.rlim_cur;
    return setrlimit((__rlimit_resource_t)resource, &limit) == 0 ? 0 : errno;
}

int adk__armour_begin(void)
{
    int failed = set_limit(RLIMIT_CORE, 0);

    if (!failed)
        failed = set_limit(RLIMIT_CPU, CPU_SECONDS_MAX);
    if (!failed && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        failed = errno;
    if (!failed && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        failed = errno;
    return failed;
}

static uint64_t address_space_bytes(void)
{
    ADK_AUTO_FCLOSE FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long pages = 0;

    if (file == NULL || fscanf(file, "%llu", &pages) != 1)
        return (uint64_t)256 << 20;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int adk__armour_limit(uint64_t memory_bytes)
{
    int failed = set_limit(RLIMIT_FSIZE, memory_bytes);

    if (!failed && signal(SIGXFSZ, SIG_IGN) == SIG_ERR) /* write() is to fail instead */
        failed = errno;
    if (!failed && LIMITS_ADDRESS_SPACE)
        failed = set_limit(RLIMIT_AS, adk__add_saturated(address_space_bytes(), memory_bytes));
    return failed;
}

static int allow_plain_calls(scmp_filter_ctx filter)
{
    static const int calls[] = {
        SCMP_SYS(brk),          SCMP_SYS(clock_gettime),   SCMP_SYS(clock_nanosleep),
        SCMP_SYS(exit),         SCMP_SYS(exit_group),      SCMP_SYS(fstat),
        SCMP_SYS(futex),        SCMP_SYS(getpid),          SCMP_SYS(getrandom),
        SCMP_SYS(gettid),       SCMP_SYS(madvise),         SCMP_SYS(mremap),
        SCMP_SYS(munmap),       SCMP_SYS(newfstatat),      SCMP_SYS(restart_syscall),
        SCMP_SYS(rseq),         SCMP_SYS(rt_sigaction),    SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn), SCMP_SYS(sched_yield),     SCMP_SYS(sched_getaffinity),
        SCMP_SYS(sendmsg),      SCMP_SYS(set_robust_list), SCMP_SYS(sigaltstack),
        SCMP_SYS(write),
    };
    int failed = 0;

    for (size_t i = 0; i < ADK_COUNT(calls) && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return failed;
}

/* Not F_SETOWN and F_SETSIG: with them any process of the user could be sent any signal. */
static int allow_file_flags(scmp_filter_ctx filter)
{
    static const int commands[] = {F_GETFD, F_GETFL, F_SETFL};
    int failed = 0;

    for (size_t i = 0; i < ADK_COUNT(commands) && !failed; i++)
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                                  SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i], 0));
    return failed;
}

static int allow_checked_calls(scmp_filter_ctx filter)
{
    const scmp_datum_t as_thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;
    int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

    if (!failed)
        failed =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!failed) /* threads, not processes */
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                  SCMP_A0(SCMP_CMP_MASKED_EQ, as_thread, as_thread));
    if (!failed) /* its flags lie in memory, out of sight: the C library goes back to clone */
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (!failed) /* abort() */
        failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                  SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
    return failed;
}

int adk__armour_seal(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed;

    if (filter == NULL)
        return ENOMEM;
    failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!failed)
        failed = allow_plain_calls(filter);
    if (!failed)
        failed = allow_file_flags(filter);
    if (!failed)
        failed = allow_checked_calls(filter);
    if (!failed)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    return -failed;
}
