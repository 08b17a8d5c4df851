/*
 * Theory of operation. After a fork each page is shared with the worker until somebody writes to it; then it is copied, and
 * most of what a short program takes is that. Which pages those will be hardly depends on the program. So when the image is
 * warm a *rehearsal* runs a program of ours in a fork, compares its memory with what it was before, and leaves a list. A
 * run's child asks for copies of these pages while it waits for its order, when nobody waits for it.
 *
 * No byte of a run goes into the list: a rehearsal knows no request, and what it hands over is in pages that no run has. A
 * rehearsal that fails leaves an empty list, and pages are copied when they are written to.
 *
 * What is written and written back is a write as well, and interpreters count their references up and down. So the guest's
 * memory is write-protected in the rehearsal, and each page opened when it is first written to. Memory of the worker's own is
 * compared: there the system would refuse calls that write to what is protected.
 */
#include "worker/pages.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE        ((uintptr_t)4096)
#define STACK_BYTES (8 * PAGE)
#define REGIONS_MAX 64
#define COPIES_MAX  ((size_t)512 << 20)
#define RANGES_MAX  1000

struct range {
    uint8_t *at;
    size_t size;
};

struct list {
    size_t count;
    struct range ranges[RANGES_MAX];
};

/* The sanitizers keep memory of their own between variables, and would object to its being copied. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAN_REHEARSE false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CAN_REHEARSE false
#endif
#endif
#ifndef CAN_REHEARSE
#define CAN_REHEARSE true
#endif

static FILE *maps; /* of the worker; opened while there is a /proc */
static struct list known;
static struct {
    struct list *list;   /* shared with the worker */
    struct range memory; /* the guest's */
    uint8_t *written;    /* of it, a byte for each page */
    struct range regions[REGIONS_MAX];
    size_t count;
    uint8_t *copies; /* of the regions */
} rehearsal;

void adk__pages_begin(void)
{
    maps = fopen("/proc/self/maps", "re");
}

/* ---- where writes go ----------------------------------------------------------------------------------------------- */

/* What is private and can be written, but for the guest's memory, and stacks: of those a run has another part. */
static void add_region(const char *line)
{
    unsigned long long begin;
    unsigned long long end;
    char rights[5];

    if (sscanf(line, "%llx-%llx %4s", &begin, &end, rights) != 3 ||
        strcmp(rights, "rw-p") != 0 || /* NOLINT: the kernel's */
        strstr(line, "[stack]") != NULL || begin == (uintptr_t)rehearsal.memory.at || rehearsal.count == REGIONS_MAX)
        return;
    rehearsal.regions[rehearsal.count++] =
        (struct range){(uint8_t *)(uintptr_t)begin, end - begin}; /* NOLINT: an address */
}

static void close_maps(void)
{
    if (maps != NULL)
        (void)fclose(maps);
    maps = NULL;
}

static void find_regions(void)
{
    char line[512];

    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
        add_region(line);
    close_maps();
}

/* ---- the rehearsal ------------------------------------------------------------------------------------------------- */

static bool copy_regions(void)
{
    size_t size = 0;
    uint8_t *to;

    for (size_t i = 0; i < rehearsal.count; i++)
        size += rehearsal.regions[i].size;
    if (size > COPIES_MAX)
        return false;
    to = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (to == MAP_FAILED)
        return false;
    rehearsal.copies = to;
    for (size_t i = 0; i < rehearsal.count; i++) {
        memcpy(to, rehearsal.regions[i].at, rehearsal.regions[i].size);
        to += rehearsal.regions[i].size;
    }
    return true;
}

/* Anything but a first write to a page of the guest's is this process's end, and the rehearsal has failed. */
static void on_write(int signal, siginfo_t *info, void *context)
{
    size_t at = (size_t)((uintptr_t)info->si_addr - (uintptr_t)rehearsal.memory.at) & ~(PAGE - 1);
    int saved = errno;

    (void)signal;
    (void)context;
    if (at >= rehearsal.memory.size || rehearsal.written[at / PAGE] != 0 ||
        mprotect(rehearsal.memory.at + at, PAGE, PROT_READ | PROT_WRITE) != 0)
        _exit(EXIT_FAILURE);
    rehearsal.written[at / PAGE] = 1;
    errno = saved;
}

static bool watch_memory(void)
{
    const struct sigaction action = {.sa_sigaction = on_write, .sa_flags = SA_SIGINFO | SA_NODEFER};

    rehearsal.written = calloc(rehearsal.memory.size / PAGE, 1);
    return rehearsal.written != NULL && sigaction(SIGSEGV, &action, NULL) == 0 &&
           mprotect(rehearsal.memory.at, rehearsal.memory.size, PROT_READ) == 0;
}

/* Takes the list that the rehearsal has left; what no run shall have is given back first. */
static void take_list(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS && rehearsal.list->count <= RANGES_MAX)
        known = *rehearsal.list;
    (void)munmap(rehearsal.list, sizeof(*rehearsal.list));
    rehearsal.list = NULL;
}

bool adk__pages_rehearse(void *memory, size_t size)
{
    pid_t pid;

    if (!CAN_REHEARSE) {
        close_maps();
        return false;
    }
    rehearsal.list = mmap(NULL, sizeof(*rehearsal.list), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rehearsal.list == MAP_FAILED)
        return false;
    rehearsal.memory = (struct range){memory, size};
    find_regions();
    pid = fork();
    if (pid == 0) {
        if (!copy_regions() || !watch_memory())
            _exit(EXIT_FAILURE);
        return true;
    }
    if (pid > 0) {
        take_list(pid);
    } else {
        (void)munmap(rehearsal.list, sizeof(*rehearsal.list));
        rehearsal.list = NULL;
    }
    return false;
}

static void add_page(struct list *list, uint8_t *page)
{
    struct range *last = list->count == 0 ? NULL : &list->ranges[list->count - 1];

    if (last != NULL && last->at + last->size == page)
        last->size += PAGE;
    else if (list->count < RANGES_MAX)
        list->ranges[list->count++] = (struct range){page, PAGE};
}

_Noreturn void adk__pages_end_rehearsal(void)
{
    const uint8_t *copy = rehearsal.copies;

    for (size_t at = 0; at < rehearsal.memory.size; at += PAGE) {
        if (rehearsal.written[at / PAGE] != 0)
            add_page(rehearsal.list, rehearsal.memory.at + at);
    }
    for (size_t i = 0; i < rehearsal.count; i++) {
        const struct range *region = &rehearsal.regions[i];

        for (size_t at = 0; at < region->size; at += PAGE, copy += PAGE) {
            if (memcmp(region->at + at, copy, PAGE) != 0)
                add_page(rehearsal.list, region->at + at);
        }
    }
    _exit(EXIT_SUCCESS);
}

/* ---- runs ---------------------------------------------------------------------------------------------------------- */

/* A kernel that knows no such advice (before 5.14) is asked once. */
void adk__pages_touch(void)
{
    uint8_t *stack = (uint8_t *)((uintptr_t)__builtin_frame_address(0) & ~(PAGE - 1)); /* NOLINT: an address */

    for (size_t i = 0; i < known.count; i++) {
        if (madvise(known.ranges[i].at, known.ranges[i].size, MADV_POPULATE_WRITE) != 0 && errno == EINVAL)
            return;
    }
    (void)madvise(stack - STACK_BYTES, 2 * STACK_BYTES, MADV_POPULATE_WRITE);
}
