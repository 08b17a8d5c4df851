/*
 * The reaper.
 *
 * Two parties share `wake_at_ns`, the time at which the reaper will next look. A run stores its deadline, then reads
 * wake_at_ns, and wakes the reaper if that is later. The reaper stores wake_at_ns, then reads all deadlines once more.
 * All four are sequentially consistent, so at least one of the two sees the other: no deadline is slept through.
 *
 * A bump of the epoch can be lost on a run: between the moment when its callback decided to go on and the moment when
 * its next epoch deadline is set. Therefore a due run's engine is bumped at every tick until the run is left.
 *
 * The lock guards the list of slots and is held during a scan. An engine is freed only after adk__reaper_barrier(): a
 * scan that began while a run lasted has then ended, and no later one sees that run.
 *
 * It also collects helper processes, which take a while to go after they were killed: nobody has to wait for them.
 *
 * fork(): the lock is held across it, so that the child finds the list whole. The child has no reaper thread; it forgets
 * the slots of all threads but its own and starts a reaper when a run is armed, or when the run that forked comes back
 * from foreign code.
 */
#include "wasm/reaper.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include <wasmtime.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/thread.h"
#include "core/error.h"

#define TICK_NS            UINT64_C(500000)
#define REAPER_STACK_BYTES ((size_t)128 << 10)
#define BURIAL_NS          UINT64_C(2000000) /* between two looks whether a dying process has gone */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t thread;
    bool running;
    bool stop;
    unsigned users;
    adk__watched *slots;
    adk__grave *graves;
    _Atomic uint64_t wake_at_ns;
    atomic_uint generation; /* how many forks lie between this process and the first */
} reaper = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .wake_at_ns = ADK__NEVER};

static _Thread_local adk__watched *innermost; /* of this thread's runs: a callback may run a sandbox itself */
static _Thread_local unsigned seen_generation;

/* Bumps what is due. Returns the time of the next look. */
static uint64_t scan(uint64_t now_ns, bool bump)
{
    uint64_t next_ns = ADK__NEVER;

    for (adk__watched *slot = reaper.slots; slot != NULL; slot = slot->next) {
        uint64_t due_ns = atomic_load(&slot->due_ns);

        if (due_ns == 0)
            continue;
        if (due_ns <= now_ns) {
            wasm_engine_t *engine = atomic_load(&slot->engine);

            due_ns = now_ns + TICK_NS;
            if (bump && engine != NULL)
                wasmtime_engine_increment_epoch(engine);
        }
        if (due_ns < next_ns)
            next_ns = due_ns;
    }
    return next_ns;
}

/* Collects the processes that have gone. Returns the time of the next look. */
static uint64_t collect(uint64_t now_ns)
{
    adk__grave **at = &reaper.graves;

    while (*at != NULL) {
        adk__grave *grave = *at;
        adk__process_end end;

        if (!adk__process_reap(&grave->process, &end)) {
            at = &grave->next;
            continue;
        }
        *at = grave->next;
        adk__process_close(&grave->process);
        grave->collected(grave);
    }
    return reaper.graves == NULL ? ADK__NEVER : now_ns + BURIAL_NS;
}

static void sleep_until(uint64_t wake_at_ns)
{
    struct timespec wake = adk__timespec_from_ns(wake_at_ns);

    if (wake_at_ns == ADK__NEVER)
        (void)pthread_cond_wait(&reaper.wake, &reaper.mutex);
    else
        (void)pthread_cond_clockwait(&reaper.wake, &reaper.mutex, CLOCK_MONOTONIC, &wake);
}

static void *reap(void *unused)
{
    (void)unused;
    (void)prctl(PR_SET_NAME, "adk-reaper");
    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* nanosecond: the default of 50 µs would be added to every deadline */
    (void)pthread_mutex_lock(&reaper.mutex);
    while (!reaper.stop) {
        uint64_t now_ns = adk__now_ns();
        uint64_t next_ns = scan(now_ns, true);
        uint64_t burial_ns = collect(now_ns);

        atomic_store(&reaper.wake_at_ns, next_ns);
        if (scan(now_ns, false) < next_ns)
            continue; /* somebody published an earlier deadline and saw the old time */
        sleep_until(next_ns < burial_ns ? next_ns : burial_ns);
    }
    (void)pthread_mutex_unlock(&reaper.mutex);
    return NULL;
}

/* With the lock held. */
static int start_thread(void)
{
    int failed;

    reaper.stop = false;
    failed = adk__thread_start(REAPER_STACK_BYTES, reap, NULL, &reaper.thread);
    reaper.running = failed == 0;
    return failed;
}

static void before_fork(void)
{
    (void)pthread_mutex_lock(&reaper.mutex);
}

static void after_fork_in_parent(void)
{
    (void)pthread_mutex_unlock(&reaper.mutex);
}

static bool is_mine(const adk__watched *slot)
{
    const adk__watched *mine = innermost;

    while (mine != NULL && mine != slot)
        mine = mine->outer;
    return mine != NULL;
}

static void after_fork_in_child(void)
{
    for (adk__watched *slot = reaper.slots; slot != NULL; slot = slot->next) {
        if (!is_mine(slot))
            atomic_store(&slot->due_ns, 0);
    }
    while (reaper.graves != NULL) { /* they are the parent's to collect */
        adk__grave *grave = reaper.graves;

        reaper.graves = grave->next;
        adk__process_close(&grave->process);
        grave->collected(grave);
    }
    reaper.running = false;
    atomic_store(&reaper.wake_at_ns, ADK__NEVER);
    (void)atomic_fetch_add(&reaper.generation, 1);
    (void)pthread_cond_init(&reaper.wake, NULL);
    (void)pthread_mutex_unlock(&reaper.mutex);
}

int adk__reaper_retain(adk_error **ret_error)
{
    static bool handles_fork; /* under the lock */
    int failed;

    (void)pthread_mutex_lock(&reaper.mutex);
    failed = adk__thread_at_fork(&handles_fork, before_fork, after_fork_in_parent, after_fork_in_child);
    if (!failed && !reaper.running)
        failed = start_thread();
    if (!failed)
        reaper.users++;
    (void)pthread_mutex_unlock(&reaper.mutex);
    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "start the thread that watches deadlines");
    return ADK_OK;
}

void adk__reaper_release(void)
{
    pthread_t thread = {0};
    bool join = false;

    (void)pthread_mutex_lock(&reaper.mutex);
    if (--reaper.users == 0 && reaper.running) {
        reaper.stop = true;
        reaper.running = false;
        thread = reaper.thread;
        join = true;
        (void)pthread_cond_broadcast(&reaper.wake);
    }
    (void)pthread_mutex_unlock(&reaper.mutex);
    if (join)
        (void)pthread_join(thread, NULL);
}

void adk__reaper_barrier(void)
{
    (void)pthread_mutex_lock(&reaper.mutex);
    (void)pthread_mutex_unlock(&reaper.mutex);
}

void adk__reaper_add(adk__watched *slot)
{
    atomic_init(&slot->due_ns, 0);
    atomic_init(&slot->engine, NULL);
    slot->prev = NULL;
    (void)pthread_mutex_lock(&reaper.mutex);
    slot->next = reaper.slots;
    if (slot->next != NULL)
        slot->next->prev = slot;
    reaper.slots = slot;
    (void)pthread_mutex_unlock(&reaper.mutex);
}

void adk__reaper_remove(adk__watched *slot)
{
    (void)pthread_mutex_lock(&reaper.mutex);
    if (slot->prev != NULL)
        slot->prev->next = slot->next;
    else
        reaper.slots = slot->next;
    if (slot->next != NULL)
        slot->next->prev = slot->prev;
    (void)pthread_mutex_unlock(&reaper.mutex);
}

/* The reaper looks again; in a forked child it is made first. If that fails the run is watched all the same: WASI calls
 * look at the clock themselves, and the next run tries again. */
static void kick(void)
{
    (void)pthread_mutex_lock(&reaper.mutex);
    if (!reaper.running && reaper.users > 0)
        (void)start_thread();
    (void)pthread_cond_signal(&reaper.wake);
    (void)pthread_mutex_unlock(&reaper.mutex);
}

void adk__reaper_enter(adk__watched *slot)
{
    slot->outer = innermost;
    innermost = slot;
    seen_generation = atomic_load_explicit(&reaper.generation, memory_order_relaxed);
}

void adk__reaper_leave(adk__watched *slot)
{
    atomic_store_explicit(&slot->due_ns, 0, memory_order_release);
    atomic_store_explicit(&slot->engine, NULL, memory_order_release);
    innermost = slot->outer;
}

void adk__reaper_arm(adk__watched *slot, wasm_engine_t *engine, uint64_t due_ns)
{
    atomic_store_explicit(&slot->engine, engine, memory_order_relaxed);
    atomic_store(&slot->due_ns, due_ns);
    if (due_ns < atomic_load(&reaper.wake_at_ns))
        kick();
}

void adk__reaper_expire(adk__watched *slot)
{
    atomic_store(&slot->due_ns, 1);
    kick();
}

void adk__reaper_check_fork(adk__watched *slot)
{
    unsigned generation = atomic_load_explicit(&reaper.generation, memory_order_relaxed);

    if (ADK_LIKELY(generation == seen_generation))
        return;
    seen_generation = generation;
    if (atomic_load(&slot->due_ns) < atomic_load(&reaper.wake_at_ns))
        kick();
}

void adk__reaper_bury(adk__grave *grave)
{
    (void)pthread_mutex_lock(&reaper.mutex);
    grave->next = reaper.graves;
    reaper.graves = grave;
    (void)pthread_mutex_unlock(&reaper.mutex);
    kick();
}
