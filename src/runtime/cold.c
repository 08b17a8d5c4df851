/*
 * Running a program in an interpreter in this process, where there is no worker, or none is wanted: the request for the
 * program becomes one for the interpreter's module, which starts anew for each run.
 *
 * The interpreter is started with the driver; program, arguments and environment lie in files of the run's tree, where the
 * driver finds and removes them (src/runtime/drivers). A run is thus as any other of the WebAssembly backend's, with its
 * deadline, budget and outcomes.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/error.h"
#include "core/result.h"
#include "core/words.h"
#include "runtime/open.h"
#include "runtime/store.h"

#define FILE_CODE    "/.adk/run" /* where a warm interpreter stops (worker/image.h) */
#define FILE_WORDS   "/.adk/words"
#define FILE_LIBRARY "/.adk/library.js"
#define FILES_ADDED  4

struct runtime {
    const adk_runtime *manifest;
    adk_backend *wasm;
    adk__buf code;    /* the interpreter's module */
    adk__buf library; /* what a language has beyond that; empty where there is nothing */
    pthread_mutex_t mutex;
    _Atomic(adk_wasm_module *) module; /* prepared, once a run has compiled it */
};

/* A program's run, as one of the interpreter. */
struct job {
    adk_request request;
    adk_file *files;
    adk__buf words;
    adk_bytes args[ADK__RUNTIME_ARGS_MAX + 1];
};

static int set_files(const struct runtime *r, const adk_request *request, struct job *job)
{
    const adk_runtime *manifest = r->manifest;
    const size_t added = r->library.size == 0 ? FILES_ADDED - 1 : FILES_ADDED;
    const adk_bytes driver = adk_bytes_make(manifest->driver->data, manifest->driver->size);
    const adk_file own[FILES_ADDED] = {
        {adk_bytes_from_cstr(manifest->driver_path_cstr), driver, NULL},
        {adk_bytes_from_cstr(FILE_CODE), request->code, NULL},
        {adk_bytes_from_cstr(FILE_WORDS), adk_bytes_make(job->words.data, job->words.size), NULL},
        {adk_bytes_from_cstr(FILE_LIBRARY), adk_bytes_make(r->library.data, r->library.size), NULL},
    };

    job->files = calloc(request->files_count + FILES_ADDED, sizeof(*job->files));
    if (job->files == NULL)
        return -ENOMEM;
    if (request->files_count > 0)
        memcpy(job->files, request->files, request->files_count * sizeof(*job->files));
    memcpy(job->files + request->files_count, own, added * sizeof(*own));
    job->request.files = job->files;
    job->request.files_count = request->files_count + added;
    return 0;
}

static int make_job(const struct runtime *r, const adk_request *request, struct job *job, adk_error **ret_error)
{
    job->request = *request;
    job->request.language = ADK_LANGUAGE_WASM;
    job->request.env = NULL;
    job->request.env_count = 0;
    job->request.on_trace = NULL;
    job->request.module = atomic_load(&r->module);
    job->request.code = (adk_bytes){NULL, 0};
    if (job->request.module == NULL)
        job->request.code = adk_bytes_make(r->code.data, r->code.size);
    job->request.args = job->args;
    job->request.args_count = adk__runtime_command(r->manifest, job->args);
    if (adk__words_put(request, ADK__WORDS_PLAIN, &job->words) != 0 || set_files(r, request, job) != 0)
        return adk__fail_nomem(ret_error);
    return ADK_OK;
}

static void free_job(struct job *job)
{
    free(job->files);
    adk__buf_free(&job->words);
}

/* The module is compiled by now: further runs need not even look it up. Where that fails, they do. */
static void prepare(struct runtime *r)
{
    adk_wasm_module *module = NULL;

    if (atomic_load(&r->module) != NULL || pthread_mutex_trylock(&r->mutex) != 0)
        return;
    if (atomic_load(&r->module) == NULL &&
        adk_wasm_module_new(r->wasm, adk_bytes_make(r->code.data, r->code.size), &module, NULL) == ADK_OK)
        atomic_store(&r->module, module);
    (void)pthread_mutex_unlock(&r->mutex);
}

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    struct runtime *r = state;
    uint64_t start_ns = adk__now_ns();
    struct job job = {.words = ADK__BUF_INIT((size_t)1 << 30)};
    uint64_t spent_ns;
    int code;

    if (request->module != NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "a prepared module is no program in %s",
                         adk_language_cstr(request->language));
    code = adk__words_check_files(request, ret_error);
    if (code == ADK_OK)
        code = make_job(r, request, &job, ret_error);
    spent_ns = adk__now_ns() - start_ns;
    job.request.timeout_ns = request->timeout_ns > spent_ns ? request->timeout_ns - spent_ns : 1;
    if (code == ADK_OK)
        code = adk_backend_execute(r->wasm, &job.request, cancel, ret_result, ret_error);
    free_job(&job);
    if (code != ADK_OK)
        return code;
    (*ret_result)->limits.timeout_ns = request->timeout_ns; /* as it was given, not what was left of it */
    if (adk_result_outcome(*ret_result) == ADK_OUTCOME_EXITED)
        prepare(r);
    return code;
}

static void destroy(void *state)
{
    struct runtime *r = state;

    if (r == NULL)
        return;
    adk_wasm_module_free(atomic_load(&r->module));
    adk_backend_free(r->wasm);
    adk__buf_free(&r->code);
    adk__buf_free(&r->library);
    (void)pthread_mutex_destroy(&r->mutex);
    free(r);
}

static int new_runtime(const adk_runtime *manifest, struct runtime **ret_runtime, adk_error **ret_error)
{
    struct runtime *r = calloc(1, sizeof(*r));
    int failed = r == NULL ? ENOMEM : pthread_mutex_init(&r->mutex, NULL);

    if (failed) {
        free(r);
        return adk__fail_nomem(ret_error);
    }
    r->manifest = manifest;
    r->code = (adk__buf)ADK__BUF_INIT(0);
    r->library = (adk__buf)ADK__BUF_INIT(0);
    *ret_runtime = r;
    return ADK_OK;
}

int adk__cold_open(const adk_runtime *manifest, const adk__runtime_settings *settings, adk_backend **ret_backend,
                   adk_error **ret_error)
{
    const adk_backend_ops ops = {sizeof(ops), execute, destroy};
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    struct runtime *r = NULL;
    int code;

    if (manifest->features != 0)
        return adk__fail(
            ret_error, ADK_E_UNAVAILABLE, 0,
            "the runtime \"%s\" runs in processes of their own only: it needs the helper program adk-worker",
            manifest->info.name_cstr);
    code = new_runtime(manifest, &r, ret_error);
    if (code == ADK_OK)
        code = adk__store_read_pinned(adk__runtime_base(manifest), settings->directory, &r->code, ret_error);
    if (code == ADK_OK && manifest->info.needs_cstr != NULL)
        code = adk__store_read_pinned(manifest, settings->directory, &r->library, ret_error);
    if (code == ADK_OK)
        code = adk_wasm_backend_new(&settings->wasm, &r->wasm, ret_error);
    if (code == ADK_OK) {
        adk_backend_capabilities(r->wasm, &capabilities);
        capabilities.languages = manifest->info.languages;
        code = adk_backend_new(&ops, r, manifest->info.name_cstr, &capabilities, ret_backend, ret_error);
    }
    if (code != ADK_OK)
        destroy(r);
    return code;
}
