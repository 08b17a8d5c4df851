/* Reading directories: order is the system's, so names are sorted; positions; what changes while one is being read. */
#include "native.h"

#define MANY 2000

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Reads what is left of `dir` and prints it sorted, or only how much it is. */
static void list(const char *what, DIR *dir)
{
    static char *names[MANY + 100];
    size_t count = 0;
    struct dirent *entry;

    errno = 0;
    while ((entry = readdir(dir)) != NULL && count < COUNT(names))
        names[count++] = strdup(entry->d_name);
    qsort(names, count, sizeof names[0], by_text);
    printf("%s: %zu entries, %s:", what, count, errno_name(errno));
    for (size_t i = 0; i < count; i++) {
        if (count < 20)
            printf(" %s", names[i]);
        if (i > 0 && strcmp(names[i - 1], names[i]) == 0)
            printf(" (%s twice)", names[i]);
        free(names[i]);
    }
    printf("\n");
}

static void make(const char *directory, int from, int to)
{
    char path[64];

    for (int i = from; i < to; i++) {
        snprintf(path, sizeof path, "%s/entry-%04d", directory, i);
        put(path, "");
    }
}

static void types(void)
{
    DIR *dir;
    struct dirent *entry;
    int seen[3] = {0};

    mkdir("types", 0777);
    mkdir("types/directory", 0777);
    put("types/file", "");
    SAY(symlink("file", "types/link"));
    dir = opendir("types");
    while ((entry = readdir(dir)) != NULL) {
        struct stat stat;

        fstatat(dirfd(dir), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW);
        if (strcmp(entry->d_name, "..") != 0 && stat.st_ino != entry->d_ino)
            printf("%s has another inode number\n", entry->d_name);
        seen[0] += entry->d_type == DT_DIR && S_ISDIR(stat.st_mode);
        seen[1] += entry->d_type == DT_REG && S_ISREG(stat.st_mode);
        seen[2] += entry->d_type == DT_LNK && S_ISLNK(stat.st_mode);
    }
    printf("%d directories, %d files, %d links\n", seen[0], seen[1], seen[2]);
    SAY(closedir(dir));
}

static void positions(void)
{
    DIR *dir;
    long place;
    char third[256];

    mkdir("few", 0777);
    make("few", 0, 10);
    dir = opendir("few");
    list("first", dir);
    list("at the end", dir);
    rewinddir(dir);
    list("again", dir);
    rewinddir(dir);
    readdir(dir);
    readdir(dir);
    place = telldir(dir);
    snprintf(third, sizeof third, "%s", readdir(dir)->d_name);
    readdir(dir);
    seekdir(dir, place);
    printf("the same after seekdir: %d\n", strcmp(third, readdir(dir)->d_name) == 0);
    rewinddir(dir);
    make("few", 10, 12);
    rewinddir(dir);
    list("with two more", dir);
    closedir(dir);
}

/* Everything that is there from beginning to end comes exactly once; each is deleted as it is seen. */
static void delete_while_reading(void)
{
    DIR *dir;
    struct dirent *entry;
    int deleted = 0;

    mkdir("many", 0777);
    make("many", 0, MANY);
    dir = opendir("many");
    list("many", dir);
    rewinddir(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.')
            deleted += unlinkat(dirfd(dir), entry->d_name, 0) == 0;
    }
    SAY(deleted);
    rewinddir(dir);
    list("emptied", dir);
    closedir(dir);
    SAY(rmdir("many"));
}

static void create_while_reading(void)
{
    DIR *dir;
    struct dirent *entry;
    int old = 0;

    mkdir("growing", 0777);
    make("growing", 0, 300);
    dir = opendir("growing");
    for (int i = 0; (entry = readdir(dir)) != NULL && i < 5000; i++) {
        old += entry->d_name[0] == 'e' && atoi(entry->d_name + 6) < 300;
        if (i < 300)
            make("growing", 300 + i, 301 + i);
    }
    SAY(old);
    rewinddir(dir);
    list("grown", dir);
    closedir(dir);
}

static void removed(void)
{
    DIR *dir;

    mkdir("gone", 0777);
    dir = opendir("gone");
    SAY(rmdir("gone"));
    SAY(openat(dirfd(dir), "file", O_WRONLY | O_CREAT, 0666));
    SAY(mkdirat(dirfd(dir), "directory", 0777));
    SAY(fstatat(dirfd(dir), "file", &(struct stat){0}, 0));
    SAY(closedir(dir));
}

static void refused(const char *path)
{
    DIR *dir;

    errno = 0;
    dir = opendir(path);
    printf("opendir %s: %s\n", path, dir == NULL ? errno_name(errno) : "open");
    if (dir != NULL)
        closedir(dir);
}

int main(void)
{
    types();
    positions();
    delete_while_reading();
    create_while_reading();
    removed();
    refused("types/directory");
    refused("types/file");
    refused("types/link");
    refused("types/nothing");
    refused("types/file/");
    refused("types/directory/");
    refused("types/./directory/.");
    refused("types/directory/..");
    return 0;
}
