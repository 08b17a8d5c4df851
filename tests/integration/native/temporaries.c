/*
 * What careful programs do: temporary files with names nobody else has, files replaced in one step, a lock file, a
 * record file updated in place, and a log that is rotated.
 */
#include "native.h"

static uint32_t state = 42;

/* As mkstemp, whose names must not depend on chance here: every other name is taken already. */
static int make_temporary(char *path)
{
    char *tail = path + strlen(path) - 4;

    for (int tries = 0; tries < 100; tries++) {
        int fd;

        state = state * 1103515245 + 12345;
        snprintf(tail, 5, "%04u", state >> 16 & 7);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd >= 0 || errno != EEXIST)
            return fd;
        printf("%s is taken\n", path);
    }
    return -1;
}

static void temporaries(void)
{
    for (int i = 0; i < 5; i++) {
        char path[] = "tmp-XXXX";
        int fd = make_temporary(path);

        dprintf(fd, "temporary %d", i);
        close(fd);
        show(path);
    }
}

/* Readers see the old file or the new one, whole. */
static void replace(const char *path, const char *text)
{
    char temporary[64];
    int fd;

    snprintf(temporary, sizeof temporary, "%s.part", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
    SAY(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    SAY(fsync(fd));
    SAY(close(fd));
    SAY(rename(temporary, path));
    show(path);
}

static void locks(void)
{
    int fd = OPEN(open("lock", O_WRONLY | O_CREAT | O_EXCL, 0600));

    SAY(open("lock", O_WRONLY | O_CREAT | O_EXCL, 0600));
    SAY(unlink("lock"));
    SAY(close(fd));
    fd = OPEN(open("lock", O_WRONLY | O_CREAT | O_EXCL, 0600));
    SAY(close(fd));
}

struct record {
    uint32_t key;
    char name[28];
};

static void records(void)
{
    FILE *file = fopen("records", "w+");
    struct record record = {0};
    uint32_t sum = 0;

    for (uint32_t i = 0; i < 500; i++) {
        record.key = i;
        snprintf(record.name, sizeof record.name, "record %u", (unsigned)i);
        fwrite(&record, sizeof record, 1, file);
    }
    for (uint32_t i = 0; i < 500; i += 7) {
        fseek(file, (long)(i * sizeof record), SEEK_SET);
        if (fread(&record, sizeof record, 1, file) != 1)
            printf("short\n");
        record.key *= 2;
        fseek(file, -(long)sizeof record, SEEK_CUR);
        fwrite(&record, sizeof record, 1, file);
    }
    rewind(file);
    while (fread(&record, sizeof record, 1, file) == 1)
        sum = sum * 31 + record.key;
    printf("sum %u\n", (unsigned)sum);
    fclose(file);
}

static void rotate(void)
{
    for (int i = 0; i < 12; i++) {
        FILE *log = fopen("log", "a");

        fprintf(log, "message %d\n", i);
        if (ftell(log) > 30) {
            unlink("log.2");
            rename("log.1", "log.2");
            rename("log", "log.1");
        }
        fclose(log);
    }
    show("log");
    show("log.1");
    show("log.2");
}

int main(void)
{
    temporaries();
    replace("config", "version 1");
    replace("config", "version 2");
    locks();
    records();
    rotate();
    return 0;
}
