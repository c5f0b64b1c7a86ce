/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_REMOVE_H
#define MAPFS_TOOLS_LIB_REMOVE_H

/*
 * Removing a store that this command has made.
 *
 * Lifetime: nothing is kept.
 * Errors:   none; a store that cannot be removed is named on stderr.
 * Locking:  none.
 */

void remove_store(const char *path);

#endif
