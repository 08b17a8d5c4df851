/* Whole trees: made, walked by nftw and scandir, copied, and removed, as find, cp -r and rm -r do it. */
#include "native.h"

#include <ftw.h>

#define DEEP 60

static char seen[600][96];
static size_t seen_count;

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int note(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    static const char *const kinds[] = {[FTW_F] = "file",
                                        [FTW_D] = "directory",
                                        [FTW_DP] = "directory behind",
                                        [FTW_SL] = "link",
                                        [FTW_SLN] = "dangling"};

    if (seen_count < COUNT(seen))
        snprintf(seen[seen_count++], sizeof seen[0], "%.40s %s, level %d, base %d, size %lld", path, kinds[kind],
                 where->level, where->base, S_ISREG(stat->st_mode) ? (long long)stat->st_size : 0);
    return 0;
}

static void walk(const char *path, int flags)
{
    seen_count = 0;
    errno = 0;
    printf("walk %s: %d", path, nftw(path, note, 10, flags));
    printf(", %zu things\n", seen_count);
    qsort(seen, seen_count, sizeof seen[0], by_text);
    for (size_t i = 0; i < seen_count; i++)
        printf("  %s\n", seen[i]);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void copy_file(const char *from, const char *to)
{
    char block[333];
    int in = open(from, O_RDONLY);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL, 0666);
    ssize_t size;

    while ((size = read(in, block, sizeof block)) > 0) {
        if (write(out, block, (size_t)size) != size)
            printf("short\n");
    }
    close(in);
    close(out);
}

static void copy_link(const char *from, const char *to)
{
    char target[256];
    ssize_t size = readlink(from, target, sizeof target - 1);

    target[size < 0 ? 0 : size] = 0;
    if (symlink(target, to) != 0)
        printf("symlink %s: %s\n", to, errno_name(errno));
}

static void copy(const char *from, const char *to)
{
    struct dirent **entries;
    struct stat stat;
    int count;

    lstat(from, &stat);
    if (S_ISREG(stat.st_mode))
        copy_file(from, to);
    if (S_ISLNK(stat.st_mode))
        copy_link(from, to);
    if (!S_ISDIR(stat.st_mode))
        return;
    SAY(mkdir(to, 0777));
    count = scandir(from, &entries, is_visible, alphasort);
    for (int i = 0; i < count; i++) {
        char a[512];
        char b[512];

        snprintf(a, sizeof a, "%s/%s", from, entries[i]->d_name);
        snprintf(b, sizeof b, "%s/%s", to, entries[i]->d_name);
        printf("copy %s\n", a);
        copy(a, b);
        free(entries[i]);
    }
    free(entries);
}

static int delete (const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)stat;
    (void)kind;
    (void)where;
    return remove(path);
}

static void deep(void)
{
    char path[1024] = "deep";
    char file[1100];

    for (int i = 0; i < DEEP; i++) {
        if (mkdir(path, 0777) != 0)
            printf("mkdir %d: %s\n", i, errno_name(errno));
        strcat(path, "/level");
    }
    path[strlen(path) - strlen("/level")] = 0;
    snprintf(file, sizeof file, "%s/file", path);
    put(file, "at the bottom");
    show(file);
    for (int i = 1; i < DEEP; i++)
        strcat(path, "/..");
    SAY(access(path, F_OK));
    snprintf(file, sizeof file, "%s/../source/one", path);
    SAY(access(file, F_OK));
    SAY(nftw("deep", delete, 100, FTW_DEPTH | FTW_PHYS));
    SAY(access("deep", F_OK));
}

int main(void)
{
    mkdir("source", 0777);
    mkdir("source/a", 0777);
    mkdir("source/a/b", 0777);
    mkdir("source/empty", 0777);
    put("source/one", "1");
    put("source/a/two", "22");
    put("source/a/b/three", "333");
    SAY(symlink("../one", "source/a/to-one"));
    SAY(symlink("nowhere", "source/dangling"));
    SAY(symlink("a", "source/to-a"));
    walk("source", FTW_PHYS);
    walk("source", FTW_PHYS | FTW_DEPTH);
    walk("source/dangling", FTW_PHYS);
    walk("missing", FTW_PHYS);
    copy("source", "copied");
    walk("copied", FTW_PHYS);
    SAY(nftw("copied/a", delete, 10, FTW_DEPTH | FTW_PHYS));
    walk("copied", FTW_PHYS);
    deep();
    return 0;
}
