/* fd_read and fd_write: vectors, positions, the end of a file, descriptors of the wrong kind. */
#include "check.h"

int main(void)
{
    __wasi_fd_t fd = 0, dir = make_dir(ROOT, "d");
    uint8_t first[4] = "", second[8] = "";
    __wasi_ciovec_t out[3] = {{(const uint8_t *)"abc", 3}, {(const uint8_t *)"", 0}, {(const uint8_t *)"defgh", 5}};
    __wasi_iovec_t in[2] = {{first, 4}, {second, 8}};
    __wasi_size_t done = 99;
    __wasi_filesize_t at = 0;

    OK(open_at(dir, "f", __WASI_OFLAGS_CREAT, 0, &fd));
    OK(__wasi_fd_write(fd, out, 3, &done));
    CHECK(done == 8);
    OK(__wasi_fd_tell(fd, &at));
    CHECK(at == 8);
    OK(__wasi_fd_read(fd, in, 2, &done));
    CHECK(done == 0);
    OK(__wasi_fd_seek(fd, 1, __WASI_WHENCE_SET, &at));
    OK(__wasi_fd_read(fd, in, 2, &done));
    CHECK(done == 7 && memcmp(first, "bcde", 4) == 0 && memcmp(second, "fgh", 3) == 0);
    OK(__wasi_fd_write(fd, out, 0, &done));
    CHECK(done == 0);

    /* Overwriting in the middle, and behind the end: the gap is zeros. */
    OK(__wasi_fd_seek(fd, 2, __WASI_WHENCE_SET, &at));
    OK(__wasi_fd_write(fd, (__wasi_ciovec_t[]){{(const uint8_t *)"XY", 2}}, 1, &done));
    CHECK(strcmp(content_of(fd), "abXYefgh") == 0);
    OK(__wasi_fd_seek(fd, 10, __WASI_WHENCE_SET, &at));
    OK(__wasi_fd_write(fd, (__wasi_ciovec_t[]){{(const uint8_t *)"Z", 1}}, 1, &done));
    CHECK(memcmp(content_of(fd), "abXYefgh\0\0Z", 11) == 0);

    FAILS(__wasi_fd_read(77, in, 1, &done), BADF);
    FAILS(__wasi_fd_write(77, out, 1, &done), BADF);
    FAILS3(__wasi_fd_read(dir, in, 1, &done), BADF, ISDIR, NOTCAPABLE);
    FAILS3(__wasi_fd_write(dir, out, 1, &done), BADF, ISDIR, NOTCAPABLE);
    FAILS(__wasi_fd_read(fd, (__wasi_iovec_t[]){{(uint8_t *)0x7FFFFFFF, 16}}, 1, &done), FAULT);
    FAILS(__wasi_fd_write(fd, (__wasi_ciovec_t *)0x7FFFFFFC, 1, &done), FAULT);
    FAILS2(__wasi_fd_write(fd, out, 0x40000000, &done), FAULT, INVAL);
    CHECK(memcmp(content_of(fd), "abXYefgh\0\0Z", 11) == 0);

    /* A descriptor without the right to write, or to read. */
    OK(__wasi_fd_close(fd));
    OK(__wasi_path_open(dir, 0, "f", 0, __WASI_RIGHTS_FD_READ, 0, 0, &fd));
    FAILS2(__wasi_fd_write(fd, out, 1, &done), NOTCAPABLE, BADF);
    OK(__wasi_fd_close(fd));
    OK(__wasi_path_open(dir, 0, "f", 0, __WASI_RIGHTS_FD_WRITE, 0, 0, &fd));
    FAILS2(__wasi_fd_read(fd, in, 1, &done), NOTCAPABLE, BADF);
    return 0;
}
