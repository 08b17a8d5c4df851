/*
 * The tool's inside. A call goes through four hands: json.c parses its arguments, arguments.c checks them and makes a
 * request of them (modules.c finds modules by name), somebody runs it, call.c makes the answer. store.c keeps the result
 * for read.c, and schema.c tells models about all that.
 *
 * What is here beyond adk/tool.h is for those who speak JSON themselves and run requests elsewhere (src/mcp): they begin
 * with adk__tool_call_new() and end with adk__tool_call_answer().
 */
#ifndef ADK_TOOL_TOOL_H
#define ADK_TOOL_TOOL_H

#include <pthread.h>

#include <adk/tool.h>

#include "core/report.h"
#include "tool/json.h"

#define ADK__HANDLE_SIZE      33 /* 128 bits in hex, and a NUL */
#define ADK__TRACEPARENT_SIZE 56
#define ADK__MODULES_LISTED   256

/* ---- results that are kept (store.c) ------------------------------------------------------------------------------ */

typedef struct adk__kept {
    char handle[ADK__HANDLE_SIZE];
    adk_result *result;
    uint64_t bytes;
} adk__kept;

typedef struct adk__store {
    pthread_mutex_t mutex;
    adk__kept *kept; /* a ring of `most`; `count` from `first` on are taken, oldest first */
    uint32_t most;
    uint32_t first;
    uint32_t count;
    uint64_t bytes;
    uint64_t most_bytes;
} adk__store;

int adk__store_init(adk__store *store, uint32_t most, uint64_t most_bytes, adk_error **ret_error);
void adk__store_free(adk__store *store);

/** Keeps a result and takes it; false where it is too large, or there is no randomness for a handle. */
bool adk__store_put(adk__store *store, adk_result *result, char ret_handle[ADK__HANDLE_SIZE]);

/** The result of a handle, which stays until adk__store_unlock(); NULL, and nothing to unlock, where there is none. */
const adk_result *adk__store_lock(adk__store *store, adk_bytes handle);
void adk__store_unlock(adk__store *store);

/* ---- sessions (sessions.c) ---------------------------------------------------------------------------------------- */

#define ADK__SESSION_NAME_SIZE 65 /* with a NUL */

typedef struct adk__tool_session adk__tool_session;

typedef struct adk__tool_sessions {
    bool is_made;
    pthread_mutex_t mutex;
    adk__tool_session *list;
    uint32_t count;
    uint32_t most;
} adk__tool_sessions;

int adk__tool_sessions_init(adk__tool_sessions *sessions, uint32_t most, adk_error **ret_error);

/** Closes them all; no call is under way. */
void adk__tool_sessions_free(adk__tool_sessions *sessions);

/** Letters, digits and a few signs, and not too long. */
bool adk__tool_session_name_is_good(adk_bytes name);

/** The backend that runs a call of it. */
adk_backend *adk__tool_session_backend(const adk__tool_session *session);

/** What the answer of its call says of it; NULL without memory. */
json_t *adk__tool_session_json(adk__tool_session *session);

void adk__tool_session_let_go(adk__tool_session *session);

/* ---- the tool ----------------------------------------------------------------------------------------------------- */

struct adk_tool {
    adk_backend *backend;
    adk_capabilities capabilities;
    adk_tool_options options; /* complete */
    int modules_fd;           /* or -1 */
    char languages[96];       /* what the backend can run: "wasm, python" */
    char languages_hint[128];
    adk__store store;
    uint32_t session_languages; /* bits; 0: there are no sessions */
    adk__tool_sessions sessions;
};

/* ---- one call ----------------------------------------------------------------------------------------------------- */

typedef struct adk__tool_call {
    adk_tool *tool;
    json_t *arguments; /* strings of the request are borrowed from it */
    adk_request request;
    adk__report_view view;
    void *code; /* decoded, or read */
    adk_bytes program;
    adk_bytes session_name; /* empty: none was given */
    adk_bytes *args;
    adk_env *env;
    adk_file *files;
    void **decoded; /* of each file, or NULL */
    adk_bytes *outputs;
    adk_trace_fn on_trace;
    void *trace_data;
    adk__tool_session *session;              /* held by the call; or NULL */
    char traceparent[ADK__TRACEPARENT_SIZE]; /* empty: none */
} adk__tool_call;

/** The whole answer. */
typedef struct adk__tool_answer {
    adk__json_out report; /* written */
    json_t *images;       /* an array of {type: "image", data, mimeType}; NULL for none */
    bool is_error;        /* nothing was run */
} adk__tool_answer;
#define ADK__TOOL_ANSWER_INIT          \
    {                                  \
        ADK__JSON_OUT_INIT, NULL, true \
    }

void adk__tool_answer_free(adk__tool_answer *answer);

/**
 * Checks arguments and makes a request of them. ADK_E_INVALID says what is wrong with them; *ret_hint (a string of the
 * tool's, or NULL) what might help. `images_apart`: see adk__report_view.
 *
 * The call takes a reference to `arguments`. The request borrows from the call, which must not move, until it is freed.
 */
int adk__tool_call_new(adk_tool *tool, json_t *arguments, const adk_tool_call_options *options, bool images_apart,
                       adk__tool_call **ret_call, const char **ret_hint, adk_error **ret_error);
void adk__tool_call_free(adk__tool_call *call);
ADK_DEFINE_AUTO(adk__tool_call, adk__tool_call_free);

/** What is to run the call's request. */
adk_backend *adk__tool_call_backend(const adk__tool_call *call);

/** Has the call run in the session of this name, which may be a new one. */
int adk__tool_session_use(adk__tool_call *call, adk_bytes name, adk_error **ret_error);

/** Frees what the request borrows, once somebody has a copy of it. */
void adk__tool_call_drop_inputs(adk__tool_call *call);

/**
 * Writes the answer for what the run gave, into one that is empty: takes `result` (NULL unless `status` is ADK_OK). Without
 * memory answer->report.failed says so. The caller frees the answer in any case.
 */
void adk__tool_call_answer(adk__tool_call *call, int status, adk_result *result, const adk_error *error,
                           adk__tool_answer *answer);

/** The same of a call that was not made. */
void adk__tool_refusal(const adk_error *error, const char *hint, adk__tool_answer *answer);

/** As adk_tool_read(), adk_tool_schema() and so on; NULL without memory. `ret_is_error` where nothing was read. */
json_t *adk__tool_read(adk_tool *tool, const json_t *arguments, bool *ret_is_error);
json_t *adk__tool_read_refusal(const adk_error *error);

/** An answer to arguments that are an object or not; NULL for want of memory. */
typedef json_t *(*adk__tool_answer_fn)(adk_tool *tool, const json_t *arguments, bool *ret_is_error);

/** Reads the arguments within the tool's limits, and writes the answer to them as text. */
int adk__tool_answer_text(adk_tool *tool, adk_bytes text, adk__tool_answer_fn answer_to, char **ret_text_cstr,
                          adk_error **ret_error);
json_t *adk__tool_schema(const adk_tool *tool);
json_t *adk__tool_read_schema(void);
json_t *adk__tool_capabilities_schema(void);
json_t *adk__tool_session_schema(void);
json_t *adk__tool_session_act(adk_tool *tool, const json_t *arguments, bool *ret_is_error);
json_t *adk__tool_capabilities(const adk_tool *tool);

/* ---- pieces ------------------------------------------------------------------------------------------------------- */

/** arguments.c: fills the call from call->arguments. */
int adk__tool_arguments(adk__tool_call *call, const char **ret_hint, adk_error **ret_error);

/** What is wrong with the keys of `object`, that are not among names[0..count-1]. */
int adk__tool_check_keys(const json_t *object, const char *what, const char *const *names, size_t count,
                         adk_error **ret_error);

/** modules.c: reads a module by name; the caller frees *ret_data. */
int adk__tool_read_module(const adk_tool *tool, adk_bytes name, void **ret_data, size_t *ret_size,
                          adk_error **ret_error);

/** The names that callers can use, sorted, at most ADK__MODULES_LISTED; NULL without memory. */
json_t *adk__tool_list_modules(const adk_tool *tool);

/** trace.c: keeps a valid traceparent, or the empty string. */
void adk__tool_traceparent(adk_bytes given, char ret_traceparent[ADK__TRACEPARENT_SIZE]);
void adk__tool_trace(void *call, const adk_span *span);

#endif
