/*
 * Warm runtimes. One image has variants: of the engine's flavour (metered, deterministic), and seeded or not. What was
 * random in the warm-up is the same in all forks of an image; with a seed it is the same in all images, so that equal
 * requests find equal interpreters. A variant is compiled and warmed when the first request asks for it.
 *
 * fork(): whoever holds a runtime's lock may be compiling, so that is not waited for. What the lock guards are pointers that
 * are set when what they point to is whole; where it is held, the child makes it anew, and lets go of a compilation that may
 * be half way through a step.
 */
#include "worker/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utlist.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/thread.h"
#include "core/backend.h"
#include "core/error.h"
#include "core/request_copy.h"
#include "core/result.h"
#include "core/words.h"
#include "wasm/compiler.h"
#include "wasm/engine.h"
#include "wasm/prepared.h"
#include "wasm/reaper.h"
#include "worker/exchange.h"
#include "worker/runner.h"
#include "worker/session.h"

#define VARIANTS        (2 * ADK__FLAVOURS)
#define SEEDED          ADK__FLAVOURS /* a bit beside those of the flavour */
#define RENEW_RUNS      1000
#define STOCK           3
#define WARMUP_NS       (UINT64_C(30) * ADK__NS_PER_S)
#define WARMUP_BYTES    ((uint64_t)1 << 30)
#define WARMUP_FUEL     ((uint64_t)1 << 62)
#define SEEDED_CLOCK_NS (UINT64_C(1600000000) * ADK__NS_PER_S)
#define LOCK_STEP_NS    UINT64_C(2000000)

struct runtime {
    adk_request *warmup; /* arguments, environment, files; its code is the rehearsal's */
    char *module_path;
    uint8_t module_hash[ADK__SOURCE_HASH_BYTES];
    bool has_hash;
    char *entry;
    char *worker;
    uint32_t installed; /* ADK__FLAVOUR_INSTALLED, or 0: what each variant has */
    uint64_t prepare_timeout_ns;
    uint64_t stack_bytes;
    uint64_t warmup_ns;
    uint32_t renew_runs;
    uint32_t stock;
    adk__codes *codes;
    adk__sessions *sessions;
    pthread_mutex_t mutex; /* of making variants */
    adk__pool *pools[VARIANTS];
    adk__compilation *jobs[ADK__FLAVOURS]; /* that go on between requests: an interpreter takes its time */
    bool is_held;                          /* by the thread that forks */
    struct runtime *prev;                  /* the registry's */
    struct runtime *next;
};

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error);

/* ---- the module ---------------------------------------------------------------------------------------------------- */

static int read_all(int fd, uint8_t *to, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, to + at, size - at);

        if (got == 0 || (got < 0 && errno != EINTR))
            return got == 0 ? EIO : errno;
        if (got > 0)
            at += (size_t)got;
    }
    return 0;
}

/* The caller frees *ret_data. */
static int read_module(const struct runtime *runtime, uint8_t **ret_data, size_t *ret_size, adk_error **ret_error)
{
    const char *path = runtime->module_path;
    ADK_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ADK_AUTO_FREE uint8_t *data = NULL;
    struct stat status;
    int failed;

    if (fd < 0 || fstat(fd, &status) != 0)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, errno, "read the runtime's module \"%s\"", path);
    if (!S_ISREG(status.st_mode) || status.st_size <= 0 ||
        (uint64_t)status.st_size > adk__source_max_bytes(runtime->installed))
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the runtime's module \"%s\" is empty, too large or no file",
                         path);
    data = malloc((size_t)status.st_size);
    if (data == NULL)
        return adk__fail_nomem(ret_error);
    failed = read_all(fd, data, (size_t)status.st_size);
    if (failed)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, failed, "read the runtime's module \"%s\"", path);
    *ret_data = adk__take_ptr(data);
    *ret_size = (size_t)status.st_size;
    return ADK_OK;
}

/* What a worker's engine is like: so that code from disk is found. A plain worker is asked, and let go. */
static int ask_compatibility(const struct runtime *runtime, uint32_t flavour, adk__interrupt *interrupt,
                             uint64_t *ret_compatibility, adk_error **ret_error)
{
    const adk__pool_setup setup = {.path_cstr = runtime->worker,
                                   .entry_cstr = runtime->entry,
                                   .stack_bytes = runtime->stack_bytes,
                                   .flavour = flavour,
                                   .is_narrow = adk__codes_is_narrow(runtime->codes),
                                   .exchange_fd = -1,
                                   .code_fd = -1,
                                   .warmup_ns = WARMUP_NS,
                                   .renew_runs = 1};
    adk__pool *pool = NULL;
    uint32_t walls;
    int status = adk__pool_new(&setup, &pool, ret_error);

    if (status == ADK_OK)
        status = adk__pool_describe(pool, interrupt, &walls, ret_compatibility, ret_error);
    adk__pool_free(pool);
    return status;
}

/* What is in the file is compiled only where it is what was pinned. */
static int check_module(const struct runtime *runtime, adk_bytes source, adk__interrupt *interrupt,
                        adk_error **ret_error)
{
    uint8_t hash[ADK__SOURCE_HASH_BYTES];

    if (!runtime->has_hash || !adk__source_hash(source, interrupt, hash) ||
        memcmp(hash, runtime->module_hash, sizeof(hash)) == 0)
        return ADK_OK;
    return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the runtime's module \"%s\" is not as pinned: install it again",
                     runtime->module_path);
}

static int compile(struct runtime *runtime, adk__codes_wish *wish, adk__code **ret_code, adk_cache_state *ret_state,
                   adk_error **ret_error)
{
    adk__refusal refusal = ADK__REFUSAL_INIT;
    ADK_AUTO_FREE uint8_t *data = NULL;
    size_t size = 0;
    int status = read_module(runtime, &data, &size, ret_error);

    wish->source = adk_bytes_make(data, size);
    if (status == ADK_OK)
        status = check_module(runtime, wish->source, wish->interrupt, ret_error);
    if (status == ADK_OK && adk__interrupt_check(wish->interrupt) == ADK__INTERRUPT_NONE)
        status = adk__codes_get(runtime->codes, wish, &refusal, ret_code, ret_state, ret_error);
    if (status == ADK_OK && *ret_code == NULL && refusal.reason != ADK_REASON_NONE)
        status = adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the runtime's module: %.*s", (int)refusal.message.size,
                           (const char *)refusal.message.data);
    adk__buf_free(&refusal.message);
    return status;
}

/* *ret_code stays NULL where the run must stop. */
static int find_code(struct runtime *runtime, uint32_t flavour, adk__interrupt *interrupt, adk__code **ret_code,
                     adk_cache_state *ret_state, adk_error **ret_error)
{
    adk__codes_wish wish = {.flavour = flavour, .interrupt = interrupt, .job = &runtime->jobs[flavour]};
    int status = ADK_OK;

    if (runtime->has_hash)
        wish.source_hash = runtime->module_hash;
    if (adk__codes_use_disk(runtime->codes))
        status = ask_compatibility(runtime, flavour, interrupt, &wish.compatibility, ret_error);
    if (status == ADK_OK && runtime->has_hash)
        status = adk__codes_find_known(runtime->codes, &wish, ret_code, ret_error);
    *ret_state = ADK_CACHE_DISK;
    if (status == ADK_OK && *ret_code == NULL)
        status = compile(runtime, &wish, ret_code, ret_state, ret_error);
    adk__codes_clear(runtime->codes);
    return status;
}

/* ---- variants ------------------------------------------------------------------------------------------------------ */

static int write_warmup(const struct runtime *runtime, uint32_t variant, adk__interrupt *interrupt, int *ret_fd,
                        adk_error **ret_error)
{
    adk_request request = *runtime->warmup;
    adk__exchange_orders orders = {.soft_ns = ADK__NEVER, .hard_ns = ADK__NEVER};
    adk__exchange_layout layout;
    int status;

    request.timeout_ns = INT64_MAX;
    request.memory_limit_bytes = WARMUP_BYTES;
    request.output_limit_bytes = 4096;
    if ((variant & ADK__FLAVOUR_FUEL) != 0)
        request.fuel = WARMUP_FUEL;
    if ((variant & SEEDED) != 0) {
        request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
        request.clock_start_ns = SEEDED_CLOCK_NS;
    }
    status = adk__exchange_make(&request, &orders, interrupt, &layout, ret_fd, ret_error);
    if (status == ADK_OK && orders.inputs_stop == ADK__INPUTS_MEMORY)
        status = adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the files of the runtime's image are too large");
    return status;
}

/* NaNs need not be made canonical: an interpreter shows nobody their bits, and compiling it once more takes long. */
static uint32_t variant_of(const struct runtime *runtime, const adk_request *request)
{
    uint32_t variant = (adk__flavour_of(request) & ~(uint32_t)ADK__FLAVOUR_DETERMINISTIC) | runtime->installed;

    return (request->flags & ADK_REQUEST_SEED) != 0 ? variant | SEEDED : variant;
}

/* With the lock held. *ret_pool stays NULL where time is up. */
static int make_variant(struct runtime *runtime, uint32_t variant, adk__interrupt *interrupt,
                        adk_cache_state *ret_state, adk_error **ret_error)
{
    adk__pool_setup setup = {.path_cstr = runtime->worker,
                             .entry_cstr = runtime->entry,
                             .stack_bytes = runtime->stack_bytes,
                             .flavour = variant & (ADK__FLAVOURS - 1),
                             .is_narrow = adk__codes_is_narrow(runtime->codes),
                             .is_image = true,
                             .exchange_fd = -1,
                             .warmup_ns = runtime->warmup_ns,
                             .renew_runs = runtime->renew_runs,
                             .stock = runtime->stock};
    adk__code *code = NULL;
    int status = find_code(runtime, setup.flavour, interrupt, &code, ret_state, ret_error);

    if (status != ADK_OK || code == NULL)
        return status;
    setup.split = code->split;
    setup.code_fd = fcntl(code->fd, F_DUPFD_CLOEXEC, 3);
    adk__code_unref(code);
    if (setup.code_fd < 0)
        return adk__fail(ret_error, ADK_E_SYSTEM, errno, "keep the code of a runtime");
    status = write_warmup(runtime, variant, interrupt, &setup.exchange_fd, ret_error);
    if (status != ADK_OK) {
        (void)close(setup.code_fd);
        return status;
    }
    return adk__pool_new(&setup, &runtime->pools[variant], ret_error);
}

/* Whether the lock was had before the run must stop: who holds it may be compiling. */
static bool lock(struct runtime *runtime, adk__interrupt *interrupt)
{
    while (adk__interrupt_check(interrupt) == ADK__INTERRUPT_NONE) {
        const struct timespec until = adk__timespec_from_ns(adk__now_ns() + LOCK_STEP_NS);

        if (pthread_mutex_clocklock(&runtime->mutex, CLOCK_MONOTONIC, &until) == 0)
            return true;
    }
    return false;
}

/* *ret_pool stays NULL where the run must stop. */
static int find_variant(struct runtime *runtime, uint32_t variant, adk__interrupt *interrupt, adk__pool **ret_pool,
                        adk_cache_state *ret_state, adk_error **ret_error)
{
    int status = ADK_OK;

    *ret_pool = NULL;
    *ret_state = ADK_CACHE_HIT;
    if (!lock(runtime, interrupt))
        return ADK_OK;
    if (runtime->pools[variant] == NULL)
        status = make_variant(runtime, variant, interrupt, ret_state, ret_error);
    *ret_pool = runtime->pools[variant];
    (void)pthread_mutex_unlock(&runtime->mutex);
    return status;
}

/* ---- one run ------------------------------------------------------------------------------------------------------- */

static int run(struct runtime *runtime, adk__runner *runner, adk_error **ret_error)
{
    adk_usage *usage = &runner->result->usage;
    adk__pool *pool = NULL;
    bool stopped = false;
    int status = adk__runner_check(runner, ADK_PHASE_COMPILE, &stopped, ret_error);

    if (status != ADK_OK || stopped)
        return status;
    status = find_variant(runtime, variant_of(runtime, runner->request), &runner->interrupt, &pool, &usage->cache,
                          ret_error);
    usage->compile_ns = adk__now_ns() - runner->start_ns;
    if (status == ADK_OK && pool == NULL)
        return adk__runner_check(runner, ADK_PHASE_COMPILE, &stopped, ret_error);
    return status == ADK_OK ? adk__runner_run(runner, pool, NULL, ret_error) : status;
}

static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    ADK_AUTO(adk_result_free) adk_result *result = NULL;
    adk__runner runner;
    int status;

    if (request->module != NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "a runtime runs programs, not modules");
    status = adk__words_check_files(request, ret_error);
    if (status == ADK_OK)
        status = adk_result_new(request, &result, ret_error);
    if (status == ADK_OK)
        status = adk__runner_begin(&runner, request, cancel, false, result, ret_error);
    if (status != ADK_OK)
        return status;
    status = run(state, &runner, ret_error);
    adk__runner_end(&runner);
    if (status == ADK_OK)
        *ret_result = adk__take_ptr(result);
    return status;
}

/* Of the plain variant: a call has no seed, and no fuel. */
static int open_session(void *state, const adk_session_options *options, uint64_t until_ns, adk__session_new *ret_new,
                        adk_error **ret_error)
{
    struct runtime *runtime = state;
    adk__interrupt deadline;
    adk_cache_state cache;
    adk__pool *pool;
    int status;

    if (adk__interrupt_init(&deadline) != 0)
        return adk__fail_nomem(ret_error);
    adk__interrupt_begin(&deadline, adk__add_saturated(adk__now_ns(), options->open_timeout_ns));
    status = find_variant(runtime, 0, &deadline, &pool, &cache, ret_error);
    if (status == ADK_OK && pool == NULL)
        status = adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the runtime did not compile in time");
    if (status == ADK_OK)
        status = adk__sessions_open(runtime->sessions, pool, options, until_ns, &deadline, ret_new, ret_error);
    adk__interrupt_destroy(&deadline);
    return status;
}

bool adk__runtime_is(const adk_backend *backend)
{
    return adk__backend_state(backend, execute) != NULL;
}

int adk__runtime_walls(adk_backend *backend, adk__interrupt *interrupt, uint32_t *ret_walls, adk_error **ret_error)
{
    struct runtime *runtime = adk__backend_state(backend, execute);
    adk_cache_state state;
    adk__pool *pool;
    uint64_t compatibility;
    int status = find_variant(runtime, runtime->installed, interrupt, &pool, &state, ret_error);

    if (status == ADK_OK && pool == NULL)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the runtime did not compile in time");
    return status == ADK_OK ? adk__pool_describe(pool, interrupt, ret_walls, &compatibility, ret_error) : status;
}

int adk__runtime_warm(adk_backend *backend, adk_error **ret_error)
{
    struct runtime *runtime = adk__backend_state(backend, execute);
    adk__interrupt deadline;
    uint32_t walls;
    int status;

    if (runtime == NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the backend \"%s\" is not a runtime",
                         adk_backend_name_cstr(backend));
    if (adk__interrupt_init(&deadline) != 0)
        return adk__fail_nomem(ret_error);
    adk__interrupt_begin(&deadline, adk__add_saturated(adk__now_ns(), runtime->prepare_timeout_ns));
    status = adk__runtime_walls(backend, &deadline, &walls, ret_error);
    adk__interrupt_destroy(&deadline);
    return status;
}

/* ---- fork ---------------------------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t mutex;
    struct runtime *all;
} registry = {PTHREAD_MUTEX_INITIALIZER, NULL};

static void before_fork(void)
{
    struct runtime *runtime;

    (void)pthread_mutex_lock(&registry.mutex);
    DL_FOREACH(registry.all, runtime)
    runtime->is_held = pthread_mutex_trylock(&runtime->mutex) == 0;
}

static void unlock_all(void)
{
    struct runtime *runtime;

    DL_FOREACH(registry.all, runtime)
    {
        if (runtime->is_held)
            (void)pthread_mutex_unlock(&runtime->mutex);
    }
    (void)pthread_mutex_unlock(&registry.mutex);
}

/* The processes that compile are the parent's. */
static void after_fork_in_child(void)
{
    struct runtime *runtime;

    DL_FOREACH(registry.all, runtime)
    {
        for (size_t i = 0; i < ADK__FLAVOURS; i++) {
            if (runtime->is_held && runtime->jobs[i] != NULL)
                adk__compilation_forget(runtime->jobs[i]);
            runtime->jobs[i] = NULL;
        }
        if (!runtime->is_held)
            (void)pthread_mutex_init(&runtime->mutex, NULL);
    }
    unlock_all();
}

static int enter_registry(struct runtime *runtime, adk_error **ret_error)
{
    static bool handles_fork; /* under the lock */
    int failed;

    (void)pthread_mutex_lock(&registry.mutex);
    failed = adk__thread_at_fork(&handles_fork, before_fork, unlock_all, after_fork_in_child);
    if (!failed)
        DL_APPEND(registry.all, runtime);
    (void)pthread_mutex_unlock(&registry.mutex);
    return failed ? adk__fail(ret_error, ADK_E_SYSTEM, failed, "prepare for fork") : ADK_OK;
}

static void leave_registry(struct runtime *runtime)
{
    (void)pthread_mutex_lock(&registry.mutex);
    if (runtime->prev != NULL)
        DL_DELETE(registry.all, runtime);
    (void)pthread_mutex_unlock(&registry.mutex);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static void destroy(void *state)
{
    struct runtime *runtime = state;

    adk__sessions_free(runtime->sessions);
    leave_registry(runtime);
    for (size_t i = 0; i < VARIANTS; i++)
        adk__pool_free(runtime->pools[i]);
    for (size_t i = 0; i < ADK__FLAVOURS; i++)
        adk__compilation_free(runtime->jobs[i]);
    adk__codes_free(runtime->codes);
    adk__reaper_release();
    (void)pthread_mutex_destroy(&runtime->mutex);
    free(runtime->warmup);
    free(runtime->module_path);
    free(runtime->entry);
    free(runtime->worker);
    free(runtime);
}

static int copy_image(struct runtime *runtime, const adk__runtime_image *image, adk_error **ret_error)
{
    adk_request warmup = ADK_REQUEST_INIT;

    warmup.code = image->rehearsal;
    warmup.args = image->args;
    warmup.args_count = image->args_count;
    warmup.env = image->env;
    warmup.env_count = image->env_count;
    warmup.files = image->files;
    warmup.files_count = image->files_count;
    if (image->module_cstr == NULL || (image->features & ~ADK__IMAGE_EXCEPTIONS) != 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the image has no module, or features that are not offered");
    runtime->warmup_ns = image->warmup_timeout_ns == 0 ? WARMUP_NS : image->warmup_timeout_ns;
    runtime->renew_runs = image->renew_runs == 0 ? RENEW_RUNS : image->renew_runs;
    runtime->stock = image->stock == 0 ? STOCK : image->stock;
    runtime->has_hash = image->module_hash != NULL;
    if (runtime->has_hash)
        memcpy(runtime->module_hash, image->module_hash, sizeof(runtime->module_hash));
    runtime->module_path = strdup(image->module_cstr);
    runtime->entry = strdup(image->entry_cstr == NULL ? "_start" : image->entry_cstr);
    if (runtime->module_path == NULL || runtime->entry == NULL)
        return adk__fail_nomem(ret_error);
    if ((image->features & ADK__IMAGE_EXCEPTIONS) != 0)
        runtime->installed = ADK__FLAVOUR_INSTALLED;
    return adk__request_copy(&warmup, &runtime->warmup, ret_error);
}

static int open_parts(struct runtime *runtime, const adk_wasm_options *given, adk_error **ret_error)
{
    adk_wasm_options options = *given;
    int status = adk__wasm_set_defaults(&options, ret_error);

    if (status != ADK_OK)
        return status;
    runtime->prepare_timeout_ns = options.prepare_timeout_ns;
    runtime->stack_bytes = options.stack_bytes;
    if (adk__worker_find(options.worker_cstr, &runtime->worker) != 0)
        return adk__fail_nomem(ret_error);
    if (runtime->worker == NULL)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0,
                         "the helper program adk-worker is not there: install it, or name it in the environment's "
                         "ADK_SANDBOX_WORKER");
    return adk__codes_new(&options, &runtime->codes, ret_error);
}

int adk__runtime_backend_new(const adk__runtime_image *image, const adk_wasm_options *options,
                             adk_backend **ret_backend, adk_error **ret_error)
{
    static const adk_wasm_options defaults = ADK_WASM_OPTIONS_INIT;
    const adk_backend_ops ops = {sizeof(ops), execute, destroy};
    const adk_capabilities capabilities = {sizeof(capabilities),
                                           ADK_ENFORCES_TIMEOUT | ADK_ENFORCES_MEMORY | ADK_ENFORCES_NETWORK |
                                               ADK_ENFORCES_FILE_READ | ADK_ENFORCES_FILE_WRITE |
                                               ADK_ENFORCES_ENVIRONMENT | ADK_ENFORCES_OUTPUT | ADK_ENFORCES_FUEL |
                                               ADK_ENFORCES_DETERMINISM | ADK_ENFORCES_FILES,
                                           image->languages, "wasm+process"};
    struct runtime *runtime = calloc(1, sizeof(*runtime));
    int status;

    if (runtime == NULL || pthread_mutex_init(&runtime->mutex, NULL) != 0) {
        free(runtime);
        return adk__fail_nomem(ret_error);
    }
    status = adk__reaper_retain(ret_error);
    if (status != ADK_OK) {
        free(runtime);
        return status;
    }
    status = copy_image(runtime, image, ret_error);
    if (status == ADK_OK)
        status = open_parts(runtime, options == NULL ? &defaults : options, ret_error);
    if (status == ADK_OK)
        status = adk__sessions_new(&runtime->sessions, ret_error);
    if (status == ADK_OK)
        status = enter_registry(runtime, ret_error);
    if (status == ADK_OK)
        status = adk_backend_new(&ops, runtime, image->name_cstr, &capabilities, ret_backend, ret_error);
    if (status != ADK_OK) {
        destroy(runtime);
        return status;
    }
    adk__backend_set_memory_default(*ret_backend, image->memory_default_bytes);
    if (image->has_sessions)
        adk__backend_set_sessions(*ret_backend, open_session);
    return ADK_OK;
}
