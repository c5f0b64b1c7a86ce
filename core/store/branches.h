/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_STORE_BRANCHES_H
#define MAPFS_CORE_STORE_BRANCHES_H

/*
 * Which stores are branches of a store: a file for each in its directory
 * `branches`, named by the uuid of the branch, with the number of the snapshot
 * and the path of the branch.
 *
 * Lifetime: the strings of a struct branch_entry are borrowed until the
 *           callback returns.
 * Errors:   0 or a negative errno.  -EUCLEAN: a file there is damaged.
 * Locking:  none of its own.  A caller that excludes holds of the snapshot
 *           (holds.h) keeps new branches of it away, because making a branch
 *           holds the snapshot first.
 */
#include "core/lib/reason.h"
#include "core/lib/types.h"

struct branch_entry {
	uint64_t snapshot;
	const char *uuid; /* as text */
	const char *path;
};

typedef int (*branches_fn)(void *arg, const struct branch_entry *e);

/* `dirfd` is the parent; durable on return. */
int must_check branches_register(int dirfd, const uint8_t *uuid,
				 uint64_t snapshot, const char *path);
int must_check branches_unregister(int dirfd, const uint8_t *uuid);
/* Non-zero stops with it.  A store without branches is no error. */
int must_check branches_iterate(int dirfd, branches_fn fn, void *arg);
/*
 * Is another store with this uuid at the path where the parent has it?  A
 * branch that was repaired or copied has that of the old one.
 */
bool branches_is_elsewhere(int dirfd, const uint8_t *uuid, int branchfd);
/*
 * Is at the path of the branch only what a killed command left of it?  Then it
 * never was a branch, or is none any more.  No new branch of the snapshot may
 * be in the making, and no lock may be held, as for branches_refuse().
 */
bool branches_is_leftover(const struct branch_entry *e);
/* Removes the files of such branches of the snapshot; errors are no matter. */
void branches_forget_leftovers(int dirfd, uint64_t snapshot);
/*
 * "<what> has a branch", and what to do about it.  Reads the branch, which may
 * be on a slow file system: no lock may be held.
 */
void branches_refuse(const char *what, const char *store,
		     const struct branch_entry *e, struct reason *why);

#endif
