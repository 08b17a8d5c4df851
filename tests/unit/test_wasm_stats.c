/*
 * adk_wasm_backend_stats(): each event counts where it belongs, and nothing else moves.
 */
#include "worker.h"

#include <ftw.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

static adk_wasm_stats stats_of(adk_backend *backend)
{
    adk_wasm_stats stats = ADK_WASM_STATS_INIT;

    assert_int_equal(adk_wasm_backend_stats(backend, &stats), ADK_OK);
    assert_int_equal(stats.struct_size, sizeof(stats));
    return stats;
}

/* Every number but for the bytes, which must be there as long as there are modules. */
static void expect_stats(adk_backend *backend, const adk_wasm_stats *expected)
{
    const adk_wasm_stats now = stats_of(backend);

    assert_int_equal(now.runs, expected->runs);
    assert_int_equal(now.runs_without_slot, expected->runs_without_slot);
    assert_int_equal(now.cache_hits, expected->cache_hits);
    assert_int_equal(now.disk_hits, expected->disk_hits);
    assert_int_equal(now.cache_misses, expected->cache_misses);
    assert_int_equal(now.compiled_here, expected->compiled_here);
    assert_int_equal(now.compiled_by_helper, expected->compiled_by_helper);
    assert_int_equal(now.refused, expected->refused);
    assert_int_equal(now.compile_timeouts, expected->compile_timeouts);
    assert_int_equal(now.known_as_slow, expected->known_as_slow);
    assert_int_equal(now.evictions, expected->evictions);
    assert_int_equal(now.modules, expected->modules);
    assert_int_equal(now.modules_bytes == 0, now.modules == 0);
    assert_int_equal(now.running, expected->running);
}

static void run(adk_backend *backend, const adk_request *request, adk_outcome outcome, adk_phase phase)
{
    adk_result *result = adk_test_execute(backend, request, NULL);

    adk_test_expect(result, outcome);
    assert_int_equal(adk_result_phase(result), phase);
    adk_result_free(result);
}

static void test_a_new_backend_has_done_nothing(void **state)
{
    const adk_wasm_stats nothing = ADK_WASM_STATS_INIT;

    expect_stats(*state, &nothing);
    assert_int_equal(stats_of(*state).helpers, 0);
}

static void test_hits_and_misses(void **state)
{
    adk_wasm_stats expected = ADK_WASM_STATS_INIT;
    adk_request request = adk_test_request(GUEST_HELLO);

    run(*state, &request, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    expected.runs = 1;
    expected.cache_misses = 1;
    expected.compiled_here = 1;
    expected.modules = 1;
    expect_stats(*state, &expected);
    run(*state, &request, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    run(*state, &request, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    expected.runs = 3;
    expected.cache_hits = 2;
    expect_stats(*state, &expected);
    assert_in_range(stats_of(*state).modules_bytes, strlen(GUEST_HELLO), 1 << 20);
}

static void test_prepared_modules_are_looked_for_once(void **state)
{
    adk_wasm_stats expected = ADK_WASM_STATS_INIT;
    adk_request request = adk_test_request(NULL);
    adk_wasm_module *module = NULL;

    assert_int_equal(adk_wasm_module_new(*state, adk_bytes_from_cstr(GUEST_HELLO), &module, NULL), ADK_OK);
    expected.cache_misses = 1;
    expected.compiled_here = 1;
    expected.modules = 1;
    expect_stats(*state, &expected);
    request.code = adk_bytes_make(NULL, 0);
    request.module = module;
    run(*state, &request, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    run(*state, &request, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    expected.runs = 2;
    expect_stats(*state, &expected);
    request.fuel = 1000000; /* another flavour */
    run(*state, &request, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    expected.runs = 3;
    expected.cache_misses = 2;
    expected.compiled_here = 2;
    expected.modules = 2;
    expect_stats(*state, &expected);
    adk_wasm_module_free(module);
}

static void test_refusals(void **state)
{
    adk_wasm_stats expected = ADK_WASM_STATS_INIT;
    adk_request broken = adk_test_request("(module (func");
    adk_request unknown = adk_test_request("(module (import \"a\" \"b\" (func)) (func (export \"_start\")))");
    adk_wasm_module *module = NULL;

    run(*state, &broken, ADK_OUTCOME_REJECTED, ADK_PHASE_NONE);
    run(*state, &unknown, ADK_OUTCOME_REJECTED, ADK_PHASE_NONE);
    assert_int_equal(adk_wasm_module_new(*state, broken.code, &module, NULL), ADK_E_INVALID);
    expected.cache_misses = 2;
    expected.cache_hits = 1; /* that it was refused is remembered */
    expected.refused = 3;
    expected.modules = 2;
    expect_stats(*state, &expected);
}

static void test_the_helper_compiles(void **state)
{
    adk_wasm_stats expected = ADK_WASM_STATS_INIT;
    char *text = adk_test_padded_text(GUEST_HELLO, 70000);
    adk_request request = adk_test_request(text);
    uint64_t until_ns = adk_test_now_ns() + 20 * SECOND;

    run(*state, &request, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    expected.runs = 1;
    expected.cache_misses = 1;
    expected.compiled_by_helper = 1;
    expected.modules = 1;
    expect_stats(*state, &expected);
    while (stats_of(*state).helpers != 0 && adk_test_now_ns() < until_ns)
        adk_test_sleep_ns(MS);
    assert_int_equal(stats_of(*state).helpers, 0); /* it has been collected */
    free(text);
}

static void test_what_is_slow(void **state)
{
    adk_wasm_stats expected = ADK_WASM_STATS_INIT;
    adk_bytes bomb = adk_test_loops(BOMB_LOOPS, 0);
    adk_request request = adk_test_request(NULL);

    request.code = bomb;
    request.timeout_ns = 400 * MS;
    run(*state, &request, ADK_OUTCOME_TIMED_OUT, ADK_PHASE_COMPILE);
    expected.cache_misses = 1;
    expected.compile_timeouts = 1;
    expect_stats(*state, &expected);
    request.timeout_ns = 200 * MS;
    run(*state, &request, ADK_OUTCOME_TIMED_OUT, ADK_PHASE_COMPILE);
    expected.known_as_slow = 1;
    expect_stats(*state, &expected);
    free((void *)(uintptr_t)bomb.data);
}

static void test_evictions(void **state)
{
    static const char *const texts[] = {GUEST_EXITS("0"), GUEST_HELLO, GUEST_EMPTY};
    adk_wasm_options options = adk_test_options();
    adk_wasm_stats expected = ADK_WASM_STATS_INIT;
    adk_backend *backend;

    (void)state;
    options.cache_modules = 2;
    backend = adk_test_backend_with(&options);
    for (unsigned i = 0; i < 4; i++)
        adk_test_run_exits(backend, texts[i % 3], 0);
    expected.runs = 4;
    expected.cache_misses = 4; /* the first had gone when it was asked for again */
    expected.compiled_here = 4;
    expected.evictions = 2;
    expected.modules = 2;
    expect_stats(backend, &expected);
    adk_backend_free(backend);
}

/* A shard that finds a module by itself does not tell the cache each time: it is asked before the module goes. */
static void test_what_is_in_use_is_not_evicted(void **state)
{
    static const char *const others[] = {GUEST_EXITS("1"), GUEST_EXITS("2"), GUEST_EXITS("3"), GUEST_EXITS("4")};
    adk_wasm_options options = adk_test_options();
    adk_wasm_stats expected = ADK_WASM_STATS_INIT;
    adk_backend *backend;

    (void)state;
    options.cache_modules = 2;
    backend = adk_test_backend_with(&options);
    for (unsigned i = 0; i < 3; i++)
        adk_test_run_exits(backend, GUEST_HELLO, 0);
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        adk_test_run_exits(backend, others[i], i + 1);
        adk_test_run_exits(backend, GUEST_HELLO, 0);
    }
    expected.runs = 11;
    expected.cache_misses = 5;
    expected.cache_hits = 6;
    expected.compiled_here = 5;
    expected.evictions = 3;
    expected.modules = 2;
    expect_stats(backend, &expected);
    adk_backend_free(backend);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void test_what_is_found_on_disk(void **state)
{
    char root[] = "/tmp/adk-test-stats-XXXXXX";
    char directory[64];
    char key[64];
    char *text = adk_test_padded_text(GUEST_HELLO, 2000);
    adk_request request = adk_test_request(text);
    adk_wasm_options options = adk_test_options();
    adk_wasm_stats expected = ADK_WASM_STATS_INIT;
    adk_wasm_module *module = NULL;
    adk_backend *backend;

    (void)state;
    assert_non_null(mkdtemp(root));
    (void)snprintf(directory, sizeof(directory), "%s/modules", root);
    (void)snprintf(key, sizeof(key), "%s/key", root);
    options.disk_cache_cstr = directory;
    options.disk_key_cstr = key;
    backend = adk_test_backend_with(&options);
    assert_int_equal(adk_wasm_module_new(backend, request.code, &module, NULL), ADK_OK);
    adk_wasm_module_free(module);
    adk_backend_free(backend);

    backend = adk_test_backend_with(&options);
    run(backend, &request, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    run(backend, &request, ADK_OUTCOME_EXITED, ADK_PHASE_NONE);
    expected.runs = 2;
    expected.disk_hits = 1;
    expected.cache_hits = 1;
    expected.modules = 1;
    expect_stats(backend, &expected);
    adk_backend_free(backend);
    free(text);
    assert_int_equal(nftw(root, remove_one, 4, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- slots -------------------------------------------------------------------------------------------------------- */

struct nesting {
    adk_backend *backend;
    adk_wasm_stats within;
};

static int run_another(void *data, adk_wasm_caller *caller, const adk_wasm_value *args, adk_wasm_value *results)
{
    struct nesting *nesting = data;

    (void)caller;
    (void)args;
    (void)results;
    nesting->within = stats_of(nesting->backend);
    adk_test_run_exits(nesting->backend, GUEST_HELLO, 0);
    return 0;
}

/* On one CPU there is one pool; it has one slot, which the outer guest holds. */
static void test_slots(void **state)
{
    struct nesting nesting = {0};
    const adk_wasm_host_function function = {"host", "nest", "", "", run_another, &nesting};
    adk_wasm_options options = adk_test_options();
    adk_wasm_stats expected = ADK_WASM_STATS_INIT;
    cpu_set_t before;
    cpu_set_t one;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++) {
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    options.slots = 1;
    options.host_functions = &function;
    options.host_functions_count = 1;
    nesting.backend = adk_test_backend_with(&options);
    adk_test_run_exits(nesting.backend, GUEST_HELLO, 0);
    adk_test_run_exits(nesting.backend,
                       "(module (import \"host\" \"nest\" (func $nest)) (func (export \"_start\") (call $nest)))", 0);
    assert_int_equal(nesting.within.running, 1);
    assert_int_equal(nesting.within.runs, 2);
    assert_int_equal(nesting.within.runs_without_slot, 0);
    expected.runs = 3;
    expected.runs_without_slot = 1;
    expected.cache_misses = 2;
    expected.compiled_here = 2;
    expected.cache_hits = 1;
    expected.modules = 2;
    expect_stats(nesting.backend, &expected);
    adk_backend_free(nesting.backend);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* ---- the call ----------------------------------------------------------------------------------------------------- */

static void test_a_child_counts_anew(void **state)
{
    adk_wasm_stats now = ADK_WASM_STATS_INIT;
    int status = 0;
    pid_t child;

    if (adk_test_under_tsan()) {
        print_message("skipped: the thread sanitizer allows no threads after fork()\n");
        skip();
    }
    adk_test_run_exits(*state, GUEST_HELLO, 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        adk_request request = adk_test_request(GUEST_HELLO);
        adk_result *result = NULL;

        if (adk_wasm_backend_stats(*state, &now) != ADK_OK || now.runs != 0 || now.cache_misses != 0 ||
            now.modules != 1)
            _exit(1);
        if (adk_backend_execute(*state, &request, NULL, &result, NULL) != ADK_OK)
            _exit(2);
        adk_result_free(result);
        if (adk_wasm_backend_stats(*state, &now) != ADK_OK || now.runs != 1 || now.cache_hits != 1)
            _exit(3);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    now = stats_of(*state);
    assert_int_equal(now.runs, 1);
    assert_int_equal(now.cache_hits, 0);
}

/* A caller of an older version has a shorter struct, one of a newer version a longer. */
static void test_sizes_of_the_struct(void **state)
{
    union {
        adk_wasm_stats stats;
        unsigned char bytes[sizeof(adk_wasm_stats) + 16];
    } room;

    adk_test_run_exits(*state, GUEST_HELLO, 0);
    memset(&room, 0xa5, sizeof(room));
    room.stats.struct_size = offsetof(adk_wasm_stats, runs_without_slot);
    assert_int_equal(adk_wasm_backend_stats(*state, &room.stats), ADK_OK);
    assert_int_equal(room.stats.struct_size, offsetof(adk_wasm_stats, runs_without_slot));
    assert_int_equal(room.stats.runs, 1);
    assert_int_equal(room.stats.runs_without_slot, UINT64_C(0xa5a5a5a5a5a5a5a5));
    room.stats.struct_size = sizeof(room);
    assert_int_equal(adk_wasm_backend_stats(*state, &room.stats), ADK_OK);
    assert_int_equal(room.stats.cache_misses, 1);
    for (size_t i = sizeof(adk_wasm_stats); i < sizeof(room); i++)
        assert_int_equal(room.bytes[i], 0);
}

static int execute_nothing(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                           adk_error **ret_error)
{
    (void)state;
    (void)request;
    (void)cancel;
    (void)ret_result;
    (void)ret_error;
    return ADK_E_UNSUPPORTED;
}

static void test_other_backends_have_none(void **state)
{
    const adk_backend_ops ops = {sizeof(ops), execute_nothing, NULL};
    const adk_capabilities capabilities = {sizeof(capabilities), 0, 1u << ADK_LANGUAGE_WASM, "none"};
    adk_wasm_stats stats = ADK_WASM_STATS_INIT;
    adk_backend *backend = NULL;

    (void)state;
    assert_int_equal(adk_backend_new(&ops, NULL, "other", &capabilities, &backend, NULL), ADK_OK);
    stats.runs = 77;
    assert_int_equal(adk_wasm_backend_stats(backend, &stats), ADK_E_INVALID);
    assert_int_equal(stats.runs, 77);
    adk_backend_free(backend);
}

#define WITH_BACKEND(test) cmocka_unit_test_setup_teardown(test, adk_test_setup, adk_test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BACKEND(test_a_new_backend_has_done_nothing),
        WITH_BACKEND(test_hits_and_misses),
        WITH_BACKEND(test_prepared_modules_are_looked_for_once),
        WITH_BACKEND(test_refusals),
        WITH_BACKEND(test_the_helper_compiles),
        WITH_BACKEND(test_what_is_slow),
        cmocka_unit_test(test_evictions),
        cmocka_unit_test(test_what_is_in_use_is_not_evicted),
        cmocka_unit_test(test_what_is_found_on_disk),
        cmocka_unit_test(test_slots),
        WITH_BACKEND(test_a_child_counts_anew),
        WITH_BACKEND(test_sizes_of_the_struct),
        cmocka_unit_test(test_other_backends_have_none),
    };

    return cmocka_run_group_tests_name("wasm stats", tests, NULL, NULL);
}
