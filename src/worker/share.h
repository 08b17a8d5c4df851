/*
 * What a worker and its forks share.
 *
 * A fork has page tables of its own. Where memory comes from a file they begin empty, and each page is found anew by each fork
 * that touches it; where it does not they are copied entry by entry. Both are the better part of what a short run costs.
 */
#ifndef ADK_WORKER_SHARE_H
#define ADK_WORKER_SHARE_H

#include <stddef.h>

/**
 * Puts what lies in whole pages from `at` on into private memory at the same place, in huge pages where the system has them:
 * a fork shares two megabytes by one entry. Nobody may use it meanwhile. Where there is no memory for that it is left as it is.
 */
void adk__share_huge(const void *at, size_t size, int protection);

/**
 * Has forks find mapped what is mapped now of these pages and those beside them, of one mapping of a file. They stay as they
 * are; `protection` is what they have.
 */
void adk__share_mapped(const void *at, size_t size, int protection);

/** The same for the code and the constants of the program and its libraries. */
void adk__share_program(void);

#endif
