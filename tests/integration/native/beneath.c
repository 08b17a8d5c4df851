/*
 * Not compared: what is otherwise here than on Linux, on purpose. Nothing leads above the root or away from it, and what
 * tries to is EPERM; `..` at the end of what may not be left as well.
 */
#include "native.h"

int main(void)
{
    SAY(open("..", O_RDONLY));
    SAY(open("../file", O_RDONLY));
    SAY(open("/..", O_RDONLY));
    SAY(open("/../file", O_RDONLY));
    SAY(mkdir("directory", 0777));
    SAY(access("directory/..", F_OK));
    SAY(access("directory/../..", F_OK));
    SAY(mkdir("../outside", 0777));
    SAY(rename("directory", "../directory"));
    SAY(link("../file", "file"));
    SAY(symlink("/etc/passwd", "absolute"));
    SAY(symlink("/", "root"));
    SAY(symlink("..", "up"));
    SAY(symlink("../../../../etc/passwd", "directory/far"));
    SAY(symlink("..", "directory/up"));
    SAY(access("up", F_OK));
    SAY(access("up/file", F_OK));
    SAY(access("directory/far", F_OK));
    SAY(access("directory/up", F_OK));
    SAY(access("directory/up/directory", F_OK));
    SAY(access("directory/up/up", F_OK));
    SAY(rename("directory/up", "moved"));
    SAY(access("moved", F_OK));
    SAY(symlink("x", "directory/"));
    SAY(symlink("x", "up/"));
    return 0;
}
