/* truncate, ftruncate, posix_fallocate, posix_fadvise, and the calls that would matter to a disk. */
#include "native.h"

static void size_of(const char *path)
{
    struct stat stat_buffer;

    if (stat(path, &stat_buffer) == 0)
        printf("%s has %lld bytes\n", path, (long long)stat_buffer.st_size);
}

/* These return the error number instead of setting errno. */
static void say_number(const char *text, int number)
{
    printf("%s: %s\n", text, errno_name(number));
}
#define SAY_NUMBER(call) say_number(#call, (call))

static void truncates(void)
{
    char text[16];
    int fd = open("file", O_RDWR);

    SAY(ftruncate(fd, 4));
    size_of("file");
    SAY(ftruncate(fd, 12));
    SAY(pread(fd, text, 12, 0));
    for (int i = 0; i < 12; i++)
        printf("%d ", text[i]);
    SAY(ftruncate(fd, 12));
    SAY(ftruncate(fd, -1));
    SAY(ftruncate(9999, 0));
    SAY(lseek(fd, 10, SEEK_SET));
    SAY(ftruncate(fd, 0));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(write(fd, "x", 1));
    size_of("file");
    close(fd);
    SAY(truncate("file", 5));
    size_of("file");
    SAY(truncate("missing", 5));
    SAY(truncate(".", 5));
    SAY(truncate("file/", 5));
    SAY(truncate("link", 7));
    size_of("file");
}

static void allocates(void)
{
    int fd = open("allocated", O_RDWR | O_CREAT, 0666);

    SAY_NUMBER(posix_fallocate(fd, 0, 1000));
    size_of("allocated");
    SAY(pwrite(fd, "abc", 3, 998));
    SAY_NUMBER(posix_fallocate(fd, 0, 10));
    size_of("allocated");
    SAY_NUMBER(posix_fallocate(fd, 500, 2000));
    size_of("allocated");
    SAY_NUMBER(posix_fallocate(fd, 100000, 1));
    size_of("allocated");
    SAY_NUMBER(posix_fallocate(fd, 0, 0));
    SAY_NUMBER(posix_fallocate(fd, -1, 10));
    SAY_NUMBER(posix_fallocate(fd, 0, -1));
    SAY_NUMBER(posix_fallocate(9999, 0, 1));
    SAY_NUMBER(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
    SAY_NUMBER(posix_fadvise(fd, 0, 1000, POSIX_FADV_DONTNEED));
    SAY_NUMBER(posix_fadvise(9999, 0, 0, POSIX_FADV_NORMAL));
    SAY(fsync(fd));
    SAY(fdatasync(fd));
    SAY(fsync(9999));
    close(fd);
}

int main(void)
{
    put("file", "0123456789");
    SAY(symlink("file", "link"));
    truncates();
    allocates();
    return 0;
}
