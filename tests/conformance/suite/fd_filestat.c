/* fd_filestat_get, fd_filestat_set_size, fd_filestat_set_times. */
#include "check.h"

int main(void)
{
    __wasi_fd_t fd = make_file(ROOT, "f", "0123456789");
    __wasi_fd_t only_read = 0, dir = make_dir(ROOT, "d");
    __wasi_filestat_t status;

    OK(__wasi_fd_filestat_set_size(fd, 4));
    CHECK(strcmp(content_of(fd), "0123") == 0);
    OK(__wasi_fd_filestat_set_size(fd, 6));
    CHECK(memcmp(content_of(fd), "0123\0\0", 6) == 0);
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.size == 6 && status.filetype == __WASI_FILETYPE_REGULAR_FILE && status.nlink == 1);
    OK(__wasi_fd_filestat_set_size(fd, 0));
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.size == 0);
    FAILS3(__wasi_fd_filestat_set_size(fd, ~0ULL), FBIG, NOSPC, INVAL);
    FAILS3(__wasi_fd_filestat_set_size(dir, 1), BADF, ISDIR, NOTCAPABLE);
    FAILS(__wasi_fd_filestat_set_size(77, 1), BADF);

    OK(__wasi_fd_filestat_set_times(fd, 7, 8, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM));
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.atim == 7 && status.mtim == 8);
    OK(__wasi_fd_filestat_set_times(fd, 1, 1, 0));
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.atim == 7 && status.mtim == 8);
    OK(__wasi_fd_filestat_set_times(fd, 0, 0, __WASI_FSTFLAGS_ATIM_NOW | __WASI_FSTFLAGS_MTIM_NOW));
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.atim > 8 && status.mtim > 8);
    FAILS(__wasi_fd_filestat_set_times(fd, 1, 1, __WASI_FSTFLAGS_MTIM | __WASI_FSTFLAGS_MTIM_NOW), INVAL);
    FAILS(__wasi_fd_filestat_set_times(fd, 1, 1, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_ATIM_NOW), INVAL);

    OK(__wasi_path_open(ROOT, 0, "f", 0, __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_FILESTAT_GET, 0, 0, &only_read));
    FAILS2(__wasi_fd_filestat_set_size(only_read, 1), NOTCAPABLE, INVAL);
    OK(__wasi_fd_filestat_get(1, &status));
    CHECK(status.filetype != __WASI_FILETYPE_REGULAR_FILE && status.filetype != __WASI_FILETYPE_DIRECTORY);
    return 0;
}
