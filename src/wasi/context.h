/*
 * The inside of a context, shared by the files of this layer: what a run has, its descriptors, its clocks, and how a
 * function that may take long looks at the interrupt.
 */
#ifndef ADK_WASI_CONTEXT_H
#define ADK_WASI_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "vfs/vfs.h"
#include "wasi/abi.h"
#include "wasi/memory.h"
#include "wasi/wasi.h"

#define ADK__WASI_FDS_MAX  4096U
#define ADK__WASI_FDS_STEP 64U /* descriptors per chunk; as many chunks as a word has bits */

#define ADK__WASI_ROOT_FD 3U

typedef enum adk__wasi_kind {
    ADK__WASI_FREE = 0,
    ADK__WASI_STDIN,
    ADK__WASI_OUTPUT_STREAM,
    ADK__WASI_FILE,
    ADK__WASI_DIRECTORY,
} adk__wasi_kind;

/** An open descriptor. All zero while it is free. */
typedef struct adk__wasi_fd {
    uint8_t kind;
    uint8_t stream; /* of an output stream: 1 or 2 */
    uint16_t flags; /* fdflags */
    uint64_t rights;
    uint64_t inheriting;
    uint64_t offset;       /* of a file */
    adk__vfs_inode *inode; /* a reference; NULL for "/" as long as no tree has been made */
    const char *preopen;   /* its name, which answers fd_prestat_get(); borrowed. NULL: the guest opened it */
    uint32_t preopen_size;
} adk__wasi_fd;

/**
 * The descriptors. They lie in chunks that never move. Which are open is a bitmap of two levels, so that the lowest free
 * number is found in two steps whatever the table holds. The first chunk is part of the context.
 */
typedef struct adk__wasi_fds {
    uint32_t limit;
    uint32_t open;
    uint64_t full;                     /* bit c: chunk c has no free number */
    uint64_t used[ADK__WASI_FDS_STEP]; /* bit i of word c: descriptor 64 c + i is open */
    adk__wasi_fd *chunks[ADK__WASI_FDS_STEP];
    adk__wasi_fd first[ADK__WASI_FDS_STEP];
} adk__wasi_fds;

/** The clocks of a run; see clock.c. */
typedef struct adk__wasi_clocks {
    bool is_virtual;
    bool has_origin;        /* origin_ns is set */
    bool has_cpu_origin;    /* cpu_origin_ns is set */
    uint64_t base_ns;       /* what the monotonic clock shows at its origin */
    uint64_t origin_ns;     /* CLOCK_MONOTONIC that the guest's monotonic clock counts from */
    uint64_t cpu_origin_ns; /* CLOCK_THREAD_CPUTIME_ID that its CPU clocks count from */
    uint64_t start_ns;      /* virtual: real time at the begin */
    uint64_t elapsed_ns;    /* virtual: since then */
    uint64_t slept_ns;      /* virtual: the part of it that was sleep */
} adk__wasi_clocks;

/** The stream of seeded random numbers; see random.c. */
typedef struct adk__wasi_random {
    bool is_seeded;
    uint64_t seed;
    uint64_t position; /* bytes handed out so far */
} adk__wasi_random;

struct adk__wasi {
    adk__wasi_call call; /* first: adk__wasi_call_of() */
    adk__wasi_setup setup;
    uint64_t stdin_offset;
    uint64_t work; /* done since the interrupt was last looked at, in bytes or what costs as much */
    adk__wasi_clocks clocks;
    adk__wasi_random random;
    adk__vfs *vfs; /* NULL until somebody needs it */
    adk__wasi_fds fds;
};

/* ---- context.c ------------------------------------------------------------------------------------------------ */

/** The WASI errno for a negative errno value of the tree. */
uint16_t adk__wasi_errno(int error);

/** The WASI filetype for a kind of inode. */
uint8_t adk__wasi_filetype(adk__vfs_type type);

/** Asks the budget for bytes; without one there is no refusal. */
bool adk__wasi_charge(adk__wasi *wasi, uint64_t bytes);
void adk__wasi_release(adk__wasi *wasi, uint64_t bytes);

#define ADK__WASI_WORK_MAX ((uint64_t)1 << 20)

/** Looks at the interrupt; true if the run must stop, which it then will. */
bool adk__wasi_interrupted(adk__wasi *wasi);

/** Counts work, and looks at the interrupt once a mebibyte's worth has been done. True if the run must stop. */
static inline bool adk__wasi_worked(adk__wasi *wasi, uint64_t amount)
{
    wasi->work += amount;
    if (ADK_LIKELY(wasi->work < ADK__WASI_WORK_MAX))
        return false;
    wasi->work = 0;
    return adk__wasi_interrupted(wasi);
}

static inline bool adk__wasi_has_range(const adk__wasi *wasi, uint64_t address, uint64_t size)
{
    return adk__wasi_has(&wasi->call.memory, address, size);
}

/* ---- fdtable.c ------------------------------------------------------------------------------------------------ */

void adk__wasi_fds_begin(adk__wasi *wasi);

/** Closes what is open and frees what was allocated. */
void adk__wasi_fds_end(adk__wasi *wasi);

/** An open descriptor, or NULL. */
static inline adk__wasi_fd *adk__wasi_fd_get(adk__wasi *wasi, uint64_t number)
{
    adk__wasi_fds *fds = &wasi->fds;
    uint64_t chunk = number / ADK__WASI_FDS_STEP;
    uint64_t bit = number % ADK__WASI_FDS_STEP;

    if (ADK_UNLIKELY(chunk >= ADK__WASI_FDS_STEP) || (fds->used[chunk] >> bit & 1) == 0)
        return NULL;
    return &fds->chunks[chunk][bit];
}

/**
 * Opens the lowest free number: *ret_fd is all zero but marked as used, for the caller to fill before anything else.
 * Returns ADK__WASI_EMFILE, or ADK__WASI_ENOMEM where the budget or the host has none for the table.
 */
uint16_t adk__wasi_fd_open(adk__wasi *wasi, uint32_t *ret_number, adk__wasi_fd **ret_fd);

/** Closes an open descriptor. */
void adk__wasi_fd_close_number(adk__wasi *wasi, uint32_t number);

/** Moves `from` onto `to`, closing what was there; both are open. */
void adk__wasi_fd_move(adk__wasi *wasi, uint32_t from, uint32_t to);

/**
 * Finds an open descriptor of which `rights` can be asked. EBADF: not open; ENOTCAPABLE: not all of the rights.
 */
uint16_t adk__wasi_fd_with(adk__wasi *wasi, uint32_t number, uint64_t rights, adk__wasi_fd **ret_fd);

/** The same for a file: a directory is EISDIR, a stream `of_stream`. */
uint16_t adk__wasi_file_with(adk__wasi *wasi, uint32_t number, uint64_t rights, uint16_t of_stream,
                             adk__wasi_fd **ret_fd);

/** The inode of an open file or directory; makes the tree where this is the first use of "/". 0 or a WASI errno. */
uint16_t adk__wasi_fd_inode(adk__wasi *wasi, adk__wasi_fd *fd, adk__vfs_inode **ret_inode);

/* ---- clock.c -------------------------------------------------------------------------------------------------- */

void adk__wasi_clocks_begin(adk__wasi *wasi);

/** Begins them again for setup.request, but that the monotonic clock does not go back. */
void adk__wasi_clocks_resume(adk__wasi *wasi);

/** Reads a clock; false where there is no such clock. A virtual one moves on by its reading. */
bool adk__wasi_clock_read(adk__wasi *wasi, uint32_t clock, uint64_t *ret_ns);

/** The clock of the tree, CLOCK_REALTIME as the guest sees it; an adk__vfs_options.clock_ns. */
uint64_t adk__wasi_clock_of_files(void *wasi);

/**
 * Sleeps until the monotonic clock says `until_ns`; a virtual one is set to that instead. True if the run must stop.
 */
bool adk__wasi_clock_sleep(adk__wasi *wasi, uint64_t until_ns);

/* ---- table.c -------------------------------------------------------------------------------------------------- */

/*
 * Every function: its name in the import module, its parameters, and whether it has a result. The witx documents give
 * the parameters; a string or a list is a pointer and a length, and each result but the errno is a pointer to it.
 * SAME is as it was in the older module wasi_unstable, CHANGED was another function there, NEW was not there.
 */
#define ADK__WASI_FUNCTION_MAP(SAME, CHANGED, NEW) \
    SAME(args_get, "ii", true)                     \
    SAME(args_sizes_get, "ii", true)               \
    SAME(clock_res_get, "ii", true)                \
    SAME(clock_time_get, "iIi", true)              \
    SAME(environ_get, "ii", true)                  \
    SAME(environ_sizes_get, "ii", true)            \
    SAME(fd_advise, "iIIi", true)                  \
    SAME(fd_allocate, "iII", true)                 \
    SAME(fd_close, "i", true)                      \
    SAME(fd_datasync, "i", true)                   \
    SAME(fd_fdstat_get, "ii", true)                \
    SAME(fd_fdstat_set_flags, "ii", true)          \
    SAME(fd_fdstat_set_rights, "iII", true)        \
    CHANGED(fd_filestat_get, "ii", true)           \
    SAME(fd_filestat_set_size, "iI", true)         \
    SAME(fd_filestat_set_times, "iIIi", true)      \
    SAME(fd_pread, "iiiIi", true)                  \
    SAME(fd_prestat_dir_name, "iii", true)         \
    SAME(fd_prestat_get, "ii", true)               \
    SAME(fd_pwrite, "iiiIi", true)                 \
    SAME(fd_read, "iiii", true)                    \
    SAME(fd_readdir, "iiiIi", true)                \
    SAME(fd_renumber, "ii", true)                  \
    CHANGED(fd_seek, "iIii", true)                 \
    SAME(fd_sync, "i", true)                       \
    SAME(fd_tell, "ii", true)                      \
    SAME(fd_write, "iiii", true)                   \
    SAME(path_create_directory, "iii", true)       \
    CHANGED(path_filestat_get, "iiiii", true)      \
    SAME(path_filestat_set_times, "iiiiIIi", true) \
    SAME(path_link, "iiiiiii", true)               \
    SAME(path_open, "iiiiiIIii", true)             \
    SAME(path_readlink, "iiiiii", true)            \
    SAME(path_remove_directory, "iii", true)       \
    SAME(path_rename, "iiiiii", true)              \
    SAME(path_symlink, "iiiii", true)              \
    SAME(path_unlink_file, "iii", true)            \
    CHANGED(poll_oneoff, "iiii", true)             \
    SAME(proc_exit, "i", false)                    \
    SAME(proc_raise, "i", true)                    \
    SAME(random_get, "ii", true)                   \
    SAME(sched_yield, "", true)                    \
    NEW(sock_accept, "iii", true)                  \
    SAME(sock_recv, "iiiiii", true)                \
    SAME(sock_send, "iiiii", true)                 \
    SAME(sock_shutdown, "ii", true)

#define ADK__WASI_DECLARE(name, params, has_result) uint16_t adk__wasi_do_##name(adk__wasi *wasi, const uint64_t *args);
#define ADK__WASI_DECLARE_BOTH(name, params, has_result)                 \
    uint16_t adk__wasi_do_##name(adk__wasi *wasi, const uint64_t *args); \
    uint16_t adk__wasi_unstable_##name(adk__wasi *wasi, const uint64_t *args);

ADK__WASI_FUNCTION_MAP(ADK__WASI_DECLARE, ADK__WASI_DECLARE_BOTH, ADK__WASI_DECLARE)

#undef ADK__WASI_DECLARE
#undef ADK__WASI_DECLARE_BOTH

#endif
