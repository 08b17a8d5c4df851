/*
 * fd_readdir: as many entries as the guest's buffer holds, the last one cut off where the buffer ends. A buffer that is
 * not filled says that there are no more. The cookie of an entry leads to the one after it.
 */
#include "wasi/context.h"

/* The buffer, and how much of it is filled. */
typedef struct listing {
    uint8_t *to;
    uint64_t size;
    uint64_t used;
} listing;

static void append(listing *list, const void *bytes, uint64_t size)
{
    uint64_t room = list->size - list->used;

    size = size < room ? size : room;
    if (size > 0)
        memcpy(list->to + list->used, bytes, size);
    list->used += size;
}

static void append_entry(listing *list, const adk__vfs_dirent *entry)
{
    uint8_t head[ADK__WASI_DIRENT_SIZE] = {0};

    adk__wasi_put64(head, entry->cookie);
    adk__wasi_put64(head + 8, entry->ino);
    adk__wasi_put32(head + 16, (uint32_t)entry->name_size);
    head[20] = adk__wasi_filetype(entry->type);
    append(list, head, sizeof head);
    append(list, entry->name, entry->name_size);
}

static uint16_t list_entries(adk__wasi *wasi, adk__vfs_inode *dir, uint64_t cookie, listing *list)
{
    adk__vfs_dirent entry;
    int more;

    while (list->used < list->size) {
        more = adk__vfs_readdir(dir, cookie, &entry);
        if (more < 0)
            return adk__wasi_errno(more);
        if (more == 0)
            break;
        append_entry(list, &entry);
        cookie = entry.cookie;
        if (adk__wasi_worked(wasi, ADK__WASI_DIRENT_SIZE + entry.name_size))
            return ADK__WASI_EINTR;
    }
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_do_fd_readdir(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t to = (uint32_t)args[1];
    uint32_t size = (uint32_t)args[2];
    uint32_t result = (uint32_t)args[4];
    listing list = {NULL, size, 0};
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, (uint32_t)args[0]);
    adk__vfs_inode *dir;
    uint16_t failed;

    if (fd == NULL)
        return ADK__WASI_EBADF;
    if (fd->kind != ADK__WASI_DIRECTORY)
        return ADK__WASI_ENOTDIR;
    failed = adk__wasi_fd_with(wasi, (uint32_t)args[0], ADK__WASI_RIGHT_FD_READDIR, &fd);
    if (failed)
        return failed;
    if (!adk__wasi_has_range(wasi, to, size) || !adk__wasi_has_range(wasi, result, 4))
        return ADK__WASI_EFAULT;
    failed = adk__wasi_fd_inode(wasi, fd, &dir);
    if (failed)
        return failed;
    list.to = adk__wasi_at(&wasi->call.memory, to, size);
    failed = list_entries(wasi, dir, args[3], &list);
    if (failed)
        return failed;
    adk__wasi_store32(&wasi->call.memory, result, (uint32_t)list.used);
    return ADK__WASI_SUCCESS;
}
