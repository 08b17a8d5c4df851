/* The modes of fopen: what each does to a file that is there and to one that is not, and what may then be done. */
#include "native.h"

static const char *const modes[] = {"r", "w", "a", "r+", "w+", "a+", "wx", "w+x", "rb", "r+b", "ab", "q"};

/* A stream may be read after it was written only when it was positioned between. */
static void use(FILE *file)
{
    char text[16];
    size_t count;

    count = fread(text, 1, 3, file);
    printf("  read %zu '%.*s', end %d, error %d\n", count, (int)count, text, !!feof(file), !!ferror(file));
    clearerr(file);
    SAY(fseek(file, 1, SEEK_SET));
    count = fwrite("WX", 1, 2, file);
    printf("  wrote %zu, ", count);
    printf("flushed %d, error %d\n", fflush(file), !!ferror(file));
    clearerr(file);
    SAY(fseek(file, 0, SEEK_END));
    SAY(ftell(file));
}

static void try_mode(const char *path, const char *mode)
{
    FILE *file;

    errno = 0;
    file = fopen(path, mode);
    printf("%s with \"%s\": %s\n", path, mode, file == NULL ? errno_name(errno) : "open");
    if (file == NULL)
        return;
    use(file);
    SAY(fclose(file));
}

static void reopen(void)
{
    FILE *file = fopen("first", "w");

    fputs("one", file);
    file = freopen("second", "w", file);
    printf("reopened: %d\n", file != NULL);
    fputs("two", file);
    fclose(file);
    show("first");
    show("second");

    file = fdopen(open("first", O_RDWR), "r+");
    fseek(file, 0, SEEK_END);
    fputs(" more", file);
    fclose(file);
    show("first");
}

/* Two streams on one file: each has its own position, "a" writes at the end wherever that is by then. */
static void two_streams(void)
{
    FILE *log = fopen("log", "a");
    FILE *other = fopen("log", "a");

    for (int i = 0; i < 3; i++) {
        fprintf(log, "log %d\n", i);
        fflush(log);
        fprintf(other, "other %d\n", i);
        fflush(other);
    }
    fclose(log);
    fclose(other);
    show("log");
}

int main(void)
{
    mkdir("directory", 0777);
    for (size_t i = 0; i < COUNT(modes); i++) {
        remove("missing");
        try_mode("missing", modes[i]);
        put("there", "abcdefgh");
        try_mode("there", modes[i]);
        show("there");
        try_mode("missing/file", modes[i]);
        try_mode("there/file", modes[i]);
        if (modes[i][0] != 'r')
            try_mode("directory", modes[i]);
    }
    reopen();
    two_streams();
    return 0;
}
