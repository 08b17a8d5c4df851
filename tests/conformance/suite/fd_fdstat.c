/* fd_fdstat_get, fd_fdstat_set_flags, fd_fdstat_set_rights, and the append flag. */
#include "check.h"

int main(void)
{
    __wasi_fd_t fd = make_file(ROOT, "f", "one"), dir = make_dir(ROOT, "d");
    __wasi_fdstat_t status;
    __wasi_ciovec_t out[1] = {{(const uint8_t *)"X", 1}};
    __wasi_size_t done = 0;
    __wasi_filesize_t at = 0;

    OK(__wasi_fd_fdstat_get(fd, &status));
    CHECK(status.fs_filetype == __WASI_FILETYPE_REGULAR_FILE && status.fs_flags == 0);
    CHECK((status.fs_rights_base & __WASI_RIGHTS_FD_WRITE) != 0);
    OK(__wasi_fd_fdstat_get(dir, &status));
    CHECK(status.fs_filetype == __WASI_FILETYPE_DIRECTORY);
    FAILS(__wasi_fd_fdstat_get(77, &status), BADF);

    /* Appending: every write goes to the end, wherever the position is. */
    OK(__wasi_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_APPEND));
    OK(__wasi_fd_fdstat_get(fd, &status));
    CHECK(status.fs_flags == __WASI_FDFLAGS_APPEND);
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at));
    OK(__wasi_fd_write(fd, out, 1, &done));
    CHECK(strcmp(content_of(fd), "oneX") == 0);
    OK(__wasi_fd_tell(fd, &at));
    CHECK(at == 4);
    OK(__wasi_fd_fdstat_set_flags(fd, 0));
    OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at));
    OK(__wasi_fd_write(fd, out, 1, &done));
    CHECK(strcmp(content_of(fd), "XneX") == 0);
    OK(__wasi_fd_close(fd));
    OK(open_at(ROOT, "f", 0, __WASI_FDFLAGS_APPEND, &fd));
    OK(__wasi_fd_write(fd, out, 1, &done));
    CHECK(strcmp(content_of(fd), "XneXX") == 0);
    FAILS(__wasi_fd_fdstat_set_flags(77, 0), BADF);

    /* Rights can be given up and not taken back. */
    OK(__wasi_fd_fdstat_get(fd, &status));
    OK(__wasi_fd_fdstat_set_rights(fd, status.fs_rights_base & ~(__wasi_rights_t)__WASI_RIGHTS_FD_WRITE, 0));
    FAILS2(__wasi_fd_write(fd, out, 1, &done), NOTCAPABLE, BADF);
    FAILS(__wasi_fd_fdstat_set_rights(fd, status.fs_rights_base, 0), NOTCAPABLE);
    OK(__wasi_fd_fdstat_get(fd, &status));
    CHECK((status.fs_rights_base & __WASI_RIGHTS_FD_WRITE) == 0);
    return 0;
}
