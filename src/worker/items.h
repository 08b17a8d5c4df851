/*
 * How a request lies in the exchange: this struct, then code, standard input, arguments, environment (name and value of
 * each), outputs, inputs (kind, path, content of each).
 */
#ifndef ADK_WORKER_ITEMS_H
#define ADK_WORKER_ITEMS_H

#include "worker/exchange.h"

typedef struct adk__exchange_items {
    adk__exchange_orders orders;
    uint64_t memory_limit_bytes;
    uint64_t output_limit_bytes;
    uint64_t outputs_limit_bytes;
    uint64_t timeout_ns;
    uint64_t fuel;
    uint64_t random_seed;
    uint64_t clock_start_ns;
    uint64_t args_count;
    uint64_t env_count;
    uint64_t outputs_count;
    uint64_t inputs_count;
    uint32_t language;
    uint32_t output_policy;
    uint32_t flags;
    uint32_t streams;
} adk__exchange_items;
_Static_assert(sizeof(adk__exchange_items) % 8 == 0, "what follows is aligned");

#endif
