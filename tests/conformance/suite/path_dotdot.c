/* "..": fine within the directory that was opened, refused as soon as it leaves it, also by way of links. */
#include "check.h"

int main(void)
{
    __wasi_fd_t dir = make_dir(ROOT, "d");
    __wasi_fd_t inner = 0, fd = 0;

    OK(__wasi_fd_close(make_file(ROOT, "outside", "secret")));
    OK(__wasi_path_create_directory(dir, "a"));
    inner = make_dir(dir, "a/b");
    OK(__wasi_fd_close(make_file(dir, "a/b/file", "x")));

    OK(open_at(dir, "a/.//b/../../a/b/../b///./file", 0, 0, &fd));
    OK(__wasi_fd_close(fd));
    OK(__wasi_path_open(dir, 0, "a/..", 0, 0, 0, 0, &fd));
    OK(__wasi_fd_close(fd));
    FAILS2(open_at(dir, "..", 0, 0, &fd), PERM, NOTCAPABLE);
    FAILS2(open_at(dir, "../outside", 0, 0, &fd), PERM, NOTCAPABLE);
    FAILS2(open_at(dir, "a/b/../../../d/a/b/file", 0, 0, &fd), PERM, NOTCAPABLE);
    FAILS2(open_at(inner, "../b/file", 0, 0, &fd), PERM, NOTCAPABLE);
    FAILS2(open_at(ROOT, "..", 0, 0, &fd), PERM, NOTCAPABLE);
    FAILS2(open_at(ROOT, "d/../..", 0, 0, &fd), PERM, NOTCAPABLE);
    FAILS(open_at(dir, "missing/../a/b/file", 0, 0, &fd), NOENT);
    FAILS(open_at(dir, "a/b/file/../file", 0, 0, &fd), NOTDIR);

    /* A link may point anywhere; following it out may not happen. */
    OK(__wasi_path_symlink("../outside", dir, "up"));
    OK(__wasi_path_symlink("../../../../etc/passwd", dir, "far"));
    OK(__wasi_path_symlink("..", dir, "parent"));
    OK(__wasi_path_symlink("b/../b/file", dir, "a/fine"));
    FAILS2(__wasi_path_open(dir, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "up", 0, READ_WRITE, 0, 0, &fd), PERM, NOTCAPABLE);
    FAILS2(__wasi_path_open(dir, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "far", 0, READ_WRITE, 0, 0, &fd), PERM, NOTCAPABLE);
    FAILS2(open_at(dir, "parent/outside", 0, 0, &fd), PERM, NOTCAPABLE);
    OK(__wasi_path_open(dir, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "a/fine", 0, READ_WRITE, 0, 0, &fd));

    /* No other path function leaves it either. */
    FAILS2(__wasi_path_create_directory(dir, "../new"), PERM, NOTCAPABLE);
    FAILS2(__wasi_path_unlink_file(dir, "../outside"), PERM, NOTCAPABLE);
    FAILS2(__wasi_path_remove_directory(dir, "../d"), PERM, NOTCAPABLE);
    FAILS2(__wasi_path_rename(dir, "a/b/file", dir, "../stolen"), PERM, NOTCAPABLE);
    FAILS2(__wasi_path_rename(dir, "../outside", dir, "stolen"), PERM, NOTCAPABLE);
    FAILS2(__wasi_path_link(dir, 0, "../outside", dir, "stolen"), PERM, NOTCAPABLE);
    FAILS2(__wasi_path_symlink("x", dir, "../new"), PERM, NOTCAPABLE);
    CHECK(exists(ROOT, "outside"));
    CHECK(!exists(ROOT, "new"));
    return 0;
}
