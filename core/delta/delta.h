/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_DELTA_DELTA_H
#define MAPFS_CORE_DELTA_DELTA_H

/*
 * Everything in which a view differs from its base, in memory.  It changes in
 * one way only: delta_set_apply() of a group of records, the same for a live
 * operation (after the group was decoded and journaled) and for replay, so
 * what is in memory and what a reopen finds cannot come apart.
 *
 * Lifetime: init/fini.  A struct delta lives from its RECORD_INODE to its
 *           RECORD_INODE_GONE, hanging from its inode, which it keeps.
 * Errors:   0 or a negative errno; -EUCLEAN: the records contradict what
 *           they build on; -EXDEV: they speak of a base with another root.  After an error of a live apply memory and
 *           journal may differ: the caller latches the store.
 * Locking:  a group with names needs ns_lock for writing; a group about one
 *           inode needs ns_lock for reading and the inode's stripe for
 *           writing, and says so with `locked`.  Readers of a struct delta
 *           hold the stripe.
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

/* All are held at once in a rollback; the thread sanitizer follows 64 locks. */
#define DELTA_STRIPES_SHIFT 5
#define DELTA_STRIPES (1 << DELTA_STRIPES_SHIFT)

struct records;

struct xattr {
	struct xattr *next;
	size_t value_bytes;
	size_t name_bytes; /* the NUL included */
	char name[];	   /* the value follows the NUL */
};

/* What is remembered of the base object of a changed inode. */
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
	bool owns_xattrs;      /* the base's do not count */
	bool base_has_no_caps; /* asked: no file capabilities there */
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
	_Atomic uint64_t changed; /* inodes with a delta */
	bool replaying;		  /* by ns_lock, once threads started */
	bool is_locked;		  /* ... : every stripe is held already */
	size_t dumped;		  /* of `dump_all` things, while
					     dumping; the dumper's */
	size_t dump_all;
	unsigned int depth; /* replay: 0, or how far up the line of
				     parents the records come from */
};

void delta_set_init(struct delta_set *s, struct itable *t, struct arena *a);
/* The inodes stay the itable's. */
void delta_set_fini(struct delta_set *s);
/*
 * Forgets what differs: every delta and name, but neither the snapshots nor
 * which numbers were used.  The names are the caller's now.  ns_lock held for
 * writing.  -ENOMEM: nothing happened.
 */
int must_check delta_set_clear(struct delta_set *s, struct namespace *names);
/*
 * Objects of the base that an undo gave another signature have that one.
 * Nobody else may know the set yet, or every stripe is held.
 */
int must_check delta_set_renew_signatures(struct delta_set *s,
					  const struct snapshots *by);
/* Every stripe for writing, ns_lock held for writing; applying takes none. */
void delta_set_lock(struct delta_set *s);
void delta_set_unlock(struct delta_set *s);
struct rwlock *delta_stripe(struct delta_set *s, const struct inode *i);
int must_check delta_set_apply(struct delta_set *s, const void *records,
			       size_t len, const struct inode *locked);
/* The same for a group that was decoded before it was journaled. */
int must_check delta_set_apply_decoded(struct delta_set *s,
				       const struct records *all,
				       const struct inode *locked);
/* A number no object of the base or of this store ever had. */
mapfs_ino delta_set_new_ino(struct delta_set *s);
/* Is it one this store could have given? */
bool delta_set_is_own_ino(const struct delta_set *s, mapfs_ino ino);

const struct xattr *delta_xattr_find(const struct delta *d, const char *name);
static inline const void *xattr_value(const struct xattr *x)
{
	return x->name + x->name_bytes;
}

#endif
