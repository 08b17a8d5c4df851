/*
 * Notes: what a person shall be told when the guest's own output is through.
 */
#ifndef ADK_CLI_NOTES_H
#define ADK_CLI_NOTES_H

#include <stddef.h>

#include <adk/defs.h>

/** As many as anybody reads: the guest must not be able to fill a screen. The others are counted. */
#define CLI_NOTES_MAX 16

/** Zero to begin with; freed with cli_notes_free(). */
struct cli_notes {
    char *items[CLI_NOTES_MAX];
    size_t count; /* of all, kept or not */
};

/** Adds a note. Names that come from outside go through cli_name() first. */
void cli_note(struct cli_notes *notes, const char *format, ...) ADK_PRINTF(2, 3);

/** Writes them to standard error as messages. */
void cli_notes_tell(const struct cli_notes *notes);

void cli_notes_free(struct cli_notes *notes);

#endif
