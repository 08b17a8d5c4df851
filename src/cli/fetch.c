/*
 * pip and npm are told to download one archive and nothing else: no dependencies, no source to be built, no scripts. They run
 * with the user's own environment, since proxies and mirrors are set there, in a process group that is killed when it takes
 * too long or a signal comes.
 */
#include "cli/fetch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/progress.h"

#define PATIENCE_SECONDS 600
#define WORDS_MAX        16
#define LOG_NAME         "client.log"
#define LOG_TAIL         ((off_t)4096)
#define NO_CLIENT        127 /* what posix_spawnp() and env report of a program that is not there */

extern char **environ;

/* ---- the client --------------------------------------------------------------------------------------------------- */

struct client {
    const char *words[5]; /* how it is called; NULL behind the last */
};

static const struct client pips[] = {{{"pip3"}}, {{"pip"}}, {{"python3", "-m", "pip"}}};
static const struct client npms[] = {{{"npm"}}};

static void add_words(const char **words, size_t *count, const char *const *more)
{
    for (size_t i = 0; more[i] != NULL && *count < WORDS_MAX; i++)
        words[(*count)++] = more[i];
}

/* A new process group, so that what the client starts goes with it; signals as they were before we blocked them. */
static int start(const char *const *words, const char *log, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    int failed = posix_spawn_file_actions_init(&actions);

    if (failed)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (!failed) {
        (void)sigemptyset(&none);
        failed = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (!failed)
            failed = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        if (!failed)
            failed = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC,
                                                      S_IRUSR | S_IWUSR);
        if (!failed)
            failed = posix_spawnattr_setsigmask(&attributes, &none);
        if (!failed)
            failed = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
        if (!failed)
            failed = posix_spawnp(ret_pid, words[0], &actions, &attributes, (char *const *)words, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static int collect(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return NO_CLIENT;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : CLI_EXIT_SIGNAL + WTERMSIG(status);
}

/* The client's exit status; -ETIMEDOUT; or -EINTR with *ret_signal, when a signal came for us. */
static int watch(pid_t pid, int signal_fd, const char *what, int *ret_signal)
{
    ADK_AUTO_CLOSE int pidfd = pidfd_open(pid, 0);
    struct pollfd fds[] = {{.fd = pidfd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
    struct signalfd_siginfo info;
    struct cli_progress progress = {0};
    int ended = -ETIMEDOUT;
    int status;

    (void)cli_progress_start(&progress, "downloading", what);
    for (int seconds = 0; seconds < PATIENCE_SECONDS && ended == -ETIMEDOUT;) {
        int ready = poll(fds, ADK_COUNT(fds), 1000);

        if (ready == 0) {
            seconds++;
        } else if (fds[1].revents != 0 && read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
            *ret_signal = (int)info.ssi_signo;
            ended = -EINTR;
        } else if (fds[0].revents != 0) {
            ended = 0;
        }
    }
    cli_progress_stop(&progress);
    if (ended != 0)
        (void)kill(-pid, SIGKILL);
    status = collect(pid);
    return ended != 0 ? ended : status;
}

/* ---- what it said ------------------------------------------------------------------------------------------------- */

/* The last line of the log that says something. */
static const char *last_words(const char *log, char text[LOG_TAIL + 1])
{
    ADK_AUTO_CLOSE int fd = open(log, O_RDONLY | O_CLOEXEC);
    struct stat status;
    ssize_t size = -1;
    char *line;

    if (fd >= 0 && fstat(fd, &status) == 0)
        size = pread(fd, text, LOG_TAIL, status.st_size > LOG_TAIL ? status.st_size - LOG_TAIL : 0);
    if (size <= 0)
        return "it said nothing";
    text[size] = '\0';
    while (size > 0 && strchr("\r\n \t", text[size - 1]) != NULL)
        text[--size] = '\0';
    line = strrchr(text, '\n');
    return line == NULL ? text : line + 1;
}

/* The one archive in the directory. */
static int find_archive(const adk_runtime_info *info, struct cli_fetched *fetched, adk_error **ret_error)
{
    DIR *directory = opendir(fetched->directory);
    const struct dirent *entry;
    unsigned found = 0;
    int size = 0;

    if (directory == NULL)
        return cli_fail(ret_error, ADK_E_SYSTEM, errno, "open the directory of the download");
    while ((entry = readdir(directory)) != NULL && size >= 0) {
        const char *dot = strrchr(entry->d_name, '.');

        if (dot == NULL || (strcmp(dot, ".whl") != 0 && strcmp(dot, ".tgz") != 0))
            continue;
        if (found++ == 0)
            size = asprintf(&fetched->archive, "%s/%s", fetched->directory, entry->d_name);
    }
    (void)closedir(directory);
    if (size < 0) {
        fetched->archive = NULL;
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    }
    if (found != 1)
        return cli_fail(ret_error, ADK_E_UNAVAILABLE, 0, "%s brought %u archives for %s %s, not one", info->client_cstr,
                        found, info->package_cstr, info->package_version_cstr);
    return ADK_OK;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

static int make_directory(struct cli_fetched *fetched, adk_error **ret_error)
{
    const char *parent = getenv("TMPDIR");

    if (parent == NULL || parent[0] != '/')
        parent = "/tmp";
    if (asprintf(&fetched->directory, "%s/adk-runtime-XXXXXX", parent) < 0) {
        fetched->directory = NULL;
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    }
    if (mkdtemp(fetched->directory) == NULL) {
        struct cli_name name;
        int failed = errno;

        (void)cli_name_cstr(parent, &name);
        free(adk__take_ptr(fetched->directory));
        return cli_fail(ret_error, ADK_E_SYSTEM, failed, "make a directory in %s: %s", name.text, strerror(failed));
    }
    return ADK_OK;
}

struct download {
    const adk_runtime_info *info;
    struct cli_fetched *fetched;
    char *spec; /* package and version */
    char *log;
    int signal_fd;
    int signal; /* that came */
};

/* Calls the client in each of its forms until one is there. Returns its exit status, as watch() does. */
static int run_client(struct download *d)
{
    bool is_npm = strcmp(d->info->client_cstr, "npm") == 0;
    const char *const pip_words[] = {"--disable-pip-version-check",
                                     "--no-input",
                                     "download",
                                     "--quiet",
                                     "--no-deps",
                                     "--only-binary=:all:",
                                     "--dest",
                                     d->fetched->directory,
                                     d->spec,
                                     NULL};
    const char *const npm_words[] = {
        "pack", "--ignore-scripts", "--silent", "--pack-destination", d->fetched->directory, d->spec, NULL};
    const struct client *clients = is_npm ? npms : pips;
    size_t count = is_npm ? ADK_COUNT(npms) : ADK_COUNT(pips);
    int status = NO_CLIENT;

    for (size_t i = 0; i < count && status == NO_CLIENT; i++) {
        const char *words[WORDS_MAX + 1] = {NULL};
        size_t used = 0;
        pid_t pid = 0;

        add_words(words, &used, clients[i].words);
        add_words(words, &used, is_npm ? npm_words : pip_words);
        if (start(words, d->log, &pid) == 0)
            status = watch(pid, d->signal_fd, d->spec, &d->signal);
    }
    return status;
}

static int judge(const struct download *d, int status, adk_error **ret_error)
{
    const adk_runtime_info *info = d->info;
    char text[LOG_TAIL + 1];
    struct cli_name name;

    if (status == 0)
        return ADK_OK;
    if (status == NO_CLIENT)
        return cli_fail(ret_error, ADK_E_UNAVAILABLE, 0,
                        "there is no %s to fetch %s with (Debian: %s); or give its archive with --from FILE",
                        info->client_cstr, d->spec, strcmp(info->client_cstr, "npm") == 0 ? "npm" : "python3-pip");
    if (status == -ETIMEDOUT)
        return cli_fail(ret_error, ADK_E_UNAVAILABLE, 0, "%s did not bring %s within %d s", info->client_cstr, d->spec,
                        PATIENCE_SECONDS);
    return cli_fail(ret_error, ADK_E_UNAVAILABLE, 0,
                    "%s could not bring %s (offline? then give its archive with --from FILE): %s", info->client_cstr,
                    d->spec, cli_name_cstr(last_words(d->log, text), &name));
}

/* As the signal would have done, had it not been blocked. */
static void die_of(int number)
{
    sigset_t set;

    (void)signal(number, SIG_DFL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)raise(number);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    _exit(CLI_EXIT_SIGNAL + number);
}

static int download(struct download *d, adk_error **ret_error)
{
    sigset_t set;
    sigset_t before;
    int status = 0;
    int code;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, &before);
    d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
    code = d->signal_fd < 0 ? cli_fail(ret_error, ADK_E_SYSTEM, errno, "signalfd") : ADK_OK;
    if (code == ADK_OK) {
        status = run_client(d);
        (void)close(d->signal_fd);
    }
    if (d->signal != 0) {
        cli_fetched_free(d->fetched);
        die_of(d->signal);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (code == ADK_OK)
        code = judge(d, status, ret_error);
    return code == ADK_OK ? find_archive(d->info, d->fetched, ret_error) : code;
}

int cli_fetch(const adk_runtime_info *info, struct cli_fetched *ret_fetched, adk_error **ret_error)
{
    struct download d = {.info = info, .fetched = ret_fetched, .signal_fd = -1};
    bool is_npm = strcmp(info->client_cstr, "npm") == 0;
    int code = make_directory(ret_fetched, ret_error);

    if (code != ADK_OK)
        return code;
    if (asprintf(&d.spec, "%s%s%s", info->package_cstr, is_npm ? "@" : "==", info->package_version_cstr) < 0)
        d.spec = NULL;
    if (asprintf(&d.log, "%s/" LOG_NAME, ret_fetched->directory) < 0)
        d.log = NULL;
    if (d.spec == NULL || d.log == NULL)
        code = cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    else
        code = download(&d, ret_error);
    free(d.spec);
    free(d.log);
    return code;
}

/* The client made files here and nothing else; whatever it left otherwise stays, and so does the directory. */
void cli_fetched_free(struct cli_fetched *fetched)
{
    DIR *directory = fetched->directory == NULL ? NULL : opendir(fetched->directory);
    const struct dirent *entry;

    if (directory != NULL) {
        while ((entry = readdir(directory)) != NULL)
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
        (void)closedir(directory);
        (void)rmdir(fetched->directory);
    }
    free(fetched->directory);
    free(fetched->archive);
    *fetched = (struct cli_fetched){0};
}
