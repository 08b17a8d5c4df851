/*
 * Modules that did not compile in the time there was: asked for again with hardly more, they are not tried again.
 */
#ifndef ADK_WASM_SLOW_H
#define ADK_WASM_SLOW_H

#include <stdint.h>

#include "wasm/front.h"

typedef struct adk__slow_module {
    uint64_t hash;
    uint64_t flavour;
    size_t size;
    uint64_t ran_ns;   /* for so long it was compiled without an end */
    uint64_t until_ns; /* forgotten then; 0: nothing */
} adk__slow_module;

typedef struct adk__slow {
    adk__slow_module modules[64];
    uint32_t next;
} adk__slow;

/** A module that was compiled for `ran_ns` without an end. */
void adk__slow_remember(adk__slow *slow, const adk__front_key *key, uint64_t ran_ns);

/** For how long it was tried in vain, where the time until the deadline is not worth another try; 0 where it is. */
uint64_t adk__slow_ran_ns(const adk__slow *slow, const adk__front_key *key, uint64_t deadline_ns);

#endif
