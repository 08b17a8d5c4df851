/*
 * The parser of command lines. A cursor walks over the arguments and splits them into options and values by the table
 * alone; what stores values and what only looks for a flag both stand on it, so they cannot disagree.
 */
#include "cli/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "cli/escape.h"
#include "cli/message.h"
#include "cli/values.h"

/* Names longer than this are nobody's typing error. */
#define NEAR_NAME_MAX 32

enum step { STEP_OPTION, STEP_UNKNOWN, STEP_MISSING_VALUE, STEP_UNWANTED_VALUE, STEP_END };

struct cursor {
    const struct cli_option_table *table;
    int argc;
    char **argv;
    int next;            /* index of the argument to look at next */
    const char *cluster; /* rest of an argument of short options, or NULL */
    bool ended;

    /* What was found. */
    const struct cli_option *option;
    const char *name; /* as it was typed, without dashes; name_size bytes of it */
    size_t name_size;
    bool is_long;
    const char *value;
};

static const struct cli_option *find_long(const struct cli_option_table *table, const char *name, size_t size)
{
    for (size_t i = 0; i < table->count; i++) {
        const char *long_name = table->options[i].long_name;

        if (strlen(long_name) == size && memcmp(long_name, name, size) == 0)
            return &table->options[i];
    }
    return NULL;
}

static const struct cli_option *find_short(const struct cli_option_table *table, char name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->options[i].short_name == name)
            return &table->options[i];
    }
    return NULL;
}

/* The option's value is attached, or it is the next argument. */
static enum step take_value(struct cursor *cursor, const char *attached)
{
    cursor->value = NULL;
    if (cursor->option->type == CLI_FLAG)
        return STEP_OPTION;
    cursor->value = attached;
    if (cursor->value == NULL && cursor->next < cursor->argc)
        cursor->value = cursor->argv[cursor->next++];
    if (cursor->value == NULL)
        return STEP_MISSING_VALUE;
    cursor->ended = cursor->option->ends_options;
    return STEP_OPTION;
}

static enum step step_long(struct cursor *cursor, const char *name)
{
    const char *equals = strchr(name, '=');

    cursor->is_long = true;
    cursor->name = name;
    cursor->name_size = equals == NULL ? strlen(name) : (size_t)(equals - name);
    cursor->option = find_long(cursor->table, name, cursor->name_size);
    if (cursor->option == NULL)
        return STEP_UNKNOWN;
    if (cursor->option->type == CLI_FLAG && equals != NULL)
        return STEP_UNWANTED_VALUE;
    return take_value(cursor, equals == NULL ? NULL : equals + 1);
}

/* One short option; behind a flag the next may follow in the same argument. */
static enum step step_short(struct cursor *cursor, const char *letters)
{
    const char *rest = letters[1] == '\0' ? NULL : letters + 1;

    cursor->is_long = false;
    cursor->name = letters;
    cursor->name_size = 1;
    cursor->option = find_short(cursor->table, *letters);
    cursor->cluster = NULL;
    if (cursor->option == NULL)
        return STEP_UNKNOWN;
    if (cursor->option->type == CLI_FLAG)
        cursor->cluster = rest;
    return take_value(cursor, rest);
}

static enum step step(struct cursor *cursor)
{
    const char *argument = NULL;

    if (cursor->cluster != NULL)
        return step_short(cursor, cursor->cluster);
    if (cursor->ended || cursor->next >= cursor->argc)
        return STEP_END;
    argument = cursor->argv[cursor->next];
    if (argument[0] != '-' || argument[1] == '\0')
        return STEP_END; /* "-" alone is standard input */
    cursor->next++;
    if (strcmp(argument, "--") == 0)
        return STEP_END;
    if (argument[1] == '-')
        return step_long(cursor, argument + 2);
    return step_short(cursor, argument + 1);
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* tolower() answers by locale. */
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* How many letters must be inserted, left out or changed, but for their case, to make `b` of `a`; both at most NEAR_NAME_MAX long. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NEAR_NAME_MAX + 1];
    size_t b_size = strlen(b);

    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t changed = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);

            diagonal = row[j];
            row[j] = least_of(changed, least_of(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_size];
}

const char *cli_nearest_name(const char *word, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t size = strlen(word);
    size_t best = size < 4 ? 1 : 2; /* more than that is a guess */

    if (size == 0 || size > NEAR_NAME_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance = 0;

        if (strlen(names[i]) > NEAR_NAME_MAX)
            continue;
        if (size >= 2 && strncasecmp(names[i], word, size) == 0)
            return names[i];
        distance = edit_distance(word, names[i]);
        if (distance < best || (distance == best && nearest == NULL)) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

/* The long option that may have been meant. */
static const char *suggest(const struct cursor *cursor)
{
    const struct cli_option_table *table = cursor->table;
    ADK_AUTO_FREE const char **names = calloc(table->count, sizeof(*names));
    ADK_AUTO_FREE char *word = strndup(cursor->name, cursor->name_size);

    if (!cursor->is_long || names == NULL || word == NULL)
        return NULL;
    for (size_t i = 0; i < table->count; i++)
        names[i] = table->options[i].long_name;
    return cli_nearest_name(word, names, table->count);
}

static int fail_at(const struct cursor *cursor, enum step found, adk_error **ret_error)
{
    const char *command = cursor->table->command;
    const char *dashes = cursor->is_long ? "--" : "-";
    const char *suggested = found == STEP_UNKNOWN ? suggest(cursor) : NULL;
    struct cli_name name;

    (void)cli_name(adk_bytes_make(cursor->name, cursor->name_size), &name);
    if (suggested != NULL)
        return cli_fail(ret_error, ADK_E_INVALID, 0, "%s: unknown option \"%s%s\"; did you mean \"--%s\"?", command,
                        dashes, name.text, suggested);
    if (found == STEP_UNKNOWN)
        return cli_fail(ret_error, ADK_E_INVALID, 0, "%s: unknown option \"%s%s\"; see adk-sandbox %s --help", command,
                        dashes, name.text, command);
    if (found == STEP_UNWANTED_VALUE)
        return cli_fail(ret_error, ADK_E_INVALID, 0, "%s: --%s: takes no value", command, name.text);
    return cli_fail(ret_error, ADK_E_INVALID, 0, "%s: --%s: value %s is missing; see adk-sandbox %s --help", command,
                    cursor->option->long_name, cursor->option->value_name, command);
}

static int fail_value(const struct cursor *cursor, const char *wrong, adk_error **ret_error)
{
    struct cli_name value;

    return cli_fail(ret_error, ADK_E_INVALID, 0, "%s: --%s: \"%s\" %s", cursor->table->command,
                    cursor->option->long_name, cli_name_cstr(cursor->value, &value), wrong);
}

static const char *figure_to_text(enum cli_option_type type, uint64_t figure, char text[CLI_FIGURE_SIZE])
{
    if (type == CLI_DURATION)
        return cli_duration_to_text(figure, text);
    if (type == CLI_SIZE)
        return cli_size_to_text(figure, text);
    (void)snprintf(text, CLI_FIGURE_SIZE, "%" PRIu64, figure);
    return text;
}

static const char *figure_from_text(enum cli_option_type type, const char *text, uint64_t *ret_figure)
{
    if (type == CLI_DURATION)
        return cli_duration_from_text(text, ret_figure);
    if (type == CLI_SIZE)
        return cli_size_from_text(text, ret_figure);
    if (type == CLI_TIME)
        return cli_time_from_text(text, ret_figure);
    return cli_number_from_text(text, ret_figure);
}

static int store_figure(const struct cursor *cursor, struct cli_figure *figure, adk_error **ret_error)
{
    const struct cli_option *option = cursor->option;
    uint64_t most = option->most == 0 ? UINT64_MAX : option->most;
    uint64_t value = 0;
    const char *wrong = figure_from_text(option->type, cursor->value, &value);
    bool high = wrong == cli_too_large || value > most;
    char bound[CLI_FIGURE_SIZE];
    char sentence[2 * CLI_FIGURE_SIZE + 32];

    if (wrong != NULL && !high)
        return fail_value(cursor, wrong, ret_error);
    if (high || value < option->least) {
        (void)snprintf(sentence, sizeof(sentence), "must be at %s %s", high ? "most" : "least",
                       figure_to_text(option->type, high ? most : option->least, bound));
        return fail_value(cursor, sentence, ret_error);
    }
    *figure = (struct cli_figure){true, value};
    return ADK_OK;
}

static int append(struct cli_list *list, const char *item, adk_error **ret_error)
{
    const char **items = reallocarray(list->items, list->count + 1, sizeof(*items));

    if (items == NULL)
        return cli_fail(ret_error, ADK_E_NOMEM, 0, "out of memory");
    items[list->count++] = item;
    list->items = items;
    return ADK_OK;
}

static int store(const struct cursor *cursor, void *settings, adk_error **ret_error)
{
    const struct cli_option *option = cursor->option;
    void *field = (char *)settings + option->offset;
    const char *wrong = NULL;

    if (option->type == CLI_FLAG) {
        *(bool *)field = true;
        return ADK_OK;
    }
    if (option->check != NULL)
        wrong = option->check(cursor->value);
    if (wrong != NULL)
        return fail_value(cursor, wrong, ret_error);
    if (option->type == CLI_TEXT) {
        *(const char **)field = cursor->value;
        return ADK_OK;
    }
    if (option->type == CLI_LIST)
        return append(field, cursor->value, ret_error);
    return store_figure(cursor, field, ret_error);
}

int cli_options_parse(const struct cli_option_table *table, int argc, char **argv, void *settings, int *ret_first,
                      adk_error **ret_error)
{
    struct cursor cursor = {.table = table, .argc = argc, .argv = argv};

    for (;;) {
        enum step found = step(&cursor);
        int failed = ADK_OK;

        if (found == STEP_END)
            break;
        if (found != STEP_OPTION)
            return fail_at(&cursor, found, ret_error);
        failed = store(&cursor, settings, ret_error);
        if (failed != ADK_OK)
            return failed;
    }
    *ret_first = cursor.next;
    return ADK_OK;
}

int cli_options_end(const struct cli_option_table *table, int argc, char **argv, int first, adk_error **ret_error)
{
    struct cli_name shown;

    if (first >= argc)
        return ADK_OK;
    return cli_fail(ret_error, ADK_E_INVALID, 0, "%s: takes no arguments, and \"%s\" is one", table->command,
                    cli_name_cstr(argv[first], &shown));
}

bool cli_options_have_flag(const struct cli_option_table *table, int argc, char **argv, const char *long_name)
{
    struct cursor cursor = {.table = table, .argc = argc, .argv = argv};

    for (;;) {
        enum step found = step(&cursor);

        if (found == STEP_END)
            return false;
        if (cursor.option != NULL && strcmp(cursor.option->long_name, long_name) == 0)
            return true;
        /* `-t --json`: taken for a value, but surely meant. */
        if (found == STEP_OPTION && cursor.value != NULL && strncmp(cursor.value, "--", 2) == 0 &&
            strcmp(cursor.value + 2, long_name) == 0)
            return true;
    }
}

void cli_options_print_help(const struct cli_option_table *table, FILE *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct cli_option *option = &table->options[i];
        const char *value = option->value_name == NULL ? "" : option->value_name;
        const char *space = option->value_name == NULL ? "" : " ";
        int width = 20 - (int)strlen(option->long_name) - (int)strlen(space) - (int)strlen(value);
        char letter[] = {'-', option->short_name, ',', '\0'};

        (void)fprintf(out, "  %-3s --%s%s%s%*s %s\n", option->short_name == '\0' ? "" : letter, option->long_name,
                      space, value, width > 0 ? width : 0, "", option->help);
    }
}

void cli_list_free(struct cli_list *list)
{
    free(list->items);
    *list = (struct cli_list){0};
}
