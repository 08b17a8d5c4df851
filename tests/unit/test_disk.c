/*
 * src/wasm/disk: files of compiled code. What is not exactly what was put there is not found.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "wasm/disk.h"

#define CODE_BYTES 5000

struct fixture {
    char root[64];
    char directory[96];
    char key[96];
    adk__disk *disk;
    adk__interrupt interrupt;
    adk__disk_name name;
    uint8_t code[CODE_BYTES];
};

static adk__disk *open_disk(const struct fixture *f, uint64_t max_bytes)
{
    adk__disk *disk = NULL;
    adk_error *error = NULL;

    if (adk__disk_open(f->directory, f->key, max_bytes, &disk, &error) != ADK_OK)
        print_message("%s\n", adk_error_message_cstr(error));
    adk_error_free(error);
    return disk;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (f == NULL || sodium_init() < 0 || adk__interrupt_init(&f->interrupt) != 0)
        return -1;
    adk__interrupt_begin(&f->interrupt, ADK__NEVER);
    (void)snprintf(f->root, sizeof(f->root), "/tmp/adk-test-disk-XXXXXX");
    if (mkdtemp(f->root) == NULL)
        return -1;
    (void)snprintf(f->directory, sizeof(f->directory), "%s/modules", f->root);
    (void)snprintf(f->key, sizeof(f->key), "%s/key", f->root);
    for (size_t i = 0; i < CODE_BYTES; i++)
        f->code[i] = (uint8_t)(i * 31 + i / 256);
    f->disk = open_disk(f, 1 << 20);
    *state = f;
    return f->disk != NULL && adk__disk_name_of(BYTES("source"), 1, &f->interrupt, &f->name) ? 0 : -1;
}

static void remove_all(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    char below[512];

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
        if (unlink(below) != 0)
            remove_all(below);
    }
    if (directory != NULL)
        (void)closedir(directory);
    (void)rmdir(path);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    adk__disk_close(f->disk);
    adk__interrupt_destroy(&f->interrupt);
    remove_all(f->root);
    free(f);
    return 0;
}

static int file_of(const void *data, size_t size)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(adk__write_all(fd, data, size), 0);
    return fd;
}

static int put_named(const struct fixture *f, const adk__disk_name *name)
{
    const adk__disk_notes notes = {{1, 2, 3, UINT64_MAX}};
    int fd = file_of(f->code, sizeof(f->code));
    int failed = adk__disk_put(f->disk, name, fd, &notes);

    (void)close(fd);
    return failed;
}

static int get(struct fixture *f)
{
    adk__disk_notes notes;

    return adk__disk_get(f->disk, &f->name, &f->interrupt, &notes);
}

static void path_of(const struct fixture *f, const adk__disk_name *name, char path[256])
{
    assert_in_range(snprintf(path, 256, "%s/%s", f->directory, name->text), 1, 255);
}

static void assert_found(struct fixture *f, bool found)
{
    int fd = get(f);

    assert_int_equal(fd >= 0, found);
    if (fd >= 0)
        (void)close(fd);
}

static void test_what_was_put_is_found(void **state)
{
    struct fixture *f = *state;
    adk__disk_notes notes;
    uint8_t code[CODE_BYTES + 1];
    int fd;

    assert_false(adk__disk_has(f->disk, &f->name));
    assert_found(f, false);
    assert_int_equal(put_named(f, &f->name), 0);
    assert_true(adk__disk_has(f->disk, &f->name));
    fd = adk__disk_get(f->disk, &f->name, &f->interrupt, &notes);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, code, sizeof(code), 0), CODE_BYTES);
    assert_memory_equal(code, f->code, CODE_BYTES);
    assert_int_equal(notes.words[1], 2);
    assert_true(notes.words[3] == UINT64_MAX);
    /* Nobody can change it any more. */
    assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    (void)close(fd);
}

static void test_names_differ_by_everything(void **state)
{
    struct fixture *f = *state;
    adk__disk_name a;
    adk__disk_name b;

    assert_int_equal(strlen(f->name.text), 64);
    assert_true(adk__disk_name_of(BYTES("source"), 1, &f->interrupt, &a));
    assert_string_equal(a.text, f->name.text);
    assert_true(adk__disk_name_of(BYTES("source"), 2, &f->interrupt, &b));
    assert_string_not_equal(a.text, b.text);
    assert_true(adk__disk_name_of(BYTES("sourcf"), 1, &f->interrupt, &b));
    assert_string_not_equal(a.text, b.text);
}

/* Every byte of the header, and of the code at some distance from one another. */
static void test_a_changed_byte_is_a_miss(void **state)
{
    struct fixture *f = *state;
    char path[256];
    struct stat status;
    int fd;

    assert_int_equal(put_named(f, &f->name), 0);
    path_of(f, &f->name, path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    for (off_t at = 0; at < status.st_size; at += at < status.st_size - CODE_BYTES ? 1 : 97) {
        uint8_t was;
        uint8_t now;

        assert_int_equal(pread(fd, &was, 1, at), 1);
        now = was ^ 0x40;
        assert_int_equal(pwrite(fd, &now, 1, at), 1);
        assert_found(f, false);
        assert_int_equal(pwrite(fd, &was, 1, at), 1);
    }
    assert_found(f, true);
    (void)close(fd);
}

static void test_another_length_is_a_miss(void **state)
{
    struct fixture *f = *state;
    char path[256];
    struct stat status;

    path_of(f, &f->name, path);
    assert_int_equal(put_named(f, &f->name), 0);
    assert_int_equal(stat(path, &status), 0);
    for (off_t size = status.st_size + 3; size >= 0; size -= size > status.st_size - 200 || size < 200 ? 1 : 333) {
        assert_int_equal(put_named(f, &f->name), 0);
        assert_int_equal(truncate(path, size), 0);
        assert_found(f, size == status.st_size);
    }
}

static void test_another_name_is_a_miss(void **state)
{
    struct fixture *f = *state;
    adk__disk_name other;
    char from[256];
    char to[256];

    assert_true(adk__disk_name_of(BYTES("other source"), 1, &f->interrupt, &other));
    assert_int_equal(put_named(f, &other), 0);
    path_of(f, &other, from);
    path_of(f, &f->name, to);
    assert_int_equal(rename(from, to), 0);
    assert_found(f, false);
}

static void test_another_key_is_a_miss(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(put_named(f, &f->name), 0);
    adk__disk_close(f->disk);
    assert_int_equal(unlink(f->key), 0);
    f->disk = open_disk(f, 1 << 20);
    assert_non_null(f->disk);
    assert_found(f, false);
    assert_int_equal(put_named(f, &f->name), 0);
    adk__disk_close(f->disk);
    f->disk = open_disk(f, 1 << 20);
    assert_found(f, true);
}

static void test_what_is_no_private_file_is_a_miss(void **state)
{
    struct fixture *f = *state;
    char path[256];
    char aside[300];

    path_of(f, &f->name, path);
    (void)snprintf(aside, sizeof(aside), "%s.aside", f->root);
    assert_int_equal(put_named(f, &f->name), 0);
    assert_int_equal(chmod(path, 0620), 0);
    assert_found(f, false);
    assert_int_equal(chmod(path, 0600), 0);
    assert_found(f, true);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(symlink(aside, path), 0);
    assert_found(f, false);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(aside), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_found(f, false);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_found(f, false);
}

static void assert_refused(const struct fixture *f, const char *part)
{
    adk__disk *disk = NULL;
    adk_error *error = NULL;

    assert_int_equal(adk__disk_open(f->directory, f->key, 1 << 20, &disk, &error), ADK_E_INVALID);
    assert_null(disk);
    assert_non_null(strstr(adk_error_message_cstr(error), part));
    adk_error_free(error);
}

static void test_others_must_not_write_there(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(chmod(f->directory, 0770), 0);
    assert_refused(f, "0700");
    assert_int_equal(chmod(f->directory, 0700), 0);
    assert_int_equal(chmod(f->key, 0640), 0);
    assert_refused(f, "0600");
    assert_int_equal(chmod(f->key, 0600), 0);
    assert_int_equal(truncate(f->key, 31), 0);
    assert_refused(f, "shorter than 32 bytes");
    assert_int_equal(unlink(f->key), 0);
    assert_int_equal(mkfifo(f->key, 0600), 0);
    assert_refused(f, "0600");
}

static void test_modes(void **state)
{
    struct fixture *f = *state;
    struct stat status;
    char path[256];

    assert_int_equal(stat(f->directory, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(stat(f->key, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, 32);
    assert_int_equal(put_named(f, &f->name), 0);
    path_of(f, &f->name, path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
}

static unsigned count_files(const struct fixture *f)
{
    DIR *directory = opendir(f->directory);
    const struct dirent *entry;
    unsigned count = 0;

    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    (void)closedir(directory);
    return count;
}

static void test_the_oldest_go_first(void **state)
{
    struct fixture *f = *state;
    adk__disk_name names[6];

    adk__disk_close(f->disk);
    f->disk = open_disk(f, (uint64_t)4 * (CODE_BYTES + 200));
    for (size_t i = 0; i < 6; i++) {
        struct timespec times[2] = {{(time_t)(1000 + i), 0}, {(time_t)(1000 + i), 0}};
        char path[256];

        assert_true(adk__disk_name_of(BYTES("source"), 100 + i, &f->interrupt, &names[i]));
        assert_int_equal(put_named(f, &names[i]), 0);
        path_of(f, &names[i], path);
        assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    }
    assert_int_equal(count_files(f), 4);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(adk__disk_has(f->disk, &names[i]), i >= 2);
}

static void test_what_is_too_large_is_not_kept(void **state)
{
    struct fixture *f = *state;

    adk__disk_close(f->disk);
    f->disk = open_disk(f, CODE_BYTES);
    assert_int_equal(put_named(f, &f->name), EFBIG);
    assert_int_equal(count_files(f), 0);
}

static void test_an_interrupt_ends_it(void **state)
{
    struct fixture *f = *state;
    adk__disk_name name;

    assert_int_equal(put_named(f, &f->name), 0);
    adk__interrupt_begin(&f->interrupt, 1);
    assert_found(f, false);
    assert_false(adk__disk_name_of(BYTES("source"), 1, &f->interrupt, &name));
}

/* ---- through the library ------------------------------------------------------------------------------------------ */

static adk_backend *backend_of(const struct fixture *f)
{
    adk_wasm_options options = adk_test_options();

    options.disk_cache_cstr = f->directory;
    options.disk_key_cstr = f->key;
    return adk_test_backend_with(&options);
}

/* A kilobyte of nothing, so that it is worth keeping. */
static char *large_hello(void)
{
    char *text = NULL;

    if (asprintf(&text,
                 "(module %s(memory (export \"memory\") 1)(data (i32.const 0) \"\\10\\00\\00\\00\\05\\00\\00\\00\")"
                 "(data (i32.const 16) \"disk!%01500d\") (func (export \"_start\")"
                 "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))",
                 IMPORT_WRITE, 0) < 0)
        fail();
    return text;
}

static void expect_cached(adk_backend *backend, const char *wat, adk_cache_state state)
{
    adk_request request = adk_test_request(wat);
    adk_result *result = adk_test_execute(backend, &request, NULL);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_bytes_are(adk_result_stdout(result).head, "disk!");
    assert_int_equal(adk_test_usage(result).cache, state);
    adk_result_free(result);
}

static void test_a_prepared_module_is_found_by_the_next_backend(void **state)
{
    struct fixture *f = *state;
    char *wat = large_hello();
    adk_backend *backend = backend_of(f);
    adk_wasm_module *module = NULL;

    expect_cached(backend, wat, ADK_CACHE_MISS); /* runs do not write */
    assert_int_equal(count_files(f), 0);
    assert_int_equal(adk_wasm_module_new(backend, adk_bytes_from_cstr(wat), &module, NULL), ADK_OK);
    adk_wasm_module_free(module);
    assert_int_equal(count_files(f), 1);
    adk_backend_free(backend);

    backend = backend_of(f);
    expect_cached(backend, wat, ADK_CACHE_DISK);
    expect_cached(backend, wat, ADK_CACHE_HIT);
    adk_backend_free(backend);
    free(wat);
}

static void test_a_spoilt_file_is_compiled_anew(void **state)
{
    struct fixture *f = *state;
    char *wat = large_hello();
    adk_backend *backend = backend_of(f);
    adk_wasm_module *module = NULL;
    DIR *directory;
    const struct dirent *entry;
    char path[512];

    assert_int_equal(adk_wasm_module_new(backend, adk_bytes_from_cstr(wat), &module, NULL), ADK_OK);
    adk_wasm_module_free(module);
    adk_backend_free(backend);
    directory = opendir(f->directory);
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", f->directory, entry->d_name);
        assert_int_equal(truncate(path, 4096), 0);
    }
    (void)closedir(directory);
    backend = backend_of(f);
    expect_cached(backend, wat, ADK_CACHE_MISS);
    adk_backend_free(backend);
    free(wat);
}

static void test_a_directory_without_a_key_is_refused(void **state)
{
    struct fixture *f = *state;
    adk_wasm_options options = adk_test_options();
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    options.disk_cache_cstr = f->directory;
    assert_int_equal(adk_wasm_backend_new(&options, &backend, &error), ADK_E_INVALID);
    assert_non_null(strstr(adk_error_message_cstr(error), "disk_key_cstr"));
    adk_error_free(error);
}

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DISK(test_what_was_put_is_found),
        WITH_DISK(test_names_differ_by_everything),
        WITH_DISK(test_a_changed_byte_is_a_miss),
        WITH_DISK(test_another_length_is_a_miss),
        WITH_DISK(test_another_name_is_a_miss),
        WITH_DISK(test_another_key_is_a_miss),
        WITH_DISK(test_what_is_no_private_file_is_a_miss),
        WITH_DISK(test_others_must_not_write_there),
        WITH_DISK(test_modes),
        WITH_DISK(test_the_oldest_go_first),
        WITH_DISK(test_what_is_too_large_is_not_kept),
        WITH_DISK(test_an_interrupt_ends_it),
        WITH_DISK(test_a_prepared_module_is_found_by_the_next_backend),
        WITH_DISK(test_a_spoilt_file_is_compiled_anew),
        WITH_DISK(test_a_directory_without_a_key_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
