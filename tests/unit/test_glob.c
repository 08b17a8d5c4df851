/* Patterns: what they mean, that a simple matcher means the same, and that no name makes them slow. */
#include "support.h"

#include "base/glob.h"

static bool matches(const char *pattern, const char *path)
{
    return adk__glob_match(pattern, strlen(pattern), path, strlen(path));
}

static void expect(const char *pattern, const char *path, bool expected)
{
    if (matches(pattern, path) != expected)
        fail_msg("\"%s\" and \"%s\": not %s", pattern, path, expected ? "a match" : "no match");
}

/* ---- what they mean ----------------------------------------------------------------------------------------------- */

static void test_what_is_a_pattern(void **state)
{
    (void)state;
    assert_true(adk__glob_is_pattern("*", 1));
    assert_true(adk__glob_is_pattern("a/b?", 4));
    assert_true(adk__glob_is_pattern("\0*", 2));
    assert_false(adk__glob_is_pattern("a/[b]{c}\\", 9));
    assert_false(adk__glob_is_pattern("a*", 1));
    assert_false(adk__glob_is_pattern("", 0));
}

static void test_literals(void **state)
{
    (void)state;
    expect("a", "a", true);
    expect("a", "b", false);
    expect("a", "", false);
    expect("", "", true);
    expect("", "a", false);
    expect("ab", "a", false);
    expect("a", "ab", false);
    expect("[a]\\", "[a]\\", true);
    expect("[a]", "a", false);
    expect("\\*", "\\x", true);
    expect("\xff\x80", "\xff\x80", true);
    assert_true(adk__glob_match("a\0b", 3, "a\0b", 3));
    assert_false(adk__glob_match("a\0b", 3, "a\0c", 3));
}

static void test_question_marks(void **state)
{
    (void)state;
    expect("?", "a", true);
    expect("?", "", false);
    expect("?", "ab", false);
    expect("?", "?", true);
    expect("?", "*", true);
    expect("?", "/", false);
    expect("a?b", "a/b", false);
    expect("a?b", "a\nb", true);
    expect("?", "\xff", true);
    expect("?", "\xc3\xa4", false); /* bytes, not characters */
    expect("??", "\xc3\xa4", true);
}

static void test_stars(void **state)
{
    (void)state;
    expect("*", "", true);
    expect("*", "a", true);
    expect("*", "abc", true);
    expect("*", "*", true);
    expect("*.png", ".png", true);
    expect("*.png", "a.png", true);
    expect("*.png", "a.png.png", true);
    expect("*.png", "a.pngx", false);
    expect("*.png", "dir/a.png", false);
    expect("a*b*c", "abc", true);
    expect("a*b*c", "aXbYbZc", true);
    expect("a*b*c", "aXcYb", false);
    expect("a*c", "a/c", false);
    expect("dir/*", "dir/a", true);
    expect("dir/*", "dir", false);
    expect("*/b", "a/b", true);
    expect("*/b", "b", false);
    expect("*?", "a", true);
    expect("*?", "", false);
    expect("?*?", "ab", true);
}

static void test_double_stars(void **state)
{
    (void)state;
    expect("**", "", true);
    expect("**", "a/b/c", true);
    expect("**.png", "a/b/c.png", true);
    expect("**.png", ".png", true);
    expect("a/**", "a/b", true);
    expect("a/**", "a/b/c", true);
    expect("a/**", "a", false);
    expect("a/**/c", "a/b/c", true);
    expect("a/**/c", "a/b/b/c", true);
    expect("a/**/c", "a/c", false); /* any bytes between two slashes, not "any directories" */
    expect("a**c", "a/b/c", true);
    expect("a**c", "ac", true);
    expect("***", "a/b", true);
    expect("a***b", "a/x/b", true);
    expect("****", "/", true);
    expect("*?*", "a/b", true);   /* the directory "a" */
    expect("*?*b", "a/b", false); /* two stars that do not touch are two single ones */
}

static void test_what_is_beneath_a_match_matches(void **state)
{
    (void)state;
    expect("o*", "out/a", true);
    expect("o*", "out/a/b/c", true);
    expect("o*", "in/out", false);
    expect("?", "a/b", true);
    expect("?", "ab/c", false);
    expect("*/x", "a/x/y", true);
    expect("*/x", "a/xy/z", false);
    expect("**/x", "a/b/x/y/z", true);
    expect("a", "a/b", true);
    expect("a", "ab/c", false);
    expect("*", "a/b", true);
    expect("*.d", "a.d/b.c/d", true);
}

/* ---- the same as a simple one ------------------------------------------------------------------------------------- */

#define SMALL 12

/* fits[p][s]: what is left of the pattern from p on matches what is left of the path from s on. */
static bool simple_matches(const char *pattern, size_t pattern_size, const char *path, size_t path_size)
{
    bool fits[SMALL + 1][SMALL + 1];

    for (size_t p = pattern_size + 1; p-- > 0;) {
        for (size_t s = path_size + 1; s-- > 0;) {
            bool more = s < path_size;

            if (p == pattern_size)
                fits[p][s] = !more || path[s] == '/'; /* a directory above it */
            else if (p + 1 < pattern_size && pattern[p] == '*' && pattern[p + 1] == '*')
                fits[p][s] = fits[p + 2][s] || (more && fits[p][s + 1]);
            else if (pattern[p] == '*' && p > 0 && pattern[p - 1] == '*')
                fits[p][s] = fits[p + 1][s] || (more && fits[p][s + 1]); /* the third of three */
            else if (pattern[p] == '*')
                fits[p][s] = fits[p + 1][s] || (more && path[s] != '/' && fits[p][s + 1]);
            else if (pattern[p] == '?')
                fits[p][s] = more && path[s] != '/' && fits[p + 1][s + 1];
            else
                fits[p][s] = more && path[s] == pattern[p] && fits[p + 1][s + 1];
        }
    }
    return fits[0][0];
}

static uint64_t random_state = 0x9E3779B97F4A7C15;

static size_t random_below(size_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % bound);
}

static size_t random_text(char *text, const char *letters)
{
    size_t size = random_below(SMALL + 1);

    for (size_t i = 0; i < size; i++)
        text[i] = letters[random_below(strlen(letters))];
    return size;
}

static void test_a_simple_matcher_says_the_same(void **state)
{
    size_t rounds = adk_test_under_valgrind() ? 20000 : 1000000;
    size_t found = 0;

    (void)state;
    for (size_t i = 0; i < rounds; i++) {
        char pattern[SMALL];
        char path[SMALL];
        size_t pattern_size = random_text(pattern, i % 2 == 0 ? "aab/*?" : "a/**");
        size_t path_size = random_text(path, i % 3 == 0 ? "ab/" : "aaab/*");
        bool expected = simple_matches(pattern, pattern_size, path, path_size);

        found += expected;
        if (adk__glob_match(pattern, pattern_size, path, path_size) != expected)
            fail_msg("\"%.*s\" and \"%.*s\": not %s", (int)pattern_size, pattern, (int)path_size, path,
                     expected ? "a match" : "no match");
    }
    assert_true(found > rounds / 100 && found < rounds); /* both answers were met */
}

/* ---- never slow --------------------------------------------------------------------------------------------------- */

#define LONG 4096

static void expect_soon(const char *pattern, size_t pattern_size, const char *path, bool expected)
{
    uint64_t start = adk_test_now_ns();

    assert_int_equal(adk__glob_match(pattern, pattern_size, path, LONG), expected);
    assert_true(adk_test_now_ns() - start < 5 * SECOND + 10 * adk_test_slack_ns());
}

/* A matcher that goes back takes 4096^n steps for n stars. */
static void test_stars_against_long_names(void **state)
{
    static char pattern[LONG];
    static char path[LONG];

    (void)state;
    memset(path, 'a', LONG);
    memset(pattern, '*', LONG);
    expect_soon(pattern, LONG, path, true);
    pattern[LONG - 1] = 'b';
    expect_soon(pattern, LONG, path, false);
    for (size_t i = 0; i < LONG; i++)
        pattern[i] = i % 2 == 0 ? '*' : 'a';
    expect_soon(pattern, LONG, path, true);
    pattern[LONG - 1] = 'b';
    expect_soon(pattern, LONG, path, false);
    for (size_t i = 0; i < LONG; i++)
        pattern[i] = i % 3 == 2 ? 'a' : '*';
    pattern[LONG - 1] = 'b';
    for (size_t i = 0; i < LONG; i += 2)
        path[i] = '/';
    expect_soon(pattern, LONG, path, false);
    memset(pattern, '?', LONG);
    expect_soon(pattern, LONG, path, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_a_pattern),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_question_marks),
        cmocka_unit_test(test_stars),
        cmocka_unit_test(test_double_stars),
        cmocka_unit_test(test_what_is_beneath_a_match_matches),
        cmocka_unit_test(test_a_simple_matcher_says_the_same),
        cmocka_unit_test(test_stars_against_long_names),
    };

    return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
