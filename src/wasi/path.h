/*
 * A path as the guest names it: a directory's descriptor, and bytes in memory.
 */
#ifndef ADK_WASI_PATH_H
#define ADK_WASI_PATH_H

#include "wasi/context.h"

/** A place in the tree, for the functions of adk__vfs. The path lies in guest memory and is good for the call. */
typedef struct adk__wasi_place {
    adk__vfs_inode *dir;
    const char *path;
    size_t size;
} adk__wasi_place;

/**
 * Checks bytes in memory that shall be a path. EFAULT; ENAMETOOLONG; EILSEQ (not UTF-8, as the witx has strings).
 */
uint16_t adk__wasi_path(adk__wasi *wasi, uint32_t address, uint32_t size, const char **ret_path);

/**
 * Checks a directory's descriptor and a path, and makes the tree where this is its first use. EBADF, ENOTDIR,
 * ENOTCAPABLE, and those of adk__wasi_path() and adk__wasi_files().
 */
uint16_t adk__wasi_place_of(adk__wasi *wasi, uint32_t number, uint64_t rights, uint32_t address, uint32_t size,
                            adk__wasi_place *ret_place);

#endif
