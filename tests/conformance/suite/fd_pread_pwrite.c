/* fd_pread and fd_pwrite leave the position alone. */
#include "check.h"

int main(void)
{
    __wasi_fd_t fd = make_file(ROOT, "f", "0123456789");
    uint8_t buffer[8] = "";
    __wasi_iovec_t in[2] = {{buffer, 2}, {buffer + 2, 2}};
    __wasi_ciovec_t out[1] = {{(const uint8_t *)"AB", 2}};
    __wasi_size_t done = 0;
    __wasi_filesize_t at = 0;
    __wasi_filestat_t status;

    OK(__wasi_fd_seek(fd, 3, __WASI_WHENCE_SET, &at));
    OK(__wasi_fd_pread(fd, in, 2, 5, &done));
    CHECK(done == 4 && memcmp(buffer, "5678", 4) == 0);
    OK(__wasi_fd_pread(fd, in, 2, 8, &done));
    CHECK(done == 2);
    OK(__wasi_fd_pread(fd, in, 2, 10, &done));
    CHECK(done == 0);
    OK(__wasi_fd_pread(fd, in, 2, 1ULL << 40, &done));
    CHECK(done == 0);
    OK(__wasi_fd_pwrite(fd, out, 1, 4, &done));
    CHECK(done == 2 && strcmp(content_of(fd), "0123AB6789") == 0);
    OK(__wasi_fd_tell(fd, &at));
    CHECK(at == 3);
    OK(__wasi_fd_pwrite(fd, out, 1, 12, &done));
    CHECK(memcmp(content_of(fd), "0123AB6789\0\0AB", 14) == 0);

    /* Behind what a file can be: refused, and the file stays as it was. */
    FAILS3(__wasi_fd_pwrite(fd, out, 1, ~0ULL, &done), FBIG, NOSPC, INVAL);
    FAILS3(__wasi_fd_pwrite(fd, out, 1, INT64_MAX, &done), FBIG, NOSPC, INVAL);
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.size == 14);

    FAILS3(__wasi_fd_pread(1, in, 1, 0, &done), SPIPE, NOTCAPABLE, BADF);
    FAILS2(__wasi_fd_pwrite(1, out, 1, 0, &done), SPIPE, NOTCAPABLE);
    FAILS(__wasi_fd_pread(77, in, 1, 0, &done), BADF);
    return 0;
}
