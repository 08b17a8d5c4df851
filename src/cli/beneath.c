/*
 * Writing beneath a directory. openat2() opens a directory beneath in one step, and the kernel sees to it that no link
 * is followed. Whatever it refuses (it is not there, or the directory is not) is walked one component at a time, which
 * is as safe, as no component is "..", and finds out what is missing or in the way.
 *
 * A file is written under a name that nobody knows and then renamed, so that whoever reads it sees the old content or
 * the new. Renaming follows no link either: what somebody puts in the place at the last moment is replaced, never
 * written through.
 */
#include "cli/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

#define OPEN_DIRECTORY (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

#define TEMPORARY_SIZE sizeof(".adk-sandbox-0123456789abcdef")

static bool is_name(const char *name, size_t size)
{
    if (size == 0 || memchr(name, 0, size) != NULL)
        return false;
    return name[0] != '.' || (size > 1 && (size > 2 || name[1] != '.'));
}

static bool is_path(adk_bytes path)
{
    const char *at = path.data;
    size_t left = path.size;

    for (;;) {
        const char *slash = left == 0 ? NULL : memchr(at, '/', left);
        size_t size = slash == NULL ? left : (size_t)(slash - at);

        if (!is_name(at, size))
            return false;
        if (slash == NULL)
            return true;
        at += size + 1;
        left -= size + 1;
    }
}

static int open_in_one_step(int root, const char *path)
{
    struct open_how how = {
        .flags = OPEN_DIRECTORY,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

static bool is_link(int dir, const char *name)
{
    struct stat info;

    return fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
}

int cli_beneath_enter(int dir, const char *name)
{
    int fd = openat(dir, name, OPEN_DIRECTORY);

    if (fd < 0 && errno == ENOENT && (mkdirat(dir, name, 0777) == 0 || errno == EEXIST))
        fd = openat(dir, name, OPEN_DIRECTORY);
    if (fd < 0 && errno == ENOTDIR)
        errno = is_link(dir, name) ? ELOOP : ENOTDIR;
    return fd;
}

/* Opens the directory `path`, which is overwritten; NULL is `root` itself. Returns the descriptor, or -1 and errno. */
static int open_directory(int root, char *path)
{
    int dir = path == NULL ? -1 : open_in_one_step(root, path);
    char *rest = NULL;

    if (dir >= 0)
        return dir;
    dir = openat(root, ".", OPEN_DIRECTORY);
    for (char *name = path; name != NULL && dir >= 0; name = rest) {
        ADK_AUTO_CLOSE int above = dir;

        rest = strchr(name, '/');
        if (rest != NULL)
            *rest++ = '\0';
        dir = cli_beneath_enter(above, name);
    }
    return dir;
}

/* Where a path ends: a name in a directory. */
struct target {
    int dir;
    char *path; /* owned; the name is in it */
    const char *name;
};

static int open_target(int root, adk_bytes path, struct target *ret_target)
{
    char *slash = NULL;

    *ret_target = (struct target){.dir = -1};
    if (!is_path(path))
        return EINVAL;
    ret_target->path = malloc(path.size + 1);
    if (ret_target->path == NULL)
        return ENOMEM;
    memcpy(ret_target->path, path.data, path.size);
    ret_target->path[path.size] = '\0';
    slash = strrchr(ret_target->path, '/');
    ret_target->name = slash == NULL ? ret_target->path : slash + 1;
    if (slash != NULL)
        *slash = '\0';
    ret_target->dir = open_directory(root, slash == NULL ? NULL : ret_target->path);
    return ret_target->dir < 0 ? errno : 0;
}

static void close_target(struct target *target)
{
    adk__auto_close(&target->dir);
    free(target->path);
}

int cli_beneath_mkdir(int root, adk_bytes path)
{
    struct target target;
    int failed = open_target(root, path, &target);

    if (failed == 0) {
        ADK_AUTO_CLOSE int made = cli_beneath_enter(target.dir, target.name);

        failed = made < 0 ? errno : 0;
    }
    close_target(&target);
    return failed;
}

/* Only a regular file is replaced. */
static int check_place(int dir, const char *name)
{
    struct stat info;

    if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : errno;
    if (S_ISDIR(info.st_mode))
        return EISDIR;
    if (S_ISLNK(info.st_mode))
        return ELOOP;
    return S_ISREG(info.st_mode) ? 0 : EEXIST;
}

static int write_all(int fd, adk_bytes content)
{
    const char *at = content.data;
    size_t left = content.size;

    while (left > 0) {
        ssize_t written = write(fd, at, left);

        if (written < 0 && errno != EINTR)
            return errno;
        at += written > 0 ? written : 0;
        left -= written > 0 ? (size_t)written : 0;
    }
    return 0;
}

/* Writes a new file. Some file systems tell of a full disk only when it is closed. */
static int write_new(int dir, const char *name, adk_bytes content)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    int failed = 0;

    if (fd < 0)
        return errno;
    failed = write_all(fd, content);
    if (close(fd) != 0 && failed == 0 && errno != EINTR)
        failed = errno;
    if (failed != 0)
        (void)unlinkat(dir, name, 0);
    return failed;
}

static int write_in_place(int dir, const char *name, adk_bytes content)
{
    char temporary[TEMPORARY_SIZE];
    uint64_t number = 0;
    int failed = check_place(dir, name);

    if (failed != 0)
        return failed;
    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        return errno;
    (void)snprintf(temporary, sizeof(temporary), ".adk-sandbox-%016" PRIx64, number);
    failed = write_new(dir, temporary, content);
    if (failed != 0 || renameat(dir, temporary, dir, name) == 0)
        return failed;
    failed = errno;
    (void)unlinkat(dir, temporary, 0);
    return failed;
}

int cli_beneath_write(int root, adk_bytes path, adk_bytes content)
{
    struct target target;
    int failed = open_target(root, path, &target);

    if (failed == 0)
        failed = write_in_place(target.dir, target.name, content);
    close_target(&target);
    return failed;
}
