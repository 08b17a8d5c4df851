#include "worker/program.h"

#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "worker/image.h"

#define SEED_BYTES 16

static int joined(adk__buf *to, adk_bytes bytes, const char *end, size_t end_size)
{
    int failed = adk__buf_append(to, bytes.data, bytes.size);

    return failed ? failed : adk__buf_append(to, end, end_size);
}

static int add_copy(adk__vfs *vfs, const char *path, const void *data, size_t size)
{
    const uint32_t flags = ADK__VFS_OPEN_CREATE | ADK__VFS_OPEN_EXCLUSIVE | ADK__VFS_OPEN_WRITE;
    adk__vfs_inode *inode;
    size_t written = 0;
    int failed = adk__vfs_open(adk__vfs_root(vfs), path, strlen(path), flags, &inode);

    if (failed)
        return failed;
    if (size > 0)
        failed = adk__vfs_pwrite(inode, data, size, 0, &written);
    adk__vfs_drop(inode);
    return !failed && written < size ? -ENOSPC : failed;
}

static int add_file(adk__vfs *vfs, const char *path, adk_bytes content, bool copies)
{
    int failed;

    path++; /* beneath the root */
    failed = adk__vfs_unlink(adk__vfs_root(vfs), path, strlen(path));
    if (failed != 0 && failed != -ENOENT)
        return failed;
    if (copies)
        return add_copy(vfs, path, content.data, content.size);
    return adk__vfs_add_borrowed(adk__vfs_root(vfs), path, strlen(path), content.data, content.size);
}

/* What a language's own generator starts from, where that cannot ask the system. */
static int add_seed(const adk_request *request, adk__buf *args)
{
    uint8_t seed[crypto_generichash_BYTES_MIN];
    char text[2 * SEED_BYTES + 1];

    _Static_assert(sizeof(seed) >= SEED_BYTES, "a hash is as long as a seed");
    if ((request->flags & ADK_REQUEST_SEED) != 0)
        (void)crypto_generichash(seed, sizeof(seed), (const uint8_t *)&request->random_seed,
                                 sizeof(request->random_seed), NULL, 0);
    else if (getrandom(seed, SEED_BYTES, 0) != SEED_BYTES)
        return -EIO;
    (void)sodium_bin2hex(text, sizeof(text), seed, SEED_BYTES);
    return joined(args, adk_bytes_from_cstr(text), "", 1);
}

int adk__program_put(adk__vfs *vfs, const adk_request *request, bool is_session, bool is_new)
{
    const adk_bytes nothing = {NULL, 0};
    adk__buf args = ADK__BUF_INIT(SIZE_MAX / 2);
    adk__buf env = ADK__BUF_INIT(SIZE_MAX / 2);
    int failed = adk__vfs_mkdir_all(adk__vfs_root(vfs), &ADK__CHECKPOINT_DIR[1], strlen(ADK__CHECKPOINT_DIR) - 1);

    if (!failed)
        failed = add_seed(request, &args);
    for (size_t i = 0; i < request->args_count && !failed; i++)
        failed = joined(&args, request->args[i], "", 1);
    for (size_t i = 0; i < request->env_count && !failed; i++) {
        failed = joined(&env, request->env[i].name, "=", 1);
        if (!failed)
            failed = joined(&env, request->env[i].value, "", 1);
    }
    if (!failed)
        failed = add_file(vfs, ADK__CHECKPOINT_PATH, request->code, is_session);
    if (!failed)
        failed = add_file(vfs, ADK__CHECKPOINT_ARGS, adk_bytes_make(args.data, args.size), is_session);
    if (!failed)
        failed = add_file(vfs, ADK__CHECKPOINT_ENV, adk_bytes_make(env.data, env.size), is_session);
    if (!failed && is_session)
        failed = add_file(vfs, ADK__CHECKPOINT_SESSION, nothing, true);
    if (!failed && is_session && is_new)
        failed = add_file(vfs, ADK__CHECKPOINT_FORKED, nothing, true);
    if (!is_session)
        return failed; /* the files have their content there */
    adk__buf_free(&args);
    adk__buf_free(&env);
    return failed;
}
