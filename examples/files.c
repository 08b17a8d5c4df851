/*
 * Files in and out, standard input, and the report: the guest copies its standard input to a file, which comes back.
 */
#include <adk/sandbox.h>

#include <stdio.h>

/* Opens "copy.txt" beneath the root (descriptor 3), reads what there is on standard input, and writes it. */
static const char guest[] =
    "(module"
    " (import \"wasi_snapshot_preview1\" \"path_open\""
    "  (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"
    " (import \"wasi_snapshot_preview1\" \"fd_read\" (func $read (param i32 i32 i32 i32) (result i32)))"
    " (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))"
    " (memory (export \"memory\") 1)"
    " (data (i32.const 64) \"copy.txt\")"
    " (func (export \"_start\")"
    "  (i32.store (i32.const 0) (i32.const 1024))" /* one buffer: address and length, which fd_read then sets */
    "  (i32.store (i32.const 4) (i32.const 4096))"
    "  (drop (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 8) (i32.const 1)"
    "                    (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 16)))"
    "  (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))"
    "  (drop (call $write (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)))))";

int main(void)
{
    adk_backend *backend = NULL;
    adk_result *result = NULL;
    adk_error *error = NULL;
    char *report = NULL;
    adk_request request = ADK_REQUEST_INIT;
    const adk_bytes outputs[] = {adk_bytes_from_cstr("/*.txt")};
    const adk_file files[] = {{adk_bytes_from_cstr("/notes.txt"), adk_bytes_from_cstr("given\n"), NULL}};
    int status;

    request.code = adk_bytes_from_cstr(guest);
    request.timeout_ns = 1000000000;
    request.stdin_data = adk_bytes_from_cstr("hello, file\n");
    request.files = files;
    request.files_count = 1;
    request.outputs = outputs;
    request.outputs_count = 1;
    status = adk_wasm_backend_new(NULL, &backend, &error);
    if (status == ADK_OK)
        status = adk_backend_execute(backend, &request, NULL, &result, &error);
    if (status == ADK_OK)
        status = adk_report_json(result, NULL, &report, &error);
    if (status == ADK_OK)
        printf("%s\n", report);
    else
        fprintf(stderr, "%s\n", adk_error_message_cstr(error));
    adk_free(report);
    adk_result_free(result);
    adk_backend_free(backend);
    adk_error_free(error);
    return status == ADK_OK ? 0 : 1;
}
