/*
 * Says over the channel what a helper process is given: descriptors, environment, signals, arguments. By its first
 * argument it may also end at once ("exit", with status 7), or by a signal ("abort"), or wait for ever ("wait").
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/channel.h"

#define CHANNEL 3

/* Signals 32 and 33, which glibc's posix_spawn() has ignored. */
#define C_LIBRARYS_OWN 0x180000000ULL

extern char **environ;

static char report[4096];
static size_t used;

#define SAY(...)                                                                        \
    do {                                                                                \
        int size_ = snprintf(report + used, sizeof(report) - used, __VA_ARGS__);        \
        used += size_ > 0 && (size_t)size_ < sizeof(report) - used ? (size_t)size_ : 0; \
    } while (0)

static void say_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;

    if (dir == NULL)
        return;
    SAY("descriptors");
    while ((entry = readdir(dir)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        struct stat status;

        if (entry->d_name[0] == '.' || fd == dirfd(dir) || fstat(fd, &status) != 0)
            continue;
        if (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3))
            SAY(" %d:null", fd);
        else
            SAY(" %d:%s", fd, S_ISSOCK(status.st_mode) ? "socket" : "other");
    }
    SAY("\n");
    (void)closedir(dir);
}

static void say_signals(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, "SigBlk:", 7) == 0 || strncmp(line, "SigIgn:", 7) == 0)
            SAY("%.6s %llx\n", line, strtoull(line + 7, NULL, 16) & ~C_LIBRARYS_OWN);
    }
    if (file != NULL)
        (void)fclose(file);
}

int main(int argc, char *argv[])
{
    unsigned variables = 0;
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "exit") == 0)
        return 7;
    if (strcmp(what, "abort") == 0)
        abort();
    if (strcmp(what, "wait") == 0)
        (void)pause();
    say_descriptors();
    say_signals();
    for (char **variable = environ; *variable != NULL; variable++)
        variables++;
    SAY("environment %u\n", variables);
    SAY("arguments");
    for (int i = 0; i < argc; i++)
        SAY(" %s", argv[i]);
    SAY("\ngroup %s\n", getpgrp() == getpid() ? "own" : "other");
    return adk__channel_send(CHANNEL, report, used, NULL, 0) != 0;
}
