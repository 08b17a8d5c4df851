/*
 * The module cache's way to the disk: by what name a module is kept there, and what is kept beside its code.
 */
#include <unistd.h>

#include "base/cleanup.h"
#include "wasm/cache.h"

/* What is smaller compiles in hardly more time than it takes to find it. */
#define DISK_MIN_BYTES ((size_t)1 << 10)

/* The name under which a module is kept for the engines of its flavour. */
static bool name_on_disk(adk__cache *cache, const adk__cache_wish *wish, adk__disk_name *ret_name)
{
    adk__shard *shard;

    if (cache->disk == NULL || wish->code.size < DISK_MIN_BYTES ||
        adk__engines_shard(cache->engines, wish->flavour, wish->shard, &shard, NULL) != ADK_OK)
        return false;
    return adk__disk_name_of(wish->code, adk_engine_compatibility(shard->engine) ^ wish->flavour, wish->interrupt,
                             ret_name);
}

adk__module *adk__cache_find_on_disk(adk__cache *cache, const adk__cache_wish *wish, adk__refusal *refusal)
{
    adk__disk_name name;
    adk__disk_notes notes;
    adk_engine_split split;
    adk__module *module = NULL;
    int fd;

    if (!name_on_disk(cache, wish, &name))
        return NULL;
    fd = adk__disk_get(cache->disk, &name, wish->interrupt, &notes);
    if (fd < 0)
        return NULL;
    split = (adk_engine_split){notes.words[0], (uint32_t)notes.words[1], notes.words[2] != 0};
    if (adk__module_load(cache->engines, wish->flavour, wish->shard, fd, &split, refusal, &module, NULL) != ADK_OK)
        return NULL;
    return module;
}

void adk__cache_keep(adk__cache *cache, const adk__cache_wish *wish, adk__module *module)
{
    const adk_engine_split *split = &module->split;
    const adk__disk_notes notes = {{split->code_shift, split->first_helper, split->is_exact, 0}};
    adk__disk_name name;
    int fd;

    if (!name_on_disk(cache, wish, &name) || adk__disk_has(cache->disk, &name))
        return;
    fd = adk__module_code(module);
    if (fd < 0)
        return;
    (void)adk__disk_put(cache->disk, &name, fd, &notes);
    (void)close(fd);
}
