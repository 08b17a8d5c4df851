/*
 * What the tool costs beyond the run: arguments in JSON to an answer in JSON, against the library called directly with
 * the same request, for "hello world". Batches of both alternate, and the median of their differences is what counts.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES 60
#define BATCH   1000

static adk_tool *make_tool(adk_backend *backend)
{
    adk_tool *tool = NULL;
    adk_error *error = NULL;

    if (adk_tool_new(backend, NULL, &tool, &error) != ADK_OK)
        bench_die("make the tool", error);
    return tool;
}

static double direct_us(adk_backend *backend, const adk_request *request)
{
    uint64_t start_ns = bench_now_ns();

    for (int i = 0; i < BATCH; i++)
        (void)bench_run(backend, request, ADK_OUTCOME_EXITED);
    return (double)(bench_now_ns() - start_ns) / BATCH / 1e3;
}

static double tool_us(adk_tool *tool, const char *arguments)
{
    uint64_t start_ns = bench_now_ns();

    for (int i = 0; i < BATCH; i++) {
        adk_error *error = NULL;
        char *text = NULL;

        if (adk_tool_call(tool, adk_bytes_from_cstr(arguments), NULL, &text, &error) != ADK_OK)
            bench_die("call the tool", error);
        if (strstr(text, "\"status\":\"success\"") == NULL)
            bench_die(text, NULL);
        adk_free(text);
    }
    return (double)(bench_now_ns() - start_ns) / BATCH / 1e3;
}

/* The text of a module as a JSON string. */
static char *make_arguments(const char *wat)
{
    static const char before[] = "{\"language\":\"wasm\",\"timeout_secs\":10,\"code\":\"";
    char *arguments = malloc(2 * strlen(wat) + sizeof(before) + 2);
    char *to = arguments;

    if (arguments == NULL)
        bench_die("no memory", NULL);
    memcpy(to, before, sizeof(before) - 1);
    to += sizeof(before) - 1;
    for (; *wat != '\0'; wat++) {
        if (*wat == '"' || *wat == '\\')
            *to++ = '\\';
        *to++ = *wat == '\n' ? ' ' : *wat;
    }
    memcpy(to, "\"}", 3);
    return arguments;
}

int main(void)
{
    adk_backend *backend = bench_backend();
    adk_tool *tool = make_tool(backend);
    adk_request request = ADK_REQUEST_INIT;
    char *arguments = make_arguments(bench_hello_wat);
    double direct[BATCHES];
    double through[BATCHES];
    double more[BATCHES];

    request.code = adk_bytes_from_cstr(bench_hello_wat);
    request.timeout_ns = 10000000000u;
    (void)direct_us(backend, &request);
    (void)tool_us(tool, arguments);
    for (int i = 0; i < BATCHES; i++) {
        direct[i] = direct_us(backend, &request);
        through[i] = tool_us(tool, arguments);
        more[i] = through[i] - direct[i];
    }
    (void)printf(
        "{\"bench\":\"tool_hello\",\"us_per_call\":%.2f,\"us_direct\":%.2f,\"us_more\":%.2f,\"us_more_p10\":%.2f,"
        "\"us_more_p90\":%.2f}\n",
        bench_percentile(through, BATCHES, 50), bench_percentile(direct, BATCHES, 50),
        bench_percentile(more, BATCHES, 50), bench_percentile(more, BATCHES, 10), bench_percentile(more, BATCHES, 90));
    free(arguments);
    adk_tool_free(tool);
    adk_backend_free(backend);
    return 0;
}
