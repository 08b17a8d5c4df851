/*
 * Modules: from source, binary or text, to code that is ready to be instantiated in each shard.
 */
#ifndef ADK_WASM_MODULE_H
#define ADK_WASM_MODULE_H

#include <stdbool.h>

#include "adk_engine.h"

#include <adk/result.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/interrupt.h"
#include "base/lines.h"
#include "wasm/engine.h"
#include "wasm/source.h"

/** What a module is in one shard. On lines of its own, as runs on that core count themselves in and out here. */
typedef struct adk__module_form {
    _Alignas(ADK__CACHE_LINE) wasmtime_module_t *module;
    _Atomic(wasmtime_instance_pre_t *) pre;
    atomic_uint holders; /* who has it by way of this shard; together they have one reference */
} adk__module_form;

/**
 * A module of one flavour. Immutable but for the shards it is made available in. Lives as long as it has references, which
 * all cores share, or holders in a shard.
 */
typedef struct adk__module {
    atomic_uint references;
    adk__engines *engines; /* whose lock is that of making it available */
    uint32_t flavour;
    bool has_initialize;
    bool has_entry;
    bool gives_code;     /* its entry is () -> i32: of an installed runtime only */
    uint64_t cost_bytes; /* of memory, roughly: for the cache */
    int code_fd;         /* a sealed file with the code, or -1 */
    adk_engine_split split;
    wasmtime_module_t *origin; /* after a fork: the module of an engine that is not used any more */
    struct adk__module *prev;  /* in the engines' list */
    struct adk__module *next;
    adk__module_form shards[]; /* shard_count of them */
} adk__module;

/**
 * Compiles a module in the shard of that index. A refusal is a success of the call: *ret_module stays unwritten, and
 * ret_refusal says why. The interrupt is looked at where that is possible; the caller looks once more.
 */
ADK_MUST_USE int adk__module_compile(adk__engines *engines, uint32_t flavour, uint32_t shard, adk_bytes code,
                                     adk__interrupt *interrupt, adk__refusal *ret_refusal, adk__module **ret_module,
                                     adk_error **ret_error);

/**
 * As above, from the code in a sealed file that the compiling helper wrote, and how it split bulk instructions up. Takes
 * `code_fd`, also on failure.
 */
ADK_MUST_USE int adk__module_load(adk__engines *engines, uint32_t flavour, uint32_t shard, int code_fd,
                                  const adk_engine_split *split, adk__refusal *ret_refusal, adk__module **ret_module,
                                  adk_error **ret_error);

/** The code in a file in memory, which the caller closes; -1 where that fails. */
int adk__module_code(const adk__module *module);

/** Makes it available in a shard, where it is not yet, and gives what instantiates it there. */
ADK_MUST_USE int adk__module_in_shard(adk__module *module, adk__shard *shard, const wasmtime_instance_pre_t **ret_pre,
                                      adk_error **ret_error);

/**
 * In a child that was forked, with the engines' lock held: another thread may have held a lock within an engine at that
 * moment, so the child makes engines of its own, and modules available in them from the code they have. The old engines
 * stay, for a run that the fork took place in.
 */
void adk__modules_forked(adk__engines *engines);

adk__module *adk__module_ref(adk__module *module);
void adk__module_unref(adk__module *module);

/** Makes the caller, who knows that the module lives, a holder in a shard. */
void adk__module_hold(adk__module *module, uint32_t shard);

/** The same where another is known to hold it there meanwhile: touches nothing that other cores write. */
void adk__module_hold_again(adk__module *module, uint32_t shard);

/** Ends what the above began; NULL is fine. */
void adk__module_release(adk__module *module, uint32_t shard);
ADK_DEFINE_AUTO(adk__module, adk__module_unref);

#endif
