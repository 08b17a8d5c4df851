/*
 * Places. What is looked at before a run may have changed when it is over: writing (beneath.h) trusts none of it.
 */
#include "cli/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/* The directory part of host[0..size-1], which does not end with a slash. NULL: no memory. */
static char *parent_path(const char *host, size_t size)
{
    const char *slash = size == 0 ? host : memrchr(host, '/', size);

    if (slash == NULL)
        return strdup(".");
    return slash == host ? strdup("/") : strndup(host, (size_t)(slash - host));
}

static char *last_name(const char *host, size_t size)
{
    const char *slash = memrchr(host, '/', size);
    const char *name = slash == NULL ? host : slash + 1;

    return size == 0 ? strdup(".") : strndup(name, size - (size_t)(name - host));
}

int cli_place_open(const char *host, struct cli_place *ret_place)
{
    ADK_AUTO_FREE char *parent = NULL;
    size_t size = strlen(host);

    while (size > 0 && host[size - 1] == '/')
        size--;
    parent = parent_path(host, size);
    *ret_place = (struct cli_place){.parent = -1, .name = last_name(host, size), .is_directory = host[size] == '/'};
    if (parent == NULL || ret_place->name == NULL)
        return ENOMEM;
    ret_place->parent = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return ret_place->parent < 0 ? errno : 0;
}

void cli_place_close(struct cli_place *place)
{
    adk__auto_close(&place->parent);
    free(place->name);
    *place = (struct cli_place){.parent = -1};
}

static const char *judge_access(int dir, const char *name)
{
    return faccessat(dir, name, W_OK | X_OK, AT_EACCESS) == 0 ? NULL : strerror(errno);
}

const char *cli_place_judge(const struct cli_place *place, bool directory)
{
    struct stat info;

    if (fstatat(place->parent, place->name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? judge_access(place->parent, ".") : strerror(errno);
    if (S_ISDIR(info.st_mode))
        return judge_access(place->parent, place->name);
    if (S_ISLNK(info.st_mode))
        return "it is a symbolic link";
    if (directory || place->is_directory)
        return strerror(ENOTDIR);
    if (!S_ISREG(info.st_mode))
        return "it is neither a file nor a directory";
    return judge_access(place->parent, ".");
}

bool cli_place_holds_files(const struct cli_place *place)
{
    struct stat info;

    return place->is_directory ||
           (fstatat(place->parent, place->name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode));
}
