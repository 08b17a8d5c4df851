/*
 * How long after its deadline a run returns: endless loops, long sleeps, bulk instructions over much memory, and modules
 * that take the compiler minutes, under limits that differ from run to run.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS 50

static const char loop_wat[] = "(module (func (export \"_start\") (loop br 0)))";
static const char sleep_wat[] =
    "(module (import \"wasi_snapshot_preview1\" \"poll_oneoff\" (func $p (param i32 i32 i32 i32) (result i32)))"
    "(memory (export \"memory\") 1)"
    "(func (export \"_start\") (i32.store (i32.const 16) (i32.const 1))"
    "(i64.store (i32.const 24) (i64.const 60000000000))"
    "(drop (call $p (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))))";

static const char fill_wat[] = "(module (memory 8192) (func (export \"_start\") (loop "
                               "(memory.fill (i32.const 0) (i32.const 1) (i32.const 0x20000000)) br 0)))";
static const char copy_wat[] = "(module (memory 8192) (func (export \"_start\") (loop "
                               "(memory.copy (i32.const 0) (i32.const 0x10000000) (i32.const 0x10000000)) br 0)))";

static void measure(adk_backend *backend, const char *name, const char *wat)
{
    adk_request request = ADK_REQUEST_INIT;
    double late_us[RUNS];

    request.code = adk_bytes_from_cstr(wat);
    request.memory_limit_bytes = UINT64_C(1) << 30;
    request.timeout_ns = 20000000;
    (void)bench_run(backend, &request, ADK_OUTCOME_TIMED_OUT);
    for (int i = 0; i < RUNS; i++) {
        request.timeout_ns = 5000000 + (uint64_t)i * 311000;
        late_us[i] = (double)(bench_run(backend, &request, ADK_OUTCOME_TIMED_OUT) - request.timeout_ns) / 1e3;
    }
    (void)printf("{\"bench\":\"%s\",\"late_us_p50\":%.0f,\"late_us_p99\":%.0f}\n", name,
                 bench_percentile(late_us, RUNS, 50), bench_percentile(late_us, RUNS, 99));
}

/* Each is another module: what did not compile in its time is not tried again. */
static void measure_bombs(adk_backend *backend)
{
    static const char head[] = "(module (func (export \"_start\") ";
    static const char unit[] = "loop end ";
    const size_t loops = 20000;
    char *wat = malloc(sizeof(head) + (loops + RUNS) * (sizeof(unit) - 1) + sizeof("))"));
    adk_request request = ADK_REQUEST_INIT;
    double late_us[RUNS];

    if (wat == NULL)
        bench_die("make a bomb", NULL);
    for (size_t i = 0; i < RUNS; i++) {
        size_t at = sizeof(head) - 1;

        memcpy(wat, head, at);
        for (size_t k = 0; k < loops + i; k++, at += sizeof(unit) - 1)
            memcpy(wat + at, unit, sizeof(unit) - 1);
        memcpy(wat + at, "))", sizeof("))"));
        request.code = adk_bytes_from_cstr(wat);
        request.timeout_ns = 50000000 + (uint64_t)i * 311000;
        late_us[i] = (double)(bench_run(backend, &request, ADK_OUTCOME_TIMED_OUT) - request.timeout_ns) / 1e3;
    }
    free(wat);
    (void)printf("{\"bench\":\"deadline_compile\",\"late_us_p50\":%.0f,\"late_us_p99\":%.0f}\n",
                 bench_percentile(late_us, RUNS, 50), bench_percentile(late_us, RUNS, 99));
}

int main(void)
{
    adk_backend *backend = bench_backend();

    measure(backend, "deadline_loop", loop_wat);
    measure(backend, "deadline_sleep", sleep_wat);
    measure(backend, "deadline_fill", fill_wat);
    measure(backend, "deadline_copy", copy_wat);
    measure_bombs(backend);
    adk_backend_free(backend);
    return 0;
}
