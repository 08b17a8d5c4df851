/* Files larger than any buffer: written and read in pieces that fit nothing, with holes, grown, cut, and overwritten. */
#include "native.h"

#define SIZE (3 * 1024 * 1024 + 17)

static uint32_t state = 1;

static unsigned char next(void)
{
    state = state * 1664525 + 1013904223;
    return (unsigned char)(state >> 24);
}

/* FNV-1a over a file, and its length. */
static void digest(const char *path, size_t piece)
{
    FILE *file = fopen(path, "r");
    unsigned char *block = malloc(piece);
    uint64_t hash = 14695981039346656037u;
    long long size = 0;
    size_t count;

    while ((count = fread(block, 1, piece, file)) > 0) {
        for (size_t i = 0; i < count; i++)
            hash = (hash ^ block[i]) * 1099511628211u;
        size += (long long)count;
    }
    printf("%s in pieces of %zu: %lld bytes, %016llx\n", path, piece, size, (unsigned long long)hash);
    free(block);
    fclose(file);
}

static void write_all(const char *path, size_t piece)
{
    unsigned char *block = malloc(piece);
    FILE *file = fopen(path, "w");
    size_t rest = SIZE;

    while (rest > 0) {
        size_t size = rest < piece ? rest : piece;

        for (size_t i = 0; i < size; i++)
            block[i] = next();
        if (fwrite(block, 1, size, file) != size)
            printf("short\n");
        rest -= size;
    }
    fclose(file);
    free(block);
}

static void overwrite(const char *path)
{
    static unsigned char block[70000];
    int fd = open(path, O_RDWR);

    for (int i = 0; i < 60; i++) {
        off_t at = (off_t)(((uint32_t)next() << 16 | (uint32_t)next() << 8 | next()) % SIZE);
        size_t size = 1 + ((size_t)next() << 8) + next();

        memset(block, i, size);
        if (pwrite(fd, block, size, at) != (ssize_t)size)
            printf("short\n");
    }
    close(fd);
}

static void holes(void)
{
    int fd = open("holes", O_RDWR | O_CREAT | O_TRUNC, 0666);
    char bytes[8];
    struct stat stat;

    SAY(pwrite(fd, "A", 1, 0));
    SAY(pwrite(fd, "B", 1, 65536));
    SAY(pwrite(fd, "C", 1, 1000001));
    SAY(lseek(fd, 2000000, SEEK_SET));
    SAY(write(fd, "D", 1));
    SAY(pread(fd, bytes, 8, 65533));
    for (int i = 0; i < 8; i++)
        printf("%d ", bytes[i]);
    SAY(ftruncate(fd, 1000001));
    SAY(ftruncate(fd, 1000010));
    SAY(pread(fd, bytes, 8, 1000000));
    for (int i = 0; i < 8; i++)
        printf("%d ", bytes[i]);
    SAY(fstat(fd, &stat));
    SAY(stat.st_size);
    close(fd);
    digest("holes", 4097);
}

/* Sizes beyond 32 bits, of a file that holds next to nothing. */
static void huge(void)
{
    int fd = open("huge", O_RDWR | O_CREAT, 0666);
    char bytes[4];

    SAY(ftruncate(fd, 5000000000));
    SAY(lseek(fd, -2, SEEK_END));
    SAY(write(fd, "xyz", 3));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(pread(fd, bytes, 4, 4999999997));
    printf("%d %c%c%c\n", bytes[0], bytes[1], bytes[2], bytes[3]);
    SAY(pread(fd, bytes, 4, 4294967294));
    printf("%d %d %d %d\n", bytes[0], bytes[1], bytes[2], bytes[3]);
    close(fd);
    SAY(unlink("huge"));
}

int main(void)
{
    write_all("bytes", 1);
    write_all("odd", 7919);
    write_all("whole", SIZE);
    digest("bytes", 65536);
    digest("odd", 1);
    digest("odd", 1021);
    digest("whole", SIZE);
    overwrite("odd");
    digest("odd", 8191);
    SAY(truncate("odd", 100000));
    digest("odd", 8191);
    holes();
    huge();
    return 0;
}
