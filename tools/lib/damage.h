/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_TOOLS_LIB_DAMAGE_H
#define MAPFS_TOOLS_LIB_DAMAGE_H

/*
 * A damage of a store in words, and what can be done.
 *
 * Lifetime: the caller frees the text.
 * Errors:   none; out of memory ends the program.
 * Locking:  none.
 */
#include "core/mapfs.h"

/* The sentence of the damage, and which states it concerns. */
char *damage_text(const struct mapfs_check_damage *d);
/*
 * Says what of a store that is about to be mounted with -o salvage is damaged,
 * apart from pages; a store that cannot be read is left to the mount.
 */
void damage_say(const char *store, bool is_trusted);

#endif
