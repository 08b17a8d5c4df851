/* path_filestat_get and path_filestat_set_times. */
#include "check.h"

#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW

int main(void)
{
    __wasi_fd_t dir = make_dir(ROOT, "d");
    __wasi_fd_t fd = make_file(dir, "file", "content");
    __wasi_filestat_t one, two;
    __wasi_timestamp_t now = 0;

    OK(__wasi_path_filestat_get(dir, 0, "file", &one));
    CHECK(one.filetype == __WASI_FILETYPE_REGULAR_FILE && one.size == 7 && one.nlink == 1);
    OK(__wasi_fd_filestat_get(fd, &two));
    CHECK(one.ino == two.ino && one.dev == two.dev && one.mtim == two.mtim);
    OK(__wasi_path_filestat_get(dir, 0, ".", &one));
    OK(__wasi_fd_filestat_get(dir, &two));
    CHECK(one.filetype == __WASI_FILETYPE_DIRECTORY && one.ino == two.ino);
    FAILS(__wasi_path_filestat_get(dir, 0, "missing", &one), NOENT);
    FAILS(__wasi_path_filestat_get(dir, 0, "file/x", &one), NOTDIR);
    FAILS2(__wasi_path_filestat_get(dir, 0, "file/", &one), NOTDIR, NOENT);
    FAILS(__wasi_path_filestat_get(77, 0, "file", &one), BADF);
    FAILS(__wasi_path_filestat_get(fd, 0, "file", &one), NOTDIR);

    OK(__wasi_path_symlink("file", dir, "link"));
    OK(__wasi_path_symlink("nowhere", dir, "dangling"));
    OK(__wasi_path_filestat_get(dir, 0, "link", &one));
    CHECK(one.filetype == __WASI_FILETYPE_SYMBOLIC_LINK && one.size == 4);
    OK(__wasi_path_filestat_get(dir, FOLLOW, "link", &one));
    CHECK(one.filetype == __WASI_FILETYPE_REGULAR_FILE && one.size == 7);
    OK(__wasi_path_filestat_get(dir, 0, "dangling", &one));
    FAILS(__wasi_path_filestat_get(dir, FOLLOW, "dangling", &one), NOENT);

    OK(__wasi_path_filestat_set_times(dir, 0, "file", 1000, 2000, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_MTIM));
    OK(__wasi_path_filestat_get(dir, 0, "file", &one));
    CHECK(one.atim == 1000 && one.mtim == 2000);
    OK(__wasi_path_filestat_set_times(dir, 0, "file", 5, 3000, __WASI_FSTFLAGS_MTIM));
    OK(__wasi_path_filestat_get(dir, 0, "file", &one));
    CHECK(one.atim == 1000 && one.mtim == 3000);
    OK(__wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 1, &now));
    OK(__wasi_path_filestat_set_times(dir, FOLLOW, "link", 0, 0, __WASI_FSTFLAGS_MTIM_NOW));
    OK(__wasi_path_filestat_get(dir, 0, "file", &one));
    CHECK(one.mtim >= now && one.atim == 1000);
    FAILS(__wasi_path_filestat_set_times(dir, 0, "file", 1, 1, __WASI_FSTFLAGS_ATIM | __WASI_FSTFLAGS_ATIM_NOW), INVAL);
    FAILS(__wasi_path_filestat_set_times(dir, 0, "file", 1, 1, __WASI_FSTFLAGS_MTIM | __WASI_FSTFLAGS_MTIM_NOW), INVAL);
    FAILS(__wasi_path_filestat_set_times(dir, 0, "missing", 1, 1, __WASI_FSTFLAGS_MTIM), NOENT);
    return 0;
}
