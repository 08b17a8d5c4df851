/*
 * The hostile battery's common ground; see hostile.h.
 */
#include "hostile.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>

#define SLOTS 4

/* A slot's memory may stay with its last module's image, split where that had its data; a shard's memory stays resident
 * up to 1 MiB a slot. This much may change without anything being lost. */
#define SLACK_DESCRIPTORS 10u
#define SLACK_MAPPINGS    40u
#define SLACK_BYTES       (32 * MIB)

/* ---- the process -------------------------------------------------------------------------------------------------- */

static bool is_within(const adk_test_census *now, const adk_test_census *before, unsigned slack, uint64_t slack_bytes)
{
    return now->threads <= before->threads && now->descriptors <= before->descriptors + SLACK_DESCRIPTORS &&
           now->mappings <= before->mappings + slack && now->resident_bytes <= before->resident_bytes + slack_bytes;
}

/* A thread that was joined, or memory that was given back, may be seen for a moment longer. */
void adk_hostile_same(const adk_test_census *before, const char *name, unsigned slack, uint64_t slack_bytes)
{
    adk_test_census now = adk_test_count();

    if (adk_test_sanitized()) { /* freed memory stays in quarantine, with mappings and shadow of its own */
        slack = UINT_MAX / 2;
        slack_bytes = UINT64_MAX / 2;
    }
    for (int i = 0; i < 200 && !is_within(&now, before, slack, slack_bytes); i++) {
        (void)malloc_trim(0);
        adk_test_sleep_ns(5 * MS);
        now = adk_test_count();
    }
    if (!is_within(&now, before, slack, slack_bytes))
        fail_msg(
            "%s: left behind: descriptors %u -> %u, threads %u -> %u, mappings %u -> %u, resident %llu -> %llu KiB",
            name, before->descriptors, now.descriptors, before->threads, now.threads, before->mappings, now.mappings,
            (unsigned long long)(before->resident_bytes >> 10), (unsigned long long)(now.resident_bytes >> 10));
}

/* ---- groups ------------------------------------------------------------------------------------------------------- */

/* Threads in numbers leave the C library's arenas and cached stacks behind, once. */
static void *allocate(void *barrier)
{
    free(malloc(100));
    (void)pthread_barrier_wait(barrier);
    return NULL;
}

static void warm_threads(void)
{
    pthread_t threads[64];
    pthread_barrier_t barrier;

    assert_int_equal(pthread_barrier_init(&barrier, NULL, COUNT_OF(threads)), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, allocate, &barrier), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    (void)pthread_barrier_destroy(&barrier);
}

/* Every slot of every shard gets its first use: different modules, since one module keeps to its slot. */
static void warm(adk_backend *backend)
{
    cpu_set_t all;
    cpu_set_t one;

    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
        for (unsigned i = 0; i < 2 * SLOTS; i++) {
            char wat[200];
            adk_request request = adk_test_request(wat);

            (void)snprintf(wat, sizeof(wat), "(module (memory 16) (data (i32.const %u) \"data\")" START "))", i);
            request.code = adk_bytes_from_cstr(wat);
            request.fuel = i < SLOTS ? 0 : 1000;
            adk_result_free(adk_test_execute(backend, &request, NULL));
        }
        adk_test_run_exits(backend, GUEST_HELLO, 0);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

void adk_hostile_begin(adk_hostile *hostile, const adk_wasm_options *options)
{
    hostile->before = adk_test_count();
    hostile->backend = adk_test_backend_with(options);
    warm(hostile->backend);
    hostile->idle = adk_test_count();
}

void adk_hostile_end(adk_hostile *hostile)
{
    adk_backend_free(hostile->backend);
    adk_hostile_same(&hostile->before, "the backend", SLACK_MAPPINGS, SLACK_BYTES);
}

int adk_hostile_setup(void **state)
{
    adk_hostile *hostile = calloc(1, sizeof(*hostile));
    adk_wasm_options options = adk_test_options();

    assert_non_null(hostile);
    options.slots = SLOTS;
    options.cache_modules = 1; /* the harmless guest drives the attack out */
    warm_threads();
    adk_backend_free(adk_test_backend()); /* what only a first backend leaves: handlers, tables of the engine's */
    adk_hostile_begin(hostile, &options);
    *state = hostile;
    return 0;
}

int adk_hostile_teardown(void **state)
{
    adk_hostile_end(*state);
    free(*state);
    return 0;
}

/* ---- results ------------------------------------------------------------------------------------------------------ */

static bool is_empty(adk_bytes bytes)
{
    return bytes.size == 0;
}

static const char *contradiction_of_stop(const adk_result *result)
{
    adk_outcome outcome = adk_result_outcome(result);
    adk_phase phase = adk_result_phase(result);

    if (outcome == ADK_OUTCOME_EXITED)
        return phase != ADK_PHASE_NONE || !is_empty(adk_result_message(result)) ? "exited, with phase or message"
                                                                                : NULL;
    if (is_empty(adk_result_message(result)))
        return "not exited, and no message";
    if (adk_result_exit_code(result) != 0)
        return "not exited, with an exit code";
    if (outcome == ADK_OUTCOME_REJECTED)
        return phase != ADK_PHASE_NONE && phase != ADK_PHASE_COMPILE ? "rejected in a late phase" : NULL;
    return phase == ADK_PHASE_NONE ? "stopped, and no phase" : NULL;
}

const char *adk_hostile_contradiction(const adk_result *result)
{
    adk_outcome outcome = adk_result_outcome(result);
    adk_usage usage = adk_test_usage(result);
    adk_limits limits = ADK_LIMITS_INIT;
    bool has_trap = !is_empty(adk_result_trap_kind(result));
    adk_output out = adk_result_stdout(result);
    size_t frames;

    adk_result_limits(result, &limits);
    if (adk_outcome_cstr(outcome) == NULL || outcome == ADK_OUTCOME_SIGNALED)
        return "an outcome that cannot be";
    if ((outcome == ADK_OUTCOME_REJECTED) != (adk_result_reason(result) != ADK_REASON_NONE))
        return "a reason, or none, against the outcome";
    if (outcome == ADK_OUTCOME_TRAPPED ? !has_trap : has_trap && outcome != ADK_OUTCOME_MEMORY_LIMIT)
        return "a trap, or none, against the outcome";
    if (adk_test_bytes_are(adk_result_trap_kind(result), "unknown"))
        return "a trap without a name";
    (void)adk_result_backtrace(result, &frames);
    if (frames > 0 && !has_trap)
        return "a backtrace without a trap";
    if (usage.memory_peak_bytes > limits.memory_limit_bytes)
        return "more memory than the limit";
    if (outcome == ADK_OUTCOME_MEMORY_LIMIT && usage.memory_denied == 0)
        return "memory_limit, and nothing was denied";
    if (out.head.size > limits.output_limit_bytes || out.tail.size > ADK_OUTPUT_TAIL_BYTES ||
        out.head.size + out.tail.size > out.written_bytes)
        return "more output than was written or may be kept";
    if (outcome == ADK_OUTCOME_REJECTED && (out.written_bytes != 0 || usage.host_calls != 0))
        return "rejected, after it ran";
    return contradiction_of_stop(result);
}

adk_result *adk_hostile_execute(adk_backend *backend, const char *name, const adk_request *request)
{
    uint64_t start_ns = adk_test_now_ns();
    adk_error *error = NULL;
    adk_result *result = NULL;
    const char *wrong;
    uint64_t took_ns;

    if (adk_backend_execute(backend, request, NULL, &result, &error) != ADK_OK)
        fail_msg("%s: the call failed: %s", name, adk_error_message_cstr(error));
    took_ns = adk_test_now_ns() - start_ns;
    wrong = adk_hostile_contradiction(result);
    if (wrong != NULL)
        fail_msg("%s: %s (outcome %s)", name, wrong, adk_outcome_cstr(adk_result_outcome(result)));
    if (took_ns > adk_test_slack_ns() && took_ns - adk_test_slack_ns() > request->timeout_ns)
        fail_msg("%s: took %llu us of %llu", name, (unsigned long long)(took_ns / 1000),
                 (unsigned long long)(request->timeout_ns / 1000));
    if (adk_result_outcome(result) == ADK_OUTCOME_TIMED_OUT && took_ns < request->timeout_ns)
        fail_msg("%s: timed out after %llu us of %llu", name, (unsigned long long)(took_ns / 1000),
                 (unsigned long long)(request->timeout_ns / 1000));
    return result;
}

static const char *or_none(const char *word)
{
    return word == NULL ? "none" : word;
}

/* A process of its own that was killed on a loaded machine, before it had time for its report: without figures. */
static bool was_stopped_hard(const adk_result *result)
{
    return adk_test_armoured() && adk_result_outcome(result) == ADK_OUTCOME_TIMED_OUT &&
           adk_test_usage(result).memory_peak_bytes == 0 && adk_test_usage(result).host_calls == 0;
}

/* A process of its own that begins late, on a loaded machine, comes to its deadline earlier on its way. */
static bool is_phase(const adk_hostile_case *attack, adk_phase phase)
{
    bool may_be_earlier = adk_test_armoured() && attack->outcome == ADK_OUTCOME_TIMED_OUT;

    return phase == attack->phase || (attack->or_phase != ADK_PHASE_NONE && phase == attack->or_phase) ||
           (may_be_earlier && phase >= ADK_PHASE_INSTANTIATE && phase < attack->phase);
}

void adk_hostile_expect(const adk_hostile_case *attack, const adk_result *result)
{
    adk_bytes message = adk_result_message(result);
    adk_bytes trap = adk_result_trap_kind(result);
    adk_phase phase = adk_result_phase(result);
    uint64_t denied = adk_test_usage(result).memory_denied;

    if (adk_result_outcome(result) != attack->outcome || adk_result_exit_code(result) != attack->exit_code ||
        !is_phase(attack, phase) || adk_result_reason(result) != attack->reason ||
        !adk_test_bytes_are(trap, attack->trap == NULL ? "" : attack->trap))
        fail_msg("%s: %s %u, phase %s, reason %s, trap \"%.*s\"; not %s %u, phase %s, reason %s, trap \"%s\" (%.*s)",
                 attack->name, adk_outcome_cstr(adk_result_outcome(result)), adk_result_exit_code(result),
                 or_none(adk_phase_cstr(phase)), or_none(adk_reason_cstr(adk_result_reason(result))), (int)trap.size,
                 trap.size > 0 ? (const char *)trap.data : "", adk_outcome_cstr(attack->outcome), attack->exit_code,
                 or_none(adk_phase_cstr(attack->phase)), or_none(adk_reason_cstr(attack->reason)),
                 or_none(attack->trap), (int)message.size, message.size > 0 ? (const char *)message.data : "");
    if (attack->message_part != NULL && !adk_test_bytes_have(message, attack->message_part))
        fail_msg("%s: \"%.*s\" has no \"%s\"", attack->name, (int)message.size,
                 message.size > 0 ? (const char *)message.data : "", attack->message_part);
    if (attack->out != NULL && !adk_test_bytes_are(adk_result_stdout(result).head, attack->out))
        fail_msg("%s: it wrote other things than \"%s\"", attack->name, attack->out);
    if (was_stopped_hard(result))
        return;
    if (denied < attack->denied_at_least || (attack->denied_at_most != 0 && denied > attack->denied_at_most))
        fail_msg("%s: %llu growths were denied", attack->name, (unsigned long long)denied);
}

/* ---- attacks ------------------------------------------------------------------------------------------------------ */

const char *adk_hostile_hello(adk_backend *backend)
{
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_result *result = NULL;
    const char *wrong = NULL;

    if (adk_backend_execute(backend, &request, NULL, &result, NULL) != ADK_OK)
        return "the call failed";
    if (adk_result_outcome(result) != ADK_OUTCOME_EXITED || adk_result_exit_code(result) != 0)
        wrong = "it did not exit with 0";
    else if (!adk_test_bytes_are(adk_result_stdout(result).head, "hello, world\n") ||
             adk_result_stderr(result).written_bytes != 0)
        wrong = "it wrote something else";
    else if (adk_test_usage(result).memory_peak_bytes != PAGE || adk_test_usage(result).memory_denied != 0 ||
             adk_test_usage(result).host_calls != 1)
        wrong = "other figures than ever";
    adk_result_free(result);
    return wrong;
}

void adk_hostile_unharmed(adk_hostile *hostile, const char *name)
{
    const char *wrong = adk_hostile_hello(hostile->backend);

    if (wrong != NULL)
        fail_msg("after %s: hello world: %s", name, wrong);
    adk_hostile_same(&hostile->idle, name, SLACK_MAPPINGS, SLACK_BYTES);
}

adk_request adk_hostile_request(const adk_hostile_case *attack)
{
    adk_request request = ADK_REQUEST_INIT;

    request.code = attack->wat != NULL ? adk_bytes_from_cstr(attack->wat) : attack->code;
    request.timeout_ns = attack->timeout_ns != 0 ? attack->timeout_ns : 20 * SECOND;
    request.memory_limit_bytes = attack->memory_limit_bytes;
    request.output_limit_bytes = attack->output_limit_bytes;
    request.fuel = attack->fuel;
    return request;
}

/* A guest that is to be found running is compiled ahead, so that its deadline is not the compiler's. */
static void prepare(adk_backend *backend, const adk_request *request, adk_wasm_module **ret_module)
{
    adk_error *error = NULL;

    if (adk_wasm_module_new(backend, request->code, ret_module, &error) != ADK_OK)
        fail_msg("not prepared: %s", adk_error_message_cstr(error));
}

static void run_attack(adk_hostile *hostile, const adk_hostile_case *attack)
{
    adk_request request = adk_hostile_request(attack);
    adk_wasm_module *module = NULL;
    adk_result *result;

    if (attack->outcome == ADK_OUTCOME_TIMED_OUT && attack->phase != ADK_PHASE_COMPILE) {
        prepare(hostile->backend, &request, &module);
        request.module = module;
        request.code = adk_bytes_make(NULL, 0);
    }
    result = adk_hostile_execute(hostile->backend, attack->name, &request);
    adk_hostile_expect(attack, result);
    adk_result_free(result);
    adk_wasm_module_free(module);
}

void adk_hostile_attack(adk_hostile *hostile, const adk_hostile_case *how)
{
    run_attack(hostile, how);
    adk_hostile_unharmed(hostile, how->name);
}

void adk_hostile_attack_with(adk_hostile *hostile, const adk_hostile_case *how, adk_shape *code)
{
    adk_hostile_case made = *how;

    made.code = adk_shape_bytes(code);
    run_attack(hostile, &made);
    adk_shape_free(code);
    adk_hostile_unharmed(hostile, how->name);
}

void adk_hostile_attacks(adk_hostile *hostile, const adk_hostile_case *attacks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        adk_hostile_attack(hostile, &attacks[i]);
}

uint64_t adk_hostile_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
