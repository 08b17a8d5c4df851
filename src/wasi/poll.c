/*
 * poll_oneoff: waits until one of the things subscribed to has happened, and tells of all that have.
 *
 * Files and streams are always ready; only clocks are waited for. The guest's list is gone over twice, so that nothing
 * is allocated however long it is: first to check it and to find out how long to wait at most, then, after the wait, to
 * write the events.
 */
#include "base/clock.h"

#include "wasi/context.h"

/* What a write can be told to have room for, as an empty pipe on Linux has. */
#define WRITE_ROOM ((uint64_t)64 << 10)

/* How a subscription lies in memory; differs between the two import modules. */
typedef struct layout {
    uint64_t size;
    uint64_t clock; /* where the clock's fields begin */
} layout;

static const layout snapshot_layout = {ADK__WASI_SUBSCRIPTION_SIZE, 16};
static const layout unstable_layout = {ADK__WASI_UNSTABLE_SUBSCRIPTION_SIZE, 24};

/* A poll under way. Times are of the guest's monotonic clock, and each clock is read once. */
typedef struct poll {
    const layout *layout;
    uint32_t subscriptions;
    uint32_t count;
    uint64_t begin_ns;
    uint64_t realtime_ns;
    bool has_begin;
    bool has_realtime;
    uint64_t now_ns;  /* the second time round: what is due by then has happened */
    uint64_t wake_ns; /* the earliest clock */
    bool is_ready;    /* something else has happened already */
} poll;

static uint64_t begin_of(adk__wasi *wasi, poll *p)
{
    if (!p->has_begin) {
        (void)adk__wasi_clock_read(wasi, ADK__WASI_CLOCK_MONOTONIC, &p->begin_ns);
        p->has_begin = true;
    }
    return p->begin_ns;
}

static uint64_t realtime_of(adk__wasi *wasi, poll *p)
{
    if (!p->has_realtime) {
        (void)adk__wasi_clock_read(wasi, ADK__WASI_CLOCK_REALTIME, &p->realtime_ns);
        p->has_realtime = true;
    }
    return p->realtime_ns;
}

/* When a clock's subscription is due. CPU time does not pass in a wait, so it cannot be waited for. */
static uint16_t due_of(adk__wasi *wasi, poll *p, uint64_t at, uint64_t *ret_due_ns)
{
    const adk__wasi_memory *memory = &wasi->call.memory;
    uint32_t clock = adk__wasi_load32(memory, at + p->layout->clock);
    uint64_t timeout_ns = adk__wasi_load64(memory, at + p->layout->clock + 8);
    uint16_t flags = adk__wasi_load16(memory, at + p->layout->clock + 24);
    uint64_t now_ns;

    if (clock >= ADK__WASI_CLOCKS || (flags & ~(uint32_t)ADK__WASI_SUBCLOCK_ABSTIME) != 0)
        return ADK__WASI_EINVAL;
    if (clock > ADK__WASI_CLOCK_MONOTONIC)
        return ADK__WASI_ENOTSUP;
    if ((flags & ADK__WASI_SUBCLOCK_ABSTIME) != 0) {
        now_ns = clock == ADK__WASI_CLOCK_REALTIME ? realtime_of(wasi, p) : begin_of(wasi, p);
        timeout_ns = timeout_ns > now_ns ? timeout_ns - now_ns : 0;
    }
    *ret_due_ns = adk__add_saturated(begin_of(wasi, p), timeout_ns);
    return ADK__WASI_SUCCESS;
}

static uint64_t readable_of(adk__wasi *wasi, const adk__wasi_fd *fd)
{
    uint64_t size;

    if (fd->kind == ADK__WASI_STDIN)
        return wasi->setup.request->stdin_data.size - wasi->stdin_offset;
    size = adk__vfs_size(fd->inode);
    return size > fd->offset ? size - fd->offset : 0;
}

/*
 * The event of a descriptor: always one, at once. The end of standard input is a hang-up, as of a pipe. Who may read or
 * write may also ask about it: there are guests that never ask for the right to poll, and it guards nothing here.
 */
static uint16_t poll_fd(adk__wasi *wasi, uint32_t number, bool is_read, uint8_t *event)
{
    uint64_t right = is_read ? ADK__WASI_RIGHT_FD_READ : ADK__WASI_RIGHT_FD_WRITE;
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, number);
    uint64_t bytes;

    if (fd == NULL)
        return ADK__WASI_EBADF;
    if ((fd->rights & right) == 0)
        return ADK__WASI_EBADF;
    bytes = is_read ? readable_of(wasi, fd) : WRITE_ROOM;
    adk__wasi_put64(event + 16, bytes);
    adk__wasi_put16(event + 24, fd->kind == ADK__WASI_STDIN && bytes == 0 ? ADK__WASI_EVENT_HANGUP : 0);
    return ADK__WASI_SUCCESS;
}

/* First time round: an unknown tag fails the whole call before anything has been written. */
static uint16_t check(adk__wasi *wasi, poll *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        uint64_t at = p->subscriptions + i * p->layout->size;
        uint8_t tag = adk__wasi_load8(&wasi->call.memory, at + 8);
        uint64_t due_ns;

        if (tag > ADK__WASI_EVENT_FD_WRITE)
            return ADK__WASI_EINVAL;
        if (tag != ADK__WASI_EVENT_CLOCK || due_of(wasi, p, at, &due_ns) != ADK__WASI_SUCCESS)
            p->is_ready = true;
        else if (due_ns < p->wake_ns)
            p->wake_ns = due_ns;
        if (adk__wasi_worked(wasi, p->layout->size))
            return ADK__WASI_EINTR;
    }
    return ADK__WASI_SUCCESS;
}

/* Puts the event of one subscription together; false if it has not happened. */
static bool happened(adk__wasi *wasi, poll *p, uint64_t at, uint8_t *event)
{
    const adk__wasi_memory *memory = &wasi->call.memory;
    uint8_t tag = adk__wasi_load8(memory, at + 8);
    uint16_t error;
    uint64_t due_ns;

    memset(event, 0, ADK__WASI_EVENT_SIZE);
    if (tag == ADK__WASI_EVENT_CLOCK) {
        error = due_of(wasi, p, at, &due_ns);
        if (!error && due_ns > p->now_ns)
            return false;
    } else {
        error = poll_fd(wasi, adk__wasi_load32(memory, at + 16), tag == ADK__WASI_EVENT_FD_READ, event);
    }
    adk__wasi_put64(event, adk__wasi_load64(memory, at));
    adk__wasi_put16(event + 8, error);
    event[10] = tag;
    return true;
}

static uint16_t tell(adk__wasi *wasi, poll *p, uint32_t events, uint32_t *ret_events)
{
    uint8_t event[ADK__WASI_EVENT_SIZE];
    uint32_t told = 0;

    for (uint32_t i = 0; i < p->count; i++) {
        if (happened(wasi, p, p->subscriptions + i * p->layout->size, event)) {
            uint64_t at = events + (uint64_t)told * ADK__WASI_EVENT_SIZE;

            memcpy(adk__wasi_at(&wasi->call.memory, at, sizeof event), event, sizeof event);
            told++;
        }
        if (adk__wasi_worked(wasi, p->layout->size))
            return ADK__WASI_EINTR;
    }
    *ret_events = told;
    return ADK__WASI_SUCCESS;
}

static uint16_t wait_for_clocks(adk__wasi *wasi, poll *p)
{
    p->now_ns = p->begin_ns;
    if (p->is_ready)
        return ADK__WASI_SUCCESS;
    p->now_ns = p->wake_ns;
    if (p->wake_ns > p->begin_ns && adk__wasi_clock_sleep(wasi, p->wake_ns))
        return ADK__WASI_EINTR;
    return ADK__WASI_SUCCESS;
}

/*
 * An event is no longer than a subscription, so the events may lie where the subscriptions do, or before them: each is
 * written after what it covers was read. Events that would cover subscriptions not read yet are refused.
 */
static bool would_cover(const poll *p, uint32_t events)
{
    return events > p->subscriptions && events < p->subscriptions + p->count * p->layout->size;
}

static uint16_t poll_all(adk__wasi *wasi, const uint64_t *args, const layout *of)
{
    poll p = {.layout = of, .subscriptions = (uint32_t)args[0], .count = (uint32_t)args[2], .wake_ns = ADK__NEVER};
    uint32_t events = (uint32_t)args[1];
    uint32_t result = (uint32_t)args[3];
    uint32_t told;
    uint16_t failed;

    if (p.count == 0)
        return ADK__WASI_EINVAL;
    if (!adk__wasi_has_range(wasi, p.subscriptions, p.count * of->size) ||
        !adk__wasi_has_range(wasi, events, (uint64_t)p.count * ADK__WASI_EVENT_SIZE) ||
        !adk__wasi_has_range(wasi, result, 4))
        return ADK__WASI_EFAULT;
    if (would_cover(&p, events))
        return ADK__WASI_EINVAL;
    failed = check(wasi, &p);
    if (failed)
        return failed;
    failed = wait_for_clocks(wasi, &p);
    if (failed)
        return failed;
    failed = tell(wasi, &p, events, &told);
    if (failed)
        return failed;
    adk__wasi_store32(&wasi->call.memory, result, told);
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_poll_oneoff(adk__wasi *wasi, const uint64_t *args)
{
    return poll_all(wasi, args, &snapshot_layout);
}

uint16_t adk__wasi_unstable_poll_oneoff(adk__wasi *wasi, const uint64_t *args)
{
    return poll_all(wasi, args, &unstable_layout);
}
