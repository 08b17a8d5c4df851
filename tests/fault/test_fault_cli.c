/*
 * The command's parts that run no guest: the parser of options, the way from settings to a request, files on their way out.
 */
#include "fault.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/input.h"
#include "cli/message.h"
#include "cli/run.h"
#include "cli/run_files.h"
#include "cli/run_outputs.h"

static char host_dir[] = "/tmp/adk_fault_cli.XXXXXX";

/* ---- options ------------------------------------------------------------------------------------------------------ */

struct settings {
    struct cli_list names;
    struct cli_figure time;
    bool flag;
};

static const struct cli_option options[] = {
    {'n', "name", "NAME", CLI_LIST, offsetof(struct settings, names), .help = "a name"},
    {'t', "time", "TIME", CLI_DURATION, offsetof(struct settings, time), .least = 5, .help = "a time"},
    {'f', "flag", NULL, CLI_FLAG, offsetof(struct settings, flag), .help = "a flag"},
};
static const struct cli_option_table table = {"test", options, ADK_COUNT(options)};

static int parse_good(void *unused)
{
    char *argv[] = {(char[]){"-n"},     (char[]){"a"},  (char[]){"--name=b"}, (char[]){"-fnc"},
                    (char[]){"--time"}, (char[]){"1s"}, (char[]){"rest"}};
    struct settings settings = {0};
    adk_error *error = UNWRITTEN(adk_error);
    int first = -1;
    int status = cli_options_parse(&table, (int)ADK_COUNT(argv), argv, &settings, &first, &error);

    (void)unused;
    status = fault_status(status, &error);
    if (status == ADK_OK) {
        EXPECT(first == 6 && settings.flag && settings.time.value == SECOND);
        EXPECT(settings.names.count == 3 && strcmp(settings.names.items[2], "c") == 0);
    } else {
        EXPECT(status == FAULT_WRONG || first == -1);
    }
    cli_list_free(&settings.names);
    return status;
}

/* What is wrong with the line is found out and said, or there was no memory to say it. */
static int parse_bad(void *data)
{
    const char *const *pair = data; /* an argument, and a part of the message */
    char argument[64];
    char *argv[] = {argument};
    struct settings settings = {0};
    adk_error *error = UNWRITTEN(adk_error);
    int first = -1;
    int status;
    bool said;

    (void)snprintf(argument, sizeof(argument), "%s", pair[0]);
    status = cli_options_parse(&table, 1, argv, &settings, &first, &error);
    EXPECT(first == -1);
    said = error != NULL && strstr(adk_error_message_cstr(error), pair[1]) != NULL;
    EXPECT(status == ADK_E_INVALID || (status == ADK_E_NOMEM && fault_fired()));
    EXPECT(said || fault_fired());
    EXPECT(fault_status(status, &error) == status);
    cli_list_free(&settings.names);
    return status == ADK_E_INVALID ? ADK_OK : status;
}

static void test_options(void **state)
{
    static const char *bad[][2] = {
        {"--nane=x", "did you mean \"--name\""}, {"-z", "unknown option"},       {"--time=1", "needs a unit"},
        {"--time=1ns", "must be at least 5ns"},  {"--flag=1", "takes no value"}, {"--name", "is missing"}};

    (void)state;
    fault_sweep_memory("options", parse_good, NULL, 3);
    for (size_t i = 0; i < ADK_COUNT(bad); i++)
        fault_sweep_memory(bad[i][0], parse_bad, bad[i], 3);
}

/* ---- requests ----------------------------------------------------------------------------------------------------- */

static char code_path[64];

static void dispose(struct cli_run *run)
{
    adk_fault_free(run->code.data);
    adk_fault_free(run->input.data);
    adk_fault_free(run->env);
    adk_fault_free(run->args);
    adk_fault_free(run->files);
    adk_fault_free(run->outputs);
}

static int check_request(const struct cli_run *run)
{
    const adk_request *request = &run->request;

    EXPECT(request->args_count == 2 && request->env_count == 1);
    EXPECT_BYTES(request->args[1], "one");
    EXPECT_BYTES(request->env[0].value, "2");
    EXPECT_BYTES(request->code, "(module)");
    EXPECT_BYTES(request->stdin_data, "(module)");
    EXPECT(request->files_count == 1 && request->outputs_count == 2);
    EXPECT_BYTES(request->outputs[1], "out/*");
    return ADK_OK;
}

static int make_request(void *unused)
{
    const char *env[] = {"A=1", "A=2"};
    char file[80];
    char outs[2][80];
    const char *file_items[] = {file};
    const char *out_items[] = {outs[0], outs[1]};
    char one[] = "one";
    char *argv[] = {code_path, one, NULL};
    struct cli_run run = {.request = ADK_REQUEST_INIT, .signals = CLI_SIGNALS_INIT};
    adk_error *error = UNWRITTEN(adk_error);
    int status;

    (void)unused;
    (void)snprintf(file, sizeof(file), "/in=%s", code_path);
    (void)snprintf(outs[0], sizeof(outs[0]), "/out=%s/new", host_dir);
    (void)snprintf(outs[1], sizeof(outs[1]), "/out/*=%s", host_dir);
    run.settings.timeout.value = SECOND;
    run.settings.env = (struct cli_list){env, 2};
    run.settings.files = (struct cli_list){file_items, 1};
    run.settings.outs = (struct cli_list){out_items, 2};
    run.settings.stdin_path = code_path;
    status = fault_status(cli_run_request(&run, 2, argv, &error), &error);
    if (status == ADK_OK)
        status = check_request(&run);
    dispose(&run);
    return status;
}

static void test_request(void **state)
{
    fault_scenario scenario = {.name = "settings to a request, descriptors",
                               .run = make_request,
                               .kind = FAULT_DESCRIPTOR,
                               .mode = FAULT_ONCE,
                               .may_fail = FAULT_SYSTEM,
                               .least = 4};

    (void)state;
    fault_sweep_memory("settings to a request", make_request, NULL, 10);
    fault_sweep(&scenario, NULL);
    scenario.mode = FAULT_FROM;
    fault_sweep(&scenario, NULL);
}

/* ---- files out ---------------------------------------------------------------------------------------------------- */

static int read_back(const char *name, const char *expected)
{
    char path[80];
    char text[32];
    ssize_t size;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", host_dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    EXPECT(fd >= 0);
    size = read(fd, text, sizeof(text));
    (void)close(fd);
    (void)unlink(path);
    EXPECT(size == (ssize_t)strlen(expected) && memcmp(text, expected, strlen(expected)) == 0);
    return ADK_OK;
}

static void sweep_up(void)
{
    static const char *const names[] = {"tree/out/a/b", "tree/out/a", "tree/out", "tree", "one"};
    char path[80];

    for (size_t i = 0; i < ADK_COUNT(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", host_dir, names[i]);
        if (unlink(path) != 0)
            (void)rmdir(path);
    }
}

/* What was saved is whole; nothing half written is left, under no name. */
static int save_files(void *unused)
{
    char outs[2][80];
    const char *items[] = {outs[0], outs[1]};
    const struct cli_list list = {items, 2};
    const adk_file_out out[] = {
        {.path = BYTES("/out/a/b"),
         .content = BYTES("tree"),
         .size_bytes = 9,
         .type = ADK_FILE_REGULAR,
         .truncated = 1},
        {.path = BYTES("/one"), .content = BYTES("one"), .size_bytes = 3, .type = ADK_FILE_REGULAR, .output = 1},
    };
    const struct cli_files files = {out, 2, false};
    struct cli_notes notes = {0};
    adk_error *error = UNWRITTEN(adk_error);
    int status;

    (void)unused;
    (void)snprintf(outs[0], sizeof(outs[0]), "/out/**=%s/tree", host_dir);
    (void)snprintf(outs[1], sizeof(outs[1]), "/one=%s/one", host_dir);
    status = fault_status(cli_files_save(&list, &files, &notes, &error), &error);
    if (status == ADK_OK) {
        EXPECT(notes.count == 2);
        EXPECT(notes.items[0] == NULL ? fault_fired() : strstr(notes.items[0], "only 4 of the 9 bytes") != NULL);
        status = read_back("tree/out/a/b", "tree");
    }
    if (status == ADK_OK)
        status = read_back("one", "one");
    cli_notes_free(&notes);
    sweep_up();
    EXPECT(access(host_dir, F_OK) == 0);
    return status;
}

static void test_save(void **state)
{
    fault_scenario scenario = {.name = "files out, memory",
                               .run = save_files,
                               .kind = FAULT_MEMORY,
                               .mode = FAULT_ONCE,
                               .may_fail = FAULT_NOMEM | FAULT_SYSTEM, /* "cannot write ...: Cannot allocate memory" */
                               .least = 8};

    (void)state;
    fault_sweep(&scenario, NULL);
    scenario.mode = FAULT_FROM;
    fault_sweep(&scenario, NULL);
    scenario.kind = FAULT_DESCRIPTOR;
    scenario.may_fail = FAULT_SYSTEM;
    scenario.name = "files out, descriptors";
    fault_sweep(&scenario, NULL);
    scenario.mode = FAULT_ONCE;
    fault_sweep(&scenario, NULL);
}

static int setup(void **state)
{
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(host_dir));
    (void)snprintf(code_path, sizeof(code_path), "%s/code.wat", host_dir);
    file = fopen(code_path, "we");
    assert_non_null(file);
    assert_true(fputs("(module)", file) >= 0);
    assert_int_equal(fclose(file), 0);
    return 0;
}

/* Removing the directory shows that nothing was left in it. */
static int teardown(void **state)
{
    (void)state;
    (void)unlink(code_path);
    return rmdir(host_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_save),
    };

    fault_begin();
    return cmocka_run_group_tests_name("fault cli", tests, setup, teardown);
}
