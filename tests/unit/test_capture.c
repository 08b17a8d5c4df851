/*
 * src/base/capture, against a model that keeps everything: head and tail at every boundary of the ring.
 */
#include "support.h"

#include "base/capture.h"

#define RING ADK__CAPTURE_TAIL_BYTES

/* Byte n of the stream; a prime period, so that no boundary of the ring coincides with it. */
static uint8_t byte_at(uint64_t n)
{
    return (uint8_t)(n % 251);
}

static void write_all(adk__capture *capture, uint64_t total, size_t chunk)
{
    uint8_t *bytes = malloc(chunk);

    assert_non_null(bytes);
    for (uint64_t done = 0; done < total;) {
        size_t size = total - done < chunk ? (size_t)(total - done) : chunk;

        for (size_t i = 0; i < size; i++)
            bytes[i] = byte_at(done + i);
        assert_int_equal(adk__capture_append(capture, bytes, size), 0);
        done += size;
    }
    free(bytes);
}

static void check_bytes(const uint8_t *bytes, size_t size, uint64_t from)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != byte_at(from + i))
            fail_msg("byte %zu is %u, not %u", i, bytes[i], byte_at(from + i));
    }
}

static void check(size_t limit, uint64_t total, size_t chunk)
{
    uint64_t head = total < limit ? total : limit;
    uint64_t over = total - head;
    uint64_t tail = over < RING ? over : RING;
    const uint8_t *ret_tail = NULL;
    size_t ret_size = 1;
    adk__capture capture;

    adk__capture_init(&capture, limit);
    write_all(&capture, total, chunk);
    assert_int_equal(adk__capture_room(&capture), limit - head);
    adk__capture_finish(&capture, &ret_tail, &ret_size);
    assert_int_equal(capture.written, total);
    assert_int_equal(capture.head.size, head);
    assert_int_equal(ret_size, tail);
    check_bytes(capture.head.data, (size_t)head, 0);
    check_bytes(ret_tail, ret_size, total - tail);
    adk__capture_free(&capture);
}

static void test_every_boundary(void **state)
{
    static const size_t limits[] = {0, 1, 100, RING - 1, RING, RING + 1};
    static const int64_t around[] = {-1, 0, 1};
    static const size_t chunks[] = {1021, RING - 1, RING, RING + 1, 3 * RING + 5};

    (void)state;
    for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++) {
        for (uint64_t rings = 0; rings <= 3; rings++) {
            for (size_t a = 0; a < 3; a++) {
                int64_t total = (int64_t)(limits[l] + rings * RING) + around[a];

                for (size_t c = 0; total >= 0 && c < sizeof(chunks) / sizeof(chunks[0]); c++)
                    check(limits[l], (uint64_t)total, chunks[c]);
            }
        }
    }
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    check(10, 10, 1);
    check(10, 11, 1);
    check(10, 10 + RING - 1, 1);
    check(10, 10 + RING, 1);
    check(10, 10 + RING + 1, 1);
    check(10, 10 + 2 * RING + 17, 1);
}

static void test_within_the_limit_no_ring_is_made(void **state)
{
    adk__capture capture;

    (void)state;
    adk__capture_init(&capture, 5);
    assert_int_equal(adk__capture_append(&capture, NULL, 0), 0);
    assert_int_equal(adk__capture_append(&capture, "12345", 5), 0);
    assert_null(capture.tail);
    assert_int_equal(adk__capture_append(&capture, "6", 1), 0);
    assert_non_null(capture.tail);
    adk__capture_free(&capture);
}

static void test_dropped_bytes_are_counted(void **state)
{
    const uint8_t *tail = (const uint8_t *)"";
    size_t size = 1;
    adk__capture capture;

    (void)state;
    adk__capture_init(&capture, 3);
    assert_int_equal(adk__capture_append(&capture, "abc", 3), 0);
    adk__capture_drop(&capture, 7);
    adk__capture_finish(&capture, &tail, &size);
    assert_int_equal(capture.written, 10);
    assert_int_equal(size, 0);
    assert_null(tail);
    adk__capture_free(&capture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_boundary),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_within_the_limit_no_ring_is_made),
        cmocka_unit_test(test_dropped_bytes_are_counted),
    };

    return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
