/* path_rename: over nothing, over files, over directories, into itself. */
#include "check.h"

int main(void)
{
    __wasi_fd_t dir = make_dir(ROOT, "d"), other = make_dir(ROOT, "e"), fd = 0;
    __wasi_filestat_t before, after;

    fd = make_file(dir, "a", "A");
    OK(__wasi_fd_filestat_get(fd, &before));
    OK(__wasi_path_rename(dir, "a", other, "b"));
    CHECK(!exists(dir, "a"));
    OK(__wasi_path_filestat_get(other, 0, "b", &after));
    CHECK(before.ino == after.ino);
    CHECK(strcmp(content_of(fd), "A") == 0);

    OK(__wasi_fd_close(make_file(dir, "c", "C")));
    OK(__wasi_path_rename(dir, "c", other, "b"));
    OK(open_at(other, "b", 0, 0, &fd));
    CHECK(strcmp(content_of(fd), "C") == 0);
    OK(__wasi_path_rename(other, "b", other, "b"));
    CHECK(exists(other, "b"));
    FAILS(__wasi_path_rename(dir, "missing", dir, "x"), NOENT);
    FAILS(__wasi_path_rename(dir, "missing/x", dir, "x"), NOENT);
    FAILS(__wasi_path_rename(other, "b", dir, "missing/x"), NOENT);

    OK(__wasi_path_create_directory(dir, "empty"));
    OK(__wasi_path_create_directory(dir, "full"));
    OK(__wasi_fd_close(make_file(dir, "full/file", "")));
    OK(__wasi_fd_close(make_file(dir, "file", "")));
    FAILS(__wasi_path_rename(dir, "file", dir, "empty"), ISDIR);
    FAILS(__wasi_path_rename(dir, "empty", dir, "file"), NOTDIR);
    FAILS(__wasi_path_rename(dir, "empty", dir, "full"), NOTEMPTY);
    FAILS(__wasi_path_rename(dir, "full", dir, "full/inside"), INVAL);
    FAILS2(__wasi_path_rename(dir, "file", dir, "file2/"), NOTDIR, NOENT);
    FAILS2(__wasi_path_rename(dir, "file/", dir, "file2"), NOTDIR, NOENT);
    OK(__wasi_path_rename(dir, "full", dir, "empty"));
    CHECK(exists(dir, "empty/file") && !exists(dir, "full"));
    OK(__wasi_path_rename(dir, "empty/", dir, "moved/"));
    CHECK(exists(dir, "moved/file"));

    /* A link is renamed itself, and replaced itself. */
    OK(__wasi_path_symlink("moved", dir, "link"));
    OK(__wasi_path_rename(dir, "link", dir, "link2"));
    OK(__wasi_path_filestat_get(dir, 0, "link2", &after));
    CHECK(after.filetype == __WASI_FILETYPE_SYMBOLIC_LINK);
    OK(__wasi_path_rename(dir, "file", dir, "link2"));
    OK(__wasi_path_filestat_get(dir, 0, "link2", &after));
    CHECK(after.filetype == __WASI_FILETYPE_REGULAR_FILE);
    return 0;
}
