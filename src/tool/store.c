/*
 * Results of late, for whoever wants to read on. A ring: the oldest goes when there are too many, or too many bytes.
 *
 * A handle is 128 random bits and is compared without telling how much of it was right. Results are read under the lock:
 * little is read at a time.
 */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/random.h>

#include "core/error.h"
#include "tool/tool.h"

#define HANDLE_BYTES ((size_t)16)
#define RESULT_BYTES ((uint64_t)4096) /* roughly what a result takes beside its content */

int adk__store_init(adk__store *store, uint32_t most, uint64_t most_bytes, adk_error **ret_error)
{
    *store = (adk__store){.mutex = PTHREAD_MUTEX_INITIALIZER, .most = most, .most_bytes = most_bytes};
    store->kept = calloc(most, sizeof(*store->kept));
    return store->kept == NULL ? adk__fail_nomem(ret_error) : ADK_OK;
}

static adk__kept *kept_at(const adk__store *store, uint32_t index)
{
    return &store->kept[(store->first + index) % store->most];
}

void adk__store_free(adk__store *store)
{
    for (uint32_t i = 0; i < store->count; i++)
        adk_result_free(kept_at(store, i)->result);
    free(store->kept);
}

static uint64_t bytes_of(const adk_result *result)
{
    adk_output out = adk_result_stdout(result);
    adk_output err = adk_result_stderr(result);
    uint64_t bytes = RESULT_BYTES + out.head.size + out.tail.size + err.head.size + err.tail.size;
    size_t count;
    const adk_file_out *files = adk_result_files(result, &count, NULL);

    for (size_t i = 0; i < count; i++)
        bytes += sizeof(files[i]) + files[i].path.size + files[i].content.size;
    return bytes;
}

static bool make_handle(char ret_handle[ADK__HANDLE_SIZE])
{
    unsigned char random[HANDLE_BYTES];
    ssize_t got;

    do
        got = getrandom(random, sizeof(random), 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(random))
        return false;
    (void)sodium_bin2hex(ret_handle, ADK__HANDLE_SIZE, random, sizeof(random));
    return true;
}

/* Takes the oldest out of the ring, for the caller to free without the lock. */
static adk_result *take_oldest(adk__store *store)
{
    adk__kept *oldest = kept_at(store, 0);

    store->bytes -= oldest->bytes;
    store->first = (store->first + 1) % store->most;
    store->count--;
    return adk__take_ptr(oldest->result);
}

/* One result out, if there is no room for so many bytes. */
static adk_result *make_room(adk__store *store, uint64_t bytes)
{
    if (store->count > 0 && (store->count == store->most || store->bytes + bytes > store->most_bytes))
        return take_oldest(store);
    return NULL;
}

bool adk__store_put(adk__store *store, adk_result *result, char ret_handle[ADK__HANDLE_SIZE])
{
    adk__kept kept = {.result = result, .bytes = bytes_of(result)};
    adk_result *old;

    if (kept.bytes > store->most_bytes || !make_handle(kept.handle))
        return false;
    memcpy(ret_handle, kept.handle, ADK__HANDLE_SIZE);
    for (;;) {
        (void)pthread_mutex_lock(&store->mutex);
        old = make_room(store, kept.bytes);
        if (old == NULL)
            break;
        (void)pthread_mutex_unlock(&store->mutex);
        adk_result_free(old);
    }
    store->bytes += kept.bytes;
    *kept_at(store, store->count++) = kept;
    (void)pthread_mutex_unlock(&store->mutex);
    return true;
}

const adk_result *adk__store_lock(adk__store *store, adk_bytes handle)
{
    if (handle.size != ADK__HANDLE_SIZE - 1)
        return NULL;
    (void)pthread_mutex_lock(&store->mutex);
    for (uint32_t i = 0; i < store->count; i++) {
        const adk__kept *kept = kept_at(store, i);

        if (sodium_memcmp(kept->handle, handle.data, handle.size) == 0)
            return kept->result;
    }
    (void)pthread_mutex_unlock(&store->mutex);
    return NULL;
}

void adk__store_unlock(adk__store *store)
{
    (void)pthread_mutex_unlock(&store->mutex);
}
