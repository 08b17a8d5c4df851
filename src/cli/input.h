/*
 * Reading what the user names: the program, and the guest's standard input.
 */
#ifndef ADK_CLI_INPUT_H
#define ADK_CLI_INPUT_H

#include <stdint.h>

#include <adk/bytes.h>
#include <adk/error.h>

/** What cli_input_read() returns when it was woken before the end. */
#define CLI_INTERRUPTED 1

/** Bytes read. `data` is owned and freed with free(). */
struct cli_input {
    void *data;
    size_t size;
};

/**
 * Reads the file `path`, or standard input for "-", to its end or until `most_bytes` have come.
 *
 * Returns ADK_OK, CLI_INTERRUPTED as soon as `wake_fd` is readable, or an error: ADK_E_INVALID where the file cannot
 * be read, ADK_E_SYSTEM for want of descriptors, ADK_E_NOMEM.
 */
int cli_input_read(const char *path, uint64_t most_bytes, int wake_fd, struct cli_input *ret_input,
                   adk_error **ret_error);

#endif
