/* stat, lstat, fstat and fstatat: types, sizes, counts of links, identity. Sizes of directories are the system's own. */
#include "native.h"

static void tell(const char *what, int result, const struct stat *stat)
{
    if (result != 0) {
        printf("%s: %s\n", what, errno_name(errno));
        return;
    }
    printf("%s: %s", what, type_name(stat->st_mode));
    if (!S_ISDIR(stat->st_mode))
        printf(", %lld bytes", (long long)stat->st_size);
    printf(", %lld links\n", (long long)stat->st_nlink);
}

static void about(const char *path)
{
    struct stat stat_buffer;
    int fd;

    printf("%s\n", path);
    tell("  stat", stat(path, &stat_buffer), &stat_buffer);
    tell("  lstat", lstat(path, &stat_buffer), &stat_buffer);
    tell("  fstatat", fstatat(AT_FDCWD, path, &stat_buffer, AT_SYMLINK_NOFOLLOW), &stat_buffer);
    fd = open(path, O_RDONLY);
    if (fd < 0)
        return;
    tell("  fstat", fstat(fd, &stat_buffer), &stat_buffer);
    close(fd);
}

static void same(const char *a, const char *b)
{
    struct stat first, second;

    if (lstat(a, &first) == 0 && lstat(b, &second) == 0)
        printf("%s and %s: %s\n", a, b,
               first.st_ino == second.st_ino && first.st_dev == second.st_dev ? "the same" : "different");
}

/* Of times only their order is the same everywhere. */
static void times(void)
{
    struct stat before, after;

    stat("file", &before);
    put("file", "new content");
    stat("file", &after);
    printf("modification time went on: %d\n",
           after.st_mtim.tv_sec > before.st_mtim.tv_sec ||
               (after.st_mtim.tv_sec == before.st_mtim.tv_sec && after.st_mtim.tv_nsec >= before.st_mtim.tv_nsec));
    stat(".", &before);
    put("another", "");
    stat(".", &after);
    printf("a new entry: %d\n",
           after.st_mtim.tv_sec > before.st_mtim.tv_sec ||
               (after.st_mtim.tv_sec == before.st_mtim.tv_sec && after.st_mtim.tv_nsec >= before.st_mtim.tv_nsec));
    SAY(unlink("another"));
}

int main(int argc, char **argv)
{
    char path[4200];

    (void)argc;
    put("file", "twelve bytes");
    put("empty", "");
    mkdir("directory", 0777);
    mkdir("directory/inner", 0777);
    mkdir("directory/other", 0777);
    put("directory/file", "x");
    SAY(symlink("file", "link"));
    SAY(symlink("directory", "to-directory"));
    SAY(symlink("nothing here", "dangling"));
    SAY(link("file", "second-name"));
    SAY(link("link", "second-link"));

    about("file");
    about("empty");
    about("directory");
    about("directory/");
    about("directory/inner/..");
    about("link");
    about("to-directory");
    about("to-directory/");
    about("to-directory/file");
    about("dangling");
    about("dangling/");
    about("second-name");
    about("second-link");
    about("file/");
    about("file/.");
    about("missing");
    snprintf(path, sizeof path, "%s/file", argv[1]);
    SAY(access(path, F_OK));
    snprintf(path, sizeof path, "%s//directory///file", argv[1]);
    SAY(access(path, F_OK));

    same("file", "second-name");
    same("file", "link");
    same("link", "second-link");
    same("directory", "directory/.");
    same("directory", "directory/inner/..");
    same("directory", "to-directory/");
    same("file", "empty");
    SAY(unlink("second-name"));
    about("file");
    SAY(rmdir("directory/inner"));
    about("directory");
    times();
    SAY(fstat(77, &(struct stat){0}));
    return 0;
}
