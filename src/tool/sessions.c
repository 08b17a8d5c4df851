/*
 * Sessions by name: what `session` in a call's arguments means, and the tool that lists, forks and closes them.
 *
 * The first call that uses a name opens the session, on the thread that runs it. For that a name has a backend of its own,
 * which hands requests to its session: so a call with a session is run, queued and cancelled as any other. A session that has
 * ended is forgotten with the call that learns of it: the next one with its name begins anew.
 *
 * An entry is held by the table and by each call that uses it; the last to let go closes the session. So one that is closed
 * while a call is under way ends with that.
 */
#include <string.h>
#include <utlist.h>

#include "core/backend.h"
#include "core/error.h"
#include "tool/tool.h"

#define NS_PER_SECOND UINT64_C(1000000000)

struct adk__tool_session {
    adk_tool *tool;
    char name[ADK__SESSION_NAME_SIZE];
    adk_language language;
    uint64_t memory_bytes; /* 0: the language's */
    adk_backend *backend;
    pthread_mutex_t mutex; /* of opening */
    adk_session *session;  /* NULL: not opened yet */
    uint32_t holders;      /* this and the next two: under the table's lock */
    bool is_listed;
    struct adk__tool_session *next;
    struct adk__tool_session *prev;
};

/* ---- entries ------------------------------------------------------------------------------------------------------- */

int adk__tool_sessions_init(adk__tool_sessions *sessions, uint32_t most, adk_error **ret_error)
{
    int failed = pthread_mutex_init(&sessions->mutex, NULL);

    if (failed)
        return adk__fail(ret_error, ADK_E_SYSTEM, failed, "make a lock");
    sessions->most = most;
    sessions->is_made = true;
    return ADK_OK;
}

static void free_entry(adk__tool_session *entry)
{
    adk_session_close(entry->session);
    adk_backend_free(entry->backend);
    (void)pthread_mutex_destroy(&entry->mutex);
    free(entry);
}

void adk__tool_session_let_go(adk__tool_session *entry)
{
    adk__tool_sessions *sessions;
    bool is_last;

    if (entry == NULL)
        return;
    sessions = &entry->tool->sessions;
    (void)pthread_mutex_lock(&sessions->mutex);
    is_last = --entry->holders == 0;
    (void)pthread_mutex_unlock(&sessions->mutex);
    if (is_last)
        free_entry(entry);
}

/* With the table's lock held: its own hold is then the caller's to let go of. */
static bool unlist(adk__tool_session *entry)
{
    bool was_listed = entry->is_listed;

    if (was_listed) {
        entry->is_listed = false;
        DL_DELETE(entry->tool->sessions.list, entry);
        entry->tool->sessions.count--;
    }
    return was_listed;
}

static void forget(adk__tool_session *entry)
{
    adk__tool_sessions *sessions = &entry->tool->sessions;
    bool was_listed;

    (void)pthread_mutex_lock(&sessions->mutex);
    was_listed = unlist(entry);
    (void)pthread_mutex_unlock(&sessions->mutex);
    if (was_listed)
        adk__tool_session_let_go(entry);
}

void adk__tool_sessions_free(adk__tool_sessions *sessions)
{
    if (!sessions->is_made)
        return;
    while (sessions->list != NULL)
        forget(sessions->list);
    (void)pthread_mutex_destroy(&sessions->mutex);
}

static adk__tool_session *find(const adk__tool_sessions *sessions, adk_bytes name)
{
    adk__tool_session *entry;

    DL_FOREACH(sessions->list, entry)
    {
        if (strlen(entry->name) == name.size && memcmp(entry->name, name.data, name.size) == 0)
            return entry;
    }
    return NULL;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

/* On whatever thread runs the call. Two first calls at once: one of them opens. */
static int open_entry(adk__tool_session *entry, uint64_t timeout_ns, adk_error **ret_error)
{
    ADK_AUTO_UNLOCK pthread_mutex_t *lock = NULL;
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;

    if (pthread_mutex_trylock(&entry->mutex) != 0)
        return adk__fail(ret_error, ADK_E_BUSY, 0, "another call of the session is under way");
    lock = &entry->mutex;
    if (entry->session != NULL)
        return ADK_OK;
    options.language = entry->language;
    options.flags = ADK_SESSION_FORKS;
    options.memory_limit_bytes = entry->memory_bytes;
    options.outputs_limit_bytes = entry->tool->options.files_max_bytes;
    options.open_timeout_ns = timeout_ns < ADK_SESSION_OPEN_DEFAULT_NS ? timeout_ns : ADK_SESSION_OPEN_DEFAULT_NS;
    return adk_session_open(entry->tool->backend, &options, &entry->session, ret_error);
}

static adk_session_end end_of(const adk__tool_session *entry)
{
    adk_session_info info = ADK_SESSION_INFO_INIT;

    adk_session_describe(entry->session, &info);
    return info.end;
}

/* Memory is the session's, and the span that of the backend around it. */
static int execute(void *state, const adk_request *request, adk_cancel *cancel, adk_result **ret_result,
                   adk_error **ret_error)
{
    adk__tool_session *entry = state;
    adk_request handed = *request;
    int status = open_entry(entry, request->timeout_ns, ret_error);

    if (status != ADK_OK) {
        if (status != ADK_E_BUSY)
            forget(entry);
        return status;
    }
    handed.memory_limit_bytes = 0;
    handed.on_trace = NULL;
    status = adk_session_execute(entry->session, &handed, cancel, ret_result, ret_error);
    if (end_of(entry) != ADK_SESSION_END_NONE)
        forget(entry);
    return status;
}

/* ---- using --------------------------------------------------------------------------------------------------------- */

bool adk__tool_session_name_is_good(adk_bytes name)
{
    const char *text = name.data;

    for (size_t i = 0; i < name.size; i++) {
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", text[i]) == NULL ||
            text[i] == '\0')
            return false;
    }
    return name.size > 0 && name.size < ADK__SESSION_NAME_SIZE;
}

/* With the table's lock held. Listed, and held by the table and by the caller. */
static int add(adk_tool *tool, adk_bytes name, adk_language language, uint64_t memory_bytes,
               adk__tool_session **ret_entry, adk_error **ret_error)
{
    const adk_backend_ops ops = {sizeof(ops), execute, NULL};
    adk__tool_sessions *sessions = &tool->sessions;
    adk_capabilities capabilities = tool->capabilities;
    adk__tool_session *entry;
    int status;

    if (sessions->count >= sessions->most)
        return adk__fail(ret_error, ADK_E_BUSY, 0,
                         "%u sessions are open, as many as there may be: close one with sandbox_session",
                         sessions->count);
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL || pthread_mutex_init(&entry->mutex, NULL) != 0) {
        free(entry);
        return adk__fail_nomem(ret_error);
    }
    capabilities.languages = 1u << language;
    status = adk_backend_new(&ops, entry, "session", &capabilities, &entry->backend, ret_error);
    if (status != ADK_OK) {
        free_entry(entry);
        return status;
    }
    adk__backend_set_router(entry->backend);
    entry->tool = tool;
    memcpy(entry->name, name.data, name.size);
    entry->language = language;
    entry->memory_bytes = memory_bytes;
    entry->holders = 2;
    entry->is_listed = true;
    DL_APPEND(sessions->list, entry);
    sessions->count++;
    *ret_entry = entry;
    return ADK_OK;
}

int adk__tool_session_use(adk__tool_call *call, adk_bytes name, adk_error **ret_error)
{
    adk_tool *tool = call->tool;
    adk__tool_sessions *sessions = &tool->sessions;
    ADK_AUTO_UNLOCK pthread_mutex_t *lock = NULL;
    adk__tool_session *entry;

    if ((tool->session_languages >> call->request.language & 1) == 0)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "there are no sessions in language \"%s\"",
                         adk_language_cstr(call->request.language));
    (void)pthread_mutex_lock(&sessions->mutex);
    lock = &sessions->mutex;
    entry = find(sessions, name);
    if (entry == NULL)
        return add(tool, name, call->request.language, call->request.memory_limit_bytes, &call->session, ret_error);
    if (entry->language != call->request.language)
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the session \"%s\" is in language \"%s\"", entry->name,
                         adk_language_cstr(entry->language));
    if (json_object_get(call->arguments, "memory_limit_mb") != NULL)
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "\"memory_limit_mb\" goes with the first call of a session, which \"%s\" has had",
                         entry->name);
    entry->holders++;
    call->session = entry;
    return ADK_OK;
}

adk_backend *adk__tool_session_backend(const adk__tool_session *entry)
{
    return entry->backend;
}

json_t *adk__tool_session_json(adk__tool_session *entry)
{
    adk_session_end end = ADK_SESSION_END_NONE;

    if (pthread_mutex_trylock(&entry->mutex) == 0) { /* else another call is opening it */
        end = entry->session == NULL ? ADK_SESSION_END_NONE : end_of(entry);
        (void)pthread_mutex_unlock(&entry->mutex);
    }

    return json_pack("{sssbss?}", "name", entry->name, "open", end == ADK_SESSION_END_NONE, "end",
                     end == ADK_SESSION_END_NONE ? NULL : adk_session_end_cstr(end));
}

/* ---- the tool ------------------------------------------------------------------------------------------------------ */

static json_t *entry_json(const adk__tool_session *entry)
{
    adk_session_info info = ADK_SESSION_INFO_INIT;

    if (entry->session != NULL)
        adk_session_describe(entry->session, &info);
    return json_pack("{sssssbsIsIsI}", "name", entry->name, "language", adk_language_cstr(entry->language), "open",
                     info.end == ADK_SESSION_END_NONE, "calls", (json_int_t)info.calls, "left_s",
                     (json_int_t)(info.left_ns / NS_PER_SECOND), "idle_left_s",
                     (json_int_t)(info.idle_left_ns / NS_PER_SECOND));
}

static json_t *list_json(adk__tool_sessions *sessions)
{
    json_t *list = json_array();
    adk__tool_session *entry;
    int failed = list == NULL;

    (void)pthread_mutex_lock(&sessions->mutex);
    DL_FOREACH(sessions->list, entry)
    {
        if (pthread_mutex_trylock(&entry->mutex) != 0)
            continue; /* it is being opened */
        failed = failed || json_array_append_new(list, entry_json(entry)) != 0;
        (void)pthread_mutex_unlock(&entry->mutex);
    }
    (void)pthread_mutex_unlock(&sessions->mutex);
    if (failed) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{ssso}", "status", "success", "sessions", list);
}

/* Held by the caller. */
static int hold(adk_tool *tool, adk_bytes name, adk__tool_session **ret_entry, adk_error **ret_error)
{
    adk__tool_sessions *sessions = &tool->sessions;
    adk__tool_session *entry;

    (void)pthread_mutex_lock(&sessions->mutex);
    entry = find(sessions, name);
    if (entry != NULL)
        entry->holders++;
    (void)pthread_mutex_unlock(&sessions->mutex);
    *ret_entry = entry;
    return entry != NULL ? ADK_OK : adk__fail(ret_error, ADK_E_INVALID, 0, "there is no session of this name");
}

static int close_named(adk_tool *tool, adk_bytes name, adk_error **ret_error)
{
    adk__tool_session *entry;
    int status = hold(tool, name, &entry, ret_error);

    if (status != ADK_OK)
        return status;
    forget(entry);
    adk__tool_session_let_go(entry);
    return ADK_OK;
}

/* The name is taken first, so that two forks cannot come by the same. */
static int fork_into(adk__tool_session *entry, adk_bytes as, adk_error **ret_error)
{
    adk_tool *tool = entry->tool;
    adk__tool_session *made = NULL;
    int status = ADK_OK;

    (void)pthread_mutex_lock(&tool->sessions.mutex);
    if (find(&tool->sessions, as) != NULL)
        status = adk__fail(ret_error, ADK_E_INVALID, 0, "there is a session of the fork's name already");
    if (status == ADK_OK)
        status = add(tool, as, entry->language, entry->memory_bytes, &made, ret_error);
    if (status == ADK_OK)
        (void)pthread_mutex_lock(&made->mutex);
    (void)pthread_mutex_unlock(&tool->sessions.mutex);
    if (status != ADK_OK)
        return status;
    if (pthread_mutex_trylock(&entry->mutex) != 0) {
        status = adk__fail(ret_error, ADK_E_BUSY, 0, "the session is being opened");
    } else {
        status = entry->session == NULL ? adk__fail(ret_error, ADK_E_INVALID, 0, "the session has had no call yet")
                                        : adk_session_fork(entry->session, &made->session, ret_error);
        (void)pthread_mutex_unlock(&entry->mutex);
    }
    (void)pthread_mutex_unlock(&made->mutex);
    if (status != ADK_OK)
        forget(made);
    adk__tool_session_let_go(made);
    return status;
}

static int fork_named(adk_tool *tool, adk_bytes name, adk_bytes as, adk_error **ret_error)
{
    adk__tool_session *entry;
    int status = hold(tool, name, &entry, ret_error);

    if (status != ADK_OK)
        return status;
    status = fork_into(entry, as, ret_error);
    adk__tool_session_let_go(entry);
    return status;
}

static int take_name(const json_t *arguments, const char *key, adk_bytes *ret_name, adk_error **ret_error)
{
    const json_t *value = json_object_get(arguments, key);

    if (!json_is_string(value) || !adk__tool_session_name_is_good(adk__json_bytes(value)))
        return adk__fail(ret_error, ADK_E_INVALID, 0,
                         "\"%s\" must be a name of 1 to 64 letters, digits, \".\", \"_\" and \"-\"", key);
    *ret_name = adk__json_bytes(value);
    return ADK_OK;
}

/* ADK_OK with *ret_answer, or without one for want of memory. */
static int act(adk_tool *tool, const json_t *arguments, json_t **ret_answer, adk_error **ret_error)
{
    static const char *const names[] = {"action", "session", "as"};
    const json_t *action = json_object_get(arguments, "action");
    adk_bytes name = {NULL, 0};
    adk_bytes as = {NULL, 0};
    int status = ADK_OK;

    if (!json_is_object(arguments))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "the arguments must be an object");
    status = adk__tool_check_keys(arguments, "argument", names, ADK_COUNT(names), ret_error);
    if (status == ADK_OK && adk__json_is(action, "list")) {
        *ret_answer = list_json(&tool->sessions);
        return ADK_OK;
    }
    if (status == ADK_OK && !adk__json_is(action, "close") && !adk__json_is(action, "fork"))
        return adk__fail(ret_error, ADK_E_INVALID, 0, "\"action\" must be \"list\", \"close\" or \"fork\"");
    if (status == ADK_OK)
        status = take_name(arguments, "session", &name, ret_error);
    if (status == ADK_OK && adk__json_is(action, "close"))
        status = close_named(tool, name, ret_error);
    else if (status == ADK_OK && (status = take_name(arguments, "as", &as, ret_error)) == ADK_OK)
        status = fork_named(tool, name, as, ret_error);
    if (status == ADK_OK)
        *ret_answer = json_pack("{ss}", "status", "success");
    return status;
}

json_t *adk__tool_session_act(adk_tool *tool, const json_t *arguments, bool *ret_is_error)
{
    json_t *answer = NULL;
    adk_error *error = NULL;
    int status = act(tool, arguments, &answer, &error);

    *ret_is_error = status != ADK_OK;
    if (status != ADK_OK)
        answer = status == ADK_E_NOMEM ? NULL : adk__tool_read_refusal(error);
    adk_error_free(error);
    return answer;
}

int adk_tool_session(adk_tool *tool, adk_bytes text, char **ret_text_cstr, adk_error **ret_error)
{
    return adk__tool_answer_text(tool, text, adk__tool_session_act, ret_text_cstr, ret_error);
}
