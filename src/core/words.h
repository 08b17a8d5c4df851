/*
 * What the drivers of languages read beside the program: words, each with a NUL behind it.
 */
#ifndef ADK_CORE_WORDS_H
#define ADK_CORE_WORDS_H

#include <adk/defs.h>
#include <adk/error.h>
#include <adk/request.h>

#include "base/buf.h"

/* Marks: the program belongs to a session; and to a process of its own since the call before, or from the beginning. */
#define ADK__WORDS_PLAIN       ""
#define ADK__WORDS_SESSION     "s"
#define ADK__WORDS_NEW_SESSION "sn"

/**
 * Appends a seed of 32 hexadecimal digits (the request's, or a random one) for generators that cannot ask the system; marks;
 * how many arguments there are; the request's arguments; and its environment, NAME=VALUE each. Returns 0 or a negative errno
 * value.
 */
ADK_MUST_USE int adk__words_put(const adk_request *request, const char *marks_cstr, adk__buf *words);

/** The directory that drivers and programs are brought in is not the request's: ADK_E_INVALID where it has files there. */
ADK_MUST_USE int adk__words_check_files(const adk_request *request, adk_error **ret_error);

#endif
