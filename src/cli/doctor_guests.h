/*
 * The guests with which `doctor` tries each limit: WebAssembly text.
 */
#ifndef ADK_CLI_DOCTOR_GUESTS_H
#define ADK_CLI_DOCTOR_GUESTS_H

/** The exit code of a guest that looked and saw nothing of the host's. */
#define CLI_GUEST_SAW_NOTHING 42

extern const char cli_guest_looping[];     /* never ends */
extern const char cli_guest_sleeping[];    /* sleeps for an hour */
extern const char cli_guest_growing[];     /* takes all the memory it gets, then traps */
extern const char cli_guest_flooding[];    /* never stops writing to standard output */
extern const char cli_guest_guessing[];    /* writes eight random bytes and the time, 16 bytes in all */
extern const char cli_guest_environment[]; /* exits with 42 and the number of variables it sees, added */
extern const char cli_guest_opening[];     /* exits with 1 if it can open a file that every host has, else 42 */
extern const char cli_guest_accepting[];   /* exits with 1 if a descriptor accepts a connection, else 42 */

#endif
