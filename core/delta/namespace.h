/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_NAMESPACE_H
#define MAPFS_CORE_DELTA_NAMESPACE_H

/*
 * The names in which a view differs from its base: dentries that point at a
 * changed or new inode, and whiteouts, which hide a name of the base.
 *
 * A live dentry, one that is no whiteout, has a position in its directory.  A
 * listing walks upwards through the positions and keeps no other state, so
 * these rules decide what a listing shows that is running while names change:
 *
 *   a name has one position           so it is never listed twice: also not
 *                                     if another object gets the name, or if
 *                                     the name is removed and created again
 *   a new name has a position below   so a running listing never meets it,
 *   all others                        and ends
 *   the new name of a renamed object  so it is listed if the old name would
 *   is just below the old name        have been
 *
 * A position is a slot and, in the lower bits, a place in the slot.  New names
 * get new slots in falling order.  Each name of the base has a slot too, above
 * all those, made of a hash of the name: for the names that objects get when
 * they lose that name.  The order of these slots in a listing is that of the
 * base's directory (core/overlay/readdir.c).
 *
 * Positions are not on disk, because no listing outlives the mount.
 *
 * Lifetime: init/fini for memory the caller owns.  A struct dentry is
 *           borrowed until the next change of its name.
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  overlay.ns_lock: reading to look, writing to change.
 */
#include "core/lib/table.h"
#include "core/lib/types.h"
#include "core/lib/uthash_safe.h"
#include "record.h"

#define POSITION_PLACE_BITS 16
#define POSITION_PLACE_MASK ((1ULL << POSITION_PLACE_BITS) - 1)
#define POSITION_SLOT_BITS 44
/* Set in the positions of slots that belong to a name of the base. */
#define POSITION_BASE (1ULL << (POSITION_SLOT_BITS + POSITION_PLACE_BITS))

struct dentry {
	struct table_link link;
	struct dentry *left; /* live: lower and higher positions in the tree; */
	struct dentry *right; /* whiteout: neighbours in the list */
	uint64_t position;    /* live: unique in its directory, never 0 */
	uint64_t hidden;      /* sig_sum() of the base object that the name hid
				 first; 0: unknown */
	mapfs_ino ino;	      /* 0: whiteout */
	mapfs_ino dir;
	uint16_t type; /* S_IFMT bits */
	uint16_t name_bytes;
	bool over_base;	 /* the base has this name too */
	bool of_base;	 /* ... or the object: it was moved or linked here */
	uint16_t moment; /* see moment.h */
	char name[];	 /* NUL-terminated; the key is `dir` and this */
};

/* How many dentries there are of each kind. */
struct name_counts {
	uint64_t added;	   /* of new objects, where the base has no name */
	uint64_t replaced; /* ... where it has one */
	uint64_t moved;	   /* of objects of the base */
	uint64_t hidden;   /* whiteouts */
};

struct dirlist;	  /* the dentries of one directory */
struct past_name; /* the position of a name that was removed */

struct namespace
{
	struct table dentries;
	struct name_counts counts;
	/* See moment.h; NULL: there is none. */
	void (*keep)(void *arg, const struct dentry *d);
	void *keep_arg;
	uint16_t moment; /* number of the newest one */
	struct dirlist *dirs;
	uint64_t live;		  /* dentries that are no whiteouts */
	uint64_t live_bytes;	  /* of their names */
	uint64_t next_slot;	  /* for the next new name */
	uint64_t changes;	  /* so far; for namespace_version() */
	struct past_name *past;	  /* a table of fixed size; NULL: empty */
	struct namespace *before; /* see namespace_replace_begin() */
	mapfs_ino left_dir; /* the directory in which the present change */
	uint64_t left_at;   /* removed a name at this position; 0: none */
};

void namespace_init(struct namespace *ns);
void namespace_fini(struct namespace *ns);
/* NULL: the delta does not have this name, and the base decides. */
struct dentry *namespace_lookup(const struct namespace *ns, mapfs_ino dir,
				const char *name, size_t name_bytes);
/*
 * Begins a change: if a name is removed and then one is inserted in the same
 * directory, before the next call of this, that is a rename.
 */
void namespace_change(struct namespace *ns);
/*
 * Adds the dentry, or replaces the one of this name and keeps its `hidden`.
 * `of_base`: its object is one of the base.
 */
int must_check namespace_insert(struct namespace *ns,
				const struct record_dentry *r, bool of_base);
/* No error if there is no such dentry. */
void namespace_remove(struct namespace *ns, mapfs_ino dir, const char *name,
		      size_t name_bytes);
/* Removes every dentry of a directory that was removed. */
void namespace_drop(struct namespace *ns, mapfs_ino dir);
/* The first live dentry of the directory above `position`; NULL: no more. */
struct dentry *namespace_next(const struct namespace *ns, mapfs_ino dir,
			      uint64_t position);
/* The highest position in the slot of this name of the base. */
uint64_t namespace_base_position(const char *name, size_t name_bytes);
/*
 * The first name above `position` in the slot of a name of the base: a name
 * that an object got when it lost that one.  NULL: no more.
 */
struct dentry *namespace_next_renamed(const struct namespace *ns, mapfs_ino dir,
				      uint64_t position);
/* Has the delta any dentry (whiteouts included) in this directory? */
bool namespace_has(const struct namespace *ns, mapfs_ino dir);
/* A different number after each change of the directory's names; 0: none. */
uint64_t namespace_version(const struct namespace *ns, mapfs_ino dir);
/*
 * Every dentry, directory by directory: first the live ones from the highest
 * position down, so that inserting them in this order gives the same order of
 * positions.  Non-zero stops.
 */
int must_check namespace_iterate(const struct namespace *ns,
				 int (*fn)(void *arg, const struct dentry *d),
				 void *arg);
/* The same of one directory. */
int must_check namespace_iterate_dir(const struct namespace *ns, mapfs_ino dir,
				     int (*fn)(void *arg,
					       const struct dentry *d),
				     void *arg);
/*
 * Between these two calls `ns`, which is empty at first, is filled with the
 * names that replace those of `before`.  Names that both have keep their
 * positions, for listings that are running.
 */
void namespace_replace_begin(struct namespace *ns, struct namespace *before);
void namespace_replace_end(struct namespace *ns);

/* Moves all names to *to; a moment stays with the names that follow. */
void namespace_move(struct namespace *ns, struct namespace *to);

/* For moment.h, which says what they do. */
void namespace_moment_begin(struct namespace *ns,
			    void (*keep)(void *arg, const struct dentry *d),
			    void *arg);
/* Copies the next `count` buckets; false: that was the end. */
bool namespace_moment_walk(struct namespace *ns, uint64_t *at, uint64_t count);
void namespace_moment_end(struct namespace *ns);

#endif
