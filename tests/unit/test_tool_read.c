/*
 * src/tool: what an answer shows, what is kept of a result, and reading on in it; modules by name.
 */
#include "tool.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool/tool.h"

static adk_backend *backend;

static int set_up(void **state)
{
    (void)state;
    backend = tool_backend();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    adk_backend_free(backend);
    return 0;
}

static adk_tool *new_tool(const adk_tool_options *options)
{
    adk_tool *tool = NULL;

    assert_int_equal(adk_tool_new(backend, options, &tool, NULL), ADK_OK);
    return tool;
}

static json_t *run(adk_tool *tool, const char *code)
{
    char arguments[100];

    (void)snprintf(arguments, sizeof(arguments), "{\"language\":\"wasm\",\"code\":\"%s\"}", code);
    return tool_call(tool, arguments);
}

/* `more` is what stands behind the handle. */
static json_t *read_on(adk_tool *tool, const json_t *answer, const char *more)
{
    char arguments[300];

    (void)snprintf(arguments, sizeof(arguments), "{\"handle\":\"%s\",%s}", tool_string(answer, "handle"), more);
    return tool_read(tool, arguments);
}

/* ---- streams ------------------------------------------------------------------------------------------------------ */

static void test_long_output_is_shown_short(void **state)
{
    adk_tool *tool = new_tool(NULL);
    json_t *answer = run(tool, "flood");

    (void)state;
    assert_int_equal(strlen(tool_string(answer, "stdout")), 8192);
    assert_int_equal(strlen(tool_string(answer, "stdout_tail")), 8192);
    assert_memory_equal(tool_string(answer, "stdout"), "00000000 \n00000001 \n", 20);
    assert_string_equal(tool_string(answer, "stdout_tail") + 8192 - 10, "00009999 \n");
    assert_int_equal(tool_integer(json_object_get(answer, "bytes"), "stdout"), 100000);
    assert_true(json_is_true(json_object_get(json_object_get(answer, "truncated"), "stdout")));
    assert_int_equal(strlen(tool_string(answer, "handle")), 32);
    json_decref(answer);
    adk_tool_free(tool);
}

/* Follows next_offset to the end; returns how much was read, all of it as it was written. */
static uint64_t read_through(adk_tool *tool, const json_t *answer, uint64_t *ret_dropped)
{
    uint64_t offset = 0;
    uint64_t got = 0;

    *ret_dropped = 0;
    for (;;) {
        char more[100];
        json_t *piece;
        const char *content;

        (void)snprintf(more, sizeof(more), "\"stream\":\"stdout\",\"offset\":%llu,\"size\":30001",
                       (unsigned long long)offset);
        piece = read_on(tool, answer, more);
        assert_string_at(piece, "status", "success");
        assert_string_at(piece, "encoding", "utf-8");
        content = tool_string(piece, "content");
        assert_int_equal(strlen(content), tool_integer(piece, "size"));
        for (size_t i = 0; content[i] != '\0'; i++) {
            char line[16];

            (void)snprintf(line, sizeof(line), "%08d \n", (int)(((uint64_t)tool_integer(piece, "offset") + i) / 10));
            assert_int_equal(content[i], line[((uint64_t)tool_integer(piece, "offset") + i) % 10]);
        }
        got += strlen(content);
        *ret_dropped += (uint64_t)tool_integer(piece, "dropped_bytes");
        assert_int_equal(tool_integer(piece, "total_bytes"), 100000);
        if (json_is_null(json_object_get(piece, "next_offset"))) {
            json_decref(piece);
            return got;
        }
        offset = (uint64_t)tool_integer(piece, "next_offset");
        json_decref(piece);
    }
}

static void test_the_rest_can_be_read(void **state)
{
    adk_tool *tool = new_tool(NULL);
    json_t *answer = run(tool, "flood");
    uint64_t dropped;

    (void)state;
    assert_int_equal(read_through(tool, answer, &dropped), 100000);
    assert_int_equal(dropped, 0);
    json_decref(answer);
    adk_tool_free(tool);
}

static void test_what_was_not_captured_is_stepped_over(void **state)
{
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    adk_tool *tool;
    json_t *answer;
    uint64_t dropped;

    (void)state;
    options.output_limit_bytes = 10000;
    tool = new_tool(&options);
    answer = run(tool, "flood");
    assert_int_equal(read_through(tool, answer, &dropped), 10000 + 65536);
    assert_int_equal(dropped, 100000 - 10000 - 65536);
    json_decref(answer);
    adk_tool_free(tool);
}

static void test_offsets_beyond_the_end(void **state)
{
    adk_tool *tool = new_tool(NULL);
    json_t *answer = run(tool, "flood");
    json_t *piece = read_on(tool, answer, "\"stream\":\"stdout\",\"offset\":9223372036854775807");

    (void)state;
    assert_string_at(piece, "content", "");
    assert_int_equal(tool_integer(piece, "offset"), 100000);
    assert_true(json_is_null(json_object_get(piece, "next_offset")));
    json_decref(piece);
    piece = read_on(tool, answer, "\"stream\":\"stderr\"");
    assert_string_at(piece, "content", "");
    assert_int_equal(tool_integer(piece, "total_bytes"), 0);
    json_decref(piece);
    json_decref(answer);
    adk_tool_free(tool);
}

static void test_bytes_that_are_no_text(void **state)
{
    adk_tool *tool = new_tool(NULL);
    json_t *answer = run(tool, "binary");

    (void)state;
    assert_string_at(answer, "stdout_encoding", "base64");
    assert_string_at(answer, "stdout", "//4A");
    json_decref(answer);
    adk_tool_free(tool);
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static const json_t *file_at(const json_t *answer, size_t index, const char *path)
{
    const json_t *file = json_array_get(json_object_get(answer, "files"), index);

    assert_string_at(file, "path", path);
    return file;
}

static void test_files_come_back(void **state)
{
    adk_tool *tool = new_tool(NULL);
    json_t *answer = run(tool, "files");
    const json_t *file;
    json_t *piece;

    (void)state;
    assert_int_equal(json_array_size(json_object_get(answer, "files")), 5);
    file = file_at(answer, 0, "/out/text");
    assert_string_at(file, "content", "h\xc3\xa9llo");
    file = file_at(answer, 1, "/out/plot.png");
    assert_string_at(file, "media_type", "image/png");
    assert_string_at(file, "content", "iVBORw0KGgogYW5kIHNvIG9u");
    assert_null(json_object_get(file, "image"));
    file = file_at(answer, 2, "/out/bin");
    assert_string_at(file, "content", "/wD+");
    file = file_at(answer, 3, "/out/large");
    assert_true(json_is_true(json_object_get(file, "truncated")));
    assert_int_equal(strlen(tool_string(file, "content")), 65536 - 6 - 3);
    assert_int_equal(tool_integer(file, "size"), 200005);
    file = file_at(answer, 4, "/out/\\xff");
    assert_string_at(file, "content", "");
    assert_true(json_is_true(json_object_get(answer, "files_complete")));
    piece = read_on(tool, answer, "\"file\":\"/out/large\",\"offset\":199990,\"size\":100");
    assert_string_at(piece, "content", "xxxxxxxxxx");
    assert_int_equal(tool_integer(piece, "dropped_bytes"), 5);
    assert_true(json_is_null(json_object_get(piece, "next_offset")));
    json_decref(piece);
    piece = read_on(tool, answer, "\"file\":\"/out/\\\\xff\"");
    assert_string_at(piece, "content", "name");
    json_decref(piece);
    piece = read_on(tool, answer, "\"file\":\"/out/plot.png\",\"offset\":1,\"size\":5000000");
    assert_string_at(piece, "content", "PNG\r\n\x1a\n and so on");
    json_decref(piece);
    json_decref(answer);
    adk_tool_free(tool);
}

/* Text is not cut within a character, and reading goes on where it was cut. */
static void test_characters_stay_whole(void **state)
{
    adk_tool *tool = new_tool(NULL);
    json_t *answer = run(tool, "files");
    json_t *piece = read_on(tool, answer, "\"file\":\"/out/text\",\"offset\":1,\"size\":4");

    (void)state;
    assert_string_at(piece, "content", "\xc3\xa9ll");
    json_decref(piece);
    piece = read_on(tool, answer, "\"file\":\"/out/text\",\"offset\":2");
    assert_string_at(piece, "encoding", "base64");
    json_decref(piece);
    json_decref(answer);
    adk_tool_free(tool);
}

static void test_images_stand_apart_for_those_who_want_it(void **state)
{
    adk_tool *tool = new_tool(NULL);
    json_t *arguments = json_pack("{ssss}", "language", "wasm", "code", "files");
    adk__tool_call *call = NULL;
    adk__tool_answer answer = ADK__TOOL_ANSWER_INIT;
    json_t *report;
    adk_result *result = NULL;
    const char *hint;

    (void)state;
    assert_int_equal(adk__tool_call_new(tool, arguments, NULL, true, &call, &hint, NULL), ADK_OK);
    assert_int_equal(adk_backend_execute(backend, &call->request, NULL, &result, NULL), ADK_OK);
    adk__tool_call_drop_inputs(call);
    adk__tool_call_answer(call, ADK_OK, result, NULL, &answer);
    assert_int_equal(answer.report.failed, 0);
    assert_false(answer.is_error);
    report = json_loadb((const char *)answer.report.buf.data, answer.report.buf.size, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(json_array_size(answer.images), 1);
    assert_string_at(json_array_get(answer.images, 0), "mimeType", "image/png");
    assert_string_at(json_array_get(answer.images, 0), "data", "iVBORw0KGgogYW5kIHNvIG9u");
    assert_string_at(file_at(report, 1, "/out/plot.png"), "content", "");
    assert_int_equal(tool_integer(file_at(report, 1, "/out/plot.png"), "image"), 0);
    json_decref(report);
    adk__tool_answer_free(&answer);
    adk__tool_call_free(call);
    json_decref(arguments);
    adk_tool_free(tool);
}

/* ---- what is kept ------------------------------------------------------------------------------------------------- */

static void refuses(adk_tool *tool, const char *arguments, const char *message)
{
    json_t *answer = tool_read(tool, arguments);

    assert_string_at(answer, "status", "error");
    assert_string_at(answer, "message", message);
    json_decref(answer);
}

#define NO_HANDLE "no result has this handle: it is wrong, or the result is no longer kept; run it again"

static void test_wrong_wishes(void **state)
{
    adk_tool *tool = new_tool(NULL);
    json_t *answer = run(tool, "files");
    json_t *piece;

    (void)state;
    refuses(tool, "{}", "missing required field \"handle\"");
    refuses(tool, "[]", "the arguments must be an object");
    refuses(tool, "{", "the arguments are not valid JSON: line 1, column 1: string or '}' expected near end of file");
    refuses(tool, "{\"handle\":1}", "\"handle\" must be a string");
    refuses(tool, "{\"handle\":\"a\"}", "give either \"stream\" or \"file\"");
    refuses(tool, "{\"handle\":\"a\",\"stream\":\"stdout\",\"file\":\"a\"}", "give either \"stream\" or \"file\"");
    refuses(tool, "{\"handle\":\"a\",\"stream\":\"stdin\"}", "\"stream\" must be \"stdout\" or \"stderr\"");
    refuses(tool, "{\"handle\":\"a\",\"file\":1}", "\"file\" must be a string");
    refuses(tool, "{\"handle\":\"a\",\"file\":\"x\",\"offset\":-1}", "\"offset\" must be an integer of at least 0");
    refuses(tool, "{\"handle\":\"a\",\"file\":\"x\",\"size\":3}", "\"size\" must be an integer of at least 4");
    refuses(tool, "{\"handle\":\"a\",\"file\":\"x\",\"more\":3}",
            "unknown argument \"more\"; expected: handle, stream, file, offset, size");
    refuses(tool, "{\"handle\":\"a\",\"file\":\"x\"}", NO_HANDLE);
    refuses(tool, "{\"handle\":\"0123456789abcdef0123456789abcdef\",\"file\":\"x\"}", NO_HANDLE);
    piece = read_on(tool, answer, "\"file\":\"/out\"");
    assert_string_at(piece, "message", "no such file came back from that run");
    json_decref(piece);
    json_decref(answer);
    adk_tool_free(tool);
}

static void test_the_oldest_goes_first(void **state)
{
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    adk_tool *tool;
    json_t *answers[4];

    (void)state;
    options.kept = 3;
    tool = new_tool(&options);
    for (int i = 0; i < 4; i++)
        answers[i] = run(tool, "flood");
    for (int i = 0; i < 4; i++) {
        json_t *piece = read_on(tool, answers[i], "\"stream\":\"stdout\"");

        assert_string_at(piece, "status", i == 0 ? "error" : "success");
        json_decref(piece);
        json_decref(answers[i]);
    }
    adk_tool_free(tool);
}

static void test_bytes_are_bounded_too(void **state)
{
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    adk_tool *tool;
    json_t *answers[3];

    (void)state;
    options.kept_bytes = 250000;
    tool = new_tool(&options);
    for (int i = 0; i < 3; i++)
        answers[i] = run(tool, "flood");
    for (int i = 0; i < 3; i++) {
        json_t *piece = read_on(tool, answers[i], "\"stream\":\"stdout\"");

        assert_string_at(piece, "status", i == 0 ? "error" : "success");
        json_decref(piece);
        json_decref(answers[i]);
    }
    adk_tool_free(tool);
    options.kept_bytes = 50000; /* less than one takes */
    tool = new_tool(&options);
    answers[0] = run(tool, "flood");
    assert_true(json_is_null(json_object_get(answers[0], "handle")));
    json_decref(answers[0]);
    adk_tool_free(tool);
}

/* ---- modules ------------------------------------------------------------------------------------------------------ */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_modules_by_name(void **state)
{
    char directory[] = "/tmp/adk-test-tool-XXXXXX";
    adk_tool_options options = ADK_TOOL_OPTIONS_INIT;
    adk_tool *tool;
    json_t *answer;
    char *text = NULL;

    (void)state;
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chdir(directory), 0);
    write_file("show.wasm", "show");
    write_file(".hidden", "show");
    assert_int_equal(mkdir("dir", 0700), 0);
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_int_equal(symlink("show.wasm", "link"), 0);
    write_file("large", "");
    assert_int_equal(truncate("large", ((off_t)64 << 20) + 1), 0);
    options.modules_cstr = directory;
    tool = new_tool(&options);
    answer = tool_call(tool, "{\"language\":\"wasm\",\"module\":\"show.wasm\",\"args\":[\"x\"]}");
    assert_string_at(
        answer, "stdout",
        "limits 30000000000 ns, 67108864 bytes, output 1048576, outputs 16777216\narg show.wasm\narg x\nstdin \n");
    json_decref(answer);
#define CALL(name) "{\"language\":\"wasm\",\"module\":\"" name "\"}"
#define NO_NAME    "\"module\" must be the name of a module, without a slash and not beginning with a dot"
    tool_refuses(tool, CALL("nothing"), "module \"nothing\" does not exist");
    tool_refuses(tool, CALL("../show.wasm"), NO_NAME);
    tool_refuses(tool, CALL("/etc/passwd"), NO_NAME);
    tool_refuses(tool, CALL(".hidden"), NO_NAME);
    tool_refuses(tool, CALL(".."), NO_NAME);
    tool_refuses(tool, CALL(""), NO_NAME);
    tool_refuses(tool, CALL("a\\u001bb"), NO_NAME);
    tool_refuses(tool, CALL("show.wasm\\u0000"), "\"module\" must not contain NUL characters");
    tool_refuses(tool, CALL("dir"), "module \"dir\" is not a regular file");
    tool_refuses(tool, CALL("fifo"), "module \"fifo\" is not a regular file");
    tool_refuses(tool, CALL("link"), "module \"link\" cannot be opened");
    tool_refuses(tool, CALL("large"), "module \"large\" is larger than a module may be, 64 MiB");
    tool_refuses(tool, "{\"language\":\"python\",\"module\":\"show.wasm\"}",
                 "\"module\" can only be used with language \"wasm\"");
    tool_refuses(tool, "{\"language\":\"wasm\",\"module\":\"show.wasm\",\"code_encoding\":\"text\"}",
                 "\"code_encoding\" cannot be used with \"module\"");
    assert_int_equal(adk_tool_capabilities(tool, &text, NULL), ADK_OK);
    assert_non_null(strstr(text, "\"modules\":[\"large\",\"show.wasm\"]"));
    adk_free(text);
    adk_tool_free(tool);
    tool = new_tool(NULL);
    tool_refuses(tool, CALL("show.wasm"),
                 "\"module\" cannot be used here: there is no directory of modules; give \"code\"");
    adk_tool_free(tool);
    assert_int_equal(
        unlink("show.wasm") | unlink(".hidden") | rmdir("dir") | unlink("fifo") | unlink("link") | unlink("large"), 0);
    assert_int_equal(chdir("/") | rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_output_is_shown_short),
        cmocka_unit_test(test_the_rest_can_be_read),
        cmocka_unit_test(test_what_was_not_captured_is_stepped_over),
        cmocka_unit_test(test_offsets_beyond_the_end),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_files_come_back),
        cmocka_unit_test(test_characters_stay_whole),
        cmocka_unit_test(test_images_stand_apart_for_those_who_want_it),
        cmocka_unit_test(test_wrong_wishes),
        cmocka_unit_test(test_the_oldest_goes_first),
        cmocka_unit_test(test_bytes_are_bounded_too),
        cmocka_unit_test(test_modules_by_name),
    };

    return cmocka_run_group_tests_name("tool_read", tests, set_up, tear_down);
}
