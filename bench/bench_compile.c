/*
 * Whether what the survey calls quick is quick: each hard shape at the largest size it lets pass, compiled in every
 * flavour of the engine. One JSON line a shape, {"bench", "shape", "n", "bytes", "work_ms", "compile_ms", "scaling"}:
 * compile_ms is of the slowest flavour; scaling is what twice the size multiplied it by. The last line has the worst of all
 * and their median; the program fails where one took longer than the survey said.
 *
 *   bench_compile [milliseconds that count as quick]
 */
#include "bench.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "adk_engine.h"
#include "shapes.h"
#include "wasm/engine.h"
#include "wasm/stack.h"

#define ROUNDS_MIN 3
#define ROUNDS_MAX 40
#define QUICK_MS   20
#define N_MAX      (UINT32_C(1) << 20)
#define LOCALS_MAX UINT32_C(49000)
#define SHAPES_MAX 64

/* As new_config() in src/wasm/engine.c has it, with address space in plenty; no pool, which is not about code. */
static wasm_engine_t *new_engine(uint32_t flavour)
{
    wasm_config_t *config = wasm_config_new();
    wasm_engine_t *engine;

    wasmtime_config_epoch_interruption_set(config, true);
    wasmtime_config_consume_fuel_set(config, (flavour & ADK__FLAVOUR_FUEL) != 0);
    wasmtime_config_cranelift_nan_canonicalization_set(config, (flavour & ADK__FLAVOUR_DETERMINISTIC) != 0);
    wasmtime_config_max_wasm_stack_set(config, ADK__GUEST_STACK_BYTES);
    wasmtime_config_native_unwind_info_set(config, false);
    wasmtime_config_parallel_compilation_set(config, false);
    wasmtime_config_memory_reservation_set(config, UINT64_C(4) << 30);
    if (adk_engine_new(config, &engine) != NULL)
        bench_die("make an engine", NULL);
    return engine;
}

/* Of this thread: other work on the machine is not the compiler's. */
static double cpu_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* The best of some rounds, in the worst of the flavours. Other work only ever adds to it, also to the time of a thread, so
 * rounds go on while it is more than half of what it may be. */
static double compile_ms(wasm_engine_t *const *engines, const bench_shape *shape, uint32_t n, double bound_ms)
{
    double worst = 0;
    bench_code code;

    bench_shape_make(shape, n, &code);
    for (uint32_t flavour = 0; flavour < ADK__FLAVOURS; flavour++) {
        double best = 0;

        for (int round = 0; round < ROUNDS_MIN || (round < ROUNDS_MAX && best > bound_ms / 2); round++) {
            wasmtime_module_t *module;
            double took = cpu_ms();
            wasmtime_error_t *error = adk_engine_compile(engines[flavour], code.data, code.size, &module);

            took = cpu_ms() - took;
            if (error != NULL) {
                (void)fprintf(stderr, "%s: ", shape->name);
                bench_die("the shape is refused", NULL);
            }
            wasmtime_module_delete(module);
            best = round == 0 || took < best ? took : best;
        }
        worst = best > worst ? best : worst;
    }
    free(code.data);
    return worst;
}

static adk_engine_survey look(const bench_shape *shape, uint32_t n, size_t *ret_size)
{
    adk_engine_survey survey;
    bench_code code;

    bench_shape_make(shape, n, &code);
    adk_engine_survey_module(code.data, code.size, &survey);
    *ret_size = code.size;
    free(code.data);
    return survey;
}

/* The largest n of which the survey says that it is quick. What it says grows with n. */
static uint32_t largest(const bench_shape *shape, uint64_t quick_ns)
{
    uint32_t most = shape->locals == BENCH_SHAPE_N ? LOCALS_MAX : N_MAX;
    uint32_t low = 0;
    uint32_t high = 1;
    size_t size;

    while (high < most && look(shape, high, &size).work_ns <= quick_ns) {
        low = high;
        high *= 2;
    }
    high = high < most ? high : most;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (look(shape, middle, &size).work_ns <= quick_ns)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int main(int argc, char **argv)
{
    uint64_t quick_ns = (uint64_t)(argc > 1 ? strtoul(argv[1], NULL, 10) : QUICK_MS) * 1000000;
    wasm_engine_t *engines[ADK__FLAVOURS];
    double took_ms[SHAPES_MAX];
    double worst_part = 0;
    size_t count = 0;

    for (uint32_t flavour = 0; flavour < ADK__FLAVOURS; flavour++)
        engines[flavour] = new_engine(flavour);
    for (size_t i = 0; i < bench_shape_count && count < SHAPES_MAX; i++) {
        const bench_shape *shape = &bench_shapes[i];
        uint32_t n = largest(shape, quick_ns);
        adk_engine_survey survey;
        double half_ms;
        double work_ms;
        size_t size;

        if (n < 2)
            continue;
        survey = look(shape, n, &size);
        work_ms = (double)survey.work_ns / 1e6;
        half_ms = compile_ms(engines, shape, n / 2, work_ms / 2);
        took_ms[count] = compile_ms(engines, shape, n, work_ms);
        (void)printf("{\"bench\":\"compile\",\"shape\":\"%s\",\"n\":%u,\"bytes\":%zu,\"work_ms\":%.1f,"
                     "\"compile_ms\":%.1f,\"scaling\":%.2f}\n",
                     shape->name, n, size, work_ms, took_ms[count], took_ms[count] / half_ms);
        worst_part = took_ms[count] / work_ms > worst_part ? took_ms[count] / work_ms : worst_part;
        count++;
    }
    (void)printf("{\"bench\":\"compile\",\"shapes\":%zu,\"quick_ms\":%.0f,\"worst_ms\":%.1f,\"median_ms\":%.1f,"
                 "\"worst_part_of_work\":%.2f}\n",
                 count, (double)quick_ns / 1e6, bench_percentile(took_ms, count, 100),
                 bench_percentile(took_ms, count, 50), worst_part);
    for (uint32_t flavour = 0; flavour < ADK__FLAVOURS; flavour++)
        wasm_engine_delete(engines[flavour]);
    return worst_part > 1;
}
