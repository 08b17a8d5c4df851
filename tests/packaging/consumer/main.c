/*
 * Runs three guests: one that exits, one that traps, and one that takes long to compile, for which the library must find
 * its helper program; where the first argument is one, it is told where that is. Prints how each ended.
 */
#include <adk/sandbox.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int run(adk_backend *backend, const char *code)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;
    adk_error *error = NULL;

    request.code = adk_bytes_from_cstr(code);
    request.timeout_ns = UINT64_C(60000000000);
    if (adk_backend_execute(backend, &request, NULL, &result, &error) != ADK_OK) {
        fprintf(stderr, "%s\n", adk_error_message_cstr(error));
        adk_error_free(error);
        return 1;
    }
    printf("%s %u\n", adk_outcome_cstr(adk_result_outcome(result)), (unsigned)adk_result_exit_code(result));
    adk_result_free(result);
    return 0;
}

/* The compiler's time grows with the square of the number of loops. */
static char *slow_module(void)
{
    const size_t loops = 1500;
    char *code = calloc(1, loops * 9 + 100);

    if (code == NULL)
        abort();
    strcpy(code, "(module (func (export \"_start\") ");
    for (size_t i = 0, at = strlen(code); i < loops; i++, at += 9)
        memcpy(code + at, "loop end ", 9);
    return strcat(code, "))");
}

int main(int argc, char **argv)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    char *slow = slow_module();
    int failed = 0;

    printf("%s %s\n", adk_version_cstr(), strcmp(adk_version_cstr(), ADK_VERSION_CSTR) == 0 ? "same" : "other");
    options.worker_cstr = argc > 1 ? argv[1] : NULL;
    if (adk_wasm_backend_new(&options, &backend, &error) != ADK_OK) {
        fprintf(stderr, "%s\n", adk_error_message_cstr(error));
        return 1;
    }
    failed += run(backend, "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))"
                           "(memory (export \"memory\") 1) (func (export \"_start\") (call $exit (i32.const 7))))");
    failed += run(backend, "(module (func (export \"_start\") unreachable))");
    failed += run(backend, slow);
    free(slow);
    adk_backend_free(backend);
    return failed;
}
