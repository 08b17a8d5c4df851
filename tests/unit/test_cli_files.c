/* --file and --out: what is refused before a run, and where what came back is written, results no guest makes included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/run_files.h"
#include "cli/run_outputs.h"

/* Each test has a directory of its own to work in. */
static char top[64];

static int begin(void **state)
{
    (void)state;
    (void)snprintf(top, sizeof(top), "/tmp/test_cli_files.XXXXXX");
    return mkdtemp(top) == NULL || chdir(top) != 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

static int end(void **state)
{
    (void)state;
    return chdir("/") != 0 || nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0;
}

static void put_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_text(const char *path, const char *expected)
{
    ADK_AUTO_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    char text[256] = "";

    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    assert_true(read(fd, text, sizeof(text) - 1) >= 0);
    assert_string_equal(text, expected);
}

static void expect_directory(const char *path)
{
    struct stat info;

    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISDIR(info.st_mode));
}

static void expect_nothing(const char *path)
{
    struct stat info;

    assert_int_equal(lstat(path, &info), -1);
    assert_int_equal(errno, ENOENT);
}

/* ---- the command line --------------------------------------------------------------------------------------------- */

static void expect_pair(const char *text, const char *guest, const char *host, bool tree)
{
    struct cli_pair pair = cli_pair_of(text);

    assert_null(cli_run_check_file(text));
    assert_null(cli_run_check_out(text));
    assert_int_equal(pair.guest.size, strlen(guest));
    assert_memory_equal(pair.guest.data, guest, pair.guest.size);
    assert_string_equal(pair.host, host);
    assert_int_equal(cli_pair_is_tree(&pair), tree);
}

static void test_pairs(void **state)
{
    static const char *const wrong[] = {"", "a", "/a/b", "=", "=b", "a=", "==", "a=-"};

    (void)state;
    expect_pair("a=b", "a", "b", false);
    expect_pair("/a/b=c/d", "a/b", "c/d", false);
    expect_pair("//a/=b/", "a", "b/", false);
    expect_pair("a=b=c", "a", "b=c", false);
    expect_pair("a==", "a", "=", false);
    expect_pair("a=./-", "a", "./-", false);
    expect_pair("a=--", "a", "--", false);
    expect_pair("/=dir", "", "dir", true);
    expect_pair("///=dir", "", "dir", true);
    expect_pair("/a/*.c=dir", "a/*.c", "dir", true);
    expect_pair("/a?=dir", "a?", "dir", true);
    expect_pair("**=dir", "**", "dir", true);
    for (size_t i = 0; i < ADK_COUNT(wrong); i++) {
        assert_non_null(cli_run_check_file(wrong[i]));
        assert_non_null(cli_run_check_out(wrong[i]));
    }
}

static void expect_out(const char *text, const char *message)
{
    struct cli_pair pair = cli_pair_of(text);
    adk_error *error = NULL;
    int failed = cli_out_check(&pair, &error);

    if (message == NULL) {
        assert_int_equal(failed, ADK_OK);
        return;
    }
    assert_int_equal(failed, ADK_E_INVALID);
    assert_string_equal(adk_error_message_cstr(error), message);
    adk_error_free(error);
}

static void test_places_before_the_run(void **state)
{
    (void)state;
    assert_int_equal(mkdir("dir", 0755), 0);
    assert_int_equal(mkfifo("fifo", 0644), 0);
    put_text("file", "");
    assert_int_equal(symlink("dir", "link"), 0);
    expect_out("/x=new", NULL);
    expect_out("/x=new/", NULL);
    expect_out("/x=dir/new", NULL);
    expect_out("/x=link/new", NULL);
    expect_out("/x=link/.", NULL);
    expect_out("/x=dir", NULL);
    expect_out("/x=file", NULL);
    expect_out("/x=.", NULL);
    expect_out("/x=..", NULL);
    expect_out("/=dir", NULL);
    expect_out("/*=new", NULL);
    expect_out("/x=new/new", "run: --out: \"new/new\": the directory for it does not exist");
    expect_out("/x=file/new", "run: --out: \"file/new\": Not a directory");
    expect_out("/x=fifo", "run: --out: \"fifo\": it is neither a file nor a directory");
    expect_out("/x=link", "run: --out: \"link\": it is a symbolic link");
    expect_out("/x=link/", "run: --out: \"link/\": it is a symbolic link");
    expect_out("/x=file/", "run: --out: \"file/\": Not a directory");
    expect_out("/=file", "run: --out: \"file\": Not a directory");
    expect_out("/*=file", "run: --out: \"file\": Not a directory");
    expect_out("/x=\x1b/a", "run: --out: \"\\x1B/a\": the directory for it does not exist");
}

static void test_read_only_places(void **state)
{
    bool root = geteuid() == 0;

    (void)state;
    assert_int_equal(mkdir("dir", 0755), 0);
    put_text("dir/file", "");
    assert_int_equal(chmod("dir", 0555), 0);
    assert_int_equal(chmod(".", 0755), 0);
    if (root && seteuid(65534) != 0)
        skip();
    expect_out("/x=dir", "run: --out: \"dir\": Permission denied");
    expect_out("/x=dir/new", "run: --out: \"dir/new\": Permission denied");
    expect_out("/x=dir/file", "run: --out: \"dir/file\": Permission denied");
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod("dir", 0755), 0);
}

/* ---- what came back ----------------------------------------------------------------------------------------------- */

static adk_file_out file_of(uint32_t output, adk_file_type type, const char *path, const char *content)
{
    adk_bytes bytes = adk_bytes_from_cstr(content);

    return (adk_file_out){adk_bytes_from_cstr(path), bytes, bytes.size, type, 0, output, 0};
}

#define REGULAR(output, path, content) file_of(output, ADK_FILE_REGULAR, path, content)
#define DIRECTORY(output, path)        file_of(output, ADK_FILE_DIRECTORY, path, "")
#define SYMLINK(output, path, target)  file_of(output, ADK_FILE_SYMLINK, path, target)
#define OUTS(...)                      ((const char *[]){__VA_ARGS__, NULL})

/* Saves; `message` is the error's, `notes` are all there may be. */
static void save(const char **outs, const adk_file_out *items, size_t count, const char *message, const char **expected)
{
    struct cli_list list = {outs, 0};
    struct cli_files files = {items, count, true};
    struct cli_notes notes = {0};
    adk_error *error = NULL;
    size_t i = 0;

    while (outs[list.count] != NULL)
        list.count++;
    assert_int_equal(cli_files_save(&list, &files, &notes, &error), message == NULL ? ADK_OK : ADK_E_SYSTEM);
    if (message != NULL)
        assert_string_equal(adk_error_message_cstr(error), message);
    for (; expected != NULL && expected[i] != NULL; i++) {
        assert_true(i < notes.count);
        assert_string_equal(notes.items[i], expected[i]);
    }
    assert_int_equal(notes.count, i);
    cli_notes_free(&notes);
    adk_error_free(error);
}

static void test_one_file(void **state)
{
    const adk_file_out files[] = {
        REGULAR(0, "/a/x", "zero"), REGULAR(1, "/a/x", "one"), REGULAR(2, "/a/x", "two"),
        REGULAR(3, "/y", "three"),  REGULAR(4, "/y", "four"),
    };

    (void)state;
    assert_int_equal(mkdir("dir", 0755), 0);
    put_text("old", "a longer text than the new");
    save(OUTS("/a/x=new", "a/x/=dir", "/a/x=fresh/", "/y=old", "/y=."), files, ADK_COUNT(files), NULL, NULL);
    expect_text("new", "zero");
    expect_text("dir/x", "one");
    expect_text("fresh/x", "two");
    expect_text("old", "three");
    expect_text("y", "four");
}

static void test_trees(void **state)
{
    const adk_file_out files[] = {
        DIRECTORY(0, "/out"),
        DIRECTORY(0, "/out/empty"),
        REGULAR(0, "/out/a", "a"),
        REGULAR(0, "/out/sub/b", "b"),
        SYMLINK(0, "/out/l", "../../x"),
        REGULAR(1, "/out/a", "pattern"),
        SYMLINK(1, "/out/l", "/etc"),
        DIRECTORY(2, "/out"),
        REGULAR(2, "/out/a", "root"),
        DIRECTORY(3, "/out"),
        REGULAR(3, "/out/a", "merged"),
    };

    (void)state;
    assert_int_equal(mkdir("there", 0755), 0);
    put_text("there/mine", "stays");
    save(OUTS("/out=tree", "/out/*=pattern/", "/=root", "/out/=there"), files, ADK_COUNT(files), NULL,
         OUTS("2 symbolic links did not come back"));
    expect_directory("tree/empty");
    expect_text("tree/a", "a");
    expect_text("tree/sub/b", "b");
    expect_nothing("tree/l");
    expect_text("pattern/out/a", "pattern");
    expect_nothing("pattern/out/l");
    expect_text("root/out/a", "root");
    expect_text("there/a", "merged");
    expect_text("there/mine", "stays");
}

static void test_nothing_came_back(void **state)
{
    struct cli_list list = {OUTS("/x=x"), 1};
    struct cli_files files = {NULL, 0, false};
    struct cli_notes notes = {0};

    (void)state;
    save(OUTS("/x=x", "/x\x1b[m=y", "/x*=pattern", "/=root"), NULL, 0, NULL,
         OUTS("the guest made no \"/x\"", "the guest made no \"/x\\x1B[m\"",
              "the guest made nothing that matches \"/x*\""));
    expect_nothing("x");
    expect_nothing("y");
    expect_directory("pattern");
    expect_directory("root");
    assert_int_equal(cli_files_save(&list, &files, &notes, NULL), ADK_OK);
    assert_int_equal(notes.count, 2);
    assert_string_equal(notes.items[1], "not everything came back: there was too much, or time was up");
    cli_notes_free(&notes);
}

static void test_truncated(void **state)
{
    adk_file_out files[20];
    struct cli_list list = {OUTS("/=root"), 1};
    struct cli_files came = {files, ADK_COUNT(files), true};
    struct cli_notes notes = {0};

    (void)state;
    for (size_t i = 0; i < ADK_COUNT(files); i++) {
        files[i] = REGULAR(0, "/a\n", "half");
        files[i].size_bytes = 1000;
        files[i].truncated = 1;
    }
    assert_int_equal(cli_files_save(&list, &came, &notes, NULL), ADK_OK);
    expect_text("root/a\n", "half");
    assert_int_equal(notes.count, ADK_COUNT(files));
    assert_string_equal(notes.items[0], "only 4 of the 1000 bytes of \"/a\\x0A\" came back");
    assert_string_equal(notes.items[CLI_NOTES_MAX - 1], notes.items[0]);
    cli_notes_free(&notes);
}

/* No guest can have such paths; were one to, nothing is written outside. */
static void test_impossible_paths(void **state)
{
    const adk_file_out tree[] = {
        DIRECTORY(0, "/out"),       REGULAR(0, "/out/../x", "x"), REGULAR(0, "/out//x", "x"),
        REGULAR(0, "/ou", "x"),     REGULAR(0, "out/x", "x"),     REGULAR(0, "", "x"),
        REGULAR(0, "/out/..", "x"), DIRECTORY(0, "/out/.."),      REGULAR(0, "/out/a/./x", ""),
        REGULAR(0, "/out/./x", ""), REGULAR(0, "/outx", "x"),     REGULAR(0, "/out/y", "y"),
    };
    const adk_file_out root[] = {REGULAR(0, "/../x", "x"), REGULAR(0, "//x", "x"), REGULAR(0, "x", "")};

    (void)state;
    save(OUTS("/out=in"), tree, ADK_COUNT(tree), "cannot write \"in/../x\": Invalid argument; nor 9 more", NULL);
    expect_text("in/y", "y");
    expect_nothing("x");
    save(OUTS("/=in"), root, ADK_COUNT(root), "cannot write \"in/../x\": Invalid argument; nor 2 more", NULL);
    expect_nothing("x");
}

static void test_planted(void **state)
{
    const adk_file_out one[] = {REGULAR(0, "/x", "x"), REGULAR(1, "/x", "x"), REGULAR(2, "/x", "x")};
    const adk_file_out tree[] = {DIRECTORY(0, "/o"), REGULAR(0, "/o/s/x", "x"), REGULAR(0, "/o/l", "x"),
                                 REGULAR(0, "/o/fine", "x")};

    (void)state;
    assert_int_equal(mkdir("out", 0755), 0);
    assert_int_equal(mkdir("in", 0755), 0);
    assert_int_equal(mkfifo("fifo", 0644), 0);
    put_text("victim", "old");
    assert_int_equal(symlink("victim", "link"), 0);
    assert_int_equal(symlink("out", "dirlink"), 0);
    assert_int_equal(symlink("../out", "in/s"), 0);
    assert_int_equal(symlink("../victim", "in/l"), 0);
    save(OUTS("/x=link", "/x=dirlink", "/x=fifo"), one, ADK_COUNT(one),
         "cannot write \"link\": a symbolic link is in the way; nor 2 more", NULL);
    save(OUTS("/o=dirlink"), tree, ADK_COUNT(tree), "cannot write \"dirlink\": a symbolic link is in the way", NULL);
    save(OUTS("/o=in"), tree, ADK_COUNT(tree), "cannot write \"in/s/x\": a symbolic link is in the way; nor 1 more",
         NULL);
    expect_text("victim", "old");
    expect_text("in/fine", "x");
    expect_nothing("out/x");
    expect_nothing("out/fine");
    assert_int_equal(rmdir("out"), 0);
}

/* One that fails does not keep the others back. */
static void test_others_are_written(void **state)
{
    const adk_file_out files[] = {REGULAR(0, "/x", "0"), REGULAR(1, "/x", "1"), DIRECTORY(2, "/d"),
                                  REGULAR(3, "/x", "3")};

    (void)state;
    put_text("file", "old");
    save(OUTS("/x=gone/x", "/x=a", "/d=file", "/x=b"), files, ADK_COUNT(files),
         "cannot write \"gone/x\": No such file or directory; nor 1 more", NULL);
    expect_text("a", "1");
    expect_text("file", "old");
    expect_text("b", "3");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        TEST(test_places_before_the_run),
        TEST(test_read_only_places),
        TEST(test_one_file),
        TEST(test_trees),
        TEST(test_nothing_came_back),
        TEST(test_truncated),
        TEST(test_impossible_paths),
        TEST(test_planted),
        TEST(test_others_are_written),
    };

    return cmocka_run_group_tests_name("cli_files", tests, NULL, NULL);
}
