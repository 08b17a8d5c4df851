#include "cli/cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/escape.h"
#include "cli/message.h"

/* The specification wants relative paths ignored. */
static int below_home(const char *variable, const char *fallback, const char *rest, char **ret_path,
                      adk_error **ret_error)
{
    const char *base = getenv(variable);
    const char *home = getenv("HOME");
    int length;

    if (base != NULL && base[0] == '/')
        length = asprintf(ret_path, "%s/%s", base, rest);
    else if (home != NULL && home[0] == '/')
        length = asprintf(ret_path, "%s/%s/%s", home, fallback, rest);
    else
        return cli_fail(ret_error, ADK_E_INVALID, 0, "neither %s nor HOME says where compiled modules are kept",
                        variable);
    if (length < 0) {
        *ret_path = NULL;
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    }
    return ADK_OK;
}

int cli_cache_find(struct cli_cache *cache, adk_error **ret_error)
{
    int failed;

    *cache = (struct cli_cache){0};
    failed = below_home("XDG_CACHE_HOME", ".cache", "adk-sandbox/modules", &cache->directory, ret_error);
    if (failed == ADK_OK)
        failed = below_home("XDG_DATA_HOME", ".local/share", "adk-sandbox/cache.key", &cache->key, ret_error);
    if (failed != ADK_OK)
        cli_cache_free(cache);
    return failed;
}

void cli_cache_free(struct cli_cache *cache)
{
    free(cache->directory);
    free(cache->key);
    *cache = (struct cli_cache){0};
}

static int make_parents(const char *path, adk_error **ret_error)
{
    ADK_AUTO_FREE char *part = strdup(path);

    if (part == NULL)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, S_IRWXU) != 0 && errno != EEXIST) {
            struct cli_name shown;
            int failed = errno;

            return cli_fail(ret_error, ADK_E_SYSTEM, failed, "cannot make the directory \"%s\": %s",
                            cli_name_cstr(part, &shown), strerror(failed));
        }
        *slash = '/';
    }
    return ADK_OK;
}

int cli_cache_make_parents(const struct cli_cache *cache, adk_error **ret_error)
{
    int failed = make_parents(cache->directory, ret_error);

    return failed == ADK_OK ? make_parents(cache->key, ret_error) : failed;
}

static bool has_file(const adk_runtime *runtime)
{
    char *path = NULL;
    bool has = adk_runtime_path(runtime, NULL, &path, NULL) == ADK_OK && access(path, R_OK) == 0;

    adk_free(path);
    return has;
}

bool cli_runtime_is_installed(const adk_runtime *runtime)
{
    adk_runtime_info info = ADK_RUNTIME_INFO_INIT;
    const adk_runtime *needed;

    adk_runtime_describe(runtime, &info);
    needed = info.needs_cstr == NULL ? NULL : adk_runtime_find(info.needs_cstr);
    return has_file(runtime) && (needed == NULL || has_file(needed));
}

/* The first of a language is what runs it, unless another is preferred. */
uint32_t cli_installed_languages(const char *preferred)
{
    uint32_t languages = 1u << ADK_LANGUAGE_WASM;
    uint32_t seen = 0;
    adk_runtime_info info = ADK_RUNTIME_INFO_INIT;
    const adk_runtime *runtime = preferred == NULL ? NULL : adk_runtime_find(preferred);

    for (size_t i = 0;; i++) {
        if (runtime != NULL) {
            adk_runtime_describe(runtime, &info);
            if ((seen & info.languages) == 0 && cli_runtime_is_installed(runtime))
                languages |= info.languages;
            seen |= info.languages;
        }
        runtime = adk_runtime_at(i);
        if (runtime == NULL)
            return languages;
    }
}

const char *cli_check_isolation(const char *text)
{
    if (strcmp(text, "wasm") != 0 && strcmp(text, "wasm+process") != 0)
        return "is neither wasm nor wasm+process";
    return NULL;
}

const char *cli_check_runtime(const char *text)
{
    return adk_runtime_find(text) == NULL ? "is no runtime: see adk-sandbox runtime list" : NULL;
}

int cli_cache_backend(adk_wasm_options *options, const char *isolation, const char *runtime, uint32_t flags,
                      adk_backend **ret_backend, adk_error **ret_error)
{
    adk_runtime_options runtimes = ADK_RUNTIME_OPTIONS_INIT;
    struct cli_cache cache;
    int failed = cli_cache_find(&cache, NULL);

    runtimes.wasm = options;
    runtimes.flags = flags;
    if (isolation != NULL && strcmp(isolation, "wasm") == 0)
        runtimes.flags |= ADK_RUNTIME_IN_PROCESS;
    else if (isolation != NULL)
        options->flags |= ADK_WASM_ARMOURED;
    runtimes.runtime_cstr = runtime;
    if (failed == ADK_OK && access(cache.directory, X_OK) == 0 && access(cache.key, R_OK) == 0) {
        options->disk_cache_cstr = cache.directory;
        options->disk_key_cstr = cache.key;
        failed = adk_auto_backend_new(&runtimes, ret_backend, NULL);
        options->disk_cache_cstr = NULL;
        options->disk_key_cstr = NULL;
        if (failed == ADK_OK) {
            cli_cache_free(&cache);
            return ADK_OK;
        }
    }
    cli_cache_free(&cache);
    return adk_auto_backend_new(&runtimes, ret_backend, ret_error);
}
