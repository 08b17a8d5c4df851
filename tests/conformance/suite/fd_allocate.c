/* fd_allocate, fd_advise, fd_sync, fd_datasync. */
#include "check.h"

int main(void)
{
    __wasi_fd_t fd = make_file(ROOT, "f", "0123"), dir = make_dir(ROOT, "d");
    __wasi_filestat_t status;

    OK(__wasi_fd_allocate(fd, 0, 2));
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.size == 4);
    OK(__wasi_fd_allocate(fd, 2, 6));
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.size == 8);
    CHECK(memcmp(content_of(fd), "0123\0\0\0\0", 8) == 0);
    FAILS(__wasi_fd_allocate(fd, 0, 0), INVAL);
    FAILS3(__wasi_fd_allocate(fd, 0, 1ULL << 50), NOSPC, FBIG, INVAL);
    FAILS3(__wasi_fd_allocate(fd, ~0ULL, 2), FBIG, INVAL, NOSPC);
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.size == 8);
    FAILS3(__wasi_fd_allocate(dir, 0, 10), BADF, NOTCAPABLE, ISDIR);
    FAILS(__wasi_fd_allocate(77, 0, 10), BADF);

    for (int advice = __WASI_ADVICE_NORMAL; advice <= __WASI_ADVICE_NOREUSE; advice++)
        OK(__wasi_fd_advise(fd, 0, 100, (__wasi_advice_t)advice));
    FAILS(__wasi_fd_advise(fd, 0, 100, 77), INVAL);
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.size == 8);
    OK(__wasi_fd_sync(fd));
    OK(__wasi_fd_datasync(fd));
    FAILS(__wasi_fd_sync(77), BADF);
    FAILS(__wasi_fd_datasync(77), BADF);
    return 0;
}
