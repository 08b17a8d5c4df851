/* read, write and lseek with all their relatives, at every position and with every bad argument. */
#include "native.h"

#include <sys/uio.h>

static void seeks(int fd)
{
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(lseek(fd, 3, SEEK_SET));
    SAY(lseek(fd, 4, SEEK_CUR));
    SAY(lseek(fd, -2, SEEK_CUR));
    SAY(lseek(fd, -1, SEEK_END));
    SAY(lseek(fd, 100, SEEK_END));
    SAY(lseek(fd, -6, SEEK_CUR));
    SAY(lseek(fd, -1, SEEK_SET));
    SAY(lseek(fd, -1000, SEEK_CUR));
    SAY(lseek(fd, -1000, SEEK_END));
    SAY(lseek(fd, 0, 99));
    SAY(lseek(fd, 0, -1));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(lseek(9999, 0, SEEK_SET));
    SAY(read(fd, &(char){0}, 1));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(lseek(fd, 0, SEEK_SET));
}

static void at_positions(int fd)
{
    char text[16] = {0};

    SAY(pread(fd, text, 4, 2));
    printf("%s\n", text);
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(pread(fd, text, 4, 8));
    SAY(pread(fd, text, 4, 10));
    SAY(pread(fd, text, 4, 1000));
    SAY(pread(fd, text, 4, -1));
    SAY(pread(fd, text, 0, 0));
    SAY(pwrite(fd, "__", 2, 4));
    SAY(pwrite(fd, "beyond", 6, 20));
    SAY(pwrite(fd, "x", 1, -1));
    SAY(pwrite(fd, "", 0, 100));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(lseek(fd, 0, SEEK_END));
    SAY(lseek(fd, 0, SEEK_SET));
}

static void vectors(int fd)
{
    volatile int minus_one = -1; /* compilers know better than to pass it */
    char a[3], b[1], c[50];
    struct iovec in[] = {{a, sizeof a}, {NULL, 0}, {b, sizeof b}, {c, sizeof c}};
    struct iovec out[] = {{"one ", 4}, {"", 0}, {"two ", 4}, {"three", 5}};
    ssize_t size;

    size = SAY(readv(fd, in, 4));
    printf("%.3s|%c|", a, b[0]);
    for (ssize_t i = 0; i < size - 4; i++)
        printf("%d ", c[i]);
    printf("\n");
    SAY(readv(fd, in, 4));
    SAY(lseek(fd, 1, SEEK_SET));
    SAY(writev(fd, out, 4));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(writev(fd, out, 0));
    SAY(writev(fd, out, minus_one));
    SAY(readv(fd, in, minus_one));
    SAY(preadv(fd, in, 4, 3));
    printf("%.3s|%c|\n", a, b[0]);
    SAY(pwritev(fd, out, 2, 15));
}

static void wrong_way(void)
{
    char byte = 'x';
    int in = open("data", O_RDONLY);
    int out = open("data", O_WRONLY);
    int directory = open(".", O_RDONLY);

    SAY(write(in, &byte, 1));
    SAY(pwrite(in, &byte, 1, 0));
    SAY(write(in, &byte, 0));
    SAY(read(out, &byte, 1));
    SAY(pread(out, &byte, 1, 0));
    SAY(read(directory, &byte, 1));
    SAY(pread(directory, &byte, 1, 0));
    SAY(read(-1, &byte, 1));
    SAY(write(9999, &byte, 1));
    close(in);
    close(out);
    close(directory);
}

/* Two descriptors on one file see each other's writes at once, and have a position each. */
static void two_descriptors(void)
{
    char text[16] = {0};
    int a = open("both", O_RDWR | O_CREAT, 0666);
    int b = open("both", O_RDWR);

    SAY(write(a, "from a", 6));
    SAY(read(b, text, 15));
    printf("%s\n", text);
    SAY(write(b, " from b", 7));
    SAY(lseek(a, 0, SEEK_CUR));
    SAY(read(a, text, 15));
    printf("%s\n", text);
    SAY(ftruncate(b, 2));
    SAY(read(a, text, 15));
    SAY(write(a, "!", 1));
    SAY(lseek(b, 0, SEEK_END));
    close(a);
    close(b);
}

int main(void)
{
    int fd;

    put("data", "0123456789");
    fd = open("data", O_RDWR);
    seeks(fd);
    at_positions(fd);
    vectors(fd);
    close(fd);
    wrong_way();
    two_descriptors();
    return 0;
}
