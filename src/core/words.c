#include "core/words.h"

#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/error.h"

#define SEED_BYTES 16
#define DIRECTORY  ".adk"

static int add(adk__buf *to, adk_bytes bytes, const char *end)
{
    int failed = adk__buf_append(to, bytes.data, bytes.size);

    return failed ? failed : adk__buf_append(to, end, 1);
}

static int add_seed(const adk_request *request, adk__buf *words)
{
    uint8_t seed[crypto_generichash_BYTES_MIN];
    char text[2 * SEED_BYTES + 1];

    _Static_assert(sizeof(seed) >= SEED_BYTES, "a hash is as long as a seed");
    if ((request->flags & ADK_REQUEST_SEED) != 0)
        (void)crypto_generichash(seed, sizeof(seed), (const uint8_t *)&request->random_seed,
                                 sizeof(request->random_seed), NULL, 0);
    else if (getrandom(seed, SEED_BYTES, 0) != SEED_BYTES)
        return -EIO;
    (void)sodium_bin2hex(text, sizeof(text), seed, SEED_BYTES);
    return add(words, adk_bytes_from_cstr(text), "");
}

int adk__words_put(const adk_request *request, const char *marks_cstr, adk__buf *words)
{
    char count[24];
    int failed = add_seed(request, words);

    (void)snprintf(count, sizeof(count), "%zu", request->args_count);
    if (!failed)
        failed = add(words, adk_bytes_from_cstr(marks_cstr), "");
    if (!failed)
        failed = add(words, adk_bytes_from_cstr(count), "");
    for (size_t i = 0; i < request->args_count && !failed; i++)
        failed = add(words, request->args[i], "");
    for (size_t i = 0; i < request->env_count && !failed; i++) {
        failed = add(words, request->env[i].name, "=");
        if (!failed)
            failed = add(words, request->env[i].value, "");
    }
    return failed;
}

/* Without what a path may begin with and that means nothing: slashes, and components that are a dot. */
static adk_bytes plain(adk_bytes path)
{
    const char *text = path.data;

    while (path.size > 0 && (*text == '/' || (*text == '.' && (path.size == 1 || text[1] == '/')))) {
        text++;
        path.size--;
    }
    return adk_bytes_make(text, path.size);
}

int adk__words_check_files(const adk_request *request, adk_error **ret_error)
{
    const size_t length = strlen(DIRECTORY);

    for (size_t i = 0; i < request->files_count; i++) {
        adk_bytes path = plain(request->files[i].path);

        if (path.size >= length && memcmp(path.data, DIRECTORY, length) == 0 &&
            (path.size == length || ((const char *)path.data)[length] == '/'))
            return adk__fail(ret_error, ADK_E_INVALID, 0,
                             "files[%zu] is in \"/" DIRECTORY "\", where programs are brought in", i);
    }
    return ADK_OK;
}
