/*
 * System calls of a warm run: none. A child runs each case again and again; this process traces the thread that does it
 * (and no other: the one that watches deadlines may sleep and wake) and counts what it asks of the kernel.
 */
#include "guard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The C library's, with which struct ptrace_syscall_info comes, wants to be last. */
#include <linux/ptrace.h>

#define WARM 50
#define RUNS 1000
#define SKIP 77

#define SECTIONS_MAX 16
#define SHOWN        8

/* Between two of these calls of the child lies a section: getppid(), which nothing else here makes. */
static void mark(void)
{
    (void)syscall(SYS_getppid);
}

/* ---- the child ---------------------------------------------------------------------------------------------------- */

static void read_clocks(void)
{
    struct timespec now;

    for (int i = 0; i < RUNS; i++) {
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        (void)clock_gettime(CLOCK_REALTIME, &now);
    }
}

static void ask_kernel(void)
{
    for (int i = 0; i < RUNS; i++)
        (void)syscall(SYS_getuid);
}

#define FIRST_CASE 2

/* Section 0 is the clock's, 1 shows that calls are counted, then one for each case. */
static _Noreturn void run_all(void)
{
    adk_backend *backend;

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(SKIP);
    (void)raise(SIGSTOP);
    mark();
    read_clocks();
    mark();
    mark();
    ask_kernel();
    mark();
    backend = guard_backend();
    for (size_t i = 0; i < guard_case_count; i++) {
        adk_wasm_module *module = guard_prepare(backend, &guard_cases[i]);

        guard_run(backend, &guard_cases[i], module, WARM);
        mark();
        guard_run(backend, &guard_cases[i], module, RUNS);
        mark();
        adk_wasm_module_free(module);
    }
    adk_backend_free(backend);
    _exit(0);
}

/* ---- the tracer --------------------------------------------------------------------------------------------------- */

struct section {
    unsigned calls;
    uint64_t first[SHOWN]; /* the numbers of the first ones */
};

struct trace {
    pid_t child;
    struct section sections[SECTIONS_MAX];
    size_t marks; /* an odd number: within a section */
};

static void on_system_call(struct trace *trace)
{
    struct __ptrace_syscall_info info;
    struct section *section = &trace->sections[trace->marks / 2];

    memset(&info, 0, sizeof(info));
    if (ptrace(PTRACE_GET_SYSCALL_INFO, trace->child, (void *)sizeof(info), &info) < 0) {
        (void)printf("skipped: the kernel does not tell which system call it is: %s\n", strerror(errno));
        exit(SKIP);
    }
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
        return;
    if (info.entry.nr == SYS_getppid) {
        trace->marks++;
        if (trace->marks / 2 >= SECTIONS_MAX)
            guard_die("there are more sections than were thought of", NULL);
        return;
    }
    if (trace->marks % 2 == 0)
        return;
    if (section->calls < SHOWN)
        section->first[section->calls] = info.entry.nr;
    section->calls++;
}

/* Returns the child's exit status. */
static int watch(struct trace *trace)
{
    int status = 0;
    long number = 0;

    if (waitpid(trace->child, &status, 0) != trace->child)
        guard_die("wait for the child", NULL);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    if (ptrace(PTRACE_SETOPTIONS, trace->child, NULL, (void *)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) != 0)
        guard_die("trace the child", NULL);
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, trace->child, NULL, (void *)number) != 0)
            guard_die("let the child go on", NULL);
        if (waitpid(trace->child, &status, 0) != trace->child)
            guard_die("wait for the child", NULL);
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        if (WIFSIGNALED(status))
            guard_die("the child died of a signal", NULL);
        number = WSTOPSIG(status);
        if (number == (SIGTRAP | 0x80)) {
            on_system_call(trace);
            number = 0;
        }
    }
}

/* Returns whether there were none. */
static bool judge(const char *name, const struct section *section)
{
    (void)printf("%-9s %u system calls in %d runs", name, section->calls, RUNS);
    for (unsigned i = 0; i < section->calls && i < SHOWN; i++)
        (void)printf("%s %llu", i == 0 ? ":" : ",", (unsigned long long)section->first[i]);
    (void)printf("\n");
    return section->calls == 0;
}

static bool is_instrumented(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

int main(void)
{
    static struct trace trace;
    bool good = true;
    int status;

    if (is_instrumented()) {
        (void)printf("skipped: the sanitizer makes system calls of its own\n");
        return SKIP;
    }
    trace.child = fork();
    if (trace.child < 0)
        guard_die("fork", NULL);
    if (trace.child == 0)
        run_all();
    status = watch(&trace);
    if (status == SKIP)
        (void)printf("skipped: tracing is not allowed here\n");
    if (status != 0)
        return status;
    if (trace.sections[1].calls != RUNS)
        guard_die("system calls are not counted as they should be", NULL);
    if (trace.sections[0].calls != 0) {
        (void)printf("skipped: reading the clock takes a system call here\n");
        return SKIP;
    }
    if (trace.marks != 2 * (guard_case_count + FIRST_CASE))
        guard_die("not all cases have run", NULL);
    for (size_t i = 0; i < guard_case_count; i++)
        good &= judge(guard_cases[i].name, &trace.sections[i + FIRST_CASE]);
    return good ? 0 : 1;
}
