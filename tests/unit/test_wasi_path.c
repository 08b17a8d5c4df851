/*
 * src/wasi: everything that goes by path, and directories. Much of it follows what the public wasi-testsuite looks at.
 */
#include "test_wasi.h"

#define FOLLOW ADK__WASI_LOOKUP_SYMLINK_FOLLOW
#define CREAT  ADK__WASI_OFLAG_CREAT
#define EXCL   ADK__WASI_OFLAG_EXCL
#define TRUNC  ADK__WASI_OFLAG_TRUNC
#define DIR    ADK__WASI_OFLAG_DIRECTORY

/* The calls on paths, as a C library would have them; `dir` is a descriptor. */

static uint16_t make_dir(guest *g, uint32_t dir, const char *path)
{
    return CALL(g, path_create_directory, dir, AT_PATH, path_at(g, AT_PATH, path));
}

static uint16_t remove_dir(guest *g, uint32_t dir, const char *path)
{
    return CALL(g, path_remove_directory, dir, AT_PATH, path_at(g, AT_PATH, path));
}

static uint16_t unlink_file(guest *g, uint32_t dir, const char *path)
{
    return CALL(g, path_unlink_file, dir, AT_PATH, path_at(g, AT_PATH, path));
}

static uint16_t move(guest *g, uint32_t dir, const char *from, uint32_t to_dir, const char *to)
{
    uint32_t from_size = path_at(g, AT_PATH, from);

    return CALL(g, path_rename, dir, AT_PATH, from_size, to_dir, AT_PATH2, path_at(g, AT_PATH2, to));
}

static uint16_t hard_link(guest *g, uint32_t dir, uint32_t lookup, const char *from, uint32_t to_dir, const char *to)
{
    uint32_t from_size = path_at(g, AT_PATH, from);

    return CALL(g, path_link, dir, lookup, AT_PATH, from_size, to_dir, AT_PATH2, path_at(g, AT_PATH2, to));
}

static uint16_t soft_link(guest *g, const char *target, uint32_t dir, const char *path)
{
    uint32_t target_size = path_at(g, AT_PATH2, target);

    return CALL(g, path_symlink, AT_PATH2, target_size, dir, AT_PATH, path_at(g, AT_PATH, path));
}

static uint16_t stat_path(guest *g, uint32_t dir, uint32_t lookup, const char *path)
{
    return CALL(g, path_filestat_get, dir, lookup, AT_PATH, path_at(g, AT_PATH, path), AT_DATA);
}

static uint16_t open_path(guest *g, uint32_t dir, uint32_t lookup, const char *path, uint32_t oflags)
{
    uint32_t fd = 0;
    uint16_t failed = open_with(g, dir, lookup, path, oflags, 0, 0, 0, &fd);

    if (!failed)
        OK(CALL(g, fd_close, fd));
    return failed;
}

static void make_file(guest *g, uint32_t dir, const char *path)
{
    OK(open_path(g, dir, 0, path, CREAT));
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static void test_open_flags(void **state)
{
    guest *g = *state;

    FAILS(ADK__WASI_ENOENT, open_path(g, 3, 0, "f", 0));
    FAILS(ADK__WASI_ENOENT, open_path(g, 3, 0, "f", TRUNC));
    make_file(g, 3, "f");
    OK(open_path(g, 3, 0, "f", CREAT));
    FAILS(ADK__WASI_EEXIST, open_path(g, 3, 0, "f", CREAT | EXCL));
    OK(open_path(g, 3, 0, "f", EXCL));
    FAILS(ADK__WASI_ENOTDIR, open_path(g, 3, 0, "f", DIR));
    FAILS(ADK__WASI_EINVAL, open_path(g, 3, 0, "f", 16));
    FAILS(ADK__WASI_EINVAL, open_path(g, 3, 2, "f", 0));
    FAILS(ADK__WASI_EINVAL, open_path(g, 3, 0, "d", CREAT | DIR));
    OK(make_dir(g, 3, "d"));
    OK(open_path(g, 3, 0, "d", 0));
    OK(open_path(g, 3, 0, "d", DIR));
    FAILS(ADK__WASI_EISDIR, open_path(g, 3, 0, "d", CREAT));
    FAILS(ADK__WASI_EISDIR, open_path(g, 3, 0, "d", TRUNC));
    FAILS(ADK__WASI_EISDIR, open_path(g, 3, 0, "new/", CREAT));
    FAILS(ADK__WASI_ENOTDIR, open_path(g, 3, 0, "f/x", CREAT));
    FAILS(ADK__WASI_EBADF, open_path(g, 9, 0, "f", 0));
    FAILS(ADK__WASI_ENOTDIR, open_path(g, open_file(g, "f"), 0, "f", 0));
}

static void test_open_directory_for_writing(void **state)
{
    guest *g = *state;
    uint64_t rw = ADK__WASI_RIGHT_FD_READ | ADK__WASI_RIGHT_FD_WRITE;
    uint32_t fd = 0;

    FAILS(ADK__WASI_EISDIR, open_with(g, 3, 0, ".", DIR, rw, 0, 0, &fd));
    FAILS(ADK__WASI_EISDIR, open_with(g, 3, 0, ".", 0, ADK__WASI_RIGHT_FD_WRITE, 0, 0, &fd));
    OK(open_with(g, 3, 0, ".", DIR, ADK__WASI_RIGHT_FD_READ, 0, 0, &fd));
    OK(CALL(g, fd_fdstat_get, fd, AT_RESULT));
    assert_int_equal(g->memory[AT_RESULT], ADK__WASI_FILETYPE_DIRECTORY);
    assert_true(get64(g, AT_RESULT + 8) == 0);
}

static void test_open_truncates(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "f");

    OK(write_text(g, fd, "content", NULL));
    OK(open_path(g, 3, 0, "f", TRUNC));
    OK(CALL(g, fd_filestat_get, fd, AT_DATA));
    assert_true(get64(g, AT_DATA + 32) == 0);
}

static void test_open_keeps_flags(void **state)
{
    guest *g = *state;
    uint32_t fd = 0;

    OK(open_with(g, 3, 0, "f", CREAT, 0, 0, ADK__WASI_FDFLAGS_ALL, &fd));
    OK(CALL(g, fd_fdstat_get, fd, AT_RESULT));
    assert_int_equal(g->memory[AT_RESULT], ADK__WASI_FILETYPE_REGULAR_FILE);
    assert_int_equal(get16(g, AT_RESULT + 2), ADK__WASI_FDFLAGS_ALL);
    FAILS(ADK__WASI_EINVAL, open_with(g, 3, 0, "f", CREAT, 0, 0, 32, &fd));
}

static void test_interesting_paths(void **state)
{
    guest *g = *state;
    uint32_t dir;

    OK(make_dir(g, 3, "top"));
    dir = open_dir(g, "top");
    OK(make_dir(g, dir, "dir"));
    OK(make_dir(g, dir, "dir/nested"));
    make_file(g, dir, "dir/nested/file");
    FAILS(ADK__WASI_EPERM, open_path(g, dir, 0, "/dir/nested/file", 0));
    OK(open_path(g, dir, 0, "dir/.//nested/../../dir/nested/../nested///./file", 0));
    memcpy(g->memory + AT_PATH, "dir/nested/file", 16); /* with the NUL */
    FAILS(ADK__WASI_EINVAL, CALL(g, path_open, dir, 0, AT_PATH, 16, 0, 0, 0, 0, AT_RESULT));
    FAILS(ADK__WASI_ENOTDIR, open_path(g, dir, 0, "dir/nested/file/", 0));
    FAILS(ADK__WASI_ENOTDIR, open_path(g, dir, 0, "dir/nested/file///", 0));
    OK(open_path(g, dir, 0, "dir/nested/", 0));
    OK(open_path(g, dir, 0, "dir/nested///", 0));
    FAILS(ADK__WASI_EPERM, open_path(g, dir, 0, "dir/nested/../../../top/dir", 0));
    FAILS(ADK__WASI_ENOENT, open_path(g, dir, 0, "", 0));
    OK(open_path(g, dir, 0, ".", 0));
    FAILS(ADK__WASI_EPERM, open_path(g, dir, 0, "..", 0));
}

static void test_path_text(void **state)
{
    guest *g = *state;
    char name[260];

    memset(name, 'n', sizeof name);
    name[255] = '\0';
    make_file(g, 3, name);
    name[255] = 'n';
    name[256] = '\0';
    FAILS(ADK__WASI_ENAMETOOLONG, open_path(g, 3, 0, name, CREAT));
    memset(g->memory + AT_DATA, '/', 5000);
    FAILS(ADK__WASI_ENAMETOOLONG, CALL(g, path_create_directory, 3, AT_DATA, 4097));
    FAILS(ADK__WASI_EPERM, CALL(g, path_create_directory, 3, AT_DATA, 4096));
    FAILS(ADK__WASI_EILSEQ, make_dir(g, 3, "bad\xFF"));
    FAILS(ADK__WASI_EILSEQ, make_dir(g, 3, "\xC0\x80"));
    FAILS(ADK__WASI_EILSEQ, make_dir(g, 3, "\xED\xA0\x80"));
    FAILS(ADK__WASI_EILSEQ, make_dir(g, 3, "cut\xE2\x82"));
    OK(make_dir(g, 3, "\xE2\x82\xAC \xF0\x9F\x98\x80"));
    FAILS(ADK__WASI_EILSEQ, soft_link(g, "\x80", 3, "l"));
}

static void test_links_not_followed(void **state)
{
    guest *g = *state;

    OK(make_dir(g, 3, "target"));
    OK(soft_link(g, "target", 3, "link"));
    FAILS(ADK__WASI_ELOOP, open_path(g, 3, 0, "link", 0));
    assert_int_not_equal(open_path(g, 3, 0, "link", DIR), 0);
    OK(open_path(g, 3, FOLLOW, "link", DIR));
    OK(unlink_file(g, 3, "link"));
    OK(remove_dir(g, 3, "target"));
    make_file(g, 3, "target");
    OK(soft_link(g, "target", 3, "link"));
    FAILS(ADK__WASI_ELOOP, open_path(g, 3, 0, "link", 0));
    FAILS(ADK__WASI_ENOTDIR, open_path(g, 3, FOLLOW, "link", DIR));
    OK(unlink_file(g, 3, "target"));
    FAILS(ADK__WASI_ELOOP, open_path(g, 3, 0, "link", 0)); /* dangling */
    FAILS(ADK__WASI_ENOENT, open_path(g, 3, FOLLOW, "link", 0));
    FAILS(ADK__WASI_EEXIST, open_path(g, 3, FOLLOW, "link", CREAT | EXCL));
    OK(open_path(g, 3, FOLLOW, "link", CREAT));
    OK(open_path(g, 3, 0, "target", 0));
}

static void test_link_loops(void **state)
{
    guest *g = *state;

    OK(soft_link(g, "b", 3, "a"));
    OK(soft_link(g, "a", 3, "b"));
    FAILS(ADK__WASI_ELOOP, open_path(g, 3, FOLLOW, "a", 0));
    FAILS(ADK__WASI_ELOOP, open_path(g, 3, 0, "a/x", 0));
    FAILS(ADK__WASI_ELOOP, stat_path(g, 3, FOLLOW, "a"));
    OK(stat_path(g, 3, 0, "a"));
    assert_int_equal(g->memory[AT_DATA + 16], ADK__WASI_FILETYPE_SYMBOLIC_LINK);
}

static void test_links_out_of_the_directory(void **state)
{
    guest *g = *state;
    uint32_t dir;

    FAILS(ADK__WASI_EPERM, soft_link(g, "/etc/passwd", 3, "l"));
    OK(make_dir(g, 3, "d"));
    make_file(g, 3, "secret");
    OK(soft_link(g, "../secret", 3, "d/l"));
    OK(open_path(g, 3, FOLLOW, "d/l", 0));
    dir = open_dir(g, "d");
    FAILS(ADK__WASI_EPERM, open_path(g, dir, FOLLOW, "l", 0));
    FAILS(ADK__WASI_EPERM, open_path(g, dir, 0, "../secret", 0));
}

static void test_readlink(void **state)
{
    guest *g = *state;
    uint32_t size;

    OK(soft_link(g, "some/target", 3, "l"));
    make_file(g, 3, "f");
    memset(g->memory + AT_DATA, 0xAA, 32);
    size = path_at(g, AT_PATH, "l");
    OK(CALL(g, path_readlink, 3, AT_PATH, size, AT_DATA, 32, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 11);
    assert_memory_equal(g->memory + AT_DATA, "some/target\xAA", 12);
    OK(CALL(g, path_readlink, 3, AT_PATH, size, AT_DATA + 16, 4, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 4);
    assert_memory_equal(g->memory + AT_DATA + 16, "some\xAA", 5);
    OK(CALL(g, path_readlink, 3, AT_PATH, size, GUEST_SIZE, 0, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 0);
    FAILS(ADK__WASI_EINVAL, CALL(g, path_readlink, 3, AT_PATH, path_at(g, AT_PATH, "f"), AT_DATA, 32, AT_RESULT));
    FAILS(ADK__WASI_ENOENT, CALL(g, path_readlink, 3, AT_PATH, path_at(g, AT_PATH, "x"), AT_DATA, 32, AT_RESULT));
}

/* ---- making, removing, renaming, linking -------------------------------------------------------------------------- */

static void test_slashes_at_the_end(void **state)
{
    guest *g = *state;

    OK(make_dir(g, 3, "dir/"));
    FAILS(ADK__WASI_EEXIST, make_dir(g, 3, "dir"));
    OK(remove_dir(g, 3, "dir/"));
    make_file(g, 3, "file");
    FAILS(ADK__WASI_ENOTDIR, remove_dir(g, 3, "file"));
    FAILS(ADK__WASI_ENOTDIR, remove_dir(g, 3, "file/"));
    FAILS(ADK__WASI_ENOTDIR, unlink_file(g, 3, "file/"));
    OK(make_dir(g, 3, "dir"));
    FAILS(ADK__WASI_EISDIR, unlink_file(g, 3, "dir"));
    FAILS(ADK__WASI_EISDIR, unlink_file(g, 3, "dir/"));
    FAILS(ADK__WASI_ENOENT, soft_link(g, "source", 3, "target/"));
    FAILS(ADK__WASI_EEXIST, soft_link(g, "source", 3, "dir/"));
    FAILS(ADK__WASI_EEXIST, soft_link(g, "source", 3, "dir"));
    FAILS(ADK__WASI_EEXIST, soft_link(g, "source", 3, "file"));
    assert_int_not_equal(soft_link(g, "source", 3, "file/"), 0);
    FAILS(ADK__WASI_ENOTDIR, move(g, 3, "file", 3, "other/"));
    FAILS(ADK__WASI_ENOTDIR, move(g, 3, "file/", 3, "other"));
    OK(move(g, 3, "dir/", 3, "other/"));
    OK(move(g, 3, "other", 3, "dir/"));
}

static void test_remove_full_directory(void **state)
{
    guest *g = *state;

    OK(make_dir(g, 3, "d"));
    OK(make_dir(g, 3, "d/e"));
    FAILS(ADK__WASI_ENOTEMPTY, remove_dir(g, 3, "d"));
    OK(remove_dir(g, 3, "d/e"));
    OK(remove_dir(g, 3, "d"));
    FAILS(ADK__WASI_ENOENT, remove_dir(g, 3, "d"));
}

static void test_rename(void **state)
{
    guest *g = *state;

    OK(make_dir(g, 3, "source"));
    OK(move(g, 3, "source", 3, "target"));
    FAILS(ADK__WASI_ENOENT, open_path(g, 3, 0, "source", DIR));
    OK(make_dir(g, 3, "source"));
    OK(move(g, 3, "source", 3, "target"));
    OK(make_dir(g, 3, "source"));
    make_file(g, 3, "target/file");
    FAILS(ADK__WASI_ENOTEMPTY, move(g, 3, "source", 3, "target"));
    FAILS(ADK__WASI_ENOTDIR, move(g, 3, "source", 3, "target/file"));
    FAILS(ADK__WASI_EINVAL, move(g, 3, "target", 3, "target/inside"));
    make_file(g, 3, "f1");
    make_file(g, 3, "f2");
    OK(move(g, 3, "f1", 3, "f2"));
    FAILS(ADK__WASI_ENOENT, open_path(g, 3, 0, "f1", 0));
    FAILS(ADK__WASI_EISDIR, move(g, 3, "f2", 3, "source"));
    OK(move(g, 3, "f2", open_dir(g, "source"), "inside"));
    OK(open_path(g, 3, 0, "source/inside", 0));
    FAILS(ADK__WASI_ENOENT, move(g, 3, "none", 3, "x"));
    FAILS(ADK__WASI_EBADF, move(g, 3, "target", 99, "x"));
}

static void test_hard_links(void **state)
{
    guest *g = *state;
    uint64_t ino;

    make_file(g, 3, "file");
    OK(stat_path(g, 3, 0, "file"));
    ino = get64(g, AT_DATA + 8);
    OK(hard_link(g, 3, 0, "file", 3, "link"));
    OK(stat_path(g, 3, 0, "link"));
    assert_true(get64(g, AT_DATA + 8) == ino);
    assert_true(get64(g, AT_DATA + 24) == 2);
    FAILS(ADK__WASI_EEXIST, hard_link(g, 3, 0, "file", 3, "link"));
    FAILS(ADK__WASI_EEXIST, hard_link(g, 3, 0, "file", 3, "file"));
    OK(make_dir(g, 3, "dir"));
    FAILS(ADK__WASI_EEXIST, hard_link(g, 3, 0, "file", 3, "dir"));
    FAILS(ADK__WASI_EPERM, hard_link(g, 3, 0, "dir", 3, "new"));
    FAILS(ADK__WASI_ENOENT, hard_link(g, 3, 0, "file", 3, "new/"));
    OK(soft_link(g, "nothing", 3, "dangling"));
    OK(hard_link(g, 3, 0, "dangling", 3, "dangling2"));
    FAILS(ADK__WASI_EEXIST, hard_link(g, 3, 0, "file", 3, "dangling"));
    FAILS(ADK__WASI_ENOENT, hard_link(g, 3, FOLLOW, "dangling", 3, "new"));
    FAILS(ADK__WASI_EINVAL, hard_link(g, 3, 2, "file", 3, "new"));
}

static void test_unlinked_file_lives_while_open(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "f");
    uint64_t charged;

    OK(write_text(g, fd, "still here", NULL));
    OK(unlink_file(g, 3, "f"));
    OK(CALL(g, fd_seek, fd, 0, 0, AT_RESULT));
    assert_int_equal(read_some(g, fd, 100), 10);
    OK(CALL(g, fd_filestat_get, fd, AT_DATA));
    assert_true(get64(g, AT_DATA + 24) == 0);
    charged = g->charged;
    OK(CALL(g, fd_close, fd));
    assert_true(g->charged < charged);
}

/* ---- stat --------------------------------------------------------------------------------------------------------- */

static void test_times(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "f");
    uint32_t size;

    OK(CALL(g, fd_filestat_set_times, fd, 111, 222, ADK__WASI_FST_ATIM | ADK__WASI_FST_MTIM));
    OK(stat_path(g, 3, 0, "f"));
    assert_true(get64(g, AT_DATA + 40) == 111);
    assert_true(get64(g, AT_DATA + 48) == 222);
    OK(CALL(g, fd_filestat_set_times, fd, 5, 5, 0));
    OK(CALL(g, fd_filestat_set_times, fd, 5, 333, ADK__WASI_FST_MTIM));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_filestat_set_times, fd, 100, 200, 4 | 8));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_filestat_set_times, fd, 100, 200, 1 | 2));
    FAILS(ADK__WASI_EINVAL, CALL(g, fd_filestat_set_times, fd, 100, 200, 16));
    OK(soft_link(g, "f", 3, "l"));
    size = path_at(g, AT_PATH, "l");
    OK(CALL(g, path_filestat_set_times, 3, 0, AT_PATH, size, 0, 777, ADK__WASI_FST_MTIM));
    OK(stat_path(g, 3, FOLLOW, "l"));
    assert_true(get64(g, AT_DATA + 40) == 111);
    assert_true(get64(g, AT_DATA + 48) == 333);
    OK(CALL(g, path_filestat_set_times, 3, FOLLOW, AT_PATH, size, 0, 888, ADK__WASI_FST_MTIM));
    OK(stat_path(g, 3, 0, "f"));
    assert_true(get64(g, AT_DATA + 48) == 888);
    OK(stat_path(g, 3, 0, "l"));
    assert_true(get64(g, AT_DATA + 48) == 777);
    FAILS(ADK__WASI_EINVAL, CALL(g, path_filestat_set_times, 3, 0, AT_PATH, size, 0, 0, 1 | 2));
    FAILS(ADK__WASI_EINVAL, CALL(g, path_filestat_set_times, 3, 4, AT_PATH, size, 0, 0, 1));
    OK(CALL(g, path_filestat_set_times, 3, 0, AT_PATH, size, 0, 0, 2 | 8));
    OK(stat_path(g, 3, 0, "l"));
    assert_true(get64(g, AT_DATA + 48) > ADK__NS_PER_S * 1000000000);
    OK(CALL(g, fd_filestat_set_times, 3, 5, 6, ADK__WASI_FST_ATIM | ADK__WASI_FST_MTIM));
    OK(CALL(g, fd_filestat_get, 3, AT_DATA));
    assert_true(get64(g, AT_DATA + 40) == 5);
}

static void test_stat_of_both_modules(void **state)
{
    guest *g = *state;
    uint32_t fd = open_file(g, "file");

    OK(write_text(g, fd, "12345", NULL));
    memset(g->memory + AT_DATA, 0xAA, 80);
    OK(stat_path(g, 3, 0, "file"));
    assert_true(get64(g, AT_DATA) == 1);
    assert_int_equal(g->memory[AT_DATA + 16], ADK__WASI_FILETYPE_REGULAR_FILE);
    assert_true(get64(g, AT_DATA + 24) == 1);
    assert_true(get64(g, AT_DATA + 32) == 5);
    assert_int_equal(g->memory[AT_DATA + 64], 0xAA);
    memset(g->memory + 0x9000, 0xAA, 80);
    OK(CALL_UNSTABLE(g, path_filestat_get, 3, 0, AT_PATH, path_at(g, AT_PATH, "file"), 0x9000));
    assert_memory_equal(g->memory + 0x9000, g->memory + AT_DATA, 17);
    assert_int_equal(get32(g, 0x9000 + 20), 1);
    assert_memory_equal(g->memory + 0x9000 + 24, g->memory + AT_DATA + 32, 32);
    assert_int_equal(g->memory[0x9000 + 56], 0xAA);
    OK(CALL_UNSTABLE(g, fd_filestat_get, fd, 0x9100));
    assert_memory_equal(g->memory + 0x9000, g->memory + 0x9100, 56);
}

/* ---- reading directories ------------------------------------------------------------------------------------------ */

typedef struct entries {
    unsigned count;
    char names[300][64];
    uint64_t next[300];
    uint8_t types[300];
} entries;

/* Reads a whole directory with a buffer of `size` bytes, as wasi-libc does: an entry that is cut is read again. */
static void read_all(guest *g, uint32_t fd, uint32_t size, entries *list)
{
    uint64_t cookie = 0;
    uint32_t used;

    list->count = 0;
    do {
        uint64_t at = AT_DATA;

        memset(g->memory + AT_DATA, 0xAA, size + 8);
        OK(CALL(g, fd_readdir, fd, AT_DATA, size, cookie, AT_RESULT));
        used = get32(g, AT_RESULT);
        assert_true(used <= size);
        assert_int_equal(g->memory[AT_DATA + size], 0xAA);
        while (at + 24 <= AT_DATA + used && at + 24 + get32(g, at + 16) <= AT_DATA + used) {
            uint32_t length = get32(g, at + 16);

            memcpy(list->names[list->count], g->memory + at + 24, length);
            list->names[list->count][length] = '\0';
            list->types[list->count] = g->memory[at + 20];
            list->next[list->count] = cookie = get64(g, at);
            list->count++;
            at += 24 + length;
        }
    } while (used == size);
}

static void test_readdir_of_an_empty_directory(void **state)
{
    guest *g = *state;
    entries *list = calloc(1, sizeof *list);
    uint32_t dir;

    assert_non_null(list);
    OK(make_dir(g, 3, "d"));
    dir = open_dir(g, "d");
    read_all(g, dir, 256, list);
    assert_int_equal(list->count, 2);
    assert_string_equal(list->names[0], ".");
    assert_string_equal(list->names[1], "..");
    assert_int_equal(list->types[0], ADK__WASI_FILETYPE_DIRECTORY);
    OK(CALL(g, fd_filestat_get, dir, 0x9000));
    assert_true(get64(g, 0x9000 + 8) == get64(g, AT_DATA + 8));
    make_file(g, dir, "file");
    read_all(g, dir, 256, list);
    assert_int_equal(list->count, 3);
    assert_string_equal(list->names[2], "file");
    assert_int_equal(list->types[2], ADK__WASI_FILETYPE_REGULAR_FILE);
    OK(CALL(g, fd_readdir, dir, AT_DATA, 256, list->next[1], AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 28);
    free(list);
}

/* Buffers of every size from one that holds the longest entry: the same entries, each once, in the same order. */
static void test_readdir_with_any_buffer(void **state)
{
    guest *g = *state;
    entries *first = calloc(1, sizeof *first);
    entries *list = calloc(1, sizeof *list);
    uint32_t dir;
    char name[64];

    assert_non_null(first);
    assert_non_null(list);
    OK(make_dir(g, 3, "d"));
    dir = open_dir(g, "d");
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof name, "%.*s%d", i % 40, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", i);
        make_file(g, dir, name);
    }
    read_all(g, dir, 16384, first);
    assert_int_equal(first->count, 202);
    for (uint32_t size = 24 + 43; size < 1000; size += 1 + size / 50) {
        read_all(g, dir, size, list);
        assert_int_equal(list->count, 202);
        for (unsigned i = 0; i < 202; i++)
            assert_string_equal(list->names[i], first->names[i]);
    }
    free(first);
    free(list);
}

static void test_readdir_cuts_where_the_buffer_ends(void **state)
{
    guest *g = *state;
    uint8_t whole[1024];
    uint32_t used;

    make_file(g, 3, "first");
    make_file(g, 3, "second");
    OK(CALL(g, fd_readdir, 3, AT_DATA, sizeof whole, 0, AT_RESULT));
    used = get32(g, AT_RESULT);
    memcpy(whole, g->memory + AT_DATA, used);
    for (uint32_t size = 0; size <= used + 1; size++) {
        memset(g->memory + AT_DATA, 0xAA, sizeof whole);
        OK(CALL(g, fd_readdir, 3, AT_DATA, size, 0, AT_RESULT));
        assert_int_equal(get32(g, AT_RESULT), size < used ? size : used);
        assert_memory_equal(g->memory + AT_DATA, whole, size < used ? size : used);
        assert_int_equal(g->memory[AT_DATA + (size < used ? size : used)], 0xAA);
    }
}

static void test_readdir_of_what_is_none(void **state)
{
    guest *g = *state;
    uint32_t dir;

    FAILS(ADK__WASI_ENOTDIR, CALL(g, fd_readdir, open_file(g, "f"), AT_DATA, 100, 0, AT_RESULT));
    FAILS(ADK__WASI_EBADF, CALL(g, fd_readdir, 99, AT_DATA, 100, 0, AT_RESULT));
    OK(make_dir(g, 3, "d"));
    dir = open_dir(g, "d");
    OK(remove_dir(g, 3, "d"));
    FAILS(ADK__WASI_ENOENT, CALL(g, fd_readdir, dir, AT_DATA, 100, 0, AT_RESULT));
    FAILS(ADK__WASI_ENOENT, open_path(g, dir, 0, "new", CREAT));
    OK(CALL(g, fd_readdir, 3, AT_DATA, 100, UINT64_MAX, AT_RESULT));
    assert_int_equal(get32(g, AT_RESULT), 0);
}

/* ---- rights ------------------------------------------------------------------------------------------------------- */

static void test_preopened_rights(void **state)
{
    guest *g = *state;
    uint32_t fd = 0;
    uint64_t rights;
    uint64_t inheriting;

    OK(CALL(g, fd_fdstat_get, 3, AT_RESULT));
    rights = get64(g, AT_RESULT + 8);
    inheriting = get64(g, AT_RESULT + 16);
    assert_true((rights & (ADK__WASI_RIGHT_FD_SEEK | ADK__WASI_RIGHT_FD_FILESTAT_SET_SIZE)) == 0);
    assert_true((inheriting & rights) == rights);
    assert_true((inheriting & ALL_FILE_RIGHTS) == ALL_FILE_RIGHTS);
    OK(open_with(g, 3, 0, ".", DIR, rights, inheriting, 0, &fd));
    OK(CALL(g, fd_fdstat_get, fd, AT_RESULT));
    assert_true(get64(g, AT_RESULT + 8) == rights);
    assert_true(get64(g, AT_RESULT + 16) == inheriting);
    OK(open_with(g, 3, 0, "f", CREAT, UINT64_MAX, UINT64_MAX, 0, &fd)); /* "all there are" */
    OK(CALL(g, fd_fdstat_get, fd, AT_RESULT));
    assert_true(get64(g, AT_RESULT + 8) == ALL_FILE_RIGHTS);
}

static void test_rights_are_inherited(void **state)
{
    guest *g = *state;
    uint64_t few = ADK__WASI_RIGHT_FD_READ | ADK__WASI_RIGHT_PATH_OPEN;
    uint32_t dir = 0;
    uint32_t fd = 0;

    make_file(g, 3, "f");
    OK(make_dir(g, 3, "d"));
    OK(open_with(g, 3, 0, ".", DIR, ALL_DIR_RIGHTS, few, 0, &dir));
    OK(open_with(g, dir, 0, "f", 0, ADK__WASI_RIGHT_FD_READ, 0, 0, &fd));
    FAILS(ADK__WASI_ENOTCAPABLE, open_with(g, dir, 0, "f", 0, ADK__WASI_RIGHT_FD_WRITE, 0, 0, &fd));
    FAILS(ADK__WASI_ENOTCAPABLE, open_with(g, dir, 0, "d", 0, 0, ADK__WASI_RIGHT_FD_WRITE, 0, &fd));
    OK(open_with(g, dir, 0, "d", 0, few, few, 0, &fd));
    OK(CALL(g, fd_fdstat_get, fd, AT_RESULT));
    assert_true(get64(g, AT_RESULT + 8) == ADK__WASI_RIGHT_PATH_OPEN);
    assert_true(get64(g, AT_RESULT + 16) == few);
}

/* Each call on a directory without the right it needs, all others present. */
static void test_each_right_of_a_directory(void **state)
{
    guest *g = *state;
    uint32_t dir = 0;
    uint32_t size;

#define WITHOUT(right, call)                                                                              \
    do {                                                                                                  \
        OK(open_with(g, 3, 0, ".", DIR, ALL_DIR_RIGHTS & ~ADK__WASI_RIGHT_##right, ALL_RIGHTS, 0, &dir)); \
        FAILS(ADK__WASI_ENOTCAPABLE, call);                                                               \
        OK(CALL(g, fd_close, dir));                                                                       \
    } while (0)

    make_file(g, 3, "f");
    size = path_at(g, AT_PATH, "f");
    WITHOUT(PATH_CREATE_DIRECTORY, make_dir(g, dir, "x"));
    WITHOUT(PATH_CREATE_FILE, open_path(g, dir, 0, "f", CREAT));
    WITHOUT(PATH_LINK_SOURCE, hard_link(g, dir, 0, "f", 3, "x"));
    WITHOUT(PATH_LINK_TARGET, hard_link(g, 3, 0, "f", dir, "x"));
    WITHOUT(PATH_OPEN, open_path(g, dir, 0, "f", 0));
    WITHOUT(FD_READDIR, CALL(g, fd_readdir, dir, AT_DATA, 100, 0, AT_RESULT));
    WITHOUT(PATH_READLINK, CALL(g, path_readlink, dir, AT_PATH, size, AT_DATA, 100, AT_RESULT));
    WITHOUT(PATH_RENAME_SOURCE, move(g, dir, "f", 3, "x"));
    WITHOUT(PATH_RENAME_TARGET, move(g, 3, "f", dir, "x"));
    WITHOUT(PATH_FILESTAT_GET, stat_path(g, dir, 0, "f"));
    WITHOUT(PATH_FILESTAT_SET_SIZE, open_path(g, dir, 0, "f", TRUNC));
    WITHOUT(PATH_FILESTAT_SET_TIMES, CALL(g, path_filestat_set_times, dir, 0, AT_PATH, size, 0, 0, 1));
    WITHOUT(FD_FILESTAT_GET, CALL(g, fd_filestat_get, dir, AT_DATA));
    WITHOUT(FD_FILESTAT_SET_TIMES, CALL(g, fd_filestat_set_times, dir, 0, 0, 0));
    WITHOUT(PATH_SYMLINK, soft_link(g, "f", dir, "x"));
    WITHOUT(PATH_REMOVE_DIRECTORY, remove_dir(g, dir, "f"));
    WITHOUT(PATH_UNLINK_FILE, unlink_file(g, dir, "f"));
#undef WITHOUT
    OK(open_path(g, 3, 0, "f", 0));
    FAILS(ADK__WASI_ENOENT, stat_path(g, 3, 0, "x"));
}

/* A guest that makes names without end is stopped by the budget, and can go on after it has removed some. */
static void test_budget_of_names(void **state)
{
    guest *g = *state;
    char name[32];
    unsigned made = 0;
    uint16_t failed;

    g->budget = (uint64_t)1 << 20;
    do {
        (void)snprintf(name, sizeof name, "name%u", made);
        failed = make_dir(g, 3, name);
        made += failed == 0;
    } while (!failed && made < 100000);
    assert_int_equal(failed, ADK__WASI_ENOSPC);
    assert_true(made > 100);
    OK(remove_dir(g, 3, "name0"));
    OK(remove_dir(g, 3, "name1"));
    OK(make_dir(g, 3, "name0"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, guest_setup, guest_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_open_flags),
        TEST(test_open_directory_for_writing),
        TEST(test_open_truncates),
        TEST(test_open_keeps_flags),
        TEST(test_interesting_paths),
        TEST(test_path_text),
        TEST(test_links_not_followed),
        TEST(test_link_loops),
        TEST(test_links_out_of_the_directory),
        TEST(test_readlink),
        TEST(test_slashes_at_the_end),
        TEST(test_remove_full_directory),
        TEST(test_rename),
        TEST(test_hard_links),
        TEST(test_unlinked_file_lives_while_open),
        TEST(test_times),
        TEST(test_stat_of_both_modules),
        TEST(test_readdir_of_an_empty_directory),
        TEST(test_readdir_with_any_buffer),
        TEST(test_readdir_cuts_where_the_buffer_ends),
        TEST(test_readdir_of_what_is_none),
        TEST(test_preopened_rights),
        TEST(test_rights_are_inherited),
        TEST(test_each_right_of_a_directory),
        TEST(test_budget_of_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
