/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_CONFIRM_H
#define MAPFS_TOOLS_LIB_CONFIRM_H

/*
 * The question before a change that cannot be undone.
 *
 * Lifetime: nothing is kept.
 * Errors:   none.
 * Locking:  none.
 */
#include <stdbool.h>

/*
 * True: the user says yes.  Otherwise a sentence about `object` is printed;
 * without a terminal nobody can be asked, and the answer is no.
 */
bool confirm(const char *object, const char *question);
/* Asks on the terminal, and prints nothing else; true: "y" or "yes". */
bool confirm_ask(const char *question);

#endif
