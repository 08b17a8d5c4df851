/*
 * A binary heap of nodes that sit in the objects they order: the smallest key is at hand, any node can be taken out.
 */
#ifndef ADK_CORE_EXECUTOR_HEAP_H
#define ADK_CORE_EXECUTOR_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct adk__heap_node {
    uint64_t key;
    size_t place; /* one more than its index; 0 where it is in no heap */
} adk__heap_node;

typedef struct adk__heap {
    adk__heap_node **nodes; /* the owner made room for all there can be */
    size_t count;
} adk__heap;

/** The node with the smallest key, or NULL. */
static inline adk__heap_node *adk__heap_first(const adk__heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}

static inline bool adk__heap_has(const adk__heap_node *node)
{
    return node->place != 0;
}

/** Puts a node in, or moves it where it is in already. */
void adk__heap_set(adk__heap *heap, adk__heap_node *node, uint64_t key);

/** Takes a node out; nothing happens where it is not in. */
void adk__heap_remove(adk__heap *heap, adk__heap_node *node);

#endif
