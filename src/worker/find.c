/*
 * Where the helper program is.
 */
#include "worker/protocol.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifndef ADK_LIBEXEC_DIR
#define ADK_LIBEXEC_DIR "/usr/local/libexec/adk-sandbox"
#endif
/* From the directory of the shared library to that of the helper program. */
#ifndef ADK_LIBEXEC_FROM_LIB
#define ADK_LIBEXEC_FROM_LIB "/../libexec/adk-sandbox"
#endif

/* Cuts a path down to its directory, without a slash at its end. */
static bool cut_to_directory(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash != NULL)
        *slash = '\0';
    return slash != NULL;
}

/*
 * The directory of the shared library that this is part of. There is none where the library is part of the program,
 * of which the linker knows no more than what it was called by.
 */
static bool library_directory(char *ret_directory, size_t size)
{
    static const char here;
    struct link_map *map = NULL;
    Dl_info info;

    if (dladdr1(&here, &info, (void **)&map, RTLD_DL_LINKMAP) == 0 || map == NULL || map->l_name == NULL ||
        map->l_name[0] != '/' || strlen(map->l_name) >= size)
        return false;
    (void)memccpy(ret_directory, map->l_name, '\0', size);
    return cut_to_directory(ret_directory);
}

/* The directory of the running program. */
static bool program_directory(char *ret_directory, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", ret_directory, size - 1);

    if (length <= 0 || (size_t)length >= size - 1)
        return false;
    ret_directory[length] = '\0';
    return cut_to_directory(ret_directory);
}

static int take_if_there(const char *directory, const char *below, char **ret_path)
{
    char path[PATH_MAX + 64];
    int length = snprintf(path, sizeof(path), "%s%s/adk-worker", directory, below);

    if (length < 0 || (size_t)length >= sizeof(path) || access(path, X_OK) != 0)
        return 0;
    *ret_path = strdup(path);
    return *ret_path == NULL ? ENOMEM : 0;
}

/* The working directory may change before it is started. */
static int take_given(const char *given, char **ret_path)
{
    ADK_AUTO_FREE char *directory = given[0] == '/' ? NULL : getcwd(NULL, 0);

    if (directory == NULL)
        *ret_path = strdup(given);
    else if (asprintf(ret_path, "%s/%s", directory, given) < 0)
        *ret_path = NULL;
    return *ret_path == NULL ? ENOMEM : 0;
}

int adk__worker_find(const char *given, char **ret_path)
{
    const char *from_environment = secure_getenv("ADK_SANDBOX_WORKER");
    char directory[PATH_MAX];
    int failed = 0;

    *ret_path = NULL;
    if (given == NULL && from_environment != NULL && from_environment[0] != '\0')
        given = from_environment;
    if (given != NULL)
        return take_given(given, ret_path);
    /* A program with privileges that its user lacks may have been linked to from anywhere. */
    if (getauxval(AT_SECURE) == 0 && program_directory(directory, sizeof(directory))) {
        failed = take_if_there(directory, "", ret_path);
        if (!failed && *ret_path == NULL)
            failed = take_if_there(directory, "/../libexec/adk-sandbox", ret_path);
        if (!failed && *ret_path == NULL && library_directory(directory, sizeof(directory)))
            failed = take_if_there(directory, ADK_LIBEXEC_FROM_LIB, ret_path);
    }
    if (!failed && *ret_path == NULL)
        failed = take_if_there(ADK_LIBEXEC_DIR, "", ret_path);
    return failed;
}
