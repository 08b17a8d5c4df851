/*
 * The only way to guest memory: a range is checked once, in 64-bit arithmetic, and then read or written through memcpy,
 * since nothing the guest points at need be aligned. The guest's numbers are little-endian.
 *
 * The unchecked loads and stores take addresses that a check has passed; the range they touch is asserted.
 */
#ifndef ADK_WASI_MEMORY_H
#define ADK_WASI_MEMORY_H

#include <assert.h>
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "wasi/wasi.h"

/** Whether `size` bytes at `address` are all in memory; an empty range may lie at the very end. Neither overflows. */
static inline bool adk__wasi_has(const adk__wasi_memory *memory, uint64_t address, uint64_t size)
{
    return memory->data != NULL && size <= memory->size && address <= memory->size - size;
}

static inline uint8_t *adk__wasi_at(const adk__wasi_memory *memory, uint64_t address, uint64_t size)
{
    assert(adk__wasi_has(memory, address, size));
    (void)size;
    return memory->data + address;
}

static inline uint8_t adk__wasi_load8(const adk__wasi_memory *memory, uint64_t address)
{
    return *adk__wasi_at(memory, address, 1);
}

static inline uint16_t adk__wasi_load16(const adk__wasi_memory *memory, uint64_t address)
{
    uint16_t value;

    memcpy(&value, adk__wasi_at(memory, address, sizeof value), sizeof value);
    return le16toh(value);
}

static inline uint32_t adk__wasi_load32(const adk__wasi_memory *memory, uint64_t address)
{
    uint32_t value;

    memcpy(&value, adk__wasi_at(memory, address, sizeof value), sizeof value);
    return le32toh(value);
}

static inline uint64_t adk__wasi_load64(const adk__wasi_memory *memory, uint64_t address)
{
    uint64_t value;

    memcpy(&value, adk__wasi_at(memory, address, sizeof value), sizeof value);
    return le64toh(value);
}

static inline void adk__wasi_store32(const adk__wasi_memory *memory, uint64_t address, uint32_t value)
{
    value = htole32(value);
    memcpy(adk__wasi_at(memory, address, sizeof value), &value, sizeof value);
}

static inline void adk__wasi_store64(const adk__wasi_memory *memory, uint64_t address, uint64_t value)
{
    value = htole64(value);
    memcpy(adk__wasi_at(memory, address, sizeof value), &value, sizeof value);
}

/* A struct for the guest is put together here, with zeros between its fields, and copied out in one piece. */

static inline void adk__wasi_put16(uint8_t *at, uint16_t value)
{
    value = htole16(value);
    memcpy(at, &value, sizeof value);
}

static inline void adk__wasi_put32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

static inline void adk__wasi_put64(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
}

#endif
