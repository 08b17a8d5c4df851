/* fd_renumber and fd_close. */
#include "check.h"

int main(void)
{
    __wasi_fd_t a = make_file(ROOT, "a", "A");
    __wasi_fd_t b = make_file(ROOT, "b", "B");
    __wasi_fdstat_t status;

    CHECK(a != b);
    OK(__wasi_fd_renumber(a, b));
    CHECK(strcmp(content_of(b), "A") == 0);
    FAILS(__wasi_fd_fdstat_get(a, &status), BADF);
    OK(__wasi_fd_renumber(b, b));
    CHECK(strcmp(content_of(b), "A") == 0);
    FAILS(__wasi_fd_renumber(77, b), BADF);
    FAILS(__wasi_fd_renumber(b, 77), BADF);
    FAILS2(__wasi_fd_renumber(b, 0x7FFFFFFF), BADF, MFILE);
    CHECK(strcmp(content_of(b), "A") == 0);

    /* Over a preopen, too, and a preopen can be closed. */
    OK(__wasi_fd_renumber(b, ROOT));
    CHECK(strcmp(content_of(ROOT), "A") == 0);
    OK(__wasi_fd_close(ROOT));
    FAILS(__wasi_fd_close(ROOT), BADF);
    FAILS(__wasi_fd_fdstat_get(ROOT, &status), BADF);
    return 0;
}
