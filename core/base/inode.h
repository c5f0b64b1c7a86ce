/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_INODE_H
#define MAPFS_CORE_BASE_INODE_H

/*
 * The inodes that a view knows: those that the kernel remembers, those in use
 * by a request, the directories above them, and (copy mode) those that
 * changed.
 *
 * An inode that has an object in the base knows its *place*: the inode of a
 * directory above, and a name relative to it (after a replay that can be a
 * path from the root).  In copy mode the place never changes; in read and
 * write mode it follows what is seen of the base.
 *
 * Lifetime: an inode lives while it is counted: by the kernel (nlookup), by a
 *           hold (itable_get(), inode_hold() .. inode_put()), by an inode
 *           whose place it is part of, or because it is `kept` (it has a
 *           delta).
 * Errors:   0 or a negative errno.
 * Locking:  counts and places change under itable.lock (RANK_ITABLE), which
 *           every call takes itself.  A count is compared with zero under the
 *           same lock under which it changes.
 */
#include <limits.h>
#include <stdatomic.h>

#include "core/lib/table.h"
#include "core/lib/types.h"

struct delta; /* what changed: core/delta/delta.h; copy mode only */
struct itable;
struct places;

struct inode {
	struct table_link link;		/* by itable.lock */
	mapfs_ino ino;			/* fixed at birth */
	uint64_t generation;		/* by itable.lock */
	struct inode *base_parent;	/* by itable.lock; counted; or NULL */
	char *base_name;		/* by itable.lock; NULL: the root, or
					   not in the base */
	struct delta *delta;		/* by the inode's stripe */
	uint64_t nlookup;		/* by itable.lock */
	_Atomic uint64_t change_cookie; /* write mode: of the version that
					   the kernel was told of last; 0:
					   of none */
	_Atomic int64_t read_ctime_ns;	/* of the base object when the first
					   bytes of it were read; 0: none */
	struct inode *pin_prev;		/* by itable.lock */
	struct inode *pin_next;		/* by itable.lock */
	int pinned_fd;			/* by itable.lock; -1: none */
	uint32_t holds;			/* by itable.lock */
	uint32_t children;		/* by itable.lock: inodes whose place
					   this one is part of */
	_Atomic uint16_t type;		/* S_IFMT bits; changes only with the
					   generation */
	bool kept;			/* by itable.lock */
	_Atomic bool is_stale;	  /* copy mode: the kernel's cached pages are of
				     another time */
	_Atomic bool is_stand_in; /* copy mode: for a directory that the base
				     lost and the delta never had */
	_Atomic bool is_guarded;  /* copy mode: a store of others into the base
				     object moves a time stamp */
	_Atomic bool is_foreign;  /* a foreign directory, as each lookup
				     finds out again */
};

/* What a caller knows of an object: which one it is, and its place. */
struct inode_facts {
	mapfs_ino ino;
	uint64_t generation;
	uint16_t type;	      /* S_IFMT bits */
	struct inode *parent; /* NULL: no place is known */
	const char *name;     /* relative to the parent; NULL with it */
};

int must_check itable_create(struct itable **out, mapfs_ino root_ino);
/* Frees every inode, whatever its counts; accepts NULL. */
void itable_destroy(struct itable *t);
/* Notes the places of inodes that leave the table; set once, borrowed. */
void itable_set_places(struct itable *t, struct places *p);
/* The root; always known, needs no put. */
struct inode *itable_root(struct itable *t);
/* The inode with this number, with a hold, or NULL. */
struct inode *itable_get(struct itable *t, mapfs_ino ino);
/*
 * The inode with this number, with a hold; a new one if it is not known.  The
 * place is recorded for a new inode only.  A known inode of another generation
 * stands for a new object: it gets the new generation, type and place, unless
 * it is kept.  -ESTALE: the place is below the inode itself, so the facts were
 * true at no moment.
 */
int must_check itable_get_or_add(struct itable *t,
				 const struct inode_facts *facts,
				 struct inode **out);
/*
 * The same for facts seen in the base after itable_moves() returned `moves`:
 * records the place of a known inode, too, so the newest name wins; but not if
 * this view has recorded a move since, because the facts may be older.
 */
uint64_t itable_moves(struct itable *t);
int must_check itable_see(struct itable *t, const struct inode_facts *facts,
			  uint64_t moves, struct inode **out);
void inode_hold(struct itable *t, struct inode *i);
/*
 * Drops a hold.  True: the inode is kept, and neither the kernel nor a
 * request counts it any more; it may be an orphan, which the caller can check.
 */
bool inode_put(struct itable *t, struct inode *i);
void inode_count_lookup(struct itable *t, struct inode *i);
/* Lowers nlookup by n (never below zero); result as inode_put(). */
bool itable_forget(struct itable *t, mapfs_ino ino, uint64_t n);
/* Does nothing count it but the caller's hold, children and `kept` aside? */
bool inode_is_idle(struct itable *t, struct inode *i);
/* Does the kernel know it?  The root always, any other by its count. */
bool inode_is_known(struct itable *t, const struct inode *i);
/*
 * A kept inode stays in the table whatever its counts are.  One that is kept no
 * more begins again: nothing of it was read, and it is not guarded.
 */
void inode_set_kept(struct itable *t, struct inode *i, bool kept);
/*
 * The object moved, or (parent NULL) has no name any more.  -ESTALE as
 * itable_get_or_add().
 */
int must_check inode_move(struct itable *t, struct inode *i,
			  struct inode *parent, const char *name);
/*
 * The object lost the name `name` in `parent`.  If that is its place, forgets
 * it and returns true: only a pinned descriptor leads to the object now.
 */
bool inode_lose_place(struct itable *t, struct inode *i,
		      const struct inode *parent, const char *name);
/*
 * The object's place: the inode above, with a hold, and one name of at most
 * NAME_MAX bytes.  -ESTALE: it has no place, as the root has none;
 * -ENAMETOOLONG: the name is a path.
 */
int must_check inode_place(struct itable *t, struct inode *i,
			   struct inode **parent, char name[NAME_MAX + 1]);
/* Number of the directory above in the base; the root's is its own. */
mapfs_ino inode_parent_ino(struct itable *t, const struct inode *i);
/*
 * The path from the root, without a leading '/', "" for the root.  Allocated
 * for the caller.  -ESTALE: the object has no place.
 */
int must_check inode_base_path(struct itable *t, struct inode *i, char **out);
/*
 * Write mode: keeps `fd`, which it takes, to reach the object for as long as
 * the inode lives, even without a name.  At most a quarter of the process's
 * descriptors are used for this: after that the oldest one is closed.
 */
void inode_pin(struct itable *t, struct inode *i, int fd);
/* Closes that descriptor: the object has a recorded name again. */
void inode_unpin(struct itable *t, struct inode *i);
/* A duplicate of the pinned descriptor; -ENOENT: there is none. */
int must_check inode_pin_dup(struct itable *t, struct inode *i, int *fd);
uint64_t itable_count(struct itable *t);
/* Numbers of the inodes of `type` that the kernel counts; the caller frees. */
int must_check itable_counted(struct itable *t, uint16_t type, mapfs_ino **out,
			      size_t *count);
/*
 * The numbers of all kept inodes, for a caller that locks something for each;
 * allocated for the caller, NULL if there are none.
 */
int must_check itable_list_kept(struct itable *t, mapfs_ino **out,
				size_t *count);
/*
 * The same in pieces: 1: the numbers of the kept inodes of some buckets more,
 * perhaps none; 0: that was all.  An inode that is kept all the time is met at
 * least once.  The caller frees `inos` at the end.
 */
struct kept_walk {
	uint64_t buckets; /* of a piece */
	uint64_t at;
	mapfs_ino *inos;
	size_t count;
	size_t cap;
};
int must_check itable_walk_kept(struct itable *t, struct kept_walk *w);
/*
 * Calls `fn` for each kept inode; a non-zero result of it ends the loop and is
 * returned.  It is called under itable.lock, so it calls nothing of this file.
 */
int itable_iterate_kept(struct itable *t, int (*fn)(void *arg, struct inode *i),
			void *arg);

#endif
