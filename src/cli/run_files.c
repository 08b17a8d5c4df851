/*
 * --file and --out on their way into a request: GUEST=HOST taken apart, and the host looked at before anything is run.
 */
#include "cli/run_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/place.h"
#include "cli/run.h"

struct cli_pair cli_pair_of(const char *text)
{
    const char *equals = strchr(text, '=');
    size_t size = (size_t)(equals - text);

    for (; size > 0 && text[0] == '/'; size--)
        text++;
    while (size > 0 && text[size - 1] == '/')
        size--;
    return (struct cli_pair){adk_bytes_make(text, size), equals + 1};
}

bool cli_pair_is_tree(const struct cli_pair *pair)
{
    return pair->guest.size == 0 || memchr(pair->guest.data, '*', pair->guest.size) != NULL ||
           memchr(pair->guest.data, '?', pair->guest.size) != NULL;
}

static const char *check_pair(const char *text)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL)
        return "is not GUEST=HOST";
    if (equals == text)
        return "has no path in the guest before its \"=\"";
    if (equals[1] == '\0')
        return "has no path on the host behind its \"=\"";
    return NULL;
}

const char *cli_run_check_file(const char *text)
{
    const char *wrong = check_pair(text);

    if (wrong == NULL && strcmp(strchr(text, '='), "=-") == 0)
        return "cannot take standard input (--stdin does); a file of that name is \"./-\"";
    return wrong;
}

const char *cli_run_check_out(const char *text)
{
    const char *wrong = check_pair(text);

    if (wrong == NULL && strcmp(strchr(text, '='), "=-") == 0)
        return "cannot go to standard output; a file of that name is \"./-\"";
    return wrong;
}

static int fail_host(int code, const char *option, const char *host, const char *wrong, adk_error **ret_error)
{
    struct cli_name name;

    return cli_fail(ret_error, code, 0, "run: --%s: \"%s\": %s", option, cli_name_cstr(host, &name), wrong);
}

/* What is beneath a directory is for the library to see. */
static int check_input(const char *host, adk_error **ret_error)
{
    struct stat info;

    if (stat(host, &info) != 0)
        return fail_host(cli_code_of_path_error(errno), "file", host, strerror(errno), ret_error);
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return fail_host(ADK_E_INVALID, "file", host, "it is neither a file nor a directory", ret_error);
    if (faccessat(AT_FDCWD, host, R_OK, AT_EACCESS) != 0)
        return fail_host(cli_code_of_path_error(errno), "file", host, strerror(errno), ret_error);
    return ADK_OK;
}

int cli_out_check(const struct cli_pair *out, adk_error **ret_error)
{
    struct cli_place place;
    int failed = cli_place_open(out->host, &place);
    const char *wrong = NULL;

    if (failed != 0)
        wrong = failed == ENOENT ? "the directory for it does not exist" : strerror(failed);
    else
        wrong = cli_place_judge(&place, cli_pair_is_tree(out));
    cli_place_close(&place);
    if (wrong == NULL)
        return ADK_OK;
    return fail_host(cli_code_of_path_error(failed), "out", out->host, wrong, ret_error);
}

static int set_inputs(struct cli_run *run, adk_error **ret_error)
{
    const struct cli_list *list = &run->settings.files;
    int failed = ADK_OK;

    run->files = calloc(list->count + 1, sizeof(*run->files));
    if (run->files == NULL)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    for (size_t i = 0; i < list->count && failed == ADK_OK; i++) {
        struct cli_pair pair = cli_pair_of(list->items[i]);

        /* As it was given: the first slash tells whether it is a path alone or the name of a preopen as well. */
        run->files[i].path = adk_bytes_make(list->items[i], (size_t)(strchr(list->items[i], '=') - list->items[i]));
        run->files[i].host_path_cstr = pair.host;
        failed = check_input(pair.host, ret_error);
    }
    run->request.files = run->files;
    run->request.files_count = list->count;
    return failed;
}

static int set_outputs(struct cli_run *run, adk_error **ret_error)
{
    const struct cli_list *list = &run->settings.outs;
    int failed = ADK_OK;

    run->outputs = calloc(list->count + 1, sizeof(*run->outputs));
    if (run->outputs == NULL)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    for (size_t i = 0; i < list->count && failed == ADK_OK; i++) {
        struct cli_pair pair = cli_pair_of(list->items[i]);

        run->outputs[i] = pair.guest.size == 0 ? adk_bytes_from_cstr("/") : pair.guest;
        failed = cli_out_check(&pair, ret_error);
    }
    run->request.outputs = run->outputs;
    run->request.outputs_count = list->count;
    return failed;
}

int cli_run_set_files(struct cli_run *run, adk_error **ret_error)
{
    int failed = set_inputs(run, ret_error);

    return failed == ADK_OK ? set_outputs(run, ret_error) : failed;
}
