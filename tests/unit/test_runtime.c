/*
 * Runtimes: the manifests, archives that are not what they should be, installing and opening. Interpreters themselves are
 * tried by tests/integration/test_runtime*.py.
 */
#include "support.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "core/request.h"
#include "runtime/archive.h"
#include "runtime/manifest.h"

#define MEMBER "bin/program.wasm"

/* ---- manifests ---------------------------------------------------------------------------------------------------- */

static bool is_sha256(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static void check_edits(const adk_runtime *runtime)
{
    uint64_t at = 0;
    uint64_t size = runtime->info.member_bytes;

    for (size_t i = 0; i < ADK_COUNT(runtime->edits) && runtime->edits[i].old_size != 0; i++) {
        const adk__edit *edit = &runtime->edits[i];

        assert_true(edit->at >= at);
        assert_true(edit->old_size <= sizeof(edit->old_bytes) && edit->new_size <= sizeof(edit->new_bytes));
        at = edit->at + edit->old_size;
        size += (uint64_t)edit->new_size - edit->old_size;
    }
    assert_true(at <= runtime->info.member_bytes);
    assert_int_equal(size, runtime->file_bytes);
}

/* Of those that only run in processes of their own: none is the first of its language, and all is there. */
static void check_larger(const adk_runtime *runtime)
{
    const adk_runtime *library = runtime->library;

    assert_ptr_not_equal(adk__runtime_for((adk_language)__builtin_ctz(runtime->info.languages)), runtime);
    assert_true(runtime->before->size > 0 && runtime->entry_cstr != NULL);
    assert_true(runtime->before_path_cstr[0] == '/' && runtime->library_path_cstr[0] == '/');
    assert_string_equal(library->info.archive_sha256_cstr, runtime->info.archive_sha256_cstr);
    assert_string_equal(library->info.member_cstr, runtime->info.library_member_cstr);
    assert_string_equal(library->info.member_sha256_cstr, runtime->info.library_member_sha256_cstr);
    assert_int_equal(library->info.member_bytes, runtime->info.library_member_bytes);
    assert_string_equal(library->file_sha256_cstr, library->info.member_sha256_cstr);
    assert_true(is_sha256(library->file_sha256_cstr));
    assert_string_not_equal(library->file_cstr, runtime->file_cstr);
    check_edits(library);
}

static void test_manifests(void **state)
{
    uint32_t languages = 0;
    size_t count = 0;

    (void)state;
    for (const adk_runtime *runtime; (runtime = adk_runtime_at(count)) != NULL; count++) {
        adk_runtime_info info = ADK_RUNTIME_INFO_INIT;

        adk_runtime_describe(runtime, &info);
        assert_ptr_equal(adk_runtime_find(info.name_cstr), runtime);
        if (runtime->features == 0)
            assert_int_equal(languages & info.languages, 0);
        else
            check_larger(runtime);
        languages |= info.languages;
        assert_true(is_sha256(info.archive_sha256_cstr) && is_sha256(info.member_sha256_cstr) &&
                    is_sha256(runtime->file_sha256_cstr) && is_sha256(runtime->file_blake2b_cstr));
        assert_true(strcmp(info.client_cstr, "pip") == 0 || strcmp(info.client_cstr, "npm") == 0);
        assert_null(strchr(runtime->file_cstr, '/'));
        assert_non_null(adk__runtime_base(runtime));
        if (runtime->features == 0)
            assert_int_equal(info.memory_default_bytes,
                             adk__request_memory_default((adk_language)__builtin_ctz(info.languages)));
        assert_true(runtime->driver->size > 0);
        check_edits(runtime);
    }
    assert_int_equal(languages,
                     1u << ADK_LANGUAGE_PYTHON | 1u << ADK_LANGUAGE_JAVASCRIPT | 1u << ADK_LANGUAGE_TYPESCRIPT);
    assert_null(adk_runtime_at(count));
    assert_null(adk_runtime_find("cobol"));
    assert_null(adk__runtime_for(ADK_LANGUAGE_RUST));
    assert_null(adk__runtime_for(1000));
}

/* ---- archives ----------------------------------------------------------------------------------------------------- */

struct made {
    struct archive *writer;
    char data[1 << 18];
    size_t size;
};

static struct made *begin(bool zip)
{
    struct made *made = calloc(1, sizeof(*made));

    assert_non_null(made);
    made->writer = archive_write_new();
    assert_non_null(made->writer);
    if (zip) {
        assert_int_equal(archive_write_set_format_zip(made->writer), ARCHIVE_OK);
    } else {
        assert_int_equal(archive_write_set_format_ustar(made->writer), ARCHIVE_OK);
        assert_int_equal(archive_write_add_filter_gzip(made->writer), ARCHIVE_OK);
    }
    assert_int_equal(archive_write_open_memory(made->writer, made->data, sizeof(made->data), &made->size), ARCHIVE_OK);
    return made;
}

/* A regular file, or a link where there is a target. */
static void add(struct made *made, const char *name, size_t size, const char *symlink, const char *hardlink)
{
    struct archive_entry *entry = archive_entry_new();
    char *content = calloc(1, size + 1);

    assert_true(entry != NULL && content != NULL);
    memset(content, 'x', size);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, symlink != NULL ? S_IFLNK : S_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, symlink == NULL && hardlink == NULL ? (la_int64_t)size : 0);
    if (symlink != NULL)
        archive_entry_set_symlink(entry, symlink);
    if (hardlink != NULL)
        archive_entry_set_hardlink(entry, hardlink);
    assert_int_equal(archive_write_header(made->writer, entry), ARCHIVE_OK);
    if (size > 0 && symlink == NULL && hardlink == NULL)
        assert_int_equal(archive_write_data(made->writer, content, size), size);
    archive_entry_free(entry);
    free(content);
}

static void end(struct made *made)
{
    assert_int_equal(archive_write_close(made->writer), ARCHIVE_OK);
    assert_int_equal(archive_write_free(made->writer), ARCHIVE_OK);
}

/* Extracts with room for `max` bytes: `size` of them come, or the message has `part`. */
static void check(const struct made *made, size_t given, const char *member, size_t max, size_t size, const char *part)
{
    adk__buf content = ADK__BUF_INIT(max);
    adk_error *error = NULL;
    int code = adk__archive_extract(adk_bytes_make(made->data, given), member, "dist/esm/", &content, &error);

    assert_true(content.size <= max);
    if (part == NULL) {
        assert_int_equal(code, ADK_OK);
        assert_int_equal(content.size, size);
    } else {
        assert_int_equal(code, ADK_E_INVALID);
        if (strstr(adk_error_message_cstr(error), part) == NULL)
            fail_msg("\"%s\" has no \"%s\"", adk_error_message_cstr(error), part);
    }
    adk__buf_free(&content);
    adk_error_free(error);
}

static void finish(struct made *made, size_t max, size_t size, const char *part)
{
    end(made);
    check(made, made->size, MEMBER, max, size, part);
    free(made);
}

static void test_good_archives(void **state)
{
    (void)state;
    for (int zip = 0; zip < 2; zip++) {
        struct made *made = begin(zip);

        add(made, "README", 100, NULL, NULL);
        add(made, MEMBER, 5000, NULL, NULL);
        add(made, "bin/other", 10, NULL, NULL);
        finish(made, 5000, 5000, NULL);
    }
}

static void test_bad_members(void **state)
{
    struct made *made;

    (void)state;
    for (int zip = 0; zip < 2; zip++) {
        made = begin(zip);
        add(made, "../../" MEMBER, 10, NULL, NULL);
        add(made, "/" MEMBER, 10, NULL, NULL);
        add(made, MEMBER "/", 0, NULL, NULL);
        finish(made, 100, 0, "there is no \"" MEMBER "\" in the archive");
        made = begin(zip);
        add(made, MEMBER, 0, "/etc/passwd", NULL);
        finish(made, 100, 0, "is not a regular file");
        made = begin(zip);
        add(made, MEMBER, 10, NULL, NULL);
        add(made, MEMBER, 10, NULL, NULL);
        finish(made, 100, 0, "is in the archive twice");
    }
    made = begin(false);
    add(made, "target", 10, NULL, NULL);
    add(made, MEMBER, 0, NULL, "target");
    finish(made, 100, 0, "is not a regular file");
    finish(begin(true), 100, 0, "the archive is damaged");
}

/* 64 MiB of one letter, packed into some 60 KB. */
static void test_bombs(void **state)
{
    (void)state;
    for (int zip = 0; zip < 2; zip++) {
        struct made *made = begin(zip);

        add(made, MEMBER, (size_t)64 << 20, NULL, NULL);
        finish(made, 1000, 0, "has more than 1000 bytes");
        made = begin(zip);
        add(made, "bomb", (size_t)64 << 20, NULL, NULL);
        add(made, MEMBER, 7, NULL, NULL);
        finish(made, 1000, 7, NULL);
    }
}

static void test_damage(void **state)
{
    (void)state;
    for (int zip = 0; zip < 2; zip++) {
        struct made *made = begin(zip);

        add(made, MEMBER, 50000, NULL, NULL);
        end(made);
        check(made, made->size / 3, MEMBER, 100000, 0, "the archive is damaged");
        check(made, 0, MEMBER, 100000, 0, "the archive is damaged");
        free(made);
    }
}

/* Whatever is turned in an archive: an answer, within the bound. */
static void test_bit_flips(void **state)
{
    struct made *made = begin(true);

    (void)state;
    add(made, MEMBER, 3000, NULL, NULL);
    add(made, "bin/other", 10, NULL, NULL);
    end(made);
    for (size_t bit = 0; bit < 8 * made->size; bit++) {
        adk__buf content = ADK__BUF_INIT((size_t)3000);
        int code;

        made->data[bit / 8] = (char)(made->data[bit / 8] ^ (1 << (bit % 8)));
        code = adk__archive_extract(adk_bytes_make(made->data, made->size), MEMBER, NULL, &content, NULL);
        assert_true(code == ADK_OK || code == ADK_E_INVALID);
        assert_true(content.size <= 3000);
        adk__buf_free(&content);
        made->data[bit / 8] = (char)(made->data[bit / 8] ^ (1 << (bit % 8)));
    }
    free(made);
}

static void test_scripts_of_a_directory(void **state)
{
    static const char wanted[] = "define(\"a.js\", function (exports, require, module) {xx\n});\n"
                                 "define(\"b/c.js\", function (exports, require, module) {xxx\n});\n";
    struct made *made = begin(false);
    adk__buf content = ADK__BUF_INIT(sizeof(wanted) - 1);

    (void)state;
    add(made, "dist/a.js", 2, NULL, NULL);
    add(made, "dist/a.d.ts", 2, NULL, NULL);
    add(made, "dist/esm/a.js", 2, NULL, NULL);
    add(made, "other/a.js", 2, NULL, NULL);
    add(made, "dist/\"), evil(\".js", 2, NULL, NULL);
    add(made, "dist/b/c.js", 3, NULL, NULL);
    end(made);
    assert_int_equal(adk__archive_extract(adk_bytes_make(made->data, made->size), "dist/", "dist/esm/", &content, NULL),
                     ADK_OK);
    assert_bytes_are(adk_bytes_make(content.data, content.size), wanted);
    adk__buf_free(&content);
    check(made, made->size, "dist/", sizeof(wanted) - 2, 0, "has more than");
    check(made, made->size, "none/", 1000, 0, "there is no");
    free(made);
}

/* ---- the directory ------------------------------------------------------------------------------------------------ */

static void test_paths(void **state)
{
    const adk_runtime *python = adk_runtime_find("python");
    char *path = NULL;

    (void)state;
    assert_int_equal(adk_runtime_path(python, "/some/place", &path, NULL), ADK_OK);
    assert_string_equal(path, "/some/place/python-3.12.0.wasm");
    adk_free(path);
    assert_int_equal(setenv("XDG_DATA_HOME", "/data", 1), 0);
    assert_int_equal(unsetenv("ADK_SANDBOX_RUNTIMES"), 0);
    assert_int_equal(adk_runtime_path(python, NULL, &path, NULL), ADK_OK);
    assert_string_equal(path, "/data/adk-sandbox/runtimes/python-3.12.0.wasm");
    adk_free(path);
    assert_int_equal(setenv("XDG_DATA_HOME", "relative", 1), 0);
    assert_int_equal(setenv("HOME", "/home/x", 1), 0);
    assert_int_equal(adk_runtime_path(python, NULL, &path, NULL), ADK_OK);
    assert_string_equal(path, "/home/x/.local/share/adk-sandbox/runtimes/python-3.12.0.wasm");
    adk_free(path);
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(adk_runtime_path(python, NULL, &path, NULL), ADK_E_INVALID);
}

/* Fails with the code, and with the part in its message. Takes `error`. */
static void check_error(int code, adk_error *error, int wanted, const char *part)
{
    assert_int_equal(code, wanted);
    if (strstr(adk_error_message_cstr(error), part) == NULL)
        fail_msg("\"%s\" has no \"%s\"", adk_error_message_cstr(error), part);
    adk_error_free(error);
}

static void test_not_installed(void **state)
{
    const adk_runtime *python = adk_runtime_find("python");
    adk_runtime_options options = ADK_RUNTIME_OPTIONS_INIT;
    adk_wasm_options wasm = adk_test_options();
    adk_request request = ADK_REQUEST_INIT;
    adk_backend *backend = NULL;
    adk_result *result = NULL;
    adk_error *error = NULL;
    int code;

    (void)state;
    options.directory_cstr = "/nonexistent/runtimes";
    options.wasm = &wasm;
    code = adk_runtime_backend_new(python, &options, &backend, &error);
    check_error(code, error, ADK_E_UNAVAILABLE, "is not installed: adk-sandbox runtime install python");
    code = adk_runtime_check(python, "/nonexistent/runtimes", &error);
    check_error(code, error, ADK_E_UNAVAILABLE, "is not installed");
    code = adk_runtime_remove(python, "/nonexistent/runtimes", &error);
    check_error(code, error, ADK_E_UNAVAILABLE, "is not installed");
    code = adk_runtime_install(python, "/nonexistent/runtimes", "/nonexistent/file", &error);
    check_error(code, error, ADK_E_INVALID, "cannot read \"/nonexistent/file\"");
    assert_int_equal(adk_auto_backend_new(&options, &backend, NULL), ADK_OK);
    request.timeout_ns = 10 * SECOND;
    request.language = ADK_LANGUAGE_PYTHON;
    request.code = BYTES("print(1)");
    code = adk_backend_execute(backend, &request, NULL, &result, &error);
    check_error(code, error, ADK_E_UNAVAILABLE, "is not installed: adk-sandbox runtime install python");
    request.language = ADK_LANGUAGE_RUST;
    code = adk_backend_execute(backend, &request, NULL, &result, &error);
    check_error(code, error, ADK_E_INVALID, "backend \"auto\" does not support language rust");
    adk_backend_free(backend);
}

/* ---- the front ---------------------------------------------------------------------------------------------------- */

static void take_span(void *data, const adk_span *span)
{
    unsigned *spans = data;

    assert_string_equal(span->backend_cstr, "wasm");
    (*spans)++;
}

static void test_modules_through_the_front(void **state)
{
    adk_runtime_options options = ADK_RUNTIME_OPTIONS_INIT;
    adk_wasm_options wasm = adk_test_options();
    adk_request request = adk_test_request(GUEST_HELLO);
    adk_backend *backend = NULL;
    adk_result *result = NULL;
    unsigned spans = 0;
    char *report = NULL;

    (void)state;
    options.wasm = &wasm;
    assert_int_equal(adk_auto_backend_new(&options, &backend, NULL), ADK_OK);
    assert_string_equal(adk_backend_name_cstr(backend), "auto");
    request.on_trace = take_span;
    request.trace_data = &spans;
    result = adk_test_execute(backend, &request, NULL);
    assert_int_equal(spans, 1);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_report_json(result, NULL, &report, NULL), ADK_OK);
    assert_non_null(strstr(report, "\"stdout\":\"hello, world\\n\""));
    assert_non_null(strstr(report, "\"backend\":\"wasm\",\"language\":\"wasm\",\"isolation\":\"wasm\""));
    adk_free(report);
    adk_result_free(result);
    adk_backend_free(backend);
}

static void test_options(void **state)
{
    adk_runtime_options options = ADK_RUNTIME_OPTIONS_INIT;
    adk_wasm_options wasm = adk_test_options();
    adk_backend *backend = NULL;

    (void)state;
    options.struct_size = 0;
    assert_int_equal(adk_auto_backend_new(&options, &backend, NULL), ADK_E_INVALID);
    options.struct_size = sizeof(options);
    options.wasm = &wasm;
    wasm.struct_size = 3;
    assert_int_equal(adk_auto_backend_new(&options, &backend, NULL), ADK_E_INVALID);
    wasm = adk_test_options();
    wasm.stack_bytes = (uint64_t)65 << 20;
    assert_int_equal(adk_auto_backend_new(&options, &backend, NULL), ADK_E_INVALID);
    wasm = adk_test_options();
    options.flags = 1u << 31;
    assert_int_equal(adk_auto_backend_new(&options, &backend, NULL), ADK_E_INVALID);
    options.flags = ADK_RUNTIME_IN_PROCESS;
    wasm.flags = ADK_WASM_ARMOURED;
    assert_int_equal(adk_auto_backend_new(&options, &backend, NULL), ADK_E_INVALID);
}

#define GUEST_RECURSES                                                                                            \
    "(module (func $f (param i32) (result i32) (if (result i32) (local.get 0)"                                    \
    "(then (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0))))" START \
    "(drop (call $f (i32.const 25000)))))"

static void test_a_larger_stack(void **state)
{
    adk_wasm_options options = adk_test_options();
    adk_backend *backend;

    (void)state;
    SKIP_TRAPS_UNDER_VALGRIND();
    backend = adk_test_backend_with(&options);
    adk_test_run_traps(backend, GUEST_RECURSES, "stack_overflow");
    adk_backend_free(backend);
    options.stack_bytes = (uint64_t)2 << 20;
    backend = adk_test_backend_with(&options);
    adk_test_run_exits(backend, GUEST_RECURSES, 0);
    adk_backend_free(backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_manifests),
        cmocka_unit_test(test_good_archives),
        cmocka_unit_test(test_bad_members),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_scripts_of_a_directory),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_not_installed),
        cmocka_unit_test(test_modules_through_the_front),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_a_larger_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
