/* The command `run`: from settings to a request, and the live output's limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/run.h"

/* A run of -c CODE with a list of variables and no signals. */
static void run_begin(struct cli_run *run, const char *const *env, size_t count)
{
    *run = (struct cli_run){.request = ADK_REQUEST_INIT, .signals = CLI_SIGNALS_INIT};
    run->settings.code = "(module)";
    run->settings.timeout.value = 5;
    run->settings.env.items = calloc(count + 1, sizeof(*run->settings.env.items));
    run->settings.env.count = count;
    for (size_t i = 0; i < count; i++)
        run->settings.env.items[i] = env[i];
}

static void run_end(struct cli_run *run)
{
    cli_list_free(&run->settings.env);
    free(run->code.data);
    free(run->input.data);
    free(run->env);
    free(run->args);
    free(run->files);
    free(run->outputs);
}

static void assert_bytes(adk_bytes bytes, const char *expected)
{
    assert_int_equal(bytes.size, strlen(expected));
    assert_memory_equal(bytes.data, expected, bytes.size);
}

static void expect_env(const char *const *given, size_t given_count, const char *const *expected, size_t count)
{
    struct cli_run run;

    run_begin(&run, given, given_count);
    assert_int_equal(cli_run_request(&run, 0, NULL, NULL), ADK_OK);
    assert_int_equal(run.request.env_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_bytes(run.request.env[i].name, expected[2 * i]);
        assert_bytes(run.request.env[i].value, expected[2 * i + 1]);
    }
    run_end(&run);
}

static void test_env(void **state)
{
    static const char *const given[] = {"B=1", "A=2", "B=3", "AB=", "A==", "a=4", "B=5"};
    static const char *const expected[] = {"B", "5", "A", "=", "AB", "", "a", "4"};

    (void)state;
    expect_env(NULL, 0, NULL, 0);
    expect_env(given, 1, (const char *const[]){"B", "1"}, 1);
    expect_env(given, ADK_COUNT(given), expected, 4);
    assert_null(cli_run_check_env("A="));
    assert_null(cli_run_check_env("A=b=c"));
    assert_non_null(cli_run_check_env("A"));
    assert_non_null(cli_run_check_env("=b"));
    assert_non_null(cli_run_check_env(""));
}

static void test_code_and_args(void **state)
{
    static char one[] = "one";
    static char dash[] = "-t";
    char *argv[] = {one, dash, NULL};
    struct cli_run run;

    (void)state;
    run_begin(&run, NULL, 0);
    run.settings.seed = (struct cli_figure){true, 0};
    assert_int_equal(cli_run_request(&run, 2, argv, NULL), ADK_OK);
    assert_bytes(run.request.code, "(module)");
    assert_int_equal(run.request.args_count, 3);
    assert_bytes(run.request.args[0], "-c");
    assert_bytes(run.request.args[1], "one");
    assert_bytes(run.request.args[2], "-t");
    assert_int_equal(run.request.language, ADK_LANGUAGE_WASM);
    assert_int_equal(run.request.timeout_ns, 5);
    assert_int_equal(run.request.flags, ADK_REQUEST_CPU_TIME | ADK_REQUEST_SEED);
    run_end(&run);
}

/* Runs through a file of that name in a fresh directory. */
static void expect_language(const char *name, const char *word, adk_language expected)
{
    char directory[] = "/tmp/test_cli_run.XXXXXX";
    ADK_AUTO_FREE char *path = NULL;
    char *argv[2] = {NULL, NULL};
    FILE *file = NULL;
    struct cli_run run;

    assert_non_null(mkdtemp(directory));
    assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fputs("text", file) >= 0 && fclose(file) == 0, 1);
    run_begin(&run, NULL, 0);
    run.settings.code = NULL;
    run.settings.language = word;
    run.settings.stdin_path = path;
    argv[0] = path;
    assert_int_equal(cli_run_request(&run, 1, argv, NULL), ADK_OK);
    assert_int_equal(run.request.language, expected);
    assert_bytes(run.request.args[0], name);
    assert_bytes(run.request.code, "text");
    assert_bytes(run.request.stdin_data, "text");
    run_end(&run);
    (void)unlink(path);
    (void)rmdir(directory);
}

static void test_language(void **state)
{
    (void)state;
    expect_language("a.wasm", NULL, ADK_LANGUAGE_WASM);
    expect_language("a.wat", NULL, ADK_LANGUAGE_WASM);
    expect_language("a.py", NULL, ADK_LANGUAGE_PYTHON);
    expect_language("a.PY", NULL, ADK_LANGUAGE_PYTHON);
    expect_language("a.b.js", NULL, ADK_LANGUAGE_JAVASCRIPT);
    expect_language("a.ts", NULL, ADK_LANGUAGE_TYPESCRIPT);
    expect_language("a.rs", NULL, ADK_LANGUAGE_RUST);
    expect_language("a.sh", NULL, ADK_LANGUAGE_COMMAND);
    expect_language("py", NULL, ADK_LANGUAGE_WASM);
    expect_language("a.txt", NULL, ADK_LANGUAGE_WASM);
    expect_language("a.py", "wasm", ADK_LANGUAGE_WASM);
    expect_language("a.wasm", "python", ADK_LANGUAGE_PYTHON);
}

static void test_refused(void **state)
{
    static char dash[] = "-";
    char *argv[] = {dash, NULL};
    struct cli_run run;
    adk_error *error = NULL;

    (void)state;
    run_begin(&run, NULL, 0);
    run.settings.code = NULL;
    assert_int_equal(cli_run_request(&run, 0, argv, &error), ADK_E_INVALID);
    adk_error_free(error);
    run.settings.stdin_path = "-";
    assert_int_equal(cli_run_request(&run, 1, argv, &error), ADK_E_INVALID);
    adk_error_free(error);
    run_end(&run);
}

static void expect_files_refused(struct cli_run *run, const char *message)
{
    adk_error *error = NULL;

    assert_int_equal(cli_run_set_files(run, &error), ADK_E_INVALID);
    assert_string_equal(adk_error_message_cstr(error), message);
    adk_error_free(error);
    free(adk__take_ptr(run->files));
    free(adk__take_ptr(run->outputs));
}

static void test_files(void **state)
{
    const char *files[] = {"/=/etc", "//a/b/=/dev/../etc/passwd"};
    const char *outs[] = {"/=/tmp", "/out/*=/tmp/new", "x=/tmp/x"};
    struct cli_run run;

    (void)state;
    run_begin(&run, NULL, 0);
    run.settings.files = (struct cli_list){files, ADK_COUNT(files)};
    run.settings.outs = (struct cli_list){outs, ADK_COUNT(outs)};
    run.settings.out_max.value = 7;
    assert_int_equal(cli_run_request(&run, 0, NULL, NULL), ADK_OK);
    assert_int_equal(run.request.files_count, 2);
    assert_bytes(run.request.files[0].path, "/");
    assert_string_equal(run.request.files[0].host_path_cstr, "/etc");
    assert_bytes(run.request.files[1].path, "//a/b/");
    assert_string_equal(run.request.files[1].host_path_cstr, "/dev/../etc/passwd");
    assert_int_equal(run.request.outputs_count, 3);
    assert_bytes(run.request.outputs[0], "/");
    assert_bytes(run.request.outputs[1], "out/*");
    assert_bytes(run.request.outputs[2], "x");
    assert_int_equal(run.request.outputs_limit_bytes, 7);
    free(adk__take_ptr(run.files));
    free(adk__take_ptr(run.outputs));
    files[1] = "x=/dev/null";
    expect_files_refused(&run, "run: --file: \"/dev/null\": it is neither a file nor a directory");
    files[1] = "x=/nonexistent";
    expect_files_refused(&run, "run: --file: \"/nonexistent\": No such file or directory");
    files[1] = "x=/etc/passwd";
    outs[0] = "/=/etc/passwd";
    expect_files_refused(&run, "run: --out: \"/etc/passwd\": Not a directory");
    run_end(&run);
}

/* What the streams write goes to a pipe in place of standard output. */
static void test_output_limit(void **state)
{
    struct cli_streams streams;
    adk_request request = ADK_REQUEST_INIT;
    int saved = dup(STDOUT_FILENO);
    char got[64];
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    (void)fflush(stdout);
    assert_int_equal(dup2(fds[1], STDOUT_FILENO), STDOUT_FILENO);
    request.timeout_ns = UINT64_MAX;
    cli_streams_open(&streams, 10, -1);
    cli_streams_attach(&streams, &request);
    assert_int_equal(request.on_stdout(request.stream_data, adk_bytes_from_cstr("01234567")), 0);
    assert_int_equal(request.on_stdout(request.stream_data, adk_bytes_from_cstr("")), 0);
    assert_int_equal(request.on_stdout(request.stream_data, adk_bytes_from_cstr("\x1b\xffxyz")), 0);
    assert_int_equal(request.on_stdout(request.stream_data, adk_bytes_from_cstr("more")), 0);
    cli_streams_finish(&streams, false);
    assert_int_equal(streams.out.seen_bytes, 17);
    assert_int_equal(streams.out.dropped_bytes, 7);
    cli_streams_close(&streams);
    (void)dup2(saved, STDOUT_FILENO);
    (void)close(saved);
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], got, sizeof(got)), 10);
    assert_memory_equal(got, "01234567\x1b\xff", 10);
    (void)close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_env),     cmocka_unit_test(test_code_and_args), cmocka_unit_test(test_language),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_files),         cmocka_unit_test(test_output_limit),
    };

    return cmocka_run_group_tests_name("cli_run", tests, NULL, NULL);
}
