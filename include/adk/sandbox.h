/**
 * adk-sandbox: runs code that nobody has reviewed, and reports truthfully what happened.
 *
 * The objects: a *request* says what to run and within which limits; a *backend* runs it; a *result* says how it ended
 * and holds the output; a *cancel* ends runs from outside; an *executor* runs many, on threads of its own; an *error* says why a call failed. This header brings all
 * of them.
 *
 * @code
 * adk_backend *backend = NULL;
 * adk_result *result = NULL;
 * adk_error *error = NULL;
 * adk_request request = ADK_REQUEST_INIT;
 *
 * request.code = adk_bytes_from_cstr("(module (func (export \"_start\")))");
 * request.timeout_ns = 500000000;
 * if (adk_wasm_backend_new(NULL, &backend, &error) == ADK_OK &&
 *     adk_backend_execute(backend, &request, NULL, &result, &error) == ADK_OK)
 *     puts(adk_outcome_cstr(adk_result_outcome(result)));
 * adk_result_free(result);
 * adk_backend_free(backend);
 * adk_error_free(error);
 * @endcode
 */
#ifndef ADK_SANDBOX_H
#define ADK_SANDBOX_H

#include <adk/backend.h>
#include <adk/bytes.h>
#include <adk/cancel.h>
#include <adk/error.h>
#include <adk/executor.h>
#include <adk/report.h>
#include <adk/request.h>
#include <adk/result.h>
#include <adk/runtime.h>
#include <adk/session.h>
#include <adk/tool.h>
#include <adk/trace.h>
#include <adk/version.h>
#include <adk/wasm.h>
#include <adk/worker.h>

#endif
