/* path_open: the open flags, what exists and what does not, and paths that are refused. */
#include "check.h"

/* The header's functions measure paths with strlen; this one takes what it is given. */
__attribute__((import_module("wasi_snapshot_preview1"), import_name("path_open"))) int
raw_open(int fd, int dirflags, const char *path, int size, int oflags, long long base, long long inheriting,
         int fdflags, int *ret_fd);

int main(void)
{
    __wasi_fd_t dir = make_dir(ROOT, "d");
    __wasi_fd_t fd = make_file(dir, "file", "content");
    __wasi_fd_t other = 0;
    int raw = 0;

    OK(open_at(dir, "file", 0, 0, &other));
    CHECK(other != fd);
    CHECK(strcmp(content_of(other), "content") == 0);
    OK(__wasi_fd_close(other));
    FAILS(__wasi_fd_close(other), BADF);

    FAILS(open_at(dir, "file", __WASI_OFLAGS_CREAT | __WASI_OFLAGS_EXCL, 0, &other), EXIST);
    FAILS(open_at(dir, "d2/x", __WASI_OFLAGS_CREAT, 0, &other), NOENT);
    FAILS(open_at(dir, "missing", 0, 0, &other), NOENT);
    FAILS(open_at(dir, "file", __WASI_OFLAGS_DIRECTORY, 0, &other), NOTDIR);
    FAILS(open_at(dir, "file/below", 0, 0, &other), NOTDIR);
    FAILS2(open_at(dir, "file/", 0, 0, &other), NOTDIR, NOENT);
    FAILS2(open_at(dir, "file///", 0, 0, &other), NOTDIR, NOENT);
    FAILS2(open_at(dir, "", 0, 0, &other), NOENT, INVAL);
    FAILS(open_at(dir, "/file", 0, 0, &other), PERM);
    FAILS2(raw_open((int)dir, 0, "file\0", 5, 0, 0, 0, 0, &raw), INVAL, ILSEQ);
    FAILS(open_at(fd, "file", 0, 0, &other), NOTDIR);
    FAILS(open_at(99, "file", 0, 0, &other), BADF);
    FAILS2(raw_open((int)dir, 0, "\xff\xfe", 2, __WASI_OFLAGS_CREAT, READ_WRITE, 0, 0, &raw), ILSEQ, INVAL);
    FAILS(raw_open((int)dir, 0, (const char *)0x7FFFFFFF, 16, 0, 0, 0, 0, &raw), FAULT);
    FAILS(raw_open((int)dir, 0, "file", 4, 0, READ_WRITE, 0, 0, (int *)0x7FFFFFFC), FAULT);

    OK(open_at(dir, "file", __WASI_OFLAGS_TRUNC, 0, &other));
    CHECK(strcmp(content_of(other), "") == 0);
    OK(__wasi_fd_close(other));
    OK(open_at(dir, "new", __WASI_OFLAGS_CREAT | __WASI_OFLAGS_EXCL, 0, &other));
    OK(__wasi_fd_close(other));
    CHECK(exists(dir, "new"));

    /* Directories: read rights are fine, write rights are not. */
    OK(__wasi_path_open(ROOT, 0, "d", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READ, 0, 0, &other));
    OK(__wasi_fd_close(other));
    OK(__wasi_path_open(ROOT, 0, "d///", 0, 0, 0, 0, &other));
    OK(__wasi_fd_close(other));
    OK(__wasi_path_open(dir, 0, ".", 0, 0, 0, 0, &other));
    OK(__wasi_fd_close(other));
    FAILS(__wasi_path_open(ROOT, 0, "d", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE, 0, 0,
                           &other),
          ISDIR);
    FAILS2(open_at(ROOT, "d", __WASI_OFLAGS_CREAT | __WASI_OFLAGS_DIRECTORY, 0, &other), INVAL, ISDIR);
    FAILS2(__wasi_path_open(ROOT, 0, "newdir", __WASI_OFLAGS_CREAT | __WASI_OFLAGS_DIRECTORY, 0, 0, 0, &other), INVAL,
           NOENT);
    CHECK(!exists(ROOT, "newdir"));
    return 0;
}
