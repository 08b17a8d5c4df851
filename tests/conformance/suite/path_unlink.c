/* path_unlink_file, and files that are open when their last name goes. */
#include "check.h"

int main(void)
{
    __wasi_fd_t dir = make_dir(ROOT, "d");
    __wasi_fd_t fd = make_file(dir, "file", "content");
    __wasi_filestat_t status;

    FAILS2(__wasi_path_unlink_file(dir, "file/"), NOTDIR, NOENT);
    OK(__wasi_path_unlink_file(dir, "file"));
    CHECK(!exists(dir, "file"));
    FAILS(__wasi_path_unlink_file(dir, "file"), NOENT);

    /* The descriptor still reads and writes it; a new file of the name is another one. */
    CHECK(strcmp(content_of(fd), "content") == 0);
    OK(__wasi_fd_filestat_get(fd, &status));
    CHECK(status.nlink == 0 && status.size == 7);
    OK(__wasi_fd_close(make_file(dir, "file", "new")));
    CHECK(strcmp(content_of(fd), "content") == 0);
    OK(__wasi_fd_close(fd));

    OK(__wasi_path_create_directory(dir, "sub"));
    FAILS2(__wasi_path_unlink_file(dir, "sub"), ISDIR, PERM);
    FAILS2(__wasi_path_unlink_file(dir, "sub/"), ISDIR, PERM);
    OK(__wasi_path_symlink("file", dir, "link"));
    OK(__wasi_path_unlink_file(dir, "link"));
    CHECK(exists(dir, "file"));
    FAILS(__wasi_path_unlink_file(dir, "file/x"), NOTDIR);
    FAILS(__wasi_path_unlink_file(77, "file"), BADF);
    return 0;
}
