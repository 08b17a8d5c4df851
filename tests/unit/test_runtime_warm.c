/*
 * Warm runtimes (src/worker/runtime): an image is warmed to its checkpoint, and each run is a fork of it. A small module
 * plays the interpreter; CPython and QuickJS are run where they have been fetched.
 */
#include "worker.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <adk/worker.h>

#include "worker/image.h"

/*
 * An interpreter: counts in memory, draws 16 random bytes, opens the checkpoint, counts again, and writes: what it counted,
 * the bytes of the warm-up, 16 new bytes, the program.
 */
#define IMAGE                                                                                                          \
    "(module " IMPORT_WRITE IMPORT_READ IMPORT_RANDOM "(import \"" WASI                                                \
    "\" \"path_open\" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"                          \
    "(memory (export \"memory\") 2) (data (i32.const 1024) \".adk/run\")" START "(local $n i32)"                       \
    "(i32.store8 (i32.const 100) (i32.add (i32.load8_u (i32.const 100)) (i32.const 65)))"                              \
    "(drop (call $random (i32.const 101) (i32.const 16)))"                                                             \
    "(drop (call $open (i32.const 3) (i32.const 1) (i32.const 1024) (i32.const 8) (i32.const 0) (i64.const 2)"         \
    "  (i64.const 0) (i32.const 0) (i32.const 40)))"                                                                   \
    "(loop $spin (br_if $spin (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 50))))"       \
    "(i32.store8 (i32.const 100) (i32.add (i32.load8_u (i32.const 100)) (i32.const 1)))"                               \
    "(drop (call $random (i32.const 117) (i32.const 16)))"                                                             \
    "(i32.store (i32.const 0) (i32.const 133)) (i32.store (i32.const 4) (i32.const 800))"                              \
    "(drop (call $read (i32.load (i32.const 40)) (i32.const 0) (i32.const 1) (i32.const 8)))"                          \
    "(i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.add (i32.const 33) (i32.load (i32.const " \
    "8))))"                                                                                                            \
    "(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"

struct parts {
    char count;
    uint8_t warm[16];
    uint8_t fresh[16];
    char program[64];
};

static char directory[] = "/tmp/adk-runtime-XXXXXX";
static char module_path[64];

static int begin(void **state)
{
    adk_bytes binary = adk_test_assemble(IMAGE);
    int fd;

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(module_path, sizeof(module_path), "%s/image.wasm", directory);
    fd = open(module_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, binary.data, binary.size), (ssize_t)binary.size);
    (void)close(fd);
    free((void *)(uintptr_t)binary.data);
    return 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(module_path) != 0 || rmdir(directory) != 0 || !adk_test_children_become(0);
}

static adk_backend *runtime(adk__runtime_image *image)
{
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));
    adk_backend *backend = NULL;
    adk_error *error = NULL;

    if (adk__runtime_backend_new(image, &options, &backend, &error) != ADK_OK)
        fail_msg("no runtime: %s", adk_error_message_cstr(error));
    return backend;
}

static adk__runtime_image small_image(void)
{
    return (adk__runtime_image){
        .name_cstr = "small", .languages = 1u << ADK_LANGUAGE_PYTHON, .module_cstr = module_path};
}

static void run_parts(adk_backend *backend, const adk_request *request, struct parts *ret)
{
    adk_result *result = adk_test_execute(backend, request, NULL);
    adk_output output = adk_result_stdout(result);

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_true(output.head.size >= 33 && output.head.size < 33 + sizeof(ret->program));
    memset(ret, 0, sizeof(*ret));
    memcpy(&ret->count, output.head.data, 1);
    memcpy(ret->warm, (const uint8_t *)output.head.data + 1, 16);
    memcpy(ret->fresh, (const uint8_t *)output.head.data + 17, 16);
    memcpy(ret->program, (const uint8_t *)output.head.data + 33, output.head.size - 33);
    adk_result_free(result);
}

/* Each run finds the image as the warm-up left it, and random numbers of its own. */
static void test_runs_are_forks(void **state)
{
    adk__runtime_image image = small_image();
    adk_backend *backend = runtime(&image);
    adk_request request = adk_test_request("the program");
    struct parts parts[4];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        run_parts(backend, &request, &parts[i]);
        assert_int_equal(parts[i].count, 'B');
        assert_string_equal(parts[i].program, "the program");
        assert_memory_equal(parts[i].warm, parts[0].warm, 16);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(parts[i].fresh, parts[k].fresh, 16);
    }
    adk_backend_free(backend);
}

/* The image is warmed anew after so many runs: its own random numbers change too. */
static void test_renewal(void **state)
{
    adk__runtime_image image = small_image();
    adk_request request = adk_test_request("x");
    uint64_t end_ns = adk_test_now_ns() + 20 * SECOND;
    adk_backend *backend;
    struct parts first;
    struct parts next;

    (void)state;
    image.renew_runs = 3;
    backend = runtime(&image);
    run_parts(backend, &request, &first);
    do {
        run_parts(backend, &request, &next);
        assert_true(adk_test_now_ns() < end_ns);
    } while (memcmp(first.warm, next.warm, 16) == 0);
    adk_backend_free(backend);
}

/* With a seed, equal requests are equal runs, in whatever image. */
static void test_seeds(void **state)
{
    struct parts parts[4];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        adk__runtime_image image = small_image();
        adk_backend *backend = runtime(&image);
        adk_request request = adk_test_request("x");

        request.flags = ADK_REQUEST_SEED;
        request.random_seed = i == 3 ? 8 : 7;
        run_parts(backend, &request, &parts[i]);
        adk_backend_free(backend);
    }
    assert_memory_equal(&parts[0], &parts[1], sizeof(parts[0]));
    assert_memory_equal(&parts[0], &parts[2], sizeof(parts[0]));
    assert_memory_equal(parts[0].warm, parts[3].warm, 16);
    assert_memory_not_equal(parts[0].fresh, parts[3].fresh, 16);
}

static void *run_some(void *data)
{
    adk_request request = adk_test_request("x");
    struct parts parts;

    for (int i = 0; i < 25; i++) {
        run_parts(data, &request, &parts);
        assert_int_equal(parts.count, 'B');
    }
    return NULL;
}

static void test_threads(void **state)
{
    adk__runtime_image image = small_image();
    adk_backend *backend;
    pthread_t threads[4];

    (void)state;
    image.renew_runs = 20;
    backend = runtime(&image);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_some, backend), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    adk_backend_free(backend);
}

/* What the image has counts in a run's budget. */
static void test_memory(void **state)
{
    adk__runtime_image image = small_image();
    adk_backend *backend;
    adk_request request = adk_test_request("x");
    adk_limits limits = ADK_LIMITS_INIT;
    adk_result *result;

    (void)state;
    image.memory_default_bytes = 12345678;
    backend = runtime(&image);
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    adk_result_limits(result, &limits);
    assert_int_equal(limits.memory_limit_bytes, 12345678);
    assert_true(adk_test_usage(result).memory_peak_bytes >= 2 * 65536);
    adk_result_free(result);
    request.memory_limit_bytes = 65536;
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_MEMORY_LIMIT);
    adk_result_free(result);
    adk_backend_free(backend);
}

static void test_fuel(void **state)
{
    adk__runtime_image image = small_image();
    adk_backend *backend = runtime(&image);
    adk_request request = adk_test_request("x");
    adk_result *result;

    (void)state;
    request.fuel = 100000;
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_true((adk_test_usage(result).measured & ADK_USAGE_FUEL) != 0);
    assert_true(adk_test_usage(result).fuel > 0 && adk_test_usage(result).fuel < 1000);
    adk_result_free(result);
    request.fuel = 5;
    result = adk_test_execute(backend, &request, NULL);
    adk_test_expect(result, ADK_OUTCOME_FUEL_EXHAUSTED);
    adk_result_free(result);
    adk_backend_free(backend);
}

static adk_file pins_of(const uint32_t *words, size_t size)
{
    return (adk_file){BYTES(ADK__CHECKPOINT_PINS), adk_bytes_make(words, size), NULL};
}

/* What a driver pins is set in every fork, and the file is gone. */
static void test_pins(void **state)
{
    const uint32_t words[] = {'P', 100, 131068};
    const adk_file pins = pins_of(words, sizeof(words));
    adk__runtime_image image = small_image();
    adk_request request = adk_test_request("the program");
    adk_backend *backend;
    struct parts parts;

    (void)state;
    image.files = &pins;
    image.files_count = 1;
    backend = runtime(&image);
    for (size_t i = 0; i < 2; i++) {
        run_parts(backend, &request, &parts);
        assert_int_equal(parts.count, 'P' + 1);
        assert_string_equal(parts.program, "the program");
    }
    adk_backend_free(backend);
}

/* Addresses are within the guest's memory, or there is no image. */
static void test_pins_that_make_no_sense(void **state)
{
    static const uint32_t words[][2] = {{1, 131072}, {1, 131070}, {1, UINT32_MAX - 3}, {1, UINT32_MAX}, {1, 102}};
    const size_t count = sizeof(words) / sizeof(*words);

    (void)state;
    for (size_t i = 0; i <= count; i++) {
        const adk_file pins = pins_of(words[i % count], i < count ? sizeof(words[0]) : 3);
        adk__runtime_image image = small_image();
        adk_backend *backend;
        adk_error *error = NULL;

        image.files = &pins;
        image.files_count = 1;
        backend = runtime(&image);
        assert_int_equal(adk__runtime_warm(backend, &error), ADK_E_UNAVAILABLE);
        assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), "what the driver pins");
        adk_error_free(error);
        adk_backend_free(backend);
    }
}

/* An image that does not come to its checkpoint is no image. */
static void test_no_checkpoint(void **state)
{
    adk_bytes binary = adk_test_assemble(GUEST_WRITES("2", "no idea\\0a", "\\08"));
    adk__runtime_image image = small_image();
    char path[80];
    adk_backend *backend;
    adk_error *error = NULL;
    int fd;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/none.wasm", directory);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, binary.data, binary.size), (ssize_t)binary.size);
    (void)close(fd);
    free((void *)(uintptr_t)binary.data);
    image.module_cstr = path;
    backend = runtime(&image);
    assert_int_equal(adk__runtime_warm(backend, &error), ADK_E_UNAVAILABLE);
    assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), "ended before its checkpoint");
    assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), "no idea");
    adk_error_free(error);
    adk_backend_free(backend);
    assert_int_equal(unlink(path), 0);
}

/* The path means nothing in an ordinary module. */
static void test_ordinary_modules_have_none(void **state)
{
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));
    const adk_file file = {BYTES(ADK__CHECKPOINT_PATH), BYTES("a file"), NULL};
    adk_request request = adk_test_request(IMAGE);
    adk_backend *backend;
    struct parts parts;

    (void)state;
    options.flags |= ADK_WASM_ARMOURED;
    backend = adk_test_backend_with(&options);
    request.files = &file;
    request.files_count = 1;
    run_parts(backend, &request, &parts);
    assert_string_equal(parts.program, "a file");
    adk_backend_free(backend);
}

/* ---- interpreters -------------------------------------------------------------------------------------------------- */

#define PYTHON_DRIVER                                                  \
    "import sys, os, random\n"                                         \
    "f = open('/.adk/run')\n"                                          \
    "code = f.read()\n"                                                \
    "random.seed()\n"                                                  \
    "sys.argv = open('/.adk/words').read().split('\\0')[3:-1]\n"       \
    "exec(compile(code, '<run>', 'exec'), {'__name__': '__main__'})\n" \
    "sys.stdout.flush()\n"                                             \
    "os._exit(0)\n"

static void check_interpreter(adk__runtime_image *image, const char *code, const char *expected)
{
    adk_wasm_options options = adk_test_options_with(adk_test_program("adk-worker"));
    const adk_bytes args[] = {BYTES("a"), BYTES("b c")};
    adk_request request = adk_test_request(code);
    adk_backend *backend = NULL;
    adk_error *error = NULL;
    adk_result *result;

    if (access(image->module_cstr, R_OK) != 0) {
        print_message("skipped: %s has not been fetched\n", image->module_cstr);
        skip();
    }
    if (adk_test_sanitized())
        options.prepare_timeout_ns = 600 * SECOND;
    assert_int_equal(adk__runtime_backend_new(image, &options, &backend, &error), ADK_OK);
    if (adk__runtime_warm(backend, &error) != ADK_OK)
        fail_msg("%s", adk_error_message_cstr(error));
    request.args = args;
    request.args_count = 2;
    for (int i = 0; i < 3; i++) {
        result = adk_test_execute(backend, &request, NULL);
        adk_test_expect(result, ADK_OUTCOME_EXITED);
        assert_bytes_are(adk_result_stdout(result).head, expected);
        adk_result_free(result);
    }
    adk_backend_free(backend);
}

static void test_python(void **state)
{
    const adk_bytes args[] = {BYTES("python"), BYTES("-I"), BYTES("-S"), BYTES("/driver.py")};
    const adk_file file = {BYTES("/driver.py"), BYTES(PYTHON_DRIVER), NULL};
    adk__runtime_image image = {.name_cstr = "python",
                                .languages = 1u << ADK_LANGUAGE_PYTHON,
                                .module_cstr = ADK_TEST_FETCHED "/python-3.12.0.wasm",
                                .args = args,
                                .args_count = 4,
                                .files = &file,
                                .files_count = 1,
                                .memory_default_bytes = (uint64_t)256 << 20};

    (void)state;
    check_interpreter(&image, "import sys\nprint(6*7, sys.argv)\n", "42 ['a', 'b c']\n");
}

static void test_javascript(void **state)
{
    static const char driver[] =
        "const code = std.loadFile('/.adk/run'); (0, eval)(code); std.out.flush(); std.exit(0);";
    const adk_bytes args[] = {BYTES("qjs"), BYTES("--std"), BYTES("/driver.js")};
    const adk_file file = {BYTES("/driver.js"), {driver, sizeof(driver) - 1}, NULL};
    adk__runtime_image image = {.name_cstr = "javascript",
                                .languages = 1u << ADK_LANGUAGE_JAVASCRIPT,
                                .module_cstr = ADK_TEST_FETCHED "/quickjs.wasm",
                                .args = args,
                                .args_count = 3,
                                .files = &file,
                                .files_count = 1};

    (void)state;
    check_interpreter(&image, "console.log(6 * 7)", "42\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_are_forks), cmocka_unit_test(test_renewal),
        cmocka_unit_test(test_seeds),          cmocka_unit_test(test_threads),
        cmocka_unit_test(test_memory),         cmocka_unit_test(test_fuel),
        cmocka_unit_test(test_pins),           cmocka_unit_test(test_pins_that_make_no_sense),
        cmocka_unit_test(test_no_checkpoint),  cmocka_unit_test(test_ordinary_modules_have_none),
        cmocka_unit_test(test_javascript),     cmocka_unit_test(test_python),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
