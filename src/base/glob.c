/*
 * Patterns. The pattern is run as an automaton whose states are its positions: each byte of the path moves the whole set
 * of states at once, so there is nothing to go back to.
 */
#include "base/glob.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool adk__glob_is_pattern(const char *pattern, size_t pattern_size)
{
    return memchr(pattern, '*', pattern_size) != NULL || memchr(pattern, '?', pattern_size) != NULL;
}

static bool is_star(const char *pattern, size_t pattern_size, size_t at)
{
    return at < pattern_size && pattern[at] == '*';
}

/* A star may also stand for nothing: whoever is before it is behind it as well. */
static void pass_stars(const char *pattern, size_t pattern_size, unsigned char *states)
{
    for (size_t at = 0; at < pattern_size; at++) {
        if (states[at] && is_star(pattern, pattern_size, at))
            states[at + 1] = 1;
    }
}

/* From the last state to the first, so that each is read before it is written. False where none is left. */
static bool step(const char *pattern, size_t pattern_size, unsigned char *states, char byte)
{
    bool alive = false;

    for (size_t at = pattern_size + 1; at-- > 0;) {
        bool was = states[at] != 0;
        bool doubled = is_star(pattern, pattern_size, at) &&
                       (is_star(pattern, pattern_size, at + 1) || (at > 0 && is_star(pattern, pattern_size, at - 1)));

        states[at] = was && is_star(pattern, pattern_size, at) && (byte != '/' || doubled);
        if (was && at < pattern_size && (pattern[at] == byte || (pattern[at] == '?' && byte != '/')) &&
            !is_star(pattern, pattern_size, at)) {
            states[at + 1] = 1;
            alive = true;
        }
        alive = alive || states[at] != 0;
    }
    return alive;
}

int adk__glob_match(const char *pattern, size_t pattern_size, const char *path, size_t path_size)
{
    unsigned char *states = calloc(pattern_size + 1, 1);
    bool alive = true;
    bool matches;

    if (states == NULL)
        return -ENOMEM;
    states[0] = 1;
    pass_stars(pattern, pattern_size, states);
    for (size_t i = 0; alive && i < path_size && !(path[i] == '/' && states[pattern_size] != 0); i++) {
        alive = step(pattern, pattern_size, states, path[i]);
        pass_stars(pattern, pattern_size, states);
    }
    matches = states[pattern_size] != 0;
    free(states);
    return matches;
}
