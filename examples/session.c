/*
 * A session: an interpreter that keeps its state between calls, and is forked into two. Python must be installed
 * (`adk-sandbox runtime install python`).
 */
#include <stdio.h>

#include <adk/sandbox.h>

/* Runs one program, and prints what it wrote. Returns whether it ended by itself, and well. */
static int say(const char *who, adk_session *session, const char *code)
{
    adk_request request = ADK_REQUEST_INIT;
    adk_result *result = NULL;
    adk_error *error = NULL;
    adk_bytes said;
    int is_well;

    request.code = adk_bytes_from_cstr(code);
    request.timeout_ns = UINT64_C(10000000000);
    if (adk_session_execute(session, &request, NULL, &result, &error) != ADK_OK) {
        (void)fprintf(stderr, "%s: %s\n", who, adk_error_message_cstr(error));
        adk_error_free(error);
        return 0;
    }
    said = adk_result_stdout(result).head;
    if (said.size > 0)
        (void)printf("%s: %.*s", who, (int)said.size, (const char *)said.data);
    is_well = adk_result_outcome(result) == ADK_OUTCOME_EXITED && adk_result_exit_code(result) == 0;
    adk_result_free(result);
    return is_well;
}

int main(void)
{
    adk_session_options options = ADK_SESSION_OPTIONS_INIT;
    adk_backend *backend = NULL;
    adk_session *one = NULL;
    adk_session *two = NULL;
    adk_error *error = NULL;
    int is_well = 0;

    options.language = ADK_LANGUAGE_PYTHON;
    options.flags = ADK_SESSION_FORKS;
    options.open_timeout_ns = UINT64_C(120000000000); /* the first time, the interpreter is compiled */
    if (adk_auto_backend_new(NULL, &backend, &error) == ADK_OK &&
        adk_session_open(backend, &options, &one, &error) == ADK_OK && say("one", one, "steps = ['begin']") &&
        adk_session_fork(one, &two, &error) == ADK_OK)
        is_well = say("one", one, "steps.append('left'); print(steps)") &&
                  say("two", two, "steps.append('right'); print(steps)");
    if (error != NULL)
        (void)printf("no session: %s\n", adk_error_message_cstr(error));
    adk_error_free(error);
    adk_session_close(two);
    adk_session_close(one);
    adk_backend_free(backend);
    return is_well ? 0 : 1;
}
