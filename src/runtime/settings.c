#include "runtime/settings.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/struct_size.h"

/*
 * What an interpreter's calls may take: recursion of the programs in it is recursion of its own. The stack that it keeps in
 * its memory (manifest.c) is twice as large, so that this one ends first: in a trap.
 */
#define STACK_BYTES ((uint64_t)2 << 20)

static bool copy_text(const char *text, char **ret_copy)
{
    *ret_copy = text == NULL ? NULL : strdup(text);
    return text == NULL || *ret_copy != NULL;
}

int adk__runtime_settings_read(const adk_runtime_options *given, adk__runtime_settings *ret_settings,
                               adk_error **ret_error)
{
    static const adk_runtime_options defaults = ADK_RUNTIME_OPTIONS_INIT;
    static const adk_wasm_options wasm_defaults = ADK_WASM_OPTIONS_INIT;
    adk_runtime_options options;
    adk__runtime_settings settings = {0};

    if (!adk__struct_read(&options, sizeof(options), given == NULL ? &defaults : given) ||
        !adk__struct_read(&settings.wasm, sizeof(settings.wasm), options.wasm == NULL ? &wasm_defaults : options.wasm))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of the options");
    if ((options.flags & ~(uint32_t)(ADK_RUNTIME_IN_PROCESS | ADK_RUNTIME_ONCE)) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "unknown flags %#x in the options", options.flags);
    if ((options.flags & ADK_RUNTIME_IN_PROCESS) != 0 && (settings.wasm.flags & ADK_WASM_ARMOURED) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "programs in this process cannot be armoured");
    settings.flags = options.flags;
    if (options.runtime_cstr != NULL)
        settings.preferred = adk_runtime_find(options.runtime_cstr);
    if (options.runtime_cstr != NULL && settings.preferred == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "there is no runtime of the name that the options give");
    if (!copy_text(options.directory_cstr, &settings.directory) ||
        !copy_text(settings.wasm.worker_cstr, &settings.worker) ||
        !copy_text(settings.wasm.disk_cache_cstr, &settings.disk_cache) ||
        !copy_text(settings.wasm.disk_key_cstr, &settings.disk_key)) {
        adk__runtime_settings_free(&settings);
        return adk__fail_nomem(ret_error);
    }
    settings.wasm.worker_cstr = settings.worker;
    settings.wasm.disk_cache_cstr = settings.disk_cache;
    settings.wasm.disk_key_cstr = settings.disk_key;
    settings.wasm.entry_cstr = NULL;
    settings.wasm.host_functions = NULL;
    settings.wasm.host_functions_count = 0;
    if (settings.wasm.stack_bytes == 0)
        settings.wasm.stack_bytes = STACK_BYTES;
    *ret_settings = settings;
    return ADK_OK;
}

void adk__runtime_settings_free(adk__runtime_settings *settings)
{
    free(settings->directory);
    free(settings->worker);
    free(settings->disk_cache);
    free(settings->disk_key);
    *settings = (adk__runtime_settings){0};
}
