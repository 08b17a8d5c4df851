/*
 * See worker.h.
 */
#include "worker.h"

#include <dirent.h>
#include <unistd.h>

/* ---- modules ------------------------------------------------------------------------------------------------------ */

char *adk_test_loops_text(const char *fields, unsigned loops, const char *body)
{
    static const char loop[] = "(loop)";
    size_t room = strlen(fields) + strlen(START) + loops * (sizeof(loop) - 1) + strlen(body) + sizeof("(module ))");
    char *text = malloc(room);
    size_t at;

    assert_non_null(text);
    at = (size_t)snprintf(text, room, "(module %s" START, fields);
    for (unsigned i = 0; i < loops; i++) {
        memcpy(text + at, loop, sizeof(loop) - 1);
        at += sizeof(loop) - 1;
    }
    (void)snprintf(text + at, room - at, "%s))", body);
    return text;
}

adk_bytes adk_test_loops(unsigned loops, unsigned exit_code)
{
    char body[64];
    char *text;
    adk_bytes binary;

    (void)snprintf(body, sizeof(body), "(call $exit (i32.const %u))", exit_code);
    text = adk_test_loops_text(IMPORT_EXIT, loops, body);
    binary = adk_test_assemble(text);
    free(text);
    return binary;
}

char *adk_test_padded_text(const char *wat, size_t size)
{
    char *text = malloc(size + 1);

    assert_non_null(text);
    assert_true(strlen(wat) <= size);
    memset(text, ' ', size);
    memcpy(text, wat, strlen(wat));
    text[size] = '\0';
    return text;
}

/* ---- children ----------------------------------------------------------------------------------------------------- */

/* The state and the parent of a process. The name between the parentheses may itself have some (proc_pid_stat(5)). */
static char look_at(const char *pid, int *ret_parent)
{
    char path[300];
    char line[512] = "";
    const char *after;
    FILE *file;
    char state = 0;

    (void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fgets(line, sizeof(line), file) == NULL)
        line[0] = '\0';
    (void)fclose(file);
    after = strrchr(line, ')');
    if (after == NULL || sscanf(after, ") %c %d", &state, ret_parent) != 2)
        return 0;
    return state;
}

size_t adk_test_children(pid_t ret_pids[CHILDREN_MAX])
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;
    size_t count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        int parent = 0;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9' || look_at(entry->d_name, &parent) == 0 ||
            parent != getpid())
            continue;
        assert_true(count < CHILDREN_MAX);
        ret_pids[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    (void)closedir(dir);
    return count;
}

bool adk_test_children_become(size_t count)
{
    pid_t pids[CHILDREN_MAX];
    uint64_t end_ns = adk_test_now_ns() + 5 * SECOND;

    while (adk_test_children(pids) != count) {
        if (adk_test_now_ns() > end_ns)
            return false;
        adk_test_sleep_ns(2 * MS);
    }
    return true;
}

bool adk_test_descriptors_become(unsigned count)
{
    uint64_t end_ns = adk_test_now_ns() + 5 * SECOND;

    while (adk_test_count().descriptors != count) {
        if (adk_test_now_ns() > end_ns)
            return false;
        adk_test_sleep_ns(2 * MS);
    }
    return true;
}

bool adk_test_gone(pid_t pid)
{
    uint64_t end_ns = adk_test_now_ns() + 5 * SECOND;
    char name[16];
    int parent;

    (void)snprintf(name, sizeof(name), "%d", (int)pid);
    for (;;) {
        char state = look_at(name, &parent);

        if (state == 0 || (state == 'Z' && parent != getpid()))
            return true;
        if (adk_test_now_ns() > end_ns)
            return false;
        adk_test_sleep_ns(2 * MS);
    }
}

/* ---- programs ----------------------------------------------------------------------------------------------------- */

const char *adk_test_program(const char *name)
{
    static _Thread_local char path[4096];

    if (strcmp(name, "adk-worker") == 0)
        return ADK_TEST_WORKER;
    (void)snprintf(path, sizeof(path), "%s/%s", ADK_TEST_PROGRAMS, name);
    return path;
}

adk_wasm_options adk_test_options_with(const char *worker)
{
    adk_wasm_options options = adk_test_options();

    options.worker_cstr = worker;
    return options;
}
