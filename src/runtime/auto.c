/*
 * The one front: a request goes to the backend for its language. The WebAssembly backend is there from the beginning, those
 * of runtimes are opened when a program first asks for them, each once.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/backend.h"
#include "core/error.h"
#include "runtime/manifest.h"
#include "runtime/open.h"

#define LANGUAGES_MAX 32

struct front {
    adk__runtime_settings settings;
    adk_backend *wasm;
    pthread_mutex_t mutex;                             /* of opening */
    _Atomic(adk_backend *) by_language[LANGUAGES_MAX]; /* of runtimes; NULL: not opened yet */
};

static const adk_runtime *runtime_of(const struct front *front, adk_language language)
{
    const adk_runtime *preferred = front->settings.preferred;

    if (preferred != NULL && (preferred->info.languages >> language & 1) != 0)
        return preferred;
    return adk__runtime_for(language);
}

static int open_for(struct front *front, adk_language language, adk_backend **ret_backend, adk_error **ret_error)
{
    const adk_runtime *runtime = runtime_of(front, language);
    adk_backend *backend = atomic_load(&front->by_language[language]);
    ADK_AUTO_UNLOCK pthread_mutex_t *lock = NULL;
    int code;

    if (backend == NULL) {
        (void)pthread_mutex_lock(&front->mutex);
        lock = &front->mutex;
        backend = atomic_load(&front->by_language[language]);
    }
    if (backend == NULL) {
        code = adk__runtime_open(runtime, &front->settings, &backend, ret_error);
        if (code != ADK_OK)
            return code;
        atomic_store(&front->by_language[language], backend);
    }
    *ret_backend = backend;
    return ADK_OK;
}

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    struct front *front = state;
    adk_request handed = *request;
    adk_backend *backend = front->wasm;
    int code = ADK_OK;

    handed.on_trace = NULL; /* one span for a run, with this backend's name */
    if (request->language != ADK_LANGUAGE_WASM)
        code = open_for(front, request->language, &backend, ret_error);
    return code == ADK_OK ? adk_backend_execute(backend, &handed, cancel, ret_result, ret_error) : code;
}

static int route(void *state, adk_language language, adk_backend **ret_backend, adk_error **ret_error)
{
    struct front *front = state;

    if (language != ADK_LANGUAGE_WASM)
        return open_for(front, language, ret_backend, ret_error);
    *ret_backend = front->wasm;
    return ADK_OK;
}

static void destroy(void *state)
{
    struct front *front = state;

    for (size_t i = 0; i < LANGUAGES_MAX; i++)
        adk_backend_free(atomic_load(&front->by_language[i]));
    adk_backend_free(front->wasm);
    adk__runtime_settings_free(&front->settings);
    (void)pthread_mutex_destroy(&front->mutex);
    free(front);
}

static int new_front(const adk_runtime_options *options, struct front **ret_front, adk_error **ret_error)
{
    struct front *front = calloc(1, sizeof(*front));
    int failed = front == NULL ? ENOMEM : pthread_mutex_init(&front->mutex, NULL);
    int code;

    if (failed) {
        free(front);
        return adk__fail_nomem(ret_error);
    }
    code = adk__runtime_settings_read(options, &front->settings, ret_error);
    if (code == ADK_OK)
        code = adk_wasm_backend_new(options == NULL ? NULL : options->wasm, &front->wasm, ret_error);
    if (code != ADK_OK) {
        destroy(front);
        return code;
    }
    *ret_front = front;
    return ADK_OK;
}

int adk_auto_backend_new(const adk_runtime_options *options, adk_backend **ret_backend, adk_error **ret_error)
{
    const adk_backend_ops ops = {sizeof(ops), execute, destroy};
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    struct front *front = NULL;
    const adk_runtime *runtime;
    uint32_t session_languages = 0;
    int code = new_front(options, &front, ret_error);

    if (code != ADK_OK)
        return code;
    adk_backend_capabilities(front->wasm, &capabilities);
    for (size_t i = 0; (runtime = adk_runtime_at(i)) != NULL; i++) {
        capabilities.languages |= runtime->info.languages;
        if (runtime->keeps_sessions && (front->settings.flags & ADK_RUNTIME_IN_PROCESS) == 0)
            session_languages |= runtime->info.languages;
    }
    code = adk_backend_new(&ops, front, "auto", &capabilities, ret_backend, ret_error);
    if (code != ADK_OK) {
        destroy(front);
        return code;
    }
    adk__backend_set_router(*ret_backend);
    adk__backend_set_route(*ret_backend, route, session_languages);
    runtime = front->settings.preferred;
    if (runtime != NULL)
        adk__backend_set_memory_default_of(*ret_backend, (adk_language)__builtin_ctz(runtime->info.languages),
                                           runtime->info.memory_default_bytes);
    return ADK_OK;
}
