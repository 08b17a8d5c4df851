/*
 * Modules by name, from the one directory that the operator allows. A name is one component of a path and does not begin
 * with a dot, so it cannot leave the directory; the directory stays the one that was opened when the tool was made; links
 * are not followed, and what is not a regular file is refused.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "core/error.h"
#include "tool/tool.h"

#define NAME_MOST 255

static bool is_name(adk_bytes name)
{
    const unsigned char *text = name.data;

    if (name.size == 0 || name.size > NAME_MOST || text[0] == '.' || !adk__utf8_valid(text, name.size))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        if (text[i] == '/' || text[i] < 0x20 || text[i] == 0x7f)
            return false;
    }
    return true;
}

static int fail_module(const char *name, const char *why, adk_error **ret_error)
{
    adk__buf shown = ADK__BUF_INIT(4 * ADK__NAME_SHOWN + 8);
    int failed;

    (void)adk__text_append_escaped(&shown, name, strlen(name), ADK__NAME_SHOWN);
    failed = adk__fail(ret_error, ADK_E_INVALID, 0, "module \"%.*s\" %s", (int)shown.size,
                       shown.size == 0 ? "" : (const char *)shown.data, why);
    adk__buf_free(&shown);
    return failed;
}

/* Reads to the end of the file, which may have become longer or shorter since its size was asked for. */
static int read_all(int fd, const char *name, size_t size, void **ret_data, size_t *ret_size, adk_error **ret_error)
{
    ADK_AUTO_FREE char *data = malloc(size + 1);
    size_t at = 0;

    if (data == NULL)
        return adk__fail_nomem(ret_error);
    while (at <= size) {
        ssize_t got = read(fd, data + at, size + 1 - at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return adk__fail(ret_error, ADK_E_SYSTEM, errno, "read a module");
        if (got == 0)
            break;
        at += (size_t)got;
    }
    if (at > size)
        return fail_module(name, "is being written at the moment", ret_error);
    *ret_data = adk__take_ptr(data);
    *ret_size = at;
    return ADK_OK;
}

int adk__tool_read_module(const adk_tool *tool, adk_bytes given, void **ret_data, size_t *ret_size,
                          adk_error **ret_error)
{
    ADK_AUTO_CLOSE int fd = -1;
    char name[NAME_MOST + 1] = "";
    struct stat status;

    if (tool->modules_fd < 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "\"module\" cannot be used here: there is no directory of modules; give \"code\"");
    if (!is_name(given))
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "\"module\" must be the name of a module, without a slash and not beginning with a dot");
    memcpy(name, given.data, given.size);
    fd = openat(tool->modules_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return fail_module(name, "does not exist", ret_error);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return adk__fail(ret_error, ADK_E_SYSTEM, errno, "open a module");
    if (fd < 0)
        return fail_module(name, "cannot be opened", ret_error);
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return fail_module(name, "is not a regular file", ret_error);
    if (status.st_size < 0 || (uint64_t)status.st_size > ADK_CODE_MAX_BYTES)
        return fail_module(name, "is larger than a module may be, 64 MiB", ret_error);
    return read_all(fd, name, (size_t)status.st_size, ret_data, ret_size, ret_error);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_listed(int dir, const struct dirent *entry)
{
    struct stat status;

    return is_name(adk_bytes_from_cstr(entry->d_name)) &&
           fstatat(dir, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode);
}

/* Returns how many names there are, or -1 without memory. */
static int read_names(DIR *dir, char *names[ADK__MODULES_LISTED])
{
    struct dirent *entry;
    int count = 0;

    while (count < ADK__MODULES_LISTED && (entry = readdir(dir)) != NULL) {
        if (!is_listed(dirfd(dir), entry))
            continue;
        names[count] = strdup(entry->d_name);
        if (names[count] == NULL) {
            while (count > 0)
                free(names[--count]);
            return -1;
        }
        count++;
    }
    return count;
}

json_t *adk__tool_list_modules(const adk_tool *tool)
{
    char *names[ADK__MODULES_LISTED];
    json_t *list = json_array();
    int fd = tool->modules_fd < 0 ? -1 : openat(tool->modules_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int count = dir == NULL ? 0 : read_names(dir, names);
    int failed = count < 0;

    if (dir != NULL)
        (void)closedir(dir);
    else if (fd >= 0)
        (void)close(fd);
    if (count > 0)
        qsort(names, (size_t)count, sizeof(names[0]), compare);
    for (int i = 0; i < count; i++) {
        failed |= json_array_append_new(list, json_string(names[i]));
        free(names[i]);
    }
    if (failed != 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}
