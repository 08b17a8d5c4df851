/*
 * The import modules as tables, for the engine to define functions from.
 */
#include "wasi/context.h"

#define ROW(name, params, has_result)          {#name, params, has_result, adk__wasi_do_##name},
#define UNSTABLE_ROW(name, params, has_result) {#name, params, has_result, adk__wasi_unstable_##name},
#define NO_ROW(name, params, has_result)

const adk__wasi_function adk__wasi_functions[ADK__WASI_FUNCTIONS] = {ADK__WASI_FUNCTION_MAP(ROW, ROW, ROW)};

/*
 * In wasi_unstable the struct filestat is shorter, the words for whence have other numbers, a subscription is longer,
 * and nobody accepts connections.
 */
const adk__wasi_function adk__wasi_unstable_functions[ADK__WASI_UNSTABLE_FUNCTIONS] = {
    ADK__WASI_FUNCTION_MAP(ROW, UNSTABLE_ROW, NO_ROW)};
