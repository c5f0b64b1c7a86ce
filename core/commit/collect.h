/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_COLLECT_H
#define MAPFS_CORE_COMMIT_COLLECT_H

/*
 * From a delta to a plan: which objects and names of the base differ, what
 * stands against it in the base as it is now, and who wins there.
 *
 *   collect_delta() -> collect_resolve() -> collect_states()
 *
 * Lifetime: collect_init() .. collect_fini(); the plan is the caller's.
 * Errors:   0 or a negative errno, and a sentence in work.why.
 * Locking:  nobody else uses the view.
 */
#include "core/mapfs.h"
#include "core/overlay/overlay_priv.h"
#include "phases.h"

struct conflict {
	enum mapfs_conflict_kind kind;
	char *path;
	uint32_t object; /* the view's; PLAN_NONE: none */
	uint32_t name;	 /* or PLAN_NONE: it is about the object */
	struct mapfs_diff_side ours;
	struct mapfs_diff_side theirs;
};

/* What the plan's object is in the view. */
struct collected {
	const struct delta *delta; /* NULL: not in the delta */
	uint32_t nlink;		   /* names in the base */
	uint64_t sum;		   /* of its signature in the base */
	bool is_locked;		   /* by chattr: +i or +a */
	bool is_lost;		   /* was in the base, is not there any more */
	bool is_theirs;	   /* the view never saw it, nor what is below */
	bool keeps_theirs; /* its data and attributes stay the base's */
	bool is_selected;  /* belongs to the part that is committed */
	bool was_listed;   /* all names in it are in the plan */
	bool is_wanted;	   /* a further name of it is */
	bool is_found;	   /* ... and was found */
};

struct collect {
	struct overlay *o;
	struct commit_work *w;
	struct plan *p;
	enum mapfs_resolution resolution;
	struct collected *found; /* by number of the object */
	uint32_t found_cap;
	struct conflict *conflicts;
	size_t conflict_count;
	struct inode **inodes; /* with a delta */
	size_t inode_count;
};

void collect_init(struct collect *c, struct overlay *o, struct commit_work *w,
		  enum mapfs_resolution resolution);
void collect_fini(struct collect *c);

/* commit_collect.c: every object and name, and every conflict. */
int must_check collect_delta(struct collect *c);
/* The object of the base called `name` in `dir`; *out NULL: there is none. */
int must_check collect_base(struct collect *c, uint32_t dir, const char *name,
			    struct plan_object **out);
/*
 * The object of the base at the end of a path, which is cut up on the way;
 * *dir PLAN_NONE: not even its directory is there.
 */
int must_check collect_walk(struct collect *c, char *path,
			    struct plan_object **out, uint32_t *dir,
			    char **last);
/* Names of a base directory that goes, as names that go. */
int must_check collect_below(struct collect *c, struct plan_object *dir);

/* commit_links.c: unknown names of files that lose those that are known. */
int must_check collect_links(struct collect *c);

/* commit_select.c: only what belongs to these paths, if there are any. */
int must_check collect_select(struct collect *c, const char *const *paths,
			      size_t count);

/* commit_conflict.c */
/* Compares the object with what the delta remembers of it. */
int must_check collect_compare(struct collect *c, struct plan_object *o,
			       const struct statx *now);
/* `path` NULL: that of the name or the object. */
int must_check collect_add_conflict(struct collect *c,
				    enum mapfs_conflict_kind kind,
				    uint32_t object, const struct plan_name *n,
				    const struct plan_object *theirs,
				    const char *path);
/* Gives in where the base wins; -ENODATA: the view cannot win somewhere. */
int must_check collect_resolve(struct collect *c);

/* Does the view say nothing that the base does not? */
bool collect_is_empty(const struct collect *c);

/* commit_state.c: what each side of each object is; saves what goes. */
int must_check collect_states(struct collect *c);
/* Which objects are there after it; without this, paths after mean little. */
int must_check collect_existence(struct collect *c);

#endif
