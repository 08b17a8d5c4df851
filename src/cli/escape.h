/*
 * Making bytes that nobody vouches for fit to be seen: names in our own messages, and guest output on a terminal.
 */
#ifndef ADK_CLI_ESCAPE_H
#define ADK_CLI_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <adk/bytes.h>

/** The most that is shown of a name, and of a longer text such as a trap's message. */
#define CLI_NAME_MAX 256
#define CLI_TEXT_MAX 4096

/** A name or text as it may be shown, with room for "..." where it was cut. */
struct cli_name {
    char text[CLI_NAME_MAX + 4];
};
struct cli_text {
    char text[CLI_TEXT_MAX + 4];
};

/**
 * Escapes control characters, invisible ones, those that turn the direction of writing, and what is not UTF-8 as \xNN; cuts at CLI_NAME_MAX (CLI_TEXT_MAX) bytes of output.
 * Returns the text inside `ret_name`.
 */
const char *cli_name(adk_bytes bytes, struct cli_name *ret_name);
const char *cli_name_cstr(const char *name_cstr, struct cli_name *ret_name);
const char *cli_text(adk_bytes bytes, struct cli_text *ret_text);

/** A stream on its way to a terminal; zero to begin with. Holds what cannot be judged before more has come. */
struct cli_visible {
    uint8_t held[4]; /* the beginning of a UTF-8 sequence, or one CR */
    size_t held_size;
};

/** Room that cli_visible_fill() needs at least. */
#define CLI_VISIBLE_ROOM 32

/**
 * Moves bytes from *input to `output` until one is used up: control characters become ^X, what is not UTF-8 and C1
 * controls \xNN; newline, tab and CR before newline pass. Returns how much was written.
 */
size_t cli_visible_fill(struct cli_visible *visible, adk_bytes *input, char *output, size_t output_size);

/** Writes what is still held, at the stream's end. Returns how much was written, at most CLI_VISIBLE_ROOM. */
size_t cli_visible_finish(struct cli_visible *visible, char *output);

#endif
