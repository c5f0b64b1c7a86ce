/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_DELTA_H
#define MAPFS_CORE_DELTA_DELTA_H

/*
 * The delta: everything in which a view differs from its base, in memory.  It
 * changes in one way only, by delta_set_apply() of a group of records: in an
 * operation (after the group was decoded and journaled) and in replay.  So a
 * replay finds exactly what was in memory.
 *
 * Lifetime: init/fini.  A struct delta lives from its RECORD_INODE to its
 *           RECORD_INODE_GONE; its inode owns it, and is kept as long.
 * Errors:   0 or a negative errno; -EUCLEAN: the records contradict those
 *           before them; -EXDEV: they are about a base with another root.
 *           After an error in an operation memory and journal may differ, and
 *           the caller latches the store.
 * Locking:  a group with names needs ns_lock for writing.  A group about one
 *           inode needs ns_lock for reading and the inode's stripe for
 *           writing; `locked` is that inode, else NULL.  Readers of a struct
 *           delta hold the stripe.
 */
#include <stdatomic.h>

#include "core/arena/arena.h"
#include "core/base/inode.h"
#include "core/lib/lock.h"
#include "namespace.h"
#include "origins.h"
#include "pagetable.h"
#include "record.h"
#include "snapshot.h"

/*
 * Locks of deltas; a delta has the stripe of its inode number.  A rollback holds
 * all of them at once, and the thread sanitizer follows 64 locks.
 */
#define DELTA_STRIPES_SHIFT 5
#define DELTA_STRIPES (1 << DELTA_STRIPES_SHIFT)

struct records;

struct xattr {
	struct xattr *next;
	size_t value_bytes;
	size_t name_bytes; /* including the NUL */
	char name[];	   /* the value follows the NUL */
};

/* The base object of a changed inode, when the inode entered the delta. */
struct delta_base {
	struct record_sig sig;
	uint64_t blocks_512;
};

struct delta {
	struct record_attr attr;
	uint64_t generation;
	uint64_t rdev;
	struct timespec btime;
	struct delta_base *base; /* NULL: a new inode */
	struct pagetable pages;	 /* regular files */
	char *target;		 /* symbolic links */
	struct xattr *xattrs;
	uint32_t moment;       /* see moment.h */
	bool owns_xattrs;      /* `xattrs` are all; the base's do not count */
	bool base_has_no_caps; /* known: the base file has no capabilities */
	struct delta_base of_base[]; /* what `base` points to */
};

/* What copies the delta of one moment: moment.h. */
struct moment {
	/*
	 * Called by any thread that changes something; with the inode's stripe
	 * held for writing, and with ns_lock held, respectively.
	 */
	void (*inode)(void *arg, struct inode *i);
	void (*name)(void *arg, const struct dentry *d);
	/* Ends a hold; no lock is held. */
	void (*put)(void *arg, struct inode *i);
	void *arg;
};

/*
 * How many inodes have a delta: kept while it changes, because counting a
 * million would take as long as changing them.
 */
struct delta_counts {
	_Atomic uint64_t inodes;
	_Atomic uint64_t base_files; /* of the base, no directories, with a
					name */
	_Atomic uint64_t base_dirs;
	_Atomic uint64_t orphans; /* without a name */
};

struct delta_set {
	struct itable *itable;	    /* borrowed */
	struct arena *arena;	    /* borrowed; NULL: pages are not tracked */
	struct namespace names;	    /* by ns_lock */
	struct origins origins;	    /* of objects of the base; has its own
					 lock */
	struct snapshots snapshots; /* by ns_lock */
	struct rwlock stripes[DELTA_STRIPES];
	char *base;		      /* path in RECORD_STORE; fixed after
					 opening */
	struct base_identity base_id; /* ino 0: unknown; fixed after opening */
	uint64_t ino_tag;	      /* fixed after replay */
	_Atomic uint64_t next_ino;
	struct delta_counts counts;
	struct rmutex moment_lock; /* RANK_SYNC: one moment at a time */
	const struct moment *copy; /* by ns_lock; NULL: there is none */
	uint32_t moment;	   /* by ns_lock: number of the newest one */
	bool replaying;		   /* by ns_lock, once threads started */
	bool is_locked;		   /* by ns_lock: delta_set_lock() holds every
				     stripe */
	size_t dumped;		   /* of `dump_all` inodes and names; by the
				     thread that dumps */
	size_t dump_all;
	unsigned int depth; /* replay: 0, or from how many stores up the
				     lineage the records come */
};

void delta_set_init(struct delta_set *s, struct itable *t, struct arena *a);
/* The inodes belong to the itable and stay. */
void delta_set_fini(struct delta_set *s);
/*
 * Removes every delta and name; keeps the snapshots, and which inode numbers
 * were used.  The caller gets the names in *names and ends them.  ns_lock is
 * held for writing.  -ENOMEM: nothing happened.
 */
int must_check delta_set_clear(struct delta_set *s, struct namespace *names);
/*
 * Objects of the base that the undo of a commit gave a new signature have that
 * one from now on.  Nobody else knows the set yet, or every stripe is held.
 */
int must_check delta_set_renew_signatures(struct delta_set *s,
					  const struct snapshots *by);
/*
 * Locks every stripe for writing, with ns_lock held for writing; meanwhile
 * delta_set_apply() takes none.
 */
void delta_set_lock(struct delta_set *s);
void delta_set_unlock(struct delta_set *s);
/* Copies the inode for the moment, if it must be; its stripe is held. */
void delta_set_keep(struct delta_set *s, struct inode *i);
struct rwlock *delta_stripe(struct delta_set *s, const struct inode *i);
int must_check delta_set_apply(struct delta_set *s, const void *records,
			       size_t len, const struct inode *locked);
/* The same for a decoded group. */
int must_check delta_set_apply_decoded(struct delta_set *s,
				       const struct records *all,
				       const struct inode *locked);
/* An inode number that no object of the base or of this store ever had. */
mapfs_ino delta_set_new_ino(struct delta_set *s);
/* Is it a number of delta_set_new_ino()? */
bool delta_set_is_own_ino(const struct delta_set *s, mapfs_ino ino);

const struct xattr *delta_xattr_find(const struct delta *d, const char *name);
static inline const void *xattr_value(const struct xattr *x)
{
	return x->name + x->name_bytes;
}

#endif
