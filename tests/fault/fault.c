/*
 * Sweeps: attempts, one after the other, and what is checked after each.
 */
#include "fault.h"

#include <jansson.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

/* No scenario makes as many calls: one that does has ceased to end. */
#define FAULTS_MAX 100000

const char fault_unwritten = 0;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char why[512];

int fault_wrong(const char *file, int line, const char *format, ...)
{
    va_list args;
    int size;

    (void)pthread_mutex_lock(&mutex);
    size = snprintf(why, sizeof(why), "%s:%d: ", file, line);
    va_start(args, format);
    if (size > 0 && (size_t)size < sizeof(why))
        (void)vsnprintf(why + size, sizeof(why) - (size_t)size, format, args);
    va_end(args);
    (void)pthread_mutex_unlock(&mutex);
    return FAULT_WRONG;
}

const char *fault_why(int status)
{
    return status == FAULT_WRONG ? why : adk_error_name_cstr(status);
}

int fault_status(int status, adk_error **taken)
{
    adk_error *error = *taken;
    int code = adk_error_code(error == UNWRITTEN(adk_error) ? NULL : error);

    if (status == ADK_OK) {
        EXPECT(error == UNWRITTEN(adk_error));
        return ADK_OK;
    }
    EXPECT(error != UNWRITTEN(adk_error));
    EXPECT(status < 0);
    if (error == NULL) { /* there was no memory, for the call or for its error */
        EXPECT(status == ADK_E_NOMEM || fault_fired());
        return status;
    }
    EXPECT(code == status);
    EXPECT(*adk_error_message_cstr(error) != '\0');
    adk_error_free(error);
    return status;
}

int fault_execute(adk_backend *backend, const adk_request *request, adk_cancel *cancel, adk_result **ret_result)
{
    adk_result *result = UNWRITTEN(adk_result);
    adk_error *error = UNWRITTEN(adk_error);
    int status = fault_status(adk_backend_execute(backend, request, cancel, &result, &error), &error);

    if (status != ADK_OK) {
        EXPECT(status == FAULT_WRONG || result == UNWRITTEN(adk_result));
        return status;
    }
    *ret_result = result;
    return ADK_OK;
}

int fault_run(adk_backend *backend, const adk_request *request, adk_cancel *cancel,
              int (*judge)(const adk_result *result))
{
    adk_result *result;
    int status = fault_execute(backend, request, cancel, &result);

    if (status == ADK_OK) {
        status = judge(result);
        adk_result_free(result);
    }
    return status;
}

/* ---- attempts ----------------------------------------------------------------------------------------------------- */

struct attempt {
    const fault_scenario *scenario;
    void *data;
    int status;
};

static void *attempt_here(void *data)
{
    struct attempt *attempt = data;

    attempt->status = attempt->scenario->run(attempt->data);
    return NULL;
}

static int attempt_on_thread(const fault_scenario *scenario, void *data)
{
    struct attempt attempt = {scenario, data, FAULT_WRONG};
    pthread_t thread;

    why[0] = '\0';
    assert_int_equal(pthread_create(&thread, NULL, attempt_here, &attempt), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return attempt.status;
}

static const char *mode_word(fault_mode mode)
{
    return mode == FAULT_ONCE ? "fault" : "faults from";
}

static void check_status(const fault_scenario *s, unsigned n, bool fired, int status)
{
    if (status == ADK_OK || (fired && status < 0 && (s->may_fail & FAULT_ERROR(status)) != 0))
        return;
    if (fired)
        fault_print_place();
    fail_msg("%s, %s %u: %s", s->name, mode_word(s->mode), n, fault_why(status));
}

static void check_holdings(const fault_scenario *s, unsigned n, uint64_t mark, const fault_holdings *before)
{
    fault_holdings now = fault_count();

    if (now.blocks == before->blocks && now.bytes == before->bytes && now.mappings == before->mappings &&
        now.descriptors == before->descriptors)
        return;
    fault_print_place();
    fault_print_blocks(mark);
    fail_msg("%s, %s %u: %zu blocks (%zu bytes), %zu mappings, %u descriptors; before: %zu (%zu), %zu, %u", s->name,
             mode_word(s->mode), n, now.blocks, now.bytes, now.mappings, now.descriptors, before->blocks, before->bytes,
             before->mappings, before->descriptors);
}

/* False where the scenario makes fewer calls. */
static bool attempt(const fault_scenario *s, void *data, unsigned n, unsigned *absorbed)
{
    fault_holdings before = fault_count();
    uint64_t mark = fault_mark();
    bool fired;
    int status;

    fault_arm(s->kind, s->mode, n, s->kind == FAULT_MEMORY ? s->size : 0);
    status = attempt_on_thread(s, data);
    fired = fault_disarm();
    check_status(s, n, fired, status);
    check_holdings(s, n, mark, &before);
    if (!fired)
        return false;
    *absorbed += status == ADK_OK;
    check_status(s, n, false, attempt_on_thread(s, data)); /* the next one is right */
    check_holdings(s, n, mark, &before);
    return true;
}

void fault_sweep(const fault_scenario *s, void *data)
{
    unsigned absorbed = 0;
    unsigned n = 1;

    for (int i = 0; i < 2; i++) /* what is made once for the process, and kept */
        check_status(s, 0, false, attempt_on_thread(s, data));
    while (attempt(s, data, n, &absorbed)) {
        n += s->step == 0 ? 1 : s->step;
        assert_true(n < FAULTS_MAX);
    }
    print_message("%s: %s 1 to %u, %u of them absorbed\n", s->name, mode_word(s->mode), n - 1, absorbed);
    if (n - 1 < s->least)
        fail_msg("%s: %u calls that can fail, not %u", s->name, n - 1, s->least);
}

void fault_use_up(const fault_scenario *s, void *data, void (*begin)(void), void (*end)(void))
{
    fault_holdings before;
    uint64_t mark;
    int status;

    check_status(s, 0, false, attempt_on_thread(s, data));
    before = fault_count();
    mark = fault_mark();
    begin();
    fault_claim();
    status = attempt_on_thread(s, data);
    (void)fault_disarm();
    end();
    check_status(s, 0, true, status);
    check_holdings(s, 0, mark, &before);
    check_status(s, 0, false, attempt_on_thread(s, data));
    check_holdings(s, 0, mark, &before);
    print_message("%s: %s\n", s->name, adk_error_name_cstr(status));
}

void fault_sweep_memory(const char *name, int (*run)(void *data), void *data, unsigned least)
{
    fault_scenario scenario = {name, run, FAULT_MEMORY, FAULT_ONCE, FAULT_NOMEM, least, 0, 0};

    fault_sweep(&scenario, data);
    scenario.mode = FAULT_FROM;
    fault_sweep(&scenario, data);
}

/* A backend makes what belongs to a CPU when it first runs there: on one CPU every attempt takes the same. */
static void stay_on_one_cpu(void)
{
    cpu_set_t all;
    cpu_set_t one;
    int chosen;

    if (sched_getaffinity(0, sizeof(all), &all) != 0)
        return;
    chosen = (int)getpid() % CPU_COUNT(&all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || chosen-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)sched_setaffinity(0, sizeof(one), &one);
        return;
    }
}

void fault_begin(void)
{
    stay_on_one_cpu();
    json_set_alloc_funcs(adk_fault_malloc, adk_fault_free);
}
