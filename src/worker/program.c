#include "worker/program.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "core/words.h"
#include "worker/image.h"

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

int adk__program_put(adk__vfs *vfs, const adk_request *request, bool is_session, bool is_new)
{
    const char *marks = !is_session ? ADK__WORDS_PLAIN : is_new ? ADK__WORDS_NEW_SESSION : ADK__WORDS_SESSION;
    adk__buf words = ADK__BUF_INIT(SIZE_MAX / 2);
    int failed = adk__vfs_mkdir_all(adk__vfs_root(vfs), &ADK__CHECKPOINT_DIR[1], strlen(ADK__CHECKPOINT_DIR) - 1);

    if (!failed)
        failed = adk__words_put(request, marks, &words);
    if (!failed)
        failed = add_file(vfs, ADK__CHECKPOINT_PATH, request->code, is_session);
    if (!failed)
        failed = add_file(vfs, ADK__CHECKPOINT_WORDS, adk_bytes_make(words.data, words.size), is_session);
    if (is_session)
        adk__buf_free(&words); /* else the file has its content there */
    return failed;
}
