/* open: each set of flags on each kind of thing; what the descriptor can then do; what is left. */
#include "native.h"

#define CASE(flags)   \
    {                 \
#flags, flags \
    }

static const struct {
    const char *text;
    int flags;
} cases[] = {
    CASE(O_RDONLY),
    CASE(O_WRONLY),
    CASE(O_RDWR),
    CASE(O_RDONLY | O_CREAT),
    CASE(O_WRONLY | O_CREAT),
    CASE(O_RDWR | O_CREAT | O_EXCL),
    CASE(O_WRONLY | O_TRUNC),
    CASE(O_RDWR | O_TRUNC),
    CASE(O_WRONLY | O_CREAT | O_TRUNC),
    CASE(O_WRONLY | O_CREAT | O_EXCL | O_TRUNC),
    CASE(O_WRONLY | O_APPEND),
    CASE(O_RDWR | O_APPEND | O_CREAT),
    CASE(O_RDONLY | O_DIRECTORY),
    CASE(O_RDWR | O_DIRECTORY),
    CASE(O_RDONLY | O_NOFOLLOW),
    CASE(O_WRONLY | O_NOFOLLOW),
    CASE(O_WRONLY | O_CREAT | O_NOFOLLOW),
    CASE(O_RDONLY | O_DIRECTORY | O_NOFOLLOW),
    CASE(O_RDONLY | O_CLOEXEC),
    CASE(O_WRONLY | O_SYNC),
    CASE(O_RDONLY | O_NONBLOCK),
};

static const char *const paths[] = {"file", "file/",   "file/x",       "directory",     "directory/", "directory/.",
                                    "link", "link/",   "to-directory", "to-directory/", "dangling",   "dangling/",
                                    "loop", "missing", "missing/",     "missing/x"};

static void build(void)
{
    put("file", "content");
    mkdir("directory", 0777);
    unlink("missing");
    unlink("nowhere");
}

/* WASI has directories refuse what Linux permits of lseek, so that is tried on files alone. */
static void use(int fd)
{
    char text[8];
    struct stat stat;

    SAY(read(fd, text, 3));
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode))
        return;
    SAY(write(fd, "##", 2));
    SAY(lseek(fd, 0, SEEK_CUR) >= 0);
}

static void append_mode(void)
{
    char text[32] = {0};
    int fd = open("log", O_RDWR | O_CREAT | O_APPEND, 0666);

    SAY(write(fd, "first", 5));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(write(fd, " second", 7));
    SAY(lseek(fd, 0, SEEK_CUR));
    SAY(lseek(fd, 2, SEEK_SET));
    SAY(read(fd, text, 4));
    printf("%s\n", text);
    SAY(ftruncate(fd, 3));
    SAY(write(fd, "!", 1));
    SAY(!!(fcntl(fd, F_GETFL) & O_APPEND));
    SAY(fcntl(fd, F_SETFL, 0));
    SAY(!!(fcntl(fd, F_GETFL) & O_APPEND));
    SAY(lseek(fd, 0, SEEK_SET));
    SAY(write(fd, "X", 1));
    SAY(fcntl(fd, F_SETFL, O_APPEND));
    SAY(write(fd, "Y", 1));
    SAY((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR);
    close(fd);
    show("log");
}

/* The lowest number that is free is taken; a closed one is closed. */
static void numbers(void)
{
    int first = open("file", O_RDONLY);
    int second = open("file", O_RDONLY);
    int third;

    SAY(second - first);
    SAY(close(first));
    third = open("file", O_RDONLY);
    SAY(third - first);
    SAY(close(third));
    SAY(close(third));
    SAY(read(third, &(char){0}, 1));
    SAY(close(second));
    SAY(close(-1));
    SAY(close(9999));
}

static void relative_to_directories(void)
{
    int directory = open("directory", O_RDONLY | O_DIRECTORY);
    int file = open("file", O_RDONLY);
    int inner;

    inner = OPEN(openat(directory, "inner", O_WRONLY | O_CREAT | O_EXCL, 0666));
    SAY(write(inner, "inner", 5));
    SAY(close(inner));
    show("directory/inner");
    SAY(openat(file, "inner", O_RDONLY));
    SAY(openat(9999, "inner", O_RDONLY));
    SAY(renameat(directory, "inner", AT_FDCWD, "outer"));
    SAY(linkat(AT_FDCWD, "outer", directory, "inner", 0));
    SAY(symlinkat("inner", directory, "link"));
    SAY(faccessat(directory, "link", R_OK, 0));
    SAY(mkdirat(directory, "sub", 0777));
    SAY(unlinkat(directory, "sub", 0));
    SAY(unlinkat(directory, "sub", AT_REMOVEDIR));
    SAY(unlinkat(directory, "link", AT_REMOVEDIR));
    SAY(unlinkat(directory, "link", 0));
    SAY(read(directory, &(char){0}, 1));
    SAY(close(directory));
    SAY(close(file));
}

int main(void)
{
    symlink("file", "link");
    symlink("directory", "to-directory");
    symlink("nowhere", "dangling");
    symlink("loop", "loop");
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t j = 0; j < COUNT(paths); j++) {
            int fd;

            build();
            errno = 0;
            fd = open(paths[j], cases[i].flags, 0666);
            printf("%s, %s: %s\n", cases[i].text, paths[j], fd < 0 ? errno_name(errno) : "open");
            if (fd >= 0) {
                use(fd);
                close(fd);
            }
            show("file");
            show("nowhere");
            show("missing");
        }
    }
    append_mode();
    numbers();
    relative_to_directories();
    return 0;
}
