/*
 * The real side of the model test. The kernel has no call that confines every operation beneath a directory, so parents
 * are resolved with openat2(RESOLVE_BENEATH), whose EXDEV is the vfs's EPERM, and the operation is done to the last
 * component.
 */
#include "vfs_model_real.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int real_openat2(int dir, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    long fd;

    if (strlen(path) > ADK__VFS_PATH_MAX)
        return -ENAMETOOLONG;
    if (path[0] == '/')
        return -EPERM;
    if ((flags & O_CREAT) != 0)
        how.mode = 0600;
    do {
        fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
    } while (fd < 0 && errno == EAGAIN);
    if (fd < 0)
        return errno == EXDEV ? -EPERM : -errno;
    return (int)fd;
}

/* The directory of the path's last component, and that component with the slashes behind it. */
static int real_parent(int dir, const char *path, const char **ret_last)
{
    char parent[ADK__VFS_PATH_MAX + 2];
    size_t end = strlen(path);
    int fd;

    if (end == 0)
        return -ENOENT;
    if (end > ADK__VFS_PATH_MAX)
        return -ENAMETOOLONG;
    if (path[0] == '/')
        return -EPERM;
    while (end > 0 && path[end - 1] == '/')
        end--;
    while (end > 0 && path[end - 1] != '/')
        end--;
    *ret_last = path + end;
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)end, path);
    fd = real_openat2(dir, end == 0 ? "." : parent, O_PATH | O_DIRECTORY);
    if (fd >= 0 && strncmp(*ret_last, "..", 2) == 0 && ((*ret_last)[2] == 0 || (*ret_last)[2] == '/')) {
        int up = real_openat2(dir, path, O_PATH);

        if (up == -EPERM) {
            close(fd);
            return -EPERM;
        }
        close(up);
    }
    return fd;
}

int real_name_op(int dir, const char *path, name_op op)
{
    const char *last;
    int fd = real_parent(dir, path, &last);
    int r;

    if (fd < 0)
        return fd;
    if (op == OP_MKDIR)
        r = mkdirat(fd, last, 0700);
    else
        r = unlinkat(fd, last, op == OP_RMDIR ? AT_REMOVEDIR : 0);
    r = r < 0 ? -errno : 0;
    close(fd);
    return r;
}

int real_rename(int old_dir, const char *old_path, int new_dir, const char *new_path)
{
    const char *old_last;
    const char *new_last;
    int from = real_parent(old_dir, old_path, &old_last);
    int to;
    int r;

    if (from < 0)
        return from;
    to = real_parent(new_dir, new_path, &new_last);
    if (to < 0) {
        close(from);
        return to;
    }
    r = renameat(from, old_last, to, new_last) < 0 ? -errno : 0;
    close(from);
    close(to);
    return r;
}

int real_link(int old_dir, const char *old_path, bool follow, int new_dir, const char *new_path)
{
    const char *old_last;
    const char *new_last;
    char proc[32];
    int inode = real_openat2(old_dir, old_path, O_PATH | (follow ? 0U : O_NOFOLLOW));
    int from;
    int to;
    int r;

    if (inode < 0)
        return inode;
    to = real_parent(new_dir, new_path, &new_last);
    if (to < 0) {
        close(inode);
        return to;
    }
    if (follow || old_path[strlen(old_path) - 1] == '/') {
        (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", inode);
        r = linkat(AT_FDCWD, proc, to, new_last, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
    } else {
        from = real_parent(old_dir, old_path, &old_last);
        r = from < 0 || linkat(from, old_last, to, new_last, 0) < 0 ? -errno : 0;
        close(from);
    }
    close(inode);
    close(to);
    return r;
}

int real_symlink(const char *target, int dir, const char *path)
{
    const char *last;
    int fd;
    int r;

    if (target[0] == 0)
        return -ENOENT;
    fd = real_parent(dir, path, &last);
    if (fd < 0)
        return fd;
    r = symlinkat(target, fd, last) < 0 ? -errno : 0;
    close(fd);
    return r;
}

int compare_cstr(const void *a, const void *b)
{
    return strcmp(a, b);
}

size_t list_real(int dir, model_name *names)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream;
    struct dirent *e;
    size_t count = 0;

    if (fd < 0)
        return 0;
    stream = fdopendir(fd);
    while ((e = readdir(stream)) != NULL) {
        if (count == MODEL_NAMES)
            abort();
        (void)strcpy(names[count++], e->d_name);
    }
    closedir(stream);
    qsort(names, count, sizeof(names[0]), compare_cstr);
    return count;
}
