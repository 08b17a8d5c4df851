/* There are no sockets. */
#include "check.h"

int main(void)
{
    __wasi_fd_t fd = make_file(ROOT, "f", ""), other = 0;
    uint8_t byte = 0;
    __wasi_iovec_t in[1] = {{&byte, 1}};
    __wasi_ciovec_t out[1] = {{&byte, 1}};
    __wasi_size_t done = 0;
    __wasi_roflags_t flags = 0;

    FAILS2(__wasi_sock_recv(fd, in, 1, 0, &done, &flags), NOTSOCK, NOTSUP);
    FAILS2(__wasi_sock_send(fd, out, 1, 0, &done), NOTSOCK, NOTSUP);
    FAILS2(__wasi_sock_shutdown(fd, __WASI_SDFLAGS_RD), NOTSOCK, NOTSUP);
    FAILS2(__wasi_sock_accept(fd, 0, &other), NOTSOCK, NOTSUP);
    FAILS2(__wasi_sock_shutdown(77, __WASI_SDFLAGS_WR), BADF, NOTSUP);
    FAILS2(__wasi_sock_recv(77, in, 1, 0, &done, &flags), BADF, NOTSUP);
    return 0;
}
