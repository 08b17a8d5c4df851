/*
 * The doctor's checks. What a backend says it enforces is believed only after a tiny guest has tried to break it here,
 * on this machine; then come the machine's own figures.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <adk/sandbox.h>

#include "base/cleanup.h"
#include "cli/cache.h"
#include "cli/doctor.h"
#include "cli/doctor_guests.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/values.h"

#define PATIENCE_NS        UINT64_C(5000000000) /* for guests that end by themselves or by another limit */
#define SHORT_TIMEOUT_NS   UINT64_C(50000000)   /* for those that would not end */
#define SHORT_OVERSHOOT_NS UINT64_C(200000000)  /* on a machine that is busy with other things */
#define SMALL_MEMORY_BYTES UINT64_C(1048576)
#define SMALL_OUTPUT_BYTES UINT64_C(4096)
#define STACK_NEEDED_BYTES ((size_t)768 << 10)

#define BROKEN_BUILD "install a build of adk-sandbox that passes its tests"

/* An attempt at breaking one limit. */
struct probe {
    const char *name;
    uint32_t enforces; /* the backend must claim these */
    const char *wat;
    uint64_t timeout_ns;
    uint64_t memory_limit_bytes;
    uint64_t output_limit_bytes;
    uint64_t fuel;
    adk_outcome expected; /* and exit code CLI_GUEST_SAW_NOTHING, where it exits */
};

static const struct probe probes[] = {
    {"timeout of a loop", ADK_ENFORCES_TIMEOUT, cli_guest_looping, SHORT_TIMEOUT_NS, 0, 0, 0, ADK_OUTCOME_TIMED_OUT},
    {"timeout of a sleep", ADK_ENFORCES_TIMEOUT, cli_guest_sleeping, SHORT_TIMEOUT_NS, 0, 0, 0, ADK_OUTCOME_TIMED_OUT},
    {"memory", ADK_ENFORCES_MEMORY, cli_guest_growing, PATIENCE_NS, SMALL_MEMORY_BYTES, 0, 0, ADK_OUTCOME_MEMORY_LIMIT},
    {"output", ADK_ENFORCES_OUTPUT, cli_guest_flooding, PATIENCE_NS, 0, SMALL_OUTPUT_BYTES, 0,
     ADK_OUTCOME_OUTPUT_LIMIT},
    {"fuel", ADK_ENFORCES_FUEL, cli_guest_looping, PATIENCE_NS, 0, 0, 100000, ADK_OUTCOME_FUEL_EXHAUSTED},
    {"environment", ADK_ENFORCES_ENVIRONMENT, cli_guest_environment, PATIENCE_NS, 0, 0, 0, ADK_OUTCOME_EXITED},
    {"files", ADK_ENFORCES_FILE_READ | ADK_ENFORCES_FILE_WRITE, cli_guest_opening, PATIENCE_NS, 0, 0, 0,
     ADK_OUTCOME_EXITED},
    {"network", ADK_ENFORCES_NETWORK, cli_guest_accepting, PATIENCE_NS, 0, 0, 0, ADK_OUTCOME_EXITED},
};

void cli_checks_add(struct cli_checks *checks, const char *name, enum cli_check_status status, const char *format, ...)
{
    struct cli_check *items = reallocarray(checks->items, checks->count + 1, sizeof(*items));
    struct cli_check check = {name, status, NULL};
    va_list args;

    if (items == NULL) {
        checks->incomplete = true;
        return;
    }
    checks->items = items;
    va_start(args, format);
    if (vasprintf(&check.detail, format, args) < 0)
        checks->incomplete = true;
    else
        items[checks->count++] = check;
    va_end(args);
}

void cli_checks_add_error(struct cli_checks *checks, const char *name, adk_error *error, const char *remedy)
{
    struct cli_name shown;

    cli_checks_add(checks, name, CLI_CHECK_MISSING, "%s: %s",
                   error == NULL ? "out of memory" : cli_name_cstr(adk_error_message_cstr(error), &shown), remedy);
    adk_error_free(error);
}

static adk_request request_of(const struct probe *probe)
{
    adk_request request = ADK_REQUEST_INIT;

    request.code = adk_bytes_from_cstr(probe->wat);
    request.timeout_ns = probe->timeout_ns;
    request.memory_limit_bytes = probe->memory_limit_bytes;
    request.output_limit_bytes = probe->output_limit_bytes;
    request.output_policy = ADK_OUTPUT_STOP;
    request.fuel = probe->fuel;
    return request;
}

/* Says what is wrong with the way a probe ended, or NULL. */
static const char *judge(const struct probe *probe, const adk_result *result)
{
    adk_usage usage = ADK_USAGE_INIT;

    adk_result_usage(result, &usage);
    if (adk_result_outcome(result) != probe->expected)
        return "the guest got past it";
    if (probe->expected == ADK_OUTCOME_EXITED && adk_result_exit_code(result) != CLI_GUEST_SAW_NOTHING)
        return "the guest saw what is the host's";
    if (probe->timeout_ns == SHORT_TIMEOUT_NS && usage.duration_ns > SHORT_TIMEOUT_NS + SHORT_OVERSHOOT_NS)
        return "it came late";
    if (probe->memory_limit_bytes != 0 && usage.memory_peak_bytes > probe->memory_limit_bytes)
        return "more was used than allowed";
    if (probe->output_limit_bytes != 0 && adk_result_stdout(result).head.size > probe->output_limit_bytes)
        return "more was written than allowed";
    return NULL;
}

static void check_probe(struct cli_checks *checks, adk_backend *backend, uint32_t enforced, const struct probe *probe)
{
    adk_request request = request_of(probe);
    adk_result *result = NULL;
    adk_error *error = NULL;
    adk_usage usage = ADK_USAGE_INIT;
    const char *wrong = NULL;
    const char *outcome = NULL;
    char took[CLI_FIGURE_SIZE];

    if ((enforced & probe->enforces) != probe->enforces) {
        cli_checks_add(checks, probe->name, CLI_CHECK_MISSING, "the backend does not enforce it: " BROKEN_BUILD);
        return;
    }
    if (adk_backend_execute(backend, &request, NULL, &result, &error) != ADK_OK) {
        cli_checks_add_error(checks, probe->name, error,
                             adk_error_code(error) == ADK_E_UNAVAILABLE ? "until then such modules are refused"
                                                                        : BROKEN_BUILD);
        return;
    }
    wrong = judge(probe, result);
    outcome = adk_outcome_cstr(adk_result_outcome(result));
    adk_result_usage(result, &usage);
    if (wrong == NULL)
        cli_checks_add(checks, probe->name, CLI_CHECK_OK, "%s after %s", outcome,
                       cli_duration_to_short_text(usage.duration_ns, took));
    else
        cli_checks_add(checks, probe->name, CLI_CHECK_MISSING, "%s (%s after %s): " BROKEN_BUILD, wrong, outcome,
                       cli_duration_to_short_text(usage.duration_ns, took));
    adk_result_free(result);
}

/* Runs the guest that writes what it cannot guess. NULL where that failed, and then it has been added. */
static adk_result *guess(struct cli_checks *checks, adk_backend *backend, uint64_t seed)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;
    adk_error *error = NULL;

    request.code = adk_bytes_from_cstr(cli_guest_guessing);
    request.timeout_ns = PATIENCE_NS;
    request.flags = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    request.random_seed = seed;
    request.clock_start_ns = 1;
    if (adk_backend_execute(backend, &request, NULL, &result, &error) == ADK_OK)
        return result;
    cli_checks_add_error(checks, "determinism", error, BROKEN_BUILD);
    return NULL;
}

/* 16 bytes each: not an empty answer that equals another empty one. */
static bool same_output(const adk_result *a, const adk_result *b)
{
    adk_bytes x = adk_result_stdout(a).head;
    adk_bytes y = adk_result_stdout(b).head;

    return x.size == 16 && y.size == 16 && memcmp(x.data, y.data, x.size) == 0;
}

static void check_determinism(struct cli_checks *checks, adk_backend *backend, uint32_t enforced)
{
    adk_result *once = NULL;
    adk_result *again = NULL;
    adk_result *other = NULL;

    if ((enforced & ADK_ENFORCES_DETERMINISM) == 0) {
        cli_checks_add(checks, "determinism", CLI_CHECK_MISSING, "the backend does not enforce it: " BROKEN_BUILD);
        return;
    }
    once = guess(checks, backend, 1);
    again = once == NULL ? NULL : guess(checks, backend, 1);
    other = again == NULL ? NULL : guess(checks, backend, 2);
    if (other != NULL && same_output(once, again) && !same_output(once, other))
        cli_checks_add(checks, "determinism", CLI_CHECK_OK,
                       "equal seeds and clocks gave equal output, another seed another");
    else if (other != NULL)
        cli_checks_add(checks, "determinism", CLI_CHECK_MISSING, "the seed or the clock was not obeyed: " BROKEN_BUILD);
    adk_result_free(once);
    adk_result_free(again);
    adk_result_free(other);
}

/* A module that takes the compiler minutes: what stops that is the helper program, killed at the deadline. */
static void check_compiling(struct cli_checks *checks, adk_backend *backend)
{
    static const char unit[] = "loop end ";
    static const char head[] = "(module (func (export \"_start\") ";
    const size_t loops = 20000;
    struct probe probe = {"compiling", 0, NULL, SHORT_TIMEOUT_NS, 0, 0, 0, ADK_OUTCOME_TIMED_OUT};
    size_t at = sizeof(head) - 1;
    char *wat = malloc(sizeof(head) + loops * (sizeof(unit) - 1) + sizeof("))"));

    if (wat == NULL) {
        checks->incomplete = true;
        return;
    }
    memcpy(wat, head, at);
    for (size_t i = 0; i < loops; i++, at += sizeof(unit) - 1)
        memcpy(wat + at, unit, sizeof(unit) - 1);
    memcpy(wat + at, "))", sizeof("))"));
    probe.wat = wat;
    check_probe(checks, backend, 0, &probe);
    free(wat);
}

static void check_backend(struct cli_checks *checks)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    options.slots = 1;
    if (adk_wasm_backend_new(&options, &backend, &error) != ADK_OK) {
        cli_checks_add_error(checks, "engine", error, "lift the limits on memory, threads and files (ulimit -a)");
        return;
    }
    cli_checks_add(checks, "engine", CLI_CHECK_OK, "%s", adk_engine_version_cstr());
    adk_backend_capabilities(backend, &capabilities);
    for (size_t i = 0; i < ADK_COUNT(probes); i++)
        check_probe(checks, backend, capabilities.enforced, &probes[i]);
    check_determinism(checks, backend, capabilities.enforced);
    check_compiling(checks, backend);
    adk_backend_free(backend);
}

/* Guests' memories are reserved ahead as address space, far more than is ever used. */
static void check_address_space(struct cli_checks *checks)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    char size[CLI_FIGURE_SIZE];

    (void)getrlimit(RLIMIT_AS, &limit);
    if (limit.rlim_cur == RLIM_INFINITY)
        cli_checks_add(checks, "address space", CLI_CHECK_OK, "unlimited");
    else
        cli_checks_add(checks, "address space", CLI_CHECK_REDUCED,
                       "limited to %s, so guests start slower: lift it with ulimit -v unlimited",
                       cli_size_to_text(limit.rlim_cur, size));
}

static void check_stack(struct cli_checks *checks)
{
    pthread_attr_t attributes;
    size_t bytes = 0;
    char size[CLI_FIGURE_SIZE];

    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        (void)pthread_attr_getstacksize(&attributes, &bytes);
        (void)pthread_attr_destroy(&attributes);
    }
    (void)cli_size_to_text(bytes, size);
    if (bytes >= STACK_NEEDED_BYTES)
        cli_checks_add(checks, "stack", CLI_CHECK_OK, "%s", size);
    else
        cli_checks_add(checks, "stack", CLI_CHECK_REDUCED,
                       "limited to %s, so runs need a thread of their own: raise it with ulimit -s 8192", size);
}

static void check_processors(struct cli_checks *checks)
{
    cpu_set_t set;
    long configured = sysconf(_SC_NPROCESSORS_ONLN);

    /* More than 1,024 do not fit the set; then all there are will do. */
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        configured = CPU_COUNT(&set);
    cli_checks_add(checks, "processors", CLI_CHECK_OK, "%ld", configured);
}

/* What `compile` keeps. `run` does without what it cannot use, and says nothing: here it is said. */
static void check_cache(struct cli_checks *checks)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    struct cli_cache cache;
    struct cli_name shown;
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    const char *why = "out of memory";

    if (cli_cache_find(&cache, NULL) != ADK_OK) {
        cli_checks_add(checks, "compiled modules", CLI_CHECK_REDUCED,
                       "there is no place to keep them: set HOME, or XDG_CACHE_HOME and XDG_DATA_HOME");
        return;
    }
    options.slots = 1;
    options.disk_cache_cstr = cache.directory;
    options.disk_key_cstr = cache.key;
    if (access(cache.directory, F_OK) != 0) {
        cli_checks_add(checks, "compiled modules", CLI_CHECK_OK, "none are kept; adk-sandbox compile does");
    } else if (adk_wasm_backend_new(&options, &backend, &error) == ADK_OK) {
        cli_checks_add(checks, "compiled modules", CLI_CHECK_OK, "kept in %s", cli_name_cstr(cache.directory, &shown));
    } else {
        if (error != NULL)
            why = cli_name_cstr(adk_error_message_cstr(error), &shown);
        cli_checks_add(checks, "compiled modules", CLI_CHECK_REDUCED,
                       "%s: remove the directory and the key, and compile again", why);
    }
    adk_backend_free(backend);
    adk_error_free(error);
    cli_cache_free(&cache);
}

int cli_checks_run(struct cli_checks *checks, adk_error **ret_error)
{
    *checks = (struct cli_checks){0};
    check_backend(checks);
    check_cache(checks);
    cli_checks_run_runtimes(checks);
    check_address_space(checks);
    check_stack(checks);
    check_processors(checks);
    if (checks->incomplete)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    return ADK_OK;
}

bool cli_checks_all_there(const struct cli_checks *checks)
{
    for (size_t i = 0; i < checks->count; i++) {
        if (checks->items[i].status == CLI_CHECK_MISSING)
            return false;
    }
    return true;
}

void cli_checks_free(struct cli_checks *checks)
{
    for (size_t i = 0; i < checks->count; i++)
        free(checks->items[i].detail);
    free(checks->items);
    *checks = (struct cli_checks){0};
}
