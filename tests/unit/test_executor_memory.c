/*
 * src/core/executor and memory: every allocation of a submission and of an executor fails once, and nothing stays behind;
 * a queued job costs its copied request and little more. Also the order of src/core/executor_heap.
 */
#include "test_executor.h"

#include <malloc.h>
#include <stdatomic.h>

#include "core/executor_heap.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

static atomic_size_t bytes; /* allocated at present by what is linked here */
static _Thread_local unsigned left = UINT32_MAX;
static _Thread_local bool failed;

static bool fails(void)
{
    if (left == UINT32_MAX || left-- > 0)
        return false;
    left = UINT32_MAX;
    failed = true;
    return true;
}

static void *count(void *block)
{
    if (block != NULL)
        (void)atomic_fetch_add(&bytes, malloc_usable_size(block) + 16);
    return block;
}

static void discount(void *block)
{
    if (block != NULL)
        (void)atomic_fetch_sub(&bytes, malloc_usable_size(block) + 16);
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : count(__real_calloc(n, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    void *moved;

    if (fails())
        return NULL;
    discount(block);
    moved = __real_realloc(block, size);
    return count(moved == NULL ? block : moved) == block && moved == NULL ? NULL : moved;
}

void __wrap_free(void *block)
{
    discount(block);
    __real_free(block);
}

static void test_every_allocation_of_a_submission_fails(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 16, 1);
    adk_request request = request_for("x", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 7, NULL, NULL, 0, 0};
    adk_job *job = NULL;
    unsigned n = 0;
    int status;

    (void)state;
    adk_job_free(submit_code(executor, g->backend, "wait", 60 * SECOND));
    gate_await(g, 1);
    do {
        size_t before = atomic_load(&bytes);
        adk_error *error = NULL;

        left = n++;
        failed = false;
        status = adk_executor_submit(executor, &s, &job, &error);
        left = UINT32_MAX;
        assert_int_equal(status, failed ? ADK_E_NOMEM : ADK_OK);
        assert_null(error);
        if (failed) {
            assert_null(job);
            assert_int_equal(atomic_load(&bytes), before);
        }
    } while (failed);
    assert_true(n > 4); /* job, cancellation, copy, tenant, his hash table */
    gate_open(g);
    expect_end(job, ADK_OUTCOME_EXITED, ADK_PHASE_RUN);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static void test_every_allocation_of_an_executor_fails(void **state)
{
    unsigned n = 0;

    (void)state;
    do {
        size_t before = atomic_load(&bytes);
        adk_executor *executor = NULL;
        adk_error *error = NULL;
        int status;

        left = n++;
        failed = false;
        status = adk_executor_new(NULL, &executor, &error);
        left = UINT32_MAX;
        if (status == ADK_OK)
            adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
        else
            assert_int_equal(status, ADK_E_NOMEM);
        assert_int_equal(status == ADK_OK, !failed);
        adk_error_free(error);
        assert_int_equal(atomic_load(&bytes), before);
    } while (failed);
    assert_true(n > 3);
}

static void test_a_full_queue_copies_nothing(void **state)
{
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, 1, 0);
    adk_request request = request_for("x", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, NULL, NULL, ADK_SUBMISSION_COLLECT, 0};

    (void)state;
    adk_job_free(submit_code(executor, g->backend, "wait", 60 * SECOND));
    gate_await(g, 1);
    assert_int_equal(adk_executor_submit(executor, &s, NULL, NULL), ADK_OK);
    left = 0; /* the first allocation would fail */
    assert_int_equal(adk_executor_submit(executor, &s, NULL, NULL), ADK_E_BUSY);
    left = UINT32_MAX;
    gate_open(g);
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
}

static void test_a_queued_job_is_small(void **state)
{
    enum { JOBS = 500, SIZE = 10000 };
    static char code[SIZE];
    gate *g = gate_new();
    adk_executor *executor = executor_with(1, JOBS, 2);
    adk_request request = request_for("wait", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, NULL, NULL, ADK_SUBMISSION_COLLECT, 0};
    size_t before;
    size_t each;

    (void)state;
    assert_int_equal(adk_executor_submit(executor, &s, NULL, NULL), ADK_OK);
    gate_await(g, 1);
    memset(code, 'x', sizeof(code));
    request.code = adk_bytes_make(code, sizeof(code));
    before = atomic_load(&bytes);
    assert_int_equal(adk_cancel_new(&s.cancel, NULL), ADK_OK);
    for (unsigned i = 0; i < JOBS; i++) {
        s.tenant = i; /* the dearest case: each has one of his own */
        assert_int_equal(adk_executor_submit(executor, &s, NULL, NULL), ADK_OK);
    }
    each = (atomic_load(&bytes) - before) / JOBS;
    print_message("a queued job: %zu bytes, %zu of them the request\n", each, SIZE + sizeof(request));
    assert_true(each >= SIZE);
    assert_true(each <= SIZE + sizeof(request) + 4096);
    adk_cancel_free(s.cancel);
    adk_executor_free(executor, ADK_SHUTDOWN_CANCEL);
    gate_free(g);
}

static void test_all_memory_comes_back(void **state)
{
    size_t before = atomic_load(&bytes);
    gate *g = gate_new();
    adk_executor *executor = executor_with(2, 64, 1);
    adk_request request = request_for("x", 60 * SECOND);
    adk_submission s = {sizeof(s), g->backend, &request, NULL, 0, NULL, NULL, ADK_SUBMISSION_COLLECT, 0};

    (void)state;
    for (unsigned i = 0; i < 60; i++) {
        s.tenant = i % 7;
        assert_int_equal(adk_executor_submit(executor, &s, NULL, NULL), ADK_OK);
    }
    adk_executor_free(executor, ADK_SHUTDOWN_WAIT);
    gate_free(g);
    assert_int_equal(atomic_load(&bytes), before);
}

/* ---- the heap ----------------------------------------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void check_heap(const adk__heap *heap)
{
    for (size_t i = 0; i < heap->count; i++) {
        assert_int_equal(heap->nodes[i]->place, i + 1);
        assert_true(i == 0 || heap->nodes[(i - 1) / 2]->key <= heap->nodes[i]->key);
    }
}

static void test_heap_against_a_scan(void **state)
{
    enum { NODES = 64 };
    adk__heap_node nodes[NODES] = {{0, 0}};
    adk__heap_node *room[NODES];
    adk__heap heap = {room, 0};
    uint32_t seed = 1;

    (void)state;
    for (int step = 0; step < 20000; step++) {
        adk__heap_node *node = &nodes[next_random(&seed) % NODES];
        uint64_t least = UINT64_MAX;

        if (next_random(&seed) % 3 == 0)
            adk__heap_remove(&heap, node);
        else
            adk__heap_set(&heap, node, next_random(&seed) % 100);
        check_heap(&heap);
        for (size_t i = 0; i < NODES; i++) {
            if (adk__heap_has(&nodes[i]) && nodes[i].key < least)
                least = nodes[i].key;
        }
        if (adk__heap_first(&heap) == NULL)
            assert_int_equal(least, UINT64_MAX);
        else
            assert_int_equal(adk__heap_first(&heap)->key, least);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_of_a_submission_fails),
        cmocka_unit_test(test_every_allocation_of_an_executor_fails),
        cmocka_unit_test(test_a_full_queue_copies_nothing),
        cmocka_unit_test(test_a_queued_job_is_small),
        cmocka_unit_test(test_all_memory_comes_back),
        cmocka_unit_test(test_heap_against_a_scan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
