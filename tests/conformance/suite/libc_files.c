/* The C library's way to files: relative and absolute names, stdio, directories. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
    char line[64];
    struct stat one, two;
    FILE *file = fopen("relative.txt", "w");
    DIR *dir;
    int seen = 0;

    assert(file != NULL);
    assert(fputs("first\nsecond\n", file) >= 0 && fclose(file) == 0);
    file = fopen("/relative.txt", "a+");
    assert(file != NULL && fputs("third\n", file) >= 0 && fseek(file, 6, SEEK_SET) == 0);
    assert(fgets(line, sizeof(line), file) != NULL && strcmp(line, "second\n") == 0 && fclose(file) == 0);
    assert(stat("relative.txt", &one) == 0 && stat("./relative.txt", &two) == 0);
    assert(one.st_ino == two.st_ino && one.st_size == 19 && S_ISREG(one.st_mode));

    assert(mkdir("dir", 0777) == 0 && mkdir("dir/deep", 0777) == 0);
    assert(rename("relative.txt", "dir/deep/moved.txt") == 0);
    assert(access("dir/deep/moved.txt", R_OK) == 0 && access("relative.txt", F_OK) == -1 && errno == ENOENT);
    dir = opendir("dir/deep");
    assert(dir != NULL);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        seen += strcmp(entry->d_name, "moved.txt") == 0;
    assert(seen == 1 && closedir(dir) == 0);
    assert(truncate("dir/deep/moved.txt", 5) == 0 && stat("dir/deep/moved.txt", &one) == 0 && one.st_size == 5);
    assert(symlink("deep/moved.txt", "dir/link") == 0 && readlink("dir/link", line, sizeof(line)) == 14);
    assert(stat("dir/link", &two) == 0 && two.st_ino == one.st_ino);
    assert(unlink("dir/link") == 0 && unlink("dir/deep/moved.txt") == 0 && rmdir("dir/deep") == 0 && rmdir("dir") == 0);
    assert(open("/nowhere/x", O_CREAT | O_RDWR, 0666) == -1 && errno == ENOENT);
    return 0;
}
