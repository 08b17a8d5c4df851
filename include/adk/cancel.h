/**
 * Cancellation: a one-shot flag that any thread may raise and that ends every run it was given to.
 *
 * One object may serve many runs, at once and one after the other; once fired it stays fired, and a run that starts
 * with it ends at once (outcome cancelled). Reference-counted: each holder frees its own reference.
 */
#ifndef ADK_CANCEL_H
#define ADK_CANCEL_H

#include <adk/defs.h>
#include <adk/error.h>

ADK_BEGIN_DECLS

typedef struct adk_cancel adk_cancel;

/**
 * Makes a cancellation with one reference.
 *
 * Ownership: the caller owns *ret_cancel and frees it with adk_cancel_free().
 * Threads:   any thread.
 * Errors:    ADK_E_NOMEM.
 * Since:     0.1
 */
ADK_API ADK_MUST_USE ADK_NONNULL(1) int adk_cancel_new(adk_cancel **ret_cancel, adk_error **ret_error);

/**
 * Takes one more reference.
 *
 * Ownership: the caller owns the reference and frees it with adk_cancel_free(). NULL gives NULL.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API adk_cancel *adk_cancel_ref(adk_cancel *cancel);

/**
 * Gives one reference back; the last one frees.
 *
 * Ownership: takes the reference; NULL is fine.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_cancel_free(adk_cancel *cancel);

/**
 * Ends every run that has this cancellation, and those that will be given it. Runs end within a millisecond (20 ms while
 * a module is compiled in place). Firing again does nothing. Not async-signal-safe.
 *
 * Ownership: borrows `cancel`; NULL is fine.
 * Threads:   any thread, a run's own callbacks included.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_cancel_fire(adk_cancel *cancel);

/**
 * 1 once fired, else 0; 0 for NULL.
 *
 * Ownership: borrows `cancel`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API int adk_cancel_fired(const adk_cancel *cancel);

/** A place in a cancellation's list of those who want to know; the fields are the library's. */
typedef struct adk_cancel_watch {
    void (*fn)(void *data);
    void *data;
    struct adk_cancel_watch *next;
    struct adk_cancel_watch *prev;
} adk_cancel_watch;

/**
 * Asks for `fn(data)` to be called when the cancellation fires; for backends written outside the library.
 *
 * If it has already fired, `fn` is called before this returns. `fn` runs on the firing thread with the cancellation
 * locked: it must be short and must not call the adk_cancel_* functions.
 *
 * Ownership: `watch` is the caller's and stays in place until adk_cancel_unwatch(); `cancel` must live that long.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1, 2, 3) void adk_cancel_add_watch(adk_cancel *cancel, adk_cancel_watch *watch,
                                                       void (*fn)(void *data), void *data);

/**
 * Ends what adk_cancel_add_watch() began. When this has returned, `fn` does not run and will not.
 *
 * Ownership: gives `watch` back to the caller.
 * Threads:   any thread but from within `fn`.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1, 2) void adk_cancel_remove_watch(adk_cancel *cancel, adk_cancel_watch *watch);

ADK_END_DECLS

#endif
