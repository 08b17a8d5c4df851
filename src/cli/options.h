/*
 * Command lines, by declarative tables: a subcommand lists its options with where their values go, and the parser,
 * the help and the suggestions follow from the table.
 *
 * Options end at the first argument that is none, at `--`, or behind an option that says so. Of an option given twice
 * the last counts, unless it is a list.
 */
#ifndef ADK_CLI_OPTIONS_H
#define ADK_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <adk/error.h>

/** What an option's value is, and with it the type of the settings' field. */
enum cli_option_type {
    CLI_FLAG,   /* bool; takes no value */
    CLI_TEXT,   /* const char *, borrowed from argv */
    CLI_LIST,   /* struct cli_list */
    CLI_NUMBER, /* struct cli_figure, as are the others */
    CLI_DURATION,
    CLI_SIZE,
    CLI_TIME
};

struct cli_figure {
    bool given;
    uint64_t value;
};

/** Texts in the order given. The array is owned and freed with cli_list_free(), the texts are borrowed from argv. */
struct cli_list {
    const char **items;
    size_t count;
};

struct cli_option {
    char short_name; /* '\0' for none */
    const char *long_name;
    const char *value_name; /* for the help; NULL for a flag */
    enum cli_option_type type;
    size_t offset;                          /* of the field within the settings */
    uint64_t least, most;                   /* of a figure; `most` 0: no bound */
    const char *(*check)(const char *text); /* of a text: NULL, or what is wrong with it */
    bool ends_options;                      /* what follows its value is not ours */
    const char *help;
    const char *choices; /* of a text: the words it may be, with a space between two, for completion; or NULL */
};

struct cli_option_table {
    const char *command; /* "run", for messages */
    const struct cli_option *options;
    size_t count;
};

/**
 * Reads the options in argv[0..argc-1] into `settings`, and stores the index of the first argument that is none.
 * ADK_E_INVALID names the option and what was wrong. Settings read so far are kept, lists want to be freed.
 */
int cli_options_parse(const struct cli_option_table *table, int argc, char **argv, void *settings, int *ret_first,
                      adk_error **ret_error);

/** For a command that takes no arguments but options: ADK_E_INVALID where argv[first] is one. */
int cli_options_end(const struct cli_option_table *table, int argc, char **argv, int first, adk_error **ret_error);

/** Whether the flag stands among the options, however wrong they are otherwise: how shall the error be told? */
bool cli_options_have_flag(const struct cli_option_table *table, int argc, char **argv, const char *long_name);

/** Writes one line for each option. */
void cli_options_print_help(const struct cli_option_table *table, FILE *out);

/** The name in names[0..count-1] that `word` may have been meant to be, or NULL. */
const char *cli_nearest_name(const char *word, const char *const *names, size_t count);

void cli_list_free(struct cli_list *list);

#endif
