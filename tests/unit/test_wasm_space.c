/*
 * src/wasm/engine: machines that grant less address space than the pools would like.
 */
#include "support.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUEST_GROWS_A_BIT "(module " IMPORT_EXIT "(memory 1)" START "(if (i32.lt_s (memory.grow (i32.const 100)) "      \
                          "(i32.const 0)) (then (call $exit (i32.const 1))))))"

/* Runs on every CPU in a child whose address space is this large. 0, or what went wrong. */
static int run_within_space(uint64_t bytes)
{
    struct rlimit limit = {bytes, bytes};
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    cpu_set_t all;
    int bad = 0;

    if (setrlimit(RLIMIT_AS, &limit) != 0 || sched_getaffinity(0, sizeof(all), &all) != 0)
        return 2;
    if (adk_wasm_backend_new(NULL, &backend, &error) != ADK_OK) {
        print_error("no backend in %llu bytes: %s\n", (unsigned long long)bytes, adk_error_message_cstr(error));
        return 3;
    }
    for (int round = 0; round < 2 && !bad; round++) {
        for (size_t cpu = 0; cpu < CPU_SETSIZE && !bad; cpu++) {
            adk_request request = adk_test_request(round == 0 ? GUEST_HELLO : GUEST_GROWS_A_BIT);
            adk_result *result = NULL;
            cpu_set_t one;

            if (!CPU_ISSET(cpu, &all))
                continue;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            (void)sched_setaffinity(0, sizeof(one), &one);
            if (adk_backend_execute(backend, &request, NULL, &result, &error) != ADK_OK) {
                print_error("no run on CPU %zu in %llu bytes: %s\n", cpu, (unsigned long long)bytes,
                            adk_error_message_cstr(error));
                bad = 4;
            } else if (adk_result_outcome(result) != ADK_OUTCOME_EXITED) {
                print_error("on CPU %zu in %llu bytes: %s: %.*s\n", cpu, (unsigned long long)bytes,
                            adk_outcome_cstr(adk_result_outcome(result)), (int)adk_result_message(result).size,
                            (const char *)adk_result_message(result).data);
                bad = 5;
            }
            adk_result_free(result);
        }
    }
    adk_backend_free(backend);
    return bad;
}

static void test_less_address_space_than_a_pool_takes(void **state)
{
    static const uint64_t gib[] = {1, 4, 6, 10, 16, 20, 24, 28, 36, 44, 80, 150, 300, 600};
    unsigned bad = 0;

    (void)state;
    if (adk_test_sanitized() || adk_test_under_valgrind()) {
        print_message("skipped: a sanitizer takes terabytes of address space for itself\n");
        skip();
    }
    for (size_t i = 0; i < sizeof(gib) / sizeof(gib[0]); i++) {
        int status = 0;
        pid_t child = fork();

        if (child == 0)
            _exit(run_within_space(gib[i] << 30));
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            print_error("%llu GiB: wait status 0x%x\n", (unsigned long long)gib[i], (unsigned)status);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_less_address_space_than_a_pool_takes),
    };

    return cmocka_run_group_tests_name("wasm_space", tests, NULL, NULL);
}
