/*
 * The negative cache of compilation: a handful of modules, the oldest going first.
 */
#include "wasm/slow.h"

#include "base/cleanup.h"
#include "base/clock.h"

/* A compilation that ended later than this without success is remembered for so long. */
#define MIN_NS  UINT64_C(10000000)
#define KEPT_NS UINT64_C(30000000000)

static const adk__slow_module *find(const adk__slow *slow, const adk__front_key *key)
{
    for (size_t i = 0; i < ADK_COUNT(slow->modules); i++) {
        const adk__slow_module *module = &slow->modules[i];

        if (module->until_ns != 0 && module->hash == key->hash && module->flavour == key->flavour &&
            module->size == key->source.size)
            return module;
    }
    return NULL;
}

void adk__slow_remember(adk__slow *slow, const adk__front_key *key, uint64_t ran_ns)
{
    const adk__slow_module *known = find(slow, key);
    adk__slow_module *module;

    if (ran_ns < MIN_NS)
        return;
    if (known != NULL) {
        module = &slow->modules[known - slow->modules];
    } else {
        module = &slow->modules[slow->next++ % ADK_COUNT(slow->modules)];
        module->ran_ns = 0;
    }
    module->hash = key->hash;
    module->flavour = key->flavour;
    module->size = key->source.size;
    module->ran_ns = ran_ns > module->ran_ns ? ran_ns : module->ran_ns;
    module->until_ns = adk__add_saturated(adk__now_ns(), KEPT_NS);
}

/* Half as much again as it had is worth another try. */
uint64_t adk__slow_ran_ns(const adk__slow *slow, const adk__front_key *key, uint64_t deadline_ns)
{
    const adk__slow_module *module = find(slow, key);
    uint64_t now_ns = adk__now_ns();

    if (module == NULL || now_ns > module->until_ns ||
        adk__add_saturated(now_ns, module->ran_ns + module->ran_ns / 2) < deadline_ns)
        return 0;
    return module->ran_ns;
}
