/*
 * The command as a whole: `run` in its ways of telling, and `doctor`. A call that fails makes its exit status 125, with a
 * message or a report; all else that it does then is to be whole.
 */
#include "fault.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "fault_guests.h"

#define ARGS_MAX 12

typedef struct invocation {
    int (*command)(int argc, char **argv);
    const char *args[ARGS_MAX];
    int exit_status;
    bool json;
    const char *out;  /* part of standard output, or NULL */
    const char *err;  /* part of standard error, or NULL */
    int other_status; /* what a fault may make of it as well */
} invocation;

/* ---- in place of the standard streams ----------------------------------------------------------------------------- */

struct streams {
    int fds[2];
    int saved[2];
    char text[2][16384];
};

static int begin(struct streams *streams)
{
    for (int i = 0; i < 2; i++) {
        streams->fds[i] = memfd_create("stream", MFD_CLOEXEC);
        streams->saved[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 10);
        EXPECT(streams->fds[i] >= 0 && streams->saved[i] >= 0);
        EXPECT(dup2(streams->fds[i], i + 1) == i + 1);
    }
    return ADK_OK;
}

static int end(struct streams *streams)
{
    for (int i = 0; i < 2; i++) {
        ssize_t size;

        EXPECT(dup2(streams->saved[i], i + 1) == i + 1);
        size = pread(streams->fds[i], streams->text[i], sizeof(streams->text[i]) - 1, 0);
        EXPECT(size >= 0);
        streams->text[i][size] = '\0';
        (void)close(streams->saved[i]);
        (void)close(streams->fds[i]);
    }
    return ADK_OK;
}

/* ---- invocations -------------------------------------------------------------------------------------------------- */

static bool begins_with(const char *text, const char *begin)
{
    return strncmp(text, begin, strlen(begin)) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

/*
 * Exit status 125: there is a report, of the error, or of a run whose files could not be written; or a message where there
 * was memory for one.
 */
static int judge_failure(const invocation *call, const struct streams *streams)
{
    const char *out = streams->text[0];
    const char *err = streams->text[1];

    EXPECT(fault_fired());
    if (call->json)
        EXPECT(begins_with(out, "{\"report\":1,\"status\":\"") && ends_with(out, "}\n"));
    else
        EXPECT(err[0] == '\0' || begins_with(err, "adk-sandbox: "));
    return ADK_E_NOMEM;
}

static int judge(const invocation *call, int exit_status, const struct streams *streams)
{
    if (exit_status == CLI_EXIT_FAILED && call->exit_status != CLI_EXIT_FAILED)
        return judge_failure(call, streams);
    if (fault_fired() && call->other_status != 0 && exit_status == call->other_status)
        exit_status = call->exit_status;
    if (exit_status != call->exit_status)
        return fault_wrong(__FILE__, __LINE__, "exit status %d: %s%s", exit_status, streams->text[0], streams->text[1]);
    if (call->json)
        EXPECT(streams->text[0][0] == '{' && ends_with(streams->text[0], "}\n"));
    EXPECT(call->out == NULL || strstr(streams->text[0], call->out) != NULL);
    EXPECT(call->err == NULL || fault_fired() || strstr(streams->text[1], call->err) != NULL);
    return ADK_OK;
}

static int invoke(void *data)
{
    const invocation *call = data;
    struct streams *streams = calloc(1, sizeof(*streams));
    char copies[ARGS_MAX][1024];
    char *argv[ARGS_MAX + 1] = {NULL};
    int argc = 0;
    int exit_status;
    int status;

    EXPECT(streams != NULL);
    for (; argc < ARGS_MAX && call->args[argc] != NULL; argc++) {
        (void)snprintf(copies[argc], sizeof(copies[argc]), "%s", call->args[argc]);
        argv[argc] = copies[argc];
    }
    status = begin(streams);
    exit_status = call->command(argc, argv);
    if (status == ADK_OK)
        status = end(streams);
    if (status == ADK_OK)
        status = judge(call, exit_status, streams);
    free(streams);
    return status;
}

static void sweep(const char *name, const invocation *call, unsigned least)
{
    static const fault_kind kinds[] = {FAULT_MEMORY, FAULT_DESCRIPTOR, FAULT_THREAD, FAULT_PTHREAD};
    static const char *const words[] = {"memory", "descriptors", "threads", "locks"};
    invocation copy = *call;
    char title[64];
    fault_scenario scenario = {.name = title, .run = invoke, .may_fail = FAULT_NOMEM};

    for (size_t i = 0; i < ADK_COUNT(kinds); i++) {
        (void)snprintf(title, sizeof(title), "%s, %s", name, words[i]);
        scenario.kind = kinds[i];
        scenario.least = kinds[i] == FAULT_MEMORY ? least : 0;
        scenario.mode = FAULT_ONCE;
        fault_sweep(&scenario, &copy);
        scenario.mode = FAULT_FROM;
        fault_sweep(&scenario, &copy);
    }
}

/* ---- run ---------------------------------------------------------------------------------------------------------- */

static void test_run(void **state)
{
    const invocation call = {.command = cli_cmd_run,
                             .args = {"-e", "A=1", "-v", "-c", GUEST_HELLO, "one"},
                             .out = "hello, world\n",
                             .err = "exited with 0"};

    (void)state;
    sweep("run", &call, 20);
}

static void test_run_json(void **state)
{
    const invocation call = {.command = cli_cmd_run,
                             .args = {"--json", "--seed", "7", "-c", GUEST_HELLO},
                             .json = true,
                             .out = "\"stdout\":\"hello, world\\n\""};

    (void)state;
    sweep("run --json", &call, 25);
}

static void test_run_trapped(void **state)
{
    const invocation call = {.command = cli_cmd_run,
                             .args = {"-c", GUEST_TRAPS},
                             .exit_status = 134,
                             .err = "0: inner (function 0, offset 0x"};

    (void)state;
    sweep("run, trapped", &call, 20);
}

static void test_run_misused(void **state)
{
    const invocation call = {.command = cli_cmd_run,
                             .args = {"--timeot=1s", "x.wasm"},
                             .exit_status = CLI_EXIT_USAGE,
                             .err = "did you mean \"--timeout\""};

    (void)state;
    sweep("run, misused", &call, 4);
}

static void test_help(void **state)
{
    const invocation call = {.command = cli_cmd_run, .args = {"--help"}, .out = "Usage: adk-sandbox run"};

    (void)state;
    sweep("run --help", &call, 1);
}

/* ---- files in and out --------------------------------------------------------------------------------------------- */

static char host_dir[] = "/tmp/adk_fault_command.XXXXXX";

static void make_path(char path[static 80], const char *before, const char *name)
{
    (void)snprintf(path, 80, "%s%s/%s", before, host_dir, name);
}

static int invoke_with_files(void *data)
{
    char path[80];
    char text[8] = "";
    int status = invoke(data);
    int fd;

    make_path(path, "", "out");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t size = read(fd, text, sizeof(text) - 1);

        (void)close(fd);
        (void)unlink(path);
        EXPECT(size == 4 && strcmp(text, "text") == 0); /* whole, or not at all */
    }
    EXPECT(status != ADK_OK || fd >= 0);
    return status;
}

static void sweep_files(bool json, fault_kind kind, unsigned least)
{
    char in[80];
    char out[80];
    invocation call = {.command = cli_cmd_run, .json = json, .out = json ? "\"outcome\":\"exited\"" : NULL};
    fault_scenario scenario = {.run = invoke_with_files, .kind = kind, .may_fail = FAULT_NOMEM, .least = least};
    const char *args[] = {"-f", in, "-o", out, "-c", GUEST_EMPTY, json ? "--json" : "-v"};

    make_path(in, "data=", "in");
    make_path(out, "data=", "out");
    call.args[0] = args[6];
    for (size_t i = 0; i < 6; i++)
        call.args[i + 1] = args[i];
    scenario.name = json ? "run --json, with files" : "run, with files";
    fault_sweep(&scenario, &call);
    scenario.mode = FAULT_FROM;
    fault_sweep(&scenario, &call);
}

static void test_run_files(void **state)
{
    char path[80];
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(host_dir));
    make_path(path, "", "in");
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("text", file) >= 0);
    assert_int_equal(fclose(file), 0);
    sweep_files(false, FAULT_MEMORY, 30);
    sweep_files(true, FAULT_MEMORY, 45);
    sweep_files(false, FAULT_DESCRIPTOR, 8);
    sweep_files(true, FAULT_DESCRIPTOR, 8);
    (void)unlink(path);
    assert_int_equal(rmdir(host_dir), 0);
}

/* ---- doctor ------------------------------------------------------------------------------------------------------- */

/* Its guests take their time: one in so many, with the last of them, which are its own, among those. */
static void test_doctor(void **state)
{
    invocation call = {
        .command = cli_cmd_doctor, .args = {"--json"}, .out = "{\"doctor\":1", .other_status = CLI_EXIT_MISSING};
    fault_scenario scenario = {.name = "doctor --json, one in 13",
                               .run = invoke,
                               .kind = FAULT_MEMORY,
                               .mode = FAULT_ONCE,
                               .may_fail = FAULT_NOMEM,
                               .least = 100,
                               .step = 13};

    (void)state;
    fault_sweep(&scenario, &call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),         cmocka_unit_test(test_run_json), cmocka_unit_test(test_run_trapped),
        cmocka_unit_test(test_run_misused), cmocka_unit_test(test_help),     cmocka_unit_test(test_run_files),
        cmocka_unit_test(test_doctor),
    };

    return fault_main("fault command", tests);
}
