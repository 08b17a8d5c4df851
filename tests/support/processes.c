/*
 * See processes.h.
 */
#include "processes.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static bool read_process(const char *name, adk_test_process *ret)
{
    char path[300];
    char line[512] = "";
    const char *after;
    FILE *file;
    char state = 0;
    int parent = 0;

    (void)snprintf(path, sizeof(path), "/proc/%s/stat", name);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(line, sizeof(line), file) == NULL)
        line[0] = '\0';
    (void)fclose(file);
    after = strrchr(line, ')');
    if (after == NULL || sscanf(after, ") %c %d", &state, &parent) != 2 || state == 'Z')
        return false;
    *ret = (adk_test_process){.pid = (pid_t)strtol(name, NULL, 10), .parent = parent, .is_leaf = true};
    return true;
}

adk_test_process *adk_test_find_process(adk_test_processes *p, pid_t pid)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->all[i].pid == pid)
            return &p->all[i];
    }
    return NULL;
}

void adk_test_look_around(adk_test_processes *p)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry;

    assert_non_null(dir);
    p->count = 0;
    while ((entry = readdir(dir)) != NULL && p->count < PROCESSES_MAX) {
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && read_process(entry->d_name, &p->all[p->count]))
            p->count++;
    }
    (void)closedir(dir);
    for (int level = 0; level < 5; level++) {
        for (size_t i = 0; i < p->count; i++) {
            adk_test_process *parent = adk_test_find_process(p, p->all[i].parent);

            if (p->all[i].parent == getpid() || (parent != NULL && parent->is_ours)) {
                p->all[i].is_ours = true;
                if (parent != NULL)
                    parent->is_leaf = false;
            }
        }
    }
}

unsigned adk_test_hit(bool runs, int signal)
{
    static adk_test_processes p;
    unsigned count = 0;

    adk_test_look_around(&p);
    for (size_t i = 0; i < p.count; i++) {
        const adk_test_process *process = &p.all[i];
        const adk_test_process *parent = adk_test_find_process(&p, process->parent);

        if (!process->is_ours || !process->is_leaf)
            continue;
        if (runs && kill(process->pid, signal) == 0)
            count++;
        else if (!runs && parent != NULL && parent->is_ours && kill(parent->pid, signal) == 0)
            count++;
    }
    return count;
}

bool adk_test_nobody_is_left(void)
{
    static adk_test_processes p;
    uint64_t end_ns = adk_test_now_ns() + 5 * SECOND;
    bool any = true;

    while (any && adk_test_now_ns() < end_ns) {
        any = false;
        adk_test_look_around(&p);
        for (size_t i = 0; i < p.count; i++)
            any |= p.all[i].is_ours;
        if (any)
            adk_test_sleep_ns(5 * MS);
    }
    return !any && waitpid(-1, NULL, WNOHANG) < 0; /* nor a zombie */
}
