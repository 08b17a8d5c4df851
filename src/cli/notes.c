/*
 * Notes, kept until they can be told.
 */
#include "cli/notes.h"

#include <stdarg.h>

#include "base/cleanup.h"
#include "cli/message.h"

void cli_note(struct cli_notes *notes, const char *format, ...)
{
    char *text = NULL;
    va_list args;

    if (notes->count++ >= CLI_NOTES_MAX)
        return;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL; /* told as "out of memory" */
    va_end(args);
    notes->items[notes->count - 1] = text;
}

void cli_notes_tell(const struct cli_notes *notes)
{
    for (size_t i = 0; i < notes->count && i < CLI_NOTES_MAX; i++)
        cli_message("%s", notes->items[i] == NULL ? "out of memory" : notes->items[i]);
    if (notes->count > CLI_NOTES_MAX)
        cli_message("and %zu notes more", notes->count - CLI_NOTES_MAX);
}

void cli_notes_free(struct cli_notes *notes)
{
    for (size_t i = 0; i < CLI_NOTES_MAX; i++)
        free(notes->items[i]);
    *notes = (struct cli_notes){0};
}
