/*
 * Compiling in the helper program adk-worker: one process a module, with a limit on its memory and no privileges, killed
 * when nobody waits for it any more.
 *
 * A job is owned by one thread at a time; who that is, is the module cache's affair.
 */
#ifndef ADK_WASM_COMPILER_H
#define ADK_WASM_COMPILER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <adk/wasm.h>

#include "base/interrupt.h"
#include "wasm/source.h"
#include "worker/protocol.h"

/** How a backend compiles out of process. Immutable but for the count. */
typedef struct adk__compilers {
    char *path; /* of adk-worker, or NULL */
    bool is_there;
    uint64_t memory_bytes;
    uint32_t max;     /* processes at once */
    atomic_uint used; /* those there are, the dying included */
} adk__compilers;

ADK_MUST_USE int adk__compilers_init(adk__compilers *compilers, const adk_wasm_options *options, adk_error **ret_error);

/** Waits until the last process is gone. No job is left. */
void adk__compilers_destroy(adk__compilers *compilers);

typedef struct adk__compilation adk__compilation;

/** What is compiled, and how. */
typedef struct adk__compilation_wish {
    uint32_t flavour;
    bool is_narrow;
    adk_bytes code; /* binary or text; copied */
} adk__compilation_wish;

/** Makes a job; its process starts with a later step. Fails with ADK_E_UNAVAILABLE, ADK_E_NOMEM or ADK_E_SYSTEM. */
ADK_MUST_USE int adk__compilation_new(adk__compilers *compilers, const adk__compilation_wish *wish,
                                      adk__compilation **ret_job, adk_error **ret_error);

/** What became of a job. */
typedef struct adk__compilation_end {
    int code_fd;            /* the code in a sealed file, the caller's; -1 where the module was refused */
    adk_engine_split split; /* of that code */
    adk__refusal *refusal;
    adk_error **ret_error;
} adk__compilation_end;

/**
 * Carries a job on for some milliseconds, or until the interrupt says stop. *ret_done says that it has ended: then the
 * returned status is the job's. Fails as adk__compilation_new() does.
 */
ADK_MUST_USE int adk__compilation_step(adk__compilation *job, adk__interrupt *interrupt, adk__compilation_end *end,
                                       bool *ret_done);

/** Of a step: takes the helper's answer, `size` bytes in all, from wherever it came. Returns the job's status. */
ADK_MUST_USE int adk__compilation_judge(adk__compilation *job, const adk__worker_verdict *verdict, size_t size,
                                        adk__compilation_end *end);

/** Where its code is written. Of use to tests. */
int adk__compilation_code_fd(const adk__compilation *job);

/** How long the job's process has been running. */
uint64_t adk__compilation_ran_ns(const adk__compilation *job);

/** Ends a job, whatever it has come to. Does not wait for its process. */
void adk__compilation_free(adk__compilation *job);

/** In a child that was forked: forgets a job whose process belongs to the parent. */
void adk__compilation_forget(adk__compilation *job);

#endif
