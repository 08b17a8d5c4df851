/*
 * Makes modules that are always valid from the input's bytes, and runs them: random bytes hardly ever get past
 * validation, and then they do little.
 *
 * Memory begins with names and buffer lists at fixed places (as in fuzz_wasi.c), so that calls of WASI get further than
 * their first check. ADK_FUZZ_MODULE=FILE keeps the module that was made last.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "generated.h"

static void put_name(out *o, const char *name)
{
    gen_put_unsigned(o, strlen(name));
    gen_put_bytes(o, name, strlen(name));
}

/* Appends `part` with its size before it, and frees it. */
static void put_part(out *o, out *part)
{
    gen_put_unsigned(o, part->size);
    gen_put_bytes(o, part->data, part->size);
    free(part->data);
}

static void put_section(out *module, uint8_t id, out *section)
{
    gen_put(module, id);
    put_part(module, section);
}

static void choose_imports(generator *g)
{
    g->imports_count = gen_take(g, IMPORTS_MAX + 1);
    for (uint32_t i = 0; i < g->imports_count; i++) {
        const adk__wasi_function *f = &adk__wasi_functions[gen_take(g, ADK__WASI_FUNCTIONS)];
        signature *s = &g->types[i];

        g->imports[i] = f;
        for (; f->params[s->params_count] != '\0'; s->params_count++)
            s->params[s->params_count] = f->params[s->params_count] == 'i' ? I32 : I64;
        s->results[0] = I32;
        s->results_count = f->has_result;
    }
}

/* The first function of ours is () -> (): it is the entry. */
static void choose_functions(generator *g)
{
    uint32_t count = 1 + gen_take(g, FUNCTIONS_MAX);

    for (uint32_t i = 0; i < count; i++) {
        signature *s = &g->types[g->imports_count + i];

        s->params_count = i == 0 ? 0 : gen_take(g, 4);
        s->results_count = i == 0 ? 0 : gen_take(g, 3);
        for (size_t k = 0; k < s->params_count; k++)
            s->params[k] = number_types[gen_take(g, 5)];
        for (size_t k = 0; k < s->results_count; k++)
            s->results[k] = number_types[gen_take(g, 5)];
    }
    g->functions_count = g->imports_count + count;
}

static void put_types(generator *g, out *module)
{
    out section = gen_new_part();

    gen_put_unsigned(&section, g->functions_count);
    for (uint32_t i = 0; i < g->functions_count; i++) {
        gen_put(&section, 0x60);
        gen_put_unsigned(&section, g->types[i].params_count);
        gen_put_bytes(&section, g->types[i].params, g->types[i].params_count);
        gen_put_unsigned(&section, g->types[i].results_count);
        gen_put_bytes(&section, g->types[i].results, g->types[i].results_count);
    }
    put_section(module, 1, &section);
}

static void put_imports_and_functions(generator *g, out *module)
{
    out imports = gen_new_part();
    out functions = gen_new_part();

    gen_put_unsigned(&imports, g->imports_count);
    for (uint32_t i = 0; i < g->imports_count; i++) {
        put_name(&imports, "wasi_snapshot_preview1");
        put_name(&imports, g->imports[i]->name);
        gen_put(&imports, 0);
        gen_put_unsigned(&imports, i);
    }
    gen_put_unsigned(&functions, g->functions_count - g->imports_count);
    for (uint32_t i = g->imports_count; i < g->functions_count; i++)
        gen_put_unsigned(&functions, i);
    put_section(module, 2, &imports);
    put_section(module, 3, &functions);
}

/* Small more often than not. A maximum may be given. */
static void put_limits(generator *g, out *section, uint64_t small, size_t large_bytes)
{
    uint32_t sort = gen_take(g, 32);
    uint64_t least = sort == 31 ? fuzz_take(&g->in, large_bytes) : small;

    gen_put(section, sort & 1);
    gen_put_unsigned(section, least);
    if ((sort & 1) != 0)
        gen_put_unsigned(section, least + (least < 0xFFFF ? gen_take(g, 4) : 0));
}

static void put_storage(generator *g, out *module)
{
    out tables = gen_new_part();
    out memory = gen_new_part();
    out globals = gen_new_part();

    gen_put_unsigned(&tables, TABLES);
    for (int i = 0; i < TABLES; i++) {
        gen_put(&tables, FUNCREF);
        put_limits(g, &tables, 8, 3);
    }
    gen_put_unsigned(&memory, 1);
    put_limits(g, &memory, 1, 2);
    gen_put_unsigned(&globals, GLOBALS);
    for (uint32_t i = 0; i < GLOBALS; i++) {
        gen_put(&globals, number_types[i % 5]);
        gen_put(&globals, i < 5);
        g->code = globals;
        gen_constant(g, number_types[i % 5]);
        globals = g->code;
        gen_put(&globals, 0x0B);
    }
    put_section(module, 4, &tables);
    put_section(module, 5, &memory);
    put_section(module, 6, &globals);
}

static void put_exports(generator *g, out *module)
{
    out section = gen_new_part();
    uint32_t sort = gen_take(g, 8);

    gen_put_unsigned(&section, sort == 7 ? 3 : 2);
    put_name(&section, "memory");
    gen_put(&section, 2);
    gen_put(&section, 0);
    put_name(&section, sort == 6 ? "_initialize" : "_start");
    gen_put(&section, 0);
    gen_put_unsigned(&section, g->imports_count);
    if (sort == 7) {
        put_name(&section, "_initialize");
        gen_put(&section, 0);
        gen_put_unsigned(&section, g->imports_count);
    }
    put_section(module, 7, &section);
    if (sort == 5) {
        section = gen_new_part();
        gen_put_unsigned(&section, g->imports_count);
        put_section(module, 8, &section);
    }
}

/* One segment that fills a table, one for table.init, and one that declares all functions, so that ref.func may be used. */
static void put_elements(generator *g, out *module)
{
    out section = gen_new_part();

    gen_put_unsigned(&section, 3);
    for (int flags = 0; flags < 4; flags += flags == 1 ? 2 : 1) {
        gen_put(&section, (unsigned)flags);
        if (flags == 0) {
            gen_put(&section, 0x41);
            gen_put_signed(&section, gen_take(g, 16) == 15 ? 7 : 0);
            gen_put(&section, 0x0B);
        } else {
            gen_put(&section, 0);
        }
        gen_put_unsigned(&section, g->functions_count);
        for (uint32_t i = 0; i < g->functions_count; i++)
            gen_put_unsigned(&section, i);
    }
    put_section(module, 9, &section);
}

static void put_data(generator *g, out *module)
{
    static const char names[16][16] = {"a",  "b",  "c",      "d",   "a/b",  "c/d",   "../a", ".",
                                       "..", "a/", "b/../c", "new", "link", "x/y/z", "\xff", ""};
    out section = gen_new_part();
    adk_bytes given = fuzz_take_bytes(&g->in, gen_take(g, 32));

    gen_put_unsigned(&section, 3);
    for (int i = 0; i < 2; i++) {
        gen_put(&section, 0);
        gen_put(&section, 0x41);
        gen_put_signed(&section, i == 0 ? NAMES_AT : BUFFERS_AT);
        gen_put(&section, 0x0B);
        gen_put_unsigned(&section, i == 0 ? 16 * 16 : 4 * 8);
        for (size_t k = 0; i == 0 && k < 16; k++)
            gen_put_bytes(&section, names[k], 16);
        for (uint32_t k = 0; i == 1 && k < 4; k++) {
            uint32_t buffer[2] = {gen_take(g, 255) * 64, gen_take(g, 256)};

            gen_put_bytes(&section, buffer, sizeof(buffer));
        }
    }
    gen_put(&section, 1);
    gen_put_unsigned(&section, given.size);
    gen_put_bytes(&section, given.data, given.size);
    put_section(module, 11, &section);
}

static void put_code(generator *g, out *module)
{
    out counts = gen_new_part();
    out section = gen_new_part();

    gen_put_unsigned(&counts, 3);
    put_section(module, 12, &counts);
    gen_put_unsigned(&section, g->functions_count - g->imports_count);
    for (uint32_t i = g->imports_count; i < g->functions_count; i++) {
        out body = gen_make_body(g, i);

        put_part(&section, &body);
    }
    put_section(module, 10, &section);
}

/* Names of functions, of whatever bytes: they come back in backtraces. */
static void put_function_names(generator *g, out *module)
{
    out section = gen_new_part();
    out names = gen_new_part();

    put_name(&section, "name");
    gen_put(&section, 1);
    gen_put_unsigned(&names, g->functions_count);
    for (uint32_t i = 0; i < g->functions_count; i++) {
        adk_bytes name = fuzz_take_bytes(&g->in, gen_take(g, 8));

        gen_put_unsigned(&names, i);
        gen_put_unsigned(&names, name.size);
        gen_put_bytes(&names, name.data, name.size);
    }
    put_part(&section, &names);
    put_section(module, 0, &section);
}

static out make_module(fuzz_input in)
{
    generator g = {.in = in, .left = NODES_MAX};
    out module = gen_new_part();

    gen_put_bytes(&module, "\0asm\1\0\0", 8);
    choose_imports(&g);
    choose_functions(&g);
    put_types(&g, &module);
    put_imports_and_functions(&g, &module);
    put_storage(&g, &module);
    put_exports(&g, &module);
    put_elements(&g, &module);
    put_code(&g, &module);
    put_data(&g, &module);
    put_function_names(&g, &module);
    return module;
}

static void write_module(const char *path, const out *module)
{
    FILE *file = fopen(path, "wb");

    fuzz_require(file != NULL, "a file for the module");
    (void)fwrite(module->data, 1, module->size, file);
    (void)fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    adk_request request = ADK_REQUEST_INIT;
    out module;

    fuzz_choose(&in, &request);
    module = make_module(in);
    if (getenv("ADK_FUZZ_MODULE") != NULL)
        write_module(getenv("ADK_FUZZ_MODULE"), &module);
    request.code = adk_bytes_make(module.data, module.size);
    fuzz_run(&request, true);
    free(module.data);
    return 0;
}
