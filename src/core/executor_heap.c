/*
 * The heap as in every textbook; each node knows its place, so that one in the middle is found without a search.
 */
#include "core/executor_heap.h"

static void put(adk__heap *heap, size_t at, adk__heap_node *node)
{
    heap->nodes[at] = node;
    node->place = at + 1;
}

static size_t rise(adk__heap *heap, size_t at, const adk__heap_node *node)
{
    while (at > 0 && heap->nodes[(at - 1) / 2]->key > node->key) {
        put(heap, at, heap->nodes[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    return at;
}

static size_t sink(adk__heap *heap, size_t at, const adk__heap_node *node)
{
    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key)
            child++;
        if (child >= heap->count || heap->nodes[child]->key >= node->key)
            return at;
        put(heap, at, heap->nodes[child]);
        at = child;
    }
}

void adk__heap_set(adk__heap *heap, adk__heap_node *node, uint64_t key)
{
    size_t at = adk__heap_has(node) ? node->place - 1 : heap->count++;

    node->key = key;
    at = rise(heap, at, node);
    put(heap, sink(heap, at, node), node);
}

void adk__heap_remove(adk__heap *heap, adk__heap_node *node)
{
    size_t at = node->place - 1;
    adk__heap_node *last;

    if (!adk__heap_has(node))
        return;
    node->place = 0;
    last = heap->nodes[--heap->count];
    if (last == node)
        return;
    at = rise(heap, at, last);
    put(heap, sink(heap, at, last), last);
}
