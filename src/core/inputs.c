/*
 * Files in. The host's side of a copy is not to be trusted either: whoever filled the directory may have put a FIFO, a
 * device or a link out of it there, or change it while it is read. Everything beneath the named path is opened relative
 * to its directory, without following links and without blocking, and looked at after it is open.
 */
#include "core/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "core/error.h"
#include "core/request.h"

#define COPY_BYTES ((size_t)64 << 10)

/* Each level holds a descriptor. */
#define DEPTH_MAX 128

/* A directory that is being copied. They are chained rather than nested: depth is the host tree's choice. */
struct level {
    struct level *above;
    DIR *dir;
    size_t guest_size; /* of the path up to here */
    size_t host_size;
};

struct copy {
    adk__vfs_inode *root;
    adk__interrupt *interrupt;
    adk__buf guest; /* path in the guest */
    adk__buf host;  /* path on the host: for messages alone */
    uint8_t *buffer;
    struct level *level;
    unsigned depth;
    adk__inputs_stop stop;
    adk_error **ret_error;
};

static const char *guest_path(const struct copy *c)
{
    return (const char *)c->guest.data;
}

/* As much of a path as a message shows. */
static int shown(const adk__buf *path)
{
    return (int)(path->size < ADK__NAME_SHOWN ? path->size : ADK__NAME_SHOWN);
}

/* An error that the path explains is the caller's. */
static int fail_host(struct copy *c, const char *what, int error)
{
    bool theirs = error == ENOENT || error == ENOTDIR || error == EACCES || error == EPERM || error == ELOOP ||
                  error == ENAMETOOLONG || error == EINVAL;

    if (error == ENOMEM)
        return adk__fail_nomem(c->ret_error);
    return adk__fail(c->ret_error, theirs ? ADK_E_INVALID : ADK_E_SYSTEM, error, "%s \"%.*s\"", what, shown(&c->host),
                     (const char *)c->host.data);
}

/* A refusal of the tree: for want of memory it ends the copying, not the call. */
static int fail_tree(struct copy *c, int error)
{
    if (error == -ENOSPC) {
        c->stop = ADK__INPUTS_MEMORY;
        return ADK_OK;
    }
    if (error == -ENOMEM)
        return adk__fail_nomem(c->ret_error);
    return adk__fail(c->ret_error, ADK_E_INVALID, -error, "put the file \"/%.*s\" into the guest's tree",
                     shown(&c->guest), (const char *)c->guest.data);
}

static bool must_stop(struct copy *c)
{
    if (c->stop == ADK__INPUTS_DONE && adk__interrupt_check(c->interrupt) != ADK__INTERRUPT_NONE)
        c->stop = ADK__INPUTS_INTERRUPTED;
    return c->stop != ADK__INPUTS_DONE;
}

/* ---- one file ----------------------------------------------------------------------------------------------------- */

static int make_parents(struct copy *c)
{
    const char *slash = c->guest.size == 0 ? NULL : memrchr(guest_path(c), '/', c->guest.size);
    int failed = 0;

    if (slash != NULL)
        failed = adk__vfs_mkdir_all(c->root, guest_path(c), (size_t)(slash - guest_path(c)));
    return failed ? fail_tree(c, failed) : ADK_OK;
}

static int copy_content(struct copy *c, int fd, adk__vfs_inode *inode)
{
    uint64_t offset = 0;
    size_t written;
    ssize_t got;
    int failed;

    while (!must_stop(c)) {
        got = pread(fd, c->buffer, COPY_BYTES, (off_t)offset);
        if (got < 0)
            return fail_host(c, "read", errno);
        if (got == 0)
            return ADK_OK;
        failed = adk__vfs_pwrite(inode, c->buffer, (size_t)got, offset, &written);
        if (!failed && written < (size_t)got)
            failed = -ENOSPC;
        if (failed)
            return fail_tree(c, failed);
        offset += (uint64_t)got;
    }
    return ADK_OK;
}

static int copy_file(struct copy *c, int fd)
{
    const uint32_t flags = ADK__VFS_OPEN_CREATE | ADK__VFS_OPEN_EXCLUSIVE | ADK__VFS_OPEN_WRITE;
    adk__vfs_inode *inode;
    int failed = adk__vfs_open(c->root, guest_path(c), c->guest.size, flags, &inode);
    int status;

    if (failed)
        return fail_tree(c, failed);
    status = copy_content(c, fd, inode);
    adk__vfs_drop(inode);
    return status;
}

static int copy_link(struct copy *c, int dir, const char *name)
{
    char target[ADK__VFS_PATH_MAX];
    ssize_t size = readlinkat(dir, name, target, sizeof(target));
    int failed;

    if (size < 0)
        return fail_host(c, "read the link", errno);
    failed = adk__vfs_symlink(target, (size_t)size, true, c->root, guest_path(c), c->guest.size);
    return failed ? fail_tree(c, failed) : ADK_OK;
}

/* ---- trees -------------------------------------------------------------------------------------------------------- */

static int enter(struct copy *c, int *take_fd)
{
    struct level *level;

    if (c->depth == DEPTH_MAX)
        return adk__fail(c->ret_error, ADK_E_INVALID, 0, "\"%.*s\" lies deeper than %d directories", shown(&c->host),
                         (const char *)c->host.data, DEPTH_MAX);
    level = malloc(sizeof(*level));
    if (level == NULL)
        return adk__fail_nomem(c->ret_error);
    level->dir = fdopendir(*take_fd);
    if (level->dir == NULL) {
        free(level);
        return fail_host(c, "read the directory", errno);
    }
    *take_fd = -1;
    level->guest_size = c->guest.size;
    level->host_size = c->host.size;
    level->above = c->level;
    c->level = level;
    c->depth++;
    return ADK_OK;
}

static void leave(struct copy *c)
{
    struct level *level = c->level;

    c->level = level->above;
    c->depth--;
    (void)closedir(level->dir);
    free(level);
}

static int copy_directory(struct copy *c, int *take_fd)
{
    int failed = c->guest.size == 0 ? 0 : adk__vfs_mkdir(c->root, guest_path(c), c->guest.size);

    if (failed == -EEXIST)
        failed = adk__vfs_mkdir_all(c->root, guest_path(c), c->guest.size); /* fine if it is a directory */
    if (failed)
        return fail_tree(c, failed);
    return enter(c, take_fd);
}

/* `take_fd` is open, and is what the name stood for at that moment. */
static int copy_open(struct copy *c, int *take_fd)
{
    struct stat info;

    if (fstat(*take_fd, &info) != 0)
        return fail_host(c, "look at", errno);
    if (S_ISDIR(info.st_mode))
        return copy_directory(c, take_fd);
    if (!S_ISREG(info.st_mode))
        return adk__fail(c->ret_error, ADK_E_INVALID, 0, "\"%.*s\" is neither a file nor a directory", shown(&c->host),
                         (const char *)c->host.data);
    if (c->guest.size == 0)
        return adk__fail(c->ret_error, ADK_E_INVALID, 0, "\"%.*s\" is a file: only a directory can be the root",
                         shown(&c->host), (const char *)c->host.data);
    return copy_file(c, *take_fd);
}

/* What is not a file, a directory or a link is not even opened: opening a device can have effects. */
static int copy_entry(struct copy *c, const char *name)
{
    ADK_AUTO_CLOSE int fd = -1;
    int dir = dirfd(c->level->dir);
    struct stat info;

    if (fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_host(c, "look at", errno);
    if (S_ISLNK(info.st_mode))
        return copy_link(c, dir, name);
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode))
        return adk__fail(c->ret_error, ADK_E_INVALID, 0, "\"%.*s\" is neither a file nor a directory nor a link",
                         shown(&c->host), (const char *)c->host.data);
    fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return fail_host(c, "open", errno);
    return copy_open(c, &fd);
}

static int append_name(struct copy *c, const char *name)
{
    int failed = 0;

    c->guest.size = c->level->guest_size;
    c->host.size = c->level->host_size;
    if (c->guest.size > 0)
        failed = adk__buf_append(&c->guest, "/", 1);
    if (!failed)
        failed = adk__buf_append(&c->guest, name, strlen(name));
    if (!failed)
        failed = adk__buf_append(&c->host, "/", 1);
    if (!failed)
        failed = adk__buf_append(&c->host, name, strlen(name));
    if (failed == -ENOMEM)
        return adk__fail_nomem(c->ret_error);
    if (failed)
        return adk__fail(c->ret_error, ADK_E_INVALID, ENAMETOOLONG, "copy the directory \"%.*s\"", shown(&c->host),
                         (const char *)c->host.data);
    return ADK_OK;
}

/* The next entry of the innermost directory, or out of it. */
static int step(struct copy *c)
{
    struct dirent *entry;
    int status;

    errno = 0;
    entry = readdir(c->level->dir);
    if (entry == NULL) {
        if (errno != 0)
            return fail_host(c, "read the directory", errno);
        leave(c);
        return ADK_OK;
    }
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return ADK_OK;
    status = append_name(c, entry->d_name);
    return status == ADK_OK ? copy_entry(c, entry->d_name) : status;
}

static int copy_host_path(struct copy *c, const char *path)
{
    ADK_AUTO_CLOSE int fd = -1;
    struct stat info;
    int status;

    if (stat(path, &info) == 0 && !S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode))
        return adk__fail(c->ret_error, ADK_E_INVALID, 0, "\"%s\" is neither a file nor a directory", path);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); /* the caller's own path: links in it are meant */
    if (fd < 0)
        return fail_host(c, "open", errno);
    status = copy_open(c, &fd);
    while (status == ADK_OK && c->level != NULL && !must_stop(c))
        status = step(c);
    while (c->level != NULL)
        leave(c);
    return status;
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

static int load_file(struct copy *c, const adk_file *file)
{
    adk_bytes path = adk__request_path(file->path);
    const char *host = file->host_path_cstr;
    int failed;
    int status;

    c->guest.size = 0;
    c->host.size = 0;
    failed = adk__buf_append(&c->guest, path.data, path.size);
    if (!failed && host != NULL)
        failed = adk__buf_append(&c->host, host, strlen(host));
    if (failed == -ENOMEM)
        return adk__fail_nomem(c->ret_error);
    if (failed)
        return adk__fail(c->ret_error, ADK_E_INVALID, ENAMETOOLONG, "the path of a file");
    status = make_parents(c);
    if (status != ADK_OK || c->stop != ADK__INPUTS_DONE)
        return status;
    if (host != NULL)
        return copy_host_path(c, host);
    failed = adk__vfs_add_borrowed(c->root, guest_path(c), c->guest.size, file->content.data, file->content.size);
    return failed ? fail_tree(c, failed) : ADK_OK;
}

int adk__inputs_load(const adk_request *request, adk__vfs *vfs, adk__interrupt *interrupt, adk__inputs_stop *ret_stop,
                     adk_error **ret_error)
{
    struct copy c = {.root = adk__vfs_root(vfs),
                     .interrupt = interrupt,
                     .guest = ADK__BUF_INIT(ADK__VFS_PATH_MAX),
                     .host = ADK__BUF_INIT((size_t)2 * ADK__VFS_PATH_MAX),
                     .buffer = malloc(COPY_BYTES),
                     .ret_error = ret_error};
    int status = c.buffer == NULL ? adk__fail_nomem(ret_error) : ADK_OK;

    for (size_t i = 0; i < request->files_count && status == ADK_OK && !must_stop(&c); i++)
        status = load_file(&c, &request->files[i]);
    adk__buf_free(&c.guest);
    adk__buf_free(&c.host);
    free(c.buffer);
    if (status != ADK_OK)
        return status;
    adk__vfs_mark(vfs);
    *ret_stop = c.stop;
    return ADK_OK;
}
