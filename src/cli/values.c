/*
 * Parsers and formatters of option values. All arithmetic is on 64-bit integers and checked: a duration with a
 * fraction is exact or refused, never rounded, because what a limit means must not depend on floating point.
 */
#include "cli/values.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

#define NS_PER_SECOND UINT64_C(1000000000)

struct unit {
    const char *name;
    uint64_t scale;
};

/* Ascending, the formatters count on it. */
static const struct unit duration_units[] = {
    {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", NS_PER_SECOND}, {"m", 60 * NS_PER_SECOND},
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
};

const char cli_too_large[] = "is too large";

static const char not_a_number[] = "is not a whole number";
static const char not_a_duration[] = "is not a duration: give one such as 500ms, 2s or 1m";
static const char not_a_size[] = "is not a size: give one such as 65536, 512KiB or 64MiB";
static const char not_a_time[] = "is not a time: give one such as 2024-02-29T12:00:00Z, or nanoseconds since 1970";
static const char too_late[] = "is too late: clocks end in April 2262";

/* isdigit() answers by locale and takes an int with traps of its own. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits at *cursor, at least one, and moves it behind them; where there is none, `wrong` is what is wrong. */
static const char *read_digits(const char **cursor, const char *wrong, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *at = *cursor;

    if (!is_digit(*at))
        return wrong;
    for (; is_digit(*at); at++) {
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return cli_too_large;
    }
    *cursor = at;
    *ret_number = number;
    return NULL;
}

static const struct unit *find_unit(const struct unit *units, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

const char *cli_number_from_text(const char *text, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *wrong = read_digits(&text, not_a_number, &number);

    if (wrong != NULL)
        return wrong;
    if (*text != '\0')
        return not_a_number;
    *ret_number = number;
    return NULL;
}

/*
 * Adds the fraction's digits, each worth a tenth of the one before. A digit that is worth no whole number of
 * nanoseconds is refused; zeros may go on for ever.
 */
static const char *add_fraction(const char *digits, size_t count, uint64_t scale, uint64_t *total)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t worth = scale % 10 == 0 ? scale / 10 : 0;
        uint64_t digit = (uint64_t)(digits[i] - '0');

        if (digit != 0 && worth == 0)
            return "is finer than a nanosecond";
        if (__builtin_add_overflow(*total, digit * worth, total))
            return cli_too_large;
        scale = worth;
    }
    return NULL;
}

/* Finds the ".digits" at *cursor, if any, and moves it behind them. */
static const char *read_fraction(const char **cursor, const char **ret_digits, size_t *ret_count)
{
    const char *at = *cursor;

    *ret_digits = at;
    *ret_count = 0;
    if (*at != '.')
        return NULL;
    at++;
    if (!is_digit(*at))
        return "has no digit after its point";
    *ret_digits = at;
    while (is_digit(*at))
        at++;
    *ret_count = (size_t)(at - *ret_digits);
    *cursor = at;
    return NULL;
}

const char *cli_duration_from_text(const char *text, uint64_t *ret_ns)
{
    uint64_t total = 0;
    const char *digits = NULL;
    size_t digits_count = 0;
    const struct unit *unit = NULL;
    const char *wrong = read_digits(&text, not_a_duration, &total);

    if (wrong == NULL)
        wrong = read_fraction(&text, &digits, &digits_count);
    if (wrong != NULL)
        return wrong;
    if (*text == '\0')
        return "needs a unit: ns, us, ms, s or m";
    unit = find_unit(duration_units, ADK_COUNT(duration_units), text);
    if (unit == NULL)
        return "has an unknown unit: ns, us, ms, s and m are known";
    if (__builtin_mul_overflow(total, unit->scale, &total))
        return cli_too_large;
    wrong = add_fraction(digits, digits_count, unit->scale, &total);
    if (wrong != NULL)
        return wrong;
    *ret_ns = total;
    return NULL;
}

const char *cli_size_from_text(const char *text, uint64_t *ret_bytes)
{
    uint64_t bytes = 0;
    const struct unit *unit = NULL;
    const char *wrong = read_digits(&text, not_a_size, &bytes);

    if (wrong != NULL)
        return wrong;
    if (*text == '.')
        return "has a fraction: give a whole number, in a smaller unit if need be";
    unit = find_unit(size_units, ADK_COUNT(size_units), *text == '\0' ? "B" : text);
    if (unit == NULL)
        return "has an unknown unit: B, KiB, MiB and GiB are known";
    if (__builtin_mul_overflow(bytes, unit->scale, &bytes))
        return cli_too_large;
    *ret_bytes = bytes;
    return NULL;
}

/* A calendar date and time of day, as RFC 3339 writes it. */
struct stamp {
    int64_t year, month, day, hour, minute, second;
    int64_t zone_minutes; /* east of UTC */
    uint64_t fraction_ns;
};

/* Reads exactly `count` digits with a value from `least` to `most`. */
static bool read_field(const char **cursor, int count, int64_t least, int64_t most, int64_t *ret_value)
{
    int64_t value = 0;

    for (int i = 0; i < count; i++) {
        if (!is_digit(**cursor))
            return false;
        value = value * 10 + (**cursor - '0');
        (*cursor)++;
    }
    *ret_value = value;
    return value >= least && value <= most;
}

/* Steps over one character, which is `a` or `b`. */
static bool read_mark(const char **cursor, char a, char b)
{
    if (**cursor != a && **cursor != b)
        return false;
    (*cursor)++;
    return true;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool read_date(const char **cursor, struct stamp *stamp)
{
    return read_field(cursor, 4, 0, 9999, &stamp->year) && read_mark(cursor, '-', '-') &&
           read_field(cursor, 2, 1, 12, &stamp->month) && read_mark(cursor, '-', '-') &&
           read_field(cursor, 2, 1, days_in_month(stamp->year, stamp->month), &stamp->day);
}

/* Seconds end at 59: a leap second has no number of its own in seconds since 1970. */
static bool read_time_of_day(const char **cursor, struct stamp *stamp)
{
    return read_field(cursor, 2, 0, 23, &stamp->hour) && read_mark(cursor, ':', ':') &&
           read_field(cursor, 2, 0, 59, &stamp->minute) && read_mark(cursor, ':', ':') &&
           read_field(cursor, 2, 0, 59, &stamp->second);
}

static bool read_zone(const char **cursor, struct stamp *stamp)
{
    bool west = **cursor == '-';
    int64_t hours = 0;
    int64_t minutes = 0;

    if (read_mark(cursor, 'Z', 'z'))
        return true;
    if (!read_mark(cursor, '+', '-') || !read_field(cursor, 2, 0, 23, &hours) || !read_mark(cursor, ':', ':') ||
        !read_field(cursor, 2, 0, 59, &minutes))
        return false;
    stamp->zone_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
    return true;
}

/* Days from 1970-01-01, by counting years from March, so that the leap day is a year's last. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year + 399 : year + 400; /* one cycle up: never negative */
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + day_of_year;

    return days - 719468 - 146097;
}

static const char *stamp_to_ns(const struct stamp *stamp, uint64_t *ret_ns)
{
    int64_t seconds = days_since_1970(stamp->year, stamp->month, stamp->day) * 86400 + stamp->hour * 3600 +
                      (stamp->minute - stamp->zone_minutes) * 60 + stamp->second;
    uint64_t ns = 0;

    if (seconds < 0)
        return "is before 1970";
    if (__builtin_mul_overflow((uint64_t)seconds, NS_PER_SECOND, &ns) ||
        __builtin_add_overflow(ns, stamp->fraction_ns, &ns) || ns > INT64_MAX)
        return too_late;
    *ret_ns = ns;
    return NULL;
}

static const char *rfc3339_from_text(const char *text, uint64_t *ret_ns)
{
    struct stamp stamp = {0};
    const char *digits = NULL;
    size_t digits_count = 0;
    const char *wrong = NULL;

    if (!read_date(&text, &stamp) || !read_mark(&text, 'T', 't') || !read_time_of_day(&text, &stamp))
        return not_a_time;
    wrong = read_fraction(&text, &digits, &digits_count);
    if (wrong == NULL)
        wrong = add_fraction(digits, digits_count, NS_PER_SECOND, &stamp.fraction_ns);
    if (wrong != NULL)
        return wrong;
    if (!read_zone(&text, &stamp) || *text != '\0')
        return not_a_time;
    return stamp_to_ns(&stamp, ret_ns);
}

const char *cli_time_from_text(const char *text, uint64_t *ret_ns)
{
    uint64_t ns = 0;
    const char *wrong = NULL;

    if (text[strspn(text, "0123456789")] != '\0')
        return rfc3339_from_text(text, ret_ns);
    wrong = cli_number_from_text(text, &ns);
    if (wrong == not_a_number)
        return not_a_time;
    if (wrong == cli_too_large || ns > INT64_MAX)
        return too_late;
    *ret_ns = ns;
    return NULL;
}

const char *cli_duration_to_text(uint64_t ns, char text[CLI_FIGURE_SIZE])
{
    const struct unit *unit = &duration_units[0];
    size_t size = 0;

    /* Never minutes: the described system writes 90s. */
    for (size_t i = 1; i + 1 < ADK_COUNT(duration_units) && ns >= duration_units[i].scale; i++)
        unit = &duration_units[i];
    (void)snprintf(text, CLI_FIGURE_SIZE, "%" PRIu64 ".%09" PRIu64, ns / unit->scale,
                   ns % unit->scale * (NS_PER_SECOND / unit->scale));
    size = strlen(text);
    while (text[size - 1] == '0')
        size--;
    if (text[size - 1] == '.')
        size--;
    (void)snprintf(text + size, CLI_FIGURE_SIZE - size, "%s", unit->name);
    return text;
}

const char *cli_duration_to_short_text(uint64_t ns, char text[CLI_FIGURE_SIZE])
{
    uint64_t step = 1;

    while (ns / step >= 1000)
        step *= 10;
    return cli_duration_to_text(ns - ns % step, text);
}

const char *cli_size_to_text(uint64_t bytes, char text[CLI_FIGURE_SIZE])
{
    const struct unit *unit = &size_units[0];

    for (size_t i = 1; i < ADK_COUNT(size_units) && bytes != 0 && bytes % size_units[i].scale == 0; i++)
        unit = &size_units[i];
    (void)snprintf(text, CLI_FIGURE_SIZE, "%" PRIu64 "%s", bytes / unit->scale, unit->name);
    return text;
}
