/*
 * Where an output goes: a name in a directory of the host's.
 */
#ifndef ADK_CLI_PLACE_H
#define ADK_CLI_PLACE_H

#include <stdbool.h>

/**
 * HOST, taken apart. The directory in which the name stands is the user's own: links on the way to it are followed. The
 * name itself is never followed.
 */
struct cli_place {
    int parent;        /* O_PATH; owned */
    char *name;        /* owned; "." and ".." may be */
    bool is_directory; /* by the way it is written: "results/" */
};

/** Returns 0 or an errno value. Closed with cli_place_close(), also after a failure. */
int cli_place_open(const char *host, struct cli_place *ret_place);

void cli_place_close(struct cli_place *place);

/** What forbids writing there (a directory, if `directory`), or NULL. A constant, or what strerror() returns. */
const char *cli_place_judge(const struct cli_place *place, bool directory);

/** Whether a file belongs beneath the place rather than in it: it is a directory, or written as one. */
bool cli_place_holds_files(const struct cli_place *place);

#endif
