/* rename: each kind of source onto each kind of target, in all spellings, with what is left after it. */
#include "native.h"

static const char *const sources[] = {"f",        "f/",      "e",         "e/",  "d",        "d/",
                                      "lf",       "lf/",     "ld",        "ld/", "dangling", "missing",
                                      "missing/", "d/inner", "d/inner/.", ".",   "f/x",      "d/."};
static const char *const targets[] = {"f2",   "f2/",       "e2",   "e2/",       "d2",        "d2/",       "l2",
                                      "ld2",  "ld2/",      "new",  "new/",      "new/x",     "d/inner/x", "d",
                                      "f2/x", "d2/inner2", "e2/.", "dangling2", "dangling2/"};

/* The same small tree each time: e is empty, d is not, l is a link. */
static void build(void)
{
    put("f", "file f");
    put("f2", "file f2");
    mkdir("e", 0777);
    mkdir("e2", 0777);
    mkdir("d", 0777);
    mkdir("d/inner", 0777);
    put("d/inner/file", "inner");
    mkdir("d2", 0777);
    put("d2/file", "in d2");
    symlink("f", "lf");
    symlink("d", "ld");
    symlink("f2", "l2");
    symlink("d2", "ld2");
    symlink("nowhere", "dangling");
    symlink("new-by-link", "dangling2");
}

static int by_text(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Prints a tree in one line and removes it. */
static void take_down(const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, by_text);

    for (int i = 0; i < count; i++) {
        char path[512];
        struct stat stat;

        snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        if (strcmp(entries[i]->d_name, ".") == 0 || strcmp(entries[i]->d_name, "..") == 0)
            continue;
        lstat(path, &stat);
        if (S_ISDIR(stat.st_mode)) {
            printf("%s{", entries[i]->d_name);
            take_down(path);
            printf("} ");
        } else {
            printf("%s:%lld ", entries[i]->d_name, (long long)stat.st_size);
        }
        if (remove(path) != 0)
            printf("(remove %s: %s) ", path, errno_name(errno));
        free(entries[i]);
    }
    free(entries);
}

static void try_rename(const char *from, const char *to)
{
    int result;

    build();
    errno = 0;
    result = rename(from, to);
    printf("%s -> %s: %s", from, to, result == 0 ? "done\n  " : errno_name(errno));
    if (result != 0)
        printf("\n  ");
    take_down(".");
    printf("\n");
}

/* A file that is open keeps its content, whatever its name becomes or who takes the name. */
static void while_open(void)
{
    char text[8] = {0};
    int fd;

    put("a", "of a");
    put("b", "of b");
    fd = open("b", O_RDWR);
    SAY(rename("a", "b"));
    SAY(read(fd, text, 4));
    printf("read %s\n", text);
    SAY(write(fd, "!", 1));
    show("b");
    SAY(rename("b", "b"));
    SAY(link("b", "b-again"));
    SAY(rename("b", "b-again"));
    SAY(access("b", F_OK));
    close(fd);
    take_down(".");
    printf("\n");
}

int main(void)
{
    for (size_t i = 0; i < COUNT(sources); i++) {
        for (size_t j = 0; j < COUNT(targets); j++)
            try_rename(sources[i], targets[j]);
    }
    try_rename("d/inner", "d2/moved");
    try_rename("d/inner/file", "f2");
    try_rename("d", "d");
    try_rename("ld/inner", "ld2/moved");
    while_open();
    return 0;
}
