/* Writing beneath a directory: nothing outside it is touched, with openat2() and where the kernel has none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "cli/beneath.h"

/* What openat2() fails with; 0: it is the kernel's. */
static int refuse_openat2;

/* How often it opened something. */
static int opened_in_one_step;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    va_list args;
    long given[6];
    long result = 0;

    va_start(args, number);
    for (size_t i = 0; i < ADK_COUNT(given); i++)
        given[i] = va_arg(args, long);
    va_end(args);
    if (number == SYS_openat2 && refuse_openat2 != 0) {
        errno = refuse_openat2;
        return -1;
    }
    result = __real_syscall(number, given[0], given[1], given[2], given[3], given[4], given[5]);
    if (number == SYS_openat2 && result >= 0)
        opened_in_one_step++;
    return result;
}

/* A directory with `in` to write beneath and `out` to stay away from. */
struct scene {
    char path[64];
    int top;
    int in;
};

static void scene_begin(struct scene *scene)
{
    (void)snprintf(scene->path, sizeof(scene->path), "/tmp/test_cli_beneath.XXXXXX");
    assert_non_null(mkdtemp(scene->path));
    scene->top = open(scene->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(scene->top, "in", 0755), 0);
    assert_int_equal(mkdirat(scene->top, "out", 0755), 0);
    scene->in = openat(scene->top, "in", O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(scene->in >= 0);
}

/* Removes all that is in the directory; the trees here are shallow. Returns how many entries there were. */
static size_t remove_all(int parent, const char *name)
{
    DIR *dir = fdopendir(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct dirent *entry = NULL;
    size_t count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        count++;
        if (unlinkat(dirfd(dir), entry->d_name, 0) != 0)
            (void)remove_all(dirfd(dir), entry->d_name);
        (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
    }
    (void)closedir(dir);
    return count;
}

/* Nothing may have got out. */
static void scene_end(struct scene *scene)
{
    assert_int_equal(remove_all(scene->top, "out"), 0);
    assert_int_equal(remove_all(scene->top, "."), 2);
    assert_int_equal(rmdir(scene->path), 0);
    (void)close(scene->in);
    (void)close(scene->top);
}

static int write_text(const struct scene *scene, const char *path, const char *text)
{
    return cli_beneath_write(scene->in, adk_bytes_from_cstr(path), adk_bytes_from_cstr(text));
}

static void expect_text(const struct scene *scene, const char *path, const char *expected)
{
    ADK_AUTO_CLOSE int fd = openat(scene->in, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char text[256] = "";

    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof(text) - 1) >= 0);
    assert_string_equal(text, expected);
}

static size_t count_entries(int parent, const char *name)
{
    DIR *dir = fdopendir(openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count - 2;
}

static void check_written(void)
{
    static const unsigned char odd[] = "a \n\x1b\xff/\xfe..";
    struct scene scene;
    struct stat info;
    mode_t old = umask(0027);

    scene_begin(&scene);
    assert_int_equal(write_text(&scene, "a", "one"), 0);
    assert_int_equal(write_text(&scene, "b/c/d", "two"), 0);
    assert_int_equal(write_text(&scene, "b/c/e", ""), 0);
    assert_int_equal(write_text(&scene, "...", "dots"), 0);
    assert_int_equal(write_text(&scene, (const char *)odd, "odd"), 0);
    assert_int_equal(write_text(&scene, "a", "new"), 0);
    assert_int_equal(cli_beneath_mkdir(scene.in, adk_bytes_from_cstr("b/f/g")), 0);
    assert_int_equal(cli_beneath_mkdir(scene.in, adk_bytes_from_cstr("b")), 0);
    expect_text(&scene, "a", "new");
    expect_text(&scene, "b/c/d", "two");
    expect_text(&scene, "b/c/e", "");
    expect_text(&scene, (const char *)odd, "odd");
    assert_int_equal(count_entries(scene.in, "."), 4);
    assert_int_equal(fstatat(scene.in, "a", &info, 0), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    assert_int_equal(fstatat(scene.in, "b/f/g", &info, 0), 0);
    assert_int_equal(info.st_mode & 0777, 0750);
    (void)umask(old);
    scene_end(&scene);
}

static void check_no_path(void)
{
    static const char *const paths[] = {"",     "/",     "/a",  "a/",  "a//b",   ".",        "..",
                                        "../a", "a/..",  "./a", "a/.", "a/../b", "../out/x", "a/../../out/x",
                                        "//",   "../out"};
    struct scene scene;

    scene_begin(&scene);
    for (size_t i = 0; i < ADK_COUNT(paths); i++) {
        assert_int_equal(write_text(&scene, paths[i], "x"), EINVAL);
        assert_int_equal(cli_beneath_mkdir(scene.in, adk_bytes_from_cstr(paths[i])), EINVAL);
    }
    assert_int_equal(cli_beneath_write(scene.in, adk_bytes_make("a\0b", 3), adk_bytes_make(NULL, 0)), EINVAL);
    assert_int_equal(cli_beneath_write(scene.in, adk_bytes_make(NULL, 0), adk_bytes_make(NULL, 0)), EINVAL);
    assert_int_equal(count_entries(scene.in, "."), 0);
    scene_end(&scene);
}

/* Links that somebody has planted, to a directory and to a file, as the last component and above it. */
static void check_planted_links(void)
{
    struct scene scene;
    char absolute[128];

    scene_begin(&scene);
    (void)snprintf(absolute, sizeof(absolute), "%s/out", scene.path);
    assert_int_equal(symlinkat("../out", scene.in, "up"), 0);
    assert_int_equal(symlinkat(absolute, scene.in, "absolute"), 0);
    assert_int_equal(symlinkat("../out/victim", scene.in, "dangling"), 0);
    assert_int_equal(symlinkat("/proc/self/cwd", scene.in, "magic"), 0);
    assert_int_equal(write_text(&scene, "real/x", "x"), 0);
    assert_int_equal(symlinkat("real", scene.in, "inside"), 0);
    assert_int_equal(symlinkat("../../out", scene.in, "real/up"), 0);
    assert_int_equal(write_text(&scene, "up", "x"), ELOOP);
    assert_int_equal(write_text(&scene, "up/x", "x"), ELOOP);
    assert_int_equal(write_text(&scene, "up/x/y", "x"), ELOOP);
    assert_int_equal(write_text(&scene, "absolute/x", "x"), ELOOP);
    assert_int_equal(write_text(&scene, "dangling", "x"), ELOOP);
    assert_int_equal(write_text(&scene, "dangling/x", "x"), ELOOP);
    assert_int_equal(write_text(&scene, "magic/x", "x"), ELOOP);
    assert_int_equal(write_text(&scene, "inside/x", "y"), ELOOP);
    assert_int_equal(write_text(&scene, "real/up/x", "x"), ELOOP);
    assert_int_equal(cli_beneath_mkdir(scene.in, adk_bytes_from_cstr("up")), ELOOP);
    assert_int_equal(cli_beneath_mkdir(scene.in, adk_bytes_from_cstr("up/x")), ELOOP);
    assert_int_equal(cli_beneath_mkdir(scene.in, adk_bytes_from_cstr("dangling")), ELOOP);
    expect_text(&scene, "real/x", "x");
    scene_end(&scene);
}

/* What is there and is no regular file stays; a hard link to a file outside is replaced, not written through. */
static void check_in_the_way(void)
{
    struct scene scene;
    int outside = -1;
    char text[8] = "";

    scene_begin(&scene);
    assert_int_equal(mkfifoat(scene.in, "fifo", 0666), 0);
    assert_int_equal(mkdirat(scene.in, "dir", 0755), 0);
    assert_int_equal(write_text(&scene, "file", "x"), 0);
    assert_int_equal(write_text(&scene, "fifo", "x"), EEXIST);
    assert_int_equal(write_text(&scene, "fifo/x", "x"), ENOTDIR);
    assert_int_equal(write_text(&scene, "dir", "x"), EISDIR);
    assert_int_equal(write_text(&scene, "file/x", "x"), ENOTDIR);
    assert_int_equal(cli_beneath_mkdir(scene.in, adk_bytes_from_cstr("file")), ENOTDIR);
    assert_int_equal(cli_beneath_mkdir(scene.in, adk_bytes_from_cstr("fifo/x")), ENOTDIR);
    assert_int_equal(count_entries(scene.in, "."), 3);
    outside = openat(scene.top, "out/victim", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(write(outside, "old", 3), 3);
    assert_int_equal(linkat(scene.top, "out/victim", scene.in, "hard", 0), 0);
    assert_int_equal(write_text(&scene, "hard", "new"), 0);
    expect_text(&scene, "hard", "new");
    assert_int_equal(pread(outside, text, sizeof(text), 0), 3);
    assert_string_equal(text, "old");
    (void)close(outside);
    (void)unlinkat(scene.top, "out/victim", 0);
    scene_end(&scene);
}

static void check_both(void (*check)(void))
{
    static const int errors[] = {0, ENOSYS, EPERM, EAGAIN};

    for (size_t i = 0; i < ADK_COUNT(errors); i++) {
        refuse_openat2 = errors[i];
        opened_in_one_step = 0;
        check();
        if (errors[i] != 0)
            assert_int_equal(opened_in_one_step, 0);
    }
    refuse_openat2 = 0;
}

static void test_written(void **state)
{
    (void)state;
    check_both(check_written);
}

static void test_no_path(void **state)
{
    (void)state;
    check_both(check_no_path);
}

static void test_planted_links(void **state)
{
    (void)state;
    check_both(check_planted_links);
}

static void test_in_the_way(void **state)
{
    (void)state;
    check_both(check_in_the_way);
}

/* A path longer than the kernel takes at once, which a deep tree has; and a name longer than any. */
static void test_long(void **state)
{
    char path[6001];
    char name[257];
    struct scene scene;

    (void)state;
    scene_begin(&scene);
    memset(path, 'd', sizeof(path));
    for (size_t i = 200; i < sizeof(path); i += 200)
        path[i] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(write_text(&scene, path, "deep"), 0);
    assert_int_equal(write_text(&scene, path, "again"), 0);
    memset(name, 'n', sizeof(name));
    name[256] = '\0';
    assert_int_equal(write_text(&scene, name, "x"), ENAMETOOLONG);
    name[255] = '\0';
    assert_int_equal(write_text(&scene, name, "x"), 0);
    scene_end(&scene);
}

/* A failed write leaves the old file, and nothing else. */
static void test_file_size_limit(void **state)
{
    static char much[65536];
    const struct sigaction ignore = {.sa_handler = SIG_IGN}; /* the tests' own signal() does nothing */
    struct rlimit old;
    struct rlimit small;
    struct scene scene;

    (void)state;
    scene_begin(&scene);
    assert_int_equal(sigaction(SIGXFSZ, &ignore, NULL), 0);
    assert_int_equal(write_text(&scene, "a", "old"), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){4096, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(cli_beneath_write(scene.in, adk_bytes_from_cstr("a"), adk_bytes_make(much, sizeof(much))), EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    expect_text(&scene, "a", "old");
    assert_int_equal(count_entries(scene.in, "."), 1);
    scene_end(&scene);
}

static void test_full_disk(void **state)
{
    static char much[1 << 20];
    struct scene scene;
    char path[128];
    int disk = -1;

    (void)state;
    scene_begin(&scene);
    (void)snprintf(path, sizeof(path), "%s/in", scene.path);
    if (mount("none", path, "tmpfs", 0, "size=128k") != 0) {
        scene_end(&scene);
        print_message("skipped: cannot mount a small disk: %s\n", strerror(errno));
        skip();
    }
    disk = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(cli_beneath_write(disk, adk_bytes_from_cstr("a"), adk_bytes_from_cstr("old")), 0);
    assert_int_equal(cli_beneath_write(disk, adk_bytes_from_cstr("a"), adk_bytes_make(much, sizeof(much))), ENOSPC);
    assert_int_equal(count_entries(disk, "."), 1);
    (void)close(disk);
    assert_int_equal(umount2(path, MNT_DETACH), 0);
    scene_end(&scene);
}

static void test_read_only_directory(void **state)
{
    struct scene scene;
    bool root = geteuid() == 0;

    (void)state;
    scene_begin(&scene);
    assert_int_equal(write_text(&scene, "a", "old"), 0);
    assert_int_equal(fchmodat(scene.top, "in", 0555, 0), 0);
    assert_int_equal(chmod(scene.path, 0755), 0);
    if (root && seteuid(65534) != 0)
        skip();
    assert_int_equal(write_text(&scene, "a", "new"), EACCES);
    assert_int_equal(write_text(&scene, "b/c", "new"), EACCES);
    assert_int_equal(cli_beneath_mkdir(scene.in, adk_bytes_from_cstr("b")), EACCES);
    if (root)
        assert_int_equal(seteuid(0), 0);
    expect_text(&scene, "a", "old");
    assert_int_equal(fchmodat(scene.top, "in", 0755, 0), 0);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written),       cmocka_unit_test(test_no_path),
        cmocka_unit_test(test_planted_links), cmocka_unit_test(test_in_the_way),
        cmocka_unit_test(test_long),          cmocka_unit_test(test_file_size_limit),
        cmocka_unit_test(test_full_disk),     cmocka_unit_test(test_read_only_directory),
    };

    return cmocka_run_group_tests_name("cli_beneath", tests, NULL, NULL);
}
