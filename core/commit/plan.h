/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_PLAN_H
#define MAPFS_CORE_COMMIT_PLAN_H

/*
 * What a commit is about: objects and names of the base, each with two sides,
 * before and after.  Committing makes the after side true, undoing the before
 * side, with the same steps; so whatever a commit left half done can be
 * finished or taken back.
 *
 * An object that is on both sides keeps its inode.  One that is only after
 * is new; one that is only before goes.  Directories above something that
 * changes are objects too, because the way to an object goes through them
 * while they move.
 *
 * Lifetime: plan_create() .. plan_destroy() (accepts NULL); objects and names
 *           live as long as the plan and are known by their number.
 * Errors:   0 or a negative errno.
 * Locking:  one thread.
 */
#include <sys/stat.h>
#include <time.h>

#include "core/lib/types.h"
#include "core/lib/uthash_safe.h"

#define PLAN_NONE UINT32_MAX
#define PLAN_ROOT 0U

enum plan_side {
	PLAN_BEFORE,
	PLAN_AFTER,
	PLAN_SIDES
};

static inline enum plan_side plan_other(enum plan_side side)
{
	return side == PLAN_BEFORE ? PLAN_AFTER : PLAN_BEFORE;
}

/* Where bytes of a file come from when its side is made true. */
enum plan_source {
	PLAN_HOLE = 0,
	PLAN_ARENA, /* offset in the store's pages */
	PLAN_SAVED, /* offset in what the commit saved */
	PLAN_SOURCES,
};

struct plan_run {
	uint64_t off_bytes;
	uint64_t len_bytes;
	uint64_t from_bytes; /* offset in the source */
	enum plan_source source;
};

struct plan_xattr {
	char *name;
	uint8_t *value;
	size_t value_bytes;
};

struct plan_state {
	bool exists;
	uint32_t mode; /* with type */
	uint32_t uid;
	uint32_t gid;
	struct timespec atime;
	struct timespec mtime;
	uint64_t size_bytes;
	struct plan_run *runs; /* where it is not the other side's data */
	size_t run_count;
	size_t run_cap;
	struct plan_xattr *xattrs; /* all, if object.has_xattrs */
	size_t xattr_count;
	size_t xattr_cap;
};

struct plan_object {
	uint32_t id;
	mapfs_ino ino;	   /* in the base now; 0: not there yet */
	mapfs_ino was_ino; /* in the view, when it was planned */
	uint64_t rdev;	   /* major in the high half */
	char *target;	   /* symbolic links */
	uint32_t home_dir; /* where the base had it; PLAN_NONE: nowhere */
	char *home_name;   /* owned */
	struct plan_state side[PLAN_SIDES];
	uint64_t keep_bytes; /* of its data, the same on both sides */
	bool is_touched;     /* attributes are to be made those of the side */
	bool has_data;	     /* runs and size are to be made true */
	bool has_xattrs;     /* so are the extended attributes */
	bool remains;	     /* its delta is not committed, or not all */
	bool is_changed;     /* by somebody else, before the commit */
	bool is_as_left;     /* by the newest commit before this one */
	/* Not part of the plan on disk: */
	uint32_t first_name[PLAN_SIDES]; /* chain through name.next */
	uint32_t name_count[PLAN_SIDES]; /* names that change */
	uint32_t depth[PLAN_SIDES];
	bool is_visited;
	unsigned int missed; /* the search that did not find it */
	int dirfd;	     /* -1: not open */
	UT_hash_handle hh;
};

struct plan_name {
	uint32_t id;
	uint32_t object[PLAN_SIDES]; /* PLAN_NONE: the name is not there */
	uint32_t next[PLAN_SIDES];
	uint16_t name_bytes;
	bool remains; /* its change is not committed */
	UT_hash_handle hh;
	uint32_t dir; /* the key: this and the name behind it */
	char name[];  /* NUL-terminated */
};

struct plan {
	struct plan_object **objects;
	uint32_t object_count;
	size_t object_cap;
	struct plan_name **names;
	uint32_t name_count;
	size_t name_cap;
	struct plan_object *by_ino; /* hash of objects[] with a number */
	struct plan_name *by_name;  /* hash of names[] */
	bool is_partial;	    /* some of the delta remains */
	uint64_t saved_bytes;	    /* taken by PLAN_SAVED runs */
};

int must_check plan_create(struct plan **out);
void plan_destroy(struct plan *p);
/* ino 0: an object that is not in the base yet. */
int must_check plan_add_object(struct plan *p, mapfs_ino ino,
			       struct plan_object **out);
/* By its number when it was planned. */
struct plan_object *plan_find_object(struct plan *p, mapfs_ino ino);
/* Sets where the base has it, once; later places are ignored. */
int must_check plan_set_home(struct plan_object *o, uint32_t dir,
			     const char *name);
/* The name, as known or new with nothing on either side. */
int must_check plan_get_name(struct plan *p, uint32_t dir, const char *name,
			     struct plan_name **out);
struct plan_name *plan_find_name(struct plan *p, uint32_t dir,
				 const char *name);
int must_check plan_add_run(struct plan_state *s, const struct plan_run *run);
/* Copies name and value. */
int must_check plan_add_xattr(struct plan_state *s, const char *name,
			      const void *value, size_t value_bytes);
/* Chains, counts and depths; after the last object and name. */
int must_check plan_index(struct plan *p);
/* Does this name mean something else on the other side? */
static inline bool plan_name_changes(const struct plan_name *n)
{
	return n->object[PLAN_BEFORE] != n->object[PLAN_AFTER];
}
static inline bool plan_goes(const struct plan_object *o, enum plan_side to)
{
	return !o->side[to].exists && o->side[plan_other(to)].exists;
}
static inline bool plan_comes(const struct plan_object *o, enum plan_side to)
{
	return plan_goes(o, plan_other(to));
}
/* The path of an object on a side, allocated; -ENOENT: it has none there. */
int must_check plan_path(const struct plan *p, uint32_t id, enum plan_side side,
			 char **out);
/* ... of a name in a directory. */
int must_check plan_name_path(const struct plan *p, const struct plan_name *n,
			      enum plan_side side, char **out);

/* The type of file that the object is, on either side. */
uint32_t plan_type(const struct plan_object *o);
/* Is it the object, by its number in the base and its type? */
bool plan_object_is(const struct plan_object *o, const struct stat *st);
/* Has it the size and time of that side?  For all but directories. */
bool plan_object_is_as(const struct plan_object *o, enum plan_side side,
		       uint64_t size_bytes, struct timespec mtime);

#endif
