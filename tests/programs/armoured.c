/*
 * Puts on the helper's armour and tries it: what is to be refused, and what is to work. Writes what is wrong to standard
 * error. Ends by abort(), which is to work as well; with status 1 where something was wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "worker/armour.h"

#define MEMORY ((uint64_t)64 << 20)

static bool wrong;

static void say(const char *what)
{
    wrong = true;
    (void)!write(2, what, strlen(what));
    (void)!write(2, "\n", 1);
}

#define REFUSED_WITH(code, name, ...)                            \
    do {                                                         \
        errno = 0;                                               \
        if (syscall(name, __VA_ARGS__) != -1 || errno != (code)) \
            say("not refused: " #name "(" #__VA_ARGS__ ")");     \
    } while (0)
#define REFUSED(...) REFUSED_WITH(EPERM, __VA_ARGS__)
#define WORKS(condition)                       \
    do {                                       \
        if (!(condition))                      \
            say("does not work: " #condition); \
    } while (0)

static void try_files(int fd)
{
#ifdef SYS_open
    REFUSED(SYS_open, "/dev/null", O_RDONLY);
    REFUSED(SYS_unlink, "/nowhere");
    REFUSED(SYS_readlink, "/proc/self/exe", NULL, 0);
#endif
    REFUSED(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY);
    REFUSED(SYS_openat2, AT_FDCWD, "/dev/null", NULL, 0);
    REFUSED(SYS_read, fd, NULL, 0);
    REFUSED(SYS_ioctl, fd, 0, 0);
    REFUSED(SYS_dup, fd);
    REFUSED(SYS_memfd_create, "x", 0);
    REFUSED(SYS_io_uring_setup, 1, NULL);
    REFUSED(SYS_fcntl, fd, F_SETOWN, getpid());
    REFUSED(SYS_fcntl, fd, F_SETSIG, SIGKILL);
    REFUSED(SYS_fcntl, fd, F_DUPFD, 0);
    REFUSED(SYS_fcntl, fd, F_ADD_SEALS, 0);
    REFUSED(SYS_unlinkat, AT_FDCWD, "/nowhere", 0);
    REFUSED(SYS_mount, NULL, NULL, NULL, 0, NULL);
    REFUSED(SYS_chdir, "/");
}

static void try_processes(void)
{
    struct clone_args args = {.exit_signal = SIGCHLD};

#ifdef SYS_fork
    REFUSED(SYS_fork, 0);
    REFUSED(SYS_vfork, 0);
#endif
    REFUSED(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
    REFUSED(SYS_clone, CLONE_VM | SIGCHLD, NULL, NULL, NULL, 0);
    REFUSED_WITH(ENOSYS, SYS_clone3, &args, sizeof(args));
    REFUSED(SYS_execve, "/bin/true", NULL, NULL);
    REFUSED(SYS_execveat, AT_FDCWD, "/bin/true", NULL, NULL, 0);
    REFUSED(SYS_ptrace, 0, 0, 0, 0);
    REFUSED(SYS_kill, getppid(), 0);
    REFUSED(SYS_kill, getpid(), 0);
    REFUSED(SYS_tgkill, getppid(), getppid(), 0);
    REFUSED(SYS_tkill, getpid(), 0);
    REFUSED(SYS_rt_sigqueueinfo, getppid(), 0, NULL);
    REFUSED(SYS_pidfd_open, getppid(), 0);
    REFUSED(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
    REFUSED(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
    REFUSED(SYS_prlimit64, 0, RLIMIT_AS, NULL, NULL);
    REFUSED(SYS_setpriority, 0, 0, 0);
    REFUSED(SYS_unshare, 0);
    REFUSED(SYS_personality, 0x400000);
    REFUSED(SYS_seccomp, 0, 0, NULL);
    REFUSED(SYS_setuid, 0);
    REFUSED(SYS_bpf, 0, NULL, 0);
}

static void try_network_and_memory(void *page)
{
    REFUSED(SYS_socket, 1, 1, 0);
    REFUSED(SYS_socketpair, 1, 1, 0, NULL);
    REFUSED(SYS_connect, 0, NULL, 0);
    REFUSED(SYS_recvmsg, 0, NULL, 0);
    REFUSED(SYS_sendto, 0, NULL, 0, 0, NULL, 0);
    REFUSED(SYS_mmap, NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REFUSED(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REFUSED(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC);
    REFUSED(SYS_mprotect, page, 4096, PROT_EXEC);
    REFUSED(SYS_pkey_mprotect, page, 4096, PROT_EXEC, -1);
    REFUSED(SYS_shmat, 0, NULL, 0);
    REFUSED(SYS_userfaultfd, 0);
}

static void *in_thread(void *data)
{
    *(int *)data = 1;
    errno = 0;
    if (syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY) != -1 || errno != EPERM)
        say("not refused: openat in a thread");
    return malloc(1000);
}

/* One that was there before the filter came: it is for all threads. */
static pthread_barrier_t sealed;

static void *older_thread(void *data)
{
    (void)pthread_barrier_wait(&sealed);
    (void)pthread_barrier_wait(&sealed);
    return in_thread(data);
}

static void try_what_works(int fd)
{
    const struct timespec moment = {0, 1000};
    pthread_t thread;
    char bytes[8];
    int ran = 0;
    void *volatile memory = malloc((size_t)10 << 20);

    WORKS(memory != NULL);
    memory = realloc(memory, (size_t)20 << 20);
    WORKS(memory != NULL);
    free(memory);
    memory = malloc((size_t)128 << 20);
    if (memory != NULL)
        say("no limit on memory");
    WORKS(pthread_create(&thread, NULL, in_thread, &ran) == 0 && pthread_join(thread, NULL) == 0 && ran == 1);
    WORKS(write(fd, "ok", 2) == 2);
    errno = 0;
    if (write(fd, "x", 1) != -1 || errno != EFBIG)
        say("no limit on files");
    WORKS(getrandom(bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes));
    WORKS(fcntl(fd, F_SETFL, 0) == 0 && fcntl(fd, F_GETFL) >= 0);
    WORKS(clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL) == 0);
}

int main(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct rlimit limit;
    pthread_t older;
    int file = memfd_create("armoured", 0);
    int ran = 0;

    if (lseek(file, (off_t)MEMORY - 2, SEEK_SET) < 0) /* two bytes before the limit */
        return 2;
    if (pthread_barrier_init(&sealed, NULL, 2) != 0 || pthread_create(&older, NULL, older_thread, &ran) != 0)
        return 2;
    (void)pthread_barrier_wait(&sealed);
    if (adk__armour_begin() != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE) != 0 ||
        getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max != 0)
        return 3;
    if (adk__armour_limit(UINT64_MAX) != 0) /* as good as none */
        return 4;
    if (adk__armour_limit(MEMORY) != 0 || getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_max != MEMORY)
        return 5;
    if (adk__armour_seal() != 0)
        return 6;
    (void)pthread_barrier_wait(&sealed);
    WORKS(pthread_join(older, NULL) == 0 && ran == 1);
    try_files(file);
    try_processes();
    try_network_and_memory(page);
    try_what_works(file);
    if (wrong)
        _exit(1);
    abort();
}
