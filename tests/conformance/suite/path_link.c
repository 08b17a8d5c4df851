/* path_link: two names of one file. */
#include "check.h"

int main(void)
{
    __wasi_fd_t dir = make_dir(ROOT, "d"), fd = 0, other = 0;
    __wasi_filestat_t one, two;

    fd = make_file(dir, "one", "content");
    OK(__wasi_path_link(dir, 0, "one", ROOT, "two"));
    OK(__wasi_path_filestat_get(dir, 0, "one", &one));
    OK(__wasi_path_filestat_get(ROOT, 0, "two", &two));
    CHECK(one.ino == two.ino && one.nlink == 2 && two.nlink == 2);
    OK(open_at(ROOT, "two", 0, 0, &other));
    CHECK(strcmp(content_of(other), "content") == 0);
    OK(__wasi_fd_filestat_set_size(fd, 3));
    CHECK(strcmp(content_of(other), "con") == 0);
    OK(__wasi_path_unlink_file(dir, "one"));
    OK(__wasi_fd_filestat_get(other, &two));
    CHECK(two.nlink == 1);

    FAILS(__wasi_path_link(ROOT, 0, "two", ROOT, "two"), EXIST);
    FAILS(__wasi_path_link(ROOT, 0, "two", ROOT, "d"), EXIST);
    FAILS(__wasi_path_link(ROOT, 0, "missing", dir, "x"), NOENT);
    FAILS2(__wasi_path_link(ROOT, 0, "d", ROOT, "d2"), PERM, ACCES);
    FAILS(__wasi_path_link(ROOT, 0, "two", dir, "x/"), NOENT);
    FAILS2(__wasi_path_link(ROOT, 0, "two/", dir, "x"), NOTDIR, NOENT);
    OK(__wasi_path_symlink("two", ROOT, "symlink"));
    OK(__wasi_path_link(ROOT, 0, "symlink", dir, "linked"));
    OK(__wasi_path_filestat_get(dir, 0, "linked", &one));
    CHECK(one.filetype == __WASI_FILETYPE_SYMBOLIC_LINK && one.nlink == 2);

    /* What dangles can be linked itself, cannot be replaced, and cannot be followed. */
    OK(__wasi_path_symlink("nowhere", ROOT, "dangling"));
    OK(__wasi_path_link(ROOT, 0, "dangling", dir, "dangling"));
    FAILS(__wasi_path_link(ROOT, 0, "two", dir, "dangling"), EXIST);
    FAILS2(__wasi_path_link(ROOT, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, "dangling", dir, "x"), INVAL, NOENT);
    CHECK(!exists(dir, "x"));
    return 0;
}
