/*
 * Archives by libarchive, from memory: the bytes that were hashed are the bytes that are read. Only the two formats of
 * packages are let in; nothing is ever written to disk by this.
 */
#include "runtime/archive.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "core/error.h"
#include "runtime/unpacker.h"

#define STEP_BYTES ((size_t)1 << 18)

struct extraction {
    const adk__unpacker *by;
    struct archive *reader;
    const char *member;
    const char *except; /* of a directory; or NULL */
    adk__buf *content;
    adk_error **ret_error;
};

/* libarchive's own words may quote the archive. */
static int fail_damaged(const struct extraction *e)
{
    adk__buf text = ADK__BUF_INIT((size_t)4096);
    const char *why = e->by->error_string_(e->reader);
    int code;

    if (e->by->errno_(e->reader) == ENOMEM)
        return adk__fail_nomem(e->ret_error);
    if (why == NULL)
        why = "it ends too early";
    if (adk__text_append_escaped(&text, why, strlen(why), ADK__NAME_SHOWN) != 0)
        code = adk__fail_nomem(e->ret_error);
    else
        code = adk__fail(e->ret_error, ADK_E_INVALID, 0, "the archive is damaged: %.*s", (int)text.size,
                         (const char *)text.data);
    adk__buf_free(&text);
    return code;
}

static int open_archive(const struct extraction *e, adk_bytes archive)
{
    if (e->by->read_support_format_zip_seekable_(e->reader) != ARCHIVE_OK ||
        e->by->read_support_format_tar_(e->reader) != ARCHIVE_OK ||
        e->by->read_support_filter_gzip_(e->reader) != ARCHIVE_OK)
        return adk__fail(e->ret_error, ADK_E_UNAVAILABLE, 0, "libarchive reads neither zip nor tar here");
    if (e->by->read_open_memory_(e->reader, archive.data, archive.size) != ARCHIVE_OK)
        return fail_damaged(e);
    return ADK_OK;
}

static int read_content(const struct extraction *e)
{
    uint8_t *step = malloc(STEP_BYTES);
    int code = step == NULL ? adk__fail_nomem(e->ret_error) : ADK_OK;

    while (code == ADK_OK) {
        la_ssize_t got = e->by->read_data_(e->reader, step, STEP_BYTES);
        int failed;

        if (got == 0)
            break;
        if (got < 0) {
            code = fail_damaged(e);
            break;
        }
        failed = adk__buf_append(e->content, step, (size_t)got);
        if (failed == -EFBIG)
            code = adk__fail(e->ret_error, ADK_E_INVALID, 0, "\"%s\" in the archive has more than %zu bytes", e->member,
                             e->content->max);
        else if (failed)
            code = adk__fail_nomem(e->ret_error);
    }
    free(step);
    return code;
}

static int add_text(const struct extraction *e, const char *text)
{
    int failed = adk__buf_append(e->content, text, strlen(text));

    if (failed == -EFBIG)
        return adk__fail(e->ret_error, ADK_E_INVALID, 0, "\"%s\" in the archive has more than %zu bytes", e->member,
                         e->content->max);
    return failed ? adk__fail_nomem(e->ret_error) : ADK_OK;
}

/* A script's name becomes text of a program: it has nothing in it that would end a string. */
static bool is_plain(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")] == '\0';
}

static bool is_directory(const struct extraction *e)
{
    return e->member[strlen(e->member) - 1] == '/';
}

static bool is_wanted(const struct extraction *e, const char *name)
{
    size_t size = strlen(name);

    if (!is_directory(e))
        return strcmp(name, e->member) == 0;
    return strncmp(name, e->member, strlen(e->member)) == 0 && size > 3 && strcmp(name + size - 3, ".js") == 0 &&
           is_plain(name) && (e->except == NULL || strncmp(name, e->except, strlen(e->except)) != 0);
}

static int take_member(const struct extraction *e, const char *name, struct archive_entry *entry)
{
    int code = ADK_OK;

    if (e->by->entry_filetype_(entry) != S_IFREG || e->by->entry_hardlink_(entry) != NULL ||
        e->by->entry_symlink_(entry) != NULL)
        return adk__fail(e->ret_error, ADK_E_INVALID, 0, "\"%s\" in the archive is not a regular file", e->member);
    if (e->by->entry_is_encrypted_(entry))
        return adk__fail(e->ret_error, ADK_E_INVALID, 0, "\"%s\" in the archive is encrypted", e->member);
    if (!is_directory(e))
        return read_content(e);
    code = add_text(e, "define(\"");
    if (code == ADK_OK)
        code = add_text(e, name + strlen(e->member));
    if (code == ADK_OK)
        code = add_text(e, "\", function (exports, require, module) {");
    if (code == ADK_OK)
        code = read_content(e);
    return code == ADK_OK ? add_text(e, "\n});\n") : code;
}

static int walk(const struct extraction *e)
{
    struct archive_entry *entry = NULL;
    unsigned found = 0;
    int code = ADK_OK;
    int got = ARCHIVE_OK;

    for (unsigned count = 0; code == ADK_OK; count++) {
        const char *name;

        got = e->by->read_next_header_(e->reader, &entry);
        if (got == ARCHIVE_EOF)
            break;
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
            return fail_damaged(e);
        if (count >= ADK__ARCHIVE_MEMBERS_MAX)
            return adk__fail(e->ret_error, ADK_E_INVALID, 0, "the archive has more than %d members",
                             ADK__ARCHIVE_MEMBERS_MAX);
        name = e->by->entry_pathname_(entry);
        if (name == NULL || !is_wanted(e, name))
            continue;
        if (found++ > 0 && !is_directory(e))
            return adk__fail(e->ret_error, ADK_E_INVALID, 0, "\"%s\" is in the archive twice", e->member);
        code = take_member(e, name, entry);
    }
    if (code == ADK_OK && found == 0)
        return adk__fail(e->ret_error, ADK_E_INVALID, 0, "there is no \"%s\" in the archive", e->member);
    return code;
}

int adk__archive_extract(adk_bytes archive, const char *member, const char *except, adk__buf *content,
                         adk_error **ret_error)
{
    adk__unpacker unpacker;
    struct extraction e = {&unpacker, NULL, member, except, content, ret_error};
    int code = adk__unpacker_open(&unpacker, ret_error);

    if (code != ADK_OK)
        return code;
    e.reader = unpacker.read_new_();
    if (e.reader == NULL)
        code = adk__fail_nomem(ret_error);
    if (code == ADK_OK)
        code = open_archive(&e, archive);
    if (code == ADK_OK)
        code = walk(&e);
    if (e.reader != NULL)
        (void)unpacker.read_free_(e.reader);
    adk__unpacker_close(&unpacker);
    return code;
}
