/*
 * Where the helper program is.
 */
#include "worker/protocol.h"

#include <errno.h>
#include <limits.h>
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

/* The directory of the running program, without a slash at its end. */
static bool program_directory(char *ret_directory, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", ret_directory, size - 1);
    char *slash;

    if (length <= 0 || (size_t)length >= size - 1)
        return false;
    ret_directory[length] = '\0';
    slash = strrchr(ret_directory, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
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
    }
    if (!failed && *ret_path == NULL)
        failed = take_if_there(ADK_LIBEXEC_DIR, "", ret_path);
    return failed;
}
