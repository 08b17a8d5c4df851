/*
 * A backend of one's own: it "runs" a command language with one word in it, `upper`, over standard input. Whatever takes a
 * backend takes this one: adk_backend_execute(), the executor, the tool; checks, labels and spans are the library's.
 */
#include <adk/sandbox.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Says how the run ended; what was appended until then stays. */
static int end(adk_result *result, adk_outcome outcome, adk_phase phase, adk_reason reason, const char *message)
{
    return adk_result_set_outcome(result, outcome, phase, reason, 0, adk_bytes_from_cstr(message));
}

/* The input in capitals, in pieces: between two of them it looks whether it is to stop. */
static int upper(const adk_request *request, adk_cancel *cancel, adk_result *result)
{
    const unsigned char *input = request->stdin_data.data;
    uint64_t began_ns = now_ns();
    char piece[256];
    size_t at;
    size_t size;
    size_t i;
    int status = ADK_OK;

    for (at = 0; status == ADK_OK && at < request->stdin_data.size; at += size) {
        if (adk_cancel_fired(cancel))
            return end(result, ADK_OUTCOME_CANCELLED, ADK_PHASE_RUN, ADK_REASON_NONE, "cancelled");
        if (now_ns() - began_ns >= request->timeout_ns)
            return end(result, ADK_OUTCOME_TIMED_OUT, ADK_PHASE_RUN, ADK_REASON_NONE, "timed out");
        size = request->stdin_data.size - at < sizeof(piece) ? request->stdin_data.size - at : sizeof(piece);
        for (i = 0; i < size; i++)
            piece[i] = (char)toupper(input[at + i]);
        status = adk_result_append_output(result, 1, adk_bytes_make(piece, size));
    }
    return status;
}

/* `state`: how many requests there were. Several threads may call at once; this program has one. */
static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    unsigned *count = state;
    int status = adk_result_new(request, ret_result, ret_error); /* exited with 0, until something else is said */

    *count += 1;
    if (status != ADK_OK)
        return status;
    if (request->code.size != 5 || memcmp(request->code.data, "upper", 5) != 0)
        return end(*ret_result, ADK_OUTCOME_REJECTED, ADK_PHASE_COMPILE, ADK_REASON_MALFORMED,
                   "the only program is \"upper\"");
    return upper(request, cancel, *ret_result); /* where that fails, the library frees the result */
}

static int run(adk_backend *backend, const char *code, adk_error **ret_error)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;
    adk_bytes text;
    int status;

    request.code = adk_bytes_from_cstr(code);
    request.stdin_data = adk_bytes_from_cstr("quiet words");
    request.timeout_ns = 10000000000;
    status = adk_backend_execute(backend, &request, NULL, &result, ret_error);
    if (status != ADK_OK)
        return status;
    text =
        adk_result_outcome(result) == ADK_OUTCOME_EXITED ? adk_result_stdout(result).head : adk_result_message(result);
    printf("%s: %.*s\n", adk_outcome_cstr(adk_result_outcome(result)), (int)text.size, (const char *)text.data);
    adk_result_free(result);
    return ADK_OK;
}

int main(void)
{
    adk_backend_ops ops = ADK_BACKEND_OPS_INIT;
    adk_capabilities capabilities = ADK_CAPABILITIES_INIT;
    unsigned *count = calloc(1, sizeof(*count));
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    int status;

    if (count == NULL)
        return 1;
    ops.execute = execute;
    ops.free = free;
    capabilities.enforced = ADK_ENFORCES_TIMEOUT | ADK_ENFORCES_OUTPUT; /* claim what is true, and no more */
    capabilities.languages = 1u << ADK_LANGUAGE_COMMAND;
    capabilities.isolation_cstr = "none";
    status = adk_backend_new(&ops, count, "upper", &capabilities, &backend, &error);
    if (status != ADK_OK)
        free(count); /* the state is the backend's from success on */
    if (status == ADK_OK)
        status = run(backend, "upper", &error);
    if (status == ADK_OK)
        status = run(backend, "lower", &error);
    if (status == ADK_OK)
        printf("%s ran %u\n", adk_backend_name_cstr(backend), *count);
    else
        fprintf(stderr, "%s\n", adk_error_message_cstr(error));
    adk_backend_free(backend);
    adk_error_free(error);
    return status == ADK_OK ? 0 : 1;
}
