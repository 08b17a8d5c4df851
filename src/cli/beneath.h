/*
 * Making files and directories beneath a directory, under names that somebody else has chosen. Nothing outside it is
 * touched, whatever the names are and whatever links lie about in it.
 *
 * `root` is open, O_PATH will do. A path has no slash at either end and no component that is empty, "." or "..";
 * directories missing above it are made. Modes are 0666 and 0777 without the umask's bits. All return 0 or an errno
 * value: EINVAL for a path that is none, ELOOP where a symbolic link stands in the way, ENOTDIR, EISDIR or EEXIST where
 * something else does.
 */
#ifndef ADK_CLI_BENEATH_H
#define ADK_CLI_BENEATH_H

#include <adk/bytes.h>

/** Makes a directory; one that is there already is fine. */
int cli_beneath_mkdir(int root, adk_bytes path);

/** Writes a file, in the place of a regular file or of nothing. A write that fails leaves what was there. */
int cli_beneath_write(int root, adk_bytes path, adk_bytes content);

/** Opens the directory `name` in `dir`, made where it is missing, O_PATH. Returns the descriptor, or -1 and errno. */
int cli_beneath_enter(int dir, const char *name);

#endif
