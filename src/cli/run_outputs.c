/*
 * Files out. The guest chose names, number and content of what came back, and the host's side may have been prepared by
 * somebody, too: everything is made beneath the directory that the user named, by beneath.h. Links of the guest's are
 * not made at all, for whoever reads the tree would follow them.
 *
 * One file that cannot be written does not keep the others from being written.
 */
#include "cli/run_outputs.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/beneath.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/place.h"
#include "cli/run_files.h"

struct saver {
    struct cli_notes *notes;
    size_t links;
    size_t failures;
    int code;            /* of the first failure: an errno value, */
    char *first;         /* and what could not be written */
    struct cli_pair out; /* being saved */
};

static const char *why(int failed)
{
    switch (failed) {
    case ELOOP:
        return "a symbolic link is in the way";
    case EISDIR:
        return "a directory is in its place";
    case EEXIST:
        return "something that is not a file is in its place";
    default:
        return strerror(failed);
    }
}

/* `path` is beneath the output's host path; nothing for that itself. */
static void count_failure(struct saver *saver, adk_bytes path, int failed)
{
    struct cli_name host;
    struct cli_name name;

    if (failed == 0 || saver->failures++ > 0)
        return;
    saver->code = failed;
    (void)cli_name_cstr(saver->out.host, &host);
    (void)cli_name(path, &name);
    if (asprintf(&saver->first, "%s%s%s", host.text, path.size == 0 ? "" : "/", name.text) < 0)
        saver->first = NULL;
}

static void note_truncated(struct saver *saver, const adk_file_out *file)
{
    struct cli_name name;

    if (file->truncated)
        cli_note(saver->notes, "only %zu of the %" PRIu64 " bytes of \"%s\" came back", file->content.size,
                 file->size_bytes, cli_name(file->path, &name));
}

/* Saves what is called `path` beneath `root`. */
static void save_entry(struct saver *saver, int root, adk_bytes path, const adk_file_out *file)
{
    switch (file->type) {
    case ADK_FILE_DIRECTORY:
        count_failure(saver, path, cli_beneath_mkdir(root, path));
        return;
    case ADK_FILE_REGULAR:
        note_truncated(saver, file);
        count_failure(saver, path, cli_beneath_write(root, path, file->content));
        return;
    default:
        saver->links++;
        return;
    }
}

/*
 * The path of a file as the output has it: of a tree's or pattern's the whole, else what is beneath GUEST, or nothing for
 * GUEST itself. False where it is not there, which cannot happen.
 */
static bool path_in_output(const struct cli_pair *out, adk_bytes path, adk_bytes *ret_path)
{
    size_t skipped = cli_pair_is_tree(out) ? 0 : out->guest.size;
    const char *at = path.data;

    if (path.size < 1 + skipped || at[0] != '/' || memcmp(at + 1, out->guest.data, skipped) != 0)
        return false;
    skipped++;
    if (skipped > 1 && path.size > skipped && at[skipped++] != '/')
        return false;
    *ret_path = adk_bytes_make(at + skipped, path.size - skipped);
    return true;
}

static void save_tree(struct saver *saver, const struct cli_place *place, const struct cli_files *files)
{
    ADK_AUTO_CLOSE int root = cli_beneath_enter(place->parent, place->name);

    if (root < 0) {
        count_failure(saver, adk_bytes_make(NULL, 0), errno);
        return;
    }
    for (size_t i = 0; i < files->count; i++) {
        const adk_file_out *file = &files->items[i];
        adk_bytes path;

        if (!path_in_output(&saver->out, file->path, &path))
            count_failure(saver, file->path, EINVAL);
        else if (path.size > 0)
            save_entry(saver, root, path, file);
    }
}

static adk_bytes base_name(adk_bytes path)
{
    const char *slash = memrchr(path.data, '/', path.size);
    const char *name = slash == NULL ? path.data : slash + 1;

    return adk_bytes_make(name, path.size - (size_t)(name - (const char *)path.data));
}

/* One file: in the place, or beneath it under the name it has in the guest. */
static void save_file(struct saver *saver, const struct cli_place *place, const adk_file_out *file)
{
    adk_bytes name = base_name(saver->out.guest);
    ADK_AUTO_CLOSE int root = -1;

    if (!cli_place_holds_files(place)) {
        note_truncated(saver, file);
        count_failure(saver, adk_bytes_make(NULL, 0),
                      cli_beneath_write(place->parent, adk_bytes_from_cstr(place->name), file->content));
        return;
    }
    root = cli_beneath_enter(place->parent, place->name);
    if (root < 0)
        count_failure(saver, adk_bytes_make(NULL, 0), errno);
    else
        save_entry(saver, root, name, file);
}

/* Nothing came back: for a pattern there is an empty directory then. */
static void note_nothing(struct saver *saver)
{
    struct cli_name name;

    (void)cli_name(saver->out.guest, &name);
    if (cli_pair_is_tree(&saver->out) && saver->out.guest.size > 0)
        cli_note(saver->notes, "the guest made nothing that matches \"/%s\"", name.text);
    else if (saver->out.guest.size > 0)
        cli_note(saver->notes, "the guest made no \"/%s\"", name.text);
}

static void save_output(struct saver *saver, const struct cli_files *files)
{
    bool tree = cli_pair_is_tree(&saver->out);
    struct cli_place place;
    int failed = 0;

    if (files->count == 0) {
        note_nothing(saver);
        if (!tree)
            return;
    }
    failed = cli_place_open(saver->out.host, &place);
    if (failed != 0)
        count_failure(saver, adk_bytes_make(NULL, 0), failed);
    else if (tree || files->items[0].type != ADK_FILE_REGULAR)
        save_tree(saver, &place, files);
    else
        save_file(saver, &place, &files->items[0]);
    cli_place_close(&place);
}

static int fail_saver(const struct saver *saver, adk_error **ret_error)
{
    if (saver->first == NULL)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    if (saver->failures == 1)
        return cli_fail(ret_error, ADK_E_SYSTEM, saver->code, "cannot write \"%s\": %s", saver->first,
                        why(saver->code));
    return cli_fail(ret_error, ADK_E_SYSTEM, saver->code, "cannot write \"%s\": %s; nor %zu more", saver->first,
                    why(saver->code), saver->failures - 1);
}

int cli_files_save(const struct cli_list *outs, const struct cli_files *files, struct cli_notes *notes,
                   adk_error **ret_error)
{
    struct saver saver = {.notes = notes};
    size_t first = 0;
    int failed = ADK_OK;

    for (size_t i = 0; i < outs->count; i++) {
        size_t end = first;

        while (end < files->count && files->items[end].output == i)
            end++;
        saver.out = cli_pair_of(outs->items[i]);
        save_output(&saver, &(struct cli_files){files->items + first, end - first, files->complete});
        first = end;
    }
    if (saver.links > 0)
        cli_note(notes, "%zu symbolic link%s did not come back", saver.links, saver.links == 1 ? "" : "s");
    if (!files->complete)
        cli_note(notes, "not everything came back: there was too much, or time was up");
    if (saver.failures > 0)
        failed = fail_saver(&saver, ret_error);
    free(saver.first);
    return failed;
}
