/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_CONFLICT_H
#define MAPFS_CORE_COMMIT_CONFLICT_H

/*
 * Conflicts: finding that the base was changed where the view was changed,
 * too, and noting it.  resolve.h has what becomes of them.
 *
 * Lifetime: a conflict lives until planning_fini().
 * Errors:   0 or a negative errno.
 * Locking:  as planning.h.
 */
#include "planning.h"

/*
 * Compares an object of the base, as it is now, with the signature that the
 * delta has of it; a difference is noted as a conflict.
 */
int must_check conflict_compare(struct planning_ctx *c, struct plan_object *o,
				const struct statx *now);

/* Everything is borrowed for the call only. */
struct new_conflict {
	enum mapfs_conflict_kind kind;
	uint32_t object;		  /* of the view; or PLAN_NONE */
	const struct plan_name *name;	  /* or NULL */
	const struct plan_object *theirs; /* of the base; or NULL */
	const char *path; /* NULL: that of the name, or of the object */
};
int must_check conflict_add(struct planning_ctx *c,
			    const struct new_conflict *x);

#endif
