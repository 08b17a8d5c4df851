/**
 * The request: what to run, with what, and within which limits.
 *
 * A plain struct that the caller fills. Start from ADK_REQUEST_INIT, set `code` and `timeout_ns`, and whatever else
 * is wanted: zero always means the default, and every default is the safe one. A synchronous call borrows the
 * request and all it points to until it returns, and keeps nothing of it.
 */
#ifndef ADK_REQUEST_H
#define ADK_REQUEST_H

#include <adk/bytes.h>
#include <adk/defs.h>

ADK_BEGIN_DECLS

typedef struct adk_request adk_request;
typedef struct adk_wasm_module adk_wasm_module;
typedef struct adk_span adk_span;

/** The languages, with their words on the wire. */
#define ADK_LANGUAGE_MAP(X)        \
    X(WASM, 1, "wasm")             \
    X(RUST, 2, "rust")             \
    X(PYTHON, 3, "python")         \
    X(JAVASCRIPT, 4, "javascript") \
    X(TYPESCRIPT, 5, "typescript") \
    X(COMMAND, 6, "command")

/** What the code is written in. */
typedef uint32_t adk_language;
enum {
    ADK_LANGUAGE_DEFAULT = 0, /**< the backend's own */
#define ADK_LANGUAGE_ENUM(name, number, word) ADK_LANGUAGE_##name = (number),
    ADK_LANGUAGE_MAP(ADK_LANGUAGE_ENUM)
#undef ADK_LANGUAGE_ENUM
};

/** What happens to a guest that writes more than the output limit. */
typedef uint32_t adk_output_policy;
enum {
    /** Its writes go on succeeding; the head and the last 64 KiB are kept, the middle is counted and dropped. */
    ADK_OUTPUT_TRUNCATE = 0,
    /** It is stopped at the limit: outcome output_limit. */
    ADK_OUTPUT_STOP = 1
};

/** Bits of adk_request.flags. The first two say that a value for which 0 is legal has been given. */
enum {
    ADK_REQUEST_SEED = 1u << 0,    /**< `random_seed` is given: random numbers are a stream from it */
    ADK_REQUEST_CLOCK = 1u << 1,   /**< `clock_start_ns` is given: the guest's clocks are virtual and start there */
    ADK_REQUEST_CPU_TIME = 1u << 2 /**< measure CPU time, at the cost of two system calls a run */
};

/** One environment variable. The name is not empty and has no '='; neither has a NUL. */
typedef struct adk_env {
    adk_bytes name;
    adk_bytes value;
} adk_env;

/**
 * A file or a tree of files that the guest finds in its private file system. The guest's changes to it are its own: what
 * it was made from is never written.
 */
typedef struct adk_file {
    adk_bytes path;             /**< in the guest, from its root: "/data/in.csv" or "data/in.csv"; directories above it
                                     are made. "/" is the root itself, for a directory of the host's. A directory given
                                     without the first slash is also preopened under that very name, beside "/" */
    adk_bytes content;          /**< the file's bytes, borrowed; nothing where host_path_cstr is given */
    const char *host_path_cstr; /**< a file or directory of the host's, copied in when the run begins; or NULL. Symbolic
                                     links within a directory are copied as links and never followed; FIFOs, sockets
                                     and devices are refused */
} adk_file;

/**
 * Receives what the guest writes, as it writes it, on the run's thread.
 *
 * All bytes come, those beyond the output limit too (with policy *stop*: up to the limit). The time it takes is the
 * run's (phase host_call). It must not throw or longjmp. Returning anything but 0 cancels the run.
 */
typedef int (*adk_stream_fn)(void *data, adk_bytes bytes);

/** Receives the span of a run when it has ended, on the run's thread; see adk/trace.h. */
typedef void (*adk_trace_fn)(void *data, const adk_span *span);

/**
 * Told, on the run's thread, that the run goes on to ADK_PHASE_INSTANTIATE (the program is compiled) and to ADK_PHASE_RUN
 * (it begins). The time it takes is the run's. A run that ends before has not been told of them.
 */
typedef void (*adk_phase_fn)(void *data, uint32_t phase);

#define ADK_MEMORY_LIMIT_DEFAULT_BYTES    ((uint64_t)64 << 20)
#define ADK_MEMORY_LIMIT_PYTHON_BYTES     ((uint64_t)256 << 20) /**< default for python */
#define ADK_MEMORY_LIMIT_JAVASCRIPT_BYTES ((uint64_t)128 << 20) /**< default for javascript and typescript */
#define ADK_MEMORY_LIMIT_MAX_BYTES        ((uint64_t)1 << 40)
#define ADK_OUTPUT_LIMIT_DEFAULT_BYTES    ((uint64_t)1 << 20)
#define ADK_OUTPUT_LIMIT_MAX_BYTES        ((uint64_t)1 << 30)
#define ADK_OUTPUT_TAIL_BYTES             ((uint64_t)64 << 10)
#define ADK_CODE_MAX_BYTES                ((uint64_t)64 << 20)
#define ADK_ARGS_MAX_BYTES                ((uint64_t)16 << 20)
#define ADK_FILES_MAX                     ((size_t)65536)
#define ADK_OUTPUTS_MAX                   ((size_t)1024)
#define ADK_OUTPUTS_LIMIT_DEFAULT_BYTES   ((uint64_t)64 << 20)
#define ADK_OUTPUTS_LIMIT_MAX_BYTES       ((uint64_t)4 << 30)

struct adk_request {
    size_t struct_size;              /**< sizeof(adk_request), set by ADK_REQUEST_INIT */
    adk_language language;           /**< default: the backend's own */
    adk_output_policy output_policy; /**< default: ADK_OUTPUT_TRUNCATE */
    uint32_t flags;                  /**< ADK_REQUEST_* bits */
    uint32_t reserved;               /**< 0 */
    adk_bytes code;                  /**< the program; WebAssembly as binary or as text; at most 64 MiB */
    adk_bytes stdin_data;            /**< standard input: these bytes, then end of file */
    const adk_bytes *args;           /**< argv, [0] included; no NUL inside; with env at most 16 MiB in all */
    size_t args_count;
    const adk_env *env; /**< the whole environment; nothing of the host's is added */
    size_t env_count;
    uint64_t timeout_ns;         /**< must be given: 0 is refused. Wall time of the whole call */
    uint64_t memory_limit_bytes; /**< default 64 MiB, or the language's own; at most 1 TiB; never unlimited */
    uint64_t output_limit_bytes; /**< per stream; default 1 MiB, at most 1 GiB */
    uint64_t fuel;               /**< engine's units of work; default: not metered */
    uint64_t random_seed;        /**< with ADK_REQUEST_SEED */
    uint64_t clock_start_ns;     /**< with ADK_REQUEST_CLOCK: nanoseconds since 1970, at most 2^63 - 1 */
    adk_stream_fn on_stdout;
    adk_stream_fn on_stderr;
    void *stream_data; /**< for on_stdout and on_stderr */
    adk_trace_fn on_trace;
    void *trace_data;
    const adk_wasm_module *module; /**< a prepared module (adk/wasm.h) in place of `code` */
    const adk_file *files;         /**< what the guest finds; copies count in the memory limit; at most 65,536 */
    size_t files_count;
    const adk_bytes *outputs; /**< what comes back, in every outcome: paths, or patterns with `*`, `?` (not `/`) and
                                          `**` (also `/`); a directory comes with all that is in it; at most 1,024 */
    size_t outputs_count;
    uint64_t outputs_limit_bytes; /**< content that comes back, all together; default 64 MiB, at most 4 GiB */
    adk_phase_fn on_phase;
    void *phase_data;
};

#define ADK_REQUEST_INIT                                                                                             \
    {                                                                                                                \
        sizeof(adk_request), 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, NULL, 0, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, \
            NULL, NULL, NULL, NULL, 0, NULL, 0, 0, NULL, NULL                                                        \
    }

/**
 * Sets a request to its defaults, as ADK_REQUEST_INIT does; for languages without initialisers.
 *
 * Ownership: borrows `request`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API ADK_NONNULL(1) void adk_request_init(adk_request *request);

/**
 * The word for a language ("wasm", "python", …), or NULL for a number that is none.
 *
 * Ownership: a constant.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API const char *adk_language_cstr(adk_language language);

/**
 * The language for a word, case-sensitive; ADK_LANGUAGE_DEFAULT where there is none.
 *
 * Ownership: borrows `word`.
 * Threads:   any thread.
 * Errors:    none.
 * Since:     0.1
 */
ADK_API adk_language adk_language_from_word(adk_bytes word);

ADK_END_DECLS

#endif
