/*
 * Output as it comes, and an end from outside: one thread runs a guest that never ends by itself, another cancels it when
 * three lines have come.
 */
#include <adk/sandbox.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

/* Writes "tick" three times, then loops. */
static const char guest[] =
    "(module"
    " (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))"
    " (memory (export \"memory\") 1)"
    " (data (i32.const 0) \"\\10\\00\\00\\00\\05\\00\\00\\00\")" /* one buffer: at 16, 5 bytes */
    " (data (i32.const 16) \"tick\\n\")"
    " (func $tick (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"
    " (func (export \"_start\") (call $tick) (call $tick) (call $tick) (loop br 0)))";

typedef struct watch {
    adk_cancel *cancel;
    sem_t enough;
    size_t bytes;
} watch;

/* On the run's thread; its time is the run's, so it is short. */
static int on_stdout(void *data, adk_bytes bytes)
{
    watch *w = data;

    printf("%.*s", (int)bytes.size, (const char *)bytes.data);
    w->bytes += bytes.size;
    if (w->bytes == 15)
        sem_post(&w->enough);
    return 0; /* anything else would cancel the run as well */
}

static void *canceller(void *data)
{
    watch *w = data;

    sem_wait(&w->enough);
    adk_cancel_fire(w->cancel); /* from any thread, but not from a signal handler */
    return NULL;
}

static int run(adk_backend *backend, watch *w, adk_error **ret_error)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;
    int status;

    request.code = adk_bytes_from_cstr(guest);
    request.timeout_ns = 30000000000; /* should nobody cancel it */
    request.on_stdout = on_stdout;
    request.stream_data = w;
    status = adk_backend_execute(backend, &request, w->cancel, &result, ret_error);
    if (status == ADK_OK)
        printf("%s, %zu bytes kept\n", adk_outcome_cstr(adk_result_outcome(result)),
               adk_result_stdout(result).head.size);
    adk_result_free(result);
    return status;
}

int main(void)
{
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    watch w = {0};
    pthread_t thread;
    int status;

    sem_init(&w.enough, 0, 0);
    status = adk_wasm_backend_new(NULL, &backend, &error);
    if (status == ADK_OK)
        status = adk_cancel_new(&w.cancel, &error);
    if (status == ADK_OK && pthread_create(&thread, NULL, canceller, &w) == 0) {
        status = run(backend, &w, &error);
        sem_post(&w.enough); /* should the run have ended without three lines */
        pthread_join(thread, NULL);
    }
    if (status != ADK_OK)
        fprintf(stderr, "%s\n", adk_error_message_cstr(error));
    adk_cancel_free(w.cancel);
    adk_backend_free(backend);
    adk_error_free(error);
    sem_destroy(&w.enough);
    return status == ADK_OK ? 0 : 1;
}
