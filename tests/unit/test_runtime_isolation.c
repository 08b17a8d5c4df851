/*
 * Programs in Python and JavaScript through the public door (adk_auto_backend_new): what they find of the host and of each
 * other, which is nothing; chance; seeds; what becomes of an image after a crash; files that are not as pinned.
 *
 * The interpreters are those of build/programs (scripts/fetch-programs), installed here into a directory that is removed.
 */
#include "worker.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <adk/worker.h>

#define RUNS     40
#define PATIENCE (600 * SECOND)

static char directory[] = "/tmp/adk-isolation-XXXXXX";
static char cache[64];
static char key[64];
static char runtimes[64];
static adk_backend *shared; /* its images stay warm from test to test */

/* ---- setting up ---------------------------------------------------------------------------------------------------- */

static bool fetched(const char *name, const char *file)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/%s", ADK_TEST_FETCHED, file);
    if (access(path, R_OK) != 0)
        return false;
    assert_int_equal(adk_runtime_install(adk_runtime_find(name), runtimes, path, NULL), ADK_OK);
    return true;
}

static adk_backend *backend_with(uint32_t flags, bool keeps)
{
    adk_wasm_options wasm = adk_test_options_with(adk_test_program("adk-worker"));
    adk_runtime_options options = ADK_RUNTIME_OPTIONS_INIT;
    adk_backend *backend = NULL;

    if (keeps) {
        wasm.disk_cache_cstr = cache;
        wasm.disk_key_cstr = key;
    }
    options.directory_cstr = runtimes;
    options.wasm = &wasm;
    options.flags = flags;
    assert_int_equal(adk_auto_backend_new(&options, &backend, NULL), ADK_OK);
    return backend;
}

static int begin(void **state)
{
    (void)state;
    assert_int_equal(setenv("ADK_TEST_SECRET", "of the host", 1), 0);
    assert_non_null(mkdtemp(directory));
    (void)snprintf(cache, sizeof(cache), "%s/cache", directory);
    (void)snprintf(key, sizeof(key), "%s/key", directory);
    (void)snprintf(runtimes, sizeof(runtimes), "%s/runtimes", directory);
    if (!fetched("python", "python-3.12.0.wasm") || !fetched("javascript", "quickjs.wasm"))
        return 0;
    shared = backend_with(0, true);
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static int end(void **state)
{
    (void)state;
    adk_backend_free(shared);
    return nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS) != 0 || !adk_test_children_become(0);
}

static void need_interpreters(void)
{
    if (shared != NULL)
        return;
    print_message("skipped: the interpreters have not been fetched\n");
    skip();
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

static adk_request request_for(adk_language language, const char *code)
{
    adk_request request = adk_test_request(code);

    request.language = language;
    request.timeout_ns = PATIENCE;
    return request;
}

static adk_request python(const char *code)
{
    return request_for(ADK_LANGUAGE_PYTHON, code);
}

static adk_request javascript(const char *code)
{
    return request_for(ADK_LANGUAGE_JAVASCRIPT, code);
}

/* Runs it and returns what it wrote, which the caller frees; it exits with 0, and its standard error is empty. */
static char *said_by(adk_backend *backend, const adk_request *request)
{
    adk_result *result = adk_test_execute(backend, request, NULL);
    adk_bytes out = adk_result_stdout(result).head;
    char *text;

    adk_test_expect(result, ADK_OUTCOME_EXITED);
    assert_bytes_are(adk_result_stderr(result).head, "");
    assert_int_equal(adk_result_exit_code(result), 0);
    text = calloc(1, out.size + 1);
    assert_non_null(text);
    if (out.size > 0)
        memcpy(text, out.data, out.size);
    adk_result_free(result);
    return text;
}

static void expect_said(const adk_request *request, const char *expected)
{
    char *text = said_by(shared, request);

    assert_string_equal(text, expected);
    free(text);
}

/* ---- what a program finds of the host ------------------------------------------------------------------------------ */

/* Each line says what was found; there is to be none but the last. */
static const char python_looks[] =
    "import os, sys\n"
    "if os.environ or os.environb: print('environment', dict(os.environ))\n"
    "if os.listdir('/'): print('files', os.listdir('/'))\n"
    "for path in ('/.adk', '/.adk/run', '/.adk/driver.py', '/proc/self/status', '/etc/passwd', '/dev/null', '/tmp',\n"
    "             '../../../../etc/passwd', '/../etc/passwd'):\n"
    "    if os.path.lexists(path): print('there is', path)\n"
    "    try: open(path).read(); print('read', path)\n"
    "    except OSError: pass\n"
    "for fd in range(3, 256):\n"
    "    try: kind = os.fstat(fd)\n"
    "    except OSError: continue\n"
    "    import stat\n"
    "    if not stat.S_ISDIR(kind.st_mode): print('descriptor', fd, kind)\n"
    "for name in ('fork', 'kill', 'system', 'execv', 'posix_spawn', 'popen', 'getppid', 'getuid', 'setuid'):\n"
    "    try: getattr(os, name)(*{'kill': (1, 0), 'system': ('id',), 'popen': ('id',), 'setuid': (0,),\n"
    "         'execv': ('/bin/sh', ['sh']), 'posix_spawn': ('/bin/sh', ['sh'], {})}.get(name, ())); print('did', "
    "name)\n"
    "    except (AttributeError, OSError, NotImplementedError): pass\n"
    "try:\n"
    "    import subprocess; subprocess.run(['/bin/sh', '-c', 'id']); print('did run')\n"
    "except (OSError, ImportError): pass\n"
    "try:\n"
    "    import socket; socket.socket(); print('has a socket')\n"
    "except (OSError, ImportError, AttributeError): pass\n"
    "try:\n"
    "    import threading; threading.Thread(target=print).start(); print('has a thread')\n"
    "except RuntimeError: pass\n"
    "try:\n"
    "    import ctypes; ctypes.CDLL(None); print('has a library')\n"
    "except (OSError, ImportError, TypeError): pass\n"
    "if sys.path[1:] and any('adk' in part for part in sys.path): print('path', sys.path)\n"
    "if any('ADK' in str(name) or 'DRIVER' in str(name) for name in globals()): print('names', list(globals()))\n"
    "print('nothing')\n";

static const char javascript_looks[] =
    "const names = Object.keys(std.getenviron());\n"
    "if (names.length) print('environment', names);\n"
    "const tree = os.readdir('/')[0].filter((name) => name !== '.' && name !== '..' && name !== '<script>');\n"
    "if (tree.length) print('files', tree);\n"
    "for (const path of ['/.adk', '/.adk/run', '/.adk/driver.js', '/proc/self/status', '/etc/passwd', '/dev/null',\n"
    "                    '../../../../etc/passwd', '/../etc/passwd']) {\n"
    "    if (os.stat(path)[1] === 0) print('there is', path);\n"
    "    if (std.open(path, 'r') !== null) print('opened', path);\n"
    "}\n"
    "for (const name of ['exec', 'fork', 'kill', 'pipe', 'Worker', 'waitpid', 'dup']) {\n"
    "    try { if (os[name] !== undefined && os[name](['id']) >= 0) print('did', name); } catch (error) { }\n"
    "}\n"
    "try { if (std.popen !== undefined && std.popen('id', 'r') !== null) print('did popen'); } catch (error) { }\n"
    "try { if (std.urlGet !== undefined) { std.urlGet('http://127.0.0.1/'); print('did get'); } } catch (error) { }\n"
    "for (const name of Object.getOwnPropertyNames(globalThis))\n"
    "    if (/adk|driver/i.test(name)) print('name', name);\n"
    "print('nothing');\n";

static void test_nothing_of_the_host(void **state)
{
    const adk_request requests[] = {python(python_looks), javascript(javascript_looks)};

    (void)state;
    need_interpreters();
    for (size_t i = 0; i < 2; i++) {
        expect_said(&requests[i], "nothing\n");
        expect_said(&requests[i], "nothing\n");
    }
}

static void test_what_the_result_says(void **state)
{
    const adk_request requests[] = {python("print(1)"), javascript("print(1)")};
    const char *const words[] = {
        "\"backend\":\"python\",\"language\":\"python\",\"isolation\":\"wasm+process\"",
        "\"backend\":\"javascript\",\"language\":\"javascript\",\"isolation\":\"wasm+process\""};
    adk_backend *cold;

    (void)state;
    need_interpreters();
    cold = backend_with(ADK_RUNTIME_IN_PROCESS, true);
    for (size_t i = 0; i < 4; i++) {
        adk_result *result = adk_test_execute(i < 2 ? shared : cold, &requests[i % 2], NULL);
        char *report = NULL;

        adk_test_expect(result, ADK_OUTCOME_EXITED);
        assert_int_equal(adk_report_json(result, NULL, &report, NULL), ADK_OK);
        assert_non_null(strstr(report, i < 2 ? words[i] : "\"isolation\":\"wasm\""));
        adk_free(report);
        adk_result_free(result);
    }
    adk_backend_free(cold);
}

static void test_walls(void **state)
{
    const uint32_t least = ADK_WALL_NO_NEW_PRIVILEGES | ADK_WALL_SYSTEM_CALLS | ADK_WALL_LIMITS;
    adk_wasm_options wasm = adk_test_options_with(adk_test_program("adk-worker"));
    adk_runtime_options options = ADK_RUNTIME_OPTIONS_INIT;
    adk_backend *backend = NULL;
    uint32_t walls = 0;

    (void)state;
    need_interpreters();
    wasm.disk_cache_cstr = cache;
    wasm.disk_key_cstr = key;
    options.directory_cstr = runtimes;
    options.wasm = &wasm;
    assert_int_equal(adk_runtime_backend_new(adk_runtime_find("javascript"), &options, &backend, NULL), ADK_OK);
    assert_int_equal(adk_worker_walls(backend, &walls, NULL), ADK_OK);
    assert_int_equal(walls & least, least);
    adk_backend_free(backend);
}

/* ---- what it finds of another run ---------------------------------------------------------------------------------- */

static void test_nothing_of_the_run_before(void **state)
{
    static const char python_leaves[] =
        "import builtins, json, os, random, sys, math\n"
        "builtins.left = json.left = sys.left = math.left = 1\n"
        "json.dumps = print = None\n"
        "sys.modules['evil'] = json\nsys.path.append('/evil')\nsys.setrecursionlimit(77)\n"
        "os.environ['LEFT'] = '1'\nopen('/left', 'w').write('x')\nos.mkdir('/dir')\nos.chdir('/dir')\n"
        "random.seed(1)\nsys.excepthook = None\nbuiltins.abs = lambda x: 7\n"
        "import decimal, atexit; decimal.getcontext().prec = 3\n";
    static const char python_finds[] =
        "import builtins, json, os, random, sys, math\n"
        "print([hasattr(thing, 'left') for thing in (builtins, json, sys, math)], json.dumps([1]), 'evil' in "
        "sys.modules,\n"
        "      '/evil' in sys.path, sys.getrecursionlimit() == 77, dict(os.environ), os.listdir('/'), os.getcwd(),\n"
        "      random.random() == 0.13436424411240122, abs(-2), 'decimal' in sys.modules)\n";
    static const char javascript_leaves[] =
        "globalThis.left = 1; Array.prototype.left = 1; JSON.stringify = Math.random = () => 4; std.setenv('LEFT', "
        "'1');\n"
        "const f = std.open('/left', 'w'); f.puts('x'); f.close(); os.mkdir('/dir'); os.chdir('/dir');\n"
        "Object.defineProperty(Object.prototype, 'get', {value: 1}); console.log = null;\n";
    static const char javascript_finds[] = "console.log(typeof left, [].left, JSON.stringify([1]), Math.random() === "
                                           "4, Object.keys(std.getenviron()).length,\n"
                                           "            os.stat('/left')[1] !== 0, os.getcwd()[0], ({}).get);\n";
    const adk_request leave[] = {python(python_leaves), javascript(javascript_leaves)};
    const adk_request find[] = {python(python_finds), javascript(javascript_finds)};

    (void)state;
    need_interpreters();
    for (int i = 0; i < 3; i++) {
        expect_said(&leave[0], "");
        expect_said(&find[0], "[False, False, False, False] [1] False False False {} [] / False 2 False\n");
        expect_said(&leave[1], "");
        expect_said(&find[1], "undefined undefined [1] false 0 true / undefined\n");
    }
}

/* ---- chance -------------------------------------------------------------------------------------------------------- */

static const char python_chance[] = "import os, random, uuid, secrets, tempfile\n"
                                    "print(random.random(), random.SystemRandom().random(), os.urandom(8).hex(),\n"
                                    "      uuid.uuid4(), secrets.token_hex(8), random.Random().random())\n";
static const char javascript_chance[] = "print(Math.random(), Math.random(), Math.floor(Math.random() * 2 ** 32))\n";

struct chance {
    adk_request request;
    char *said[RUNS];
};

static void *take_chances(void *data)
{
    struct chance *chance = data;

    for (size_t i = 0; i < RUNS; i++)
        chance->said[i] = said_by(shared, &chance->request);
    return NULL;
}

/* No word of one run is a word of another. */
static void expect_all_different(struct chance *chances, size_t count)
{
    for (size_t i = 0; i < count * RUNS; i++) {
        char *mine = chances[i / RUNS].said[i % RUNS];
        char *rest = NULL;

        for (char *word = strtok_r(mine, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
            for (size_t k = i + 1; k < count * RUNS; k++)
                assert_null(strstr(chances[k / RUNS].said[k % RUNS], word));
        }
    }
}

static void test_no_stream_twice(void **state)
{
    const adk_request requests[] = {python(python_chance), javascript(javascript_chance)};

    (void)state;
    need_interpreters();
    for (size_t language = 0; language < 2; language++) {
        struct chance chances[2] = {{requests[language], {NULL}}, {requests[language], {NULL}}};
        pthread_t threads[2];

        for (size_t i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, take_chances, &chances[i]), 0);
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        expect_all_different(chances, 2);
        for (size_t i = 0; i < 2 * RUNS; i++)
            free(chances[i / RUNS].said[i % RUNS]);
    }
}

/* A module's generator is seeded when it is asked for: whoever else held it would go on with the image's. */
static void test_nobody_has_the_images_generator(void **state)
{
    const adk_request request = python(
        "import sys, random\n"
        "kept = {id(random._inst)}\n"
        "print([name for name, module in sys.modules.items() if module is not random and\n"
        "       any(id(thing) in kept or id(getattr(thing, '__self__', None)) in kept\n"
        "           for thing in vars(module).values())], type(random), random.seed.__self__ is random._inst)\n");

    (void)state;
    need_interpreters();
    expect_said(&request, "[] <class 'module'> True\n");
}

/* Counts of references are those of immortal objects for what the image has, and for nothing else. */
static void test_what_lives_for_ever(void **state)
{
    const adk_request request = python(
        "import sys, json, weakref\n"
        "class Own: pass\n"
        "own = Own()\n"
        "gone = []\n"
        "end = weakref.finalize(own, gone.append, 1)\n"
        "print(sys.getrefcount(json) == sys.getrefcount(None), sys.getrefcount(own), sys.getrefcount(Own) < 20)\n"
        "del own\n"
        "print(gone, [sys.getrefcount(object()) for _ in range(2)])\n"
        "x = sys.modules.pop('json')\n"
        "import json\n"
        "print(x is json, json.loads('[1]'))\n");

    (void)state;
    need_interpreters();
    expect_said(&request, "True 2 True\n[1] [1, 1]\nFalse [1]\n");
}

/* Equal requests with a seed are equal runs, in whatever image, hash order included; and there are other seeds. */
static void test_seeds(void **state)
{
    static const char more[] = "import os, random, uuid, time\n"
                               "print(random.random(), os.urandom(8).hex(), uuid.uuid4(), hash('word'), time.time(),\n"
                               "      list({str(i) for i in range(50)}))\n";
    adk_request requests[] = {python(more), javascript("print(Math.random(), Date.now())")};
    adk_backend *other;

    (void)state;
    need_interpreters();
    other = backend_with(0, true);
    for (size_t i = 0; i < 2; i++) {
        char *said[4];

        requests[i].flags |= ADK_REQUEST_SEED | ADK_REQUEST_CLOCK;
        requests[i].clock_start_ns = UINT64_C(1700000000) * SECOND;
        for (size_t k = 0; k < 4; k++) {
            requests[i].random_seed = k == 3 ? 8 : 7;
            said[k] = said_by(k == 1 ? other : shared, &requests[i]);
        }
        assert_string_equal(said[0], said[1]);
        assert_string_equal(said[0], said[2]);
        assert_string_not_equal(said[0], said[3]);
        for (size_t k = 0; k < 4; k++)
            free(said[k]);
    }
    adk_backend_free(other);
}

/* ---- a crash ------------------------------------------------------------------------------------------------------- */

/* The process that has nothing but a run to do: of all that descend from this one, the last that was started. */
static pid_t find_run(void)
{
    pid_t parents[64] = {getpid()};
    size_t count = 1;
    pid_t last = 0;

    for (size_t at = 0; at < count && count < 60; at++) {
        char path[64];
        int child;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parents[at], parents[at]);
        file = fopen(path, "re");
        while (file != NULL && count < 60 && fscanf(file, "%d", &child) == 1)
            parents[count++] = child;
        if (file != NULL)
            (void)fclose(file);
    }
    for (size_t at = 1; at < count; at++) {
        char path[64];
        char line[512] = "";
        char state = 0;
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", parents[at]);
        file = fopen(path, "re");
        if (file == NULL)
            continue;
        if (fgets(line, sizeof(line), file) != NULL && strrchr(line, ')') != NULL &&
            sscanf(strrchr(line, ')'), ") %c", &state) == 1 && state == 'R')
            last = parents[at];
        (void)fclose(file);
    }
    return last;
}

/* From the run's own callback, once it spins, which no other process does for long: a signal that is not the library's. */
static int kill_run(void *data, adk_bytes bytes)
{
    const struct timespec pause = {0, 2000000};
    uint64_t end_ns = adk_test_now_ns() + 60 * SECOND;
    pid_t *killed = data;
    unsigned looks = 0;

    (void)bytes;
    while (looks < 30 && adk_test_now_ns() < end_ns) {
        pid_t found = find_run();

        looks = found != 0 && found == *killed ? looks + 1 : 0;
        *killed = found;
        (void)nanosleep(&pause, NULL);
    }
    assert_int_not_equal(*killed, 0);
    (void)kill(*killed, SIGSEGV);
    (void)kill(*killed, SIGKILL);
    return 0;
}

/* Who has crashed may have learned where things lie: the next run finds another image, with another secret in its hashes. */
static void test_a_crash_renews_the_image(void **state)
{
    adk_request ask = python("print(hash('a word'), id(object()) != 0)");
    adk_request spin = python("print('spinning')\nwhile True: pass\n");
    adk_result *result;
    pid_t killed = 0;
    char *before;
    char *again;
    char *after;

    (void)state;
    need_interpreters();
    before = said_by(shared, &ask);
    again = said_by(shared, &ask);
    assert_string_equal(before, again);
    spin.timeout_ns = 90 * SECOND;
    spin.on_stdout = kill_run;
    spin.stream_data = &killed;
    result = adk_test_execute(shared, &spin, NULL);
    adk_test_expect(result, ADK_OUTCOME_SIGNALED);
    assert_bytes_are(adk_result_stdout(result).head, "spinning\n");
    adk_result_free(result);
    after = said_by(shared, &ask);
    assert_string_not_equal(before, after);
    free(before);
    free(again);
    free(after);
}

/* ---- what a request may not bring ---------------------------------------------------------------------------------- */

static void test_the_drivers_files(void **state)
{
    static const char *const paths[] = {"/.adk/run", "/.adk/words", "//.adk/driver.py/", "/.adk"};
    adk_backend *backends[2];

    (void)state;
    need_interpreters();
    backends[0] = shared;
    backends[1] = backend_with(ADK_RUNTIME_IN_PROCESS, true);
    for (size_t i = 0; i < 8; i++) {
        const adk_file file = {adk_bytes_from_cstr(paths[i % 4]), BYTES("print('evil')"), NULL};
        adk_request request = python("print('good')");
        adk_result *result = NULL;
        adk_error *error = NULL;

        request.files = &file;
        request.files_count = 1;
        assert_int_equal(adk_backend_execute(backends[i / 4], &request, NULL, &result, &error), ADK_E_INVALID);
        assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), "/.adk");
        adk_error_free(error);
    }
    adk_backend_free(backends[1]);
}

/* ---- files that are not as pinned ---------------------------------------------------------------------------------- */

static void flip_a_bit(const char *path, off_t at)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte = 0;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

/* Not one byte of another module is compiled, warm or cold; code that was compiled from the right one goes on. */
static void test_a_module_that_is_not_as_pinned(void **state)
{
    adk_request request = javascript("print(1)");
    char *path = NULL;
    adk_result *result = NULL;
    adk_error *error = NULL;
    char *text;

    (void)state;
    need_interpreters();
    assert_int_equal(adk_runtime_path(adk_runtime_find("javascript"), runtimes, &path, NULL), ADK_OK);
    flip_a_bit(path, 700000);
    for (uint32_t flags = 0; flags < 2; flags++) {
        adk_backend *backend = backend_with(flags == 0 ? 0 : ADK_RUNTIME_IN_PROCESS, false);

        assert_int_equal(adk_backend_execute(backend, &request, NULL, &result, &error), ADK_E_UNAVAILABLE);
        assert_bytes_have(adk_bytes_from_cstr(adk_error_message_cstr(error)), "not as pinned");
        adk_error_free(error);
        error = NULL;
        adk_backend_free(backend);
    }
    text = said_by(shared, &request);
    assert_string_equal(text, "1\n");
    free(text);
    flip_a_bit(path, 700000);
    adk_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_of_the_host),
        cmocka_unit_test(test_what_the_result_says),
        cmocka_unit_test(test_walls),
        cmocka_unit_test(test_nothing_of_the_run_before),
        cmocka_unit_test(test_no_stream_twice),
        cmocka_unit_test(test_nobody_has_the_images_generator),
        cmocka_unit_test(test_what_lives_for_ever),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_a_crash_renews_the_image),
        cmocka_unit_test(test_the_drivers_files),
        cmocka_unit_test(test_a_module_that_is_not_as_pinned),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
