/*
 * Opening a runtime, warm or cold; and its warm image (worker/image.h): the interpreter with its driver, and with a library
 * where its language needs one.
 *
 * No fallback is silent. Who has a worker gets runs in processes of their own, or an error that says why not; only where
 * there is none at all, or none is wanted, does a program run in this process, and its isolation says so.
 */
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/error.h"
#include "runtime/open.h"
#include "runtime/store.h"
#include "worker/image.h"
#include "worker/protocol.h"

#define FILE_LIBRARY ADK__CHECKPOINT_DIR "/library.js"
#define ENV_ONCE     "ADK_ONCE" /* tells the driver that few runs will come */
#define FILES_MAX    3

/* What a larger runtime brings beside module and driver. */
static int add_library(const adk_runtime *runtime, const char *directory, adk__buf *library, adk__runtime_image *image,
                       adk_file *files, adk_error **ret_error)
{
    int code = adk__store_read_pinned(runtime->library, directory, library, ret_error);

    files[image->files_count++] = (adk_file){adk_bytes_from_cstr(runtime->before_path_cstr),
                                             adk_bytes_make(runtime->before->data, runtime->before->size), NULL};
    files[image->files_count++] =
        (adk_file){adk_bytes_from_cstr(runtime->library_path_cstr), adk_bytes_make(library->data, library->size), NULL};
    image->features = runtime->features;
    image->entry_cstr = runtime->entry_cstr;
    image->warmup_timeout_ns = runtime->warmup_timeout_ns;
    return code;
}

int adk__warm_open(const adk_runtime *runtime, const adk__runtime_settings *settings, adk_backend **ret_backend,
                   adk_error **ret_error)
{
    const adk_runtime *base = adk__runtime_base(runtime);
    const adk_bytes driver = adk_bytes_make(runtime->driver->data, runtime->driver->size);
    adk_file files[FILES_MAX] = {{adk_bytes_from_cstr(runtime->driver_path_cstr), driver, NULL}};
    adk_bytes args[ADK__RUNTIME_ARGS_MAX + 1];
    uint8_t hash[ADK__SOURCE_HASH_BYTES];
    adk__runtime_image image = {.name_cstr = runtime->info.name_cstr,
                                .has_sessions = runtime->keeps_sessions,
                                .languages = runtime->info.languages,
                                .module_hash = hash,
                                .args = args,
                                .args_count = adk__runtime_command(runtime, args),
                                .files = files,
                                .files_count = 1,
                                .rehearsal = adk_bytes_from_cstr(runtime->rehearsal_cstr),
                                .memory_default_bytes = runtime->info.memory_default_bytes};
    const adk_env once = {adk_bytes_from_cstr(ENV_ONCE), adk_bytes_from_cstr("1")};
    adk_wasm_options wasm = settings->wasm;
    adk__buf library = ADK__BUF_INIT(0);
    ADK_AUTO_FREE char *path = NULL;
    int code = adk__store_find(base, settings->directory, &path, ret_error);

    if (code == ADK_OK &&
        sodium_hex2bin(hash, sizeof(hash), base->file_blake2b_cstr, 2 * sizeof(hash), NULL, NULL, NULL) != 0)
        code = adk__fail(ret_error, ADK_E_INTERNAL, 0, "the hash of the runtime \"%s\"", base->info.name_cstr);
    if (code == ADK_OK && runtime != base) {
        code = adk__store_read_pinned(runtime, settings->directory, &library, ret_error);
        files[1] = (adk_file){adk_bytes_from_cstr(FILE_LIBRARY), adk_bytes_make(library.data, library.size), NULL};
        image.files_count = 2;
    }
    if (code == ADK_OK && runtime->features != 0)
        code = add_library(runtime, settings->directory, &library, &image, files, ret_error);
    image.module_cstr = path;
    if ((settings->flags & ADK_RUNTIME_ONCE) != 0) {
        image.env = &once;
        image.env_count = 1;
        image.stock = 1;
    }
    if (wasm.compile_memory_bytes == 0)
        wasm.compile_memory_bytes = runtime->compile_memory_bytes;
    if (code == ADK_OK)
        code = adk__runtime_backend_new(&image, &wasm, ret_backend, ret_error);
    adk__buf_free(&library);
    return code;
}

int adk__runtime_open(const adk_runtime *runtime, const adk__runtime_settings *settings, adk_backend **ret_backend,
                      adk_error **ret_error)
{
    ADK_AUTO_FREE char *worker = NULL;

    if ((settings->flags & ADK_RUNTIME_IN_PROCESS) != 0)
        return adk__cold_open(runtime, settings, ret_backend, ret_error);
    if (adk__worker_find(settings->wasm.worker_cstr, &worker) != 0)
        return adk__fail_nomem(ret_error);
    return worker != NULL ? adk__warm_open(runtime, settings, ret_backend, ret_error)
                          : adk__cold_open(runtime, settings, ret_backend, ret_error);
}

int adk_runtime_backend_new(const adk_runtime *runtime, const adk_runtime_options *options, adk_backend **ret_backend,
                            adk_error **ret_error)
{
    adk__runtime_settings settings;
    int code = adk__runtime_settings_read(options, &settings, ret_error);

    if (code != ADK_OK)
        return code;
    code = adk__runtime_open(runtime, &settings, ret_backend, ret_error);
    adk__runtime_settings_free(&settings);
    return code;
}
