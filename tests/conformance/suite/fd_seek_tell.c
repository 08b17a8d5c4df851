/* fd_seek and fd_tell. */
#include "check.h"

int main(void)
{
    __wasi_fd_t fd = make_file(ROOT, "f", "0123456789");
    __wasi_fd_t dir = make_dir(ROOT, "d");
    __wasi_filesize_t at = 0;

    OK(__wasi_fd_tell(fd, &at));
    CHECK(at == 10);
    OK(__wasi_fd_seek(fd, 4, __WASI_WHENCE_SET, &at));
    CHECK(at == 4);
    OK(__wasi_fd_seek(fd, 3, __WASI_WHENCE_CUR, &at));
    CHECK(at == 7);
    OK(__wasi_fd_seek(fd, -2, __WASI_WHENCE_END, &at));
    CHECK(at == 8);
    OK(__wasi_fd_seek(fd, 100, __WASI_WHENCE_END, &at));
    CHECK(at == 110);
    OK(__wasi_fd_tell(fd, &at));
    CHECK(at == 110);
    FAILS(__wasi_fd_seek(fd, -111, __WASI_WHENCE_CUR, &at), INVAL);
    FAILS(__wasi_fd_seek(fd, -1, __WASI_WHENCE_SET, &at), INVAL);
    FAILS(__wasi_fd_seek(fd, 0, 3, &at), INVAL);
    FAILS2(__wasi_fd_seek(fd, INT64_MAX, __WASI_WHENCE_CUR, &at), INVAL, OVERFLOW);
    FAILS(__wasi_fd_seek(fd, INT64_MIN, __WASI_WHENCE_END, &at), INVAL);
    OK(__wasi_fd_tell(fd, &at));
    CHECK(at == 110);
    FAILS(__wasi_fd_seek(77, 0, __WASI_WHENCE_SET, &at), BADF);
    FAILS3(__wasi_fd_seek(dir, 0, __WASI_WHENCE_SET, &at), BADF, ISDIR, NOTCAPABLE);
    FAILS2(__wasi_fd_seek(1, 0, __WASI_WHENCE_CUR, &at), SPIPE, NOTCAPABLE);
    FAILS2(__wasi_fd_tell(0, &at), SPIPE, NOTCAPABLE);
    return 0;
}
