/*
 * The values of options, from text and to text: durations, sizes, times, numbers.
 *
 * All parsers are strict: no sign, no space, nothing before or after. They return NULL and write *ret_x, or return a
 * phrase that says what is wrong with the text, for a message such as `--timeout: "5" needs a unit`; then nothing
 * is written. The phrase for a number beyond 64 bits is cli_too_large itself: who knows of a bound names that.
 */
#ifndef ADK_CLI_VALUES_H
#define ADK_CLI_VALUES_H

#include <stddef.h>
#include <stdint.h>

extern const char cli_too_large[];

/** Decimal digits and nothing else, 0 to 2^64 - 1. */
const char *cli_number_from_text(const char *text, uint64_t *ret_number);

/** "1ns", "5us", "500ms", "2s", "1.5m": whole nanoseconds, exactly. */
const char *cli_duration_from_text(const char *text, uint64_t *ret_ns);

/** "64MiB", "1KiB", "2GiB", "100B", "100". */
const char *cli_size_from_text(const char *text, uint64_t *ret_bytes);

/** "2024-02-29T12:00:00.5+01:00", or digits alone: nanoseconds since 1970, at most 2^63 - 1. */
const char *cli_time_from_text(const char *text, uint64_t *ret_ns);

/** Room for what the formatters below write, its NUL included. */
#define CLI_FIGURE_SIZE 32

/** "30s", "500ms", "1.5s": the largest unit that fits, exact. Returns `text`. */
const char *cli_duration_to_text(uint64_t ns, char text[CLI_FIGURE_SIZE]);

/** The same, rounded down to three or more figures: "12.3ms". Returns `text`. */
const char *cli_duration_to_short_text(uint64_t ns, char text[CLI_FIGURE_SIZE]);

/** "64MiB", "100B": the largest unit in which it is a whole number. Returns `text`. */
const char *cli_size_to_text(uint64_t bytes, char text[CLI_FIGURE_SIZE]);

#endif
