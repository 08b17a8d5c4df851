/*
 * src/core/struct_size: structs that cross versions, read and written.
 */
#include "support.h"

#include "core/struct_size.h"

struct old {
    size_t struct_size;
    uint32_t a;
    uint32_t b;
};

struct now {
    size_t struct_size;
    uint32_t a;
    uint32_t b;
    uint64_t c;
};

struct later {
    size_t struct_size;
    uint32_t a;
    uint32_t b;
    uint64_t c;
    uint64_t d;
    uint64_t e;
};

static void test_read_same_size(void **state)
{
    struct now from = {sizeof(from), 1, 2, 3};
    struct now to;

    (void)state;
    assert_true(adk__struct_read(&to, sizeof(to), &from));
    assert_memory_equal(&to, &from, sizeof(to));
}

static void test_read_shorter_is_completed_with_zeros(void **state)
{
    struct old from = {sizeof(from), 1, 2};
    struct now to;

    (void)state;
    memset(&to, 0xff, sizeof(to));
    assert_true(adk__struct_read(&to, sizeof(to), &from));
    assert_int_equal(to.struct_size, sizeof(to));
    assert_int_equal(to.a, 1);
    assert_int_equal(to.b, 2);
    assert_int_equal(to.c, 0);
}

static void test_read_longer_only_with_a_zero_tail(void **state)
{
    struct later from = {sizeof(from), 1, 2, 3, 0, 0};
    struct now to;

    (void)state;
    assert_true(adk__struct_read(&to, sizeof(to), &from));
    assert_int_equal(to.struct_size, sizeof(to));
    assert_int_equal(to.c, 3);
    from.e = (uint64_t)1 << 63; /* the very last byte */
    assert_false(adk__struct_read(&to, sizeof(to), &from));
    from.e = 0;
    from.d = 1; /* the first unknown one */
    assert_false(adk__struct_read(&to, sizeof(to), &from));
}

static void test_read_without_a_size(void **state)
{
    struct now from = {0, 1, 2, 3};
    struct now to = {9, 9, 9, 9};

    (void)state;
    for (size_t size = 0; size < sizeof(size_t); size++) {
        from.struct_size = size;
        assert_false(adk__struct_read(&to, sizeof(to), &from));
        assert_int_equal(to.a, 9);
    }
    from.struct_size = sizeof(size_t); /* nothing but the size: all defaults */
    assert_true(adk__struct_read(&to, sizeof(to), &from));
    assert_int_equal(to.a, 0);
}

/* A size that was never set must not be believed. */
static void test_absurd_sizes_are_refused(void **state)
{
    struct now to = {(size_t)1 << 40, 1, 2, 3};
    struct now from = {SIZE_MAX, 4, 5, 6};

    (void)state;
    assert_false(adk__struct_read(&to, sizeof(to), &from));
    adk__struct_write(&to, &from, sizeof(from));
    assert_int_equal(to.a, 1);
    assert_true(to.c == 3);
}

static void test_write_no_more_than_asked(void **state)
{
    struct now from = {sizeof(from), 1, 2, 3};
    struct {
        struct old to;
        uint64_t guard;
    } small = {{sizeof(small.to), 9, 9}, 0xabcdef};

    (void)state;
    adk__struct_write(&small.to, &from, sizeof(from));
    assert_int_equal(small.to.struct_size, sizeof(small.to));
    assert_int_equal(small.to.a, 1);
    assert_int_equal(small.to.b, 2);
    assert_int_equal(small.guard, 0xabcdef);
}

static void test_write_longer_is_completed_with_zeros(void **state)
{
    struct now from = {sizeof(from), 1, 2, 3};
    struct later to = {sizeof(to), 9, 9, 9, 9, 9};

    (void)state;
    adk__struct_write(&to, &from, sizeof(from));
    assert_int_equal(to.struct_size, sizeof(to));
    assert_int_equal(to.c, 3);
    assert_int_equal(to.d, 0);
    assert_int_equal(to.e, 0);
}

static void test_write_without_a_size_writes_nothing(void **state)
{
    struct now from = {sizeof(from), 1, 2, 3};
    struct now to = {0, 9, 9, 9};

    (void)state;
    adk__struct_write(&to, &from, sizeof(from));
    assert_int_equal(to.a, 9);
    to.struct_size = sizeof(size_t);
    adk__struct_write(&to, &from, sizeof(from));
    assert_int_equal(to.a, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_same_size),
        cmocka_unit_test(test_read_shorter_is_completed_with_zeros),
        cmocka_unit_test(test_read_longer_only_with_a_zero_tail),
        cmocka_unit_test(test_read_without_a_size),
        cmocka_unit_test(test_write_no_more_than_asked),
        cmocka_unit_test(test_write_longer_is_completed_with_zeros),
        cmocka_unit_test(test_write_without_a_size_writes_nothing),
        cmocka_unit_test(test_absurd_sizes_are_refused),
    };

    return cmocka_run_group_tests_name("struct_size", tests, NULL, NULL);
}
