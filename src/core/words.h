/*
 * A program's arguments and environment as the drivers of languages read them: words, each with a NUL behind it.
 */
#ifndef ADK_CORE_WORDS_H
#define ADK_CORE_WORDS_H

#include <adk/defs.h>
#include <adk/request.h>

#include "base/buf.h"

/**
 * Appends to `args` a seed of 32 hexadecimal digits (the request's, or a random one) for generators that cannot ask the system,
 * and the request's arguments; and to `env` its environment, NAME=VALUE each. Returns 0 or a negative errno value.
 */
ADK_MUST_USE int adk__words_put(const adk_request *request, adk__buf *args, adk__buf *env);

#endif
