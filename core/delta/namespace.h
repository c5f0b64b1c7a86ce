/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_NAMESPACE_H
#define MAPFS_CORE_DELTA_NAMESPACE_H

/*
 * The names in which a view differs from its base: dentries that point at a
 * changed or new inode, and whiteouts.
 *
 * Every dentry has a position among those of its directory.  Listings run
 * upwards through the positions and keep no other state, so the rules by
 * which a name gets its position are what a running listing shows:
 *
 *   a name has one position           so it is never listed twice: while it
 *                                     is there, when something else takes the
 *                                     name, when the name is taken away and
 *                                     given again
 *   a new name stands before all      so a running listing never meets it,
 *   others                            and has an end
 *   a renamed object's new name       so it is listed if the old name would
 *   stands just before the old one    have been
 *
 * A position is a slot and, in its lower bits, a place in the slot.  New
 * names open slots in falling order.  Each name of the base has a slot too,
 * above all those and made of a hash of the name, for the names that objects
 * get which lose that name; where in the directory it lies is the base's
 * order, which the listing of the base knows (overlay_dir.c).
 *
 * Positions are not on disk, because no listing outlives the mount.
 *
 * Lifetime: init/fini for memory the caller owns.  A struct dentry is
 *           borrowed until the next change of its name.
 * Errors:   0 or -ENOMEM, and then nothing changed.
 * Locking:  overlay.ns_lock: reading to look, writing to change.
 */
#include "core/lib/types.h"
#include "core/lib/uthash_safe.h"
#include "record.h"

#define POSITION_PLACE_BITS 16
#define POSITION_PLACE_MASK ((1ULL << POSITION_PLACE_BITS) - 1)
#define POSITION_SLOT_BITS 44
/* Set in the positions of slots that belong to a name of the base. */
#define POSITION_BASE (1ULL << (POSITION_SLOT_BITS + POSITION_PLACE_BITS))

struct dentry {
	UT_hash_handle hh;
	struct dentry *left;  /* live: below in the tree of its directory; */
	struct dentry *right; /* whiteout: neighbours in the list of them */
	uint64_t position;    /* live: unique in its directory, never 0 */
	uint64_t hidden;      /* sum of the version of the base object that the
				 name hid first; 0: unknown */
	mapfs_ino ino;	      /* 0: whiteout */
	uint16_t type;	      /* S_IFMT bits */
	uint16_t name_bytes;
	bool over_base; /* the base has this name too */
	mapfs_ino dir;	/* the key: this and the name behind it */
	char name[];	/* NUL-terminated */
};

struct dirlist;	  /* the dentries of one directory */
struct past_name; /* the position of a name that is not there any more */

struct namespace
{
	struct dentry *dentries;
	struct dirlist *dirs;
	uint64_t next_slot;	/* of a new name */
	uint64_t changes;	/* so far */
	struct past_name *past; /* a table of fixed size; NULL: empty */
	struct namespace *before;
	mapfs_ino left_dir; /* 0, or this change took a name in it away, */
	uint64_t left_at;   /* from this position */
};

void namespace_init(struct namespace *ns);
void namespace_fini(struct namespace *ns);
/* NULL: the delta says nothing of this name. */
struct dentry *namespace_lookup(const struct namespace *ns, mapfs_ino dir,
				const char *name, size_t name_bytes);
/*
 * Opens a change: a name taken away and the next one given in the same
 * directory, before the next call of this, are a rename.
 */
void namespace_change(struct namespace *ns);
/* Adds, or replaces what the delta said (`hidden` stays). */
int must_check namespace_insert(struct namespace *ns,
				const struct record_dentry *r);
/* Not being there is fine. */
void namespace_remove(struct namespace *ns, mapfs_ino dir, const char *name,
		      size_t name_bytes);
/* Forgets every dentry of a directory that is gone. */
void namespace_drop(struct namespace *ns, mapfs_ino dir);
/* The first live dentry of the directory above `position`; NULL: no more. */
struct dentry *namespace_next(const struct namespace *ns, mapfs_ino dir,
			      uint64_t position);
/* The highest position in the slot of this name of the base. */
uint64_t namespace_base_position(const char *name, size_t name_bytes);
/*
 * The first name above `position` in the slot of a name of the base, which an
 * object got that lost the latter; NULL: no more.
 */
struct dentry *namespace_next_renamed(const struct namespace *ns, mapfs_ino dir,
				      uint64_t position);
/* Has the delta any dentry (whiteouts included) in this directory? */
bool namespace_has(const struct namespace *ns, mapfs_ino dir);
/* Another one after each change of the directory's names; 0: it has none. */
uint64_t namespace_version(const struct namespace *ns, mapfs_ino dir);
/*
 * Every dentry; of one directory first the live ones, the highest position
 * first, so that inserting them in this order gives the same order again.
 * Non-zero stops.
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
 * Between these `ns`, empty at first, is filled with what comes in place of
 * `before` while listings are running: names of both keep their positions.
 */
void namespace_replace_begin(struct namespace *ns, struct namespace *before);
void namespace_replace_end(struct namespace *ns);

#endif
