/* What a directory does not hand on, its files do not have. */
#include "check.h"

int main(void)
{
    __wasi_fd_t dir = 0, fd = 0;
    __wasi_fdstat_t status;
    __wasi_size_t done = 0;
    __wasi_ciovec_t out[1] = {{(const uint8_t *)"X", 1}};

    OK(__wasi_path_create_directory(ROOT, "d"));
    OK(__wasi_fd_close(make_file(ROOT, "d/f", "content")));
    OK(__wasi_path_open(ROOT, 0, "d", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_PATH_OPEN | __WASI_RIGHTS_FD_READDIR,
                        __WASI_RIGHTS_FD_READ, 0, &dir));
    OK(__wasi_path_open(dir, 0, "f", 0, __WASI_RIGHTS_FD_READ, 0, 0, &fd));
    OK(__wasi_fd_fdstat_get(fd, &status));
    CHECK((status.fs_rights_base & __WASI_RIGHTS_FD_WRITE) == 0);
    FAILS2(__wasi_fd_write(fd, out, 1, &done), NOTCAPABLE, BADF);
    FAILS2(__wasi_path_open(dir, 0, "f", 0, __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE, 0, 0, &fd), NOTCAPABLE,
           PERM);
    FAILS2(__wasi_path_open(dir, 0, "new", __WASI_OFLAGS_CREAT, __WASI_RIGHTS_FD_READ, 0, 0, &fd), NOTCAPABLE, PERM);
    FAILS2(__wasi_path_open(dir, 0, "f", __WASI_OFLAGS_TRUNC, __WASI_RIGHTS_FD_READ, 0, 0, &fd), NOTCAPABLE, PERM);
    FAILS2(__wasi_path_unlink_file(dir, "f"), NOTCAPABLE, PERM);
    FAILS2(__wasi_path_create_directory(dir, "x"), NOTCAPABLE, PERM);
    CHECK(exists(ROOT, "d/f") && !exists(ROOT, "d/new"));
    return 0;
}
