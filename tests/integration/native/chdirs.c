/* chdir and getcwd: relative paths begin where one is. Paths are printed without the root's own. */
#include "native.h"

static const char *root;

static void where(void)
{
    char path[4096];
    size_t size = strlen(root);

    if (getcwd(path, sizeof path) == NULL)
        printf("getcwd: %s\n", errno_name(errno));
    else if (strncmp(path, root, size) == 0)
        printf("in %s\n", path[size] == 0 ? "/" : path + size);
    else
        printf("elsewhere\n");
}

static const char *absolute(const char *path)
{
    static char whole[4096];

    snprintf(whole, sizeof whole, "%s%s", root, path);
    return whole;
}

int main(int argc, char **argv)
{
    char *allocated;

    (void)argc;
    root = argv[1];
    where();
    mkdir("a", 0777);
    mkdir("a/b", 0777);
    put("a/b/file", "in b");
    put("a/file", "in a");
    put("file", "in the root");
    show("file");
    SAY(chdir("a"));
    where();
    show("file");
    show("b/file");
    show("./b/../file");
    show("../file");
    SAY(chdir("b"));
    where();
    show("file");
    show("../../file");
    SAY(access(absolute("/a/file"), F_OK));
    SAY(mkdir("made-here", 0777));
    SAY(rename("file", "../moved"));
    SAY(chdir("..")); /* wasi-libc's getcwd() would now say /a/b/.. */
    show("moved");
    SAY(access("b/made-here", F_OK));
    SAY(chdir("missing"));
    SAY(chdir("file"));
    SAY(chdir(absolute("/a/b")));
    where();
    SAY(chdir(absolute("/")));
    where();
    SAY(chdir("./a//b/"));
    show("../file");
    SAY(getcwd((char[2]){0}, 2) == NULL);
    SAY(getcwd((char[2]){0}, 0) == NULL);
    allocated = getcwd(NULL, 0);
    SAY(allocated != NULL);
    free(allocated);
    return 0;
}
