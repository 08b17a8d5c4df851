/*
 * Files of runtimes. A new one is written under no name at all (O_TMPFILE) where the file system can do that, else under a
 * name of its own, and takes its place in one step: who is interrupted leaves nothing that could be mistaken for it.
 */
#include "runtime/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "core/error.h"

#define READ_BYTES ((size_t)1 << 20)

/* ---- where -------------------------------------------------------------------------------------------------------- */

int adk__store_directory(const char *given, char **ret_path, adk_error **ret_error)
{
    const char *own = getenv("ADK_SANDBOX_RUNTIMES");
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    char *path = NULL;
    int length;

    if (given == NULL && own != NULL && *own != '\0')
        given = own;
    if (given != NULL)
        length = asprintf(&path, "%s", given);
    else if (data != NULL && data[0] == '/') /* the specification wants relative paths ignored */
        length = asprintf(&path, "%s/adk-sandbox/runtimes", data);
    else if (home != NULL && home[0] == '/')
        length = asprintf(&path, "%s/.local/share/adk-sandbox/runtimes", home);
    else
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "none of ADK_SANDBOX_RUNTIMES, XDG_DATA_HOME and HOME says where runtimes are kept");
    if (length < 0)
        return adk__fail_nomem(ret_error);
    *ret_path = path;
    return ADK_OK;
}

int adk_runtime_path(const adk_runtime *runtime, const char *directory_cstr, char **ret_path, adk_error **ret_error)
{
    ADK_AUTO_FREE char *directory = NULL;
    char *path = NULL;
    int code = adk__store_directory(directory_cstr, &directory, ret_error);

    if (code != ADK_OK)
        return code;
    if (asprintf(&path, "%s/%s", directory, runtime->file_cstr) < 0)
        return adk__fail_nomem(ret_error);
    *ret_path = path;
    return ADK_OK;
}

/* A path in a message of ours: escaped, and cut. */
static int fail_path(adk_error **ret_error, int code, int failed, const char *what, const char *path)
{
    adk__buf text = ADK__BUF_INIT((size_t)4096);

    if (adk__text_append_escaped(&text, path, strlen(path), ADK__NAME_SHOWN) != 0)
        code = adk__fail_nomem(ret_error);
    else
        code = adk__fail(ret_error, code, failed, "%s \"%.*s\"", what, (int)text.size, (const char *)text.data);
    adk__buf_free(&text);
    return code;
}

static int make_directories(const char *directory, adk_error **ret_error)
{
    ADK_AUTO_FREE char *part = NULL;

    if (asprintf(&part, "%s/", directory) < 0) {
        part = NULL;
        return adk__fail_nomem(ret_error);
    }
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, S_IRWXU) != 0 && errno != EEXIST)
            return fail_path(ret_error, ADK_E_SYSTEM, errno, "make the directory", part);
        *slash = '/';
    }
    return ADK_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* Returns 0 or an errno value; EFBIG where there is more than the buffer's maximum. */
static int read_all(int fd, uint64_t expected, adk__buf *content)
{
    int failed = adk__buf_reserve(content, expected < content->max ? (size_t)expected : content->max);
    ADK_AUTO_FREE uint8_t *step = failed ? NULL : malloc(READ_BYTES);

    if (step == NULL)
        return ENOMEM;
    for (;;) {
        ssize_t got = read(fd, step, READ_BYTES);

        if (got == 0)
            return 0;
        if (got < 0 && errno != EINTR)
            return errno;
        if (got > 0) {
            failed = adk__buf_append(content, step, (size_t)got);
            if (failed)
                return -failed;
        }
    }
}

int adk__store_read_given(const char *path, uint64_t most, adk__buf *content, adk_error **ret_error)
{
    ADK_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    int failed;

    if (fd < 0 || fstat(fd, &status) != 0)
        return fail_path(ret_error, ADK_E_INVALID, errno, "cannot read", path);
    if (!S_ISREG(status.st_mode))
        return fail_path(ret_error, ADK_E_INVALID, S_ISDIR(status.st_mode) ? EISDIR : EINVAL, "cannot read", path);
    content->max = (size_t)most;
    failed = read_all(fd, (uint64_t)status.st_size, content);
    if (failed == ENOMEM)
        return adk__fail_nomem(ret_error);
    if (failed)
        return fail_path(ret_error, ADK_E_INVALID, failed, "cannot read", path);
    return ADK_OK;
}

static int fail_unavailable(const adk_runtime *runtime, const char *what, adk_error **ret_error)
{
    return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the runtime \"%s\" %s: adk-sandbox runtime install %s",
                     runtime->info.name_cstr, what, runtime->info.name_cstr);
}

/* Of this user or of root, and of a size that is right; others cannot write to it. */
static bool is_sound(const adk_runtime *runtime, const struct stat *status)
{
    return S_ISREG(status->st_mode) && (status->st_uid == geteuid() || status->st_uid == 0) &&
           (status->st_mode & (S_IWGRP | S_IWOTH)) == 0 && (uint64_t)status->st_size == runtime->file_bytes;
}

/* Takes no path of its own: the caller has it, and closes *ret_fd. */
static int open_sound(const adk_runtime *runtime, const char *path, int *ret_fd, adk_error **ret_error)
{
    ADK_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    struct stat status;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return fail_unavailable(runtime, "is not installed", ret_error);
    if (fd < 0)
        return fail_path(ret_error, ADK_E_UNAVAILABLE, errno, "cannot open the runtime", path);
    if (fstat(fd, &status) != 0 || !is_sound(runtime, &status))
        return fail_unavailable(runtime, "is damaged, or others can write to it", ret_error);
    *ret_fd = adk__take_fd(&fd);
    return ADK_OK;
}

int adk__store_find(const adk_runtime *runtime, const char *directory, char **ret_path, adk_error **ret_error)
{
    ADK_AUTO_FREE char *path = NULL;
    ADK_AUTO_CLOSE int fd = -1;
    int code = adk_runtime_path(runtime, directory, &path, ret_error);

    if (code == ADK_OK)
        code = open_sound(runtime, path, &fd, ret_error);
    if (code == ADK_OK)
        *ret_path = adk__take_ptr(path);
    return code;
}

int adk__store_read(const adk_runtime *runtime, const char *directory, adk__buf *content, adk_error **ret_error)
{
    ADK_AUTO_FREE char *path = NULL;
    ADK_AUTO_CLOSE int fd = -1;
    int failed;
    int code = adk_runtime_path(runtime, directory, &path, ret_error);

    if (code == ADK_OK)
        code = open_sound(runtime, path, &fd, ret_error);
    if (code != ADK_OK)
        return code;
    content->max = (size_t)runtime->file_bytes;
    failed = read_all(fd, runtime->file_bytes, content);
    if (failed == ENOMEM)
        return adk__fail_nomem(ret_error);
    if (failed || content->size != runtime->file_bytes)
        return fail_unavailable(runtime, "is damaged", ret_error);
    return ADK_OK;
}

int adk__store_read_pinned(const adk_runtime *runtime, const char *directory, adk__buf *content, adk_error **ret_error)
{
    uint8_t hash[crypto_generichash_BYTES];
    char text[2 * sizeof(hash) + 1];
    int code = adk__store_read(runtime, directory, content, ret_error);

    if (code != ADK_OK)
        return code;
    if (sodium_init() < 0)
        return adk__fail(ret_error, ADK_E_SYSTEM, 0, "libsodium's sodium_init");
    (void)crypto_generichash(hash, sizeof(hash), content->data, content->size, NULL, 0);
    if (strcmp(sodium_bin2hex(text, sizeof(text), hash, sizeof(hash)), runtime->file_blake2b_cstr) == 0)
        return ADK_OK;
    return fail_unavailable(runtime, "is not as pinned, byte for byte", ret_error);
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

struct draft {
    int directory;
    int fd;
    char name[40]; /* empty while it has none */
};

static void name_draft(struct draft *draft)
{
    uint64_t random;

    randombytes_buf(&random, sizeof(random));
    (void)snprintf(draft->name, sizeof(draft->name), ".new-%016llx", (unsigned long long)random);
}

static int open_draft(struct draft *draft)
{
    const mode_t mode = S_IRUSR | S_IWUSR;

    draft->fd = openat(draft->directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    if (draft->fd >= 0)
        return 0;
    name_draft(draft);
    draft->fd = openat(draft->directory, draft->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (draft->fd >= 0)
        return 0;
    draft->name[0] = '\0';
    return errno;
}

static int write_draft(const struct draft *draft, adk_bytes content)
{
    int failed = adk__write_all(draft->fd, content.data, content.size);

    if (!failed && (fchmod(draft->fd, S_IRUSR | S_IWUSR) != 0 || fsync(draft->fd) != 0))
        failed = errno;
    return failed;
}

/* What has no name gets one; then it replaces what is there. */
static int publish(struct draft *draft, const char *name)
{
    char self[40];

    if (draft->name[0] == '\0') {
        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", draft->fd);
        if (linkat(AT_FDCWD, self, draft->directory, name, AT_SYMLINK_FOLLOW) == 0)
            return 0;
        if (errno != EEXIST)
            return errno;
        name_draft(draft);
        if (linkat(AT_FDCWD, self, draft->directory, draft->name, AT_SYMLINK_FOLLOW) != 0) {
            draft->name[0] = '\0';
            return errno;
        }
    }
    if (renameat(draft->directory, draft->name, draft->directory, name) != 0)
        return errno;
    draft->name[0] = '\0';
    return 0;
}

static int write_file(int directory, const char *name, adk_bytes content)
{
    struct draft draft = {.directory = directory, .fd = -1};
    int failed = open_draft(&draft);

    if (!failed)
        failed = write_draft(&draft, content);
    if (!failed)
        failed = publish(&draft, name);
    if (!failed)
        (void)fsync(directory);
    if (draft.name[0] != '\0')
        (void)unlinkat(directory, draft.name, 0);
    if (draft.fd >= 0)
        (void)close(draft.fd);
    return failed;
}

int adk__store_write(const adk_runtime *runtime, const char *directory, adk_bytes content, adk_error **ret_error)
{
    ADK_AUTO_FREE char *path = NULL;
    ADK_AUTO_CLOSE int fd = -1;
    int failed;
    int code = adk__store_directory(directory, &path, ret_error);

    if (code == ADK_OK)
        code = make_directories(path, ret_error);
    if (code != ADK_OK)
        return code;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_path(ret_error, ADK_E_SYSTEM, errno, "open the directory", path);
    failed = write_file(fd, runtime->file_cstr, content);
    if (failed)
        return fail_path(ret_error, ADK_E_SYSTEM, failed, "write the runtime to", path);
    return ADK_OK;
}

int adk_runtime_remove(const adk_runtime *runtime, const char *directory_cstr, adk_error **ret_error)
{
    ADK_AUTO_FREE char *path = NULL;
    int code = adk_runtime_path(runtime, directory_cstr, &path, ret_error);

    if (code != ADK_OK)
        return code;
    if (unlink(path) == 0)
        return runtime->library == NULL ? ADK_OK : adk_runtime_remove(runtime->library, directory_cstr, ret_error);
    if (errno == ENOENT || errno == ENOTDIR)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the runtime \"%s\" is not installed",
                         runtime->info.name_cstr);
    return fail_path(ret_error, ADK_E_SYSTEM, errno, "remove", path);
}
