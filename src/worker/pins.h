/*
 * Words that a driver wants set in the guest's memory when its image is warm (worker/image.h).
 */
#ifndef ADK_WORKER_PINS_H
#define ADK_WORKER_PINS_H

#include <stddef.h>
#include <stdint.h>

#include "vfs/vfs.h"

/** Sets them and removes the file. Without one there is nothing to do. Returns 0 or a negative errno value. */
int adk__pins_set(adk__vfs *vfs, uint8_t *memory, size_t size);

#endif
