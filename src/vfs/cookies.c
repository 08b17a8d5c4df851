/*
 * The entries of a directory by cookie, which is the order in which they were made. A cookie is a number that only
 * grows, so continuing a scan works whether the entry it names still lives or not.
 *
 * 64 cookies in a row make a page, with a bit for each that is alive. Pages without any are gone; the others stand in
 * an array sorted by their first cookie. So the next entry is found by a binary search among pages and two bit
 * operations, and a guest that adds and removes in a loop neither slows the directory down nor makes it grow: the
 * worst it can do is one entry a page, and it pays for the page. Removing the first page of a million entries moves
 * half a megabyte, which is the most that any call here does.
 */
#include "vfs/tree.h"

#include <assert.h>
#include <string.h>

#define PAGE_SLOTS    64U
#define SLOTS_INITIAL 4U /* of the newest page, the one that grows: most directories are small */
#define PAGES_INITIAL 1U

typedef struct adk__vfs_entry entry;
typedef adk__vfs_page page;

/* The first page that may hold cookies from `cookie` on. */
static size_t page_position(const adk__vfs_order *order, uint64_t cookie)
{
    uint64_t start = cookie - cookie % PAGE_SLOTS;
    size_t low = 0;
    size_t high = order->count;

    /* Where no page went away, cookies and positions go together. */
    if (high > 0 && start >= order->pages[0].first && (start - order->pages[0].first) / PAGE_SLOTS < high) {
        size_t guess = (size_t)((start - order->pages[0].first) / PAGE_SLOTS);

        if (order->pages[guess].first == start)
            return guess;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (order->pages[middle].first < start)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int resize_pages(adk__vfs *vfs, adk__vfs_order *order, size_t capacity)
{
    page *pages = adk__vfs_realloc(vfs, order->pages, order->capacity * sizeof(*pages), capacity * sizeof(*pages));

    if (pages == NULL)
        return vfs->cause;
    order->pages = pages;
    order->capacity = capacity;
    return 0;
}

static int resize_slots(adk__vfs *vfs, page *p, uint32_t capacity)
{
    entry **slots = adk__vfs_realloc(vfs, p->slots, p->capacity * sizeof(*slots), capacity * sizeof(*slots));

    if (slots == NULL)
        return vfs->cause;
    p->slots = slots;
    p->capacity = capacity;
    return 0;
}

static void drop_page(adk__vfs *vfs, adk__vfs_order *order, size_t position)
{
    page *p = &order->pages[position];

    adk__vfs_release(vfs, p->slots, p->capacity * sizeof(*p->slots));
    order->count--;
    memmove(p, p + 1, (order->count - position) * sizeof(*p));
    if (order->count == 0) {
        adk__vfs_release(vfs, order->pages, order->capacity * sizeof(*order->pages));
        *order = (adk__vfs_order){0};
    } else if (order->count < order->capacity / 4) {
        (void)resize_pages(vfs, order, order->capacity / 2); /* memory that cannot be given back is kept */
    }
}

/* The page that the newest cookie falls into, made if need be. */
static int newest_page(adk__vfs *vfs, adk__vfs_order *order, uint64_t cookie, page **ret_page)
{
    uint64_t first = cookie - cookie % PAGE_SLOTS;
    page fresh = {.first = first};
    int r;

    if (order->count > 0 && order->pages[order->count - 1].first == first) {
        *ret_page = &order->pages[order->count - 1];
        return 0;
    }
    if (order->count == order->capacity) {
        r = resize_pages(vfs, order, order->capacity == 0 ? PAGES_INITIAL : 2 * order->capacity);
        if (r < 0)
            return r;
    }
    order->pages[order->count] = fresh;
    *ret_page = &order->pages[order->count++];
    return 0;
}

int adk__vfs_order_add(adk__vfs *vfs, adk__vfs_order *order, entry *e)
{
    uint32_t slot = (uint32_t)(e->cookie % PAGE_SLOTS);
    uint32_t capacity;
    page *p;
    int r;

    r = newest_page(vfs, order, e->cookie, &p);
    if (r < 0)
        return r;
    capacity = p->capacity == 0 ? SLOTS_INITIAL : p->capacity;
    while (capacity <= slot)
        capacity *= 2;
    if (capacity > p->capacity) {
        r = resize_slots(vfs, p, capacity);
        if (r < 0) {
            if (p->live == 0)
                drop_page(vfs, order, order->count - 1);
            return r;
        }
    }
    p->slots[slot] = e;
    p->live |= UINT64_C(1) << slot;
    return 0;
}

void adk__vfs_order_remove(adk__vfs *vfs, adk__vfs_order *order, const entry *e)
{
    size_t position = page_position(order, e->cookie);
    page *p = &order->pages[position];

    assert(position < order->count && p->slots[e->cookie % PAGE_SLOTS] == e);
    p->live &= ~(UINT64_C(1) << e->cookie % PAGE_SLOTS);
    if (p->live == 0)
        drop_page(vfs, order, position);
}

entry *adk__vfs_order_next(const adk__vfs_order *order, uint64_t cookie)
{
    uint64_t from = cookie + 1;
    size_t position;
    const page *p;
    uint64_t live;

    if (from == 0)
        return NULL;
    position = page_position(order, from);
    if (position == order->count)
        return NULL;
    p = &order->pages[position];
    live = p->live;
    if (p->first <= from)
        live &= UINT64_MAX << from % PAGE_SLOTS;
    if (live == 0) {
        if (position + 1 == order->count)
            return NULL;
        p = &order->pages[position + 1];
        live = p->live;
    }
    return p->slots[__builtin_ctzll(live)];
}

void adk__vfs_order_destroy(adk__vfs *vfs, adk__vfs_order *order)
{
    for (size_t i = 0; i < order->count; i++) {
        page *p = &order->pages[i];

        for (uint64_t live = p->live; live != 0; live &= live - 1)
            adk__vfs_entry_free(vfs, p->slots[__builtin_ctzll(live)]);
        adk__vfs_release(vfs, p->slots, p->capacity * sizeof(*p->slots));
    }
    adk__vfs_release(vfs, order->pages, order->capacity * sizeof(*order->pages));
    *order = (adk__vfs_order){0};
}
