/*
 * Taking one member out of a package's archive: a wheel (zip), or a tarball (tar, gzip).
 */
#ifndef ADK_RUNTIME_ARCHIVE_H
#define ADK_RUNTIME_ARCHIVE_H

#include <adk/bytes.h>
#include <adk/error.h>

#include "base/buf.h"

/** Members that are looked at before an archive counts as malicious. */
#define ADK__ARCHIVE_MEMBERS_MAX 65536

/**
 * Appends the content of the one regular file named exactly `member` to `content`, whose maximum is never exceeded: a
 * member that has more is refused, however small it was packed. No other member is unpacked, no name is used as a path.
 *
 * A `member` that ends with a slash is all scripts (*.js) of that directory, but for those below its `except`: each is
 * wrapped as define("name", function (exports, require, module) {...}); in the archive's order.
 *
 * ADK_E_INVALID where the archive is damaged, or has no such file, or two, or something else of that name; ADK_E_NOMEM.
 */
ADK_MUST_USE int adk__archive_extract(adk_bytes archive, const char *member, const char *except, adk__buf *content,
                                      adk_error **ret_error);

#endif
