/*
 * Random numbers: the kernel's, or a stream that a seed determines.
 *
 * The seeded stream is ChaCha20 with a 64-bit nonce of zero. Its key is the seed in little-endian order followed by 24
 * fixed bytes. It goes on from call to call, byte by byte: n bytes and then m are the same as n + m at once. Changing it
 * changes what recorded seeds give, so it does not change.
 */
#include <errno.h>
#include <sodium/crypto_stream_chacha20.h>
#include <string.h>
#include <sys/random.h>

#include "wasi/context.h"

#define PIECE ((uint64_t)64 << 10) /* between two looks at the interrupt */
#define BLOCK 64U                  /* of ChaCha20 */

static const uint8_t zero_nonce[crypto_stream_chacha20_NONCEBYTES];

static void make_key(uint64_t seed, uint8_t key[crypto_stream_chacha20_KEYBYTES])
{
    static const char label[] = "adk-sandbox random_get 1";

    _Static_assert(sizeof label - 1 + sizeof seed == crypto_stream_chacha20_KEYBYTES, "the key is full");
    adk__wasi_put64(key, seed);
    memcpy(key + sizeof seed, label, sizeof label - 1);
}

/* Fills out the end of a block begun by an earlier call, or begins one: fewer bytes than a block. */
static void fill_within_block(adk__wasi_random *random, const uint8_t *key, uint8_t *to, size_t size)
{
    uint8_t block[BLOCK] = {0};

    (void)crypto_stream_chacha20_xor_ic(block, block, sizeof block, zero_nonce, random->position / BLOCK, key);
    memcpy(to, block + random->position % BLOCK, size);
    random->position += size;
}

static void fill_blocks(adk__wasi_random *random, const uint8_t *key, uint8_t *to, size_t size)
{
    memset(to, 0, size);
    (void)crypto_stream_chacha20_xor_ic(to, to, size, zero_nonce, random->position / BLOCK, key);
    random->position += size;
}

static void fill_seeded(adk__wasi_random *random, uint8_t *to, size_t size)
{
    uint8_t key[crypto_stream_chacha20_KEYBYTES];
    size_t rest = (size_t)(-random->position % BLOCK); /* of the block begun */
    size_t whole;

    make_key(random->seed, key);
    if (rest > 0) {
        rest = rest < size ? rest : size;
        fill_within_block(random, key, to, rest);
        to += rest;
        size -= rest;
    }
    whole = size - size % BLOCK;
    if (whole > 0)
        fill_blocks(random, key, to, whole);
    if (size > whole)
        fill_within_block(random, key, to + whole, size - whole);
}

static bool fill_real(uint8_t *to, size_t size)
{
    ssize_t got;

    for (size_t done = 0; done < size; done += (size_t)got) {
        got = getrandom(to + done, size - done, 0);
        if (got < 0 && errno == EINTR)
            got = 0;
        if (got < 0)
            return false;
    }
    return true;
}

uint16_t adk__wasi_do_random_get(adk__wasi *wasi, const uint64_t *args)
{
    uint32_t address = (uint32_t)args[0];
    uint32_t size = (uint32_t)args[1];
    uint8_t *to;

    if (!adk__wasi_has_range(wasi, address, size))
        return ADK__WASI_EFAULT;
    to = adk__wasi_at(&wasi->call.memory, address, size);
    for (uint64_t done = 0; done < size;) {
        uint64_t piece = size - done < PIECE ? size - done : PIECE;

        if (wasi->random.is_seeded)
            fill_seeded(&wasi->random, to + done, (size_t)piece);
        else if (!fill_real(to + done, (size_t)piece))
            return ADK__WASI_EIO;
        done += piece;
        if (done < size && adk__wasi_interrupted(wasi))
            return ADK__WASI_EINTR;
    }
    return ADK__WASI_SUCCESS;
}
