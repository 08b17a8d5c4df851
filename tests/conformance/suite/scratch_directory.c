/* A directory opened with the rights that the public suite's programs ask for, and what they then do in it. */
#include "check.h"

#define DIR_BASE                                                                                                      \
    (__WASI_RIGHTS_FD_FILESTAT_GET | __WASI_RIGHTS_FD_READDIR | __WASI_RIGHTS_PATH_CREATE_FILE |                      \
     __WASI_RIGHTS_PATH_CREATE_DIRECTORY | __WASI_RIGHTS_PATH_REMOVE_DIRECTORY | __WASI_RIGHTS_PATH_OPEN |            \
     __WASI_RIGHTS_PATH_UNLINK_FILE | __WASI_RIGHTS_PATH_LINK_SOURCE | __WASI_RIGHTS_PATH_LINK_TARGET |               \
     __WASI_RIGHTS_PATH_READLINK | __WASI_RIGHTS_PATH_RENAME_SOURCE | __WASI_RIGHTS_PATH_RENAME_TARGET |              \
     __WASI_RIGHTS_PATH_FILESTAT_GET | __WASI_RIGHTS_PATH_FILESTAT_SET_SIZE | __WASI_RIGHTS_PATH_FILESTAT_SET_TIMES | \
     __WASI_RIGHTS_PATH_SYMLINK)
#define DIR_INHERITING                                                                                         \
    (READ_WRITE | __WASI_RIGHTS_FD_READDIR | __WASI_RIGHTS_PATH_LINK_SOURCE | __WASI_RIGHTS_PATH_LINK_TARGET | \
     __WASI_RIGHTS_PATH_OPEN | __WASI_RIGHTS_PATH_UNLINK_FILE | __WASI_RIGHTS_PATH_FILESTAT_GET)
#define LINK_RIGHTS                                                                            \
    (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_PATH_LINK_SOURCE | __WASI_RIGHTS_PATH_LINK_TARGET | \
     __WASI_RIGHTS_FD_FILESTAT_GET | __WASI_RIGHTS_PATH_OPEN | __WASI_RIGHTS_PATH_UNLINK_FILE)

int main(void)
{
    __wasi_fd_t root = 0, dir = 0, sub = 0, file = 0, link = 0;
    __wasi_fdstat_t one, two;
    uint8_t byte = 0, name[8] = "";
    __wasi_iovec_t in[1] = {{&byte, 1}};
    __wasi_ciovec_t out[1] = {{&byte, 1}};
    __wasi_size_t done = 0;
    __wasi_filesize_t at = 0;

    /* The root again, with exactly its own rights. */
    OK(__wasi_fd_fdstat_get(ROOT, &one));
    OK(__wasi_path_open(ROOT, 0, ".", __WASI_OFLAGS_DIRECTORY, one.fs_rights_base, one.fs_rights_inheriting, 0, &root));
    CHECK(root > ROOT);
    OK(__wasi_path_create_directory(root, "scratch"));
    OK(__wasi_path_open(root, 0, "scratch", __WASI_OFLAGS_DIRECTORY, DIR_BASE, DIR_INHERITING, 0, &dir));
    OK(__wasi_fd_fdstat_get(dir, &one));
    CHECK(one.fs_flags == 0 && one.fs_filetype == __WASI_FILETYPE_DIRECTORY);
    CHECK((one.fs_rights_base & (__WASI_RIGHTS_FD_FILESTAT_SET_SIZE | __WASI_RIGHTS_FD_SEEK)) == 0);

    /* Files without any rights, truncation without any rights. */
    OK(__wasi_path_open(dir, 0, "file", __WASI_OFLAGS_CREAT, 0, 0, 0, &file));
    OK(__wasi_fd_close(file));
    OK(__wasi_path_open(dir, 0, "file", __WASI_OFLAGS_TRUNC, 0, 0, 0, &file));
    OK(__wasi_fd_close(file));

    /* Links have the same rights as what they link to; a subdirectory hands them on. */
    OK(__wasi_path_open(dir, 0, "file", 0, LINK_RIGHTS, LINK_RIGHTS, 0, &file));
    OK(__wasi_path_create_directory(dir, "sub"));
    OK(__wasi_path_open(dir, 0, "sub", __WASI_OFLAGS_DIRECTORY, LINK_RIGHTS, LINK_RIGHTS, 0, &sub));
    OK(__wasi_path_link(dir, 0, "file", sub, "link"));
    OK(__wasi_path_open(sub, 0, "link", 0, LINK_RIGHTS, LINK_RIGHTS, 0, &link));
    OK(__wasi_fd_fdstat_get(file, &one));
    OK(__wasi_fd_fdstat_get(link, &two));
    CHECK(one.fs_rights_base == two.fs_rights_base && one.fs_rights_inheriting == two.fs_rights_inheriting);
    OK(__wasi_path_unlink_file(sub, "link"));
    OK(__wasi_path_remove_directory(dir, "sub"));

    /* A directory that is asked for the right to seek does not get it, nor an error. */
    OK(__wasi_path_create_directory(root, "seek"));
    OK(__wasi_path_open(root, 0, "seek", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_SEEK, 0, 0, &sub));
    OK(__wasi_fd_fdstat_get(sub, &one));
    CHECK((one.fs_rights_base & __WASI_RIGHTS_FD_SEEK) == 0);
    FAILS3(__wasi_fd_seek(sub, 0, __WASI_WHENCE_CUR, &at), ISDIR, NOTCAPABLE, BADF);

    /* What is for files fails on directories. */
    FAILS3(__wasi_fd_read(root, in, 1, &done), ISDIR, BADF, NOTCAPABLE);
    FAILS3(__wasi_fd_pread(root, in, 1, 0, &done), ISDIR, BADF, NOTCAPABLE);
    FAILS3(__wasi_fd_write(root, out, 1, &done), ISDIR, BADF, NOTCAPABLE);
    FAILS3(__wasi_fd_pwrite(root, out, 1, 0, &done), ISDIR, BADF, NOTCAPABLE);
    for (int whence = 0; whence < 3; whence++)
        FAILS3(__wasi_fd_seek(root, 0, (__wasi_whence_t)whence, &at), ISDIR, BADF, NOTCAPABLE);
    FAILS3(__wasi_fd_tell(root, &at), ISDIR, BADF, NOTCAPABLE);
    FAILS3(__wasi_fd_allocate(root, 0, 1), ISDIR, BADF, NOTCAPABLE);
    FAILS3(__wasi_fd_filestat_set_size(root, 0), ISDIR, BADF, NOTCAPABLE);

    /* Giving up the right to truncate by name. */
    OK(__wasi_fd_fdstat_get(dir, &one));
    OK(__wasi_fd_fdstat_set_rights(dir, one.fs_rights_base,
                                   one.fs_rights_inheriting & ~(__wasi_rights_t)__WASI_RIGHTS_FD_FILESTAT_SET_SIZE));
    OK(__wasi_path_open(dir, 0, "file", __WASI_OFLAGS_TRUNC, 0, 0, 0, &link));
    OK(__wasi_fd_fdstat_set_rights(dir, one.fs_rights_base & ~(__wasi_rights_t)__WASI_RIGHTS_PATH_FILESTAT_SET_SIZE,
                                   one.fs_rights_inheriting & ~(__wasi_rights_t)__WASI_RIGHTS_FD_FILESTAT_SET_SIZE));
    FAILS2(__wasi_path_open(dir, 0, "file", __WASI_OFLAGS_TRUNC, 0, 0, 0, &link), PERM, NOTCAPABLE);

    /* A buffer for the preopen's name may be larger than the name. */
    OK(__wasi_fd_prestat_dir_name(ROOT, name, sizeof(name)));
    CHECK(name[0] == '/');
    return 0;
}
