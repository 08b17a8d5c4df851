/*
 * Compiled modules on disk, for warm restarts.
 *
 * Compiled code *is* code: whoever can write it runs it. So each file carries a MAC over its name and its content, under a
 * key that lies outside the directory, and what does not check is as good as absent. A file's name tells what it was made
 * from and for: the source, this library and its engine, their configuration, the CPU's features.
 */
#ifndef ADK_WASM_DISK_H
#define ADK_WASM_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include <adk/bytes.h>
#include <adk/error.h>

#include "base/interrupt.h"

typedef struct adk__disk adk__disk;

/** A file's name: hexadecimal digits of a hash of 256 bits. */
typedef struct adk__disk_name {
    char text[65];
} adk__disk_name;

/** What is kept of a module besides its code. */
typedef struct adk__disk_notes {
    uint64_t words[4]; /* the caller's */
} adk__disk_notes;

/**
 * Opens a cache in `directory`, made with mode 0700 where it is not there; it must belong to this user alone, and so must
 * the key's file, which is made where it is not there. ADK_E_SYSTEM, ADK_E_NOMEM; ADK_E_INVALID where others could write
 * there.
 */
ADK_MUST_USE int adk__disk_open(const char *directory, const char *key_path, uint64_t max_bytes, adk__disk **ret_disk,
                                adk_error **ret_error);
void adk__disk_close(adk__disk *disk);

#define ADK__SOURCE_HASH_BYTES 32

/** A source's BLAKE2b-256, by which it is named. False where the interrupt said stop. */
bool adk__source_hash(adk_bytes code, adk__interrupt *interrupt, uint8_t ret_hash[ADK__SOURCE_HASH_BYTES]);

/** The name of what the source of this hash compiles to in a configuration. */
void adk__disk_name_for(const uint8_t hash[ADK__SOURCE_HASH_BYTES], uint64_t configuration, adk__disk_name *ret_name);

/** Both in one. False where the interrupt said stop. */
bool adk__disk_name_of(adk_bytes code, uint64_t configuration, adk__interrupt *interrupt, adk__disk_name *ret_name);

/** Whether there is a file of that name. */
bool adk__disk_has(const adk__disk *disk, const adk__disk_name *name);

/** The code, in a sealed file in memory of the caller's, or -1: it is not there, not sound, or the interrupt said stop. */
int adk__disk_get(const adk__disk *disk, const adk__disk_name *name, adk__interrupt *interrupt,
                  adk__disk_notes *ret_notes);

/**
 * Keeps code that lies in a file, if there is room; the oldest files go for it. Whatever fails, nothing is kept: returns 0
 * or an errno value.
 */
int adk__disk_put(const adk__disk *disk, const adk__disk_name *name, int code_fd, const adk__disk_notes *notes);

#endif
