/*
 * The table of descriptors: three streams and the preopened "/" at first, then whatever the guest opens, always at the
 * lowest free number. The first 64 cost no allocation.
 */
#include "wasi/context.h"

#include <stdlib.h>
#include <string.h>

#define ALL_USED UINT64_MAX

static void mark_used(adk__wasi_fds *fds, uint32_t number)
{
    uint32_t chunk = number / ADK__WASI_FDS_STEP;

    fds->used[chunk] |= UINT64_C(1) << number % ADK__WASI_FDS_STEP;
    if (fds->used[chunk] == ALL_USED)
        fds->full |= UINT64_C(1) << chunk;
    fds->open++;
}

static void mark_free(adk__wasi_fds *fds, uint32_t number)
{
    uint32_t chunk = number / ADK__WASI_FDS_STEP;

    fds->used[chunk] &= ~(UINT64_C(1) << number % ADK__WASI_FDS_STEP);
    fds->full &= ~(UINT64_C(1) << chunk);
    fds->open--;
}

/*
 * A captured stream is no terminal and no file: its type is "unknown", as wasmtime has it for a pipe. isatty() of
 * wasi-libc says no, so programs buffer fully (and flush at exit) and send no colours.
 */
static void begin_stream(adk__wasi_fds *fds, uint32_t number, adk__wasi_kind kind, uint64_t right)
{
    adk__wasi_fd *fd = &fds->first[number];

    fd->kind = (uint8_t)kind;
    fd->stream = (uint8_t)number;
    fd->rights = ADK__WASI_RIGHTS_STREAM | right;
    mark_used(fds, number);
}

static void begin_preopen(adk__wasi_fd *fd, const char *name, uint32_t name_size)
{
    fd->kind = ADK__WASI_DIRECTORY;
    fd->preopen = name;
    fd->preopen_size = name_size;
    fd->rights = ADK__WASI_RIGHTS_DIRECTORY;
    fd->inheriting = ADK__WASI_RIGHTS_DIRECTORY | ADK__WASI_RIGHTS_FILE;
}

void adk__wasi_fds_begin(adk__wasi *wasi)
{
    adk__wasi_fds *fds = &wasi->fds;
    adk__wasi_fd *root = &fds->first[ADK__WASI_ROOT_FD];
    uint32_t limit = wasi->setup.files_open;

    fds->limit = limit == 0 || limit > ADK__WASI_FDS_MAX ? ADK__WASI_FDS_MAX : limit;
    fds->chunks[0] = fds->first;
    begin_stream(fds, 0, ADK__WASI_STDIN, ADK__WASI_RIGHT_FD_READ);
    begin_stream(fds, 1, ADK__WASI_OUTPUT_STREAM, ADK__WASI_RIGHT_FD_WRITE);
    begin_stream(fds, 2, ADK__WASI_OUTPUT_STREAM, ADK__WASI_RIGHT_FD_WRITE);
    begin_preopen(root, "/", 1);
    mark_used(fds, ADK__WASI_ROOT_FD);
}

static void clear(adk__wasi_fd *fd)
{
    adk__vfs_drop(fd->inode);
    memset(fd, 0, sizeof *fd);
}

void adk__wasi_fds_end(adk__wasi *wasi)
{
    adk__wasi_fds *fds = &wasi->fds;

    for (uint32_t chunk = 0; chunk < ADK__WASI_FDS_STEP && fds->chunks[chunk] != NULL; chunk++) {
        for (uint64_t used = fds->used[chunk]; used != 0; used &= used - 1)
            clear(&fds->chunks[chunk][__builtin_ctzll(used)]);
        fds->used[chunk] = 0;
        if (chunk > 0) {
            free(fds->chunks[chunk]);
            adk__wasi_release(wasi, ADK__WASI_FDS_STEP * sizeof(adk__wasi_fd));
        }
        fds->chunks[chunk] = NULL;
    }
    fds->full = 0;
    fds->limit = 0;
    fds->open = 0;
}

/* Chunks are made in order, since the lowest number is always taken: there is no gap in fds->chunks. */
static uint16_t make_chunk(adk__wasi *wasi, uint32_t chunk)
{
    uint64_t size = ADK__WASI_FDS_STEP * sizeof(adk__wasi_fd);

    if (!adk__wasi_charge(wasi, size))
        return ADK__WASI_ENOMEM;
    wasi->fds.chunks[chunk] = calloc(ADK__WASI_FDS_STEP, sizeof(adk__wasi_fd));
    if (wasi->fds.chunks[chunk] == NULL) {
        adk__wasi_release(wasi, size);
        return ADK__WASI_ENOMEM;
    }
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_fd_open(adk__wasi *wasi, uint32_t *ret_number, adk__wasi_fd **ret_fd)
{
    adk__wasi_fds *fds = &wasi->fds;
    uint32_t chunk;
    uint32_t bit;
    uint16_t failed;

    if (fds->open >= fds->limit)
        return ADK__WASI_EMFILE;
    chunk = (uint32_t)__builtin_ctzll(~fds->full);
    bit = (uint32_t)__builtin_ctzll(~fds->used[chunk]);
    if (fds->chunks[chunk] == NULL) {
        failed = make_chunk(wasi, chunk);
        if (failed)
            return failed;
    }
    *ret_number = chunk * ADK__WASI_FDS_STEP + bit;
    *ret_fd = &fds->chunks[chunk][bit];
    mark_used(fds, *ret_number);
    return ADK__WASI_SUCCESS;
}

static adk__wasi_fd *slot_of(adk__wasi_fds *fds, uint32_t number)
{
    return &fds->chunks[number / ADK__WASI_FDS_STEP][number % ADK__WASI_FDS_STEP];
}

void adk__wasi_fd_close_number(adk__wasi *wasi, uint32_t number)
{
    clear(slot_of(&wasi->fds, number));
    mark_free(&wasi->fds, number);
}

void adk__wasi_fd_move(adk__wasi *wasi, uint32_t from, uint32_t to)
{
    adk__wasi_fd *source = slot_of(&wasi->fds, from);
    adk__wasi_fd *target = slot_of(&wasi->fds, to);

    if (source == target)
        return;
    clear(target);
    *target = *source;
    memset(source, 0, sizeof *source);
    mark_free(&wasi->fds, from);
}

uint16_t adk__wasi_fd_with(adk__wasi *wasi, uint32_t number, uint64_t rights, adk__wasi_fd **ret_fd)
{
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, number);

    if (fd == NULL)
        return ADK__WASI_EBADF;
    if ((fd->rights & rights) != rights)
        return ADK__WASI_ENOTCAPABLE;
    *ret_fd = fd;
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_file_with(adk__wasi *wasi, uint32_t number, uint64_t rights, uint16_t of_stream,
                             adk__wasi_fd **ret_fd)
{
    adk__wasi_fd *fd = adk__wasi_fd_get(wasi, number);

    if (fd == NULL)
        return ADK__WASI_EBADF;
    if (fd->kind == ADK__WASI_DIRECTORY)
        return ADK__WASI_EISDIR;
    if (fd->kind != ADK__WASI_FILE)
        return of_stream;
    return adk__wasi_fd_with(wasi, number, rights, ret_fd);
}

uint16_t adk__wasi_fd_inode(adk__wasi *wasi, adk__wasi_fd *fd, adk__vfs_inode **ret_inode)
{
    adk__vfs *vfs;
    int failed;

    if (fd->inode == NULL) {
        failed = adk__wasi_files(wasi, &vfs);
        if (failed)
            return adk__wasi_errno(failed);
        fd->inode = adk__vfs_hold(adk__vfs_root(vfs));
    }
    *ret_inode = fd->inode;
    return ADK__WASI_SUCCESS;
}

uint16_t adk__wasi_preopen(adk__wasi *wasi, const char *name, uint32_t name_size, adk__vfs_inode *dir)
{
    adk__wasi_fd *fd;
    uint32_t number;
    uint16_t failed = adk__wasi_fd_open(wasi, &number, &fd);

    if (failed)
        return failed;
    begin_preopen(fd, name, name_size);
    fd->inode = adk__vfs_hold(dir);
    return ADK__WASI_SUCCESS;
}
