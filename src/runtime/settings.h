/*
 * The options of backends for runtimes, copied with all they point to: a runtime is opened when it is first asked for.
 */
#ifndef ADK_RUNTIME_SETTINGS_H
#define ADK_RUNTIME_SETTINGS_H

#include <stdbool.h>

#include <adk/runtime.h>

typedef struct adk__runtime_settings {
    const adk_runtime *preferred; /* by the auto backend, for its languages; or NULL */
    uint32_t flags;               /* ADK_RUNTIME_* bits */
    char *directory;              /* NULL: the default */
    adk_wasm_options wasm;        /* what goes for interpreters: without entry and host functions */
    char *worker;
    char *disk_cache;
    char *disk_key;
} adk__runtime_settings;

/** Reads options, or NULL for the defaults. ADK_E_INVALID, ADK_E_NOMEM. */
ADK_MUST_USE int adk__runtime_settings_read(const adk_runtime_options *given, adk__runtime_settings *ret_settings,
                                            adk_error **ret_error);
void adk__runtime_settings_free(adk__runtime_settings *settings);

#endif
