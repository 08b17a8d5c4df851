/*
 * Capturing a stream under a limit. The ring is indexed by the count of bytes beyond the head, so that it needs no state
 * of its own: byte n of the overflow lies at n modulo its size.
 */
#include "base/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RING ADK__CAPTURE_TAIL_BYTES

void adk__capture_init(adk__capture *capture, size_t limit)
{
    capture->head = (adk__buf)ADK__BUF_INIT(limit);
    capture->tail = NULL;
    capture->written = 0;
    capture->published = NULL;
}

void adk__capture_lend(adk__capture *capture, uint8_t *head, uint8_t *tail, _Atomic uint64_t *published)
{
    capture->head.data = head;
    capture->head.capacity = capture->head.max;
    capture->tail = tail;
    capture->published = published;
}

void adk__capture_free(adk__capture *capture)
{
    adk__buf_free(&capture->head);
    free(capture->tail);
    capture->tail = NULL;
}

static uint64_t overflow_of(const adk__capture *capture)
{
    return capture->written - capture->head.size;
}

/* Only the last RING bytes of a long write can survive it. */
static void append_tail(adk__capture *capture, uint64_t position, const uint8_t *data, size_t size)
{
    size_t at;
    size_t first;

    if (size > RING) {
        position += size - RING;
        data += size - RING;
        size = RING;
    }
    at = (size_t)(position % RING);
    first = size < RING - at ? size : RING - at;
    memcpy(capture->tail + at, data, first);
    memcpy(capture->tail, data + first, size - first);
}

int adk__capture_append(adk__capture *capture, const void *data, size_t size)
{
    size_t room = adk__capture_room(capture);
    size_t head = size < room ? size : room;
    const uint8_t *bytes = data;
    int failed;

    if (size > head && capture->tail == NULL) {
        capture->tail = malloc(RING);
        if (capture->tail == NULL)
            return -ENOMEM;
    }
    failed = adk__buf_append(&capture->head, bytes, head);
    if (failed)
        return failed;
    capture->written += head;
    if (size > head) {
        append_tail(capture, overflow_of(capture), bytes + head, size - head);
        capture->written += size - head;
    }
    if (capture->published != NULL)
        atomic_store_explicit(capture->published, capture->written, memory_order_release);
    return 0;
}

static void reverse(uint8_t *from, uint8_t *to)
{
    while (from < to) {
        uint8_t byte = *from;

        *from++ = *--to;
        *to = byte;
    }
}

void adk__capture_finish(adk__capture *capture, const uint8_t **ret_tail, size_t *ret_tail_size)
{
    uint64_t overflow = overflow_of(capture);

    *ret_tail = capture->tail;
    *ret_tail_size = 0;
    if (capture->tail == NULL)
        return;
    *ret_tail_size = overflow < RING ? (size_t)overflow : RING;
    if (overflow > RING) {
        size_t oldest = (size_t)(overflow % RING); /* rotate left by this: three reversals, no second buffer */

        reverse(capture->tail, capture->tail + oldest);
        reverse(capture->tail + oldest, capture->tail + RING);
        reverse(capture->tail, capture->tail + RING);
    }
}
