/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_LOOKUP_H
#define MAPFS_CORE_COMMIT_LOOKUP_H

/*
 * Looking up objects of the base, as it is now, by name.  Each object that is
 * met becomes an object of the plan, with its before side, and is compared
 * with what the delta has of it.
 *
 * Lifetime: objects live as long as the plan.
 * Errors:   0 or a negative errno, and a sentence in commit->why.  -EXDEV:
 *           another file system is mounted there.
 * Locking:  as planning.h.
 */
#include "planning.h"

/* The root of the base; it must be the first object of the plan. */
int must_check lookup_root(struct planning_ctx *c);
/* The object called `name` in `dir`; *out NULL: there is none. */
int must_check lookup_name(struct planning_ctx *c, uint32_t dir,
			   const char *name, struct plan_object **out);

/* The end of a path in the base. */
struct base_place {
	struct plan_object *object; /* NULL: there is none */
	uint32_t dir;	  /* PLAN_NONE: the directory is not there either */
	const char *last; /* its last name; points into the path */
};
/* Looks up each name of the path, which is cut into its names. */
int must_check lookup_path(struct planning_ctx *c, char *path,
			   struct base_place *out);

#endif
