/*
 * The state of a run, kept per thread: what the run path needs is allocated with a thread's first run and used again by
 * all that follow. A run within a run (from a callback) takes a state of its own.
 */
#include "wasm/run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/result.h"

static pthread_key_t thread_key;
static atomic_bool thread_key_made;

/* ---- what the engine asks ----------------------------------------------------------------------------------------- */

static bool may_grow(void *data, uint32_t kind, uint64_t current, uint64_t desired, uint64_t maximum)
{
    adk__run *run = data;
    adk__budget *budget = &run->budget;
    uint64_t unit = kind == ADK_ENGINE_TABLE ? 8 : 1;
    uint64_t bytes;

    run->view = (adk__wasi_memory){NULL, 0};
    budget->pending_bytes = 0;
    budget->pending_elements = 0;
    budget->last_growth_refused = false;
    budget->peak_before_bytes = budget->peak_bytes;
    if (kind == ADK_ENGINE_TABLE && maximum >= ADK__TABLE_ELEMENTS_MAX)
        maximum = UINT64_MAX; /* not the table's own maximum but the pool's, which must not answer for us */
    if (desired > maximum || desired <= current)
        return true; /* the engine will refuse it or has nothing to do: no charge */
    if (kind == ADK_ENGINE_TABLE && desired - current > ADK__TABLE_ELEMENTS_GRANTED - budget->table_elements) {
        budget->denied++;
        budget->last_growth_refused = true;
        budget->tables_refused = true;
        return false;
    }
    budget->tables_refused = false;
    if (__builtin_mul_overflow(desired - current, unit, &bytes) || !adk__budget_charge(budget, bytes)) {
        budget->last_growth_refused = true;
        return false;
    }
    budget->pending_bytes = bytes;
    budget->pending_elements = kind == ADK_ENGINE_TABLE ? desired - current : 0;
    budget->table_elements += budget->pending_elements;
    return true;
}

static void growth_failed(void *data, uint32_t kind)
{
    adk__budget *budget = &((adk__run *)data)->budget;

    (void)kind;
    adk__budget_release(budget, budget->pending_bytes);
    budget->table_elements -= budget->pending_elements;
    budget->pending_elements = 0;
    if (budget->pending_bytes != 0)
        budget->peak_bytes = budget->peak_before_bytes;
    budget->pending_bytes = 0;
}

static bool may_go_on(void *data)
{
    adk__run *run = data;

    return !adk__run_is_due(run, run->phase);
}

/* ---- what WASI asks ----------------------------------------------------------------------------------------------- */

static int cancel_by_callback(adk__run *run)
{
    adk__run_stop(run, ADK__CAUSE_CANCEL, ADK_PHASE_HOST_CALL);
    return -1;
}

static int take_output(void *data, int stream, const void *bytes, size_t size)
{
    adk__run *run = data;
    adk__capture *capture = &run->result->output[stream - 1];
    adk_stream_fn fn = stream == 1 ? run->request->on_stdout : run->request->on_stderr;
    size_t taken = size;

    if (run->request->output_policy == ADK_OUTPUT_STOP && size > adk__capture_room(capture))
        taken = adk__capture_room(capture);
    if (adk__capture_append(capture, bytes, taken) != 0) {
        adk__run_stop(run, ADK__CAUSE_NOMEM, ADK_PHASE_HOST_CALL);
        return -1;
    }
    if (fn != NULL && taken > 0) {
        if (fn(run->request->stream_data, adk_bytes_make(bytes, taken)) != 0)
            return cancel_by_callback(run);
        adk__reaper_check_fork(&run->watched);
    }
    if (taken == size)
        return 0;
    adk__capture_drop(capture, size - taken);
    adk__run_stop(run, ADK__CAUSE_OUTPUT_LIMIT, ADK_PHASE_HOST_CALL);
    return -1;
}

static bool charge_files(void *data, uint64_t bytes)
{
    return adk__budget_charge(&((adk__run *)data)->budget, bytes);
}

static void release_files(void *data, uint64_t bytes)
{
    adk__budget_release(&((adk__run *)data)->budget, bytes);
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

static void free_run(void *data)
{
    adk__run *run = data;

    adk__reaper_remove(&run->watched);
    adk__interrupt_destroy(&run->interrupt);
    adk__wasi_free(run->wasi);
    free(run);
}

/* Where it fails, the next run tries again. */
static int make_thread_key(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    int failed = 0;

    (void)pthread_mutex_lock(&mutex);
    if (!atomic_load(&thread_key_made)) {
        failed = pthread_key_create(&thread_key, free_run);
        atomic_store(&thread_key_made, failed == 0);
    }
    (void)pthread_mutex_unlock(&mutex);
    return failed;
}

static int new_run(adk__run **ret_run, adk_error **ret_error)
{
    adk__run *run = calloc(1, sizeof(*run));
    adk__wasi *wasi = adk__wasi_new();

    if (run == NULL || wasi == NULL || adk__interrupt_init(&run->interrupt) != 0) {
        free(run);
        adk__wasi_free(wasi);
        return adk__fail_nomem(ret_error);
    }
    run->wasi = wasi;
    run->hooks = (adk_engine_hooks){run, may_grow, growth_failed, may_go_on, 1, ADK__TABLES_MAX, 1};
    adk__reaper_add(&run->watched);
    *ret_run = run;
    return ADK_OK;
}

static int acquire(adk__run **ret_run, adk_error **ret_error)
{
    adk__run *run;
    int status;
    int failed = ADK_LIKELY(atomic_load_explicit(&thread_key_made, memory_order_acquire)) ? 0 : make_thread_key();

    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "make a key for thread-local state");
    run = pthread_getspecific(thread_key);
    if (run == NULL || run->in_use) {
        bool first = run == NULL;

        status = new_run(&run, ret_error);
        if (status != ADK_OK)
            return status;
        if (first)
            (void)pthread_setspecific(thread_key, run); /* where that fails, the state is freed with its run */
    }
    run->in_use = true;
    *ret_run = run;
    return ADK_OK;
}

static void on_cancel(void *data)
{
    adk__run *run = data;

    adk__interrupt_cancel(&run->interrupt);
    adk__reaper_expire(&run->watched);
}

int adk__run_begin(const adk_request *request, adk_cancel *cancel, uint64_t start_ns, adk_result *result,
                   adk__run **ret_run, adk_error **ret_error)
{
    adk__wasi_setup setup = {.request = request};
    adk__run *run = NULL;
    int status;

    status = acquire(&run, ret_error);
    if (status != ADK_OK)
        return status;
    run->request = request;
    run->cancel = cancel;
    run->result = result;
    run->module = NULL;
    run->cause = ADK__CAUSE_NONE;
    run->exit_code = 0;
    run->phase = ADK_PHASE_COMPILE;
    run->stopped_phase = ADK_PHASE_NONE;
    run->host_calls = 0;
    run->last_ns = 0;
    run->has_memory = false;
    run->view = (adk__wasi_memory){NULL, 0};
    adk__budget_begin(&run->budget, request->memory_limit_bytes);
    adk__interrupt_begin(&run->interrupt, adk__add_saturated(start_ns, request->timeout_ns));
    setup.interrupt = &run->interrupt;
    setup.began_ns = start_ns;
    setup.output = take_output;
    setup.output_data = run;
    setup.output_may_block = request->on_stdout != NULL || request->on_stderr != NULL;
    setup.charge = charge_files;
    setup.release = release_files;
    setup.budget_data = run;
    adk__wasi_begin(run->wasi, &setup);
    adk__reaper_enter(&run->watched);
    if (cancel != NULL)
        adk_cancel_add_watch(cancel, &run->cancel_watch, on_cancel, run);
    *ret_run = run;
    return ADK_OK;
}

void adk__run_end(adk__run *run)
{
    if (run->cancel != NULL)
        adk_cancel_remove_watch(run->cancel, &run->cancel_watch);
    adk__reaper_leave(&run->watched);
    adk__wasi_end(run->wasi);
    run->in_use = false;
    if (pthread_getspecific(thread_key) != run)
        free_run(run);
}

void adk__run_enter(adk__run *run, adk_phase phase)
{
    const adk_request *request = run->request;

    run->phase = phase;
    if (request->on_phase != NULL)
        request->on_phase(request->phase_data, phase);
}

void adk__run_stop(adk__run *run, adk__cause cause, adk_phase phase)
{
    if (run->cause != ADK__CAUSE_NONE)
        return;
    run->cause = cause;
    run->stopped_phase = phase;
}

bool adk__run_is_due(adk__run *run, adk_phase phase)
{
    return adk__run_is_due_at(run, phase, adk__now_ns());
}

bool adk__run_is_due_at(adk__run *run, adk_phase phase, uint64_t now_ns)
{
    adk__interrupt_cause cause = adk__interrupt_check_at(&run->interrupt, now_ns);

    if (cause == ADK__INTERRUPT_NONE)
        return run->cause != ADK__CAUSE_NONE;
    adk__run_stop(run, cause == ADK__INTERRUPT_CANCEL ? ADK__CAUSE_CANCEL : ADK__CAUSE_DEADLINE, phase);
    return true;
}
