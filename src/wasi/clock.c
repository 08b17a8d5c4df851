/*
 * The guest's clocks. Real ones: the time of day, a monotonic clock that tells nothing of the host's (it shows one
 * second at the run's begin), and the CPU time of the thread the run is on. Virtual ones, for deterministic runs: one
 * counter that moves on a microsecond by each reading and by each sleep, which then takes no time.
 */
#include "base/clock.h"

#include "wasi/context.h"

#define VIRTUAL_STEP_NS UINT64_C(1000)

/* What a monotonic clock shows at the begin. Not 0: some programs take that for "no time at all" (Go refuses to start). */
#define MONOTONIC_BASE_NS ADK__NS_PER_S

void adk__wasi_clocks_begin(adk__wasi *wasi)
{
    adk__wasi_clocks *clocks = &wasi->clocks;

    clocks->base_ns = MONOTONIC_BASE_NS;
    clocks->is_virtual = (wasi->setup.request->flags & ADK_REQUEST_CLOCK) != 0;
    clocks->start_ns = wasi->setup.request->clock_start_ns;
    clocks->has_origin = wasi->setup.began_ns != 0;
    clocks->origin_ns = wasi->setup.began_ns;
}

static uint64_t read_virtual(adk__wasi_clocks *clocks, uint32_t clock)
{
    uint64_t elapsed_ns = clocks->elapsed_ns;
    uint64_t slept_ns = clocks->slept_ns;

    clocks->elapsed_ns = adk__add_saturated(elapsed_ns, VIRTUAL_STEP_NS);
    switch (clock) {
    case ADK__WASI_CLOCK_REALTIME:
        return adk__add_saturated(clocks->start_ns, elapsed_ns);
    case ADK__WASI_CLOCK_MONOTONIC:
        return adk__add_saturated(clocks->base_ns, elapsed_ns);
    default:
        return elapsed_ns - slept_ns;
    }
}

static uint64_t since_origin(adk__wasi_clocks *clocks, uint64_t now_ns)
{
    if (!clocks->has_origin) {
        clocks->has_origin = true;
        clocks->origin_ns = now_ns;
    }
    return now_ns > clocks->origin_ns ? now_ns - clocks->origin_ns : 0;
}

/*
 * CPU time since the run's begin. The clock is first read when the guest first asks, because it costs a system call: what
 * had been used by then is not known, but no more than the time that has passed. From there on it is exact.
 */
static uint64_t read_cpu(adk__wasi_clocks *clocks)
{
    uint64_t used_ns = adk__clock_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t passed_ns;

    if (!clocks->has_cpu_origin) {
        passed_ns = since_origin(clocks, adk__now_ns());
        clocks->has_cpu_origin = true;
        clocks->cpu_origin_ns = used_ns > passed_ns ? used_ns - passed_ns : 0;
    }
    return used_ns > clocks->cpu_origin_ns ? used_ns - clocks->cpu_origin_ns : 0;
}

void adk__wasi_clocks_resume(adk__wasi *wasi)
{
    adk__wasi_clocks *clocks = &wasi->clocks;
    uint64_t shown_ns = clocks->base_ns;

    shown_ns += clocks->is_virtual ? clocks->elapsed_ns : since_origin(clocks, adk__now_ns());
    *clocks = (adk__wasi_clocks){0};
    adk__wasi_clocks_begin(wasi);
    clocks->base_ns = shown_ns;
}

bool adk__wasi_clock_read(adk__wasi *wasi, uint32_t clock, uint64_t *ret_ns)
{
    if (clock >= ADK__WASI_CLOCKS)
        return false;
    if (wasi->clocks.is_virtual)
        *ret_ns = read_virtual(&wasi->clocks, clock);
    else if (clock == ADK__WASI_CLOCK_REALTIME)
        *ret_ns = adk__clock_ns(CLOCK_REALTIME);
    else if (clock == ADK__WASI_CLOCK_MONOTONIC)
        *ret_ns = adk__add_saturated(wasi->clocks.base_ns, since_origin(&wasi->clocks, adk__now_ns()));
    else
        *ret_ns = read_cpu(&wasi->clocks);
    return true;
}

uint64_t adk__wasi_clock_of_files(void *wasi)
{
    uint64_t now_ns = 0;

    (void)adk__wasi_clock_read(wasi, ADK__WASI_CLOCK_REALTIME, &now_ns);
    return now_ns;
}

static bool sleep_virtual(adk__wasi *wasi, uint64_t until_ns)
{
    adk__wasi_clocks *clocks = &wasi->clocks;
    uint64_t until_elapsed_ns = until_ns - clocks->base_ns; /* every moment to come is later than that */

    if (until_elapsed_ns > clocks->elapsed_ns) {
        clocks->slept_ns += until_elapsed_ns - clocks->elapsed_ns;
        clocks->elapsed_ns = until_elapsed_ns;
    }
    return adk__wasi_interrupted(wasi);
}

bool adk__wasi_clock_sleep(adk__wasi *wasi, uint64_t until_ns)
{
    if (wasi->clocks.is_virtual)
        return sleep_virtual(wasi, until_ns);
    until_ns = adk__add_saturated(until_ns - wasi->clocks.base_ns, wasi->clocks.origin_ns);
    if (adk__interrupt_wait(wasi->setup.interrupt, until_ns) == ADK__INTERRUPT_NONE)
        return false;
    wasi->call.stop = ADK__WASI_INTERRUPT;
    return true;
}

uint16_t adk__wasi_do_clock_res_get(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t clock = (uint32_t)args[0];
    uint32_t result = (uint32_t)args[1];

    if (!adk__wasi_has_range(wasi, result, sizeof(uint64_t)))
        return ADK__WASI_EFAULT;
    if (clock >= ADK__WASI_CLOCKS)
        return ADK__WASI_EINVAL;
    adk__wasi_store64(&wasi->call.memory, result, wasi->clocks.is_virtual ? VIRTUAL_STEP_NS : 1);
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_clock_time_get(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t clock = (uint32_t)args[0];
    uint32_t result = (uint32_t)args[2]; /* args[1] is the precision wished for: ours is the best there is */
    uint64_t now_ns;

    if (!adk__wasi_has_range(wasi, result, sizeof now_ns))
        return ADK__WASI_EFAULT;
    if (!adk__wasi_clock_read(wasi, clock, &now_ns))
        return ADK__WASI_EINVAL;
    adk__wasi_store64(&wasi->call.memory, result, now_ns);
    return ADK__WASI_SUCCESS;
}
