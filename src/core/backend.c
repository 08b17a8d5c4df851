/*
 * The backend object: a vtable, its state, and what goes for every backend alike: the request is checked before any
 * work, the language must be one it speaks, the result is labelled, the span is traced.
 */
#include "core/backend.h"

#include <stdbool.h>
#include <string.h>

#include <adk/trace.h>

#include "base/clock.h"
#include "core/error.h"
#include "core/request.h"
#include "core/result.h"
#include "core/struct_size.h"

struct adk_backend {
    adk_backend_ops ops;
    void *state;
    adk_capabilities capabilities;
    bool is_router;
    uint64_t memory_default_bytes;
    adk__session_open_fn open_session;
    adk__backend_route_fn route;
    uint32_t session_languages;
    adk_language memory_language; /* whose default that is; ADK_LANGUAGE_DEFAULT: of all */
    char name[ADK__LABEL_MAX];
    char isolation[ADK__LABEL_MAX];
};

static int check_label(const char *what, const char *label, adk_error **ret_error)
{
    size_t size = label == NULL ? 0 : strnlen(label, ADK__LABEL_MAX);

    if (size == 0 || size == ADK__LABEL_MAX)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the backend's %s must have 1 to %d bytes", what,
                         ADK__LABEL_MAX - 1);
    return ADK_OK;
}

static uint32_t known_languages(void)
{
    uint32_t known = 0;

#define LANGUAGE_BIT(name, number, word) known |= 1u << (number);
    ADK_LANGUAGE_MAP(LANGUAGE_BIT)
#undef LANGUAGE_BIT
    return known;
}

int adk_backend_new(const adk_backend_ops *ops, void *state, const char *name_cstr,
                    const adk_capabilities *capabilities, adk_backend **ret_backend, adk_error **ret_error)
{
    ADK_AUTO_FREE adk_backend *backend = calloc(1, sizeof(*backend));
    int status;

    if (backend == NULL)
        return adk__fail_nomem(ret_error);
    if (!adk__struct_read(&backend->ops, sizeof(backend->ops), ops) ||
        !adk__struct_read(&backend->capabilities, sizeof(backend->capabilities), capabilities))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "struct_size of ops or capabilities");
    if (backend->ops.execute == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "ops.execute is NULL");
    if (backend->capabilities.languages == 0 || (backend->capabilities.languages & ~known_languages()) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "capabilities.languages is 0x%x: none, or one that does not exist",
                         backend->capabilities.languages);
    status = check_label("name", name_cstr, ret_error);
    if (status == ADK_OK)
        status = check_label("isolation", backend->capabilities.isolation_cstr, ret_error);
    if (status != ADK_OK)
        return status;
    (void)memccpy(backend->name, name_cstr, 0, sizeof(backend->name));
    (void)memccpy(backend->isolation, backend->capabilities.isolation_cstr, 0, sizeof(backend->isolation));
    backend->capabilities.isolation_cstr = backend->isolation;
    backend->state = state;
    *ret_backend = adk__take_ptr(backend);
    return ADK_OK;
}

void adk_backend_free(adk_backend *backend)
{
    if (backend == NULL)
        return;
    if (backend->ops.free != NULL)
        backend->ops.free(backend->state);
    free(backend);
}

const char *adk_backend_name_cstr(const adk_backend *backend)
{
    return backend->name;
}

void adk_backend_capabilities(const adk_backend *backend, adk_capabilities *ret_capabilities)
{
    adk__struct_write(ret_capabilities, &backend->capabilities, sizeof(backend->capabilities));
}

void *adk__backend_state(const adk_backend *backend,
                         int (*execute)(void *, const adk_request *, adk_cancel *, adk_result **, adk_error **))
{
    return backend->ops.execute == execute ? backend->state : NULL;
}

void adk__backend_set_router(adk_backend *backend)
{
    backend->is_router = true;
}

void adk__backend_set_sessions(adk_backend *backend, adk__session_open_fn open)
{
    backend->open_session = open;
    backend->session_languages = backend->capabilities.languages;
}

void adk__backend_set_route(adk_backend *backend, adk__backend_route_fn route, uint32_t languages)
{
    backend->route = route;
    backend->session_languages = languages;
}

void adk__backend_get_sessions(const adk_backend *backend, adk__backend_sessions *ret_sessions)
{
    *ret_sessions = (adk__backend_sessions){.state = backend->state,
                                            .open = backend->open_session,
                                            .route = backend->route,
                                            .enforced = backend->capabilities.enforced,
                                            .languages = backend->capabilities.languages,
                                            .session_languages = backend->session_languages,
                                            .memory_default_bytes = backend->memory_default_bytes,
                                            .name = backend->name,
                                            .isolation = backend->isolation};
}

void adk__backend_set_memory_default(adk_backend *backend, uint64_t bytes)
{
    backend->memory_default_bytes = bytes;
}

void adk__backend_set_memory_default_of(adk_backend *backend, adk_language language, uint64_t bytes)
{
    backend->memory_default_bytes = bytes;
    backend->memory_language = language;
}

void adk__backend_fill(const adk_backend *backend, const adk_request *given, adk_request *request)
{
    bool is_given = given->struct_size >= offsetof(adk_request, memory_limit_bytes) + sizeof(uint64_t) &&
                    given->memory_limit_bytes != 0;
    bool is_own = backend->memory_default_bytes != 0;

    if (request->language == ADK_LANGUAGE_DEFAULT) /* the first of a backend's languages is its own */
        request->language = (adk_language)__builtin_ctz(backend->capabilities.languages);
    if (is_given)
        return;
    if (backend->memory_language != ADK_LANGUAGE_DEFAULT && backend->memory_language != request->language)
        is_own = false;
    request->memory_limit_bytes =
        is_own ? backend->memory_default_bytes : adk__request_memory_default(request->language);
}

static int check_language(const adk_backend *backend, const adk_request *request, adk_error **ret_error)
{
    uint32_t languages = backend->capabilities.languages;

    if (request->language < 32 && (languages >> request->language & 1) != 0)
        return ADK_OK;
    if (strcmp(backend->name, "wasm") == 0) /* the original's words */
        return adk__fail(ret_error, ADK_E_INVALID, 0, "WasmBackend only supports Language::Wasm, got %s",
                         adk_language_cstr(request->language));
    return adk__fail(ret_error, ADK_E_INVALID, 0, "backend \"%s\" does not support language %s", backend->name,
                     adk_language_cstr(request->language));
}

static void trace(const adk_backend *backend, const adk_request *request, uint64_t duration_ns, int status,
                  const adk_result *result)
{
    bool is_labelled = backend->is_router && status == ADK_OK; /* by the one that it handed the request on to */
    adk_span span = {.struct_size = sizeof(span),
                     .backend_cstr = is_labelled ? result->backend : backend->name,
                     .language_cstr = adk_language_cstr(request->language),
                     .start_ns = adk__clock_ns(CLOCK_REALTIME) - duration_ns,
                     .duration_ns = duration_ns,
                     .error = status};

    if (status == ADK_OK) {
        span.compile_ns = result->usage.compile_ns;
        span.instantiate_ns = result->usage.instantiate_ns;
        span.run_ns = result->usage.run_ns;
        span.outcome = result->outcome;
        span.phase = result->phase;
        span.exit_code = result->code;
    }
    request->on_trace(request->trace_data, &span);
}

/* Backends may be anybody's: theirs is always a place for the error, and what they return is looked at. */
static int call(const adk_backend *backend, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                adk_error **ret_error)
{
    adk_error *error = NULL;
    int status = backend->ops.execute(backend->state, request, cancel, ret_result, &error);

    if (status != ADK_OK) {
        adk_result_free(*ret_result); /* theirs is not to be leaked, nor to be given out */
        *ret_result = NULL;
    }
    if (status < ADK_OK && ret_error != NULL)
        *ret_error = error;
    else
        adk_error_free(error);
    if (status > ADK_OK)
        return adk__fail(ret_error, ADK_E_INTERNAL, 0, "backend \"%s\" returned %d", backend->name, status);
    if (status == ADK_OK && *ret_result == NULL)
        return adk__fail(ret_error, ADK_E_INTERNAL, 0, "backend \"%s\" gave no result", backend->name);
    return status;
}

int adk_backend_execute(adk_backend *backend, const adk_request *given, adk_cancel *cancel, adk_result **ret_result,
                        adk_error **ret_error)
{
    uint64_t start_ns = adk__now_ns();
    adk_result *result = NULL;
    adk_request request;
    int status;

    status = adk__request_read(given, backend->capabilities.enforced, &request, ret_error);
    if (status == ADK_OK)
        adk__backend_fill(backend, given, &request);
    if (status == ADK_OK)
        status = check_language(backend, &request, ret_error);
    if (status != ADK_OK)
        return status;
    status = call(backend, &request, cancel, &result, ret_error);
    if (status == ADK_OK) {
        result->usage.duration_ns = adk__now_ns() - start_ns;
        if (!backend->is_router)
            adk__result_seal(result, backend->name, adk_language_cstr(request.language), backend->isolation);
    }
    if (request.on_trace != NULL)
        trace(backend, &request, adk__now_ns() - start_ns, status, result);
    if (status == ADK_OK)
        *ret_result = result;
    return status;
}
