/*
 * Manifests: what the library knows of each runtime, compiled in.
 */
#ifndef ADK_RUNTIME_MANIFEST_H
#define ADK_RUNTIME_MANIFEST_H

#include <stdbool.h>

#include <adk/runtime.h>

/** A driver: a script of ours, made part of the library when it is built. */
typedef struct adk__driver {
    const uint8_t *data;
    size_t size;
} adk__driver;

/** Words of an interpreter's command line; the driver's path is added behind them. */
#define ADK__RUNTIME_ARGS_MAX 4

/** A few bytes of a member that are replaced before it is kept. */
typedef struct adk__edit {
    uint64_t at; /* in the member */
    uint8_t old_size;
    uint8_t new_size;
    uint8_t old_bytes[40];
    uint8_t new_bytes[40];
} adk__edit;

#define ADK__RUNTIME_EDITS_MAX 8

struct adk_runtime {
    adk_runtime_info info;
    const char *except_cstr; /* where the member is a directory: what of it is left out */
    const char *file_cstr;   /* its name in the directory of runtimes */
    uint64_t file_bytes;
    const char *file_sha256_cstr;  /* of the member with its edits */
    const char *file_blake2b_cstr; /* the same by BLAKE2b-256: quicker, and what compiled code is kept by */
    adk__edit edits[ADK__RUNTIME_EDITS_MAX];
    bool keeps_sessions; /* its driver does */
    const adk__driver *driver;
    const char *driver_path_cstr; /* in the guest */
    const char *args[ADK__RUNTIME_ARGS_MAX];
    const char *rehearsal_cstr; /* a short program like others (worker/image.h) */

    /* Of those that need more than a guest may have; they run in processes of their own only. */
    uint32_t features;         /* ADK__IMAGE_* bits (worker/image.h); 0: none of this is used */
    const char *entry_cstr;    /* the export that is called */
    const adk__driver *before; /* the script that is started; it goes on with the driver */
    const char *before_path_cstr;
    const struct adk_runtime *library; /* another member of its archive, as if it were a runtime: not in the list */
    const char *library_path_cstr;     /* in the guest */
    uint64_t compile_memory_bytes;     /* what its compiler may take, where the options do not say */
    uint64_t warmup_timeout_ns;
};

/** The runtime whose interpreter it uses: itself, or the one it needs. */
const adk_runtime *adk__runtime_base(const adk_runtime *runtime);

/** The interpreter's command line, with the driver; the number of words. */
size_t adk__runtime_command(const adk_runtime *runtime, adk_bytes words[ADK__RUNTIME_ARGS_MAX + 1]);

/** The runtime that speaks a language, or NULL. */
const adk_runtime *adk__runtime_for(adk_language language);

#endif
