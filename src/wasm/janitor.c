/*
 * fork(): the lock is held across it. The child has no janitor; what the janitor had been given stays as it is there, and
 * the next store that is to be taken starts another.
 */
#include "wasm/janitor.h"

#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/thread.h"
#include "core/error.h"

#define STORES_MAX  4
#define STACK_BYTES ((size_t)256 << 10)

struct chore {
    wasmtime_store_t *store;
    void (*done)(void *data);
    void *data;
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    bool running;
    bool stop;
    unsigned users;
    unsigned count;
    uint64_t taken; /* chores, ever */
    uint64_t done;
    struct chore chores[STORES_MAX];
} janitor = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void do_chore(const struct chore *chore)
{
    wasmtime_error_t *error = adk_engine_store_delete(chore->store);

    if (error != NULL)
        wasmtime_error_delete(error);
    chore->done(chore->data);
}

static void *clean(void *unused)
{
    (void)unused;
    (void)prctl(PR_SET_NAME, "adk-janitor");
    (void)pthread_mutex_lock(&janitor.mutex);
    while (!janitor.stop) {
        struct chore chore;

        if (janitor.count == 0) {
            (void)pthread_cond_wait(&janitor.changed, &janitor.mutex);
            continue;
        }
        chore = janitor.chores[0];
        janitor.count--;
        memmove(&janitor.chores[0], &janitor.chores[1], janitor.count * sizeof(janitor.chores[0]));
        (void)pthread_mutex_unlock(&janitor.mutex);
        do_chore(&chore);
        (void)pthread_mutex_lock(&janitor.mutex);
        janitor.done++;
        (void)pthread_cond_broadcast(&janitor.changed);
    }
    (void)pthread_mutex_unlock(&janitor.mutex);
    return NULL;
}

/* ---- fork --------------------------------------------------------------------------------------------------------- */

static void before_fork(void)
{
    (void)pthread_mutex_lock(&janitor.mutex);
}

static void after_fork_in_parent(void)
{
    (void)pthread_mutex_unlock(&janitor.mutex);
}

static void after_fork_in_child(void)
{
    janitor.running = false;
    janitor.count = 0;
    janitor.done = janitor.taken;
    (void)pthread_cond_init(&janitor.changed, NULL);
    (void)pthread_mutex_unlock(&janitor.mutex);
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

/* With the lock held. Without the thread there is nobody to take anything, and runs clean up after themselves. */
static bool is_at_work(void)
{
    if (!janitor.running) {
        janitor.stop = false;
        janitor.running = adk__thread_start(STACK_BYTES, clean, NULL, &janitor.thread) == 0;
    }
    return janitor.running;
}

int adk__janitor_retain(adk_error **ret_error)
{
    static bool handles_fork; /* under the lock */
    int failed;

    (void)pthread_mutex_lock(&janitor.mutex);
    failed = adk__thread_at_fork(&handles_fork, before_fork, after_fork_in_parent, after_fork_in_child);
    if (!failed) {
        (void)is_at_work();
        janitor.users++;
    }
    (void)pthread_mutex_unlock(&janitor.mutex);
    return failed ? adk__fail(ret_error, ADK_E_SYSTEM, failed, "prepare for fork") : ADK_OK;
}

void adk__janitor_release(void)
{
    pthread_t thread = {0};
    bool join = false;
    uint64_t taken;

    (void)pthread_mutex_lock(&janitor.mutex);
    taken = janitor.taken;
    while (janitor.done < taken)
        (void)pthread_cond_wait(&janitor.changed, &janitor.mutex);
    if (--janitor.users == 0 && janitor.running) {
        janitor.stop = true;
        janitor.running = false;
        thread = janitor.thread;
        join = true;
        (void)pthread_cond_broadcast(&janitor.changed);
    }
    (void)pthread_mutex_unlock(&janitor.mutex);
    if (join)
        (void)pthread_join(thread, NULL);
}

/* The thread sanitizer does not see the engine's lock under which a slot goes from the janitor to the next guest, and spends
 * minutes on the races that it takes this for. */
#if defined(__SANITIZE_THREAD__)
#define TAKES_STORES false
#else
#define TAKES_STORES true
#endif

bool adk__janitor_take(wasmtime_store_t *store, void (*done)(void *data), void *data)
{
    bool taken;

    if (!TAKES_STORES)
        return false;
    (void)pthread_mutex_lock(&janitor.mutex);
    taken = janitor.count < STORES_MAX && is_at_work();
    if (taken) {
        janitor.chores[janitor.count++] = (struct chore){store, done, data};
        janitor.taken++;
        (void)pthread_cond_broadcast(&janitor.changed);
    }
    (void)pthread_mutex_unlock(&janitor.mutex);
    return taken;
}
