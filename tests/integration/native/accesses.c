/* access and the errors a path can have: the same kind of wrong path given to every call that takes one. */
#include "native.h"

#include <utime.h>

static const char *const paths[] = {"missing",
                                    "missing/",
                                    "missing/x",
                                    "missing/..",
                                    "file/",
                                    "file/x",
                                    "file/.",
                                    "file/..",
                                    "loop",
                                    "loop/",
                                    "loop/x",
                                    "dangling/x",
                                    "to-file/x",
                                    "to-directory/missing",
                                    "directory/missing/x",
                                    "directory/./missing",
                                    "directory/file/x/y"};

static void every_call(const char *path)
{
    struct stat stat_buffer;
    char text[8];

    printf("'%s'\n", path);
    SAY(access(path, F_OK));
    SAY(access(path, R_OK | W_OK));
    SAY(stat(path, &stat_buffer));
    SAY(lstat(path, &stat_buffer));
    SAY(open(path, O_RDONLY));
    SAY(open(path, O_RDONLY | O_DIRECTORY));
    SAY(opendir(path) == NULL ? -1 : 0);
    SAY(readlink(path, text, sizeof text));
    SAY(truncate(path, 0));
    SAY(utime(path, NULL));
    SAY(chdir(path));
    SAY(rmdir(path));
    SAY(rename(path, "new"));
    SAY(link(path, "new"));
    SAY(unlink("new"));
}

/* What makes something of a path is given paths with something missing before the last name. */
static void making(const char *path)
{
    printf("making '%s'\n", path);
    SAY(mkdir(path, 0777));
    SAY(symlink("x", path));
    SAY(link("file", path));
    SAY(rename("file", path));
    SAY(open(path, O_WRONLY | O_CREAT | O_EXCL, 0666));
}

static void allowed(void)
{
    SAY(access("file", F_OK));
    SAY(access("file", R_OK));
    SAY(access("file", W_OK));
    SAY(access("directory", R_OK | W_OK | X_OK));
    SAY(access("dangling", F_OK));
    SAY(access("to-file", R_OK));
    SAY(access("to-directory/file", R_OK));
    SAY(access("file", 64));
}

int main(void)
{
    static const char *const unmade[] = {"missing/x", "file/x", "loop/x", "dangling/x", "directory/file/x"};

    put("file", "content");
    mkdir("directory", 0777);
    put("directory/file", "");
    symlink("loop", "loop");
    symlink("nowhere", "dangling");
    symlink("file", "to-file");
    symlink("directory", "to-directory");
    allowed();
    for (size_t i = 0; i < COUNT(paths); i++)
        every_call(paths[i]);
    for (size_t i = 0; i < COUNT(unmade); i++)
        making(unmade[i]);
    return 0;
}
