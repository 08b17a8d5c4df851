/* A directory that was copied to "/": its files, its directories, and that they can be written. */
#include "check.h"

int main(void)
{
    __wasi_fd_t fd = 0;
    __wasi_filestat_t status;

    OK(open_at(ROOT, "hello.txt", 0, 0, &fd));
    CHECK(strcmp(content_of(fd), "hello\n") == 0);
    OK(open_at(ROOT, "deep/er/file.txt", 0, 0, &fd));
    CHECK(strcmp(content_of(fd), "deep\n") == 0);
    OK(__wasi_path_filestat_get(ROOT, 0, "deep", &status));
    CHECK(status.filetype == __WASI_FILETYPE_DIRECTORY);
    OK(__wasi_fd_filestat_set_size(fd, 2));
    CHECK(strcmp(content_of(fd), "de") == 0);
    OK(__wasi_path_unlink_file(ROOT, "hello.txt"));
    CHECK(!exists(ROOT, "hello.txt"));
    OK(__wasi_fd_close(make_file(ROOT, "deep/new.cleanup", "x")));
    return 0;
}
