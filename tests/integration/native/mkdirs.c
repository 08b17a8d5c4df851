/* mkdir, rmdir, remove, and where they refuse; names of every length and kind. */
#include "native.h"

static const char *repeat(const char *text, size_t times)
{
    static char result[8192];

    result[0] = 0;
    for (size_t i = 0; i < times; i++)
        strcat(result, text);
    return result;
}

static void refusals(void)
{
    put("file", "");
    SAY(mkdir("directory", 0777));
    SAY(mkdir("directory", 0777));
    SAY(mkdir("directory/", 0777));
    SAY(mkdir("directory/.", 0777));
    SAY(mkdir("directory/new/.", 0777));
    SAY(mkdir("directory/..", 0777));
    SAY(mkdir("slashes///", 0777));
    SAY(mkdir("file", 0777));
    SAY(mkdir("file/", 0777));
    SAY(mkdir("file/inner", 0777));
    SAY(mkdir("missing/inner", 0777));
    SAY(mkdir(".", 0777));
    SAY(symlink("nowhere", "dangling"));
    SAY(mkdir("dangling", 0777));
    SAY(mkdir("dangling/inner", 0777));

    put("directory/inner", "");
    SAY(rmdir("directory"));
    SAY(rmdir("directory/inner"));
    SAY(rmdir("directory/inner/"));
    SAY(rmdir("directory/inner/deeper"));
    SAY(rmdir("missing"));
    SAY(rmdir("missing/inner"));
    SAY(rmdir("dangling"));
    SAY(rmdir("dangling/"));
    SAY(rmdir("."));
    SAY(rmdir("directory/."));
    SAY(mkdir("directory/sub", 0777));
    SAY(rmdir("directory/sub/.."));
    SAY(unlink("directory/inner"));
    SAY(rmdir("directory/sub/"));
    SAY(rmdir("directory///"));
    SAY(rmdir("directory"));
    SAY(remove("slashes"));
    SAY(remove("slashes"));
    SAY(remove("dangling"));
}

static void lengths(void)
{
    SAY(mkdir(repeat("n", 255), 0777));
    SAY(access(repeat("n", 255), F_OK));
    SAY(rmdir(repeat("n", 255)));
    SAY(mkdir(repeat("n", 256), 0777));
    SAY(access(repeat("n", 256), F_OK));
    SAY(open(repeat("n", 256), O_WRONLY | O_CREAT, 0666));
    SAY(rename("file", repeat("n", 256)));
    SAY(symlink("x", repeat("n", 256)));
    SAY(link("file", repeat("n", 256)));
    SAY(rename(repeat("n", 256), "file"));
    SAY(unlink(repeat("n", 256)));
    SAY(rmdir(repeat("n", 256)));
    SAY(access(repeat("missing/", 100), F_OK));
    SAY(mkdir(repeat("\xc3\xa4", 127), 0777));
    SAY(mkdir(repeat("\xc3\xa4", 128), 0777));
    SAY(mkdir("d", 0777));
    SAY(access(repeat("d/../", 700), F_OK));
    SAY(access(repeat("./", 2000), F_OK));
    SAY(access(repeat("./", 2100), F_OK));
    SAY(symlink(repeat("x", 4095), "long-target"));
    SAY(lstat("long-target", &(struct stat){0}));
    SAY(unlink("long-target"));
}

static void odd_names(void)
{
    static const char *const names[] = {
        "a b",         "tab\there",    "new\nline",        "-rf", "*",    "...", "..a",  ".hidden", "quote\"'",
        "back\\slash", "\xe2\x82\xac", "\xf0\x9f\x90\x8d", "a:b", "%s%n", " ",   "\x01", "\x7f",    "UPPER",
        "upper"};

    SAY(mkdir("odd", 0777));
    SAY(chdir("odd"));
    for (size_t i = 0; i < COUNT(names); i++) {
        put(names[i], names[i]);
        show(names[i]);
    }
    SAY(unlink("*"));
    SAY(chdir(".."));
}

int main(void)
{
    refusals();
    lengths();
    odd_names();
    return 0;
}
