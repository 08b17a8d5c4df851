/*
 * How long after its deadline a run returns: endless loops, long sleeps and bulk instructions over much memory, under
 * limits that differ from run to run. The last includes giving back what was touched.
 */
#include "bench.h"

#include <stdio.h>

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

int main(void)
{
    adk_backend *backend = bench_backend();

    measure(backend, "deadline_loop", loop_wat);
    measure(backend, "deadline_sleep", sleep_wat);
    measure(backend, "deadline_fill", fill_wat);
    measure(backend, "deadline_copy", copy_wat);
    adk_backend_free(backend);
    return 0;
}
