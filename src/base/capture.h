/*
 * Captured output: the head up to a limit, and beyond it a ring with the last 64 KiB. What lies between is counted and
 * dropped. Memory is taken as bytes come, never more than limit + 64 KiB.
 */
#ifndef ADK_BASE_CAPTURE_H
#define ADK_BASE_CAPTURE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define ADK__CAPTURE_TAIL_BYTES ((size_t)64 << 10)

typedef struct adk__capture {
    adk__buf head;               /* its maximum is the limit */
    uint8_t *tail;               /* ring; NULL until the first byte beyond the limit */
    uint64_t written;            /* in all, dropped bytes included */
    _Atomic uint64_t *published; /* NULL, or where another process sees `written`; set after the bytes are there */
} adk__capture;

void adk__capture_init(adk__capture *capture, size_t limit);
void adk__capture_free(adk__capture *capture);

/**
 * Captures into memory that others see too: `head` holds as many bytes as the limit says, `tail` ADK__CAPTURE_TAIL_BYTES.
 * Nothing is allocated from here on, and nothing is to be freed.
 */
void adk__capture_lend(adk__capture *capture, uint8_t *head, uint8_t *tail, _Atomic uint64_t *published);

/** How many more bytes the head takes. */
static inline size_t adk__capture_room(const adk__capture *capture)
{
    return capture->head.max - capture->head.size;
}

/** Takes bytes. Returns 0, or -ENOMEM: then nothing of them was taken, and they are not counted. */
ADK_MUST_USE int adk__capture_append(adk__capture *capture, const void *data, size_t size);

/** Counts bytes that the guest wrote and that are not kept. Not to be mixed with bytes that go to the ring. */
static inline void adk__capture_drop(adk__capture *capture, size_t size)
{
    capture->written += size;
    if (capture->published != NULL)
        atomic_store_explicit(capture->published, capture->written, memory_order_release);
}

/** Turns the ring so that its oldest byte comes first; to be called once, at the end. The view lasts as the capture. */
void adk__capture_finish(adk__capture *capture, const uint8_t **ret_tail, size_t *ret_tail_size);

#endif
