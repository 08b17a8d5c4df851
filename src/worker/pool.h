/*
 * Workers of one kind, as the library sees them: started, warmed, replaced; and seats, children forked ahead of need.
 */
#ifndef ADK_WORKER_POOL_H
#define ADK_WORKER_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <adk/error.h>

#include "adk_engine.h"
#include "base/interrupt.h"
#include "base/process.h"
#include "worker/protocol.h"

typedef struct adk__pool adk__pool;
typedef struct adk__pool_worker adk__pool_worker;

#define ADK__POOL_STOCK_MAX 16

typedef struct adk__pool_setup {
    const char *path_cstr; /* of adk-worker; borrowed */
    const char *entry_cstr;
    uint64_t stack_bytes; /* that a guest's calls may take */
    uint32_t flavour;
    bool is_narrow;
    bool is_image;
    int exchange_fd; /* of an image; the pool's own from here on */
    int code_fd;     /* the same */
    adk_engine_split split;
    uint64_t warmup_ns;
    uint32_t renew_runs;
    uint32_t stock;
} adk__pool_setup;

/** Makes a pool; no worker is started. The descriptors of the setup are taken, also on failure. */
ADK_MUST_USE int adk__pool_new(const adk__pool_setup *setup, adk__pool **ret_pool, adk_error **ret_error);

/** No seat is taken. Waits until the workers are gone. NULL is fine. */
void adk__pool_free(adk__pool *pool);

/** A child that waits for its order. */
typedef struct adk__seat {
    adk__pool_worker *worker; /* NULL: there is none */
    int run;                  /* its channel */
    int news;                 /* what the worker says of it */
    int pidfd;
} adk__seat;

/** Kills a seat's child. */
void adk__seat_kill(const adk__seat *seat);

/** Closes a seat's descriptors, in a process that has only a copy of it. */
void adk__seat_close(adk__seat *seat);

/**
 * Takes a seat for a run, or one that is made for a session; starts or replaces a worker where that is needed. seat->worker stays NULL where the run must stop before
 * there is one. ADK_E_UNAVAILABLE, with the reason, where workers cannot be started or keep dying.
 */
ADK_MUST_USE int adk__pool_take(adk__pool *pool, bool is_session, adk__interrupt *interrupt, adk__seat *ret_seat,
                                adk_error **ret_error);

/**
 * Forks the process of a seat, which is a session at rest: *ret_seat is the branch's, or has no worker where the interrupt
 * came first. ADK_E_UNAVAILABLE where the process does not fork, or the worker has gone.
 */
ADK_MUST_USE int adk__pool_branch(adk__pool *pool, const adk__seat *seat, const adk__worker_opening *opening,
                                  adk__interrupt *interrupt, adk__seat *ret_seat, adk_error **ret_error);

/** How a seat's child has ended. */
typedef enum adk__seat_end {
    ADK__SEAT_WELL,   /* by itself, or because we killed it */
    ADK__SEAT_CRASH,  /* by a signal that we did not send: whoever did that may know the image's layout */
    ADK__SEAT_ORPHAN, /* nobody knows: the worker has gone, or does not answer */
} adk__seat_end;

/** Gives a seat back, whose child has ended or is killed here. A seat of the parent's is closed, and no more. */
void adk__pool_give(adk__pool *pool, adk__seat *seat, adk__seat_end end);

/** How many forks lie between this process and the first: a seat that was taken before the last is the parent's. */
unsigned adk__pool_generation(void);

/** What the worker that serves now has around it, and its engine's number; starts one where there is none. */
ADK_MUST_USE int adk__pool_describe(adk__pool *pool, adk__interrupt *interrupt, uint32_t *ret_walls,
                                    uint64_t *ret_compatibility, adk_error **ret_error);

#endif
