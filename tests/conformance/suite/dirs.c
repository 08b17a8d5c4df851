/* A directory that was asked for by name: found among the preopens as the public suite's programs look for it, by comparing
 * names, and by the C library, which resolves "tree.dir/hello.txt" against the preopens. */
#include "check.h"

#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    __wasi_fd_t found = 0, fd = 0;
    char text[16] = "";
    int plain = open("tree.dir/hello.txt", O_RDONLY);

    CHECK(argc == 2);
    CHECK(plain >= 0);
    CHECK(read(plain, text, sizeof(text)) == 6 && strcmp(text, "hello\n") == 0);
    for (__wasi_fd_t each = 3; found == 0; each++) {
        __wasi_prestat_t prestat;
        char name[64] = "";

        if (__wasi_fd_prestat_get(each, &prestat) != 0)
            break;
        CHECK(prestat.u.dir.pr_name_len < sizeof(name));
        OK(__wasi_fd_prestat_dir_name(each, (uint8_t *)name, prestat.u.dir.pr_name_len));
        if (strcmp(name, argv[1]) == 0)
            found = each;
    }
    if (found == 0) {
        fprintf(stderr, "no preopen is named %s\n", argv[1]);
        return 1;
    }
    OK(open_at(found, "deep/er/file.txt", 0, 0, &fd));
    CHECK(strcmp(content_of(fd), "deep\n") == 0);
    FAILS2(open_at(found, "../tree.dir/hello.txt", 0, 0, &fd), PERM, NOTCAPABLE);
    return 0;
}
