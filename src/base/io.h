/*
 * Descriptors: all of a write, whatever interrupts it.
 */
#ifndef ADK_BASE_IO_H
#define ADK_BASE_IO_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

/** Writes everything to a descriptor that blocks. Returns 0 or an errno value. */
static inline int adk__write_all(int fd, const void *data, size_t size)
{
    size_t at = 0;

    while (at < size) {
        ssize_t written = write(fd, (const uint8_t *)data + at, size - at);

        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0)
            at += (size_t)written;
    }
    return 0;
}

#endif
