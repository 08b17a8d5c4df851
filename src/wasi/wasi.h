/*
 * WASI preview 1, the host's side (witx: wasi_snapshot_preview1, and wasi_unstable where the ABI is the same).
 *
 * The layer knows no engine: a function is called with its arguments as 64-bit numbers and with the guest's memory as a
 * pointer and a size that hold for that call. So it is tested and fuzzed over a plain array.
 *
 * Rules for every function: each pointer and length from the guest is checked against the memory's current size, in
 * 64-bit arithmetic, before anything is read or written; nothing is written on failure; memory is allocated in proportion
 * to what is kept, never to what was asked; whatever may take long looks at the interrupt.
 */
#ifndef ADK_WASI_WASI_H
#define ADK_WASI_WASI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adk/bytes.h>
#include <adk/error.h>
#include <adk/request.h>

#include "base/interrupt.h"
#include "vfs/vfs.h"

typedef struct adk__wasi adk__wasi;

/** The guest's exported memory as it is at this moment. Without one, `data` is NULL and `size` 0: all is EFAULT. */
typedef struct adk__wasi_memory {
    uint8_t *data;
    uint64_t size;
} adk__wasi_memory;

/** What the caller of a WASI function must do after it. */
typedef enum adk__wasi_stop {
    ADK__WASI_GO_ON = 0, /* the errno is the function's result */
    ADK__WASI_EXIT,      /* proc_exit: the code is in exit_code */
    ADK__WASI_INTERRUPT, /* deadline or cancellation, found by adk__interrupt_check() */
    ADK__WASI_OUTPUT,    /* the output function said stop */
} adk__wasi_stop;

/**
 * Takes what the guest writes to standard output (stream 1) or error (2). Returns 0 to go on; anything else stops the
 * run with ADK__WASI_OUTPUT: its owner knows why. Called once for each non-empty iovec.
 */
typedef int (*adk__wasi_output_fn)(void *data, int stream, const void *bytes, size_t size);

/** What a run is given. Everything is borrowed until adk__wasi_end(). */
typedef struct adk__wasi_setup {
    const adk_request *request; /* args, env, stdin_data, flags with random_seed and clock_start_ns */
    adk__interrupt *interrupt;
    adk__wasi_output_fn output;
    void *output_data;

    /* What follows may be zero: none, or the default. */
    bool output_may_block; /* `output` can take long: look at the interrupt after each write */
    uint64_t began_ns; /* CLOCK_MONOTONIC at the run's begin: the guest's clocks count from there; 0: first reading */

    /* The budget shared with linear memory: `charge` answers before memory is taken; refused is ENOSPC to the guest. */
    bool (*charge)(void *budget_data, uint64_t bytes);
    void (*release)(void *budget_data, uint64_t bytes);
    void *budget_data;

    /* Of a runtime's warm-up: called once, when the guest opens `checkpoint_path` (without the first slash) beneath "/".
     * False stops the guest with ADK__WASI_INTERRUPT. */
    bool (*checkpoint)(void *checkpoint_data);
    void *checkpoint_data;
    const char *checkpoint_path;
    /* Of a session, which sets `checkpoint` again: then the guest opens `checkpoint_path`, a slash and a number, and finds
     * what lies at `checkpoint_path`. */
    bool checkpoint_numbered;
    uint32_t checkpoint_number;

    adk__vfs_image *image; /* what "/" shows at first, or NULL for an empty directory */
    uint64_t files_bytes;  /* limits of the tree, as adk__vfs_options has them */
    uint64_t files_inodes;
    uint32_t files_open; /* descriptors open at once, the streams and "/" included; at most and by default 4096 */
} adk__wasi_setup;

/**
 * Makes a context, which is reused from run to run; NULL where there is no memory.
 *
 * The caller sets `memory` before each call, and reads `stop` after each.
 */
adk__wasi *adk__wasi_new(void);
void adk__wasi_free(adk__wasi *wasi);

/** Begins a run. Cheap: takes no memory and makes no system call. */
void adk__wasi_begin(adk__wasi *wasi, const adk__wasi_setup *setup);

/** What adk__wasi_begin() was given, for what only some runs have to be set before the guest starts. */
adk__wasi_setup *adk__wasi_setup_of(adk__wasi *wasi);

/**
 * At a checkpoint: another request takes the place of the one that the warm-up had, in a process of its own. Clocks begin
 * anew (the monotonic one goes on from where the warm-up has left it), random numbers and standard input too; the tree and
 * the descriptors stay. Nobody has to be charged for more.
 */
void adk__wasi_resume(adk__wasi *wasi, const adk_request *request, uint64_t began_ns);

/** Ends a run: everything of it is released, nothing of it can reach the next. */
void adk__wasi_end(adk__wasi *wasi);

/**
 * The run's tree, for the host to put files in before the guest starts (and then call adk__vfs_mark()). It is made by
 * the first call, or by the guest's first use of a file: a run that does neither pays nothing for having one.
 *
 * Ownership: *ret_vfs is borrowed until adk__wasi_end().
 * Errors:    those of adk__vfs_new(); *ret_vfs is then not written.
 */
int adk__wasi_files(adk__wasi *wasi, adk__vfs **ret_vfs);

/** The run's tree if there is one, or NULL: for the host to walk after the run. Borrowed until adk__wasi_end(). */
adk__vfs *adk__wasi_files_made(const adk__wasi *wasi);

/**
 * Preopens a directory of the run's tree under a name, beside "/": for programs that look for it by that name.
 *
 * Ownership: `name` is borrowed until adk__wasi_end(), `dir` for the call.
 * Errors:    a WASI errno: no descriptor is free, or no memory for it.
 */
uint16_t adk__wasi_preopen(adk__wasi *wasi, const char *name, uint32_t name_size, adk__vfs_inode *dir);

/** The part of a context that the caller of WASI functions uses; the first member of the context. */
typedef struct adk__wasi_call {
    adk__wasi_memory memory;
    adk__wasi_stop stop;
    uint32_t exit_code;
} adk__wasi_call;

static inline adk__wasi_call *adk__wasi_call_of(adk__wasi *wasi)
{
    return (adk__wasi_call *)wasi;
}

/** A function's body: `args` in the order of its parameters, i32 zero-extended. Returns a WASI errno. */
typedef uint16_t (*adk__wasi_fn)(adk__wasi *wasi, const uint64_t *args);

#define ADK__WASI_PARAMS_MAX 9

/** A function as guests import it: parameters as letters (i: i32, I: i64), always with one i32 result or none. */
typedef struct adk__wasi_function {
    const char *name;
    const char *params;
    bool has_result;
    adk__wasi_fn fn;
} adk__wasi_function;

/** The import module wasi_snapshot_preview1, in the order of its names. */
#define ADK__WASI_FUNCTIONS 46
extern const adk__wasi_function adk__wasi_functions[ADK__WASI_FUNCTIONS];

/** The older import module wasi_unstable: no sock_accept, and four functions with another ABI. */
#define ADK__WASI_UNSTABLE_FUNCTIONS 45
extern const adk__wasi_function adk__wasi_unstable_functions[ADK__WASI_UNSTABLE_FUNCTIONS];

#endif
