/*
 * Where the command keeps compiled modules: `compile` puts them there, `run` finds them.
 */
#ifndef ADK_CLI_CACHE_H
#define ADK_CLI_CACHE_H

#include <stdbool.h>

#include <adk/error.h>
#include <adk/runtime.h>
#include <adk/wasm.h>

/** Paths after the XDG base directory specification, owned. */
struct cli_cache {
    char *directory; /* $XDG_CACHE_HOME/adk-sandbox/modules, by default below ~/.cache */
    char *key;       /* $XDG_DATA_HOME/adk-sandbox/cache.key, by default below ~/.local/share */
};

/** Finds out the paths. ADK_E_NOMEM; ADK_E_INVALID where there is no home directory to derive them from. */
int cli_cache_find(struct cli_cache *cache, adk_error **ret_error);
void cli_cache_free(struct cli_cache *cache);

/** Makes the directories above both (mode 0700). */
int cli_cache_make_parents(const struct cli_cache *cache, adk_error **ret_error);

/** Whether the files of a runtime are there, and of what it needs. */
bool cli_runtime_is_installed(const adk_runtime *runtime);

/**
 * The languages that can be run without anything being installed first: 1u << ADK_LANGUAGE_X for each. `preferred` is as below.
 */
uint32_t cli_installed_languages(const char *preferred);

/** What is wrong with a text given to --isolation, --runtime; NULL where nothing is. */
const char *cli_check_isolation(const char *text);
const char *cli_check_runtime(const char *text);

/**
 * A backend for all languages that finds what is in the cache, if there is one and it is sound; else one without.
 * `isolation`: "wasm", everything in this process; "wasm+process", in processes of their own or not at all; NULL, modules in
 * this process and languages in others, where there is a helper program. `runtime` is preferred for its language; NULL: none
 * is. `flags` are ADK_RUNTIME_*.
 */
int cli_cache_backend(adk_wasm_options *options, const char *isolation, const char *runtime, uint32_t flags,
                      adk_backend **ret_backend, adk_error **ret_error);

#endif
