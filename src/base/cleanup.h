/*
 * Scope-bound cleanup, in systemd's manner: a local that owns something is declared with ADK_AUTO_*, and
 * adk__take_ptr()/adk__take_fd() hands the thing on and disarms the cleanup. gcc and clang only, as is the
 * whole library.
 */
#ifndef ADK_BASE_CLEANUP_H
#define ADK_BASE_CLEANUP_H

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void adk__auto_free(void *location)
{
    free(*(void **)location);
}

static inline void adk__auto_close(const int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd);
    errno = saved;
}

static inline void adk__auto_fclose(FILE **file)
{
    if (*file != NULL)
        (void)fclose(*file);
}

static inline void adk__auto_unlock(pthread_mutex_t **mutex)
{
    if (*mutex != NULL)
        (void)pthread_mutex_unlock(*mutex);
}

static inline int adk__take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#define ADK_AUTO_FREE   __attribute__((cleanup(adk__auto_free)))
#define ADK_AUTO_CLOSE  __attribute__((cleanup(adk__auto_close)))
#define ADK_AUTO_FCLOSE __attribute__((cleanup(adk__auto_fclose)))
#define ADK_AUTO_UNLOCK __attribute__((cleanup(adk__auto_unlock)))

/** Hands the pointer in `p` on and leaves NULL behind. */
#define adk__take_ptr(p)            \
    __extension__({                 \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })

/** Defines the cleanup function for objects of `type` that `free_fn` frees; NULL must be fine for it. */
#define ADK_DEFINE_AUTO(type, free_fn)                    \
    static inline void adk__auto_##free_fn(type **object) \
    {                                                     \
        free_fn(*object);                                 \
    }                                                     \
    struct adk__auto_##free_fn##_needs_a_semicolon

#define ADK_AUTO(free_fn) __attribute__((cleanup(adk__auto_##free_fn)))

#define ADK_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ADK_LIKELY(x)    __builtin_expect(!!(x), 1)
#define ADK_UNLIKELY(x)  __builtin_expect(!!(x), 0)

#endif
