/* fd_prestat_get and fd_prestat_dir_name: one preopen, "/", and no other. */
#include "check.h"

int main(void)
{
    __wasi_prestat_t prestat;
    __wasi_fdstat_t status;
    uint8_t name[8] = "";
    __wasi_rights_t needed = __WASI_RIGHTS_PATH_OPEN | __WASI_RIGHTS_PATH_CREATE_FILE | __WASI_RIGHTS_FD_READDIR |
                             __WASI_RIGHTS_PATH_FILESTAT_GET | __WASI_RIGHTS_PATH_UNLINK_FILE |
                             __WASI_RIGHTS_PATH_SYMLINK;

    OK(__wasi_fd_prestat_get(ROOT, &prestat));
    CHECK(prestat.tag == __WASI_PREOPENTYPE_DIR && prestat.u.dir.pr_name_len == 1);
    OK(__wasi_fd_prestat_dir_name(ROOT, name, 1));
    CHECK(strcmp((char *)name, "/") == 0);
    FAILS2(__wasi_fd_prestat_dir_name(ROOT, name, 0), NAMETOOLONG, INVAL);
    for (__wasi_fd_t fd = 0; fd < 100; fd++)
        if (fd != ROOT) {
            FAILS2(__wasi_fd_prestat_get(fd, &prestat), BADF, NOTSUP);
            FAILS3(__wasi_fd_prestat_dir_name(fd, name, 1), BADF, NOTDIR, NOTSUP);
        }
    OK(__wasi_fd_fdstat_get(ROOT, &status));
    CHECK(status.fs_filetype == __WASI_FILETYPE_DIRECTORY);
    CHECK((status.fs_rights_base & needed) == needed);
    CHECK((status.fs_rights_inheriting & (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE)) ==
          (__WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE));
    return 0;
}
