/* The command's option parser: forms of options and values, where options end, what is refused and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "cli/options.h"

struct settings {
    const char *code;
    const char *text;
    struct cli_list list;
    struct cli_figure timeout;
    struct cli_figure size;
    struct cli_figure number;
    struct cli_figure time;
    bool json;
    bool verbose;
};

static const char *check_text(const char *text)
{
    return strcmp(text, "bad") == 0 ? "is bad" : NULL;
}

#define FIELD(name) offsetof(struct settings, name)

static const struct cli_option options[] = {
    {'c', "code", "CODE", CLI_TEXT, FIELD(code), .ends_options = true, .help = ""},
    {'x', "text", "TEXT", CLI_TEXT, FIELD(text), .check = check_text, .help = ""},
    {'e', "env", "X", CLI_LIST, FIELD(list), .check = check_text, .help = ""},
    {'t', "timeout", "TIME", CLI_DURATION, FIELD(timeout), .least = 1, .help = ""},
    {'m', "memory", "SIZE", CLI_SIZE, FIELD(size), .least = 1, .most = 1048576, .help = ""},
    {'\0', "seed", "N", CLI_NUMBER, FIELD(number), .help = ""},
    {'\0', "clock", "TIME", CLI_TIME, FIELD(time), .help = ""},
    {'\0', "json", NULL, CLI_FLAG, FIELD(json), .help = ""},
    {'v', "verbose", NULL, CLI_FLAG, FIELD(verbose), .help = ""},
};

static const struct cli_option_table table = {"test", options, ADK_COUNT(options)};

#define MOST_WORDS 16

/* An argument vector from words; argv is never const. */
struct line {
    char *argv[MOST_WORDS];
    int argc;
};

static struct line line_of(const char *const *words)
{
    struct line line = {0};

    for (; words[line.argc] != NULL; line.argc++) {
        line.argv[line.argc] = strdup(words[line.argc]);
        assert_non_null(line.argv[line.argc]);
    }
    return line;
}

static void line_free(struct line *line)
{
    for (int i = 0; i < line->argc; i++)
        free(line->argv[i]);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Parses; the texts in the settings are gone afterwards, so `look` sees them first. */
static void parse(const char *const *words, int expected_first, void (*look)(const struct settings *))
{
    struct line line = line_of(words);
    struct settings settings = {0};
    adk_error *error = NULL;
    int first = -1;

    if (cli_options_parse(&table, line.argc, line.argv, &settings, &first, &error) != ADK_OK)
        fail_msg("refused: %s", adk_error_message_cstr(error));
    assert_int_equal(first, expected_first);
    look(&settings);
    cli_list_free(&settings.list);
    line_free(&line);
}

static void refuse(const char *const *words, const char *message)
{
    struct line line = line_of(words);
    struct settings settings = {0};
    adk_error *error = NULL;
    int first = -1;

    assert_int_equal(cli_options_parse(&table, line.argc, line.argv, &settings, &first, &error), ADK_E_INVALID);
    assert_int_equal(adk_error_code(error), ADK_E_INVALID);
    assert_string_equal(adk_error_message_cstr(error), message);
    assert_int_equal(first, -1);
    adk_error_free(error);
    cli_list_free(&settings.list);
    line_free(&line);
}

static void look_two_seconds(const struct settings *settings)
{
    assert_true(settings->timeout.given);
    assert_int_equal(settings->timeout.value, 2000000000);
}

static void look_nothing(const struct settings *settings)
{
    static const struct settings nothing = {0};

    assert_memory_equal(settings, &nothing, sizeof(nothing));
}

static void look_json_verbose(const struct settings *settings)
{
    assert_true(settings->json);
    assert_true(settings->verbose);
    assert_false(settings->timeout.given);
}

static void look_cluster(const struct settings *settings)
{
    look_two_seconds(settings);
    assert_true(settings->verbose);
}

static void look_code(const struct settings *settings)
{
    assert_string_equal(settings->code, "CODE");
    assert_false(settings->verbose);
}

static void look_list(const struct settings *settings)
{
    assert_int_equal(settings->list.count, 3);
    assert_string_equal(settings->list.items[0], "a");
    assert_string_equal(settings->list.items[1], "b");
    assert_string_equal(settings->list.items[2], "a");
}

static void look_empty_text(const struct settings *settings)
{
    assert_non_null(settings->text);
    assert_string_equal(settings->text, "");
}

static void look_dash_text(const struct settings *settings)
{
    assert_string_equal(settings->text, "-v");
    assert_false(settings->verbose);
}

static void test_forms(void **state)
{
    (void)state;
    parse(WORDS("--timeout=2s"), 1, look_two_seconds);
    parse(WORDS("--timeout", "2s"), 2, look_two_seconds);
    parse(WORDS("-t2s"), 1, look_two_seconds);
    parse(WORDS("-t", "2s"), 2, look_two_seconds);
    parse(WORDS("-vt2s"), 1, look_cluster);
    parse(WORDS("-vt", "2s"), 2, look_cluster);
    parse(WORDS("--json", "-v"), 2, look_json_verbose);
    parse(WORDS("-vv", "--json", "--json"), 3, look_json_verbose);
    parse(WORDS("--text="), 1, look_empty_text);
    parse(WORDS("-x", ""), 2, look_empty_text);
    parse(WORDS("-x", "-v"), 2, look_dash_text);
    parse(WORDS("-ea", "--env=b", "--env", "a"), 4, look_list);
    parse(WORDS("-t1s", "-t", "2s"), 3, look_two_seconds);
}

static void test_end(void **state)
{
    (void)state;
    parse(WORDS("FILE", "-v", "--json"), 0, look_nothing);
    parse(WORDS("-", "-v"), 0, look_nothing);
    parse(WORDS("", "-v"), 0, look_nothing);
    parse(WORDS("--", "-v"), 1, look_nothing);
    parse(WORDS("--", "--", "-v"), 1, look_nothing);
    parse(WORDS("-t", "2s", "--", "FILE"), 3, look_two_seconds);
    parse(WORDS("-c", "CODE", "-v"), 2, look_code);
    parse(WORDS("--code=CODE", "--", "-v"), 1, look_code);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse(WORDS("--timout=2s"), "test: unknown option \"--timout\"; did you mean \"--timeout\"?");
    refuse(WORDS("--time", "2s"), "test: unknown option \"--time\"; did you mean \"--timeout\"?");
    refuse(WORDS("--qwertyuiop"), "test: unknown option \"--qwertyuiop\"; see adk-sandbox test --help");
    refuse(WORDS("--=x"), "test: unknown option \"--\"; see adk-sandbox test --help");
    refuse(WORDS("-q"), "test: unknown option \"-q\"; see adk-sandbox test --help");
    refuse(WORDS("-vq"), "test: unknown option \"-q\"; see adk-sandbox test --help");
    refuse(WORDS("-\x1b[m"), "test: unknown option \"-\\x1B\"; see adk-sandbox test --help");
    refuse(WORDS("---v"), "test: unknown option \"---v\"; see adk-sandbox test --help");
    refuse(WORDS("--json=1"), "test: --json: takes no value");
    refuse(WORDS("-v", "-t"), "test: --timeout: value TIME is missing; see adk-sandbox test --help");
    refuse(WORDS("--code"), "test: --code: value CODE is missing; see adk-sandbox test --help");
    refuse(WORDS("-t0s"), "test: --timeout: \"0s\" must be at least 1ns");
    refuse(WORDS("-t", "5"), "test: --timeout: \"5\" needs a unit: ns, us, ms, s or m");
    refuse(WORDS("-m", "2MiB"), "test: --memory: \"2MiB\" must be at most 1MiB");
    refuse(WORDS("--seed=-1"), "test: --seed: \"-1\" is not a whole number");
    refuse(WORDS("--seed="), "test: --seed: \"\" is not a whole number");
    refuse(WORDS("--seed=18446744073709551616"),
           "test: --seed: \"18446744073709551616\" must be at most 18446744073709551615");
    refuse(WORDS("-m99999999999999999999"), "test: --memory: \"99999999999999999999\" must be at most 1MiB");
    refuse(WORDS("-m1.5MiB"),
           "test: --memory: \"1.5MiB\" has a fraction: give a whole number, in a smaller unit if need be");
    refuse(WORDS("-x", "bad"), "test: --text: \"bad\" is bad");
    refuse(WORDS("-e", "a", "-ebad"), "test: --env: \"bad\" is bad");
    refuse(WORDS("--seed=\x1b\xff"), "test: --seed: \"\\x1B\\xFF\" is not a whole number");
}

static bool has_flag(const char *const *words, const char *long_name)
{
    struct line line = line_of(words);
    bool found = cli_options_have_flag(&table, line.argc, line.argv, long_name);

    line_free(&line);
    return found;
}

static bool has_json(const char *const *words)
{
    return has_flag(words, "json");
}

static void test_finding_a_flag(void **state)
{
    (void)state;
    assert_true(has_json(WORDS("--json")));
    assert_true(has_json(WORDS("--nope", "--json", "FILE")));
    assert_true(has_json(WORDS("-q", "--json")));
    assert_true(has_json(WORDS("--json=1")));
    assert_true(has_json(WORDS("-t", "--json", "FILE")));
    assert_true(has_json(WORDS("--json", "-t")));
    assert_false(has_json(WORDS("-t", "2s", "FILE", "--json")));
    assert_false(has_json(WORDS("--", "--json")));
    assert_false(has_json(WORDS("-c", "CODE", "--json")));
    assert_false(has_json(WORDS("--jsonx")));
    assert_false(has_json(WORDS("FILE")));
    assert_true(has_flag(WORDS("--seed=1", "-v"), "verbose"));
    assert_true(has_flag(WORDS("-vx", "text"), "verbose"));
    assert_false(has_flag(WORDS("-xv"), "verbose"));
}

static void test_nearest_name(void **state)
{
    static const char *const names[] = {"run", "doctor", "output-limit", "output-policy"};

    (void)state;
    assert_string_equal(cli_nearest_name("rum", names, ADK_COUNT(names)), "run");
    assert_string_equal(cli_nearest_name("doktor", names, ADK_COUNT(names)), "doctor");
    assert_string_equal(cli_nearest_name("output-polcy", names, ADK_COUNT(names)), "output-policy");
    assert_string_equal(cli_nearest_name("output", names, ADK_COUNT(names)), "output-limit");
    assert_null(cli_nearest_name("", names, ADK_COUNT(names)));
    assert_null(cli_nearest_name("xyz", names, ADK_COUNT(names)));
    assert_null(cli_nearest_name("an option name that is longer than any that there is", names, ADK_COUNT(names)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),          cmocka_unit_test(test_end),          cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_finding_a_flag), cmocka_unit_test(test_nearest_name),
    };

    return cmocka_run_group_tests_name("cli_options", tests, NULL, NULL);
}
