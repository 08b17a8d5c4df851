/*
 * The memory budget of a run: linear memory, tables (8 bytes an element) and files, together under one limit.
 */
#ifndef ADK_WASM_BUDGET_H
#define ADK_WASM_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

typedef struct adk__budget {
    uint64_t limit_bytes;
    uint64_t used_bytes;
    uint64_t peak_bytes;
    uint64_t denied;        /* how many wishes were refused */
    uint64_t pending_bytes; /* of the growth that was last allowed, in case the engine fails it */
    uint64_t table_elements;
    bool tables_refused; /* the last refusal was for the tables' own limit */
    uint64_t pending_elements;
    uint64_t peak_before_bytes;
    bool last_growth_refused; /* of memory or table */
} adk__budget;

static inline void adk__budget_begin(adk__budget *budget, uint64_t limit_bytes)
{
    *budget = (adk__budget){.limit_bytes = limit_bytes};
}

static inline bool adk__budget_charge(adk__budget *budget, uint64_t bytes)
{
    if (bytes > budget->limit_bytes - budget->used_bytes) {
        budget->denied++;
        return false;
    }
    budget->used_bytes += bytes;
    if (budget->used_bytes > budget->peak_bytes)
        budget->peak_bytes = budget->used_bytes;
    return true;
}

static inline void adk__budget_release(adk__budget *budget, uint64_t bytes)
{
    budget->used_bytes -= bytes;
}

#endif
