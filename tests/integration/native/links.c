/* Names and what they name: files that lost theirs while open, hard links, and symbolic links of all sorts. */
#include "native.h"

static void unlinked_while_open(void)
{
    char text[16] = {0};
    struct stat stat;
    int fd = open("scratch", O_RDWR | O_CREAT | O_EXCL, 0666);

    SAY(write(fd, "still here", 10));
    SAY(unlink("scratch"));
    SAY(access("scratch", F_OK));
    SAY(fstat(fd, &stat));
    SAY(stat.st_nlink);
    SAY(stat.st_size);
    put("scratch", "another");
    SAY(write(fd, "!", 1));
    SAY(pread(fd, text, sizeof text - 1, 0));
    printf("%s\n", text);
    SAY(ftruncate(fd, 3));
    SAY(lseek(fd, 0, SEEK_END));
    SAY(close(fd));
    show("scratch");
}

static void hard_links(void)
{
    struct stat stat_buffer;

    put("one", "shared");
    SAY(link("one", "two"));
    SAY(link("one", "two"));
    SAY(link("missing", "three"));
    SAY(link("one", "missing/three"));
    mkdir("directory", 0777);
    SAY(link("directory", "directory-again"));
    SAY(link("one", "directory"));
    SAY(link("one", "directory/"));
    SAY(link("one", "three/"));
    SAY(link("one/", "three"));
    SAY(link("one", "one/three"));
    SAY(link("one", "directory/three"));
    SAY(stat("directory/three", &stat_buffer));
    SAY(stat_buffer.st_nlink);
    put("two", "changed by another name");
    show("one");
    SAY(unlink("one"));
    SAY(stat("two", &stat_buffer));
    SAY(stat_buffer.st_nlink);
    SAY(unlink("directory/"));
    SAY(unlink("directory"));
    SAY(unlink("two/"));
    SAY(unlink("."));
}

static void read_link(const char *path)
{
    char target[512];
    ssize_t size;

    errno = 0;
    size = readlink(path, target, sizeof target);
    printf("readlink %s: %zd %.*s %s\n", path, size, size < 0 ? 0 : (int)size, target, errno_name(errno));
}

static void reached(const char *path)
{
    struct stat stat_buffer;

    errno = 0;
    printf("stat %s: ", path);
    printf("%s\n", stat(path, &stat_buffer) != 0 ? errno_name(errno) : type_name(stat_buffer.st_mode));
}

static void symbolic_links(void)
{
    char two[2];

    mkdir("tree", 0777);
    mkdir("tree/inner", 0777);
    put("tree/inner/file", "found");
    SAY(symlink("inner/file", "tree/to-file"));
    SAY(symlink("inner", "tree/to-inner"));
    SAY(symlink("../tree/to-file", "tree/inner/twice"));
    SAY(symlink("to-inner/../to-inner/./file", "tree/winding"));
    SAY(symlink("nothing", "tree/dangling"));
    SAY(symlink("inner/", "tree/slash"));
    SAY(symlink("inner/file/", "tree/file-slash"));
    SAY(symlink("", "tree/empty"));
    SAY(symlink("x", "tree/to-file"));
    SAY(symlink("x", "tree/missing/link"));
    SAY(symlink("x", "tree/inner"));
    SAY(symlink("spaces and \xc3\xbc", "tree/unicode"));

    read_link("tree/to-file");
    read_link("tree/to-inner/");
    read_link("tree/to-inner/twice");
    read_link("tree/slash");
    read_link("tree/unicode");
    read_link("tree/inner");
    read_link("tree/inner/file");
    read_link("tree/none");
    SAY(readlink("tree/to-file", two, sizeof two));
    printf("%.2s\n", two);

    reached("tree/to-file");
    reached("tree/to-file/");
    reached("tree/to-inner");
    reached("tree/to-inner/");
    reached("tree/to-inner/file");
    reached("tree/to-inner/file/");
    reached("tree/to-inner/twice");
    reached("tree/winding");
    reached("tree/dangling");
    reached("tree/dangling/");
    reached("tree/dangling/x");
    reached("tree/slash");
    reached("tree/file-slash");
    reached("tree/to-file/x");
    show("tree/winding");
    show("tree/inner/twice");
}

static void loops(void)
{
    char name[16];
    char target[16];

    SAY(symlink("self", "self"));
    SAY(symlink("pong", "ping"));
    SAY(symlink("ping", "pong"));
    SAY(symlink("into/itself", "into"));
    reached("self");
    reached("self/x");
    reached("ping");
    reached("into");
    SAY(open("self", O_RDONLY));
    SAY(open("self", O_WRONLY | O_CREAT, 0666));
    SAY(open("self", O_WRONLY | O_CREAT | O_EXCL, 0666));
    SAY(mkdir("self", 0777));
    SAY(mkdir("self/x", 0777));
    SAY(unlink("self/x"));
    SAY(rename("self", "self2"));
    SAY(unlink("self2"));

    put("chain0", "the end of the chain");
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof name, "chain%d", i);
        snprintf(target, sizeof target, "chain%d", i - 1);
        symlink(target, name);
    }
    show("chain39");
    show("chain40");
    show("chain41");
}

static void through_links(void)
{
    int fd;

    SAY(symlink("made-by-link", "maker"));
    fd = OPEN(open("maker", O_WRONLY | O_CREAT, 0666));
    SAY(write(fd, "made", 4));
    close(fd);
    show("made-by-link");
    SAY(symlink("made-directory", "directory-maker"));
    SAY(mkdir("directory-maker", 0777));
    SAY(mkdir("directory-maker/", 0777));
    SAY(rmdir("tree/to-inner"));
    SAY(rmdir("tree/to-inner/"));
    SAY(unlink("tree/to-inner/"));
    SAY(truncate("maker", 2));
    show("maker");
    SAY(unlink("maker"));
    show("made-by-link");
    SAY(link("tree/dangling", "tree/dangling-again"));
    read_link("tree/dangling-again");
}

int main(void)
{
    unlinked_while_open();
    hard_links();
    symbolic_links();
    loops();
    through_links();
    return 0;
}
