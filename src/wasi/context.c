/*
 * A context's life: made once, used for one run after another, and between two runs as empty as it was when new. What a
 * run allocates hangs on the descriptors and on the tree; both go at its end.
 */
#include "wasi/context.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

adk__wasi *adk__wasi_new(void)
{
    return calloc(1, sizeof(adk__wasi));
}

void adk__wasi_free(adk__wasi *wasi)
{
    if (wasi == NULL)
        return;
    adk__wasi_end(wasi);
    free(wasi);
}

void adk__wasi_begin(adk__wasi *wasi, const adk__wasi_setup *setup)
{
    assert(wasi->setup.request == NULL); /* the run before has ended */
    wasi->setup = *setup;
    wasi->random.is_seeded = (setup->request->flags & ADK_REQUEST_SEED) != 0;
    wasi->random.seed = setup->request->random_seed;
    adk__wasi_clocks_begin(wasi);
    adk__wasi_fds_begin(wasi);
}

adk__wasi_setup *adk__wasi_setup_of(adk__wasi *wasi)
{
    return &wasi->setup;
}

void adk__wasi_resume(adk__wasi *wasi, const adk_request *request, uint64_t began_ns)
{
    wasi->setup.request = request;
    wasi->setup.began_ns = began_ns;
    wasi->stdin_offset = 0;
    wasi->random.is_seeded = (request->flags & ADK_REQUEST_SEED) != 0;
    wasi->random.seed = request->random_seed;
    wasi->random.position = 0;
    adk__wasi_clocks_resume(wasi);
}

void adk__wasi_end(adk__wasi *wasi)
{
    adk__wasi_fds_end(wasi);
    adk__vfs_free(wasi->vfs);
    wasi->vfs = NULL;
    memset(&wasi->call, 0, sizeof wasi->call);
    memset(&wasi->setup, 0, sizeof wasi->setup);
    memset(&wasi->clocks, 0, sizeof wasi->clocks);
    memset(&wasi->random, 0, sizeof wasi->random);
    wasi->stdin_offset = 0;
    wasi->work = 0;
}

int adk__wasi_files(adk__wasi *wasi, adk__vfs **ret_vfs)
{
    adk__vfs_options options = {0};
    int failed;

    if (wasi->vfs == NULL) {
        options.max_bytes = wasi->setup.files_bytes;
        options.max_inodes = wasi->setup.files_inodes;
        options.charge = wasi->setup.charge;
        options.release = wasi->setup.release;
        options.budget_data = wasi->setup.budget_data;
        options.clock_ns = adk__wasi_clock_of_files;
        options.clock_data = wasi;
        options.image = wasi->setup.image;
        failed = adk__vfs_new(&options, &wasi->vfs);
        if (failed)
            return failed;
    }
    *ret_vfs = wasi->vfs;
    return 0;
}

adk__vfs *adk__wasi_files_made(const adk__wasi *wasi)
{
    return wasi->vfs;
}

bool adk__wasi_charge(adk__wasi *wasi, uint64_t bytes)
{
    return wasi->setup.charge == NULL || wasi->setup.charge(wasi->setup.budget_data, bytes);
}

void adk__wasi_release(adk__wasi *wasi, uint64_t bytes)
{
    if (wasi->setup.release != NULL)
        wasi->setup.release(wasi->setup.budget_data, bytes);
}

bool adk__wasi_interrupted(adk__wasi *wasi)
{
    if (adk__interrupt_check(wasi->setup.interrupt) == ADK__INTERRUPT_NONE)
        return false;
    wasi->call.stop = ADK__WASI_INTERRUPT;
    return true;
}

/*
 * -EPERM is how the tree says that a path leads out of it; the same number stands for a hard link to a directory and
 * for a symbolic link to an absolute path. WASI's word for all of them is EPERM.
 */
uint16_t adk__wasi_errno(int error)
{
    static const struct {
        int host;
        uint16_t wasi;
    } words[] = {
        {EACCES, ADK__WASI_EACCES},       {EBUSY, ADK__WASI_EBUSY},         {EEXIST, ADK__WASI_EEXIST},
        {EFBIG, ADK__WASI_EFBIG},         {EINVAL, ADK__WASI_EINVAL},       {EISDIR, ADK__WASI_EISDIR},
        {ELOOP, ADK__WASI_ELOOP},         {EMLINK, ADK__WASI_EMLINK},       {ENAMETOOLONG, ADK__WASI_ENAMETOOLONG},
        {ENOENT, ADK__WASI_ENOENT},       {ENOMEM, ADK__WASI_ENOMEM},       {ENOSPC, ADK__WASI_ENOSPC},
        {ENOTDIR, ADK__WASI_ENOTDIR},     {EOVERFLOW, ADK__WASI_EOVERFLOW}, {EPERM, ADK__WASI_EPERM},
        {ENOTEMPTY, ADK__WASI_ENOTEMPTY}, {EXDEV, ADK__WASI_EXDEV},
    };

    if (error == 0)
        return ADK__WASI_SUCCESS;
    for (size_t i = 0; i < ADK_COUNT(words); i++)
        if (words[i].host == -error)
            return words[i].wasi;
    return ADK__WASI_EIO;
}

uint8_t adk__wasi_filetype(adk__vfs_type type)
{
    switch (type) {
    case ADK__VFS_TYPE_DIRECTORY:
        return ADK__WASI_FILETYPE_DIRECTORY;
    case ADK__VFS_TYPE_SYMLINK:
        return ADK__WASI_FILETYPE_SYMBOLIC_LINK;
    default:
        return ADK__WASI_FILETYPE_REGULAR_FILE;
    }
}
