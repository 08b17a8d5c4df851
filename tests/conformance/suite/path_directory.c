/* path_create_directory and path_remove_directory. */
#include "check.h"

int main(void)
{
    __wasi_fd_t dir = make_dir(ROOT, "d"), gone = 0, fd = 0;

    OK(__wasi_path_create_directory(dir, "one"));
    FAILS(__wasi_path_create_directory(dir, "one"), EXIST);
    FAILS(__wasi_path_create_directory(dir, "missing/two"), NOENT);
    OK(__wasi_path_create_directory(dir, "one/two/"));
    OK(__wasi_fd_close(make_file(dir, "file", "")));
    FAILS(__wasi_path_create_directory(dir, "file"), EXIST);
    FAILS(__wasi_path_create_directory(dir, "file/x"), NOTDIR);
    OK(__wasi_path_symlink("nowhere", dir, "dangling"));
    FAILS(__wasi_path_create_directory(dir, "dangling"), EXIST);

    FAILS(__wasi_path_remove_directory(dir, "one"), NOTEMPTY);
    FAILS(__wasi_path_remove_directory(dir, "file"), NOTDIR);
    FAILS(__wasi_path_remove_directory(dir, "missing"), NOENT);
    FAILS3(__wasi_path_remove_directory(dir, "."), INVAL, BUSY, NOTEMPTY);
    OK(__wasi_path_remove_directory(dir, "one/two///"));
    OK(open_at(dir, "one", __WASI_OFLAGS_DIRECTORY, 0, &gone));
    OK(__wasi_path_remove_directory(dir, "one"));
    CHECK(!exists(dir, "one"));
    FAILS2(open_at(gone, "file", __WASI_OFLAGS_CREAT, 0, &fd), NOENT, PERM);
    OK(__wasi_fd_close(gone));
    FAILS(__wasi_path_create_directory(77, "x"), BADF);
    return 0;
}
