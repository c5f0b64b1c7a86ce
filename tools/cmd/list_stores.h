/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_CMD_LIST_STORES_H
#define MAPFS_TOOLS_CMD_LIST_STORES_H

/*
 * mapfs list --stores: the kept stores of this user.
 *
 * Lifetime: nothing is kept.
 * Errors:   the exit status; a failure has printed a sentence.
 * Locking:  one thread.
 */
#include <stdbool.h>

int list_stores(bool json);

#endif
