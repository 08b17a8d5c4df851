/* Times that are set: to the nanosecond, one without the other, by path and by descriptor, of links themselves. */
#include "native.h"

#include <sys/time.h>
#include <time.h>
#include <utime.h>

static void tell(const char *path)
{
    struct stat stat;

    if (lstat(path, &stat) != 0) {
        printf("%s: %s\n", path, errno_name(errno));
        return;
    }
    printf("%s: accessed %lld.%09ld, modified %lld.%09ld\n", path, (long long)stat.st_atim.tv_sec, stat.st_atim.tv_nsec,
           (long long)stat.st_mtim.tv_sec, stat.st_mtim.tv_nsec);
}

/* Times that are now cannot be printed; whether they are now can. */
static void is_now(const char *path)
{
    struct stat stat;

    lstat(path, &stat);
    printf("%s: modified now %d\n", path, llabs((long long)(time(NULL) - stat.st_mtim.tv_sec)) < 100);
}

static void by_path(void)
{
    struct timespec exact[2] = {{1000000000, 123456789}, {2000000000, 999999999}};
    struct timespec omit[2] = {{5, UTIME_OMIT}, {7, 8}};
    struct timespec wrong[2] = {{5, 1000000000}, {7, -5}};

    SAY(utimensat(AT_FDCWD, "file", exact, 0));
    tell("file");
    SAY(utimensat(AT_FDCWD, "file", omit, 0));
    tell("file");
    SAY(utimensat(AT_FDCWD, "file", wrong, 0));
    tell("file");
    SAY(utimensat(AT_FDCWD, "directory", exact, 0));
    tell("directory");
    SAY(utimensat(AT_FDCWD, "missing", exact, 0));
    SAY(utimensat(AT_FDCWD, "file/", exact, 0));
    SAY(utimensat(AT_FDCWD, "file/x", exact, 0));
}

static void of_links(void)
{
    struct timespec first[2] = {{11, 1}, {12, 2}};
    struct timespec second[2] = {{21, 1}, {22, 2}};

    SAY(utimensat(AT_FDCWD, "link", first, 0));
    SAY(utimensat(AT_FDCWD, "link", second, AT_SYMLINK_NOFOLLOW));
    tell("file");
    tell("link");
    SAY(utimensat(AT_FDCWD, "dangling", first, 0));
    SAY(utimensat(AT_FDCWD, "dangling", second, AT_SYMLINK_NOFOLLOW));
    tell("dangling");
}

static void by_descriptor(void)
{
    struct timespec exact[2] = {{0, 0}, {0, 1}};
    struct timeval old[2] = {{100, 200000}, {300, 400000}};
    struct utimbuf oldest = {1234, 5678};
    int fd = open("file", O_RDWR);

    SAY(futimens(fd, exact));
    tell("file");
    SAY(futimens(9999, exact));
    SAY(write(fd, "x", 1));
    SAY(lseek(fd, 0, SEEK_SET));
    is_now("file");
    close(fd);
    SAY(utimes("file", old));
    tell("file");
    SAY(utime("file", &oldest));
    tell("file");
}

int main(void)
{
    put("file", "");
    mkdir("directory", 0777);
    SAY(symlink("file", "link"));
    SAY(symlink("nowhere", "dangling"));
    by_path();
    of_links();
    by_descriptor();
    return 0;
}
