/* Operations on a real directory with the vfs's rules: 0 (or a descriptor), or a negative errno value. */
#ifndef ADK_TESTS_VFS_MODEL_REAL_H
#define ADK_TESTS_VFS_MODEL_REAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfs/vfs.h"

#define MODEL_NAMES 64 /* entries of a directory in the model, at most */

typedef char model_name[ADK__VFS_NAME_MAX + 1];

typedef enum { OP_MKDIR, OP_RMDIR, OP_UNLINK } name_op;

/* Opens with open(2)'s flags, beneath `dir` only; the caller closes the descriptor. */
int real_openat2(int dir, const char *path, uint64_t flags);
int real_name_op(int dir, const char *path, name_op op);
int real_rename(int old_dir, const char *old_path, int new_dir, const char *new_path);
int real_link(int old_dir, const char *old_path, bool follow, int new_dir, const char *new_path);
int real_symlink(const char *target, int dir, const char *path);
/* The directory's entries, sorted; at most MODEL_NAMES. 0 for a removed directory. */
size_t list_real(int dir, model_name *names);
/* strcmp for qsort and bsearch. */
int compare_cstr(const void *a, const void *b);

#endif
