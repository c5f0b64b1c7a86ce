/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_RANGE_H
#define MAPFS_TOOLS_LIB_RANGE_H

/*
 * The argument A..B of subcommands that compare two snapshots.
 *
 * Lifetime: the caller frees *from and *to.
 * Errors:   none.
 * Locking:  none.
 */
#include <stdbool.h>

/*
 * True: `arg` is A..B, of which either may be missing; it is NULL then.  False:
 * it is not, as it has no dots, or a slash, or is "..": nothing is touched.
 */
bool range_parse(const char *arg, char **from, char **to);

#endif
