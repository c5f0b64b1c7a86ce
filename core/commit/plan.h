/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_COMMIT_PLAN_H
#define MAPFS_CORE_COMMIT_PLAN_H

/*
 * The plan of a commit: objects and names of the base, each with two *sides*,
 * before and after.  Committing makes the after side true and undoing the
 * before side, with the same steps; so a commit that was interrupted anywhere
 * can be finished or undone.
 *
 * An object that exists on both sides keeps its inode.  An object that exists
 * only after the commit is new; one that exists only before it is removed.  The
 * directories above a change are objects of the plan, too: they may be moved
 * themselves, and the path to the change leads through them.
 *
 *   plan_create()
 *   plan_add_object(), plan_get_name(), ...   in any order
 *   plan_index()       before depths, chains of names and paths are used; and
 *                      again after a change of names or of `exists`
 *   plan_destroy()
 *
 * Lifetime: objects and names live as long as the plan, and are known by their
 *           number.  plan_destroy() accepts NULL.
 * Errors:   0 or a negative errno.  plan_index(): -EUCLEAN if a path to the
 *           root leads in a circle.
 * Locking:  one thread.
 */
#include <sys/stat.h>
#include <time.h>

#include "core/lib/types.h"
#include "core/lib/uthash_safe.h"

/* Numbers of objects and names: none; the root of the base. */
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

/* The source of bytes of a file when its side is made true. */
enum plan_source {
	PLAN_HOLE = 0,
	PLAN_ARENA, /* pages of the store */
	PLAN_SAVED, /* STORE/commit/N/saved */
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

/* An object on one side. */
struct plan_state {
	bool exists;
	uint32_t mode; /* type and permissions */
	uint32_t uid;
	uint32_t gid;
	struct timespec atime;
	struct timespec mtime;
	uint64_t size_bytes;
	struct plan_run *runs; /* where its bytes are not the other side's */
	size_t run_count;
	size_t run_cap;
	struct plan_xattr *xattrs; /* all, if object.has_xattrs */
	size_t xattr_count;
	size_t xattr_cap;
};

struct plan_object {
	uint32_t id;
	mapfs_ino ino;	   /* in the base now; 0: not built yet */
	mapfs_ino was_ino; /* in the view, when the commit was planned */
	uint64_t rdev;	   /* of devices; major in the high half */
	char *target;	   /* of symbolic links */
	uint32_t home_dir; /* where it was found; PLAN_NONE: nowhere */
	char *home_name;
	struct plan_state side[PLAN_SIDES];
	uint64_t keep_bytes; /* at its start, the same on both sides */
	bool is_touched;     /* its attributes are set to those of the side */
	bool has_data;	     /* its runs and size are, too */
	bool has_xattrs;     /* ... and its extended attributes */
	bool remains;	     /* some of its delta is not committed */
	bool has_drifted;    /* somebody else changed it before the commit */
	bool is_as_left;     /* it is as the newest earlier commit left it */
	/* The rest is not on disk.  By plan_index(): */
	uint32_t first_name[PLAN_SIDES]; /* chain through name.next */
	uint32_t name_count[PLAN_SIDES]; /* of names that change */
	uint32_t depth[PLAN_SIDES];
	/* By locate.c: */
	bool is_visited;     /* a search is on its way through it */
	unsigned int missed; /* number of the search that did not find it */
	int dirfd;	     /* -1: not open */
	/* By sums.c and kept.c: */
	bool is_damaged; /* bytes that undoing needs; then it is left out */
	/* By names.c: */
	bool has_no_place; /* a name that it should have is not to be had */
	UT_hash_handle hh;
};

struct plan_name {
	uint32_t id;
	uint32_t object[PLAN_SIDES]; /* PLAN_NONE: the name is not there */
	uint32_t next[PLAN_SIDES];
	uint16_t name_bytes;
	bool remains; /* the change of it is not committed */
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
	bool is_partial;	    /* a part of the delta is committed */
	uint64_t saved_bytes;	    /* size of STORE/commit/N/saved */
	bool has_sums;		    /* there is STORE/commit/N/sums */
	uint64_t sum;		    /* of its bytes in the store */
};

int must_check plan_create(struct plan **out);
void plan_destroy(struct plan *p);
/* ino 0: an object that is not in the base yet. */
int must_check plan_add_object(struct plan *p, mapfs_ino ino,
			       struct plan_object **out);
/* By its inode number when the commit was planned; NULL: none. */
struct plan_object *plan_find_object(struct plan *p, mapfs_ino ino);
/* Notes where the base has the object; later calls change nothing. */
int must_check plan_set_home(struct plan_object *o, uint32_t dir,
			     const char *name);
/* The name; if the plan has it not, it is added, with no object. */
int must_check plan_get_name(struct plan *p, uint32_t dir, const char *name,
			     struct plan_name **out);
/* NULL: the plan has no such name. */
struct plan_name *plan_find_name(struct plan *p, uint32_t dir,
				 const char *name);
/* Copies the run; an empty one is left out. */
int must_check plan_add_run(struct plan_state *s, const struct plan_run *run);
/* Copies name and value. */
int must_check plan_add_xattr(struct plan_state *s, const char *name,
			      const void *value, size_t value_bytes);
int must_check plan_index(struct plan *p);
/* Has the name another object, or none, on the other side? */
static inline bool plan_name_changes(const struct plan_name *n)
{
	return n->object[PLAN_BEFORE] != n->object[PLAN_AFTER];
}
/* Does making this side true remove the object, or create it? */
static inline bool plan_removes(const struct plan_object *o, enum plan_side to)
{
	return !o->side[to].exists && o->side[plan_other(to)].exists;
}
static inline bool plan_creates(const struct plan_object *o, enum plan_side to)
{
	return plan_removes(o, plan_other(to));
}
/* The path of an object on a side, to be freed; -ENOENT: none is known. */
int must_check plan_path(const struct plan *p, uint32_t id, enum plan_side side,
			 char **out);
/* ... of a name in a directory. */
int must_check plan_name_path(const struct plan *p, const struct plan_name *n,
			      enum plan_side side, char **out);

/* The type of file that the object is, on either side. */
uint32_t plan_type(const struct plan_object *o);
/* Is this the object?  By its inode number in the base and its type. */
bool plan_object_is(const struct plan_object *o, const struct stat *st);
/* Has it the size and modification time of that side?  No directories. */
bool plan_object_is_as(const struct plan_object *o, enum plan_side side,
		       uint64_t size_bytes, struct timespec mtime);

#endif
