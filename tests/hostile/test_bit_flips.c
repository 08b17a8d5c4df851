/*
 * Real modules with a few bits turned: most are refused, the others are strange programs. Each ends within its limits and
 * is told as what it was. `test_bit_flips COUNT SEED` does it as often as one likes.
 */
#include "hostile.h"

#include <pthread.h>

#define THREADS 2

struct flipping {
    adk_backend *backend;
    adk_bytes binary;
    uint64_t seed;
    unsigned count;
    unsigned outcomes[16];
    const char *wrong;
};

/* A bent module that still is one may do what it wants, within its limits; it must not be told as something it was not.
 * *ret_late says that the call came back after its deadline. */
static const char *run_bent(struct flipping *f, const uint8_t *code, bool *ret_late)
{
    adk_request request = ADK_REQUEST_INIT;
    uint64_t start_ns = adk_test_now_ns();
    adk_result *result = NULL;
    const char *wrong;

    request.code = adk_bytes_make(code, f->binary.size);
    request.timeout_ns = SECOND;
    request.memory_limit_bytes = 4 * MIB;
    request.output_limit_bytes = 65536;
    request.fuel = 100000;
    if (adk_backend_execute(f->backend, &request, NULL, &result, NULL) != ADK_OK)
        return "the call failed";
    wrong = adk_hostile_contradiction(result);
    *ret_late = adk_test_now_ns() - start_ns > SECOND + adk_test_slack_ns();
    f->outcomes[adk_result_outcome(result)]++;
    adk_result_free(result);
    return wrong;
}

static void *flip(void *data)
{
    struct flipping *f = data;
    uint8_t *bent = malloc(f->binary.size);

    bool late;

    f->wrong = bent == NULL ? "no memory" : NULL;
    for (unsigned i = 0; i < f->count && f->wrong == NULL; i++) {
        uint64_t flips = 1 + adk_hostile_random(&f->seed) % 4;

        memcpy(bent, f->binary.data, f->binary.size);
        while (flips-- > 0) {
            uint64_t bit = adk_hostile_random(&f->seed) % (f->binary.size * 8);

            bent[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        f->wrong = run_bent(f, bent, &late);
        if (late && f->wrong == NULL) { /* on a busy machine anything may be late, but hardly the same thing twice */
            f->wrong = run_bent(f, bent, &late);
            f->wrong = late ? "it took longer than its deadline" : f->wrong;
        }
    }
    free(bent);
    return NULL;
}

static void flip_bits(adk_hostile *hostile, const char *wat, unsigned count, uint64_t seed)
{
    adk_bytes binary = adk_test_assemble(wat);
    struct flipping parts[THREADS];
    pthread_t threads[THREADS];
    unsigned ran = 0;
    unsigned refused = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        parts[i] = (struct flipping){hostile->backend, binary, seed + i, count / THREADS, {0}, NULL};
        assert_int_equal(pthread_create(&threads[i], NULL, flip, &parts[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        ran += parts[i].outcomes[ADK_OUTCOME_EXITED];
        refused += parts[i].outcomes[ADK_OUTCOME_REJECTED];
    }
    for (unsigned i = 0; i < THREADS; i++) {
        if (parts[i].wrong != NULL)
            fail_msg("seed %llu: %s", (unsigned long long)seed + i, parts[i].wrong);
    }
    assert_true(ran > 0 && refused > count / 2); /* that it was a fair attack */
    free((void *)(uintptr_t)binary.data);
    adk_hostile_unharmed(hostile, "bit flips");
}

static unsigned total;
static uint64_t first_seed = 1;

static void test_bits_of_a_rich_module(void **state)
{
    flip_bits(*state, GUEST_RICH, total / 5 * 2, first_seed);
}

static void test_bits_of_hello_world(void **state)
{
    flip_bits(*state, GUEST_HELLO, total / 5 * 2, first_seed + 1000);
}

static void test_bits_of_a_guest_that_sleeps(void **state)
{
    flip_bits(*state, GUEST_SLEEPS("1000"), total / 5, first_seed + 2000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits_of_a_rich_module),
        cmocka_unit_test(test_bits_of_hello_world),
        cmocka_unit_test(test_bits_of_a_guest_that_sleeps),
    };

    total = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : adk_test_sanitized() ? 4000 : 10000;
    if (argc > 2)
        first_seed = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests_name("bit_flips", tests, adk_hostile_setup, adk_hostile_teardown);
}
