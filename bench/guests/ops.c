/*
 * File operations and clock calls, timed from inside the guest, so that what runs it does not count. Argument: the
 * operation. Prints nanoseconds per operation.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 65536
#define BIG   ((size_t)64 << 20)

static char block[BLOCK];

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void open_write_close(void)
{
    int fd = open("/f", O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (fd < 0 || write(fd, block, 4096) != 4096 || close(fd) != 0)
        die("open, write, close");
}

static void make_entries(void)
{
    char name[32];

    if (mkdir("/d", 0777) != 0)
        die("mkdir");
    for (int i = 0; i < 1000; i++) {
        int fd;

        snprintf(name, sizeof(name), "/d/entry-%d", i);
        fd = open(name, O_WRONLY | O_CREAT, 0666);
        if (fd < 0)
            die(name);
        close(fd);
    }
}

static void read_entries(void)
{
    DIR *dir = opendir("/d");
    int count = 0;

    if (dir == NULL)
        die("opendir");
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    if (count < 1000)
        die("readdir");
}

static void write_big(void)
{
    int fd = open("/big", O_WRONLY | O_CREAT | O_TRUNC, 0666);

    for (size_t done = 0; done < BIG; done += BLOCK) {
        if (write(fd, block, BLOCK) != BLOCK)
            die("write");
    }
    close(fd);
}

static void read_big(void)
{
    int fd = open("/big", O_RDONLY);

    for (size_t done = 0; done < BIG; done += BLOCK) {
        if (read(fd, block, BLOCK) != BLOCK)
            die("read");
    }
    close(fd);
}

static void clock_call(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
}

static void none(void)
{
}

static const struct {
    const char *name;
    void (*prepare)(void);
    void (*once)(void);
    int times;
} operations[] = {
    {"open_write_close", none, open_write_close, 2000}, {"readdir_1000", make_entries, read_entries, 50},
    {"write_64mib", write_big, write_big, 1},           {"read_64mib", write_big, read_big, 2},
    {"clock_time_get", none, clock_call, 200000},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        uint64_t start_ns;

        if (argc < 2 || strcmp(argv[1], operations[i].name) != 0)
            continue;
        operations[i].prepare();
        start_ns = now_ns();
        for (int n = 0; n < operations[i].times; n++)
            operations[i].once();
        printf("%llu\n", (unsigned long long)((now_ns() - start_ns) / (uint64_t)operations[i].times));
        return 0;
    }
    fprintf(stderr, "no such operation\n");
    return 2;
}
