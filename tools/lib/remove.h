/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_REMOVE_H
#define MAPFS_TOOLS_LIB_REMOVE_H

/*
 * Removing a store that this command has made itself.
 *
 * Errors: none; what is left is said.
 */

void remove_store(const char *path);

#endif
