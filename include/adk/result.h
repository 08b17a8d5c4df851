/**
 * The result: what happened to the guest.
 *
 * Opaque; made by a backend, owned by the caller, immutable. Everything a getter returns is borrowed from it.
 */
#ifndef ADK_RESULT_H
#define ADK_RESULT_H

#include <adk/bytes.h>
#include <adk/defs.h>

ADK_BEGIN_DECLS

typedef struct adk_result adk_result;

/** Outcome, number, word in the report, the original tool's status word, exit status of the command (0: see there). */
#define ADK_OUTCOME_MAP(X)                                     \
    X(EXITED, 0, "exited", "success", 0)                       \
    X(TRAPPED, 1, "trapped", "error", 134)                     \
    X(TIMED_OUT, 2, "timed_out", "timeout", 124)               \
    X(MEMORY_LIMIT, 3, "memory_limit", "memory_exceeded", 137) \
    X(FUEL_EXHAUSTED, 4, "fuel_exhausted", "error", 124)       \
    X(OUTPUT_LIMIT, 5, "output_limit", "error", 141)           \
    X(CANCELLED, 6, "cancelled", "error", 130)                 \
    X(REJECTED, 7, "rejected", "error", 126)                   \
    X(SIGNALED, 8, "signaled", "error", 0)

/** How a run ended. Decided by the first cause, never guessed from text. */
typedef uint32_t adk_outcome;
enum {
#define ADK_OUTCOME_ENUM(name, number, word, status, exit_status) ADK_OUTCOME_##name = (number),
    ADK_OUTCOME_MAP(ADK_OUTCOME_ENUM)
#undef ADK_OUTCOME_ENUM
};

#define ADK_PHASE_MAP(X)             \
    X(NONE, 0, NULL)                 \
    X(QUEUE, 1, "queue")             \
    X(COMPILE, 2, "compile")         \
    X(INSTANTIATE, 3, "instantiate") \
    X(RUN, 4, "run")                 \
    X(HOST_CALL, 5, "host_call")     \
    X(COLLECT, 6, "collect")

/** Where a run was when it was stopped. "instantiate" includes the module's start function. */
typedef uint32_t adk_phase;
enum {
#define ADK_PHASE_ENUM(name, number, word) ADK_PHASE_##name = (number),
    ADK_PHASE_MAP(ADK_PHASE_ENUM)
#undef ADK_PHASE_ENUM
};

#define ADK_REASON_MAP(X)                            \
    X(NONE, 0, NULL)                                 \
    X(MALFORMED, 1, "malformed")                     \
    X(UNSUPPORTED_FEATURE, 2, "unsupported_feature") \
    X(MISSING_IMPORT, 3, "missing_import")           \
    X(NO_ENTRY, 4, "no_entry")                       \
    X(TOO_LARGE, 5, "too_large")                     \
    X(COMPILER_MEMORY, 6, "compiler_memory")         \
    X(COMPILER_FAILED, 7, "compiler_failed")         \
    X(ENGINE_CRASH, 8, "engine_crash")

/** Why a module was rejected, or a process died. */
typedef uint32_t adk_reason;
enum {
#define ADK_REASON_ENUM(name, number, word) ADK_REASON_##name = (number),
    ADK_REASON_MAP(ADK_REASON_ENUM)
#undef ADK_REASON_ENUM
};

/** Whether a compiled module was at hand. */
typedef uint32_t adk_cache_state;
enum {
    ADK_CACHE_NONE = 0, /**< the run ended before that was known, or the backend compiles nothing */
    ADK_CACHE_HIT = 1,
    ADK_CACHE_DISK = 2,
    ADK_CACHE_MISS = 3
};

/** Bits that say which figures of adk_usage have been measured. */
enum { ADK_USAGE_CPU = 1u << 0, ADK_USAGE_FUEL = 1u << 1 };

/** What a run used. Filled by adk_result_usage(); set struct_size first. */
typedef struct adk_usage {
    size_t struct_size;
    uint64_t duration_ns;    /**< the whole call */
    uint64_t compile_ns;     /**< finding the module in the cache, or compiling it */
    uint64_t instantiate_ns; /**< the module's start function included */
    uint64_t run_ns;
    uint64_t cpu_ns;            /**< with ADK_USAGE_CPU */
    uint64_t memory_peak_bytes; /**< linear memory, tables (8 bytes an element) and files at their highest */
    uint64_t memory_denied;     /**< how many growths the memory limit refused */
    uint64_t fuel;              /**< used; with ADK_USAGE_FUEL */
    uint64_t host_calls;
    uint32_t measured; /**< ADK_USAGE_* bits */
    adk_cache_state cache;
} adk_usage;
#define ADK_USAGE_INIT                                     \
    {                                                      \
        sizeof(adk_usage), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 \
    }

/** The limits that were in force. Filled by adk_result_limits(); set struct_size first. */
typedef struct adk_limits {
    size_t struct_size;
    uint64_t timeout_ns;
    uint64_t memory_limit_bytes;
    uint64_t output_limit_bytes;
    uint64_t fuel;           /**< 0: not metered */
    uint64_t random_seed;    /**< where `flags` has ADK_REQUEST_SEED */
    uint64_t clock_start_ns; /**< where `flags` has ADK_REQUEST_CLOCK */
    uint32_t output_policy;
    uint32_t flags; /**< ADK_REQUEST_* bits of the request */
} adk_limits;
#define ADK_LIMITS_INIT                            \
    {                                              \
        sizeof(adk_limits), 0, 0, 0, 0, 0, 0, 0, 0 \
    }

/** One call on the guest's stack when it trapped, innermost first. */
typedef struct adk_frame {
    adk_bytes function_name; /**< from the module's name section; empty where it has none */
    uint32_t function_index;
    uint32_t reserved;
    uint64_t module_offset; /**< of the instruction in the binary module; UINT64_MAX where unknown */
} adk_frame;

#define ADK_FILE_TYPE_MAP(X)     \
    X(REGULAR, 1, "file")        \
    X(DIRECTORY, 2, "directory") \
    X(SYMLINK, 3, "symlink")

/** What a file that came back is. */
typedef uint32_t adk_file_type;
enum {
#define ADK_FILE_TYPE_ENUM(name, number, word) ADK_FILE_##name = (number),
    ADK_FILE_TYPE_MAP(ADK_FILE_TYPE_ENUM)
#undef ADK_FILE_TYPE_ENUM
};

/** A file that came back. */
typedef struct adk_file_out {
    adk_bytes path;      /**< in the guest, from its root: "/out/plot.png". Chosen by the guest: any bytes but NUL */
    adk_bytes content;   /**< of a regular file; of a symbolic link its target */
    uint64_t size_bytes; /**< of the file in the guest */
    adk_file_type type;
    uint32_t truncated; /**< 1 where `content` is not all of it, for the limit on what comes back */
    uint32_t output;    /**< index of the request's output that named it */
    uint32_t reserved;
} adk_file_out;

/** A stream of output, as captured. */
typedef struct adk_output {
    adk_bytes head;         /**< the first bytes, up to the output limit */
    adk_bytes tail;         /**< of what came after the head, at most the last 64 KiB */
    uint64_t written_bytes; /**< written by the guest in all */
    uint32_t truncated;     /**< 1 where the guest wrote more than the output limit: `head` is not all of it */
    uint32_t reserved;
} adk_output;

/**
 * Frees a result.
 *
 * Ownership: takes `result`; NULL is fine.
 * Threads:   any thread, once.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API void adk_result_free(adk_result *result);

/**
 * How the run ended.
 *
 * Ownership: borrows `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) adk_outcome adk_result_outcome(const adk_result *result);

/**
 * Where the run was when it was timed out, cancelled, or refused; ADK_PHASE_NONE where that explains nothing.
 *
 * Ownership: borrows `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) adk_phase adk_result_phase(const adk_result *result);

/**
 * All 32 bits of the guest's exit code (ADK_OUTCOME_EXITED), the number of the signal (ADK_OUTCOME_SIGNALED), else 0.
 *
 * Ownership: borrows `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) uint32_t adk_result_exit_code(const adk_result *result);

/**
 * Why a module was rejected or a process died; ADK_REASON_NONE elsewhere.
 *
 * Ownership: borrows `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) adk_reason adk_result_reason(const adk_result *result);

/**
 * One line about the outcome, for people; empty for a guest that exited. Valid UTF-8; names that come from the guest
 * are escaped and cut at 256 bytes.
 *
 * Ownership: borrowed from `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) adk_bytes adk_result_message(const adk_result *result);

/**
 * The trap's kind in snake case ("unreachable", "memory_out_of_bounds", …); empty where there was no trap.
 *
 * Ownership: borrowed from `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) adk_bytes adk_result_trap_kind(const adk_result *result);

/**
 * The trap's message; empty where there was no trap.
 *
 * Ownership: borrowed from `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) adk_bytes adk_result_trap_message(const adk_result *result);

/**
 * The guest's stack at the trap, innermost call first. At most 64 frames are kept.
 *
 * Ownership: the array and its names are borrowed from `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1, 2) const adk_frame *adk_result_backtrace(const adk_result *result, size_t *ret_count);

/**
 * What the guest wrote to standard output.
 *
 * Ownership: the views are borrowed from `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) adk_output adk_result_stdout(const adk_result *result);

/**
 * What the guest wrote to standard error.
 *
 * Ownership: the views are borrowed from `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) adk_output adk_result_stderr(const adk_result *result);

/**
 * The files that came back, in the order of the request's outputs; one that several outputs name comes several times.
 * *ret_complete (which may be NULL) is 0 where some are missing because there were too many (65,536) or time ran out:
 * collecting is a part of the run, and one that came to its deadline or was cancelled has ten milliseconds more for it.
 *
 * Ownership: the array and all in it are borrowed from `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1, 2) const adk_file_out *adk_result_files(const adk_result *result, size_t *ret_count,
                                                               int *ret_complete);

/**
 * What the run used. Writes no more than ret_usage->struct_size bytes.
 *
 * Ownership: `ret_usage` is the caller's.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1, 2) void adk_result_usage(const adk_result *result, adk_usage *ret_usage);

/**
 * The limits that were in force. Writes no more than ret_limits->struct_size bytes.
 *
 * Ownership: `ret_limits` is the caller's.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1, 2) void adk_result_limits(const adk_result *result, adk_limits *ret_limits);

/**
 * The exit status that the command gives for a result: the low 8 bits of the guest's exit code (1 where those are 0 and
 * the code is not), 134 for a trap, 124 for a timeout, and so on (design: one status an outcome).
 *
 * Ownership: borrows `result`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) int adk_result_exit_status(const adk_result *result);

/**
 * The word for an outcome in the report ("exited", "trapped", …), or NULL.
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_outcome_cstr(adk_outcome outcome);

/**
 * The original tool's status word for an outcome ("success", "timeout", "memory_exceeded", "error"), or NULL.
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_outcome_status_cstr(adk_outcome outcome);

/**
 * The original's error code for an outcome ("code.sandbox_timeout", "code.sandbox_memory", "code.sandbox_execution"); NULL for
 * ADK_OUTCOME_EXITED, which is no error there either, and for what is no outcome. That of a failed call is
 * adk_error_original_code_cstr().
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_outcome_original_code_cstr(adk_outcome outcome);

/**
 * The word for a phase ("compile", "run", …); NULL for ADK_PHASE_NONE.
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_phase_cstr(adk_phase phase);

/**
 * The word for a reason ("malformed", "missing_import", …); NULL for ADK_REASON_NONE.
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_reason_cstr(adk_reason reason);

ADK_END_DECLS

#endif
