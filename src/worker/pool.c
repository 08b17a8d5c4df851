/*
 * Theory of operation. A pool has a current worker and now and then a next one. The next is started when there is no
 * current one, or when that has served its number of runs; it gets ready by itself, and takes over when it has said so: who
 * needs a seat and finds no current worker waits for it. A worker that is not current any more serves what it has begun,
 * and is killed when its last seat is given back; the reaper collects it.
 *
 * A seat is two socket pairs and a fork. Some for runs are made ahead and stand in stock, so that a run finds a child that
 * already waits; giving a seat back is when the stock is filled up, off the path from order to report. (When the order has
 * gone out would be earlier, and then the fork is in that run's way: both want a processor, and the fork the later one.)
 *
 * Who kills whom: the library kills runs by their pidfd at their deadline, and workers when they are done with; a worker's
 * runs die with it (walls.c). A worker that died is noticed by whoever uses it next. One that dies again and again is
 * started ever later, and what asks for it meanwhile is told so.
 *
 * The lock is held while seats are made, never while somebody waits for a worker to get ready.
 *
 * After a fork() of the host the child forgets all workers at once: they are the parent's, and learn of its death by a
 * channel of which nobody else may hold an end. The locks are held across it, so that the child finds pools that are whole. A
 * seat that the forking thread has taken is given back as any other, and then its worker's place is freed.
 */
#include "worker/pool.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <utlist.h>

#include "base/channel.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "base/thread.h"
#include "core/error.h"
#include "wasm/reaper.h"

#define STEP_NS       UINT64_C(2000000)
#define ATTEMPTS      8
#define PATIENT       3 /* failures in a row before a pause */
#define PAUSE_NS      UINT64_C(50000000)
#define PAUSE_MAX_NS  UINT64_C(10000000000)
#define REASON_MAX    1024
#define SEAT_PATIENCE 200 /* ms: a control channel is full only while a worker is busy */

struct adk__pool_worker {
    adk__grave grave; /* first: the grave is the worker */
    adk__pool *pool;
    uint64_t started_ns;
    unsigned generation; /* of the process that started it */
    unsigned seats;      /* taken, or in stock */
    uint32_t runs;
    uint32_t walls;
    uint64_t compatibility;
    adk__seat stock[ADK__POOL_STOCK_MAX];
    uint32_t stocked;
};

struct adk__pool {
    adk__pool_setup setup;
    char *path;
    adk__worker_orders orders;
    pthread_mutex_t mutex;
    adk__pool *prev; /* the registry's */
    adk__pool *following;
    adk__pool_worker *current;
    adk__pool_worker *next;
    bool is_listened_to; /* somebody waits for the next one to be ready */
    unsigned failures;   /* in a row */
    uint64_t pause_until_ns;
    char reason[REASON_MAX]; /* of the last */
    atomic_uint alive;       /* processes, the dying included */
};

/* How many forks lie between this process and the first. */
static atomic_uint generation;

unsigned adk__pool_generation(void)
{
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

/* ---- workers ------------------------------------------------------------------------------------------------------- */

/* Another process started it, which this one was forked from. */
static bool is_foreign(const adk__pool_worker *worker)
{
    return worker->generation != adk__pool_generation();
}

static void collected(adk__grave *grave)
{
    adk__pool_worker *worker = (adk__pool_worker *)grave;

    (void)atomic_fetch_sub(&worker->pool->alive, 1);
    free(worker);
}

static void drop_stock(adk__pool_worker *worker)
{
    while (worker->stocked > 0) {
        adk__seat_close(&worker->stock[--worker->stocked]);
        worker->seats--;
    }
}

/* Lets go of a worker that is neither current nor next: it goes with its last seat. */
static void retire(adk__pool_worker *worker)
{
    drop_stock(worker);
    if (worker->seats > 0)
        return;
    adk__process_kill(&worker->grave.process);
    adk__reaper_bury(&worker->grave);
}

static void retire_current(adk__pool *pool)
{
    adk__pool_worker *worker = pool->current;

    pool->current = NULL;
    if (worker != NULL)
        retire(worker);
}

static void failed_again(adk__pool *pool, const char *reason)
{
    uint64_t pause_ns = PAUSE_NS;

    (void)snprintf(pool->reason, sizeof(pool->reason), "%s", reason);
    pool->failures++;
    if (pool->failures <= PATIENT)
        return;
    for (unsigned i = PATIENT + 1; i < pool->failures && pause_ns < PAUSE_MAX_NS; i++)
        pause_ns *= 2;
    pool->pause_until_ns = adk__now_ns() + (pause_ns < PAUSE_MAX_NS ? pause_ns : PAUSE_MAX_NS);
}

static int fail_paused(const adk__pool *pool, adk_error **ret_error)
{
    return adk__fail(ret_error, ADK_E_UNAVAILABLE, 0, "the worker %s does not serve: %s", pool->path, pool->reason);
}

static int start(adk__pool *pool, adk_error **ret_error)
{
    char name[] = "adk-worker";
    char serve[] = "serve";
    char warm[] = "warm";
    char *const argv[] = {name, pool->setup.is_image ? warm : serve, NULL};
    const int fds[ADK__WORKER_IMAGE_FDS] = {pool->setup.exchange_fd, pool->setup.code_fd};
    adk__pool_worker *worker = calloc(1, sizeof(*worker));
    int failed;

    if (worker == NULL)
        return adk__fail_nomem(ret_error);
    worker->pool = pool;
    worker->generation = adk__pool_generation();
    worker->grave.collected = collected;
    worker->started_ns = adk__now_ns();
    failed = adk__process_start(pool->path, argv, &worker->grave.process);
    if (failed) {
        free(worker);
        failed_again(pool, strerrordesc_np(failed));
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, failed, "start the worker %s", pool->path);
    }
    (void)atomic_fetch_add(&pool->alive, 1);
    /* Where this does not arrive, that shows when its answer is waited for. */
    (void)adk__channel_send(worker->grave.process.channel, &pool->orders, sizeof(pool->orders), fds,
                            pool->setup.is_image ? ADK__WORKER_IMAGE_FDS : 0);
    pool->next = worker;
    return ADK_OK;
}

/* ---- getting ready ------------------------------------------------------------------------------------------------- */

struct answer {
    adk__worker_ready ready;
    char text[ADK__WORKER_MESSAGE_MAX];
};

/* NULL, or why the worker is not ready. */
static const char *judge(const struct answer *answer, size_t size, char *shown, size_t shown_size)
{
    adk__buf text = ADK__BUF_INIT((size_t)4 * REASON_MAX + 16);

    if (!adk__worker_ready_is_sound(&answer->ready, size) || answer->ready.message_bytes > sizeof(answer->text))
        return "its answer makes no sense";
    if (answer->ready.is_ready)
        return NULL;
    (void)adk__text_append_escaped(&text, answer->text, answer->ready.message_bytes, REASON_MAX / 2);
    (void)snprintf(shown, shown_size, "%.*s", (int)text.size, (const char *)text.data);
    adk__buf_free(&text);
    return shown;
}

/* Whether the next worker has said something, or died, within a moment: then it is current, or has failed. */
static void listen_to_next(adk__pool *pool, uint64_t patience_ns)
{
    adk__pool_worker *worker = pool->next;
    struct pollfd what = {worker->grave.process.channel, POLLIN, 0};
    struct timespec time = adk__timespec_from_ns(patience_ns);
    char shown[REASON_MAX];
    const char *problem;
    struct answer answer;
    size_t size = 0;
    int failed;

    pool->is_listened_to = true;
    (void)pthread_mutex_unlock(&pool->mutex);
    (void)ppoll(&what, 1, &time, NULL);
    failed = adk__channel_receive(what.fd, MSG_DONTWAIT, &answer, sizeof(answer), &size, NULL, 0);
    (void)pthread_mutex_lock(&pool->mutex);
    pool->is_listened_to = false;
    if (failed == EAGAIN && adk__now_ns() - worker->started_ns < pool->setup.warmup_ns)
        return;
    problem = failed == EAGAIN ? "it was not ready in time"
              : failed         ? "it ended before it was ready"
                               : judge(&answer, size, shown, sizeof(shown));
    pool->next = NULL;
    if (problem != NULL) {
        failed_again(pool, problem);
        retire(worker);
        return;
    }
    worker->walls = answer.ready.walls;
    worker->compatibility = answer.ready.compatibility;
    retire_current(pool);
    pool->current = worker;
}

static uint64_t step_of(const adk__interrupt *interrupt)
{
    uint64_t now_ns = adk__now_ns();
    uint64_t left_ns = interrupt->deadline_ns > now_ns ? interrupt->deadline_ns - now_ns : 0;

    return left_ns < STEP_NS ? left_ns : STEP_NS;
}

/* With the lock held: there is a current worker, or the run must stop (still ADK_OK), or it fails. */
static int need_current(adk__pool *pool, adk__interrupt *interrupt, adk_error **ret_error)
{
    int status = ADK_OK;

    if (pool->current != NULL && pool->next != NULL && !pool->is_listened_to)
        listen_to_next(pool, 0);
    while (pool->current == NULL && status == ADK_OK && adk__interrupt_check(interrupt) == ADK__INTERRUPT_NONE) {
        if (pool->next != NULL && !pool->is_listened_to) {
            listen_to_next(pool, step_of(interrupt));
        } else if (pool->next != NULL) {
            (void)pthread_mutex_unlock(&pool->mutex);
            (void)adk__interrupt_wait(interrupt, adk__add_saturated(adk__now_ns(), STEP_NS / 4));
            (void)pthread_mutex_lock(&pool->mutex);
        } else if (adk__now_ns() < pool->pause_until_ns) {
            status = fail_paused(pool, ret_error);
        } else {
            status = start(pool, ret_error);
        }
    }
    return status;
}

/* ---- seats --------------------------------------------------------------------------------------------------------- */

static int make_pair(int pair[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0 ? 0 : errno;
}

static int send_seat(const adk__pool_worker *worker, adk__worker_word word, const int fds[ADK__WORKER_SEAT_FDS])
{
    const adk__worker_message message = {.magic = ADK__WORKER_MAGIC, .word = word};
    int control = worker->grave.process.channel;
    struct pollfd room = {control, POLLOUT, 0};
    int failed = adk__channel_send(control, &message, sizeof(message), fds, ADK__WORKER_SEAT_FDS);

    if (failed != EAGAIN || poll(&room, 1, SEAT_PATIENCE) != 1)
        return failed;
    return adk__channel_send(control, &message, sizeof(message), fds, ADK__WORKER_SEAT_FDS);
}

/* Returns 0 or an errno value: EPIPE where the worker has gone. */
static int make_seat(adk__pool_worker *worker, adk__worker_word word, adk__seat *ret_seat)
{
    int run[2] = {-1, -1};
    int news[2] = {-1, -1};
    int failed = make_pair(run);

    if (!failed)
        failed = make_pair(news);
    if (!failed)
        failed = send_seat(worker, word, (const int[]){run[1], news[1]});
    for (size_t i = 0; i < 2; i++) {
        if ((i == 1 || failed) && run[i] >= 0)
            (void)close(run[i]);
        if ((i == 1 || failed) && news[i] >= 0)
            (void)close(news[i]);
    }
    if (failed)
        return failed;
    worker->seats++;
    *ret_seat = (adk__seat){worker, run[0], news[0], -1};
    return 0;
}

/* What cannot be stocked now is made when it is needed. */
static void fill_stock(adk__pool_worker *worker)
{
    while (worker->stocked < worker->pool->setup.stock &&
           make_seat(worker, ADK__WORKER_SEAT, &worker->stock[worker->stocked]) == 0)
        worker->stocked++;
}

static int take_seat(adk__pool_worker *worker, bool is_session, adk__seat *ret_seat)
{
    if (is_session || worker->stocked == 0)
        return make_seat(worker, is_session ? ADK__WORKER_ROOM : ADK__WORKER_SEAT, ret_seat);
    *ret_seat = worker->stock[0];
    worker->stocked--;
    memmove(&worker->stock[0], &worker->stock[1], worker->stocked * sizeof(worker->stock[0]));
    return 0;
}

/* Waits for the child's pidfd. 0; EINTR where the run must stop; else the worker is of no use. */
static int await_child(adk__seat *seat, adk__interrupt *interrupt)
{
    struct pollfd what = {seat->news, POLLIN, 0};
    adk__worker_message message;
    size_t size = 0;
    int failed = EAGAIN;

    while (failed == EAGAIN) {
        struct timespec time;

        failed = adk__channel_receive(seat->news, MSG_DONTWAIT, &message, sizeof(message), &size, &seat->pidfd, 1);
        if (failed != EAGAIN)
            break;
        if (adk__interrupt_check(interrupt) != ADK__INTERRUPT_NONE)
            return EINTR;
        time = adk__timespec_from_ns(step_of(interrupt));
        (void)ppoll(&what, 1, &time, NULL);
    }
    if (failed) {
        seat->pidfd = -1;
        return failed;
    }
    return adk__worker_message_is(&message, size, ADK__WORKER_STARTED) ? 0 : EBADMSG;
}

/* With the lock held: the worker that serves is of no use any more, if it is still this one. */
static void replace(adk__pool *pool, const adk__pool_worker *worker, const char *reason)
{
    if (pool->current != worker)
        return;
    failed_again(pool, reason);
    retire_current(pool);
}

static void let_go(adk__pool_worker *worker)
{
    adk__pool *pool = worker->pool;

    worker->seats--;
    if (is_foreign(worker)) {
        if (worker->seats == 0)
            free(worker);
        return;
    }
    if (worker != pool->current && worker != pool->next && worker->seats == 0)
        retire(worker);
}

/* One attempt. *ret_seat has no worker where there is to be another. */
static int try_to_take(adk__pool *pool, bool is_session, adk__interrupt *interrupt, adk__seat *ret_seat,
                       adk_error **ret_error)
{
    adk__pool_worker *worker;
    int status;
    int failed;

    (void)pthread_mutex_lock(&pool->mutex);
    status = need_current(pool, interrupt, ret_error);
    worker = pool->current;
    failed = status != ADK_OK || worker == NULL ? EINTR : take_seat(worker, is_session, ret_seat);
    if (failed && failed != EINTR)
        replace(pool, worker, "it died");
    (void)pthread_mutex_unlock(&pool->mutex);
    if (failed)
        return status;
    failed = await_child(ret_seat, interrupt);
    if (!failed)
        return ADK_OK;
    (void)pthread_mutex_lock(&pool->mutex);
    adk__seat_close(ret_seat);
    if (failed != EINTR)
        replace(pool, worker, "it died");
    let_go(worker);
    (void)pthread_mutex_unlock(&pool->mutex);
    return ADK_OK;
}

int adk__pool_take(adk__pool *pool, bool is_session, adk__interrupt *interrupt, adk__seat *ret_seat,
                   adk_error **ret_error)
{
    int status = ADK_OK;

    *ret_seat = (adk__seat){NULL, -1, -1, -1};
    for (int i = 0; i < ATTEMPTS; i++) {
        status = try_to_take(pool, is_session, interrupt, ret_seat, ret_error);
        if (status != ADK_OK || ret_seat->worker != NULL || adk__interrupt_check(interrupt) != ADK__INTERRUPT_NONE)
            return status;
    }
    (void)pthread_mutex_lock(&pool->mutex);
    status = fail_paused(pool, ret_error);
    (void)pthread_mutex_unlock(&pool->mutex);
    return status;
}

/* ---- branches ------------------------------------------------------------------------------------------------------ */

/* The kernel says to the worker who says hello on the branch's channel: from `is_on`, and until it is no longer. */
static int pass_credentials(int channel, int is_on)
{
    return setsockopt(channel, SOL_SOCKET, SO_PASSCRED, &is_on, sizeof(is_on)) == 0 ? 0 : errno;
}

/* Both sides are told: the worker listens on our end of the channel, the session has the other. */
static int order_branch(adk__pool *pool, const adk__seat *seat, const adk__worker_opening *opening, adk__seat *branch)
{
    int run[2] = {-1, -1};
    int news[2] = {-1, -1};
    int failed = make_pair(run);

    if (!failed)
        failed = make_pair(news);
    if (!failed)
        failed = pass_credentials(run[0], 1);
    if (!failed) {
        (void)pthread_mutex_lock(&pool->mutex);
        failed = send_seat(seat->worker, ADK__WORKER_BRANCH, (const int[]){run[0], news[1]});
        (void)pthread_mutex_unlock(&pool->mutex);
    }
    if (!failed)
        failed = adk__channel_send(seat->run, opening, sizeof(*opening), &run[1], 1);
    if (run[1] >= 0)
        (void)close(run[1]);
    if (news[1] >= 0)
        (void)close(news[1]);
    *branch = (adk__seat){NULL, run[0], news[0], -1};
    return failed;
}

int adk__pool_branch(adk__pool *pool, const adk__seat *seat, const adk__worker_opening *opening,
                     adk__interrupt *interrupt, adk__seat *ret_seat, adk_error **ret_error)
{
    int failed = order_branch(pool, seat, opening, ret_seat);

    if (!failed)
        failed = await_child(ret_seat, interrupt);
    if (!failed)
        failed = pass_credentials(ret_seat->run, 0);
    if (failed) {
        adk__seat_kill(ret_seat);
        adk__seat_close(ret_seat);
    }
    if (failed == EINTR)
        return ADK_OK;
    if (failed)
        return adk__fail(ret_error, ADK_E_UNAVAILABLE, failed == EPIPE ? 0 : failed,
                         "the session's process could not be forked");
    ret_seat->worker = seat->worker;
    (void)pthread_mutex_lock(&pool->mutex);
    ret_seat->worker->seats++;
    (void)pthread_mutex_unlock(&pool->mutex);
    return ADK_OK;
}

/* ---- the end of a seat --------------------------------------------------------------------------------------------- */

void adk__pool_give(adk__pool *pool, adk__seat *seat, adk__seat_end end)
{
    adk__pool_worker *worker = seat->worker;

    if (end == ADK__SEAT_ORPHAN && !is_foreign(worker))
        adk__seat_kill(seat);
    adk__seat_close(seat);
    (void)sched_yield(); /* to the worker, that it sleeps when it is sent the next seat: then it wakes on an idle CPU */
    (void)pthread_mutex_lock(&pool->mutex);
    if (is_foreign(worker)) {
        let_go(worker);
        (void)pthread_mutex_unlock(&pool->mutex);
        return;
    }
    worker->runs++;
    if (end == ADK__SEAT_ORPHAN)
        replace(pool, worker, "it died, or did not answer");
    else
        pool->failures = 0;
    if (end == ADK__SEAT_CRASH && worker == pool->current)
        retire_current(pool);
    let_go(worker);
    if (pool->next == NULL && (pool->current == NULL || pool->current->runs >= pool->setup.renew_runs) &&
        adk__now_ns() >= pool->pause_until_ns)
        (void)start(pool, NULL);
    if (pool->current != NULL)
        fill_stock(pool->current);
    (void)pthread_mutex_unlock(&pool->mutex);
}

int adk__pool_describe(adk__pool *pool, adk__interrupt *interrupt, uint32_t *ret_walls, uint64_t *ret_compatibility,
                       adk_error **ret_error)
{
    int status = ADK_OK;
    bool is_there = false;

    (void)pthread_mutex_lock(&pool->mutex);
    for (int i = 0; i < ATTEMPTS && status == ADK_OK && !is_there; i++) {
        status = need_current(pool, interrupt, ret_error);
        is_there = pool->current != NULL;
    }
    if (is_there) {
        *ret_walls = pool->current->walls;
        *ret_compatibility = pool->current->compatibility;
        fill_stock(pool->current);
    } else if (status == ADK_OK) {
        status = fail_paused(pool, ret_error);
    }
    (void)pthread_mutex_unlock(&pool->mutex);
    return status;
}

/* ---- fork ---------------------------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t mutex; /* taken before any pool's */
    adk__pool *all;
} registry = {PTHREAD_MUTEX_INITIALIZER, NULL};

static void before_fork(void)
{
    adk__pool *pool;

    (void)pthread_mutex_lock(&registry.mutex);
    DL_FOREACH2(registry.all, pool, following)
    (void)pthread_mutex_lock(&pool->mutex);
}

static void unlock_all(void)
{
    adk__pool *pool;

    DL_FOREACH2(registry.all, pool, following)
    (void)pthread_mutex_unlock(&pool->mutex);
    (void)pthread_mutex_unlock(&registry.mutex);
}

/* Seats that are taken are some thread's: of those, only the one that forked is still there. */
static void forget_worker(adk__pool_worker *worker)
{
    if (worker == NULL)
        return;
    drop_stock(worker);
    adk__process_close(&worker->grave.process);
    if (worker->seats == 0)
        free(worker);
}

static void after_fork_in_child(void)
{
    adk__pool *pool;

    (void)atomic_fetch_add(&generation, 1);
    DL_FOREACH2(registry.all, pool, following)
    {
        forget_worker(pool->current);
        forget_worker(pool->next);
        pool->current = NULL;
        pool->next = NULL;
        pool->is_listened_to = false;
        atomic_store(&pool->alive, 0);
    }
    unlock_all();
}

static int enter_registry(adk__pool *pool, adk_error **ret_error)
{
    static bool handles_fork; /* under the lock */
    int failed;

    (void)pthread_mutex_lock(&registry.mutex);
    failed = adk__thread_at_fork(&handles_fork, before_fork, unlock_all, after_fork_in_child);
    if (!failed)
        DL_APPEND2(registry.all, pool, prev, following);
    (void)pthread_mutex_unlock(&registry.mutex);
    return failed ? adk__fail(ret_error, ADK_E_SYSTEM, failed, "prepare for fork") : ADK_OK;
}

static void leave_registry(adk__pool *pool)
{
    (void)pthread_mutex_lock(&registry.mutex);
    DL_DELETE2(registry.all, pool, prev, following);
    (void)pthread_mutex_unlock(&registry.mutex);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static void give_orders(adk__pool *pool)
{
    adk__worker_orders *orders = &pool->orders;

    orders->magic = ADK__WORKER_MAGIC;
    orders->protocol = ADK__WORKER_PROTOCOL;
    orders->flavour = pool->setup.flavour;
    orders->flags = pool->setup.is_narrow ? ADK__WORKER_NARROW : 0;
    orders->stack_bytes = pool->setup.stack_bytes;
    orders->code_shift = pool->setup.split.code_shift;
    orders->first_helper = pool->setup.split.first_helper;
    orders->is_exact = pool->setup.split.is_exact;
    adk__worker_version(orders->version);
    (void)strncpy(orders->entry, pool->setup.entry_cstr, sizeof(orders->entry) - 1);
}

static void free_pool(adk__pool *pool)
{
    if (pool->setup.exchange_fd >= 0)
        (void)close(pool->setup.exchange_fd);
    if (pool->setup.code_fd >= 0)
        (void)close(pool->setup.code_fd);
    free(pool->path);
    free(pool);
}

int adk__pool_new(const adk__pool_setup *setup, adk__pool **ret_pool, adk_error **ret_error)
{
    adk__pool *pool = calloc(1, sizeof(*pool));
    int status;

    if (pool != NULL) {
        pool->setup = *setup;
        pool->path = strdup(setup->path_cstr);
        if (pool->path == NULL || pthread_mutex_init(&pool->mutex, NULL) != 0) {
            free_pool(pool);
            return adk__fail_nomem(ret_error);
        }
        if (pool->setup.stock > ADK__POOL_STOCK_MAX)
            pool->setup.stock = ADK__POOL_STOCK_MAX;
        give_orders(pool);
        status = enter_registry(pool, ret_error);
        if (status == ADK_OK)
            *ret_pool = pool;
        else
            free_pool(pool);
        return status;
    }
    if (setup->exchange_fd >= 0)
        (void)close(setup->exchange_fd);
    if (setup->code_fd >= 0)
        (void)close(setup->code_fd);
    return adk__fail_nomem(ret_error);
}

void adk__pool_free(adk__pool *pool)
{
    const struct timespec moment = {0, 500000};

    if (pool == NULL)
        return;
    leave_registry(pool);
    (void)pthread_mutex_lock(&pool->mutex);
    retire_current(pool);
    if (pool->next != NULL)
        retire(pool->next);
    (void)pthread_mutex_unlock(&pool->mutex);
    while (atomic_load(&pool->alive) != 0)
        (void)nanosleep(&moment, NULL);
    (void)pthread_mutex_destroy(&pool->mutex);
    free_pool(pool);
}
