/*
 * An interpreter that counts references writes to each object that a program looks at, and so a fork of it copies most of the
 * pages that it reads. Where it knows objects that live for ever, whose count nobody changes, a driver says which those are
 * from now on. It cannot write to its own memory by address; the host can.
 *
 * A driver is ours, and its addresses are still checked: whatever is wrong with them ends the warm-up, not the worker.
 */
#include "worker/pins.h"

#include <errno.h>
#include <string.h>

#include "worker/image.h"

#define WORDS 1024 /* at a time */

static int set_words(const uint32_t *addresses, size_t count, uint32_t value, uint8_t *memory, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (addresses[i] % sizeof(value) != 0 || addresses[i] >= size)
            return -EFAULT;
        memcpy(memory + addresses[i], &value, sizeof(value));
    }
    return 0;
}

static int read_pins(const adk__vfs_inode *file, uint8_t *memory, size_t size)
{
    uint32_t words[WORDS];
    uint32_t value;
    size_t got = 0;
    int failed = adk__vfs_pread(file, &value, sizeof(value), 0, &got);

    if (failed || got != sizeof(value))
        return failed ? failed : -EINVAL;
    for (uint64_t at = sizeof(value); !failed && got > 0; at += got) {
        failed = adk__vfs_pread(file, words, sizeof(words), at, &got);
        if (!failed && got % sizeof(*words) != 0)
            failed = -EINVAL;
        if (!failed)
            failed = set_words(words, got / sizeof(*words), value, memory, size);
    }
    return failed;
}

int adk__pins_set(adk__vfs *vfs, uint8_t *memory, size_t size)
{
    const char *path = &ADK__CHECKPOINT_PINS[1]; /* beneath the root */
    adk__vfs_inode *file = NULL;
    int failed = adk__vfs_open(adk__vfs_root(vfs), path, strlen(path), 0, &file);

    if (failed)
        return failed == -ENOENT ? 0 : failed;
    failed = read_pins(file, memory, size);
    adk__vfs_drop(file);
    return failed ? failed : adk__vfs_unlink(adk__vfs_root(vfs), path, strlen(path));
}
