/*
 * Running guests for the fuzz targets, and what must hold of every result (design, sections 3 and 5).
 */
#include "support.h"

#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define MS UINT64_C(1000000)

/* The engine's traps are signals of its own; the sanitizer must leave them to it. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allow_user_segv_handler=1:handle_segv=1:handle_sigill=0:handle_sigfpe=0:detect_stack_use_after_return=0:"
           "strict_string_checks=1";
}

/* ---- input -------------------------------------------------------------------------------------------------------- */

uint64_t fuzz_take(fuzz_input *in, size_t bytes)
{
    uint64_t value = 0;

    for (; bytes > 0; bytes--) {
        value = value << 8 | (in->size > 0 ? *in->data : 0);
        in->data += in->size > 0;
        in->size -= in->size > 0;
    }
    return value;
}

adk_bytes fuzz_take_bytes(fuzz_input *in, size_t size)
{
    adk_bytes bytes = adk_bytes_make(in->data, size < in->size ? size : in->size);

    in->data += bytes.size;
    in->size -= bytes.size;
    return bytes;
}

void fuzz_require(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "broken: %s\n", what);
    abort();
}

/* ---- what is run -------------------------------------------------------------------------------------------------- */

static adk_backend *backend;

static void free_backend(void)
{
    adk_backend_free(backend);
}

adk_backend *fuzz_backend(void)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;

    if (backend == NULL) {
        options.slots = 2;
        options.cache_modules = 4;
        /* Inputs are small; all are compiled in place, where the sanitizers see it. */
        options.worker_cstr = "/nonexistent/adk-worker";
        options.flags = ADK_WASM_ALLOW_UNBOUNDED_COMPILE;
        fuzz_require(adk_wasm_backend_new(&options, &backend, NULL) == ADK_OK, "there is a backend");
        (void)atexit(free_backend);
    }
    return backend;
}

/* Where nothing but the clock stops a guest, its time is short, but enough to compile it; else it is longer than any needs. */
static void choose_flavour(uint64_t how, adk_request *request)
{
    static const uint64_t fuels[] = {20000, 500, 100000, 0};
    bool virtual_clock = (how & 2) != 0;

    request->fuel = fuels[how >> 2 & 3];
    request->timeout_ns = request->fuel != 0 && virtual_clock ? 2000 * MS : 60 * MS;
    request->flags = (how & 1) != 0 ? ADK_REQUEST_SEED : 0;
    request->flags |= virtual_clock ? ADK_REQUEST_CLOCK : 0;
    request->flags |= (how & 0x10) != 0 ? ADK_REQUEST_CPU_TIME : 0;
    request->random_seed = how;
    request->clock_start_ns = (how & 0x20) != 0 ? INT64_MAX : UINT64_C(1700000000) * 1000 * MS;
    request->output_policy = (how & 0x40) != 0 ? ADK_OUTPUT_STOP : ADK_OUTPUT_TRUNCATE;
    request->output_limit_bytes = (how & 0x80) != 0 ? 7 : 1000;
    request->memory_limit_bytes = (how & 0x100) != 0 ? (uint64_t)200 << 10 : FUZZ_MEMORY_LIMIT;
}

void fuzz_choose(fuzz_input *in, adk_request *request)
{
    static const adk_bytes arguments[] = {{"guest", 5}, {"an argument", 11}, {"", 0}, {"\xff\x01", 2}};
    static const adk_env environment[] = {{{"HOME", 4}, {"/", 1}}, {{"A", 1}, {"", 0}}};
    static const adk_file files[] = {{{"/a/b", 4}, {"content of a file", 17}, NULL},
                                     {{"c/d", 3}, {"\xff more", 6}, NULL},
                                     {{"/link", 5}, {NULL, 0}, NULL}};
    static const adk_bytes outputs[] = {{"**", 2}, {"/a/b", 4}, {"c", 1}};
    uint64_t how = fuzz_take(in, 2);

    choose_flavour(how, request);
    if ((how & 0x200) != 0)
        request->stdin_data = adk_bytes_from_cstr("some input\nfor the guest\n");
    if ((how & 0x400) != 0) {
        request->args = arguments;
        request->args_count = sizeof(arguments) / sizeof(arguments[0]);
        request->env = environment;
        request->env_count = sizeof(environment) / sizeof(environment[0]);
    }
    if ((how & 0x800) != 0) {
        request->files = files;
        request->files_count = sizeof(files) / sizeof(files[0]);
    }
    request->outputs = outputs;
    request->outputs_count = (how & 0x1000) != 0 ? sizeof(outputs) / sizeof(outputs[0]) : 0;
    request->outputs_limit_bytes = (how & 0x2000) != 0 ? 10 : 100000;
}

/* ---- what must hold ----------------------------------------------------------------------------------------------- */

static bool is_line(adk_bytes text)
{
    return adk__utf8_valid(text.data, text.size) && (text.size == 0 || memchr(text.data, '\n', text.size) == NULL);
}

static bool explains_phase(adk_outcome outcome)
{
    return outcome != ADK_OUTCOME_EXITED && outcome != ADK_OUTCOME_REJECTED;
}

static void check_outcome(const adk_request *request, const adk_result *r)
{
    adk_outcome outcome = adk_result_outcome(r);
    bool trapped = adk_result_trap_kind(r).size > 0;
    size_t frames;

    fuzz_require(outcome <= ADK_OUTCOME_REJECTED, "the outcome is one that a run in process has");
    fuzz_require(explains_phase(outcome) == (adk_result_phase(r) != ADK_PHASE_NONE),
                 "there is a phase where it says something");
    fuzz_require((outcome == ADK_OUTCOME_REJECTED) == (adk_result_reason(r) != ADK_REASON_NONE),
                 "rejected for a reason");
    fuzz_require((outcome == ADK_OUTCOME_EXITED) == (adk_result_message(r).size == 0), "a message, unless it exited");
    fuzz_require(outcome == ADK_OUTCOME_EXITED || adk_result_exit_code(r) == 0, "a code only where it exited");
    fuzz_require(outcome != ADK_OUTCOME_TRAPPED || trapped, "a trap has a kind");
    fuzz_require(!trapped || outcome == ADK_OUTCOME_TRAPPED || outcome == ADK_OUTCOME_MEMORY_LIMIT,
                 "there is a trap only where it explains the outcome");
    fuzz_require(trapped == (adk_result_trap_message(r).size > 0), "a trap has a message");
    fuzz_require(outcome != ADK_OUTCOME_FUEL_EXHAUSTED || request->fuel != 0, "fuel ends where it is metered");
    fuzz_require(outcome != ADK_OUTCOME_OUTPUT_LIMIT || request->output_policy == ADK_OUTPUT_STOP,
                 "the output limit stops where that is the policy");
    fuzz_require(outcome != ADK_OUTCOME_CANCELLED || request->on_stdout != NULL, "nobody cancelled");
    fuzz_require(is_line(adk_result_message(r)) && is_line(adk_result_trap_message(r)),
                 "messages are one line of text");
    fuzz_require(adk_result_exit_status(r) >= 0 && adk_result_exit_status(r) < 256, "the exit status has 8 bits");
    (void)adk_result_backtrace(r, &frames);
    fuzz_require(frames <= 64, "a backtrace has at most 64 frames");
    for (size_t i = 0; i < frames; i++)
        fuzz_require(is_line(adk_result_backtrace(r, &frames)[i].function_name), "names are text");
}

static void check_stream(const adk_request *request, adk_output output)
{
    uint64_t limit = request->output_limit_bytes != 0 ? request->output_limit_bytes : ADK_OUTPUT_LIMIT_DEFAULT_BYTES;

    fuzz_require(output.head.size <= limit, "the head is within the limit");
    fuzz_require(output.tail.size <= ADK_OUTPUT_TAIL_BYTES, "the tail is within its limit");
    fuzz_require(output.written_bytes >= output.head.size + output.tail.size, "no byte comes twice");
    fuzz_require(output.truncated == (output.written_bytes > output.head.size), "truncated where not all is there");
    fuzz_require(!output.truncated || output.head.size == limit, "truncated only at the limit");
}

static void check_files(const adk_request *request, const adk_result *result)
{
    uint64_t limit = request->outputs_limit_bytes != 0 ? request->outputs_limit_bytes : ADK_OUTPUTS_LIMIT_DEFAULT_BYTES;
    uint64_t total = 0;
    size_t count;
    const adk_file_out *files = adk_result_files(result, &count, NULL);

    for (size_t i = 0; i < count; i++) {
        const adk_file_out *f = &files[i];

        fuzz_require(f->path.size > 0 && *(const char *)f->path.data == '/', "paths begin at the root");
        fuzz_require(memchr(f->path.data, 0, f->path.size) == NULL, "paths have no NUL");
        fuzz_require(memmem(f->path.data, f->path.size, "/../", 4) == NULL, "paths do not lead out");
        fuzz_require(f->output < request->outputs_count, "a file belongs to an output");
        fuzz_require(i == 0 || files[i - 1].output <= f->output, "files come in the order of the outputs");
        fuzz_require(f->content.size <= f->size_bytes || f->type != ADK_FILE_REGULAR, "no more than the file has");
        fuzz_require(f->type != ADK_FILE_REGULAR || f->truncated == (f->content.size < f->size_bytes), "truncated");
        total += f->type == ADK_FILE_REGULAR ? f->content.size : 0;
    }
    fuzz_require(total <= limit, "files are within their limit");
}

void fuzz_check_result(const adk_request *request, const adk_result *result)
{
    adk_usage usage = ADK_USAGE_INIT;
    adk_limits limits = ADK_LIMITS_INIT;

    adk_result_usage(result, &usage);
    adk_result_limits(result, &limits);
    check_outcome(request, result);
    check_stream(request, adk_result_stdout(result));
    check_stream(request, adk_result_stderr(result));
    check_files(request, result);
    fuzz_require(usage.memory_peak_bytes <= limits.memory_limit_bytes, "memory is within its limit");
    fuzz_require(usage.fuel <= limits.fuel, "fuel is within its limit");
    fuzz_require(usage.duration_ns >= usage.run_ns, "a part is not longer than the whole");
    fuzz_check_report(result);
}

/* ---- the report --------------------------------------------------------------------------------------------------- */

static bool has_type(const json_t *report, const char *key, const char *types)
{
    static const char letters[] = "oasirtfn"; /* in the order of json_type */
    const json_t *value = json_object_get(report, key);

    return value != NULL && strchr(types, letters[json_typeof(value)]) != NULL;
}

static void check_types(const json_t *report)
{
    static const char *const keys[][2] = {
        {"report", "i"}, {"status", "s"},          {"outcome", "s"},     {"phase", "sn"},   {"exit_code", "in"},
        {"trap", "on"},  {"reason", "sn"},         {"message", "sn"},    {"stdout", "s"},   {"stderr", "s"},
        {"bytes", "o"},  {"truncated", "o"},       {"duration_ms", "i"}, {"usage", "o"},    {"limits", "o"},
        {"files", "a"},  {"files_complete", "tf"}, {"backend", "s"},     {"language", "s"}, {"isolation", "s"},
        {"hint", "sn"}};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        fuzz_require(has_type(report, keys[i][0], keys[i][1]), keys[i][0]);
}

/* Where nothing was cut off, what the report says is what the guest wrote, byte for byte. */
static void check_content(const json_t *holder, const char *key, bool is_base64, adk_bytes bytes)
{
    const json_t *text = json_object_get(holder, key);
    uint8_t *decoded;
    size_t size;

    if (!is_base64) {
        fuzz_require(json_string_length(text) == bytes.size, "text is as long as it was");
        fuzz_require(bytes.size == 0 || memcmp(json_string_value(text), bytes.data, bytes.size) == 0,
                     "text is what it was");
        return;
    }
    decoded = malloc(bytes.size + 1);
    fuzz_require(decoded != NULL, "memory");
    fuzz_require(sodium_base642bin(decoded, bytes.size + 1, json_string_value(text), json_string_length(text), NULL,
                                   &size, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
                     size == bytes.size && memcmp(decoded, bytes.data, size) == 0,
                 "base64 is of what it was");
    free(decoded);
}

static void check_contents(const json_t *report, const adk_result *result)
{
    const json_t *files = json_object_get(report, "files");
    size_t count;
    size_t at = 0;
    const adk_file_out *out = adk_result_files(result, &count, NULL);

    if (!adk_result_stdout(result).truncated)
        check_content(report, "stdout", json_object_get(report, "stdout_encoding") != NULL,
                      adk_result_stdout(result).head);
    if (!adk_result_stderr(result).truncated)
        check_content(report, "stderr", json_object_get(report, "stderr_encoding") != NULL,
                      adk_result_stderr(result).head);
    for (size_t i = 0; i < count; i++) {
        const json_t *file;

        if (out[i].type != ADK_FILE_REGULAR)
            continue;
        file = json_array_get(files, at++);
        check_content(file, "content", strcmp(json_string_value(json_object_get(file, "encoding")), "base64") == 0,
                      out[i].content);
    }
    fuzz_require(at == json_array_size(files), "all files are in the report");
}

static json_t *parse(const char *text)
{
    json_t *report = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

    fuzz_require(report != NULL && json_is_object(report), "the report is JSON");
    fuzz_require(strchr(text, '\n') == NULL, "the report is one line");
    return report;
}

void fuzz_check_report(const adk_result *result)
{
    adk_report_options options = ADK_REPORT_OPTIONS_INIT;

    for (uint32_t flags = 0; flags <= ADK_REPORT_ASCII; flags++) {
        char *text;
        json_t *report;

        options.flags = flags;
        options.output_error_cstr = flags != 0 ? "bytes \xff\x1b that are no text" : NULL;
        fuzz_require(adk_report_json(result, &options, &text, NULL) == ADK_OK, "there is a report");
        for (const char *at = text; flags != 0 && *at != '\0'; at++)
            fuzz_require(*at >= 0x20 && *at < 0x7f, "all of it is printable ASCII");
        report = parse(text);
        check_types(report);
        check_contents(report, result);
        json_decref(report);
        adk_free(text);
    }
}

void fuzz_check_error(int status, const adk_error *error)
{
    const char *message = adk_error_message_cstr(error);
    char *text;

    fuzz_require(status == adk_error_code(error), "the error is the one that was returned");
    fuzz_require(message[0] != '\0' && is_line(adk_bytes_from_cstr(message)), "its message is one line of text");
    fuzz_require(adk_report_error_json(error, &text, NULL) == ADK_OK, "there is a report of the error");
    json_decref(parse(text));
    adk_free(text);
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

static bool same_bytes(adk_bytes a, adk_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void compare_streams(adk_output a, adk_output b)
{
    fuzz_require(same_bytes(a.head, b.head) && same_bytes(a.tail, b.tail) && a.written_bytes == b.written_bytes,
                 "deterministic: output");
}

/* Where time ran out while files were collected, less of them comes. */
static bool ended_in_time(const adk_result *result)
{
    size_t count;
    int complete;

    (void)adk_result_files(result, &count, &complete);
    return adk_result_outcome(result) != ADK_OUTCOME_TIMED_OUT && complete;
}

static void compare(const adk_result *a, const adk_result *b)
{
    adk_usage usage[2] = {ADK_USAGE_INIT, ADK_USAGE_INIT};
    size_t count[2];
    const adk_file_out *files[2] = {adk_result_files(a, &count[0], NULL), adk_result_files(b, &count[1], NULL)};

    adk_result_usage(a, &usage[0]);
    adk_result_usage(b, &usage[1]);
    fuzz_require(adk_result_outcome(a) == adk_result_outcome(b), "deterministic: outcome");
    fuzz_require(adk_result_exit_code(a) == adk_result_exit_code(b), "deterministic: exit code");
    fuzz_require(adk_result_phase(a) == adk_result_phase(b), "deterministic: phase");
    fuzz_require(same_bytes(adk_result_message(a), adk_result_message(b)), "deterministic: message");
    fuzz_require(same_bytes(adk_result_trap_message(a), adk_result_trap_message(b)), "deterministic: trap");
    compare_streams(adk_result_stdout(a), adk_result_stdout(b));
    compare_streams(adk_result_stderr(a), adk_result_stderr(b));
    fuzz_require(usage[0].fuel == usage[1].fuel, "deterministic: fuel");
    fuzz_require(usage[0].memory_peak_bytes == usage[1].memory_peak_bytes, "deterministic: peak of memory");
    fuzz_require(usage[0].memory_denied == usage[1].memory_denied, "deterministic: growths refused");
    fuzz_require(usage[0].host_calls == usage[1].host_calls, "deterministic: host calls");
    fuzz_require(count[0] == count[1], "deterministic: number of files");
    for (size_t i = 0; i < count[0]; i++)
        fuzz_require(same_bytes(files[0][i].path, files[1][i].path) &&
                         same_bytes(files[0][i].content, files[1][i].content),
                     "deterministic: files");
}

static adk_result *run_once(const adk_request *request)
{
    adk_result *result = NULL;
    adk_error *error = NULL;
    int status = adk_backend_execute(fuzz_backend(), request, NULL, &result, &error);

    if (status != ADK_OK)
        (void)fprintf(stderr, "error %d: %s\n", status, adk_error_message_cstr(error));
    fuzz_require(status == ADK_OK, "a guest's failure is no failure of the call");
    fuzz_check_result(request, result);
    return result;
}

void fuzz_run(const adk_request *request, bool is_valid)
{
    const uint32_t both = ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
    adk_result *result = run_once(request);
    adk_reason reason = adk_result_reason(result);
    adk_bytes message = adk_result_message(result);
    adk_result *again;

    if (is_valid && reason != ADK_REASON_NONE && reason != ADK_REASON_TOO_LARGE) {
        (void)fprintf(stderr, "%.*s\n", (int)message.size, (const char *)message.data);
        fuzz_require(false, "what is valid is run");
    }
    if ((request->flags & both) == both && ended_in_time(result)) {
        again = run_once(request);
        if (ended_in_time(again))
            compare(result, again);
        adk_result_free(again);
    }
    adk_result_free(result);
}
