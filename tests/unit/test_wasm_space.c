/*
 * src/wasm/engine: machines that grant less address space than the pools would like.
 */
#include "support.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUEST_GROWS_A_BIT                                                                    \
    "(module " IMPORT_EXIT "(memory 1)" START "(if (i32.lt_s (memory.grow (i32.const 100)) " \
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

/* Compiles one more module when hardly any address space is left. 0, or what went wrong. */
static int compile_within(uint64_t slack_bytes)
{
    adk_backend *backend = NULL;
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_result *result = NULL;
    adk_error *error = NULL;
    unsigned long pages = 0;
    struct rlimit limit;
    FILE *file;
    int bad = 0;

    if (adk_wasm_backend_new(NULL, &backend, NULL) != ADK_OK ||
        adk_backend_execute(backend, &request, NULL, &result, NULL) != ADK_OK)
        return 2;
    adk_result_free(result);
    file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%lu", &pages) != 1)
        return 3;
    (void)fclose(file);
    limit.rlim_cur = limit.rlim_max = pages * (uint64_t)sysconf(_SC_PAGESIZE) + slack_bytes;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return 4;
    request.code = adk_bytes_from_cstr("(module (func $other)" START "))");
    result = NULL;
    if (adk_backend_execute(backend, &request, NULL, &result, &error) != ADK_OK) {
        bad = adk_error_code(error) == ADK_E_INVALID;
    } else {
        bad = adk_result_reason(result) == ADK_REASON_MALFORMED || adk_result_reason(result) == ADK_REASON_TOO_LARGE;
    }
    if (bad && result != NULL) {
        print_error("%llu: %s, %s: %.*s\n", (unsigned long long)slack_bytes,
                    adk_outcome_cstr(adk_result_outcome(result)),
                    adk_result_reason(result) == 0 ? "-" : adk_reason_cstr(adk_result_reason(result)),
                    (int)adk_result_message(result).size, (const char *)adk_result_message(result).data);
    }
    adk_result_free(result);
    adk_error_free(error);
    adk_backend_free(backend);
    return bad;
}

/* That the machine is full is not the module's fault: it must not be told that it is malformed or too large. */
static void test_a_full_machine_is_not_the_modules_fault(void **state)
{
    unsigned bad = 0;

    (void)state;
    if (adk_test_sanitized() || adk_test_under_valgrind())
        skip();
    for (uint64_t slack = 0; slack < 200; slack += 8) {
        int status = 0;
        pid_t child = fork();

        if (child == 0)
            _exit(compile_within(slack << 10));
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            print_error("%llu KiB: wait status 0x%x\n", (unsigned long long)slack, (unsigned)status);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_less_address_space_than_a_pool_takes),
        cmocka_unit_test(test_a_full_machine_is_not_the_modules_fault),
    };

    return cmocka_run_group_tests_name("wasm_space", tests, NULL, NULL);
}
