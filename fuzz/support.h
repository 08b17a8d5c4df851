/*
 * What the fuzz targets share that run guests: taking values off an input, a backend that lives through all inputs, and
 * the promises that every result must keep, whatever was run.
 */
#ifndef ADK_FUZZ_SUPPORT_H
#define ADK_FUZZ_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adk/sandbox.h>

#define FUZZ_MEMORY_LIMIT ((uint64_t)4 << 20)
#define FUZZ_CODE_MAX     ((size_t)4096) /* what compiles in place can take long if it is larger */

/** What is left of an input. */
typedef struct fuzz_input {
    const uint8_t *data;
    size_t size;
} fuzz_input;

/** The next bytes as a number, big end first; zeros where the input has ended. */
uint64_t fuzz_take(fuzz_input *in, size_t bytes);

/** The next `size` bytes, or as many as there are: borrowed from the input. */
adk_bytes fuzz_take_bytes(fuzz_input *in, size_t size);

/** Ends the program, which is a finding, unless `holds`. */
void fuzz_require(bool holds, const char *what);

/** Two slots, few modules in the cache. */
adk_backend *fuzz_backend(void);

/** Two bytes of the input choose flavour, limits, and what the guest finds. */
void fuzz_choose(fuzz_input *in, adk_request *request);

/**
 * Runs a request that has nothing wrong with it and checks the result. What is deterministic runs twice, and both must
 * have gone the same way. A module that `is_valid` must not be rejected, unless it is for its size.
 */
void fuzz_run(const adk_request *request, bool is_valid);

/** What must be so of every result; and of the report made of it. */
void fuzz_check_result(const adk_request *request, const adk_result *result);
void fuzz_check_report(const adk_result *result);

/** That an error can be told: its message is text, and its report JSON. */
void fuzz_check_error(int status, const adk_error *error);

#endif
