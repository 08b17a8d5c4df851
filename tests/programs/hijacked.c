/*
 * The worker, but that its runs are taken over: where the guest would live (adk__live()), code of the attacker's runs
 * natively, in the run's own process and behind all its walls. What it is to try is in the first argument of the request; what
 * it should not have come through with it writes to standard output, a line each.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "core/result.h"
#include "wasm/live.h"

#define PAGE    4096
#define MIB     ((size_t)1 << 20)
#define CHANNEL 3

#ifndef __X32_SYSCALL_BIT /* where there is no such other way in, one that is refused as well */
#define __X32_SYSCALL_BIT 0x40000000
#endif

/* uretprobe(2) and uprobe(2), which no filter sees: they do nothing but for whom the kernel's tracing has stopped. */
#define KERNELS_OWN 335

extern char **environ;

int __wrap_adk__live(const char *entry, adk__run *run, const adk__module *module, const adk__shard *shard,
                     const wasmtime_instance_pre_t *pre, wasmtime_store_t *store, adk_error **ret_error);

static adk__run *taken_over;

static void say(const char *format, ...) ADK_PRINTF(1, 2);

static void say(const char *format, ...)
{
    char line[200];
    va_list args;
    int size;

    va_start(args, format);
    size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (size > 0)
        (void)!adk__capture_append(&taken_over->result->output[0], line, strnlen(line, sizeof(line)));
}

/* ---- system calls -------------------------------------------------------------------------------------------------- */

/* All there are. What is tried elsewhere with arguments of its own is refused here for what these are. */
static void try_system_calls(void)
{
    static const long allowed[] = {
        SYS_brk,           SYS_clock_getres, SYS_clock_gettime,   SYS_clock_nanosleep, SYS_close,
        SYS_exit,          SYS_exit_group,   SYS_fstat,           SYS_getpid,          SYS_getrandom,
        SYS_getrusage,     SYS_gettid,       SYS_munmap,          SYS_recvmsg,         SYS_restart_syscall,
        SYS_rseq,          SYS_rt_sigaction, SYS_rt_sigreturn,    SYS_rt_sigprocmask,  SYS_sched_getaffinity,
        SYS_sched_yield,   SYS_sendmsg,      SYS_set_robust_list, SYS_sigaltstack,     SYS_timer_delete,
        SYS_timer_settime,
    };

    for (long number = 0; number < 600; number++) {
        bool is_allowed = number == KERNELS_OWN || number == KERNELS_OWN + 1;

        for (size_t i = 0; i < ADK_COUNT(allowed); i++)
            is_allowed |= allowed[i] == number;
        if (is_allowed)
            continue;
        errno = 0;
        if (syscall(number, -1L, -1L, -1L, -1L, -1L, -1L) != -1 || (errno != EPERM && number != SYS_clone3))
            say("system call %ld: errno %d\n", number, errno);
    }
}

static void refused(const char *what, long returned)
{
    if (returned != -1 || errno != EPERM)
        say("%s: returned %ld, errno %d\n", what, returned, returned == -1 ? errno : 0);
}

#define REFUSED(name, ...) refused(#name "(" #__VA_ARGS__ ")", syscall(SYS_##name, __VA_ARGS__))

static void try_processes(void)
{
    REFUSED(kill, 1, SIGKILL);
    REFUSED(kill, -1, SIGKILL);
    REFUSED(tgkill, getpid(), getpid(), 0);
    REFUSED(clone, SIGCHLD, NULL, NULL, NULL, 0);
    REFUSED(clone, CHANNEL, NULL, NULL, NULL, 0);
    REFUSED(execve, "/bin/sh", NULL, NULL);
    REFUSED(ptrace, 0, 0, 0, 0);
    REFUSED(process_vm_readv, 1, NULL, 0, NULL, 0, 0);
    REFUSED(pidfd_open, 1, 0);
    REFUSED(socket, AF_INET, SOCK_STREAM, 0);
    REFUSED(openat, AT_FDCWD, "/etc/passwd", O_RDONLY);
    REFUSED(openat, AT_FDCWD, "/proc/1/environ", O_RDONLY);
    REFUSED(memfd_create, "x", 0);
    REFUSED(prlimit64, 0, 7, NULL, NULL);
    REFUSED(timer_create, 1, NULL, NULL);
    if (environ != NULL && environ[0] != NULL)
        say("the environment has %s\n", environ[0]);
}

/* ---- descriptors --------------------------------------------------------------------------------------------------- */

static void try_descriptors(void)
{
    unsigned sockets = 0;
    ino_t code = 0; /* which others run as well: its file, as often as the engine holds it */

    for (int fd = 0; fd < 70000; fd++) {
        struct stat status;

        if (syscall(SYS_fstat, fd, &status) != 0) /* not by fstat(3), which is another call */
            continue;
        sockets += S_ISSOCK(status.st_mode) ? 1 : 0;
        if (S_ISREG(status.st_mode) && code != 0 && code != status.st_ino)
            say("descriptor %d is another file\n", fd);
        if (S_ISREG(status.st_mode))
            code = status.st_ino;
        if (!S_ISSOCK(status.st_mode) && !S_ISREG(status.st_mode))
            say("descriptor %d is something else\n", fd);
        if (S_ISSOCK(status.st_mode) && fd != CHANNEL)
            say("descriptor %d is a socket\n", fd);
        REFUSED(ftruncate, fd, 0);
        REFUSED(fcntl, fd, F_ADD_SEALS, 0);
        REFUSED(write, fd, "x", 1);
        REFUSED(lseek, fd, 0, 0);
        REFUSED(dup, fd);
        if (mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
            say("descriptor %d can be written to\n", fd);
    }
    if (sockets != 1)
        say("%u sockets\n", sockets);
}

/* Messages nobody asked for, with every descriptor there is; and one that waits for some. */
static void flood(void)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {control.bytes, sizeof(control.bytes)};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    const int channel = CHANNEL;

    message.msg_controllen = CMSG_SPACE(sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &channel, sizeof(channel));
    for (int i = 0; i < 10000; i++)
        (void)sendmsg(CHANNEL, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (recvmsg(CHANNEL, &message, MSG_DONTWAIT) >= 0)
        say("somebody has answered\n");
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

static long map(size_t size, int protection, int flags)
{
    void *at = mmap(NULL, size, protection, flags, -1, 0);

    return at == MAP_FAILED ? -1 : (long)at;
}

static void try_code(const adk__module *module)
{
    const int rw = PROT_READ | PROT_WRITE;
    void *page = mmap(NULL, PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void *start = NULL;
    void *end = NULL;

    refused("a page to execute", map(PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS));
    refused("a page to write and execute", map(PAGE, rw | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS));
    REFUSED(mprotect, page, PAGE, PROT_READ | PROT_EXEC);
    REFUSED(mprotect, page, PAGE, PROT_EXEC);
    REFUSED(pkey_mprotect, page, PAGE, PROT_READ | PROT_EXEC, -1);
    for (size_t i = 0; i < module->engines->shard_count + 1 && start == NULL; i++) {
        if (module->shards[i].module != NULL)
            wasmtime_module_image_range(module->shards[i].module, &start, &end);
    }
    if (start == NULL)
        say("there is no code\n");
    REFUSED(mprotect, (void *)((uintptr_t)start & ~(uintptr_t)(PAGE - 1)), PAGE, rw | PROT_EXEC);
}

/* What the limit on data would not count. */
static void try_odd_memory(void)
{
    const int rw = PROT_READ | PROT_WRITE;
    char *page = mmap(NULL, PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char here = 0;

    refused("shared memory", map(MIB, rw, MAP_SHARED | MAP_ANONYMOUS));
    refused("validated shared memory", map(MIB, rw, MAP_SHARED_VALIDATE | MAP_ANONYMOUS));
    refused("a stack", map(MIB, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN));
    refused("huge pages", map(2 * MIB, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB));
    refused("locked pages", map(MIB, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED));
    REFUSED(mremap, (void *)((uintptr_t)&here & ~(uintptr_t)(PAGE - 1)), PAGE, MIB, MREMAP_MAYMOVE, NULL);
    REFUSED(mprotect, page, PAGE, rw | PROT_GROWSDOWN);
    REFUSED(madvise, page, PAGE, MADV_MERGEABLE);
    REFUSED(madvise, page, PAGE, MADV_DONTFORK);
    REFUSED(futex, page, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
    REFUSED(futex, page, FUTEX_CMP_REQUEUE_PI, 0, NULL, NULL, 0);
    REFUSED(shmget, 0, MIB, 01600);
    REFUSED(mlockall, 1);
}

/* All that can be had: what the request allows and what its keeping may cost. */
static void try_much_memory(void)
{
    const size_t most = (size_t)taken_over->request->memory_limit_bytes + 300 * MIB;
    size_t had = 0;
    size_t space = 0;

    while (had <= most && map(MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) != -1)
        had += MIB;
    if (had > most)
        say("more than %zu MiB of memory\n", most / MIB);
    while (space <= 1024 * MIB && map(MIB * 1024, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) != -1)
        space += MIB;
    if (space > 1024 * MIB)
        say("more than a TiB of addresses\n");
}

/* ---- time ---------------------------------------------------------------------------------------------------------- */

/* Deaf to everything that can be blocked, and in no hurry. */
static void stay(void)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    say("so far\n");
    for (;;)
        (void)sched_yield();
}

static void crash(int signal)
{
    volatile int zero = 0;

    say("so far\n");
    if (signal == SIGFPE)
        say("%d\n", 7 / zero);
    if (signal == SIGILL)
        __builtin_trap();
    *(volatile int *)(uintptr_t)zero = 1;
}

/* ---- taking over --------------------------------------------------------------------------------------------------- */

static bool is(const char *what)
{
    const adk_request *request = taken_over->request;

    return request->args_count > 0 && request->args[0].size == strlen(what) &&
           memcmp(request->args[0].data, what, strlen(what)) == 0;
}

int __wrap_adk__live(const char *entry, adk__run *run, const adk__module *module, const adk__shard *shard,
                     const wasmtime_instance_pre_t *pre, wasmtime_store_t *store, adk_error **ret_error)
{
    (void)entry;
    (void)shard;
    (void)pre;
    (void)store;
    (void)ret_error;
    taken_over = run;
    if (is("system calls"))
        try_system_calls();
    if (is("processes"))
        try_processes();
    if (is("descriptors"))
        try_descriptors();
    if (is("flood"))
        flood();
    if (is("code"))
        try_code(module);
    if (is("odd memory"))
        try_odd_memory();
    if (is("much memory"))
        try_much_memory();
    if (is("stay"))
        stay();
    if (is("silence"))
        _exit(0);
    if (is("x32"))
        (void)syscall(__X32_SYSCALL_BIT + SYS_getpid);
    if (is("segv") || is("fpe") || is("ill"))
        crash(is("segv") ? SIGSEGV : is("fpe") ? SIGFPE : SIGILL);
    run->result->outcome = ADK_OUTCOME_EXITED;
    return ADK_OK;
}
