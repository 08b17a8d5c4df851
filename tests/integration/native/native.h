/*
 * What the programs here share. Each is compiled twice, by the host's compiler and against wasi-libc, and run twice: what
 * it prints and the files it leaves must be equal. So errno is printed by name (its numbers differ), descriptors not at
 * all, and paths are relative; where an absolute one is needed it begins with argv[1], the root's own path. What is left
 * out because wasi-libc (that of Debian 12) is what differs: the empty path, which it takes for "."; UTIME_NOW, and NULL
 * for times; the mode "" of fopen; errno after a read from a stream that is only written.
 */
#ifndef NATIVE_H
#define NATIVE_H

#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Does `call` and prints its text with the number it returned, or with the errno it set. */
#define SAY(call) (errno = 0, say(#call, (long long)(call)))

/* The same for a call whose result is of no interest unless it is negative, such as a descriptor. */
#define OPEN(call) (errno = 0, say_opened(#call, (call)))

static inline const char *errno_name(int number)
{
#define NAME(name) \
    case name:     \
        return #name;
    switch (number) {
        /* clang-format off */
        NAME(EACCES)
        NAME(EBADF)
        NAME(EBUSY)
        NAME(EEXIST)
        NAME(EFAULT)
        NAME(EFBIG)
        NAME(EILSEQ)
        NAME(EINVAL)
        NAME(EIO)
        NAME(EISDIR)
        NAME(ELOOP)
        NAME(EMFILE)
        NAME(EMLINK)
        NAME(ENAMETOOLONG)
        NAME(ENOENT)
        NAME(ENOMEM)
        NAME(ENOSPC)
        NAME(ENOSYS)
        NAME(ENOTDIR)
        NAME(ENOTEMPTY)
        NAME(ENOTSUP)
        NAME(ENXIO)
        NAME(EOVERFLOW)
        NAME(EPERM)
        NAME(ERANGE)
        NAME(EROFS)
        NAME(ESPIPE)
        NAME(EXDEV)
#ifdef ENOTCAPABLE
        NAME(ENOTCAPABLE)
#endif
        /* clang-format on */
    case 0:
        return "no errno";
    default:
        return "an errno without a name here";
    }
#undef NAME
}

static inline long long say(const char *text, long long result)
{
    if (result < 0)
        printf("%s: %s\n", text, errno_name(errno));
    else
        printf("%s: %lld\n", text, result);
    return result;
}

static inline int say_opened(const char *text, int fd)
{
    printf("%s: %s\n", text, fd < 0 ? errno_name(errno) : "open");
    return fd;
}

/* Makes a file, or gives it new content. */
static inline void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) {
        printf("put %s: %s\n", path, errno_name(errno));
        exit(1);
    }
}

/* Prints what is in a file. */
static inline void show(const char *path)
{
    char text[256];
    int fd = open(path, O_RDONLY);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text);

    if (size < 0)
        printf("%s is %s\n", path, errno_name(errno));
    else
        printf("%s is '%.*s'\n", path, (int)size, text);
    if (fd >= 0)
        close(fd);
}

static inline const char *type_name(mode_t mode)
{
    return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "link" : "something else";
}

#endif
