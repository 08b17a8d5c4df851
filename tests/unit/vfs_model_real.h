/* Operations on a real directory with the vfs's rules: 0 (or a descriptor), or a negative errno value. */
#ifndef ADK_TESTS_VFS_MODEL_REAL_H
#define ADK_TESTS_VFS_MODEL_REAL_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { OP_MKDIR, OP_RMDIR, OP_UNLINK } name_op;

/* Opens with open(2)'s flags, beneath `dir` only; the caller closes the descriptor. */
int real_openat2(int dir, const char *path, uint64_t flags);
int real_name_op(int dir, const char *path, name_op op);
int real_rename(int old_dir, const char *old_path, int new_dir, const char *new_path);
int real_link(int old_dir, const char *old_path, bool follow, int new_dir, const char *new_path);
int real_symlink(const char *target, int dir, const char *path);

#endif
