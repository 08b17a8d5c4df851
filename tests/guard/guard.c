/*
 * The cases, and running them. No cmocka here: what is counted is to be the library's.
 */
#include "guard.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 8

#define WASI        "wasi_snapshot_preview1"
#define CALL2(name) "(import \"" WASI "\" \"" name "\" (func $" name " (param i32 i32) (result i32)))"
#define IMPORT_IO                                                                           \
    "(import \"" WASI "\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))" \
    "(import \"" WASI "\" \"fd_read\" (func $read (param i32 i32 i32 i32) (result i32)))"

/* Function 1 ends the guest by a trap where a call has failed. */
#define MUST "(func $must (param i32) (if (local.get 0) (then unreachable)))"

static const char hello_wat[] =
    "(module (import \"" WASI "\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))"
    "(memory (export \"memory\") 1) (data (i32.const 0) \"\\10\\00\\00\\00\\0d\\00\\00\\00\")"
    "(data (i32.const 16) \"hello, world\\0a\")"
    "(func (export \"_start\") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))";

static const char empty_wat[] = "(module (memory (export \"memory\") 1) (func (export \"_start\")))";

/* What a program of wasi-libc asks for before main(), reading its input and the time, writing, and proc_exit. */
static const char libc_wat[] = "(module " IMPORT_IO CALL2("args_sizes_get") CALL2("args_get") CALL2("environ_sizes_get")
    CALL2("environ_get") CALL2("fd_prestat_get") CALL2(
        "fd_fdstat_get") "(import \"" WASI "\" \"clock_time_get\" (func $clock (param i32 i64 i32) (result i32)))"
                         "(import \"" WASI "\" \"proc_exit\" (func $exit (param i32)))"
                         "(memory (export \"memory\") 1) (data (i32.const 0) \"\\10\\00\\00\\00\\0d\\00\\00\\00\")"
                         "(data (i32.const 16) \"hello, world\\0a\") (data (i32.const 48) "
                         "\"\\00\\04\\00\\00\\00\\01\\00\\00\")" MUST "(func (export \"_start\")"
                         "(call $must (call $args_sizes_get (i32.const 64) (i32.const 68)))"
                         "(call $must (call $args_get (i32.const 256) (i32.const 512)))"
                         "(call $must (call $environ_sizes_get (i32.const 64) (i32.const 68)))"
                         "(call $must (call $environ_get (i32.const 256) (i32.const 512)))"
                         "(call $must (call $fd_prestat_get (i32.const 3) (i32.const 64)))"
                         "(call $must (call $fd_fdstat_get (i32.const 1) (i32.const 128)))"
                         "(call $must (call $clock (i32.const 0) (i64.const 1) (i32.const 80)))"
                         "(call $must (call $clock (i32.const 1) (i64.const 1) (i32.const 80)))"
                         "(call $must (call $read (i32.const 0) (i32.const 48) (i32.const 1) (i32.const 56)))"
                         "(call $must (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))"
                         "(call $exit (i32.const 0))))";

static const char files_wat[] =
    "(module " IMPORT_IO "(import \"" WASI "\" \"path_open\""
    " (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"
    "(import \"" WASI "\" \"fd_close\" (func $close (param i32) (result i32)))"
    "(memory (export \"memory\") 1) (data (i32.const 0) \"\\10\\00\\00\\00\\0d\\00\\00\\00\")"
    "(data (i32.const 16) \"hello, world\\0a\") (data (i32.const 48) \"\\00\\04\\00\\00\\00\\01\\00\\00\")"
    "(data (i32.const 96) \"abc\") (data (i32.const 100) \"out\")" MUST
    "(func $open (param i32 i32 i32 i64) (call $must (call $path_open (i32.const 3) (i32.const 0) (local.get 0)"
    " (local.get 1) (local.get 2) (local.get 3) (i64.const 0) (i32.const 0) (i32.const 64))))"
    "(func $in (param i32) (call $open (local.get 0) (i32.const 1) (i32.const 0) (i64.const 2))"
    " (call $must (call $read (i32.load (i32.const 64)) (i32.const 48) (i32.const 1) (i32.const 56)))"
    " (call $must (i32.sub (i32.load (i32.const 56)) (i32.const 100)))"
    " (call $must (call $close (i32.load (i32.const 64)))))"
    "(func (export \"_start\") (call $in (i32.const 96)) (call $in (i32.const 97)) (call $in (i32.const 98))"
    " (call $open (i32.const 100) (i32.const 3) (i32.const 1) (i64.const 64))"
    " (call $must (call $write (i32.load (i32.const 64)) (i32.const 0) (i32.const 1) (i32.const 8)))"
    " (call $must (call $close (i32.load (i32.const 64))))"
    " (call $must (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))";

const guard_case guard_cases[] = {
    {"cached", hello_wat, false, false}, {"prepared", hello_wat, true, false}, {"empty", empty_wat, false, false},
    {"libc", libc_wat, false, false},    {"files", files_wat, false, true},
};
const size_t guard_case_count = sizeof(guard_cases) / sizeof(guard_cases[0]);

void guard_die(const char *what, const adk_error *error)
{
    (void)fprintf(stderr, "%s%s%s\n", what, error == NULL ? "" : ": ",
                  error == NULL ? "" : adk_error_message_cstr(error));
    exit(1);
}

/* On one CPU: a first run on another makes that one's engine, which is not what is counted. */
static void stay_here(void)
{
    cpu_set_t here;
    int cpu = sched_getcpu();

    CPU_ZERO(&here);
    CPU_SET(cpu < 0 ? 0 : (size_t)cpu, &here);
    (void)sched_setaffinity(0, sizeof(here), &here);
}

adk_backend *guard_backend(void)
{
    adk_wasm_options options = ADK_WASM_OPTIONS_INIT;
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    stay_here();
    options.slots = SLOTS;
    if (adk_wasm_backend_new(&options, &backend, &error) != ADK_OK)
        guard_die("make a backend", error);
    return backend;
}

adk_wasm_module *guard_prepare(adk_backend *backend, const guard_case *which)
{
    adk_wasm_module *module = NULL;
    adk_error *error = NULL;

    if (which->prepared && adk_wasm_module_new(backend, adk_bytes_from_cstr(which->wat), &module, &error) != ADK_OK)
        guard_die("prepare a module", error);
    return module;
}

static bool is(adk_bytes bytes, const char *text)
{
    return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

static void check(const guard_case *which, const adk_result *result)
{
    const char *text = which->wat == empty_wat ? "" : "hello, world\n";
    size_t count;
    const adk_file_out *files = adk_result_files(result, &count, NULL);

    if (adk_result_outcome(result) != ADK_OUTCOME_EXITED || adk_result_exit_code(result) != 0)
        guard_die(adk_outcome_cstr(adk_result_outcome(result)), NULL);
    if (!is(adk_result_stdout(result).head, text))
        guard_die("standard output is not what it should be", NULL);
    if (which->files && (count != 1 || !is(files[0].content, text)))
        guard_die("the file that comes out is not what it should be", NULL);
}

void guard_run(adk_backend *backend, const guard_case *which, const adk_wasm_module *module, unsigned count)
{
    static const char content[100] = "three files of a hundred bytes";
    const adk_bytes args[] = {adk_bytes_from_cstr("hello"), adk_bytes_from_cstr("--name=world")};
    const adk_env env[] = {{adk_bytes_from_cstr("HOME"), adk_bytes_from_cstr("/")},
                           {adk_bytes_from_cstr("LANG"), adk_bytes_from_cstr("C.UTF-8")}};
    const adk_bytes in = adk_bytes_make(content, sizeof(content));
    const adk_file files[] = {{adk_bytes_from_cstr("a"), in, NULL},
                              {adk_bytes_from_cstr("b"), in, NULL},
                              {adk_bytes_from_cstr("c"), in, NULL}};
    const adk_bytes outputs[] = {adk_bytes_from_cstr("out")};
    adk_request request = ADK_REQUEST_INIT;

    request.timeout_ns = UINT64_C(600000000000); /* valgrind's clock runs on */
    request.module = module;
    if (module == NULL)
        request.code = adk_bytes_from_cstr(which->wat);
    if (which->wat == libc_wat) {
        request.args = args;
        request.args_count = sizeof(args) / sizeof(args[0]);
        request.env = env;
        request.env_count = sizeof(env) / sizeof(env[0]);
        request.stdin_data = in;
    }
    if (which->files) {
        request.files = files;
        request.files_count = sizeof(files) / sizeof(files[0]);
        request.outputs = outputs;
        request.outputs_count = 1;
    }
    for (unsigned i = 0; i < count; i++) {
        adk_result *result = NULL;
        adk_error *error = NULL;

        if (adk_backend_execute(backend, &request, NULL, &result, &error) != ADK_OK)
            guard_die("run", error);
        check(which, result);
        adk_result_free(result);
    }
}
