/* SPDX-License-Identifier: MIT */
#ifndef MAPFS_CORE_BASE_BASE_PRIV_H
#define MAPFS_CORE_BASE_BASE_PRIV_H

/*
 * What the files of the base share: its root, and the cache of descriptors.
 *
 * Lifetime, errors, locking: as base.h.
 */
#include <stdatomic.h>

#include "base.h"
#include "core/lib/lock.h"
#include "core/lib/mapping.h"

struct base_fd {
	UT_hash_handle hh; /* by base.lock */
	struct base_key {
		mapfs_ino ino;
		uint64_t want;	 /* enum base_want */
	} key;			 /* fixed while open */
	int fd;			 /* fixed while open */
	unsigned int users;	 /* by base.lock */
	bool uncached;		 /* by base.lock: close when unused */
	struct mapping *mapping; /* large files; by base.lock */
	struct base_fd *prev;	 /* idle list, by base.lock */
	struct base_fd *next;
};

struct base {
	int rootfd;	   /* fixed while open */
	char *path;	   /* fixed while open */
	dev_t dev;	   /* fixed while open */
	uint64_t mount_id; /* fixed while open */
	bool has_mount_id; /* fixed while open */
	bool noatime;	   /* fixed while open: O_NOATIME everywhere */
	bool nodiratime;   /* fixed while open */
	enum {
		ATIME_NEVER,
		ATIME_RELATIVE,
		ATIME_STRICT,
	} atime_rule;	       /* of files; fixed while open */
	bool is_remote;	       /* asking may need somebody else */
	bool has_generations;  /* file handles tell a number used again */
	bool has_handles;      /* fixed while open: BASE_HANDLES */
	bool may_hide_foreign; /* a directory listed may be foreign */
	struct itable *itable; /* fixed after base_set_itable() */
	_Atomic uint64_t moves_begun;
	_Atomic uint64_t moves_ended;
	struct rmutex lock;	     /* RANK_BASE */
	struct base_fd *fds;	     /* by lock */
	struct base_fd *idle;	     /* least recently used first, by lock */
	unsigned int idle_count;     /* by lock */
	unsigned int idle_max;	     /* fixed while open */
	struct places *places;	     /* fixed while open; has its own lock */
	struct rmutex walk_lock;     /* RANK_LEAF */
	pthread_cond_t walked;	     /* a walk has ended */
	bool is_walking;	     /* by walk_lock */
	uint64_t walks;		     /* by walk_lock: that have ended */
	atomic_bool is_ending;	     /* no more walks */
	_Atomic int64_t full_said_s; /* when; 0: never */
};

/* Beneath the root, no link followed; O_NOATIME as far as allowed [B1]. */
int must_check base_openat(struct base *b, int dirfd, const char *path,
			   int flags, int *fd);
/*
 * The inode's object, opened by whatever leads to it and found to be the
 * inode.  flags: access mode, O_PATH, O_NONBLOCK, O_SYNC, O_DSYNC.
 */
int must_check base_open_inode(struct base *b, struct inode *i, int flags,
			       int *fd);
bool base_is_foreign(const struct base *b, const struct statx *stx);

void base_cache_init(struct base *b);
void base_cache_fini(struct base *b);
/* The descriptor if it is open already, else NULL. */
struct base_fd *base_hold_cached(struct base *b, const struct inode *i,
				 enum base_want want);

/*
 * As base_is_of(), as far as a look at the object tells: a generation that is
 * a file handle's is compared when the name is looked up.
 */
bool base_seems_to_be(const struct base *b, const struct inode *i,
		      const struct statx *stx);

#endif
