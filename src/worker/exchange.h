/*
 * The file in memory that a run and the library share: the request goes in by it, output and result come back.
 *
 * The library makes one for each run and seals it against growing and shrinking before anybody else sees it. The run maps
 * it; the library never does, it writes and reads it as a file, so that nothing the other side does can end the library's
 * process. What lies where is decided by the library and remembered there; the run is told in the head. Whatever the run
 * has written is read once, when the run's process has ended, and every number in it is hostile.
 *
 *   head (a page) | stdout: head, tail | stderr: head, tail | the result's parts of any size | the request
 */
#ifndef ADK_WORKER_EXCHANGE_H
#define ADK_WORKER_EXCHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <adk/error.h>
#include <adk/request.h>
#include <adk/result.h>

#include "adk_engine.h"
#include "base/interrupt.h"
#include "core/inputs.h"
#include "vfs/vfs.h"

#define ADK__EXCHANGE_HEAD_BYTES ((uint64_t)4096)
#define ADK__EXCHANGE_DONE       UINT32_C(0x656e6f64)
#define ADK__EXCHANGE_KIND_MAX   32

/** What lies where. */
typedef struct adk__exchange_layout {
    uint64_t size; /* of the file */
    uint64_t output_at[2];
    uint64_t output_limit; /* of each, then ADK__CAPTURE_TAIL_BYTES */
    uint64_t parts_at;
    uint64_t parts_max;
    uint64_t request_at;
    uint64_t request_size;
} adk__exchange_layout;

/** The result, but for what is of any size: that lies in the parts, in the order of the counts. */
typedef struct adk__exchange_report {
    uint32_t done;   /* ADK__EXCHANGE_DONE, written last */
    int32_t status;  /* ADK_OK, or that of a call that failed: `message` says why */
    int32_t failure; /* an errno value behind it, or 0 */
    uint32_t outcome;
    uint32_t phase;
    uint32_t reason;
    uint32_t code;
    uint32_t measured;
    uint32_t files_incomplete;
    uint32_t tables_too_large;
    uint64_t instantiate_ns;
    uint64_t load_ns;
    uint64_t run_ns;
    uint64_t memory_peak_bytes;
    uint64_t memory_denied;
    uint64_t fuel;
    uint64_t host_calls;
    uint64_t message_bytes;
    uint64_t trap_message_bytes;
    uint64_t frame_count;
    uint64_t frame_names_bytes;
    uint64_t file_count;
    uint64_t parts_bytes;
    char trap_kind[ADK__EXCHANGE_KIND_MAX]; /* padded with zeros; empty: there was no trap */
} adk__exchange_report;

typedef struct adk__exchange_head {
    adk__exchange_layout layout;
    _Atomic uint64_t written[2]; /* to stdout and stderr */
    _Atomic uint32_t phase;      /* where the run is: an adk_phase */
    _Atomic uint32_t waits;      /* it sleeps in a host call */
    adk__exchange_report report;
} adk__exchange_head;
_Static_assert(sizeof(adk__exchange_head) <= ADK__EXCHANGE_HEAD_BYTES, "the head is a page");

/** A frame and a file among the parts; names and content follow all of their kind. */
typedef struct adk__exchange_frame {
    uint64_t name_bytes;
    uint64_t module_offset;
    uint32_t function_index;
    uint32_t reserved;
} adk__exchange_frame;

typedef struct adk__exchange_file {
    uint64_t path_bytes;
    uint64_t content_bytes;
    uint64_t size_bytes;
    uint32_t type;
    uint32_t truncated;
    uint32_t output;
    uint32_t reserved;
} adk__exchange_file;

/** What a run is told beside the request. */
typedef struct adk__exchange_orders {
    uint64_t started_ns;    /* CLOCK_MONOTONIC: when the call began */
    uint64_t soft_ns;       /* the deadline: when the guest is stopped */
    uint64_t last_ns;       /* until when a guest's files are collected after that */
    uint64_t hard_ns;       /* when the process is killed */
    adk_engine_split split; /* of the code, where some comes with the request */
    uint32_t inputs_stop;   /* an adk__inputs_stop */
} adk__exchange_orders;

/* ---- the library's side (exchange.c, report_read.c) ---------------------------------------------------------------- */

/**
 * Makes the file, with the request in it, and seals it. Files of the host's are read here; when time or memory is up
 * meanwhile, the orders say so to the run. The caller closes *ret_fd. ADK_E_NOMEM, ADK_E_SYSTEM; ADK_E_INVALID as
 * adk__inputs_load() has it.
 */
ADK_MUST_USE int adk__exchange_make(const adk_request *request, adk__exchange_orders *orders, adk__interrupt *interrupt,
                                    adk__exchange_layout *ret_layout, int *ret_fd, adk_error **ret_error);

/** What became of a report. */
typedef enum adk__exchange_found {
    ADK__EXCHANGE_NOTHING, /* none was written: output is in the result, and the phase that was reached */
    ADK__EXCHANGE_REPORT,  /* all of it is in the result */
    ADK__EXCHANGE_FAILURE, /* the call failed: *ret_error */
} adk__exchange_found;

/** What is read, and of whom. */
typedef struct adk__exchange_wish {
    int fd;
    const adk__exchange_layout *layout;
    const adk_request *request;
    uint64_t elapsed_ns; /* since the call began: nothing that is reported took longer */
    bool with_report;    /* else only the output, and the phase that was reached */
    bool was_cancelled;  /* a run may say so */
    bool is_late;        /* the same of its deadline */
} adk__exchange_wish;

/**
 * Reads what a run that has ended left, into a result that is new. A report that makes no sense is none. Fails with
 * ADK_E_NOMEM or ADK_E_SYSTEM, or with what *ret_found being ADK__EXCHANGE_FAILURE brought.
 */
ADK_MUST_USE int adk__exchange_read(const adk__exchange_wish *wish, adk_result *result, adk__exchange_found *ret_found,
                                    adk_error **ret_error);

/* ---- the run's side (request_read.c, report_write.c) --------------------------------------------------------------- */

/** A file that goes into a run's tree. */
enum {
    ADK__EXCHANGE_BORROWED = 1, /* content is given: it stays where it is */
    ADK__EXCHANGE_COPIED,       /* of the host's: content is charged to the run */
    ADK__EXCHANGE_DIRECTORY,
    ADK__EXCHANGE_LINK,    /* content is the target */
    ADK__EXCHANGE_PREOPEN, /* a name that the request gave */
};

typedef struct adk__exchange_input {
    uint32_t kind;
    adk_bytes path;
    adk_bytes content;
} adk__exchange_input;

/** The request as the run has it: views into the file. */
typedef struct adk__exchange_request {
    adk_request request; /* without files and callbacks */
    adk__exchange_orders orders;
    uint32_t streams; /* bit 0: stdout is to be streamed, bit 1: stderr */
    adk__exchange_input *inputs;
    size_t inputs_count;
} adk__exchange_request;

/** Maps the file; NULL with errno set where that fails, or its size is not what the head says. */
adk__exchange_head *adk__exchange_map(int fd);

/** The same for an image's, which many processes will have: what is written to it is each one's own. */
adk__exchange_head *adk__exchange_map_image(int fd);

/** Reads the request. What it allocates is the process's to keep. False: it makes no sense, or there is no memory. */
bool adk__exchange_read_request(const adk__exchange_head *head, adk__exchange_request *ret_request);

/** Puts the inputs into a tree: 0, or a negative errno value (-ENOSPC: they do not fit) of the input at *ret_at. */
int adk__exchange_load(const adk__exchange_request *request, adk__vfs *vfs, size_t *ret_at);

/** Has a result's output captured in the file. */
void adk__exchange_lend(adk__exchange_head *head, adk_result *result);

/** Writes the report of a call that succeeded, or of one that failed with this error. */
void adk__exchange_finish(adk__exchange_head *head, const adk_result *result, uint64_t load_ns);
void adk__exchange_fail(adk__exchange_head *head, int status, const adk_error *error);

#endif
