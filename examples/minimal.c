/*
 * The library in twenty lines: runs a module that the program names, and tells how it ended.
 */
#include <adk/sandbox.h>

#include <stdio.h>

int main(void)
{
    adk_backend *backend = NULL;
    adk_result *result = NULL;
    adk_error *error = NULL;
    adk_request request = ADK_REQUEST_INIT;
    int status;

    request.code = adk_bytes_from_cstr("(module (func $main (export \"_start\") unreachable))");
    request.timeout_ns = 500000000; /* half a second */
    status = adk_wasm_backend_new(NULL, &backend, &error);
    if (status == ADK_OK)
        status = adk_backend_execute(backend, &request, NULL, &result, &error);
    if (status == ADK_OK) {
        adk_bytes message = adk_result_message(result);

        printf("%s: %.*s\n", adk_outcome_cstr(adk_result_outcome(result)), (int)message.size,
               (const char *)message.data);
    } else {
        fprintf(stderr, "%s\n", adk_error_message_cstr(error));
    }
    adk_result_free(result);
    adk_backend_free(backend);
    adk_error_free(error);
    return status == ADK_OK ? 0 : 1;
}
