/*
 * Mixed runs, many of them, in one process: after the first thousand nothing grows. `test_soak RUNS` for any number; the
 * second tier runs a million.
 */
#include "hostile.h"

#include <pthread.h>

#define RUNS_DEFAULT 20000u
#define WARM_UP      1000u
#define THREADS      2u

static unsigned runs;

static const adk_hostile_case kinds[] = {
    {"hello", GUEST_HELLO, EXITS(0), .out = "hello, world\n"},
    {"an exit", GUEST_EXITS("7"), EXITS(7)},
    {"a trap", GUEST_UNREACHABLE, TRAPS("unreachable")},
    {"a division", "(module" START "(drop (i32.div_u (i32.const 1) (i32.const 0)))))",
     TRAPS("integer_division_by_zero")},
    {"too deep", "(module" START "(call $start)))", TRAPS("stack_overflow")},
    {"too much at the start", "(module (memory 200)" START "))", .memory_limit_bytes = MIB,
     OVER_MEMORY_IN(INSTANTIATE, "memory limit exceeded")},
    {"too much while it runs",
     "(module (memory 1)" START
     "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable))",
     .memory_limit_bytes = MIB, OVER_MEMORY_IN(RUN, "memory limit exceeded"), .trap = "unreachable"},
    {"no module", "(module", REJECTED(MALFORMED, "failed to compile")},
    {"nothing to run", "(module)", REJECTED(NO_ENTRY, "_start")},
    {"a missing import", "(module (import \"a\" \"b\" (func))" START "))", REJECTED(MISSING_IMPORT, "\"a\" \"b\"")},
    {"no more fuel", GUEST_LOOP, .fuel = 10000, .outcome = ADK_OUTCOME_FUEL_EXHAUSTED, .phase = ADK_PHASE_RUN},
};

/* Now and then what takes time, or a module that nobody has seen before. */
static const adk_hostile_case slow = {"no end", GUEST_LOOP, .timeout_ns = MS, TIMES_OUT_IN(RUN)};
static const adk_hostile_case filler = {
    "a memory that is used",
    "(module (memory 100)" START "(memory.fill (i32.const 0) (i32.const 1) (i32.const 6000000))))", EXITS(0)};
static const adk_hostile_case sleeper = {"a sleep", GUEST_SLEEPS("10000000000"), .timeout_ns = MS,
                                         TIMES_OUT_IN(HOST_CALL)};

struct part {
    adk_backend *backend;
    unsigned count;
    uint64_t seed;
    char wrong[256];
};

static bool run_case(struct part *part, const adk_hostile_case *how)
{
    adk_request request = adk_hostile_request(how);
    adk_result *result = NULL;
    const char *contradiction;

    if (adk_backend_execute(part->backend, &request, NULL, &result, NULL) != ADK_OK) {
        (void)snprintf(part->wrong, sizeof(part->wrong), "%s: the call failed", how->name);
        return false;
    }
    contradiction = adk_hostile_contradiction(result);
    if (contradiction != NULL)
        (void)snprintf(part->wrong, sizeof(part->wrong), "%s: %s", how->name, contradiction);
    else if (adk_result_outcome(result) != how->outcome)
        (void)snprintf(part->wrong, sizeof(part->wrong), "%s: %s", how->name,
                       adk_outcome_cstr(adk_result_outcome(result)));
    adk_result_free(result);
    return part->wrong[0] == '\0';
}

static bool run_new_module(struct part *part, uint64_t number)
{
    char wat[256];
    adk_hostile_case how = {"a new module", wat, EXITS(0)};

    (void)snprintf(wat, sizeof(wat), "(module (memory 1) (data (i32.const 0) \"%llx\")" START "))",
                   (unsigned long long)number);
    return run_case(part, &how);
}

static void *run_part(void *data)
{
    struct part *part = data;

    for (unsigned i = 0; i < part->count; i++) {
        uint64_t random = adk_hostile_random(&part->seed);
        bool fine;

        if (random % 400 == 0)
            fine = run_case(part, random % 800 == 0 ? &slow : &sleeper);
        else if (random % 400 == 1)
            fine = run_case(part, &filler);
        else if (random % 400 == 2)
            fine = run_new_module(part, random);
        else
            fine = run_case(part, &kinds[random % COUNT_OF(kinds)]);
        if (!fine)
            return NULL;
    }
    return NULL;
}

static void run_mixed(adk_backend *backend, unsigned count)
{
    static uint64_t seed = 1;
    struct part parts[THREADS] = {0};
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        parts[i].backend = backend;
        parts[i].count = count / THREADS;
        parts[i].seed = seed++;
        assert_int_equal(pthread_create(&threads[i], NULL, run_part, &parts[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        if (parts[i].wrong[0] != '\0')
            fail_msg("%s", parts[i].wrong);
    }
}

static void test_nothing_grows(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_hostile own;
    adk_hostile *hostile = &own;
    adk_test_census before;
    adk_test_census after;

    (void)state;
    options.slots = 4;
    options.cache_modules = 32; /* so that the modules nobody has seen before push others out */
    adk_hostile_begin(hostile, &options);
    adk_test_compile(hostile->backend, GUEST_LOOP);
    adk_test_compile(hostile->backend, GUEST_SLEEPS("10000000000"));
    run_mixed(hostile->backend, WARM_UP);
    before = adk_test_count();
    run_mixed(hostile->backend, runs);
    adk_hostile_same(&before, "mixed runs", 64, 16 * MIB);
    after = adk_test_count();
    print_message("%u runs: descriptors %u -> %u, threads %u -> %u, mappings %u -> %u, resident %llu -> %llu KiB\n",
                  runs, before.descriptors, after.descriptors, before.threads, after.threads, before.mappings,
                  after.mappings, (unsigned long long)before.resident_bytes >> 10,
                  (unsigned long long)after.resident_bytes >> 10);
    adk_hostile_end(hostile);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_grows),
    };

    runs = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : adk_test_sanitized() ? RUNS_DEFAULT / 10 : RUNS_DEFAULT;
    return cmocka_run_group_tests_name("soak", tests, NULL, NULL);
}
