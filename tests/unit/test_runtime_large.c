/*
 * What an installed runtime may have that no guest has (docs/decisions/019), by a small module in an image: exceptions, an
 * entry that returns its exit code, an import of its own, and more bytes.
 */
#include "worker.h"

#include <fcntl.h>
#include <unistd.h>

#include "wasm/engine.h"
#include "wasm/source.h"
#include "worker/image.h"

/*
 * Stops at the checkpoint, reads a letter, and does what it says: i: returns what _initialize left; c: catches what it
 * throws; h: asks the host; u: throws, and nothing catches it; t: traps.
 */
#define LARGE                                                                                                   \
    "(module " IMPORT_READ "(import \"host\" \"call\" (func $call (param i32 i32 i32 i32) (result i32)))"       \
    "(import \"" WASI "\" \"path_open\" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))" \
    "(memory (export \"memory\") 1) (data (i32.const 1024) \".adk/run\") (tag $tag (param i32))"                \
    "(global $ready (mut i32) (i32.const 0))"                                                                   \
    "(func (export \"_initialize\") (global.set $ready (i32.const 7)))"                                         \
    "(func $is (param i32) (result i32) (i32.eq (i32.load8_u (i32.const 800)) (local.get 0)))"                  \
    "(func $throw (throw $tag (i32.const 42)))"                                                                 \
    "(func $caught (result i32)"                                                                                \
    "  (block $handler (result i32) (try_table (catch $tag $handler) (call $throw)) (i32.const 1)))"            \
    "(func (export \"run\") (result i32)"                                                                       \
    "(drop (call $open (i32.const 3) (i32.const 1) (i32.const 1024) (i32.const 8) (i32.const 0) (i64.const 2)"  \
    "  (i64.const 0) (i32.const 0) (i32.const 40)))"                                                            \
    "(i32.store (i32.const 0) (i32.const 800)) (i32.store (i32.const 4) (i32.const 8))"                         \
    "(drop (call $read (i32.load (i32.const 40)) (i32.const 0) (i32.const 1) (i32.const 8)))"                   \
    "(if (call $is (i32.const 99)) (then (return (call $caught))))"                                             \
    "(if (call $is (i32.const 104)) (then (return (call $call (i32.const 1) (i32.const 2) (i32.const 3) "       \
    "(i32.const 4)))))"                                                                                         \
    "(if (call $is (i32.const 117)) (then (call $throw)))"                                                      \
    "(if (call $is (i32.const 116)) (then unreachable))"                                                        \
    "(global.get $ready)))"

static char directory[] = "/tmp/adk-large-XXXXXX";
static char module_path[64];

/* The module, and `padding` bytes more in a section that means nothing. */
static void write_module(uint64_t padding)
{
    const uint8_t head[] = {0,
                            0x80 | (uint8_t)(padding & 0x7f),
                            0x80 | (uint8_t)(padding >> 7 & 0x7f),
                            0x80 | (uint8_t)(padding >> 14 & 0x7f),
                            0x80 | (uint8_t)(padding >> 21 & 0x7f),
                            (uint8_t)(padding >> 28)};
    adk_bytes binary = adk_test_assemble(LARGE);
    int fd = open(module_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, binary.data, binary.size), (ssize_t)binary.size);
    if (padding > 0) {
        assert_int_equal(write(fd, head, sizeof(head)), (ssize_t)sizeof(head));
        assert_int_equal(ftruncate(fd, (off_t)(binary.size + sizeof(head) + padding)), 0);
    }
    (void)close(fd);
    free((void *)(uintptr_t)binary.data);
}

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(module_path, sizeof(module_path), "%s/large.wasm", directory);
    return 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(module_path) != 0 || rmdir(directory) != 0 || !adk_test_children_become(0);
}

static adk_backend *large(uint32_t features)
{
    const adk__runtime_image image = {.name_cstr = "large",
                                      .languages = 1u << ADK_LANGUAGE_PYTHON,
                                      .features = features,
                                      .entry_cstr = "run",
                                      .module_cstr = module_path};
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    if (adk__runtime_backend_new(&image, &options, &backend, &error) != ADK_OK)
        fail_msg("no runtime: %s", adk_error_message_cstr(error));
    return backend;
}

static void expect_refusal(uint32_t features, const char *words)
{
    adk_backend *backend = large(features);
    adk_error *error = NULL;

    assert_int_equal(adk__runtime_warm(backend, &error), ADK_E_UNAVAILABLE);
    assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), words);
    adk_error_free(error);
    adk_backend_free(backend);
}

static void expect_code(adk_backend *backend, const char *program, uint32_t code)
{
    adk_request request = adk_test_request(program);
    adk_result *result = adk_test_execute(backend, &request, NULL);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_int_equal(adk_result_exit_code(result), code);
    adk_result_free(result);
}

static void expect_trap(adk_backend *backend, const char *program, const char *kind)
{
    adk_request request = adk_test_request(program);
    adk_result *result = adk_test_execute(backend, &request, NULL);
    size_t frames = 0;

    adk_test_expect(result, ADK_OUTCOME_TRAPPED);
    assert_bytes_are(adk_result_trap_kind(result), kind);
    (void)adk_result_backtrace(result, &frames);
    assert_true(strcmp(kind, "unreachable") != 0 || frames > 0);
    adk_result_free(result);
}

static void test_what_it_may(void **state)
{
    adk_backend *backend;

    (void)state;
    write_module(0);
    backend = large(ADK__IMAGE_EXCEPTIONS);
    for (int i = 0; i < 2; i++) {
        expect_code(backend, "i", 7);
        expect_code(backend, "c", 42);
        expect_code(backend, "h", UINT32_MAX);
        expect_trap(backend, "u", "uncaught_exception");
        expect_trap(backend, "t", "unreachable");
    }
    adk_backend_free(backend);
}

static void test_what_others_may_not(void **state)
{
    adk_backend *backends[2];
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));

    (void)state;
    write_module(0);
    expect_refusal(0, "exceptions");
    backends[0] = adk_test_backend_with(&options);
    options.flags |= ADK_WASM_ARMOURED;
    backends[1] = adk_test_backend_with(&options);
    for (size_t i = 0; i < 2; i++) {
        adk_request request = adk_test_request(LARGE);
        adk_result *result = adk_test_execute(backends[i], &request, NULL);

        adk_test_expect(result, ADK_OUTCOME_REJECTED);
        assert_int_equal(adk_result_reason(result), ADK_REASON_UNSUPPORTED_FEATURE);
        adk_result_free(result);
        adk_backend_free(backends[i]);
    }
}

static void test_how_large(void **state)
{
    adk_backend *backend;

    (void)state;
    if (adk_test_sanitized())
        skip();
    write_module(ADK_CODE_MAX_BYTES);
    expect_refusal(0, "too large");
    backend = large(ADK__IMAGE_EXCEPTIONS);
    expect_code(backend, "c", 42);
    adk_backend_free(backend);
    write_module(adk__source_max_bytes(ADK__FLAVOUR_INSTALLED));
    expect_refusal(ADK__IMAGE_EXCEPTIONS, "too large");
}

/* A run that asks for everything does not get what is the image's, unless it has changed it. */
static void test_files_of_the_image(void **state)
{
    const adk_file file = {BYTES("/own/file"), BYTES("of the image"), NULL};
    const adk_file input = {BYTES("/in/file"), BYTES("of the request"), NULL};
    const adk_bytes output = BYTES("/**");
    const adk__runtime_image image = {.name_cstr = "large",
                                      .languages = 1u << ADK_LANGUAGE_PYTHON,
                                      .features = ADK__IMAGE_EXCEPTIONS,
                                      .entry_cstr = "run",
                                      .module_cstr = module_path,
                                      .files = &file,
                                      .files_count = 1};
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));
    adk_request request = adk_test_request("i");
    adk_backend *backend = NULL;
    const adk_file_out *files;
    adk_result *result;
    size_t count = 0;
    bool found = false;

    (void)state;
    write_module(0);
    assert_int_equal(adk__runtime_backend_new(&image, &options, &backend, NULL), ADK_OK);
    request.files = &input;
    request.files_count = 1;
    request.outputs = &output;
    request.outputs_count = 1;
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    files = adk_result_files(result, &count, NULL);
    for (size_t i = 0; i < count; i++) {
        assert_false(adk_test_bytes_have(files[i].path, "/own"));
        found = found || adk_test_bytes_are(files[i].path, "/in/file");
    }
    assert_true(found);
    adk_result_free(result);
    adk_backend_free(backend);
}

static void test_unknown_features(void **state)
{
    const adk__runtime_image image = {
        .name_cstr = "large", .languages = 1u << ADK_LANGUAGE_PYTHON, .features = 2, .module_cstr = module_path};
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));
    adk_backend *backend = NULL;

    (void)state;
    assert_int_equal(adk__runtime_backend_new(&image, &options, &backend, NULL), ADK_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_may),      cmocka_unit_test(test_what_others_may_not),
        cmocka_unit_test(test_how_large),        cmocka_unit_test(test_files_of_the_image),
        cmocka_unit_test(test_unknown_features),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
