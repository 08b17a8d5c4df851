/*
 * Does to files what its arguments say, one step after the other, each a word and what belongs to it. What goes wrong ends
 * with a message and status 99.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "files: %s %s: %s\n", what, path, strerror(errno));
    exit(99);
}

static void write_text(const char *path, const char *text, size_t size)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0666);

    if (fd < 0 || write(fd, text, size) != (ssize_t)size || close(fd) != 0)
        fail("write", path);
}

static void write_hex(const char *path, const char *hex)
{
    char bytes[256];
    size_t size = strlen(hex) / 2;
    unsigned value;

    for (size_t i = 0; i < size && sscanf(hex + 2 * i, "%2x", &value) == 1; i++)
        bytes[i] = (char)value;
    write_text(path, bytes, size);
}

static void set_size(const char *path, const char *size)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0666);

    if (fd < 0 || ftruncate(fd, strtoll(size, NULL, 10)) != 0 || close(fd) != 0)
        fail("size", path);
}

static void show(const char *path)
{
    static char block[65536];
    int fd = open(path, O_RDONLY);
    ssize_t got;

    if (fd < 0)
        fail("read", path);
    while ((got = read(fd, block, sizeof(block))) > 0)
        (void)!write(1, block, (size_t)got);
    if (got < 0 || close(fd) != 0)
        fail("read", path);
}

/* The number of the error is all that comes out of it. */
static void try_to_open(const char *path)
{
    int fd = open(path, O_RDONLY);

    printf("%s\n", fd < 0 ? strerror(errno) : "opened");
    fflush(stdout);
}

static void list(const char *path)
{
    static char target[4096];
    char below[600];
    DIR *dir = opendir(path);
    struct stat info;

    if (dir == NULL)
        fail("list", path);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof(below), "%s/%s", strcmp(path, "/") == 0 ? "" : path, entry->d_name);
        if (lstat(below, &info) != 0)
            fail("look at", below);
        if (S_ISLNK(info.st_mode)) {
            ssize_t size = readlink(below, target, sizeof(target));

            printf("l %s -> %.*s\n", below, (int)size, target);
        } else {
            printf("%c %s\n", S_ISDIR(info.st_mode) ? 'd' : 'f', below);
        }
        if (S_ISDIR(info.st_mode))
            list(below);
    }
    closedir(dir);
}

static void make_many(const char *path, const char *count)
{
    static char name[4096];

    for (long i = 0; i < strtol(count, NULL, 10); i++) {
        int fd;

        snprintf(name, sizeof(name), "%s%06ld", path, i);
        fd = open(name, O_CREAT | O_WRONLY, 0666);
        if (fd < 0 || close(fd) != 0)
            fail("make", name);
    }
}

/* How many of its two operands a step takes. */
static int step(const char *what, const char *first, const char *second)
{
    if (strcmp(what, "trap") == 0)
        __builtin_trap();
    if (strcmp(what, "loop") == 0)
        for (;;)
            __asm__ volatile("");
    if (strcmp(what, "exit") == 0)
        exit((int)strtol(first, NULL, 10));
    if (strcmp(what, "show") == 0)
        return show(first), 1;
    if (strcmp(what, "open") == 0)
        return try_to_open(first), 1;
    if (strcmp(what, "list") == 0)
        return list(first), fflush(stdout), 1;
    if (strcmp(what, "print") == 0)
        return printf("%s", first), fflush(stdout), 1;
    if (strcmp(what, "grow") == 0)
        return (void)__builtin_wasm_memory_grow(0, (size_t)strtol(first, NULL, 10)), 1;
    if (strcmp(what, "mkdir") == 0)
        return mkdir(first, 0777) != 0 ? (fail("mkdir", first), 1) : 1;
    if (strcmp(what, "remove") == 0)
        return remove(first) != 0 ? (fail("remove", first), 1) : 1;
    if (strcmp(what, "write") == 0)
        return write_text(first, second, strlen(second)), 2;
    if (strcmp(what, "hex") == 0)
        return write_hex(first, second), 2;
    if (strcmp(what, "size") == 0)
        return set_size(first, second), 2;
    if (strcmp(what, "many") == 0)
        return make_many(first, second), 2;
    if (strcmp(what, "link") == 0)
        return symlink(first, second) != 0 ? (fail("link", second), 2) : 2;
    fprintf(stderr, "files: what is %s?\n", what);
    exit(98);
}

int main(int argc, char **argv)
{
    int at = 1;

    while (at < argc)
        at += 1 + step(argv[at], at + 1 < argc ? argv[at + 1] : "", at + 2 < argc ? argv[at + 2] : "");
    return 0;
}
