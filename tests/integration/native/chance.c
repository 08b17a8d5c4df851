/*
 * Thousands of calls by chance on a handful of names: argv[2] is the seed, argv[3] how many. What one person would not
 * think of trying together. No path has `..` in it, which at the root means different things.
 */
#include "native.h"

#define FDS 6

static const char *const names[] = {"a",  "b",  "c",    "d",    "a/a", "a/b", "b/a", "b/b",   "a/a/a", "b/a/b",
                                    "c/", "d/", "a/b/", "b/a/", "a/.", "c/d", "d/a", "d/a/b", "./c",   "a//b"};
static const char *const targets[] = {"a", "b", "a/b", "c", "d/", "a/a/a", "b/.", "nowhere", "d"};

static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END};

static uint64_t state;
static int fds[FDS];

static unsigned below(unsigned limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % limit;
}

static const char *name(void)
{
    return names[below(COUNT(names))];
}

static void told(const char *what, const char *a, const char *b, long long result)
{
    printf("%s %s %s: ", what, a, b);
    if (result < 0)
        printf("%s\n", errno_name(errno));
    else
        printf("%lld\n", result);
}

static void about(const char *path, int flags)
{
    struct stat stat;
    int result = fstatat(AT_FDCWD, path, &stat, flags);

    told(flags ? "lstat" : "stat", path, result == 0 ? type_name(stat.st_mode) : "", result);
    if (result == 0)
        printf("  %lld bytes, %lld links\n", S_ISDIR(stat.st_mode) ? 0 : (long long)stat.st_size,
               (long long)stat.st_nlink);
}

static void count(const char *path)
{
    DIR *dir = opendir(path);
    unsigned sum = 0;

    if (dir == NULL) {
        told("opendir", path, "", -1);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        sum += 1000 + (unsigned char)entry->d_name[0];
    told("opendir", path, "", sum);
    closedir(dir);
}

static void open_one(const char *path)
{
    static const int kinds[] = {O_RDONLY, O_WRONLY, O_RDWR};
    int slot = (int)below(FDS);
    struct stat stat;
    int fd;
    int flags = kinds[below(3)];

    flags |= below(2) ? O_CREAT : 0;
    flags |= below(4) ? 0 : O_EXCL & (flags & O_CREAT ? ~0 : 0);
    flags |= below(4) ? 0 : O_TRUNC;
    flags |= below(4) ? 0 : O_APPEND;
    flags |= below(6) ? 0 : O_NOFOLLOW;
    fd = open(path, flags, 0666);
    told("open", path, flags & O_CREAT ? "creating" : "", fd < 0 ? -1 : 0);
    if (fd >= 0 && fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode)) {
        close(fd); /* for what WASI has directories refuse, see opens.c */
    } else if (fd >= 0) {
        close(fds[slot]);
        fds[slot] = fd;
    }
}

static void use_one(void)
{
    static char bytes[200000];
    int fd = fds[below(FDS)];
    size_t size = below(3) ? below(50) : below(sizeof bytes);
    struct stat stat;

    memset(bytes, (int)below(256), size);
    switch (below(6)) {
    case 0:
        told("write", "", "", write(fd, bytes, size));
        break;
    case 1: {
        ssize_t got = read(fd, bytes, size);
        unsigned sum = 0;

        for (ssize_t i = 0; i < got; i++)
            sum = sum * 33 + (unsigned char)bytes[i];
        told("read", "", "", got);
        printf("  %u\n", sum);
        break;
    }
    case 2: {
        off_t offset = (off_t)below(100000) - 1000; /* not among the arguments, whose order is nobody's */

        told("lseek", "", "", lseek(fd, offset, whences[below(3)]));
        break;
    }
    case 3:
        if (fd >= 0 && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR)
            told("ftruncate", "", "", ftruncate(fd, (off_t)below(150000)));
        break;
    case 4:
        told("fstat", "", "", fstat(fd, &stat));
        break;
    default:
        told("pread", "", "", pread(fd, bytes, size, (off_t)below(100000)));
    }
}

static void step(void)
{
    const char *a = name();
    const char *b = name();

    errno = 0;
    switch (below(18)) {
    case 0:
        told("mkdir", a, "", mkdir(a, 0777));
        break;
    case 1:
        told("rmdir", a, "", rmdir(a));
        break;
    case 2:
        told("unlink", a, "", unlink(a));
        break;
    case 3:
    case 4:
        told("rename", a, b, rename(a, b));
        break;
    case 5:
        told("link", a, b, link(a, b));
        break;
    case 6:
        b = targets[below(COUNT(targets))];
        if (a[strlen(a) - 1] != '/') /* over a file, before a slash, WASI wants another error than Linux has */
            told("symlink", b, a, symlink(b, a));
        break;
    case 7:
        about(a, below(2) ? AT_SYMLINK_NOFOLLOW : 0);
        break;
    case 8:
        count(a);
        break;
    case 9:
    case 10:
        open_one(a);
        break;
    default:
        use_one();
    }
}

int main(int argc, char **argv)
{
    int steps = argc > 3 ? atoi(argv[3]) : 1000;

    state = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    for (int i = 0; i < FDS; i++)
        fds[i] = -1;
    for (int i = 0; i < steps; i++)
        step();
    return 0;
}
