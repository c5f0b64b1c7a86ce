/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_CHECK_NAMES_H
#define MAPFS_CORE_CHECK_NAMES_H

/*
 * The states that a damage concerns: snapshots, oldest first, and the present
 * one.
 *
 * Lifetime: a zeroed list is empty; names_fini() frees it.  Names are borrowed
 *           from the facts of the check.
 * Errors:   0 or -ENOMEM.
 * Locking:  none.
 */
#include <stdbool.h>
#include <stddef.h>

#include "core/lib/types.h"

struct mapfs_check_damage;

struct name_list {
	const char **name;
	size_t count;
	size_t cap;
	bool is_present; /* the present state, too */
};

int must_check names_add(struct name_list *l, const char *name);
void names_fini(struct name_list *l);
/* Lends the names to the damage. */
void names_lend(const struct name_list *l, struct mapfs_check_damage *d);

#endif
