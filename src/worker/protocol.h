/*
 * What the library and the helper program adk-worker say to each other, over a channel (base/channel.h). Both sides check
 * every message: its size, its first two fields, every number in it. Both are built together; the version is compared all
 * the same, since an installation may be half upgraded.
 *
 * Compiling: the library sends a job with two descriptors, the source and an empty file for the code, both in memory; the
 * worker answers with one verdict and ends.
 *
 * Serving (worker/forks.c): the library sends orders, with the warm-up's request and the module's code where there is an
 * image; the worker answers once, when it is ready. From then on the library sends seats: two descriptors, the run's end of
 * a channel and the worker's end of another. The worker forks a run for each, says so on its own with the run's pidfd, and
 * how it ended when it has. The run takes one message from its channel: the file it shares with the library
 * (worker/exchange.h), and the code of an ordinary module.
 *
 * A run of an image may be opened as a session instead (worker/calls.c). Then it answers, takes one such message for each
 * call, and says when the call has ended. To be forked it is sent the branch's end of a channel, and the worker both others:
 * the branch says hello to the worker, which knows it by that from here on as one of its own.
 */
#ifndef ADK_WORKER_PROTOCOL_H
#define ADK_WORKER_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** "adkW" and a number that changes with any of the structs below. */
#define ADK__WORKER_MAGIC    UINT32_C(0x576b6461)
#define ADK__WORKER_PROTOCOL UINT32_C(5)

#define ADK__WORKER_VERSION_MAX 64
#define ADK__WORKER_MESSAGE_MAX 8192

enum {
    ADK__WORKER_NARROW = 1u << 0, /* memories are checked in code: see wasm/engine.c */
};

typedef struct adk__worker_job {
    uint32_t magic;
    uint32_t protocol;
    uint32_t flavour;
    uint32_t flags;
    uint64_t source_bytes;
    uint64_t memory_bytes;                 /* what compiling may take of address space, and code may have of size */
    char version[ADK__WORKER_VERSION_MAX]; /* of library and engine, padded with zeros */
} adk__worker_job;

/** The order of its descriptors. */
enum {
    ADK__WORKER_SOURCE,
    ADK__WORKER_CODE,
    ADK__WORKER_JOB_FDS,
};

typedef enum adk__worker_status {
    ADK__WORKER_DONE = 1, /* the code is written */
    ADK__WORKER_REFUSED,  /* the module is: reason and message */
    ADK__WORKER_FAILED,   /* the worker could not begin: message */
} adk__worker_status;

/** Followed by `message_bytes` of text. */
typedef struct adk__worker_verdict {
    uint32_t magic;
    uint32_t protocol;
    uint32_t status;
    uint32_t reason;       /* an adk_reason */
    uint32_t needs_memory; /* of a refusal: no budget would be enough for the module's tables */
    uint32_t is_exact;     /* this and the next two: of code, an adk_engine_split */
    uint32_t first_helper;
    uint32_t reserved; /* zero */
    uint64_t code_shift;
    uint64_t code_bytes;
    uint64_t message_bytes;
} adk__worker_verdict;

/* ---- serving ------------------------------------------------------------------------------------------------------- */

#define ADK__WORKER_ENTRY_MAX 264

typedef struct adk__worker_orders {
    uint32_t magic;
    uint32_t protocol;
    uint32_t flavour;
    uint32_t flags;       /* ADK__WORKER_NARROW */
    uint64_t stack_bytes; /* that a guest's calls may take */
    uint64_t code_shift;
    uint32_t first_helper;
    uint32_t is_exact;                     /* this and the two before: of an image's code, an adk_engine_split */
    char version[ADK__WORKER_VERSION_MAX]; /* as in a job */
    char entry[ADK__WORKER_ENTRY_MAX];     /* the export to call, padded with zeros */
} adk__worker_orders;

/** The order of their descriptors, where there is an image. */
enum {
    ADK__WORKER_IMAGE_EXCHANGE,
    ADK__WORKER_IMAGE_CODE,
    ADK__WORKER_IMAGE_FDS,
};

/** Followed by `message_bytes` of text. */
typedef struct adk__worker_ready {
    uint32_t magic;
    uint32_t protocol;
    uint32_t is_ready; /* 1; else `message` says why not */
    uint32_t walls;    /* ADK_WALL_* bits */
    uint64_t compatibility;
    uint64_t message_bytes;
} adk__worker_ready;

typedef enum adk__worker_word {
    ADK__WORKER_SEAT = 1, /* to the worker: for a run; two descriptors */
    ADK__WORKER_RUN,      /* to a run; one descriptor or two */
    ADK__WORKER_STARTED,  /* of a run; with its pidfd */
    ADK__WORKER_ENDED,    /* of a run */
    ADK__WORKER_STREAM,   /* from a run: `stream` and bytes follow */
    ADK__WORKER_OPEN,     /* to what is to be a session: an adk__worker_opening */
    ADK__WORKER_OPENED,   /* from a session: `exit_status` is 0, or an errno value */
    ADK__WORKER_CALL,     /* to a session: `call`, and the descriptor of what it shares */
    ADK__WORKER_RETURNED, /* from a session: `call` has ended and its report is written; `cpu_ns` */
    ADK__WORKER_FORK,     /* to a session: an adk__worker_opening, and the branch's end of a channel */
    ADK__WORKER_BRANCH,   /* to the worker: the library's end of that channel, and the worker's of one for news */
    ADK__WORKER_HELLO,    /* from a branch to the worker */
    ADK__WORKER_ROOM,     /* to the worker: as a seat, for what is to be a session */
} adk__worker_word;

typedef struct adk__worker_message {
    uint32_t magic;
    uint32_t word;
    int32_t exit_status; /* of what ended: where signal is 0 */
    int32_t signal;
    uint64_t cpu_ns;
    uint32_t stream; /* 1 or 2 */
    uint32_t call;   /* of a session, counted from 1; else 0 */
} adk__worker_message;

enum {
    ADK__WORKER_FORKS = 1u << 0, /* the session may be forked */
};

/** What a session may have, or a branch of it. */
typedef struct adk__worker_opening {
    uint32_t magic;
    uint32_t word;  /* ADK__WORKER_OPEN or ADK__WORKER_FORK */
    uint32_t flags; /* ADK__WORKER_FORKS */
    uint32_t cpu_s; /* of the process */
    uint64_t memory_bytes;
    uint64_t outputs_bytes; /* of files that come back from a call */
    uint64_t idle_ns;       /* that may pass between two calls */
    uint64_t until_ns;      /* CLOCK_MONOTONIC: when it ends in any case */
} adk__worker_opening;

/** The exit status of a session that has waited too long. */
#define ADK__WORKER_EXPIRED 3

/** What a run writes to a stream comes in pieces. */
#define ADK__WORKER_STREAM_MAX 32768

enum {
    ADK__WORKER_SEAT_RUN,  /* for the run */
    ADK__WORKER_SEAT_NEWS, /* for the worker */
    ADK__WORKER_SEAT_FDS,
};

enum {
    ADK__WORKER_RUN_EXCHANGE,
    ADK__WORKER_RUN_CODE,
    ADK__WORKER_RUN_FDS,
};

/** As adk__worker_job_problem(). */
const char *adk__worker_orders_problem(const adk__worker_orders *orders, size_t size);

/** Whether a message of `size` bytes, with what follows the struct, is an answer to orders as far as its form goes. */
bool adk__worker_ready_is_sound(const adk__worker_ready *ready, size_t size);

/** Whether a message of `size` bytes opens a session, or a branch of one. */
bool adk__worker_opening_is(const adk__worker_opening *opening, size_t size, adk__worker_word word);

/** Whether a message says just this word. */
bool adk__worker_message_is(const adk__worker_message *message, size_t size, adk__worker_word word);

/** Library and engine, padded with zeros. */
void adk__worker_version(char ret_version[ADK__WORKER_VERSION_MAX]);

/** Why a message of `size` bytes is not a job that this program can take; NULL: it is. Its files are another matter. */
const char *adk__worker_job_problem(const adk__worker_job *job, size_t size);

/** Whether a message of `size` bytes, with what follows the struct, is a verdict as far as its form goes. */
bool adk__worker_verdict_is_sound(const adk__worker_verdict *verdict, size_t size);

/**
 * Where adk-worker is: what was given, else the environment's ADK_SANDBOX_WORKER (unless the process has privileges that
 * its user lacks), else beside the program, in ../libexec/adk-sandbox from there, or where it was meant to be installed.
 * The caller frees *ret_path; NULL: it is nowhere. Returns 0 or ENOMEM.
 */
int adk__worker_find(const char *given, char **ret_path);

#endif
