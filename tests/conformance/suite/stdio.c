/* The three streams: their kind, both outputs, closing them, and an exit code. */
#include "check.h"

int main(void)
{
    __wasi_fdstat_t status;
    uint8_t byte = 0;
    __wasi_iovec_t in[1] = {{&byte, 1}};
    __wasi_ciovec_t out[2] = {{(const uint8_t *)"hel", 3}, {(const uint8_t *)"lo\n", 3}};
    __wasi_size_t done = 0;

    for (__wasi_fd_t fd = 0; fd <= 2; fd++) {
        OK(__wasi_fd_fdstat_get(fd, &status));
        CHECK(status.fs_filetype != __WASI_FILETYPE_DIRECTORY && status.fs_filetype != __WASI_FILETYPE_REGULAR_FILE);
    }
    OK(__wasi_fd_read(0, in, 1, &done));
    CHECK(done == 0);
    OK(__wasi_fd_write(1, out, 2, &done));
    CHECK(done == 6);
    OK(__wasi_fd_write(2, out, 1, &done));
    CHECK(done == 3);
    FAILS2(__wasi_fd_write(0, out, 1, &done), NOTCAPABLE, BADF);
    FAILS2(__wasi_fd_read(1, in, 1, &done), NOTCAPABLE, BADF);
    OK(__wasi_fd_close(1));
    FAILS(__wasi_fd_write(1, out, 1, &done), BADF);
    __wasi_proc_exit(300);
}
