/*
 * src/wasm/reaper: one thread that watches deadlines, there only while a backend is, asleep while nothing runs.
 */
#include "support.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "wasm/reaper.h"

/* The threads named "adk-reaper"; *ret_switches is how often the last of them has gone to sleep. */
static unsigned reapers(unsigned long *ret_switches)
{
    DIR *dir = opendir("/proc/self/task");
    const struct dirent *entry;
    unsigned count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[300];
        char line[200] = "";
        bool is_reaper = false;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
        file = fopen(path, "re");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            is_reaper |= strcmp(line, "Name:\tadk-reaper\n") == 0;
            if (is_reaper && ret_switches != NULL)
                (void)sscanf(line, "voluntary_ctxt_switches: %lu", ret_switches);
        }
        if (file != NULL)
            (void)fclose(file);
        count += is_reaper;
    }
    (void)closedir(dir);
    return count;
}

/* A thread's name is its own doing: it may take a moment. */
static void check_reapers(unsigned expected)
{
    for (int i = 0; i < 500 && reapers(NULL) != expected; i++)
        adk_test_sleep_ns(2 * MS);
    assert_int_equal(reapers(NULL), expected);
}

static void test_retained_and_released(void **state)
{
    (void)state;
    check_reapers(0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(adk__reaper_retain(NULL), ADK_OK);
        check_reapers(1);
        assert_int_equal(adk__reaper_retain(NULL), ADK_OK);
        check_reapers(1);
        adk__reaper_release();
        check_reapers(1);
        adk__reaper_release();
        check_reapers(0);
    }
}

static void test_row_7_one_thread_for_all_backends(void **state)
{
    adk_backend *backends[4];

    (void)state;
    check_reapers(0);
    for (size_t i = 0; i < 4; i++)
        backends[i] = adk_test_backend();
    check_reapers(1);
    for (size_t i = 0; i < 4; i++)
        adk_test_run_exits(backends[i], GUEST_HELLO, 0);
    check_reapers(1);
    for (size_t i = 0; i < 4; i++)
        adk_backend_free(backends[i]);
    check_reapers(0);
}

static void test_it_sleeps_while_nothing_runs(void **state)
{
    adk_backend *backend = adk_test_backend();
    unsigned long before = 0;
    unsigned long after = 0;
    adk_request request = adk_test_request(GUEST_HELLO);

    (void)state;
    request.timeout_ns = 20 * MS; /* its deadline comes when the run is long over: that may wake the reaper, once */
    adk_result_free(adk_test_execute(backend, &request, NULL));
    check_reapers(1);
    adk_test_sleep_ns(100 * MS);
    (void)reapers(&before);
    adk_test_sleep_ns(300 * MS);
    (void)reapers(&after);
    assert_int_equal(after, before);
    adk_backend_free(backend);
}

/* Warm runs with deadlines far away do not wake it at all, but for the first. */
static void test_it_sleeps_while_deadlines_are_far(void **state)
{
    adk_backend *backend = adk_test_backend();
    unsigned long before = 0;
    unsigned long after = 0;

    (void)state;
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    check_reapers(1);
    adk_test_sleep_ns(20 * MS);
    (void)reapers(&before);
    for (int i = 0; i < 200; i++)
        adk_test_run_exits(backend, GUEST_HELLO, 0);
    (void)reapers(&after);
    assert_true(after <= before + 2);
    adk_backend_free(backend);
}

/* The reaper sleeps towards a far deadline when a nearer one comes along: it must be woken. */
static void *run_long(void *data)
{
    adk_request request = adk_test_request(GUEST_SLEEPS("500000000"));
    adk_result *result = NULL;

    if (adk_backend_execute(data, &request, NULL, &result, NULL) == ADK_OK)
        adk_result_free(result);
    return NULL;
}

static void test_a_nearer_deadline_wakes_it(void **state)
{
    adk_backend *backend = adk_test_backend();
    adk_request request = adk_test_request(GUEST_LOOP);
    adk_result *result;
    pthread_t thread;
    uint64_t start_ns;

    (void)state;
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    assert_int_equal(pthread_create(&thread, NULL, run_long, backend), 0);
    adk_test_sleep_ns(50 * MS);
    request.timeout_ns = 50 * MS;
    start_ns = adk_test_now_ns();
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
    assert_true(adk_test_now_ns() - start_ns < 50 * MS + adk_test_slack_ns());
    adk_result_free(result);
    assert_int_equal(pthread_join(thread, NULL), 0);
    adk_backend_free(backend);
}

/* Deadlines from nothing to milliseconds, again and again: none is slept through, and bumps that are lost come again. */
static void test_no_deadline_is_slept_through(void **state)
{
    adk_backend *backend = adk_test_backend();
    uint64_t latest_ns = 0;

    (void)state;
    adk_test_run_exits(backend, GUEST_HELLO, 0);
    for (uint64_t i = 0; i < 500; i++) {
        adk_request request = adk_test_request(GUEST_LOOP);
        uint64_t start_ns = adk_test_now_ns();
        adk_result *result;
        uint64_t late_ns;

        request.timeout_ns = 1 + i * 7919;
        result = adk_test_execute(backend, &request, NULL);
        late_ns = adk_test_now_ns() - start_ns - request.timeout_ns;
        latest_ns = late_ns > latest_ns ? late_ns : latest_ns;
        adk_test_expect(result, ADK_OUTCOME_TIMED_OUT);
        adk_result_free(result);
    }
    assert_true(latest_ns < adk_test_slack_ns());
    adk_backend_free(backend);
}

/* A slot that is removed is not looked at again; one that nests is the outer one's again when it is left. */
static void test_slots(void **state)
{
    adk__watched outer = {0};
    adk__watched inner = {0};

    (void)state;
    assert_int_equal(adk__reaper_retain(NULL), ADK_OK);
    adk__reaper_add(&outer);
    adk__reaper_add(&inner);
    adk__reaper_enter(&outer);
    adk__reaper_arm(&outer, NULL, UINT64_MAX - 1);
    adk__reaper_enter(&inner);
    assert_ptr_equal(inner.outer, &outer);
    adk__reaper_expire(&inner);
    adk_test_sleep_ns(5 * MS); /* due, without an engine: nothing to bump */
    adk__reaper_leave(&inner);
    assert_int_equal(inner.due_ns, 0);
    assert_true(outer.due_ns == UINT64_MAX - 1);
    adk__reaper_leave(&outer);
    adk__reaper_remove(&outer);
    adk__reaper_remove(&inner);
    adk__reaper_barrier();
    adk__reaper_release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retained_and_released),
        cmocka_unit_test(test_row_7_one_thread_for_all_backends),
        cmocka_unit_test(test_it_sleeps_while_nothing_runs),
        cmocka_unit_test(test_it_sleeps_while_deadlines_are_far),
        cmocka_unit_test(test_a_nearer_deadline_wakes_it),
        cmocka_unit_test(test_no_deadline_is_slept_through),
        cmocka_unit_test(test_slots),
    };

    return cmocka_run_group_tests_name("reaper", tests, NULL, NULL);
}
