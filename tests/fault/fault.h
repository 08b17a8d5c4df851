/*
 * Fault injection: the n-th call of a kind that our own code makes fails, for all n.
 *
 * A scenario is a whole piece of use that judges itself. It is run on a thread of its own, so that what is kept per thread
 * is made and freed in it, first without a fault, then with the first call failing, then with the second, until none is
 * left to fail; between two attempts once more without, which must be right. Whatever it took must be back after each.
 */
#ifndef ADK_TESTS_FAULT_H
#define ADK_TESTS_FAULT_H

#include "support.h"

/** What can fail. */
typedef enum fault_kind {
    FAULT_MEMORY,     /* malloc() and its like, jansson's through our hook: ENOMEM */
    FAULT_THREAD,     /* pthread_create(): EAGAIN, as where there are too many processes */
    FAULT_SPAWN,      /* posix_spawn(), fork(): EAGAIN */
    FAULT_MEMFD,      /* memfd_create(): ENOMEM */
    FAULT_MAPPING,    /* mmap(): ENOMEM */
    FAULT_DESCRIPTOR, /* whatever else makes a descriptor: EMFILE */
    FAULT_PTHREAD,    /* locks, conditions, attributes, keys, fork handlers: ENOMEM */
    FAULT_RANDOM,     /* getrandom(): ENOSYS */
    FAULT_KINDS
} fault_kind;

/** Which ones do. */
typedef enum fault_mode {
    FAULT_ONCE, /* the n-th alone */
    FAULT_FROM, /* the n-th and all that follow */
} fault_mode;

/** What a scenario returns beside ADK_OK and the error of the call that failed. */
#define FAULT_WRONG 1

typedef struct fault_scenario {
    const char *name;
    int (*run)(void *data);
    fault_kind kind;
    fault_mode mode;
    uint32_t may_fail; /* FAULT_ERROR() bits: what its calls may return for this fault */
    unsigned least;    /* calls of the kind at least: a sweep that fails nothing tests nothing */
    size_t size;       /* FAULT_MEMORY: only allocations of this size and above count */
    unsigned step;     /* from one n to the next; 0: all */
} fault_scenario;

#define FAULT_ERROR(code) (1u << (unsigned)-(code))
#define FAULT_NOMEM       FAULT_ERROR(ADK_E_NOMEM)
#define FAULT_SYSTEM      FAULT_ERROR(ADK_E_SYSTEM)

/** Runs a scenario with each fault in turn; the test fails where an attempt is not as it should be. */
void fault_sweep(const fault_scenario *scenario, void *data);

/** The n-th allocation alone, then all from the n-th on. */
void fault_sweep_memory(const char *name, int (*run)(void *data), void *data, unsigned least);

/**
 * Runs a scenario while something is used up: between `begin` and `end`, which sets it right again. It must be right before
 * and after, and meanwhile right or one of `may_fail`.
 */
void fault_use_up(const fault_scenario *scenario, void *data, void (*begin)(void), void (*end)(void));

/** One process and CPU, jansson's hooks, then the tests; what main() returns. */
#define fault_main(name, tests) (fault_begin(), cmocka_run_group_tests_name(name, tests, NULL, NULL))
void fault_begin(void);

/* ---- within scenarios --------------------------------------------------------------------------------------------- */

/** Whether a call has failed in this attempt. */
bool fault_fired(void);

/** Keeps why an attempt is wrong; FAULT_WRONG. */
int fault_wrong(const char *file, int line, const char *format, ...) ADK_PRINTF(3, 4);

/** What fault_wrong() kept, or the word for another status. */
const char *fault_why(int status);

/** Leaves the function, and with it the attempt, unless it holds. */
#define EXPECT(condition)                                             \
    do {                                                              \
        if (!(condition))                                             \
            return fault_wrong(__FILE__, __LINE__, "%s", #condition); \
    } while (0)
#define EXPECT_BYTES(bytes, text)                                                              \
    do {                                                                                       \
        adk_bytes bytes_ = (bytes);                                                            \
        if (!adk_test_bytes_are(bytes_, (text)))                                               \
            return fault_wrong(__FILE__, __LINE__, "\"%.*s\" is not \"%s\"", (int)bytes_.size, \
                               bytes_.size > 0 ? (const char *)bytes_.data : "", (text));      \
    } while (0)
#define EXPECT_HAS(bytes, part)                                                                \
    do {                                                                                       \
        adk_bytes bytes_ = (bytes);                                                            \
        if (!adk_test_bytes_have(bytes_, (part)))                                              \
            return fault_wrong(__FILE__, __LINE__, "\"%.*s\" has no \"%s\"", (int)bytes_.size, \
                               bytes_.size > 0 ? (const char *)bytes_.data : "", (part));      \
    } while (0)

/** What outputs hold before a call: on error they must still do so. */
#define UNWRITTEN(type) ((type *)(uintptr_t)&fault_unwritten)
extern const char fault_unwritten;

/**
 * Judges a call's status and its error (a pointer to it, as the order of evaluation is free), which held UNWRITTEN before,
 * and frees that: untouched on success; else NULL or of that very code, with a message. Returns `status`, or FAULT_WRONG.
 */
int fault_status(int status, adk_error **taken);

/** As adk_backend_execute(), with outputs and error judged. */
int fault_execute(adk_backend *backend, const adk_request *request, adk_cancel *cancel, adk_result **ret_result);

/** As fault_execute(); frees the result after `judge` has looked at it. */
int fault_run(adk_backend *backend, const adk_request *request, adk_cancel *cancel,
              int (*judge)(const adk_result *result));

/* ---- within fault_calls.c ----------------------------------------------------------------------------------------- */

void fault_arm(fault_kind kind, fault_mode mode, unsigned n, size_t size);

/** Something outside fails from now on: fault_fired() until fault_disarm(). */
void fault_claim(void);

/** Back to no faults; whether there was one. */
bool fault_disarm(void);

/** What our code has taken and not given back. */
typedef struct fault_holdings {
    size_t blocks;
    size_t bytes;
    size_t mappings;
    unsigned descriptors; /* of the whole process */
} fault_holdings;

fault_holdings fault_count(void);

/** Prints blocks allocated since `mark`, and where the last fault was. */
uint64_t fault_mark(void);
void fault_print_blocks(uint64_t mark);
void fault_print_place(void);

void *adk_fault_malloc(size_t size);
void adk_fault_free(void *block);

#endif
