/* path_symlink, path_readlink, and following links or not. */
#include "check.h"

#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW

int main(void)
{
    __wasi_fd_t dir = make_dir(ROOT, "d"), fd = 0;
    uint8_t buffer[16];
    __wasi_size_t size = 0;

    OK(__wasi_fd_close(make_file(dir, "target", "content")));
    OK(__wasi_path_symlink("target", dir, "link"));
    FAILS(__wasi_path_symlink("target", dir, "link"), EXIST);
    FAILS(__wasi_path_symlink("x", dir, "target"), EXIST);
    FAILS(__wasi_path_symlink("x", dir, "missing/link"), NOENT);
    FAILS2(__wasi_path_symlink("", dir, "empty"), NOENT, INVAL);
    FAILS2(__wasi_path_symlink("/absolute", dir, "absolute"), PERM, NOTCAPABLE);

    memset(buffer, '!', sizeof(buffer));
    OK(__wasi_path_readlink(dir, "link", buffer, sizeof(buffer), &size));
    CHECK(size == 6 && memcmp(buffer, "target!!", 8) == 0);
    memset(buffer, '!', sizeof(buffer));
    OK(__wasi_path_readlink(dir, "link", buffer, 3, &size));
    CHECK(size == 3 && memcmp(buffer, "tar!", 4) == 0);
    OK(__wasi_path_readlink(dir, "link", buffer, 0, &size));
    CHECK(size == 0);
    FAILS(__wasi_path_readlink(dir, "target", buffer, sizeof(buffer), &size), INVAL);
    FAILS(__wasi_path_readlink(dir, "missing", buffer, sizeof(buffer), &size), NOENT);

    OK(__wasi_path_open(dir, FOLLOW, "link", 0, READ_WRITE, 0, 0, &fd));
    CHECK(strcmp(content_of(fd), "content") == 0);
    FAILS(open_at(dir, "link", 0, 0, &fd), LOOP);
    FAILS2(open_at(dir, "link", __WASI_OFLAGS_DIRECTORY, 0, &fd), NOTDIR, LOOP);

    OK(__wasi_path_symlink("nowhere", dir, "dangling"));
    FAILS(__wasi_path_open(dir, FOLLOW, "dangling", 0, READ_WRITE, 0, 0, &fd), NOENT);
    FAILS2(open_at(dir, "dangling", __WASI_OFLAGS_CREAT | __WASI_OFLAGS_EXCL, 0, &fd), EXIST, LOOP);

    /* Loops end. */
    OK(__wasi_path_symlink("self", dir, "self"));
    OK(__wasi_path_symlink("pong", dir, "ping"));
    OK(__wasi_path_symlink("ping", dir, "pong"));
    FAILS(__wasi_path_open(dir, FOLLOW, "self", 0, READ_WRITE, 0, 0, &fd), LOOP);
    FAILS(__wasi_path_open(dir, FOLLOW, "ping", 0, READ_WRITE, 0, 0, &fd), LOOP);
    FAILS(open_at(dir, "self/below", 0, 0, &fd), LOOP);

    /* A link in the middle of a path is always followed. */
    OK(__wasi_path_create_directory(dir, "real"));
    OK(__wasi_fd_close(make_file(dir, "real/file", "here")));
    OK(__wasi_path_symlink("real", dir, "alias"));
    OK(open_at(dir, "alias/file", 0, 0, &fd));
    CHECK(strcmp(content_of(fd), "here") == 0);
    OK(__wasi_path_open(dir, FOLLOW, "alias", __WASI_OFLAGS_DIRECTORY, 0, 0, 0, &fd));
    return 0;
}
