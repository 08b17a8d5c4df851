/* One program with many small parts: the first argument says which. What goes wrong ends with a message and status 99. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what)
{
    fprintf(stderr, "tool: %s: %s\n", what, strerror(errno));
    exit(99);
}

static long long now(clockid_t clock)
{
    struct timespec time;

    if (clock_gettime(clock, &time) != 0)
        fail("clock_gettime");
    return (long long)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int do_show(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        printf("argument %d: %s\n", i, argv[i]);
    for (char **variable = environ; *variable != NULL; variable++)
        printf("environment: %s\n", *variable);
    printf("HOME is %s\n", getenv("HOME") == NULL ? "not set" : getenv("HOME"));
    return 0;
}

/* Reads lines and writes them with their numbers; counts go to standard error. */
static int do_number(int argc, char **argv)
{
    char line[256];
    int count = 0;

    (void)argc, (void)argv;
    while (fgets(line, sizeof(line), stdin) != NULL)
        printf("%d %s", ++count, line);
    fprintf(stderr, "%d lines, end %d, error %d\n", count, feof(stdin) != 0, ferror(stdin) != 0);
    return 0;
}

static int do_exit(int argc, char **argv)
{
    printf("leaving"); /* a buffer without a newline: exit() must bring it out */
    exit(argc > 0 ? atoi(argv[0]) : 0);
}

static int do_sleep(int argc, char **argv)
{
    long long ms = argc > 0 ? atoll(argv[0]) : 0;
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    long long began = now(CLOCK_MONOTONIC);

    if (nanosleep(&time, NULL) != 0)
        fail("nanosleep");
    printf("%lld\n", (now(CLOCK_MONOTONIC) - began) / 1000000);
    return 0;
}

static int do_clock(int argc, char **argv)
{
    struct timespec resolution;

    (void)argc, (void)argv;
    if (clock_getres(CLOCK_REALTIME, &resolution) != 0 || (resolution.tv_sec == 0 && resolution.tv_nsec == 0))
        fail("clock_getres");
    for (int i = 0; i < 1000; i++) {
        long long first = now(CLOCK_MONOTONIC);
        long long second = now(CLOCK_MONOTONIC);

        if (second < first)
            fail("the monotonic clock went back");
    }
    printf("%lld %lld\n", now(CLOCK_REALTIME), now(CLOCK_MONOTONIC));
    return 0;
}

static int do_random(int argc, char **argv)
{
    unsigned char bytes[256];
    static unsigned char large[1 << 16];
    unsigned long long sum = 0;

    (void)argc, (void)argv;
    if (getentropy(bytes, sizeof(bytes)) != 0)
        fail("getentropy");
    for (size_t i = 0; i < sizeof(bytes); i++)
        printf("%02x", bytes[i]);
    for (size_t i = 0; i < sizeof(large); i += 256)
        if (getentropy(large + i, 256) != 0)
            fail("getentropy");
    for (size_t i = 0; i < sizeof(large); i++)
        sum += large[i];
    printf(" %llu\n", sum / sizeof(large)); /* about 127 */
    return 0;
}

/* Allocates until there is no more, says how much it was, frees it, and allocates again. */
static int do_malloc(int argc, char **argv)
{
    size_t step = argc > 0 ? (size_t)atoll(argv[0]) : 65536;
    void **chain = NULL;
    size_t count = 0;

    for (;;) {
        void **next = malloc(step);

        if (next == NULL)
            break;
        memset(next, 0x5A, step);
        *next = chain;
        chain = next;
        count++;
    }
    printf("%zu bytes, errno %d\n", count * step, errno == ENOMEM);
    while (chain != NULL) {
        void **next = *chain;

        free(chain);
        chain = next;
    }
    chain = malloc(step * count / 2);
    printf("%s\n", count == 0 || chain != NULL ? "again" : "never again");
    return 0;
}

static int do_abort(int argc, char **argv)
{
    (void)argc, (void)argv;
    printf("in the buffer\n");
    fflush(stdout);
    abort();
}

static int do_assert(int argc, char **argv)
{
    (void)argv;
    assert(argc == 12345);
    return 0;
}

static int deep(int depth)
{
    volatile char frame[256];

    frame[0] = (char)depth;
    frame[255] = (char)(depth == 0 ? 1 : deep(depth - 1));
    return frame[0] + frame[255];
}

static int do_deep(int argc, char **argv)
{
    printf("%d\n", deep(argc > 0 ? atoi(argv[0]) : 1000000000) != 0x7FFFFFFF);
    return 0;
}

static int do_isatty(int argc, char **argv)
{
    (void)argc, (void)argv;
    printf("%d %d %d\n", isatty(0), isatty(1), isatty(2));
    return 0;
}

/* Full buffering of standard output, none of standard error: what comes out first shows which. */
static int do_buffers(int argc, char **argv)
{
    static char buffer[4096];

    (void)argc, (void)argv;
    setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
    printf("a");
    fprintf(stderr, "b");
    for (int i = 0; i < 10000; i++)
        putchar('x');
    fprintf(stderr, "c");
    printf("d\n");
    return 0;
}

static int do_floats(int argc, char **argv)
{
    (void)argc, (void)argv;
    printf("%f %e %g %.3f %.0f %a\n", 3.141592653589793, 6.02214076e23, 1e-10, 2.0005, 0.5, 1.0);
    printf("%g %g %g %.17g %g\n", INFINITY, -INFINITY, NAN, 0.1, -0.0);
    printf("%.6f %.6f %.6f\n", sin(1.0), sqrt(2.0), pow(2.0, 0.5));
    printf("%s %d %lld %llu %x %c %5d|%-5d|%05d\n", "s", -1, -9223372036854775807LL - 1, 18446744073709551615ULL, 255,
           'c', 42, 42, 42);
    return 0;
}

static int do_both(int argc, char **argv)
{
    (void)argc, (void)argv;
    printf("to standard output\n");
    fprintf(stderr, "to standard error\n");
    return 7;
}

/* Writes so many bytes of 'x' to standard output and says on standard error whether each write succeeded. */
static int do_write(int argc, char **argv)
{
    static char block[4096];
    long long left = argc > 0 ? atoll(argv[0]) : 0;
    int failures = 0;

    memset(block, 'x', sizeof(block));
    while (left > 0) {
        size_t size = left < (long long)sizeof(block) ? (size_t)left : sizeof(block);
        ssize_t done = write(1, block, size);

        if (done <= 0) {
            failures++;
            break;
        }
        left -= done;
    }
    fprintf(stderr, "%d failures\n", failures);
    return failures;
}

/* A private file tree: writes, reads back, lists, removes. */
static int do_files(int argc, char **argv)
{
    char text[32] = "";
    struct stat status;
    FILE *file;
    DIR *directory;
    int entries = 0;

    (void)argc, (void)argv;
    if (mkdir("/d", 0777) != 0)
        fail("mkdir");
    file = fopen("/d/f", "w");
    if (file == NULL || fputs("content", file) < 0 || fclose(file) != 0)
        fail("write");
    if (stat("/d/f", &status) != 0 || status.st_size != 7)
        fail("stat");
    file = fopen("/d/f", "r");
    if (file == NULL || fgets(text, sizeof(text), file) == NULL || fclose(file) != 0 || strcmp(text, "content") != 0)
        fail("read");
    directory = opendir("/d");
    if (directory == NULL)
        fail("opendir");
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory))
        entries += entry->d_name[0] != '.';
    closedir(directory);
    if (unlink("/d/f") != 0 || rmdir("/d") != 0)
        fail("remove");
    printf("%d entry\n", entries);
    return 0;
}

/* Tries what would show something of the host: every answer must be an error. */
static int do_escape(int argc, char **argv)
{
    static const char *const paths[] = {"/etc/passwd",    "/proc/self/environ", "../../../../etc/passwd",
                                        "/../etc/passwd", "/dev/null",          "/tmp",
                                        "//etc//passwd",  "etc/passwd",         "/./../../etc/passwd"};
    int opened = 0;

    (void)argc, (void)argv;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        opened += open(paths[i], O_RDONLY) >= 0;
    if (symlink("/etc/passwd", "/link") == 0)
        opened += open("/link", O_RDONLY) >= 0;
    if (symlink("../../../../etc/passwd", "/link2") == 0)
        opened += open("/link2", O_RDONLY) >= 0;
    for (int fd = 4; fd < 1000; fd++)
        opened += fcntl(fd, F_GETFL) >= 0;
    printf("%d opened\n", opened);
    return 0;
}

static int do_fill_files(int argc, char **argv)
{
    static char block[65536];
    long long total = 0;
    int fd = open("/big", O_CREAT | O_WRONLY, 0666);

    (void)argc, (void)argv;
    if (fd < 0)
        fail("open");
    for (;;) {
        ssize_t done = write(fd, block, sizeof(block));

        if (done <= 0)
            break;
        total += done;
    }
    printf("%lld bytes, then %s\n", total,
           errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? "no space" : strerror(errno));
    return 0;
}

static int do_yield(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (;;)
        sched_yield();
}

static int do_read_loop(int argc, char **argv)
{
    char byte;
    int count = 0;

    (void)argc, (void)argv;
    while (read(0, &byte, 1) == 1)
        count++;
    /* At the end it stays the end, however often one asks. */
    for (int i = 0; i < 1000; i++)
        if (read(0, &byte, 1) != 0)
            fail("read after the end");
    printf("%d\n", count);
    return 0;
}

static int do_closed(int argc, char **argv)
{
    (void)argc, (void)argv;
    close(1);
    if (write(1, "x", 1) != -1 || errno != EBADF)
        fail("write to a closed stream");
    fprintf(stderr, "closed\n");
    return 0;
}

static const struct part {
    const char *name;
    int (*run)(int argc, char **argv);
} parts[] = {
    {"show", do_show},     {"number", do_number},       {"exit", do_exit},
    {"sleep", do_sleep},   {"clock", do_clock},         {"random", do_random},
    {"malloc", do_malloc}, {"abort", do_abort},         {"assert", do_assert},
    {"deep", do_deep},     {"isatty", do_isatty},       {"buffers", do_buffers},
    {"floats", do_floats}, {"both", do_both},           {"write", do_write},
    {"files", do_files},   {"escape", do_escape},       {"fill-files", do_fill_files},
    {"yield", do_yield},   {"read-loop", do_read_loop}, {"closed", do_closed},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(parts) / sizeof(parts[0]); i++)
        if (strcmp(argv[1], parts[i].name) == 0)
            return parts[i].run(argc - 2, argv + 2);
    fprintf(stderr, "tool: which part?\n");
    return 98;
}
